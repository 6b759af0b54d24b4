/* The checks on a courier's question that the core cannot see: keys, jobs, calendars. Each answer
 * is a bit; what cannot be judged is neither passed nor failed, and does not open. */
#include <string.h>
#include <time.h>

#include "hub/guard/guard.h"
#include "os/os.h"

/* P0: that somebody stands at the door is not proven by anything yet. */
#define PRESENCE_SENSED 0u

struct verdicts {
    uint64_t passed, failed;
};

static void judge(struct verdicts *v, enum dw_check check, bool ok)
{
    uint64_t bit = UINT64_C(1) << check;
    if (ok)
        v->passed |= bit;
    else
        v->failed |= bit;
}

/* A civil moment of the home. The process runs in the home's zone (TZ is set at the start). */
struct civil {
    int32_t day;
    uint32_t minute; /* rounded down */
    bool is_known; /* false: out of range, or a time of day that comes twice (end of summer time) */
};

static int32_t days_from_civil(int year, int month, int day)
{
    /* Days since 1970-01-01 in the proleptic Gregorian calendar: years begin in March, so that the
     * leap day is the last of its year. */
    int64_t y = year - (month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    return (int32_t)(era * 146097 + day_of_era - 719468);
}

static bool same_clock_face(const struct tm *a, const struct tm *b)
{
    return a->tm_year == b->tm_year && a->tm_yday == b->tm_yday && a->tm_hour == b->tm_hour &&
           a->tm_min == b->tm_min;
}

static struct civil civil_of(int64_t utc_ms)
{
    time_t t = (time_t)(utc_ms / 1000);
    struct tm here, other;
    if (!localtime_r(&t, &here))
        return (struct civil){0};
    /* A time of day that comes twice is none [protocol 5.6]. It does if a day before or after
     * another offset holds, and the moment with this clock face under that offset has it. Whatever
     * the turn is: an hour mostly, but also half of one, two, or a day. */
    for (int side = -1; side <= 1; side += 2) {
        time_t there = t + side * 86400;
        if (!localtime_r(&there, &other))
            return (struct civil){0};
        if (other.tm_gmtoff == here.tm_gmtoff)
            continue;
        there = t + here.tm_gmtoff - other.tm_gmtoff;
        if (!localtime_r(&there, &other) || same_clock_face(&here, &other))
            return (struct civil){0};
    }
    return (struct civil){
        .day = days_from_civil(here.tm_year + 1900, here.tm_mon + 1, here.tm_mday),
        .minute = (uint32_t)(here.tm_hour * 60 + here.tm_min),
        .is_known = true,
    };
}

/* Is the time of day known as well as a visitor's window needs it? */
static bool is_sure(const struct guard *g, struct dw_utc now, struct civil *ret_lo,
                    struct civil *ret_hi)
{
    if (!dw_utc_is_known(now) || now.hi_ms - now.lo_ms > (int64_t)g->set.params.clock_width_ms)
        return false;
    *ret_lo = civil_of(now.lo_ms);
    *ret_hi = civil_of(now.hi_ms);
    return ret_lo->is_known && ret_hi->is_known;
}

/* [I13]: the whole clock interval must lie inside. */
static void judge_time(struct guard *g, const struct dw_job *j, struct verdicts *v)
{
    struct dw_utc now = guard_wall(g);
    struct civil lo = {0}, hi = {0};
    bool sure = is_sure(g, now, &lo, &hi);
    judge(v, DW_CHECK_CLOCK, sure);
    if (!sure)
        return;
    const struct dw_civil_window *w = &j->window;
    bool begun = now.lo_ms >= j->nbf_s * 1000 &&
                 (lo.day > w->day || (lo.day == w->day && lo.minute >= w->from_min));
    bool open = now.hi_ms < j->exp_s * 1000 && hi.day <= w->day &&
                !(hi.day == w->day && hi.minute >= w->to_min);
    judge(v, DW_CHECK_EARLY, begun);
    judge(v, DW_CHECK_LATE, open);
    judge(v, DW_CHECK_SCREENING, j->screening_from_day <= lo.day && hi.day <= j->screening_to_day);
}

bool judge_civil_now(const struct guard *g, int32_t *ret_day, uint32_t *ret_from, uint32_t *ret_to)
{
    struct civil lo, hi;
    bool is_known = is_sure(g, guard_wall(g), &lo, &hi) && lo.day == hi.day;
    if (is_known) {
        *ret_day = lo.day;
        *ret_from = lo.minute;
        *ret_to = hi.minute;
    }
    return is_known;
}

bool judge_civil_day(const struct guard *g, int32_t *ret_day)
{
    struct dw_utc now = guard_wall(g);
    if (!dw_utc_is_known(now))
        return false;
    struct civil lo = civil_of(now.lo_ms), hi = civil_of(now.hi_ms);
    *ret_day = lo.day;
    return lo.is_known && hi.is_known && lo.day == hi.day;
}

enum dw_grant_state judge_grant_state(const struct guard *g, const struct grant *gr)
{
    struct dw_utc now = guard_wall(g);
    bool is_over = gr->state == DW_GRANT_STATE_WAITING || gr->state == DW_GRANT_STATE_LIVE;
    if (is_over && dw_utc_is_known(now) && now.hi_ms >= gr->said.exp_s * 1000)
        return DW_GRANT_STATE_EXPIRED;
    return (enum dw_grant_state)gr->state;
}

static const struct grant *grant_of(const struct guard *g, const struct job_slot *s)
{
    for (size_t i = 0; i < DW_GRANTS_MAX; i++) {
        const struct grant *gr = &g->authority.grant[i];
        if (gr->state != DW_GRANT_STATE_NONE && dw_same(gr->said.id, s->grant, 16))
            return gr;
    }
    return NULL;
}

bool judge_is_guests(const struct guard *g, const struct job_slot *s)
{
    return dw_same(s->by, g->secret.key.thumb, sizeof s->by);
}

bool judge_has_use(const struct grant *gr, int32_t day)
{
    return gr->used < gr->said.uses &&
           (day > gr->day || (day == gr->day && gr->day_used < gr->said.per_day));
}

enum dw_grant_mode judge_mode(const struct guard *g, const struct job_slot *s)
{
    const struct grant *gr = grant_of(g, s);
    enum dw_grant_state state = gr ? judge_grant_state(g, gr) : DW_GRANT_STATE_NONE;
    return state == DW_GRANT_STATE_WAITING || state == DW_GRANT_STATE_LIVE
               ? (enum dw_grant_mode)gr->said.mode
               : DW_GRANT_MODE_COUNT;
}

bool judge_needs_yes(const struct guard *g, const struct job_slot *s)
{
    return judge_mode(g, s) == DW_GRANT_ASK && s->accepted != judge_visit_mark(&s->job);
}

uint64_t judge_visit_mark(const struct dw_job *j)
{
    uint8_t said[16 + 4 + 2 + 2 + 1 + 1 + 1], hash[32];
    const uint32_t numbers[] = {(uint32_t)j->window.day,
                                (uint32_t)j->window.from_min << 16 | j->window.to_min};
    memcpy(said, j->visitor, 16);
    for (size_t i = 0; i < 8; i++)
        said[16 + i] = (uint8_t)(numbers[i / 4] >> (24 - 8 * (i % 4)));
    said[24] = j->kind;
    said[25] = j->openings;
    said[26] = j->parcel_count;
    dw_sha256(dw_view_of(said, sizeof said), hash);
    uint64_t mark = 1; /* never 0 */
    for (size_t i = 0; i < 7; i++)
        mark = mark << 8 | hash[i];
    return mark;
}

int64_t judge_begin_ms(const struct dw_job *j)
{
    time_t face = (time_t)j->window.day * 86400 + (time_t)j->window.from_min * 60;
    struct tm tm;
    if (!gmtime_r(&face, &tm))
        return 0;
    tm.tm_isdst = -1;
    time_t at = mktime(&tm);
    return at > 0 ? (int64_t)at * 1000 : 0;
}

/* May this agency still come, by what the household gave it, and does the hub know that it may?
 * [I14]: what was taken away while nobody could tell us is not known to be there. */
static bool is_granted(struct guard *g, const struct job_slot *s, const struct dw_hello *m)
{
    const struct grant *gr = grant_of(g, s);
    int32_t today = 0;
    if (!gr || judge_grant_state(g, gr) != DW_GRANT_STATE_LIVE)
        return false;
    if (gr->said.presence > PRESENCE_SENSED) /* [I4] */
        return false;
    if (judge_needs_yes(g, s) && !expected_holds(g, m->barcode, m->barcode_len))
        return false;
    /* A guest's grant lives here alone: nothing of it can wait to be brought. */
    if (!judge_is_guests(g, s) && !g->is_link_up &&
        (g->link_heard_ms == 0 || dw_now().ms - g->link_heard_ms > g->set.params.t_rev_ms))
        return false;
    for (size_t i = 0; i < VISITS_MAX; i++) { /* a stay that has begun is one use */
        const struct hello *h = &g->hellos[i];
        if (h->handle != 0 && !h->is_owner && h->visit == m->visit && h->has_grant_use &&
            dw_same(h->use_grant, s->grant, 16))
            return true;
    }
    struct civil lo, hi;
    if (!is_sure(g, guard_wall(g), &lo, &hi))
        return true; /* it is not the permission that lacks: DW_CHECK_CLOCK fails */
    return judge_civil_day(g, &today) && judge_has_use(gr, today);
}

void judge_hello(struct guard *g, const struct dw_hello *m, uint32_t *ret_job, uint32_t *ret_parcel,
                 uint64_t *ret_passed, uint64_t *ret_failed)
{
    struct verdicts v = {0};
    *ret_job = JOBS_MAX;
    *ret_parcel = DW_JOB_PARCELS_MAX;
    judge(&v, DW_CHECK_HOME, dw_same(m->hub, g->secret.key.thumb, 32)); /* [I5] */
    struct job_slot *slot = NULL;
    for (uint32_t i = 0; i < JOBS_MAX && !slot; i++) {
        if (g->jobs[i].is_used && dw_same(g->jobs[i].job.job, m->job, 16)) {
            slot = &g->jobs[i];
            *ret_job = i;
        }
    }
    /* A hub has one lock, that of the door it names first: a visit to any other door of the home is
     * not let in by this one [I4]. */
    judge(&v, DW_CHECK_DOOR, m->door == 0 && (!slot || m->door == slot->job.door));
    judge(&v, DW_CHECK_JOB, slot && !slot->is_recalled && slot->job.revision == m->revision);
    if (slot) {
        const struct dw_job *j = &slot->job;
        judge(&v, DW_CHECK_ASSIGNED, dw_same(m->visitor, j->visitor, 16));
        /* The household's word is the last one: declined, agency stopped, or a recovery under way,
         * in which nobody is let in [I48]. */
        judge(&v, DW_CHECK_PERMISSION,
              !slot->is_recalled && !slot->is_declined && !slot->is_agency_stopped &&
                  !g->people.book.is_recovering && is_granted(g, slot, m));
        judge_time(g, j, &v);
        if (j->parcel_count == 0) {
            bool stays = j->kind == DW_VISIT_STAY;
            judge(&v, DW_CHECK_PARCEL, stays);
            judge(&v, DW_CHECK_PARCEL_USED, stays && slot->openings_used < j->openings);
        } else {
            uint8_t commitment[32];
            dw_sha256_2(dw_view_of(m->salt, sizeof m->salt), dw_view_of(m->barcode, m->barcode_len),
                        commitment);
            for (uint32_t i = 0; i < j->parcel_count && i < DW_JOB_PARCELS_MAX; i++) {
                if (dw_same(commitment, j->parcel[i], 32))
                    *ret_parcel = i;
            }
            bool mine = *ret_parcel < DW_JOB_PARCELS_MAX;
            judge(&v, DW_CHECK_PARCEL, mine);
            judge(&v, DW_CHECK_PARCEL_USED, mine && !(slot->consumed & DW_BIT(*ret_parcel)));
        }
    }
    *ret_passed = v.passed;
    *ret_failed = v.failed;
}
