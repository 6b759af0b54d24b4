/* lock/shell.h - the imperative shell of the reference lock: senses into events, effects into
 * motion.
 *
 * The rules are core/lock.h, unchanged from what a microcontroller would run. The lock needs
 * nobody: it throws on close and at the end of the lease with every link cut [I16, I17].
 */
#ifndef DW_LOCK_SHELL_H
#define DW_LOCK_SHELL_H

#include "lock/body.h"
#include "lock/link.h"
#include "lock/store.h"

#define DW_LOCK_TICK_MS 20u   /* sensing; a bolt needs 30 of these to travel */
#define DW_LOCK_PUSH_MS 1000u /* a status at least this often */

struct dw_lock_shell {
    struct dw_lock rules;
    struct dw_lock_body body;
    struct dw_lock_store *store;
    struct dw_lock_facts facts; /* op_count and opening_count: base + what the rules counted */
    uint32_t base_ops, base_openings;
    struct dw_lock_link *link;
    uint8_t boot_seed[16];
    uint8_t battery_pct;
    bool has_power, is_report_due;
    enum dw_lock_result result; /* of the command under way */
    dw_mono next_push, next_sweep;
    dw_mono store_again; /* after a failed write */
};

/* `facts` is what the store gave. The link comes later through dw_lock_shell_link, before the first
 * tick. */
void dw_lock_shell_init(struct dw_lock_shell *s, const struct dw_lock_limits *limits,
                        const struct dw_lock_body *body, struct dw_lock_store *store,
                        const struct dw_lock_facts *facts);
struct dw_lock_link_owner dw_lock_shell_owner(struct dw_lock_shell *s);
void dw_lock_shell_link(struct dw_lock_shell *s, struct dw_lock_link *link);

/* Senses, applies the rules, performs their effects, pushes what is due. Every DW_LOCK_TICK_MS. */
void dw_lock_shell_tick(struct dw_lock_shell *s);

/* The end of the process in good order: motor and buzzer off, figures stored. */
void dw_lock_shell_stop(struct dw_lock_shell *s);

#endif
