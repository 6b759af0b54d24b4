/* visits [--visits N] [--seed S] [--air quiet|home|rough] [--bench] - whole honest visits, on the
 * real rules, through a home's air.
 *
 * The real dw_interlock and dw_lock, a courier who behaves, a camera and a lock on Wi-Fi. What is
 * made up is the air and the people; the figures of the air are those of docs/spec/visit.md 7 ("The
 * model"): ordinary jitter, lost packets that TCP sends again, pauses, scans, roaming (1.1 s) and
 * restarts of the access point (6.2 s and 7.6 s); every stream keeps its order, and what was held
 * comes in a burst. The camera agent leaves frames out when more than HOLD_MS of them wait, and
 * begins again with a key frame. One seed and one commit give one run. Prints JSON lines; exit 1
 * when a limit is missed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/lock.h"
#include "core/visit.h"

#define NEVER UINT64_MAX
/* The agent's own queue (half a second) and the socket's buffer below it. */
#define HOLD_MS 1400u

void dw_panic(const char *expr, const char *file, int line)
{
    fprintf(stderr, "panic: %s at %s:%d\n", expr, file, line);
    abort();
}

/* ---- chance -------------------------------------------------------------------------------------
 */

static uint64_t chance_state;

static uint64_t draw(void) /* splitmix64 */
{
    uint64_t z = chance_state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static uint64_t between(uint64_t least, uint64_t most)
{
    return least + draw() % (most - least + 1);
}

static bool one_in(uint64_t n)
{
    return n != 0 && draw() % n == 0;
}

/* ---- the air ------------------------------------------------------------------------------------
 */

/* How often things happen, as "one in so many" (0: never). Jitter and loss are a packet's; the rest
 * a second's. */
struct air {
    const char *name;
    uint32_t way_least, way_most;            /* ms, an ordinary packet */
    uint32_t slow_in, slow_most;             /* contention: up to so many ms more */
    uint32_t lost_in;                        /* sent again by TCP after 200 to 400 ms */
    uint32_t lost_twice_in;                  /* of those: 600 to 900 ms */
    uint32_t scan_in, scan_least, scan_most; /* off channel */
    uint32_t roam_in;    /* 1.1 s: another access point, a single deauthentication */
    uint32_t restart_in; /* 6.2 or 7.6 s: the access point starts anew */
};

static const struct air airs[] = {
    {"quiet", 2, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0},
    /* An access point restarts once a week, a client roams or is told to leave once an hour. */
    {"home", 2, 25, 100, 120, 1000, 40, 60, 60, 300, 3600, 604800},
    /* Worse than any home that was measured: ten times the loss, a gap of 1.1 s every ten minutes.
     */
    {"rough", 3, 40, 25, 250, 200, 20, 30, 80, 450, 600, 86400},
};

/* One station on the air: silent from `from` until `until`. */
struct station {
    uint64_t from, until, next_second;
};

/* A stream from or to a station keeps its order. */
struct stream {
    uint64_t last;
};

struct message {
    uint64_t at;
    uint32_t kind, a, b, order;
    uint64_t said;
    struct dw_lock_word word;
};
enum {
    TO_CAMERA_NONCE,
    TO_HUB_FRAME,
    TO_LOCK_ASK,
    TO_LOCK_RETRACT,
    TO_LOCK_THROW,
    TO_HUB_WORD,
    RECORDED
};

#define MESSAGES 512u
struct home {
    const struct air *air;
    struct dw_interlock k;
    struct dw_lock l;
    uint64_t now;
    struct station camera_air, lock_air;
    struct stream camera_up, camera_down, lock_up, lock_down;
    struct message m[MESSAGES];
    uint32_t messages;
    /* camera */
    uint32_t frame_ms, nonce, frame_order;
    uint64_t nonce_got, next_frame;
    bool awaits_key;
    /* lock and door */
    struct dw_lock_sense s;
    uint64_t arrives, next_push;
    uint32_t is_out, travel_ms, newest_ask;
    /* courier */
    uint64_t courier_at;
    uint32_t courier, visit, tries, reopens;
    /* account */
    uint64_t outage_ms, steps, opened_at, hello_at, ready_at, proof_at, retract_at, closed_at,
        secured_at;
    uint32_t outcome, check, alarms, lates;
    bool is_over;
    bool is_owner; /* the household opens its own door (VIS-28); its camera is dark */
};
enum { AWAY, RINGS, WAITS_OFFER, SLIDES, WAITS_BOLT, OPENS, INSIDE, CLOSES, WAITS_LOCKED };

static void second_passes(struct home *h, struct station *s, bool both)
{
    const struct air *a = h->air;
    uint64_t from = s->next_second + between(0, 999), ms = 0;
    if (a->scan_in && one_in(a->scan_in))
        ms = between(a->scan_least, a->scan_most);
    if (one_in(a->roam_in))
        ms = between(1040, 1160);
    if (both && one_in(a->restart_in)) {
        ms = one_in(2) ? 6200 : 7600;
        h->lock_air.from = from;
        h->lock_air.until = from + ms;
    }
    if (ms && from >= s->until) {
        s->from = from;
        s->until = from + ms;
    }
    if (ms > h->outage_ms && h->hello_at && !h->is_over)
        h->outage_ms = ms;
    s->next_second += 1000;
}

/* When what is sent now arrives. */
static uint64_t arrival(struct home *h, const struct station *s, struct stream *stream)
{
    const struct air *a = h->air;
    uint64_t t = h->now >= s->from && h->now < s->until ? s->until : h->now;
    t += between(a->way_least, a->way_most);
    if (one_in(a->slow_in))
        t += between(0, a->slow_most);
    if (one_in(a->lost_in))
        t += one_in(a->lost_twice_in) ? between(600, 900) : between(200, 400);
    if (t < stream->last)
        t = stream->last;
    stream->last = t;
    return t;
}

static struct message *post(struct home *h, uint64_t at, uint32_t kind)
{
    DW_ASSERT(h->messages < MESSAGES);
    struct message *m = &h->m[h->messages++];
    *m = (struct message){.at = at, .kind = kind};
    return m;
}

/* ---- lock and door ------------------------------------------------------------------------------
 */

static void lock_feed(struct home *h, struct dw_lock_event ev);

static void say(struct home *h)
{
    struct message *m = post(h, arrival(h, &h->lock_air, &h->lock_up), TO_HUB_WORD);
    m->word = (struct dw_lock_word){.ask = h->newest_ask,
                                    .lock_class = DW_LOCK_A,
                                    .bolt = dw_lock_bolt(&h->l),
                                    .contact = h->l.sense.contact,
                                    .strike = h->l.sense.strike,
                                    .cause = h->l.cause,
                                    .throws_left = 500,
                                    .has_relock = 1,
                                    .op_count = h->l.op_count,
                                    .opening_count = h->l.opening_count,
                                    .boot = 1};
}

static void sense(struct home *h)
{
    h->s.bolt = h->arrives != NEVER ? DW_BOLT_MOVING
                : h->is_out         ? DW_BOLT_THROWN
                                    : DW_BOLT_RETRACTED;
    h->s.strike = h->s.bolt == DW_BOLT_THROWN ? DW_STRIKE_IN : DW_STRIKE_OUT;
    lock_feed(h, (struct dw_lock_event){.type = DW_LEV_SENSE, .sense = h->s});
}

static void lock_feed(struct home *h, struct dw_lock_event ev)
{
    struct dw_lock_fx fx;
    bool moved = false;
    ev.now.ms = h->now;
    if (dw_failed(dw_lock_step(&h->l, &ev, &fx)))
        abort();
    for (uint32_t i = 0; i < fx.count; i++) {
        if (fx.at[i].type == DW_LFX_MOTOR_THROW || fx.at[i].type == DW_LFX_MOTOR_RETRACT) {
            h->is_out = fx.at[i].type == DW_LFX_MOTOR_THROW;
            h->arrives = h->now + h->travel_ms;
            moved = true;
        } else if (fx.at[i].type == DW_LFX_MOTOR_STOP) {
            h->arrives = NEVER;
        } else if (fx.at[i].type == DW_LFX_REPORT) {
            say(h);
        }
    }
    if (moved)
        sense(h);
}

/* ---- the hub ------------------------------------------------------------------------------------
 */

static void hub_feed(struct home *h, struct dw_event ev)
{
    struct dw_effects fx;
    ev.now.ms = h->now;
    if (dw_failed(dw_interlock_step(&h->k, &ev, &fx)))
        abort();
    h->steps++;
    for (uint32_t i = 0; i < fx.count; i++) {
        uint32_t a = fx.at[i].a;
        struct message *m;
        switch ((enum dw_fx_type)fx.at[i].type) {
        case DW_FX_ASK_CAMERA:
            m = post(h, arrival(h, &h->camera_air, &h->camera_down), TO_CAMERA_NONCE);
            m->a = a;
            break;
        case DW_FX_ASK_LOCK:
            m = post(h, arrival(h, &h->lock_air, &h->lock_down), TO_LOCK_ASK);
            m->a = a;
            break;
        case DW_FX_RETRACT:
            m = post(h, arrival(h, &h->lock_air, &h->lock_down), TO_LOCK_RETRACT);
            m->a = a;
            m->b = fx.at[i].b;
            h->retract_at = h->now;
            break;
        case DW_FX_THROW:
            (void)post(h, arrival(h, &h->lock_air, &h->lock_down), TO_LOCK_THROW);
            break;
        case DW_FX_INTENT: /* one fsync */
            m = post(h, h->now + between(2, 30), RECORDED);
            m->a = a;
            break;
        case DW_FX_OFFER:
            if (a == DW_CHECK_NONE && h->courier == WAITS_OFFER) {
                h->ready_at = h->now;
                h->courier = SLIDES;
                h->courier_at = h->now + between(1500, 9000);
            }
            break;
        case DW_FX_RECEIPT:
            h->outcome = a;
            h->check = fx.at[i].b;
            if (a == DW_OUTCOME_REFUSED && h->tries < 3) {
                h->courier = RINGS; /* "try once more" */
                h->courier_at = h->now + between(2000, 6000);
            } else {
                h->secured_at = h->now;
                h->is_over = true;
            }
            break;
        case DW_FX_NEWS:
            if (a == DW_VISIT_UNLOCKED && h->courier == WAITS_BOLT) {
                h->courier = OPENS;
                h->courier_at = h->now + between(800, 6000);
            }
            break;
        case DW_FX_ALARM: h->alarms |= DW_BIT(a); break;
        case DW_FX_STORY:
            if (a == DW_NOTE_CAMERA && fx.at[i].b == DW_CAMERA_LATE)
                h->lates++;
            break;
        case DW_FX_NONE:
        case DW_FX_RECORD_START:
        case DW_FX_RECORD_STOP:
        case DW_FX_CONFIRMED:
        case DW_FX_DISPLAY:
        case DW_FX_OPENING:
        case DW_FX_ALARM_OVER: break;
        case DW_FX_COUNT: abort();
        }
    }
}

static void take_frame(struct home *h)
{
    h->next_frame = h->now + h->frame_ms + (one_in(20) ? between(0, 15) : between(0, 3));
    if (h->nonce == 0)
        return;
    uint64_t waits = h->camera_up.last > h->now ? h->camera_up.last - h->now : 0;
    if (waits > HOLD_MS || (h->awaits_key && waits > HOLD_MS / 2)) {
        h->awaits_key = true; /* too much unsent: left out, a key frame next */
        h->frame_order = DW_FRAME_SKIP;
        return;
    }
    h->awaits_key = false;
    struct message *m =
        post(h, arrival(h, &h->camera_air, &h->camera_up) + between(4, 12), TO_HUB_FRAME);
    m->a = h->nonce;
    m->said = h->now - h->nonce_got;
    m->order = h->frame_order;
    h->frame_order = DW_FRAME_NEXT;
}

static void deliver(struct home *h, const struct message *m)
{
    struct dw_event ev = {.visit = h->visit};
    switch (m->kind) {
    case TO_CAMERA_NONCE:
        h->nonce = m->a;
        h->nonce_got = h->now;
        break;
    case TO_HUB_FRAME:
        ev.type = DW_EV_FRAME;
        ev.frame = (struct dw_frame_seen){.nonce = m->a,
                                          .since_ms = (uint32_t)m->said,
                                          .order = m->order,
                                          .camera_class = DW_CAMERA_K2,
                                          .still_ms = (uint32_t)between(0, 400)};
        hub_feed(h, ev);
        break;
    case TO_LOCK_ASK:
        h->newest_ask = m->a;
        say(h);
        break;
    case TO_LOCK_RETRACT:
        lock_feed(
            h, (struct dw_lock_event){.type = DW_LEV_RETRACT, .lease_ms = m->a, .dwell_ms = m->b});
        break;
    case TO_LOCK_THROW: lock_feed(h, (struct dw_lock_event){.type = DW_LEV_THROW}); break;
    case TO_HUB_WORD:
        ev.type = DW_EV_LOCK;
        ev.lock = m->word;
        hub_feed(h, ev);
        break;
    case RECORDED:
        ev.type = DW_EV_RECORDED;
        ev.value = m->a;
        hub_feed(h, ev);
        break;
    default: abort();
    }
}

/* ---- the courier --------------------------------------------------------------------------------
 */

static void courier_acts(struct home *h)
{
    h->courier_at = NEVER;
    switch (h->courier) {
    case RINGS:
        h->visit++;
        h->tries++;
        h->courier = WAITS_OFFER;
        if (!h->hello_at)
            h->hello_at = h->now;
        if (h->is_owner) {
            h->courier = WAITS_BOLT;
            h->proof_at = h->now;
            hub_feed(h, (struct dw_event){.type = DW_EV_OWNER_OPEN, .visit = h->visit});
            break;
        }
        hub_feed(h, (struct dw_event){.type = DW_EV_HELLO,
                                      .visit = h->visit,
                                      .passed = ~UINT64_C(0),
                                      .openings = 1,
                                      .camera_class = DW_CAMERA_K2});
        break;
    case SLIDES:
        h->courier = WAITS_BOLT;
        h->proof_at = h->now;
        hub_feed(h, (struct dw_event){.type = DW_EV_PROOF, .visit = h->visit});
        break;
    case OPENS:
        if (h->s.bolt == DW_BOLT_THROWN) /* too slow: it has locked again */
            break;
        h->s.contact = DW_CONTACT_OPEN;
        if (!h->opened_at)
            h->opened_at = h->now;
        h->courier = INSIDE;
        h->courier_at = h->now + (h->reopens ? between(500, 4000) : between(3000, 25000));
        sense(h);
        break;
    case INSIDE:
        h->s.contact = DW_CONTACT_CLOSED;
        h->closed_at = h->now;
        h->courier = WAITS_LOCKED;
        if (h->reopens < 2 && one_in(25)) { /* a leaf that bounces, a parcel forgotten */
            h->reopens++;
            h->courier = OPENS;
            h->courier_at = h->now + between(100, 1300);
        }
        sense(h);
        break;
    default: break;
    }
}

static void begin(struct home *h, const struct air *air)
{
    struct dw_params p;
    struct dw_lock_limits limits;
    memset(h, 0, sizeof *h);
    h->air = air;
    h->now = 1000000;
    h->frame_ms = between(0, 1) ? 33 : between(0, 1) ? 40 : 50; /* 30, 25, 20 a second */
    h->travel_ms = (uint32_t)between(300, 700);
    h->s = (struct dw_lock_sense){.bolt = DW_BOLT_THROWN,
                                  .contact = DW_CONTACT_CLOSED,
                                  .strike = DW_STRIKE_IN,
                                  .throws_left = 500};
    h->is_out = 1;
    h->arrives = NEVER;
    h->next_frame = h->now + 10;
    h->next_push = h->now + between(0, 1000);
    h->camera_air.next_second = h->lock_air.next_second = h->now + between(0, 1000);
    h->frame_order = DW_FRAME_NEXT;
    h->courier = RINGS;
    h->courier_at = h->now + 12000 + between(0, 1000);
    dw_params_default(&p);
    dw_lock_limits_default(&limits);
    dw_lock_init(&h->l, &limits);
    dw_interlock_init(&h->k, &p, (dw_mono){h->now});
    lock_feed(h, (struct dw_lock_event){.type = DW_LEV_POWER_UP, .sense = h->s});
    hub_feed(h, (struct dw_event){.type = DW_EV_DISK, .value = 1});
}

static void visit(struct home *h)
{
    uint64_t end = h->now + 400000;
    while (!h->is_over && h->now < end) {
        uint64_t at = dw_interlock_deadline(&h->k).ms, lock = dw_lock_deadline(&h->l).ms;
        uint32_t first = UINT32_MAX;
        for (uint32_t i = 0; i < h->messages; i++) {
            if (first == UINT32_MAX || h->m[i].at < h->m[first].at)
                first = i;
        }
        uint64_t due[] = {lock,
                          h->arrives,
                          h->next_push,
                          h->next_frame,
                          h->courier_at,
                          h->camera_air.next_second,
                          h->lock_air.next_second,
                          first == UINT32_MAX ? NEVER : h->m[first].at};
        uint32_t what = UINT32_MAX;
        for (uint32_t i = 0; i < DW_ARRAY_COUNT(due); i++) {
            if (due[i] <= at) {
                at = due[i];
                what = i;
            }
        }
        if (at > h->now)
            h->now = at;
        switch (what) {
        case 0: lock_feed(h, (struct dw_lock_event){.type = DW_LEV_TIMEOUT}); break;
        case 1:
            h->arrives = NEVER;
            sense(h);
            break;
        case 2:
            h->next_push += 1000;
            if (h->newest_ask)
                say(h);
            break;
        case 3: take_frame(h); break;
        case 4: courier_acts(h); break;
        case 5: second_passes(h, &h->camera_air, true); break;
        case 6: second_passes(h, &h->lock_air, false); break;
        case 7: {
            struct message m = h->m[first];
            h->messages--;
            memmove(&h->m[first], &h->m[first + 1], (h->messages - first) * sizeof m);
            deliver(h, &m);
            break;
        }
        default: hub_feed(h, (struct dw_event){.type = DW_EV_TIMEOUT});
        }
    }
}

/* ---- the account --------------------------------------------------------------------------------
 */

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t quantile(uint32_t *v, uint32_t n, double q)
{
    if (n == 0)
        return 0;
    qsort(v, n, sizeof *v, ascending);
    uint32_t at = (uint32_t)((double)(n - 1) * q);
    return v[at];
}

static bool missed;

static void line(const char *name, double value, const char *unit, const char *limit, bool is_met)
{
    printf("{\"name\":\"%s\",\"value\":%.6g,\"unit\":\"%s\",\"limit\":%s,\"ok\":%s}\n", name, value,
           unit, limit, is_met ? "true" : "false");
    missed |= !is_met;
}

/* The household's own openings through the same air. */
static void run_owner(const struct air *air, uint32_t openings, uint64_t seed, bool is_judged)
{
    static struct home h;
    uint32_t ok = 0, shorts = 0, short_ok = 0;
    char name[64];
    for (uint32_t i = 0; i < openings; i++) {
        chance_state = ~seed * UINT64_C(1000003) + i;
        begin(&h, air);
        h.is_owner = true;
        h.next_frame = NEVER;
        visit(&h);
        bool is_ok = h.is_over && h.outcome == DW_OUTCOME_OK;
        ok += is_ok;
        shorts += h.outage_ms <= 2000;
        short_ok += h.outage_ms <= 2000 && is_ok;
    }
    double share = shorts ? 100.0 * short_ok / shorts : 0;
    snprintf(name, sizeof name, "sim.%s.household", air->name);
    line(name, openings, "", "null", true);
    snprintf(name, sizeof name, "sim.%s.household_ok", air->name);
    line(name, openings ? 100.0 * ok / openings : 0, "%", "null", true);
    snprintf(name, sizeof name, "sim.%s.household_ok_no_long_outage", air->name);
    line(name, share, "%", is_judged ? "99.5" : "null", !is_judged || share >= 99.5);
}

static void run(const struct air *air, uint32_t visits, uint64_t seed, bool is_bench,
                bool is_judged)
{
    static uint32_t open_ms[100000], lock_ms[100000];
    uint32_t ok = 0, first_ok = 0, short_ok = 0, shorts = 0, alarmed = 0, worked = 0, late = 0;
    uint32_t outcomes[DW_OUTCOME_COUNT] = {0};
    uint64_t steps = 0, ms = 0;
    static struct home h;
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (uint32_t i = 0; i < visits; i++) {
        chance_state = seed * UINT64_C(1000003) + i;
        begin(&h, air);
        uint64_t from = h.now;
        visit(&h);
        bool is_ok = h.is_over && h.outcome == DW_OUTCOME_OK;
        outcomes[h.is_over ? h.outcome : DW_OUTCOME_NONE]++;
        ok += is_ok;
        first_ok += is_ok && h.tries == 1;
        bool is_short = h.outage_ms <= 2000;
        shorts += is_short;
        short_ok += is_short && is_ok;
        alarmed += is_short && h.alarms != 0;
        steps += h.steps;
        ms += h.now - from;
        late += h.lates;
        if (is_ok) {
            open_ms[worked] = (uint32_t)(h.retract_at - h.proof_at);
            lock_ms[worked++] = (uint32_t)(h.secured_at - h.closed_at);
        }
        if (getenv("DW_VERBOSE") && (!is_ok || h.alarms))
            fprintf(stderr,
                    "visit %u: %s %s, tries %u, reopens %u, outage %" PRIu64
                    " ms, alarms %x, worst gap %u ms, skipped %u\n",
                    i, dw_outcome_word((enum dw_outcome)h.outcome),
                    dw_check_code((enum dw_check)h.check), h.tries, h.reopens, h.outage_ms,
                    h.alarms, h.k.live.gap_worst_ms, h.k.live.has_skipped);
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    double seconds = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
    char name[64];
#define NAME(text) (snprintf(name, sizeof name, "sim.%s.%s", air->name, text), name)
    double share = shorts ? 100.0 * short_ok / shorts : 0,
           false_alarms = shorts ? 1000.0 * alarmed / shorts : 0;
    line(NAME("visits"), visits, "", "null", true);
    line(NAME("honest_ok"), 100.0 * ok / visits, "%", "null", true);
    line(NAME("honest_ok_no_long_outage"), share, "%", is_judged ? "99.5" : "null",
         !is_judged || share >= 99.5);
    line(NAME("honest_ok_first_try"), 100.0 * first_ok / visits, "%", "null", true);
    line(NAME("false_alarms"), false_alarms, "per 1000", is_judged ? "1" : "null",
         !is_judged || false_alarms <= 1);
    line(NAME("late_per_hour"), ms ? 3600000.0 * late / (double)ms : 0, "1/h", "null", true);
    line(NAME("slide_to_retract_p50"), quantile(open_ms, worked, 0.5), "ms", "null", true);
    line(NAME("slide_to_retract_p99"), quantile(open_ms, worked, 0.99), "ms", "null", true);
    line(NAME("closed_to_secured_p50"), quantile(lock_ms, worked, 0.5), "ms", "null", true);
    line(NAME("closed_to_secured_p99"), quantile(lock_ms, worked, 0.99), "ms", "null", true);
    for (uint32_t o = 0; o < DW_OUTCOME_COUNT; o++) {
        char what[40];
        snprintf(what, sizeof what, "outcome_%s", dw_outcome_word((enum dw_outcome)o));
        if (outcomes[o])
            line(NAME(what), outcomes[o], "visits", "null", true);
    }
    if (is_bench)
        line(NAME("visits_per_s"), visits / seconds, "1/s", "null", true);
    (void)steps;
}

int main(int argc, char **argv)
{
    uint32_t visits = 10000;
    uint64_t seed = 1;
    const char *air = "home";
    bool is_bench = strstr(argv[0], "bench_") != NULL, all = is_bench;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--visits") == 0 && i + 1 < argc) {
            visits = (uint32_t)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            seed = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--air") == 0 && i + 1 < argc) {
            air = argv[++i];
            all = false;
        } else if (strcmp(argv[i], "--bench") == 0) {
            is_bench = all = true;
        } else {
            fprintf(stderr,
                    "usage: visits [--visits N] [--seed S] [--air quiet|home|rough] [--bench]\n");
            return 2;
        }
    }
    if (visits == 0 || visits > 100000) {
        fprintf(stderr, "visits: 1 to 100000\n");
        return 2;
    }
    bool found = false;
    for (size_t i = 0; i < DW_ARRAY_COUNT(airs); i++) {
        if (all || strcmp(air, airs[i].name) == 0) {
            found = true;
            run(&airs[i], visits, seed, is_bench, strcmp(airs[i].name, "rough") != 0);
            run_owner(&airs[i], visits / 5, seed, strcmp(airs[i].name, "rough") != 0);
        }
    }
    if (!found) {
        fprintf(stderr, "visits: there is no air '%s'\n", air);
        return 2;
    }
    return missed ? 1 : 0;
}
