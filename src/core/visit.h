/* core/visit.h - the interlock of one door: decides when the bolt may be withdrawn for a visitor,
 * what must happen when something is lost, and when "locked" may be said.
 *
 * Pure: no I/O, no clock, no allocation, no globals. Feed it events, perform the effects in the
 * order given, report their outcome as new events. The same object code runs in the hub, the
 * simulator, the explorer and the tests. Rules are VIS-n in docs/spec/visit.md and name the
 * I-numbers they serve.
 *
 * Identities are small handles: the shell keeps what they stand for (job, visitor, nonces). State
 * has no pointers and no padding; dw_interlock_normalise makes equal situations equal bytes.
 */
#ifndef DW_CORE_VISIT_H
#define DW_CORE_VISIT_H

#include "core/live.h"
#include "core/params.h"
#include "core/types.h"

#define DW_SCREENS   16u /* viewers with a display lease */
#define DW_LOCK_ASKS 8u  /* handles of lock asks, 1..8 */

enum dw_event_type {
    DW_EV_NONE = 0,
    DW_EV_TIMEOUT,
    DW_EV_HELLO,     /* a courier stands at the door: begin the checks */
    DW_EV_PROOF,     /* the courier slid to open; the shell has checked nonces and signature */
    DW_EV_LEAVING,   /* STAY: "I am leaving" */
    DW_EV_LOCK,      /* the lock's word, verified */
    DW_EV_LOCK_LOST, /* link down, process dead, adapter says unreachable */
    DW_EV_LOCK_LINK, /* its link is up again: ask at once; by itself it says nothing about the bolt
                      */
    DW_EV_LOCK_ANSWER, /* the lock refused a command */
    DW_EV_FRAME,       /* one verified frame record */
    DW_EV_FRAME_FAULT, /* a frame that failed its check */
    DW_EV_FRAME_UNPROVEN,
    DW_EV_RECORDED, /* the intent is durable */
    DW_EV_RECORD_FAILED,
    DW_EV_DISK,        /* room to record: yes or no */
    DW_EV_SCREEN_ASKS, /* a screen wants a display lease */
    DW_EV_SCREEN_SAW,  /* it has taken SECURED down */
    DW_EV_SCREEN_GONE, /* its lease runs on [I30] */
    DW_EV_OWNER_LOCK,  /* the red button */
    DW_EV_OWNER_END,
    DW_EV_OWNER_ACKNOWLEDGE, /* alarms seen; an unaccounted opening is cleared */
    DW_EV_OWNER_OPEN,        /* class O: a member's passkey asks for the household's own door */
    DW_EV_MODE,              /* value 1: away; an opening that nobody is known for alarms */
    DW_EV_RESTARTED, /* first event after a start that found an open visit in the durable facts */
    DW_EV_COUNT
};

/* What the lock says, after the shell has verified it. */
struct dw_lock_word {
    uint32_t ask; /* handle of the newest ask that this word answers or is bound to; 0: none */
    uint32_t lock_class; /* enum dw_lock_class, proven now */
    uint32_t bolt, contact, strike, cause;
    uint32_t throws_left;
    uint32_t has_relock; /* class B: own relock time read back and within limits; class A: 1 */
    uint32_t op_count, opening_count;
    uint32_t boot; /* changes when the lock restarted */
};

struct dw_event {
    dw_mono now;
    uint32_t type;  /* enum dw_event_type */
    uint32_t visit; /* handle, > 0, for HELLO PROOF LEAVING RECORDED RECORD_FAILED LOCK_ANSWER
                       OWNER_OPEN */
    /* HELLO; PROOF: `failed` only, what does not hold any more */
    uint64_t passed, failed; /* bits of enum dw_check that the shell has judged; neither: unknown */
    uint32_t kind;           /* enum dw_visit_kind */
    uint32_t openings, dwell_ms, camera_class;
    /* SCREEN_*: slot. DISK: 1 room. RECORDED: handle of the intent. */
    uint32_t value;
    uint32_t pad;
    struct dw_lock_word lock;
    struct dw_frame_seen frame;
    uint32_t pad1;
};

enum dw_fx_type {
    DW_FX_NONE = 0,
    DW_FX_ASK_CAMERA,   /* a: nonce handle, b: 1 key frame wanted: draw 32 bytes, sign, send */
    DW_FX_ASK_LOCK,     /* a: ask handle: draw 32 bytes, sign, send */
    DW_FX_RECORD_START, /* of this visit */
    DW_FX_RECORD_STOP,
    DW_FX_INTENT, /* a: intent handle: make the record durable, consume the parcel, then RECORDED */
    DW_FX_RETRACT, /* the one effect that withdraws the bolt. a: lease ms, b: dwell ms */
    DW_FX_THROW,
    DW_FX_OFFER,      /* a: enum dw_check; NONE is "ready", b: ms it stands */
    DW_FX_NEWS,       /* a: enum dw_visit_state, told to the service */
    DW_FX_RECEIPT,    /* a: enum dw_outcome, b: enum dw_check (REFUSED) */
    DW_FX_CONFIRMED,  /* a: outcome that a SECURED_UNCONFIRMED became */
    DW_FX_DISPLAY,    /* a: slot, b: lease ms (0: not secured) */
    DW_FX_OPENING,    /* screens must take SECURED down now */
    DW_FX_ALARM,      /* a: enum dw_alarm */
    DW_FX_ALARM_OVER, /* a: enum dw_alarm */
    DW_FX_STORY,      /* a: enum dw_story_note, b: value */
    DW_FX_COUNT
};

/* Notes for the record and the story that are not told by another effect. */
enum dw_story_note {
    DW_NOTE_NONE = 0,
    DW_NOTE_CAMERA,   /* b: enum dw_camera_state */
    DW_NOTE_DOOR,     /* b: bolt | contact << 8 | strike << 16 */
    DW_NOTE_DEGRADED, /* b: enum dw_alarm that began it */
    DW_NOTE_EGRESS,   /* opened from inside */
    DW_NOTE_OPENING,  /* b: enum dw_cause */
    DW_NOTE_SECURED,  /* sensed */
    DW_NOTE_COUNT
};

#define DW_FX_MAX 40u
struct dw_effects {
    uint32_t count;
    uint32_t pad;
    struct {
        uint32_t type, visit, a, b;
        dw_mono expires; /* RETRACT, THROW: not sent after this */
    } at[DW_FX_MAX];
};

struct dw_interlock {
    struct dw_params params;
    dw_mono now;

    /* the visit */
    dw_mono state_at;        /* when it entered the state */
    dw_mono opened_at;       /* first opening from outside; DW_NEVER: not opened */
    dw_mono retracted_at;    /* when the retract was sent; DW_NEVER: not */
    dw_mono proof_at;        /* when the opening was proven to be wanted; DW_NEVER: not */
    dw_mono ended_by;        /* visit bound; DW_NEVER: none */
    dw_mono watch_end;       /* DROP: an inside opening alarms until then; DW_NEVER: not watching */
    dw_mono stuck_at;        /* since when it will not lock; DW_NEVER: no */
    dw_mono throw_again;     /* next repeated throw; DW_NEVER: none */
    dw_mono nonce_due;       /* next camera nonce */
    dw_mono lock_ask_due;    /* next lock ask; DW_NEVER: none planned */
    uint64_t passed, failed; /* checks of the shell */
    uint32_t visit;          /* handle; 0: none */
    uint32_t state;          /* enum dw_visit_state */
    uint32_t kind, openings_left, dwell_ms, camera_class;
    uint32_t camera_nonce; /* the one that the visit waits for; 0: none */
    uint32_t lock_ask;     /* likewise */
    uint32_t intent;       /* handle; 0: none */
    uint32_t is_recorded, is_recording, is_degraded, has_opened,
        has_bolted; /* has_bolted: thrown since the opening */
    uint32_t is_leaving, is_tampered, has_gap, is_released;
    uint32_t was_egress; /* the last opening was by the inside handle */
    uint32_t is_owner;   /* class O: not a visitor, the household itself */
    uint32_t is_away;    /* of the home, not of the visit */
    uint32_t last_outcome;
    uint32_t alarms;       /* bits that are on */
    uint32_t camera_state; /* last told */
    uint32_t has_room;
    uint32_t pad;

    /* the lock's word */
    dw_mono lock_at;     /* when it arrived; DW_NEVER: never heard */
    dw_mono lock_proven; /* it was said after this (issue of the ask it is bound to); DW_NEVER:
                            unproven */
    dw_mono closed_at;   /* when a word first said CLOSED after OPEN; DW_NEVER: not seen closing */
    dw_mono lock_asked[DW_LOCK_ASKS + 1]; /* issue times; DW_NEVER: not out */
    struct dw_lock_word lock;
    uint32_t lock_newest_ask;
    uint32_t is_lock_lost;
    uint32_t is_unaccounted; /* until the owner acknowledges [I37] */
    uint32_t is_recovering;  /* after a restart in a visit: lock as soon as it can be */
    uint32_t is_secured;     /* last told */
    /* VIS-23: what of the lock's counts is ours */
    uint32_t has_counts;     /* `lock` holds counts to compare with, of this boot or before it */
    uint32_t is_retract_out; /* a retract was sent, and no movement has been counted since */
    uint32_t is_opening_out; /* a restart found a visit open: its opening may not be counted yet */
    uint32_t pad1;

    dw_mono lease_end[DW_SCREENS]; /* display leases; 0: none */

    struct dw_live live;
};

/* `k` is the caller's memory; `params` is copied. Nothing is known: no visitor can open. */
void dw_interlock_init(struct dw_interlock *k, const struct dw_params *params, dw_mono now);

/* VIS-23 [I37]: what an interlock before this one had last heard of a class A lock (bolt, counts,
 * boot), and whether the household has still to look. After init, before the first event. */
void dw_interlock_resume(struct dw_interlock *k, const struct dw_lock_word *was,
                         bool is_unaccounted);

/* Other parameters; call it while no visit is under way. */
void dw_interlock_set_params(struct dw_interlock *k, const struct dw_params *params);

/* Apply one event. `ev` is borrowed; `fx` is overwritten, never appended to. A refusal is not an
 * error: it is DW_OK with an OFFER or RECEIPT effect. DW_E_CLOCK: ev->now is before the last
 * event's. Nothing changed: keep the door locked and alert. */
DW_MUST_USE dw_err dw_interlock_step(struct dw_interlock *k, const struct dw_event *ev,
                                     struct dw_effects *fx);

/* When to feed DW_EV_TIMEOUT if nothing else happens first. Always in the future of the last event.
 */
dw_mono dw_interlock_deadline(const struct dw_interlock *k);

/* VIS-12 [I29, I33, I34]: bolt, contact and strike agree, and were said after the last closing. */
bool dw_interlock_is_secured(const struct dw_interlock *k, dw_mono now);
/* Bolt and contact as they may be shown at `now`: UNKNOWN when the word is too old [I32]. */
enum dw_bolt dw_interlock_bolt(const struct dw_interlock *k, dw_mono now);
enum dw_contact dw_interlock_contact(const struct dw_interlock *k, dw_mono now);
uint32_t dw_interlock_lock_age_ms(const struct dw_interlock *k, dw_mono now);
/* Between asking for the opening and the end: screens may not say SECURED. */
bool dw_interlock_is_opening(const struct dw_interlock *k);
/* The checks that hold now for a visit of this kind, as a mask of enum dw_check, from what is
 * sensed. */
uint64_t dw_interlock_equipment(const struct dw_interlock *k, uint32_t camera_class, dw_mono now);

/* Copies `k` with every time as "deadline - now" (capped) and counters reduced, for hashing. */
void dw_interlock_normalise(const struct dw_interlock *k, struct dw_interlock *ret_k);

#endif
