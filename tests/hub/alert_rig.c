/* A stand-in for the guard around a real doorward-hub-alert, led line by line from a test script.
 *
 *   alert_rig ALERT CONFIG
 *
 * Commands: state [key=number|text]...   story KIND VALUE VALUE2 VISIT [AGE_MS]   who VISIT
 * IS_OWNER VISITOR AGENCY   job NUMBER NEWS STATE NEEDS_YES MODE [LEFT_S]   set WORD CHANNEL MEMBER
 * LANG ENDPOINT [P256DH AUTH, in hexadecimal] garbage N (bytes on its socket)   quit
 *
 * What it sees goes to stdout, one line each: ready, key HEX, done MEMBER CHANNEL DELIVERED GONE
 * STATUS MS ENDPOINT, ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "hub/ipc.h"
#include "os/os.h"

static int guard_fd = -1;
static pid_t child;
static struct dw_ipc_state state = {.camera = DW_CAMERA_LIVE,
                                    .battery_pct = 80,
                                    .is_link_up = 1,
                                    .has_room = 1,
                                    .is_clock_sure = 1,
                                    .camera_mode = DW_MODE_ON};
static uint64_t story_number;

static void fatal(const char *what)
{
    fprintf(stderr, "alert_rig: %s: %s\n", what, strerror(errno));
    if (child > 0)
        kill(child, SIGKILL);
    exit(1);
}

static void send_child(enum dw_ipc_type type, void *m)
{
    if (dw_failed(dw_ipc_send(guard_fd, type, m)))
        fprintf(stderr, "alert_rig: type %d was not taken\n", (int)type);
}

static void ended(void)
{
    int status = 0;
    kill(child, SIGTERM);
    waitpid(child, &status, 0);
    printf("ended %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
    fflush(stdout);
    exit(0);
}

static void on_child(void)
{
    for (;;) {
        static union {
            struct dw_ipc_head head;
            struct dw_ipc_ready ready;
            struct dw_ipc_alert_done done;
            uint8_t room[8192];
        } in;
        enum dw_ipc_type type;
        int fd;
        dw_err e = dw_ipc_receive(guard_fd, &in, sizeof in, &type, &fd);
        if (dw_is(e, DW_E_BUSY))
            return;
        if (dw_failed(e))
            ended();
        char hex[2 * 65 + 1];
        if (type == DW_IPC_READY) {
            printf("ready\n");
        } else if (type == DW_IPC_ALERT_DONE && in.done.vapid_pub[0]) {
            dw_hex(in.done.vapid_pub, 65, hex);
            printf("key %s\n", hex);
        } else if (type == DW_IPC_ALERT_DONE) {
            printf("done %u %u %u %u %u %u %s\n", in.done.member, in.done.channel,
                   in.done.is_delivered, in.done.is_gone, in.done.status, in.done.took_ms,
                   in.done.endpoint);
        } else {
            printf("unexpected %d\n", (int)type);
        }
        fflush(stdout);
    }
}

static void set_state(char *words)
{
    static const struct {
        const char *key;
        size_t offset, size;
    } fields[] = {
#define FIELD(name) {#name, offsetof(struct dw_ipc_state, name), sizeof state.name}
        FIELD(visit),         FIELD(visit_state), FIELD(camera),
        FIELD(battery_pct),   FIELD(is_link_up),  FIELD(has_room),
        FIELD(is_clock_sure), FIELD(camera_mode), FIELD(alarms),
    };
    for (char *word; (word = strsep(&words, " "));) {
        char *equals = strchr(word, '=');
        if (!equals)
            continue;
        *equals = '\0';
        if (strcmp(word, "visitor") == 0)
            snprintf(state.visitor, sizeof state.visitor, "%s", equals + 1);
        for (size_t i = 0; i < DW_ARRAY_COUNT(fields); i++) {
            uint64_t v = strtoull(equals + 1, NULL, 0); /* the machine is little-endian */
            if (strcmp(word, fields[i].key) == 0)
                memcpy((char *)&state + fields[i].offset, &v, fields[i].size);
        }
    }
    state.at_ms = dw_now().ms;
    struct dw_ipc_state copy = state;
    send_child(DW_IPC_STATE, &copy);
}

static uint32_t story_kind(const char *word)
{
    for (uint32_t k = 1; k < DW_STORY_COUNT; k++)
        if (strcmp(dw_story_word((enum dw_story)k), word) == 0)
            return k;
    return 0;
}

static void tell_story(char *words)
{
    char kind[32];
    unsigned value = 0, value2 = 0;
    unsigned long long visit = 0, age = 0;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (sscanf(words, "%31s %u %u %llx %llu", kind, &value, &value2, &visit, &age) < 4)
        return;
    struct dw_ipc_story m = {
        .number = ++story_number,
        .at_ms = dw_now().ms - age,
        .utc_ms = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 - (int64_t)age,
        .visit = visit,
        .kind = story_kind(kind),
        .value = value,
        .value2 = value2,
    };
    send_child(DW_IPC_STORY, &m);
}

static void set_place(const char *words)
{
    char endpoint[600] = "", key[140] = "", auth[40] = "";
    unsigned word = 0, channel = 0, member = 0, lang = 0;
    struct dw_ipc_alert_set m = {0};
    (void)sscanf(words, "%u %u %u %u %599s %139s %39s", &word, &channel, &member, &lang, endpoint,
                 key, auth);
    m.member = member;
    m.word = (uint8_t)word;
    m.channel = (uint8_t)channel;
    m.lang = (uint8_t)lang;
    size_t len = strlen(endpoint);
    memcpy(m.endpoint, endpoint, len < sizeof m.endpoint ? len : sizeof m.endpoint);
    if (key[0] && dw_failed(dw_unhex(key, m.p256dh, sizeof m.p256dh)))
        fprintf(stderr, "alert_rig: bad key\n");
    if (auth[0] && dw_failed(dw_unhex(auth, m.auth, sizeof m.auth)))
        fprintf(stderr, "alert_rig: bad secret\n");
    send_child(DW_IPC_ALERT_SET, &m);
}

static void say_who(const char *words)
{
    struct dw_ipc_who m = {0};
    unsigned long long visit = 0;
    unsigned is_owner = 0;
    (void)sscanf(words, "%llx %u %47s %47s", &visit, &is_owner, m.visitor, m.agency);
    m.visit = visit;
    m.is_owner = (uint8_t)is_owner;
    send_child(DW_IPC_WHO, &m);
}

/* Of 2026-11-23, 10:00 to 14:00. */
static void tell_job(const char *words)
{
    struct dw_ipc_job m = {.window = {20780, 600, 840}};
    unsigned number = 0, news = 0, job_state = 0, needs_yes = 0, mode = 0;
    long long left_s = 3600;
    (void)sscanf(words, "%u %u %u %u %u %lld", &number, &news, &job_state, &needs_yes, &mode,
                 &left_s);
    m.id[0] = (uint8_t)number;
    m.news = (uint8_t)news;
    m.state = (uint8_t)job_state;
    m.needs_yes = (uint8_t)needs_yes;
    m.mode = (uint8_t)mode;
    m.exp_s = (int64_t)time(NULL) + left_s;
    snprintf(m.visitor_name, sizeof m.visitor_name, "Stewart");
    snprintf(m.agency_name, sizeof m.agency_name, "Acme");
    send_child(DW_IPC_JOB, &m);
}

static void command(char *line)
{
    char *rest = strchr(line, ' ');
    if (rest)
        *rest++ = '\0';
    else
        rest = line + strlen(line);
    if (strcmp(line, "state") == 0) {
        set_state(rest);
    } else if (strcmp(line, "story") == 0) {
        tell_story(rest);
    } else if (strcmp(line, "who") == 0) {
        say_who(rest);
    } else if (strcmp(line, "job") == 0) {
        tell_job(rest);
    } else if (strcmp(line, "set") == 0) {
        set_place(rest);
    } else if (strcmp(line, "garbage") == 0) {
        char bytes[4096];
        size_t n = strtoul(rest, NULL, 10);
        memset(bytes, 'x', sizeof bytes);
        if (send(guard_fd, bytes, n < sizeof bytes ? n : sizeof bytes, MSG_NOSIGNAL) < 0)
            fatal("garbage");
    } else if (strcmp(line, "quit") == 0) {
        ended();
    }
}

int main(int argc, char **argv)
{
    int pair[2];
    if (argc != 3)
        return 2;
    dw_os_init("alert_rig");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        fatal("socketpair");
    child = fork();
    if (child == 0) {
        if (dup2(pair[1], DW_IPC_FD) < 0)
            _exit(1);
        (void)fcntl(DW_IPC_FD, F_SETFD, 0);
        (void)fcntl(DW_IPC_FD, F_SETFL, O_NONBLOCK);
        execl(argv[1], argv[1], "--config", argv[2], (char *)NULL);
        _exit(127);
    }
    close(pair[1]);
    guard_fd = pair[0];
    (void)fcntl(guard_fd, F_SETFL, O_NONBLOCK);

    static char line[8192];
    size_t len = 0;
    for (;;) {
        struct pollfd fds[2] = {{guard_fd, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            fatal("poll");
        if (fds[0].revents)
            on_child();
        if (!fds[1].revents)
            continue;
        ssize_t n = read(STDIN_FILENO, line + len, sizeof line - 1 - len);
        if (n <= 0)
            ended();
        len += (size_t)n;
        for (char *end; (end = memchr(line, '\n', len));) {
            *end = '\0';
            size_t used = (size_t)(end - line) + 1;
            command(line);
            memmove(line, line + used, len - used);
            len -= used;
        }
    }
}
