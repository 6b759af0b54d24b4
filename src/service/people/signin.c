#include <string.h>

#include "crypto/webauthn.h"
#include "service/agencies/signing.h"
#include "service/people/people.h"
#include "wire/visit.h"

#define CHALLENGE_BYTES 32u
#define CHALLENGE_MS    300000
#define PASSKEYS_MAX    8 /* of one person */
#define LABEL_BYTES_MAX 160u

/* Requests of strangers come from our own pages, so that nobody is signed in as somebody else. */
static bool is_from_page(struct dw_call *c)
{
    const struct dw_service *s = c->work.service;
    if (!s->rp_id[0])
        dw_problem(c, DW_PROBLEM_NO_SIGNIN);
    else if (strcmp(c->origin, s->set.origin) != 0)
        dw_problem(c, DW_PROBLEM_CSRF);
    return !dw_is_refused(c);
}

/* -- challenges ---------------------------------------------------------------------------------
 *
 * A challenge for signing in is 8 bytes of time, 8 drawn and 16 that only our key can make, so that
 * strangers who ask for many take no room and push nobody's out. The ones that have served are
 * kept until their time is over. One for joining is drawn and lies with its invitation.
 */

static void seal(struct dw_service *s, const uint8_t head[16], uint8_t ret_seal[DW_HASH_BYTES])
{
    char token[DW_TOKEN_TEXT];
    dw_token_make(s, DW_ROLE_CHALLENGE, head, token);
    dw_sha256(dw_view_of(token, strlen(token)), ret_seal);
}

static void challenge_new(struct dw_service *s, uint8_t ret_challenge[CHALLENGE_BYTES])
{
    uint8_t mark[DW_HASH_BYTES];
    uint64_t until = (uint64_t)dw_service_now_ms() + CHALLENGE_MS;
    for (size_t i = 0; i < 8; i++)
        ret_challenge[i] = (uint8_t)(until >> (56 - 8 * i));
    dw_random(ret_challenge + 8, 8);
    seal(s, ret_challenge, mark);
    memcpy(ret_challenge + 16, mark, 16);
}

static bool challenge_is_good(struct dw_service *s, struct dw_view challenge, int64_t *ret_until)
{
    uint8_t mark[DW_HASH_BYTES];
    uint64_t until = 0;
    if (challenge.len != CHALLENGE_BYTES)
        return false;
    seal(s, challenge.ptr, mark);
    for (size_t i = 0; i < 8; i++)
        until = until << 8 | challenge.ptr[i];
    int64_t left = (int64_t)until - dw_service_now_ms();
    *ret_until = (int64_t)until;
    return dw_same(mark, challenge.ptr + 16, 16) && left > 0 && left <= CHALLENGE_MS;
}

/* -- who is signed in ---------------------------------------------------------------------------
 */

/* What a page must know of the person who looks at it. */
static json_t *show_me(struct dw_call *c)
{
    const struct dw_actor *a = &c->actor;
    struct dw_db *db = c->work.db;
    const char *role = a->role == DW_ROLE_ADMIN     ? "admin"
                       : a->role == DW_ROLE_VISITOR ? "visitor"
                       : a->role == DW_ROLE_OWNER   ? "owner"
                       : a->is_staff                ? "staff"
                                                    : "agency";
    char csrf[DW_TOKEN_TEXT];
    json_t *name = json_null(), *agency = json_null();
    sqlite3_stmt *q = a->role == DW_ROLE_VISITOR
                          ? dw_db_ask(db, "SELECT name FROM visitors WHERE id = ?", "k", a->id)
                      : a->role == DW_ROLE_OWNER
                          ? dw_db_ask(db, "SELECT name FROM homes WHERE id = ?", "k", a->id)
                      : a->is_staff
                          ? dw_db_ask(db, "SELECT name FROM staff WHERE id = ?", "k", a->staff)
                          : dw_db_ask(db, "SELECT name FROM agencies WHERE id = ?", "k", a->id);
    if (dw_db_next(db, q))
        name = dw_json_col_text(q, 0);
    uint8_t pub[DW_KEY_BYTES];
    char key[2 * DW_KEY_BYTES + 1] = "";
    q = dw_db_ask(db, "SELECT name AS agency_name, key FROM agencies WHERE id = ?", "k", a->agency);
    bool has_agency = dw_db_next(db, q);
    if (has_agency) {
        agency = dw_json_col_text(q, 0);
        if (dw_col_blob(q, 1, pub, sizeof(pub)))
            dw_hex(pub, sizeof(pub), key);
    }
    if (a->is_session)
        dw_token_make(c->work.service, DW_ROLE_CSRF, a->session, csrf);
    /* What a shift names is the newest passkey: the one that can prove a stop. */
    json_t *credentials = json_array();
    q = dw_db_ask(db,
                  "SELECT id FROM passkeys WHERE subject = ? AND role = 4"
                  " ORDER BY added DESC, id LIMIT 1",
                  "k", a->id);
    while (a->role == DW_ROLE_VISITOR && dw_db_next(db, q))
        (void)json_array_append_new(credentials, dw_json_bytes(sqlite3_column_blob(q, 0),
                                                               (size_t)sqlite3_column_bytes(q, 0)));
    json_t *shift = json_null();
    q = dw_db_ask(db,
                  "SELECT object FROM signing WHERE agency = ? AND kind = 3 AND subject = ?"
                  " AND object IS NOT NULL",
                  "kk", a->agency, a->id);
    if (a->role == DW_ROLE_VISITOR && dw_db_next(db, q))
        shift = dw_json_bytes(sqlite3_column_blob(q, 0), (size_t)sqlite3_column_bytes(q, 0));
    const char *rp_id = c->work.service->rp_id;
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "role", role,
                     "visitor", a->role == DW_ROLE_VISITOR ? dw_json_id(a->id) : json_null(),
                     "staff", a->is_staff ? dw_json_id(a->staff) : json_null(), "name", name,
                     "agency", has_agency ? dw_json_id(a->agency) : json_null(), "agency_name",
                     agency, "csrf", a->is_session ? json_string(csrf) : json_null(),
                     "credential_ids", credentials, "rp_id",
                     rp_id[0] ? json_string(rp_id) : json_null(), "agency_key",
                     key[0] ? json_string(key) : json_null(), "shift", shift);
}

void dw_me_get(struct dw_call *c)
{
    dw_answer(c, 200, show_me(c));
}

void dw_signout(struct dw_call *c)
{
    dw_in_only(c, c->body, NULL);
    if (dw_is_refused(c))
        return;
    if (c->actor.is_session)
        (void)dw_db_do(c->work.db, "DELETE FROM sessions WHERE id = ?", "k", c->actor.session);
    c->ends_cookie = c->actor.is_session;
    dw_answer(c, 200, json_object());
}

/* -- signing in ---------------------------------------------------------------------------------
 */

void dw_signin_begin(struct dw_call *c)
{
    uint8_t challenge[CHALLENGE_BYTES];
    if (!is_from_page(c))
        return;
    dw_in_only(c, c->body, NULL);
    if (dw_is_refused(c))
        return;
    challenge_new(c->work.service, challenge);
    dw_answer(c, 200,
              json_pack("{s:o, s:s}", "challenge", dw_json_bytes(challenge, sizeof(challenge)),
                        "rp_id", c->work.service->rp_id));
}

static void refuse(struct dw_call *c, dw_err e, bool is_verified)
{
    dw_problem(c, dw_is(e, DW_E_DENIED) ? is_verified ? DW_PROBLEM_ORIGIN : DW_PROBLEM_VERIFICATION
                                        : DW_PROBLEM_PASSKEY);
}

/* Flags follow the 32 bytes of the host's hash; bit 2: the person was verified. */
static bool says_verified(struct dw_view auth_data)
{
    return auth_data.len > 32 && auth_data.ptr[32] & 4u;
}

static bool load_passkey(struct dw_call *c, struct dw_view id, struct dw_passkey *ret_passkey,
                         uint32_t *ret_role, uint8_t ret_subject[DW_ID_BYTES])
{
    sqlite3_stmt *q = dw_db_ask(
        c->work.db,
        "SELECT p.alg, p.pub, p.sign_count, p.is_synced, p.role, p.subject FROM passkeys p"
        " LEFT JOIN visitors v ON p.role = 4 AND v.id = p.subject"
        " LEFT JOIN staff t ON p.role = 2 AND t.id = p.subject"
        " WHERE p.id = ? AND coalesce(v.is_active, t.is_active, 0) = 1",
        "b", id.ptr, id.len);
    memset(ret_passkey, 0, sizeof(*ret_passkey));
    if (id.len == 0 || id.len > DW_PASSKEY_ID_MAX || !dw_db_next(c->work.db, q))
        return false;
    size_t len = (size_t)sqlite3_column_bytes(q, 1);
    if (len == 0 || len > DW_PASSKEY_KEY_MAX)
        return false;
    ret_passkey->alg = (uint8_t)sqlite3_column_int(q, 0);
    ret_passkey->key_len = (uint8_t)len;
    memcpy(ret_passkey->key, sqlite3_column_blob(q, 1), len);
    ret_passkey->sign_count = (uint32_t)sqlite3_column_int64(q, 2);
    ret_passkey->is_synced = sqlite3_column_int(q, 3) == 1;
    ret_passkey->is_eligible = ret_passkey->is_synced;
    ret_passkey->id_len = (uint8_t)id.len;
    memcpy(ret_passkey->id, id.ptr, id.len);
    *ret_role = (uint32_t)sqlite3_column_int(q, 4);
    return dw_col_blob(q, 5, ret_subject, DW_ID_BYTES);
}

void dw_signin_finish(struct dw_call *c)
{
    struct dw_service *s = c->work.service;
    struct dw_passkey passkey;
    uint8_t subject[DW_ID_BYTES];
    uint32_t role = 0;
    int64_t until = 0;
    if (!is_from_page(c))
        return;
    dw_in_only(c, c->body, "challenge", "id", "client_data", "auth_data", "signature", NULL);
    struct dw_view challenge = dw_in_bytes(c, c->body, "challenge", CHALLENGE_BYTES);
    struct dw_view id = dw_in_bytes(c, c->body, "id", DW_PASSKEY_ID_MAX);
    struct dw_view client = dw_in_bytes(c, c->body, "client_data", DW_PASSKEY_CLIENT_MAX);
    struct dw_view auth = dw_in_bytes(c, c->body, "auth_data", DW_PASSKEY_AUTH_MAX);
    struct dw_view sig = dw_in_bytes(c, c->body, "signature", DW_PASSKEY_SIGNATURE_MAX);
    if (dw_is_refused(c))
        return;
    if (!challenge_is_good(s, challenge, &until)) {
        dw_problem(c, DW_PROBLEM_CHALLENGE);
        return;
    }
    if (!load_passkey(c, id, &passkey, &role, subject)) {
        dw_problem(c, DW_PROBLEM_PASSKEY);
        return;
    }
    const struct dw_passkey_want want = {
        .origin = s->set.origin, .rp_id = s->rp_id, .challenge = challenge.ptr};
    dw_err e = dw_passkey_check(&want, &passkey, client, auth, sig);
    if (dw_failed(e)) {
        refuse(c, e, says_verified(auth));
        return;
    }
    sqlite3_stmt *q = dw_db_ask(c->work.db,
                                "INSERT OR IGNORE INTO challenges (challenge, until) VALUES (?, ?)"
                                " RETURNING 1",
                                "hi", challenge.ptr, until);
    if (!dw_db_next(c->work.db, q)) {
        dw_problem(c, DW_PROBLEM_CHALLENGE);
        return;
    }
    (void)dw_db_next(c->work.db, q);
    (void)dw_db_do(c->work.db,
                   "UPDATE passkeys SET sign_count = ?, is_synced = ?, used = ? WHERE id = ?",
                   "iiib", (int64_t)passkey.sign_count, (int64_t)passkey.is_synced,
                   dw_service_now_ms(), id.ptr, id.len);
    if (c->actor.is_session) /* this browser's session before this one */
        (void)dw_db_do(c->work.db, "DELETE FROM sessions WHERE id = ?", "k", c->actor.session);
    if (dw_session_begin(c, role, subject))
        dw_answer(c, 200, show_me(c));
    else
        dw_problem(c, DW_PROBLEM_PASSKEY);
}

/* -- joining ------------------------------------------------------------------------------------
 */

#define INVITATION_QUERY                                                               \
    "SELECT i.id, i.role, i.subject, i.until, coalesce(v.name, t.name), a.id, a.name," \
    " i.challenge_until"                                                               \
    " FROM invitations i LEFT JOIN visitors v ON i.role = 4 AND v.id = i.subject"      \
    " LEFT JOIN staff t ON i.role = 2 AND t.id = i.subject"                            \
    " JOIN agencies a ON a.id = coalesce(v.agency, t.agency)"                          \
    " WHERE i.until > ?1 AND coalesce(v.is_active, t.is_active) = 1"

/* The invitation of the body's token. NULL: none, or refused. */
static sqlite3_stmt *find_invitation(struct dw_call *c)
{
    uint8_t hash[DW_HASH_BYTES];
    if (!is_from_page(c))
        return NULL;
    dw_in_only(c, c->body, "token", NULL);
    const char *token = dw_in_text(c, c->body, "token", 80, DW_REQUIRED);
    if (dw_is_refused(c))
        return NULL;
    dw_sha256(dw_view_of(token, strlen(token)), hash);
    sqlite3_stmt *q =
        dw_db_ask(c->work.db, INVITATION_QUERY " AND i.hash = ?2", "ih", dw_service_now_ms(), hash);
    if (dw_db_next(c->work.db, q))
        return q;
    dw_problem(c, DW_PROBLEM_INVITATION);
    return NULL;
}

static const char *role_word(sqlite3_stmt *q)
{
    return (uint32_t)sqlite3_column_int(q, 1) == DW_ROLE_VISITOR ? "visitor" : "staff";
}

void dw_join_look(struct dw_call *c)
{
    sqlite3_stmt *q = find_invitation(c);
    if (q)
        dw_answer(c, 200,
                  json_pack("{s:o, s:s, s:o, s:o, s:o}", "name", dw_json_col_text(q, 4), "role",
                            role_word(q), "agency", dw_json_col_id(q, 5), "agency_name",
                            dw_json_col_text(q, 6), "until", dw_json_col_time(q, 3)));
}

void dw_join_begin(struct dw_call *c)
{
    uint8_t challenge[CHALLENGE_BYTES], id[DW_ID_BYTES], user[DW_ID_BYTES];
    sqlite3_stmt *q = find_invitation(c);
    if (!q)
        return;
    (void)dw_col_blob(q, 0, id, sizeof(id));
    (void)dw_col_blob(q, 2, user, sizeof(user));
    dw_random(challenge, sizeof(challenge));
    dw_answer(c, 200,
              json_pack("{s:o, s:s, s:o, s:o, s:s}", "challenge",
                        dw_json_bytes(challenge, sizeof(challenge)), "rp_id",
                        c->work.service->rp_id, "user", dw_json_bytes(user, sizeof(user)), "name",
                        dw_json_col_text(q, 4), "role", role_word(q)));
    (void)dw_db_do(c->work.db,
                   "UPDATE invitations SET challenge = ?, challenge_until = ? WHERE id = ?", "hik",
                   challenge, dw_service_now_ms() + CHALLENGE_MS, id);
}

static bool has_room(struct dw_call *c, const uint8_t subject[DW_ID_BYTES])
{
    sqlite3_stmt *q =
        dw_db_ask(c->work.db, "SELECT count(*) FROM passkeys WHERE subject = ?", "k", subject);
    if (!dw_db_next(c->work.db, q))
        return false;
    if (sqlite3_column_int(q, 0) < PASSKEYS_MAX)
        return true;
    dw_problem(c, DW_PROBLEM_FULL);
    return false;
}

void dw_join_finish(struct dw_call *c)
{
    struct dw_service *s = c->work.service;
    struct dw_passkey passkey = {0};
    uint8_t id[DW_ID_BYTES], subject[DW_ID_BYTES];
    int64_t now = dw_service_now_ms();
    if (!is_from_page(c))
        return;
    dw_in_only(c, c->body, "challenge", "client_data", "attestation", "label", NULL);
    struct dw_view challenge = dw_in_bytes(c, c->body, "challenge", CHALLENGE_BYTES);
    struct dw_view client = dw_in_bytes(c, c->body, "client_data", DW_PASSKEY_CLIENT_MAX);
    struct dw_view attestation = dw_in_bytes(c, c->body, "attestation", DW_PASSKEY_AUTH_MAX);
    const char *label = dw_in_text(c, c->body, "label", LABEL_BYTES_MAX, DW_OPTIONAL);
    if (dw_is_refused(c))
        return;
    sqlite3_stmt *q = dw_db_ask(c->work.db, INVITATION_QUERY " AND i.challenge = ?2", "ib", now,
                                challenge.ptr, challenge.len);
    if (challenge.len != CHALLENGE_BYTES || !dw_db_next(c->work.db, q) ||
        sqlite3_column_int64(q, 7) <= now) {
        dw_problem(c, DW_PROBLEM_CHALLENGE);
        return;
    }
    uint32_t role = (uint32_t)sqlite3_column_int(q, 1);
    (void)dw_col_blob(q, 0, id, sizeof(id));
    (void)dw_col_blob(q, 2, subject, sizeof(subject));
    const struct dw_passkey_want want = {
        .origin = s->set.origin, .rp_id = s->rp_id, .challenge = challenge.ptr};
    dw_err e = dw_passkey_register(&want, client, attestation, &passkey);
    if (dw_failed(e)) {
        refuse(c, e, true);
        return;
    }
    if (!has_room(c, subject))
        return;
    q = dw_db_ask(c->work.db,
                  "INSERT OR IGNORE INTO passkeys (id, role, subject, alg, pub, label, sign_count,"
                  " is_synced, added) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING 1",
                  "bikibtiii", passkey.id, (size_t)passkey.id_len, (int64_t)role, subject,
                  (int64_t)passkey.alg, passkey.key, (size_t)passkey.key_len, label ? label : "",
                  (int64_t)passkey.sign_count, (int64_t)passkey.is_synced, now);
    if (!dw_db_next(c->work.db, q)) {
        dw_problem(c, DW_PROBLEM_EXISTS);
        return;
    }
    (void)dw_db_next(c->work.db, q);
    (void)dw_db_do(c->work.db, "DELETE FROM invitations WHERE id = ?", "k", id);
    if (role == DW_ROLE_VISITOR)
        dw_shift_renew(&c->work, subject);
    if (dw_session_begin(c, role, subject))
        dw_answer(c, 200, show_me(c));
    else
        dw_problem(c, DW_PROBLEM_INVITATION);
}
