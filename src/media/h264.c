#include "media/h264.h"

#include <string.h>

#define NAL_VCL_LAST 5u /* types 1..5 carry picture data [H.264 table 7-1] */

/* Index of the next 00 00 01 at or after `from`, or `len`. Looks for the 1, which the library does
 * many bytes at a time and which coded pictures seldom hold; the next that counts is three on. */
static size_t find_start(const uint8_t *p, size_t len, size_t from)
{
    for (size_t i = from + 2; i < len; i += 3) {
        const uint8_t *one = memchr(p + i, 1, len - i);
        if (!one)
            break;
        i = (size_t)(one - p);
        if ((p[i - 1] | p[i - 2]) == 0)
            return i - 2;
    }
    return len;
}

bool dw_nal_next(struct dw_view annexb, size_t *offset, struct dw_view *ret_nal)
{
    const uint8_t *p = annexb.ptr;
    size_t len = annexb.len;
    size_t at = *offset < len ? find_start(p, len, *offset) : len;
    while (at < len) {
        size_t begin = at + 3;
        size_t next = find_start(p, len, begin);
        size_t end = next;
        while (end > begin && p[end - 1] == 0) /* also the fourth byte of the next start code */
            end--;
        if (end > begin) {
            *offset = next;
            *ret_nal = dw_view_of(p + begin, end - begin);
            return true;
        }
        at = next; /* an empty NAL unit is none */
    }
    *offset = len;
    return false;
}

static bool same_view(struct dw_view a, struct dw_view b)
{
    return a.len == b.len && a.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

/* A NAL unit is hashed with its length before it: where one ends and the next begins is signed too,
 * so that nobody can join two slices, or split one, without being found out. */
static void hash_nal(struct dw_sha256 *h, struct dw_view nal)
{
    uint8_t len[4] = {(uint8_t)(nal.len >> 24), (uint8_t)(nal.len >> 16), (uint8_t)(nal.len >> 8),
                      (uint8_t)nal.len};
    dw_sha256_update(h, len, sizeof(len));
    dw_sha256_update(h, nal.ptr, nal.len);
}

/* Adds the parameter sets of one type to the hash. A repetition of the first is the same set and
 * counts once; any other set beside it changes the hash, so none can be slipped in. */
static void hash_psets(struct dw_sha256 *h, struct dw_view annexb, unsigned type,
                       struct dw_view first)
{
    size_t offset = 0;
    struct dw_view nal;
    hash_nal(h, first);
    while (dw_nal_next(annexb, &offset, &nal)) {
        if (dw_nal_type(nal) == type && !same_view(nal, first))
            hash_nal(h, nal);
    }
}

/* Keeps the first; false: this is another beside it. */
static bool take_pset(struct dw_view *first, struct dw_view nal)
{
    if (!first->len)
        *first = nal;
    return same_view(*first, nal);
}

dw_err dw_au_inspect(struct dw_view annexb, struct dw_au_info *ret_info)
{
    struct dw_au_info info = {0};
    struct dw_sha256 *h = dw_sha256_new();
    if (!h)
        return dw_fail(DW_E_NO_SPACE);
    dw_sha256_init(h);
    size_t offset = 0;
    struct dw_view nal, none = {0};
    bool has_others = false;
    while (dw_nal_next(annexb, &offset, &nal)) {
        unsigned type = dw_nal_type(nal);
        if (type >= DW_NAL_SLICE && type <= NAL_VCL_LAST) {
            hash_nal(h, nal);
            info.vcl_count++;
            info.is_key = info.is_key || type == DW_NAL_IDR;
        } else if (type == DW_NAL_SPS) {
            has_others |= !take_pset(&info.sps, nal);
        } else if (type == DW_NAL_PPS) {
            has_others |= !take_pset(&info.pps, nal);
        }
    }
    dw_sha256_final(h, info.au_hash);
    info.has_pset = info.sps.len && info.pps.len;
    if (info.has_pset) {
        dw_sha256_init(h);
        hash_psets(h, has_others ? annexb : none, DW_NAL_SPS, info.sps);
        hash_psets(h, has_others ? annexb : none, DW_NAL_PPS, info.pps);
        dw_sha256_final(h, info.pset_hash);
    }
    dw_sha256_free(h);
    if (!info.vcl_count)
        return dw_fail(DW_E_INVALID);
    *ret_info = info;
    return DW_OK;
}

/* Bits of an RBSP. Emulation prevention bytes (00 00 03) are taken out on the way [H.264 7.4.1.1].
 * Reading past the end sets `is_over` and yields zeros. */
struct bits {
    struct dw_view in;
    size_t byte;
    unsigned bit, zeros;
    bool is_over;
};

static unsigned bit_read(struct bits *b)
{
    if (b->bit == 0 && b->byte < b->in.len && b->zeros >= 2 && b->in.ptr[b->byte] == 3) {
        b->byte++;
        b->zeros = 0;
    }
    if (b->byte >= b->in.len) {
        b->is_over = true;
        return 0;
    }
    unsigned v = (b->in.ptr[b->byte] >> (7 - b->bit)) & 1u;
    if (++b->bit == 8) {
        b->zeros = b->in.ptr[b->byte] ? 0 : b->zeros + 1;
        b->bit = 0;
        b->byte++;
    }
    return v;
}

static uint32_t bits_read(struct bits *b, unsigned count)
{
    uint32_t v = 0;
    for (unsigned i = 0; i < count; i++)
        v = (v << 1) | bit_read(b);
    return v;
}

/* ue(v) [H.264 9.1]; more than 31 leading zeros is no legal value. */
static uint32_t ue_read(struct bits *b)
{
    unsigned zeros = 0;
    while (!b->is_over && bit_read(b) == 0) {
        if (++zeros > 31) {
            b->is_over = true;
            return 0;
        }
    }
    return ((UINT32_C(1) << zeros) - 1u) + bits_read(b, zeros);
}

static int32_t se_read(struct bits *b)
{
    uint32_t k = ue_read(b);
    int64_t half = (int64_t)((k + UINT64_C(1)) / 2);
    return (int32_t)((k & 1u) ? half : -half);
}

static void skip_scaling_list(struct bits *b, unsigned size)
{
    int64_t last = 8, next = 8;
    for (unsigned i = 0; i < size && !b->is_over; i++) {
        if (next)
            next = (last + se_read(b) + 256) & 255;
        last = next ? next : last;
    }
}

/* Profiles whose SPS has chroma format and scaling lists; false: an SPS of another form. */
static bool profile_is_read(uint32_t profile, bool *ret_is_high)
{
    static const uint8_t plain[] = {66, 77, 88}; /* baseline, main, extended */
    static const uint8_t high[] = {100, 110, 122, 244, 44};
    *ret_is_high = false;
    for (size_t i = 0; i < DW_ARRAY_COUNT(plain); i++) {
        if (profile == plain[i])
            return true;
    }
    *ret_is_high = true;
    for (size_t i = 0; i < DW_ARRAY_COUNT(high); i++) {
        if (profile == high[i])
            return true;
    }
    return false;
}

/* Chroma format, bit depths and scaling lists of the high profiles [H.264 7.3.2.1.1]. */
static bool read_high(struct bits *b, struct dw_sps *out, bool *ret_is_separate)
{
    uint32_t chroma = ue_read(b);
    if (chroma > 3)
        return false;
    if (chroma == 3)
        *ret_is_separate = bit_read(b);
    uint32_t luma = ue_read(b), colour = ue_read(b);
    if (luma > 6 || colour > 6)
        return false;
    out->chroma_format = (uint8_t)chroma;
    out->luma_bits = (uint8_t)(8 + luma);
    out->chroma_bits = (uint8_t)(8 + colour);
    bit_read(b);
    if (bit_read(b)) {
        unsigned lists = chroma == 3 ? 12 : 8;
        for (unsigned i = 0; i < lists; i++) {
            if (bit_read(b))
                skip_scaling_list(b, i < 6 ? 16 : 64);
        }
    }
    return true;
}

static bool skip_picture_order(struct bits *b)
{
    uint32_t order = ue_read(b);
    if (order == 0) {
        ue_read(b);
    } else if (order == 1) {
        bit_read(b);
        se_read(b);
        se_read(b);
        uint32_t cycle = ue_read(b);
        if (cycle > 255)
            return false;
        for (uint32_t i = 0; i < cycle; i++)
            se_read(b);
    }
    return order <= 2;
}

dw_err dw_sps_read(struct dw_view sps, struct dw_sps *ret_sps)
{
    if (sps.len < 4 || dw_nal_type(sps) != DW_NAL_SPS)
        return dw_fail(DW_E_INVALID);
    struct bits b = {.in = dw_view_of(sps.ptr + 1, sps.len - 1)};
    struct dw_sps out = {.chroma_format = 1, .luma_bits = 8, .chroma_bits = 8};
    out.profile = (uint8_t)bits_read(&b, 8);
    out.constraints = (uint8_t)bits_read(&b, 8);
    out.level = (uint8_t)bits_read(&b, 8);
    bool is_high;
    if (!profile_is_read(out.profile, &is_high))
        return dw_fail(DW_E_UNSUPPORTED);
    ue_read(&b); /* seq_parameter_set_id */
    bool is_separate = false;
    if (is_high && !read_high(&b, &out, &is_separate))
        return dw_fail(DW_E_INVALID);
    ue_read(&b); /* log2_max_frame_num */
    if (!skip_picture_order(&b))
        return dw_fail(DW_E_INVALID);
    ue_read(&b); /* max_num_ref_frames */
    bit_read(&b);
    uint64_t width_mb = UINT64_C(1) + ue_read(&b);
    uint64_t height_mb = UINT64_C(1) + ue_read(&b);
    bool is_frames = bit_read(&b);
    if (!is_frames)
        bit_read(&b);
    bit_read(&b); /* direct_8x8_inference */
    uint64_t crop[4] = {0};
    if (bit_read(&b)) {
        for (size_t i = 0; i < DW_ARRAY_COUNT(crop); i++)
            crop[i] = ue_read(&b);
    }
    if (b.is_over)
        return dw_fail(DW_E_TRUNCATED);
    uint64_t fields = is_frames ? 1 : 2;
    bool has_chroma = out.chroma_format != 0 && !is_separate;
    uint64_t unit_x = has_chroma && out.chroma_format < 3 ? 2 : 1;
    uint64_t unit_y = (has_chroma && out.chroma_format == 1 ? 2u : 1u) * fields;
    uint64_t width = width_mb * 16, height = height_mb * 16 * fields;
    uint64_t cut_x = (crop[0] + crop[1]) * unit_x, cut_y = (crop[2] + crop[3]) * unit_y;
    if (width > UINT16_MAX || height > UINT16_MAX || cut_x >= width || cut_y >= height)
        return dw_fail(DW_E_INVALID);
    out.width_px = (uint16_t)(width - cut_x);
    out.height_px = (uint16_t)(height - cut_y);
    *ret_sps = out;
    return DW_OK;
}

dw_err dw_sps_size(struct dw_view sps, uint16_t *ret_width_px, uint16_t *ret_height_px)
{
    struct dw_sps out;
    DW_TRY(dw_sps_read(sps, &out));
    *ret_width_px = out.width_px;
    *ret_height_px = out.height_px;
    return DW_OK;
}
