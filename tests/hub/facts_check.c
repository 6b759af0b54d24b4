/* facts_check STATE_FOLDER - looks at a hub's durable facts from outside, also while it runs.
 *
 * One JSON object on stdout: the number that the record's next leaf gets, bytes of a torn batch,
 * whether SQLite finds its file sound, how many event bodies there are and how many of them are not
 * what their leaf committed to, visits that are still open, visits that used up a parcel, and how
 * often each grant was used. Status 0 when the record is whole and the database could be read; what
 * the numbers should be is the caller's to say.
 */
#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "crypto/crypto.h"
#include "hub/guard/store.h"
#include "record/leaves.h"
#include "wire/cbor.h"

struct look {
    sqlite3_stmt *body;
    uint64_t bodies, wrong;
};

static bool on_leaf(void *user, uint64_t seq, const uint8_t commitment[32])
{
    struct look *l = user;
    if (sqlite3_bind_int64(l->body, 1, (int64_t)seq) != SQLITE_OK)
        return false;
    if (sqlite3_step(l->body) == SQLITE_ROW) {
        uint8_t want[32];
        l->bodies++;
        const uint8_t *salt = sqlite3_column_blob(l->body, 0);
        struct dw_view event =
            dw_view_of(sqlite3_column_blob(l->body, 1), (size_t)sqlite3_column_bytes(l->body, 1));
        if (sqlite3_column_bytes(l->body, 0) != 32) {
            l->wrong++;
        } else {
            dw_leaf_commit(event, salt, want);
            l->wrong += memcmp(want, commitment, 32) != 0;
        }
    }
    sqlite3_reset(l->body);
    return true;
}

static uint64_t number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st = NULL;
    uint64_t n = UINT64_MAX;
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
        n = (uint64_t)sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return n;
}

static void list(sqlite3 *db, const char *name, const char *sql)
{
    sqlite3_stmt *st = NULL;
    const char *comma = "";
    (void)printf(",\"%s\":[", name);
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK) {
        while (sqlite3_step(st) == SQLITE_ROW) {
            (void)printf("%s\"%016llx\"", comma, (unsigned long long)sqlite3_column_int64(st, 0));
            comma = ",";
        }
    }
    sqlite3_finalize(st);
    (void)printf("]");
}

/* {"<id>": uses}, as hub/guard/authority.c keeps them. */
static bool grants(sqlite3 *db)
{
    sqlite3_stmt *st = NULL;
    const char *comma = "";
    (void)printf(",\"grants\":{");
    if (sqlite3_prepare_v2(db, "SELECT bytes FROM fact WHERE kind=?1", -1, &st, NULL) !=
            SQLITE_OK ||
        sqlite3_bind_int(st, 1, STORE_FACT_GRANT_STATE) != SQLITE_OK)
        return false;
    while (sqlite3_step(st) == SQLITE_ROW) {
        struct dw_rd r;
        uint8_t id[16];
        char hex[33];
        uint64_t number;
        int64_t time;
        uint16_t used = 0;
        dw_rd_init(&r, dw_view_of(sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0)));
        dw_rd_array(&r, 11);
        dw_rd_uint(&r, 1, &number); /* form */
        dw_rd_bytes(&r, id, 16);
        dw_rd_uint(&r, UINT64_MAX, &number); /* state */
        dw_rd_uint(&r, UINT64_MAX, &number); /* member */
        dw_rd_int(&r, 0, INT64_MAX, &time);  /* live */
        dw_rd_int(&r, 0, INT64_MAX, &time);  /* over */
        dw_rd_u16(&r, &used);
        dw_rd_int(&r, INT32_MIN, INT32_MAX, &time); /* day */
        dw_rd_uint(&r, UINT64_MAX, &number);        /* used on it */
        dw_rd_int(&r, 0, INT64_MAX, &time);         /* signed */
        dw_rd_uint(&r, UINT32_MAX, &number);        /* guest */
        if (dw_failed(dw_rd_end(&r)))
            return false;
        dw_hex(id, 16, hex);
        (void)printf("%s\"%s\":%u", comma, hex, used);
        comma = ",";
    }
    sqlite3_finalize(st);
    (void)printf("}");
    return true;
}

int main(int argc, char **argv)
{
    char path[512];
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    if (argc != 2 || dw_failed(dw_crypto_init()))
        return 2;
    (void)snprintf(path, sizeof path, "%s/hub.sqlite", argv[1]);
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
        return 1;
    sqlite3_busy_timeout(db, 5000);

    /* The bodies first, then the file: the file is never behind the rows that mention it. */
    struct look l = {0};
    uint64_t rows = number(db, "SELECT count(*) FROM body");
    if (sqlite3_prepare_v2(db, "SELECT salt, bytes FROM body WHERE leaf=?1", -1, &l.body, NULL) !=
        SQLITE_OK)
        return 1;
    (void)snprintf(path, sizeof path, "%s/record/leaves", argv[1]);
    struct dw_leaves_found found = {0};
    dw_err e = dw_leaves_check(path, 0, on_leaf, &l, &found);
    sqlite3_finalize(l.body);
    if (sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &st, NULL) != SQLITE_OK ||
        sqlite3_step(st) != SQLITE_ROW)
        return 1;
    (void)printf("{\"record\":\"%s\",\"next_leaf\":%llu,\"cut_bytes\":%llu,\"rows\":%llu,"
                 "\"bodies\":%llu,\"wrong\":%llu,\"integrity\":\"%s\"",
                 dw_err_name(e), (unsigned long long)found.next_seq,
                 (unsigned long long)found.cut_bytes, (unsigned long long)rows,
                 (unsigned long long)l.bodies, (unsigned long long)l.wrong,
                 (const char *)sqlite3_column_text(st, 0));
    sqlite3_finalize(st);
    list(db, "used", "SELECT visit FROM parcel");
    list(db, "open", "SELECT id FROM visit WHERE is_open");
    if (!grants(db))
        return 1;
    (void)printf("}\n");
    sqlite3_close(db);
    return dw_failed(e) ? 1 : 0;
}
