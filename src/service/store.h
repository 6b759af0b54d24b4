/* service/store.h - SQLite: one writer thread with group commit, one reader for the main thread.
 *
 * A piece of work runs in the writer inside a savepoint; work that queued during the last fsync
 * shares the next commit. `done` is called on the main loop after the commit, never before it: what
 * was answered is durable (WAL, synchronous=FULL). A failed commit fails every piece of its batch.
 */
#ifndef DW_SERVICE_STORE_H
#define DW_SERVICE_STORE_H

#include <sqlite3.h>
#include <uv.h>

#include "core/base.h"

/* Bump memory for one request or message: everything is freed at once. */
struct dw_arena {
    struct dw_arena_block *blocks;
};

/* Zeroed memory; never NULL (panics when the machine has none). */
void *dw_arena_take(struct dw_arena *a, size_t len);
char *dw_arena_text(struct dw_arena *a, const char *text, size_t len);
void dw_arena_done(struct dw_arena *a);

/* One connection. After any failure `is_failed` stays set until dw_db_settle. */
struct dw_db {
    sqlite3 *handle;
    bool is_failed;
    size_t count;
    struct {
        const char *sql;
        sqlite3_stmt *stmt;
        bool is_used;
    } cached[256];
};

/* Prepares (once; `sql` is a literal), resets and binds. One letter of `format` for each argument:
 * i int64_t | k 16 bytes | h 32 bytes | b bytes and size_t | t text | d double. A NULL pointer
 * binds NULL. Returns NULL on failure. */
sqlite3_stmt *dw_db_ask(struct dw_db *db, const char *sql, const char *format, ...);
/* True: a row is there. False: the end, or a failure (is_failed). NULL is the end. */
bool dw_db_next(struct dw_db *db, sqlite3_stmt *stmt);
/* Runs to the end; false on failure. */
bool dw_db_do(struct dw_db *db, const char *sql, const char *format, ...);
/* Resets everything used, so that no snapshot is held, and returns and clears is_failed. */
bool dw_db_settle(struct dw_db *db);

/* Text of a column, "" for NULL; borrowed until the next step. */
const char *dw_col_text(sqlite3_stmt *stmt, int i);
/* Copies a blob of exactly `len` bytes; zeroes and returns false when it is not that long. */
bool dw_col_blob(sqlite3_stmt *stmt, int i, void *ret_bytes, size_t len);
/* The bytes of a column, none for NULL; borrowed until the next step. */
struct dw_view dw_col_view(sqlite3_stmt *stmt, int i);

/* A message to a hub that leaves after the commit. */
struct dw_post {
    struct dw_post *next;
    char topic[48];
    size_t len;
    uint8_t bytes[]; /* kind and COSE_Sign1 */
};

struct dw_service;

/* A request or a message on its way through the store. Embedded at the start of a larger struct
 * that lives in its own arena. */
struct dw_work {
    struct dw_work *next;
    struct dw_service *service;
    struct dw_db *db; /* while it runs */
    struct dw_arena arena;
    struct dw_post *posts, **posts_end;
    uint64_t touched;   /* visit that changed: wakes who waits for it; 0: none */
    uint64_t signing;   /* agencies that have something new to sign (dw_wait_signing) */
    uint32_t wait_ms;   /* the touched visit waits this long from now on; 0: unchanged */
    bool wait_repeats;  /* ... and is asked for again meanwhile */
    bool stops_waiting; /* it waits no longer */
    /* In the writer (or, for reads, on the main thread). False: undo what it wrote. */
    bool (*run)(struct dw_work *w);
    /* On the main loop; owns `w` from here. `is_stored` false: nothing was kept; say 503. */
    void (*done)(struct dw_work *w, bool is_stored);
};

struct dw_store;

/* Makes the file and its tables if need be. `mib_max` bounds the file (0: not). */
DW_MUST_USE dw_err dw_store_open(uv_loop_t *loop, const char *path, uint32_t mib_max,
                                 struct dw_store **ret_store);
/* Commits what is queued, calls its `done`, stops the thread; the rest closes as the loop runs on.
 */
void dw_store_close(struct dw_store *s);
/* DW_E_BUSY: the queue is full; `done` is not called. */
DW_MUST_USE dw_err dw_store_write(struct dw_store *s, struct dw_work *w);
/* The main thread's connection. It reads, and never sees half a batch. */
struct dw_db *dw_store_reader(struct dw_store *s);
/* Batches tried so far; for the health page. */
uint64_t dw_store_commits(const struct dw_store *s);

#endif
