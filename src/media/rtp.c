#include "media/rtp.h"

#include <string.h>

#include "media/h264.h"

#define HEAD_BYTES  12u
#define TYPE_STAP_A 24u
#define TYPE_FU_A   28u

void dw_rtp_init(struct dw_rtp *r, uint8_t payload_type, uint8_t *bytes, dw_rtp_unit *unit,
                 void *ctx)
{
    *r = (struct dw_rtp){.unit = unit,
                         .ctx = ctx,
                         .bytes = bytes,
                         .payload_type = payload_type,
                         .is_waiting_for_key = true};
}

void dw_rtp_pset(struct dw_rtp *r, struct dw_view nal)
{
    if (!nal.len || nal.len > DW_RTP_PSET_MAX)
        return;
    if (dw_nal_type(nal) == DW_NAL_SPS) {
        memcpy(r->sps, nal.ptr, nal.len);
        r->sps_len = (uint16_t)nal.len;
    } else if (dw_nal_type(nal) == DW_NAL_PPS) {
        memcpy(r->pps, nal.ptr, nal.len);
        r->pps_len = (uint16_t)nal.len;
    }
}

static bool append(struct dw_rtp *r, const void *bytes, size_t len)
{
    if (len > DW_RTP_UNIT_MAX - r->len) {
        r->is_broken = true;
        return false;
    }
    memcpy(r->bytes + DW_RTP_HEADROOM + r->len, bytes, len);
    r->len += len;
    return true;
}

static void begin_nal(struct dw_rtp *r, uint8_t header)
{
    static const uint8_t start[4] = {0, 0, 0, 1};
    unsigned type = header & 0x1fu;
    r->has_idr = r->has_idr || type == DW_NAL_IDR;
    r->has_vcl = r->has_vcl || (type >= DW_NAL_SLICE && type <= DW_NAL_IDR);
    r->has_sps = r->has_sps || type == DW_NAL_SPS;
    (void)(append(r, start, sizeof start) && append(r, &header, 1));
}

static void whole_nal(struct dw_rtp *r, struct dw_view nal)
{
    /* A delimiter would have to stay in front of the sets we add; the units are delimited anyway.
     */
    if (!nal.len || dw_nal_type(nal) == DW_NAL_AUD)
        return;
    dw_rtp_pset(r, nal);
    begin_nal(r, nal.ptr[0]);
    (void)append(r, nal.ptr + 1, nal.len - 1);
}

/* Puts the sets before a key frame that came without. */
static uint8_t *add_sets(struct dw_rtp *r, uint8_t *at)
{
    static const uint8_t start[4] = {0, 0, 0, 1};
    const struct {
        const uint8_t *ptr;
        uint16_t len;
    } set[2] = {{r->pps, r->pps_len}, {r->sps, r->sps_len}}; /* backwards */
    for (size_t i = 0; i < DW_ARRAY_COUNT(set); i++) {
        at -= set[i].len;
        memcpy(at, set[i].ptr, set[i].len);
        at -= sizeof start;
        memcpy(at, start, sizeof start);
    }
    return at;
}

static void end_unit(struct dw_rtp *r)
{
    bool is_whole = r->has_vcl && !r->is_broken && !r->is_in_fragment;
    bool has_sets = r->has_sps || (r->sps_len && r->pps_len);
    bool is_key = r->has_idr && has_sets;
    if (is_whole && (is_key || !r->is_waiting_for_key)) {
        uint8_t *at = r->bytes + DW_RTP_HEADROOM;
        if (r->has_idr && !r->has_sps && has_sets)
            at = add_sets(r, at);
        r->is_waiting_for_key = false;
        r->unit(r->ctx, dw_view_of(at, (size_t)(r->bytes + DW_RTP_HEADROOM + r->len - at)), is_key);
    } else if (r->has_vcl || r->is_broken) {
        r->dropped++;
        r->is_waiting_for_key = r->is_waiting_for_key || !is_whole;
    }
    r->len = 0;
    r->has_unit = r->has_idr = r->has_vcl = r->has_sps = false;
    r->is_in_fragment = r->is_broken = false;
}

static void feed_aggregate(struct dw_rtp *r, struct dw_view in)
{
    size_t at = 1;
    while (in.len - at >= 2) {
        size_t len = (size_t)in.ptr[at] << 8 | in.ptr[at + 1];
        at += 2;
        if (len > in.len - at) {
            r->is_broken = true;
            return;
        }
        whole_nal(r, dw_view_of(in.ptr + at, len));
        at += len;
    }
}

static void feed_fragment(struct dw_rtp *r, struct dw_view in)
{
    if (in.len < 3) {
        r->is_broken = true;
        return;
    }
    bool is_start = in.ptr[1] & 0x80u, is_end = in.ptr[1] & 0x40u;
    if (is_start == r->is_in_fragment) { /* a beginning inside, or a middle without beginning */
        r->is_broken = true;
        r->is_in_fragment = !is_end;
        return;
    }
    if (is_start)
        begin_nal(r, (uint8_t)((in.ptr[0] & 0xe0u) | (in.ptr[1] & 0x1fu)));
    (void)append(r, in.ptr + 2, in.len - 2);
    r->is_in_fragment = !is_end;
}

static void feed_payload(struct dw_rtp *r, struct dw_view in)
{
    unsigned type = dw_nal_type(in);
    if (type == TYPE_FU_A) {
        feed_fragment(r, in);
        return;
    }
    if (r->is_in_fragment) {
        r->is_broken = true;
        r->is_in_fragment = false;
    }
    if (type >= 1 && type <= 23)
        whole_nal(r, in);
    else if (type == TYPE_STAP_A)
        feed_aggregate(r, in);
    else
        r->is_broken = true; /* interleaved modes, which nobody asked for */
}

/* The payload of an RTP packet; false: not one of ours. */
static bool payload_of(const struct dw_rtp *r, struct dw_view p, struct dw_view *ret_payload)
{
    if (p.len < HEAD_BYTES || p.ptr[0] >> 6 != 2 || (p.ptr[1] & 0x7fu) != r->payload_type)
        return false;
    size_t at = HEAD_BYTES + 4u * (p.ptr[0] & 0x0fu);
    if (p.ptr[0] & 0x10u) { /* header extension */
        if (p.len < at + 4)
            return false;
        at += 4 + 4 * ((size_t)p.ptr[at + 2] << 8 | p.ptr[at + 3]);
    }
    size_t pad = p.ptr[0] & 0x20u ? p.ptr[p.len - 1] : 0;
    if (p.len < at + pad || p.len - at - pad == 0)
        return false;
    *ret_payload = dw_view_of(p.ptr + at, p.len - at - pad);
    return true;
}

void dw_rtp_feed(struct dw_rtp *r, struct dw_view packet)
{
    struct dw_view payload;
    if (!payload_of(r, packet, &payload))
        return;
    const uint8_t *p = packet.ptr;
    uint16_t seq = (uint16_t)(p[2] << 8 | p[3]);
    uint32_t stamp = (uint32_t)p[4] << 24 | (uint32_t)p[5] << 16 | (uint32_t)p[6] << 8 | p[7];
    if (r->has_seq && seq != r->next_seq) {
        r->lost++;
        r->is_broken = r->has_unit;
        r->is_waiting_for_key = true;
    }
    r->has_seq = true;
    r->next_seq = (uint16_t)(seq + 1);
    if (r->has_unit && stamp != r->stamp)
        end_unit(r); /* the marker was not set */
    r->stamp = stamp;
    r->has_unit = true;
    feed_payload(r, payload);
    if (p[1] & 0x80u)
        end_unit(r);
}
