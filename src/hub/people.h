/* hub/people.h - the household's people between front and guard: passkeys, acts, wishes.
 *
 * The guard keeps who lives here and their passkeys, gives every challenge and checks every
 * assertion itself; the front keeps sessions and can therefore show and say what a session may, but
 * cannot do anything that needs a passkey. One question, one answer, joined by `ticket`. All
 * structs are fixed; the fields that an op does not name are zero.
 */
#ifndef DW_HUB_PEOPLE_H
#define DW_HUB_PEOPLE_H

#include "core/base.h"
#include "wire/grant.h"
#include "wire/wish.h" /* enum dw_wish_kind, enum dw_note_kind */

/* First in every message. */
struct dw_ipc_head {
    uint16_t type; /* enum dw_ipc_type */
    uint16_t size; /* of the whole message */
    uint32_t build_id;
};

#define DW_RESIDENTS_MAX   8u /* who live here */
#define DW_GUESTS_MAX      8u /* have places of their own */
#define DW_MEMBERS_MAX     (DW_RESIDENTS_MAX + DW_GUESTS_MAX)
#define DW_CREDENTIALS_MAX (24u + DW_GUESTS_MAX) /* a guest has one */
#define DW_INVITES_MAX     8u
#define DW_CRED_ID_MAX     128u

/* OWNER may do everything; OCCUPANT watches, presses the red button, opens own doors, decides on
 * deliveries; changes no people and no settings. GUEST does not live here: may ask to be let in by
 * a grant that names the one passkey, and nothing else [docs/design/guests.md]. */
enum dw_member_role {
    DW_MEMBER_NONE = 0,
    DW_MEMBER_OWNER,
    DW_MEMBER_OCCUPANT,
    DW_MEMBER_GUEST,
    DW_MEMBER_COUNT
};

/* ON: pictures when somebody looks. VISITS: pictures only during visits. OFF: none outside visits
 * and the page says so (a visit always needs the camera). AWAY: as ON, and an opening that nobody
 * is known for alarms. UNKNOWN is shown as not known. */
enum dw_camera_mode {
    DW_MODE_UNKNOWN = 0,
    DW_MODE_ON,
    DW_MODE_VISITS,
    DW_MODE_OFF,
    DW_MODE_AWAY,
    DW_MODE_COUNT
};

/* What a challenge was given for. An assertion over it counts for that and nothing else [I3]. */
enum dw_act {
    DW_ACT_NONE = 0,
    DW_ACT_SIGN_IN,
    DW_ACT_JOIN,           /* registration with an invitation */
    DW_ACT_UNLOCK,         /* my door, class O */
    DW_ACT_LET_IN,         /* the person I am watching, class O */
    DW_ACT_INVITE,         /* `role`, `name`: a new member */
    DW_ACT_ADD_PASSKEY,    /* one more for the member who asks. This, an invitation of an owner and
                              the removal of one need a presence (doorward presence) [I7] */
    DW_ACT_REMOVE_MEMBER,  /* `target` */
    DW_ACT_REMOVE_PASSKEY, /* `credential` */
    DW_ACT_REMOVE_INVITE,  /* `target`: its number */
    DW_ACT_SET_PARAM,      /* `name`: field of DW_PARAM_LIST, `value`: tighter or as permitted */
    DW_ACT_ALLOW_AGENCY,   /* `id`: allowed again; stopping needs no passkey */
    DW_ACT_NEW_RECOVERY,   /* new recovery code, shown once in the answer's `text` */
    DW_ACT_GRANT,          /* `id`: agency, or `target`: guest; `grant`: the rest; owners only. The
                              passkey that must
                              sign is `credential`, or when none is named the member's that was used
                              last; the answer of BEGIN says which */
    DW_ACT_CAMERA_KEY, /* `text`: 64 hex digits, the camera's public key from now on. Owners, with
                          a presence, not in a visit. Signed is its thumbprint: 16 bytes as
                          target, the next 8 as value */
    DW_ACT_LOCK_KEY,   /* the same for the lock */
    DW_ACT_COUNT
};

enum dw_people_op {
    DW_PEOPLE_NONE = 0,
    DW_PEOPLE_BEGIN,   /* act, member (0 for SIGN_IN, JOIN), act's fields; JOIN: token.
                          Answer: challenge; JOIN: name, role, user */
    DW_PEOPLE_JOIN,    /* challenge, client_data, auth (attestation object), name (label of the
                          passkey), text (first owner: their own name). Answer: member, role, is_first;
                          first owner: `text` = recovery    code, shown once */
    DW_PEOPLE_SIGN_IN, /* challenge, credential, auth, client_data, signature. Answer: member */
    DW_PEOPLE_ACT,     /* the same five, for the act the challenge was given for. Answer by act:
                          INVITE, ADD_PASSKEY: text = token of the invitation (once) */
    DW_PEOPLE_LOOK,    /* token: what an invitation is for. Answer: name, role, until_utc_ms */
    DW_PEOPLE_MODE,    /* member, value = enum dw_camera_mode */
    DW_PEOPLE_WISH,    /* member, id = job or agency, wish fields */
    DW_PEOPLE_STORY,   /* value = first number wanted: lines follow as DW_IPC_STORY (at most 256),
                          then the answer with value = number of the newest line */
    DW_PEOPLE_RECOVER, /* name = recovery code; needs presence (doorward presence, at the hub).
                          Answer: until_utc_ms when a new owner may join, text = token for then */
    DW_PEOPLE_RECOVER_STOP, /* member: stops a recovery under way */
    DW_PEOPLE_REVOKE,       /* member (an owner), id = grant. Answer, once durable: value = epoch,
                               until_utc_ms = when it was written */
    DW_PEOPLE_VETO,   /* member (anybody who lives here), id = grant, while it waits. The same */
    DW_PEOPLE_EXPECT, /* member (anybody who lives here), text = barcode, name = note or "": where
                         a grant asks each time, this parcel is let in without being asked for */
    DW_PEOPLE_EXPECT_NOT, /* member, text = barcode: no longer */
    /* A guest's; answered at once, what comes of it is told by DW_IPC_GUEST. */
    DW_PEOPLE_GUEST_ASK,   /* member, challenge = nonce of the page. Answer: value = visit */
    DW_PEOPLE_GUEST_STOP,  /* member, credential, auth, client_data, signature: over `stop` */
    DW_PEOPLE_GUEST_LEAVE, /* member: the stay ends when the door is locked */
    DW_PEOPLE_OP_COUNT
};

/* Why the guard says no. Words are the page's (web/shared/strings). */
#define DW_PEOPLE_NO_LIST(X)                                                                     \
    X(CHALLENGE, "challenge") /* unknown, used, for another purpose, or older than 5 min */      \
    X(PASSKEY, "passkey")     /* not one of this house, or its signature does not hold */        \
    X(ORIGIN, "origin")       /* made for another page */                                        \
    X(VERIFICATION, "user_verification") /* the person was not verified on the device */         \
    X(ROLE, "role")                                                                              \
    X(TOKEN, "invitation")          /* unknown, used or run out */                               \
    X(FULL, "full")                 /* as many members, passkeys or invitations as fit */        \
    X(LAST_OWNER, "last_owner")     /* somebody must be able to change things */                 \
    X(TWO_PASSKEYS, "two_passkeys") /* owners keep at least two [protocol 7] */                  \
    X(NOT_TIGHTER, "not_tighter")                                                                \
    X(NAME, "name")                                                                              \
    X(NO_SUCH, "no_such")                                                                        \
    X(PRESENCE, "presence")         /* nobody confirmed at the hub itself */                     \
    X(DOOR_BUSY, "door_busy")       /* a visit is under way */                                   \
    X(DOOR_UNKNOWN, "door_unknown") /* the lock has not been heard; it is not asked to open */   \
    X(STORAGE, "storage")                                                                        \
    X(TOO_MANY, "too_many")   /* tries; wait */                                                  \
    X(DOOR_OPEN, "door_open") /* it is not locked; there is nothing to open */                   \
    X(RECOVERY, "recovery")   /* one is under way: nothing opens; stop it first */               \
    X(SCOPE, "scope")         /* a grant of no form that is known: windows, days, uses, times */ \
    X(CLOCK, "clock")         /* the time is not known: nothing with a time can be signed */     \
    X(NOT_WAITING, "not_waiting") /* it is live, or over; revoke it instead */                   \
    X(BARCODE,                                                                                   \
      "barcode") /* nothing that a scanner reads: letters, figures and signs, at most 128 */     \
    X(PERMISSION, "no_permission") /* a guest without a live grant that has a use left */        \
    X(EARLY, "too_early")          /* a guest outside of the times of the grant */

enum dw_people_no {
    DW_PEOPLE_NO_NONE = 0, /* it is done */
#define X(name, code) DW_PEOPLE_NO_##name,
    DW_PEOPLE_NO_LIST(X)
#undef X
        DW_PEOPLE_NO_COUNT
};
const char *dw_people_no_code(enum dw_people_no no); /* "" for NONE */

/* `value` of a line DW_STORY_PEOPLE; `value2` is the member or number that it is about. A line
 * DW_STORY_SETTING carries the new value and the place in DW_PARAM_LIST, CAMERA_MODE the mode, WISH
 * the kind and the number of the wish (kind 0: the service could not carry it out, value2 is the
 * enum dw_wish_no), UNLOCK_INTENT the enum dw_act (0: a visitor). */
enum dw_people_change {
    DW_CHANGE_NONE = 0,
    DW_CHANGE_JOINED,
    DW_CHANGE_PASSKEY_ADDED,
    DW_CHANGE_MEMBER_REMOVED,
    DW_CHANGE_PASSKEY_REMOVED,
    DW_CHANGE_INVITED,
    DW_CHANGE_INVITE_REMOVED,
    DW_CHANGE_NEW_RECOVERY,
    DW_CHANGE_RECOVERY_BEGUN, /* everybody must hear of this */
    DW_CHANGE_RECOVERY_STOPPED,
    DW_CHANGE_RECOVERED, /* somebody has become an owner by it */
    DW_CHANGE_PRESENCE,  /* somebody confirmed at the hub itself; value2: the enum dw_act it counted
                            for */
    DW_CHANGE_CAMERA_KEY, /* another camera is enrolled; value2: first bytes of its thumbprint */
    DW_CHANGE_LOCK_KEY,
    DW_CHANGE_COUNT
};

/* `value` of a line DW_STORY_GRANT; `value2` is the first four bytes of the grant's or agency's id.
 * REFUSED: `value2` is the enum dw_chain_no of crypto/chain.h. */
enum dw_grant_change {
    DW_GRANT_CHANGE_NONE = 0,
    DW_GRANT_CHANGE_ASKED,  /* an agency asks for one */
    DW_GRANT_CHANGE_SIGNED, /* it waits */
    DW_GRANT_CHANGE_LIVE,
    DW_GRANT_CHANGE_VETOED,
    DW_GRANT_CHANGE_REVOKED,
    DW_GRANT_CHANGE_REFUSED,  /* an agency asked for more than it may: nothing was stored */
    DW_GRANT_CHANGE_RESTORED, /* the lock remembers more than this hub: no visitors until an owner
                                 acknowledges; value2 0 again when one has: 1 */
    DW_GRANT_CHANGE_EXPECTED, /* a parcel is on the list of those expected (value2 1), or no longer
                                 (0) */
    DW_GRANT_CHANGE_COUNT
};

/* What the owner chose; the hub adds the rest and writes the bytes. */
struct dw_people_grant {
    uint8_t kind; /* enum dw_visit_kind */
    uint8_t mode; /* enum dw_grant_mode */
    uint8_t per_day, window_count;
    uint16_t uses, days; /* days: from today on, 1..DW_GRANT_DAYS_MAX */
    uint32_t dwell_ms;
    struct dw_week_window window[DW_GRANT_WINDOWS_MAX]; /* ascending */
};

struct dw_ipc_people_ask {
    struct dw_ipc_head head;
    uint32_t ticket;
    uint8_t op, act, role, wish;
    uint32_t member; /* whose session asks; 0: none */
    uint32_t target;
    uint64_t value;
    uint8_t id[16];        /* job or agency */
    uint8_t challenge[32]; /* for all but BEGIN: the one the guard gave */
    char token[48];
    char name[DW_NAME_MAX];
    char text[256];
    struct dw_civil_window window;
    struct dw_people_grant grant; /* BEGIN of DW_ACT_GRANT */
    uint16_t credential_len, client_data_len, auth_len, signature_len;
    uint8_t credential[DW_CRED_ID_MAX];
    uint8_t client_data[1024]; /* clientDataJSON */
    uint8_t auth[1024];        /* authenticator data; JOIN: attestation object (format none) */
    uint8_t signature[128];
};

struct dw_ipc_people_answer {
    struct dw_ipc_head head;
    uint32_t ticket;
    uint8_t op, no, role, is_first; /* no: enum dw_people_no */
    uint32_t member;
    uint16_t bytes_len, credential_len; /* BEGIN */
    uint64_t value;
    int64_t until_utc_ms;
    uint8_t challenge[32];
    uint8_t user[16]; /* WebAuthn user handle */
    uint8_t id[16];   /* ACT of DW_ACT_GRANT: the grant */
    char name[DW_NAME_MAX];
    char text[256];
    uint8_t bytes[1024]; /* BEGIN of an act: what its challenge is the hash of (a grant or a control
                            statement), so that the page can show it. SIGN_IN, JOIN: none */
    uint8_t credential[DW_CRED_ID_MAX]; /* BEGIN of DW_ACT_GRANT: the passkey that must sign;
                                           SIGN_IN, JOIN: the one that did */
};

/* Agencies that asked, and grants [docs/design/authority.md]; after each change, and to a new
 * front. */
#define DW_AGENCIES_MAX 32u
#define DW_GRANTS_MAX   32u
enum dw_grant_state {
    DW_GRANT_STATE_NONE = 0,
    DW_GRANT_STATE_WAITING, /* signed; live at `live_at_ms` unless somebody vetoes it */
    DW_GRANT_STATE_LIVE,
    DW_GRANT_STATE_VETOED,
    DW_GRANT_STATE_REVOKED,
    DW_GRANT_STATE_EXPIRED,
    DW_GRANT_STATE_COUNT
};
struct dw_ipc_agency {
    uint8_t id[16], key[32]; /* key: thumbprint */
    uint8_t is_hosted;
    uint8_t is_waiting; /* asks and has no grant yet: a card */
    uint8_t pad[6];
    int64_t asked_utc_ms;
    char name[DW_NAME_MAX];
};
struct dw_ipc_grant {
    uint8_t id[16], agency[16];
    uint8_t state, kind, mode, per_day, window_count, camera_class, is_hosted, door;
    uint8_t
        is_over_stored; /* revoked or vetoed, and that is on the disk: so after a power cut too */
    uint8_t has_today, used_today; /* has_today 0: the day is not known */
    uint8_t pad[5];
    uint16_t uses, used;
    uint32_t dwell_ms, signed_by /* member */, epoch;
    uint32_t guest; /* member; 0: an agency's */
    uint32_t pad2;
    int64_t nbf_s, exp_s;
    int64_t live_at_ms, signed_at_ms, over_at_ms; /* UTC; over: revoked or vetoed, 0: not */
    struct dw_week_window window[DW_GRANT_WINDOWS_MAX];
    char zone[DW_NAME_MAX], name[DW_NAME_MAX]; /* name: of the agency, as it was signed */
};
struct dw_ipc_grants {
    struct dw_ipc_head head;
    uint32_t agency_count, grant_count, epoch;
    uint32_t is_restored; /* 1: no visitors until an owner acknowledges */
    struct dw_ipc_agency agency[DW_AGENCIES_MAX];
    struct dw_ipc_grant grant[DW_GRANTS_MAX];
};

enum dw_guest_state {
    DW_GUEST_NONE = 0,  /* no live grant */
    DW_GUEST_CAN_ASK,   /* now */
    DW_GUEST_WAITS_YES, /* has asked, and the grant asks the household */
    DW_GUEST_NOT_NOW,   /* outside of its times, or its uses are used up */
    DW_GUEST_STATE_COUNT
};
#define DW_GUEST_MANIFEST_MAX 2304u
/* What one guest's page may know; after each change, and to a new front. */
struct dw_ipc_guest {
    struct dw_ipc_head head;
    uint32_t member;
    uint8_t state; /* enum dw_guest_state */
    uint8_t is_slid;
    uint8_t visit_state, outcome, check;
    uint8_t pad[3];
    uint32_t alarms;         /* bits: enum dw_alarm */
    uint64_t visit;          /* the newest; 0: none since the hub has started */
    uint64_t passed, failed; /* bits: enum dw_check */
    uint64_t until_ms;       /* CLOCK_BOOTTIME; how long the offer stands; 0: it does not */
    uint8_t nonce[32];
    uint8_t hub_pub[32];
    uint16_t offer_len, manifest_len, receipt_len, pad2;
    uint8_t offer[512], receipt[600]; /* COSE_Sign1(hub) */
    uint8_t manifest[DW_GUEST_MANIFEST_MAX];
};

/* Parcels that the household expects; `member` 0: free. One that has come is no longer on it. */
#define DW_EXPECTED_MAX 32u
struct dw_expected {
    uint32_t member; /* who wrote it down */
    uint8_t pad[4];
    int64_t at_utc_ms;
    char code[DW_PARCEL_CODE_MAX + 1]; /* without spaces */
    char note[DW_NAME_MAX];
    uint8_t pad2[7];
};
struct dw_ipc_expected {
    struct dw_ipc_head head;
    uint32_t count;
    uint32_t pad;
    struct dw_expected item[DW_EXPECTED_MAX];
};

struct dw_ipc_member {
    uint32_t id; /* from 1, never reused; 0: free */
    uint8_t role;
    uint8_t pad[3];
    int64_t since_utc_ms;
    char name[DW_NAME_MAX];
};
struct dw_ipc_credential {
    uint32_t member;   /* 0: free */
    uint32_t number;   /* names it in the API */
    uint8_t is_synced; /* backed up by a platform (BS flag) */
    uint8_t id_len;
    uint8_t pad[6];
    int64_t added_utc_ms, used_utc_ms; /* 0: never */
    uint8_t thumb[32];                 /* of its key: names it in a grant */
    uint8_t id[DW_CRED_ID_MAX];
    char label[DW_NAME_MAX];
};
struct dw_ipc_invite {
    uint32_t number; /* 0: free */
    uint8_t role;
    uint8_t pad[3];
    int64_t until_utc_ms;
    char name[DW_NAME_MAX];
};
struct dw_ipc_people {
    struct dw_ipc_head head;
    uint32_t count, credential_count, invite_count, epoch;
    int64_t recovery_utc_ms; /* when a recovery under way may be finished; 0: none */
    uint8_t is_new;          /* nobody has joined yet: the first-owner link counts */
    uint8_t camera_mode;
    uint8_t pad[6];
    struct dw_ipc_member member[DW_MEMBERS_MAX];
    struct dw_ipc_credential credential[DW_CREDENTIALS_MAX];
    struct dw_ipc_invite invite[DW_INVITES_MAX];
};

enum dw_job_state {
    DW_JOB_NONE = 0,
    DW_JOB_EXPECTED,
    DW_JOB_DECLINED, /* by the household, here */
    DW_JOB_RECALLED, /* by the agency */
    DW_JOB_USED,     /* delivered or used up */
    DW_JOB_OVER,     /* its window has passed */
    DW_JOB_STATE_COUNT
};
/* What alert is to tell of a job, once each. */
enum dw_job_news {
    DW_JOB_NEWS_NONE = 0,
    DW_JOB_NEWS_ASKS,  /* it wants a yes */
    DW_JOB_NEWS_COMES, /* it comes unless somebody declines */
    DW_JOB_NEWS_SOON,  /* the same, and its window is about to begin */
    DW_JOB_NEWS_COUNT
};
struct dw_ipc_job {
    struct dw_ipc_head head;
    uint8_t id[16], agency[16];
    uint8_t state, kind, door, openings;
    uint8_t parcel_count, parcels_used, is_agency_stopped;
    uint8_t needs_yes; /* its grant asks each time, and nobody of the household has said yes */
    uint8_t mode;      /* enum dw_grant_mode of its grant; DW_GRANT_MODE_COUNT: it is over */
    uint8_t news;      /* enum dw_job_news */
    uint8_t pad[2];
    uint32_t guest; /* member; 0: an agency's */
    uint32_t revision, dwell_ms;
    int64_t nbf_s, exp_s;
    struct dw_civil_window window;
    int32_t screening_from_day, screening_to_day;
    char zone[DW_NAME_MAX];
    char agency_name[DW_NAME_MAX], visitor_name[DW_NAME_MAX];
    char screening_issuer[DW_NAME_MAX], screening_kind[DW_NAME_MAX];
    char notes[256];
    char place[DW_NAME_MAX]; /* the household's wish; "" none */
};

/* What a visit's number stands for, so that history has names. Sent when it is asked and again
 * before its old lines. */
struct dw_ipc_who {
    struct dw_ipc_head head;
    uint64_t visit;
    uint8_t job[16];
    uint8_t kind, is_owner; /* is_owner: class O, `member` */
    uint8_t pad[2];
    uint32_t member;
    char visitor[DW_NAME_MAX], agency[DW_NAME_MAX];
};

enum dw_alert_channel { DW_ALERT_NONE = 0, DW_ALERT_PUSH, DW_ALERT_NTFY, DW_ALERT_CHANNEL_COUNT };
enum dw_alert_word {
    DW_ALERT_WORD_NONE = 0,
    DW_ALERT_ADD,    /* endpoint, keys; the same endpoint again replaces */
    DW_ALERT_REMOVE, /* endpoint */
    DW_ALERT_FORGET, /* all of `member` */
    DW_ALERT_TEST,   /* one to every place of `member` */
    DW_ALERT_SEEN,   /* `member` has acknowledged: escalation stops */
};
struct dw_ipc_alert_set {
    struct dw_ipc_head head;
    uint32_t member;
    uint8_t word, channel, lang, pad; /* lang: index of the strings catalogue, 0 en, 1 de */
    char endpoint[512];
    uint8_t p256dh[65], auth[16];
    uint8_t pad2[7];
};
struct dw_ipc_alert_done {
    struct dw_ipc_head head;
    uint32_t member;
    uint8_t channel, is_delivered, is_gone,
        pad;               /* is_gone: the place refused for good (404, 410) */
    uint32_t status;       /* HTTP status; 0: not reached */
    uint32_t took_ms;      /* event seen -> handed over */
    uint8_t vapid_pub[65]; /* also sent once at the start: the key browsers subscribe with */
    uint8_t pad2[7];
    char endpoint[512];
};

/* The rules' numbers as they are in force, and the names of the home; on front start and after each
 * change. A member may tighten one (DW_ACT_SET_PARAM): towards its floor; up to its ceiling what
 * VIS-22 names. */
#define DW_PARAMS_MAX 32u
struct dw_ipc_param {
    char field[24]; /* "t_dwell_ms"; "" ends the list */
    uint32_t value, fallback, floor, ceiling;
};
struct dw_ipc_params {
    struct dw_ipc_head head;
    uint32_t count;
    uint32_t pad;
    struct dw_ipc_param param[DW_PARAMS_MAX];
    char home[DW_NAME_MAX]; /* as the service calls it; "" when not paired */
    char door[4][DW_NAME_MAX];
};

struct dw_ipc_live {
    struct dw_ipc_head head;
    uint32_t may_pass; /* 1: pictures may go to the front */
    uint32_t pad;
};
struct dw_ipc_key_wanted {
    struct dw_ipc_head head;
};

#endif
