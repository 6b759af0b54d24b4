#include "service/http.h"

#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "service/api.h"
#include "service/pages.h"

#define HEAD_BYTES_MAX 4096u
#define IDLE_S         60u
#define READ_S         10u
#define FILE_STEP      16384u
#define SESSION_COOKIE "doorward_service"

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
    bool is_page;     /* ... and it is a file, not JSON */
    bool must_close;  /* after this answer: the rest of the request was not read */
    /* A file that is being sent. */
    const uint8_t *file;
    size_t file_left;
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

/* One of our own headers, by its name in lower case with the colon. */
static enum dw_problem own_header(struct lws *wsi, const char *name, char *ret_text, size_t cap)
{
    int len = lws_hdr_custom_length(wsi, name, (int)strlen(name));
    ret_text[0] = 0;
    if (len <= 0)
        return DW_PROBLEM_NONE;
    if ((size_t)len >= cap ||
        lws_hdr_custom_copy(wsi, ret_text, (int)cap, name, (int)strlen(name)) < 0)
        return DW_PROBLEM_HEADERS;
    return DW_PROBLEM_NONE;
}

/* Behind a proxy all connections are the proxy's: what it wrote down last is who asked it. */
static void read_address(struct lws *wsi, struct dw_call *c)
{
    char text[512];
    (void)snprintf(c->address, sizeof(c->address), "?");
    if (!c->work.service->set.behind_proxy) {
        (void)lws_get_peer_simple(wsi, c->address, sizeof(c->address));
        return;
    }
    if (header(wsi, WSI_TOKEN_X_FORWARDED_FOR, text, sizeof(text)) != DW_PROBLEM_NONE)
        return;
    const char *last = strrchr(text, ',');
    last = last ? last + 1 : text;
    (void)snprintf(c->address, sizeof(c->address), "%.40s", last + strspn(last, " "));
}

/* Who asks, and from which page. What does not fit is nobody's. */
static void read_asker(struct lws *wsi, struct dw_call *c)
{
    static const char name[] = SESSION_COOKIE "=";
    char text[1024];
    read_address(wsi, c);
    c->has_token = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_AUTHORIZATION) > 0;
    if (header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, text, 96) == DW_PROBLEM_NONE &&
        strncasecmp(text, "bearer ", 7) == 0)
        (void)snprintf(c->token, sizeof(c->token), "%.79s", text + 7);
    if (header(wsi, WSI_TOKEN_ORIGIN, c->origin, sizeof(c->origin)) != DW_PROBLEM_NONE)
        c->origin[0] = 0;
    if (own_header(wsi, "x-doorward-csrf:", c->csrf, sizeof(c->csrf)) != DW_PROBLEM_NONE)
        c->csrf[0] = 0;
    if (header(wsi, WSI_TOKEN_HTTP_COOKIE, text, sizeof(text)) != DW_PROBLEM_NONE)
        return;
    for (const char *p = text; p; p = strchr(p, ';')) {
        p += strspn(p, "; ");
        size_t len = strcspn(p, ";");
        if (strncmp(p, name, sizeof(name) - 1) != 0)
            continue;
        len -= sizeof(name) - 1;
        if (len < sizeof(c->session))
            (void)snprintf(c->session, sizeof(c->session), "%.*s", (int)len, p + sizeof(name) - 1);
        return;
    }
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
        (void)snprintf(c->query[c->query_count].name, sizeof(c->query[0].name), "%.15s", text);
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
    read_asker(wsi, c);
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

    c->route = dw_route_find(c);
    enum dw_problem p = header(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE, text, sizeof(text));
    if (p != DW_PROBLEM_NONE)
        return p;
    size_t type = strcspn(text, " ;");
    c->is_json =
        type == strlen("application/json") && strncasecmp(text, "application/json", type) == 0;
    read_key(wsi, c);
    p = read_query(wsi, c);
    if (p != DW_PROBLEM_NONE)
        return p;
    if (!c->route)
        return DW_PROBLEM_NOT_FOUND;
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

static bool is_page(const struct dw_call *c)
{
    return (strcmp(c->method, "GET") == 0 || strcmp(c->method, "HEAD") == 0) && c->path[0] &&
           dw_pages_has(c->path);
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
    if (!c->route && is_page(c)) {
        session->is_running = session->is_answered = session->is_page = true;
        (void)lws_callback_on_writable(wsi);
        return;
    }
    /* Longer than any wait of ours; ends a connection that we would forget. */
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, (int)(DW_WAIT_MS_MAX / 1000 + IDLE_S));
    session->is_running = true;
    c->head_problem = p;
    dw_call_run(c);
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

static bool add_own(struct lws *wsi, const char *name, const char *value, uint8_t **p, uint8_t *end)
{
    return lws_add_http_header_by_name(wsi, (const uint8_t *)name, (const uint8_t *)value,
                                       (int)strlen(value), p, end) == 0;
}

/* The session's cookie goes to our own pages only, and no script reads it. */
static bool add_cookie(struct lws *wsi, const struct dw_call *c, uint8_t **p, uint8_t *end)
{
    char text[256];
    const struct dw_service *s = c->work.service;
    if (!c->set_cookie[0] && !c->ends_cookie)
        return true;
    (void)snprintf(text, sizeof(text),
                   SESSION_COOKIE "=%s; Path=/; Max-Age=%u; HttpOnly; SameSite=Strict%s",
                   c->ends_cookie ? "" : c->set_cookie, c->ends_cookie ? 0 : s->set.session_max_s,
                   strncmp(s->set.origin, "https:", 6) == 0 ? "; Secure" : "");
    return add_own(wsi, "set-cookie:", text, p, end);
}

static bool end_call(struct lws *wsi, struct session *session, bool is_ok)
{
    struct dw_call *c = session->call;
    bool must_close = session->must_close;
    session->call = NULL;
    session->is_answered = session->is_page = false;
    if (c)
        dw_call_free(c);
    return is_ok && !must_close && lws_http_transaction_completed(wsi) == 0;
}

/* -- pages --------------------------------------------------------------------------------------
 */

/* The courier's barcode reader is WebAssembly; the phone's camera and place are for our page. */
static const char *const page_headers[][2] = {
    {"content-security-policy:",
     "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self';"
     " connect-src 'self'; worker-src 'self'; img-src 'self'; media-src 'self';"
     " manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
    {"permissions-policy:", "camera=(self), geolocation=(self), microphone=(), usb=(), payment=()"},
    {"x-content-type-options:", "nosniff"},
    {"referrer-policy:", "no-referrer"},
    {"cross-origin-opener-policy:", "same-origin"},
    {"cross-origin-resource-policy:", "same-origin"},
    {"x-frame-options:", "DENY"},
    {"vary:", "accept-encoding, cookie"},
};

/* The head of a page's answer; its bytes follow as the connection takes them. */
static bool write_page(struct lws *wsi, struct session *session)
{
    static const char none[] = "There is no such page.\n";
    struct dw_call *c = session->call;
    char text[128];
    uint8_t room[LWS_PRE + 2048], *start = room + LWS_PRE, *p = start, *end = room + sizeof(room);
    struct dw_page page = dw_pages_find(c);
    struct dw_view bytes = {0};
    bool is_known =
        page.asset &&
        header(wsi, WSI_TOKEN_HTTP_IF_NONE_MATCH, text, sizeof(text)) == DW_PROBLEM_NONE &&
        strcmp(text, page.asset->etag) == 0;
    bool takes_gzip =
        page.gzip.len &&
        header(wsi, WSI_TOKEN_HTTP_ACCEPT_ENCODING, text, sizeof(text)) == DW_PROBLEM_NONE &&
        strstr(text, "gzip");
    if (page.asset && !is_known)
        bytes = takes_gzip ? page.gzip : dw_view_of(page.asset->bytes, page.asset->len);
    else if (page.status == 404)
        bytes = dw_view_of(none, sizeof(none) - 1);
    unsigned status = is_known ? 304 : (unsigned)page.status;
    bool is_ok =
        lws_add_http_header_status(wsi, status, &p, end) == 0 &&
        add_own(wsi, "content-type:", page.asset ? page.asset->type : "text/plain; charset=utf-8",
                &p, end) &&
        add_own(wsi, "cache-control:", page.asset ? "no-cache" : "no-store", &p, end);
    for (size_t i = 0; is_ok && i < DW_ARRAY_COUNT(page_headers); i++)
        is_ok = add_own(wsi, page_headers[i][0], page_headers[i][1], &p, end);
    if (is_ok && page.asset)
        is_ok = add_own(wsi, "etag:", page.asset->etag, &p, end);
    if (is_ok && takes_gzip && bytes.len)
        is_ok = add_own(wsi, "content-encoding:", "gzip", &p, end);
    if (is_ok && page.location)
        is_ok = add_own(wsi, "location:", page.location, &p, end);
    bool is_head = strcmp(c->method, "HEAD") == 0;
    /* libwebsockets would wait for the bytes that were announced. */
    session->must_close = session->must_close || is_head;
    if (is_ok && session->must_close)
        is_ok = add(wsi, WSI_TOKEN_CONNECTION, "close", &p, end);
    if (is_ok && status != 304)
        is_ok = lws_add_http_header_content_length(wsi, bytes.len, &p, end) == 0;
    is_ok = is_ok && lws_finalize_write_http_header(wsi, start, &p, end) == 0;
    if (!is_ok || bytes.len == 0 || is_head)
        return end_call(wsi, session, is_ok);
    session->file = bytes.ptr;
    session->file_left = bytes.len;
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, (int)IDLE_S);
    return lws_callback_on_writable(wsi) >= 0;
}

static bool write_file(struct lws *wsi, struct session *session)
{
    uint8_t room[LWS_PRE + FILE_STEP];
    size_t len = session->file_left < FILE_STEP ? session->file_left : FILE_STEP;
    bool is_last = len == session->file_left;
    memcpy(room + LWS_PRE, session->file, len);
    session->file += len;
    session->file_left -= len;
    if (lws_write(wsi, room + LWS_PRE, len, is_last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < 0)
        return end_call(wsi, session, false);
    if (is_last)
        return end_call(wsi, session, true);
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, (int)IDLE_S);
    return lws_callback_on_writable(wsi) >= 0;
}

/* -- answers ------------------------------------------------------------------------------------
 */

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
    is_ok = is_ok && add_own(wsi, "x-content-type-options:", "nosniff", &p, end) &&
            add_cookie(wsi, c, &p, end);
    if (is_ok && (c->problem == DW_PROBLEM_NO_TOKEN || c->problem == DW_PROBLEM_SIGNED_OUT))
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
    return end_call(wsi, session, is_ok);
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
        if (session->file_left)
            return write_file(wsi, session) ? 0 : -1;
        return (session->is_page ? write_page(wsi, session) : write_answer(wsi, session)) ? 0 : -1;
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
    bool has_tls = s->set.tls_cert[0] && s->set.tls_key[0];
    if (!is_loopback(address) && !s->set.behind_proxy && !has_tls)
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
        .alpn = "http/1.1",
    };
    if (has_tls) {
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
        info.ssl_cert_filepath = s->set.tls_cert;
        info.ssl_private_key_filepath = s->set.tls_key;
        info.ssl_options_set = SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1;
    }
    dw_pages_init();
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
