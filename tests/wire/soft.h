/* tests/wire/soft.h - passkeys in software, for tests that play people. */
#ifndef DW_TESTS_WIRE_SOFT_H
#define DW_TESTS_WIRE_SOFT_H

#include <openssl/evp.h>

#include "crypto/crypto.h"
#include "crypto/webauthn.h"

struct soft {
    struct dw_passkey passkey;
    EVP_PKEY *ec;
    struct dw_secret ed;
};

struct asserted {
    uint8_t client[512], auth[37], signature[80];
    size_t client_len, signature_len;
};

/* Its id is 16 times `name`. */
struct soft soft_new(enum dw_passkey_alg alg, uint8_t name);
void soft_free(struct soft *s);
/* type: "webauthn.get"; flags: 0x05 is present and verified */
struct asserted soft_assert(const struct soft *s, const char *type, const char *origin,
                            const char *rp_id, uint8_t flags, const uint8_t challenge[32]);

#endif
