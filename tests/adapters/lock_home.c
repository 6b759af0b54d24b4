#include "lock_home.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/signed.h"
#include "os/os.h"

#define START_MS 20000u /* generous: sanitizer builds on a busy machine */

uint64_t test_ms(void)
{
    return dw_now().ms;
}

void test_pause(void)
{
    (void)poll(NULL, 0, 2);
}

static void need(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "lock_home: %s: %s\n", what, strerror(errno));
        abort();
    }
}

static void path_in(const struct lock_home *h, const char *name, char *ret_path, size_t cap)
{
    need(!dw_failed(dw_path(ret_path, cap, h->folder, name)), "path");
}

void lock_home_new(struct lock_home *h)
{
    char path[256];
    const char *tmp = getenv("TMPDIR");

    *h = (struct lock_home){0};
    need(!dw_failed(dw_crypto_init()), "crypto");
    snprintf(h->folder, sizeof h->folder, "%s/doorward-lock-XXXXXX", tmp ? tmp : "/tmp");
    need(mkdtemp(h->folder) != NULL, "temp folder");
    path_in(h, "hub.key", path, sizeof path);
    need(!dw_failed(dw_secret_create(path, &h->hub)), "hub key");
    path_in(h, "hub.key.pub", path, sizeof path);
    need(!dw_failed(dw_key_save(path, &h->hub.key)), "hub public key");
    path_in(h, "world", path, sizeof path);
    h->world = dw_world_open(path, true);
    need(h->world != NULL, "world");
}

static void write_conf(const struct lock_home *h, const char *path)
{
    FILE *f = fopen(path, "w");
    need(f != NULL, "lock.conf");
    fprintf(f,
            "listen = 127.0.0.1:0\nport_file = %s/port\nkey_file = %s/lock.key\n"
            "hub_key_file = %s/hub.key.pub\nstate = %s/state\nworld = %s/world\n"
            "travel_ms = %d\nsettle_ms = %d\nbolt_ms_max = %d\nretry_ms = %d\n"
            "lease_ms_max = %d\n%s",
            h->folder, h->folder, h->folder, h->folder, h->folder, LOCK_HOME_TRAVEL_MS,
            LOCK_HOME_SETTLE_MS, LOCK_HOME_BOLT_MS, LOCK_HOME_RETRY_MS, LOCK_HOME_LEASE_MS,
            h->settings);
    need(fclose(f) == 0, "lock.conf");
}

static bool read_port(struct lock_home *h, const char *path)
{
    unsigned port = 0;
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    bool ok = fscanf(f, "%u", &port) == 1 && port > 0 && port < 65536;
    fclose(f);
    h->port = (uint16_t)port;
    return ok;
}

static bool has_ended(struct lock_home *h)
{
    if (waitpid(h->pid, NULL, WNOHANG) != h->pid)
        return false;
    h->pid = 0;
    return true;
}

bool lock_home_start(struct lock_home *h)
{
    char conf[256], port[256], pub[256];
    const char *bin = getenv("DW_LOCK_BIN");

    need(bin != NULL, "DW_LOCK_BIN must name doorward-lock");
    path_in(h, "lock.conf", conf, sizeof conf);
    path_in(h, "port", port, sizeof port);
    path_in(h, "lock.key.pub", pub, sizeof pub);
    write_conf(h, conf);
    (void)unlink(port);
    h->pid = fork();
    need(h->pid >= 0, "fork");
    if (h->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl(bin, bin, "--config", conf, (char *)NULL);
        _exit(127);
    }
    (void)AWAIT(read_port(h, port) || has_ended(h), START_MS);
    if (h->pid == 0 || !read_port(h, port)) {
        lock_home_end(h, SIGKILL);
        return false;
    }
    need(!dw_failed(dw_key_load(pub, &h->lock)), "the lock's public key");
    return true;
}

int lock_home_end(struct lock_home *h, int sig)
{
    int status = 0;
    if (h->pid <= 0)
        return 0;
    kill(h->pid, sig);
    need(waitpid(h->pid, &status, 0) == h->pid, "waitpid");
    h->pid = 0;
    return status;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *f)
{
    (void)st, (void)kind, (void)f;
    return remove(path);
}

void lock_home_free(struct lock_home *h)
{
    lock_home_end(h, SIGKILL);
    (void)nftw(h->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void lock_home_ask(struct lock_home *h, struct dw_buf *out)
{
    uint8_t bytes[256];
    struct dw_buf payload = dw_buf_of(bytes, sizeof bytes);
    struct dw_lock_ask ask;

    dw_random(h->ask_nonce, sizeof h->ask_nonce);
    memcpy(ask.nonce, h->ask_nonce, sizeof ask.nonce);
    need(
        !dw_failed(dw_lock_ask_write(&ask, &payload)) &&
            !dw_failed(dw_signed_make(&h->hub, DW_CONTEXT_LOCK_ASK, dw_view_of_buf(&payload), out)),
        "ask");
}

void lock_home_sign(const struct dw_secret *key, const struct dw_lock_command *c,
                    struct dw_buf *out)
{
    uint8_t bytes[512];
    struct dw_buf payload = dw_buf_of(bytes, sizeof bytes);

    need(
        !dw_failed(dw_lock_command_write(c, &payload)) &&
            !dw_failed(dw_signed_make(key, DW_CONTEXT_LOCK_COMMAND, dw_view_of_buf(&payload), out)),
        "command");
}

void lock_home_command(struct lock_home *h, enum dw_lock_action action, uint32_t lease_ms,
                       struct dw_buf *out)
{
    if (h->counter < h->status.counter)
        h->counter = h->status.counter;
    struct dw_lock_command c = {.visit = 7,
                                .epoch = h->status.epoch,
                                .action = (uint8_t)action,
                                .counter = ++h->counter,
                                .lease_ms = lease_ms,
                                .dwell_ms = action == DW_LOCK_ACTION_RETRACT ? 60000 : 0};
    memcpy(c.lock_nonce, h->status.lock_nonce, sizeof c.lock_nonce);
    lock_home_sign(&h->hub, &c, out);
}

bool lock_home_take(struct lock_home *h, uint8_t kind, struct dw_view cose)
{
    struct dw_view payload;
    struct dw_lock_status status;
    struct dw_lock_answer answer;

    if (kind == DW_LOCK_KIND_STATUS &&
        !dw_failed(dw_signed_open(&h->lock, DW_CONTEXT_LOCK_STATUS, cose, &payload)) &&
        !dw_failed(dw_lock_status_read(payload, &status))) {
        h->status = status;
        h->statuses++;
        return true;
    }
    if (kind == DW_LOCK_KIND_ANSWER &&
        !dw_failed(dw_signed_open(&h->lock, DW_CONTEXT_LOCK_ANSWER, cose, &payload)) &&
        !dw_failed(dw_lock_answer_read(payload, &answer))) {
        h->answer = answer;
        h->answers++;
        return true;
    }
    h->bad++;
    return false;
}

/* ---- client ---- */

void client_dial(struct lock_client *c, const struct lock_home *h)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(h->port)};
    int one = 1;

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *c = (struct lock_client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    need(c->fd >= 0 && connect(c->fd, (struct sockaddr *)&a, sizeof a) == 0, "dial the lock");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

void client_hang_up(struct lock_client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

bool client_raw(struct lock_client *c, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    while (len > 0) {
        ssize_t n = send(c->fd, p, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

bool client_send(struct lock_client *c, uint8_t kind, struct dw_view body)
{
    uint8_t frame[5 + 2 * DW_LOCK_LINK_MAX];
    uint32_t len = (uint32_t)body.len + 1;

    need(5 + body.len <= sizeof frame, "frame size");
    frame[0] = (uint8_t)(len >> 24);
    frame[1] = (uint8_t)(len >> 16);
    frame[2] = (uint8_t)(len >> 8);
    frame[3] = (uint8_t)len;
    frame[4] = kind;
    memcpy(frame + 5, body.ptr, body.len);
    return client_raw(c, frame, 5 + body.len);
}

int client_next(struct lock_client *c, struct lock_home *h, uint32_t ms)
{
    uint64_t until = test_ms() + ms;

    for (;;) {
        if (c->in_len >= 5) {
            uint32_t len = (uint32_t)c->in[0] << 24 | (uint32_t)c->in[1] << 16 |
                           (uint32_t)c->in[2] << 8 | c->in[3];
            need(len >= 1 && len <= DW_LOCK_LINK_MAX, "frame length from the lock");
            if (c->in_len >= 4 + (size_t)len) {
                int kind = c->in[4];
                lock_home_take(h, (uint8_t)kind, dw_view_of(c->in + 5, len - 1));
                c->in_len -= 4 + (size_t)len;
                memmove(c->in, c->in + 4 + len, c->in_len);
                return kind;
            }
        }
        uint64_t now = test_ms();
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        if (now >= until || poll(&p, 1, (int)(until - now)) == 0)
            return 0;
        ssize_t n = recv(c->fd, c->in + c->in_len, sizeof c->in - c->in_len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        c->in_len += (size_t)n;
    }
}

bool client_ask(struct lock_client *c, struct lock_home *h)
{
    uint8_t bytes[512];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);

    lock_home_ask(h, &b);
    if (!client_send(c, DW_LOCK_KIND_ASK, dw_view_of_buf(&b)))
        return false;
    for (int i = 0; i < 100; i++) {
        int kind = client_next(c, h, 3000);
        if (kind <= 0)
            return false;
        if (kind == DW_LOCK_KIND_STATUS && memcmp(h->status.nonce, h->ask_nonce, 32) == 0)
            return true;
    }
    return false;
}

bool client_answer(struct lock_client *c, struct lock_home *h)
{
    uint32_t before = h->answers;
    uint64_t until = test_ms() + 3000;

    while (h->answers == before) {
        uint64_t now = test_ms();
        if (now >= until || client_next(c, h, (uint32_t)(until - now)) <= 0)
            return false;
    }
    return true;
}

enum dw_lock_result client_command(struct lock_client *c, struct lock_home *h,
                                   enum dw_lock_action action, uint32_t lease_ms)
{
    uint8_t bytes[512];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);

    if (!client_ask(c, h))
        return DW_LOCK_RESULT_NONE;
    lock_home_command(h, action, lease_ms, &b);
    if (!client_send(c, DW_LOCK_KIND_COMMAND, dw_view_of_buf(&b)) || !client_answer(c, h))
        return DW_LOCK_RESULT_NONE;
    return (enum dw_lock_result)h->answer.result;
}
