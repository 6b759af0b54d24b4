#include "wire/lock.h"
#include "core/types.h"
#include "wire/cbor.h"
#include "wire/claims.h"

#include <string.h>

#define LINK_VERSION 1

dw_err dw_lock_ask_write(const struct dw_lock_ask *in, struct dw_buf *out)
{
    struct dw_wr w;
    dw_wr_init(&w, out);
    dw_wr_map(&w, 2);
    dw_wr_key(&w, DW_CLAIM_NONCE);
    dw_wr_bytes(&w, in->nonce, sizeof in->nonce);
    dw_wr_key(&w, DW_CLAIM_LOCK_VERSION);
    dw_wr_uint(&w, LINK_VERSION);
    return dw_wr_end(&w);
}

dw_err dw_lock_ask_read(struct dw_view in, struct dw_lock_ask *ret_ask)
{
    struct dw_lock_ask m;
    uint64_t version = 0;
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 2);
    dw_rd_key(&r, DW_CLAIM_NONCE);
    dw_rd_bytes(&r, m.nonce, sizeof m.nonce);
    dw_rd_key(&r, DW_CLAIM_LOCK_VERSION);
    dw_rd_u64(&r, &version);
    DW_TRY(dw_rd_end(&r));
    if (version != LINK_VERSION)
        return dw_fail(DW_E_UNKNOWN_FIELD);
    *ret_ask = m;
    return DW_OK;
}

static bool is_status_sound(const struct dw_lock_status *m)
{
    return m->bolt < DW_BOLT_COUNT && m->contact < DW_CONTACT_COUNT &&
           m->strike < DW_STRIKE_COUNT && m->cause < DW_CAUSE_COUNT && m->battery_pct <= 100 &&
           m->closed_us <= m->t_us;
}

dw_err dw_lock_status_write(const struct dw_lock_status *in, struct dw_buf *out)
{
    struct dw_wr w;
    if (!is_status_sound(in))
        return dw_fail(DW_E_INVALID);
    dw_wr_init(&w, out);
    dw_wr_map(&w, 15);
    dw_wr_key(&w, DW_CLAIM_NONCE);
    dw_wr_bytes(&w, in->nonce, sizeof in->nonce);
    dw_wr_key(&w, DW_CLAIM_BOOT_COUNT);
    dw_wr_uint(&w, in->boot_count);
    dw_wr_key(&w, DW_CLAIM_BOOT_SEED);
    dw_wr_bytes(&w, in->boot_seed, sizeof in->boot_seed);
    dw_wr_key(&w, DW_CLAIM_SENSED);
    dw_wr_array(&w, 4);
    dw_wr_uint(&w, in->bolt);
    dw_wr_uint(&w, in->contact);
    dw_wr_uint(&w, in->strike);
    dw_wr_uint(&w, in->cause);
    dw_wr_key(&w, DW_CLAIM_THROWS_LEFT);
    dw_wr_uint(&w, in->throws_left);
    dw_wr_key(&w, DW_CLAIM_OP_COUNT);
    dw_wr_uint(&w, in->op_count);
    dw_wr_key(&w, DW_CLAIM_OPENING_COUNT);
    dw_wr_uint(&w, in->opening_count);
    dw_wr_key(&w, DW_CLAIM_LOCK_NONCE);
    dw_wr_bytes(&w, in->lock_nonce, sizeof in->lock_nonce);
    dw_wr_key(&w, DW_CLAIM_EPOCH);
    dw_wr_uint(&w, in->epoch);
    dw_wr_key(&w, DW_CLAIM_COUNTER_HAD);
    dw_wr_uint(&w, in->counter);
    dw_wr_key(&w, DW_CLAIM_LOCK_TIME);
    dw_wr_uint(&w, in->t_us);
    dw_wr_key(&w, DW_CLAIM_BATTERY);
    dw_wr_uint(&w, in->battery_pct);
    dw_wr_key(&w, DW_CLAIM_LEASE_LEFT);
    dw_wr_uint(&w, in->lease_left_ms);
    dw_wr_key(&w, DW_CLAIM_STATUS_SEQ);
    dw_wr_uint(&w, in->seq);
    dw_wr_key(&w, DW_CLAIM_CLOSED_TIME);
    dw_wr_uint(&w, in->closed_us);
    return dw_wr_end(&w);
}

dw_err dw_lock_status_read(struct dw_view in, struct dw_lock_status *ret_status)
{
    struct dw_lock_status m;
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 15);
    dw_rd_key(&r, DW_CLAIM_NONCE);
    dw_rd_bytes(&r, m.nonce, sizeof m.nonce);
    dw_rd_key(&r, DW_CLAIM_BOOT_COUNT);
    dw_rd_u32(&r, &m.boot_count);
    dw_rd_key(&r, DW_CLAIM_BOOT_SEED);
    dw_rd_bytes(&r, m.boot_seed, sizeof m.boot_seed);
    dw_rd_key(&r, DW_CLAIM_SENSED);
    dw_rd_array(&r, 4);
    dw_rd_enum(&r, DW_BOLT_COUNT, &m.bolt);
    dw_rd_enum(&r, DW_CONTACT_COUNT, &m.contact);
    dw_rd_enum(&r, DW_STRIKE_COUNT, &m.strike);
    dw_rd_enum(&r, DW_CAUSE_COUNT, &m.cause);
    dw_rd_key(&r, DW_CLAIM_THROWS_LEFT);
    dw_rd_u16(&r, &m.throws_left);
    dw_rd_key(&r, DW_CLAIM_OP_COUNT);
    dw_rd_u32(&r, &m.op_count);
    dw_rd_key(&r, DW_CLAIM_OPENING_COUNT);
    dw_rd_u32(&r, &m.opening_count);
    dw_rd_key(&r, DW_CLAIM_LOCK_NONCE);
    dw_rd_bytes(&r, m.lock_nonce, sizeof m.lock_nonce);
    dw_rd_key(&r, DW_CLAIM_EPOCH);
    dw_rd_u32(&r, &m.epoch);
    dw_rd_key(&r, DW_CLAIM_COUNTER_HAD);
    dw_rd_u32(&r, &m.counter);
    dw_rd_key(&r, DW_CLAIM_LOCK_TIME);
    dw_rd_u64(&r, &m.t_us);
    dw_rd_key(&r, DW_CLAIM_BATTERY);
    dw_rd_enum(&r, 101, &m.battery_pct);
    dw_rd_key(&r, DW_CLAIM_LEASE_LEFT);
    dw_rd_u32(&r, &m.lease_left_ms);
    dw_rd_key(&r, DW_CLAIM_STATUS_SEQ);
    dw_rd_u32(&r, &m.seq);
    dw_rd_key(&r, DW_CLAIM_CLOSED_TIME);
    dw_rd_u64(&r, &m.closed_us);
    DW_TRY(dw_rd_end(&r));
    if (!is_status_sound(&m))
        return dw_fail(DW_E_INVALID);
    *ret_status = m;
    return DW_OK;
}

/* A lease goes with a retract only: a throw needs none. Whether a lease is too long, or 0, is for
 * the lock to answer (DW_LOCK_RESULT_BAD_LEASE). */
static bool is_command_sound(const struct dw_lock_command *m)
{
    return m->action == DW_LOCK_ACTION_RETRACT ||
           (m->action == DW_LOCK_ACTION_THROW && m->lease_ms == 0 && m->dwell_ms == 0);
}

dw_err dw_lock_command_write(const struct dw_lock_command *in, struct dw_buf *out)
{
    struct dw_wr w;
    if (!is_command_sound(in))
        return dw_fail(DW_E_INVALID);
    dw_wr_init(&w, out);
    dw_wr_map(&w, 7);
    dw_wr_key(&w, DW_CLAIM_NONCE);
    dw_wr_bytes(&w, in->lock_nonce, sizeof in->lock_nonce);
    dw_wr_key(&w, DW_CLAIM_VISIT);
    dw_wr_uint(&w, in->visit);
    dw_wr_key(&w, DW_CLAIM_EPOCH);
    dw_wr_uint(&w, in->epoch);
    dw_wr_key(&w, DW_CLAIM_LOCK_ACTION);
    dw_wr_uint(&w, in->action);
    dw_wr_key(&w, DW_CLAIM_COUNTER);
    dw_wr_uint(&w, in->counter);
    dw_wr_key(&w, DW_CLAIM_LEASE);
    dw_wr_uint(&w, in->lease_ms);
    dw_wr_key(&w, DW_CLAIM_LOCK_DWELL);
    dw_wr_uint(&w, in->dwell_ms);
    return dw_wr_end(&w);
}

dw_err dw_lock_command_read(struct dw_view in, struct dw_lock_command *ret_command)
{
    struct dw_lock_command m;
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 7);
    dw_rd_key(&r, DW_CLAIM_NONCE);
    dw_rd_bytes(&r, m.lock_nonce, sizeof m.lock_nonce);
    dw_rd_key(&r, DW_CLAIM_VISIT);
    dw_rd_u64(&r, &m.visit);
    dw_rd_key(&r, DW_CLAIM_EPOCH);
    dw_rd_u32(&r, &m.epoch);
    dw_rd_key(&r, DW_CLAIM_LOCK_ACTION);
    dw_rd_u8(&r, &m.action);
    dw_rd_key(&r, DW_CLAIM_COUNTER);
    dw_rd_u32(&r, &m.counter);
    dw_rd_key(&r, DW_CLAIM_LEASE);
    dw_rd_u32(&r, &m.lease_ms);
    dw_rd_key(&r, DW_CLAIM_LOCK_DWELL);
    dw_rd_u32(&r, &m.dwell_ms);
    DW_TRY(dw_rd_end(&r));
    if (!is_command_sound(&m))
        return dw_fail(DW_E_INVALID);
    *ret_command = m;
    return DW_OK;
}

static bool is_answer_sound(const struct dw_lock_answer *m)
{
    return m->result > DW_LOCK_RESULT_NONE && m->result < DW_LOCK_RESULT_COUNT;
}

dw_err dw_lock_answer_write(const struct dw_lock_answer *in, struct dw_buf *out)
{
    struct dw_wr w;
    if (!is_answer_sound(in))
        return dw_fail(DW_E_INVALID);
    dw_wr_init(&w, out);
    dw_wr_map(&w, 3);
    dw_wr_key(&w, DW_CLAIM_NONCE);
    dw_wr_bytes(&w, in->lock_nonce, sizeof in->lock_nonce);
    dw_wr_key(&w, DW_CLAIM_COUNTER);
    dw_wr_uint(&w, in->counter);
    dw_wr_key(&w, DW_CLAIM_LOCK_RESULT);
    dw_wr_uint(&w, in->result);
    return dw_wr_end(&w);
}

dw_err dw_lock_answer_read(struct dw_view in, struct dw_lock_answer *ret_answer)
{
    struct dw_lock_answer m;
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 3);
    dw_rd_key(&r, DW_CLAIM_NONCE);
    dw_rd_bytes(&r, m.lock_nonce, sizeof m.lock_nonce);
    dw_rd_key(&r, DW_CLAIM_COUNTER);
    dw_rd_u32(&r, &m.counter);
    dw_rd_key(&r, DW_CLAIM_LOCK_RESULT);
    dw_rd_u8(&r, &m.result);
    DW_TRY(dw_rd_end(&r));
    if (!is_answer_sound(&m))
        return dw_fail(DW_E_INVALID);
    *ret_answer = m;
    return DW_OK;
}
