#include "core/visit.h"

/* How often the lock is asked. Class A answers over its own link; a battery lock behind a radio
 * bridge is asked seldom, and often only while somebody is at the door. */
#define ASK_VISIT_A_MS 1000u
#define ASK_IDLE_A_MS  2000u
#define ASK_VISIT_B_MS 2000u
#define ASK_IDLE_B_MS  30000u
/* A word of a class B lock is too old after this: radio bridges answer a read in up to 10 s. */
#define STALE_VISIT_B_MS 10000u
#define STALE_IDLE_B_MS  65000u
/* More time than T_settle + T_bolt for "locked" to be heard: the status period, and the radio's. */
#define HEAR_A_MS 1500u
#define HEAR_B_MS 8000u
/* A throw that is not sensed is repeated; the lock's own motor rest is as long (core/lock.c). */
#define THROW_AGAIN_MS 3000u
/* Frames after SECURED that belong to the recording [I25]. */
#define TAIL_MS 1000u

#define MASK(check) (UINT64_C(1) << DW_CHECK_##check)
#define STATE(s)    DW_BIT(DW_VISIT_##s)

/* VIS-2: what the shell must have judged as passed before anything is asked of lock or camera. */
#define SHELL_CHECKS                                                                         \
    (MASK(HOME) | MASK(DOOR) | MASK(JOB) | MASK(ASSIGNED) | MASK(SCREENING) | MASK(PARCEL) | \
     MASK(PARCEL_USED) | MASK(PERMISSION) | MASK(EARLY) | MASK(LATE) | MASK(CLOCK))
#define LOCK_CHECKS                                                                    \
    (MASK(LOCK_CLASS) | MASK(LOCK_REACHABLE) | MASK(LOCK_RELOCK) | MASK(DOOR_CLOSED) | \
     MASK(BOLT_THROWN) | MASK(BATTERY) | MASK(UNACCOUNTED))
#define CAMERA_CHECKS                                                                      \
    (MASK(CAMERA_CLASS) | MASK(CAMERA_LIVE) | MASK(CAMERA_FROZEN) | MASK(CAMERA_COVERED) | \
     MASK(CAMERA_TAMPERED))
/* VIS-28: class O. */
#define OWNER_CHECKS     (MASK(LOCK_REACHABLE) | MASK(DOOR_CLOSED) | MASK(BOLT_THROWN))
#define EQUIPMENT_CHECKS (LOCK_CHECKS | CAMERA_CHECKS | MASK(DISK))

/* The bolt has been, or may have been, withdrawn and "locked" has not been sensed since. */
#define EXPOSED \
    (STATE(RETRACTING) | STATE(UNLOCKED) | STATE(INSIDE) | STATE(CLOSING) | STATE(STUCK))
/* The camera must prove itself until "locked" is sensed [I23, I25]. */
#define WATCHED (EXPOSED | STATE(UNHEARD))
/* Not yet withdrawn: a loss refuses. */
#define BEFORE (STATE(ASKED) | STATE(READY) | STATE(INTENT) | STATE(LOOKING))

static bool in(const struct dw_interlock *k, uint32_t states)
{
    DW_ASSERT(k->state < DW_VISIT_STATE_COUNT);
    return (DW_BIT(k->state) & states) != 0;
}

static bool is_set(dw_mono t)
{
    return t.ms != DW_NEVER.ms;
}

static bool is_due(dw_mono t, dw_mono now)
{
    return is_set(t) && t.ms <= now.ms;
}

static void emit(const struct dw_interlock *k, struct dw_effects *fx, enum dw_fx_type type,
                 uint32_t a, uint32_t b)
{
    DW_ASSERT(fx->count < DW_FX_MAX);
    fx->at[fx->count].type = type;
    fx->at[fx->count].visit = k->visit;
    fx->at[fx->count].a = a;
    fx->at[fx->count].b = b;
    fx->at[fx->count].expires = DW_NEVER;
    fx->count++;
}

static void note(const struct dw_interlock *k, struct dw_effects *fx, enum dw_story_note n,
                 uint32_t value)
{
    emit(k, fx, DW_FX_STORY, n, value);
}

static void enter(struct dw_interlock *k, struct dw_effects *fx, enum dw_visit_state s)
{
    k->state = s;
    k->state_at = k->now;
    emit(k, fx, DW_FX_NEWS, s, 0);
}

static void alarm_on(struct dw_interlock *k, struct dw_effects *fx, enum dw_alarm a)
{
    if (!(k->alarms & DW_BIT(a))) {
        k->alarms |= DW_BIT(a);
        emit(k, fx, DW_FX_ALARM, a, 0);
    }
}

static void alarm_off(struct dw_interlock *k, struct dw_effects *fx, enum dw_alarm a)
{
    if (k->alarms & DW_BIT(a)) {
        k->alarms &= ~DW_BIT(a);
        emit(k, fx, DW_FX_ALARM_OVER, a, 0);
    }
}

void dw_interlock_init(struct dw_interlock *k, const struct dw_params *params, dw_mono now)
{
    *k = (struct dw_interlock){.params = *params, .now = now};
    k->state_at = now;
    k->opened_at = k->retracted_at = k->proof_at = k->ended_by = k->watch_end = DW_NEVER;
    k->stuck_at = k->throw_again = DW_NEVER;
    k->nonce_due = k->lock_ask_due = now;
    k->lock_at = k->lock_proven = k->closed_at = DW_NEVER;
    for (size_t i = 0; i < DW_ARRAY_COUNT(k->lock_asked); i++)
        k->lock_asked[i] = DW_NEVER;
    /* VIS-6 [I30]: what was lent before a restart is not known any more; it may still glow. */
    for (size_t i = 0; i < DW_SCREENS; i++)
        k->lease_end[i] = dw_mono_add(now, params->t_show_ms);
    dw_live_init(&k->live);
}

void dw_interlock_resume(struct dw_interlock *k, const struct dw_lock_word *was,
                         bool is_unaccounted)
{
    DW_ASSERT(!is_set(k->lock_at));
    k->lock.bolt = was->bolt;
    k->lock.op_count = was->op_count;
    k->lock.opening_count = was->opening_count;
    k->lock.boot = was->boot;
    k->has_counts = 1;
    k->is_unaccounted = is_unaccounted;
}

void dw_interlock_set_params(struct dw_interlock *k, const struct dw_params *params)
{
    DW_ASSERT(k->state == DW_VISIT_NONE);
    k->params = *params;
}

/* ---- what is sensed ----------------------------------------------------------------------------
 */

/* Nobody is at the door: the lock is asked seldom. */
static bool is_idle(const struct dw_interlock *k)
{
    return in(k, STATE(NONE) | STATE(WATCH) | STATE(BETWEEN));
}

static uint32_t stale_ms(const struct dw_interlock *k)
{
    if (k->lock.lock_class == DW_LOCK_A)
        return k->params.t_lock_ms;
    return is_idle(k) ? STALE_IDLE_B_MS : STALE_VISIT_B_MS;
}

/* How old the ask may be that a word rests on: a link that delivers everything late must not pass
 * off what was as what is. Twice the wait for the next ask, and its way. */
static uint32_t proof_ms(const struct dw_interlock *k)
{
    if (k->lock.lock_class == DW_LOCK_A)
        return k->params.t_lock_ms + ASK_IDLE_A_MS;
    return is_idle(k) ? STALE_IDLE_B_MS + ASK_IDLE_B_MS : STALE_VISIT_B_MS + HEAR_B_MS;
}

uint32_t dw_interlock_lock_age_ms(const struct dw_interlock *k, dw_mono now)
{
    if (!is_set(k->lock_at))
        return UINT32_MAX;
    uint64_t age = dw_mono_since(now, k->lock_at);
    return age >= UINT32_MAX ? UINT32_MAX - 1 : (uint32_t)age;
}

static bool is_heard(const struct dw_interlock *k, dw_mono now)
{
    return !k->is_lock_lost && dw_interlock_lock_age_ms(k, now) <= stale_ms(k);
}

/* VIS-24 [I32]: what was not heard lately is UNKNOWN, not what it was. */
enum dw_bolt dw_interlock_bolt(const struct dw_interlock *k, dw_mono now)
{
    return is_heard(k, now) ? (enum dw_bolt)k->lock.bolt : DW_BOLT_UNKNOWN;
}

enum dw_contact dw_interlock_contact(const struct dw_interlock *k, dw_mono now)
{
    return is_heard(k, now) ? (enum dw_contact)k->lock.contact : DW_CONTACT_UNKNOWN;
}

bool dw_interlock_is_secured(const struct dw_interlock *k, dw_mono now)
{
    if (!is_heard(k, now) || !is_set(k->lock_proven) ||
        dw_mono_since(now, k->lock_proven) > proof_ms(k))
        return false;
    if (k->lock.bolt != DW_BOLT_THROWN || k->lock.contact != DW_CONTACT_CLOSED)
        return false;
    if (k->lock.strike != DW_STRIKE_IN &&
        !(k->lock.strike == DW_STRIKE_ABSENT && k->lock.lock_class != DW_LOCK_A))
        return false;
    /* What was said before our own retract went out says nothing about the bolt since. */
    if (is_set(k->retracted_at) && k->lock_proven.ms < k->retracted_at.ms)
        return false;
    return !is_set(k->closed_at) || k->lock_proven.ms >= k->closed_at.ms;
}

bool dw_interlock_is_opening(const struct dw_interlock *k)
{
    return in(k, STATE(INTENT) | STATE(LOOKING) | EXPOSED);
}

uint64_t dw_interlock_equipment(const struct dw_interlock *k, uint32_t camera_class, dw_mono now)
{
    uint64_t ok = 0;
    const struct dw_params *p = &k->params;
    bool heard = is_heard(k, now);
    if (heard) {
        ok |= MASK(LOCK_REACHABLE);
        if (k->lock.lock_class >= DW_LOCK_B) /* VIS-9 [I22] */
            ok |= MASK(LOCK_CLASS);
        if (k->lock.has_relock)
            ok |= MASK(LOCK_RELOCK);
        if (k->lock.contact == DW_CONTACT_CLOSED)
            ok |= MASK(DOOR_CLOSED);
        if (dw_interlock_is_secured(k, now))
            ok |= MASK(BOLT_THROWN);
        if (k->lock.throws_left >= p->throws_least) /* [I21] */
            ok |= MASK(BATTERY);
    }
    if (!k->is_unaccounted && !k->is_recovering)
        ok |= MASK(UNACCOUNTED);
    enum dw_camera_state camera = dw_live_state(&k->live, p, now);
    bool proven = is_set(k->live.captured);
    if (proven && k->live.camera_class >= camera_class && k->live.camera_class > DW_CAMERA_K0)
        ok |= MASK(CAMERA_CLASS);
    if (proven && !dw_live_is_lost(&k->live, p, now) &&
        dw_live_age_ms(&k->live, now) <= p->t_cam_ms)
        ok |= MASK(CAMERA_LIVE);
    if (!dw_live_is_frozen(&k->live, p))
        ok |= MASK(CAMERA_FROZEN);
    if (!dw_live_is_covered(&k->live, now))
        ok |= MASK(CAMERA_COVERED);
    if (camera != DW_CAMERA_TAMPERED)
        ok |= MASK(CAMERA_TAMPERED);
    if (k->has_room)
        ok |= MASK(DISK);
    return ok;
}

/* VIS-25: the first check of `want` that is missing in `have`. A lock that is not heard is called
 * that, not "of the wrong class"; a camera that proves nothing at all is called by its class only
 * if it sends. */
static enum dw_check first_missing(const struct dw_interlock *k, uint64_t have, uint64_t want)
{
    uint64_t missing = want & ~have;
    if (missing & MASK(LOCK_REACHABLE))
        missing &= ~(MASK(LOCK_CLASS) | MASK(LOCK_RELOCK) | MASK(DOOR_CLOSED) | MASK(BOLT_THROWN) |
                     MASK(BATTERY));
    if ((missing & MASK(LOCK_CLASS)))
        missing &= ~(MASK(LOCK_RELOCK));
    if ((missing & MASK(CAMERA_CLASS)) && !is_set(k->live.captured) && !is_set(k->live.unproven))
        missing &= ~MASK(CAMERA_CLASS);
    if ((missing & MASK(CAMERA_TAMPERED)) && (missing & MASK(CAMERA_LIVE)))
        missing &= ~MASK(CAMERA_LIVE);
    for (uint32_t c = DW_CHECK_NONE + 1; c < DW_CHECK_COUNT; c++) {
        if (missing & (UINT64_C(1) << c))
            return (enum dw_check)c;
    }
    return DW_CHECK_NONE;
}

/* ---- asking -------------------------------------------------------------------------------------
 */

/* VIS-27 [I23]: at least every t_hb, in every state, so that a picture proves when it was taken. */
static uint32_t ask_camera(struct dw_interlock *k, struct dw_effects *fx, bool want_key)
{
    uint32_t handle = dw_live_issue(&k->live, k->now);
    k->nonce_due = dw_mono_add(k->now, k->params.t_hb_ms);
    emit(k, fx, DW_FX_ASK_CAMERA, handle, want_key);
    return handle;
}

static uint32_t ask_lock(struct dw_interlock *k, struct dw_effects *fx)
{
    bool a = k->lock.lock_class == DW_LOCK_A || !is_set(k->lock_at);
    bool idle = is_idle(k);
    k->lock_newest_ask = k->lock_newest_ask % DW_LOCK_ASKS + 1;
    k->lock_asked[k->lock_newest_ask] = k->now;
    k->lock_ask_due = dw_mono_add(k->now, a ? (idle ? ASK_IDLE_A_MS : ASK_VISIT_A_MS)
                                            : (idle ? ASK_IDLE_B_MS : ASK_VISIT_B_MS));
    emit(k, fx, DW_FX_ASK_LOCK, k->lock_newest_ask, 0);
    return k->lock_newest_ask;
}

static bool lock_answered(const struct dw_interlock *k, uint32_t ask)
{
    return ask != 0 && is_set(k->lock_proven) && is_set(k->lock_asked[ask]) &&
           k->lock_proven.ms >= k->lock_asked[ask].ms && is_heard(k, k->now);
}

/* VIS-10 [I18, I24]: a throw is harmless at any time: the lock itself never throws on an open door.
 */
static void throw_bolt(struct dw_interlock *k, struct dw_effects *fx)
{
    emit(k, fx, DW_FX_THROW, 0, 0);
    fx->at[fx->count - 1].expires = dw_mono_add(k->now, k->params.t_expire_ms);
    k->throw_again = dw_mono_add(k->now, THROW_AGAIN_MS);
}

/* ---- ends ---------------------------------------------------------------------------------------
 */

static void forget_visit(struct dw_interlock *k)
{
    k->visit = 0;
    k->passed = k->failed = 0;
    k->kind = k->openings_left = k->dwell_ms = k->camera_class = 0;
    k->camera_nonce = k->lock_ask = 0;
    k->is_recorded = k->is_degraded = k->has_opened = k->has_bolted = 0;
    k->is_leaving = k->is_tampered = k->has_gap = k->is_released = 0;
    k->was_egress = k->is_owner = 0;
    k->is_retract_out = 0;
    k->opened_at = k->retracted_at = k->proof_at = k->ended_by = DW_NEVER;
    k->stuck_at = k->throw_again = DW_NEVER;
}

/* VIS-18: a DROP visit is over; who opens from inside now should not be there. */
static bool is_watching(const struct dw_interlock *k)
{
    return is_set(k->watch_end) && k->watch_end.ms > k->now.ms;
}

static void stop_recording(struct dw_interlock *k, struct dw_effects *fx)
{
    if (k->is_recording) {
        k->is_recording = 0;
        emit(k, fx, DW_FX_RECORD_STOP, 0, 0);
    }
}

/* A STAY visit that has been let in before is not over because one more opening was refused. */
static bool is_staying(const struct dw_interlock *k)
{
    return k->kind == DW_VISIT_STAY && k->has_opened;
}

static void refuse(struct dw_interlock *k, struct dw_effects *fx, enum dw_check check)
{
    DW_ASSERT(in(k, BEFORE));
    if (in(k, STATE(ASKED) | STATE(READY)) || is_staying(k))
        emit(k, fx, DW_FX_OFFER, check, 0);
    if (is_staying(k)) {
        enter(k, fx, DW_VISIT_BETWEEN);
        return;
    }
    k->last_outcome = DW_OUTCOME_REFUSED;
    emit(k, fx, DW_FX_RECEIPT, DW_OUTCOME_REFUSED, check);
    stop_recording(k, fx);
    enter(k, fx, DW_VISIT_NONE);
    forget_visit(k);
}

static enum dw_outcome verdict(const struct dw_interlock *k)
{
    if (k->is_owner) /* VIS-28: the camera has no part in it */
        return k->has_opened ? DW_OUTCOME_OK : DW_OUTCOME_NOT_OPENED;
    if (k->is_tampered || k->live.has_tampered || k->live.has_frozen)
        return DW_OUTCOME_SECURED_TAMPERED;
    /* VIS-14 [I25]: one boot, no missing frame, no gap longer than T_loss. */
    if (k->has_gap || k->is_degraded || k->live.has_rebooted || k->live.has_skipped ||
        k->live.gap_worst_ms > k->params.t_loss_ms)
        return DW_OUTCOME_SECURED_WITH_GAP;
    return k->has_opened ? DW_OUTCOME_OK : DW_OUTCOME_NOT_OPENED;
}

/* VIS-19: what happened up to here stays in the verdict of a STAY visit; the camera's account
 * begins anew, because between two openings nothing is asked of it. */
static void keep_account(struct dw_interlock *k)
{
    enum dw_outcome so_far = verdict(k);
    if (so_far == DW_OUTCOME_SECURED_TAMPERED)
        k->is_tampered = 1;
    else if (so_far == DW_OUTCOME_SECURED_WITH_GAP)
        k->has_gap = 1;
    dw_live_mark(&k->live, &k->params, k->now);
}

static void start_recording(struct dw_interlock *k, struct dw_effects *fx)
{
    if (!k->is_recording) {
        k->is_recording = 1;
        emit(k, fx, DW_FX_RECORD_START, 0, 0);
    }
}

static void clear_visit_alarms(struct dw_interlock *k, struct dw_effects *fx)
{
    static const uint8_t over[] = {DW_ALARM_CAMERA_BLIND,   DW_ALARM_CAMERA_FROZEN,
                                   DW_ALARM_CAMERA_COVERED, DW_ALARM_CAMERA_TAMPERED,
                                   DW_ALARM_LOCK_SILENT,    DW_ALARM_HELD_OPEN,
                                   DW_ALARM_NOT_SECURED,    DW_ALARM_JAMMED};
    for (size_t i = 0; i < DW_ARRAY_COUNT(over); i++)
        alarm_off(k, fx, (enum dw_alarm)over[i]);
}

/* VIS-13 [I34]: locked, sensed, newer than the last closing. */
static void on_secured(struct dw_interlock *k, struct dw_effects *fx)
{
    note(k, fx, DW_NOTE_SECURED, 0);
    clear_visit_alarms(k, fx);
    k->is_retract_out = 0;
    if (k->is_released) { /* the receipt is out already; the door is what is left */
        if (k->last_outcome == DW_OUTCOME_SECURED_UNCONFIRMED) {
            k->last_outcome = verdict(k);
            /* "Nobody opened" is a claim; a lock that counts nothing itself cannot make it for the
             * time in which it was not heard. */
            if (k->last_outcome == DW_OUTCOME_NOT_OPENED && k->lock.lock_class != DW_LOCK_A)
                k->last_outcome = DW_OUTCOME_SECURED_WITH_GAP;
        }
        emit(k, fx, DW_FX_CONFIRMED, k->last_outcome, 0);
        stop_recording(k, fx);
        enter(k, fx, DW_VISIT_NONE);
        forget_visit(k);
        return;
    }
    if (k->kind == DW_VISIT_STAY && k->has_opened && !k->is_leaving) {
        k->throw_again = DW_NEVER;
        k->stuck_at = DW_NEVER;
        keep_account(k);
        enter(k, fx, DW_VISIT_BETWEEN);
        return;
    }
    k->last_outcome = verdict(k);
    emit(k, fx, DW_FX_RECEIPT, k->last_outcome, 0);
    if (k->is_owner) { /* who came in lives here: nobody is watched for */
        enter(k, fx, DW_VISIT_NONE);
        forget_visit(k);
        return;
    }
    k->watch_end = dw_mono_add(
        k->now, k->kind == DW_VISIT_DROP && k->has_opened ? k->params.t_watch_ms : TAIL_MS);
    k->throw_again = DW_NEVER;
    enter(k, fx, DW_VISIT_WATCH);
}

/* VIS-20: it is open for too long, or will not lock; the alarm is at once, the release after
 * t_release. */
static void become_stuck(struct dw_interlock *k, struct dw_effects *fx, enum dw_alarm why)
{
    alarm_on(k, fx, why);
    if (!is_set(k->stuck_at))
        k->stuck_at = k->now;
    enter(k, fx, DW_VISIT_STUCK);
}

/* VIS-11 [I23, I24]: no retract ever again in this visit; closed: throw at once. */
static void degrade(struct dw_interlock *k, struct dw_effects *fx, enum dw_alarm why)
{
    alarm_on(k, fx, why);
    if (k->is_degraded)
        return;
    k->is_degraded = 1;
    k->has_gap = 1;
    note(k, fx, DW_NOTE_DEGRADED, why);
    if (k->lock.contact != DW_CONTACT_OPEN)
        throw_bolt(k, fx);
}

/* ---- the visit's own events ---------------------------------------------------------------------
 */

static void on_hello(struct dw_interlock *k, const struct dw_event *ev, struct dw_effects *fx)
{
    DW_ASSERT(ev->visit != 0);
    if (ev->visit == k->visit && !in(k, STATE(READY) | STATE(BETWEEN)))
        return; /* VIS-1: asked twice is asked once */
    if (ev->visit == k->visit && k->state == DW_VISIT_READY) {
        uint64_t spent = dw_mono_since(k->now, k->state_at);
        emit(k, fx, DW_FX_OFFER, DW_CHECK_NONE,
             spent < k->params.t_ready_ms ? k->params.t_ready_ms - (uint32_t)spent : 0);
        return;
    }
    bool again = ev->visit == k->visit && k->state == DW_VISIT_BETWEEN;
    /* VIS-2: a failed check refuses by its own name, before one that could not be judged because of
     * it; what nobody judged is not passed. LOCATION may refuse, never permit. */
    enum dw_check missing = first_missing(k, ~ev->failed, SHELL_CHECKS | MASK(LOCATION));
    if (missing == DW_CHECK_NONE)
        missing = first_missing(k, ev->passed, SHELL_CHECKS);
    bool is_free = again || in(k, STATE(NONE) | STATE(WATCH));
    if (!is_free || (k->state == DW_VISIT_WATCH && missing != DW_CHECK_NONE)) {
        /* The answer is about the other visit; nothing of ours changes, a watch goes on. */
        uint32_t mine = k->visit, why = missing != DW_CHECK_NONE ? missing : DW_CHECK_OTHER_VISIT;
        k->visit = ev->visit;
        emit(k, fx, DW_FX_OFFER, why, 0);
        emit(k, fx, DW_FX_RECEIPT, DW_OUTCOME_REFUSED, why);
        k->visit = mine;
        return;
    }
    if (!again) {
        if (k->state == DW_VISIT_WATCH)
            stop_recording(k, fx);
        forget_visit(k); /* VIS-18: but not the watch over who was here before, nor its alarm */
        k->visit = ev->visit;
        k->kind = ev->kind;
        k->openings_left = ev->kind == DW_VISIT_DROP ? 1 : ev->openings;
        k->ended_by = dw_mono_add(k->now, ev->kind == DW_VISIT_DROP
                                              ? k->params.t_ready_ms + k->params.t_visit_ms
                                              : k->params.t_stay_ms);
    }
    k->dwell_ms =
        ev->dwell_ms && ev->dwell_ms < k->params.t_dwell_ms ? ev->dwell_ms : k->params.t_dwell_ms;
    k->camera_class = ev->camera_class;
    k->passed = ev->passed;
    k->failed = ev->failed;
    enter(k, fx, DW_VISIT_ASKED);

    if (missing != DW_CHECK_NONE) {
        refuse(k, fx, missing);
        return;
    }
    if (k->openings_left == 0) {
        refuse(k, fx, DW_CHECK_PARCEL_USED);
        return;
    }
    start_recording(k, fx); /* VIS-3: evidence exists before anything is announced */
    k->lock_ask = ask_lock(k, fx);
    k->camera_nonce = ask_camera(k, fx, true);
}

/* The opening is wanted, by proof or by the household's passkey: everything slow begins. */
static void intend(struct dw_interlock *k, struct dw_effects *fx)
{
    k->intent++;
    k->is_recorded = 0;
    k->proof_at = k->now;
    enter(k, fx, DW_VISIT_INTENT);
    emit(k, fx, DW_FX_INTENT, k->intent, 0); /* VIS-5 [I11, I35]: durable first */
    emit(k, fx, DW_FX_OPENING, 0, 0);        /* VIS-6 [I30] */
    k->lock_ask = ask_lock(k, fx);           /* VIS-4: the lock's word and nonce are of now */
}

static void on_proof(struct dw_interlock *k, const struct dw_event *ev, struct dw_effects *fx)
{
    if (k->visit != ev->visit || k->state != DW_VISIT_READY)
        return; /* VIS-1: a proof counts once, for the visit that waits for it */
    /* VIS-2 [I13, I14]: up to a minute has passed since the question; what the shell has found
     * wrong meanwhile (window over, recalled) refuses now. */
    enum dw_check wrong = first_missing(k, ~ev->failed, SHELL_CHECKS | MASK(PROOF));
    if (wrong != DW_CHECK_NONE) {
        refuse(k, fx, wrong);
        return;
    }
    intend(k, fx);
}

/* VIS-28: what the household's own opening needs of the lock. A lock of class C may have no contact
 * at all; then its bolt alone is asked. */
static enum dw_check owner_missing(const struct dw_interlock *k)
{
    uint64_t have = dw_interlock_equipment(k, DW_CAMERA_K0, k->now);
    if (is_heard(k, k->now) && k->lock.lock_class == DW_LOCK_C &&
        k->lock.contact == DW_CONTACT_UNKNOWN && k->lock.bolt == DW_BOLT_THROWN)
        have |= MASK(DOOR_CLOSED) | MASK(BOLT_THROWN);
    return first_missing(k, have, OWNER_CHECKS);
}

/* VIS-28: class O. No camera and no courier, but the one path to the bolt: free door, durable
 * intent, screens, a word of the lock that was said after the act, one retract. */
static void on_owner_open(struct dw_interlock *k, const struct dw_event *ev, struct dw_effects *fx)
{
    DW_ASSERT(ev->visit != 0);
    if (ev->visit == k->visit)
        return; /* asked twice is asked once */
    enum dw_check why = in(k, STATE(NONE) | STATE(WATCH)) ? owner_missing(k) : DW_CHECK_OTHER_VISIT;
    if (why != DW_CHECK_NONE) { /* nothing of the present visit, or of a watch, changes */
        uint32_t mine = k->visit;
        k->visit = ev->visit;
        emit(k, fx, DW_FX_RECEIPT, DW_OUTCOME_REFUSED, why);
        k->visit = mine;
        return;
    }
    if (k->state == DW_VISIT_WATCH)
        stop_recording(k, fx);
    forget_visit(k); /* VIS-18: but not the watch over who was here before */
    k->visit = ev->visit;
    k->is_owner = 1;
    k->kind = DW_VISIT_DROP;
    k->openings_left = 1;
    k->dwell_ms = k->params.t_dwell_ms;
    intend(k, fx);
}

/* VIS-19: a stay between two openings is over. */
static void end_stay(struct dw_interlock *k, struct dw_effects *fx)
{
    k->is_leaving = 1;
    dw_live_mark(&k->live, &k->params, k->now);
    k->last_outcome = verdict(k);
    emit(k, fx, DW_FX_RECEIPT, k->last_outcome, 0);
    k->watch_end = dw_mono_add(k->now, k->params.t_watch_ms);
    enter(k, fx, DW_VISIT_WATCH);
}

static void on_leaving(struct dw_interlock *k, const struct dw_event *ev, struct dw_effects *fx)
{
    if (ev->visit != k->visit || k->kind != DW_VISIT_STAY)
        return;
    k->is_leaving = 1;
    if (k->state == DW_VISIT_BETWEEN && k->was_egress) /* gone by the inside handle, locked since */
        end_stay(k, fx);
}

static void on_owner_end(struct dw_interlock *k, struct dw_effects *fx)
{
    if (in(k, BEFORE)) {
        refuse(k, fx, DW_CHECK_ENDED);
    } else if (in(k, EXPOSED)) {
        k->is_leaving = 1;
        if (k->lock.contact != DW_CONTACT_OPEN)
            throw_bolt(k, fx);
    } else if (k->state == DW_VISIT_BETWEEN) {
        end_stay(k, fx);
    }
}

/* ---- the lock's word ----------------------------------------------------------------------------
 */

/* VIS-19: a STAY visit is locked between two openings; from inside it may be opened at any time. */
static void open_between(struct dw_interlock *k, uint32_t cause, struct dw_effects *fx)
{
    if (cause != DW_CAUSE_INSIDE && cause != DW_CAUSE_KEY) {
        alarm_on(k, fx, DW_ALARM_SECOND_OPENING);
        degrade(k, fx, DW_ALARM_SECOND_OPENING);
    }
    k->has_bolted = 0;
    dw_live_mark(&k->live, &k->params, k->now);
    start_recording(k, fx);
    enter(k, fx, DW_VISIT_INSIDE);
}

/* VIS-23 [I37]: the household has to look before the next visitor. */
static void unaccounted(struct dw_interlock *k, struct dw_effects *fx)
{
    k->is_unaccounted = 1;
    alarm_on(k, fx, DW_ALARM_UNACCOUNTED);
}

/* No visit has the bolt back: who opens from outside has no command of ours for it. */
static void open_unasked(struct dw_interlock *k, uint32_t cause, struct dw_effects *fx)
{
    if (k->is_away) /* VIS-29: whatever the lock says how */
        alarm_on(k, fx, DW_ALARM_UNKNOWN_OPENING);
    if (cause == DW_CAUSE_INSIDE && is_watching(k))
        alarm_on(k, fx, DW_ALARM_SOMEONE_INSIDE);
    if (cause == DW_CAUSE_COMMAND && k->is_opening_out)
        k->is_opening_out = 0; /* of the visit that a restart cut off; once */
    else if (cause == DW_CAUSE_COMMAND ||
             (cause == DW_CAUSE_UNKNOWN && k->lock.lock_class == DW_LOCK_A))
        unaccounted(k, fx);
}

static void on_opening(struct dw_interlock *k, uint32_t cause, struct dw_effects *fx)
{
    note(k, fx, DW_NOTE_OPENING, cause);
    k->was_egress = cause == DW_CAUSE_INSIDE;
    if (cause == DW_CAUSE_INSIDE)
        note(k, fx, DW_NOTE_EGRESS, 0); /* VIS-8 [I19, I20]: recorded, never blocked */
    if (cause == DW_CAUSE_FORCED) {
        k->is_unaccounted = 1; /* VIS-23: no visitor before the household has looked */
        alarm_on(k, fx, DW_ALARM_FORCED);
    }

    switch ((enum dw_visit_state)k->state) {
    case DW_VISIT_RETRACTING:
    case DW_VISIT_UNLOCKED:
        if (!is_set(k->opened_at))
            k->opened_at = k->now;
        k->has_opened = 1;
        k->has_bolted = 0;
        if (k->openings_left > 0)
            k->openings_left--;
        enter(k, fx, DW_VISIT_INSIDE);
        break;
    case DW_VISIT_CLOSING:
    case DW_VISIT_STUCK:
        /* VIS-7 [I19]: before the bolt was out it is the same opening (a leaf that bounced); after
         * it, from outside, it is a second one. */
        if (k->has_bolted && cause != DW_CAUSE_INSIDE) {
            alarm_on(k, fx, DW_ALARM_SECOND_OPENING);
            degrade(k, fx, DW_ALARM_SECOND_OPENING);
        }
        k->has_bolted = 0;
        if (k->state == DW_VISIT_CLOSING)
            enter(k, fx, DW_VISIT_INSIDE);
        break;
    case DW_VISIT_BETWEEN: open_between(k, cause, fx); break;
    case DW_VISIT_WATCH:
        if (k->is_away)
            alarm_on(k, fx, DW_ALARM_UNKNOWN_OPENING);
        if (cause == DW_CAUSE_INSIDE) {
            alarm_on(k, fx, DW_ALARM_SOMEONE_INSIDE);
            break;
        }
        if (cause == DW_CAUSE_COMMAND || cause == DW_CAUSE_UNKNOWN) {
            k->is_unaccounted = 1;
            alarm_on(k, fx, DW_ALARM_SECOND_OPENING);
        }
        break;
    case DW_VISIT_UNHEARD:
        if (cause == DW_CAUSE_INSIDE)
            break;
        if (k->openings_left > 0) { /* the visit's own opening, heard of late */
            k->openings_left--;
            k->has_opened = 1;
            break;
        }
        unaccounted(k, fx);
        break;
    case DW_VISIT_NONE: open_unasked(k, cause, fx); break;
    case DW_VISIT_ASKED:
    case DW_VISIT_READY:
    case DW_VISIT_INTENT:
    case DW_VISIT_LOOKING:
        open_unasked(k, cause, fx);
        refuse(k, fx, DW_CHECK_DOOR_CLOSED); /* opened by somebody else meanwhile */
        if (k->state == DW_VISIT_BETWEEN)    /* or by the one who stays */
            open_between(k, cause, fx);
        break;
    case DW_VISIT_INSIDE: break;
    case DW_VISIT_STATE_COUNT: DW_ASSERT(false);
    }
}

/* VIS-23 [I37]: the bolt movements that a class A lock has counted since its last word, against
 * those that have a name: the throw of a bolt that was not out, our own retract and its throw, a
 * hand at handle or key (the lock says which was last) and its throw, and one that a lock cannot
 * know which lost its power. More than these, nobody has told us of. */
static void count_moves(struct dw_interlock *k, const struct dw_lock_word *was,
                        const struct dw_lock_word *w, struct dw_effects *fx)
{
    bool by_hand = w->cause == DW_CAUSE_INSIDE || w->cause == DW_CAUSE_KEY;
    uint32_t moves = w->op_count - was->op_count;
    uint32_t named = (was->bolt != DW_BOLT_THROWN) + (k->is_retract_out ? 2u : 0u) +
                     (by_hand ? 2u : 0u) + (w->boot != was->boot);
    if (moves > 0)
        k->is_retract_out = 0;
    if (moves > named)
        unaccounted(k, fx);
}

static void on_lock(struct dw_interlock *k, const struct dw_lock_word *w, struct dw_effects *fx)
{
    struct dw_lock_word was = k->lock;
    bool first = !is_set(k->lock_at);
    k->lock = *w;
    k->lock_at = k->now;
    k->is_lock_lost = 0;
    if (w->ask != 0 && w->ask <= DW_LOCK_ASKS && is_set(k->lock_asked[w->ask]) &&
        (!is_set(k->lock_proven) || k->lock_asked[w->ask].ms > k->lock_proven.ms))
        k->lock_proven = k->lock_asked[w->ask];

    if (first || was.bolt != w->bolt || was.contact != w->contact || was.strike != w->strike)
        note(k, fx, DW_NOTE_DOOR, w->bolt | w->contact << 8 | w->strike << 16);
    if (w->bolt == DW_BOLT_JAMMED)
        alarm_on(k, fx, DW_ALARM_JAMMED);
    else if (w->bolt == DW_BOLT_THROWN)
        alarm_off(k, fx, DW_ALARM_JAMMED);

    /* An opening that fell between two words shows in the lock's own count [I37]. */
    /* A class B adapter counts anew when it is started anew; a class A lock never does. */
    bool is_a = w->lock_class == DW_LOCK_A;
    bool counts = is_a ? k->has_counts != 0 : !first && w->boot == was.boot;
    k->has_counts = 1;
    bool reopened = counts && w->opening_count > was.opening_count;
    bool opened = w->contact == DW_CONTACT_OPEN && was.contact != DW_CONTACT_OPEN && !first;
    if (counts && (w->opening_count < was.opening_count || (is_a && w->op_count < was.op_count)))
        unaccounted(k, fx); /* another lock, or reset */
    else if (counts && is_a)
        count_moves(k, &was, w, fx);
    if (first && k->is_unaccounted) /* before a restart already */
        unaccounted(k, fx);
    if (opened || (reopened && was.contact != DW_CONTACT_OPEN) ||
        (reopened && w->opening_count - was.opening_count > 1)) {
        k->closed_at = DW_NEVER;
        on_opening(k, w->cause, fx);
    }
    if (w->bolt ==
        DW_BOLT_THROWN) /* after the opening: one that we hear of with this word was before */
        k->has_bolted = 1;
    /* A contact that could not tell has perhaps been open [I32]. */
    if (w->contact == DW_CONTACT_CLOSED && !first &&
        (was.contact != DW_CONTACT_CLOSED || reopened)) {
        k->closed_at = k->now;
        (void)ask_lock(k, fx); /* VIS-12 [I34]: "locked" must be said after the closing */
    }
}

static void on_lock_lost(struct dw_interlock *k)
{
    k->is_lock_lost = 1;
}

/* ---- what each state waits for ------------------------------------------------------------------
 */

static void on_asked(struct dw_interlock *k, struct dw_effects *fx)
{
    bool lock = lock_answered(k, k->lock_ask);
    bool camera = dw_live_has_answered(&k->live, k->camera_nonce);
    enum dw_camera_state seen = dw_live_state(&k->live, &k->params, k->now);
    /* What will not get better by waiting is told at once. */
    if (seen == DW_CAMERA_UNPROVEN || seen == DW_CAMERA_TAMPERED)
        camera = true;
    bool over = dw_mono_since(k->now, k->state_at) >= k->params.t_check_ms;
    if (!(lock && camera) && !over)
        return;
    uint64_t have = dw_interlock_equipment(k, k->camera_class, k->now);
    if (!lock)
        have &= ~MASK(LOCK_REACHABLE);
    if (!dw_live_has_answered(&k->live, k->camera_nonce))
        have &= ~MASK(CAMERA_LIVE);
    enum dw_check missing = first_missing(k, have, EQUIPMENT_CHECKS);
    if (missing != DW_CHECK_NONE) {
        refuse(k, fx, missing);
        return;
    }
    k->passed |= EQUIPMENT_CHECKS | MASK(OTHER_VISIT);
    enter(k, fx, DW_VISIT_READY);
    emit(k, fx, DW_FX_OFFER, DW_CHECK_NONE, k->params.t_ready_ms);
}

static bool leases_run(const struct dw_interlock *k)
{
    for (size_t i = 0; i < DW_SCREENS; i++) {
        if (k->lease_end[i].ms > k->now.ms)
            return true;
    }
    return false;
}

/* [I6] The one place that asks for the bolt to go back. */
static void withdraw(struct dw_interlock *k, struct dw_effects *fx, dw_mono until)
{
    if (dw_mono_since(k->now, k->proof_at) > k->params.t_proof_ms) { /* VIS-4 [I10] */
        refuse(k, fx, DW_CHECK_EXPIRED);
        return;
    }
    k->is_retract_out = 1;
    k->retracted_at = k->now;
    k->has_bolted = 0;
    k->closed_at = DW_NEVER;
    enter(k, fx, DW_VISIT_RETRACTING);
    emit(k, fx, DW_FX_RETRACT, k->params.lease_ms, k->dwell_ms);
    fx->at[fx->count - 1].expires =
        dw_mono_min(until, dw_mono_add(k->now, k->params.t_expire_ms)); /* VIS-15 */
}

static void on_intent(struct dw_interlock *k, struct dw_effects *fx)
{
    uint64_t spent = dw_mono_since(k->now, k->state_at);
    if (!k->is_recorded) {
        if (spent >= k->params.t_record_ms)
            refuse(k, fx, DW_CHECK_RECORD);
        return;
    }
    if (!lock_answered(k, k->lock_ask)) {
        if (spent >= k->params.t_check_ms)
            refuse(k, fx, DW_CHECK_LOCK_REACHABLE);
        return;
    }
    enum dw_check missing =
        k->is_owner
            ? owner_missing(k)
            : first_missing(k, dw_interlock_equipment(k, k->camera_class, k->now), LOCK_CHECKS);
    if (missing != DW_CHECK_NONE) {
        refuse(k, fx, missing);
        return;
    }
    if (leases_run(k)) /* VIS-6 [I30]; they end by themselves within t_show */
        return;
    if (k->is_owner) { /* VIS-28 */
        withdraw(k, fx, DW_NEVER);
        return;
    }
    dw_live_mark(&k->live, &k->params, k->now);
    enter(k, fx, DW_VISIT_LOOKING);
    k->camera_nonce =
        ask_camera(k, fx, false); /* [I9]: issued after the request, after all slow steps */
}

static void on_looking(struct dw_interlock *k, struct dw_effects *fx)
{
    uint64_t spent = dw_mono_since(k->now, k->state_at);
    bool seen = dw_live_has_answered(&k->live, k->camera_nonce);
    if (!seen && spent < k->params.t_cam_ms)
        return;
    uint64_t have = dw_interlock_equipment(k, k->camera_class, k->now);
    if (!seen || spent > k->params.t_cam_ms)
        have &= ~MASK(CAMERA_LIVE);
    enum dw_check missing = first_missing(k, have, EQUIPMENT_CHECKS);
    if (missing != DW_CHECK_NONE || k->is_degraded) {
        refuse(k, fx, missing != DW_CHECK_NONE ? missing : DW_CHECK_CAMERA_LIVE);
        return;
    }
    /* VIS-4 [I1, I6, I9]: everything of this visit has been verified in this boot, the frame last.
     */
    withdraw(k, fx, dw_mono_add(k->live.nonce_at[k->camera_nonce], k->params.t_cam_ms));
}

/* Locked again without having been opened, or locked after it. */
static bool is_locked_again(const struct dw_interlock *k)
{
    return dw_interlock_is_secured(k, k->now) && is_set(k->lock_proven) &&
           is_set(k->retracted_at) && k->lock_proven.ms >= k->retracted_at.ms;
}

static uint32_t hear_ms(const struct dw_interlock *k)
{
    return k->lock.lock_class == DW_LOCK_A ? HEAR_A_MS : HEAR_B_MS;
}

/* From closing to hearing that it is locked. */
static uint64_t closing_ms(const struct dw_interlock *k)
{
    return (uint64_t)k->params.t_settle_ms + k->params.t_bolt_ms + hear_ms(k);
}

/* VIS-28 [I32]: a lock of class C without a contact never says "locked". Bolt out again is all that
 * it can tell; that ends the household's opening, and is called what it is. */
static bool ends_untold(struct dw_interlock *k, struct dw_effects *fx)
{
    if (!k->is_owner || k->lock.lock_class != DW_LOCK_C || !is_heard(k, k->now) ||
        k->lock.contact != DW_CONTACT_UNKNOWN || k->lock.bolt != DW_BOLT_THROWN)
        return false;
    clear_visit_alarms(k, fx);
    if (!k->is_released) {
        k->last_outcome = DW_OUTCOME_SECURED_UNCONFIRMED;
        emit(k, fx, DW_FX_RECEIPT, DW_OUTCOME_SECURED_UNCONFIRMED, 0);
    }
    enter(k, fx, DW_VISIT_NONE);
    forget_visit(k);
    return true;
}

static void on_retracting(struct dw_interlock *k, struct dw_effects *fx)
{
    uint64_t spent = dw_mono_since(k->now, k->state_at);
    if (is_heard(k, k->now) && k->lock.bolt == DW_BOLT_RETRACTED) {
        enter(k, fx, DW_VISIT_UNLOCKED);
    } else if (spent >= k->params.t_retract_ms + hear_ms(k) && is_locked_again(k)) {
        throw_bolt(k, fx); /* nothing moved; make sure that nothing will */
        on_secured(k, fx);
    } else if (spent >= k->params.t_retract_ms + hear_ms(k) && is_heard(k, k->now) &&
               !ends_untold(k, fx)) {
        throw_bolt(k, fx); /* half way: the lock says jammed, moving or unknown */
        become_stuck(k, fx, DW_ALARM_NOT_SECURED);
    }
}

static void on_unlocked(struct dw_interlock *k, struct dw_effects *fx)
{
    if (is_locked_again(k) && k->has_bolted) {
        on_secured(k, fx);
        return;
    }
    if (ends_untold(k, fx))
        return;
    uint64_t spent = dw_mono_since(k->now, k->retracted_at);
    uint64_t limit = (uint64_t)k->params.lease_ms + k->params.t_bolt_ms + hear_ms(k);
    if (k->lock.lock_class != DW_LOCK_A && spent >= k->params.lease_ms && !is_set(k->throw_again))
        throw_bolt(k, fx); /* class B has no lease of its own as short as ours */
    else if (k->is_degraded && is_due(k->throw_again, k->now))
        throw_bolt(k, fx); /* VIS-11: the first may have been refused, or lost on its way */
    if (spent >= limit && is_heard(k, k->now)) {
        throw_bolt(k, fx);
        become_stuck(k, fx, DW_ALARM_NOT_SECURED);
    }
}

static void on_inside(struct dw_interlock *k, struct dw_effects *fx)
{
    if (dw_interlock_contact(k, k->now) == DW_CONTACT_CLOSED) {
        enter(k, fx, DW_VISIT_CLOSING);
        /* Class A throws by its own rule after T_settle; for class B closing needs our word. */
        if (k->lock.lock_class != DW_LOCK_A || k->is_degraded)
            throw_bolt(k, fx);
        return;
    }
    if (dw_mono_since(k->now, k->state_at) >= k->dwell_ms && !is_set(k->stuck_at)) {
        k->stuck_at = k->now;
        alarm_on(k, fx, DW_ALARM_HELD_OPEN);
    }
    if (is_set(k->stuck_at) && dw_mono_since(k->now, k->stuck_at) >= k->params.t_release_ms) {
        k->is_released = 1;
        k->last_outcome = DW_OUTCOME_NOT_SECURED;
        emit(k, fx, DW_FX_RECEIPT, DW_OUTCOME_NOT_SECURED, 0);
        become_stuck(k, fx, DW_ALARM_NOT_SECURED);
    }
}

static void on_closing(struct dw_interlock *k, struct dw_effects *fx)
{
    if (is_locked_again(k)) {
        on_secured(k, fx);
        return;
    }
    uint64_t spent = dw_mono_since(k->now, k->state_at);
    if (spent >= closing_ms(k) && is_heard(k, k->now)) {
        throw_bolt(k, fx);
        become_stuck(k, fx, DW_ALARM_NOT_SECURED);
    } else if (k->is_degraded && is_due(k->throw_again, k->now)) {
        throw_bolt(k, fx);
    }
}

static void on_stuck(struct dw_interlock *k, struct dw_effects *fx)
{
    if (is_locked_again(k)) {
        on_secured(k, fx);
        return;
    }
    if (ends_untold(k, fx))
        return;
    if (dw_interlock_contact(k, k->now) == DW_CONTACT_CLOSED && is_due(k->throw_again, k->now))
        throw_bolt(k, fx);
    if (!is_set(k->throw_again))
        k->throw_again = dw_mono_add(k->now, THROW_AGAIN_MS);
    if (is_due(k->throw_again, k->now))
        k->throw_again = dw_mono_add(k->now, THROW_AGAIN_MS);
    if (!k->is_released && is_set(k->stuck_at) &&
        dw_mono_since(k->now, k->stuck_at) >= k->params.t_release_ms) {
        k->is_released = 1;
        k->last_outcome = DW_OUTCOME_NOT_SECURED;
        emit(k, fx, DW_FX_RECEIPT, DW_OUTCOME_NOT_SECURED, 0);
    }
}

static void on_unheard(struct dw_interlock *k, struct dw_effects *fx)
{
    bool is_told = is_heard(k, k->now) && is_set(k->lock_proven) &&
                   k->lock_proven.ms >= k->state_at.ms; /* said after we gave up */
    if (is_told && dw_interlock_is_secured(k, k->now)) {
        on_secured(k, fx);
    } else if (is_told && !is_set(k->stuck_at)) {
        k->stuck_at = k->now; /* heard again, and not locked: its own rules have this long */
        throw_bolt(k, fx);
    } else if (is_told && dw_mono_since(k->now, k->stuck_at) >= closing_ms(k)) {
        throw_bolt(k, fx);
        become_stuck(k, fx, DW_ALARM_NOT_SECURED);
    } else if (k->is_recording && dw_mono_since(k->now, k->state_at) >= k->params.t_visit_ms) {
        k->has_gap = 1; /* nobody hears this lock any more; the disk has an end */
        stop_recording(k, fx);
    }
}

static void on_watch(struct dw_interlock *k, struct dw_effects *fx)
{
    if (k->is_recording && dw_mono_since(k->now, k->state_at) >= TAIL_MS)
        stop_recording(k, fx);
    if (!is_watching(k)) {
        stop_recording(k, fx);
        enter(k, fx, DW_VISIT_NONE);
        forget_visit(k);
    }
}

/* ---- what holds in every state ------------------------------------------------------------------
 */

static void watch_camera(struct dw_interlock *k, struct dw_effects *fx)
{
    enum dw_camera_state s = dw_live_state(&k->live, &k->params, k->now);
    if (s != k->camera_state) {
        k->camera_state = s;
        note(k, fx, DW_NOTE_CAMERA, s);
    }
    if (!in(k, WATCHED) || k->is_owner)
        return;
    if (dw_live_is_tampered(&k->live, k->now)) {
        k->is_tampered = 1;
        degrade(k, fx, DW_ALARM_CAMERA_TAMPERED);
    }
    if (dw_live_is_frozen(&k->live, &k->params)) {
        k->is_tampered = 1;
        degrade(k, fx, DW_ALARM_CAMERA_FROZEN);
    }
    if (dw_live_is_lost(&k->live, &k->params, k->now))
        degrade(k, fx, DW_ALARM_CAMERA_BLIND);
    if (dw_live_is_covered(&k->live, k->now))
        degrade(k, fx, DW_ALARM_CAMERA_COVERED);
    if (s == DW_CAMERA_LIVE) {
        alarm_off(k, fx, DW_ALARM_CAMERA_BLIND);
        alarm_off(k, fx, DW_ALARM_CAMERA_COVERED);
        alarm_off(k, fx, DW_ALARM_CAMERA_FROZEN);
    }
}

static void watch_lock(struct dw_interlock *k, struct dw_effects *fx)
{
    if (in(k, EXPOSED)) {
        if (!is_heard(k, k->now)) {
            alarm_on(k, fx, DW_ALARM_LOCK_SILENT);
            dw_mono since = is_set(k->lock_at) ? k->lock_at : k->state_at;
            if (is_set(k->retracted_at) && since.ms < k->retracted_at.ms)
                since = k->retracted_at;
            if (dw_mono_since(k->now, since) >= k->params.t_unheard_ms) {
                /* VIS-16 [I29, I32]: nobody knows; say so, and go on listening */
                if (!k->is_released) {
                    k->last_outcome = DW_OUTCOME_SECURED_UNCONFIRMED;
                    emit(k, fx, DW_FX_RECEIPT, DW_OUTCOME_SECURED_UNCONFIRMED, 0);
                }
                k->is_released = 1;
                k->stuck_at = DW_NEVER;
                enter(k, fx, DW_VISIT_UNHEARD);
            }
        } else {
            alarm_off(k, fx, DW_ALARM_LOCK_SILENT);
        }
    }
    if (k->is_recovering) { /* VIS-17 [I12]: after a restart nothing is authorised; closed means
                               lock */
        if (dw_interlock_is_secured(k, k->now)) {
            k->is_recovering = k->is_opening_out = k->is_retract_out = 0;
            alarm_off(k, fx, DW_ALARM_RESTARTED);
            note(k, fx, DW_NOTE_SECURED, 0);
        } else if (dw_interlock_contact(k, k->now) == DW_CONTACT_CLOSED &&
                   k->lock.bolt != DW_BOLT_THROWN &&
                   (!is_set(k->throw_again) || is_due(k->throw_again, k->now))) {
            throw_bolt(k, fx);
        }
    }
    if (is_due(k->ended_by, k->now)) {
        k->ended_by = DW_NEVER;
        if (in(k, EXPOSED | STATE(BETWEEN)))
            alarm_on(k, fx, DW_ALARM_OVERSTAY);
    }
}

static void settle(struct dw_interlock *k, struct dw_effects *fx)
{
    if (is_due(k->lock_ask_due, k->now))
        (void)ask_lock(k, fx);
    if (k->state != DW_VISIT_LOOKING && is_due(k->nonce_due, k->now))
        (void)ask_camera(k, fx, false);
    watch_camera(k, fx);
    watch_lock(k, fx);
    switch ((enum dw_visit_state)k->state) { /* no default: the compiler names a forgotten state */
    case DW_VISIT_NONE: break;
    case DW_VISIT_ASKED: on_asked(k, fx); break;
    case DW_VISIT_READY:
        if (dw_mono_since(k->now, k->state_at) >= k->params.t_ready_ms)
            refuse(k, fx, DW_CHECK_EXPIRED);
        break;
    case DW_VISIT_INTENT: on_intent(k, fx); break;
    case DW_VISIT_LOOKING: on_looking(k, fx); break;
    case DW_VISIT_RETRACTING: on_retracting(k, fx); break;
    case DW_VISIT_UNLOCKED: on_unlocked(k, fx); break;
    case DW_VISIT_INSIDE: on_inside(k, fx); break;
    case DW_VISIT_CLOSING: on_closing(k, fx); break;
    case DW_VISIT_BETWEEN:
        if (dw_mono_since(k->now, k->state_at) >= TAIL_MS)
            stop_recording(k, fx);
        break;
    case DW_VISIT_WATCH: on_watch(k, fx); break;
    case DW_VISIT_STUCK: on_stuck(k, fx); break;
    case DW_VISIT_UNHEARD: on_unheard(k, fx); break;
    case DW_VISIT_STATE_COUNT: DW_ASSERT(false);
    }
    if (!is_watching(k))
        k->watch_end = DW_NEVER;
    k->is_secured = dw_interlock_is_secured(k, k->now);
}

static void on_screen(struct dw_interlock *k, const struct dw_event *ev, struct dw_effects *fx)
{
    if (ev->value >= DW_SCREENS)
        return;
    if (ev->type == DW_EV_SCREEN_GONE) /* gone from us, but it may still glow: the lease runs on */
        return;
    if (ev->type == DW_EV_SCREEN_SAW) {
        k->lease_end[ev->value] = (dw_mono){0};
        return;
    }
    /* VIS-6 [I29, I30]: SECURED is lent, and not lent once an opening is on its way. */
    bool secured = dw_interlock_is_secured(k, k->now) && !dw_interlock_is_opening(k);
    if (secured)
        k->lease_end[ev->value] = dw_mono_add(k->now, k->params.t_show_ms);
    emit(k, fx, DW_FX_DISPLAY, ev->value, secured ? k->params.t_show_ms : 0);
}

static void on_acknowledge(struct dw_interlock *k, struct dw_effects *fx)
{
    static const uint8_t seen[] = {DW_ALARM_SECOND_OPENING, DW_ALARM_SOMEONE_INSIDE,
                                   DW_ALARM_FORCED,         DW_ALARM_UNACCOUNTED,
                                   DW_ALARM_OVERSTAY,       DW_ALARM_UNKNOWN_OPENING};
    k->is_unaccounted = 0;
    for (size_t i = 0; i < DW_ARRAY_COUNT(seen); i++)
        alarm_off(k, fx, (enum dw_alarm)seen[i]);
}

dw_err dw_interlock_step(struct dw_interlock *k, const struct dw_event *ev, struct dw_effects *fx)
{
    DW_ASSERT(ev->type < DW_EV_COUNT);
    fx->count = 0;
    if (dw_mono_before(ev->now, k->now)) /* VIS-21: time enters here only, and never runs back */
        return dw_fail(DW_E_CLOCK);
    k->now = ev->now;
    switch ((enum dw_event_type)ev->type) {
    case DW_EV_NONE:
    case DW_EV_TIMEOUT: break;
    case DW_EV_HELLO: on_hello(k, ev, fx); break;
    case DW_EV_PROOF: on_proof(k, ev, fx); break;
    case DW_EV_LEAVING: on_leaving(k, ev, fx); break;
    case DW_EV_LOCK: on_lock(k, &ev->lock, fx); break;
    case DW_EV_LOCK_LOST: on_lock_lost(k); break;
    case DW_EV_LOCK_LINK: k->lock_ask_due = k->now; break;
    case DW_EV_LOCK_ANSWER: /* refused by the lock: nothing moved; what is sensed decides the rest
                             */
        if (k->state == DW_VISIT_RETRACTING && ev->visit == k->visit && is_heard(k, k->now) &&
            k->lock.bolt == DW_BOLT_THROWN) {
            k->state = DW_VISIT_LOOKING;
            refuse(k, fx, DW_CHECK_LOCK_REACHABLE);
        }
        break;
    case DW_EV_FRAME: dw_live_frame(&k->live, &k->params, &ev->frame, k->now); break;
    case DW_EV_FRAME_FAULT: dw_live_fault(&k->live, k->now); break;
    case DW_EV_FRAME_UNPROVEN: dw_live_unproven(&k->live, k->now); break;
    case DW_EV_RECORDED:
        if (k->state == DW_VISIT_INTENT && ev->visit == k->visit && ev->value == k->intent)
            k->is_recorded = 1; /* VIS-5: a late answer about an earlier visit counts for nothing */
        break;
    case DW_EV_RECORD_FAILED:
        if (k->state == DW_VISIT_INTENT && ev->visit == k->visit)
            refuse(k, fx, DW_CHECK_RECORD);
        break;
    case DW_EV_DISK: k->has_room = ev->value != 0; break;
    case DW_EV_SCREEN_ASKS:
    case DW_EV_SCREEN_SAW:
    case DW_EV_SCREEN_GONE: on_screen(k, ev, fx); break;
    case DW_EV_OWNER_LOCK:
        throw_bolt(k, fx);
        k->throw_again = DW_NEVER; /* VIS-26: once; nothing on any screen changes by it [I33] */
        break;
    case DW_EV_OWNER_END: on_owner_end(k, fx); break;
    case DW_EV_OWNER_ACKNOWLEDGE: on_acknowledge(k, fx); break;
    case DW_EV_OWNER_OPEN: on_owner_open(k, ev, fx); break;
    case DW_EV_MODE: k->is_away = ev->value != 0; break; /* an alarm that is on stays on */
    case DW_EV_RESTARTED:
        k->is_recovering = k->is_retract_out = k->is_opening_out = 1;
        alarm_on(k, fx, DW_ALARM_RESTARTED);
        break;
    case DW_EV_COUNT: DW_ASSERT(false);
    }
    settle(k, fx);
    return DW_OK;
}

/* ---- time ---------------------------------------------------------------------------------------
 */

static dw_mono later(dw_mono best, dw_mono at, dw_mono now)
{
    return is_set(at) && at.ms > now.ms ? dw_mono_min(best, at) : best;
}

dw_mono dw_interlock_deadline(const struct dw_interlock *k)
{
    const struct dw_params *p = &k->params;
    dw_mono now = k->now, in_state = k->state_at;
    dw_mono d = dw_live_deadline(&k->live, p, now);
    d = later(d, k->lock_ask_due, now);
    d = later(d, k->nonce_due, now);
    d = later(d, k->throw_again, now);
    d = later(d, k->ended_by, now);
    d = later(d, k->watch_end, now);
    if (is_set(k->lock_at))
        d = later(d, dw_mono_add(k->lock_at, stale_ms(k) + 1u), now);
    if (is_set(k->lock_proven))
        d = later(d, dw_mono_add(k->lock_proven, proof_ms(k) + 1u), now);
    for (size_t i = 0; i < DW_SCREENS; i++)
        d = later(d, k->lease_end[i], now);
    if (is_set(k->stuck_at))
        d = later(d, dw_mono_add(k->stuck_at, p->t_release_ms), now);
    if (in(k, EXPOSED)) {
        if (is_set(k->lock_at))
            d = later(d, dw_mono_add(k->lock_at, p->t_unheard_ms), now);
        if (is_set(k->retracted_at)) {
            d = later(d, dw_mono_add(k->retracted_at, p->t_unheard_ms), now);
            d = later(d, dw_mono_add(k->retracted_at, p->lease_ms), now);
            d = later(d, dw_mono_add(k->retracted_at, p->lease_ms + p->t_bolt_ms + hear_ms(k)),
                      now);
        }
    }
    const uint32_t in_state_ms[] = {
        p->t_check_ms,  p->t_ready_ms,
        p->t_record_ms, p->t_cam_ms,
        TAIL_MS,        p->t_retract_ms + hear_ms(k),
        k->dwell_ms,    p->t_settle_ms + p->t_bolt_ms + hear_ms(k),
    };
    if (k->state != DW_VISIT_NONE) {
        for (size_t i = 0; i < DW_ARRAY_COUNT(in_state_ms); i++)
            d = later(d, dw_mono_add(in_state, in_state_ms[i]), now);
    }
    if (k->state == DW_VISIT_UNHEARD) {
        d = later(d, dw_mono_add(in_state, p->t_visit_ms), now);
        if (is_set(k->stuck_at))
            d = later(d, dw_mono_add(k->stuck_at, closing_ms(k)), now);
    }
    return d;
}

/* ---- for hashing --------------------------------------------------------------------------------
 */

static void relative(dw_mono *at, dw_mono now)
{
    /* Times in the past keep a bounded age, so that "long ago" is one value. */
    if (!is_set(*at))
        return;
    if (at->ms >= now.ms) {
        at->ms = UINT64_C(1000000) + (at->ms - now.ms);
    } else {
        uint64_t age = now.ms - at->ms;
        at->ms = UINT64_C(1000000) - (age > 200000 ? 200000 : age);
    }
}

void dw_interlock_normalise(const struct dw_interlock *k, struct dw_interlock *ret_k)
{
    *ret_k = *k;
    dw_mono now = k->now;
    dw_mono *times[] = {
        &ret_k->state_at,         &ret_k->opened_at,        &ret_k->retracted_at,
        &ret_k->ended_by,         &ret_k->watch_end,        &ret_k->stuck_at,
        &ret_k->proof_at,         &ret_k->throw_again,      &ret_k->nonce_due,
        &ret_k->lock_ask_due,     &ret_k->lock_at,          &ret_k->lock_proven,
        &ret_k->closed_at,        &ret_k->live.captured,    &ret_k->live.arrived,
        &ret_k->live.unproven,    &ret_k->live.blind_until, &ret_k->live.covered_at,
        &ret_k->live.tampered_at, &ret_k->live.frozen_at,
    };
    for (size_t i = 0; i < DW_ARRAY_COUNT(times); i++)
        relative(times[i], now);
    for (size_t i = 0; i < DW_ARRAY_COUNT(ret_k->lock_asked); i++)
        relative(&ret_k->lock_asked[i], now);
    for (size_t i = 0; i < DW_SCREENS; i++) {
        uint64_t end = ret_k->lease_end[i].ms;
        ret_k->lease_end[i].ms = end > now.ms ? end - now.ms : 0;
    }
    for (size_t i = 0; i < DW_ARRAY_COUNT(ret_k->live.nonce_at); i++)
        relative(&ret_k->live.nonce_at[i], now);
    for (size_t i = 0; i < DW_LIVE_GAPS; i++)
        relative(&ret_k->live.gap[i].end, now);
    ret_k->now = ret_k->live.now = (dw_mono){0};
    ret_k->intent = 0;
    ret_k->live.frames = ret_k->live.frames != 0;
    ret_k->lock.op_count = ret_k->lock.opening_count = 0;
}
