/* Sequence parameter sets: what is read is within the limits of the format, what is refused is not
 * touched. */
#include "fuzz.h"
#include "media/h264.h"
#include "wire/cbor.h"

#include <stdlib.h>
#include <string.h>

static bool is_sound(const struct dw_sps *s)
{
    return s->width_px > 0 && s->height_px > 0 && s->chroma_format <= 3 && s->luma_bits >= 8 &&
           s->luma_bits <= 14 && s->chroma_bits >= 8 && s->chroma_bits <= 14;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct dw_view in = dw_view_of(bytes, len);
    struct dw_sps sps, untouched;
    memset(&sps, 0x5a, sizeof sps);
    memset(&untouched, 0x5a, sizeof untouched);
    if (dw_failed(dw_sps_read(in, &sps))) {
        if (memcmp(&sps, &untouched, sizeof sps) != 0)
            abort();
    } else if (!is_sound(&sps) || sps.profile != bytes[1] || sps.constraints != bytes[2] ||
               sps.level != bytes[3]) {
        abort();
    }
    return 0;
}

/* Baseline and high of x264, and a high one with scaling lists whose rest is drawn. */
size_t fuzz_seed(struct rng *g, uint8_t *ret_bytes, size_t cap)
{
    static const uint8_t small[] = {0x67, 0x42, 0xc0, 0x0d, 0xda, 0x05, 0x07, 0xec,
                                    0x04, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40, 0x00,
                                    0x00, 0x0f, 0x23, 0xc5, 0x0a, 0xa8};
    static const uint8_t large[] = {0x67, 0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02,
                                    0x27, 0xe5, 0xc0, 0x44, 0x00, 0x00, 0x03, 0x00, 0x04,
                                    0x00, 0x00, 0x03, 0x00, 0xf0, 0x3c, 0x60, 0xc6, 0x58};
    static const uint8_t lists[] = {0x67, 0x64, 0x00, 0x28, 0xad};
    struct dw_buf out = dw_buf_of(ret_bytes, cap);
    uint8_t rest[120];
    dw_err e = dw_fail(DW_E_NO_SPACE);
    switch (rng_below(g, 3)) {
    case 0: e = dw_buf_put(&out, small, sizeof small); break;
    case 1: e = dw_buf_put(&out, large, sizeof large); break;
    default:
        rng_bytes(g, rest, sizeof rest);
        e = dw_buf_put(&out, lists, sizeof lists);
        if (!dw_failed(e))
            e = dw_buf_put(&out, rest, 20 + rng_below(g, sizeof rest - 20));
        break;
    }
    return dw_failed(e) ? 0 : out.len;
}
