#include "service/api.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "service/agencies/signing.h"
#include "service/civil.h"
#include "service/people/people.h"
#include "service/visits/visits.h"
#include "wire/text.h"
#include "wire/visit.h"

static const struct {
    int status;
    const char *code, *title, *detail, *next;
} problems[] = {
    [DW_PROBLEM_NONE] = {500, "internal", "Our mistake", "Something went wrong here.", ""},
#define X(name, status, code, title, detail, next) \
    [DW_PROBLEM_##name] = {status, code, title, detail, next},
    DW_PROBLEM_LIST(X)
#undef X
};

struct dw_call *dw_call_new(struct dw_service *s)
{
    struct dw_arena arena = {0};
    struct dw_call *c = dw_arena_take(&arena, sizeof(*c));
    c->work.arena = arena;
    c->work.service = s;
    c->work.posts_end = &c->work.posts;
    return c;
}

void dw_call_free(struct dw_call *c)
{
    json_decref(c->body);
    json_decref(c->answer);
    free(c->text);
    struct dw_arena arena = c->work.arena;
    dw_arena_done(&arena);
}

void dw_answer(struct dw_call *c, int status, json_t *answer)
{
    json_decref(c->answer);
    c->answer = answer;
    c->status = status;
}

void dw_problem_say(struct dw_call *c, enum dw_problem p, const char *detail, ...)
{
    if (dw_is_refused(c))
        return;
    char text[256], type[64];
    va_list args;
    va_start(args, detail);
    (void)vsnprintf(text, sizeof(text), detail, args);
    va_end(args);
    (void)snprintf(type, sizeof(type), "/v1/problems#%s", problems[p].code);
    json_t *said = json_string(text); /* NULL when cut inside a character */
    if (!said)
        said = json_string(problems[p].detail);
    dw_answer(c, problems[p].status,
              json_pack("{s:s, s:s, s:i, s:o, s:s, s:s}", "type", type, "title", problems[p].title,
                        "status", problems[p].status, "detail", said, "code", problems[p].code,
                        "next", problems[p].next));
    c->problem = p;
}

void dw_problem(struct dw_call *c, enum dw_problem p)
{
    dw_problem_say(c, p, "%s", problems[p].detail);
}

/* -- answers ------------------------------------------------------------------------------------
 */

/* -- tries --------------------------------------------------------------------------------------
 *
 * Whoever shows signatures or invitations that do not hold has so many at once, and one more every
 * second [I45]. It is counted of who asks, not of what is asked for: nobody locks out another.
 * Taken before it is looked at, and given back when it held, so that many at once are no more than
 * one after another.
 */

static const struct dw_try_rule wrong_at_once = {.cap = 60, .each_ms = 1000};

static bool is_proof(const struct dw_route *r)
{
    return r->handle == dw_signin_finish || r->handle == dw_join_look ||
           r->handle == dw_join_begin || r->handle == dw_join_finish ||
           r->handle == dw_signing_post || r->handle == dw_visits_open;
}

static bool has_failed(enum dw_problem p)
{
    return p == DW_PROBLEM_CHALLENGE || p == DW_PROBLEM_PASSKEY || p == DW_PROBLEM_ORIGIN ||
           p == DW_PROBLEM_VERIFICATION || p == DW_PROBLEM_INVITATION || p == DW_PROBLEM_STOP ||
           p == DW_PROBLEM_BAD_SIGNATURE;
}

static struct dw_try *try_of(struct dw_call *c)
{
    struct dw_tries *tries = &c->work.service->tries;
    tries->rule = wrong_at_once;
    return dw_tries_of(tries, c->tried_by, dw_now().ms);
}

static void take_try(struct dw_call *c)
{
    char id[2 * DW_ID_BYTES + 1];
    if (!is_proof(c->route))
        return;
    dw_hex(c->actor.is_session ? c->actor.session : c->actor.id, DW_ID_BYTES, id);
    if (c->is_known)
        (void)snprintf(c->tried_by, sizeof(c->tried_by), "%u %s", c->actor.role, id);
    else
        memcpy(c->tried_by, c->address, sizeof(c->tried_by));
    struct dw_try *t = try_of(c);
    if (t->left == 0) {
        c->tried_by[0] = 0;
        dw_log("warn", "too_many_tries", "route=%s", c->route->path);
        dw_problem(c, DW_PROBLEM_TOO_MANY);
        return;
    }
    t->left--;
}

static void settle_try(struct dw_call *c)
{
    if (!c->tried_by[0] || has_failed(c->problem))
        return;
    struct dw_try *t = try_of(c);
    t->left += t->left < wrong_at_once.cap;
}

static void reply(struct dw_call *c)
{
    settle_try(c);
    if (c->answer && !c->text) {
        c->text = json_dumps(c->answer, JSON_COMPACT);
        c->text_len = c->text ? strlen(c->text) : 0;
    }
    if (!c->text) {
        c->status = 500;
        c->text_len = 0;
    }
    c->reply(c);
}

void dw_call_refuse(struct dw_call *c, enum dw_problem p)
{
    dw_problem(c, p);
    reply(c);
}

static void replace_by(struct dw_call *c, enum dw_problem p)
{
    free(c->text);
    c->text = NULL;
    c->problem = DW_PROBLEM_NONE;
    dw_problem(c, p);
}

/* -- idempotency --------------------------------------------------------------------------------
 */

static void request_hash(const struct dw_call *c, uint8_t ret_hash[DW_HASH_BYTES])
{
    uint8_t head[DW_HASH_BYTES];
    dw_sha256_2(dw_view_of(c->method, sizeof(c->method)), dw_view_of(c->path, strlen(c->path)),
                head);
    dw_sha256_2(dw_view_of(head, sizeof(head)), dw_view_of(c->body_bytes, c->body_len), ret_hash);
}

static void add_token(struct dw_call *c)
{
    char token[DW_TOKEN_TEXT];
    bool is_link = c->token_role == DW_ROLE_INVITE;
    if (!c->token_role || !c->answer || (c->actor.is_session && !is_link))
        return;
    dw_token_make(c->work.service, c->token_role, c->token_subject, token);
    if (is_link)
        (void)json_object_set_new(c->answer, "link",
                                  json_sprintf("%s/join#%s", c->work.service->set.origin, token));
    else
        (void)json_object_set_new(c->answer, "token", json_string(token));
}

/* True when the answer was given before, or the key was used for something else. */
static bool answered_before(struct dw_call *c, const uint8_t hash[DW_HASH_BYTES])
{
    sqlite3_stmt *q =
        dw_db_ask(c->work.db,
                  "SELECT request, status, body, token_role, token_subject FROM answers"
                  " WHERE actor = ? AND key = ?",
                  "kt", c->actor.id, c->idempotency_key);
    if (!dw_db_next(c->work.db, q))
        return false;
    uint8_t before[DW_HASH_BYTES];
    if (!dw_col_blob(q, 0, before, sizeof(before)) || !dw_same(before, hash, sizeof(before))) {
        dw_problem(c, DW_PROBLEM_KEY_REUSED);
        return true;
    }
    dw_answer(c, sqlite3_column_int(q, 1), json_loads(dw_col_text(q, 2), 0, NULL));
    c->token_role = (uint32_t)sqlite3_column_int(q, 3);
    (void)dw_col_blob(q, 4, c->token_subject, sizeof(c->token_subject));
    return true;
}

void dw_audit(struct dw_work *w, const char *role, const uint8_t *actor, const char *route,
              const uint8_t object[DW_ID_BYTES])
{
    uint8_t id[DW_ID_BYTES];
    char text[DW_ID_TEXT] = "";
    if (object)
        dw_hex(object, DW_ID_BYTES, text);
    dw_id_new(id);
    (void)dw_db_do(w->db,
                   "INSERT INTO audit (id, at, role, actor, route, object)"
                   " VALUES (?, ?, ?, ?, ?, ?)",
                   "kitktt", id, dw_service_now_ms(), role, actor, route, text);
}

/* What is about: by the address, else what the answer made. */
static void audit_call(struct dw_call *c)
{
    const struct dw_actor *a = &c->actor;
    const char *role = a->role == DW_ROLE_ADMIN     ? "admin"
                       : a->role == DW_ROLE_VISITOR ? "visitor"
                       : a->role == DW_ROLE_OWNER   ? "owner"
                       : a->is_staff                ? "staff"
                       : a->role == DW_ROLE_AGENCY  ? "agency"
                                                    : "nobody";
    const uint8_t *who = a->role == 0 || a->role == DW_ROLE_ADMIN ? NULL
                         : a->is_staff                            ? a->staff
                                                                  : a->id;
    const char *made = json_string_value(json_object_get(c->answer, "id"));
    const char *last = c->param[1] ? c->param[1] : c->param[0];
    char route[96];
    uint8_t id[DW_ID_BYTES];
    (void)snprintf(route, sizeof(route), "%s %s", c->route->method, c->route->path);
    dw_id_new(id);
    (void)dw_db_do(c->work.db,
                   "INSERT INTO audit (id, at, role, actor, route, object)"
                   " VALUES (?, ?, ?, ?, ?, ?)",
                   "kitktt", id, dw_service_now_ms(), role, who, route,
                   last   ? last
                   : made ? made
                          : "");
}

void dw_audit_list(struct dw_call *c)
{
    uint8_t last[DW_ID_BYTES];
    uint64_t limit;
    if (!dw_query_page(c, last, &limit))
        return;
    sqlite3_stmt *q = dw_db_ask(c->work.db,
                                "SELECT id, at, role, actor, route, object FROM audit WHERE id > ?"
                                " ORDER BY id LIMIT ?",
                                "ki", last, (int64_t)limit);
    json_t *items = json_array();
    while (dw_db_next(c->work.db, q)) {
        (void)dw_col_blob(q, 0, last, sizeof(last));
        (void)json_array_append_new(
            items, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "id", dw_json_id(last), "at",
                             dw_json_col_time(q, 1), "role", dw_json_col_text(q, 2), "actor",
                             dw_json_col_id(q, 3), "route", dw_json_col_text(q, 4), "object",
                             dw_json_col_text(q, 5)));
    }
    dw_answer(c, 200, dw_json_page(items, json_array_size(items) == limit ? last : NULL));
}

static bool run_write(struct dw_work *w)
{
    struct dw_call *c = (struct dw_call *)w;
    uint8_t hash[DW_HASH_BYTES];
    /* Strangers share no answers. */
    bool has_key = c->idempotency_key[0] && !(c->route->roles & DW_ROLE_NOBODY);
    if (has_key) {
        request_hash(c, hash);
        if (answered_before(c, hash)) {
            add_token(c);
            return false;
        }
    }
    c->route->handle(c);
    if (!dw_is_refused(c) && !w->db->is_failed)
        audit_call(c);
    if (has_key && !dw_is_refused(c) && !w->db->is_failed) {
        char *text = json_dumps(c->answer, JSON_COMPACT);
        (void)dw_db_do(w->db,
                       "INSERT INTO answers (actor, key, request, status, body, token_role,"
                       " token_subject, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                       "kthitiki", c->actor.id, c->idempotency_key, hash, (int64_t)c->status, text,
                       (int64_t)c->token_role, c->token_role ? c->token_subject : NULL,
                       dw_service_now_ms());
        free(text);
    }
    add_token(c);
    if (!dw_is_refused(c)) { /* printed here, off the main thread */
        c->text = json_dumps(c->answer, JSON_COMPACT);
        c->text_len = c->text ? strlen(c->text) : 0;
    }
    return !dw_is_refused(c);
}

static void write_done(struct dw_work *w, bool is_stored)
{
    struct dw_call *c = (struct dw_call *)w;
    /* A refusal changed nothing, so that it holds even if its batch did not. */
    if (!is_stored) {
        c->set_cookie[0] = 0;
        c->ends_cookie = false;
        replace_by(c, DW_PROBLEM_STORAGE);
    } else if (!dw_is_refused(c))
        dw_service_after(w);
    reply(c);
}

/* -- the way of a call --------------------------------------------------------------------------
 */

static bool matches(const char *pattern, char *path, const char *ret_param[2])
{
    /* `path` is cut at the slashes only when it matches. */
    char *cut[8];
    size_t cuts = 0, params = 0;
    const char *p = pattern;
    char *q = path;
    while (*p && *q) {
        if (*p == '{') {
            const char *start = q;
            while (*q && *q != '/')
                q++;
            if (q == start || params == 2)
                return false;
            ret_param[params++] = start;
            cut[cuts++] = q;
            p = strchr(p, '}') + 1;
        } else if (*p++ != *q++) {
            return false;
        }
    }
    if (*p || *q)
        return false;
    for (size_t i = 0; i < cuts; i++)
        *cut[i] = 0;
    return true;
}

const struct dw_route *dw_route_find(struct dw_call *c)
{
    char path[DW_PATH_MAX];
    char allow[64] = "";
    for (size_t i = 0; i < dw_route_count; i++) {
        memcpy(path, c->path, sizeof(path));
        const char *param[2] = {NULL, NULL};
        if (!matches(dw_routes[i].path, path, param))
            continue;
        if (strcmp(dw_routes[i].method, c->method) != 0) {
            size_t len = strlen(allow);
            (void)snprintf(allow + len, sizeof(allow) - len, "%s%s", len ? ", " : "",
                           dw_routes[i].method);
            continue;
        }
        char *kept = dw_arena_text(&c->work.arena, path, sizeof(path) - 1);
        for (size_t k = 0; k < 2; k++)
            c->param[k] = param[k] ? kept + (param[k] - path) : NULL;
        return &dw_routes[i];
    }
    if (allow[0])
        c->allow = dw_arena_text(&c->work.arena, allow, strlen(allow));
    return NULL;
}

void dw_token_make(struct dw_service *s, uint32_t role, const uint8_t subject[16],
                   char ret_token[DW_TOKEN_TEXT])
{
    static const char context[] = "doorward/token/1";
    uint8_t seed[32 + sizeof(context)], what[4 + 16], hash[DW_HASH_BYTES];
    memcpy(seed, s->key.sec, 32);
    memcpy(seed + 32, context, sizeof(context));
    for (size_t i = 0; i < 4; i++)
        what[i] = (uint8_t)(role >> (24 - 8 * i));
    memcpy(what + 4, subject, 16);
    /* Lengths are fixed and the end is hashed once more, so that nothing can be appended. */
    dw_sha256_2(dw_view_of(seed, sizeof(seed)), dw_view_of(what, sizeof(what)), hash);
    dw_sha256_2(dw_view_of(seed, sizeof(seed)), dw_view_of(hash, sizeof(hash)), hash);
    memcpy(ret_token, "dw", 2);
    dw_hex(hash, sizeof(hash), ret_token + 2);
    memset(seed, 0, sizeof(seed));
}

bool dw_token_grant(struct dw_call *c, uint32_t role, const uint8_t subject[DW_ID_BYTES])
{
    char token[DW_TOKEN_TEXT];
    uint8_t hash[DW_HASH_BYTES];
    if (c->actor.is_session)
        return true;
    dw_token_make(c->work.service, role, subject, token);
    dw_sha256(dw_view_of(token, strlen(token)), hash);
    c->token_role = role;
    memcpy(c->token_subject, subject, DW_ID_BYTES);
    return dw_db_do(c->work.db, "INSERT INTO tokens (hash, role, subject) VALUES (?, ?, ?)", "hik",
                    hash, (int64_t)role, subject);
}

static bool find_actor(struct dw_call *c, struct dw_db *db)
{
    uint8_t hash[DW_HASH_BYTES];
    if (!c->has_token)
        return c->session[0] && dw_session_find(c, db);
    if (!c->token[0])
        return false;
    dw_sha256(dw_view_of(c->token, strlen(c->token)), hash);
    if (dw_same(hash, c->work.service->admin_hash, sizeof(hash))) {
        c->actor.role = DW_ROLE_ADMIN;
        return true;
    }
    sqlite3_stmt *q = dw_db_ask(db,
                                "SELECT role, subject, agency FROM tokens LEFT JOIN visitors"
                                " ON role = 4 AND visitors.id = subject"
                                " WHERE hash = ? AND (role != 4 OR is_active = 1)",
                                "h", hash);
    if (!dw_db_next(db, q))
        return false;
    c->actor.role = (uint32_t)sqlite3_column_int(q, 0);
    (void)dw_col_blob(q, 1, c->actor.id, DW_ID_BYTES);
    if (c->actor.role == DW_ROLE_VISITOR)
        (void)dw_col_blob(q, 2, c->actor.agency, DW_ID_BYTES);
    if (c->actor.role == DW_ROLE_AGENCY)
        memcpy(c->actor.agency, c->actor.id, DW_ID_BYTES);
    return true;
}

static void check_query(struct dw_call *c)
{
    for (size_t i = 0; i < c->query_count; i++) {
        char name[24];
        (void)snprintf(name, sizeof(name), " %s ", c->query[i].name);
        if (!c->route->query || !strstr(c->route->query, name) || strchr(c->query[i].name, ' '))
            dw_problem_say(c, DW_PROBLEM_UNKNOWN_FIELD, "A query parameter is not known here.");
    }
}

static void read_body(struct dw_call *c)
{
    if (c->route->body == DW_BODY_NONE)
        return;
    if (c->route->body == DW_BODY_OPTIONAL && c->body_len == 0) {
        c->body = json_object();
        return;
    }
    if (!c->is_json) {
        dw_problem(c, DW_PROBLEM_NOT_JSON);
        return;
    }
    json_error_t why;
    c->body = json_loadb((const char *)c->body_bytes, c->body_len, JSON_REJECT_DUPLICATES, &why);
    if (!c->body)
        dw_problem_say(c, DW_PROBLEM_BAD_JSON, "The body is not valid JSON (line %d, column %d).",
                       why.line, why.column);
    else if (!json_is_object(c->body))
        dw_problem_say(c, DW_PROBLEM_BAD_JSON, "The body must be one JSON object.");
}

static void run_read(struct dw_call *c)
{
    struct dw_db *db = dw_store_reader(c->work.service->store);
    c->work.db = db;
    c->route->handle(c);
    c->work.db = NULL;
    if (dw_db_settle(db))
        replace_by(c, DW_PROBLEM_STORAGE);
}

void dw_call_again(struct dw_call *c, bool is_last)
{
    c->wait_visit = 0;
    run_read(c);
    if (c->wait_visit && !is_last)
        dw_visit_park(c);
    else
        reply(c);
}

bool dw_call_who(struct dw_call *c)
{
    struct dw_db *db = dw_store_reader(c->work.service->store);
    c->is_known = find_actor(c, db);
    return !dw_db_settle(db);
}

/* A cookie comes along with whatever page asks; a request that changes something must show that it
 * is ours. A token is sent by programs alone. */
static bool is_ours(struct dw_call *c)
{
    char csrf[DW_TOKEN_TEXT];
    bool is_change = strcmp(c->method, "GET") != 0 && strcmp(c->method, "HEAD") != 0;
    if (!is_change || !c->actor.is_session)
        return true;
    dw_token_make(c->work.service, DW_ROLE_CSRF, c->actor.session, csrf);
    return strcmp(c->origin, c->work.service->set.origin) == 0 && strlen(c->csrf) == strlen(csrf) &&
           dw_same(c->csrf, csrf, strlen(csrf));
}

/* A stranger learns nothing but that nobody is signed in, whatever was asked. */
static void admit(struct dw_call *c)
{
    bool is_open = c->route && c->route->roles & DW_ROLE_NOBODY;
    if (!is_open && !c->is_known)
        dw_problem(c, c->has_token ? DW_PROBLEM_NO_TOKEN : DW_PROBLEM_SIGNED_OUT);
    else if (!c->route)
        dw_problem(c, c->allow ? DW_PROBLEM_METHOD : DW_PROBLEM_NOT_FOUND);
    else if (!is_open && !(c->route->roles & c->actor.role))
        dw_problem(c, DW_PROBLEM_NOT_PERMITTED);
    else if (c->head_problem != DW_PROBLEM_NONE)
        dw_problem(c, c->head_problem);
    else if (!is_open && !is_ours(c))
        dw_problem(c, DW_PROBLEM_CSRF);
}

void dw_call_go(struct dw_call *c)
{
    struct dw_service *s = c->work.service;
    if (!dw_is_refused(c))
        admit(c);
    if (!dw_is_refused(c) && c->is_key_bad)
        dw_problem_say(c, DW_PROBLEM_BAD_REQUEST,
                       "An Idempotency-Key has 1 to 64 printable characters.");
    if (!dw_is_refused(c))
        check_query(c);
    if (!dw_is_refused(c))
        read_body(c);
    if (!dw_is_refused(c))
        take_try(c);
    if (dw_is_refused(c)) {
        reply(c);
        return;
    }
    if (c->route->kind != DW_ROUTE_WRITE) {
        dw_call_again(c, c->route->kind != DW_ROUTE_WAIT);
        return;
    }
    c->work.run = run_write;
    c->work.done = write_done;
    if (dw_failed(dw_store_write(s->store, &c->work)))
        dw_call_refuse(c, DW_PROBLEM_BUSY);
}

void dw_call_run(struct dw_call *c)
{
    c->work.service->count.requests++;
    if (!dw_call_who(c))
        dw_problem(c, DW_PROBLEM_STORAGE);
    else if (c->actor.is_session && dw_session_renew(c))
        return; /* goes on in dw_call_go */
    dw_call_go(c);
}

/* -- input --------------------------------------------------------------------------------------
 */

static bool id_read(const char *text, uint8_t ret_id[DW_ID_BYTES])
{
    if (strlen(text) != DW_ID_TEXT - 1)
        return false;
    for (const char *p = text; *p; p++)
        if (!((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'f')))
            return false;
    return !dw_failed(dw_unhex(text, ret_id, DW_ID_BYTES));
}

bool dw_param_id(struct dw_call *c, size_t i, uint8_t ret_id[DW_ID_BYTES])
{
    if (c->param[i] && id_read(c->param[i], ret_id))
        return true;
    dw_problem(c, DW_PROBLEM_NOT_FOUND);
    return false;
}

bool dw_param_visit(struct dw_call *c, size_t i, uint64_t *ret_visit)
{
    uint8_t bytes[8];
    const char *text = c->param[i];
    if (!text || strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16 ||
        dw_failed(dw_unhex(text, bytes, sizeof(bytes)))) {
        dw_problem(c, DW_PROBLEM_NOT_FOUND);
        return false;
    }
    *ret_visit = 0;
    for (size_t k = 0; k < 8; k++)
        *ret_visit = *ret_visit << 8 | bytes[k];
    return true;
}

const char *dw_query_text(const struct dw_call *c, const char *name)
{
    for (size_t i = 0; i < c->query_count; i++)
        if (strcmp(c->query[i].name, name) == 0)
            return c->query[i].value;
    return NULL;
}

uint64_t dw_query_uint(struct dw_call *c, const char *name, uint64_t max, uint64_t fallback)
{
    const char *text = dw_query_text(c, name);
    if (!text)
        return fallback;
    uint64_t value = 0;
    size_t len = strlen(text);
    bool is_good = len > 0 && len <= 12 && strspn(text, "0123456789") == len;
    for (size_t i = 0; is_good && i < len; i++)
        value = value * 10 + (uint64_t)(text[i] - '0');
    if (!is_good || value > max) {
        dw_problem_say(c, DW_PROBLEM_BAD_FIELD, "%s must be a number from 0 to %llu.", name,
                       (unsigned long long)max);
        return fallback;
    }
    return value;
}

bool dw_query_page(struct dw_call *c, uint8_t ret_after[DW_ID_BYTES], uint64_t *ret_limit)
{
    const char *after = dw_query_text(c, "after");
    memset(ret_after, 0, DW_ID_BYTES);
    if (after && !id_read(after, ret_after))
        dw_problem_say(c, DW_PROBLEM_BAD_FIELD, "after must be the next of a page.");
    *ret_limit = dw_query_uint(c, "limit", DW_PAGE_MAX, DW_PAGE_MAX);
    if (!dw_is_refused(c) && *ret_limit == 0)
        dw_problem_say(c, DW_PROBLEM_BAD_FIELD, "limit must be a number from 1 to %u.",
                       DW_PAGE_MAX);
    return !dw_is_refused(c);
}

void dw_in_only(struct dw_call *c, const json_t *object, ...)
{
    const char *key;
    json_t *value;
    /* jansson's iteration takes a non-const object, and changes nothing. */
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        va_list args;
        bool is_known = false;
        const char *name;
        va_start(args, object);
        while (!is_known && (name = va_arg(args, const char *)))
            is_known = strcmp(name, key) == 0;
        va_end(args);
        if (!is_known)
            dw_problem_say(c, DW_PROBLEM_UNKNOWN_FIELD, "The field \"%.40s\" is not known.",
                           dw_words_are_plain(key) ? key : "?");
    }
}

/* The field, or NULL when it is absent or null; says so when it is needed. */
static const json_t *field(struct dw_call *c, const json_t *object, const char *name,
                           enum dw_need need)
{
    const json_t *value = json_object_get(object, name);
    if (value && !json_is_null(value))
        return value;
    if (need == DW_REQUIRED)
        dw_problem_say(c, DW_PROBLEM_MISSING_FIELD, "The field \"%s\" is missing.", name);
    return NULL;
}

static void bad(struct dw_call *c, const char *name, const char *must)
{
    dw_problem_say(c, DW_PROBLEM_BAD_FIELD, "%s must be %s.", name, must);
}

bool dw_words_are_plain(const char *text)
{
    return dw_text_is_plain(dw_view_of(text, strlen(text)));
}

const char *dw_in_text(struct dw_call *c, const json_t *object, const char *name, size_t max,
                       enum dw_need need)
{
    const json_t *value = field(c, object, name, need);
    if (!value)
        return NULL;
    const char *text = json_string_value(value);
    size_t len = json_string_length(value);
    if (!text || len == 0 || len > max || !dw_words_are_plain(text)) {
        dw_problem_say(c, DW_PROBLEM_BAD_FIELD,
                       "%s must be text of 1 to %zu bytes without control characters.", name, max);
        return NULL;
    }
    return text;
}

const char *dw_in_barcode(struct dw_call *c, const json_t *value)
{
    const char *text = json_string_value(value);
    size_t len = json_string_length(value);
    if (!text)
        dw_problem_say(c, DW_PROBLEM_BAD_BARCODE, "A barcode must be text.");
    else if (len == 0)
        dw_problem_say(c, DW_PROBLEM_BAD_BARCODE, "The barcode is empty.");
    else if (len > DW_PARCEL_CODE_MAX)
        dw_problem_say(c, DW_PROBLEM_BAD_BARCODE, "The barcode has %zu bytes; %u are the limit.",
                       len, DW_PARCEL_CODE_MAX);
    else if (!dw_words_are_plain(text))
        dw_problem_say(c, DW_PROBLEM_BAD_BARCODE, "The barcode has control characters.");
    else
        return text;
    return NULL;
}

bool dw_in_bool(struct dw_call *c, const json_t *object, const char *name, bool *ret_value,
                enum dw_need need)
{
    const json_t *value = field(c, object, name, need);
    if (value && json_is_boolean(value)) {
        *ret_value = json_is_true(value);
        return true;
    }
    if (value)
        bad(c, name, "true or false");
    return false;
}

bool dw_in_uint(struct dw_call *c, const json_t *object, const char *name, uint64_t max,
                uint64_t *ret_value, enum dw_need need)
{
    const json_t *value = field(c, object, name, need);
    if (!value)
        return false;
    json_int_t n = json_integer_value(value);
    if (!json_is_integer(value) || n < 0 || (uint64_t)n > max) {
        dw_problem_say(c, DW_PROBLEM_BAD_FIELD, "%s must be a whole number from 0 to %llu.", name,
                       (unsigned long long)max);
        return false;
    }
    *ret_value = (uint64_t)n;
    return true;
}

bool dw_in_number(struct dw_call *c, const json_t *object, const char *name, double min, double max,
                  double *ret_value, enum dw_need need)
{
    const json_t *value = field(c, object, name, need);
    if (!value)
        return false;
    double n = json_number_value(value);
    if (!json_is_number(value) || !(n >= min && n <= max)) {
        dw_problem_say(c, DW_PROBLEM_BAD_FIELD, "%s must be a number from %g to %g.", name, min,
                       max);
        return false;
    }
    *ret_value = n;
    return true;
}

bool dw_in_id(struct dw_call *c, const json_t *object, const char *name,
              uint8_t ret_id[DW_ID_BYTES], enum dw_need need)
{
    const json_t *value = field(c, object, name, need);
    if (!value)
        return false;
    if (json_is_string(value) && id_read(json_string_value(value), ret_id))
        return true;
    bad(c, name, "an id of 32 hexadecimal digits");
    return false;
}

bool dw_in_day(struct dw_call *c, const json_t *object, const char *name, int32_t *ret_day,
               enum dw_need need)
{
    const json_t *value = field(c, object, name, need);
    if (!value)
        return false;
    if (json_is_string(value) && dw_civil_day_read(json_string_value(value), ret_day))
        return true;
    bad(c, name, "a date such as 2026-10-25");
    return false;
}

bool dw_in_minute(struct dw_call *c, const json_t *object, const char *name, uint32_t *ret_minute,
                  enum dw_need need)
{
    const json_t *value = field(c, object, name, need);
    if (!value)
        return false;
    if (json_is_string(value) && dw_civil_minute_read(json_string_value(value), ret_minute))
        return true;
    bad(c, name, "a time such as 14:05");
    return false;
}

struct dw_view dw_in_bytes(struct dw_call *c, const json_t *object, const char *name, size_t max)
{
    const json_t *value = field(c, object, name, DW_REQUIRED);
    struct dw_view none = {0};
    if (!value)
        return none;
    size_t len = json_string_length(value);
    size_t count = 0;
    uint8_t *bytes = dw_arena_take(&c->work.arena, max);
    if (json_is_string(value) && len > 0 && len < DW_BASE64URL_CAP(max) &&
        !dw_failed(dw_unbase64url(json_string_value(value), len, bytes, max, &count)))
        return dw_view_of(bytes, count);
    bad(c, name, "bytes in base64url without padding");
    return none;
}

const json_t *dw_in_object(struct dw_call *c, const json_t *object, const char *name,
                           enum dw_need need)
{
    const json_t *value = field(c, object, name, need);
    if (value && !json_is_object(value)) {
        bad(c, name, "an object");
        return NULL;
    }
    return value;
}

/* -- output -------------------------------------------------------------------------------------
 */

void dw_id_new(uint8_t ret_id[DW_ID_BYTES])
{
    /* The first six bytes are the time, so that lists come in order and inserts go to the end. */
    uint64_t ms = (uint64_t)dw_service_now_ms();
    dw_random(ret_id, DW_ID_BYTES);
    for (size_t i = 0; i < 6; i++)
        ret_id[i] = (uint8_t)(ms >> (40 - 8 * i));
}

json_t *dw_json_id(const uint8_t id[DW_ID_BYTES])
{
    char text[DW_ID_TEXT];
    dw_hex(id, DW_ID_BYTES, text);
    return json_string(text);
}

json_t *dw_json_visit(uint64_t visit)
{
    return json_sprintf("%016llx", (unsigned long long)visit);
}

json_t *dw_json_bytes(const void *bytes, size_t len)
{
    char text[DW_BASE64URL_CAP(4096)];
    dw_base64url(bytes, len, text, sizeof(text));
    return json_string(text);
}

json_t *dw_json_col_id(sqlite3_stmt *stmt, int i)
{
    uint8_t id[DW_ID_BYTES];
    return dw_col_blob(stmt, i, id, sizeof(id)) ? dw_json_id(id) : json_null();
}

json_t *dw_json_col_time(sqlite3_stmt *stmt, int i)
{
    char text[DW_UTC_TEXT];
    int64_t ms = sqlite3_column_int64(stmt, i);
    if (ms <= 0)
        return json_null();
    dw_utc_write(ms, text);
    return json_string(text);
}

json_t *dw_json_col_text(sqlite3_stmt *stmt, int i)
{
    if (sqlite3_column_type(stmt, i) == SQLITE_NULL)
        return json_null();
    return json_string(dw_col_text(stmt, i));
}

json_t *dw_json_day(int32_t day)
{
    char text[DW_CIVIL_TEXT];
    dw_civil_day_write(day, text);
    return json_string(text);
}

json_t *dw_json_minute(uint32_t minute)
{
    char text[DW_CIVIL_TEXT];
    dw_civil_minute_write(minute, text);
    return json_string(text);
}

json_t *dw_json_page(json_t *items, const uint8_t *next)
{
    return json_pack("{s:o, s:o}", "items", items, "next", next ? dw_json_id(next) : json_null());
}
