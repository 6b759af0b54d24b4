/* The stream of an RTSP session: the same packets come out, and the same end, however the bytes are
 * cut on the way. The first byte of the input says how often they are cut. */
#include "fuzz.h"
#include "hub/rtsp/session.h"
#include "wire/cbor.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct heard {
    uint64_t packets, bytes, sum;
    enum dw_err_code code;
};

static int ends[2] = {-1, -1};

static void set_up(void)
{
    if (ends[0] < 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        abort();
}

static void count(void *ctx, struct dw_view packet)
{
    struct heard *h = ctx;
    h->packets++;
    h->bytes += packet.len;
    for (size_t i = 0; i < packet.len; i++)
        h->sum = h->sum * 31 + packet.ptr[i];
}

/* Sends `in` in `pieces` and reads after each. */
static struct heard hear(struct dw_view in, size_t pieces)
{
    static uint8_t room[DW_RTSP_IN_BYTES];
    struct dw_rtsp_session s = {.fd = ends[0], .in = room};
    struct heard h = {0};
    size_t each = in.len / pieces + 1;
    dw_err e = DW_OK;
    struct dw_view piece;
    while (in.len > 0 && !dw_failed(e)) {
        if (!dw_view_take(&in, each < in.len ? each : in.len, &piece) ||
            send(ends[1], piece.ptr, piece.len, MSG_DONTWAIT) != (ssize_t)piece.len)
            abort();
        e = dw_rtsp_read(&s, count, &h);
    }
    h.code = e.code;
    return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct dw_view in = dw_view_of(bytes, len), pieces;
    set_up();
    if (len > FUZZ_INPUT_MAX || !dw_view_take(&in, 1, &pieces))
        return 0;
    struct heard whole = hear(in, 1), cut = hear(in, 2 + pieces.ptr[0] % 3);
    if (memcmp(&whole, &cut, sizeof whole) != 0)
        abort();
    return 0;
}

/* Packets of two channels, and an answer between them. */
size_t fuzz_seed(struct rng *g, uint8_t *ret_bytes, size_t cap)
{
    static const char answer[] = "RTSP/1.0 200 OK\r\nCSeq: 7\r\nContent-Length: 5\r\n\r\nhello";
    struct dw_buf out = dw_buf_of(ret_bytes, cap);
    uint8_t body[64];
    dw_err e = dw_buf_put(&out, "\3", 1);
    for (uint64_t i = 1 + rng_below(g, 5); i > 0 && !dw_failed(e); i--) {
        if (rng_below(g, 3) == 0) {
            e = dw_buf_put(&out, answer, sizeof answer - 1);
            continue;
        }
        uint8_t len = (uint8_t)rng_below(g, sizeof body);
        const uint8_t head[4] = {'$', (uint8_t)rng_below(g, 2), 0, len};
        rng_bytes(g, body, sizeof body);
        e = dw_buf_put(&out, head, sizeof head);
        if (!dw_failed(e))
            e = dw_buf_put(&out, body, len);
    }
    return dw_failed(e) ? 0 : out.len;
}
