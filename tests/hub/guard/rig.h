/* tests/hub/guard/rig.h - the guard from its link inwards: the real link, judge, people, store,
 * record and interlock; children that only keep what they were sent; a clock of our own.
 */
#ifndef DW_TESTS_HUB_GUARD_RIG_H
#define DW_TESTS_HUB_GUARD_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "crypto/signed.h"
#include "hub/guard/guard.h"

#define NOON INT64_C(1781006400000) /* 2026-06-09 12:00 UTC */
#define DAY  (NOON / 86400000)

extern struct guard g;
extern struct dw_secret service, lock_key, stranger;
extern char folder[64];
extern const char *test_origin; /* front.origin of the next start */
extern const uint8_t salt[16];
extern uint32_t openings, status_seq;

/* The clock: src/hub/guard is compiled with these in the place of the machine's. */
extern uint64_t mono_ms;
extern struct dw_utc wall;
dw_mono test_now(void);
struct dw_utc test_wall(bool trust);

/* What the children were sent. */
struct sent {
    uint32_t offers, receipts, news, retracts, throws, kills, record_stops;
    struct dw_offer offer;
    struct dw_receipt receipt;
    struct dw_lock_command retract;
    size_t parcels_at_retract;
    uint32_t answers, lines, whos, jobs, wishes;
    struct dw_ipc_people_answer answer;
    struct dw_ipc_people people;
    struct dw_ipc_story line[512]; /* the newest, at (lines - 1) % 512 */
    struct dw_ipc_who who;
    struct dw_ipc_job job;
    struct dw_ipc_params params;
    struct dw_ipc_live live;
    struct dw_ipc_alert_set alert_set;
    struct dw_wish wish;
};
extern struct sent sent;

void set_wall(int64_t lo_ms, int64_t hi_ms); /* from now on; goes on with mono_ms */
void at_utc(int64_t ms);
/* A store_row that counts: `ctx` is a size_t. */
void count_row(void *ctx, struct dw_view a, struct dw_view b, int64_t c, int64_t d);
size_t parcels_used(void);
void open_guard(void);
void close_guard(void);
int setup(void **state);
int teardown(void **state);
void flush(void);
void deliver(enum dw_link_kind kind, const struct dw_secret *by, const struct dw_buf *payload);
void commit(const char *code, uint8_t ret[32]);
struct dw_job job_of(uint8_t id, enum dw_visit_kind kind);
struct dw_hello hello_to(const struct dw_job *j, uint64_t visit, const char *code);
struct dw_proof proof_of(const struct dw_offer *o);
void recall(const struct dw_job *j, uint32_t revision);
void lock_says(enum dw_bolt bolt, enum dw_contact contact);
void lock_answers(enum dw_lock_result result, uint32_t counter, const uint8_t nonce[32]);
void camera_says(void);
void pass(uint32_t ms, enum dw_bolt bolt, enum dw_contact contact);
void pass_locked(uint32_t ms);
void ask(const struct dw_hello *h);
void slide(const struct dw_proof *p);
void go_in_and_out(void);
struct dw_job begin(enum dw_visit_kind kind);

#define DELIVER(kind, KIND, message)                                  \
    do {                                                              \
        uint8_t bytes_[3072];                                         \
        struct dw_buf buf_ = dw_buf_of(bytes_, sizeof bytes_);        \
        assert_false(dw_failed(dw_##kind##_write((message), &buf_))); \
        deliver(DW_LINK_KIND_##KIND, &service, &buf_);                \
    } while (0)

#endif
