/* How a visit goes and how it ended: news, receipt, ack; and what one screen may show: display. */
#include "core/types.h"
#include "wire/fields.h"
#include "wire/visit.h"

#include <string.h>

_Static_assert(DW_ALARM_COUNT < 32, "alarms fit one word");

static bool is_news_sound(const struct dw_news *m)
{
    return m->number > 0 && m->state < DW_VISIT_STATE_COUNT && m->check < DW_CHECK_COUNT &&
           m->alarms >> DW_ALARM_COUNT == 0;
}

dw_err dw_news_write(const struct dw_news *in, struct dw_buf *out)
{
    struct dw_wr w;
    if (!is_news_sound(in))
        return dw_fail(DW_E_INVALID);
    dw_wr_init(&w, out);
    dw_wr_map(&w, 7);
    dw_wr_key(&w, DW_CLAIM_HUB);
    dw_wr_bytes(&w, in->hub, sizeof in->hub);
    dw_wr_key(&w, DW_CLAIM_VISIT);
    dw_wr_uint(&w, in->visit);
    dw_wr_key(&w, DW_CLAIM_CHECK);
    dw_wr_uint(&w, in->check);
    dw_wr_key(&w, DW_CLAIM_NEWS_NUMBER);
    dw_wr_uint(&w, in->number);
    dw_wr_key(&w, DW_CLAIM_VISIT_STATE);
    dw_wr_uint(&w, in->state);
    dw_wr_key(&w, DW_CLAIM_AT);
    dw_wr_array(&w, 2);
    dw_wr_utc(&w, in->at);
    dw_wr_key(&w, DW_CLAIM_ALARMS);
    dw_wr_uint(&w, in->alarms);
    return dw_wr_end(&w);
}

dw_err dw_news_read(struct dw_view in, struct dw_news *ret_news)
{
    struct dw_news m;
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 7);
    dw_rd_key(&r, DW_CLAIM_HUB);
    dw_rd_bytes(&r, m.hub, sizeof m.hub);
    dw_rd_key(&r, DW_CLAIM_VISIT);
    dw_rd_u64(&r, &m.visit);
    dw_rd_key(&r, DW_CLAIM_CHECK);
    dw_rd_enum(&r, DW_CHECK_COUNT, &m.check);
    dw_rd_key(&r, DW_CLAIM_NEWS_NUMBER);
    dw_rd_u32(&r, &m.number);
    dw_rd_key(&r, DW_CLAIM_VISIT_STATE);
    dw_rd_enum(&r, DW_VISIT_STATE_COUNT, &m.state);
    dw_rd_key(&r, DW_CLAIM_AT);
    dw_rd_array(&r, 2);
    dw_rd_utc(&r, &m.at);
    dw_rd_key(&r, DW_CLAIM_ALARMS);
    dw_rd_u32(&r, &m.alarms);
    DW_TRY(dw_rd_end(&r));
    if (!is_news_sound(&m))
        return dw_fail(DW_E_INVALID);
    *ret_news = m;
    return DW_OK;
}

static bool is_receipt_sound(const struct dw_receipt *m)
{
    return m->outcome > DW_OUTCOME_NONE && m->outcome < DW_OUTCOME_COUNT &&
           m->check < DW_CHECK_COUNT && m->evidence < DW_LOCK_CLASS_COUNT;
}

dw_err dw_receipt_write(const struct dw_receipt *in, struct dw_buf *out)
{
    struct dw_wr w;
    if (!is_receipt_sound(in))
        return dw_fail(DW_E_INVALID);
    dw_wr_init(&w, out);
    dw_wr_map(&w, 11);
    dw_wr_key(&w, DW_CLAIM_HUB);
    dw_wr_bytes(&w, in->hub, sizeof in->hub);
    dw_wr_key(&w, DW_CLAIM_VISIT);
    dw_wr_uint(&w, in->visit);
    dw_wr_key(&w, DW_CLAIM_COURIER_NONCE);
    dw_wr_bytes(&w, in->courier_nonce, sizeof in->courier_nonce);
    dw_wr_key(&w, DW_CLAIM_CHECK);
    dw_wr_uint(&w, in->check);
    dw_wr_key(&w, DW_CLAIM_OUTCOME);
    dw_wr_uint(&w, in->outcome);
    dw_wr_key(&w, DW_CLAIM_GAP);
    dw_wr_uint(&w, in->gap_ms);
    dw_wr_key(&w, DW_CLAIM_TIMES);
    dw_wr_array(&w, 4);
    dw_wr_utc(&w, in->opened);
    dw_wr_utc(&w, in->secured);
    dw_wr_key(&w, DW_CLAIM_INSIDE);
    dw_wr_uint(&w, in->inside_ms);
    dw_wr_key(&w, DW_CLAIM_EVIDENCE);
    dw_wr_uint(&w, in->evidence);
    dw_wr_key(&w, DW_CLAIM_LEAF);
    dw_wr_uint(&w, in->leaf);
    dw_wr_key(&w, DW_CLAIM_CONFIRMED_LATER);
    dw_wr_bool(&w, in->is_confirmed_later);
    return dw_wr_end(&w);
}

dw_err dw_receipt_read(struct dw_view in, struct dw_receipt *ret_receipt)
{
    struct dw_receipt m;
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 11);
    dw_rd_key(&r, DW_CLAIM_HUB);
    dw_rd_bytes(&r, m.hub, sizeof m.hub);
    dw_rd_key(&r, DW_CLAIM_VISIT);
    dw_rd_u64(&r, &m.visit);
    dw_rd_key(&r, DW_CLAIM_COURIER_NONCE);
    dw_rd_bytes(&r, m.courier_nonce, sizeof m.courier_nonce);
    dw_rd_key(&r, DW_CLAIM_CHECK);
    dw_rd_enum(&r, DW_CHECK_COUNT, &m.check);
    dw_rd_key(&r, DW_CLAIM_OUTCOME);
    dw_rd_enum(&r, DW_OUTCOME_COUNT, &m.outcome);
    dw_rd_key(&r, DW_CLAIM_GAP);
    dw_rd_u32(&r, &m.gap_ms);
    dw_rd_key(&r, DW_CLAIM_TIMES);
    dw_rd_array(&r, 4);
    dw_rd_utc(&r, &m.opened);
    dw_rd_utc(&r, &m.secured);
    dw_rd_key(&r, DW_CLAIM_INSIDE);
    dw_rd_u32(&r, &m.inside_ms);
    dw_rd_key(&r, DW_CLAIM_EVIDENCE);
    dw_rd_enum(&r, DW_LOCK_CLASS_COUNT, &m.evidence);
    dw_rd_key(&r, DW_CLAIM_LEAF);
    dw_rd_u64(&r, &m.leaf);
    dw_rd_key(&r, DW_CLAIM_CONFIRMED_LATER);
    dw_rd_bool(&r, &m.is_confirmed_later);
    DW_TRY(dw_rd_end(&r));
    if (!is_receipt_sound(&m))
        return dw_fail(DW_E_INVALID);
    *ret_receipt = m;
    return DW_OK;
}

dw_err dw_ack_write(const struct dw_ack *in, struct dw_buf *out)
{
    struct dw_wr w;
    dw_wr_init(&w, out);
    dw_wr_map(&w, 3);
    dw_wr_key(&w, DW_CLAIM_HUB);
    dw_wr_bytes(&w, in->hub, sizeof in->hub);
    dw_wr_key(&w, DW_CLAIM_VISIT);
    dw_wr_uint(&w, in->visit);
    dw_wr_key(&w, DW_CLAIM_NEWS_NUMBER);
    dw_wr_uint(&w, in->number);
    return dw_wr_end(&w);
}

dw_err dw_ack_read(struct dw_view in, struct dw_ack *ret_ack)
{
    struct dw_ack m;
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 3);
    dw_rd_key(&r, DW_CLAIM_HUB);
    dw_rd_bytes(&r, m.hub, sizeof m.hub);
    dw_rd_key(&r, DW_CLAIM_VISIT);
    dw_rd_u64(&r, &m.visit);
    dw_rd_key(&r, DW_CLAIM_NEWS_NUMBER);
    dw_rd_u32(&r, &m.number);
    DW_TRY(dw_rd_end(&r));
    *ret_ack = m;
    return DW_OK;
}

/* A screen may not say more than its sensors do: "secured" goes with a thrown bolt, a closed door
 * and a strike that is in, or that this lock does not have (class L-B) [I32]. */
static bool is_display_sound(const struct dw_display *m)
{
    bool is_sensed_secure = m->bolt == DW_BOLT_THROWN && m->contact == DW_CONTACT_CLOSED &&
                            (m->strike == DW_STRIKE_IN || m->strike == DW_STRIKE_ABSENT);
    return m->bolt < DW_BOLT_COUNT && m->contact < DW_CONTACT_COUNT &&
           m->strike < DW_STRIKE_COUNT && m->visit_state < DW_VISIT_STATE_COUNT &&
           (!m->is_secured || is_sensed_secure);
}

dw_err dw_display_write(const struct dw_display *in, struct dw_buf *out)
{
    struct dw_wr w;
    if (!is_display_sound(in))
        return dw_fail(DW_E_INVALID);
    dw_wr_init(&w, out);
    dw_wr_map(&w, 6);
    dw_wr_key(&w, DW_CLAIM_HUB);
    dw_wr_bytes(&w, in->hub, sizeof in->hub);
    dw_wr_key(&w, DW_CLAIM_SENSED);
    dw_wr_array(&w, 3);
    dw_wr_uint(&w, in->bolt);
    dw_wr_uint(&w, in->contact);
    dw_wr_uint(&w, in->strike);
    dw_wr_key(&w, DW_CLAIM_VISIT_STATE);
    dw_wr_uint(&w, in->visit_state);
    dw_wr_key(&w, DW_CLAIM_VIEWER_NONCE);
    dw_wr_bytes(&w, in->viewer_nonce, sizeof in->viewer_nonce);
    dw_wr_key(&w, DW_CLAIM_SECURED);
    dw_wr_bool(&w, in->is_secured);
    dw_wr_key(&w, DW_CLAIM_DISPLAY_LEASE);
    dw_wr_uint(&w, in->lease_ms);
    return dw_wr_end(&w);
}

dw_err dw_display_read(struct dw_view in, struct dw_display *ret_display)
{
    struct dw_display m;
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 6);
    dw_rd_key(&r, DW_CLAIM_HUB);
    dw_rd_bytes(&r, m.hub, sizeof m.hub);
    dw_rd_key(&r, DW_CLAIM_SENSED);
    dw_rd_array(&r, 3);
    dw_rd_enum(&r, DW_BOLT_COUNT, &m.bolt);
    dw_rd_enum(&r, DW_CONTACT_COUNT, &m.contact);
    dw_rd_enum(&r, DW_STRIKE_COUNT, &m.strike);
    dw_rd_key(&r, DW_CLAIM_VISIT_STATE);
    dw_rd_enum(&r, DW_VISIT_STATE_COUNT, &m.visit_state);
    dw_rd_key(&r, DW_CLAIM_VIEWER_NONCE);
    dw_rd_bytes(&r, m.viewer_nonce, sizeof m.viewer_nonce);
    dw_rd_key(&r, DW_CLAIM_SECURED);
    dw_rd_bool(&r, &m.is_secured);
    dw_rd_key(&r, DW_CLAIM_DISPLAY_LEASE);
    dw_rd_u32(&r, &m.lease_ms);
    DW_TRY(dw_rd_end(&r));
    if (!is_display_sound(&m))
        return dw_fail(DW_E_INVALID);
    *ret_display = m;
    return DW_OK;
}
