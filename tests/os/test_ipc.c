#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "hub/ipc.h"

static _Alignas(8) uint8_t room[65536];
static int ends[2];

static int open_pair(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
}

static int close_pair(void **state)
{
    (void)state;
    (void)close(ends[0]);
    (void)close(ends[1]);
    return 0;
}

static dw_err get(enum dw_ipc_type *ret_type, int *ret_fd)
{
    return dw_ipc_receive(ends[1], room, sizeof(room), ret_type, ret_fd);
}

static void every_type_has_a_size_and_comes_through(void **state)
{
    (void)state;
    enum dw_ipc_type type;
    int fd;
    assert_int_equal(dw_ipc_size(DW_IPC_NONE), 0);
    assert_int_equal(dw_ipc_size(DW_IPC_TYPE_COUNT), 0);
    assert_int_equal(dw_ipc_size((enum dw_ipc_type)70000), 0);
    for (unsigned t = DW_IPC_NONE + 1; t < DW_IPC_TYPE_COUNT; t++) {
        static _Alignas(8) uint8_t message[65536];
        size_t size = dw_ipc_size((enum dw_ipc_type)t);
        assert_true(size >= sizeof(struct dw_ipc_head) && size <= sizeof(message));
        if (t == DW_IPC_PIPE)
            continue;
        memset(message, (int)t, size);
        assert_false(dw_failed(dw_ipc_send(ends[0], (enum dw_ipc_type)t, message)));
        assert_false(dw_failed(get(&type, &fd)));
        assert_int_equal(type, t);
        assert_int_equal(fd, -1);
        assert_memory_equal(room, message, size);
    }
    assert_true(dw_is(get(&type, &fd), DW_E_BUSY));
}

static void one_descriptor_travels(void **state)
{
    (void)state;
    struct dw_ipc_pipe pipe_message;
    enum dw_ipc_type type;
    int fd, pair[2];
    assert_int_equal(pipe(pair), 0);
    assert_false(dw_failed(dw_ipc_send_fd(ends[0], DW_IPC_PIPE, &pipe_message, pair[1])));
    assert_false(dw_failed(get(&type, &fd)));
    assert_int_equal(type, DW_IPC_PIPE);
    assert_true(fd >= 0);
    struct stat a, b;
    assert_int_equal(fstat(fd, &a), 0);
    assert_int_equal(fstat(pair[1], &b), 0);
    assert_int_equal(a.st_ino, b.st_ino);
    (void)close(fd);

    /* PIPE without one, and one with another type, are faults of the sender. */
    assert_false(dw_failed(dw_ipc_send(ends[0], DW_IPC_PIPE, &pipe_message)));
    assert_true(dw_is(get(&type, &fd), DW_E_INVALID));
    struct dw_ipc_ready ready = {0};
    assert_false(dw_failed(dw_ipc_send_fd(ends[0], DW_IPC_READY, &ready, pair[1])));
    assert_true(dw_is(get(&type, &fd), DW_E_INVALID));
    assert_int_equal(fd, -1);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

/* A good message, changed by `spoil`, sent raw. */
static void expect_refused(size_t len, void (*spoil)(struct dw_ipc_head *))
{
    static _Alignas(8) uint8_t raw[8192];
    enum dw_ipc_type type;
    int fd;
    struct dw_ipc_disk disk = {.free_bytes = 1};
    assert_false(dw_failed(dw_ipc_send(ends[0], DW_IPC_DISK, &disk)));
    assert_false(dw_failed(get(&type, &fd)));
    memset(raw, 0, sizeof(raw));
    memcpy(raw, room, sizeof(disk));
    struct dw_ipc_head head;
    memcpy(&head, raw, sizeof(head));
    spoil(&head);
    memcpy(raw, &head, sizeof(head));
    assert_int_equal(send(ends[0], raw, len, 0), (ssize_t)len);
    assert_true(dw_is(get(&type, &fd), DW_E_INVALID));
    assert_int_equal(type, DW_IPC_NONE);
    assert_int_equal(fd, -1);
}

static void none(struct dw_ipc_head *h)
{
    (void)h;
}
static void type_zero(struct dw_ipc_head *h)
{
    h->type = 0;
}
static void type_unknown(struct dw_ipc_head *h)
{
    h->type = DW_IPC_TYPE_COUNT;
}
static void type_largest(struct dw_ipc_head *h)
{
    h->type = UINT16_MAX;
}
static void type_of_other_size(struct dw_ipc_head *h)
{
    h->type = DW_IPC_FRAME;
}
static void size_off(struct dw_ipc_head *h)
{
    h->size++;
}
static void build_off(struct dw_ipc_head *h)
{
    h->build_id ^= 1;
}

static void wrong_messages_are_refused(void **state)
{
    (void)state;
    size_t size = sizeof(struct dw_ipc_disk);
    expect_refused(size - 1, none);
    expect_refused(size + 1, none);
    expect_refused(1, none);
    expect_refused(sizeof(struct dw_ipc_head) - 1, none);
    expect_refused(8192, none);
    expect_refused(size, type_zero);
    expect_refused(size, type_unknown);
    expect_refused(size, type_largest);
    expect_refused(size, type_of_other_size);
    expect_refused(size, size_off);
    expect_refused(size, build_off);
}

static void longer_than_the_room_is_refused(void **state)
{
    (void)state;
    struct dw_ipc_link link = {.len = 1};
    _Alignas(8) uint8_t small[64];
    enum dw_ipc_type type;
    int fd;
    assert_false(dw_failed(dw_ipc_send(ends[0], DW_IPC_LINK_IN, &link)));
    assert_true(dw_is(dw_ipc_receive(ends[1], small, sizeof(small), &type, &fd), DW_E_INVALID));
}

static void a_full_socket_is_busy_and_a_closed_one_is_gone(void **state)
{
    (void)state;
    struct dw_ipc_link link = {.len = 1};
    enum dw_ipc_type type;
    int fd;
    dw_err e = DW_OK;
    unsigned sent = 0;
    while (!dw_failed(e = dw_ipc_send(ends[0], DW_IPC_LINK_OUT, &link)))
        assert_true(++sent < 100000);
    assert_true(dw_is(e, DW_E_BUSY));
    assert_true(sent > 0);
    for (unsigned i = 0; i < sent; i++) /* nothing was lost, nothing came twice */
        assert_false(dw_failed(get(&type, &fd)));
    assert_true(dw_is(get(&type, &fd), DW_E_BUSY));
    (void)shutdown(ends[1], SHUT_RDWR);
    assert_true(dw_is(dw_ipc_send(ends[0], DW_IPC_LINK_OUT, &link), DW_E_IO));
    assert_true(dw_is(get(&type, &fd), DW_E_IO));
}

static void every_story_line_has_a_word(void **state)
{
    (void)state;
    for (unsigned i = 0; i < DW_STORY_COUNT; i++)
        assert_string_not_equal(dw_story_word((enum dw_story)i), "?");
    assert_string_equal(dw_story_word(DW_STORY_COUNT), "?");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_pair, close_pair)
    const struct CMUnitTest tests[] = {
        TEST(every_type_has_a_size_and_comes_through),
        TEST(one_descriptor_travels),
        TEST(wrong_messages_are_refused),
        TEST(longer_than_the_room_is_refused),
        TEST(a_full_socket_is_busy_and_a_closed_one_is_gone),
        TEST(every_story_line_has_a_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
