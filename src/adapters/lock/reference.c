#include "adapters/lock/reference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "os/stream.h"

#define WATCH_MS 100u /* how often silence and stalls are looked for */

struct reference {
    struct dw_lock_sink sink;
    uv_loop_t *loop;
    char address[64];
    uint32_t connect_ms, silent_ms;

    uv_timer_t redial, watch;
    struct dw_stream *stream; /* dialling or up */
    bool is_up, is_closing;
    uint32_t redial_ms;
    unsigned handles;     /* timers not yet closed */
    dw_mono asked_at;     /* first ask that nothing came up after; DW_NEVER: none */
    dw_mono stalled_from; /* bytes wait in our queue since then; DW_NEVER: none */
};

static void dial(struct reference *r);

static void free_if_done(struct reference *r)
{
    if (r->is_closing && r->handles == 0 && !r->stream)
        free(r);
}

static void on_redial(uv_timer_t *t)
{
    dial(t->data);
}

static void dial_later(struct reference *r)
{
    uv_timer_start(&r->redial, on_redial, r->redial_ms, 0);
    r->redial_ms *= 2;
    if (r->redial_ms > DW_REFERENCE_REDIAL_MS_MAX)
        r->redial_ms = DW_REFERENCE_REDIAL_MS_MAX;
}

static void on_message(void *ctx, struct dw_stream *s, uint8_t kind, struct dw_view body)
{
    struct reference *r = ctx;

    if (r->is_closing || s != r->stream)
        return;
    if (kind != DW_LOCK_KIND_STATUS && kind != DW_LOCK_KIND_ANSWER) {
        dw_stream_close(s, "not a message of a lock");
        return;
    }
    r->redial_ms = DW_REFERENCE_REDIAL_MS_MIN;
    r->asked_at = DW_NEVER;
    r->sink.signed_bytes(r->sink.ctx, kind, body, dw_now());
}

static void on_open(void *ctx, struct dw_stream *s)
{
    struct reference *r = ctx;

    if (r->is_closing || s != r->stream)
        return;
    r->is_up = true;
    r->asked_at = DW_NEVER;
    r->stalled_from = DW_NEVER;
    dw_log("info", "lock_link", "up=1");
    r->sink.link(r->sink.ctx, true);
}

static void on_closed(void *ctx, struct dw_stream *s, const char *why)
{
    struct reference *r = ctx;
    bool was_up = r->is_up;

    if (s != r->stream)
        return;
    r->stream = NULL;
    r->is_up = false;
    if (r->is_closing) {
        free_if_done(r);
        return;
    }
    dial_later(r);
    if (was_up) {
        dw_log("warn", "lock_link", "up=0 why=\"%s\"", why);
        r->sink.link(r->sink.ctx, false); /* last: the owner may close us in it */
    }
}

static const struct dw_stream_events events = {
    .message = on_message, .closed = on_closed, .open = on_open};

static void dial(struct reference *r)
{
    struct dw_stream *s = NULL;

    if (r->is_closing || r->stream)
        return;
    dw_err e = dw_stream_dial(r->loop, r->address, DW_LOCK_LINK_MAX, r->connect_ms, &events, r, &s);
    if (dw_failed(e)) {
        dial_later(r);
        return;
    }
    r->stream = s;
}

/* A link that takes nothing or says nothing is not a link: closed, so that nothing old stays queued
 * and the guard hears of it. Connection state alone proves nothing. */
static void on_watch(uv_timer_t *t)
{
    struct reference *r = t->data;
    dw_mono now = dw_now();

    if (!r->is_up)
        return;
    if (dw_stream_queued(r->stream) == 0)
        r->stalled_from = DW_NEVER;
    else if (r->stalled_from.ms == DW_NEVER.ms)
        r->stalled_from = now;
    if (r->stalled_from.ms != DW_NEVER.ms && dw_mono_since(now, r->stalled_from) >= WATCH_MS * 2)
        dw_stream_close(r->stream, "nothing drains");
    else if (r->asked_at.ms != DW_NEVER.ms && dw_mono_since(now, r->asked_at) >= r->silent_ms)
        dw_stream_close(r->stream, "silent");
}

static bool number(const char *text, uint32_t lo, uint32_t hi, uint32_t *ret_value)
{
    char *end = NULL;
    if (text[0] < '0' || text[0] > '9')
        return false;
    unsigned long v = strtoul(text, &end, 10);
    if (*end != '\0' || v < lo || v > hi)
        return false;
    *ret_value = (uint32_t)v;
    return true;
}

/* One "key=value" word. */
static bool take_setting(struct reference *r, const char *word)
{
    if (strncmp(word, "address=", 8) == 0) {
        int n = snprintf(r->address, sizeof r->address, "%s", word + 8);
        return n > 0 && (size_t)n < sizeof r->address;
    }
    if (strncmp(word, "connect_ms=", 11) == 0)
        return number(word + 11, 100, 10000, &r->connect_ms);
    if (strncmp(word, "silent_ms=", 10) == 0)
        return number(word + 10, 1500, 30000, &r->silent_ms);
    return false;
}

static bool take_settings(struct reference *r, const char *settings, char *why, size_t why_cap)
{
    char word[128];
    const char *p = settings;

    for (;;) {
        p += strspn(p, " \t\n");
        size_t len = strcspn(p, " \t\n");
        if (len == 0)
            break;
        if (len >= sizeof word) {
            snprintf(why, why_cap, "lock.settings: a word is too long");
            return false;
        }
        memcpy(word, p, len);
        word[len] = '\0';
        if (!take_setting(r, word)) {
            snprintf(why, why_cap, "lock.settings: cannot use '%s'", word);
            return false;
        }
        p += len;
    }
    if (r->address[0] == '\0') {
        snprintf(why, why_cap, "lock.settings: give address=IP:PORT");
        return false;
    }
    return true;
}

static dw_err reference_open(uv_loop_t *loop, const char *settings, const struct dw_lock_sink *sink,
                             char *why, size_t why_cap, void **ret_self)
{
    struct reference *r = calloc(1, sizeof *r);
    DW_ASSERT(r);
    *r = (struct reference){
        .sink = *sink,
        .loop = loop,
        .connect_ms = 2000,
        .silent_ms = 3000,
        .redial_ms = DW_REFERENCE_REDIAL_MS_MIN,
        .asked_at = DW_NEVER,
        .stalled_from = DW_NEVER,
    };
    if (!take_settings(r, settings, why, why_cap)) {
        free(r);
        return dw_fail(DW_E_INVALID);
    }
    uv_timer_init(loop, &r->redial);
    uv_timer_init(loop, &r->watch);
    r->redial.data = r;
    r->watch.data = r;
    r->handles = 2;
    uv_timer_start(&r->redial, on_redial, 0, 0); /* no callback before we have returned */
    uv_timer_start(&r->watch, on_watch, WATCH_MS, WATCH_MS);
    *ret_self = r;
    return DW_OK;
}

/* DW_OK: the link is up and nothing waits in our queue, so what is sent now goes to the kernel now.
 */
static dw_err may_send(const struct reference *r)
{
    if (!r->is_up)
        return dw_fail(DW_E_IO);
    return dw_stream_queued(r->stream) > 0 ? dw_fail(DW_E_BUSY) : DW_OK;
}

static dw_err reference_ask(void *self, struct dw_view signed_ask, dw_mono now)
{
    struct reference *r = self;

    DW_TRY(may_send(r));
    DW_TRY(dw_stream_send(r->stream, DW_LOCK_KIND_ASK, signed_ask, (struct dw_view){0}, true));
    if (r->asked_at.ms == DW_NEVER.ms)
        r->asked_at = now;
    return DW_OK;
}

static dw_err reference_command(void *self, enum dw_lock_action action,
                                struct dw_view signed_command, dw_mono now, dw_mono expires)
{
    struct reference *r = self;

    if (action != DW_LOCK_ACTION_THROW && action != DW_LOCK_ACTION_RETRACT)
        return dw_fail(DW_E_UNSUPPORTED);
    if (!dw_mono_before(now, expires))
        return dw_fail(DW_E_EXPIRED);
    DW_TRY(may_send(r));
    return dw_stream_send(r->stream, DW_LOCK_KIND_COMMAND, signed_command, (struct dw_view){0},
                          true);
}

static void on_timer_closed(uv_handle_t *h)
{
    struct reference *r = h->data;
    r->handles--;
    free_if_done(r);
}

static void reference_close(void *self)
{
    struct reference *r = self;

    r->is_closing = true;
    uv_close((uv_handle_t *)&r->redial, on_timer_closed);
    uv_close((uv_handle_t *)&r->watch, on_timer_closed);
    if (r->stream)
        dw_stream_close(r->stream, "closing");
}

const struct dw_lock_ops dw_lock_reference = {
    .name = "reference",
    .open = reference_open,
    .ask = reference_ask,
    .command = reference_command,
    .close = reference_close,
};
