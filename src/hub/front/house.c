/* Deliveries, history, who looked, settings, the red button, where alerts go. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"
#include "hub/front/api.h"
#include "os/os.h"

#define HISTORY_DEFAULT 30u
#define VIEWS_SHOWN     200u

static void done(struct dw_front_call *c, const struct dw_ipc_people_answer *a)
{
    (void)a;
    dw_front_answer(c, 200, json_object());
}

static void bad(struct dw_front_call *c)
{
    dw_front_refuse(c, DW_FRONT_PROBLEM_BAD_REQUEST);
}

/* ---- civil times: days since 1970-01-01, minutes of the day ---- */

static json_t *date_json(int32_t day)
{
    struct tm tm;
    char text[16];
    time_t t = (time_t)day * 86400;
    if (day == 0 || !gmtime_r(&t, &tm) || strftime(text, sizeof(text), "%Y-%m-%d", &tm) != 10)
        return json_null();
    return json_string(text);
}

static json_t *minute_json(uint16_t minute)
{
    char text[8];
    snprintf(text, sizeof(text), "%02u:%02u", minute / 60u % 24u, minute % 60u);
    return json_string(text);
}

static bool read_digits(const char *text, size_t count, int *ret_value)
{
    int v = 0;
    for (size_t i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        v = v * 10 + (text[i] - '0');
    }
    *ret_value = v;
    return true;
}

static bool read_date(struct dw_front_call *c, const char *key, int32_t *ret_day)
{
    char text[11];
    int y, m, d;
    if (!dw_front_text(c, key, text, sizeof(text)))
        return false;
    struct tm tm = {0}, back;
    if (strlen(text) == 10 && text[4] == '-' && text[7] == '-' && read_digits(text, 4, &y) &&
        read_digits(text + 5, 2, &m) && read_digits(text + 8, 2, &d) && y >= 1971) {
        tm.tm_year = y - 1900;
        tm.tm_mon = m - 1;
        tm.tm_mday = d;
        time_t t = timegm(&tm);
        /* timegm puts 31 February right; we do not. */
        if (gmtime_r(&t, &back) && back.tm_mon == m - 1 && back.tm_mday == d) {
            *ret_day = (int32_t)(t / 86400);
            return true;
        }
    }
    bad(c);
    return false;
}

static bool read_minute(struct dw_front_call *c, const char *key, uint16_t *ret_minute)
{
    char text[6];
    int h, m;
    if (!dw_front_text(c, key, text, sizeof(text)))
        return false;
    if (strlen(text) != 5 || text[2] != ':' || !read_digits(text, 2, &h) ||
        !read_digits(text + 3, 2, &m) || h > 23 || m > 59) {
        bad(c);
        return false;
    }
    *ret_minute = (uint16_t)(h * 60 + m);
    return true;
}

/* ---- deliveries ---- */

static json_t *job_json(const struct dw_front *f, const struct dw_ipc_job *job)
{
    static const char *const states[DW_JOB_STATE_COUNT] = {"none",     "expected", "declined",
                                                           "recalled", "used",     "over"};
    bool has_door = job->door < 4 && f->params.door[job->door][0];
    json_t *screening =
        json_pack("{s:o, s:o, s:o, s:o}", "issuer", dw_say_name(job->screening_issuer), "kind",
                  dw_say_name(job->screening_kind), "from", date_json(job->screening_from_day),
                  "to", date_json(job->screening_to_day));
    json_t *notes = json_stringn(job->notes, strnlen(job->notes, sizeof(job->notes)));
    json_t *j = json_pack(
        "{s:o, s:s, s:s, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
        dw_say_hex(job->id, 16), "kind", job->kind == DW_VISIT_STAY ? "stay" : "drop", "state",
        states[job->state < DW_JOB_STATE_COUNT ? job->state : DW_JOB_NONE], "agency",
        dw_say_name(job->agency_name), "agency_id", dw_say_hex(job->agency, 16), "agency_stopped",
        job->is_agency_stopped, "visitor", dw_say_name(job->visitor_name), "screening", screening,
        "date", date_json(job->window.day), "from", minute_json(job->window.from_min), "to",
        minute_json(job->window.to_min), "zone", dw_say_name(job->zone));
    if (!j)
        return NULL;
    json_object_set_new(j, "door", has_door ? dw_say_name(f->params.door[job->door]) : json_null());
    json_object_set_new(j, "door_number", json_integer(job->door));
    json_object_set_new(j, "notes", notes ? notes : json_string(""));
    json_object_set_new(j, "parcels", json_integer(job->parcel_count));
    json_object_set_new(j, "parcels_used", json_integer(job->parcels_used));
    json_object_set_new(j, "openings", json_integer(job->openings));
    json_object_set_new(j, "dwell_ms", json_integer(job->dwell_ms));
    json_object_set_new(j, "not_before", dw_time_json(job->nbf_s * 1000));
    json_object_set_new(j, "not_after", dw_time_json(job->exp_s * 1000));
    json_object_set_new(j, "needs_yes", json_boolean(job->needs_yes == 1));
    json_object_set_new(j, "mode", json_string(dw_say_grant_mode(job->mode)));
    json_object_set_new(j, "guest", job->guest ? json_integer(job->guest) : json_null());
    if (job->guest)
        json_object_set_new(j, "agency_id", json_null());
    json_object_set_new(j, "place", job->place[0] ? dw_say_name(job->place) : json_null());
    return j;
}

void dw_api_jobs(struct dw_front_call *c)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < c->front->job_count; i++)
        json_array_append_new(list, job_json(c->front, &c->front->job[i]));
    dw_front_answer(c, 200, json_pack("{s:o}", "jobs", list));
}

static bool wish_place(struct dw_front_call *c, struct dw_ipc_people_ask *m)
{
    static const char *const places[] = {"hall",   "garage",    "parcel_box",
                                         "locker", "neighbour", "doorstep"};
    if (!dw_front_text(c, "place", m->text, sizeof(m->text)))
        return false;
    for (size_t i = 0; i < DW_ARRAY_COUNT(places); i++) {
        if (strcmp(m->text, places[i]) == 0)
            return true;
    }
    bad(c);
    return false;
}

static bool wish_move(struct dw_front_call *c, struct dw_ipc_people_ask *m)
{
    return read_date(c, "date", &m->window.day) && read_minute(c, "from", &m->window.from_min) &&
           read_minute(c, "to", &m->window.to_min);
}

static bool wish_note(struct dw_front_call *c, struct dw_ipc_people_ask *m)
{
    static const char *const kinds[] = {"", "pets", "alarm", "extra_lock", "other"};
    char kind[16];
    if (!dw_front_text(c, "note", kind, sizeof(kind)) ||
        !dw_front_text(c, "text", m->text, sizeof(m->text)) ||
        !read_date(c, "until", &m->window.day))
        return false;
    for (uint64_t i = 1; i < DW_ARRAY_COUNT(kinds); i++) {
        if (strcmp(kinds[i], kind) == 0)
            m->value = i;
    }
    if (m->value != DW_NOTE_KIND_NONE)
        return true;
    bad(c);
    return false;
}

static const struct {
    const char *word, *fields;
    enum dw_wish_kind kind;
    bool (*read)(struct dw_front_call *c, struct dw_ipc_people_ask *m);
} wishes[] = {
    {"accept", "wish id", DW_WISH_ACCEPT, NULL},
    {"decline", "wish id", DW_WISH_DECLINE, NULL},
    {"place", "wish id place", DW_WISH_PLACE, wish_place},
    {"move", "wish id date from to", DW_WISH_MOVE, wish_move},
    {"note", "wish note text until ? id", DW_WISH_NOTE, wish_note},
    {"stop_agency", "wish id", DW_WISH_STOP_AGENCY, NULL},
};

void dw_api_wish(struct dw_front_call *c)
{
    const char *word = json_string_value(json_object_get(c->in, "wish"));
    for (size_t i = 0; word && i < DW_ARRAY_COUNT(wishes); i++) {
        struct dw_ipc_people_ask m = {.op = DW_PEOPLE_WISH, .wish = (uint8_t)wishes[i].kind};
        if (strcmp(wishes[i].word, word) != 0)
            continue;
        if (dw_front_fields(c, wishes[i].fields) &&
            (!json_object_get(c->in, "id") || dw_front_hex(c, "id", m.id, sizeof(m.id))) &&
            (!wishes[i].read || wishes[i].read(c, &m)))
            dw_front_ask(c->front, c, &m, done);
        return;
    }
    bad(c);
}

/* ---- history ---- */

static bool has_recording(void *ctx, uint64_t visit)
{
    const struct dw_front *f = ctx;
    char path[400];
    bool is_there = false;
    if (!f->conf.record_folder[0])
        return false;
    snprintf(path, sizeof(path), "%s/visit-%016llx", f->conf.record_folder,
             (unsigned long long)visit);
    DIR *dir = opendir(path);
    const struct dirent *e;
    while (dir && !is_there && (e = readdir(dir))) {
        size_t len = strlen(e->d_name);
        is_there = len > 4 && strcmp(e->d_name + len - 4, ".mp4") == 0;
    }
    if (dir)
        closedir(dir);
    return is_there;
}

static bool read_number(const char *text, uint64_t max, uint64_t *ret_value)
{
    size_t len = strlen(text);
    if (len == 0 || len > 19 || strspn(text, "0123456789") != len)
        return false;
    *ret_value = strtoull(text, NULL, 10);
    return *ret_value <= max;
}

void dw_api_history(struct dw_front_call *c)
{
    uint64_t before = 0, limit = HISTORY_DEFAULT, next;
    if ((c->before[0] && !read_number(c->before, INT64_MAX, &before)) ||
        (c->limit[0] && (!read_number(c->limit, 100, &limit) || limit == 0))) {
        bad(c);
        return;
    }
    json_t *visits =
        dw_book_history(c->front->book, before, (unsigned)limit, has_recording, c->front, &next);
    char text[24];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)next);
    dw_front_answer(
        c, 200,
        json_pack("{s:o, s:o}", "visits", visits, "next", next ? json_string(text) : json_null()));
}

void dw_api_visit(struct dw_front_call *c)
{
    uint64_t visit = 0;
    bool is_id = strlen(c->param) == 16 && strspn(c->param, "0123456789abcdef") == 16;
    if (is_id)
        visit = strtoull(c->param, NULL, 16);
    json_t *j = visit ? dw_book_visit(c->front->book, visit, has_recording, c->front) : NULL;
    if (!j) {
        dw_front_refuse(c, DW_FRONT_PROBLEM_NOT_FOUND);
        return;
    }
    dw_front_pages_looks(c->front);
    json_object_set_new(j, "viewers", dw_book_views(c->front->book, visit, VIEWS_SHOWN));
    dw_front_answer(c, 200, j);
}

void dw_api_viewers(struct dw_front_call *c)
{
    dw_front_pages_looks(c->front);
    json_t *list = dw_book_views(c->front->book, 0, VIEWS_SHOWN);
    size_t i;
    json_t *row;
    json_array_foreach(list, i, row)
    {
        const struct dw_ipc_member *m =
            dw_front_member(c->front, (uint32_t)json_integer_value(json_object_get(row, "member")));
        json_object_set_new(row, "name", m ? dw_say_name(m->name) : json_null());
    }
    dw_front_answer(c, 200, json_pack("{s:o}", "viewers", list));
}

void dw_api_drills(struct dw_front_call *c)
{
    dw_front_answer(c, 200, json_pack("{s:o}", "drills", dw_book_drills(c->front->book)));
}

/* ---- settings, mode, the red button ---- */

void dw_api_settings(struct dw_front_call *c)
{
    const struct dw_front *f = c->front;
    json_t *params = json_array(), *doors = json_array();
    for (uint32_t i = 0; i < f->params.count && i < DW_ARRAY_COUNT(f->params.param); i++) {
        const struct dw_ipc_param *p = &f->params.param[i];
        json_t *field = json_stringn(p->field, strnlen(p->field, sizeof(p->field)));
        json_array_append_new(
            params, json_pack("{s:o, s:I, s:I, s:I, s:I}", "field", field, "value",
                              (json_int_t)p->value, "default", (json_int_t)p->fallback, "floor",
                              (json_int_t)p->floor, "ceiling", (json_int_t)p->ceiling));
    }
    for (uint32_t i = 0; i < DW_ARRAY_COUNT(f->params.door); i++) {
        if (f->params.door[i][0])
            json_array_append_new(doors, dw_say_name(f->params.door[i]));
    }
    dw_front_answer(c, 200,
                    json_pack("{s:o, s:s, s:o}", "params", params, "camera_mode",
                              dw_camera_mode_word(f->people.camera_mode), "door_names", doors));
}

void dw_api_mode(struct dw_front_call *c)
{
    struct dw_ipc_people_ask m = {.op = DW_PEOPLE_MODE};
    char word[16];
    if (!dw_front_text(c, "mode", word, sizeof(word)))
        return;
    for (uint32_t i = DW_MODE_ON; i < DW_MODE_COUNT; i++) {
        if (strcmp(word, dw_camera_mode_word(i)) == 0)
            m.value = i;
    }
    if (m.value == DW_MODE_UNKNOWN)
        bad(c);
    else
        dw_front_ask(c->front, c, &m, done);
}

void dw_api_owner(struct dw_front_call *c)
{
    char text[16];
    if (!dw_front_text(c, "word", text, sizeof(text)))
        return;
    enum dw_owner_word word = dw_front_owner_word(text);
    if (word == DW_OWNER_NONE)
        bad(c);
    else if (!dw_front_guard_owner(c->front, word, c->session.member))
        dw_front_refuse(c, DW_FRONT_PROBLEM_BUSY);
    else
        dw_front_answer(c, 200, json_object());
}

/* ---- alerts ---- */

void dw_api_alerts_get(struct dw_front_call *c)
{
    uint8_t key[65];
    json_t *places = dw_book_places(c->front->book, c->session.member);
    bool has_key = dw_book_vapid(c->front->book, key), has_ntfy = false;
    size_t i;
    json_t *p;
    json_array_foreach(places, i, p) has_ntfy =
        has_ntfy || strcmp(json_string_value(json_object_get(p, "channel")), "ntfy") == 0;
    dw_front_answer(c, 200,
                    json_pack("{s:o, s:o, s:b}", "vapid_key",
                              has_key ? dw_front_base64(key, sizeof(key)) : json_null(), "places",
                              places, "ntfy", has_ntfy));
}

/* https, or plain http to this machine (a push server of the tests, an ntfy beside the hub). */
static bool is_endpoint(const char *text)
{
    if (strncmp(text, "https://", 8) == 0)
        return text[8] != '\0';
    if (strncmp(text, "http://", 7) != 0)
        return false;
    const char *host = text + 7;
    size_t len = strcspn(host, ":/");
    return (len == 9 && strncmp(host, "localhost", 9) == 0) ||
           (len == 9 && strncmp(host, "127.0.0.1", 9) == 0) ||
           (len > 10 && strncmp(host + len - 10, ".localhost", 10) == 0);
}

static bool read_push_keys(struct dw_front_call *c, struct dw_ipc_alert_set *m)
{
    uint16_t p256dh, auth;
    if (!dw_front_bytes(c, "p256dh", m->p256dh, sizeof(m->p256dh), &p256dh) ||
        !dw_front_bytes(c, "auth", m->auth, sizeof(m->auth), &auth))
        return false;
    if (p256dh == sizeof(m->p256dh) && m->p256dh[0] == 4 && auth == sizeof(m->auth))
        return true;
    bad(c);
    return false;
}

static bool alert_add(struct dw_front_call *c, struct dw_ipc_alert_set *m)
{
    char channel[8], lang[8] = "en";
    if (!dw_front_text(c, "channel", channel, sizeof(channel)))
        return false;
    bool is_push = strcmp(channel, "push") == 0;
    if (!is_push && strcmp(channel, "ntfy") != 0) {
        bad(c);
        return false;
    }
    if (!dw_front_fields(c, is_push ? "word channel endpoint p256dh auth ? lang"
                                    : "word channel endpoint ? lang") ||
        !dw_front_text(c, "endpoint", m->endpoint, sizeof(m->endpoint)) ||
        (json_object_get(c->in, "lang") && !dw_front_text(c, "lang", lang, sizeof(lang))) ||
        (is_push && !read_push_keys(c, m)))
        return false;
    if (!is_endpoint(m->endpoint)) {
        bad(c);
        return false;
    }
    if (dw_book_place_count(c->front->book, c->session.member) >= DW_FRONT_PLACES_MAX) {
        dw_front_refuse_no(c, DW_PEOPLE_NO_FULL);
        return false;
    }
    m->word = DW_ALERT_ADD;
    m->channel = is_push ? DW_ALERT_PUSH : DW_ALERT_NTFY;
    m->lang = strcmp(lang, "de") == 0;
    return true;
}

static bool alert_read(struct dw_front_call *c, const char *word, struct dw_ipc_alert_set *m)
{
    struct dw_book *b = c->front->book;
    char named[sizeof(m->endpoint)];
    if (strcmp(word, "add") == 0)
        return alert_add(c, m);
    if (strcmp(word, "remove") == 0) {
        if (!dw_front_fields(c, "word endpoint") ||
            !dw_front_text(c, "endpoint", named, sizeof(named)))
            return false;
        m->word = DW_ALERT_REMOVE;
        if (dw_book_place_by_id(b, c->session.member, named, m->endpoint, sizeof(m->endpoint)))
            return true;
        dw_front_refuse_no(c, DW_PEOPLE_NO_NO_SUCH);
        return false;
    }
    m->word = strcmp(word, "test") == 0   ? DW_ALERT_TEST
              : strcmp(word, "seen") == 0 ? DW_ALERT_SEEN
                                          : DW_ALERT_WORD_NONE;
    if (m->word != DW_ALERT_WORD_NONE)
        return dw_front_fields(c, "word");
    bad(c);
    return false;
}

void dw_api_alerts_post(struct dw_front_call *c)
{
    struct dw_ipc_alert_set m = {.member = c->session.member};
    struct dw_book *b = c->front->book;
    const char *word = json_string_value(json_object_get(c->in, "word"));
    if (!word) {
        bad(c);
        return;
    }
    if (!alert_read(c, word, &m))
        return;
    if (dw_failed(dw_ipc_send(DW_IPC_FD, DW_IPC_ALERT_SET, &m))) {
        dw_front_refuse(c, DW_FRONT_PROBLEM_BUSY);
        return;
    }
    if (m.word == DW_ALERT_ADD) {
        struct dw_place p = {.member = m.member, .channel = m.channel};
        memcpy(p.endpoint, m.endpoint, sizeof(p.endpoint));
        dw_book_place_add(b, &p);
    } else if (m.word == DW_ALERT_REMOVE) {
        (void)dw_book_place_remove(b, m.member, m.endpoint);
    }
    dw_front_answer(c, 200, json_object());
}
