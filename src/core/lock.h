/* core/lock.h - the rules inside a reference lock (class L-A): lease, lock-on-close, never lock on
 * an open door. What a microcontroller would run; here the process `doorward lock` runs it.
 *
 * Pure: no I/O, clock, allocation, globals. Feed it events, perform the effects in the order given.
 * Rules are LCK-n in docs/spec/visit.md. State has no pointers and no padding: it can be hashed.
 * Nothing here can keep anybody in: the inside handle is mechanical and only sensed [I20]. Nothing
 * here needs a link: closing is done without the hub, seeing without the lock [I16, I17, I26].
 */
#ifndef DW_CORE_LOCK_H
#define DW_CORE_LOCK_H

#include "core/types.h"

enum dw_lock_motion { DW_MOTION_IDLE = 0, DW_MOTION_THROWING, DW_MOTION_RETRACTING };

struct dw_lock_limits {
    uint32_t lease_ms_max; /* a command with more is refused */
    uint32_t dwell_ms_max;
    uint32_t settle_ms;    /* T_settle */
    uint32_t bolt_ms_max;  /* T_bolt: motor time before it counts as jammed */
    uint32_t retry_ms;     /* between throws that jammed */
    uint16_t throws_least; /* energy needed to retract */
    uint16_t retries_max;  /* throws in a row that jammed before it only retries on the long wait */
};

/* The default limits, from core/params.h. */
void dw_lock_limits_default(struct dw_lock_limits *ret_limits);

/* What the body senses now. */
struct dw_lock_sense {
    uint8_t bolt;    /* enum dw_bolt: THROWN, RETRACTED, else UNKNOWN or MOVING (between) */
    uint8_t contact; /* enum dw_contact */
    uint8_t strike;  /* enum dw_strike */
    uint8_t handle;  /* 1: inside handle is turned */
    uint8_t key;     /* 1: mechanical key is turned */
    uint8_t pad;
    uint16_t throws_left;
};

enum dw_lock_event_type {
    DW_LEV_POWER_UP = 0, /* with sense: the first event, and after each loss of power */
    DW_LEV_SENSE,
    DW_LEV_RETRACT, /* a command that the shell has verified: signature, nonce, counter, epoch */
    DW_LEV_THROW,   /* likewise */
    DW_LEV_TIMEOUT,
    DW_LEV_COUNT
};

struct dw_lock_event {
    dw_mono now;
    uint32_t type;
    uint32_t lease_ms, dwell_ms; /* RETRACT */
    uint32_t pad;
    struct dw_lock_sense sense; /* POWER_UP, SENSE */
};

enum dw_lock_fx_type {
    DW_LFX_NONE = 0,
    DW_LFX_MOTOR_THROW,
    DW_LFX_MOTOR_RETRACT,
    DW_LFX_MOTOR_STOP,
    DW_LFX_BUZZER_ON,
    DW_LFX_BUZZER_OFF,
    DW_LFX_REPORT, /* push a status now */
    DW_LFX_ACCEPT, /* answer the command: accepted */
    DW_LFX_REFUSE, /* answer the command: value = enum dw_lock_refusal */
    DW_LFX_COUNT
};

/* Why a RETRACT or THROW was not carried out; the shell maps them to dw_lock_result of wire/lock.h.
 */
enum dw_lock_refusal {
    DW_LREF_NONE = 0,
    DW_LREF_BAD_LEASE,
    DW_LREF_DOOR_OPEN,
    DW_LREF_NOT_THROWN,
    DW_LREF_BATTERY,
    DW_LREF_SENSOR,
    DW_LREF_BUSY
};

#define DW_LOCK_FX_MAX 6u
struct dw_lock_fx {
    uint32_t count;
    struct {
        uint32_t type, value;
    } at[DW_LOCK_FX_MAX];
};

struct dw_lock {
    struct dw_lock_limits limits;
    dw_mono now;
    dw_mono lease_end; /* a commanded retract is in force until then; DW_NEVER: none */
    dw_mono throw_at;  /* when to throw; DW_NEVER: nothing to do */
    dw_mono motor_end; /* when the motor must have arrived; DW_NEVER: idle */
    dw_mono dwell_end; /* when the buzzer starts; DW_NEVER: no */
    dw_mono closed_at; /* last OPEN -> CLOSED; DW_NEVER: none since power-up */
    uint32_t op_count; /* bolt movements that ended, this process; the shell adds what it stored */
    uint32_t opening_count; /* CLOSED -> OPEN */
    uint32_t dwell_ms;
    struct dw_lock_sense sense;
    uint8_t motion;    /* enum dw_lock_motion */
    uint8_t cause;     /* enum dw_cause of the last opening or withdrawal */
    uint8_t is_jammed; /* last throw did not reach the strike */
    uint8_t is_buzzing;
    uint16_t jams; /* throws in a row that jammed */
    uint8_t is_powered;
    uint8_t pad;
    uint32_t pad1;
};

/* `l` is the caller's. The first event must be POWER_UP. */
void dw_lock_init(struct dw_lock *l, const struct dw_lock_limits *limits);

/* Apply one event; `fx` is overwritten. A refusal is DW_OK with a REFUSE effect.
 * DW_E_CLOCK: ev->now is before the last event's; nothing changed; feed the next with a right time.
 */
DW_MUST_USE dw_err dw_lock_step(struct dw_lock *l, const struct dw_lock_event *ev,
                                struct dw_lock_fx *fx);

/* When to feed DW_LEV_TIMEOUT if nothing else happens first. */
dw_mono dw_lock_deadline(const struct dw_lock *l);

/* The bolt as it may be reported: JAMMED after a throw without strike-in [I18]; MOVING while the
 * motor runs; else as sensed. THROWN only with the strike in. */
enum dw_bolt dw_lock_bolt(const struct dw_lock *l);
/* Lease left at `now`. */
uint32_t dw_lock_lease_left_ms(const struct dw_lock *l, dw_mono now);

/* Copies `l` with every time as "deadline - now", so that equal situations have equal bytes. */
void dw_lock_normalise(const struct dw_lock *l, struct dw_lock *ret_l);

#endif
