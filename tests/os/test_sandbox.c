#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "os/os.h"
#include "os/sandbox.h"

#define KILLED 159

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZED 1
#endif
#endif

static char allowed_folder[64], other_folder[64];

/* Enters the sandbox in a child, runs `act`, and returns the exit status. */
static int in_sandbox(uint32_t flags, int (*act)(void))
{
    (void)fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)alarm(20);
        const char *const paths[] = {allowed_folder, NULL};
        struct dw_sandbox box = {.flags = flags, .read_paths = paths, .write_paths = paths};
        if (dw_failed(dw_sandbox_enter(&box)))
            _exit(100);
        _exit(act());
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        return KILLED; /* signals were blocked at that moment: the kernel ends it without a word */
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static bool has_landlock(void)
{
    return syscall(444, NULL, 0, 1u) >= 1;
}

/* What every program does after its start: all of it must go through. */
static int ordinary_life(void)
{
    char *p = malloc(3u << 20);
    if (!p)
        return 1;
    memset(p, 1, 3u << 20);
    free(p);
    if (dw_now().ms == 0 || !dw_utc_is_known(dw_wall(true)))
        return 2;
    uv_loop_t loop;
    uv_timer_t timer;
    uv_async_t async;
    if (uv_loop_init(&loop) != 0 || uv_timer_init(&loop, &timer) != 0 ||
        uv_async_init(&loop, &async, NULL) != 0)
        return 3;
    (void)uv_async_send(&async);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    int pair[2];
    char c = 'x';
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0 || write(pair[0], &c, 1) != 1 ||
        read(pair[1], &c, 1) != 1)
        return 4;
    dw_log("info", "alive", "pid=%d", getpid());
    if (prctl(PR_GET_DUMPABLE) != 0)
        return 5;
    return 0;
}

static int make_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) >= 0 ? 0 : 1;
}

static int make_packet_socket(void)
{
    return socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno == EAFNOSUPPORT ? 0 : 1;
}

static int run_shell(void)
{
    (void)execl("/bin/true", "true", (char *)NULL);
    return 1;
}

static int make_process(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    return child > 0 ? 0 : 1;
}

static int signal_parent(void)
{
    return kill(getppid(), 0) == 0 ? 0 : 1;
}

static int trace_parent(void)
{
    return syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0) == 0 ? 0 : 1;
}

static int write_and_execute(void)
{
    void *p =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p != MAP_FAILED ? 0 : 1;
}

static void *idle(void *arg)
{
    return arg;
}

static int make_thread(void)
{
    pthread_t t;
    return pthread_create(&t, NULL, idle, NULL) == 0 && pthread_join(t, NULL) == 0 ? 0 : 1;
}

static int look_up(void)
{
    struct addrinfo *found = NULL;
    int r = getaddrinfo("localhost", "80", NULL, &found);
    if (r == 0)
        freeaddrinfo(found);
    return r == 0 ? 0 : 1;
}

static int listen_here(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        return 1;
    (void)bind(fd, (struct sockaddr *)&at, sizeof(at)); /* denied by Landlock without the flag */
    return listen(fd, 5) == 0 ? 0 : 1;
}

static int write_in(const char *folder)
{
    char path[128];
    if (dw_failed(dw_path(path, sizeof(path), folder, "file")))
        return 3;
    dw_err e = dw_file_write(path, dw_view_of("x", 1), 0600);
    if (dw_failed(e))
        return dw_is(e, DW_E_DENIED) ? 13 : 4;
    return unlink(path) == 0 ? 0 : 5;
}

static int write_allowed(void)
{
    return write_in(allowed_folder);
}

static int write_other(void)
{
    return write_in(other_folder);
}

static int read_passwords(void)
{
    int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    return fd >= 0 ? 0 : errno;
}

static int chown_to_other(void)
{
    /* Root without capabilities gives nothing away. */
    return geteuid() != 0 || (fchownat(AT_FDCWD, allowed_folder, 12345, 12345, 0) != 0) ? 0 : 1;
}

static const struct {
    const char *name;
    uint32_t flags;
    int (*act)(void);
    int want;
    bool needs_landlock;
} rows[] = {
    {"ordinary life", 0, ordinary_life, 0, false},
    {"ordinary life of a guard", DW_SANDBOX_SPAWN, ordinary_life, 0, false},
    {"no socket", 0, make_socket, KILLED, false},
    {"socket to connect", DW_SANDBOX_NET_CONNECT, make_socket, 0, false},
    {"no packet socket", DW_SANDBOX_NET_CONNECT, make_packet_socket, 0, false},
    {"no listening with connect", DW_SANDBOX_NET_CONNECT, listen_here, KILLED, false},
    {"listening", DW_SANDBOX_NET_LISTEN, listen_here, 0, false},
    {"no program", 0, run_shell, KILLED, false},
    {"no program with threads", DW_SANDBOX_THREADS | DW_SANDBOX_NET_CONNECT, run_shell, KILLED,
     false},
    {"a program", DW_SANDBOX_SPAWN, run_shell, 0, false},
    {"no process", 0, make_process, KILLED, false},
    {"no process with threads", DW_SANDBOX_THREADS, make_process, KILLED, false},
    {"a process", DW_SANDBOX_SPAWN, make_process, 0, false},
    {"no signal to others", DW_SANDBOX_THREADS, signal_parent, KILLED, false},
    {"no reading of others", DW_SANDBOX_THREADS, trace_parent, KILLED, false},
    {"not even for the guard", DW_SANDBOX_SPAWN, trace_parent, KILLED, false},
    {"no thread", 0, make_thread, KILLED, false},
    {"a thread", DW_SANDBOX_THREADS, make_thread, 0, false},
    {"no memory to write and run", 0, write_and_execute, KILLED, false},
    {"names", DW_SANDBOX_NET_CONNECT | DW_SANDBOX_RESOLVE, look_up, 0, false},
    {"no writing", 0, write_allowed, 13, false},
    {"writing", DW_SANDBOX_FILES_WRITE, write_allowed, 0, false},
    {"no writing elsewhere", DW_SANDBOX_FILES_WRITE, write_other, 13, true},
    {"no reading elsewhere", DW_SANDBOX_FILES_WRITE, read_passwords, EACCES, true},
    {"no rights of root", DW_SANDBOX_FILES_WRITE, chown_to_other, 0, false},
};

static void each_row(void **state)
{
    (void)state;
#ifdef IS_SANITIZED
    skip(); /* the sanitizers' own calls are not on the list; the log says "skipped" */
#endif
    unsigned failures = 0;
    for (size_t i = 0; i < DW_ARRAY_COUNT(rows); i++) {
        if (rows[i].needs_landlock && !has_landlock()) {
            print_message("not run, the kernel has no Landlock: %s\n", rows[i].name);
            continue;
        }
        int got = in_sandbox(rows[i].flags, rows[i].act);
        if (got != rows[i].want) {
            print_error("%s: exit %d, want %d\n", rows[i].name, got, rows[i].want);
            failures++;
        }
    }
    assert_int_equal(failures, 0);
}

static int make_folders(void **state)
{
    (void)state;
    (void)snprintf(allowed_folder, sizeof(allowed_folder), "/tmp/dw-box-a-XXXXXX");
    (void)snprintf(other_folder, sizeof(other_folder), "/tmp/dw-box-b-XXXXXX");
    return mkdtemp(allowed_folder) && mkdtemp(other_folder) ? 0 : 1;
}

static int remove_folders(void **state)
{
    (void)state;
    return rmdir(allowed_folder) | rmdir(other_folder);
}

/* The line is the only trace of a violation: it must name the call. */
static void the_call_is_named(void **state)
{
    (void)state;
#ifdef IS_SANITIZED
    skip();
#endif
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    (void)fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        struct dw_sandbox box = {0};
        if (!dw_failed(dw_sandbox_enter(&box)))
            (void)make_socket();
        _exit(1);
    }
    (void)close(ends[1]);
    char out[1024] = "";
    size_t len = 0;
    for (ssize_t n;
         len < sizeof(out) - 1 && (n = read(ends[0], out + len, sizeof(out) - 1 - len)) > 0;)
        len += (size_t)n;
    (void)close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    char want[64];
    (void)snprintf(want, sizeof(want), "error sandbox_violation syscall=%d\n", (int)SYS_socket);
    assert_non_null(strstr(out, want));
    assert_non_null(strstr(out, has_landlock() ? "landlock=yes" : "landlock=no"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_row),
                                       cmocka_unit_test(the_call_is_named)};
    return cmocka_run_group_tests(tests, make_folders, remove_folders);
}
