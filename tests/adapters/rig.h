/* tests/adapters/rig.h - what the lock conformance suite needs to know about one lock family.
 *
 * A rig starts the real thing (or its simulated device behind the real bridge), moves the physical
 * world around it and makes and reads the signed bytes where the class has them. The suite does the
 * rest: it puts proxy.h between adapter and peer, opens the adapter and judges what comes up
 * against the world's own truth. To add a lock family write rig_NAME.c with `const struct rig
 * rig_NAME` and add it to the table in lock_conformance.c and to meson.build.
 */
#ifndef DW_TESTS_ADAPTERS_RIG_H
#define DW_TESTS_ADAPTERS_RIG_H

#include "adapters/lock/lock.h"

/* What the adapter has told so far. Kept by the suite; class A rigs fill it in `on_signed`. */
struct rig_seen {
    uint8_t bolt, contact, strike; /* enums of core/types.h; UNKNOWN until something came up */
    uint32_t news;                 /* signed statuses or reports that came up */
    uint32_t fresh;                /* of them: answers to an ask (nonce matched, or ask_seq grew) */
    uint32_t answers;              /* class A: answers to commands */
    uint8_t result;                /* class A: the newest answer, enum dw_lock_result */
    uint32_t bad;                  /* class A: messages that did not verify */
    bool is_up;
    uint32_t ups, downs; /* times that `link` said up, down */
};

struct rig_home; /* the rig's own: processes, folders, keys, world */

struct rig {
    const char *name; /* "reference": also the argument of the test program */
    const struct dw_lock_ops *ops;

    /* What this family can do; the suite leaves out what it cannot. */
    bool is_signed;         /* class A: asks and commands carry signed bytes */
    bool has_close_rule;    /* throws by itself after the door closed, link or not */
    bool has_jam;           /* `block` works */
    bool senses_open_throw; /* refuses to throw with the door open (class A), or the suite only
                               requires that THROWN is never sensed with the door open */
    uint32_t up_ms_max;     /* open -> link up */
    uint32_t sensed_ms_max; /* something moved -> it came up */
    uint32_t relock_ms_max; /* retract, door untouched -> bolt out again by the lock itself */
    uint32_t lost_ms_max;   /* connection closed -> link(false) */

    /* Starts everything; `*ret_port` is the loopback TCP port that the adapter is to reach (through
     * the suite's proxy). NULL: `why` tells; with `*ret_skip` set the test is skipped (77), else it
     * fails. */
    struct rig_home *(*start)(uv_loop_t *loop, uint16_t *ret_port, bool *ret_skip, char *why,
                              size_t why_cap);
    /* Stops everything that `start` started, by pid, and removes its folder. */
    void (*stop)(struct rig_home *h);
    /* The text for ops->open, with the adapter pointed at 127.0.0.1:`port`. */
    void (*settings)(struct rig_home *h, uint16_t port, char *ret_text, size_t cap);
    /* Between two cases: door closed, nothing in the strike, bolt out. May take a while (runs the
     * loop itself with uv_run if needed). False: it could not be brought there. */
    bool (*reset)(struct rig_home *h);

    /* The physical world. */
    bool (*door)(struct rig_home *h, bool is_open); /* false: the bolt stands in the way */
    void (*handle)(struct rig_home *h);             /* inside handle turned once; may be NULL */
    void (*block)(struct rig_home *h, bool is_blocked);
    enum dw_bolt (*bolt_truth)(struct rig_home *h); /* where the bolt really is now */

    /* Signed bytes (class A; NULL otherwise: the suite passes empty views). The command is made
     * from the newest status that came up; false: there is none yet. */
    bool (*make_ask)(struct rig_home *h, struct dw_buf *out);
    bool (*make_command)(struct rig_home *h, enum dw_lock_action action, struct dw_buf *out);
    void (*on_signed)(struct rig_home *h, struct rig_seen *seen, uint8_t kind, struct dw_view cose);
};

extern const struct rig rig_reference;
extern const struct rig rig_zigbee2mqtt;

#endif
