/* Who waits: visits for their hub, requests for a visit. Main thread, on the monotonic clock, so
 * that a jump of the wall clock neither ends a wait nor makes it last. */
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "service/tidy.h"
#include "service/visits/visits.h"

#define TICK_MS    50u
#define REPEAT_MS  2000u /* a hub that lost the question has time for three more before 8 s */
#define WAITS_MAX  65536u
#define PARKED_MAX 4096u
#define TIDY_MS    600000u

struct wait {
    uint64_t visit;
    uint64_t since, until, next; /* uv_now */
    bool repeats;
};

struct dw_waiting {
    struct dw_service *service;
    uv_timer_t timer;
    struct wait *waits;
    size_t count, cap;
    struct dw_call *parked;
    size_t parked_count;
    uint64_t tidy_at;
    bool is_stopping;
};

/* -- visits -------------------------------------------------------------------------------------
 */

struct again {
    struct dw_work work; /* first */
    uint64_t visit;
    uint32_t age_ms;
    bool is_over;
};

static bool run_again(struct dw_work *w)
{
    struct again *a = (struct again *)w;
    sqlite3_stmt *q = dw_db_ask(w->db, "SELECT state, outcome, slid FROM visits WHERE id = ?", "i",
                                (int64_t)a->visit);
    w->touched = a->visit;
    if (!dw_db_next(w->db, q)) {
        w->stops_waiting = true;
        return true;
    }
    int state = sqlite3_column_int(q, 0);
    bool is_slid = sqlite3_column_type(q, 2) != SQLITE_NULL;
    if (sqlite3_column_int(q, 1) != DW_OUTCOME_NONE || state > DW_VISIT_READY)
        w->stops_waiting = true;
    else if (state == DW_VISIT_ASKED && a->is_over)
        dw_visit_refuse(w, a->visit, DW_CHECK_HUB_UNREACHABLE);
    else if (state == DW_VISIT_ASKED)
        dw_visit_send_hello(w, a->visit, a->age_ms);
    else if (!is_slid && a->is_over)
        dw_visit_refuse(w, a->visit, DW_CHECK_EXPIRED);
    else if (is_slid && !a->is_over)
        dw_visit_send_stop(w, a->visit);
    else if (is_slid)
        /* Whether the door opened is not known here: the state stays "sent" until the hub speaks.
         */
        w->stops_waiting = true;
    return true;
}

static void again_done(struct dw_work *w, bool is_stored)
{
    if (is_stored) {
        w->service->count.hellos_again += w->posts != NULL;
        dw_service_after(w);
    }
    struct dw_arena arena = w->arena;
    dw_arena_done(&arena);
}

static void ask_again(struct dw_waiting *w, struct wait *wait, uint64_t now)
{
    struct dw_arena arena = {0};
    struct again *a = dw_arena_take(&arena, sizeof(*a));
    a->work.arena = arena;
    a->work.service = w->service;
    a->work.posts_end = &a->work.posts;
    a->work.run = run_again;
    a->work.done = again_done;
    a->visit = wait->visit;
    a->age_ms = (uint32_t)(now - wait->since);
    a->is_over = now >= wait->until;
    /* A batch that fails leaves the wait in place: it comes round again. */
    wait->next = now + (a->is_over ? 500u : REPEAT_MS);
    if (wait->next > wait->until && !a->is_over)
        wait->next = wait->until;
    if (dw_failed(dw_store_write(w->service->store, &a->work))) {
        arena = a->work.arena;
        dw_arena_done(&arena);
    }
}

static struct wait *find(struct dw_waiting *w, uint64_t visit)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->waits[i].visit == visit)
            return &w->waits[i];
    return NULL;
}

static struct wait *add(struct dw_waiting *w, uint64_t visit)
{
    struct wait *wait = find(w, visit);
    if (wait)
        return wait;
    if (w->count == w->cap) {
        size_t cap = w->cap ? w->cap * 2 : 64;
        struct wait *grown = cap <= WAITS_MAX ? realloc(w->waits, cap * sizeof(*grown)) : NULL;
        if (!grown) {
            dw_log("error", "waits-full", "count=%zu", w->count);
            return NULL;
        }
        w->waits = grown;
        w->cap = cap;
    }
    wait = &w->waits[w->count++];
    memset(wait, 0, sizeof(*wait));
    wait->visit = visit;
    return wait;
}

/* -- requests -----------------------------------------------------------------------------------
 */

/* Takes out the parked calls of `visit` (or of signers; 0: those whose time is over) and runs them
 * again. */
static void wake(struct dw_waiting *w, uint64_t visit, uint64_t now)
{
    struct dw_call **at = &w->parked, *woken = NULL;
    while (*at) {
        struct dw_call *c = *at;
        bool is_due = visit == 0                ? now >= c->parked_until_ms || w->is_stopping
                      : visit & DW_WAIT_SIGNING ? c->wait_visit & DW_WAIT_SIGNING &&
                                                      c->wait_visit & visit & ~DW_WAIT_SIGNING
                                                : c->wait_visit == visit;
        if (!is_due) {
            at = &c->next_parked;
            continue;
        }
        *at = c->next_parked;
        c->next_parked = woken;
        woken = c;
        w->parked_count--;
    }
    while (woken) {
        struct dw_call *next = woken->next_parked;
        woken->next_parked = NULL;
        dw_call_again(woken, now >= woken->parked_until_ms || w->is_stopping || !woken->socket);
        woken = next;
    }
}

void dw_visit_park(struct dw_call *c)
{
    struct dw_waiting *w = c->work.service->waiting;
    uint64_t now = uv_now(c->work.service->loop);
    if (!c->parked_until_ms)
        c->parked_until_ms = now + dw_query_uint(c, "wait_ms", DW_WAIT_MS_MAX, 0);
    if (w->parked_count >= PARKED_MAX || w->is_stopping) {
        c->parked_until_ms = now;
        dw_call_again(c, true);
        return;
    }
    c->next_parked = w->parked;
    w->parked = c;
    w->parked_count++;
}

/* -- both ---------------------------------------------------------------------------------------
 */

void dw_visit_touched(const struct dw_work *done)
{
    struct dw_waiting *w = done->service->waiting;
    uint64_t now = uv_now(done->service->loop);
    if (done->stops_waiting) {
        struct wait *wait = find(w, done->touched);
        if (wait)
            *wait = w->waits[--w->count];
    } else if (done->wait_ms) {
        struct wait *wait = add(w, done->touched);
        if (wait) {
            wait->since = now;
            wait->until = now + done->wait_ms;
            wait->repeats = done->wait_repeats;
            wait->next = wait->repeats ? now + REPEAT_MS : wait->until;
        }
    }
    wake(w, done->touched, now);
}

void dw_signing_waits(const struct dw_work *done)
{
    struct dw_waiting *w = done->service->waiting;
    wake(w, DW_WAIT_SIGNING | done->signing, uv_now(done->service->loop));
}

void dw_visits_send_again(struct dw_service *s)
{
    for (size_t i = 0; i < s->waiting->count; i++)
        if (s->waiting->waits[i].repeats)
            s->waiting->waits[i].next = 0;
}

static void on_tick(uv_timer_t *timer)
{
    struct dw_waiting *w = timer->data;
    uint64_t now = uv_now(w->service->loop);
    for (size_t i = 0; i < w->count; i++)
        if (now >= w->waits[i].next)
            ask_again(w, &w->waits[i], now);
    wake(w, 0, now);
    if (now >= w->tidy_at) {
        w->tidy_at = now + TIDY_MS;
        dw_tidy_begin(w->service);
    }
}

/* Visits that were waiting when the service stopped, by the wall clock for once. */
static void resume(struct dw_waiting *w)
{
    struct dw_service *s = w->service;
    struct dw_db *db = dw_store_reader(s->store);
    uint64_t now = uv_now(s->loop);
    sqlite3_stmt *q = dw_db_ask(db,
                                "SELECT id, state, asked, ready_until, slid FROM visits"
                                " WHERE outcome = 0 AND state IN (1, 2)",
                                "");
    while (dw_db_next(db, q)) {
        struct wait *wait = add(w, (uint64_t)sqlite3_column_int64(q, 0));
        if (!wait)
            break;
        bool is_slid = sqlite3_column_type(q, 4) != SQLITE_NULL;
        bool is_asked = sqlite3_column_int(q, 1) == DW_VISIT_ASKED;
        int64_t since = sqlite3_column_int64(q, is_slid ? 4 : 2);
        int64_t until =
            is_asked || is_slid ? since + s->set.hub_answer_ms : sqlite3_column_int64(q, 3) + 2000;
        int64_t wall = dw_service_now_ms(), age = wall - since, left = until - wall;
        wait->repeats = is_asked || is_slid;
        wait->since = now - (age > 0 && age < 60000 ? (uint64_t)age : 0);
        wait->until = now + (left > 0 && left < 600000 ? (uint64_t)left : 0);
        wait->next = wait->repeats ? now : wait->until;
    }
    (void)dw_db_settle(db);
}

dw_err dw_waiting_start(struct dw_service *s)
{
    struct dw_waiting *w = calloc(1, sizeof(*w));
    DW_ASSERT(w);
    w->service = s;
    s->waiting = w;
    resume(w);
    DW_ASSERT(uv_timer_init(s->loop, &w->timer) == 0);
    w->timer.data = w;
    DW_ASSERT(uv_timer_start(&w->timer, on_tick, TICK_MS, TICK_MS) == 0);
    return DW_OK;
}

static void on_closed(uv_handle_t *handle)
{
    struct dw_waiting *w = handle->data;
    free(w->waits);
    free(w);
}

void dw_waiting_stop(struct dw_waiting *w)
{
    w->is_stopping = true;
    wake(w, 0, UINT64_MAX);
    uv_close((uv_handle_t *)&w->timer, on_closed);
}
