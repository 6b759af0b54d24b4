/* crypto/webauthn.h - passkeys: what a registration and an assertion prove [WebAuthn L3 7.1, 7.2].
 *
 * One strict path for the hub's guard and the service: ES256 (OpenSSL) and EdDSA (libsodium), COSE
 * keys and attestation objects by the strict CBOR of wire/, attestation "none" only (we ask for
 * none and believe none). clientDataJSON is checked by the limited verification algorithm [WebAuthn
 * L3 5.8.1.2], byte for byte, so that no JSON is parsed where the bolt is decided. No allocation
 * but OpenSSL's own.
 */
#ifndef DW_CRYPTO_WEBAUTHN_H
#define DW_CRYPTO_WEBAUTHN_H

#include "core/base.h"

#define DW_PASSKEY_ID_MAX        128u
#define DW_PASSKEY_KEY_MAX       64u   /* ES256: x || y; EdDSA: 32 bytes */
#define DW_PASSKEY_CLIENT_MAX    1024u /* clientDataJSON */
#define DW_PASSKEY_AUTH_MAX      1024u /* authenticator data, attestation object */
#define DW_PASSKEY_SIGNATURE_MAX 128u

enum dw_passkey_alg { DW_PASSKEY_NONE = 0, DW_PASSKEY_ES256, DW_PASSKEY_EDDSA };

/* A public key credential as we keep it. */
struct dw_passkey {
    uint8_t alg; /* enum dw_passkey_alg */
    uint8_t id_len, key_len;
    uint8_t is_eligible; /* BE: may be synced by a platform */
    uint8_t is_synced;   /* BS: is */
    uint8_t pad[3];
    uint32_t sign_count; /* kept, never evidence */
    uint8_t id[DW_PASSKEY_ID_MAX];
    uint8_t key[DW_PASSKEY_KEY_MAX];
};

/* What the ceremony must have been for. `origin` is one exact origin ("https://home.example" or
 * "http://home1.localhost:8080"); `rp_id` its host. User verification is always required. */
struct dw_passkey_want {
    const char *origin, *rp_id;
    const uint8_t *challenge; /* 32 bytes that we drew */
};

/* A new credential. DW_E_INVALID: malformed, other type, attestation other than none;
 * DW_E_UNSUPPORTED: another algorithm; DW_E_DENIED: other origin, rp id, challenge, or the user was
 * not present and verified, or crossOrigin. Nothing is stored: ask the person to try again. */
DW_MUST_USE dw_err dw_passkey_register(const struct dw_passkey_want *want,
                                       struct dw_view client_data, struct dw_view attestation,
                                       struct dw_passkey *ret_passkey);

/* An assertion by `passkey`. Errors as above, and DW_E_SIGNATURE. On DW_OK `passkey->sign_count`
 * and `is_synced` are brought up to date; they prove nothing. */
DW_MUST_USE dw_err dw_passkey_check(const struct dw_passkey_want *want, struct dw_passkey *passkey,
                                    struct dw_view client_data, struct dw_view auth_data,
                                    struct dw_view signature);

#endif
