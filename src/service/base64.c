#include "service/base64.h"

#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void dw_base64url_write(struct dw_view bytes, char *ret_text)
{
    uint32_t bits = 0;
    unsigned count = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        bits = bits << 8 | bytes.ptr[i];
        for (count += 8; count >= 6; count -= 6)
            *ret_text++ = digits[bits >> (count - 6) & 63];
    }
    if (count)
        *ret_text++ = digits[bits << (6 - count) & 63];
    *ret_text = 0;
}

dw_err dw_base64url_read(const char *text, size_t len, struct dw_buf *out)
{
    uint32_t bits = 0;
    unsigned count = 0;
    size_t at = 0;
    if (len % 4 == 1)
        return dw_fail(DW_E_INVALID);
    if (len / 4 * 3 + len % 4 * 3 / 4 > out->cap)
        return dw_fail(DW_E_NO_SPACE);
    for (size_t i = 0; i < len; i++) {
        const char *p = text[i] ? strchr(digits, text[i]) : NULL;
        if (!p)
            return dw_fail(DW_E_INVALID);
        bits = bits << 6 | (uint32_t)(p - digits);
        count += 6;
        if (count >= 8) {
            count -= 8;
            out->ptr[at++] = (uint8_t)(bits >> count);
        }
    }
    if (bits & ((1u << count) - 1))
        return dw_fail(DW_E_INVALID);
    out->len = at;
    return DW_OK;
}
