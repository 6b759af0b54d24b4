/* The head of a FRAME message: its parts are the whole body, in order. */
#include "fuzz.h"
#include "wire/camera.h"
#include "wire/cbor.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static uint8_t again[FUZZ_INPUT_MAX];
    struct dw_buf out = dw_buf_of(again, sizeof again);
    struct dw_frame_parts parts;
    if (len > sizeof again || dw_failed(dw_frame_parts_read(dw_view_of(bytes, len), &parts)))
        return 0;
    if (dw_failed(dw_frame_parts_write(&parts, &out)) ||
        dw_failed(dw_buf_put(&out, parts.access_unit.ptr, parts.access_unit.len)) ||
        out.len != len || memcmp(again, bytes, len) != 0 || parts.access_unit.len == 0)
        abort();
    return 0;
}

size_t fuzz_seed(struct rng *g, uint8_t *ret_bytes, size_t cap)
{
    static uint8_t record[DW_FRAME_RECORD_MAX], viewers[DW_VIEWERS_MAX * 32], picture[400];
    struct dw_buf out = dw_buf_of(ret_bytes, cap);
    const struct dw_frame_parts parts = {
        .record = {record, 1 + rng_below(g, sizeof record)},
        .viewers = {viewers, 32 * rng_below(g, DW_VIEWERS_MAX + 1)},
    };
    rng_bytes(g, picture, sizeof picture);
    if (dw_failed(dw_frame_parts_write(&parts, &out)) ||
        dw_failed(dw_buf_put(&out, picture, 1 + rng_below(g, sizeof picture))))
        return 0;
    return out.len;
}
