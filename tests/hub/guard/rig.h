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
#include "soft.h"

#define ORIGIN         "http://home1.localhost:8080"
#define RP_ID          "home1.localhost"
#define COURIER_ORIGIN "https://service.example"
#define COURIER_RP     "service.example"

#define NOON INT64_C(1781006400000) /* 2026-06-09 12:00 UTC */
#define DAY  (NOON / 86400000)

extern struct guard g;
extern struct dw_secret service, lock_key, stranger, agency;
extern struct soft courier;
extern uint32_t test_grant_wait_ms;                 /* of the next start */
extern void (*test_tune)(struct dw_params *params); /* of the next start; may be NULL */
extern void (*on_retract)(void); /* at once, when the lock is told; may be NULL */
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
    uint32_t grants_out, revokes_out; /* to the service */
    struct dw_evidence grant_out;
    struct dw_revoked revoked_out;
    struct dw_ipc_grants grants;
    struct dw_ipc_expected expected;
    struct dw_ipc_guest guest[32]; /* newest, by member */
    uint32_t outs;                 /* anything at all to the service */
    uint32_t answers, lines, whos, jobs, wishes;
    struct dw_ipc_people_answer answer;
    struct dw_ipc_people people;
    struct dw_ipc_story line[512]; /* the newest, at (lines - 1) % 512 */
    struct dw_ipc_who who;
    struct dw_ipc_job job;
    uint32_t alert_jobs;
    struct dw_ipc_job alert_job, alert_news; /* to alert: newest, and newest that is to be told */
    struct dw_ipc_params params;
    struct dw_ipc_live live;
    struct dw_ipc_alert_set alert_set;
    struct dw_ipc_link_proof link_proof; /* newest */
    uint32_t link_proofs;
    uint32_t enrols;
    struct dw_enrol enrol;
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
/* What the visitor's device makes of the hub's offer: `p` as it says the stop was. */
struct dw_stop stop_of(const struct dw_proof *p);
void deliver_evidence(const struct dw_evidence *e, const struct dw_secret *by);
struct dw_evidence evidence_of(const struct soft *who, const struct dw_stop *stop,
                               const char *origin, const char *rp_id, uint8_t flags);
void deliver_stop(const struct dw_proof *p);
void slide(const struct dw_proof *p);

/* ---- an agency and its visitor ---- */
void deliver_raw(enum dw_link_kind kind, const struct dw_secret *by, enum dw_context c,
                 const struct dw_buf *payload);
void introduce(const struct dw_secret *by, uint8_t id, const char *name);
/* As the household's page asks; the answer of BEGIN is in sent.answer. */
struct dw_ipc_people_ask grant_ask(uint8_t agency_id, enum dw_visit_kind kind);
enum dw_people_no sign_grant(const struct dw_ipc_people_ask *m, uint8_t ret_id[16]);
/* The grant of that kind, signed and live; made when there is none yet. */
const uint8_t *permit(enum dw_visit_kind kind);
void give_as(const struct dw_secret *by, const uint8_t grant[16], const struct dw_job *j);
void give(const struct dw_job *j); /* on permit(j->kind) */
void begin_shift(void);
struct dw_shift shift_of(const struct soft *who, int64_t from_s);
void deliver_shift(const struct dw_secret *by, const struct dw_shift *s);

/* ---- devices of the household, in software ---- */
struct device {
    EVP_PKEY *key;
    uint8_t id[16];
    uint32_t member;
};
struct making {
    const char *origin, *rp_id;
    uint8_t flags;
};
extern const struct making right;
extern struct device devices[40];
extern uint32_t device_count;
extern char recovery_code[48];
struct device *device_new(void);
void attest(const struct device *d, const struct making *how, struct dw_ipc_people_ask *m);
void sign(const struct device *d, const struct making *how, struct dw_ipc_people_ask *m);
enum dw_people_no tell_guard(struct dw_ipc_people_ask *m);
enum dw_people_no begin_act(struct dw_ipc_people_ask m);
struct dw_ipc_people_ask answered(enum dw_people_op op);
enum dw_people_no sign_in(const struct device *d, const struct making *how);
enum dw_people_no act(const struct device *d, struct dw_ipc_people_ask m);
enum dw_people_no join_as(struct device *d, const char *token, const struct making *how,
                          const char *name);
struct device *join(const char *token);
void at(const char *name, char ret[128]);
void first_token(char ret[48]);
/* An owner with two passkeys; the first device. The same one again in the same home. */
struct device *first_owner(void);
struct device *member(const struct device *owner, enum dw_member_role role, const char *name);
#define ACT(d, ...) act((d), (struct dw_ipc_people_ask){__VA_ARGS__})
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
