#include "hub/camera/live.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hub/ipc.h"
#include "os/os.h"

/* Below DW_LIVE_PIECE_MAX: the kernel wants one piece of memory in a row for each message. */
#define PIECE_BYTES  (32u * 1024u)
#define SOCKET_BYTES (1024 * 1024)

static void on_writable(uv_poll_t *poll, int status, int events);

void dw_live_pipe_init(struct dw_live_pipe *p, uv_loop_t *loop)
{
    *p = (struct dw_live_pipe){.loop = loop, .fd = -1, .is_waiting_for_key = true};
}

static void clear(struct dw_live_pipe *p)
{
    for (; p->count; p->count--) {
        dw_au_drop(p->au[p->first]);
        p->first = (p->first + 1) % DW_LIVE_FRAMES_MAX;
    }
    p->offset = 0;
    p->bytes = 0;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

void dw_live_pipe_close(struct dw_live_pipe *p)
{
    clear(p);
    if (p->poll) {
        uv_poll_stop(p->poll);
        uv_close((uv_handle_t *)p->poll, on_closed);
        p->poll = NULL;
    }
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
    p->is_waiting_for_key = true;
}

void dw_live_pipe_set(struct dw_live_pipe *p, int fd)
{
    dw_live_pipe_close(p);
    int bytes = SOCKET_BYTES; /* as far as the system permits */
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    uv_poll_t *poll = calloc(1, sizeof *poll);
    if (!poll || uv_poll_init(p->loop, poll, fd) != 0) {
        dw_log("error", "live", "pipe=refused");
        free(poll);
        close(fd);
        return;
    }
    poll->data = p;
    p->poll = poll;
    p->fd = fd;
}

void dw_live_pipe_skip(struct dw_live_pipe *p)
{
    p->is_waiting_for_key = true;
}

/* Sends the next piece of the first frame. */
static dw_err send_piece(struct dw_live_pipe *p)
{
    struct dw_au *au = p->au[p->first];
    uint32_t left = au->len - p->offset;
    uint32_t bytes = left < PIECE_BYTES ? left : PIECE_BYTES;
    struct dw_live_head head = {
        .frame = au->frame,
        .arrived_ms = au->arrived_ms,
        .total = au->len,
        .offset = p->offset,
        .record_len = au->record_len,
        .viewers = au->viewers,
        .is_key = au->is_key,
        .camera_class = au->camera_class,
    };
    struct iovec part[2] = {{&head, sizeof head}, {au->bytes + p->offset, bytes}};
    struct msghdr message = {.msg_iov = part, .msg_iovlen = 2};
    ssize_t n = sendmsg(p->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0)
        return dw_fail(errno == EAGAIN || errno == ENOBUFS || errno == EINTR ? DW_E_BUSY : DW_E_IO);
    p->offset += bytes;
    if (p->offset == au->len) {
        p->bytes -= au->len;
        p->first = (p->first + 1) % DW_LIVE_FRAMES_MAX;
        p->count--;
        p->offset = 0;
        p->sent++;
        dw_au_drop(au);
    }
    return DW_OK;
}

static void pump(struct dw_live_pipe *p)
{
    while (p->count) {
        dw_err e = send_piece(p);
        if (dw_is(e, DW_E_BUSY)) {
            (void)uv_poll_start(p->poll, UV_WRITABLE, on_writable);
            return;
        }
        if (dw_failed(e)) {
            dw_log("warn", "live", "pipe=closed");
            dw_live_pipe_close(p);
            return;
        }
    }
    uv_poll_stop(p->poll);
}

static void on_writable(uv_poll_t *poll, int status, int events)
{
    struct dw_live_pipe *p = poll->data;
    (void)events;
    if (status != 0)
        dw_live_pipe_close(p);
    else
        pump(p);
}

void dw_live_pipe_push(struct dw_live_pipe *p, struct dw_au *au)
{
    if (p->fd < 0)
        return;
    if (p->count == DW_LIVE_FRAMES_MAX || p->bytes + au->len > DW_LIVE_BYTES_MAX) {
        p->dropped += p->count;
        clear(p);
        p->is_waiting_for_key = true;
    }
    if (p->is_waiting_for_key && !au->is_key) {
        p->dropped++;
        return;
    }
    p->is_waiting_for_key = false;
    bool was_idle = !p->count;
    p->au[(p->first + p->count) % DW_LIVE_FRAMES_MAX] = dw_au_hold(au);
    p->count++;
    p->bytes += au->len;
    if (was_idle)
        pump(p);
}
