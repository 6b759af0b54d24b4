/* Annex B from a camera: the walk ends, stays inside, and says the same twice. */
#include "fuzz.h"
#include "media/h264.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static bool is_ready;
    struct dw_view in = dw_view_of(bytes, len), nal;
    struct dw_au_info info, again;
    uint16_t width, height;
    size_t offset = 0, before = 0, nals = 0;

    if (!is_ready && dw_failed(dw_crypto_init()))
        abort();
    is_ready = true;
    while (dw_nal_next(in, &offset, &nal)) {
        if (offset <= before || offset > len || nal.len == 0 || nal.ptr < bytes ||
            nal.ptr + nal.len > bytes + len || ++nals > len)
            abort();
        before = offset;
        if (!dw_failed(dw_sps_size(nal, &width, &height)) && (width == 0 || height == 0))
            abort();
    }
    memset(&info, 0, sizeof info);
    memset(&again, 0, sizeof again);
    dw_err err = dw_au_inspect(in, &info);
    if (dw_au_inspect(in, &again).code != err.code)
        abort();
    if (!dw_failed(err) && (info.vcl_count == 0 || memcmp(info.au_hash, again.au_hash, 32) != 0))
        abort();
    return 0;
}

/* An access unit with the parts that a camera sends: delimiter, parameter sets, SEI, slices. */
size_t fuzz_seed(struct rng *g, uint8_t *ret_bytes, size_t cap)
{
    static const uint8_t sps[] = {0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x47, 0xfe, 0x88};
    static const uint8_t types[] = {0x09, 0x67, 0x68, 0x06, 0x65, 0x41, 0x01, 0x21};
    size_t len = 0;
    for (uint64_t i = 1 + rng_below(g, 6); i > 0 && len + 64 < cap; i--) {
        if (rng_below(g, 2))
            ret_bytes[len++] = 0;
        ret_bytes[len++] = 0;
        ret_bytes[len++] = 0;
        ret_bytes[len++] = 1;
        if (rng_below(g, 4) == 0) {
            memcpy(ret_bytes + len, sps, sizeof sps);
            len += sizeof sps;
            continue;
        }
        ret_bytes[len++] = types[rng_below(g, sizeof types)];
        size_t body = rng_below(g, 40);
        rng_bytes(g, ret_bytes + len, body);
        len += body;
    }
    return len;
}
