/* wire/fields.h - fields that several messages share. For the .c files of this folder only. */
#ifndef DW_WIRE_FIELDS_H
#define DW_WIRE_FIELDS_H

#include "wire/cbor.h"
#include "wire/claims.h"
#include "wire/visit.h"

/* Unix seconds up to the end of the year 9999, so that no sum with them overflows. */
#define DW_UNIX_S_MAX INT64_C(253402300799)

/* A name: plain text (wire/text.h) that fits `cap` bytes with its NUL. */
void dw_wr_name(struct dw_wr *w, size_t cap, const char *name);
void dw_rd_name(struct dw_rd *r, size_t cap, char *ret_name);

/* [lo, hi] as two items of an open array. A time that is not known is always 0, 0. */
void dw_wr_utc(struct dw_wr *w, struct dw_utc at);
void dw_rd_utc(struct dw_rd *r, struct dw_utc *ret_at);

/* A day of the civil calendar, counted from 1970-01-01; not before it, not after the year 9999. */
void dw_rd_day(struct dw_rd *r, int32_t *ret_day);
bool dw_day_is_sound(int32_t day);

/* [day, from, to]: a civil window as one array. Its limits are the message's own. */
void dw_wr_window(struct dw_wr *w, const struct dw_civil_window *window);
void dw_rd_window(struct dw_rd *r, struct dw_civil_window *ret_window);

/* The numbers of the bits set in `bits`, ascending, as an array; each 0 < number < `count` <= 64.
 */
void dw_wr_bits(struct dw_wr *w, unsigned count, uint64_t bits);
void dw_rd_bits(struct dw_rd *r, unsigned count, uint64_t *ret_bits);

bool dw_bytes_are_zero(const uint8_t *bytes, size_t len);

#endif
