/* tests/hostile/world.h - one home with its real guard, and everybody who is honest around it.
 *
 * The guard is the object code of src/hub/guard as the tests of tests/hub/guard link it (rig.h).
 * What is different here: the store's writer runs as a coroutine in place of a thread and its
 * database lies in memory, so that a million short histories fit into minutes; the file of the
 * record is a counter. Signatures, decoders, judgements, chain, interlock and SQL are the real
 * ones.
 */
#ifndef DW_TESTS_HOSTILE_WORLD_H
#define DW_TESTS_HOSTILE_WORLD_H

#include "../hub/guard/rig.h"
#include "wire/camera.h"
#include "wire/grant.h"
#include "wire/lock.h"

#define SERVICE_RP     COURIER_RP
#define SERVICE_ORIGIN COURIER_ORIGIN
#define MINUTE_MS      INT64_C(60000)
#define HOUR_MS        (60 * MINUTE_MS)
#define DAY_MS         (24 * HOUR_MS)

/* ---- chance, by seed and index alone ---- */
struct dice {
    uint64_t state;
};
struct dice dice_of(uint64_t seed, uint64_t index);
uint64_t roll(struct dice *d);
uint32_t below(struct dice *d, uint32_t n); /* 0..n-1 */
bool one_in(struct dice *d, uint32_t n);

/* ---- who there is ---- */
enum { AGENCY_A = 0, AGENCY_B, AGENCY_COUNT };
enum {
    PHONE_A = 0, /* courier of A, visitor 9, on shift */
    PHONE_LATE,  /* courier of A, visitor 10: the shift is over */
    PHONE_NONE,  /* courier of A, visitor 11: has no shift */
    PHONE_B,     /* courier of B, visitor 20 */
    PHONE_ED,    /* courier of A with an EdDSA passkey, visitor 12 */
    PHONE_COUNT
};
enum {
    GUEST_GIL = 0, /* with a live grant */
    GUEST_HAL,     /* one grant was revoked; with the other the household is asked each time */
    GUEST_COUNT
};
/* Who writes a guest's papers: the hub, for this guest, in the place of an agency. */
#define HUB_FOR(guest) (AGENCY_COUNT + (guest))
extern struct device *guest_device[GUEST_COUNT];
extern struct dw_secret agency_key[AGENCY_COUNT];
extern struct dw_secret camera_key, eye_key; /* of the device, and of its present boot */
extern struct soft phone[PHONE_COUNT];
extern const uint8_t visitor_of[PHONE_COUNT], agency_of_phone[PHONE_COUNT];

enum {
    JOB_DROP = 0, /* A, parcels P and Q, three uses in all, two a day */
    JOB_STAY,     /* A, three openings */
    JOB_OVER,     /* its window was this morning */
    JOB_LATER,    /* begins in an hour */
    JOB_B,        /* B, in the afternoon */
    JOB_ASK,      /* the household is asked each time, and has not said yes */
    JOB_WAITING,  /* its grant waits for a veto */
    JOB_REVOKED,
    JOB_VETOED,
    JOB_RECALLED,
    JOB_USED,      /* a visit was made on it this morning */
    JOB_SCREENING, /* the courier's screening has run out */
    JOB_LATE_SHIFT,
    JOB_NO_SHIFT,
    JOB_ED,
    JOB_SHORT, /* on a grant with a short stay at the door and one use, which is used up */
    JOB_COUNT
};
enum {
    GRANT_DROP = 0,
    GRANT_STAY,
    GRANT_B,
    GRANT_ASK,
    GRANT_WAITING,
    GRANT_REVOKED,
    GRANT_VETOED,
    GRANT_SHORT,
    GRANT_TOMORROW, /* signed by a clock that was a day ahead: has not begun */
    GRANT_STAY2,    /* another one for stays; one use, used up */
    GRANT_GIL,      /* to a guest */
    GRANT_HAL_OVER, /* revoked */
    GRANT_HAL_ASK,
    GRANT_COUNT
};
extern struct dw_job jobs[JOB_COUNT]; /* as first sent */
extern uint8_t grant_id[GRANT_COUNT][16];
const char *code_of(int job); /* barcode that is still to be delivered */

/* ---- the state of the world beside the guard; goes back with it ---- */
#define ITEMS_MAX 512u
struct item {
    uint32_t at;
    uint16_t len;
    uint8_t kind;  /* enum dw_link_kind */
    bool is_offer; /* was sent by the hub */
};
struct world {
    uint64_t mono_ms, wall_at_ms;
    struct dw_utc wall;
    bool is_link_up;
    uint64_t link_heard_ms;
    /* lock */
    uint8_t bolt, contact, bolt_said, contact_said;
    uint32_t counter, epoch, opening_count, seq, lock_boot;
    uint8_t lock_nonce[32];
    uint8_t ask[32]; /* the hub's newest */
    uint64_t ask_ms;
    bool has_ask, is_ask_new;
    uint64_t lock_spoke_ms;
    uint32_t todo_counter; /* command that is on its way */
    uint8_t todo_action;
    /* camera */
    uint8_t eye_nonce[32], eye_chain[32], eye_seed[16];
    uint64_t eye_nonce_ms, eye_seq;
    bool has_eye, is_eye_new;
    uint64_t frame_ms;
    uint64_t next_visit;
    uint32_t item_count;
    struct item item[ITEMS_MAX];
    struct { /* what honest couriers have asked, newest at (asked_count - 1) % 8 */
        uint64_t visit;
        uint8_t who, job, nonce[32];
    } asked[8];
    uint32_t asked_count;
    struct {            /* what a guest's page was told with the newest offer */
        uint64_t visit; /* 0: none */
        uint8_t nonce[32], hub_nonce[32], manifest[32], job[16];
    } shown[GUEST_COUNT];
};
extern struct world world;
extern uint8_t arena[4u << 20];
extern uint32_t arena_used;

/* Keeps what was on the wire; NULL: no room. */
const struct item *keep_item(uint8_t kind, const uint8_t *bytes, size_t len, bool is_offer);

/* ---- doing ---- */
/* `bytes`: the COSE object. Delivered as the front would hand it on. */
void give_bytes(uint8_t kind, const uint8_t *bytes, size_t len);
/* Signs, keeps; `now`: and delivers. */
const struct item *send_signed(uint8_t kind, const struct dw_secret *by, struct dw_view payload,
                               bool now);
const struct item *send_hello(const struct dw_hello *h, bool now);
const struct item *send_manifest(int agency, const uint8_t grant[16], const struct dw_job *j,
                                 bool now);
const struct item *send_shift(int agency, const struct dw_shift *s, bool now);
struct dw_shift shift_for(int who, int64_t from_s);
const struct item *send_stop(const struct dw_evidence *e, bool now);
void lock_speaks(void);
void frame_comes(void);
/* The camera says which key it signs with in this boot. */
void eye_introduces(const struct dw_secret *device, const struct dw_secret *eye,
                    uint32_t boot_count);
/* Time passes with a lock and a camera that are heard. */
void tick(uint32_t ms);
void settle(void); /* until the guard waits for nothing that time alone brings */
void shift_clock(int64_t ms, uint32_t width_ms); /* both clocks go on by so much */
void clock_unknown(void);
void link_state(bool is_up);
void drain(void);         /* the store has answered everything */
void restart(bool crash); /* crash: what the store has not written yet is lost */

/* The honest courier: asks; slides when there is an offer. */
uint64_t courier_asks(int job, int who, bool now);
/* NULL: there is nothing to slide for: no offer of this hub for what was asked. */
const struct item *courier_slides(uint64_t visit, bool now);
/* An assertion of a phone over a stop, as it goes over the link. */
struct dw_evidence stop_evidence(int who, const struct dw_stop *s, const char *origin,
                                 const char *rp_id, uint8_t flags);
void visit_whole(int job, int who); /* asks, slides, goes in and out; 65 s */

/* A guest's page, with the session of that guest. */
enum dw_people_no guest_asks(int who, const uint8_t nonce[32]);
void guest_leaves(int who);
/* What the page shows to be signed; false: there is no offer. */
bool guest_stop(int who, struct dw_stop *ret);
/* The assertion of a guest's passkey, and the same as it would go over the link. */
void guest_proof(int who, const struct dw_stop *s, const struct making *how,
                 struct dw_ipc_people_ask *ret, struct dw_evidence *ret_e);
enum dw_people_no guest_gives(int session, struct dw_ipc_people_ask *m);
/* false: there was nothing to slide for. Not `now`: somebody has put it into the service's
 * envelope and keeps it. */
bool guest_slides(int who, bool now);
void guest_visit(int who);

/* ---- stages: where histories begin ---- */
#define STAGE_LIST(X)                                                                   \
    X(IDLE, "nobody at the door")                                                       \
    X(READY, "a courier is asked to slide; the slide is on the wire")                   \
    X(STOPPED, "the slide is in, the intent is being written")                          \
    X(LOOKING, "the camera is asked; the frame decides")                                \
    X(BETWEEN, "a stay, locked between two openings")                                   \
    X(AFTER, "a visit has just ended")                                                  \
    X(RESTARTED, "the hub has started anew after a visit")                              \
    X(AWAY, "the service has not been heard for 14 minutes")                            \
    X(EVENING, "all windows of today are over")                                         \
    X(READY_LATE, "a courier whose shift is over is asked to slide")                    \
    X(READY_B, "the other agency's courier is asked to slide, in the afternoon")        \
    X(GUEST_READY, "a guest is asked to slide; the proof and the hub's papers are out") \
    X(GUEST_BETWEEN, "a guest has gone out and may come back")
enum stage {
#define X(name, text) STAGE_##name,
    STAGE_LIST(X)
#undef X
        STAGE_COUNT
};
const char *stage_name(enum stage s);
void world_build(void); /* once in a process */
void world_enter(enum stage s);
void world_end(void);

/* What the hub sent that is of interest to the oracle and to attackers. */
struct heard {
    uint32_t offers, retracts, receipts;
    uint8_t check; /* of the newest offer or receipt */
};
extern struct heard heard;

/* Counts, shared by the processes. */
#define CODES_MAX 160u
struct counts {
    uint64_t sequences, messages, moves[64], stage[STAGE_COUNT], opened_honest, opened_owned;
    uint64_t opened_guests; /* of both */
    uint64_t chain[DW_CHAIN_NO_COUNT], checks[DW_CHECK_COUNT], people[DW_PEOPLE_NO_COUNT];
    uint64_t chain_runs, failed;
    uint32_t code_count;
    struct {
        char text[56];
        uint64_t n;
    } code[CODES_MAX];
};
extern struct counts *counts;

/* Said by the oracle; given by the program. Does not return to an honest history. */
void hostile_failed(const char *why);

#endif
