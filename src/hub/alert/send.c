/* Handing over: one libcurl multi on the loop, connections kept, one message at a time for each
 * place (and one alarm beside it), retries while the message is still true.
 *
 * A place is an address that a browser, or whoever holds a session, gave us. So it may only be a
 * public address on the HTTPS port, judged when the name has been resolved and just before we dial;
 * nothing of an answer is shown to anybody but its status; redirects are not followed. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "hub/alert/alert.h"
#include "os/os.h"

#define ANSWER_MAX   65536u /* bytes of an answer that are read before we hang up */
#define RETRY_MAX_MS 60000u
#define PAD_TO       512u /* so that lengths tell little */
#define BODY_MAX     4096u
#define VAPID_S      43200

/* ---- which addresses ---- */

static bool is_in(uint32_t address, uint32_t net, unsigned bits)
{
    return address >> (32 - bits) == net >> (32 - bits);
}

/* Not private, loopback, link-local, shared, documentation, multicast or reserved [RFC 6890]. */
static bool is_public_4(uint32_t a)
{
    static const struct {
        uint32_t net;
        unsigned bits;
    } not_public[] = {
        {0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},  {0xa9fe0000, 16},
        {0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24}, {0xc0586300, 24}, {0xc0a80000, 16},
        {0xc6120000, 15}, {0xc6336400, 24}, {0xcb007100, 24}, {0xe0000000, 4},  {0xf0000000, 4},
    };
    for (size_t i = 0; i < DW_ARRAY_COUNT(not_public); i++)
        if (is_in(a, not_public[i].net, not_public[i].bits))
            return false;
    return true;
}

/* Only global unicast, and none of the forms that carry an IPv4 address or a tunnel. */
static bool is_public_6(const uint8_t a[16])
{
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    if (memcmp(a, nat64, sizeof nat64) == 0)
        return is_public_4((uint32_t)a[12] << 24 | (uint32_t)a[13] << 16 | (uint32_t)a[14] << 8 |
                           a[15]);
    if ((a[0] & 0xe0) != 0x20) /* 2000::/3 */
        return false;
    if (a[0] == 0x20 && a[1] == 0x02) /* 6to4 */
        return false;
    if (a[0] == 0x20 && a[1] == 0x01 && a[2] < 0x02) /* 2001::/23: Teredo and other protocols */
        return false;
    if (a[0] == 0x20 && a[1] == 0x01 && a[2] == 0x0d && a[3] == 0xb8) /* documentation */
        return false;
    return !(a[0] == 0x3f && a[1] == 0xff && (a[2] & 0xf0) == 0); /* documentation, 3fff::/20 */
}

bool send_is_public(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return is_public_4(
            ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
    if (address->sa_family == AF_INET6)
        return is_public_6(((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr);
    return false;
}

/* The name has been resolved; this is the very address that will be dialled, so a name that changes
 * its mind between a check and the call gains nothing. */
static curl_socket_t on_open_socket(void *own, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    if (!own && !send_is_public(&address->addr)) {
        dw_log("warn", "alert_place", "refused=private_address");
        errno = EACCES;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* ---- text ---- */

static size_t json_text(char *out, size_t cap, size_t len, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        char one[8];
        int n = c == '"' || c == '\\' ? snprintf(one, sizeof one, "\\%c", c)
                : c < 0x20            ? snprintf(one, sizeof one, "\\u%04x", c)
                                      : snprintf(one, sizeof one, "%c", c);
        if (len + (size_t)n >= cap)
            break;
        memcpy(out + len, one, (size_t)n);
        len += (size_t)n;
    }
    out[len] = '\0';
    return len;
}

/* "key":"text" with a comma before all but the first. */
static size_t json_pair(char *out, size_t cap, size_t len, const char *key, const char *text)
{
    if (cap - len < strlen(key) + 16)
        return len;
    int n = snprintf(out + len, cap - len, "%s\"%s\":\"", len > 1 ? "," : "", key);
    len = json_text(out, cap - 4, len + (size_t)n, text);
    n = snprintf(out + len, cap - len, "\"");
    return len + (size_t)n;
}

static const char *level_word(enum alert_level level)
{
    return level == ALERT_ACT ? "act" : level == ALERT_NOTICE ? "notice" : "info";
}

static void iso_time(int64_t utc_ms, char ret_text[32])
{
    time_t s = (time_t)(utc_ms / 1000);
    struct tm tm;
    char day[24];
    if (utc_ms <= 0 || !gmtime_r(&s, &tm) ||
        strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        ret_text[0] = '\0';
    else
        snprintf(ret_text, 32, "%s.%03dZ", day, (int)(utc_ms % 1000));
}

/* For the page's service worker. Room for every title and body with all their escapes is not
 * needed: words hold none but quotes. */
static size_t push_json(const struct alert_message *m, unsigned lang, char *out, size_t cap)
{
    char at[32];
    size_t len = 1;
    iso_time(m->utc_ms, at);
    out[0] = '{';
    len = json_pair(out, cap, len, "t", m->title[lang]);
    len = json_pair(out, cap, len, "b", m->body[lang]);
    len = json_pair(out, cap, len, "at", at);
    len = json_pair(out, cap, len, "tag", m->tag);
    len = json_pair(out, cap, len, "url", m->url);
    len = json_pair(out, cap, len, "level", level_word(m->level));
    return len + (size_t)snprintf(out + len, cap - len, "}");
}

/* ---- requests ---- */

static void add_header(struct alert_delivery *d, const char *line)
{
    struct curl_slist *more = curl_slist_append(d->headers, line);
    if (more)
        d->headers = more;
}

static void add_push(struct alert *a, struct alert_delivery *d, const struct alert_place *p,
                     const char *origin, size_t *ret_len)
{
    struct alert_message *m = d->message;
    char json[DW_PUSH_TEXT_MAX], line[DW_VAPID_HEADER_MAX + 32], vapid[DW_VAPID_HEADER_MAX];
    uint8_t topic[DW_HASH_BYTES];
    char topic_text[DW_BASE64URL_CAP(DW_HASH_BYTES)];
    struct dw_buf out = dw_buf_of(d->body, BODY_MAX);
    struct timespec now;
    size_t len = push_json(m, p->lang, json, sizeof json);
    clock_gettime(CLOCK_REALTIME, &now);
    if (dw_failed(dw_push_seal(&p->to, dw_view_of(json, len), PAD_TO, &out)) ||
        dw_failed(dw_vapid_header(&a->vapid, origin, a->conf.subject, now.tv_sec + VAPID_S, vapid,
                                  sizeof vapid)))
        return;
    *ret_len = out.len;
    snprintf(line, sizeof line, "Authorization: %s", vapid);
    add_header(d, line);
    add_header(d, "Content-Type: application/octet-stream");
    add_header(d, "Content-Encoding: aes128gcm");
    snprintf(line, sizeof line, "TTL: %u", m->ttl_s);
    add_header(d, line);
    snprintf(line, sizeof line, "Urgency: %s", m->level == ALERT_ACT ? "high" : "normal");
    add_header(d, line);
    /* The topic tells the service which waiting message this one takes the place of, and no more:
     * it sees a hash with our secret in it [RFC 8030 5.4: 32 characters]. */
    dw_sha256_2(dw_view_of(a->vapid.sec, sizeof a->vapid.sec), dw_view_of(m->tag, strlen(m->tag)),
                topic);
    dw_base64url(topic, 24, topic_text, sizeof topic_text);
    snprintf(line, sizeof line, "Topic: %s", topic_text);
    add_header(d, line);
}

/* JSON to the server's root with the topic inside, so that text need not fit into headers. */
static void add_ntfy(struct alert *a, struct alert_delivery *d, const struct alert_place *p,
                     char *ret_url, size_t *ret_len)
{
    struct alert_message *m = d->message;
    char topic[128], query[256] = "", click[400];
    const char *mark = strchr(p->endpoint, '?'), *end = mark ? mark : strchr(p->endpoint, 0);
    const char *slash = end;
    while (slash > p->endpoint && slash[-1] != '/')
        slash--;
    snprintf(topic, sizeof topic, "%.*s", (int)(end - slash), slash);
    if (mark)
        snprintf(query, sizeof query, "%s", mark);
    snprintf(ret_url, 600, "%.*s%s", (int)(slash - p->endpoint), p->endpoint, query);
    snprintf(click, sizeof click, "%s%s", a->conf.origin, m->url);
    char *out = (char *)d->body;
    size_t len = 1;
    out[0] = '{';
    len = json_pair(out, BODY_MAX, len, "topic", topic);
    len = json_pair(out, BODY_MAX, len, "title", m->title[p->lang]);
    len = json_pair(out, BODY_MAX, len, "message", m->body[p->lang]);
    if (a->conf.origin[0])
        len = json_pair(out, BODY_MAX, len, "click", click);
    len += (size_t)snprintf(out + len, BODY_MAX - len, ",\"priority\":%d,\"tags\":[\"%s\"]}",
                            m->level == ALERT_ACT      ? 5
                            : m->level == ALERT_NOTICE ? 4
                                                       : 3,
                            m->level == ALERT_ACT      ? "rotating_light"
                            : m->level == ALERT_NOTICE ? "warning"
                                                       : "door");
    *ret_len = len;
    add_header(d, "Content-Type: application/json");
}

static size_t on_answer(char *bytes, size_t size, size_t count, void *data)
{
    struct alert_delivery *d = data;
    (void)bytes;
    d->got += size * count;
    return d->got > ANSWER_MAX ? 0 : size * count;
}

static void let_go(struct alert *a, struct alert_delivery *d)
{
    if (d->easy) {
        curl_multi_remove_handle(a->multi, d->easy);
        curl_easy_cleanup(d->easy);
        a->place[d->place].is_busy[d->message->level == ALERT_ACT] = false;
    }
    curl_slist_free_all(d->headers);
    free(d->body);
    d->easy = NULL;
    d->headers = NULL;
    d->body = NULL;
}

static void finish(struct alert *a, struct alert_delivery *d)
{
    let_go(a, d);
    if (--d->message->refs == 0)
        free(d->message);
    memset(d, 0, sizeof *d);
}

#define SET(option, value) (ok = ok && curl_easy_setopt(d->easy, option, value) == CURLE_OK)

static void begin(struct alert *a, struct alert_delivery *d)
{
    struct alert_place *p = &a->place[d->place];
    char origin[256], url[600];
    size_t len = 0;
    bool is_own = false, ok = places_origin(a, p->endpoint, origin, sizeof origin, &is_own);
    snprintf(url, sizeof url, "%s", p->endpoint);
    d->body = malloc(BODY_MAX);
    d->easy = curl_easy_init();
    if (ok && d->body && d->easy) {
        if (p->channel == DW_ALERT_PUSH)
            add_push(a, d, p, origin, &len);
        else
            add_ntfy(a, d, p, url, &len);
    }
    if (!ok || len == 0 || !d->headers) {
        dw_log("error", "alert", "cannot=seal");
        finish(a, d);
        return;
    }
    p->is_busy[d->message->level == ALERT_ACT] = true;
    add_header(d, "Expect:"); /* no round trip before the body */
    d->got = 0;
    SET(CURLOPT_URL, url);
    SET(CURLOPT_PROTOCOLS_STR, is_own ? "http,https" : "https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TIMEOUT_MS, (long)a->conf.reply_ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)a->conf.reply_ms);
    SET(CURLOPT_DNS_CACHE_TIMEOUT, 300L);
    SET(CURLOPT_MAXAGE_CONN, 600L);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    /* Push services speak HTTP/2: one handshake for all their phones. Where that is settled only by
     * an answer (plain HTTP), nobody waits for it. */
    SET(CURLOPT_PIPEWAIT, strncmp(url, "https:", 6) == 0 ? 1L : 0L);
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDSIZE, (long)len);
    SET(CURLOPT_POSTFIELDS, (char *)d->body);
    SET(CURLOPT_HTTPHEADER, d->headers);
    SET(CURLOPT_USERAGENT, "doorward");
    SET(CURLOPT_WRITEFUNCTION, on_answer);
    SET(CURLOPT_WRITEDATA, d);
    SET(CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    SET(CURLOPT_OPENSOCKETDATA, is_own ? a : NULL);
    SET(CURLOPT_PRIVATE, (void *)d);
    if (a->conf.ca[0])
        SET(CURLOPT_CAINFO, a->conf.ca);
    d->tries++;
    if (!ok || curl_multi_add_handle(a->multi, d->easy) != CURLM_OK) {
        dw_log("error", "alert", "cannot=send");
        finish(a, d);
    }
}

/* ---- what became of it ---- */

static void note_done(struct alert *a, struct alert_delivery *d, long status, bool is_gone)
{
    struct alert_place *p = &a->place[d->place];
    p->has_done = true;
    p->done = (struct dw_ipc_alert_done){
        .member = p->member,
        .channel = p->channel,
        .is_delivered = status >= 200 && status < 300,
        .is_gone = is_gone,
        .status = (uint32_t)status,
        .took_ms = (uint32_t)(dw_now().ms - d->message->seen_ms),
    };
    memcpy(p->done.endpoint, p->endpoint, sizeof p->done.endpoint);
}

void send_refused(struct alert *a, const struct dw_ipc_alert_done *done)
{
    if (a->refused_count == ALERT_PLACES_MAX)
        return; /* the front asks for nothing that it cannot do without */
    a->refused[(a->refused_first + a->refused_count++) % ALERT_PLACES_MAX] = *done;
}

static bool is_worth_retrying(long status)
{
    return status == 0 || status == 408 || status == 425 || status == 429 || status >= 500;
}

static void on_result(struct alert *a, struct alert_delivery *d, CURLcode code)
{
    struct alert_place *p = &a->place[d->place];
    long status = 0;
    curl_off_t after_s = 0;
    uint64_t now_ms = dw_now().ms;
    curl_easy_getinfo(d->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(d->easy, CURLINFO_RETRY_AFTER, &after_s);
    if (code != CURLE_OK && code != CURLE_WRITE_ERROR) /* WRITE_ERROR: an answer without end */
        status = 0;
    bool is_gone = status == 404 || status == 410;
    note_done(a, d, status, is_gone);
    dw_log(status >= 200 && status < 300 ? "info" : "warn", "alert_sent",
           "channel=%u status=%ld curl=%d try=%u ms=%u", p->channel, status, (int)code, d->tries,
           p->done.took_ms);
    if (is_gone) {
        struct dw_ipc_alert_done done = p->done;
        places_drop(a, p); /* takes this delivery with it */
        send_refused(a, &done);
        return;
    }
    if (!is_worth_retrying(status) || d->tries >= ALERT_TRIES_MAX) {
        finish(a, d);
        return;
    }
    uint64_t wait = (uint64_t)a->conf.retry_ms << (d->tries < 6 ? d->tries - 1 : 5);
    if (after_s > 0 && (uint64_t)after_s * 1000 > wait)
        wait = (uint64_t)after_s * 1000;
    let_go(a, d);
    d->next_ms = now_ms + (wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS);
}

/* ---- the queue ---- */

void send_forget_place(struct alert *a, uint32_t place)
{
    for (size_t i = 0; i < ALERT_DELIVERIES_MAX; i++)
        if (a->delivery[i].message && a->delivery[i].place == place)
            finish(a, &a->delivery[i]);
}

/* An alarm and its end must not pass each other. */
static bool is_tag_under_way(const struct alert *a, const struct alert_delivery *d)
{
    for (size_t i = 0; i < ALERT_DELIVERIES_MAX; i++) {
        const struct alert_delivery *o = &a->delivery[i];
        if (o->easy && o->place == d->place && strcmp(o->message->tag, d->message->tag) == 0)
            return true;
    }
    return false;
}

/* The oldest that may go now, for a lane that is free; NULL when there is none. What is no longer
 * true goes without being said. */
static struct alert_delivery *next_ready(struct alert *a, uint64_t now_ms)
{
    struct alert_delivery *best = NULL;
    for (size_t i = 0; i < ALERT_DELIVERIES_MAX; i++) {
        struct alert_delivery *d = &a->delivery[i];
        if (!d->message || d->easy)
            continue;
        if (!tell_is_true(a, d->message, now_ms)) {
            dw_log("info", "alert", "unsent=no_longer_true tries=%u", d->tries);
            finish(a, d);
            continue;
        }
        if (d->next_ms > now_ms || a->place[d->place].is_busy[d->message->level == ALERT_ACT] ||
            is_tag_under_way(a, d))
            continue;
        if (!best || d->order < best->order)
            best = d;
    }
    return best;
}

static void pump(struct alert *a)
{
    uint64_t now_ms = dw_now().ms;
    struct alert_delivery *d;
    for (size_t i = 0; i < ALERT_DELIVERIES_MAX && (d = next_ready(a, now_ms)); i++)
        begin(a, d);
}

/* A free slot; when there is none, the oldest message that is least urgent makes room. */
static struct alert_delivery *take_slot(struct alert *a, enum alert_level level)
{
    struct alert_delivery *worst = NULL;
    for (size_t i = 0; i < ALERT_DELIVERIES_MAX; i++) {
        struct alert_delivery *d = &a->delivery[i];
        if (!d->message)
            return d;
        if (d->easy || d->message->level > level)
            continue;
        if (!worst || d->message->level < worst->message->level ||
            (d->message->level == worst->message->level && d->order < worst->order))
            worst = d;
    }
    if (worst) {
        a->dropped++;
        finish(a, worst);
    }
    return worst;
}

static bool is_for(const struct alert_delivery *d, uint32_t place, const struct alert_message *m)
{
    return d->message && !d->easy && d->place == place && strcmp(d->message->tag, m->tag) == 0;
}

static void queue(struct alert *a, struct alert_message *m, uint32_t place)
{
    /* What waits with the same tag has been overtaken. */
    for (size_t i = 0; i < ALERT_DELIVERIES_MAX; i++)
        if (is_for(&a->delivery[i], place, m))
            finish(a, &a->delivery[i]);
    struct alert_delivery *d = take_slot(a, m->level);
    if (!d) {
        a->dropped++;
        dw_log("warn", "alert", "dropped=full total=%llu", (unsigned long long)a->dropped);
        return;
    }
    *d = (struct alert_delivery){.message = m, .order = ++a->order, .place = place};
    m->refs++;
}

void send_message(struct alert *a, struct alert_message *m, uint32_t member)
{
    for (uint32_t i = 0; i < ALERT_PLACES_MAX; i++)
        if (a->place[i].member && (member == 0 || a->place[i].member == member))
            queue(a, m, i);
    pump(a);
}

/* ---- libcurl on the loop ---- */

static void collect(struct alert *a)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(a->multi, &left))) {
        struct alert_delivery *d = NULL;
        if (m->msg != CURLMSG_DONE)
            continue;
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&d);
        if (d)
            on_result(a, d, code);
    }
    pump(a);
}

struct watched {
    uv_poll_t poll;
    struct alert *alert;
    curl_socket_t fd;
};

static void on_socket(uv_poll_t *poll, int status, int events)
{
    struct watched *w = poll->data;
    struct alert *a = w->alert;
    int what = (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
               (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0) | (status < 0 ? CURL_CSELECT_ERR : 0);
    int running;
    curl_multi_socket_action(a->multi, w->fd, what, &running); /* may free `w` */
    collect(a);
}

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *socket_data)
{
    struct alert *a = data;
    struct watched *w = socket_data;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w) {
            uv_poll_stop(&w->poll);
            curl_multi_assign(a->multi, fd, NULL);
            uv_close((uv_handle_t *)&w->poll, on_closed);
        }
        return 0;
    }
    if (!w) {
        w = calloc(1, sizeof *w);
        if (!w || uv_poll_init_socket(&a->loop, &w->poll, fd) != 0) {
            free(w);
            return -1;
        }
        w->poll.data = w;
        w->alert = a;
        w->fd = fd;
        curl_multi_assign(a->multi, fd, w);
    }
    int events =
        (what != CURL_POLL_OUT ? UV_READABLE : 0) | (what != CURL_POLL_IN ? UV_WRITABLE : 0);
    return uv_poll_start(&w->poll, events, on_socket) == 0 ? 0 : -1;
}

static void on_timeout(uv_timer_t *t)
{
    struct alert *a = t->data;
    int running;
    curl_multi_socket_action(a->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(a);
}

static int set_timer(CURLM *multi, long ms, void *data)
{
    struct alert *a = data;
    (void)multi;
    if (ms < 0)
        uv_timer_stop(&a->curl_timer);
    else
        uv_timer_start(&a->curl_timer, on_timeout, ms == 0 ? 1 : (uint64_t)ms, 0);
    return 0;
}

dw_err send_start(struct alert *a)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0 || !(a->multi = curl_multi_init()))
        return dw_fail(DW_E_IO);
    uv_timer_init(&a->loop, &a->curl_timer);
    a->curl_timer.data = a;
    curl_multi_setopt(a->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(a->multi, CURLMOPT_SOCKETDATA, a);
    curl_multi_setopt(a->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(a->multi, CURLMOPT_TIMERDATA, a);
    curl_multi_setopt(a->multi, CURLMOPT_MAXCONNECTS, 16L);
    curl_multi_setopt(a->multi, CURLMOPT_MAX_HOST_CONNECTIONS, 4L);
    curl_multi_setopt(a->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, 16L);
    return DW_OK;
}

static bool tell_guard(struct alert *a, struct dw_ipc_alert_done *m)
{
    dw_err e = dw_ipc_send(DW_IPC_FD, DW_IPC_ALERT_DONE, m);
    if (dw_is(e, DW_E_BUSY))
        return false;
    if (dw_failed(e))
        alert_end(a, "the guard is gone");
    return true;
}

/* One result a turn: the newest of each place. */
static void tell_results(struct alert *a)
{
    if (a->refused_count > 0) {
        if (!tell_guard(a, &a->refused[a->refused_first]))
            return;
        a->refused_first = (a->refused_first + 1) % ALERT_PLACES_MAX;
        a->refused_count--;
        return;
    }
    for (size_t i = 0; i < ALERT_PLACES_MAX; i++) {
        struct alert_place *p = &a->place[i];
        if (!p->member || !p->has_done)
            continue;
        p->has_done = !tell_guard(a, &p->done);
        return;
    }
}

void send_tick(struct alert *a, uint64_t now_ms)
{
    (void)now_ms;
    tell_results(a);
    pump(a);
}
