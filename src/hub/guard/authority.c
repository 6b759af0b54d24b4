/* Who may come: agencies that asked, grants that an owner's passkey signed, manifests and shifts
 * that agencies signed, and the visitor's proof at the door [I1-I5, I10, I14, I47].
 *
 * The service only carries these. Each is checked when it comes, kept byte for byte, and checked
 * again at the door, all of it together (crypto/chain.h). What takes away (revoke, veto) holds at
 * once; what gives is durable first. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "crypto/signed.h"
#include "hub/guard/guard.h"
#include "os/os.h"
#include "wire/cbor.h"

#define FACT_VERSION   1u
#define GRANT_NUMBER   (UINT32_MAX - 1)
#define REVOKED_NUMBER (UINT32_MAX - 2)
#define DAY_MS         INT64_C(86400000)
#define DWELL_MIN_MS   1000u

/* ---- lookups ---- */

struct grant *authority_grant(struct guard *g, const uint8_t id[16])
{
    for (size_t i = 0; i < DW_GRANTS_MAX; i++) {
        struct grant *gr = &g->authority.grant[i];
        if (gr->state != DW_GRANT_STATE_NONE && dw_same(gr->said.id, id, 16))
            return gr;
    }
    return NULL;
}

static struct agency *agency_by_id(struct guard *g, const uint8_t id[16])
{
    for (size_t i = 0; i < DW_AGENCIES_MAX; i++) {
        struct agency *a = &g->authority.agency[i];
        if (a->is_used && dw_same(a->said.agency, id, 16))
            return a;
    }
    return NULL;
}

static struct agency *agency_by_thumb(struct guard *g, const uint8_t thumb[32])
{
    for (size_t i = 0; i < DW_AGENCIES_MAX; i++) {
        struct agency *a = &g->authority.agency[i];
        if (a->is_used && dw_same(a->key.thumb, thumb, 32))
            return a;
    }
    return NULL;
}

/* Whose signature it is, of the agencies that have introduced themselves; NULL: of none. */
static struct agency *agency_of(struct guard *g, enum dw_context c, struct dw_view object,
                                struct dw_view *ret_payload, dw_err *ret_err)
{
    struct dw_cose parts;
    *ret_err = dw_cose_read(c, object, &parts);
    if (dw_failed(*ret_err))
        return NULL;
    *ret_err = dw_fail(DW_E_KEY);
    for (size_t i = 0; i < DW_AGENCIES_MAX; i++) {
        struct agency *a = &g->authority.agency[i];
        if (!a->is_used || !dw_same(a->key.thumb, parts.kid, sizeof parts.kid))
            continue;
        *ret_err = dw_signed_open(&a->key, c, object, ret_payload);
        if (!dw_failed(*ret_err))
            return a;
    }
    return NULL;
}

static bool is_over(const struct guard *g, const struct grant *gr)
{
    enum dw_grant_state s = judge_grant_state(g, gr);
    return s != DW_GRANT_STATE_WAITING && s != DW_GRANT_STATE_LIVE;
}

static bool has_grant(const struct guard *g, const struct agency *a)
{
    for (size_t i = 0; i < DW_GRANTS_MAX; i++) {
        const struct grant *gr = &g->authority.grant[i];
        if (gr->state != DW_GRANT_STATE_NONE && gr->guest == 0 && !is_over(g, gr) &&
            dw_same(gr->said.grantee, a->key.thumb, 32))
            return true;
    }
    return false;
}

/* A free place, or that of a grant that has been over for longest. */
static struct grant *grant_place(struct guard *g)
{
    struct grant *old = NULL;
    for (size_t i = 0; i < DW_GRANTS_MAX; i++) {
        struct grant *gr = &g->authority.grant[i];
        if (gr->state == DW_GRANT_STATE_NONE)
            return gr;
        if (is_over(g, gr) && (!old || gr->signed_ms < old->signed_ms))
            old = gr;
    }
    return old;
}

static uint32_t short_of(const uint8_t id[16])
{
    return (uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3];
}

static int64_t now_ms(const struct guard *g)
{
    struct dw_utc now = guard_wall(g);
    return dw_utc_is_known(now) ? now.lo_ms : 0;
}

/* ---- what is stored ---- */

static uint64_t number_of(const struct guard *g, const struct grant *gr)
{
    return (uint64_t)(gr - g->authority.grant) + 1;
}

static struct store_fact state_fact(const struct guard *g, const struct grant *gr, uint8_t *room,
                                    size_t cap)
{
    struct dw_buf b = dw_buf_of(room, cap);
    struct dw_wr w;
    dw_wr_init(&w, &b);
    dw_wr_array(&w, 11);
    dw_wr_uint(&w, FACT_VERSION);
    dw_wr_bytes(&w, gr->said.id, 16);
    dw_wr_uint(&w, gr->state);
    dw_wr_uint(&w, gr->member);
    dw_wr_int(&w, gr->live_ms);
    dw_wr_int(&w, gr->over_ms);
    dw_wr_uint(&w, gr->used);
    dw_wr_int(&w, gr->day);
    dw_wr_uint(&w, gr->day_used);
    dw_wr_int(&w, gr->signed_ms);
    dw_wr_uint(&w, gr->guest);
    DW_ASSERT(!dw_failed(dw_wr_end(&w)));
    return (struct store_fact){STORE_FACT_GRANT_STATE, number_of(g, gr), dw_view_of(room, b.len)};
}

static void load_state(struct guard *g, struct grant *gr)
{
    uint8_t bytes[STATE_FACT_MAX], id[16];
    struct dw_buf in = dw_buf_of(bytes, sizeof bytes);
    struct grant m = *gr;
    int64_t day = 0;
    uint32_t items = 0;
    uint64_t version;
    struct dw_rd r;
    dw_err e = store_fact(g->store, STORE_FACT_GRANT_STATE, number_of(g, gr), &in);
    dw_rd_init(&r, dw_view_of_buf(&in));
    dw_rd_array_upto(&r, 10, 11, &items); /* the last came later */
    dw_rd_uint(&r, FACT_VERSION, &version);
    dw_rd_bytes(&r, id, 16);
    dw_rd_enum(&r, DW_GRANT_STATE_COUNT, &m.state);
    dw_rd_u32(&r, &m.member);
    dw_rd_int(&r, 0, INT64_MAX, &m.live_ms);
    dw_rd_int(&r, 0, INT64_MAX, &m.over_ms);
    dw_rd_u16(&r, &m.used);
    dw_rd_int(&r, INT32_MIN, INT32_MAX, &day);
    dw_rd_u8(&r, &m.day_used);
    dw_rd_int(&r, 0, INT64_MAX, &m.signed_ms);
    if (items > 10)
        dw_rd_u32(&r, &m.guest);
    m.day = (int32_t)day;
    m.is_over_stored = m.over_ms > 0;
    /* Uses that cannot be read are not known to be left. */
    if (dw_failed(e) || dw_failed(dw_rd_end(&r)) || !dw_same(id, gr->said.id, 16)) {
        dw_log("error", "grant", "state=unreadable");
        gr->state = DW_GRANT_STATE_REVOKED;
        return;
    }
    *gr = m;
}

static void load_grant(void *ctx, struct dw_view bytes, struct dw_view unused, int64_t number,
                       int64_t unused2)
{
    struct guard *g = ctx;
    struct dw_evidence e;
    struct grant m = {.state = DW_GRANT_STATE_WAITING};
    (void)unused, (void)unused2;
    if (number < 1 || number > (int64_t)DW_GRANTS_MAX || bytes.len > sizeof m.evidence ||
        dw_failed(dw_evidence_read(bytes, &e)) ||
        dw_failed(dw_grant_read(dw_view_of(e.bytes, e.bytes_len), &m.said))) {
        dw_log("error", "grant", "stored=unreadable");
        return;
    }
    memcpy(m.evidence, bytes.ptr, bytes.len);
    m.evidence_len = (uint16_t)bytes.len;
    struct grant *gr = &g->authority.grant[number - 1];
    *gr = m;
    load_state(g, gr);
    gr->told_state = gr->state;
}

static bool read_introduce(const struct guard *g, struct dw_view object, struct agency *ret)
{
    static const uint8_t nobody[16]; /* stands in a guest's papers */
    struct dw_cose parts;
    struct dw_view payload;
    *ret = (struct agency){.is_used = true};
    if (object.len > sizeof ret->object ||
        dw_failed(dw_cose_read(DW_CONTEXT_INTRODUCE, object, &parts)) ||
        dw_failed(dw_introduce_read(parts.payload, &ret->said)) ||
        dw_same(ret->said.agency, nobody, 16))
        return false;
    dw_key_from_pub(ret->said.pub, &ret->key);
    memcpy(ret->object, object.ptr, object.len);
    ret->object_len = (uint16_t)object.len;
    return !dw_failed(dw_signed_open(&ret->key, DW_CONTEXT_INTRODUCE, object, &payload)) &&
           dw_same(ret->said.hub, g->secret.key.thumb, 32);
}

static struct store_fact card_fact(const struct guard *g, const struct agency *a, uint8_t *room,
                                   size_t cap)
{
    struct dw_buf b = dw_buf_of(room, cap);
    struct dw_wr w;
    dw_wr_init(&w, &b);
    dw_wr_array(&w, 3);
    dw_wr_uint(&w, FACT_VERSION);
    dw_wr_int(&w, a->asked_ms);
    dw_wr_bytes(&w, a->object, a->object_len);
    DW_ASSERT(!dw_failed(dw_wr_end(&w)));
    return (struct store_fact){STORE_FACT_CARD, (uint64_t)(a - g->authority.agency) + 1,
                               dw_view_of(room, b.len)};
}

static void load_card(void *ctx, struct dw_view bytes, struct dw_view unused, int64_t number,
                      int64_t unused2)
{
    struct guard *g = ctx;
    struct agency a;
    struct dw_view object = {0};
    int64_t asked_ms = 0;
    uint64_t version;
    struct dw_rd r;
    (void)unused, (void)unused2;
    dw_rd_init(&r, bytes);
    dw_rd_array(&r, 3);
    dw_rd_uint(&r, FACT_VERSION, &version);
    dw_rd_int(&r, 0, INT64_MAX, &asked_ms);
    dw_rd_bytes_upto(&r, sizeof a.object, &object);
    if (dw_failed(dw_rd_end(&r)) || number < 1 || number > (int64_t)DW_AGENCIES_MAX ||
        !read_introduce(g, object, &a)) {
        dw_log("error", "agency", "stored=unreadable");
        return;
    }
    a.asked_ms = asked_ms;
    g->authority.agency[number - 1] = a;
}

static bool read_shift(struct guard *g, struct dw_view object, struct shift *ret, dw_err *ret_err)
{
    struct dw_view payload;
    const struct agency *a = agency_of(g, DW_CONTEXT_SHIFT, object, &payload, ret_err);
    if (!a)
        return false;
    *ret = (struct shift){.is_used = true};
    *ret_err = dw_shift_read(payload, &ret->said);
    if (!dw_failed(*ret_err) &&
        (object.len > sizeof ret->object || !dw_same(ret->said.agency, a->said.agency, 16)))
        *ret_err = dw_fail(DW_E_DENIED); /* in another agency's name */
    if (dw_failed(*ret_err))
        return false;
    memcpy(ret->by, a->key.thumb, 32);
    memcpy(ret->object, object.ptr, object.len);
    ret->object_len = (uint16_t)object.len;
    return true;
}

static void load_shift(void *ctx, struct dw_view bytes, struct dw_view unused, int64_t number,
                       int64_t unused2)
{
    struct guard *g = ctx;
    struct shift s;
    dw_err e;
    (void)unused, (void)unused2;
    if (number < 1 || number > (int64_t)SHIFTS_MAX || !read_shift(g, bytes, &s, &e))
        dw_log("error", "shift", "stored=unreadable");
    else
        g->authority.shift[number - 1] = s;
}

void authority_start(struct guard *g)
{
    memset(&g->authority, 0, sizeof g->authority);
    store_each_fact(g->store, STORE_FACT_CARD, load_card, g);
    store_each_fact(g->store, STORE_FACT_GRANT, load_grant, g);
    store_each_fact(g->store, STORE_FACT_SHIFT, load_shift, g);
}

/* ---- telling ---- */

void authority_tell(struct guard *g)
{
    static struct dw_ipc_grants m;
    m = (struct dw_ipc_grants){.epoch = g->people.book.epoch, .is_restored = g->is_restored};
    int32_t today = 0;
    bool has_today = judge_civil_day(g, &today);
    g->authority.told_day = has_today ? today : 0;
    for (size_t i = 0; i < DW_AGENCIES_MAX; i++) {
        const struct agency *a = &g->authority.agency[i];
        if (!a->is_used)
            continue;
        struct dw_ipc_agency *to = &m.agency[m.agency_count++];
        memcpy(to->id, a->said.agency, 16);
        memcpy(to->key, a->key.thumb, 32);
        memcpy(to->name, a->said.name, sizeof to->name);
        to->is_hosted = a->said.is_hosted;
        to->is_waiting = !has_grant(g, a);
        to->asked_utc_ms = a->asked_ms;
    }
    for (size_t i = 0; i < DW_GRANTS_MAX; i++) {
        const struct grant *gr = &g->authority.grant[i];
        if (gr->state == DW_GRANT_STATE_NONE)
            continue;
        const struct dw_grant *s = &gr->said;
        struct dw_ipc_grant *to = &m.grant[m.grant_count++];
        const struct agency *a = gr->guest ? NULL : agency_by_thumb(g, s->grantee);
        to->guest = gr->guest;
        if (a)
            memcpy(to->agency, a->said.agency, 16);
        memcpy(to->id, s->id, 16);
        to->state = (uint8_t)judge_grant_state(g, gr);
        to->kind = s->kind;
        to->mode = s->mode;
        to->per_day = s->per_day;
        to->window_count = s->window_count;
        to->camera_class = s->camera_class;
        to->is_hosted = s->is_hosted;
        to->door = s->door;
        to->uses = s->uses;
        to->used = gr->used;
        to->dwell_ms = s->dwell_ms;
        to->signed_by = gr->member;
        to->epoch = s->epoch;
        to->nbf_s = s->nbf_s;
        to->exp_s = s->exp_s;
        to->live_at_ms = gr->live_ms;
        to->signed_at_ms = gr->signed_ms;
        to->over_at_ms = gr->over_ms;
        to->is_over_stored = gr->is_over_stored;
        to->has_today = has_today;
        to->used_today = has_today && gr->day == today ? gr->day_used : 0;
        memcpy(to->window, s->window, sizeof to->window);
        memcpy(to->zone, s->zone, sizeof to->zone);
        memcpy(to->name, s->name, sizeof to->name);
    }
    child_send(g, CHILD_FRONT, DW_IPC_GRANTS, &m);
}

static void story(struct guard *g, enum dw_grant_change what, uint32_t about)
{
    g->telling = 0;
    tell(g, DW_STORY_GRANT, what, about);
}

/* What is signed but not accepted. Only an agency that is known gets a line of the record by it. */
static void refuse(struct guard *g, const char *what, enum dw_chain_no no, bool is_known)
{
    dw_log("warn", what, "refused=%s", dw_chain_no_code(no));
    if (is_known && link_take_credit(g))
        story(g, DW_GRANT_CHANGE_REFUSED, (uint32_t)no);
}

/* ---- introductions ---- */

static struct agency *agency_place(struct guard *g)
{
    struct agency *oldest = NULL, *place = NULL;
    uint32_t waiting = 0;
    for (size_t i = 0; i < DW_AGENCIES_MAX; i++) {
        struct agency *a = &g->authority.agency[i];
        if (!a->is_used) {
            if (!place)
                place = a;
            continue;
        }
        if (has_grant(g, a))
            continue;
        waiting++;
        if (!oldest || a->asked_ms < oldest->asked_ms)
            oldest = a;
    }
    return waiting >= AGENCIES_WAIT_MAX || !place ? oldest : place;
}

void authority_on_introduce(struct guard *g, struct dw_view object)
{
    struct agency a;
    uint8_t room[AGENCY_OBJECT_MAX + 32], detail[12];
    if (!read_introduce(g, object, &a)) {
        dw_log("warn", "introduce", "refused=form_or_signature");
        return;
    }
    struct agency *same = agency_by_thumb(g, a.key.thumb), *other = agency_by_id(g, a.said.agency);
    if (same && same == other && same->object_len == a.object_len &&
        memcmp(same->object, a.object, a.object_len) == 0)
        return; /* had before */
    /* An id and a key belong together for as long as either is known: no second agency comes under
     * the first one's name, and none changes who it is under a grant. */
    if ((other && other != same) || (same && (same != other || has_grant(g, same)))) {
        dw_log("warn", "introduce", "refused=known_otherwise");
        return;
    }
    if (g->intro_credit == 0) {
        dw_log("warn", "introduce", "refused=too_many");
        return;
    }
    g->intro_credit--;
    struct agency *place = same ? same : agency_place(g);
    if (!place) {
        dw_log("warn", "introduce", "refused=full");
        return;
    }
    a.asked_ms = now_ms(g);
    *place = a;
    uint32_t about = short_of(a.said.agency);
    struct store_fact f = card_fact(g, place, room, sizeof room);
    struct store_write w = {
        .kind = DW_STORY_GRANT,
        .at = guard_wall(g),
        .boot_ms = dw_now().ms,
        .detail = dw_view_of(detail, tell_detail(detail, DW_GRANT_CHANGE_ASKED, about, 0)),
        .story = g->story_number + 1,
        .facts = &f,
        .fact_count = 1,
    };
    g->telling = 0;
    if (dw_failed(store_write(g->store, &w)))
        dw_log("warn", "introduce", "stored=0"); /* it will ask again */
    show_story(g, DW_STORY_GRANT, DW_GRANT_CHANGE_ASKED, about, 0);
    authority_tell(g);
}

/* ---- manifests and shifts ---- */

bool authority_read_manifest(struct guard *g, struct dw_view object, struct dw_job *ret_job,
                             uint8_t ret_grant[16], uint8_t ret_by[32])
{
    static struct dw_manifest m;
    struct dw_view payload;
    dw_err e;
    const struct agency *a = agency_of(g, DW_CONTEXT_MANIFEST, object, &payload, &e);
    if (!a || object.len > MANIFEST_OBJECT_MAX || dw_failed(dw_manifest_read(payload, &m)) ||
        dw_failed(dw_job_read(dw_view_of(m.job, m.job_len), ret_job))) {
        refuse(g, "manifest", a ? DW_CHAIN_NO_MANIFEST_FORM : DW_CHAIN_NO_MANIFEST_SIGNATURE,
               false);
        return false;
    }
    if (!dw_same(m.hub, g->secret.key.thumb, 32)) { /* [I5] */
        refuse(g, "manifest", DW_CHAIN_NO_MANIFEST_AUDIENCE, false);
        return false;
    }
    if (!dw_same(ret_job->agency, a->said.agency, 16)) { /* in another agency's name */
        refuse(g, "manifest", DW_CHAIN_NO_MANIFEST_SIGNATURE, false);
        return false;
    }
    memcpy(ret_grant, m.grant, 16);
    memcpy(ret_by, a->key.thumb, 32);
    return true;
}

bool authority_takes(struct guard *g, const struct dw_job *job, const uint8_t grant[16],
                     const uint8_t by[32])
{
    const struct grant *gr = authority_grant(g, grant);
    enum dw_chain_no no = DW_CHAIN_YES;
    if (!gr)
        no = DW_CHAIN_NO_MANIFEST_GRANT;
    else if (gr->guest != 0 || !dw_same(gr->said.grantee, by, 32))
        no = DW_CHAIN_NO_GRANT_GRANTEE;
    else if (is_over(g, gr))
        no = DW_CHAIN_NO_GRANT_LATE;
    else if (!dw_grant_holds(&gr->said, job, NULL))
        no = DW_CHAIN_NO_MANIFEST_SCOPE;
    if (no != DW_CHAIN_YES)
        refuse(g, "manifest", no, true);
    return no == DW_CHAIN_YES;
}

/* The place of the same visitor, a free one, or that of a shift that is over. An agency never
 * pushes out another's. */
static struct shift *shift_place(struct guard *g, const struct shift *in)
{
    struct shift *place = NULL, *own = NULL;
    int64_t now = now_ms(g);
    uint32_t mine = 0;
    for (size_t i = 0; i < SHIFTS_MAX; i++) {
        struct shift *s = &g->authority.shift[i];
        bool is_mine = s->is_used && dw_same(s->by, in->by, 32);
        if (is_mine && dw_same(s->said.visitor, in->said.visitor, 16))
            return s;
        if (is_mine) {
            mine++;
            if (!own || s->said.exp_s < own->said.exp_s)
                own = s;
        }
        if (!place && (!s->is_used || (now > 0 && s->said.exp_s * 1000 < now)))
            place = s;
    }
    return mine >= SHIFTS_EACH_MAX ? own : place ? place : own;
}

void authority_on_shift(struct guard *g, struct dw_view object)
{
    struct shift in;
    dw_err e;
    if (!read_shift(g, object, &in, &e)) {
        dw_log("warn", "shift", "refused=%s", dw_err_name(e));
        return;
    }
    struct shift *s = shift_place(g, &in);
    if (!s) {
        dw_log("warn", "shift", "refused=full");
        return;
    }
    bool is_same =
        s->is_used && dw_same(s->by, in.by, 32) && dw_same(s->said.visitor, in.said.visitor, 16);
    /* Newest is what begins last: an old one that is brought again pushes out none. */
    if (is_same && (in.said.nbf_s < s->said.nbf_s ||
                    (in.said.nbf_s == s->said.nbf_s && in.said.exp_s <= s->said.exp_s)))
        return;
    if (!link_take_credit(g)) {
        dw_log("warn", "shift", "refused=too_many");
        return;
    }
    *s = in;
    struct store_fact f = {STORE_FACT_SHIFT, (uint64_t)(s - g->authority.shift) + 1,
                           dw_view_of(s->object, s->object_len)};
    struct store_write w = {.facts = &f, .fact_count = 1};
    (void)store_write(g->store, &w);
}

/* ---- at the door ---- */

static size_t owners_of(const struct guard *g, struct dw_passkey ret[DW_CREDENTIALS_MAX])
{
    const struct book *b = &g->people.book;
    size_t n = 0;
    for (size_t i = 0; i < DW_CREDENTIALS_MAX; i++) {
        if (b->credential[i].number != 0 && house_takes_alg(g, b->credential[i].key.alg) &&
            people_role(g, b->credential[i].member) == DW_MEMBER_OWNER)
            ret[n++] = b->credential[i].key;
    }
    return n;
}

static const struct shift *shift_of(const struct guard *g, const struct agency *a,
                                    const uint8_t visitor[16])
{
    for (size_t i = 0; i < SHIFTS_MAX; i++) {
        const struct shift *s = &g->authority.shift[i];
        if (s->is_used && dw_same(s->by, a->key.thumb, 32) && dw_same(s->said.visitor, visitor, 16))
            return s;
    }
    return NULL;
}

enum dw_chain_no authority_check(struct guard *g, const struct hello *h, const struct job_slot *s,
                                 const struct dw_evidence *e, const struct dw_stop *stop)
{
    static struct dw_passkey owner[DW_CREDENTIALS_MAX];
    static struct dw_chain_said said;
    const struct grant *gr = authority_grant(g, s->grant);
    const struct agency *a = gr && gr->guest == 0 ? agency_by_thumb(g, gr->said.grantee) : NULL;
    if (!gr)
        return DW_CHAIN_NO_MANIFEST_GRANT;
    /* A guest's grant is for the question of this guest, by papers of this hub. */
    if (gr->guest != h->guest || (gr->guest == 0 && !a))
        return DW_CHAIN_NO_GRANT_GRANTEE;
    const struct shift *shift = a ? shift_of(g, a, s->job.visitor) : guests_shift(g, h->guest);
    /* [I15] A certificate's 1 and 2 are the kinds of passkeys, too. */
    if (shift && !house_takes_alg(g, shift->said.alg))
        return DW_CHAIN_NO_PROOF_KEY;
    struct dw_chain chain = {
        .grant = dw_view_of(gr->evidence, gr->evidence_len),
        .manifest = dw_view_of(s->object, s->object_len),
        .shift = shift ? dw_view_of(shift->object, shift->object_len) : (struct dw_view){0},
        .credential = dw_view_of(e->credential, e->credential_len),
        .client_data = dw_view_of(e->client, e->client_len),
        .auth_data = dw_view_of(e->auth, e->auth_len),
        .signature = dw_view_of(e->signature, e->signature_len),
    };
    struct dw_chain_want want = {
        .hub = g->secret.key.thumb,
        .owner = owner,
        .owner_count = owners_of(g, owner),
        .owner_origin = g->people.origin,
        .owner_rp_id = g->people.rp_id,
        .agency = a ? &a->key : &g->secret.key,
        .is_guest = a == NULL,
        .now = guard_wall(g),
        .epoch = g->people.book.epoch,
        .epoch_least = g->people.book.epoch_least,
        .visit = h->visit,
        .hub_nonce = h->hub_nonce,
        .courier_nonce = h->courier_nonce,
        .door_code = stop->door_code, /* what was scanned is the app's word, not the hub's */
    };
    return dw_chain_check(&chain, &want, &said);
}

enum dw_check authority_check_of(enum dw_chain_no no)
{
    switch (no) {
    case DW_CHAIN_YES: return DW_CHECK_NONE;
    case DW_CHAIN_NO_GRANT_EARLY:
    case DW_CHAIN_NO_MANIFEST_EARLY:
    case DW_CHAIN_NO_SHIFT_EARLY: return DW_CHECK_EARLY;
    case DW_CHAIN_NO_GRANT_LATE:
    case DW_CHAIN_NO_MANIFEST_LATE:
    case DW_CHAIN_NO_SHIFT_LATE: return DW_CHECK_LATE;
    case DW_CHAIN_NO_SHIFT_FORM:
    case DW_CHAIN_NO_SHIFT_CONTEXT:
    case DW_CHAIN_NO_SHIFT_SIGNATURE:
    case DW_CHAIN_NO_SHIFT_VISITOR: return DW_CHECK_ASSIGNED;
    case DW_CHAIN_NO_PROOF_KEY:
    case DW_CHAIN_NO_PROOF_ORIGIN:
    case DW_CHAIN_NO_PROOF_SIGNATURE: return DW_CHECK_PROOF;
    case DW_CHAIN_NO_CLOCK: return DW_CHECK_CLOCK;
    case DW_CHAIN_NO_GRANT_FORM:
    case DW_CHAIN_NO_GRANT_AUDIENCE:
    case DW_CHAIN_NO_GRANT_CONTEXT:
    case DW_CHAIN_NO_GRANT_KEY:
    case DW_CHAIN_NO_GRANT_ORIGIN:
    case DW_CHAIN_NO_GRANT_SIGNATURE:
    case DW_CHAIN_NO_GRANT_EPOCH:
    case DW_CHAIN_NO_GRANT_GRANTEE:
    case DW_CHAIN_NO_MANIFEST_FORM:
    case DW_CHAIN_NO_MANIFEST_CONTEXT:
    case DW_CHAIN_NO_MANIFEST_SIGNATURE:
    case DW_CHAIN_NO_MANIFEST_AUDIENCE:
    case DW_CHAIN_NO_MANIFEST_GRANT:
    case DW_CHAIN_NO_MANIFEST_SCOPE:
    case DW_CHAIN_NO_COUNT: break;
    }
    return DW_CHECK_PERMISSION;
}

bool authority_use(struct guard *g, const struct job_slot *s, uint8_t *room, size_t cap,
                   struct store_fact *ret_fact)
{
    struct grant *gr = authority_grant(g, s->grant);
    int32_t today;
    if (!gr || !judge_civil_day(g, &today))
        return false;
    if (today != gr->day) {
        gr->day = today;
        gr->day_used = 0;
    }
    if (gr->used < UINT16_MAX)
        gr->used++;
    if (gr->day_used < UINT8_MAX)
        gr->day_used++;
    *ret_fact = state_fact(g, gr, room, cap);
    authority_tell(g);
    return true;
}

bool authority_unuse(struct guard *g, const uint8_t grant[16], uint8_t *room, size_t cap,
                     struct store_fact *ret_fact)
{
    struct grant *gr = authority_grant(g, grant);
    if (!gr)
        return false;
    if (gr->used > 0)
        gr->used--;
    if (gr->day_used > 0)
        gr->day_used--;
    *ret_fact = state_fact(g, gr, room, cap);
    authority_tell(g);
    return true;
}

/* ---- what an owner signs ---- */

/* To whom an owner is about to give it. */
struct grantee {
    uint8_t thumb[32];
    const char *name;
    bool is_hosted;
};

static bool grantee_of(struct guard *g, const struct dw_ipc_people_ask *m, struct grantee *ret)
{
    const struct agency *a = m->target ? NULL : agency_by_id(g, m->id);
    const struct credential *k = guests_passkey(g, m->target);
    if (k) {
        *ret = (struct grantee){.name = people_name(g, m->target)};
        dw_chain_passkey_thumb(&k->key, ret->thumb);
    } else if (a) {
        *ret = (struct grantee){.name = a->said.name, .is_hosted = a->said.is_hosted};
        memcpy(ret->thumb, a->key.thumb, 32);
    }
    return k || a;
}

int64_t authority_midnight(const struct guard *g)
{
    time_t t = (time_t)(now_ms(g) / 1000);
    struct tm day;
    if (t <= 0 || !localtime_r(&t, &day))
        return 0;
    day.tm_hour = day.tm_min = day.tm_sec = 0;
    day.tm_isdst = -1;
    time_t at = mktime(&day);
    return at > 0 ? (int64_t)at : 0;
}

/* The member's passkey that signs: the one that is named, or the one that was used last. */
static const struct credential *signer_of(const struct guard *g, const struct dw_ipc_people_ask *m)
{
    const struct credential *best = NULL;
    for (size_t i = 0; i < DW_CREDENTIALS_MAX; i++) {
        const struct credential *k = &g->people.book.credential[i];
        if (k->number == 0 || k->member != m->member)
            continue;
        bool is_named = m->credential_len > 0 && m->credential_len == k->key.id_len &&
                        dw_same(k->key.id, m->credential, m->credential_len);
        if (is_named)
            return k;
        if (m->credential_len == 0 && (!best || k->used_ms > best->used_ms))
            best = k;
    }
    return best;
}

enum dw_people_no authority_write_grant(struct guard *g, const struct dw_ipc_people_ask *m,
                                        struct dw_buf *ret_bytes, struct dw_ipc_people_answer *a)
{
    const struct dw_people_grant *want = &m->grant;
    const struct credential *k;
    struct grantee to;
    struct dw_grant s = {0};
    if (m->credential_len > sizeof m->credential)
        return DW_PEOPLE_NO_PASSKEY;
    if (!grantee_of(g, m, &to))
        return DW_PEOPLE_NO_NO_SUCH;
    if (!grant_place(g))
        return DW_PEOPLE_NO_FULL;
    k = signer_of(g, m);
    if (!k)
        return DW_PEOPLE_NO_PASSKEY;
    s.nbf_s = authority_midnight(g);
    if (s.nbf_s == 0)
        return DW_PEOPLE_NO_CLOCK;
    if (want->days == 0 || want->days > DW_GRANT_DAYS_MAX ||
        want->window_count > DW_GRANT_WINDOWS_MAX || want->dwell_ms < DWELL_MIN_MS ||
        (m->target != 0 && want->kind != DW_VISIT_STAY))
        return DW_PEOPLE_NO_SCOPE;
    dw_chain_passkey_thumb(&k->key, s.owner);
    memcpy(s.grantee, to.thumb, 32);
    memcpy(s.hub, g->secret.key.thumb, 32);
    s.exp_s = s.nbf_s + (int64_t)want->days * 86400;
    dw_random(s.id, sizeof s.id);
    dw_random(s.nonce, sizeof s.nonce);
    memcpy(s.zone, g->set.zone, sizeof s.zone);
    memcpy(s.name, to.name, sizeof s.name);
    s.kind = want->kind;
    s.dwell_ms = want->dwell_ms;
    s.camera_class = strcmp(g->set.camera_class, "k0") == 0 ? DW_CAMERA_K0 : DW_CAMERA_K2;
    s.epoch = g->people.book.epoch;
    s.window_count = want->window_count;
    memcpy(s.window, want->window, sizeof s.window);
    s.uses = want->uses;
    s.per_day = want->per_day;
    s.mode = want->mode;
    s.is_hosted = to.is_hosted;
    if (dw_failed(dw_grant_write(&s, ret_bytes)))
        return DW_PEOPLE_NO_SCOPE;
    a->credential_len = k->key.id_len;
    memcpy(a->credential, k->key.id, k->key.id_len);
    memcpy(a->id, s.id, 16);
    return DW_PEOPLE_NO_NONE;
}

static bool is_passkey_of(const struct guard *g, uint32_t guest, const uint8_t thumb[32])
{
    const struct credential *k = guests_passkey(g, guest);
    uint8_t now[32];
    if (k)
        dw_chain_passkey_thumb(&k->key, now);
    return k && dw_same(now, thumb, sizeof now);
}

/* The visit of the service that stands for a grant in acknowledgements. */
static uint64_t link_visit(const uint8_t id[16])
{
    uint64_t v = 0;
    for (size_t i = 0; i < 8; i++)
        v = v << 8 | id[i];
    return v;
}

enum dw_people_no authority_signed(struct guard *g, struct dw_view bytes, struct dw_view evidence,
                                   const struct dw_passkey *by, uint32_t member, uint32_t guest,
                                   struct dw_ipc_people_answer *a)
{
    static uint8_t message[DW_LINK_PAYLOAD_MAX];
    struct authority *o = &g->authority;
    struct dw_grant s;
    struct grant *place = grant_place(g);
    uint8_t thumb[32], detail[12], room[STATE_FACT_MAX];
    dw_chain_passkey_thumb(by, thumb);
    if (dw_failed(dw_grant_read(bytes, &s)) || evidence.len > sizeof place->evidence)
        return DW_PEOPLE_NO_SCOPE;
    if (!dw_same(s.owner, thumb, 32))
        return DW_PEOPLE_NO_PASSKEY; /* another of their own: the bytes name one */
    if (!place)
        return DW_PEOPLE_NO_FULL;
    int64_t now = now_ms(g);
    if (now == 0)
        return DW_PEOPLE_NO_CLOCK;
    /* Who it is for may have gone, and come back as another, since it was shown. */
    if (guest ? !is_passkey_of(g, guest, s.grantee) : !agency_by_thumb(g, s.grantee))
        return DW_PEOPLE_NO_NO_SUCH;
    people_begin(g);
    o->pending_at = (uint32_t)(place - o->grant);
    o->pending = (struct grant){
        .state = g->set.grant_wait_ms ? DW_GRANT_STATE_WAITING : DW_GRANT_STATE_LIVE,
        .member = member,
        .guest = guest,
        .signed_ms = now,
        .live_ms = now + (int64_t)g->set.grant_wait_ms,
        .said = s,
        .evidence_len = (uint16_t)evidence.len,
    };
    memcpy(o->pending.evidence, evidence.ptr, evidence.len);
    o->has_pending = true;
    struct store_fact facts[2] = {
        {STORE_FACT_GRANT, o->pending_at + 1, evidence},
    };
    facts[1] = state_fact(g, &o->pending, room, sizeof room);
    facts[1].number = o->pending_at + 1;
    uint32_t what = g->set.grant_wait_ms ? DW_GRANT_CHANGE_SIGNED : DW_GRANT_CHANGE_LIVE;
    struct store_write w = {
        .kind = DW_STORY_GRANT,
        .message_visit = link_visit(s.id),
        .at = guard_wall(g),
        .boot_ms = dw_now().ms,
        .detail = dw_view_of(detail, tell_detail(detail, what, short_of(s.id), member)),
        .story = g->story_number + 1,
        .facts = facts,
        .fact_count = 2,
    };
    memcpy(a->id, s.id, 16);
    /* Of a guest the service hears nothing. */
    o->pending_len =
        guest ? 0 : link_seal(g, DW_LINK_KIND_GRANT, evidence, message, sizeof message);
    w.message = dw_view_of(message, o->pending_len);
    w.message_number = GRANT_NUMBER;
    memcpy(o->pending_message, message, o->pending_len);
    enum dw_people_no no = people_write(g, &w, a);
    g->telling = 0;
    if (no == DW_PEOPLE_NO_NONE)
        show_story(g, DW_STORY_GRANT, what, short_of(s.id), member);
    return no;
}

/* Gives only when it is durable; and only then is the agency told. */
void authority_decided(struct guard *g, bool is_durable)
{
    struct authority *o = &g->authority;
    if (o->has_pending && is_durable) {
        o->grant[o->pending_at] = o->pending;
        o->grant[o->pending_at].told_state = o->pending.state;
        link_post(g, dw_view_of(o->pending_message, o->pending_len), link_visit(o->pending.said.id),
                  GRANT_NUMBER);
    }
    o->has_pending = false;
    for (size_t i = 0; i < DW_GRANTS_MAX && is_durable; i++)
        o->grant[i].is_over_stored |= (o->ending & DW_BIT(i)) != 0;
    o->ending = 0;
}

/* ---- what takes away ---- */

/* At once, whatever can be written [I14]. */
static void end_now(struct guard *g, struct grant *gr, enum dw_grant_state state)
{
    gr->state = gr->told_state = (uint8_t)state;
    gr->over_ms = now_ms(g);
    gr->is_over_stored = false;
    g->authority.ending |= DW_BIT(gr - g->authority.grant);
    link_end_unpermitted(g);
    house_tidy(g); /* its jobs are not what they were */
}

uint32_t authority_end_guest(struct guard *g, uint32_t guest, struct store_fact *facts,
                             uint8_t *room)
{
    uint32_t n = 0;
    for (size_t i = 0; i < DW_GRANTS_MAX; i++) {
        struct grant *gr = &g->authority.grant[i];
        if (gr->state == DW_GRANT_STATE_NONE || gr->guest != guest || gr->over_ms != 0)
            continue;
        end_now(g, gr, DW_GRANT_STATE_REVOKED);
        facts[n] = state_fact(g, gr, room + (size_t)n * STATE_FACT_MAX, STATE_FACT_MAX);
        n++;
    }
    return n;
}

void authority_tell_ended(struct guard *g, uint32_t member)
{
    for (size_t i = 0; i < DW_GRANTS_MAX; i++) {
        if (!(g->authority.ending & DW_BIT(i)))
            continue;
        g->telling = 0;
        tell_by(g, DW_STORY_GRANT, DW_GRANT_CHANGE_REVOKED, short_of(g->authority.grant[i].said.id),
                member);
    }
}

static enum dw_people_no end_grant(struct guard *g, struct grant *gr, enum dw_grant_state state,
                                   enum dw_grant_change what, uint32_t member,
                                   struct dw_ipc_people_answer *a)
{
    uint8_t payload[256], message[512], detail[12], room[STATE_FACT_MAX], house[512];
    struct dw_buf p = dw_buf_of(payload, sizeof payload);
    struct dw_utc now = guard_wall(g);
    uint32_t about = short_of(gr->said.id);
    end_now(g, gr, state);
    people_begin(g);
    struct dw_revoked r = {.at = now, .epoch = ++g->people.book.epoch};
    memcpy(r.hub, g->secret.key.thumb, 32);
    memcpy(r.grant, gr->said.id, 16);
    struct store_fact facts[2] = {state_fact(g, gr, room, sizeof room),
                                  people_house_fact(g, house, sizeof house)};
    struct store_write w = {
        .kind = DW_STORY_GRANT,
        .message_visit = link_visit(gr->said.id),
        .at = now,
        .boot_ms = dw_now().ms,
        .detail = dw_view_of(detail, tell_detail(detail, what, about, member)),
        .story = g->story_number + 1,
        .facts = facts,
        .fact_count = 2,
    };
    if (gr->guest == 0 && !dw_failed(dw_revoked_write(&r, &p))) {
        uint16_t len =
            link_seal(g, DW_LINK_KIND_REVOKED, dw_view_of_buf(&p), message, sizeof message);
        w.message = dw_view_of(message, len);
        w.message_number = REVOKED_NUMBER;
        if (len)
            link_post(g, w.message, w.message_visit, REVOKED_NUMBER);
    }
    a->value = r.epoch;
    a->until_utc_ms = gr->over_ms;
    memcpy(a->id, gr->said.id, 16);
    enum dw_people_no no = people_write(g, &w, a);
    g->telling = 0;
    show_story(g, DW_STORY_GRANT, what, about, member);
    authority_tell(g);
    return no;
}

/* Asked for once more, by a second tap or a second device: what the first one did is the answer. An
 * end that is not on the disk is written again. */
static bool had_ended(const struct guard *g, const struct grant *gr, enum dw_grant_state state,
                      struct dw_ipc_people_answer *a)
{
    if (gr->state != state || !gr->is_over_stored)
        return false;
    a->value = g->people.book.epoch;
    a->until_utc_ms = gr->over_ms;
    memcpy(a->id, gr->said.id, 16);
    return true;
}

enum dw_people_no authority_revoke(struct guard *g, const struct dw_ipc_people_ask *m,
                                   struct dw_ipc_people_answer *a)
{
    struct grant *gr = authority_grant(g, m->id);
    if (people_role(g, m->member) != DW_MEMBER_OWNER)
        return DW_PEOPLE_NO_ROLE;
    if (!gr)
        return DW_PEOPLE_NO_NO_SUCH;
    if (had_ended(g, gr, DW_GRANT_STATE_REVOKED, a) || had_ended(g, gr, DW_GRANT_STATE_VETOED, a))
        return DW_PEOPLE_NO_NONE;
    return end_grant(g, gr, DW_GRANT_STATE_REVOKED, DW_GRANT_CHANGE_REVOKED, m->member, a);
}

enum dw_people_no authority_veto(struct guard *g, const struct dw_ipc_people_ask *m,
                                 struct dw_ipc_people_answer *a)
{
    struct grant *gr = authority_grant(g, m->id);
    if (people_role(g, m->member) == DW_MEMBER_NONE)
        return DW_PEOPLE_NO_ROLE;
    if (!gr)
        return DW_PEOPLE_NO_NO_SUCH;
    if (had_ended(g, gr, DW_GRANT_STATE_VETOED, a))
        return DW_PEOPLE_NO_NONE;
    authority_tidy(g); /* its time may have come this very second */
    if (judge_grant_state(g, gr) != DW_GRANT_STATE_WAITING)
        return DW_PEOPLE_NO_NOT_WAITING;
    return end_grant(g, gr, DW_GRANT_STATE_VETOED, DW_GRANT_CHANGE_VETOED, m->member, a);
}

/* ---- time goes on ---- */

void authority_tidy(struct guard *g)
{
    int64_t now = now_ms(g);
    int32_t today = 0;
    bool is_news = (judge_civil_day(g, &today) ? today : 0) != g->authority.told_day;
    if (g->is_link_up)
        g->link_heard_ms = dw_now().ms;
    for (size_t i = 0; i < DW_GRANTS_MAX; i++) {
        struct grant *gr = &g->authority.grant[i];
        if (gr->state == DW_GRANT_STATE_WAITING && now > 0 && now >= gr->live_ms) {
            uint8_t room[STATE_FACT_MAX], detail[12];
            uint32_t about = short_of(gr->said.id);
            gr->state = DW_GRANT_STATE_LIVE;
            struct store_fact f = state_fact(g, gr, room, sizeof room);
            struct store_write w = {
                .kind = DW_STORY_GRANT,
                .at = guard_wall(g),
                .boot_ms = dw_now().ms,
                .detail = dw_view_of(detail, tell_detail(detail, DW_GRANT_CHANGE_LIVE, about, 0)),
                .story = g->story_number + 1,
                .facts = &f,
                .fact_count = 1,
            };
            (void)store_write(g->store, &w); /* lost: it waits, and comes to this again */
            g->telling = 0;
            show_story(g, DW_STORY_GRANT, DW_GRANT_CHANGE_LIVE, about, 0);
        }
        uint8_t state = (uint8_t)judge_grant_state(g, gr);
        is_news |= gr->state != DW_GRANT_STATE_NONE && gr->told_state != state;
        gr->told_state = state;
    }
    if (is_news)
        authority_tell(g);
}

/* ---- a restored backup [I11] ---- */

void authority_restored(struct guard *g)
{
    if (g->is_restored)
        return;
    g->is_restored = true;
    dw_log("error", "record", "restored=1 why=\"the lock remembers more than this database\"");
    story(g, DW_GRANT_CHANGE_RESTORED, 0);
    authority_tell(g);
    link_end_unpermitted(g);
}

void authority_acknowledged(struct guard *g, uint32_t member)
{
    if (!g->is_restored || people_role(g, member) != DW_MEMBER_OWNER)
        return;
    g->is_restored = false;
    bolt_remember(g, g->lock.counter);
    g->telling = 0;
    tell_by(g, DW_STORY_GRANT, DW_GRANT_CHANGE_RESTORED, 1, member);
    authority_tell(g);
}
