#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "hub/front/api.h"
#include "os/assets.h"
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
    "worker-src 'self'; img-src 'self'; media-src 'self'; manifest-src 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action 'none'";

/* ---- who asks ---- */

static bool is_same(const char *a, size_t a_len, const char *b)
{
    return strlen(b) == a_len && strncasecmp(a, b, a_len) == 0;
}

/* A page of another site can make its own name point to 127.0.0.1 (DNS rebinding); the Host header
 * still tells its name. */
bool dw_front_is_host_ok(const struct dw_front *f, const char *host)
{
    static const char local[] = ".localhost";
    size_t len = strlen(host);
    if (strcasecmp(strstr(f->origin, "://") + 3, host) == 0)
        return true;
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
    return f->conf.name[0] && is_same(host, len, f->conf.name);
}

bool dw_front_is_origin_ok(const struct dw_front *f, const char *origin, const char *host)
{
    if (f->conf.origin[0])
        return strcmp(origin, f->origin) == 0;
    const char *scheme = f->has_tls ? "https://" : "http://";
    if (strncmp(origin, scheme, strlen(scheme)) != 0)
        return false;
    origin += strlen(scheme);
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
    struct dw_front_call *call;
    bool must_close; /* after this answer: the rest of the request was not read */
    char cookie[200];
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
    DW_ASSERT(!a->call);
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
    const char *type, *etag, *cache, *range, *allow, *cookie, *location;
    uint64_t len;
    bool must_close, is_scope_root;
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
        {"permissions-policy:", "camera=(), microphone=(), geolocation=(), payment=(), usb=(), "
                                "publickey-credentials-get=(self), "
                                "publickey-credentials-create=(self)"},
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
    const char *const more[][2] = {
        {"allow:", h->allow},
        {"set-cookie:", h->cookie},
        {"location:", h->location},
        {"connection:", h->must_close ? "close" : NULL},
        {"service-worker-allowed:", h->is_scope_root ? "/" : NULL},
    };
    for (size_t i = 0; i < DW_ARRAY_COUNT(more); i++) {
        if (more[i][1] && more[i][1][0] && add(wsi, more[i][0], more[i][1], &p, end))
            return -1;
    }
    return lws_finalize_write_http_header(wsi, start, &p, end) ? -1 : 0;
}

static int done(struct lws *wsi)
{
    return lws_http_transaction_completed(wsi) ? -1 : 0;
}

static int send_body(struct lws *wsi, struct answer *a, bool is_head)
{
    if (is_head || a->left == 0) {
        bool must_close = a->must_close;
        end_answer(a);
        return must_close ? -1 : done(wsi);
    }
    lws_callback_on_writable(wsi);
    return 0;
}

static int refuse(struct lws *wsi, struct answer *a, unsigned status, const char *words,
                  bool is_head)
{
    struct head h = {.status = status,
                     .type = "text/plain; charset=utf-8",
                     .allow = status == 405 ? "GET, HEAD" : NULL,
                     .must_close = a->must_close,
                     .len = strlen(words)};
    bool must_close = a->must_close;
    end_answer(a);
    a->must_close = must_close;
    if (send_head(wsi, &h))
        return -1;
    a->bytes = (const uint8_t *)words;
    a->left = h.len;
    return send_body(wsi, a, is_head);
}

/* An answer of the API, or a problem; `taken` is freed. */
static int send_text(struct lws *wsi, struct answer *a, struct head *h, char *taken, bool is_head)
{
    bool must_close = a->must_close;
    h->len = taken ? strlen(taken) : 0;
    h->must_close = must_close;
    end_answer(a);
    a->must_close = must_close;
    a->owned = taken;
    if (send_head(wsi, h))
        return -1;
    a->bytes = (const uint8_t *)taken;
    a->left = h->len;
    return send_body(wsi, a, is_head);
}

static int send_problem(struct lws *wsi, struct answer *a, enum dw_front_problem p,
                        const char *allow, bool is_head)
{
    struct head h = {.type = "application/problem+json", .allow = allow};
    char *text = dw_front_problem_text(p, &h.status);
    return send_text(wsi, a, &h, text, is_head);
}

/* ---- the session of a request ---- */

bool dw_front_session(struct dw_front *f, struct lws *wsi, struct dw_session_row *ret_row)
{
    static const char name[] = "doorward_home=";
    char text[2048], token[DW_SESSION_TOKEN_TEXT];
    *ret_row = (struct dw_session_row){0};
    if (!f->has_people || lws_hdr_copy(wsi, text, sizeof(text), WSI_TOKEN_HTTP_COOKIE) <= 0)
        return false;
    /* Another server of this host can add a cookie of the same name: any that holds will do. */
    const char *p = text;
    for (int tries = 0; tries < 4; tries++) {
        p = strstr(p, name);
        if (!p)
            return false;
        bool is_whole_name = p == text || p[-1] == ' ' || p[-1] == ';';
        p += sizeof(name) - 1;
        size_t len = strcspn(p, "; ");
        if (!is_whole_name || len != sizeof(token) - 1)
            continue;
        memcpy(token, p, len);
        token[len] = '\0';
        if (dw_book_session_find(f->book, token, ret_row) && dw_front_member(f, ret_row->member))
            return true;
    }
    *ret_row = (struct dw_session_row){0};
    return false;
}

/* A session that is used gets a new token now and then. */
static void renew(struct dw_front *f, const struct dw_session_row *row, char *ret_cookie,
                  size_t cap)
{
    char token[DW_SESSION_TOKEN_TEXT];
    int64_t now = dw_book_now_ms();
    ret_cookie[0] = '\0';
    if (row->is_present_token && now - row->turned_ms > DW_SESSION_TURN_MS &&
        dw_book_session_turn(f->book, row->id, token))
        dw_front_cookie(f, token, ret_cookie, cap);
    else if (now - row->used_ms > 60000)
        dw_book_session_used(f->book, row->id);
}

int dw_front_refuse_handshake(struct lws *wsi, bool is_guest)
{
    unsigned status;
    char *text = dw_front_problem_text(
        is_guest ? DW_FRONT_PROBLEM_ROLE : DW_FRONT_PROBLEM_SIGNED_OUT, &status);
    if (!text)
        return -1;
    char room[LWS_PRE + 512];
    int len = snprintf(room + LWS_PRE, sizeof(room) - LWS_PRE,
                       "HTTP/1.1 %u Refused\r\ncontent-type: application/problem+json\r\n"
                       "content-length: %zu\r\ncache-control: no-store\r\nconnection: close\r\n"
                       "\r\n%s",
                       status, strlen(text), text);
    free(text);
    return lws_write(wsi, (uint8_t *)room + LWS_PRE, (size_t)len, LWS_WRITE_RAW) < 0 ? -1 : 0;
}

/* ---- static files ---- */

/* "/" is /index.html, "/signin" is /signin.html. NULL: there is no such file. */
static const struct dw_asset *find_asset(const char *path)
{
    size_t len = strlen(path);
    if (strcmp(path, "/") == 0) {
        path = "/index.html";
        len = strlen(path);
    }
    for (size_t i = 0; i < dw_asset_count; i++) {
        const struct dw_asset *f = &dw_assets[i];
        if (strcmp(f->path, path) == 0 ||
            (strncmp(f->path, path, len) == 0 && strcmp(f->path + len, ".html") == 0))
            return f;
    }
    return NULL;
}

static int serve_asset(struct lws *wsi, struct answer *a, const char *path, bool is_head)
{
    char known[128] = "";
    const struct dw_asset *f = find_asset(path);
    if (!f)
        return refuse(wsi, a, 404, "There is no such page.\n", is_head);
    struct head h = {.status = 200,
                     .type = f->type,
                     .etag = f->etag,
                     .cache = "no-cache", /* asked again each time; the tag makes it cheap */
                     .cookie = a->cookie,
                     .is_scope_root = strstr(f->path, "sw.js") != NULL,
                     .must_close = a->must_close,
                     .len = f->len};
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
    struct head h = {
        .status = 200, .type = "application/json", .cookie = a->cookie, .len = a->left};
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
    struct head h = {
        .status = 200, .type = "video/mp4", .range = said, .cookie = a->cookie, .len = total};
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
                            uint32_t member, bool is_head)
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
    if (member && !is_head)
        dw_book_view(f->book, member, DW_VIEW_RECORDING,
                     strtoull(a->folder + strlen(a->folder) - 16, NULL, 16), 0);
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

static int answer_call(struct lws *wsi, struct answer *a)
{
    struct dw_front_call *c = a->call;
    char *text = c->text;
    a->call = NULL;
    c->text = NULL;
    memcpy(a->cookie, c->cookie, sizeof(a->cookie));
    char cookie[sizeof(a->cookie)];
    memcpy(cookie, a->cookie, sizeof(cookie));
    struct head h = {.status = c->status,
                     .type = c->status < 400 ? "application/json" : "application/problem+json",
                     .cookie = cookie};
    dw_front_call_free(c);
    return send_text(wsi, a, &h, text, false);
}

static int on_writable(struct lws *wsi, struct answer *a)
{
    static uint8_t room[LWS_PRE + CHUNK_BYTES]; /* one thread */
    if (a->call && a->call->is_answered)
        return answer_call(wsi, a);
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
        bool must_close = a->must_close;
        end_answer(a);
        return must_close ? -1 : done(wsi);
    }
    lws_callback_on_writable(wsi);
    return 0;
}

/* ---- a request ---- */

static const char *method_name(int method)
{
    switch (method) {
    case LWSHUMETH_GET: return "GET";
    case LWSHUMETH_HEAD: return "HEAD";
    case LWSHUMETH_POST: return "POST";
    case LWSHUMETH_PUT: return "PUT";
    case LWSHUMETH_PATCH: return "PATCH";
    case LWSHUMETH_DELETE: return "DELETE";
    default: return "?";
    }
}

/* "/api/visits/{id}": one part of the path is given to the handler. */
static bool is_route(const struct dw_front_route *r, const char *path, char *ret_param, size_t cap)
{
    const char *brace = strchr(r->path, '{');
    if (!brace)
        return strcmp(r->path, path) == 0;
    size_t before = (size_t)(brace - r->path), len = strlen(path);
    if (len <= before || len - before >= cap || strncmp(r->path, path, before) != 0 ||
        strchr(path + before, '/'))
        return false;
    memcpy(ret_param, path + before, len - before + 1);
    return true;
}

/* `*ret_allow`: methods of this path when it has others. */
static const struct dw_front_route *find_route(const char *method, const char *path,
                                               char *ret_param, size_t cap, const char **ret_allow)
{
    *ret_allow = NULL;
    for (size_t i = 0; i < dw_front_route_count; i++) {
        const struct dw_front_route *r = &dw_front_routes[i];
        if (!is_route(r, path, ret_param, cap))
            continue;
        if (strcmp(r->method, method) == 0)
            return r;
        *ret_allow = *ret_allow ? "GET, POST" : r->method;
    }
    return NULL;
}

static bool has_csrf(struct lws *wsi, const struct dw_session_row *row)
{
    static const char name[] = "x-doorward-csrf:";
    char text[DW_SESSION_TOKEN_TEXT];
    int len = lws_hdr_custom_length(wsi, name, (int)sizeof(name) - 1);
    return len == (int)sizeof(text) - 1 &&
           lws_hdr_custom_copy(wsi, text, (int)sizeof(text), name, (int)sizeof(name) - 1) == len &&
           dw_same(text, row->csrf, sizeof(text) - 1);
}

static bool has_origin(const struct dw_front *f, struct lws *wsi, const char *host)
{
    char origin[200];
    return lws_hdr_copy(wsi, origin, sizeof(origin), WSI_TOKEN_ORIGIN) > 0 &&
           dw_front_is_origin_ok(f, origin, host);
}

/* Length of the body that will come; false: it will not be read, and why is in `*ret_why`. */
static bool read_length(struct lws *wsi, uint32_t *ret_len, enum dw_front_problem *ret_why)
{
    char text[16], type[64] = "";
    *ret_len = 0;
    *ret_why = DW_FRONT_PROBLEM_BAD_REQUEST;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0)
        return false;
    int len = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH);
    if (len <= 0)
        return false;
    *ret_why = DW_FRONT_PROBLEM_TOO_LARGE;
    if (len > 9 || lws_hdr_copy(wsi, text, sizeof(text), WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0)
        return false;
    if (strspn(text, "0123456789") != strlen(text)) {
        *ret_why = DW_FRONT_PROBLEM_BAD_REQUEST;
        return false;
    }
    unsigned long n = strtoul(text, NULL, 10);
    if (n > DW_BODY_MAX)
        return false;
    *ret_why = DW_FRONT_PROBLEM_BAD_REQUEST;
    (void)lws_hdr_copy(wsi, type, sizeof(type), WSI_TOKEN_HTTP_CONTENT_TYPE);
    /* A form of another site cannot send this type without asking us first. */
    if (n > 0 && strncasecmp(type, "application/json", 16) != 0)
        return false;
    *ret_len = (uint32_t)n;
    return true;
}

/* These, and nothing else. */
static bool read_query(struct lws *wsi, struct dw_front_call *c)
{
    const struct {
        const char *key;
        char *room;
        size_t cap;
    } known[] = {
        {"before=", c->before, sizeof(c->before)},
        {"limit=", c->limit, sizeof(c->limit)},
        {"since=", c->since, sizeof(c->since)},
        {"wait_ms=", c->wait_ms, sizeof(c->wait_ms)},
    };
    char text[40];
    for (int i = 0; lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_URI_ARGS) > 0; i++) {
        int len = lws_hdr_fragment_length(wsi, WSI_TOKEN_HTTP_URI_ARGS, i);
        if (len <= 0)
            return i > 0;
        if ((size_t)len >= sizeof(text) ||
            lws_hdr_copy_fragment(wsi, text, sizeof(text), WSI_TOKEN_HTTP_URI_ARGS, i) < 0)
            return false;
        bool is_known = false;
        for (size_t k = 0; k < DW_ARRAY_COUNT(known) && !is_known; k++) {
            size_t key = strlen(known[k].key);
            is_known = strncmp(text, known[k].key, key) == 0 && strlen(text + key) < known[k].cap;
            if (is_known)
                memcpy(known[k].room, text + key, strlen(text + key) + 1);
        }
        if (!is_known)
            return false;
    }
    return true;
}

static void run_call(struct lws *wsi, struct answer *a)
{
    /* Longer than the guard may take: ends a connection that we would forget. */
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, (int)(DW_ASK_MS / 1000 + 10));
    a->must_close = false;
    dw_front_call_run(a->call);
}

/* What no role is named for, nobody may. */
static bool may_use(const struct dw_front_route *r, const struct dw_ipc_member *m)
{
    uint8_t role = m ? m->role : (uint8_t)DW_MEMBER_NONE;
    bool lives_here = role == DW_MEMBER_OWNER || role == DW_MEMBER_OCCUPANT;
    switch (r->access) {
    case DW_ACCESS_OWNER: return role == DW_MEMBER_OWNER;
    case DW_ACCESS_MEMBER: return lives_here;
    case DW_ACCESS_GUEST: return role == DW_MEMBER_GUEST;
    case DW_ACCESS_ALL: return lives_here || role == DW_MEMBER_GUEST;
    case DW_ACCESS_OPEN: return true;
    }
    return false;
}

static int serve_api(struct dw_front *f, struct lws *wsi, struct answer *a, const char *path,
                     const char *method, const char *host, const struct dw_session_row *session)
{
    const char *allow;
    char param[40] = "";
    bool is_head = strcmp(method, "HEAD") == 0;
    const struct dw_front_route *r = find_route(method, path, param, sizeof(param), &allow);
    if (!r)
        return send_problem(wsi, a, allow ? DW_FRONT_PROBLEM_METHOD : DW_FRONT_PROBLEM_NOT_FOUND,
                            allow, is_head);
    const struct dw_ipc_member *member = dw_front_member(f, session->member);
    if (!may_use(r, member))
        return send_problem(wsi, a, DW_FRONT_PROBLEM_ROLE, NULL, is_head);
    /* An open route needs no session and so no word of it; it still must come from our page. */
    if (r->fields &&
        (!has_origin(f, wsi, host) || (r->access != DW_ACCESS_OPEN && !has_csrf(wsi, session))))
        return send_problem(wsi, a, DW_FRONT_PROBLEM_CSRF, NULL, is_head);
    uint32_t len = 0;
    enum dw_front_problem why;
    if (r->fields && !read_length(wsi, &len, &why))
        return send_problem(wsi, a, why, NULL, is_head);
    struct dw_front_call *c = dw_front_call_new(f, wsi);
    if (!c)
        return -1;
    if (!read_query(wsi, c)) {
        dw_front_call_free(c);
        return send_problem(wsi, a, DW_FRONT_PROBLEM_BAD_REQUEST, NULL, is_head);
    }
    c->route = r;
    c->session = *session;
    c->member = member;
    c->body_cap = len;
    memcpy(c->cookie, a->cookie, sizeof(c->cookie));
    memcpy(c->param, param, sizeof(c->param));
    if (len > 0 && !(c->body = malloc(len))) {
        dw_front_call_free(c);
        return -1;
    }
    a->call = c;
    if (len == 0)
        run_call(wsi, a);
    return 0;
}

static void on_body(struct answer *a, const void *bytes, size_t len)
{
    struct dw_front_call *c = a->call;
    if (!c || c->is_running)
        return; /* of a request that was refused */
    if (len > c->body_cap - c->body_len)
        len = c->body_cap - c->body_len;
    memcpy(c->body + c->body_len, bytes, len);
    c->body_len += (uint32_t)len;
}

static bool is_open_page(const char *path)
{
    const struct dw_asset *f = find_asset(path);
    return f && f->is_open;
}

static bool is_open_route(const char *method, const char *path)
{
    const char *allow;
    char param[40];
    const struct dw_front_route *r = find_route(method, path, param, sizeof(param), &allow);
    return r && r->access == DW_ACCESS_OPEN;
}

static int send_to(struct lws *wsi, struct answer *a, const char *location, bool is_head)
{
    struct head h = {.status = 303, .type = "text/plain; charset=utf-8", .location = location};
    return send_text(wsi, a, &h, strdup("Not here.\n"), is_head);
}

/* A person's first look without a session: to the page that signs in. Everything else gets 401,
 * the same for what exists and what does not. */
static int refuse_stranger(struct lws *wsi, struct answer *a, bool is_page, bool is_head)
{
    return is_page ? send_to(wsi, a, "/signin", is_head)
                   : send_problem(wsi, a, DW_FRONT_PROBLEM_SIGNED_OUT, NULL, is_head);
}

/* Files of a guest's page begin so; a guest has these, the open ones, and no others. */
static bool is_guests_file(const char *path)
{
    return strncmp(path, "/guest", 6) == 0;
}

static int on_request(struct lws *wsi, struct answer *a, const char *path)
{
    struct dw_front *f = front_of(wsi);
    char host[160] = "", accept[256];
    char *uri;
    int uri_len;
    const char *method = method_name(lws_http_get_uri_and_method(wsi, &uri, &uri_len));
    bool is_head = strcmp(method, "HEAD") == 0;
    bool is_read = is_head || strcmp(method, "GET") == 0;
    DW_ASSERT(!a->call);
    end_answer(a);
    /* Until the body has been read, or there is none, the connection cannot be used again. */
    a->must_close = !is_read || lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0 ||
                    lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0;
    if (lws_hdr_copy(wsi, host, sizeof(host), WSI_TOKEN_HOST) <= 0 || !dw_front_is_host_ok(f, host))
        return refuse(wsi, a, 421, "This house does not go by that name.\n", is_head);
    bool is_api = strncmp(path, "/api/", 5) == 0;
    struct dw_session_row session;
    bool is_signed_in = dw_front_session(f, wsi, &session);
    bool is_open = is_api ? is_open_route(method, path) : is_read && is_open_page(path);
    bool is_page = is_read && !is_api && strncmp(path, "/recordings/", 12) != 0 &&
                   lws_hdr_copy(wsi, accept, sizeof(accept), WSI_TOKEN_HTTP_ACCEPT) > 0 &&
                   strstr(accept, "text/html");
    if (!is_signed_in && !is_open)
        return refuse_stranger(wsi, a, is_page, is_head);
    if (is_signed_in)
        renew(f, &session, a->cookie, sizeof(a->cookie));
    if (is_api)
        return serve_api(f, wsi, a, path, method, host, &session);
    if (!is_read)
        return refuse(wsi, a, 405, "This page is only read.\n", is_head);
    bool is_guest = is_signed_in && dw_front_is_guest(f, session.member);
    if (is_guest && !is_open && !is_guests_file(path))
        return is_page ? send_to(wsi, a, "/guest", is_head)
                       : send_problem(wsi, a, DW_FRONT_PROBLEM_ROLE, NULL, is_head);
    if (is_signed_in && !is_guest && is_page && is_guests_file(path))
        return send_to(wsi, a, "/", is_head);
    if (strncmp(path, "/recordings/", 12) == 0)
        return serve_recordings(f, wsi, a, path + 12, session.member, is_head);
    return serve_asset(wsi, a, path, is_head);
}

void dw_front_print_routes(FILE *out)
{
    static const char *const access[] = {"owner", "member", "guest", "all", "open"};
    for (size_t i = 0; i < dw_front_route_count; i++)
        fprintf(out, "%s %s %s\n", dw_front_routes[i].method, dw_front_routes[i].path,
                access[dw_front_routes[i].access]);
    for (size_t i = 0; i < dw_asset_count; i++)
        fprintf(out, "GET %s %s\n", dw_assets[i].path,
                dw_assets[i].is_open                ? "open"
                : is_guests_file(dw_assets[i].path) ? "all"
                                                    : "member");
    fprintf(out, "GET / member\nGET /recordings/ member\nGET /recordings/{id}/ member\n"
                 "GET /recordings/{id}.mp4 member\nGET /recordings/{id}/{file} member\n"
                 "WS /watch member\n");
}

static void on_gone(struct answer *a)
{
    struct dw_front_call *c = a->call;
    a->call = NULL;
    if (c && (c->is_answered || !c->is_running))
        dw_front_call_free(c); /* nobody else holds it */
    else if (c)
        c->wsi = NULL;
    end_answer(a);
}

static int on_http(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                   size_t len)
{
    struct answer *a = user;
    /* libwebsockets has many more reasons than we care for. */
    if (reason == LWS_CALLBACK_HTTP)
        return on_request(wsi, a, in);
    if (reason == LWS_CALLBACK_HTTP_BODY)
        on_body(a, in, len);
    if (reason == LWS_CALLBACK_HTTP_BODY_COMPLETION && a->call && !a->call->is_running)
        run_call(wsi, a);
    if (reason == LWS_CALLBACK_HTTP_WRITEABLE)
        return on_writable(wsi, a);
    if ((reason == LWS_CALLBACK_CLOSED_HTTP || reason == LWS_CALLBACK_HTTP_DROP_PROTOCOL) && a)
        on_gone(a);
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

/* "127.0.0.1:8080"; `*ret_is_here`: an address of this machine only. */
static bool read_listen(const char *listen, char *host, size_t cap, int *ret_port,
                        bool *ret_is_here)
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
    *ret_is_here = (ntohl(v4.s_addr) >> 24) == 127;
    return true;
}

/* "https://home.example" or with a port; passkeys are made for its host. */
static bool read_origin(const char *origin, char *ret_host, size_t cap, bool *ret_is_tls)
{
    const char *at = strstr(origin, "://");
    *ret_is_tls = strncmp(origin, "https://", 8) == 0;
    if (!at || (!*ret_is_tls && strncmp(origin, "http://", 7) != 0))
        return false;
    at += 3;
    size_t len = strcspn(at, ":");
    if (len == 0 || len >= cap || strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789-.") != len ||
        (at[len] == ':' &&
         (!at[len + 1] || strspn(at + len + 1, "0123456789") != strlen(at + len + 1))))
        return false;
    memcpy(ret_host, at, len);
    ret_host[len] = '\0';
    return true;
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
    bool is_here, is_tls_origin = false;
    f->has_tls = f->conf.tls_cert[0] != '\0';
    if (f->has_tls != (f->conf.tls_key[0] != '\0')) {
        snprintf(why, why_cap, "front.tls_cert and front.tls_key: give both or none");
        return dw_fail(DW_E_INVALID);
    }
    if (!read_listen(f->conf.listen, host, sizeof(host), &port, &is_here)) {
        snprintf(why, why_cap, "front.listen = %s: give an IPv4 address and a port, as %s",
                 f->conf.listen, "127.0.0.1:8080");
        return dw_fail(DW_E_INVALID);
    }
    if (!is_here && !f->has_tls) {
        snprintf(
            why, why_cap,
            "front.listen = %s: without front.tls_cert and front.tls_key pages are served to this "
            "machine only, as 127.0.0.1:8080; a network would read sessions and pictures.",
            f->conf.listen);
        return dw_fail(DW_E_DENIED);
    }
    if (f->conf.origin[0] &&
        (!read_origin(f->conf.origin, f->rp_id, sizeof(f->rp_id), &is_tls_origin) ||
         is_tls_origin != f->has_tls)) {
        snprintf(why, why_cap,
                 "front.origin = %s: give http%s://NAME or http%s://NAME:PORT in lower case, as "
                 "people open it%s",
                 f->conf.origin, f->has_tls ? "s" : "", f->has_tls ? "s" : "",
                 is_tls_origin ? "; https needs front.tls_cert and front.tls_key" : "");
        return dw_fail(DW_E_INVALID);
    }
    lws_set_log_level(LLL_ERR | LLL_WARN, on_log);
    void *loops[1] = {&f->loop};
    struct lws_context_creation_info info = {
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   (f->has_tls ? LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT : 0u),
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
    if (f->has_tls) {
        vh.ssl_cert_filepath = f->conf.tls_cert;
        vh.ssl_private_key_filepath = f->conf.tls_key;
        vh.ssl_options_set = (long)(SSL_OP_NO_SSLv3 | SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 |
                                    SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    }
    f->vhost = lws_create_vhost(f->lws, &vh);
    if (!f->vhost) {
        snprintf(why, why_cap, "cannot listen on %s%s", f->conf.listen,
                 f->has_tls ? ", or front.tls_cert and front.tls_key do not fit each other" : "");
        return dw_fail(DW_E_IO);
    }
    if (f->conf.origin[0]) {
        memcpy(f->origin, f->conf.origin, sizeof(f->origin));
    } else {
        snprintf(f->rp_id, sizeof(f->rp_id), "localhost");
        snprintf(f->origin, sizeof(f->origin), "http%s://localhost:%d", f->has_tls ? "s" : "",
                 lws_get_vhost_listen_port(f->vhost));
    }
    return DW_OK;
}
