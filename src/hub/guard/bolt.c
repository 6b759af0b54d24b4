/* The lock: asks, its word, and the one line that withdraws the bolt. */
#include <stdio.h>
#include <string.h>

#include "crypto/signed.h"
#include "hub/guard/guard.h"
#include "os/os.h"

#define BAD_MAX 20u

/* [I11] What the lock has heard of us must not be more than the database knows: it would be one
 * that was restored, and what it says is unused may be used. While something is under way the
 * database is ahead by as much as that may need; between, it is exact. */
#define KNOWN_KEY "lock_known"
#define RESERVE   8u

#define COUNTS_KEY "lock_counts"

static bool is_class_a(const struct guard *g)
{
    return strcmp(g->set.lock_adapter, "reference") == 0;
}

void bolt_ask(struct guard *g, uint32_t handle)
{
    DW_ASSERT(handle >= 1 && handle <= DW_LOCK_ASKS);
    struct lock_side *l = &g->lock;
    struct dw_ipc_bytes m = {.kind = DW_LOCK_KIND_ASK, .sent_ms = dw_now().ms};
    dw_random(l->nonce[handle], 32);
    l->has_nonce[handle] = true;
    l->ask_at_ms[handle] = m.sent_ms;
    if (is_class_a(g)) {
        struct dw_lock_ask ask;
        uint8_t payload[128];
        memcpy(ask.nonce, l->nonce[handle], 32);
        struct dw_buf p = dw_buf_of(payload, sizeof payload);
        struct dw_buf out = dw_buf_of(m.bytes, sizeof m.bytes);
        if (dw_failed(dw_lock_ask_write(&ask, &p)) ||
            dw_failed(dw_signed_make(&g->secret, DW_CONTEXT_LOCK_ASK, dw_view_of_buf(&p), &out)))
            return;
        m.len = (uint16_t)out.len;
    }
    child_send(g, CHILD_LOCK, DW_IPC_LOCK_ASK, &m);
}

/* Builds and sends one command. For class A it is signed here and bound to the lock's newest nonce:
 * the lock process and the radio only carry it [I43]. */
static void command(struct guard *g, enum dw_lock_action action, uint64_t visit, uint32_t lease_ms,
                    uint32_t dwell_ms, dw_mono expires)
{
    struct lock_side *l = &g->lock;
    struct dw_ipc_lock_command m = {
        .visit = visit,
        .expires_ms = expires.ms,
        .action = (uint8_t)action,
    };
    if (is_class_a(g)) {
        if (!l->has_lock_nonce) {
            dw_log("warn", "lock_command", "dropped=no_nonce");
            return;
        }
        struct dw_lock_command c = {
            .visit = visit,
            .epoch = l->epoch,
            .action = (uint8_t)action,
            .counter = ++l->counter,
            .lease_ms = lease_ms,
            .dwell_ms = dwell_ms,
        };
        memcpy(c.lock_nonce, l->lock_nonce, 32);
        if (l->counter > l->known_counter)
            bolt_remember(g, l->counter);
        if (action == DW_LOCK_ACTION_RETRACT) {
            memcpy(l->retract_nonce, l->lock_nonce, 32);
            l->retract_counter = c.counter;
            l->retract_ms = dw_now().ms;
            l->is_retract_stale = false;
        }
        uint8_t payload[256];
        struct dw_buf p = dw_buf_of(payload, sizeof payload);
        struct dw_buf out = dw_buf_of(m.bytes, sizeof m.bytes);
        if (dw_failed(dw_lock_command_write(&c, &p)) ||
            dw_failed(
                dw_signed_make(&g->secret, DW_CONTEXT_LOCK_COMMAND, dw_view_of_buf(&p), &out)))
            return;
        m.len = (uint16_t)out.len;
    }
    child_send(g, CHILD_LOCK, DW_IPC_LOCK_COMMAND, &m);
}

void bolt_throw(struct guard *g, uint64_t visit, dw_mono expires)
{
    command(g, DW_LOCK_ACTION_THROW, visit, 0, 0, expires);
}

void dw_actuate_retract(struct guard *g, uint64_t visit, uint32_t lease_ms, uint32_t dwell_ms,
                        dw_mono expires)
{
    dw_log("info", "retract", "lease_ms=%u", lease_ms);
    command(g, DW_LOCK_ACTION_RETRACT, visit, lease_ms, dwell_ms, expires);
}

static uint32_t find_ask(const struct guard *g, const uint8_t nonce[32])
{
    for (uint32_t h = 1; h <= DW_LOCK_ASKS; h++) {
        if (g->lock.has_nonce[h] && dw_same(g->lock.nonce[h], nonce, 32))
            return h;
    }
    return 0;
}

static void bad(struct guard *g, dw_err e)
{
    dw_log("warn", "lock_message", "refused=%s", dw_err_name(e));
    if (++g->lock.bad >= BAD_MAX) {
        g->lock.bad = 0;
        child_kill(g, CHILD_LOCK, "too many bad messages");
    }
}

static void retract_refused(struct guard *g)
{
    g->lock.retract_counter = 0;
    g->lock.is_retract_stale = false;
    struct dw_event ev = {.type = DW_EV_LOCK_ANSWER, .visit = g->door.visit};
    guard_feed(g, &ev);
}

static void known_bytes(uint32_t counter, uint32_t epoch, uint8_t ret[8])
{
    for (size_t i = 0; i < 4; i++) {
        ret[i] = (uint8_t)(counter >> (24 - 8 * i));
        ret[4 + i] = (uint8_t)(epoch >> (24 - 8 * i));
    }
}

void bolt_remember(struct guard *g, uint32_t counter)
{
    struct lock_side *l = &g->lock;
    uint8_t bytes[8];
    if (g->is_restored || !l->has_compared)
        return;
    known_bytes(counter, l->epoch, bytes);
    struct store_write w = {.meta_key = KNOWN_KEY, .meta = dw_view_of(bytes, sizeof bytes)};
    if (dw_failed(store_write(g->store, &w)))
        return;
    l->known_counter = counter;
    l->known_epoch = l->epoch;
    l->has_known = true;
}

void bolt_reserve(struct guard *g, struct store_write *w, uint8_t room[8])
{
    struct lock_side *l = &g->lock;
    if (!is_class_a(g) || g->is_restored || !l->has_compared)
        return;
    l->known_counter = l->counter + RESERVE;
    l->known_epoch = l->epoch;
    l->has_known = true;
    known_bytes(l->known_counter, l->known_epoch, room);
    w->meta_key = KNOWN_KEY;
    w->meta = dw_view_of(room, 8);
}

static void put_u32(uint8_t *to, uint32_t value)
{
    for (size_t i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t get_u32(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

/* [I37] What the lock has counted, up to where it was looked at: a restart compares with it. When
 * this is not written in time, the same is seen, and judged, once more. */
static void keep_counts(struct guard *g)
{
    struct lock_side *l = &g->lock;
    const struct dw_lock_word *w = &g->door.lock;
    uint8_t bytes[sizeof l->counts];
    if (!g->door.has_counts)
        return;
    put_u32(bytes, w->op_count);
    put_u32(bytes + 4, w->opening_count);
    put_u32(bytes + 8, w->boot);
    bytes[12] = (uint8_t)w->bolt;
    bytes[13] = g->door.is_unaccounted != 0;
    struct store_write row = {.meta_key = COUNTS_KEY, .meta = dw_view_of(bytes, sizeof bytes)};
    if (memcmp(bytes, l->counts, sizeof bytes) != 0 && !dw_failed(store_write(g->store, &row)))
        memcpy(l->counts, bytes, sizeof bytes);
}

static void load_counts(struct guard *g)
{
    uint8_t *bytes = g->lock.counts;
    struct dw_buf b = dw_buf_of(bytes, sizeof g->lock.counts);
    dw_err e = store_meta(g->store, COUNTS_KEY, &b);
    if (dw_is(e, DW_E_NOT_FOUND))
        return; /* none yet */
    struct dw_lock_word was = {0};
    bool is_good = !dw_failed(e) && b.len == sizeof g->lock.counts && bytes[12] < DW_BOLT_COUNT;
    if (is_good)
        was = (struct dw_lock_word){.op_count = get_u32(bytes),
                                    .opening_count = get_u32(bytes + 4),
                                    .boot = get_u32(bytes + 8),
                                    .bolt = bytes[12]};
    else
        dw_log("error", "lock_counts", "stored=unreadable");
    dw_interlock_resume(&g->door, &was, !is_good || bytes[13] != 0); /* VIS-23 */
}

void bolt_start(struct guard *g)
{
    struct lock_side *l = &g->lock;
    uint8_t bytes[8];
    load_counts(g);
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    if (dw_failed(store_meta(g->store, KNOWN_KEY, &b)) || b.len != sizeof bytes)
        return; /* none: this database is the first that sees this lock */
    for (size_t i = 0; i < 4; i++) {
        l->known_counter = l->known_counter << 8 | bytes[i];
        l->known_epoch = l->known_epoch << 8 | bytes[4 + i];
    }
    l->has_known = true;
}

void bolt_tidy(struct guard *g)
{
    struct lock_side *l = &g->lock;
    keep_counts(g);
    if (is_class_a(g) && l->has_compared && g->door.state == DW_VISIT_NONE &&
        !g->door.is_recovering && (!l->has_known || l->known_counter != l->counter))
        bolt_remember(g, l->counter);
}

/* Once after each start, with the first word that the lock says about now. */
static void compare(struct guard *g, uint32_t counter, uint32_t epoch)
{
    struct lock_side *l = &g->lock;
    if (l->has_compared)
        return;
    l->has_compared = true;
    l->epoch = epoch;
    if (l->has_known && (counter > l->known_counter || epoch > l->known_epoch))
        authority_restored(g);
    else if (g->door.is_recovering) /* it will be asked to lock, maybe more than once */
        bolt_remember(g, (counter > l->counter ? counter : l->counter) + RESERVE);
}

static void on_status(struct guard *g, struct dw_view payload)
{
    struct lock_side *l = &g->lock;
    struct dw_lock_status s;
    dw_err e = dw_lock_status_read(payload, &s);
    if (dw_failed(e)) {
        bad(g, e);
        return;
    }
    /* An older status than the last of the same boot is a replay; one that answers no nonce of ours
     * says nothing about now. */
    bool same_boot = s.boot_count == l->boot_count &&
                     memcmp(s.boot_seed, l->boot_seed, sizeof l->boot_seed) == 0;
    if (s.boot_count < l->boot_count || (same_boot && s.seq <= l->seq)) {
        bad(g, dw_fail(DW_E_EXPIRED));
        return;
    }
    uint32_t ask = find_ask(g, s.nonce);
    if (ask == 0) {
        dw_log("warn", "lock_message", "refused=nonce");
        return;
    }
    if (!same_boot) {
        l->boot++;
        l->boot_count = s.boot_count;
        memcpy(l->boot_seed, s.boot_seed, sizeof l->boot_seed);
    }
    l->seq = s.seq;
    l->bad = 0;
    memcpy(l->lock_nonce, s.lock_nonce, 32);
    l->has_lock_nonce = true;
    compare(g, s.counter, s.epoch);
    l->epoch = s.epoch;
    if (s.counter > l->counter)
        l->counter = s.counter;
    l->battery_pct = s.battery_pct;
    struct dw_event ev = {.type = DW_EV_LOCK};
    ev.lock = (struct dw_lock_word){
        .ask = ask,
        .lock_class = DW_LOCK_A,
        .bolt = s.bolt,
        .contact = s.contact,
        .strike = s.strike,
        .cause = s.cause,
        .throws_left = s.throws_left,
        .has_relock = 1,
        .op_count = s.op_count,
        .opening_count = s.opening_count,
        .boot = s.boot_count,
    };
    bool is_after = l->is_retract_stale && l->ask_at_ms[ask] > l->retract_ms;
    guard_feed(g, &ev);
    if (is_after && s.counter < l->retract_counter)
        retract_refused(g); /* the nonce is gone and the counter unused: it can never happen */
}

/* The lock carries a command out once, if its nonce and counter are good, and then both are used
 * up. So any refusal but "I do not know this nonce" proves that this command never moves the bolt.
 * That one is also what a lock says that has carried it out and hears it again: whoever carries our
 * messages could show us only the second answer. Then the lock's own count decides. */
static void on_answer(struct guard *g, struct dw_view payload)
{
    struct dw_lock_answer a;
    dw_err e = dw_lock_answer_read(payload, &a);
    if (dw_failed(e)) {
        bad(g, e);
        return;
    }
    struct lock_side *l = &g->lock;
    if (a.result == DW_LOCK_RESULT_ACCEPTED)
        return;
    dw_log("warn", "lock_answer", "result=%u", a.result);
    if (l->retract_counter == 0 || a.counter != l->retract_counter ||
        !dw_same(a.lock_nonce, l->retract_nonce, 32))
        return; /* about a throw, or long ago */
    if (a.result == DW_LOCK_RESULT_STALE_NONCE)
        l->is_retract_stale = true;
    else
        retract_refused(g);
}

void bolt_on_signed(struct guard *g, const struct dw_ipc_bytes *m)
{
    if (!is_class_a(g) || !g->lock.has_key || m->len > sizeof m->bytes)
        return;
    struct dw_view cose = dw_view_of(m->bytes, m->len), payload;
    enum dw_context c =
        m->kind == DW_LOCK_KIND_ANSWER ? DW_CONTEXT_LOCK_ANSWER : DW_CONTEXT_LOCK_STATUS;
    dw_err e = dw_signed_open(&g->lock.key, c, cose, &payload);
    if (dw_failed(e))
        bad(g, e);
    else if (c == DW_CONTEXT_LOCK_ANSWER)
        on_answer(g, payload);
    else
        on_status(g, payload);
}

void bolt_on_report(struct guard *g, const struct dw_ipc_lock_report *m)
{
    if (is_class_a(g)) /* a signed lock never speaks unsigned */
        return;
    struct lock_side *l = &g->lock;
    char why[sizeof l->why];
    memcpy(why, m->why, sizeof why);
    why[sizeof why - 1] = 0;
    g->lock.battery_pct = m->battery_pct;
    if (why[0] && strcmp(l->why, why) != 0) {
        memcpy(l->why, why, sizeof l->why);
        dw_log("info", "lock_class", "class=%u why=\"%s\"", m->lock_class, l->why);
    }
    struct dw_event ev = {.type = DW_EV_LOCK};
    if (!m->is_reachable) {
        ev.type = DW_EV_LOCK_LOST;
        guard_feed(g, &ev);
        return;
    }
    uint32_t newest = 0;
    for (uint32_t h = 1; h <= DW_LOCK_ASKS;
         h++) { /* a read-back answers every ask before it began */
        if (l->has_nonce[h] && l->ask_at_ms[h] <= m->read_ms &&
            (newest == 0 || l->ask_at_ms[h] > l->ask_at_ms[newest]))
            newest = h;
    }
    ev.lock = (struct dw_lock_word){
        .ask = newest,
        /* The process is not trusted to keep to our words: what is none of them is "unknown", and a
         * radio never proves more than class B [I22, I32, I43]. */
        .lock_class = m->lock_class == DW_LOCK_C || m->lock_class >= DW_LOCK_CLASS_COUNT
                          ? DW_LOCK_C
                          : DW_LOCK_B,
        .bolt = m->bolt < DW_BOLT_COUNT ? m->bolt : DW_BOLT_UNKNOWN,
        .contact = m->contact < DW_CONTACT_COUNT ? m->contact : DW_CONTACT_UNKNOWN,
        .strike = DW_STRIKE_ABSENT,
        .cause = m->cause < DW_CAUSE_COUNT ? m->cause : DW_CAUSE_UNKNOWN,
        /* A bridge tells per cent only; 10 % are three throws and more in every lock we know of. */
        .throws_left = m->battery_pct == 255 ? 0u : m->battery_pct / 3u,
        .has_relock = m->has_relock && m->relock_s > 0,
        .op_count = m->op_count,
        .opening_count = m->opening_count,
        .boot = l->boot,
    };
    guard_feed(g, &ev);
}

void bolt_lost(struct guard *g)
{
    struct lock_side *l = &g->lock;
    l->is_up = false;
    l->has_lock_nonce = false;
    memset(l->has_nonce, 0, sizeof l->has_nonce);
    l->boot++;
    struct dw_event ev = {.type = DW_EV_LOCK_LOST};
    guard_feed(g, &ev);
}
