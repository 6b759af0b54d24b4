/* doorward-guard: the hub's guard, and the nursery that starts it and its children. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hub/guard/guard.h"
#include "os/config.h"
#include "os/os.h"
#include "os/sandbox.h"

#define OFFSET(f)  offsetof(struct settings, f)
#define ROOM(f)    (uint32_t)sizeof(((struct settings *)0)->f)
#define TEXT_OF(x) #x
#define STORY_JUMP 2048u /* more than the store's queue holds */

static const struct dw_setting table[] = {
    {"state", DW_SETTING_STRING, OFFSET(state), 0, ROOM(state), NULL, "",
     "folder of keys, facts, record"},
    {"record.folder", DW_SETTING_STRING, OFFSET(record_folder), 0, ROOM(record_folder), NULL, "",
     "folder of recordings"},
    {"zone", DW_SETTING_STRING, OFFSET(zone), 0, ROOM(zone), NULL, "",
     "IANA time zone of the home, as Europe/Amsterdam"},
    {"door_1", DW_SETTING_STRING, OFFSET(door[0]), 0, ROOM(door[0]), "front door", "", "name"},
    {"door_2", DW_SETTING_STRING, OFFSET(door[1]), 0, ROOM(door[1]), "", "", "name"},
    {"door_3", DW_SETTING_STRING, OFFSET(door[2]), 0, ROOM(door[2]), "", "", "name"},
    {"door_4", DW_SETTING_STRING, OFFSET(door[3]), 0, ROOM(door[3]), "", "", "name"},
    {"camera_key", DW_SETTING_STRING, OFFSET(camera_key), 0, ROOM(camera_key), "", "",
     "public key file of the camera (class K2) at the first start; an owner enrols another"},
    {"camera.class", DW_SETTING_STRING, OFFSET(camera_class), 0, ROOM(camera_class), "k2", "",
     "k2: signs every frame; k0: plain RTSP"},
    {"lock_key", DW_SETTING_STRING, OFFSET(lock_key), 0, ROOM(lock_key), "", "",
     "public key file of the lock (class L-A) at the first start; an owner enrols another"},
    {"lock.adapter", DW_SETTING_STRING, OFFSET(lock_adapter), 0, ROOM(lock_adapter), "reference",
     "", "reference or zigbee2mqtt"},
    {"service_key", DW_SETTING_STRING, OFFSET(service_key), 0, ROOM(service_key), "", "",
     "public key file of the service; empty: learnt by pairing"},
    {"pairing_code", DW_SETTING_STRING, OFFSET(pairing_code), 0, ROOM(pairing_code), "", "",
     "open for pairing with this code (doorward hub --pairing-code); empty: closed"},
    {"front.origin", DW_SETTING_STRING, OFFSET(front_origin), 0, ROOM(front_origin), "", "",
     "the address of the household's pages, as https://home.example; passkeys hold there only"},
    {"grant_wait_ms", DW_SETTING_UINT, OFFSET(grant_wait_ms), 0, 86400000, "600000", "ms",
     "from an owner's signature until a grant is live, so that anybody at home can veto it"},
    {"recovery_hours", DW_SETTING_UINT, OFFSET(recovery_hours), 24, 720, "72", "h",
     "from the recovery code, said at the hub, to a new owner"},
    {"ready_file", DW_SETTING_STRING, OFFSET(ready_file), 0, ROOM(ready_file), "", "",
     "written when the hub is ready"},
    {"trust_clock", DW_SETTING_BOOL, OFFSET(trust_clock), 0, 0, "no", "",
     "another program keeps this machine's clock right"},
#define X(field, def, floor, ceiling, why) \
    {#field, DW_SETTING_UINT, OFFSET(params.field), floor, ceiling, TEXT_OF(def), "ms", why},
    DW_PARAM_LIST(X)
#undef X
};

/* ---- the loop: wait, one event, step, perform
 * ---------------------------------------------------- */

static void arm(struct guard *g);

void guard_feed(struct guard *g, struct dw_event *ev)
{
    static struct dw_effects fx;
    if (g->is_stepping) { /* an effect brought news: after its siblings */
        DW_ASSERT(g->pending_count < DW_ARRAY_COUNT(g->pending));
        g->pending[g->pending_count++] = *ev;
        return;
    }
    g->is_stepping = true;
    struct dw_event next = *ev;
    for (;;) {
        next.now = dw_now();
        uint32_t was = g->door.state, was_recovering = g->door.is_recovering;
        if (dw_failed(dw_interlock_step(&g->door, &next, &fx))) {
            dw_log("error", "clock",
                   "step=refused"); /* CLOCK_BOOTTIME never falls; say so if it does */
            break;
        }
        if (was != g->door.state)
            dw_trace("%s -> %s", dw_visit_state_word((enum dw_visit_state)was),
                     dw_visit_state_word((enum dw_visit_state)g->door.state));
        guard_perform(g, &fx);
        house_params_in_force(g);
        if (was_recovering && !g->door.is_recovering) { /* VIS-17: locked again; now it is over */
            struct store_write w = {.visit_mark = STORE_VISITS_OVER};
            (void)store_write(g->store, &w);
        }
        if (g->pending_count == 0)
            break;
        next = g->pending[0];
        g->pending_count--;
        memmove(&g->pending[0], &g->pending[1], g->pending_count * sizeof g->pending[0]);
    }
    g->is_stepping = false;
    show_state(g, false);
    arm(g);
}

static void on_clock(uv_timer_t *t)
{
    struct dw_event ev = {.type = DW_EV_TIMEOUT};
    guard_feed(t->data, &ev);
}

static void arm(struct guard *g)
{
    dw_mono now = dw_now(), at = dw_interlock_deadline(&g->door);
    uint64_t wait = at.ms > now.ms ? at.ms - now.ms : 1;
    uv_update_time(&g->loop);
    uv_timer_start(&g->clock, on_clock, wait > 10000 ? 10000 : wait, 0);
}

static void on_second(uv_timer_t *t)
{
    struct guard *g = t->data;
    wall_tidy(g);
    show_state(g, false);
    link_tidy(g);
    people_tidy(g);
    authority_tidy(g);
    guests_tidy(g);
    bolt_tidy(g);
    house_tidy(g);
    children_tidy(g);
}

static void on_stop(uv_signal_t *s, int number)
{
    struct guard *g = s->data;
    (void)number;
    children_stop(g);
    uv_stop(&g->loop);
}

/* ---- start
 * --------------------------------------------------------------------------------------- */

/* The one settings file is split by the first word of each key, blank lines in the place of the
 * others', so that every process knows its own keys only and still names the right line. */
static dw_err split_settings(const char *path, const char *run, char *ret_guard, size_t cap)
{
    static const struct {
        const char *file;
        const char
            *prefixes[6]; /* "x.": keys that begin so; "": keys without a dot; else that key */
    } parts[] = {
        {"guard.conf", {"", "camera.class", "lock.adapter", "record.folder", "front.origin"}},
        {"front.conf", {"front.", "link.", "record.folder"}},
        {"camera.conf", {"camera.", "record."}},
        {"rtsp.conf", {"rtsp."}},
        {"lock.conf", {"lock."}},
        {"alert.conf", {"alert.", "state", "front.origin", "zone"}},
    };
    static uint8_t bytes[64 * 1024], out[64 * 1024];
    struct dw_buf in = dw_buf_of(bytes, sizeof bytes - 1);
    DW_TRY(dw_file_read(path, &in));
    bytes[in.len] = 0;
    for (size_t p = 0; p < DW_ARRAY_COUNT(parts); p++) {
        size_t len = 0;
        for (const char *line = (const char *)bytes; *line;) {
            const char *end = strchr(line, '\n');
            size_t n = end ? (size_t)(end - line) + 1 : strlen(line);
            const char *key = line + strspn(line, " \t");
            size_t word = strcspn(key, " \t=\n");
            bool take = false;
            for (size_t i = 0; i < DW_ARRAY_COUNT(parts[p].prefixes) && parts[p].prefixes[i]; i++) {
                const char *x = parts[p].prefixes[i];
                size_t l = strlen(x);
                bool plain = l == 0 && !memchr(key, '.', word);
                bool whole = l && x[l - 1] != '.' && word == l && memcmp(key, x, l) == 0;
                bool first = l && x[l - 1] == '.' && word > l && memcmp(key, x, l) == 0;
                take = take || plain || whole || first;
            }
            if (take && len + n < sizeof out) {
                memcpy(out + len, line, n);
                len += n;
            } else if (len < sizeof out) {
                out[len++] = '\n';
            }
            line += n;
        }
        char file[512];
        DW_TRY(dw_path(file, sizeof file, run, parts[p].file));
        DW_TRY(dw_file_write(file, dw_view_of(out, len), 0600));
        if (p == 0)
            snprintf(ret_guard, cap, "%s", file);
    }
    return DW_OK;
}

static int wrong(const char *what)
{
    fprintf(stderr, "doorward hub: %s\n", what);
    return 2;
}

static bool load_keys(struct guard *g)
{
    char path[512];
    if (dw_failed(dw_path(path, sizeof path, g->set.state, "hub.key")))
        return false;
    dw_err e = dw_secret_load(path, &g->secret);
    if (dw_failed(e) && access(path, F_OK) != 0)
        e = dw_secret_create(path, &g->secret);
    if (dw_failed(e)) {
        fprintf(stderr, "doorward hub: cannot use the key '%s': %s\n", path, dw_err_text(e));
        return false;
    }
    if (!dw_failed(dw_path(path, sizeof path, g->set.state, "hub.pub")))
        (void)!dw_failed(dw_key_save(path, &g->secret.key));
    struct {
        const char *path;
        struct dw_key *key;
        bool *has;
    } others[] = {{g->set.camera_key, &g->camera.key, &g->camera.has_key},
                  {g->set.lock_key, &g->lock.key, &g->lock.has_key},
                  {g->set.service_key, &g->service, &g->has_service}};
    for (size_t i = 0; i < DW_ARRAY_COUNT(others); i++) {
        if (others[i].path[0] == 0)
            continue;
        if (dw_failed(dw_key_load(others[i].path, others[i].key))) {
            fprintf(stderr, "doorward hub: cannot read the key '%s'\n", others[i].path);
            return false;
        }
        *others[i].has = true;
    }
    return true;
}

/* The front speaks for the hub on the topics that its key names. */
static dw_err name_hub(const struct guard *g, const char *run)
{
    static uint8_t bytes[64 * 1024];
    char file[512], id[17];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes - 64);
    DW_TRY(dw_path(file, sizeof file, run, "front.conf"));
    DW_TRY(dw_file_read(file, &b));
    dw_hex(g->secret.key.thumb, 8, id);
    b.len += (size_t)snprintf((char *)bytes + b.len, 64, "\nlink.hub_id = %s\n", id);
    return dw_file_write(file, dw_view_of_buf(&b), 0600);
}

static void on_open_visit(void *ctx, struct dw_view nonce, struct dw_view unused, int64_t visit,
                          int64_t is_told)
{
    struct guard *g = ctx;
    (void)unused;
    /* I12: the visit is over, whatever it was; the door is locked as soon as it is closed. */
    struct dw_event ev = {.type = DW_EV_RESTARTED};
    guard_feed(g, &ev);
    if (is_told)
        return;
    if (nonce.len > 0) {
        link_aborted(g, (uint64_t)visit, nonce);
        return;
    }
    uint8_t detail[8] = {DW_OUTCOME_ABORTED}; /* class O: nobody waits for a receipt */
    struct store_write w = {
        .kind = DW_STORY_VISIT_ENDED,
        .visit = (uint64_t)visit,
        .at = guard_wall(g),
        .boot_ms = dw_now().ms,
        .detail = dw_view_of(detail, sizeof detail),
        .story = ++g->story_number,
        .visit_mark = STORE_VISIT_TOLD,
    };
    (void)store_write(g->store, &w);
}

static void find_service(struct guard *g)
{
    uint8_t pub[32];
    struct dw_buf b = dw_buf_of(pub, sizeof pub);
    if (!g->has_service && !dw_failed(store_meta(g->store, "service", &b)) && b.len == 32) {
        dw_key_from_pub(pub, &g->service);
        g->has_service = true;
    }
}

static int run_guard(const char *config_path, int nursery)
{
    static struct guard guard;
    struct guard *g = &guard;
    char why[512], conf[512], run[512];
    g->nursery = nursery;
    if (dw_failed(dw_crypto_init()))
        return wrong("the crypto library does not start");

    /* The state folder is needed before the settings are split; it is one of them. */
    static uint8_t text[64 * 1024];
    struct dw_buf in = dw_buf_of(text, sizeof text - 1);
    if (dw_failed(dw_file_read(config_path, &in)))
        return wrong("cannot read the settings; give --config FILE");
    text[in.len] = 0;
    char state[256] = "";
    for (const char *line = (const char *)text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (sscanf(line, " state = %255[^\r\n]", state) == 1)
            break;
    }
    for (size_t len = strlen(state); len > 0 && strchr(" \t", state[len - 1]); len--)
        state[len - 1] = 0; /* as os/config.c reads it: blanks at the end are none of it */
    if (state[0] == 0)
        return wrong("the settings lack: state = FOLDER");
    if (dw_failed(dw_folder(state)) || dw_failed(dw_path(run, sizeof run, state, "run")) ||
        dw_failed(dw_folder(run)) || dw_failed(split_settings(config_path, run, conf, sizeof conf)))
        return wrong("cannot write into the state folder");
    if (dw_failed(dw_config_load(table, DW_ARRAY_COUNT(table), conf, &g->set, why, sizeof why)))
        return wrong(why);
    struct dw_params params;
    const char *field = NULL;
    dw_params_default(&params);
    if (dw_failed(dw_params_set(&params, &g->set.params, &field)))
        return wrong(field);
    if (setenv("TZ", g->set.zone, 1) != 0)
        return wrong("zone");
    tzset();
    char zone_file[256];
    if (dw_failed(dw_path(zone_file, sizeof zone_file, "/usr/share/zoneinfo", g->set.zone)) ||
        strstr(g->set.zone, "..") || access(zone_file, R_OK) != 0)
        return wrong("zone: no such time zone; give one like Europe/Amsterdam");
    if (!load_keys(g))
        return 2;
    if (dw_failed(name_hub(g, run)))
        return wrong("cannot write into the state folder");

    uv_loop_init(&g->loop);
    if (dw_failed(dw_folder(g->set.record_folder)))
        return wrong("record.folder cannot be made");
    if (dw_failed(store_open(g->set.state, &g->loop, &g->secret, &g->store, &g->is_rolled_back, why,
                             sizeof why))) {
        fprintf(stderr, "doorward hub: %s\n", why);
        return 1;
    }
    if (g->is_rolled_back)
        dw_log("error", "record", "rolled_back=1 why=\"%s\"", why);
    find_service(g);
    if (!link_open_pairing(g))
        return wrong("pairing_code: a letter is wrong, or it was not made by: doorward hub "
                     "--pairing-code");
    wall_start(g);
    dw_interlock_init(&g->door, &params, dw_now());
    uv_timer_init(&g->loop, &g->clock);
    uv_timer_init(&g->loop, &g->second);
    g->clock.data = g->second.data = g;
    const int stops[] = {SIGTERM, SIGINT};
    for (size_t i = 0; i < 2; i++) {
        uv_signal_init(&g->loop, &g->stop[i]);
        g->stop[i].data = g;
        uv_signal_start(&g->stop[i], on_stop, stops[i]);
    }
    uint64_t newest = store_newest_line(g->store);
    /* What was told and not yet durable when the last hub ended had numbers, too. */
    g->story_number = newest ? newest + STORY_JUMP : 0;
    bolt_start(g);
    authority_start(g);
    expected_start(g);
    link_load_jobs(g);
    if (!people_start(g, g->set.front_origin))
        return wrong("front.origin: give one origin, as https://home.example, with a name that "
                     "passkeys can be made for; http only for a name that ends in localhost");
    devices_start(g);
    if (!house_start(g))
        return wrong(
            "this home has agreed to newer rules than this program knows; install the newer "
            "one again");
    tell(g, DW_STORY_HUB_STARTED, 0, 0);
    if (dw_failed(children_start(g)))
        return wrong("cannot start the children");
    store_each_open_visit(g->store, on_open_visit, g);
    /* [I30] The core waits for what a hub before this one may have lent to screens. There was none:
     * the first visit need not wait. */
    for (uint32_t slot = 0; slot < DW_SCREENS && store_is_new(g->store); slot++) {
        struct dw_event ev = {.type = DW_EV_SCREEN_SAW, .value = slot};
        guard_feed(g, &ev);
    }

    const char *const writes[] = {g->set.state, NULL};
    const char *const reads[] = {"/usr/share/zoneinfo", NULL};
    struct dw_sandbox box = {.flags = DW_SANDBOX_THREADS | DW_SANDBOX_FILES_WRITE,
                             .read_paths = reads,
                             .write_paths = writes};
    if (dw_failed(dw_sandbox_enter(&box)))
        return wrong("this kernel has no seccomp; the guard does not run without it");
    uv_timer_start(&g->second, on_second, 1000, 1000);
    arm(g);
    uv_run(&g->loop, UV_RUN_DEFAULT);
    store_close(g->store);
    dw_secret_wipe(&g->secret);
    return 0;
}

static int print_pairing_code(void)
{
    char code[DW_PAIRING_TEXT];
    if (dw_failed(dw_crypto_init()))
        return wrong("the crypto library does not start");
    dw_pairing_new(code);
    printf("%s\n", code);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"nursery", required_argument, NULL, 'n'},
                                            {"verbose", no_argument, NULL, 'v'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"effective", no_argument, NULL, 'e'},
                                            {"pairing-code", no_argument, NULL, 'p'},
                                            {NULL, 0, NULL, 0}};
    const char *config = NULL;
    int nursery = -1, c;
    bool verbose = false;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'c': config = optarg; break;
        case 'n': nursery = (int)strtol(optarg, NULL, 10); break;
        case 'v': verbose = true; break;
        case 'h':
            printf("doorward hub --config FILE [--verbose]\ndoorward hub --pairing-code   makes a "
                   "code for the setting of that name and for the service\n\nThe program in the "
                   "home: decides, records, owns the door.\nSettings and their defaults:\n\n");
            for (size_t i = 0; i < DW_ARRAY_COUNT(table); i++)
                printf("  %-16s %s%s%s\n", table[i].key,
                       table[i].fallback ? table[i].fallback : "(must be given)", "  # ",
                       table[i].help);
            return 0;
        case 'p': return print_pairing_code();
        default: return 2;
        }
    }
    if (!config)
        return wrong("give --config FILE");
    dw_os_init(nursery >= 0 ? "guard" : "nursery");
    if (verbose)
        dw_trace_on();
    return nursery >= 0 ? run_guard(config, nursery) : nursery_run(config, verbose);
}
