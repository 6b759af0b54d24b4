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

/* Whether one more home may become known today. */
static bool may_meet(struct dw_signer *s, int64_t now_s)
{
    if (now_s - s->homes_from_s >= DAY_S) {
        s->homes_from_s = now_s;
        s->homes = 0;
    }
    return s->homes < s->rules.per_day;
}

static enum dw_signer_no judge_introduce(struct dw_signer *s, const struct dw_signer_item *item,
                                         int64_t now_s)
{
    struct dw_introduce m;
    struct dw_key hub;
    dw_key_from_pub(item->hub_pub, &hub);
    if (dw_failed(dw_introduce_read(item->payload, &m)))
        return DW_SIGNER_NO_FORM;
    if (!dw_same(m.agency, s->rules.agency, sizeof m.agency) ||
        strcmp(m.name, s->rules.name) != 0 || m.is_hosted != s->rules.is_hosted)
        return DW_SIGNER_NO_AGENCY;
    if (!dw_same(m.pub, s->secret->key.pub, sizeof m.pub))
        return DW_SIGNER_NO_KEY;
    if (!dw_same(m.hub, item->is_known ? item->known_hub : hub.thumb, sizeof m.hub))
        return DW_SIGNER_NO_HUB;
    return item->is_known || may_meet(s, now_s) ? DW_SIGNER_YES : DW_SIGNER_NO_QUOTA;
}

/* The permission as the household's hub says it, with the owner's signature inside; that one the
 * hub has checked, and checks again at the door. */
static bool read_grant(const struct dw_signer *s, const struct dw_signer_item *item,
                       struct dw_grant *ret_grant)
{
    struct dw_evidence said;
    struct dw_view payload;
    struct dw_key hub;
    enum dw_context context = (enum dw_context)dw_link_context(DW_LINK_KIND_GRANT);
    dw_key_from_pub(item->hub_pub, &hub);
    return dw_same(hub.thumb, item->known_hub, sizeof hub.thumb) &&
           !dw_failed(dw_signed_open(&hub, context, item->grant, &payload)) &&
           !dw_failed(dw_evidence_read(payload, &said)) &&
           strcmp(said.context, DW_GRANT_CONTEXT) == 0 &&
           !dw_failed(dw_grant_read(dw_view_of(said.bytes, said.bytes_len), ret_grant)) &&
           dw_same(ret_grant->hub, hub.thumb, sizeof ret_grant->hub) &&
           dw_same(ret_grant->grantee, s->secret->key.thumb, sizeof ret_grant->grantee);
}

static enum dw_signer_no judge_permission(const struct dw_signer *s,
                                          const struct dw_signer_item *item,
                                          const struct dw_manifest *m, const struct dw_job *job)
{
    struct dw_grant grant;
    if (!item->is_known)
        return DW_SIGNER_NO_HOME;
    if (!dw_same(m->hub, item->known_hub, sizeof m->hub))
        return DW_SIGNER_NO_HUB;
    if (!read_grant(s, item, &grant) || !dw_same(grant.id, m->grant, sizeof grant.id))
        return DW_SIGNER_NO_GRANT;
    return dw_grant_holds(&grant, job, NULL) ? DW_SIGNER_YES : DW_SIGNER_NO_SCOPE;
}

static enum dw_signer_no judge_manifest(struct dw_signer *s, const struct dw_signer_item *item,
                                        int64_t now_s, int64_t **ret_place)
{
    struct dw_manifest m;
    struct dw_job job;
    if (dw_failed(dw_manifest_read(item->payload, &m)) ||
        dw_failed(dw_job_read(dw_view_of(m.job, m.job_len), &job)))
        return DW_SIGNER_NO_FORM;
    if (!dw_same(job.agency, s->rules.agency, sizeof job.agency) ||
        strcmp(job.agency_name, s->rules.name) != 0)
        return DW_SIGNER_NO_AGENCY;
    enum dw_signer_no no = judge_permission(s, item, &m, &job);
    if (no != DW_SIGNER_YES)
        return no;
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

enum dw_signer_no dw_signer_sign(struct dw_signer *s, const struct dw_signer_item *item,
                                 int64_t now_s, struct dw_buf *out)
{
    enum dw_context context = DW_CONTEXT_NONE;
    enum dw_signer_no no = DW_SIGNER_NO_KIND;
    int64_t *place = NULL;
    bool is_introduce = strcmp(item->kind, "introduce") == 0;
    if (now_s <= 0)
        return DW_SIGNER_NO_CLOCK;
    if (is_introduce) {
        context = DW_CONTEXT_INTRODUCE;
        no = judge_introduce(s, item, now_s);
    } else if (strcmp(item->kind, "manifest") == 0) {
        context = DW_CONTEXT_MANIFEST;
        no = judge_manifest(s, item, now_s, &place);
    } else if (strcmp(item->kind, "shift") == 0) {
        context = DW_CONTEXT_SHIFT;
        no = judge_shift(s, item->payload, now_s);
    }
    if (no != DW_SIGNER_YES)
        return no;
    if (dw_failed(dw_signed_make(s->secret, context, item->payload, out)))
        return DW_SIGNER_NO_FORM;
    if (place && *place == 0)
        *place = now_s;
    s->homes += is_introduce && !item->is_known;
    return DW_SIGNER_YES;
}
