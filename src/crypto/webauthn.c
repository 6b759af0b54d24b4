#include "crypto/webauthn.h"
#include "crypto/crypto.h"
#include "wire/cbor.h"
#include "wire/text.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <sodium.h>
#include <string.h>

/* Authenticator data flags [WebAuthn L3 6.1]. */
#define FLAG_UP       0x01u
#define FLAG_UV       0x04u
#define FLAG_BE       0x08u
#define FLAG_BS       0x10u
#define FLAG_AT       0x40u
#define FLAG_ED       0x80u
#define FLAG_RESERVED 0x22u

#define COSE_ES256 (-7)
#define COSE_EDDSA (-8)

#define CHALLENGE_BYTES 32u
#define CHALLENGE_CHARS 43u /* base64url without padding */
#define P256_BYTES      32u
#define ES256_COSE_LEN  77u /* {1: 2, 3: -7, -1: 1, -2: x, -3: y}, its one deterministic form */
#define EDDSA_COSE_LEN  42u /* {1: 1, 3: -8, -1: 6, -2: x} */
#define JSON_DEPTH_MAX  4u

/* ---- clientDataJSON [WebAuthn L3 5.8.1.2] ---- */

struct json {
    struct dw_view in;
    size_t at;
};

static bool at_char(const struct json *j, char c)
{
    return j->at < j->in.len && j->in.ptr[j->at] == (uint8_t)c;
}

static bool take_bytes(struct json *j, const void *bytes, size_t len)
{
    if (j->in.len - j->at < len || memcmp(j->in.ptr + j->at, bytes, len) != 0)
        return false;
    j->at += len;
    return true;
}

static bool take(struct json *j, const char *text)
{
    return take_bytes(j, text, strlen(text));
}

static bool is_hex_digit(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool take_escape(struct json *j)
{
    if (j->at == j->in.len)
        return false;
    uint8_t c = j->in.ptr[j->at++];
    if (c != 'u')
        return c != 0 && strchr("\"\\/bfnrt", c) != NULL;
    for (int i = 0; i < 4; i++, j->at++)
        if (j->at == j->in.len || !is_hex_digit(j->in.ptr[j->at]))
            return false;
    return true;
}

/* A string; the whole input is known to be UTF-8. `*ret_inside` is what stands between the quotes,
 * escapes and all. */
static bool take_string(struct json *j, struct dw_view *ret_inside)
{
    if (!take(j, "\""))
        return false;
    size_t begin = j->at;
    while (j->at < j->in.len) {
        uint8_t c = j->in.ptr[j->at++];
        if (c == '"') {
            *ret_inside = dw_view_of(j->in.ptr + begin, j->at - 1 - begin);
            return true;
        }
        if (c < 0x20 || (c == '\\' && !take_escape(j)))
            return false;
    }
    return false;
}

static bool take_digits(struct json *j)
{
    size_t begin = j->at;
    while (j->at < j->in.len && j->in.ptr[j->at] >= '0' && j->in.ptr[j->at] <= '9')
        j->at++;
    return j->at > begin;
}

static bool take_number(struct json *j)
{
    (void)take(j, "-");
    if (!take(j, "0") && !take_digits(j))
        return false;
    if (take(j, ".") && !take_digits(j))
        return false;
    if (take(j, "e") || take(j, "E")) {
        if (!take(j, "+"))
            (void)take(j, "-");
        return take_digits(j);
    }
    return true;
}

/* One value without white space; nobody sends any. `depth` counts down. */
static bool take_value(struct json *j, unsigned depth)
{
    struct dw_view inside;
    bool is_map = at_char(j, '{');

    if (at_char(j, '"'))
        return take_string(j, &inside);
    if (!is_map && !at_char(j, '['))
        return take(j, "true") || take(j, "false") || take(j, "null") || take_number(j);
    if (depth == 0)
        return false;
    const char *end = is_map ? "}" : "]";
    j->at++;
    if (take(j, end))
        return true;
    for (;;) { /* each turn takes at least one byte or ends */
        if (is_map && (!take_string(j, &inside) || !take(j, ":")))
            return false;
        if (!take_value(j, depth - 1))
            return false;
        if (take(j, end))
            return true;
        if (!take(j, ","))
            return false;
    }
}

static bool is_name(struct dw_view key, const char *name)
{
    return key.len == strlen(name) && memcmp(key.ptr, name, key.len) == 0;
}

/* Further members up to the closing brace: anything, but never one that was read already or that
 * says where the page really was. A name with an escape could be one of these in disguise. */
static bool take_rest(struct json *j)
{
    static const char *const taken[] = {"type", "challenge", "origin", "crossOrigin", "topOrigin"};
    while (take(j, ",")) {
        struct dw_view key;
        if (!take_string(j, &key) || memchr(key.ptr, '\\', key.len) || !take(j, ":"))
            return false;
        for (size_t i = 0; i < DW_ARRAY_COUNT(taken); i++)
            if (is_name(key, taken[i]))
                return false;
        if (!take_value(j, JSON_DEPTH_MAX))
            return false;
    }
    return take(j, "}") && j->at == j->in.len;
}

/* Whether CCDToString would leave every character as it is; origins in ASCII form are so. */
static bool is_plain(const char *text)
{
    for (; *text; text++)
        if (*text <= 0x20 || *text >= 0x7f || *text == '"' || *text == '\\')
            return false;
    return true;
}

/* WebKit leaves crossOrigin out where it is false, Chromium adds a member of its own at times;
 * otherwise all three write the serialization of L3. */
static dw_err check_client(const struct dw_passkey_want *want, const char *type,
                           struct dw_view client_data)
{
    struct json j = {client_data, 0};
    char challenge[CHALLENGE_CHARS + 1];

    DW_ASSERT(is_plain(want->origin));
    if (client_data.len > DW_PASSKEY_CLIENT_MAX)
        return dw_fail(DW_E_TOO_LARGE);
    if (!dw_text_is_utf8(client_data) || !take(&j, "{\"type\":\"") || !take(&j, type) ||
        !take(&j, "\",\"challenge\":\""))
        return dw_fail(DW_E_INVALID);
    sodium_bin2base64(challenge, sizeof challenge, want->challenge, CHALLENGE_BYTES,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    if (j.in.len - j.at < CHALLENGE_CHARS)
        return dw_fail(DW_E_INVALID);
    if (!dw_same(j.in.ptr + j.at, challenge, CHALLENGE_CHARS))
        return dw_fail(DW_E_DENIED);
    j.at += CHALLENGE_CHARS;
    if (!take(&j, "\",\"origin\":\""))
        return dw_fail(DW_E_INVALID);
    if (!take(&j, want->origin) || !take(&j, "\""))
        return dw_fail(DW_E_DENIED);
    if (take(&j, ",\"crossOrigin\":true"))
        return dw_fail(DW_E_DENIED);
    (void)take(&j, ",\"crossOrigin\":false");
    return take_rest(&j) ? DW_OK : dw_fail(DW_E_INVALID);
}

/* ---- authenticator data [WebAuthn L3 6.1] ---- */

struct auth {
    uint8_t flags;
    uint32_t sign_count;
    struct dw_view rest;
};

static dw_err read_auth(const struct dw_passkey_want *want, struct dw_view bytes,
                        struct auth *ret_auth)
{
    struct dw_view hash, fixed;
    uint8_t own[DW_HASH_BYTES];

    if (bytes.len > DW_PASSKEY_AUTH_MAX)
        return dw_fail(DW_E_TOO_LARGE);
    if (!dw_view_take(&bytes, DW_HASH_BYTES, &hash) || !dw_view_take(&bytes, 5, &fixed))
        return dw_fail(DW_E_INVALID);
    dw_sha256(dw_view_of(want->rp_id, strlen(want->rp_id)), own);
    uint8_t flags = fixed.ptr[0];
    if (!dw_same(hash.ptr, own, sizeof own))
        return dw_fail(DW_E_DENIED);
    if (flags & FLAG_RESERVED || ((flags & FLAG_BS) && !(flags & FLAG_BE)))
        return dw_fail(DW_E_INVALID);
    if (!(flags & FLAG_UP) || !(flags & FLAG_UV))
        return dw_fail(DW_E_DENIED);
    *ret_auth = (struct auth){
        .flags = flags,
        .sign_count = (uint32_t)fixed.ptr[1] << 24 | (uint32_t)fixed.ptr[2] << 16 |
                      (uint32_t)fixed.ptr[3] << 8 | fixed.ptr[4],
        .rest = bytes,
    };
    return DW_OK;
}

/* What is left are extensions: one well-formed map, and only when the flag says so. */
static dw_err check_extensions(uint8_t flags, struct dw_view rest)
{
    if (!(flags & FLAG_ED))
        return rest.len == 0 ? DW_OK : dw_fail(DW_E_INVALID);
    if (rest.len == 0 || rest.ptr[0] >> 5 != DW_CBOR_MAP || dw_failed(dw_cbor_check(rest)))
        return dw_fail(DW_E_INVALID);
    return DW_OK;
}

/* ---- keys ---- */

/* The group alone: its making costs three times that of a key, so each thread keeps it. */
static const EVP_PKEY *p256_group(void)
{
    static _Thread_local EVP_PKEY *kept;
    if (!kept) {
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
        char name[] = "prime256v1";
        OSSL_PARAM params[] = {
            OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, name, 0),
            OSSL_PARAM_construct_end(),
        };
        if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
            EVP_PKEY_fromdata(ctx, &kept, EVP_PKEY_KEY_PARAMETERS, params) != 1)
            kept = NULL;
        EVP_PKEY_CTX_free(ctx);
    }
    return kept;
}

/* NULL when x || y is no point of the curve: the library looks at that when it takes the key. The
 * group has no smaller one inside (its cofactor is 1), so the long check of the order, a third of a
 * verification, is for new keys only. The caller frees. */
static EVP_PKEY *p256_key(const uint8_t xy[2 * P256_BYTES], bool is_new)
{
    uint8_t point[1 + 2 * P256_BYTES] = {4};
    const EVP_PKEY *group = p256_group();
    EVP_PKEY *key = EVP_PKEY_new();
    EVP_PKEY_CTX *check = NULL;
    memcpy(point + 1, xy, 2 * P256_BYTES);
    bool is_good = group && key && EVP_PKEY_copy_parameters(key, group) == 1 &&
                   EVP_PKEY_set1_encoded_public_key(key, point, sizeof point) == 1 &&
                   (!is_new || ((check = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL)) != NULL &&
                                EVP_PKEY_public_check(check) == 1));
    EVP_PKEY_CTX_free(check);
    if (!is_good) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

static dw_err check_key(const struct dw_passkey *p)
{
    if (p->alg == DW_PASSKEY_ES256 && p->key_len == 2 * P256_BYTES) {
        EVP_PKEY *key = p256_key(p->key, true);
        EVP_PKEY_free(key);
        return key ? DW_OK : dw_fail(DW_E_INVALID);
    }
    if (p->alg == DW_PASSKEY_EDDSA && p->key_len == DW_KEY_BYTES)
        return crypto_core_ed25519_is_valid_point(p->key) == 1 ? DW_OK : dw_fail(DW_E_INVALID);
    return dw_fail(DW_E_INVALID);
}

/* Takes the COSE key off the front of `*rest`. Both kinds have a fixed length, so the strict reader
 * sees exactly one item. */
static dw_err read_cose_key(struct dw_view *rest, struct dw_passkey *p)
{
    struct dw_view item;
    struct dw_rd r;
    int64_t kty = 0, alg = 0, crv = 0;
    if (rest->len == 0)
        return dw_fail(DW_E_INVALID);
    bool is_es256 = rest->ptr[0] == 0xa5;

    /* Its kind first, from a reader of its own: another algorithm has another length. */
    dw_rd_init(&r, *rest);
    dw_rd_map(&r, is_es256 ? 5 : 4);
    dw_rd_key(&r, 1);
    dw_rd_int(&r, INT32_MIN, INT32_MAX, &kty);
    dw_rd_key(&r, 3);
    dw_rd_int(&r, INT32_MIN, INT32_MAX, &alg);
    if (dw_failed(r.err))
        return dw_fail(DW_E_INVALID);
    if (alg != COSE_ES256 && alg != COSE_EDDSA)
        return dw_fail(DW_E_UNSUPPORTED);
    if (is_es256 != (alg == COSE_ES256) || kty != (is_es256 ? 2 : 1) ||
        !dw_view_take(rest, is_es256 ? ES256_COSE_LEN : EDDSA_COSE_LEN, &item))
        return dw_fail(DW_E_INVALID);

    dw_rd_init(&r, item);
    dw_rd_map(&r, is_es256 ? 5 : 4);
    dw_rd_key(&r, 1);
    dw_rd_int(&r, kty, kty, &kty);
    dw_rd_key(&r, 3);
    dw_rd_int(&r, alg, alg, &alg);
    dw_rd_key(&r, -1);
    dw_rd_int(&r, 0, INT32_MAX, &crv);
    dw_rd_key(&r, -2);
    dw_rd_bytes(&r, p->key, P256_BYTES);
    if (is_es256) {
        dw_rd_key(&r, -3);
        dw_rd_bytes(&r, p->key + P256_BYTES, P256_BYTES);
    }
    if (dw_failed(dw_rd_end(&r)) || crv != (is_es256 ? 1 : 6))
        return dw_fail(DW_E_INVALID);
    p->alg = is_es256 ? DW_PASSKEY_ES256 : DW_PASSKEY_EDDSA;
    p->key_len = is_es256 ? 2 * P256_BYTES : DW_KEY_BYTES;
    return check_key(p);
}

/* ---- registration ---- */

static void read_name(struct dw_rd *r, const char *name)
{
    struct dw_view key = {0};
    dw_rd_text(r, 16, &key);
    if (!is_name(key, name))
        dw_rd_fail(r, DW_E_UNKNOWN_FIELD);
}

/* {"fmt": "none", "attStmt": {}, "authData": bytes}, in CTAP2's canonical order, which is ours. */
static dw_err read_attestation(struct dw_view attestation, struct dw_view *ret_auth_data)
{
    struct dw_rd r;
    struct dw_view auth_data = {0};
    if (attestation.len > DW_PASSKEY_AUTH_MAX)
        return dw_fail(DW_E_TOO_LARGE);
    dw_rd_init(&r, attestation);
    dw_rd_map(&r, 3);
    read_name(&r, "fmt");
    read_name(&r, "none");
    read_name(&r, "attStmt");
    dw_rd_map(&r, 0);
    read_name(&r, "authData");
    dw_rd_bytes_upto(&r, DW_PASSKEY_AUTH_MAX, &auth_data);
    if (dw_failed(dw_rd_end(&r)))
        return dw_fail(DW_E_INVALID);
    *ret_auth_data = auth_data;
    return DW_OK;
}

dw_err dw_passkey_register(const struct dw_passkey_want *want, struct dw_view client_data,
                           struct dw_view attestation, struct dw_passkey *ret_passkey)
{
    struct dw_passkey p = {0};
    struct dw_view auth_data, aaguid, len, id;
    struct auth auth;

    DW_TRY(check_client(want, "webauthn.create", client_data));
    DW_TRY(read_attestation(attestation, &auth_data));
    DW_TRY(read_auth(want, auth_data, &auth));
    if (!(auth.flags & FLAG_AT) || !dw_view_take(&auth.rest, 16, &aaguid) ||
        !dw_view_take(&auth.rest, 2, &len))
        return dw_fail(DW_E_INVALID);
    size_t id_len = (size_t)len.ptr[0] << 8 | len.ptr[1];
    if (id_len == 0 || id_len > DW_PASSKEY_ID_MAX || !dw_view_take(&auth.rest, id_len, &id))
        return dw_fail(DW_E_INVALID);
    DW_TRY(read_cose_key(&auth.rest, &p));
    DW_TRY(check_extensions(auth.flags, auth.rest));
    p.id_len = (uint8_t)id_len;
    memcpy(p.id, id.ptr, id_len);
    p.is_eligible = (auth.flags & FLAG_BE) != 0;
    p.is_synced = (auth.flags & FLAG_BS) != 0;
    p.sign_count = auth.sign_count;
    *ret_passkey = p;
    return DW_OK;
}

/* ---- assertion ---- */

/* One INTEGER of the signature: positive, in its shortest form, at most 32 bytes of value. */
static bool take_der_integer(struct dw_view *in)
{
    struct dw_view head, value;
    if (!dw_view_take(in, 2, &head) || head.ptr[0] != 0x02 || head.ptr[1] == 0 ||
        head.ptr[1] > P256_BYTES + 1 || !dw_view_take(in, head.ptr[1], &value))
        return false;
    bool is_padded = value.ptr[0] == 0;
    if (value.ptr[0] & 0x80 || (!is_padded && value.len > P256_BYTES))
        return false;
    return !is_padded || (value.len > 1 && value.ptr[1] & 0x80); /* zero is no r and no s */
}

/* DER, not BER: so that one signature has one form. */
static bool is_strict_der(struct dw_view sig)
{
    struct dw_view head;
    return dw_view_take(&sig, 2, &head) && head.ptr[0] == 0x30 && head.ptr[1] == sig.len &&
           take_der_integer(&sig) && take_der_integer(&sig) && sig.len == 0;
}

static dw_err verify_es256(const uint8_t xy[2 * P256_BYTES], struct dw_view message,
                           struct dw_view sig)
{
    if (!is_strict_der(sig))
        return dw_fail(DW_E_SIGNATURE);
    EVP_PKEY *key = p256_key(xy, false);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool is_good = key && ctx && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
                   EVP_DigestVerify(ctx, sig.ptr, sig.len, message.ptr, message.len) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return is_good ? DW_OK : dw_fail(DW_E_SIGNATURE);
}

static dw_err verify(const struct dw_passkey *p, struct dw_view message, struct dw_view sig)
{
    struct dw_key key;
    switch ((enum dw_passkey_alg)p->alg) {
    case DW_PASSKEY_ES256:
        return p->key_len == 2 * P256_BYTES ? verify_es256(p->key, message, sig)
                                            : dw_fail(DW_E_INVALID);
    case DW_PASSKEY_EDDSA:
        if (p->key_len != DW_KEY_BYTES)
            return dw_fail(DW_E_INVALID);
        if (sig.len != DW_SIG_BYTES)
            return dw_fail(DW_E_SIGNATURE);
        dw_key_from_pub(p->key, &key);
        return dw_verify(&key, message, sig.ptr);
    case DW_PASSKEY_NONE: break;
    }
    return dw_fail(DW_E_UNSUPPORTED);
}

dw_err dw_passkey_check(const struct dw_passkey_want *want, struct dw_passkey *passkey,
                        struct dw_view client_data, struct dw_view auth_data,
                        struct dw_view signature)
{
    uint8_t message[DW_PASSKEY_AUTH_MAX + DW_HASH_BYTES];
    struct auth auth;

    DW_TRY(check_client(want, "webauthn.get", client_data));
    DW_TRY(read_auth(want, auth_data, &auth));
    if (auth.flags & FLAG_AT) /* belongs to registrations only [WebAuthn L3 6.1] */
        return dw_fail(DW_E_INVALID);
    DW_TRY(check_extensions(auth.flags, auth.rest));
    memcpy(message, auth_data.ptr, auth_data.len);
    dw_sha256(client_data, message + auth_data.len);
    DW_TRY(verify(passkey, dw_view_of(message, auth_data.len + DW_HASH_BYTES), signature));
    /* A credential does not become another kind [WebAuthn L3 7.2]. */
    if (((auth.flags & FLAG_BE) != 0) != (passkey->is_eligible != 0))
        return dw_fail(DW_E_DENIED);
    passkey->sign_count = auth.sign_count;
    passkey->is_synced = (auth.flags & FLAG_BS) != 0;
    return DW_OK;
}
