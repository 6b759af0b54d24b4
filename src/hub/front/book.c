#include "hub/front/book.h"

#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "os/os.h"

#define SESSIONS_A_MEMBER 16
#define VIEWS_MAX         5000
#define VIEW_JOIN_MS      60000 /* a look that comes back within a minute is the same look */
#define PLACES_A_MEMBER   16
#define DRILLS_MAX        200
#define STORY_MAX         20000
#define WHO_MAX           4000
#define TRIM_EVERY        256u /* lines; a table may be so much longer than its bound */

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS session (id INTEGER PRIMARY KEY AUTOINCREMENT, hash BLOB NOT NULL"
    " UNIQUE, before BLOB, before_until INTEGER, member INTEGER NOT NULL, csrf TEXT NOT NULL,"
    " created INTEGER NOT NULL, used INTEGER NOT NULL, turned INTEGER NOT NULL, credential BLOB)"
    " STRICT;"
    "CREATE INDEX IF NOT EXISTS session_before ON session (before);"
    "CREATE TABLE IF NOT EXISTS view (id INTEGER PRIMARY KEY AUTOINCREMENT, member INTEGER NOT"
    " NULL, what INTEGER NOT NULL, visit INTEGER NOT NULL, at INTEGER NOT NULL, until INTEGER NOT"
    " NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS place (endpoint TEXT PRIMARY KEY, member INTEGER NOT NULL, channel"
    " INTEGER NOT NULL, added INTEGER NOT NULL, status INTEGER) STRICT;"
    "CREATE TABLE IF NOT EXISTS drill (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, at"
    " INTEGER NOT NULL, result TEXT NOT NULL, seconds REAL) STRICT;"
    "CREATE TABLE IF NOT EXISTS story (number INTEGER PRIMARY KEY, utc INTEGER NOT NULL, visit"
    " INTEGER NOT NULL, kind INTEGER NOT NULL, value INTEGER NOT NULL, value2 INTEGER NOT NULL,"
    " member INTEGER NOT NULL) STRICT;"
    "CREATE INDEX IF NOT EXISTS story_visit ON story (visit, number);"
    "CREATE TABLE IF NOT EXISTS who (visit INTEGER PRIMARY KEY, kind INTEGER NOT NULL, is_owner"
    " INTEGER NOT NULL, member INTEGER NOT NULL, visitor TEXT NOT NULL, agency TEXT NOT NULL)"
    " STRICT;"
    "CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value ANY) STRICT;";

struct dw_book {
    sqlite3 *db;
    uint32_t since_trim;
    bool is_damaged;
    struct {
        const char *sql; /* the literal itself: its address is the key */
        sqlite3_stmt *stmt;
    } cached[64];
    size_t count;
};

int64_t dw_book_now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- one statement ---- */

static void complain(struct dw_book *b, const char *what)
{
    dw_log("error", "front_book", "what=%s code=%d detail=\"%s\"", what,
           sqlite3_extended_errcode(b->db), sqlite3_errmsg(b->db));
}

static sqlite3_stmt *prepared(struct dw_book *b, const char *sql)
{
    for (size_t i = 0; i < b->count; i++) {
        if (b->cached[i].sql == sql)
            return b->cached[i].stmt;
    }
    DW_ASSERT(b->count < DW_ARRAY_COUNT(b->cached));
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v3(b->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) != SQLITE_OK) {
        complain(b, "prepare");
        return NULL;
    }
    b->cached[b->count].sql = sql;
    b->cached[b->count++].stmt = stmt;
    return stmt;
}

/* `format`, a letter a value: i int64, t text, h 32 bytes, b bytes and size_t, d double, n null. */
DW_MUST_USE static sqlite3_stmt *ask(struct dw_book *b, const char *sql, const char *format, ...)
{
    sqlite3_stmt *s = prepared(b, sql);
    if (!s)
        return NULL;
    (void)sqlite3_reset(s);
    (void)sqlite3_clear_bindings(s);
    va_list args;
    va_start(args, format);
    int code = SQLITE_OK;
    for (int at = 1; format[at - 1] && code == SQLITE_OK; at++) {
        switch (format[at - 1]) {
        case 'i': code = sqlite3_bind_int64(s, at, va_arg(args, int64_t)); break;
        case 'd': code = sqlite3_bind_double(s, at, va_arg(args, double)); break;
        case 'n': code = sqlite3_bind_null(s, at); break;
        case 'h':
            code = sqlite3_bind_blob(s, at, va_arg(args, const void *), 32, SQLITE_TRANSIENT);
            break;
        case 'b': {
            const void *p = va_arg(args, const void *);
            code = sqlite3_bind_blob64(s, at, p, va_arg(args, size_t), SQLITE_TRANSIENT);
            break;
        }
        case 't':
            code = sqlite3_bind_text(s, at, va_arg(args, const char *), -1, SQLITE_TRANSIENT);
            break;
        default: DW_ASSERT(false);
        }
    }
    va_end(args);
    if (code != SQLITE_OK) {
        complain(b, "bind");
        return NULL;
    }
    return s;
}

static bool next(struct dw_book *b, sqlite3_stmt *s)
{
    if (!s)
        return false;
    int code = sqlite3_step(s);
    if (code == SQLITE_ROW)
        return true;
    if (code != SQLITE_DONE)
        complain(b, "step");
    (void)sqlite3_reset(s);
    return false;
}

/* For statements without rows. */
static bool run(struct dw_book *b, sqlite3_stmt *s)
{
    if (!s)
        return false;
    int code = sqlite3_step(s);
    if (code != SQLITE_DONE && code != SQLITE_ROW)
        complain(b, "step");
    (void)sqlite3_reset(s);
    return code == SQLITE_DONE || code == SQLITE_ROW;
}

static int64_t number_of(struct dw_book *b, sqlite3_stmt *s, int64_t otherwise)
{
    if (!next(b, s))
        return otherwise;
    int64_t n = sqlite3_column_type(s, 0) == SQLITE_NULL ? otherwise : sqlite3_column_int64(s, 0);
    (void)sqlite3_reset(s);
    return n;
}

static const char *text_col(sqlite3_stmt *s, int i)
{
    const char *t = (const char *)sqlite3_column_text(s, i);
    return t ? t : "";
}

/* ---- open ---- */

static bool is_sound(struct dw_book *b)
{
    sqlite3_stmt *s = NULL;
    bool is = sqlite3_prepare_v2(b->db, "PRAGMA quick_check(1)", -1, &s, NULL) == SQLITE_OK &&
              sqlite3_step(s) == SQLITE_ROW && strcmp(text_col(s, 0), "ok") == 0;
    (void)sqlite3_finalize(s);
    b->is_damaged = !is;
    return is;
}

/* What came later than a file that is there. */
static bool has_columns(struct dw_book *b)
{
    sqlite3_stmt *s = NULL;
    bool is = sqlite3_prepare_v2(b->db,
                                 "SELECT 1 FROM pragma_table_info('session')"
                                 " WHERE name = 'credential'",
                                 -1, &s, NULL) == SQLITE_OK &&
              sqlite3_step(s) == SQLITE_ROW;
    (void)sqlite3_finalize(s);
    return is || sqlite3_exec(b->db, "ALTER TABLE session ADD COLUMN credential BLOB", NULL, NULL,
                              NULL) == SQLITE_OK;
}

static bool open_file(struct dw_book *b, const char *path)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    /* NORMAL: nothing waits for the disk while pictures pass; a power cut may take back the last
     * moments (a sign-out among them), never more. EXCLUSIVE: no shared memory file. */
    return sqlite3_open_v2(path, &b->db, flags, NULL) == SQLITE_OK &&
           sqlite3_exec(b->db,
                        "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;"
                        "PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY;"
                        "PRAGMA trusted_schema=OFF; PRAGMA secure_delete=ON;",
                        NULL, NULL, NULL) == SQLITE_OK &&
           is_sound(b) && sqlite3_exec(b->db, schema, NULL, NULL, NULL) == SQLITE_OK &&
           has_columns(b);
}

static void close_file(struct dw_book *b)
{
    for (size_t i = 0; i < b->count; i++)
        (void)sqlite3_finalize(b->cached[i].stmt);
    b->count = 0;
    (void)sqlite3_close(b->db);
    b->db = NULL;
}

static bool put_aside(const char *path)
{
    char aside[520], wal[520];
    (void)snprintf(aside, sizeof(aside), "%s.damaged", path);
    (void)snprintf(wal, sizeof(wal), "%s-wal", path);
    (void)unlink(wal); /* of the damaged file; a new one must not read it */
    return rename(path, aside) == 0;
}

dw_err dw_book_open(const char *folder, struct dw_book **ret_book, char *why, size_t why_cap)
{
    char path[512] = ":memory:";
    struct dw_book *b = calloc(1, sizeof(*b));
    if (!b)
        return dw_fail(DW_E_IO);
    if (folder[0] && (dw_failed(dw_folder(folder)) ||
                      dw_failed(dw_path(path, sizeof(path), folder, "front.sqlite")))) {
        (void)snprintf(why, why_cap, "front.state = %s: cannot make this folder", folder);
        free(b);
        return dw_fail(DW_E_IO);
    }
    if (open_file(b, path)) {
        *ret_book = b;
        return DW_OK;
    }
    /* Sessions and a copy of the history: no reason for a house without pages. It is kept for
     * whoever wants to look, and everybody signs in again. */
    int code = b->db ? sqlite3_errcode(b->db) & 0xff : SQLITE_NOMEM;
    bool is_damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB || b->is_damaged;
    close_file(b);
    if (folder[0] && is_damaged && put_aside(path) && open_file(b, path)) {
        dw_log("warn", "front_book", "result=damaged kept_as=%s.damaged", path);
        *ret_book = b;
        return DW_OK;
    }
    (void)snprintf(why, why_cap, "%s: %s. Is there room, and may this program write there?", path,
                   b->db ? sqlite3_errmsg(b->db) : "it cannot be opened");
    dw_book_close(b);
    return dw_fail(DW_E_IO);
}

void dw_book_close(struct dw_book *b)
{
    if (!b)
        return;
    close_file(b);
    free(b);
}

/* ---- sessions ---- */

static void new_token(char ret_token[DW_SESSION_TOKEN_TEXT])
{
    uint8_t bytes[32];
    dw_random(bytes, sizeof(bytes));
    dw_hex(bytes, sizeof(bytes), ret_token);
}

static bool hash_of(const char *token, uint8_t ret_hash[32])
{
    uint8_t bytes[32];
    if (strlen(token) != DW_SESSION_TOKEN_TEXT - 1 ||
        dw_failed(dw_unhex(token, bytes, sizeof(bytes))))
        return false;
    dw_sha256(dw_view_of(bytes, sizeof(bytes)), ret_hash);
    return true;
}

static void take_credential(struct dw_session_row *row, const void *bytes, size_t len)
{
    if (!bytes || len > sizeof(row->credential))
        return;
    memcpy(row->credential, bytes, len);
    row->credential_len = (uint16_t)len;
}

bool dw_book_session_new(struct dw_book *b, uint32_t member, struct dw_view credential,
                         struct dw_session_row *ret_row, char ret_token[DW_SESSION_TOKEN_TEXT])
{
    uint8_t hash[32];
    int64_t now = dw_book_now_ms();
    struct dw_session_row row = {.member = member,
                                 .created_ms = now,
                                 .used_ms = now,
                                 .turned_ms = now,
                                 .is_present_token = true};
    new_token(ret_token);
    new_token(row.csrf);
    take_credential(&row, credential.ptr, credential.len);
    if (!hash_of(ret_token, hash))
        return false;
    (void)run(b, ask(b,
                     "DELETE FROM session WHERE member = ?1 AND id NOT IN (SELECT id FROM session"
                     " WHERE member = ?1 ORDER BY used DESC LIMIT ?2)",
                     "ii", (int64_t)member, (int64_t)SESSIONS_A_MEMBER - 1));
    if (!run(b, ask(b,
                    "INSERT INTO session (hash, member, csrf, created, used, turned, credential)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    "hitiiib", hash, (int64_t)member, row.csrf, now, now, now, row.credential,
                    (size_t)row.credential_len)))
        return false;
    row.id = (uint64_t)sqlite3_last_insert_rowid(b->db);
    *ret_row = row;
    return true;
}

/* A clock that was set back makes nothing younger than it was said to be: ages below 0 count as 0,
 * and what lies in the future by more than a day does not count at all. */
static bool is_alive(int64_t now, int64_t created, int64_t used)
{
    const int64_t day = 86400000;
    return now - used <= DW_SESSION_IDLE_MS && now - created <= DW_SESSION_LIFE_MS &&
           used - now <= day && created - now <= day;
}

bool dw_book_session_find(struct dw_book *b, const char *token, struct dw_session_row *ret_row)
{
    uint8_t hash[32];
    int64_t now = dw_book_now_ms();
    if (!hash_of(token, hash))
        return false;
    sqlite3_stmt *s =
        ask(b,
            "SELECT id, member, csrf, created, used, turned, hash = ?1, before_until,"
            " before IS NOT NULL, credential FROM session WHERE hash = ?1 OR before = ?1",
            "h", hash);
    if (!next(b, s))
        return false;
    struct dw_session_row row = {.id = (uint64_t)sqlite3_column_int64(s, 0),
                                 .member = (uint32_t)sqlite3_column_int64(s, 1),
                                 .created_ms = sqlite3_column_int64(s, 3),
                                 .used_ms = sqlite3_column_int64(s, 4),
                                 .turned_ms = sqlite3_column_int64(s, 5),
                                 .is_present_token = sqlite3_column_int(s, 6) == 1};
    (void)snprintf(row.csrf, sizeof(row.csrf), "%s", text_col(s, 2));
    bool has_until = sqlite3_column_type(s, 7) != SQLITE_NULL;
    int64_t until = sqlite3_column_int64(s, 7);
    bool has_before = sqlite3_column_int(s, 8) == 1;
    const void *credential = sqlite3_column_blob(s, 9); /* before its length: see sqlite3.h */
    take_credential(&row, credential, (size_t)sqlite3_column_bytes(s, 9));
    (void)sqlite3_reset(s);
    if (!is_alive(now, row.created_ms, row.used_ms))
        return false;
    if (!row.is_present_token && has_until && now > until)
        return false;
    if (row.is_present_token && has_before && !has_until) { /* the new one has arrived */
        (void)run(b, ask(b, "UPDATE session SET before_until = ?, turned = ? WHERE id = ?", "iii",
                         now + DW_SESSION_GRACE_MS, now, (int64_t)row.id));
        row.turned_ms = now;
    }
    *ret_row = row;
    return true;
}

bool dw_book_session_turn(struct dw_book *b, uint64_t id, char ret_token[DW_SESSION_TOKEN_TEXT])
{
    uint8_t hash[32];
    int64_t now = dw_book_now_ms();
    new_token(ret_token);
    if (!hash_of(ret_token, hash))
        return false;
    /* When the last new token has never come back, its answer was lost: the one before stays the
     * one before, or a bad network would sign people out. */
    return run(b, ask(b,
                      "UPDATE session SET before = CASE WHEN before IS NOT NULL AND before_until IS"
                      " NULL THEN before ELSE hash END, before_until = NULL, hash = ?,"
                      " used = ?2, turned = ?2 WHERE id = ?3",
                      "hii", hash, now, (int64_t)id));
}

bool dw_book_session_is_open(struct dw_book *b, uint64_t id, uint32_t member)
{
    sqlite3_stmt *s = ask(b, "SELECT created, used FROM session WHERE id = ? AND member = ?", "ii",
                          (int64_t)id, (int64_t)member);
    if (!next(b, s))
        return false;
    bool is_open =
        is_alive(dw_book_now_ms(), sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 1));
    (void)sqlite3_reset(s);
    return is_open;
}

void dw_book_session_used(struct dw_book *b, uint64_t id)
{
    (void)run(
        b, ask(b, "UPDATE session SET used = ? WHERE id = ?", "ii", dw_book_now_ms(), (int64_t)id));
}

void dw_book_session_end(struct dw_book *b, uint64_t id)
{
    (void)run(b, ask(b, "DELETE FROM session WHERE id = ?", "i", (int64_t)id));
}

void dw_book_sessions_end(struct dw_book *b, uint32_t member)
{
    (void)run(b, ask(b, "DELETE FROM session WHERE member = ?", "i", (int64_t)member));
}

static bool is_member(const struct dw_ipc_people *p, int64_t member)
{
    for (uint32_t i = 0; i < DW_MEMBERS_MAX; i++) {
        if (p->member[i].id != 0 && p->member[i].id == member)
            return true;
    }
    return false;
}

void dw_book_tidy(struct dw_book *b, const struct dw_ipc_people *people)
{
    int64_t gone[64], now = dw_book_now_ms();
    unsigned count = 0;
    (void)run(b, ask(b, "DELETE FROM session WHERE used < ? OR created < ?", "ii",
                     now - DW_SESSION_IDLE_MS, now - DW_SESSION_LIFE_MS));
    sqlite3_stmt *s = ask(b, "SELECT member FROM session UNION SELECT member FROM place", "");
    while (count < DW_ARRAY_COUNT(gone) && next(b, s)) {
        if (!is_member(people, sqlite3_column_int64(s, 0)))
            gone[count++] = sqlite3_column_int64(s, 0);
    }
    if (s)
        (void)sqlite3_reset(s);
    for (unsigned i = 0; i < count; i++) {
        dw_book_sessions_end(b, (uint32_t)gone[i]);
        (void)run(b, ask(b, "DELETE FROM place WHERE member = ?", "i", gone[i]));
    }
}

/* ---- who looked ---- */

json_t *dw_time_json(int64_t ms)
{
    char text[40];
    struct tm tm;
    time_t s = (time_t)(ms / 1000);
    if (ms <= 0 || !gmtime_r(&s, &tm))
        return json_null();
    size_t len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(text + len, sizeof(text) - len, ".%03dZ", (int)(ms % 1000));
    return json_string(text);
}

static json_t *visit_json(int64_t visit)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%016llx", (unsigned long long)visit);
    return visit ? json_string(text) : json_null();
}

void dw_book_view(struct dw_book *b, uint32_t member, enum dw_view_kind what, uint64_t visit,
                  uint64_t ago_ms)
{
    int64_t now = dw_book_now_ms() - (int64_t)ago_ms;
    int64_t id =
        number_of(b,
                  ask(b,
                      "SELECT id FROM view WHERE member = ? AND what = ? AND visit = ? AND"
                      " until >= ? ORDER BY id DESC LIMIT 1",
                      "iiii", (int64_t)member, (int64_t)what, (int64_t)visit, now - VIEW_JOIN_MS),
                  0);
    if (id) {
        (void)run(b, ask(b, "UPDATE view SET until = max(until, ?) WHERE id = ?", "ii", now, id));
        return;
    }
    (void)run(b, ask(b, "INSERT INTO view (member, what, visit, at, until) VALUES (?, ?, ?, ?, ?)",
                     "iiiii", (int64_t)member, (int64_t)what, (int64_t)visit, now, now));
    (void)run(b, ask(b, "DELETE FROM view WHERE id <= (SELECT max(id) FROM view) - ?", "i",
                     (int64_t)VIEWS_MAX));
}

json_t *dw_book_views(struct dw_book *b, uint64_t visit, unsigned limit)
{
    json_t *list = json_array();
    sqlite3_stmt *s =
        visit ? ask(b,
                    "SELECT member, what, visit, at, until FROM view WHERE visit = ?"
                    " ORDER BY id DESC LIMIT ?",
                    "ii", (int64_t)visit, (int64_t)limit)
              : ask(b, "SELECT member, what, visit, at, until FROM view ORDER BY id DESC LIMIT ?",
                    "i", (int64_t)limit);
    while (next(b, s))
        json_array_append_new(
            list,
            json_pack("{s:I, s:s, s:o, s:o, s:o}", "member", (json_int_t)sqlite3_column_int64(s, 0),
                      "what", sqlite3_column_int(s, 1) == DW_VIEW_RECORDING ? "recording" : "live",
                      "visit", visit_json(sqlite3_column_int64(s, 2)), "from",
                      dw_time_json(sqlite3_column_int64(s, 3)), "to",
                      dw_time_json(sqlite3_column_int64(s, 4))));
    return list;
}

/* ---- places ---- */

void dw_book_place_add(struct dw_book *b, const struct dw_place *p)
{
    (void)run(b,
              ask(b,
                  "INSERT INTO place (endpoint, member, channel, added) VALUES (?, ?, ?, ?)"
                  " ON CONFLICT (endpoint) DO UPDATE SET member = excluded.member, channel ="
                  " excluded.channel, added = excluded.added, status = NULL",
                  "tiii", p->endpoint, (int64_t)p->member, (int64_t)p->channel, dw_book_now_ms()));
}

bool dw_book_place_remove(struct dw_book *b, uint32_t member, const char *endpoint)
{
    return run(b, ask(b, "DELETE FROM place WHERE member = ? AND endpoint = ?", "it",
                      (int64_t)member, endpoint)) &&
           sqlite3_changes(b->db) > 0;
}

void dw_book_place_done(struct dw_book *b, const struct dw_ipc_alert_done *d)
{
    char endpoint[sizeof(d->endpoint) + 1];
    (void)snprintf(endpoint, sizeof(endpoint), "%.*s", (int)sizeof(d->endpoint), d->endpoint);
    if (d->is_gone)
        (void)run(b, ask(b, "DELETE FROM place WHERE endpoint = ?", "t", endpoint));
    else
        (void)run(b, ask(b, "UPDATE place SET status = ? WHERE endpoint = ?", "it",
                         (int64_t)d->status, endpoint));
}

uint32_t dw_book_place_count(struct dw_book *b, uint32_t member)
{
    return (uint32_t)number_of(
        b, ask(b, "SELECT count(*) FROM place WHERE member = ?", "i", (int64_t)member),
        PLACES_A_MEMBER);
}

/* An endpoint is a secret of its browser: the list names it by its host and a hash. */
static void shorten(const char *endpoint, char *ret_text, size_t cap)
{
    uint8_t hash[32];
    char hex[65];
    const char *host = strstr(endpoint, "://");
    host = host ? host + 3 : endpoint;
    dw_sha256(dw_view_of(endpoint, strlen(endpoint)), hash);
    dw_hex(hash, sizeof(hash), hex);
    (void)snprintf(ret_text, cap, "%.*s/...%.8s", (int)strcspn(host, "/"), host, hex);
}

json_t *dw_book_places(struct dw_book *b, uint32_t member)
{
    static const char *const channels[DW_ALERT_CHANNEL_COUNT] = {"?", "push", "ntfy"};
    json_t *list = json_array();
    sqlite3_stmt *s =
        ask(b, "SELECT endpoint, channel, added, status FROM place WHERE member = ? ORDER BY added",
            "i", (int64_t)member);
    while (next(b, s)) {
        char text[300];
        int64_t channel = sqlite3_column_int64(s, 1);
        shorten(text_col(s, 0), text, sizeof(text));
        json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:o, s:o}", "channel",
                      channel > 0 && channel < DW_ALERT_CHANNEL_COUNT ? channels[channel] : "?",
                      "endpoint", text, "added", dw_time_json(sqlite3_column_int64(s, 2)),
                      "last_status",
                      sqlite3_column_type(s, 3) == SQLITE_NULL
                          ? json_null()
                          : json_integer(sqlite3_column_int64(s, 3))));
    }
    return list;
}

bool dw_book_place_by_id(struct dw_book *b, uint32_t member, const char *id, char *ret_endpoint,
                         size_t cap)
{
    bool is_found = false;
    sqlite3_stmt *s = ask(b, "SELECT endpoint FROM place WHERE member = ?", "i", (int64_t)member);
    while (!is_found && next(b, s)) {
        char text[300];
        shorten(text_col(s, 0), text, sizeof(text));
        is_found = strcmp(text, id) == 0 || strcmp(text_col(s, 0), id) == 0;
        if (is_found)
            (void)snprintf(ret_endpoint, cap, "%s", text_col(s, 0));
    }
    if (s)
        (void)sqlite3_reset(s);
    return is_found;
}

void dw_book_vapid_set(struct dw_book *b, const uint8_t key[65])
{
    (void)run(b, ask(b, "INSERT OR REPLACE INTO fact (name, value) VALUES ('vapid', ?)", "b", key,
                     (size_t)65));
}

bool dw_book_vapid(struct dw_book *b, uint8_t ret_key[65])
{
    sqlite3_stmt *s = ask(b, "SELECT value FROM fact WHERE name = 'vapid'", "");
    if (!next(b, s))
        return false;
    bool is_whole = sqlite3_column_bytes(s, 0) == 65;
    if (is_whole)
        memcpy(ret_key, sqlite3_column_blob(s, 0), 65);
    (void)sqlite3_reset(s);
    return is_whole;
}

/* ---- drills ---- */

void dw_book_drill(struct dw_book *b, const char *name, const char *result, double seconds)
{
    (void)run(b, ask(b, "INSERT INTO drill (name, at, result, seconds) VALUES (?, ?, ?, ?)",
                     seconds >= 0 ? "titd" : "titn", name, dw_book_now_ms(), result, seconds));
    (void)run(b, ask(b, "DELETE FROM drill WHERE id <= (SELECT max(id) FROM drill) - ?", "i",
                     (int64_t)DRILLS_MAX));
}

json_t *dw_book_drills(struct dw_book *b)
{
    json_t *list = json_array();
    sqlite3_stmt *s = ask(b, "SELECT name, at, result, seconds FROM drill ORDER BY id DESC", "");
    while (next(b, s))
        json_array_append_new(list, json_pack("{s:s, s:o, s:s, s:o}", "name", text_col(s, 0), "at",
                                              dw_time_json(sqlite3_column_int64(s, 1)), "result",
                                              text_col(s, 2), "seconds_to_alarm",
                                              sqlite3_column_type(s, 3) == SQLITE_NULL
                                                  ? json_null()
                                                  : json_real(sqlite3_column_double(s, 3))));
    return list;
}

/* ---- story ---- */

static void trim(struct dw_book *b)
{
    if (++b->since_trim < TRIM_EVERY)
        return;
    b->since_trim = 0;
    (void)run(b, ask(b, "DELETE FROM story WHERE number <= (SELECT max(number) FROM story) - ?",
                     "i", (int64_t)STORY_MAX));
    (void)run(b, ask(b,
                     "DELETE FROM who WHERE (SELECT count(*) FROM who) > ? AND visit NOT IN"
                     " (SELECT visit FROM story)",
                     "i", (int64_t)WHO_MAX));
}

void dw_book_story(struct dw_book *b, const struct dw_ipc_story *s)
{
    if (s->number == 0 || s->number > INT64_MAX)
        return;
    (void)run(b, ask(b,
                     "INSERT OR REPLACE INTO story (number, utc, visit, kind, value, value2,"
                     " member) VALUES (?, ?, ?, ?, ?, ?, ?)",
                     "iiiiiii", (int64_t)s->number, s->utc_ms, (int64_t)s->visit, (int64_t)s->kind,
                     (int64_t)s->value, (int64_t)s->value2, (int64_t)s->member));
    trim(b);
}

void dw_book_who(struct dw_book *b, const struct dw_ipc_who *w)
{
    char visitor[DW_NAME_MAX + 1], agency[DW_NAME_MAX + 1];
    (void)snprintf(visitor, sizeof(visitor), "%.*s", (int)DW_NAME_MAX, w->visitor);
    (void)snprintf(agency, sizeof(agency), "%.*s", (int)DW_NAME_MAX, w->agency);
    (void)run(b, ask(b,
                     "INSERT OR REPLACE INTO who (visit, kind, is_owner, member, visitor, agency)"
                     " VALUES (?, ?, ?, ?, ?, ?)",
                     "iiiitt", (int64_t)w->visit, (int64_t)w->kind, (int64_t)w->is_owner,
                     (int64_t)w->member, visitor, agency));
}

uint64_t dw_book_story_whole(struct dw_book *b)
{
    return (uint64_t)number_of(b, ask(b, "SELECT value FROM fact WHERE name = 'whole'", ""), 0);
}

void dw_book_story_whole_set(struct dw_book *b, uint64_t number)
{
    (void)run(b, ask(b, "INSERT OR REPLACE INTO fact (name, value) VALUES ('whole', ?)", "i",
                     (int64_t)number));
}

void dw_book_story_forget(struct dw_book *b)
{
    (void)run(b, ask(b, "DELETE FROM story", ""));
    (void)run(b, ask(b, "DELETE FROM who", ""));
    dw_book_story_whole_set(b, 0);
}

/* ---- what a visit was ---- */

struct sum {
    int64_t asked, opened, secured;
    uint32_t gap_ms, blind_ms, alarms, check, member;
    int64_t blind_since;
    bool has_opened, has_segment;
    enum dw_outcome outcome;
};

static void add_line(struct sum *v, int64_t utc, enum dw_story kind, uint32_t value,
                     uint32_t value2, uint32_t member)
{
    if (member && !v->member)
        v->member = member;
    /* What says something about a visit as a whole; the other lines stand in the story only. */
    if (kind == DW_STORY_VISIT_ASKED && !v->asked) {
        v->asked = utc;
    } else if (kind == DW_STORY_OPENING && !v->has_opened) {
        v->opened = utc;
        v->has_opened = true;
    } else if (kind == DW_STORY_SECURED) {
        v->secured = utc;
    } else if (kind == DW_STORY_VISIT_REFUSED) {
        v->check = value;
        v->outcome = DW_OUTCOME_REFUSED;
    } else if (kind == DW_STORY_VISIT_ENDED || kind == DW_STORY_CONFIRMED_LATE) {
        v->outcome = (enum dw_outcome)value;
        if (value2 > v->gap_ms)
            v->gap_ms = value2;
    } else if (kind == DW_STORY_ALARM && value < DW_ALARM_COUNT) {
        v->alarms |= DW_BIT(value);
    } else if (kind == DW_STORY_SEGMENT) {
        v->has_segment = true;
    } else if (kind == DW_STORY_CAMERA_STATE) {
        bool is_seen = value == DW_CAMERA_LIVE || value == DW_CAMERA_LATE;
        if (!is_seen && !v->blind_since)
            v->blind_since = utc;
        if (is_seen && v->blind_since && utc > v->blind_since)
            v->blind_ms += (uint32_t)(utc - v->blind_since);
        if (is_seen)
            v->blind_since = 0;
    }
}

static json_t *sum_json(struct dw_book *b, int64_t visit, const struct sum *v, bool has_recording)
{
    json_t *alarms = json_array();
    for (uint32_t a = 0; a < DW_ALARM_COUNT; a++) {
        if (v->alarms & DW_BIT(a))
            json_array_append_new(alarms, json_string(dw_alarm_code((enum dw_alarm)a)));
    }
    bool has_inside = v->opened > 0 && v->secured >= v->opened;
    json_t *j = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:b}", "visit", visit_json(visit),
        "asked_at", dw_time_json(v->asked), "opened_at", dw_time_json(v->opened), "secured_at",
        dw_time_json(v->secured), "inside_ms",
        has_inside ? json_integer(v->secured - v->opened) : json_null(), "outcome",
        v->outcome == DW_OUTCOME_NONE ? json_null() : json_string(dw_outcome_word(v->outcome)),
        "check",
        v->check == DW_CHECK_NONE ? json_null()
                                  : json_string(dw_check_code((enum dw_check)v->check)),
        "gap_ms", (json_int_t)v->gap_ms, "blind_ms", (json_int_t)v->blind_ms, "alarms", alarms,
        "has_recording", has_recording);
    if (!j)
        return NULL;
    sqlite3_stmt *s = ask(
        b, "SELECT kind, is_owner, member, visitor, agency FROM who WHERE visit = ?", "i", visit);
    bool is_known = next(b, s);
    bool is_owner = is_known && sqlite3_column_int(s, 1) != 0;
    int64_t member =
        is_known && sqlite3_column_int64(s, 2) ? sqlite3_column_int64(s, 2) : (int64_t)v->member;
    json_object_set_new(j, "kind",
                        !is_known
                            ? json_null()
                            : json_string(is_owner                                    ? "owner"
                                          : sqlite3_column_int(s, 0) == DW_VISIT_STAY ? "stay"
                                                                                      : "drop"));
    json_object_set_new(j, "visitor", json_string(is_known ? text_col(s, 3) : ""));
    json_object_set_new(j, "agency", json_string(is_known ? text_col(s, 4) : ""));
    json_object_set_new(j, "is_owner", json_boolean(is_owner));
    json_object_set_new(j, "member", member ? json_integer(member) : json_null());
    if (is_known)
        (void)sqlite3_reset(s);
    return j;
}

/* Reads the lines of a visit; `lines` (may be NULL) gets them. */
static struct sum add_up(struct dw_book *b, int64_t visit, json_t *lines)
{
    struct sum v = {0};
    int64_t last = 0;
    sqlite3_stmt *s = ask(b,
                          "SELECT number, utc, kind, value, value2, member FROM story"
                          " WHERE visit = ? ORDER BY number LIMIT 4000",
                          "i", visit);
    while (next(b, s)) {
        int64_t utc = sqlite3_column_int64(s, 1);
        enum dw_story kind = (enum dw_story)sqlite3_column_int64(s, 2);
        uint32_t value = (uint32_t)sqlite3_column_int64(s, 3);
        uint32_t value2 = (uint32_t)sqlite3_column_int64(s, 4);
        uint32_t member = (uint32_t)sqlite3_column_int64(s, 5);
        last = utc;
        add_line(&v, utc, kind, value, value2, member);
        if (!lines)
            continue;
        const char *word = dw_story_value_word(kind, value);
        json_array_append_new(
            lines, json_pack("{s:I, s:o, s:I, s:s, s:I, s:I, s:o, s:s*}", "number",
                             (json_int_t)sqlite3_column_int64(s, 0), "at", dw_time_json(utc), "utc",
                             (json_int_t)utc, "kind", dw_story_word(kind), "value",
                             (json_int_t)value, "value2", (json_int_t)value2, "member",
                             member ? json_integer(member) : json_null(), "word", word));
    }
    if (v.blind_since && last > v.blind_since)
        v.blind_ms += (uint32_t)(last - v.blind_since);
    return v;
}

json_t *dw_book_history(struct dw_book *b, uint64_t before, unsigned limit,
                        dw_book_has_recording *has, void *ctx, uint64_t *ret_next)
{
    struct {
        int64_t visit, first;
    } row[100];
    unsigned count = 0;
    json_t *list = json_array();
    *ret_next = 0;
    if (limit == 0 || limit > DW_ARRAY_COUNT(row))
        limit = DW_ARRAY_COUNT(row);
    int64_t from = before && before <= INT64_MAX ? (int64_t)before : INT64_MAX;
    sqlite3_stmt *s = ask(b,
                          "SELECT visit, min(number) AS first FROM story WHERE visit <> 0 GROUP BY"
                          " visit HAVING first < ? ORDER BY first DESC LIMIT ?",
                          "ii", from, (int64_t)limit);
    while (count < limit && next(b, s)) {
        row[count].visit = sqlite3_column_int64(s, 0);
        row[count++].first = sqlite3_column_int64(s, 1);
    }
    if (s)
        (void)sqlite3_reset(s);
    for (unsigned i = 0; i < count; i++) {
        struct sum v = add_up(b, row[i].visit, NULL);
        json_array_append_new(list,
                              sum_json(b, row[i].visit, &v, has(ctx, (uint64_t)row[i].visit)));
    }
    if (count == limit)
        *ret_next = (uint64_t)row[count - 1].first;
    return list;
}

json_t *dw_book_visit(struct dw_book *b, uint64_t visit, dw_book_has_recording *has, void *ctx)
{
    json_t *lines = json_array();
    struct sum v = add_up(b, (int64_t)visit, lines);
    if (json_array_size(lines) == 0) {
        json_decref(lines);
        return NULL;
    }
    json_t *j = sum_json(b, (int64_t)visit, &v, has(ctx, visit));
    if (!j) {
        json_decref(lines);
        return NULL;
    }
    json_object_set_new(j, "lines", lines);
    return j;
}
