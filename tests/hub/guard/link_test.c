/* The guard from its link inwards: the real link, judge, store, record and interlock; children that
 * only keep what they were sent; a clock of our own. Every case is an attack or an accident. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto/signed.h"
#include "hub/guard/guard.h"
#include "os/os.h"

#define NOON INT64_C(1781006400000) /* 2026-06-09 12:00 UTC */
#define DAY  (NOON / 86400000)

static struct guard g;
static struct dw_secret service, lock_key, stranger;
static char folder[64];

/* ---- the clock: src/hub/guard is compiled with these in the place of the machine's ---- */

static uint64_t mono_ms;
static struct dw_utc wall;

dw_mono test_now(void);
struct dw_utc test_wall(bool trust);

dw_mono test_now(void)
{
    return (dw_mono){mono_ms};
}

struct dw_utc test_wall(bool trust)
{
    (void)trust;
    return wall;
}

static void at_utc(int64_t ms)
{
    wall = (struct dw_utc){ms, ms + 20};
}

/* ---- children that keep what they were sent ---- */

static struct {
    uint32_t offers, receipts, news, retracts, throws, kills, record_stops;
    struct dw_offer offer;
    struct dw_receipt receipt;
    struct dw_lock_command retract;
    size_t parcels_at_retract;
} sent;

static void count_row(void *ctx, struct dw_view a, struct dw_view b, int64_t c, int64_t d)
{
    (void)a, (void)b, (void)c, (void)d;
    ++*(size_t *)ctx;
}

static size_t parcels_used(void)
{
    size_t n = 0;
    store_each_parcel(g.store, count_row, &n);
    return n;
}

static void on_out(const struct dw_ipc_link *m)
{
    struct dw_view payload;
    enum dw_context c = (enum dw_context)dw_link_context(m->bytes[0]);
    if (dw_failed(
            dw_signed_open(&g.secret.key, c, dw_view_of(m->bytes + 1, m->len - 1u), &payload)))
        fail_msg("the hub sent what does not verify, kind %u", m->bytes[0]);
    if (m->bytes[0] == DW_LINK_KIND_OFFER) {
        sent.offers++;
        assert_false(dw_failed(dw_offer_read(payload, &sent.offer)));
    } else if (m->bytes[0] == DW_LINK_KIND_RECEIPT) {
        sent.receipts++;
        assert_false(dw_failed(dw_receipt_read(payload, &sent.receipt)));
    } else if (m->bytes[0] == DW_LINK_KIND_NEWS) {
        sent.news++;
    }
}

void child_send(struct guard *guard, enum child_name name, enum dw_ipc_type type, void *message)
{
    (void)guard, (void)name;
    if (type == DW_IPC_LINK_OUT) {
        on_out(message);
    } else if (type == DW_IPC_RECORD_STOP) {
        sent.record_stops++;
    } else if (type == DW_IPC_LOCK_COMMAND) {
        const struct dw_ipc_lock_command *m = message;
        if (m->action != DW_LOCK_ACTION_RETRACT) {
            sent.throws++;
            return;
        }
        struct dw_view payload;
        assert_false(dw_failed(dw_signed_open(&g.secret.key, DW_CONTEXT_LOCK_COMMAND,
                                              dw_view_of(m->bytes, m->len), &payload)));
        assert_false(dw_failed(dw_lock_command_read(payload, &sent.retract)));
        sent.retracts++;
        sent.parcels_at_retract = parcels_used();
    }
}

bool child_offer(struct guard *guard, enum child_name name, enum dw_ipc_type type, void *message)
{
    child_send(guard, name, type, message);
    return true;
}

void children_tidy(struct guard *guard)
{
    (void)guard;
}

void child_kill(struct guard *guard, enum child_name name, const char *why)
{
    (void)guard, (void)name, (void)why;
    sent.kills++;
}

dw_err children_start(struct guard *guard)
{
    (void)guard;
    return DW_OK;
}

void children_stop(struct guard *guard)
{
    (void)guard;
}

/* ---- start and end ---- */

static void open_guard(void)
{
    char why[256];
    struct dw_params params;
    g.has_service = true;
    g.service = service.key;
    g.lock.key = lock_key.key;
    g.lock.has_key = true;
    g.is_link_up = true;
    snprintf(g.set.state, sizeof g.set.state, "%s", folder);
    snprintf(g.set.zone, sizeof g.set.zone, "Etc/UTC");
    snprintf(g.set.lock_adapter, sizeof g.set.lock_adapter, "reference");
    uv_loop_init(&g.loop);
    uv_timer_init(&g.loop, &g.clock);
    uv_timer_init(&g.loop, &g.second);
    g.clock.data = g.second.data = &g;
    assert_false(dw_failed(
        store_open(folder, &g.loop, &g.secret, &g.store, &g.is_rolled_back, why, sizeof why)));
    dw_params_default(&params);
    g.set.params = params;
    dw_interlock_init(&g.door, &params, test_now());
    link_load_jobs(&g);
    assert_true(people_start(&g, ""));
    house_start(&g);
    struct dw_event room = {.type = DW_EV_DISK, .value = 1};
    guard_feed(&g, &room);
}

static void close_handle(uv_handle_t *h, void *unused)
{
    (void)unused;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

static void close_guard(void)
{
    uv_timer_stop(&g.clock);
    store_close(g.store);
    uv_walk(&g.loop, close_handle, NULL);
    uv_run(&g.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&g.loop), 0);
    free(g.store);
    struct dw_secret own = g.secret;
    memset(&g, 0, sizeof g);
    g.secret = own;
}

static int setup(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/dw-link-XXXXXX", tmp && strlen(tmp) < 40 ? tmp : "/tmp");
    setenv("TZ", "Etc/UTC", 1);
    tzset();
    memset(&sent, 0, sizeof sent);
    memset(&g, 0, sizeof g);
    mono_ms = 1000000;
    at_utc(NOON);
    dw_secret_new(&g.secret);
    dw_secret_new(&service);
    dw_secret_new(&lock_key);
    dw_secret_new(&stranger);
    if (!mkdtemp(folder))
        return -1;
    open_guard();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close_guard();
    static const char *const names[] = {"hub.sqlite",
                                        "hub.sqlite-wal",
                                        "hub.sqlite-shm",
                                        "record/leaves",
                                        "record",
                                        "first-owner",
                                        ""};
    for (size_t i = 0; i < DW_ARRAY_COUNT(names); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)remove(path);
    }
    return 0;
}

/* Until all that was asked of the store is answered. */
static void on_flushed(void *ctx, dw_err err, uint64_t leaf)
{
    (void)err, (void)leaf;
    *(bool *)ctx = true;
}

static void flush(void)
{
    bool is_done = false;
    struct store_write w = {.meta_key = "flush", .done = on_flushed, .ctx = &is_done};
    assert_false(dw_failed(store_write(g.store, &w)));
    while (!is_done)
        uv_run(&g.loop, UV_RUN_ONCE); /* the test's time-out ends a store that never answers */
}

/* ---- what the service says ---- */

static void deliver(enum dw_link_kind kind, const struct dw_secret *by,
                    const struct dw_buf *payload)
{
    struct dw_ipc_link m = {.arrived_ms = mono_ms};
    m.bytes[0] = (uint8_t)kind;
    struct dw_buf out = dw_buf_of(m.bytes + 1, sizeof m.bytes - 1);
    enum dw_context c = (enum dw_context)dw_link_context((uint8_t)kind);
    assert_false(dw_failed(dw_signed_make(by, c, dw_view_of_buf(payload), &out)));
    m.len = (uint16_t)(out.len + 1);
    link_on_message(&g, &m);
}

#define DELIVER(kind, KIND, message)                                  \
    do {                                                              \
        uint8_t bytes_[3072];                                         \
        struct dw_buf buf_ = dw_buf_of(bytes_, sizeof bytes_);        \
        assert_false(dw_failed(dw_##kind##_write((message), &buf_))); \
        deliver(DW_LINK_KIND_##KIND, &service, &buf_);                \
    } while (0)

static const uint8_t salt[16] = {7};

static void commit(const char *code, uint8_t ret[32])
{
    dw_sha256_2(dw_view_of(salt, 16), dw_view_of(code, strlen(code)), ret);
}

static struct dw_job job_of(uint8_t id, enum dw_visit_kind kind)
{
    struct dw_job j = {
        .nbf_s = NOON / 1000 - 43200,
        .exp_s = NOON / 1000 + 43200,
        .job = {id},
        .agency = {1},
        .kind = (uint8_t)kind,
        .openings = kind == DW_VISIT_STAY ? 3 : 1,
        .window = {.day = (int32_t)DAY, .from_min = 600, .to_min = 840},
        .dwell_ms = 60000,
        .revision = 5,
        .visitor = {9},
        .screening_from_day = (int32_t)DAY - 1,
        .screening_to_day = (int32_t)DAY,
        .camera_class = DW_CAMERA_K2,
    };
    memcpy(j.hub, g.secret.key.thumb, 32);
    snprintf(j.agency_name, sizeof j.agency_name, "Agency");
    snprintf(j.visitor_name, sizeof j.visitor_name, "Visitor");
    snprintf(j.zone, sizeof j.zone, "Etc/UTC");
    snprintf(j.screening_issuer, sizeof j.screening_issuer, "Issuer");
    snprintf(j.screening_kind, sizeof j.screening_kind, "Kind");
    if (kind == DW_VISIT_DROP) {
        j.parcel_count = 1;
        commit("P", j.parcel[0]);
    }
    return j;
}

static struct dw_hello hello_to(const struct dw_job *j, uint64_t visit, const char *code)
{
    struct dw_hello h = {.visit = visit, .door = j->door, .revision = j->revision};
    memcpy(h.hub, g.secret.key.thumb, 32);
    memcpy(h.job, j->job, 16);
    memcpy(h.visitor, j->visitor, 16);
    memcpy(h.salt, salt, 16);
    dw_random(h.courier_nonce, 32);
    h.barcode_len = (uint8_t)strlen(code);
    memcpy(h.barcode, code, strlen(code));
    return h;
}

static struct dw_proof proof_of(const struct dw_offer *o)
{
    struct dw_proof p = {.visit = o->visit};
    memcpy(p.hub, o->hub, 32);
    memcpy(p.hub_nonce, o->hub_nonce, 32);
    memcpy(p.courier_nonce, o->courier_nonce, 32);
    return p;
}

static void recall(const struct dw_job *j, uint32_t revision)
{
    struct dw_recall r = {.revision = revision};
    memcpy(r.hub, g.secret.key.thumb, 32);
    memcpy(r.job, j->job, 16);
    DELIVER(recall, RECALL, &r);
}

/* ---- what lock and camera say ---- */

static uint32_t openings, status_seq;

static void lock_says(enum dw_bolt bolt, enum dw_contact contact)
{
    struct dw_lock_status s = {
        .boot_count = 1,
        .boot_seed = {1},
        .bolt = (uint8_t)bolt,
        .contact = (uint8_t)contact,
        .strike = bolt == DW_BOLT_THROWN ? DW_STRIKE_IN : DW_STRIKE_OUT,
        .cause = DW_CAUSE_COMMAND,
        .throws_left = 100,
        .opening_count = openings,
        .lock_nonce = {0x55},
        .battery_pct = 90,
        .seq = ++status_seq,
        .counter = sent.retract.counter ? sent.retract.counter - 1 : 0, /* not executed */
        .t_us = mono_ms * 1000,
    };
    memcpy(s.nonce, g.lock.nonce[g.door.lock_newest_ask], 32);
    uint8_t bytes[512];
    struct dw_buf p = dw_buf_of(bytes, sizeof bytes);
    struct dw_ipc_bytes m = {.kind = DW_LOCK_KIND_STATUS};
    struct dw_buf out = dw_buf_of(m.bytes, sizeof m.bytes);
    assert_false(dw_failed(dw_lock_status_write(&s, &p)));
    assert_false(
        dw_failed(dw_signed_make(&lock_key, DW_CONTEXT_LOCK_STATUS, dw_view_of_buf(&p), &out)));
    m.len = (uint16_t)out.len;
    bolt_on_signed(&g, &m);
}

static void lock_answers(enum dw_lock_result result, uint32_t counter, const uint8_t nonce[32])
{
    struct dw_lock_answer a = {.counter = counter, .result = (uint8_t)result};
    memcpy(a.lock_nonce, nonce, 32);
    uint8_t bytes[256];
    struct dw_buf p = dw_buf_of(bytes, sizeof bytes);
    struct dw_ipc_bytes m = {.kind = DW_LOCK_KIND_ANSWER};
    struct dw_buf out = dw_buf_of(m.bytes, sizeof m.bytes);
    assert_false(dw_failed(dw_lock_answer_write(&a, &p)));
    assert_false(
        dw_failed(dw_signed_make(&lock_key, DW_CONTEXT_LOCK_ANSWER, dw_view_of_buf(&p), &out)));
    m.len = (uint16_t)out.len;
    bolt_on_signed(&g, &m);
}

static void camera_says(void)
{
    struct dw_event ev = {.type = DW_EV_FRAME};
    ev.frame = (struct dw_frame_seen){
        .nonce = g.door.live.newest_nonce,
        .since_ms = (uint32_t)(mono_ms - g.door.live.nonce_at[g.door.live.newest_nonce].ms),
        .order = DW_FRAME_NEXT,
        .camera_class = DW_CAMERA_K2};
    guard_feed(&g, &ev);
}

/* Time goes on in small steps with a camera that never sleeps and a lock that is heard. */
static void pass(uint32_t ms, enum dw_bolt bolt, enum dw_contact contact)
{
    for (uint32_t t = 0; t < ms; t += 100) {
        mono_ms += 100;
        struct dw_event ev = {.type = DW_EV_TIMEOUT};
        guard_feed(&g, &ev);
        lock_says(bolt, contact);
        camera_says();
    }
}

static void pass_locked(uint32_t ms)
{
    pass(ms, DW_BOLT_THROWN, DW_CONTACT_CLOSED);
}

static void ask(const struct dw_hello *h)
{
    DELIVER(hello, HELLO, h);
    pass_locked(200);
    flush();
}

/* Slides, and lets everything happen up to the retract, if it comes. */
static void slide(const struct dw_proof *p)
{
    DELIVER(proof, PROOF, p);
    for (int i = 0; i < 8; i++) {
        flush();
        pass_locked(100);
    }
}

/* From the retract to SECURED or BETWEEN. */
static void go_in_and_out(void)
{
    pass(300, DW_BOLT_RETRACTED, DW_CONTACT_CLOSED);
    openings++;
    pass(1000, DW_BOLT_RETRACTED, DW_CONTACT_OPEN);
    pass(300, DW_BOLT_RETRACTED, DW_CONTACT_CLOSED);
    pass_locked(1000);
    flush();
}

static struct dw_job begin(enum dw_visit_kind kind)
{
    struct dw_job j = job_of(1, kind);
    DELIVER(job, JOB, &j);
    pass_locked(6000); /* screens of a hub before this one could still say SECURED */
    return j;
}

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
    struct dw_proof right = proof_of(&sent.offer), p = right;
    p.hub_nonce[3] ^= 1;
    slide(&p);
    p = right;
    p.hub[0] ^= 1; /* another hub's [I5] */
    slide(&p);
    p = right;
    p.visit = 12;
    slide(&p);
    uint8_t bytes[512];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    assert_false(dw_failed(dw_proof_write(&right, &b)));
    deliver(DW_LINK_KIND_PROOF, &stranger, &b);
    pass_locked(300);
    assert_int_equal(g.door.state, DW_VISIT_READY); /* none of these closed the question */
    p = right;
    p.door = 1;
    slide(&p); /* the right nonce with a wrong door uses it up */
    assert_int_equal(sent.receipt.check, DW_CHECK_PROOF);
    slide(&right);
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
    DELIVER(job, JOB, &back);
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
    DELIVER(job, JOB, &j);
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
    DELIVER(job, JOB, &j);
    DELIVER(job, JOB, &next);
    for (uint32_t i = 0; i < 300; i++) { /* and the table is full */
        struct dw_job more = job_of(3, DW_VISIT_DROP);
        more.job[1] = (uint8_t)i;
        more.job[2] = (uint8_t)(i >> 8);
        DELIVER(job, JOB, &more);
    }
    flush();
    for (int again = 0; again < 2; again++) {
        DELIVER(job, JOB, &j);
        DELIVER(job, JOB, &next);
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
    DELIVER(job, JOB, &j);
    struct dw_hello h = hello_to(&j, 60, "P");
    ask(&h);
    assert_int_equal(sent.offer.check, DW_CHECK_NONE);
}

static void a_recall_outlives_a_restart(void **state)
{
    (void)state;
    struct dw_job j = begin(DW_VISIT_DROP), next = job_of(2, DW_VISIT_DROP);
    recall(&j, 6);
    recall(&next, 6);
    close_guard();
    open_guard();
    pass_locked(500);
    DELIVER(job, JOB, &next);
    DELIVER(job, JOB, &j);
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
    DELIVER(job, JOB, &other);
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
    DELIVER(job, JOB, &j);
    h = hello_to(&j, 12, "");
    ask(&h);
    assert_int_equal(sent.offer.visit, 12);
    assert_int_equal(sent.offer.check, DW_CHECK_PARCEL_USED);
    assert_int_equal(sent.retracts, 3);
}

static struct dw_job to_retract(void)
{
    struct dw_job j = begin(DW_VISIT_DROP);
    struct dw_hello h = hello_to(&j, 11, "P");
    ask(&h);
    struct dw_proof p = proof_of(&sent.offer);
    DELIVER(proof, PROOF, &p);
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
    link_receipt(&g, &r);
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

/* ---- the calendar ---- */

static uint64_t judged(const char *zone, const struct dw_job *j, int64_t utc_ms, uint32_t width_ms)
{
    setenv("TZ", zone, 1);
    tzset();
    wall = (struct dw_utc){utc_ms, utc_ms + width_ms};
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
    DELIVER(job, JOB, &j);
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
    DELIVER(job, JOB, &night);
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
        DELIVER(job, JOB, &whole);
        assert_int_equal(judged(zones[i].zone, &whole, turn - by - 1000, 0), 0);
        assert_int_equal(judged(zones[i].zone, &whole, turn - by, 0), clock);
        assert_int_equal(judged(zones[i].zone, &whole, turn - 1, 0), clock);
        assert_int_equal(judged(zones[i].zone, &whole, turn, 0), clock);
        assert_int_equal(judged(zones[i].zone, &whole, turn + by - 1, 0), clock);
        assert_int_equal(judged(zones[i].zone, &whole, turn + by, 0), 0);
    }
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
        CASE(only_a_refusal_that_proves_it_takes_a_retract_back),
        CASE(a_refused_retract_gives_the_parcel_back),
        CASE(a_door_that_was_left_open_is_remembered),
        CASE(a_restart_is_over_when_the_door_is_locked),
        CASE(receipts_do_not_wait_behind_news),
        CASE(questions_are_bounded),
        CASE(words_of_an_adapter_are_not_trusted),
        CASE(a_window_is_kept_to_the_minute_in_civil_time),
    };
    if (dw_failed(dw_crypto_init()))
        return 1;
    dw_os_init("link_test");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
