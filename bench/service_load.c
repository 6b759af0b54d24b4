/* Load for bench/service.mjs: the same POST over keep-alive connections, as fast as answers come or
 * at a steady rate. At a rate, a request's time runs from when it was due, so that waiting in line
 * here counts too.
 *
 *   service_load PORT REQUEST_FILE CONNECTIONS SECONDS RATE
 *
 * REQUEST_FILE is a whole HTTP request; "@@@@@@@@@@@@" in it becomes a number of its own each time.
 * RATE 0: as fast as answers come. Prints one JSON object. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define CONNECTIONS_MAX 512
#define SAMPLES_MAX     4000000u
#define MARK            "@@@@@@@@@@@@"

struct connection {
    uv_tcp_t tcp;
    uv_write_t write;
    char request[8192], answer[65536];
    size_t got;
    uint64_t due_ns;
    bool is_busy;
};

static struct connection connections[CONNECTIONS_MAX];
static unsigned connection_count;
static char request[8192];
static size_t request_len, mark_at;
static uint64_t begin_ns, end_ns, next_due_ns, step_ns, number, done, failed;
static uint32_t *samples_us;
static uv_loop_t *loop;
static uv_timer_t tick;

static void give_up(const char *what)
{
    fprintf(stderr, "service_load: %s\n", what);
    exit(1);
}

static void on_written(uv_write_t *w, int status)
{
    (void)w;
    if (status != 0)
        failed++;
}

static void send_one(struct connection *c, uint64_t due_ns)
{
    memcpy(c->request, request, request_len);
    char text[13];
    (void)snprintf(text, sizeof(text), "%012" PRIu64, number++ % UINT64_C(1000000000000));
    memcpy(c->request + mark_at, text, 12);
    c->due_ns = due_ns;
    c->is_busy = true;
    c->got = 0;
    uv_buf_t buf = uv_buf_init(c->request, (unsigned)request_len);
    if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written) != 0)
        give_up("write failed");
}

/* Hands out what is due to whoever is free. */
static void feed(void)
{
    uint64_t now = uv_hrtime();
    for (unsigned i = 0; i < connection_count; i++) {
        if (connections[i].is_busy || now >= end_ns)
            continue;
        if (step_ns == 0) {
            send_one(&connections[i], now);
        } else if (next_due_ns <= now) {
            send_one(&connections[i], next_due_ns);
            next_due_ns += step_ns;
        }
    }
}

static bool all_idle(void)
{
    for (unsigned i = 0; i < connection_count; i++)
        if (connections[i].is_busy)
            return false;
    return true;
}

/* True when the answer in `c` is whole. */
static bool is_whole(struct connection *c)
{
    c->answer[c->got] = 0;
    const char *end = strstr(c->answer, "\r\n\r\n");
    const char *length = strcasestr(c->answer, "content-length:");
    if (!end || !length || length > end)
        return false;
    return c->got >= (size_t)(end + 4 - c->answer) + strtoull(length + 15, NULL, 10);
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
    (void)hint;
    struct connection *c = h->data;
    buf->base = c->answer + c->got;
    buf->len = sizeof(c->answer) - 1 - c->got;
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    (void)buf;
    struct connection *c = s->data;
    if (n < 0)
        give_up("the service closed a connection");
    c->got += (size_t)n;
    if (!c->is_busy || !is_whole(c))
        return;
    if (strncmp(c->answer, "HTTP/1.1 201", 12) != 0) {
        if (failed++ == 0)
            fprintf(stderr, "service_load: first failure: %.300s\n", c->answer);
    } else if (done < SAMPLES_MAX) {
        samples_us[done++] = (uint32_t)((uv_hrtime() - c->due_ns) / 1000);
    }
    c->is_busy = false;
    feed();
}

static void on_tick(uv_timer_t *t)
{
    (void)t;
    feed();
    if (uv_hrtime() >= end_ns && all_idle())
        uv_stop(loop);
}

static void on_connected(uv_connect_t *r, int status)
{
    if (status != 0)
        give_up("cannot connect");
    struct connection *c = r->handle->data;
    c->is_busy = false;
    (void)uv_tcp_nodelay(&c->tcp, 1);
    (void)uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void connect_all(int port)
{
    struct sockaddr_in to;
    static uv_connect_t asked[CONNECTIONS_MAX];
    (void)uv_ip4_addr("127.0.0.1", port, &to);
    for (unsigned i = 0; i < connection_count; i++) {
        struct connection *c = &connections[i];
        (void)uv_tcp_init(loop, &c->tcp);
        c->tcp.data = c;
        c->is_busy = true;
        if (uv_tcp_connect(&asked[i], &c->tcp, (const struct sockaddr *)&to, on_connected) != 0)
            give_up("cannot connect");
    }
    while (!all_idle())
        (void)uv_run(loop, UV_RUN_ONCE);
}

int main(int argc, char **argv)
{
    if (argc != 6)
        give_up("usage: service_load PORT REQUEST_FILE CONNECTIONS SECONDS RATE");
    FILE *f = fopen(argv[2], "rb");
    request_len = f ? fread(request, 1, sizeof(request) - 1, f) : 0;
    if (f)
        (void)fclose(f);
    const char *mark = strstr(request, MARK);
    connection_count = (unsigned)strtoul(argv[3], NULL, 10);
    if (!mark || connection_count < 1 || connection_count > CONNECTIONS_MAX)
        give_up("no mark in the request, or too many connections");
    mark_at = (size_t)(mark - request);
    double seconds = strtod(argv[4], NULL);
    uint64_t rate = strtoull(argv[5], NULL, 10);
    samples_us = calloc(SAMPLES_MAX, sizeof(*samples_us));
    if (!samples_us)
        give_up("no memory");
    loop = uv_default_loop();
    connect_all((int)strtol(argv[1], NULL, 10));
    number = uv_hrtime() / 1000;
    begin_ns = next_due_ns = uv_hrtime();
    end_ns = begin_ns + (uint64_t)(seconds * 1e9);
    step_ns = rate ? 1000000000u / rate : 0;
    (void)uv_timer_init(loop, &tick);
    (void)uv_timer_start(&tick, on_tick, 1, 1);
    (void)uv_run(loop, UV_RUN_DEFAULT);
    double took = (double)(uv_hrtime() - begin_ns) / 1e9;
    qsort(samples_us, done, sizeof(*samples_us), by_size);
    printf("{\"done\":%" PRIu64 ",\"failed\":%" PRIu64
           ",\"rate\":%.0f,\"p50_ms\":%.2f,\"p99_ms\":%.2f,"
           "\"max_ms\":%.2f}\n",
           done, failed, (double)done / took, done ? samples_us[done / 2] / 1000.0 : 0,
           done ? samples_us[done * 99 / 100] / 1000.0 : 0,
           done ? samples_us[done - 1] / 1000.0 : 0);
    return failed != 0;
}
