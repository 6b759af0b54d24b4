/* The one reader of what comes from outside: the first thing that is not of the one permitted form
 * ends it, and nothing that was read counts [I44]. */
#include "wire/cbor.h"
#include "wire/text.h"

#include <string.h>

void dw_rd_init(struct dw_rd *r, struct dw_view in)
{
    memset(r, 0, sizeof *r);
    r->in = in;
    r->err = DW_OK;
    r->level[0].left = 1;
    if (in.len > DW_CBOR_BYTES_MAX)
        r->err = dw_fail(DW_E_TOO_LARGE);
}

void dw_rd_fail(struct dw_rd *r, enum dw_err_code code)
{
    if (!dw_failed(r->err))
        r->err = dw_fail(code);
}

dw_err dw_rd_end(const struct dw_rd *r)
{
    if (dw_failed(r->err))
        return r->err;
    if (r->depth > 0 || r->level[0].left > 0)
        return dw_fail(DW_E_INVALID); /* our caller asked for less than there is */
    return r->at == r->in.len ? DW_OK : dw_fail(DW_E_TRAILING);
}

static size_t bytes_left(const struct dw_rd *r)
{
    return r->in.len - r->at;
}

enum dw_cbor_type dw_rd_peek(const struct dw_rd *r)
{
    if (dw_failed(r->err) || bytes_left(r) == 0)
        return DW_CBOR_NONE;
    return (enum dw_cbor_type)(r->in.ptr[r->at] >> 5);
}

/* Takes the head of one item off the input: its type and argument, in the shortest form only. */
static bool head(struct dw_rd *r, uint8_t *ret_type, uint64_t *ret_arg)
{
    if (dw_failed(r->err))
        return false;
    if (bytes_left(r) == 0) {
        dw_rd_fail(r, DW_E_TRUNCATED);
        return false;
    }
    const uint8_t *p = r->in.ptr + r->at;
    uint8_t type = p[0] >> 5, info = p[0] & 0x1f;
    uint64_t arg = info;
    uint32_t len = 1;

    if (type == DW_CBOR_SIMPLE && info > 22 && info != 31) {
        dw_rd_fail(r, DW_E_UNSUPPORTED); /* undefined, floats, simple values of two bytes */
        return false;
    }
    if (info >= 24) {
        if (info > 27) { /* 28..30 are not defined; 31 is an indefinite length or a break */
            dw_rd_fail(r, info == 31 ? DW_E_NONCANONICAL : DW_E_INVALID);
            return false;
        }
        uint32_t more = UINT32_C(1) << (info - 24);
        if (bytes_left(r) - 1 < more) {
            dw_rd_fail(r, DW_E_TRUNCATED);
            return false;
        }
        arg = 0;
        for (uint32_t i = 1; i <= more; i++)
            arg = arg << 8 | p[i];
        bool is_shortest = more == 1 ? arg >= 24 : arg >> (4 * more) != 0;
        if (!is_shortest) {
            dw_rd_fail(r, DW_E_NONCANONICAL);
            return false;
        }
        len += more;
    }
    r->at += len;
    *ret_type = type;
    *ret_arg = arg;
    return true;
}

/* Deterministic order [RFC 8949 4.2.1]: bytewise, on the encoded keys. */
static bool is_after(const struct dw_rd *r, const struct dw_cbor_level *l, uint32_t at,
                     uint32_t len)
{
    uint32_t both = len < l->key_len ? len : l->key_len;
    int order = memcmp(r->in.ptr + l->key_at, r->in.ptr + at, both);
    return order < 0 || (order == 0 && l->key_len < len);
}

/* Whether the item that begins now is a key of a map. */
static bool is_key_next(const struct dw_rd *r)
{
    const struct dw_cbor_level *l = &r->level[r->depth];
    return l->is_map && l->left % 2 == 0;
}

static void close_full_levels(struct dw_rd *r)
{
    while (r->depth > 0 && r->level[r->depth].left == 0)
        r->depth--;
}

/* One item that is not a container was read: it began at `begin` and ends here. */
static void count_item(struct dw_rd *r, uint32_t begin)
{
    struct dw_cbor_level *l = &r->level[r->depth];
    if (dw_failed(r->err))
        return;
    if (is_key_next(r)) {
        uint32_t len = r->at - begin;
        if (l->key_len > 0 && !is_after(r, l, begin, len)) {
            dw_rd_fail(r, DW_E_NONCANONICAL);
            return;
        }
        l->key_at = begin;
        l->key_len = len;
    }
    l->left--;
    r->is_tagged = false;
    close_full_levels(r);
}

/* Begins an item: there must be room for one. False when failed. */
static bool begin_item(struct dw_rd *r, uint32_t *ret_begin)
{
    if (dw_failed(r->err))
        return false;
    if (r->level[r->depth].left == 0) {
        dw_rd_fail(r, DW_E_INVALID);
        return false;
    }
    *ret_begin = r->at;
    return true;
}

static bool scalar(struct dw_rd *r, enum dw_cbor_type type, uint32_t *ret_begin, uint64_t *ret_arg)
{
    uint8_t got = 0;
    if (!begin_item(r, ret_begin) || !head(r, &got, ret_arg))
        return false;
    if (got != type) {
        dw_rd_fail(r, DW_E_INVALID);
        return false;
    }
    return true;
}

/* Opens a container whose head has been read; `count` is no more than the bytes left. */
static void open_level(struct dw_rd *r, bool is_map, uint64_t count)
{
    if (is_key_next(r)) {
        dw_rd_fail(r, DW_E_UNSUPPORTED);
        return;
    }
    if (r->depth == DW_CBOR_DEPTH_MAX) {
        dw_rd_fail(r, DW_E_TOO_LARGE);
        return;
    }
    r->level[r->depth].left--;
    r->is_tagged = false;
    r->depth++;
    r->level[r->depth] = (struct dw_cbor_level){
        .left = (uint32_t)count * (is_map ? 2 : 1),
        .is_map = is_map,
    };
    close_full_levels(r);
}

static void container(struct dw_rd *r, enum dw_cbor_type type, uint32_t min, uint32_t max,
                      uint32_t *ret_count)
{
    uint32_t begin;
    uint64_t count;
    if (!scalar(r, type, &begin, &count))
        return;
    /* Each item takes at least one byte, so a count beyond the bytes left is a lie. */
    if (count > bytes_left(r) / (type == DW_CBOR_MAP ? 2 : 1)) {
        dw_rd_fail(r, DW_E_TRUNCATED);
    } else if (count < min) {
        dw_rd_fail(r, DW_E_INVALID);
    } else if (count > max) {
        dw_rd_fail(r, DW_E_UNKNOWN_FIELD);
    } else {
        open_level(r, type == DW_CBOR_MAP, count);
        if (!dw_failed(r->err) && ret_count)
            *ret_count = (uint32_t)count;
    }
}

void dw_rd_map(struct dw_rd *r, uint32_t pairs)
{
    container(r, DW_CBOR_MAP, pairs, pairs, NULL);
}

void dw_rd_array(struct dw_rd *r, uint32_t items)
{
    container(r, DW_CBOR_ARRAY, items, items, NULL);
}

void dw_rd_array_upto(struct dw_rd *r, uint32_t min, uint32_t max, uint32_t *ret_items)
{
    *ret_items = 0;
    container(r, DW_CBOR_ARRAY, min, max, ret_items);
}

static bool is_readable_tag(const struct dw_rd *r, uint64_t tag)
{
    return tag == DW_CBOR_TAG_SIGN1 && !r->is_tagged && !is_key_next(r);
}

void dw_rd_tag(struct dw_rd *r, uint64_t tag)
{
    uint32_t begin;
    uint64_t got;
    if (!scalar(r, DW_CBOR_TAG, &begin, &got))
        return;
    if (got != tag || !is_readable_tag(r, got))
        dw_rd_fail(r, DW_E_UNSUPPORTED);
    r->is_tagged = true;
}

void dw_rd_uint(struct dw_rd *r, uint64_t max, uint64_t *ret_value)
{
    uint32_t begin;
    uint64_t value;
    if (!scalar(r, DW_CBOR_UINT, &begin, &value))
        return;
    if (value > max)
        dw_rd_fail(r, DW_E_INVALID);
    count_item(r, begin);
    if (!dw_failed(r->err))
        *ret_value = value;
}

void dw_rd_int(struct dw_rd *r, int64_t min, int64_t max, int64_t *ret_value)
{
    uint32_t begin;
    uint64_t arg;
    uint8_t type = 0;
    if (!begin_item(r, &begin) || !head(r, &type, &arg))
        return;
    if (type > DW_CBOR_NINT || arg > INT64_MAX) {
        dw_rd_fail(r, DW_E_INVALID);
        return;
    }
    int64_t value = type == DW_CBOR_NINT ? -1 - (int64_t)arg : (int64_t)arg;
    if (value < min || value > max)
        dw_rd_fail(r, DW_E_INVALID);
    count_item(r, begin);
    if (!dw_failed(r->err))
        *ret_value = value;
}

void dw_rd_key(struct dw_rd *r, int64_t key)
{
    int64_t got = key;
    if (!dw_failed(r->err) && !is_key_next(r)) {
        dw_rd_fail(r, DW_E_INVALID);
        return;
    }
    dw_rd_int(r, INT64_MIN, INT64_MAX, &got);
    if (got != key)
        dw_rd_fail(r, DW_E_UNKNOWN_FIELD);
}

void dw_rd_u8(struct dw_rd *r, uint8_t *ret_value)
{
    uint64_t value = *ret_value;
    dw_rd_uint(r, UINT8_MAX, &value);
    *ret_value = (uint8_t)value;
}

void dw_rd_u16(struct dw_rd *r, uint16_t *ret_value)
{
    uint64_t value = *ret_value;
    dw_rd_uint(r, UINT16_MAX, &value);
    *ret_value = (uint16_t)value;
}

void dw_rd_u32(struct dw_rd *r, uint32_t *ret_value)
{
    uint64_t value = *ret_value;
    dw_rd_uint(r, UINT32_MAX, &value);
    *ret_value = (uint32_t)value;
}

void dw_rd_u64(struct dw_rd *r, uint64_t *ret_value)
{
    dw_rd_uint(r, UINT64_MAX, ret_value);
}

void dw_rd_enum(struct dw_rd *r, unsigned count, uint8_t *ret_value)
{
    uint64_t value = *ret_value;
    DW_ASSERT(count > 0 && count <= 256);
    dw_rd_uint(r, count - 1, &value);
    *ret_value = (uint8_t)value;
}

void dw_rd_bool(struct dw_rd *r, bool *ret_value)
{
    uint32_t begin;
    uint64_t value;
    if (!scalar(r, DW_CBOR_SIMPLE, &begin, &value))
        return;
    if (value != 20 && value != 21)
        dw_rd_fail(r, DW_E_INVALID);
    if (is_key_next(r))
        dw_rd_fail(r, DW_E_UNSUPPORTED);
    count_item(r, begin);
    if (!dw_failed(r->err))
        *ret_value = value == 21;
}

/* A byte or text string of at most `max` bytes. */
static bool string(struct dw_rd *r, enum dw_cbor_type type, size_t max, struct dw_view *ret_bytes)
{
    uint32_t begin;
    uint64_t len;
    if (!scalar(r, type, &begin, &len))
        return false;
    if (len > max) {
        dw_rd_fail(r, DW_E_TOO_LARGE);
        return false;
    }
    if (len > bytes_left(r)) {
        dw_rd_fail(r, DW_E_TRUNCATED);
        return false;
    }
    struct dw_view bytes = {r->in.ptr + r->at, (size_t)len};
    r->at += (uint32_t)len;
    if (type == DW_CBOR_TEXT && !dw_text_is_utf8(bytes))
        dw_rd_fail(r, DW_E_INVALID);
    count_item(r, begin);
    if (dw_failed(r->err))
        return false;
    *ret_bytes = bytes;
    return true;
}

void dw_rd_bytes(struct dw_rd *r, void *ret_bytes, size_t len)
{
    struct dw_view bytes;
    if (!string(r, DW_CBOR_BYTES, DW_CBOR_BYTES_MAX, &bytes))
        return;
    if (bytes.len != len)
        dw_rd_fail(r, DW_E_INVALID);
    else
        memcpy(ret_bytes, bytes.ptr, len);
}

void dw_rd_bytes_upto(struct dw_rd *r, size_t max, struct dw_view *ret_bytes)
{
    (void)string(r, DW_CBOR_BYTES, max, ret_bytes);
}

void dw_rd_text(struct dw_rd *r, size_t max, struct dw_view *ret_text)
{
    (void)string(r, DW_CBOR_TEXT, max, ret_text);
}

void dw_rd_text_into(struct dw_rd *r, size_t cap, char *ret_text)
{
    struct dw_view text;
    DW_ASSERT(cap > 0);
    if (!string(r, DW_CBOR_TEXT, cap - 1, &text))
        return;
    if (memchr(text.ptr, 0, text.len)) {
        dw_rd_fail(r, DW_E_INVALID);
        return;
    }
    memcpy(ret_text, text.ptr, text.len);
    ret_text[text.len] = 0;
}

/* One item of any permitted type; containers are opened, not walked. */
static void skip_one(struct dw_rd *r)
{
    struct dw_view bytes;
    uint32_t begin;
    uint64_t arg;
    uint8_t type = 0;

    switch (dw_rd_peek(r)) {
    case DW_CBOR_UINT:
    case DW_CBOR_NINT:
        if (begin_item(r, &begin) && head(r, &type, &arg))
            count_item(r, begin);
        break;
    case DW_CBOR_BYTES: dw_rd_bytes_upto(r, DW_CBOR_BYTES_MAX, &bytes); break;
    case DW_CBOR_TEXT: dw_rd_text(r, DW_CBOR_BYTES_MAX, &bytes); break;
    case DW_CBOR_ARRAY: container(r, DW_CBOR_ARRAY, 0, UINT32_MAX, NULL); break;
    case DW_CBOR_MAP: container(r, DW_CBOR_MAP, 0, UINT32_MAX, NULL); break;
    case DW_CBOR_TAG: dw_rd_tag(r, DW_CBOR_TAG_SIGN1); break;
    case DW_CBOR_SIMPLE:
        if (!begin_item(r, &begin) || !head(r, &type, &arg))
            break;
        if (arg < 20 || is_key_next(r)) /* false, true and null remain */
            dw_rd_fail(r, DW_E_UNSUPPORTED);
        count_item(r, begin);
        break;
    case DW_CBOR_NONE: dw_rd_fail(r, DW_E_TRUNCATED); break;
    }
}

void dw_rd_skip(struct dw_rd *r)
{
    uint32_t depth = r->depth;
    uint32_t left = r->level[depth].left;
    if (left == 0)
        dw_rd_fail(r, DW_E_INVALID);
    /* Each turn takes at least one byte or fails. The item is over when its own level has one less
     * to come, or has been closed with it, and nothing deeper is open. */
    while (!dw_failed(r->err)) {
        skip_one(r);
        if (r->is_tagged)
            continue;
        if (r->depth < depth || (r->depth == depth && r->level[depth].left < left))
            break;
    }
}

dw_err dw_cbor_check(struct dw_view in)
{
    struct dw_rd r;
    dw_rd_init(&r, in);
    dw_rd_skip(&r);
    return dw_rd_end(&r);
}

bool dw_view_take(struct dw_view *in, size_t len, struct dw_view *ret_taken)
{
    if (len > in->len)
        return false;
    *ret_taken = dw_view_of(in->ptr, len);
    if (len > 0) { /* an empty view may have no memory behind it */
        in->ptr += len;
        in->len -= len;
    }
    return true;
}
