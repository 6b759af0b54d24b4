#include "rig.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void dw_panic(const char *expr, const char *file, int line)
{
    fprintf(stderr, "panic: %s at %s:%d\n", expr, file, line);
    abort();
}

static void put(struct rig *r, const char *format, ...) DW_PRINTF(2, 3);
static void put(struct rig *r, const char *format, ...)
{
    if (r->is_quiet)
        return;
    size_t n = strlen(r->trace);
    if (n && n + 1 < sizeof r->trace)
        r->trace[n++] = ' ';
    va_list ap;
    va_start(ap, format);
    vsnprintf(r->trace + n, sizeof r->trace - n, format, ap);
    va_end(ap);
}

static void say_in(struct rig *r, uint32_t ms)
{
    DW_ASSERT(r->queued < DW_ARRAY_COUNT(r->queue));
    r->word.ask = r->newest_ask;
    dw_mono at = dw_mono_add(r->now, ms);
    if (r->queued && r->queue[r->queued - 1].at.ms > at.ms)
        at = r->queue[r->queued - 1].at; /* a stream keeps its order */
    r->queue[r->queued].at = at;
    r->queue[r->queued++].word = r->word;
}

void rig_say(struct rig *r)
{
    say_in(r, r->lock_late_ms);
}

static void perform(struct rig *r, const struct dw_effects *fx)
{
    for (uint32_t i = 0; i < fx->count; i++) {
        uint32_t a = fx->at[i].a, b = fx->at[i].b;
        r->count[fx->at[i].type]++;
        switch ((enum dw_fx_type)fx->at[i].type) {
        case DW_FX_ASK_CAMERA: break;
        case DW_FX_ASK_LOCK:
            r->newest_ask = a;
            if (r->lk)
                say_in(r, r->lock_late_ms ? r->lock_late_ms : 10);
            break;
        case DW_FX_RECORD_START: put(r, "rec"); break;
        case DW_FX_RECORD_STOP: put(r, "stop"); break;
        case DW_FX_INTENT:
            put(r, "intent");
            r->intent = a;
            r->intent_visit = fx->at[i].visit;
            if (r->rec)
                r->recorded_at = dw_mono_add(r->k.now, 5);
            break;
        case DW_FX_RETRACT:
            put(r, "retract");
            r->retracts++;
            r->retract_at = r->k.now;
            r->retract_expires = fx->at[i].expires;
            break;
        case DW_FX_THROW:
            put(r, "throw");
            if (r->first_throw.ms == DW_NEVER.ms)
                r->first_throw = r->k.now;
            break;
        case DW_FX_OFFER: put(r, "offer:%s", dw_check_code((enum dw_check)a)); break;
        case DW_FX_NEWS:
            put(r, "=%s", dw_visit_state_word((enum dw_visit_state)a));
            r->reached |= DW_BIT(a);
            break;
        case DW_FX_RECEIPT:
            if (b)
                put(r, "receipt:%s:%s", dw_outcome_word((enum dw_outcome)a),
                    dw_check_code((enum dw_check)b));
            else
                put(r, "receipt:%s", dw_outcome_word((enum dw_outcome)a));
            break;
        case DW_FX_CONFIRMED: put(r, "confirmed:%s", dw_outcome_word((enum dw_outcome)a)); break;
        case DW_FX_DISPLAY: put(r, "show:%u:%u", a, b); break;
        case DW_FX_OPENING: put(r, "opening"); break;
        case DW_FX_ALARM:
            put(r, "alarm:%s", dw_alarm_code((enum dw_alarm)a));
            if (r->first_alarm[a].ms == DW_NEVER.ms)
                r->first_alarm[a] = r->k.now;
            break;
        case DW_FX_ALARM_OVER: put(r, "over:%s", dw_alarm_code((enum dw_alarm)a)); break;
        case DW_FX_STORY:
            if (a == DW_NOTE_DEGRADED) {
                put(r, "degraded");
                if (r->degraded_at.ms == DW_NEVER.ms)
                    r->degraded_at = r->k.now;
            } else if (a == DW_NOTE_EGRESS) {
                put(r, "egress");
            } else if (a == DW_NOTE_SECURED) {
                put(r, "secured");
            }
            break;
        case DW_FX_NONE:
        case DW_FX_COUNT: DW_ASSERT(false);
        }
    }
}

void rig_feed(struct rig *r, struct dw_event ev)
{
    struct dw_effects fx;
    memset(&fx, 0xA5, sizeof fx);
    if (ev.now.ms == 0)
        ev.now = r->now;
    r->now = ev.now;
    if (dw_failed(dw_interlock_step(&r->k, &ev, &fx)))
        put(r, "!clock");
    perform(r, &fx);
    DW_ASSERT(dw_interlock_deadline(&r->k).ms > r->k.now.ms);
}

enum echo { ECHO_NEWEST, ECHO_LAST, ECHO_NONE };
static void frame(struct rig *r, dw_mono now, enum dw_frame_order order, enum echo echo)
{
    struct dw_event ev = {.now = now, .type = DW_EV_FRAME, .frame = r->frame};
    uint32_t newest = r->k.live.newest_nonce;
    ev.frame.nonce = echo == ECHO_NONE     ? 0
                     : echo == ECHO_NEWEST ? newest
                                           : (newest + DW_LIVE_NONCES - 2) % DW_LIVE_NONCES + 1;
    ev.frame.order = order;
    /* Taken 10 ms before it came, by the camera's clock since it had the nonce. */
    uint64_t at = ev.frame.nonce ? r->k.live.nonce_at[ev.frame.nonce].ms : 0;
    ev.frame.since_ms = now.ms > at + 10 ? (uint32_t)(now.ms - at - 10) : 0;
    rig_feed(r, ev);
    r->frame.decoded_still_ms = 0;
}

void rig_until(struct rig *r, uint64_t ms)
{
    for (;;) {
        dw_mono at = {ms};
        dw_mono timeout = r->step_ms ? dw_mono_add(r->k.now, r->step_ms - r->k.now.ms % r->step_ms)
                                     : dw_interlock_deadline(&r->k);
        bool has_word = r->queued > 0;
        if (has_word)
            at = dw_mono_min(at, r->queue[0].at);
        if (r->cam)
            at = dw_mono_min(at, r->next_frame);
        if (r->lk)
            at = dw_mono_min(at, r->next_push);
        at = dw_mono_min(at, r->recorded_at);
        at = dw_mono_min(at, timeout);
        if (at.ms < r->now.ms)
            at = r->now;
        if (r->recorded_at.ms <= at.ms) {
            r->recorded_at = DW_NEVER;
            rig_feed(r, (struct dw_event){.now = at,
                                          .type = DW_EV_RECORDED,
                                          .visit = r->intent_visit,
                                          .value = r->intent});
        } else if (has_word && r->queue[0].at.ms <= at.ms) {
            struct dw_lock_word w = r->queue[0].word;
            r->queued--;
            memmove(&r->queue[0], &r->queue[1], r->queued * sizeof r->queue[0]);
            rig_feed(r, (struct dw_event){.now = at, .type = DW_EV_LOCK, .lock = w});
        } else if (r->cam && r->next_frame.ms <= at.ms) {
            r->next_frame = dw_mono_add(at, 40);
            frame(r, at, DW_FRAME_NEXT, ECHO_NEWEST);
        } else if (r->lk && r->next_push.ms <= at.ms) {
            r->next_push = dw_mono_add(at, 1000);
            r->now = at;
            rig_say(r);
        } else if (timeout.ms <= at.ms) {
            rig_feed(r, (struct dw_event){.now = at, .type = DW_EV_TIMEOUT});
        } else {
            r->now = (dw_mono){ms};
            break;
        }
    }
}

struct dw_event rig_hello(uint32_t visit)
{
    struct dw_event ev = {.type = DW_EV_HELLO,
                          .visit = visit,
                          .passed = ~UINT64_C(0),
                          .kind = DW_VISIT_DROP,
                          .openings = 1,
                          .camera_class = DW_CAMERA_K1};
    return ev;
}

void rig_init(struct rig *r, const struct dw_params *params)
{
    memset(r, 0, sizeof *r);
    if (params)
        r->params = *params;
    else
        dw_params_default(&r->params);
    memset(&r->k, 0xA5, sizeof r->k);
    r->now = (dw_mono){RIG_START - 5000};
    dw_interlock_init(&r->k, &r->params, r->now);
    r->cam = r->lk = r->rec = true;
    r->word = (struct dw_lock_word){.lock_class = DW_LOCK_A,
                                    .bolt = DW_BOLT_THROWN,
                                    .contact = DW_CONTACT_CLOSED,
                                    .strike = DW_STRIKE_IN,
                                    .throws_left = 500,
                                    .has_relock = 1,
                                    .boot = 1};
    r->frame.camera_class = DW_CAMERA_K2;
    r->next_frame = (dw_mono){RIG_START - 4000};
    r->next_push = (dw_mono){RIG_START - 4900};
    r->recorded_at = r->retract_at = r->first_throw = r->degraded_at = DW_NEVER;
    for (size_t i = 0; i < DW_ALARM_COUNT; i++)
        r->first_alarm[i] = DW_NEVER;
    r->is_quiet = true;
    rig_feed(r, (struct dw_event){.type = DW_EV_DISK, .value = 1});
    rig_until(r, RIG_START);
    r->is_quiet = false;
    memset(r->count, 0, sizeof r->count);
}

static uint32_t letter(const char *word, char c)
{
    const char *at = strchr(word, c);
    DW_ASSERT(c && at);
    return (uint32_t)(at - word);
}

static void lock_word(struct rig *r, const char *s)
{
    uint32_t was = r->word.contact;
    r->word.bolt = letter("utrmj", s[0]);
    r->word.contact = letter("uco", s[1]);
    r->word.strike = letter("uioa", s[2]);
    s += 3;
    if (*s && *s != '+' && *s != '*')
        r->word.cause = letter("?CIKF", *s++);
    if (*s == '+')
        r->word.opening_count += (uint32_t)strtoul(s + 1, NULL, 10);
    if (*s == '*')
        r->word.op_count += (uint32_t)strtoul(s + 1, NULL, 10);
    if (r->word.contact == DW_CONTACT_OPEN && was != DW_CONTACT_OPEN)
        r->word.opening_count++;
    rig_say(r);
}

/* "word:value,visit" */
static void play(struct rig *r, const char *word, const char *value, uint32_t visit)
{
    uint32_t n = (uint32_t)strtoul(value, NULL, 10);
    struct dw_event ev = {.visit = visit, .value = n};
    static const struct {
        const char *word;
        uint32_t type;
    } plain[] = {{"proof", DW_EV_PROOF},
                 {"leaving", DW_EV_LEAVING},
                 {"recfail", DW_EV_RECORD_FAILED},
                 {"answer", DW_EV_LOCK_ANSWER},
                 {"lost", DW_EV_LOCK_LOST},
                 {"fault", DW_EV_FRAME_FAULT},
                 {"unproven", DW_EV_FRAME_UNPROVEN},
                 {"disk", DW_EV_DISK},
                 {"ask", DW_EV_SCREEN_ASKS},
                 {"saw", DW_EV_SCREEN_SAW},
                 {"gone", DW_EV_SCREEN_GONE},
                 {"ownerlock", DW_EV_OWNER_LOCK},
                 {"end", DW_EV_OWNER_END},
                 {"ack", DW_EV_OWNER_ACKNOWLEDGE},
                 {"restarted", DW_EV_RESTARTED},
                 {"open", DW_EV_OWNER_OPEN},
                 {"away", DW_EV_MODE}};
    static const struct {
        const char *word;
        enum dw_frame_order order;
        enum echo echo;
    } frames[] = {
        {"frame", DW_FRAME_NEXT, ECHO_NEWEST},    {"old", DW_FRAME_NEXT, ECHO_LAST},
        {"stale", DW_FRAME_NEXT, ECHO_NONE},      {"skip", DW_FRAME_SKIP, ECHO_NEWEST},
        {"reboot", DW_FRAME_REBOOT, ECHO_NEWEST}, {"replay", DW_FRAME_REPEAT, ECHO_NEWEST},
        {"broken", DW_FRAME_BROKEN, ECHO_NEWEST}};
    for (size_t i = 0; i < DW_ARRAY_COUNT(plain); i++) {
        if (strcmp(word, plain[i].word) == 0) {
            ev.type = plain[i].type;
            rig_feed(r, ev);
            return;
        }
    }
    for (size_t i = 0; i < DW_ARRAY_COUNT(frames); i++) {
        if (strcmp(word, frames[i].word) == 0) {
            frame(r, r->now, frames[i].order, frames[i].echo);
            return;
        }
    }
    if (strcmp(word, "hello") == 0) {
        ev = rig_hello(visit);
        if (strcmp(value, "stay") == 0) {
            ev.kind = DW_VISIT_STAY;
            ev.openings = 3;
        } else if (strcmp(value, "k3") == 0) {
            ev.camera_class = DW_CAMERA_K3;
        } else if (strcmp(value, "bad") == 0) {
            ev.failed = UINT64_C(1) << DW_CHECK_PARCEL;
        }
        rig_feed(r, ev);
    } else if (strcmp(word, "recorded") == 0) {
        ev.type = DW_EV_RECORDED;
        ev.value = *value ? n : r->intent;
        rig_feed(r, ev);
    } else if (strcmp(word, "tamper") == 0) {
        r->frame.tamper = 1;
        frame(r, r->now, DW_FRAME_NEXT, ECHO_NEWEST);
        r->frame.tamper = 0;
    } else if (strcmp(word, "L") == 0) {
        lock_word(r, value);
    } else if (strcmp(word, "class") == 0) {
        r->word.lock_class = letter("CBA", value[0]);
        if (value[0] != 'A' && r->word.strike == DW_STRIKE_IN)
            r->word.strike = DW_STRIKE_ABSENT;
        rig_say(r);
    } else if (strcmp(word, "throws") == 0) {
        r->word.throws_left = n;
        rig_say(r);
    } else if (strcmp(word, "relock") == 0) {
        r->word.has_relock = n;
        rig_say(r);
    } else if (strcmp(word, "boot") == 0) {
        r->word.boot = n;
        r->word.opening_count = 0;
        rig_say(r);
    } else if (strcmp(word, "lk+") == 0 || strcmp(word, "lk-") == 0) {
        r->lk = word[2] == '+';
        r->next_push = r->now;
        if (!r->lk)
            r->queued = 0;
    } else if (strcmp(word, "cam+") == 0 || strcmp(word, "cam-") == 0) {
        r->cam = word[3] == '+';
        r->next_frame = r->now;
    } else if (strcmp(word, "rec+") == 0 || strcmp(word, "rec-") == 0) {
        r->rec = word[3] == '+';
    } else if (strcmp(word, "late") == 0) {
        r->lock_late_ms = n;
    } else if (strcmp(word, "frozen") == 0) {
        r->frame.still_ms = n;
    } else if (strcmp(word, "decoded") == 0) {
        r->frame.decoded_still_ms = n;
    } else if (strcmp(word, "covered") == 0) {
        r->frame.is_covered = n;
    } else if (strcmp(word, "k") == 0) {
        r->frame.camera_class = n;
    } else if (strcmp(word, "-") == 0) {
        put(r, "/");
    } else {
        fprintf(stderr, "unknown word '%s'\n", word);
        abort();
    }
}

void rig_play(struct rig *r, const char *script)
{
    while (*script) {
        char token[64];
        size_t n = strcspn(script, " ");
        DW_ASSERT(n > 0 && n < sizeof token);
        memcpy(token, script, n);
        token[n] = 0;
        script += n + (script[n] == ' ');
        char *at = strchr(token, '@');
        DW_ASSERT(at);
        *at = 0;
        uint64_t ms = strtoull(at + 1, NULL, 10);
        char *comma = strchr(token, ',');
        uint32_t visit = comma ? (uint32_t)strtoul(comma + 1, NULL, 10) : 1;
        if (comma)
            *comma = 0;
        char *colon = strchr(token, ':');
        if (colon)
            *colon = 0;
        rig_until(r, RIG_START + ms);
        play(r, token, colon ? colon + 1 : "", visit);
        rig_until(r, RIG_START + ms); /* what it set off at once */
    }
}
