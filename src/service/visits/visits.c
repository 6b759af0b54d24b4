#include "service/visits/visits.h"

#include <stdio.h>
#include <string.h>

#include "crypto/chain.h"
#include "crypto/signed.h"
#include "os/os.h"
#include "service/civil.h"
#include "service/visits/checks.h"

/* -- what is shown ------------------------------------------------------------------------------
 */

#define COLUMNS                                                                                    \
    "id, job, home, agency, visitor, door, barcode, courier_nonce, passed, state, check_failed,"   \
    " outcome, alarms, story, asked, ready_until, slid, gap_ms, opened_lo, opened_hi, secured_lo," \
    " secured_hi, inside_ms, evidence, leaf, is_confirmed_later,"                                  \
    " EXISTS (SELECT 1 FROM door_scans WHERE visit = id)"

enum column {
    AT_ID,
    AT_JOB,
    AT_HOME,
    AT_AGENCY,
    AT_VISITOR,
    AT_DOOR,
    AT_BARCODE,
    AT_COURIER_NONCE,
    AT_PASSED,
    AT_STATE,
    AT_CHECK,
    AT_OUTCOME,
    AT_ALARMS,
    AT_STORY,
    AT_ASKED,
    AT_READY_UNTIL,
    AT_SLID,
    AT_GAP,
    AT_OPENED_LO,
    AT_OPENED_HI,
    AT_SECURED_LO,
    AT_SECURED_HI,
    AT_INSIDE,
    AT_EVIDENCE,
    AT_LEAF,
    AT_CONFIRMED_LATER,
    AT_DOOR_SCANNED
};

static json_t *show_check(int check)
{
    if (check == DW_CHECK_NONE)
        return json_null();
    return json_pack("{s:s, s:s, s:s}", "code", dw_check_code((enum dw_check)check), "text",
                     dw_check_text((enum dw_check)check), "next",
                     dw_check_next((enum dw_check)check));
}

static json_t *show_alarms(uint32_t alarms)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < DW_ALARM_COUNT; i++)
        if (alarms & DW_BIT(i))
            (void)json_array_append_new(list, json_pack("{s:s, s:s}", "code",
                                                        dw_alarm_code((enum dw_alarm)i), "text",
                                                        dw_alarm_text((enum dw_alarm)i)));
    return list;
}

static const char *state_word(int state, int outcome, bool is_slid)
{
    return dw_visit_progress_word((enum dw_visit_state)state, (enum dw_outcome)outcome, is_slid);
}

static json_t *show_time(int64_t lo, int64_t hi)
{
    char text[DW_UTC_TEXT];
    if (lo <= 0 || hi < lo)
        return json_null(); /* the hub did not know the time */
    dw_utc_write(lo + (hi - lo) / 2, text);
    return json_pack("{s:s, s:I}", "time", text, "uncertain_ms", (json_int_t)((hi - lo + 1) / 2));
}

static json_t *show_story(struct dw_call *c, uint64_t visit)
{
    json_t *list = json_array();
    sqlite3_stmt *q =
        dw_db_ask(c->work.db,
                  "SELECT number, hub_number, state, outcome, check_failed, alarms,"
                  " at_lo, at_hi FROM story WHERE visit = ? ORDER BY number LIMIT 200",
                  "i", (int64_t)visit);
    while (dw_db_next(c->work.db, q)) {
        int outcome = sqlite3_column_int(q, 3);
        (void)json_array_append_new(
            list,
            json_pack(
                "{s:i, s:s, s:s, s:o, s:o, s:o, s:o}", "number", sqlite3_column_int(q, 0), "by",
                sqlite3_column_int(q, 1) || outcome > DW_OUTCOME_REFUSED ? "hub" : "service",
                "state", state_word(sqlite3_column_int(q, 2), outcome, false), "outcome",
                outcome ? json_string(dw_outcome_word((enum dw_outcome)outcome)) : json_null(),
                "check", show_check(sqlite3_column_int(q, 4)), "alarms",
                show_alarms((uint32_t)sqlite3_column_int64(q, 5)), "at",
                show_time(sqlite3_column_int64(q, 6), sqlite3_column_int64(q, 7))));
    }
    return list;
}

static json_t *show_receipt(sqlite3_stmt *q)
{
    static const char *const evidence[] = {"C", "B", "A"};
    if (sqlite3_column_type(q, AT_LEAF) == SQLITE_NULL)
        return json_null();
    return json_pack(
        "{s:s, s:i, s:o, s:o, s:i, s:s, s:I, s:b}", "outcome",
        dw_outcome_word((enum dw_outcome)sqlite3_column_int(q, AT_OUTCOME)), "gap_ms",
        sqlite3_column_int(q, AT_GAP), "opened",
        show_time(sqlite3_column_int64(q, AT_OPENED_LO), sqlite3_column_int64(q, AT_OPENED_HI)),
        "secured",
        show_time(sqlite3_column_int64(q, AT_SECURED_LO), sqlite3_column_int64(q, AT_SECURED_HI)),
        "inside_ms", sqlite3_column_int(q, AT_INSIDE), "lock_class",
        evidence[(size_t)sqlite3_column_int(q, AT_EVIDENCE) % DW_ARRAY_COUNT(evidence)], "leaf",
        (json_int_t)sqlite3_column_int64(q, AT_LEAF), "confirmed_later",
        sqlite3_column_int(q, AT_CONFIRMED_LATER) == 1);
}

static json_t *show_passed(uint64_t passed)
{
    json_t *list = json_array();
    for (unsigned i = 1; i < DW_CHECK_COUNT; i++)
        if (passed >> i & 1)
            (void)json_array_append_new(list, json_string(dw_check_code((enum dw_check)i)));
    return list;
}

static json_t *bytes_or_null(sqlite3_stmt *q, int i)
{
    size_t len = (size_t)sqlite3_column_bytes(q, i);
    const void *p = sqlite3_column_blob(q, i);
    return p && len ? dw_json_bytes(p, len) : json_null();
}

/* What the courier's app needs to check the hub's offer itself, and to write the stop that the
 * passkey signs [messages.md 8.5]. */
static void show_stop(struct dw_call *c, uint64_t visit, json_t *ret_json)
{
    uint8_t code[DW_HASH_BYTES] = {0};
    char hex[2 * DW_HASH_BYTES + 1];
    sqlite3_stmt *q = dw_db_ask(c->work.db,
                                "SELECT v.offer, v.manifest, v.door_code, h.hub_pub FROM visits v"
                                " LEFT JOIN homes h ON h.id = v.home WHERE v.id = ?",
                                "i", (int64_t)visit);
    if (!dw_db_next(c->work.db, q))
        return;
    (void)dw_col_blob(q, 2, code, sizeof(code)); /* zeroes when none was scanned */
    dw_hex(code, sizeof(code), hex);
    (void)json_object_set_new(ret_json, "offer", bytes_or_null(q, 0));
    (void)json_object_set_new(ret_json, "manifest", bytes_or_null(q, 1));
    (void)json_object_set_new(ret_json, "hub_pub", bytes_or_null(q, 3));
    (void)json_object_set_new(ret_json, "door_code_hash", json_string(hex));
}

static json_t *show(struct dw_call *c, sqlite3_stmt *q, bool with_story)
{
    char nonce[65] = "";
    uint8_t bytes[DW_NONCE_BYTES];
    uint64_t id = (uint64_t)sqlite3_column_int64(q, AT_ID);
    int outcome = sqlite3_column_int(q, AT_OUTCOME), check = sqlite3_column_int(q, AT_CHECK);
    bool is_slid = sqlite3_column_type(q, AT_SLID) != SQLITE_NULL;
    (void)dw_col_blob(q, AT_COURIER_NONCE, bytes, sizeof(bytes));
    dw_hex(bytes, sizeof(bytes), nonce);
    json_t *visit = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:i, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o, "
        "s:o, s:b}",
        "id", dw_json_visit(id), "job", dw_json_col_id(q, AT_JOB), "home",
        dw_json_col_id(q, AT_HOME), "agency", dw_json_col_id(q, AT_AGENCY), "visitor",
        dw_json_col_id(q, AT_VISITOR), "door", sqlite3_column_int(q, AT_DOOR), "barcode",
        dw_json_col_text(q, AT_BARCODE), "courier_nonce", nonce, "state",
        state_word(sqlite3_column_int(q, AT_STATE), outcome, is_slid), "outcome",
        outcome ? json_string(dw_outcome_word((enum dw_outcome)outcome)) : json_null(), "check",
        show_check(check), "passed", show_passed((uint64_t)sqlite3_column_int64(q, AT_PASSED)),
        "alarms", show_alarms((uint32_t)sqlite3_column_int64(q, AT_ALARMS)), "news",
        (json_int_t)sqlite3_column_int64(q, AT_STORY), "asked", dw_json_col_time(q, AT_ASKED),
        "ready_until", dw_json_col_time(q, AT_READY_UNTIL), "slid", dw_json_col_time(q, AT_SLID),
        "receipt", show_receipt(q), "door_confirmed", sqlite3_column_int(q, AT_DOOR_SCANNED) == 1);
    if (with_story) {
        (void)json_object_set_new(visit, "story", show_story(c, id));
        show_stop(c, id, visit);
    }
    return visit;
}

static void answer(struct dw_call *c, int status, uint64_t visit)
{
    sqlite3_stmt *q =
        dw_db_ask(c->work.db, "SELECT " COLUMNS " FROM visits WHERE id = ?", "i", (int64_t)visit);
    if (dw_db_next(c->work.db, q))
        dw_answer(c, status, show(c, q, true));
}

/* The visit of the path, if the asker may see it. NULL: not found. */
static sqlite3_stmt *find(struct dw_call *c, uint64_t *ret_visit)
{
    uint8_t whose[DW_ID_BYTES];
    if (!dw_param_visit(c, 0, ret_visit))
        return NULL;
    sqlite3_stmt *q = dw_db_ask(c->work.db, "SELECT " COLUMNS " FROM visits WHERE id = ?", "i",
                                (int64_t)*ret_visit);
    int column = c->actor.role == DW_ROLE_OWNER    ? AT_HOME
                 : c->actor.role == DW_ROLE_AGENCY ? AT_AGENCY
                                                   : AT_VISITOR;
    if (dw_db_next(c->work.db, q) &&
        (c->actor.role == DW_ROLE_ADMIN || (dw_col_blob(q, column, whose, sizeof(whose)) &&
                                            memcmp(whose, c->actor.id, sizeof(whose)) == 0)))
        return q;
    dw_problem(c, DW_PROBLEM_NOT_FOUND);
    return NULL;
}

void dw_visits_get(struct dw_call *c)
{
    uint64_t visit;
    sqlite3_stmt *q = find(c, &visit);
    uint64_t since = dw_query_uint(c, "since", UINT32_MAX, 0);
    uint64_t wait_ms = dw_query_uint(c, "wait_ms", DW_WAIT_MS_MAX, 0);
    if (!q || dw_is_refused(c))
        return;
    if (wait_ms && (uint64_t)sqlite3_column_int64(q, AT_STORY) <= since)
        c->wait_visit = visit;
    dw_answer(c, 200, show(c, q, true));
}

/* The hub's own bytes, for whoever wants to check them [I34]. */
void dw_visits_receipt(struct dw_call *c)
{
    uint64_t visit;
    uint8_t pub[DW_KEY_BYTES];
    if (!find(c, &visit))
        return;
    sqlite3_stmt *q = dw_db_ask(c->work.db,
                                "SELECT h.hub_pub, r.bytes FROM receipts r"
                                " JOIN visits v ON v.id = r.visit JOIN homes h ON h.id = v.home"
                                " WHERE r.visit = ?",
                                "i", (int64_t)visit);
    if (!dw_db_next(c->work.db, q) || !dw_col_blob(q, 0, pub, sizeof(pub))) {
        dw_problem(c, DW_PROBLEM_NOT_FOUND);
        return;
    }
    dw_answer(
        c, 200,
        json_pack("{s:o, s:o}", "hub_pub", dw_json_bytes(pub, sizeof(pub)), "receipt",
                  dw_json_bytes(sqlite3_column_blob(q, 1), (size_t)sqlite3_column_bytes(q, 1))));
}

/* Short lists for those who must look now, newest first: what is under way, what did not lock, what
 * was asked today. */
enum sift { SIFT_NONE = 0, SIFT_ACTIVE, SIFT_STUCK, SIFT_RECENT };

static bool is_wanted(enum sift sift, int state, int outcome)
{
    if (sift == SIFT_ACTIVE)
        return outcome == DW_OUTCOME_NONE;
    if (sift == SIFT_STUCK)
        return outcome == DW_OUTCOME_SECURED_UNCONFIRMED || outcome == DW_OUTCOME_NOT_SECURED ||
               (outcome == DW_OUTCOME_NONE &&
                (state == DW_VISIT_STUCK || state == DW_VISIT_UNHEARD));
    return true;
}

static sqlite3_stmt *ask_since(struct dw_call *c, int64_t since)
{
#define SINCE(column) \
    "SELECT " COLUMNS " FROM visits WHERE " column " AND asked > ?2 ORDER BY asked DESC, id DESC"
    struct dw_db *db = c->work.db;
    const void *who = c->actor.id;
    if (c->actor.role == DW_ROLE_AGENCY)
        return dw_db_ask(db, SINCE("agency = ?1"), "ki", who, since);
    if (c->actor.role == DW_ROLE_VISITOR)
        return dw_db_ask(db, SINCE("visitor = ?1"), "ki", who, since);
    if (c->actor.role == DW_ROLE_OWNER)
        return dw_db_ask(db, SINCE("home = ?1"), "ki", who, since);
    return dw_db_ask(db, SINCE("?1 IS NOT NULL"), "ki", who, since);
}

#define SHORT_MAX 50u /* with their stories */

/* Only what was asked today may be more than a page; `after` is found again on the way. */
static void list_short(struct dw_call *c, enum sift sift)
{
    const int64_t day = 86400000;
    const char *after = dw_query_text(c, "after");
    uint64_t limit = dw_query_uint(c, "limit", DW_PAGE_MAX, DW_PAGE_MAX), from = 0, last = 0;
    if (!dw_is_refused(c) && (limit == 0 || (after && sift != SIFT_RECENT)))
        dw_problem_say(c, DW_PROBLEM_BAD_FIELD,
                       "limit is 1 to %u, and only recent goes on with after.", DW_PAGE_MAX);
    if (dw_is_refused(c))
        return;
    if (sift != SIFT_RECENT && limit > SHORT_MAX)
        limit = SHORT_MAX;
    c->param[0] = after;
    if (after && !dw_param_visit(c, 0, &from))
        return;
    sqlite3_stmt *q = ask_since(c, dw_service_now_ms() - (sift == SIFT_STUCK ? 7 : 1) * day);
    json_t *items = json_array();
    bool is_reached = !after;
    while (json_array_size(items) < limit && dw_db_next(c->work.db, q)) {
        last = (uint64_t)sqlite3_column_int64(q, AT_ID);
        if (is_reached &&
            is_wanted(sift, sqlite3_column_int(q, AT_STATE), sqlite3_column_int(q, AT_OUTCOME)))
            (void)json_array_append_new(items, show(c, q, sift != SIFT_RECENT));
        is_reached = is_reached || last == from;
    }
    bool has_more = sift == SIFT_RECENT && json_array_size(items) == limit;
    dw_answer(c, 200,
              json_pack("{s:o, s:o}", "items", items, "next",
                        has_more ? dw_json_visit(last) : json_null()));
}

void dw_visits_list(struct dw_call *c)
{
    static const char *const names[] = {
        [SIFT_ACTIVE] = "active", [SIFT_STUCK] = "stuck", [SIFT_RECENT] = "recent"};
    enum sift sift = SIFT_NONE;
    for (size_t i = SIFT_ACTIVE; i < DW_ARRAY_COUNT(names); i++) {
        if (dw_query_uint(c, names[i], 1, 0) == 0)
            continue;
        if (sift != SIFT_NONE)
            dw_problem_say(c, DW_PROBLEM_BAD_FIELD, "active, stuck and recent go one at a time.");
        sift = (enum sift)i;
    }
    if (dw_is_refused(c))
        return;
    if (sift != SIFT_NONE) {
        list_short(c, sift);
        return;
    }
    struct dw_db *db = c->work.db;
    const char *after = dw_query_text(c, "after");
    int64_t last = 0;
    uint64_t limit = dw_query_uint(c, "limit", DW_PAGE_MAX, DW_PAGE_MAX);
    if (after) {
        uint64_t visit = 0;
        c->param[0] = after;
        if (!dw_param_visit(c, 0, &visit))
            return;
        last = (int64_t)visit;
    }
    if (!dw_is_refused(c) && limit == 0)
        dw_problem_say(c, DW_PROBLEM_BAD_FIELD, "limit must be a number from 1 to %u.",
                       DW_PAGE_MAX);
    if (dw_is_refused(c))
        return;
    sqlite3_stmt *q;
    if (c->actor.role == DW_ROLE_ADMIN)
        q = dw_db_ask(db, "SELECT " COLUMNS " FROM visits WHERE id > ? ORDER BY id LIMIT ?", "ii",
                      last, (int64_t)limit);
    else if (c->actor.role == DW_ROLE_AGENCY)
        q = dw_db_ask(db,
                      "SELECT " COLUMNS " FROM visits WHERE agency = ? AND id > ?"
                      " ORDER BY id LIMIT ?",
                      "kii", c->actor.id, last, (int64_t)limit);
    else if (c->actor.role == DW_ROLE_VISITOR)
        q = dw_db_ask(db,
                      "SELECT " COLUMNS " FROM visits WHERE visitor = ? AND id > ?"
                      " ORDER BY id LIMIT ?",
                      "kii", c->actor.id, last, (int64_t)limit);
    else
        q = dw_db_ask(db,
                      "SELECT " COLUMNS " FROM visits WHERE home = ? AND id > ?"
                      " ORDER BY id LIMIT ?",
                      "kii", c->actor.id, last, (int64_t)limit);
    json_t *items = json_array();
    while (dw_db_next(db, q)) {
        last = sqlite3_column_int64(q, AT_ID);
        (void)json_array_append_new(items, show(c, q, false));
    }
    json_t *next = json_array_size(items) == limit ? dw_json_visit((uint64_t)last) : json_null();
    dw_answer(c, 200, json_pack("{s:o, s:o}", "items", items, "next", next));
}

/* -- the request at the door --------------------------------------------------------------------
 */

struct request {
    bool is_stay;
    uint8_t job[DW_ID_BYTES], home[DW_ID_BYTES];
    const char *barcode, *door_code;
    uint8_t nonce[DW_NONCE_BYTES];
    struct dw_view manifest; /* as the agency signed it, in the arena */
    int door;
};

/* Drawn by the app, so that nobody can show it an offer that was made for another. */
static void read_nonce(struct dw_call *c, struct request *r)
{
    const char *text = dw_in_text(c, c->body, "nonce", 64, DW_REQUIRED);
    if (text && (strlen(text) != 64 || strspn(text, "0123456789abcdef") != 64 ||
                 dw_failed(dw_unhex(text, r->nonce, sizeof(r->nonce)))))
        dw_problem_say(c, DW_PROBLEM_BAD_FIELD,
                       "nonce must be 64 hexadecimal digits in lower case.");
}

static void read_phone(struct dw_call *c, struct dw_place *phone)
{
    const json_t *place = dw_in_object(c, c->body, "location", DW_OPTIONAL);
    if (!place)
        return;
    dw_in_only(c, place, "lat", "lon", "accuracy", NULL);
    (void)dw_in_number(c, place, "lat", -90, 90, &phone->lat, DW_REQUIRED);
    (void)dw_in_number(c, place, "lon", -180, 180, &phone->lon, DW_REQUIRED);
    (void)dw_in_number(c, place, "accuracy", 0, 100000, &phone->accuracy_m, DW_OPTIONAL);
    phone->is_known = true;
}

/* The job's own facts. */
static void look_at_job(struct dw_call *c, struct request *r, struct dw_asked *stop)
{
    uint8_t visitor[DW_ID_BYTES];
    char zone[DW_NAME_MAX];
    sqlite3_stmt *q =
        dw_db_ask(c->work.db,
                  "SELECT j.home, j.visitor, j.door, j.nbf_s, j.exp_s, j.is_recalled, h.zone,"
                  " h.latitude, h.longitude, g.revoked IS NULL AND g.exp_s > ?3 AND NOT EXISTS"
                  " (SELECT 1 FROM stopped t WHERE t.home = j.home AND t.agency = j.agency),"
                  " s.object, j.kind,"
                  " EXISTS (SELECT 1 FROM job_wishes WHERE job = j.id AND wished = 2)"
                  " FROM jobs j JOIN homes h ON h.id = j.home"
                  " LEFT JOIN grants g ON g.home = j.home AND g.id = j.grant_id"
                  " LEFT JOIN signing s ON s.agency = j.agency AND s.kind = 2 AND s.subject = j.id"
                  " WHERE j.id = ?1 AND j.agency = ?2",
                  "kki", r->job, c->actor.agency, stop->now_s);
    if (!dw_db_next(c->work.db, q))
        return;
    stop->is_job_known = true;
    r->is_stay = sqlite3_column_int(q, 11) == DW_VISIT_STAY;
    (void)dw_col_blob(q, 0, r->home, sizeof(r->home));
    stop->is_assigned = dw_col_blob(q, 1, visitor, sizeof(visitor)) &&
                        memcmp(visitor, c->actor.id, sizeof(visitor)) == 0;
    r->door = sqlite3_column_int(q, 2);
    stop->nbf_s = sqlite3_column_int64(q, 3);
    stop->exp_s = sqlite3_column_int64(q, 4);
    size_t len = (size_t)sqlite3_column_bytes(q, 10);
    if (len) {
        uint8_t *manifest = dw_arena_take(&c->work.arena, len);
        memcpy(manifest, sqlite3_column_blob(q, 10), len);
        r->manifest = dw_view_of(manifest, len);
    }
    /* No hub takes a job that its agency did not sign. What is over is told as too late. */
    stop->is_job_open = sqlite3_column_int(q, 5) == 0 && (len || stop->exp_s <= stop->now_s);
    stop->home.is_known = sqlite3_column_type(q, 7) != SQLITE_NULL;
    stop->home.lat = sqlite3_column_double(q, 7);
    stop->home.lon = sqlite3_column_double(q, 8);
    (void)snprintf(zone, sizeof(zone), "%s", dw_col_text(q, 6));
    bool is_declined = sqlite3_column_int(q, 12) == 1; /* DW_WISH_DECLINE */
    stop->is_permitted = sqlite3_column_int(q, 9) == 1 && !is_declined;

    int32_t today;
    uint32_t minute;
    if (!dw_civil_at(zone, stop->now_s, &today, &minute))
        return;
    q = dw_db_ask(c->work.db,
                  "SELECT 1 FROM screenings WHERE visitor = ? AND ? BETWEEN from_day AND to_day",
                  "ki", c->actor.id, (int64_t)today);
    stop->is_screened = dw_db_next(c->work.db, q);
}

static void look_at_parcel(struct dw_call *c, const struct request *r, struct dw_asked *stop)
{
    sqlite3_stmt *q =
        dw_db_ask(c->work.db, "SELECT used_by FROM parcels WHERE job = ? AND barcode = ?", "kt",
                  r->job, r->barcode);
    if (dw_db_next(c->work.db, q)) {
        stop->is_parcel_here = true;
        stop->is_parcel_used = sqlite3_column_type(q, 0) != SQLITE_NULL;
        return;
    }
    q = dw_db_ask(c->work.db,
                  "SELECT 1 FROM parcels p JOIN jobs j ON j.id = p.job WHERE p.barcode = ?"
                  " AND p.used_by IS NULL AND j.agency = ? AND j.home != ? AND j.is_recalled = 0",
                  "tkk", r->barcode, c->actor.agency, r->home);
    stop->is_parcel_elsewhere = dw_db_next(c->work.db, q);
}

static void look_at_door(struct dw_call *c, const struct request *r, struct dw_asked *stop)
{
    if (!r->door_code)
        return;
    sqlite3_stmt *q = dw_db_ask(c->work.db, "SELECT code FROM doors WHERE home = ? AND door = ?",
                                "ki", r->home, (int64_t)r->door);
    stop->is_door_wrong =
        !dw_db_next(c->work.db, q) || strcmp(dw_col_text(q, 0), r->door_code) != 0;
}

static void door_scanned(struct dw_call *c, uint64_t visit, const char *code)
{
    uint8_t hash[DW_HASH_BYTES];
    dw_sha256(dw_view_of(code, strlen(code)), hash);
    (void)dw_db_do(c->work.db, "UPDATE visits SET door_code = ? WHERE id = ?", "hi", hash,
                   (int64_t)visit);
    (void)dw_db_do(c->work.db, "INSERT OR REPLACE INTO door_scans (visit, at) VALUES (?, ?)", "ii",
                   (int64_t)visit, dw_service_now_ms());
}

/* The courier's app may ask twice when the answer got lost: the visit that is under way is the
 * answer. */
static bool asked_already(struct dw_call *c, const struct request *r)
{
    sqlite3_stmt *q =
        dw_db_ask(c->work.db,
                  "SELECT id FROM visits WHERE visitor = ? AND job = ? AND barcode = ?"
                  " AND outcome = 0 AND state IN (1, 2) AND slid IS NULL",
                  "kkt", c->actor.id, r->job, r->barcode);
    if (!dw_db_next(c->work.db, q))
        return false;
    answer(c, 200, (uint64_t)sqlite3_column_int64(q, 0));
    return true;
}

/* The visitor's STAY that stands locked between two openings; 0: none. */
static uint64_t between(struct dw_call *c, const struct request *r)
{
    sqlite3_stmt *q =
        dw_db_ask(c->work.db,
                  "SELECT id FROM visits WHERE visitor = ? AND job = ? AND outcome = 0"
                  " AND state = ?",
                  "kki", c->actor.id, r->job, (int64_t)DW_VISIT_BETWEEN);
    return dw_db_next(c->work.db, q) ? (uint64_t)sqlite3_column_int64(q, 0) : 0;
}

static void ask_hub(struct dw_call *c, uint64_t visit)
{
    struct dw_line line = {.state = DW_VISIT_ASKED};
    dw_visit_tell(&c->work, visit, &line);
    dw_visit_send_hello(&c->work, visit, 0);
    c->work.wait_ms = c->work.service->set.hub_answer_ms;
    c->work.wait_repeats = true;
}

static uint64_t visit_id_new(void)
{
    /* Time first, so that lists come in order: 41 bits of milliseconds last until 2039, then
     * repeat. */
    uint32_t draw;
    dw_random(&draw, sizeof(draw));
    uint64_t ms = (uint64_t)dw_service_now_ms() & ((UINT64_C(1) << 41) - 1);
    return ms << 22 | (draw & 0x3fffff);
}

void dw_visits_post(struct dw_call *c)
{
    struct request r = {.door_code = NULL};
    struct dw_asked stop = {.now_s = dw_service_now_ms() / 1000,
                            .is_link_up = c->work.service->is_link_up,
                            .location_m_max = c->work.service->set.location_m_max};
    uint64_t passed, visit = visit_id_new();
    dw_in_only(c, c->body, "job", "barcode", "door_code", "location", "nonce", NULL);
    (void)dw_in_id(c, c->body, "job", r.job, DW_REQUIRED);
    const json_t *barcode = json_object_get(c->body, "barcode");
    if (!barcode)
        dw_problem_say(c, DW_PROBLEM_MISSING_FIELD, "The field \"barcode\" is missing.");
    r.barcode = dw_in_barcode(c, barcode);
    r.door_code = dw_in_text(c, c->body, "door_code", 64, DW_OPTIONAL);
    read_phone(c, &stop.phone);
    read_nonce(c, &r);
    if (dw_is_refused(c) || asked_already(c, &r))
        return;
    look_at_job(c, &r, &stop);
    look_at_parcel(c, &r, &stop);
    look_at_door(c, &r, &stop);
    enum dw_check check = dw_asked_check(&stop, &passed);
    /* The next opening of a STAY is the same visit, asked anew. Refused here, it is a visit of its
     * own, and the one that is under way goes on. */
    uint64_t further = check == DW_CHECK_NONE && r.is_stay ? between(c, &r) : 0;
    if (further) {
        visit = further;
        (void)dw_db_do(
            c->work.db,
            "UPDATE visits SET courier_nonce = ?, hub_nonce = NULL, passed = ?, state = ?,"
            " check_failed = 0, slid = NULL, ready_until = NULL, asked = ?, manifest = ?,"
            " offer = NULL, stop = NULL, door_code = NULL WHERE id = ?",
            "hiiibi", r.nonce, (int64_t)passed, (int64_t)DW_VISIT_ASKED, dw_service_now_ms(),
            r.manifest.ptr, r.manifest.len, (int64_t)visit);
    } else {
        (void)dw_db_do(c->work.db,
                       "INSERT INTO visits (id, job, home, agency, visitor, door, barcode,"
                       " courier_nonce, passed, state, check_failed, outcome, story, asked,"
                       " manifest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?, ?)",
                       "ikkkkithiiib", (int64_t)visit, r.job, stop.is_job_known ? r.home : NULL,
                       c->actor.agency, c->actor.id, (int64_t)r.door, r.barcode, r.nonce,
                       (int64_t)passed, (int64_t)DW_VISIT_ASKED, dw_service_now_ms(),
                       r.manifest.ptr, r.manifest.len);
    }
    if (r.door_code && stop.is_job_known && !stop.is_door_wrong)
        door_scanned(c, visit, r.door_code);
    if (check != DW_CHECK_NONE)
        dw_visit_refuse(&c->work, visit, check);
    else
        ask_hub(c, visit);
    answer(c, 201, visit);
}

/* The stop as everybody reckons it for themselves: the app that shows it to the passkey, the hub
 * that checks it, and we. False: the visit is not so far. */
static bool write_stop(struct dw_call *c, uint64_t visit, struct dw_evidence *ret_evidence)
{
    struct dw_stop stop = {.visit = visit};
    struct dw_buf buf = dw_buf_of(ret_evidence->bytes, sizeof(ret_evidence->bytes));
    sqlite3_stmt *q = dw_db_ask(c->work.db,
                                "SELECT h.hub_thumb, v.manifest, v.hub_nonce, v.door,"
                                " v.courier_nonce, v.door_code FROM visits v"
                                " JOIN homes h ON h.id = v.home WHERE v.id = ?",
                                "i", (int64_t)visit);
    if (!dw_db_next(c->work.db, q) || !dw_col_blob(q, 0, stop.hub, sizeof(stop.hub)) ||
        sqlite3_column_bytes(q, 1) == 0 ||
        !dw_col_blob(q, 2, stop.hub_nonce, sizeof(stop.hub_nonce)) ||
        !dw_col_blob(q, 4, stop.courier_nonce, sizeof(stop.courier_nonce)))
        return false;
    dw_sha256(dw_col_view(q, 1), stop.manifest);
    stop.door = (uint8_t)sqlite3_column_int(q, 3);
    (void)dw_col_blob(q, 5, stop.door_code, sizeof(stop.door_code)); /* or zeroes */
    if (dw_failed(dw_stop_write(&stop, &buf)))
        return false;
    ret_evidence->bytes_len = (uint16_t)buf.len;
    memcpy(ret_evidence->hub, stop.hub, sizeof(ret_evidence->hub));
    memcpy(ret_evidence->id, stop.manifest, sizeof(ret_evidence->id));
    (void)snprintf(ret_evidence->context, sizeof(ret_evidence->context), "%s", DW_STOP_CONTEXT);
    return true;
}

/* A proof that the hub would refuse is told here, in words, while it can be made again: the hub's
 * nonce counts once. The hub checks all of it itself. */
static bool is_proof_good(struct dw_call *c, const struct dw_evidence *e)
{
    const struct dw_service *s = c->work.service;
    struct dw_passkey passkey = {0};
    uint8_t challenge[DW_HASH_BYTES];
    sqlite3_stmt *q = dw_db_ask(c->work.db,
                                "SELECT alg, pub FROM passkeys WHERE id = ? AND role = 4"
                                " AND subject = ?",
                                "bk", e->credential, (size_t)e->credential_len, c->actor.id);
    size_t len = dw_db_next(c->work.db, q) ? (size_t)sqlite3_column_bytes(q, 1) : 0;
    if (len == 0 || len > sizeof(passkey.key)) {
        dw_problem(c, DW_PROBLEM_PASSKEY);
        return false;
    }
    passkey.alg = (uint8_t)sqlite3_column_int(q, 0);
    passkey.key_len = (uint8_t)len;
    memcpy(passkey.key, sqlite3_column_blob(q, 1), len);
    passkey.id_len = (uint8_t)e->credential_len;
    memcpy(passkey.id, e->credential, e->credential_len);
    dw_chain_challenge(DW_STOP_CONTEXT, dw_view_of(e->bytes, e->bytes_len), challenge);
    const struct dw_passkey_want want = {
        .origin = s->set.origin, .rp_id = s->rp_id, .challenge = challenge};
    dw_err err = dw_passkey_check(&want, &passkey, dw_view_of(e->client, e->client_len),
                                  dw_view_of(e->auth, e->auth_len),
                                  dw_view_of(e->signature, e->signature_len));
    if (!dw_failed(err))
        return true;
    bool is_verified = e->auth_len > 32 && e->auth[32] & 4u;
    dw_problem(c, !dw_is(err, DW_E_DENIED) ? DW_PROBLEM_PASSKEY
                  : is_verified            ? DW_PROBLEM_STOP
                                           : DW_PROBLEM_VERIFICATION);
    return false;
}

static void take(struct dw_view from, uint8_t *ret_bytes, uint16_t *ret_len)
{
    if (from.len)
        memcpy(ret_bytes, from.ptr, from.len);
    *ret_len = (uint16_t)from.len;
}

/* The slide, with the passkey's word over this very stop. Once: the hub hears of it again only by
 * our own repeats, told apart by its nonce. */
void dw_visits_open(struct dw_call *c)
{
    uint64_t visit;
    struct dw_evidence e = {0};
    uint8_t bytes[DW_SIGNED_PAYLOAD_MAX];
    struct dw_buf buf = dw_buf_of(bytes, sizeof(bytes));
    sqlite3_stmt *q = find(c, &visit);
    if (!q)
        return;
    bool is_slid = sqlite3_column_type(q, AT_SLID) != SQLITE_NULL;
    bool is_ready = sqlite3_column_int(q, AT_STATE) == DW_VISIT_READY &&
                    sqlite3_column_int(q, AT_OUTCOME) == DW_OUTCOME_NONE;
    const char *state =
        state_word(sqlite3_column_int(q, AT_STATE), sqlite3_column_int(q, AT_OUTCOME), false);
    dw_in_only(c, c->body, "id", "client_data", "auth_data", "signature", NULL);
    take(dw_in_bytes(c, c->body, "id", sizeof(e.credential)), e.credential, &e.credential_len);
    take(dw_in_bytes(c, c->body, "client_data", sizeof(e.client)), e.client, &e.client_len);
    take(dw_in_bytes(c, c->body, "auth_data", sizeof(e.auth)), e.auth, &e.auth_len);
    take(dw_in_bytes(c, c->body, "signature", sizeof(e.signature)), e.signature, &e.signature_len);
    if (dw_is_refused(c))
        return;
    if (!is_slid && !is_ready) {
        dw_problem_say(c, DW_PROBLEM_NOT_READY, "The visit is %s, not ready to open.", state);
        return;
    }
    if (!is_slid) {
        if (!c->work.service->is_link_up) {
            dw_problem_say(c, DW_PROBLEM_BUSY, "%s", dw_check_text(DW_CHECK_HUB_UNREACHABLE));
            return;
        }
        if (!write_stop(c, visit, &e)) {
            dw_problem(c, DW_PROBLEM_INTERNAL);
            return;
        }
        if (!is_proof_good(c, &e))
            return;
        if (dw_failed(dw_evidence_write(&e, &buf))) {
            dw_problem(c, DW_PROBLEM_INTERNAL);
            return;
        }
        (void)dw_db_do(c->work.db, "UPDATE visits SET slid = ?, stop = ? WHERE id = ?", "ibi",
                       dw_service_now_ms(), buf.ptr, buf.len, (int64_t)visit);
        dw_visit_send_stop(&c->work, visit);
        c->work.touched = visit;
        c->work.wait_ms = c->work.service->set.hub_answer_ms;
        c->work.wait_repeats = true;
    }
    answer(c, 200, visit);
}

/* "I am leaving": the next locking ends the stay. Said again it is sent again; of a visit that is
 * over it is no news. */
void dw_visits_leave(struct dw_call *c)
{
    uint64_t visit;
    uint8_t job[DW_ID_BYTES];
    sqlite3_stmt *q = find(c, &visit);
    if (!q)
        return;
    bool is_over = sqlite3_column_int(q, AT_OUTCOME) != DW_OUTCOME_NONE;
    bool has_job = dw_col_blob(q, AT_JOB, job, sizeof(job));
    dw_in_only(c, c->body, NULL);
    if (dw_is_refused(c))
        return;
    q = dw_db_ask(c->work.db, "SELECT kind FROM jobs WHERE id = ?", "k", job);
    if (!has_job || !dw_db_next(c->work.db, q) || sqlite3_column_int(q, 0) != DW_VISIT_STAY) {
        dw_problem(c, DW_PROBLEM_NO_STAY);
        return;
    }
    if (!is_over)
        dw_visit_send_leaving(&c->work, visit);
    answer(c, 200, visit);
}

/* The sticker, scanned between the parcel and the slide. It opens nothing. */
void dw_visits_door(struct dw_call *c)
{
    uint64_t visit;
    uint8_t home[DW_ID_BYTES];
    sqlite3_stmt *q = find(c, &visit);
    if (!q)
        return;
    bool has_home = dw_col_blob(q, AT_HOME, home, sizeof(home));
    int door = sqlite3_column_int(q, AT_DOOR);
    dw_in_only(c, c->body, "code", NULL);
    const char *code = dw_in_text(c, c->body, "code", 64, DW_REQUIRED);
    if (dw_is_refused(c))
        return;
    struct request r = {.door_code = code, .door = door};
    struct dw_asked stop = {.is_door_wrong = true};
    memcpy(r.home, home, sizeof(r.home));
    if (has_home)
        look_at_door(c, &r, &stop);
    if (stop.is_door_wrong) {
        dw_problem(c, DW_PROBLEM_WRONG_DOOR);
        return;
    }
    door_scanned(c, visit, code);
    c->work.touched = visit;
    answer(c, 200, visit);
}
