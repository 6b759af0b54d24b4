/* hub/guard/guard.h - the guard: the one process with authority over the door.
 *
 * Its loop is: wait; turn what came into one dw_event with its time; step the interlock; perform
 * the effects in order. Nothing else decides. No network, no video, and of foreign formats only
 * deterministic CBOR. One file a concern:
 *
 *   main.c      start and settings         children.c  processes and their sockets
 *   store.c     durable facts, the record  eyes.c      camera: nonces, frame records, liveness
 *   bolt.c      lock: asks, words, and the one line that withdraws the bolt
 *   link.c      service: jobs, hello, proof, receipts   judge.c     the checks the core cannot see
 *   show.c      screens: snapshot, story, display statements
 *   perform.c   effects of the core, in order
 */
#ifndef DW_HUB_GUARD_GUARD_H
#define DW_HUB_GUARD_GUARD_H

#include <uv.h>

#include "core/visit.h"
#include "crypto/crypto.h"
#include "hub/guard/store.h"
#include "hub/ipc.h"
#include "wire/lock.h"
#include "wire/visit.h"

#define JOBS_MAX   256u
#define VISITS_MAX 8u /* hello contexts that are remembered, newest first to go */

struct settings {
    char state[256];
    char record_folder[256];
    char zone[DW_NAME_MAX];
    char door[4][DW_NAME_MAX];
    char camera_key[256], camera_class[8];
    char lock_key[256], lock_adapter[32];
    char service_key[256];  /* empty: the first WELCOME that answers our pairing code is believed */
    char pairing_code[40];  /* empty: not open for pairing */
    char front_origin[128]; /* the one origin that passkeys are made for; empty: no sign-in */
    char ready_file[256];   /* written when every child is up; for whoever waits for the start */
    bool trust_clock;
    struct dw_params params;
};

enum child_name { CHILD_FRONT = 0, CHILD_CAMERA, CHILD_RTSP, CHILD_LOCK, CHILD_ALERT, CHILD_COUNT };

struct child {
    struct guard *guard;
    enum child_name name;
    uv_poll_t poll;
    uv_timer_t again;
    int fd; /* our end; -1: not running */
    bool is_running, is_ready, is_wanted, is_closing;
    bool is_killed; /* told to end: nothing that it still says counts */
    uint32_t starts;
    uint32_t credit; /* what it may still say, see children.c */
    uint64_t credit_ms;
    uint64_t started_ms;
};

/* A message to the service that must arrive: sent again until it is acknowledged. */
#define OUTBOX_MAX 64u
struct out_message {
    bool is_used;
    uint64_t visit;
    uint32_t number; /* of the news; 0: the receipt */
    uint64_t sent_ms;
    uint16_t len;
    uint8_t bytes[600];
};

/* One courier's question, from HELLO to its receipt. */
struct hello {
    uint32_t handle; /* the core's; 0: free */
    uint64_t visit;  /* the service's id */
    uint32_t job;    /* index */
    uint32_t parcel; /* index in the job, at the last judgement */
    struct dw_hello asked;
    uint8_t courier_nonce[32], hub_nonce[32];
    bool has_offer, has_hub_nonce, is_consumed, is_ended;
    uint8_t used_job[16], used[32]; /* with is_consumed: what this visit has used up */
    uint16_t offer_len;
    uint8_t offer[512]; /* the answer as it was sent, for a repeated question */
    uint32_t news;      /* number of the newest */
    struct dw_utc opened, secured;
    uint64_t opened_ms;
    uint32_t inside_ms;
    uint8_t outcome, check;
    uint64_t passed;
};

struct job_slot {
    bool is_used, is_recalled;
    bool is_recall_unsaved; /* the database would not take it yet */
    uint8_t openings_used;
    uint32_t consumed; /* bit n: parcel n */
    struct dw_job job;
};

struct camera_side {
    struct dw_key key;
    bool has_key;
    uint8_t nonce[DW_LIVE_NONCES + 1][32];
    bool has_nonce[DW_LIVE_NONCES + 1];
    uint32_t boot_count;
    uint8_t boot_seed[16];
    uint64_t seq;
    uint8_t chain[32]; /* what the next record must carry */
    bool has_seen;
    bool is_up;
    uint32_t bad;
};

struct lock_side {
    struct dw_key key;
    bool has_key;
    uint8_t nonce[DW_LOCK_ASKS + 1][32];
    bool has_nonce[DW_LOCK_ASKS + 1];
    uint64_t ask_at_ms[DW_LOCK_ASKS + 1];
    uint8_t lock_nonce[32];
    bool has_lock_nonce;
    uint32_t epoch, counter;
    uint8_t retract_nonce[32]; /* of the newest retract, and its counter; 0: none is out */
    uint32_t retract_counter;
    bool is_retract_stale; /* the lock did not know its nonce: not executed, or executed before */
    uint64_t retract_ms;
    uint32_t boot, boot_count;
    uint8_t boot_seed[16];
    uint32_t seq;
    uint8_t battery_pct;
    bool is_up;
    uint32_t bad;
    char why[96];
};

struct guard {
    struct settings set;
    uv_loop_t loop;
    uv_timer_t clock, second;
    struct child child[CHILD_COUNT];
    struct store *store;
    struct dw_secret secret;
    struct dw_key service;
    bool has_service;
    char home[DW_NAME_MAX];

    struct dw_interlock door;
    uint32_t next_handle;
    uint32_t telling; /* handle of the visit that the present effect is about */
    struct dw_event pending[16];
    uint32_t pending_count;
    bool is_stepping;
    bool is_ready, is_stopping;

    struct job_slot jobs[JOBS_MAX];
    struct hello hellos[VISITS_MAX];
    struct camera_side camera;
    struct lock_side lock;
    uint8_t viewer_nonce[DW_VIEWERS_MAX][32];
    bool has_viewer[DW_VIEWERS_MAX];
    bool is_viewers_due;
    bool is_key_wanted; /* a screen fell behind: the next ask asks for a key frame */
    struct dw_ipc_alert_done alert_key; /* the key that alerts are signed with, as it was told */
    uint64_t viewers_sent_ms;

    bool is_link_up;
    uint64_t story_number;
    struct dw_ipc_story past[64]; /* a ring, for a front that starts later than the story */
    uint64_t state_sent_ms;
    struct dw_ipc_state last_state;
    struct out_message outbox[OUTBOX_MAX];
    bool has_more_out; /* in the database, not in the outbox */
    uint32_t hello_credit, job_credit;
    uint64_t credit_ms;
    uint64_t enrol_ms;
    uint32_t enrol_wait_ms;
    bool is_rolled_back; /* the record is shorter than it was: no visitors [protocol 4.7] */
    int nursery;         /* socket to the process that starts children */
    uv_poll_t nursery_poll;
    uv_signal_t stop[2];
};

/* Feeds one event to the core at the present time and performs the effects. */
void guard_feed(struct guard *g, struct dw_event *ev);
void guard_perform(struct guard *g, const struct dw_effects *fx);
struct dw_utc guard_wall(const struct guard *g);

/* nursery.c: starts, ends and reaps the children, outside the guard's sandbox; holds no key and
 * parses nothing. Runs until the guard ends for good, and starts a guard that died anew. */
int nursery_run(const char *config_path, bool verbose);
#define NURSERY_START 1u
#define NURSERY_KILL  2u
#define NURSERY_ENDED 3u
struct nursery_word {
    uint32_t word, name;
    int32_t status;
};

/* children.c */
dw_err children_start(struct guard *g);
void children_stop(struct guard *g);
/* Sends if the child runs. A full socket ends the child: it has stopped listening. */
void child_send(struct guard *g, enum child_name name, enum dw_ipc_type type, void *message);
void child_kill(struct guard *g, enum child_name name, const char *why);

/* eyes.c */
void eyes_ask(struct guard *g, uint32_t handle, bool want_key);
void eyes_on_frame(struct guard *g, const struct dw_ipc_frame *m);
void eyes_on_bad(struct guard *g, const struct dw_ipc_frame_bad *m);
void eyes_on_link(struct guard *g, const struct dw_ipc_camera_link *m);
void eyes_lost(struct guard *g);
void eyes_tell_viewers(struct guard *g);

/* bolt.c */
void bolt_ask(struct guard *g, uint32_t handle);
void bolt_on_signed(struct guard *g, const struct dw_ipc_bytes *m);
void bolt_on_report(struct guard *g, const struct dw_ipc_lock_report *m);
void bolt_lost(struct guard *g);
void bolt_throw(struct guard *g, uint64_t visit, dw_mono expires);
/* The only way to an open door for a visitor [I6]. Called from one line, on DW_FX_RETRACT. */
void dw_actuate_retract(struct guard *g, uint64_t visit, uint32_t lease_ms, uint32_t dwell_ms,
                        dw_mono expires);

/* link.c */
void link_on_message(struct guard *g, const struct dw_ipc_link *m);
void link_on_state(struct guard *g, bool is_up);
void link_offer(struct guard *g, struct hello *h, enum dw_check check, uint32_t stands_ms);
void link_news(struct guard *g, struct hello *h, enum dw_visit_state state);
/* `r->hub` is filled in. */
void link_receipt(struct guard *g, struct dw_receipt *r);
void link_send_outbox(struct guard *g);
void link_enrol(struct guard *g);
void link_aborted(struct guard *g, uint64_t visit, struct dw_view courier_nonce);
struct hello *hello_of(struct guard *g, uint32_t handle);
struct job_slot *link_job(struct guard *g, const uint8_t id[16]);
/* Once a second: what could not be stored or sent at once. */
void link_tidy(struct guard *g);
void link_load_jobs(struct guard *g);

/* judge.c */
/* The checks on a hello that need keys, jobs, clocks: bits passed and failed of enum dw_check. */
void judge_hello(struct guard *g, const struct dw_hello *m, uint32_t *ret_job, uint32_t *ret_parcel,
                 uint64_t *ret_passed, uint64_t *ret_failed);

/* people.c */
void people_on_ask(struct guard *g, const struct dw_ipc_people_ask *m);
enum dw_member_role people_role(const struct guard *g, uint32_t member);
void people_tell(struct guard *g); /* DW_IPC_PEOPLE, to the front */

/* house.c */
void house_tell_live(struct guard *g); /* may pictures leave the camera process? */
void house_tell_all(struct guard *g);  /* to a front that has just started: jobs, names */

/* show.c */
/* One line of the story: to the screens, and as an event into the record. */
void tell(struct guard *g, enum dw_story kind, uint32_t value, uint32_t value2);
void show_past(struct guard *g);
void show_state(struct guard *g, bool now);
void show_story(struct guard *g, enum dw_story kind, uint32_t value, uint32_t value2);
void show_display(struct guard *g, uint32_t slot, uint32_t lease_ms);
void show_on_viewer(struct guard *g, const struct dw_ipc_viewer *m);

#endif
