#include "service/visits/checks.h"

#include <math.h>

double dw_place_metres(const struct dw_place *a, const struct dw_place *b)
{
    const double metres_per_degree = 111195.0; /* mean Earth radius 6,371 km */
    double turn = fabs(a->lon - b->lon);
    if (turn > 180)
        turn = 360 - turn;
    double x = turn * cos((a->lat + b->lat) / 2 * 3.14159265358979 / 180);
    double y = a->lat - b->lat;
    return sqrt(x * x + y * y) * metres_per_degree;
}

/* A phone's word can only be held against it: unknown says nothing [issue 2, 7]. */
static enum dw_answer location(const struct dw_asked *s)
{
    if (!s->home.is_known || !s->phone.is_known)
        return DW_ANSWER_UNKNOWN;
    double far = dw_place_metres(&s->home, &s->phone) - s->phone.accuracy_m;
    return far > s->location_m_max ? DW_ANSWER_FAIL : DW_ANSWER_PASS;
}

static enum dw_answer say(bool is_good)
{
    return is_good ? DW_ANSWER_PASS : DW_ANSWER_FAIL;
}

enum dw_check dw_asked_check(const struct dw_asked *s, uint64_t *ret_passed)
{
    /* Those of the list that the service can answer; the hub answers the others. */
    const struct {
        enum dw_check check;
        enum dw_answer answer;
    } rows[] = {
        {DW_CHECK_HOME, say(!(s->is_job_known && s->is_parcel_elsewhere && !s->is_parcel_here))},
        {DW_CHECK_DOOR, say(!(s->is_job_known && s->is_door_wrong))},
        {DW_CHECK_JOB, say(s->is_job_known && s->is_job_open)},
        {DW_CHECK_ASSIGNED, say(s->is_assigned)},
        {DW_CHECK_SCREENING, say(s->is_screened)},
        {DW_CHECK_PARCEL, say(s->is_parcel_here)},
        {DW_CHECK_PARCEL_USED, say(!s->is_parcel_used)},
        {DW_CHECK_PERMISSION, say(s->is_permitted)},
        {DW_CHECK_EARLY, say(s->now_s >= s->nbf_s)},
        {DW_CHECK_LATE, say(s->now_s < s->exp_s)},
        {DW_CHECK_LOCATION, location(s)},
        {DW_CHECK_HUB_UNREACHABLE, say(s->is_link_up)},
    };
    *ret_passed = 0;
    for (size_t i = 0; i < DW_ARRAY_COUNT(rows); i++) {
        if (rows[i].answer == DW_ANSWER_FAIL)
            return rows[i].check;
        if (rows[i].answer == DW_ANSWER_PASS && rows[i].check != DW_CHECK_HUB_UNREACHABLE)
            *ret_passed |= UINT64_C(1) << rows[i].check;
    }
    return DW_CHECK_NONE;
}
