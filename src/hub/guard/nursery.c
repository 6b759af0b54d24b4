/* Starts, ends and reaps processes for the guard.
 *
 * A sandbox is inherited by whatever a process starts, and the guard's is tighter than its children
 * can live in. So this small parent stays outside: it holds no key, opens no file, parses nothing
 * but the 12-byte words of the guard, and when the guard dies it ends every child and starts the
 * guard anew. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hub/guard/guard.h"
#include "os/os.h"

#define BACK_OFF_MS_MAX 5000
#define STOP_MS         5000u /* a guard that was told to end has so long */

static const char *const executables[CHILD_COUNT] = {
    [CHILD_FRONT] = "front",   [CHILD_CAMERA] = "hub-camera", [CHILD_RTSP] = "hub-rtsp",
    [CHILD_LOCK] = "hub-lock", [CHILD_ALERT] = "hub-alert",
};

struct nursery {
    pid_t child[CHILD_COUNT], guard;
    char state_run[300]; /* where the guard has put the children's settings */
    bool verbose;
};

/* Without the blanks at the end, as os/config.c reads it. */
static size_t text_len(const char *text)
{
    size_t len = strlen(text);
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        len--;
    return len;
}

static void run_child(enum child_name name, const char *folder, int fd3, int fd4)
{
    char path[512], conf[600];
    static const char *const confs[CHILD_COUNT] = {"front.conf", "camera.conf", "rtsp.conf",
                                                   "lock.conf", "alert.conf"};
    /* Own copies above the fixed numbers first, so that neither overwrites the other. */
    int three = fd3 >= 0 ? dup(fd3) : -1, four = fd4 >= 0 ? dup(fd4) : -1;
    while (three >= 0 && three < 10)
        three = dup(three);
    while (four >= 0 && four < 10)
        four = dup(four);
    if (three >= 0)
        dup2(three, 3);
    if (four >= 0)
        dup2(four, 4);
    for (int fd = 5; fd < 256; fd++)
        close(fd);
    if (fd4 < 0)
        close(4);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (dw_failed(dw_libexec(executables[name], path, sizeof path)) ||
        dw_failed(dw_path(conf, sizeof conf, folder, confs[name])))
        _exit(127);
    execl(path, path, "--config", conf, (char *)NULL);
    _exit(127);
}

static pid_t start_guard(const char *config_path, bool verbose, int *ret_fd)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    char self[512];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0)
        return -1;
    self[n] = 0;
    pid_t pid = fork();
    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int fd = dup(pair[1]); /* without close-on-exec */
        char number[16];
        snprintf(number, sizeof number, "%d", fd);
        execl(self, self, "--config", config_path, "--nursery", number,
              verbose ? "--verbose" : (char *)NULL, (char *)NULL);
        _exit(127);
    }
    close(pair[1]);
    *ret_fd = pair[0];
    return pid;
}

/* One word of the guard, with up to two descriptors for the child. Returns false when it is gone.
 */
static bool serve(struct nursery *n, int fd)
{
    struct nursery_word w;
    union {
        char room[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec v = {&w, sizeof w};
    struct msghdr m = {.msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = control.room,
                       .msg_controllen = sizeof control.room};
    ssize_t got = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
    if (got <= 0)
        return false;
    int fds[2] = {-1, -1};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(c), (count > 2 ? 2 : count) * sizeof(int));
    }
    if (got == (ssize_t)sizeof w && w.name < CHILD_COUNT) {
        if (w.word == NURSERY_START && n->child[w.name] == 0) {
            pid_t pid = fork();
            if (pid == 0)
                run_child((enum child_name)w.name, n->state_run, fds[0], fds[1]);
            if (pid > 0) {
                n->child[w.name] = pid;
            } else { /* no more processes: the guard tries again later */
                struct nursery_word ended = {NURSERY_ENDED, w.name, -1};
                (void)!send(fd, &ended, sizeof ended, MSG_NOSIGNAL | MSG_DONTWAIT);
            }
        } else if (w.word == NURSERY_KILL && n->child[w.name] > 0) {
            kill(n->child[w.name], SIGKILL);
        }
    }
    for (size_t i = 0; i < 2; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    return true;
}

/* Reaps what has ended; tells the guard. True when the guard itself has, with `*ret_status`. */
static bool reap(struct nursery *n, int fd, int *ret_status)
{
    bool guard_ended = false;
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == n->guard) {
            guard_ended = true;
            *ret_status = status;
            continue;
        }
        for (uint32_t i = 0; i < CHILD_COUNT; i++) {
            if (n->child[i] == pid) {
                n->child[i] = 0;
                struct nursery_word w = {NURSERY_ENDED, i, status};
                (void)!send(fd, &w, sizeof w, MSG_NOSIGNAL | MSG_DONTWAIT);
            }
        }
    }
    return guard_ended;
}

static void end_all(struct nursery *n)
{
    for (size_t i = 0; i < CHILD_COUNT; i++) {
        if (n->child[i] > 0) {
            kill(n->child[i], SIGKILL);
            waitpid(n->child[i], NULL, 0);
            n->child[i] = 0;
        }
    }
}

int nursery_run(const char *config_path, bool verbose)
{
    struct nursery n = {.verbose = verbose};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0)
        return 1;
    /* The guard writes the children's settings into <state>/run; this only needs the folder's name.
     */
    char line[1024];
    FILE *f = fopen(config_path, "re");
    if (!f) {
        fprintf(stderr, "doorward hub: cannot open '%s': %s\n", config_path, strerror(errno));
        return 2;
    }
    while (fgets(line, sizeof line, f)) {
        char value[256];
        if (n.state_run[0] == 0 && sscanf(line, " state = %255[^\r\n]", value) == 1)
            snprintf(n.state_run, sizeof n.state_run, "%.*s/run", (int)text_len(value), value);
    }
    fclose(f);

    int wait_ms = 50;
    for (;;) {
        int fd = -1, status = 0;
        uint64_t began = dw_now().ms, stop_by = 0;
        n.guard = start_guard(config_path, verbose, &fd);
        bool stop = false, ended = n.guard < 0; /* no more processes: again later */
        while (!ended) {
            struct pollfd p[2] = {{fd, POLLIN, 0}, {signals, POLLIN, 0}};
            if (poll(p, 2, stop ? 500 : -1) < 0 && errno != EINTR)
                break;
            if (stop && dw_now().ms >= stop_by)
                kill(n.guard, SIGKILL); /* stopped or stuck: what it wrote is durable */
            struct signalfd_siginfo info;
            while (read(signals, &info, sizeof info) == (ssize_t)sizeof info) {
                if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) {
                    stop_by = stop ? stop_by : dw_now().ms + STOP_MS;
                    stop = true;
                    kill(n.guard, SIGTERM);
                }
            }
            if (p[0].revents && !serve(&n, fd))
                p[0].revents = 0;
            ended = reap(&n, fd, &status);
            if (!ended && (p[0].revents & POLLHUP)) {
                waitpid(n.guard, &status, 0);
                ended = true;
            }
        }
        end_all(&n); /* no authority survives the guard */
        if (fd >= 0)
            close(fd);
        if (stop)
            return 0;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
            return 2; /* settings are wrong: starting again would not help */
        dw_log("error", "guard", "ended=%d again_ms=%d", status, wait_ms);
        if (dw_now().ms - began > 60000)
            wait_ms = 50;
        struct pollfd p = {signals, POLLIN, 0};
        uint64_t until = dw_now().ms + (uint64_t)wait_ms;
        while (dw_now().ms < until && !stop) {
            struct signalfd_siginfo info;
            if (poll(&p, 1, (int)(until - dw_now().ms)) > 0 &&
                read(signals, &info, sizeof info) == (ssize_t)sizeof info &&
                (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT))
                stop = true;
        }
        if (stop)
            return 0;
        wait_ms = wait_ms * 2 > BACK_OFF_MS_MAX ? BACK_OFF_MS_MAX : wait_ms * 2;
    }
}
