/* media/h264.h - H.264 access units in Annex B: walking NAL units and hashing them. Pure but for
 * the hash. No decoding.
 */
#ifndef DW_MEDIA_H264_H
#define DW_MEDIA_H264_H

#include "core/base.h"
#include "crypto/crypto.h"

enum dw_nal_type {
    DW_NAL_SLICE = 1,
    DW_NAL_IDR = 5,
    DW_NAL_SEI = 6,
    DW_NAL_SPS = 7,
    DW_NAL_PPS = 8,
    DW_NAL_AUD = 9
};

/* Next NAL unit at or after `*offset`: header byte first, no start code, trailing zero bytes
 * stripped. False at the end; `*offset` moves on. Input without any start code yields nothing. */
bool dw_nal_next(struct dw_view annexb, size_t *offset, struct dw_view *ret_nal);
static inline unsigned dw_nal_type(struct dw_view nal)
{
    return nal.len ? nal.ptr[0] & 0x1fu : 0;
}

struct dw_au_info {
    uint8_t au_hash[DW_HASH_BYTES];   /* VCL NAL units 1..5, see wire/camera.h */
    uint8_t pset_hash[DW_HASH_BYTES]; /* of SPS and PPS in the same way; valid when has_pset */
    bool is_key, has_pset;
    struct dw_view sps, pps; /* borrow the access unit; empty when absent */
    uint32_t vcl_count;
};

/* DW_E_INVALID: no VCL NAL unit in it. */
DW_MUST_USE dw_err dw_au_inspect(struct dw_view annexb, struct dw_au_info *ret_info);

/* What a container must know of an SPS. */
struct dw_sps {
    uint16_t width_px, height_px; /* cropping applied */
    uint8_t profile, constraints, level;
    uint8_t chroma_format; /* 0..3; 1: 4:2:0 */
    uint8_t luma_bits, chroma_bits;
};

/* DW_E_INVALID, DW_E_TRUNCATED: not an SPS. DW_E_UNSUPPORTED: a profile we do not read. */
DW_MUST_USE dw_err dw_sps_read(struct dw_view sps, struct dw_sps *ret_sps);

/* Width and height from an SPS (cropping applied). DW_E_UNSUPPORTED: a profile we do not read. */
DW_MUST_USE dw_err dw_sps_size(struct dw_view sps, uint16_t *ret_width_px, uint16_t *ret_height_px);

#endif
