#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/assets.h"
#include "hub/front/front.h"
#include "os/os.h"

#define CHUNK_BYTES 32768u
/* Eight hours of the longest stay in segments of 2 s, and some. */
#define PARTS_MAX 16384u
#define PART_NAME 64u

/* Connections at most: pages and idle ones; more wait in the kernel's queue until some time out. */
#define CONNECTIONS_MAX 1400u
#define IDLE_S          10

static const char csp[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "worker-src 'self'; img-src 'self'; media-src 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action 'none'";

/* ---- who asks ---- */

static bool is_same(const char *a, size_t a_len, const char *b)
{
    return strlen(b) == a_len && strncasecmp(a, b, a_len) == 0;
}

/* A page of another site can make its own name point to 127.0.0.1 (DNS rebinding); the Host header
 * still tells its name. */
bool dw_front_is_host_ok(const struct dw_front_conf *conf, const char *host)
{
    static const char local[] = ".localhost";
    size_t len = strlen(host);
    if (host[0] == '[') { /* [::1] or [::1]:port */
        const char *end = strchr(host, ']');
        if (!end || !is_same(host, (size_t)(end - host) + 1, "[::1]"))
            return false;
        return end[1] == '\0' ||
               (end[1] == ':' && strspn(end + 2, "0123456789") == strlen(end + 2));
    }
    const char *colon = strchr(host, ':');
    if (colon) {
        if (strspn(colon + 1, "0123456789") != strlen(colon + 1))
            return false;
        len = (size_t)(colon - host);
    }
    if (is_same(host, len, "localhost") || is_same(host, len, "127.0.0.1"))
        return true;
    if (len > sizeof(local) - 1 &&
        is_same(host + len - (sizeof(local) - 1), sizeof(local) - 1, local))
        return true;
    return conf->name[0] && is_same(host, len, conf->name);
}

bool dw_front_is_origin_ok(const char *origin, const char *host)
{
    if (strncmp(origin, "http://", 7) == 0)
        origin += 7;
    else if (strncmp(origin, "https://", 8) == 0)
        origin += 8;
    else
        return false;
    return strcasecmp(origin, host) == 0;
}

/* ---- one answer ---- */

struct part {
    uint64_t size; /* bytes of it that are sent */
    uint64_t skip; /* bytes at its begin that are not */
    char name[PART_NAME];
};

/* What a connection is being sent: bytes of ours, or a range of files one after the other. */
struct answer {
    const uint8_t *bytes;
    char *owned; /* freed at the end, may be what `bytes` points to */
    char folder[300];
    struct part *parts; /* heap */
    uint32_t part_count, part;
    uint64_t at;   /* offset in `bytes`, or in the present part */
    uint64_t left; /* bytes still to send */
    int fd;        /* of the present part; -1 */
};

static struct dw_front *front_of(struct lws *wsi)
{
    return lws_context_user(lws_get_context(wsi));
}

static void end_answer(struct answer *a)
{
    if (a->fd > 0)
        close(a->fd);
    free(a->owned);
    free(a->parts);
    memset(a, 0, sizeof(*a));
    a->fd = -1;
}

static int add(struct lws *wsi, const char *name, const char *value, uint8_t **p, uint8_t *end)
{
    return lws_add_http_header_by_name(wsi, (const uint8_t *)name, (const uint8_t *)value,
                                       (int)strlen(value), p, end);
}

struct head {
    unsigned status;
    const char *type, *etag, *cache, *range;
    uint64_t len;
    bool is_without_body;
};

static int send_head(struct lws *wsi, const struct head *h)
{
    static const char *const fixed[][2] = {
        {"content-security-policy:", csp},
        {"x-content-type-options:", "nosniff"},
        {"referrer-policy:", "no-referrer"},
        {"cross-origin-opener-policy:", "same-origin"},
        {"cross-origin-resource-policy:", "same-origin"},
        {"x-frame-options:", "DENY"},
        {"permissions-policy:", "camera=(), microphone=(), geolocation=()"},
    };
    uint8_t room[LWS_PRE + 2048], *p = room + LWS_PRE, *start = p, *end = room + sizeof(room) - 1;
    lws_filepos_t len = h->status == 304 ? LWS_ILLEGAL_HTTP_CONTENT_LEN : h->len;
    if (lws_add_http_common_headers(wsi, h->status, h->type, len, &p, end))
        return -1;
    for (size_t i = 0; i < DW_ARRAY_COUNT(fixed); i++) {
        if (add(wsi, fixed[i][0], fixed[i][1], &p, end))
            return -1;
    }
    if (add(wsi, "cache-control:", h->cache ? h->cache : "no-store", &p, end))
        return -1;
    if (h->etag && add(wsi, "etag:", h->etag, &p, end))
        return -1;
    if (h->range && (add(wsi, "accept-ranges:", "bytes", &p, end) ||
                     (h->range[0] && add(wsi, "content-range:", h->range, &p, end))))
        return -1;
    if (h->status == 405 && add(wsi, "allow:", "GET, HEAD", &p, end))
        return -1;
    return lws_finalize_write_http_header(wsi, start, &p, end) ? -1 : 0;
}

static int done(struct lws *wsi)
{
    return lws_http_transaction_completed(wsi) ? -1 : 0;
}

static int send_body(struct lws *wsi, struct answer *a, bool is_head)
{
    if (is_head || a->left == 0) {
        end_answer(a);
        return done(wsi);
    }
    lws_callback_on_writable(wsi);
    return 0;
}

static int refuse(struct lws *wsi, struct answer *a, unsigned status, const char *words,
                  bool is_head)
{
    struct head h = {.status = status, .type = "text/plain; charset=utf-8", .len = strlen(words)};
    end_answer(a);
    if (send_head(wsi, &h))
        return -1;
    a->bytes = (const uint8_t *)words;
    a->left = h.len;
    return send_body(wsi, a, is_head);
}

/* ---- static files ---- */

static int serve_asset(struct lws *wsi, struct answer *a, const char *path, bool is_head)
{
    char known[128] = "";
    if (strcmp(path, "/") == 0)
        path = "/index.html";
    for (size_t i = 0; i < dw_asset_count; i++) {
        const struct dw_asset *f = &dw_assets[i];
        if (strcmp(f->path, path) != 0)
            continue;
        struct head h = {
            .status = 200, .type = f->type, .etag = f->etag, .cache = "no-cache", .len = f->len};
        bool is_known = lws_hdr_copy(wsi, known, sizeof(known), WSI_TOKEN_HTTP_IF_NONE_MATCH) > 0 &&
                        strcmp(known, f->etag) == 0;
        if (is_known)
            h.status = 304;
        if (send_head(wsi, &h))
            return -1;
        a->bytes = f->bytes;
        a->left = is_known ? 0 : f->len;
        return send_body(wsi, a, is_head);
    }
    return refuse(wsi, a, 404, "There is no such page.\n", is_head);
}

/* ---- recordings ---- */

static bool is_visit(const char *s)
{
    return strspn(s, "0123456789abcdef") >= 16;
}

static bool is_part_name(const char *s)
{
    size_t len = strlen(s);
    return len > 4 && len < PART_NAME && s[0] != '.' &&
           strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len &&
           strcmp(s + len - 4, ".mp4") == 0;
}

static int by_name(const void *a, const void *b)
{
    const struct part *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* Bytes of the boxes before the first fragment (ftyp, moov): each segment plays by itself, one film
 * out of many has them once. 0: leave the file as it is. */
static uint64_t init_bytes(const char *folder, const struct part *p)
{
    char path[400];
    uint64_t at = 0;
    snprintf(path, sizeof(path), "%s/%s", folder, p->name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return 0;
    for (int i = 0; i < 8; i++) {
        uint8_t box[8];
        if (pread(fd, box, sizeof(box), (off_t)at) != (ssize_t)sizeof(box))
            break;
        if (memcmp(box + 4, "moof", 4) == 0) {
            close(fd);
            return at < p->size ? at : 0;
        }
        uint64_t len =
            (uint64_t)box[0] << 24 | (uint64_t)box[1] << 16 | (uint64_t)box[2] << 8 | box[3];
        if (len < 8)
            break;
        at += len;
    }
    close(fd);
    return 0;
}

/* The segments of a visit in order. False: there is no such visit. */
static bool list_parts(struct answer *a)
{
    DIR *dir = opendir(a->folder);
    if (!dir)
        return false;
    uint32_t room = 0;
    const struct dirent *entry;
    while ((entry = readdir(dir)) && a->part_count < PARTS_MAX) {
        struct stat st;
        if (!is_part_name(entry->d_name) ||
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(st.st_mode))
            continue;
        if (a->part_count == room) {
            room = room ? room * 2 : 64;
            struct part *more = realloc(a->parts, room * sizeof(*more));
            if (!more)
                break;
            a->parts = more;
        }
        struct part *p = &a->parts[a->part_count++];
        *p = (struct part){.size = (uint64_t)st.st_size};
        memcpy(p->name, entry->d_name, strlen(entry->d_name) + 1); /* fits: is_part_name */
    }
    closedir(dir);
    if (a->part_count > 0)
        qsort(a->parts, a->part_count, sizeof(*a->parts), by_name);
    return true;
}

static int serve_json(struct lws *wsi, struct answer *a, json_t *taken, bool is_head)
{
    char *text = json_dumps(taken, JSON_COMPACT);
    json_decref(taken);
    if (!text)
        return -1;
    free(a->owned);
    a->owned = text;
    a->bytes = (const uint8_t *)text;
    a->left = strlen(text);
    free(a->parts);
    a->parts = NULL;
    a->part_count = 0;
    struct head h = {.status = 200, .type = "application/json", .len = a->left};
    if (send_head(wsi, &h))
        return -1;
    return send_body(wsi, a, is_head);
}

/* "bytes=a-b", "bytes=a-", "bytes=-n"; one range only. False: not one we serve. */
static bool read_range(const char *text, uint64_t total, uint64_t *ret_from, uint64_t *ret_to)
{
    if (strncmp(text, "bytes=", 6) != 0 || strchr(text, ',') || total == 0)
        return false;
    const char *s = text + 6;
    char *end;
    errno = 0;
    if (*s == '-') {
        if (!isdigit((unsigned char)s[1]))
            return false;
        uint64_t last = strtoull(s + 1, &end, 10);
        if (*end || errno || last == 0)
            return false;
        *ret_from = last < total ? total - last : 0;
        *ret_to = total - 1;
        return true;
    }
    if (!isdigit((unsigned char)*s))
        return false;
    *ret_from = strtoull(s, &end, 10);
    if (errno || *end != '-' || *ret_from >= total)
        return false;
    *ret_to = total - 1;
    if (end[1]) {
        if (!isdigit((unsigned char)end[1]))
            return false;
        uint64_t to = strtoull(end + 1, &end, 10);
        if (errno || *end || to < *ret_from)
            return false;
        *ret_to = to < total - 1 ? to : total - 1;
    }
    return true;
}

/* The parts of `a` as one file of type video/mp4. */
static int serve_parts(struct lws *wsi, struct answer *a, bool is_head)
{
    char asked[80] = "", said[80] = "";
    uint64_t total = 0, from = 0, to = 0;
    for (uint32_t i = 0; i < a->part_count; i++)
        total += a->parts[i].size;
    struct head h = {.status = 200, .type = "video/mp4", .range = said, .len = total};
    if (lws_hdr_copy(wsi, asked, sizeof(asked), WSI_TOKEN_HTTP_RANGE) > 0) {
        if (!read_range(asked, total, &from, &to))
            return refuse(wsi, a, 416, "That part does not exist.\n", is_head);
        h.status = 206;
        h.len = to - from + 1;
        snprintf(said, sizeof(said), "bytes %llu-%llu/%llu", (unsigned long long)from,
                 (unsigned long long)to, (unsigned long long)total);
    }
    if (send_head(wsi, &h))
        return -1;
    a->left = h.len;
    a->at = from;
    while (a->part < a->part_count && a->at >= a->parts[a->part].size)
        a->at -= a->parts[a->part++].size;
    return send_body(wsi, a, is_head);
}

static int serve_recordings(struct dw_front *f, struct lws *wsi, struct answer *a, const char *rest,
                            bool is_head)
{
    static const char none[] = "There is no such recording.\n", prefix[] = "visit-";
    if (!f->conf.record_folder[0])
        return refuse(wsi, a, 404, none, is_head);
    if (!rest[0]) { /* all visits */
        json_t *visits = json_array();
        DIR *dir = opendir(f->conf.record_folder);
        const struct dirent *entry;
        while (dir && (entry = readdir(dir)) && json_array_size(visits) < 1000) {
            const char *name = entry->d_name;
            if (strlen(name) == sizeof(prefix) - 1 + 16 &&
                strncmp(name, prefix, sizeof(prefix) - 1) == 0 &&
                is_visit(name + sizeof(prefix) - 1))
                json_array_append_new(visits, json_string(name + sizeof(prefix) - 1));
        }
        if (dir)
            closedir(dir);
        return serve_json(wsi, a, json_pack("{s:o}", "visits", visits), is_head);
    }
    if (!is_visit(rest))
        return refuse(wsi, a, 404, none, is_head);
    snprintf(a->folder, sizeof(a->folder), "%s/%s%.16s", f->conf.record_folder, prefix, rest);
    const char *tail = rest + 16;
    bool is_listing = strcmp(tail, "/") == 0;
    bool is_whole = strcmp(tail, ".mp4") == 0;
    if (!is_listing && !is_whole && (tail[0] != '/' || !is_part_name(tail + 1)))
        return refuse(wsi, a, 404, none, is_head);
    if (!list_parts(a) || a->part_count == 0)
        return refuse(wsi, a, 404, none, is_head);
    if (is_listing) {
        json_t *list = json_array();
        for (uint32_t i = 0; i < a->part_count; i++)
            json_array_append_new(list, json_pack("{s:s, s:I}", "name", a->parts[i].name, "bytes",
                                                  (json_int_t)a->parts[i].size));
        return serve_json(
            wsi, a, json_pack("{s:s#, s:o}", "visit", rest, (int)16, "segments", list), is_head);
    }
    if (!is_whole) {
        uint32_t i = 0;
        while (i < a->part_count && strcmp(a->parts[i].name, tail + 1) != 0)
            i++;
        if (i == a->part_count)
            return refuse(wsi, a, 404, none, is_head);
        a->parts[0] = a->parts[i];
        a->part_count = 1;
    }
    for (uint32_t i = 1; i < a->part_count; i++) {
        a->parts[i].skip = init_bytes(a->folder, &a->parts[i]);
        a->parts[i].size -= a->parts[i].skip;
    }
    return serve_parts(wsi, a, is_head);
}

/* Fills `room`; 0 means that the files are not what they were: the connection ends. */
static size_t next_chunk(struct answer *a, uint8_t *room, size_t cap)
{
    if (cap > a->left)
        cap = (size_t)a->left;
    if (!a->parts) {
        memcpy(room, a->bytes + a->at, cap);
        a->at += cap;
        return cap;
    }
    while (a->part < a->part_count) {
        if (a->fd <= 0) {
            char path[400];
            snprintf(path, sizeof(path), "%s/%s", a->folder, a->parts[a->part].name);
            a->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
            if (a->fd < 0)
                return 0;
        }
        uint64_t here = a->parts[a->part].size - a->at;
        if (here > 0) {
            ssize_t n = pread(a->fd, room, here < cap ? (size_t)here : cap,
                              (off_t)(a->parts[a->part].skip + a->at));
            if (n <= 0)
                return 0;
            a->at += (uint64_t)n;
            return (size_t)n;
        }
        close(a->fd);
        a->fd = -1;
        a->at = 0;
        a->part++;
    }
    return 0;
}

static int on_writable(struct lws *wsi, struct answer *a)
{
    static uint8_t room[LWS_PRE + CHUNK_BYTES]; /* one thread */
    if (a->left == 0)
        return 0;
    size_t n = next_chunk(a, room + LWS_PRE, CHUNK_BYTES);
    if (n == 0)
        return -1;
    a->left -= n;
    enum lws_write_protocol how = a->left == 0 ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP;
    if (lws_write(wsi, room + LWS_PRE, n, how) < (int)n)
        return -1;
    if (a->left == 0) {
        end_answer(a);
        return done(wsi);
    }
    lws_callback_on_writable(wsi);
    return 0;
}

static int on_request(struct lws *wsi, struct answer *a, const char *path)
{
    struct dw_front *f = front_of(wsi);
    char host[160] = "";
    char *uri;
    int uri_len;
    int method = lws_http_get_uri_and_method(wsi, &uri, &uri_len);
    bool is_head = method == LWSHUMETH_HEAD;
    end_answer(a);
    if (lws_hdr_copy(wsi, host, sizeof(host), WSI_TOKEN_HOST) <= 0 ||
        !dw_front_is_host_ok(&f->conf, host))
        return refuse(wsi, a, 421, "This house does not go by that name.\n", is_head);
    if (method != LWSHUMETH_GET && method != LWSHUMETH_HEAD)
        return refuse(wsi, a, 405, "This page is only read.\n", is_head);
    if (strncmp(path, "/recordings/", 12) == 0)
        return serve_recordings(f, wsi, a, path + 12, is_head);
    return serve_asset(wsi, a, path, is_head);
}

static int on_http(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                   size_t len)
{
    struct answer *a = user;
    (void)len;
    /* libwebsockets has many more reasons than we care for. */
    if (reason == LWS_CALLBACK_HTTP)
        return on_request(wsi, a, in);
    if (reason == LWS_CALLBACK_HTTP_WRITEABLE)
        return on_writable(wsi, a);
    if (reason == LWS_CALLBACK_CLOSED_HTTP && a)
        end_answer(a);
    if (reason == LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION)
        return -1; /* a WebSocket without our subprotocol */
    return 0;
}

static void on_log(int level, const char *line)
{
    char text[200];
    snprintf(text, sizeof(text), "%s", line);
    text[strcspn(text, "\r\n")] = '\0';
    for (char *c = text; *c; c++) {
        if (*c == '"' || !isprint((unsigned char)*c))
            *c = ' ';
    }
    dw_log(level == LLL_ERR ? "error" : "warn", "http", "said=\"%s\"", text);
}

/* "127.0.0.1:8080": only loopback in this version. */
static bool read_listen(const char *listen, char *host, size_t cap, int *ret_port)
{
    const char *colon = strrchr(listen, ':');
    struct in_addr v4;
    if (!colon || (size_t)(colon - listen) >= cap || !colon[1] || strlen(colon + 1) > 5 ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return false;
    memcpy(host, listen, (size_t)(colon - listen));
    host[colon - listen] = '\0';
    unsigned long port = strtoul(colon + 1, NULL, 10);
    if (port > 65535 || inet_pton(AF_INET, host, &v4) != 1)
        return false;
    *ret_port = (int)port;
    return (ntohl(v4.s_addr) >> 24) == 127;
}

dw_err dw_front_http_start(struct dw_front *f, char *why, size_t why_cap)
{
    static const struct lws_protocols protocols[] = {
        {"http", on_http, sizeof(struct answer), 0, 0, NULL, 0},
        /* 16: enough for the address of a page; lws keeps it per connection */
        {"doorward-watch-1", dw_front_watch_callback, 16, DW_FRONT_TEXT_MAX, 0, NULL, 0},
        {NULL, NULL, 0, 0, 0, NULL, 0},
    };
    char host[64];
    int port;
    if (!read_listen(f->conf.listen, host, sizeof(host), &port)) {
        snprintf(
            why, why_cap,
            "front.listen = %s: give an address of this machine only, as 127.0.0.1:8080. Pages "
            "have no sign-in yet, so they are not served to a network.",
            f->conf.listen);
        return dw_fail(DW_E_DENIED);
    }
    lws_set_log_level(LLL_ERR | LLL_WARN, on_log);
    void *loops[1] = {&f->loop};
    struct lws_context_creation_info info = {
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
        .foreign_loops = loops,
        .user = f,
        .fd_limit_per_thread = CONNECTIONS_MAX,
        .timeout_secs = IDLE_S,
        .max_http_header_pool = CONNECTIONS_MAX,
        .max_http_header_data = 4096,
    };
    f->lws = lws_create_context(&info);
    if (!f->lws) {
        snprintf(why, why_cap,
                 "libwebsockets does not start (is libwebsockets-evlib-uv installed?)");
        return dw_fail(DW_E_IO);
    }
    struct lws_context_creation_info vh = {
        .port = port,
        .iface = host,
        .protocols = protocols,
        .options = info.options | LWS_SERVER_OPTION_DISABLE_IPV6,
        .vhost_name = "front",
        .keepalive_timeout = IDLE_S,
        .timeout_secs = IDLE_S,
        .server_string = "doorward",
    };
    f->vhost = lws_create_vhost(f->lws, &vh);
    if (!f->vhost) {
        snprintf(why, why_cap, "cannot listen on %s", f->conf.listen);
        return dw_fail(DW_E_IO);
    }
    return DW_OK;
}
