/* doorward-hub-alert: tells people, by Web Push and ntfy. A child of the guard. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "crypto/crypto.h"
#include "hub/alert/alert.h"
#include "os/config.h"
#include "os/os.h"
#include "os/sandbox.h"
#include "wire/text.h"

#define PER_TURN 64

#define TEXT(field)                                           \
    DW_SETTING_STRING, offsetof(struct alert_conf, field), 0, \
        (uint32_t)sizeof(((struct alert_conf *)0)->field)
#define UINT(field, lo, hi) DW_SETTING_UINT, offsetof(struct alert_conf, field), lo, hi

/* Times may be made shorter, never longer: an alarm is not to be told late. */
static const struct dw_setting settings[] = {
    {"state", TEXT(house_state), "", "", "folder of the hub; alerts get one of their own in it"},
    {"front.origin", TEXT(house_origin), "", "", "where people open the page"},
    {"zone", TEXT(house_zone), "", "", "zone of the home"},
    {"alert.state", TEXT(state), "", "",
     "folder of the push key and the places to tell; empty: alert in the hub's state"},
    {"alert.origin", TEXT(origin), "", "",
     "where links lead, like https://home.example; empty: front.origin"},
    {"alert.subject", TEXT(subject), "", "",
     "mailto: or https: address that push services may write to; empty: alert.origin"},
    {"alert.own", TEXT(own), "", "",
     "origins of own ntfy or push servers, at home too and by http, with spaces between; all other "
     "places must be https at a public address"},
    {"alert.ca", TEXT(ca), "", "", "file with certificates to trust instead of the system's"},
    {"alert.zone", TEXT(zone), "", "", "zone of the times in messages; empty: the home's"},
    {"alert.repeat_1_ms", UINT(repeat_1_ms, 50, 10000), "10000", "ms",
     "an alarm that nobody has seen is said again after this"},
    {"alert.repeat_2_ms", UINT(repeat_2_ms, 50, 30000), "30000", "ms", "and after this once more"},
    {"alert.repeat_3_ms", UINT(repeat_3_ms, 50, 60000), "60000", "ms", "and this"},
    {"alert.repeat_ms", UINT(repeat_ms, 50, 120000), "120000", "ms",
     "and then each time after this, ten times in all"},
    {"alert.retry_ms", UINT(retry_ms, 50, 2000), "2000", "ms",
     "first wait before a push is tried again; doubles"},
    {"alert.reply_ms", UINT(reply_ms, 200, 10000), "5000", "ms",
     "how long a push service may take to answer"},
    {"alert.camera_wait_ms", UINT(camera_wait_ms, 50, 60000), "10000", "ms",
     "how long the camera must be blind, outside visits, before it is told"},
    {"alert.link_wait_ms", UINT(link_wait_ms, 50, 3600000), "300000", "ms",
     "how long the service must be out of reach before it is told"},
};

union incoming {
    struct dw_ipc_head head;
    struct dw_ipc_state state;
    struct dw_ipc_story story;
    struct dw_ipc_who who;
    struct dw_ipc_job job;
    struct dw_ipc_alert_set set;
    uint8_t room[8192];
};

void alert_end(struct alert *a, const char *why)
{
    if (a->is_ending)
        return;
    a->is_ending = true;
    dw_log("info", "alert_ends", "why=\"%s\"", why);
    uv_stop(&a->loop);
}

static void on_guard(uv_poll_t *poll, int status, int events)
{
    struct alert *a = poll->data;
    (void)status;
    (void)events;
    for (int i = 0; i < PER_TURN && !a->is_ending; i++) {
        static union incoming in;
        enum dw_ipc_type type;
        int fd = -1;
        dw_err e = dw_ipc_receive(DW_IPC_FD, &in, sizeof in, &type, &fd);
        if (dw_is(e, DW_E_BUSY))
            return;
        if (dw_failed(e)) {
            alert_end(a, dw_err_text(e));
            return;
        }
        if (type == DW_IPC_STATE)
            tell_on_state(a, &in.state);
        else if (type == DW_IPC_STORY)
            tell_on_story(a, &in.story);
        else if (type == DW_IPC_WHO)
            tell_on_who(a, &in.who);
        else if (type == DW_IPC_JOB)
            tell_on_job(a, &in.job);
        else if (type == DW_IPC_ALERT_SET)
            places_on_set(a, &in.set);
        else
            alert_end(a, "the guard sent what is not for us");
    }
}

static void on_tick(uv_timer_t *t)
{
    struct alert *a = t->data;
    uint64_t now_ms = dw_now().ms;
    tell_tick(a, now_ms);
    send_tick(a, now_ms);
}

static int fail(const char *why)
{
    fprintf(stderr, "doorward-hub-alert: %s\n", why);
    return 1;
}

static bool is_child(void)
{
    int type = 0;
    socklen_t len = sizeof type;
    return getsockopt(DW_IPC_FD, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET;
}

/* What push services may write to [RFC 8292 2.1]. */
static bool check_conf(struct alert_conf *c)
{
    if (!c->origin[0])
        memcpy(c->origin, c->house_origin, sizeof c->origin);
    if (!c->state[0] && c->house_state[0] &&
        dw_failed(dw_path(c->state, sizeof c->state, c->house_state, "alert")))
        return false;
    if (!c->subject[0] && strncmp(c->origin, "https://", 8) == 0)
        memcpy(c->subject, c->origin, sizeof c->subject);
    if (!c->subject[0])
        memcpy(c->subject, "https://doorward.invalid", 25);
    if (strncmp(c->subject, "mailto:", 7) != 0 && strncmp(c->subject, "https://", 8) != 0)
        return false;
    if (!c->zone[0])
        memcpy(c->zone, c->house_zone, sizeof c->zone);
    return !c->zone[0] || dw_text_is_zone(dw_text_of(c->zone, sizeof c->zone));
}

static dw_err enter_sandbox(const struct alert *a)
{
    const char *write_paths[] = {a->conf.state, NULL};
    const char *read_paths[] = {a->conf.ca[0] ? a->conf.ca : NULL, NULL};
    struct dw_sandbox box = {
        .flags = DW_SANDBOX_NET_CONNECT | DW_SANDBOX_RESOLVE | DW_SANDBOX_THREADS |
                 DW_SANDBOX_FILES_WRITE,
        .read_paths = read_paths,
        .write_paths = write_paths,
    };
    return dw_sandbox_enter(&box);
}

static bool start_guard(struct alert *a)
{
    struct dw_ipc_ready ready = {0};
    struct dw_ipc_alert_done key = {0};
    memcpy(key.vapid_pub, a->vapid.pub, sizeof key.vapid_pub);
    a->guard.data = a;
    return uv_poll_init(&a->loop, &a->guard, DW_IPC_FD) == 0 &&
           uv_poll_start(&a->guard, UV_READABLE, on_guard) == 0 &&
           !dw_failed(dw_ipc_send(DW_IPC_FD, DW_IPC_READY, &ready)) &&
           !dw_failed(dw_ipc_send(DW_IPC_FD, DW_IPC_ALERT_DONE, &key));
}

static int run(struct alert *a, char *why, size_t why_cap)
{
    char path[300];
    if (!check_conf(&a->conf))
        return fail("alert.subject: give a mailto: or https: address; alert.zone: an IANA zone");
    if (!a->conf.state[0])
        return fail("alert.state: give a folder");
    if (!is_child())
        return fail("this program is started by doorward-guard");
    if (dw_failed(dw_crypto_init()))
        return fail("the crypto library does not start");
    if (dw_failed(dw_folder(a->conf.state)))
        return fail("cannot make alert.state");
    if (dw_failed(dw_path(path, sizeof path, a->conf.state, "vapid.key")) ||
        dw_failed(dw_vapid_key(path, &a->vapid)))
        return fail("cannot read or make vapid.key in alert.state; it must be ours alone");
    if (a->conf.zone[0])
        (void)setenv("TZ", a->conf.zone, 1);
    tzset();
    uv_loop_init(&a->loop);
    if (dw_failed(places_start(a, why, why_cap)))
        return fail(why);
    if (dw_failed(send_start(a)))
        return fail("libcurl does not start");
    if (dw_failed(enter_sandbox(a)))
        return fail("no sandbox on this kernel");
    tell_start(a);
    uv_timer_init(&a->loop, &a->tick);
    a->tick.data = a;
    uv_timer_start(&a->tick, on_tick, ALERT_TICK_MS, ALERT_TICK_MS);
    if (!start_guard(a))
        return fail("the guard's socket does not work");
    dw_log("info", "alert_ready", "own=%d", a->own[0][0] != 0);
    uv_run(&a->loop, UV_RUN_DEFAULT);
    dw_p256_wipe(&a->vapid);
    /* The rest goes with the process: its sockets close, and the guard sees that. */
    return 0;
}

int main(int argc, char **argv)
{
    static struct alert a;
    char why[512] = "";
    const char *path = argc == 3 && strcmp(argv[1], "--config") == 0 ? argv[2] : NULL;
    bool wants_settings = argc == 2 && strcmp(argv[1], "--settings") == 0;
    dw_os_init("hub-alert");
    if (!path && !wants_settings) {
        fprintf(stderr, "usage: doorward-hub-alert --config FILE | --settings\n");
        return 2;
    }
    if (wants_settings) {
        for (size_t i = 0; i < DW_ARRAY_COUNT(settings); i++)
            printf("%s = %s\n", settings[i].key, settings[i].fallback ? settings[i].fallback : "");
        return 0;
    }
    if (dw_failed(
            dw_config_load(settings, DW_ARRAY_COUNT(settings), path, &a.conf, why, sizeof why)))
        return fail(why);
    return run(&a, why, sizeof why);
}
