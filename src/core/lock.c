#include "core/lock.h"

#include "core/params.h"

/* A command that asks for no lease, or a throw that jams: wait this long before the next try.
 * 3 s: motor rest, and three tries fit before T_bolt-bounded alarms of the hub. */
#define RETRY_MS 3000u
/* After retries_max jams: a try a minute, for the battery's sake. */
#define LONG_RETRY_MS 60000u
/* The inside handle counts as the cause of an opening for this long after it was turned. */
#define HANDLE_MS 5000u

void dw_lock_limits_default(struct dw_lock_limits *ret_limits)
{
    struct dw_params p;
    dw_params_default(&p);
    *ret_limits = (struct dw_lock_limits){
        .lease_ms_max = p.lease_ms,
        .dwell_ms_max = 180000,
        .settle_ms = p.t_settle_ms,
        .bolt_ms_max = p.t_bolt_ms,
        .retry_ms = RETRY_MS,
        .throws_least = (uint16_t)p.throws_least,
        .retries_max = 3,
    };
}

void dw_lock_init(struct dw_lock *l, const struct dw_lock_limits *limits)
{
    *l = (struct dw_lock){
        .limits = *limits,
        .lease_end = DW_NEVER,
        .throw_at = DW_NEVER,
        .motor_end = DW_NEVER,
        .dwell_end = DW_NEVER,
        .closed_at = DW_NEVER,
    };
}

static void emit(struct dw_lock_fx *fx, uint32_t type, uint32_t value)
{
    DW_ASSERT(fx->count < DW_LOCK_FX_MAX);
    fx->at[fx->count].type = type;
    fx->at[fx->count].value = value;
    fx->count++;
}

static bool is_due(dw_mono at, dw_mono now)
{
    return at.ms != DW_NEVER.ms && at.ms <= now.ms;
}

static bool is_thrown(const struct dw_lock *l)
{
    return l->sense.bolt == DW_BOLT_THROWN && l->sense.strike == DW_STRIKE_IN;
}

static void buzz(struct dw_lock *l, struct dw_lock_fx *fx, bool on)
{
    if (l->is_buzzing != on) {
        l->is_buzzing = on;
        emit(fx, on ? DW_LFX_BUZZER_ON : DW_LFX_BUZZER_OFF, 0);
    }
}

/* LCK-2, LCK-3, LCK-7: a throw is wanted by `at` if none is planned earlier. */
static void plan_throw(struct dw_lock *l, dw_mono at)
{
    l->throw_at = dw_mono_min(l->throw_at, at);
}

static void stop_motor(struct dw_lock *l, struct dw_lock_fx *fx)
{
    if (l->motion != DW_MOTION_IDLE) {
        l->motion = DW_MOTION_IDLE;
        l->motor_end = DW_NEVER;
        emit(fx, DW_LFX_MOTOR_STOP, 0);
    }
}

/* LCK-1 [I18]: the motor throws only while the contact is CLOSED. */
static void start_throw(struct dw_lock *l, struct dw_lock_fx *fx)
{
    l->throw_at = DW_NEVER;
    if (l->sense.contact != DW_CONTACT_CLOSED || is_thrown(l))
        return;
    if (l->motion == DW_MOTION_RETRACTING)
        stop_motor(l, fx);
    if (l->motion == DW_MOTION_IDLE) {
        l->motion = DW_MOTION_THROWING;
        l->motor_end = dw_mono_add(l->now, l->limits.bolt_ms_max);
        l->lease_end = DW_NEVER; /* LCK-9: a lease ends with the throw */
        emit(fx, DW_LFX_MOTOR_THROW, 0);
    }
}

/* The motor arrived, or its time is over. */
static void settle_motor(struct dw_lock *l, struct dw_lock_fx *fx)
{
    if (l->motion == DW_MOTION_THROWING) {
        if (is_thrown(l)) {
            l->is_jammed = 0;
            l->jams = 0;
            l->op_count++;
            stop_motor(l, fx);
            emit(fx, DW_LFX_REPORT, 0);
        } else if (is_due(l->motor_end, l->now)) { /* LCK-6 [I18] */
            l->is_jammed = 1;
            if (l->jams < UINT16_MAX)
                l->jams++;
            stop_motor(l, fx);
            plan_throw(l, dw_mono_add(l->now, l->jams < l->limits.retries_max ? l->limits.retry_ms
                                                                              : LONG_RETRY_MS));
            buzz(l, fx, true);
            emit(fx, DW_LFX_REPORT, 0);
        }
    } else if (l->motion == DW_MOTION_RETRACTING) {
        if (l->sense.bolt == DW_BOLT_RETRACTED) {
            l->op_count++;
            stop_motor(l, fx);
            emit(fx, DW_LFX_REPORT, 0);
        } else if (is_due(l->motor_end, l->now)) { /* stuck half way: lock again, and say so */
            l->is_jammed = 1;
            stop_motor(l, fx);
            plan_throw(l, l->now);
            emit(fx, DW_LFX_REPORT, 0);
        }
    }
}

/* LCK-14 [I19]: each opening is counted, with what it came from. */
static void on_opened(struct dw_lock *l, struct dw_lock_fx *fx)
{
    l->opening_count++;
    if (l->motion == DW_MOTION_THROWING) /* LCK-1: somebody pushed while it was closing */
        stop_motor(l, fx);
    l->throw_at = DW_NEVER;
    if (l->sense.bolt == DW_BOLT_THROWN) /* else the handle, the key or the command told already */
        l->cause = DW_CAUSE_FORCED;
    l->lease_end = DW_NEVER; /* the lease bounds retract to first opening; closing ends the rest */
    l->dwell_end = dw_mono_add(l->now, l->dwell_ms ? l->dwell_ms : l->limits.dwell_ms_max);
}

static void on_closed(struct dw_lock *l, struct dw_lock_fx *fx)
{
    l->closed_at = l->now;
    l->dwell_end = DW_NEVER;
    buzz(l, fx, false);
    plan_throw(l, dw_mono_add(l->now, l->limits.settle_ms)); /* LCK-2 [I17] */
}

static void on_sense(struct dw_lock *l, const struct dw_lock_sense *s, struct dw_lock_fx *fx)
{
    struct dw_lock_sense was = l->sense;
    l->sense = *s;
    if ((s->handle && !was.handle) || (s->key && !was.key)) {
        /* LCK-10 [I20]: mechanical, always works, only told. A running motor would fight it. */
        l->cause = s->handle ? DW_CAUSE_INSIDE : DW_CAUSE_KEY;
        if (l->motion == DW_MOTION_THROWING)
            stop_motor(l, fx);
        if (s->contact == DW_CONTACT_CLOSED) /* turned but not opened: lock again; a lease that ends
                                              * sooner still does [I16] */
            l->throw_at = dw_mono_min(l->lease_end, dw_mono_add(l->now, HANDLE_MS));
    }
    if (was.bolt == DW_BOLT_THROWN && s->bolt == DW_BOLT_RETRACTED && l->motion == DW_MOTION_IDLE)
        l->op_count++; /* moved by hand */
    if (was.bolt == DW_BOLT_THROWN && s->bolt != DW_BOLT_THROWN && l->motion == DW_MOTION_IDLE &&
        !s->handle && !s->key) {
        l->cause = DW_CAUSE_UNKNOWN; /* LCK-14: by nothing we sense, so not by what came before */
        if (s->contact == DW_CONTACT_CLOSED)
            plan_throw(l, dw_mono_add(l->now, HANDLE_MS)); /* LCK-15: closed means locked */
    }

    if (was.contact != DW_CONTACT_OPEN && s->contact == DW_CONTACT_OPEN)
        on_opened(l, fx);
    else if (was.contact != DW_CONTACT_CLOSED && s->contact == DW_CONTACT_CLOSED)
        on_closed(l, fx);
    else if (s->contact == DW_CONTACT_UNKNOWN && was.contact != DW_CONTACT_UNKNOWN) {
        if (l->motion == DW_MOTION_THROWING) /* LCK-8: blind motors do not move */
            stop_motor(l, fx);
        l->throw_at = DW_NEVER;
    }
    if (is_thrown(l)) {
        if (l->motion == DW_MOTION_IDLE)
            l->throw_at = DW_NEVER;
        l->is_jammed = 0;
        l->jams = 0;
        if (s->contact == DW_CONTACT_CLOSED)
            buzz(l, fx, false);
    }
    settle_motor(l, fx);
    bool is_news = was.bolt != s->bolt || was.contact != s->contact || was.strike != s->strike ||
                   was.handle != s->handle;
    if (is_news && (fx->count == 0 || fx->at[fx->count - 1].type != DW_LFX_REPORT))
        emit(fx, DW_LFX_REPORT, 0);
}

/* LCK-5: what must hold before the bolt is withdrawn. */
static enum dw_lock_refusal may_retract(const struct dw_lock *l, const struct dw_lock_event *ev)
{
    if (ev->lease_ms == 0 || ev->lease_ms > l->limits.lease_ms_max ||
        ev->dwell_ms > l->limits.dwell_ms_max)
        return DW_LREF_BAD_LEASE;
    if (l->sense.contact == DW_CONTACT_UNKNOWN || l->sense.bolt == DW_BOLT_UNKNOWN)
        return DW_LREF_SENSOR;
    if (l->sense.contact != DW_CONTACT_CLOSED)
        return DW_LREF_DOOR_OPEN;
    if (l->motion != DW_MOTION_IDLE)
        return DW_LREF_BUSY;
    if (!is_thrown(l) || l->is_jammed)
        return DW_LREF_NOT_THROWN;
    if (l->sense.throws_left < l->limits.throws_least)
        return DW_LREF_BATTERY; /* [I21] */
    return DW_LREF_NONE;
}

static void on_retract(struct dw_lock *l, const struct dw_lock_event *ev, struct dw_lock_fx *fx)
{
    enum dw_lock_refusal why = may_retract(l, ev);
    if (why != DW_LREF_NONE) {
        emit(fx, DW_LFX_REFUSE, why);
        return;
    }
    l->motion = DW_MOTION_RETRACTING;
    l->motor_end = dw_mono_add(l->now, l->limits.bolt_ms_max);
    l->lease_end = dw_mono_add(l->now, ev->lease_ms);
    l->throw_at = l->lease_end; /* LCK-3 [I16]: planned before the motor moves */
    l->dwell_ms = ev->dwell_ms;
    l->cause = DW_CAUSE_COMMAND;
    emit(fx, DW_LFX_ACCEPT, 0);
    emit(fx, DW_LFX_MOTOR_RETRACT, 0);
    emit(fx, DW_LFX_REPORT, 0);
}

static void on_throw(struct dw_lock *l, struct dw_lock_fx *fx)
{
    if (l->sense.contact == DW_CONTACT_UNKNOWN) {
        emit(fx, DW_LFX_REFUSE, DW_LREF_SENSOR);
    } else if (l->sense.contact == DW_CONTACT_OPEN) {
        emit(fx, DW_LFX_REFUSE, DW_LREF_DOOR_OPEN); /* LCK-11: it throws on closing anyway */
    } else {
        emit(fx, DW_LFX_ACCEPT, 0);
        start_throw(l, fx);
    }
}

static void on_time(struct dw_lock *l, struct dw_lock_fx *fx)
{
    settle_motor(l, fx);
    if (is_due(l->throw_at, l->now)) {
        if (l->sense.handle) /* held from inside: wait, never fight a hand */
            l->throw_at = dw_mono_add(l->now, l->limits.settle_ms);
        else
            start_throw(l, fx);
    }
    if (is_due(l->lease_end, l->now))
        l->lease_end = DW_NEVER;
    if (is_due(l->dwell_end, l->now)) { /* LCK-4 */
        l->dwell_end = DW_NEVER;
        if (l->sense.contact == DW_CONTACT_OPEN) {
            buzz(l, fx, true);
            emit(fx, DW_LFX_REPORT, 0);
        }
    }
}

dw_err dw_lock_step(struct dw_lock *l, const struct dw_lock_event *ev, struct dw_lock_fx *fx)
{
    DW_ASSERT(ev->type < DW_LEV_COUNT);
    fx->count = 0;
    if (dw_mono_before(ev->now, l->now)) /* LCK-12 */
        return dw_fail(DW_E_CLOCK);
    l->now = ev->now;
    switch ((enum dw_lock_event_type)ev->type) {
    case DW_LEV_POWER_UP: {
        /* LCK-7 [I12]: no lease and no command survives; a closed door ends locked. */
        struct dw_lock_limits limits = l->limits;
        uint32_t ops = l->op_count, openings = l->opening_count;
        dw_lock_init(l, &limits);
        l->op_count = ops;
        l->opening_count = openings;
        l->now = ev->now;
        l->is_powered = 1;
        l->sense = ev->sense;
        if (ev->sense.contact == DW_CONTACT_CLOSED && !is_thrown(l))
            plan_throw(l, dw_mono_add(ev->now, limits.settle_ms));
        if (ev->sense.contact == DW_CONTACT_OPEN)
            l->dwell_end = dw_mono_add(ev->now, limits.dwell_ms_max);
        emit(fx, DW_LFX_MOTOR_STOP, 0);
        emit(fx, DW_LFX_REPORT, 0);
        break;
    }
    case DW_LEV_SENSE: on_sense(l, &ev->sense, fx); break;
    case DW_LEV_RETRACT: on_retract(l, ev, fx); break;
    case DW_LEV_THROW: on_throw(l, fx); break;
    case DW_LEV_TIMEOUT: on_time(l, fx); break;
    case DW_LEV_COUNT: DW_ASSERT(false);
    }
    return DW_OK;
}

dw_mono dw_lock_deadline(const struct dw_lock *l)
{
    dw_mono at = dw_mono_min(l->throw_at, l->motor_end);
    return dw_mono_min(at, dw_mono_min(l->dwell_end, l->lease_end));
}

/* LCK-13 [I18, I32] */
enum dw_bolt dw_lock_bolt(const struct dw_lock *l)
{
    if (l->is_jammed)
        return DW_BOLT_JAMMED;
    if (l->motion != DW_MOTION_IDLE)
        return DW_BOLT_MOVING;
    if (l->sense.bolt == DW_BOLT_THROWN && l->sense.strike != DW_STRIKE_IN)
        return l->sense.strike == DW_STRIKE_UNKNOWN ? DW_BOLT_UNKNOWN : DW_BOLT_JAMMED;
    return (enum dw_bolt)l->sense.bolt;
}

uint32_t dw_lock_lease_left_ms(const struct dw_lock *l, dw_mono now)
{
    if (l->lease_end.ms == DW_NEVER.ms || l->lease_end.ms <= now.ms)
        return 0;
    uint64_t left = l->lease_end.ms - now.ms;
    return left > UINT32_MAX ? UINT32_MAX : (uint32_t)left;
}

static dw_mono relative(dw_mono at, dw_mono now)
{
    if (at.ms == DW_NEVER.ms)
        return at;
    return (dw_mono){at.ms > now.ms ? at.ms - now.ms : 0};
}

void dw_lock_normalise(const struct dw_lock *l, struct dw_lock *ret_l)
{
    *ret_l = *l;
    ret_l->now = (dw_mono){0};
    ret_l->lease_end = relative(l->lease_end, l->now);
    ret_l->throw_at = relative(l->throw_at, l->now);
    ret_l->motor_end = relative(l->motor_end, l->now);
    ret_l->dwell_end = relative(l->dwell_end, l->now);
    ret_l->closed_at = DW_NEVER;
    ret_l->op_count = 0;
    ret_l->opening_count = 0;
}
