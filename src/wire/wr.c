#include "wire/cbor.h"
#include "wire/text.h"

#include <string.h>

void dw_wr_init(struct dw_wr *w, struct dw_buf *out)
{
    memset(w, 0, sizeof *w);
    w->out = out;
    w->start = out->len;
    w->err = DW_OK;
    w->level[0].left = 1;
}

void dw_wr_fail(struct dw_wr *w, enum dw_err_code code)
{
    if (!dw_failed(w->err))
        w->err = dw_fail(code);
}

dw_err dw_wr_end(struct dw_wr *w)
{
    if (w->depth > 0 || w->level[0].left > 0)
        dw_wr_fail(w, DW_E_INVALID);
    if (dw_failed(w->err))
        w->out->len = w->start;
    return w->err;
}

dw_err dw_buf_put(struct dw_buf *out, const void *bytes, size_t len)
{
    DW_ASSERT(out->len <= out->cap);
    if (len > out->cap - out->len)
        return dw_fail(DW_E_NO_SPACE);
    if (len > 0) /* an empty view may have no memory behind it */
        memcpy(out->ptr + out->len, bytes, len);
    out->len += len;
    return DW_OK;
}

static void put(struct dw_wr *w, const void *bytes, size_t len)
{
    if (dw_failed(w->err))
        return;
    if (len > DW_CBOR_BYTES_MAX || w->out->len - w->start > DW_CBOR_BYTES_MAX - len)
        dw_wr_fail(w, DW_E_TOO_LARGE);
    else
        w->err = dw_buf_put(w->out, bytes, len);
}

/* The shortest head for a type and its argument. */
static void put_head(struct dw_wr *w, enum dw_cbor_type type, uint64_t arg)
{
    uint8_t head[9], major = (uint8_t)(type << 5);
    uint32_t more = arg < 24            ? 0
                    : arg <= UINT8_MAX  ? 1
                    : arg <= UINT16_MAX ? 2
                    : arg <= UINT32_MAX ? 4
                                        : 8;
    static const uint8_t info[] = {[1] = 24, [2] = 25, [4] = 26, [8] = 27};

    head[0] = (uint8_t)(major | (more ? info[more] : (uint8_t)arg));
    for (uint32_t i = 0; i < more; i++)
        head[1 + i] = (uint8_t)(arg >> 8 * (more - 1 - i));
    put(w, head, 1 + more);
}

static bool is_key_next(const struct dw_wr *w)
{
    const struct dw_cbor_level *l = &w->level[w->depth];
    return l->is_map && l->left % 2 == 0;
}

static bool begin_item(struct dw_wr *w)
{
    if (dw_failed(w->err))
        return false;
    if (w->level[w->depth].left == 0) {
        dw_wr_fail(w, DW_E_INVALID);
        return false;
    }
    return true;
}

static void close_full_levels(struct dw_wr *w)
{
    while (w->depth > 0 && w->level[w->depth].left == 0)
        w->depth--;
}

static bool is_after(const struct dw_wr *w, const struct dw_cbor_level *l, size_t at, size_t len)
{
    size_t both = len < l->key_len ? len : l->key_len;
    const uint8_t *base = w->out->ptr + w->start;
    int order = memcmp(base + l->key_at, base + at, both);
    return order < 0 || (order == 0 && l->key_len < len);
}

/* The item that began `begin` bytes into the output is written. */
static void count_item(struct dw_wr *w, size_t begin)
{
    struct dw_cbor_level *l = &w->level[w->depth];
    if (dw_failed(w->err))
        return;
    if (is_key_next(w)) {
        size_t at = begin - w->start, len = w->out->len - begin;
        if (l->key_len > 0 && !is_after(w, l, at, len)) {
            dw_wr_fail(w, DW_E_NONCANONICAL);
            return;
        }
        l->key_at = (uint32_t)at;
        l->key_len = (uint32_t)len;
    }
    l->left--;
    w->is_tagged = false;
    close_full_levels(w);
}

static void container(struct dw_wr *w, enum dw_cbor_type type, uint32_t count)
{
    bool is_map = type == DW_CBOR_MAP;
    if (!begin_item(w))
        return;
    if (count > DW_CBOR_BYTES_MAX || w->depth == DW_CBOR_DEPTH_MAX) {
        dw_wr_fail(w, DW_E_TOO_LARGE);
        return;
    }
    if (is_key_next(w)) {
        dw_wr_fail(w, DW_E_UNSUPPORTED);
        return;
    }
    put_head(w, type, count);
    w->level[w->depth].left--;
    w->is_tagged = false;
    w->depth++;
    w->level[w->depth] = (struct dw_cbor_level){.left = count * (is_map ? 2 : 1), .is_map = is_map};
    close_full_levels(w);
}

void dw_wr_map(struct dw_wr *w, uint32_t pairs)
{
    container(w, DW_CBOR_MAP, pairs);
}

void dw_wr_array(struct dw_wr *w, uint32_t items)
{
    container(w, DW_CBOR_ARRAY, items);
}

void dw_wr_key(struct dw_wr *w, int64_t key)
{
    if (!dw_failed(w->err) && !is_key_next(w))
        dw_wr_fail(w, DW_E_INVALID);
    dw_wr_int(w, key);
}

void dw_wr_tag(struct dw_wr *w, uint64_t tag)
{
    if (!begin_item(w))
        return;
    if (tag != DW_CBOR_TAG_SIGN1 || w->is_tagged || is_key_next(w))
        dw_wr_fail(w, DW_E_UNSUPPORTED);
    put_head(w, DW_CBOR_TAG, tag);
    w->is_tagged = true;
}

static void scalar(struct dw_wr *w, enum dw_cbor_type type, uint64_t arg)
{
    size_t begin = w->out->len;
    if (!begin_item(w))
        return;
    put_head(w, type, arg);
    count_item(w, begin);
}

void dw_wr_uint(struct dw_wr *w, uint64_t value)
{
    scalar(w, DW_CBOR_UINT, value);
}

void dw_wr_int(struct dw_wr *w, int64_t value)
{
    if (value < 0)
        scalar(w, DW_CBOR_NINT, (uint64_t)(-1 - value));
    else
        scalar(w, DW_CBOR_UINT, (uint64_t)value);
}

void dw_wr_bool(struct dw_wr *w, bool value)
{
    if (!dw_failed(w->err) && is_key_next(w))
        dw_wr_fail(w, DW_E_UNSUPPORTED);
    scalar(w, DW_CBOR_SIMPLE, value ? 21 : 20);
}

static void string(struct dw_wr *w, enum dw_cbor_type type, const void *bytes, size_t len)
{
    size_t begin = w->out->len;
    if (!begin_item(w))
        return;
    put_head(w, type, len);
    put(w, bytes, len);
    count_item(w, begin);
}

void dw_wr_bytes(struct dw_wr *w, const void *bytes, size_t len)
{
    string(w, DW_CBOR_BYTES, bytes, len);
}

void dw_wr_text(struct dw_wr *w, struct dw_view text)
{
    if (!dw_text_is_utf8(text))
        dw_wr_fail(w, DW_E_INVALID);
    string(w, DW_CBOR_TEXT, text.ptr, text.len);
}

void dw_wr_text_from(struct dw_wr *w, size_t cap, const char *text)
{
    struct dw_view view = dw_text_of(text, cap);
    if (view.len == cap)
        dw_wr_fail(w, DW_E_INVALID);
    dw_wr_text(w, view);
}
