/* What is told. Each message says what is proven and when; what comes from a state is told only
 * while the state lasts, what has happened only while it is news. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto/crypto.h"
#include "hub/alert/alert.h"
#include "os/os.h"
#include "wire/grant.h"

#define NEWS_S       300u    /* how long a moment of a visit is worth a push */
#define ALARM_S      60u     /* it is said again, so an old one need not be kept */
#define DAY_S        86400u  /* people, recovery: for those who were out of reach */
#define RECOVERY_S   259200u /* for as long as it can be stopped */
#define OLD_MS       60000u  /* lines that were told before we were started */
#define HUB_OLD_MS   120000u
#define SAME_MS      10000u  /* an alarm that comes and goes is told again after this */
#define BUDGET_MS    600000u /* of what is not urgent: 30 messages in ten minutes */
#define BUDGET_COST  20000u
#define BATTERY_LOW  20u
#define BATTERY_STEP 10u
#define BATTERY_GOOD 30u

/* Somebody should act now; the others are told once. */
#define ACT_ALARMS                                                                                 \
    (DW_BIT(DW_ALARM_CAMERA_BLIND) | DW_BIT(DW_ALARM_CAMERA_FROZEN) |                              \
     DW_BIT(DW_ALARM_CAMERA_COVERED) | DW_BIT(DW_ALARM_CAMERA_TAMPERED) |                          \
     DW_BIT(DW_ALARM_LOCK_SILENT) | DW_BIT(DW_ALARM_HELD_OPEN) | DW_BIT(DW_ALARM_NOT_SECURED) |    \
     DW_BIT(DW_ALARM_SECOND_OPENING) | DW_BIT(DW_ALARM_SOMEONE_INSIDE) | DW_BIT(DW_ALARM_FORCED) | \
     DW_BIT(DW_ALARM_JAMMED) | DW_BIT(DW_ALARM_UNKNOWN_OPENING))
_Static_assert(DW_ALARM_COUNT <= 32, "alarms are bits");

/* One thing to say. Zero means: does not apply. */
struct saying {
    const char *title, *body; /* keys of the words */
    enum alert_level level;
    enum alert_truth truth;
    uint32_t number, ttl_s;
    bool is_bounded; /* counts against the budget */
    const char *who; /* NULL: nobody; "": somebody whose name is not known */
    int64_t utc_ms;
    bool has_seconds;
    uint32_t seconds, gap_s, count, percent;
    const char *word_name, *word; /* one blank that is itself a key */
    const char *tag;
    const char *page; /* of the household's app; NULL: of the visit, or today */
    uint64_t visit;
    uint32_t member;                      /* 0: all */
    const struct dw_civil_window *window; /* NULL: does not apply */
};

static int64_t now_utc_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void time_text(int64_t utc_ms, unsigned lang, char *ret_text, size_t cap)
{
    time_t s = (time_t)(utc_ms / 1000);
    struct tm tm;
    if (utc_ms <= 0 || !localtime_r(&s, &tm) || strftime(ret_text, cap, "%H:%M:%S", &tm) == 0)
        words_fill("alert.time.unknown", lang, NULL, ret_text, cap);
}

static void day_text(int32_t day, unsigned lang, char *ret_text, size_t cap)
{
    time_t s = (time_t)day * 86400;
    struct tm tm = {0};
    char key[32], weekday[48], month[48], number[16];
    (void)gmtime_r(&s, &tm); /* a civil day is in no zone */
    snprintf(key, sizeof key, "alert.weekday.%d", tm.tm_wday);
    words_fill(key, lang, NULL, weekday, sizeof weekday);
    snprintf(key, sizeof key, "alert.month.%d", tm.tm_mon + 1);
    words_fill(key, lang, NULL, month, sizeof month);
    snprintf(number, sizeof number, "%d", tm.tm_mday);
    const struct words_blank blanks[] = {
        {"weekday", weekday}, {"number", number}, {"month", month}, {NULL, NULL}};
    words_fill("alert.day", lang, blanks, ret_text, cap);
}

static void window_text(const struct dw_civil_window *w, unsigned lang, char *ret_text, size_t cap)
{
    char day[128], from[16], to[16];
    day_text(w->day, lang, day, sizeof day);
    snprintf(from, sizeof from, "%02u:%02u", w->from_min / 60u, w->from_min % 60u);
    snprintf(to, sizeof to, "%02u:%02u", w->to_min / 60u, w->to_min % 60u);
    const struct words_blank blanks[] = {{"day", day}, {"from", from}, {"to", to}, {NULL, NULL}};
    words_fill("alert.window", lang, blanks, ret_text, cap);
}

static void fill(const struct saying *s, unsigned lang, struct alert_message *m)
{
    char who[128] = "", time[48], now[48], seconds[16] = "-", gap[16], count[16], percent[16],
         word[256] = "", window[192] = "";
    if (s->who && !s->who[0])
        words_fill("alert.someone", lang, NULL, who, sizeof who);
    else if (s->who)
        snprintf(who, sizeof who, "%s", s->who);
    time_text(s->utc_ms, lang, time, sizeof time);
    time_text(now_utc_ms(), lang, now, sizeof now);
    if (s->has_seconds)
        snprintf(seconds, sizeof seconds, "%u", s->seconds);
    snprintf(gap, sizeof gap, "%u", s->gap_s);
    snprintf(count, sizeof count, "%u", s->count);
    snprintf(percent, sizeof percent, "%u", s->percent);
    if (s->word)
        words_fill(s->word, lang, NULL, word, sizeof word);
    if (s->window)
        window_text(s->window, lang, window, sizeof window);
    const struct words_blank blanks[] = {
        {"who", who},         {"time", time},
        {"now", now},         {"seconds", seconds},
        {"gap", gap},         {"count", count},
        {"percent", percent}, {s->word_name ? s->word_name : "-", word},
        {"window", window},   {NULL, NULL},
    };
    words_fill(s->title, lang, blanks, m->title[lang], sizeof m->title[lang]);
    words_fill(s->body, lang, blanks, m->body[lang], sizeof m->body[lang]);
}

/* Room for one more of what is not urgent. */
static bool take_budget(struct alert *a, uint64_t now_ms)
{
    uint64_t from = now_ms > BUDGET_MS ? now_ms - BUDGET_MS : 0;
    if (a->budget_ms < from)
        a->budget_ms = from;
    if (a->budget_ms + BUDGET_COST > now_ms) {
        a->dropped++;
        dw_log("warn", "alert", "dropped=too_many total=%llu", (unsigned long long)a->dropped);
        return false;
    }
    a->budget_ms += BUDGET_COST;
    return true;
}

static void say(struct alert *a, const struct saying *s)
{
    uint64_t now_ms = dw_now().ms;
    if (s->is_bounded && !take_budget(a, now_ms))
        return;
    struct alert_message *m = calloc(1, sizeof *m);
    if (!m)
        return;
    m->refs = 1;
    m->level = s->level;
    m->truth = s->truth;
    m->number = s->number;
    m->ttl_s = s->ttl_s;
    m->seen_ms = now_ms;
    m->expires_ms = now_ms + 1000u * (uint64_t)s->ttl_s;
    m->utc_ms = s->utc_ms;
    snprintf(m->tag, sizeof m->tag, "%s", s->tag);
    if (!s->page && s->visit)
        snprintf(m->url, sizeof m->url, "/#/visit/%016llx", (unsigned long long)s->visit);
    else
        snprintf(m->url, sizeof m->url, "/#/%s", s->page ? s->page : "today");
    for (unsigned lang = 0; lang < WORDS_LANGUAGES; lang++)
        fill(s, lang, m);
    send_message(a, m, s->member);
    if (--m->refs == 0)
        free(m);
}

/* ---- visits ---- */

static struct alert_visit *visit_of(struct alert *a, uint64_t visit)
{
    struct alert_visit *oldest = &a->visit[0];
    for (size_t i = 0; i < ALERT_VISITS_MAX; i++) {
        struct alert_visit *v = &a->visit[i];
        if (v->visit == visit)
            return v;
        if (v->heard < oldest->heard)
            oldest = v;
    }
    *oldest = (struct alert_visit){.visit = visit, .heard = ++a->visits_heard};
    return oldest;
}

static void who_text(const char *visitor, const char *agency, char ret_who[ALERT_WHO_MAX])
{
    snprintf(ret_who, ALERT_WHO_MAX, visitor[0] && agency[0] ? "%.*s, %.*s" : "%.*s%.*s",
             (int)DW_NAME_MAX - 1, visitor, (int)DW_NAME_MAX - 1, agency);
}

static void name_visit(struct alert_visit *v, const char *visitor, const char *agency)
{
    if (visitor[0])
        who_text(visitor, agency, v->who);
}

void tell_on_who(struct alert *a, const struct dw_ipc_who *w)
{
    if (w->visit == 0)
        return;
    struct alert_visit *v = visit_of(a, w->visit);
    v->is_owner = w->is_owner != 0;
    name_visit(v, w->visitor, w->agency);
}

static void tag_of_visit(uint64_t visit, char ret_tag[32])
{
    snprintf(ret_tag, 32, "visit-%016llx", (unsigned long long)visit);
}

static void say_of_visit(struct alert *a, const struct dw_ipc_story *s, struct saying say_what)
{
    char tag[32];
    struct alert_visit *v = visit_of(a, s->visit);
    tag_of_visit(s->visit, tag);
    say_what.who = v->who;
    say_what.tag = tag;
    say_what.visit = s->visit;
    say_what.ttl_s = NEWS_S;
    if (!say_what.utc_ms)
        say_what.utc_ms = s->utc_ms;
    if (!v->is_owner)
        say(a, &say_what);
}

static void on_refused(struct alert *a, const struct dw_ipc_story *s)
{
    char key[64];
    snprintf(key, sizeof key, "alert.check.%s", dw_check_code((enum dw_check)s->value));
    say_of_visit(a, s,
                 (struct saying){.title = "alert.refused.title",
                                 .body = "alert.refused.body",
                                 .level = ALERT_NOTICE,
                                 .is_bounded = true,
                                 .word_name = "reason",
                                 .word = key});
}

/* What is said of an outcome. Locked is said only where it was sensed [I33]. */
static const struct {
    const char *title, *body;
    enum alert_level level;
} outcomes[DW_OUTCOME_COUNT] = {
    [DW_OUTCOME_OK] = {"alert.locked.title", "alert.locked.body", ALERT_INFO},
    [DW_OUTCOME_SECURED_WITH_GAP] = {"alert.gap.title", "alert.gap.body", ALERT_NOTICE},
    [DW_OUTCOME_SECURED_TAMPERED] = {"alert.tampered.title", "alert.tampered.body", ALERT_NOTICE},
    [DW_OUTCOME_SECURED_UNCONFIRMED] = {"alert.unconfirmed.title", "alert.unconfirmed.body",
                                        ALERT_NOTICE},
    [DW_OUTCOME_NOT_SECURED] = {"alert.open.title", "alert.open.body", ALERT_NOTICE},
    [DW_OUTCOME_NOT_OPENED] = {"alert.not_opened.title", "alert.not_opened.body", ALERT_INFO},
    [DW_OUTCOME_ABORTED] = {"alert.aborted.title", "alert.aborted.body", ALERT_NOTICE},
};

static void on_ended(struct alert *a, const struct dw_ipc_story *s)
{
    if (s->value >= DW_OUTCOME_COUNT || !outcomes[s->value].title)
        return;
    struct alert_visit *v = visit_of(a, s->visit);
    bool has_both = v->opened_ms && v->secured_ms >= v->opened_ms;
    say_of_visit(
        a, s,
        (struct saying){
            .title = outcomes[s->value].title,
            .body = outcomes[s->value].body,
            .level = outcomes[s->value].level,
            .has_seconds = has_both,
            .seconds = has_both ? (uint32_t)((v->secured_ms - v->opened_ms + 500) / 1000) : 0,
            .gap_s = (s->value2 + 999) / 1000,
        });
}

/* ---- alarms ---- */

static bool is_act(uint32_t alarm)
{
    return (ACT_ALARMS & DW_BIT(alarm)) != 0;
}

static void alarm_keys(uint32_t alarm, char ret_key[64], char ret_tag[32])
{
    const char *code = dw_alarm_code((enum dw_alarm)alarm);
    snprintf(ret_key, 64, "alert.alarm.%s", code);
    snprintf(ret_tag, 32, "alarm-%s", code);
}

static void say_alarm(struct alert *a, uint32_t alarm, uint32_t count)
{
    char key[64], tag[32];
    uint64_t visit = a->alarm_visit[alarm];
    struct alert_visit *v = visit ? visit_of(a, visit) : NULL;
    bool has_name = v && v->who[0] && !v->is_owner;
    alarm_keys(alarm, key, tag);
    a->alarm_told_ms[alarm] = dw_now().ms;
    say(a, &(struct saying){
               .title = key,
               .body = count > 1  ? "alert.alarm.again"
                       : has_name ? "alert.alarm.visit"
                                  : "alert.alarm.body",
               .level = is_act(alarm) ? ALERT_ACT : ALERT_NOTICE,
               .truth = ALERT_ALARM_ON,
               .number = alarm,
               .ttl_s = is_act(alarm) ? ALARM_S : NEWS_S,
               .who = has_name ? v->who : NULL,
               .utc_ms = a->alarm_utc_ms[alarm],
               .count = count,
               .tag = tag,
               .page = "live",
               .visit = visit,
           });
}

static void alarm_on(struct alert *a, uint32_t alarm, uint64_t visit, int64_t utc_ms)
{
    uint64_t now_ms = dw_now().ms;
    if (alarm >= DW_ALARM_COUNT || a->alarms & DW_BIT(alarm))
        return;
    a->alarms |= DW_BIT(alarm);
    a->seen_alarms &= ~DW_BIT(alarm);
    a->alarm_utc_ms[alarm] = utc_ms;
    a->alarm_visit[alarm] = visit;
    if (is_act(alarm)) {
        a->repeats = 0;
        a->repeat_at_ms = now_ms + a->conf.repeat_1_ms;
    }
    if (!a->alarm_told_ms[alarm] || now_ms - a->alarm_told_ms[alarm] >= SAME_MS)
        say_alarm(a, alarm, 1);
}

static void alarm_off(struct alert *a, uint32_t alarm, int64_t utc_ms)
{
    char key[64], tag[32];
    if (alarm >= DW_ALARM_COUNT || !(a->alarms & DW_BIT(alarm)))
        return;
    a->alarms &= ~DW_BIT(alarm);
    alarm_keys(alarm, key, tag);
    say(a, &(struct saying){
               .title = "alert.alarm.over.title",
               .body = "alert.alarm.over.body",
               .level = ALERT_NOTICE,
               .is_bounded = true,
               .ttl_s = NEWS_S,
               .utc_ms = utc_ms,
               .word_name = "what",
               .word = key,
               .tag = tag,
               .visit = a->alarm_visit[alarm],
           });
}

void tell_seen(struct alert *a)
{
    a->seen_alarms |= a->alarms;
    a->repeat_at_ms = 0;
}

static uint32_t wait_after(const struct alert *a, uint32_t repeats)
{
    return repeats == 1   ? a->conf.repeat_2_ms
           : repeats == 2 ? a->conf.repeat_3_ms
                          : a->conf.repeat_ms;
}

/* The newest alarm that nobody has seen is said again, to everybody. */
static void repeat(struct alert *a, uint64_t now_ms)
{
    uint32_t open = a->alarms & ~a->seen_alarms & ACT_ALARMS, newest = DW_ALARM_COUNT;
    a->repeat_at_ms = 0;
    for (uint32_t i = 0; i < DW_ALARM_COUNT; i++)
        if (open & DW_BIT(i) &&
            (newest == DW_ALARM_COUNT || a->alarm_utc_ms[i] > a->alarm_utc_ms[newest]))
            newest = i;
    if (newest == DW_ALARM_COUNT || a->repeats >= ALERT_REPEATS_MAX)
        return;
    a->repeats++;
    say_alarm(a, newest, a->repeats + 1);
    if (a->repeats < ALERT_REPEATS_MAX)
        a->repeat_at_ms = now_ms + wait_after(a, a->repeats);
}

/* ---- the house outside visits ---- */

static const char *camera_key(uint8_t camera)
{
    switch ((enum dw_camera_state)camera) {
    case DW_CAMERA_BLIND: return "alert.camera.blind";
    case DW_CAMERA_FROZEN: return "alert.camera.frozen";
    case DW_CAMERA_COVERED: return "alert.camera.covered";
    case DW_CAMERA_TAMPERED: return "alert.camera.tampered";
    case DW_CAMERA_UNKNOWN:
    case DW_CAMERA_LIVE:
    case DW_CAMERA_LATE:
    case DW_CAMERA_UNPROVEN:
    case DW_CAMERA_STATE_COUNT: break;
    }
    return NULL;
}

/* In a visit the alarms speak; a household that wants no pictures may cover its camera. */
static bool is_camera_minded(const struct dw_ipc_state *s)
{
    return s->visit == 0 && ((s->camera_mode != DW_MODE_OFF && s->camera_mode != DW_MODE_VISITS) ||
                             s->camera == DW_CAMERA_TAMPERED);
}

static void look_at_camera(struct alert *a, uint64_t now_ms)
{
    const struct dw_ipc_state *s = &a->state;
    if (s->camera != a->camera_since) {
        a->camera_since = s->camera;
        a->camera_since_ms = now_ms;
        a->camera_since_utc_ms = s->is_clock_sure ? now_utc_ms() : 0;
    }
    const char *key = camera_key(s->camera);
    if (key && is_camera_minded(s) && a->camera_told != s->camera &&
        now_ms - a->camera_since_ms >= a->conf.camera_wait_ms) {
        a->camera_told = s->camera;
        say(a, &(struct saying){.title = key,
                                .body = "alert.camera.body",
                                .level = ALERT_NOTICE,
                                .truth = ALERT_CAMERA_IS,
                                .number = s->camera,
                                .ttl_s = NEWS_S,
                                .is_bounded = true,
                                .utc_ms = a->camera_since_utc_ms,
                                .tag = "camera",
                                .page = "live"});
    } else if (s->camera == DW_CAMERA_LIVE && a->camera_told &&
               now_ms - a->camera_since_ms >= a->conf.camera_wait_ms) {
        a->camera_told = 0;
        say(a, &(struct saying){.title = "alert.camera.back.title",
                                .body = "alert.camera.back.body",
                                .ttl_s = NEWS_S,
                                .is_bounded = true,
                                .utc_ms = a->camera_since_utc_ms,
                                .tag = "camera",
                                .page = "live"});
    }
}

/* A home without a service has no connection to lose. */
static void look_at_link(struct alert *a, uint64_t now_ms)
{
    const struct dw_ipc_state *s = &a->state;
    if (s->is_link_up) {
        if (a->is_link_told)
            say(a, &(struct saying){.title = "alert.link.back.title",
                                    .body = "alert.link.back.body",
                                    .ttl_s = NEWS_S,
                                    .is_bounded = true,
                                    .utc_ms = s->is_clock_sure ? now_utc_ms() : 0,
                                    .tag = "link",
                                    .page = "house"});
        a->was_link_up = true;
        a->is_link_told = false;
        a->link_lost_ms = 0;
        return;
    }
    if (a->was_link_up && !a->link_lost_ms) {
        a->link_lost_ms = now_ms;
        a->link_lost_utc_ms = s->is_clock_sure ? now_utc_ms() : 0;
    }
    if (a->link_lost_ms && !a->is_link_told && now_ms - a->link_lost_ms >= a->conf.link_wait_ms) {
        a->is_link_told = true;
        say(a, &(struct saying){.title = "alert.link.title",
                                .body = "alert.link.body",
                                .level = ALERT_NOTICE,
                                .truth = ALERT_LINK_DOWN,
                                .ttl_s = NEWS_S,
                                .is_bounded = true,
                                .utc_ms = a->link_lost_utc_ms,
                                .tag = "link",
                                .page = "house"});
    }
}

static void look_at_house(struct alert *a)
{
    const struct dw_ipc_state *s = &a->state;
    int64_t utc_ms = s->is_clock_sure ? now_utc_ms() : 0;
    if (s->battery_pct <= BATTERY_LOW &&
        (a->battery_told == 255 || s->battery_pct + BATTERY_STEP <= a->battery_told)) {
        a->battery_told = s->battery_pct;
        say(a, &(struct saying){.title = "alert.battery.title",
                                .body = "alert.battery.body",
                                .level = ALERT_NOTICE,
                                .ttl_s = DAY_S,
                                .is_bounded = true,
                                .utc_ms = utc_ms,
                                .percent = s->battery_pct,
                                .tag = "battery",
                                .page = "house"});
    } else if (s->battery_pct >= BATTERY_GOOD && s->battery_pct <= 100) {
        a->battery_told = 255;
    }
    if (s->has_room) {
        a->is_room_told = false;
    } else if (!a->is_room_told) {
        a->is_room_told = true;
        say(a, &(struct saying){.title = "alert.disk.title",
                                .body = "alert.disk.body",
                                .level = ALERT_NOTICE,
                                .truth = ALERT_NO_ROOM,
                                .ttl_s = DAY_S,
                                .is_bounded = true,
                                .utc_ms = utc_ms,
                                .tag = "disk",
                                .page = "house"});
    }
}

void tell_on_state(struct alert *a, const struct dw_ipc_state *s)
{
    a->state = *s;
    a->has_state = true;
    if (s->visit)
        name_visit(visit_of(a, s->visit), s->visitor, s->agency);
    /* The snapshot has the last word on alarms: we may have been started in the middle of one. */
    int64_t utc_ms = s->is_clock_sure ? now_utc_ms() : 0;
    for (uint32_t i = 0; i < DW_ALARM_COUNT; i++) {
        if (s->alarms & DW_BIT(i))
            alarm_on(a, i, s->visit, utc_ms);
        else
            alarm_off(a, i, utc_ms);
    }
    tell_tick(a, dw_now().ms);
}

/* ---- people ---- */

static void on_people(struct alert *a, const struct dw_ipc_story *s)
{
    static const struct {
        const char *title, *body;
    } changes[DW_CHANGE_COUNT] = {
        [DW_CHANGE_JOINED] = {"alert.people.join", "alert.people.body"},
        [DW_CHANGE_PASSKEY_ADDED] = {"alert.people.add_passkey", "alert.people.body"},
        [DW_CHANGE_MEMBER_REMOVED] = {"alert.people.remove_member", "alert.people.body"},
        [DW_CHANGE_PASSKEY_REMOVED] = {"alert.people.remove_passkey", "alert.people.body"},
        [DW_CHANGE_INVITED] = {"alert.people.invite", "alert.people.body"},
        [DW_CHANGE_INVITE_REMOVED] = {"alert.people.remove_invite", "alert.people.body"},
        [DW_CHANGE_NEW_RECOVERY] = {"alert.people.new_recovery", "alert.people.body"},
        [DW_CHANGE_RECOVERY_BEGUN] = {"alert.recovery.title", "alert.recovery.body"},
        [DW_CHANGE_RECOVERY_STOPPED] = {"alert.recovery.stopped", "alert.people.body"},
        [DW_CHANGE_RECOVERED] = {"alert.recovery.done", "alert.people.body"},
        [DW_CHANGE_PRESENCE] = {"alert.people.presence", "alert.people.body"},
        [DW_CHANGE_CAMERA_KEY] = {"alert.people.camera_key", "alert.people.body"},
        [DW_CHANGE_LOCK_KEY] = {"alert.people.lock_key", "alert.people.body"},
    };
    bool is_known = s->value < DW_CHANGE_COUNT && changes[s->value].title;
    bool is_recovery = s->value == DW_CHANGE_RECOVERY_BEGUN || s->value == DW_CHANGE_RECOVERED;
    say(a, &(struct saying){
               .title = is_known ? changes[s->value].title : "alert.people.other",
               .body = is_known ? changes[s->value].body : "alert.people.body",
               .level = is_recovery ? ALERT_ACT : ALERT_NOTICE,
               .ttl_s = is_recovery ? RECOVERY_S : DAY_S,
               .utc_ms = s->utc_ms,
               .tag = is_recovery ? "recovery" : "people",
               .page = "people",
           });
}

/* Who may come. One who may say no has to hear of it in time [I47]. What an agency can bring about
 * has a tag of its own: it pushes nothing off the screen that people at home did. */
static void on_grant(struct alert *a, const struct dw_ipc_story *s)
{
    static const struct {
        const char *title, *body;
        bool is_by_agency;
    } changes[DW_GRANT_CHANGE_COUNT] = {
        [DW_GRANT_CHANGE_ASKED] = {"alert.grant.asked", "alert.grant.asked.body", true},
        [DW_GRANT_CHANGE_SIGNED] = {"alert.grant.given", "alert.grant.given.body", false},
        [DW_GRANT_CHANGE_LIVE] = {"alert.grant.live", "alert.grant.live.body", false},
        [DW_GRANT_CHANGE_VETOED] = {"alert.grant.vetoed", "alert.grant.over.body", false},
        [DW_GRANT_CHANGE_REVOKED] = {"alert.grant.revoked", "alert.grant.over.body", false},
        [DW_GRANT_CHANGE_REFUSED] = {"alert.grant.refused", "alert.grant.refused.body", true},
    };
    bool is_known = s->value < DW_GRANT_CHANGE_COUNT && changes[s->value].title;
    struct saying say_what = {
        .level = ALERT_NOTICE, .ttl_s = DAY_S, .utc_ms = s->utc_ms, .tag = "grant", .page = "come"};
    if (s->value == DW_GRANT_CHANGE_RESTORED) {
        say_what.title = s->value2 ? "alert.grant.seen" : "alert.grant.restored";
        say_what.body = s->value2 ? "alert.grant.seen.body" : "alert.grant.restored.body";
        say_what.level = s->value2 ? ALERT_NOTICE : ALERT_ACT;
        say_what.tag = "restored";
    } else if (is_known) {
        say_what.title = changes[s->value].title;
        say_what.body = changes[s->value].body;
        say_what.is_bounded = changes[s->value].is_by_agency;
        if (changes[s->value].is_by_agency)
            say_what.tag = "agency";
    } else {
        return;
    }
    say(a, &say_what);
}

/* ---- deliveries that the household may decide on ---- */

/* ALERT_JOBS_MAX: none of them. */
static size_t job_at(const struct alert *a, const char *tag)
{
    size_t i = 0;
    while (i < ALERT_JOBS_MAX && strcmp(a->job[i].tag, tag) != 0)
        i++;
    return i;
}

static void say_job(struct alert *a, const struct dw_ipc_job *j, const char *tag)
{
    static const struct {
        const char *title, *body;
    } news[DW_JOB_NEWS_COUNT] = {
        [DW_JOB_NEWS_ASKS] = {"alert.job.asks", "alert.job.asks.body"},
        [DW_JOB_NEWS_COMES] = {"alert.job.comes", "alert.job.comes.body"},
        [DW_JOB_NEWS_SOON] = {"alert.job.soon", "alert.job.comes.body"},
    };
    char who[ALERT_WHO_MAX], page[64], id[2 * sizeof j->id + 1];
    int64_t left_s = a->state.is_clock_sure ? j->exp_s - now_utc_ms() / 1000 : DAY_S;
    left_s = left_s > RECOVERY_S ? RECOVERY_S : left_s < NEWS_S ? NEWS_S : left_s;
    who_text(j->visitor_name, j->agency_name, who);
    dw_hex(j->id, sizeof j->id, id);
    snprintf(page, sizeof page, "delivery/%s", id);
    say(a, &(struct saying){.title = news[j->news].title,
                            .body = news[j->news].body,
                            .level = ALERT_NOTICE,
                            .truth = ALERT_JOB_WAITS,
                            .ttl_s = (uint32_t)left_s,
                            .is_bounded = true,
                            .who = who,
                            .utc_ms = a->state.is_clock_sure ? now_utc_ms() : 0,
                            .tag = tag,
                            .page = page,
                            .window = &j->window});
}

void tell_on_job(struct alert *a, const struct dw_ipc_job *j)
{
    char id[2 * sizeof j->id + 1], tag[sizeof a->job[0].tag];
    dw_hex(j->id, sizeof j->id, id);
    snprintf(tag, sizeof tag, "job-%.16s", id);
    bool is_news = j->news != DW_JOB_NEWS_NONE && j->news < DW_JOB_NEWS_COUNT;
    size_t at = job_at(a, tag);
    if (at == ALERT_JOBS_MAX && !is_news)
        return;
    if (at == ALERT_JOBS_MAX)
        at = a->next_job++ % ALERT_JOBS_MAX;
    struct alert_job *known = &a->job[at];
    memcpy(known->tag, tag, sizeof tag);
    known->is_waiting = j->state == DW_JOB_EXPECTED && !j->is_agency_stopped &&
                        (j->needs_yes || j->mode == DW_GRANT_VETO);
    if (is_news && known->is_waiting)
        say_job(a, j, tag);
}

static void on_mode(struct alert *a, const struct dw_ipc_story *s)
{
    static const char *const modes[DW_MODE_COUNT] = {"alert.mode.unknown", "alert.mode.on",
                                                     "alert.mode.visits", "alert.mode.off",
                                                     "alert.mode.away"};
    say(a, &(struct saying){.title = "alert.mode.title",
                            .body = "alert.mode.body",
                            .ttl_s = NEWS_S,
                            .is_bounded = true,
                            .utc_ms = s->utc_ms,
                            .word_name = "mode",
                            .word = modes[s->value < DW_MODE_COUNT ? s->value : 0],
                            .tag = "mode",
                            .page = "house"});
}

void tell_on_story(struct alert *a, const struct dw_ipc_story *s)
{
    uint64_t now_ms = dw_now().ms, age_ms = now_ms > s->at_ms ? now_ms - s->at_ms : 0;
    if (age_ms > (s->kind == DW_STORY_HUB_STARTED ? HUB_OLD_MS : OLD_MS))
        return; /* a push never tells what is old as if it were now */
    if (s->kind == DW_STORY_HUB_STARTED)
        say(a, &(struct saying){.title = "alert.hub.title",
                                .body = "alert.hub.body",
                                .level = ALERT_NOTICE,
                                .ttl_s = DAY_S,
                                .utc_ms = s->utc_ms,
                                .tag = "hub",
                                .page = "house"});
    else if (s->kind == DW_STORY_ALARM)
        alarm_on(a, s->value, s->visit, s->utc_ms);
    else if (s->kind == DW_STORY_ALARM_OVER)
        alarm_off(a, s->value, s->utc_ms);
    else if (s->kind == DW_STORY_OWNER_ACT && s->value == DW_OWNER_ACKNOWLEDGE)
        tell_seen(a);
    else if (s->kind == DW_STORY_PEOPLE)
        on_people(a, s);
    else if (s->kind == DW_STORY_GRANT)
        on_grant(a, s);
    else if (s->kind == DW_STORY_CAMERA_MODE)
        on_mode(a, s);
    if (s->visit == 0)
        return;
    struct alert_visit *v = visit_of(a, s->visit);
    if (s->kind == DW_STORY_VISIT_ASKED) {
        say_of_visit(a, s,
                     (struct saying){.title = "alert.asked.title",
                                     .body = "alert.asked.body",
                                     .page = "live",
                                     .is_bounded = true});
    } else if (s->kind == DW_STORY_VISIT_REFUSED) {
        on_refused(a, s);
    } else if (s->kind == DW_STORY_OPENING && !v->opened_ms) {
        v->opened_ms = s->at_ms;
        say_of_visit(a, s,
                     (struct saying){.title = "alert.opened.title",
                                     .body = "alert.opened.body",
                                     .page = "live"});
    } else if (s->kind == DW_STORY_SECURED) {
        v->secured_ms = s->at_ms;
    } else if (s->kind == DW_STORY_VISIT_ENDED) {
        on_ended(a, s);
    } else if (s->kind == DW_STORY_CONFIRMED_LATE) {
        say_of_visit(a, s,
                     (struct saying){.title = "alert.later.title", .body = "alert.later.body"});
    }
}

void tell_test(struct alert *a, uint32_t member)
{
    say(a, &(struct saying){.title = "alert.test.title",
                            .body = "alert.test.body",
                            .ttl_s = NEWS_S,
                            .is_bounded = true,
                            .utc_ms = now_utc_ms(),
                            .tag = "test",
                            .page = "alerts",
                            .member = member});
}

void tell_start(struct alert *a)
{
    a->battery_told = 255;
}

void tell_tick(struct alert *a, uint64_t now_ms)
{
    if (a->repeat_at_ms && now_ms >= a->repeat_at_ms)
        repeat(a, now_ms);
    if (!a->has_state)
        return;
    look_at_camera(a, now_ms);
    look_at_link(a, now_ms);
    look_at_house(a);
}

bool tell_is_true(const struct alert *a, const struct alert_message *m, uint64_t now_ms)
{
    if (now_ms >= m->expires_ms)
        return false;
    size_t at;
    switch (m->truth) {
    case ALERT_HAPPENED: return true;
    case ALERT_ALARM_ON: return (a->alarms & DW_BIT(m->number)) != 0;
    case ALERT_CAMERA_IS: return a->has_state && a->state.camera == m->number;
    case ALERT_LINK_DOWN: return a->has_state && !a->state.is_link_up;
    case ALERT_NO_ROOM: return a->has_state && !a->state.has_room;
    case ALERT_JOB_WAITS:
        at = job_at(a, m->tag);
        return at < ALERT_JOBS_MAX && a->job[at].is_waiting;
    }
    return false;
}
