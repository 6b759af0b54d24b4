/* What the long-lived keys of camera and hub say of the keys they use day by day. */
#include "wire/camera.h"
#include "wire/cbor.h"
#include "wire/claims.h"

#include <string.h>

dw_err dw_camera_session_write(const struct dw_camera_session *in, struct dw_buf *out)
{
    struct dw_wr w;
    dw_wr_init(&w, out);
    dw_wr_map(&w, 3);
    dw_wr_key(&w, DW_CLAIM_BOOT_COUNT);
    dw_wr_uint(&w, in->boot_count);
    dw_wr_key(&w, DW_CLAIM_BOOT_SEED);
    dw_wr_bytes(&w, in->boot_seed, sizeof in->boot_seed);
    dw_wr_key(&w, DW_CLAIM_SESSION_KEY);
    dw_wr_bytes(&w, in->pub, sizeof in->pub);
    return dw_wr_end(&w);
}

dw_err dw_camera_session_read(struct dw_view in, struct dw_camera_session *ret_session)
{
    struct dw_camera_session m;
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 3);
    dw_rd_key(&r, DW_CLAIM_BOOT_COUNT);
    dw_rd_u32(&r, &m.boot_count);
    dw_rd_key(&r, DW_CLAIM_BOOT_SEED);
    dw_rd_bytes(&r, m.boot_seed, sizeof m.boot_seed);
    dw_rd_key(&r, DW_CLAIM_SESSION_KEY);
    dw_rd_bytes(&r, m.pub, sizeof m.pub);
    DW_TRY(dw_rd_end(&r));
    *ret_session = m;
    return DW_OK;
}

dw_err dw_hub_link_write(const struct dw_hub_link *in, struct dw_buf *out)
{
    struct dw_wr w;
    dw_wr_init(&w, out);
    dw_wr_map(&w, 2);
    dw_wr_key(&w, DW_CLAIM_SUB);
    dw_wr_bytes(&w, in->camera, sizeof in->camera);
    dw_wr_key(&w, DW_CLAIM_SESSION_KEY);
    dw_wr_bytes(&w, in->pub, sizeof in->pub);
    return dw_wr_end(&w);
}

dw_err dw_hub_link_read(struct dw_view in, struct dw_hub_link *ret_link)
{
    struct dw_hub_link m;
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 2);
    dw_rd_key(&r, DW_CLAIM_SUB);
    dw_rd_bytes(&r, m.camera, sizeof m.camera);
    dw_rd_key(&r, DW_CLAIM_SESSION_KEY);
    dw_rd_bytes(&r, m.pub, sizeof m.pub);
    DW_TRY(dw_rd_end(&r));
    *ret_link = m;
    return DW_OK;
}
