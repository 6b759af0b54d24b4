#include "service/homes/homes.h"

#include <stdio.h>
#include <string.h>

#include "os/os.h"
#include "service/civil.h"
#include "service/jobs/jobs.h"
#include "service/visits/visits.h"

/* Hubs that wait for somebody to type their code: more than this is not a street but an attack. */
#define ENROLMENTS_MAX 256

/* -- pairing ------------------------------------------------------------------------------------
 */

/* What a courier scans at the door to say which door this is. No secret: it opens nothing. */
static void door_code_new(char ret_code[9])
{
    static const char alphabet[] = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"; /* 32, none alike */
    uint8_t draw[8];
    dw_random(draw, sizeof(draw));
    for (size_t i = 0; i < sizeof(draw); i++)
        ret_code[i] = alphabet[draw[i] & 31];
    ret_code[8] = 0;
}

static void welcome(struct dw_work *w, const uint8_t home[DW_ID_BYTES], const uint8_t thumb[32])
{
    struct dw_welcome out = {0};
    uint8_t bytes[256];
    struct dw_buf buf = dw_buf_of(bytes, sizeof(bytes));
    sqlite3_stmt *q = dw_db_ask(w->db, "SELECT name FROM homes WHERE id = ?", "k", home);
    if (!dw_db_next(w->db, q))
        return;
    memcpy(out.hub, thumb, sizeof(out.hub));
    memcpy(out.service_pub, w->service->key.key.pub, sizeof(out.service_pub));
    (void)snprintf(out.home, sizeof(out.home), "%.47s", dw_col_text(q, 0));
    if (!dw_failed(dw_welcome_write(&out, &buf)))
        dw_post(w, thumb, DW_LINK_KIND_WELCOME, dw_view_of_buf(&buf));
}

/* The hub becomes this home's. */
static bool pair(struct dw_work *w, const uint8_t home[DW_ID_BYTES], const struct dw_enrol *in)
{
    struct dw_key key;
    char hub_id[17], code[9];
    dw_key_from_pub(in->hub_pub, &key);
    dw_hex(key.thumb, 8, hub_id);
    if (!dw_zone_is_known(in->zone) || in->door_count < 1 || in->door_count > 4)
        return false;
    (void)dw_db_do(w->db,
                   "UPDATE homes SET pairing_hash = NULL, hub_pub = ?, hub_thumb = ?, hub_id = ?,"
                   " zone = ?, heard = ? WHERE id = ?",
                   "hhttik", key.pub, key.thumb, hub_id, in->zone, dw_service_now_ms(), home);
    for (uint8_t i = 0; i < in->door_count; i++) {
        door_code_new(code);
        (void)dw_db_do(w->db, "INSERT INTO doors (home, door, name, code) VALUES (?, ?, ?, ?)",
                       "kitt", home, (int64_t)i,
                       dw_words_are_plain(in->door[i]) ? in->door[i] : "door", code);
    }
    (void)dw_db_do(w->db, "DELETE FROM enrolments WHERE pairing_hash = ?", "h", in->pairing_hash);
    welcome(w, home, key.thumb);
    return !w->db->is_failed;
}

bool dw_homes_hear(struct dw_work *w)
{
    struct dw_message *m = (struct dw_message *)w;
    uint8_t payload[512];
    uint8_t home[DW_ID_BYTES];
    struct dw_buf buf = dw_buf_of(payload, sizeof(payload));
    sqlite3_stmt *q =
        dw_db_ask(w->db, "SELECT id FROM homes WHERE hub_thumb = ?", "h", m->hub.thumb);
    if (dw_db_next(w->db, q) && dw_col_blob(q, 0, home, sizeof(home))) {
        (void)dw_db_do(w->db, "UPDATE homes SET heard = ? WHERE id = ?", "ik", dw_service_now_ms(),
                       home);
        welcome(w, home, m->hub.thumb);
        dw_jobs_send_of_home(w, home);
        return true;
    }
    q = dw_db_ask(w->db, "SELECT id FROM homes WHERE pairing_hash = ?", "h", m->enrol.pairing_hash);
    if (dw_db_next(w->db, q) && dw_col_blob(q, 0, home, sizeof(home))) {
        m->is_refused = !pair(w, home, &m->enrol);
        return !m->is_refused;
    }
    if (dw_failed(dw_enrol_write(&m->enrol, &buf)))
        return false;
    (void)dw_db_do(w->db,
                   "INSERT OR REPLACE INTO enrolments (pairing_hash, message, asked)"
                   " VALUES (?, ?, ?)",
                   "hbi", m->enrol.pairing_hash, buf.ptr, buf.len, dw_service_now_ms());
    return dw_db_do(w->db,
                    "DELETE FROM enrolments WHERE pairing_hash NOT IN"
                    " (SELECT pairing_hash FROM enrolments ORDER BY asked DESC LIMIT ?)",
                    "i", (int64_t)ENROLMENTS_MAX);
}

/* The hub may have asked before the code was typed here. */
static void pair_with_waiting(struct dw_call *c, const uint8_t home[DW_ID_BYTES],
                              const uint8_t hash[DW_HASH_BYTES])
{
    struct dw_enrol enrol;
    sqlite3_stmt *q =
        dw_db_ask(c->work.db, "SELECT message FROM enrolments WHERE pairing_hash = ?", "h", hash);
    if (!dw_db_next(c->work.db, q))
        return;
    dw_err e = dw_enrol_read(
        dw_view_of(sqlite3_column_blob(q, 0), (size_t)sqlite3_column_bytes(q, 0)), &enrol);
    if (!dw_failed(e) && !pair(&c->work, home, &enrol))
        dw_log("warn", "pairing", "state=refused reason=zone");
}

/* -- homes --------------------------------------------------------------------------------------
 */

static json_t *doors(struct dw_call *c, const uint8_t home[DW_ID_BYTES], bool with_codes)
{
    json_t *list = json_array();
    sqlite3_stmt *q = dw_db_ask(
        c->work.db, "SELECT door, name, code FROM doors WHERE home = ? ORDER BY door", "k", home);
    while (dw_db_next(c->work.db, q)) {
        json_t *door = json_pack("{s:i, s:o}", "door", sqlite3_column_int(q, 0), "name",
                                 dw_json_col_text(q, 1));
        if (with_codes)
            (void)json_object_set_new(door, "code", dw_json_col_text(q, 2));
        (void)json_array_append_new(list, door);
    }
    return list;
}

/* For an agency: what it needs to make jobs; not the name, the place or the codes at the doors. */
static json_t *show(struct dw_call *c, const uint8_t id[DW_ID_BYTES])
{
    bool is_household = c->actor.role != DW_ROLE_AGENCY;
    sqlite3_stmt *q = dw_db_ask(c->work.db,
                                "SELECT name, hub_id, zone, latitude, longitude, heard, created"
                                " FROM homes WHERE id = ?",
                                "k", id);
    if (!dw_db_next(c->work.db, q))
        return NULL;
    bool is_enrolled = sqlite3_column_type(q, 1) != SQLITE_NULL;
    json_t *home = json_pack("{s:o, s:s, s:o, s:o}", "id", dw_json_id(id), "state",
                             is_enrolled ? "enrolled" : "waiting", "zone", dw_json_col_text(q, 2),
                             "doors", doors(c, id, is_household));
    if (!is_household)
        return home;
    json_t *place = json_null();
    if (sqlite3_column_type(q, 3) != SQLITE_NULL)
        place = json_pack("{s:f, s:f}", "lat", sqlite3_column_double(q, 3), "lon",
                          sqlite3_column_double(q, 4));
    (void)json_object_set_new(home, "name", dw_json_col_text(q, 0));
    (void)json_object_set_new(home, "hub", dw_json_col_text(q, 1));
    (void)json_object_set_new(home, "location", place);
    (void)json_object_set_new(home, "heard", dw_json_col_time(q, 5));
    (void)json_object_set_new(home, "created", dw_json_col_time(q, 6));
    return home;
}

/* Whether the asker may see the home: the admin, its owner, an agency that it permits. */
static bool may_see(struct dw_call *c, const uint8_t id[DW_ID_BYTES])
{
    if (c->actor.role == DW_ROLE_ADMIN)
        return true;
    if (c->actor.role == DW_ROLE_OWNER)
        return memcmp(c->actor.id, id, DW_ID_BYTES) == 0;
    sqlite3_stmt *q = dw_db_ask(
        c->work.db, "SELECT 1 FROM permissions WHERE home = ? AND agency = ? AND is_active = 1",
        "kk", id, c->actor.id);
    return dw_db_next(c->work.db, q);
}

static void read_place(struct dw_call *c, double *ret_lat, double *ret_lon, bool *ret_has)
{
    const json_t *place = dw_in_object(c, c->body, "location", DW_OPTIONAL);
    *ret_has = place != NULL;
    if (!place)
        return;
    dw_in_only(c, place, "lat", "lon", NULL);
    (void)dw_in_number(c, place, "lat", -90, 90, ret_lat, DW_REQUIRED);
    (void)dw_in_number(c, place, "lon", -180, 180, ret_lon, DW_REQUIRED);
}

void dw_homes_post(struct dw_call *c)
{
    uint8_t id[DW_ID_BYTES], hash[DW_HASH_BYTES];
    double lat = 0, lon = 0;
    bool has_place;
    dw_in_only(c, c->body, "name", "pairing_code", "location", NULL);
    const char *name = dw_in_text(c, c->body, "name", DW_NAME_MAX - 1, DW_REQUIRED);
    const char *code = dw_in_text(c, c->body, "pairing_code", 64, DW_REQUIRED);
    read_place(c, &lat, &lon, &has_place);
    if (code && strlen(code) < 8)
        dw_problem_say(c, DW_PROBLEM_BAD_FIELD, "pairing_code must have 8 characters or more.");
    if (dw_is_refused(c))
        return;
    dw_sha256(dw_view_of(code, strlen(code)), hash);
    sqlite3_stmt *q =
        dw_db_ask(c->work.db, "SELECT 1 FROM homes WHERE pairing_hash = ?", "h", hash);
    if (dw_db_next(c->work.db, q)) {
        dw_problem_say(c, DW_PROBLEM_EXISTS, "A home waits for a hub with this code already.");
        return;
    }
    dw_id_new(id);
    (void)dw_db_do(c->work.db,
                   "INSERT INTO homes (id, name, pairing_hash, created) VALUES (?, ?, ?, ?)",
                   "kthi", id, name, hash, dw_service_now_ms());
    if (has_place)
        (void)dw_db_do(c->work.db, "UPDATE homes SET latitude = ?, longitude = ? WHERE id = ?",
                       "ddk", lat, lon, id);
    pair_with_waiting(c, id, hash);
    dw_answer(c, 201, show(c, id));
    (void)dw_token_grant(c, DW_ROLE_OWNER, id);
}

void dw_homes_list(struct dw_call *c)
{
    uint8_t last[DW_ID_BYTES], id[DW_PAGE_MAX][DW_ID_BYTES];
    uint64_t limit;
    size_t count = 0;
    if (!dw_query_page(c, last, &limit))
        return;
    bool is_agency = c->actor.role == DW_ROLE_AGENCY;
    sqlite3_stmt *q =
        is_agency ? dw_db_ask(c->work.db,
                              "SELECT home FROM permissions WHERE agency = ? AND is_active = 1"
                              " AND home > ? ORDER BY home LIMIT ?",
                              "kki", c->actor.id, last, (int64_t)limit)
                  : dw_db_ask(c->work.db, "SELECT id FROM homes WHERE id > ? ORDER BY id LIMIT ?",
                              "ki", last, (int64_t)limit);
    while (count < DW_PAGE_MAX && dw_db_next(c->work.db, q))
        (void)dw_col_blob(q, 0, id[count++], DW_ID_BYTES);
    json_t *items = json_array();
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(items, show(c, id[i]));
    dw_answer(c, 200, dw_json_page(items, count && count == limit ? id[count - 1] : NULL));
}

void dw_homes_get(struct dw_call *c)
{
    uint8_t id[DW_ID_BYTES];
    if (!dw_param_id(c, 0, id))
        return;
    json_t *home = may_see(c, id) ? show(c, id) : NULL;
    if (home)
        dw_answer(c, 200, home);
    else
        dw_problem(c, DW_PROBLEM_NOT_FOUND);
}

/* -- permissions --------------------------------------------------------------------------------
 */

static json_t *show_permission(sqlite3_stmt *q)
{
    return json_pack("{s:o, s:b, s:{s:o, s:o}, s:o}", "agency", dw_json_col_id(q, 0), "active",
                     sqlite3_column_int(q, 1) == 1, "window", "from",
                     dw_json_minute((uint32_t)sqlite3_column_int(q, 2)), "to",
                     dw_json_minute((uint32_t)sqlite3_column_int(q, 3)), "changed",
                     dw_json_col_time(q, 4));
}

static bool own_home(struct dw_call *c, uint8_t ret_home[DW_ID_BYTES])
{
    if (!dw_param_id(c, 0, ret_home))
        return false;
    if (may_see(c, ret_home))
        return true;
    dw_problem(c, DW_PROBLEM_NOT_FOUND);
    return false;
}

void dw_permissions_list(struct dw_call *c)
{
    uint8_t home[DW_ID_BYTES];
    if (!own_home(c, home))
        return;
    json_t *items = json_array();
    sqlite3_stmt *q = dw_db_ask(c->work.db,
                                "SELECT agency, is_active, from_min, to_min, changed"
                                " FROM permissions WHERE home = ? ORDER BY agency LIMIT ?",
                                "ki", home, (int64_t)DW_PAGE_MAX);
    while (dw_db_next(c->work.db, q))
        (void)json_array_append_new(items, show_permission(q));
    dw_answer(c, 200, dw_json_page(items, NULL));
}

void dw_permissions_put(struct dw_call *c)
{
    uint8_t home[DW_ID_BYTES], agency[DW_ID_BYTES];
    uint32_t from = 0, to = 1440;
    bool is_active = false;
    if (!own_home(c, home) || !dw_param_id(c, 1, agency))
        return;
    dw_in_only(c, c->body, "active", "window", NULL);
    (void)dw_in_bool(c, c->body, "active", &is_active, DW_REQUIRED);
    const json_t *window = dw_in_object(c, c->body, "window", DW_OPTIONAL);
    if (window) {
        dw_in_only(c, window, "from", "to", NULL);
        (void)dw_in_minute(c, window, "from", &from, DW_REQUIRED);
        (void)dw_in_minute(c, window, "to", &to, DW_REQUIRED);
        if (!dw_is_refused(c) && to <= from)
            dw_problem_say(c, DW_PROBLEM_BAD_WINDOW, "The window must end after it begins.");
    }
    if (dw_is_refused(c))
        return;
    sqlite3_stmt *q = dw_db_ask(c->work.db, "SELECT 1 FROM agencies WHERE id = ?", "k", agency);
    if (!dw_db_next(c->work.db, q)) {
        dw_problem(c, DW_PROBLEM_NOT_FOUND);
        return;
    }
    q = dw_db_ask(c->work.db,
                  "INSERT INTO permissions (home, agency, is_active, from_min, to_min, changed)"
                  " VALUES (?, ?, ?, ?, ?, ?)"
                  " ON CONFLICT (home, agency) DO UPDATE SET is_active = excluded.is_active,"
                  " from_min = excluded.from_min, to_min = excluded.to_min,"
                  " changed = excluded.changed"
                  " RETURNING agency, is_active, from_min, to_min, changed",
                  "kkiiii", home, agency, (int64_t)is_active, (int64_t)from, (int64_t)to,
                  dw_service_now_ms());
    if (!dw_db_next(c->work.db, q))
        return;
    dw_answer(c, 200, show_permission(q));
    (void)dw_db_next(c->work.db, q);
    dw_jobs_send_of_permission(&c->work, home, agency);
}
