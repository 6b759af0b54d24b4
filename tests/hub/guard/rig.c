#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "os/os.h"

const char *test_origin = "";
struct guard g;
struct dw_secret service, lock_key, stranger;
char folder[64];

/* ---- the clock: src/hub/guard is compiled with these in the place of the machine's ---- */

uint64_t mono_ms;
struct dw_utc wall;
static uint64_t wall_at_ms;

dw_mono test_now(void)
{
    return (dw_mono){mono_ms};
}

struct dw_utc test_wall(bool trust)
{
    (void)trust;
    struct dw_utc now = wall;
    if (dw_utc_is_known(now)) { /* it goes on as the other clock does */
        now.lo_ms += (int64_t)(mono_ms - wall_at_ms);
        now.hi_ms += (int64_t)(mono_ms - wall_at_ms);
    }
    return now;
}

void set_wall(int64_t lo_ms, int64_t hi_ms)
{
    wall = (struct dw_utc){lo_ms, hi_ms};
    wall_at_ms = mono_ms;
    dw_wall_init(&g.wall, 0); /* a turn of the clock that nobody has to wait out */
}

void at_utc(int64_t ms)
{
    set_wall(ms, ms + 20);
}

/* ---- children that keep what they were sent ---- */

struct sent sent;

void count_row(void *ctx, struct dw_view a, struct dw_view b, int64_t c, int64_t d)
{
    (void)a, (void)b, (void)c, (void)d;
    ++*(size_t *)ctx;
}

size_t parcels_used(void)
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
    } else if (m->bytes[0] == DW_LINK_KIND_WISH) {
        sent.wishes++;
        assert_false(dw_failed(dw_wish_read(payload, &sent.wish)));
    }
}

static void note(enum child_name name, enum dw_ipc_type type, const void *message)
{
    if (type == DW_IPC_PEOPLE_ANSWER) {
        sent.answers++;
        memcpy(&sent.answer, message, sizeof sent.answer);
    } else if (type == DW_IPC_PEOPLE) {
        memcpy(&sent.people, message, sizeof sent.people);
    } else if (type == DW_IPC_STORY && name == CHILD_FRONT) {
        memcpy(&sent.line[sent.lines++ % DW_ARRAY_COUNT(sent.line)], message, sizeof sent.line[0]);
    } else if (type == DW_IPC_WHO && name == CHILD_FRONT) {
        sent.whos++;
        memcpy(&sent.who, message, sizeof sent.who);
    } else if (type == DW_IPC_JOB) {
        sent.jobs++;
        memcpy(&sent.job, message, sizeof sent.job);
    } else if (type == DW_IPC_PARAMS) {
        memcpy(&sent.params, message, sizeof sent.params);
    } else if (type == DW_IPC_LIVE) {
        memcpy(&sent.live, message, sizeof sent.live);
    } else if (type == DW_IPC_ALERT_SET) {
        memcpy(&sent.alert_set, message, sizeof sent.alert_set);
    }
}

void child_send(struct guard *guard, enum child_name name, enum dw_ipc_type type, void *message)
{
    (void)guard;
    note(name, type, message);
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

void open_guard(void)
{
    char why[256];
    struct dw_params params;
    g.has_service = true;
    g.service = service.key;
    g.lock.key = lock_key.key;
    g.lock.has_key = true;
    g.is_link_up = true;
    g.child[CHILD_FRONT].is_ready = true;
    snprintf(g.set.state, sizeof g.set.state, "%s", folder);
    snprintf(g.set.zone, sizeof g.set.zone, "Etc/UTC");
    snprintf(g.set.lock_adapter, sizeof g.set.lock_adapter, "reference");
    uv_loop_init(&g.loop);
    uv_timer_init(&g.loop, &g.clock);
    uv_timer_init(&g.loop, &g.second);
    g.clock.data = g.second.data = &g;
    assert_false(dw_failed(
        store_open(folder, &g.loop, &g.secret, &g.store, &g.is_rolled_back, why, sizeof why)));
    wall_start(&g);
    dw_params_default(&params);
    g.set.params = params;
    dw_interlock_init(&g.door, &params, test_now());
    g.story_number = store_newest_line(g.store);
    g.story_number += g.story_number ? 2048 : 0;
    link_load_jobs(&g);
    g.set.recovery_hours = 72;
    assert_true(people_start(&g, test_origin));
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

void close_guard(void)
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

int setup(void **state)
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

int teardown(void **state)
{
    (void)state;
    close_guard();
    static const char *const names[] = {
        "hub.sqlite", "hub.sqlite-wal", "hub.sqlite-shm", "record/leaves",
        "record",     "first-owner",    "presence",       ""};
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

void flush(void)
{
    bool is_done = false;
    struct store_write w = {.meta_key = "flush", .done = on_flushed, .ctx = &is_done};
    assert_false(dw_failed(store_write(g.store, &w)));
    while (!is_done)
        uv_run(&g.loop, UV_RUN_ONCE); /* the test's time-out ends a store that never answers */
}

/* ---- what the service says ---- */

void deliver(enum dw_link_kind kind, const struct dw_secret *by, const struct dw_buf *payload)
{
    struct dw_ipc_link m = {.arrived_ms = mono_ms};
    m.bytes[0] = (uint8_t)kind;
    struct dw_buf out = dw_buf_of(m.bytes + 1, sizeof m.bytes - 1);
    enum dw_context c = (enum dw_context)dw_link_context((uint8_t)kind);
    assert_false(dw_failed(dw_signed_make(by, c, dw_view_of_buf(payload), &out)));
    m.len = (uint16_t)(out.len + 1);
    link_on_message(&g, &m);
}

const uint8_t salt[16] = {7};

void commit(const char *code, uint8_t ret[32])
{
    dw_sha256_2(dw_view_of(salt, 16), dw_view_of(code, strlen(code)), ret);
}

struct dw_job job_of(uint8_t id, enum dw_visit_kind kind)
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

struct dw_hello hello_to(const struct dw_job *j, uint64_t visit, const char *code)
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

struct dw_proof proof_of(const struct dw_offer *o)
{
    struct dw_proof p = {.visit = o->visit};
    memcpy(p.hub, o->hub, 32);
    memcpy(p.hub_nonce, o->hub_nonce, 32);
    memcpy(p.courier_nonce, o->courier_nonce, 32);
    return p;
}

void recall(const struct dw_job *j, uint32_t revision)
{
    struct dw_recall r = {.revision = revision};
    memcpy(r.hub, g.secret.key.thumb, 32);
    memcpy(r.job, j->job, 16);
    DELIVER(recall, RECALL, &r);
}

/* ---- what lock and camera say ---- */

uint32_t openings, status_seq;

void lock_says(enum dw_bolt bolt, enum dw_contact contact)
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

void lock_answers(enum dw_lock_result result, uint32_t counter, const uint8_t nonce[32])
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

void camera_says(void)
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
void pass(uint32_t ms, enum dw_bolt bolt, enum dw_contact contact)
{
    for (uint32_t t = 0; t < ms; t += 100) {
        mono_ms += 100;
        struct dw_event ev = {.type = DW_EV_TIMEOUT};
        guard_feed(&g, &ev);
        lock_says(bolt, contact);
        camera_says();
    }
}

void pass_locked(uint32_t ms)
{
    pass(ms, DW_BOLT_THROWN, DW_CONTACT_CLOSED);
}

void ask(const struct dw_hello *h)
{
    DELIVER(hello, HELLO, h);
    pass_locked(200);
    flush();
}

/* Slides, and lets everything happen up to the retract, if it comes. */
void slide(const struct dw_proof *p)
{
    DELIVER(proof, PROOF, p);
    for (int i = 0; i < 8; i++) {
        flush();
        pass_locked(100);
    }
}

/* From the retract to SECURED or BETWEEN. */
void go_in_and_out(void)
{
    pass(300, DW_BOLT_RETRACTED, DW_CONTACT_CLOSED);
    openings++;
    pass(1000, DW_BOLT_RETRACTED, DW_CONTACT_OPEN);
    pass(300, DW_BOLT_RETRACTED, DW_CONTACT_CLOSED);
    pass_locked(1000);
    flush();
}

struct dw_job begin(enum dw_visit_kind kind)
{
    struct dw_job j = job_of(1, kind);
    DELIVER(job, JOB, &j);
    pass_locked(6000); /* screens of a hub before this one could still say SECURED */
    return j;
}
