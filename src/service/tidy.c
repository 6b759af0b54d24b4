#include "service/tidy.h"

#include "service/agencies/signing.h"

#define ANSWERS_MS  INT64_C(86400000)
#define DAY_MS      INT64_C(86400000)
#define ROWS        10000 /* of one kind in one step */
#define SHIFT_STEPS 64
#define VISITS      200 /* whose stories go in one step */

static void forget_stories(struct dw_db *db, int64_t before)
{
    int64_t id[VISITS];
    size_t count = 0;
    sqlite3_stmt *q = dw_db_ask(db,
                                "SELECT id FROM visits WHERE story > 0 AND asked < ?"
                                " ORDER BY asked LIMIT ?",
                                "ii", before, (int64_t)VISITS);
    while (count < VISITS && dw_db_next(db, q))
        id[count++] = sqlite3_column_int64(q, 0);
    for (size_t i = 0; i < count; i++) {
        (void)dw_db_do(db, "DELETE FROM story WHERE visit = ?", "i", id[i]);
        (void)dw_db_do(db, "UPDATE visits SET story = 0 WHERE id = ?", "i", id[i]);
    }
}

bool dw_tidy(struct dw_db *db, const struct dw_service_settings *set, int64_t now_ms)
{
    (void)dw_db_do(db,
                   "DELETE FROM answers WHERE (actor, key) IN (SELECT actor, key FROM answers"
                   " WHERE created < ? LIMIT ?)",
                   "ii", now_ms - ANSWERS_MS, (int64_t)ROWS);
    (void)dw_db_do(db, "DELETE FROM sessions WHERE created < ? OR used < ?", "ii",
                   now_ms - (int64_t)set->session_max_s * 1000,
                   now_ms - (int64_t)set->session_idle_s * 1000);
    (void)dw_db_do(db, "DELETE FROM invitations WHERE until < ?", "i", now_ms);
    (void)dw_db_do(db, "DELETE FROM challenges WHERE until < ?", "i", now_ms);
    /* A day more than anywhere on earth. Nobody is shown them meanwhile. */
    (void)dw_db_do(db, "DELETE FROM house_notes WHERE until_day < ?", "i", now_ms / DAY_MS - 1);
    (void)dw_db_do(db,
                   "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ? ORDER BY id"
                   " LIMIT ?)",
                   "ii", now_ms - (int64_t)set->story_days * DAY_MS, (int64_t)ROWS);
    forget_stories(db, now_ms - (int64_t)set->story_days * DAY_MS);
    return !db->is_failed;
}

static bool run_step(struct dw_work *w)
{
    uint8_t after[DW_ID_BYTES] = {0};
    /* Shifts that end soon are made anew on the way. */
    for (size_t i = 0; i < SHIFT_STEPS && dw_shifts_renew_some(w, after); i++)
        ;
    return dw_tidy(w->db, &w->service->set, dw_service_now_ms());
}

static void step_done(struct dw_work *w, bool is_stored)
{
    if (is_stored) /* else it comes round again */
        dw_service_after(w);
    struct dw_arena arena = w->arena;
    dw_arena_done(&arena);
}

void dw_tidy_begin(struct dw_service *s)
{
    struct dw_arena arena = {0};
    struct dw_work *w = dw_arena_take(&arena, sizeof(*w));
    w->arena = arena;
    w->service = s;
    w->run = run_step;
    w->done = step_done;
    if (dw_failed(dw_store_write(s->store, w)))
        step_done(w, false);
}
