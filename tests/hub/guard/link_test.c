/* The guard from its link inwards. Every case is an attack or an accident. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "os/os.h"

/* ---- the cases ---- */

static void a_delivery_opens_once_and_only_after_it_was_written(void **state)
{
    (void)state;
    struct dw_job j = begin(DW_VISIT_DROP);
    struct dw_hello h = hello_to(&j, 11, "P");
    ask(&h);
    assert_int_equal(sent.offer.check, DW_CHECK_NONE);
    struct dw_proof p = proof_of(&sent.offer);
    slide(&p);
    assert_int_equal(sent.retracts, 1);
    for (size_t i = 0; i < VISITS_MAX; i++) /* [I8] */
        assert_false(g.hellos[i].handle != 0 && g.hellos[i].has_hub_nonce);
    assert_int_equal(sent.parcels_at_retract, 1); /* [I11, I35] */
    slide(&p);                                    /* the same once more */
    go_in_and_out();
    assert_int_equal(sent.retracts, 1);
    assert_int_equal(sent.receipt.outcome, DW_OUTCOME_OK);
    assert_true(sent.receipt.leaf > 0);
    slide(&p);
    h = hello_to(&j, 12, "P");
    pass_locked(61000);
    ask(&h);
    assert_int_equal(sent.offer.check, DW_CHECK_PARCEL_USED);
    close_guard();
    open_guard(); /* used up after a restart, too */
    pass_locked(500);
    h = hello_to(&j, 13, "P");
    ask(&h);
    assert_int_equal(sent.offer.check, DW_CHECK_PARCEL_USED);
    assert_int_equal(sent.retracts, 1);
}

static void the_same_question_is_one_question(void **state)
{
    (void)state;
    struct dw_job j = begin(DW_VISIT_DROP);
    struct dw_hello h = hello_to(&j, 11, "P");
    ask(&h);
    struct dw_offer first = sent.offer;
    ask(&h);
    assert_memory_equal(sent.offer.hub_nonce, first.hub_nonce, 32);
    assert_int_equal(sent.offers, 2);
    struct dw_hello other = hello_to(&j, 11, "P"); /* the id again, another nonce */
    ask(&other);
    assert_int_equal(sent.offers, 2);
    other = hello_to(&j, 0, "P");
    ask(&other);
    assert_int_equal(sent.offers, 2);
}

static void a_proof_that_is_not_right_opens_nothing(void **state)
{
    (void)state;
    struct dw_job j = begin(DW_VISIT_DROP);
    struct dw_hello h = hello_to(&j, 11, "P");
    struct dw_proof early = {.visit = 11};
    memcpy(early.hub, g.secret.key.thumb, 32);
    early.hub_nonce[0] = 1;
    memcpy(early.courier_nonce, h.courier_nonce, 32);
    slide(&early);
    ask(&h);
    struct dw_proof own = proof_of(&sent.offer), p = own;
    p.hub_nonce[3] ^= 1;
    slide(&p);
    p = own;
    p.hub[0] ^= 1; /* another hub's [I5] */
    slide(&p);
    p = own;
    p.visit = 12;
    slide(&p);
    struct dw_stop stop = stop_of(&own);
    struct dw_evidence e = evidence_of(&courier, &stop, COURIER_ORIGIN, COURIER_RP, 0x05);
    deliver_evidence(&e, &stranger);
    DELIVER(proof, PROOF, &own); /* as it was before visitors signed themselves */
    pass_locked(300);
    assert_int_equal(g.door.state, DW_VISIT_READY); /* none of these closed the question */
    p = own;
    p.door = 1;
    slide(&p); /* the right nonce with a wrong door uses it up [I8] */
    assert_int_equal(sent.receipt.check, DW_CHECK_PROOF);
    slide(&own);
    assert_int_equal(sent.retracts, 0);
    assert_int_equal(parcels_used(), 0);
}

static void a_question_that_is_not_right_is_refused_by_name(void **state)
{
    (void)state;
    struct dw_job j = begin(DW_VISIT_DROP);
    struct {
        uint8_t check;
        struct dw_hello h;
    } c[8];
    for (size_t i = 0; i < DW_ARRAY_COUNT(c); i++)
        c[i].h = hello_to(&j, 20 + i, "P");
    c[0].check = DW_CHECK_HOME, c[0].h.hub[0] ^= 1;
    c[1].check = DW_CHECK_DOOR, c[1].h.door = 1;
    c[2].check = DW_CHECK_JOB, c[2].h.job[1] = 1;
    c[3].check = DW_CHECK_ASSIGNED, c[3].h.visitor[0] ^= 1;
    c[4].check = DW_CHECK_PARCEL, c[4].h.barcode[0] = 'Q';
    c[5].check = DW_CHECK_EXPIRED, c[5].h.age_ms = 10001;
    c[6].check = DW_CHECK_JOB, c[6].h.revision++;
    c[7].check = DW_CHECK_PARCEL, c[7].h.barcode_len = 0;
    for (size_t i = 0; i < DW_ARRAY_COUNT(c); i++) {
        ask(&c[i].h);
        assert_int_equal(sent.offer.visit, 20 + i);
        assert_int_equal(sent.offer.check, c[i].check);
    }
    /* A home has more doors, but a hub has one lock. */
    struct dw_job back = job_of(2, DW_VISIT_DROP);
    back.door = 1;
    give(&back);
    struct dw_hello h = hello_to(&back, 30, "P");
    ask(&h);
    assert_int_equal(sent.offer.check, DW_CHECK_DOOR);
    g.is_rolled_back = true;
    h = hello_to(&j, 31, "P");
    ask(&h);
    assert_int_equal(sent.offer.check, DW_CHECK_RECORD);
}

static void what_has_changed_since_the_question_counts(void **state)
{
    (void)state;
    struct dw_job j = begin(DW_VISIT_DROP);
    struct dw_hello h = hello_to(&j, 11, "P");
    ask(&h);
    at_utc(NOON + 2 * 3600000); /* 14:00, the window is over [I13] */
    struct dw_proof p = proof_of(&sent.offer);
    slide(&p);
    assert_int_equal(sent.receipt.check, DW_CHECK_LATE);
    at_utc(NOON);
    wall.hi_ms += 60001; /* the clock has lost its certainty */
    h = hello_to(&j, 12, "P");
    ask(&h);
    assert_int_equal(sent.offer.check, DW_CHECK_CLOCK);
    wall =
        (struct dw_utc){0}; /* nor is it the permission that lacks when there is no time at all */
    h = hello_to(&j, 14, "P");
    ask(&h);
    assert_int_equal(sent.offer.check, DW_CHECK_CLOCK);
    at_utc(NOON);
    h = hello_to(&j, 13, "P");
    ask(&h);
    p = proof_of(&sent.offer);
    recall(&j, 5); /* while the courier looks at the slider [I14] */
    slide(&p);
    assert_int_equal(sent.receipt.visit, 13);
    assert_int_equal(sent.receipt.outcome, DW_OUTCOME_REFUSED);
    assert_int_equal(sent.retracts, 0);
    assert_int_equal(parcels_used(), 0);
}

static void the_parcel_that_was_shown_is_used_up(void **state)
{
    (void)state;
    struct dw_job j = begin(DW_VISIT_DROP);
    struct dw_hello h = hello_to(&j, 11, "P");
    ask(&h);
    struct dw_proof p = proof_of(&sent.offer);
    j.revision++; /* another parcel now stands first */
    j.parcel_count = 2;
    memcpy(j.parcel[1], j.parcel[0], 32);
    commit("Q", j.parcel[0]);
    give(&j);
    slide(&p);
    assert_int_equal(sent.retracts, 1);
    go_in_and_out();
    pass_locked(61000);
    h = hello_to(&j, 12, "P");
    ask(&h);
    assert_int_equal(sent.offer.check, DW_CHECK_PARCEL_USED);
    h = hello_to(&j, 13, "Q");
    ask(&h);
    assert_int_equal(sent.offer.check, DW_CHECK_NONE);
}

static void a_recalled_job_does_not_come_back(void **state)
{
    (void)state;
    struct dw_job j = begin(DW_VISIT_DROP), next = job_of(2, DW_VISIT_DROP);
    recall(&j, 6);
    recall(&next, 6); /* before its job: the broker has changed the order */
    flush();
    give(&j);
    give(&next);
    for (uint32_t i = 0; i < 300; i++) { /* and the table is full */
        struct dw_job more = job_of(3, DW_VISIT_DROP);
        more.job[1] = (uint8_t)i;
        more.job[2] = (uint8_t)(i >> 8);
        give(&more);
    }
    flush();
    for (int again = 0; again < 2; again++) {
        give(&j);
        give(&next);
        struct dw_hello h = hello_to(&j, 40u + (uint32_t)again, "P");
        ask(&h);
        assert_int_equal(sent.offer.check, DW_CHECK_JOB);
        h = hello_to(&next, 50u + (uint32_t)again, "P");
        ask(&h);
        assert_int_equal(sent.offer.check, DW_CHECK_JOB);
        close_guard();
        open_guard();
        pass_locked(500);
    }
    j.revision = 7; /* permitted anew by the service */
    close_guard();
    open_guard();
    pass_locked(500);
    g.jobs[0].is_used = false;
    give(&j);
    struct dw_hello h = hello_to(&j, 60, "P");
    ask(&h);
    assert_int_equal(sent.offer.check, DW_CHECK_NONE);
}

static void a_recall_outlives_a_restart(void **state)
{
    (void)state;
    struct dw_job j = begin(DW_VISIT_DROP), next = job_of(2, DW_VISIT_DROP);
    struct dw_recall other = {.revision = 6};
    memcpy(other.hub, stranger.key.thumb, 32); /* another home's [I5] */
    memcpy(other.job, j.job, 16);
    DELIVER(recall, RECALL, &other);
    assert_false(link_job(&g, j.job)->is_recalled);
    recall(&j, 6);
    recall(&next, 6);
    close_guard();
    open_guard();
    pass_locked(500);
    give(&next);
    give(&j);
    for (uint32_t i = 0; i < 4; i++) {
        struct dw_hello h = hello_to(i % 2 == 0 ? &j : &next, 70 + i, "P");
        h.revision = 5 + i / 2; /* as it was, and as the recall has it */
        ask(&h);
        assert_int_equal(sent.offer.visit, 70 + i);
        assert_int_equal(sent.offer.check, DW_CHECK_JOB);
    }
}

static void a_stay_is_of_one_job_and_counts_its_openings(void **state)
{
    (void)state;
    struct dw_job j = begin(DW_VISIT_STAY), other = job_of(2, DW_VISIT_STAY);
    give(&other);
    struct dw_hello h = hello_to(&j, 11, "");
    for (uint32_t i = 1; i <= 3; i++) {
        ask(&h);
        assert_int_equal(sent.offer.check, DW_CHECK_NONE);
        struct dw_proof p = proof_of(&sent.offer);
        slide(&p);
        assert_int_equal(sent.retracts, i);
        go_in_and_out();
        assert_int_equal(g.door.state, DW_VISIT_BETWEEN);
        if (i == 1) {
            struct dw_hello wrong = hello_to(&other, 11, "");
            ask(&wrong);
            assert_int_equal(sent.offer.check, DW_CHECK_JOB);
            wrong = hello_to(&j, 11, "");
            wrong.age_ms = 20000; /* late: this question only, not the stay */
            ask(&wrong);
            assert_int_equal(sent.offer.check, DW_CHECK_EXPIRED);
            for (uint64_t v = 100; v < 120; v++) { /* strangers do not push it out */
                wrong = hello_to(&j, v, "");
                ask(&wrong);
                assert_int_equal(sent.offer.check, DW_CHECK_OTHER_VISIT);
            }
            assert_int_equal(g.door.state, DW_VISIT_BETWEEN);
        }
        h = hello_to(&j, 11, "");
    }
    ask(&h);
    assert_int_equal(sent.offer.check, DW_CHECK_PARCEL_USED);
    assert_int_equal(parcels_used(), 3);
    /* The job is lost from memory and comes again with a later end: three stay three [I11]. */
    struct dw_event end = {.type = DW_EV_OWNER_END};
    guard_feed(&g, &end);
    pass_locked(62000);
    memset(g.jobs, 0, sizeof g.jobs);
    j.revision++;
    give(&j);
    h = hello_to(&j, 12, "");
    ask(&h);
    assert_int_equal(sent.offer.visit, 12);
    assert_int_equal(sent.offer.check, DW_CHECK_PARCEL_USED);
    assert_int_equal(sent.retracts, 3);
}

/* [VIS-19] It ends by the visitor's word with the next locking, and by nothing like it before. */
static void a_visitor_who_is_leaving_ends_the_stay(void **state)
{
    (void)state;
    struct dw_job j = begin(DW_VISIT_STAY);
    struct dw_hello h = hello_to(&j, 11, "");
    struct dw_leaving ours = {.visit = 11}, others = ours, unknown = {.visit = 12};
    memcpy(ours.hub, g.secret.key.thumb, sizeof ours.hub);
    memcpy(unknown.hub, g.secret.key.thumb, sizeof unknown.hub);
    memcpy(others.hub, stranger.key.thumb, sizeof others.hub); /* [I5] */
    for (uint32_t i = 1; i <= 2; i++) {
        ask(&h);
        struct dw_proof p = proof_of(&sent.offer);
        slide(&p);
        assert_int_equal(sent.retracts, i);
        if (i == 2)
            DELIVER(leaving, LEAVING, &ours);
        else
            DELIVER(leaving, LEAVING, &others);
        DELIVER(leaving, LEAVING, &unknown);
        go_in_and_out();
        h = hello_to(&j, 11, "");
    }
    assert_int_equal(sent.retracts, 2);
    assert_int_not_equal(g.door.state, DW_VISIT_BETWEEN);
    assert_int_equal(sent.receipt.visit, 11);
    assert_int_equal(sent.receipt.outcome, DW_OUTCOME_OK);
}

static struct dw_job to_retract(void)
{
    struct dw_job j = begin(DW_VISIT_DROP);
    struct dw_hello h = hello_to(&j, 11, "P");
    ask(&h);
    struct dw_proof p = proof_of(&sent.offer);
    deliver_stop(&p);
    for (int i = 0; i < 20 && sent.retracts == 0; i++) {
        flush();
        pass_locked(50);
    }
    assert_int_equal(sent.retracts, 1);
    return j;
}

static void only_a_refusal_that_proves_it_takes_a_retract_back(void **state)
{
    (void)state;
    to_retract();
    struct dw_lock_command c = sent.retract;
    uint8_t other[32] = {1};
    lock_answers(DW_LOCK_RESULT_BUSY, c.counter + 1, c.lock_nonce); /* about a throw */
    lock_answers(DW_LOCK_RESULT_BUSY, c.counter, other);
    assert_int_equal(g.door.state, DW_VISIT_RETRACTING);
    /* It was carried out, and delivered again: only this answer is shown to us. */
    lock_answers(DW_LOCK_RESULT_STALE_NONCE, c.counter, c.lock_nonce);
    assert_int_equal(g.door.state, DW_VISIT_RETRACTING);
    flush();
    assert_int_equal(sent.receipts, 0);
    assert_int_equal(parcels_used(), 1);
    /* A newer status whose counter shows that nothing was executed. */
    mono_ms += 1100;
    struct dw_event ev = {.type = DW_EV_TIMEOUT};
    camera_says();
    guard_feed(&g, &ev);
    lock_says(DW_BOLT_THROWN, DW_CONTACT_CLOSED);
    flush();
    flush();
    assert_int_equal(sent.receipt.outcome, DW_OUTCOME_REFUSED);
    assert_int_equal(parcels_used(), 0);
}

static void a_refused_retract_gives_the_parcel_back(void **state)
{
    (void)state;
    struct dw_job j = to_retract();
    lock_answers(DW_LOCK_RESULT_BATTERY, sent.retract.counter, sent.retract.lock_nonce);
    flush();
    flush();
    assert_int_equal(sent.receipt.outcome, DW_OUTCOME_REFUSED);
    assert_int_equal(parcels_used(), 0);
    struct dw_hello h = hello_to(&j, 12, "P");
    ask(&h);
    assert_int_equal(sent.offer.check, DW_CHECK_NONE);
    struct dw_proof p = proof_of(&sent.offer);
    slide(&p);
    assert_int_equal(sent.retracts, 2);
    go_in_and_out();
    lock_answers(DW_LOCK_RESULT_BATTERY, sent.retract.counter, sent.retract.lock_nonce);
    flush();
    assert_int_equal(parcels_used(), 1); /* not after an opening */
}

static size_t open_visits(void)
{
    size_t n = 0;
    store_each_open_visit(g.store, count_row, &n);
    return n;
}

static void a_door_that_was_left_open_is_remembered(void **state)
{
    (void)state;
    struct dw_job j = to_retract();
    pass(300, DW_BOLT_RETRACTED, DW_CONTACT_CLOSED);
    openings++;
    pass(60000 + 181000, DW_BOLT_RETRACTED, DW_CONTACT_OPEN);
    flush();
    flush();
    assert_int_equal(sent.receipt.outcome, DW_OUTCOME_NOT_SECURED);
    assert_int_equal(open_visits(), 1); /* its receipt is out; the door is not locked */
    for (uint64_t v = 100; v < 112; v++) {
        struct dw_hello h = hello_to(&j, v, "P");
        DELIVER(hello, HELLO, &h);
    }
    pass(300, DW_BOLT_RETRACTED, DW_CONTACT_CLOSED);
    pass_locked(1000);
    flush();
    flush();
    assert_int_equal(sent.receipt.visit, 11);
    assert_true(sent.receipt.is_confirmed_later);
    assert_int_equal(open_visits(), 0);
}

static void a_restart_is_over_when_the_door_is_locked(void **state)
{
    (void)state;
    to_retract();
    close_guard();
    open_guard();
    assert_int_equal(open_visits(), 1);
    struct dw_event ev = {.type = DW_EV_RESTARTED};
    guard_feed(&g, &ev);
    uint8_t nonce[32] = {0};
    link_aborted(&g, 11, dw_view_of(nonce, 32));
    flush();
    assert_int_equal(sent.receipt.outcome, DW_OUTCOME_ABORTED);
    assert_int_equal(open_visits(), 1); /* one more restart must know it, too */
    uint32_t throws = sent.throws;
    pass(500, DW_BOLT_RETRACTED, DW_CONTACT_CLOSED);
    assert_true(sent.throws > throws);
    pass_locked(500);
    flush();
    assert_int_equal(open_visits(), 0);
}

static void receipts_do_not_wait_behind_news(void **state)
{
    (void)state;
    struct hello h = {.handle = 77, .visit = 500};
    g.is_link_up = false;
    for (uint32_t i = 0; i < 100; i++)
        link_news(&g, &h, DW_VISIT_STUCK);
    struct dw_receipt r = {.visit = 500, .outcome = DW_OUTCOME_NOT_SECURED};
    link_receipt(&g, &r, 0);
    flush();
    link_on_state(&g, true);
    assert_int_equal(sent.receipts, 1);
    struct dw_ack a = {.visit = 500};
    a.hub[0] = 1;
    DELIVER(ack, ACK, &a); /* for another hub [I5] */
    mono_ms += 3000;
    link_tidy(&g);
    assert_int_equal(sent.receipts, 2);
    memcpy(a.hub, g.secret.key.thumb, 32);
    for (int round = 0; round < 4; round++) {
        for (a.number = 0; a.number <= 100; a.number++)
            DELIVER(ack, ACK, &a);
        flush();
        mono_ms += 3000;
        link_tidy(&g);
    }
    assert_int_equal(sent.receipts, 2);
    sent.news = 0;
    mono_ms += 3000;
    link_tidy(&g);
    assert_int_equal(sent.news, 0);
}

/* [I45] */
static void questions_are_bounded(void **state)
{
    (void)state;
    struct dw_job j = begin(DW_VISIT_DROP);
    uint64_t visit = 1000;
    for (int i = 0; i < 400; i++) {
        struct dw_hello h = hello_to(&j, visit++, "Q");
        DELIVER(hello, HELLO, &h);
    }
    assert_in_range(sent.offers, 1, 200);
    flush();
    for (int i = 0; i < 3; i++) {
        mono_ms += 2000;
        link_tidy(&g);
    }
    pass_locked(11000);
    struct dw_hello h = hello_to(&j, visit, "P");
    ask(&h);
    assert_int_equal(sent.offer.visit, visit);
    assert_int_equal(sent.offer.check, DW_CHECK_NONE);
}

static void words_of_an_adapter_are_not_trusted(void **state)
{
    (void)state;
    snprintf(g.set.lock_adapter, sizeof g.set.lock_adapter, "zigbee2mqtt");
    struct dw_ipc_lock_report m = {.lock_class = 9,
                                   .bolt = 200,
                                   .contact = 77,
                                   .cause = 99,
                                   .is_reachable = 1,
                                   .has_relock = 1,
                                   .relock_s = 30,
                                   .battery_pct = 90};
    memset(m.why, 'x', sizeof m.why);
    bolt_on_report(&g, &m);
    assert_int_equal(g.door.lock.lock_class, DW_LOCK_C);
    assert_int_equal(g.door.lock.bolt, DW_BOLT_UNKNOWN);
    assert_int_equal(g.door.lock.contact, DW_CONTACT_UNKNOWN);
    assert_int_equal(g.door.lock.cause, DW_CAUSE_UNKNOWN);
    m.lock_class = DW_LOCK_A;
    bolt_on_report(&g, &m);
    assert_int_equal(g.door.lock.lock_class, DW_LOCK_B);
}

/* [I43] A lock of class A speaks with its own key; whoever carries its words has none of its own.
 */
static void words_of_a_lock_are_its_own(void **state)
{
    (void)state;
    pass_locked(1000);
    assert_int_equal(g.door.lock.bolt, DW_BOLT_THROWN);
    struct dw_ipc_lock_report m = {.lock_class = DW_LOCK_B,
                                   .bolt = DW_BOLT_RETRACTED,
                                   .contact = DW_CONTACT_OPEN,
                                   .is_reachable = 1};
    bolt_on_report(&g, &m); /* as a bridge would say it */
    assert_int_equal(g.door.lock.bolt, DW_BOLT_THROWN);
    const struct dw_secret own = lock_key;
    const struct dw_secret *others[] = {&stranger, &service, &agency, &g.secret};
    for (size_t i = 0; i < DW_ARRAY_COUNT(others); i++) {
        lock_key = *others[i];
        lock_says(DW_BOLT_RETRACTED, DW_CONTACT_OPEN);
        assert_int_equal(g.door.lock.bolt, DW_BOLT_THROWN);
    }
    lock_key = own;
    lock_says(DW_BOLT_RETRACTED, DW_CONTACT_CLOSED);
    assert_int_equal(g.door.lock.bolt, DW_BOLT_RETRACTED);
}

/* [I37] What the lock counted while no hub was there; and who has not looked yet has not looked
 * after the next restart either. */
static void a_lock_that_moved_without_us_is_told_after_a_restart(void **state)
{
    (void)state;
    struct dw_job j = begin(DW_VISIT_DROP);
    uint64_t visit = 80;
    for (uint32_t turn = 0; turn < 4; turn++) {
        bolt_tidy(&g);
        flush();
        close_guard();
        openings += turn == 1; /* by a command that was none of ours */
        open_guard();
        pass_locked(6500);
        struct dw_hello h = hello_to(&j, ++visit, "P");
        ask(&h);
        bool is_told = turn == 1 || turn == 2;
        assert_int_equal(sent.offer.visit, visit);
        assert_int_equal(sent.offer.check, is_told ? DW_CHECK_UNACCOUNTED : DW_CHECK_NONE);
        assert_int_equal((g.door.alarms & DW_BIT(DW_ALARM_UNACCOUNTED)) != 0, is_told);
        struct dw_event seen = {.type = DW_EV_OWNER_ACKNOWLEDGE};
        if (turn == 2)
            guard_feed(&g, &seen);
    }
}

/* ---- the calendar ---- */

/* A job as if it had come: its window is what is looked at, whatever an agency may ask for. */
static void plant(const struct dw_job *j)
{
    struct job_slot *s = link_job(&g, j->job);
    s = s ? s : &g.jobs[0];
    s->is_used = true;
    s->job = *j;
}

static uint64_t judged(const char *zone, const struct dw_job *j, int64_t utc_ms, uint32_t width_ms)
{
    setenv("TZ", zone, 1);
    tzset();
    set_wall(utc_ms, utc_ms + width_ms);
    struct dw_hello h = hello_to(j, 1, "P");
    uint32_t job, parcel;
    uint64_t passed, failed;
    judge_hello(&g, &h, &job, &parcel, &passed, &failed);
    uint64_t of = UINT64_C(1) << DW_CHECK_EARLY | UINT64_C(1) << DW_CHECK_LATE |
                  UINT64_C(1) << DW_CHECK_CLOCK | UINT64_C(1) << DW_CHECK_SCREENING;
    return failed & of;
}

static int64_t utc_of(const char *zone, int year, int month, int day, int hour, int minute)
{
    setenv("TZ", zone, 1);
    tzset();
    struct tm t = {.tm_year = year - 1900,
                   .tm_mon = month - 1,
                   .tm_mday = day,
                   .tm_hour = hour,
                   .tm_min = minute,
                   .tm_isdst = -1};
    return (int64_t)mktime(&t) * 1000;
}

static void a_window_is_kept_to_the_minute_in_civil_time(void **state)
{
    (void)state;
    const uint64_t early = UINT64_C(1) << DW_CHECK_EARLY, late = UINT64_C(1) << DW_CHECK_LATE,
                   clock = UINT64_C(1) << DW_CHECK_CLOCK,
                   screening = UINT64_C(1) << DW_CHECK_SCREENING;
    struct dw_job j = job_of(1, DW_VISIT_DROP);
    j.nbf_s = 0;
    j.exp_s = NOON / 1000 + 400 * 86400;
    j.screening_from_day = 0;
    j.screening_to_day = 100000;
    plant(&j);
    const char *ams = "Europe/Amsterdam";
    int64_t ten = utc_of(ams, 2026, 6, 9, 10, 0), two = utc_of(ams, 2026, 6, 9, 14, 0);
    assert_int_equal(ten, NOON - 4 * 3600000); /* summer time */
    assert_int_equal(judged(ams, &j, ten - 1, 0), early);
    assert_int_equal(judged(ams, &j, ten - 1, 2), early); /* the whole interval */
    assert_int_equal(judged(ams, &j, ten, 0), 0);
    assert_int_equal(judged(ams, &j, two - 1, 0), 0);
    assert_int_equal(judged(ams, &j, two - 1, 1), late);
    assert_int_equal(judged(ams, &j, ten, 60000), 0);
    assert_int_equal(judged(ams, &j, ten, 60001), clock);
    assert_int_equal(judged(ams, &j, 0, 0), clock);

    struct dw_job night = j; /* to midnight: the next day's first minute is out */
    night.revision++;
    night.window.from_min = 1380;
    night.window.to_min = 1440;
    night.screening_from_day = night.screening_to_day = (int32_t)DAY;
    plant(&night);
    int64_t midnight = utc_of(ams, 2026, 6, 10, 0, 0);
    assert_int_equal(judged(ams, &night, midnight - 1, 0), 0);
    assert_int_equal(judged(ams, &night, midnight, 0), late | screening);
    assert_int_equal(judged(ams, &night, midnight - 1, 1), late | screening);
    assert_int_equal(judged(ams, &night, utc_of(ams, 2026, 6, 8, 23, 30), 0), early | screening);

    /* The times that come twice: 25 October 2026 in Europe, 02:00 to 03:00; Troll turns by two
     * hours, Lord Howe by half of one. */
    static const struct {
        const char *zone;
        int64_t turn; /* seconds */
        int turned_by;
    } zones[] = {{"Europe/Amsterdam", 1792890000, 3600},
                 {"Antarctica/Troll", 1792890000, 7200},
                 {"Australia/Lord_Howe", 1775314800, 1800}};
    for (size_t i = 0; i < DW_ARRAY_COUNT(zones); i++) {
        struct dw_job whole = j;
        int64_t turn = zones[i].turn * 1000, by = zones[i].turned_by * 1000;
        whole.revision = 20 + (uint32_t)i;
        setenv("TZ", zones[i].zone, 1);
        tzset();
        time_t t = (time_t)zones[i].turn - 43200, after = (time_t)zones[i].turn + 43200;
        struct tm tm, tm_after;
        localtime_r(&t, &tm);
        localtime_r(&after, &tm_after);
        assert_int_equal(tm.tm_gmtoff - tm_after.tm_gmtoff, zones[i].turned_by);
        int64_t day = (turn + tm_after.tm_gmtoff * 1000) / 86400000;
        whole.window = (struct dw_civil_window){.day = (int32_t)day, .from_min = 0, .to_min = 1440};
        plant(&whole);
        assert_int_equal(judged(zones[i].zone, &whole, turn - by - 1000, 0), 0);
        assert_int_equal(judged(zones[i].zone, &whole, turn - by, 0), clock);
        assert_int_equal(judged(zones[i].zone, &whole, turn - 1, 0), clock);
        assert_int_equal(judged(zones[i].zone, &whole, turn, 0), clock);
        assert_int_equal(judged(zones[i].zone, &whole, turn + by - 1, 0), clock);
        assert_int_equal(judged(zones[i].zone, &whole, turn + by, 0), 0);
    }
}

/* What somebody answers who hears the hub ask: anybody's key, and whatever proof he can make. */
static void welcome_from(const struct dw_secret *by, const struct dw_pairing *code,
                         const uint8_t nonce[32], const struct dw_key *proven)
{
    struct dw_welcome w = {.home = "Home"};
    uint8_t bytes[256];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    memcpy(w.hub, g.secret.key.thumb, 32);
    memcpy(w.service_pub, by->key.pub, 32);
    dw_pairing_service_proof(code, g.secret.key.pub, nonce, proven->pub, w.proof);
    assert_false(dw_failed(dw_welcome_write(&w, &b)));
    deliver(DW_LINK_KIND_WELCOME, by, &b);
}

static void a_hub_that_asks_believes_only_who_has_its_code(void **state)
{
    (void)state;
    const uint8_t old[32] = {1};
    char text[DW_PAIRING_TEXT], other_text[DW_PAIRING_TEXT];
    struct dw_pairing code, other;
    g.has_service = false;
    snprintf(g.set.door[0], sizeof g.set.door[0], "Front door");
    snprintf(g.set.pairing_code, sizeof g.set.pairing_code, "correct-horse-battery-staple");
    assert_false(link_open_pairing(&g)); /* made up, and so perhaps to be guessed */
    dw_pairing_new(text);
    dw_pairing_new(other_text);
    assert_false(dw_failed(dw_pairing_read(dw_view_of(text, strlen(text)), &code)));
    assert_false(dw_failed(dw_pairing_read(dw_view_of(other_text, strlen(other_text)), &other)));
    snprintf(g.set.pairing_code, sizeof g.set.pairing_code, "%s", text);
    assert_true(link_open_pairing(&g));
    link_enrol(&g);
    assert_int_equal(sent.enrols, 1);
    assert_memory_equal(sent.enrol.hub_pub, g.secret.key.pub, 32);
    assert_memory_equal(sent.enrol.nonce, g.pairing_nonce, 32);

    welcome_from(&stranger, &other, g.pairing_nonce, &stranger.key); /* who answers first */
    welcome_from(&service, &code, old, &service.key); /* the service's, of another time */
    welcome_from(&stranger, &code, g.pairing_nonce, &service.key); /* its proof, another key */
    struct dw_welcome w = {.home = "Home"}; /* the hub's own proof, sent back */
    uint8_t bytes[256];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    memcpy(w.hub, g.secret.key.thumb, 32);
    memcpy(w.service_pub, stranger.key.pub, 32);
    memcpy(w.proof, sent.enrol.proof, 32);
    assert_false(dw_failed(dw_welcome_write(&w, &b)));
    deliver(DW_LINK_KIND_WELCOME, &stranger, &b);
    assert_false(g.has_service);
    mono_ms += 60000;
    link_enrol(&g); /* it goes on waiting for the right one */
    assert_int_equal(sent.enrols, 2);

    welcome_from(&service, &code, g.pairing_nonce, &service.key);
    assert_true(g.has_service);
    assert_memory_equal(g.service.pub, service.key.pub, 32);
    mono_ms += 60000;
    link_enrol(&g);
    assert_int_equal(sent.enrols, 2);
    welcome_from(&stranger, &code, g.pairing_nonce, &stranger.key); /* once is for good */
    assert_memory_equal(g.service.pub, service.key.pub, 32);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_delivery_opens_once_and_only_after_it_was_written),
        CASE(the_same_question_is_one_question),
        CASE(a_proof_that_is_not_right_opens_nothing),
        CASE(a_question_that_is_not_right_is_refused_by_name),
        CASE(what_has_changed_since_the_question_counts),
        CASE(the_parcel_that_was_shown_is_used_up),
        CASE(a_recalled_job_does_not_come_back),
        CASE(a_recall_outlives_a_restart),
        CASE(a_stay_is_of_one_job_and_counts_its_openings),
        CASE(a_visitor_who_is_leaving_ends_the_stay),
        CASE(only_a_refusal_that_proves_it_takes_a_retract_back),
        CASE(a_refused_retract_gives_the_parcel_back),
        CASE(a_door_that_was_left_open_is_remembered),
        CASE(a_restart_is_over_when_the_door_is_locked),
        CASE(receipts_do_not_wait_behind_news),
        CASE(questions_are_bounded),
        CASE(words_of_an_adapter_are_not_trusted),
        CASE(words_of_a_lock_are_its_own),
        CASE(a_lock_that_moved_without_us_is_told_after_a_restart),
        CASE(a_window_is_kept_to_the_minute_in_civil_time),
        CASE(a_hub_that_asks_believes_only_who_has_its_code),
    };
    if (dw_failed(dw_crypto_init()))
        return 1;
    dw_os_init("link_test");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
