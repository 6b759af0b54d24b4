#include "wire/fields.h"
#include "wire/text.h"

#define DAY_MAX 2932896 /* 9999-12-31 */

void dw_wr_name(struct dw_wr *w, size_t cap, const char *name)
{
    if (!dw_text_is_plain(dw_text_of(name, cap)))
        dw_wr_fail(w, DW_E_INVALID);
    dw_wr_text_from(w, cap, name);
}

void dw_rd_name(struct dw_rd *r, size_t cap, char *ret_name)
{
    dw_rd_text_into(r, cap, ret_name);
    if (!dw_text_is_plain(dw_text_of(ret_name, cap)))
        dw_rd_fail(r, DW_E_INVALID);
}

void dw_wr_utc(struct dw_wr *w, struct dw_utc at)
{
    bool is_known = dw_utc_is_known(at);
    if (is_known && at.hi_ms > DW_UNIX_S_MAX * 1000)
        dw_wr_fail(w, DW_E_INVALID);
    dw_wr_int(w, is_known ? at.lo_ms : 0);
    dw_wr_int(w, is_known ? at.hi_ms : 0);
}

void dw_rd_utc(struct dw_rd *r, struct dw_utc *ret_at)
{
    struct dw_utc at = {0};
    dw_rd_int(r, 0, DW_UNIX_S_MAX * 1000, &at.lo_ms);
    dw_rd_int(r, 0, DW_UNIX_S_MAX * 1000, &at.hi_ms);
    if (!dw_utc_is_known(at) && (at.lo_ms != 0 || at.hi_ms != 0))
        dw_rd_fail(r, DW_E_INVALID);
    if (!dw_failed(r->err))
        *ret_at = at;
}

bool dw_day_is_sound(int32_t day)
{
    return day >= 0 && day <= DAY_MAX;
}

void dw_rd_day(struct dw_rd *r, int32_t *ret_day)
{
    int64_t day = *ret_day;
    dw_rd_int(r, 0, DAY_MAX, &day);
    *ret_day = (int32_t)day;
}

void dw_wr_window(struct dw_wr *w, const struct dw_civil_window *window)
{
    dw_wr_array(w, 3);
    dw_wr_int(w, window->day);
    dw_wr_uint(w, window->from_min);
    dw_wr_uint(w, window->to_min);
}

void dw_rd_window(struct dw_rd *r, struct dw_civil_window *ret_window)
{
    dw_rd_array(r, 3);
    dw_rd_day(r, &ret_window->day);
    dw_rd_u16(r, &ret_window->from_min);
    dw_rd_u16(r, &ret_window->to_min);
}

void dw_wr_bits(struct dw_wr *w, unsigned count, uint64_t bits)
{
    DW_ASSERT(count > 0 && count <= 64);
    if ((bits & 1) != 0 || (count < 64 && bits >> count != 0))
        dw_wr_fail(w, DW_E_INVALID);
    dw_wr_array(w, (uint32_t)__builtin_popcountll(bits));
    for (unsigned i = 1; i < count; i++)
        if (bits >> i & 1)
            dw_wr_uint(w, i);
}

void dw_rd_bits(struct dw_rd *r, unsigned count, uint64_t *ret_bits)
{
    uint64_t bits = 0, before = 0;
    uint32_t items;
    DW_ASSERT(count > 0 && count <= 64);
    dw_rd_array_upto(r, 0, count - 1, &items);
    for (uint32_t i = 0; i < items; i++) {
        uint64_t number = 0;
        dw_rd_uint(r, count - 1, &number);
        if (number <= before)
            dw_rd_fail(r, DW_E_NONCANONICAL);
        bits |= UINT64_C(1) << number;
        before = number;
    }
    if (!dw_failed(r->err))
        *ret_bits = bits;
}

bool dw_bytes_are_zero(const uint8_t *bytes, size_t len)
{
    uint8_t any = 0;
    for (size_t i = 0; i < len; i++)
        any |= bytes[i];
    return any == 0;
}
