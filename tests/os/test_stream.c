#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/os.h"
#include "os/stream.h"

#define MAX_BYTES 100000u
#define WAIT_MS   20000u

/* One listener, one raw client socket: what is written raw is what a hostile peer can write. */
static uv_loop_t loop;
static struct dw_listener *listener;
static uint16_t port;
static unsigned messages, closings, opens, accepts;
static uint8_t last_kind;
static size_t last_len;
static uint32_t last_sum;
static char last_why[64];
static struct dw_stream *last_stream;
static bool is_echo, is_closing_at_message;

static uint32_t sum(struct dw_view v)
{
    uint32_t s = 1;
    for (size_t i = 0; i < v.len; i++)
        s = s * 31 + v.ptr[i];
    return s;
}

static void on_message(void *ctx, struct dw_stream *s, uint8_t kind, struct dw_view body)
{
    (void)ctx;
    messages++;
    last_kind = kind;
    last_len = body.len;
    last_sum = sum(body);
    if (is_echo)
        assert_false(dw_failed(dw_stream_send(s, kind, body, (struct dw_view){0}, false)));
    if (is_closing_at_message)
        dw_stream_close(s, "enough");
}

static void on_closed(void *ctx, struct dw_stream *s, const char *why)
{
    (void)ctx;
    (void)s;
    closings++;
    (void)snprintf(last_why, sizeof(last_why), "%s", why);
}

static void on_open(void *ctx, struct dw_stream *s)
{
    (void)ctx;
    (void)s;
    opens++;
}

static const struct dw_stream_events events = {on_message, on_closed, on_open};

static bool on_accepted(void *ctx, struct dw_stream *s, const struct dw_stream_events **ret_ev,
                        void **ret_ctx)
{
    (void)ctx;
    accepts++;
    last_stream = s;
    *ret_ev = &events;
    *ret_ctx = NULL;
    return true;
}

/* Turns the loop until `*count` reaches `want`; the bound only ends a test that fails. */
static void wait_for(const unsigned *count, unsigned want)
{
    dw_mono until = dw_mono_add(dw_now(), WAIT_MS);
    while (*count < want) {
        if (!dw_mono_before(dw_now(), until))
            fail_msg("waited in vain for %u, have %u", want, *count);
        (void)uv_run(&loop, UV_RUN_NOWAIT);
        (void)usleep(200);
    }
}

static int start(void **state)
{
    (void)state;
    messages = closings = opens = accepts = 0;
    is_echo = is_closing_at_message = false;
    last_why[0] = '\0';
    if (uv_loop_init(&loop) != 0)
        return 1;
    return dw_failed(
        dw_stream_listen(&loop, "127.0.0.1:0", MAX_BYTES, on_accepted, NULL, &listener, &port));
}

static int stop(void **state)
{
    (void)state;
    dw_listener_close(listener);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop); /* fails when a handle was left open */
}

static int raw_client(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static size_t frame(uint8_t *out, uint32_t len, uint8_t kind, size_t body)
{
    uint8_t head[5] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
                       (uint8_t)len, kind};
    memcpy(out, head, sizeof(head));
    for (size_t i = 0; i < body; i++)
        out[5 + i] = (uint8_t)(i * 7);
    return 5 + body;
}

static void send_raw(int fd, const uint8_t *bytes, size_t len)
{
    assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void messages_torn_at_every_byte_arrive(void **state)
{
    (void)state;
    uint8_t bytes[64];
    size_t len = frame(bytes, 11, 3, 10);
    len += frame(bytes + len, 1, 4, 0); /* an empty body is fine */
    for (size_t cut = 1; cut < len; cut++) {
        int fd = raw_client();
        unsigned before = messages;
        send_raw(fd, bytes, cut);
        wait_for(&accepts, (unsigned)cut);
        (void)uv_run(&loop, UV_RUN_NOWAIT);
        send_raw(fd, bytes + cut, len - cut);
        wait_for(&messages, before + 2);
        assert_int_equal(last_kind, 4);
        assert_int_equal(last_len, 0);
        (void)close(fd);
        wait_for(&closings, (unsigned)cut);
        assert_string_equal(last_why, "closed by the other side");
    }
}

static void many_messages_in_one_write_arrive(void **state)
{
    (void)state;
    static uint8_t bytes[1000 * 25];
    size_t len = 0;
    for (int i = 0; i < 1000; i++)
        len += frame(bytes + len, 21, (uint8_t)i, 20);
    int fd = raw_client();
    send_raw(fd, bytes, len);
    wait_for(&messages, 1000);
    assert_int_equal(last_kind, (uint8_t)999);
    (void)close(fd);
    wait_for(&closings, 1);
}

static void zero_and_oversized_lengths_close(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {0, MAX_BYTES + 1, UINT32_MAX, 0x7fffffff};
    for (size_t i = 0; i < DW_ARRAY_COUNT(lengths); i++) {
        uint8_t bytes[16];
        int fd = raw_client();
        send_raw(fd, bytes, frame(bytes, lengths[i], 1, 5));
        wait_for(&closings, (unsigned)i + 1);
        assert_int_equal(messages, 0);
        assert_string_equal(last_why,
                            lengths[i] == 0 ? "message of length 0" : "message too large");
        uint8_t b;
        assert_true(recv(fd, &b, 1, 0) <= 0); /* the other side sees the end */
        (void)close(fd);
    }
}

static void an_end_inside_a_message_is_said(void **state)
{
    (void)state;
    uint8_t bytes[64];
    (void)frame(bytes, 31, 1, 30);
    int fd = raw_client();
    send_raw(fd, bytes, 20);
    (void)close(fd);
    wait_for(&closings, 1);
    assert_int_equal(messages, 0);
    assert_string_equal(last_why, "ended inside a message");
}

static void a_message_of_the_largest_size_arrives_slowly(void **state)
{
    (void)state;
    static uint8_t bytes[5 + MAX_BYTES];
    size_t len = frame(bytes, MAX_BYTES, 9, MAX_BYTES - 1);
    int fd = raw_client();
    for (size_t at = 0; at < len;) {
        size_t piece = len - at < 777 ? len - at : 777;
        send_raw(fd, bytes + at, piece);
        at += piece;
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    }
    wait_for(&messages, 1);
    assert_int_equal(last_len, MAX_BYTES - 1);
    assert_int_equal(last_sum, sum(dw_view_of(bytes + 5, MAX_BYTES - 1)));
    (void)close(fd);
    wait_for(&closings, 1);
}

static void closing_inside_a_message_stops_the_rest(void **state)
{
    (void)state;
    uint8_t bytes[64];
    size_t len = frame(bytes, 2, 1, 1);
    len += frame(bytes + len, 2, 2, 1);
    is_closing_at_message = true;
    int fd = raw_client();
    send_raw(fd, bytes, len);
    wait_for(&closings, 1);
    assert_int_equal(messages, 1);
    assert_string_equal(last_why, "enough");
    (void)close(fd);
}

static void dialled_streams_talk_both_ways(void **state)
{
    (void)state;
    char address[32];
    struct dw_stream *s = NULL;
    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    assert_false(dw_failed(dw_stream_dial(&loop, address, MAX_BYTES, WAIT_MS, &events, NULL, &s)));
    is_echo = false;
    /* Sent before the connection is up: waits in the queue. */
    assert_false(dw_failed(dw_stream_send(s, 7, dw_view_of("ab", 2), dw_view_of("cde", 3), false)));
    wait_for(&opens, 1);
    wait_for(&messages, 1);
    assert_int_equal(last_kind, 7);
    assert_int_equal(last_len, 5);
    assert_int_equal(last_sum, sum(dw_view_of("abcde", 5)));
    int on = 0;
    socklen_t size = sizeof(on);
    uv_os_fd_t fd;
    assert_int_equal(uv_fileno((uv_handle_t *)s, &fd), 0); /* the tcp handle stands first */
    assert_int_equal(getsockopt(fd, 6 /* TCP */, 1 /* TCP_NODELAY */, &on, &size), 0);
    assert_true(on != 0);
    static uint8_t large[MAX_BYTES];
    assert_true(dw_is(dw_stream_send(s, 1, dw_view_of(large, MAX_BYTES), (struct dw_view){0}, true),
                      DW_E_TOO_LARGE));
    dw_stream_close(s, "done");
    assert_true(
        dw_is(dw_stream_send(s, 1, (struct dw_view){0}, (struct dw_view){0}, true), DW_E_IO));
    assert_int_equal(closings, 0); /* never from inside the call */
    wait_for(&closings, 2);
}

static void a_side_that_does_not_read_is_dropped_then_closed(void **state)
{
    (void)state;
    static uint8_t body[MAX_BYTES - 1];
    struct dw_view b = dw_view_of(body, sizeof(body)), none = {0};
    int fd = raw_client();
    wait_for(&accepts, 1);
    struct dw_stream *s = last_stream;
    dw_err e;
    unsigned sent = 0;
    while (!dw_failed(e = dw_stream_send(s, 1, b, none, true)))
        assert_true(++sent < 1000);
    assert_true(dw_is(e, DW_E_BUSY)); /* media: dropped, the stream lives */
    assert_true(dw_stream_queued(s) < 3 * MAX_BYTES);
    sent = 0;
    while (!dw_failed(e = dw_stream_send(s, 1, b, none, false)))
        assert_true(++sent < 10);
    assert_true(dw_is(e, DW_E_IO)); /* commands: a queue that is never read ends */
    wait_for(&closings, 1);
    assert_string_equal(last_why, "the other side does not read");
    (void)close(fd);
}

static void bad_addresses_are_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {"",
                                       ":1",
                                       "127.0.0.1",
                                       "127.0.0.1:",
                                       "127.0.0.1:x",
                                       "localhost:1",
                                       "127.0.0.1:65536",
                                       "127.0.0.1:-1",
                                       "[::1:7",
                                       "[]:7",
                                       "256.0.0.1:7",
                                       "127.0.0.1:000001",
                                       "127.0.0.1 :7"};
    for (size_t i = 0; i < DW_ARRAY_COUNT(rows); i++) {
        struct dw_stream *s = NULL;
        assert_true(
            dw_is(dw_stream_dial(&loop, rows[i], 100, 100, &events, NULL, &s), DW_E_INVALID));
        struct dw_listener *l = NULL;
        assert_true(dw_is(dw_stream_listen(&loop, rows[i], 100, on_accepted, NULL, &l, NULL),
                          DW_E_INVALID));
    }
}

static void a_refused_connection_is_told_once(void **state)
{
    (void)state;
    struct dw_stream *s = NULL;
    /* Port 1 of loopback: nobody listens there. */
    assert_false(dw_failed(dw_stream_dial(&loop, "127.0.0.1:1", 100, WAIT_MS, &events, NULL, &s)));
    wait_for(&closings, 1);
    assert_int_equal(opens, 0);
    for (int i = 0; i < 10; i++)
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(closings, 1);
}

/* [bad input: 1,000 idle connections] They hold no more than their socket, and the one that talks
 * is served. */
static void a_thousand_idle_connections_are_survived(void **state)
{
    (void)state;
    enum { IDLE = 1000 };
    static int fds[IDLE];
    dw_os_init("test"); /* raises the limit of descriptors */
    for (unsigned i = 0; i < IDLE; i++) {
        fds[i] = raw_client();
        if (i % 3 == 0)
            send_raw(fds[i], (const uint8_t[]){0, 0}, 2); /* half a length, then silence */
        wait_for(&accepts, i + 1);
    }
    is_echo = true;
    int fd = raw_client();
    uint8_t bytes[32], back[32];
    size_t len = frame(bytes, 11, 3, 10);
    send_raw(fd, bytes, len);
    wait_for(&messages, 1);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(recv(fd, back, sizeof(back), 0), (ssize_t)len);
    assert_memory_equal(bytes, back, len);
    assert_int_equal(closings, 0);
    (void)close(fd);
    for (unsigned i = 0; i < IDLE; i++)
        (void)close(fds[i]);
    wait_for(&closings, IDLE + 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(messages_torn_at_every_byte_arrive),
        TEST(many_messages_in_one_write_arrive),
        TEST(zero_and_oversized_lengths_close),
        TEST(an_end_inside_a_message_is_said),
        TEST(a_message_of_the_largest_size_arrives_slowly),
        TEST(closing_inside_a_message_stops_the_rest),
        TEST(dialled_streams_talk_both_ways),
        TEST(a_side_that_does_not_read_is_dropped_then_closed),
        TEST(bad_addresses_are_refused),
        TEST(a_refused_connection_is_told_once),
        TEST(a_thousand_idle_connections_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
