#include "camera/capture.h"

#include <errno.h>
#include <gst/app/gstappsink.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "os/os.h"
#include "sim/hall/hall.h"
#include "sim/world.h"

struct dw_capture {
    struct dw_capture_settings settings;
    struct dw_encoder *encoder;
    dw_capture_picture *picture;
    void *ctx;
    /* hall */
    struct dw_hall *hall;
    pthread_t thread;
    bool has_thread;
    atomic_bool is_ending;
    /* device and file */
    GstElement *pipeline, *tail;
    uint64_t interval_us;
};

/* ---- hall ---- */

static uint32_t second_of_day(void)
{
    time_t now = time(NULL);
    struct tm tm;
    if (!localtime_r(&now, &tm))
        return 0;
    return (uint32_t)(tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec);
}

static void paint_one(struct dw_capture *c)
{
    GstBuffer *b = dw_encoder_buffer(c->encoder);
    if (!b)
        return; /* the encoder is behind: leave this picture out */
    GstMapInfo map;
    if (!gst_buffer_map(b, &map, GST_MAP_WRITE)) {
        gst_buffer_unref(b);
        return;
    }
    uint64_t t_exp_us = dw_now_us(); /* before the world is looked at */
    dw_hall_picture(c->hall, c->settings.world, t_exp_us, second_of_day(), map.data);
    gst_buffer_unmap(b, &map);
    c->picture(c->ctx, b, t_exp_us);
}

/* Absolute deadlines: a timer that is set anew after each picture drifts [stack 9.3]. */
static void *run_hall(void *ctx)
{
    struct dw_capture *c = ctx;
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    uint64_t next_us = (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
    while (!atomic_load(&c->is_ending)) {
        if (c->settings.world->camera_power)
            paint_one(c);
        next_us += c->interval_us;
        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        uint64_t now_us = (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
        while (next_us + c->interval_us <
               now_us) /* far behind: leave pictures out, keep the beat */
            next_us += c->interval_us;
        t.tv_sec = (time_t)(next_us / 1000000);
        t.tv_nsec = (long)(next_us % 1000000) * 1000;
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
            ;
    }
    return NULL;
}

static dw_err new_hall(struct dw_capture *c)
{
    if (!c->settings.world)
        return dw_fail(DW_E_NOT_FOUND);
    uint64_t seed = dw_now_us();
    c->hall = dw_hall_new(c->settings.width_px, c->settings.height_px, seed);
    return c->hall ? DW_OK : dw_fail(DW_E_UNSUPPORTED);
}

/* ---- device and file ---- */

/* When exposure began, from the stamp that the driver gave. */
static uint64_t exposure_us(struct dw_capture *c, GstSample *sample)
{
    uint64_t now_us = dw_now_us();
    if (c->settings.kind != DW_CAPTURE_V4L2)
        return now_us;
    GstClockTime t = gst_segment_to_running_time(gst_sample_get_segment(sample), GST_FORMAT_TIME,
                                                 GST_BUFFER_PTS(gst_sample_get_buffer(sample)));
    GstClock *clock = gst_element_get_clock(c->pipeline);
    uint64_t age_us = 0;
    if (clock && t != GST_CLOCK_TIME_NONE) {
        GstClockTime since = gst_clock_get_time(clock) - gst_element_get_base_time(c->pipeline);
        age_us = since > t ? (since - t) / 1000 : 0;
    }
    if (clock)
        gst_object_unref(clock);
    age_us += c->interval_us; /* the stamp may be that of the end of the exposure */
    return now_us > age_us ? now_us - age_us : 0;
}

static GstFlowReturn on_picture(GstAppSink *sink, gpointer ctx)
{
    struct dw_capture *c = ctx;
    GstSample *sample = gst_app_sink_pull_sample(sink);
    if (!sample)
        return GST_FLOW_EOS;
    uint64_t t_exp_us = exposure_us(c, sample);
    /* Copied into a buffer of ours: the driver wants its own back, and rows lose their padding. */
    GstBuffer *to = dw_encoder_buffer(c->encoder);
    GstMapInfo in, out;
    if (to && gst_buffer_map(gst_sample_get_buffer(sample), &in, GST_MAP_READ)) {
        bool is_whole = false;
        if (gst_buffer_map(to, &out, GST_MAP_WRITE)) {
            is_whole = in.size >= out.size;
            if (is_whole)
                memcpy(out.data, in.data, out.size);
            gst_buffer_unmap(to, &out);
        }
        gst_buffer_unmap(gst_sample_get_buffer(sample), &in);
        if (is_whole) {
            c->picture(c->ctx, to, t_exp_us);
            to = NULL;
        }
    }
    if (to)
        gst_buffer_unref(to);
    gst_sample_unref(sample);
    return GST_FLOW_OK;
}

/* Only pictures are linked; whatever else a file holds stays where it is. */
static void on_pad(GstElement *decoder, GstPad *pad, gpointer ctx)
{
    (void)decoder;
    GstElement *next = ctx;
    GstPad *sink = gst_element_get_static_pad(next, "sink");
    GstCaps *caps = gst_pad_get_current_caps(pad);
    bool is_video =
        caps && g_str_has_prefix(gst_structure_get_name(gst_caps_get_structure(caps, 0)), "video/");
    if (is_video && !gst_pad_is_linked(sink))
        (void)gst_pad_link(pad, sink);
    if (caps)
        gst_caps_unref(caps);
    gst_object_unref(sink);
}

static GstElement *add(struct dw_capture *c, const char *factory, GstElement *after, bool *ok)
{
    GstElement *e = gst_element_factory_make(factory, NULL);
    if (!e) {
        dw_log("error", "gstreamer", "element=%s missing=yes", factory);
        *ok = false;
        return NULL;
    }
    (void)gst_bin_add(GST_BIN(c->pipeline), e);
    if (after && !gst_element_link(after, e))
        *ok = false;
    return e;
}

static void set_caps(GstElement *filter, GstCaps *caps)
{
    if (filter)
        g_object_set(filter, "caps", caps, NULL);
    gst_caps_unref(caps);
}

static GstElement *head_v4l2(struct dw_capture *c, bool *ok)
{
    const struct dw_capture_settings *s = &c->settings;
    GstElement *src = add(c, "v4l2src", NULL, ok);
    if (src)
        g_object_set(src, "device", s->device, NULL);
    GstElement *filter = add(c, "capsfilter", src, ok);
    set_caps(filter, gst_caps_new_simple(s->is_mjpeg ? "image/jpeg" : "video/x-raw", "width",
                                         G_TYPE_INT, (gint)s->width_px, "height", G_TYPE_INT,
                                         (gint)s->height_px, NULL));
    return s->is_mjpeg ? add(c, "jpegdec", filter, ok) : filter;
}

static GstElement *head_file(struct dw_capture *c, bool *ok, GstElement **ret_decoder)
{
    GstElement *src = add(c, "filesrc", NULL, ok);
    if (src)
        g_object_set(src, "location", c->settings.file, NULL);
    GstElement *decoder = add(c, "decodebin", src, ok);
    if (decoder) {
        GstCaps *only = gst_caps_from_string("video/x-raw"); /* sound is never even decoded */
        g_object_set(decoder, "caps", only, "expose-all-streams", FALSE, NULL);
        gst_caps_unref(only);
    }
    *ret_decoder = decoder;
    return NULL;
}

static dw_err new_pipeline(struct dw_capture *c)
{
    const struct dw_capture_settings *s = &c->settings;
    const char *path = s->kind == DW_CAPTURE_V4L2 ? s->device : s->file;
    struct stat st;
    if (stat(path, &st) != 0 || (s->kind == DW_CAPTURE_V4L2 && !S_ISCHR(st.st_mode))) {
        dw_log("error", "source", "%s why=\"%s\" hint=\"%s\"",
               s->kind == DW_CAPTURE_V4L2 ? "device=missing" : "file=missing",
               s->kind == DW_CAPTURE_V4L2 ? "there is no video device there"
                                          : "there is no such file",
               s->kind == DW_CAPTURE_V4L2 ? "set device to one that v4l2-ctl --list-devices names"
                                          : "set file to a video file");
        return dw_fail(DW_E_NOT_FOUND);
    }
    bool ok = true;
    GstElement *decoder = NULL;
    c->pipeline = gst_pipeline_new("capture");
    GstElement *e = s->kind == DW_CAPTURE_V4L2 ? head_v4l2(c, &ok) : head_file(c, &ok, &decoder);
    GstElement *convert = add(c, "videoconvert", e, &ok);
    if (decoder)
        (void)g_signal_connect(decoder, "pad-added", G_CALLBACK(on_pad), convert);
    e = add(c, "videoscale", convert, &ok);
    e = add(c, "videorate", e, &ok);
    e = add(c, "capsfilter", e, &ok);
    set_caps(e,
             gst_caps_new_simple("video/x-raw", "format", G_TYPE_STRING, "I420", "width",
                                 G_TYPE_INT, (gint)s->width_px, "height", G_TYPE_INT,
                                 (gint)s->height_px, "framerate", GST_TYPE_FRACTION, (gint)s->fps,
                                 1, "pixel-aspect-ratio", GST_TYPE_FRACTION, 1, 1, NULL));
    c->tail = add(c, "appsink", e, &ok);
    if (!ok)
        return dw_fail(DW_E_UNSUPPORTED);
    g_object_set(c->tail, "sync", s->kind == DW_CAPTURE_FILE, "max-buffers", 2u, "drop", TRUE,
                 "enable-last-sample", FALSE, NULL);
    GstAppSinkCallbacks on = {.new_sample = on_picture};
    gst_app_sink_set_callbacks(GST_APP_SINK(c->tail), &on, c, NULL);
    return DW_OK;
}

/* ---- life ---- */

dw_err dw_capture_new(const struct dw_capture_settings *settings, struct dw_encoder *encoder,
                      dw_capture_picture *picture, void *ctx, struct dw_capture **ret_capture)
{
    struct dw_capture *c = calloc(1, sizeof *c);
    if (!c)
        return dw_fail(DW_E_NO_SPACE);
    c->settings = *settings;
    c->encoder = encoder;
    c->picture = picture;
    c->ctx = ctx;
    c->interval_us = 1000000u / settings->fps;
    dw_err e = settings->kind == DW_CAPTURE_HALL ? new_hall(c) : new_pipeline(c);
    if (dw_failed(e))
        dw_capture_free(c);
    else
        *ret_capture = c;
    return e;
}

dw_err dw_capture_start(struct dw_capture *c)
{
    if (c->pipeline)
        return gst_element_set_state(c->pipeline, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE
                   ? dw_fail(DW_E_IO)
                   : DW_OK;
    if (pthread_create(&c->thread, NULL, run_hall, c) != 0)
        return dw_fail(DW_E_IO);
    c->has_thread = true;
    return DW_OK;
}

void dw_capture_free(struct dw_capture *c)
{
    if (!c)
        return;
    atomic_store(&c->is_ending, true);
    if (c->has_thread)
        (void)pthread_join(c->thread, NULL);
    if (c->pipeline) {
        (void)gst_element_set_state(c->pipeline, GST_STATE_NULL);
        gst_object_unref(c->pipeline);
    }
    dw_hall_free(c->hall);
    free(c);
}

bool dw_capture_is_well(struct dw_capture *c, char *ret_why, size_t cap)
{
    if (!c->pipeline)
        return true;
    bool has_ended = false;
    if (!dw_media_is_well(c->pipeline, &has_ended, ret_why, cap))
        return false;
    if (!has_ended)
        return true;
    if (c->settings.kind == DW_CAPTURE_FILE &&
        gst_element_seek_simple(c->pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, 0))
        return true; /* from the start again */
    (void)snprintf(ret_why, cap, "the source has ended");
    return false;
}

void dw_capture_elements(struct dw_capture *c, char *ret_names, size_t cap)
{
    ret_names[0] = '\0';
    if (c->pipeline)
        dw_media_elements(c->pipeline, ret_names, cap);
}
