#include "zigbee_home.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <mosquitto.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_MS  90000
#define ANSWER_MS 15000

extern char **environ;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "zigbee house: %s\n", what);
    abort();
}

static int64_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Reads until a line is complete or the other side closes. False: time-out or nothing came. */
static bool read_line(int fd, char *out, size_t cap, int64_t ms)
{
    int64_t until = now_ms() + ms;
    size_t len = 0;

    while (len + 1 < cap) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = until - now_ms();
        ssize_t n;

        if (left <= 0 || poll(&p, 1, (int)left) <= 0)
            return false;
        n = read(fd, out + len, 1);
        if (n <= 0)
            return false;
        if (out[len] == '\n') {
            out[len] = '\0';
            return true;
        }
        len++;
    }
    return false;
}

static bool start_process(struct zigbee_home *h, const char *path)
{
    char *argv[] = {(char *)"node", (char *)path, NULL};
    posix_spawn_file_actions_t actions;
    int in[2], out[2], rc;

    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
        return false;
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    (void)posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    rc = posix_spawnp(&h->pid, "node", &actions, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(in[0]);
    (void)close(out[1]);
    h->to = in[1];
    h->from = out[0];
    if (rc != 0)
        h->pid = 0;
    return rc == 0;
}

bool zigbee_home_start(struct zigbee_home *h, char *why, size_t why_cap)
{
    const char *path = getenv("DW_ZIGBEE_BRIDGE");
    char line[1024];
    json_t *json;

    memset(h, 0, sizeof(*h));
    (void)mosquitto_lib_init();
    if (path == NULL)
        path = "tests/bridges/zigbee/bridge.mjs";
    if (!start_process(h, path) || !read_line(h->from, line, sizeof(line), START_MS)) {
        (void)snprintf(
            why, why_cap,
            "%s did not start: see its message above (is node_modules there? ./dw makes it)", path);
        zigbee_home_stop(h);
        return false;
    }
    json = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    h->mqtt_port = (uint16_t)json_integer_value(json_object_get(json, "mqtt_port"));
    h->control_port = (uint16_t)json_integer_value(json_object_get(json, "control_port"));
    h->bridge_pid =
        (pid_t)json_integer_value(json_object_get(json_object_get(json, "pids"), "bridge"));
    json_decref(json);
    if (h->mqtt_port == 0 || h->control_port == 0 || h->bridge_pid <= 0) {
        (void)snprintf(why, why_cap, "%s: its first line has no ports", path);
        zigbee_home_stop(h);
        return false;
    }
    return true;
}

void zigbee_home_stop(struct zigbee_home *h)
{
    int status;

    if (h->pid > 0) {
        (void)close(h->to); /* bridge.mjs ends its children and itself */
        for (int i = 0; i < 500 && waitpid(h->pid, &status, WNOHANG) == 0; i++)
            (void)poll(NULL, 0, 10);
        if (waitpid(h->pid, &status, WNOHANG) == 0) {
            (void)kill(h->pid, SIGKILL);
            (void)waitpid(h->pid, &status, 0);
        }
        (void)close(h->from);
    }
    h->pid = 0;
    (void)mosquitto_lib_cleanup();
}

/* The body's JSON line into `line`; the HTTP status. */
static int get(struct zigbee_home *h, const char *what, char *line, size_t cap)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(h->control_port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), status = 0;
    char request[256];
    int len = snprintf(request, sizeof(request), "GET /%s HTTP/1.1\r\nHost: house\r\n\r\n", what);

    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 ||
        write(fd, request, (size_t)len) != len || !read_line(fd, line, cap, ANSWER_MS) ||
        sscanf(line, "HTTP/1.1 %d", &status) != 1)
        die(what);
    /* The body is the only line that begins with a brace. */
    while (line[0] != '{') {
        if (!read_line(fd, line, cap, ANSWER_MS))
            die(what);
    }
    (void)close(fd);
    return status;
}

bool zigbee_act(struct zigbee_home *h, const char *what)
{
    char line[1024];
    int status = get(h, what, line, sizeof(line));

    if (status != 200 && status != 409)
        die(what);
    return status == 200;
}

static enum dw_bolt bolt_of(const json_t *lock)
{
    static const char *const words[DW_BOLT_COUNT] = {"unknown", "thrown", "retracted", "moving",
                                                     "jammed"};
    const char *word = json_string_value(json_object_get(lock, "bolt"));

    for (int i = 0; word != NULL && i < DW_BOLT_COUNT; i++) {
        if (strcmp(word, words[i]) == 0)
            return (enum dw_bolt)i;
    }
    return DW_BOLT_UNKNOWN;
}

struct zigbee_world zigbee_look(struct zigbee_home *h)
{
    struct zigbee_world w = {0};
    char line[1024];
    const json_t *yale;
    json_t *json;

    if (get(h, "world/state", line, sizeof(line)) != 200)
        die("world/state");
    json = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    yale = json_object_get(json, "yale");
    w.yale = bolt_of(yale);
    w.kwikset = bolt_of(json_object_get(json, "kwikset"));
    w.yale_moves = (uint32_t)json_integer_value(json_object_get(yale, "moves"));
    w.yale_relock_s = (uint32_t)json_integer_value(json_object_get(yale, "relock_s"));
    w.openings = (uint32_t)json_integer_value(json_object_get(json, "openings"));
    w.is_door_open = strcmp(json_string_value(json_object_get(json, "door")), "open") == 0;
    json_decref(json);
    return w;
}

bool zigbee_reset(struct zigbee_home *h)
{
    static const char *const acts[] = {
        "yale/online?on=1",       "yale/block?on=0",
        "yale/travel?ms=120",     "yale/hideRelock?on=0",
        "yale/refuseRelock?on=0", "yale/latency?ms=10",
        "yale/manualUnlock",      "door/close",
        "yale/manualLock",        "kwikset/travel?ms=120",
        "kwikset/manualLock",     "contact/online?on=1",
        "contact/beat?ms=300",
    };

    for (size_t i = 0; i < DW_ARRAY_COUNT(acts); i++) {
        if (!zigbee_act(h, acts[i]))
            return false;
    }
    return true;
}

static void on_acknowledged(struct mosquitto *m, void *obj, int mid)
{
    (void)m;
    *(int *)obj = mid;
}

void zigbee_say(struct zigbee_home *h, const char *topic, const void *payload, size_t len,
                bool is_retained)
{
    int acknowledged = 0, mid = 0;
    struct mosquitto *m = mosquitto_new(NULL, true, &acknowledged);

    if (m == NULL || mosquitto_connect(m, "127.0.0.1", h->mqtt_port, 30) != MOSQ_ERR_SUCCESS)
        die("no broker");
    mosquitto_publish_callback_set(m, on_acknowledged);
    if (mosquitto_publish(m, &mid, topic, (int)len, payload, 1, is_retained) != MOSQ_ERR_SUCCESS)
        die("publish");
    for (int i = 0; i < 500 && acknowledged == 0; i++) {
        if (mosquitto_loop(m, 20, 1) != MOSQ_ERR_SUCCESS)
            die("publish");
    }
    if (acknowledged != mid)
        die("publish: no acknowledgement");
    (void)mosquitto_disconnect(m);
    mosquitto_destroy(m);
}
