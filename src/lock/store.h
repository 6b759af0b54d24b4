/* lock/store.h - what a reference lock must not forget: counters that never fall, one small file.
 *
 * Written to a new file, synced and renamed, always before the motor moves or a figure is told to
 * anybody: a crash may lose a use, never add one [I11].
 */
#ifndef DW_LOCK_STORE_H
#define DW_LOCK_STORE_H

#include "core/base.h"

struct dw_lock_facts {
    uint32_t epoch;         /* of the enrolment; from 1 */
    uint32_t counter;       /* of the newest consumed command */
    uint32_t op_count;      /* bolt movements since made */
    uint32_t opening_count; /* openings since made */
    uint32_t boot_count;
    bool is_moving; /* the motor was about to run: after a crash that counts as a movement */
};

struct dw_lock_store {
    char path[1024];
    struct dw_lock_facts saved; /* what is on the disk */
};

/* Reads the file in `folder`, or starts new with epoch 1. DW_E_CORRUPT: the file is there and
 * damaged: do not start, or the counters would fall; enrol the lock anew with a higher epoch. */
DW_MUST_USE dw_err dw_lock_store_open(struct dw_lock_store *s, const char *folder,
                                      struct dw_lock_facts *ret_facts);

/* Durable when it returns DW_OK. Does nothing when nothing changed. A figure that falls is a
 * programmer's mistake. DW_E_IO, DW_E_NO_SPACE: not stored; the caller does not retract. */
DW_MUST_USE dw_err dw_lock_store_save(struct dw_lock_store *s, const struct dw_lock_facts *facts);

#endif
