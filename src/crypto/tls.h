/* crypto/tls.h - TLS 1.3 between two enrolled devices, without a certificate authority.
 *
 * Each side shows a certificate over its own Ed25519 key, signed with that key, and in it an object
 * that vouches for the key (DW_TLS_PROOF_OID). `check` decides whether that is the peer; nothing
 * else of a certificate is looked at, its dates least of all: a camera has no clock. Version 1.3
 * only, no tickets, no resumption, no early data. Both sides always prove possession of their key.
 *
 * No file is opened and no clock read: it works inside every sandbox. Use dw_tls_init before it.
 */
#ifndef DW_CRYPTO_TLS_H
#define DW_CRYPTO_TLS_H

#include "core/seal.h"
#include "crypto/crypto.h"

#define DW_TLS_PROOF_OID "2.25.212489766933273556147063737252242303217"
#define DW_TLS_PROOF_MAX 256u
#define DW_TLS_GREET_MS  5000u

/* Why a link was refused or ended. X(name, word of the log) */
#define DW_TLS_NO_LIST(X)                                                   \
    X(NONE, "none")                                                         \
    X(CLEAR, "not_tls")       /* clear text, or another protocol */         \
    X(VERSION, "tls_version") /* 1.2 or older */                            \
    X(NO_CERTIFICATE, "no_certificate")                                     \
    X(KEY, "wrong_key")           /* not Ed25519, or `check` said no */     \
    X(RECORD, "bad_record")       /* changed, cut or replayed on the way */ \
    X(REFUSED, "refused_by_peer") /* the other side's alert */              \
    X(HANDSHAKE, "handshake")     /* anything else before it is open */     \
    X(MEMORY, "out_of_memory")

enum dw_tls_no {
#define X(name, word) DW_TLS_NO_##name,
    DW_TLS_NO_LIST(X)
#undef X
        DW_TLS_NO_COUNT
};

/* Is `pub` the peer's key? `proof` is what its certificate carries, may be empty. The signature
 * over the handshake is checked besides. */
typedef bool dw_tls_check(void *ctx, const uint8_t pub[DW_KEY_BYTES], struct dw_view proof);

struct dw_tls_conf {
    const struct dw_secret *secret; /* copied */
    struct dw_view proof;           /* for our certificate; may be empty */
    const char *alpn;               /* what the link is for; both sides must say the same */
    dw_tls_check *check;
    void *ctx;
};

/* Ready before the sandbox: libraries that are loaded late, random numbers. */
DW_MUST_USE dw_err dw_tls_init(void);

struct dw_tls_end;
/* DW_E_INVALID: proof or ALPN too long. DW_E_IO: the library has no memory. */
DW_MUST_USE dw_err dw_tls_end_new(const struct dw_tls_conf *conf, struct dw_tls_end **ret_end);
/* After the last session over it was dropped. */
void dw_tls_end_free(struct dw_tls_end *end);

/* For dw_stream_seal and dw_listener_seal; borrows `end`. */
struct dw_seal dw_tls_seal(struct dw_tls_end *end);

/* Of an open session: what its certificate carried. Borrows the session. */
struct dw_view dw_tls_peer_proof(const void *session);

#endif
