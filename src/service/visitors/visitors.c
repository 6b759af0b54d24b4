#include "service/visitors/visitors.h"

#include <string.h>

#include "service/jobs/jobs.h"
#include "service/people/people.h"
#include "wire/visit.h"

#define COLUMNS "id, agency, name, is_active, created"

static json_t *show(sqlite3_stmt *q)
{
    return json_pack("{s:o, s:o, s:o, s:b, s:o}", "id", dw_json_col_id(q, 0), "agency",
                     dw_json_col_id(q, 1), "name", dw_json_col_text(q, 2), "active",
                     sqlite3_column_int(q, 3) == 1, "created", dw_json_col_time(q, 4));
}

/* The visitor of the path, if the asker may see it: its agency, itself, the admin. NULL: not found.
 */
static sqlite3_stmt *find(struct dw_call *c, uint8_t ret_id[DW_ID_BYTES])
{
    uint8_t agency[DW_ID_BYTES];
    if (!dw_param_id(c, 0, ret_id))
        return NULL;
    sqlite3_stmt *q =
        dw_db_ask(c->work.db, "SELECT " COLUMNS " FROM visitors WHERE id = ?", "k", ret_id);
    if (dw_db_next(c->work.db, q) && dw_col_blob(q, 1, agency, sizeof(agency)) &&
        (c->actor.role == DW_ROLE_ADMIN ||
         (c->actor.role == DW_ROLE_AGENCY && memcmp(agency, c->actor.id, sizeof(agency)) == 0) ||
         (c->actor.role == DW_ROLE_VISITOR && memcmp(ret_id, c->actor.id, DW_ID_BYTES) == 0)))
        return q;
    dw_problem(c, DW_PROBLEM_NOT_FOUND);
    return NULL;
}

void dw_visitors_post(struct dw_call *c)
{
    uint8_t id[DW_ID_BYTES], agency[DW_ID_BYTES];
    memcpy(agency, c->actor.id, sizeof(agency));
    bool is_admin = c->actor.role == DW_ROLE_ADMIN;
    dw_in_only(c, c->body, "name", "agency", NULL);
    const char *name = dw_in_text(c, c->body, "name", DW_NAME_MAX - 1, DW_REQUIRED);
    bool names_agency =
        dw_in_id(c, c->body, "agency", agency, is_admin ? DW_REQUIRED : DW_OPTIONAL);
    if (dw_is_refused(c))
        return;
    if (names_agency && !is_admin && memcmp(agency, c->actor.id, sizeof(agency)) != 0) {
        dw_problem(c, DW_PROBLEM_NOT_FOUND);
        return;
    }
    sqlite3_stmt *q = dw_db_ask(c->work.db, "SELECT 1 FROM agencies WHERE id = ?", "k", agency);
    if (!dw_db_next(c->work.db, q)) {
        dw_problem(c, DW_PROBLEM_NOT_FOUND);
        return;
    }
    dw_id_new(id);
    q = dw_db_ask(c->work.db,
                  "INSERT INTO visitors (id, agency, name, created) VALUES (?, ?, ?, ?)"
                  " RETURNING " COLUMNS,
                  "kkti", id, agency, name, dw_service_now_ms());
    if (!dw_db_next(c->work.db, q))
        return;
    dw_answer(c, 201, show(q));
    (void)dw_db_next(c->work.db, q);
    (void)dw_token_grant(c, DW_ROLE_VISITOR, id);
}

void dw_visitors_list(struct dw_call *c)
{
    uint8_t last[DW_ID_BYTES];
    uint64_t limit;
    if (!dw_query_page(c, last, &limit))
        return;
    sqlite3_stmt *q =
        c->actor.role == DW_ROLE_ADMIN
            ? dw_db_ask(c->work.db,
                        "SELECT " COLUMNS " FROM visitors WHERE id > ? ORDER BY id LIMIT ?", "ki",
                        last, (int64_t)limit)
            : dw_db_ask(c->work.db,
                        "SELECT " COLUMNS " FROM visitors WHERE agency = ? AND id > ?"
                        " ORDER BY id LIMIT ?",
                        "kki", c->actor.id, last, (int64_t)limit);
    json_t *items = json_array();
    while (dw_db_next(c->work.db, q)) {
        (void)dw_col_blob(q, 0, last, sizeof(last));
        (void)json_array_append_new(items, show(q));
    }
    dw_answer(c, 200, dw_json_page(items, json_array_size(items) == limit ? last : NULL));
}

void dw_visitors_get(struct dw_call *c)
{
    uint8_t id[DW_ID_BYTES];
    sqlite3_stmt *q = find(c, id);
    if (q)
        dw_answer(c, 200, show(q));
}

void dw_visitors_patch(struct dw_call *c)
{
    uint8_t id[DW_ID_BYTES];
    bool is_active = false;
    if (!find(c, id))
        return;
    dw_in_only(c, c->body, "name", "active", NULL);
    const char *name = dw_in_text(c, c->body, "name", DW_NAME_MAX - 1, DW_OPTIONAL);
    bool has_active = dw_in_bool(c, c->body, "active", &is_active, DW_OPTIONAL);
    if (dw_is_refused(c))
        return;
    if (name)
        (void)dw_db_do(c->work.db, "UPDATE visitors SET name = ? WHERE id = ?", "tk", name, id);
    if (has_active)
        (void)dw_db_do(c->work.db, "UPDATE visitors SET is_active = ? WHERE id = ?", "ik",
                       (int64_t)is_active, id);
    if (has_active && !is_active)
        dw_sessions_end(&c->work, id, false);
    dw_jobs_send_of_visitor(&c->work, id);
    sqlite3_stmt *q = find(c, id);
    if (q)
        dw_answer(c, 200, show(q));
}

void dw_visitors_invite(struct dw_call *c)
{
    uint8_t id[DW_ID_BYTES];
    bool replaces = false;
    sqlite3_stmt *q = find(c, id);
    if (!q)
        return;
    bool is_active = sqlite3_column_int(q, 3) == 1;
    if (!dw_session_is_fresh(c))
        return;
    dw_in_only(c, c->body, "replace", NULL);
    (void)dw_in_bool(c, c->body, "replace", &replaces, DW_OPTIONAL);
    if (!dw_is_refused(c) && !is_active)
        dw_problem_say(c, DW_PROBLEM_CONFLICT, "The visitor is not active.");
    if (dw_is_refused(c))
        return;
    if (replaces)
        dw_sessions_end(&c->work, id, true);
    dw_invite(c, DW_ROLE_VISITOR, id, json_object());
}

/* -- screenings ---------------------------------------------------------------------------------
 */

static json_t *show_screening(sqlite3_stmt *q)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "id", dw_json_col_id(q, 0), "issuer",
                     dw_json_col_text(q, 1), "kind", dw_json_col_text(q, 2), "valid_from",
                     dw_json_day(sqlite3_column_int(q, 3)), "valid_to",
                     dw_json_day(sqlite3_column_int(q, 4)), "created", dw_json_col_time(q, 5));
}

void dw_screenings_post(struct dw_call *c)
{
    uint8_t visitor[DW_ID_BYTES], id[DW_ID_BYTES];
    int32_t from = 0, to = 0;
    if (!find(c, visitor))
        return;
    dw_in_only(c, c->body, "issuer", "kind", "valid_from", "valid_to", NULL);
    const char *issuer = dw_in_text(c, c->body, "issuer", DW_NAME_MAX - 1, DW_REQUIRED);
    const char *kind = dw_in_text(c, c->body, "kind", DW_NAME_MAX - 1, DW_REQUIRED);
    (void)dw_in_day(c, c->body, "valid_from", &from, DW_REQUIRED);
    (void)dw_in_day(c, c->body, "valid_to", &to, DW_REQUIRED);
    if (!dw_is_refused(c) && to < from)
        dw_problem_say(c, DW_PROBLEM_BAD_FIELD, "valid_to is before valid_from.");
    if (dw_is_refused(c))
        return;
    dw_id_new(id);
    sqlite3_stmt *q = dw_db_ask(
        c->work.db,
        "INSERT INTO screenings (id, visitor, issuer, kind, from_day, to_day, created)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)"
        " RETURNING id, issuer, kind, from_day, to_day, created",
        "kkttiii", id, visitor, issuer, kind, (int64_t)from, (int64_t)to, dw_service_now_ms());
    if (!dw_db_next(c->work.db, q))
        return;
    dw_answer(c, 201, show_screening(q));
    (void)dw_db_next(c->work.db, q);
    dw_jobs_send_of_visitor(&c->work, visitor);
}

void dw_screenings_list(struct dw_call *c)
{
    uint8_t visitor[DW_ID_BYTES];
    if (!find(c, visitor))
        return;
    sqlite3_stmt *q = dw_db_ask(c->work.db,
                                "SELECT id, issuer, kind, from_day, to_day, created FROM screenings"
                                " WHERE visitor = ? ORDER BY id DESC LIMIT ?",
                                "ki", visitor, (int64_t)DW_PAGE_MAX);
    json_t *items = json_array();
    while (dw_db_next(c->work.db, q))
        (void)json_array_append_new(items, show_screening(q));
    dw_answer(c, 200, dw_json_page(items, NULL));
}
