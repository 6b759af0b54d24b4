#include <string.h>

#include "service/agencies/signing.h"
#include "service/people/people.h"

#define GRACE_MS     60000  /* of the token before */
#define TOUCH_MS     300000 /* how exactly "unused since" is kept */
#define SESSIONS_MAX 8      /* of one person; the oldest goes */

bool dw_session_is_fresh(struct dw_call *c)
{
    int64_t age = dw_service_now_ms() - c->actor.signed_in_ms;
    if (!c->actor.is_session || age < (int64_t)c->work.service->set.session_fresh_s * 1000)
        return true;
    dw_problem(c, DW_PROBLEM_SIGN_IN_AGAIN);
    return false;
}

enum due { DUE_NOTHING = 0, DUE_TOUCH, DUE_SEEN, DUE_ROTATE };

/* A renewal on its way through the writer; the call waits for it. */
struct renewal {
    struct dw_work work; /* first */
    struct dw_call *call;
    enum due due;
    char token[68];
    uint8_t hash[DW_HASH_BYTES]; /* of the newest token when we looked */
    bool is_new;
};

static int64_t grace_ms(const struct dw_service_settings *set)
{
    int64_t rotate = (int64_t)set->session_rotate_s * 1000;
    return rotate < GRACE_MS ? rotate : GRACE_MS;
}

static void token_new(char ret_token[68])
{
    uint8_t random[32];
    dw_random(random, sizeof(random));
    dw_hex(random, sizeof(random), ret_token);
}

static void hash_of(const char *token, uint8_t ret_hash[DW_HASH_BYTES])
{
    dw_sha256(dw_view_of(token, strlen(token)), ret_hash);
}

#define SESSION_QUERY                                                                     \
    "SELECT s.id, s.hash, s.prev_until, s.role, s.subject, s.used, s.rotated, s.is_seen," \
    " coalesce(v.agency, t.agency), s.created FROM sessions s"                            \
    " LEFT JOIN visitors v ON s.role = 4 AND v.id = s.subject AND v.is_active = 1"        \
    " LEFT JOIN staff t ON s.role = 2 AND t.id = s.subject AND t.is_active = 1"           \
    " WHERE (s.hash = ?1 OR s.prev_hash = ?1) AND s.created > ?2 AND s.used > ?3"         \
    " AND coalesce(v.agency, t.agency) IS NOT NULL"

static sqlite3_stmt *ask(struct dw_call *c, struct dw_db *db, uint8_t ret_hash[DW_HASH_BYTES],
                         int64_t now)
{
    const struct dw_service_settings *set = &c->work.service->set;
    hash_of(c->session, ret_hash);
    return dw_db_ask(db, SESSION_QUERY, "hii", ret_hash, now - (int64_t)set->session_max_s * 1000,
                     now - (int64_t)set->session_idle_s * 1000);
}

/* The row's token is the newest, or the one before while that still counts. */
static bool counts(sqlite3_stmt *q, const uint8_t hash[DW_HASH_BYTES], int64_t now,
                   bool *ret_is_newest)
{
    uint8_t newest[DW_HASH_BYTES];
    *ret_is_newest =
        dw_col_blob(q, 1, newest, sizeof(newest)) && dw_same(newest, hash, sizeof(newest));
    return *ret_is_newest || sqlite3_column_type(q, 2) == SQLITE_NULL ||
           sqlite3_column_int64(q, 2) > now;
}

bool dw_session_find(struct dw_call *c, struct dw_db *db)
{
    uint8_t hash[DW_HASH_BYTES];
    bool is_newest;
    int64_t now = dw_service_now_ms();
    sqlite3_stmt *q = ask(c, db, hash, now);
    if (!dw_db_next(db, q) || !counts(q, hash, now, &is_newest))
        return false;
    c->actor.is_session = true;
    c->actor.signed_in_ms = sqlite3_column_int64(q, 9);
    c->actor.role = (uint32_t)sqlite3_column_int(q, 3);
    (void)dw_col_blob(q, 0, c->actor.session, DW_ID_BYTES);
    (void)dw_col_blob(q, 8, c->actor.agency, DW_ID_BYTES);
    c->actor.is_staff = c->actor.role == DW_ROLE_AGENCY;
    if (c->actor.is_staff) {
        (void)dw_col_blob(q, 4, c->actor.staff, DW_ID_BYTES);
        memcpy(c->actor.id, c->actor.agency, DW_ID_BYTES);
    } else {
        (void)dw_col_blob(q, 4, c->actor.id, DW_ID_BYTES);
    }
    return true;
}

static enum due what_is_due(struct dw_call *c, struct dw_db *db, uint8_t ret_newest[DW_HASH_BYTES])
{
    const struct dw_service_settings *set = &c->work.service->set;
    uint8_t hash[DW_HASH_BYTES];
    bool is_newest;
    int64_t now = dw_service_now_ms();
    sqlite3_stmt *q = ask(c, db, hash, now);
    if (!dw_db_next(db, q) || !counts(q, hash, now, &is_newest))
        return DUE_NOTHING;
    (void)dw_col_blob(q, 1, ret_newest, DW_HASH_BYTES);
    int64_t rotated = sqlite3_column_int64(q, 6), idle = (int64_t)set->session_idle_s * 1000;
    bool is_seen = sqlite3_column_int(q, 7) == 1;
    if (is_newest && !is_seen)
        return DUE_SEEN;
    if (is_newest && now - rotated > (int64_t)set->session_rotate_s * 1000)
        return DUE_ROTATE;
    /* The answer with the new token was lost on the way: the phone still has the old one. */
    if (!is_newest && !is_seen && now - rotated > grace_ms(set))
        return DUE_ROTATE;
    int64_t touch = idle / 4 < TOUCH_MS ? idle / 4 : TOUCH_MS;
    return now - sqlite3_column_int64(q, 5) > touch ? DUE_TOUCH : DUE_NOTHING;
}

static bool run_renewal(struct dw_work *w)
{
    struct renewal *r = (struct renewal *)w;
    int64_t now = dw_service_now_ms();
    const uint8_t *id = r->call->actor.session;
    uint8_t hash[DW_HASH_BYTES];
    if (r->due == DUE_TOUCH)
        return dw_db_do(w->db, "UPDATE sessions SET used = ? WHERE id = ?", "ik", now, id);
    if (r->due == DUE_SEEN)
        return dw_db_do(w->db,
                        "UPDATE sessions SET used = ?1, is_seen = 1, prev_until = ?2"
                        " WHERE id = ?3 AND hash = ?4 AND is_seen = 0",
                        "iikh", now, now + grace_ms(&w->service->set), id, r->hash);
    /* Of two requests at once the first renews; the other goes on with what it has. A token that
     * never arrived is replaced; the one before stays the one that counts meanwhile. */
    hash_of(r->token, hash);
    sqlite3_stmt *q = dw_db_ask(w->db,
                                "UPDATE sessions SET used = ?1, rotated = ?1, prev_until = NULL,"
                                " prev_hash = CASE WHEN is_seen THEN hash ELSE prev_hash END,"
                                " hash = ?2, is_seen = 0 WHERE id = ?3 AND hash = ?4 RETURNING 1",
                                "ihkh", now, hash, id, r->hash);
    r->is_new = dw_db_next(w->db, q);
    (void)dw_db_next(w->db, r->is_new ? q : NULL);
    return r->is_new;
}

static void renewal_done(struct dw_work *w, bool is_stored)
{
    struct renewal *r = (struct renewal *)w;
    struct dw_call *c = r->call;
    if (is_stored && r->is_new)
        memcpy(c->set_cookie, r->token, sizeof(c->set_cookie));
    struct dw_arena arena = w->arena;
    dw_arena_done(&arena);
    dw_call_go(c); /* not stored: with the token it has; it is due again next time */
}

bool dw_session_renew(struct dw_call *c)
{
    struct dw_db *db = dw_store_reader(c->work.service->store);
    uint8_t newest[DW_HASH_BYTES];
    enum due due = what_is_due(c, db, newest);
    if (dw_db_settle(db) || due == DUE_NOTHING)
        return false;
    struct dw_arena arena = {0};
    struct renewal *r = dw_arena_take(&arena, sizeof(*r));
    r->work.arena = arena;
    r->work.service = c->work.service;
    r->work.posts_end = &r->work.posts;
    r->work.run = run_renewal;
    r->work.done = renewal_done;
    r->call = c;
    r->due = due;
    memcpy(r->hash, newest, sizeof(r->hash));
    token_new(r->token);
    if (!dw_failed(dw_store_write(c->work.service->store, &r->work)))
        return true;
    arena = r->work.arena;
    dw_arena_done(&arena);
    return false;
}

bool dw_session_begin(struct dw_call *c, uint32_t role, const uint8_t subject[DW_ID_BYTES])
{
    struct dw_db *db = c->work.db;
    uint8_t id[DW_ID_BYTES], hash[DW_HASH_BYTES];
    int64_t now = dw_service_now_ms();
    dw_id_new(id);
    token_new(c->set_cookie);
    hash_of(c->set_cookie, hash);
    /* is_seen: there is no token before it. */
    (void)dw_db_do(db,
                   "INSERT INTO sessions (id, hash, role, subject, created, used, rotated, is_seen)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?, 1)",
                   "khikiii", id, hash, (int64_t)role, subject, now, now, now);
    (void)dw_db_do(db,
                   "DELETE FROM sessions WHERE subject = ?1 AND id NOT IN (SELECT id FROM sessions"
                   " WHERE subject = ?1 ORDER BY created DESC, id DESC LIMIT ?2)",
                   "ki", subject, (int64_t)SESSIONS_MAX);
    memset(&c->actor, 0, sizeof(c->actor));
    memcpy(c->session, c->set_cookie, sizeof(c->session));
    return dw_session_find(c, db);
}

void dw_sessions_end(struct dw_work *w, const uint8_t subject[DW_ID_BYTES], bool with_passkeys)
{
    (void)dw_db_do(w->db, "DELETE FROM sessions WHERE subject = ?", "k", subject);
    (void)dw_db_do(w->db, "DELETE FROM invitations WHERE subject = ?", "k", subject);
    if (!with_passkeys)
        return;
    (void)dw_db_do(w->db, "DELETE FROM passkeys WHERE subject = ?", "k", subject);
    dw_shift_renew(w, subject);
}
