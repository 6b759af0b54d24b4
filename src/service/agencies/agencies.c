#include "service/agencies/agencies.h"

#include <string.h>

#include "wire/visit.h"

#define COLUMNS "id, name, created, key, is_hosted"

static json_t *show(sqlite3_stmt *q)
{
    uint8_t key[DW_KEY_BYTES];
    char hex[2 * DW_KEY_BYTES + 1];
    bool has_key = dw_col_blob(q, 3, key, sizeof(key));
    dw_hex(key, sizeof(key), hex);
    return json_pack("{s:o, s:o, s:o, s:o, s:b}", "id", dw_json_col_id(q, 0), "name",
                     dw_json_col_text(q, 1), "created", dw_json_col_time(q, 2), "key",
                     has_key ? json_string(hex) : json_null(), "hosted",
                     sqlite3_column_int(q, 4) == 1);
}

/* The public half; one key is one agency's. False: none was given, or refused. */
static bool read_key(struct dw_call *c, const uint8_t agency[DW_ID_BYTES], struct dw_key *ret_key)
{
    uint8_t pub[DW_KEY_BYTES];
    const char *text = dw_in_text(c, c->body, "key", 2 * DW_KEY_BYTES, DW_OPTIONAL);
    if (!text)
        return false;
    if (strlen(text) != 2 * DW_KEY_BYTES || strspn(text, "0123456789abcdef") != strlen(text) ||
        dw_failed(dw_unhex(text, pub, sizeof(pub)))) {
        dw_problem_say(c, DW_PROBLEM_BAD_FIELD,
                       "key must be 64 hexadecimal digits in lower case: an Ed25519 public key.");
        return false;
    }
    sqlite3_stmt *q = dw_db_ask(c->work.db, "SELECT 1 FROM agencies WHERE key = ? AND id != ?",
                                "hk", pub, agency);
    if (dw_db_next(c->work.db, q))
        dw_problem_say(c, DW_PROBLEM_EXISTS, "Another agency has this key.");
    dw_key_from_pub(pub, ret_key);
    return !dw_is_refused(c);
}

void dw_agencies_post(struct dw_call *c)
{
    uint8_t id[DW_ID_BYTES];
    struct dw_key key;
    bool is_hosted = false;
    dw_in_only(c, c->body, "name", "key", "hosted", NULL);
    const char *name = dw_in_text(c, c->body, "name", DW_NAME_MAX - 1, DW_REQUIRED);
    (void)dw_in_bool(c, c->body, "hosted", &is_hosted, DW_OPTIONAL);
    dw_id_new(id);
    bool has_key = read_key(c, id, &key);
    if (dw_is_refused(c))
        return;
    sqlite3_stmt *q =
        dw_db_ask(c->work.db,
                  "INSERT INTO agencies (id, name, key, key_thumb, is_hosted, created)"
                  " VALUES (?, ?, ?, ?, ?, ?) RETURNING " COLUMNS,
                  "kthhii", id, name, has_key ? key.pub : NULL, has_key ? key.thumb : NULL,
                  (int64_t)is_hosted, dw_service_now_ms());
    if (!dw_db_next(c->work.db, q))
        return;
    dw_answer(c, 201, show(q));
    (void)dw_db_next(c->work.db, q);
    (void)dw_token_grant(c, DW_ROLE_AGENCY, id);
}

/* A new key needs new grants: those of before name the old one, and no hub takes it for them. */
void dw_agencies_patch(struct dw_call *c)
{
    uint8_t id[DW_ID_BYTES];
    struct dw_key key = {0};
    bool is_hosted = false;
    if (!dw_param_id(c, 0, id))
        return;
    sqlite3_stmt *q = dw_db_ask(c->work.db, "SELECT 1 FROM agencies WHERE id = ?", "k", id);
    if (!dw_db_next(c->work.db, q)) {
        dw_problem(c, DW_PROBLEM_NOT_FOUND);
        return;
    }
    dw_in_only(c, c->body, "key", "hosted", NULL);
    bool has_hosted = dw_in_bool(c, c->body, "hosted", &is_hosted, DW_OPTIONAL);
    bool has_key = read_key(c, id, &key);
    if (dw_is_refused(c))
        return;
    if (has_hosted)
        (void)dw_db_do(c->work.db, "UPDATE agencies SET is_hosted = ? WHERE id = ?", "ik",
                       (int64_t)is_hosted, id);
    q = dw_db_ask(c->work.db,
                  "UPDATE agencies SET key = ?1, key_thumb = ?2 WHERE id = ?3"
                  " AND key IS NOT ?1 RETURNING 1",
                  "hhk", key.pub, key.thumb, id);
    if (has_key && dw_db_next(c->work.db, q)) {
        (void)dw_db_next(c->work.db, q);
        (void)dw_db_do(c->work.db, "DELETE FROM signing WHERE agency = ?", "k", id);
        (void)dw_db_do(c->work.db,
                       "UPDATE grants SET revoked = ? WHERE agency = ? AND revoked IS NULL", "ik",
                       dw_service_now_ms(), id);
    }
    q = dw_db_ask(c->work.db, "SELECT " COLUMNS " FROM agencies WHERE id = ?", "k", id);
    if (dw_db_next(c->work.db, q))
        dw_answer(c, 200, show(q));
}

void dw_agencies_list(struct dw_call *c)
{
    uint8_t last[DW_ID_BYTES];
    uint64_t limit;
    if (!dw_query_page(c, last, &limit))
        return;
    sqlite3_stmt *q = dw_db_ask(c->work.db,
                                "SELECT " COLUMNS " FROM agencies WHERE id > ?"
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
        dw_db_ask(c->work.db, "SELECT " COLUMNS " FROM agencies WHERE id = ?", "k", id);
    bool is_own = c->actor.role == DW_ROLE_ADMIN || memcmp(c->actor.id, id, sizeof(id)) == 0;
    if (!is_own || !dw_db_next(c->work.db, q))
        dw_problem(c, DW_PROBLEM_NOT_FOUND);
    else
        dw_answer(c, 200, show(q));
}
