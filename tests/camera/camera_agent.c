/* tests/camera/camera_agent.c - the camera agent as a process, with this test as its hub.
 *
 * camera_agent PATH-OF-doorward-camera. The hall is small here, so that the test runs beside
 * others. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../media/wire.h"
#include "cases.h"
#include "core/types.h"
#include "crypto/signed.h"
#include "media/h264.h"
#include "media/still.h"
#include "sim/world.h"
#include "wire/camera.h"

#define PATIENCE_MS 15000 /* for what must come; only a broken agent waits that long */
#define FOOTAGE     "/usr/share/doc/opencv-doc/examples/data/vtest.avi"

static const char *program;

struct home {
    char folder[128];
    struct dw_world *world;
    struct dw_secret hub, link; /* `link`: of the hub's process that dials */
    struct dw_tls_end *tls;
    struct dw_key camera, session; /* of the device, of its boot */
    pid_t pid;
    uint16_t port;
};

/* What the hub knows of one frame. */
struct frame {
    struct dw_frame_record record;
    uint8_t chain[32]; /* SHA-256 of the record's bytes: the next one's link */
    uint8_t unit_hash[32];
    bool is_key, has_pset;
    uint32_t viewers;
    uint8_t viewer[DW_VIEWERS_MAX][32];
};

struct message {
    uint8_t kind;
    uint8_t *body; /* inside `in` */
    size_t len;
};

static uint8_t in[DW_CAMERA_LINK_MAX + 8];

/* ---- time and files ------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void nap(void)
{
    struct timespec t = {0, 5000000};
    (void)nanosleep(&t, NULL);
}

static const char *path(const struct home *h, const char *name)
{
    static char text[4][256];
    static unsigned n;
    char *at = text[n++ % 4];
    (void)snprintf(at, sizeof text[0], "%s/%s", h->folder, name);
    return at;
}

static bool is_there(const char *file)
{
    struct stat st;
    return stat(file, &st) == 0 && st.st_size > 0;
}

static void remove_home(struct home *h)
{
    static const char *const names[] = {"state/boot-count", "state",    "world", "camera.key",
                                        "camera.key.pub",   "hub.pub",  "port",  "log",
                                        "camera.conf",      "dump.h264"};
    for (size_t i = 0; i < DW_ARRAY_COUNT(names); i++)
        (void)remove(path(h, names[i]));
    assert_int_equal(rmdir(h->folder), 0);
    dw_tls_end_free(h->tls);
}

/* ---- the agent's life ----------------------------------------------------------------------- */

static void write_config(const struct home *h, const char *extra)
{
    FILE *f = fopen(path(h, "camera.conf"), "w");
    assert_non_null(f);
    (void)fprintf(f,
                  "port_file = %s/port\nkey_file = %s/camera.key\nhub_key_file = %s/hub.pub\n"
                  "state = %s/state\nworld = %s/world\n%s",
                  h->folder, h->folder, h->folder, h->folder, h->folder, extra);
    assert_int_equal(fclose(f), 0);
}

static pid_t spawn(const struct home *h)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nothing behind */
        int log = open(path(h, "log"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        (void)dup2(log, STDERR_FILENO);
        (void)execl(program, program, "--config", path(h, "camera.conf"), (char *)NULL);
        _exit(127);
    }
    return pid;
}

static int end_of(pid_t pid)
{
    int status = 0;
    int64_t until = now_ms() + PATIENCE_MS;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (now_ms() > until) {
            (void)kill(pid, SIGKILL);
            (void)waitpid(pid, &status, 0);
            fail_msg("the agent does not end");
        }
        nap();
    }
    return status;
}

static void start(struct home *h)
{
    (void)remove(path(h, "port"));
    h->pid = spawn(h);
    int64_t until = now_ms() + PATIENCE_MS;
    while (!is_there(path(h, "port"))) {
        assert_true(now_ms() < until);
        assert_int_equal(waitpid(h->pid, NULL, WNOHANG), 0); /* it must not end by itself */
        nap();
    }
    FILE *f = fopen(path(h, "port"), "r");
    unsigned port = 0;
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%u", &port), 1);
    (void)fclose(f);
    h->port = (uint16_t)port;
    assert_int_equal(dw_key_load(path(h, "camera.key.pub"), &h->camera).code, DW_E_OK);
    if (!h->tls) {
        uint8_t said[DW_SESSION_BYTES_MAX];
        struct dw_buf b = wire_hub_link(&h->hub, h->camera.thumb, h->link.key.pub, said);
        h->tls = wire_end(&h->link, dw_view_of_buf(&b), DW_CAMERA_ALPN);
    }
}

static void stop(struct home *h)
{
    (void)kill(h->pid, SIGTERM);
    int status = end_of(h->pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void make_home(struct home *h, const char *extra)
{
    memset(h, 0, sizeof *h);
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(h->folder, sizeof h->folder, "%s/dw-camera-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(h->folder));
    h->world = dw_world_open(path(h, "world"), true);
    assert_non_null(h->world);
    dw_secret_new(&h->hub);
    dw_secret_new(&h->link);
    assert_int_equal(dw_key_save(path(h, "hub.pub"), &h->hub.key).code, DW_E_OK);
    write_config(h, extra);
}

#define SMALL "width = 320\nheight = 200\nfps = 20\nbitrate_kbit = 400\n"

static int set_up(void **state)
{
    struct home *h = malloc(sizeof *h);
    make_home(h, SMALL);
    start(h);
    *state = h;
    return 0;
}

static int tear_down(void **state)
{
    struct home *h = *state;
    stop(h);
    remove_home(h);
    free(h);
    return 0;
}

/* ---- the link ------------------------------------------------------------------------------- */

static struct wire wires[1024]; /* by descriptor; without a session: clear bytes */

static int dial_clear(const struct home *h, int receive_bytes)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    assert_in_range(fd, 0, DW_ARRAY_COUNT(wires) - 1);
    if (receive_bytes > 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(h->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    wires[fd] = (struct wire){.fd = fd};
    return fd;
}

/* With the keys of `end`. -1: the agent will not have it. */
static int try_dial(struct home *h, struct dw_tls_end *end, int receive_bytes)
{
    int fd = dial_clear(h, receive_bytes);
    struct dw_view payload;
    struct dw_camera_session said;
    if (!wire_open(&wires[fd], fd, end, true, PATIENCE_MS))
        return -1;
    /* Once for all frames of the boot: the device key stands behind the session's. */
    assert_int_equal(dw_signed_open(&h->camera, DW_CONTEXT_CAMERA_SESSION,
                                    dw_tls_peer_proof(wires[fd].session), &payload)
                         .code,
                     DW_E_OK);
    assert_int_equal(dw_camera_session_read(payload, &said).code, DW_E_OK);
    dw_key_from_pub(said.pub, &h->session);
    return fd;
}

static int dial_with(struct home *h, int receive_bytes)
{
    int fd = try_dial(h, h->tls, receive_bytes);
    assert_true(fd >= 0);
    return fd;
}

static int dial(struct home *h)
{
    return dial_with(h, 0);
}

static void hang_up(int fd)
{
    if (wires[fd].session)
        wire_close(&wires[fd]);
    else
        (void)close(fd);
    wires[fd] = (struct wire){0};
}

static void send_raw(int fd, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    if (wires[fd].session && len > 0) {
        (void)wire_send(&wires[fd], bytes, len);
        return;
    }
    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* it has closed already: what the tests of bad input want */
        at += n;
        len -= (size_t)n;
    }
}

static void send_message(int fd, uint8_t kind, const void *body, size_t len)
{
    uint8_t out[8192];
    uint32_t size = htonl((uint32_t)len + 1);
    assert_true(len + 5 <= sizeof out);
    memcpy(out, &size, 4);
    out[4] = kind;
    if (len > 0)
        memcpy(out + 5, body, len);
    send_raw(fd, out, len + 5);
}

static struct dw_buf make_ask(const struct dw_secret *by, enum dw_context context, uint64_t visit,
                              bool want_key, uint8_t ret_nonce[32], uint8_t *bytes, size_t cap)
{
    struct dw_camera_ask ask = {.visit = visit, .want_key_frame = want_key};
    uint8_t payload[128];
    struct dw_buf p = dw_buf_of(payload, sizeof payload), out = dw_buf_of(bytes, cap);
    dw_random(ret_nonce, 32);
    memcpy(ask.nonce, ret_nonce, 32);
    assert_int_equal(dw_camera_ask_write(&ask, &p).code, DW_E_OK);
    assert_int_equal(dw_signed_make(by, context, dw_view_of_buf(&p), &out).code, DW_E_OK);
    return out;
}

static void ask(const struct home *h, int fd, uint64_t visit, bool want_key, uint8_t ret_nonce[32])
{
    uint8_t bytes[512];
    struct dw_buf b =
        make_ask(&h->hub, DW_CONTEXT_CAMERA_ASK, visit, want_key, ret_nonce, bytes, sizeof bytes);
    send_message(fd, DW_CAMERA_KIND_ASK, b.ptr, b.len);
}

/* 1: all read, 0: the other side has closed, -1: nothing (or not all) came in time. */
static int read_all(int fd, uint8_t *to, size_t len, int64_t until)
{
    while (len > 0) {
        ssize_t n =
            wires[fd].session ? wire_recv(&wires[fd], to, len) : recv(fd, to, len, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) {
            struct pollfd p = {fd, POLLIN, 0};
            int64_t left = until - now_ms();
            if (left <= 0 || poll(&p, 1, (int)left) <= 0)
                return -1;
            continue;
        }
        if (n <= 0)
            return 0;
        to += n;
        len -= (size_t)n;
    }
    return 1;
}

static int next_message(int fd, int64_t until, struct message *ret_m)
{
    uint8_t head[5];
    int r = read_all(fd, head, sizeof head, until);
    if (r != 1)
        return r;
    uint32_t len =
        (uint32_t)head[0] << 24 | (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3];
    assert_true(len >= 1 && len <= DW_CAMERA_LINK_MAX);
    *ret_m = (struct message){head[4], in, len - 1};
    return read_all(fd, in, len - 1, until);
}

/* Reads and checks all that a frame says about itself; `hub_nonce` NULL: the echo is not checked.
 */
static void take_frame(struct home *h, const struct message *m, struct frame *ret)
{
    struct dw_frame_parts parts;
    struct dw_view payload;
    struct dw_au_info au;
    assert_int_equal(m->kind, DW_CAMERA_KIND_FRAME);
    assert_int_equal(dw_frame_parts_read(dw_view_of(m->body, m->len), &parts).code, DW_E_OK);
    assert_int_equal(dw_signed_open(&h->session, DW_CONTEXT_FRAME, parts.record, &payload).code,
                     DW_E_OK);
    memset(ret, 0, sizeof *ret);
    assert_int_equal(dw_frame_record_read(payload, &ret->record).code, DW_E_OK);
    assert_int_equal(dw_au_inspect(parts.access_unit, &au).code, DW_E_OK);
    assert_memory_equal(au.au_hash, ret->record.au_hash, 32);
    if (au.is_key) {
        assert_true(au.has_pset); /* a viewer may begin here */
        assert_memory_equal(au.pset_hash, ret->record.pset_hash, 32);
    }
    dw_sha256(parts.record, ret->chain);
    ret->is_key = au.is_key;
    ret->viewers = (uint32_t)(parts.viewers.len / 32);
    memcpy(ret->viewer, parts.viewers.ptr, parts.viewers.len);
    assert_true(ret->record.t_exp_us >= ret->record.t_rx_us);
    assert_true(ret->record.seq >= 1);
}

static bool has_echo(const struct frame *f, const uint8_t nonce[32])
{
    uint8_t want[32];
    dw_sha256_2(dw_view_of(nonce, 32), dw_view_of(f->viewer, 32 * (size_t)f->viewers), want);
    return memcmp(want, f->record.echo, 32) == 0;
}

static void next_frame(struct home *h, int fd, struct frame *ret)
{
    struct message m;
    int r = next_message(fd, now_ms() + PATIENCE_MS, &m);
    if (r != 1)
        fail_msg("no frame: %s", r == 0 ? "the agent has closed" : "nothing came");
    take_frame(h, &m, ret);
}

/* Dials, asks, checks the hello. */
static int begin(struct home *h, uint8_t ret_nonce[32], struct dw_camera_hello *ret_hello)
{
    struct message m;
    struct dw_view payload;
    int fd = dial(h);
    ask(h, fd, 7, false, ret_nonce);
    assert_int_equal(next_message(fd, now_ms() + PATIENCE_MS, &m), 1);
    assert_int_equal(m.kind, DW_CAMERA_KIND_HELLO);
    assert_int_equal(
        dw_signed_open(&h->session, DW_CONTEXT_CAMERA_HELLO, dw_view_of(m.body, m.len), &payload)
            .code,
        DW_E_OK);
    assert_int_equal(dw_camera_hello_read(payload, ret_hello).code, DW_E_OK);
    assert_memory_equal(ret_hello->nonce, ret_nonce, 32);
    return fd;
}

/* ---- what must hold ------------------------------------------------------------------------- */

static void test_frames_prove_themselves(void **state)
{
    struct home *h = *state;
    uint8_t nonce[32];
    struct dw_camera_hello hello;
    struct frame f, before;
    int fd = begin(h, nonce, &hello);
    assert_int_equal(hello.camera_class, DW_CAMERA_K2);
    assert_int_equal(hello.width_px, 320);
    assert_int_equal(hello.height_px, 200);
    assert_int_equal(hello.fps, 20);
    assert_int_equal(hello.boot_count, 1);

    next_frame(h, fd, &before);
    assert_true(before.is_key);
    assert_int_equal(before.record.seq, 1);
    uint8_t first[32];
    dw_sha256(dw_view_of(hello.boot_seed, sizeof hello.boot_seed), first);
    assert_memory_equal(before.record.chain, first, 32);
    unsigned keys = 1;
    for (int i = 0; i < 50; i++) {
        next_frame(h, fd, &f);
        assert_int_equal(f.record.seq, before.record.seq + 1);
        assert_memory_equal(f.record.chain, before.chain, 32);
        assert_true(f.record.t_exp_us > before.record.t_exp_us);
        assert_int_equal(f.record.t_rx_us, before.record.t_rx_us);
        assert_true(has_echo(&f, nonce));
        assert_int_equal(f.record.visit, 7);
        assert_int_equal(f.record.boot_count, hello.boot_count);
        assert_memory_equal(f.record.boot_seed, hello.boot_seed, 16);
        assert_string_equal(f.record.software, hello.software);
        assert_int_equal(f.record.tamper, 0);
        assert_int_equal(f.record.still_ms, 0); /* the sensor's noise: never the same twice */
        assert_false(dw_still_is_covered(f.record.luma, f.record.spread));
        keys += f.is_key;
        before = f;
    }
    assert_true(keys >= 3); /* 51 frames at 20 a second, a key frame each second */
    hang_up(fd);
}

static void test_new_nonce_is_echoed_within_a_second(void **state)
{
    struct home *h = *state;
    uint8_t one[32], two[32];
    struct dw_camera_hello hello;
    struct frame f;
    int fd = begin(h, one, &hello);
    next_frame(h, fd, &f);
    uint64_t first_rx_us = f.record.t_rx_us;
    for (int round = 0; round < 5; round++) {
        int64_t asked = now_ms();
        ask(h, fd, 8, false, two);
        unsigned old = 0;
        for (;;) {
            next_frame(h, fd, &f);
            if (has_echo(&f, two))
                break;
            assert_true(has_echo(&f, one)); /* nothing but the one before */
            assert_int_equal(f.record.t_rx_us, first_rx_us);
            old++;
        }
        assert_true(now_ms() - asked < 1000);
        assert_true(old < 20);
        assert_true(f.record.t_rx_us > first_rx_us);
        assert_int_equal(f.record.visit, 8);
        first_rx_us = f.record.t_rx_us;
        memcpy(one, two, 32);
        next_frame(h, fd, &f);
        assert_true(has_echo(&f, two)); /* and never the old one again */
    }
    hang_up(fd);
}

static void test_viewers_are_signed_in(void **state)
{
    struct home *h = *state;
    uint8_t nonce[32], viewer[DW_VIEWERS_MAX][32];
    struct dw_camera_hello hello;
    struct frame f;
    int fd = begin(h, nonce, &hello);
    dw_random(viewer, sizeof viewer);
    static const uint32_t counts[] = {3, DW_VIEWERS_MAX, 1, 0};
    for (size_t i = 0; i < DW_ARRAY_COUNT(counts); i++) {
        send_message(fd, DW_CAMERA_KIND_VIEWERS, viewer, counts[i] * 32);
        int64_t until = now_ms() + 1000;
        do {
            assert_true(now_ms() < until);
            next_frame(h, fd, &f);
            assert_true(has_echo(&f, nonce));
        } while (f.viewers != counts[i]);
        assert_memory_equal(f.viewer, viewer, counts[i] * 32);
    }
    hang_up(fd);
}

static void test_key_frame_on_request(void **state)
{
    struct home *h = *state;
    uint8_t nonce[32];
    struct dw_camera_hello hello;
    struct frame f;
    int fd = begin(h, nonce, &hello);
    for (int round = 0; round < 3; round++) {
        do
            next_frame(h, fd, &f);
        while (!f.is_key);
        for (int i = 0; i < 5; i++) { /* a quarter of a second on: the next is due in three more */
            next_frame(h, fd, &f);
            assert_false(f.is_key);
        }
        ask(h, fd, 7, true, nonce);
        unsigned waited = 0;
        do {
            next_frame(h, fd, &f);
            waited++;
        } while (!f.is_key);
        assert_true(waited <= 8);
    }
    hang_up(fd);
}

static void test_frozen_and_covered_lens(void **state)
{
    struct home *h = *state;
    uint8_t nonce[32];
    struct dw_camera_hello hello;
    struct frame f;
    int fd = begin(h, nonce, &hello);
    next_frame(h, fd, &f);
    uint64_t seq = f.record.seq;

    h->world->lens = DW_LENS_FROZEN;
    int64_t until = now_ms() + PATIENCE_MS;
    do {
        next_frame(h, fd, &f);
        assert_int_equal(f.record.seq, ++seq); /* packets go on, and so do the proofs */
        assert_true(now_ms() < until);
    } while (f.record.still_ms < 2000);
    h->world->lens = DW_LENS_CLEAR;
    do
        next_frame(h, fd, &f);
    while (f.record.still_ms > 0 && now_ms() < until);
    assert_int_equal(f.record.still_ms, 0);

    h->world->lens = DW_LENS_COVERED;
    do
        next_frame(h, fd, &f);
    while (!dw_still_is_covered(f.record.luma, f.record.spread) && now_ms() < until);
    assert_true(dw_still_is_covered(f.record.luma, f.record.spread));
    assert_int_equal(f.record.still_ms, 0); /* a cap over a living sensor is not a frozen picture */
    h->world->lens = DW_LENS_CLEAR;
    do
        next_frame(h, fd, &f);
    while (dw_still_is_covered(f.record.luma, f.record.spread) && now_ms() < until);

    h->world->is_night = 1; /* dark, but neither frozen nor covered */
    for (int i = 0; i < 40; i++) {
        next_frame(h, fd, &f);
        assert_int_equal(f.record.still_ms, 0);
        assert_false(dw_still_is_covered(f.record.luma, f.record.spread));
    }
    hang_up(fd);
}

static void test_power_cut_just_stops(void **state)
{
    struct home *h = *state;
    uint8_t nonce[32];
    struct dw_camera_hello hello;
    struct frame f;
    struct message m;
    int fd = begin(h, nonce, &hello);
    next_frame(h, fd, &f);
    h->world->camera_power = 0;
    int64_t until = now_ms() + PATIENCE_MS;
    int r;
    do { /* what was on its way comes; then silence, and no end of the connection */
        r = next_message(fd, now_ms() + 500, &m);
        assert_int_not_equal(r, 0);
        assert_true(now_ms() < until);
    } while (r == 1);
    ask(h, fd, 7, true, nonce);
    assert_int_equal(next_message(fd, now_ms() + 300, &m), -1); /* unplugged: it hears nothing */
    h->world->camera_power = 1;
    next_frame(h, fd, &f);
    hang_up(fd);
}

static void test_newest_link_of_the_hub_wins(void **state)
{
    struct home *h = *state;
    uint8_t nonce[32], other[32];
    struct dw_camera_hello hello;
    struct frame f;
    struct message m;
    int old = begin(h, nonce, &hello);
    next_frame(h, old, &f);
    int fresh = begin(h, other, &hello);
    int64_t until = now_ms() + PATIENCE_MS;
    while (next_message(old, until, &m) == 1)
        ;
    assert_true(now_ms() < until); /* closed, not silent */
    next_frame(h, fresh, &f);
    assert_true(f.is_key);
    assert_true(has_echo(&f, other));
    hang_up(old);
    hang_up(fresh);
}

/* Strangers may take every socket and say nothing: the hub still gets through. */
static void test_silent_strangers_do_not_keep_the_hub_out(void **state)
{
    struct home *h = *state;
    int silent[24];
    uint8_t nonce[32];
    struct frame f;
    struct message m;
    for (size_t i = 0; i < DW_ARRAY_COUNT(silent); i++)
        silent[i] = dial_clear(h, 0);
    int64_t until = now_ms() + PATIENCE_MS;
    int fd, r;
    do { /* a refused dial makes room for the next one, as the hub's redialling does */
        assert_true(now_ms() < until);
        r = 0;
        fd = try_dial(h, h->tls, 0);
        if (fd < 0)
            continue;
        ask(h, fd, 7, false, nonce);
        r = next_message(fd, until, &m);
        if (r != 1)
            hang_up(fd);
    } while (r != 1);
    next_frame(h, fd, &f);
    hang_up(fd);
    for (size_t i = 0; i < DW_ARRAY_COUNT(silent); i++)
        hang_up(silent[i]);
}

/* ---- bad input ------------------------------------------------------------------------------ */

/* The link ends, and not one byte has come over it. */
static void expect_nothing_and_end(int fd, const char *what)
{
    uint8_t byte;
    if (read_all(fd, &byte, 1, now_ms() + PATIENCE_MS) != 0)
        fail_msg("%s: the agent answered, or did not close", what);
    hang_up(fd);
}

static void test_bad_messages_end_the_link(void **state)
{
    struct home *h = *state;
    struct dw_secret stranger;
    uint8_t nonce[32], bytes[512], big[4096];
    struct frame f;
    struct dw_camera_hello hello;
    dw_secret_new(&stranger);
    dw_random(big, sizeof big);

    int fd = dial(h); /* signed by another key */
    struct dw_buf b =
        make_ask(&stranger, DW_CONTEXT_CAMERA_ASK, 0, false, nonce, bytes, sizeof bytes);
    send_message(fd, DW_CAMERA_KIND_ASK, b.ptr, b.len);
    expect_nothing_and_end(fd, "another key");

    fd = dial(h); /* the right key, another context */
    b = make_ask(&h->hub, DW_CONTEXT_CAMERA_HELLO, 0, false, nonce, bytes, sizeof bytes);
    send_message(fd, DW_CAMERA_KIND_ASK, b.ptr, b.len);
    expect_nothing_and_end(fd, "another context");

    b = make_ask(&h->hub, DW_CONTEXT_CAMERA_ASK, 0, false, nonce, bytes, sizeof bytes);
    for (size_t len = 0; len < b.len; len += 7) { /* cut short */
        fd = dial(h);
        send_message(fd, DW_CAMERA_KIND_ASK, b.ptr, len);
        expect_nothing_and_end(fd, "truncated");
    }
    for (size_t at = 0; at < b.len; at += 11) { /* one bit turned */
        fd = dial(h);
        b.ptr[at] ^= 0x10;
        send_message(fd, DW_CAMERA_KIND_ASK, b.ptr, b.len);
        b.ptr[at] ^= 0x10;
        expect_nothing_and_end(fd, "one bit turned");
    }
    static const size_t sizes[] = {0, 1, 31, 512, 513, 4000};
    for (size_t i = 0; i < DW_ARRAY_COUNT(sizes); i++) { /* garbage of many sizes */
        fd = dial(h);
        send_message(fd, DW_CAMERA_KIND_ASK, big, sizes[i]);
        expect_nothing_and_end(fd, "garbage");
    }
    static const uint8_t kinds[] = {DW_CAMERA_KIND_NONE,
                                    DW_CAMERA_KIND_VIEWERS,
                                    DW_CAMERA_KIND_HELLO,
                                    DW_CAMERA_KIND_FRAME,
                                    5,
                                    255};
    for (size_t i = 0; i < DW_ARRAY_COUNT(kinds); i++) { /* before an ask, or never a hub's */
        fd = dial(h);
        send_message(fd, kinds[i], big, 32);
        expect_nothing_and_end(fd, "wrong kind");
    }
    static const uint8_t heads[][5] = {{0, 0, 0, 0, 1}, {255, 255, 255, 255, 1}, {0, 32, 0, 1, 1}};
    for (size_t i = 0; i < DW_ARRAY_COUNT(heads); i++) { /* lengths of none and of too much */
        fd = dial(h);
        send_raw(fd, heads[i], 5);
        expect_nothing_and_end(fd, "length");
    }
    fd = dial(h); /* a message that never ends: nothing is sent, and after a while it is dropped */
    send_raw(fd, "\0\0\1\0\1abc", 8);
    expect_nothing_and_end(fd, "unfinished");

    static const size_t lists[] = {1, 31, 33, 32 * DW_VIEWERS_MAX + 32};
    for (size_t i = 0; i < DW_ARRAY_COUNT(lists);
         i++) { /* a hub that talks nonsense is dropped too */
        struct message m;
        fd = begin(h, nonce, &hello);
        send_message(fd, DW_CAMERA_KIND_VIEWERS, big, lists[i]);
        int64_t until = now_ms() + PATIENCE_MS;
        while (next_message(fd, until, &m) == 1)
            ;
        assert_true(now_ms() < until);
        hang_up(fd);
    }
    fd = begin(h, nonce, &hello); /* and after all that the hub is served */
    next_frame(h, fd, &f);
    hang_up(fd);
}

static bool log_has(const struct home *h, const char *text);

/* A good ask over a link of these keys: the camera answers nothing and hangs up. */
static void expect_no_entry(struct home *h, const struct dw_secret *by, struct dw_view proof,
                            const char *alpn, const char *what)
{
    struct dw_tls_end *end = wire_end(by, proof, alpn);
    uint8_t nonce[32];
    int fd = try_dial(h, end, 0);
    if (fd >= 0) { /* who dials is through before the camera has looked at its key */
        ask(h, fd, 7, true, nonce);
        expect_nothing_and_end(fd, what);
    }
    dw_tls_end_free(end);
}

static void test_only_the_enrolled_hub_is_let_in(void **state)
{
    struct home *h = *state;
    struct dw_secret stranger, other;
    uint8_t bytes[DW_SESSION_BYTES_MAX], nonce[32], thumb[32] = {1}, any_seed[16] = {0};
    struct dw_camera_hello hello;
    struct frame f;
    dw_secret_new(&stranger);
    dw_secret_new(&other);
    expect_no_entry(h, &h->link, (struct dw_view){0}, DW_CAMERA_ALPN, "nobody vouches");
    expect_no_entry(h, &h->hub, (struct dw_view){0}, DW_CAMERA_ALPN, "the hub's key by itself");
    struct dw_buf b = wire_hub_link(&stranger, h->camera.thumb, h->link.key.pub, bytes);
    expect_no_entry(h, &h->link, dw_view_of_buf(&b), DW_CAMERA_ALPN, "another hub vouches");
    b = wire_hub_link(&h->hub, thumb, h->link.key.pub, bytes);
    expect_no_entry(h, &h->link, dw_view_of_buf(&b), DW_CAMERA_ALPN, "for another camera");
    b = wire_session(&h->hub, &h->link, 1, any_seed, bytes);
    expect_no_entry(h, &h->link, dw_view_of_buf(&b), DW_CAMERA_ALPN, "in another context");
    b = wire_hub_link(&h->hub, h->camera.thumb, h->link.key.pub, bytes);
    expect_no_entry(h, &other, dw_view_of_buf(&b), DW_CAMERA_ALPN, "for another key");
    expect_no_entry(h, &h->link, dw_view_of_buf(&b), "doorward-lock/1", "for another link");
    assert_true(log_has(h, "tls wrong_key"));

    int fd = dial_clear(h, 0); /* the hub's own ask, without TLS */
    ask(h, fd, 7, true, nonce);
    uint8_t said[64];
    int64_t until = now_ms() + PATIENCE_MS;
    ssize_t n;
    do { /* at most an alert comes back */
        struct pollfd p = {fd, POLLIN, 0};
        assert_true(now_ms() < until);
        (void)poll(&p, 1, 100);
        n = recv(fd, said, sizeof said, MSG_DONTWAIT);
        assert_true(n <= 7);
    } while (n > 0 || (n < 0 && errno == EAGAIN));
    hang_up(fd);
    assert_true(log_has(h, "tls not_tls"));

    fd = begin(h, nonce, &hello); /* and the hub, as always */
    next_frame(h, fd, &f);
    hang_up(fd);
}

/* A hub that is served stays served, however many begin a greeting and leave it at that. */
static void test_half_open_greetings_do_not_disturb_the_hub(void **state)
{
    struct home *h = *state;
    uint8_t nonce[32];
    struct dw_camera_hello hello;
    struct frame f;
    int half[40];
    int fd = begin(h, nonce, &hello);
    for (size_t i = 0; i < DW_ARRAY_COUNT(half); i++) {
        half[i] = dial_clear(h, 0);
        send_raw(half[i], "\x16\x03\x01\x02\x00\x01\x00\x01", i % 9);
        next_frame(h, fd, &f);
    }
    for (size_t i = 0; i < DW_ARRAY_COUNT(half); i++)
        hang_up(half[i]);
    ask(h, fd, 7, true, nonce);
    next_frame(h, fd, &f);
    hang_up(fd);
}

static void test_recorded_ask_opens_nothing(void **state)
{
    struct home *h = *state;
    uint8_t nonce[32], bytes[512];
    struct message m;
    struct frame f;
    struct dw_buf b =
        make_ask(&h->hub, DW_CONTEXT_CAMERA_ASK, 0, false, nonce, bytes, sizeof bytes);
    int fd = dial(h);
    send_message(fd, DW_CAMERA_KIND_ASK, b.ptr, b.len);
    assert_int_equal(next_message(fd, now_ms() + PATIENCE_MS, &m), 1); /* the hub itself */
    next_frame(h, fd, &f);
    int replay = dial(h);
    send_message(replay, DW_CAMERA_KIND_ASK, b.ptr, b.len);
    for (int i = 0; i < 20; i++)
        next_frame(h, fd, &f); /* the hub keeps its link for a second... */
    uint8_t byte;
    assert_int_equal(wire_recv(&wires[replay], &byte, 1), -1); /* ...and the copy got nothing */
    assert_int_equal(errno, EAGAIN);
    hang_up(replay);
    hang_up(fd);
}

/* ---- with settings of their own ------------------------------------------------------------- */

static void test_boot_count_grows(void **state)
{
    (void)state;
    struct home h;
    uint8_t nonce[32], seed[16] = {0};
    struct dw_camera_hello hello;
    struct frame f;
    make_home(&h, SMALL);
    for (uint32_t boot = 1; boot <= 3; boot++) {
        start(&h);
        int fd = begin(&h, nonce, &hello);
        assert_int_equal(hello.boot_count, boot);
        assert_memory_not_equal(hello.boot_seed, seed, 16);
        memcpy(seed, hello.boot_seed, 16);
        next_frame(&h, fd, &f);
        assert_int_equal(f.record.seq, 1);
        assert_int_equal(f.record.boot_count, boot);
        hang_up(fd);
        if (boot == 2) { /* power cut instead of an orderly end */
            (void)kill(h.pid, SIGKILL);
            (void)end_of(h.pid);
        } else {
            stop(&h);
        }
    }
    FILE *file =
        fopen(path(&h, "state/boot-count"), "w"); /* damaged: it must not start at 1 again */
    assert_non_null(file);
    (void)fputs("2x\n", file);
    (void)fclose(file);
    h.pid = spawn(&h);
    int status = end_of(h.pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    remove_home(&h);
}

/* A hub that does not read loses frames, never order or proof: a gap in the sequence, then a key
 * frame. */
static void test_slow_reader_loses_frames_only(void **state)
{
    (void)state;
    struct home h;
    uint8_t nonce[32];
    struct dw_camera_hello hello;
    struct message m;
    struct frame f, before;
    make_home(&h, "width = 640\nheight = 400\nfps = 30\nbitrate_kbit = 20000\nencoder = x264\n");
    h.world->is_night = 1; /* more noise, more bytes */
    start(&h);
    int fd = dial_with(&h, 4096);
    ask(&h, fd, 7, false, nonce);
    assert_int_equal(next_message(fd, now_ms() + PATIENCE_MS, &m), 1);
    next_frame(&h, fd, &before);
    /* What is tested is time without reading: both buffers of the connection (some megabytes) and
     * the agent's queue must fill at two megabytes a second. */
    int64_t until = now_ms() + 6000;
    while (now_ms() < until)
        nap();
    bool has_gap = false;
    until = now_ms() + PATIENCE_MS;
    while (!has_gap) {
        assert_true(now_ms() < until);
        next_frame(&h, fd, &f);
        assert_true(f.record.seq > before.record.seq);
        has_gap = f.record.seq != before.record.seq + 1;
        if (has_gap)
            assert_true(f.is_key);
        else
            assert_memory_equal(f.record.chain, before.chain, 32);
        before = f;
    }
    (void)hello;
    hang_up(fd);
    stop(&h);
    remove_home(&h);
}

static bool log_has(const struct home *h, const char *text)
{
    char log[8192];
    FILE *f = fopen(path(h, "log"), "r");
    assert_non_null(f);
    size_t n = fread(log, 1, sizeof log - 1, f);
    (void)fclose(f);
    log[n] = '\0';
    return strstr(log, text) != NULL;
}

static void test_clear_words_when_it_cannot_start(void **state)
{
    (void)state;
    static const struct {
        const char *extra, *words;
        int code;
    } rows[] = {
        {"source = v4l2\ndevice = /dev/video-absent\n", "there is no video device there", 1},
        {"source = v4l2\ndevice = /etc/hostname\n", "there is no video device there", 1},
        {"source = file\nfile = /nonexistent.avi\n", "there is no such file", 1},
        {"source = radio\n", "source=unknown", 1},
        {"width = 321\n", "a multiple of 8", 1},
        {"width = 99999\n", "whole number from 160 to 1920", 2},
        {"no_such_setting = 1\n", "there is no setting", 2},
    };
    struct home h;
    for (size_t i = 0; i < DW_ARRAY_COUNT(rows); i++) {
        make_home(&h, rows[i].extra);
        h.pid = spawn(&h);
        int status = end_of(h.pid);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != rows[i].code ||
            !log_has(&h, rows[i].words))
            fail_msg("%s: status %d", rows[i].extra, status);
        assert_false(is_there(path(&h, "port")));
        remove_home(&h);
    }
    make_home(&h, SMALL); /* no hub enrolled: nobody could ask, so it does not start */
    (void)remove(path(&h, "hub.pub"));
    h.pid = spawn(&h);
    int status = end_of(h.pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    assert_true(log_has(&h, "hub_key_file=unusable"));
    remove_home(&h);
}

/* ---- no sound ------------------------------------------------------------------------------- */

static void test_no_sound(void **state)
{
    struct home *h = *state;
    uint8_t nonce[32];
    struct dw_camera_hello hello;
    struct message m;
    struct dw_frame_parts parts;
    int fd = begin(h, nonce, &hello);
    FILE *dump = fopen(path(h, "dump.h264"), "w");
    assert_non_null(dump);
    for (int i = 0; i < 30; i++) {
        assert_int_equal(next_message(fd, now_ms() + PATIENCE_MS, &m), 1);
        assert_int_equal(m.kind, DW_CAMERA_KIND_FRAME);
        assert_int_equal(dw_frame_parts_read(dw_view_of(m.body, m.len), &parts).code, DW_E_OK);
        assert_int_equal(fwrite(parts.access_unit.ptr, 1, parts.access_unit.len, dump),
                         parts.access_unit.len);
        size_t at = 0;
        struct dw_view nal;
        while (dw_nal_next(parts.access_unit, &at, &nal)) { /* H.264 has no NAL unit for sound */
            unsigned type = dw_nal_type(nal);
            assert_true(type == DW_NAL_SLICE || type == DW_NAL_IDR || type == DW_NAL_SEI ||
                        type == DW_NAL_SPS || type == DW_NAL_PPS || type == DW_NAL_AUD);
        }
    }
    assert_int_equal(fclose(dump), 0);
    hang_up(fd);

    /* The whole list of what is in the pipeline. */
    assert_true(log_has(h, "elements=\"appsink h264parse x264enc appsrc\"") ||
                log_has(h, "elements=\"appsink h264parse openh264enc appsrc\""));
    /* No sound library of any kind is mapped, so no element could have been made. */
    char maps[64], line[512];
    (void)snprintf(maps, sizeof maps, "/proc/%d/maps", (int)h->pid);
    FILE *f = fopen(maps, "r");
    unsigned libraries = 0;
    while (f && fgets(line, sizeof line, f)) {
        static const char *const sound[] = {
            "libasound",          "libpulse",   "pipewire",     "libgstalsa", "libgstpulse",
            "libgstaudiotestsrc", "libgstopus", "libgstvorbis", "libgstfaac", "libgstlame"};
        libraries += strstr(line, ".so") != NULL;
        for (size_t i = 0; i < DW_ARRAY_COUNT(sound); i++)
            if (strstr(line, sound[i]))
                fail_msg("mapped: %s", line);
    }
    if (f) {
        (void)fclose(f);
        assert_true(libraries > 10); /* the list could be read */
    }
    /* And another program's judgement of the stream. */
    if (access("/usr/bin/ffprobe", X_OK) == 0) {
        char command[400], out[256] = "";
        (void)snprintf(
            command, sizeof command,
            "/usr/bin/ffprobe -v error -show_entries stream=codec_type,codec_name -of csv=p=0 "
            "'%s'",
            path(h, "dump.h264"));
        FILE *p = popen(command, "r");
        assert_non_null(p);
        size_t n = fread(out, 1, sizeof out - 1, p);
        out[n] = '\0';
        assert_int_equal(pclose(p), 0);
        assert_string_equal(out, "h264,video\n");
    } else {
        print_message("ffprobe is not installed: its part is left out\n");
    }
}

/* ---- a video file --------------------------------------------------------------------------- */

/* A surveillance camera's footage, with a sound track added: the pictures come, the sound does not.
 */
static void test_file_source(void **state)
{
    (void)state;
    struct home h;
    uint8_t nonce[32];
    struct dw_camera_hello hello;
    struct frame f;
    char extra[512], command[768];
    if (access(FOOTAGE, R_OK) != 0 || access("/usr/bin/ffmpeg", X_OK) != 0)
        skip();
    /* GLib's own table of quarks looks like a leak when plugins with C++ are loaded beside it: in a
     * sanitizer build this one agent is not asked for leaks. */
    (void)setenv("LSAN_OPTIONS", "detect_leaks=0", 1);
    make_home(&h, "");
    (void)snprintf(command, sizeof command,
                   "/usr/bin/ffmpeg -v error -y -i " FOOTAGE
                   " -f lavfi -i sine=440 -t 2 -s 384x288 -c:v mjpeg -q:v 3 -c:a pcm_s16le '%s'",
                   path(&h, "film.avi"));
    assert_int_equal(system(command), 0);
    (void)snprintf(extra, sizeof extra,
                   "source = file\nfile = %s\nwidth = 384\nheight = 288\nfps = 10\n",
                   path(&h, "film.avi"));
    write_config(&h, extra);
    start(&h);
    int fd = begin(&h, nonce, &hello);
    for (int i = 0; i < 45; i++) { /* twice through and on */
        next_frame(&h, fd, &f);
        assert_true(has_echo(&f, nonce));
        assert_false(dw_still_is_covered(f.record.luma, f.record.spread));
        assert_true(f.record.still_ms < 1000);
    }
    assert_string_equal(f.record.software, "doorward-camera 0.1.0 file");
    assert_false(log_has(&h, "audio"));
    hang_up(fd);
    stop(&h);

    (void)snprintf(extra, sizeof extra, "source = file\nfile = %s\n", path(&h, "hub.pub"));
    write_config(&h,
                 extra); /* not a film: it says so and ends, it does not go on without pictures */
    h.pid = spawn(&h);
    int status = end_of(h.pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    assert_true(log_has(&h, "state=failed"));
    (void)unsetenv("LSAN_OPTIONS");
    (void)remove(path(&h, "film.avi"));
    remove_home(&h);
}

#define WITH_AGENT(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv)
{
    if (argc < 2 || dw_failed(dw_crypto_init()))
        return 2;
    program = argv[1];
    const struct CMUnitTest tests[] = {
        WITH_AGENT(test_frames_prove_themselves),
        WITH_AGENT(test_new_nonce_is_echoed_within_a_second),
        WITH_AGENT(test_viewers_are_signed_in),
        WITH_AGENT(test_key_frame_on_request),
        WITH_AGENT(test_frozen_and_covered_lens),
        WITH_AGENT(test_power_cut_just_stops),
        WITH_AGENT(test_newest_link_of_the_hub_wins),
        WITH_AGENT(test_silent_strangers_do_not_keep_the_hub_out),
        WITH_AGENT(test_bad_messages_end_the_link),
        WITH_AGENT(test_only_the_enrolled_hub_is_let_in),
        WITH_AGENT(test_half_open_greetings_do_not_disturb_the_hub),
        WITH_AGENT(test_recorded_ask_opens_nothing),
        WITH_AGENT(test_no_sound),
        cmocka_unit_test(test_boot_count_grows),
        cmocka_unit_test(test_slow_reader_loses_frames_only),
        cmocka_unit_test(test_clear_words_when_it_cannot_start),
        cmocka_unit_test(test_file_source),
    };
    return dw_cases_run(tests, DW_ARRAY_COUNT(tests), argc > 2 ? argv[2] : NULL);
}
