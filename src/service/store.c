#include "service/store.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "service/embedded.h"

/* A batch of 256 costs about 6 ms of writer time: half of what a person could notice is far off,
 * and larger batches gain nothing (docs/design/service.md). */
#define BATCH_MAX 256u
#define QUEUE_MAX 8192u

struct dw_store {
    struct dw_db writer, reader;
    uv_thread_t thread;
    uv_mutex_t mutex;
    uv_cond_t wake;
    uv_async_t async;
    bool is_closing;
    _Atomic uint64_t commits;
    size_t queued;
    struct dw_work *queue, **queue_end;
    struct dw_work *ready, **ready_end;   /* committed */
    struct dw_work *failed, **failed_end; /* not committed */
};

static void fail(struct dw_db *db, const char *what)
{
    if (!db->is_failed)
        dw_log("error", "database", "what=%s code=%d detail=\"%s\"", what,
               sqlite3_extended_errcode(db->handle), sqlite3_errmsg(db->handle));
    db->is_failed = true;
}

static sqlite3_stmt *prepared(struct dw_db *db, const char *sql)
{
    for (size_t i = 0; i < db->count; i++)
        if (db->cached[i].sql == sql) {
            if (db->cached[i].is_used)
                (void)sqlite3_reset(db->cached[i].stmt);
            db->cached[i].is_used = true;
            return db->cached[i].stmt;
        }
    DW_ASSERT(db->count < DW_ARRAY_COUNT(db->cached));
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) !=
        SQLITE_OK) {
        fail(db, "prepare");
        return NULL;
    }
    db->cached[db->count].sql = sql;
    db->cached[db->count].stmt = stmt;
    db->cached[db->count].is_used = true;
    db->count++;
    return stmt;
}

static int bind_bytes(sqlite3_stmt *stmt, int at, const void *p, size_t len)
{
    return p ? sqlite3_bind_blob64(stmt, at, p, len, SQLITE_TRANSIENT)
             : sqlite3_bind_null(stmt, at);
}

static sqlite3_stmt *ask(struct dw_db *db, const char *sql, const char *format, va_list args)
{
    sqlite3_stmt *stmt = prepared(db, sql);
    if (!stmt)
        return NULL;
    int code = SQLITE_OK;
    for (int at = 1; format[at - 1] && code == SQLITE_OK; at++) {
        switch (format[at - 1]) {
        case 'i': code = sqlite3_bind_int64(stmt, at, va_arg(args, int64_t)); break;
        case 'd': code = sqlite3_bind_double(stmt, at, va_arg(args, double)); break;
        case 'k': code = bind_bytes(stmt, at, va_arg(args, const void *), 16); break;
        case 'h': code = bind_bytes(stmt, at, va_arg(args, const void *), 32); break;
        case 'b': {
            const void *p = va_arg(args, const void *);
            code = bind_bytes(stmt, at, p, va_arg(args, size_t));
            break;
        }
        case 't':
            code = sqlite3_bind_text(stmt, at, va_arg(args, const char *), -1, SQLITE_TRANSIENT);
            break;
        default: DW_ASSERT(false);
        }
    }
    if (code != SQLITE_OK) {
        fail(db, "bind");
        return NULL;
    }
    return stmt;
}

sqlite3_stmt *dw_db_ask(struct dw_db *db, const char *sql, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    sqlite3_stmt *stmt = ask(db, sql, format, args);
    va_end(args);
    return stmt;
}

bool dw_db_next(struct dw_db *db, sqlite3_stmt *stmt)
{
    if (!stmt || db->is_failed)
        return false;
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW)
        return true;
    if (code != SQLITE_DONE)
        fail(db, "step");
    (void)sqlite3_reset(stmt);
    return false;
}

bool dw_db_do(struct dw_db *db, const char *sql, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    sqlite3_stmt *stmt = ask(db, sql, format, args);
    va_end(args);
    while (dw_db_next(db, stmt))
        ;
    return !db->is_failed;
}

bool dw_db_settle(struct dw_db *db)
{
    for (size_t i = 0; i < db->count; i++)
        if (db->cached[i].is_used) {
            (void)sqlite3_reset(db->cached[i].stmt);
            (void)sqlite3_clear_bindings(db->cached[i].stmt);
            db->cached[i].is_used = false;
        }
    bool was = db->is_failed;
    db->is_failed = false;
    return was;
}

const char *dw_col_text(sqlite3_stmt *stmt, int i)
{
    const char *text = (const char *)sqlite3_column_text(stmt, i);
    return text ? text : "";
}

bool dw_col_blob(sqlite3_stmt *stmt, int i, void *ret_bytes, size_t len)
{
    const void *p = sqlite3_column_blob(stmt, i);
    if (!p || (size_t)sqlite3_column_bytes(stmt, i) != len) {
        memset(ret_bytes, 0, len);
        return false;
    }
    memcpy(ret_bytes, p, len);
    return true;
}

struct dw_view dw_col_view(sqlite3_stmt *stmt, int i)
{
    const void *p = sqlite3_column_blob(stmt, i);
    return dw_view_of(p, (size_t)sqlite3_column_bytes(stmt, i));
}

/* Runs one batch. Returns whether it is durable; `*kept` work that asked to be undone is undone. */
static bool commit_batch(struct dw_db *db, struct dw_work *first)
{
    if (!dw_db_do(db, "BEGIN IMMEDIATE", "")) {
        (void)dw_db_settle(db);
        return false;
    }
    bool is_well = true;
    for (struct dw_work *w = first; w && is_well; w = w->next) {
        w->db = db;
        is_well = dw_db_do(db, "SAVEPOINT one", "");
        bool keeps = is_well && w->run(w);
        /* A disk that is full or broken fails the whole batch: SQLite may have rolled back already.
         */
        if (dw_db_settle(db) || sqlite3_get_autocommit(db->handle))
            is_well = false;
        if (is_well && !keeps)
            is_well = dw_db_do(db, "ROLLBACK TO one", "");
        if (is_well)
            is_well = dw_db_do(db, "RELEASE one", "");
        w->db = NULL;
    }
    if (is_well)
        is_well = dw_db_do(db, "COMMIT", "");
    (void)dw_db_settle(db);
    if (!is_well && !sqlite3_get_autocommit(db->handle))
        (void)sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    return is_well;
}

static void append(struct dw_work ***end, struct dw_work *first)
{
    **end = first;
    while (**end)
        *end = &(**end)->next;
}

static void writer_thread(void *ctx)
{
    struct dw_store *s = ctx;
    uv_mutex_lock(&s->mutex);
    for (;;) {
        while (!s->queue && !s->is_closing)
            uv_cond_wait(&s->wake, &s->mutex);
        if (!s->queue)
            break;
        struct dw_work *batch = s->queue, **cut = &s->queue;
        size_t count = 0;
        for (; *cut && count < BATCH_MAX; count++)
            cut = &(*cut)->next;
        s->queue = *cut;
        *cut = NULL;
        if (!s->queue)
            s->queue_end = &s->queue;
        s->queued -= count;
        uv_mutex_unlock(&s->mutex);

        bool is_stored = commit_batch(&s->writer, batch);

        uv_mutex_lock(&s->mutex);
        s->commits++;
        append(is_stored ? &s->ready_end : &s->failed_end, batch);
        (void)uv_async_send(&s->async);
    }
    uv_mutex_unlock(&s->mutex);
}

static void finish(struct dw_work *w, bool is_stored)
{
    while (w) {
        struct dw_work *next = w->next;
        w->next = NULL;
        w->done(w, is_stored);
        w = next;
    }
}

static void on_async(uv_async_t *async)
{
    struct dw_store *s = async->data;
    uv_mutex_lock(&s->mutex);
    struct dw_work *ready = s->ready, *failed = s->failed;
    s->ready = s->failed = NULL;
    s->ready_end = &s->ready;
    s->failed_end = &s->failed;
    uv_mutex_unlock(&s->mutex);
    finish(ready, true);
    finish(failed, false);
}

dw_err dw_store_write(struct dw_store *s, struct dw_work *w)
{
    w->next = NULL;
    uv_mutex_lock(&s->mutex);
    bool is_room = s->queued < QUEUE_MAX && !s->is_closing;
    if (is_room) {
        append(&s->queue_end, w);
        s->queued++;
        uv_cond_signal(&s->wake);
    }
    uv_mutex_unlock(&s->mutex);
    return is_room ? DW_OK : dw_fail(DW_E_BUSY);
}

struct dw_db *dw_store_reader(struct dw_store *s)
{
    return &s->reader;
}

uint64_t dw_store_commits(const struct dw_store *s)
{
    return s->commits;
}

static bool prepare(sqlite3 *db, const char *sql)
{
    char *why = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &why) == SQLITE_OK)
        return true;
    dw_log("error", "database", "what=open detail=\"%s\"", why ? why : "?");
    sqlite3_free(why);
    return false;
}

static void close_db(struct dw_db *db)
{
    for (size_t i = 0; i < db->count; i++)
        (void)sqlite3_finalize(db->cached[i].stmt);
    (void)sqlite3_close(db->handle);
}

dw_err dw_store_open(uv_loop_t *loop, const char *path, uint32_t mib_max,
                     struct dw_store **ret_store)
{
    struct dw_store *s = calloc(1, sizeof(*s));
    DW_ASSERT(s);
    s->queue_end = &s->queue;
    s->ready_end = &s->ready;
    s->failed_end = &s->failed;
    char limit[64];
    (void)snprintf(limit, sizeof(limit), "PRAGMA max_page_count = %llu",
                   mib_max ? (unsigned long long)mib_max * 256u : 1073741823ULL);
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &s->writer.handle, flags | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK)
        goto fail;
    (void)sqlite3_busy_timeout(s->writer.handle, 5000);
    if (!prepare(s->writer.handle, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                                   "PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;"
                                   "PRAGMA trusted_schema = OFF;") ||
        !prepare(s->writer.handle, dw_embedded_schema) || !prepare(s->writer.handle, limit))
        goto fail;
    if (sqlite3_open_v2(path, &s->reader.handle, flags, NULL) != SQLITE_OK ||
        !prepare(
            s->reader.handle,
            "PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;"))
        goto fail;
    (void)sqlite3_busy_timeout(s->reader.handle, 1000);
    DW_ASSERT(uv_mutex_init(&s->mutex) == 0 && uv_cond_init(&s->wake) == 0);
    DW_ASSERT(uv_async_init(loop, &s->async, on_async) == 0);
    s->async.data = s;
    DW_ASSERT(uv_thread_create(&s->thread, writer_thread, s) == 0);
    *ret_store = s;
    return DW_OK;
fail:
    dw_log("error", "database", "what=open detail=\"%s\"",
           s->writer.handle ? sqlite3_errmsg(s->writer.handle) : "?");
    close_db(&s->reader);
    close_db(&s->writer);
    free(s);
    return dw_fail(DW_E_IO);
}

static void on_closed(uv_handle_t *handle)
{
    struct dw_store *s = handle->data;
    uv_cond_destroy(&s->wake);
    uv_mutex_destroy(&s->mutex);
    close_db(&s->reader);
    close_db(&s->writer);
    free(s);
}

void dw_store_close(struct dw_store *s)
{
    uv_mutex_lock(&s->mutex);
    s->is_closing = true;
    uv_cond_signal(&s->wake);
    uv_mutex_unlock(&s->mutex);
    (void)uv_thread_join(&s->thread);
    on_async(&s->async);
    uv_close((uv_handle_t *)&s->async, on_closed);
}
