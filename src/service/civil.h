/* service/civil.h - civil time in a home's zone, by the system's zone data.
 *
 * The zone is the process's, so that only one thread, the writer, calls dw_civil_to_utc and
 * dw_civil_at. The functions that read and write text depend on nothing.
 */
#ifndef DW_SERVICE_CIVIL_H
#define DW_SERVICE_CIVIL_H

#include "core/base.h"

/* Once, before there are threads. */
void dw_civil_init(void);

/* "Europe/Amsterdam" and the like; false for a name that the system has no zone for. */
bool dw_zone_is_known(const char *zone);

enum dw_civil_result {
    DW_CIVIL_UNKNOWN_ZONE = 0,
    DW_CIVIL_OK,
    DW_CIVIL_MISSING,  /* skipped when the clocks go forward */
    DW_CIVIL_AMBIGUOUS /* comes twice when the clocks go back */
};

/* Minute 0..1440 of a day (since 1970-01-01) in `zone` to Unix seconds; 1440 is midnight after it.
 */
enum dw_civil_result dw_civil_to_utc(const char *zone, int32_t day, uint32_t minute,
                                     int64_t *ret_utc_s);
/* The civil day and minute at a moment; false for an unknown zone. */
bool dw_civil_at(const char *zone, int64_t utc_s, int32_t *ret_day, uint32_t *ret_minute);

/* "2026-10-25" and "14:05" (and "24:00"); strict. */
bool dw_civil_day_read(const char *text, int32_t *ret_day);
bool dw_civil_minute_read(const char *text, uint32_t *ret_minute);
#define DW_CIVIL_TEXT 16u
void dw_civil_day_write(int32_t day, char ret_text[DW_CIVIL_TEXT]);
void dw_civil_minute_write(uint32_t minute, char ret_text[DW_CIVIL_TEXT]);
/* "2026-10-25T12:05:01.250Z" */
#define DW_UTC_TEXT 32u
void dw_utc_write(int64_t utc_ms, char ret_text[DW_UTC_TEXT]);

#endif
