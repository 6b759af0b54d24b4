/* The effects of the core, performed in the order given. */
#include <stdlib.h>
#include <string.h>

#include "hub/guard/guard.h"
#include "os/os.h"

/* ---- writes that are answered later -------------------------------------------------------------
 */

/* What a write was for: one's own, until its answer has come. An answer about one write must never
 * be taken for that of another [I35]. As many as the store's queue takes. */
struct errand {
    struct guard *g;
    uint32_t handle, intent;
    uint64_t visit;
    bool has_use;
    bool has_grant_use;       /* it is what counted the visit as a use of the grant */
    uint8_t job[16], use[32]; /* of an intent */
    uint8_t grant[16];
    uint32_t guest;            /* whose visit it was; 0: a courier's */
    struct dw_receipt receipt; /* of an end, as it was when it ended */
};

static struct errand *errand(struct guard *g, const struct hello *h, uint32_t handle)
{
    struct errand *e = calloc(1, sizeof *e);
    DW_ASSERT(e);
    *e = (struct errand){
        .g = g, .handle = handle, .visit = h ? h->visit : 0, .guest = h ? h->guest : 0};
    return e;
}

/* In memory: this parcel, or opening of a stay, may be tried again. */
static void forget_use(struct guard *g, const struct errand *e)
{
    struct job_slot *s = link_job(g, e->job);
    if (!s)
        return;
    house_job_changed(g, s);
    for (uint32_t i = 0; i < s->job.parcel_count; i++) {
        if (dw_same(e->use, s->job.parcel[i], 32))
            s->consumed &= ~DW_BIT(i);
    }
    if (s->openings_used)
        s->openings_used--;
}

/* The visit is no use of its grant after all. */
static uint32_t forget_grant_use(struct guard *g, const struct errand *e, uint8_t *room, size_t cap,
                                 struct store_fact *ret_fact)
{
    struct hello *h = hello_of(g, e->handle);
    if (!e->has_grant_use || !authority_unuse(g, e->grant, room, cap, ret_fact))
        return 0;
    if (h)
        h->has_grant_use = false;
    return 1;
}

/* And durably. Only where the bolt was never withdrawn for it [I11]. */
static void release(struct guard *g, const struct errand *e)
{
    uint8_t room[STATE_FACT_MAX];
    struct store_fact fact;
    struct store_write w = {
        .visit = e->visit,
        .job_id = dw_view_of(e->job, 16),
        .parcel = dw_view_of(e->use, 32),
        .release = true,
        .facts = &fact,
        .fact_count = forget_grant_use(g, e, room, sizeof room, &fact),
    };
    forget_use(g, e);
    (void)store_write(g->store, &w);
}

static void on_intent_written(void *ctx, dw_err err, uint64_t leaf)
{
    struct errand *e = ctx;
    struct guard *g = e->g;
    (void)leaf;
    struct dw_event ev = {
        .type = dw_failed(err) ? DW_EV_RECORD_FAILED : DW_EV_RECORDED,
        .visit = e->handle,
        .value = e->intent,
    };
    struct hello *h = hello_of(g, e->handle);
    if (dw_failed(err)) {
        uint8_t room[STATE_FACT_MAX];
        struct store_fact fact;
        (void)forget_grant_use(g, e, room, sizeof room, &fact); /* was never written */
        if (e->has_use && !dw_is(err, DW_E_EXISTS))             /* used before: stays so */
            forget_use(g, e);
    } else if (!e->has_use) { /* class O: nothing is used up */
    } else if (h && !h->is_ended) {
        h->is_consumed = true;
        h->is_use_counted = e->has_grant_use;
        memcpy(h->used_job, e->job, 16); /* by name: the list of parcels may change meanwhile */
        memcpy(h->used, e->use, 32);
    } else { /* refused while it was being written: nothing will come of it */
        release(g, e);
    }
    free(e);
    guard_feed(g, &ev);
}

static void on_end_written(void *ctx, dw_err err, uint64_t leaf)
{
    struct errand *e = ctx;
    struct hello *h = hello_of(e->g, e->handle);
    if (h && h->is_owner) { /* nobody but the household hears of its own openings */
        free(e);
        return;
    }
    /* A record that cannot be written is said in the log; the courier's receipt goes out all the
     * same. */
    e->receipt.leaf = dw_failed(err) ? 0 : leaf;
    link_receipt(e->g, &e->receipt, e->guest);
    free(e);
}

/* What stands for this opening in the durable facts: the parcel, or for a stay the question itself.
 */
static void use_of(struct guard *g, const struct hello *h, uint8_t ret[32])
{
    if (h->job < JOBS_MAX && h->parcel < DW_JOB_PARCELS_MAX)
        memcpy(ret, g->jobs[h->job].job.parcel[h->parcel], 32);
    else
        dw_sha256(dw_view_of(h->courier_nonce, 32), ret);
}

/* What somebody's passkey signed for this opening, kept under the number of its line. */
static struct store_fact evidence_fact(const struct guard *g, const struct hello *h)
{
    return (struct store_fact){STORE_FACT_EVIDENCE, g->story_number + 1,
                               dw_view_of(h->evidence, h->evidence_len)};
}

/* VIS-28 [I35]: who of the household, and in which words. A restart finds the visit open. */
static void write_owner_intent(struct guard *g, const struct hello *h, struct errand *e)
{
    uint8_t detail[12 + 32], reserve[8];
    size_t len = tell_detail(detail, h->act, 0, h->member);
    struct store_fact fact = evidence_fact(g, h);
    if (fact.bytes.len > 0) {
        dw_sha256(fact.bytes, detail + len);
        len += 32;
    }
    struct store_write w = {
        .kind = DW_STORY_UNLOCK_INTENT,
        .visit = h->visit,
        .at = guard_wall(g),
        .boot_ms = dw_now().ms,
        .detail = dw_view_of(detail, len),
        .story = g->story_number + 1,
        .facts = &fact,
        .fact_count = fact.bytes.len > 0,
        .visit_mark = STORE_VISIT_OPEN,
        .done = on_intent_written,
        .ctx = e,
    };
    bolt_reserve(g, &w, reserve);
    show_story(g, DW_STORY_UNLOCK_INTENT, h->act, 0, h->member);
    if (dw_failed(store_write(g->store, &w)))
        on_intent_written(e, dw_fail(DW_E_IO), 0);
}

/* VIS-5 [I11, I35]: the intent names everything that the opening rests on. */
static void write_intent(struct guard *g, uint32_t handle, uint32_t intent)
{
    struct hello *h = hello_of(g, handle);
    struct errand *e = errand(g, h, handle);
    e->intent = intent;
    if (h && h->is_owner) {
        write_owner_intent(g, h, e);
        return;
    }
    if (!h || h->job >= JOBS_MAX || !g->jobs[h->job].is_used) {
        on_intent_written(e, dw_fail(DW_E_NOT_FOUND), 0);
        return;
    }
    struct job_slot *s = &g->jobs[h->job];
    use_of(g, h, e->use);
    e->has_use = true;
    memcpy(e->job, s->job.job, 16);
    /* [I35] No opening without what was signed for it. */
    struct store_fact facts[3] = {evidence_fact(g, h)};
    uint32_t fact_count = 1;
    uint8_t room[STATE_FACT_MAX], reserve[8];
    if (facts[0].bytes.len == 0) {
        e->has_use = false;
        on_intent_written(e, dw_fail(DW_E_NOT_FOUND), 0);
        return;
    }
    /* One use a visit; a job that an agency has moved to another grant is a use of that one. */
    if (!h->has_grant_use || !dw_same(h->use_grant, s->grant, 16)) {
        if (!authority_use(g, s, room, sizeof room, &facts[1])) {
            e->has_use = false;
            on_intent_written(e, dw_fail(DW_E_NOT_FOUND), 0);
            return;
        }
        memcpy(e->grant, s->grant, 16);
        memcpy(h->use_grant, s->grant, 16);
        e->has_grant_use = h->has_grant_use = true;
        fact_count = 2;
    }
    if (judge_needs_yes(g, s) &&
        expected_use(g, h->asked.barcode, h->asked.barcode_len, &facts[fact_count]))
        fact_count++;
    uint8_t detail[16 + 32 + 32 + 32 + 32 + 32 + 32 + 16];
    memcpy(detail, s->job.job, 16);
    memcpy(detail + 16, h->courier_nonce, 32);
    memcpy(detail + 48, h->hub_nonce, 32);
    memcpy(detail + 80, e->use, 32);
    memcpy(detail + 112, g->camera.chain, 32); /* newest verified frame record */
    dw_sha256(facts[0].bytes, detail + 144);   /* what the visitor signed */
    dw_sha256(dw_view_of(s->object, s->object_len), detail + 176);
    memcpy(detail + 208, s->grant, 16);
    struct store_write w = {
        .kind = DW_STORY_UNLOCK_INTENT,
        .visit = h->visit,
        .at = guard_wall(g),
        .boot_ms = dw_now().ms,
        .detail = dw_view_of(detail, sizeof detail),
        .job_id = dw_view_of(s->job.job, 16),
        .story = g->story_number + 1,
        .parcel = dw_view_of(e->use, 32),
        .visit_mark = STORE_VISIT_OPEN,
        /* Without it a restart in the middle owes nobody a receipt. */
        .courier_nonce = dw_view_of(h->courier_nonce, h->guest ? 0 : 32),
        .facts = facts,
        .fact_count = fact_count,
        .done = on_intent_written,
        .ctx = e,
    };
    if (h->parcel < DW_JOB_PARCELS_MAX)
        s->consumed |= DW_BIT(h->parcel);
    if (s->openings_used < UINT8_MAX)
        s->openings_used++;
    h->is_consumed = false;
    house_job_changed(g, s);
    bolt_reserve(g, &w, reserve);
    show_story(g, DW_STORY_UNLOCK_INTENT, 0, 0, 0);
    if (dw_failed(store_write(g->store, &w)))
        on_intent_written(e, dw_fail(DW_E_IO), 0);
}

/* Refused after the intent: the bolt was never withdrawn, so the parcel may be tried again. */
static void give_back(struct guard *g, struct hello *h)
{
    if (!h->is_consumed)
        return;
    struct errand used = {
        .visit = h->visit, .handle = h->handle, .has_grant_use = h->is_use_counted};
    memcpy(used.grant, h->use_grant, 16); /* not what the job stands on by now */
    memcpy(used.job, h->used_job, 16);
    memcpy(used.use, h->used, 32);
    h->is_consumed = false;
    release(g, &used);
}

static void end_visit(struct guard *g, uint32_t handle, enum dw_outcome outcome,
                      enum dw_check check, bool later)
{
    struct hello *h = hello_of(g, handle);
    if (!h)
        return;
    if (outcome == DW_OUTCOME_REFUSED) {
        give_back(g, h);
        h->check = (uint8_t)check;
    }
    h->outcome = (uint8_t)outcome;
    h->is_ended = true;
    if (h->opened_ms && !h->inside_ms)
        h->inside_ms = (uint32_t)(dw_now().ms - h->opened_ms);
    struct errand *e = errand(g, h, handle);
    e->receipt = (struct dw_receipt){
        .visit = h->visit,
        .outcome = (uint8_t)outcome,
        .check = (uint8_t)check,
        .gap_ms = g->door.live.gap_worst_ms,
        .opened = h->opened,
        .secured = h->secured,
        .inside_ms = h->inside_ms,
        .evidence = (uint8_t)g->door.lock.lock_class,
        .is_confirmed_later = later,
    };
    memcpy(e->receipt.courier_nonce, h->courier_nonce, 32);
    uint8_t detail[12] = {(uint8_t)outcome, (uint8_t)check};
    if (outcome == DW_OUTCOME_REFUSED) /* what of the signatures did not hold */
        detail[2] = h->chain_no;
    uint32_t member = h->is_owner ? h->member : 0;
    uint32_t gap = h->is_owner ? 0 : g->door.live.gap_worst_ms;
    for (size_t i = 0; i < 4; i++)
        detail[4 + i] = (uint8_t)(gap >> (24 - 8 * i));
    for (size_t i = 0; i < 4; i++)
        detail[8 + i] = (uint8_t)(member >> (24 - 8 * i));
    enum dw_story kind = later                           ? DW_STORY_CONFIRMED_LATE
                         : outcome == DW_OUTCOME_REFUSED ? DW_STORY_VISIT_REFUSED
                                                         : DW_STORY_VISIT_ENDED;
    struct store_write w = {
        .kind = (uint8_t)kind,
        .visit = h->visit,
        .at = guard_wall(g),
        .boot_ms = dw_now().ms,
        .detail = dw_view_of(detail, member ? 12 : 8),
        .story = g->story_number + 1,
        .done = on_end_written,
        .ctx = e,
    };
    bool is_open =
        !later && (outcome == DW_OUTCOME_NOT_SECURED || outcome == DW_OUTCOME_SECURED_UNCONFIRMED);
    if (h->is_owner) /* of a visitor's the receipt says so */
        w.visit_mark = is_open ? STORE_VISIT_TOLD : STORE_VISIT_OVER;
    if (dw_failed(store_write(g->store, &w)))
        on_end_written(e, dw_fail(DW_E_IO), 0);
    if (outcome == DW_OUTCOME_REFUSED)
        show_story(g, kind, (uint32_t)check, detail[2], member);
    else
        show_story(g, kind, (uint32_t)outcome, gap, member);
}

/* ---- notes
 * --------------------------------------------------------------------------------------- */

static void on_note(struct guard *g, enum dw_story_note n, uint32_t value)
{
    struct hello *h = hello_of(g, g->telling);
    switch (n) {
    case DW_NOTE_CAMERA:
        /* late and live come and go with the air; they are told, and recorded only in a visit */
        if (g->door.visit != 0 || (value != DW_CAMERA_LATE && value != DW_CAMERA_LIVE))
            tell(g, DW_STORY_CAMERA_STATE, value, dw_live_age_ms(&g->door.live, dw_now()));
        else
            show_story(g, DW_STORY_CAMERA_STATE, value, dw_live_age_ms(&g->door.live, dw_now()), 0);
        break;
    case DW_NOTE_DOOR: tell(g, DW_STORY_LOCK_STATE, value, 0); break;
    case DW_NOTE_DEGRADED: tell(g, DW_STORY_DEGRADED, value, 0); break;
    case DW_NOTE_EGRESS: tell(g, DW_STORY_EGRESS, 0, 0); break;
    case DW_NOTE_OPENING:
        tell(g, DW_STORY_OPENING, value, 0);
        if (h && !dw_utc_is_known(h->opened)) {
            h->opened = guard_wall(g);
            h->opened_ms = dw_now().ms;
        }
        break;
    case DW_NOTE_SECURED:
        tell(g, DW_STORY_SECURED, 0, 0);
        if (h) {
            h->secured = guard_wall(g);
            if (h->opened_ms && !h->inside_ms)
                h->inside_ms = (uint32_t)(dw_now().ms - h->opened_ms);
        }
        break;
    case DW_NOTE_NONE:
    case DW_NOTE_COUNT: break;
    }
}

/* ---- the effects --------------------------------------------------------------------------------
 */

void guard_perform(struct guard *g, const struct dw_effects *fx)
{
    for (uint32_t i = 0; i < fx->count; i++) {
        uint32_t handle = fx->at[i].visit, a = fx->at[i].a, b = fx->at[i].b;
        struct hello *h = hello_of(g, handle);
        uint64_t visit = h ? h->visit : 0;
        g->telling = handle;
        switch ((enum dw_fx_type)fx->at[i].type) {
        case DW_FX_ASK_CAMERA: eyes_ask(g, a, b != 0); break;
        case DW_FX_ASK_LOCK: bolt_ask(g, a); break;
        case DW_FX_RECORD_START: {
            struct dw_ipc_record m = {.visit = visit};
            child_send(g, CHILD_CAMERA, DW_IPC_RECORD_START, &m);
            break;
        }
        case DW_FX_RECORD_STOP: {
            struct dw_ipc_record m = {.visit = visit};
            child_send(g, CHILD_CAMERA, DW_IPC_RECORD_STOP, &m);
            break;
        }
        case DW_FX_INTENT:
            wall_before_opening(g);
            write_intent(g, handle, a);
            break;
        case DW_FX_RETRACT: dw_actuate_retract(g, visit, a, b, fx->at[i].expires); break;
        case DW_FX_THROW: bolt_throw(g, visit, fx->at[i].expires); break;
        case DW_FX_OFFER:
            if (h && !h->is_owner)
                link_offer(g, h, (enum dw_check)a, b);
            break;
        case DW_FX_NEWS:
            tell(g, DW_STORY_VISIT_STATE, a, 0);
            if (h && !h->is_owner && a > DW_VISIT_READY) /* until then the offer is the answer */
                link_news(g, h, (enum dw_visit_state)a);
            break;
        case DW_FX_RECEIPT:
            end_visit(g, handle, (enum dw_outcome)a, (enum dw_check)b, false);
            break;
        case DW_FX_CONFIRMED: end_visit(g, handle, (enum dw_outcome)a, DW_CHECK_NONE, true); break;
        case DW_FX_DISPLAY: show_display(g, a, b); break;
        case DW_FX_OPENING: show_state(g, true); break;
        case DW_FX_ALARM:
            tell(g, DW_STORY_ALARM, a, 0);
            if (h && !h->is_owner)
                link_news(g, h, (enum dw_visit_state)g->door.state);
            break;
        case DW_FX_ALARM_OVER: tell(g, DW_STORY_ALARM_OVER, a, 0); break;
        case DW_FX_STORY: on_note(g, (enum dw_story_note)a, b); break;
        case DW_FX_NONE:
        case DW_FX_COUNT: break;
        }
    }
}
