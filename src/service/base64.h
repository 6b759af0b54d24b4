/* service/base64.h - base64url without padding [RFC 4648 5], as passkeys are written in JSON. */
#ifndef DW_SERVICE_BASE64_H
#define DW_SERVICE_BASE64_H

#include "core/base.h"

#define DW_BASE64URL_CHARS(len) (((len)*4u + 2u) / 3u)

/* `ret_text` has room for DW_BASE64URL_CHARS(bytes.len) and the NUL. */
void dw_base64url_write(struct dw_view bytes, char *ret_text);
/* Strict: no padding, no other characters, no bits left over. `out` is overwritten.
 * DW_E_INVALID, DW_E_NO_SPACE: nothing was written. */
DW_MUST_USE dw_err dw_base64url_read(const char *text, size_t len, struct dw_buf *out);

#endif
