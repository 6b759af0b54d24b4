#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hub/front/front.h"
#include "os/os.h"

/* Before each frame on the WebSocket, big-endian: u8 version (1), u8 camera class, u8 is_key, u8
 * viewers, u16 record length, u64 arrived_ms (the hub's clock). Then record, nonces, access unit.
 */
#define FRAME_HEAD_BYTES 14u

static void drop_frame(struct dw_front *f)
{
    dw_note_drop(f->live_frame);
    f->live_frame = NULL;
}

static bool is_head_sound(const struct dw_live_head *h, size_t piece_len)
{
    size_t before = (size_t)h->record_len + 32u * (size_t)h->viewers;
    return piece_len > 0 && h->total <= DW_CAMERA_LINK_MAX && h->total > before &&
           h->record_len <= DW_FRAME_RECORD_MAX && h->viewers <= DW_VIEWERS_MAX &&
           h->offset <= h->total && piece_len <= h->total - h->offset &&
           h->camera_class < DW_CAMERA_CLASS_COUNT;
}

static void begin_frame(struct dw_front *f, const struct dw_live_head *h)
{
    f->live_frame = dw_note_new(FRAME_HEAD_BYTES + h->total);
    if (!f->live_frame)
        return;
    f->live_frame->is_frame = true;
    f->live_frame->is_key = h->is_key != 0;
    f->live_number = h->frame;
    f->live_total = h->total;
    f->live_have = 0;
    uint8_t *p = f->live_frame->bytes + LWS_PRE;
    p[0] = 1;
    p[1] = h->camera_class;
    p[2] = h->is_key != 0;
    p[3] = h->viewers;
    p[4] = (uint8_t)(h->record_len >> 8);
    p[5] = (uint8_t)h->record_len;
    for (unsigned i = 0; i < 8; i++)
        p[6 + i] = (uint8_t)(h->arrived_ms >> (56 - 8 * i));
}

static void on_piece(struct dw_front *f, const uint8_t *bytes, size_t len)
{
    struct dw_live_head h;
    if (len < sizeof(h)) {
        drop_frame(f);
        return;
    }
    memcpy(&h, bytes, sizeof(h));
    size_t piece = len - sizeof(h);
    if (!is_head_sound(&h, piece)) {
        dw_log("warn", "live_piece", "total=%u offset=%u bytes=%zu", h.total, h.offset, piece);
        drop_frame(f);
        return;
    }
    if (h.offset == 0) {
        drop_frame(f);
        if (dw_front_pages_count(f) > 0)
            begin_frame(f, &h);
    }
    if (!f->live_frame)
        return;
    if (h.frame != f->live_number || h.total != f->live_total || h.offset != f->live_have) {
        drop_frame(f); /* a piece is missing */
        return;
    }
    memcpy(f->live_frame->bytes + LWS_PRE + FRAME_HEAD_BYTES + h.offset, bytes + sizeof(h), piece);
    f->live_have += (uint32_t)piece;
    if (f->live_have == f->live_total) {
        dw_front_pages_push(f, f->live_frame);
        drop_frame(f);
    }
}

static void close_live(uv_handle_t *handle)
{
    free(handle);
}

static void stop_live(struct dw_front *f)
{
    if (!f->live)
        return;
    uv_poll_stop(f->live);
    uv_close((uv_handle_t *)f->live, close_live);
    close(f->live_fd);
    f->live = NULL;
    f->live_fd = -1;
    drop_frame(f);
}

static void on_live(uv_poll_t *poll, int status, int events)
{
    struct dw_front *f = poll->data;
    (void)status;
    (void)events;
    for (int i = 0; i < 32; i++) {
        ssize_t n = recv(f->live_fd, f->live_piece, sizeof(struct dw_live_head) + DW_LIVE_PIECE_MAX,
                         MSG_DONTWAIT | MSG_TRUNC);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            stop_live(f); /* the camera process is gone; the guard brings a new pipe */
            return;
        }
        if ((size_t)n > sizeof(struct dw_live_head) + DW_LIVE_PIECE_MAX)
            drop_frame(f);
        else
            on_piece(f, f->live_piece, (size_t)n);
    }
}

void dw_front_live_start(struct dw_front *f, int fd)
{
    stop_live(f);
    if (!f->live_piece)
        f->live_piece = malloc(sizeof(struct dw_live_head) + DW_LIVE_PIECE_MAX);
    uv_poll_t *poll = malloc(sizeof(*poll));
    if (!poll || !f->live_piece || uv_poll_init(&f->loop, poll, fd) != 0) {
        free(poll);
        close(fd);
        dw_log("error", "live_pipe", "result=failed");
        return;
    }
    poll->data = f;
    f->live = poll;
    f->live_fd = fd;
    uv_poll_start(poll, UV_READABLE, on_live);
}
