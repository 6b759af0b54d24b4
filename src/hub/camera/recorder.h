/* hub/camera/recorder.h - writes a visit's pictures to disk, in a thread of its own.
 *
 * A slow disk must never look like a silent camera, so no file is touched on the loop that stamps
 * arrivals. What the thread has to tell comes back through `news`, called on the loop.
 */
#ifndef DW_HUB_CAMERA_RECORDER_H
#define DW_HUB_CAMERA_RECORDER_H

#include <uv.h>

#include "hub/camera/au.h"
#include "hub/ipc.h"

struct dw_recorder_conf {
    const char *root; /* borrowed for the recorder's life; the folder exists */
    uint64_t reserve_bytes;
    uint32_t retention_days;
    uint32_t segment_ms;
    bool trust_system_clock; /* for the age of recordings */
};

struct dw_recorder_events {
    void (*segment)(void *ctx, struct dw_ipc_segment *segment);
    void (*disk)(void *ctx, struct dw_ipc_disk *disk);
    void (*stopped)(void *ctx, uint64_t visit); /* everything of it is on disk */
};

struct dw_recorder;

/* Starts the thread: it first keeps what a process before us left unfinished. */
DW_MUST_USE dw_err dw_recorder_new(uv_loop_t *loop, const struct dw_recorder_conf *conf,
                                   const struct dw_recorder_events *ev, void *ctx,
                                   struct dw_recorder **ret_recorder);
/* A visit that is being recorded already goes on; another one ends. */
void dw_recorder_start(struct dw_recorder *r, uint64_t visit);
void dw_recorder_stop(struct dw_recorder *r);
/* Holds `au`. Ignored unless a visit is being recorded. When the disk cannot follow, units are
 * dropped up to the next key frame, and that is said in the log. */
void dw_recorder_feed(struct dw_recorder *r, struct dw_au *au);
bool dw_recorder_is_recording(const struct dw_recorder *r);
/* Ends the visit if there is one, waits for the disk, ends the thread. */
void dw_recorder_free(struct dw_recorder *r);

#endif
