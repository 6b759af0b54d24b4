/* doorward lock: the reference lock (class L-A) as a process of its own.
 *
 * The rules of core/lock.h behind a simulated body (sim/world.h) and the link of wire/lock.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lock/shell.h"
#include "os/config.h"
#include "os/os.h"
#include "os/sandbox.h"

#define PATH_BYTES 512u

struct settings {
    char listen[64];
    char port_file[PATH_BYTES], key_file[PATH_BYTES], hub_key_file[PATH_BYTES];
    char state[PATH_BYTES], world[PATH_BYTES];
    uint32_t travel_ms, lease_ms_max, dwell_ms_max, settle_ms, bolt_ms_max, retry_ms, epoch;
};

#define STRING(field, def, text) DW_SETTING_OF_TEXT(struct settings, field, def, text)
#define UINT(field, lo, hi, def, of, text) \
    DW_SETTING_OF_UINT(struct settings, field, lo, hi, def, of, text)

/* Limits of the protocol may only be tightened here, as in core/params.h. */
static const struct dw_setting table[] = {
    STRING(listen, "127.0.0.1:0", "address to listen on; port 0: the system chooses"),
    STRING(port_file, "", "file that gets the port, or empty"),
    STRING(key_file, NULL, "the lock's secret key; made if absent, FILE.pub beside it"),
    STRING(hub_key_file, NULL, "public key of the enrolled hub"),
    STRING(state, NULL, "folder for the counters"),
    STRING(world, NULL, "the simulated home (sim/world.h)"),
    UINT(travel_ms, 20, 1500, "600", "ms", "bolt travel, withdrawn to thrown"),
    UINT(lease_ms_max, 500, 15000, "15000", "ms", "longest lease that a command may ask for"),
    UINT(dwell_ms_max, 500, 180000, "180000", "ms", "longest time the door may stand open quietly"),
    UINT(settle_ms, 100, 1500, "1500", "ms", "door closed to throw"),
    UINT(bolt_ms_max, 100, 2000, "2000", "ms", "motor time before the bolt counts as jammed"),
    UINT(retry_ms, 100, 10000, "3000", "ms", "wait between throws that jammed"),
    UINT(epoch, 0, UINT32_MAX, "0", "", "epoch of the enrolment; 0: as stored. It only grows"),
};

static struct settings conf;
static struct dw_lock_shell shell;
static struct dw_lock_store store;
static struct dw_secret secret;
static struct dw_key hub;

static void on_tick(uv_timer_t *t)
{
    (void)t;
    dw_lock_shell_tick(&shell);
}

static void on_signal(uv_signal_t *h, int number)
{
    dw_log("info", "stopping", "signal=%d", number);
    uv_stop(h->loop);
}

static bool fail(const char *what, const char *path, dw_err e)
{
    dw_log("error", what, "file=%s why=\"%s\"", path, dw_err_text(e));
    return false;
}

static bool load_keys(void)
{
    char pub[PATH_BYTES + 8];
    dw_err e = access(conf.key_file, F_OK) == 0 ? dw_secret_load(conf.key_file, &secret)
                                                : dw_secret_create(conf.key_file, &secret);
    if (dw_failed(e))
        return fail("key", conf.key_file, e);
    snprintf(pub, sizeof pub, "%s.pub", conf.key_file);
    e = dw_key_save(pub, &secret.key);
    return dw_failed(e) ? fail("key", pub, e) : true;
}

static bool load_state(struct dw_lock_facts *ret_facts)
{
    dw_err e = dw_lock_store_open(&store, conf.state, ret_facts);
    if (dw_failed(e))
        return fail("state", conf.state, e);
    if (conf.epoch != 0 && conf.epoch < ret_facts->epoch)
        return fail("epoch", conf.state, dw_fail(DW_E_DENIED));
    if (conf.epoch > ret_facts->epoch) { /* enrolled anew: old commands are void [I49] */
        ret_facts->epoch = conf.epoch;
        ret_facts->counter = 0;
        e = dw_lock_store_save(&store, ret_facts);
        if (dw_failed(e))
            return fail("state", conf.state, e);
    }
    return true;
}

static bool tell_port(uint16_t port)
{
    char text[8];
    if (conf.port_file[0] == '\0')
        return true;
    int n = snprintf(text, sizeof text, "%u\n", port);
    dw_err e = dw_file_write(conf.port_file, dw_view_of(text, (size_t)n), 0600);
    return dw_failed(e) ? fail("port_file", conf.port_file, e) : true;
}

static bool start(uv_loop_t *loop)
{
    struct dw_lock_body body;
    struct dw_lock_limits limits;
    struct dw_lock_facts facts;
    struct dw_lock_link *link;
    uint16_t port = 0;

    dw_err e = dw_key_load(conf.hub_key_file, &hub);
    if (dw_failed(e))
        return fail("hub_key", conf.hub_key_file, e);
    if (!load_state(&facts))
        return false;
    if (!dw_lock_body_world(&body, conf.world, conf.travel_ms)) {
        dw_log("error", "world", "file=%s why=\"%s\"", conf.world, strerror(errno));
        return false;
    }
    dw_lock_limits_default(&limits);
    limits.lease_ms_max = conf.lease_ms_max;
    limits.dwell_ms_max = conf.dwell_ms_max;
    limits.settle_ms = conf.settle_ms;
    limits.bolt_ms_max = conf.bolt_ms_max;
    limits.retry_ms = conf.retry_ms;
    dw_lock_shell_init(&shell, &limits, &body, &store, &facts);
    struct dw_lock_link_owner owner = dw_lock_shell_owner(&shell);
    e = dw_lock_link_open(loop, conf.listen, &secret, &hub, &owner, &link, &port);
    if (dw_failed(e))
        return fail("listen", conf.listen, e);
    dw_lock_shell_link(&shell, link);
    dw_lock_shell_tick(&shell); /* sensed once before anybody can ask */
    if (!tell_port(port))
        return false;
    dw_log("info", "ready", "port=%u epoch=%u", port, shell.facts.epoch);
    return true;
}

/* Static: it lives until the very end, like all that hangs on it. */
static uv_loop_t loop;

int main(int argc, char **argv)
{
    uv_timer_t tick;
    uv_signal_t signals[2];
    const char *file = NULL;
    char why[256];
    bool is_init = false, is_print = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--config") == 0 && i + 1 < argc) {
            file = argv[++i];
        } else if (strcmp(argv[i], "--init") == 0) {
            is_init = true;
        } else if (strcmp(argv[i], "--print-config") == 0) {
            is_print = true;
        } else {
            fprintf(stderr, "usage: doorward lock --config FILE [--init | --print-config]\n"
                            "  --init          make the key and FILE.pub, then end\n"
                            "  --print-config  print the settings in force, then end\n");
            return 2;
        }
    }
    dw_os_init("lock");
    if (!file ||
        dw_failed(dw_config_load(table, DW_ARRAY_COUNT(table), file, &conf, why, sizeof why))) {
        fprintf(stderr, "doorward lock: %s\n", file ? why : "give --config FILE");
        return 2;
    }
    if (is_print) {
        dw_config_print(table, DW_ARRAY_COUNT(table), &conf, stdout);
        return 0;
    }
    if (dw_failed(dw_crypto_init()) || !load_keys())
        return 1;
    if (is_init)
        return 0;
    if (uv_loop_init(&loop) != 0)
        return 1;
    /* Before the port is told: whoever knows it may already ask us to stop. */
    for (int i = 0; i < 2; i++) {
        uv_signal_init(&loop, &signals[i]);
        uv_signal_start(&signals[i], on_signal, i == 0 ? SIGTERM : SIGINT);
    }
    if (!start(&loop))
        return 1;
    uv_timer_init(&loop, &tick);
    uv_timer_start(&tick, on_tick, DW_LOCK_TICK_MS, DW_LOCK_TICK_MS);
    struct dw_sandbox box = {
        .flags = DW_SANDBOX_NET_LISTEN | DW_SANDBOX_FILES_WRITE,
        .write_paths = (const char *const[]){conf.state, NULL},
    };
    dw_err e = dw_sandbox_enter(&box);
    if (dw_failed(e)) {
        dw_log("error", "sandbox", "why=\"%s\"", dw_err_text(e));
        return 1;
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    dw_lock_shell_stop(&shell);
    dw_secret_wipe(&secret);
    return 0;
}
