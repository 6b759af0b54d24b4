#include "lock/shell.h"

#include <string.h>

#include "os/os.h"

#define STORE_AGAIN_MS 1000u

/* The one line that drives the motor back [I6]. Only the effect of a rule gets here. */
static void withdraw_bolt(const struct dw_lock_body *body)
{
    body->motor_retract(body->self);
}

static dw_err save(struct dw_lock_shell *s)
{
    s->facts.op_count = s->base_ops + s->rules.op_count;
    s->facts.opening_count = s->base_openings + s->rules.opening_count;
    dw_err e = dw_lock_store_save(s->store, &s->facts);
    if (dw_failed(e))
        dw_log("error", "store", "why=%s", dw_err_name(e));
    s->store_again = dw_failed(e) ? dw_mono_add(dw_now(), STORE_AGAIN_MS) : (dw_mono){0};
    return e;
}

/* For figures that only have to be stored soon: a full disk is not written to at every tick. */
static void save_soon(struct dw_lock_shell *s)
{
    if (!dw_mono_before(dw_now(), s->store_again))
        (void)save(s);
}

static enum dw_lock_result result_of(enum dw_lock_refusal refusal)
{
    switch (refusal) {
    case DW_LREF_BAD_LEASE: return DW_LOCK_RESULT_BAD_LEASE;
    case DW_LREF_DOOR_OPEN: return DW_LOCK_RESULT_DOOR_OPEN;
    case DW_LREF_NOT_THROWN: return DW_LOCK_RESULT_NOT_THROWN;
    case DW_LREF_BATTERY: return DW_LOCK_RESULT_BATTERY;
    case DW_LREF_SENSOR: return DW_LOCK_RESULT_SENSOR;
    case DW_LREF_BUSY: return DW_LOCK_RESULT_BUSY;
    case DW_LREF_NONE: break;
    }
    DW_ASSERT(false);
}

static void perform(struct dw_lock_shell *s, uint32_t type, uint32_t value)
{
    switch ((enum dw_lock_fx_type)type) {
    case DW_LFX_MOTOR_THROW:
        /* Stored first, so that a crash counts one movement too many, never one too few. A full
         * disk does not keep a door open: throwing goes on without. */
        s->facts.is_moving = true;
        if (dw_failed(save(s)))
            dw_log("warn", "throw_not_stored", "op_count=%u", s->facts.op_count);
        s->body.motor_throw(s->body.self);
        break;
    case DW_LFX_MOTOR_RETRACT:
        DW_ASSERT(s->store->saved.is_moving); /* consumed durably before: see on_command */
        withdraw_bolt(&s->body);
        break;
    case DW_LFX_MOTOR_STOP:
        s->body.motor_stop(s->body.self);
        s->facts.is_moving = false;
        break;
    case DW_LFX_BUZZER_ON: s->body.buzzer(s->body.self, true); break;
    case DW_LFX_BUZZER_OFF: s->body.buzzer(s->body.self, false); break;
    case DW_LFX_REPORT: s->is_report_due = true; break;
    case DW_LFX_ACCEPT: s->result = DW_LOCK_RESULT_ACCEPTED; break;
    case DW_LFX_REFUSE: s->result = result_of((enum dw_lock_refusal)value); break;
    case DW_LFX_NONE:
    case DW_LFX_COUNT: DW_ASSERT(false);
    }
}

static void step(struct dw_lock_shell *s, const struct dw_lock_event *ev)
{
    struct dw_lock_fx fx;
    dw_err e = dw_lock_step(&s->rules, ev, &fx);

    if (dw_failed(e)) { /* the clock went back: the next tick comes with a right time */
        dw_log("error", "rules", "why=%s", dw_err_name(e));
        return;
    }
    for (uint32_t i = 0; i < fx.count; i++)
        perform(s, fx.at[i].type, fx.at[i].value);
}

static void power_up(struct dw_lock_shell *s, const struct dw_lock_sense *sense)
{
    struct dw_lock_event ev = {.now = dw_now(), .type = DW_LEV_POWER_UP, .sense = *sense};

    s->facts.boot_count++;
    dw_random(s->boot_seed, sizeof s->boot_seed);
    if (s->facts.is_moving) { /* the power went while the motor ran */
        s->base_ops++;
        s->facts.is_moving = false;
    }
    s->body.buzzer(s->body.self, false);
    (void)save(s);
    dw_lock_link_reset(s->link);
    dw_lock_link_power(s->link, true);
    step(s, &ev);
    dw_log("info", "power_up", "boot_count=%u op_count=%u counter=%u", s->facts.boot_count,
           s->facts.op_count, s->facts.counter);
}

static void trace_change(const struct dw_lock *was, const struct dw_lock *is)
{
    if (dw_lock_bolt(was) != dw_lock_bolt(is) || was->sense.contact != is->sense.contact ||
        was->sense.strike != is->sense.strike)
        dw_log("info", "sensed", "bolt=%s contact=%s strike=%s cause=%s",
               dw_bolt_word(dw_lock_bolt(is)), dw_contact_word(is->sense.contact),
               dw_strike_word(is->sense.strike), dw_cause_word(is->cause));
}

/* Senses once and lets the rules act on it. False: there is no power. */
static bool sense_and_act(struct dw_lock_shell *s)
{
    struct dw_lock_sense sense = {0};
    struct dw_lock was = s->rules;
    bool had_power = s->has_power;

    s->has_power = s->body.sense(s->body.self, dw_now_us(), &sense, &s->battery_pct);
    if (!s->has_power) {
        if (had_power)
            dw_log("warn", "power_lost", "boot_count=%u", s->facts.boot_count);
        dw_lock_link_power(s->link, false);
        return false;
    }
    if (!had_power) {
        power_up(s, &sense);
    } else {
        struct dw_lock_event ev = {.now = dw_now(), .type = DW_LEV_SENSE, .sense = sense};
        step(s, &ev);
    }
    struct dw_lock_event due = {.now = dw_now(), .type = DW_LEV_TIMEOUT};
    if (!dw_mono_before(due.now, dw_lock_deadline(&s->rules)))
        step(s, &due);
    trace_change(&was, &s->rules);
    return true;
}

/* The link has verified signature, context and nonce. Epoch and counter are judged here, then used
 * up durably, then the rules decide: a crash may lose a use, never add one [I11]. */
static enum dw_lock_result on_command(void *ctx, const struct dw_lock_command *c)
{
    struct dw_lock_shell *s = ctx;
    bool is_retract = c->action == DW_LOCK_ACTION_RETRACT;

    /* A power cut seen here leaves nobody to answer; the link drops the rest. */
    if (!sense_and_act(s))
        return DW_LOCK_RESULT_BUSY;
    if (!is_retract && c->action != DW_LOCK_ACTION_THROW)
        return DW_LOCK_RESULT_BUSY;
    if (c->epoch != s->facts.epoch)
        return DW_LOCK_RESULT_WRONG_EPOCH;
    if (c->counter <= s->facts.counter)
        return DW_LOCK_RESULT_STALE_COUNTER;

    bool was_moving = s->facts.is_moving;
    s->facts.counter = c->counter;
    s->facts.is_moving = was_moving || is_retract;
    if (dw_failed(save(s)) && is_retract) {
        s->facts.is_moving = was_moving;
        return DW_LOCK_RESULT_BUSY; /* the counter stays used up in this boot */
    }
    struct dw_lock_event ev = {
        .now = dw_now(),
        .type = is_retract ? DW_LEV_RETRACT : DW_LEV_THROW,
        .lease_ms = c->lease_ms,
        .dwell_ms = c->dwell_ms,
    };
    s->result = DW_LOCK_RESULT_BUSY;
    step(s, &ev);
    if (is_retract && s->result != DW_LOCK_RESULT_ACCEPTED)
        s->facts.is_moving = was_moving; /* stored with the next change; no movement came of it */
    s->is_report_due = false;            /* the link pushes a status after each answer */
    return s->result;
}

static void on_status(void *ctx, struct dw_lock_status *st)
{
    struct dw_lock_shell *s = ctx;
    const struct dw_lock *r = &s->rules;

    /* Stored before they are told, so that they never fall for the hub. When the disk refuses, the
     * truth comes first. */
    save_soon(s);
    st->boot_count = s->facts.boot_count;
    memcpy(st->boot_seed, s->boot_seed, sizeof st->boot_seed);
    st->bolt = (uint8_t)dw_lock_bolt(r);
    st->contact = r->sense.contact;
    st->strike = r->sense.strike;
    st->cause = r->cause;
    st->throws_left = r->sense.throws_left;
    st->op_count = s->facts.op_count;
    st->opening_count = s->facts.opening_count;
    st->epoch = s->facts.epoch;
    st->counter = s->facts.counter;
    st->t_us = dw_now_us();
    st->closed_us = r->closed_at.ms == DW_NEVER.ms ? 0 : r->closed_at.ms * 1000u;
    st->battery_pct = s->battery_pct;
    st->lease_left_ms = dw_lock_lease_left_ms(r, dw_now());
}

struct dw_lock_link_owner dw_lock_shell_owner(struct dw_lock_shell *s)
{
    return (struct dw_lock_link_owner){.command = on_command, .status = on_status, .ctx = s};
}

void dw_lock_shell_init(struct dw_lock_shell *s, const struct dw_lock_limits *limits,
                        const struct dw_lock_body *body, struct dw_lock_store *store,
                        const struct dw_lock_facts *facts)
{
    *s = (struct dw_lock_shell){.body = *body, .store = store, .facts = *facts};
    dw_lock_init(&s->rules, limits);
    if (s->facts.is_moving) { /* a crash while the motor ran: count it, we cannot know */
        s->facts.op_count++;
        s->facts.is_moving = false;
    }
    s->base_ops = s->facts.op_count;
    s->base_openings = s->facts.opening_count;
}

void dw_lock_shell_link(struct dw_lock_shell *s, struct dw_lock_link *link)
{
    s->link = link;
}

void dw_lock_shell_tick(struct dw_lock_shell *s)
{
    if (!sense_and_act(s))
        return;
    save_soon(s); /* no write when nothing changed */

    dw_mono now = dw_now();
    if (s->is_report_due || !dw_mono_before(now, s->next_push)) {
        s->is_report_due = false;
        s->next_push = dw_mono_add(now, DW_LOCK_PUSH_MS);
        dw_lock_link_push(s->link);
    }
    if (!dw_mono_before(now, s->next_sweep)) {
        s->next_sweep = dw_mono_add(now, 1000);
        dw_lock_link_sweep(s->link, now);
    }
}

void dw_lock_shell_stop(struct dw_lock_shell *s)
{
    s->body.motor_stop(s->body.self);
    s->body.buzzer(s->body.self, false);
    (void)save(s);
}
