/* os/tries.h - how often somebody may be wrong: a bucket for each, which fills again [I45].
 *
 * A fixed table, no clock of its own. Whoever has a full bucket needs no place in it; the place
 * that is given up for a newcomer is the fullest one, so that a crowd of others does not give those
 * who were wrong their tries back.
 */
#ifndef DW_OS_TRIES_H
#define DW_OS_TRIES_H

#include "core/base.h"

struct dw_try {
    char from[48]; /* an address, or who it is; cut when it is longer */
    uint32_t left;
    uint64_t at_ms;
};

/* What a bucket holds, and every how many ms it gets one more. */
struct dw_try_rule {
    uint32_t cap, each_ms;
};

struct dw_tries {
    struct dw_try_rule rule;
    struct dw_try one[64]; /* zeroed: none */
};

void dw_try_fill(struct dw_try *t, const struct dw_try_rule *rule, uint64_t now_ms);

/* The bucket of `from`, filled up to now. Borrowed until the next call. */
struct dw_try *dw_tries_of(struct dw_tries *tries, const char *from, uint64_t now_ms);

#endif
