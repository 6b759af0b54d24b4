#include "world.h"
#include "model.h"

#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "os/os.h"
#include "record/leaves.h"
#include "wire/claims.h"

struct world world;
struct heard heard;
struct counts *counts;
uint8_t arena[4u << 20];
uint32_t arena_used;
struct dw_secret agency_key[AGENCY_COUNT], camera_key, eye_key;
struct soft phone[PHONE_COUNT];
const uint8_t visitor_of[PHONE_COUNT] = {9, 10, 11, 20, 12};
const uint8_t agency_of_phone[PHONE_COUNT] = {AGENCY_A, AGENCY_A, AGENCY_A, AGENCY_B, AGENCY_A};
struct device *guest_device[GUEST_COUNT];
struct dw_job jobs[JOB_COUNT];
uint8_t grant_id[GRANT_COUNT][16];

/* ---- chance ---- */

struct dice dice_of(uint64_t seed, uint64_t index)
{
    struct dice d = {seed * UINT64_C(0x9e3779b97f4a7c15) ^
                     (index + 1) * UINT64_C(0xd1b54a32d192ed03)};
    (void)roll(&d);
    return d;
}

uint64_t roll(struct dice *d)
{
    uint64_t z = d->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint32_t below(struct dice *d, uint32_t n)
{
    return (uint32_t)((roll(d) >> 32) * n >> 32);
}

bool one_in(struct dice *d, uint32_t n)
{
    return below(d, n) == 0;
}

/* ---- the store: its writer as a coroutine, its database in memory, its record a counter ---- */

static sqlite3 *writer_db;
static ucontext_t here, there;
static uint8_t stack[256 * 1024];
static uv_thread_cb writer_entry;
static void *writer_arg;
static bool is_writer, has_writer;
static uv_async_t *news;
static bool has_outer;
static bool is_dying; /* nothing is written any more */
static uint64_t next_leaf = 1;

int __real_sqlite3_open_v2(const char *name, sqlite3 **db, int flags, const char *vfs);
int __wrap_sqlite3_open_v2(const char *name, sqlite3 **db, int flags, const char *vfs);
int __wrap_sqlite3_open_v2(const char *name, sqlite3 **db, int flags, const char *vfs)
{
    (void)name;
    int rc = __real_sqlite3_open_v2("file:/hostile?vfs=memdb", db, flags | SQLITE_OPEN_URI, vfs);
    if (flags & SQLITE_OPEN_READWRITE)
        writer_db = *db;
    return rc;
}

int __real_sqlite3_exec(sqlite3 *db, const char *sql, int (*f)(void *, int, char **, char **),
                        void *ctx, char **why);
int __wrap_sqlite3_exec(sqlite3 *db, const char *sql, int (*f)(void *, int, char **, char **),
                        void *ctx, char **why);
int __wrap_sqlite3_exec(sqlite3 *db, const char *sql, int (*f)(void *, int, char **, char **),
                        void *ctx, char **why)
{
    if (is_dying && strncmp(sql, "BEGIN", 5) == 0)
        return SQLITE_IOERR;
    if (has_outer && db == writer_db) { /* its transactions are parts of the history's */
        if (strcmp(sql, "BEGIN IMMEDIATE") == 0)
            sql = "SAVEPOINT tx";
        else if (strcmp(sql, "COMMIT") == 0)
            sql = "RELEASE tx";
        else if (strcmp(sql, "ROLLBACK") == 0)
            sql = "ROLLBACK TO tx; RELEASE tx";
    }
    return __real_sqlite3_exec(db, sql, f, ctx, why);
}

/* A history is one transaction, so that it can be taken back; a start of the hub must find what was
 * written, so it ends it. */
static void outer(const char *sql, bool is_on)
{
    if (__real_sqlite3_exec(writer_db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        fprintf(stderr, "hostile: %s: %s\n", sql, sqlite3_errmsg(writer_db));
        abort();
    }
    has_outer = is_on;
}

static void writer_main(void)
{
    writer_entry(writer_arg);
    has_writer = false;
}

int __wrap_uv_thread_create(uv_thread_t *t, uv_thread_cb entry, void *arg);
int __wrap_uv_thread_create(uv_thread_t *t, uv_thread_cb entry, void *arg)
{
    memset(t, 0, sizeof *t);
    writer_entry = entry;
    writer_arg = arg;
    getcontext(&there);
    there.uc_stack.ss_sp = stack;
    there.uc_stack.ss_size = sizeof stack;
    there.uc_link = &here;
    makecontext(&there, writer_main, 0);
    has_writer = true;
    return 0;
}

static void run_writer(void)
{
    if (!has_writer || is_writer)
        return;
    is_writer = true;
    swapcontext(&here, &there);
    is_writer = false;
}

void __wrap_uv_cond_wait(uv_cond_t *c, uv_mutex_t *m);
void __wrap_uv_cond_wait(uv_cond_t *c, uv_mutex_t *m)
{
    (void)c;
    DW_ASSERT(is_writer);
    uv_mutex_unlock(m);
    swapcontext(&there, &here);
    uv_mutex_lock(m);
}

int __wrap_uv_thread_join(uv_thread_t *t);
int __wrap_uv_thread_join(uv_thread_t *t)
{
    (void)t;
    run_writer();
    DW_ASSERT(!has_writer);
    return 0;
}

int __wrap_uv_async_send(uv_async_t *a);
int __wrap_uv_async_send(uv_async_t *a)
{
    news = a;
    return 0;
}

void drain(void)
{
    for (int i = 0; i < 64; i++) {
        run_writer();
        if (!news)
            return;
        uv_async_t *a = news;
        news = NULL;
        a->async_cb(a);
    }
}

int __real_uv_run(uv_loop_t *loop, uv_run_mode mode);
int __wrap_uv_run(uv_loop_t *loop, uv_run_mode mode);
int __wrap_uv_run(uv_loop_t *loop, uv_run_mode mode)
{
    if (mode == UV_RUN_DEFAULT) { /* of close_guard */
        news = NULL;
        return __real_uv_run(loop, mode);
    }
    drain();
    return 0;
}

int __wrap_uv_timer_start(uv_timer_t *t, uv_timer_cb cb, uint64_t ms, uint64_t again);
int __wrap_uv_timer_start(uv_timer_t *t, uv_timer_cb cb, uint64_t ms, uint64_t again)
{
    (void)t, (void)cb, (void)ms, (void)again;
    return 0; /* the clock is ours: tick() */
}

struct dw_leaves {
    int unused;
};
dw_err __wrap_dw_leaves_open(const char *path, uint64_t known, struct dw_leaves **ret,
                             struct dw_leaves_found *found);
dw_err __wrap_dw_leaves_open(const char *path, uint64_t known, struct dw_leaves **ret,
                             struct dw_leaves_found *found)
{
    static struct dw_leaves one;
    (void)path, (void)known;
    *ret = &one;
    *found = (struct dw_leaves_found){.next_seq = next_leaf};
    return DW_OK;
}

dw_err __wrap_dw_leaves_append(struct dw_leaves *l, struct dw_view event, const uint8_t salt_[32],
                               uint64_t *ret_seq);
dw_err __wrap_dw_leaves_append(struct dw_leaves *l, struct dw_view event, const uint8_t salt_[32],
                               uint64_t *ret_seq)
{
    (void)l, (void)event, (void)salt_;
    *ret_seq = next_leaf++;
    return DW_OK;
}

dw_err __wrap_dw_leaves_sync(struct dw_leaves *l);
dw_err __wrap_dw_leaves_sync(struct dw_leaves *l)
{
    (void)l;
    return DW_OK;
}

uint64_t __wrap_dw_leaves_next_seq(const struct dw_leaves *l);
uint64_t __wrap_dw_leaves_next_seq(const struct dw_leaves *l)
{
    (void)l;
    return next_leaf;
}

void __wrap_dw_leaves_close(struct dw_leaves *l);
void __wrap_dw_leaves_close(struct dw_leaves *l)
{
    (void)l;
}

/* Nobody reads the record here, so its events need no signature: a third of all that are made. */
static bool is_event;

dw_err __real_dw_signed_make(const struct dw_secret *secret, enum dw_context c,
                             struct dw_view payload, struct dw_buf *out);
dw_err __wrap_dw_signed_make(const struct dw_secret *secret, enum dw_context c,
                             struct dw_view payload, struct dw_buf *out);
dw_err __wrap_dw_signed_make(const struct dw_secret *secret, enum dw_context c,
                             struct dw_view payload, struct dw_buf *out)
{
    is_event = is_writer && c == DW_CONTEXT_EVENT;
    dw_err e = __real_dw_signed_make(secret, c, payload, out);
    is_event = false;
    return e;
}

void __real_dw_sign(const struct dw_secret *secret, struct dw_view message,
                    uint8_t ret_sig[DW_SIG_BYTES]);
void __wrap_dw_sign(const struct dw_secret *secret, struct dw_view message,
                    uint8_t ret_sig[DW_SIG_BYTES]);
void __wrap_dw_sign(const struct dw_secret *secret, struct dw_view message,
                    uint8_t ret_sig[DW_SIG_BYTES])
{
    if (is_event)
        memset(ret_sig, 0, DW_SIG_BYTES);
    else
        __real_dw_sign(secret, message, ret_sig);
}

/* ---- what the guard says, and why it refuses ---- */

static void count_code(const char *event, const char *code)
{
    char text[sizeof counts->code[0].text];
    snprintf(text, sizeof text, "%s %s", event, code);
    text[strcspn(text, " ") + 1 + strcspn(strchr(text, ' ') + 1, " ")] = 0;
    for (uint32_t i = 0; i < counts->code_count; i++) {
        if (strcmp(counts->code[i].text, text) == 0) {
            counts->code[i].n++;
            return;
        }
    }
    if (counts->code_count < CODES_MAX) {
        memcpy(counts->code[counts->code_count].text, text, sizeof text);
        counts->code[counts->code_count++].n = 1;
    }
}

void __wrap_dw_log(const char *level, const char *event, const char *fmt, ...);
void __wrap_dw_log(const char *level, const char *event, const char *fmt, ...)
{
    va_list args;
    (void)level;
    if (strncmp(fmt, "refused=", 8) != 0)
        return;
    if (strncmp(fmt + 8, "%s", 2) != 0) {
        count_code(event, fmt + 8);
        return;
    }
    va_start(args, fmt);
    count_code(event, va_arg(args, const char *));
    va_end(args);
}

enum dw_chain_no __real_dw_chain_check(const struct dw_chain *chain,
                                       const struct dw_chain_want *want,
                                       struct dw_chain_said *ret_said);
enum dw_chain_no __wrap_dw_chain_check(const struct dw_chain *chain,
                                       const struct dw_chain_want *want,
                                       struct dw_chain_said *ret_said);
enum dw_chain_no __wrap_dw_chain_check(const struct dw_chain *chain,
                                       const struct dw_chain_want *want,
                                       struct dw_chain_said *ret_said)
{
    enum dw_chain_no no = __real_dw_chain_check(chain, want, ret_said);
    counts->chain[no]++;
    counts->chain_runs++;
    return no;
}

static bool open_it(enum dw_context c, const uint8_t *bytes, size_t len, struct dw_view *ret)
{
    struct dw_cose parts; /* the hub's own signature is not what is in question here */
    if (dw_failed(dw_cose_read(c, dw_view_of(bytes, len), &parts)))
        return false;
    *ret = parts.payload;
    return true;
}

/* What a guest's page was told: with a new offer the hub's papers for it. */
static void on_guest(const struct dw_ipc_guest *m)
{
    static struct dw_manifest f;
    static struct dw_job j;
    struct dw_view p;
    struct dw_cose parts;
    struct dw_offer o;
    int who = GUEST_GIL;
    while (who < GUEST_COUNT && (!guest_device[who] || guest_device[who]->member != m->member))
        who++;
    if (who == GUEST_COUNT || m->offer_len == 0 ||
        !open_it(DW_CONTEXT_OFFER, m->offer, m->offer_len, &p) || dw_failed(dw_offer_read(p, &o)))
        return;
    heard.check = o.check;
    struct dw_view papers = dw_view_of(m->manifest, m->manifest_len);
    if (o.check != DW_CHECK_NONE || (world.shown[who].visit == o.visit &&
                                     memcmp(world.shown[who].hub_nonce, o.hub_nonce, 32) == 0))
        return;
    heard.offers++;
    world.shown[who].visit = o.visit;
    memcpy(world.shown[who].nonce, o.courier_nonce, 32);
    memcpy(world.shown[who].hub_nonce, o.hub_nonce, 32);
    dw_sha256(papers, world.shown[who].manifest);
    if (!dw_failed(dw_cose_read(DW_CONTEXT_MANIFEST, papers, &parts)) &&
        !dw_failed(dw_manifest_read(parts.payload, &f)) &&
        !dw_failed(dw_job_read(dw_view_of(f.job, f.job_len), &j)))
        memcpy(world.shown[who].job, j.job, 16);
    (void)keep_item(DW_LINK_KIND_MANIFEST, m->manifest, m->manifest_len, true);
    model_guest_offer(who, &o, papers);
}

void __real_child_send(struct guard *guard, enum child_name name, enum dw_ipc_type type,
                       void *message);
void __wrap_child_send(struct guard *guard, enum child_name name, enum dw_ipc_type type,
                       void *message);
void __wrap_child_send(struct guard *guard, enum child_name name, enum dw_ipc_type type,
                       void *message)
{
    struct dw_view p;
    if (type == DW_IPC_LINK_OUT) {
        const struct dw_ipc_link *m = message;
        enum dw_context c = (enum dw_context)dw_link_context(m->bytes[0]);
        if (!open_it(c, m->bytes + 1, m->len - 1u, &p))
            return;
        struct dw_offer o;
        struct dw_receipt r;
        if (c == DW_CONTEXT_OFFER && !dw_failed(dw_offer_read(p, &o))) {
            heard.offers++;
            heard.check = o.check;
            counts->checks[o.check]++;
            model_offer(&o);
        } else if (c == DW_CONTEXT_RECEIPT && !dw_failed(dw_receipt_read(p, &r))) {
            heard.receipts++;
            heard.check = r.check;
            counts->checks[r.check]++;
        }
        (void)keep_item(m->bytes[0], m->bytes + 1, m->len - 1u, true);
        return;
    }
    if (type == DW_IPC_CAMERA_ASK || type == DW_IPC_LOCK_ASK) {
        const struct dw_ipc_bytes *m = message;
        struct dw_camera_ask a;
        struct dw_lock_ask l;
        if (type == DW_IPC_CAMERA_ASK && open_it(DW_CONTEXT_CAMERA_ASK, m->bytes, m->len, &p) &&
            !dw_failed(dw_camera_ask_read(p, &a))) {
            memcpy(world.eye_nonce, a.nonce, 32);
            world.eye_nonce_ms = mono_ms;
            world.has_eye = world.is_eye_new = true;
            model_eye_asked();
        } else if (type == DW_IPC_LOCK_ASK && open_it(DW_CONTEXT_LOCK_ASK, m->bytes, m->len, &p) &&
                   !dw_failed(dw_lock_ask_read(p, &l))) {
            memcpy(world.ask, l.nonce, 32);
            world.ask_ms = mono_ms;
            world.has_ask = world.is_ask_new = true;
        }
        return;
    }
    if (type == DW_IPC_LOCK_COMMAND) {
        const struct dw_ipc_lock_command *m = message;
        struct dw_lock_command c;
        if (!open_it(DW_CONTEXT_LOCK_COMMAND, m->bytes, m->len, &p) ||
            dw_failed(dw_lock_command_read(p, &c))) {
            fprintf(stderr, "hostile: the hub sent a command that is none\n");
            abort();
        }
        world.todo_action = c.action;
        world.todo_counter = c.counter;
        if (c.action == DW_LOCK_ACTION_RETRACT) {
            heard.retracts++;
            const char *why = model_retract(&c);
            if (why)
                hostile_failed(why);
            else if (opened_by_owned)
                counts->opened_owned++;
            else
                counts->opened_honest++;
            counts->opened_guests += !why && opened_to_guest;
        }
        return;
    }
    if (type == DW_IPC_GUEST) {
        on_guest(message);
        return;
    }
    if (type == DW_IPC_PEOPLE_ANSWER)
        counts->people[((const struct dw_ipc_people_answer *)message)->no]++;
    if (type == DW_IPC_PEOPLE_ANSWER || type == DW_IPC_PEOPLE || type == DW_IPC_GRANTS)
        __real_child_send(guard, name, type, message);
}

/* ---- the wire ---- */

const struct item *keep_item(uint8_t kind, const uint8_t *bytes, size_t len, bool is_offer)
{
    if (world.item_count >= ITEMS_MAX || arena_used + len > sizeof arena || len > UINT16_MAX)
        return NULL;
    struct item *i = &world.item[world.item_count++];
    *i = (struct item){arena_used, (uint16_t)len, kind, is_offer};
    memcpy(arena + arena_used, bytes, len);
    arena_used += (uint32_t)len;
    return i;
}

void give_bytes(uint8_t kind, const uint8_t *bytes, size_t len)
{
    static struct dw_ipc_link m;
    if (len + 1 > sizeof m.bytes)
        return;
    m.arrived_ms = mono_ms;
    m.len = (uint16_t)(len + 1);
    m.bytes[0] = kind;
    memcpy(m.bytes + 1, bytes, len);
    counts->messages++;
    model_delivered(kind, bytes, len, false);
    link_on_message(&g, &m);
}

const struct item *send_signed(uint8_t kind, const struct dw_secret *by, struct dw_view payload,
                               bool now)
{
    uint8_t bytes[DW_SIGNED_BYTES_MAX];
    struct dw_buf out = dw_buf_of(bytes, sizeof bytes);
    enum dw_context c = (enum dw_context)dw_link_context(kind);
    if (dw_failed(dw_signed_make(by, c, payload, &out)))
        return NULL;
    const struct item *i = keep_item(kind, bytes, out.len, false);
    if (now) {
        model_delivered(kind, bytes, out.len, by == &service);
        give_bytes(kind, bytes, out.len);
    }
    return i;
}

const char *code_of(int job)
{
    return job == JOB_USED ? "P" : job == JOB_SHORT ? "Q" : "P";
}

const struct item *send_hello(const struct dw_hello *h, bool now)
{
    uint8_t bytes[512];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    if (dw_failed(dw_hello_write(h, &b)))
        return NULL;
    return send_signed(DW_LINK_KIND_HELLO, &service, dw_view_of_buf(&b), now);
}

const struct item *send_manifest(int by, const uint8_t grant[16], const struct dw_job *j, bool now)
{
    static struct dw_manifest m;
    static uint8_t bytes[2304];
    uint8_t hash[32];
    struct dw_buf job = dw_buf_of(m.job, sizeof m.job), b = dw_buf_of(bytes, sizeof bytes);
    if (dw_failed(dw_job_write(j, &job)))
        return NULL;
    m.job_len = (uint16_t)job.len;
    memcpy(m.hub, j->hub, 32);
    memcpy(m.grant, grant, 16);
    if (dw_failed(dw_manifest_write(&m, &b)))
        return NULL;
    const struct item *i =
        send_signed(DW_LINK_KIND_MANIFEST, &agency_key[by], dw_view_of_buf(&b), false);
    if (!i)
        return NULL;
    dw_sha256(dw_view_of(arena + i->at, i->len), hash);
    model_manifest(by, grant, j, hash);
    if (now)
        give_bytes(i->kind, arena + i->at, i->len);
    return i;
}

struct dw_shift shift_for(int who, int64_t from_s)
{
    struct dw_shift s = shift_of(&phone[who], from_s);
    s.agency[0] = (uint8_t)(agency_of_phone[who] + 1);
    s.visitor[0] = visitor_of[who];
    return s;
}

const struct item *send_shift(int by, const struct dw_shift *s, bool now)
{
    uint8_t bytes[1024], hash[32];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    if (dw_failed(dw_shift_write(s, &b)))
        return NULL;
    const struct item *i =
        send_signed(DW_LINK_KIND_SHIFT, &agency_key[by], dw_view_of_buf(&b), false);
    if (!i)
        return NULL;
    dw_sha256(dw_view_of(arena + i->at, i->len), hash);
    model_shift(by, s, hash);
    if (now)
        give_bytes(i->kind, arena + i->at, i->len);
    return i;
}

const struct item *send_stop(const struct dw_evidence *e, bool now)
{
    uint8_t bytes[3072];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    if (dw_failed(dw_evidence_write(e, &b)))
        return NULL;
    return send_signed(DW_LINK_KIND_STOP, &service, dw_view_of_buf(&b), now);
}

/* ---- the honest devices ---- */

void lock_speaks(void)
{
    struct dw_lock_status s = {
        .boot_count = world.lock_boot,
        .boot_seed = {1},
        .strike = world.bolt == DW_BOLT_THROWN ? DW_STRIKE_IN : DW_STRIKE_OUT,
        .bolt = world.bolt,
        .contact = world.contact,
        .cause = DW_CAUSE_COMMAND,
        .throws_left = 100,
        .opening_count = world.opening_count,
        .battery_pct = 90,
        .seq = ++world.seq,
        .counter = world.counter,
        .epoch = world.epoch,
        .t_us = mono_ms * 1000,
    };
    uint8_t bytes[512];
    struct dw_buf p = dw_buf_of(bytes, sizeof bytes);
    struct dw_ipc_bytes m = {.kind = DW_LOCK_KIND_STATUS};
    struct dw_buf out = dw_buf_of(m.bytes, sizeof m.bytes);
    if (!world.has_ask)
        return;
    world.is_ask_new = false;
    world.lock_spoke_ms = mono_ms;
    memcpy(s.nonce, world.ask, 32);
    memcpy(s.lock_nonce, world.lock_nonce, 32);
    if (dw_failed(dw_lock_status_write(&s, &p)) ||
        dw_failed(dw_signed_make(&lock_key, DW_CONTEXT_LOCK_STATUS, dw_view_of_buf(&p), &out)))
        abort();
    m.len = (uint16_t)out.len;
    model_lock(world.bolt == DW_BOLT_THROWN && world.contact == DW_CONTACT_CLOSED);
    bolt_on_signed(&g, &m);
}

static bool lock_obeys(void)
{
    uint8_t bolt = world.bolt_said, contact = world.contact_said;
    if (world.todo_counter > world.counter) {
        world.counter = world.todo_counter;
        if (world.todo_action == DW_LOCK_ACTION_RETRACT)
            world.bolt = DW_BOLT_RETRACTED;
        else if (world.contact == DW_CONTACT_CLOSED)
            world.bolt = DW_BOLT_THROWN;
        world.lock_nonce[0]++;
    }
    world.todo_counter = 0;
    world.bolt_said = world.bolt;
    world.contact_said = world.contact;
    return bolt != world.bolt || contact != world.contact;
}

void eye_introduces(const struct dw_secret *device, const struct dw_secret *eye,
                    uint32_t boot_count)
{
    struct dw_camera_session c = {.boot_count = boot_count};
    static struct dw_ipc_camera_link m;
    uint8_t bytes[128];
    struct dw_buf p = dw_buf_of(bytes, sizeof bytes), out = dw_buf_of(m.session, sizeof m.session);
    memcpy(c.boot_seed, world.eye_seed, 16);
    memcpy(c.pub, eye->key.pub, 32);
    if (dw_failed(dw_camera_session_write(&c, &p)) ||
        dw_failed(dw_signed_make(device, DW_CONTEXT_CAMERA_SESSION, dw_view_of_buf(&p), &out)))
        abort();
    m.is_up = 1;
    m.session_len = (uint16_t)out.len;
    eyes_on_link(&g, &m);
}

void frame_comes(void)
{
    struct dw_frame_record r = {.boot_count = 1,
                                .software = "tests",
                                .seq = ++world.eye_seq,
                                .t_rx_us = world.eye_nonce_ms * 1000,
                                .t_exp_us = mono_ms * 1000,
                                .luma = 120,
                                .spread = 60};
    uint8_t bytes[512];
    struct dw_buf p = dw_buf_of(bytes, sizeof bytes);
    static struct dw_ipc_frame m;
    struct dw_buf out = dw_buf_of(m.record, sizeof m.record);
    if (!world.has_eye)
        return;
    m.viewers = 0;
    world.is_eye_new = false;
    world.frame_ms = mono_ms;
    dw_sha256(dw_view_of(world.eye_nonce, 32), r.echo);
    memcpy(r.boot_seed, world.eye_seed, 16);
    memcpy(r.chain, world.eye_chain, 32);
    if (dw_failed(dw_frame_record_write(&r, &p)) ||
        dw_failed(dw_signed_make(&eye_key, DW_CONTEXT_FRAME, dw_view_of_buf(&p), &out)))
        abort();
    m.len = (uint16_t)out.len;
    dw_sha256(dw_view_of_buf(&out), world.eye_chain);
    model_frame(world.eye_nonce);
    eyes_on_frame(&g, &m);
}

void tick(uint32_t ms)
{
    mono_ms += ms;
    struct dw_event ev = {.type = DW_EV_TIMEOUT};
    guard_feed(&g, &ev);
    drain();
    bool is_moved = lock_obeys();
    /* Signing is what this program's time goes into: they speak when asked, and now and then. */
    if (is_moved || world.is_ask_new || mono_ms - world.lock_spoke_ms >= 900)
        lock_speaks();
    if (world.is_eye_new || mono_ms - world.frame_ms >= 240)
        frame_comes();
    drain();
}

void settle(void)
{
    drain();
    for (int i = 0; i < 24; i++) {
        uint32_t s = g.door.state; /* only how long to wait, never whether something may be */
        if (s != DW_VISIT_ASKED && s != DW_VISIT_INTENT && s != DW_VISIT_LOOKING &&
            s != DW_VISIT_RETRACTING)
            return;
        tick(s == DW_VISIT_INTENT ? 250 : 50);
    }
}

void shift_clock(int64_t ms, uint32_t width_ms)
{
    struct dw_utc now = test_wall(true);
    mono_ms += (uint64_t)ms;
    if (dw_utc_is_known(now)) {
        struct dw_wall_clock kept = g.wall;
        set_wall(now.lo_ms + ms, now.lo_ms + ms + width_ms);
        g.wall = kept; /* the guard's own view of its clock is its own */
    }
    world.wall = wall;
    world.wall_at_ms = mono_ms;
    wall_tidy(&g);
    authority_tidy(&g);
    drain();
}

void clock_unknown(void)
{
    wall = (struct dw_utc){0};
    world.wall = wall;
    wall_tidy(&g);
}

void link_state(bool is_up)
{
    if (world.is_link_up || is_up)
        world.link_heard_ms = mono_ms;
    world.is_link_up = is_up;
    link_on_state(&g, is_up);
    drain();
}

static void open_again(void)
{
    open_guard();
    g.camera.key = camera_key.key;
    g.camera.has_key = true;
    g.child[CHILD_FRONT].is_ready = true;
    eye_introduces(&camera_key, &eye_key, 1);
}

void restart(bool crash)
{
    bool was_up = world.is_link_up;
    if (has_outer)
        outer("COMMIT", false);
    is_dying = crash;
    close_guard();
    is_dying = false;
    news = NULL;
    world.has_ask = world.has_eye = false;
    model_reboot();
    open_again();
    g.is_link_up = was_up; /* the rig starts with it up */
    set_wall(wall.lo_ms + (int64_t)(mono_ms - world.wall_at_ms),
             wall.hi_ms + (int64_t)(mono_ms - world.wall_at_ms));
    world.wall = wall;
    world.wall_at_ms = mono_ms;
    drain();
}

/* ---- honest people ---- */

uint64_t courier_asks(int job, int who, bool now)
{
    struct dw_hello h = hello_to(&jobs[job], ++world.next_visit, code_of(job));
    uint32_t at = world.asked_count++ % 8;
    world.asked[at].visit = h.visit;
    world.asked[at].who = (uint8_t)who;
    world.asked[at].job = (uint8_t)job;
    memcpy(world.asked[at].nonce, h.courier_nonce, 32);
    (void)send_hello(&h, now);
    if (now)
        settle();
    return h.visit;
}

struct dw_evidence stop_evidence(int who, const struct dw_stop *s, const char *origin,
                                 const char *rp_id, uint8_t flags)
{
    struct dw_evidence e = evidence_of(&phone[who], s, origin, rp_id, flags);
    model_stop(who, s, flags, origin, rp_id, &e);
    return e;
}

const struct item *courier_slides(uint64_t visit, bool now)
{
    const struct question *q = model_question_of(visit);
    struct dw_stop s = {.visit = visit};
    for (uint32_t i = 0; i < 8 && q; i++) {
        if (world.asked[i].visit != visit ||
            memcmp(world.asked[i].nonce, q->courier_nonce, 32) != 0 ||
            !model_newest_manifest(jobs[world.asked[i].job].job, s.manifest))
            continue;
        memcpy(s.hub, g.secret.key.thumb, 32);
        memcpy(s.hub_nonce, q->hub_nonce, 32);
        memcpy(s.courier_nonce, q->courier_nonce, 32);
        struct dw_evidence e =
            stop_evidence(world.asked[i].who, &s, COURIER_ORIGIN, COURIER_RP, 0x05);
        const struct item *item = send_stop(&e, now);
        if (now)
            settle();
        return item;
    }
    return NULL;
}

static void in_and_out(void)
{
    tick(100);
    world.contact = DW_CONTACT_OPEN;
    world.opening_count++;
    tick(300);
    world.contact = DW_CONTACT_CLOSED;
    tick(300);
    world.bolt = DW_BOLT_THROWN; /* by itself, as the lock does */
    for (int i = 0; i < 4; i++)
        tick(300);
}

void visit_whole(int job, int who)
{
    uint32_t before = heard.retracts;
    uint64_t v = courier_asks(job, who, true);
    (void)courier_slides(v, true);
    if (heard.retracts == before)
        return;
    in_and_out();
}

/* ---- guests ---- */

enum dw_people_no guest_asks(int who, const uint8_t nonce[32])
{
    struct dw_ipc_people_ask m = {.op = DW_PEOPLE_GUEST_ASK, .member = guest_device[who]->member};
    memcpy(m.challenge, nonce, 32);
    model_guest_asks(who, nonce);
    enum dw_people_no no = tell_guard(&m);
    counts->messages++;
    settle();
    return no;
}

void guest_leaves(int who)
{
    struct dw_ipc_people_ask m = {.op = DW_PEOPLE_GUEST_LEAVE, .member = guest_device[who]->member};
    (void)tell_guard(&m);
}

bool guest_stop(int who, struct dw_stop *ret)
{
    if (world.shown[who].visit == 0)
        return false;
    *ret = (struct dw_stop){.visit = world.shown[who].visit};
    memcpy(ret->hub, g.secret.key.thumb, 32);
    memcpy(ret->manifest, world.shown[who].manifest, 32);
    memcpy(ret->hub_nonce, world.shown[who].hub_nonce, 32);
    memcpy(ret->courier_nonce, world.shown[who].nonce, 32);
    return true;
}

void guest_proof(int who, const struct dw_stop *s, const struct making *how,
                 struct dw_ipc_people_ask *ret, struct dw_evidence *ret_e)
{
    *ret = (struct dw_ipc_people_ask){.op = DW_PEOPLE_GUEST_STOP};
    *ret_e = (struct dw_evidence){.id = {1}};
    struct dw_buf b = dw_buf_of(ret_e->bytes, sizeof ret_e->bytes);
    if (dw_failed(dw_stop_write(s, &b)))
        return;
    ret_e->bytes_len = (uint16_t)b.len;
    dw_chain_challenge(DW_STOP_CONTEXT, dw_view_of_buf(&b), ret->challenge);
    sign(guest_device[who], how, ret);
    memset(ret->challenge, 0, sizeof ret->challenge);
    memcpy(ret_e->hub, s->hub, 32);
    snprintf(ret_e->context, sizeof ret_e->context, "%s", DW_STOP_CONTEXT);
    memcpy(ret_e->credential, ret->credential, ret_e->credential_len = ret->credential_len);
    memcpy(ret_e->auth, ret->auth, ret_e->auth_len = ret->auth_len);
    memcpy(ret_e->client, ret->client_data, ret_e->client_len = ret->client_data_len);
    memcpy(ret_e->signature, ret->signature, ret_e->signature_len = ret->signature_len);
    model_stop(IS_GUEST(who), s, how->flags, how->origin, how->rp_id, ret_e);
}

enum dw_people_no guest_gives(int session, struct dw_ipc_people_ask *m)
{
    struct question *q = model_guest_slides(session, dw_view_of(m->signature, m->signature_len));
    m->op = DW_PEOPLE_GUEST_STOP;
    m->member = guest_device[session]->member;
    counts->messages++;
    enum dw_people_no no = tell_guard(m);
    if (no != DW_PEOPLE_NO_NONE && q)
        q->stop_ms = 0; /* the question stands as it stood: nothing may come of this */
    settle();
    return no;
}

bool guest_slides(int who, bool now)
{
    static struct dw_ipc_people_ask m;
    static struct dw_evidence e;
    struct dw_stop s;
    if (!guest_stop(who, &s))
        return false;
    guest_proof(who, &s, &right, &m, &e);
    if (now)
        (void)guest_gives(who, &m);
    else
        (void)send_stop(&e, false);
    return true;
}

void guest_visit(int who)
{
    uint8_t nonce[32];
    uint32_t before = heard.retracts;
    dw_random(nonce, 32);
    if (guest_asks(who, nonce) != DW_PEOPLE_NO_NONE || !guest_slides(who, true) ||
        heard.retracts == before)
        return;
    in_and_out();
}

static void later(uint32_t ms)
{
    mono_ms += ms;
    for (int i = 0; i < 44; i++)
        tick(240);
    authority_tidy(&g);
    bolt_tidy(&g);
    link_tidy(&g);
    drain();
}

/* ---- the home ---- */

static void grant_it(int n, uint8_t by, const struct dw_people_grant *want)
{
    struct dw_ipc_people_ask m = grant_ask(by, DW_VISIT_DROP);
    int to_guest = by > AGENCY_COUNT ? by - 1 - AGENCY_COUNT : -1;
    m.grant = *want;
    if (to_guest >= 0) {
        m.id[0] = 0;
        m.target = guest_device[to_guest]->member;
    }
    enum dw_people_no no = sign_grant(&m, grant_id[n]);
    if (no != DW_PEOPLE_NO_NONE) {
        fprintf(stderr, "hostile: grant %d: %s\n", n, dw_people_no_code(no));
        abort();
    }
    model_grant(n, by - 1, want, grant_id[n], test_wall(true).lo_ms,
                test_wall(true).lo_ms + (int64_t)g.set.grant_wait_ms);
}

static void of_grant(enum dw_people_op op, int n, uint32_t by)
{
    struct dw_ipc_people_ask m = {.op = (uint8_t)op, .member = by};
    memcpy(m.id, grant_id[n], 16);
    if (tell_guard(&m) != DW_PEOPLE_NO_NONE)
        abort();
    model_grant_over(grant_id[n]);
}

static void job_on(int n, int grant, int who, enum dw_visit_kind kind)
{
    jobs[n] = job_of((uint8_t)(n + 1), kind);
    struct dw_job *j = &jobs[n];
    j->agency[0] = (uint8_t)(agency_of_phone[who] + 1);
    j->visitor[0] = visitor_of[who];
    j->window.from_min = 600;
    j->window.to_min = 900;
    if (kind == DW_VISIT_DROP) {
        j->parcel_count = 2;
        commit("Q", j->parcel[1]);
    }
    if (n == JOB_OVER) {
        j->window.from_min = 480;
        j->window.to_min = 540;
    } else if (n == JOB_LATER) {
        j->window.from_min = 780;
    } else if (n == JOB_B) {
        j->window.from_min = 900;
        j->window.to_min = 1020;
    } else if (n == JOB_SCREENING) {
        j->screening_to_day--;
    } else if (n == JOB_SHORT) {
        j->dwell_ms = 10000;
    }
    (void)send_manifest(agency_of_phone[who], grant_id[grant], j, true);
    drain();
}

struct snap {
    struct world world;
    uint8_t *guard, *model;
    sqlite3 *db;
    struct heard heard;
};
static struct snap snaps[STAGE_COUNT];
static sqlite3 *anchor;
static uint32_t base_arena;

/* Everything of the guard that is not the machine's: from `door` to `nursery`. Of the large tables
 * only the places that are used, then or now. */
#define G_FROM offsetof(struct guard, door)
#define G_TO   offsetof(struct guard, nursery)

struct table {
    size_t at, one, count, used; /* offset of its first byte that says so */
};
#define TABLE(field, flag)                                                              \
    {                                                                                   \
        offsetof(struct guard, field), sizeof(((struct guard *)0)->field[0]),           \
            sizeof(((struct guard *)0)->field) / sizeof(((struct guard *)0)->field[0]), \
            offsetof(struct guard, field[0].flag) - offsetof(struct guard, field)       \
    }
static const struct table tables[] = {
    /* ascending */
    TABLE(people.challenge, act),
    TABLE(people.waiting, op),
    TABLE(authority.agency, is_used),
    TABLE(authority.grant, state),
    TABLE(authority.shift, is_used),
    TABLE(guests.guest, member),
    TABLE(jobs, is_used),
    TABLE(hellos, handle),
    TABLE(outbox, is_used),
};

static void guard_back(const uint8_t *kept)
{
    uint8_t *live = (uint8_t *)&g;
    size_t from = G_FROM;
    for (size_t i = 0; i < DW_ARRAY_COUNT(tables); i++) {
        const struct table *x = &tables[i];
        memcpy(live + from, kept + (from - G_FROM), x->at - from);
        for (size_t n = 0; n < x->count; n++) {
            size_t at = x->at + n * x->one;
            if (live[at + x->used] || kept[at - G_FROM + x->used])
                memcpy(live + at, kept + (at - G_FROM), x->one);
        }
        from = x->at + x->count * x->one;
    }
    memcpy(live + from, kept + (from - G_FROM), G_TO - from);
}

static void copy_db(sqlite3 *to, sqlite3 *from)
{
    sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
    int rc = b ? sqlite3_backup_step(b, -1) : SQLITE_ERROR;
    (void)sqlite3_backup_finish(b);
    if (rc != SQLITE_DONE) {
        fprintf(stderr, "hostile: the database cannot be put back: %s\n", sqlite3_errmsg(to));
        abort();
    }
}

static void keep_stage(enum stage s)
{
    struct snap *p = &snaps[s];
    drain();
    if (has_outer)
        outer("COMMIT", false);
    world.mono_ms = mono_ms;
    p->world = world;
    p->heard = heard;
    p->guard = malloc(G_TO - G_FROM);
    p->model = malloc(model_size);
    DW_ASSERT(p->guard && p->model);
    memcpy(p->guard, (uint8_t *)&g + G_FROM, G_TO - G_FROM);
    memcpy(p->model, model_bytes, model_size);
    if (sqlite3_open(":memory:", &p->db) != SQLITE_OK)
        abort();
    copy_db(p->db, writer_db);
    base_arena = arena_used;
}

void world_enter(enum stage s)
{
    const struct snap *p = &snaps[s];
    drain();
    static enum stage db_is = STAGE_COUNT;
    if (db_is == s && has_outer) {
        outer("ROLLBACK", false);
    } else {
        if (has_outer)
            outer("ROLLBACK", false);
        copy_db(writer_db, p->db);
        db_is = s;
    }
    outer("BEGIN IMMEDIATE", true);
    world = p->world;
    heard = p->heard;
    arena_used = base_arena;
    mono_ms = world.wall_at_ms;
    set_wall(world.wall.lo_ms, world.wall.hi_ms);
    mono_ms = world.mono_ms;
    guard_back(p->guard);
    memcpy(model_bytes, p->model, model_size);
    model_forget();
}

const char *stage_name(enum stage s)
{
    static const char *const names[] = {
#define X(name, text) #name,
        STAGE_LIST(X)
#undef X
    };
    return names[s];
}

static void build_grants(void)
{
    struct dw_people_grant w = {.kind = DW_VISIT_DROP,
                                .mode = DW_GRANT_NOTIFY,
                                .per_day = 3,
                                .window_count = 1,
                                .uses = 4,
                                .days = 14,
                                .dwell_ms = 60000,
                                .window = {{1440 + 480, 480}}}; /* Tuesdays 8 to 16 h */
    grant_it(GRANT_DROP, 1, &w);
    struct dw_people_grant stay = w;
    stay.kind = DW_VISIT_STAY;
    grant_it(GRANT_STAY, 1, &stay);
    struct dw_people_grant once = stay;
    once.uses = 2; /* one is left, but none for today */
    once.per_day = 1;
    grant_it(GRANT_STAY2, 1, &once);
    struct dw_people_grant b = w;
    b.window[0] = (struct dw_week_window){1440 + 900, 120};
    grant_it(GRANT_B, 2, &b);
    struct dw_people_grant ask = w;
    ask.mode = DW_GRANT_ASK;
    grant_it(GRANT_ASK, 1, &ask);
    grant_it(GRANT_REVOKED, 1, &w);
    struct dw_people_grant to_guest = stay;
    to_guest.per_day = 1;
    grant_it(GRANT_GIL, HUB_FOR(GUEST_GIL) + 1, &to_guest);
    grant_it(GRANT_HAL_OVER, HUB_FOR(GUEST_HAL) + 1, &to_guest);
    to_guest.mode = DW_GRANT_ASK;
    grant_it(GRANT_HAL_ASK, HUB_FOR(GUEST_HAL) + 1, &to_guest);
    struct dw_people_grant small = w;
    small.dwell_ms = 10000;
    small.uses = 1;
    grant_it(GRANT_SHORT, 1, &small);
    g.set.grant_wait_ms = 10 * MINUTE_MS;
    grant_it(GRANT_VETOED, 1, &w);
    g.set.grant_wait_ms = 0;
    at_utc(NOON + DAY_MS); /* a clock that was ahead: this one has not begun */
    struct dw_people_grant any = w;
    any.window[0] = (struct dw_week_window){0, DW_WEEK_MINUTES};
    grant_it(GRANT_TOMORROW, 1, &any);
    at_utc(NOON);
}

static void build_home(void)
{
    struct device *owner = first_owner();
    struct device *bo = member(owner, DW_MEMBER_OCCUPANT, "Bo");
    guest_device[GUEST_GIL] = member(owner, DW_MEMBER_GUEST, "Gil");
    guest_device[GUEST_HAL] = member(owner, DW_MEMBER_GUEST, "Hal");
    introduce(&agency_key[AGENCY_A], 1, "Agency");
    introduce(&agency_key[AGENCY_B], 2, "Other");
    build_grants();
    for (int i = 0; i < PHONE_COUNT; i++) {
        if (i == PHONE_NONE)
            continue;
        struct dw_shift s = shift_for(i, NOON / 1000 - (i == PHONE_LATE ? 43140 : 3600));
        (void)send_shift(agency_of_phone[i], &s, true);
    }
    static const struct {
        uint8_t job, grant, who, kind;
    } plan[] = {
        {JOB_DROP, GRANT_DROP, PHONE_A, DW_VISIT_DROP},
        {JOB_STAY, GRANT_STAY, PHONE_A, DW_VISIT_STAY},
        {JOB_OVER, GRANT_DROP, PHONE_A, DW_VISIT_DROP},
        {JOB_LATER, GRANT_DROP, PHONE_A, DW_VISIT_DROP},
        {JOB_B, GRANT_B, PHONE_B, DW_VISIT_DROP},
        {JOB_ASK, GRANT_ASK, PHONE_A, DW_VISIT_DROP},
        {JOB_REVOKED, GRANT_REVOKED, PHONE_A, DW_VISIT_DROP},
        {JOB_VETOED, GRANT_VETOED, PHONE_A, DW_VISIT_DROP},
        {JOB_RECALLED, GRANT_DROP, PHONE_A, DW_VISIT_DROP},
        {JOB_USED, GRANT_DROP, PHONE_A, DW_VISIT_DROP},
        {JOB_SCREENING, GRANT_DROP, PHONE_A, DW_VISIT_DROP},
        {JOB_LATE_SHIFT, GRANT_DROP, PHONE_LATE, DW_VISIT_DROP},
        {JOB_NO_SHIFT, GRANT_DROP, PHONE_NONE, DW_VISIT_DROP},
        {JOB_ED, GRANT_DROP, PHONE_ED, DW_VISIT_DROP},
        {JOB_SHORT, GRANT_SHORT, PHONE_A, DW_VISIT_DROP},
    };
    for (size_t i = 0; i < DW_ARRAY_COUNT(plan); i++)
        job_on(plan[i].job, plan[i].grant, plan[i].who, (enum dw_visit_kind)plan[i].kind);
    of_grant(DW_PEOPLE_REVOKE, GRANT_REVOKED, owner->member);
    of_grant(DW_PEOPLE_REVOKE, GRANT_HAL_OVER, owner->member);
    of_grant(DW_PEOPLE_VETO, GRANT_VETOED, bo->member);
    struct dw_recall r = {.revision = jobs[JOB_RECALLED].revision};
    uint8_t bytes[256];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    memcpy(r.hub, g.secret.key.thumb, 32);
    memcpy(r.job, jobs[JOB_RECALLED].job, 16);
    if (!dw_failed(dw_recall_write(&r, &b)))
        (void)send_signed(DW_LINK_KIND_RECALL, &service, dw_view_of_buf(&b), true);
    drain();
}

static void must_open(int job, int who)
{
    uint32_t before = heard.retracts;
    visit_whole(job, who);
    if (heard.retracts != before + 1) {
        fprintf(stderr, "hostile: the honest visit of job %d did not open: %s %s\n", job,
                dw_check_code((enum dw_check)heard.check),
                dw_visit_state_word((enum dw_visit_state)g.door.state));
        abort();
    }
    later(61000);
}

static void build_guest_stages(void)
{
    uint8_t nonce[32] = {0x6e};
    world_enter(STAGE_IDLE);
    if (guest_asks(GUEST_GIL, nonce) != DW_PEOPLE_NO_NONE || !guest_slides(GUEST_GIL, false))
        abort();
    const struct shift *s = guests_shift(&g, guest_device[GUEST_GIL]->member);
    (void)keep_item(DW_LINK_KIND_SHIFT, s->object, s->object_len, true);
    model_mark();
    keep_stage(STAGE_GUEST_READY);

    world_enter(STAGE_IDLE);
    guest_visit(GUEST_GIL);
    if (g.door.state != DW_VISIT_BETWEEN)
        abort();
    model_mark();
    keep_stage(STAGE_GUEST_BETWEEN);
}

void world_build(void)
{
    if (sqlite3_open_v2("", &anchor, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK)
        abort();
    world = (struct world){.bolt = DW_BOLT_THROWN,
                           .contact = DW_CONTACT_CLOSED,
                           .epoch = 1,
                           .lock_boot = 1,
                           .lock_nonce = {0x55},
                           .eye_seed = {7},
                           .is_link_up = true,
                           .next_visit = 100};
    world.wall_at_ms = 1000000;
    world.wall = (struct dw_utc){NOON, NOON + 20};
    if (setup(NULL) != 0)
        abort();
    agency_key[AGENCY_A] = agency;
    dw_secret_new(&agency_key[AGENCY_B]);
    dw_secret_new(&camera_key);
    dw_secret_new(&eye_key);
    g.camera.key = camera_key.key;
    g.camera.has_key = true;
    eye_introduces(&camera_key, &eye_key, 1);
    for (int i = 0; i < PHONE_COUNT; i++)
        phone[i] =
            soft_new(i == PHONE_ED ? DW_PASSKEY_EDDSA : DW_PASSKEY_ES256, (uint8_t)(0x22 + i));
    build_home();
    later(0); /* screens of a hub before this one could still say SECURED */
    must_open(JOB_USED, PHONE_A);
    /* A stay of one opening, and a drop: both use up the only use of their grants. */
    struct dw_job stay = jobs[JOB_STAY];
    jobs[JOB_STAY].job[0] = 200;
    jobs[JOB_STAY].openings = 1;
    (void)send_manifest(AGENCY_A, grant_id[GRANT_STAY2], &jobs[JOB_STAY], true);
    must_open(JOB_STAY, PHONE_A);
    jobs[JOB_STAY] = stay;
    struct dw_ipc_people_ask end = {0};
    (void)end;
    struct dw_event over = {.type = DW_EV_OWNER_END};
    guard_feed(&g, &over);
    later(61000);
    later(61000);
    {
        struct dw_hello h = hello_to(&jobs[JOB_SHORT], ++world.next_visit, "P");
        uint32_t at = world.asked_count++ % 8, before = heard.retracts;
        world.asked[at].visit = h.visit;
        world.asked[at].who = PHONE_A;
        world.asked[at].job = JOB_SHORT;
        memcpy(world.asked[at].nonce, h.courier_nonce, 32);
        (void)send_hello(&h, true);
        settle();
        (void)courier_slides(h.visit, true);
        if (heard.retracts != before + 1)
            abort();
        in_and_out();
        later(61000);
    }
    g.set.grant_wait_ms = 10 * MINUTE_MS;
    struct dw_people_grant w = {.kind = DW_VISIT_DROP,
                                .mode = DW_GRANT_NOTIFY,
                                .per_day = 3,
                                .window_count = 1,
                                .uses = 4,
                                .days = 14,
                                .dwell_ms = 60000,
                                .window = {{1440 + 480, 480}}};
    grant_it(GRANT_WAITING, 1, &w);
    job_on(JOB_WAITING, GRANT_WAITING, PHONE_A, DW_VISIT_DROP);
    g.set.grant_wait_ms = 0;
    later(1000);
    model_mark();
    keep_stage(STAGE_IDLE);

    world_enter(STAGE_IDLE);
    uint64_t v = courier_asks(JOB_DROP, PHONE_A, true);
    const struct item *stop = courier_slides(v, false);
    if (!stop)
        abort();
    model_mark();
    keep_stage(STAGE_READY);
    give_bytes(stop->kind, arena + stop->at, stop->len);
    drain();
    keep_stage(STAGE_STOPPED);
    for (int i = 0; i < 20 && g.door.state == DW_VISIT_INTENT; i++) {
        mono_ms += 50;
        struct dw_event ev = {.type = DW_EV_TIMEOUT};
        guard_feed(&g, &ev);
        drain();
        lock_speaks();
        drain();
    }
    if (g.door.state != DW_VISIT_LOOKING)
        abort();
    keep_stage(STAGE_LOOKING);
    settle();
    in_and_out();
    keep_stage(STAGE_AFTER);
    later(61000);
    restart(false);
    later(0);
    keep_stage(STAGE_RESTARTED);

    world_enter(STAGE_IDLE);
    visit_whole(JOB_STAY, PHONE_A);
    if (g.door.state != DW_VISIT_BETWEEN)
        abort();
    model_mark();
    keep_stage(STAGE_BETWEEN);

    world_enter(STAGE_IDLE);
    link_state(false);
    shift_clock(14 * MINUTE_MS, 20);
    later(0);
    keep_stage(STAGE_AWAY);

    world_enter(STAGE_IDLE);
    shift_clock(8 * HOUR_MS, 20);
    later(0);
    keep_stage(STAGE_EVENING);

    world_enter(STAGE_IDLE);
    v = courier_asks(JOB_LATE_SHIFT, PHONE_LATE, true);
    if (!courier_slides(v, false))
        abort();
    model_mark();
    keep_stage(STAGE_READY_LATE);

    world_enter(STAGE_IDLE);
    shift_clock(3 * HOUR_MS + 30 * MINUTE_MS, 20);
    later(0);
    v = courier_asks(JOB_B, PHONE_B, true);
    if (!courier_slides(v, false))
        abort();
    model_mark();
    keep_stage(STAGE_READY_B);

    build_guest_stages();
}

void world_end(void)
{
    drain();
    if (has_outer)
        outer("ROLLBACK", false);
    (void)teardown(NULL);
    for (int i = 0; i < PHONE_COUNT; i++)
        soft_free(&phone[i]);
    for (int i = 0; i < STAGE_COUNT; i++) {
        free(snaps[i].guard);
        free(snaps[i].model);
        sqlite3_close(snaps[i].db);
    }
    sqlite3_close(anchor);
}
