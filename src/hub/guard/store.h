/* hub/guard/store.h - durable facts of the hub (SQLite, WAL, synchronous=FULL) and the record.
 *
 * "Consume durably, then act": every write happens on one writer thread in the order asked; what
 * waited while a commit ran is committed together. The record's leaf is appended and synced before
 * the rows that mention it, so the file is never behind the database. Reading happens once, at the
 * start.
 */
#ifndef DW_HUB_GUARD_STORE_H
#define DW_HUB_GUARD_STORE_H

#include <uv.h>

#include "core/base.h"
#include "crypto/crypto.h"
#include "hub/ipc.h"

struct store;

/* What is durably known of a visit whose intent was recorded. Until it is over, a restart locks the
 * door again and takes no visitor before that [I12]. */
enum store_visit {
    STORE_VISIT_NONE = 0,
    STORE_VISIT_OPEN,
    STORE_VISIT_OVER,  /* refused, or sensed as locked */
    STORE_VISIT_TOLD,  /* its receipt is out, but the door is not known to be locked */
    STORE_VISITS_OVER, /* all of them: locked again after a restart */
};

/* Opens or makes <folder>/hub.sqlite and <folder>/record/leaves. `why` says in words what is wrong.
 * DW_E_CORRUPT: the record is shorter than the database knows, or damaged: a backup was restored or
 * the disk lies. The hub then serves no visitors (`*ret_rolled_back`), but runs. */
dw_err store_open(const char *folder, uv_loop_t *loop, const struct dw_secret *secret,
                  struct store **ret_store, bool *ret_rolled_back, char *why, size_t why_cap);
/* Waits for what was asked. */
void store_close(struct store *s);

/* Called on the loop when the write is durable (`err` DW_OK) or failed. `leaf` is the record's
 * number when the write had an event, else 0. */
typedef void store_done(void *ctx, dw_err err, uint64_t leaf);

/* One thing that is kept by a number of its own; what the bytes say is its owner's business. */
enum store_fact_kind {
    STORE_FACT_NONE = 0,
    STORE_FACT_HOUSE,       /* 0: counters, camera mode, recovery */
    STORE_FACT_PARAMS,      /* 0: what was tightened */
    STORE_FACT_MEMBER,      /* its id */
    STORE_FACT_PASSKEY,     /* its number */
    STORE_FACT_INVITE,      /* its number */
    STORE_FACT_JOB,         /* number of the wish: what the household decided about a job */
    STORE_FACT_AGENCY,      /* number of the wish: an agency that was stopped */
    STORE_FACT_WHO,         /* the visit: whose it was */
    STORE_FACT_CARD,        /* its place: an agency that has introduced itself */
    STORE_FACT_GRANT,       /* its place: evidence of a grant */
    STORE_FACT_GRANT_STATE, /* its place: what became of it, and its uses */
    STORE_FACT_SHIFT,       /* its place */
    STORE_FACT_EXPECTED,    /* its place: a parcel that the household expects */
    STORE_FACT_EVIDENCE, /* number of the line: what somebody's passkey signed for it; the event has
                            its hash */
    STORE_FACT_DEVICE,   /* enum device_number: the enrolled key */
};
#define STORE_FACTS_MAX 48u
struct store_fact {
    uint8_t kind;
    uint64_t number;
    struct dw_view bytes; /* empty: forgotten */
};

/* One write: a list of rows that become durable together, with one event of the record. All views
 * are copied. Any part may be empty. */
struct store_write {
    /* event of the record: kind 0 means none */
    uint8_t kind; /* enum dw_story */
    uint64_t visit;
    struct dw_utc at;
    uint64_t boot_ms;
    struct dw_view detail;
    uint64_t story; /* number of the line of the story that the event is; 0: of none */
    const struct store_fact *facts;
    uint32_t fact_count;
    /* a job: bytes non-empty */
    struct dw_view job_id, job;
    uint32_t job_revision;
    bool job_recalled;
    /* a parcel: used up by a visit; `release` takes that back (the bolt was never withdrawn) */
    struct dw_view parcel; /* commitment, 32 bytes; with job_id */
    bool release;
    /* a message to the service that must arrive: kept until acknowledged */
    struct dw_view message;
    uint32_t message_number;
    uint64_t message_visit; /* 0: `visit` */
    /* acknowledge: forget that message */
    bool ack;
    uint8_t visit_mark;           /* enum store_visit; 0: nothing */
    struct dw_view courier_nonce; /* with STORE_VISIT_OPEN */
    /* a named value */
    const char *meta_key;
    struct dw_view meta;
    store_done *done;
    void *ctx;
};
/* DW_E_BUSY: more than 1,024 writes wait: nothing was taken; treat as failed. */
dw_err store_write(struct store *s, const struct store_write *w);

/* Nothing has ever been recorded here: no hub of this key has run before. */
bool store_is_new(const struct store *s);

/* Reading at the start; each calls `row` for every row. */
typedef void store_row(void *ctx, struct dw_view a, struct dw_view b, int64_t c, int64_t d);
/* The newest 256: id, bytes (empty: only its recall is known), revision, recalled. */
void store_each_job(struct store *s, store_row *row, void *ctx);
void store_each_parcel(struct store *s, store_row *row, void *ctx); /* job id, commitment, visit */
/* What a job has used up, for one that comes (back) into memory. */
void store_each_parcel_of(struct store *s, struct dw_view job, store_row *row, void *ctx);
/* The revision of a stored or recalled job; false: never heard of. */
bool store_knows_job(struct store *s, struct dw_view job, uint32_t *ret_revision);
void store_each_open_visit(struct store *s, store_row *row,
                           void *ctx); /* courier nonce, -, visit, 1: its receipt is out */
/* The outbox as it is now, oldest first; on the loop thread, read-only connection. */
void store_each_message(struct store *s, store_row *row, void *ctx); /* bytes, -, visit, number */
/* Bytes, -, number, -; ascending. */
void store_each_fact(struct store *s, enum store_fact_kind kind, store_row *row, void *ctx);
/* DW_E_NOT_FOUND, DW_E_NO_SPACE: nothing was read. On the loop thread, read-only connection. */
dw_err store_fact(struct store *s, enum store_fact_kind kind, uint64_t number, struct dw_buf *out);
/* Lines of the story with `from` and above, at most 256, ascending: event (COSE_Sign1), -, number,
 * -. On the loop thread, read-only connection. */
void store_each_line(struct store *s, uint64_t from, store_row *row, void *ctx);
/* Number of the newest line that was ever written; 0: none. */
uint64_t store_newest_line(struct store *s);
dw_err store_meta(struct store *s, const char *key, struct dw_buf *out);

#endif
