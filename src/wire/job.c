#include "core/types.h"
#include "wire/fields.h"
#include "wire/text.h"
#include "wire/visit.h"

#include <string.h>

#define DAY_MINUTES 1440

static bool is_job_sound(const struct dw_job *m)
{
    const struct dw_civil_window *win = &m->window;
    if (m->nbf_s < 0 || m->nbf_s > DW_UNIX_S_MAX || m->exp_s < 0 || m->exp_s > DW_UNIX_S_MAX)
        return false;
    if (m->kind >= DW_VISIT_KIND_COUNT || m->camera_class >= DW_CAMERA_CLASS_COUNT)
        return false;
    if (m->kind == DW_VISIT_DROP ? m->openings != 1 : m->openings == 0)
        return false;
    if (!dw_day_is_sound(win->day) || win->to_min > DAY_MINUTES || win->from_min >= win->to_min)
        return false;
    if (!dw_day_is_sound(m->screening_from_day) || !dw_day_is_sound(m->screening_to_day))
        return false;
    return m->parcel_count <= DW_JOB_PARCELS_MAX &&
           dw_text_is_zone(dw_text_of(m->zone, sizeof m->zone)) &&
           dw_text_is_plain_lines(dw_text_of(m->notes, sizeof m->notes));
}

dw_err dw_job_write(const struct dw_job *in, struct dw_buf *out)
{
    struct dw_wr w;
    if (!is_job_sound(in))
        return dw_fail(DW_E_INVALID);
    dw_wr_init(&w, out);
    dw_wr_map(&w, 19);
    dw_wr_key(&w, DW_CLAIM_HUB);
    dw_wr_bytes(&w, in->hub, sizeof in->hub);
    dw_wr_key(&w, DW_CLAIM_EXP);
    dw_wr_int(&w, in->exp_s);
    dw_wr_key(&w, DW_CLAIM_NBF);
    dw_wr_int(&w, in->nbf_s);
    dw_wr_key(&w, DW_CLAIM_JOB);
    dw_wr_bytes(&w, in->job, sizeof in->job);
    dw_wr_key(&w, DW_CLAIM_AGENCY);
    dw_wr_bytes(&w, in->agency, sizeof in->agency);
    dw_wr_key(&w, DW_CLAIM_PARCELS);
    dw_wr_array(&w, in->parcel_count);
    for (uint32_t i = 0; i < in->parcel_count; i++)
        dw_wr_bytes(&w, in->parcel[i], sizeof in->parcel[i]);
    dw_wr_key(&w, DW_CLAIM_OPENINGS);
    dw_wr_uint(&w, in->openings);
    dw_wr_key(&w, DW_CLAIM_ZONE);
    dw_wr_name(&w, sizeof in->zone, in->zone);
    dw_wr_key(&w, DW_CLAIM_AGENCY_NAME);
    dw_wr_name(&w, sizeof in->agency_name, in->agency_name);
    dw_wr_key(&w, DW_CLAIM_VISIT_KIND);
    dw_wr_uint(&w, in->kind);
    dw_wr_key(&w, DW_CLAIM_DOOR);
    dw_wr_uint(&w, in->door);
    dw_wr_key(&w, DW_CLAIM_WINDOW);
    dw_wr_window(&w, &in->window);
    dw_wr_key(&w, DW_CLAIM_DWELL);
    dw_wr_uint(&w, in->dwell_ms);
    dw_wr_key(&w, DW_CLAIM_REVISION);
    dw_wr_uint(&w, in->revision);
    dw_wr_key(&w, DW_CLAIM_VISITOR);
    dw_wr_bytes(&w, in->visitor, sizeof in->visitor);
    dw_wr_key(&w, DW_CLAIM_VISITOR_NAME);
    dw_wr_name(&w, sizeof in->visitor_name, in->visitor_name);
    dw_wr_key(&w, DW_CLAIM_SCREENING);
    dw_wr_array(&w, 4);
    dw_wr_name(&w, sizeof in->screening_issuer, in->screening_issuer);
    dw_wr_name(&w, sizeof in->screening_kind, in->screening_kind);
    dw_wr_int(&w, in->screening_from_day);
    dw_wr_int(&w, in->screening_to_day);
    dw_wr_key(&w, DW_CLAIM_NOTES);
    dw_wr_text_from(&w, sizeof in->notes, in->notes);
    dw_wr_key(&w, DW_CLAIM_CAMERA_LEAST);
    dw_wr_uint(&w, in->camera_class);
    return dw_wr_end(&w);
}

dw_err dw_job_read(struct dw_view in, struct dw_job *ret_job)
{
    struct dw_job m;
    uint32_t parcels;
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 19);
    dw_rd_key(&r, DW_CLAIM_HUB);
    dw_rd_bytes(&r, m.hub, sizeof m.hub);
    dw_rd_key(&r, DW_CLAIM_EXP);
    dw_rd_int(&r, 0, DW_UNIX_S_MAX, &m.exp_s);
    dw_rd_key(&r, DW_CLAIM_NBF);
    dw_rd_int(&r, 0, DW_UNIX_S_MAX, &m.nbf_s);
    dw_rd_key(&r, DW_CLAIM_JOB);
    dw_rd_bytes(&r, m.job, sizeof m.job);
    dw_rd_key(&r, DW_CLAIM_AGENCY);
    dw_rd_bytes(&r, m.agency, sizeof m.agency);
    dw_rd_key(&r, DW_CLAIM_PARCELS);
    dw_rd_array_upto(&r, 0, DW_JOB_PARCELS_MAX, &parcels);
    for (uint32_t i = 0; i < parcels; i++)
        dw_rd_bytes(&r, m.parcel[i], sizeof m.parcel[i]);
    dw_rd_key(&r, DW_CLAIM_OPENINGS);
    dw_rd_u8(&r, &m.openings);
    dw_rd_key(&r, DW_CLAIM_ZONE);
    dw_rd_name(&r, sizeof m.zone, m.zone);
    dw_rd_key(&r, DW_CLAIM_AGENCY_NAME);
    dw_rd_name(&r, sizeof m.agency_name, m.agency_name);
    dw_rd_key(&r, DW_CLAIM_VISIT_KIND);
    dw_rd_enum(&r, DW_VISIT_KIND_COUNT, &m.kind);
    dw_rd_key(&r, DW_CLAIM_DOOR);
    dw_rd_u8(&r, &m.door);
    dw_rd_key(&r, DW_CLAIM_WINDOW);
    dw_rd_window(&r, &m.window);
    dw_rd_key(&r, DW_CLAIM_DWELL);
    dw_rd_u32(&r, &m.dwell_ms);
    dw_rd_key(&r, DW_CLAIM_REVISION);
    dw_rd_u32(&r, &m.revision);
    dw_rd_key(&r, DW_CLAIM_VISITOR);
    dw_rd_bytes(&r, m.visitor, sizeof m.visitor);
    dw_rd_key(&r, DW_CLAIM_VISITOR_NAME);
    dw_rd_name(&r, sizeof m.visitor_name, m.visitor_name);
    dw_rd_key(&r, DW_CLAIM_SCREENING);
    dw_rd_array(&r, 4);
    dw_rd_name(&r, sizeof m.screening_issuer, m.screening_issuer);
    dw_rd_name(&r, sizeof m.screening_kind, m.screening_kind);
    dw_rd_day(&r, &m.screening_from_day);
    dw_rd_day(&r, &m.screening_to_day);
    dw_rd_key(&r, DW_CLAIM_NOTES);
    dw_rd_text_into(&r, sizeof m.notes, m.notes);
    dw_rd_key(&r, DW_CLAIM_CAMERA_LEAST);
    dw_rd_enum(&r, DW_CAMERA_CLASS_COUNT, &m.camera_class);
    DW_TRY(dw_rd_end(&r));
    m.parcel_count = (uint8_t)parcels;
    if (!is_job_sound(&m))
        return dw_fail(DW_E_INVALID);
    *ret_job = m;
    return DW_OK;
}

dw_err dw_recall_write(const struct dw_recall *in, struct dw_buf *out)
{
    struct dw_wr w;
    dw_wr_init(&w, out);
    dw_wr_map(&w, 3);
    dw_wr_key(&w, DW_CLAIM_HUB);
    dw_wr_bytes(&w, in->hub, sizeof in->hub);
    dw_wr_key(&w, DW_CLAIM_JOB);
    dw_wr_bytes(&w, in->job, sizeof in->job);
    dw_wr_key(&w, DW_CLAIM_REVISION);
    dw_wr_uint(&w, in->revision);
    return dw_wr_end(&w);
}

dw_err dw_recall_read(struct dw_view in, struct dw_recall *ret_recall)
{
    struct dw_recall m;
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 3);
    dw_rd_key(&r, DW_CLAIM_HUB);
    dw_rd_bytes(&r, m.hub, sizeof m.hub);
    dw_rd_key(&r, DW_CLAIM_JOB);
    dw_rd_bytes(&r, m.job, sizeof m.job);
    dw_rd_key(&r, DW_CLAIM_REVISION);
    dw_rd_u32(&r, &m.revision);
    DW_TRY(dw_rd_end(&r));
    *ret_recall = m;
    return DW_OK;
}
