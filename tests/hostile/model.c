#include "model.h"

#include <stdio.h>
#include <string.h>

#include "crypto/signed.h"

#define SIGNED_MAX  1024u
#define RING        16u
#define SHIFTS_KEPT 256u

uint32_t powers;
bool is_attacker_signing, opened_by_owned, opened_to_guest;

/* ---- what was signed, ever: a fact that no history takes back ---- */

struct m_manifest {
    uint8_t hash[32], grant[16];
    int agency;
    struct dw_job job;
};
struct m_shift {
    uint8_t hash[32];
    int agency;
    struct dw_shift said;
};
struct m_stop {
    int who;
    bool is_verified, by_attacker;
    char origin[96]; /* "": the RP ID is not its host */
    struct dw_stop said;
    uint16_t signature_len;
    uint8_t signature[128];
};
static struct m_manifest manifests[SIGNED_MAX];
static struct m_shift shifts[SHIFTS_KEPT];
static struct m_stop stops[SIGNED_MAX];
static uint32_t manifest_count, shift_count, stop_count;
static uint32_t manifest_mark, shift_mark, stop_mark;

/* ---- what goes back with the world ---- */

struct m_grant {
    bool is_known, is_over;
    int agency;
    struct dw_people_grant want;
    uint8_t id[16];
    int64_t from_s, to_s, live_ms;
    uint16_t used;
    int64_t day;
    uint8_t day_used;
};
struct m_hello {
    uint64_t visit;
    uint8_t nonce[32], job[16], commitment[32];
};
static struct {
    struct m_grant grant[GRANT_COUNT];
    struct question question[RING];
    struct m_hello hello[2 * RING];
    uint32_t question_count, hello_count;
    struct {
        uint8_t job[16];
        uint32_t revision;
    } recalled[RING];
    struct {
        uint8_t job[16], commitment[32]; /* zeroes: an opening of a stay */
    } used[2 * RING];
    struct {
        uint64_t visit;
        uint8_t grant[16];
    } stay[RING];
    struct {
        uint8_t what[16];
        uint32_t at;
    } spoilt[8];
    uint32_t recalled_count, used_count, stay_count, spoilt_count;
    struct {
        uint8_t nonce[32];
        uint64_t at_ms;
    } asked[RING];
    uint32_t asked_count;
    struct {
        int who;
        uint8_t nonce[32];
    } guest_asked[RING];
    uint32_t guest_asked_count;
    uint8_t gave_stop[SIGNED_MAX / 8]; /* came by a guest's session, not over the link */
    uint64_t frame_asked_ms;           /* the newest look that was answered by a frame; 0: none */
    uint64_t lock_asked_ms;            /* the ask that the lock's newest word answers */
    bool is_locked;
    uint8_t came_manifest[SIGNED_MAX / 8], came_stop[SIGNED_MAX / 8];
    uint32_t messages, came_shift[SHIFTS_KEPT]; /* place among all messages; 0: never */
} t;

uint8_t *const model_bytes = (uint8_t *)&t;
const size_t model_size = sizeof t;

void model_mark(void)
{
    manifest_mark = manifest_count;
    shift_mark = shift_count;
    stop_mark = stop_count;
}

void model_forget(void)
{
    manifest_count = manifest_mark;
    shift_count = shift_mark;
    stop_count = stop_mark;
}

void model_reboot(void)
{
    t.question_count = t.hello_count = t.asked_count = t.stay_count = t.guest_asked_count = 0;
    memset(t.question, 0, sizeof t.question);
    t.frame_asked_ms = t.lock_asked_ms = 0;
    t.is_locked = false;
}

static bool has_bit(const uint8_t *bits, uint32_t n)
{
    return bits[n / 8] >> n % 8 & 1;
}

static void set_bit(uint8_t *bits, uint32_t n)
{
    bits[n / 8] |= (uint8_t)(1u << n % 8);
}

/* ---- what is signed ---- */

void model_grant(int n, int by, const struct dw_people_grant *want, const uint8_t id[16],
                 int64_t signed_ms, int64_t live_ms)
{
    int64_t day = signed_ms / DAY_MS;
    t.grant[n] = (struct m_grant){.is_known = true,
                                  .agency = by,
                                  .want = *want,
                                  .from_s = day * 86400,
                                  .to_s = (day + want->days) * 86400,
                                  .live_ms = live_ms};
    memcpy(t.grant[n].id, id, 16);
}

void model_grant_over(const uint8_t id[16])
{
    for (size_t i = 0; i < GRANT_COUNT; i++) {
        if (t.grant[i].is_known && memcmp(t.grant[i].id, id, 16) == 0)
            t.grant[i].is_over = true;
    }
}

void model_spoilt(const void *what, size_t len)
{
    if (t.spoilt_count == 8)
        return;
    memcpy(t.spoilt[t.spoilt_count].what, what, len < 16 ? len : 16);
    t.spoilt[t.spoilt_count++].at = t.messages;
}

/* What is written over after the slide was judged comes too late. */
static bool is_spoilt(const uint8_t what[16], const struct question *q)
{
    for (uint32_t i = 0; i < t.spoilt_count; i++) {
        if (t.spoilt[i].at < q->stop_at && memcmp(t.spoilt[i].what, what, 16) == 0)
            return true;
    }
    return false;
}

void model_manifest(int by, const uint8_t grant[16], const struct dw_job *j, const uint8_t hash[32])
{
    if (manifest_count == SIGNED_MAX)
        return;
    struct m_manifest *m = &manifests[manifest_count++];
    m->agency = by;
    m->job = *j;
    memcpy(m->grant, grant, 16);
    memcpy(m->hash, hash, 32);
    t.came_manifest[(manifest_count - 1) / 8] &= (uint8_t) ~(1u << (manifest_count - 1) % 8);
}

void model_shift(int by, const struct dw_shift *s, const uint8_t hash[32])
{
    if (shift_count == SHIFTS_KEPT)
        return;
    struct m_shift *m = &shifts[shift_count++];
    m->agency = by;
    m->said = *s;
    memcpy(m->hash, hash, 32);
    t.came_shift[(shift_count - 1) / 8] &= (uint8_t) ~(1u << (shift_count - 1) % 8);
}

void model_stop(int who, const struct dw_stop *s, uint8_t flags, const char *origin,
                const char *rp_id, const struct dw_evidence *e)
{
    const char *host = strstr(origin, "://");
    size_t len = strlen(rp_id);
    if (stop_count == SIGNED_MAX)
        return;
    struct m_stop *m = &stops[stop_count++];
    *m = (struct m_stop){.who = who,
                         .is_verified = (flags & 0x05) == 0x05,
                         .by_attacker = is_attacker_signing,
                         .said = *s};
    memcpy(m->signature, e->signature, m->signature_len = e->signature_len);
    t.came_stop[(stop_count - 1) / 8] &= (uint8_t) ~(1u << (stop_count - 1) % 8);
    t.gave_stop[(stop_count - 1) / 8] &= (uint8_t) ~(1u << (stop_count - 1) % 8);
    if (host && strncmp(host + 3, rp_id, len) == 0 && (host[3 + len] == 0 || host[3 + len] == ':'))
        snprintf(m->origin, sizeof m->origin, "%s", origin);
}

/* ---- what comes over the link ---- */

static void slid(struct question *q)
{
    q->stop_ms = mono_ms;
    q->stop_wall = test_wall(true);
    q->stop_at = t.messages;
}

static void came_stop(struct dw_view payload)
{
    static struct dw_evidence e;
    struct dw_stop s;
    if (dw_failed(dw_evidence_read(payload, &e)) ||
        dw_failed(dw_stop_read(dw_view_of(e.bytes, e.bytes_len), &s)))
        return;
    for (uint32_t i = 0; i < stop_count; i++) {
        if (stops[i].signature_len == e.signature_len &&
            memcmp(stops[i].signature, e.signature, e.signature_len) == 0)
            set_bit(t.came_stop, i);
    }
    for (size_t i = 0; i < RING; i++) {
        struct question *q = &t.question[i];
        if (q->guest == 0 && q->visit == s.visit && q->stop_ms == 0 &&
            memcmp(q->hub_nonce, s.hub_nonce, 32) == 0)
            slid(q);
    }
}

static void came_hello(struct dw_view payload)
{
    struct dw_hello h;
    if (dw_failed(dw_hello_read(payload, &h)))
        return;
    for (size_t i = 0; i < 2 * RING; i++) { /* the first of a visit and nonce is the question */
        if (t.hello[i].visit == h.visit && memcmp(t.hello[i].nonce, h.courier_nonce, 32) == 0)
            return;
    }
    struct m_hello *m = &t.hello[t.hello_count++ % (2 * RING)];
    m->visit = h.visit;
    memcpy(m->nonce, h.courier_nonce, 32);
    memcpy(m->job, h.job, 16);
    dw_sha256_2(dw_view_of(h.salt, 16), dw_view_of(h.barcode, h.barcode_len), m->commitment);
}

static void came_recall(struct dw_view payload)
{
    struct dw_recall r;
    if (dw_failed(dw_recall_read(payload, &r)) || memcmp(r.hub, g.secret.key.thumb, 32) != 0 ||
        t.recalled_count == RING)
        return;
    memcpy(t.recalled[t.recalled_count].job, r.job, 16);
    t.recalled[t.recalled_count++].revision = r.revision;
}

void model_delivered(uint8_t kind, const uint8_t *bytes, size_t len, bool is_services)
{
    static uint8_t seen[DW_SIGNED_BYTES_MAX];
    static size_t seen_len;
    static uint8_t seen_kind;
    uint8_t hash[32];
    struct dw_view payload;
    t.messages++;
    if (kind == DW_LINK_KIND_MANIFEST || kind == DW_LINK_KIND_SHIFT) {
        dw_sha256(dw_view_of(bytes, len), hash);
        for (uint32_t i = 0; kind == DW_LINK_KIND_MANIFEST && i < manifest_count; i++) {
            if (memcmp(manifests[i].hash, hash, 32) == 0)
                set_bit(t.came_manifest, i);
        }
        for (uint32_t i = 0; kind == DW_LINK_KIND_SHIFT && i < shift_count; i++) {
            if (memcmp(shifts[i].hash, hash, 32) == 0)
                t.came_shift[i] = t.came_shift[i] ? t.came_shift[i] : t.messages;
        }
        return;
    }
    if (kind != DW_LINK_KIND_STOP && kind != DW_LINK_KIND_HELLO && kind != DW_LINK_KIND_RECALL)
        return;
    enum dw_context c = (enum dw_context)dw_link_context(kind);
    if (is_services) {
        struct dw_cose parts;
        if (dw_failed(dw_cose_read(c, dw_view_of(bytes, len), &parts)))
            return;
        payload = parts.payload;
        seen_kind = kind;
        seen_len = len;
        memcpy(seen, bytes, len);
    } else {
        if (seen_kind == kind && seen_len == len && memcmp(seen, bytes, len) == 0) {
            seen_len = 0;
            return; /* told a moment ago by who had made it */
        }
        if (dw_failed(dw_signed_open(&service.key, c, dw_view_of(bytes, len), &payload)))
            return;
    }
    if (kind == DW_LINK_KIND_STOP)
        came_stop(payload);
    else if (kind == DW_LINK_KIND_HELLO)
        came_hello(payload);
    else
        came_recall(payload);
}

bool model_newest_manifest(const uint8_t job[16], uint8_t ret_hash[32])
{
    const struct m_manifest *best = NULL;
    for (uint32_t i = 0; i < manifest_count; i++) {
        if (has_bit(t.came_manifest, i) && memcmp(manifests[i].job.job, job, 16) == 0 &&
            (!best || manifests[i].job.revision > best->job.revision))
            best = &manifests[i];
    }
    if (best)
        memcpy(ret_hash, best->hash, 32);
    return best != NULL;
}

uint32_t model_newest_revision(const uint8_t job[16])
{
    uint32_t best = 0;
    for (uint32_t i = 0; i < manifest_count; i++) {
        if (has_bit(t.came_manifest, i) && memcmp(manifests[i].job.job, job, 16) == 0 &&
            manifests[i].job.revision > best)
            best = manifests[i].job.revision;
    }
    return best;
}

/* ---- what the hub says ---- */

void model_offer(const struct dw_offer *o)
{
    if (o->check != DW_CHECK_NONE)
        return;
    for (size_t i = 0; i < RING; i++) {
        if (t.question[i].visit == o->visit &&
            memcmp(t.question[i].hub_nonce, o->hub_nonce, 32) == 0)
            return; /* told again */
    }
    struct question *q = &t.question[t.question_count++ % RING];
    *q = (struct question){.visit = o->visit, .asked_ms = mono_ms};
    memcpy(q->hub_nonce, o->hub_nonce, 32);
    memcpy(q->courier_nonce, o->courier_nonce, 32);
}

const struct question *model_question_at(uint32_t back)
{
    return back < t.question_count && back < RING
               ? &t.question[(t.question_count - 1 - back) % RING]
               : NULL;
}

const struct question *model_question_of(uint64_t visit)
{
    for (uint32_t i = 0; i < RING; i++) {
        const struct question *q = model_question_at(i);
        if (q && q->visit == visit)
            return q;
    }
    return NULL;
}

/* ---- what a guest's page hears and says ---- */

void model_guest_asks(int who, const uint8_t nonce[32])
{
    t.guest_asked[t.guest_asked_count % RING].who = who;
    memcpy(t.guest_asked[t.guest_asked_count++ % RING].nonce, nonce, 32);
}

static const struct m_manifest *manifest_of(const uint8_t hash[32])
{
    for (uint32_t i = 0; i < manifest_count; i++) {
        if (memcmp(manifests[i].hash, hash, 32) == 0)
            return &manifests[i];
    }
    return NULL;
}

static void note_papers(int who, struct dw_view object, const uint8_t hash[32])
{
    static struct dw_manifest m;
    static struct dw_job j;
    struct dw_cose parts;
    if (!manifest_of(hash) && !dw_failed(dw_cose_read(DW_CONTEXT_MANIFEST, object, &parts)) &&
        !dw_failed(dw_manifest_read(parts.payload, &m)) &&
        !dw_failed(dw_job_read(dw_view_of(m.job, m.job_len), &j)))
        model_manifest(HUB_FOR(who), m.grant, &j, hash);
}

void model_guest_offer(int who, const struct dw_offer *o, struct dw_view manifest)
{
    uint8_t hash[32];
    bool is_asked = false;
    for (size_t i = 0; i < RING; i++)
        is_asked |= t.guest_asked[i].who == who &&
                    memcmp(t.guest_asked[i].nonce, o->courier_nonce, 32) == 0;
    if (!is_asked)
        return; /* of nobody's question: nothing may come of it */
    dw_sha256(manifest, hash);
    note_papers(who, manifest, hash);
    struct question *q = &t.question[t.question_count % RING];
    uint32_t before = t.question_count;
    model_offer(o);
    if (t.question_count == before)
        return;
    q->guest = (uint8_t)(who + 1);
    memcpy(q->manifest, hash, 32);
}

struct question *model_guest_slides(int who, struct dw_view signature)
{
    for (uint32_t i = 0; i < stop_count; i++) {
        if (stops[i].signature_len == signature.len &&
            memcmp(stops[i].signature, signature.ptr, signature.len) == 0)
            set_bit(t.gave_stop, i);
    }
    for (uint32_t i = 0; i < RING && i < t.question_count; i++) {
        struct question *q = &t.question[(t.question_count - 1 - i) % RING];
        if (q->guest != who + 1)
            continue;
        if (q->stop_ms != 0)
            return NULL;
        slid(q);
        return q;
    }
    return NULL;
}

void model_guest_over(int who)
{
    for (size_t i = 0; i < GRANT_COUNT; i++)
        t.grant[i].is_over |= t.grant[i].agency == HUB_FOR(who);
}

void model_eye_asked(void)
{
    memcpy(t.asked[t.asked_count % RING].nonce, world.eye_nonce, 32);
    t.asked[t.asked_count++ % RING].at_ms = mono_ms;
}

void model_frame(const uint8_t nonce[32])
{
    for (size_t i = 0; i < RING; i++) {
        if (memcmp(t.asked[i].nonce, nonce, 32) == 0 && t.asked[i].at_ms > t.frame_asked_ms)
            t.frame_asked_ms = t.asked[i].at_ms;
    }
}

void model_lock(bool is_locked)
{
    t.lock_asked_ms = world.ask_ms;
    t.is_locked = is_locked;
}

/* ---- may it open? ---- */

static const struct m_shift *shift_of_visitor(int by, const uint8_t visitor[16], uint32_t until)
{
    const struct m_shift *best = NULL;
    for (uint32_t i = 0; i < shift_count; i++) {
        const struct m_shift *s = &shifts[i];
        if (t.came_shift[i] == 0 || t.came_shift[i] > until || s->agency != by ||
            memcmp(s->said.visitor, visitor, 16) != 0 || s->said.agency[0] != by + 1)
            continue;
        if (!best || s->said.nbf_s > best->said.nbf_s ||
            (s->said.nbf_s == best->said.nbf_s && s->said.exp_s > best->said.exp_s))
            best = s;
    }
    return best;
}

/* The whole of the job's civil window in one of the weekly ones; the home is in UTC. */
static bool is_in_week(const struct dw_people_grant *w, const struct dw_civil_window *c)
{
    for (uint32_t i = 0; i < w->window_count; i++) {
        for (int64_t week = -1; week <= 1; week++) {
            int64_t from = w->window[i].from + week * 7 * 1440, to = from + w->window[i].minutes;
            int64_t day = (((int64_t)c->day + 3) % 7) * 1440;
            if (day + c->from_min >= from && day + c->to_min <= to)
                return true;
        }
    }
    return false;
}

static const char *is_in_scope(const struct m_grant *m, const struct m_manifest *f)
{
    const struct dw_job *j = &f->job;
    if (f->agency != m->agency || j->agency[0] != (m->agency < AGENCY_COUNT ? m->agency + 1 : 0))
        return "another's grant";
    if (memcmp(j->hub, g.secret.key.thumb, 32) != 0)
        return "another home's manifest";
    if (j->kind != m->want.kind)
        return "another kind of visit than granted";
    if (j->door != 0)
        return "another door";
    if (j->nbf_s < m->from_s || j->exp_s > m->to_s)
        return "outside the days of the grant";
    if (strcmp(j->zone, "Etc/UTC") != 0)
        return "another zone";
    if (!is_in_week(&m->want, &j->window))
        return "outside the hours of the grant";
    if (j->openings > m->want.uses)
        return "more openings than uses";
    if (j->dwell_ms > m->want.dwell_ms)
        return "longer inside than granted";
    if (j->camera_class < DW_CAMERA_K2)
        return "a lesser camera than granted";
    return NULL;
}

static const char *is_the_time(const struct m_grant *m, const struct dw_job *j,
                               const struct m_shift *s, struct dw_utc now)
{
    if (!dw_utc_is_known(now) || now.hi_ms - now.lo_ms > 60000)
        return "the time is not known";
    int64_t lo = now.lo_ms, hi = now.hi_ms, midnight = (int64_t)j->window.day * DAY_MS;
    if (lo < m->from_s * 1000 || hi >= m->to_s * 1000)
        return "the grant has not begun, or is over";
    if (lo < m->live_ms)
        return "the grant may still be vetoed";
    if (lo < j->nbf_s * 1000 || hi >= j->exp_s * 1000)
        return "the manifest has not begun, or is over";
    if (lo < midnight + (int64_t)j->window.from_min * MINUTE_MS ||
        hi >= midnight + (int64_t)j->window.to_min * MINUTE_MS)
        return "outside the window of the manifest";
    if (s && (lo < s->said.nbf_s * 1000 || hi >= s->said.exp_s * 1000))
        return "the shift has not begun, or is over";
    if (lo / DAY_MS < j->screening_from_day || hi / DAY_MS > j->screening_to_day)
        return "the screening has run out";
    return NULL;
}

static const char *is_unused(const struct m_grant *m, const struct dw_job *j,
                             const struct m_hello *h, struct dw_utc now)
{
    uint32_t had = 0;
    bool is_mine = false;
    for (uint32_t i = 0; i < t.used_count; i++) {
        if (memcmp(t.used[i].job, j->job, 16) != 0)
            continue;
        had++;
        if (j->parcel_count > 0 && memcmp(t.used[i].commitment, h->commitment, 32) == 0)
            return "the parcel was delivered before";
    }
    for (uint32_t i = 0; i < j->parcel_count; i++)
        is_mine |= memcmp(j->parcel[i], h->commitment, 32) == 0;
    if (j->parcel_count > 0 && !is_mine)
        return "a parcel that is not in the manifest";
    if (j->parcel_count == 0 && (j->kind != DW_VISIT_STAY || had >= j->openings))
        return "more openings than the manifest has";
    for (uint32_t i = 0; i < t.stay_count; i++) {
        if (t.stay[i].visit == h->visit && memcmp(t.stay[i].grant, m->id, 16) == 0)
            return NULL; /* a stay is one use */
    }
    int64_t today = now.lo_ms / DAY_MS;
    if (m->used >= m->want.uses)
        return "the grant is used up";
    if (m->day == today && m->day_used >= m->want.per_day)
        return "the grant is used up for today";
    return NULL;
}

/* By what the owner has signed. `shift`: NULL for a guest, whose passkey the grant names. */
static const char *is_granted(const struct question *q, const struct m_manifest *f,
                              const struct m_shift *shift, const struct m_hello *h,
                              const struct dw_lock_command *c, struct m_grant **ret_grant)
{
    struct m_grant *m = NULL;
    const char *why;
    for (size_t i = 0; i < GRANT_COUNT && !m; i++) {
        if (t.grant[i].is_known && memcmp(t.grant[i].id, f->grant, 16) == 0)
            m = &t.grant[i];
    }
    if (!m)
        return "no owner has signed such a grant";
    if (m->is_over)
        return "the grant was taken back";
    if (is_spoilt(m->id, q) || is_spoilt(f->job.job, q) || is_spoilt(f->job.visitor, q))
        return "on bytes that nobody has signed";
    if (m->want.mode == DW_GRANT_ASK)
        return "the household was not asked";
    if ((why = is_in_scope(m, f)) || (why = is_the_time(m, &f->job, shift, q->stop_wall)))
        return why;
    for (uint32_t i = 0; i < t.recalled_count && shift; i++) {
        if (memcmp(t.recalled[i].job, f->job.job, 16) == 0 &&
            t.recalled[i].revision >= f->job.revision)
            return "the job was recalled";
    }
    if ((why = is_unused(m, &f->job, h, q->stop_wall)))
        return why;
    if (c->dwell_ms > f->job.dwell_ms || c->lease_ms == 0 || c->lease_ms > 15000)
        return "longer than the manifest says";
    *ret_grant = m;
    return NULL;
}

static const char *is_guest_permitted(const struct question *q, const struct m_stop *s,
                                      const struct dw_lock_command *c, struct m_hello *ret_asked,
                                      struct m_grant **ret_grant)
{
    const struct m_manifest *f = manifest_of(s->said.manifest);
    int who = q->guest - 1;
    if (!f || memcmp(q->manifest, s->said.manifest, 32) != 0)
        return "a manifest that the guest was not shown";
    if (f->agency != HUB_FOR(who) || f->job.visitor[15] != guest_device[who]->member)
        return "papers that the hub has not written for this guest";
    if (!s->is_verified)
        return "the person was not verified";
    if (s->who != IS_GUEST(who))
        return "another passkey than the guest's";
    if (strcmp(s->origin, ORIGIN) != 0)
        return "the person was on another page";
    *ret_asked = (struct m_hello){.visit = q->visit};
    memcpy(ret_asked->job, f->job.job, 16);
    return is_granted(q, f, NULL, ret_asked, c, ret_grant);
}

/* Everything that must name the same visit, but for what the door's own devices say. */
static const char *is_permitted(const struct question *q, const struct m_stop *s,
                                const struct m_hello *h, const struct dw_lock_command *c,
                                struct m_grant **ret_grant)
{
    const struct m_manifest *f = manifest_of(s->said.manifest);
    const struct m_shift *shift;
    if (s->who >= PHONE_COUNT)
        return "a guest is no courier";
    if (!f || !has_bit(t.came_manifest, (uint32_t)(f - manifests)))
        return "no agency has signed this manifest";
    if (!s->is_verified)
        return "the person was not verified";
    if (memcmp(f->job.job, h->job, 16) != 0)
        return "the question was about another job";
    shift = shift_of_visitor(f->agency, f->job.visitor, q->stop_at);
    if (!shift)
        return "no shift of this visitor";
    if (shift->said.credential_len != phone[s->who].passkey.id_len ||
        memcmp(shift->said.credential, phone[s->who].passkey.id, shift->said.credential_len) != 0 ||
        shift->said.key_len != phone[s->who].passkey.key_len ||
        memcmp(shift->said.key, phone[s->who].passkey.key, shift->said.key_len) != 0)
        return "the shift is of another phone";
    if (strcmp(shift->said.origin, s->origin) != 0)
        return "the person was on another page";
    return is_granted(q, f, shift, h, c, ret_grant);
}

/* Of now, and after the slide. */
static const char *is_seen(const struct question *q)
{
    if (q->stop_ms == 0 || mono_ms - q->stop_ms > 15000)
        return "the slide was long ago, or none";
    if (t.frame_asked_ms < q->stop_ms || mono_ms - t.frame_asked_ms > 1000)
        return "no look of now";
    if (t.lock_asked_ms < q->stop_ms || !t.is_locked)
        return "no word of the lock of now";
    if (q->guest == 0 && !world.is_link_up && q->stop_ms > world.link_heard_ms + 15 * MINUTE_MS)
        return "what was taken back is not known";
    return NULL;
}

const char *model_retract(const struct dw_lock_command *c)
{
    struct question *q = NULL;
    const struct m_hello *h = NULL;
    struct m_hello asked;
    const char *why = "nobody has signed a stop for this visit";
    for (size_t i = 0; i < RING; i++) {
        struct question *x = &t.question[i];
        if (x->visit == c->visit && x->visit != 0 && x->stop_ms != 0 &&
            (!q || x->asked_ms >= q->asked_ms))
            q = x;
    }
    if (!q)
        return "no question of this visit";
    if (q->is_used)
        return "one slide, two openings";
    for (size_t i = 0; i < 2 * RING; i++) {
        if (t.hello[i].visit == q->visit && memcmp(t.hello[i].nonce, q->courier_nonce, 32) == 0)
            h = &t.hello[i];
    }
    if (q->guest != 0)
        h = &asked;
    if (!h)
        return "no question of this courier";
    for (uint32_t i = stop_count; i-- > 0;) {
        const struct m_stop *s = &stops[i];
        struct m_grant *m = NULL;
        if (!has_bit(q->guest ? t.gave_stop : t.came_stop, i) || s->said.visit != q->visit ||
            s->said.door != 0 || memcmp(s->said.hub, g.secret.key.thumb, 32) != 0 ||
            memcmp(s->said.hub_nonce, q->hub_nonce, 32) != 0 ||
            memcmp(s->said.courier_nonce, q->courier_nonce, 32) != 0)
            continue;
        const char *no =
            q->guest ? is_guest_permitted(q, s, c, &asked, &m) : is_permitted(q, s, h, c, &m);
        if (!no)
            no = is_seen(q);
        if (no) {
            why = no;
            continue;
        }
        int64_t today = q->stop_wall.lo_ms / DAY_MS;
        bool is_stay = false;
        for (uint32_t n = 0; n < t.stay_count; n++)
            is_stay |= t.stay[n].visit == q->visit && memcmp(t.stay[n].grant, m->id, 16) == 0;
        if (!is_stay) {
            m->day_used = m->day == today ? (uint8_t)(m->day_used + 1) : 1;
            m->day = today;
            m->used++;
            if (t.stay_count < RING) {
                t.stay[t.stay_count].visit = q->visit;
                memcpy(t.stay[t.stay_count++].grant, m->id, 16);
            }
        }
        if (t.used_count < 2 * RING) {
            memcpy(t.used[t.used_count].job, h->job, 16);
            memcpy(t.used[t.used_count++].commitment, h->commitment, 32);
        }
        q->is_used = true;
        opened_by_owned = s->by_attacker;
        opened_to_guest = q->guest != 0;
        return NULL;
    }
    return why;
}
