#include "service/jobs/wishes.h"

#include <string.h>

#include "os/os.h"
#include "service/homes/homes.h"
#include "service/jobs/jobs.h"
#include "wire/wish.h"

/* What one number overtakes another about. */
enum aspect { ASPECT_NONE = 0, ASPECT_ANSWER, ASPECT_PLACE, ASPECT_NOTE, ASPECT_AGENCY };

static const char *const note_words[DW_NOTE_KIND_COUNT] = {
    [DW_NOTE_KIND_PETS] = "pets",
    [DW_NOTE_KIND_ALARM] = "alarm",
    [DW_NOTE_KIND_EXTRA_LOCK] = "extra_lock",
    [DW_NOTE_KIND_OTHER] = "other",
};

const char *dw_wished_word(int wished)
{
    return wished == DW_WISH_ACCEPT    ? "accept"
           : wished == DW_WISH_DECLINE ? "decline"
           : wished == DW_WISH_MOVE    ? "move"
                                       : NULL;
}

json_t *dw_house_notes(struct dw_call *c, const uint8_t home[DW_ID_BYTES],
                       const uint8_t job[DW_ID_BYTES], int32_t today)
{
    static const uint8_t every[DW_ID_BYTES];
    json_t *list = json_array();
    sqlite3_stmt *q = dw_db_ask(c->work.db,
                                "SELECT kind, text, until_day FROM house_notes WHERE home = ?"
                                " AND job IN (?, ?) AND until_day >= ? ORDER BY kind, job LIMIT 16",
                                "kkki", home, every, job, (int64_t)today);
    while (dw_db_next(c->work.db, q)) {
        int kind = sqlite3_column_int(q, 0);
        if (kind > DW_NOTE_KIND_NONE && kind < DW_NOTE_KIND_COUNT)
            (void)json_array_append_new(list, json_pack("{s:s, s:o, s:o}", "kind", note_words[kind],
                                                        "text", dw_json_col_text(q, 1), "until",
                                                        dw_json_day(sqlite3_column_int(q, 2))));
    }
    return list;
}

/* -- applying -----------------------------------------------------------------------------------
 */

static enum aspect aspect_of(const struct dw_wish *in)
{
    switch ((enum dw_wish_kind)in->kind) {
    case DW_WISH_ACCEPT:
    case DW_WISH_DECLINE:
    case DW_WISH_MOVE: return ASPECT_ANSWER;
    case DW_WISH_PLACE: return ASPECT_PLACE;
    case DW_WISH_NOTE: return ASPECT_NOTE;
    case DW_WISH_STOP_AGENCY:
    case DW_WISH_ALLOW_AGENCY: return ASPECT_AGENCY;
    case DW_WISH_NONE:
    case DW_WISH_COUNT: break;
    }
    return ASPECT_NONE;
}

/* False when a later wish about the same thing was applied already, or this one was. */
static bool is_newer(struct dw_work *w, const struct dw_message *m, enum aspect aspect)
{
    const struct dw_wish *in = &m->wish;
    uint8_t thing[DW_ID_BYTES + 1];
    memcpy(thing, in->id, DW_ID_BYTES);
    thing[DW_ID_BYTES] = aspect == ASPECT_NOTE ? in->value : 0;
    sqlite3_stmt *q =
        dw_db_ask(w->db,
                  "INSERT INTO wish_marks (home, aspect, thing, number) VALUES (?, ?, ?, ?)"
                  " ON CONFLICT (home, aspect, thing) DO UPDATE SET number = excluded.number"
                  " WHERE excluded.number > number RETURNING 1",
                  "kibi", m->home, (int64_t)aspect, thing, sizeof(thing), (int64_t)in->number);
    bool is_new = dw_db_next(w->db, q);
    (void)dw_db_next(w->db, is_new ? q : NULL);
    return is_new;
}

/* Whether the job is this home's, and can still be wished about. */
static enum dw_wish_no look_at_job(struct dw_work *w, const struct dw_message *m)
{
    sqlite3_stmt *q =
        dw_db_ask(w->db,
                  "SELECT exp_s, is_recalled, EXISTS (SELECT 1 FROM parcels WHERE job = id"
                  " AND used_by IS NULL) FROM jobs WHERE id = ? AND home = ?",
                  "kk", m->wish.id, m->home);
    if (!dw_db_next(w->db, q))
        return DW_WISH_NO_SUCH;
    return sqlite3_column_int(q, 1) == 0 && sqlite3_column_int(q, 2) == 1 &&
                   sqlite3_column_int64(q, 0) > dw_service_now_ms() / 1000
               ? DW_WISH_STORED
               : DW_WISH_TOO_LATE;
}

static void apply_answer(struct dw_work *w, const struct dw_wish *in)
{
    bool is_move = in->kind == DW_WISH_MOVE;
    (void)dw_db_do(w->db,
                   "INSERT INTO job_wishes (job, wished, day, from_min, to_min)"
                   " VALUES (?1, ?2, CASE WHEN ?6 THEN ?3 END, CASE WHEN ?6 THEN ?4 END,"
                   " CASE WHEN ?6 THEN ?5 END)"
                   " ON CONFLICT (job) DO UPDATE SET wished = excluded.wished,"
                   " day = excluded.day, from_min = excluded.from_min, to_min = excluded.to_min",
                   "kiiiii", in->id, (int64_t)in->kind, (int64_t)in->window.day,
                   (int64_t)in->window.from_min, (int64_t)in->window.to_min, (int64_t)is_move);
}

static void apply_place(struct dw_work *w, const struct dw_wish *in)
{
    (void)dw_db_do(w->db,
                   "INSERT INTO job_wishes (job, place) VALUES (?, ?)"
                   " ON CONFLICT (job) DO UPDATE SET place = excluded.place",
                   "kt", in->id, in->text);
}

/* No text: the note is taken away. */
static void apply_note(struct dw_work *w, const struct dw_message *m)
{
    const struct dw_wish *in = &m->wish;
    if (!in->text[0])
        (void)dw_db_do(w->db, "DELETE FROM house_notes WHERE home = ? AND job = ? AND kind = ?",
                       "kki", m->home, in->id, (int64_t)in->value);
    else
        (void)dw_db_do(w->db,
                       "INSERT OR REPLACE INTO house_notes (home, job, kind, text, until_day)"
                       " VALUES (?, ?, ?, ?, ?)",
                       "kkiti", m->home, in->id, (int64_t)in->value, in->text,
                       (int64_t)in->window.day);
}

/* At once, whatever was granted: the grants stay, and count again when it is allowed. */
static void apply_agency(struct dw_work *w, const struct dw_message *m)
{
    const struct dw_wish *in = &m->wish;
    if (in->kind == DW_WISH_ALLOW_AGENCY)
        (void)dw_db_do(w->db, "DELETE FROM stopped WHERE home = ? AND agency = ?", "kk", m->home,
                       in->id);
    else
        (void)dw_db_do(w->db,
                       "INSERT OR REPLACE INTO stopped (home, agency, changed) VALUES (?, ?, ?)",
                       "kki", m->home, in->id, dw_service_now_ms());
    /* An agency that is stopped has its answer. */
    (void)dw_db_do(w->db, "UPDATE introductions SET is_over = 1 WHERE home = ? AND agency = ?",
                   "kk", m->home, in->id);
    dw_jobs_send_of_permission(w, m->home, in->id);
}

static bool is_agency(struct dw_work *w, const uint8_t id[DW_ID_BYTES])
{
    sqlite3_stmt *q = dw_db_ask(w->db, "SELECT 1 FROM agencies WHERE id = ?", "k", id);
    return dw_db_next(w->db, q);
}

static enum dw_wish_no look(struct dw_work *w, const struct dw_message *m, enum aspect aspect)
{
    static const uint8_t every[DW_ID_BYTES];
    const struct dw_wish *in = &m->wish;
    switch (aspect) {
    case ASPECT_ANSWER:
    case ASPECT_PLACE: return look_at_job(w, m);
    case ASPECT_NOTE:
        return memcmp(in->id, every, sizeof(every)) == 0 ? DW_WISH_STORED : look_at_job(w, m);
    case ASPECT_AGENCY: return is_agency(w, in->id) ? DW_WISH_STORED : DW_WISH_NO_SUCH;
    case ASPECT_NONE: break;
    }
    return DW_WISH_NO_SUCH;
}

static void acknowledge(struct dw_work *w, const struct dw_message *m, enum dw_wish_no status)
{
    struct dw_wish_ack out = {.number = m->wish.number, .status = (uint8_t)status};
    uint8_t bytes[128];
    struct dw_buf buf = dw_buf_of(bytes, sizeof(bytes));
    memcpy(out.hub, m->hub.thumb, sizeof(out.hub));
    if (!dw_failed(dw_wish_ack_write(&out, &buf)))
        dw_post(w, m->hub.thumb, DW_LINK_KIND_WISH_ACK, dw_view_of_buf(&buf));
}

bool dw_wishes_hear(struct dw_work *w)
{
    struct dw_message *m = (struct dw_message *)w;
    enum aspect aspect = aspect_of(&m->wish);
    m->is_refused = m->wish.number > INT64_MAX;
    if (m->is_refused)
        return false;
    enum dw_wish_no status = look(w, m, aspect);
    if (status == DW_WISH_STORED && is_newer(w, m, aspect)) {
        switch (aspect) {
        case ASPECT_ANSWER: apply_answer(w, &m->wish); break;
        case ASPECT_PLACE: apply_place(w, &m->wish); break;
        case ASPECT_NOTE: apply_note(w, m); break;
        case ASPECT_AGENCY: apply_agency(w, m); break;
        case ASPECT_NONE: break;
        }
        dw_audit(w, "hub", m->home, "WISH", m->wish.id);
    }
    acknowledge(w, m, status);
    return true;
}
