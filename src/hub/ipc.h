/* hub/ipc.h - messages between the guard and its children.
 *
 * SOCK_SEQPACKET on descriptor 3 of the child. A message is one fixed-size struct per type: a
 * datagram whose size is not exactly that of its type is a fault of the sender, and the guard ends
 * that child. What each child may send is a table in hub/guard_ipc.c [style 1]. Byte order is the
 * machine's own: both ends are the same build, told by `build_id`.
 *
 * Frames never enter the guard: the camera process hands access units to the front on a second
 * socketpair (DW_IPC_PIPE), the guard sees the frame record only.
 */
#ifndef DW_HUB_IPC_H
#define DW_HUB_IPC_H

#include "core/types.h"
#include "hub/people.h"
#include "wire/camera.h"
#include "wire/visit.h"

#define DW_IPC_FD 3

enum dw_ipc_type {
    DW_IPC_NONE = 0,
    /* any child -> guard */
    DW_IPC_READY, /* the child is up and inside its sandbox */
    /* guard -> camera */
    DW_IPC_CAMERA_ASK,   /* signed ask to pass on */
    DW_IPC_RECORD_START, /* begin segments of a visit (pre-roll first) */
    DW_IPC_RECORD_STOP,
    DW_IPC_PIPE, /* guard -> camera and front: carries one descriptor (SCM_RIGHTS), the live pipe */
    /* camera -> guard */
    DW_IPC_FRAME,     /* one frame record whose access unit matched its hash */
    DW_IPC_FRAME_BAD, /* an access unit did not match its record, or a record could not be read */
    DW_IPC_FRAME_UNPROVEN, /* class K0: an access unit arrived, nothing is signed */
    DW_IPC_CAMERA_LINK,    /* link up or down, hello */
    DW_IPC_SEGMENT,        /* a segment file is complete and synced */
    DW_IPC_DISK,           /* free space below the reserve, or again above */
    /* guard -> lock */
    DW_IPC_LOCK_ASK,     /* ask for a status; bytes are signed for class A */
    DW_IPC_LOCK_COMMAND, /* throw or retract; bytes are signed for class A */
    /* lock -> guard */
    DW_IPC_LOCK_SIGNED, /* bytes of a signed status or answer (class A) */
    DW_IPC_LOCK_REPORT, /* radio evidence of an adapter (class B, C) */
    DW_IPC_LOCK_LINK,
    /* front -> guard */
    DW_IPC_LINK_IN,    /* a message of the service */
    DW_IPC_LINK_STATE, /* the broker connection is up or down */
    DW_IPC_VIEWER,     /* a screen asks for a display lease (its nonce), acknowledges, or is gone */
    DW_IPC_OWNER,      /* household's button: lock now, end visit */
    /* guard -> front */
    DW_IPC_LINK_OUT,
    DW_IPC_DISPLAY, /* answer to VIEWER: signed display statement */
    DW_IPC_STATE,   /* snapshot for screens */
    DW_IPC_STORY,   /* one line of the story */
    DW_IPC_VIEWERS, /* guard -> camera: nonces of the screens that look, to be signed into frames */
    /* guard -> front */
    DW_IPC_HUB_NONCE, /* the nonce of each CAMERA_ASK, so that screens can check a frame's echo */
    /* the household: hub/people.h */
    DW_IPC_PEOPLE_ASK,    /* front -> guard */
    DW_IPC_PEOPLE_ANSWER, /* guard -> front */
    DW_IPC_PEOPLE,        /* guard -> front: who lives here, after each change */
    DW_IPC_JOB,           /* guard -> front: a job as the household may see it, after each change;
                             to alert: what it has to tell of one, and that it is over */
    DW_IPC_WHO,           /* guard -> front and alert: what a visit's number stands for */
    DW_IPC_ALERT_SET,     /* front -> guard -> alert: where to send alerts */
    DW_IPC_ALERT_DONE,    /* alert -> guard -> front: what became of one */
    DW_IPC_LIVE,          /* guard -> camera: pass pictures to the front or not (camera mode) */
    DW_IPC_KEY_WANTED,    /* front -> guard: a screen fell behind; ask the camera for a key frame */
    DW_IPC_PARAMS,        /* guard -> front: the rules' numbers in force, names of home and doors */
    DW_IPC_GRANTS,        /* guard -> front: agencies and grants, after each change */
    DW_IPC_LINK_KEY,      /* camera -> guard: the key that this process dials with */
    DW_IPC_LINK_PROOF,    /* guard -> camera: what the hub says of that key, and whom to dial */
    DW_IPC_EXPECTED, /* guard -> front: parcels that the household expects, after each change */
    DW_IPC_GUEST,    /* guard -> front: what one guest's page may know, after each change */
    DW_IPC_TYPE_COUNT
};

struct dw_ipc_ready {
    struct dw_ipc_head head;
    uint32_t landlock; /* 1 when in force */
};

struct dw_ipc_bytes { /* CAMERA_ASK, LOCK_ASK, LOCK_SIGNED */
    struct dw_ipc_head head;
    uint64_t sent_ms; /* DW_LOCK_SIGNED: arrival, CLOCK_BOOTTIME */
    uint8_t kind;     /* of wire/lock.h or wire/camera.h */
    uint8_t pad[5];
    uint16_t len;
    uint8_t bytes[1016];
};

struct dw_ipc_record { /* RECORD_START, RECORD_STOP */
    struct dw_ipc_head head;
    uint64_t visit;
};

struct dw_ipc_frame { /* FRAME */
    struct dw_ipc_head head;
    uint64_t arrived_ms; /* CLOCK_BOOTTIME, when its last byte was read */
    uint8_t viewers;     /* nonces below */
    uint8_t is_key;
    uint16_t len;
    uint32_t decoded_still_ms; /* second opinion on decoded key frames: how long they stay equal */
    uint8_t decoded_luma, decoded_spread;
    uint8_t has_decoded;
    uint8_t pad[5];
    uint8_t record[DW_FRAME_RECORD_MAX];
    uint8_t viewer[DW_VIEWERS_MAX][32];
};

enum dw_frame_fault {
    DW_FRAME_FAULT_NONE = 0,
    DW_FRAME_FAULT_FORM,  /* cannot be read */
    DW_FRAME_FAULT_HASH,  /* access unit differs from its signed hash */
    DW_FRAME_FAULT_CODEC, /* not H.264, or no parameter sets */
};

struct dw_ipc_frame_bad { /* FRAME_BAD, FRAME_UNPROVEN (fault NONE) */
    struct dw_ipc_head head;
    uint64_t arrived_ms;
    uint32_t fault;
    uint32_t decoded_still_ms;
    uint8_t decoded_luma, decoded_spread, has_decoded;
    uint8_t pad[5];
};

struct dw_ipc_camera_link {
    struct dw_ipc_head head;
    uint32_t is_up;
    uint16_t hello_len;   /* COSE_Sign1 camera-hello, class K2; 0 with K0 */
    uint16_t session_len; /* COSE_Sign1 camera-session, from the camera's certificate */
    uint8_t hello[512];
    uint8_t session[DW_SESSION_BYTES_MAX];
};

struct dw_ipc_link_key {
    struct dw_ipc_head head;
    uint8_t pub[32];
};

struct dw_ipc_link_proof {
    struct dw_ipc_head head;
    uint8_t camera_pub[32]; /* device key of the enrolled camera */
    uint16_t len;
    uint8_t pad[6];
    uint8_t proof[DW_SESSION_BYTES_MAX]; /* COSE_Sign1 hub-link */
};

struct dw_ipc_segment {
    struct dw_ipc_head head;
    uint64_t visit;
    uint32_t number; /* from 1 in each visit */
    uint32_t frames;
    uint64_t bytes;
    uint64_t first_seq, last_seq; /* frame records inside (0 with K0) */
    uint8_t hash[32];             /* SHA-256 of the file */
    char path[256];
};

struct dw_ipc_disk {
    struct dw_ipc_head head;
    uint64_t free_bytes;
    uint32_t has_room;
    uint32_t pad;
};

struct dw_ipc_pipe {
    struct dw_ipc_head head;
};

struct dw_ipc_lock_command {
    struct dw_ipc_head head;
    uint64_t visit;
    uint64_t expires_ms; /* CLOCK_BOOTTIME; not sent after this: a door must not open late */
    uint8_t action;      /* enum dw_lock_action */
    uint8_t pad[5];
    uint16_t len;
    uint8_t bytes[512]; /* class A: COSE_Sign1(hub) lock-command; else empty */
};

/* What an adapter knows, from the radio. Times are CLOCK_BOOTTIME ms; 0: never. */
struct dw_ipc_lock_report {
    struct dw_ipc_head head;
    uint8_t lock_class; /* enum dw_lock_class as far as the adapter can prove it now */
    uint8_t bolt, contact, strike, cause;
    uint8_t battery_pct; /* 255: not known */
    uint8_t is_reachable;
    uint8_t has_relock; /* the lock has a relock time of its own that can be read back */
    uint32_t relock_s;  /* as read back; 0: off or not known */
    uint32_t op_count, opening_count;
    uint32_t ask_seq; /* LOCK_ASKs answered by a fresh read-back so far */
    uint64_t bolt_at_ms, contact_at_ms;
    uint64_t read_ms; /* when the newest read-back that answered an ask began */
    char why[96];     /* when the class is C: the reason in words */
};

struct dw_ipc_link_state {
    struct dw_ipc_head head;
    uint32_t is_up;
    uint32_t pad;
};

struct dw_ipc_link { /* LINK_IN, LINK_OUT */
    struct dw_ipc_head head;
    uint64_t arrived_ms;
    uint32_t is_enrol; /* LINK_OUT: to the enrol topic */
    uint16_t len;
    uint16_t pad;
    uint8_t bytes[DW_LINK_PAYLOAD_MAX];
};

enum dw_viewer_word { DW_VIEWER_NONE = 0, DW_VIEWER_ASKS, DW_VIEWER_SAW_OPENING, DW_VIEWER_GONE };

struct dw_ipc_viewer {
    struct dw_ipc_head head;
    uint32_t slot; /* 0..DW_VIEWERS_MAX-1, the front's */
    uint32_t word; /* enum dw_viewer_word */
    uint8_t nonce[32];
};

struct dw_ipc_viewers {
    struct dw_ipc_head head;
    uint32_t count;
    uint32_t pad;
    uint8_t nonce[DW_VIEWERS_MAX][32];
};

/* Screens keep the newest few: echo = SHA-256(one of them || viewer nonces). It is no secret. */
struct dw_ipc_hub_nonce {
    struct dw_ipc_head head;
    uint8_t nonce[32];
};

enum dw_owner_word {
    DW_OWNER_NONE = 0,
    DW_OWNER_LOCK_NOW,
    DW_OWNER_END_VISIT,
    DW_OWNER_ACKNOWLEDGE, /* what was told has been seen */
    DW_OWNER_RESTORED     /* after a restored backup: visitors may come again; owners only */
};

struct dw_ipc_owner {
    struct dw_ipc_head head;
    uint32_t word;   /* enum dw_owner_word */
    uint32_t member; /* whose session; 0: not known */
};

struct dw_ipc_display {
    struct dw_ipc_head head;
    uint32_t slot;
    uint16_t len;
    uint16_t pad;
    uint8_t bytes[512]; /* COSE_Sign1(hub) display */
};

/* What a screen may show. Ages in ms at `at_ms`; UINT32_MAX: never sensed. */
struct dw_ipc_state {
    struct dw_ipc_head head;
    uint64_t at_ms; /* CLOCK_BOOTTIME */
    uint64_t visit;
    uint8_t bolt, contact, strike, lock_class;
    uint8_t is_secured; /* bolt, contact and strike agree and are newer than the last closing */
    uint8_t visit_state, outcome, check;
    uint8_t camera, camera_class;
    uint8_t is_opening;  /* screens must take SECURED down now and acknowledge */
    uint8_t battery_pct; /* 255: not known */
    uint8_t is_link_up;  /* to the service */
    uint8_t has_room;    /* to record */
    uint8_t is_clock_sure;
    uint8_t is_degraded;
    uint8_t camera_mode; /* enum dw_camera_mode */
    uint8_t pad[7];
    uint32_t lock_age_ms, picture_age_ms, blind_ms; /* picture age is the proven one */
    uint32_t alarms;                                /* bits: enum dw_alarm */
    uint32_t inside_ms;
    uint32_t frames_verified;
    char visitor[DW_NAME_MAX], agency[DW_NAME_MAX];
    uint8_t hub_pub[32], camera_pub[32]; /* the camera's device key; zeroes: none */
    /* COSE_Sign1 camera-session: what the device key says of the key that frames are signed with */
    uint16_t session_len;
    uint8_t session_pad[6];
    uint8_t session[DW_SESSION_BYTES_MAX];
};

/* Lines of the story, for screens and for the record. X(name, word). */
#define DW_STORY_LIST(X)                \
    X(HUB_STARTED, "hub_started")       \
    X(CHILD_LOST, "child_lost")         \
    X(CAMERA_STATE, "camera_state")     \
    X(LOCK_STATE, "lock_state")         \
    X(JOB_STORED, "job_stored")         \
    X(JOB_RECALLED, "job_recalled")     \
    X(VISIT_ASKED, "visit_asked")       \
    X(VISIT_REFUSED, "visit_refused")   \
    X(UNLOCK_INTENT, "unlock_intent")   \
    X(VISIT_STATE, "visit_state")       \
    X(DEGRADED, "degraded")             \
    X(ALARM, "alarm")                   \
    X(ALARM_OVER, "alarm_over")         \
    X(EGRESS, "egress")                 \
    X(OPENING, "opening")               \
    X(SECURED, "secured")               \
    X(VISIT_ENDED, "visit_ended")       \
    X(CONFIRMED_LATE, "confirmed_late") \
    X(SEGMENT, "segment")               \
    X(OWNER_ACT, "owner_act")           \
    X(LINK, "link")                     \
    X(PEOPLE, "people")                 \
    X(CAMERA_MODE, "camera_mode")       \
    X(SETTING, "setting")               \
    X(WISH, "wish")                     \
    X(GRANT, "grant")

enum dw_story {
    DW_STORY_NONE = 0,
#define X(name, word) DW_STORY_##name,
    DW_STORY_LIST(X)
#undef X
        DW_STORY_COUNT
};

struct dw_ipc_story {
    struct dw_ipc_head head;
    uint64_t number; /* grows by one a line, and by more over a restart */
    uint64_t at_ms;  /* CLOCK_BOOTTIME */
    int64_t utc_ms;  /* middle of the clock interval; 0: not known */
    uint64_t visit;
    uint32_t kind;   /* enum dw_story */
    uint32_t value;  /* state, check, alarm or outcome, by kind */
    uint32_t value2; /* ms: gap, age ... by kind */
    uint32_t member; /* who of the household did it; 0: nobody of them */
};

/* The live pipe, camera process -> front: SOCK_SEQPACKET, each message at most 128 KiB: this head
 * and a piece of the body (record || viewer nonces || access unit). The front puts pieces together
 * by `frame`; a missing piece drops the frame. The camera process never blocks on it: when it is
 * full the frame is dropped, and all until the next key frame. */
struct dw_live_head {
    uint64_t frame; /* counter of the camera process */
    uint64_t arrived_ms;
    uint32_t total, offset; /* bytes */
    uint16_t record_len;
    uint8_t viewers, is_key;
    uint8_t camera_class;
    uint8_t pad[3];
};
#define DW_LIVE_PIECE_MAX (128u * 1024u)

/* Size of a type's struct; 0 for a type that does not exist. */
size_t dw_ipc_size(enum dw_ipc_type type);

/* Fills the head and sends; never blocks. DW_E_BUSY: the socket is full, nothing was sent.
 * DW_E_IO: the other side is gone. */
DW_MUST_USE dw_err dw_ipc_send(int fd, enum dw_ipc_type type, void *message);
/* The same with one descriptor (DW_IPC_PIPE). */
DW_MUST_USE dw_err dw_ipc_send_fd(int fd, enum dw_ipc_type type, void *message, int passed);

/* Receives one message into `ret_message` (aligned, `cap` >= the largest struct). `*ret_fd` is -1
 * or a descriptor now owned by the caller. DW_E_BUSY: nothing there. DW_E_IO: closed. DW_E_INVALID:
 * a message of wrong type, size or build; the sender must be ended. */
DW_MUST_USE dw_err dw_ipc_receive(int fd, void *ret_message, size_t cap, enum dw_ipc_type *ret_type,
                                  int *ret_fd);

const char *dw_story_word(enum dw_story s);
/* The word for the `value` of a line of that kind; NULL when the kind says all. */
const char *dw_story_value_word(enum dw_story kind, uint32_t value);
/* Of enum dw_grant_change: "asked", "given", "live", "vetoed", "revoked", "refused", "restored". */
const char *dw_grant_change_word(uint32_t change);
/* Of enum dw_camera_mode; what is not one is "unknown". */
const char *dw_camera_mode_word(uint32_t mode);

#endif
