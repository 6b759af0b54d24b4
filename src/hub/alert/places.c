/* Where alerts go: one line a place in a file of ours, written whole at each change. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "hub/alert/alert.h"
#include "os/os.h"
#include "wire/text.h"

#define FILE_BYTES_MAX (ALERT_PLACES_MAX * 800u)
#define HEAD           "doorward alert places 1\n"

/* ---- addresses ---- */

/* Takes one part of a URL; "" when it has none. False: memory, or it does not fit. */
static bool part(CURLU *url, CURLUPart what, unsigned flags, char *ret_text, size_t cap)
{
    char *text = NULL;
    ret_text[0] = '\0';
    if (curl_url_get(url, what, &text, flags) != CURLUE_OK)
        return true;
    size_t len = strlen(text);
    bool fits = len < cap;
    if (fits)
        memcpy(ret_text, text, len + 1);
    curl_free(text);
    return fits;
}

static bool origin_of(const char *endpoint, char *ret_origin, size_t cap, bool *ret_is_plain_https)
{
    char scheme[16], host[256], port[8], other[512];
    CURLU *url = curl_url();
    if (!url)
        return false;
    bool ok = dw_text_is_ascii(dw_text_of(endpoint, 512)) && !strpbrk(endpoint, " \\\"") &&
              curl_url_set(url, CURLUPART_URL, endpoint, CURLU_DISALLOW_USER) == CURLUE_OK &&
              part(url, CURLUPART_SCHEME, 0, scheme, sizeof scheme) &&
              part(url, CURLUPART_HOST, 0, host, sizeof host) &&
              part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT, port, sizeof port) && host[0] &&
              part(url, CURLUPART_FRAGMENT, 0, other, sizeof other) && !other[0];
    curl_url_cleanup(url);
    if (!ok || (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0))
        return false;
    bool is_default = strcmp(port, strcmp(scheme, "https") == 0 ? "443" : "80") == 0;
    int n = is_default ? snprintf(ret_origin, cap, "%s://%s", scheme, host)
                       : snprintf(ret_origin, cap, "%s://%s:%s", scheme, host, port);
    *ret_is_plain_https = is_default && strcmp(scheme, "https") == 0;
    return n > 0 && (size_t)n < cap;
}

bool places_origin(const struct alert *a, const char *endpoint, char *ret_origin, size_t cap,
                   bool *ret_is_own)
{
    bool is_plain_https = false;
    *ret_is_own = false;
    if (!origin_of(endpoint, ret_origin, cap, &is_plain_https))
        return false;
    for (size_t i = 0; i < ALERT_OWN_MAX; i++)
        *ret_is_own |= a->own[i][0] && strcasecmp(a->own[i], ret_origin) == 0;
    return is_plain_https || *ret_is_own;
}

/* ---- the file ---- */

static int64_t now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec;
}

static void save(struct alert *a)
{
    char path[300];
    size_t len = strlen(HEAD);
    char *text = calloc(1, FILE_BYTES_MAX);
    if (!text || dw_failed(dw_path(path, sizeof path, a->conf.state, "places"))) {
        free(text);
        return;
    }
    memcpy(text, HEAD, len);
    for (size_t i = 0; i < ALERT_PLACES_MAX; i++) {
        const struct alert_place *p = &a->place[i];
        char key[2 * DW_P256_POINT_BYTES + 1], auth[2 * DW_PUSH_AUTH_BYTES + 1];
        if (!p->member)
            continue;
        dw_hex(p->to.p256dh, sizeof p->to.p256dh, key);
        dw_hex(p->to.auth, sizeof p->to.auth, auth);
        len += (size_t)snprintf(text + len, FILE_BYTES_MAX - len, "%u %u %u %lld %s %s %s\n",
                                p->member, p->channel, p->lang, (long long)p->added_s, key, auth,
                                p->endpoint);
    }
    if (dw_failed(dw_file_write(path, dw_view_of(text, len), 0600)))
        dw_log("error", "alert_places", "written=0");
    free(text);
}

/* One line; false when it is not of that form. */
static bool read_line(struct alert *a, char *line, struct alert_place *ret_place)
{
    struct alert_place p = {0};
    char origin[256], *field[7], *rest = line;
    for (size_t i = 0; i < 7; i++)
        if (!(field[i] = strsep(&rest, " ")) || !field[i][0])
            return false;
    p.member = (uint32_t)strtoul(field[0], NULL, 10);
    p.channel = (uint8_t)strtoul(field[1], NULL, 10);
    p.lang = (uint8_t)strtoul(field[2], NULL, 10);
    p.added_s = strtoll(field[3], NULL, 10);
    if (rest || p.member == 0 || strlen(field[6]) >= sizeof p.endpoint ||
        (p.channel != DW_ALERT_PUSH && p.channel != DW_ALERT_NTFY) || p.lang >= WORDS_LANGUAGES ||
        dw_failed(dw_unhex(field[4], p.to.p256dh, sizeof p.to.p256dh)) ||
        dw_failed(dw_unhex(field[5], p.to.auth, sizeof p.to.auth)))
        return false;
    memcpy(p.endpoint, field[6], strlen(field[6]) + 1);
    if (!places_origin(a, p.endpoint, origin, sizeof origin, &p.is_own))
        return false; /* a server that is no longer our own */
    *ret_place = p;
    return true;
}

static void load(struct alert *a)
{
    char path[300];
    uint32_t count = 0, bad = 0;
    uint8_t *bytes = calloc(1, FILE_BYTES_MAX + 1);
    struct dw_buf in = dw_buf_of(bytes, FILE_BYTES_MAX);
    if (bytes && !dw_failed(dw_path(path, sizeof path, a->conf.state, "places")) &&
        access(path, F_OK) == 0) {
        char *rest = (char *)bytes, *line;
        bool ok = !dw_failed(dw_file_read(path, &in)) && strncmp(rest, HEAD, strlen(HEAD)) == 0;
        bad += !ok;
        rest += ok ? strlen(HEAD) : 0;
        while (ok && (line = strsep(&rest, "\n")) && count < ALERT_PLACES_MAX) {
            if (!line[0])
                continue;
            if (read_line(a, line, &a->place[count]))
                count++;
            else
                bad++;
        }
    }
    free(bytes);
    dw_log(bad ? "warn" : "info", "alert_places", "count=%u unreadable=%u", count, bad);
}

static dw_err read_own(struct alert *a, char *why, size_t why_cap)
{
    char text[sizeof a->conf.own], *rest = text, *word;
    size_t count = 0;
    memcpy(text, a->conf.own, sizeof text);
    while ((word = strsep(&rest, " "))) {
        bool ignored;
        if (!word[0])
            continue;
        if (count == ALERT_OWN_MAX ||
            !origin_of(word, a->own[count], sizeof a->own[count], &ignored)) {
            snprintf(why, why_cap,
                     "alert.own: give at most %u origins, like https://ntfy.home.example",
                     ALERT_OWN_MAX);
            return dw_fail(DW_E_INVALID);
        }
        count++;
    }
    return DW_OK;
}

dw_err places_start(struct alert *a, char *why, size_t why_cap)
{
    DW_TRY(read_own(a, why, why_cap));
    load(a);
    return DW_OK;
}

/* ---- changes ---- */

static void clear(struct alert *a, struct alert_place *p)
{
    send_forget_place(a, (uint32_t)(p - a->place));
    memset(p, 0, sizeof *p);
}

void places_drop(struct alert *a, struct alert_place *p)
{
    clear(a, p);
    save(a);
}

static void refuse(struct alert *a, const struct dw_ipc_alert_set *m, const char *why)
{
    dw_log("warn", "alert_place", "refused=%s", why);
    struct dw_ipc_alert_done done = {.member = m->member, .channel = m->channel, .is_gone = 1};
    memcpy(done.endpoint, m->endpoint, sizeof done.endpoint);
    send_refused(a, &done);
}

static struct alert_place *find(struct alert *a, const char *endpoint)
{
    for (size_t i = 0; i < ALERT_PLACES_MAX; i++)
        if (a->place[i].member && strcmp(a->place[i].endpoint, endpoint) == 0)
            return &a->place[i];
    return NULL;
}

static void add(struct alert *a, const struct dw_ipc_alert_set *m)
{
    char origin[256];
    bool is_own;
    uint32_t each = 0;
    struct alert_place *p = find(a, m->endpoint), *free_one = NULL;
    if (!places_origin(a, m->endpoint, origin, sizeof origin, &is_own)) {
        refuse(a, m, "address");
        return;
    }
    if (m->channel == DW_ALERT_PUSH && !dw_p256_is_point(m->p256dh)) {
        refuse(a, m, "key");
        return;
    }
    for (size_t i = 0; i < ALERT_PLACES_MAX; i++) {
        each += a->place[i].member == m->member && &a->place[i] != p;
        if (!a->place[i].member && !free_one)
            free_one = &a->place[i];
    }
    if (each >= ALERT_PLACES_EACH || (!p && !free_one)) {
        refuse(a, m, "full");
        return;
    }
    if (p)
        clear(a, p);
    else
        p = free_one;
    *p = (struct alert_place){
        .member = m->member,
        .channel = m->channel,
        .lang = m->lang < WORDS_LANGUAGES ? m->lang : 0,
        .is_own = is_own,
        .added_s = now_s(),
    };
    memcpy(p->endpoint, m->endpoint, strlen(m->endpoint) + 1);
    memcpy(p->to.p256dh, m->p256dh, sizeof p->to.p256dh);
    memcpy(p->to.auth, m->auth, sizeof p->to.auth);
    save(a);
    dw_log("info", "alert_place", "added=1 channel=%u", m->channel);
}

void places_on_set(struct alert *a, const struct dw_ipc_alert_set *m)
{
    if (m->member == 0 || !memchr(m->endpoint, 0, sizeof m->endpoint))
        return;
    struct alert_place *p;
    switch ((enum dw_alert_word)m->word) {
    case DW_ALERT_ADD:
        if (m->channel == DW_ALERT_PUSH || m->channel == DW_ALERT_NTFY)
            add(a, m);
        break;
    case DW_ALERT_REMOVE:
        p = find(a, m->endpoint);
        if (p && p->member == m->member)
            places_drop(a, p);
        break;
    case DW_ALERT_FORGET:
        for (size_t i = 0; i < ALERT_PLACES_MAX; i++)
            if (a->place[i].member == m->member)
                clear(a, &a->place[i]);
        save(a);
        break;
    case DW_ALERT_TEST: tell_test(a, m->member); break;
    case DW_ALERT_SEEN: tell_seen(a); break;
    case DW_ALERT_WORD_NONE: break;
    }
}
