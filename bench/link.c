/* The camera link's TLS: what a frame costs on both ends together, clear and sealed, and what it
 * costs to let a hub in. CPU time of the process, which is both ends, on loopback. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "crypto/tls.h"
#include "os/os.h"
#include "os/stream.h"
#include "wire/camera.h"

#define FRAME_BYTES 12500u /* 2 Mbit/s at 20 frames a second */
#define FRAMES      4000u
#define GREETINGS   400u
#define RUNS        5

static uv_loop_t loop;
static struct dw_stream *dialled;
static unsigned got, opened, over;
static uint8_t frame[FRAME_BYTES];

static void need(bool holds, const char *what)
{
    if (holds)
        return;
    (void)fprintf(stderr, "bench link: %s\n", what);
    exit(1);
}

static double cpu_us(void)
{
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void on_message(void *ctx, struct dw_stream *s, uint8_t kind, struct dw_view body)
{
    (void)ctx;
    (void)s;
    (void)kind;
    need(body.len == FRAME_BYTES, "a frame of another length");
    got++;
}

static void on_closed(void *ctx, struct dw_stream *s, const char *why)
{
    (void)ctx;
    (void)s;
    (void)why;
    over++;
}

static void on_open(void *ctx, struct dw_stream *s)
{
    (void)ctx;
    (void)s;
    opened++;
}

static const struct dw_stream_events events = {on_message, on_closed, on_open};

static bool on_accepted(void *ctx, struct dw_stream *s, const struct dw_stream_events **ret_ev,
                        void **ret_ctx)
{
    (void)ctx;
    (void)s;
    *ret_ev = &events;
    *ret_ctx = NULL;
    return true;
}

static void until(const unsigned *count, unsigned want)
{
    uint64_t end = dw_now().ms + 30000;
    while (*count < want) {
        need(dw_now().ms < end, "it takes too long");
        (void)uv_run(&loop, UV_RUN_ONCE);
    }
}

static void dial(uint16_t port, const struct dw_seal *seal)
{
    char address[32];
    (void)snprintf(address, sizeof address, "127.0.0.1:%u", port);
    need(!dw_failed(
             dw_stream_dial(&loop, address, DW_CAMERA_LINK_MAX, 5000, &events, NULL, &dialled)),
         "cannot dial");
    if (seal)
        dw_stream_seal(dialled, seal);
}

/* CPU microseconds a frame. */
static double frames(uint16_t port, const struct dw_seal *seal)
{
    opened = got = over = 0;
    dial(port, seal);
    until(&opened, seal ? 2 : 1);
    double began = cpu_us();
    for (unsigned i = 1; i <= FRAMES; i++) {
        need(!dw_failed(dw_stream_send(dialled, DW_CAMERA_KIND_FRAME, dw_view_of(frame, 500),
                                       dw_view_of(frame + 500, FRAME_BYTES - 500), true)),
             "cannot send");
        until(&got, i);
    }
    double took = cpu_us() - began;
    dw_stream_close(dialled, "done");
    until(&over, 2);
    return took / FRAMES;
}

/* CPU microseconds until both ends know each other. */
static double greetings(uint16_t port, const struct dw_seal *seal)
{
    double began = cpu_us();
    for (unsigned i = 0; i < GREETINGS; i++) {
        opened = over = 0;
        dial(port, seal);
        until(&opened, 2);
        dw_stream_close(dialled, "done");
        until(&over, 2);
    }
    return (cpu_us() - began) / GREETINGS;
}

static bool is_peer(void *ctx, const uint8_t pub[DW_KEY_BYTES], struct dw_view proof)
{
    (void)proof;
    return dw_same(pub, ctx, DW_KEY_BYTES);
}

static struct dw_tls_end *end_of(const struct dw_secret *own, struct dw_secret *peer)
{
    struct dw_tls_conf conf = {
        .secret = own, .alpn = DW_CAMERA_ALPN, .check = is_peer, .ctx = peer->key.pub};
    struct dw_tls_end *end = NULL;
    need(!dw_failed(dw_tls_end_new(&conf, &end)), "no TLS");
    return end;
}

static int ascending(const void *a, const void *b)
{
    double d = *(const double *)a - *(const double *)b;
    return d < 0 ? -1 : d > 0;
}

static double middle(double *values)
{
    qsort(values, RUNS, sizeof *values, ascending);
    return values[RUNS / 2];
}

int main(void)
{
    struct dw_secret hub, camera;
    struct dw_listener *clear = NULL, *sealed = NULL;
    uint16_t clear_port = 0, sealed_port = 0;
    dw_os_init("bench");
    need(!dw_failed(dw_crypto_init()) && !dw_failed(dw_tls_init()), "no crypto");
    dw_secret_new(&hub);
    dw_secret_new(&camera);
    dw_random(frame, sizeof frame);
    struct dw_seal at_camera = dw_tls_seal(end_of(&camera, &hub));
    struct dw_seal at_hub = dw_tls_seal(end_of(&hub, &camera));
    need(uv_loop_init(&loop) == 0 &&
             !dw_failed(dw_stream_listen(&loop, "127.0.0.1:0", DW_CAMERA_LINK_MAX, on_accepted,
                                         NULL, &clear, &clear_port)) &&
             !dw_failed(dw_stream_listen(&loop, "127.0.0.1:0", DW_CAMERA_LINK_MAX, on_accepted,
                                         NULL, &sealed, &sealed_port)),
         "cannot listen");
    dw_listener_seal(sealed, &at_camera);
    double a[RUNS], b[RUNS], c[RUNS];
    for (int i = 0; i < RUNS; i++) {
        a[i] = frames(clear_port, NULL);
        b[i] = frames(sealed_port, &at_hub);
        c[i] = greetings(sealed_port, &at_hub);
    }
    double plain = middle(a), tls = middle(b);
    printf("{\"name\":\"link.frame_clear\",\"value\":%.1f,\"unit\":\"us\"}\n", plain);
    printf("{\"name\":\"link.frame_tls\",\"value\":%.1f,\"unit\":\"us\",\"ratio\":%.2f}\n", tls,
           tls / plain);
    printf("{\"name\":\"link.greeting\",\"value\":%.0f,\"unit\":\"us\"}\n", middle(c));
    return 0;
}
