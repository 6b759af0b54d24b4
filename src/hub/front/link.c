#include <stdlib.h>
#include <string.h>

#include "hub/front/front.h"
#include "os/os.h"

#define KEEPALIVE_S    15
#define BACKOFF_MIN_MS 250u
#define BACKOFF_MAX_MS 4000u
#define TICK_MS        250u
#define UNACKED_MAX    64u /* more than this: the broker does not take them; the guard sends again */

static void stop_poll(struct dw_front *f);

static void set_up(struct dw_front *f, bool is_up)
{
    if (f->is_link_up == is_up)
        return;
    f->is_link_up = is_up;
    dw_log("info", "service_link", "up=%d", is_up);
    dw_front_guard_link_state(f, is_up);
}

static void lost(struct dw_front *f)
{
    stop_poll(f);
    set_up(f, false);
    f->mqtt_unacked =
        0; /* libmosquitto keeps them and sends them again; the guard repeats as well */
    if (f->mqtt_next_ms == 0) {
        f->mqtt_next_ms = dw_now().ms + f->mqtt_backoff_ms;
        f->mqtt_backoff_ms =
            f->mqtt_backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : f->mqtt_backoff_ms * 2;
    }
}

/* ---- the socket on our loop ---- */

static void free_poll(uv_handle_t *h)
{
    free(h);
}

static void stop_poll(struct dw_front *f)
{
    if (!f->mqtt_poll)
        return;
    uv_poll_stop(f->mqtt_poll);
    uv_close((uv_handle_t *)f->mqtt_poll, free_poll);
    f->mqtt_poll = NULL;
    f->mqtt_events = 0;
}

static void on_socket(uv_poll_t *poll, int status, int events);

static void watch_socket(struct dw_front *f)
{
    int fd = mosquitto_socket(f->mqtt);
    if (fd < 0) {
        lost(f);
        return;
    }
    if (!f->mqtt_poll) {
        uv_poll_t *poll = malloc(sizeof(*poll));
        if (!poll || uv_poll_init(&f->loop, poll, fd) != 0) {
            free(poll);
            return;
        }
        poll->data = f;
        f->mqtt_poll = poll;
    }
    int events = UV_READABLE | (mosquitto_want_write(f->mqtt) ? UV_WRITABLE : 0);
    if (events != f->mqtt_events) {
        f->mqtt_events = events;
        uv_poll_start(f->mqtt_poll, events, on_socket);
    }
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
    struct dw_front *f = poll->data;
    int rc = MOSQ_ERR_SUCCESS;
    if (status < 0)
        events = UV_READABLE; /* let the library find out what is wrong */
    if (events & UV_WRITABLE)
        rc = mosquitto_loop_write(f->mqtt, 1);
    if (rc == MOSQ_ERR_SUCCESS && (events & UV_READABLE))
        rc = mosquitto_loop_read(f->mqtt, 16);
    if (rc != MOSQ_ERR_SUCCESS && rc != MOSQ_ERR_CONN_PENDING) {
        lost(f);
        return;
    }
    watch_socket(f);
}

static void dial(struct dw_front *f)
{
    char host[128];
    snprintf(host, sizeof(host), "%s", f->conf.broker);
    char *colon = strrchr(host, ':');
    unsigned long port = 1883;
    if (colon) {
        *colon = '\0';
        port = strtoul(colon + 1, NULL, 10);
    }
    f->mqtt_next_ms = 0;
    int rc = mosquitto_connect_async(f->mqtt, host, (int)port, KEEPALIVE_S);
    if (rc != MOSQ_ERR_SUCCESS)
        lost(f);
    else
        watch_socket(f);
}

static void on_tick(uv_timer_t *t)
{
    struct dw_front *f = t->data;
    if (f->mqtt_next_ms != 0) {
        if (dw_now().ms >= f->mqtt_next_ms)
            dial(f);
        return;
    }
    int rc = mosquitto_loop_misc(f->mqtt);
    if (rc != MOSQ_ERR_SUCCESS)
        lost(f);
    else
        watch_socket(f);
}

/* ---- events of the library ---- */

static void on_connect(struct mosquitto *m, void *obj, int rc)
{
    struct dw_front *f = obj;
    if (rc != 0) {
        dw_log("warn", "service_link", "refused=%d", rc);
        return;
    }
    f->mqtt_unacked = 0;
    mosquitto_subscribe(m, NULL, f->topic_in, 1);
}

/* Up only now: with the subscription in place nothing that is sent to us can be lost. */
static void on_subscribe(struct mosquitto *m, void *obj, int mid, int count, const int *granted)
{
    struct dw_front *f = obj;
    (void)m;
    (void)mid;
    if (count != 1 || granted[0] < 0 || granted[0] > 2) {
        dw_log("error", "service_link", "subscription=refused");
        return;
    }
    f->mqtt_backoff_ms = BACKOFF_MIN_MS;
    set_up(f, true);
}

static void on_disconnect(struct mosquitto *m, void *obj, int rc)
{
    (void)m;
    (void)rc;
    lost(obj);
}

static void on_publish(struct mosquitto *m, void *obj, int mid)
{
    struct dw_front *f = obj;
    (void)m;
    (void)mid;
    if (f->mqtt_unacked > 0)
        f->mqtt_unacked--;
}

static void on_message(struct mosquitto *m, void *obj, const struct mosquitto_message *msg)
{
    struct dw_front *f = obj;
    (void)m;
    if (strcmp(msg->topic, f->topic_in) != 0 || msg->retain || msg->payloadlen <= 0)
        return; /* nothing is retained on our topics; a retained message is an old one */
    dw_front_guard_link_in(f, dw_view_of(msg->payload, (size_t)msg->payloadlen));
}

void dw_front_link_send(struct dw_front *f, const struct dw_ipc_link *m)
{
    if (!f->mqtt || m->len == 0 || m->len > sizeof(m->bytes))
        return;
    if (!f->is_link_up || f->mqtt_unacked >= UNACKED_MAX) {
        dw_front_guard_link_state(f, false); /* not sent: the guard keeps it */
        if (f->is_link_up)
            dw_front_guard_link_state(f, true);
        return;
    }
    const char *topic = m->is_enrol ? "doorward/v1/enrol" : f->topic_out;
    if (mosquitto_publish(f->mqtt, NULL, topic, m->len, m->bytes, 1, false) != MOSQ_ERR_SUCCESS) {
        dw_front_guard_link_state(f, false);
        return;
    }
    f->mqtt_unacked++;
    watch_socket(f);
}

dw_err dw_front_link_start(struct dw_front *f)
{
    const char *id = f->conf.hub_id;
    if (!f->conf.broker[0])
        return DW_OK;
    if (strlen(id) != 16 || strspn(id, "0123456789abcdef") != 16) {
        dw_log("error", "setting", "link.hub_id=\"16 hexadecimal digits are needed\"");
        return dw_fail(DW_E_INVALID);
    }
    char client[40];
    snprintf(client, sizeof(client), "doorward-hub-%s", id);
    snprintf(f->topic_in, sizeof(f->topic_in), "doorward/v1/%s/in", id);
    snprintf(f->topic_out, sizeof(f->topic_out), "doorward/v1/%s/out", id);
    mosquitto_lib_init();
    f->mqtt = mosquitto_new(client, false, f);
    if (!f->mqtt)
        return dw_fail(DW_E_IO);
    mosquitto_int_option(f->mqtt, MOSQ_OPT_TCP_NODELAY, 1);
    mosquitto_connect_callback_set(f->mqtt, on_connect);
    mosquitto_disconnect_callback_set(f->mqtt, on_disconnect);
    mosquitto_subscribe_callback_set(f->mqtt, on_subscribe);
    mosquitto_publish_callback_set(f->mqtt, on_publish);
    mosquitto_message_callback_set(f->mqtt, on_message);
    if (f->conf.credentials[0]) { /* "name:password" in a file that only the hub reads */
        uint8_t text[256];
        struct dw_buf b = dw_buf_of(text, sizeof(text) - 1);
        DW_TRY(dw_file_read(f->conf.credentials, &b));
        text[b.len] = '\0';
        text[strcspn((char *)text, "\r\n")] = '\0';
        char *colon = strchr((char *)text, ':');
        if (!colon)
            return dw_fail(DW_E_INVALID);
        *colon = '\0';
        mosquitto_username_pw_set(f->mqtt, (char *)text, colon + 1);
        explicit_bzero(text, sizeof(text));
    }
    f->mqtt_backoff_ms = BACKOFF_MIN_MS;
    uv_timer_init(&f->loop, &f->mqtt_timer);
    f->mqtt_timer.data = f;
    f->mqtt_next_ms = 1;
    uv_timer_start(&f->mqtt_timer, on_tick, 0, TICK_MS);
    return DW_OK;
}

void dw_front_link_stop(struct dw_front *f)
{
    if (!f->mqtt)
        return;
    stop_poll(f);
    mosquitto_disconnect(f->mqtt);
    mosquitto_destroy(f->mqtt);
    f->mqtt = NULL;
}
