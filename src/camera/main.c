/* doorward camera: the signing camera agent (class K2).
 *
 * Captures (rendered hall, V4L2 device, video file), measures each raw picture, encodes H.264, and
 * sends every frame with its signed frame record. Pictures only: there is no sound in it.
 * docs/design/camera.md. */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "camera/agent.h"
#include "camera/capture.h"
#include "camera/encode.h"
#include "core/types.h"
#include "media/still.h"
#include "os/config.h"
#include "os/os.h"
#include "os/sandbox.h"
#include "sim/world.h"

#define PATH_BYTES 512u
#define SOFTWARE   "doorward-camera 0.1.0"

struct settings {
    char listen[64];
    char port_file[PATH_BYTES], key_file[PATH_BYTES], hub_key_file[PATH_BYTES], state[PATH_BYTES];
    char source[16], world[PATH_BYTES], device[PATH_BYTES], capture[16], file[PATH_BYTES];
    char encoder[16];
    uint32_t width, height, fps, bitrate_kbit;
};

#define STRING(field, def, text) DW_SETTING_OF_TEXT(struct settings, field, def, text)
#define UINT(field, lo, hi, def, of, text) \
    DW_SETTING_OF_UINT(struct settings, field, lo, hi, def, of, text)

static const struct dw_setting table[] = {
    STRING(listen, "127.0.0.1:0", "address to listen on; port 0: the system chooses"),
    STRING(port_file, "", "file that gets the port, or empty"),
    STRING(key_file, NULL, "the camera's secret key; made if absent, FILE.pub beside it"),
    STRING(hub_key_file, NULL, "public key of the enrolled hub"),
    STRING(state, NULL, "folder for the boot count"),
    STRING(source, "hall", "hall, v4l2 or file"),
    STRING(world, "", "source = hall: the simulated home (sim/world.h)"),
    STRING(device, "/dev/video0", "source = v4l2: the video device"),
    STRING(capture, "raw", "source = v4l2: raw or mjpeg pictures from the device"),
    STRING(file, "", "source = file: a video file, played again and again"),
    UINT(width, 160, 1920, "1280", "px", "width of the picture; a multiple of 8"),
    UINT(height, 96, 1200, "800", "px", "height of the picture; even"),
    UINT(fps, 5, 30, "20", "1/s", "pictures a second; a key frame each second"),
    UINT(bitrate_kbit, 100, 20000, "2000", "kbit/s", "of the encoded pictures"),
    STRING(encoder, "auto", "auto, x264 or openh264"),
};

static struct settings conf;
static struct dw_secret secret;
static struct dw_key hub;
static struct dw_world *world;
static struct dw_encoder *encoder;
static struct dw_capture *capture;
static struct dw_agent *agent;
static struct dw_still still;
static uint64_t last_exp_us;
static uv_timer_t health;
static uv_signal_t on_term, on_int;
static int exit_code;

/* ---- pictures and units --------------------------------------------------------------------- */

/* On the source's thread. */
static void on_picture(void *ctx, GstBuffer *taken, uint64_t t_exp_us)
{
    (void)ctx;
    GstMapInfo map;
    if (t_exp_us <= last_exp_us || !gst_buffer_map(taken, &map, GST_MAP_READ)) {
        gst_buffer_unref(taken); /* a stamp that does not grow proves nothing */
        return;
    }
    last_exp_us = t_exp_us;
    dw_still_feed(&still, map.data, conf.width, (uint16_t)conf.width, (uint16_t)conf.height,
                  t_exp_us);
    gst_buffer_unmap(taken, &map);
    dw_agent_picture(agent, t_exp_us, dw_still_ms(&still), still.mean, still.spread);
    dw_encoder_push(encoder, taken, t_exp_us);
}

/* On the encoder's thread. */
static void on_unit(void *ctx, struct dw_view annexb, uint64_t t_exp_us)
{
    (void)ctx;
    dw_agent_unit(agent, annexb, t_exp_us);
}

static void want_key(void *ctx)
{
    (void)ctx;
    dw_encoder_want_key(encoder);
}

static bool has_power(void *ctx)
{
    (void)ctx;
    return !world || world->camera_power != 0;
}

/* ---- the loop ------------------------------------------------------------------------------- */

static void stop(int code)
{
    if (uv_is_closing((uv_handle_t *)&health))
        return;
    exit_code = code;
    dw_agent_close(agent);
    dw_capture_free(capture); /* ends the threads that feed the agent, while it is still there */
    dw_encoder_free(encoder);
    uv_close((uv_handle_t *)&health, NULL);
    uv_close((uv_handle_t *)&on_term, NULL);
    uv_close((uv_handle_t *)&on_int, NULL);
}

static void on_health(uv_timer_t *t)
{
    (void)t;
    char why[160];
    if (dw_capture_is_well(capture, why, sizeof why) &&
        dw_encoder_is_well(encoder, why, sizeof why))
        return;
    dw_log("error", "pictures", "state=failed why=\"%s\"", why);
    stop(1);
}

static void on_signal(uv_signal_t *s, int number)
{
    (void)s;
    (void)number;
    stop(0);
}

/* ---- start-up ------------------------------------------------------------------------------- */

/* One more than ever before, durable before anything is signed. 0: refused, logged. */
static uint32_t next_boot(void)
{
    char path[PATH_BYTES + 16];
    uint8_t text[16];
    struct dw_buf in = dw_buf_of(text, sizeof text - 1);
    uint32_t count = 0;
    if (dw_failed(dw_folder(conf.state)) ||
        dw_failed(dw_path(path, sizeof path, conf.state, "boot-count"))) {
        dw_log("error", "state", "folder=unusable path=%s", conf.state);
        return 0;
    }
    if (access(path, F_OK) == 0) {
        dw_err e = dw_file_read(path, &in);
        bool is_read = !dw_failed(e) && in.len > 0 && text[in.len - 1] == '\n';
        for (size_t i = 0; is_read && i + 1 < in.len; i++) {
            is_read = text[i] >= '0' && text[i] <= '9' && count <= (UINT32_MAX - 9) / 10;
            count = count * 10 + (uint32_t)(text[i] - '0');
        }
        if (!is_read || count == 0 || count == UINT32_MAX) {
            dw_log("error", "state", "boot_count=damaged path=%s hint=\"enrol the camera anew\"",
                   path);
            return 0;
        }
    }
    count++;
    char out[16];
    int n = snprintf(out, sizeof out, "%u\n", count);
    if (n < 0 || dw_failed(dw_file_write(path, dw_view_of(out, (size_t)n), 0600))) {
        dw_log("error", "state", "boot_count=not_stored path=%s", path);
        return 0;
    }
    return count;
}

static bool load_keys(void)
{
    char public_file[PATH_BYTES + 8];
    dw_err e = dw_secret_load(conf.key_file, &secret);
    if (dw_failed(e) && access(conf.key_file, F_OK) != 0 && errno == ENOENT)
        e = dw_secret_create(conf.key_file, &secret);
    (void)snprintf(public_file, sizeof public_file, "%s.pub", conf.key_file);
    if (!dw_failed(e))
        e = dw_key_save(public_file, &secret.key);
    if (dw_failed(e)) {
        dw_log("error", "keys", "key_file=unusable why=%s path=%s", dw_err_name(e), conf.key_file);
        return false;
    }
    e = dw_key_load(conf.hub_key_file, &hub);
    if (dw_failed(e))
        dw_log("error", "keys", "hub_key_file=unusable why=%s path=%s", dw_err_name(e),
               conf.hub_key_file);
    return !dw_failed(e);
}

static bool pick(const char *setting, const char *value, const char *const *words, size_t count,
                 unsigned *ret_index)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(value, words[i]) == 0) {
            *ret_index = (unsigned)i;
            return true;
        }
    dw_log("error", "config", "%s=unknown value=\"%s\"", setting, value);
    return false;
}

static bool make_pictures(void)
{
    static const char *const sources[] = {"", "hall", "v4l2", "file"};
    static const char *const encoders[] = {"auto", "x264", "openh264"};
    static const char *const forms[] = {"raw", "mjpeg"};
    unsigned source, kind, form;
    if (!pick("source", conf.source, sources, 4, &source) ||
        !pick("encoder", conf.encoder, encoders, 3, &kind) ||
        !pick("capture", conf.capture, forms, 2, &form))
        return false;
    if (source == DW_CAPTURE_NONE || conf.width % 8 || conf.height % 2) {
        dw_log("error", "config", "picture=refused hint=\"width: a multiple of 8, height: even\"");
        return false;
    }
    if (source == DW_CAPTURE_HALL) {
        world = conf.world[0] ? dw_world_open(conf.world, false) : NULL;
        if (!world) {
            dw_log("error", "source", "world=unusable path=\"%s\"", conf.world);
            return false;
        }
    }
    struct dw_encoder_settings es = {(enum dw_encoder_kind)kind, (uint16_t)conf.width,
                                     (uint16_t)conf.height, (uint16_t)conf.fps, conf.bitrate_kbit};
    struct dw_capture_settings cs = {.kind = (enum dw_capture_kind)source,
                                     .width_px = es.width_px,
                                     .height_px = es.height_px,
                                     .fps = es.fps,
                                     .device = conf.device,
                                     .is_mjpeg = form == 1,
                                     .file = conf.file,
                                     .world = world};
    static const enum dw_media_need needs[] = {DW_MEDIA_ENCODER, DW_MEDIA_ENCODER, DW_MEDIA_DEVICE,
                                               DW_MEDIA_ALL};
    if (dw_failed(dw_media_init(needs[source], es.kind)) ||
        dw_failed(dw_encoder_new(&es, on_unit, NULL, &encoder)))
        return false;
    dw_err e = dw_capture_new(&cs, encoder, on_picture, NULL, &capture);
    if (dw_failed(e)) {
        dw_log("error", "source", "kind=%s usable=no why=%s", conf.source, dw_err_name(e));
        return false;
    }
    char in[256], out[256];
    dw_capture_elements(capture, in, sizeof in);
    dw_encoder_elements(encoder, out, sizeof out);
    dw_log("info", "pictures", "source=%s elements=\"%s%s%s\"", conf.source, in, in[0] ? " " : "",
           out);
    dw_still_init(&still);
    return true;
}

static bool listen_for_hub(uv_loop_t *loop, uint32_t boot_count)
{
    struct dw_agent_settings s = {.listen = conf.listen,
                                  .secret = &secret,
                                  .hub = &hub,
                                  .boot_count = boot_count,
                                  .width_px = (uint16_t)conf.width,
                                  .height_px = (uint16_t)conf.height,
                                  .fps = (uint16_t)conf.fps,
                                  .bitrate_kbit = conf.bitrate_kbit,
                                  .camera_class = DW_CAMERA_K2,
                                  .want_key = want_key,
                                  .has_power = has_power};
    (void)snprintf(s.software, sizeof s.software, "%s %.8s", SOFTWARE, conf.source);
    uint16_t port;
    dw_err e = dw_agent_new(loop, &s, &agent, &port);
    dw_secret_wipe(&secret); /* it has said whose frames these are */
    char text[16];
    int n = snprintf(text, sizeof text, "%u\n", dw_failed(e) ? 0u : port);
    if (!dw_failed(e) && conf.port_file[0])
        e = dw_file_write(conf.port_file, dw_view_of(text, (size_t)n), 0644);
    if (dw_failed(e)) {
        dw_log("error", "listen", "address=%s why=%s", conf.listen, dw_err_name(e));
        return false;
    }
    dw_log("info", "listen", "port=%u boot_count=%u", port, boot_count);
    return true;
}

/* Before any thread of the pipeline starts: Landlock binds only threads that come later. */
static bool enter_sandbox(void)
{
    const char *reads[] = {conf.source[0] == 'f' ? conf.file : NULL, NULL};
    const char *writes[] = {conf.device, NULL};
    bool is_device = strcmp(conf.source, "v4l2") == 0;
    struct dw_sandbox box = {DW_SANDBOX_NET_LISTEN | DW_SANDBOX_THREADS |
                                 (is_device ? DW_SANDBOX_FILES_WRITE : 0),
                             reads, is_device ? writes : NULL};
    return !dw_failed(dw_sandbox_enter(&box));
}

static int usage(FILE *out)
{
    (void)fprintf(out, "doorward camera - the signing camera agent\n\n"
                       "  --config FILE   file of settings: key = value\n"
                       "  --effective     print the settings in force and end\n"
                       "  --verbose       trace what happens\n"
                       "  --help\n\nsettings:\n");
    for (size_t i = 0; i < DW_ARRAY_COUNT(table); i++)
        (void)fprintf(out, "  %-14s %s%s%s%s\n", table[i].key, table[i].help,
                      table[i].fallback ? " [" : " (must be given)",
                      table[i].fallback ? table[i].fallback : "", table[i].fallback ? "]" : "");
    return out == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
    const char *config = NULL;
    bool only_print = false;
    dw_os_init("camera");
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
            config = argv[++i];
        else if (strcmp(argv[i], "--effective") == 0)
            only_print = true;
        else if (strcmp(argv[i], "--verbose") == 0)
            dw_trace_on();
        else
            return usage(strcmp(argv[i], "--help") == 0 ? stdout : stderr);
    }
    if (!config)
        return usage(stderr);
    char why[512];
    if (dw_failed(dw_config_load(table, DW_ARRAY_COUNT(table), config, &conf, why, sizeof why))) {
        (void)fprintf(stderr, "doorward camera: %s\n", why);
        return 2;
    }
    if (only_print) {
        dw_config_print(table, DW_ARRAY_COUNT(table), &conf, stdout);
        return 0;
    }
    (void)mallopt(M_MMAP_THRESHOLD, 256 * 1024); /* a freed picture goes back to the system */
    (void)mallopt(M_ARENA_MAX, 2); /* few threads, few of them busy: one heap each would be waste */
    tzset();                       /* the zone's file is out of reach later */
    uv_loop_t *loop = uv_default_loop();
    if (dw_failed(dw_crypto_init()) || !load_keys() || !make_pictures())
        return 1;
    uint32_t boot_count = next_boot();
    if (boot_count == 0 || !listen_for_hub(loop, boot_count))
        return 1;
    (void)malloc_trim(0); /* what drawing at start-up has used goes back */
    if (!enter_sandbox() || dw_failed(dw_encoder_start(encoder)) ||
        dw_failed(dw_capture_start(capture))) {
        dw_log("error", "start", "done=no");
        return 1;
    }
    DW_ASSERT(uv_timer_init(loop, &health) == 0 && uv_signal_init(loop, &on_term) == 0 &&
              uv_signal_init(loop, &on_int) == 0);
    (void)uv_timer_start(&health, on_health, 200, 200);
    (void)uv_signal_start(&on_term, on_signal, SIGTERM);
    (void)uv_signal_start(&on_int, on_signal, SIGINT);
    (void)uv_run(loop, UV_RUN_DEFAULT);
    dw_agent_free(agent);
    return exit_code;
}
