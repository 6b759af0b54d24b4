/* crypto/chain.h - may this visitor open this door now, by what people signed? [I1-I5, I10]
 *
 * Four signatures by three parties that do not trust each other: an owner's passkey over the grant,
 * the agency's key over the manifest and the shift, the visitor's passkey over this very stop. All
 * name this hub. A guest has no agency: the grant names the guest's passkey itself, and the hub
 * signs manifest and shift [docs/design/guests.md]. Pure but for the crypto libraries: no clock, no
 * state; who keeps nonces, uses and revocations asks here first and consumes after
 * (hub/guard/authority.c).
 */
#ifndef DW_CRYPTO_CHAIN_H
#define DW_CRYPTO_CHAIN_H

#include "crypto/crypto.h"
#include "crypto/webauthn.h"
#include "wire/grant.h"

/* Why not. X(name, code). Codes are for logs and pages; they never change their meaning. */
#define DW_CHAIN_NO_LIST(X)                                                          \
    X(GRANT_FORM, "grant_form")         /* cannot be read */                         \
    X(GRANT_AUDIENCE, "grant_audience") /* for another hub */                        \
    X(GRANT_CONTEXT, "grant_context")   /* signed for something else */              \
    X(GRANT_KEY, "grant_key")           /* by a passkey that is not an owner's */    \
    X(GRANT_ORIGIN, "grant_origin")     /* other page, challenge, or not verified */ \
    X(GRANT_SIGNATURE, "grant_signature")                                            \
    X(GRANT_EPOCH, "grant_epoch") /* older or newer than the home's rules */         \
    X(GRANT_EARLY, "grant_not_yet")                                                  \
    X(GRANT_LATE, "grant_expired")                                                   \
    X(GRANT_GRANTEE, "grant_grantee") /* to another agency, or guest */              \
    X(MANIFEST_FORM, "manifest_form")                                                \
    X(MANIFEST_CONTEXT, "manifest_context")     /* signed for something else */      \
    X(MANIFEST_SIGNATURE, "manifest_signature") /* not by this agency, or changed */ \
    X(MANIFEST_AUDIENCE, "manifest_audience")                                        \
    X(MANIFEST_GRANT, "manifest_grant") /* stands on another grant */                \
    X(MANIFEST_SCOPE, "manifest_scope") /* asks more than was granted [I4] */        \
    X(MANIFEST_EARLY, "manifest_not_yet")                                            \
    X(MANIFEST_LATE, "manifest_expired")                                             \
    X(SHIFT_FORM, "shift_form")                                                      \
    X(SHIFT_CONTEXT, "shift_context")                                                \
    X(SHIFT_SIGNATURE, "shift_signature")                                            \
    X(SHIFT_VISITOR, "shift_visitor") /* of somebody else */                         \
    X(SHIFT_EARLY, "shift_not_yet")                                                  \
    X(SHIFT_LATE, "shift_expired")                                                   \
    X(PROOF_KEY, "proof_key")       /* another passkey than the shift's */           \
    X(PROOF_ORIGIN, "proof_origin") /* other page, nonce, visit, or not verified */  \
    X(PROOF_SIGNATURE, "proof_signature")                                            \
    X(CLOCK, "clock") /* the time is not known */

enum dw_chain_no {
    DW_CHAIN_YES = 0,
#define X(name, code) DW_CHAIN_NO_##name,
    DW_CHAIN_NO_LIST(X)
#undef X
        DW_CHAIN_NO_COUNT
};
const char *dw_chain_no_code(enum dw_chain_no no); /* "" for YES */

/* What was signed. Views borrow; all are needed. */
struct dw_chain {
    struct dw_view grant;    /* dw_evidence of context DW_GRANT_CONTEXT */
    struct dw_view manifest; /* COSE_Sign1 by the agency */
    struct dw_view shift;    /* COSE_Sign1 by the agency */
    struct dw_view credential, client_data, auth_data, signature; /* the visitor's assertion */
};

/* What the hub knows itself. */
struct dw_chain_want {
    const uint8_t *hub; /* thumbprint, 32 bytes */
    const struct dw_passkey *owner;
    size_t owner_count;
    const char *owner_origin, *owner_rp_id;
    const struct dw_key *agency; /* as enrolled by an owner; of a guest: this hub's */
    bool is_guest; /* the grant must name the passkey that the shift names, and no other key */
    struct dw_utc now;
    uint32_t epoch, epoch_least; /* of the home; grants of an earlier one than `least` are void */
    uint64_t visit;
    const uint8_t *hub_nonce, *courier_nonce; /* 32 bytes each; of this visit */
    const uint8_t *door_code;                 /* SHA-256 of what was scanned, 32 bytes, or zeroes */
};

/* What the objects say, once all of it holds. */
struct dw_chain_said {
    struct dw_grant grant;
    struct dw_job job;
    struct dw_shift shift;
    uint8_t manifest_hash[DW_HASH_BYTES];
};

/* DW_CHAIN_YES: `*ret_said` is filled in; consume nonce and use durably before acting on it. Else
 * it is untouched and the first reason is returned: refuse, log the code, change nothing. At most
 * four signatures are verified. */
DW_MUST_USE enum dw_chain_no dw_chain_check(const struct dw_chain *chain,
                                            const struct dw_chain_want *want,
                                            struct dw_chain_said *ret_said);

/* SHA-256(context || 0x00 || bytes): what a passkey is asked to sign. */
void dw_chain_challenge(const char *context, struct dw_view bytes,
                        uint8_t ret_challenge[DW_HASH_BYTES]);

/* SHA-256 of a passkey's key as COSE_Key: names it in a grant. */
void dw_chain_passkey_thumb(const struct dw_passkey *p, uint8_t ret_thumb[DW_THUMB_BYTES]);

#endif
