/* What goes to the hub about a visit, and what comes back. In the writer. */
#include <string.h>

#include "os/os.h"
#include "service/jobs/jobs.h"
#include "service/visits/visits.h"
#include "wire/visit.h"

/* After its own end an offer is given this long to be told too slow by the hub itself. */
#define READY_GRACE_MS 2000u
#define READY_MS_MAX   600000u
/* Lines of one visit's story: a STAY of 16 openings makes about 150. A hub that says more is ill.
 */
#define STORY_MAX 2000

void dw_visit_send_hello(struct dw_work *w, uint64_t visit, uint32_t age_ms)
{
    struct dw_hello out = {.visit = visit, .age_ms = age_ms};
    uint8_t bytes[640], job[DW_ID_BYTES];
    struct dw_buf buf = dw_buf_of(bytes, sizeof(bytes));
    sqlite3_stmt *q = dw_db_ask(w->db,
                                "SELECT h.hub_thumb, v.job, v.visitor, v.courier_nonce, v.barcode,"
                                " j.salt, v.door, j.revision FROM visits v"
                                " JOIN homes h ON h.id = v.home JOIN jobs j ON j.id = v.job"
                                " WHERE v.id = ?",
                                "i", (int64_t)visit);
    if (!dw_db_next(w->db, q) || !dw_col_blob(q, 0, out.hub, sizeof(out.hub)))
        return;
    (void)dw_col_blob(q, 1, out.job, sizeof(out.job));
    memcpy(job, out.job, sizeof(job));
    (void)dw_col_blob(q, 2, out.visitor, sizeof(out.visitor));
    (void)dw_col_blob(q, 3, out.courier_nonce, sizeof(out.courier_nonce));
    const char *barcode = dw_col_text(q, 4);
    size_t len = strlen(barcode);
    DW_ASSERT(len <= sizeof(out.barcode));
    out.barcode_len = (uint8_t)len;
    memcpy(out.barcode, barcode, len);
    (void)dw_col_blob(q, 5, out.salt, sizeof(out.salt));
    out.door = (uint8_t)sqlite3_column_int(q, 6);
    out.revision = (uint32_t)sqlite3_column_int64(q, 7);
    /* The job goes ahead of the question: a broker that forgot may have kept it from the hub, and
     * to a hub that has it, it is nothing new. */
    dw_job_send(w, job);
    if (!dw_failed(dw_hello_write(&out, &buf)))
        dw_post(w, out.hub, DW_LINK_KIND_HELLO, dw_view_of_buf(&buf));
}

void dw_visit_send_stop(struct dw_work *w, uint64_t visit)
{
    uint8_t hub[DW_THUMB_BYTES];
    sqlite3_stmt *q = dw_db_ask(w->db,
                                "SELECT h.hub_thumb, v.stop FROM visits v"
                                " JOIN homes h ON h.id = v.home WHERE v.id = ?",
                                "i", (int64_t)visit);
    if (dw_db_next(w->db, q) && dw_col_blob(q, 0, hub, sizeof(hub)) &&
        sqlite3_column_bytes(q, 1) > 0)
        dw_post(w, hub, DW_LINK_KIND_STOP, dw_col_view(q, 1));
}

void dw_visit_send_leaving(struct dw_work *w, uint64_t visit)
{
    struct dw_leaving out = {.visit = visit};
    uint8_t bytes[128];
    struct dw_buf buf = dw_buf_of(bytes, sizeof(bytes));
    sqlite3_stmt *q = dw_db_ask(w->db,
                                "SELECT h.hub_thumb FROM visits v JOIN homes h ON h.id = v.home"
                                " WHERE v.id = ?",
                                "i", (int64_t)visit);
    if (dw_db_next(w->db, q) && dw_col_blob(q, 0, out.hub, sizeof(out.hub)) &&
        !dw_failed(dw_leaving_write(&out, &buf)))
        dw_post(w, out.hub, DW_LINK_KIND_LEAVING, dw_view_of_buf(&buf));
}

void dw_visit_tell(struct dw_work *w, uint64_t visit, const struct dw_line *line)
{
    int64_t lo = line->at_lo, hi = line->at_hi;
    if (line->hub_number == 0 && line->outcome <= DW_OUTCOME_REFUSED && lo == 0)
        lo = hi = dw_service_now_ms();
    (void)dw_db_do(w->db, "UPDATE visits SET story = story + 1 WHERE id = ?", "i", (int64_t)visit);
    (void)dw_db_do(w->db,
                   "INSERT INTO story (visit, number, hub_number, state, outcome, check_failed,"
                   " alarms, at_lo, at_hi) SELECT id, story, ?, ?, ?, ?, ?, ?, ? FROM visits"
                   " WHERE id = ?",
                   "iiiiiiii", (int64_t)line->hub_number, (int64_t)line->state,
                   (int64_t)line->outcome, (int64_t)line->check, (int64_t)line->alarms, lo, hi,
                   (int64_t)visit);
    w->touched = visit;
}

void dw_visit_refuse(struct dw_work *w, uint64_t visit, enum dw_check check)
{
    /* A STAY that was let in before is not over because its next opening is refused. */
    sqlite3_stmt *q =
        dw_db_ask(w->db,
                  "UPDATE visits SET check_failed = ?2, slid = NULL, (state, outcome) ="
                  " (SELECT CASE WHEN n > 0 THEN ?3 ELSE 0 END,"
                  " CASE WHEN n > 0 THEN 0 ELSE ?4 END FROM (SELECT count(*) AS n"
                  " FROM story WHERE visit = ?1 AND state = ?3))"
                  " WHERE id = ?1 RETURNING state, outcome",
                  "iiii", (int64_t)visit, (int64_t)check, (int64_t)DW_VISIT_BETWEEN,
                  (int64_t)DW_OUTCOME_REFUSED);
    struct dw_line line = {.check = (uint8_t)check};
    if (dw_db_next(w->db, q)) {
        line.state = (uint8_t)sqlite3_column_int(q, 0);
        line.outcome = (uint8_t)sqlite3_column_int(q, 1);
        (void)dw_db_next(w->db, q);
    }
    dw_visit_tell(w, visit, &line);
    w->stops_waiting = true;
}

static void acknowledge(struct dw_work *w, const struct dw_key *hub, uint64_t visit,
                        uint32_t number)
{
    struct dw_ack out = {.visit = visit, .number = number};
    uint8_t bytes[128];
    struct dw_buf buf = dw_buf_of(bytes, sizeof(bytes));
    memcpy(out.hub, hub->thumb, sizeof(out.hub));
    if (!dw_failed(dw_ack_write(&out, &buf)))
        dw_post(w, hub->thumb, DW_LINK_KIND_ACK, dw_view_of_buf(&buf));
}

/* What is known of a visit when its hub speaks. */
struct known {
    int state, outcome;
    bool is_confirmed_later, has_receipt;
    uint64_t leaf;
    uint32_t news_seen;
    int64_t story;
    uint8_t nonce[DW_NONCE_BYTES];
};

static bool look(struct dw_work *w, uint64_t visit, const uint8_t home[DW_ID_BYTES],
                 struct known *ret_known)
{
    sqlite3_stmt *q = dw_db_ask(w->db,
                                "SELECT state, outcome, courier_nonce, news_seen, leaf,"
                                " is_confirmed_later, story FROM visits WHERE id = ? AND home = ?",
                                "ik", (int64_t)visit, home);
    if (visit > INT64_MAX || !dw_db_next(w->db, q))
        return false;
    ret_known->state = sqlite3_column_int(q, 0);
    ret_known->outcome = sqlite3_column_int(q, 1);
    ret_known->news_seen = (uint32_t)sqlite3_column_int64(q, 3);
    ret_known->has_receipt = sqlite3_column_type(q, 4) != SQLITE_NULL;
    ret_known->leaf = (uint64_t)sqlite3_column_int64(q, 4);
    ret_known->is_confirmed_later = sqlite3_column_int(q, 5) == 1;
    ret_known->story = sqlite3_column_int64(q, 6);
    return dw_col_blob(q, 2, ret_known->nonce, sizeof(ret_known->nonce));
}

/* An answer to a question that is no longer open changes nothing: the hub's own nonce runs out. */
static bool hear_offer(struct dw_work *w, const struct dw_message *m)
{
    const struct dw_offer *in = &m->offer;
    struct known known;
    if (!look(w, in->visit, m->home, &known) ||
        !dw_same(known.nonce, in->courier_nonce, DW_NONCE_BYTES))
        return false;
    if (known.state != DW_VISIT_ASKED || known.outcome != DW_OUTCOME_NONE)
        return true;
    (void)dw_db_do(w->db, "UPDATE visits SET passed = passed | ? WHERE id = ?", "ii",
                   (int64_t)in->passed, (int64_t)in->visit);
    if (in->check != DW_CHECK_NONE) {
        dw_visit_refuse(w, in->visit, (enum dw_check)in->check);
        return true;
    }
    uint32_t ms = in->expires_ms < READY_MS_MAX ? in->expires_ms : READY_MS_MAX;
    struct dw_line line = {.state = DW_VISIT_READY};
    (void)dw_db_do(
        w->db,
        "UPDATE visits SET state = ?, hub_nonce = ?, ready_until = ?, offer = ? WHERE id = ?",
        "ihibi", (int64_t)DW_VISIT_READY, in->hub_nonce, dw_service_now_ms() + ms, m->object.ptr,
        m->object.len, (int64_t)in->visit);
    dw_visit_tell(w, in->visit, &line);
    w->wait_ms = ms + READY_GRACE_MS;
    return true;
}

/* A parcel is used up when the door was opened for it. A STAY's code serves each of its openings.
 */
static void use_parcel(struct dw_work *w, uint64_t visit)
{
    (void)dw_db_do(w->db,
                   "UPDATE parcels SET used_by = ?1 WHERE used_by IS NULL AND (job, barcode) ="
                   " (SELECT v.job, v.barcode FROM visits v JOIN jobs j ON j.id = v.job"
                   " WHERE v.id = ?1 AND j.kind = 0)",
                   "i", (int64_t)visit);
}

static bool hear_news(struct dw_work *w, const struct dw_message *m)
{
    const struct dw_news *in = &m->news;
    struct known known;
    if (!look(w, in->visit, m->home, &known) || known.story >= STORY_MAX)
        return false;
    acknowledge(w, &m->hub, in->visit, in->number);
    sqlite3_stmt *q = dw_db_ask(w->db, "SELECT 1 FROM story WHERE visit = ? AND hub_number = ?",
                                "ii", (int64_t)in->visit, (int64_t)in->number);
    if (dw_db_next(w->db, q))
        return true;
    /* Up to READY the offer says where the visit stands, and at the end the receipt: it brings the
     * nonce or the outcome that belongs to it. */
    bool is_told = in->state <= DW_VISIT_READY;
    if (is_told && in->alarms == 0)
        return true;
    struct dw_line line = {.hub_number = in->number,
                           .state = in->state,
                           .check = in->check,
                           .alarms = in->alarms,
                           .at_lo = in->at.lo_ms,
                           .at_hi = in->at.hi_ms};
    dw_visit_tell(w, in->visit, &line);
    if (in->state == DW_VISIT_INSIDE)
        use_parcel(w, in->visit);
    /* Late lines keep their own time and do not turn the state back. */
    if (in->number > known.news_seen)
        (void)dw_db_do(w->db,
                       "UPDATE visits SET news_seen = ?1, alarms = ?2,"
                       " state = CASE WHEN outcome = 0 AND NOT ?3 THEN ?4 ELSE state END,"
                       " check_failed = CASE WHEN outcome = 0 AND ?5 > 0 THEN ?5"
                       " ELSE check_failed END WHERE id = ?6",
                       "iiiiii", (int64_t)in->number, (int64_t)in->alarms, (int64_t)is_told,
                       (int64_t)in->state, (int64_t)in->check, (int64_t)in->visit);
    if (in->state >= DW_VISIT_INTENT)
        w->stops_waiting = true;
    return true;
}

static bool hear_receipt(struct dw_work *w, const struct dw_message *m)
{
    const struct dw_receipt *in = &m->receipt;
    struct known known;
    if (!look(w, in->visit, m->home, &known) ||
        !dw_same(known.nonce, in->courier_nonce, DW_NONCE_BYTES) || in->leaf > INT64_MAX ||
        known.story >= STORY_MAX)
        return false;
    /* The receipt that confirms an earlier one is another message, with a number of its own. */
    acknowledge(w, &m->hub, in->visit, in->is_confirmed_later ? UINT32_MAX : 0);
    bool is_repeat = known.has_receipt && known.leaf == in->leaf && known.outcome == in->outcome;
    bool is_overtaken = known.is_confirmed_later && !in->is_confirmed_later;
    if (is_repeat || is_overtaken)
        return true;
    (void)dw_db_do(w->db,
                   "UPDATE visits SET outcome = ?, check_failed = ?, gap_ms = ?, opened_lo = ?,"
                   " opened_hi = ?, secured_lo = ?, secured_hi = ?, inside_ms = ?, evidence = ?,"
                   " leaf = ?, is_confirmed_later = ? WHERE id = ?",
                   "iiiiiiiiiiii", (int64_t)in->outcome, (int64_t)in->check, (int64_t)in->gap_ms,
                   in->opened.lo_ms, in->opened.hi_ms, in->secured.lo_ms, in->secured.hi_ms,
                   (int64_t)in->inside_ms, (int64_t)in->evidence, (int64_t)in->leaf,
                   (int64_t)in->is_confirmed_later, (int64_t)in->visit);
    struct dw_line line = {.outcome = in->outcome,
                           .check = in->check,
                           .at_lo = in->secured.lo_ms,
                           .at_hi = in->secured.hi_ms};
    if (known.outcome != in->outcome || in->outcome != DW_OUTCOME_REFUSED)
        dw_visit_tell(w, in->visit, &line);
    if (dw_utc_is_known(in->opened))
        use_parcel(w, in->visit);
    (void)dw_db_do(w->db, "INSERT OR REPLACE INTO receipts (visit, bytes) VALUES (?, ?)", "ib",
                   (int64_t)in->visit, m->object.ptr, m->object.len);
    w->stops_waiting = true;
    w->touched = in->visit;
    return true;
}

bool dw_visits_hear(struct dw_work *w)
{
    struct dw_message *m = (struct dw_message *)w;
    bool is_ours = m->kind == DW_LINK_KIND_OFFER  ? hear_offer(w, m)
                   : m->kind == DW_LINK_KIND_NEWS ? hear_news(w, m)
                                                  : hear_receipt(w, m);
    m->is_refused = !is_ours;
    return is_ours;
}
