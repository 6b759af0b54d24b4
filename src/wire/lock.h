/* wire/lock.h - messages of the reference lock's link (class L-A). Pure.
 *
 * Framing on the TCP stream: u32 big-endian length, u8 kind, then one COSE_Sign1 of the kind's
 * context. The hub dials the lock. The lock answers nobody but its enrolled hub. It pushes its
 * status on every change and once a second, bound to the newest ask nonce, after the first valid
 * ASK.
 */
#ifndef DW_WIRE_LOCK_H
#define DW_WIRE_LOCK_H

#include "core/base.h"

#define DW_LOCK_LINK_MAX 1024u /* largest framed message, bytes */

enum dw_lock_kind {
    DW_LOCK_KIND_NONE = 0,
    DW_LOCK_KIND_ASK,     /* hub -> lock */
    DW_LOCK_KIND_STATUS,  /* lock -> hub */
    DW_LOCK_KIND_COMMAND, /* hub -> lock */
    DW_LOCK_KIND_ANSWER,  /* lock -> hub */
    DW_LOCK_KIND_COUNT
};

/* { 10: nonce, -70100: version (1) } */
struct dw_lock_ask {
    uint8_t nonce[32];
};

/* { 10: newest ask nonce, 267: bootcount, 268: bootseed, -70101: [bolt, contact, strike, cause],
 *   -70104: throws_left, -70105: op_count, -70106: opening_count, -70107: lock nonce, -70108:
 * epoch, -70109: counter, -70110: t_us, -70112: battery_pct, -70113: lease_left_ms, -70114: seq,
 *   -70115: closed_us } */
struct dw_lock_status {
    uint8_t nonce[32];
    uint32_t boot_count;
    uint8_t boot_seed[16];
    uint8_t bolt, contact, strike, cause; /* enums of core/types.h */
    uint16_t throws_left;                 /* bolt throws the battery still has energy for */
    uint32_t op_count;                    /* bolt movements since made; never falls */
    uint32_t opening_count;               /* contact CLOSED -> OPEN since made; never falls */
    uint8_t lock_nonce[32];               /* the one that the next command must carry */
    uint32_t epoch;                       /* grows when the lock is enrolled anew */
    uint32_t counter;                     /* of the newest accepted command */
    uint64_t t_us;                        /* lock's monotonic time of this status */
    uint64_t closed_us; /* lock's time of the last OPEN -> CLOSED; 0: none in this boot */
    uint8_t battery_pct;
    uint32_t lease_left_ms;
    uint32_t seq; /* +1 a status, in this boot */
};

enum dw_lock_action { DW_LOCK_ACTION_NONE = 0, DW_LOCK_ACTION_THROW, DW_LOCK_ACTION_RETRACT };

/* { 10: lock nonce, -70008: visit, -70108: epoch, -70120: action, -70121: counter, -70122:
 * lease_ms, -70123: dwell_ms } */
struct dw_lock_command {
    uint8_t lock_nonce[32];
    uint64_t visit;
    uint32_t epoch;
    uint8_t action;              /* enum dw_lock_action */
    uint32_t counter;            /* greater than the lock's */
    uint32_t lease_ms, dwell_ms; /* 0 with THROW */
};

/* Why a command was not carried out; ACCEPTED says nothing about where the bolt is [I33]. */
enum dw_lock_result {
    DW_LOCK_RESULT_NONE = 0,
    DW_LOCK_RESULT_ACCEPTED,
    DW_LOCK_RESULT_STALE_NONCE,
    DW_LOCK_RESULT_STALE_COUNTER,
    DW_LOCK_RESULT_WRONG_EPOCH,
    DW_LOCK_RESULT_BAD_LEASE, /* 0, or beyond the lock's own limit */
    DW_LOCK_RESULT_DOOR_OPEN,
    DW_LOCK_RESULT_NOT_THROWN,
    DW_LOCK_RESULT_BATTERY,
    DW_LOCK_RESULT_SENSOR, /* bolt or contact unknown */
    DW_LOCK_RESULT_BUSY,
    DW_LOCK_RESULT_COUNT
};

/* { 10: the command's nonce, -70121: counter, -70124: result } */
struct dw_lock_answer {
    uint8_t lock_nonce[32];
    uint32_t counter;
    uint8_t result; /* enum dw_lock_result */
};

DW_MUST_USE dw_err dw_lock_ask_write(const struct dw_lock_ask *in, struct dw_buf *out);
DW_MUST_USE dw_err dw_lock_ask_read(struct dw_view in, struct dw_lock_ask *ret_ask);
DW_MUST_USE dw_err dw_lock_status_write(const struct dw_lock_status *in, struct dw_buf *out);
DW_MUST_USE dw_err dw_lock_status_read(struct dw_view in, struct dw_lock_status *ret_status);
DW_MUST_USE dw_err dw_lock_command_write(const struct dw_lock_command *in, struct dw_buf *out);
DW_MUST_USE dw_err dw_lock_command_read(struct dw_view in, struct dw_lock_command *ret_command);
DW_MUST_USE dw_err dw_lock_answer_write(const struct dw_lock_answer *in, struct dw_buf *out);
DW_MUST_USE dw_err dw_lock_answer_read(struct dw_view in, struct dw_lock_answer *ret_answer);

#endif
