/* Somebody the household knows, without an agency: the owner's grant names the guest's passkey, and
 * the hub writes manifest and shift itself when the guest asks [docs/design/guests.md].
 *
 * From there on it is a visit like any other. Nothing of it goes to the service, and the service is
 * not needed for it. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "crypto/signed.h"
#include "hub/guard/guard.h"
#include "os/os.h"

#define DAY_MINUTES   1440u
#define STAY_OPENINGS 8u

static const uint8_t nobody[16]; /* the agency of a guest's papers */
/* [I45] Questions and slides of one guest. */
static const struct dw_try_rule tries_rule = {.cap = 20, .each_ms = 6000};

/* ---- lookups ---- */

static struct guest *find(struct guard *g, uint32_t member)
{
    for (size_t i = 0; i < DW_GUESTS_MAX && member != 0; i++) {
        if (g->guests.guest[i].member == member)
            return &g->guests.guest[i];
    }
    return NULL;
}

/* There is a place for each: no more guests join than have one. */
static struct guest *find_or_make(struct guard *g, uint32_t member)
{
    struct guest *x = find(g, member);
    for (size_t i = 0; i < DW_GUESTS_MAX && !x && people_is_guest(g, member); i++) {
        if (people_is_guest(g, g->guests.guest[i].member))
            continue;
        x = &g->guests.guest[i];
        *x = (struct guest){.member = member,
                            .tries = {.left = tries_rule.cap, .at_ms = dw_now().ms}};
    }
    return x;
}

const struct credential *guests_passkey(const struct guard *g, uint32_t member)
{
    for (size_t i = 0; i < DW_CREDENTIALS_MAX && people_is_guest(g, member); i++) {
        const struct credential *k = &g->people.book.credential[i];
        if (k->number != 0 && k->member == member)
            return k;
    }
    return NULL;
}

const struct shift *guests_shift(const struct guard *g, uint32_t member)
{
    for (size_t i = 0; i < DW_GUESTS_MAX && member != 0; i++) {
        const struct guest *x = &g->guests.guest[i];
        if (x->member == member && x->shift.is_used)
            return &x->shift;
    }
    return NULL;
}

/* The newest question of this guest; NULL: none that is remembered. */
static struct hello *hello_by_guest(struct guard *g, uint32_t member)
{
    struct hello *newest = NULL;
    for (size_t i = 0; i < VISITS_MAX && member != 0; i++) {
        struct hello *h = &g->hellos[i];
        if (h->handle != 0 && h->guest == member && (!newest || h->handle > newest->handle))
            newest = h;
    }
    return newest;
}

static void visitor_of(uint32_t member, uint8_t ret[16])
{
    memset(ret, 0, 16);
    for (size_t i = 0; i < 4; i++)
        ret[12 + i] = (uint8_t)(member >> (24 - 8 * i));
}

static bool take_try(struct guest *x)
{
    dw_try_fill(&x->tries, &tries_rule, dw_now().ms);
    if (x->tries.left == 0)
        return false;
    x->tries.left--;
    return true;
}

/* ---- which grant, which part of today ---- */

/* Now at home: the whole of the clock's interval lies in one day. */
struct today {
    int32_t day;
    uint32_t from, to; /* minutes */
};

/* What a window of the week is of today, if now lies in it. It may have begun yesterday, and may
 * end tomorrow; a visit is of one day. */
static bool is_in(const struct dw_week_window *w, const struct today *t,
                  struct dw_civil_window *ret)
{
    uint32_t minute = (uint32_t)((t->day + 3) % 7) * DAY_MINUTES + t->from; /* weeks begin Monday */
    uint32_t since = (minute + DW_WEEK_MINUTES - w->from) % DW_WEEK_MINUTES;
    if (since >= w->minutes)
        return false;
    uint32_t from = since > t->from ? 0 : t->from - since;
    uint32_t to = t->from + (w->minutes - since);
    *ret = (struct dw_civil_window){t->day, (uint16_t)from,
                                    (uint16_t)(to < DAY_MINUTES ? to : DAY_MINUTES)};
    return t->to < ret->to_min;
}

/* The longest that holds now. */
static bool window_of(const struct dw_grant *s, const struct today *t, struct dw_civil_window *ret)
{
    struct dw_civil_window w;
    ret->to_min = 0;
    for (uint32_t i = 0; i < s->window_count; i++) {
        if (is_in(&s->window[i], t, &w) && w.to_min > ret->to_min)
            *ret = w;
    }
    return ret->to_min > 0;
}

static bool is_to(const struct guard *g, const struct grant *gr, const struct credential *k)
{
    uint8_t thumb[32];
    dw_chain_passkey_thumb(&k->key, thumb);
    return gr->guest == k->member && dw_same(gr->said.grantee, thumb, sizeof thumb) &&
           judge_grant_state(g, gr) == DW_GRANT_STATE_LIVE;
}

/* The grant that lets this guest ask now; of several the one that ends first. */
static enum dw_people_no choose(struct guard *g, uint32_t member, struct grant **ret,
                                struct dw_civil_window *ret_window)
{
    const struct credential *k = guests_passkey(g, member);
    enum dw_people_no no = DW_PEOPLE_NO_PERMISSION;
    struct today t;
    *ret = NULL;
    for (size_t i = 0; i < DW_GRANTS_MAX && k; i++) {
        struct grant *gr = &g->authority.grant[i];
        struct dw_civil_window w;
        if (gr->state == DW_GRANT_STATE_NONE || !is_to(g, gr, k))
            continue;
        if (!judge_civil_now(g, &t.day, &t.from, &t.to))
            return DW_PEOPLE_NO_CLOCK;
        if (!window_of(&gr->said, &t, &w)) {
            no = DW_PEOPLE_NO_EARLY;
        } else if (judge_has_use(gr, t.day) && (!*ret || gr->said.exp_s < (*ret)->said.exp_s)) {
            *ret = gr;
            *ret_window = w;
        }
    }
    return *ret ? DW_PEOPLE_NO_NONE : no;
}

/* ---- what the hub writes between grant and proof ---- */

/* Made for this guest on this grant in this window, and not used up. One that the household has
 * declined is the answer for as long as the window lasts. */
static struct job_slot *job_of(struct guard *g, const struct grant *gr,
                               const struct dw_civil_window *w)
{
    uint8_t visitor[16];
    struct job_slot *best = NULL;
    visitor_of(gr->guest, visitor);
    for (size_t i = 0; i < JOBS_MAX; i++) {
        struct job_slot *s = &g->jobs[i];
        if (!s->is_used || !judge_is_guests(g, s) || !dw_same(s->grant, gr->said.id, 16) ||
            !dw_same(s->job.visitor, visitor, 16) || s->job.window.day != w->day ||
            s->job.window.from_min != w->from_min || s->job.window.to_min != w->to_min)
            continue;
        if (s->is_declined)
            return s;
        if (s->openings_used < s->job.openings)
            best = s;
    }
    return best;
}

/* Unix seconds of a minute of the day that begins at `midnight`. */
static int64_t at_minute(int64_t midnight, uint32_t minute)
{
    time_t t = (time_t)midnight;
    struct tm day;
    if (!localtime_r(&t, &day))
        return midnight;
    day.tm_hour = (int)(minute / 60);
    day.tm_min = (int)(minute % 60);
    day.tm_isdst = -1;
    time_t at = mktime(&day);
    return at > t ? (int64_t)at : midnight;
}

static bool seal_manifest(struct guard *g, const struct dw_job *j, const uint8_t grant[16],
                          struct dw_buf *out)
{
    static struct dw_manifest m;
    uint8_t payload[2048];
    struct dw_buf job = dw_buf_of(m.job, sizeof m.job), p = dw_buf_of(payload, sizeof payload);
    if (dw_failed(dw_job_write(j, &job)))
        return false;
    m.job_len = (uint16_t)job.len;
    memcpy(m.hub, g->secret.key.thumb, 32);
    memcpy(m.grant, grant, 16);
    return !dw_failed(dw_manifest_write(&m, &p)) &&
           !dw_failed(dw_signed_make(&g->secret, DW_CONTEXT_MANIFEST, dw_view_of_buf(&p), out));
}

static struct job_slot *make_job(struct guard *g, const struct grant *gr,
                                 const struct dw_civil_window *w)
{
    static uint8_t object[MANIFEST_OBJECT_MAX];
    struct dw_buf out = dw_buf_of(object, sizeof object);
    const struct dw_grant *s = &gr->said;
    int64_t midnight = authority_midnight(g), end = at_minute(midnight, w->to_min);
    struct dw_job j = {
        .nbf_s = midnight > s->nbf_s ? midnight : s->nbf_s,
        .exp_s = end < s->exp_s ? end : s->exp_s,
        .kind = DW_VISIT_STAY,
        .door = s->door,
        .openings = (uint8_t)(s->uses < STAY_OPENINGS ? s->uses : STAY_OPENINGS),
        .window = *w,
        .dwell_ms = s->dwell_ms,
        .revision = 1,
        .screening_from_day = w->day,
        .screening_to_day = w->day,
        .camera_class = s->camera_class,
    };
    memcpy(j.hub, g->secret.key.thumb, 32);
    dw_random(j.job, sizeof j.job);
    memcpy(j.zone, s->zone, sizeof j.zone);
    visitor_of(gr->guest, j.visitor);
    (void)snprintf(j.visitor_name, sizeof j.visitor_name, "%s", people_name(g, gr->guest));
    if (!dw_grant_holds(s, &j, NULL) || !seal_manifest(g, &j, s->id, &out))
        return NULL;
    return link_keep_job(g, &j, s->id, g->secret.key.thumb, dw_view_of_buf(&out));
}

bool guests_read_manifest(struct guard *g, struct dw_view object, struct dw_job *ret_job,
                          uint8_t ret_grant[16])
{
    static struct dw_manifest m;
    struct dw_view payload;
    if (object.len > MANIFEST_OBJECT_MAX ||
        dw_failed(dw_signed_open(&g->secret.key, DW_CONTEXT_MANIFEST, object, &payload)) ||
        dw_failed(dw_manifest_read(payload, &m)) ||
        dw_failed(dw_job_read(dw_view_of(m.job, m.job_len), ret_job)) ||
        !dw_same(m.hub, g->secret.key.thumb, 32) || !dw_same(ret_job->agency, nobody, 16))
        return false;
    memcpy(ret_grant, m.grant, 16);
    return true;
}

/* For this passkey and the hub's own page. Not stored: after a restart the guest asks anew. */
static bool make_shift(struct guard *g, struct guest *x, const struct job_slot *job)
{
    const struct credential *k = guests_passkey(g, x->member);
    uint8_t payload[SHIFT_OBJECT_MAX];
    struct dw_buf p = dw_buf_of(payload, sizeof payload);
    struct shift *s = &x->shift;
    struct dw_utc now = guard_wall(g);
    struct dw_buf out = dw_buf_of(s->object, sizeof s->object);
    *s = (struct shift){0};
    if (!k || !dw_utc_is_known(now))
        return false;
    s->said = (struct dw_shift){
        .nbf_s = now.lo_ms / 1000,
        .exp_s = now.lo_ms / 1000 + DW_SHIFT_SECONDS_MAX,
        .credential_len = k->key.id_len,
        .alg = k->key.alg == DW_PASSKEY_ES256 ? 1 : 2,
        .key_len = k->key.key_len,
    };
    if (s->said.exp_s > job->job.exp_s)
        s->said.exp_s = job->job.exp_s;
    memcpy(s->by, g->secret.key.thumb, 32);
    memcpy(s->said.visitor, job->job.visitor, 16);
    memcpy(s->said.visitor_name, job->job.visitor_name, sizeof s->said.visitor_name);
    memcpy(s->said.credential, k->key.id, k->key.id_len);
    memcpy(s->said.key, k->key.key, k->key.key_len);
    memcpy(s->said.origin, g->people.origin, sizeof s->said.origin);
    if (dw_failed(dw_shift_write(&s->said, &p)) ||
        dw_failed(dw_signed_make(&g->secret, DW_CONTEXT_SHIFT, dw_view_of_buf(&p), &out)))
        return false;
    s->object_len = (uint16_t)out.len;
    s->is_used = true;
    return true;
}

/* ---- what a guest says ---- */

/* A question of this guest that is over gives its place first: one guest's tries push out nobody's.
 */
static struct hello *place_of(struct guard *g, struct hello *own)
{
    return own && own->handle != g->door.visit ? own : link_place(g);
}

static void begin_visit(struct guard *g, struct hello *h, uint32_t member)
{
    *h = (struct hello){.handle = ++g->next_handle, .guest = member};
    dw_random(&h->visit, sizeof h->visit);
    h->visit = (h->visit >> 1) | 1; /* never 0, and a number that every database holds */
}

static enum dw_people_no find_job(struct guard *g, uint32_t member, struct job_slot **ret)
{
    struct dw_civil_window w;
    struct grant *gr;
    enum dw_people_no no = choose(g, member, &gr, &w);
    if (no != DW_PEOPLE_NO_NONE)
        return no;
    *ret = job_of(g, gr, &w);
    if (!*ret)
        *ret = make_job(g, gr, &w);
    return *ret ? DW_PEOPLE_NO_NONE : DW_PEOPLE_NO_STORAGE;
}

static enum dw_people_no on_ask(struct guard *g, struct guest *x, const uint8_t nonce[32],
                                uint64_t *ret_visit)
{
    struct hello *h = hello_by_guest(g, x->member);
    struct job_slot *job = NULL;
    if (h && dw_same(h->courier_nonce, nonce, 32)) { /* the same question: the same answer */
        *ret_visit = h->visit;
        return DW_PEOPLE_NO_NONE;
    }
    if (!take_try(x))
        return DW_PEOPLE_NO_TOO_MANY;
    bool is_further = h && g->door.state == DW_VISIT_BETWEEN && g->door.visit == h->handle;
    if (h && !h->is_ended && !is_further)
        return DW_PEOPLE_NO_DOOR_BUSY;
    if (is_further)
        job = link_job(g, h->asked.job);
    enum dw_people_no no = is_further ? DW_PEOPLE_NO_NONE : find_job(g, x->member, &job);
    if (no != DW_PEOPLE_NO_NONE)
        return no;
    if (!job || !make_shift(g, x, job))
        return DW_PEOPLE_NO_CLOCK;
    if (!is_further) {
        h = place_of(g, h);
        if (!h)
            return DW_PEOPLE_NO_DOOR_BUSY;
        begin_visit(g, h, x->member);
    }
    struct dw_hello q = {.visit = h->visit, .door = job->job.door, .revision = job->job.revision};
    memcpy(q.hub, g->secret.key.thumb, 32);
    memcpy(q.job, job->job.job, 16);
    memcpy(q.visitor, job->job.visitor, 16);
    memcpy(q.courier_nonce, nonce, 32);
    *ret_visit = h->visit;
    link_ask(g, h, &q, is_further);
    guests_tell(g, x->member);
    return DW_PEOPLE_NO_NONE;
}

/* What the passkey was asked over, as this hub writes it: nothing of it is the page's word. */
static bool write_stop(struct guard *g, const struct hello *h, struct dw_stop *ret,
                       struct dw_evidence *e)
{
    const struct job_slot *job = link_job(g, h->asked.job);
    struct dw_buf out = dw_buf_of(e->bytes, sizeof e->bytes);
    if (!job)
        return false;
    *ret = (struct dw_stop){.visit = h->visit, .door = job->job.door};
    memcpy(ret->hub, g->secret.key.thumb, 32);
    dw_sha256(dw_view_of(job->object, job->object_len), ret->manifest);
    memcpy(ret->hub_nonce, h->hub_nonce, 32);
    memcpy(ret->courier_nonce, h->courier_nonce, 32);
    if (dw_failed(dw_stop_write(ret, &out)))
        return false;
    e->bytes_len = (uint16_t)out.len;
    memcpy(e->hub, ret->hub, sizeof e->hub);
    memcpy(e->id, ret->manifest, sizeof e->id);
    memcpy(e->context, DW_STOP_CONTEXT, sizeof DW_STOP_CONTEXT);
    return true;
}

static enum dw_people_no on_stop(struct guard *g, struct guest *x,
                                 const struct dw_ipc_people_ask *m)
{
    static struct dw_evidence e;
    struct hello *h = hello_by_guest(g, x->member);
    struct dw_stop stop;
    e = (struct dw_evidence){0};
    if (m->credential_len > sizeof e.credential || m->auth_len > sizeof e.auth ||
        m->client_data_len > sizeof e.client || m->signature_len > sizeof e.signature)
        return DW_PEOPLE_NO_PASSKEY;
    if (!h || !h->has_hub_nonce || !write_stop(g, h, &stop, &e))
        return DW_PEOPLE_NO_CHALLENGE;
    if (!take_try(x))
        return DW_PEOPLE_NO_TOO_MANY;
    e.credential_len = m->credential_len;
    e.auth_len = m->auth_len;
    e.client_len = m->client_data_len;
    e.signature_len = m->signature_len;
    memcpy(e.credential, m->credential, m->credential_len);
    memcpy(e.auth, m->auth, m->auth_len);
    memcpy(e.client, m->client_data, m->client_data_len);
    memcpy(e.signature, m->signature, m->signature_len);
    link_slide(g, h, &e, &stop);
    guests_tell(g, x->member);
    return DW_PEOPLE_NO_NONE;
}

static enum dw_people_no on_leave(struct guard *g, const struct guest *x)
{
    const struct hello *h = hello_by_guest(g, x->member);
    if (!h || h->handle != g->door.visit)
        return DW_PEOPLE_NO_NO_SUCH;
    struct dw_event ev = {.type = DW_EV_LEAVING, .visit = h->handle};
    guard_feed(g, &ev);
    return DW_PEOPLE_NO_NONE;
}

void guests_on_ask(struct guard *g, const struct dw_ipc_people_ask *m)
{
    struct dw_ipc_people_answer a = {.ticket = m->ticket, .op = m->op, .no = DW_PEOPLE_NO_ROLE};
    struct guest *x = people_is_guest(g, m->member) ? find_or_make(g, m->member) : NULL;
    if (x && m->op == DW_PEOPLE_GUEST_ASK)
        a.no = (uint8_t)on_ask(g, x, m->challenge, &a.value);
    else if (x && m->op == DW_PEOPLE_GUEST_STOP)
        a.no = (uint8_t)on_stop(g, x, m);
    else if (x && m->op == DW_PEOPLE_GUEST_LEAVE)
        a.no = (uint8_t)on_leave(g, x);
    if (a.no != DW_PEOPLE_NO_NONE)
        dw_log("info", "guest", "op=%u refused=%s", m->op,
               dw_people_no_code((enum dw_people_no)a.no));
    child_send(g, CHILD_FRONT, DW_IPC_PEOPLE_ANSWER, &a);
}

/* ---- what a guest's page is told ---- */

static enum dw_guest_state state_of(struct guard *g, uint32_t member)
{
    struct dw_civil_window w;
    struct grant *gr;
    enum dw_people_no no = choose(g, member, &gr, &w);
    if (no == DW_PEOPLE_NO_PERMISSION) {
        const struct credential *k = guests_passkey(g, member);
        for (size_t i = 0; i < DW_GRANTS_MAX && k; i++) {
            if (g->authority.grant[i].state != DW_GRANT_STATE_NONE &&
                is_to(g, &g->authority.grant[i], k))
                return DW_GUEST_NOT_NOW; /* its uses are used up */
        }
        return DW_GUEST_NONE;
    }
    if (no != DW_PEOPLE_NO_NONE || g->is_restored || g->is_rolled_back ||
        g->people.book.is_recovering)
        return DW_GUEST_NOT_NOW;
    const struct job_slot *job = job_of(g, gr, &w);
    if (job && job->is_declined)
        return DW_GUEST_NOT_NOW;
    return job && judge_needs_yes(g, job) ? DW_GUEST_WAITS_YES : DW_GUEST_CAN_ASK;
}

/* How the newest visit stands. What is not remembered any more stays as it was told. */
static void write_visit(struct guard *g, const struct hello *h, struct dw_ipc_guest *m)
{
    const struct job_slot *job = link_job(g, h->asked.job);
    bool is_here = g->door.visit == h->handle;
    m->visit = h->visit;
    m->is_slid = h->is_slid;
    m->visit_state = is_here ? (uint8_t)g->door.state : (uint8_t)DW_VISIT_NONE;
    m->outcome = h->outcome;
    m->check = h->check;
    m->alarms = is_here ? g->door.alarms : 0;
    m->passed = h->check == DW_CHECK_NONE && is_here ? g->door.passed : h->passed;
    m->failed = h->failed | (h->check ? UINT64_C(1) << h->check : 0);
    m->until_ms = is_here && g->door.state == DW_VISIT_READY ? h->offer_until_ms : 0;
    memcpy(m->nonce, h->courier_nonce, sizeof m->nonce);
    m->offer_len = m->manifest_len = 0;
    if (h->has_offer && h->offer_len > 1 && h->offer_len <= sizeof m->offer) {
        m->offer_len = (uint16_t)(h->offer_len - 1); /* without the kind byte */
        memcpy(m->offer, h->offer + 1, m->offer_len);
    }
    if (job && job->object_len <= sizeof m->manifest) {
        m->manifest_len = job->object_len;
        memcpy(m->manifest, job->object, job->object_len);
    }
}

static void build(struct guard *g, const struct guest *x, struct dw_ipc_guest *m)
{
    const struct hello *h = hello_by_guest(g, x->member);
    *m = x->told;
    m->member = x->member;
    memcpy(m->hub_pub, g->secret.key.pub, sizeof m->hub_pub);
    m->state = (uint8_t)state_of(g, x->member);
    if (h) {
        memset(m->offer, 0, sizeof m->offer);
        memset(m->manifest, 0, sizeof m->manifest);
        write_visit(g, h, m);
    }
    m->receipt_len = 0;
    if (x->receipt_len > 0 && x->receipt_visit == m->visit) {
        m->receipt_len = x->receipt_len;
        memcpy(m->receipt, x->receipt, x->receipt_len);
    }
}

static void tell_one(struct guard *g, struct guest *x, bool is_due)
{
    static struct dw_ipc_guest m;
    build(g, x, &m);
    if (!is_due && memcmp(&m, &x->told, sizeof m) == 0)
        return;
    x->told = m;
    if (g->child[CHILD_FRONT].is_ready)
        child_send(g, CHILD_FRONT, DW_IPC_GUEST, &m);
}

void guests_tell(struct guard *g, uint32_t member)
{
    struct guest *x = find(g, member);
    if (x)
        tell_one(g, x, false);
}

void guests_receipt(struct guard *g, uint32_t member, uint64_t visit, struct dw_view object)
{
    struct guest *x = find(g, member);
    if (!x || object.len > sizeof x->receipt)
        return;
    x->receipt_visit = visit;
    x->receipt_len = (uint16_t)object.len;
    memcpy(x->receipt, object.ptr, object.len);
    tell_one(g, x, false);
}

static void tell_each(struct guard *g, bool is_due)
{
    for (size_t i = 0; i < DW_MEMBERS_MAX; i++) {
        struct guest *x = find_or_make(g, g->people.book.member[i].id);
        if (x && people_is_guest(g, x->member))
            tell_one(g, x, is_due);
    }
}

void guests_tell_all(struct guard *g)
{
    tell_each(g, true);
}

void guests_tidy(struct guard *g)
{
    tell_each(g, false);
}
