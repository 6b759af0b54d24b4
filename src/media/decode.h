/* media/decode.h - luma of one key frame, for the hub's second opinion on freeze and cover.
 *
 * libavcodec, one thread, key frames only: decoding every frame costs six times as much
 * (docs/design/recording.md). Not pure; one decoder per thread.
 */
#ifndef DW_MEDIA_DECODE_H
#define DW_MEDIA_DECODE_H

#include "core/base.h"

struct dw_decoder;

struct dw_luma {
    const uint8_t *ptr; /* 8 bits a sample; borrowed until the next call on the decoder */
    size_t stride;
    uint16_t width_px, height_px;
};

/* DW_E_UNSUPPORTED: this libavcodec has no H.264 decoder. */
DW_MUST_USE dw_err dw_decoder_new(struct dw_decoder **ret_decoder);
void dw_decoder_free(struct dw_decoder *d);

/* `annexb` is one access unit with SPS, PPS and an IDR picture. DW_E_INVALID: it does not decode.
 * DW_E_UNSUPPORTED: not 8-bit luma, or larger than 16 megapixels. */
DW_MUST_USE dw_err dw_decoder_key(struct dw_decoder *d, struct dw_view annexb,
                                  struct dw_luma *ret_luma);

#endif
