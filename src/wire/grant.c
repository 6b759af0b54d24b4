#include "wire/grant.h"
#include "core/types.h"
#include "wire/fields.h"
#include "wire/text.h"

#include <string.h>

#define DAY_MINUTES    1440
#define PRESENCE_COUNT 4u

static bool is_span_sound(int64_t nbf_s, int64_t exp_s, int64_t longest_s)
{
    return nbf_s >= 0 && exp_s > nbf_s && exp_s <= DW_UNIX_S_MAX && exp_s - nbf_s <= longest_s;
}

/* Windows ascend, so that one set of them has one form. */
static bool is_grant_sound(const struct dw_grant *m)
{
    if (!is_span_sound(m->nbf_s, m->exp_s, INT64_C(86400) * DW_GRANT_DAYS_MAX))
        return false;
    if (m->kind >= DW_VISIT_KIND_COUNT || m->camera_class >= DW_CAMERA_CLASS_COUNT ||
        m->presence >= PRESENCE_COUNT || m->mode >= DW_GRANT_MODE_COUNT)
        return false;
    if (m->uses == 0 || m->per_day == 0 || m->window_count == 0 ||
        m->window_count > DW_GRANT_WINDOWS_MAX)
        return false;
    for (uint32_t i = 0; i < m->window_count; i++) {
        const struct dw_week_window *w = &m->window[i];
        if (w->from >= DW_WEEK_MINUTES || w->minutes == 0 || w->minutes > DW_WEEK_MINUTES)
            return false;
        if (i > 0 && w->from <= m->window[i - 1].from)
            return false;
    }
    return dw_text_is_zone(dw_text_of(m->zone, sizeof m->zone)) && m->name[0] != 0;
}

dw_err dw_grant_write(const struct dw_grant *in, struct dw_buf *out)
{
    struct dw_wr w;
    if (!is_grant_sound(in))
        return dw_fail(DW_E_INVALID);
    dw_wr_init(&w, out);
    dw_wr_map(&w, 20);
    dw_wr_key(&w, DW_CLAIM_ISS);
    dw_wr_bytes(&w, in->owner, sizeof in->owner);
    dw_wr_key(&w, DW_CLAIM_SUB);
    dw_wr_bytes(&w, in->grantee, sizeof in->grantee);
    dw_wr_key(&w, DW_CLAIM_HUB);
    dw_wr_bytes(&w, in->hub, sizeof in->hub);
    dw_wr_key(&w, DW_CLAIM_EXP);
    dw_wr_int(&w, in->exp_s);
    dw_wr_key(&w, DW_CLAIM_NBF);
    dw_wr_int(&w, in->nbf_s);
    dw_wr_key(&w, DW_CLAIM_JOB);
    dw_wr_bytes(&w, in->id, sizeof in->id);
    dw_wr_key(&w, DW_CLAIM_ZONE);
    dw_wr_name(&w, sizeof in->zone, in->zone);
    dw_wr_key(&w, DW_CLAIM_AGENCY_NAME);
    dw_wr_name(&w, sizeof in->name, in->name);
    dw_wr_key(&w, DW_CLAIM_VISIT_KIND);
    dw_wr_uint(&w, in->kind);
    dw_wr_key(&w, DW_CLAIM_DOOR);
    dw_wr_uint(&w, in->door);
    dw_wr_key(&w, DW_CLAIM_DWELL);
    dw_wr_uint(&w, in->dwell_ms);
    dw_wr_key(&w, DW_CLAIM_CAMERA_LEAST);
    dw_wr_uint(&w, in->camera_class);
    dw_wr_key(&w, DW_CLAIM_GRANT_NONCE);
    dw_wr_bytes(&w, in->nonce, sizeof in->nonce);
    dw_wr_key(&w, DW_CLAIM_HOME_EPOCH);
    dw_wr_uint(&w, in->epoch);
    dw_wr_key(&w, DW_CLAIM_WEEK_WINDOWS);
    dw_wr_array(&w, in->window_count);
    for (uint32_t i = 0; i < in->window_count; i++) {
        dw_wr_array(&w, 2);
        dw_wr_uint(&w, in->window[i].from);
        dw_wr_uint(&w, in->window[i].minutes);
    }
    dw_wr_key(&w, DW_CLAIM_USES);
    dw_wr_uint(&w, in->uses);
    dw_wr_key(&w, DW_CLAIM_PER_DAY);
    dw_wr_uint(&w, in->per_day);
    dw_wr_key(&w, DW_CLAIM_PRESENCE);
    dw_wr_uint(&w, in->presence);
    dw_wr_key(&w, DW_CLAIM_GRANT_MODE);
    dw_wr_uint(&w, in->mode);
    dw_wr_key(&w, DW_CLAIM_IS_HOSTED);
    dw_wr_bool(&w, in->is_hosted);
    return dw_wr_end(&w);
}

dw_err dw_grant_read(struct dw_view in, struct dw_grant *ret_grant)
{
    struct dw_grant m;
    uint32_t windows;
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 20);
    dw_rd_key(&r, DW_CLAIM_ISS);
    dw_rd_bytes(&r, m.owner, sizeof m.owner);
    dw_rd_key(&r, DW_CLAIM_SUB);
    dw_rd_bytes(&r, m.grantee, sizeof m.grantee);
    dw_rd_key(&r, DW_CLAIM_HUB);
    dw_rd_bytes(&r, m.hub, sizeof m.hub);
    dw_rd_key(&r, DW_CLAIM_EXP);
    dw_rd_int(&r, 0, DW_UNIX_S_MAX, &m.exp_s);
    dw_rd_key(&r, DW_CLAIM_NBF);
    dw_rd_int(&r, 0, DW_UNIX_S_MAX, &m.nbf_s);
    dw_rd_key(&r, DW_CLAIM_JOB);
    dw_rd_bytes(&r, m.id, sizeof m.id);
    dw_rd_key(&r, DW_CLAIM_ZONE);
    dw_rd_name(&r, sizeof m.zone, m.zone);
    dw_rd_key(&r, DW_CLAIM_AGENCY_NAME);
    dw_rd_name(&r, sizeof m.name, m.name);
    dw_rd_key(&r, DW_CLAIM_VISIT_KIND);
    dw_rd_enum(&r, DW_VISIT_KIND_COUNT, &m.kind);
    dw_rd_key(&r, DW_CLAIM_DOOR);
    dw_rd_u8(&r, &m.door);
    dw_rd_key(&r, DW_CLAIM_DWELL);
    dw_rd_u32(&r, &m.dwell_ms);
    dw_rd_key(&r, DW_CLAIM_CAMERA_LEAST);
    dw_rd_enum(&r, DW_CAMERA_CLASS_COUNT, &m.camera_class);
    dw_rd_key(&r, DW_CLAIM_GRANT_NONCE);
    dw_rd_bytes(&r, m.nonce, sizeof m.nonce);
    dw_rd_key(&r, DW_CLAIM_HOME_EPOCH);
    dw_rd_u32(&r, &m.epoch);
    dw_rd_key(&r, DW_CLAIM_WEEK_WINDOWS);
    dw_rd_array_upto(&r, 1, DW_GRANT_WINDOWS_MAX, &windows);
    for (uint32_t i = 0; i < windows; i++) {
        dw_rd_array(&r, 2);
        dw_rd_u16(&r, &m.window[i].from);
        dw_rd_u16(&r, &m.window[i].minutes);
    }
    dw_rd_key(&r, DW_CLAIM_USES);
    dw_rd_u16(&r, &m.uses);
    dw_rd_key(&r, DW_CLAIM_PER_DAY);
    dw_rd_u8(&r, &m.per_day);
    dw_rd_key(&r, DW_CLAIM_PRESENCE);
    dw_rd_enum(&r, PRESENCE_COUNT, &m.presence);
    dw_rd_key(&r, DW_CLAIM_GRANT_MODE);
    dw_rd_enum(&r, DW_GRANT_MODE_COUNT, &m.mode);
    dw_rd_key(&r, DW_CLAIM_IS_HOSTED);
    dw_rd_bool(&r, &m.is_hosted);
    DW_TRY(dw_rd_end(&r));
    m.window_count = (uint8_t)windows;
    if (!is_grant_sound(&m))
        return dw_fail(DW_E_INVALID);
    *ret_grant = m;
    return DW_OK;
}

/* 1970-01-01 was a Thursday; the week begins on Monday. */
static uint32_t minute_of_week(int32_t day, uint32_t minute)
{
    return (uint32_t)((day + 3) % 7) * DAY_MINUTES + minute;
}

static bool is_in_week(const struct dw_grant *grant, const struct dw_civil_window *w)
{
    uint32_t from = minute_of_week(w->day, w->from_min);
    uint32_t minutes = (uint32_t)(w->to_min - w->from_min);
    for (uint32_t i = 0; i < grant->window_count; i++) {
        /* How far into the grant's window the job's begins, round the end of the week. */
        uint32_t in = (from + DW_WEEK_MINUTES - grant->window[i].from) % DW_WEEK_MINUTES;
        if (in < grant->window[i].minutes && minutes <= grant->window[i].minutes - in)
            return true;
    }
    return false;
}

bool dw_grant_holds(const struct dw_grant *grant, const struct dw_job *job, const char **ret_why)
{
    const struct {
        const char *what;
        bool is_inside;
    } parts[] = {
        {"hub", memcmp(grant->hub, job->hub, sizeof grant->hub) == 0},
        {"kind", grant->kind == job->kind},
        {"door", grant->door == job->door},
        {"time", job->nbf_s >= grant->nbf_s && job->exp_s <= grant->exp_s},
        {"zone", memcmp(grant->zone, job->zone, sizeof grant->zone) == 0},
        {"window", is_in_week(grant, &job->window)},
        {"uses", job->openings <= grant->uses},
        {"dwell", job->dwell_ms <= grant->dwell_ms},
        {"camera", job->camera_class >= grant->camera_class},
    };
    const char *why = NULL;
    for (size_t i = 0; i < DW_ARRAY_COUNT(parts) && !why; i++) {
        if (!parts[i].is_inside)
            why = parts[i].what;
    }
    if (ret_why)
        *ret_why = why;
    return !why;
}
