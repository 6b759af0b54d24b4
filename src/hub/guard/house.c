/* What the household sees and wishes: jobs, wishes, camera mode, settings that tighten, old lines
 * of the story, and its own opening of the door. */
#include <stdio.h>
#include <string.h>

#include "crypto/signed.h"
#include "hub/guard/guard.h"
#include "os/os.h"
#include "wire/cbor.h"
#include "wire/text.h"

#define FACT_VERSION 1u
#define SOON_MS      3600000 /* how long before its window a visit is told once more */

/* ---- camera mode ---- */

/* VIS: a visit always sees; the household's own opening is none. */
static bool is_visit(const struct guard *g)
{
    switch ((enum dw_visit_state)g->door.state) {
    case DW_VISIT_ASKED:
    case DW_VISIT_READY:
    case DW_VISIT_INTENT:
    case DW_VISIT_LOOKING:
    case DW_VISIT_RETRACTING:
    case DW_VISIT_UNLOCKED:
    case DW_VISIT_INSIDE:
    case DW_VISIT_CLOSING:
    case DW_VISIT_STUCK:
    case DW_VISIT_UNHEARD: return !g->door.is_owner;
    case DW_VISIT_NONE:
    case DW_VISIT_BETWEEN:
    case DW_VISIT_WATCH:
    case DW_VISIT_STATE_COUNT: break;
    }
    return false;
}

void house_tell_live(struct guard *g, bool now)
{
    uint8_t mode = g->people.book.camera_mode;
    bool may_pass = mode == DW_MODE_ON || mode == DW_MODE_AWAY || is_visit(g);
    if (!now && g->house.has_told_live && may_pass == g->house.is_live)
        return;
    struct dw_ipc_live m = {.may_pass = may_pass};
    g->house.has_told_live = true;
    g->house.is_live = may_pass;
    child_send(g, CHILD_CAMERA, DW_IPC_LIVE, &m);
}

enum dw_people_no house_mode(struct guard *g, const struct dw_ipc_people_ask *m,
                             struct dw_ipc_people_answer *a)
{
    uint8_t room[512];
    if (m->value == DW_MODE_UNKNOWN || m->value >= DW_MODE_COUNT)
        return DW_PEOPLE_NO_NO_SUCH;
    if (m->value == g->people.book.camera_mode)
        return DW_PEOPLE_NO_NONE;
    people_begin(g);
    g->people.book.camera_mode = (uint8_t)m->value;
    struct store_fact f = people_house_fact(g, room, sizeof room);
    return people_line(g, DW_STORY_CAMERA_MODE, (uint32_t)m->value, 0, m->member, &f, 1, a);
}

/* ---- jobs ---- */

static enum dw_job_state state_of(const struct guard *g, const struct job_slot *s)
{
    struct dw_utc now = guard_wall(g);
    uint32_t all = s->job.parcel_count >= 32 ? UINT32_MAX : DW_BIT(s->job.parcel_count) - 1u;
    if (s->is_recalled)
        return DW_JOB_RECALLED;
    if (s->job.parcel_count ? (s->consumed & all) == all : s->openings_used >= s->job.openings)
        return DW_JOB_USED;
    if (dw_utc_is_known(now) && s->job.exp_s * 1000 < now.lo_ms)
        return DW_JOB_OVER;
    return s->is_declined ? DW_JOB_DECLINED : DW_JOB_EXPECTED;
}

void house_job_changed(struct guard *g, struct job_slot *s)
{
    s->is_due = true;
    g->house.is_jobs_due = true;
}

static struct dw_ipc_job job_message(const struct guard *g, const struct job_slot *s)
{
    const struct dw_job *j = &s->job;
    struct dw_ipc_job m = {
        .state = (uint8_t)state_of(g, s),
        .kind = j->kind,
        .door = j->door,
        .openings = j->openings,
        .parcel_count = j->parcel_count,
        .is_agency_stopped = s->is_agency_stopped,
        .needs_yes = judge_needs_yes(g, s),
        .mode = (uint8_t)judge_mode(g, s),
        .revision = j->revision,
        .dwell_ms = j->dwell_ms,
        .nbf_s = j->nbf_s,
        .exp_s = j->exp_s,
        .window = j->window,
        .screening_from_day = j->screening_from_day,
        .screening_to_day = j->screening_to_day,
    };
    for (size_t i = 12; i < 16 && judge_is_guests(g, s); i++) /* the visitor is the member */
        m.guest = m.guest << 8 | j->visitor[i];
    for (uint32_t i = 0; i < j->parcel_count && i < 32; i++)
        m.parcels_used = (uint8_t)(m.parcels_used + ((s->consumed & DW_BIT(i)) != 0));
    if (j->parcel_count == 0)
        m.parcels_used = s->openings_used;
    memcpy(m.id, j->job, sizeof m.id);
    memcpy(m.agency, j->agency, sizeof m.agency);
    memcpy(m.zone, j->zone, sizeof m.zone);
    memcpy(m.agency_name, j->agency_name, sizeof m.agency_name);
    memcpy(m.visitor_name, j->visitor_name, sizeof m.visitor_name);
    memcpy(m.screening_issuer, j->screening_issuer, sizeof m.screening_issuer);
    memcpy(m.screening_kind, j->screening_kind, sizeof m.screening_kind);
    memcpy(m.notes, j->notes, sizeof m.notes);
    memcpy(m.place, s->place, sizeof m.place);
    return m;
}

static bool tell_job(struct guard *g, struct job_slot *s)
{
    struct dw_ipc_job m = job_message(g, s);
    if (!child_offer(g, CHILD_FRONT, DW_IPC_JOB, &m))
        return false;
    if (s->is_alerted)
        (void)child_offer(g, CHILD_ALERT, DW_IPC_JOB, &m); /* nothing waits for a push */
    s->told_state = m.state;
    s->told_mode = m.mode;
    s->is_due = false;
    return true;
}

void house_tell_some(struct guard *g)
{
    bool is_due = false;
    for (size_t i = 0; i < JOBS_MAX && !is_due; i++)
        is_due = g->jobs[i].is_used && g->jobs[i].is_due && !tell_job(g, &g->jobs[i]);
    g->house.is_jobs_due = is_due;
}

void house_tell_all(struct guard *g)
{
    for (size_t i = 0; i < JOBS_MAX; i++)
        g->jobs[i].is_due = g->jobs[i].is_used;
    g->house.is_jobs_due = true;
    house_tell_params(g);
    house_tell_some(g);
}

/* A grant that asks wants a yes; one with a veto is told ahead, so that there is time for a no. One
 * that only tells speaks when the visit begins. */
static enum dw_job_news news_of(const struct guard *g, const struct job_slot *s)
{
    if (state_of(g, s) != DW_JOB_EXPECTED || s->is_agency_stopped)
        return DW_JOB_NEWS_NONE;
    if (judge_needs_yes(g, s))
        return DW_JOB_NEWS_ASKS;
    return judge_mode(g, s) == DW_GRANT_VETO ? DW_JOB_NEWS_COMES : DW_JOB_NEWS_NONE;
}

static bool is_soon(const struct guard *g, const struct job_slot *s)
{
    struct dw_utc now = guard_wall(g);
    return dw_utc_is_known(now) && now.hi_ms >= judge_begin_ms(&s->job) - SOON_MS;
}

/* What alert has still to hear of this job. It waits for alert, and is not said when it has stopped
 * being so meanwhile. */
static void alert_job(struct guard *g, struct job_slot *s)
{
    if (!s->is_reminded && is_soon(g, s) && news_of(g, s) == DW_JOB_NEWS_COMES) {
        s->is_reminded = true;
        s->news = DW_JOB_NEWS_SOON;
    }
    if (s->news == DW_JOB_NEWS_NONE)
        return;
    struct dw_ipc_job m = job_message(g, s);
    m.news = s->news;
    bool is_still = news_of(g, s) != DW_JOB_NEWS_NONE;
    if (is_still && !child_offer(g, CHILD_ALERT, DW_IPC_JOB, &m))
        return;
    s->is_alerted |= is_still;
    s->news = DW_JOB_NEWS_NONE;
}

void house_tidy(struct guard *g)
{
    for (size_t i = 0; i < JOBS_MAX; i++) { /* a window or a grant that is over is news */
        struct job_slot *s = &g->jobs[i];
        if (s->is_used && !s->is_due &&
            (s->told_state != (uint8_t)state_of(g, s) || s->told_mode != judge_mode(g, s)))
            house_job_changed(g, s);
    }
    if (g->house.is_jobs_due)
        house_tell_some(g);
    for (size_t i = 0; i < JOBS_MAX; i++) {
        if (g->jobs[i].is_used)
            alert_job(g, &g->jobs[i]);
    }
}

/* ---- wishes ---- */

static bool is_stopped(const struct guard *g, const uint8_t agency[16])
{
    for (size_t i = 0; i < AGENCIES_STOPPED_MAX; i++) {
        if (g->house.stopped[i].number && dw_same(g->house.stopped[i].id, agency, 16))
            return true;
    }
    return false;
}

/* A visit that is not open yet does not get there [I14]. */
static void end_if_unwanted(struct guard *g)
{
    struct hello *h = hello_of(g, g->door.visit);
    bool is_before = g->door.state == DW_VISIT_ASKED || g->door.state == DW_VISIT_READY ||
                     g->door.state == DW_VISIT_INTENT || g->door.state == DW_VISIT_LOOKING;
    if (!h || h->is_owner || !is_before || h->job >= JOBS_MAX)
        return;
    const struct job_slot *s = &g->jobs[h->job];
    if (s->is_declined || s->is_agency_stopped) {
        struct dw_event ev = {.type = DW_EV_OWNER_END};
        guard_feed(g, &ev);
    }
}

static void mark_agencies(struct guard *g)
{
    for (size_t i = 0; i < JOBS_MAX; i++) {
        struct job_slot *s = &g->jobs[i];
        bool stopped = s->is_used && is_stopped(g, s->job.agency);
        if (s->is_used && s->is_agency_stopped != stopped) {
            s->is_agency_stopped = stopped;
            house_job_changed(g, s);
        }
    }
    end_if_unwanted(g);
}

static void load_decision(void *ctx, struct dw_view bytes, struct dw_view unused, int64_t number,
                          int64_t unused2)
{
    struct guard *g = ctx;
    uint8_t id[16];
    char place[DW_NAME_MAX] = "";
    bool is_declined = false, was_accepted = false;
    uint64_t accepted = 0;
    uint32_t items = 0;
    uint64_t version;
    struct dw_rd r;
    (void)unused, (void)unused2;
    dw_rd_init(&r, bytes);
    dw_rd_array_upto(&r, 4, 6, &items); /* the last two came later */
    dw_rd_uint(&r, FACT_VERSION, &version);
    dw_rd_bytes(&r, id, sizeof id);
    dw_rd_bool(&r, &is_declined);
    dw_rd_text_into(&r, sizeof place, place);
    if (items > 4)
        dw_rd_bool(&r, &was_accepted);
    if (items > 5)
        dw_rd_uint(&r, UINT64_MAX, &accepted);
    if (dw_failed(dw_rd_end(&r))) {
        dw_log("error", "wish", "stored=unreadable");
        return;
    }
    struct job_slot *s = link_job(g, id);
    if (!s)
        return;
    s->decision = (uint64_t)number;
    s->is_declined = is_declined;
    s->accepted = accepted; /* a yes of before says not to what */
    memcpy(s->place, place, sizeof s->place);
    house_job_changed(g, s);
}

static void load_agency(void *ctx, struct dw_view bytes, struct dw_view unused, int64_t number,
                        int64_t unused2)
{
    struct guard *g = ctx;
    (void)unused, (void)unused2;
    for (size_t i = 0; i < AGENCIES_STOPPED_MAX && bytes.len == 16; i++) {
        if (g->house.stopped[i].number != 0)
            continue;
        g->house.stopped[i].number = (uint64_t)number;
        memcpy(g->house.stopped[i].id, bytes.ptr, 16);
        return;
    }
    dw_log("error", "wish", "agency=unreadable");
}

void house_new_job(struct guard *g, struct job_slot *s)
{
    /* It may have been here before, and been decided on. */
    store_each_fact(g->store, STORE_FACT_JOB, load_decision, g);
    s->is_agency_stopped = is_stopped(g, s->job.agency);
    s->news = (uint8_t)news_of(g, s);
    s->is_reminded = is_soon(g, s);
}

static void decide(struct guard *g)
{
    struct house *o = &g->house;
    struct job_slot *s = link_job(g, o->id);
    bool is_job = o->deciding == DW_WISH_ACCEPT || o->deciding == DW_WISH_DECLINE ||
                  o->deciding == DW_WISH_PLACE;
    if (is_job && s) {
        if (o->deciding != DW_WISH_PLACE)
            s->is_declined = o->deciding == DW_WISH_DECLINE;
        if (o->deciding != DW_WISH_PLACE)
            s->accepted = o->accepting;
        else
            memcpy(s->place, o->place, sizeof s->place);
        s->decision = o->decision;
        house_job_changed(g, s);
    } else if (o->deciding == DW_WISH_ALLOW_AGENCY) {
        for (size_t i = 0; i < AGENCIES_STOPPED_MAX; i++) {
            if (o->stopped[i].number && dw_same(o->stopped[i].id, o->id, 16))
                o->stopped[i].number = 0;
        }
        mark_agencies(g);
    }
}

void house_decided(struct guard *g, bool is_durable)
{
    struct house *o = &g->house;
    authority_decided(g, is_durable);
    expected_decided(g, is_durable);
    if (is_durable)
        decide(g);
    if (is_durable && o->is_setting) {
        o->owner = o->setting;
        o->is_params_due = true;
        house_params_in_force(g);
        house_tell_params(g);
    }
    o->deciding = DW_WISH_NONE;
    o->is_setting = false;
    if (g->house.is_jobs_due)
        house_tell_some(g);
}

/* Signs, stores, sends one wish, with the facts that enforce it here. */
static enum dw_people_no wish(struct guard *g, struct dw_wish *m, struct store_fact *facts,
                              uint32_t fact_count, uint32_t member, struct dw_ipc_people_answer *a)
{
    uint8_t room[700], house[512], detail[12];
    DW_ASSERT(fact_count + 1 <= STORE_FACTS_MAX);
    memcpy(m->hub, g->secret.key.thumb, 32);
    m->at = guard_wall(g);
    facts[fact_count] = people_house_fact(g, house, sizeof house);
    struct store_write w = {
        .kind = DW_STORY_WISH,
        .at = guard_wall(g),
        .boot_ms = dw_now().ms,
        .detail = dw_view_of(detail, tell_detail(detail, m->kind, (uint32_t)m->number, member)),
        .story = g->story_number + 1,
        .facts = facts,
        .fact_count = fact_count + 1,
    };
    const struct job_slot *s = link_job(g, m->id);
    bool is_ours = s && judge_is_guests(g, s); /* of a guest the service hears nothing */
    if (!is_ours && !link_wish(g, m, room, sizeof room, &w)) {
        g->people.book = g->people.before;
        house_decided(g, false);
        return DW_PEOPLE_NO_NAME;
    }
    enum dw_people_no no = people_write(g, &w, a);
    g->telling = 0;
    if (no == DW_PEOPLE_NO_NONE)
        show_story(g, DW_STORY_WISH, m->kind, (uint32_t)m->number, member);
    return no;
}

static enum dw_people_no wish_about_job(struct guard *g, struct dw_wish *m, struct job_slot *s,
                                        uint32_t member, struct dw_ipc_people_answer *a)
{
    struct house *o = &g->house;
    struct store_fact facts[4];
    uint8_t bytes[128];
    uint32_t count = 0;
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    struct dw_wr w;
    bool is_declined = m->kind == DW_WISH_DECLINE || (m->kind == DW_WISH_PLACE && s->is_declined);
    char place[DW_NAME_MAX] = "";
    if (m->kind == DW_WISH_PLACE)
        (void)snprintf(place, sizeof place, "%.47s", m->text); /* the write checks the word */
    else
        memcpy(place, s->place, sizeof place);
    dw_wr_init(&w, &b);
    uint64_t accepted = m->kind == DW_WISH_ACCEPT  ? judge_visit_mark(&s->job)
                        : m->kind == DW_WISH_PLACE ? s->accepted
                                                   : 0;
    dw_wr_array(&w, 6);
    dw_wr_uint(&w, FACT_VERSION);
    dw_wr_bytes(&w, m->id, sizeof m->id);
    dw_wr_bool(&w, is_declined);
    dw_wr_text_from(&w, sizeof place, place);
    dw_wr_bool(&w, accepted != 0);
    dw_wr_uint(&w, accepted);
    if (dw_failed(dw_wr_end(&w))) {
        g->people.book = g->people.before;
        return DW_PEOPLE_NO_NAME;
    }
    if (s->decision)
        facts[count++] = (struct store_fact){.kind = STORE_FACT_JOB, .number = s->decision};
    facts[count++] = (struct store_fact){STORE_FACT_JOB, m->number, dw_view_of_buf(&b)};
    o->deciding = m->kind;
    o->decision = m->number;
    o->accepting = accepted;
    memcpy(o->id, m->id, sizeof o->id);
    memcpy(o->place, place, sizeof o->place);
    enum dw_people_no no = wish(g, m, facts, count, member, a);
    if (m->kind == DW_WISH_DECLINE) { /* at once, whatever can be written [I14] */
        s->is_declined = true;
        house_job_changed(g, s);
        end_if_unwanted(g);
    }
    return no;
}

static bool is_known_agency(const struct guard *g, const uint8_t agency[16])
{
    for (size_t i = 0; i < JOBS_MAX; i++) {
        if (g->jobs[i].is_used && dw_same(g->jobs[i].job.agency, agency, 16))
            return true;
    }
    return false;
}

static enum dw_people_no stop_agency(struct guard *g, struct dw_wish *m, uint32_t member,
                                     struct dw_ipc_people_answer *a)
{
    struct house *o = &g->house;
    struct store_fact facts[2] = {{STORE_FACT_AGENCY, m->number, dw_view_of(m->id, 16)}};
    size_t at = 0;
    while (at < AGENCIES_STOPPED_MAX && o->stopped[at].number != 0)
        at++;
    if (at == AGENCIES_STOPPED_MAX) {
        g->people.book = g->people.before;
        return DW_PEOPLE_NO_FULL;
    }
    o->stopped[at].number = m->number; /* at once, whatever can be written [I14] */
    memcpy(o->stopped[at].id, m->id, 16);
    mark_agencies(g);
    o->deciding = m->kind;
    return wish(g, m, facts, 1, member, a);
}

enum dw_people_no house_wish(struct guard *g, const struct dw_ipc_people_ask *ask,
                             struct dw_ipc_people_answer *a)
{
    struct job_slot *s = link_job(g, ask->id);
    struct dw_view text = dw_text_of(ask->text, sizeof ask->text);
    struct dw_wish m = {.kind = ask->wish, .window = ask->window};
    static const uint8_t none[16];
    if (ask->wish == DW_WISH_NONE || ask->wish >= DW_WISH_COUNT || text.len == sizeof ask->text ||
        ask->value > UINT8_MAX)
        return DW_PEOPLE_NO_NAME;
    if (ask->wish == DW_WISH_ALLOW_AGENCY)
        return DW_PEOPLE_NO_ROLE; /* an act: it needs the passkey of an owner */
    bool is_agency = ask->wish == DW_WISH_STOP_AGENCY;
    bool is_for_nobody = dw_same(ask->id, none, 16);
    bool is_for_all = ask->wish == DW_WISH_NOTE && is_for_nobody;
    if (is_agency ? is_for_nobody || !is_known_agency(g, ask->id) : !s && !is_for_all)
        return DW_PEOPLE_NO_NO_SUCH;
    /* Places, notes and another time are an agency's to follow. */
    if (s && judge_is_guests(g, s) && ask->wish != DW_WISH_ACCEPT && ask->wish != DW_WISH_DECLINE)
        return DW_PEOPLE_NO_NO_SUCH;
    if (is_agency && is_stopped(g, ask->id))
        return DW_PEOPLE_NO_NONE;
    memcpy(m.id, ask->id, sizeof m.id);
    memcpy(m.text, text.ptr, text.len);
    m.value = (uint8_t)ask->value;
    people_begin(g);
    m.number = ++g->people.book.next_wish;
    switch ((enum dw_wish_kind)ask->wish) {
    case DW_WISH_ACCEPT:
    case DW_WISH_DECLINE:
    case DW_WISH_PLACE: return wish_about_job(g, &m, s, ask->member, a);
    case DW_WISH_STOP_AGENCY: return stop_agency(g, &m, ask->member, a);
    case DW_WISH_MOVE:
    case DW_WISH_NOTE: {
        struct store_fact facts[1];
        g->house.deciding = m.kind;
        return wish(g, &m, facts, 0, ask->member, a);
    }
    case DW_WISH_NONE:
    case DW_WISH_ALLOW_AGENCY:
    case DW_WISH_COUNT: break;
    }
    return DW_PEOPLE_NO_NO_SUCH;
}

enum dw_people_no house_allow(struct guard *g, const uint8_t agency[16], bool is_trial,
                              uint32_t member, struct dw_ipc_people_answer *a)
{
    struct house *o = &g->house;
    struct store_fact facts[5];
    uint32_t count = 0;
    if (!is_stopped(g, agency))
        return DW_PEOPLE_NO_NO_SUCH;
    if (is_trial)
        return DW_PEOPLE_NO_NONE;
    for (size_t i = 0; i < AGENCIES_STOPPED_MAX && count < 4; i++) {
        if (o->stopped[i].number && dw_same(o->stopped[i].id, agency, 16))
            facts[count++] =
                (struct store_fact){.kind = STORE_FACT_AGENCY, .number = o->stopped[i].number};
    }
    people_begin(g);
    g->people.book.epoch++;
    struct dw_wish m = {.kind = DW_WISH_ALLOW_AGENCY, .number = ++g->people.book.next_wish};
    memcpy(m.id, agency, 16);
    o->deciding = DW_WISH_ALLOW_AGENCY; /* loosens: only when it is durable */
    memcpy(o->id, agency, 16);
    return wish(g, &m, facts, count, member, a);
}

/* ---- settings that tighten [VIS-22] ---- */

struct row {
    const char *name;
    uint32_t fallback, floor, ceiling, at;
};
static const struct row rows[] = {
#define X(field, def, floor, ceiling, why) \
    {#field, def, floor, ceiling, (uint32_t)offsetof(struct dw_params, field)},
    DW_PARAM_LIST(X)
#undef X
};

static uint32_t *field_of(struct dw_params *p, const struct row *r)
{
    return (uint32_t *)(void *)((uint8_t *)p + r->at);
}

static bool is_one_of(const char *name, const char *const *list)
{
    for (; *list; list++) {
        if (strcmp(name, *list) == 0)
            return true;
    }
    return false;
}

/* [I15] What is at least wanted of versions and passkeys: once raised, it never falls again. */
static bool is_minimum(const struct row *r)
{
    static const char *const minima[] = {"format_least", "alg_least", NULL};
    return is_one_of(r->name, minima);
}

bool house_takes_alg(const struct guard *g, uint8_t alg)
{
    return alg >= g->house.owner.alg_least;
}

/* An owner with fewer than two passkeys that count is one loss away from none. */
static bool owners_keep_two(const struct guard *g, uint64_t alg_least)
{
    const struct book *b = &g->people.book;
    for (size_t i = 0; i < DW_MEMBERS_MAX; i++) {
        uint32_t n = 0;
        for (size_t k = 0; k < DW_CREDENTIALS_MAX; k++)
            n += b->credential[k].number != 0 && b->credential[k].member == b->member[i].id &&
                 b->credential[k].key.alg >= alg_least;
        if (b->member[i].id != 0 && b->member[i].role == DW_MEMBER_OWNER && n < 2)
            return false;
    }
    return true;
}

/* What the household may set `r` to: never looser than the file of whoever set the hub up. */
static void range_of(struct guard *g, const struct row *r, uint32_t *ret_least, uint32_t *ret_most)
{
    static const char *const either[] = {"t_dwell_ms",   "t_late_ms",   "t_check_ms",
                                         "t_retract_ms", "t_record_ms", NULL};
    static const char *const upwards[] = {"t_watch_ms", "throws_least", NULL};
    uint32_t file = *field_of(&g->house.file, r);
    *ret_least = is_one_of(r->name, upwards) ? file : r->floor;
    *ret_most = is_one_of(r->name, either) || is_one_of(r->name, upwards) ? r->ceiling : file;
    if (is_minimum(r)) {
        uint32_t now = *field_of(&g->house.owner, r);
        *ret_least = now > file ? now : file;
        *ret_most = r->ceiling;
    }
}

static const struct row *row_of(const char *field)
{
    for (size_t i = 0; i < DW_ARRAY_COUNT(rows); i++) {
        if (strcmp(rows[i].name, field) == 0)
            return &rows[i];
    }
    return NULL;
}

void house_tell_params(struct guard *g)
{
    struct dw_ipc_params m = {0};
    for (size_t i = 0; i < DW_ARRAY_COUNT(rows) && i < DW_PARAMS_MAX; i++) {
        struct dw_ipc_param *p = &m.param[m.count++];
        (void)snprintf(p->field, sizeof p->field, "%s", rows[i].name);
        p->value = *field_of(&g->house.owner, &rows[i]);
        p->fallback = rows[i].fallback;
        range_of(g, &rows[i], &p->floor, &p->ceiling);
    }
    memcpy(m.home, g->home, sizeof m.home);
    memcpy(m.door, g->set.door, sizeof m.door);
    child_send(g, CHILD_FRONT, DW_IPC_PARAMS, &m);
}

void house_params_in_force(struct guard *g)
{
    if (!g->house.is_params_due || g->door.state != DW_VISIT_NONE)
        return;
    g->house.is_params_due = false;
    g->set.params = g->house.owner;
    dw_interlock_set_params(&g->door, &g->house.owner);
}

enum dw_people_no house_set_param(struct guard *g, const char *field, uint64_t value, bool is_trial,
                                  uint32_t member, struct dw_ipc_people_answer *a)
{
    const struct row *r = row_of(field);
    struct house *o = &g->house;
    uint32_t least, most, count = 0;
    uint8_t bytes[1200];
    struct dw_params want = o->owner, base = o->file;
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    struct dw_wr w;
    if (!r)
        return DW_PEOPLE_NO_NO_SUCH;
    range_of(g, r, &least, &most);
    if (value < least || value > most)
        return DW_PEOPLE_NO_NOT_TIGHTER;
    if (strcmp(field, "alg_least") == 0 && !owners_keep_two(g, value))
        return DW_PEOPLE_NO_TWO_PASSKEYS;
    if (is_trial)
        return DW_PEOPLE_NO_NONE;
    *field_of(&want, r) = (uint32_t)value;
    for (size_t i = 0; i < DW_ARRAY_COUNT(rows); i++)
        count += *field_of(&want, &rows[i]) != *field_of(&base, &rows[i]);
    dw_wr_init(&w, &b);
    dw_wr_array(&w, 1 + 2 * count);
    dw_wr_uint(&w, FACT_VERSION);
    for (size_t i = 0; i < DW_ARRAY_COUNT(rows); i++) {
        if (*field_of(&want, &rows[i]) == *field_of(&base, &rows[i]))
            continue;
        dw_wr_text(&w, dw_view_of(rows[i].name, strlen(rows[i].name)));
        dw_wr_uint(&w, *field_of(&want, &rows[i]));
    }
    if (dw_failed(dw_wr_end(&w)))
        return DW_PEOPLE_NO_STORAGE;
    uint32_t place = (uint32_t)(r - rows);
    people_begin(g);
    g->people.book.epoch++;
    uint8_t house[512];
    struct store_fact facts[2] = {{STORE_FACT_PARAMS, 0, dw_view_of_buf(&b)},
                                  people_house_fact(g, house, sizeof house)};
    o->is_setting = true;
    o->setting = want;
    return people_line(g, DW_STORY_SETTING, (uint32_t)value, place, member, facts, 2, a);
}

/* False: a minimum is above what this program knows. */
static bool load_params(struct guard *g)
{
    uint8_t bytes[1300];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    struct dw_rd r;
    uint32_t items = 0;
    uint64_t version, value = 0;
    struct dw_params want = g->house.file;
    dw_err e = store_fact(g->store, STORE_FACT_PARAMS, 0, &b);
    if (dw_is(e, DW_E_NOT_FOUND))
        return true;
    dw_rd_init(&r, dw_view_of_buf(&b));
    dw_rd_array_upto(&r, 1, 1 + 2 * DW_ARRAY_COUNT(rows), &items);
    dw_rd_uint(&r, FACT_VERSION, &version);
    for (uint32_t i = 1; i + 1 < items; i += 2) {
        char name[24] = "";
        uint32_t least, most;
        dw_rd_text_into(&r, sizeof name, name);
        dw_rd_uint(&r, UINT32_MAX, &value);
        const struct row *row = row_of(name);
        if (!row)
            continue; /* of another version */
        range_of(g, row, &least, &most);
        if (is_minimum(row) && value > row->ceiling && !dw_failed(r.err))
            return false;
        if (value >= least && value <= most) /* the file may have become tighter meanwhile */
            *field_of(&want, row) = (uint32_t)value;
    }
    if (dw_failed(e) || dw_failed(dw_rd_end(&r))) {
        dw_log("error", "settings", "stored=unreadable visitors=no");
        g->is_rolled_back = true; /* nobody comes by looser rules than were set */
        return true;
    }
    g->house.owner = want;
    return true;
}

/* ---- whose a visit was, and old lines ---- */

void house_who(struct guard *g, const struct hello *h)
{
    struct dw_ipc_who m = {
        .visit = h->visit, .is_owner = h->is_owner, .member = h->is_owner ? h->member : h->guest};
    if (h->is_owner) {
        (void)snprintf(m.visitor, sizeof m.visitor, "%s", people_name(g, h->member));
    } else if (h->job < JOBS_MAX) {
        const struct dw_job *j = &g->jobs[h->job].job;
        m.kind = j->kind;
        memcpy(m.job, j->job, sizeof m.job);
        memcpy(m.visitor, j->visitor_name, sizeof m.visitor);
        memcpy(m.agency, j->agency_name, sizeof m.agency);
    }
    uint8_t bytes[256];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    struct dw_wr w;
    dw_wr_init(&w, &b);
    dw_wr_array(&w, 7);
    dw_wr_uint(&w, FACT_VERSION);
    dw_wr_bytes(&w, m.job, sizeof m.job);
    dw_wr_uint(&w, m.kind);
    dw_wr_bool(&w, m.is_owner != 0);
    dw_wr_uint(&w, m.member);
    dw_wr_text_from(&w, sizeof m.visitor, m.visitor);
    dw_wr_text_from(&w, sizeof m.agency, m.agency);
    if (!dw_failed(dw_wr_end(&w))) {
        struct store_fact f = {STORE_FACT_WHO, h->visit, dw_view_of_buf(&b)};
        struct store_write write = {.facts = &f, .fact_count = 1};
        (void)store_write(g->store, &write);
    }
    if (g->child[CHILD_ALERT].is_ready)
        child_send(g, CHILD_ALERT, DW_IPC_WHO, &m);
    if (g->child[CHILD_FRONT].is_ready)
        child_send(g, CHILD_FRONT, DW_IPC_WHO, &m);
}

static bool read_who(struct guard *g, uint64_t visit, struct dw_ipc_who *ret)
{
    uint8_t bytes[256];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    struct dw_rd r;
    bool is_owner = false;
    uint64_t version;
    *ret = (struct dw_ipc_who){.visit = visit};
    if (dw_failed(store_fact(g->store, STORE_FACT_WHO, visit, &b)))
        return false;
    dw_rd_init(&r, dw_view_of_buf(&b));
    dw_rd_array(&r, 7);
    dw_rd_uint(&r, FACT_VERSION, &version);
    dw_rd_bytes(&r, ret->job, sizeof ret->job);
    dw_rd_u8(&r, &ret->kind);
    dw_rd_bool(&r, &is_owner);
    dw_rd_u32(&r, &ret->member);
    dw_rd_text_into(&r, sizeof ret->visitor, ret->visitor);
    dw_rd_text_into(&r, sizeof ret->agency, ret->agency);
    ret->is_owner = is_owner;
    return !dw_failed(dw_rd_end(&r));
}

void house_tell_who(struct guard *g, uint64_t visit)
{
    struct dw_ipc_who m;
    if (read_who(g, visit, &m))
        child_send(g, CHILD_ALERT, DW_IPC_WHO, &m);
}

static uint32_t number_at(const struct dw_event_body *b, size_t at)
{
    uint32_t v = 0;
    for (size_t i = 0; i < 4 && at + 4 <= b->detail_len; i++)
        v = v << 8 | b->detail[at + i];
    return v;
}

/* The line as it was told, from what the record keeps of it. */
static void line_of(const struct dw_event_body *b, uint64_t number, struct dw_ipc_story *ret)
{
    bool is_end = b->kind == DW_STORY_VISIT_ENDED || b->kind == DW_STORY_CONFIRMED_LATE;
    *ret = (struct dw_ipc_story){
        .number = number,
        .at_ms = b->boot_ms,
        .utc_ms = dw_utc_is_known(b->at) ? b->at.lo_ms + (b->at.hi_ms - b->at.lo_ms) / 2 : 0,
        .visit = b->visit,
        .kind = b->kind,
    };
    if (is_end || (b->kind == DW_STORY_VISIT_REFUSED && b->detail_len >= 8 && b->detail[0])) {
        /* outcome, check, enum dw_chain_no, 0, gap in ms, member (hub/guard/perform.c) */
        ret->value = is_end ? b->detail[0] : b->detail[1];
        ret->value2 = is_end ? number_at(b, 4) : b->detail[2];
        ret->member = number_at(b, 8);
    } else if (b->kind == DW_STORY_SEGMENT) {
        ret->value = number_at(b, 56);
        ret->value2 = number_at(b, 60);
    } else if (b->detail_len <= 12 || b->detail_len == 12 + 32) { /* with the hash of evidence */
        ret->value = number_at(b, 0);
        ret->value2 = number_at(b, 4);
        ret->member = number_at(b, 8);
    }
}

struct replay {
    struct guard *g;
    uint64_t told[256]; /* visits whose names have gone out in this batch */
    uint32_t count;
    uint64_t last; /* number of the newest line that went out */
    bool is_full;
};

static void replay_line(void *ctx, struct dw_view bytes, struct dw_view unused, int64_t number,
                        int64_t unused2)
{
    struct replay *r = ctx;
    struct dw_view payload;
    struct dw_event_body body;
    struct dw_ipc_story line;
    struct dw_ipc_who who;
    (void)unused, (void)unused2;
    if (r->is_full)
        return;
    if (dw_failed(dw_signed_open(&r->g->secret.key, DW_CONTEXT_EVENT, bytes, &payload)) ||
        dw_failed(dw_event_body_read(payload, &body))) {
        dw_log("error", "story", "line=unreadable"); /* the record is for the auditor to judge */
        return;
    }
    line_of(&body, (uint64_t)number, &line);
    bool is_told = line.visit == 0 || r->count == DW_ARRAY_COUNT(r->told);
    for (uint32_t i = 0; i < r->count && !is_told; i++)
        is_told = r->told[i] == line.visit;
    if (!is_told) {
        r->told[r->count++] = line.visit;
        if (read_who(r->g, line.visit, &who))
            r->is_full = !child_offer(r->g, CHILD_FRONT, DW_IPC_WHO, &who);
    }
    if (!r->is_full)
        r->is_full = !child_offer(r->g, CHILD_FRONT, DW_IPC_STORY, &line);
    if (!r->is_full)
        r->last = line.number;
}

uint64_t house_replay(struct guard *g, uint64_t from)
{
    static struct replay r;
    r = (struct replay){.g = g, .last = from ? from - 1 : 0};
    store_each_line(g->store, from, replay_line, &r);
    /* A front that is slow to read has not had them all: it asks again from where this ended. */
    return r.is_full ? r.last : g->story_number;
}

/* ---- class O ---- */

enum dw_people_no house_open(struct guard *g, enum dw_act act, uint32_t member)
{
    struct hello *h = link_place(g);
    if (!h)
        return DW_PEOPLE_NO_DOOR_BUSY;
    *h = (struct hello){.handle = ++g->next_handle,
                        .is_owner = true,
                        .act = (uint8_t)act,
                        .member = member,
                        .job = JOBS_MAX};
    dw_random(&h->visit, sizeof h->visit);
    memcpy(h->evidence, g->people.evidence, g->people.evidence_len);
    h->evidence_len = g->people.evidence_len;
    h->visit = (h->visit >> 1) | 1; /* never 0, and a number that every database holds */
    house_who(g, h);
    g->telling = h->handle;
    tell_by(g, DW_STORY_VISIT_ASKED, act, 0, member);
    struct dw_event ev = {.type = DW_EV_OWNER_OPEN, .visit = h->handle};
    guard_feed(g, &ev);
    if (!h->is_ended || h->outcome != DW_OUTCOME_REFUSED)
        return DW_PEOPLE_NO_NONE; /* on its way; what is sensed is told as always */
    switch ((uint32_t)h->check) {
    case DW_CHECK_OTHER_VISIT: return DW_PEOPLE_NO_DOOR_BUSY;
    case DW_CHECK_DOOR_CLOSED:
    case DW_CHECK_BOLT_THROWN:
        return dw_interlock_contact(&g->door, dw_now()) == DW_CONTACT_OPEN ||
                       dw_interlock_bolt(&g->door, dw_now()) == DW_BOLT_RETRACTED
                   ? DW_PEOPLE_NO_DOOR_OPEN
                   : DW_PEOPLE_NO_DOOR_UNKNOWN;
    case DW_CHECK_RECORD: return DW_PEOPLE_NO_STORAGE;
    default: return DW_PEOPLE_NO_DOOR_UNKNOWN;
    }
}

bool house_start(struct guard *g)
{
    struct house *o = &g->house;
    *o = (struct house){.file = g->set.params, .owner = g->set.params};
    if (!load_params(g))
        return false;
    o->is_params_due = true;
    house_params_in_force(g);
    store_each_fact(g->store, STORE_FACT_AGENCY, load_agency, g);
    store_each_fact(g->store, STORE_FACT_JOB, load_decision, g);
    mark_agencies(g);
    struct dw_event ev = {.type = DW_EV_MODE, .value = g->people.book.camera_mode == DW_MODE_AWAY};
    guard_feed(g, &ev);
    return true;
}
