/* crypto/crypto.h - a thin facade; the only folder that sees the crypto libraries.
 *
 * Ed25519 through libsodium (it refuses small-order keys that OpenSSL accepts,
 * docs/dependencies.md), SHA-256 through OpenSSL (hardware instructions). Call dw_crypto_init once
 * before anything else.
 */
#ifndef DW_CRYPTO_CRYPTO_H
#define DW_CRYPTO_CRYPTO_H

#include "core/base.h"

#define DW_HASH_BYTES   32u /* SHA-256 */
#define DW_NONCE_BYTES  32u
#define DW_KEY_BYTES    32u /* Ed25519 public key */
#define DW_SECRET_BYTES 64u /* Ed25519 secret key, libsodium's form (seed || public) */
#define DW_SIG_BYTES    64u
#define DW_THUMB_BYTES  32u /* SHA-256 of the deterministic COSE_Key {1:1, -1:6, -2:x} */

/* An enrolled Ed25519 public key and its thumbprint. */
struct dw_key {
    uint8_t pub[DW_KEY_BYTES];
    uint8_t thumb[DW_THUMB_BYTES];
};

/* A signing key. Wipe with dw_secret_wipe when done. */
struct dw_secret {
    uint8_t sec[DW_SECRET_BYTES];
    struct dw_key key;
};

/* Incremental SHA-256. `init` may be called again after `final`. Owns an OpenSSL context between
 * new and free. */
struct dw_sha256;
struct dw_sha256 *dw_sha256_new(void);
void dw_sha256_free(struct dw_sha256 *h);
void dw_sha256_init(struct dw_sha256 *h);
void dw_sha256_update(struct dw_sha256 *h, const void *bytes, size_t len);
void dw_sha256_final(struct dw_sha256 *h, uint8_t ret_hash[DW_HASH_BYTES]);

/* Must succeed before any other call. DW_E_IO: the library would not start; exit. */
DW_MUST_USE dw_err dw_crypto_init(void);

void dw_sha256(struct dw_view bytes, uint8_t ret_hash[DW_HASH_BYTES]);
/* SHA-256(a || b), for salted commitments and nonce lists. */
void dw_sha256_2(struct dw_view a, struct dw_view b, uint8_t ret_hash[DW_HASH_BYTES]);

/* getrandom(2); aborts through dw_panic when the system has none. */
void dw_random(void *ret_bytes, size_t len);

/* Constant-time comparison. */
DW_MUST_USE bool dw_same(const void *a, const void *b, size_t len);

void dw_secret_new(struct dw_secret *ret_secret);
void dw_secret_from_seed(const uint8_t seed[32], struct dw_secret *ret_secret);
void dw_secret_wipe(struct dw_secret *secret);
void dw_key_from_pub(const uint8_t pub[DW_KEY_BYTES], struct dw_key *ret_key);
/* A point of the curve, in its one form, not of small order: dw_verify would believe it. */
DW_MUST_USE bool dw_key_is_sound(const uint8_t pub[DW_KEY_BYTES]);

/* Key files: a secret is 32 bytes of seed in hexadecimal and a newline, mode 0600; a public key
 * file is 32 bytes in hexadecimal and a newline, mode 0644. DW_E_IO: not readable; DW_E_INVALID:
 * not of that form, or a secret that others may read. */
DW_MUST_USE dw_err dw_secret_load(const char *path, struct dw_secret *ret_secret);
/* Makes the file (O_EXCL) with a new key. DW_E_EXISTS: there is one already; load it. */
DW_MUST_USE dw_err dw_secret_create(const char *path, struct dw_secret *ret_secret);
DW_MUST_USE dw_err dw_key_load(const char *path, struct dw_key *ret_key);
/* Replaces an older file of that name in one step. */
DW_MUST_USE dw_err dw_key_save(const char *path, const struct dw_key *key);

void dw_sign(const struct dw_secret *secret, struct dw_view message, uint8_t ret_sig[DW_SIG_BYTES]);
/* DW_E_SIGNATURE when it does not verify, small-order keys included. */
DW_MUST_USE dw_err dw_verify(const struct dw_key *key, struct dw_view message,
                             const uint8_t sig[DW_SIG_BYTES]);

/* Lower-case hexadecimal. `ret_text` holds 2 * len + 1. */
void dw_hex(const void *bytes, size_t len, char *ret_text);
DW_MUST_USE dw_err dw_unhex(const char *text, void *ret_bytes, size_t len);

/* base64url without padding [RFC 4648 5]. `cap` is at least DW_BASE64URL_CAP(len). */
#define DW_BASE64URL_CAP(len) (((len) + 2) / 3 * 4 + 1)
void dw_base64url(const void *bytes, size_t len, char *ret_text, size_t cap);
/* Its one form only: no padding, no other characters, no bits left over. DW_E_INVALID also when
 * there are more than `cap` bytes. `ret_bytes` may have been written to. */
DW_MUST_USE dw_err dw_unbase64url(const char *text, size_t len, void *ret_bytes, size_t cap,
                                  size_t *ret_len);

#endif
