/* The camera link's TLS: who gets in, who does not and what is said of it, and what changed bytes
 * do. Half of it works on memory, so that every byte can be touched; half on sockets, as it is
 * used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "crypto/tls.h"
#include "os/os.h"
#include "os/stream.h"

#define ALPN      "doorward-test/1"
#define MAX_BYTES 200000u
#define WAIT_MS   20000u

static struct dw_secret ours, theirs, stranger;
static struct dw_tls_end *server, *client;
static unsigned checks;
static bool is_anybody; /* the check says yes to every key */

static bool is_theirs(void *ctx, const uint8_t pub[DW_KEY_BYTES], struct dw_view proof)
{
    const struct dw_secret *want = ctx;
    checks++;
    return is_anybody || (dw_same(pub, want->key.pub, DW_KEY_BYTES) && proof.len == 5 &&
                          memcmp(proof.ptr, "proof", 5) == 0);
}

static struct dw_tls_end *end_of(const struct dw_secret *own, struct dw_secret *peer,
                                 const char *alpn, const char *proof)
{
    struct dw_tls_conf conf = {.secret = own,
                               .proof = dw_view_of(proof, strlen(proof)),
                               .alpn = alpn,
                               .check = is_theirs,
                               .ctx = peer};
    struct dw_tls_end *end = NULL;
    assert_false(dw_failed(dw_tls_end_new(&conf, &end)));
    return end;
}

static int make_ends(void **state)
{
    (void)state;
    is_anybody = false;
    checks = 0;
    server = end_of(&ours, &theirs, ALPN, "proof");
    client = end_of(&theirs, &ours, ALPN, "proof");
    return 0;
}

static int free_ends(void **state)
{
    (void)state;
    dw_tls_end_free(server);
    dw_tls_end_free(client);
    return 0;
}

/* ---- on memory ---- */

struct side {
    struct dw_seal seal;
    void *session;
    dw_err greeted;
};

static struct side side_of(struct dw_tls_end *end, bool is_dialler)
{
    struct side s = {.seal = dw_tls_seal(end), .greeted = dw_fail(DW_E_BUSY)};
    s.session = s.seal.begin(s.seal.end, is_dialler);
    assert_non_null(s.session);
    return s;
}

/* What `from` has for the wire, byte number `*flip` of the whole talk changed. */
static size_t carry(struct side *from, struct side *to, long *flip, uint8_t bit)
{
    static uint8_t bytes[MAX_BYTES * 2];
    size_t n = from->seal.take(from->session, bytes, sizeof bytes);
    if (flip && *flip >= 0) {
        if (*flip < (long)n)
            bytes[*flip] ^= bit;
        *flip -= (long)n;
    }
    if (n > 0)
        (void)!dw_failed(to->seal.feed(to->session, dw_view_of(bytes, n)));
    return n;
}

static bool is_over(const struct side *s)
{
    return dw_failed(s->greeted) && !dw_is(s->greeted, DW_E_BUSY);
}

static size_t greet(struct side *a, struct side *b, long *flip, uint8_t bit)
{
    size_t carried = 0;
    for (int turn = 0; turn < 8; turn++) {
        for (int i = 0; i < 2; i++) {
            struct side *from = i ? b : a, *to = i ? a : b;
            if (dw_is(from->greeted, DW_E_BUSY))
                from->greeted = from->seal.greet(from->session);
            carried += carry(from, to, flip, bit);
        }
        if (is_over(a) && is_over(b))
            break;
    }
    return carried;
}

static void drop(struct side *a, struct side *b)
{
    a->seal.drop(a->session);
    b->seal.drop(b->session);
}

/* What `to` reads; -1: it found the bytes changed. */
static long receive(struct side *to, uint8_t *bytes, size_t cap)
{
    struct dw_buf out = dw_buf_of(bytes, cap);
    size_t n = 1;
    while (n > 0)
        if (dw_failed(to->seal.read(to->session, &out, &n)))
            return -1;
    return (long)out.len;
}

static void the_right_keys_talk(void **state)
{
    (void)state;
    static uint8_t sent[100000], got[sizeof sent + 1];
    struct side d = side_of(client, true), l = side_of(server, false);
    (void)greet(&d, &l, NULL, 0);
    assert_false(dw_failed(d.greeted) || dw_failed(l.greeted));
    assert_int_equal(checks, 2); /* each has looked at the other */
    assert_int_equal(dw_tls_peer_proof(d.session).len, 5);
    dw_random(sent, sizeof sent);
    struct side *from[] = {&d, &l};
    for (int i = 0; i < 2; i++) {
        assert_false(
            dw_failed(from[i]->seal.write(from[i]->session, dw_view_of(sent, sizeof sent))));
        (void)carry(from[i], from[1 - i], NULL, 0);
        assert_int_equal(receive(from[1 - i], got, sizeof got), sizeof sent);
        assert_memory_equal(got, sent, sizeof sent);
    }
    drop(&d, &l);
}

static void nothing_is_read_before_the_other_is_known(void **state)
{
    (void)state;
    uint8_t byte;
    struct side d = side_of(client, true), l = side_of(server, false);
    struct dw_buf out = dw_buf_of(&byte, 1);
    size_t n;
    assert_true(dw_failed(d.seal.write(d.session, dw_view_of("x", 1))));
    assert_true(dw_failed(l.seal.read(l.session, &out, &n)));
    drop(&d, &l);
}

static void refused(struct dw_tls_end *dialler, struct dw_tls_end *listener, bool by_dialler,
                    const char *word)
{
    struct side d = side_of(dialler, true), l = side_of(listener, false);
    (void)greet(&d, &l, NULL, 0);
    struct side *judge = by_dialler ? &d : &l;
    assert_true(is_over(judge));
    assert_string_equal(judge->seal.why(judge->session), word);
    uint8_t byte;
    struct dw_buf out = dw_buf_of(&byte, 1);
    size_t n;
    assert_true(dw_failed(judge->seal.write(judge->session, dw_view_of("x", 1))));
    assert_true(dw_failed(judge->seal.read(judge->session, &out, &n)));
    drop(&d, &l);
}

static void every_other_key_is_refused(void **state)
{
    (void)state;
    struct dw_tls_end *by_stranger = end_of(&stranger, &ours, ALPN, "proof");
    struct dw_tls_end *unproven = end_of(&theirs, &ours, ALPN, "");
    struct dw_tls_end *wrong_proof = end_of(&theirs, &ours, ALPN, "Proof");
    struct dw_tls_end *other_use = end_of(&theirs, &ours, "doorward-other/1", "proof");
    struct dw_tls_end *false_server = end_of(&stranger, &theirs, ALPN, "proof");
    refused(by_stranger, server, false, "wrong_key");
    refused(unproven, server, false, "wrong_key");
    refused(wrong_proof, server, false, "wrong_key");
    refused(client, false_server, true, "wrong_key");
    refused(other_use, server, false, "handshake"); /* a key that is right for another link */
    dw_tls_end_free(by_stranger);
    dw_tls_end_free(unproven);
    dw_tls_end_free(wrong_proof);
    dw_tls_end_free(other_use);
    dw_tls_end_free(false_server);
}

static void what_vouches_has_a_bound(void **state)
{
    (void)state;
    uint8_t long_proof[DW_TLS_PROOF_MAX + 1] = {1};
    struct dw_tls_conf conf = {.secret = &ours, .alpn = ALPN, .check = is_theirs};
    struct dw_tls_end *end = NULL;
    conf.proof = dw_view_of(long_proof, sizeof long_proof);
    assert_true(dw_is(dw_tls_end_new(&conf, &end), DW_E_INVALID));
    assert_null(end);
}

/* One bit anywhere in the greeting: either nobody is let in, or nothing was changed that counts.
 * The peer is never taken for another, and what is said afterwards arrives whole or not at all. */
static void a_flipped_bit_in_the_greeting(void **state)
{
    (void)state;
    struct side d = side_of(client, true), l = side_of(server, false);
    long total = (long)greet(&d, &l, NULL, 0);
    drop(&d, &l);
    assert_in_range(total, 500, 5000);
    unsigned opened = 0;
    for (long at = 0; at<total; at += total> 1600 ? 3 : 1) {
        long flip = at;
        uint8_t got[64];
        d = side_of(client, true);
        l = side_of(server, false);
        (void)greet(&d, &l, &flip, (uint8_t)(1u << (at % 8)));
        if (!dw_failed(d.greeted) && !dw_failed(l.greeted)) {
            opened++; /* the version of an outer record's head is ignored [RFC 8446 5.1] */
            assert_false(dw_failed(d.seal.write(d.session, dw_view_of("hello", 5))));
            (void)carry(&d, &l, NULL, 0);
            assert_int_equal(receive(&l, got, sizeof got), 5);
            assert_memory_equal(got, "hello", 5);
        } else {
            assert_true(dw_failed(l.greeted) || receive(&l, got, sizeof got) <= 0);
        }
        drop(&d, &l);
    }
    printf("  %ld bytes of greeting, %u flips without effect\n", total, opened);
    assert_true(opened < 20);
}

static void a_flipped_bit_in_a_message(void **state)
{
    (void)state;
    for (long at = 0; at < 5 + 40 + 1 + 16; at++) {
        uint8_t got[64];
        long flip = at;
        struct side d = side_of(client, true), l = side_of(server, false);
        (void)greet(&d, &l, NULL, 0);
        assert_false(dw_failed(
            d.seal.write(d.session, dw_view_of("0123456789012345678901234567890123456789", 40))));
        (void)carry(&d, &l, &flip, 1);
        long n = receive(&l, got, sizeof got);
        if (at == 3 || at == 4) {
            assert_true(n <= 0); /* a length: it waits for more, or sees the change */
        } else {
            assert_int_equal(n, -1);
            assert_string_equal(l.seal.why(l.session), "bad_record");
        }
        drop(&d, &l);
    }
}

static void recorded_bytes_open_nothing_again(void **state)
{
    (void)state;
    static uint8_t tape[20000], again[4096];
    uint8_t got[64];
    struct side d = side_of(client, true), l = side_of(server, false);
    size_t taped = 0;
    for (int turn = 0; turn < 6; turn++) { /* all that the dialler says, kept */
        if (dw_is(d.greeted, DW_E_BUSY))
            d.greeted = d.seal.greet(d.session);
        if (turn == 4)
            assert_false(dw_failed(d.seal.write(d.session, dw_view_of("open", 4))));
        size_t n = d.seal.take(d.session, tape + taped, sizeof tape - taped);
        if (n > 0)
            assert_false(dw_failed(l.seal.feed(l.session, dw_view_of(tape + taped, n))));
        taped += n;
        if (dw_is(l.greeted, DW_E_BUSY))
            l.greeted = l.seal.greet(l.session);
        (void)carry(&l, &d, NULL, 0);
    }
    assert_int_equal(receive(&l, got, sizeof got), 4);
    assert_false(dw_failed(d.seal.write(d.session, dw_view_of("open", 4))));
    size_t n = d.seal.take(d.session, again, sizeof again);
    assert_false(dw_failed(l.seal.feed(l.session, dw_view_of(again, n))));
    assert_int_equal(receive(&l, got, sizeof got), 4);
    assert_false(
        dw_failed(l.seal.feed(l.session, dw_view_of(again, n)))); /* the same record twice */
    assert_int_equal(receive(&l, got, sizeof got), -1);
    assert_string_equal(l.seal.why(l.session), "bad_record");
    drop(&d, &l);

    l = side_of(server, false); /* and the whole talk on a connection of its own */
    assert_false(dw_failed(l.seal.feed(l.session, dw_view_of(tape, taped))));
    l.greeted = l.seal.greet(l.session);
    if (dw_is(l.greeted, DW_E_BUSY))
        l.greeted = l.seal.greet(l.session);
    assert_true(dw_failed(l.greeted));
    assert_true(dw_failed(l.seal.write(l.session, dw_view_of("x", 1))));
    l.seal.drop(l.session);
}

/* ---- with another program's TLS ---- */

/* Takes bytes between a library session of any kind and our listening side. */
static void talk(SSL *ssl, BIO *in, BIO *out, struct side *l)
{
    uint8_t bytes[16384];
    for (int turn = 0; turn < 8; turn++) {
        (void)SSL_do_handshake(ssl);
        int n = BIO_read(out, bytes, sizeof bytes);
        if (n > 0)
            (void)!dw_failed(l->seal.feed(l->session, dw_view_of(bytes, (size_t)n)));
        if (dw_is(l->greeted, DW_E_BUSY))
            l->greeted = l->seal.greet(l->session);
        size_t back = l->seal.take(l->session, bytes, sizeof bytes);
        if (back > 0)
            (void)BIO_write(in, bytes, (int)back);
    }
}

static X509 *self_signed(EVP_PKEY *key)
{
    X509 *cert = X509_new();
    assert_non_null(cert);
    (void)X509_set_version(cert, X509_VERSION_3);
    (void)X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    (void)X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    (void)X509_set_pubkey(cert, key);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    return cert;
}

static void other_clients_are_refused(void **state)
{
    (void)state;
    static const struct {
        int version;
        bool has_certificate;
        const char *word;
    } rows[] = {{TLS1_3_VERSION, false, "no_certificate"},
                {TLS1_2_VERSION, false, "tls_version"},
                {TLS1_2_VERSION, true, "tls_version"},
                {TLS1_3_VERSION, true, "handshake"}}; /* P-256: ours offers Ed25519 only */
    static const uint8_t alpn[] = "\x0f" ALPN;
    is_anybody = true; /* it is not the keys that keep these out */
    for (size_t i = 0; i < DW_ARRAY_COUNT(rows); i++) {
        SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
        EVP_PKEY *key = EVP_EC_gen("P-256");
        X509 *cert = self_signed(key);
        assert_int_equal(SSL_CTX_set_min_proto_version(ctx, rows[i].version), 1);
        assert_int_equal(SSL_CTX_set_max_proto_version(ctx, rows[i].version), 1);
        assert_int_equal(SSL_CTX_set_alpn_protos(ctx, alpn, sizeof alpn - 1), 0);
        if (rows[i].has_certificate) {
            assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
            assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
        }
        SSL *ssl = SSL_new(ctx);
        BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
        SSL_set_bio(ssl, in, out);
        SSL_set_connect_state(ssl);
        struct side l = side_of(server, false);
        talk(ssl, in, out, &l);
        assert_true(is_over(&l));
        if (strcmp(rows[i].word, "handshake") == 0) /* it sends none then, or one we cannot take */
            assert_string_not_equal(l.seal.why(l.session), "none");
        else
            assert_string_equal(l.seal.why(l.session), rows[i].word);
        l.seal.drop(l.session);
        SSL_free(ssl);
        SSL_CTX_free(ctx);
        X509_free(cert);
        EVP_PKEY_free(key);
    }
}

static void nothing_can_be_resumed(void **state)
{
    (void)state;
    is_anybody = true;
    static const uint8_t alpn[] = "\x0f" ALPN;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, theirs.sec, 32);
    X509 *cert = X509_new();
    (void)X509_set_version(cert, X509_VERSION_3);
    (void)X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    (void)X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    (void)X509_set_pubkey(cert, key);
    assert_true(X509_sign(cert, key, NULL) > 0);
    assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
    assert_int_equal(SSL_CTX_set_alpn_protos(ctx, alpn, sizeof alpn - 1), 0);
    SSL *ssl = SSL_new(ctx);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    struct side l = side_of(server, false);
    talk(ssl, in, out, &l);
    assert_false(dw_failed(l.greeted)); /* another program's TLS, the same rules: it gets in */
    uint8_t byte;
    (void)SSL_read(ssl, &byte, 1); /* a ticket would come with the first read */
    assert_false(SSL_SESSION_is_resumable(SSL_get_session(ssl)));
    assert_int_equal(SSL_get_early_data_status(ssl), SSL_EARLY_DATA_NOT_SENT);
    assert_string_equal(SSL_get_version(ssl), "TLSv1.3");
    l.seal.drop(l.session);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    X509_free(cert);
    EVP_PKEY_free(key);
}

/* ---- on sockets ---- */

static uv_loop_t loop;
static struct dw_listener *listener;
static uint16_t port;
static unsigned messages, closings, opens;
static size_t last_len;
static char last_why[64];
static struct dw_stream *opened[2];

static void on_message(void *ctx, struct dw_stream *s, uint8_t kind, struct dw_view body)
{
    messages++;
    last_len = body.len;
    if (!ctx) /* the listening side answers in kind */
        (void)!dw_failed(dw_stream_send(s, kind, body, (struct dw_view){0}, false));
}

static void on_closed(void *ctx, struct dw_stream *s, const char *why)
{
    (void)s;
    closings++;
    if (!ctx)
        (void)snprintf(last_why, sizeof last_why, "%s", why);
}

static void on_open(void *ctx, struct dw_stream *s)
{
    opens++;
    opened[ctx != NULL] = s;
}

static const struct dw_stream_events events = {on_message, on_closed, on_open};

static bool on_accepted(void *ctx, struct dw_stream *s, const struct dw_stream_events **ret_ev,
                        void **ret_ctx)
{
    (void)ctx;
    (void)s;
    *ret_ev = &events;
    *ret_ctx = NULL;
    return true;
}

static void wait_for(const unsigned *count, unsigned want)
{
    dw_mono until = dw_mono_add(dw_now(), WAIT_MS);
    while (*count < want) {
        if (!dw_mono_before(dw_now(), until))
            fail_msg("waited in vain for %u, have %u", want, *count);
        (void)uv_run(&loop, UV_RUN_NOWAIT);
        (void)usleep(200);
    }
}

#define GREET_MS 300u

static int start(void **state)
{
    (void)make_ends(state);
    messages = closings = opens = 0;
    last_why[0] = '\0';
    if (uv_loop_init(&loop) != 0 ||
        dw_failed(
            dw_stream_listen(&loop, "127.0.0.1:0", MAX_BYTES, on_accepted, NULL, &listener, &port)))
        return 1;
    struct dw_seal seal = dw_tls_seal(server);
    seal.greet_ms = GREET_MS;
    dw_listener_seal(listener, &seal);
    return 0;
}

static int stop(void **state)
{
    dw_listener_close(listener);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    int r = uv_loop_close(&loop); /* fails when a handle was left open */
    (void)free_ends(state);
    return r;
}

static struct dw_stream *dial(struct dw_tls_end *end)
{
    static int dialler;
    char address[32];
    struct dw_stream *s = NULL;
    (void)snprintf(address, sizeof address, "127.0.0.1:%u", port);
    assert_false(dw_failed(dw_stream_dial(&loop, address, MAX_BYTES, 2000, &events, &dialler, &s)));
    if (end) {
        struct dw_seal seal = dw_tls_seal(end);
        dw_stream_seal(s, &seal);
    }
    return s;
}

static void streams_talk(void **state)
{
    (void)state;
    static uint8_t big[150000];
    dw_random(big, sizeof big);
    struct dw_stream *s = dial(client);
    assert_true(dw_failed(dw_stream_send(s, 1, dw_view_of(big, 10), (struct dw_view){0}, false)));
    wait_for(&opens, 2);
    for (unsigned i = 0; i < 20; i++)
        assert_false(dw_failed(
            dw_stream_send(s, 1, dw_view_of(big, 7), dw_view_of(big, sizeof big), false)));
    wait_for(&messages, 40);
    assert_int_equal(last_len, 7 + sizeof big);
    assert_non_null(dw_stream_session(s));
    dw_stream_close(s, "enough");
    wait_for(&closings, 2);
}

static int raw_client(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void clear_words_are_never_heard(void **state)
{
    (void)state;
    static const char *const words[] = {"\0\0\0\5\1abcd", "GET / HTTP/1.1\r\n\r\n",
                                        "\xff\xff\xff\xff\xff\xff\xff\xff"};
    static const size_t lens[] = {9, 18, 8};
    for (unsigned i = 0; i < DW_ARRAY_COUNT(words); i++) {
        int fd = raw_client();
        assert_int_equal(send(fd, words[i], lens[i], MSG_NOSIGNAL), (ssize_t)lens[i]);
        wait_for(&closings, i + 1);
        assert_string_equal(last_why, "tls not_tls");
        (void)close(fd);
    }
    struct dw_stream *s = dial(NULL); /* a peer of before, without TLS */
    wait_for(&opens, 1);
    assert_false(dw_failed(dw_stream_send(s, 1, dw_view_of("ask", 3), (struct dw_view){0}, false)));
    wait_for(&closings, 5);
    assert_int_equal(messages, 0);
    assert_int_equal(opens, 1);
}

/* A listener without TLS gets the greeting and no word more. */
static void a_dialler_never_falls_back(void **state)
{
    (void)state;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    uint16_t real = port;
    port = ntohs(at.sin_port);
    (void)dial(client);
    port = real;
    unsigned before = closings;
    for (int i = 0; i < 50; i++) {
        (void)uv_run(&loop, UV_RUN_NOWAIT);
        (void)usleep(1000);
    }
    int near = accept(fd, NULL, NULL);
    assert_true(near >= 0);
    static const uint8_t hello[] = {0, 0, 0, 6, 3, 'h', 'e', 'l', 'l', 'o'};
    assert_int_equal(send(near, hello, sizeof hello, MSG_NOSIGNAL), (ssize_t)sizeof hello);
    wait_for(&closings, before + 1);
    assert_int_equal(opens, 0);
    assert_int_equal(messages, 0);
    uint8_t said[4096];
    ssize_t n = recv(near, said, sizeof said, 0);
    assert_true(n > 5);
    assert_int_equal(said[0], 22); /* a handshake record, */
    assert_true((size_t)n <=
                5u + ((size_t)said[3] << 8 | said[4]) + 7u); /* at most an alert after */
    (void)close(near);
    (void)close(fd);
}

static void half_open_connections_are_dropped_in_time(void **state)
{
    (void)state;
    int fds[60];
    for (size_t i = 0; i < DW_ARRAY_COUNT(fds); i++) {
        fds[i] = raw_client();
        if (i % 2) /* half of them begin a greeting and leave it at that */
            assert_int_equal(send(fds[i], "\x16\x03\x01\x02\x00\x01\x00", 7, MSG_NOSIGNAL), 7);
    }
    struct dw_stream *s = dial(client);
    wait_for(&opens, 2); /* and meanwhile who is known gets in */
    assert_false(dw_failed(dw_stream_send(s, 1, dw_view_of("x", 1), (struct dw_view){0}, false)));
    wait_for(&messages, 2);
    wait_for(&closings, DW_ARRAY_COUNT(fds));
    assert_string_equal(last_why, "tls greeting took too long");
    assert_int_equal(opens, 2);
    for (size_t i = 0; i < DW_ARRAY_COUNT(fds); i++)
        (void)close(fds[i]);
    dw_stream_close(s, "enough");
    wait_for(&closings, DW_ARRAY_COUNT(fds) + 2);
}

static void the_wrong_key_is_named_in_the_reason(void **state)
{
    (void)state;
    struct dw_tls_end *by_stranger = end_of(&stranger, &ours, ALPN, "proof");
    (void)dial(by_stranger);
    wait_for(&closings, 2);
    assert_string_equal(last_why, "tls wrong_key");
    assert_int_equal(messages, 0);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    dw_tls_end_free(by_stranger);
}

int main(void)
{
    dw_os_init("test");
    if (dw_failed(dw_crypto_init()) || dw_failed(dw_tls_init()))
        return 1;
    dw_secret_new(&ours);
    dw_secret_new(&theirs);
    dw_secret_new(&stranger);
#define MEMORY(f) cmocka_unit_test_setup_teardown(f, make_ends, free_ends)
#define SOCKET(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        MEMORY(the_right_keys_talk),
        MEMORY(nothing_is_read_before_the_other_is_known),
        MEMORY(every_other_key_is_refused),
        MEMORY(what_vouches_has_a_bound),
        MEMORY(a_flipped_bit_in_the_greeting),
        MEMORY(a_flipped_bit_in_a_message),
        MEMORY(recorded_bytes_open_nothing_again),
        MEMORY(other_clients_are_refused),
        MEMORY(nothing_can_be_resumed),
        SOCKET(streams_talk),
        SOCKET(clear_words_are_never_heard),
        SOCKET(a_dialler_never_falls_back),
        SOCKET(half_open_connections_are_dropped_in_time),
        SOCKET(the_wrong_key_is_named_in_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
