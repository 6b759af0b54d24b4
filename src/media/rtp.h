/* media/rtp.h - H.264 out of RTP packets [RFC 3550 5.1, RFC 6184]: single NAL units, STAP-A, FU-A.
 * Pure.
 *
 * Access units come out in Annex B, with the newest parameter sets before each IDR picture. Over
 * TCP nothing is lost on the way; when numbers are missing all the same, everything is left out up
 * to the next key frame: half a picture is no evidence.
 */
#ifndef DW_MEDIA_RTP_H
#define DW_MEDIA_RTP_H

#include "core/base.h"

#define DW_RTP_PSET_MAX 512u
#define DW_RTP_UNIT_MAX (2u * 1024u * 1024u - 64u)

/* `annexb` is borrowed for the call. */
typedef void dw_rtp_unit(void *ctx, struct dw_view annexb, bool is_key);

struct dw_rtp {
    dw_rtp_unit *unit;
    void *ctx;
    uint8_t *bytes; /* the caller's, DW_RTP_BYTES */
    size_t len;     /* of the unit so far, after the room for parameter sets */
    uint8_t sps[DW_RTP_PSET_MAX], pps[DW_RTP_PSET_MAX];
    uint16_t sps_len, pps_len;
    uint16_t next_seq;
    uint32_t stamp;
    uint8_t payload_type;
    bool has_seq, has_unit, has_idr, has_vcl, has_sps, is_in_fragment, is_broken,
        is_waiting_for_key;
    uint64_t lost, dropped; /* packets missing, units left out */
};

#define DW_RTP_HEADROOM (2u * (DW_RTP_PSET_MAX + 4u))
#define DW_RTP_BYTES    (DW_RTP_HEADROOM + DW_RTP_UNIT_MAX)

/* `bytes` holds DW_RTP_BYTES and is borrowed until the last feed. */
void dw_rtp_init(struct dw_rtp *r, uint8_t payload_type, uint8_t *bytes, dw_rtp_unit *unit,
                 void *ctx);
/* A parameter set told beforehand (SDP sprop-parameter-sets); anything else is ignored. */
void dw_rtp_pset(struct dw_rtp *r, struct dw_view nal);
/* One RTP packet; calls `unit` when it ends an access unit. What cannot be read is left out. */
void dw_rtp_feed(struct dw_rtp *r, struct dw_view packet);

#endif
