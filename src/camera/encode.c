#include "camera/encode.h"

#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/video/video.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"

#define POOL_BUFFERS 4u /* one painted, two waiting, one in the encoder */
#define WAITING_MAX  2u
#define SINK_UNITS   8u

struct dw_encoder {
    GstElement *pipeline, *source, *codec, *sink;
    GstBufferPool *pool;
    dw_encoder_unit *unit;
    void *ctx;
};

/* What may be loaded: no plugin of these makes or plays sound, and no other is there. */
static const char *const plugins_core[] = {"coreelements", "app", "videoparsersbad"};
static const char *const plugins_device[] = {"videoconvertscale", "videorate", "video4linux2",
                                             "jpeg"};

static bool load_plugin(const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/libgst%s.so", DW_GST_PLUGINS, name);
    GError *error = NULL;
    GstPlugin *p = gst_plugin_load_file(path, &error);
    if (!p) {
        g_clear_error(&error);
        return false;
    }
    gst_object_unref(p);
    return true;
}

static void load_plugins(const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!load_plugin(names[i]))
            dw_log("error", "gstreamer", "plugin=%s loaded=no", names[i]);
}

dw_err dw_media_init(enum dw_media_need need, enum dw_encoder_kind kind)
{
    /* No scan of two hundred plugins, no helper process, no file in somebody's home folder. */
    if (need != DW_MEDIA_ALL && setenv("GST_REGISTRY_DISABLE", "yes", 1) != 0)
        return dw_fail(DW_E_IO);
    GError *error = NULL;
    if (!gst_init_check(NULL, NULL, &error)) {
        dw_log("error", "gstreamer", "start=failed why=\"%s\"", error ? error->message : "");
        g_clear_error(&error);
        return dw_fail(DW_E_UNSUPPORTED);
    }
    if (need == DW_MEDIA_ALL)
        return DW_OK;
    load_plugins(plugins_core, DW_ARRAY_COUNT(plugins_core));
    if (need == DW_MEDIA_DEVICE)
        load_plugins(plugins_device, DW_ARRAY_COUNT(plugins_device));
    bool has_codec = (kind != DW_ENCODER_OPENH264 && load_plugin("x264")) ||
                     (kind != DW_ENCODER_X264 && load_plugin("openh264"));
    if (!has_codec)
        dw_log("error", "gstreamer",
               "encoder=missing hint=\"install gstreamer1.0-plugins-ugly or -bad\"");
    return has_codec ? DW_OK : dw_fail(DW_E_UNSUPPORTED);
}

/* ---- out of the pipeline ---- */

static GstFlowReturn on_sample(GstAppSink *sink, gpointer ctx)
{
    struct dw_encoder *e = ctx;
    GstSample *sample = gst_app_sink_pull_sample(sink);
    if (!sample)
        return GST_FLOW_EOS;
    GstBuffer *buffer = gst_sample_get_buffer(sample);
    /* The encoder moves its time stamps by 1000 hours to have room before them; running time takes
     * that off again, and what is left is the stamp given in. */
    GstClockTime t = gst_segment_to_running_time(gst_sample_get_segment(sample), GST_FORMAT_TIME,
                                                 GST_BUFFER_PTS(buffer));
    GstMapInfo map;
    if (t != GST_CLOCK_TIME_NONE && gst_buffer_map(buffer, &map, GST_MAP_READ)) {
        e->unit(e->ctx, dw_view_of(map.data, map.size), t / 1000);
        gst_buffer_unmap(buffer, &map);
    }
    gst_sample_unref(sample);
    return GST_FLOW_OK;
}

/* ---- making it ---- */

static GstElement *make_codec(const struct dw_encoder_settings *s)
{
    GstElement *c = NULL;
    if (s->kind != DW_ENCODER_OPENH264)
        c = gst_element_factory_make("x264enc", "codec");
    if (c) {
        /* One slice and one thread: the lowest delay for a picture of this size, and half the
         * memory. */
        gst_util_set_object_arg(G_OBJECT(c), "tune", "zerolatency");
        gst_util_set_object_arg(G_OBJECT(c), "speed-preset", "ultrafast");
        g_object_set(c, "bitrate", (guint)s->bitrate_kbit, "key-int-max", (guint)s->fps, "bframes",
                     (guint)0, "byte-stream", TRUE, "threads", (guint)1, "sliced-threads", FALSE,
                     "vbv-buf-capacity", (guint)1000, "option-string", "scenecut=0", NULL);
        return c;
    }
    if (s->kind == DW_ENCODER_X264)
        return NULL;
    c = gst_element_factory_make("openh264enc", "codec");
    if (c) {
        g_object_set(c, "bitrate", (guint)(s->bitrate_kbit * 1000), "gop-size", (guint)s->fps,
                     "multi-thread", (guint)1, NULL);
        gst_util_set_object_arg(G_OBJECT(c), "complexity", "low");
        gst_util_set_object_arg(G_OBJECT(c), "rate-control", "bitrate");
    }
    return c;
}

static bool make_pool(struct dw_encoder *e, GstCaps *caps, size_t bytes)
{
    e->pool = gst_buffer_pool_new();
    GstStructure *config = gst_buffer_pool_get_config(e->pool);
    gst_buffer_pool_config_set_params(config, caps, (guint)bytes, POOL_BUFFERS, POOL_BUFFERS);
    return gst_buffer_pool_set_config(e->pool, config) && gst_buffer_pool_set_active(e->pool, TRUE);
}

dw_err dw_encoder_new(const struct dw_encoder_settings *s, dw_encoder_unit *unit, void *ctx,
                      struct dw_encoder **ret_encoder)
{
    struct dw_encoder *e = calloc(1, sizeof *e);
    if (!e)
        return dw_fail(DW_E_NO_SPACE);
    e->unit = unit;
    e->ctx = ctx;
    e->pipeline = gst_pipeline_new("encode");
    e->source = gst_element_factory_make("appsrc", "pictures");
    e->codec = make_codec(s);
    GstElement *parse = gst_element_factory_make("h264parse", "parse");
    e->sink = gst_element_factory_make("appsink", "units");
    GstElement *all[] = {e->source, e->codec, parse, e->sink};
    bool has_all = true;
    for (size_t i = 0; i < DW_ARRAY_COUNT(all); i++) {
        if (all[i])
            (void)gst_bin_add(GST_BIN(e->pipeline), all[i]);
        else
            has_all = false;
    }
    if (!has_all) {
        dw_log("error", "gstreamer",
               "encoder=missing hint=\"install gstreamer1.0-plugins-ugly or -bad\"");
        dw_encoder_free(e);
        return dw_fail(DW_E_UNSUPPORTED);
    }
    GstCaps *in = gst_caps_new_simple("video/x-raw", "format", G_TYPE_STRING, "I420", "width",
                                      G_TYPE_INT, (gint)s->width_px, "height", G_TYPE_INT,
                                      (gint)s->height_px, "framerate", GST_TYPE_FRACTION,
                                      (gint)s->fps, 1, "colorimetry", G_TYPE_STRING, "bt709",
                                      "interlace-mode", G_TYPE_STRING, "progressive", NULL);
    g_object_set(e->source, "caps", in, "is-live", TRUE, "format", GST_FORMAT_TIME, "do-timestamp",
                 FALSE, "block", FALSE, "max-buffers", (guint64)WAITING_MAX, "max-bytes",
                 (guint64)0, NULL);
    GstCaps *out = gst_caps_new_simple("video/x-h264", "stream-format", G_TYPE_STRING,
                                       "byte-stream", "alignment", G_TYPE_STRING, "au", NULL);
    g_object_set(parse, "config-interval", (gint)-1, NULL); /* SPS and PPS before each IDR */
    g_object_set(e->sink, "caps", out, "sync", FALSE, "max-buffers", SINK_UNITS, "drop", FALSE,
                 "enable-last-sample", FALSE, NULL);
    GstAppSinkCallbacks on = {.new_sample = on_sample};
    gst_app_sink_set_callbacks(GST_APP_SINK(e->sink), &on, e, NULL);
    bool ok = gst_element_link_many(e->source, e->codec, parse, e->sink, NULL) &&
              make_pool(e, in, (size_t)s->width_px * s->height_px * 3 / 2);
    gst_caps_unref(in);
    gst_caps_unref(out);
    if (!ok) {
        dw_encoder_free(e);
        return dw_fail(DW_E_UNSUPPORTED);
    }
    *ret_encoder = e;
    return DW_OK;
}

void dw_encoder_free(struct dw_encoder *e)
{
    if (!e)
        return;
    if (e->pipeline) {
        (void)gst_element_set_state(e->pipeline, GST_STATE_NULL);
        gst_object_unref(e->pipeline);
    }
    if (e->pool) {
        (void)gst_buffer_pool_set_active(e->pool, FALSE);
        gst_object_unref(e->pool);
    }
    free(e);
}

dw_err dw_encoder_start(struct dw_encoder *e)
{
    return gst_element_set_state(e->pipeline, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE
               ? dw_fail(DW_E_IO)
               : DW_OK;
}

/* ---- into the pipeline ---- */

GstBuffer *dw_encoder_buffer(struct dw_encoder *e)
{
    GstBuffer *b = NULL;
    GstBufferPoolAcquireParams now = {.flags = GST_BUFFER_POOL_ACQUIRE_FLAG_DONTWAIT};
    return gst_buffer_pool_acquire_buffer(e->pool, &b, &now) == GST_FLOW_OK ? b : NULL;
}

void dw_encoder_push(struct dw_encoder *e, GstBuffer *taken, uint64_t t_exp_us)
{
    if (gst_app_src_get_current_level_buffers(GST_APP_SRC(e->source)) >= WAITING_MAX) {
        gst_buffer_unref(taken);
        return;
    }
    GST_BUFFER_PTS(taken) = t_exp_us * 1000;
    GST_BUFFER_DTS(taken) = GST_CLOCK_TIME_NONE;
    (void)gst_app_src_push_buffer(GST_APP_SRC(e->source), taken); /* a failure is on the bus */
}

void dw_encoder_want_key(struct dw_encoder *e)
{
    GstPad *pad = gst_element_get_static_pad(e->codec, "src");
    (void)gst_pad_send_event(
        pad, gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 0));
    gst_object_unref(pad);
}

/* ---- looking at it ---- */

bool dw_media_is_well(GstElement *pipeline, bool *ret_has_ended, char *ret_why, size_t cap)
{
    GstBus *bus = gst_element_get_bus(pipeline);
    bool is_well = true, has_ended = false;
    GstMessage *m;
    while ((m = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR | GST_MESSAGE_EOS)) != NULL) {
        if (GST_MESSAGE_TYPE(m) == GST_MESSAGE_EOS) {
            has_ended = true;
        } else if (is_well) { /* the first says most */
            GError *error = NULL;
            gst_message_parse_error(m, &error, NULL);
            (void)snprintf(ret_why, cap, "%s", error ? error->message : "unknown");
            g_clear_error(&error);
            is_well = false;
        }
        gst_message_unref(m);
    }
    gst_object_unref(bus);
    if (ret_has_ended)
        *ret_has_ended = has_ended;
    return is_well;
}

bool dw_encoder_is_well(struct dw_encoder *e, char *ret_why, size_t cap)
{
    return dw_media_is_well(e->pipeline, NULL, ret_why, cap);
}

void dw_media_elements(GstElement *pipeline, char *ret_names, size_t cap)
{
    size_t len = 0;
    ret_names[0] = '\0';
    GstIterator *it = gst_bin_iterate_recurse(GST_BIN(pipeline));
    GValue item = G_VALUE_INIT;
    while (gst_iterator_next(it, &item) == GST_ITERATOR_OK) {
        GstElementFactory *f = gst_element_get_factory(g_value_get_object(&item));
        int n = snprintf(ret_names + len, cap - len, "%s%s", len ? " " : "",
                         f ? GST_OBJECT_NAME(f) : "?");
        if (n > 0 && len + (size_t)n < cap)
            len += (size_t)n;
        g_value_reset(&item);
    }
    g_value_unset(&item);
    gst_iterator_free(it);
}

void dw_encoder_elements(struct dw_encoder *e, char *ret_names, size_t cap)
{
    dw_media_elements(e->pipeline, ret_names, cap);
}
