/* doorward-front: HTTP, WebSocket and the MQTT link of the hub. A child of the guard. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "crypto/crypto.h"
#include "hub/front/front.h"
#include "os/config.h"
#include "os/os.h"
#include "os/sandbox.h"

#define OFFSET(field) offsetof(struct dw_front_conf, field)
#define ROOM(field)   0, (uint32_t)sizeof(((struct dw_front_conf *)0)->field)

static const struct dw_setting settings[] = {
    {"front.listen", DW_SETTING_STRING, OFFSET(listen), ROOM(listen), "127.0.0.1:8080", "",
     "address of the pages; this machine only unless there is a certificate; port 0: the system "
     "chooses"},
    {"front.name", DW_SETTING_STRING, OFFSET(name), ROOM(name), "", "",
     "one more host name under which the page may be asked for"},
    {"front.origin", DW_SETTING_STRING, OFFSET(origin), ROOM(origin), "", "",
     "what people open, exactly, as https://home.example; passkeys are made for it"},
    {"front.state", DW_SETTING_STRING, OFFSET(state), ROOM(state), "", "",
     "folder of sessions, history and the viewer log; without it a restart signs everybody out"},
    {"front.tls_cert", DW_SETTING_STRING, OFFSET(tls_cert), ROOM(tls_cert), "", "",
     "certificate chain, PEM; read at the start"},
    {"front.tls_key", DW_SETTING_STRING, OFFSET(tls_key), ROOM(tls_key), "", "",
     "its private key, PEM; read at the start"},
    {"front.port_file", DW_SETTING_STRING, OFFSET(port_file), ROOM(port_file), "", "",
     "file that gets the port listened on"},
    {"front.drill_socket", DW_SETTING_STRING, OFFSET(drill_socket), ROOM(drill_socket), "", "",
     "socket of the demo; without it the page has no drills"},
    {"record.folder", DW_SETTING_STRING, OFFSET(record_folder), ROOM(record_folder), "", "",
     "folder of the recordings, one folder a visit"},
    {"link.broker", DW_SETTING_STRING, OFFSET(broker), ROOM(broker), "", "",
     "host:port of the MQTT broker; without it there is no service"},
    {"link.hub_id", DW_SETTING_STRING, OFFSET(hub_id), ROOM(hub_id), "", "",
     "first 16 hexadecimal digits of the hub's thumbprint"},
    {"link.credentials", DW_SETTING_STRING, OFFSET(credentials), ROOM(credentials), "", "",
     "file with name:password for the broker"},
};

void dw_front_end(struct dw_front *f, const char *why)
{
    if (f->is_ending)
        return;
    f->is_ending = true;
    dw_log("info", "front_ends", "why=\"%s\"", why);
    uv_stop(&f->loop);
}

static void on_tick(uv_timer_t *t)
{
    struct dw_front *f = t->data;
    uint64_t now = dw_now().ms;
    dw_front_asks_tick(f, now);
    dw_front_guests_tick(f, now);
    dw_front_guard_tick(f, now);
    dw_front_pages_tick(f, now);
}

static int fail(const char *why)
{
    fprintf(stderr, "doorward-front: %s\n", why);
    return 1;
}

static bool is_child(void)
{
    int type = 0;
    socklen_t len = sizeof(type);
    return getsockopt(DW_IPC_FD, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET;
}

static dw_err write_port(const struct dw_front *f)
{
    char text[16];
    if (!f->conf.port_file[0])
        return DW_OK;
    int len = snprintf(text, sizeof(text), "%d\n", lws_get_vhost_listen_port(f->vhost));
    return dw_file_write(f->conf.port_file, dw_view_of(text, (size_t)len), 0644);
}

static dw_err enter_sandbox(const struct dw_front *f)
{
    const char *read_paths[] = {f->conf.record_folder[0] ? f->conf.record_folder : NULL, NULL};
    const char *write_paths[] = {f->conf.state[0] ? f->conf.state : NULL, NULL};
    /* Certificate and key have been read; they cannot be read again. */
    struct dw_sandbox box = {
        .flags = DW_SANDBOX_NET_CONNECT | DW_SANDBOX_NET_LISTEN | DW_SANDBOX_RESOLVE |
                 (f->conf.state[0] ? DW_SANDBOX_FILES_WRITE : 0u),
        .read_paths = read_paths,
        .write_paths = write_paths,
    };
    return dw_sandbox_enter(&box);
}

int main(int argc, char **argv)
{
    static struct dw_front f = {.live_fd = -1};
    char why[512] = "";
    const char *path = NULL;
    dw_os_init("front");
    if (argc == 3 && strcmp(argv[1], "--config") == 0)
        path = argv[2];
    else if (argc == 2 && strcmp(argv[1], "--settings") == 0) {
        if (dw_failed(dw_config_load(settings, DW_ARRAY_COUNT(settings), NULL, &f.conf, why,
                                     sizeof(why))))
            return fail(why);
        dw_config_print(settings, DW_ARRAY_COUNT(settings), &f.conf, stdout);
        return 0;
    } else if (argc == 2 && strcmp(argv[1], "--routes") == 0) {
        dw_front_print_routes(stdout);
        return 0;
    } else if (argc != 1) {
        fprintf(stderr, "usage: doorward-front [--config FILE | --settings | --routes]\n");
        return 2;
    }
    if (dw_failed(
            dw_config_load(settings, DW_ARRAY_COUNT(settings), path, &f.conf, why, sizeof(why))))
        return fail(why);
    if (!is_child())
        return fail("this program is started by doorward-guard");
    if (dw_failed(dw_crypto_init()))
        return fail("the crypto library does not start");
    if (f.conf.record_folder[0] && dw_failed(dw_folder(f.conf.record_folder)))
        return fail("cannot make record.folder");

    if (dw_failed(dw_book_open(f.conf.state, &f.book, why, sizeof(why))))
        return fail(why);

    uv_loop_init(&f.loop);
    if (dw_failed(dw_front_http_start(&f, why, sizeof(why))))
        return fail(why);
    if (dw_failed(write_port(&f)))
        return fail("cannot write front.port_file");
    if (dw_failed(dw_front_link_start(&f)))
        return fail("cannot start the link to the service");
    if (dw_failed(enter_sandbox(&f)))
        return fail("no sandbox on this kernel");
    if (dw_failed(dw_front_guard_start(&f)))
        return fail("the guard's socket does not work");
    uv_timer_init(&f.loop, &f.tick);
    f.tick.data = &f;
    uv_timer_start(&f.tick, on_tick, 1000, 1000);

    struct dw_ipc_ready ready = {0};
    if (dw_failed(dw_ipc_send(DW_IPC_FD, DW_IPC_READY, &ready)))
        return fail("the guard is gone");
    dw_log("info", "front_ready", "port=%d", lws_get_vhost_listen_port(f.vhost));
    uv_run(&f.loop, UV_RUN_DEFAULT);
    dw_front_link_stop(&f);
    dw_book_close(f.book);
    /* The rest goes with the process: its sockets close, and the guard sees that. */
    return 0;
}
