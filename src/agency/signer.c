#include "agency/signer.h"

#include <string.h>

#define DAY_S INT64_C(86400)

const char *dw_signer_no_words(enum dw_signer_no no)
{
    static const char *const words[DW_SIGNER_NO_COUNT] = {[DW_SIGNER_YES] = "",
#define X(name, text) [DW_SIGNER_NO_##name] = text,
                                                          DW_SIGNER_NO_LIST(X)
#undef X
    };
    return (size_t)no < DW_ARRAY_COUNT(words) ? words[no] : "?";
}

/* A place to count this job in: its own when it was signed within a day, else a free one.
 * NULL: the day's quota is used up. */
static int64_t *place_of(struct dw_signer *s, const uint8_t job[16], int64_t now_s)
{
    uint32_t today = 0;
    size_t spare = DW_SIGNER_REVISIONS_MAX;
    for (size_t i = 0; i < DW_SIGNER_REVISIONS_MAX; i++) {
        bool is_recent = s->seen[i].at_s != 0 && now_s - s->seen[i].at_s < DAY_S;
        if (is_recent && dw_same(s->seen[i].job, job, 16))
            return &s->seen[i].at_s;
        today += is_recent;
        if (!is_recent && spare == DW_SIGNER_REVISIONS_MAX)
            spare = i;
    }
    if (today >= s->rules.per_day || spare == DW_SIGNER_REVISIONS_MAX)
        return NULL;
    s->seen[spare].at_s = 0; /* counted when it is signed */
    memcpy(s->seen[spare].job, job, 16);
    return &s->seen[spare].at_s;
}

static enum dw_signer_no judge_introduce(const struct dw_signer *s, struct dw_view payload)
{
    struct dw_introduce m;
    if (dw_failed(dw_introduce_read(payload, &m)))
        return DW_SIGNER_NO_FORM;
    if (!dw_same(m.agency, s->rules.agency, sizeof m.agency) ||
        strcmp(m.name, s->rules.name) != 0 || m.is_hosted != s->rules.is_hosted)
        return DW_SIGNER_NO_AGENCY;
    return dw_same(m.pub, s->secret->key.pub, sizeof m.pub) ? DW_SIGNER_YES : DW_SIGNER_NO_KEY;
}

static enum dw_signer_no judge_manifest(struct dw_signer *s, struct dw_view payload, int64_t now_s,
                                        int64_t **ret_place)
{
    struct dw_manifest m;
    struct dw_job job;
    if (dw_failed(dw_manifest_read(payload, &m)) ||
        dw_failed(dw_job_read(dw_view_of(m.job, m.job_len), &job)))
        return DW_SIGNER_NO_FORM;
    if (!dw_same(job.agency, s->rules.agency, sizeof job.agency) ||
        strcmp(job.agency_name, s->rules.name) != 0)
        return DW_SIGNER_NO_AGENCY;
    if (job.exp_s <= now_s || job.nbf_s > now_s + (int64_t)s->rules.days_ahead * DAY_S)
        return DW_SIGNER_NO_WINDOW;
    *ret_place = place_of(s, job.job, now_s);
    return *ret_place ? DW_SIGNER_YES : DW_SIGNER_NO_QUOTA;
}

static enum dw_signer_no judge_shift(const struct dw_signer *s, struct dw_view payload,
                                     int64_t now_s)
{
    struct dw_shift m;
    if (dw_failed(dw_shift_read(payload, &m)))
        return DW_SIGNER_NO_FORM;
    if (!dw_same(m.agency, s->rules.agency, sizeof m.agency))
        return DW_SIGNER_NO_AGENCY;
    if (m.exp_s <= now_s || m.nbf_s > now_s + DAY_S)
        return DW_SIGNER_NO_WINDOW;
    return strcmp(m.origin, s->rules.origin) == 0 ? DW_SIGNER_YES : DW_SIGNER_NO_ORIGIN;
}

enum dw_signer_no dw_signer_sign(struct dw_signer *s, const char *kind, struct dw_view payload,
                                 int64_t now_s, struct dw_buf *out)
{
    enum dw_context context = DW_CONTEXT_NONE;
    enum dw_signer_no no = DW_SIGNER_NO_KIND;
    int64_t *place = NULL;
    if (now_s <= 0)
        return DW_SIGNER_NO_CLOCK;
    if (strcmp(kind, "introduce") == 0) {
        context = DW_CONTEXT_INTRODUCE;
        no = judge_introduce(s, payload);
    } else if (strcmp(kind, "manifest") == 0) {
        context = DW_CONTEXT_MANIFEST;
        no = judge_manifest(s, payload, now_s, &place);
    } else if (strcmp(kind, "shift") == 0) {
        context = DW_CONTEXT_SHIFT;
        no = judge_shift(s, payload, now_s);
    }
    if (no != DW_SIGNER_YES)
        return no;
    if (dw_failed(dw_signed_make(s->secret, context, payload, out)))
        return DW_SIGNER_NO_FORM;
    if (place && *place == 0)
        *place = now_s;
    return DW_SIGNER_YES;
}
