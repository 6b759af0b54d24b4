/* What the record is made of: event bodies and the leaves that commit to them. */
#include "wire/fields.h"
#include "wire/visit.h"

#include <string.h>

#define LEAF_VERSION 1

dw_err dw_leaf_write(const struct dw_leaf *in, struct dw_buf *out)
{
    struct dw_wr w;
    dw_wr_init(&w, out);
    dw_wr_array(&w, 3);
    dw_wr_uint(&w, LEAF_VERSION);
    dw_wr_uint(&w, in->seq);
    dw_wr_bytes(&w, in->commitment, sizeof in->commitment);
    return dw_wr_end(&w);
}

dw_err dw_leaf_read(struct dw_view in, struct dw_leaf *ret_leaf)
{
    struct dw_leaf m;
    uint64_t version = 0;
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_array(&r, 3);
    dw_rd_u64(&r, &version);
    dw_rd_u64(&r, &m.seq);
    dw_rd_bytes(&r, m.commitment, sizeof m.commitment);
    DW_TRY(dw_rd_end(&r));
    if (version != LEAF_VERSION)
        return dw_fail(DW_E_UNKNOWN_FIELD);
    *ret_leaf = m;
    return DW_OK;
}

dw_err dw_event_body_write(const struct dw_event_body *in, struct dw_buf *out)
{
    struct dw_wr w;
    if (in->detail_len > sizeof in->detail)
        return dw_fail(DW_E_INVALID);
    dw_wr_init(&w, out);
    dw_wr_map(&w, 6);
    dw_wr_key(&w, DW_CLAIM_VISIT);
    dw_wr_uint(&w, in->visit);
    dw_wr_key(&w, DW_CLAIM_AT);
    dw_wr_array(&w, 2);
    dw_wr_utc(&w, in->at);
    dw_wr_key(&w, DW_CLAIM_EVENT_NUMBER);
    dw_wr_uint(&w, in->number);
    dw_wr_key(&w, DW_CLAIM_EVENT_KIND);
    dw_wr_uint(&w, in->kind);
    dw_wr_key(&w, DW_CLAIM_EVENT_BOOT_MS);
    dw_wr_uint(&w, in->boot_ms);
    dw_wr_key(&w, DW_CLAIM_EVENT_DETAIL);
    dw_wr_bytes(&w, in->detail, in->detail_len);
    return dw_wr_end(&w);
}

dw_err dw_event_body_read(struct dw_view in, struct dw_event_body *ret_event_body)
{
    struct dw_event_body m;
    struct dw_view detail = {0};
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 6);
    dw_rd_key(&r, DW_CLAIM_VISIT);
    dw_rd_u64(&r, &m.visit);
    dw_rd_key(&r, DW_CLAIM_AT);
    dw_rd_array(&r, 2);
    dw_rd_utc(&r, &m.at);
    dw_rd_key(&r, DW_CLAIM_EVENT_NUMBER);
    dw_rd_u64(&r, &m.number);
    dw_rd_key(&r, DW_CLAIM_EVENT_KIND);
    dw_rd_u8(&r, &m.kind);
    dw_rd_key(&r, DW_CLAIM_EVENT_BOOT_MS);
    dw_rd_u64(&r, &m.boot_ms);
    dw_rd_key(&r, DW_CLAIM_EVENT_DETAIL);
    dw_rd_bytes_upto(&r, sizeof m.detail, &detail);
    DW_TRY(dw_rd_end(&r));
    m.detail_len = (uint16_t)detail.len;
    memcpy(m.detail, detail.ptr, detail.len);
    *ret_event_body = m;
    return DW_OK;
}
