#include "service/http.h"

#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "service/api.h"

#define HEAD_BYTES_MAX 4096u
#define IDLE_S         60u
#define READ_S         10u

struct dw_http {
    struct dw_service *service;
    struct lws_context *context;
    uint32_t connections;
    void *loops[1];
};

/* One connection: at most one call at a time. */
struct session {
    struct dw_call *call;
    bool is_running;  /* the request is complete and on its way */
    bool is_answered; /* `call` holds the answer */
    bool must_close;  /* after this answer: the rest of the request was not read */
};

uint32_t dw_http_connections(const struct dw_http *h)
{
    return h->connections;
}

static const char *method_of(struct lws *wsi, char **ret_uri, int *ret_len)
{
    switch (lws_http_get_uri_and_method(wsi, ret_uri, ret_len)) {
    case LWSHUMETH_GET: return "GET";
    case LWSHUMETH_POST: return "POST";
    case LWSHUMETH_PUT: return "PUT";
    case LWSHUMETH_PATCH: return "PATCH";
    case LWSHUMETH_DELETE: return "DELETE";
    case LWSHUMETH_OPTIONS: return "OPTIONS";
    case LWSHUMETH_HEAD: return "HEAD";
    default: return "?";
    }
}

static void on_reply(struct dw_call *c)
{
    if (!c->socket) { /* the asker has gone; what was done stays done */
        dw_call_free(c);
        return;
    }
    struct session *session = lws_wsi_user(c->socket);
    session->is_answered = true;
    (void)lws_callback_on_writable(c->socket);
}

/* Reads a header into `ret_text`; DW_PROBLEM_HEADERS when it does not fit. */
static enum dw_problem header(struct lws *wsi, enum lws_token_indexes token, char *ret_text,
                              size_t cap)
{
    int len = lws_hdr_total_length(wsi, token);
    ret_text[0] = 0;
    if (len <= 0)
        return DW_PROBLEM_NONE;
    if ((size_t)len >= cap || lws_hdr_copy(wsi, ret_text, (int)cap, token) < 0)
        return DW_PROBLEM_HEADERS;
    return DW_PROBLEM_NONE;
}

static void read_key(struct lws *wsi, struct dw_call *c)
{
    static const char name[] = "idempotency-key:";
    int len = lws_hdr_custom_length(wsi, name, (int)sizeof(name) - 1);
    if (len < 0)
        return;
    c->is_key_bad = len < 1 || len > 64 ||
                    lws_hdr_custom_copy(wsi, c->idempotency_key, (int)sizeof(c->idempotency_key),
                                        name, (int)sizeof(name) - 1) < 0;
    for (const char *p = c->idempotency_key; *p; p++)
        if (*p <= ' ' || *p > '~')
            c->is_key_bad = true;
}

static enum dw_problem read_query(struct lws *wsi, struct dw_call *c)
{
    char text[128];
    for (int i = 0; lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_URI_ARGS) > 0; i++) {
        int len = lws_hdr_fragment_length(wsi, WSI_TOKEN_HTTP_URI_ARGS, i);
        if (len <= 0)
            break;
        if (c->query_count == DW_QUERY_MAX || (size_t)len >= sizeof(text) ||
            lws_hdr_copy_fragment(wsi, text, sizeof(text), WSI_TOKEN_HTTP_URI_ARGS, i) < 0)
            return DW_PROBLEM_BAD_REQUEST;
        char *value = strchr(text, '=');
        if (value)
            *value++ = 0;
        if (strlen(text) >= sizeof(c->query[0].name) ||
            (value && strlen(value) >= sizeof(c->query[0].value)))
            return DW_PROBLEM_BAD_REQUEST;
        (void)snprintf(c->query[c->query_count].name, sizeof(c->query[0].name), "%s", text);
        (void)snprintf(c->query[c->query_count].value, sizeof(c->query[0].value), "%s",
                       value ? value : "");
        c->query_count++;
    }
    /* Something stands there, but not a name and a value. */
    if (c->query_count == 0 && lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_URI_ARGS) > 0)
        return DW_PROBLEM_BAD_REQUEST;
    return DW_PROBLEM_NONE;
}

/* The request's head. `*ret_awaits` is true when a body follows and will be read. */
static enum dw_problem read_head(struct lws *wsi, struct session *session, struct dw_call *c,
                                 bool *ret_awaits)
{
    char *uri = NULL, text[96];
    int uri_len = 0;
    *ret_awaits = false;
    (void)snprintf(c->method, sizeof(c->method), "%s", method_of(wsi, &uri, &uri_len));
    bool has_length = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0;
    bool has_chunks = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0;
    bool may_have_body = strcmp(c->method, "GET") != 0;
    /* Until we know that there is no body, or have read it, the connection cannot be used again. */
    session->must_close = has_length || has_chunks || may_have_body;
    if (!uri || uri_len <= 0 || (size_t)uri_len >= sizeof(c->path) ||
        memchr(uri, 0, (size_t)uri_len))
        return DW_PROBLEM_NOT_FOUND;
    memcpy(c->path, uri, (size_t)uri_len);

    enum dw_problem p = header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, text, sizeof(text));
    if (p != DW_PROBLEM_NONE)
        return p;
    if (strncasecmp(text, "bearer ", 7) == 0)
        (void)snprintf(c->token, sizeof(c->token), "%.79s", text + 7);
    p = header(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE, text, sizeof(text));
    if (p != DW_PROBLEM_NONE)
        return p;
    size_t type = strcspn(text, " ;");
    c->is_json =
        type == strlen("application/json") && strncasecmp(text, "application/json", type) == 0;
    read_key(wsi, c);
    p = read_query(wsi, c);
    if (p != DW_PROBLEM_NONE)
        return p;
    c->route = dw_route_find(c);
    if (!c->route)
        return c->allow ? DW_PROBLEM_METHOD : DW_PROBLEM_NOT_FOUND;
    if (has_chunks)
        return DW_PROBLEM_NO_LENGTH;
    uint64_t length = 0;
    if (has_length) {
        p = header(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, text, 12);
        if (p != DW_PROBLEM_NONE)
            return DW_PROBLEM_TOO_LARGE;
        for (const char *q = text; *q; q++) {
            if (*q < '0' || *q > '9')
                return DW_PROBLEM_BAD_REQUEST;
            length = length * 10 + (uint64_t)(*q - '0');
        }
    }
    if (c->route->body == DW_BODY_NONE && (length > 0 || (has_length && !may_have_body)))
        return DW_PROBLEM_BAD_REQUEST;
    if (c->route->body == DW_BODY_NEEDED && !has_length)
        return DW_PROBLEM_NO_LENGTH;
    if (length > DW_BODY_BYTES_MAX)
        return DW_PROBLEM_TOO_LARGE;
    c->body_cap = (size_t)length;
    c->body_bytes = dw_arena_take(&c->work.arena, c->body_cap + 1);
    *ret_awaits = length > 0;
    if (!*ret_awaits && (has_length || !may_have_body))
        session->must_close = false;
    return DW_PROBLEM_NONE;
}

static void on_request(struct dw_http *h, struct lws *wsi, struct session *session)
{
    bool awaits_body;
    struct dw_call *c = dw_call_new(h->service);
    c->socket = wsi;
    c->reply = on_reply;
    memset(session, 0, sizeof(*session));
    session->call = c;
    enum dw_problem p = read_head(wsi, session, c, &awaits_body);
    if (p == DW_PROBLEM_NONE && awaits_body)
        return; /* libwebsockets bounds the wait by timeout_secs */
    /* Longer than any wait of ours; ends a connection that we would forget. */
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, (int)(DW_WAIT_MS_MAX / 1000 + IDLE_S));
    session->is_running = true;
    if (p == DW_PROBLEM_NONE)
        dw_call_run(c);
    else
        dw_call_refuse(c, p);
}

static void on_body(struct session *session, const void *bytes, size_t len)
{
    struct dw_call *c = session->call;
    if (!c || session->is_running)
        return; /* the rest of a refused request */
    if (len > c->body_cap - c->body_len)
        len = c->body_cap - c->body_len;
    memcpy(c->body_bytes + c->body_len, bytes, len);
    c->body_len += len;
}

static void on_body_end(struct lws *wsi, struct session *session)
{
    struct dw_call *c = session->call;
    if (!c || session->is_running)
        return;
    session->must_close = false;
    session->is_running = true;
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, (int)(DW_WAIT_MS_MAX / 1000 + IDLE_S));
    dw_call_run(c);
}

static bool add(struct lws *wsi, enum lws_token_indexes name, const char *value, uint8_t **p,
                uint8_t *end)
{
    return lws_add_http_header_by_token(wsi, name, (const uint8_t *)value, (int)strlen(value), p,
                                        end) == 0;
}

/* Head and body leave in one write. Returns false to close the connection. */
static bool write_answer(struct lws *wsi, struct session *session)
{
    struct dw_call *c = session->call;
    size_t cap = LWS_PRE + 1024 + c->text_len;
    uint8_t *buffer = malloc(cap);
    DW_ASSERT(buffer);
    uint8_t *start = buffer + LWS_PRE, *p = start, *end = buffer + cap;
    bool is_ok = lws_add_http_header_status(wsi, (unsigned int)c->status, &p, end) == 0 &&
                 add(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE,
                     dw_is_refused(c) ? "application/problem+json" : "application/json", &p, end) &&
                 add(wsi, WSI_TOKEN_HTTP_CACHE_CONTROL, "no-store", &p, end) &&
                 lws_add_http_header_content_length(wsi, c->text_len, &p, end) == 0;
    if (is_ok && c->allow)
        is_ok = add(wsi, WSI_TOKEN_HTTP_ALLOW, c->allow, &p, end);
    if (is_ok && c->problem == DW_PROBLEM_NO_TOKEN)
        is_ok = add(wsi, WSI_TOKEN_HTTP_WWW_AUTHENTICATE, "Bearer", &p, end);
    if (is_ok && session->must_close)
        is_ok = add(wsi, WSI_TOKEN_CONNECTION, "close", &p, end);
    is_ok = is_ok && lws_finalize_http_header(wsi, &p, end) == 0;
    if (is_ok) {
        if (strcmp(c->method, "HEAD") != 0 && c->text_len) {
            DW_ASSERT((size_t)(end - p) >= c->text_len);
            memcpy(p, c->text, c->text_len);
            p += c->text_len;
        }
        is_ok = lws_write(wsi, start, (size_t)(p - start), LWS_WRITE_HTTP_HEADERS) >= 0;
    }
    free(buffer);
    bool must_close = session->must_close;
    session->call = NULL;
    session->is_answered = false;
    dw_call_free(c);
    return is_ok && !must_close && lws_http_transaction_completed(wsi) == 0;
}

static int on_http(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                   size_t len)
{
    struct dw_http *h = lws_context_user(lws_get_context(wsi));
    struct session *session = user;
    /* A handful of a long list; the rest is libwebsockets' own business. */
    switch ((int)reason) {
    case LWS_CALLBACK_FILTER_NETWORK_CONNECTION:
        return h->connections >= h->service->set.connections_max;
    case LWS_CALLBACK_HTTP_BIND_PROTOCOL: return 0;
    case LWS_CALLBACK_WSI_CREATE: h->connections++; return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        if (h->connections)
            h->connections--;
        return 0;
    case LWS_CALLBACK_HTTP: on_request(h, wsi, session); return 0;
    case LWS_CALLBACK_HTTP_BODY: on_body(session, in, len); return 0;
    case LWS_CALLBACK_HTTP_BODY_COMPLETION: on_body_end(wsi, session); return 0;
    case LWS_CALLBACK_HTTP_WRITEABLE:
        if (!session || !session->is_answered)
            return 0;
        return write_answer(wsi, session) ? 0 : -1;
    case LWS_CALLBACK_CLOSED_HTTP:
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
        if (session && session->call) {
            struct dw_call *c = session->call;
            session->call = NULL;
            c->socket = NULL;
            if (session->is_answered || !session->is_running)
                dw_call_free(c); /* nobody else holds it */
        }
        return 0;
    /* No WebSocket here. */
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION: return 1;
    default: return 0;
    }
}

static const struct lws_protocols protocols[] = {
    {"http", on_http, sizeof(struct session), 4096, 0, NULL, 0},
    {NULL, NULL, 0, 0, 0, NULL, 0},
};

static bool is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

dw_err dw_http_start(struct dw_service *s, uint16_t *ret_port)
{
    char address[64];
    const char *colon = strrchr(s->set.listen, ':');
    if (!colon || colon == s->set.listen)
        return dw_fail(DW_E_INVALID);
    bool is_bracketed = s->set.listen[0] == '[' && colon[-1] == ']';
    (void)snprintf(address, sizeof(address), "%.*s",
                   (int)(colon - s->set.listen - (is_bracketed ? 2 : 0)),
                   s->set.listen + (is_bracketed ? 1 : 0));
    char *rest = NULL;
    long port = strtol(colon + 1, &rest, 10);
    if (!rest || *rest || rest == colon + 1 || port < 0 || port > 65535)
        return dw_fail(DW_E_INVALID);
    if (!is_loopback(address) && !s->set.behind_proxy)
        return dw_fail(DW_E_DENIED);

    struct dw_http *h = calloc(1, sizeof(*h));
    DW_ASSERT(h);
    h->service = s;
    h->loops[0] = s->loop;
    lws_set_log_level(0, NULL);
    struct lws_context_creation_info info = {
        .port = (int)port,
        .iface = address,
        .protocols = protocols,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   (strchr(address, ':') ? 0u : LWS_SERVER_OPTION_DISABLE_IPV6),
        .foreign_loops = h->loops,
        .user = h,
        .keepalive_timeout = (int)IDLE_S,
        .timeout_secs = READ_S,
        .max_http_header_data = HEAD_BYTES_MAX,
        .max_http_header_pool = (unsigned short)s->set.connections_max,
        .fd_limit_per_thread = s->set.connections_max + 64,
        .gid = -1,
        .uid = -1,
        .server_string = "doorward",
    };
    h->context = lws_create_context(&info);
    if (!h->context)
        goto fail;
    struct lws_vhost *vhost = lws_create_vhost(h->context, &info);
    if (!vhost)
        goto fail;
    *ret_port = (uint16_t)lws_get_vhost_listen_port(vhost);
    s->http = h;
    return DW_OK;
fail:
    if (h->context)
        lws_context_destroy(h->context);
    free(h);
    return dw_fail(DW_E_IO);
}

void dw_http_stop(struct dw_http *h)
{
    lws_context_destroy(h->context);
}

void dw_http_done(struct dw_http *h)
{
    free(h);
}
