/* doorward-hub-lock: the hub's lock process. A child of the guard; holds one lock adapter and no
 * key.
 *
 * It passes the guard's asks and commands on and what the lock says back. It decides nothing: a
 * command that the guard did not send never leaves here, and one that is late is dropped [I33,
 * I43]. It ends when the guard closes descriptor 3.
 */
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uv.h>

#include "adapters/lock/lock.h"
#include "os/config.h"
#include "os/os.h"
#include "os/sandbox.h"

static const struct dw_lock_ops *const adapters[] = {
    &dw_lock_reference,
#ifdef DW_HAVE_ZIGBEE2MQTT
    &dw_lock_zigbee2mqtt,
#endif
};

#define ASK_AGAIN_MS 50u
#define RECEIVE_MAX  64u /* messages a turn, so that the link is served too */

struct hub_lock {
    uv_loop_t loop;
    uv_poll_t guard;
    uv_timer_t ask_again; /* an ask that came while the bridge was busy */
    const struct dw_lock_ops *ops;
    void *adapter;
    uint32_t dropped; /* messages that the guard had no room for */
};

union message {
    struct dw_ipc_head head;
    struct dw_ipc_bytes bytes;
    struct dw_ipc_lock_command command;
    uint8_t
        any[sizeof(struct dw_ipc_state) + sizeof(struct dw_ipc_frame) + sizeof(struct dw_ipc_link)];
};

static struct hub_lock hub;

/* The guard reads every turn. When it does not, it is ill, and what it misses is old soon anyway:
 * the newest status comes again within a second. */
static void to_guard(enum dw_ipc_type type, void *message)
{
    dw_err e = dw_ipc_send(DW_IPC_FD, type, message);
    if (dw_is(e, DW_E_BUSY)) {
        hub.dropped++;
        dw_log("warn", "guard_busy", "type=%u dropped=%u", (unsigned)type, hub.dropped);
    } else if (dw_failed(e)) {
        uv_stop(&hub.loop);
    }
}

static void on_signed(void *ctx, uint8_t kind, struct dw_view cose, dw_mono arrived)
{
    struct dw_ipc_bytes m = {.sent_ms = arrived.ms, .kind = kind, .len = (uint16_t)cose.len};

    (void)ctx;
    if (cose.len > sizeof m.bytes) {
        dw_log("warn", "lock_message", "kind=%u bytes=%zu too large", kind, cose.len);
        return;
    }
    memcpy(m.bytes, cose.ptr, cose.len);
    to_guard(DW_IPC_LOCK_SIGNED, &m);
}

static void on_report(void *ctx, const struct dw_ipc_lock_report *report)
{
    struct dw_ipc_lock_report m = *report;
    (void)ctx;
    to_guard(DW_IPC_LOCK_REPORT, &m);
}

static void on_link(void *ctx, bool is_up)
{
    struct dw_ipc_link_state m = {.is_up = is_up};
    (void)ctx;
    to_guard(DW_IPC_LOCK_LINK, &m);
}

/* What was not sent is told in the log only: the guard judges by what the lock senses [I33]. */
static void tell(const char *what, dw_err e)
{
    if (dw_failed(e))
        dw_log("warn", what, "not sent: %s", dw_err_name(e));
}

static void on_ask_again(uv_timer_t *t)
{
    dw_err e = hub.ops->ask(hub.adapter, (struct dw_view){0}, dw_now());
    if (dw_is(e, DW_E_BUSY))
        uv_timer_start(t, on_ask_again, ASK_AGAIN_MS, 0);
    else
        tell("ask", e);
}

static void on_message(enum dw_ipc_type type, const union message *m)
{
    if (type == DW_IPC_LOCK_ASK && m->bytes.len <= sizeof m->bytes.bytes) {
        dw_err e = hub.ops->ask(hub.adapter, dw_view_of(m->bytes.bytes, m->bytes.len), dw_now());
        /* A bridge that is reading the lock is asked again when it has done so; a signed ask is not
         * kept, the guard sends a new one. */
        if (dw_is(e, DW_E_BUSY) && m->bytes.len == 0)
            uv_timer_start(&hub.ask_again, on_ask_again, ASK_AGAIN_MS, 0);
        else
            tell("ask", e);
    } else if (type == DW_IPC_LOCK_COMMAND && m->command.len <= sizeof m->command.bytes) {
        tell("command", hub.ops->command(hub.adapter, (enum dw_lock_action)m->command.action,
                                         dw_view_of(m->command.bytes, m->command.len), dw_now(),
                                         (dw_mono){m->command.expires_ms}));
    } else {
        dw_log("error", "guard_message", "type=%u is not for the lock process", (unsigned)type);
    }
}

static void on_guard(uv_poll_t *h, int status, int events)
{
    (void)events;
    for (unsigned i = 0; i < RECEIVE_MAX && status == 0; i++) {
        union message m;
        enum dw_ipc_type type = DW_IPC_NONE;
        int fd = -1;
        dw_err e = dw_ipc_receive(DW_IPC_FD, &m, sizeof m, &type, &fd);
        if (fd >= 0)
            close(fd); /* nothing is ever passed to this process */
        if (dw_is(e, DW_E_BUSY))
            return;
        if (dw_failed(e)) {
            status = -1;
            break;
        }
        on_message(type, &m);
    }
    if (status != 0) { /* the guard is gone: so are we */
        uv_poll_stop(h);
        uv_stop(&hub.loop);
    }
}

static const struct dw_lock_ops *find_adapter(const char *name)
{
    for (size_t i = 0; i < DW_ARRAY_COUNT(adapters); i++)
        if (strcmp(adapters[i]->name, name) == 0)
            return adapters[i];
    return NULL;
}

/* LANDLOCK_CREATE_RULESET_VERSION */
static bool kernel_has_landlock(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, 1u) >= 1;
}

static int usage(void)
{
    fprintf(stderr, "usage: doorward-hub-lock --config FILE | --adapter NAME --settings TEXT\n"
                    "Started by the guard, which gives descriptor 3. Adapters:");
    for (size_t i = 0; i < DW_ARRAY_COUNT(adapters); i++)
        fprintf(stderr, " %s", adapters[i]->name);
    fprintf(stderr, "\n");
    return 2;
}

struct conf {
    char adapter[32], settings[512];
};

static const struct dw_setting table[] = {
    {"lock.adapter", DW_SETTING_STRING, offsetof(struct conf, adapter), 0, 32, NULL, "",
     "reference or zigbee2mqtt"},
    {"lock.settings", DW_SETTING_STRING, offsetof(struct conf, settings), 0, 512, "", "",
     "words of the adapter, see its header"},
};

int main(int argc, char **argv)
{
    static struct conf conf;
    const char *name = NULL, *settings = "";
    const struct dw_lock_sink sink = {
        .signed_bytes = on_signed, .report = on_report, .link = on_link};
    char why[192] = "";

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--adapter") == 0)
            name = argv[i + 1];
        else if (strcmp(argv[i], "--settings") == 0)
            settings = argv[i + 1];
        else if (strcmp(argv[i], "--config") == 0) {
            if (dw_failed(dw_config_load(table, DW_ARRAY_COUNT(table), argv[i + 1], &conf, why,
                                         sizeof why))) {
                fprintf(stderr, "doorward-hub-lock: %s\n", why);
                return 2;
            }
            name = conf.adapter;
            settings = conf.settings;
        } else {
            return usage();
        }
    }
    if (argc % 2 == 0 || !name)
        return usage();
    dw_os_init("hub-lock");
    hub.ops = find_adapter(name);
    if (!hub.ops) {
        dw_log("error", "adapter", "there is no lock adapter '%s'", name);
        return usage();
    }
    if (uv_loop_init(&hub.loop) != 0 || uv_poll_init(&hub.loop, &hub.guard, DW_IPC_FD) != 0) {
        dw_log("error", "start", "descriptor 3 is not the guard's");
        return 1;
    }
    struct dw_ipc_ready ready = {.landlock = kernel_has_landlock()};
    /* A broker's address goes through the resolver, a reference lock's never does. */
    struct dw_sandbox box = {.flags = DW_SANDBOX_NET_CONNECT};
    if (hub.ops != &dw_lock_reference)
        box.flags |= DW_SANDBOX_RESOLVE;
    dw_err e = hub.ops->open(&hub.loop, settings, &sink, why, sizeof why, &hub.adapter);
    if (dw_failed(e)) {
        dw_log("error", "settings", "%s", why);
        return 2;
    }
    e = dw_sandbox_enter(&box);
    if (dw_failed(e)) {
        dw_log("error", "sandbox", "why=\"%s\"", dw_err_text(e));
        return 1;
    }
    to_guard(DW_IPC_READY, &ready);
    uv_timer_init(&hub.loop, &hub.ask_again);
    uv_poll_start(&hub.guard, UV_READABLE, on_guard);
    uv_run(&hub.loop, UV_RUN_DEFAULT);
    hub.ops->close(hub.adapter);
    uv_close((uv_handle_t *)&hub.guard, NULL);
    uv_close((uv_handle_t *)&hub.ask_again, NULL);
    uv_run(&hub.loop, UV_RUN_DEFAULT);
    return 0;
}
