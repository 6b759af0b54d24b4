#include "wire/fields.h"
#include "wire/text.h"
#include "wire/visit.h"

#include <string.h>

#define DOORS_MAX 4u

_Static_assert(DOORS_MAX ==
                   sizeof((struct dw_enrol *)0)->door / sizeof((struct dw_enrol *)0)->door[0],
               "as many doors as the struct holds");

static bool is_enrol_sound(const struct dw_enrol *m)
{
    if (m->door_count < 1 || m->door_count > DOORS_MAX)
        return false;
    for (uint32_t i = 0; i < m->door_count; i++)
        if (m->door[i][0] == 0)
            return false;
    return dw_text_is_zone(dw_text_of(m->zone, sizeof m->zone));
}

dw_err dw_enrol_write(const struct dw_enrol *in, struct dw_buf *out)
{
    struct dw_wr w;
    if (!is_enrol_sound(in))
        return dw_fail(DW_E_INVALID);
    dw_wr_init(&w, out);
    dw_wr_map(&w, 6);
    dw_wr_key(&w, DW_CLAIM_ISS);
    dw_wr_bytes(&w, in->hub_pub, sizeof in->hub_pub);
    dw_wr_key(&w, DW_CLAIM_NONCE);
    dw_wr_bytes(&w, in->nonce, sizeof in->nonce);
    dw_wr_key(&w, DW_CLAIM_ZONE);
    dw_wr_name(&w, sizeof in->zone, in->zone);
    dw_wr_key(&w, DW_CLAIM_DOOR_NAMES);
    dw_wr_array(&w, in->door_count);
    for (uint32_t i = 0; i < in->door_count; i++)
        dw_wr_name(&w, sizeof in->door[i], in->door[i]);
    dw_wr_key(&w, DW_CLAIM_PAIRING);
    dw_wr_bytes(&w, in->pairing, sizeof in->pairing);
    dw_wr_key(&w, DW_CLAIM_PAIRING_PROOF);
    dw_wr_bytes(&w, in->proof, sizeof in->proof);
    return dw_wr_end(&w);
}

dw_err dw_enrol_read(struct dw_view in, struct dw_enrol *ret_enrol)
{
    struct dw_enrol m;
    uint32_t doors;
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 6);
    dw_rd_key(&r, DW_CLAIM_ISS);
    dw_rd_bytes(&r, m.hub_pub, sizeof m.hub_pub);
    dw_rd_key(&r, DW_CLAIM_NONCE);
    dw_rd_bytes(&r, m.nonce, sizeof m.nonce);
    dw_rd_key(&r, DW_CLAIM_ZONE);
    dw_rd_name(&r, sizeof m.zone, m.zone);
    dw_rd_key(&r, DW_CLAIM_DOOR_NAMES);
    dw_rd_array_upto(&r, 1, DOORS_MAX, &doors);
    for (uint32_t i = 0; i < doors; i++)
        dw_rd_name(&r, sizeof m.door[i], m.door[i]);
    dw_rd_key(&r, DW_CLAIM_PAIRING);
    dw_rd_bytes(&r, m.pairing, sizeof m.pairing);
    dw_rd_key(&r, DW_CLAIM_PAIRING_PROOF);
    dw_rd_bytes(&r, m.proof, sizeof m.proof);
    DW_TRY(dw_rd_end(&r));
    m.door_count = (uint8_t)doors;
    if (!is_enrol_sound(&m))
        return dw_fail(DW_E_INVALID);
    *ret_enrol = m;
    return DW_OK;
}

dw_err dw_welcome_write(const struct dw_welcome *in, struct dw_buf *out)
{
    struct dw_wr w;
    dw_wr_init(&w, out);
    dw_wr_map(&w, 4);
    dw_wr_key(&w, DW_CLAIM_ISS);
    dw_wr_bytes(&w, in->service_pub, sizeof in->service_pub);
    dw_wr_key(&w, DW_CLAIM_HUB);
    dw_wr_bytes(&w, in->hub, sizeof in->hub);
    dw_wr_key(&w, DW_CLAIM_HOME_NAME);
    dw_wr_name(&w, sizeof in->home, in->home);
    dw_wr_key(&w, DW_CLAIM_PAIRING_PROOF);
    dw_wr_bytes(&w, in->proof, sizeof in->proof);
    return dw_wr_end(&w);
}

dw_err dw_welcome_read(struct dw_view in, struct dw_welcome *ret_welcome)
{
    struct dw_welcome m;
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 4);
    dw_rd_key(&r, DW_CLAIM_ISS);
    dw_rd_bytes(&r, m.service_pub, sizeof m.service_pub);
    dw_rd_key(&r, DW_CLAIM_HUB);
    dw_rd_bytes(&r, m.hub, sizeof m.hub);
    dw_rd_key(&r, DW_CLAIM_HOME_NAME);
    dw_rd_name(&r, sizeof m.home, m.home);
    dw_rd_key(&r, DW_CLAIM_PAIRING_PROOF);
    dw_rd_bytes(&r, m.proof, sizeof m.proof);
    DW_TRY(dw_rd_end(&r));
    *ret_welcome = m;
    return DW_OK;
}
