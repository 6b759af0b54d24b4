/* The state as bytes, and time: VIS-21, VIS-22, determinism, deadlines, no padding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A byte of padding in any of these is an error: states are compared and hashed as bytes. */
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"
#include "core/lock.h"
#include "core/visit.h"
#pragma GCC diagnostic pop
#include "rig.h"

static uint64_t seed;
static uint32_t dice(uint32_t n) /* splitmix64; printed seeds replay */
{
    seed += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = seed;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (uint32_t)((z ^ (z >> 31)) % n);
}

/* A script of `n` random words, in the rig's language. */
static void scramble(char *out, size_t cap, uint32_t n, uint32_t kinds)
{
    static const char *const words[] = {
        "L:rcoC",      "L:rooC",   "L:tci",     "L:mco",        "L:jco",     "L:rci+1", "L:uui",
        "L:toiF",      "L:rciI",   "L:roiI",    "lk-",          "lk+",       "cam-",    "cam+",
        "frame",       "skip",     "hello",     "hello:stay,2", "proof",     "proof,2", "leaving,2",
        "ask:0",       "saw:0",    "gone:0",    "end",          "ownerlock", "ack",     "stale",
        "frozen:2000", "frozen:0", "covered:1", "covered:0",    "class:B",   "class:A", "late:3000",
        "late:0",      "lost",     "rec-",      "rec+",         "recorded",  "answer",  "restarted",
        "disk:0",      "disk:1",   "replay",    "fault",        "reboot",    "hello,3", "proof,3",
        "open,4",      "open,5",   "away:1",    "away:0",       "class:C",   "L:tua"};
    uint32_t t = 0;
    size_t at = 0;
    uint32_t visit = 0;
    for (uint32_t i = 0; i < n; i++) {
        const char *w = words[dice(kinds < DW_ARRAY_COUNT(words) ? kinds : DW_ARRAY_COUNT(words))];
        t += dice(4) ? dice(3000) : dice(30000);
        if (dice(5) == 0) { /* often enough a visit that goes on */
            at += (size_t)snprintf(out + at, cap - at, "%shello,%u@%u proof,%u@%u L:rcoC@%u",
                                   at ? " " : "", visit + 10, t, visit + 10, t + 600, t + 900);
            visit++;
            t += 900;
            continue;
        }
        at += (size_t)snprintf(out + at, cap - at, "%s%s@%u", at ? " " : "", w, t);
    }
    snprintf(out + at, cap - at, " -@%u", t + 1000);
}

/* The same events give the same bytes: effects, state, trace. */
static void deterministic(void **state)
{
    (void)state;
    for (seed = 1; seed < 300;) {
        uint64_t mine = seed;
        char script[4096];
        scramble(script, sizeof script, 30, 99);
        static struct rig a, b;
        rig_init(&a, NULL);
        rig_play(&a, script);
        memset(&b, 0x5A, sizeof b);
        rig_init(&b, NULL);
        rig_play(&b, script);
        assert_string_equal(a.trace, b.trace);
        assert_memory_equal(&a.k, &b.k, sizeof a.k);
        seed = mine + 1;
    }
}

/* TIMEOUT at the deadlines alone is as good as every millisecond: the shell need not poll. */
static void deadlines_suffice(void **state)
{
    (void)state;
    for (uint64_t s = 1; s < 60; s++) {
        seed = s * 1000;
        char script[4096];
        scramble(script, sizeof script, 14, 31 + (uint32_t)(s % 2) * 99);
        static struct rig a, b;
        rig_init(&a, NULL);
        rig_play(&a, script);
        rig_init(&b, NULL);
        b.step_ms = 1;
        rig_play(&b, script);
        if (strcmp(a.trace, b.trace) != 0)
            fail_msg("seed %llu\n  script    %s\n  deadlines %s\n  each ms   %s",
                     (unsigned long long)s, script, a.trace, b.trace);
    }
}

/* The deadline is always later than the last event, in every state that can be reached (rig_feed
 * asserts it), and never so late that the camera nonce is not renewed. */
static void deadline_is_ahead(void **state)
{
    (void)state;
    static struct rig r;
    rig_init(&r, NULL);
    for (int i = 0; i < 100; i++) {
        dw_mono d = dw_interlock_deadline(&r.k);
        assert_true(d.ms > r.k.now.ms && d.ms <= r.k.now.ms + r.params.t_hb_ms);
        rig_feed(&r, (struct dw_event){.now = d, .type = DW_EV_TIMEOUT});
    }
}

/* VIS-21: an event from before the last one is refused with DW_E_CLOCK, in every state; not a byte
 * changes. */
static void clock_runs_back(void **state)
{
    (void)state;
    static const char *const prefixes[] = {
        "-@0",
        "hello@0",
        "hello@0 -@100",
        "hello@0 -@500 rec-@600 proof@1000",
        "hello@0 cam-@900 proof@1000 -@1050",
        "hello@0 proof@1000 -@1100",
        "hello@0 proof@1000 L:rcoC@1200",
        "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 -@3050",
        "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 L:rcoC@4000 -@4050",
        "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 L:rcoC@4000 L:tci@5000 -@6000",
        "hello@0 proof@1000 L:rcoC@1200 L:rooC@3000 L:rcoC@4000 L:jco@7000 -@9500",
        "hello@0 proof@1000 lk-@1050 -@22000",
        "hello:stay@0 proof@1000 L:rcoC@1200 L:rooC@3000 L:rcoC@4000 L:tci@5000 -@7000",
    };
    uint32_t states = 0;
    for (size_t i = 0; i < DW_ARRAY_COUNT(prefixes); i++) {
        static struct rig r;
        rig_init(&r, NULL);
        rig_play(&r, prefixes[i]);
        states |= DW_BIT(r.k.state);
        for (uint32_t type = 0; type < DW_EV_COUNT; type++) {
            struct dw_interlock was = r.k;
            struct dw_event ev = rig_hello(1);
            struct dw_effects fx;
            ev.type = type;
            ev.now.ms = r.k.now.ms - 1;
            assert_true(dw_is(dw_interlock_step(&r.k, &ev, &fx), DW_E_CLOCK));
            assert_int_equal(fx.count, 0);
            assert_memory_equal(&was, &r.k, sizeof was);
        }
    }
    assert_int_equal(states, DW_BIT(DW_VISIT_STATE_COUNT) - 1);
}

/* VIS-22: one table; every value within its limits; what an owner may raise is a short list. */
static void parameters(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t def, floor, ceiling;
    } list[] = {
#define X(field, def, floor, ceiling, why) {#field, def, floor, ceiling},
        DW_PARAM_LIST(X)
#undef X
    };
    static const char *const may_rise[] = {"t_dwell_ms",  "t_watch_ms", "throws_least",
                                           "t_late_ms",   "t_check_ms", "t_retract_ms",
                                           "t_record_ms", "alg_least"};
    struct dw_params p, want;
    dw_params_default(&p);
    assert_int_equal(sizeof p, DW_ARRAY_COUNT(list) * sizeof(uint32_t));
    for (size_t i = 0; i < DW_ARRAY_COUNT(list); i++) {
        uint32_t value;
        const char *field = NULL;
        memcpy(&value, (const char *)&p + i * 4, 4);
        assert_int_equal(value, list[i].def);
        assert_in_range(list[i].def, list[i].floor, list[i].ceiling);
        bool rises = false;
        for (size_t j = 0; j < DW_ARRAY_COUNT(may_rise); j++)
            rises |= strcmp(list[i].name, may_rise[j]) == 0;
        assert_int_equal(list[i].ceiling > list[i].def, rises);
        const uint32_t tries[] = {
            list[i].floor, list[i].ceiling, list[i].floor - 1, list[i].ceiling + 1, 0, UINT32_MAX};
        for (size_t j = 0; j < DW_ARRAY_COUNT(tries); j++) {
            want = p;
            memcpy((char *)&want + i * 4, &tries[j], 4);
            struct dw_params got = p;
            dw_err e = dw_params_set(&got, &want, &field);
            assert_int_equal(dw_failed(e), j >= 2);
            if (j >= 2) {
                assert_string_equal(field, list[i].name);
                assert_memory_equal(&got, &p, sizeof p);
            } else {
                assert_memory_equal(&got, &want, sizeof p);
            }
        }
    }
    memset(&want, 0, sizeof want); /* zero is not a set of parameters */
    assert_true(dw_failed(dw_params_set(&p, &want, NULL)));
    /* The table of the protocol [protocol 2]. */
    assert_int_equal(p.t_cam_ms, 1000);
    assert_int_equal(p.t_hb_ms, 500);
    assert_int_equal(p.t_loss_ms, 2000);
    assert_int_equal(p.lease_ms, 15000);
    assert_int_equal(p.t_settle_ms, 1500);
    assert_int_equal(p.t_dwell_ms, 60000);
    assert_int_equal(p.t_visit_ms, 180000);
    assert_int_equal(p.t_show_ms, 5000);
    assert_int_equal(p.clock_width_ms, 60000);
    assert_int_equal(p.throws_least, 3);
}

/* No padding: what init leaves does not depend on what was there, and every byte belongs to a
 * field. */
#define SAME(type, init)                        \
    do {                                        \
        type a, b;                              \
        memset(&a, 0xA5, sizeof a);             \
        memset(&b, 0x5A, sizeof b);             \
        init(&a);                               \
        init(&b);                               \
        assert_memory_equal(&a, &b, sizeof(a)); \
    } while (0)

static void init_interlock(struct dw_interlock *k)
{
    struct dw_params p;
    dw_params_default(&p);
    dw_interlock_init(k, &p, (dw_mono){77});
}

static void init_lock(struct dw_lock *l)
{
    struct dw_lock_limits limits;
    dw_lock_limits_default(&limits);
    dw_lock_init(l, &limits);
}

static void all_of_it_is_set(void **state)
{
    (void)state;
    SAME(struct dw_interlock, init_interlock);
    SAME(struct dw_lock, init_lock);
    SAME(struct dw_live, dw_live_init);
}

/* What normalise leaves is the same when everything happens at another time of day. */
static void normalised(void **state)
{
    (void)state;
    for (uint64_t s = 1; s < 100; s++) {
        char script[4096];
        seed = s;
        scramble(script, sizeof script, 10, 31);
        static struct rig r;
        rig_init(&r, NULL);
        rig_play(&r, script);
        static struct dw_interlock moved, a, b;
        moved = r.k;
        const uint64_t shift = UINT64_C(1) << 40;
        dw_mono *times[] = {&moved.now,
                            &moved.state_at,
                            &moved.opened_at,
                            &moved.retracted_at,
                            &moved.proof_at,
                            &moved.ended_by,
                            &moved.watch_end,
                            &moved.stuck_at,
                            &moved.throw_again,
                            &moved.nonce_due,
                            &moved.lock_ask_due,
                            &moved.lock_at,
                            &moved.lock_proven,
                            &moved.closed_at,
                            &moved.live.captured,
                            &moved.live.arrived,
                            &moved.live.unproven,
                            &moved.live.covered_at,
                            &moved.live.tampered_at,
                            &moved.live.frozen_at,
                            &moved.live.now};
        for (size_t i = 0; i < DW_ARRAY_COUNT(times); i++) {
            if (times[i]->ms != UINT64_MAX)
                times[i]->ms += shift;
        }
        for (size_t i = 0; i <= DW_LOCK_ASKS; i++)
            moved.lock_asked[i].ms += moved.lock_asked[i].ms != UINT64_MAX ? shift : 0;
        for (size_t i = 0; i <= DW_LIVE_NONCES; i++)
            moved.live.nonce_at[i].ms += moved.live.nonce_at[i].ms != UINT64_MAX ? shift : 0;
        for (size_t i = 0; i < DW_LIVE_GAPS; i++)
            moved.live.gap[i].end.ms += moved.live.gap[i].end.ms != UINT64_MAX ? shift : 0;
        for (size_t i = 0; i < DW_SCREENS; i++)
            moved.lease_end[i].ms += moved.lease_end[i].ms ? shift : 0;
        moved.live.blind_until.ms += moved.live.blind_until.ms ? shift : 0;
        if (moved.live.blind_until.ms == 0) /* "never" is long ago */
            moved.live.blind_until.ms = 0;
        moved.intent += 5;
        dw_interlock_normalise(&r.k, &a);
        dw_interlock_normalise(&moved, &b);
        if (r.k.live.blind_until.ms == 0) /* capped ages of "long ago" */
            b.live.blind_until = a.live.blind_until;
        assert_memory_equal(&a, &b, sizeof a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deterministic),     cmocka_unit_test(deadlines_suffice),
        cmocka_unit_test(deadline_is_ahead), cmocka_unit_test(clock_runs_back),
        cmocka_unit_test(parameters),        cmocka_unit_test(all_of_it_is_set),
        cmocka_unit_test(normalised),
    };
    return cmocka_run_group_tests_name("core_state", tests, NULL, NULL);
}
