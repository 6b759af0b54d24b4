/* hub/camera/live.h - the live pipe to the front: frames in pieces [hub/ipc.h], never blocking.
 *
 * What does not fit the socket waits in a short queue. When the front is slower than the camera,
 * the queue is dropped and nothing is sent until the next key frame: a screen shows a gap rather
 * than the past.
 */
#ifndef DW_HUB_CAMERA_LIVE_H
#define DW_HUB_CAMERA_LIVE_H

#include <uv.h>

#include "hub/camera/au.h"

#define DW_LIVE_FRAMES_MAX 32u /* 1 s at 30 fps, and no picture older than that */
#define DW_LIVE_BYTES_MAX  (4u * 1024u * 1024u)

struct dw_live_pipe {
    uv_loop_t *loop;
    uv_poll_t *poll; /* NULL: no pipe */
    int fd;
    struct dw_au *au[DW_LIVE_FRAMES_MAX];
    uint32_t first, count;
    uint32_t offset; /* into the first one */
    size_t bytes;
    bool is_waiting_for_key;
    uint64_t sent, dropped; /* frames */
};

void dw_live_pipe_init(struct dw_live_pipe *p, uv_loop_t *loop);
/* `fd` is taken; it replaces the one before. */
void dw_live_pipe_set(struct dw_live_pipe *p, int fd);
void dw_live_pipe_push(struct dw_live_pipe *p, struct dw_au *au);
/* A frame between is missing or was not shown: nothing more until a key frame. */
void dw_live_pipe_skip(struct dw_live_pipe *p);
void dw_live_pipe_close(struct dw_live_pipe *p);

#endif
