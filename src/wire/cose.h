/* wire/cose.h - COSE_Sign1 with the one shape Doorward uses [RFC 9052 4.2]. Pure.
 *
 * protected = { 1: -8 (EdDSA), 4: kid (first 8 bytes of the signer's thumbprint), 16: typ } in
 * deterministic CBOR; unprotected is empty; tag 18 is required; external_aad is the ASCII context
 * string, so that a signature made for one purpose is never valid for another [protocol 3].
 */
#ifndef DW_WIRE_COSE_H
#define DW_WIRE_COSE_H

#include "core/base.h"

#define DW_COSE_KID_BYTES 8u
#define DW_COSE_SIG_BYTES 64u

/* One context per message type. X(name, context string, typ). */
#define DW_CONTEXT_LIST(X)                                                        \
    X(CAMERA_ASK, "doorward/camera-ask/1", "doorward-camera-ask+cwt")             \
    X(CAMERA_HELLO, "doorward/camera-hello/1", "doorward-camera-hello+cwt")       \
    X(FRAME, "doorward/frame/1", "doorward-frame+cwt")                            \
    X(LOCK_ASK, "doorward/lock-ask/1", "doorward-lock-ask+cwt")                   \
    X(LOCK_STATUS, "doorward/lock-status/1", "doorward-lock-status+cwt")          \
    X(LOCK_COMMAND, "doorward/lock-command/1", "doorward-lock-command+cwt")       \
    X(LOCK_ANSWER, "doorward/lock-answer/1", "doorward-lock-answer+cwt")          \
    X(ENROL, "doorward/enrol/1", "doorward-enrol+cwt")                            \
    X(WELCOME, "doorward/welcome/1", "doorward-welcome+cwt")                      \
    X(JOB, "doorward/job/1", "doorward-job+cwt")                                  \
    X(RECALL, "doorward/recall/1", "doorward-recall+cwt")                         \
    X(HELLO, "doorward/hello/1", "doorward-hello+cwt")                            \
    X(OFFER, "doorward/offer/1", "doorward-offer+cwt")                            \
    X(PROOF, "doorward/proof/1", "doorward-proof+cwt")                            \
    X(NEWS, "doorward/news/1", "doorward-news+cwt")                               \
    X(RECEIPT, "doorward/receipt/1", "doorward-receipt+cwt")                      \
    X(ACK, "doorward/ack/1", "doorward-ack+cwt")                                  \
    X(DISPLAY, "doorward/display/1", "doorward-display+cwt")                      \
    X(EVENT, "doorward/event/1", "doorward-event+cwt")                            \
    X(WISH, "doorward/wish/1", "doorward-wish+cwt")                               \
    X(WISH_ACK, "doorward/wish-ack/1", "doorward-wish-ack+cwt")                   \
    X(GRANT, "doorward/grant/1", "doorward-grant+cwt")                            \
    X(EVIDENCE, "doorward/evidence/1", "doorward-evidence+cwt")                   \
    X(MANIFEST, "doorward/manifest/1", "doorward-manifest+cwt")                   \
    X(SHIFT, "doorward/shift/1", "doorward-shift+cwt")                            \
    X(STOP, "doorward/stop/1", "doorward-stop+cwt")                               \
    X(CONTROL, "doorward/control/1", "doorward-control+cwt")                      \
    X(INTRODUCE, "doorward/introduce/1", "doorward-introduce+cwt")                \
    X(REVOKED, "doorward/revoked/1", "doorward-revoked+cwt")                      \
    X(STOP_EVIDENCE, "doorward/stop-evidence/1", "doorward-stop-evidence+cwt")    \
    X(CAMERA_SESSION, "doorward/camera-session/1", "doorward-camera-session+cwt") \
    X(HUB_LINK, "doorward/hub-link/1", "doorward-hub-link+cwt")                   \
    X(LEAVING, "doorward/leaving/1", "doorward-leaving+cwt")

enum dw_context {
    DW_CONTEXT_NONE = 0,
#define X(name, context, typ) DW_CONTEXT_##name,
    DW_CONTEXT_LIST(X)
#undef X
        DW_CONTEXT_COUNT
};

const char *dw_context_string(enum dw_context c);
const char *dw_context_typ(enum dw_context c);

/* The parts of a COSE_Sign1. `payload` borrows the input. */
struct dw_cose {
    uint8_t kid[DW_COSE_KID_BYTES];
    struct dw_view payload;
    uint8_t sig[DW_COSE_SIG_BYTES];
};

/* Writes the Sig_structure that is signed: ["Signature1", protected, external_aad, payload].
 * DW_E_NO_SPACE: give 128 bytes more than the payload. */
DW_MUST_USE dw_err dw_cose_tbs(enum dw_context c, const uint8_t kid[DW_COSE_KID_BYTES],
                               struct dw_view payload, struct dw_buf *out);

/* Writes the tagged COSE_Sign1 array. DW_E_NO_SPACE as above. */
DW_MUST_USE dw_err dw_cose_write(enum dw_context c, const struct dw_cose *in, struct dw_buf *out);

/* Reads one, strictly: exact protected header of context `c`, empty unprotected header, nothing
 * after the end. Does not verify. DW_E_CONTEXT: a well-formed object of another type. */
DW_MUST_USE dw_err dw_cose_read(enum dw_context c, struct dw_view in, struct dw_cose *ret_cose);

#endif
