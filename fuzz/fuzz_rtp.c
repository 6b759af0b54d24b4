/* RTP packets of a camera: each unit that comes out holds a picture, a key frame its parameter sets
 * too. The input is a row of packets, each after a u16: its length, and two bits. IS_SET says that
 * it is a parameter set told beforehand; without KEEPS_NUMBER the packet gets the next number, so
 * that a change of the row is not always a loss. */
#include "fuzz.h"
#include "media/h264.h"
#include "media/rtp.h"
#include "wire/cbor.h"

#include <stdlib.h>
#include <string.h>

#define PAYLOAD_TYPE 96u
#define KEEPS_NUMBER 0x8000u
#define IS_SET       0x4000u
#define LENGTH       0x3fffu

static uint8_t room[DW_RTP_BYTES];

static void judge_unit(void *ctx, struct dw_view annexb, bool is_key)
{
    struct dw_view nal;
    size_t offset = 0;
    bool has[32] = {false};
    (void)ctx;
    if (annexb.ptr < room || annexb.len > sizeof room - (size_t)(annexb.ptr - room))
        abort();
    while (dw_nal_next(annexb, &offset, &nal))
        has[dw_nal_type(nal)] = true;
    if (!has[1] && !has[2] && !has[3] && !has[4] && !has[5])
        abort();
    if (is_key && (!has[DW_NAL_IDR] || !has[DW_NAL_SPS]))
        abort();
}

/* Each packet lies in memory of its own, so that a sanitizer sees one byte too many. */
static void feed(struct dw_rtp *r, unsigned head, struct dw_view packet)
{
    uint8_t *copy = malloc(packet.len ? packet.len : 1);
    memcpy(copy, packet.ptr, packet.len);
    if (!(head & (KEEPS_NUMBER | IS_SET)) && packet.len >= 4) {
        copy[2] = (uint8_t)(r->next_seq >> 8);
        copy[3] = (uint8_t)r->next_seq;
    }
    if (head & IS_SET)
        dw_rtp_pset(r, dw_view_of(copy, packet.len));
    else
        dw_rtp_feed(r, dw_view_of(copy, packet.len));
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct dw_view in = dw_view_of(bytes, len), head, packet;
    struct dw_rtp r;
    dw_rtp_init(&r, PAYLOAD_TYPE, room, judge_unit, NULL);
    while (dw_view_take(&in, 2, &head)) {
        unsigned word = (unsigned)head.ptr[0] << 8 | head.ptr[1];
        size_t wanted = word & LENGTH;
        if (dw_view_take(&in, wanted < in.len ? wanted : in.len, &packet))
            feed(&r, word, packet);
    }
    return 0;
}

static void put(struct dw_buf *b, const void *bytes, size_t len)
{
    if (dw_failed(dw_buf_put(b, bytes, len)))
        abort();
}

static void put_packet(struct dw_buf *out, uint8_t stamp, bool is_last, struct dw_view payload)
{
    const uint8_t head[14] = {0,    (uint8_t)(12 + payload.len),
                              0x80, (uint8_t)(PAYLOAD_TYPE | (is_last ? 0x80u : 0)),
                              0,    0,
                              0,    0,
                              0,    stamp};
    put(out, head, sizeof head);
    put(out, payload.ptr, payload.len);
}

/* Single NAL units, aggregates and fragments; key frames and others. */
size_t fuzz_seed(struct rng *g, uint8_t *ret_bytes, size_t cap)
{
    static const uint8_t sets[] = {24, 0, 4, 0x67, 0x42, 0xc0, 0x0d, 0, 2, 0x68, 0xce};
    static const uint8_t told[] = {0x40, 4, 0x67, 0x42, 0xc0, 0x0d, 0x40, 2, 0x68, 0xce};
    struct dw_buf out = dw_buf_of(ret_bytes, cap);
    bool is_told = rng_below(g, 3) == 0;
    uint8_t units = (uint8_t)(1 + rng_below(g, 4));
    if (is_told)
        put(&out, told, sizeof told);
    for (uint8_t stamp = 0; stamp < units; stamp++) {
        uint8_t body[40], type = stamp == 0 ? DW_NAL_IDR : DW_NAL_SLICE;
        size_t len = 3 + rng_below(g, sizeof body - 3);
        rng_bytes(g, body, sizeof body);
        if (stamp == 0 && !is_told)
            put_packet(&out, stamp, false, dw_view_of(sets, sizeof sets));
        if (rng_below(g, 2)) {
            body[0] = 0x60 | type;
            put_packet(&out, stamp, true, dw_view_of(body, len));
            continue;
        }
        body[0] = 0x60 | 28;
        body[1] = 0x80 | type;
        put_packet(&out, stamp, false, dw_view_of(body, len));
        body[1] = 0x40 | type;
        put_packet(&out, stamp, true, dw_view_of(body, len));
    }
    return out.len;
}
