#include <string.h>

#include "service/civil.h"
#include "service/people/people.h"
#include "wire/visit.h"

#define STAFF_MAX 200 /* of one agency */

void dw_invite(struct dw_call *c, uint32_t role, const uint8_t subject[DW_ID_BYTES], json_t *answer)
{
    struct dw_service *s = c->work.service;
    uint8_t id[DW_ID_BYTES], hash[DW_HASH_BYTES];
    char token[DW_TOKEN_TEXT];
    if (!s->rp_id[0]) {
        json_decref(answer);
        dw_problem(c, DW_PROBLEM_NO_SIGNIN);
        return;
    }
    int64_t until = dw_service_now_ms() + (int64_t)s->set.invitation_hours * 3600000;
    dw_id_new(id);
    dw_token_make(s, DW_ROLE_INVITE, id, token);
    dw_sha256(dw_view_of(token, strlen(token)), hash);
    /* A newer link ends the one before. */
    (void)dw_db_do(c->work.db, "DELETE FROM invitations WHERE subject = ?", "k", subject);
    (void)dw_db_do(
        c->work.db,
        "INSERT INTO invitations (id, hash, role, subject, until) VALUES (?, ?, ?, ?, ?)", "khiki",
        id, hash, (int64_t)role, subject, until);
    char text[32];
    dw_utc_write(until, text);
    (void)json_object_set_new(answer, "until", json_string(text));
    /* The link is added to the answer as tokens are, and is as little in the database. */
    c->token_role = DW_ROLE_INVITE;
    memcpy(c->token_subject, id, sizeof(id));
    dw_answer(c, 201, answer);
}

/* The agency of the path, if it is the asker's. */
static bool own_agency(struct dw_call *c, uint8_t ret_agency[DW_ID_BYTES])
{
    if (!dw_param_id(c, 0, ret_agency))
        return false;
    sqlite3_stmt *q = dw_db_ask(c->work.db, "SELECT 1 FROM agencies WHERE id = ?", "k", ret_agency);
    if ((c->actor.role == DW_ROLE_ADMIN || memcmp(ret_agency, c->actor.id, DW_ID_BYTES) == 0) &&
        dw_db_next(c->work.db, q))
        return true;
    dw_problem(c, DW_PROBLEM_NOT_FOUND);
    return false;
}

void dw_staff_post(struct dw_call *c)
{
    uint8_t agency[DW_ID_BYTES], id[DW_ID_BYTES];
    if (!own_agency(c, agency) || !dw_session_is_fresh(c))
        return;
    dw_in_only(c, c->body, "name", NULL);
    const char *name = dw_in_text(c, c->body, "name", DW_NAME_MAX - 1, DW_REQUIRED);
    if (dw_is_refused(c))
        return;
    sqlite3_stmt *q = dw_db_ask(
        c->work.db, "SELECT count(*) FROM staff WHERE agency = ? AND is_active = 1", "k", agency);
    if (dw_db_next(c->work.db, q) && sqlite3_column_int(q, 0) >= STAFF_MAX) {
        dw_problem(c, DW_PROBLEM_FULL);
        return;
    }
    dw_id_new(id);
    (void)dw_db_do(c->work.db, "INSERT INTO staff (id, agency, name, created) VALUES (?, ?, ?, ?)",
                   "kkti", id, agency, name, dw_service_now_ms());
    dw_invite(c, DW_ROLE_AGENCY, id,
              json_pack("{s:o, s:s}", "staff", dw_json_id(id), "name", name));
}

void dw_staff_list(struct dw_call *c)
{
    uint8_t agency[DW_ID_BYTES];
    if (!own_agency(c, agency))
        return;
    sqlite3_stmt *q = dw_db_ask(
        c->work.db,
        "SELECT id, name, created, (SELECT count(*) FROM passkeys WHERE subject = staff.id)"
        " FROM staff WHERE agency = ? AND is_active = 1 ORDER BY id LIMIT ?",
        "ki", agency, (int64_t)STAFF_MAX);
    json_t *items = json_array();
    while (dw_db_next(c->work.db, q))
        (void)json_array_append_new(
            items, json_pack("{s:o, s:o, s:o, s:b}", "id", dw_json_col_id(q, 0), "name",
                             dw_json_col_text(q, 1), "created", dw_json_col_time(q, 2), "joined",
                             sqlite3_column_int(q, 3) > 0));
    dw_answer(c, 200, dw_json_page(items, NULL));
}

void dw_staff_delete(struct dw_call *c)
{
    uint8_t agency[DW_ID_BYTES], id[DW_ID_BYTES];
    if (!own_agency(c, agency) || !dw_param_id(c, 1, id) || !dw_session_is_fresh(c))
        return;
    sqlite3_stmt *q = dw_db_ask(c->work.db,
                                "UPDATE staff SET is_active = 0 WHERE id = ? AND agency = ?"
                                " RETURNING 1",
                                "kk", id, agency);
    if (!dw_db_next(c->work.db, q)) {
        dw_problem(c, DW_PROBLEM_NOT_FOUND);
        return;
    }
    (void)dw_db_next(c->work.db, q);
    dw_sessions_end(&c->work, id, true);
    dw_answer(c, 200, json_object());
}
