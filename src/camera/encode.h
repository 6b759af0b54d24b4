/* camera/encode.h - raw pictures in, H.264 access units out, through GStreamer.
 *
 * One pipeline of four elements: appsrc, an encoder (x264enc, or openh264enc), h264parse, appsink.
 * There is no audio element in it and no plugin with one is loaded; `dw_encoder_elements` lists
 * what is there. Each access unit comes with the exposure time of the picture it shows.
 */
#ifndef DW_CAMERA_ENCODE_H
#define DW_CAMERA_ENCODE_H

#include <gst/gst.h>

#include "core/base.h"

struct dw_encoder;

enum dw_encoder_kind { DW_ENCODER_AUTO = 0, DW_ENCODER_X264, DW_ENCODER_OPENH264 };

struct dw_encoder_settings {
    enum dw_encoder_kind kind;
    uint16_t width_px, height_px, fps;
    uint32_t bitrate_kbit;
};

/* Called on a thread of the pipeline; `annexb` is borrowed. */
typedef void dw_encoder_unit(void *ctx, struct dw_view annexb, uint64_t t_exp_us);

/* Which of GStreamer's plugins are loaded: those of the encoder; the device's too; or the system's
 * whole registry, needed to open video files of any kind. */
enum dw_media_need { DW_MEDIA_ENCODER = 0, DW_MEDIA_DEVICE, DW_MEDIA_ALL };

/* Starts GStreamer. Call once, first. DW_E_UNSUPPORTED: it or the encoder is missing (logged). */
DW_MUST_USE dw_err dw_media_init(enum dw_media_need need, enum dw_encoder_kind kind);

/* DW_E_UNSUPPORTED: no encoder of that kind is installed (logged). */
DW_MUST_USE dw_err dw_encoder_new(const struct dw_encoder_settings *settings, dw_encoder_unit *unit,
                                  void *ctx, struct dw_encoder **ret_encoder);
void dw_encoder_free(struct dw_encoder *e);
DW_MUST_USE dw_err dw_encoder_start(struct dw_encoder *e);

/* A buffer of one I420 picture from the encoder's pool; NULL when all are in use (the encoder is
 * slow: leave this picture out). */
GstBuffer *dw_encoder_buffer(struct dw_encoder *e);
/* Takes the buffer. `t_exp_us` must be larger than the last one. Any thread. When the encoder is
 * behind, the picture is left out. */
void dw_encoder_push(struct dw_encoder *e, GstBuffer *taken, uint64_t t_exp_us);
/* The next picture becomes a key frame. Any thread. */
void dw_encoder_want_key(struct dw_encoder *e);

/* False with a text when the pipeline has failed. */
bool dw_encoder_is_well(struct dw_encoder *e, char *ret_why, size_t cap);

/* Names of the elements' factories, separated by blanks. */
void dw_encoder_elements(struct dw_encoder *e, char *ret_names, size_t cap);
/* The same for any pipeline. */
void dw_media_elements(GstElement *pipeline, char *ret_names, size_t cap);
/* False with a text when there is an error on the pipeline's bus; `*ret_has_ended` (may be NULL)
 * tells that its source is at its end. */
bool dw_media_is_well(GstElement *pipeline, bool *ret_has_ended, char *ret_why, size_t cap);

#endif
