/* Passkeys: the published vectors, a passkey in software in every wrong form, and a second opinion.
 */
#include "crypto/crypto.h"
#include "crypto/webauthn.h"
#include "wire/cbor.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef WITH_FIDO2
#include <fido.h>
#include <fido/eddsa.h>
#include <fido/es256.h>
#endif

#include <cmocka.h>

#define ORIGIN "https://home.example"
#define RP_ID  "home.example"

/* ---- a passkey in software ---- */

struct soft {
    enum dw_passkey_alg alg;
    EVP_PKEY *ec;
    struct dw_secret ed;
    uint8_t challenge[32];
};

static struct soft soft_new(enum dw_passkey_alg alg)
{
    struct soft s = {.alg = alg};
    if (alg == DW_PASSKEY_ES256)
        s.ec = EVP_EC_gen("P-256");
    else
        dw_secret_new(&s.ed);
    dw_random(s.challenge, sizeof s.challenge);
    return s;
}

static struct dw_passkey_want want_of(const struct soft *s)
{
    return (struct dw_passkey_want){ORIGIN, RP_ID, s->challenge};
}

static struct dw_view text_of(const char *text)
{
    return dw_view_of(text, strlen(text));
}

static void challenge_text(const uint8_t challenge[32], char ret_text[44])
{
    sodium_bin2base64(ret_text, 44, challenge, 32, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

/* clientDataJSON of a page at `origin`, with `rest` after the origin. */
static const char *client_data(const struct soft *s, const char *type, const char *origin,
                               const char *rest)
{
    static char text[2048];
    char challenge[44];
    challenge_text(s->challenge, challenge);
    snprintf(text, sizeof text, "{\"type\":\"%s\",\"challenge\":\"%s\",\"origin\":\"%s\"%s}", type,
             challenge, origin, rest);
    return text;
}

static void keep(char *ret_text, size_t cap, const char *text)
{
    assert_true(strlen(text) < cap);
    memcpy(ret_text, text, strlen(text) + 1);
}

static void put(struct dw_buf *b, const void *bytes, size_t len)
{
    assert_false(dw_failed(dw_buf_put(b, bytes, len)));
}

static void put_auth_head(struct dw_buf *b, const char *rp_id, uint8_t flags, uint32_t count)
{
    uint8_t hash[32], rest[5] = {flags, (uint8_t)(count >> 24), (uint8_t)(count >> 16),
                                 (uint8_t)(count >> 8), (uint8_t)count};
    dw_sha256(text_of(rp_id), hash);
    put(b, hash, sizeof hash);
    put(b, rest, sizeof rest);
}

static void put_cose_key(struct dw_buf *b, const struct soft *s)
{
    if (s->alg == DW_PASSKEY_EDDSA) {
        static const uint8_t head[] = {0xa4, 1, 1, 3, 0x27, 0x20, 6, 0x21, 0x58, 0x20};
        put(b, head, sizeof head);
        put(b, s->ed.key.pub, 32);
        return;
    }
    static const uint8_t head[] = {0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 0x20};
    static const uint8_t mid[] = {0x22, 0x58, 0x20};
    uint8_t point[65];
    size_t len = 0;
    assert_int_equal(
        EVP_PKEY_get_octet_string_param(s->ec, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point, &len),
        1);
    assert_int_equal(len, 65);
    put(b, head, sizeof head);
    put(b, point + 1, 32);
    put(b, mid, sizeof mid);
    put(b, point + 33, 32);
}

/* Authenticator data of a registration with a credential id of `id_len` bytes of 0xc1. */
static void put_attested(struct dw_buf *b, const struct soft *s, uint8_t flags, size_t id_len)
{
    uint8_t aaguid[16] = {0}, len[2] = {(uint8_t)(id_len >> 8), (uint8_t)id_len}, id[256];
    memset(id, 0xc1, sizeof id);
    put_auth_head(b, RP_ID, flags, 0);
    put(b, aaguid, sizeof aaguid);
    put(b, len, sizeof len);
    put(b, id, id_len);
    put_cose_key(b, s);
}

static void put_attestation(struct dw_buf *b, const char *format, struct dw_view auth_data)
{
    static const uint8_t head[] = {0xa3, 0x63, 'f', 'm', 't'};
    static const uint8_t mid[] = {0x67, 'a', 't', 't', 'S', 't', 'm', 't', 0xa0,
                                  0x68, 'a', 'u', 't', 'h', 'D', 'a', 't', 'a'};
    struct dw_wr w;
    uint8_t format_head = (uint8_t)(0x60 + strlen(format));
    put(b, head, sizeof head);
    put(b, &format_head, 1);
    put(b, format, strlen(format));
    put(b, mid, sizeof mid);
    dw_wr_init(&w, b);
    dw_wr_bytes(&w, auth_data.ptr, auth_data.len);
    assert_false(dw_failed(dw_wr_end(&w)));
}

static size_t soft_sign(const struct soft *s, struct dw_view auth_data, struct dw_view client,
                        uint8_t ret_sig[128])
{
    uint8_t message[2048];
    size_t len = 128;
    memcpy(message, auth_data.ptr, auth_data.len);
    dw_sha256(client, message + auth_data.len);
    if (s->alg == DW_PASSKEY_EDDSA) {
        dw_sign(&s->ed, dw_view_of(message, auth_data.len + 32), ret_sig);
        return 64;
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, s->ec), 1);
    assert_int_equal(EVP_DigestSign(ctx, ret_sig, &len, message, auth_data.len + 32), 1);
    EVP_MD_CTX_free(ctx);
    return len;
}

static dw_err soft_register(const struct soft *s, const char *client, const char *format,
                            struct dw_view auth_data, struct dw_passkey *ret_passkey)
{
    uint8_t bytes[2048];
    struct dw_buf out = dw_buf_of(bytes, sizeof bytes);
    struct dw_passkey_want want = want_of(s);
    put_attestation(&out, format, auth_data);
    return dw_passkey_register(&want, text_of(client), dw_view_of_buf(&out), ret_passkey);
}

static struct dw_passkey registered(const struct soft *s)
{
    uint8_t bytes[512];
    struct dw_buf auth = dw_buf_of(bytes, sizeof bytes);
    struct dw_passkey p;
    put_attested(&auth, s, 0x45, 16);
    assert_int_equal(
        soft_register(s, client_data(s, "webauthn.create", ORIGIN, ",\"crossOrigin\":false"),
                      "none", dw_view_of_buf(&auth), &p)
            .code,
        DW_E_OK);
    return p;
}

static dw_err soft_assert(const struct soft *s, struct dw_passkey *p, const char *client,
                          struct dw_view auth_data)
{
    uint8_t sig[128];
    struct dw_passkey_want want = want_of(s);
    size_t len = soft_sign(s, auth_data, text_of(client), sig);
    return dw_passkey_check(&want, p, text_of(client), auth_data, dw_view_of(sig, len));
}

static int set_up(void **state)
{
    (void)state;
    return dw_failed(dw_crypto_init()) ? -1 : 0;
}

static void both_kinds_work(void **state)
{
    (void)state;
    for (enum dw_passkey_alg alg = DW_PASSKEY_ES256; alg <= DW_PASSKEY_EDDSA; alg++) {
        struct soft s = soft_new(alg);
        struct dw_passkey p = registered(&s);
        assert_int_equal(p.alg, alg);
        assert_int_equal(p.id_len, 16);
        assert_int_equal(p.id[15], 0xc1);
        assert_int_equal(p.key_len, alg == DW_PASSKEY_ES256 ? 64 : 32);
        assert_int_equal(p.is_eligible + p.is_synced, 0);
        for (int i = 0; i < 32; i++) {
            uint8_t bytes[64];
            struct dw_buf auth = dw_buf_of(bytes, sizeof bytes);
            put_auth_head(&auth, RP_ID, 0x05, 7 + (uint32_t)i);
            assert_int_equal(
                soft_assert(&s, &p,
                            client_data(&s, "webauthn.get", ORIGIN, ",\"crossOrigin\":false"),
                            dw_view_of_buf(&auth))
                    .code,
                DW_E_OK);
            assert_int_equal(p.sign_count, 7 + i);
        }
        EVP_PKEY_free(s.ec);
    }
}

/* ---- clientDataJSON ---- */

static void what_browsers_write_is_read(void **state)
{
    static const char *const rests[] = {
        "",                       /* WebKit */
        ",\"crossOrigin\":false", /* Firefox, Chromium */
        (",\"crossOrigin\":false,\"other_keys_can_be_added_here\":\"do not compare clientDataJSON "
         "against a template. See https://goo.gl/yabPex\""), /* Chromium, at times */
        ",\"androidPackageName\":\"com.android.chrome\"",
        ",\"crossOrigin\":false,\"extraData\":{\"a\":[1,-2.5e+3,null,true,{}],\"b\":[]}",
        ",\"crossOrigin\":false,\"x\":\"\\u00e9\\n\\\"\"",
    };
    struct soft s = soft_new(DW_PASSKEY_EDDSA);
    (void)state;
    for (size_t i = 0; i < DW_ARRAY_COUNT(rests); i++) {
        uint8_t bytes[512], auth_bytes[64];
        struct dw_buf att = dw_buf_of(bytes, sizeof bytes), auth = dw_buf_of(auth_bytes, 64);
        struct dw_passkey p;
        put_attested(&att, &s, 0x45, 20);
        assert_int_equal(soft_register(&s, client_data(&s, "webauthn.create", ORIGIN, rests[i]),
                                       "none", dw_view_of_buf(&att), &p)
                             .code,
                         DW_E_OK);
        put_auth_head(&auth, RP_ID, 0x05, 1);
        assert_int_equal(soft_assert(&s, &p, client_data(&s, "webauthn.get", ORIGIN, rests[i]),
                                     dw_view_of_buf(&auth))
                             .code,
                         DW_E_OK);
    }
}

/* Signed as they are by a good passkey, and refused all the same. */
static void expect_client(const struct soft *s, const char *text, enum dw_err_code want)
{
    uint8_t auth_bytes[64];
    struct dw_buf auth = dw_buf_of(auth_bytes, sizeof auth_bytes);
    struct dw_passkey p = {.alg = DW_PASSKEY_EDDSA, .key_len = 32};
    memcpy(p.key, s->ed.key.pub, 32);
    put_auth_head(&auth, RP_ID, 0x05, 1);
    char *copy = strdup(text); /* its own memory, so that a sanitizer sees a byte too many */
    dw_err e = soft_assert(s, &p, copy, dw_view_of_buf(&auth));
    if (!dw_is(e, want))
        fail_msg("%s: %s", copy, dw_err_name(e));
    free(copy);
}

static void other_client_data_is_refused(void **state)
{
    static const char *const malformed[] = {
        ",\"crossOrigin\":0",
        ",\"crossOrigin\":false,\"topOrigin\":\"https://home.example\"",
        ",\"crossOrigin\":false,\"crossOrigin\":false",
        ",\"crossOrigin\":false,\"type\":\"webauthn.get\"",
        ",\"x\":1,\"challenge\":\"AAAA\"",
        ",\"x\":1,\"origin\":\"https://home.example\"",
        ",\"x\":1,\"crossOrigin\":true",
        ",\"x\":1,\"\\u006frigin\":\"https://other.example\"",
        ",\"crossOrigin\":false,",
        ",\"x\":",
        ",\"x\":01",
        ",\"x\":1.",
        ",\"x\":+1",
        ",\"x\":tru",
        ",\"x\":\"\\q\"",
        ",\"x\":\"\\u12g4\"",
        ",\"x\":\"a\nb\"",
        ",\"x\":[1,]",
        ",\"x\":{\"a\"}",
        ",\"x\":[[[[[1]]]]]",
        ",\"x\":[",
        ",\"x\":\"open",
        " ,\"crossOrigin\":false",
        ",\"x\":\"\xff\"",
        "}",
    };
    struct soft s = soft_new(DW_PASSKEY_EDDSA), t = s;
    char text[2048], challenge[44];
    (void)state;
    expect_client(&s, client_data(&s, "webauthn.get", ORIGIN, ""), DW_E_OK);
    for (size_t i = 0; i < DW_ARRAY_COUNT(malformed); i++)
        expect_client(&s, client_data(&s, "webauthn.get", ORIGIN, malformed[i]), DW_E_INVALID);

    expect_client(&s, client_data(&s, "webauthn.create", ORIGIN, ""), DW_E_INVALID);
    expect_client(&s, client_data(&s, "payment.get", ORIGIN, ""), DW_E_INVALID);
    static const char *const origins[] = {"https://home.example.evil",
                                          "http://home.example",
                                          "https://home.exampl",
                                          "https://home.example:444",
                                          "",
                                          "https://HOME.example",
                                          "https:\\/\\/home.example"};
    for (size_t i = 0; i < DW_ARRAY_COUNT(origins); i++)
        expect_client(&s, client_data(&s, "webauthn.get", origins[i], ""), DW_E_DENIED);
    expect_client(&s, client_data(&s, "webauthn.get", ORIGIN, ",\"crossOrigin\":true"),
                  DW_E_DENIED);
    expect_client(&s,
                  client_data(&s, "webauthn.get", ORIGIN,
                              ",\"crossOrigin\":true,\"topOrigin\":\"https://evil.example\""),
                  DW_E_DENIED);

    for (size_t bit = 0; bit < 256; bit++) { /* every other challenge */
        memcpy(t.challenge, s.challenge, sizeof t.challenge);
        t.challenge[bit / 8] ^= (uint8_t)(1u << bit % 8);
        expect_client(&s, client_data(&t, "webauthn.get", ORIGIN, ""), DW_E_DENIED);
    }
    challenge_text(s.challenge, challenge);
    snprintf(text, sizeof text,
             "{\"type\":\"webauthn.get\",\"challenge\":\"%s=\",\"origin\":\"" ORIGIN "\"}",
             challenge);
    expect_client(&s, text, DW_E_INVALID); /* padded */
    snprintf(text, sizeof text,
             "{\"challenge\":\"%s\",\"type\":\"webauthn.get\",\"origin\":\"" ORIGIN "\"}",
             challenge);
    expect_client(&s, text, DW_E_INVALID); /* no browser of today orders them so */
    snprintf(text, sizeof text,
             "{\"type\": \"webauthn.get\",\"challenge\":\"%s\",\"origin\":\"" ORIGIN "\"}",
             challenge);
    expect_client(&s, text, DW_E_INVALID);
    keep(text, sizeof text - 1, client_data(&s, "webauthn.get", ORIGIN, ""));
    memcpy(text + strlen(text), " ", 2);
    expect_client(&s, text, DW_E_INVALID);
    for (size_t len = 0; len < strlen(client_data(&s, "webauthn.get", ORIGIN, "")); len++) {
        keep(text, sizeof text, client_data(&s, "webauthn.get", ORIGIN, ""));
        text[len] = 0;
        struct dw_passkey p = {.alg = DW_PASSKEY_EDDSA, .key_len = 32};
        uint8_t auth_bytes[64];
        struct dw_buf auth = dw_buf_of(auth_bytes, sizeof auth_bytes);
        memcpy(p.key, s.ed.key.pub, 32);
        put_auth_head(&auth, RP_ID, 0x05, 1);
        assert_true(dw_failed(soft_assert(&s, &p, text, dw_view_of_buf(&auth))));
    }
    static char long_rest[1500];
    snprintf(long_rest, sizeof long_rest, ",\"x\":\"%01200d\"", 0);
    expect_client(&s, client_data(&s, "webauthn.get", ORIGIN, long_rest), DW_E_TOO_LARGE);
}

/* ---- authenticator data ---- */

static dw_err assert_with(const struct soft *s, const char *rp_id, uint8_t flags, const char *more,
                          size_t more_len)
{
    uint8_t bytes[2048];
    struct dw_buf auth = dw_buf_of(bytes, sizeof bytes);
    struct dw_passkey p = registered(s);
    put_auth_head(&auth, rp_id, flags, 1);
    put(&auth, more, more_len);
    return soft_assert(s, &p, client_data(s, "webauthn.get", ORIGIN, ""), dw_view_of_buf(&auth));
}

static void flags_and_extensions(void **state)
{
    struct soft s = soft_new(DW_PASSKEY_EDDSA);
    static char big[1100];
    (void)state;
    for (unsigned flags = 0; flags < 256; flags++) {
        enum dw_err_code want = DW_E_OK;
        if (flags & 0x22 || (flags & 0x18) == 0x10)
            want = DW_E_INVALID;
        else if ((flags & 0x05) != 0x05)
            want = DW_E_DENIED;
        else if (flags & 0xc0)
            want = DW_E_INVALID; /* says that something follows, and nothing does */
        else if (flags & 0x08)
            want = DW_E_DENIED; /* another kind of credential than was registered */
        assert_int_equal(assert_with(&s, RP_ID, (uint8_t)flags, "", 0).code, want);
    }
    assert_int_equal(assert_with(&s, "other.example", 0x05, "", 0).code, DW_E_DENIED);
    assert_int_equal(assert_with(&s, "example", 0x05, "", 0).code, DW_E_DENIED);
    assert_int_equal(assert_with(&s, RP_ID, 0x85, "\xa0", 1).code, DW_E_OK);
    assert_int_equal(assert_with(&s, RP_ID, 0x85, "\xa1\x61x\xf5", 4).code, DW_E_OK);
    assert_int_equal(assert_with(&s, RP_ID, 0x05, "\xa0", 1).code, DW_E_INVALID);
    assert_int_equal(assert_with(&s, RP_ID, 0x85, "\x80", 1).code, DW_E_INVALID); /* no map */
    assert_int_equal(assert_with(&s, RP_ID, 0x85, "\xa0\x00", 2).code, DW_E_INVALID);
    assert_int_equal(assert_with(&s, RP_ID, 0x85, "\xbf\xff", 2).code, DW_E_INVALID);
    assert_int_equal(assert_with(&s, RP_ID, 0x85, "\xa1\x61x", 3).code, DW_E_INVALID);
    assert_int_equal(assert_with(&s, RP_ID, 0x85, big, sizeof big).code, DW_E_TOO_LARGE);

    for (size_t len = 0; len < 37; len++) {
        uint8_t bytes[64];
        struct dw_buf auth = dw_buf_of(bytes, sizeof bytes);
        struct dw_passkey p = registered(&s);
        put_auth_head(&auth, RP_ID, 0x05, 1);
        assert_true(dw_is(soft_assert(&s, &p, client_data(&s, "webauthn.get", ORIGIN, ""),
                                      dw_view_of(bytes, len)),
                          DW_E_INVALID));
    }
}

/* ---- registration ---- */

/* Registers what `auth` holds, from memory of its own length. */
static enum dw_err_code try_register(const struct soft *s, const char *format,
                                     const struct dw_buf *auth)
{
    struct dw_passkey p, untouched;
    memset(&p, 0x5a, sizeof p);
    memset(&untouched, 0x5a, sizeof untouched);
    dw_err e = soft_register(s, client_data(s, "webauthn.create", ORIGIN, ",\"crossOrigin\":false"),
                             format, dw_view_of_buf(auth), &p);
    if (dw_failed(e))
        assert_memory_equal(&p, &untouched, sizeof p);
    return (enum dw_err_code)e.code;
}

#define AUTH(s, flags, id_len)                                     \
    uint8_t auth_bytes[1100];                                      \
    struct dw_buf auth = dw_buf_of(auth_bytes, sizeof auth_bytes); \
    put_attested(&auth, s, flags, id_len)

static void registrations_of_other_forms_are_refused(void **state)
{
    struct soft s = soft_new(DW_PASSKEY_ES256);
    const size_t key_at = 37 + 16 + 2 + 16;
    (void)state;
    {
        AUTH(&s, 0x45, DW_PASSKEY_ID_MAX);
        assert_int_equal(try_register(&s, "none", &auth), DW_E_OK);
    }
    {
        AUTH(&s, 0x5d, 16);
        assert_int_equal(try_register(&s, "none", &auth), DW_E_OK); /* synced */
        auth.ptr[32] = 0x45;
        assert_int_equal(try_register(&s, "packed", &auth), DW_E_INVALID);
        assert_int_equal(try_register(&s, "", &auth), DW_E_INVALID);
        static const struct {
            uint8_t flags;
            enum dw_err_code want;
        } rows[] = {{0x41, DW_E_DENIED},  {0x44, DW_E_DENIED},  {0x40, DW_E_DENIED},
                    {0x05, DW_E_INVALID}, {0x55, DW_E_INVALID}, {0x47, DW_E_INVALID},
                    {0x65, DW_E_INVALID}, {0xc5, DW_E_INVALID}};
        for (size_t i = 0; i < DW_ARRAY_COUNT(rows); i++) {
            auth.ptr[32] = rows[i].flags;
            assert_int_equal(try_register(&s, "none", &auth), rows[i].want);
        }
        auth.ptr[32] = 0x45;
        size_t len = auth.len;
        for (auth.len = 0; auth.len < len; auth.len++)
            assert_int_equal(try_register(&s, "none", &auth), DW_E_INVALID);
        put(&auth, "\xa0", 1);
        assert_int_equal(try_register(&s, "none", &auth), DW_E_INVALID); /* bytes after the key */
        auth.ptr[32] = 0xc5;
        assert_int_equal(try_register(&s, "none", &auth), DW_E_OK); /* extensions, said so */
        auth.ptr[auth.len - 1] = 0xbf;
        assert_int_equal(try_register(&s, "none", &auth), DW_E_INVALID);
    }
    {
        AUTH(&s, 0x45, DW_PASSKEY_ID_MAX + 1);
        assert_int_equal(try_register(&s, "none", &auth), DW_E_INVALID);
    }
    {
        AUTH(&s, 0x45, 0);
        assert_int_equal(try_register(&s, "none", &auth), DW_E_INVALID);
    }
    /* The key: wrong kty, alg, curve, lengths, order, off the curve. */
    static const struct {
        size_t at;
        uint8_t value;
        enum dw_err_code want;
    } keys[] = {
        {0, 0xa4, DW_E_INVALID},     {0, 0xa6, DW_E_INVALID},     {0, 0xbf, DW_E_INVALID},
        {2, 0x01, DW_E_INVALID},     {2, 0x03, DW_E_INVALID},     {4, 0x27, DW_E_INVALID},
        {4, 0x25, DW_E_UNSUPPORTED}, {4, 0x38, DW_E_UNSUPPORTED}, {6, 0x02, DW_E_INVALID},
        {6, 0x08, DW_E_INVALID},     {9, 0x1f, DW_E_INVALID},     {9, 0x21, DW_E_INVALID},
        {5, 0x21, DW_E_INVALID},     {1, 0x02, DW_E_INVALID},     {8, 0x59, DW_E_INVALID},
        {44, 0xf5, DW_E_INVALID},
    };
    for (size_t i = 0; i < DW_ARRAY_COUNT(keys); i++) {
        AUTH(&s, 0x45, 16);
        auth.ptr[key_at + keys[i].at] = keys[i].value;
        enum dw_err_code got = try_register(&s, "none", &auth);
        if (got != keys[i].want)
            fail_msg("row %zu: %d", i, got);
    }
    for (size_t bit = 0; bit < 256; bit++) { /* flipped y is off the curve */
        AUTH(&s, 0x45, 16);
        auth.ptr[key_at + 45 + bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(try_register(&s, "none", &auth), DW_E_INVALID);
    }
    {
        AUTH(&s, 0x45, 16);
        memset(auth.ptr + key_at + 10, 0, 32); /* the point at infinity has no such form */
        memset(auth.ptr + key_at + 45, 0, 32);
        assert_int_equal(try_register(&s, "none", &auth), DW_E_INVALID);
        memset(auth.ptr + key_at + 10, 0xff, 32); /* beyond the field */
        assert_int_equal(try_register(&s, "none", &auth), DW_E_INVALID);
    }
    struct soft ed = soft_new(DW_PASSKEY_EDDSA);
    static const uint8_t small[32] = {1}, minus[32] = {0xec, [1] = 0xff, [31] = 0x7f};
    {
        AUTH(&ed, 0x45, 16);
        assert_int_equal(try_register(&ed, "none", &auth), DW_E_OK);
        memcpy(auth.ptr + key_at + 10, small, 32);
        assert_int_equal(try_register(&ed, "none", &auth), DW_E_INVALID);
        memcpy(auth.ptr + key_at + 10, minus, 32);
        assert_int_equal(try_register(&ed, "none", &auth), DW_E_INVALID);
    }
    EVP_PKEY_free(s.ec);
}

/* The attestation object in every other form CBOR has for it. */
static void attestation_objects_of_other_forms_are_refused(void **state)
{
    struct soft s = soft_new(DW_PASSKEY_EDDSA);
    struct dw_passkey_want want = want_of(&s);
    char client[512];
    uint8_t bytes[1200];
    struct dw_buf out = dw_buf_of(bytes, 1024);
    struct dw_passkey p;
    (void)state;
    AUTH(&s, 0x45, 16);
    keep(client, sizeof client, client_data(&s, "webauthn.create", ORIGIN, ""));
    put_attestation(&out, "none", dw_view_of_buf(&auth));
#define TRY(len_) dw_passkey_register(&want, text_of(client), dw_view_of(bytes, len_), &p).code
    assert_int_equal(TRY(out.len), DW_E_OK);
    for (size_t len = 0; len < out.len; len++)
        assert_int_equal(TRY(len), DW_E_INVALID);
    bytes[out.len] = 0;
    assert_int_equal(TRY(out.len + 1), DW_E_INVALID);
    assert_int_equal(TRY(sizeof bytes), DW_E_TOO_LARGE);
    for (size_t bit = 0; bit < 8 * (out.len - auth.len); bit++) { /* the frame around authData */
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(TRY(out.len), DW_E_INVALID);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t bit = 0; bit < 256; bit++) { /* rpIdHash */
        uint8_t *at = bytes + out.len - auth.len + bit / 8;
        *at ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(TRY(out.len), DW_E_DENIED);
        *at ^= (uint8_t)(1u << bit % 8);
    }
    /* A statement that is not empty: {"attStmt": {"a": 0}}. */
    uint8_t other[1200];
    memcpy(other, bytes, 18);
    memcpy(other + 18,
           "\xa1\x61"
           "a\x00",
           4);
    memcpy(other + 22, bytes + 19, out.len - 19);
    assert_int_equal(bytes[18], 0xa0);
    assert_int_equal(
        dw_passkey_register(&want, text_of(client), dw_view_of(other, out.len + 3), &p).code,
        DW_E_INVALID);
    /* authData before attStmt: not CTAP2's canonical order. */
    struct dw_buf swapped = dw_buf_of(other, sizeof other);
    put(&swapped, bytes, 10);
    put(&swapped, bytes + 19, out.len - 19);
    put(&swapped, bytes + 10, 9);
    assert_int_equal(swapped.len, out.len);
    assert_int_equal(dw_passkey_register(&want, text_of(client), dw_view_of_buf(&swapped), &p).code,
                     DW_E_INVALID);
}

/* ---- signatures ---- */

static void every_bit_flip_of_an_assertion_is_refused(void **state)
{
    (void)state;
    for (enum dw_passkey_alg alg = DW_PASSKEY_ES256; alg <= DW_PASSKEY_EDDSA; alg++) {
        struct soft s = soft_new(alg);
        struct dw_passkey_want want = want_of(&s);
        struct dw_passkey good = registered(&s), p = good;
        uint8_t auth_bytes[64], sig[128], other[128];
        char client[512];
        struct dw_buf auth = dw_buf_of(auth_bytes, sizeof auth_bytes);
        keep(client, sizeof client, client_data(&s, "webauthn.get", ORIGIN, ""));
        put_auth_head(&auth, RP_ID, 0x05, 1);
        size_t len = soft_sign(&s, dw_view_of_buf(&auth), text_of(client), sig);
#define CHECK(sig_, len_) \
    dw_passkey_check(&want, &p, text_of(client), dw_view_of_buf(&auth), dw_view_of(sig_, len_)).code
        assert_int_equal(CHECK(sig, len), DW_E_OK);
        p = good;
        for (size_t bit = 0; bit < 8 * len; bit++) {
            sig[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_equal(CHECK(sig, len), DW_E_SIGNATURE);
            sig[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        for (size_t bit = 0; bit < 8 * auth.len; bit++) {
            auth.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_true(CHECK(sig, len) != DW_E_OK);
            auth.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        size_t client_len = strlen(client);
        for (size_t bit = 0; bit < 8 * client_len; bit++) {
            client[bit / 8] = (char)(client[bit / 8] ^ (char)(1 << bit % 8));
            assert_true(dw_failed(dw_passkey_check(&want, &p, dw_view_of(client, client_len),
                                                   dw_view_of_buf(&auth), dw_view_of(sig, len))));
            client[bit / 8] = (char)(client[bit / 8] ^ (char)(1 << bit % 8));
        }
        for (size_t n = 0; n < len; n++)
            assert_int_equal(CHECK(sig, n), DW_E_SIGNATURE);
        memcpy(other, sig, len);
        other[len] = 0;
        assert_int_equal(CHECK(other, len + 1), DW_E_SIGNATURE);
        assert_memory_equal(&p, &good, sizeof p); /* refusals leave it alone */

        /* Another passkey, and a record that makes no sense. */
        struct soft t = soft_new(alg);
        p = registered(&t);
        assert_int_equal(CHECK(sig, len), DW_E_SIGNATURE);
        p = good, p.alg = DW_PASSKEY_NONE;
        assert_int_equal(CHECK(sig, len), DW_E_UNSUPPORTED);
        p = good, p.key_len--;
        assert_int_equal(CHECK(sig, len), DW_E_INVALID);
        p = good, p.is_eligible = 1;
        assert_int_equal(CHECK(sig, len), DW_E_DENIED);
        EVP_PKEY_free(s.ec);
        EVP_PKEY_free(t.ec);
    }
}

/* The same r and s in other encodings that BER readers take: one signature has one form. */
/* A courier's key comes in a certificate, not by a registration: what is no point is no key. */
static void every_bit_flip_of_a_key_is_refused(void **state)
{
    struct soft s = soft_new(DW_PASSKEY_ES256);
    uint8_t bytes[512], auth_bytes[64];
    struct dw_buf att = dw_buf_of(bytes, sizeof bytes), auth = dw_buf_of(auth_bytes, 64);
    struct dw_passkey p;
    (void)state;
    put_attested(&att, &s, 0x45, 20);
    assert_int_equal(soft_register(&s, client_data(&s, "webauthn.create", ORIGIN, ""), "none",
                                   dw_view_of_buf(&att), &p)
                         .code,
                     DW_E_OK);
    put_auth_head(&auth, RP_ID, 0x05, 1);
    for (size_t bit = 0; bit <= 512; bit++) {
        struct dw_passkey other = p;
        if (bit < 512)
            other.key[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(soft_assert(&s, &other, client_data(&s, "webauthn.get", ORIGIN, ""),
                                     dw_view_of_buf(&auth))
                             .code,
                         bit < 512 ? DW_E_SIGNATURE : DW_E_OK);
    }
    EVP_PKEY_free(s.ec);
}

static void ber_is_refused(void **state)
{
    struct soft s = soft_new(DW_PASSKEY_ES256);
    struct dw_passkey_want want = want_of(&s);
    struct dw_passkey p = registered(&s);
    uint8_t auth_bytes[64], sig[128], other[160];
    char client[512];
    struct dw_buf auth = dw_buf_of(auth_bytes, sizeof auth_bytes);
    (void)state;
    keep(client, sizeof client, client_data(&s, "webauthn.get", ORIGIN, ""));
    put_auth_head(&auth, RP_ID, 0x05, 1);
    size_t len = soft_sign(&s, dw_view_of_buf(&auth), text_of(client), sig);
    assert_int_equal(CHECK(sig, len), DW_E_OK);

    other[0] = 0x30, other[1] = 0x81, other[2] = sig[1]; /* length in the long form */
    memcpy(other + 3, sig + 2, len - 2);
    assert_int_equal(CHECK(other, len + 1), DW_E_SIGNATURE);

    other[0] = 0x30, other[1] = 0x80; /* indefinite */
    memcpy(other + 2, sig + 2, len - 2);
    other[len] = other[len + 1] = 0;
    assert_int_equal(CHECK(other, len + 2), DW_E_SIGNATURE);

    other[0] = 0x30, other[1] = (uint8_t)(sig[1] + 1), other[2] = 2; /* a zero before r */
    other[3] = (uint8_t)(sig[3] + 1), other[4] = 0;
    memcpy(other + 5, sig + 4, len - 4);
    assert_int_equal(CHECK(other, len + 1), DW_E_SIGNATURE);

    static const uint8_t zeroes[] = {0x30, 6, 2, 1, 0, 2, 1, 0};
    assert_int_equal(CHECK(zeroes, sizeof zeroes), DW_E_SIGNATURE);
    static const uint8_t ones[] = {0x30, 6, 2, 1, 1, 2, 1, 1};
    assert_int_equal(CHECK(ones, sizeof ones), DW_E_SIGNATURE);

    memcpy(other, sig, len); /* something after s, inside the sequence */
    other[1] = (uint8_t)(sig[1] + 2), other[len] = 5, other[len + 1] = 0;
    assert_int_equal(CHECK(other, len + 2), DW_E_SIGNATURE);
    EVP_PKEY_free(s.ec);
}

/* ---- from outside ---- */

static struct dw_view unhexed(const char *hex, uint8_t *bytes, size_t cap)
{
    size_t len = strlen(hex) / 2;
    assert_true(len <= cap && dw_is(dw_unhex(hex, bytes, len), DW_E_OK));
    return dw_view_of(bytes, len);
}

/* WebAuthn L3 section 16. We ask for no attestation and for a verified user, so of the published
 * ceremonies one is whole for us once its authenticator data stands in an object of format "none";
 * the others must be refused for what they lack. */
static void published_vectors(void **state)
{
    static const char rp[] = "example.org", origin[] = "https://example.org";
    uint8_t challenge[32], a[1200], b[1200], c[1200], att_bytes[512];
    struct dw_passkey_want want = {origin, rp, challenge};
    struct dw_passkey p;
    (void)state;

    /* 16.7, packed.ES256 */
    struct dw_view client = unhexed(
        "7b2274797065223a22776562617574686e2e637265617465222c226368616c6c656e6765223a22775268"
        "4b58393334424634543345663153324831706c61325a725751475046746877365356756d56494249222c"
        "226f726967696e223a2268747470733a2f2f6578616d706c652e6f7267222c2263726f73734f72696769"
        "6e223a66616c73652c22657874726144617461223a22636c69656e74446174614a534f4e206d61792062"
        "6520657874656e6465642077697468206164646974696f6e616c206669656c647320696e207468652066"
        "75747572652c207375636820617320746869733a20396138624e596a4b436757724258552d66436c3161"
        "67227d",
        a, sizeof a);
    struct dw_view auth = unhexed(
        "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b54d00000000876ca4f520"
        "71c3e9b25509ef2cdf7ed60020c9a6f5b3462d02873fea0c56862234f99f081728084e511bb7760201a8"
        "9054a5a50102032620012158201cf27f25da591208a4239c2e324f104f585525479a29edeedd830f48e7"
        "7aeae522582059e4b7da6c0106e206ce390c93ab98a15a5ec3887e57f0cc2bece803b920c423",
        b, sizeof b);
    struct dw_buf att = dw_buf_of(att_bytes, sizeof att_bytes);
    (void)unhexed("c1184a5fddf8045e13dc47f54b61f5a656b666b59018f16d870e9256e9952012", challenge,
                  32);
    put_attestation(&att, "none", auth);
    assert_int_equal(dw_passkey_register(&want, client, dw_view_of_buf(&att), &p).code, DW_E_OK);
    assert_int_equal(p.alg, DW_PASSKEY_ES256);
    assert_int_equal(p.id_len, 32);
    assert_int_equal(p.is_eligible, 1);
    assert_int_equal(p.is_synced, 0);
    (void)unhexed("b1106fa46a57bef1781511c0557dc898a03413d5f0f17d244630c194c7e1adb5", challenge,
                  32);
    client = unhexed(
        "7b2274797065223a22776562617574686e2e676574222c226368616c6c656e6765223a22735242767047"
        "70587676463446524841565833496d4b4130453958773858306b526a44426c4d6668726255222c226f72"
        "6967696e223a2268747470733a2f2f6578616d706c652e6f7267222c2263726f73734f726967696e223a"
        "66616c73652c22657874726144617461223a22636c69656e74446174614a534f4e206d61792062652065"
        "7874656e6465642077697468206164646974696f6e616c206669656c647320696e207468652066757475"
        "72652c207375636820617320746869733a20415a4d77794d78496244382d756775464e7036723851227d",
        a, sizeof a);
    auth = unhexed("bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b50d00000000", b,
                   sizeof b);
    struct dw_view sig = unhexed(
        "30450220694969d3ee928de6f02ef23a9c644d7d779916451734a94b432542f498a1ebe90221008b0819"
        "c824218a97152cd099c55bfb1477b29d900a49a64018314f9bfccda163",
        c, sizeof c);
    assert_int_equal(dw_passkey_check(&want, &p, client, auth, sig).code, DW_E_OK);

    /* 16.2, none.ES256: whole, but the user was only present. */
    (void)unhexed("00c30fb78531c464d2b6771dab8d7b603c01162f2fa486bea70f283ae556e130", challenge,
                  32);
    client = unhexed(
        "7b2274797065223a22776562617574686e2e637265617465222c226368616c6c656e6765223a22414d4d"
        "507434557878475453746e63647134313759447742466938767049612d7077386f4f755657345441222c"
        "226f726967696e223a2268747470733a2f2f6578616d706c652e6f7267222c2263726f73734f72696769"
        "6e223a66616c73652c22657874726144617461223a22636c69656e74446174614a534f4e206d61792062"
        "6520657874656e6465642077697468206164646974696f6e616c206669656c647320696e207468652066"
        "75747572652c207375636820617320746869733a20426b5165446a646354427258426941774a544c4535"
        "51227d",
        a, sizeof a);
    auth = unhexed(
        "a363666d74646e6f6e656761747453746d74a068617574684461746158a4bfabc37432958b063360d3ad"
        "6461c9c4735ae7f8edd46592a5e0f01452b2e4b559000000008446ccb9ab1db374750b2367ff6f3a1f00"
        "20f91f391db4c9b2fde0ea70189cba3fb63f579ba6122b33ad94ff3ec330084be4a50102032620012158"
        "20afefa16f97ca9b2d23eb86ccb64098d20db90856062eb249c33a9b672f26df61225820930a56b87a2f"
        "ca66334b03458abf879717c12cc68ed73290af2e2664796b9220",
        b, sizeof b);
    assert_int_equal(dw_passkey_register(&want, client, auth, &p).code, DW_E_DENIED);

    /* 16.4, none.ES256.crossOrigin: verified, but in a frame of another page. */
    (void)unhexed("876aa517ba83fdee65fcffdbca4c84eeae5d54f8041a1fc85c991e5bbb273137", challenge,
                  32);
    client = unhexed(
        "7b2274797065223a22776562617574686e2e676574222c226368616c6c656e6765223a22683271"
        "6c463771445f65356c5f505f62796b7945377135645650674547685f49584a6b655737736e4d5463222c"
        "226f726967696e223a2268747470733a2f2f6578616d706c652e6f7267222c2263726f73734f72696769"
        "6e223a747275652c22657874726144617461223a22636c69656e74446174614a534f4e206d6179206265"
        "20657874656e6465642077697468206164646974696f6e616c206669656c647320696e20746865206675"
        "747572652c207375636820617320746869733a2039327063545644304162792d713464746d6a36656667"
        "227d",
        a, sizeof a);
    auth = unhexed("bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b50500000000", b,
                   sizeof b);
    sig = unhexed(
        "3046022100eb12fcf23b12764c0f122e22371fab92e283879fd798f38ee1841c951b6e40e7022100c762"
        "37ff9db77b3c56f30837cda6a09acfa2e915544e609c0733b1184036d1cf",
        c, sizeof c);
    assert_int_equal(dw_passkey_check(&want, &p, client, auth, sig).code, DW_E_DENIED);
}

#ifdef WITH_FIDO2
/* libfido2 takes the same assertion, and not for another page. */
static void expect_second_opinion(const char *rp_id, const struct dw_passkey *p,
                                  struct dw_view client, struct dw_view auth, struct dw_view sig)
{
    fido_assert_t *a = fido_assert_new();
    es256_pk_t *es = es256_pk_new();
    eddsa_pk_t *ed = eddsa_pk_new();
    uint8_t hash[32];
    bool is_es = p->alg == DW_PASSKEY_ES256;
    dw_sha256(client, hash);
    assert_int_equal(is_es ? es256_pk_from_ptr(es, p->key, 64) : eddsa_pk_from_ptr(ed, p->key, 32),
                     FIDO_OK);
    assert_int_equal(fido_assert_set_count(a, 1), FIDO_OK);
    assert_int_equal(fido_assert_set_clientdata_hash(a, hash, sizeof hash), FIDO_OK);
    assert_int_equal(fido_assert_set_rp(a, rp_id), FIDO_OK);
    assert_int_equal(fido_assert_set_authdata_raw(a, 0, auth.ptr, auth.len), FIDO_OK);
    assert_int_equal(fido_assert_set_sig(a, 0, sig.ptr, sig.len), FIDO_OK);
    assert_int_equal(fido_assert_set_up(a, FIDO_OPT_TRUE), FIDO_OK);
    assert_int_equal(fido_assert_set_uv(a, FIDO_OPT_TRUE), FIDO_OK);
    int alg = is_es ? COSE_ES256 : COSE_EDDSA;
    const void *key = is_es ? (const void *)es : (const void *)ed;
    assert_int_equal(fido_assert_verify(a, 0, alg, key), FIDO_OK);
    hash[0] ^= 1;
    assert_int_equal(fido_assert_set_clientdata_hash(a, hash, sizeof hash), FIDO_OK);
    assert_int_not_equal(fido_assert_verify(a, 0, alg, key), FIDO_OK);
    es256_pk_free(&es);
    eddsa_pk_free(&ed);
    fido_assert_free(&a);
}
#else
static void expect_second_opinion(const char *rp_id, const struct dw_passkey *p,
                                  struct dw_view client, struct dw_view auth, struct dw_view sig)
{
    (void)rp_id, (void)p, (void)client, (void)auth, (void)sig;
}
#endif

/* What Chromium really sends, as recorded. */
static void recorded_ceremonies(void **state)
{
    const char *path = getenv("DW_PASSKEYS_FILE");
    static char line[8192];
    size_t count = 0, eddsa = 0;
    (void)state;
    if (!path)
        skip();
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        char *field[8], *rest = line;
        uint8_t challenge[32], client[1024], bytes[1024], sig[128];
        struct dw_passkey p;
        if (line[0] == '#')
            continue;
        for (size_t i = 0; i < 8; i++)
            assert_non_null(field[i] = strsep(&rest, " \n"));
        struct dw_passkey_want want = {field[0], "home1.localhost", challenge};
        (void)unhexed(field[1], challenge, sizeof challenge);
        struct dw_view c = unhexed(field[2], client, sizeof client);
        struct dw_view b = unhexed(field[3], bytes, sizeof bytes);
        assert_int_equal(dw_passkey_register(&want, c, b, &p).code, DW_E_OK);
        (void)unhexed(field[4], challenge, sizeof challenge);
        c = unhexed(field[5], client, sizeof client);
        b = unhexed(field[6], bytes, sizeof bytes);
        struct dw_view s = unhexed(field[7], sig, sizeof sig);
        assert_int_equal(dw_passkey_check(&want, &p, c, b, s).code, DW_E_OK);
        assert_int_equal(p.sign_count, 2);
        expect_second_opinion(want.rp_id, &p, c, b, s);
        want.origin = "http://home1.localhost:1";
        assert_int_equal(dw_passkey_check(&want, &p, c, b, s).code, DW_E_DENIED);
        count++;
        eddsa += p.alg == DW_PASSKEY_EDDSA;
    }
    fclose(f);
    assert_int_equal(count, 4);
    assert_int_equal(eddsa, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_kinds_work),
        cmocka_unit_test(what_browsers_write_is_read),
        cmocka_unit_test(other_client_data_is_refused),
        cmocka_unit_test(flags_and_extensions),
        cmocka_unit_test(registrations_of_other_forms_are_refused),
        cmocka_unit_test(attestation_objects_of_other_forms_are_refused),
        cmocka_unit_test(every_bit_flip_of_an_assertion_is_refused),
        cmocka_unit_test(every_bit_flip_of_a_key_is_refused),
        cmocka_unit_test(ber_is_refused),
        cmocka_unit_test(published_vectors),
        cmocka_unit_test(recorded_ceremonies),
    };
    return cmocka_run_group_tests_name("webauthn", tests, set_up, NULL);
}
