/* camera/capture.h - where raw pictures come from: the rendered hall, a V4L2 device, a video file.
 *
 * Pictures are I420 of the size asked for, with the time their exposure began on CLOCK_BOOTTIME.
 * Where a driver only says when a picture was complete, one frame interval is taken off: earlier is
 * the cautious side, a picture never counts as newer than it is.
 */
#ifndef DW_CAMERA_CAPTURE_H
#define DW_CAMERA_CAPTURE_H

#include "camera/encode.h"
#include "core/base.h"

enum dw_capture_kind { DW_CAPTURE_NONE = 0, DW_CAPTURE_HALL, DW_CAPTURE_V4L2, DW_CAPTURE_FILE };

struct dw_capture_settings {
    enum dw_capture_kind kind;
    uint16_t width_px, height_px, fps;
    const char *device;     /* V4L2: "/dev/video0" */
    bool is_mjpeg;          /* V4L2: ask the device for motion JPEG instead of raw pictures */
    const char *file;       /* FILE: played in its own time, again and again */
    struct dw_world *world; /* HALL */
};

struct dw_capture;

/* Called on a thread of the source for each picture. `luma` lies inside `taken`, rows without
 * padding. The callee owns `taken`. */
typedef void dw_capture_picture(void *ctx, GstBuffer *taken, uint64_t t_exp_us);

/* DW_E_NOT_FOUND: there is no such device or file (logged with what to do). DW_E_UNSUPPORTED: the
 * source cannot give such pictures. `encoder` lends the buffers of the hall. */
DW_MUST_USE dw_err dw_capture_new(const struct dw_capture_settings *settings,
                                  struct dw_encoder *encoder, dw_capture_picture *picture,
                                  void *ctx, struct dw_capture **ret_capture);
DW_MUST_USE dw_err dw_capture_start(struct dw_capture *c);
/* Ends the source's threads. */
void dw_capture_free(struct dw_capture *c);

bool dw_capture_is_well(struct dw_capture *c, char *ret_why, size_t cap);
/* Names of its pipeline's elements; empty for the hall. */
void dw_capture_elements(struct dw_capture *c, char *ret_names, size_t cap);

#endif
