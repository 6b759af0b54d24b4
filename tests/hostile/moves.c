#include "moves.h"

#include <stdio.h>
#include <string.h>

#include "crypto/signed.h"

static const char *const origins[] = {COURIER_ORIGIN, "https://service.example.evil",
                                      "http://service.example", ORIGIN, "https://evil.example"};
static const char *const rps[] = {COURIER_RP, "evil.example", RP_ID};

const char *move_name(enum move m)
{
    static const char *const names[] = {
#define X(name, text, needs) #name,
        MOVE_LIST(X)
#undef X
    };
    return names[m];
}

const char *move_text(enum move m)
{
    static const char *const texts[] = {
#define X(name, text, needs) text,
        MOVE_LIST(X)
#undef X
    };
    return texts[m];
}

uint32_t move_needs(enum move m)
{
    static const uint32_t needs_[] = {
#define X(name, text, needs) (needs),
        MOVE_LIST(X)
#undef X
    };
    return needs_[m];
}

enum move move_draw(struct dice *d)
{
    static const uint8_t weights[MOVE_COUNT] = {
        [MOVE_TICK] = 6,        [MOVE_ASK] = 3,      [MOVE_SLIDE] = 6,     [MOVE_VISIT] = 1,
        [MOVE_INSIDE] = 3,      [MOVE_LATER] = 2,    [MOVE_CLOCK] = 2,     [MOVE_RESTART] = 1,
        [MOVE_CRASH] = 1,       [MOVE_LINK] = 2,     [MOVE_REVOKE] = 1,    [MOVE_REPLAY] = 26,
        [MOVE_FLIP] = 26,       [MOVE_CUT] = 12,     [MOVE_SPLICE] = 12,   [MOVE_KIND] = 18,
        [MOVE_RESIGN] = 20,     [MOVE_HELLO] = 22,   [MOVE_STOP] = 26,     [MOVE_LOGIN] = 14,
        [MOVE_COME] = 14,       [MOVE_GRAFT] = 14,   [MOVE_MANIFEST] = 24, [MOVE_SHIFT] = 16,
        [MOVE_INTRODUCE] = 6,   [MOVE_ENVELOPE] = 6, [MOVE_PEOPLE] = 4,    [MOVE_FRAME] = 10,
        [MOVE_KEPT] = 40,       [MOVE_REMOVE] = 1,   [MOVE_GUEST_ASK] = 2, [MOVE_GUEST_SLIDE] = 3,
        [MOVE_GUEST_VISIT] = 1, [MOVE_GUEST] = 60,
    };
    uint32_t sum = 0;
    for (int i = 0; i < MOVE_COUNT; i++) {
        uint32_t needs = move_needs((enum move)i);
        sum += needs == 0 || (needs & powers) ? weights[i] : 0;
    }
    uint32_t at = below(d, sum);
    for (int i = 0; i < MOVE_COUNT; i++) {
        uint32_t needs = move_needs((enum move)i);
        uint32_t w = needs == 0 || (needs & powers) ? weights[i] : 0;
        if (at < w)
            return (enum move)i;
        at -= w;
    }
    return MOVE_TICK;
}

/* ---- parts ---- */

static const struct item *any_item(struct dice *d)
{
    if (world.item_count == 0)
        return NULL;
    /* The newer half is where things are alive. */
    uint32_t half = world.item_count / 2;
    return &world.item[one_in(d, 2) ? below(d, world.item_count)
                                    : half + below(d, world.item_count - half)];
}

static const struct item *item_of(struct dice *d, uint8_t kind)
{
    for (int i = 0; i < 24; i++) {
        const struct item *x = any_item(d);
        if (x && x->kind == kind)
            return x;
    }
    return NULL;
}

/* A key that this attacker holds, or one of nobody. */
static const struct dw_secret *any_key(struct dice *d)
{
    const struct dw_secret *held[4] = {&stranger};
    uint32_t n = 1;
    if (powers & HAS_SERVICE)
        held[n++] = &service;
    if (powers & HAS_AGENCY_A)
        held[n++] = &agency_key[AGENCY_A];
    if (powers & HAS_CAMERA)
        held[n++] = &camera_key;
    return n > 1 && !one_in(d, 6) ? held[1 + below(d, n - 1)] : held[0];
}

static int any_phone(struct dice *d)
{
    int held[PHONE_COUNT];
    uint32_t n = 0;
    for (int i = 0; i < PHONE_COUNT; i++) {
        if (powers & HAS_PHONE(i))
            held[n++] = i;
    }
    return n ? held[below(d, n)] : -1;
}

static uint8_t any_kind(struct dice *d)
{
    return (uint8_t)(1 + below(d, DW_LINK_KIND_COUNT - 1));
}

static void flip(struct dice *d, uint8_t *bytes, size_t len)
{
    for (uint32_t n = 1 + below(d, 3); n > 0 && len > 0; n--)
        bytes[below(d, (uint32_t)len)] ^= (uint8_t)(1u << below(d, 8));
}

static void hurry(struct dice *d)
{
    if (one_in(d, 8))
        drain();
    else
        settle();
}

/* ---- honest ---- */

static void later(struct dice *d)
{
    static const int64_t steps[] = {16000,          61000,      5 * MINUTE_MS,
                                    11 * MINUTE_MS, HOUR_MS,    3 * HOUR_MS,
                                    24 * HOUR_MS,   7 * DAY_MS, 15 * DAY_MS};
    shift_clock(steps[below(d, DW_ARRAY_COUNT(steps))], 20);
    for (int i = one_in(d, 3) ? 0 : 42; i < 44; i++) /* what was not seen counts for ten seconds */
        tick(240);
    bolt_tidy(&g);
    link_tidy(&g);
    drain();
}

static void owner_revokes(struct dice *d)
{
    uint32_t n = below(d, GRANT_COUNT);
    struct dw_ipc_people_ask m = {.op = DW_PEOPLE_REVOKE, .member = first_owner()->member};
    memcpy(m.id, grant_id[n], 16);
    if (tell_guard(&m) == DW_PEOPLE_NO_NONE)
        model_grant_over(grant_id[n]);
}

/* Passkey, session and grants end in the same moment. */
static void owner_removes(struct dice *d)
{
    int who = (int)below(d, GUEST_COUNT);
    if (ACT(first_owner(), .act = DW_ACT_REMOVE_MEMBER, .target = guest_device[who]->member) ==
        DW_PEOPLE_NO_NONE)
        model_guest_over(who);
}

static int any_guest(struct dice *d)
{
    return one_in(d, 4) ? GUEST_HAL : GUEST_GIL;
}

static void guest_asks_anew(int who)
{
    uint8_t nonce[32];
    dw_random(nonce, 32);
    (void)guest_asks(who, nonce);
}

static void inside(void)
{
    if (world.bolt != DW_BOLT_RETRACTED)
        return;
    world.contact = DW_CONTACT_OPEN;
    world.opening_count++;
    tick(200);
    world.contact = DW_CONTACT_CLOSED;
    tick(200);
    world.bolt = DW_BOLT_THROWN;
    for (int i = 0; i < 3; i++)
        tick(400);
}

/* ---- captured things ---- */

static void replay(struct dice *d)
{
    const struct item *i = any_item(d);
    if (!i)
        return;
    struct item copy = *i;
    give_bytes(copy.kind, arena + copy.at, copy.len);
    if (copy.kind == DW_LINK_KIND_HELLO || copy.kind == DW_LINK_KIND_STOP)
        hurry(d);
}

static void change(struct dice *d, enum move how)
{
    uint8_t bytes[DW_LINK_PAYLOAD_MAX];
    const struct item *i = any_item(d), *o = any_item(d);
    if (!i || i->len > sizeof bytes)
        return;
    uint8_t kind = i->kind;
    size_t len = i->len;
    memcpy(bytes, arena + i->at, len);
    if (how == MOVE_FLIP) {
        flip(d, bytes, len);
    } else if (how == MOVE_CUT) {
        if (one_in(d, 2) || len + 8 > sizeof bytes)
            len = below(d, (uint32_t)len);
        else
            len += 1 + below(d, 7);
    } else if (how == MOVE_SPLICE && o) {
        size_t at = below(d, (uint32_t)(len < o->len ? len : o->len));
        if (o->len <= sizeof bytes) {
            memcpy(bytes + at, arena + o->at + at, o->len - at);
            len = o->len;
        }
    } else if (how == MOVE_KIND) {
        kind = any_kind(d);
    }
    give_bytes(kind, bytes, len);
}

static void resign(struct dice *d)
{
    struct dw_cose parts;
    uint8_t bytes[DW_SIGNED_BYTES_MAX], payload[DW_SIGNED_PAYLOAD_MAX];
    struct dw_buf out = dw_buf_of(bytes, sizeof bytes);
    const struct item *i = any_item(d);
    if (!i ||
        dw_failed(dw_cose_read((enum dw_context)dw_link_context(i->kind),
                               dw_view_of(arena + i->at, i->len), &parts)) ||
        parts.payload.len > sizeof payload)
        return;
    size_t len = parts.payload.len;
    memcpy(payload, parts.payload.ptr, len);
    if (one_in(d, 3))
        flip(d, payload, len);
    uint8_t kind = one_in(d, 3) ? any_kind(d) : i->kind;
    uint8_t as = one_in(d, 4) ? any_kind(d) : kind;
    const struct dw_secret *by = any_key(d);
    /* An agency signs its own things by way of the model, so that it is known what it has said. */
    if (by == &agency_key[AGENCY_A] && as == i->kind &&
        (as == DW_LINK_KIND_MANIFEST || as == DW_LINK_KIND_SHIFT)) {
        struct dw_manifest m;
        struct dw_shift s;
        struct dw_job j;
        if (as == DW_LINK_KIND_SHIFT && !dw_failed(dw_shift_read(dw_view_of(payload, len), &s)))
            (void)send_shift(AGENCY_A, &s, kind == as);
        if (as == DW_LINK_KIND_MANIFEST &&
            !dw_failed(dw_manifest_read(dw_view_of(payload, len), &m)) &&
            !dw_failed(dw_job_read(dw_view_of(m.job, m.job_len), &j)))
            (void)send_manifest(AGENCY_A, m.grant, &j, kind == as);
        return;
    }
    if (dw_failed(dw_signed_make(by, (enum dw_context)dw_link_context(as), dw_view_of(payload, len),
                                 &out)))
        return;
    give_bytes(kind, bytes, out.len);
}

/* ---- questions and proofs ---- */

static bool stop_for(struct dice *d, struct dw_stop *ret)
{
    const struct question *q = model_question_at(one_in(d, 3) ? below(d, 3) : 0);
    if (!q)
        return false;
    *ret = (struct dw_stop){.visit = q->visit};
    memcpy(ret->hub, g.secret.key.thumb, 32);
    memcpy(ret->hub_nonce, q->hub_nonce, 32);
    memcpy(ret->courier_nonce, q->courier_nonce, 32);
    int job = (int)below(d, JOB_COUNT);
    for (uint32_t i = 0; i < 8; i++) {
        if (world.asked[i].visit == q->visit && !one_in(d, 8))
            job = world.asked[i].job;
    }
    return model_newest_manifest(jobs[job].job, ret->manifest);
}

static void made_up_stop(struct dice *d)
{
    struct dw_stop s;
    int who = any_phone(d);
    if (!stop_for(d, &s))
        return;
    if (one_in(d, 5)) {
        switch (below(d, 7)) {
        case 0: s.hub[below(d, 32)] ^= 1; break;
        case 1: s.manifest[below(d, 32)] ^= 1; break;
        case 2: s.hub_nonce[below(d, 32)] ^= 1; break;
        case 3: s.visit++; break;
        case 4: s.door = 1; break;
        case 5: s.courier_nonce[below(d, 32)] ^= 1; break;
        default: s.door_code[below(d, 32)] ^= 1; break;
        }
    }
    static const uint8_t flags[] = {0x05, 0x05, 0x05, 0x05, 0x05, 0x01, 0x04, 0x0d, 0x1d, 0x45};
    const char *origin = origins[one_in(d, 8) ? below(d, DW_ARRAY_COUNT(origins)) : 0];
    const char *rp = rps[one_in(d, 10) ? below(d, DW_ARRAY_COUNT(rps)) : 0];
    is_attacker_signing = true;
    struct dw_evidence e;
    if (who >= 0) {
        e = stop_evidence(who, &s, origin, rp, flags[below(d, DW_ARRAY_COUNT(flags))]);
    } else { /* a passkey of its own making, under a courier's name */
        static struct soft own;
        if (!own.ec)
            own = soft_new(DW_PASSKEY_ES256, 0x22);
        e = evidence_of(&own, &s, origin, rp, 0x05);
        memset(e.credential, 0x22 + (int)below(d, PHONE_COUNT), 16);
    }
    is_attacker_signing = false;
    if (one_in(d, 6)) { /* what the assertion was for is not what stands beside it */
        struct dw_stop other = s;
        struct dw_buf b = dw_buf_of(e.bytes, sizeof e.bytes);
        (void)stop_for(d, &other);
        if (!dw_failed(dw_stop_write(&other, &b)))
            e.bytes_len = (uint16_t)b.len;
    }
    if (one_in(d, 12))
        flip(d, e.signature, e.signature_len);
    if (one_in(d, 12))
        e.credential[0] ^= 1;
    (void)send_stop(&e, true);
    hurry(d);
}

static void made_up_hello(struct dice *d)
{
    int who = any_phone(d), n = (int)below(d, JOB_COUNT);
    if (who >= 0 && !one_in(d, 3)) { /* one that this phone could have */
        for (int i = 0; i < 8 && jobs[n].visitor[0] != visitor_of[who]; i++)
            n = (int)below(d, JOB_COUNT);
    }
    if (one_in(d, 4)) /* one that can be asked for again while it lasts */
        n = JOB_STAY;
    else if (one_in(d, 3))
        n = JOB_DROP;
    static const char *const codes[] = {"P", "Q", "R"};
    struct dw_hello h =
        hello_to(&jobs[n], ++world.next_visit, one_in(d, 2) ? code_of(n) : codes[below(d, 3)]);
    bool is_service = (powers & HAS_SERVICE) != 0;
    if (one_in(d, 2))
        h.revision = model_newest_revision(jobs[n].job);
    if (n == JOB_STAY && one_in(d, 2)) { /* once more in the same stay */
        for (uint32_t i = 0; i < 8; i++) {
            if (world.asked[i].visit != 0 && world.asked[i].job == JOB_STAY)
                h.visit = world.asked[i].visit;
        }
    }
    if (one_in(d, is_service ? 2 : 4)) {
        const struct question *q = model_question_at(below(d, 2));
        switch (below(d, 10)) {
        case 0: h.visit = q ? q->visit : below(d, 100); break;
        case 1: h.door = 1; break;
        case 2: h.revision += 1 - below(d, 3); break;
        case 3: h.age_ms = below(d, 30000); break;
        case 4: h.visitor[0] = (uint8_t)below(d, 24); break;
        case 5:
            if (q)
                memcpy(h.courier_nonce, q->courier_nonce, 32);
            break;
        case 6: h.hub[below(d, 32)] ^= 1; break;
        case 7: /* a question inside a stay, with its number */
            for (uint32_t i = 0; i < 8; i++) {
                if (world.asked[i].visit != 0)
                    h.visit = world.asked[i].visit;
            }
            break;
        default: break;
        }
    }
    uint32_t at = world.asked_count++ % 8; /* so that whoever has the phone can go on */
    world.asked[at].visit = h.visit;
    world.asked[at].who = 0xff; /* no honest courier's */
    world.asked[at].job = (uint8_t)n;
    (void)send_hello(&h, true);
    hurry(d);
    if (heard.check == DW_CHECK_NONE && one_in(d, 2))
        made_up_stop(d);
}

/* Whoever runs the page makes somebody sign in over bytes that are no chance at all. */
static void login(struct dice *d)
{
    struct dw_stop s;
    static struct dw_evidence e;
    uint8_t challenge[32];
    if (!stop_for(d, &s))
        return;
    e = (struct dw_evidence){.id = {1}};
    struct dw_buf b = dw_buf_of(e.bytes, sizeof e.bytes);
    if (dw_failed(dw_stop_write(&s, &b)))
        return;
    e.bytes_len = (uint16_t)b.len;
    dw_chain_challenge(DW_STOP_CONTEXT, dw_view_of_buf(&b), challenge);
    memcpy(e.hub, s.hub, 32);
    snprintf(e.context, sizeof e.context, "%s", DW_STOP_CONTEXT);
    if (one_in(d, 3)) { /* a courier's sign-in is over the service's honest chance */
        dw_random(challenge, sizeof challenge);
        const struct soft *c = &phone[below(d, PHONE_COUNT)];
        struct asserted a =
            soft_assert(c, "webauthn.get", SERVICE_ORIGIN, SERVICE_RP, 0x05, challenge);
        e.credential_len = c->passkey.id_len;
        memcpy(e.credential, c->passkey.id, c->passkey.id_len);
        memcpy(e.auth, a.auth, e.auth_len = 37);
        memcpy(e.client, a.client, e.client_len = (uint16_t)a.client_len);
        memcpy(e.signature, a.signature, e.signature_len = (uint16_t)a.signature_len);
    } else { /* the household's passkeys, at the service's page */
        static struct dw_ipc_people_ask m;
        const struct making how = {SERVICE_ORIGIN, SERVICE_RP, 0x05};
        const struct device *who = &devices[below(d, device_count)];
        memset(&m, 0, sizeof m);
        memcpy(m.challenge, challenge, 32);
        sign(who, &how, &m);
        e.credential_len = m.credential_len;
        memcpy(e.credential, m.credential, m.credential_len);
        if (one_in(d, 2))
            memset(e.credential, 0x22, 16);
        memcpy(e.auth, m.auth, e.auth_len = m.auth_len);
        memcpy(e.client, m.client_data, e.client_len = m.client_data_len);
        memcpy(e.signature, m.signature, e.signature_len = m.signature_len);
    }
    (void)send_stop(&e, true);
    hurry(d);
}

/* A proof that was good once, beside the words of a new question. */
static void graft(struct dice *d)
{
    static struct dw_evidence e;
    struct dw_cose parts;
    struct dw_stop s;
    const struct item *i = item_of(d, DW_LINK_KIND_STOP);
    if (!i || !stop_for(d, &s) ||
        dw_failed(
            dw_cose_read(DW_CONTEXT_STOP_EVIDENCE, dw_view_of(arena + i->at, i->len), &parts)) ||
        dw_failed(dw_evidence_read(parts.payload, &e)))
        return;
    struct dw_buf b = dw_buf_of(e.bytes, sizeof e.bytes);
    if (dw_failed(dw_stop_write(&s, &b)))
        return;
    e.bytes_len = (uint16_t)b.len;
    if (!(powers & (HAS_SERVICE | HAS_RELAY))) { /* it has no envelope for it: under a stranger's */
        uint8_t bytes[3072];
        struct dw_buf out = dw_buf_of(bytes, sizeof bytes);
        if (!dw_failed(dw_evidence_write(&e, &out)))
            (void)send_signed(DW_LINK_KIND_STOP, any_key(d), dw_view_of_buf(&out), true);
    } else {
        (void)send_stop(&e, true);
    }
    hurry(d);
}

/* As it should be done, with the attacker's own phone, on a job that may be none for it. */
static void comes(struct dice *d, const struct dw_job *j)
{
    int who = any_phone(d);
    for (int i = 0; i < PHONE_COUNT; i++) {
        if ((powers & HAS_PHONE(i)) && visitor_of[i] == j->visitor[0])
            who = i;
    }
    if (who < 0)
        return;
    struct dw_hello h = hello_to(j, ++world.next_visit, one_in(d, 3) ? "Q" : "P");
    for (uint32_t i = 0; i < 8 && j->kind == DW_VISIT_STAY; i++) {
        if (world.asked[i].visit != 0 && jobs[world.asked[i].job].kind == DW_VISIT_STAY)
            h.visit = world.asked[i].visit;
    }
    (void)send_hello(&h, true);
    settle();
    const struct question *q = model_question_of(h.visit);
    if (!q || memcmp(q->courier_nonce, h.courier_nonce, 32) != 0)
        return;
    struct dw_stop s = {.visit = q->visit};
    memcpy(s.hub, g.secret.key.thumb, 32);
    memcpy(s.hub_nonce, q->hub_nonce, 32);
    memcpy(s.courier_nonce, q->courier_nonce, 32);
    if (!model_newest_manifest(j->job, s.manifest))
        return;
    is_attacker_signing = true;
    struct dw_evidence e = stop_evidence(who, &s, COURIER_ORIGIN, COURIER_RP, 0x05);
    is_attacker_signing = false;
    (void)send_stop(&e, true);
    settle();
}

/* ---- guests ---- */

/* A question of the service's on the job that the hub has made for a guest. */
static void guests_hello(struct dice *d, int who)
{
    struct dw_hello h = hello_to(&jobs[JOB_STAY], ++world.next_visit, "P");
    memcpy(h.job, world.shown[who].job, 16);
    memset(h.visitor, 0, 16);
    h.visitor[15] = (uint8_t)guest_device[who]->member;
    h.revision = 1;
    if (one_in(d, 3))
        h.visit = world.shown[who].visit;
    (void)send_hello(&h, true);
    hurry(d);
}

static const struct making *guests_page(struct dice *d, struct making *ret)
{
    static const uint8_t flags[] = {0x01, 0x04, 0x0d, 0x1d, 0x45};
    *ret = right;
    if (one_in(d, 8))
        ret->flags = flags[below(d, DW_ARRAY_COUNT(flags))];
    if (one_in(d, 10))
        ret->origin = one_in(d, 2) ? "http://home1.localhost:8081" : COURIER_ORIGIN;
    if (one_in(d, 12))
        ret->rp_id = one_in(d, 2) ? COURIER_RP : "evil.example";
    return ret;
}

static void guest_slides_somehow(struct dice *d, int session, int with)
{
    static struct dw_ipc_people_ask m;
    static struct dw_evidence e;
    static struct soft own;
    struct making how;
    struct dw_stop s;
    if (!guest_stop(with >= 0 && one_in(d, 6) ? with : session, &s))
        return;
    if (one_in(d, 4)) {
        switch (below(d, 6)) {
        case 0: s.manifest[below(d, 32)] ^= 1; break;
        case 1: s.hub_nonce[below(d, 32)] ^= 1; break;
        case 2: s.courier_nonce[below(d, 32)] ^= 1; break;
        case 3: s.visit++; break;
        case 4: s.door = 1; break;
        default: s.hub[below(d, 32)] ^= 1; break;
        }
    }
    is_attacker_signing = true;
    if (with < 0 || one_in(d, 8)) { /* a passkey of its own making, under the guest's name */
        if (!own.ec)
            own = soft_new(DW_PASSKEY_ES256, 0x77);
        e = evidence_of(&own, &s, ORIGIN, RP_ID, 0x05);
        m = (struct dw_ipc_people_ask){.credential_len = sizeof guest_device[session]->id};
        memcpy(m.credential, guest_device[session]->id, m.credential_len);
        memcpy(m.auth, e.auth, m.auth_len = e.auth_len);
        memcpy(m.client_data, e.client, m.client_data_len = e.client_len);
        memcpy(m.signature, e.signature, m.signature_len = e.signature_len);
    } else {
        guest_proof(with, &s, guests_page(d, &how), &m, &e);
        if (one_in(d, 4)) /* the other's name on it */
            memcpy(m.credential, guest_device[session]->id, m.credential_len);
    }
    is_attacker_signing = false;
    if (one_in(d, 12))
        flip(d, m.signature, m.signature_len);
    if ((powers & HAS_SERVICE) && one_in(d, 2)) {
        (void)send_stop(&e, true);
        hurry(d);
    }
    for (uint32_t n = one_in(d, 4) ? 2 : 1; n > 0; n--) /* and the same once more */
        (void)guest_gives(session, &m);
}

/* The household ends the stay; another one on the same day. */
static void guest_comes_again(struct dice *d, int session, int with)
{
    struct dw_event over = {.type = DW_EV_OWNER_END};
    guard_feed(&g, &over);
    shift_clock(61000, 20);
    for (int i = 0; i < 44; i++) /* what was not seen counts for ten seconds */
        tick(240);
    guest_asks_anew(session);
    guest_slides_somehow(d, session, with);
}

/* With a session of a guest that it has, and a passkey that it has; the front sees to it that
 * nobody speaks in another's session. */
static void guest_misbehaves(struct dice *d)
{
    int with = -1;
    for (int i = 0; i < GUEST_COUNT; i++)
        with = powers & HAS_GUEST(i) ? i : with;
    int session = (powers & HAS_GUEST_SESSION) && (with < 0 || !one_in(d, 3)) ? GUEST_GIL : with;
    if ((powers & HAS_SERVICE) && one_in(d, 10)) {
        guests_hello(d, session);
        return;
    }
    switch (below(d, 10)) {
    case 0:
    case 1: guest_asks_anew(session); break;
    case 2: (void)guest_asks(session, world.shown[session].nonce); break;
    case 3:
        guest_leaves(session);
        if (one_in(d, 2))
            guest_comes_again(d, session, with);
        break;
    case 4:
        inside();
        guest_asks_anew(session);
        break;
    case 5:
    case 6:
    case 7:
        guest_asks_anew(session);
        guest_slides_somehow(d, session, with);
        break;
    default: guest_slides_somehow(d, session, with); break;
    }
}

/* ---- what an agency says ---- */

static void made_up_manifest(struct dice *d)
{
    int n = (int)below(d, JOB_COUNT), grant = (int)below(d, GRANT_COUNT);
    static const int own_grant[JOB_COUNT] = {
        [JOB_STAY] = GRANT_STAY,       [JOB_B] = GRANT_B,
        [JOB_ASK] = GRANT_ASK,         [JOB_WAITING] = GRANT_WAITING,
        [JOB_REVOKED] = GRANT_REVOKED, [JOB_VETOED] = GRANT_VETOED,
        [JOB_SHORT] = GRANT_SHORT};
    struct dw_job j = jobs[n];
    if (!one_in(d, 3))
        grant = own_grant[n];
    j.revision += 1 + below(d, 40) - one_in(d, 8);
    /* Of the question that is open, moved: to later, or to another grant. */
    bool is_moved = one_in(d, g.door.state == DW_VISIT_READY ? 2 : 5);
    if (is_moved) {
        static const uint8_t other[] = {GRANT_DROP, GRANT_SHORT, GRANT_TOMORROW, GRANT_STAY2};
        n = g.door.state == DW_VISIT_BETWEEN || one_in(d, 3) ? JOB_STAY : JOB_DROP;
        j = jobs[n];
        j.revision += 1 + below(d, 40);
        grant = n == JOB_STAY ? GRANT_STAY2 : other[below(d, 3)];
        if (n == JOB_STAY)
            j.openings = 2;
        if (grant == GRANT_TOMORROW) {
            j.window.day++;
            j.nbf_s += 86400;
            j.exp_s += 86400;
            j.screening_to_day++;
        } else if (grant == GRANT_SHORT) {
            j.dwell_ms = 10000;
        } else if (grant == GRANT_DROP) { /* later, or one thing wider than granted */
            switch (one_in(d, 2) ? 0 : below(d, 8)) {
            case 0:
                if (one_in(d, 3))
                    j.nbf_s = j.exp_s - 60;
                else
                    j.exp_s = test_wall(true).lo_ms / 1000 - 60;
                break;
            case 1: j.dwell_ms = 170000; break;
            case 2: j.window.to_min = 1200; break;
            case 3: j.exp_s += 30 * 86400; break;
            case 4: j.camera_class = DW_CAMERA_K0; break;
            case 5: snprintf(j.zone, sizeof j.zone, "Asia/Tokyo"); break;
            case 6:
                j.kind = DW_VISIT_STAY;
                j.openings = 9;
                j.parcel_count = 0;
                break;
            default: j.door = 1; break;
            }
        }
    }
    for (uint32_t k = is_moved && !one_in(d, 4) ? 0 : below(d, 4); k > 0; k--) {
        switch (below(d, 18)) {
        case 0: j.window.day += (int32_t)below(d, 3) - 1; break;
        case 1:
            j.window.from_min = (uint16_t)(below(d, 24) * 60);
            j.window.to_min =
                (uint16_t)(j.window.from_min + 1 + below(d, 1440u - j.window.from_min));
            break;
        case 2: j.exp_s += ((int64_t)below(d, 5) - 2) * 86400; break;
        case 3: j.nbf_s += ((int64_t)below(d, 5) - 2) * 43200; break;
        case 4: j.kind = j.kind == DW_VISIT_DROP ? DW_VISIT_STAY : DW_VISIT_DROP; break;
        case 5: j.door = (uint8_t)below(d, 3); break;
        case 6: j.dwell_ms = 1 + below(d, 200000); break;
        case 7: j.openings = (uint8_t)(1 + below(d, 12)); break;
        case 8: snprintf(j.zone, sizeof j.zone, "%s", one_in(d, 2) ? "Asia/Tokyo" : "UTC"); break;
        case 9: j.visitor[0] = visitor_of[below(d, PHONE_COUNT)]; break;
        case 10: commit(one_in(d, 2) ? "R" : "Q", j.parcel[0]); break;
        case 11: j.parcel_count = (uint8_t)below(d, 3); break;
        case 12: j.camera_class = (uint8_t)below(d, DW_CAMERA_CLASS_COUNT); break;
        case 13: j.hub[0] ^= 1; break;
        case 14: j.agency[0] = (uint8_t)(1 + below(d, 3)); break;
        case 15: j.screening_to_day += (int32_t)below(d, 5) - 2; break;
        case 16: j.job[0] = (uint8_t)(100 + below(d, 8)); break;
        default: grant = (int)below(d, GRANT_COUNT); break;
        }
    }
    if (powers & HAS_AGENCY_A && !one_in(d, 6)) {
        is_attacker_signing = true;
        static const uint8_t unknown[16] = {0xee};
        (void)send_manifest(AGENCY_A, one_in(d, 20) ? unknown : grant_id[grant], &j, true);
        is_attacker_signing = false;
        if (g.door.state == DW_VISIT_READY && n == JOB_DROP) /* the question is open still */
            made_up_stop(d);
        else if (one_in(d, 2))
            comes(d, &j);
        return;
    }
    static struct dw_manifest m;
    static uint8_t bytes[2304];
    struct dw_buf job = dw_buf_of(m.job, sizeof m.job), b = dw_buf_of(bytes, sizeof bytes);
    if (dw_failed(dw_job_write(&j, &job)))
        return;
    m.job_len = (uint16_t)job.len;
    memcpy(m.hub, j.hub, 32);
    memcpy(m.grant, grant_id[grant], 16);
    const struct dw_secret *by = any_key(d);
    if (by != &agency_key[AGENCY_A] && !dw_failed(dw_manifest_write(&m, &b)))
        (void)send_signed(DW_LINK_KIND_MANIFEST, by, dw_view_of_buf(&b), true);
}

static void made_up_shift(struct dice *d)
{
    int who = any_phone(d);
    int64_t now = test_wall(true).lo_ms / 1000;
    if (who < 0)
        who = (int)below(d, PHONE_COUNT);
    struct dw_shift s = shift_for(who, now - 3600 + (int64_t)below(d, 3000));
    for (uint32_t k = below(d, 3); k > 0; k--) {
        switch (below(d, 7)) {
        case 0: s.visitor[0] = visitor_of[below(d, PHONE_COUNT)]; break;
        case 1: s.agency[0] = (uint8_t)(1 + below(d, 3)); break;
        case 2: s.nbf_s += 7200, s.exp_s += 7200; break;
        case 3: s.exp_s = s.nbf_s + 60; break;
        case 4: s.exp_s = s.nbf_s + 86401; break;
        case 5:
            snprintf(s.origin, sizeof s.origin, "%s", origins[below(d, DW_ARRAY_COUNT(origins))]);
            break;
        default: s.key[below(d, 32)] ^= 1; break;
        }
    }
    if (powers & HAS_AGENCY_A && !one_in(d, 6)) {
        (void)send_shift(AGENCY_A, &s, true);
        return;
    }
    uint8_t bytes[1024];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    const struct dw_secret *by = any_key(d);
    if (by != &agency_key[AGENCY_A] && !dw_failed(dw_shift_write(&s, &b)))
        (void)send_signed(DW_LINK_KIND_SHIFT, by, dw_view_of_buf(&b), true);
}

static void made_up_introduce(struct dice *d)
{
    const struct dw_secret *by = any_key(d);
    struct dw_introduce s = {.agency = {(uint8_t)(1 + below(d, 4))}};
    uint8_t bytes[256];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    memcpy(s.pub, one_in(d, 4) ? agency_key[AGENCY_B].key.pub : by->key.pub, 32);
    memcpy(s.hub, g.secret.key.thumb, 32);
    snprintf(s.name, sizeof s.name, "Agency");
    if (!dw_failed(dw_introduce_write(&s, &b)))
        (void)send_signed(DW_LINK_KIND_INTRODUCE, by, dw_view_of_buf(&b), true);
    drain();
}

static void envelope(struct dice *d)
{
    uint8_t bytes[512];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    if (one_in(d, 3)) {
        struct dw_ack a = {.visit = below(d, 120), .number = below(d, 9)};
        memcpy(a.hub, g.secret.key.thumb, 32);
        if (!dw_failed(dw_ack_write(&a, &b)))
            (void)send_signed(DW_LINK_KIND_ACK, &service, dw_view_of_buf(&b), true);
    } else if (one_in(d, 2)) {
        struct dw_welcome w = {.home = "Elsewhere"};
        memcpy(w.hub, g.secret.key.thumb, 32);
        memcpy(w.service_pub, stranger.key.pub, 32);
        if (!dw_failed(dw_welcome_write(&w, &b)))
            (void)send_signed(DW_LINK_KIND_WELCOME, &stranger, dw_view_of_buf(&b), true);
    } else {
        struct dw_recall r = {.revision = 1 + below(d, 50)};
        memcpy(r.hub, g.secret.key.thumb, 32);
        memcpy(r.job, jobs[below(d, JOB_COUNT)].job, 16);
        if (!dw_failed(dw_recall_write(&r, &b)))
            (void)send_signed(DW_LINK_KIND_RECALL, &service, dw_view_of_buf(&b), true);
    }
    drain();
}

/* ---- the household's own way, without its passkeys ---- */

static void household(struct dice *d)
{
    static const uint8_t acts[] = {DW_ACT_SIGN_IN,     DW_ACT_UNLOCK,      DW_ACT_LET_IN,
                                   DW_ACT_INVITE,      DW_ACT_ADD_PASSKEY, DW_ACT_REMOVE_MEMBER,
                                   DW_ACT_GRANT,       DW_ACT_GRANT,       DW_ACT_NEW_RECOVERY,
                                   DW_ACT_ALLOW_AGENCY};
    struct dw_ipc_people_ask m = grant_ask((uint8_t)(1 + below(d, 2)), DW_VISIT_DROP);
    m.act = acts[below(d, DW_ARRAY_COUNT(acts))];
    m.role = DW_MEMBER_OWNER;
    snprintf(m.name, sizeof m.name, "Eve");
    if (!(powers & HAS_SESSION) || m.act == DW_ACT_SIGN_IN)
        m.member = 0;
    if (m.act != DW_ACT_GRANT)
        memset(&m.grant, 0, sizeof m.grant);
    if (begin_act(m) != DW_PEOPLE_NO_NONE)
        return;
    struct dw_ipc_people_ask a =
        answered(m.act == DW_ACT_SIGN_IN ? DW_PEOPLE_SIGN_IN : DW_PEOPLE_ACT);
    a.member = m.member;
    const struct device *who = &devices[below(d, device_count)];
    struct making how = {SERVICE_ORIGIN, SERVICE_RP, 0x05};
    switch (below(d, 5)) {
    case 0: how = (struct making){ORIGIN, SERVICE_RP, 0x05}; break;
    case 1: how = (struct making){SERVICE_ORIGIN, RP_ID, 0x05}; break;
    case 2: how = (struct making){"http://home1.localhost:8081", RP_ID, 0x05}; break;
    case 3: /* the right page, but another's challenge: what was signed for a sign-in */
        how = right;
        break;
    default: break;
    }
    if (how.origin == right.origin) {
        uint8_t real[32];
        memcpy(real, a.challenge, 32);
        dw_random(a.challenge, 32);
        sign(who, &how, &a);
        memcpy(a.challenge, real, 32);
    } else {
        sign(who, &how, &a);
    }
    if (tell_guard(&a) == DW_PEOPLE_NO_NONE)
        hostile_failed("an act of the household without its passkey");
}

/* ---- frames ---- */

static void made_up_frame(struct dice *d)
{
    struct dw_frame_record r = {.boot_count = 1 + one_in(d, 6),
                                .software = "tests",
                                .seq = world.eye_seq + 1 + (one_in(d, 4) ? below(d, 5) : 0),
                                .t_rx_us = world.eye_nonce_ms * 1000,
                                .t_exp_us = mono_ms * 1000,
                                .luma = 120,
                                .spread = 60};
    uint8_t bytes[512];
    struct dw_buf p = dw_buf_of(bytes, sizeof bytes);
    static struct dw_ipc_frame m;
    struct dw_buf out = dw_buf_of(m.record, sizeof m.record);
    if (one_in(d, 12)) { /* another key for the same boot, or a boot that never was */
        eye_introduces(any_key(d), &stranger, 1 + below(d, 3));
        return;
    }
    bool is_fresh = !one_in(d, 3), has_key = (powers & HAS_CAMERA) != 0;
    const struct dw_secret *by = has_key ? &eye_key : any_key(d);
    if (is_fresh)
        dw_sha256(dw_view_of(world.eye_nonce, 32), r.echo);
    else
        dw_random(r.echo, 32);
    memcpy(r.boot_seed, world.eye_seed, 16);
    memcpy(r.chain, world.eye_chain, 32);
    if (one_in(d, 6))
        r.chain[0] ^= 1;
    if (one_in(d, 8))
        r.tamper = DW_TAMPER_MOVED;
    if (one_in(d, 8))
        r.still_ms = below(d, 5000);
    if (dw_failed(dw_frame_record_write(&r, &p)) ||
        dw_failed(dw_signed_make(by, DW_CONTEXT_FRAME, dw_view_of_buf(&p), &out)))
        return;
    m.viewers = 0;
    m.len = (uint16_t)out.len;
    if (by == &eye_key && is_fresh)
        model_frame(world.eye_nonce);
    if (by == &eye_key && r.boot_count == 1) {
        world.eye_seq = r.seq;
        dw_sha256(dw_view_of_buf(&out), world.eye_chain);
    }
    counts->messages++;
    eyes_on_frame(&g, &m);
    drain();
}

/* ---- bytes that the hub keeps of others ---- */

static void other_grant(struct dice *d, struct grant *gr)
{
    struct dw_evidence e;
    struct dw_buf out = dw_buf_of(gr->evidence, sizeof gr->evidence);
    if (dw_failed(dw_evidence_read(dw_view_of(gr->evidence, gr->evidence_len), &e)))
        return;
    switch (below(d, 9)) {
    case 0: e.hub[0] ^= 1; break;
    case 1: snprintf(e.context, sizeof e.context, "%s", DW_CONTROL_CONTEXT); break;
    case 2: e.credential[0] ^= 1; break;
    case 3: e.client[40] ^= 1; break;
    case 4: e.auth[32] ^= 4; break;
    case 5: e.bytes[below(d, e.bytes_len)] ^= 1; break;
    case 6: e.signature[10] ^= 1; break;
    case 7: e.id[0] ^= 1; break;
    default: e.bytes_len--; break;
    }
    if (!dw_failed(dw_evidence_write(&e, &out)))
        gr->evidence_len = (uint16_t)out.len;
}

static void kept(struct dice *d)
{
    struct job_slot *s = link_job(&g, jobs[below(d, 2) ? JOB_DROP : JOB_LATE_SHIFT].job);
    struct grant *gr = authority_grant(&g, grant_id[GRANT_DROP]);
    struct shift *sh = NULL;
    for (size_t i = 0; i < SHIFTS_MAX; i++) {
        if (g.authority.shift[i].is_used && g.authority.shift[i].said.visitor[0] == 9)
            sh = &g.authority.shift[i];
    }
    if (!s || !gr || !sh)
        return;
    uint8_t was[EVIDENCE_MAX];
    uint16_t len;
    switch (below(d, 8)) {
    case 0:
    case 1:
    case 2:
        memcpy(was, gr->evidence, len = gr->evidence_len);
        if (one_in(d, 3))
            flip(d, gr->evidence, gr->evidence_len);
        else
            other_grant(d, gr);
        if (len != gr->evidence_len || memcmp(was, gr->evidence, len) != 0)
            model_spoilt(gr->said.id, 16);
        break;
    case 3:
        memcpy(was, s->object, s->object_len);
        flip(d, s->object, s->object_len);
        if (memcmp(was, s->object, s->object_len) != 0)
            model_spoilt(s->job.job, 16);
        break;
    case 4:
        memcpy(was, sh->object, sh->object_len);
        flip(d, sh->object, sh->object_len);
        if (memcmp(was, sh->object, sh->object_len) != 0)
            model_spoilt(sh->said.visitor, 16);
        break;
    case 5: /* an object of another kind in its place */
        if (one_in(d, 2)) {
            memcpy(s->object, sh->object, sh->object_len);
            s->object_len = sh->object_len;
            model_spoilt(s->job.job, 16);
        } else if (s->object_len <= sizeof sh->object) {
            memcpy(sh->object, s->object, s->object_len);
            sh->object_len = s->object_len;
            model_spoilt(sh->said.visitor, 16);
        }
        break;
    case 6: /* another visitor's shift */
        for (size_t i = 0; i < SHIFTS_MAX; i++) {
            const struct shift *o = &g.authority.shift[i];
            if (o->is_used && o->said.visitor[0] == visitor_of[PHONE_ED]) {
                memcpy(sh->object, o->object, o->object_len);
                sh->object_len = o->object_len;
                model_spoilt(sh->said.visitor, 16);
            }
        }
        break;
    default: /* rules of before the grants */
        g.people.book.epoch = below(d, 3);
        if (g.people.book.epoch < gr->said.epoch)
            model_spoilt(gr->said.id, 16);
        break;
    }
    bool is_tried = !one_in(d, 4);
    for (uint32_t i = 0; i < 8 && is_tried; i++) {
        if (world.asked[i].visit != 0 && world.asked[i].who < PHONE_COUNT)
            (void)courier_slides(world.asked[i].visit, true);
    }
}

void move_make(enum move m, struct dice *d)
{
    static const uint8_t plain_jobs[] = {JOB_DROP, JOB_DROP, JOB_ED, JOB_STAY, JOB_LATER};
    int job = one_in(d, 3) ? (int)below(d, JOB_COUNT) : plain_jobs[below(d, 5)];
    int who = PHONE_A;
    for (int i = 0; i < PHONE_COUNT; i++) {
        if (jobs[job].visitor[0] == visitor_of[i])
            who = i;
    }
    switch (m) {
    case MOVE_TICK: tick(50 + below(d, 400)); break;
    case MOVE_ASK: {
        uint64_t v = courier_asks(job, who, !one_in(d, 6));
        if (one_in(d, 2))
            (void)courier_slides(v, true);
        break;
    }
    case MOVE_SLIDE:
        for (uint32_t i = 0; i < 8; i++) {
            uint32_t at = (world.asked_count + 7 - i) % 8;
            if (world.asked[at].visit == 0 || world.asked[at].who >= PHONE_COUNT)
                continue;
            (void)courier_slides(world.asked[at].visit, !one_in(d, 6));
            break;
        }
        break;
    case MOVE_VISIT: visit_whole(job, who); break;
    case MOVE_INSIDE: inside(); break;
    case MOVE_LATER: later(d); break;
    case MOVE_CLOCK:
        if (one_in(d, 2))
            clock_unknown();
        else
            shift_clock(1, 20 + below(d, 3) * 40000);
        break;
    case MOVE_RESTART:
    case MOVE_CRASH:
        if (one_in(d, 3)) /* slow, and not what most is about */
            restart(m == MOVE_CRASH);
        break;
    case MOVE_LINK: link_state(!world.is_link_up); break;
    case MOVE_REVOKE: owner_revokes(d); break;
    case MOVE_REMOVE: owner_removes(d); break;
    case MOVE_GUEST_ASK: guest_asks_anew(any_guest(d)); break;
    case MOVE_GUEST_SLIDE: (void)guest_slides(any_guest(d), !one_in(d, 6)); break;
    case MOVE_GUEST_VISIT: guest_visit(any_guest(d)); break;
    case MOVE_GUEST: guest_misbehaves(d); break;
    case MOVE_REPLAY: replay(d); break;
    case MOVE_FLIP:
    case MOVE_CUT:
    case MOVE_SPLICE:
    case MOVE_KIND: change(d, m); break;
    case MOVE_RESIGN: resign(d); break;
    case MOVE_HELLO: made_up_hello(d); break;
    case MOVE_STOP: made_up_stop(d); break;
    case MOVE_COME: comes(d, &jobs[below(d, JOB_COUNT)]); break;
    case MOVE_LOGIN: login(d); break;
    case MOVE_GRAFT: graft(d); break;
    case MOVE_MANIFEST: made_up_manifest(d); break;
    case MOVE_SHIFT: made_up_shift(d); break;
    case MOVE_INTRODUCE: made_up_introduce(d); break;
    case MOVE_ENVELOPE: envelope(d); break;
    case MOVE_PEOPLE: household(d); break;
    case MOVE_FRAME: made_up_frame(d); break;
    case MOVE_KEPT: kept(d); break;
    case MOVE_COUNT: break;
    }
}
