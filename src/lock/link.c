#include "lock/link.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/signed.h"
#include "lock/nonces.h"
#include "os/os.h"
#include "os/stream.h"

struct connection {
    struct dw_stream *stream; /* NULL: the slot is free */
    struct dw_lock_link *link;
    dw_mono since;
    uint64_t number; /* grows; the greater is the newer */
    uint32_t failures;
    uint32_t seq;
    bool has_asked;
    uint8_t ask_nonce[32];
};

struct dw_lock_link {
    const struct dw_secret *secret;
    const struct dw_key *hub;
    struct dw_lock_link_owner owner;
    struct dw_listener *listener;
    struct dw_lock_nonces nonces;
    struct connection at[DW_LOCK_CONNECTIONS_MAX];
    uint64_t connections;
    uint32_t seq;
    bool has_power;
};

static void drop(struct connection *c, const char *why)
{
    struct dw_stream *s = c->stream;
    c->stream = NULL;
    c->has_asked = false;
    if (s)
        dw_stream_close(s, why);
}

static void send_signed(struct connection *c, enum dw_context context, uint8_t kind,
                        struct dw_view payload)
{
    uint8_t bytes[DW_LOCK_LINK_MAX];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);

    if (dw_failed(dw_signed_make(c->link->secret, context, payload, &b))) {
        dw_log("error", "sign", "kind=%u", kind);
        return;
    }
    /* Droppable: on a stalled link the newest status matters, not the queue of old ones. */
    dw_err e = dw_stream_send(c->stream, kind, dw_view_of_buf(&b), (struct dw_view){0}, true);
    if (dw_is(e, DW_E_IO))
        drop(c, "send failed");
}

static void send_status(struct connection *c)
{
    uint8_t payload[DW_LOCK_LINK_MAX], fresh[32];
    struct dw_buf b = dw_buf_of(payload, sizeof payload);
    struct dw_lock_status s = {0};

    c->link->owner.status(c->link->owner.ctx, &s);
    dw_random(fresh, sizeof fresh);
    memcpy(s.nonce, c->ask_nonce, sizeof s.nonce);
    memcpy(s.lock_nonce, dw_lock_nonces_offer(&c->link->nonces, fresh, dw_now()),
           sizeof s.lock_nonce);
    s.seq = ++c->link->seq;
    if (dw_failed(dw_lock_status_write(&s, &b))) {
        dw_log("error", "status", "cannot be written");
        return;
    }
    send_signed(c, DW_CONTEXT_LOCK_STATUS, DW_LOCK_KIND_STATUS, dw_view_of_buf(&b));
}

static void send_answer(struct connection *c, const struct dw_lock_command *command,
                        enum dw_lock_result result)
{
    uint8_t payload[DW_LOCK_LINK_MAX];
    struct dw_buf b = dw_buf_of(payload, sizeof payload);
    struct dw_lock_answer a = {.counter = command->counter, .result = (uint8_t)result};

    memcpy(a.lock_nonce, command->lock_nonce, sizeof a.lock_nonce);
    if (dw_failed(dw_lock_answer_write(&a, &b))) {
        dw_log("error", "answer", "cannot be written");
        return;
    }
    send_signed(c, DW_CONTEXT_LOCK_ANSWER, DW_LOCK_KIND_ANSWER, dw_view_of_buf(&b));
}

static dw_err on_ask(struct connection *c, struct dw_view body)
{
    struct dw_view payload;
    struct dw_lock_ask ask;

    DW_TRY(dw_signed_open(c->link->hub, DW_CONTEXT_LOCK_ASK, body, &payload));
    DW_TRY(dw_lock_ask_read(payload, &ask));
    memcpy(c->ask_nonce, ask.nonce, sizeof c->ask_nonce);
    c->has_asked = true;
    send_status(c);
    return DW_OK;
}

static dw_err on_command(struct connection *c, struct dw_view body)
{
    struct dw_view payload;
    struct dw_lock_command command;

    DW_TRY(dw_signed_open(c->link->hub, DW_CONTEXT_LOCK_COMMAND, body, &payload));
    DW_TRY(dw_lock_command_read(payload, &command));
    uint32_t age_ms =
        command.action == DW_LOCK_ACTION_RETRACT ? DW_LOCK_RETRACT_AGE_MS : DW_LOCK_THROW_AGE_MS;
    enum dw_lock_result result = DW_LOCK_RESULT_STALE_NONCE;
    if (dw_lock_nonces_use(&c->link->nonces, command.lock_nonce, age_ms, dw_now()))
        result = c->link->owner.command(c->link->owner.ctx, &command);
    dw_log("info", "command", "action=%u result=%u counter=%u", command.action, (unsigned)result,
           command.counter);
    send_answer(c, &command, result);
    dw_lock_link_push(c->link);
    return DW_OK;
}

static struct connection *find(struct dw_lock_link *link, const struct dw_stream *s)
{
    for (size_t i = 0; i < DW_LOCK_CONNECTIONS_MAX; i++)
        if (link->at[i].stream == s)
            return &link->at[i];
    return NULL;
}

static void on_message(void *ctx, struct dw_stream *s, uint8_t kind, struct dw_view body)
{
    struct dw_lock_link *link = ctx;
    struct connection *c = find(link, s);
    dw_err e = dw_fail(DW_E_UNSUPPORTED);

    if (!c || !link->has_power)
        return; /* dropped already, or nobody is there to read */
    if (kind == DW_LOCK_KIND_ASK)
        e = on_ask(c, body);
    else if (kind == DW_LOCK_KIND_COMMAND)
        e = on_command(c, body);
    if (dw_failed(e) && c->stream == s) {
        c->failures++;
        dw_log("warn", "message_refused", "kind=%u why=%s failures=%u", kind, dw_err_name(e),
               c->failures);
        if (c->failures >= DW_LOCK_FAILURES_MAX)
            drop(c, "too many messages that do not verify");
    }
}

static void on_closed(void *ctx, struct dw_stream *s, const char *why)
{
    struct dw_lock_link *link = ctx;
    struct connection *c = find(link, s);

    if (!c)
        return;
    dw_log("info", "link_closed", "asked=%d why=\"%s\"", c->has_asked, why);
    c->stream = NULL;
    c->has_asked = false;
}

static const struct dw_stream_events events = {.message = on_message, .closed = on_closed};

static bool on_accepted(void *ctx, struct dw_stream *s, const struct dw_stream_events **ret_ev,
                        void **ret_ctx)
{
    struct dw_lock_link *link = ctx;
    struct connection *slot = NULL;

    if (!link->has_power)
        return false;
    /* A free slot; else the place of a stranger who has not asked; else of the older hub link. */
    for (size_t i = 0; i < DW_LOCK_CONNECTIONS_MAX; i++) {
        struct connection *c = &link->at[i];
        if (!slot || (!c->stream && slot->stream) ||
            (c->stream && slot->stream &&
             (c->has_asked != slot->has_asked ? !c->has_asked : c->number < slot->number)))
            slot = c;
    }
    if (slot->stream)
        drop(slot, "a newer connection takes its place");
    *slot = (struct connection){
        .stream = s, .link = link, .since = dw_now(), .number = ++link->connections};
    *ret_ev = &events;
    *ret_ctx = link;
    return true;
}

dw_err dw_lock_link_open(uv_loop_t *loop, const char *address, const struct dw_secret *secret,
                         const struct dw_key *hub, const struct dw_lock_link_owner *owner,
                         struct dw_lock_link **ret_link, uint16_t *ret_port)
{
    struct dw_lock_link *link = calloc(1, sizeof *link);
    DW_ASSERT(link);
    link->secret = secret;
    link->hub = hub;
    link->owner = *owner;
    dw_err e = dw_stream_listen(loop, address, DW_LOCK_LINK_MAX, on_accepted, link, &link->listener,
                                ret_port);
    if (dw_failed(e)) {
        free(link);
        return e;
    }
    *ret_link = link;
    return DW_OK;
}

void dw_lock_link_push(struct dw_lock_link *link)
{
    if (!link->has_power)
        return;
    for (size_t i = 0; i < DW_LOCK_CONNECTIONS_MAX; i++)
        if (link->at[i].stream && link->at[i].has_asked)
            send_status(&link->at[i]);
}

void dw_lock_link_reset(struct dw_lock_link *link)
{
    dw_lock_nonces_void(&link->nonces);
    link->seq = 0;
    for (size_t i = 0; i < DW_LOCK_CONNECTIONS_MAX; i++)
        drop(&link->at[i], "power-up");
}

void dw_lock_link_power(struct dw_lock_link *link, bool has_power)
{
    link->has_power = has_power;
}

void dw_lock_link_sweep(struct dw_lock_link *link, dw_mono now)
{
    for (size_t i = 0; i < DW_LOCK_CONNECTIONS_MAX; i++) {
        struct connection *c = &link->at[i];
        if (c->stream && !c->has_asked && dw_mono_since(now, c->since) > DW_LOCK_SILENT_MS)
            drop(c, "never asked");
    }
}
