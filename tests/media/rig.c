#include "rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "os/os.h"

struct rig_clip rig_clip;
void (*rig_prepare)(struct rig *r);

uint64_t rig_now_ms(void)
{
    return dw_now().ms;
}

bool rig_shell(char *ret_text, size_t cap, const char *format, ...)
{
    char command[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(command, sizeof command, format, args);
    va_end(args);
    FILE *f = popen(command, "r");
    if (!f)
        return false;
    size_t len = fread(ret_text, 1, cap - 1, f);
    ret_text[len] = 0;
    return pclose(f) == 0;
}

bool rig_clip_make(struct rig_clip *clip)
{
    return rig_clip_load(clip, "ffmpeg -nostdin -v error -f lavfi -i "
                               "'testsrc2=size=320x240:rate=30,noise=alls=8:allf=t' -t 20 -c:v "
                               "libx264 -preset ultrafast -tune zerolatency -threads 1 -b:v 600k "
                               "-x264-params aud=1:repeat-headers=1:keyint=30:min-keyint=30:"
                               "scenecut=0 -pix_fmt yuv420p -f h264 -") &&
           clip->count == 600;
}

bool rig_clip_load(struct rig_clip *clip, const char *command)
{
    size_t cap = 32u * 1024u * 1024u, len = 0;
    clip->bytes = malloc(cap);
    FILE *f = popen(command, "r");
    if (!f || !clip->bytes)
        return false;
    len = fread(clip->bytes, 1, cap, f);
    if (pclose(f) != 0)
        return false;
    /* Units begin with an access unit delimiter. */
    struct dw_view all = dw_view_of(clip->bytes, len), nal;
    size_t offset = 0, begin = 0;
    while (dw_nal_next(all, &offset, &nal)) {
        if (dw_nal_type(nal) != DW_NAL_AUD)
            continue;
        size_t at = (size_t)(nal.ptr - clip->bytes) - 4;
        if (at > begin && clip->count < RIG_UNITS_MAX)
            clip->unit[clip->count++] = dw_view_of(clip->bytes + begin, at - begin);
        begin = at;
    }
    if (clip->count < RIG_UNITS_MAX)
        clip->unit[clip->count++] = dw_view_of(clip->bytes + begin, len - begin);
    return clip->count > 1;
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    if (f) {
        (void)fputs(text, f);
        (void)fclose(f);
    }
}

static bool run_child(struct rig *r, const char *program, const char *more, bool plain,
                      uint64_t file_bytes_max)
{
    char conf[1024], path[256];
    (void)snprintf(conf, sizeof conf,
                   "camera.class = %s\ncamera.address = 127.0.0.1:%u\nrecord.folder = %s\n"
                   "record.reserve_bytes = 1048576\n%s",
                   plain ? "k0" : "k2", r->port, r->recordings, more);
    /* A later line of `more` replaces the default above. */
    if (strstr(more, "record.reserve_bytes")) {
        char *at = strstr(conf, "record.reserve_bytes = 1048576\n");
        memmove(at, at + 31, strlen(at + 31) + 1);
    }
    write_file(r->folder, "camera.conf", conf);
    (void)snprintf(path, sizeof path, "%s/camera.conf", r->folder);
    int guard[2], plain_ends[2] = {-1, -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, guard) != 0 ||
        (plain && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, plain_ends) != 0))
        return false;
    r->pid = fork();
    if (r->pid == 0) {
        int a = fcntl(guard[1], F_DUPFD, 20), b = plain ? fcntl(plain_ends[1], F_DUPFD, 20) : -1;
        (void)dup2(a, 3);
        if (plain)
            (void)dup2(b, 4);
        if (file_bytes_max) {
            struct rlimit limit = {file_bytes_max, file_bytes_max};
            (void)setrlimit(RLIMIT_FSIZE, &limit);
        }
        execl(program, program, "--config", path, (char *)NULL);
        _exit(127);
    }
    close(guard[1]);
    if (plain)
        close(plain_ends[1]);
    r->guard = guard[0];
    r->plain = plain_ends[0];
    r->is_ended = false;
    return r->pid > 0;
}

static bool listen_here(struct rig *r)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    r->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (r->listener < 0 || bind(r->listener, (struct sockaddr *)&at, len) != 0 ||
        listen(r->listener, 8) != 0 || getsockname(r->listener, (struct sockaddr *)&at, &len) != 0)
        return false;
    r->port = ntohs(at.sin_port);
    return true;
}

bool rig_start(struct rig *r, const char *program, const char *more, bool plain,
               uint64_t file_bytes_max)
{
    memset(r, 0, sizeof *r);
    r->guard = r->live = r->listener = r->link.fd = r->plain = -1;
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(r->folder, sizeof r->folder, "%s/dw-media-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(r->folder) || !listen_here(r))
        return false;
    (void)snprintf(r->recordings, sizeof r->recordings, "%s/recordings", r->folder);
    static const uint8_t seed[32] = {7}, device[32] = {8}, hub[32] = {9};
    dw_secret_from_seed(seed, &r->secret);
    dw_secret_from_seed(device, &r->device);
    dw_secret_from_seed(hub, &r->hub);
    memset(r->seed, 5, sizeof r->seed);
    dw_sha256(dw_view_of(r->seed, sizeof r->seed), r->chain);
    r->boot_count = 1;
    uint8_t said[DW_SESSION_BYTES_MAX];
    struct dw_buf proof = wire_session(&r->device, &r->secret, r->boot_count, r->seed, said);
    r->tls = wire_end(&r->secret, dw_view_of_buf(&proof), DW_CAMERA_ALPN);
    if (rig_prepare)
        rig_prepare(r);
    return run_child(r, program, more, plain, file_bytes_max);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

bool rig_restart(struct rig *r, const char *program, const char *more)
{
    close_fd(&r->guard);
    close_fd(&r->live);
    wire_close(&r->link);
    r->ready = 0;
    r->segments = 0;
    return run_child(r, program, more, false, 0);
}

bool rig_wait_end(struct rig *r, int ms)
{
    uint64_t end = rig_now_ms() + (uint64_t)ms;
    while (!r->is_ended && rig_now_ms() < end) {
        if (waitpid(r->pid, &r->status, WNOHANG) == r->pid)
            r->is_ended = true;
        else
            rig_pump(r, 10);
    }
    return r->is_ended;
}

void rig_end(struct rig *r)
{
    if (r->pid > 0 && !r->is_ended) {
        kill(r->pid, SIGTERM);
        if (!rig_wait_end(r, 5000)) {
            kill(r->pid, SIGKILL);
            (void)waitpid(r->pid, &r->status, 0);
        }
    }
    close_fd(&r->guard);
    close_fd(&r->live);
    close_fd(&r->listener);
    wire_close(&r->link);
    dw_tls_end_free(r->tls);
    close_fd(&r->plain);
    char out[64];
    if (strstr(r->folder, "/dw-media-"))
        (void)rig_shell(out, sizeof out, "rm -rf '%s'", r->folder);
}

/* ---- what comes in ---- */

void rig_say_whom(struct rig *r, const uint8_t pub[DW_KEY_BYTES])
{
    struct dw_ipc_link_proof out = {0};
    struct dw_buf said = wire_hub_link(&r->hub, r->device.key.thumb, pub, out.proof);
    memcpy(out.camera_pub, r->device.key.pub, sizeof out.camera_pub);
    out.len = (uint16_t)said.len;
    DW_ASSERT(!dw_failed(dw_ipc_send(r->guard, DW_IPC_LINK_PROOF, &out)));
}

static void take_ipc(struct rig *r)
{
    static _Alignas(8) uint8_t room[8192];
    enum dw_ipc_type type;
    int fd = -1;
    while (r->guard >= 0) {
        dw_err e = dw_ipc_receive(r->guard, room, sizeof room, &type, &fd);
        if (dw_is(e, DW_E_BUSY))
            return;
        if (dw_failed(e)) {
            close_fd(&r->guard);
            return;
        }
        const void *m = room;
        if (type == DW_IPC_READY) {
            r->ready++;
        } else if (type == DW_IPC_LINK_KEY) {
            r->link_keys++;
            if (!r->is_mute)
                rig_say_whom(r, ((const struct dw_ipc_link_key *)m)->pub);
        } else if (type == DW_IPC_FRAME) {
            r->frame = *(const struct dw_ipc_frame *)m;
            r->frames++;
            r->keys += r->frame.is_key;
            r->decoded += r->frame.has_decoded;
        } else if (type == DW_IPC_FRAME_BAD) {
            r->fault = ((const struct dw_ipc_frame_bad *)m)->fault;
            r->bad++;
        } else if (type == DW_IPC_FRAME_UNPROVEN) {
            r->unproven++;
            r->decoded += ((const struct dw_ipc_frame_bad *)m)->has_decoded;
        } else if (type == DW_IPC_CAMERA_LINK) {
            r->hello = *(const struct dw_ipc_camera_link *)m;
            r->links_up += r->hello.is_up;
            r->links_down += !r->hello.is_up;
        } else if (type == DW_IPC_SEGMENT && r->segments < RIG_SEGMENTS_MAX) {
            r->segment[r->segments++] = *(const struct dw_ipc_segment *)m;
        } else if (type == DW_IPC_DISK) {
            r->disks++;
            r->has_room = ((const struct dw_ipc_disk *)m)->has_room;
        }
    }
}

/* The front's side of the live pipe, in few words. */
static void take_live(struct rig *r)
{
    static _Alignas(8) uint8_t room[DW_LIVE_PIECE_MAX];
    for (;;) {
        ssize_t n = recv(r->live, room, sizeof room, MSG_DONTWAIT);
        if (n <= (ssize_t)sizeof(struct dw_live_head))
            return;
        struct dw_live_head head;
        memcpy(&head, room, sizeof head);
        uint32_t len = (uint32_t)n - (uint32_t)sizeof head;
        if (head.offset == 0) {
            r->body_frame = head.frame;
            r->body_len = 0;
        }
        if (head.frame != r->body_frame || head.offset != r->body_len ||
            head.offset + len > head.total || head.total > sizeof r->body) {
            r->torn++;
            continue;
        }
        memcpy(r->body + head.offset, room + sizeof head, len);
        r->body_len += len;
        if (r->body_len == head.total && r->shown_count < RIG_SHOWN_MAX) {
            struct rig_shown *s = &r->shown[r->shown_count++];
            s->head = head;
            dw_sha256(dw_view_of(r->body, r->body_len), s->hash);
        }
    }
}

static void take_messages(struct rig *r)
{
    while (r->in_len >= 5) {
        size_t len =
            (size_t)r->in[0] << 24 | (size_t)r->in[1] << 16 | (size_t)r->in[2] << 8 | r->in[3];
        if (r->in_len < 4 + len)
            return;
        if (r->in[4] == DW_CAMERA_KIND_ASK && len - 1 <= sizeof r->asked) {
            r->asks++;
            r->asked_len = len - 1;
            memcpy(r->asked, r->in + 5, len - 1);
        } else if (r->in[4] == DW_CAMERA_KIND_VIEWERS && len - 1 <= sizeof r->viewers) {
            r->viewer_lists++;
            r->viewers_len = len - 1;
            memcpy(r->viewers, r->in + 5, len - 1);
        }
        memmove(r->in, r->in + 4 + len, r->in_len - 4 - len);
        r->in_len -= 4 + len;
    }
}

/* All that is there: what TLS has taken from the socket, the socket does not tell of again. */
static void take_link(struct rig *r)
{
    ssize_t n;
    while ((n = wire_recv(&r->link, r->in + r->in_len, sizeof r->in - r->in_len)) > 0) {
        r->in_len += (size_t)n;
        take_messages(r);
    }
    if (n == 0 || errno != EAGAIN)
        wire_close(&r->link);
}

void rig_pump(struct rig *r, int ms)
{
    struct pollfd p[3] = {{r->guard, POLLIN, 0},
                          {r->is_live_ignored ? -1 : r->live, POLLIN, 0},
                          {r->link.fd, POLLIN, 0}};
    if (poll(p, 3, ms) <= 0)
        return;
    if (p[0].revents)
        take_ipc(r);
    if (p[1].revents)
        take_live(r);
    if (p[2].revents)
        take_link(r);
}

/* ---- the camera ---- */

int rig_accept_raw(struct rig *r)
{
    uint64_t end = rig_now_ms() + 5000;
    int fd = -1;
    while (fd < 0 && rig_now_ms() < end) {
        struct pollfd p = {r->listener, POLLIN, 0};
        rig_pump(r, 0);
        if (poll(&p, 1, 50) == 1)
            fd = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC);
        struct pollfd q = {fd, POLLRDHUP, 0};
        if (fd >= 0 && poll(&q, 1, 0) == 1) /* it has waited too long and hung up */
            close_fd(&fd);
    }
    return fd;
}

bool rig_accept(struct rig *r)
{
    wire_close(&r->link);
    r->in_len = 0;
    int fd = rig_accept_raw(r);
    if (fd < 0 || !wire_open(&r->link, fd, r->tls, false, 5000))
        return false;
    take_link(r);
    return true;
}

void rig_send_raw(struct rig *r, struct dw_view bytes)
{
    if (r->link.fd >= 0 && bytes.len > 0)
        (void)wire_send(&r->link, bytes.ptr, bytes.len);
}

void rig_send(struct rig *r, uint8_t kind, struct dw_view a, struct dw_view b)
{
    size_t len = 1 + a.len + b.len;
    uint8_t head[5] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
                       (uint8_t)len, kind};
    uint8_t *all = malloc(4 + len);
    DW_ASSERT(all);
    memcpy(all, head, sizeof head);
    if (a.len > 0)
        memcpy(all + 5, a.ptr, a.len);
    if (b.len > 0)
        memcpy(all + 5 + a.len, b.ptr, b.len);
    rig_send_raw(r, dw_view_of(all, 4 + len));
    free(all);
}

void rig_hello(struct rig *r)
{
    static const uint8_t any[40] = {0xd2, 1, 2, 3};
    rig_send(r, DW_CAMERA_KIND_HELLO, dw_view_of(any, sizeof any), (struct dw_view){0});
}

void rig_frame_body(struct rig *r, struct dw_view signed_unit, struct dw_view unit,
                    uint32_t viewers, struct dw_buf *out)
{
    static uint8_t pset[DW_HASH_BYTES];
    struct dw_au_info info;
    struct dw_frame_record record = {
        .boot_count = r->boot_count,
        .software = "rig",
        .visit = 0,
        .seq = ++r->seq,
        .t_rx_us = 1000,
        .t_exp_us = 1000000 + r->next * 1000000 / 30,
        .luma = 100,
        .spread = 40,
    };
    if (!dw_failed(dw_au_inspect(signed_unit, &info))) {
        memcpy(record.au_hash, info.au_hash, sizeof record.au_hash);
        if (info.has_pset)
            memcpy(pset, info.pset_hash, sizeof pset);
    }
    memcpy(record.pset_hash, pset, sizeof pset);
    if (r->no_signed_pset)
        memset(record.pset_hash, 0, sizeof record.pset_hash);
    memcpy(record.boot_seed, r->seed, sizeof r->seed);
    memcpy(record.chain, r->chain, sizeof r->chain);
    uint8_t payload[512], cose[DW_FRAME_RECORD_MAX], nonces[DW_VIEWERS_MAX * 32] = {1};
    struct dw_buf p = dw_buf_of(payload, sizeof payload), s = dw_buf_of(cose, sizeof cose);
    DW_ASSERT(!dw_failed(dw_frame_record_write(&record, &p)));
    DW_ASSERT(!dw_failed(dw_signed_make(&r->secret, DW_CONTEXT_FRAME, dw_view_of_buf(&p), &s)));
    dw_sha256(dw_view_of_buf(&s), r->chain);
    struct dw_frame_parts parts = {dw_view_of_buf(&s), dw_view_of(nonces, viewers * 32u), unit};
    DW_ASSERT(!dw_failed(dw_frame_parts_write(&parts, out)));
    DW_ASSERT(out->cap - out->len >= unit.len);
    memcpy(out->ptr + out->len, unit.ptr, unit.len);
    out->len += unit.len;
}

void rig_send_frame(struct rig *r)
{
    static uint8_t bytes[256 * 1024];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    struct dw_view unit = rig_clip.unit[r->next % rig_clip.count];
    rig_frame_body(r, unit, unit, 0, &b);
    r->next++;
    rig_send(r, DW_CAMERA_KIND_FRAME, dw_view_of_buf(&b), (struct dw_view){0});
}

static void wait_for_turn(struct rig *r)
{
    if (!r->t0_us)
        r->t0_us = dw_now_us() - r->next * 1000000 / 30;
    uint64_t due = r->t0_us + r->next * 1000000 / 30;
    for (uint64_t now = dw_now_us(); now < due; now = dw_now_us())
        rig_pump(r, (int)((due - now) / 1000));
}

void rig_play(struct rig *r, uint32_t frames)
{
    for (uint32_t i = 0; i < frames; i++) {
        wait_for_turn(r);
        rig_pump(r, 0);
        rig_send_frame(r);
    }
}

void rig_play_plain(struct rig *r, uint32_t frames)
{
    for (uint32_t i = 0; i < frames; i++) {
        wait_for_turn(r);
        struct dw_view unit = rig_clip.unit[r->next % rig_clip.count];
        uint64_t us = dw_now_us();
        size_t len = unit.len + 9;
        uint8_t head[13] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
                            (uint8_t)len, r->next % 30 == 0};
        for (int k = 0; k < 8; k++)
            head[5 + k] = (uint8_t)(us >> (56 - 8 * k));
        (void)!send(r->plain, head, sizeof head, MSG_NOSIGNAL);
        (void)!send(r->plain, unit.ptr, unit.len, MSG_NOSIGNAL);
        r->next++;
        rig_pump(r, 0);
    }
}

void rig_tell_record(struct rig *r, bool is_start, uint64_t visit)
{
    struct dw_ipc_record m = {.visit = visit};
    DW_ASSERT(
        !dw_failed(dw_ipc_send(r->guard, is_start ? DW_IPC_RECORD_START : DW_IPC_RECORD_STOP, &m)));
}

void rig_give_pipe(struct rig *r)
{
    int ends[2];
    close_fd(&r->live);
    DW_ASSERT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    struct dw_ipc_pipe m = {0};
    DW_ASSERT(!dw_failed(dw_ipc_send_fd(r->guard, DW_IPC_PIPE, &m, ends[0])));
    close(ends[0]);
    r->live = ends[1];
}
