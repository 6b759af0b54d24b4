#include "service/agencies/signing.h"

#include <stdio.h>
#include <string.h>

#include "crypto/signed.h"
#include "os/os.h"
#include "service/civil.h"
#include "service/jobs/jobs.h"
#include "wire/grant.h"

#define DAY_S           INT64_C(86400)
#define SENDS_PER_DAY   3
#define SHIFT_EARLIER_S 300        /* the hub's clock may be behind ours */
#define SHIFT_LEFT_S    (6 * 3600) /* a shift that ends sooner is made anew */
#define SHIFTS_OF_STEP  64u
#define HUBS_OF_ONE     64u

static const char *const words[] = {[DW_SIGNING_INTRODUCE] = "introduce",
                                    [DW_SIGNING_MANIFEST] = "manifest",
                                    [DW_SIGNING_SHIFT] = "shift"};
static const enum dw_context contexts[] = {[DW_SIGNING_INTRODUCE] = DW_CONTEXT_INTRODUCE,
                                           [DW_SIGNING_MANIFEST] = DW_CONTEXT_MANIFEST,
                                           [DW_SIGNING_SHIFT] = DW_CONTEXT_SHIFT};

static struct dw_view kept(struct dw_work *w, sqlite3_stmt *q, int i)
{
    size_t len = (size_t)sqlite3_column_bytes(q, i);
    const void *p = sqlite3_column_blob(q, i);
    if (!p || len == 0)
        return dw_view_of(NULL, 0);
    uint8_t *copy = dw_arena_take(&w->arena, len);
    memcpy(copy, p, len);
    return dw_view_of(copy, len);
}

/* -- asking -------------------------------------------------------------------------------------
 */

bool dw_signing_ask(struct dw_work *w, const uint8_t agency[DW_ID_BYTES], enum dw_signing kind,
                    const uint8_t subject[DW_ID_BYTES], struct dw_view payload,
                    struct dw_view *ret_object)
{
    uint8_t id[DW_ID_BYTES];
    sqlite3_stmt *q = dw_db_ask(w->db,
                                "SELECT payload, object FROM signing"
                                " WHERE agency = ? AND kind = ? AND subject = ?",
                                "kik", agency, (int64_t)kind, subject);
    if (dw_db_next(w->db, q) && (size_t)sqlite3_column_bytes(q, 0) == payload.len &&
        memcmp(sqlite3_column_blob(q, 0), payload.ptr, payload.len) == 0) {
        *ret_object = kept(w, q, 1);
        return ret_object->len > 0;
    }
    dw_id_new(id);
    (void)dw_db_do(w->db,
                   "INSERT OR REPLACE INTO signing (agency, kind, subject, id, payload, created)"
                   " VALUES (?, ?, ?, ?, ?, ?)",
                   "kikkbi", agency, (int64_t)kind, subject, id, payload.ptr, payload.len,
                   dw_service_now_ms());
    w->signing |= dw_wait_signing(agency);
    return false;
}

void dw_signing_drop(struct dw_work *w, enum dw_signing kind, const uint8_t subject[DW_ID_BYTES])
{
    (void)dw_db_do(w->db, "DELETE FROM signing WHERE kind = ? AND subject = ? AND object IS NULL",
                   "ik", (int64_t)kind, subject);
}

/* -- shifts -------------------------------------------------------------------------------------
 */

/* Until when the visitor needs one: the end of the last civil day, at its home, of the jobs that
 * begin within a day; 0: needs none. */
static int64_t needed_until(struct dw_work *w, const uint8_t visitor[DW_ID_BYTES], int64_t now_s)
{
    int64_t until = 0;
    sqlite3_stmt *q = dw_db_ask(w->db,
                                "SELECT j.day, h.zone, j.exp_s FROM jobs j"
                                " JOIN homes h ON h.id = j.home WHERE j.visitor = ?1"
                                " AND j.is_recalled = 0 AND j.exp_s > ?2 AND j.nbf_s < ?2 + 86400"
                                " LIMIT 256",
                                "ki", visitor, now_s);
    while (dw_db_next(w->db, q)) {
        int64_t end = 0, exp = sqlite3_column_int64(q, 2);
        if (dw_civil_to_utc(dw_col_text(q, 1), sqlite3_column_int(q, 0), 1440, &end) !=
                DW_CIVIL_OK ||
            end < exp)
            end = exp;
        until = end > until ? end : until;
    }
    return until < now_s + DAY_S - SHIFT_EARLIER_S ? until : now_s + DAY_S - SHIFT_EARLIER_S;
}

/* The visitor's newest passkey, with agency and name. */
static bool load_visitor(struct dw_work *w, const uint8_t visitor[DW_ID_BYTES],
                         struct dw_shift *ret_shift)
{
    memset(ret_shift, 0, sizeof *ret_shift);
    sqlite3_stmt *q =
        dw_db_ask(w->db,
                  "SELECT v.agency, v.name, p.id, p.alg, p.pub FROM visitors v"
                  " JOIN passkeys p ON p.subject = v.id AND p.role = 4"
                  " JOIN agencies a ON a.id = v.agency AND a.key IS NOT NULL"
                  " WHERE v.id = ? AND v.is_active = 1 ORDER BY p.added DESC, p.id LIMIT 1",
                  "k", visitor);
    if (!dw_db_next(w->db, q))
        return false;
    size_t id_len = (size_t)sqlite3_column_bytes(q, 2),
           key_len = (size_t)sqlite3_column_bytes(q, 4);
    if (id_len > sizeof ret_shift->credential || key_len > sizeof ret_shift->key)
        return false;
    (void)dw_col_blob(q, 0, ret_shift->agency, sizeof ret_shift->agency);
    (void)snprintf(ret_shift->visitor_name, sizeof ret_shift->visitor_name, "%.47s",
                   dw_col_text(q, 1));
    memcpy(ret_shift->visitor, visitor, sizeof ret_shift->visitor);
    memcpy(ret_shift->credential, sqlite3_column_blob(q, 2), id_len);
    memcpy(ret_shift->key, sqlite3_column_blob(q, 4), key_len);
    ret_shift->credential_len = (uint8_t)id_len;
    ret_shift->alg = (uint8_t)sqlite3_column_int(q, 3);
    ret_shift->key_len = (uint8_t)key_len;
    (void)snprintf(ret_shift->origin, sizeof ret_shift->origin, "%.127s", w->service->set.origin);
    return true;
}

/* The shift that was put up last, signed or not. */
static bool load_shift(struct dw_work *w, const uint8_t visitor[DW_ID_BYTES],
                       struct dw_shift *ret_shift, struct dw_view *ret_object)
{
    sqlite3_stmt *q = dw_db_ask(w->db,
                                "SELECT s.payload, s.object FROM visitors v JOIN signing s"
                                " ON s.agency = v.agency AND s.kind = ? AND s.subject = v.id"
                                " WHERE v.id = ?",
                                "ik", (int64_t)DW_SIGNING_SHIFT, visitor);
    if (!dw_db_next(w->db, q))
        return false;
    *ret_object = kept(w, q, 1);
    return !dw_failed(dw_shift_read(dw_col_view(q, 0), ret_shift));
}

static bool is_same_passkey(const struct dw_shift *a, const struct dw_shift *b)
{
    return a->credential_len == b->credential_len && a->key_len == b->key_len &&
           memcmp(a->credential, b->credential, a->credential_len) == 0 &&
           memcmp(a->key, b->key, a->key_len) == 0 &&
           strcmp(a->visitor_name, b->visitor_name) == 0 && strcmp(a->origin, b->origin) == 0;
}

void dw_shift_renew(struct dw_work *w, const uint8_t visitor[DW_ID_BYTES])
{
    static struct dw_shift now, before; /* the writer's alone */
    uint8_t bytes[1024];
    struct dw_buf buf = dw_buf_of(bytes, sizeof bytes);
    struct dw_view object = {0};
    int64_t now_s = dw_service_now_ms() / 1000;
    if (!load_visitor(w, visitor, &now)) {
        dw_signing_drop(w, DW_SIGNING_SHIFT, visitor);
        return;
    }
    bool has_before = load_shift(w, visitor, &before, &object);
    bool is_same = has_before && is_same_passkey(&before, &now);
    if (is_same && before.exp_s >= now_s + SHIFT_LEFT_S)
        return; /* the rest looks at all the visitor's jobs */
    int64_t until = needed_until(w, visitor, now_s);
    if (until <= now_s || (is_same && before.exp_s >= until))
        return;
    now.nbf_s = now_s - SHIFT_EARLIER_S;
    if (has_before && now.nbf_s <= before.nbf_s) /* hubs keep the newest: each begins later */
        now.nbf_s = before.nbf_s + 1;
    now.exp_s = until;
    if (!dw_failed(dw_shift_write(&now, &buf)))
        (void)dw_signing_ask(w, now.agency, DW_SIGNING_SHIFT, visitor, dw_view_of_buf(&buf),
                             &object);
}

void dw_shift_send(struct dw_work *w, const uint8_t hub[DW_THUMB_BYTES],
                   const uint8_t visitor[DW_ID_BYTES])
{
    static struct dw_shift shift;
    struct dw_view object;
    if (load_shift(w, visitor, &shift, &object) && object.len &&
        shift.exp_s > dw_service_now_ms() / 1000)
        dw_post_signed(w, hub, DW_LINK_KIND_SHIFT, object);
}

bool dw_shifts_renew_some(struct dw_work *w, uint8_t after[DW_ID_BYTES])
{
    uint8_t id[SHIFTS_OF_STEP][DW_ID_BYTES];
    size_t count = 0;
    sqlite3_stmt *q = dw_db_ask(w->db,
                                "SELECT DISTINCT j.visitor FROM jobs j WHERE j.visitor > ?1"
                                " AND j.is_recalled = 0 AND j.exp_s > ?2 AND j.nbf_s < ?2 + 86400"
                                " ORDER BY j.visitor LIMIT ?3",
                                "kii", after, dw_service_now_ms() / 1000, (int64_t)SHIFTS_OF_STEP);
    while (count < SHIFTS_OF_STEP && dw_db_next(w->db, q))
        (void)dw_col_blob(q, 0, id[count++], DW_ID_BYTES);
    for (size_t i = 0; i < count; i++)
        dw_shift_renew(w, id[i]);
    if (count)
        memcpy(after, id[count - 1], DW_ID_BYTES);
    return count == SHIFTS_OF_STEP;
}

/* Every hub that the visitor goes to. */
static void spread_shift(struct dw_work *w, const uint8_t visitor[DW_ID_BYTES])
{
    uint8_t hub[HUBS_OF_ONE][DW_THUMB_BYTES];
    size_t count = 0;
    sqlite3_stmt *q = dw_db_ask(w->db,
                                "SELECT DISTINCT h.hub_thumb FROM jobs j"
                                " JOIN homes h ON h.id = j.home WHERE j.visitor = ?1"
                                " AND j.is_recalled = 0 AND j.exp_s > ?2 AND j.nbf_s < ?2 + 172800"
                                " AND h.hub_thumb IS NOT NULL LIMIT ?3",
                                "kii", visitor, dw_service_now_ms() / 1000, (int64_t)HUBS_OF_ONE);
    while (count < HUBS_OF_ONE && dw_db_next(w->db, q))
        (void)dw_col_blob(q, 0, hub[count++], DW_THUMB_BYTES);
    for (size_t i = 0; i < count; i++)
        dw_shift_send(w, hub[i], visitor);
}

/* -- introductions ------------------------------------------------------------------------------
 */

/* At most so many in a day for each; a household is asked, not pressed. */
static bool may_send(struct dw_work *w, const uint8_t home[DW_ID_BYTES],
                     const uint8_t agency[DW_ID_BYTES])
{
    int64_t now = dw_service_now_ms();
    sqlite3_stmt *q =
        dw_db_ask(w->db,
                  "UPDATE introductions SET"
                  " sends = CASE WHEN sends_from <= ?3 - 86400000 THEN 1 ELSE sends + 1 END,"
                  " sends_from = CASE WHEN sends_from <= ?3 - 86400000 THEN ?3 ELSE sends_from END"
                  " WHERE home = ?1 AND agency = ?2 AND is_over = 0"
                  " AND (sends < ?4 OR sends_from <= ?3 - 86400000) RETURNING 1",
                  "kkii", home, agency, now, (int64_t)SENDS_PER_DAY);
    bool may = dw_db_next(w->db, q);
    (void)dw_db_next(w->db, may ? q : NULL);
    return may;
}

static void send_introduction(struct dw_work *w, const uint8_t home[DW_ID_BYTES],
                              const uint8_t agency[DW_ID_BYTES])
{
    uint8_t hub[DW_THUMB_BYTES];
    sqlite3_stmt *q =
        dw_db_ask(w->db,
                  "SELECT h.hub_thumb, s.object FROM homes h JOIN signing s ON s.agency = ?"
                  " AND s.kind = ? AND s.subject = h.id WHERE h.id = ? AND s.object IS NOT NULL",
                  "kik", agency, (int64_t)DW_SIGNING_INTRODUCE, home);
    if (!dw_db_next(w->db, q) || !dw_col_blob(q, 0, hub, sizeof hub))
        return;
    struct dw_view object = kept(w, q, 1);
    if (object.len && may_send(w, home, agency))
        dw_post_signed(w, hub, DW_LINK_KIND_INTRODUCE, object);
}

void dw_introductions_send(struct dw_work *w, const uint8_t home[DW_ID_BYTES])
{
    uint8_t agency[16][DW_ID_BYTES]; /* as many as wait at a hub */
    size_t count = 0;
    sqlite3_stmt *q = dw_db_ask(w->db,
                                "SELECT agency FROM introductions WHERE home = ? AND is_over = 0"
                                " ORDER BY asked DESC LIMIT 16",
                                "k", home);
    while (count < DW_ARRAY_COUNT(agency) && dw_db_next(w->db, q))
        (void)dw_col_blob(q, 0, agency[count++], DW_ID_BYTES);
    for (size_t i = 0; i < count; i++)
        send_introduction(w, home, agency[i]);
}

void dw_introductions_post(struct dw_call *c)
{
    struct dw_introduce m = {0};
    uint8_t home[DW_ID_BYTES], bytes[512];
    struct dw_buf buf = dw_buf_of(bytes, sizeof bytes);
    struct dw_view object;
    if (!dw_param_id(c, 0, home))
        return;
    dw_in_only(c, c->body, NULL);
    if (dw_is_refused(c))
        return;
    sqlite3_stmt *q = dw_db_ask(c->work.db, "SELECT hub_thumb FROM homes WHERE id = ?", "k", home);
    if (!dw_db_next(c->work.db, q)) {
        dw_problem(c, DW_PROBLEM_NOT_FOUND);
        return;
    }
    if (!dw_col_blob(q, 0, m.hub, sizeof m.hub)) {
        dw_problem(c, DW_PROBLEM_NO_HUB);
        return;
    }
    q = dw_db_ask(c->work.db, "SELECT key, name, is_hosted FROM agencies WHERE id = ?", "k",
                  c->actor.id);
    if (!dw_db_next(c->work.db, q) || !dw_col_blob(q, 0, m.pub, sizeof m.pub)) {
        dw_problem(c, DW_PROBLEM_NO_KEY);
        return;
    }
    (void)snprintf(m.name, sizeof m.name, "%.47s", dw_col_text(q, 1));
    m.is_hosted = sqlite3_column_int(q, 2) == 1;
    memcpy(m.agency, c->actor.id, sizeof m.agency);
    if (dw_failed(dw_introduce_write(&m, &buf))) {
        dw_problem(c, DW_PROBLEM_INTERNAL);
        return;
    }
    /* Asked anew, a household that refused before is asked again, within the same bounds. */
    (void)dw_db_do(c->work.db,
                   "INSERT INTO introductions (home, agency, asked) VALUES (?, ?, ?)"
                   " ON CONFLICT (home, agency) DO UPDATE SET is_over = 0, asked = excluded.asked",
                   "kki", home, c->actor.id, dw_service_now_ms());
    bool is_signed = dw_signing_ask(&c->work, c->actor.id, DW_SIGNING_INTRODUCE, home,
                                    dw_view_of_buf(&buf), &object);
    if (is_signed)
        send_introduction(&c->work, home, c->actor.id);
    dw_answer(c, 201,
              json_pack("{s:o, s:s}", "home", dw_json_id(home), "state",
                        is_signed ? "signed" : "unsigned"));
}

/* -- the signer's routes ------------------------------------------------------------------------
 */

/* For whoever looks over the signer's shoulder; the payload is what counts. */
static json_t *describe(enum dw_signing kind, struct dw_view payload)
{
    struct dw_manifest manifest;
    struct dw_shift shift;
    struct dw_job job;
    char day[DW_CIVIL_TEXT], from[DW_CIVIL_TEXT], to[DW_CIVIL_TEXT], time[DW_UTC_TEXT];
    if (kind == DW_SIGNING_MANIFEST && !dw_failed(dw_manifest_read(payload, &manifest)) &&
        !dw_failed(dw_job_read(dw_view_of(manifest.job, manifest.job_len), &job))) {
        dw_civil_day_write(job.window.day, day);
        dw_civil_minute_write(job.window.from_min, from);
        dw_civil_minute_write(job.window.to_min, to);
        return json_sprintf("%s comes on %s from %s to %s (%s).", job.visitor_name, day, from, to,
                            job.zone);
    }
    if (kind == DW_SIGNING_SHIFT && !dw_failed(dw_shift_read(payload, &shift))) {
        dw_utc_write(shift.exp_s * 1000, time);
        return json_sprintf("%s signs at doors until %s.", shift.visitor_name, time);
    }
    return json_string("A household is asked for a grant.");
}

static json_t *bytes_or_null(sqlite3_stmt *q, int i)
{
    struct dw_view bytes = dw_col_view(q, i);
    return bytes.len ? dw_json_bytes(bytes.ptr, bytes.len) : json_null();
}

/* What the signer needs to judge by itself: which home it is for, the key of its hub, and what that
 * hub signed of the permission. */
static json_t *show_item(sqlite3_stmt *q)
{
    int kind = sqlite3_column_int(q, 1);
    struct dw_view payload = dw_col_view(q, 2);
    char hub[2 * DW_KEY_BYTES + 1];
    uint8_t pub[DW_KEY_BYTES];
    if (kind < DW_SIGNING_INTRODUCE || kind > DW_SIGNING_SHIFT)
        return NULL;
    bool has_hub = dw_col_blob(q, 5, pub, sizeof pub);
    if (has_hub)
        dw_hex(pub, sizeof pub, hub);
    return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "id", dw_json_col_id(q, 0), "kind",
                     words[kind], "payload", dw_json_bytes(payload.ptr, payload.len), "words",
                     describe((enum dw_signing)kind, payload), "created", dw_json_col_time(q, 3),
                     "home", has_hub ? dw_json_col_id(q, 4) : json_null(), "hub",
                     has_hub ? json_string(hub) : json_null(), "grant", bytes_or_null(q, 6));
}

void dw_signing_list(struct dw_call *c)
{
    uint8_t last[DW_ID_BYTES];
    uint64_t limit, wait_ms = dw_query_uint(c, "wait_ms", DW_WAIT_MS_MAX, 0);
    size_t count = 0;
    if (!dw_query_page(c, last, &limit))
        return;
    sqlite3_stmt *q =
        dw_db_ask(c->work.db,
                  "SELECT s.id, s.kind, s.payload, s.created, h.id, h.hub_pub, g.object"
                  " FROM signing s LEFT JOIN jobs j ON s.kind = 2 AND j.id = s.subject"
                  " LEFT JOIN homes h ON h.id = CASE s.kind WHEN 1 THEN s.subject ELSE j.home END"
                  " LEFT JOIN grants g ON g.home = j.home AND g.id = j.grant_id"
                  " WHERE s.agency = ? AND s.object IS NULL AND s.id > ? ORDER BY s.id LIMIT ?",
                  "kki", c->actor.id, last, (int64_t)limit);
    json_t *items = json_array();
    while (dw_db_next(c->work.db, q)) {
        json_t *item = show_item(q);
        count += dw_col_blob(q, 0, last, sizeof last);
        if (item)
            (void)json_array_append_new(items, item);
    }
    if (wait_ms && count == 0)
        c->wait_visit = DW_WAIT_SIGNING | dw_wait_signing(c->actor.id);
    dw_answer(c, 200, dw_json_page(items, count == limit ? last : NULL));
}

void dw_signing_post(struct dw_call *c)
{
    uint8_t id[DW_ID_BYTES], subject[DW_ID_BYTES], pub[DW_KEY_BYTES];
    struct dw_key key;
    struct dw_view payload, signed_payload;
    if (!dw_param_id(c, 0, id))
        return;
    sqlite3_stmt *q = dw_db_ask(c->work.db,
                                "SELECT s.kind, s.subject, s.payload, s.object IS NOT NULL, a.key"
                                " FROM signing s JOIN agencies a ON a.id = s.agency"
                                " WHERE s.id = ? AND s.agency = ?",
                                "kk", id, c->actor.id);
    if (!dw_db_next(c->work.db, q) || !dw_col_blob(q, 1, subject, sizeof subject)) {
        dw_problem(c, DW_PROBLEM_NOT_FOUND);
        return;
    }
    enum dw_signing kind = (enum dw_signing)sqlite3_column_int(q, 0);
    bool is_done = sqlite3_column_int(q, 3) == 1, has_key = dw_col_blob(q, 4, pub, sizeof pub);
    payload = kept(&c->work, q, 2);
    dw_in_only(c, c->body, "object", NULL);
    struct dw_view object = dw_in_bytes(c, c->body, "object", DW_SIGNED_BYTES_MAX);
    if (dw_is_refused(c))
        return;
    dw_key_from_pub(pub, &key);
    if (!has_key || dw_failed(dw_signed_open(&key, contexts[kind], object, &signed_payload)) ||
        signed_payload.len != payload.len ||
        memcmp(signed_payload.ptr, payload.ptr, payload.len) != 0) {
        dw_problem(c, DW_PROBLEM_BAD_SIGNATURE);
        return;
    }
    dw_answer(
        c, 200,
        json_pack("{s:o, s:s, s:s}", "id", dw_json_id(id), "kind", words[kind], "state", "signed"));
    if (is_done) /* twice is once */
        return;
    (void)dw_db_do(c->work.db, "UPDATE signing SET object = ?, signed = ? WHERE id = ?", "bik",
                   object.ptr, object.len, dw_service_now_ms(), id);
    if (kind == DW_SIGNING_MANIFEST)
        dw_job_send(&c->work, subject);
    else if (kind == DW_SIGNING_SHIFT)
        spread_shift(&c->work, subject);
    else
        send_introduction(&c->work, subject, c->actor.id);
}
