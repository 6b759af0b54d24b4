#include "hub/camera/plain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/camera.h"

#define READ_BYTES (256u * 1024u) /* more than one write of the other side, for SOCK_SEQPACKET */

void dw_plain_close(struct dw_plain *p)
{
    if (!p->is_open)
        return;
    p->is_open = false;
    uv_poll_stop(&p->poll);
    close(p->fd);
    free(p->bytes);
    p->bytes = NULL;
}

static void fail(struct dw_plain *p, const char *why)
{
    dw_plain_close(p);
    p->closed(p->ctx, why);
}

static uint64_t get_uint(const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v = v << 8 | p[i];
    return v;
}

/* Hands out whole units; false: what came is not ours. */
static bool take_units(struct dw_plain *p)
{
    size_t at = 0;
    while (p->is_open && p->len - at >= DW_PLAIN_HEAD) {
        const uint8_t *head = p->bytes + at;
        uint64_t follows = get_uint(head, 4);
        if (follows <= DW_PLAIN_HEAD - 4 || follows > DW_CAMERA_LINK_MAX || head[4] > 1)
            return false;
        if (p->len - at - 4 < follows)
            break;
        p->frame(p->ctx, get_uint(head + 5, 8),
                 dw_view_of(head + DW_PLAIN_HEAD, (size_t)follows - (DW_PLAIN_HEAD - 4)));
        at += 4 + (size_t)follows;
    }
    if (p->is_open && at) {
        memmove(p->bytes, p->bytes + at, p->len - at);
        p->len -= at;
    }
    return true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct dw_plain *p = poll->data;
    (void)events;
    if (status != 0) {
        fail(p, "poll");
        return;
    }
    if (p->cap - p->len < READ_BYTES) {
        size_t cap = p->cap * 2;
        uint8_t *bytes = cap <= 4u * DW_CAMERA_LINK_MAX ? realloc(p->bytes, cap) : NULL;
        if (!bytes) {
            fail(p, "no memory");
            return;
        }
        p->bytes = bytes;
        p->cap = cap;
    }
    ssize_t n = recv(p->fd, p->bytes + p->len, READ_BYTES, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        fail(p, "ended");
        return;
    }
    p->len += (size_t)n;
    if (!take_units(p))
        fail(p, "not framed");
}

dw_err dw_plain_open(struct dw_plain *p, uv_loop_t *loop, int fd, dw_plain_frame *frame,
                     dw_plain_closed *closed, void *ctx)
{
    *p = (struct dw_plain){.fd = fd, .frame = frame, .closed = closed, .ctx = ctx};
    p->cap = 2 * READ_BYTES;
    p->bytes = malloc(p->cap);
    if (!p->bytes)
        return dw_fail(DW_E_NO_SPACE);
    if (uv_poll_init(loop, &p->poll, fd) != 0) {
        free(p->bytes);
        return dw_fail(DW_E_IO);
    }
    p->poll.data = p;
    p->is_open = true;
    uv_poll_start(&p->poll, UV_READABLE, on_readable);
    return DW_OK;
}
