/* doorward-hub-rtsp - reads an ordinary camera (class K0) over RTSP and hands its access units to
 * doorward-hub-camera [hub/camera/plain.h]. Child of the guard.
 *
 * GStreamer copes with the cameras' habits; it stands in a process of its own, in a sandbox,
 * because it parses what a camera on the network sends. Only the video stream is ever set up: no
 * sound arrives. Whether the camera is live is judged elsewhere, by the stamps of what arrives.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib-unix.h>
#include <gst/app/gstappsink.h>
#include <gst/gst.h>

#include "hub/ipc.h"
#include "os/config.h"
#include "os/os.h"
#include "os/sandbox.h"

#define OUT_FD          4
#define LATE_MS         300u
#define SILENT_MS       2000u /* then the pipeline is built anew */
#define CONNECT_MS      5000u /* the same before the first access unit */
#define TICK_MS         50u
#define BACK_OFF_MS     100u
#define BACK_OFF_MS_MAX 2000u
#define WRITE_BYTES     (64u * 1024u)
#define WRITE_MS        500 /* the camera process reads always; longer means that it is stuck */
#define QUEUE_UNITS     4   /* in the sink: it is emptied at once */

/* What rtspsrc needs, and nothing else is ever loaded. */
static const char *const plugins[] = {"coreelements", "app", "rtsp", "rtp",
                                      "rtpmanager",   "tcp", "udp",  "videoparsersbad"};

struct conf {
    char url[512];
    char credentials_file[256];
    uint32_t fd;
};

static const struct dw_setting settings[] = {
    {"rtsp.url", DW_SETTING_STRING, offsetof(struct conf, url), 0, sizeof(((struct conf *)0)->url),
     NULL, "", "rtsp://camera/path, without user and password"},
    {"rtsp.credentials_file", DW_SETTING_STRING, offsetof(struct conf, credentials_file), 0,
     sizeof(((struct conf *)0)->credentials_file), "", "",
     "file of one line, user:password, mode 0600"},
    {"rtsp.fd", DW_SETTING_UINT, offsetof(struct conf, fd), 3, 1023, "4", "",
     "descriptor that access units are written to"},
};

struct rtsp {
    struct conf conf;
    char user[128], password[256];
    GMainLoop *loop;
    GstElement *pipeline, *depay;
    guint redial;
    uint32_t back_off_ms;
    uint64_t begun_ms;
    bool is_late, is_failed, is_ending;
    int exit_code;

    /* The streaming thread's; read by the loop without haste. */
    gint64 newest_ms; /* atomically */
    gint units;       /* of this pipeline, atomically */
    bool is_waiting_for_key;
    uint64_t dropped;
};

static void end(struct rtsp *r, int code)
{
    r->is_ending = true;
    r->exit_code = code;
    g_main_loop_quit(r->loop);
}

/* ---- the streaming thread: out with each access unit ---- */

/* A unit that was begun is finished, or the other side could never find the next one. */
static dw_err write_out(int fd, const uint8_t *bytes, size_t len, bool may_give_up)
{
    size_t done = 0;
    while (done < len) {
        size_t part = len - done < WRITE_BYTES ? len - done : WRITE_BYTES;
        ssize_t n = send(fd, bytes + done, part, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            done += (size_t)n;
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN && errno != ENOBUFS)
            return dw_fail(DW_E_IO);
        if (may_give_up && done == 0)
            return dw_fail(DW_E_BUSY);
        struct pollfd p = {fd, POLLOUT, 0};
        if (poll(&p, 1, WRITE_MS) <= 0)
            return dw_fail(DW_E_IO);
    }
    return DW_OK;
}

static dw_err send_unit(struct rtsp *r, const uint8_t *bytes, size_t len, bool is_key)
{
    uint64_t us = dw_now_us();
    uint64_t follows = len + 9;
    uint8_t head[13];
    if (len > DW_CAMERA_LINK_MAX - 9)
        return dw_fail(DW_E_TOO_LARGE);
    for (unsigned i = 0; i < 4; i++)
        head[i] = (uint8_t)(follows >> (24 - 8 * i));
    head[4] = is_key;
    for (unsigned i = 0; i < 8; i++)
        head[5 + i] = (uint8_t)(us >> (56 - 8 * i));
    DW_TRY(write_out((int)r->conf.fd, head, sizeof head, true));
    return write_out((int)r->conf.fd, bytes, len, false);
}

static GstFlowReturn on_sample(GstAppSink *sink, gpointer data)
{
    struct rtsp *r = data;
    GstSample *sample = gst_app_sink_try_pull_sample(sink, 0);
    if (!sample)
        return GST_FLOW_OK;
    GstBuffer *buffer = gst_sample_get_buffer(sample);
    GstMapInfo map;
    dw_err e = DW_OK;
    if (buffer && gst_buffer_map(buffer, &map, GST_MAP_READ)) {
        bool is_key = !GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
        __atomic_store_n(&r->newest_ms, (gint64)dw_now().ms, __ATOMIC_RELAXED);
        g_atomic_int_inc(&r->units);
        if (map.size && (is_key || !r->is_waiting_for_key))
            e = send_unit(r, map.data, map.size, is_key);
        else
            r->dropped++;
        if (!dw_failed(e) && is_key)
            r->is_waiting_for_key = false;
        gst_buffer_unmap(buffer, &map);
    }
    gst_sample_unref(sample);
    if (dw_is(e, DW_E_BUSY) ||
        dw_is(e, DW_E_TOO_LARGE)) { /* that one is lost, and what builds on it */
        r->is_waiting_for_key = true;
        r->dropped++;
        return GST_FLOW_OK;
    }
    return dw_failed(e) ? GST_FLOW_ERROR : GST_FLOW_OK;
}

/* ---- the pipeline ---- */

/* Anything but video is refused before it is set up: the camera never sends its sound. */
static gboolean on_select_stream(GstElement *src, guint number, GstCaps *caps, gpointer data)
{
    (void)src;
    (void)data;
    const GstStructure *s = gst_caps_get_structure(caps, 0);
    const char *media = gst_structure_get_string(s, "media");
    const char *encoding = gst_structure_get_string(s, "encoding-name");
    bool is_video = media && strcmp(media, "video") == 0 && encoding &&
                    g_ascii_strcasecmp(encoding, "H264") == 0;
    dw_log("info", "stream", "number=%u kind=%s used=%d", number,
           is_video ? "h264" : (media && strcmp(media, "audio") == 0 ? "audio" : "other"),
           is_video);
    return is_video;
}

static void on_pad(GstElement *src, GstPad *pad, gpointer data)
{
    (void)src;
    struct rtsp *r = data;
    GstPad *in = gst_element_get_static_pad(r->depay, "sink");
    if (!gst_pad_is_linked(in) && gst_pad_link(pad, in) != GST_PAD_LINK_OK)
        dw_log("error", "stream", "link=refused");
    gst_object_unref(in);
}

static gboolean on_redial(gpointer data);

static void tear_down(struct rtsp *r)
{
    if (!r->pipeline)
        return;
    GstBus *bus = gst_element_get_bus(r->pipeline);
    gst_bus_remove_watch(bus);
    gst_object_unref(bus);
    gst_element_set_state(r->pipeline, GST_STATE_NULL);
    gst_object_unref(r->pipeline);
    r->pipeline = NULL;
}

static void fail(struct rtsp *r, const char *why)
{
    if (r->is_ending || r->redial)
        return;
    dw_log("warn", "camera", "rtsp=restart reason=%s units=%d in_ms=%u", why,
           g_atomic_int_get(&r->units), r->back_off_ms);
    tear_down(r);
    r->redial = g_timeout_add(r->back_off_ms, on_redial, r);
    r->back_off_ms = r->back_off_ms * 2 < BACK_OFF_MS_MAX ? r->back_off_ms * 2 : BACK_OFF_MS_MAX;
}

static gboolean on_bus(GstBus *bus, GstMessage *message, gpointer data)
{
    (void)bus;
    struct rtsp *r = data;
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
        GError *error = NULL;
        gst_message_parse_error(message, &error, NULL);
        /* Its text may hold the address; its code does not. */
        char why[64];
        (void)snprintf(why, sizeof why, "%s_%d",
                       error ? g_quark_to_string(error->domain) : "unknown",
                       error ? error->code : 0);
        if (error)
            g_error_free(error);
        fail(r, why);
        return G_SOURCE_REMOVE;
    }
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS) {
        fail(r, "end_of_stream");
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

static bool build(struct rtsp *r)
{
    GstElement *src = gst_element_factory_make("rtspsrc", NULL);
    GstElement *depay = gst_element_factory_make("rtph264depay", NULL);
    GstElement *parse = gst_element_factory_make("h264parse", NULL);
    GstElement *sink = gst_element_factory_make("appsink", NULL);
    r->pipeline = gst_pipeline_new(NULL);
    if (!src || !depay || !parse || !sink || !r->pipeline)
        return false;
    r->depay = depay;
    g_object_set(src, "location", r->conf.url, "latency", 0u, "tcp-timeout", (guint64)2000000,
                 "do-rtcp", TRUE, "drop-on-latency", FALSE, NULL);
    gst_util_set_object_arg(G_OBJECT(src), "protocols", "tcp");
    gst_util_set_object_arg(G_OBJECT(src), "buffer-mode", "none");
    if (r->user[0])
        g_object_set(src, "user-id", r->user, "user-pw", r->password, NULL);
    g_object_set(parse, "config-interval", -1, NULL); /* sets before each key frame */
    GstCaps *caps = gst_caps_from_string("video/x-h264,stream-format=byte-stream,alignment=au");
    g_object_set(sink, "caps", caps, "sync", FALSE, "max-buffers", QUEUE_UNITS, NULL);
    gst_caps_unref(caps);
    GstAppSinkCallbacks callbacks = {.new_sample = on_sample};
    gst_app_sink_set_callbacks(GST_APP_SINK(sink), &callbacks, r, NULL);
    g_signal_connect(src, "select-stream", G_CALLBACK(on_select_stream), r);
    g_signal_connect(src, "pad-added", G_CALLBACK(on_pad), r);
    gst_bin_add_many(GST_BIN(r->pipeline), src, depay, parse, sink, NULL);
    return gst_element_link_many(depay, parse, sink, NULL);
}

static void begin(struct rtsp *r)
{
    r->begun_ms = dw_now().ms;
    r->is_late = false;
    r->is_waiting_for_key = true;
    g_atomic_int_set(&r->units, 0);
    __atomic_store_n(&r->newest_ms, 0, __ATOMIC_RELAXED);
    if (!build(r)) {
        dw_log("error", "start", "gstreamer=elements_missing");
        end(r, 1);
        return;
    }
    GstBus *bus = gst_element_get_bus(r->pipeline);
    gst_bus_add_watch(bus, on_bus, r);
    gst_object_unref(bus);
    if (gst_element_set_state(r->pipeline, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE)
        fail(r, "state");
}

static gboolean on_redial(gpointer data)
{
    struct rtsp *r = data;
    r->redial = 0;
    begin(r);
    return G_SOURCE_REMOVE;
}

/* Silence is seen here first, and only told: the guard judges by what arrives. */
static gboolean on_tick(gpointer data)
{
    struct rtsp *r = data;
    if (!r->pipeline)
        return G_SOURCE_CONTINUE;
    uint64_t now = dw_now().ms;
    uint64_t newest = (uint64_t)__atomic_load_n(&r->newest_ms, __ATOMIC_RELAXED);
    if (!newest) {
        if (now - r->begun_ms >= CONNECT_MS)
            fail(r, "no_picture");
        return G_SOURCE_CONTINUE;
    }
    uint64_t silent_ms = now > newest ? now - newest : 0;
    if (silent_ms >= SILENT_MS) {
        fail(r, "silent");
    } else if (silent_ms >= LATE_MS && !r->is_late) {
        r->is_late = true;
        dw_log("warn", "camera", "late_ms=%llu", (unsigned long long)silent_ms);
    } else if (silent_ms < LATE_MS) {
        r->is_late = false;
        if (g_atomic_int_get(&r->units) > 60)
            r->back_off_ms = BACK_OFF_MS;
    }
    return G_SOURCE_CONTINUE;
}

/* ---- life ---- */

/* The guard says nothing to this process: a byte or an end on its descriptor ends it. */
static gboolean on_guard(gint fd, GIOCondition condition, gpointer data)
{
    (void)fd;
    (void)condition;
    end(data, 1);
    return G_SOURCE_REMOVE;
}

static gboolean on_term(gpointer data)
{
    end(data, 0);
    return G_SOURCE_CONTINUE;
}

static bool read_credentials(struct rtsp *r)
{
    if (!r->conf.credentials_file[0])
        return true;
    uint8_t bytes[sizeof r->user + sizeof r->password];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    struct stat st;
    if (stat(r->conf.credentials_file, &st) != 0 || (st.st_mode & 077) ||
        dw_failed(dw_file_read(r->conf.credentials_file, &b)))
        return false;
    while (b.len && (bytes[b.len - 1] == '\n' || bytes[b.len - 1] == '\r'))
        b.len--;
    const uint8_t *colon = memchr(bytes, ':', b.len);
    size_t user = colon ? (size_t)(colon - bytes) : 0;
    if (!user || user >= sizeof r->user || b.len - user - 1 >= sizeof r->password ||
        memchr(bytes, 0, b.len) || memchr(bytes, '\n', b.len))
        return false;
    memcpy(r->user, bytes, user);
    memcpy(r->password, colon + 1, b.len - user - 1);
    explicit_bzero(bytes, sizeof bytes);
    return true;
}

static bool url_is_usable(const char *url)
{
    /* Credentials in an address end up in logs and process lists. */
    if (strncmp(url, "rtsp://", 7) != 0)
        return false;
    size_t host = strcspn(url + 7, "/?#");
    return host > 0 && !memchr(url + 7, '@', host);
}

static bool load_plugins(void)
{
    for (size_t i = 0; i < DW_ARRAY_COUNT(plugins); i++) {
        char path[512];
        (void)snprintf(path, sizeof path, "%s/libgst%s.so", DW_GST_PLUGINS, plugins[i]);
        GstPlugin *plugin = gst_plugin_load_file(path, NULL);
        if (!plugin) {
            dw_log("error", "start", "gstreamer_plugin=%s missing", plugins[i]);
            return false;
        }
        gst_object_unref(plugin);
    }
    return true;
}

/* Elements that rtspsrc makes later: their types are made now, before the sandbox. */
static bool warm_up(void)
{
    static const char *const names[] = {
        "rtspsrc",    "rtpbin",       "rtpjitterbuffer", "rtpsession", "rtpssrcdemux",
        "rtpptdemux", "rtph264depay", "h264parse",       "appsink",    "funnel",
        "queue",      "udpsrc",       "udpsink",         "fakesrc"};
    for (size_t i = 0; i < DW_ARRAY_COUNT(names); i++) {
        GstElement *e = gst_element_factory_make(names[i], NULL);
        if (!e) {
            dw_log("error", "start", "gstreamer_element=%s missing", names[i]);
            return false;
        }
        gst_object_unref(gst_object_ref_sink(e));
    }
    return true;
}

static int run(struct rtsp *r)
{
    struct dw_sandbox box = {DW_SANDBOX_NET_CONNECT | DW_SANDBOX_THREADS | DW_SANDBOX_RESOLVE, NULL,
                             NULL};
    if (dw_failed(dw_sandbox_enter(&box)))
        return 1;
    struct dw_ipc_ready ready = {0};
    if (dw_failed(dw_ipc_send(DW_IPC_FD, DW_IPC_READY, &ready)))
        return 1;
    r->loop = g_main_loop_new(NULL, FALSE);
    r->back_off_ms = BACK_OFF_MS;
    g_unix_fd_add(DW_IPC_FD, G_IO_IN | G_IO_HUP | G_IO_ERR, on_guard, r);
    g_unix_signal_add(SIGTERM, on_term, r);
    g_timeout_add(TICK_MS, on_tick, r);
    begin(r);
    if (!r->is_ending)
        g_main_loop_run(r->loop);
    tear_down(r);
    g_main_loop_unref(r->loop);
    dw_log("info", "end", "dropped=%llu", (unsigned long long)r->dropped);
    return r->exit_code;
}

int main(int argc, char **argv)
{
    static struct rtsp r;
    dw_os_init("hub-rtsp");
    if (argc != 3 || strcmp(argv[1], "--config") != 0) {
        (void)fprintf(stderr, "usage: doorward-hub-rtsp --config FILE (started by the guard)\n");
        return 2;
    }
    char why[256];
    if (dw_failed(dw_config_load(settings, DW_ARRAY_COUNT(settings), argv[2], &r.conf, why,
                                 sizeof why))) {
        (void)fprintf(stderr, "%s\n", why);
        return 2;
    }
    if (!url_is_usable(r.conf.url)) {
        (void)fprintf(stderr, "rtsp.url: rtsp://host/path; user and password belong into "
                              "rtsp.credentials_file\n");
        return 2;
    }
    if (!read_credentials(&r)) {
        (void)fprintf(stderr,
                      "rtsp.credentials_file: one line user:password, readable by us only\n");
        return 2;
    }
    /* No registry: it would scan every plugin of the system, and write to a cache. */
    (void)setenv("GST_REGISTRY_DISABLE", "yes", 1);
    (void)setenv("GST_DEBUG", "0", 1); /* its lines would hold the address */
    gst_init(NULL, NULL);
    if (!load_plugins() || !warm_up())
        return 1;
    return run(&r);
}
