/* explore [DEPTH] - all short sequences of what can happen at a door, on the real rules.
 *
 * The real dw_interlock and the real dw_lock are coupled by a small world: a leaf, a bolt that
 * takes 400 ms, a link to the lock that may be up, cut (what is sent is lost) or held (what is sent
 * comes later, in order), a camera that is live, dark, or sends frames without our nonce. From each
 * of some stages of a visit every sequence of DEPTH moves is played (a table of seen states,
 * compared after normalising, cuts what was played before); after each event of either side these
 * must hold:
 *
 *   I1, I9   RETRACT only when hello, proof, durable intent, a picture taken after the proof and at
 * most T_cam ago, and the lock's word said after the proof "thrown, closed, in" are all true I6,
 * I19  at most one RETRACT a proof, and the motor goes back only for one I16, I17 closed and loose
 * is bounded: L1 + T_bolt after the retract, T_settle + T_bolt after closing I18      the motor
 * throws only on a closed door; no motor moves against a hand at the handle [I20] I23, I24 T_loss +
 * 0.5 s without a picture in an open visit is degraded; no RETRACT after it I26      camera dark
 * alone: a closed door is locked; lock link cut alone: pictures go on I30      the bolt does not go
 * back while a screen may say SECURED I32, I34 SECURED rests on a word that was true when it was
 * said, at most 5 s ago; a lock that is silent is UNKNOWN
 *
 *   VIS-28   the same for the household's own opening, with its act in the place of hello, proof
 * and picture; and no look, no hello and no camera ever bears on it
 *
 * All states of enum dw_visit_state must be reached. DW_FULL=1 plays one move deeper.
 * Deterministic.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/lock.h"
#include "core/visit.h"

#ifdef __SANITIZE_ADDRESS__
#define DEPTH 4u
#else
#define DEPTH 5u
#endif
#define TRAVEL_MS      400u
#define WAY_MS         10u
#define QUEUE          12u
#define NEVER          UINT64_MAX
#define PROOF_MS       5000u /* T_lock + the idle ask period: core/visit.c */
#define RETRACT_AGE_MS 3000u /* lock/nonces.h */
#define THROW_AGE_MS   10000u

void dw_panic(const char *expr, const char *file, int line)
{
    fprintf(stderr, "panic: %s at %s:%d\n", expr, file, line);
    abort();
}

enum link { LINK_UP = 0, LINK_CUT, LINK_HELD };
enum camera { CAMERA_LIVE = 0, CAMERA_DARK, CAMERA_STALE };

struct word { /* lock to hub */
    uint64_t due, said;
    struct dw_lock_word w;
    uint32_t nonce, is_answer, is_true, serial;
};

struct order { /* hub to lock */
    uint64_t due;
    uint32_t type; /* DW_FX_ASK_LOCK, RETRACT, THROW */
    uint32_t a, b, nonce;
};

struct world {
    struct dw_interlock k;
    struct dw_lock l;
    uint64_t now;
    /* body */
    struct dw_lock_sense s;
    uint64_t arrives;
    uint32_t is_out, is_blocked, link, camera;
    uint64_t loose_since, loose_allowed;
    /* link */
    struct word up[QUEUE];
    struct order down[QUEUE];
    uint32_t ups, downs;
    uint32_t lock_nonce, lock_void, hub_nonce, newest_ask, newest_serial;
    uint32_t serials, serial[DW_LOCK_ASKS + 1]; /* the nonce that stands for a handle now */
    uint64_t nonce_made[32];
    uint64_t next_push, next_frame;
    /* what is true of the visit, kept by the world itself */
    uint64_t hello_at, proof_at, picture_at, said_at, degraded_at, last_picture_seen;
    uint64_t lease_end;
    uint32_t has_hello, is_owner, proofs, retracts, is_recorded, word_is_true, visit, next_visit,
        motor_granted;
    uint64_t watched_since, dark_since, cut_since, heard_at;
};

static uint64_t steps, moves_played, cut_short;
static uint32_t reached;
static uint32_t path[64], path_len;
static const char *root_name;

static const char *const move_words[] = {
    "wait 0.1 s",     "wait 0.9 s",        "wait 2.6 s",     "wait 7 s",    "hello",
    "proof",          "recorded",          "open",           "close",       "handle, open",
    "camera dark",    "camera live",       "camera stale",   "replay",      "link up",
    "link cut",       "link held",         "screen asks",    "screen saw",  "household locks",
    "household ends", "seen by household", "strike blocked", "strike free", "hub restarts",
    "lock restarts",  "leaving",           "household opens"};
enum move {
    M_WAIT_1,
    M_WAIT_2,
    M_WAIT_3,
    M_WAIT_4,
    M_HELLO,
    M_PROOF,
    M_RECORDED,
    M_OPEN,
    M_CLOSE,
    M_HANDLE,
    M_DARK,
    M_LIVE,
    M_STALE,
    M_REPLAY,
    M_UP,
    M_CUT,
    M_HELD,
    M_ASKS,
    M_SAW,
    M_LOCK,
    M_END,
    M_ACK,
    M_BLOCK,
    M_FREE,
    M_HUB_RESTART,
    M_LOCK_RESTART,
    M_LEAVING,
    M_OWNER,
    M_COUNT
};

static void broken(const struct world *w, const char *rule)
{
    printf("%s does not hold\nroot: %s\n", rule, root_name);
    for (uint32_t i = 0; i < path_len; i++)
        printf("  %s\n", move_words[path[i]]);
    printf("at %" PRIu64 " ms: visit %s, bolt %s, contact %s, strike %u, link %u, camera %u\n",
           w->now, dw_visit_state_word((enum dw_visit_state)w->k.state),
           dw_bolt_word((enum dw_bolt)w->s.bolt), dw_contact_word((enum dw_contact)w->s.contact),
           w->s.strike, w->link, w->camera);
    exit(1);
}

#define HOLD(w, condition, rule) \
    do {                         \
        if (!(condition))        \
            broken((w), (rule)); \
    } while (0)

static bool is_locked(const struct world *w)
{
    return w->s.bolt == DW_BOLT_THROWN && w->s.contact == DW_CONTACT_CLOSED &&
           w->s.strike == DW_STRIKE_IN;
}

/* ---- the lock -----------------------------------------------------------------------------------
 */

static void lock_feed(struct world *w, struct dw_lock_event ev);

static void say(struct world *w, uint32_t ask, uint32_t serial)
{
    if (ask) {
        w->newest_ask = ask;
        w->newest_serial = serial;
    }
    if (w->link == LINK_CUT || w->ups == QUEUE || w->newest_ask == 0)
        return;
    w->lock_nonce++;
    w->nonce_made[w->lock_nonce % 32] = w->now;
    struct word *m = &w->up[w->ups++];
    *m = (struct word){
        .due = w->now + WAY_MS, .said = w->now, .nonce = w->lock_nonce, .serial = w->newest_serial};
    m->w = (struct dw_lock_word){.ask = w->newest_ask,
                                 .lock_class = DW_LOCK_A,
                                 .bolt = dw_lock_bolt(&w->l),
                                 .contact = w->l.sense.contact,
                                 .strike = w->l.sense.strike,
                                 .cause = w->l.cause,
                                 .throws_left = 500,
                                 .has_relock = 1,
                                 .op_count = w->l.op_count,
                                 .opening_count = w->l.opening_count,
                                 .boot = 1};
    m->is_true = is_locked(w);
}

/* Closed and loose from now on, because of something that the rules give so much time for. */
static void allow_loose(struct world *w, uint64_t ms)
{
    w->loose_since = w->now;
    w->loose_allowed = ms;
}

static void sense(struct world *w)
{
    w->s.bolt = w->arrives != NEVER || (w->is_out && w->is_blocked && !is_locked(w))
                    ? DW_BOLT_MOVING
                : w->is_out ? DW_BOLT_THROWN
                            : DW_BOLT_RETRACTED;
    w->s.strike = w->s.bolt == DW_BOLT_THROWN && w->s.contact == DW_CONTACT_CLOSED ? DW_STRIKE_IN
                                                                                   : DW_STRIKE_OUT;
    lock_feed(w, (struct dw_lock_event){.type = DW_LEV_SENSE, .sense = w->s});
}

static void lock_feed(struct world *w, struct dw_lock_event ev)
{
    struct dw_lock_fx fx;
    bool moved = false;
    ev.now.ms = w->now;
    HOLD(w, !dw_failed(dw_lock_step(&w->l, &ev, &fx)), "the lock's clock");
    steps++;
    for (uint32_t i = 0; i < fx.count; i++) {
        switch ((enum dw_lock_fx_type)fx.at[i].type) {
        case DW_LFX_MOTOR_THROW:
            HOLD(w, w->s.contact == DW_CONTACT_CLOSED, "I18: no throw on an open door");
            HOLD(w, !w->s.handle, "I20: no motor against a hand");
            w->is_out = 1;
            w->arrives = w->is_blocked ? NEVER - 1 : w->now + TRAVEL_MS;
            moved = true;
            break;
        case DW_LFX_MOTOR_RETRACT:
            HOLD(w, w->motor_granted > 0, "I6: the motor goes back for a RETRACT of the hub only");
            w->motor_granted--;
            HOLD(w, w->lease_end <= w->now, "I30: the bolt waits for the screens");
            w->is_out = 0;
            w->arrives = w->now + TRAVEL_MS;
            allow_loose(w, ev.lease_ms + w->l.limits.bolt_ms_max);
            moved = true;
            break;
        case DW_LFX_MOTOR_STOP:
            if (w->arrives != NEVER) {
                w->arrives = NEVER;
                if (w->is_blocked)
                    w->is_out = 0; /* it springs back */
            }
            break;
        case DW_LFX_REPORT: say(w, 0, 0); break;
        case DW_LFX_REFUSE:
            if (ev.type == DW_LEV_RETRACT && w->ups < QUEUE && w->link != LINK_CUT)
                w->up[w->ups++] = (struct word){.due = w->now + WAY_MS, .is_answer = 1};
            break;
        case DW_LFX_ACCEPT:
        case DW_LFX_BUZZER_ON:
        case DW_LFX_BUZZER_OFF:
        case DW_LFX_NONE: break;
        case DW_LFX_COUNT: abort();
        }
    }
    if (moved)
        sense(w);
}

static void obey(struct world *w, const struct order *o)
{
    if (o->type == DW_FX_ASK_LOCK) {
        say(w, o->a, o->b);
        return;
    }
    bool retract = o->type == DW_FX_RETRACT;
    uint64_t age = w->now - w->nonce_made[o->nonce % 32];
    if (o->nonce <= w->lock_void || age > (retract ? RETRACT_AGE_MS : THROW_AGE_MS)) {
        if (retract && w->ups < QUEUE && w->link != LINK_CUT)
            w->up[w->ups++] = (struct word){.due = w->now + WAY_MS, .is_answer = 1};
        return;
    }
    w->lock_void = w->lock_nonce;
    lock_feed(w, (struct dw_lock_event){.type = retract ? DW_LEV_RETRACT : DW_LEV_THROW,
                                        .lease_ms = o->a,
                                        .dwell_ms = o->b});
}

/* ---- the hub ------------------------------------------------------------------------------------
 */

#define OPEN_VISIT                                                                       \
    (DW_BIT(DW_VISIT_RETRACTING) | DW_BIT(DW_VISIT_UNLOCKED) | DW_BIT(DW_VISIT_INSIDE) | \
     DW_BIT(DW_VISIT_CLOSING) | DW_BIT(DW_VISIT_STUCK) | DW_BIT(DW_VISIT_UNHEARD))

static void hub_feed(struct world *w, struct dw_event ev)
{
    struct dw_effects fx;
    ev.now.ms = w->now;
    HOLD(w, !dw_failed(dw_interlock_step(&w->k, &ev, &fx)), "the hub's clock");
    HOLD(w, dw_interlock_deadline(&w->k).ms > w->now, "the deadline is ahead");
    steps++;
    reached |= DW_BIT(w->k.state);
    bool threw = false, degraded = false;
    for (uint32_t i = 0; i < fx.count; i++) {
        uint32_t type = fx.at[i].type, a = fx.at[i].a;
        if (type == DW_FX_RETRACT) {
            HOLD(w,
                 (w->has_hello || w->is_owner) && w->proof_at != NEVER &&
                     fx.at[i].visit == w->visit,
                 "I1: hello and proof of this visit, or VIS-28: the household's act");
            HOLD(w, w->retracts < w->proofs, "I19: one RETRACT a proof");
            w->retracts++;
            HOLD(w, w->is_recorded, "I1, I35: the intent is durable");
            HOLD(w,
                 w->is_owner || (w->picture_at != NEVER && w->picture_at >= w->proof_at &&
                                 w->now - w->picture_at <= 1000),
                 "I9: a picture taken after the request, at most T_cam ago");
            HOLD(w, w->said_at != NEVER && w->said_at >= w->proof_at && w->word_is_true,
                 "I1: the lock's word, said after the proof");
            HOLD(w, w->degraded_at == NEVER, "I24: no RETRACT after DEGRADED");
            HOLD(w, w->lease_end <= w->now, "I30: no screen may say SECURED");
            HOLD(w, fx.at[i].expires.ms <= w->now + 800, "a command expires");
        }
        if (type == DW_FX_RETRACT || type == DW_FX_THROW || type == DW_FX_ASK_LOCK) {
            threw |= type == DW_FX_THROW;
            if (type == DW_FX_ASK_LOCK)
                fx.at[i].b = w->serial[a] = ++w->serials;
            if (w->link != LINK_CUT && w->downs < QUEUE)
                w->down[w->downs++] = (struct order){.due = w->now + WAY_MS,
                                                     .type = type,
                                                     .a = a,
                                                     .b = fx.at[i].b,
                                                     .nonce = w->hub_nonce};
            if (type == DW_FX_RETRACT && w->link != LINK_CUT)
                w->motor_granted++;
        } else if (type == DW_FX_INTENT) {
            w->is_recorded = 0;
        } else if (type == DW_FX_DISPLAY && fx.at[i].b) {
            w->lease_end = w->now + fx.at[i].b;
        } else if (type == DW_FX_STORY && a == DW_NOTE_DEGRADED) {
            degraded = true;
            w->degraded_at = w->now;
        } else if (type == DW_FX_STORY && a == DW_NOTE_SECURED) {
            HOLD(w, w->word_is_true && w->now - w->said_at <= PROOF_MS,
                 "I34: SECURED rests on a true word that is young");
        }
    }
    if (degraded && w->k.lock.contact != DW_CONTACT_OPEN)
        HOLD(w, threw, "I24: DEGRADED and not open: throw at once");
    if (w->k.visit == 0) {
        w->degraded_at = NEVER;
        w->has_hello = w->is_owner = 0;
        w->proof_at = NEVER;
    }
    dw_mono now = {w->now};
    if (dw_interlock_is_secured(&w->k, now))
        HOLD(w, w->word_is_true && w->now - w->said_at <= PROOF_MS,
             "I32, I34: secured, by a true word that is young");
    if (dw_interlock_bolt(&w->k, now) != DW_BOLT_UNKNOWN)
        HOLD(w, w->heard_at != NEVER && w->now - w->heard_at <= 3000,
             "I32: a silent lock is UNKNOWN");
    /* VIS-28: the household's own opening has no camera to lose. */
    bool is_open = (DW_BIT(w->k.state) & OPEN_VISIT) != 0 && !w->k.is_owner;
    if (!is_open)
        w->watched_since = NEVER;
    else if (w->watched_since == NEVER)
        w->watched_since = w->now;
}

static void hub_word(struct world *w, const struct word *m)
{
    if (m->is_answer) {
        hub_feed(w, (struct dw_event){.type = DW_EV_LOCK_ANSWER, .visit = w->k.visit});
        return;
    }
    if (w->serial[m->w.ask] != m->serial)
        return; /* the shell no longer knows this nonce */
    w->hub_nonce = m->nonce;
    w->said_at = m->said;
    w->word_is_true = m->is_true;
    w->heard_at = w->now;
    hub_feed(w, (struct dw_event){.type = DW_EV_LOCK, .lock = m->w});
}

static void frame(struct world *w, enum dw_frame_order order)
{
    uint32_t n = w->k.live.newest_nonce;
    struct dw_event ev = {.type = DW_EV_FRAME};
    ev.frame = (struct dw_frame_seen){.order = order, .camera_class = DW_CAMERA_K2};
    if (w->camera == CAMERA_LIVE && order == DW_FRAME_NEXT && n) {
        ev.frame.nonce = n;
        ev.frame.since_ms = (uint32_t)(w->now - w->k.live.nonce_at[n].ms);
        w->picture_at = w->now;
    }
    hub_feed(w, ev);
}

/* ---- time ---------------------------------------------------------------------------------------
 */

static void what_always_holds(struct world *w)
{
    bool loose = w->s.contact == DW_CONTACT_CLOSED && w->s.bolt != DW_BOLT_THROWN;
    if (!loose || w->is_blocked || w->s.handle) {
        w->loose_since = NEVER;
    } else {
        if (w->loose_since == NEVER)
            allow_loose(w, 5000 + 2000); /* after a jam: the next try */
        HOLD(w, w->now - w->loose_since <= w->loose_allowed + 50,
             "I16, I17: closed and loose is bounded");
    }
    /* [I23] */
    if (w->watched_since != NEVER && w->degraded_at == NEVER && w->k.visit) {
        uint64_t from = w->picture_at == NEVER || w->picture_at < w->watched_since
                            ? w->watched_since
                            : w->picture_at;
        HOLD(w, w->now - from <= 2500, "I23: blind is DEGRADED in time");
    }
    /* [I26] the lock's link alone is gone: pictures go on */
    if (w->camera == CAMERA_LIVE && w->now > w->dark_since + 15000)
        HOLD(w, !dw_live_is_lost(&w->k.live, &w->k.params, (dw_mono){w->now}),
             "I26: a cut lock link blinds nobody");
    /* [I26] the camera alone is gone: a closed door is locked soon after DEGRADED */
    if (w->degraded_at != NEVER && w->now > w->degraded_at + 7000 && w->now > w->cut_since + 7000 &&
        w->link == LINK_UP && loose && !w->is_blocked && !w->s.handle && w->loose_since != NEVER)
        HOLD(w, w->now - w->loose_since <= 7000, "I26: a dark camera hinders no locking");
}

static void pass(struct world *w, uint64_t ms)
{
    uint64_t end = w->now + ms;
    for (;;) {
        uint64_t at = end;
        uint64_t hub = dw_interlock_deadline(&w->k).ms, lock = dw_lock_deadline(&w->l).ms;
        if (hub < at)
            at = hub;
        if (lock < at)
            at = lock;
        if (w->arrives < at)
            at = w->arrives;
        if (w->next_push < at)
            at = w->next_push;
        if (w->camera != CAMERA_DARK && w->next_frame < at)
            at = w->next_frame;
        bool flows = w->link == LINK_UP;
        if (flows && w->ups && w->up[0].due < at)
            at = w->up[0].due;
        if (flows && w->downs && w->down[0].due < at)
            at = w->down[0].due;
        if (at < w->now)
            at = w->now;
        w->now = at;
        if (flows && w->downs && w->down[0].due <= at) {
            struct order o = w->down[0];
            memmove(&w->down[0], &w->down[1], --w->downs * sizeof o);
            obey(w, &o);
        } else if (flows && w->ups && w->up[0].due <= at) {
            struct word m = w->up[0];
            memmove(&w->up[0], &w->up[1], --w->ups * sizeof m);
            hub_word(w, &m);
        } else if (w->arrives <= at) {
            w->arrives = NEVER;
            sense(w);
        } else if (lock <= at) {
            lock_feed(w, (struct dw_lock_event){.type = DW_LEV_TIMEOUT});
        } else if (w->next_push <= at) {
            w->next_push += 1000;
            say(w, 0, 0);
        } else if (w->camera != CAMERA_DARK && w->next_frame <= at) {
            w->next_frame = at + 100;
            frame(w, DW_FRAME_NEXT);
        } else if (hub <= at) {
            hub_feed(w, (struct dw_event){.type = DW_EV_TIMEOUT});
        } else {
            break;
        }
        what_always_holds(w);
    }
}

/* ---- moves --------------------------------------------------------------------------------------
 */

static void hub_init(struct world *w)
{
    struct dw_params p;
    dw_params_default(&p);
    dw_interlock_init(&w->k, &p, (dw_mono){w->now});
    w->hello_at = w->proof_at = w->picture_at = w->said_at = w->degraded_at = w->heard_at = NEVER;
    w->watched_since = NEVER;
    w->dark_since = w->now;
    w->has_hello = w->is_owner = w->proofs = w->retracts = w->is_recorded = 0;
    w->hub_nonce = 0;
    w->downs = w->ups = 0;
    hub_feed(w, (struct dw_event){.type = DW_EV_DISK, .value = 1});
}

static void begin(struct world *w)
{
    struct dw_lock_limits limits;
    memset(w, 0, sizeof *w);
    w->now = 1000000;
    dw_lock_limits_default(&limits);
    dw_lock_init(&w->l, &limits);
    w->s = (struct dw_lock_sense){.bolt = DW_BOLT_THROWN,
                                  .contact = DW_CONTACT_CLOSED,
                                  .strike = DW_STRIKE_IN,
                                  .throws_left = 500};
    w->is_out = 1;
    w->arrives = w->loose_since = NEVER;
    w->next_push = w->now + 1000;
    w->next_frame = w->now + 50;
    lock_feed(w, (struct dw_lock_event){.type = DW_LEV_POWER_UP, .sense = w->s});
    w->next_visit = 1;
    hub_init(w);
    pass(w, 6000);
}

/* False: it cannot happen here. */
static bool play(struct world *w, enum move m)
{
    switch (m) {
    case M_WAIT_1: pass(w, 100); return true;
    case M_WAIT_2: pass(w, 900); return true;
    case M_WAIT_3: pass(w, 2600); return true;
    case M_WAIT_4: pass(w, 7000); return true;
    case M_HELLO: {
        bool again = w->k.state == DW_VISIT_BETWEEN;
        uint32_t visit = again ? w->k.visit : w->next_visit++;
        bool taken = again || w->k.state == DW_VISIT_NONE || w->k.state == DW_VISIT_WATCH;
        if (taken) {
            w->visit = visit;
            w->has_hello = 1;
            w->is_owner = 0;
            w->proof_at = NEVER;
            if (!again)
                w->degraded_at = NEVER;
        }
        hub_feed(w, (struct dw_event){.type = DW_EV_HELLO,
                                      .visit = visit,
                                      .passed = ~UINT64_C(0),
                                      .kind = visit % 2 ? DW_VISIT_DROP : DW_VISIT_STAY,
                                      .openings = 2,
                                      .camera_class = DW_CAMERA_K2});
        break;
    }
    case M_PROOF:
        if (!w->visit)
            return false;
        if (w->k.state == DW_VISIT_READY && w->k.visit == w->visit) {
            w->proof_at = w->now;
            w->proofs++;
        }
        hub_feed(w, (struct dw_event){.type = DW_EV_PROOF, .visit = w->visit});
        break;
    case M_RECORDED:
        if (w->k.state != DW_VISIT_INTENT)
            return false;
        w->is_recorded = 1;
        hub_feed(
            w, (struct dw_event){.type = DW_EV_RECORDED, .visit = w->visit, .value = w->k.intent});
        break;
    case M_OPEN:
        if (w->s.contact != DW_CONTACT_CLOSED || w->s.bolt == DW_BOLT_THROWN || w->arrives != NEVER)
            return false;
        w->s.contact = DW_CONTACT_OPEN;
        sense(w);
        break;
    case M_CLOSE:
        if (w->s.contact == DW_CONTACT_CLOSED || w->s.bolt == DW_BOLT_THROWN)
            return false;
        w->s.contact = DW_CONTACT_CLOSED;
        allow_loose(w, w->l.limits.settle_ms + w->l.limits.bolt_ms_max);
        sense(w);
        break;
    case M_HANDLE: /* mechanical: no rule is asked [I20] */
        if (w->s.contact != DW_CONTACT_CLOSED)
            return false;
        w->is_out = 0;
        w->arrives = NEVER;
        w->s.handle = 1;
        sense(w);
        HOLD(w, w->s.bolt == DW_BOLT_RETRACTED, "I20: the handle always opens");
        w->s.contact = DW_CONTACT_OPEN;
        sense(w);
        w->s.handle = 0;
        sense(w);
        break;
    case M_DARK:
        if (w->camera == CAMERA_DARK)
            return false;
        w->camera = CAMERA_DARK;
        break;
    case M_LIVE:
        if (w->camera == CAMERA_LIVE)
            return false;
        w->camera = CAMERA_LIVE;
        w->dark_since = w->now;
        w->next_frame = w->now + 50;
        break;
    case M_STALE:
        if (w->camera == CAMERA_STALE)
            return false;
        w->camera = CAMERA_STALE;
        w->next_frame = w->now + 50;
        break;
    case M_REPLAY: frame(w, DW_FRAME_REPEAT); break;
    case M_UP:
        if (w->link == LINK_UP)
            return false;
        w->link = LINK_UP;
        w->cut_since = w->now;
        break;
    case M_CUT:
        if (w->link == LINK_CUT)
            return false;
        w->link = LINK_CUT; /* both ends see a dead connection: what was on its way is lost */
        w->ups = w->downs = 0;
        w->motor_granted = 0;
        hub_feed(w, (struct dw_event){.type = DW_EV_LOCK_LOST});
        break;
    case M_HELD:
        if (w->link != LINK_UP)
            return false;
        w->link = LINK_HELD;
        break;
    case M_ASKS: hub_feed(w, (struct dw_event){.type = DW_EV_SCREEN_ASKS}); break;
    case M_SAW:
        if (w->lease_end <= w->now)
            return false;
        w->lease_end = 0;
        hub_feed(w, (struct dw_event){.type = DW_EV_SCREEN_SAW});
        break;
    case M_LOCK: hub_feed(w, (struct dw_event){.type = DW_EV_OWNER_LOCK}); break;
    case M_END:
        if (w->k.state == DW_VISIT_NONE)
            return false;
        hub_feed(w, (struct dw_event){.type = DW_EV_OWNER_END});
        break;
    case M_ACK:
        if (!w->k.alarms)
            return false;
        hub_feed(w, (struct dw_event){.type = DW_EV_OWNER_ACKNOWLEDGE});
        break;
    case M_BLOCK:
        if (w->is_blocked || is_locked(w))
            return false;
        w->is_blocked = 1;
        break;
    case M_FREE:
        if (!w->is_blocked)
            return false;
        w->is_blocked = 0;
        if (w->arrives == NEVER - 1)
            w->arrives = w->now + TRAVEL_MS;
        allow_loose(w, 60000 + 2000); /* the long wait of LCK-6 */
        break;
    case M_HUB_RESTART: {
        bool visit = w->k.visit != 0, is_unaccounted = w->k.is_unaccounted != 0;
        struct dw_lock_word was = w->k.lock;
        hub_init(w);
        dw_interlock_resume(&w->k, &was, is_unaccounted);
        if (visit)
            hub_feed(w, (struct dw_event){.type = DW_EV_RESTARTED});
        break;
    }
    case M_LOCK_RESTART:
        if (w->arrives != NEVER)
            return false;
        w->ups = w->downs = 0;
        w->lock_void = w->lock_nonce;
        w->motor_granted = 0;
        allow_loose(w, w->l.limits.settle_ms + w->l.limits.bolt_ms_max);
        lock_feed(w, (struct dw_lock_event){.type = DW_LEV_POWER_UP, .sense = w->s});
        break;
    case M_LEAVING:
        if (w->k.kind != DW_VISIT_STAY || w->k.is_leaving)
            return false;
        hub_feed(w, (struct dw_event){.type = DW_EV_LEAVING, .visit = w->k.visit});
        break;
    case M_OWNER: {
        uint32_t visit = w->next_visit++;
        bool is_free = w->k.state == DW_VISIT_NONE || w->k.state == DW_VISIT_WATCH;
        uint32_t was = w->k.state, retracts = w->retracts;
        if (is_free) {
            w->visit = visit;
            w->has_hello = 0;
            w->is_owner = 1;
            w->proof_at = w->now;
            w->degraded_at = NEVER;
        }
        hub_feed(w, (struct dw_event){.type = DW_EV_OWNER_OPEN, .visit = visit});
        HOLD(w, w->retracts == retracts, "I35: nothing before it is durable");
        if (w->k.visit == visit && is_free)
            w->proofs++;
        else
            HOLD(w, w->k.state == was, "VIS-28: a busy or silent door stays as it was");
        break;
    }
    case M_COUNT: abort();
    }
    what_always_holds(w);
    return true;
}

/* ---- the table of seen states -------------------------------------------------------------------
 */

#define TABLE_BITS 22
static uint64_t table[1u << TABLE_BITS];

static uint64_t mix(uint64_t h, const void *bytes, size_t n)
{
    const unsigned char *b = bytes;
    for (; n >= 8; n -= 8, b += 8) {
        uint64_t v;
        memcpy(&v, b, 8);
        h = (h ^ v) * UINT64_C(0x9FB21C651E98DF25);
        h ^= h >> 29;
    }
    for (; n; n--, b++)
        h = (h ^ *b) * UINT64_C(0x100000001B3);
    return h;
}

static uint64_t ago(uint64_t now, uint64_t t)
{
    return t == NEVER         ? NEVER
           : t > now          ? (t - now) | UINT64_C(1) << 40
           : now - t > 200000 ? 200000
                              : now - t;
}

static uint64_t hash(const struct world *w)
{
    static struct dw_interlock k;
    static struct dw_lock l;
    dw_interlock_normalise(&w->k, &k);
    dw_lock_normalise(&w->l, &l);
    /* Handles count round; only how long ago each was drawn matters. */
    uint64_t h = 1;
    for (uint32_t i = 0; i < DW_LIVE_NONCES; i++)
        h = mix(
            h,
            &k.live.nonce_at[(k.live.newest_nonce + DW_LIVE_NONCES - i - 1) % DW_LIVE_NONCES + 1],
            8);
    for (uint32_t i = 0; i < DW_LOCK_ASKS; i++)
        h = mix(h, &k.lock_asked[(k.lock_newest_ask + DW_LOCK_ASKS - i - 1) % DW_LOCK_ASKS + 1], 8);
    for (uint32_t i = 0; i < DW_LIVE_GAPS; i++)
        h = mix(h, &k.live.gap[(k.live.gap_next + DW_LIVE_GAPS - i - 1) % DW_LIVE_GAPS], 16);
    uint32_t camera =
        k.camera_nonce
            ? (k.live.newest_nonce + DW_LIVE_NONCES - k.camera_nonce) % DW_LIVE_NONCES + 1
            : 0;
    uint32_t proven =
        k.live.proven_nonce
            ? (k.live.newest_nonce + DW_LIVE_NONCES - k.live.proven_nonce) % DW_LIVE_NONCES + 1
            : 0;
    uint32_t ask =
        k.lock_ask ? (k.lock_newest_ask + DW_LOCK_ASKS - k.lock_ask) % DW_LOCK_ASKS + 1 : 0;
    k.camera_nonce = camera;
    k.live.proven_nonce = proven;
    k.lock_ask = ask;
    k.lock.ask = 0;
    k.live.newest_nonce = k.lock_newest_ask = k.live.gap_next = 0;
    k.visit = k.visit ? 1 + k.visit % 2 : 0;
    memset(k.live.nonce_at, 0, sizeof k.live.nonce_at);
    memset(k.lock_asked, 0, sizeof k.lock_asked);
    memset(k.live.gap, 0, sizeof k.live.gap);
    h = mix(h, &k, sizeof k);
    h = mix(h, &l, sizeof l);
    const uint64_t rest[] = {ago(w->now, w->arrives),
                             w->is_out,
                             w->is_blocked,
                             w->link,
                             w->camera,
                             ago(w->now, w->next_push),
                             ago(w->now, w->next_frame),
                             ago(w->now, w->proof_at),
                             ago(w->now, w->picture_at),
                             ago(w->now, w->said_at),
                             w->degraded_at != NEVER,
                             ago(w->now, w->lease_end),
                             w->has_hello | w->is_owner << 1,
                             w->proofs - w->retracts,
                             w->is_recorded,
                             w->word_is_true,
                             w->visit == w->k.visit,
                             w->next_visit % 2,
                             w->motor_granted,
                             w->lock_nonce - w->lock_void,
                             w->lock_nonce - w->hub_nonce,
                             w->s.handle,
                             w->s.contact,
                             w->s.bolt};
    h = mix(h, rest, sizeof rest);
    for (uint32_t i = 0; i < w->ups; i++) {
        const uint64_t m[] = {ago(w->now, w->up[i].due),
                              ago(w->now, w->up[i].said),
                              w->up[i].w.bolt,
                              w->up[i].w.contact,
                              w->up[i].is_answer,
                              w->up[i].w.cause,
                              w->l.opening_count - w->up[i].w.opening_count,
                              w->l.op_count - w->up[i].w.op_count};
        h = mix(h, m, sizeof m);
    }
    for (uint32_t i = 0; i < w->downs; i++) {
        const uint64_t m[] = {ago(w->now, w->down[i].due), w->down[i].type, w->down[i].a};
        h = mix(h, m, sizeof m);
    }
    const uint64_t counts[] = {w->l.opening_count - w->k.lock.opening_count,
                               w->l.op_count - w->k.lock.op_count};
    return mix(h, counts, sizeof counts);
}

static uint64_t distinct;

/* True when this state was played with at least `left` moves before. */
static bool was_seen(const struct world *w, uint32_t left)
{
    uint64_t h = hash(w);
    uint64_t key = (h & ~UINT64_C(15)) | left;
    uint32_t at = (uint32_t)(h >> (64 - TABLE_BITS));
    for (uint32_t i = 0; i < 8; i++) {
        uint64_t *e = &table[(at + i) & ((1u << TABLE_BITS) - 1)];
        if ((*e & ~UINT64_C(15)) == (key & ~UINT64_C(15)) && *e) {
            if ((*e & 15) >= left)
                return true;
            *e = key;
            return false;
        }
        if (!*e) {
            *e = key;
            distinct++;
            return false;
        }
    }
    table[at] = key; /* full here: forget one; it is played again if it comes again */
    distinct++;
    return false;
}

static void explore(const struct world *w, uint32_t left)
{
    if (left == 0)
        return;
    for (uint32_t m = 0; m < M_COUNT; m++) {
        struct world next = *w;
        path[path_len++] = m;
        moves_played++;
        if (play(&next, (enum move)m)) {
            if (was_seen(&next, left - 1))
                cut_short++;
            else
                explore(&next, left - 1);
        }
        path_len--;
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        uint8_t moves[28];
    } roots[] = {
        {"idle", {M_COUNT}},
        {"ready", {M_HELLO, M_WAIT_1, M_COUNT}},
        {"intent", {M_ASKS, M_HELLO, M_WAIT_1, M_PROOF, M_COUNT}},
        {"looking", {M_HELLO, M_WAIT_1, M_STALE, M_PROOF, M_RECORDED, M_WAIT_1, M_COUNT}},
        {"opening", {M_HELLO, M_WAIT_1, M_PROOF, M_RECORDED, M_WAIT_1, M_COUNT}},
        {"unlocked", {M_HELLO, M_WAIT_1, M_PROOF, M_RECORDED, M_WAIT_2, M_COUNT}},
        {"inside", {M_HELLO, M_WAIT_1, M_PROOF, M_RECORDED, M_WAIT_2, M_OPEN, M_WAIT_1, M_COUNT}},
        {"closing",
         {M_HELLO, M_WAIT_1, M_PROOF, M_RECORDED, M_WAIT_2, M_OPEN, M_WAIT_2, M_CLOSE, M_WAIT_1,
          M_COUNT}},
        {"watch",
         {M_HELLO, M_WAIT_1, M_PROOF, M_RECORDED, M_WAIT_2, M_OPEN, M_WAIT_2, M_CLOSE, M_WAIT_3,
          M_COUNT}},
        {"stuck",
         {M_HELLO, M_WAIT_1, M_PROOF, M_RECORDED, M_WAIT_2, M_OPEN, M_WAIT_2, M_BLOCK, M_CLOSE,
          M_WAIT_4, M_COUNT}},
        {"unheard",
         {M_HELLO, M_WAIT_1, M_PROOF, M_RECORDED, M_WAIT_2, M_OPEN, M_CUT, M_WAIT_4, M_WAIT_4,
          M_WAIT_4, M_COUNT}},
        {"held, unlocked",
         {M_HELLO, M_WAIT_1, M_PROOF, M_RECORDED, M_WAIT_1, M_HELD, M_WAIT_2, M_COUNT}},
        {"stay, between",
         {M_HELLO, M_END, M_HELLO, M_WAIT_1, M_PROOF, M_RECORDED, M_WAIT_2, M_OPEN, M_WAIT_2,
          M_CLOSE, M_WAIT_3, M_COUNT}},
        {"stay, second opening",
         {M_HELLO, M_END, M_HELLO, M_WAIT_1, M_PROOF, M_RECORDED, M_WAIT_2, M_OPEN, M_WAIT_2,
          M_CLOSE, M_WAIT_3, M_HELLO, M_WAIT_1, M_PROOF, M_RECORDED, M_WAIT_2, M_COUNT}},
        {"household, intent", {M_ASKS, M_OWNER, M_COUNT}},
        {"household, unlocked", {M_OWNER, M_RECORDED, M_WAIT_2, M_COUNT}},
        {"household, inside", {M_OWNER, M_RECORDED, M_WAIT_2, M_OPEN, M_WAIT_1, M_COUNT}},
        {"restarted", {M_HELLO, M_WAIT_1, M_PROOF, M_RECORDED, M_WAIT_2, M_HUB_RESTART, M_COUNT}},
    };
    bool is_full = getenv("DW_FULL") != NULL;
    uint32_t depth = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : is_full ? DEPTH + 1u : DEPTH;
    DW_ASSERT(depth < 15 && DW_ARRAY_COUNT(move_words) == M_COUNT);
    for (size_t i = 0; i < DW_ARRAY_COUNT(roots); i++) {
        static struct world w;
        begin(&w);
        root_name = roots[i].name;
        path_len = 0;
        for (const uint8_t *m = roots[i].moves; *m != M_COUNT; m++) {
            path[path_len++] = *m;
            if (!play(&w, (enum move) * m))
                broken(&w, "the way to the root");
        }
        path_len = 0;
        explore(&w, depth);
    }
    printf("explored: depth %u from %zu stages, %" PRIu64 " moves, %" PRIu64
           " distinct states, %" PRIu64 " met again, %" PRIu64 " steps of the rules\n",
           depth, DW_ARRAY_COUNT(roots), moves_played, distinct, cut_short, steps);
    for (uint32_t s = 0; s < DW_VISIT_STATE_COUNT; s++) {
        if (!(reached & DW_BIT(s))) {
            printf("never reached: %s\n", dw_visit_state_word((enum dw_visit_state)s));
            return 1;
        }
    }
    return 0;
}
