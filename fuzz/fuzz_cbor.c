/* The strict reader: whatever it accepts is what the strict writer writes, byte for byte. */
#include "fuzz.h"
#include "wire/cbor.h"

#include <stdlib.h>
#include <string.h>

static void copy_item(struct dw_rd *r, struct dw_wr *w);

static void copy_items(struct dw_rd *r, struct dw_wr *w, uint32_t items)
{
    for (uint32_t i = 0; i < items && !dw_failed(r->err); i++)
        copy_item(r, w);
}

/* The argument of the head that comes next, in any of its forms; 0 when there is none. */
static uint32_t count_next(const struct dw_rd *r)
{
    size_t more, left = r->in.len - r->at;
    const uint8_t *p = r->in.ptr + r->at;
    uint32_t count = 0;
    if (left == 0 || (p[0] & 0x1f) < 24)
        return left == 0 ? 0 : p[0] & 0x1fu;
    more = (size_t)1 << ((p[0] & 0x1f) - 24);
    for (size_t i = 1; i <= more && i < left; i++)
        count = count << 8 | p[i];
    return count;
}

/* Reads one item with the typed readers and writes what was read. */
static void copy_item(struct dw_rd *r, struct dw_wr *w)
{
    struct dw_view view = {0};
    uint64_t u = 0;
    uint32_t items = 0;
    bool b = false;

    switch (dw_rd_peek(r)) {
    case DW_CBOR_UINT:
        dw_rd_u64(r, &u);
        dw_wr_uint(w, u);
        break;
    case DW_CBOR_NINT: {
        int64_t i = 0;
        dw_rd_int(r, INT64_MIN, -1, &i);
        dw_wr_int(w, i);
        break;
    }
    case DW_CBOR_BYTES:
        dw_rd_bytes_upto(r, DW_CBOR_BYTES_MAX, &view);
        dw_wr_bytes(w, view.ptr, view.len);
        break;
    case DW_CBOR_TEXT:
        dw_rd_text(r, DW_CBOR_BYTES_MAX, &view);
        dw_wr_text(w, view);
        break;
    case DW_CBOR_ARRAY:
        dw_rd_array_upto(r, 0, UINT32_MAX, &items);
        dw_wr_array(w, items);
        copy_items(r, w, items);
        break;
    case DW_CBOR_MAP:
        items = count_next(r); /* the reader wants to be told how many */
        dw_rd_map(r, items);
        dw_wr_map(w, items);
        copy_items(r, w, 2 * items);
        break;
    case DW_CBOR_TAG:
        dw_rd_tag(r, DW_CBOR_TAG_SIGN1);
        dw_wr_tag(w, DW_CBOR_TAG_SIGN1);
        copy_item(r, w);
        break;
    case DW_CBOR_SIMPLE:
        dw_rd_bool(r, &b);
        dw_wr_bool(w, b);
        break;
    case DW_CBOR_NONE: dw_rd_fail(r, DW_E_TRUNCATED); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static uint8_t again[DW_CBOR_BYTES_MAX];
    struct dw_buf out = dw_buf_of(again, sizeof again);
    struct dw_view in = dw_view_of(bytes, len);
    struct dw_rd r;
    struct dw_wr w;

    dw_err whole = dw_cbor_check(in);
    dw_rd_init(&r, in);
    dw_wr_init(&w, &out);
    copy_item(&r, &w);
    dw_err typed = dw_rd_end(&r), written = dw_wr_end(&w);
    /* The typed readers know no null and no integer below INT64_MIN; else both agree. */
    if (!dw_failed(typed) && (dw_failed(whole) || dw_failed(written)))
        abort();
    if (!dw_failed(typed) && (out.len != len || memcmp(again, bytes, len) != 0))
        abort();
    return 0;
}

size_t fuzz_seed(struct rng *g, uint8_t *ret_bytes, size_t cap)
{
    uint8_t message[SAMPLE_STRUCT_MAX];
    const struct sample_type *t = &sample_types[rng_below(g, SAMPLE_TYPES)];
    struct dw_buf out = dw_buf_of(ret_bytes, cap);
    t->fill(g, message);
    return dw_failed(t->write(message, &out)) ? 0 : out.len;
}
