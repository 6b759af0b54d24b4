#include "crypto/webpush.h"
#include "crypto/crypto.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define RECORD_SIZE 4096u

/* ---- P-256 ---- */

dw_err dw_p256_from_secret(const uint8_t sec[32], struct dw_p256 *ret_key)
{
    struct dw_p256 key;
    dw_err err = dw_fail(DW_E_KEY);
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    BIGNUM *n = BN_bin2bn(sec, 32, NULL);
    DW_ASSERT(group && n);
    EC_POINT *point = EC_POINT_new(group);
    DW_ASSERT(point);
    if (!BN_is_zero(n) && BN_cmp(n, EC_GROUP_get0_order(group)) < 0 &&
        EC_POINT_mul(group, point, n, NULL, NULL, NULL) == 1 &&
        EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, key.pub, sizeof key.pub,
                           NULL) == sizeof key.pub) {
        memcpy(key.sec, sec, sizeof key.sec);
        *ret_key = key;
        err = DW_OK;
    }
    EC_POINT_free(point);
    BN_clear_free(n);
    EC_GROUP_free(group);
    dw_p256_wipe(&key);
    return err;
}

void dw_p256_new(struct dw_p256 *ret_key)
{
    uint8_t sec[32];
    do {
        dw_random(sec, sizeof sec);
    } while (dw_failed(dw_p256_from_secret(sec, ret_key))); /* once in 2^32 */
    sodium_memzero(sec, sizeof sec);
}

void dw_p256_wipe(struct dw_p256 *key)
{
    sodium_memzero(key, sizeof *key);
}

/* `sec` may be NULL. The result is NULL when `pub` is no point of the curve. */
static EVP_PKEY *make_key(const uint8_t *sec, const uint8_t pub[DW_P256_POINT_BYTES])
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL), *check = NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    BIGNUM *n = sec ? BN_bin2bn(sec, 32, NULL) : NULL;
    OSSL_PARAM *params = NULL;
    DW_ASSERT(pub && ctx && build && (!sec || n));
    if (OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, pub,
                                         DW_P256_POINT_BYTES) == 1 &&
        (!n || OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, n) == 1))
        params = OSSL_PARAM_BLD_to_param(build);
    bool is_good =
        params && pub[0] == 4 && EVP_PKEY_fromdata_init(ctx) == 1 &&
        EVP_PKEY_fromdata(ctx, &key, n ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params) == 1 &&
        (check = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL)) != NULL &&
        EVP_PKEY_public_check(check) == 1;
    EVP_PKEY_CTX_free(check);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    BN_clear_free(n);
    EVP_PKEY_CTX_free(ctx);
    if (!is_good) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

bool dw_p256_is_point(const uint8_t point[DW_P256_POINT_BYTES])
{
    EVP_PKEY *key = make_key(NULL, point);
    EVP_PKEY_free(key);
    return key != NULL;
}

dw_err dw_vapid_key(const char *path, struct dw_p256 *ret_key)
{
    struct dw_secret file;
    dw_err err = dw_secret_create(path, &file);
    if (dw_is(err, DW_E_EXISTS))
        err = dw_secret_load(path, &file);
    if (!dw_failed(err)) /* the file holds 32 bytes; here they are a scalar */
        err = dw_p256_from_secret(file.sec, ret_key);
    dw_secret_wipe(&file);
    return err;
}

/* ---- sealing ---- */

static void hmac(const uint8_t *key, size_t key_len, struct dw_view a, struct dw_view b,
                 uint8_t ret_mac[DW_HASH_BYTES])
{
    uint8_t text[256];
    unsigned len = 0;
    DW_ASSERT(a.len + b.len <= sizeof text);
    memcpy(text, a.ptr, a.len);
    memcpy(text + a.len, b.ptr, b.len);
    DW_ASSERT(HMAC(EVP_sha256(), key, (int)key_len, text, a.len + b.len, ret_mac, &len) &&
              len == 32);
}

static dw_err agree(const struct dw_p256 *own, const uint8_t other[DW_P256_POINT_BYTES],
                    uint8_t ret_shared[32])
{
    EVP_PKEY *peer = make_key(NULL, other), *key = make_key(own->sec, own->pub);
    EVP_PKEY_CTX *ctx = peer && key ? EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL) : NULL;
    size_t len = 32;
    bool is_done = ctx && EVP_PKEY_derive_init(ctx) == 1 &&
                   EVP_PKEY_derive_set_peer(ctx, peer) == 1 &&
                   EVP_PKEY_derive(ctx, ret_shared, &len) == 1 && len == 32;
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
    EVP_PKEY_free(peer);
    return is_done ? DW_OK : dw_fail(DW_E_KEY);
}

/* Key and nonce of the one record [RFC 8291 3.3, 3.4; RFC 8188 2.2, 2.3]. Each HKDF needs one
 * block. */
static dw_err derive(const struct dw_push_to *to, const struct dw_p256 *own, const uint8_t salt[16],
                     uint8_t ret_key[16], uint8_t ret_nonce[12])
{
    static const char key_info[] = "WebPush: info", cek_info[] = "Content-Encoding: aes128gcm",
                      nonce_info[] = "Content-Encoding: nonce";
    uint8_t shared[32], prk[32], ikm[32], block[32];
    uint8_t both[2 * DW_P256_POINT_BYTES + 1];
    DW_TRY(agree(own, to->p256dh, shared));
    memcpy(both, to->p256dh, DW_P256_POINT_BYTES);
    memcpy(both + DW_P256_POINT_BYTES, own->pub, DW_P256_POINT_BYTES);
    both[2 * DW_P256_POINT_BYTES] = 1;
    hmac(to->auth, sizeof to->auth, dw_view_of(shared, 32), dw_view_of("", 0), prk);
    hmac(prk, 32, dw_view_of(key_info, sizeof key_info), dw_view_of(both, sizeof both), ikm);
    hmac(salt, 16, dw_view_of(ikm, 32), dw_view_of("", 0), prk);
    hmac(prk, 32, dw_view_of(cek_info, sizeof cek_info), dw_view_of("\x01", 1), block);
    memcpy(ret_key, block, 16);
    hmac(prk, 32, dw_view_of(nonce_info, sizeof nonce_info), dw_view_of("\x01", 1), block);
    memcpy(ret_nonce, block, 12);
    sodium_memzero(shared, sizeof shared);
    sodium_memzero(prk, sizeof prk);
    sodium_memzero(ikm, sizeof ikm);
    sodium_memzero(block, sizeof block);
    return DW_OK;
}

static void encrypt(const uint8_t key[16], const uint8_t nonce[12], const uint8_t *plain,
                    size_t len, uint8_t *ret_sealed)
{
    int n = 0, last = 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    DW_ASSERT(ctx && EVP_EncryptInit_ex(ctx, EVP_aes_128_gcm(), NULL, key, nonce) == 1 &&
              EVP_EncryptUpdate(ctx, ret_sealed, &n, plain, (int)len) == 1 && n == (int)len &&
              EVP_EncryptFinal_ex(ctx, ret_sealed + n, &last) == 1 && last == 0 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, 16, ret_sealed + n) == 1);
    EVP_CIPHER_CTX_free(ctx);
}

dw_err dw_push_seal_with(const struct dw_push_to *to, const struct dw_p256 *own,
                         const uint8_t salt[16], struct dw_view text, size_t pad_to,
                         struct dw_buf *out)
{
    uint8_t plain[DW_PUSH_TEXT_MAX + 1024] = {0}, key[16], nonce[12];
    DW_ASSERT(pad_to > 0 && pad_to <= 1024);
    if (text.len > DW_PUSH_TEXT_MAX)
        return dw_fail(DW_E_TOO_LARGE);
    size_t len = (text.len + pad_to - 1) / pad_to * pad_to;
    if (out->cap - out->len < len + DW_PUSH_OVERHEAD)
        return dw_fail(DW_E_NO_SPACE);
    DW_TRY(derive(to, own, salt, key, nonce));
    uint8_t *p = out->ptr + out->len;
    memcpy(p, salt, 16);
    p[16] = p[17] = 0;
    p[18] = RECORD_SIZE >> 8;
    p[19] = RECORD_SIZE & 0xff;
    p[20] = DW_P256_POINT_BYTES;
    memcpy(p + 21, own->pub, DW_P256_POINT_BYTES);
    memcpy(plain, text.ptr, text.len);
    plain[text.len] = 2; /* the last record; zeroes after it are padding */
    encrypt(key, nonce, plain, len + 1, p + 21 + DW_P256_POINT_BYTES);
    out->len += len + DW_PUSH_OVERHEAD;
    sodium_memzero(key, sizeof key);
    return DW_OK;
}

dw_err dw_push_seal(const struct dw_push_to *to, struct dw_view text, size_t pad_to,
                    struct dw_buf *out)
{
    struct dw_p256 own;
    uint8_t salt[16];
    dw_p256_new(&own);
    dw_random(salt, sizeof salt);
    dw_err err = dw_push_seal_with(to, &own, salt, text, pad_to, out);
    dw_p256_wipe(&own);
    return err;
}

/* ---- VAPID ---- */

static dw_err sign_raw(const struct dw_p256 *key, const char *text, size_t len, uint8_t ret_sig[64])
{
    uint8_t der[80];
    const uint8_t *at = der;
    size_t der_len = sizeof der;
    EVP_PKEY *pkey = make_key(key->sec, key->pub);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    ECDSA_SIG *sig = NULL;
    bool is_done = pkey && ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, pkey) == 1 &&
                   EVP_DigestSign(ctx, der, &der_len, (const uint8_t *)text, len) == 1 &&
                   (sig = d2i_ECDSA_SIG(NULL, &at, (long)der_len)) != NULL &&
                   BN_bn2binpad(ECDSA_SIG_get0_r(sig), ret_sig, 32) == 32 &&
                   BN_bn2binpad(ECDSA_SIG_get0_s(sig), ret_sig + 32, 32) == 32;
    ECDSA_SIG_free(sig);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    return is_done ? DW_OK : dw_fail(DW_E_KEY);
}

static bool is_plain(const char *text)
{
    for (; *text; text++)
        if (*text <= 0x20 || *text >= 0x7f || *text == '"' || *text == '\\')
            return false;
    return true;
}

dw_err dw_vapid_header(const struct dw_p256 *key, const char *audience, const char *subject,
                       int64_t exp_s, char *ret_text, size_t cap)
{
    static const char head[] = "{\"typ\":\"JWT\",\"alg\":\"ES256\"}";
    char claims[640], signed_text[960], head64[DW_BASE64URL_CAP(sizeof head)],
        claims64[DW_BASE64URL_CAP(sizeof claims)], sig64[DW_BASE64URL_CAP(64)],
        key64[DW_BASE64URL_CAP(DW_P256_POINT_BYTES)];
    uint8_t sig[64];
    if (!is_plain(audience) || !is_plain(subject) || strlen(subject) >= DW_VAPID_SUBJECT_MAX ||
        strlen(audience) >= DW_VAPID_SUBJECT_MAX)
        return dw_fail(DW_E_INVALID);
    int n = snprintf(claims, sizeof claims, "{\"aud\":\"%s\",\"exp\":%lld,\"sub\":\"%s\"}",
                     audience, (long long)exp_s, subject);
    if (n < 0 || (size_t)n >= sizeof claims)
        return dw_fail(DW_E_NO_SPACE);
    dw_base64url(head, sizeof head - 1, head64, sizeof head64);
    dw_base64url(claims, (size_t)n, claims64, sizeof claims64);
    n = snprintf(signed_text, sizeof signed_text, "%s.%s", head64, claims64);
    if (n < 0 || (size_t)n >= sizeof signed_text)
        return dw_fail(DW_E_NO_SPACE);
    DW_TRY(sign_raw(key, signed_text, (size_t)n, sig));
    dw_base64url(sig, sizeof sig, sig64, sizeof sig64);
    dw_base64url(key->pub, sizeof key->pub, key64, sizeof key64);
    n = snprintf(ret_text, cap, "vapid t=%s.%s, k=%s", signed_text, sig64, key64);
    return n < 0 || (size_t)n >= cap ? dw_fail(DW_E_NO_SPACE) : DW_OK;
}
