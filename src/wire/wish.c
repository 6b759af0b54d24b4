/* What the household wants of a delivery, and the service's answer. */
#include "wire/wish.h"
#include "wire/fields.h"
#include "wire/text.h"

#include <string.h>

#define DAY_MINUTES 1440

static bool is_place(struct dw_view text)
{
    static const char *const places[] = {"hall",   "garage",    "parcel_box",
                                         "locker", "neighbour", "doorstep"};
    for (size_t i = 0; i < DW_ARRAY_COUNT(places); i++)
        if (text.len == strlen(places[i]) && memcmp(text.ptr, places[i], text.len) == 0)
            return true;
    return false;
}

static bool is_window_sound(const struct dw_wish *m)
{
    const struct dw_civil_window *w = &m->window;
    if (m->kind == DW_WISH_MOVE)
        return dw_day_is_sound(w->day) && w->to_min <= DAY_MINUTES && w->from_min < w->to_min;
    if (m->kind == DW_WISH_NOTE)
        return dw_day_is_sound(w->day) && w->from_min == 0 && w->to_min == 0;
    return w->day == 0 && w->from_min == 0 && w->to_min == 0;
}

/* Each kind has its fields; those of the others are empty, so that a wish has one form. */
static bool is_wish_sound(const struct dw_wish *m)
{
    struct dw_view text = dw_text_of(m->text, sizeof m->text);
    if (m->number == 0 || m->kind == DW_WISH_NONE || m->kind >= DW_WISH_COUNT)
        return false;
    if (m->kind != DW_WISH_NOTE && dw_bytes_are_zero(m->id, sizeof m->id))
        return false;
    if (m->kind == DW_WISH_NOTE ? m->value == 0 || m->value >= DW_NOTE_KIND_COUNT : m->value != 0)
        return false;
    if (m->kind == DW_WISH_PLACE ? !is_place(text) : m->kind != DW_WISH_NOTE && text.len > 0)
        return false;
    return dw_text_is_plain_lines(text) && is_window_sound(m);
}

dw_err dw_wish_write(const struct dw_wish *in, struct dw_buf *out)
{
    struct dw_wr w;
    if (!is_wish_sound(in))
        return dw_fail(DW_E_INVALID);
    dw_wr_init(&w, out);
    dw_wr_map(&w, 8);
    dw_wr_key(&w, DW_CLAIM_HUB);
    dw_wr_bytes(&w, in->hub, sizeof in->hub);
    dw_wr_key(&w, DW_CLAIM_JOB);
    dw_wr_bytes(&w, in->id, sizeof in->id);
    dw_wr_key(&w, DW_CLAIM_WINDOW);
    dw_wr_window(&w, &in->window);
    dw_wr_key(&w, DW_CLAIM_AT);
    dw_wr_array(&w, 2);
    dw_wr_utc(&w, in->at);
    dw_wr_key(&w, DW_CLAIM_WISH_NUMBER);
    dw_wr_uint(&w, in->number);
    dw_wr_key(&w, DW_CLAIM_WISH_KIND);
    dw_wr_uint(&w, in->kind);
    dw_wr_key(&w, DW_CLAIM_WISH_VALUE);
    dw_wr_uint(&w, in->value);
    dw_wr_key(&w, DW_CLAIM_WISH_TEXT);
    dw_wr_text_from(&w, sizeof in->text, in->text);
    return dw_wr_end(&w);
}

dw_err dw_wish_read(struct dw_view in, struct dw_wish *ret_wish)
{
    struct dw_wish m;
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 8);
    dw_rd_key(&r, DW_CLAIM_HUB);
    dw_rd_bytes(&r, m.hub, sizeof m.hub);
    dw_rd_key(&r, DW_CLAIM_JOB);
    dw_rd_bytes(&r, m.id, sizeof m.id);
    dw_rd_key(&r, DW_CLAIM_WINDOW);
    dw_rd_window(&r, &m.window);
    dw_rd_key(&r, DW_CLAIM_AT);
    dw_rd_array(&r, 2);
    dw_rd_utc(&r, &m.at);
    dw_rd_key(&r, DW_CLAIM_WISH_NUMBER);
    dw_rd_u64(&r, &m.number);
    dw_rd_key(&r, DW_CLAIM_WISH_KIND);
    dw_rd_enum(&r, DW_WISH_COUNT, &m.kind);
    dw_rd_key(&r, DW_CLAIM_WISH_VALUE);
    dw_rd_enum(&r, DW_NOTE_KIND_COUNT, &m.value);
    dw_rd_key(&r, DW_CLAIM_WISH_TEXT);
    dw_rd_text_into(&r, sizeof m.text, m.text);
    DW_TRY(dw_rd_end(&r));
    if (!is_wish_sound(&m))
        return dw_fail(DW_E_INVALID);
    *ret_wish = m;
    return DW_OK;
}

static bool is_ack_sound(const struct dw_wish_ack *m)
{
    return m->number > 0 && m->status < DW_WISH_NO_COUNT;
}

dw_err dw_wish_ack_write(const struct dw_wish_ack *in, struct dw_buf *out)
{
    struct dw_wr w;
    if (!is_ack_sound(in))
        return dw_fail(DW_E_INVALID);
    dw_wr_init(&w, out);
    dw_wr_map(&w, 3);
    dw_wr_key(&w, DW_CLAIM_HUB);
    dw_wr_bytes(&w, in->hub, sizeof in->hub);
    dw_wr_key(&w, DW_CLAIM_WISH_NUMBER);
    dw_wr_uint(&w, in->number);
    dw_wr_key(&w, DW_CLAIM_WISH_STATUS);
    dw_wr_uint(&w, in->status);
    return dw_wr_end(&w);
}

dw_err dw_wish_ack_read(struct dw_view in, struct dw_wish_ack *ret_wish_ack)
{
    struct dw_wish_ack m;
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 3);
    dw_rd_key(&r, DW_CLAIM_HUB);
    dw_rd_bytes(&r, m.hub, sizeof m.hub);
    dw_rd_key(&r, DW_CLAIM_WISH_NUMBER);
    dw_rd_u64(&r, &m.number);
    dw_rd_key(&r, DW_CLAIM_WISH_STATUS);
    dw_rd_enum(&r, DW_WISH_NO_COUNT, &m.status);
    DW_TRY(dw_rd_end(&r));
    if (!is_ack_sound(&m))
        return dw_fail(DW_E_INVALID);
    *ret_wish_ack = m;
    return DW_OK;
}
