/* doorward-hub-camera - ingests one camera: checks each access unit against its signed hash,
 * records visits, passes pictures to the front and frame records to the guard. Child of the guard.
 *
 * It judges nothing about liveness: a frame's signature is the guard's to verify, a link that is up
 * or down is news only. Its one key is drawn at its start and never leaves it; the guard says in a
 * signed object that the camera may talk to that key, and which camera that is.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "crypto/crypto.h"
#include "crypto/signed.h"
#include "crypto/tls.h"
#include "hub/camera/au.h"
#include "hub/camera/folder.h"
#include "hub/camera/live.h"
#include "hub/camera/look.h"
#include "hub/camera/plain.h"
#include "hub/camera/recorder.h"
#include "hub/ipc.h"
#include "media/h264.h"
#include "os/config.h"
#include "os/os.h"
#include "os/sandbox.h"
#include "os/stream.h"
#include "wire/cose.h"

#define DIAL_MS         2000u
#define BACK_OFF_MS     100u
#define BACK_OFF_MS_MAX 2000u
#define ASK_FRESH_MS    1000u /* an older ask would only be answered with an older proof */
#define LATER_MAX       64u   /* messages that wait for the guard: segments, link, disk */
#define LATER_EACH_MS   20u
#define IPC_EACH_TURN   64u
#define LOG_EACH_MS     5000u

struct conf {
    char address[128];
    char camera_class[8];
    char folder[200];
    uint32_t fd, reserve_bytes, retention_days, preroll_ms, segment_ms;
    bool trust_system_clock, has_look;
};

static const struct dw_setting settings[] = {
    {"camera.address", DW_SETTING_STRING, offsetof(struct conf, address), 0,
     sizeof(((struct conf *)0)->address), "", "", "camera agent (class k2), \"127.0.0.1:7001\""},
    {"camera.class", DW_SETTING_STRING, offsetof(struct conf, camera_class), 0,
     sizeof(((struct conf *)0)->camera_class), "k2", "", "k2: signing agent; k0: plain RTSP"},
    {"camera.fd", DW_SETTING_UINT, offsetof(struct conf, fd), 0, 1023, "4", "",
     "class k0: descriptor that doorward-hub-rtsp writes to"},
    {"camera.second_look", DW_SETTING_BOOL, offsetof(struct conf, has_look), 0, 1, "yes", "",
     "decode one key frame a second, to see by ourselves whether it is frozen or covered"},
    {"record.folder", DW_SETTING_STRING, offsetof(struct conf, folder), 0,
     sizeof(((struct conf *)0)->folder), NULL, "", "where recordings are kept"},
    {"record.reserve_bytes", DW_SETTING_UINT, offsetof(struct conf, reserve_bytes), 0, UINT32_MAX,
     "268435456", "bytes", "free space without which no visit begins"},
    {"record.retention_days", DW_SETTING_UINT, offsetof(struct conf, retention_days), 1, 3650, "30",
     "days", "older visits are removed"},
    {"record.preroll_ms", DW_SETTING_UINT, offsetof(struct conf, preroll_ms), 0, 10000, "3000",
     "ms", "how long before its start a recording begins"},
    {"record.segment_ms", DW_SETTING_UINT, offsetof(struct conf, segment_ms), 1000, 10000, "2000",
     "ms", "longest segment, if key frames permit"},
    {"record.trust_system_clock", DW_SETTING_BOOL, offsetof(struct conf, trust_system_clock), 0, 1,
     "no", "", "remove old visits by a clock that is not known to be synchronised"},
};

struct later {
    enum dw_ipc_type type;
    union {
        struct dw_ipc_segment segment;
        struct dw_ipc_disk disk;
        struct dw_ipc_camera_link link;
        struct dw_ipc_ready ready;
        struct dw_ipc_link_key link_key;
    };
};

struct camera {
    struct conf conf;
    bool is_plain; /* class K0 */
    uv_loop_t loop;
    uv_poll_t guard;
    uv_timer_t redial, retry;
    uv_signal_t term;
    struct dw_stream *stream;
    struct dw_secret link_key;
    struct dw_key device;   /* of the enrolled camera */
    struct dw_tls_end *tls; /* NULL: the guard has not yet said whom to dial */
    struct dw_plain plain;
    bool is_open, is_up, is_ending, is_gone;
    char closed_why[64]; /* of the link before */
    uint32_t back_off_ms;

    struct dw_ipc_bytes ask; /* newest; len 0: none yet */
    uint64_t asked_ms;
    uint8_t viewers[DW_VIEWERS_MAX * 32];
    size_t viewers_len;
    bool has_asked; /* on this link */

    uint8_t pset[DW_HASH_BYTES]; /* parameter sets in force on this link */
    bool has_pset;
    uint64_t frames, bad, unsent, logged_ms;
    struct dw_ring ring;
    struct dw_live_pipe live;
    bool is_dark; /* the household wants no pictures now; said before the pipe is handed over */
    struct dw_look look;
    struct dw_recorder *recorder;

    struct later later[LATER_MAX];
    uint32_t later_first, later_count;
};

static void dial(struct camera *c);

/* ---- to the guard ---- */

static void end(struct camera *c);

static void guard_gone(struct camera *c)
{
    if (!c->is_gone)
        dw_log("warn", "guard", "link=closed");
    c->is_gone = true;
    end(c);
}

static void on_retry(uv_timer_t *timer)
{
    struct camera *c = timer->data;
    while (c->later_count) {
        struct later *l = &c->later[c->later_first];
        dw_err e = dw_ipc_send(DW_IPC_FD, l->type, &l->segment);
        if (dw_is(e, DW_E_BUSY))
            return;
        c->later_first = (c->later_first + 1) % LATER_MAX;
        c->later_count--;
        if (dw_failed(e)) {
            guard_gone(c);
            return;
        }
    }
    uv_timer_stop(timer);
}

/* What must arrive: waits its turn when the guard is busy. */
static void tell(struct camera *c, const struct later *message)
{
    if (c->is_gone)
        return;
    if (c->later_count == LATER_MAX) {
        dw_log("error", "guard", "queue=full type=%d", (int)message->type);
        return;
    }
    c->later[(c->later_first + c->later_count) % LATER_MAX] = *message;
    c->later_count++;
    uv_timer_start(&c->retry, on_retry, LATER_EACH_MS, LATER_EACH_MS);
    on_retry(&c->retry);
}

static void tell_link(struct camera *c, bool is_up, struct dw_view hello)
{
    struct later m = {.type = DW_IPC_CAMERA_LINK};
    m.link.is_up = is_up;
    if (hello.len <= sizeof m.link.hello && hello.len) {
        m.link.hello_len = (uint16_t)hello.len;
        memcpy(m.link.hello, hello.ptr, hello.len);
    }
    const void *session = is_up && c->stream ? dw_stream_session(c->stream) : NULL;
    struct dw_view proof = session ? dw_tls_peer_proof(session) : (struct dw_view){0};
    if (proof.len && proof.len <= sizeof m.link.session) {
        m.link.session_len = (uint16_t)proof.len;
        memcpy(m.link.session, proof.ptr, proof.len);
    }
    tell(c, &m);
}

/* Frame news is worth nothing later: a guard that is busy misses it, and sees the gap itself. */
static void tell_now(struct camera *c, enum dw_ipc_type type, void *message)
{
    if (c->is_gone)
        return;
    dw_err e = dw_ipc_send(DW_IPC_FD, type, message);
    if (dw_is(e, DW_E_BUSY)) {
        if (c->unsent++ % 100 == 0)
            dw_log("warn", "guard", "busy frames_not_told=%llu", (unsigned long long)c->unsent);
    } else if (dw_failed(e)) {
        guard_gone(c);
    }
}

static void tell_bad(struct camera *c, uint64_t arrived_ms, enum dw_frame_fault fault)
{
    c->bad++;
    dw_live_pipe_skip(&c->live); /* what follows may build on the picture that is not shown */
    if (arrived_ms - c->logged_ms >= LOG_EACH_MS) {
        c->logged_ms = arrived_ms;
        dw_log("warn", "frame", "fault=%d bad=%llu good=%llu", (int)fault,
               (unsigned long long)c->bad, (unsigned long long)c->frames);
    }
    struct dw_ipc_frame_bad m = {.arrived_ms = arrived_ms, .fault = (uint32_t)fault};
    tell_now(c, DW_IPC_FRAME_BAD, &m);
}

static void on_segment(void *ctx, struct dw_ipc_segment *segment)
{
    struct later m = {.type = DW_IPC_SEGMENT, .segment = *segment};
    tell(ctx, &m);
}

static void on_disk(void *ctx, struct dw_ipc_disk *disk)
{
    struct later m = {.type = DW_IPC_DISK, .disk = *disk};
    tell(ctx, &m);
}

static void on_stopped(void *ctx, uint64_t visit)
{
    struct camera *c = ctx;
    dw_trace("visit %016llx: recording is on disk, %llu frames seen", (unsigned long long)visit,
             (unsigned long long)c->frames);
}

/* ---- frames ---- */

/* A picture that may be used: to the ring, the recorder, the screens and the second look. */
static void use_frame(struct camera *c, struct dw_au *au)
{
    au->frame = ++c->frames;
    dw_ring_push(&c->ring, au, c->conf.preroll_ms);
    dw_recorder_feed(c->recorder, au);
    if (!c->is_dark)
        dw_live_pipe_push(&c->live, au);
    if (c->conf.has_look)
        dw_look_at(&c->look, au);
}

/* Exactly one SPS and PPS or none: half a set would change the picture behind the hash's back. */
static enum dw_frame_fault check_sets(struct camera *c, const struct dw_au_info *info)
{
    if (!info->has_pset && (info->sps.len || info->pps.len))
        return DW_FRAME_FAULT_CODEC;
    if (info->is_key && !info->has_pset)
        return DW_FRAME_FAULT_CODEC;
    if (!info->has_pset && !c->has_pset)
        return DW_FRAME_FAULT_CODEC;
    return DW_FRAME_FAULT_NONE;
}

static enum dw_frame_fault check_frame(struct camera *c, const struct dw_frame_parts *parts,
                                       struct dw_au_info *ret_info,
                                       struct dw_frame_record *ret_record)
{
    struct dw_cose cose;
    if (dw_failed(dw_cose_read(DW_CONTEXT_FRAME, parts->record, &cose)) ||
        dw_failed(dw_frame_record_read(cose.payload, ret_record)))
        return DW_FRAME_FAULT_FORM;
    if (dw_failed(dw_au_inspect(parts->access_unit, ret_info)))
        return DW_FRAME_FAULT_CODEC;
    enum dw_frame_fault fault = check_sets(c, ret_info);
    if (fault != DW_FRAME_FAULT_NONE)
        return fault;
    const uint8_t *pset = ret_info->has_pset ? ret_info->pset_hash : c->pset;
    if (!dw_same(ret_info->au_hash, ret_record->au_hash, DW_HASH_BYTES) ||
        !dw_same(pset, ret_record->pset_hash, DW_HASH_BYTES))
        return DW_FRAME_FAULT_HASH;
    if (ret_info->has_pset) {
        memcpy(c->pset, ret_info->pset_hash, DW_HASH_BYTES);
        c->has_pset = true;
    }
    return DW_FRAME_FAULT_NONE;
}

static void on_signed_frame(struct camera *c, struct dw_view body)
{
    uint64_t now = dw_now().ms;
    struct dw_frame_parts parts;
    struct dw_au_info info = {0};
    struct dw_frame_record record = {0};
    enum dw_frame_fault fault = DW_FRAME_FAULT_FORM;
    if (!dw_failed(dw_frame_parts_read(body, &parts)))
        fault = check_frame(c, &parts, &info, &record);
    if (fault != DW_FRAME_FAULT_NONE) {
        tell_bad(c, now, fault);
        return;
    }
    struct dw_ipc_frame m = {
        .arrived_ms = now,
        .viewers = (uint8_t)(parts.viewers.len / 32),
        .is_key = info.is_key,
        .len = (uint16_t)parts.record.len,
    };
    memcpy(m.record, parts.record.ptr, parts.record.len);
    if (parts.viewers.len)
        memcpy(m.viewer, parts.viewers.ptr, parts.viewers.len);
    if (c->look.has_news) {
        c->look.has_news = false;
        m.has_decoded = 1;
        m.decoded_still_ms = c->look.still_ms;
        m.decoded_luma = c->look.mean;
        m.decoded_spread = c->look.spread;
    }
    tell_now(c, DW_IPC_FRAME, &m); /* the decision path first */

    struct dw_au *au = dw_au_new(&parts, info.is_key ? info.sps : (struct dw_view){0},
                                 info.is_key ? info.pps : (struct dw_view){0});
    if (!au)
        return;
    au->arrived_ms = now;
    au->t_us = record.t_exp_us;
    au->seq = record.seq;
    au->boot_count = record.boot_count;
    au->camera_class = DW_CAMERA_K2;
    au->is_key = info.is_key;
    use_frame(c, au);
    dw_au_drop(au);
}

static void on_plain_frame(void *ctx, uint64_t arrived_us, struct dw_view access_unit)
{
    struct camera *c = ctx;
    uint64_t now = dw_now().ms;
    /* The other process stamps the arrival; what it says is believed only as the past. */
    uint64_t arrived_ms = arrived_us / 1000 <= now ? arrived_us / 1000 : now;
    struct dw_frame_parts parts = {.access_unit = access_unit};
    struct dw_au_info info;
    if (dw_failed(dw_au_inspect(access_unit, &info))) {
        tell_bad(c, arrived_ms, DW_FRAME_FAULT_CODEC);
        return;
    }
    struct dw_ipc_frame_bad m = {.arrived_ms = arrived_ms};
    if (c->look.has_news) {
        c->look.has_news = false;
        m.has_decoded = 1;
        m.decoded_still_ms = c->look.still_ms;
        m.decoded_luma = c->look.mean;
        m.decoded_spread = c->look.spread;
    }
    tell_now(c, DW_IPC_FRAME_UNPROVEN, &m);
    if (!c->is_up) {
        c->is_up = true;
        tell_link(c, true, (struct dw_view){0});
    }
    bool can_begin = info.is_key && info.has_pset;
    struct dw_au *au = dw_au_new(&parts, can_begin ? info.sps : (struct dw_view){0},
                                 can_begin ? info.pps : (struct dw_view){0});
    if (!au)
        return;
    au->arrived_ms = arrived_ms;
    au->t_us = arrived_us;
    au->camera_class = DW_CAMERA_K0;
    au->is_key = can_begin; /* a key frame without its sets begins nothing */
    use_frame(c, au);
    dw_au_drop(au);
}

/* A descriptor that ends or talks nonsense cannot be mended from this side: the guard starts both
 * processes anew. */
static void on_plain_closed(void *ctx, const char *why)
{
    struct camera *c = ctx;
    dw_log("error", "camera", "descriptor=closed reason=%s", why);
    tell_link(c, false, (struct dw_view){0});
    end(c);
}

/* ---- the link of a signing camera ---- */

static void send_viewers(struct camera *c);

static void send_ask(struct camera *c)
{
    if (!c->is_open || !c->ask.len || dw_now().ms - c->asked_ms > ASK_FRESH_MS)
        return;
    dw_err e = dw_stream_send(c->stream, DW_CAMERA_KIND_ASK, dw_view_of(c->ask.bytes, c->ask.len),
                              (struct dw_view){0}, false);
    if (dw_failed(e))
        dw_log("warn", "camera", "ask=%s", dw_err_name(e));
    else if (!c->has_asked) { /* the camera listens to nothing before the first ask of a link */
        c->has_asked = true;
        send_viewers(c);
    }
}

static void send_viewers(struct camera *c)
{
    if (!c->is_open || !c->has_asked)
        return;
    dw_err e = dw_stream_send(c->stream, DW_CAMERA_KIND_VIEWERS,
                              dw_view_of(c->viewers, c->viewers_len), (struct dw_view){0}, false);
    if (dw_failed(e))
        dw_log("warn", "camera", "viewers=%s", dw_err_name(e));
}

/* What the camera's device key says of the key of this boot. */
static bool read_session(const struct camera *c, struct dw_view object,
                         struct dw_camera_session *ret_said)
{
    struct dw_view payload;
    return !dw_failed(dw_signed_open(&c->device, DW_CONTEXT_CAMERA_SESSION, object, &payload)) &&
           !dw_failed(dw_camera_session_read(payload, ret_said));
}

/* What stands behind the records of a recording, for whoever checks it later: found by the key id
 * that each record carries. */
static void keep_session(const struct camera *c, struct dw_view session)
{
    struct dw_camera_session said;
    struct dw_key key;
    char kid[2 * DW_COSE_KID_BYTES + 1], name[64], path[DW_RECORD_PATH_MAX];
    if (!read_session(c, session, &said))
        return;
    dw_key_from_pub(said.pub, &key);
    dw_hex(key.thumb, DW_COSE_KID_BYTES, kid);
    (void)snprintf(name, sizeof name, "camera-session-%s", kid);
    if (dw_failed(dw_path(path, sizeof path, c->conf.folder, name)) || access(path, F_OK) == 0)
        return;
    if (dw_failed(dw_file_write(path, session, 0600)))
        dw_log("error", "camera", "session=not_stored");
}

static void on_message(void *ctx, struct dw_stream *s, uint8_t kind, struct dw_view body)
{
    struct camera *c = ctx;
    switch (kind) {
    case DW_CAMERA_KIND_HELLO:
        if (body.len > sizeof(((struct dw_ipc_camera_link *)0)->hello)) {
            dw_stream_close(s, "hello too long");
            return;
        }
        c->is_up = true;
        c->back_off_ms = BACK_OFF_MS;
        tell_link(c, true, body);
        keep_session(c, dw_tls_peer_proof(dw_stream_session(s)));
        return;
    case DW_CAMERA_KIND_FRAME: on_signed_frame(c, body); return;
    default: dw_stream_close(s, "unknown kind"); return;
    }
}

static void on_redial(uv_timer_t *timer)
{
    dial(timer->data);
}

static void dial_later(struct camera *c)
{
    if (c->is_ending)
        return;
    uv_timer_start(&c->redial, on_redial, c->back_off_ms, 0);
    c->back_off_ms = c->back_off_ms * 2 < BACK_OFF_MS_MAX ? c->back_off_ms * 2 : BACK_OFF_MS_MAX;
}

static void on_link_closed(void *ctx, struct dw_stream *s, const char *why)
{
    struct camera *c = ctx;
    (void)s;
    bool is_news = c->is_open || strcmp(why, c->closed_why) != 0;
    if (is_news) /* a camera that is away is dialled for hours; it is said once */
        dw_log("warn", "camera", "link=%s reason=\"%s\"", c->is_open ? "closed" : "refused", why);
    (void)snprintf(c->closed_why, sizeof c->closed_why, "%s", why);
    c->stream = NULL;
    c->is_open = false;
    c->has_pset = false; /* sent anew before the next key frame */
    dw_live_pipe_skip(&c->live);
    if (c->is_up)
        tell_link(c, false, (struct dw_view){0});
    c->is_up = false;
    dial_later(c);
}

static void on_open(void *ctx, struct dw_stream *s)
{
    struct camera *c = ctx;
    c->stream = s;
    c->is_open = true;
    dw_log("info", "camera", "link=open");
    c->has_asked = false;
    send_ask(c);
}

static void dial(struct camera *c)
{
    static const struct dw_stream_events events = {on_message, on_link_closed, on_open};
    if (c->is_ending)
        return;
    dw_err e = dw_stream_dial(&c->loop, c->conf.address, DW_CAMERA_LINK_MAX, DIAL_MS, &events, c,
                              &c->stream);
    if (dw_failed(e)) {
        dw_log("error", "camera", "dial=%s", dw_err_name(e));
        dial_later(c);
        return;
    }
    struct dw_seal seal = dw_tls_seal(c->tls);
    dw_stream_seal(c->stream, &seal);
}

/* Is it the session of our camera? */
static bool is_camera(void *ctx, const uint8_t pub[DW_KEY_BYTES], struct dw_view proof)
{
    const struct camera *c = ctx;
    struct dw_camera_session said;
    return read_session(c, proof, &said) && dw_same(said.pub, pub, DW_KEY_BYTES);
}

/* Once: another camera is another process. */
static bool on_link_proof(struct camera *c, const struct dw_ipc_link_proof *m)
{
    if (c->is_plain || c->tls || m->len > sizeof m->proof)
        return false;
    dw_key_from_pub(m->camera_pub, &c->device);
    struct dw_tls_conf conf = {.secret = &c->link_key,
                               .proof = dw_view_of(m->proof, m->len),
                               .alpn = DW_CAMERA_ALPN,
                               .check = is_camera,
                               .ctx = c};
    dw_err e = dw_tls_end_new(&conf, &c->tls);
    if (dw_failed(e)) {
        dw_log("error", "camera", "tls=%s", dw_err_name(e));
        return false;
    }
    dial(c);
    return true;
}

/* ---- from the guard ---- */

union any_message {
    struct dw_ipc_head head;
    struct dw_ipc_bytes bytes;
    struct dw_ipc_record record;
    struct dw_ipc_viewers viewers;
    struct dw_ipc_pipe pipe;
    struct dw_ipc_live live;
    struct dw_ipc_state largest;
    struct dw_ipc_link link;
    struct dw_ipc_link_proof proof;
};

static void on_record_start(struct camera *c, uint64_t visit)
{
    if (c->recorder && visit) {
        dw_recorder_start(c->recorder, visit);
        for (uint32_t i = 0; i < c->ring.count; i++)
            dw_recorder_feed(c->recorder, dw_ring_at(&c->ring, i));
    }
}

static bool on_ipc(struct camera *c, enum dw_ipc_type type, const union any_message *m, int fd)
{
    if (type == DW_IPC_CAMERA_ASK && m->bytes.len && m->bytes.len <= sizeof m->bytes.bytes) {
        c->ask = m->bytes;
        c->asked_ms = dw_now().ms;
        send_ask(c);
    } else if (type == DW_IPC_VIEWERS && m->viewers.count <= DW_VIEWERS_MAX) {
        c->viewers_len = m->viewers.count * sizeof m->viewers.nonce[0];
        memcpy(c->viewers, m->viewers.nonce, c->viewers_len);
        send_viewers(c);
    } else if (type == DW_IPC_LIVE) {
        c->is_dark = m->live.may_pass != 1;
        dw_live_pipe_skip(&c->live); /* begins with a key frame when it may again */
    } else if (type == DW_IPC_RECORD_START) {
        on_record_start(c, m->record.visit);
    } else if (type == DW_IPC_RECORD_STOP) {
        dw_recorder_stop(c->recorder);
    } else if (type == DW_IPC_PIPE && fd >= 0) {
        dw_live_pipe_set(&c->live, fd);
    } else if (type == DW_IPC_LINK_PROOF) {
        return on_link_proof(c, &m->proof);
    } else {
        return false;
    }
    return true;
}

static void on_guard(uv_poll_t *poll, int status, int events)
{
    struct camera *c = poll->data;
    (void)events;
    for (unsigned i = 0; status == 0 && i < IPC_EACH_TURN && !c->is_ending; i++) {
        union any_message m;
        enum dw_ipc_type type;
        int fd = -1;
        dw_err e = dw_ipc_receive(DW_IPC_FD, &m, sizeof m, &type, &fd);
        if (dw_is(e, DW_E_BUSY))
            return;
        if (dw_failed(e) || !on_ipc(c, type, &m, fd)) {
            dw_log("error", "guard", "link=ended result=%s type=%d", dw_err_name(e), (int)type);
            guard_gone(c);
            return;
        }
    }
    if (status != 0)
        guard_gone(c);
}

/* ---- life ---- */

/* The recording is finished before the process ends, whatever the reason. */
static void end(struct camera *c)
{
    if (c->is_ending)
        return;
    c->is_ending = true;
    if (c->stream)
        dw_stream_close(c->stream, "ending");
    dw_plain_close(&c->plain);
    uv_poll_stop(&c->guard);
    uv_stop(&c->loop);
}

static void on_term(uv_signal_t *handle, int number)
{
    (void)number;
    end(handle->data);
}

/* Landlock is in force when a file that everybody may read is refused. */
static bool is_walled_in(void)
{
    int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    bool is_refused = fd < 0 && errno == EACCES;
    if (fd >= 0)
        close(fd);
    return is_refused;
}

static bool conf_is_usable(const struct conf *conf, bool is_plain)
{
    if (!is_plain && strcmp(conf->camera_class, "k2") != 0) {
        (void)fprintf(stderr, "camera.class: 'k2' or 'k0'\n");
        return false;
    }
    if (!is_plain && !conf->address[0]) {
        (void)fprintf(stderr, "camera.address: where is the camera agent?\n");
        return false;
    }
    return true;
}

static dw_err set_up(struct camera *c)
{
    DW_TRY(dw_crypto_init());
    DW_TRY(dw_tls_init());
    dw_secret_new(&c->link_key);
    DW_TRY(dw_folder(c->conf.folder));
    (void)setenv("UV_THREADPOOL_SIZE", "1", 1); /* one look at a time */
    if (uv_loop_init(&c->loop) != 0 || uv_poll_init(&c->loop, &c->guard, DW_IPC_FD) != 0 ||
        uv_timer_init(&c->loop, &c->redial) != 0 || uv_timer_init(&c->loop, &c->retry) != 0 ||
        uv_signal_init(&c->loop, &c->term) != 0)
        return dw_fail(DW_E_IO);
    c->guard.data = c->redial.data = c->retry.data = c->term.data = c;
    dw_live_pipe_init(&c->live, &c->loop);
    DW_TRY(dw_look_init(&c->look, &c->loop));

    const char *const writable[] = {c->conf.folder, NULL};
    struct dw_sandbox box = {DW_SANDBOX_THREADS | DW_SANDBOX_FILES_WRITE, NULL, writable};
    if (!c->is_plain)
        box.flags |= DW_SANDBOX_NET_CONNECT;
    DW_TRY(dw_sandbox_enter(&box));

    static const struct dw_recorder_events events = {on_segment, on_disk, on_stopped};
    struct dw_recorder_conf conf = {
        .root = c->conf.folder,
        .reserve_bytes = c->conf.reserve_bytes,
        .retention_days = c->conf.retention_days,
        .segment_ms = c->conf.segment_ms,
        .trust_system_clock = c->conf.trust_system_clock,
    };
    DW_TRY(dw_recorder_new(&c->loop, &conf, &events, c, &c->recorder));
    struct later ready = {.type = DW_IPC_READY};
    ready.ready.landlock = is_walled_in();
    tell(c, &ready);
    uv_signal_start(&c->term, on_term, SIGTERM);
    uv_poll_start(&c->guard, UV_READABLE, on_guard);
    if (c->is_plain)
        return dw_plain_open(&c->plain, &c->loop, (int)c->conf.fd, on_plain_frame, on_plain_closed,
                             c);
    struct later key = {.type = DW_IPC_LINK_KEY}; /* dialled when it is answered */
    memcpy(key.link_key.pub, c->link_key.key.pub, sizeof key.link_key.pub);
    tell(c, &key);
    return DW_OK;
}

int main(int argc, char **argv)
{
    static struct camera c;
    dw_os_init("hub-camera");
    (void)signal(SIGXFSZ, SIG_IGN); /* a file size limit is a full disk, not an end */
    if (argc != 3 || strcmp(argv[1], "--config") != 0) {
        (void)fprintf(stderr, "usage: doorward-hub-camera --config FILE (started by the guard)\n");
        return 2;
    }
    char why[256];
    if (dw_failed(dw_config_load(settings, DW_ARRAY_COUNT(settings), argv[2], &c.conf, why,
                                 sizeof why))) {
        (void)fprintf(stderr, "%s\n", why);
        return 2;
    }
    c.is_plain = strcmp(c.conf.camera_class, "k0") == 0;
    c.back_off_ms = BACK_OFF_MS;
    if (!conf_is_usable(&c.conf, c.is_plain))
        return 2;
    dw_err e = set_up(&c);
    if (dw_failed(e)) {
        dw_log("error", "start", "result=%s", dw_err_name(e));
        return 1;
    }
    (void)uv_run(&c.loop, UV_RUN_DEFAULT);
    dw_recorder_free(c.recorder);
    dw_live_pipe_close(&c.live);
    dw_ring_clear(&c.ring);
    dw_secret_wipe(&c.link_key);
    dw_log("info", "end", "frames=%llu bad=%llu", (unsigned long long)c.frames,
           (unsigned long long)c.bad);
    return c.is_gone ? 1 : 0;
}
