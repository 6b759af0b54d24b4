/* The guard's judgement of a courier's question: calendars, clocks, jobs, parcels. The clock is the
 * test's; the machine's is never asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "hub/guard/guard.h"

static struct dw_utc wall;

struct dw_utc guard_wall(const struct guard *g)
{
    (void)g;
    return wall;
}

/* Nothing is expected here; what it changes is shown with the whole guard (authority_test.c). */
bool expected_holds(struct guard *g, const uint8_t *code, size_t len)
{
    (void)g, (void)code, (void)len;
    return false;
}

static int64_t utc(int year, int month, int day, int hour, int minute)
{
    struct tm t = {.tm_year = year - 1900,
                   .tm_mon = month - 1,
                   .tm_mday = day,
                   .tm_hour = hour,
                   .tm_min = minute};
    return (int64_t)timegm(&t) * 1000;
}

static int32_t day_of(int year, int month, int day)
{
    return (int32_t)(utc(year, month, day, 0, 0) / 86400000);
}

static void set_wall(int64_t mid_ms, int64_t width_ms)
{
    wall = (struct dw_utc){mid_ms - width_ms / 2, mid_ms + width_ms / 2};
}

/* A home with one job: 10:00 to 12:00 on 2026-06-15, two parcels, screening valid 1 to 30 June. */
struct home {
    struct guard *g;
    struct dw_hello hello;
    uint64_t passed, failed;
    uint32_t job, parcel;
};

static const char barcode[] = "3SDOORWARD0001";

static int setup(void **state)
{
    struct home *h = calloc(1, sizeof *h);
    h->g = calloc(1, sizeof *h->g);
    assert_non_null(h->g);
    dw_params_default(&h->g->set.params);
    memset(h->g->secret.key.thumb, 7, 32);
    struct job_slot *s = &h->g->jobs[3];
    s->is_used = true;
    struct dw_job *j = &s->job;
    memset(j->job, 1, 16);
    memset(j->visitor, 2, 16);
    memset(j->hub, 7, 32);
    j->kind = DW_VISIT_DROP;
    j->openings = 1;
    j->revision = 4;
    j->nbf_s = utc(2020, 1, 1, 0, 0) / 1000;
    j->exp_s = utc(2030, 1, 1, 0, 0) / 1000;
    j->window = (struct dw_civil_window){day_of(2026, 6, 15), 600, 720};
    j->screening_from_day = day_of(2026, 6, 1);
    j->screening_to_day = day_of(2026, 6, 30);
    j->parcel_count = 2;
    memset(j->parcel[0], 9, 32);
    h->g->is_link_up = true;
    h->g->set.params.t_rev_ms = 900000;
    struct grant *gr = &h->g->authority.grant[5];
    gr->state = DW_GRANT_STATE_LIVE;
    gr->said = (struct dw_grant){
        .exp_s = utc(2031, 1, 1, 0, 0) / 1000, .uses = 3, .per_day = 2, .mode = DW_GRANT_VETO};
    memset(gr->said.id, 6, 16);
    memset(s->grant, 6, 16);

    struct dw_hello *m = &h->hello;
    memset(m->hub, 7, 32);
    memset(m->job, 1, 16);
    memset(m->visitor, 2, 16);
    memset(m->salt, 5, 16);
    m->barcode_len = sizeof barcode - 1;
    memcpy(m->barcode, barcode, m->barcode_len);
    m->revision = 4;
    dw_sha256_2(dw_view_of(m->salt, 16), dw_view_of(m->barcode, m->barcode_len), j->parcel[1]);
    set_wall(utc(2026, 6, 15, 9, 0), 1000); /* 11:00 in Amsterdam */
    *state = h;
    return 0;
}

static int teardown(void **state)
{
    struct home *h = *state;
    free(h->g);
    free(h);
    return 0;
}

static void ask(struct home *h)
{
    judge_hello(h->g, &h->hello, &h->job, &h->parcel, &h->passed, &h->failed);
}

#define PASSES(h, check) assert_true((h)->passed &(UINT64_C(1) << (check)) & ~(h)->failed)
/* Not passed is what keeps the door shut; whether it is called failed or not judged is detail. */
#define FAILS(h, check) assert_false((h)->passed &(UINT64_C(1) << (check)) & ~(h)->failed)

static const enum dw_check timed[] = {DW_CHECK_CLOCK, DW_CHECK_EARLY, DW_CHECK_LATE,
                                      DW_CHECK_SCREENING};

static void test_right_question_passes(void **state)
{
    struct home *h = *state;
    ask(h);
    assert_int_equal(h->failed, 0);
    assert_int_equal(h->job, 3);
    assert_int_equal(h->parcel, 1);
    static const enum dw_check all[] = {DW_CHECK_HOME,        DW_CHECK_JOB,        DW_CHECK_DOOR,
                                        DW_CHECK_ASSIGNED,    DW_CHECK_PERMISSION, DW_CHECK_PARCEL,
                                        DW_CHECK_PARCEL_USED, DW_CHECK_CLOCK,      DW_CHECK_EARLY,
                                        DW_CHECK_LATE,        DW_CHECK_SCREENING};
    for (size_t i = 0; i < DW_ARRAY_COUNT(all); i++)
        PASSES(h, all[i]);
}

/* The whole clock interval lies inside, at both ends [I13]. */
static void test_window_holds_the_whole_interval(void **state)
{
    struct home *h = *state;
    const struct {
        int hour, minute;
        int64_t width_ms;
        bool early, late;
    } rows[] = {
        {8, 0, 0, false, false},    {7, 59, 0, true, false},     {9, 59, 0, false, false},
        {10, 0, 0, false, true},    {8, 0, 2000, true, false},   {8, 1, 2000, false, false},
        {10, 0, 2000, false, true}, {9, 59, 2000, false, false}, {8, 0, 60000, true, false},
    };
    for (size_t i = 0; i < DW_ARRAY_COUNT(rows); i++) {
        set_wall(utc(2026, 6, 15, rows[i].hour, rows[i].minute), rows[i].width_ms);
        ask(h);
        PASSES(h, DW_CHECK_CLOCK);
        assert_int_equal(!(h->passed >> DW_CHECK_EARLY & 1), rows[i].early);
        assert_int_equal(!(h->passed >> DW_CHECK_LATE & 1), rows[i].late);
    }
    for (int day = 13; day <= 17; day += 4) { /* the right hour of the wrong day */
        set_wall(utc(2026, 6, day, 9, 0), 0);
        ask(h);
        FAILS(h, day < 15 ? DW_CHECK_EARLY : DW_CHECK_LATE);
    }
}

static void test_clock_that_is_not_sure_opens_nothing(void **state)
{
    struct home *h = *state;
    int64_t noon = utc(2026, 6, 15, 9, 0);
    const struct dw_utc unsure[] = {
        {0, 0}, {0, noon}, {noon, noon - 1}, {noon - 30001, noon + 30001}, {-5, -1}, {1, INT64_MAX},
    };
    for (size_t i = 0; i < DW_ARRAY_COUNT(unsure); i++) {
        wall = unsure[i];
        ask(h);
        for (size_t c = 0; c < DW_ARRAY_COUNT(timed); c++)
            FAILS(h, timed[c]);
    }
    set_wall(noon, 60000);
    ask(h);
    for (size_t c = 0; c < DW_ARRAY_COUNT(timed); c++)
        PASSES(h, timed[c]);
    h->g->set.params.clock_width_ms = 5000; /* tightened */
    ask(h);
    FAILS(h, DW_CHECK_CLOCK);
}

/* A clock that jumps is judged where it is: backwards is early, forwards late. */
static void test_clock_that_jumps(void **state)
{
    struct home *h = *state;
    set_wall(utc(2026, 6, 15, 9, 0) - 86400000LL * 365, 1000);
    ask(h);
    FAILS(h, DW_CHECK_EARLY);
    FAILS(h, DW_CHECK_SCREENING);
    set_wall(utc(2026, 6, 15, 9, 0) + 86400000LL * 365, 1000);
    ask(h);
    FAILS(h, DW_CHECK_LATE);
    FAILS(h, DW_CHECK_SCREENING);
    h->g->jobs[3].job.exp_s = utc(2026, 6, 15, 8, 0) / 1000; /* the outer bound, in UTC */
    set_wall(utc(2026, 6, 15, 9, 0), 1000);
    ask(h);
    FAILS(h, DW_CHECK_LATE);
}

/* 2026-10-25 in Amsterdam: 02:00 to 03:00 comes twice and counts as outside [protocol 5.6]. */
static void test_hour_that_comes_twice_is_outside(void **state)
{
    struct home *h = *state;
    struct dw_job *j = &h->g->jobs[3].job;
    j->window = (struct dw_civil_window){day_of(2026, 10, 25), 0, 1440};
    j->screening_to_day = day_of(2026, 12, 31);
    const struct {
        int hour, minute;
        bool outside;
    } rows[] = {{23, 59, false},    {24 + 0, 0, true},  {24 + 0, 59, true}, {24 + 1, 0, true},
                {24 + 1, 59, true}, {24 + 2, 0, false}, {24 + 12, 0, false}};
    for (size_t i = 0; i < DW_ARRAY_COUNT(rows); i++) {
        set_wall(utc(2026, 10, 24, rows[i].hour, rows[i].minute), 0);
        ask(h);
        for (size_t c = 0; c < DW_ARRAY_COUNT(timed); c++) {
            if (rows[i].outside)
                FAILS(h, timed[c]);
            else
                PASSES(h, timed[c]);
        }
    }
    /* An interval of which only one end is certain is not certain. */
    set_wall(utc(2026, 10, 25, 2, 0), 20000);
    ask(h);
    FAILS(h, DW_CHECK_CLOCK);
}

/* 2026-03-29: after 01:59 comes 03:00; the hour that is left out does no harm. */
static void test_hour_that_is_left_out(void **state)
{
    struct home *h = *state;
    struct dw_job *j = &h->g->jobs[3].job;
    j->window = (struct dw_civil_window){day_of(2026, 3, 29), 2 * 60, 4 * 60};
    j->screening_from_day = day_of(2026, 1, 1);
    const struct {
        int hour, minute;
        bool early, late;
    } rows[] = {
        {0, 59, true, false}, {1, 0, false, false}, {1, 59, false, false}, {2, 0, false, true}};
    for (size_t i = 0; i < DW_ARRAY_COUNT(rows); i++) {
        set_wall(utc(2026, 3, 29, rows[i].hour, rows[i].minute), 0);
        ask(h);
        PASSES(h, DW_CHECK_CLOCK);
        assert_int_equal(!(h->passed >> DW_CHECK_EARLY & 1), rows[i].early);
        assert_int_equal(!(h->passed >> DW_CHECK_LATE & 1), rows[i].late);
    }
}

/* Valid on both days and between, by the home's calendar, not UTC's. */
static void test_screening_days_are_the_homes(void **state)
{
    struct home *h = *state;
    struct dw_job *j = &h->g->jobs[3].job;
    j->window = (struct dw_civil_window){day_of(2026, 6, 15), 0, 1440};
    j->screening_from_day = j->screening_to_day = day_of(2026, 6, 15);
    set_wall(utc(2026, 6, 14, 22, 30), 0); /* 00:30 on the 15th at home */
    ask(h);
    PASSES(h, DW_CHECK_SCREENING);
    set_wall(utc(2026, 6, 14, 21, 59), 0);
    ask(h);
    FAILS(h, DW_CHECK_SCREENING);
    set_wall(utc(2026, 6, 15, 21, 59), 0);
    ask(h);
    PASSES(h, DW_CHECK_SCREENING);
    set_wall(utc(2026, 6, 15, 22, 0), 0);
    ask(h);
    FAILS(h, DW_CHECK_SCREENING);
    set_wall(utc(2026, 6, 15, 22, 0), 2000); /* half a second of it may be tomorrow */
    ask(h);
    FAILS(h, DW_CHECK_SCREENING);
}

static void test_each_wrong_fact_fails_its_own_check(void **state)
{
    struct home *h = *state;
    struct job_slot *s = &h->g->jobs[3];
    struct job_slot kept = *s;
    struct dw_hello asked = h->hello;
    for (int i = 0; i < 9; i++) {
        enum dw_check want = DW_CHECK_NONE;
        *s = kept;
        h->hello = asked;
        switch (i) {
        case 0: h->hello.hub[31] ^= 1, want = DW_CHECK_HOME; break;
        case 1: h->hello.job[0] ^= 1, want = DW_CHECK_JOB; break;
        case 2: h->hello.revision = 3, want = DW_CHECK_JOB; break;
        case 3: s->is_recalled = true, want = DW_CHECK_PERMISSION; break;
        case 4: h->hello.door = 1, want = DW_CHECK_DOOR; break;
        case 5: h->hello.visitor[15] ^= 1, want = DW_CHECK_ASSIGNED; break;
        case 6: h->hello.barcode_len--, want = DW_CHECK_PARCEL; break;
        case 7: h->hello.salt[0] ^= 1, want = DW_CHECK_PARCEL; break;
        case 8: s->consumed = DW_BIT(1), want = DW_CHECK_PARCEL_USED; break;
        default: fail();
        }
        ask(h);
        FAILS(h, want);
        assert_true(h->failed != 0);
    }
    *s = kept;
    h->hello = asked;
    s->consumed = DW_BIT(0); /* the other one is used, this one is not */
    ask(h);
    PASSES(h, DW_CHECK_PARCEL_USED);
    h->hello.job[0] ^= 1; /* of a job that is not there nothing else is said */
    ask(h);
    FAILS(h, DW_CHECK_PARCEL);
    FAILS(h, DW_CHECK_EARLY);
    assert_int_equal(h->job, JOBS_MAX);
}

/* [I4, I14] What stands behind the job is looked at each time. */
static void test_grant_is_live_and_has_uses_left(void **state)
{
    struct home *h = *state;
    struct grant *gr = &h->g->authority.grant[5], kept = *gr;
    int32_t today = day_of(2026, 6, 15);
    for (int i = 0; i < 11; i++) {
        *gr = kept;
        h->g->is_link_up = true;
        h->g->jobs[3].accepted = 0;
        bool passes = false;
        switch (i) {
        case 0: gr->state = DW_GRANT_STATE_WAITING; break;
        case 1: gr->state = DW_GRANT_STATE_VETOED; break;
        case 2: gr->state = DW_GRANT_STATE_REVOKED; break;
        case 3: gr->said.exp_s = utc(2026, 6, 15, 9, 0) / 1000; break;
        case 4: gr->said.id[0] ^= 1; break;
        case 5: gr->used = 3; break;
        case 6: gr->day = today, gr->day_used = 2; break;
        case 7: gr->day = today - 1, gr->day_used = 2, passes = true; break;
        case 8: gr->day = today + 1; break; /* the clock went back: not known what was used */
        case 9: gr->said.mode = DW_GRANT_ASK; break;
        case 10:
            gr->said.mode = DW_GRANT_ASK;
            h->g->jobs[3].accepted = judge_visit_mark(&h->g->jobs[3].job);
            passes = true;
            break;
        default: fail();
        }
        ask(h);
        if (passes)
            PASSES(h, DW_CHECK_PERMISSION);
        else
            FAILS(h, DW_CHECK_PERMISSION);
    }
}

int main(void)
{
    /* A zone that the machine's own setting does not touch. */
    if (setenv("TZ", "Europe/Amsterdam", 1) != 0)
        return 1;
    tzset();
    if (dw_failed(dw_crypto_init()))
        return 1;
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        T(test_right_question_passes),
        T(test_window_holds_the_whole_interval),
        T(test_clock_that_is_not_sure_opens_nothing),
        T(test_clock_that_jumps),
        T(test_hour_that_comes_twice_is_outside),
        T(test_hour_that_is_left_out),
        T(test_screening_days_are_the_homes),
        T(test_each_wrong_fact_fails_its_own_check),
        T(test_grant_is_live_and_has_uses_left),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
