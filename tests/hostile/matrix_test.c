/* Every signed object in every other place, and everything that was captured once more: refused,
 * and nothing has changed. Contexts, kinds and acts come from the lists of the headers, so that a
 * new one is tried by itself. */
#include "model.h"
#include "samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/signed.h"
#include "os/os.h"

void hostile_failed(const char *why)
{
    fprintf(stderr, "the bolt was withdrawn: %s\n", why);
    abort();
}

/* What must not change by anything that is refused. The camera's and the lock's liveness may: that
 * somebody sent nonsense over their links is a fault that is noticed. */
struct still {
    struct authority authority;
    struct guests guests;
    struct job_slot jobs[JOBS_MAX];
    struct hello hellos[VISITS_MAX];
    struct book book;
    struct house house;
    struct dw_key service;
    struct dw_camera_session session;
    uint32_t state, visit, retracts, counter, epoch;
    bool is_restored, has_service;
};

static void look(struct still *s)
{
    memset(s, 0, sizeof *s);
    s->authority = g.authority;
    s->guests = g.guests;
    memcpy(s->jobs, g.jobs, sizeof s->jobs);
    memcpy(s->hellos, g.hellos, sizeof s->hellos);
    s->book = g.people.book;
    s->house = g.house;
    s->service = g.service;
    s->session = g.camera.session;
    s->state = g.door.state;
    s->visit = g.door.visit;
    s->retracts = heard.retracts;
    s->counter = g.lock.counter;
    s->epoch = g.lock.epoch;
    s->is_restored = g.is_restored;
    s->has_service = g.has_service;
}

static struct still before, after;

static bool is_still(void)
{
    drain();
    look(&after);
    return memcmp(&before, &after, sizeof before) == 0;
}

/* ---- places ---- */

enum place {
    PLACE_LOCK_STATUS = DW_LINK_KIND_COUNT,
    PLACE_LOCK_ANSWER,
    PLACE_FRAME,
    PLACE_SESSION,
    PLACE_COUNT
};

static enum dw_context context_of(uint32_t place)
{
    switch (place) {
    case PLACE_LOCK_STATUS: return DW_CONTEXT_LOCK_STATUS;
    case PLACE_LOCK_ANSWER: return DW_CONTEXT_LOCK_ANSWER;
    case PLACE_FRAME: return DW_CONTEXT_FRAME;
    case PLACE_SESSION: return DW_CONTEXT_CAMERA_SESSION;
    default: return (enum dw_context)dw_link_context((uint8_t)place);
    }
}

static void present(uint32_t place, const struct dw_buf *object)
{
    static struct dw_ipc_bytes l;
    static struct dw_ipc_frame f;
    static struct dw_ipc_camera_link c;
    size_t len = object->len;
    if (place < DW_LINK_KIND_COUNT) {
        give_bytes((uint8_t)place, object->ptr, len);
    } else if (place == PLACE_FRAME && len <= sizeof f.record) {
        f.len = (uint16_t)len;
        memcpy(f.record, object->ptr, len);
        eyes_on_frame(&g, &f);
    } else if (place == PLACE_SESSION && len <= sizeof c.session) {
        c.is_up = 1;
        c.session_len = (uint16_t)len;
        memcpy(c.session, object->ptr, len);
        eyes_on_link(&g, &c);
    } else if (place < PLACE_FRAME && len <= sizeof l.bytes) {
        l.kind = place == PLACE_LOCK_ANSWER ? DW_LOCK_KIND_ANSWER : DW_LOCK_KIND_STATUS;
        l.len = (uint16_t)len;
        memcpy(l.bytes, object->ptr, len);
        bolt_on_signed(&g, &l);
    }
}

/* A payload of that context: what somebody of this home has really said, where there is such a
 * thing; else one by chance. */
static size_t payload_of(enum dw_context c, struct rng *r, uint8_t *ret, size_t cap)
{
    static uint8_t message[SAMPLE_STRUCT_MAX];
    struct dw_buf b = dw_buf_of(ret, cap);
    struct dw_cose parts;
    for (uint32_t i = world.item_count; i-- > 0;) {
        const struct item *x = &world.item[i];
        if (dw_link_context(x->kind) == c &&
            !dw_failed(dw_cose_read(c, dw_view_of(arena + x->at, x->len), &parts)) &&
            parts.payload.len <= cap) {
            memcpy(ret, parts.payload.ptr, parts.payload.len);
            return parts.payload.len;
        }
    }
    for (size_t i = 0; i < SAMPLE_TYPES; i++) {
        const struct sample_type *t = &sample_types[i];
        bool is_it =
            t->context == c || (c == DW_CONTEXT_STOP_EVIDENCE && t->context == DW_CONTEXT_EVIDENCE);
        for (int n = 0; n < 20 && is_it; n++) {
            b.len = 0;
            t->fill(r, message);
            if (!dw_failed(t->write(message, &b)))
                return b.len;
        }
    }
    fail_msg("no message of context %s: give one in tests/wire/samples.c", dw_context_string(c));
    return 0;
}

static void every_object_in_every_other_place(void **state)
{
    (void)state;
    static uint8_t payload[DW_SIGNED_PAYLOAD_MAX], bytes[DW_SIGNED_BYTES_MAX];
    const struct dw_secret *const signers[] = {
        &service,  &agency_key[AGENCY_A], &camera_key, &eye_key, &lock_key, &g.secret,
        &stranger, &agency_key[AGENCY_B]};
    struct rng r = {42};
    uint32_t tried = 0, good = 0;
    static const enum stage stages[] = {STAGE_IDLE, STAGE_READY, STAGE_LOOKING, STAGE_GUEST_READY};
    for (size_t st = 0; st < DW_ARRAY_COUNT(stages); st++) {
        world_enter(stages[st]);
        look(&before);
        for (int c = 1; c < DW_CONTEXT_COUNT; c++) {
            size_t len = payload_of((enum dw_context)c, &r, payload, sizeof payload);
            for (size_t s = 0; s < DW_ARRAY_COUNT(signers); s++) {
                struct dw_buf object = dw_buf_of(bytes, sizeof bytes);
                if (dw_failed(dw_signed_make(signers[s], (enum dw_context)c,
                                             dw_view_of(payload, len), &object)))
                    continue;
                for (uint32_t p = 1; p < PLACE_COUNT; p++) {
                    if (context_of(p) == (enum dw_context)c) {
                        good++;
                        continue;
                    }
                    present(p, &object);
                    tried++;
                    if (!is_still())
                        fail_msg("an object of %s, by signer %zu, was taken in place %u (%s)",
                                 dw_context_string((enum dw_context)c), s, p,
                                 dw_context_string(context_of(p)));
                }
                /* The decoder of one context never opens another's, whoever holds the key. */
                for (int d = 1; d < DW_CONTEXT_COUNT; d++) {
                    struct dw_view out;
                    dw_err e = dw_signed_open(&signers[s]->key, (enum dw_context)d,
                                              dw_view_of_buf(&object), &out);
                    assert_int_equal(!dw_failed(e), d == c);
                }
            }
        }
    }
    printf("%u objects in other places, %u in their own left out\n", tried, good);
    assert_true(tried > 10000);
}

static size_t hubs_papers(struct item *ret, size_t cap)
{
    size_t n = 0;
    for (uint32_t i = 0; i < world.item_count && n < cap; i++) {
        const struct item *x = &world.item[i];
        if (x->is_offer && (x->kind == DW_LINK_KIND_MANIFEST || x->kind == DW_LINK_KIND_SHIFT))
            ret[n++] = *x;
    }
    return n;
}

/* The very manifest and shift that the hub has written for a guest: to the hub they are its own
 * notes, and from outside nothing, in no place, not even in that of an agency's. */
static void the_hubs_papers_are_taken_from_nobody(void **state)
{
    (void)state;
    static const enum stage stages[] = {STAGE_GUEST_READY, STAGE_READY, STAGE_GUEST_BETWEEN,
                                        STAGE_IDLE};
    struct item papers[4];
    uint32_t tried = 0;
    world_enter(STAGE_GUEST_READY);
    size_t count = hubs_papers(papers, DW_ARRAY_COUNT(papers));
    assert_int_equal(count, 2); /* one of each; their bytes stay in the arena */
    for (size_t st = 0; st < DW_ARRAY_COUNT(stages); st++) {
        world_enter(stages[st]);
        look(&before);
        for (size_t i = 0; i < count; i++) {
            struct dw_buf object = dw_buf_of(arena + papers[i].at, papers[i].len);
            object.len = papers[i].len;
            for (uint32_t p = 1; p < PLACE_COUNT; p++) {
                present(p, &object);
                tried++;
                if (!is_still())
                    fail_msg("the hub's paper of kind %u was taken in place %u at %s",
                             papers[i].kind, p, stage_name(stages[st]));
            }
        }
    }
    printf("%u of the hub's papers in places\n", tried);
}

/* The home is not dead: each of the objects that it takes it takes in its own place. */
static void in_their_own_place_they_are_taken(void **state)
{
    (void)state;
    world_enter(STAGE_IDLE);
    look(&before);
    (void)courier_asks(JOB_DROP, PHONE_A, true);
    assert_false(is_still());
    world_enter(STAGE_READY);
    look(&before);
    const struct item *stop = &world.item[world.item_count - 1];
    for (uint32_t i = 0; i < world.item_count; i++) {
        if (world.item[i].kind == DW_LINK_KIND_STOP)
            stop = &world.item[i];
    }
    give_bytes(stop->kind, arena + stop->at, stop->len);
    settle();
    assert_false(is_still());
    assert_int_equal(heard.retracts, before.retracts + 1);
    world_enter(STAGE_GUEST_READY); /* and the guest's proof, at the hub's own page */
    look(&before);
    assert_true(guest_slides(GUEST_GIL, true));
    assert_int_equal(heard.retracts, before.retracts + 1);
    world_enter(STAGE_IDLE);
    look(&before);
    struct dw_job j = jobs[JOB_DROP];
    j.revision++;
    (void)send_manifest(AGENCY_A, grant_id[GRANT_DROP], &j, true);
    assert_false(is_still());
    world_enter(STAGE_IDLE);
    look(&before);
    struct dw_shift s = shift_for(PHONE_A, NOON / 1000 - 1800);
    (void)send_shift(AGENCY_A, &s, true);
    assert_false(is_still());
}

/* What a passkey signs is told apart by the context inside the hash, and by the page. */
static void a_passkeys_word_counts_for_one_thing(void **state)
{
    (void)state;
    static const char *const contexts[] = {
#define X(name, context, typ) context,
        DW_CONTEXT_LIST(X)
#undef X
    };
    uint32_t tried = 0;
    for (size_t c = 0; c < DW_ARRAY_COUNT(contexts); c++) {
        world_enter(STAGE_READY);
        const struct question *q = model_question_at(0);
        struct dw_stop s = {.visit = q->visit};
        static struct dw_evidence e;
        uint8_t challenge[32];
        memcpy(s.hub, g.secret.key.thumb, 32);
        memcpy(s.hub_nonce, q->hub_nonce, 32);
        memcpy(s.courier_nonce, q->courier_nonce, 32);
        assert_true(model_newest_manifest(jobs[JOB_DROP].job, s.manifest));
        e = evidence_of(&phone[PHONE_A], &s, COURIER_ORIGIN, COURIER_RP, 0x05);
        /* The same phone, over the same bytes, for something else. */
        dw_chain_challenge(contexts[c], dw_view_of(e.bytes, e.bytes_len), challenge);
        struct asserted a = soft_assert(&phone[PHONE_A], "webauthn.get", COURIER_ORIGIN, COURIER_RP,
                                        0x05, challenge);
        memcpy(e.client, a.client, e.client_len = (uint16_t)a.client_len);
        memcpy(e.signature, a.signature, e.signature_len = (uint16_t)a.signature_len);
        bool is_stop = strcmp(contexts[c], DW_STOP_CONTEXT) == 0;
        if (is_stop) /* else it would be found to be one that nobody has signed */
            model_stop(PHONE_A, &s, 0x05, COURIER_ORIGIN, COURIER_RP, &e);
        uint32_t had = heard.retracts;
        (void)send_stop(&e, true);
        settle();
        assert_int_equal(heard.retracts, had + is_stop);
        tried++;
    }
    printf("%u contexts in the place of a stop\n", tried);
}

/* Each act's challenge, and what was signed over it, in the place of each other act's. */
static void an_act_counts_for_itself(void **state)
{
    (void)state;
    uint32_t tried = 0;
    struct device *owner = first_owner();
    for (int a = 1; a < DW_ACT_COUNT; a++) {
        for (int b = 1; b < DW_ACT_COUNT; b++) {
            if (a == b || a == DW_ACT_JOIN || b == DW_ACT_JOIN)
                continue;
            world_enter(STAGE_IDLE);
            struct dw_ipc_people_ask m = grant_ask(1, DW_VISIT_DROP), signed_one;
            struct dw_people_grant scope = m.grant;
            m.act = (uint8_t)a;
            m.role = DW_MEMBER_OCCUPANT;
            m.target = 2;
            snprintf(m.name, sizeof m.name, "Bo");
            if (a != DW_ACT_GRANT)
                memset(&m.grant, 0, sizeof m.grant);
            if (begin_act(m) != DW_PEOPLE_NO_NONE)
                continue; /* not an act that can begin so */
            signed_one = answered(a == DW_ACT_SIGN_IN ? DW_PEOPLE_SIGN_IN : DW_PEOPLE_ACT);
            signed_one.member = owner->member;
            sign(owner, &right, &signed_one);
            m.act = (uint8_t)b;
            m.grant = b == DW_ACT_GRANT ? scope : (struct dw_people_grant){0};
            if (begin_act(m) != DW_PEOPLE_NO_NONE)
                continue;
            /* b's challenge, with a's signature. */
            struct dw_ipc_people_ask mixed = signed_one;
            mixed.op = b == DW_ACT_SIGN_IN ? DW_PEOPLE_SIGN_IN : DW_PEOPLE_ACT;
            memcpy(mixed.challenge, sent.answer.challenge, 32);
            assert_int_not_equal(tell_guard(&mixed), DW_PEOPLE_NO_NONE);
            /* a's challenge, as the other operation: used up, whatever it was. */
            mixed = signed_one;
            mixed.op = mixed.op == DW_PEOPLE_ACT ? DW_PEOPLE_SIGN_IN : DW_PEOPLE_ACT;
            assert_int_not_equal(tell_guard(&mixed), DW_PEOPLE_NO_NONE);
            assert_int_not_equal(tell_guard(&signed_one), DW_PEOPLE_NO_NONE);
            tried++;
        }
    }
    printf("%u pairs of acts\n", tried);
    assert_true(tried >= 20);
}

/* ---- once more ---- */

static void everything_captured_again(const char *when)
{
    uint32_t count = world.item_count, had = heard.retracts, tried = 0;
    /* As it was, one by one; then the whole conversation in its order; then as every other kind. */
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < count; i++) {
            struct item x = world.item[i];
            give_bytes(x.kind, arena + x.at, x.len);
            tried++;
            if (round == 0 || x.kind == DW_LINK_KIND_HELLO || x.kind == DW_LINK_KIND_STOP)
                settle();
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        struct item x = world.item[i];
        for (uint8_t k = 1; k < DW_LINK_KIND_COUNT; k++) {
            give_bytes(k, arena + x.at, x.len);
            tried++;
        }
        drain();
    }
    settle();
    printf("%-44s %5u byte strings, %5u deliveries, opened %u times\n", when, count, tried,
           heard.retracts - had);
    assert_int_equal(heard.retracts, had);
}

static void nothing_captured_opens_again(void **state)
{
    (void)state;
    world_enter(STAGE_IDLE);
    everything_captured_again("nobody at the door");
    world_enter(STAGE_AFTER);
    everything_captured_again("right after the visit");
    shift_clock(2 * MINUTE_MS, 20);
    for (int i = 0; i < 44; i++)
        tick(240);
    everything_captured_again("when the watch is over");
    world_enter(STAGE_RESTARTED);
    everything_captured_again("after a start");
    world_enter(STAGE_AFTER);
    restart(true);
    for (int i = 0; i < 44; i++)
        tick(240);
    everything_captured_again("after a power cut");
    world_enter(STAGE_BETWEEN);
    everything_captured_again("between two openings of a stay");
    world_enter(STAGE_GUEST_READY);
    everything_captured_again("a guest is asked to slide");
    world_enter(STAGE_GUEST_BETWEEN);
    everything_captured_again("between two openings of a guest's");
    world_enter(STAGE_EVENING);
    everything_captured_again("in the evening");
    static const struct {
        const char *when;
        int64_t ms;
    } later[] = {
        {"the next day", DAY_MS}, {"the next week", 7 * DAY_MS}, {"in a year", 365 * DAY_MS}};
    for (size_t i = 0; i < DW_ARRAY_COUNT(later); i++) {
        world_enter(STAGE_AFTER);
        shift_clock(later[i].ms, 20);
        for (int n = 0; n < 44; n++)
            tick(240);
        everything_captured_again(later[i].when);
    }
}

static int home(void **state)
{
    (void)state;
    world_build();
    return 0;
}

static int no_home(void **state)
{
    (void)state;
    world_end();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_object_in_every_other_place),
        cmocka_unit_test(the_hubs_papers_are_taken_from_nobody),
        cmocka_unit_test(in_their_own_place_they_are_taken),
        cmocka_unit_test(a_passkeys_word_counts_for_one_thing),
        cmocka_unit_test(an_act_counts_for_itself),
        cmocka_unit_test(nothing_captured_opens_again),
    };
    static struct counts own;
    counts = &own;
    if (dw_failed(dw_crypto_init()))
        return 1;
    dw_os_init("matrix_test");
    return cmocka_run_group_tests(tests, home, no_home);
}
