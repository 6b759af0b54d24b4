/* What a member signs of the home itself, how an agency introduces itself, and what is revoked. */
#include "wire/fields.h"
#include "wire/grant.h"

#include <string.h>

dw_err dw_control_write(const struct dw_control *in, struct dw_buf *out)
{
    struct dw_wr w;
    dw_wr_init(&w, out);
    dw_wr_map(&w, 7);
    dw_wr_key(&w, DW_CLAIM_HUB);
    dw_wr_bytes(&w, in->hub, sizeof in->hub);
    dw_wr_key(&w, DW_CLAIM_GRANT_NONCE);
    dw_wr_bytes(&w, in->nonce, sizeof in->nonce);
    dw_wr_key(&w, DW_CLAIM_HOME_EPOCH);
    dw_wr_uint(&w, in->epoch);
    dw_wr_key(&w, DW_CLAIM_ACT);
    if (in->act == 0)
        dw_wr_fail(&w, DW_E_INVALID);
    dw_wr_uint(&w, in->act);
    dw_wr_key(&w, DW_CLAIM_ACT_TARGET);
    dw_wr_bytes(&w, in->target, sizeof in->target);
    dw_wr_key(&w, DW_CLAIM_ACT_VALUE);
    dw_wr_uint(&w, in->value);
    dw_wr_key(&w, DW_CLAIM_ACT_NAME);
    dw_wr_name(&w, sizeof in->name, in->name);
    return dw_wr_end(&w);
}

dw_err dw_control_read(struct dw_view in, struct dw_control *ret_control)
{
    struct dw_control m;
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 7);
    dw_rd_key(&r, DW_CLAIM_HUB);
    dw_rd_bytes(&r, m.hub, sizeof m.hub);
    dw_rd_key(&r, DW_CLAIM_GRANT_NONCE);
    dw_rd_bytes(&r, m.nonce, sizeof m.nonce);
    dw_rd_key(&r, DW_CLAIM_HOME_EPOCH);
    dw_rd_u32(&r, &m.epoch);
    dw_rd_key(&r, DW_CLAIM_ACT);
    dw_rd_u8(&r, &m.act);
    if (m.act == 0)
        dw_rd_fail(&r, DW_E_INVALID);
    dw_rd_key(&r, DW_CLAIM_ACT_TARGET);
    dw_rd_bytes(&r, m.target, sizeof m.target);
    dw_rd_key(&r, DW_CLAIM_ACT_VALUE);
    dw_rd_u64(&r, &m.value);
    dw_rd_key(&r, DW_CLAIM_ACT_NAME);
    dw_rd_name(&r, sizeof m.name, m.name);
    DW_TRY(dw_rd_end(&r));
    *ret_control = m;
    return DW_OK;
}

dw_err dw_introduce_write(const struct dw_introduce *in, struct dw_buf *out)
{
    struct dw_wr w;
    dw_wr_init(&w, out);
    dw_wr_map(&w, 5);
    dw_wr_key(&w, DW_CLAIM_ISS);
    dw_wr_bytes(&w, in->pub, sizeof in->pub);
    dw_wr_key(&w, DW_CLAIM_HUB);
    dw_wr_bytes(&w, in->hub, sizeof in->hub);
    dw_wr_key(&w, DW_CLAIM_AGENCY);
    dw_wr_bytes(&w, in->agency, sizeof in->agency);
    dw_wr_key(&w, DW_CLAIM_AGENCY_NAME);
    if (in->name[0] == 0)
        dw_wr_fail(&w, DW_E_INVALID);
    dw_wr_name(&w, sizeof in->name, in->name);
    dw_wr_key(&w, DW_CLAIM_IS_HOSTED);
    dw_wr_bool(&w, in->is_hosted);
    return dw_wr_end(&w);
}

dw_err dw_introduce_read(struct dw_view in, struct dw_introduce *ret_introduce)
{
    struct dw_introduce m;
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 5);
    dw_rd_key(&r, DW_CLAIM_ISS);
    dw_rd_bytes(&r, m.pub, sizeof m.pub);
    dw_rd_key(&r, DW_CLAIM_HUB);
    dw_rd_bytes(&r, m.hub, sizeof m.hub);
    dw_rd_key(&r, DW_CLAIM_AGENCY);
    dw_rd_bytes(&r, m.agency, sizeof m.agency);
    dw_rd_key(&r, DW_CLAIM_AGENCY_NAME);
    dw_rd_name(&r, sizeof m.name, m.name);
    if (m.name[0] == 0)
        dw_rd_fail(&r, DW_E_INVALID);
    dw_rd_key(&r, DW_CLAIM_IS_HOSTED);
    dw_rd_bool(&r, &m.is_hosted);
    DW_TRY(dw_rd_end(&r));
    *ret_introduce = m;
    return DW_OK;
}

dw_err dw_revoked_write(const struct dw_revoked *in, struct dw_buf *out)
{
    struct dw_wr w;
    dw_wr_init(&w, out);
    dw_wr_map(&w, 4);
    dw_wr_key(&w, DW_CLAIM_HUB);
    dw_wr_bytes(&w, in->hub, sizeof in->hub);
    dw_wr_key(&w, DW_CLAIM_JOB);
    dw_wr_bytes(&w, in->grant, sizeof in->grant);
    dw_wr_key(&w, DW_CLAIM_AT);
    dw_wr_array(&w, 2);
    dw_wr_utc(&w, in->at);
    dw_wr_key(&w, DW_CLAIM_HOME_EPOCH);
    dw_wr_uint(&w, in->epoch);
    return dw_wr_end(&w);
}

dw_err dw_revoked_read(struct dw_view in, struct dw_revoked *ret_revoked)
{
    struct dw_revoked m;
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 4);
    dw_rd_key(&r, DW_CLAIM_HUB);
    dw_rd_bytes(&r, m.hub, sizeof m.hub);
    dw_rd_key(&r, DW_CLAIM_JOB);
    dw_rd_bytes(&r, m.grant, sizeof m.grant);
    dw_rd_key(&r, DW_CLAIM_AT);
    dw_rd_array(&r, 2);
    dw_rd_utc(&r, &m.at);
    dw_rd_key(&r, DW_CLAIM_HOME_EPOCH);
    dw_rd_u32(&r, &m.epoch);
    DW_TRY(dw_rd_end(&r));
    *ret_revoked = m;
    return DW_OK;
}
