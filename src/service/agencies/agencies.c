#include "service/agencies/agencies.h"

#include <string.h>

#include "wire/visit.h"

static json_t *show(sqlite3_stmt *q)
{
    return json_pack("{s:o, s:o, s:o}", "id", dw_json_col_id(q, 0), "name", dw_json_col_text(q, 1),
                     "created", dw_json_col_time(q, 2));
}

void dw_agencies_post(struct dw_call *c)
{
    uint8_t id[DW_ID_BYTES];
    dw_in_only(c, c->body, "name", NULL);
    const char *name = dw_in_text(c, c->body, "name", DW_NAME_MAX - 1, DW_REQUIRED);
    if (dw_is_refused(c))
        return;
    dw_id_new(id);
    sqlite3_stmt *q = dw_db_ask(c->work.db,
                                "INSERT INTO agencies (id, name, created) VALUES (?, ?, ?)"
                                " RETURNING id, name, created",
                                "kti", id, name, dw_service_now_ms());
    if (!dw_db_next(c->work.db, q))
        return;
    dw_answer(c, 201, show(q));
    (void)dw_db_next(c->work.db, q);
    (void)dw_token_grant(c, DW_ROLE_AGENCY, id);
}

void dw_agencies_list(struct dw_call *c)
{
    uint8_t last[DW_ID_BYTES];
    uint64_t limit;
    if (!dw_query_page(c, last, &limit))
        return;
    sqlite3_stmt *q = dw_db_ask(c->work.db,
                                "SELECT id, name, created FROM agencies WHERE id > ?"
                                " ORDER BY id LIMIT ?",
                                "ki", last, (int64_t)limit);
    json_t *items = json_array();
    while (dw_db_next(c->work.db, q)) {
        (void)dw_col_blob(q, 0, last, sizeof(last));
        (void)json_array_append_new(items, show(q));
    }
    dw_answer(c, 200, dw_json_page(items, json_array_size(items) == limit ? last : NULL));
}

void dw_agencies_get(struct dw_call *c)
{
    uint8_t id[DW_ID_BYTES];
    if (!dw_param_id(c, 0, id))
        return;
    sqlite3_stmt *q =
        dw_db_ask(c->work.db, "SELECT id, name, created FROM agencies WHERE id = ?", "k", id);
    bool is_own = c->actor.role == DW_ROLE_ADMIN || memcmp(c->actor.id, id, sizeof(id)) == 0;
    if (!is_own || !dw_db_next(c->work.db, q))
        dw_problem(c, DW_PROBLEM_NOT_FOUND);
    else
        dw_answer(c, 200, show(q));
}
