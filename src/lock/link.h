/* lock/link.h - the reference lock's side of its link: connections, signatures, nonces.
 *
 * Nothing that fails verification leaves this file [I44]. Framing and messages: wire/lock.h; rules
 * of the link: docs/design/lock-link.md.
 */
#ifndef DW_LOCK_LINK_H
#define DW_LOCK_LINK_H

#include <uv.h>

#include "crypto/crypto.h"
#include "wire/lock.h"

#define DW_LOCK_CONNECTIONS_MAX 2u /* the newest wins: a hub that redials replaces itself */
#define DW_LOCK_FAILURES_MAX    5u /* messages that do not verify before a connection is closed */
#define DW_LOCK_SILENT_MS       5000u /* a connection without a valid ask is closed after this */

struct dw_lock_link_owner {
    /* A command of the enrolled hub with a good nonce of ours. */
    enum dw_lock_result (*command)(void *ctx, const struct dw_lock_command *command);
    /* Fills in all but nonce, lock_nonce and seq. */
    void (*status)(void *ctx, struct dw_lock_status *ret_status);
    void *ctx;
};

struct dw_lock_link;

/* Listens at once. `secret` and `hub` are borrowed for the link's life. */
DW_MUST_USE dw_err dw_lock_link_open(uv_loop_t *loop, const char *address,
                                     const struct dw_secret *secret, const struct dw_key *hub,
                                     const struct dw_lock_link_owner *owner,
                                     struct dw_lock_link **ret_link, uint16_t *ret_port);

/* Signs and sends the status to every connection that has asked. */
void dw_lock_link_push(struct dw_lock_link *link);

/* At each power-up: all connections end, all nonces are void. */
void dw_lock_link_reset(struct dw_lock_link *link);

/* While the lock has no power nothing is read, answered or accepted. */
void dw_lock_link_power(struct dw_lock_link *link, bool has_power);

/* Closes connections that never asked. Call about once a second. */
void dw_lock_link_sweep(struct dw_lock_link *link, dw_mono now);

#endif
