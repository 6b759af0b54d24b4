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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_kinds_work),
    };
    return cmocka_run_group_tests_name("webauthn", tests, set_up, NULL);
}
