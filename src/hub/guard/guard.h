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
 *   people.c    members, passkeys, invitations, acts    house.c   jobs, wishes, modes, settings
 *   authority.c agencies, grants, manifests, shifts, the proof at the door
 *   guests.c    who comes without an agency: the hub writes what stands between grant and proof
 *   devices.c   the keys of camera and lock, and who may change them
 */
#ifndef DW_HUB_GUARD_GUARD_H
#define DW_HUB_GUARD_GUARD_H

#include <uv.h>

#include "core/visit.h"
#include "core/wall.h"
#include "crypto/chain.h"
#include "crypto/crypto.h"
#include "crypto/pairing.h"
#include "crypto/webauthn.h"
#include "hub/guard/store.h"
#include "hub/ipc.h"
#include "os/tries.h"
#include "wire/lock.h"
#include "wire/visit.h"
#include "wire/wish.h"

#define JOBS_MAX   256u
#define VISITS_MAX 8u /* hello contexts that are remembered, newest first to go */

struct settings {
    char state[256];
    char record_folder[256];
    char zone[DW_NAME_MAX];
    char door[4][DW_NAME_MAX];
    char camera_key[256], camera_class[8];
    char lock_key[256], lock_adapter[32];
    char service_key[256];   /* empty: learnt by pairing */
    char pairing_code[40];   /* empty: not open for pairing */
    char front_origin[128];  /* the one origin that passkeys are made for; empty: no sign-in */
    uint32_t grant_wait_ms;  /* from an owner's signature until a grant is live: time for a veto */
    uint32_t recovery_hours; /* from the code to a new owner [I48] */
    char ready_file[256];    /* written when every child is up; for whoever waits for the start */
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
    uint64_t read_ms; /* when it had last read some of what it was sent */
    int unread;       /* bytes, a second ago */
};

/* A message to the service that must arrive: sent again until it is acknowledged. */
#define OUTBOX_MAX 64u
struct out_message {
    bool is_used;
    uint64_t visit;
    uint32_t number; /* of the news; 0: the receipt */
    uint64_t sent_ms;
    uint16_t len;
    uint8_t bytes[DW_LINK_PAYLOAD_MAX]; /* a grant is the largest */
};

#define EVIDENCE_MAX 3072u

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
    /* class O: not a courier's question but an act of the household */
    bool is_owner;
    /* what was signed for this opening, as evidence, until the intent is written */
    uint16_t evidence_len;
    uint8_t evidence[EVIDENCE_MAX];
    uint8_t chain_no;      /* enum dw_chain_no of the newest proof */
    bool has_grant_use;    /* this visit is one use of its grant */
    bool is_use_counted;   /* by the opening that is_consumed is about */
    uint8_t use_grant[16]; /* with has_grant_use: of this one; the job may stand on another since */
    /* What the core was told of the job; one that has changed since is asked about anew [I4]. */
    uint8_t kind, openings, camera_class;
    uint32_t dwell_ms;
    uint8_t act; /* DW_ACT_UNLOCK, DW_ACT_LET_IN */
    uint32_t member;
    /* A guest's question: of it the service hears nothing. */
    uint32_t guest; /* member; 0: a courier's */
    bool is_slid;   /* this opening's proof has come */
    uint64_t failed, offer_until_ms;
};

/* ---- people ---- */

struct member {
    uint32_t id; /* 0: free */
    uint8_t role;
    uint8_t user[16]; /* WebAuthn user handle */
    int64_t since_ms;
    char name[DW_NAME_MAX];
};
struct credential {
    uint32_t number; /* 0: free */
    uint32_t member;
    struct dw_passkey key;
    int64_t added_ms, used_ms;
    char label[DW_NAME_MAX];
};
struct invite {
    uint32_t number; /* 0: free */
    uint32_t member; /* 0: somebody new; else one more passkey for that member */
    uint8_t role;
    uint8_t token_hash[32];
    int64_t until_ms;
    char name[DW_NAME_MAX];
};
/* Numbers of STORE_FACT_DEVICE. */
enum device_number { DEVICE_NONE = 0, DEVICE_CAMERA, DEVICE_LOCK, DEVICE_COUNT };
struct device_key {
    bool is_set;
    uint8_t pub[DW_KEY_BYTES];
};
/* What is durable of the people; a failed write puts it back as it was. */
struct book {
    struct device_key device[DEVICE_COUNT];
    struct member member[DW_MEMBERS_MAX];
    struct credential credential[DW_CREDENTIALS_MAX];
    struct invite invite[DW_INVITES_MAX];
    uint32_t next_member, next_credential, next_invite, epoch;
    uint32_t epoch_least; /* grants of an earlier one are void: a recovery [I48] */
    uint64_t next_wish;
    uint8_t camera_mode;
    bool has_code;
    uint8_t code_hash[32];
    bool is_recovering; /* [I48]; `recovery_left_ms` 0: its token may be used */
    uint8_t recovery_hash[32];
    uint64_t recovery_left_ms;
};
/* [protocol 4] What was asked for and when; first match deletes. Not persisted. */
#define CHALLENGES_MAX 80u
struct challenge {
    uint8_t act; /* 0: free */
    uint32_t member;
    uint8_t bytes[32];
    dw_mono expires;
    /* fields of the act */
    uint8_t role;
    uint32_t target, invite;
    uint64_t value;
    uint8_t id[16], user[16], key[DW_KEY_BYTES];
    char name[DW_NAME_MAX];
    /* `bytes` is the hash of this (a grant or a control statement); none for SIGN_IN and JOIN */
    uint32_t epoch;
    uint16_t shown_len;
    uint8_t shown[1024];
};
#define PEOPLE_WAITING_MAX 8u
struct people {
    struct book book, before;
    char origin[128], rp_id[128]; /* "": nobody can sign in */
    bool has_first;               /* nobody has joined; the token of <state>/first-owner */
    uint8_t first_hash[32];
    struct challenge challenge[CHALLENGES_MAX];
    /* one change at a time is on its way to the disk; who asks meanwhile waits */
    bool is_writing;
    struct dw_ipc_people_answer answer;
    /* of the act that is being done; goes with what it changes */
    uint16_t evidence_len;
    uint8_t evidence[EVIDENCE_MAX];
    struct dw_ipc_people_ask waiting[PEOPLE_WAITING_MAX];
    uint32_t waiting_count;
    uint32_t ask_credit, stranger_credit, recover_credit; /* [I45] */
    uint32_t member_credit[DW_MEMBERS_MAX];
    uint64_t credit_ms, recovery_ms, recovery_saved_ms;
    uint32_t moving_in_member;   /* the first owner, who may add one passkey without a presence */
    uint64_t moving_in_until_ms; /* CLOCK_BOOTTIME */
};

/* ---- who may come [docs/design/authority.md] ---- */

#define AGENCIES_WAIT_MAX   16u /* without a grant */
#define SHIFTS_MAX          64u
#define SHIFTS_EACH_MAX     32u /* of one agency */
#define AGENCY_OBJECT_MAX   512u
#define MANIFEST_OBJECT_MAX 2304u
#define SHIFT_OBJECT_MAX    1024u
#define STATE_FACT_MAX      128u

struct agency {
    bool is_used;
    struct dw_key key;
    struct dw_introduce said;
    int64_t asked_ms;
    uint16_t object_len; /* as it came */
    uint8_t object[AGENCY_OBJECT_MAX];
};
struct grant {
    uint8_t state; /* enum dw_grant_state; EXPIRED is never stored: judge_grant_state */
    uint8_t told_state, day_used;
    bool is_over_stored; /* that it was revoked or vetoed is on the disk */
    uint16_t used;
    int32_t day;     /* civil day that day_used is of */
    uint32_t member; /* who signed it */
    uint32_t guest;  /* to whom; 0: to an agency */
    int64_t signed_ms, live_ms, over_ms;
    struct dw_grant said;
    uint16_t evidence_len;
    uint8_t evidence[EVIDENCE_MAX];
};
struct shift {
    bool is_used;
    uint8_t by[32]; /* thumbprint of the agency */
    struct dw_shift said;
    uint16_t object_len;
    uint8_t object[SHIFT_OBJECT_MAX];
};
struct authority {
    struct agency agency[DW_AGENCIES_MAX];
    struct grant grant[DW_GRANTS_MAX];
    struct shift shift[SHIFTS_MAX];
    int32_t told_day; /* civil day of the uses that the front was told; 0: not known */
    /* a grant on its way to the disk */
    bool has_pending;
    uint32_t pending_at;
    struct grant pending;
    uint16_t pending_len;
    uint8_t pending_message[DW_LINK_PAYLOAD_MAX];
    uint32_t ending; /* bit n: the end of grant n is on its way to the disk */
};

/* ---- who comes without an agency [docs/design/guests.md] ---- */

struct guest {
    uint32_t member;     /* 0: free */
    struct dw_try tries; /* questions and slides that it has left [I45] */
    struct shift shift;  /* as the hub signed it at the newest question */
    uint64_t receipt_visit;
    uint16_t receipt_len;
    uint8_t receipt[600];
    struct dw_ipc_guest told;
};
struct guests {
    struct guest guest[DW_GUESTS_MAX];
};

#define AGENCIES_STOPPED_MAX 64u
struct house {
    struct {
        uint64_t number; /* of the wish; 0: free */
        uint8_t id[16];
    } stopped[AGENCIES_STOPPED_MAX];
    struct dw_params file;  /* as the settings file has them */
    struct dw_params owner; /* file, and what was tightened */
    bool is_params_due;     /* put in force when no visit is under way */
    bool is_jobs_due;       /* some job_slot.is_due */
    bool has_told_live, is_live;
    /* what takes effect when it is durable */
    uint8_t deciding; /* enum dw_wish_kind; 0: none */
    uint64_t decision, accepting;
    uint8_t id[16];
    char place[DW_NAME_MAX];
    bool is_setting;
    struct dw_params setting;
};

struct job_slot {
    bool is_used, is_recalled;
    bool is_declined, is_agency_stopped; /* by the household */
    bool is_due;                         /* the front has not been told */
    uint8_t told_state, told_mode;       /* enum dw_job_state, dw_grant_mode */
    uint64_t decision;                   /* number of the wish that decided; 0: none */
    char place[DW_NAME_MAX];
    bool is_recall_unsaved; /* the database would not take it yet */
    uint8_t openings_used;
    uint32_t consumed; /* bit n: parcel n */
    uint64_t accepted; /* judge_visit_mark of what the household said yes to; 0: it did not */
    uint8_t news;      /* enum dw_job_news that alert has not heard yet */
    bool is_alerted;   /* alert has heard of it, and hears what becomes of it */
    bool is_reminded;  /* that it comes soon has been told, or that it comes at all just now */
    struct dw_job job;
    uint8_t grant[16], by[32]; /* what it stands on, and the thumbprint of who signed it */
    uint16_t object_len;       /* the manifest, byte for byte: checked again at the door */
    uint8_t object[MANIFEST_OBJECT_MAX];
};

struct camera_side {
    struct dw_key key; /* the device's, as enrolled */
    bool has_key;
    /* what the device key said of this boot: the key that frames are signed with */
    struct dw_camera_session session;
    struct dw_key session_key;
    bool has_session;
    uint16_t object_len; /* as it came, for the screens */
    uint8_t object[DW_SESSION_BYTES_MAX];
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
    /* The counter and epoch up to which this database knows what was asked of the lock: when the
     * lock has heard more, the database is older than the lock [I11]. Durable. */
    uint32_t known_counter, known_epoch;
    bool has_known, has_compared;
    /* Bolt, counts and boot as it said them last, and whether somebody has still to look: as they
     * are in the database [I37]. */
    uint8_t counts[14];
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

struct expected {
    struct dw_expected item[DW_EXPECTED_MAX];
    struct dw_expected pending; /* while it is being written */
    uint32_t pending_at;        /* its place, from 1; 0: none */
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
    struct dw_wall_clock wall;
    int64_t wall_stored_ms; /* the floor as it is in the database */
    uint32_t next_handle;
    uint32_t telling; /* handle of the visit that the present effect is about */
    struct dw_event pending[16];
    uint32_t pending_count;
    bool is_stepping;
    bool is_ready, is_stopping;

    struct people people;
    struct authority authority;
    struct guests guests;
    struct house house;
    struct expected expected;
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
    uint64_t link_heard_ms; /* when it was up last; 0: not since the start [I14] */
    uint64_t story_number;
    struct dw_ipc_story past[64]; /* a ring, for a front that starts later than the story */
    uint64_t state_sent_ms;
    struct dw_ipc_state last_state;
    struct out_message outbox[OUTBOX_MAX];
    bool has_more_out; /* in the database, not in the outbox */
    uint32_t hello_credit, job_credit, intro_credit;
    uint64_t credit_ms;
    bool is_pairing; /* open for it: there is a code, and no service yet */
    struct dw_pairing pairing;
    uint8_t pairing_nonce[DW_NONCE_BYTES]; /* of this run */
    uint64_t enrol_ms;
    uint32_t enrol_wait_ms;
    bool is_rolled_back; /* the record is shorter than it was: no visitors [protocol 4.7] */
    bool is_restored;    /* the lock remembers more than the database: no visitors [I11] */
    int nursery;         /* socket to the process that starts children */
    uv_poll_t nursery_poll;
    uv_signal_t stop[2];
};

/* Feeds one event to the core at the present time and performs the effects. */
void guard_feed(struct guard *g, struct dw_event *ev);
void guard_perform(struct guard *g, const struct dw_effects *fx);

/* wall.c */
void wall_start(struct guard *g); /* after the store, before anything is told */
void wall_tidy(struct guard *g);  /* once a second */
/* The floor becomes durable no later than the intent that is written next. */
void wall_before_opening(struct guard *g);
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
void children_tidy(struct guard *g); /* once a second: who does not read any more is ended */
/* Sends if the child runs. A full socket ends the child: it has stopped listening. */
void child_send(struct guard *g, enum child_name name, enum dw_ipc_type type, void *message);
/* The same, but a full socket is the caller's to wait for: false, nothing was sent. */
bool child_offer(struct guard *g, enum child_name name, enum dw_ipc_type type, void *message);
void child_kill(struct guard *g, enum child_name name, const char *why);

/* devices.c */
enum device_number device_of_act(enum dw_act act);
/* After the settings' keys were read and people_start: the enrolled ones take their place. */
void devices_start(struct guard *g);
enum dw_people_no devices_permit(const struct guard *g, const struct challenge *c);
/* What the owner signs names the key by the first 24 bytes of its thumbprint. */
void devices_name(struct challenge *c);
void devices_changed(struct guard *g); /* what follows from a durable change of the book */

/* eyes.c */
void eyes_ask(struct guard *g, uint32_t handle, bool want_key);
void eyes_on_frame(struct guard *g, const struct dw_ipc_frame *m);
void eyes_on_bad(struct guard *g, const struct dw_ipc_frame_bad *m);
void eyes_on_link(struct guard *g, const struct dw_ipc_camera_link *m);
/* Says of the process's key that the enrolled camera may talk to it, and to that process whom to
 * dial. */
void eyes_on_link_key(struct guard *g, const struct dw_ipc_link_key *m);
void eyes_lost(struct guard *g);
void eyes_tell_viewers(struct guard *g);

/* bolt.c */
void bolt_ask(struct guard *g, uint32_t handle);
void bolt_on_signed(struct guard *g, const struct dw_ipc_bytes *m);
void bolt_on_report(struct guard *g, const struct dw_ipc_lock_report *m);
void bolt_lost(struct guard *g);
void bolt_throw(struct guard *g, uint64_t visit, dw_mono expires);
/* What this database knows of the lock. */
void bolt_start(struct guard *g);
/* With an intent: what will be asked of the lock in it is known beforehand. `room`: 8 bytes. */
void bolt_reserve(struct guard *g, struct store_write *w, uint8_t room[8]);
void bolt_remember(struct guard *g, uint32_t counter);
void bolt_tidy(struct guard *g); /* once a second */
/* The only way to an open door for a visitor [I6]. Called from one line, on DW_FX_RETRACT. */
void dw_actuate_retract(struct guard *g, uint64_t visit, uint32_t lease_ms, uint32_t dwell_ms,
                        dw_mono expires);

/* link.c */
void link_on_message(struct guard *g, const struct dw_ipc_link *m);
void link_on_state(struct guard *g, bool is_up);
void link_offer(struct guard *g, struct hello *h, enum dw_check check, uint32_t stands_ms);
void link_news(struct guard *g, struct hello *h, enum dw_visit_state state);
/* `r->hub` is filled in. `guest`: it goes to that page, not to the service. */
void link_receipt(struct guard *g, struct dw_receipt *r, uint32_t guest);
void link_send_outbox(struct guard *g);
/* Seals a wish into `w` (message) and sends it; false: not of a form that can be sent. `room` holds
 * it until the write is copied. */
bool link_wish(struct guard *g, const struct dw_wish *m, uint8_t *room, size_t cap,
               struct store_write *w);
void link_enrol(struct guard *g);
bool link_open_pairing(struct guard *g); /* at the start; false: the setting holds no code */
void link_aborted(struct guard *g, uint64_t visit, struct dw_view courier_nonce);
struct hello *hello_of(struct guard *g, uint32_t handle);
struct hello *link_place(struct guard *g); /* for one more question; NULL: all are under way */
struct job_slot *link_job(struct guard *g, const uint8_t id[16]);
/* Once a second: what could not be stored or sent at once. */
void link_tidy(struct guard *g);
void link_load_jobs(struct guard *g);

/* One more line of the record that a message of the link brings about? [I45] */
bool link_take_credit(struct guard *g);
/* Signs `payload` as `kind` into `ret`, kind byte first; its length, 0: it does not fit. */
uint16_t link_seal(struct guard *g, enum dw_link_kind kind, struct dw_view payload, uint8_t *ret,
                   size_t cap);
/* Sends it, now and until it is acknowledged. The caller makes it durable (store_write.message). */
void link_post(struct guard *g, struct dw_view message, uint64_t visit, uint32_t number);
/* A visit that is not open yet and stands on nothing any more does not get there [I14]. */
void link_end_unpermitted(struct guard *g);
/* A job, signed as `object`, from now on. NULL: there is no room, or it cannot be stored. */
struct job_slot *link_keep_job(struct guard *g, const struct dw_job *j, const uint8_t grant[16],
                               const uint8_t by[32], struct dw_view object);
/* One question of the visit `h`; `is_further`: within its stay. */
void link_ask(struct guard *g, struct hello *h, const struct dw_hello *m, bool is_further);
/* The visitor has slid: `e` over `stop`, whose visit and nonce are those of `h`. */
void link_slide(struct guard *g, struct hello *h, const struct dw_evidence *e,
                const struct dw_stop *stop);

/* authority.c */
void authority_start(struct guard *g); /* before link_load_jobs */
void authority_tell(struct guard *g);  /* DW_IPC_GRANTS, to the front */
void authority_tidy(struct guard *g);  /* once a second */
/* Objects as the agencies made them. */
void authority_on_introduce(struct guard *g, struct dw_view object);
void authority_on_shift(struct guard *g, struct dw_view object);
/* False: not of an agency that is known, or not for us; said in the log. */
bool authority_read_manifest(struct guard *g, struct dw_view object, struct dw_job *ret_job,
                             uint8_t ret_grant[16], uint8_t ret_by[32]);
/* May this agency ask for that on this grant? False: said in the log and to the household. */
bool authority_takes(struct guard *g, const struct dw_job *job, const uint8_t grant[16],
                     const uint8_t by[32]);
/* All signatures behind an opening, at once, with what this hub knows itself. */
enum dw_chain_no authority_check(struct guard *g, const struct hello *h, const struct job_slot *s,
                                 const struct dw_evidence *e, const struct dw_stop *stop);
enum dw_check authority_check_of(enum dw_chain_no no);                /* what the courier hears */
struct grant *authority_grant(struct guard *g, const uint8_t id[16]); /* NULL: none */
/* One use of the grant, and back; the fact that makes it durable is in `room` (STATE_FACT_MAX). */
bool authority_use(struct guard *g, const struct job_slot *s, uint8_t *room, size_t cap,
                   struct store_fact *ret_fact);
bool authority_unuse(struct guard *g, const uint8_t grant[16], uint8_t *room, size_t cap,
                     struct store_fact *ret_fact);
/* The bytes of a grant as the owner chose it, to be signed; `a` says by which passkey. */
enum dw_people_no authority_write_grant(struct guard *g, const struct dw_ipc_people_ask *m,
                                        struct dw_buf *ret_bytes, struct dw_ipc_people_answer *a);
/* They were signed, by `by`; `guest`: to whom, 0: to an agency. */
enum dw_people_no authority_signed(struct guard *g, struct dw_view bytes, struct dw_view evidence,
                                   const struct dw_passkey *by, uint32_t member, uint32_t guest,
                                   struct dw_ipc_people_answer *a);
void authority_decided(struct guard *g, bool is_durable);
enum dw_people_no authority_revoke(struct guard *g, const struct dw_ipc_people_ask *m,
                                   struct dw_ipc_people_answer *a);
enum dw_people_no authority_veto(struct guard *g, const struct dw_ipc_people_ask *m,
                                 struct dw_ipc_people_answer *a);
void authority_restored(struct guard *g);
void authority_acknowledged(struct guard *g, uint32_t member);

/* All grants to this guest are revoked, at once in memory, and durably with the write that gets
 * their facts; returns how many. `room`: DW_GRANTS_MAX * STATE_FACT_MAX bytes. */
uint32_t authority_end_guest(struct guard *g, uint32_t guest, struct store_fact *facts,
                             uint8_t *room);
/* One line of the story for each that is on its way. */
void authority_tell_ended(struct guard *g, uint32_t member);
/* Midnight of today at home, in Unix seconds; 0: not known. */
int64_t authority_midnight(const struct guard *g);

/* guests.c */
const struct credential *guests_passkey(const struct guard *g, uint32_t member); /* NULL: none */
/* The hub's own word for a guest's job; false: it is none. */
bool guests_read_manifest(struct guard *g, struct dw_view object, struct dw_job *ret_job,
                          uint8_t ret_grant[16]);
const struct shift *guests_shift(const struct guard *g, uint32_t member);
/* DW_PEOPLE_GUEST_*; answered here. */
void guests_on_ask(struct guard *g, const struct dw_ipc_people_ask *m);
void guests_tell(struct guard *g, uint32_t member); /* DW_IPC_GUEST, when it has changed */
void guests_tell_all(struct guard *g);              /* to a front that has just started */
void guests_tidy(struct guard *g);                  /* once a second */
/* How it ended, signed, for the guest alone. */
void guests_receipt(struct guard *g, uint32_t member, uint64_t visit, struct dw_view object);

/* expected.c: parcels that need no further yes where a grant asks each time. */
void expected_start(struct guard *g);
void expected_tell(struct guard *g);
bool expected_holds(struct guard *g, const uint8_t *code, size_t len);
/* It has come: off the list, durably with the intent that gets `ret_fact`. False: not on it. */
bool expected_use(struct guard *g, const uint8_t *code, size_t len, struct store_fact *ret_fact);
enum dw_people_no expected_add(struct guard *g, const struct dw_ipc_people_ask *m,
                               const struct dw_ipc_people_answer *a);
enum dw_people_no expected_remove(struct guard *g, const struct dw_ipc_people_ask *m,
                                  const struct dw_ipc_people_answer *a);
void expected_decided(struct guard *g, bool is_durable);

/* judge.c */
/* As it stands now. */
enum dw_grant_state judge_grant_state(const struct guard *g, const struct grant *gr);
/* Signed by this hub for a guest, not by an agency. */
bool judge_is_guests(const struct guard *g, const struct job_slot *s);
/* The grant of this job asks the household each time, and it has not said yes. */
bool judge_needs_yes(const struct guard *g, const struct job_slot *s);
/* DW_GRANT_MODE_COUNT: its grant is over, or not there. */
enum dw_grant_mode judge_mode(const struct guard *g, const struct job_slot *s);
/* Who comes, when and for what: a yes is to that, and not to what an agency makes of it later. */
uint64_t judge_visit_mark(const struct dw_job *j);
/* When its window begins at home, in UTC; 0: not known. */
int64_t judge_begin_ms(const struct dw_job *j);
/* Today at home, if the whole clock interval is in it. */
bool judge_civil_day(const struct guard *g, int32_t *ret_day);
/* Is the time of day known as well as a visitor's window needs it? */
bool judge_civil_now(const struct guard *g, int32_t *ret_day, uint32_t *ret_from, uint32_t *ret_to);
/* Uses are left of it, today too; `day` is today. */
bool judge_has_use(const struct grant *gr, int32_t day);
/* The checks on a hello that need keys, jobs, clocks: bits passed and failed of enum dw_check. */
void judge_hello(struct guard *g, const struct dw_hello *m, uint32_t *ret_job, uint32_t *ret_parcel,
                 uint64_t *ret_passed, uint64_t *ret_failed);

/* people.c */
/* `origin` is front.origin; false: it is none. Reads what is durable. */
bool people_start(struct guard *g, const char *origin);
void people_on_ask(struct guard *g, const struct dw_ipc_people_ask *m);
/* NONE for a guest, too: every question of who lives here. */
enum dw_member_role people_role(const struct guard *g, uint32_t member);
bool people_is_guest(const struct guard *g, uint32_t member);
const char *people_name(const struct guard *g, uint32_t member); /* "" when nobody */
void people_tell(struct guard *g);                               /* DW_IPC_PEOPLE, to the front */
void people_tidy(struct guard *g);                               /* once a second */
/* A change of the book that stands in `w` (facts, event; `done` is ours): one at a time, answered
 * when it is durable. The book was changed by the caller after people_begin. */
void people_begin(struct guard *g);
enum dw_people_no people_write(struct guard *g, struct store_write *w,
                               const struct dw_ipc_people_answer *a);
/* The same for a change that is one line of the story, by `member`, and its facts; shown when it is
 * on its way to the disk. */
enum dw_people_no people_line(struct guard *g, enum dw_story kind, uint32_t value, uint32_t value2,
                              uint32_t member, const struct store_fact *facts, uint32_t fact_count,
                              const struct dw_ipc_people_answer *a);
/* The fact of the counters and modes; `room` of at least 256 bytes. */
struct store_fact people_house_fact(const struct guard *g, uint8_t *room, size_t cap);
/* Now, in the middle of the clock's interval; 0: not known. */
int64_t people_utc(const struct guard *g);

/* house.c */
/* After link_load_jobs and people_start. False: these are the durable facts of a home that has
 * agreed to newer rules than this program knows [I15]. */
bool house_start(struct guard *g);
bool house_takes_alg(const struct guard *g, uint8_t alg); /* passkeys of this kind count */
/* May pictures leave the camera process? Said when it changes, and when `now`. */
void house_tell_live(struct guard *g, bool now);
/* The write of a wish, mode or setting is durable, or failed. */
void house_decided(struct guard *g, bool is_durable);
void house_tell_all(struct guard *g);  /* to a front that has just started: jobs, names */
void house_tell_some(struct guard *g); /* jobs that are due, as many as the front takes */
void house_tidy(struct guard *g);      /* once a second */
void house_new_job(struct guard *g, struct job_slot *s); /* in memory (again): what was decided */
void house_job_changed(struct guard *g, struct job_slot *s);
void house_who(struct guard *g, const struct hello *h); /* stored and told */
void house_tell_who(struct guard *g, uint64_t visit);   /* once more, to alerts */
enum dw_people_no house_mode(struct guard *g, const struct dw_ipc_people_ask *m,
                             struct dw_ipc_people_answer *a);
enum dw_people_no house_wish(struct guard *g, const struct dw_ipc_people_ask *m,
                             struct dw_ipc_people_answer *a);
enum dw_people_no house_set_param(struct guard *g, const char *field, uint64_t value, bool is_trial,
                                  uint32_t member, struct dw_ipc_people_answer *a);
enum dw_people_no house_allow(struct guard *g, const uint8_t agency[16], bool is_trial,
                              uint32_t member, struct dw_ipc_people_answer *a);
void house_params_in_force(struct guard *g);
void house_tell_params(struct guard *g); /* DW_IPC_PARAMS, to the front */
/* Old lines of the story, with whose they were; the number of the newest line. */
uint64_t house_replay(struct guard *g, uint64_t from);
/* Class O: what the core says at once. */
/* `people.evidence` is what was signed for it. */
enum dw_people_no house_open(struct guard *g, enum dw_act act, uint32_t member);

/* show.c */
/* One line of the story: to the screens, and as an event into the record. */
void tell(struct guard *g, enum dw_story kind, uint32_t value, uint32_t value2);
void tell_by(struct guard *g, enum dw_story kind, uint32_t value, uint32_t value2, uint32_t member);
/* 8 or, with a member, 12 bytes of an event's detail; returns how many. */
size_t tell_detail(uint8_t ret[12], uint32_t value, uint32_t value2, uint32_t member);
/* That the hub has started, to the alert process, which was not there to hear it. */
void show_start(struct guard *g);
void show_past(struct guard *g);
void show_state(struct guard *g, bool now);
void show_story(struct guard *g, enum dw_story kind, uint32_t value, uint32_t value2,
                uint32_t member);
void show_display(struct guard *g, uint32_t slot, uint32_t lease_ms);
void show_on_viewer(struct guard *g, const struct dw_ipc_viewer *m);

#endif
