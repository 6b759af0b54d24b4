/* doorward-hub-lock as the guard sees it: a real child on descriptor 3, a real lock behind it. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/types.h"
#include "hub/ipc.h"
#include "lock_home.h"
#include "os/os.h"

static struct lock_home home;
static int guard_fd = -1;
static pid_t child;

static union {
    struct dw_ipc_head head;
    struct dw_ipc_bytes bytes;
    struct dw_ipc_link_state link;
    struct dw_ipc_ready ready;
    uint8_t any[65536];
} got;

static void start_child(const char *adapter, const char *settings)
{
    int pair[2];
    const char *bin = getenv("DW_HUB_LOCK_BIN");

    assert_non_null(bin);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (pair[1] == DW_IPC_FD)
            fcntl(DW_IPC_FD, F_SETFD, 0);
        else
            dup2(pair[1], DW_IPC_FD);
        execl(bin, bin, "--adapter", adapter, "--settings", settings, (char *)NULL);
        _exit(127);
    }
    close(pair[1]);
    guard_fd = pair[0];
}

/* -1: it is still running. */
static int child_end(uint32_t ms)
{
    int status = 0;
    if (!AWAIT(waitpid(child, &status, WNOHANG) == child, ms))
        return -1;
    child = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static enum dw_ipc_type next(uint32_t ms)
{
    enum dw_ipc_type type = DW_IPC_NONE;
    int fd = -1;
    struct pollfd p = {.fd = guard_fd, .events = POLLIN};
    if (poll(&p, 1, (int)ms) <= 0 ||
        dw_failed(dw_ipc_receive(guard_fd, &got, sizeof got, &type, &fd)))
        return DW_IPC_NONE;
    if (type == DW_IPC_LOCK_SIGNED)
        assert_true(
            lock_home_take(&home, got.bytes.kind, dw_view_of(got.bytes.bytes, got.bytes.len)));
    return type;
}

static void expect_link(bool is_up, uint32_t ms)
{
    uint64_t until = test_ms() + ms;
    while (test_ms() < until)
        if (next(200) == DW_IPC_LOCK_LINK) {
            assert_int_equal(got.link.is_up, is_up);
            return;
        }
    fail_msg("no link news");
}

static void send_ask(void)
{
    struct dw_ipc_bytes m = {.kind = DW_LOCK_KIND_ASK};
    struct dw_buf b = dw_buf_of(m.bytes, sizeof m.bytes);
    lock_home_ask(&home, &b);
    m.len = (uint16_t)b.len;
    assert_false(dw_failed(dw_ipc_send(guard_fd, DW_IPC_LOCK_ASK, &m)));
}

static bool fresh_status(void)
{
    send_ask();
    uint64_t until = test_ms() + 3000;
    while (test_ms() < until)
        if (next(200) == DW_IPC_LOCK_SIGNED && got.bytes.kind == DW_LOCK_KIND_STATUS &&
            memcmp(home.status.nonce, home.ask_nonce, 32) == 0)
            return true;
    return false;
}

static void send_command(enum dw_lock_action action, uint64_t expires_ms)
{
    struct dw_ipc_lock_command m = {
        .visit = 7, .expires_ms = expires_ms, .action = (uint8_t)action};
    struct dw_buf b = dw_buf_of(m.bytes, sizeof m.bytes);
    lock_home_command(&home, action, action == DW_LOCK_ACTION_RETRACT ? 1000 : 0, &b);
    m.len = (uint16_t)b.len;
    assert_false(dw_failed(dw_ipc_send(guard_fd, DW_IPC_LOCK_COMMAND, &m)));
}

static int set_up(void **state)
{
    char settings[64];
    (void)state;
    lock_home_new(&home);
    if (!lock_home_start(&home))
        return -1;
    snprintf(settings, sizeof settings, "address=127.0.0.1:%u", home.port);
    start_child("reference", settings);
    return next(20000) == DW_IPC_READY ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    if (guard_fd >= 0)
        close(guard_fd);
    guard_fd = -1;
    if (child > 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        child = 0;
    }
    lock_home_free(&home);
    return 0;
}

static void carries_both_ways(void **state)
{
    (void)state;
    expect_link(true, 5000);
    assert_true(fresh_status());
    assert_true(got.bytes.sent_ms <= test_ms() && got.bytes.sent_ms + 5000 > test_ms());
    send_command(DW_LOCK_ACTION_RETRACT, test_ms() + 1000);
    assert_true(AWAIT(home.world->bolt_permille == 0, 3000));
    uint64_t until = test_ms() + 3000;
    while (home.answers == 0 && test_ms() < until)
        (void)next(200);
    assert_int_equal(home.answer.result, DW_LOCK_RESULT_ACCEPTED);
}

static void late_commands_are_dropped(void **state)
{
    (void)state;
    expect_link(true, 5000);
    assert_true(fresh_status());
    send_command(DW_LOCK_ACTION_RETRACT, test_ms() - 1);
    assert_true(fresh_status()); /* in order behind it: the child has seen it */
    assert_true(ALWAYS(home.world->bolt_permille == 1000, 300));
    assert_int_equal(home.answers, 0);
}

static void a_lost_lock_is_news(void **state)
{
    (void)state;
    expect_link(true, 5000);
    assert_true(fresh_status());
    lock_home_end(&home, SIGKILL);
    expect_link(false, 5000);
}

static void ends_with_the_guard(void **state)
{
    (void)state;
    close(guard_fd);
    guard_fd = -1;
    assert_int_equal(child_end(10000), 0);
}

static void a_strange_message_ends_it(void **state)
{
    (void)state;
    assert_int_equal(send(guard_fd, "junk", 4, 0), 4);
    assert_int_not_equal(child_end(10000), -1);
}

static void wrong_settings_are_said(void **state)
{
    (void)state;
    close(guard_fd);
    assert_int_equal(child_end(10000), 0);
    start_child("reference", "address=");
    assert_int_equal(child_end(10000), 2);
    close(guard_fd);
    start_child("telepathy", "");
    assert_int_equal(child_end(10000), 2);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(carries_both_ways),   CASE(late_commands_are_dropped), CASE(a_lost_lock_is_news),
        CASE(ends_with_the_guard), CASE(a_strange_message_ends_it), CASE(wrong_settings_are_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
