#include "os/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"

#define HEAD_BYTES      5u /* u32 length, u8 kind */
#define READ_BYTES_MIN  4096u
#define QUEUE_BYTES_MIN 65536u /* unsent bytes that any stream may hold */
#define KEEPALIVE_S     15u
#define LISTEN_BACKLOG  128
#define STREAMS_MAX     4096u /* of one listener */
#define WIRE_BYTES      65536u

struct dw_listener {
    uv_tcp_t tcp;
    size_t max;
    uint32_t streams;
    bool is_closed;
    dw_accepted *accepted;
    void *ctx;
    struct dw_seal seal; /* begin NULL: clear */
};

struct dw_stream {
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_connect_t connecting;
    struct dw_listener *from;
    const struct dw_stream_events *ev;
    void *ctx;
    size_t max;
    uint8_t *in;
    size_t in_len, in_cap;
    int handles; /* open libuv handles; freed at 0 */
    bool is_up, is_closing, is_told;
    char why[64];
    struct dw_seal seal; /* begin NULL: clear */
    void *session;
    bool is_greeted;
};

struct sending {
    uv_write_t req;
    uint8_t bytes[];
};

static bool read_address(const char *text, struct sockaddr_storage *ret_address)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text)
        return false;
    const char *from = text;
    size_t len = (size_t)(colon - text);
    bool is_v6 = text[0] == '[';
    if (is_v6) {
        if (text[len - 1] != ']')
            return false;
        from = text + 1;
        len -= 2;
    }
    if (len == 0 || len >= sizeof(host))
        return false;
    memcpy(host, from, len);
    host[len] = '\0';
    unsigned port = 0;
    const char *digit = colon + 1;
    if (!*digit || strlen(digit) > 5)
        return false;
    for (; *digit; digit++) {
        if (*digit < '0' || *digit > '9')
            return false;
        port = port * 10 + (unsigned)(*digit - '0');
    }
    if (port > 65535)
        return false;
    memset(ret_address, 0, sizeof(*ret_address));
    return is_v6 ? uv_ip6_addr(host, (int)port, (struct sockaddr_in6 *)ret_address) == 0
                 : uv_ip4_addr(host, (int)port, (struct sockaddr_in *)ret_address) == 0;
}

/* ---- life ---- */

static void release_listener(struct dw_listener *l)
{
    if (l->is_closed && l->streams == 0)
        free(l);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct dw_stream *s = handle->data;
    if (--s->handles > 0)
        return;
    if (s->is_told)
        s->ev->closed(s->ctx, s, s->why);
    if (s->from) {
        s->from->streams--;
        release_listener(s->from);
    }
    if (s->session)
        s->seal.drop(s->session);
    free(s->in);
    free(s);
}

void dw_stream_close(struct dw_stream *s, const char *why)
{
    if (s->is_closing)
        return;
    s->is_closing = true;
    (void)snprintf(s->why, sizeof(s->why), "%s", why);
    uv_close((uv_handle_t *)&s->tcp, on_handle_closed);
    uv_close((uv_handle_t *)&s->timer, on_handle_closed);
}

static struct dw_stream *stream_new(uv_loop_t *loop, size_t max)
{
    struct dw_stream *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    DW_ASSERT(uv_tcp_init(loop, &s->tcp) == 0 && uv_timer_init(loop, &s->timer) == 0);
    s->tcp.data = s;
    s->timer.data = s;
    s->handles = 2;
    s->max = max;
    return s;
}

/* ---- reading ---- */

static uint32_t length_of(const uint8_t *head)
{
    return (uint32_t)head[0] << 24 | (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3];
}

/* Memory follows what has come in, not what the other side announces: at most double of it. */
static void make_room(struct dw_stream *s)
{
    if (s->in_cap - s->in_len < READ_BYTES_MIN / 2) {
        size_t cap = s->in_cap ? s->in_cap * 2 : READ_BYTES_MIN;
        size_t cap_max = s->max + HEAD_BYTES + READ_BYTES_MIN;
        if (cap > cap_max)
            cap = cap_max;
        uint8_t *grown = cap > s->in_cap ? realloc(s->in, cap) : NULL;
        if (grown) {
            s->in = grown;
            s->in_cap = cap;
        }
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    /* Sealed bytes are used up before the next stream reads. */
    static _Thread_local char wire[WIRE_BYTES];
    (void)suggested;
    struct dw_stream *s = handle->data;
    if (s->session) {
        *ret_buf = uv_buf_init(wire, sizeof wire);
        return;
    }
    make_room(s);
    *ret_buf = uv_buf_init((char *)s->in + s->in_len, (unsigned)(s->in_cap - s->in_len));
}

static void deliver(struct dw_stream *s)
{
    size_t at = 0;
    while (!s->is_closing && s->in_len - at >= HEAD_BYTES - 1) {
        uint32_t len = length_of(s->in + at);
        if (len == 0) {
            dw_stream_close(s, "message of length 0");
        } else if (len > s->max) {
            dw_stream_close(s, "message too large");
        } else if (s->in_len - at < HEAD_BYTES - 1 + (size_t)len) {
            break;
        } else {
            struct dw_view body = {s->in + at + HEAD_BYTES, len - 1};
            s->ev->message(s->ctx, s, s->in[at + HEAD_BYTES - 1], body);
            at += HEAD_BYTES - 1 + (size_t)len;
        }
    }
    if (at > 0) {
        memmove(s->in, s->in + at, s->in_len - at);
        s->in_len -= at;
    }
    /* After a large message the memory goes back: idle streams stay small. */
    if (s->in_len == 0 && s->in_cap > 256u * 1024u) {
        free(s->in);
        s->in = NULL;
        s->in_cap = 0;
    }
}

/* ---- sealed ---- */

static bool flush(struct dw_stream *s);

/* What the seal still has to say goes out if it can go at once. */
static void break_seal(struct dw_stream *s)
{
    uint8_t last[1024];
    uv_buf_t buf = uv_buf_init((char *)last, (unsigned)s->seal.take(s->session, last, sizeof last));
    if (buf.len > 0)
        (void)uv_try_write((uv_stream_t *)&s->tcp, &buf, 1);
    char text[48];
    (void)snprintf(text, sizeof text, "tls %s", s->seal.why(s->session));
    dw_stream_close(s, text);
}

/* True when the other side is known, and it is still there. */
static bool greet(struct dw_stream *s)
{
    dw_err e = s->seal.greet(s->session);
    if (dw_is(e, DW_E_BUSY)) {
        (void)flush(s);
        return false;
    }
    if (dw_failed(e)) {
        break_seal(s);
        return false;
    }
    (void)uv_timer_stop(&s->timer);
    s->is_greeted = true;
    if (!flush(s))
        return false;
    if (s->ev->open)
        s->ev->open(s->ctx, s);
    return !s->is_closing;
}

static void unseal(struct dw_stream *s, struct dw_view wire)
{
    if (dw_failed(s->seal.feed(s->session, wire))) {
        break_seal(s);
        return;
    }
    if (!s->is_greeted && !greet(s))
        return;
    for (size_t len = 1; len > 0 && !s->is_closing;) {
        make_room(s);
        struct dw_buf in = {s->in, s->in_len, s->in_cap};
        if (in.len == in.cap) {
            dw_stream_close(s, "out of memory");
        } else if (dw_failed(s->seal.read(s->session, &in, &len))) {
            break_seal(s);
        } else {
            s->in_len = in.len;
            deliver(s);
        }
    }
    if (!s->is_closing)
        (void)flush(s);
}

static void on_read(uv_stream_t *tcp, ssize_t n, const uv_buf_t *buf)
{
    struct dw_stream *s = tcp->data;
    if (n > 0 && s->session) {
        unseal(s, dw_view_of(buf->base, (size_t)n));
    } else if (n > 0) {
        s->in_len += (size_t)n;
        deliver(s);
    } else if (n == UV_EOF) {
        dw_stream_close(s, s->in_len > 0 ? "ended inside a message" : "closed by the other side");
    } else if (n < 0) {
        dw_stream_close(s, uv_strerror((int)n));
    }
}

static bool start(struct dw_stream *s)
{
    s->is_up = true;
    (void)uv_tcp_nodelay(&s->tcp, 1);
    (void)uv_tcp_keepalive(&s->tcp, 1, KEEPALIVE_S);
    if (s->seal.begin && !(s->session = s->seal.begin(s->seal.end, !s->from)))
        return false;
    return uv_read_start((uv_stream_t *)&s->tcp, on_alloc, on_read) == 0;
}

static void on_slow_greeting(uv_timer_t *timer)
{
    dw_stream_close(timer->data, "tls greeting took too long");
}

void dw_stream_seal(struct dw_stream *s, const struct dw_seal *seal)
{
    DW_ASSERT(!s->is_up);
    s->seal = *seal;
}

void dw_listener_seal(struct dw_listener *l, const struct dw_seal *seal)
{
    DW_ASSERT(l->streams == 0);
    l->seal = *seal;
}

const void *dw_stream_session(const struct dw_stream *s)
{
    return s->is_greeted ? s->session : NULL;
}

/* ---- dialling ---- */

static void on_connected(uv_connect_t *req, int status)
{
    struct dw_stream *s = req->data;
    if (s->is_closing)
        return;
    if (!s->seal.begin) /* else it bounds the greeting, too */
        (void)uv_timer_stop(&s->timer);
    if (status < 0) {
        dw_stream_close(s, uv_strerror(status));
    } else if (!start(s)) {
        dw_stream_close(s, "cannot read");
    } else if (s->session) {
        (void)greet(s);
    } else if (s->ev->open) {
        s->ev->open(s->ctx, s);
    }
}

static void on_connect_timeout(uv_timer_t *timer)
{
    struct dw_stream *s = timer->data;
    dw_stream_close(s, s->is_up ? "tls greeting took too long" : "no connection in time");
}

dw_err dw_stream_dial(uv_loop_t *loop, const char *address, size_t max, uint32_t connect_ms,
                      const struct dw_stream_events *ev, void *ctx, struct dw_stream **ret_stream)
{
    struct sockaddr_storage to;
    if (!read_address(address, &to))
        return dw_fail(DW_E_INVALID);
    struct dw_stream *s = stream_new(loop, max);
    if (!s)
        return dw_fail(DW_E_IO);
    s->ev = ev;
    s->ctx = ctx;
    s->connecting.data = s;
    /* uv_now may be old when the caller has worked for long; the time-out counts from here. */
    uv_update_time(loop);
    if (uv_timer_start(&s->timer, on_connect_timeout, connect_ms, 0) != 0 ||
        uv_tcp_connect(&s->connecting, &s->tcp, (const struct sockaddr *)&to, on_connected) != 0) {
        dw_stream_close(s, "cannot dial");
        return dw_fail(DW_E_IO); /* the caller was not given it, so `closed` is not called */
    }
    s->is_told = true;
    *ret_stream = s;
    return DW_OK;
}

/* ---- listening ---- */

static void on_incoming(uv_stream_t *tcp, int status)
{
    struct dw_listener *l = tcp->data;
    if (status < 0 || l->is_closed)
        return;
    struct dw_stream *s = stream_new(tcp->loop, l->max);
    if (!s)
        return;
    s->from = l;
    s->seal = l->seal;
    l->streams++;
    if (uv_accept(tcp, (uv_stream_t *)&s->tcp) != 0) {
        dw_stream_close(s, "cannot accept");
    } else if (l->streams > STREAMS_MAX) {
        dw_stream_close(s, "too many connections");
    } else if (!l->accepted(l->ctx, s, &s->ev, &s->ctx)) {
        dw_stream_close(s, "refused");
    } else {
        s->is_told = true;
        if (!s->is_closing && !start(s))
            dw_stream_close(s, "cannot read");
        else if (s->session)
            (void)uv_timer_start(&s->timer, on_slow_greeting, s->seal.greet_ms, 0);
    }
}

dw_err dw_stream_listen(uv_loop_t *loop, const char *address, size_t max, dw_accepted *accepted,
                        void *ctx, struct dw_listener **ret_listener, uint16_t *ret_port)
{
    struct sockaddr_storage at;
    if (!read_address(address, &at))
        return dw_fail(DW_E_INVALID);
    struct dw_listener *l = calloc(1, sizeof(*l));
    if (!l)
        return dw_fail(DW_E_IO);
    *l = (struct dw_listener){.max = max, .accepted = accepted, .ctx = ctx};
    DW_ASSERT(uv_tcp_init(loop, &l->tcp) == 0);
    l->tcp.data = l;
    int len = (int)sizeof(at);
    int r = uv_tcp_bind(&l->tcp, (const struct sockaddr *)&at, 0);
    if (r == 0)
        r = uv_listen((uv_stream_t *)&l->tcp, LISTEN_BACKLOG, on_incoming);
    if (r == 0)
        r = uv_tcp_getsockname(&l->tcp, (struct sockaddr *)&at, &len);
    if (r != 0) {
        dw_listener_close(l);
        return dw_fail(r == UV_EADDRINUSE ? DW_E_EXISTS : DW_E_IO);
    }
    *ret_listener = l;
    if (ret_port)
        *ret_port = at.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&at)->sin6_port)
                                             : ntohs(((struct sockaddr_in *)&at)->sin_port);
    return DW_OK;
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct dw_listener *l = handle->data;
    l->is_closed = true;
    release_listener(l);
}

void dw_listener_close(struct dw_listener *l)
{
    if (!uv_is_closing((uv_handle_t *)&l->tcp))
        uv_close((uv_handle_t *)&l->tcp, on_listener_closed);
}

/* ---- sending ---- */

static void on_sent(uv_write_t *req, int status)
{
    struct dw_stream *s = req->handle->data;
    free(req->data);
    if (status < 0)
        dw_stream_close(s, uv_strerror(status));
}

size_t dw_stream_queued(const struct dw_stream *s)
{
    return uv_stream_get_write_queue_size((const uv_stream_t *)&s->tcp);
}

static size_t queue_bound(const struct dw_stream *s)
{
    return s->max > QUEUE_BYTES_MIN / 4 ? s->max * 4 : QUEUE_BYTES_MIN;
}

static bool put(struct dw_stream *s, struct sending *w, size_t len)
{
    w->req.data = w;
    uv_buf_t buf = uv_buf_init((char *)w->bytes, (unsigned)len);
    if (uv_write(&w->req, (uv_stream_t *)&s->tcp, &buf, 1, on_sent) == 0)
        return true;
    free(w);
    dw_stream_close(s, "cannot write");
    return false;
}

/* Sends what the seal holds for the wire. */
static bool flush(struct dw_stream *s)
{
    size_t len = s->seal.waiting(s->session);
    if (len == 0)
        return true;
    if (dw_stream_queued(s) > queue_bound(s)) {
        dw_stream_close(s, "the other side does not read");
        return false;
    }
    struct sending *w = malloc(sizeof(*w) + len);
    if (!w) {
        dw_stream_close(s, "out of memory");
        return false;
    }
    return put(s, w, s->seal.take(s->session, w->bytes, len));
}

dw_err dw_stream_send(struct dw_stream *s, uint8_t kind, struct dw_view a, struct dw_view b,
                      bool droppable)
{
    if (s->is_closing || (s->seal.begin && !s->is_greeted))
        return dw_fail(DW_E_IO);
    if (a.len > s->max || b.len > s->max || 1 + a.len + b.len > s->max)
        return dw_fail(DW_E_TOO_LARGE);
    size_t queued = dw_stream_queued(s);
    if (droppable && queued > s->max)
        return dw_fail(DW_E_BUSY);
    if (queued > queue_bound(s)) {
        dw_stream_close(s, "the other side does not read");
        return dw_fail(DW_E_IO);
    }
    size_t len = 1 + a.len + b.len;
    struct sending *w = malloc(sizeof(*w) + HEAD_BYTES - 1 + len);
    if (!w) {
        dw_stream_close(s, "out of memory");
        return dw_fail(DW_E_IO);
    }
    uint8_t head[HEAD_BYTES] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
                                (uint8_t)len, kind};
    memcpy(w->bytes, head, sizeof(head));
    if (a.len > 0)
        memcpy(w->bytes + HEAD_BYTES, a.ptr, a.len);
    if (b.len > 0)
        memcpy(w->bytes + HEAD_BYTES + a.len, b.ptr, b.len);
    if (!s->session)
        return put(s, w, HEAD_BYTES - 1 + len) ? DW_OK : dw_fail(DW_E_IO);
    dw_err e = s->seal.write(s->session, dw_view_of(w->bytes, HEAD_BYTES - 1 + len));
    free(w);
    if (dw_failed(e))
        break_seal(s);
    else if (!flush(s))
        e = dw_fail(DW_E_IO);
    return dw_failed(e) ? dw_fail(DW_E_IO) : DW_OK;
}
