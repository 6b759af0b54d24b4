#include "lock/nonces.h"

#include <string.h>

const uint8_t *dw_lock_nonces_offer(struct dw_lock_nonces *n, const uint8_t fresh[32], dw_mono now)
{
    if (!n->at[n->newest].is_good ||
        dw_mono_since(now, n->at[n->newest].made) >= DW_LOCK_OFFER_AGE_MS) {
        n->newest = (n->newest + 1) % DW_LOCK_NONCES;
        memcpy(n->at[n->newest].bytes, fresh, 32);
        n->at[n->newest].made = now;
        n->at[n->newest].is_good = true;
    }
    return n->at[n->newest].bytes;
}

bool dw_lock_nonces_use(struct dw_lock_nonces *n, const uint8_t bytes[32], uint32_t age_ms,
                        dw_mono now)
{
    for (uint32_t i = 0; i < DW_LOCK_NONCES; i++) {
        if (!n->at[i].is_good || memcmp(n->at[i].bytes, bytes, 32) != 0)
            continue; /* not secret: they travel in the clear, so a plain comparison will do */
        bool is_young = dw_mono_since(now, n->at[i].made) <= age_ms;
        dw_lock_nonces_void(n);
        return is_young;
    }
    return false;
}

void dw_lock_nonces_void(struct dw_lock_nonces *n)
{
    for (uint32_t i = 0; i < DW_LOCK_NONCES; i++)
        n->at[i].is_good = false;
}
