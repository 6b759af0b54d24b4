/* crypto/signed.h - signed messages: COSE_Sign1 of wire/ with the keys of crypto/. */
#ifndef DW_CRYPTO_SIGNED_H
#define DW_CRYPTO_SIGNED_H

#include "crypto/crypto.h"
#include "wire/cose.h"

/* Largest payload and object that dw_signed_make writes and dw_signed_open reads. */
#define DW_SIGNED_PAYLOAD_MAX 3072u
#define DW_SIGNED_BYTES_MAX   3328u

/* Signs `payload` (deterministic CBOR) for context `c`. `out` is overwritten.
 * DW_E_TOO_LARGE, DW_E_NO_SPACE: nothing was written. */
DW_MUST_USE dw_err dw_signed_make(const struct dw_secret *secret, enum dw_context c,
                                  struct dw_view payload, struct dw_buf *out);

/* Checks shape, context, key id and signature. `*ret_payload` borrows `in`.
 * DW_E_KEY: signed by another key than `key`; every other failure as in wire/cose.h. Drop the
 * message, count it, answer nothing that depends on its content. */
DW_MUST_USE dw_err dw_signed_open(const struct dw_key *key, enum dw_context c, struct dw_view in,
                                  struct dw_view *ret_payload);

#endif
