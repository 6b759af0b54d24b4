#include "service/jobs/jobs.h"

#include <string.h>

#include "service/civil.h"
#include "service/jobs/wishes.h"
#include "wire/wish.h"

static const char *const places[] = {"hall",   "garage",    "parcel_box",
                                     "locker", "neighbour", "doorstep"};
static const char *const kinds[] = {"drop", "stay"};

#define NOTES_BYTES_MAX 200u

/* What POST and PATCH read. */
struct order {
    uint8_t home[DW_ID_BYTES], visitor[DW_ID_BYTES];
    uint64_t door, kind;
    const char *barcode[DW_JOB_PARCELS_MAX];
    size_t parcel_count;
    int32_t day;
    uint32_t from, to;
    int64_t nbf_s, exp_s;
    const char *notes;
    char *places; /* JSON */
    bool has_window, has_visitor, unassigns;
};

/* -- what is shown ------------------------------------------------------------------------------
 */

#define COLUMNS                                                                               \
    "j.id, j.home, j.agency, j.kind, j.door, j.day, j.from_min, j.to_min, h.zone, j.notes,"   \
    " j.places, j.visitor, j.revision, j.is_recalled, j.created, h.name, h.hub_pub, j.nbf_s," \
    " j.exp_s, w.wished, w.place, w.day, w.from_min, w.to_min, j.grant_id,"                   \
    " j.visitor IS NOT NULL AND NOT EXISTS (SELECT 1 FROM signing s"                          \
    " WHERE s.agency = j.agency AND s.kind = 2 AND s.subject = j.id"                          \
    " AND s.object IS NOT NULL), EXISTS (SELECT 1 FROM grants g WHERE g.home = j.home"        \
    " AND g.id = j.grant_id AND g.revoked IS NOT NULL)"
#define TABLES                                   \
    " FROM jobs j JOIN homes h ON h.id = j.home" \
    " LEFT JOIN job_wishes w ON w.job = j.id "

static json_t *show_parcels(struct dw_call *c, const uint8_t job[DW_ID_BYTES], bool *ret_all_used)
{
    json_t *list = json_array();
    sqlite3_stmt *q = dw_db_ask(
        c->work.db, "SELECT barcode, used_by FROM parcels WHERE job = ? ORDER BY number", "k", job);
    *ret_all_used = true;
    while (dw_db_next(c->work.db, q)) {
        bool is_used = sqlite3_column_type(q, 1) != SQLITE_NULL;
        *ret_all_used = *ret_all_used && is_used;
        (void)json_array_append_new(
            list,
            json_pack("{s:o, s:s, s:o}", "barcode", dw_json_col_text(q, 0), "state",
                      is_used ? "delivered" : "open", "visit",
                      is_used ? dw_json_visit((uint64_t)sqlite3_column_int64(q, 1)) : json_null()));
    }
    *ret_all_used = *ret_all_used && json_array_size(list) > 0;
    return list;
}

/* The civil day at the home now, told from the job itself: its window stands there in both times.
 * (The zone's tables are the writer's.) When the clocks change between now and the window it is an
 * hour off at most; of the offsets at its two ends the one that ends a day earlier counts. */
static int32_t today_of(sqlite3_stmt *q)
{
    int64_t day_s = sqlite3_column_int64(q, 5) * 86400, now_s = dw_service_now_ms() / 1000;
    int64_t from = day_s + sqlite3_column_int64(q, 6) * 60 - sqlite3_column_int64(q, 17);
    int64_t to = day_s + sqlite3_column_int64(q, 7) * 60 - sqlite3_column_int64(q, 18);
    return (int32_t)((now_s + (from > to ? from : to)) / 86400);
}

/* The household's notes are for whoever comes today, and for nobody else. */
static json_t *show_house_notes(struct dw_call *c, sqlite3_stmt *q, bool is_open)
{
    uint8_t home[DW_ID_BYTES], job[DW_ID_BYTES];
    int32_t today = today_of(q);
    bool is_for_asker = c->actor.role == DW_ROLE_VISITOR || c->actor.role == DW_ROLE_OWNER;
    if (!is_for_asker || !is_open || today != sqlite3_column_int(q, 5) ||
        !dw_col_blob(q, 1, home, sizeof(home)) || !dw_col_blob(q, 0, job, sizeof(job)))
        return json_array();
    return dw_house_notes(c, home, job, today);
}

static json_t *show_wished_window(sqlite3_stmt *q)
{
    if (sqlite3_column_type(q, 21) == SQLITE_NULL)
        return json_null();
    return json_pack("{s:o, s:o, s:o}", "date", dw_json_day(sqlite3_column_int(q, 21)), "from",
                     dw_json_minute((uint32_t)sqlite3_column_int(q, 22)), "to",
                     dw_json_minute((uint32_t)sqlite3_column_int(q, 23)));
}

static json_t *show_hub_pub(sqlite3_stmt *q)
{
    uint8_t pub[DW_KEY_BYTES];
    return dw_col_blob(q, 16, pub, sizeof(pub)) ? dw_json_bytes(pub, sizeof(pub)) : json_null();
}

static json_t *show(struct dw_call *c, sqlite3_stmt *q)
{
    uint8_t id[DW_ID_BYTES];
    bool is_delivered;
    int wished = sqlite3_column_int(q, 19);
    const char *word = dw_wished_word(wished), *place = dw_col_text(q, 20);
    (void)dw_col_blob(q, 0, id, sizeof(id));
    json_t *parcels = show_parcels(c, id, &is_delivered);
    const char *state = is_delivered                     ? "delivered"
                        : sqlite3_column_int(q, 13) != 0 ? "recalled"
                        : wished == DW_WISH_DECLINE      ? "declined"
                        : sqlite3_column_int(q, 26) == 1 ? "declined" /* its grant was revoked */
                        : sqlite3_column_int(q, 25) == 1 ? "unsigned"
                                                         : "open";
    bool is_open = !is_delivered && sqlite3_column_int(q, 13) == 0;
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:s, s:i, s:o, s:{s:o, s:o, s:o}, s:o, s:o, s:o, s:o, s:i, s:s, s:o,"
        " s:o, s:o, s:o, s:o, s:o, s:o}",
        "id", dw_json_id(id), "home", dw_json_col_id(q, 1), "home_name", dw_json_col_text(q, 15),
        "agency", dw_json_col_id(q, 2), "kind", kinds[sqlite3_column_int(q, 3) == DW_VISIT_STAY],
        "door", sqlite3_column_int(q, 4), "parcels", parcels, "window", "date",
        dw_json_day(sqlite3_column_int(q, 5)), "from",
        dw_json_minute((uint32_t)sqlite3_column_int(q, 6)), "to",
        dw_json_minute((uint32_t)sqlite3_column_int(q, 7)), "zone", dw_json_col_text(q, 8), "notes",
        dw_json_col_text(q, 9), "places", json_loads(dw_col_text(q, 10), 0, NULL), "visitor",
        dw_json_col_id(q, 11), "revision", sqlite3_column_int(q, 12), "state", state, "created",
        dw_json_col_time(q, 14), "hub_pub", show_hub_pub(q), "house_notes",
        show_house_notes(c, q, is_open), "place", place[0] ? json_string(place) : json_null(),
        "wished", word ? json_string(word) : json_null(), "wished_window", show_wished_window(q),
        "grant", dw_json_col_id(q, 24));
}

/* The job of the path, if the asker may see it. NULL: not found. */
static sqlite3_stmt *find(struct dw_call *c, uint8_t ret_id[DW_ID_BYTES])
{
    if (!dw_param_id(c, 0, ret_id))
        return NULL;
    sqlite3_stmt *q = dw_db_ask(c->work.db, "SELECT " COLUMNS TABLES "WHERE j.id = ?", "k", ret_id);
    if (dw_db_next(c->work.db, q)) {
        int column = c->actor.role == DW_ROLE_OWNER ? 1 : c->actor.role == DW_ROLE_AGENCY ? 2 : 11;
        uint8_t whose[DW_ID_BYTES];
        if (c->actor.role == DW_ROLE_ADMIN || (dw_col_blob(q, column, whose, sizeof(whose)) &&
                                               memcmp(whose, c->actor.id, sizeof(whose)) == 0))
            return q;
    }
    dw_problem(c, DW_PROBLEM_NOT_FOUND);
    return NULL;
}

static void answer(struct dw_call *c, int status, const uint8_t id[DW_ID_BYTES])
{
    sqlite3_stmt *q = dw_db_ask(c->work.db, "SELECT " COLUMNS TABLES "WHERE j.id = ?", "k", id);
    if (dw_db_next(c->work.db, q))
        dw_answer(c, status, show(c, q));
}

/* What the agency signed of it, for the phone of whoever comes: to have it there before the door.
 */
static json_t *show_manifest(struct dw_call *c, const uint8_t job[DW_ID_BYTES])
{
    sqlite3_stmt *q = dw_db_ask(c->work.db,
                                "SELECT s.object FROM jobs j JOIN signing s ON s.agency = j.agency"
                                " AND s.kind = 2 AND s.subject = j.id"
                                " WHERE j.id = ? AND j.is_recalled = 0",
                                "k", job);
    size_t len = dw_db_next(c->work.db, q) ? (size_t)sqlite3_column_bytes(q, 0) : 0;
    return len ? dw_json_bytes(sqlite3_column_blob(q, 0), len) : json_null();
}

void dw_jobs_get(struct dw_call *c)
{
    uint8_t id[DW_ID_BYTES];
    sqlite3_stmt *q = find(c, id);
    if (!q)
        return;
    json_t *job = show(c, q);
    if (c->actor.role == DW_ROLE_VISITOR)
        (void)json_object_set_new(job, "manifest", show_manifest(c, id));
    dw_answer(c, 200, job);
}

#define TODAY                                                                                     \
    " AND j.is_recalled = 0 AND j.exp_s > ?2 - 172800 AND j.nbf_s < ?2 + 172800"                  \
    " AND (?2 - j.nbf_s + j.from_min * 60 BETWEEN 0 AND 86399 OR ?2 BETWEEN j.nbf_s AND j.exp_s)" \
    " ORDER BY j.nbf_s, j.exp_s, j.id LIMIT ?3"

/* The stops of the day at each home, in order of their windows. */
static void list_today(struct dw_call *c)
{
    struct dw_db *db = c->work.db;
    int64_t now_s = dw_service_now_ms() / 1000;
    uint64_t limit = dw_query_uint(c, "limit", DW_PAGE_MAX, DW_PAGE_MAX);
    if (!dw_is_refused(c) && (limit == 0 || dw_query_text(c, "after")))
        dw_problem_say(c, DW_PROBLEM_BAD_FIELD, "This list has no pages; limit is 1 to %u.",
                       DW_PAGE_MAX);
    if (dw_is_refused(c))
        return;
    const void *who = c->actor.id;
    sqlite3_stmt *q = c->actor.role == DW_ROLE_VISITOR
                          ? dw_db_ask(db, "SELECT " COLUMNS TABLES "WHERE j.visitor = ?1" TODAY,
                                      "kii", who, now_s, (int64_t)limit)
                      : c->actor.role == DW_ROLE_AGENCY
                          ? dw_db_ask(db, "SELECT " COLUMNS TABLES "WHERE j.agency = ?1" TODAY,
                                      "kii", who, now_s, (int64_t)limit)
                      : c->actor.role == DW_ROLE_OWNER
                          ? dw_db_ask(db, "SELECT " COLUMNS TABLES "WHERE j.home = ?1" TODAY, "kii",
                                      who, now_s, (int64_t)limit)
                          : dw_db_ask(db, "SELECT " COLUMNS TABLES "WHERE ?1 = 1" TODAY, "iii",
                                      INT64_C(1), now_s, (int64_t)limit);
    json_t *items = json_array();
    while (dw_db_next(db, q))
        (void)json_array_append_new(items, show(c, q));
    dw_answer(c, 200, dw_json_page(items, NULL));
}

void dw_jobs_list(struct dw_call *c)
{
    if (dw_query_uint(c, "today", 1, 0) == 1 && !dw_is_refused(c)) {
        list_today(c);
        return;
    }
    uint8_t last[DW_ID_BYTES];
    uint64_t limit;
    struct dw_db *db = c->work.db;
    if (!dw_query_page(c, last, &limit))
        return;
    sqlite3_stmt *q;
    if (c->actor.role == DW_ROLE_ADMIN)
        q = dw_db_ask(db, "SELECT " COLUMNS TABLES "WHERE j.id > ? ORDER BY j.id LIMIT ?", "ki",
                      last, (int64_t)limit);
    else if (c->actor.role == DW_ROLE_AGENCY)
        q = dw_db_ask(db,
                      "SELECT " COLUMNS TABLES "WHERE j.agency = ? AND j.id > ?"
                      " ORDER BY j.id LIMIT ?",
                      "kki", c->actor.id, last, (int64_t)limit);
    else if (c->actor.role == DW_ROLE_VISITOR)
        q = dw_db_ask(db,
                      "SELECT " COLUMNS TABLES "WHERE j.visitor = ? AND j.id > ?"
                      " ORDER BY j.id LIMIT ?",
                      "kki", c->actor.id, last, (int64_t)limit);
    else
        q = dw_db_ask(db,
                      "SELECT " COLUMNS TABLES "WHERE j.home = ? AND j.id > ?"
                      " ORDER BY j.id LIMIT ?",
                      "kki", c->actor.id, last, (int64_t)limit);
    json_t *items = json_array();
    while (dw_db_next(db, q)) {
        (void)dw_col_blob(q, 0, last, sizeof(last));
        (void)json_array_append_new(items, show(c, q));
    }
    dw_answer(c, 200, dw_json_page(items, json_array_size(items) == limit ? last : NULL));
}

/* -- what is asked ------------------------------------------------------------------------------
 */

static size_t word_index(const char *const *words, size_t count, const char *word)
{
    size_t i = 0;
    while (i < count && (!word || strcmp(words[i], word) != 0))
        i++;
    return i;
}

static void read_parcels(struct dw_call *c, struct order *o)
{
    const json_t *list = json_object_get(c->body, "parcels");
    size_t count = json_array_size(list);
    if (!list) {
        dw_problem_say(c, DW_PROBLEM_MISSING_FIELD, "The field \"parcels\" is missing.");
        return;
    }
    /* A visit that brings nothing (a cleaner's) still has one code that names it. */
    if (!json_is_array(list) || count < 1 || count > DW_JOB_PARCELS_MAX) {
        dw_problem_say(c, DW_PROBLEM_BAD_FIELD, "parcels must be a list of 1 to %u barcodes.",
                       DW_JOB_PARCELS_MAX);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const char *code = dw_in_barcode(c, json_array_get(list, i));
        for (size_t k = 0; code && k < o->parcel_count; k++)
            if (strcmp(o->barcode[k], code) == 0)
                dw_problem_say(c, DW_PROBLEM_BAD_FIELD, "parcels holds the same barcode twice.");
        if (dw_is_refused(c))
            return;
        o->barcode[o->parcel_count++] = code;
    }
}

static void read_places(struct dw_call *c, struct order *o)
{
    const json_t *list = json_object_get(c->body, "places");
    char text[80] = "[";
    unsigned seen = 0;
    if (!list)
        return;
    bool is_good = json_is_array(list) && json_array_size(list) >= 1;
    for (size_t i = 0; is_good && i < json_array_size(list); i++) {
        size_t n =
            word_index(places, DW_ARRAY_COUNT(places), json_string_value(json_array_get(list, i)));
        is_good = n < DW_ARRAY_COUNT(places) && !(seen & DW_BIT(n));
        if (!is_good)
            break;
        seen |= DW_BIT(n);
        size_t len = strlen(text);
        (void)snprintf(text + len, sizeof(text) - len, "%s\"%s\"", i ? "," : "", places[n]);
    }
    if (!is_good) {
        dw_problem_say(c, DW_PROBLEM_BAD_FIELD,
                       "places must list hall, garage, parcel_box, locker, neighbour or"
                       " doorstep, each once.");
        return;
    }
    size_t len = strlen(text);
    (void)snprintf(text + len, sizeof(text) - len, "]");
    o->places = dw_arena_text(&c->work.arena, text, strlen(text));
}

static void read_window(struct dw_call *c, struct order *o, enum dw_need need)
{
    const json_t *window = dw_in_object(c, c->body, "window", need);
    if (!window)
        return;
    o->has_window = true;
    dw_in_only(c, window, "date", "from", "to", NULL);
    (void)dw_in_day(c, window, "date", &o->day, DW_REQUIRED);
    (void)dw_in_minute(c, window, "from", &o->from, DW_REQUIRED);
    (void)dw_in_minute(c, window, "to", &o->to, DW_REQUIRED);
    if (!dw_is_refused(c) && o->to <= o->from)
        dw_problem_say(
            c, DW_PROBLEM_BAD_WINDOW,
            "The window must end after it begins, on the same day (24:00 at the latest).");
}

/* The window in UTC, by the home's zone [protocol 5.6]. */
static void place_window(struct dw_call *c, struct order *o, const char *zone)
{
    int32_t today;
    uint32_t minute;
    enum dw_civil_result from = dw_civil_to_utc(zone, o->day, o->from, &o->nbf_s);
    enum dw_civil_result to = dw_civil_to_utc(zone, o->day, o->to, &o->exp_s);
    if (!dw_civil_at(zone, dw_service_now_ms() / 1000, &today, &minute))
        dw_problem(c, DW_PROBLEM_INTERNAL);
    else if (from == DW_CIVIL_MISSING || to == DW_CIVIL_MISSING)
        dw_problem(c, DW_PROBLEM_TIME_MISSING);
    else if (from == DW_CIVIL_AMBIGUOUS || to == DW_CIVIL_AMBIGUOUS)
        dw_problem(c, DW_PROBLEM_TIME_AMBIGUOUS);
    else if (from != DW_CIVIL_OK || to != DW_CIVIL_OK)
        dw_problem(c, DW_PROBLEM_INTERNAL);
    else if (o->day < today - 1 || o->day > today + (int32_t)c->work.service->set.window_days_max)
        dw_problem_say(c, DW_PROBLEM_BAD_WINDOW,
                       "The date must be from yesterday to %u days ahead, in the home's zone.",
                       c->work.service->set.window_days_max);
}

static void read_visitor(struct dw_call *c, struct order *o)
{
    const json_t *value = json_object_get(c->body, "visitor");
    o->unassigns = value && json_is_null(value);
    o->has_visitor = dw_in_id(c, c->body, "visitor", o->visitor, DW_OPTIONAL);
    if (!o->has_visitor || dw_is_refused(c))
        return;
    sqlite3_stmt *q = dw_db_ask(
        c->work.db, "SELECT 1 FROM visitors WHERE id = ? AND agency = ? AND is_active = 1", "kk",
        o->visitor, c->actor.id);
    if (!dw_db_next(c->work.db, q))
        dw_problem_say(c, DW_PROBLEM_NOT_FOUND, "There is no such visitor among yours.");
}

static void read_notes(struct dw_call *c, struct order *o)
{
    const json_t *value = json_object_get(c->body, "notes");
    if (value && json_is_string(value) && json_string_length(value) == 0)
        o->notes = "";
    else
        o->notes = dw_in_text(c, c->body, "notes", NOTES_BYTES_MAX, DW_OPTIONAL);
}

/* The home's zone, with the door there; NULL after a problem. */
static const char *find_home(struct dw_call *c, const struct order *o)
{
    sqlite3_stmt *q = dw_db_ask(c->work.db,
                                "SELECT hub_id, zone, (SELECT count(*) FROM doors WHERE home = id)"
                                " FROM homes WHERE id = ?",
                                "k", o->home);
    if (!dw_db_next(c->work.db, q)) {
        dw_problem_say(c, DW_PROBLEM_NOT_FOUND, "There is no such home.");
        return NULL;
    }
    if (sqlite3_column_type(q, 0) == SQLITE_NULL) {
        dw_problem(c, DW_PROBLEM_NO_HUB);
        return NULL;
    }
    if (o->door >= (uint64_t)sqlite3_column_int64(q, 2)) {
        dw_problem_say(c, DW_PROBLEM_BAD_FIELD, "The home has no such door.");
        return NULL;
    }
    const char *zone = dw_col_text(q, 1);
    return dw_arena_text(&c->work.arena, zone, strlen(zone));
}

/* The household's word for each part [wire/grant.h, dw_grant_holds]. */
static const char *part_words(const char *part)
{
    static const char *const parts[][2] = {
        {"hub", "this home"},
        {"kind", "this kind of visit"},
        {"door", "this door"},
        {"time", "this date: it is valid at another time"},
        {"zone", "the home's zone"},
        {"window", "these hours on this day of the week"},
        {"uses", "so many openings"},
        {"dwell", "so long a time inside"},
        {"camera", "this class of camera"},
    };
    for (size_t i = 0; i < DW_ARRAY_COUNT(parts); i++)
        if (strcmp(parts[i][0], part) == 0)
            return parts[i][1];
    return part;
}

static bool choose_grant(struct dw_call *c, const uint8_t id[DW_ID_BYTES])
{
    const char *why;
    if (dw_job_choose(&c->work, id, &why))
        return true;
    if (why)
        dw_problem_say(c, DW_PROBLEM_OUTSIDE_GRANT,
                       "The household's grant does not hold this: %s (%s).", part_words(why), why);
    else
        dw_problem(c, DW_PROBLEM_NO_GRANT);
    return false;
}

void dw_jobs_post(struct dw_call *c)
{
    struct order o = {.notes = NULL};
    uint8_t id[DW_ID_BYTES], salt[16];
    dw_in_only(c, c->body, "home", "door", "kind", "parcels", "window", "notes", "places",
               "visitor", NULL);
    (void)dw_in_id(c, c->body, "home", o.home, DW_REQUIRED);
    (void)dw_in_uint(c, c->body, "door", 3, &o.door, DW_OPTIONAL);
    const char *kind = dw_in_text(c, c->body, "kind", 8, DW_OPTIONAL);
    o.kind = word_index(kinds, DW_ARRAY_COUNT(kinds), kind ? kind : "drop");
    if (o.kind == DW_ARRAY_COUNT(kinds))
        dw_problem_say(c, DW_PROBLEM_BAD_FIELD, "kind must be drop or stay.");
    read_parcels(c, &o);
    read_window(c, &o, DW_REQUIRED);
    read_notes(c, &o);
    read_places(c, &o);
    read_visitor(c, &o);
    const char *zone = dw_is_refused(c) ? NULL : find_home(c, &o);
    if (zone)
        place_window(c, &o, zone);
    if (dw_is_refused(c))
        return;
    dw_id_new(id);
    dw_random(salt, sizeof(salt));
    (void)dw_db_do(
        c->work.db,
        "INSERT INTO jobs (id, home, agency, kind, door, day, from_min, to_min, nbf_s,"
        " exp_s, notes, places, visitor, revision, is_recalled, is_at_hub, salt, created)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 0, 0, ?, ?)",
        "kkkiiiiiiittkki", id, o.home, c->actor.id, (int64_t)o.kind, (int64_t)o.door,
        (int64_t)o.day, (int64_t)o.from, (int64_t)o.to, o.nbf_s, o.exp_s, o.notes ? o.notes : "",
        o.places ? o.places : "[\"hall\",\"doorstep\"]", o.has_visitor ? o.visitor : NULL, salt,
        dw_service_now_ms());
    for (size_t i = 0; i < o.parcel_count; i++)
        (void)dw_db_do(c->work.db, "INSERT INTO parcels (job, number, barcode) VALUES (?, ?, ?)",
                       "kit", id, (int64_t)i, o.barcode[i]);
    if (!choose_grant(c, id))
        return;
    dw_job_send(&c->work, id);
    answer(c, 201, id);
}

static bool is_open(struct dw_call *c, const uint8_t id[DW_ID_BYTES])
{
    sqlite3_stmt *q = dw_db_ask(c->work.db,
                                "SELECT is_recalled, (SELECT count(*) FROM parcels WHERE job = id"
                                " AND used_by IS NULL) FROM jobs WHERE id = ?",
                                "k", id);
    if (!dw_db_next(c->work.db, q))
        return false;
    if (sqlite3_column_int(q, 0) == 0 && sqlite3_column_int(q, 1) > 0)
        return true;
    dw_problem_say(c, DW_PROBLEM_CONFLICT, "The job is %s.",
                   sqlite3_column_int(q, 0) ? "recalled" : "delivered");
    return false;
}

void dw_jobs_patch(struct dw_call *c)
{
    struct order o = {.notes = NULL};
    uint8_t id[DW_ID_BYTES];
    sqlite3_stmt *q = find(c, id);
    if (!q)
        return;
    const char *zone = dw_arena_text(&c->work.arena, dw_col_text(q, 8), strlen(dw_col_text(q, 8)));
    bool has_lost_grant = sqlite3_column_int(q, 26) == 1;
    dw_in_only(c, c->body, "visitor", "window", "notes", "places", NULL);
    read_window(c, &o, DW_OPTIONAL);
    read_notes(c, &o);
    read_places(c, &o);
    read_visitor(c, &o);
    if (!dw_is_refused(c) && o.has_window)
        place_window(c, &o, zone);
    if (dw_is_refused(c) || !is_open(c, id))
        return;
    if (o.has_window)
        (void)dw_db_do(c->work.db,
                       "UPDATE jobs SET day = ?, from_min = ?, to_min = ?, nbf_s = ?, exp_s = ?"
                       " WHERE id = ?",
                       "iiiiik", (int64_t)o.day, (int64_t)o.from, (int64_t)o.to, o.nbf_s, o.exp_s,
                       id);
    /* A new window is the answer to the wish for one. */
    if (o.has_window)
        (void)dw_db_do(c->work.db,
                       "UPDATE job_wishes SET wished = 0, day = NULL, from_min = NULL,"
                       " to_min = NULL WHERE job = ? AND wished = ?",
                       "ki", id, (int64_t)DW_WISH_MOVE);
    if (o.notes)
        (void)dw_db_do(c->work.db, "UPDATE jobs SET notes = ? WHERE id = ?", "tk", o.notes, id);
    if (o.places)
        (void)dw_db_do(c->work.db, "UPDATE jobs SET places = ? WHERE id = ?", "tk", o.places, id);
    if (o.has_visitor || o.unassigns)
        (void)dw_db_do(c->work.db, "UPDATE jobs SET visitor = ? WHERE id = ?", "kk",
                       o.has_visitor ? o.visitor : NULL, id);
    (void)dw_db_do(c->work.db, "UPDATE jobs SET revision = revision + 1 WHERE id = ?", "k", id);
    if ((o.has_window || has_lost_grant) && !choose_grant(c, id))
        return;
    dw_job_send(&c->work, id);
    answer(c, 200, id);
}

/* Recalls it. A visit that is under way goes on: the door is the hub's. */
void dw_jobs_delete(struct dw_call *c)
{
    uint8_t id[DW_ID_BYTES];
    sqlite3_stmt *q = find(c, id);
    if (!q)
        return;
    if (sqlite3_column_int(q, 13) == 0) { /* twice is once */
        if (!is_open(c, id))
            return;
        (void)dw_db_do(c->work.db,
                       "UPDATE jobs SET is_recalled = 1, revision = revision + 1 WHERE id = ?", "k",
                       id);
        dw_job_send(&c->work, id);
    }
    answer(c, 200, id);
}
