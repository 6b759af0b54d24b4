/* The chain behind an opening: what each party alone, with its own key and everybody else's bytes,
 * can not do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/types.h"
#include "crypto/chain.h"
#include "crypto/signed.h"
#include "soft.h"

#define HOME_ORIGIN    "https://home.example"
#define SERVICE_ORIGIN "https://service.example:8443"
#define NOW_S          INT64_C(1795514400)
#define FLAGS          0x05u /* present and verified */

/* ---- an honest chain, from its parts ---- */

struct play {
    struct soft owner, courier;
    struct dw_secret agency, hub;
    uint8_t hub_nonce[32], courier_nonce[32], door_code[32];
    uint64_t visit;

    /* What the parties sign; tests change these, then build. */
    struct dw_grant grant;
    struct dw_job job;
    struct dw_shift shift;
    struct dw_evidence evidence;
    const char *owner_origin, *owner_rp, *courier_origin, *courier_rp;
    uint8_t owner_flags, courier_flags;
    struct dw_utc now;
    uint32_t epoch, epoch_least;
    bool is_guest;
    const struct dw_secret *papers; /* who signs manifest and shift; NULL: the agency */

    uint8_t grant_bytes[4096], manifest[DW_SIGNED_BYTES_MAX], shift_bytes[DW_SIGNED_BYTES_MAX];
    size_t grant_len, manifest_len, shift_len;
    struct asserted proof;
    uint8_t credential[16];
};

static void name_parties(struct play *p)
{
    dw_chain_passkey_thumb(&p->owner.passkey, p->grant.owner);
    memcpy(p->grant.grantee, p->agency.key.thumb, 32);
    memcpy(p->grant.hub, p->hub.key.thumb, 32);
    memcpy(p->job.hub, p->hub.key.thumb, 32);
    memcpy(p->shift.credential, p->courier.passkey.id, p->courier.passkey.id_len);
    p->shift.credential_len = p->courier.passkey.id_len;
    p->shift.alg = p->courier.passkey.alg == DW_PASSKEY_ES256 ? 1 : 2;
    p->shift.key_len = p->courier.passkey.key_len;
    memcpy(p->shift.key, p->courier.passkey.key, p->courier.passkey.key_len);
    memcpy(p->credential, p->courier.passkey.id, 16);
}

static struct play play_new(enum dw_passkey_alg alg)
{
    struct play p = {
        .owner = soft_new(alg, 0x11),
        .courier = soft_new(alg, 0x22),
        .visit = 77,
        .grant = {.nbf_s = NOW_S - 86400,
                  .exp_s = NOW_S + 86400,
                  .zone = "Europe/Amsterdam",
                  .name = "Acme",
                  .kind = DW_VISIT_DROP,
                  .dwell_ms = 60000,
                  .camera_class = DW_CAMERA_K2,
                  .epoch = 3,
                  .window_count = 1,
                  .window = {{0, DW_WEEK_MINUTES}},
                  .uses = 10,
                  .per_day = 2},
        .job = {.nbf_s = NOW_S - 3600,
                .exp_s = NOW_S + 3600,
                .kind = DW_VISIT_DROP,
                .openings = 1,
                .zone = "Europe/Amsterdam",
                .window = {20781, 600, 840},
                .dwell_ms = 30000,
                .camera_class = DW_CAMERA_K2},
        .shift = {.nbf_s = NOW_S - 3600, .exp_s = NOW_S + 7200, .origin = SERVICE_ORIGIN},
        .owner_origin = HOME_ORIGIN,
        .owner_rp = "home.example",
        .courier_origin = SERVICE_ORIGIN,
        .courier_rp = "service.example",
        .owner_flags = FLAGS,
        .courier_flags = FLAGS,
        .now = {NOW_S * 1000, NOW_S * 1000 + 200},
        .epoch = 5,
        .epoch_least = 2,
    };
    dw_secret_new(&p.agency);
    dw_secret_new(&p.hub);
    memset(p.hub_nonce, 1, 32);
    memset(p.courier_nonce, 2, 32);
    memset(p.door_code, 3, 32);
    memset(p.grant.id, 4, 16);
    memset(p.job.agency, 5, 16);
    memset(p.job.visitor, 6, 16);
    memset(p.shift.agency, 5, 16);
    memset(p.shift.visitor, 6, 16);
    name_parties(&p);
    return p;
}

static void play_free(struct play *p)
{
    soft_free(&p->owner);
    soft_free(&p->courier);
}

static void build_grant(struct play *p, const char *context)
{
    struct dw_evidence *e = &p->evidence;
    struct dw_buf bytes = dw_buf_of(e->bytes, sizeof e->bytes);
    struct dw_buf out = dw_buf_of(p->grant_bytes, sizeof p->grant_bytes);
    uint8_t challenge[32];
    assert_false(dw_failed(dw_grant_write(&p->grant, &bytes)));
    e->bytes_len = (uint16_t)bytes.len;
    dw_chain_challenge(context, dw_view_of_buf(&bytes), challenge);
    struct asserted a = soft_assert(&p->owner, "webauthn.get", p->owner_origin, p->owner_rp,
                                    p->owner_flags, challenge);
    memcpy(e->hub, p->grant.hub, 32);
    memcpy(e->id, p->grant.id, 16);
    snprintf(e->context, sizeof e->context, "%s", DW_GRANT_CONTEXT);
    e->credential_len = p->owner.passkey.id_len;
    memcpy(e->credential, p->owner.passkey.id, e->credential_len);
    e->auth_len = sizeof a.auth;
    memcpy(e->auth, a.auth, sizeof a.auth);
    e->client_len = (uint16_t)a.client_len;
    memcpy(e->client, a.client, a.client_len);
    e->signature_len = (uint16_t)a.signature_len;
    memcpy(e->signature, a.signature, a.signature_len);
    assert_false(dw_failed(dw_evidence_write(e, &out)));
    p->grant_len = out.len;
}

static const struct dw_secret *papers_of(const struct play *p)
{
    return p->papers ? p->papers : &p->agency;
}

static size_t sign_as(const struct dw_secret *key, enum dw_context context, struct dw_view payload,
                      uint8_t *ret_object)
{
    struct dw_buf out = dw_buf_of(ret_object, DW_SIGNED_BYTES_MAX);
    assert_false(dw_failed(dw_signed_make(key, context, payload, &out)));
    return out.len;
}

static void build_manifest(struct play *p, enum dw_context context)
{
    struct dw_manifest m = {0};
    struct dw_buf job = dw_buf_of(m.job, sizeof m.job);
    uint8_t bytes[2048];
    struct dw_buf out = dw_buf_of(bytes, sizeof bytes);
    assert_false(dw_failed(dw_job_write(&p->job, &job)));
    m.job_len = (uint16_t)job.len;
    memcpy(m.hub, p->job.hub, 32);
    memcpy(m.grant, p->grant.id, 16);
    assert_false(dw_failed(dw_manifest_write(&m, &out)));
    p->manifest_len = sign_as(papers_of(p), context, dw_view_of_buf(&out), p->manifest);
}

static void build_shift(struct play *p, enum dw_context context)
{
    uint8_t bytes[1024];
    struct dw_buf out = dw_buf_of(bytes, sizeof bytes);
    assert_false(dw_failed(dw_shift_write(&p->shift, &out)));
    p->shift_len = sign_as(papers_of(p), context, dw_view_of_buf(&out), p->shift_bytes);
}

static struct dw_stop stop_of(const struct play *p)
{
    struct dw_stop s = {.visit = p->visit, .door = p->job.door};
    memcpy(s.hub, p->hub.key.thumb, 32);
    dw_sha256(dw_view_of(p->manifest, p->manifest_len), s.manifest);
    memcpy(s.hub_nonce, p->hub_nonce, 32);
    memcpy(s.courier_nonce, p->courier_nonce, 32);
    memcpy(s.door_code, p->door_code, 32);
    return s;
}

static void build_proof(struct play *p, const struct dw_stop *stop, const char *context,
                        const char *type)
{
    uint8_t bytes[512], challenge[32];
    struct dw_buf out = dw_buf_of(bytes, sizeof bytes);
    assert_false(dw_failed(dw_stop_write(stop, &out)));
    dw_chain_challenge(context, dw_view_of_buf(&out), challenge);
    p->proof = soft_assert(&p->courier, type, p->courier_origin, p->courier_rp, p->courier_flags,
                           challenge);
}

static void build(struct play *p)
{
    build_grant(p, DW_GRANT_CONTEXT);
    build_manifest(p, DW_CONTEXT_MANIFEST);
    build_shift(p, DW_CONTEXT_SHIFT);
    struct dw_stop stop = stop_of(p);
    build_proof(p, &stop, DW_STOP_CONTEXT, "webauthn.get");
}

static enum dw_chain_no check(const struct play *p)
{
    struct dw_chain chain = {
        .grant = dw_view_of(p->grant_bytes, p->grant_len),
        .manifest = dw_view_of(p->manifest, p->manifest_len),
        .shift = dw_view_of(p->shift_bytes, p->shift_len),
        .credential = dw_view_of(p->credential, sizeof p->credential),
        .client_data = dw_view_of(p->proof.client, p->proof.client_len),
        .auth_data = dw_view_of(p->proof.auth, sizeof p->proof.auth),
        .signature = dw_view_of(p->proof.signature, p->proof.signature_len),
    };
    struct dw_chain_want want = {
        .hub = p->hub.key.thumb,
        .owner = &p->owner.passkey,
        .owner_count = 1,
        .owner_origin = HOME_ORIGIN,
        .owner_rp_id = "home.example",
        .agency = &papers_of(p)->key,
        .is_guest = p->is_guest,
        .now = p->now,
        .epoch = p->epoch,
        .epoch_least = p->epoch_least,
        .visit = p->visit,
        .hub_nonce = p->hub_nonce,
        .courier_nonce = p->courier_nonce,
        .door_code = p->door_code,
    };
    static struct dw_chain_said said, untouched;
    memset(&said, 0xa5, sizeof said);
    memset(&untouched, 0xa5, sizeof untouched);
    enum dw_chain_no no = dw_chain_check(&chain, &want, &said);
    if (no != DW_CHAIN_YES)
        assert_memory_equal(&said, &untouched, sizeof said);
    else
        assert_int_equal(said.job.door, p->job.door);
    return no;
}

static const enum dw_passkey_alg algs[] = {DW_PASSKEY_ES256, DW_PASSKEY_EDDSA};

#define IS(no, p) assert_string_equal(dw_chain_no_code(check(p)), dw_chain_no_code(no))

static void an_honest_chain(void **state)
{
    (void)state;
    for (size_t i = 0; i < DW_ARRAY_COUNT(algs); i++) {
        struct play p = play_new(algs[i]);
        build(&p);
        IS(DW_CHAIN_YES, &p);
        play_free(&p);
    }
}

/* Each reason, by the least change that brings it about. Before `build` the signer itself lies;
 * after it somebody changed what was signed. */
static void each_reason(void **state)
{
    (void)state;
#define CASE(no, before, after)                     \
    do {                                            \
        struct play p = play_new(DW_PASSKEY_EDDSA); \
        before;                                     \
        build(&p);                                  \
        after;                                      \
        IS(DW_CHAIN_NO_##no, &p);                   \
        seen |= UINT64_C(1) << DW_CHAIN_NO_##no;    \
        play_free(&p);                              \
    } while (0)
    uint64_t seen = 1;

    CASE(CLOCK, p.now = (struct dw_utc){0}, (void)0);
    CASE(GRANT_FORM, (void)0, p.grant_len--);
    CASE(GRANT_AUDIENCE, p.grant.hub[0] ^= 1, (void)0);
    CASE(GRANT_AUDIENCE, p.grant.hub[0] ^= 1,
         { /* the envelope says otherwise [I5] */
           memcpy(p.evidence.hub, p.hub.key.thumb, 32);
           struct dw_buf out = dw_buf_of(p.grant_bytes, sizeof p.grant_bytes);
           assert_false(dw_failed(dw_evidence_write(&p.evidence, &out)));
           p.grant_len = out.len;
         });
    CASE(GRANT_CONTEXT, (void)0, {
        snprintf(p.evidence.context, sizeof p.evidence.context, "%s", DW_CONTROL_CONTEXT);
        struct dw_buf out = dw_buf_of(p.grant_bytes, sizeof p.grant_bytes);
        assert_false(dw_failed(dw_evidence_write(&p.evidence, &out)));
        p.grant_len = out.len;
    });
    CASE(GRANT_KEY, (void)0, p.owner.passkey.id[0] ^= 1);
    CASE(GRANT_KEY, p.grant.owner[0] ^= 1, (void)0);
    CASE(GRANT_ORIGIN, p.owner_origin = "https://home.example.evil", (void)0);
    CASE(GRANT_ORIGIN, p.owner_rp = "evil", (void)0);
    CASE(GRANT_ORIGIN, p.owner_flags = 0x01, (void)0); /* present, not verified [I3] */
    CASE(GRANT_ORIGIN, p.owner_flags = 0x04, (void)0);
    CASE(GRANT_SIGNATURE, (void)0, p.owner.passkey.key[0] ^= 1);
    CASE(GRANT_EPOCH, p.grant.epoch = 6, (void)0);
    CASE(GRANT_EPOCH, p.grant.epoch = 1, (void)0);
    CASE(GRANT_EARLY, p.grant.nbf_s = NOW_S + 1, (void)0);
    CASE(GRANT_EARLY, p.grant.nbf_s = NOW_S, p.now.lo_ms--); /* the whole interval [I13] */
    CASE(GRANT_LATE, p.grant.exp_s = NOW_S, (void)0);
    CASE(GRANT_LATE, p.grant.exp_s = NOW_S + 1, p.now.hi_ms += 800);
    CASE(GRANT_GRANTEE, p.grant.grantee[0] ^= 1, (void)0);
    CASE(MANIFEST_FORM, (void)0, p.manifest_len--);
    CASE(MANIFEST_CONTEXT, (void)0, build_manifest(&p, DW_CONTEXT_JOB));
    CASE(MANIFEST_SIGNATURE, (void)0, p.manifest[p.manifest_len - 1] ^= 1);
    CASE(MANIFEST_AUDIENCE, p.job.hub[0] ^= 1, (void)0); /* [I5] */
    CASE(MANIFEST_GRANT, (void)0, {
        p.grant.id[0] ^= 1;
        build_grant(&p, DW_GRANT_CONTEXT);
    });
    CASE(MANIFEST_SCOPE, p.job.dwell_ms = 60001, (void)0); /* [I4] */
    CASE(MANIFEST_EARLY, p.job.nbf_s = NOW_S + 1, (void)0);
    CASE(MANIFEST_LATE, p.job.exp_s = NOW_S, (void)0);
    CASE(SHIFT_FORM, (void)0, p.shift_len--);
    CASE(SHIFT_CONTEXT, (void)0, build_shift(&p, DW_CONTEXT_MANIFEST));
    CASE(SHIFT_SIGNATURE, (void)0, p.shift_bytes[p.shift_len - 1] ^= 1);
    CASE(SHIFT_VISITOR, p.shift.visitor[0] ^= 1, (void)0);
    CASE(SHIFT_VISITOR, p.shift.agency[0] ^= 1, (void)0);
    CASE(SHIFT_EARLY, p.shift.nbf_s = NOW_S + 1, (void)0);
    CASE(SHIFT_LATE, p.shift.exp_s = NOW_S, (void)0);
    CASE(PROOF_KEY, (void)0, p.credential[0] ^= 1);
    CASE(PROOF_ORIGIN, p.courier_origin = HOME_ORIGIN, (void)0);
    CASE(PROOF_ORIGIN, p.courier_flags = 0x01, (void)0); /* [I10] */
    CASE(PROOF_SIGNATURE, (void)0, p.proof.signature[0] ^= 1);
#undef CASE
    assert_true(seen == (UINT64_C(1) << DW_CHAIN_NO_COUNT) - 1); /* no code without a case */
}

/* [I3] What a passkey signs for one purpose counts for no other. */
static void no_other_purpose(void **state)
{
    (void)state;
    struct play p = play_new(DW_PASSKEY_EDDSA);
    static const char *const others[] = {DW_CONTROL_CONTEXT, DW_STOP_CONTEXT, "doorward/grant/2",
                                         "doorward/grant/1 ", ""};
    build(&p);
    for (size_t i = 0; i < DW_ARRAY_COUNT(others); i++) {
        build_grant(&p, others[i]);
        IS(DW_CHAIN_NO_GRANT_ORIGIN, &p);
    }
    build(&p);
    struct dw_stop stop = stop_of(&p);
    build_proof(&p, &stop, DW_GRANT_CONTEXT, "webauthn.get");
    IS(DW_CHAIN_NO_PROOF_ORIGIN, &p);
    build_proof(&p, &stop, DW_STOP_CONTEXT, "webauthn.create");
    IS(DW_CHAIN_NO_PROOF_ORIGIN, &p);
    play_free(&p);
}

/* Each field of the stop: a proof made for another of it is none here [I5, I8, I10]. */
static void no_other_stop(void **state)
{
    (void)state;
    struct play p = play_new(DW_PASSKEY_EDDSA);
    build(&p);
    const struct dw_stop honest = stop_of(&p);
#define OTHER(change)                                            \
    do {                                                         \
        struct dw_stop stop = honest;                            \
        change;                                                  \
        build_proof(&p, &stop, DW_STOP_CONTEXT, "webauthn.get"); \
        IS(DW_CHAIN_NO_PROOF_ORIGIN, &p);                        \
    } while (0)
    OTHER(stop.hub[31] ^= 1);
    OTHER(stop.manifest[31] ^= 1);
    OTHER(stop.hub_nonce[31] ^= 1);
    OTHER(stop.courier_nonce[31] ^= 1);
    OTHER(stop.visit++);
    OTHER(stop.door++);
    OTHER(stop.door_code[31] ^= 1);
#undef OTHER
    build_proof(&p, &honest, DW_STOP_CONTEXT, "webauthn.get");
    IS(DW_CHAIN_YES, &p);
    play_free(&p);
}

/* One flipped bit anywhere in anything refuses. */
static void every_bit(void **state)
{
    (void)state;
    struct play p = play_new(DW_PASSKEY_EDDSA);
    build(&p);
    struct {
        uint8_t *bytes;
        size_t len;
    } parts[] = {{p.grant_bytes, p.grant_len},        {p.manifest, p.manifest_len},
                 {p.shift_bytes, p.shift_len},        {p.proof.client, p.proof.client_len},
                 {p.proof.auth, sizeof p.proof.auth}, {p.proof.signature, p.proof.signature_len},
                 {p.credential, sizeof p.credential}};
    for (size_t i = 0; i < DW_ARRAY_COUNT(parts); i++) {
        for (size_t bit = 0; bit < parts[i].len * 8; bit++) {
            parts[i].bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_not_equal(check(&p), DW_CHAIN_YES);
            parts[i].bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
    IS(DW_CHAIN_YES, &p);
    play_free(&p);
}

/* Every object in every other's place. */
static void every_swap(void **state)
{
    (void)state;
    struct play p = play_new(DW_PASSKEY_ES256), q;
    build(&p);
    const uint8_t *objects[] = {p.grant_bytes, p.manifest, p.shift_bytes};
    const size_t lens[] = {p.grant_len, p.manifest_len, p.shift_len};
    for (size_t a = 0; a < 3; a++) {
        for (size_t b = 0; b < 3; b++) {
            if (a == b)
                continue;
            q = p;
            uint8_t *places[] = {q.grant_bytes, q.manifest, q.shift_bytes};
            size_t *place_lens[] = {&q.grant_len, &q.manifest_len, &q.shift_len};
            memcpy(places[a], objects[b], lens[b]);
            *place_lens[a] = lens[b];
            assert_int_not_equal(check(&q), DW_CHAIN_YES);
        }
    }
    /* Two honest chains mixed: other grant, other agency, other courier. */
    struct play r = play_new(DW_PASSKEY_ES256);
    r.hub = p.hub;
    name_parties(&r);
    build(&r);
    IS(DW_CHAIN_YES, &r);
    q = p;
    memcpy(q.grant_bytes, r.grant_bytes, r.grant_len);
    q.grant_len = r.grant_len;
    IS(DW_CHAIN_NO_GRANT_SIGNATURE, &q);
    q = p;
    memcpy(q.manifest, r.manifest, r.manifest_len);
    q.manifest_len = r.manifest_len;
    IS(DW_CHAIN_NO_MANIFEST_SIGNATURE, &q);
    q = p;
    memcpy(q.shift_bytes, r.shift_bytes, r.shift_len);
    q.shift_len = r.shift_len;
    IS(DW_CHAIN_NO_SHIFT_SIGNATURE, &q);
    q = p;
    q.proof = r.proof;
    assert_int_not_equal(check(&q), DW_CHAIN_YES);
    play_free(&p);
    play_free(&r);
}

/* A guest's visit: the grant names the passkey, the hub signs the papers. */
static void make_guest(struct play *p)
{
    p->is_guest = true;
    p->papers = &p->hub;
    memset(p->job.agency, 0, 16);
    memset(p->shift.agency, 0, 16);
    dw_chain_passkey_thumb(&p->courier.passkey, p->grant.grantee);
}

static void an_honest_guest(void **state)
{
    (void)state;
    for (size_t i = 0; i < DW_ARRAY_COUNT(algs); i++) {
        struct play p = play_new(algs[i]);
        make_guest(&p);
        build(&p);
        IS(DW_CHAIN_YES, &p);
        p.is_guest = false; /* and as an agency's, which the hub is not */
        IS(DW_CHAIN_NO_GRANT_GRANTEE, &p);
        play_free(&p);
    }
}

/* [I1] The hub's own papers give the permission to nobody else, and no agency's count. */
static void a_guest_is_the_one_of_the_grant(void **state)
{
    (void)state;
    struct play p = play_new(DW_PASSKEY_ES256);
    struct soft other = soft_new(DW_PASSKEY_ES256, 0x33);
    struct soft same_id = soft_new(DW_PASSKEY_ES256, 0x22);
    make_guest(&p);
    /* The hub, taken over, names another passkey in its papers: with its id, or the guest's id. */
    const struct soft *const thieves[] = {&other, &same_id};
    for (size_t i = 0; i < DW_ARRAY_COUNT(thieves); i++) {
        struct play q = p;
        q.papers = &q.hub;
        q.courier = *thieves[i];
        memcpy(q.shift.credential, q.courier.passkey.id, q.courier.passkey.id_len);
        memcpy(q.shift.key, q.courier.passkey.key, q.courier.passkey.key_len);
        memcpy(q.credential, q.courier.passkey.id, 16);
        build(&q);
        IS(DW_CHAIN_NO_GRANT_GRANTEE, &q);
    }
    /* The guest's papers as they must be, and the proof by another's key. */
    struct play q = p;
    q.papers = &q.hub;
    q.courier = same_id;
    build(&q);
    IS(DW_CHAIN_NO_PROOF_SIGNATURE, &q);
    /* An agency's papers on the guest's grant: neither as a guest's visit nor as an agency's. */
    q = p;
    q.papers = NULL;
    build(&q);
    IS(DW_CHAIN_NO_MANIFEST_SIGNATURE, &q);
    q.is_guest = false;
    IS(DW_CHAIN_NO_GRANT_GRANTEE, &q);
    /* The hub's papers on an agency's grant. */
    q = p;
    q.papers = &q.hub;
    memcpy(q.grant.grantee, q.agency.key.thumb, 32);
    build(&q);
    IS(DW_CHAIN_NO_GRANT_GRANTEE, &q);
    q.papers = NULL; /* asked as an agency's visit: they are not by it */
    q.is_guest = false;
    IS(DW_CHAIN_NO_MANIFEST_SIGNATURE, &q);
    soft_free(&other);
    soft_free(&same_id);
    play_free(&p);
}

int main(void)
{
    if (dw_failed(dw_crypto_init()))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_honest_chain),  cmocka_unit_test(each_reason),
        cmocka_unit_test(no_other_purpose), cmocka_unit_test(no_other_stop),
        cmocka_unit_test(every_bit),        cmocka_unit_test(every_swap),
        cmocka_unit_test(an_honest_guest),  cmocka_unit_test(a_guest_is_the_one_of_the_grant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
