/* The service: jobs it stores with us, couriers it brings to the door, what we tell it. Everything
 * is signed; what was had before is answered as before, so that a retry never asks twice. */
#include <string.h>

#include "crypto/signed.h"
#include "hub/guard/guard.h"
#include "os/os.h"
#include "wire/text.h"

#define HELLO_AGE_MS_MAX 10000u /* [wire/visit.h] */
#define RESEND_MS        3000u
#define ENROL_MS_MAX     5000u
/* Each question and each new job is a line of the record: whoever signs for the service must not
 * fill the disk with them [I45]. At once, and then one every so many ms. */
#define HELLO_CREDIT   120u
#define JOB_CREDIT     600u
#define INTRO_CREDIT   64u /* anybody on the broker can make one */
#define HELLO_EVERY_MS 2000u
#define JOB_EVERY_MS   1000u

struct hello *hello_of(struct guard *g, uint32_t handle)
{
    for (size_t i = 0; i < VISITS_MAX && handle != 0; i++) {
        if (g->hellos[i].handle == handle)
            return &g->hellos[i];
    }
    return NULL;
}

static struct hello *hello_by_visit(struct guard *g, uint64_t visit)
{
    for (size_t i = 0; i < VISITS_MAX; i++) {
        const struct hello *h = &g->hellos[i];
        if (h->handle != 0 && !h->is_owner && h->guest == 0 && h->visit == visit)
            return &g->hellos[i];
    }
    return NULL;
}

/* A free place, or that of the oldest question that is over. One with its receipt out may still be
 * the visit of a door that will not lock. */
struct hello *link_place(struct guard *g)
{
    struct hello *best = NULL;
    for (size_t i = 0; i < VISITS_MAX; i++) {
        struct hello *h = &g->hellos[i];
        if (h->handle == 0)
            return h;
        if (h->is_ended && h->handle != g->door.visit && (!best || h->handle < best->handle))
            best = h;
    }
    return best;
}

static bool take_credit(uint32_t *credit)
{
    if (*credit == 0)
        return false;
    (*credit)--;
    return true;
}

bool link_take_credit(struct guard *g)
{
    return take_credit(&g->job_credit);
}

/* Signs `payload` as `kind` into `ret` (kind byte first). */
static bool seal(struct guard *g, enum dw_link_kind kind, struct dw_view payload, uint8_t *ret,
                 size_t cap, uint16_t *ret_len)
{
    struct dw_buf out = dw_buf_of(ret + 1, cap - 1);
    ret[0] = (uint8_t)kind;
    if (dw_failed(dw_signed_make(&g->secret, (enum dw_context)dw_link_context((uint8_t)kind),
                                 payload, &out)))
        return false;
    *ret_len = (uint16_t)(out.len + 1);
    return true;
}

static void send_out(struct guard *g, const uint8_t *bytes, uint16_t len, bool enrol)
{
    struct dw_ipc_link m = {.arrived_ms = dw_now().ms, .is_enrol = enrol, .len = len};
    memcpy(m.bytes, bytes, len);
    child_send(g, CHILD_FRONT, DW_IPC_LINK_OUT, &m);
}

/* ---- what must arrive
 * ---------------------------------------------------------------------------- */

static void post(struct guard *g, const uint8_t *bytes, uint16_t len, uint64_t visit,
                 uint32_t number)
{
    struct out_message *m = NULL, *news = NULL;
    for (size_t i = 0; i < OUTBOX_MAX && !m; i++) {
        struct out_message *o = &g->outbox[i];
        if (!o->is_used)
            m = o;
        else if (o->number != 0 && o->number != UINT32_MAX && (!news || o->sent_ms < news->sent_ms))
            news = o;
    }
    /* Full: it is in the database, and is taken from there when there is room. How a visit ended
     * does not wait behind how it went. */
    bool is_receipt = number == 0 || number == UINT32_MAX;
    g->has_more_out |= m == NULL;
    if (!m && is_receipt)
        m = news;
    if (m && len <= sizeof m->bytes) {
        *m = (struct out_message){.is_used = true, .visit = visit, .number = number, .len = len};
        memcpy(m->bytes, bytes, len);
        m->sent_ms = g->is_link_up ? dw_now().ms : 0;
    }
    if (g->is_link_up)
        send_out(g, bytes, len, false);
}

void link_send_outbox(struct guard *g)
{
    uint64_t now = dw_now().ms;
    for (size_t i = 0; i < OUTBOX_MAX && g->is_link_up; i++) {
        struct out_message *m = &g->outbox[i];
        if (m->is_used && now - m->sent_ms >= RESEND_MS) {
            m->sent_ms = now;
            send_out(g, m->bytes, m->len, false);
        }
    }
}

static void on_ack(struct guard *g, const struct dw_ack *a)
{
    if (!dw_same(a->hub, g->secret.key.thumb, 32)) { /* [I5] */
        dw_log("warn", "ack", "refused=wrong_hub");
        return;
    }
    for (size_t i = 0; i < OUTBOX_MAX; i++) {
        struct out_message *m = &g->outbox[i];
        if (m->is_used && m->visit == a->visit && m->number == a->number)
            m->is_used = false;
    }
    struct store_write w = {.ack = true, .visit = a->visit, .message_number = a->number};
    (void)store_write(g->store, &w); /* not kept: it is sent once more after a restart, no harm */
}

uint16_t link_seal(struct guard *g, enum dw_link_kind kind, struct dw_view payload, uint8_t *ret,
                   size_t cap)
{
    uint16_t len = 0;
    return seal(g, kind, payload, ret, cap, &len) ? len : 0;
}

void link_post(struct guard *g, struct dw_view message, uint64_t visit, uint32_t number)
{
    if (message.len > 0)
        post(g, message.ptr, (uint16_t)message.len, visit, number);
}

/* ---- answers
 * ------------------------------------------------------------------------------------- */

void link_offer(struct guard *g, struct hello *h, enum dw_check check, uint32_t stands_ms)
{
    struct dw_offer o = {
        .visit = h->visit,
        .check = (uint8_t)check,
        .expires_ms = stands_ms,
        .passed = check == DW_CHECK_NONE ? g->door.passed : h->passed,
    };
    memcpy(o.hub, g->secret.key.thumb, 32);
    memcpy(o.courier_nonce, h->courier_nonce, 32);
    if (check == DW_CHECK_NONE) {
        if (!h->has_hub_nonce)
            dw_random(h->hub_nonce, 32); /* [I10] issued in this visit, once */
        h->has_hub_nonce = true;
        memcpy(o.hub_nonce, h->hub_nonce, 32);
    } else {
        h->has_hub_nonce = false;
    }
    uint8_t payload[400];
    struct dw_buf p = dw_buf_of(payload, sizeof payload);
    if (dw_failed(dw_offer_write(&o, &p)) ||
        !seal(g, DW_LINK_KIND_OFFER, dw_view_of_buf(&p), h->offer, sizeof h->offer, &h->offer_len))
        return;
    h->has_offer = true;
    h->check = (uint8_t)check;
    h->offer_until_ms = check == DW_CHECK_NONE ? dw_now().ms + stands_ms : 0;
    if (h->guest)
        guests_tell(g, h->guest);
    else
        send_out(g, h->offer, h->offer_len, false);
}

void link_news(struct guard *g, struct hello *h, enum dw_visit_state state)
{
    if (h->guest) {
        guests_tell(g, h->guest);
        return;
    }
    struct dw_news n = {
        .visit = h->visit,
        .number = ++h->news,
        .state = (uint8_t)state,
        .at = guard_wall(g),
        .check = h->check,
        .alarms = g->door.alarms,
    };
    memcpy(n.hub, g->secret.key.thumb, 32);
    uint8_t payload[300], bytes[520];
    uint16_t len = 0;
    struct dw_buf p = dw_buf_of(payload, sizeof payload);
    if (dw_failed(dw_news_write(&n, &p)) ||
        !seal(g, DW_LINK_KIND_NEWS, dw_view_of_buf(&p), bytes, sizeof bytes, &len))
        return;
    post(g, bytes, len, h->visit, n.number);
    struct store_write w = {
        .visit = h->visit, .message = dw_view_of(bytes, len), .message_number = n.number};
    (void)store_write(g->store, &w);
}

void link_receipt(struct guard *g, struct dw_receipt *r, uint32_t guest)
{
    uint8_t payload[400], bytes[600];
    uint16_t len = 0;
    struct dw_buf p = dw_buf_of(payload, sizeof payload);
    memcpy(r->hub, g->secret.key.thumb, 32);
    if (dw_failed(dw_receipt_write(r, &p)) ||
        !seal(g, DW_LINK_KIND_RECEIPT, dw_view_of_buf(&p), bytes, sizeof bytes, &len))
        return;
    uint32_t number = r->is_confirmed_later ? UINT32_MAX : 0;
    /* [I12]: a receipt that does not say "locked" leaves the door to whoever starts next. */
    bool is_open = !r->is_confirmed_later && (r->outcome == DW_OUTCOME_NOT_SECURED ||
                                              r->outcome == DW_OUTCOME_SECURED_UNCONFIRMED ||
                                              r->outcome == DW_OUTCOME_ABORTED);
    struct store_write w = {.visit = r->visit,
                            .visit_mark = is_open ? STORE_VISIT_TOLD : STORE_VISIT_OVER};
    if (guest) {
        guests_receipt(g, guest, r->visit, dw_view_of(bytes + 1, len - 1u));
    } else {
        post(g, bytes, len, r->visit, number);
        w.message = dw_view_of(bytes, len);
        w.message_number = number;
    }
    (void)store_write(g->store, &w);
}

void link_aborted(struct guard *g, uint64_t visit, struct dw_view courier_nonce)
{
    struct dw_receipt r = {.visit = visit, .outcome = DW_OUTCOME_ABORTED};
    if (courier_nonce.len == 32)
        memcpy(r.courier_nonce, courier_nonce.ptr, 32);
    link_receipt(g, &r, 0);
}

bool link_wish(struct guard *g, const struct dw_wish *m, uint8_t *room, size_t cap,
               struct store_write *w)
{
    uint8_t payload[512];
    uint16_t len = 0;
    struct dw_buf p = dw_buf_of(payload, sizeof payload);
    if (m->number == 0 || m->number >= UINT32_MAX || dw_failed(dw_wish_write(m, &p)) ||
        !seal(g, DW_LINK_KIND_WISH, dw_view_of_buf(&p), room, cap, &len))
        return false;
    /* No visit has the number 0, so wishes have it to themselves. */
    post(g, room, len, 0, (uint32_t)m->number);
    w->message = dw_view_of(room, len);
    w->message_number = (uint32_t)m->number;
    return true;
}

static void on_wish_ack(struct guard *g, const struct dw_wish_ack *a)
{
    if (!dw_same(a->hub, g->secret.key.thumb, 32) || a->number == 0 || a->number >= UINT32_MAX) {
        dw_log("warn", "wish_ack", "refused=wrong_hub");
        return;
    }
    bool was_out = false;
    for (size_t i = 0; i < OUTBOX_MAX; i++) {
        struct out_message *m = &g->outbox[i];
        if (m->is_used && m->visit == 0 && m->number == a->number) {
            m->is_used = false;
            was_out = true;
        }
    }
    struct store_write w = {.ack = true, .message_number = (uint32_t)a->number};
    (void)store_write(g->store, &w);
    if (was_out && a->status != DW_WISH_STORED) { /* the household should know */
        g->telling = 0;
        tell(g, DW_STORY_WISH, DW_WISH_NONE, a->status);
    }
}

bool link_open_pairing(struct guard *g)
{
    const char *code = g->set.pairing_code;
    if (code[0] == 0 || g->has_service)
        return true;
    if (dw_failed(dw_pairing_read(dw_text_of(code, sizeof g->set.pairing_code), &g->pairing)))
        return false;
    dw_random(g->pairing_nonce, sizeof g->pairing_nonce);
    g->is_pairing = true;
    return true;
}

void link_enrol(struct guard *g)
{
    uint64_t now = dw_now().ms;
    if (!g->is_pairing || !g->is_link_up || now - g->enrol_ms < g->enrol_wait_ms)
        return;
    g->enrol_ms = now;
    g->enrol_wait_ms = g->enrol_wait_ms == 0                 ? 1000
                       : g->enrol_wait_ms < ENROL_MS_MAX / 2 ? g->enrol_wait_ms * 2
                                                             : ENROL_MS_MAX;
    struct dw_enrol e = {0};
    dw_pairing_name(&g->pairing, e.pairing);
    dw_pairing_hub_proof(&g->pairing, g->secret.key.pub, g->pairing_nonce, e.proof);
    memcpy(e.hub_pub, g->secret.key.pub, sizeof e.hub_pub);
    memcpy(e.nonce, g->pairing_nonce, sizeof e.nonce);
    memcpy(e.zone, g->set.zone, sizeof e.zone);
    for (size_t i = 0; i < 4 && g->set.door[i][0]; i++) {
        memcpy(e.door[i], g->set.door[i], sizeof e.door[i]);
        e.door_count++;
    }
    uint8_t payload[600], bytes[860];
    uint16_t len = 0;
    struct dw_buf p = dw_buf_of(payload, sizeof payload);
    if (dw_failed(dw_enrol_write(&e, &p)) ||
        !seal(g, DW_LINK_KIND_ENROL, dw_view_of_buf(&p), bytes, sizeof bytes, &len))
        return;
    send_out(g, bytes, len, true);
}

/* ---- jobs
 * ---------------------------------------------------------------------------------------- */

struct job_slot *link_job(struct guard *g, const uint8_t id[16])
{
    for (size_t i = 0; i < JOBS_MAX; i++) {
        if (g->jobs[i].is_used && dw_same(g->jobs[i].job.job, id, 16))
            return &g->jobs[i];
    }
    return NULL;
}

/* A place for a new job: free, or one whose window is over and that no visit uses. A recalled one
 * stays until then, too: the broker may bring it once more. */
static struct job_slot *job_place(struct guard *g)
{
    struct dw_utc now = guard_wall(g);
    struct job_slot *old = NULL;
    for (size_t i = 0; i < JOBS_MAX; i++) {
        struct job_slot *s = &g->jobs[i];
        bool busy = false;
        for (size_t v = 0; v < VISITS_MAX; v++)
            busy |= g->hellos[v].handle != 0 && !g->hellos[v].is_ended && g->hellos[v].job == i;
        if (busy)
            continue;
        if (!s->is_used)
            return s;
        if (dw_utc_is_known(now) && s->job.exp_s * 1000 < now.lo_ms &&
            (!old || s->job.exp_s < old->job.exp_s))
            old = s;
    }
    return old;
}

static void load_parcel(void *ctx, struct dw_view job, struct dw_view commitment, int64_t visit,
                        int64_t unused)
{
    struct guard *g = ctx;
    (void)visit;
    (void)unused;
    struct job_slot *s = job.len == 16 ? link_job(g, job.ptr) : NULL;
    if (!s || commitment.len != 32)
        return;
    if (s->openings_used < UINT8_MAX)
        s->openings_used++;
    for (uint32_t i = 0; i < s->job.parcel_count; i++) {
        if (dw_same(commitment.ptr, s->job.parcel[i], 32))
            s->consumed |= DW_BIT(i);
    }
}

static void on_manifest(struct guard *g, struct dw_view object)
{
    static struct dw_job job;
    const struct dw_job *j = &job;
    uint8_t grant[16], by[32];
    if (!authority_read_manifest(g, object, &job, grant, by))
        return;
    struct job_slot *s = link_job(g, j->job);
    uint32_t known = 0;
    if (s ? j->revision <= s->job.revision
          : store_knows_job(g->store, dw_view_of(j->job, 16), &known) && j->revision <= known)
        return;                         /* had before, or older, or recalled before it came */
    if (s && !dw_same(s->by, by, 32)) { /* no agency changes another's */
        dw_log("warn", "manifest", "refused=another_agencys");
        return;
    }
    if (!authority_takes(g, j, grant, by))
        return;
    if (!take_credit(&g->job_credit)) {
        dw_log("error", "job", "refused=too_many");
        return;
    }
    (void)link_keep_job(g, j, grant, by, object);
}

struct job_slot *link_keep_job(struct guard *g, const struct dw_job *j, const uint8_t grant[16],
                               const uint8_t by[32], struct dw_view object)
{
    struct job_slot *s = link_job(g, j->job);
    if (!s) {
        s = job_place(g);
        if (!s) {
            dw_log("error", "job", "refused=full jobs=%u", JOBS_MAX);
            return NULL;
        }
        *s = (struct job_slot){.is_used = true, .job = *j};
        /* [I11]: it may have been here before, and been used. */
        store_each_parcel_of(g->store, dw_view_of(j->job, 16), load_parcel, g);
    } else {
        /* Parcels that were used stay used, wherever they now stand in the list. */
        uint32_t used = 0;
        for (uint32_t i = 0; i < j->parcel_count; i++) {
            for (uint32_t o = 0; o < s->job.parcel_count; o++) {
                if ((s->consumed & DW_BIT(o)) && dw_same(j->parcel[i], s->job.parcel[o], 32))
                    used |= DW_BIT(i);
            }
        }
        s->consumed = used;
    }
    s->job = *j;
    memcpy(s->grant, grant, 16);
    memcpy(s->by, by, 32);
    memcpy(s->object, object.ptr, object.len); /* its size was looked at */
    s->object_len = (uint16_t)object.len;
    s->is_recalled = s->is_recall_unsaved = false;
    house_new_job(g, s);
    house_job_changed(g, s);
    uint8_t detail[12];
    struct store_write w = {
        .kind = DW_STORY_JOB_STORED,
        .at = guard_wall(g),
        .boot_ms = dw_now().ms,
        .detail = dw_view_of(detail, tell_detail(detail, j->revision, 0, 0)),
        .story = g->story_number + 1,
        .job_id = dw_view_of(j->job, 16),
        .job = object,
        .job_revision = j->revision,
    };
    if (dw_failed(store_write(g->store, &w)))
        s->is_used = false;
    show_story(g, DW_STORY_JOB_STORED, j->revision, 0, 0);
    return s->is_used ? s : NULL;
}

static void on_recall_written(void *ctx, dw_err err, uint64_t leaf)
{
    struct job_slot *s = ctx;
    (void)leaf;
    s->is_recall_unsaved = s->is_recalled && dw_failed(err);
}

static void write_recall(struct guard *g, const uint8_t job[16], uint32_t revision, uint64_t story)
{
    struct job_slot *s = link_job(g, job);
    uint8_t detail[12];
    struct store_write w = {
        .kind = DW_STORY_JOB_RECALLED,
        .at = guard_wall(g),
        .boot_ms = dw_now().ms,
        .detail = dw_view_of(detail, tell_detail(detail, revision, 0, 0)),
        .story = story,
        .job_id = dw_view_of(job, 16),
        .job_revision = revision,
        .job_recalled = true,
        .done = s ? on_recall_written : NULL,
        .ctx = s,
    };
    if (s)
        s->is_recall_unsaved = false; /* on its way */
    if (dw_failed(store_write(g->store, &w)) && s)
        s->is_recall_unsaved = true;
}

static void on_recall(struct guard *g, const struct dw_recall *r)
{
    if (!dw_same(r->hub, g->secret.key.thumb, 32)) { /* [I5] */
        dw_log("warn", "recall", "refused=wrong_hub");
        return;
    }
    struct job_slot *s = link_job(g, r->job);
    uint32_t known = 0;
    if (s && judge_is_guests(g, s)) {
        dw_log("warn", "recall", "refused=of_a_guest");
        return;
    }
    if (s ? r->revision < s->job.revision || (s->is_recalled && r->revision == s->job.revision)
          : store_knows_job(g->store, dw_view_of(r->job, 16), &known) && r->revision < known)
        return; /* about an older revision, or had before */
    if (s) {    /* at once, whatever can be written [I14] */
        s->is_recalled = s->is_recall_unsaved = true;
        s->job.revision = r->revision;
        struct hello *h = hello_of(g, g->door.visit);
        bool is_before = g->door.state == DW_VISIT_ASKED || g->door.state == DW_VISIT_READY ||
                         g->door.state == DW_VISIT_INTENT || g->door.state == DW_VISIT_LOOKING;
        if (h && is_before && h->job < JOBS_MAX && &g->jobs[h->job] == s) {
            struct dw_event ev = {.type = DW_EV_OWNER_END};
            guard_feed(g, &ev);
        }
    } else if (!take_credit(&g->job_credit)) {
        dw_log("error", "recall", "refused=too_many");
        return;
    }
    if (s)
        house_job_changed(g, s);
    write_recall(g, r->job, r->revision, g->story_number + 1);
    show_story(g, DW_STORY_JOB_RECALLED, r->revision, 0, 0);
}

static void load_job(void *ctx, struct dw_view id, struct dw_view bytes, int64_t revision,
                     int64_t recalled)
{
    struct guard *g = ctx;
    static struct dw_job j;
    uint8_t grant[16], by[32];
    (void)id;
    if (bytes.len == 0)
        return; /* its recall came first; kept so that it cannot come later */
    if (guests_read_manifest(g, bytes, &j, grant)) {
        memcpy(by, g->secret.key.thumb, 32);
    } else if (!authority_read_manifest(g, bytes, &j, grant, by)) {
        dw_log("error", "job", "stored=unreadable");
        return;
    }
    struct job_slot *s = job_place(g);
    if (!s)
        return;
    *s = (struct job_slot){.is_used = true, .is_recalled = recalled != 0};
    s->job = j;
    memcpy(s->grant, grant, 16);
    memcpy(s->by, by, 32);
    memcpy(s->object, bytes.ptr, bytes.len);
    s->object_len = (uint16_t)bytes.len;
    s->job.revision = (uint32_t)revision;
}

static void load_message(void *ctx, struct dw_view bytes, struct dw_view unused, int64_t visit,
                         int64_t number)
{
    struct guard *g = ctx;
    (void)unused;
    if (bytes.len <= sizeof g->outbox[0].bytes)
        post(g, bytes.ptr, (uint16_t)bytes.len, (uint64_t)visit, (uint32_t)number);
}

static void load_messages(struct guard *g)
{
    g->has_more_out = false;
    store_each_message(g->store, load_message, g);
    bool is_full = true;
    for (size_t i = 0; i < OUTBOX_MAX; i++)
        is_full &= g->outbox[i].is_used;
    g->has_more_out = is_full; /* that many are read at a time; there may be more */
}

void link_load_jobs(struct guard *g)
{
    g->hello_credit = HELLO_CREDIT;
    g->job_credit = JOB_CREDIT;
    g->intro_credit = INTRO_CREDIT;
    g->credit_ms = dw_now().ms;
    store_each_job(g->store, load_job, g);
    store_each_parcel(g->store, load_parcel, g);
    load_messages(g);
}

static void refill(uint32_t *credit, uint32_t most, uint64_t whole)
{
    *credit = whole >= most - *credit ? most : *credit + (uint32_t)whole;
}

void link_tidy(struct guard *g)
{
    uint64_t spent = dw_now().ms - g->credit_ms;
    if (spent >= HELLO_EVERY_MS) {
        refill(&g->hello_credit, HELLO_CREDIT, spent / HELLO_EVERY_MS);
        refill(&g->job_credit, JOB_CREDIT, spent / JOB_EVERY_MS);
        refill(&g->intro_credit, INTRO_CREDIT, spent / HELLO_EVERY_MS);
        g->credit_ms += spent - spent % HELLO_EVERY_MS;
    }
    for (size_t i = 0; i < JOBS_MAX; i++) {
        struct job_slot *s = &g->jobs[i];
        if (s->is_used && s->is_recalled && s->is_recall_unsaved) {
            write_recall(g, s->job.job, s->job.revision, 0);
            break; /* one a second: the disk is in trouble already */
        }
    }
    bool is_empty = true;
    for (size_t i = 0; i < OUTBOX_MAX; i++)
        is_empty &= !g->outbox[i].is_used;
    if (is_empty && g->has_more_out)
        load_messages(g);
    link_send_outbox(g);
    link_enrol(g);
}

/* ---- at the door
 * --------------------------------------------------------------------------------- */

static void on_hello(struct guard *g, const struct dw_hello *m)
{
    struct hello *h = hello_by_visit(g, m->visit);
    bool again = h && dw_same(h->courier_nonce, m->courier_nonce, 32);
    if (again) { /* the same question: the same answer, or the one that is being worked on */
        if (h->has_offer)
            send_out(g, h->offer, h->offer_len, false);
        return;
    }
    bool further = h && g->door.state == DW_VISIT_BETWEEN && g->door.visit == h->handle;
    if ((h && !further) || m->visit == 0) { /* 0 is "no visit" everywhere else */
        dw_log("warn", "hello", "refused=visit_reused");
        return;
    }
    if (!take_credit(&g->hello_credit)) {
        dw_log("warn", "hello", "refused=too_many");
        return;
    }
    if (!h) {
        h = link_place(g);
        if (!h) {
            dw_log("warn", "hello", "refused=busy");
            return;
        }
        *h = (struct hello){.handle = ++g->next_handle, .visit = m->visit};
    }
    link_ask(g, h, m, further);
}

void link_ask(struct guard *g, struct hello *h, const struct dw_hello *m, bool is_further)
{
    h->has_offer = h->has_hub_nonce = h->is_slid = false;
    h->evidence_len = 0;
    h->check = DW_CHECK_NONE;
    h->chain_no = DW_CHAIN_YES;
    memcpy(h->courier_nonce, m->courier_nonce, 32);
    struct dw_event ev = {.type = DW_EV_HELLO, .visit = h->handle};
    uint32_t job, parcel;
    judge_hello(g, m, &job, &parcel, &ev.passed, &ev.failed);
    if (job < JOBS_MAX && judge_is_guests(g, &g->jobs[job]) != (h->guest != 0)) {
        ev.failed |= UINT64_C(1) << DW_CHECK_JOB; /* no courier comes on a guest's */
        job = JOBS_MAX;
    }
    if (is_further && !dw_same(h->asked.job, m->job, 16)) { /* a stay is of one job [I4] */
        ev.failed |= UINT64_C(1) << DW_CHECK_JOB;
    } else {
        h->asked = *m;
        h->job = job;
        h->parcel = parcel;
    }
    h->passed = ev.passed & ~ev.failed;
    h->failed = ev.failed;
    house_who(g, h);
    g->telling = h->handle;
    tell(g, DW_STORY_VISIT_ASKED, 0, 0);
    enum dw_check at_once = DW_CHECK_NONE;
    if (g->is_rolled_back || g->is_restored)
        at_once = DW_CHECK_RECORD;
    else if (m->age_ms > HELLO_AGE_MS_MAX)
        at_once = DW_CHECK_EXPIRED;
    if (at_once != DW_CHECK_NONE) {
        link_offer(g, h, at_once, 0);
        h->is_ended = !is_further; /* a stay goes on */
        if (h->is_ended)
            h->outcome = DW_OUTCOME_REFUSED;
        tell(g, DW_STORY_VISIT_REFUSED, at_once, 0);
        return;
    }
    if (h->job < JOBS_MAX) {
        const struct dw_job *j = &g->jobs[h->job].job;
        ev.kind = j->kind;
        ev.openings = j->openings;
        ev.dwell_ms = j->dwell_ms;
        ev.camera_class = j->camera_class;
        h->kind = j->kind;
        h->openings = j->openings;
        h->dwell_ms = j->dwell_ms;
        h->camera_class = j->camera_class;
    }
    guard_feed(g, &ev);
}

/* The visitor's passkey over this very stop. What the hub knows decides: of the bytes that came
 * only the number of the visit, the nonce that names the question, and the door code are looked at.
 */
static void on_stop(struct guard *g, const struct dw_evidence *e)
{
    struct dw_stop p;
    struct hello *h = NULL;
    if (strcmp(e->context, DW_STOP_CONTEXT) == 0 &&
        !dw_failed(dw_stop_read(dw_view_of(e->bytes, e->bytes_len), &p)))
        h = hello_by_visit(g, p.visit);
    if (!h || !h->has_hub_nonce || !dw_same(e->hub, g->secret.key.thumb, 32) ||
        !dw_same(p.hub, g->secret.key.thumb, 32) || !dw_same(p.hub_nonce, h->hub_nonce, 32)) {
        /* Another hub's, or a late copy of what was had: the question that is open stays open. */
        dw_log("warn", "stop", "refused=mismatch");
        return;
    }
    link_slide(g, h, e, &p);
}

void link_slide(struct guard *g, struct hello *h, const struct dw_evidence *e,
                const struct dw_stop *stop)
{
    h->is_slid = true;
    h->has_hub_nonce = false; /* [I8] first match deletes, right or wrong [protocol 4.3] */
    struct dw_event ev = {.type = DW_EV_PROOF, .visit = h->handle};
    /* [I4, I13, I14] Judged once more: since the question the window may have ended, the job may
     * have been recalled or changed, and its parcels may stand in another order. */
    struct job_slot *s = link_job(g, h->asked.job);
    if (s)
        h->asked.revision = s->job.revision;
    judge_hello(g, &h->asked, &h->job, &h->parcel, &ev.passed, &ev.failed);
    if (!s || h->job >= JOBS_MAX) {
        ev.failed |= UINT64_C(1) << DW_CHECK_JOB;
    } else {
        /* The core goes by what it was told at the question; the proof is over the job of now. */
        if (h->kind != s->job.kind || h->openings != s->job.openings ||
            h->dwell_ms != s->job.dwell_ms || h->camera_class != s->job.camera_class)
            ev.failed |= UINT64_C(1) << DW_CHECK_JOB;
        enum dw_chain_no no = authority_check(g, h, s, e, stop);
        h->chain_no = (uint8_t)no;
        if (no != DW_CHAIN_YES) {
            dw_log("warn", "stop", "refused=%s", dw_chain_no_code(no));
            ev.failed |= UINT64_C(1) << authority_check_of(no);
        }
    }
    if (g->is_restored)
        ev.failed |= UINT64_C(1) << DW_CHECK_RECORD;
    h->failed = ev.failed;
    struct dw_buf out = dw_buf_of(h->evidence, sizeof h->evidence);
    h->evidence_len = dw_failed(dw_evidence_write(e, &out)) ? 0 : (uint16_t)out.len;
    guard_feed(g, &ev);
}

/* Whoever speaks for the visitor may end the stay early, and nothing more. */
static void on_leaving(struct guard *g, const struct dw_leaving *m)
{
    const struct hello *h = hello_by_visit(g, m->visit);
    if (!h || !dw_same(m->hub, g->secret.key.thumb, 32)) { /* [I5] */
        dw_log("warn", "leaving", "refused=mismatch");
        return;
    }
    struct dw_event ev = {.type = DW_EV_LEAVING, .visit = h->handle};
    guard_feed(g, &ev);
}

void link_end_unpermitted(struct guard *g)
{
    struct hello *h = hello_of(g, g->door.visit);
    bool is_before = g->door.state == DW_VISIT_ASKED || g->door.state == DW_VISIT_READY ||
                     g->door.state == DW_VISIT_INTENT || g->door.state == DW_VISIT_LOOKING;
    if (!h || h->is_owner || !is_before || h->job >= JOBS_MAX)
        return;
    const struct job_slot *s = &g->jobs[h->job];
    const struct grant *gr = authority_grant(g, s->grant);
    if (g->is_restored || !gr || judge_grant_state(g, gr) != DW_GRANT_STATE_LIVE) {
        struct dw_event ev = {.type = DW_EV_OWNER_END};
        guard_feed(g, &ev);
    }
}

/* It carries the key that it is signed with; that the key is our service's is proven by the code
 * alone [I2]. A service key in the settings is stronger: then nothing else is believed. */
static void on_welcome(struct guard *g, struct dw_view cose)
{
    struct dw_cose parts;
    struct dw_welcome w;
    struct dw_view payload;
    struct dw_key key;
    uint8_t proof[DW_HASH_BYTES];
    if (!g->is_pairing)
        return;
    if (dw_failed(dw_cose_read(DW_CONTEXT_WELCOME, cose, &parts)) ||
        dw_failed(dw_welcome_read(parts.payload, &w)))
        return;
    dw_key_from_pub(w.service_pub, &key);
    if (dw_failed(dw_signed_open(&key, DW_CONTEXT_WELCOME, cose, &payload)) ||
        !dw_same(w.hub, g->secret.key.thumb, 32)) {
        dw_log("warn", "welcome", "refused=signature");
        return;
    }
    dw_pairing_service_proof(&g->pairing, g->secret.key.pub, g->pairing_nonce, key.pub, proof);
    if (!dw_same(w.proof, proof, sizeof proof)) {
        dw_log("warn", "welcome", "refused=proof");
        return;
    }
    g->service = key;
    g->has_service = true;
    g->is_pairing = false;
    memset(&g->pairing, 0, sizeof g->pairing);
    memcpy(g->home, w.home, sizeof g->home);
    house_tell_params(g);
    struct store_write s = {.meta_key = "service", .meta = dw_view_of(key.pub, 32)};
    (void)store_write(g->store, &s);
    dw_log("info", "welcome", "enrolled=1");
}

void link_on_message(struct guard *g, const struct dw_ipc_link *m)
{
    if (m->len < 2 || m->len > sizeof m->bytes)
        return;
    uint8_t kind = m->bytes[0];
    struct dw_view cose = dw_view_of(m->bytes + 1, m->len - 1u), payload;
    if (kind == DW_LINK_KIND_WELCOME) {
        on_welcome(g, cose);
        return;
    }
    if (g->has_service) { /* what an agency has signed itself; the service only carries it */
        if (kind == DW_LINK_KIND_INTRODUCE) {
            authority_on_introduce(g, cose);
            return;
        }
        if (kind == DW_LINK_KIND_MANIFEST) {
            on_manifest(g, cose);
            return;
        }
        if (kind == DW_LINK_KIND_SHIFT) {
            authority_on_shift(g, cose);
            return;
        }
    }
    enum dw_context c = (enum dw_context)dw_link_context(kind);
    /* JOB and PROOF are not among them any more: the service alone says nothing that opens [I2]. */
    bool ours = kind == DW_LINK_KIND_RECALL || kind == DW_LINK_KIND_HELLO ||
                kind == DW_LINK_KIND_STOP || kind == DW_LINK_KIND_LEAVING ||
                kind == DW_LINK_KIND_ACK || kind == DW_LINK_KIND_WISH_ACK;
    if (!ours || !g->has_service) {
        dw_log("warn", "link_message", "refused=kind kind=%u", kind);
        return;
    }
    dw_err e = dw_signed_open(&g->service, c, cose, &payload);
    static union {
        struct dw_recall recall;
        struct dw_hello hello;
        struct dw_evidence stop;
        struct dw_leaving leaving;
        struct dw_ack ack;
        struct dw_wish_ack wish_ack;
    } u;
    if (!dw_failed(e)) {
        switch ((enum dw_link_kind)kind) {
        case DW_LINK_KIND_RECALL:
            if (!dw_failed(e = dw_recall_read(payload, &u.recall)))
                on_recall(g, &u.recall);
            break;
        case DW_LINK_KIND_HELLO:
            if (!dw_failed(e = dw_hello_read(payload, &u.hello)))
                on_hello(g, &u.hello);
            break;
        case DW_LINK_KIND_STOP:
            if (!dw_failed(e = dw_evidence_read(payload, &u.stop)))
                on_stop(g, &u.stop);
            break;
        case DW_LINK_KIND_LEAVING:
            if (!dw_failed(e = dw_leaving_read(payload, &u.leaving)))
                on_leaving(g, &u.leaving);
            break;
        case DW_LINK_KIND_ACK:
            if (!dw_failed(e = dw_ack_read(payload, &u.ack)))
                on_ack(g, &u.ack);
            break;
        case DW_LINK_KIND_WISH_ACK:
            if (!dw_failed(e = dw_wish_ack_read(payload, &u.wish_ack)))
                on_wish_ack(g, &u.wish_ack);
            break;
        case DW_LINK_KIND_JOB:
        case DW_LINK_KIND_PROOF:
        case DW_LINK_KIND_INTRODUCE:
        case DW_LINK_KIND_GRANT:
        case DW_LINK_KIND_REVOKED:
        case DW_LINK_KIND_MANIFEST:
        case DW_LINK_KIND_SHIFT:
        case DW_LINK_KIND_WISH:
        case DW_LINK_KIND_NONE:
        case DW_LINK_KIND_ENROL:
        case DW_LINK_KIND_WELCOME:
        case DW_LINK_KIND_OFFER:
        case DW_LINK_KIND_NEWS:
        case DW_LINK_KIND_RECEIPT:
        case DW_LINK_KIND_COUNT: break;
        }
    }
    if (dw_failed(e)) /* [I15]: by another version's rules is "VERSION" */
        dw_log("warn", "link_message", "refused=%s kind=%u", dw_err_name(e), kind);
}

void link_on_state(struct guard *g, bool is_up)
{
    bool was = g->is_link_up;
    g->is_link_up = is_up;
    if (was || is_up)
        g->link_heard_ms = dw_now().ms;
    if (was != is_up)
        tell(g, DW_STORY_LINK, is_up, 0);
    if (is_up && !was) {
        g->enrol_wait_ms = 0;
        link_enrol(g);
        for (size_t i = 0; i < OUTBOX_MAX; i++)
            g->outbox[i].sent_ms = 0;
        link_send_outbox(g);
    }
}
