/* The conversation at the door: hello, offer, proof. */
#include "core/types.h"
#include "wire/fields.h"
#include "wire/visit.h"

#include <string.h>

dw_err dw_hello_write(const struct dw_hello *in, struct dw_buf *out)
{
    struct dw_wr w;
    if (in->barcode_len > DW_PARCEL_CODE_MAX)
        return dw_fail(DW_E_INVALID);
    dw_wr_init(&w, out);
    dw_wr_map(&w, 10);
    dw_wr_key(&w, DW_CLAIM_HUB);
    dw_wr_bytes(&w, in->hub, sizeof in->hub);
    dw_wr_key(&w, DW_CLAIM_JOB);
    dw_wr_bytes(&w, in->job, sizeof in->job);
    dw_wr_key(&w, DW_CLAIM_VISIT);
    dw_wr_uint(&w, in->visit);
    dw_wr_key(&w, DW_CLAIM_DOOR);
    dw_wr_uint(&w, in->door);
    dw_wr_key(&w, DW_CLAIM_REVISION);
    dw_wr_uint(&w, in->revision);
    dw_wr_key(&w, DW_CLAIM_VISITOR);
    dw_wr_bytes(&w, in->visitor, sizeof in->visitor);
    dw_wr_key(&w, DW_CLAIM_COURIER_NONCE);
    dw_wr_bytes(&w, in->courier_nonce, sizeof in->courier_nonce);
    dw_wr_key(&w, DW_CLAIM_BARCODE);
    dw_wr_bytes(&w, in->barcode, in->barcode_len);
    dw_wr_key(&w, DW_CLAIM_SALT);
    dw_wr_bytes(&w, in->salt, sizeof in->salt);
    dw_wr_key(&w, DW_CLAIM_AGE);
    dw_wr_uint(&w, in->age_ms);
    return dw_wr_end(&w);
}

dw_err dw_hello_read(struct dw_view in, struct dw_hello *ret_hello)
{
    struct dw_hello m;
    struct dw_view barcode = {0};
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 10);
    dw_rd_key(&r, DW_CLAIM_HUB);
    dw_rd_bytes(&r, m.hub, sizeof m.hub);
    dw_rd_key(&r, DW_CLAIM_JOB);
    dw_rd_bytes(&r, m.job, sizeof m.job);
    dw_rd_key(&r, DW_CLAIM_VISIT);
    dw_rd_u64(&r, &m.visit);
    dw_rd_key(&r, DW_CLAIM_DOOR);
    dw_rd_u8(&r, &m.door);
    dw_rd_key(&r, DW_CLAIM_REVISION);
    dw_rd_u32(&r, &m.revision);
    dw_rd_key(&r, DW_CLAIM_VISITOR);
    dw_rd_bytes(&r, m.visitor, sizeof m.visitor);
    dw_rd_key(&r, DW_CLAIM_COURIER_NONCE);
    dw_rd_bytes(&r, m.courier_nonce, sizeof m.courier_nonce);
    dw_rd_key(&r, DW_CLAIM_BARCODE);
    dw_rd_bytes_upto(&r, DW_PARCEL_CODE_MAX, &barcode);
    dw_rd_key(&r, DW_CLAIM_SALT);
    dw_rd_bytes(&r, m.salt, sizeof m.salt);
    dw_rd_key(&r, DW_CLAIM_AGE);
    dw_rd_u32(&r, &m.age_ms);
    DW_TRY(dw_rd_end(&r));
    m.barcode_len = (uint8_t)barcode.len;
    memcpy(m.barcode, barcode.ptr, barcode.len);
    *ret_hello = m;
    return DW_OK;
}

/* A hub nonce is given with READY and only then: an offer that refuses must not carry one. */
static bool is_offer_sound(const struct dw_offer *m)
{
    bool has_nonce = !dw_bytes_are_zero(m->hub_nonce, sizeof m->hub_nonce);
    return m->check < DW_CHECK_COUNT && has_nonce == (m->check == DW_CHECK_NONE);
}

_Static_assert(DW_CHECK_COUNT <= 64, "checks passed fit one word");

dw_err dw_offer_write(const struct dw_offer *in, struct dw_buf *out)
{
    struct dw_wr w;
    if (!is_offer_sound(in))
        return dw_fail(DW_E_INVALID);
    dw_wr_init(&w, out);
    dw_wr_map(&w, 7);
    dw_wr_key(&w, DW_CLAIM_HUB);
    dw_wr_bytes(&w, in->hub, sizeof in->hub);
    dw_wr_key(&w, DW_CLAIM_NONCE);
    dw_wr_bytes(&w, in->hub_nonce, sizeof in->hub_nonce);
    dw_wr_key(&w, DW_CLAIM_VISIT);
    dw_wr_uint(&w, in->visit);
    dw_wr_key(&w, DW_CLAIM_COURIER_NONCE);
    dw_wr_bytes(&w, in->courier_nonce, sizeof in->courier_nonce);
    dw_wr_key(&w, DW_CLAIM_CHECK);
    dw_wr_uint(&w, in->check);
    dw_wr_key(&w, DW_CLAIM_PASSED);
    dw_wr_bits(&w, DW_CHECK_COUNT, in->passed);
    dw_wr_key(&w, DW_CLAIM_OFFER_EXPIRES);
    dw_wr_uint(&w, in->expires_ms);
    return dw_wr_end(&w);
}

dw_err dw_offer_read(struct dw_view in, struct dw_offer *ret_offer)
{
    struct dw_offer m;
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 7);
    dw_rd_key(&r, DW_CLAIM_HUB);
    dw_rd_bytes(&r, m.hub, sizeof m.hub);
    dw_rd_key(&r, DW_CLAIM_NONCE);
    dw_rd_bytes(&r, m.hub_nonce, sizeof m.hub_nonce);
    dw_rd_key(&r, DW_CLAIM_VISIT);
    dw_rd_u64(&r, &m.visit);
    dw_rd_key(&r, DW_CLAIM_COURIER_NONCE);
    dw_rd_bytes(&r, m.courier_nonce, sizeof m.courier_nonce);
    dw_rd_key(&r, DW_CLAIM_CHECK);
    dw_rd_enum(&r, DW_CHECK_COUNT, &m.check);
    dw_rd_key(&r, DW_CLAIM_PASSED);
    dw_rd_bits(&r, DW_CHECK_COUNT, &m.passed);
    dw_rd_key(&r, DW_CLAIM_OFFER_EXPIRES);
    dw_rd_u32(&r, &m.expires_ms);
    DW_TRY(dw_rd_end(&r));
    if (!is_offer_sound(&m))
        return dw_fail(DW_E_INVALID);
    *ret_offer = m;
    return DW_OK;
}

/* The only action a proof is for; said in it, so that it can never be taken for another. */
#define ACTION "open"

dw_err dw_proof_write(const struct dw_proof *in, struct dw_buf *out)
{
    struct dw_wr w;
    dw_wr_init(&w, out);
    dw_wr_map(&w, 6);
    dw_wr_key(&w, DW_CLAIM_HUB);
    dw_wr_bytes(&w, in->hub, sizeof in->hub);
    dw_wr_key(&w, DW_CLAIM_NONCE);
    dw_wr_bytes(&w, in->hub_nonce, sizeof in->hub_nonce);
    dw_wr_key(&w, DW_CLAIM_VISIT);
    dw_wr_uint(&w, in->visit);
    dw_wr_key(&w, DW_CLAIM_DOOR);
    dw_wr_uint(&w, in->door);
    dw_wr_key(&w, DW_CLAIM_COURIER_NONCE);
    dw_wr_bytes(&w, in->courier_nonce, sizeof in->courier_nonce);
    dw_wr_key(&w, DW_CLAIM_ACTION);
    dw_wr_text_from(&w, sizeof ACTION, ACTION);
    return dw_wr_end(&w);
}

dw_err dw_proof_read(struct dw_view in, struct dw_proof *ret_proof)
{
    struct dw_proof m;
    char action[sizeof ACTION] = "";
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 6);
    dw_rd_key(&r, DW_CLAIM_HUB);
    dw_rd_bytes(&r, m.hub, sizeof m.hub);
    dw_rd_key(&r, DW_CLAIM_NONCE);
    dw_rd_bytes(&r, m.hub_nonce, sizeof m.hub_nonce);
    dw_rd_key(&r, DW_CLAIM_VISIT);
    dw_rd_u64(&r, &m.visit);
    dw_rd_key(&r, DW_CLAIM_DOOR);
    dw_rd_u8(&r, &m.door);
    dw_rd_key(&r, DW_CLAIM_COURIER_NONCE);
    dw_rd_bytes(&r, m.courier_nonce, sizeof m.courier_nonce);
    dw_rd_key(&r, DW_CLAIM_ACTION);
    dw_rd_text_into(&r, sizeof action, action);
    DW_TRY(dw_rd_end(&r));
    if (memcmp(action, ACTION, sizeof action) != 0)
        return dw_fail(DW_E_INVALID);
    *ret_proof = m;
    return DW_OK;
}

dw_err dw_leaving_write(const struct dw_leaving *in, struct dw_buf *out)
{
    struct dw_wr w;
    dw_wr_init(&w, out);
    dw_wr_map(&w, 2);
    dw_wr_key(&w, DW_CLAIM_HUB);
    dw_wr_bytes(&w, in->hub, sizeof in->hub);
    dw_wr_key(&w, DW_CLAIM_VISIT);
    dw_wr_uint(&w, in->visit);
    return dw_wr_end(&w);
}

dw_err dw_leaving_read(struct dw_view in, struct dw_leaving *ret_leaving)
{
    struct dw_leaving m;
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 2);
    dw_rd_key(&r, DW_CLAIM_HUB);
    dw_rd_bytes(&r, m.hub, sizeof m.hub);
    dw_rd_key(&r, DW_CLAIM_VISIT);
    dw_rd_u64(&r, &m.visit);
    DW_TRY(dw_rd_end(&r));
    *ret_leaving = m;
    return DW_OK;
}
