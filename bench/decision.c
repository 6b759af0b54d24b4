/* bench_decision - what the guard's answer to a slide costs: the four signatures of the chain, a
 * frame of the camera and a word of the lock, against the same six signatures checked by the
 * libraries alone, with their keys made before; turn about, in one run. And the reading of a
 * manifest. Prints JSON lines.
 */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../tests/hub/guard/rig.h"
#include "wire/camera.h"

#define ROUNDS 4000u
#define READS  20000u
#define RUNS   9u

/* ---- every verification is counted where the libraries are called ---- */

static uint32_t verifications;

int __real_crypto_sign_verify_detached(const unsigned char *sig, const unsigned char *m,
                                       unsigned long long len, const unsigned char *pk);
int __wrap_crypto_sign_verify_detached(const unsigned char *sig, const unsigned char *m,
                                       unsigned long long len, const unsigned char *pk);
int __real_EVP_DigestVerify(EVP_MD_CTX *ctx, const unsigned char *sig, size_t sig_len,
                            const unsigned char *m, size_t len);
int __wrap_EVP_DigestVerify(EVP_MD_CTX *ctx, const unsigned char *sig, size_t sig_len,
                            const unsigned char *m, size_t len);

int __wrap_crypto_sign_verify_detached(const unsigned char *sig, const unsigned char *m,
                                       unsigned long long len, const unsigned char *pk)
{
    verifications++;
    return __real_crypto_sign_verify_detached(sig, m, len, pk);
}

int __wrap_EVP_DigestVerify(EVP_MD_CTX *ctx, const unsigned char *sig, size_t sig_len,
                            const unsigned char *m, size_t len)
{
    verifications++;
    return __real_EVP_DigestVerify(ctx, sig, sig_len, m, len);
}

static void need(bool is_so, const char *what)
{
    if (!is_so) {
        fprintf(stderr, "bench: %s\n", what);
        exit(1);
    }
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void line(const char *name, double value, const char *unit, double limit, bool is_least)
{
    bool ok = is_least ? value >= limit : value <= limit;
    printf("{\"name\":\"decision.%s\",\"value\":%.3f,\"unit\":\"%s\",\"limit\":%g,\"ok\":%s}\n",
           name, value, unit, limit, ok ? "true" : "false");
}

/* ---- the one visit that is decided again and again ---- */

static struct dw_proof asked;
static struct dw_evidence evidence;
static struct dw_stop stop;
static uint8_t frame[DW_FRAME_RECORD_MAX], status[512], manifest[DW_SIGNED_BYTES_MAX];
static struct dw_buf frame_of, status_of;
static struct dw_view manifest_of;
static struct hello *hello;
static struct job_slot *slot;
static struct dw_secret camera;

static void set_up(void)
{
    void *state = NULL;
    need(!dw_failed(dw_crypto_init()) && setup(&state) == 0, "the guard does not start");
    struct dw_job j = job_of(1, DW_VISIT_DROP);
    begin_shift();
    give(&j);
    pass_locked(6000);
    struct dw_hello h = hello_to(&j, 77, "P1");
    ask(&h);
    need(sent.offers > 0, "no offer");
    asked = proof_of(&sent.offer);
    stop = stop_of(&asked);
    evidence = evidence_of(&courier, &stop, COURIER_ORIGIN, COURIER_RP, 0x05);
    for (size_t i = 0; i < DW_ARRAY_COUNT(g.hellos) && !hello; i++)
        hello = g.hellos[i].visit == asked.visit ? &g.hellos[i] : NULL;
    for (size_t i = 0; i < JOBS_MAX && !slot; i++)
        slot = dw_same(g.jobs[i].job.job, j.job, sizeof j.job) ? &g.jobs[i] : NULL;
    need(hello && slot, "the visit is not there");

    struct dw_frame_record r = {.visit = asked.visit, .seq = 7};
    struct dw_lock_status s = {.seq = 9,
                               .boot_count = 1,
                               .bolt = DW_BOLT_THROWN,
                               .contact = DW_CONTACT_CLOSED,
                               .strike = DW_STRIKE_IN};
    uint8_t bytes[DW_FRAME_RECORD_MAX];
    struct dw_buf p = dw_buf_of(bytes, sizeof bytes);
    dw_secret_new(&camera);
    frame_of = dw_buf_of(frame, sizeof frame);
    status_of = dw_buf_of(status, sizeof status);
    need(!dw_failed(dw_frame_record_write(&r, &p)) &&
             !dw_failed(dw_signed_make(&camera, DW_CONTEXT_FRAME, dw_view_of_buf(&p), &frame_of)),
         "no frame");
    p.len = 0;
    need(!dw_failed(dw_lock_status_write(&s, &p)) &&
             !dw_failed(
                 dw_signed_make(&lock_key, DW_CONTEXT_LOCK_STATUS, dw_view_of_buf(&p), &status_of)),
         "no status");
    memcpy(manifest, slot->object, slot->object_len);
    manifest_of = dw_view_of(manifest, slot->object_len);
}

/* As on_stop, eyes_on_frame and bolt_on_signed do it. */
static void decide(void)
{
    struct dw_frame_record r;
    struct dw_lock_status s;
    struct dw_view payload;
    need(authority_check(&g, hello, slot, &evidence, &stop) == DW_CHAIN_YES,
         "the chain is refused");
    need(!dw_failed(
             dw_signed_open(&camera.key, DW_CONTEXT_FRAME, dw_view_of_buf(&frame_of), &payload)) &&
             !dw_failed(dw_frame_record_read(payload, &r)),
         "the frame is refused");
    need(!dw_failed(dw_signed_open(&lock_key.key, DW_CONTEXT_LOCK_STATUS,
                                   dw_view_of_buf(&status_of), &payload)) &&
             !dw_failed(dw_lock_status_read(payload, &s)),
         "the lock is refused");
}

/* ---- the libraries alone: messages of the same lengths, keys made before ---- */

static EVP_PKEY *p256[2];
static uint8_t p256_sig[2][80], ed_sig[4][64], ed_pub[32], message[4096];
static size_t p256_sig_len[2];
static const size_t p256_len[2] = {69, 69}; /* authenticator data and a hash */
static size_t ed_len[4];

static void set_up_peer(void)
{
    uint8_t ed_secret[64];
    const size_t len[4] = {slot->object_len, 300, frame_of.len, status_of.len};
    memcpy(ed_len, len, sizeof len);
    need(crypto_sign_keypair(ed_pub, ed_secret) == 0, "no key");
    for (size_t i = 0; i < 4; i++)
        crypto_sign_detached(ed_sig[i], NULL, message, ed_len[i], ed_secret);
    for (size_t i = 0; i < 2; i++) {
        p256[i] = EVP_EC_gen("P-256");
        p256_sig_len[i] = sizeof p256_sig[i];
        EVP_MD_CTX *c = EVP_MD_CTX_new();
        need(p256[i] && c && EVP_DigestSignInit(c, NULL, EVP_sha256(), NULL, p256[i]) == 1 &&
                 EVP_DigestSign(c, p256_sig[i], &p256_sig_len[i], message, p256_len[i]) == 1,
             "no signature");
        EVP_MD_CTX_free(c);
    }
}

static void peer(void)
{
    for (size_t i = 0; i < 2; i++) {
        EVP_MD_CTX *c = EVP_MD_CTX_new();
        need(c && EVP_DigestVerifyInit(c, NULL, EVP_sha256(), NULL, p256[i]) == 1 &&
                 EVP_DigestVerify(c, p256_sig[i], p256_sig_len[i], message, p256_len[i]) == 1,
             "the library refuses");
        EVP_MD_CTX_free(c);
    }
    for (size_t i = 0; i < 4; i++)
        need(crypto_sign_verify_detached(ed_sig[i], message, ed_len[i], ed_pub) == 0,
             "the library refuses");
}

/* The object, the manifest in it, and the job in that. */
static void read_manifests(void)
{
    static struct dw_manifest m;
    struct dw_cose cose;
    double run[RUNS];
    for (size_t i = 0; i < RUNS; i++) {
        double from = now_us();
        for (uint32_t n = 0; n < READS; n++)
            need(!dw_failed(dw_cose_read(DW_CONTEXT_MANIFEST, manifest_of, &cose)) &&
                     !dw_failed(dw_manifest_read(cose.payload, &m)),
                 "the manifest cannot be read");
        run[i] = (now_us() - from) / READS;
    }
    qsort(run, RUNS, sizeof *run, ascending);
    line("manifest_read", run[RUNS / 2], "us", 2, false);
}

int main(void)
{
    static double ours[ROUNDS], theirs[ROUNDS];
    double sum = 0, sum_peer = 0;
    set_up();
    set_up_peer();
    for (int i = 0; i < 100; i++) {
        decide();
        peer();
    }
    verifications = 0;
    decide();
    uint32_t count = verifications;
    verifications = 0;
    peer();
    need(verifications == count, "the peer does not do the same work");
    for (uint32_t i = 0; i < ROUNDS; i++) {
        double a = now_us();
        decide();
        double b = now_us();
        peer();
        double c = now_us();
        sum += ours[i] = b - a;
        sum_peer += theirs[i] = c - b;
    }
    qsort(ours, ROUNDS, sizeof *ours, ascending);
    qsort(theirs, ROUNDS, sizeof *theirs, ascending);
    line("verifications", count, "count", 6, false);
    line("p50", ours[ROUNDS / 2] / 1000, "ms", 1.5, false);
    line("p99", ours[ROUNDS * 99 / 100] / 1000, "ms", 1.5, false);
    line("of_the_libraries", sum_peer / sum, "ratio", 0.8, true);
    printf("{\"name\":\"decision.libraries_alone\",\"value\":%.3f,\"unit\":\"ms\"}\n",
           theirs[ROUNDS / 2] / 1000);
    read_manifests();
    void *state = NULL;
    (void)teardown(&state);
    return 0;
}
