#include "hub/guard/store.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/signed.h"
#include "os/os.h"
#include "record/leaves.h"

#define QUEUE_MAX 1024u
#define BATCH_MAX 48u /* below DW_LEAVES_BATCH_MAX */

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS job(id BLOB PRIMARY KEY, bytes BLOB NOT NULL, revision INTEGER NOT "
    "NULL, recalled INTEGER NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS parcel(job BLOB NOT NULL, commitment BLOB NOT NULL, visit INTEGER "
    "NOT "
    "NULL, PRIMARY KEY(job, commitment)) STRICT;"
    "CREATE TABLE IF NOT EXISTS visit(id INTEGER PRIMARY KEY, is_open INTEGER NOT NULL, nonce BLOB "
    "NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS message(id INTEGER PRIMARY KEY AUTOINCREMENT, visit INTEGER NOT "
    "NULL, "
    "number INTEGER NOT NULL, bytes BLOB NOT NULL, UNIQUE(visit, number)) STRICT;"
    "CREATE TABLE IF NOT EXISTS body(leaf INTEGER PRIMARY KEY, salt BLOB NOT NULL, bytes BLOB NOT "
    "NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS line(story INTEGER PRIMARY KEY, leaf INTEGER NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS fact(kind INTEGER NOT NULL, number INTEGER NOT NULL, bytes BLOB "
    "NOT "
    "NULL, PRIMARY KEY(kind, number)) STRICT, WITHOUT ROWID;";

enum statement {
    ST_META,
    ST_JOB,
    ST_RECALL,
    ST_PARCEL,
    ST_RELEASE,
    ST_VISIT_OPEN,
    ST_VISIT_OVER,
    ST_VISIT_TOLD,
    ST_VISITS_OVER,
    ST_MESSAGE,
    ST_ACK,
    ST_BODY,
    ST_LINE,
    ST_FACT,
    ST_FORGET,
    ST_COUNT
};

static const char *const statements[ST_COUNT] = {
    [ST_META] = "INSERT INTO meta VALUES(?1,?2) ON CONFLICT(key) DO UPDATE SET value=?2",
    [ST_JOB] = ("INSERT INTO job VALUES(?1,?2,?3,?4) ON CONFLICT(id) DO UPDATE SET bytes=?2,"
                "revision=?3,recalled=?4 WHERE ?3>revision"),
    /* Also of a job that has not come yet: it may come after its recall, or again. */
    [ST_RECALL] = "INSERT INTO job VALUES(?1,x'',?2,1) ON CONFLICT(id) DO UPDATE SET recalled=1,"
                  "revision=?2 WHERE ?2>=revision",
    [ST_PARCEL] = "INSERT INTO parcel VALUES(?1,?2,?3)",
    [ST_RELEASE] = "DELETE FROM parcel WHERE job=?1 AND commitment=?2 AND visit=?3",
    [ST_VISIT_OPEN] = "INSERT INTO visit VALUES(?1,1,?2) ON CONFLICT(id) DO UPDATE SET is_open=1",
    [ST_VISIT_OVER] = "UPDATE visit SET is_open=0 WHERE id=?1",
    [ST_VISIT_TOLD] = "UPDATE visit SET is_open=2 WHERE id=?1 AND is_open",
    [ST_VISITS_OVER] = "UPDATE visit SET is_open=0 WHERE is_open",
    [ST_MESSAGE] =
        "INSERT INTO message(visit,number,bytes) VALUES(?1,?2,?3) ON CONFLICT DO NOTHING",
    [ST_ACK] = "DELETE FROM message WHERE visit=?1 AND number=?2",
    [ST_BODY] = "INSERT INTO body VALUES(?1,?2,?3)",
    [ST_LINE] = "INSERT INTO line VALUES(?1,?2) ON CONFLICT DO NOTHING",
    [ST_FACT] = "INSERT INTO fact VALUES(?1,?2,?3) ON CONFLICT DO UPDATE SET bytes=?3",
    [ST_FORGET] = "DELETE FROM fact WHERE kind=?1 AND number=?2",
};

struct piece {
    uint8_t *ptr;
    size_t len;
};

struct op {
    struct op *next;
    struct store_write w; /* views point into the pieces below */
    struct piece detail, job_id, job, parcel, message, meta, nonce;
    struct store_fact *facts; /* and their bytes, in one piece */
    char meta_key[32];
    dw_err result;
    uint64_t leaf;
};

struct store {
    sqlite3 *db;
    sqlite3 *reader; /* read-only: does not wait for the writer's disk */
    sqlite3_stmt *st[ST_COUNT];
    struct dw_leaves *leaves;
    uint64_t next_leaf;
    const struct dw_secret *secret;

    uv_thread_t thread;
    uv_mutex_t lock;
    uv_cond_t wake;
    uv_async_t async;
    struct op *first, *last; /* waiting */
    struct op *done_first, *done_last;
    size_t waiting;
    bool is_closing, is_new;
};

static struct piece copy_of(struct dw_view v)
{
    struct piece p = {NULL, v.len};
    if (v.len) {
        p.ptr = malloc(v.len);
        DW_ASSERT(p.ptr);
        memcpy(p.ptr, v.ptr, v.len);
    }
    return p;
}

static struct dw_view view_of(struct piece p)
{
    return (struct dw_view){p.ptr, p.len};
}

static void op_free(struct op *o)
{
    free(o->detail.ptr);
    free(o->job_id.ptr);
    free(o->job.ptr);
    free(o->parcel.ptr);
    free(o->message.ptr);
    free(o->meta.ptr);
    free(o->nonce.ptr);
    free(o->facts);
    free(o);
}

/* ---- the writer thread --------------------------------------------------------------------------
 */

static bool bind_blob(sqlite3_stmt *st, int at, struct dw_view v)
{
    return sqlite3_bind_blob(st, at, v.ptr ? v.ptr : (const uint8_t *)"", (int)v.len,
                             SQLITE_STATIC) == SQLITE_OK;
}

static int run_code(struct store *s, enum statement which)
{
    int rc = sqlite3_step(s->st[which]);
    sqlite3_reset(s->st[which]);
    sqlite3_clear_bindings(s->st[which]);
    return rc;
}

static bool run(struct store *s, enum statement which)
{
    return run_code(s, which) == SQLITE_DONE;
}

static bool bind_int(sqlite3_stmt *st, int at, int64_t v)
{
    return sqlite3_bind_int64(st, at, v) == SQLITE_OK;
}

/* Signs the event, appends its leaf, and keeps the body beside it. */
static dw_err write_event(struct store *s, struct op *o)
{
    struct dw_event_body body = {
        .number = s->next_leaf,
        .kind = o->w.kind,
        .visit = o->w.visit,
        .at = o->w.at,
        .boot_ms = o->w.boot_ms,
    };
    if (o->detail.len > sizeof body.detail)
        return dw_fail(DW_E_TOO_LARGE);
    body.detail_len = (uint16_t)o->detail.len;
    if (o->detail.len)
        memcpy(body.detail, o->detail.ptr, o->detail.len);
    uint8_t payload[1400], bytes[1700], salt[32];
    struct dw_buf p = dw_buf_of(payload, sizeof payload), b = dw_buf_of(bytes, sizeof bytes);
    DW_TRY(dw_event_body_write(&body, &p));
    DW_TRY(dw_signed_make(s->secret, DW_CONTEXT_EVENT, dw_view_of_buf(&p), &b));
    dw_random(salt, sizeof salt);
    uint64_t leaf = 0;
    DW_TRY(dw_leaves_append(s->leaves, dw_view_of_buf(&b), salt, &leaf));
    s->next_leaf = dw_leaves_next_seq(s->leaves);
    o->leaf = leaf;
    sqlite3_stmt *st = s->st[ST_BODY];
    if (!bind_int(st, 1, (int64_t)leaf) || !bind_blob(st, 2, dw_view_of(salt, sizeof salt)) ||
        !bind_blob(st, 3, dw_view_of_buf(&b)) || !run(s, ST_BODY))
        return dw_fail(DW_E_IO);
    if (o->w.story && (!bind_int(s->st[ST_LINE], 1, (int64_t)o->w.story) ||
                       !bind_int(s->st[ST_LINE], 2, (int64_t)leaf) || !run(s, ST_LINE)))
        return dw_fail(DW_E_IO);
    return DW_OK;
}

static dw_err write_rows(struct store *s, struct op *o)
{
    const struct store_write *w = &o->w;
    bool ok = true;
    if (w->meta_key) {
        ok = sqlite3_bind_text(s->st[ST_META], 1, w->meta_key, -1, SQLITE_STATIC) == SQLITE_OK &&
             bind_blob(s->st[ST_META], 2, w->meta) && run(s, ST_META);
    }
    for (uint32_t i = 0; ok && i < w->fact_count; i++) {
        const struct store_fact *f = &w->facts[i];
        enum statement which = f->bytes.len ? ST_FACT : ST_FORGET;
        ok = bind_int(s->st[which], 1, f->kind) && bind_int(s->st[which], 2, (int64_t)f->number) &&
             (which == ST_FORGET || bind_blob(s->st[which], 3, f->bytes)) && run(s, which);
    }
    if (ok && w->job.len) {
        sqlite3_stmt *st = s->st[ST_JOB];
        ok = bind_blob(st, 1, w->job_id) && bind_blob(st, 2, w->job) &&
             bind_int(st, 3, w->job_revision) && bind_int(st, 4, w->job_recalled) && run(s, ST_JOB);
    } else if (ok && w->job_recalled) {
        sqlite3_stmt *st = s->st[ST_RECALL];
        ok = bind_blob(st, 1, w->job_id) && bind_int(st, 2, w->job_revision) && run(s, ST_RECALL);
    }
    if (ok && w->parcel.len) { /* [I11]: the second use of a parcel violates the primary key */
        enum statement which = w->release ? ST_RELEASE : ST_PARCEL;
        sqlite3_stmt *st = s->st[which];
        if (!bind_blob(st, 1, w->job_id) || !bind_blob(st, 2, w->parcel) ||
            !bind_int(st, 3, (int64_t)w->visit))
            return dw_fail(DW_E_IO);
        int rc = run_code(s, which);
        if (rc != SQLITE_DONE)
            return dw_fail((rc & 0xff) == SQLITE_CONSTRAINT ? DW_E_EXISTS : DW_E_IO);
    }
    if (ok && w->visit_mark) {
        static const enum statement marks[] = {
            [STORE_VISIT_OPEN] = ST_VISIT_OPEN,
            [STORE_VISIT_OVER] = ST_VISIT_OVER,
            [STORE_VISIT_TOLD] = ST_VISIT_TOLD,
            [STORE_VISITS_OVER] = ST_VISITS_OVER,
        };
        enum statement which = marks[w->visit_mark];
        ok = (which == ST_VISITS_OVER || bind_int(s->st[which], 1, (int64_t)w->visit)) &&
             (which != ST_VISIT_OPEN || bind_blob(s->st[which], 2, w->courier_nonce)) &&
             run(s, which);
    }
    if (ok && w->message.len) {
        sqlite3_stmt *st = s->st[ST_MESSAGE];
        uint64_t visit = w->message_visit ? w->message_visit : w->visit;
        ok = bind_int(st, 1, (int64_t)visit) && bind_int(st, 2, w->message_number) &&
             bind_blob(st, 3, w->message) && run(s, ST_MESSAGE);
    }
    if (ok && w->ack) {
        sqlite3_stmt *st = s->st[ST_ACK];
        ok = bind_int(st, 1, (int64_t)w->visit) && bind_int(st, 2, w->message_number) &&
             run(s, ST_ACK);
    }
    return ok ? DW_OK : dw_fail(DW_E_IO);
}

static bool sql(struct store *s, const char *text)
{
    return sqlite3_exec(s->db, text, NULL, NULL, NULL) == SQLITE_OK;
}

/* A write that fails alone (a parcel used twice) is rolled back alone. */
static void write_one(struct store *s, struct op *o)
{
    if (!sql(s, "SAVEPOINT one")) {
        o->result = dw_fail(DW_E_IO);
        return;
    }
    o->result = write_rows(s, o);
    if (!dw_failed(o->result) && o->w.kind && s->leaves) {
        o->result = write_event(s, o);
        if (dw_failed(o->result) && o->w.job_recalled) {
            /* A recall that the record does not show is better than one that a restart forgets. */
            (void)sql(s, "ROLLBACK TO one");
            o->result = write_rows(s, o);
        }
    } else if (!dw_failed(o->result) && o->w.kind == DW_STORY_UNLOCK_INTENT)
        o->result = dw_fail(DW_E_CORRUPT); /* no record, no opening [I35] */
    if (dw_failed(o->result))
        (void)sql(s, "ROLLBACK TO one");
    (void)sql(s, "RELEASE one");
}

static void writer(void *ctx)
{
    struct store *s = ctx;
    for (;;) {
        uv_mutex_lock(&s->lock);
        while (!s->first && !s->is_closing)
            uv_cond_wait(&s->wake, &s->lock);
        struct op *batch = s->first, *end = batch;
        size_t taken = batch ? 1 : 0;
        while (end && end->next && taken < BATCH_MAX) {
            end = end->next;
            taken++;
        }
        s->first = end ? end->next : NULL;
        if (!s->first)
            s->last = NULL;
        if (end)
            end->next = NULL;
        s->waiting -= taken;
        bool over = s->is_closing && !batch;
        uv_mutex_unlock(&s->lock);
        if (over)
            return;

        bool begun = sql(s, "BEGIN IMMEDIATE");
        struct op *last = NULL;
        uint64_t before = s->next_leaf;
        for (struct op *o = batch; o; o = o->next) {
            last = o;
            o->result = dw_fail(DW_E_IO);
            if (begun)
                write_one(s, o);
            /* A full disk makes SQLite end the whole transaction by itself; what came after would
             * be committed by each RELEASE, before its leaf. */
            begun = begun && !sqlite3_get_autocommit(s->db);
        }
        /* Leaf first: the record is never behind the rows that mention it. Without a new leaf the
         * rows do not wait for a record that is out of order. */
        bool synced = begun;
        if (s->leaves && dw_leaves_next_seq(s->leaves) != before)
            synced = !dw_failed(dw_leaves_sync(s->leaves)) && begun;
        if (s->leaves)
            s->next_leaf = dw_leaves_next_seq(s->leaves);
        bool kept = synced && sql(s, "COMMIT");
        if (!kept && !sqlite3_get_autocommit(s->db))
            (void)sql(s, "ROLLBACK");
        for (struct op *o = batch; o; o = o->next) {
            if (!kept)
                o->result = dw_fail(DW_E_IO);
        }
        uv_mutex_lock(&s->lock);
        if (s->done_last)
            s->done_last->next = batch;
        else
            s->done_first = batch;
        s->done_last = last;
        uv_mutex_unlock(&s->lock);
        uv_async_send(&s->async);
    }
}

static void on_async(uv_async_t *async)
{
    struct store *s = async->data;
    uv_mutex_lock(&s->lock);
    struct op *o = s->done_first;
    s->done_first = s->done_last = NULL;
    uv_mutex_unlock(&s->lock);
    while (o) {
        struct op *next = o->next;
        if (dw_failed(o->result))
            dw_log("error", "store", "write=%u result=%s", o->w.kind, dw_err_name(o->result));
        if (o->w.done)
            o->w.done(o->w.ctx, o->result, o->leaf);
        op_free(o);
        o = next;
    }
}

static struct store_fact *copy_facts(const struct store_write *w)
{
    size_t bytes = 0, heads = w->fact_count * sizeof(struct store_fact);
    DW_ASSERT(w->fact_count <= STORE_FACTS_MAX);
    if (w->fact_count == 0)
        return NULL;
    for (uint32_t i = 0; i < w->fact_count; i++)
        bytes += w->facts[i].bytes.len;
    struct store_fact *facts = malloc(heads + bytes);
    DW_ASSERT(facts);
    uint8_t *at = (uint8_t *)facts + heads;
    for (uint32_t i = 0; i < w->fact_count; i++) {
        facts[i] = w->facts[i];
        if (facts[i].bytes.len) {
            memcpy(at, facts[i].bytes.ptr, facts[i].bytes.len);
            facts[i].bytes.ptr = at;
            at += facts[i].bytes.len;
        }
    }
    return facts;
}

dw_err store_write(struct store *s, const struct store_write *w)
{
    struct op *o = calloc(1, sizeof *o);
    DW_ASSERT(o);
    o->w = *w;
    o->detail = copy_of(w->detail);
    o->job_id = copy_of(w->job_id);
    o->job = copy_of(w->job);
    o->parcel = copy_of(w->parcel);
    o->message = copy_of(w->message);
    o->meta = copy_of(w->meta);
    o->nonce = copy_of(w->courier_nonce);
    o->w.courier_nonce = view_of(o->nonce);
    o->facts = copy_facts(w);
    o->w.facts = o->facts;
    o->w.detail = view_of(o->detail);
    o->w.job_id = view_of(o->job_id);
    o->w.job = view_of(o->job);
    o->w.parcel = view_of(o->parcel);
    o->w.message = view_of(o->message);
    o->w.meta = view_of(o->meta);
    if (w->meta_key) {
        snprintf(o->meta_key, sizeof o->meta_key, "%s", w->meta_key);
        o->w.meta_key = o->meta_key;
    }
    uv_mutex_lock(&s->lock);
    bool full = s->waiting >= QUEUE_MAX;
    if (!full) {
        if (s->last)
            s->last->next = o;
        else
            s->first = o;
        s->last = o;
        s->waiting++;
        uv_cond_signal(&s->wake);
    }
    uv_mutex_unlock(&s->lock);
    if (full) {
        op_free(o);
        return dw_fail(DW_E_BUSY);
    }
    return DW_OK;
}

/* ---- start and end ------------------------------------------------------------------------------
 */

/* The one number that `sql` asks for; 0 when it cannot be had. */
static int64_t number_of(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st = NULL;
    int64_t number = 0;
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
        number = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return number;
}

dw_err store_open(const char *folder, uv_loop_t *loop, const struct dw_secret *secret,
                  struct store **ret_store, bool *ret_rolled_back, char *why, size_t why_cap)
{
    char path[512], record[512];
    struct store *s = calloc(1, sizeof *s);
    DW_ASSERT(s);
    s->secret = secret;
    *ret_rolled_back = false;
    dw_err e = dw_path(path, sizeof path, folder, "hub.sqlite");
    if (!dw_failed(e))
        e = dw_path(record, sizeof record, folder, "record");
    if (!dw_failed(e))
        e = dw_folder(record);
    if (dw_failed(e)) {
        snprintf(why, why_cap, "cannot make the folder %s/record", folder);
        goto failed;
    }
    if (sqlite3_open_v2(path, &s->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX,
                        NULL) != SQLITE_OK ||
        !sql(s, "PRAGMA journal_mode=WAL") || !sql(s, "PRAGMA synchronous=FULL") ||
        !sql(s, "PRAGMA foreign_keys=ON") || !sql(s, schema)) {
        snprintf(why, why_cap, "cannot open %s: %s", path, sqlite3_errmsg(s->db));
        e = dw_fail(DW_E_IO);
        goto failed;
    }
    if (sqlite3_open_v2(path, &s->reader, SQLITE_OPEN_READONLY | SQLITE_OPEN_FULLMUTEX, NULL) !=
        SQLITE_OK) {
        snprintf(why, why_cap, "cannot read %s: %s", path, sqlite3_errmsg(s->reader));
        e = dw_fail(DW_E_IO);
        goto failed;
    }
    sqlite3_busy_timeout(s->db, 2000);
    for (size_t i = 0; i < ST_COUNT; i++) {
        if (sqlite3_prepare_v3(s->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &s->st[i],
                               NULL) != SQLITE_OK) {
            snprintf(why, why_cap, "%s has another form: %s", path, sqlite3_errmsg(s->db));
            e = dw_fail(DW_E_CORRUPT);
            goto failed;
        }
    }
    e = dw_path(path, sizeof path, record, "leaves");
    int64_t known = number_of(s->db, "SELECT COALESCE(MAX(leaf),0) FROM body");
    struct dw_leaves_found found = {0};
    if (!dw_failed(e))
        e = dw_leaves_open(path, known > 0 ? (uint64_t)known + 1 : 0, &s->leaves, &found);
    s->next_leaf = found.next_seq;
    s->is_new = known == 0 && !dw_failed(e) && found.next_seq == 1;
    if (dw_is(e, DW_E_CORRUPT)) {
        /* Left as it is, as evidence. Without a record no visitor is let in; the household's own
         * functions go on. */
        snprintf(why, why_cap,
                 "the record %s is damaged or ends before leaf %lld: was a backup restored?", path,
                 (long long)known);
        *ret_rolled_back = true;
        s->leaves = NULL;
    } else if (dw_failed(e)) {
        snprintf(why, why_cap, "cannot open the record %s: %s", path, dw_err_text(e));
        goto failed;
    }
    uv_mutex_init(&s->lock);
    uv_cond_init(&s->wake);
    uv_async_init(loop, &s->async, on_async);
    s->async.data = s;
    if (uv_thread_create(&s->thread, writer, s) != 0) {
        snprintf(why, why_cap, "cannot start the writer thread");
        e = dw_fail(DW_E_IO);
        goto failed;
    }
    *ret_store = s;
    return DW_OK;
failed:
    for (size_t i = 0; i < ST_COUNT; i++)
        sqlite3_finalize(s->st[i]);
    sqlite3_close(s->reader);
    sqlite3_close(s->db);
    free(s);
    return e;
}

void store_close(struct store *s)
{
    uv_mutex_lock(&s->lock);
    s->is_closing = true;
    uv_cond_signal(&s->wake);
    uv_mutex_unlock(&s->lock);
    uv_thread_join(&s->thread);
    on_async(&s->async);
    /* An answer may have asked for one more write: a receipt whose end has just become durable. */
    for (uint32_t round = 0; s->first && round < 8; round++) {
        writer(s);
        on_async(&s->async);
    }
    uv_close((uv_handle_t *)&s->async, NULL);
    dw_leaves_close(s->leaves);
    for (size_t i = 0; i < ST_COUNT; i++)
        sqlite3_finalize(s->st[i]);
    sqlite3_close(s->reader);
    sqlite3_close(s->db);
    s->db =
        NULL; /* `s` itself lives until the loop has run the close of `async`: the end of main */
}

bool store_is_new(const struct store *s)
{
    return s->is_new;
}

static struct dw_view column(sqlite3_stmt *st, int at)
{
    return (struct dw_view){sqlite3_column_blob(st, at), (size_t)sqlite3_column_bytes(st, at)};
}

static void each(struct store *s, const char *text, store_row *row, void *ctx)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(s->db, text, -1, &st, NULL) != SQLITE_OK) {
        dw_log("error", "store", "read=failed");
        return;
    }
    while (sqlite3_step(st) == SQLITE_ROW)
        row(ctx, column(st, 0), column(st, 1), sqlite3_column_int64(st, 2),
            sqlite3_column_int64(st, 3));
    sqlite3_finalize(st);
}

void store_each_job(struct store *s, store_row *row, void *ctx)
{
    each(s, "SELECT id, bytes, revision, recalled FROM job ORDER BY rowid DESC LIMIT 256", row,
         ctx);
}

void store_each_parcel_of(struct store *s, struct dw_view job, store_row *row, void *ctx)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(s->db, "SELECT job, commitment, visit, 0 FROM parcel WHERE job=?1", -1,
                           &st, NULL) == SQLITE_OK &&
        bind_blob(st, 1, job)) {
        while (sqlite3_step(st) == SQLITE_ROW)
            row(ctx, column(st, 0), column(st, 1), sqlite3_column_int64(st, 2), 0);
    }
    sqlite3_finalize(st);
}

bool store_knows_job(struct store *s, struct dw_view job, uint32_t *ret_revision)
{
    sqlite3_stmt *st = NULL;
    bool is_known = false;
    if (sqlite3_prepare_v2(s->db, "SELECT revision FROM job WHERE id=?1", -1, &st, NULL) ==
            SQLITE_OK &&
        bind_blob(st, 1, job) && sqlite3_step(st) == SQLITE_ROW) {
        *ret_revision = (uint32_t)sqlite3_column_int64(st, 0);
        is_known = true;
    }
    sqlite3_finalize(st);
    return is_known;
}

void store_each_parcel(struct store *s, store_row *row, void *ctx)
{
    each(s, "SELECT job, commitment, visit, 0 FROM parcel", row, ctx);
}

void store_each_open_visit(struct store *s, store_row *row, void *ctx)
{
    each(s, "SELECT nonce, NULL, id, is_open=2 FROM visit WHERE is_open", row, ctx);
}

void store_each_message(struct store *s, store_row *row, void *ctx)
{
    each(s, "SELECT bytes, NULL, visit, number FROM message ORDER BY id LIMIT 64", row, ctx);
}

void store_each_fact(struct store *s, enum store_fact_kind kind, store_row *row, void *ctx)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(s->reader,
                           "SELECT bytes, number FROM fact WHERE kind=?1 ORDER BY number", -1, &st,
                           NULL) == SQLITE_OK &&
        bind_int(st, 1, kind)) {
        while (sqlite3_step(st) == SQLITE_ROW)
            row(ctx, column(st, 0), (struct dw_view){0}, sqlite3_column_int64(st, 1), 0);
    }
    sqlite3_finalize(st);
}

dw_err store_fact(struct store *s, enum store_fact_kind kind, uint64_t number, struct dw_buf *out)
{
    sqlite3_stmt *st = NULL;
    dw_err e = dw_fail(DW_E_NOT_FOUND);
    if (sqlite3_prepare_v2(s->reader, "SELECT bytes FROM fact WHERE kind=?1 AND number=?2", -1, &st,
                           NULL) == SQLITE_OK &&
        bind_int(st, 1, kind) && bind_int(st, 2, (int64_t)number) &&
        sqlite3_step(st) == SQLITE_ROW) {
        struct dw_view v = column(st, 0);
        e = v.len > out->cap ? dw_fail(DW_E_NO_SPACE) : DW_OK;
        if (!dw_failed(e)) {
            memcpy(out->ptr, v.ptr, v.len);
            out->len = v.len;
        }
    }
    sqlite3_finalize(st);
    return e;
}

void store_each_line(struct store *s, uint64_t from, store_row *row, void *ctx)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(s->reader,
                           "SELECT body.bytes, line.story FROM line JOIN body ON body.leaf="
                           "line.leaf WHERE line.story>=?1 ORDER BY line.story LIMIT 256",
                           -1, &st, NULL) == SQLITE_OK &&
        bind_int(st, 1, from > INT64_MAX ? INT64_MAX : (int64_t)from)) {
        while (sqlite3_step(st) == SQLITE_ROW)
            row(ctx, column(st, 0), (struct dw_view){0}, sqlite3_column_int64(st, 1), 0);
    }
    sqlite3_finalize(st);
}

uint64_t store_newest_line(struct store *s)
{
    int64_t newest = number_of(s->reader, "SELECT COALESCE(MAX(story),0) FROM line");
    return newest > 0 ? (uint64_t)newest : 0;
}

dw_err store_meta(struct store *s, const char *key, struct dw_buf *out)
{
    sqlite3_stmt *st = NULL;
    dw_err e = dw_fail(DW_E_NOT_FOUND);
    if (sqlite3_prepare_v2(s->db, "SELECT value FROM meta WHERE key=?1", -1, &st, NULL) !=
            SQLITE_OK ||
        sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC) != SQLITE_OK)
        e = dw_fail(DW_E_IO);
    else if (sqlite3_step(st) == SQLITE_ROW) {
        struct dw_view v = column(st, 0);
        if (v.len > out->cap) {
            e = dw_fail(DW_E_NO_SPACE);
        } else {
            memcpy(out->ptr, v.ptr, v.len);
            out->len = v.len;
            e = DW_OK;
        }
    }
    sqlite3_finalize(st);
    return e;
}
