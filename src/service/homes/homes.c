#include "service/homes/homes.h"

#include <stdio.h>
#include <string.h>

#include "crypto/pairing.h"
#include "os/os.h"
#include "service/agencies/signing.h"
#include "service/civil.h"
#include "service/homes/grants.h"
#include "service/jobs/jobs.h"
#include "service/visits/visits.h"
#include "wire/text.h"

/* Hubs that wait for somebody to type their code: more than this is not a street but an attack. */
#define ENROLMENTS_MAX 256

/* -- pairing ------------------------------------------------------------------------------------
 */

/* What a courier scans at the door to say which door this is. No secret: it opens nothing. */
static void door_code_new(char ret_code[9])
{
    uint8_t draw[8];
    dw_random(draw, sizeof(draw));
    for (size_t i = 0; i < sizeof(draw); i++)
        ret_code[i] = DW_CODE_LETTERS[draw[i] & 31];
    ret_code[8] = 0;
}

/* The answer to ENROL: that we have the code, too. */
static void welcome(struct dw_work *w, const uint8_t home[DW_ID_BYTES], const struct dw_enrol *in)
{
    struct dw_welcome out = {0};
    struct dw_pairing pairing;
    struct dw_key hub;
    uint8_t bytes[256];
    struct dw_buf buf = dw_buf_of(bytes, sizeof(bytes));
    sqlite3_stmt *q =
        dw_db_ask(w->db, "SELECT name, pairing_key FROM homes WHERE id = ?", "k", home);
    if (!dw_db_next(w->db, q) || !dw_col_blob(q, 1, pairing.key, sizeof(pairing.key)))
        return;
    dw_key_from_pub(in->hub_pub, &hub);
    memcpy(out.hub, hub.thumb, sizeof(out.hub));
    memcpy(out.service_pub, w->service->key.key.pub, sizeof(out.service_pub));
    dw_pairing_service_proof(&pairing, in->hub_pub, in->nonce, out.service_pub, out.proof);
    (void)snprintf(out.home, sizeof(out.home), "%.47s", dw_col_text(q, 0));
    if (!dw_failed(dw_welcome_write(&out, &buf)))
        dw_post(w, hub.thumb, DW_LINK_KIND_WELCOME, dw_view_of_buf(&buf));
}

/* The hub becomes this home's, if it has the home's code. */
static bool pair(struct dw_work *w, const uint8_t home[DW_ID_BYTES],
                 const struct dw_pairing *pairing, const struct dw_enrol *in)
{
    struct dw_key key;
    uint8_t proof[DW_HASH_BYTES];
    char hub_id[17], code[9];
    dw_pairing_hub_proof(pairing, in->hub_pub, in->nonce, proof);
    if (!dw_same(proof, in->proof, sizeof(proof))) {
        dw_log("warn", "pairing", "state=refused reason=proof");
        return false;
    }
    if (!dw_zone_is_known(in->zone) || in->door_count < 1 || in->door_count > 4) {
        dw_log("warn", "pairing", "state=refused reason=zone");
        return false;
    }
    dw_key_from_pub(in->hub_pub, &key);
    dw_hex(key.thumb, 8, hub_id);
    (void)dw_db_do(w->db,
                   "UPDATE homes SET hub_pub = ?, hub_thumb = ?, hub_id = ?, zone = ?, heard = ?"
                   " WHERE id = ?",
                   "hhttik", key.pub, key.thumb, hub_id, in->zone, dw_service_now_ms(), home);
    for (uint8_t i = 0; i < in->door_count; i++) {
        door_code_new(code);
        (void)dw_db_do(w->db, "INSERT INTO doors (home, door, name, code) VALUES (?, ?, ?, ?)",
                       "kitt", home, (int64_t)i,
                       dw_words_are_plain(in->door[i]) ? in->door[i] : "door", code);
    }
    (void)dw_db_do(w->db, "DELETE FROM enrolments WHERE pairing = ?", "h", in->pairing);
    welcome(w, home, in);
    return !w->db->is_failed;
}

/* Nobody has typed this hub's code yet. */
static bool keep_waiting(struct dw_work *w, const struct dw_enrol *in)
{
    uint8_t bytes[600];
    struct dw_buf buf = dw_buf_of(bytes, sizeof(bytes));
    if (dw_failed(dw_enrol_write(in, &buf)))
        return false;
    (void)dw_db_do(w->db,
                   "INSERT OR REPLACE INTO enrolments (pairing, hub_pub, message, asked)"
                   " VALUES (?, ?, ?, ?)",
                   "hhbi", in->pairing, in->hub_pub, buf.ptr, buf.len, dw_service_now_ms());
    return dw_db_do(w->db,
                    "DELETE FROM enrolments WHERE (pairing, hub_pub) NOT IN"
                    " (SELECT pairing, hub_pub FROM enrolments ORDER BY asked DESC LIMIT ?)",
                    "i", (int64_t)ENROLMENTS_MAX);
}

bool dw_homes_hear(struct dw_work *w)
{
    struct dw_message *m = (struct dw_message *)w;
    uint8_t home[DW_ID_BYTES];
    struct dw_pairing pairing;
    sqlite3_stmt *q =
        dw_db_ask(w->db, "SELECT id FROM homes WHERE hub_thumb = ?", "h", m->hub.thumb);
    if (dw_db_next(w->db, q) && dw_col_blob(q, 0, home, sizeof(home))) {
        (void)dw_db_do(w->db, "UPDATE homes SET heard = ? WHERE id = ?", "ik", dw_service_now_ms(),
                       home);
        welcome(w, home, &m->enrol);
        dw_jobs_send_of_home(w, home);
        dw_introductions_send(w, home);
        return true;
    }
    q = dw_db_ask(w->db, "SELECT id, pairing_key, hub_pub IS NOT NULL FROM homes WHERE pairing = ?",
                  "h", m->enrol.pairing);
    if (!dw_db_next(w->db, q) || !dw_col_blob(q, 0, home, sizeof(home)) ||
        !dw_col_blob(q, 1, pairing.key, sizeof(pairing.key)))
        return keep_waiting(w, &m->enrol);
    bool is_used = sqlite3_column_int(q, 2) == 1;
    m->is_refused = is_used || !pair(w, home, &pairing, &m->enrol);
    return !m->is_refused;
}

/* The hub may have asked before the code was typed here. */
static void pair_with_waiting(struct dw_call *c, const uint8_t home[DW_ID_BYTES],
                              const struct dw_pairing *pairing, const uint8_t name[DW_HASH_BYTES])
{
    static struct dw_enrol enrol[ENROLMENTS_MAX]; /* the writer is one thread */
    size_t count = 0;
    sqlite3_stmt *q =
        dw_db_ask(c->work.db, "SELECT message FROM enrolments WHERE pairing = ?", "h", name);
    while (count < ENROLMENTS_MAX && dw_db_next(c->work.db, q)) {
        struct dw_view message = dw_col_view(q, 0);
        count += !dw_failed(dw_enrol_read(message, &enrol[count]));
    }
    for (size_t i = 0; i < count; i++)
        if (pair(&c->work, home, pairing, &enrol[i]))
            return;
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

/* How an agency stands with a home: since when it asks without an answer, and when the household
 * took its newest grant back. */
static void show_standing(struct dw_call *c, const uint8_t id[DW_ID_BYTES], json_t *ret_home)
{
    sqlite3_stmt *q = dw_db_ask(c->work.db,
                                "SELECT (SELECT asked FROM introductions WHERE home = ?1 AND"
                                " agency = ?2 AND is_over = 0), (SELECT max(revoked) FROM grants"
                                " WHERE home = ?1 AND agency = ?2)",
                                "kk", id, c->actor.id);
    if (!dw_db_next(c->work.db, q))
        return;
    (void)json_object_set_new(ret_home, "asked", dw_json_col_time(q, 0));
    (void)json_object_set_new(ret_home, "revoked", dw_json_col_time(q, 1));
}

/* For an agency: what it needs to make jobs; not the name, the place or the codes at the doors.
 * Until it is granted something, not even the doors. */
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
    bool is_open = is_household || dw_grant_is_live(c->work.db, id, c->actor.id);
    json_t *home = json_pack("{s:o, s:s, s:o, s:o}", "id", dw_json_id(id), "state",
                             is_enrolled ? "enrolled" : "waiting", "zone",
                             is_open ? dw_json_col_text(q, 2) : json_null(), "doors",
                             is_open ? doors(c, id, is_household) : json_array());
    if (!is_household) {
        json_t *grants = dw_grants_show_live(c, id, c->actor.id),
               *newest = json_array_get(grants, 0);
        (void)json_object_set_new(home, "grant", newest ? json_incref(newest) : json_null());
        (void)json_object_set_new(home, "grants", grants);
        show_standing(c, id, home);
        return home;
    }
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

/* Whether the asker may see the home: the admin, its owner, an agency that it granted something or
 * that asked it to. */
static bool may_see(struct dw_call *c, const uint8_t id[DW_ID_BYTES])
{
    if (c->actor.role == DW_ROLE_ADMIN)
        return true;
    if (c->actor.role == DW_ROLE_OWNER)
        return memcmp(c->actor.id, id, DW_ID_BYTES) == 0;
    if (dw_grant_is_live(c->work.db, id, c->actor.id))
        return true;
    sqlite3_stmt *q =
        dw_db_ask(c->work.db, "SELECT 1 FROM introductions WHERE home = ? AND agency = ?", "kk", id,
                  c->actor.id);
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
    uint8_t id[DW_ID_BYTES], pairing_name[DW_HASH_BYTES];
    struct dw_pairing pairing;
    double lat = 0, lon = 0;
    bool has_place;
    dw_in_only(c, c->body, "name", "pairing_code", "location", NULL);
    const char *name = dw_in_text(c, c->body, "name", DW_NAME_MAX - 1, DW_REQUIRED);
    const char *code = dw_in_text(c, c->body, "pairing_code", 64, DW_REQUIRED);
    read_place(c, &lat, &lon, &has_place);
    if (code && dw_failed(dw_pairing_read(dw_view_of(code, strlen(code)), &pairing)))
        dw_problem_say(c, DW_PROBLEM_BAD_FIELD,
                       "pairing_code: a letter is wrong, or it was not made by 'doorward hub "
                       "--pairing-code'.");
    if (dw_is_refused(c))
        return;
    dw_pairing_name(&pairing, pairing_name);
    sqlite3_stmt *q =
        dw_db_ask(c->work.db, "SELECT 1 FROM homes WHERE pairing = ?", "h", pairing_name);
    if (dw_db_next(c->work.db, q)) {
        dw_problem_say(c, DW_PROBLEM_EXISTS, "A home has this code already: make another.");
        return;
    }
    dw_id_new(id);
    (void)dw_db_do(c->work.db,
                   "INSERT INTO homes (id, name, pairing, pairing_key, created)"
                   " VALUES (?, ?, ?, ?, ?)",
                   "kthhi", id, name, pairing_name, pairing.key, dw_service_now_ms());
    if (has_place)
        (void)dw_db_do(c->work.db, "UPDATE homes SET latitude = ?, longitude = ? WHERE id = ?",
                       "ddk", lat, lon, id);
    pair_with_waiting(c, id, &pairing, pairing_name);
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
    bool is_all = dw_query_uint(c, "known", 1, 0) == 1; /* also those that it asked or lost */
    if (dw_is_refused(c))
        return;
    sqlite3_stmt *q =
        is_agency && is_all
            ? dw_db_ask(c->work.db,
                        "SELECT home FROM grants WHERE agency = ?1 AND home > ?2 UNION"
                        " SELECT home FROM introductions WHERE agency = ?1 AND home > ?2"
                        " ORDER BY home LIMIT ?3",
                        "kki", c->actor.id, last, (int64_t)limit)
        : is_agency
            ? dw_db_ask(c->work.db,
                        "SELECT DISTINCT home FROM grants g WHERE agency = ?1 AND home > ?2"
                        " AND revoked IS NULL AND exp_s > ?4 AND NOT EXISTS (SELECT 1"
                        " FROM stopped t WHERE t.home = g.home AND t.agency = g.agency)"
                        " ORDER BY home LIMIT ?3",
                        "kkii", c->actor.id, last, (int64_t)limit, dw_service_now_ms() / 1000)
            : dw_db_ask(c->work.db, "SELECT id FROM homes WHERE id > ? ORDER BY id LIMIT ?", "ki",
                        last, (int64_t)limit);
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
