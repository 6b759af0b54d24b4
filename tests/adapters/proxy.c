#include "proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_MAX 8u

struct connection;

struct side {
    uv_tcp_t tcp;
    struct connection *c;
    struct side *other;
    bool is_adapter, is_reading, is_connected;
};

struct connection {
    struct proxy *p;
    struct side adapter, peer;
    uv_connect_t connect;
    unsigned open_handles;
    bool is_closing;
    char buf[65536];
};

struct proxy {
    uv_loop_t *loop;
    uv_tcp_t *listener; /* NULL while cut: new connections are refused */
    uint16_t port, peer_port;
    enum proxy_mode mode;
    uint64_t passed_out;
    struct connection *connections[CONNECTIONS_MAX];
    unsigned handles;
    bool is_freed;
};

static void free_if_done(struct proxy *p)
{
    if (!p->is_freed || p->handles > 0)
        return;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (p->connections[i])
            return;
    free(p);
}

static void side_closed(uv_handle_t *h)
{
    struct side *s = h->data;
    struct connection *c = s->c;
    struct proxy *p = c->p;

    if (--c->open_handles > 0)
        return;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (p->connections[i] == c)
            p->connections[i] = NULL;
    free(c);
    free_if_done(p);
}

static void connection_close(struct connection *c)
{
    if (c->is_closing)
        return;
    c->is_closing = true;
    uv_close((uv_handle_t *)&c->adapter.tcp, side_closed);
    uv_close((uv_handle_t *)&c->peer.tcp, side_closed);
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
    struct side *s = h->data;
    (void)hint;
    *buf = uv_buf_init(s->c->buf, sizeof s->c->buf);
}

struct write_job {
    uv_write_t req;
    char bytes[];
};

static void on_written(uv_write_t *req, int status)
{
    (void)status;
    free(req->data);
}

static bool write_copy(struct side *to, const void *bytes, size_t len)
{
    struct write_job *job = malloc(sizeof *job + len);
    if (!job)
        abort();
    memcpy(job->bytes, bytes, len);
    job->req.data = job;
    uv_buf_t b = uv_buf_init(job->bytes, (unsigned)len);
    if (uv_write(&job->req, (uv_stream_t *)&to->tcp, &b, 1, on_written) != 0) {
        free(job);
        return false;
    }
    return true;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct side *s = stream->data;

    if (n == 0)
        return;
    if (n < 0 || !write_copy(s->other, buf->base, (size_t)n)) {
        connection_close(s->c);
        return;
    }
    if (s->is_adapter)
        s->c->p->passed_out += (uint64_t)n;
}

static void side_reading(struct side *s, bool want)
{
    if (s->c->is_closing || want == s->is_reading)
        return;
    s->is_reading = want;
    if (want)
        uv_read_start((uv_stream_t *)&s->tcp, on_alloc, on_read);
    else
        uv_read_stop((uv_stream_t *)&s->tcp);
}

static void apply_mode(struct connection *c)
{
    enum proxy_mode m = c->p->mode;

    if (m == PROXY_CUT) {
        connection_close(c);
        return;
    }
    if (!c->peer.is_connected)
        return;
    side_reading(&c->adapter, m == PROXY_PASS);
    side_reading(&c->peer, m != PROXY_STALL);
}

static void on_connect(uv_connect_t *req, int status)
{
    struct connection *c = req->data;

    if (c->is_closing)
        return;
    if (status != 0) {
        connection_close(c);
        return;
    }
    c->peer.is_connected = true;
    uv_tcp_nodelay(&c->peer.tcp, 1);
    apply_mode(c);
}

static void on_connection(uv_stream_t *server, int status)
{
    struct proxy *p = server->data;
    size_t slot = 0;

    if (status != 0)
        return;
    while (slot < CONNECTIONS_MAX && p->connections[slot])
        slot++;
    if (slot == CONNECTIONS_MAX)
        return; /* stays in the backlog: a test that needs more is wrong */
    struct connection *c = calloc(1, sizeof *c);
    if (!c)
        abort();
    c->p = p;
    p->connections[slot] = c;
    c->adapter = (struct side){.c = c, .other = &c->peer, .is_adapter = true};
    c->peer = (struct side){.c = c, .other = &c->adapter};
    uv_tcp_init(p->loop, &c->adapter.tcp);
    uv_tcp_init(p->loop, &c->peer.tcp);
    c->adapter.tcp.data = &c->adapter;
    c->peer.tcp.data = &c->peer;
    c->open_handles = 2;
    if (uv_accept(server, (uv_stream_t *)&c->adapter.tcp) != 0 || p->mode == PROXY_CUT) {
        connection_close(c);
        return;
    }
    uv_tcp_nodelay(&c->adapter.tcp, 1);
    struct sockaddr_in a;
    uv_ip4_addr("127.0.0.1", p->peer_port, &a);
    c->connect.data = c;
    if (uv_tcp_connect(&c->connect, &c->peer.tcp, (struct sockaddr *)&a, on_connect) != 0)
        connection_close(c);
}

static void listener_closed(uv_handle_t *h)
{
    struct proxy *p = h->data;
    free(h);
    p->handles--;
    free_if_done(p);
}

static void listen_now(struct proxy *p)
{
    struct sockaddr_in a;
    struct sockaddr_storage got;
    int len = sizeof got;

    p->listener = malloc(sizeof *p->listener);
    if (!p->listener)
        abort();
    uv_tcp_init(p->loop, p->listener);
    p->listener->data = p;
    p->handles++;
    uv_ip4_addr("127.0.0.1", p->port, &a);
    if (uv_tcp_bind(p->listener, (struct sockaddr *)&a, 0) != 0 ||
        uv_listen((uv_stream_t *)p->listener, 8, on_connection) != 0 ||
        uv_tcp_getsockname(p->listener, (struct sockaddr *)&got, &len) != 0) {
        fprintf(stderr, "proxy: cannot listen on loopback\n");
        abort();
    }
    struct sockaddr_in in;
    memcpy(&in, &got, sizeof in);
    p->port = ntohs(in.sin_port);
}

static void listen_stop(struct proxy *p)
{
    if (p->listener)
        uv_close((uv_handle_t *)p->listener, listener_closed);
    p->listener = NULL;
}

struct proxy *proxy_new(uv_loop_t *loop, uint16_t peer_port)
{
    struct proxy *p = calloc(1, sizeof *p);
    if (!p)
        abort();
    p->loop = loop;
    p->peer_port = peer_port;
    listen_now(p);
    return p;
}

uint16_t proxy_port(const struct proxy *p)
{
    return p->port;
}

void proxy_mode(struct proxy *p, enum proxy_mode mode)
{
    p->mode = mode;
    if (mode == PROXY_CUT)
        listen_stop(p);
    else if (!p->listener)
        listen_now(p);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (p->connections[i])
            apply_mode(p->connections[i]);
}

void proxy_peer(struct proxy *p, uint16_t peer_port)
{
    p->peer_port = peer_port;
}

bool proxy_inject(struct proxy *p, const void *bytes, size_t len)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *c = p->connections[i];
        if (c && !c->is_closing && c->peer.is_connected)
            return write_copy(&c->adapter, bytes, len);
    }
    return false;
}

uint64_t proxy_passed_out(const struct proxy *p)
{
    return p->passed_out;
}

unsigned proxy_connections(const struct proxy *p)
{
    unsigned n = 0;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        n += p->connections[i] && !p->connections[i]->is_closing;
    return n;
}

void proxy_free(struct proxy *p)
{
    p->is_freed = true;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (p->connections[i])
            connection_close(p->connections[i]);
    listen_stop(p);
    free_if_done(p);
}
