#include "service/civil.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "service/service.h"
#include "wire/text.h"

#define DAY_S 86400

bool dw_zone_is_known(const char *zone)
{
    char path[96];
    if (strlen(zone) > 47 || !dw_text_is_zone(dw_view_of(zone, strlen(zone))))
        return false;
    (void)snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", zone);
    /* Folders ("Europe") are not zones: a name that ends in '/' is readable only for folders. */
    if (access(path, R_OK) != 0)
        return false;
    (void)snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s/", zone);
    return access(path, F_OK) != 0;
}

/* Lies in the environment itself, so that a change of zone moves nothing that another thread's
 * getenv may be reading. */
static char environment[80] = "TZ=:UTC";

void dw_civil_init(void)
{
    DW_ASSERT(putenv(environment) == 0);
    tzset();
}

/* glibc takes an unknown zone for UTC without a word, hence the check first. */
static bool enter(const char *zone)
{
    if (strcmp(environment + strlen("TZ=:"), zone) == 0)
        return true;
    if (!dw_zone_is_known(zone))
        return false;
    (void)snprintf(environment, sizeof(environment), "TZ=:%s", zone);
    tzset();
    return true;
}

static bool local(int64_t utc_s, struct tm *ret_tm)
{
    time_t t = (time_t)utc_s;
    return localtime_r(&t, ret_tm) != NULL;
}

/* Civil seconds (as if UTC) at a moment. */
static int64_t civil_seconds(int64_t utc_s)
{
    struct tm tm;
    return local(utc_s, &tm) ? utc_s + tm.tm_gmtoff : INT64_MIN;
}

enum dw_civil_result dw_civil_to_utc(const char *zone, int32_t day, uint32_t minute,
                                     int64_t *ret_utc_s)
{
    if (!enter(zone) || minute > 1440)
        return DW_CIVIL_UNKNOWN_ZONE;
    int64_t want = (int64_t)day * DAY_S + (int64_t)minute * 60;
    /* A clock change lies a day or less away from the moment, so that the offsets a day before and
     * after are the only candidates: none fits in the skipped hour, both in the repeated one. */
    int64_t before = want - (civil_seconds(want - DAY_S) - (want - DAY_S));
    int64_t after = want - (civil_seconds(want + DAY_S) - (want + DAY_S));
    bool fits_before = civil_seconds(before) == want, fits_after = civil_seconds(after) == want;
    if (fits_before && fits_after && before != after)
        return DW_CIVIL_AMBIGUOUS;
    if (!fits_before && !fits_after)
        return DW_CIVIL_MISSING;
    *ret_utc_s = fits_before ? before : after;
    return DW_CIVIL_OK;
}

bool dw_civil_at(const char *zone, int64_t utc_s, int32_t *ret_day, uint32_t *ret_minute)
{
    if (!enter(zone))
        return false;
    int64_t civil = civil_seconds(utc_s);
    if (civil < 0)
        return false;
    *ret_day = (int32_t)(civil / DAY_S);
    *ret_minute = (uint32_t)(civil % DAY_S / 60);
    return true;
}

static bool digits(const char *p, size_t count, int *ret_value)
{
    int value = 0;
    for (size_t i = 0; i < count; i++) {
        if (p[i] < '0' || p[i] > '9')
            return false;
        value = value * 10 + (p[i] - '0');
    }
    *ret_value = value;
    return true;
}

bool dw_civil_day_read(const char *text, int32_t *ret_day)
{
    int y, m, d;
    if (strlen(text) != 10 || text[4] != '-' || text[7] != '-' || !digits(text, 4, &y) ||
        !digits(text + 5, 2, &m) || !digits(text + 8, 2, &d) || y < 1970 || m < 1 || m > 12 ||
        d < 1)
        return false;
    struct tm tm = {.tm_year = y - 1900, .tm_mon = m - 1, .tm_mday = d};
    time_t t = timegm(&tm);
    if (tm.tm_mon != m - 1 || tm.tm_mday != d) /* 30 February */
        return false;
    *ret_day = (int32_t)(t / DAY_S);
    return true;
}

bool dw_civil_minute_read(const char *text, uint32_t *ret_minute)
{
    int h, m;
    if (strlen(text) != 5 || text[2] != ':' || !digits(text, 2, &h) || !digits(text + 3, 2, &m) ||
        m > 59 || h > 24 || (h == 24 && m > 0))
        return false;
    *ret_minute = (uint32_t)(h * 60 + m);
    return true;
}

void dw_civil_day_write(int32_t day, char ret_text[DW_CIVIL_TEXT])
{
    time_t t = (time_t)day * DAY_S;
    struct tm tm;
    /* Not strftime: it reads the environment. */
    ret_text[0] = 0;
    if (gmtime_r(&t, &tm))
        (void)snprintf(ret_text, DW_CIVIL_TEXT, "%04d-%02d-%02d", (tm.tm_year + 1900) % 10000,
                       (tm.tm_mon + 1) % 100, tm.tm_mday % 100);
}

void dw_civil_minute_write(uint32_t minute, char ret_text[DW_CIVIL_TEXT])
{
    (void)snprintf(ret_text, DW_CIVIL_TEXT, "%02u:%02u", minute / 60 % 25, minute % 60);
}

void dw_utc_write(int64_t utc_ms, char ret_text[DW_UTC_TEXT])
{
    time_t t = (time_t)(utc_ms / 1000);
    struct tm tm;
    ret_text[0] = 0;
    if (utc_ms >= 0 && gmtime_r(&t, &tm))
        (void)snprintf(ret_text, DW_UTC_TEXT, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                       (tm.tm_year + 1900) % 10000, (tm.tm_mon + 1) % 100, tm.tm_mday % 100,
                       tm.tm_hour % 100, tm.tm_min % 100, tm.tm_sec % 100, (int)(utc_ms % 1000));
}

int64_t dw_service_now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
