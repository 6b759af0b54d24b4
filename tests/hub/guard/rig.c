#include "rig.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "os/os.h"
#include "wire/cbor.h"

const char *test_origin = ORIGIN;
uint32_t test_grant_wait_ms;
void (*test_tune)(struct dw_params *params);
void (*on_retract)(void);
struct guard g;
struct dw_secret service, lock_key, stranger, agency;
struct soft courier;
static uint8_t granted[DW_VISIT_KIND_COUNT][16];
static bool is_granted[DW_VISIT_KIND_COUNT];
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
    } else if (m->bytes[0] == DW_LINK_KIND_GRANT) {
        sent.grants_out++;
        assert_false(dw_failed(dw_evidence_read(payload, &sent.grant_out)));
    } else if (m->bytes[0] == DW_LINK_KIND_REVOKED) {
        sent.revokes_out++;
        assert_false(dw_failed(dw_revoked_read(payload, &sent.revoked_out)));
    } else if (m->bytes[0] == DW_LINK_KIND_NEWS) {
        sent.news++;
    } else if (m->bytes[0] == DW_LINK_KIND_ENROL) {
        sent.enrols++;
        assert_false(dw_failed(dw_enrol_read(payload, &sent.enrol)));
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
    } else if (type == DW_IPC_EXPECTED) {
        memcpy(&sent.expected, message, sizeof sent.expected);
    } else if (type == DW_IPC_GUEST) {
        const struct dw_ipc_guest *m = message;
        assert_true(m->member < DW_ARRAY_COUNT(sent.guest));
        sent.guest[m->member] = *m;
    } else if (type == DW_IPC_GRANTS) {
        memcpy(&sent.grants, message, sizeof sent.grants);
    } else if (type == DW_IPC_STORY && name == CHILD_FRONT) {
        memcpy(&sent.line[sent.lines++ % DW_ARRAY_COUNT(sent.line)], message, sizeof sent.line[0]);
    } else if (type == DW_IPC_WHO && name == CHILD_FRONT) {
        sent.whos++;
        memcpy(&sent.who, message, sizeof sent.who);
    } else if (type == DW_IPC_JOB && name == CHILD_ALERT) {
        sent.alert_jobs++;
        memcpy(&sent.alert_job, message, sizeof sent.alert_job);
        if (sent.alert_job.news != DW_JOB_NEWS_NONE)
            sent.alert_news = sent.alert_job;
    } else if (type == DW_IPC_JOB) {
        sent.jobs++;
        memcpy(&sent.job, message, sizeof sent.job);
    } else if (type == DW_IPC_PARAMS) {
        memcpy(&sent.params, message, sizeof sent.params);
    } else if (type == DW_IPC_LIVE) {
        memcpy(&sent.live, message, sizeof sent.live);
    } else if (type == DW_IPC_ALERT_SET) {
        memcpy(&sent.alert_set, message, sizeof sent.alert_set);
    } else if (type == DW_IPC_LINK_PROOF) {
        memcpy(&sent.link_proof, message, sizeof sent.link_proof);
        sent.link_proofs++;
    }
}

void child_send(struct guard *guard, enum child_name name, enum dw_ipc_type type, void *message)
{
    (void)guard;
    note(name, type, message);
    if (type == DW_IPC_LINK_OUT) {
        sent.outs++;
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
        if (on_retract)
            on_retract();
        sent.parcels_at_retract = parcels_used();
    }
}

bool child_offer(struct guard *guard, enum child_name name, enum dw_ipc_type type, void *message)
{
    if (!guard->child[name].is_ready)
        return false;
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
    snprintf(g.set.camera_class, sizeof g.set.camera_class, "k2");
    g.set.grant_wait_ms = test_grant_wait_ms;
    snprintf(g.set.lock_adapter, sizeof g.set.lock_adapter, "reference");
    uv_loop_init(&g.loop);
    uv_timer_init(&g.loop, &g.clock);
    uv_timer_init(&g.loop, &g.second);
    g.clock.data = g.second.data = &g;
    assert_false(dw_failed(
        store_open(folder, &g.loop, &g.secret, &g.store, &g.is_rolled_back, why, sizeof why)));
    wall_start(&g);
    dw_params_default(&params);
    if (test_tune)
        test_tune(&params);
    g.set.params = params;
    dw_interlock_init(&g.door, &params, test_now());
    g.story_number = store_newest_line(g.store);
    g.story_number += g.story_number ? 2048 : 0;
    bolt_start(&g);
    authority_start(&g);
    expected_start(&g);
    link_load_jobs(&g);
    g.set.recovery_hours = 72;
    assert_true(people_start(&g, test_origin));
    devices_start(&g);
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
    dw_secret_new(&agency);
    courier = soft_new(DW_PASSKEY_ES256, 0x22);
    memset(is_granted, 0, sizeof is_granted);
    test_origin = ORIGIN;
    test_grant_wait_ms = 0;
    test_tune = NULL;
    on_retract = NULL;
    device_count = 0;
    openings = status_seq = 0;
    if (!mkdtemp(folder))
        return -1;
    open_guard();
    return 0;
}

int teardown(void **state)
{
    (void)state;
    close_guard();
    soft_free(&courier);
    for (uint32_t i = 0; i < device_count; i++)
        EVP_PKEY_free(devices[i].key);
    memset(devices, 0, sizeof devices);
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

/* ---- an agency and its visitor ---- */

void deliver_raw(enum dw_link_kind kind, const struct dw_secret *by, enum dw_context c,
                 const struct dw_buf *payload)
{
    struct dw_ipc_link m = {.arrived_ms = mono_ms};
    m.bytes[0] = (uint8_t)kind;
    struct dw_buf out = dw_buf_of(m.bytes + 1, sizeof m.bytes - 1);
    assert_false(dw_failed(dw_signed_make(by, c, dw_view_of_buf(payload), &out)));
    m.len = (uint16_t)(out.len + 1);
    link_on_message(&g, &m);
}

void introduce(const struct dw_secret *by, uint8_t id, const char *name)
{
    struct dw_introduce s = {.agency = {id}};
    uint8_t bytes[256];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    memcpy(s.pub, by->key.pub, 32);
    memcpy(s.hub, g.secret.key.thumb, 32);
    snprintf(s.name, sizeof s.name, "%s", name);
    assert_false(dw_failed(dw_introduce_write(&s, &b)));
    deliver(DW_LINK_KIND_INTRODUCE, by, &b);
    flush();
}

struct dw_ipc_people_ask grant_ask(uint8_t agency_id, enum dw_visit_kind kind)
{
    struct dw_ipc_people_ask m = {.act = DW_ACT_GRANT,
                                  .id = {agency_id},
                                  .grant = {.kind = (uint8_t)kind,
                                            .mode = DW_GRANT_NOTIFY,
                                            .per_day = 200,
                                            .window_count = 1,
                                            .uses = 1000,
                                            .days = DW_GRANT_DAYS_MAX,
                                            .dwell_ms = 60000,
                                            .window = {{0, DW_WEEK_MINUTES}}}};
    m.member = first_owner()->member;
    return m;
}

enum dw_people_no sign_grant(const struct dw_ipc_people_ask *m, uint8_t ret_id[16])
{
    enum dw_people_no no = begin_act(*m);
    if (no != DW_PEOPLE_NO_NONE)
        return no;
    const struct device *d = NULL;
    for (uint32_t i = 0; i < device_count; i++) {
        if (memcmp(devices[i].id, sent.answer.credential, sizeof devices[i].id) == 0)
            d = &devices[i];
    }
    assert_non_null(d);
    struct dw_ipc_people_ask a = answered(DW_PEOPLE_ACT);
    a.member = m->member;
    sign(d, &right, &a);
    no = tell_guard(&a);
    if (no == DW_PEOPLE_NO_NONE)
        memcpy(ret_id, sent.answer.id, 16);
    return no;
}

const uint8_t *permit(enum dw_visit_kind kind)
{
    if (!is_granted[kind]) {
        introduce(&agency, 1, "Agency");
        struct dw_ipc_people_ask m = grant_ask(1, kind);
        assert_int_equal(sign_grant(&m, granted[kind]), DW_PEOPLE_NO_NONE);
        is_granted[kind] = true;
    }
    return granted[kind];
}

void give_as(const struct dw_secret *by, const uint8_t grant[16], const struct dw_job *j)
{
    static struct dw_manifest m;
    static uint8_t bytes[2304];
    struct dw_buf job = dw_buf_of(m.job, sizeof m.job), b = dw_buf_of(bytes, sizeof bytes);
    assert_false(dw_failed(dw_job_write(j, &job)));
    m.job_len = (uint16_t)job.len;
    memcpy(m.hub, j->hub, 32);
    memcpy(m.grant, grant, 16);
    assert_false(dw_failed(dw_manifest_write(&m, &b)));
    deliver(DW_LINK_KIND_MANIFEST, by, &b);
}

void give(const struct dw_job *j)
{
    give_as(&agency, permit((enum dw_visit_kind)j->kind), j);
}

struct dw_shift shift_of(const struct soft *who, int64_t from_s)
{
    struct dw_shift s = {.nbf_s = from_s,
                         .exp_s = from_s + 43200,
                         .agency = {1},
                         .visitor = {9},
                         .credential_len = who->passkey.id_len,
                         .alg = who->passkey.alg == DW_PASSKEY_ES256 ? 1 : 2,
                         .key_len = who->passkey.key_len};
    snprintf(s.visitor_name, sizeof s.visitor_name, "Visitor");
    snprintf(s.origin, sizeof s.origin, "%s", COURIER_ORIGIN);
    memcpy(s.credential, who->passkey.id, who->passkey.id_len);
    memcpy(s.key, who->passkey.key, who->passkey.key_len);
    return s;
}

void deliver_shift(const struct dw_secret *by, const struct dw_shift *s)
{
    uint8_t bytes[1024];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    assert_false(dw_failed(dw_shift_write(s, &b)));
    deliver(DW_LINK_KIND_SHIFT, by, &b);
}

void begin_shift(void)
{
    permit(DW_VISIT_DROP);
    struct dw_shift s = shift_of(&courier, test_wall(true).lo_ms / 1000 - 3600);
    deliver_shift(&agency, &s);
}

struct dw_stop stop_of(const struct dw_proof *p)
{
    struct dw_stop s = {.visit = p->visit, .door = p->door};
    memcpy(s.hub, p->hub, 32);
    memcpy(s.hub_nonce, p->hub_nonce, 32);
    memcpy(s.courier_nonce, p->courier_nonce, 32);
    for (size_t i = 0; i < VISITS_MAX; i++) {
        const struct hello *h = &g.hellos[i];
        const struct job_slot *j =
            h->handle && h->visit == p->visit ? link_job(&g, h->asked.job) : NULL;
        if (j)
            dw_sha256(dw_view_of(j->object, j->object_len), s.manifest);
    }
    return s;
}

struct dw_evidence evidence_of(const struct soft *who, const struct dw_stop *stop,
                               const char *origin, const char *rp_id, uint8_t flags)
{
    struct dw_evidence e = {.id = {1}, .auth_len = 37};
    struct dw_buf b = dw_buf_of(e.bytes, sizeof e.bytes);
    uint8_t challenge[32];
    assert_false(dw_failed(dw_stop_write(stop, &b)));
    e.bytes_len = (uint16_t)b.len;
    dw_chain_challenge(DW_STOP_CONTEXT, dw_view_of_buf(&b), challenge);
    struct asserted a = soft_assert(who, "webauthn.get", origin, rp_id, flags, challenge);
    memcpy(e.hub, stop->hub, 32);
    snprintf(e.context, sizeof e.context, "%s", DW_STOP_CONTEXT);
    e.credential_len = who->passkey.id_len;
    memcpy(e.credential, who->passkey.id, who->passkey.id_len);
    memcpy(e.auth, a.auth, 37);
    e.client_len = (uint16_t)a.client_len;
    memcpy(e.client, a.client, a.client_len);
    e.signature_len = (uint16_t)a.signature_len;
    memcpy(e.signature, a.signature, a.signature_len);
    return e;
}

void deliver_evidence(const struct dw_evidence *e, const struct dw_secret *by)
{
    uint8_t bytes[3072];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    assert_false(dw_failed(dw_evidence_write(e, &b)));
    deliver(DW_LINK_KIND_STOP, by, &b);
}

void deliver_stop(const struct dw_proof *p)
{
    struct dw_stop s = stop_of(p);
    struct dw_evidence e = evidence_of(&courier, &s, COURIER_ORIGIN, COURIER_RP, 0x05);
    deliver_evidence(&e, &service);
}

/* ---- devices of the household, in software ---- */

struct device devices[40];
uint32_t device_count;

struct device *device_new(void)
{
    struct device *d = &devices[device_count++];
    assert_true(device_count <= DW_ARRAY_COUNT(devices));
    d->key = EVP_EC_gen("P-256");
    dw_random(d->id, sizeof d->id);
    return d;
}

static void put(struct dw_buf *b, const void *bytes, size_t len)
{
    assert_false(dw_failed(dw_buf_put(b, bytes, len)));
}

/* Who makes it, and how: what a page or a device could do wrong. */
const struct making right = {ORIGIN, RP_ID, 0x05};

static uint16_t client_data(const uint8_t challenge[32], const char *type, const char *origin,
                            uint8_t ret[1024])
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t bytes[33] = {0};
    char text[44] = "";
    memcpy(bytes, challenge, 32);
    for (size_t i = 0; i < 43; i++) {
        uint32_t two = (uint32_t)bytes[i * 6 / 8] << 8 | bytes[i * 6 / 8 + 1];
        text[i] = letters[(two >> (10 - i * 6 % 8)) & 63];
    }
    return (uint16_t)snprintf((char *)ret, 1024,
                              "{\"type\":\"%s\",\"challenge\":\"%s\",\"origin\":\"%s\","
                              "\"crossOrigin\":false}",
                              type, text, origin);
}

static void put_head(struct dw_buf *b, const struct making *how, uint8_t more)
{
    uint8_t hash[32], rest[5] = {(uint8_t)(how->flags | more)};
    dw_sha256(dw_view_of(how->rp_id, strlen(how->rp_id)), hash);
    put(b, hash, sizeof hash);
    put(b, rest, sizeof rest);
}

void attest(const struct device *d, const struct making *how, struct dw_ipc_people_ask *m)
{
    static const uint8_t form[] = {0xa3, 0x63, 'f', 'm', 't', 0x64, 'n', 'o', 'n',  'e',
                                   0x67, 'a',  't', 't', 'S', 't',  'm', 't', 0xa0, 0x68,
                                   'a',  'u',  't', 'h', 'D', 'a',  't', 'a', 0x58};
    static const uint8_t head[] = {0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 0x20};
    static const uint8_t mid[] = {0x22, 0x58, 0x20};
    uint8_t auth[256], ids[18] = {0}, point[65];
    size_t len = 0;
    struct dw_buf a = dw_buf_of(auth, sizeof auth), out = dw_buf_of(m->auth, sizeof m->auth);
    assert_int_equal(
        EVP_PKEY_get_octet_string_param(d->key, OSSL_PKEY_PARAM_PUB_KEY, point, 65, &len), 1);
    put_head(&a, how, 0x40);
    ids[17] = sizeof d->id;
    put(&a, ids, sizeof ids);
    put(&a, d->id, sizeof d->id);
    put(&a, head, sizeof head);
    put(&a, point + 1, 32);
    put(&a, mid, sizeof mid);
    put(&a, point + 33, 32);
    uint8_t size = (uint8_t)a.len;
    put(&out, form, sizeof form);
    put(&out, &size, 1);
    put(&out, auth, a.len);
    m->auth_len = (uint16_t)out.len;
    m->client_data_len = client_data(m->challenge, "webauthn.create", how->origin, m->client_data);
}

void sign(const struct device *d, const struct making *how, struct dw_ipc_people_ask *m)
{
    uint8_t message[1100];
    size_t len = sizeof m->signature;
    struct dw_buf a = dw_buf_of(m->auth, sizeof m->auth);
    put_head(&a, how, 0);
    m->auth_len = (uint16_t)a.len;
    m->client_data_len = client_data(m->challenge, "webauthn.get", how->origin, m->client_data);
    memcpy(message, m->auth, a.len);
    dw_sha256(dw_view_of(m->client_data, m->client_data_len), message + a.len);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, d->key), 1);
    assert_int_equal(EVP_DigestSign(ctx, m->signature, &len, message, a.len + 32), 1);
    EVP_MD_CTX_free(ctx);
    m->signature_len = (uint16_t)len;
    m->credential_len = sizeof d->id;
    memcpy(m->credential, d->id, sizeof d->id);
}

/* ---- what the front asks ---- */

enum dw_people_no tell_guard(struct dw_ipc_people_ask *m)
{
    static uint32_t ticket;
    uint32_t before = sent.answers;
    m->ticket = ++ticket;
    people_on_ask(&g, m);
    flush();
    assert_int_equal(sent.answers, before + 1);
    assert_int_equal(sent.answer.ticket, ticket);
    assert_int_equal(sent.answer.op, m->op);
    return (enum dw_people_no)sent.answer.no;
}

enum dw_people_no begin_act(struct dw_ipc_people_ask m)
{
    m.op = DW_PEOPLE_BEGIN;
    return tell_guard(&m);
}

struct dw_ipc_people_ask answered(enum dw_people_op op)
{
    struct dw_ipc_people_ask m = {.op = (uint8_t)op};
    memcpy(m.challenge, sent.answer.challenge, 32);
    return m;
}

enum dw_people_no sign_in(const struct device *d, const struct making *how)
{
    if (begin_act((struct dw_ipc_people_ask){.act = DW_ACT_SIGN_IN}) != DW_PEOPLE_NO_NONE)
        return (enum dw_people_no)sent.answer.no;
    struct dw_ipc_people_ask m = answered(DW_PEOPLE_SIGN_IN);
    sign(d, how, &m);
    return tell_guard(&m);
}

/* The whole of one act, by the passkey of `d`. */
enum dw_people_no act(const struct device *d, struct dw_ipc_people_ask m)
{
    m.member = d->member;
    enum dw_people_no no = begin_act(m);
    if (no != DW_PEOPLE_NO_NONE)
        return no;
    struct dw_ipc_people_ask a = answered(DW_PEOPLE_ACT);
    a.member = d->member;
    sign(d, &right, &a);
    return tell_guard(&a);
}

enum dw_people_no join_as(struct device *d, const char *token, const struct making *how,
                          const char *name)
{
    struct dw_ipc_people_ask m = {.act = DW_ACT_JOIN};
    (void)snprintf(m.token, sizeof m.token, "%s", token);
    enum dw_people_no no = begin_act(m);
    if (no != DW_PEOPLE_NO_NONE)
        return no;
    m = answered(DW_PEOPLE_JOIN);
    (void)snprintf(m.name, sizeof m.name, "phone");
    (void)snprintf(m.text, sizeof m.text, "%s", name);
    attest(d, how, &m);
    no = tell_guard(&m);
    d->member = sent.answer.member;
    return no;
}

struct device *join(const char *token)
{
    struct device *d = device_new();
    char copy[48];
    (void)snprintf(copy, sizeof copy, "%s", token);
    assert_int_equal(join_as(d, copy, &right, "Ada"), DW_PEOPLE_NO_NONE);
    return d;
}

void at(const char *name, char ret[128])
{
    (void)snprintf(ret, 128, "%s/%s", folder, name);
}

void first_token(char ret[48])
{
    char path[128];
    struct dw_buf b = dw_buf_of((uint8_t *)ret, 47);
    at("first-owner", path);
    memset(ret, 0, 48);
    assert_false(dw_failed(dw_file_read(path, &b)));
    assert_int_equal(b.len, 44);
    ret[43] = 0;
}

char recovery_code[48];

/* An owner with two passkeys; the first device. */
struct device *first_owner(void)
{
    static struct device *first; /* of this home: it has one */
    char token[48];
    if (g.people.book.member[0].id != 0 && first)
        return first;
    first_token(token);
    struct device *d = join(token);
    (void)snprintf(recovery_code, sizeof recovery_code, "%.47s", sent.answer.text);
    assert_int_equal(ACT(d, .act = DW_ACT_ADD_PASSKEY), DW_PEOPLE_NO_NONE);
    struct device *second = join(sent.answer.text);
    assert_int_equal(second->member, d->member);
    first = d;
    return d;
}

struct device *member(const struct device *owner, enum dw_member_role role, const char *name)
{
    struct dw_ipc_people_ask m = {.act = DW_ACT_INVITE, .role = (uint8_t)role};
    (void)snprintf(m.name, sizeof m.name, "%s", name);
    assert_int_equal(act(owner, m), DW_PEOPLE_NO_NONE);
    return join(sent.answer.text);
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
    deliver_stop(p);
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
    begin_shift();
    give(&j);
    pass_locked(6000); /* screens of a hub before this one could still say SECURED */
    return j;
}
