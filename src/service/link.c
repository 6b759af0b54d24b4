#include "service/link.h"

#include <mosquitto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/signed.h"
#include "os/os.h"
#include "service/homes/grants.h"
#include "service/homes/homes.h"
#include "service/jobs/jobs.h"
#include "service/jobs/wishes.h"
#include "service/visits/visits.h"
#include "wire/visit.h"

/* More than this on its way to the broker: the rest is dropped, and sent when it is asked for
 * again. */
#define UNSENT_MAX    4096
#define SEND_AGAIN_MS 10000u /* longer than a hub's pauses between attempts to come back */
#define TICK_MS       50u
#define RETRY_MS_MIN  100u
#define RETRY_MS_MAX  5000u

struct dw_link {
    struct dw_service *service;
    struct mosquitto *mosq;
    uv_poll_t *poll; /* one for each connection; NULL: none */
    uv_timer_t timer;
    int events;
    int unsent;
    uint64_t retry_ms, retry_at;
    char host[64];
    int port;
};

static void drop(struct dw_service *s, const char *why)
{
    s->count.messages_dropped++;
    if (s->count.messages_dropped < 100 || s->count.messages_dropped % 1000 == 0)
        dw_log("warn", "message-dropped", "why=%s count=%llu", why,
               (unsigned long long)s->count.messages_dropped);
}

/* -- the connection -----------------------------------------------------------------------------
 */

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

static void lost(struct dw_link *l)
{
    if (l->poll)
        uv_close((uv_handle_t *)l->poll, free_handle);
    l->poll = NULL;
    if (l->service->is_link_up)
        dw_log("warn", "broker", "state=lost");
    l->service->is_link_up = false;
    l->retry_at = uv_now(l->service->loop) + l->retry_ms;
    l->retry_ms = l->retry_ms * 2 > RETRY_MS_MAX ? RETRY_MS_MAX : l->retry_ms * 2;
}

static void watch(struct dw_link *l);

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct dw_link *l = poll->data;
    int rc = status < 0 ? MOSQ_ERR_CONN_LOST : MOSQ_ERR_SUCCESS;
    if (rc == MOSQ_ERR_SUCCESS && (events & UV_READABLE))
        rc = mosquitto_loop_read(l->mosq, 1);
    if (rc == MOSQ_ERR_SUCCESS && (events & UV_WRITABLE))
        rc = mosquitto_loop_write(l->mosq, 1);
    if (rc != MOSQ_ERR_SUCCESS)
        lost(l);
    else
        watch(l);
}

/* Keeps the poll in step with what libmosquitto wants. */
static void watch(struct dw_link *l)
{
    int fd = mosquitto_socket(l->mosq);
    if (fd < 0) {
        if (l->poll)
            lost(l);
        return;
    }
    int events = UV_READABLE | (mosquitto_want_write(l->mosq) ? UV_WRITABLE : 0);
    if (l->poll && l->events == events)
        return;
    if (!l->poll) {
        l->poll = calloc(1, sizeof(*l->poll));
        DW_ASSERT(l->poll);
        if (uv_poll_init(l->service->loop, l->poll, fd) != 0) {
            free(l->poll);
            l->poll = NULL;
            return;
        }
        l->poll->data = l;
    }
    l->events = events;
    DW_ASSERT(uv_poll_start(l->poll, events, on_ready) == 0);
}

static void on_tick(uv_timer_t *timer)
{
    struct dw_link *l = timer->data;
    if (l->poll) {
        if (mosquitto_loop_misc(l->mosq) != MOSQ_ERR_SUCCESS)
            lost(l);
        else
            watch(l);
        if (l->unsent < UNSENT_MAX / 4)
            dw_jobs_tick(l->service);
    } else if (uv_now(l->service->loop) >= l->retry_at) {
        if (mosquitto_reconnect_async(l->mosq) == MOSQ_ERR_SUCCESS)
            watch(l);
        else
            lost(l);
    }
}

static void on_connect(struct mosquitto *mosq, void *ctx, int rc)
{
    (void)ctx;
    static char enrol[] = "doorward/v1/enrol", out[] = "doorward/v1/+/out";
    static char *const topics[] = {enrol, out};
    if (rc == 0)
        (void)mosquitto_subscribe_multiple(mosq, NULL, 2, topics, 1, 0, NULL);
}

static void on_subscribed(struct mosquitto *mosq, void *ctx, int mid, int count, const int *granted)
{
    (void)mosq, (void)mid, (void)granted;
    struct dw_link *l = ctx;
    if (count != 2)
        return;
    l->retry_ms = RETRY_MS_MIN;
    l->service->is_link_up = true;
    dw_log("info", "broker", "state=up");
    /* The broker may have lost what it held for the hubs. */
    dw_jobs_send_all(l->service);
    l->service->sweep.again_at = uv_now(l->service->loop) + SEND_AGAIN_MS;
    dw_visits_send_again(l->service);
}

static void on_sent(struct mosquitto *mosq, void *ctx, int mid)
{
    (void)mosq, (void)mid;
    struct dw_link *l = ctx;
    if (l->unsent)
        l->unsent--;
}

void dw_link_send(struct dw_link *l, const struct dw_post *post)
{
    if (!l->service->is_link_up || l->unsent >= UNSENT_MAX ||
        mosquitto_publish(l->mosq, NULL, post->topic, (int)post->len, post->bytes, 1, false) !=
            MOSQ_ERR_SUCCESS) {
        l->service->count.messages_unsent++;
        return;
    }
    l->unsent++;
    watch(l);
}

/* -- what hubs say ------------------------------------------------------------------------------
 */

/* Finds the enrolled hub of an out topic. */
static bool hub_of_topic(struct dw_service *s, const char *topic, struct dw_message *m)
{
    static const char head[] = "doorward/v1/", tail[] = "/out";
    char id[17];
    uint8_t pub[DW_KEY_BYTES];
    if (strlen(topic) != sizeof(head) - 1 + 16 + sizeof(tail) - 1 ||
        strncmp(topic, head, sizeof(head) - 1) != 0 ||
        strcmp(topic + sizeof(head) - 1 + 16, tail) != 0)
        return false;
    memcpy(id, topic + sizeof(head) - 1, 16);
    id[16] = 0;
    struct dw_db *db = dw_store_reader(s->store);
    sqlite3_stmt *q = dw_db_ask(db, "SELECT id, hub_pub FROM homes WHERE hub_id = ?", "t", id);
    bool is_found = dw_db_next(db, q) && dw_col_blob(q, 0, m->home, sizeof(m->home)) &&
                    dw_col_blob(q, 1, pub, sizeof(pub));
    (void)dw_db_settle(db);
    if (is_found)
        dw_key_from_pub(pub, &m->hub);
    return is_found;
}

/* ENROL is signed by the key that it brings. */
static dw_err read_enrol(struct dw_view object, struct dw_message *m)
{
    struct dw_cose cose;
    struct dw_view payload;
    DW_TRY(dw_cose_read(DW_CONTEXT_ENROL, object, &cose));
    DW_TRY(dw_enrol_read(cose.payload, &m->enrol));
    dw_key_from_pub(m->enrol.hub_pub, &m->hub);
    return dw_signed_open(&m->hub, DW_CONTEXT_ENROL, object, &payload);
}

static dw_err read_message(struct dw_view object, struct dw_message *m)
{
    struct dw_view payload;
    const uint8_t *hub = NULL;
    if (m->kind != DW_LINK_KIND_OFFER && m->kind != DW_LINK_KIND_NEWS &&
        m->kind != DW_LINK_KIND_RECEIPT && m->kind != DW_LINK_KIND_WISH &&
        m->kind != DW_LINK_KIND_GRANT && m->kind != DW_LINK_KIND_REVOKED)
        return dw_fail(DW_E_UNSUPPORTED);
    DW_TRY(dw_signed_open(&m->hub, (enum dw_context)dw_link_context(m->kind), object, &payload));
    if (m->kind == DW_LINK_KIND_OFFER) {
        DW_TRY(dw_offer_read(payload, &m->offer));
        hub = m->offer.hub;
    } else if (m->kind == DW_LINK_KIND_NEWS) {
        DW_TRY(dw_news_read(payload, &m->news));
        hub = m->news.hub;
    } else if (m->kind == DW_LINK_KIND_WISH) {
        DW_TRY(dw_wish_read(payload, &m->wish));
        hub = m->wish.hub;
    } else if (m->kind == DW_LINK_KIND_GRANT) {
        DW_TRY(dw_evidence_read(payload, &m->evidence));
        hub = m->evidence.hub;
    } else if (m->kind == DW_LINK_KIND_REVOKED) {
        DW_TRY(dw_revoked_read(payload, &m->revoked));
        hub = m->revoked.hub;
    } else {
        DW_TRY(dw_receipt_read(payload, &m->receipt));
        hub = m->receipt.hub;
    }
    if (m->kind == DW_LINK_KIND_RECEIPT || m->kind == DW_LINK_KIND_OFFER ||
        m->kind == DW_LINK_KIND_GRANT) {
        uint8_t *kept = dw_arena_take(&m->work.arena, object.len);
        memcpy(kept, object.ptr, object.len);
        m->object = dw_view_of(kept, object.len);
    }
    return dw_same(hub, m->hub.thumb, DW_THUMB_BYTES) ? DW_OK : dw_fail(DW_E_CONTEXT);
}

static void free_message(struct dw_message *m)
{
    struct dw_arena arena = m->work.arena;
    dw_arena_done(&arena);
}

static void message_done(struct dw_work *w, bool is_stored)
{
    struct dw_message *m = (struct dw_message *)w;
    if (is_stored)
        dw_service_after(w); /* acknowledges; not stored: the hub sends it again */
    if (m->is_refused)
        drop(w->service, "not-ours");
    free_message(m);
}

static void on_message(struct mosquitto *mosq, void *ctx, const struct mosquitto_message *in)
{
    (void)mosq;
    struct dw_link *l = ctx;
    struct dw_service *s = l->service;
    s->count.messages++;
    if (in->payloadlen < 2 || in->payloadlen > (int)DW_LINK_PAYLOAD_MAX) {
        drop(s, "size");
        return;
    }
    struct dw_arena arena = {0};
    struct dw_message *m = dw_arena_take(&arena, sizeof(*m));
    m->work.arena = arena;
    m->work.service = s;
    m->work.posts_end = &m->work.posts;
    m->kind = *(const uint8_t *)in->payload;
    struct dw_view object =
        dw_view_of((const uint8_t *)in->payload + 1, (size_t)in->payloadlen - 1);
    dw_err e = dw_fail(DW_E_UNSET);
    bool is_enrol = strcmp(in->topic, "doorward/v1/enrol") == 0;
    if (is_enrol)
        e = m->kind == DW_LINK_KIND_ENROL ? read_enrol(object, m) : dw_fail(DW_E_UNSUPPORTED);
    else
        e = hub_of_topic(s, in->topic, m) ? read_message(object, m) : dw_fail(DW_E_KEY);
    if (!dw_failed(e)) {
        m->work.run = is_enrol                       ? dw_homes_hear
                      : m->kind == DW_LINK_KIND_WISH ? dw_wishes_hear
                      : m->kind == DW_LINK_KIND_GRANT || m->kind == DW_LINK_KIND_REVOKED
                          ? dw_grants_hear
                          : dw_visits_hear;
        m->work.done = message_done;
        e = dw_store_write(s->store, &m->work);
    }
    if (dw_failed(e)) {
        drop(s, dw_err_name(e));
        free_message(m);
    }
}

/* -- start and stop -----------------------------------------------------------------------------
 */

static bool read_address(struct dw_link *l, const char *address)
{
    const char *colon = strrchr(address, ':');
    char *rest = NULL;
    if (!colon || (size_t)(colon - address) >= sizeof(l->host))
        return false;
    long port = strtol(colon + 1, &rest, 10);
    if (*rest || rest == colon + 1 || port < 1 || port > 65535)
        return false;
    (void)snprintf(l->host, sizeof(l->host), "%.*s", (int)(colon - address), address);
    l->port = (int)port;
    return true;
}

/* "name:password" in a file that only the service reads. */
static dw_err log_in(struct dw_link *l, const char *path)
{
    char text[256];
    struct dw_buf buf = dw_buf_of(text, sizeof(text) - 1);
    DW_TRY(dw_file_read(path, &buf));
    text[buf.len] = 0;
    text[strcspn(text, "\r\n")] = 0;
    char *colon = strchr(text, ':');
    if (!colon)
        return dw_fail(DW_E_INVALID);
    *colon = 0;
    int rc = mosquitto_username_pw_set(l->mosq, text, colon + 1);
    explicit_bzero(text, sizeof(text));
    return rc == MOSQ_ERR_SUCCESS ? DW_OK : dw_fail(DW_E_INVALID);
}

dw_err dw_link_start(struct dw_service *s)
{
    struct dw_link *l = calloc(1, sizeof(*l));
    DW_ASSERT(l);
    l->service = s;
    l->retry_ms = RETRY_MS_MIN;
    if (!read_address(l, s->set.broker)) {
        free(l);
        return dw_fail(DW_E_INVALID);
    }
    char name[64], id[17];
    dw_hex(s->key.key.thumb, 8, id);
    (void)snprintf(name, sizeof(name), "doorward-service-%s", id);
    (void)mosquitto_lib_init();
    l->mosq = mosquitto_new(name, false, l);
    DW_ASSERT(l->mosq);
    if (s->set.broker_login_file[0]) {
        dw_err e = log_in(l, s->set.broker_login_file);
        if (dw_failed(e)) {
            mosquitto_destroy(l->mosq);
            free(l);
            return e;
        }
    }
    (void)mosquitto_int_option(l->mosq, MOSQ_OPT_TCP_NODELAY, 1);
    (void)mosquitto_max_inflight_messages_set(l->mosq, 256);
    mosquitto_connect_callback_set(l->mosq, on_connect);
    mosquitto_subscribe_callback_set(l->mosq, on_subscribed);
    mosquitto_publish_callback_set(l->mosq, on_sent);
    mosquitto_message_callback_set(l->mosq, on_message);
    DW_ASSERT(uv_timer_init(s->loop, &l->timer) == 0);
    l->timer.data = l;
    s->link = l;
    /* 20 s: a broker that has gone without a word is noticed within half a minute. */
    if (mosquitto_connect_async(l->mosq, l->host, l->port, 20) == MOSQ_ERR_SUCCESS)
        watch(l);
    else
        lost(l);
    DW_ASSERT(uv_timer_start(&l->timer, on_tick, TICK_MS, TICK_MS) == 0);
    return DW_OK;
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void dw_link_stop(struct dw_link *l)
{
    (void)mosquitto_disconnect(l->mosq);
    (void)mosquitto_loop_write(l->mosq, 1);
    l->service->is_link_up = false;
    if (l->poll)
        uv_close((uv_handle_t *)l->poll, free_handle);
    l->poll = NULL;
    mosquitto_destroy(l->mosq);
    l->mosq = NULL;
    (void)mosquitto_lib_cleanup();
    uv_close((uv_handle_t *)&l->timer, on_timer_closed);
}
