/* adapters/lock/lock.h - what the hub's lock process needs from a lock family; one implementation
 * each.
 *
 * tests/adapters/lock_conformance.c states these promises as tests and runs on every
 * implementation. An adapter lives on the libuv loop of the lock process, never blocks and
 * reconnects by itself. It cannot decide: it carries commands of the guard and reports what the
 * lock senses [I33, I43].
 */
#ifndef DW_ADAPTERS_LOCK_LOCK_H
#define DW_ADAPTERS_LOCK_LOCK_H

#include <uv.h>

#include "hub/ipc.h"
#include "wire/lock.h"

/* News from an adapter. Called on the loop, any time after `open` has returned. */
struct dw_lock_sink {
    /* Class A: a framed message of the lock, still signed; the guard judges it. */
    void (*signed_bytes)(void *ctx, uint8_t kind, struct dw_view cose, dw_mono arrived);
    /* Other classes: everything the adapter knows now, whenever something changed or an ask was
     * answered. `report->head` is left to the caller. */
    void (*report)(void *ctx, const struct dw_ipc_lock_report *report);
    /* The link to the lock or its bridge is up or down. A dead link is news (bolt UNKNOWN), not an
     * error. */
    void (*link)(void *ctx, bool is_up);
    void *ctx;
};

struct dw_lock_ops {
    const char
        *name; /* static string, used in logs and configuration: "reference", "zigbee2mqtt" */

    /* `settings` is the text of the lock.* settings the adapter documents in its header; copied.
     * Returns at once; the link comes up later. DW_E_INVALID: a setting is wrong, `why` says which.
     */
    dw_err (*open)(uv_loop_t *loop, const char *settings, const struct dw_lock_sink *sink,
                   char *why, size_t why_cap, void **ret_self);

    /* Ask for the status to be read anew from the lock, not from a cache. `signed_ask` is the
     * guard's COSE_Sign1 for class A and is ignored by others. The answer comes through the sink.
     * DW_E_BUSY: nothing was sent, a read is under way (up to 7 s behind a bridge); ask again on a
     * later turn. DW_E_IO: no link. */
    dw_err (*ask)(void *self, struct dw_view signed_ask, dw_mono now);

    /* Ask for the bolt to move. Never queues past `expires`: a command that could not be sent by
     * then is dropped, so that a door cannot open late; a command is never sent twice, but a THROW
     * may be. DW_OK: handed to the link; the outcome is what the lock senses later. DW_E_BUSY,
     * DW_E_IO, DW_E_EXPIRED: nothing was sent. DW_E_UNSUPPORTED: this class cannot. */
    dw_err (*command)(void *self, enum dw_lock_action action, struct dw_view signed_command,
                      dw_mono now, dw_mono expires);

    /* `self` may be half-open. Safe to call once; no callback after it. */
    void (*close)(void *self);
};

extern const struct dw_lock_ops dw_lock_reference;
extern const struct dw_lock_ops dw_lock_zigbee2mqtt;

#endif
