/* record/leaves.h - the event record: an append-only file of salted commitments.
 *
 * The file is a CBOR sequence [RFC 8742] of dw_leaf (wire/visit.h), numbered from 1 without a gap.
 * A leaf is [1, seq, SHA-256(salt || event bytes)]: it says that something was recorded and fixes
 * what, but not what it was. Event bytes and salts are kept elsewhere (the guard's database);
 * deleting both leaves the file true and empty of personal data [I40].
 *
 * Appending is two steps, so that what must be durable can be waited for: dw_leaves_append puts a
 * leaf into the batch, dw_leaves_sync makes the whole batch durable with one write and one
 * fdatasync. A leaf whose sync has not answered DW_OK must be treated as not written.
 *
 * A power cut leaves the old file, the new one, or a torn batch at its end. Opening cuts a torn
 * batch off and says how long it was. Anything else that is not a leaf in sequence is damage:
 * DW_E_CORRUPT, and nothing is changed. A file can be rolled back whole, so whoever keeps durable
 * state beside it remembers the next number and gives it when opening.
 */
#ifndef DW_RECORD_LEAVES_H
#define DW_RECORD_LEAVES_H

#include "core/base.h"
#include "wire/visit.h"

#define DW_LEAF_SALT_BYTES  32u
#define DW_LEAF_BYTES_MAX   45u /* longest encoded leaf */
#define DW_LEAVES_BATCH_MAX 64u /* leaves between two syncs */

struct dw_leaves;

/* What was found in a file. */
struct dw_leaves_found {
    uint64_t next_seq; /* the number that the next leaf gets: one more than the last whole leaf's */
    uint64_t cut_bytes; /* length of the torn batch after it; 0 when the end was clean */
};

/* The commitment in a leaf: SHA-256(salt || event). */
void dw_leaf_commit(struct dw_view event, const uint8_t salt[DW_LEAF_SALT_BYTES],
                    uint8_t ret_commitment[32]);

/* Opens `path`, making it when there is none, reads all of it, cuts a torn batch off, and locks it
 * against a second writer. `known_next_seq`: next_seq as last remembered after a sync; 0 when
 * nothing is remembered. DW_E_CORRUPT  damaged, or shorter than known (rolled back). Nothing was
 * changed: keep the file, raise the alarm, take no visitors. DW_E_BUSY     another process has it
 * open. DW_E_IO       cannot be read or written. */
DW_MUST_USE dw_err dw_leaves_open(const char *path, uint64_t known_next_seq,
                                  struct dw_leaves **ret_leaves, struct dw_leaves_found *ret_found);

/* Adds a leaf for `event` (borrowed) to the batch. `salt` is 32 fresh random bytes, kept with the
 * event by the caller. DW_E_BUSY  the batch is full: sync first. DW_E_IO    an earlier sync failed
 * for good: close, and open again. */
DW_MUST_USE dw_err dw_leaves_append(struct dw_leaves *l, struct dw_view event,
                                    const uint8_t salt[DW_LEAF_SALT_BYTES], uint64_t *ret_seq);

/* Makes the batch durable; an empty batch is done at once.
 * DW_E_NO_SPACE  the disk is full: the batch is gone, its numbers will be given again; append again
 *                later.
 * DW_E_IO        the same, but the file's state is not known any more: close, and open again. */
DW_MUST_USE dw_err dw_leaves_sync(struct dw_leaves *l);

/* The number that the next leaf gets, batch included. */
uint64_t dw_leaves_next_seq(const struct dw_leaves *l);

/* Does not sync: a batch that was not synced is dropped. `l` may be NULL. */
void dw_leaves_close(struct dw_leaves *l);

/* Called for each leaf in order; false stops. `commitment` is borrowed. */
typedef bool dw_leaf_fn(void *user, uint64_t seq, const uint8_t commitment[32]);

/* Reads a record without changing it, also while another process writes it. DW_OK: whole, apart
 * from a torn batch as told by `*ret_found`. DW_E_CORRUPT, DW_E_IO as for opening; DW_E_DENIED:
 * `fn` stopped. */
DW_MUST_USE dw_err dw_leaves_check(const char *path, uint64_t known_next_seq, dw_leaf_fn *fn,
                                   void *user, struct dw_leaves_found *ret_found);

#endif
