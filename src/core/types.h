/* core/types.h - words of the door: what is sensed, what is refused, what a visit becomes.
 *
 * In every enumeration zero is the safe value: unknown, refused, nothing. UNKNOWN is a value of its
 * own and is never rounded to closed, locked or OK [I32].
 */
#ifndef DW_CORE_TYPES_H
#define DW_CORE_TYPES_H

#include "core/base.h"

/* The bolt as sensed. THROWN is extended (locked); RETRACTED is withdrawn. */
enum dw_bolt {
    DW_BOLT_UNKNOWN = 0,
    DW_BOLT_THROWN,
    DW_BOLT_RETRACTED,
    DW_BOLT_MOVING,
    DW_BOLT_JAMMED,
    DW_BOLT_COUNT
};

/* The door leaf as its contact senses it. */
enum dw_contact { DW_CONTACT_UNKNOWN = 0, DW_CONTACT_CLOSED, DW_CONTACT_OPEN, DW_CONTACT_COUNT };

/* Whether the bolt stands in the strike plate. ABSENT: this lock has no such sensor (class L-B). */
enum dw_strike {
    DW_STRIKE_UNKNOWN = 0,
    DW_STRIKE_IN,
    DW_STRIKE_OUT,
    DW_STRIKE_ABSENT,
    DW_STRIKE_COUNT
};

/* How the last opening came about, as far as the lock can tell [I19]. */
enum dw_cause {
    DW_CAUSE_UNKNOWN = 0,
    DW_CAUSE_COMMAND, /* opened from outside after a commanded retract */
    DW_CAUSE_INSIDE,  /* inside handle: EGRESS, never authority, never blocked */
    DW_CAUSE_KEY,     /* mechanical key or keypad, class O */
    DW_CAUSE_FORCED,  /* contact opened with the bolt thrown */
    DW_CAUSE_COUNT
};

/* Lock classes [protocol 2]. C is the zero value: owner functions only, no visitors [I22]. */
enum dw_lock_class { DW_LOCK_C = 0, DW_LOCK_B, DW_LOCK_A, DW_LOCK_CLASS_COUNT };

/* Camera classes [protocol 2b]. K0 is plain RTSP. */
enum dw_camera_class {
    DW_CAMERA_K0 = 0,
    DW_CAMERA_K1,
    DW_CAMERA_K2,
    DW_CAMERA_K3,
    DW_CAMERA_CLASS_COUNT
};

enum dw_visit_kind { DW_VISIT_DROP = 0, DW_VISIT_STAY, DW_VISIT_KIND_COUNT };

/* What the camera is, judged by stamps and sequence of verified frames only [wifi.md 1]. */
#define DW_CAMERA_STATE_LIST(X) \
    X(UNKNOWN, "unknown")       \
    X(LIVE, "live")             \
    X(LATE, "late")             \
    X(BLIND, "blind")           \
    X(FROZEN, "frozen")         \
    X(COVERED, "covered")       \
    X(TAMPERED, "tampered")     \
    X(UNPROVEN, "unproven") /* pictures arrive but the camera cannot prove them (K0) */

enum dw_camera_state {
#define X(name, word) DW_CAMERA_##name,
    DW_CAMERA_STATE_LIST(X)
#undef X
        DW_CAMERA_STATE_COUNT
};

/* The checks before opening, in the order in which a refusal is named. For each: code, what the
 * courier is told, what to do next. The code is part of the API and never changes its meaning. */
#define DW_CHECK_LIST(X)                                                                         \
    X(MESSAGE, "bad_message", "The request could not be read.",                                  \
      "Try again; if it stays, call us.")                                                        \
    X(HOME, "wrong_home", "This parcel belongs to another home.",                                \
      "Check the address of the stop.")                                                          \
    X(DOOR, "wrong_door", "This is not the door of this visit.", "Look for the right door.")     \
    X(JOB, "no_such_job", "There is no open job like this.", "Ask your dispatcher.")             \
    X(ASSIGNED, "not_assigned", "This stop is not assigned to you.", "Ask your dispatcher.")     \
    X(SCREENING, "screening", "Your screening is not valid today.", "Ask your dispatcher.")      \
    X(PARCEL, "wrong_parcel", "This parcel does not belong to this stop.",                       \
      "Scan the right parcel, or use the next place on the list.")                               \
    X(PARCEL_USED, "parcel_used", "This parcel was already delivered.",                          \
      "Scan the right parcel, or use the next place on the list.")                               \
    X(PERMISSION, "no_permission", "The household has not permitted this.",                      \
      "Use the next place on the list.")                                                         \
    X(EARLY, "too_early", "The delivery window has not begun.", "Come back inside the window.")  \
    X(LATE, "too_late", "The delivery window is over.", "Use the next place on the list.")       \
    X(CLOCK, "clock", "The house is not sure of the time.", "Use the next place on the list.")   \
    X(LOCATION, "location", "You are not near this door.", "Go to the door and try again.")      \
    X(OTHER_VISIT, "other_visit", "Another visit is under way.", "Wait until it is over.")       \
    X(LOCK_CLASS, "lock_class", "This lock cannot relock by itself, so it serves no visitors.",  \
      "Use the next place on the list.")                                                         \
    X(LOCK_REACHABLE, "lock_unreachable", "The lock does not answer.",                           \
      "Use the next place on the list.")                                                         \
    X(LOCK_RELOCK, "lock_relock", "The lock's own relock time is not set as it must be.",        \
      "Use the next place on the list.")                                                         \
    X(DOOR_CLOSED, "door_not_closed", "The door is not closed.",                                 \
      "Use the next place on the list.")                                                         \
    X(BOLT_THROWN, "bolt_not_thrown", "The bolt is not out.", "Use the next place on the list.") \
    X(BATTERY, "lock_battery", "The lock's battery is too low.",                                 \
      "Use the next place on the list.")                                                         \
    X(UNACCOUNTED, "unaccounted_opening", "The lock moved without us; the household must look.", \
      "Use the next place on the list.")                                                         \
    X(CAMERA_CLASS, "camera_class", "This camera cannot prove that it is live.",                 \
      "Use the next place on the list.")                                                         \
    X(CAMERA_LIVE, "camera_not_live", "The camera is not live.",                                 \
      "Wait a moment and try once more, or use the next place on the list.")                     \
    X(CAMERA_FROZEN, "camera_frozen", "The camera shows the same picture again and again.",      \
      "Use the next place on the list.")                                                         \
    X(CAMERA_COVERED, "camera_covered", "The camera is covered or dark.",                        \
      "Use the next place on the list.")                                                         \
    X(CAMERA_TAMPERED, "camera_tampered", "The camera's pictures were changed or replayed.",     \
      "Use the next place on the list.")                                                         \
    X(DISK, "disk_full", "There is no room to record.", "Use the next place on the list.")       \
    X(RECORD, "record", "The record could not be written.", "Try once more.")                    \
    X(PROOF, "proof", "The confirmation was not valid.", "Try once more.")                       \
    X(EXPIRED, "too_slow", "It took too long.", "Scan again.")                                   \
    X(ENDED, "ended_by_household", "The household ended the visit.",                             \
      "Use the next place on the list.")                                                         \
    X(HUB_UNREACHABLE, "hub_unreachable", "The house does not answer.",                          \
      "Use the next place on the list.")

enum dw_check {
    DW_CHECK_NONE = 0,
#define X(name, code, text, next) DW_CHECK_##name,
    DW_CHECK_LIST(X)
#undef X
        DW_CHECK_COUNT
};

/* Zero is unknown, and unknown does not pass. */
enum dw_answer { DW_ANSWER_UNKNOWN = 0, DW_ANSWER_PASS, DW_ANSWER_FAIL };

/* States of a visit on the door, as the hub sees it. Words are the API's. */
#define DW_VISIT_STATE_LIST(X)                                                                  \
    X(NONE, "none")           /* no visit */                                                    \
    X(ASKED, "checking")      /* checks run: lock asked, recording started */                   \
    X(READY, "ready")         /* all checks passed; waits for the slide */                      \
    X(INTENT, "recording")    /* the intent is being made durable, display leases run out */    \
    X(LOOKING, "looking")     /* camera nonce is out; waits for the frame that carries it */    \
    X(RETRACTING, "opening")  /* command sent; not sensed yet */                                \
    X(UNLOCKED, "unlocked")   /* bolt sensed retracted, door closed */                          \
    X(INSIDE, "inside")       /* door sensed open */                                            \
    X(CLOSING, "closing")     /* door sensed closed again; bolt not yet sensed in the strike */ \
    X(BETWEEN, "between")     /* STAY: locked between two openings */                           \
    X(WATCH, "watch")         /* over and locked; watching for somebody left inside */          \
    X(STUCK, "not_secured")   /* will not lock; household and dispatcher alarmed */             \
    X(UNHEARD, "unconfirmed") /* over, but the lock has not been heard since */

enum dw_visit_state {
#define X(name, word) DW_VISIT_##name,
    DW_VISIT_STATE_LIST(X)
#undef X
        DW_VISIT_STATE_COUNT
};

/* How a visit ended. NONE: not ended. */
#define DW_OUTCOME_LIST(X)                                                                      \
    X(NONE)                                                                                     \
    X(REFUSED) /* never opened; see the check */                                                \
    X(OK)                                                                                       \
    X(SECURED_WITH_GAP)    /* locked and sensed, but the camera was blind for a while */        \
    X(SECURED_TAMPERED)    /* locked and sensed, but pictures were frozen, changed, replayed */ \
    X(SECURED_UNCONFIRMED) /* the lock has not been heard; never shown as locked */             \
    X(NOT_SECURED)         /* the door is open or will not lock */                              \
    X(NOT_OPENED)          /* bolt withdrawn, nobody opened, locked again */                    \
    X(ABORTED)             /* the hub restarted in the middle; the record says so */

enum dw_outcome {
#define X(name) DW_OUTCOME_##name,
    DW_OUTCOME_LIST(X)
#undef X
        DW_OUTCOME_COUNT
};

/* Alarms: code and the sentence for the household. */
#define DW_ALARM_LIST(X)                                                                           \
    X(CAMERA_BLIND, "camera_blind", "The camera is blind during a visit.")                         \
    X(CAMERA_FROZEN, "camera_frozen", "The camera's picture is frozen during a visit.")            \
    X(CAMERA_COVERED, "camera_covered", "The camera is covered or dark during a visit.")           \
    X(CAMERA_TAMPERED, "camera_tampered", "Pictures were changed or replayed.")                    \
    X(LOCK_SILENT, "lock_silent", "The lock has not been heard during a visit.")                   \
    X(HELD_OPEN, "held_open", "The door is being held open.")                                      \
    X(NOT_SECURED, "not_secured", "The door will not lock.")                                       \
    X(SECOND_OPENING, "second_opening", "The door was opened a second time.")                      \
    X(SOMEONE_INSIDE, "someone_inside", "Someone may be inside: the door was opened from inside.") \
    X(FORCED, "forced", "The door was opened while bolted.")                                       \
    X(UNACCOUNTED, "unaccounted", "The lock moved without a command of ours.")                     \
    X(JAMMED, "jammed", "The bolt is jammed.")                                                     \
    X(RESTARTED, "restarted", "The hub restarted during a visit.")                                 \
    X(OVERSTAY, "overstay", "The visitor is inside for longer than agreed.")                       \
    X(UNKNOWN_OPENING, "unknown_opening", "The door was opened while everybody is away.")

enum dw_alarm {
#define X(name, code, text) DW_ALARM_##name,
    DW_ALARM_LIST(X)
#undef X
        DW_ALARM_COUNT
};

/* Words and sentences of the lists above; never NULL. Out-of-range gives "?". */
const char *dw_bolt_word(enum dw_bolt v);
const char *dw_contact_word(enum dw_contact v);
const char *dw_strike_word(enum dw_strike v);
const char *dw_cause_word(enum dw_cause v);
const char *dw_camera_state_word(enum dw_camera_state v);
const char *dw_visit_state_word(enum dw_visit_state v);
/* One word for where a visit stands: that of its state, or, as it was slid or is over: sent (the
 * slide has gone to the hub, which has not answered yet), refused, ended. */
const char *dw_visit_progress_word(enum dw_visit_state state, enum dw_outcome outcome,
                                   bool is_slid);
const char *dw_outcome_word(enum dw_outcome v); /* "OK", "SECURED_WITH_GAP", ... */
const char *dw_check_code(enum dw_check v);     /* "wrong_parcel" */
const char *dw_check_text(enum dw_check v);
const char *dw_check_next(enum dw_check v);
const char *dw_alarm_code(enum dw_alarm v);
const char *dw_alarm_text(enum dw_alarm v);

#endif
