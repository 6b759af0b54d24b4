/* doorward service: jobs, agencies, visitors, homes and visits behind one API. Holds nothing that
 * opens a door by itself: each visit is decided by the home's hub. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/config.h"
#include "os/os.h"
#include "os/sandbox.h"
#include "service/api.h"
#include "service/civil.h"
#include "service/http.h"
#include "service/link.h"
#include "service/people/people.h"
#include "service/visits/visits.h"

#define STRING(field, def, text) DW_SETTING_OF_TEXT(struct dw_service_settings, field, def, text)
#define UINT(field, lo, hi, def, of, text) \
    DW_SETTING_OF_UINT(struct dw_service_settings, field, lo, hi, def, of, text)
#define BOOL(field, def, text)                                                                    \
    {                                                                                             \
#field, DW_SETTING_BOOL, offsetof(struct dw_service_settings, field), 0, 0, def, "", text \
    }

static const struct dw_setting table[] = {
    STRING(listen, "127.0.0.1:8400", "address of the API; port 0: the system chooses"),
    STRING(port_file, "", "file that gets the port, or empty"),
    STRING(database, NULL, "SQLite file; made if absent"),
    STRING(key_file, NULL, "the service's secret key; made if absent, FILE.pub beside it"),
    STRING(admin_token_file, NULL, "the admin's token; made if absent"),
    STRING(broker, "127.0.0.1:1883", "MQTT broker"),
    STRING(broker_login_file, "", "file with name:password for the broker, or empty"),
    STRING(origin, "",
           "address of the pages, exactly as browsers show it (https://host[:port], or"
           " http://NAME.localhost:PORT); empty: nobody can sign in"),
    STRING(tls_cert, "",
           "certificate chain (PEM), so that phones can come without a proxy; or empty"),
    STRING(tls_key, "", "its secret key (PEM)"),
    BOOL(behind_proxy, "no", "yes: may listen beyond this machine, because a proxy does the TLS"),
    UINT(connections_max, 16, 8000, "2000", "", "connections at once"),
    UINT(database_mib_max, 0, 1048576, "0", "MiB",
         "largest database file; 0: as large as the disk"),
    UINT(hub_answer_ms, 500, 8000, "8000", "ms", "a hub that is silent for longer is unreachable"),
    UINT(location_m_max, 20, 100000, "200", "m", "a phone further from the home is refused"),
    UINT(window_days_max, 1, 3660, "366", "days", "how far ahead a window may lie"),
    UINT(session_idle_s, 1, 43200, "43200", "s", "a session ends when it is unused for longer"),
    UINT(session_max_s, 1, 86400, "86400", "s", "a session ends after this in any case"),
    UINT(session_rotate_s, 1, 900, "900", "s", "a session's cookie is renewed after this"),
    UINT(session_fresh_s, 1, 3600, "900", "s",
         "inviting people and taking staff out needs a sign-in that is not older"),
    UINT(invitation_hours, 1, 168, "72", "h", "how long the link of an invitation counts"),
    UINT(story_days, 1, 36500, "365", "days",
         "lines of a visit's story are kept; its outcome, times and receipt stay"),
};

static struct dw_service service;

/* -- start --------------------------------------------------------------------------------------
 */

static bool fail(const char *what, const char *path, dw_err e)
{
    dw_log("error", what, "file=%s why=\"%s\"", path, dw_err_text(e));
    return false;
}

static bool load_key(void)
{
    char pub[sizeof(service.set.key_file) + 8];
    dw_err e = access(service.set.key_file, F_OK) == 0
                   ? dw_secret_load(service.set.key_file, &service.key)
                   : dw_secret_create(service.set.key_file, &service.key);
    if (dw_failed(e))
        return fail("key", service.set.key_file, e);
    (void)snprintf(pub, sizeof(pub), "%s.pub", service.set.key_file);
    e = dw_key_save(pub, &service.key.key);
    return dw_failed(e) ? fail("key", pub, e) : true;
}

static bool load_admin_token(void)
{
    uint8_t random[32];
    char text[80] = "dw";
    if (access(service.set.admin_token_file, F_OK) != 0) {
        dw_random(random, sizeof(random));
        dw_hex(random, sizeof(random), text + 2);
        text[66] = '\n';
        dw_err e = dw_file_write(service.set.admin_token_file, dw_view_of(text, 67), 0600);
        if (dw_failed(e))
            return fail("admin_token", service.set.admin_token_file, e);
    }
    struct dw_buf buf = dw_buf_of(text, sizeof(text) - 1);
    dw_err e = dw_file_read(service.set.admin_token_file, &buf);
    while (!dw_failed(e) && buf.len && text[buf.len - 1] == '\n')
        buf.len--;
    if (!dw_failed(e) && buf.len < 32)
        e = dw_fail(DW_E_INVALID);
    if (dw_failed(e))
        return fail("admin_token", service.set.admin_token_file, e);
    dw_sha256(dw_view_of(text, buf.len), service.admin_hash);
    memset(text, 0, sizeof(text));
    return true;
}

static bool tell_port(uint16_t port)
{
    char text[8];
    dw_log("info", "listening", "port=%u", port);
    if (!service.set.port_file[0])
        return true;
    int n = snprintf(text, sizeof(text), "%u\n", port);
    dw_err e = dw_file_write(service.set.port_file, dw_view_of(text, (size_t)n), 0600);
    return dw_failed(e) ? fail("port_file", service.set.port_file, e) : true;
}

static bool check_pages(void)
{
    const struct dw_service_settings *set = &service.set;
    if (!set->origin[0]) {
        dw_log("warn", "sign-in", "state=off why=\"origin is not set\"");
    } else if (!dw_origin_read(set->origin, service.rp_id, sizeof(service.rp_id))) {
        dw_log("error", "origin",
               "value=%s why=\"must be https://host[:port] in lower case, or"
               " http://NAME.localhost[:port]; no path, no slash at the end\"",
               set->origin);
        return false;
    } else {
        dw_log("info", "sign-in", "state=on origin=%s", set->origin);
    }
    if (!set->tls_cert[0] == !set->tls_key[0])
        return true;
    dw_log("error", "tls", "why=\"tls_cert and tls_key go together\"");
    return false;
}

/* Everything that needs a file or a name is done before the sandbox closes. */
static bool start(void)
{
    uint16_t port = 0;
    if (!check_pages())
        return false;
    dw_err e = dw_store_open(service.loop, service.set.database, service.set.database_mib_max,
                             &service.store);
    if (dw_failed(e))
        return fail("database", service.set.database, e);
    e = dw_http_start(&service, &port);
    if (dw_is(e, DW_E_DENIED)) {
        dw_log("error", "listen",
               "address=%s why=\"not a loopback address: set tls_cert and tls_key, or put a proxy"
               " with TLS in front and set behind_proxy = yes\"",
               service.set.listen);
        return false;
    }
    if (dw_failed(e))
        return fail("listen", service.set.listen, e);
    if (dw_failed(dw_waiting_start(&service)))
        return false;
    e = dw_link_start(&service);
    if (dw_failed(e))
        return fail("broker", service.set.broker, e);
    return tell_port(port);
}

static dw_err enter_sandbox(void)
{
    char folder[sizeof(service.set.database)];
    (void)snprintf(folder, sizeof(folder), "%s", service.set.database);
    char *slash = strrchr(folder, '/');
    if (slash == folder)
        slash[1] = 0;
    else if (slash)
        *slash = 0;
    else
        (void)snprintf(folder, sizeof(folder), ".");
    struct dw_sandbox box = {
        .flags = DW_SANDBOX_NET_CONNECT | DW_SANDBOX_NET_LISTEN | DW_SANDBOX_THREADS |
                 DW_SANDBOX_FILES_WRITE | DW_SANDBOX_RESOLVE,
        .read_paths = (const char *const[]){"/usr/share/zoneinfo", NULL},
        .write_paths = (const char *const[]){folder, NULL},
    };
    return dw_sandbox_enter(&box);
}

/* -- stop ---------------------------------------------------------------------------------------
 */

static uv_signal_t signals[2];

static void on_signal(uv_signal_t *handle, int number)
{
    dw_log("info", "stopping", "signal=%d", number);
    uv_stop(handle->loop);
}

static void stop(void)
{
    for (size_t i = 0; i < DW_ARRAY_COUNT(signals); i++)
        uv_close((uv_handle_t *)&signals[i], NULL);
    dw_waiting_stop(service.waiting); /* answers who waits */
    dw_store_close(service.store);    /* commits what is queued, and answers */
    dw_link_stop(service.link);
    dw_http_stop(service.http);
    (void)uv_run(service.loop, UV_RUN_DEFAULT);
    dw_http_done(service.http);
    (void)uv_loop_close(service.loop);
    dw_secret_wipe(&service.key);
}

static int print_routes(void)
{
    for (size_t i = 0; i < dw_route_count; i++)
        (void)printf("%s %s\n", dw_routes[i].method, dw_routes[i].path);
    return 0;
}

int main(int argc, char **argv)
{
    static uv_loop_t loop;
    const char *file = NULL;
    char why[256];
    bool prints = false, is_verbose = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--config") == 0 && i + 1 < argc) {
            file = argv[++i];
        } else if (strcmp(argv[i], "--routes") == 0) {
            return print_routes();
        } else if (strcmp(argv[i], "--print-config") == 0) {
            prints = true;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            is_verbose = true;
        } else {
            (void)fprintf(
                stderr,
                "usage: doorward service --config FILE [--print-config] [--verbose] | --routes\n"
                "  --print-config  print the settings in force, then end\n"
                "  --routes        print methods and paths of the API, then end\n");
            return 2;
        }
    }
    dw_os_init("service");
    if (is_verbose)
        dw_trace_on();
    if (!file || dw_failed(dw_config_load(table, DW_ARRAY_COUNT(table), file, &service.set, why,
                                          sizeof(why)))) {
        (void)fprintf(stderr, "doorward service: %s\n", file ? why : "give --config FILE");
        return 2;
    }
    if (prints) {
        dw_config_print(table, DW_ARRAY_COUNT(table), &service.set, stdout);
        return 0;
    }
    (void)signal(SIGXFSZ, SIG_IGN); /* a file too large is an error of one write, not our end */
    json_object_seed(0);
    dw_civil_init();
    service.loop = &loop;
    if (dw_failed(dw_crypto_init()) || !load_key() || !load_admin_token() ||
        uv_loop_init(&loop) != 0 || !start())
        return 1;
    for (size_t i = 0; i < DW_ARRAY_COUNT(signals); i++) {
        (void)uv_signal_init(&loop, &signals[i]);
        (void)uv_signal_start(&signals[i], on_signal, i == 0 ? SIGTERM : SIGINT);
    }
    dw_err e = enter_sandbox();
    if (dw_failed(e)) {
        dw_log("error", "sandbox", "why=\"%s\"", dw_err_text(e));
        return 1;
    }
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    stop();
    return 0;
}
