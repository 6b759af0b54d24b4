/* Access units from a camera, in Annex B: the walk ends and stays inside; the same NAL units behind
 * other start codes are the same access unit. */
#include "fuzz.h"
#include "media/h264.h"
#include "wire/cbor.h"

#include <stdlib.h>
#include <string.h>

static bool same(struct dw_view a, struct dw_view b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static void put(struct dw_buf *b, const void *bytes, size_t len)
{
    if (dw_failed(dw_buf_put(b, bytes, len)))
        abort();
}

/* Walks `in`, and writes its NAL units with long start codes. Returns how many hold a picture. */
static uint32_t walk(struct dw_view in, struct dw_buf *out)
{
    struct dw_view nal;
    size_t offset = 0, before = 0;
    uint32_t pictures = 0;
    while (dw_nal_next(in, &offset, &nal)) {
        if (offset <= before || offset > in.len || nal.len == 0 || nal.ptr < in.ptr ||
            nal.ptr + nal.len > in.ptr + in.len || nal.ptr[nal.len - 1] == 0)
            abort();
        before = offset;
        pictures += dw_nal_type(nal) >= DW_NAL_SLICE && dw_nal_type(nal) <= DW_NAL_IDR;
        put(out, "\0\0\0\1", 4);
        put(out, nal.ptr, nal.len);
    }
    return pictures;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static bool is_ready;
    static uint8_t room[2 * FUZZ_INPUT_MAX]; /* a start code grows by one byte at most */
    struct dw_buf out = dw_buf_of(room, sizeof room);
    struct dw_au_info info, other, untouched;

    if (!is_ready && dw_failed(dw_crypto_init()))
        abort();
    is_ready = true;
    if (len > FUZZ_INPUT_MAX)
        return 0;
    uint32_t pictures = walk(dw_view_of(bytes, len), &out);
    memset(&info, 0x5a, sizeof info);
    memset(&untouched, 0x5a, sizeof untouched);
    if (dw_failed(dw_au_inspect(dw_view_of(bytes, len), &info))) {
        if (pictures > 0 || memcmp(&info, &untouched, sizeof info) != 0)
            abort();
        return 0;
    }
    if (dw_failed(dw_au_inspect(dw_view_of_buf(&out), &other)) || info.vcl_count != pictures ||
        other.vcl_count != pictures || info.is_key != other.is_key ||
        memcmp(info.au_hash, other.au_hash, sizeof info.au_hash) != 0)
        abort();
    if (info.has_pset != other.has_pset || !same(info.sps, other.sps) ||
        !same(info.pps, other.pps) ||
        (info.has_pset && memcmp(info.pset_hash, other.pset_hash, sizeof info.pset_hash) != 0))
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
