/* doorward-hub-rtsp - reads an ordinary camera (class K0) over RTSP and hands its access units to
 * doorward-hub-camera [hub/camera/plain.h]. Child of the guard.
 *
 * It parses what a camera on the network sends, so it stands in a process and a sandbox of its own
 * and can reach nothing else. Only the video stream is ever set up: no sound arrives. Whether the
 * camera is live is judged elsewhere, by the stamps of what arrives.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "hub/ipc.h"
#include "hub/rtsp/session.h"
#include "media/rtp.h"
#include "os/config.h"
#include "os/os.h"
#include "os/sandbox.h"

#define LATE_MS         300u
#define SILENT_MS       2000u /* then the session is begun anew */
#define FIRST_MS        5000u /* the same before the first access unit */
#define TICK_MS         50
#define BACK_OFF_MS     100u
#define BACK_OFF_MS_MAX 2000u
#define WRITE_BYTES     (64u * 1024u)
#define WRITE_MS        500 /* the camera process reads always; longer means that it is stuck */
#define STEADY_UNITS    60u /* so many, and the camera counts as found */

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
    struct dw_rtsp_session session;
    struct dw_rtp rtp;
    uint8_t *unit_bytes;
    uint64_t newest_ms; /* arrival of the newest unit of this session; 0: none yet */
    uint64_t units, dropped;
    uint32_t back_off_ms;
    bool is_late, is_waiting_for_key, is_out_broken;
};

/* ---- out with each access unit ---- */

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

static void on_unit(void *ctx, struct dw_view annexb, bool is_key)
{
    struct rtsp *r = ctx;
    r->newest_ms = dw_now().ms;
    r->units++;
    if (r->is_out_broken || (r->is_waiting_for_key && !is_key)) {
        r->dropped++;
        return;
    }
    dw_err e = send_unit(r, annexb.ptr, annexb.len, is_key);
    r->is_waiting_for_key = dw_failed(e); /* that one is lost, and what builds on it */
    r->dropped += dw_failed(e);
    r->is_out_broken = dw_is(e, DW_E_IO);
}

static void on_packet(void *ctx, struct dw_view packet)
{
    struct rtsp *r = ctx;
    dw_rtp_feed(&r->rtp, packet);
}

/* ---- one session ---- */

/* Parameter sets that the camera told before: base64, with commas between. */
static void take_sets(struct rtsp *r)
{
    char text[sizeof r->session.sets];
    memcpy(text, r->session.sets, sizeof text);
    for (char *at = text, *next; at && *at; at = next) {
        next = strchr(at, ',');
        if (next)
            *next++ = 0;
        gsize len = 0;
        guchar *nal = g_base64_decode(at, &len);
        dw_rtp_pset(&r->rtp, dw_view_of(nal, len));
        g_free(nal);
    }
}

/* Silence is seen here first, and only told: the guard judges by what arrives. */
static const char *judge_silence(struct rtsp *r, uint64_t begun_ms)
{
    uint64_t now = dw_now().ms;
    if (!r->newest_ms)
        return now - begun_ms >= FIRST_MS ? "no_picture" : NULL;
    uint64_t silent_ms = now > r->newest_ms ? now - r->newest_ms : 0;
    if (silent_ms >= SILENT_MS)
        return "silent";
    if (silent_ms >= LATE_MS && !r->is_late)
        dw_log("warn", "camera", "late_ms=%llu", (unsigned long long)silent_ms);
    r->is_late = silent_ms >= LATE_MS;
    return NULL;
}

/* Reads until something is wrong; NULL: the guard is gone, or the camera process. */
static const char *read_session(struct rtsp *r)
{
    uint64_t begun_ms = dw_now().ms, kept_ms = begun_ms;
    for (;;) {
        struct pollfd p[2] = {{r->session.fd, POLLIN, 0}, {DW_IPC_FD, POLLIN, 0}};
        int n = poll(p, 2, TICK_MS);
        if (n < 0 && errno != EINTR)
            return "poll";
        if (n > 0 && p[1].revents)
            return NULL; /* the guard says nothing to this process but its end */
        if (n > 0 && p[0].revents) {
            dw_err e = dw_rtsp_read(&r->session, on_packet, r);
            if (dw_failed(e))
                return dw_is(e, DW_E_IO) ? "closed" : "not_rtsp";
            if (r->is_out_broken)
                return NULL;
        }
        const char *why = judge_silence(r, begun_ms);
        if (why)
            return why;
        if (dw_now().ms - kept_ms >= r->session.keep_ms) {
            kept_ms = dw_now().ms;
            if (dw_failed(dw_rtsp_keep_alive(&r->session)))
                return "keep_alive";
        }
    }
}

static const char *run_session(struct rtsp *r)
{
    const char *why;
    r->newest_ms = r->units = 0;
    r->is_late = false;
    r->is_waiting_for_key = true;
    dw_err e = dw_rtsp_open(&r->session, r->conf.url, r->user, r->password, &why);
    if (dw_failed(e))
        return why;
    dw_rtp_init(&r->rtp, r->session.payload_type, r->unit_bytes, on_unit, r);
    take_sets(r);
    why = read_session(r);
    dw_rtsp_close(&r->session);
    if (r->units >= STEADY_UNITS)
        r->back_off_ms = BACK_OFF_MS;
    return why;
}

/* ---- life ---- */

static int run(struct rtsp *r)
{
    struct dw_sandbox box = {DW_SANDBOX_NET_CONNECT | DW_SANDBOX_THREADS | DW_SANDBOX_RESOLVE, NULL,
                             NULL};
    if (dw_failed(dw_sandbox_enter(&box)))
        return 1;
    struct dw_ipc_ready ready = {0};
    if (dw_failed(dw_ipc_send(DW_IPC_FD, DW_IPC_READY, &ready)))
        return 1;
    r->back_off_ms = BACK_OFF_MS;
    for (;;) {
        const char *why = run_session(r);
        if (!why)
            break;
        dw_log("warn", "camera", "rtsp=restart reason=%s units=%llu in_ms=%u", why,
               (unsigned long long)r->units, r->back_off_ms);
        struct pollfd p = {DW_IPC_FD, POLLIN, 0};
        if (poll(&p, 1, (int)r->back_off_ms) > 0)
            break;
        r->back_off_ms =
            r->back_off_ms * 2 < BACK_OFF_MS_MAX ? r->back_off_ms * 2 : BACK_OFF_MS_MAX;
    }
    dw_log("info", "end", "dropped=%llu", (unsigned long long)r->dropped);
    return 1;
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
    /* No modules of GIO: a camera is reached directly, and the proxy module brings an interpreter.
     */
    (void)setenv("GIO_MODULE_DIR", "/nonexistent", 1);
    (void)setenv("GIO_USE_PROXY_RESOLVER", "dummy", 1);
    r.unit_bytes = malloc(DW_RTP_BYTES);
    return r.unit_bytes ? run(&r) : 1;
}
