/* lock/nonces.h - the lock's own challenges: which command nonces are good, and for how long.
 *
 * A status carries a nonce of the lock; a command must carry one of the newest few back. Age is
 * measured by the lock from the moment it made the nonce, so bytes that some stalled link delivers
 * late are late here, whatever the hub thought. Pure. */
#ifndef DW_LOCK_NONCES_H
#define DW_LOCK_NONCES_H

#include "core/base.h"

/* A RETRACT must answer a status at most this old: T_cam (1 s) for the look between status and
 * command, T_expire (0.8 s) for the way, and one lost packet's repeat. */
#define DW_LOCK_RETRACT_AGE_MS 3000u
/* A THROW is in the safe direction: it only has to be of this session. */
#define DW_LOCK_THROW_AGE_MS 10000u
/* A status does not offer a nonce older than this, so a hub always holds one that is good for 2 s.
 */
#define DW_LOCK_OFFER_AGE_MS 1000u

#define DW_LOCK_NONCES 12u /* one a second for THROW_AGE, and two */

struct dw_lock_nonces {
    struct {
        uint8_t bytes[32];
        dw_mono made;
        bool is_good;
    } at[DW_LOCK_NONCES];
    uint32_t newest;
};

/* The nonce to offer now. `fresh` is 32 random bytes, used when the newest is too old. */
const uint8_t *dw_lock_nonces_offer(struct dw_lock_nonces *n, const uint8_t fresh[32], dw_mono now);

/* True once: `bytes` is one of ours and at most `age_ms` old. All are void after it [protocol 4.3].
 * A nonce that is known but too old also voids all; one that is not known changes nothing, so that
 * old bytes sent again cannot disturb a visit. */
DW_MUST_USE bool dw_lock_nonces_use(struct dw_lock_nonces *n, const uint8_t bytes[32],
                                    uint32_t age_ms, dw_mono now);

/* Power-up: nothing that was offered before is good any more [I12]. */
void dw_lock_nonces_void(struct dw_lock_nonces *n);

#endif
