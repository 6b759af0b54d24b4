#include "service/homes/grants.h"

#include <string.h>

#include "os/os.h"
#include "service/civil.h"
#include "service/homes/homes.h"
#include "service/jobs/jobs.h"

#define LIVE                                                                         \
    " revoked IS NULL AND bytes IS NOT NULL AND exp_s > ?3 AND NOT EXISTS (SELECT 1" \
    " FROM stopped t WHERE t.home = grants.home AND t.agency = grants.agency)"

bool dw_grant_is_live(struct dw_db *db, const uint8_t home[DW_ID_BYTES],
                      const uint8_t agency[DW_ID_BYTES])
{
    sqlite3_stmt *q = dw_db_ask(db, "SELECT 1 FROM grants WHERE home = ?1 AND agency = ?2 AND" LIVE,
                                "kki", home, agency, dw_service_now_ms() / 1000);
    return dw_db_next(db, q);
}

/* -- what is shown ------------------------------------------------------------------------------
 */

static json_t *show(struct dw_view bytes)
{
    static const char *const kinds[] = {"drop", "stay"};
    static const char *const modes[] = {"ask", "veto", "notify"};
    struct dw_grant m;
    char from[DW_UTC_TEXT], to[DW_UTC_TEXT];
    if (dw_failed(dw_grant_read(bytes, &m)))
        return json_null();
    json_t *windows = json_array();
    for (size_t i = 0; i < m.window_count; i++)
        (void)json_array_append_new(windows, json_pack("{s:i, s:i}", "from", m.window[i].from,
                                                       "minutes", m.window[i].minutes));
    dw_utc_write(m.nbf_s * 1000, from);
    dw_utc_write(m.exp_s * 1000, to);
    return json_pack("{s:o, s:s, s:s, s:s, s:o, s:s, s:i, s:i, s:i, s:i, s:i, s:s, s:b}", "id",
                     dw_json_id(m.id), "from", from, "to", to, "zone", m.zone, "windows", windows,
                     "kind", kinds[m.kind == DW_VISIT_STAY], "door", m.door, "per_day", m.per_day,
                     "uses", m.uses, "dwell_ms", (int)m.dwell_ms, "camera", m.camera_class, "mode",
                     modes[m.mode % DW_ARRAY_COUNT(modes)], "hosted", m.is_hosted);
}

json_t *dw_grants_show_live(struct dw_call *c, const uint8_t home[DW_ID_BYTES],
                            const uint8_t agency[DW_ID_BYTES])
{
    json_t *list = json_array();
    sqlite3_stmt *q = dw_db_ask(c->work.db,
                                "SELECT bytes FROM grants WHERE home = ?1 AND agency = ?2 AND" LIVE
                                " ORDER BY heard DESC, id DESC LIMIT 32",
                                "kki", home, agency, dw_service_now_ms() / 1000);
    while (dw_db_next(c->work.db, q))
        (void)json_array_append_new(list, show(dw_col_view(q, 0)));
    return list;
}

void dw_grants_list(struct dw_call *c)
{
    uint8_t home[DW_ID_BYTES];
    if (!dw_param_id(c, 0, home))
        return;
    bool is_own = c->actor.role == DW_ROLE_ADMIN || memcmp(c->actor.id, home, sizeof home) == 0;
    sqlite3_stmt *q = dw_db_ask(c->work.db, "SELECT 1 FROM homes WHERE id = ?", "k", home);
    if (!is_own || !dw_db_next(c->work.db, q)) {
        dw_problem(c, DW_PROBLEM_NOT_FOUND);
        return;
    }
    json_t *items = json_array();
    q = dw_db_ask(c->work.db,
                  "SELECT agency, bytes, heard, revoked, EXISTS (SELECT 1 FROM stopped t"
                  " WHERE t.home = g.home AND t.agency = g.agency), exp_s FROM grants g"
                  " WHERE home = ? AND bytes IS NOT NULL ORDER BY heard DESC, id LIMIT ?",
                  "ki", home, (int64_t)DW_PAGE_MAX);
    while (dw_db_next(c->work.db, q)) {
        bool is_revoked = sqlite3_column_type(q, 3) != SQLITE_NULL;
        const char *state = is_revoked                                                 ? "revoked"
                            : sqlite3_column_int(q, 4) == 1                            ? "stopped"
                            : sqlite3_column_int64(q, 5) * 1000 <= dw_service_now_ms() ? "expired"
                                                                                       : "live";
        (void)json_array_append_new(
            items, json_pack("{s:o, s:o, s:o, s:o, s:s}", "agency", dw_json_col_id(q, 0), "grant",
                             show(dw_col_view(q, 1)), "heard", dw_json_col_time(q, 2), "revoked",
                             dw_json_col_time(q, 3), "state", state));
    }
    dw_answer(c, 200, dw_json_page(items, NULL));
}

/* -- what hubs say ------------------------------------------------------------------------------
 */

static bool hear_grant(struct dw_work *w, const struct dw_message *m)
{
    const struct dw_evidence *in = &m->evidence;
    struct dw_grant grant;
    uint8_t agency[DW_ID_BYTES];
    if (strcmp(in->context, DW_GRANT_CONTEXT) != 0 ||
        dw_failed(dw_grant_read(dw_view_of(in->bytes, in->bytes_len), &grant)) ||
        !dw_same(grant.hub, m->hub.thumb, sizeof grant.hub) ||
        !dw_same(grant.id, in->id, sizeof grant.id))
        return false;
    sqlite3_stmt *q =
        dw_db_ask(w->db, "SELECT id FROM agencies WHERE key_thumb = ?", "h", grant.grantee);
    if (!dw_db_next(w->db, q) || !dw_col_blob(q, 0, agency, sizeof agency))
        return false;
    q = dw_db_ask(w->db, "SELECT 1 FROM grants WHERE home = ? AND id = ?", "kk", m->home, grant.id);
    if (dw_db_next(w->db, q))
        return true; /* twice is once; and revoked is revoked */
    (void)dw_db_do(w->db,
                   "INSERT INTO grants (home, id, agency, bytes, object, exp_s, heard)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?)",
                   "kkkbbii", m->home, grant.id, agency, in->bytes, (size_t)in->bytes_len,
                   m->object.ptr, m->object.len, grant.exp_s, dw_service_now_ms());
    (void)dw_db_do(w->db, "UPDATE introductions SET is_over = 1 WHERE home = ? AND agency = ?",
                   "kk", m->home, agency);
    dw_audit(w, "hub", m->home, "GRANT", grant.id);
    return true;
}

static bool hear_revoked(struct dw_work *w, const struct dw_message *m)
{
    const struct dw_revoked *in = &m->revoked;
    int64_t now = dw_service_now_ms();
    sqlite3_stmt *q =
        dw_db_ask(w->db, "SELECT 1 FROM grants WHERE home = ? AND id = ? AND revoked IS NOT NULL",
                  "kk", m->home, in->grant);
    if (dw_db_next(w->db, q))
        return true; /* twice is once */
    (void)dw_db_do(w->db,
                   "INSERT INTO grants (home, id, heard, revoked) VALUES (?1, ?2, ?3, ?3)"
                   " ON CONFLICT (home, id) DO UPDATE SET revoked = excluded.revoked",
                   "kki", m->home, in->grant, now);
    dw_jobs_send_of_grant(w, m->home, in->grant);
    dw_audit(w, "hub", m->home, "REVOKED", in->grant);
    return true;
}

/* The hub sends both until this comes: the first 8 bytes of the grant's id stand for a visit, and
 * these numbers are none of a visit's [docs/design/authority.md]. */
static void acknowledge(struct dw_work *w, const struct dw_message *m)
{
    bool is_grant = m->kind == DW_LINK_KIND_GRANT;
    const uint8_t *id = is_grant ? m->evidence.id : m->revoked.grant;
    struct dw_ack out = {.number = UINT32_MAX - (is_grant ? 1 : 2)};
    uint8_t bytes[128];
    struct dw_buf buf = dw_buf_of(bytes, sizeof bytes);
    for (size_t i = 0; i < 8; i++)
        out.visit = out.visit << 8 | id[i];
    memcpy(out.hub, m->hub.thumb, sizeof out.hub);
    if (!dw_failed(dw_ack_write(&out, &buf)))
        dw_post(w, m->hub.thumb, DW_LINK_KIND_ACK, dw_view_of_buf(&buf));
}

bool dw_grants_hear(struct dw_work *w)
{
    struct dw_message *m = (struct dw_message *)w;
    bool is_ours = m->kind == DW_LINK_KIND_GRANT ? hear_grant(w, m) : hear_revoked(w, m);
    m->is_refused = !is_ours;
    if (is_ours)
        acknowledge(w, m);
    return is_ours;
}
