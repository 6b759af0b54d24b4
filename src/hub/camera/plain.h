/* hub/camera/plain.h - access units of an ordinary camera (class K0), written by doorward-hub-rtsp.
 *
 * On the descriptor: u32 big-endian length of what follows, u8 is_key, u64 big-endian arrival
 * (CLOCK_BOOTTIME, us), access unit. A length beyond the camera link's limit, or a head that is not
 * one, closes: the two sides cannot find each other again.
 */
#ifndef DW_HUB_CAMERA_PLAIN_H
#define DW_HUB_CAMERA_PLAIN_H

#include <uv.h>

#include "core/base.h"

#define DW_PLAIN_HEAD 13u

typedef void dw_plain_frame(void *ctx, uint64_t arrived_us, struct dw_view access_unit);
typedef void dw_plain_closed(void *ctx, const char *why);

struct dw_plain {
    uv_poll_t poll;
    int fd;
    bool is_open;
    dw_plain_frame *frame;
    dw_plain_closed *closed;
    void *ctx;
    uint8_t *bytes;
    size_t len, cap;
};

DW_MUST_USE dw_err dw_plain_open(struct dw_plain *p, uv_loop_t *loop, int fd, dw_plain_frame *frame,
                                 dw_plain_closed *closed, void *ctx);
void dw_plain_close(struct dw_plain *p);

#endif
