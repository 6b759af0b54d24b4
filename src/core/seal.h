/* core/seal.h - what a stream may lay around its bytes (TLS), as os/stream.h uses it and
 * crypto/tls.h makes it. No code, so that neither folder needs the other.
 */
#ifndef DW_CORE_SEAL_H
#define DW_CORE_SEAL_H

#include "core/base.h"

/* One connection is a `session`. Wire bytes go in by `feed` and out by `take`; the session does no
 * I/O and reads no clock. After a failure of greet, read or write the session is over and `why`
 * says it in one word; what `take` still gives tells the other side. */
struct dw_seal {
    void *end;         /* keys of this side; borrowed by every session */
    uint32_t greet_ms; /* how long the greeting may take on the side that listens */
    void *(*begin)(void *end, bool is_dialler); /* NULL: out of memory */
    void (*drop)(void *session);
    DW_MUST_USE dw_err (*feed)(void *session, struct dw_view wire);
    /* DW_OK: the other side is who it should be, and nothing was read before that was sure.
     * DW_E_BUSY: more bytes are needed. */
    DW_MUST_USE dw_err (*greet)(void *session);
    /* `*ret_len` 0: nothing whole is there yet. */
    DW_MUST_USE dw_err (*read)(void *session, struct dw_buf *out, size_t *ret_len);
    DW_MUST_USE dw_err (*write)(void *session, struct dw_view plain);
    size_t (*waiting)(void *session); /* bytes for the wire */
    size_t (*take)(void *session, uint8_t *ret_bytes, size_t cap);
    const char *(*why)(const void *session);
};

#endif
