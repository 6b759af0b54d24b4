#include "soft.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

struct soft soft_new(enum dw_passkey_alg alg, uint8_t name)
{
    struct soft s = {.passkey = {.alg = (uint8_t)alg, .id_len = 16}};
    memset(s.passkey.id, name, s.passkey.id_len);
    if (alg == DW_PASSKEY_ES256) {
        uint8_t point[65];
        size_t len = 0;
        s.ec = EVP_EC_gen("P-256");
        assert_int_equal(EVP_PKEY_get_octet_string_param(s.ec, OSSL_PKEY_PARAM_PUB_KEY, point,
                                                         sizeof point, &len),
                         1);
        memcpy(s.passkey.key, point + 1, 64);
        s.passkey.key_len = 64;
    } else {
        dw_secret_new(&s.ed);
        memcpy(s.passkey.key, s.ed.key.pub, 32);
        s.passkey.key_len = 32;
    }
    return s;
}

void soft_free(struct soft *s)
{
    EVP_PKEY_free(s->ec);
}

struct asserted soft_assert(const struct soft *s, const char *type, const char *origin,
                            const char *rp_id, uint8_t flags, const uint8_t challenge[32])
{
    struct asserted a = {0};
    char text[44];
    uint8_t message[sizeof a.auth + 32];
    sodium_bin2base64(text, sizeof text, challenge, 32, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    a.client_len = (size_t)snprintf((char *)a.client, sizeof a.client,
                                    "{\"type\":\"%s\",\"challenge\":\"%s\",\"origin\":\"%s\","
                                    "\"crossOrigin\":false}",
                                    type, text, origin);
    dw_sha256(dw_view_of(rp_id, strlen(rp_id)), a.auth);
    a.auth[32] = flags;
    memcpy(message, a.auth, sizeof a.auth);
    dw_sha256(dw_view_of(a.client, a.client_len), message + sizeof a.auth);
    if (s->ec) {
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        a.signature_len = sizeof a.signature;
        assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, s->ec), 1);
        assert_int_equal(
            EVP_DigestSign(ctx, a.signature, &a.signature_len, message, sizeof message), 1);
        EVP_MD_CTX_free(ctx);
    } else {
        dw_sign(&s->ed, dw_view_of(message, sizeof message), a.signature);
        a.signature_len = DW_SIG_BYTES;
    }
    return a;
}
