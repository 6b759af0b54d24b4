/* Who may come: grants, agencies, manifests, shifts and the proof at the door, through the guard's
 * own files. What each party alone can not do. */
#include "rig.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/os.h"

static void again(void)
{
    close_guard();
    open_guard();
    pass_locked(6500);
}

static const struct dw_ipc_grant *told(const uint8_t id[16])
{
    for (uint32_t i = 0; i < sent.grants.grant_count; i++) {
        if (memcmp(sent.grants.grant[i].id, id, 16) == 0)
            return &sent.grants.grant[i];
    }
    return NULL;
}

/* The newest line about a grant. */
static const struct dw_ipc_story *line(void)
{
    for (uint32_t i = sent.lines; i > 0 && sent.lines - i < DW_ARRAY_COUNT(sent.line); i--) {
        const struct dw_ipc_story *l = &sent.line[(i - 1) % DW_ARRAY_COUNT(sent.line)];
        if (l->kind == DW_STORY_GRANT)
            return l;
    }
    return NULL;
}

static enum dw_people_no of_grant(enum dw_people_op op, const uint8_t id[16], uint32_t member)
{
    struct dw_ipc_people_ask m = {.op = (uint8_t)op, .member = member};
    memcpy(m.id, id, 16);
    return tell_guard(&m);
}

static void visit(const struct dw_job *j, uint64_t number)
{
    struct dw_hello h = hello_to(j, number, "P");
    ask(&h);
}

/* Slides for the question that is open, and says what came of it. */
static uint8_t slid(const struct dw_evidence *e)
{
    uint32_t before = sent.retracts;
    deliver_evidence(e, &service);
    for (int i = 0; i < 8; i++) {
        flush();
        pass_locked(100);
    }
    return sent.retracts > before ? (uint8_t)DW_CHECK_NONE : sent.receipt.check;
}

/* [I1, I2] No key is needed to ask; nothing follows from it. */
static void an_agency_asks_and_nothing_follows(void **state)
{
    (void)state;
    static const uint8_t id[16] = {1};
    struct dw_secret forger = agency; /* its name and key, without what signs for it */
    forger.sec[0] ^= 1;
    introduce(&forger, 1, "Agency");
    authority_tell(&g);
    assert_int_equal(sent.grants.agency_count, 0);
    introduce(&agency, 1, "Agency");
    authority_tell(&g);
    assert_int_equal(sent.grants.agency_count, 1);
    assert_true(sent.grants.agency[0].is_waiting);
    assert_memory_equal(sent.grants.agency[0].key, agency.key.thumb, 32);
    assert_int_equal(line()->value, DW_GRANT_CHANGE_ASKED);
    introduce(&stranger, 1, "Agency"); /* another key in its name */
    assert_int_equal(sent.grants.agency_count, 1);
    struct dw_job j = job_of(1, DW_VISIT_DROP);
    give_as(&agency, id, &j); /* on a grant that is not there */
    assert_null(link_job(&g, j.job));
    assert_int_equal(line()->value, DW_GRANT_CHANGE_REFUSED);
    assert_int_equal(line()->value2, DW_CHAIN_NO_MANIFEST_GRANT);
    for (uint8_t i = 0; i < 40; i++) { /* and a whole crowd: sixteen wait, the oldest goes */
        struct dw_secret other;
        dw_secret_new(&other);
        mono_ms += 1000;
        introduce(&other, (uint8_t)(100 + i), "Crowd");
    }
    authority_tell(&g);
    assert_int_equal(sent.grants.agency_count, AGENCIES_WAIT_MAX);
    again();
    authority_tell(&g);
    assert_int_equal(sent.grants.agency_count, AGENCIES_WAIT_MAX);
    assert_int_equal(sent.retracts, 0);
}

static void a_grant_is_signed_over_its_own_bytes(void **state)
{
    (void)state;
    uint8_t id[16], hash[32];
    struct dw_grant said;
    struct device *owner = first_owner();
    struct dw_ipc_people_ask m = grant_ask(1, DW_VISIT_DROP);
    assert_int_equal(begin_act(m), DW_PEOPLE_NO_NO_SUCH); /* nobody of that name has asked */
    introduce(&agency, 1, "Agency");
    assert_int_equal(begin_act(m), DW_PEOPLE_NO_NONE);
    /* What the page shows is what is signed. */
    dw_chain_challenge(DW_GRANT_CONTEXT, dw_view_of(sent.answer.bytes, sent.answer.bytes_len),
                       hash);
    assert_memory_equal(hash, sent.answer.challenge, 32);
    assert_false(
        dw_failed(dw_grant_read(dw_view_of(sent.answer.bytes, sent.answer.bytes_len), &said)));
    assert_memory_equal(said.grantee, agency.key.thumb, 32);
    assert_memory_equal(said.hub, g.secret.key.thumb, 32);
    assert_string_equal(said.name, "Agency");
    assert_int_equal(said.epoch, g.people.book.epoch);
    assert_int_equal(said.exp_s - said.nbf_s, 90 * 86400);
    /* The other of the owner's passkeys is not the one that the bytes name. */
    struct dw_ipc_people_ask a = answered(DW_PEOPLE_ACT);
    a.member = owner->member;
    const struct device *other = NULL;
    for (uint32_t i = 0; i < 2; i++) {
        if (memcmp(devices[i].id, sent.answer.credential, 16) != 0)
            other = &devices[i];
    }
    sign(other, &right, &a);
    assert_int_equal(tell_guard(&a), DW_PEOPLE_NO_PASSKEY);
    /* Used up: the same challenge is none any more [I8]. */
    assert_int_equal(tell_guard(&a), DW_PEOPLE_NO_CHALLENGE);
    struct {
        const char *what;
        struct dw_people_grant grant;
    } wrong[8];
    for (size_t i = 0; i < DW_ARRAY_COUNT(wrong); i++)
        wrong[i].grant = m.grant;
    wrong[0].grant.window_count = 0;
    wrong[1].grant.window_count = 15;
    wrong[2].grant.days = 0;
    wrong[3].grant.days = 91;
    wrong[4].grant.uses = 0;
    wrong[5].grant.per_day = 0;
    wrong[6].grant.dwell_ms = 0;
    wrong[7].grant.mode = 9;
    for (size_t i = 0; i < DW_ARRAY_COUNT(wrong); i++) {
        struct dw_ipc_people_ask w = m;
        w.grant = wrong[i].grant;
        assert_int_equal(begin_act(w), DW_PEOPLE_NO_SCOPE);
    }
    struct device *guest = member(owner, DW_MEMBER_OCCUPANT, "Bo");
    struct dw_ipc_people_ask by_guest = m;
    by_guest.member = guest->member;
    assert_int_equal(begin_act(by_guest), DW_PEOPLE_NO_ROLE);
    wall = (struct dw_utc){0};
    assert_int_equal(begin_act(m), DW_PEOPLE_NO_CLOCK);
    at_utc(NOON);
    assert_int_equal(sent.grants.grant_count, 0);
    assert_int_equal(sign_grant(&m, id), DW_PEOPLE_NO_NONE);
    assert_int_equal(told(id)->state, DW_GRANT_STATE_LIVE);
    assert_int_equal(told(id)->signed_by, owner->member);
    assert_int_equal(sent.grants_out, 1); /* the agency hears of it, with its evidence */
    assert_string_equal(sent.grant_out.context, DW_GRANT_CONTEXT);
    assert_memory_equal(sent.grant_out.id, id, 16);
    again();
    authority_tell(&g);
    assert_int_equal(told(id)->state, DW_GRANT_STATE_LIVE);
}

/* [I3] What was signed for one thing counts for no other. */
static void no_signature_counts_for_another_purpose(void **state)
{
    (void)state;
    struct device *owner = first_owner();
    introduce(&agency, 1, "Agency");
    struct dw_ipc_people_ask m = grant_ask(1, DW_VISIT_DROP);
    /* A sign-in as a grant: over the challenge of the sign-in ... */
    assert_int_equal(begin_act((struct dw_ipc_people_ask){.act = DW_ACT_SIGN_IN}),
                     DW_PEOPLE_NO_NONE);
    struct dw_ipc_people_ask a = answered(DW_PEOPLE_ACT);
    a.member = owner->member;
    sign(owner, &right, &a);
    assert_int_equal(tell_guard(&a), DW_PEOPLE_NO_CHALLENGE);
    /* ... and its assertion in the place of the grant's. */
    assert_int_equal(begin_act((struct dw_ipc_people_ask){.act = DW_ACT_SIGN_IN}),
                     DW_PEOPLE_NO_NONE);
    struct dw_ipc_people_ask in = answered(DW_PEOPLE_SIGN_IN);
    sign(owner, &right, &in);
    m.credential_len = 16;
    memcpy(m.credential, owner->id, 16);
    assert_int_equal(begin_act(m), DW_PEOPLE_NO_NONE);
    struct dw_ipc_people_ask grant = answered(DW_PEOPLE_ACT);
    struct dw_ipc_people_ask mixed = in;
    mixed.op = DW_PEOPLE_ACT;
    mixed.member = owner->member;
    memcpy(mixed.challenge, grant.challenge, 32);
    assert_int_equal(tell_guard(&mixed), DW_PEOPLE_NO_ORIGIN);
    assert_int_equal(tell_guard(&in), DW_PEOPLE_NO_NONE); /* as what it is, it counts */
    /* A grant as a sign-in. */
    assert_int_equal(begin_act(m), DW_PEOPLE_NO_NONE);
    grant = answered(DW_PEOPLE_SIGN_IN);
    sign(owner, &right, &grant);
    assert_int_equal(tell_guard(&grant), DW_PEOPLE_NO_CHALLENGE);
    /* An act signed about a home that has changed since. */
    assert_int_equal(begin_act(m), DW_PEOPLE_NO_NONE);
    grant = answered(DW_PEOPLE_ACT);
    grant.member = owner->member;
    assert_int_equal(ACT(owner, .act = DW_ACT_NEW_RECOVERY), DW_PEOPLE_NO_NONE);
    sign(owner, &right, &grant);
    assert_int_equal(tell_guard(&grant), DW_PEOPLE_NO_CHALLENGE);
    assert_int_equal(sent.grants.grant_count, 0);
}

static void a_manifest_keeps_to_its_grant(void **state)
{
    (void)state;
    begin_shift();
    const uint8_t *id = permit(DW_VISIT_DROP);
    struct dw_job right_one = job_of(1, DW_VISIT_DROP), j;
    /* Without a reason: by nobody who could cost the household a line. */
#define REFUSED(by, grant, no)                                        \
    do {                                                              \
        uint32_t lines_ = sent.lines;                                 \
        give_as(by, grant, &j);                                       \
        assert_null(link_job(&g, j.job));                             \
        if ((no) != 0) {                                              \
            assert_int_equal(line()->value, DW_GRANT_CHANGE_REFUSED); \
            assert_int_equal(line()->value2, no);                     \
        } else {                                                      \
            assert_int_equal(sent.lines, lines_);                     \
        }                                                             \
    } while (0)
    j = right_one;
    REFUSED(&stranger, id, 0);
    REFUSED(&service, id, 0);
    j.agency[0] = 2; /* in another agency's name */
    REFUSED(&agency, id, 0);
    j = right_one;
    j.dwell_ms = 60001;
    REFUSED(&agency, id, DW_CHAIN_NO_MANIFEST_SCOPE);
    j = job_of(1, DW_VISIT_STAY);
    REFUSED(&agency, id, DW_CHAIN_NO_MANIFEST_SCOPE);
    j = right_one;
    j.door = 1;
    REFUSED(&agency, id, DW_CHAIN_NO_MANIFEST_SCOPE);
    j = right_one;
    snprintf(j.zone, sizeof j.zone, "Europe/Amsterdam");
    REFUSED(&agency, id, DW_CHAIN_NO_MANIFEST_SCOPE);
    j = right_one;
    j.camera_class = DW_CAMERA_K0;
    REFUSED(&agency, id, DW_CHAIN_NO_MANIFEST_SCOPE);
    j = right_one;
    j.hub[0] ^= 1; /* [I5] */
    REFUSED(&agency, id, 0);
    j = right_one;
    /* Another agency of the house, on the first one's grant. */
    introduce(&stranger, 2, "Other");
    j.agency[0] = 2;
    REFUSED(&stranger, id, DW_CHAIN_NO_GRANT_GRANTEE);
    /* What the service alone signs is nothing. */
    uint8_t bytes[2048];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    j = right_one;
    assert_false(dw_failed(dw_job_write(&j, &b)));
    deliver(DW_LINK_KIND_JOB, &service, &b);
    assert_null(link_job(&g, j.job));
    give(&j);
    assert_non_null(link_job(&g, j.job));
    /* And nobody else changes what an agency has sent. */
    struct dw_ipc_people_ask m = grant_ask(2, DW_VISIT_DROP);
    uint8_t theirs[16];
    assert_int_equal(sign_grant(&m, theirs), DW_PEOPLE_NO_NONE);
    j.agency[0] = 2;
    j.revision++;
    give_as(&stranger, theirs, &j);
    assert_int_equal(link_job(&g, j.job)->job.revision, right_one.revision);
    again();
    assert_non_null(link_job(&g, j.job));
#undef REFUSED
}

static void the_proof_is_of_this_stop(void **state)
{
    (void)state;
    struct dw_job j = begin(DW_VISIT_DROP);
    uint64_t number = 20;
    struct dw_stop stop;
    struct dw_evidence e;
    struct soft thief = soft_new(DW_PASSKEY_ES256, 0x22); /* the same id, another key */
#define NEXT()                                      \
    do {                                            \
        visit(&j, ++number);                        \
        assert_int_equal(sent.offer.check, 0);      \
        struct dw_proof p_ = proof_of(&sent.offer); \
        stop = stop_of(&p_);                        \
    } while (0)
#define MAKE(who, origin, rp, flags) (e = evidence_of(who, &stop, origin, rp, flags))
#define GIVES(want, chain)                                                            \
    do {                                                                              \
        assert_int_equal(slid(&e), want);                                             \
        assert_int_equal(sent.receipt.visit, number);                                 \
        const struct hello *h_ = NULL;                                                \
        for (size_t i_ = 0; i_ < VISITS_MAX; i_++)                                    \
            h_ = g.hellos[i_].visit == number ? &g.hellos[i_] : h_;                   \
        assert_string_equal(dw_chain_no_code(h_->chain_no), dw_chain_no_code(chain)); \
    } while (0)
    NEXT();
    MAKE(&thief, COURIER_ORIGIN, COURIER_RP, 0x05);
    GIVES(DW_CHECK_PROOF, DW_CHAIN_NO_PROOF_SIGNATURE);
    NEXT();
    MAKE(&courier, "https://evil.example", COURIER_RP, 0x05);
    GIVES(DW_CHECK_PROOF, DW_CHAIN_NO_PROOF_ORIGIN);
    NEXT();
    MAKE(&courier, COURIER_ORIGIN, "evil.example", 0x05);
    GIVES(DW_CHECK_PROOF, DW_CHAIN_NO_PROOF_ORIGIN);
    NEXT();
    MAKE(&courier, COURIER_ORIGIN, COURIER_RP, 0x01); /* a phone that was not unlocked */
    GIVES(DW_CHECK_PROOF, DW_CHAIN_NO_PROOF_ORIGIN);
    NEXT();
    stop.manifest[0] ^= 1; /* another manifest */
    MAKE(&courier, COURIER_ORIGIN, COURIER_RP, 0x05);
    GIVES(DW_CHECK_PROOF, DW_CHAIN_NO_PROOF_ORIGIN);
    NEXT();
    stop.courier_nonce[0] ^= 1;
    MAKE(&courier, COURIER_ORIGIN, COURIER_RP, 0x05);
    GIVES(DW_CHECK_PROOF, DW_CHAIN_NO_PROOF_ORIGIN);
    NEXT();
    MAKE(&courier, COURIER_ORIGIN, COURIER_RP, 0x05);
    e.credential[0] ^= 1;
    GIVES(DW_CHECK_PROOF, DW_CHAIN_NO_PROOF_KEY);
    NEXT();
    MAKE(&courier, COURIER_ORIGIN, COURIER_RP, 0x05);
    e.signature[8] ^= 1;
    assert_int_equal(slid(&e), DW_CHECK_PROOF);
    /* The stop of a visit before: its nonce is not out, so the question stays open. */
    struct dw_evidence old = e;
    NEXT();
    deliver_evidence(&old, &service);
    assert_int_equal(g.door.state, DW_VISIT_READY);
    /* No shift, one of somebody else, one that is over. */
    MAKE(&courier, COURIER_ORIGIN, COURIER_RP, 0x05);
    struct shift kept = g.authority.shift[0];
    g.authority.shift[0].is_used = false;
    GIVES(DW_CHECK_ASSIGNED, DW_CHAIN_NO_SHIFT_FORM);
    g.authority.shift[0] = kept;
    NEXT();
    MAKE(&courier, COURIER_ORIGIN, COURIER_RP, 0x05);
    g.authority.shift[0].object[g.authority.shift[0].object_len - 1] ^= 1;
    GIVES(DW_CHECK_ASSIGNED, DW_CHAIN_NO_SHIFT_SIGNATURE);
    g.authority.shift[0] = kept;
    /* The grant's and the manifest's own bytes are looked at again at the door. */
    NEXT();
    MAKE(&courier, COURIER_ORIGIN, COURIER_RP, 0x05);
    struct grant *gr = authority_grant(&g, permit(DW_VISIT_DROP));
    gr->evidence[gr->evidence_len - 4] ^= 1;
    assert_int_equal(slid(&e), DW_CHECK_PERMISSION);
    gr->evidence[gr->evidence_len - 4] ^= 1;
    NEXT();
    MAKE(&courier, COURIER_ORIGIN, COURIER_RP, 0x05);
    struct job_slot *s = link_job(&g, j.job);
    s->object[s->object_len - 1] ^= 1;
    GIVES(DW_CHECK_PERMISSION, DW_CHAIN_NO_MANIFEST_SIGNATURE);
    s->object[s->object_len - 1] ^= 1;
    assert_int_equal(sent.retracts, 0);
    assert_int_equal(parcels_used(), 0);
    assert_int_equal(gr->used, 0);
    NEXT();
    MAKE(&courier, COURIER_ORIGIN, COURIER_RP, 0x05);
    assert_int_equal(slid(&e), DW_CHECK_NONE);
    assert_int_equal(sent.retracts, 1);
    assert_int_equal(gr->used, 1);
    (void)slid(&e); /* the second one is a late copy */
    go_in_and_out();
    (void)slid(&e);
    assert_int_equal(sent.retracts, 1);
    soft_free(&thief);
#undef NEXT
#undef MAKE
#undef GIVES
}

/* [I4] A grant that wants to know who stands there, where nothing can tell. */
static void presence_that_nobody_senses_is_not_there(void **state)
{
    (void)state;
    struct dw_job j = begin(DW_VISIT_DROP);
    struct grant *gr = authority_grant(&g, permit(DW_VISIT_DROP));
    assert_int_equal(gr->said.presence, 0);
    gr->said.presence = 1;
    visit(&j, 11);
    assert_int_equal(sent.offer.check, DW_CHECK_PERMISSION);
    gr->said.presence = 0;
    visit(&j, 12);
    assert_int_equal(sent.offer.check, DW_CHECK_NONE);
}

/* The owner's passkey that signed is taken away: what it gave is gone, too. */
static void a_grant_ends_with_the_key_that_gave_it(void **state)
{
    (void)state;
    struct dw_job j = begin(DW_VISIT_DROP);
    visit(&j, 11);
    for (size_t i = 0; i < DW_CREDENTIALS_MAX; i++)
        g.people.book.credential[i].number = 0;
    struct dw_proof p = proof_of(&sent.offer);
    slide(&p);
    assert_int_equal(sent.receipt.check, DW_CHECK_PERMISSION);
    assert_int_equal(sent.retracts, 0);
}

static void revoking_holds_at_once_and_for_good(void **state)
{
    (void)state;
    struct dw_job j = begin(DW_VISIT_DROP);
    struct device *owner = first_owner();
    struct device *guest = member(owner, DW_MEMBER_OCCUPANT, "Bo");
    const uint8_t *id = permit(DW_VISIT_DROP);
    uint32_t epoch = g.people.book.epoch;
    visit(&j, 11);
    assert_int_equal(g.door.state, DW_VISIT_READY);
    struct dw_proof p = proof_of(&sent.offer);
    static const uint8_t none[16];
    assert_int_equal(of_grant(DW_PEOPLE_REVOKE, none, owner->member), DW_PEOPLE_NO_NO_SUCH);
    assert_int_equal(of_grant(DW_PEOPLE_REVOKE, id, guest->member), DW_PEOPLE_NO_ROLE);
    assert_int_equal(of_grant(DW_PEOPLE_REVOKE, id, 0), DW_PEOPLE_NO_ROLE);
    assert_int_equal(of_grant(DW_PEOPLE_VETO, id, guest->member), DW_PEOPLE_NO_NOT_WAITING);
    assert_int_equal(of_grant(DW_PEOPLE_REVOKE, id, owner->member), DW_PEOPLE_NO_NONE);
    assert_int_equal(sent.answer.value, epoch + 1);
    assert_true(sent.answer.until_utc_ms > 0);
    pass_locked(300);
    flush();
    assert_int_equal(sent.receipt.visit, 11); /* the visit that had not opened yet is over [I14] */
    assert_int_equal(sent.receipt.outcome, DW_OUTCOME_REFUSED);
    slide(&p);
    assert_int_equal(sent.retracts, 0);
    assert_int_equal(sent.revokes_out, 1);
    assert_memory_equal(sent.revoked_out.grant, id, 16);
    assert_int_equal(sent.revoked_out.epoch, epoch + 1);
    assert_int_equal(told(id)->state, DW_GRANT_STATE_REVOKED);
    assert_int_equal(told(id)->is_over_stored, 1);
    visit(&j, 12);
    assert_int_equal(sent.offer.check, DW_CHECK_PERMISSION);
    again();
    authority_tell(&g);
    assert_int_equal(told(id)->is_over_stored, 1);
    visit(&j, 13);
    assert_int_equal(sent.offer.check, DW_CHECK_PERMISSION);
    assert_int_equal(g.people.book.epoch, epoch + 1);
    /* The service is told until it has said that it knows. */
    uint32_t before = sent.revokes_out;
    mono_ms += 3000;
    link_tidy(&g);
    assert_int_equal(sent.revokes_out, before + 1);
    struct dw_ack a = {.number = UINT32_MAX - 2};
    memcpy(a.hub, g.secret.key.thumb, 32);
    for (size_t i = 0; i < 8; i++)
        a.visit = a.visit << 8 | id[i];
    DELIVER(ack, ACK, &a);
    flush();
    mono_ms += 3000;
    link_tidy(&g);
    assert_int_equal(sent.revokes_out, before + 1);
    struct dw_job late = job_of(2, DW_VISIT_DROP);
    give(&late);
    assert_null(link_job(&g, late.job));
}

/* A second tap, a second device: the same answer. It costs no epoch, so an act that somebody is
 * signing meanwhile still counts, and nobody is told twice. */
static void ending_twice_is_ending_once(void **state)
{
    (void)state;
    uint8_t vetoed[16];
    test_grant_wait_ms = 600000;
    again();
    struct device *owner = first_owner();
    struct device *guest = member(owner, DW_MEMBER_OCCUPANT, "Bo");
    introduce(&agency, 1, "Agency");
    struct dw_ipc_people_ask m = grant_ask(1, DW_VISIT_DROP);
    assert_int_equal(sign_grant(&m, vetoed), DW_PEOPLE_NO_NONE);
    assert_int_equal(of_grant(DW_PEOPLE_VETO, vetoed, guest->member), DW_PEOPLE_NO_NONE);
    int64_t at_ms = sent.answer.until_utc_ms;
    uint32_t epoch = g.people.book.epoch, lines = sent.lines, out = sent.revokes_out;
    assert_int_equal(begin_act((struct dw_ipc_people_ask){.act = DW_ACT_INVITE,
                                                          .role = DW_MEMBER_OCCUPANT,
                                                          .member = owner->member,
                                                          .name = "Cy"}),
                     DW_PEOPLE_NO_NONE);
    struct dw_ipc_people_ask half_signed = answered(DW_PEOPLE_ACT);
    half_signed.member = owner->member;
    mono_ms += 1000;
    assert_int_equal(of_grant(DW_PEOPLE_VETO, vetoed, owner->member), DW_PEOPLE_NO_NONE);
    assert_int_equal(of_grant(DW_PEOPLE_REVOKE, vetoed, owner->member), DW_PEOPLE_NO_NONE);
    assert_int_equal(sent.answer.value, epoch);
    assert_int_equal(sent.answer.until_utc_ms, at_ms);
    assert_memory_equal(sent.answer.id, vetoed, 16);
    assert_int_equal(g.people.book.epoch, epoch);
    assert_int_equal(sent.lines, lines);
    assert_int_equal(sent.revokes_out, out);
    sign(owner, &right, &half_signed);
    assert_int_equal(tell_guard(&half_signed), DW_PEOPLE_NO_NONE);
    epoch = g.people.book.epoch;
    again(); /* and so it is after a restart */
    assert_int_equal(of_grant(DW_PEOPLE_VETO, vetoed, guest->member), DW_PEOPLE_NO_NONE);
    assert_int_equal(sent.answer.until_utc_ms, at_ms);
    assert_int_equal(g.people.book.epoch, epoch);

    test_grant_wait_ms = 0;
    again();
    const uint8_t *id = permit(DW_VISIT_DROP);
    assert_int_equal(of_grant(DW_PEOPLE_REVOKE, id, owner->member), DW_PEOPLE_NO_NONE);
    epoch = g.people.book.epoch;
    at_ms = sent.answer.until_utc_ms;
    mono_ms += 1000;
    assert_int_equal(of_grant(DW_PEOPLE_REVOKE, id, owner->member), DW_PEOPLE_NO_NONE);
    assert_int_equal(sent.answer.value, epoch);
    assert_int_equal(sent.answer.until_utc_ms, at_ms);
    assert_int_equal(g.people.book.epoch, epoch);
    assert_int_equal(of_grant(DW_PEOPLE_VETO, id, guest->member), DW_PEOPLE_NO_NOT_WAITING);
}

/* On a disk that is full it is refused from now on, but not said to be stored: "confirmed" is
 * another word. */
static void what_is_not_stored_is_not_confirmed(void **state)
{
    (void)state;
    struct dw_job j = begin(DW_VISIT_DROP);
    struct device *owner = first_owner();
    const uint8_t *id = permit(DW_VISIT_DROP);
    char path[128];
    sqlite3 *other = NULL;
    flush();
    at("hub.sqlite", path);
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(of_grant(DW_PEOPLE_REVOKE, id, owner->member), DW_PEOPLE_NO_STORAGE);
    authority_tell(&g);
    assert_int_equal(told(id)->state, DW_GRANT_STATE_REVOKED);
    assert_int_equal(told(id)->is_over_stored, 0);
    visit(&j, 11);
    assert_int_equal(sent.offer.check, DW_CHECK_PERMISSION);
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    assert_int_equal(of_grant(DW_PEOPLE_REVOKE, id, owner->member), DW_PEOPLE_NO_NONE);
    assert_int_equal(told(id)->is_over_stored, 1);
    assert_int_equal(sent.retracts, 0);
}

/* [I47] All see it, each may object, and an objection is for good. */
static void anybody_at_home_may_veto_while_it_waits(void **state)
{
    (void)state;
    uint8_t id[16], second[16];
    test_grant_wait_ms = 600000;
    again();
    struct device *owner = first_owner();
    struct device *guest = member(owner, DW_MEMBER_OCCUPANT, "Bo");
    introduce(&agency, 1, "Agency");
    struct dw_ipc_people_ask m = grant_ask(1, DW_VISIT_DROP);
    assert_int_equal(sign_grant(&m, id), DW_PEOPLE_NO_NONE);
    assert_int_equal(told(id)->state, DW_GRANT_STATE_WAITING);
    struct dw_job j = job_of(1, DW_VISIT_DROP);
    struct dw_shift s = shift_of(&courier, NOON / 1000 - 3600);
    deliver_shift(&agency, &s);
    give_as(&agency, id, &j);
    visit(&j, 11);
    assert_int_equal(sent.offer.check, DW_CHECK_PERMISSION);
    assert_int_equal(of_grant(DW_PEOPLE_VETO, id, 0), DW_PEOPLE_NO_ROLE);
    assert_int_equal(of_grant(DW_PEOPLE_VETO, id, guest->member), DW_PEOPLE_NO_NONE);
    assert_int_equal(told(id)->state, DW_GRANT_STATE_VETOED);
    assert_int_equal(line()->member, guest->member);
    assert_int_equal(sent.revokes_out, 1);
    again();
    mono_ms += 700000;
    authority_tidy(&g);
    authority_tell(&g);
    assert_int_equal(told(id)->state, DW_GRANT_STATE_VETOED); /* for good */
    assert_int_equal(sign_grant(&m, second), DW_PEOPLE_NO_NONE);
    mono_ms += 599000;
    authority_tidy(&g);
    assert_int_equal(told(second)->state, DW_GRANT_STATE_WAITING);
    again(); /* waiting goes on over a restart */
    authority_tell(&g);
    assert_int_equal(told(second)->state, DW_GRANT_STATE_WAITING);
    mono_ms += 2000;
    authority_tidy(&g);
    assert_int_equal(told(second)->state, DW_GRANT_STATE_LIVE);
    assert_int_equal(of_grant(DW_PEOPLE_VETO, second, guest->member), DW_PEOPLE_NO_NOT_WAITING);
}

static void deliver_one(uint8_t id, uint8_t check)
{
    struct dw_job j = job_of(id, DW_VISIT_DROP);
    give(&j);
    pass_locked(62000); /* the door is free again */
    visit(&j, 1000u + id);
    assert_int_equal(sent.offer.check, check);
    if (check != DW_CHECK_NONE)
        return;
    uint32_t before = sent.retracts;
    struct dw_proof p = proof_of(&sent.offer);
    slide(&p);
    assert_int_equal(sent.retracts, before + 1);
    go_in_and_out();
    assert_int_equal(sent.receipt.outcome, DW_OUTCOME_OK);
}

/* As the front was told last; -1: it does not know of it, or of the day. */
static int told_used_today(const uint8_t id[16])
{
    for (uint32_t i = 0; i < sent.grants.grant_count; i++) {
        const struct dw_ipc_grant *gr = &sent.grants.grant[i];
        if (memcmp(gr->id, id, 16) == 0)
            return gr->has_today ? gr->used_today : -1;
    }
    return -1;
}

/* Three in all, two a day; a restart forgets none of them [I11]. */
static void uses_are_counted_for_good(void **state)
{
    (void)state;
    introduce(&agency, 1, "Agency");
    struct dw_ipc_people_ask m = grant_ask(1, DW_VISIT_DROP);
    m.grant.uses = 3;
    m.grant.per_day = 2;
    uint8_t id[16];
    assert_int_equal(sign_grant(&m, id), DW_PEOPLE_NO_NONE);
    begin_shift();
    for (uint8_t n = 1; n <= 3; n++) { /* on this grant, not on that of the rig */
        struct dw_job j = job_of(n, DW_VISIT_DROP);
        give_as(&agency, id, &j);
    }
    pass_locked(6000);
    deliver_one(1, DW_CHECK_NONE);
    /* A question that is refused by the lock is no use. */
    struct dw_job j = job_of(2, DW_VISIT_DROP);
    pass_locked(62000);
    visit(&j, 500);
    struct dw_proof p = proof_of(&sent.offer);
    deliver_stop(&p);
    uint32_t before = sent.retracts;
    for (int i = 0; i < 20 && sent.retracts == before; i++) {
        flush();
        pass_locked(50);
    }
    assert_int_equal(authority_grant(&g, id)->used, 2);
    lock_answers(DW_LOCK_RESULT_BATTERY, sent.retract.counter, sent.retract.lock_nonce);
    flush();
    flush();
    assert_int_equal(authority_grant(&g, id)->used, 1);
    again();
    assert_int_equal(authority_grant(&g, id)->used, 1);
    deliver_one(2, DW_CHECK_NONE);
    again();
    assert_int_equal(authority_grant(&g, id)->used, 2);
    struct dw_job third = job_of(3, DW_VISIT_DROP);
    visit(&third, 600);
    assert_int_equal(sent.offer.check, DW_CHECK_PERMISSION); /* two a day */
    assert_int_equal(told_used_today(id), 2);
    at_utc(NOON + 86400000);
    authority_tidy(&g);
    assert_int_equal(told_used_today(id), 0); /* the page hears of midnight */
    struct dw_job next = job_of(4, DW_VISIT_DROP), last = job_of(5, DW_VISIT_DROP);
    struct dw_job *const jobs[] = {&next, &last};
    for (size_t i = 0; i < 2; i++) {
        jobs[i]->window.day++;
        jobs[i]->exp_s += 86400;
        jobs[i]->screening_to_day++;
        give_as(&agency, id, jobs[i]);
    }
    begin_shift();
    pass_locked(61000);
    visit(&next, 601);
    assert_int_equal(sent.offer.check, DW_CHECK_NONE);
    p = proof_of(&sent.offer);
    slide(&p);
    go_in_and_out();
    assert_int_equal(authority_grant(&g, id)->used, 3);
    pass_locked(61000);
    visit(&last, 602);
    assert_int_equal(sent.offer.check, DW_CHECK_PERMISSION); /* three in all */
    again();
    visit(&last, 603);
    assert_int_equal(sent.offer.check, DW_CHECK_PERMISSION);
}

/* [I4] An agency moves a job from one of its grants to another, in the middle of things. */
static void a_job_that_moves_takes_no_use_along(void **state)
{
    (void)state;
    struct dw_job j = begin(DW_VISIT_STAY);
    struct dw_ipc_people_ask m = grant_ask(1, DW_VISIT_STAY);
    uint8_t once[16], drop[16];
    m.grant.uses = 3;
    m.grant.per_day = 1;
    assert_int_equal(sign_grant(&m, once), DW_PEOPLE_NO_NONE);
    struct grant *gr = authority_grant(&g, once);
    gr->used = gr->day_used = 1; /* none is left for today */
    gr->day = (int32_t)DAY;
    visit(&j, 11);
    struct dw_proof p = proof_of(&sent.offer);
    slide(&p);
    go_in_and_out();
    assert_int_equal(g.door.state, DW_VISIT_BETWEEN);
    struct dw_job moved = j;
    moved.revision++;
    give_as(&agency, once, &moved);
    visit(&moved, 11); /* the same stay, but a use of another grant */
    assert_int_equal(sent.offer.check, DW_CHECK_PERMISSION);
    moved.revision++;
    give(&moved); /* back again: it goes on */
    visit(&moved, 11);
    assert_int_equal(sent.offer.check, DW_CHECK_NONE);
    struct dw_event over = {.type = DW_EV_OWNER_END};
    guard_feed(&g, &over);
    pass_locked(62000);
    /* What is given back goes to the grant that it was taken from. */
    m = grant_ask(1, DW_VISIT_DROP);
    assert_int_equal(sign_grant(&m, drop), DW_PEOPLE_NO_NONE);
    struct grant *other = authority_grant(&g, permit(DW_VISIT_DROP));
    struct dw_job d = job_of(3, DW_VISIT_DROP);
    give_as(&agency, drop, &d);
    other->used = 7;
    guard_feed(&g, &over);
    pass_locked(62000);
    visit(&d, 12);
    assert_int_equal(sent.offer.check, DW_CHECK_NONE);
    p = proof_of(&sent.offer);
    deliver_stop(&p);
    uint32_t before = sent.retracts;
    for (int i = 0; i < 20 && sent.retracts == before; i++) {
        flush();
        pass_locked(50);
    }
    assert_int_equal(authority_grant(&g, drop)->used, 1);
    d.revision++;
    give(&d);
    lock_answers(DW_LOCK_RESULT_BATTERY, sent.retract.counter, sent.retract.lock_nonce);
    flush();
    flush();
    assert_int_equal(authority_grant(&g, drop)->used, 0);
    assert_int_equal(other->used, 7);
}

/* The core was told of the job at the question; the proof is over the job of now. */
static void a_job_that_changes_at_the_door_is_asked_about_anew(void **state)
{
    (void)state;
    struct dw_job j = begin(DW_VISIT_DROP);
    visit(&j, 11);
    j.revision++;
    j.dwell_ms = 5000;
    give(&j);
    struct dw_proof p = proof_of(&sent.offer);
    slide(&p);
    assert_int_equal(sent.receipt.check, DW_CHECK_JOB);
    assert_int_equal(sent.retracts, 0);
    visit(&j, 12);
    p = proof_of(&sent.offer);
    slide(&p);
    assert_int_equal(sent.retracts, 1);
    assert_int_equal(sent.retract.dwell_ms, 5000);
}

/* A permission that asks each time, and the courier's shift. */
static void permit_by(enum dw_grant_mode mode, uint8_t ret_id[16])
{
    introduce(&agency, 1, "Agency");
    struct dw_ipc_people_ask m = grant_ask(1, DW_VISIT_DROP);
    m.grant.mode = (uint8_t)mode;
    assert_int_equal(sign_grant(&m, ret_id), DW_PEOPLE_NO_NONE);
    begin_shift();
}

static enum dw_people_no wish_about(const struct dw_job *j, enum dw_wish_kind what)
{
    struct dw_ipc_people_ask m = {
        .op = DW_PEOPLE_WISH, .wish = (uint8_t)what, .member = first_owner()->member};
    memcpy(m.id, j->job, 16);
    return tell_guard(&m);
}

static void one_that_asks_each_time_waits_for_a_yes(void **state)
{
    (void)state;
    uint8_t id[16];
    permit_by(DW_GRANT_ASK, id);
    struct dw_job j = job_of(1, DW_VISIT_DROP);
    give_as(&agency, id, &j);
    pass_locked(6000);
    assert_int_equal(sent.job.needs_yes, 1);
    visit(&j, 11);
    assert_int_equal(sent.offer.check, DW_CHECK_PERMISSION);
    assert_int_equal(wish_about(&j, DW_WISH_ACCEPT), DW_PEOPLE_NO_NONE);
    assert_int_equal(sent.job.needs_yes, 0);
    again();
    visit(&j, 12);
    assert_int_equal(sent.offer.check, DW_CHECK_NONE);
}

/* Who comes and when is what was said yes to: what an agency makes of the job later asks anew. */
static void a_yes_is_to_this_visit(void **state)
{
    (void)state;
    uint8_t id[16];
    permit_by(DW_GRANT_ASK, id);
    g.child[CHILD_ALERT].is_ready = true;
    struct dw_job j = job_of(1, DW_VISIT_DROP);
    give_as(&agency, id, &j);
    assert_int_equal(wish_about(&j, DW_WISH_ACCEPT), DW_PEOPLE_NO_NONE);
    j.revision++; /* other words for the same */
    snprintf(j.notes, sizeof j.notes, "Ring twice");
    give_as(&agency, id, &j);
    visit(&j, 11);
    assert_int_equal(sent.offer.check, DW_CHECK_NONE);
    struct dw_ipc_people_ask place = {
        .op = DW_PEOPLE_WISH, .wish = DW_WISH_PLACE, .member = first_owner()->member};
    memcpy(place.id, j.job, 16);
    snprintf(place.text, sizeof place.text, "garage");
    assert_int_equal(tell_guard(&place), DW_PEOPLE_NO_NONE); /* another place is no other visit */
    house_tidy(&g);
    assert_int_equal(sent.job.needs_yes, 0);
    struct dw_job later = j;
    later.revision++;
    later.window.from_min += 60;
    give_as(&agency, id, &later);
    house_tidy(&g);
    assert_int_equal(sent.job.needs_yes, 1);
    assert_int_equal(sent.alert_news.news, DW_JOB_NEWS_ASKS);
    again(); /* and after a restart, too */
    visit(&later, 12);
    assert_int_equal(sent.offer.check, DW_CHECK_PERMISSION);
    assert_int_equal(wish_about(&later, DW_WISH_ACCEPT), DW_PEOPLE_NO_NONE);
    struct dw_job other = later;
    other.revision++;
    other.visitor[0]++; /* somebody else */
    give_as(&agency, id, &other);
    house_tidy(&g);
    assert_int_equal(sent.job.needs_yes, 1);
}

static struct dw_job job_of_tomorrow(uint8_t id)
{
    struct dw_job j = job_of(id, DW_VISIT_DROP); /* from 10:00 */
    j.window.day++;
    j.screening_to_day++;
    j.exp_s += 86400;
    return j;
}

/* What alert has been given to say since. */
static uint8_t news(void)
{
    uint8_t n = sent.alert_news.news;
    sent.alert_news.news = DW_JOB_NEWS_NONE;
    return n;
}

static void what_waits_for_a_yes_is_alerted_once(void **state)
{
    (void)state;
    uint8_t id[16];
    permit_by(DW_GRANT_ASK, id);
    struct dw_job j = job_of_tomorrow(1), other = job_of_tomorrow(2);
    give_as(&agency, id, &j);
    house_tidy(&g);
    assert_int_equal(sent.alert_jobs, 0); /* alert starts when it likes */
    g.child[CHILD_ALERT].is_ready = true;
    house_tidy(&g);
    assert_int_equal(news(), DW_JOB_NEWS_ASKS);
    assert_int_equal(sent.alert_job.needs_yes, 1);
    assert_memory_equal(sent.alert_news.id, j.job, 16);
    give_as(&agency, id, &j); /* brought again */
    house_tidy(&g);
    assert_int_equal(sent.alert_jobs, 1);
    assert_int_equal(wish_about(&j, DW_WISH_ACCEPT), DW_PEOPLE_NO_NONE);
    house_tidy(&g);
    assert_int_equal(sent.alert_jobs, 2); /* so that what is not out yet stays here */
    assert_int_equal(news(), DW_JOB_NEWS_NONE);
    assert_int_equal(sent.alert_job.needs_yes, 0);

    g.child[CHILD_ALERT].is_ready = false;
    give_as(&agency, id, &other);
    assert_int_equal(wish_about(&other, DW_WISH_DECLINE), DW_PEOPLE_NO_NONE);
    g.child[CHILD_ALERT].is_ready = true;
    house_tidy(&g);
    at_utc(NOON + 86400000 - 3600000);
    house_tidy(&g);
    assert_int_equal(sent.alert_jobs, 2); /* decided before it could be said; and no reminder */
}

static void a_visit_with_a_veto_is_alerted_ahead_and_when_it_is_near(void **state)
{
    (void)state;
    uint8_t id[16];
    g.child[CHILD_ALERT].is_ready = true;
    permit_by(DW_GRANT_VETO, id);
    struct dw_job j = job_of_tomorrow(1), no = job_of_tomorrow(2), now = job_of(3, DW_VISIT_DROP);
    give_as(&agency, id, &now); /* its window has begun: one word is enough */
    house_tidy(&g);
    assert_int_equal(news(), DW_JOB_NEWS_COMES);
    house_tidy(&g);
    assert_int_equal(sent.alert_jobs, 1);
    give_as(&agency, id, &j);
    house_tidy(&g);
    assert_int_equal(news(), DW_JOB_NEWS_COMES);
    assert_int_equal(sent.alert_news.mode, DW_GRANT_VETO);
    give_as(&agency, id, &no);
    house_tidy(&g);
    assert_int_equal(wish_about(&no, DW_WISH_DECLINE), DW_PEOPLE_NO_NONE);
    house_tidy(&g);
    (void)news();
    int64_t begin = NOON + 86400000 - 2 * 3600000;
    assert_int_equal(judge_begin_ms(&j), begin);
    at_utc(begin - 3600000 - 1000);
    house_tidy(&g);
    assert_int_equal(news(), DW_JOB_NEWS_NONE);
    at_utc(begin - 3600000);
    house_tidy(&g);
    assert_int_equal(news(), DW_JOB_NEWS_SOON);
    assert_memory_equal(sent.alert_news.id, j.job, 16);
    at_utc(begin + 1000);
    house_tidy(&g);
    assert_int_equal(news(), DW_JOB_NEWS_NONE);
    /* "Not today": this one, and no other of the same permission. */
    assert_int_equal(wish_about(&j, DW_WISH_DECLINE), DW_PEOPLE_NO_NONE);
    visit(&j, 11);
    assert_int_equal(sent.offer.check, DW_CHECK_PERMISSION);
    struct dw_job next = job_of_tomorrow(4);
    give_as(&agency, id, &next);
    visit(&next, 12);
    assert_int_equal(sent.offer.check, DW_CHECK_NONE);
}

static void what_is_only_told_is_told_when_it_begins(void **state)
{
    (void)state;
    uint8_t id[16];
    g.child[CHILD_ALERT].is_ready = true;
    permit_by(DW_GRANT_NOTIFY, id);
    struct dw_job j = job_of_tomorrow(1);
    give_as(&agency, id, &j);
    house_tidy(&g);
    at_utc(NOON + 86400000 - 2 * 3600000);
    house_tidy(&g);
    assert_int_equal(sent.alert_jobs, 0);
    assert_int_equal(of_grant(DW_PEOPLE_REVOKE, id, first_owner()->member), DW_PEOPLE_NO_NONE);
    assert_int_equal(sent.job.mode, DW_GRANT_MODE_COUNT); /* the page need not believe it comes */
}

static enum dw_people_no of_parcel(enum dw_people_op op, const char *code, uint32_t member)
{
    struct dw_ipc_people_ask m = {.op = (uint8_t)op, .member = member, .name = "Shoes"};
    snprintf(m.text, sizeof m.text, "%s", code);
    return tell_guard(&m);
}

/* Two sides name the same parcel: the agency's label and the household's list [protocol 9 b3]. */
static void a_parcel_that_is_expected_needs_no_yes_once(void **state)
{
    (void)state;
    uint8_t id[16];
    permit_by(DW_GRANT_ASK, id);
    uint32_t owner = first_owner()->member;
    struct dw_job j = job_of(1, DW_VISIT_DROP), next = job_of(2, DW_VISIT_DROP);
    give_as(&agency, id, &j);
    give_as(&agency, id, &next);
    pass_locked(6000);

    assert_int_equal(of_parcel(DW_PEOPLE_EXPECT, "P", 0), DW_PEOPLE_NO_ROLE);
    assert_int_equal(of_parcel(DW_PEOPLE_EXPECT, "  ", owner), DW_PEOPLE_NO_BARCODE);
    assert_int_equal(of_parcel(DW_PEOPLE_EXPECT, "\x80", owner), DW_PEOPLE_NO_BARCODE);
    assert_int_equal(of_parcel(DW_PEOPLE_EXPECT, "Q", owner), DW_PEOPLE_NO_NONE);
    visit(&j, 11); /* another parcel than the expected one */
    assert_int_equal(sent.offer.check, DW_CHECK_PERMISSION);
    assert_int_equal(of_parcel(DW_PEOPLE_EXPECT, " P ", owner), DW_PEOPLE_NO_NONE);
    assert_int_equal(of_parcel(DW_PEOPLE_EXPECT, "P", owner), DW_PEOPLE_NO_NONE); /* the same */
    assert_int_equal(of_parcel(DW_PEOPLE_EXPECT_NOT, "Q", owner), DW_PEOPLE_NO_NONE);
    assert_int_equal(of_parcel(DW_PEOPLE_EXPECT_NOT, "Q", owner), DW_PEOPLE_NO_NO_SUCH);
    again(); /* what was written down is there after a restart */
    assert_int_equal(sent.expected.count, 1);
    assert_string_equal(sent.expected.item[0].code, "P");
    visit(&j, 12);
    assert_int_equal(sent.offer.check, DW_CHECK_NONE);
    struct dw_proof p = proof_of(&sent.offer);
    slide(&p);
    assert_int_equal(sent.retracts, 1);
    assert_int_equal(sent.expected.count, 0); /* with the intent, not when somebody remembers */
    go_in_and_out();
    pass_locked(61000);
    visit(&next, 13); /* the same label on another job */
    assert_int_equal(sent.offer.check, DW_CHECK_PERMISSION);
    again();
    visit(&next, 14);
    assert_int_equal(sent.offer.check, DW_CHECK_PERMISSION);
}

static void the_list_of_the_expected_is_bounded(void **state)
{
    (void)state;
    uint32_t owner = first_owner()->member;
    char code[200];
    for (uint32_t i = 0; i < DW_EXPECTED_MAX; i++) {
        snprintf(code, sizeof code, "P%u", i);
        assert_int_equal(of_parcel(DW_PEOPLE_EXPECT, code, owner), DW_PEOPLE_NO_NONE);
    }
    assert_int_equal(of_parcel(DW_PEOPLE_EXPECT, "one more", owner), DW_PEOPLE_NO_FULL);
    memset(code, '1', sizeof code);
    code[DW_PARCEL_CODE_MAX + 1] = 0;
    assert_int_equal(of_parcel(DW_PEOPLE_EXPECT_NOT, "P0", owner), DW_PEOPLE_NO_NONE);
    assert_int_equal(of_parcel(DW_PEOPLE_EXPECT, code, owner), DW_PEOPLE_NO_BARCODE);
    code[DW_PARCEL_CODE_MAX] = 0;
    assert_int_equal(of_parcel(DW_PEOPLE_EXPECT, code, owner), DW_PEOPLE_NO_NONE);
}

/* [I14] What may have been taken away meanwhile is not known to be there. */
static void without_the_service_for_long_nobody_comes(void **state)
{
    (void)state;
    struct dw_job j = begin(DW_VISIT_DROP);
    link_on_state(&g, false);
    mono_ms += 880000;
    pass_locked(12000); /* lock and camera have been heard again */
    visit(&j, 11);
    assert_int_equal(sent.offer.check, DW_CHECK_NONE);
    struct dw_proof p = proof_of(&sent.offer);
    pass_locked(9000);
    slide(&p);
    assert_int_equal(sent.retracts, 0);
    link_on_state(&g, true); /* and now it says why */
    assert_int_equal(sent.receipt.visit, 11);
    assert_int_equal(sent.receipt.check, DW_CHECK_PERMISSION);
    pass_locked(62000);
    visit(&j, 12);
    assert_int_equal(sent.offer.check, DW_CHECK_NONE);
}

static void a_newer_shift_takes_the_place_of_the_older(void **state)
{
    (void)state;
    struct dw_job j = begin(DW_VISIT_DROP);
    struct soft phone = soft_new(DW_PASSKEY_EDDSA, 0x33);
    struct dw_shift old = shift_of(&courier, NOON / 1000 - 3600);
    struct dw_shift s = shift_of(&phone, NOON / 1000 - 1800); /* a new phone */
    deliver_shift(&stranger, &s);                             /* by nobody we know */
    deliver_shift(&service, &s);
    assert_memory_equal(g.authority.shift[0].said.credential, courier.passkey.id, 16);
    deliver_shift(&agency, &s);
    deliver_shift(&agency, &old); /* brought again: it does not come back */
    again();
    assert_memory_equal(g.authority.shift[0].said.credential, phone.passkey.id, 16);
    visit(&j, 11);
    struct dw_proof p = proof_of(&sent.offer);
    slide(&p); /* with the old phone */
    assert_int_equal(sent.receipt.check, DW_CHECK_PROOF);
    visit(&j, 12);
    p = proof_of(&sent.offer);
    struct dw_stop stop = stop_of(&p);
    struct dw_evidence e = evidence_of(&phone, &stop, COURIER_ORIGIN, COURIER_RP, 0x05);
    assert_int_equal(slid(&e), DW_CHECK_NONE);
    for (uint8_t i = 0; i < 100; i++) { /* a crowd of visitors stays a table */
        struct dw_shift more = shift_of(&courier, NOON / 1000 - 3600 + i);
        more.visitor[0] = (uint8_t)(100 + i);
        deliver_shift(&agency, &more);
    }
    size_t n = 0;
    for (size_t i = 0; i < SHIFTS_MAX; i++)
        n += g.authority.shift[i].is_used;
    assert_in_range(n, 2, SHIFTS_EACH_MAX);
    soft_free(&phone);
}

/* [I15] Below the minimum: an owner's passkey, a visitor's, what another version has made. */
static void what_is_below_the_minimum_counts_no_more(void **state)
{
    (void)state;
    struct dw_job j = begin(DW_VISIT_DROP);
    visit(&j, 11);
    struct dw_proof p = proof_of(&sent.offer);
    struct dw_stop stop = stop_of(&p);
    struct dw_evidence e = evidence_of(&courier, &stop, COURIER_ORIGIN, COURIER_RP, 0x05), back;
    static uint8_t bytes[DW_LINK_PAYLOAD_MAX];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    assert_false(dw_failed(dw_evidence_write(&e, &b)));
    uint8_t *version = NULL;
    for (size_t i = 0; i + 15 < b.len && !version; i++)
        version = memcmp(bytes + i, DW_STOP_CONTEXT, 15) == 0 ? bytes + i + 14 : NULL;
    assert_non_null(version);
    *version = '0';
    assert_true(dw_is(dw_evidence_read(dw_view_of_buf(&b), &back), DW_E_VERSION));
    deliver(DW_LINK_KIND_STOP, &service, &b);
    assert_int_equal(g.door.state, DW_VISIT_READY); /* is no answer to the question */
    g.house.owner.alg_least = DW_PASSKEY_EDDSA;
    assert_int_equal(slid(&e), DW_CHECK_PROOF);
    /* A visitor with a better one, on a grant that an owner signed with a lesser one. */
    struct soft phone = soft_new(DW_PASSKEY_EDDSA, 0x33);
    struct dw_shift s = shift_of(&phone, NOON / 1000 - 1800);
    deliver_shift(&agency, &s);
    visit(&j, 12);
    p = proof_of(&sent.offer);
    stop = stop_of(&p);
    e = evidence_of(&phone, &stop, COURIER_ORIGIN, COURIER_RP, 0x05);
    assert_int_equal(slid(&e), DW_CHECK_PERMISSION);
    assert_int_equal(sent.retracts, 0);
    g.house.owner.alg_least = DW_PASSKEY_ES256;
    visit(&j, 13);
    p = proof_of(&sent.offer);
    stop = stop_of(&p);
    e = evidence_of(&phone, &stop, COURIER_ORIGIN, COURIER_RP, 0x05);
    assert_int_equal(slid(&e), DW_CHECK_NONE);
    soft_free(&phone);
}

/* The evidence of an opening is kept, and the record has its hash. */
static void the_record_names_what_was_signed(void **state)
{
    (void)state;
    size_t before = 0, after = 0;
    struct dw_job j = begin(DW_VISIT_DROP);
    store_each_fact(g.store, STORE_FACT_EVIDENCE, count_row, &before);
    visit(&j, 11);
    struct dw_proof p = proof_of(&sent.offer);
    slide(&p);
    go_in_and_out();
    store_each_fact(g.store, STORE_FACT_EVIDENCE, count_row, &after);
    assert_int_equal(after, before + 1);
    assert_int_equal(ACT(first_owner(), .act = DW_ACT_NEW_RECOVERY), DW_PEOPLE_NO_NONE);
    before = after;
    after = 0;
    store_each_fact(g.store, STORE_FACT_EVIDENCE, count_row, &after);
    assert_int_equal(after, before + 1);
}

/* [I11] The lock has heard more than this database knows of. */
static void an_older_database_takes_no_visitors(void **state)
{
    (void)state;
    struct dw_job j = begin(DW_VISIT_DROP);
    struct device *owner = first_owner();
    struct device *guest = member(owner, DW_MEMBER_OCCUPANT, "Bo");
    visit(&j, 11);
    struct dw_proof p = proof_of(&sent.offer);
    slide(&p);
    go_in_and_out();
    pass_locked(62000);
    bolt_tidy(&g);
    flush();
    assert_int_equal(g.lock.known_counter, g.lock.counter);
    again(); /* an honest restart */
    assert_false(g.is_restored);
    struct dw_job next = job_of(2, DW_VISIT_DROP);
    give(&next);
    visit(&next, 12);
    assert_int_equal(sent.offer.check, DW_CHECK_NONE);
    p = proof_of(&sent.offer);
    /* The lock has executed what this database has never heard of. */
    uint32_t own = sent.retract.counter;
    close_guard();
    open_guard();
    sent.retract.counter = g.lock.known_counter + 2; /* the lock says one less */
    pass_locked(6500);
    assert_true(g.is_restored);
    assert_int_equal(line()->value, DW_GRANT_CHANGE_RESTORED);
    visit(&next, 13);
    assert_int_equal(sent.offer.check, DW_CHECK_RECORD);
    authority_acknowledged(&g, guest->member); /* not for everybody to say */
    authority_acknowledged(&g, 0);
    assert_true(g.is_restored);
    close_guard();
    open_guard(); /* and not forgotten by a restart */
    pass_locked(6500);
    assert_true(g.is_restored);
    authority_acknowledged(&g, owner->member);
    flush();
    visit(&next, 14);
    assert_int_equal(sent.offer.check, DW_CHECK_NONE);
    again();
    assert_false(g.is_restored);
    sent.retract.counter = own;
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(an_agency_asks_and_nothing_follows),
        CASE(a_grant_is_signed_over_its_own_bytes),
        CASE(no_signature_counts_for_another_purpose),
        CASE(a_manifest_keeps_to_its_grant),
        CASE(the_proof_is_of_this_stop),
        CASE(presence_that_nobody_senses_is_not_there),
        CASE(a_grant_ends_with_the_key_that_gave_it),
        CASE(revoking_holds_at_once_and_for_good),
        CASE(ending_twice_is_ending_once),
        CASE(what_is_not_stored_is_not_confirmed),
        CASE(anybody_at_home_may_veto_while_it_waits),
        CASE(uses_are_counted_for_good),
        CASE(a_job_that_moves_takes_no_use_along),
        CASE(a_job_that_changes_at_the_door_is_asked_about_anew),
        CASE(one_that_asks_each_time_waits_for_a_yes),
        CASE(a_yes_is_to_this_visit),
        CASE(what_waits_for_a_yes_is_alerted_once),
        CASE(a_visit_with_a_veto_is_alerted_ahead_and_when_it_is_near),
        CASE(what_is_only_told_is_told_when_it_begins),
        CASE(a_parcel_that_is_expected_needs_no_yes_once),
        CASE(the_list_of_the_expected_is_bounded),
        CASE(without_the_service_for_long_nobody_comes),
        CASE(a_newer_shift_takes_the_place_of_the_older),
        CASE(what_is_below_the_minimum_counts_no_more),
        CASE(the_record_names_what_was_signed),
        CASE(an_older_database_takes_no_visitors),
    };
    if (dw_failed(dw_crypto_init()))
        return 1;
    dw_os_init("authority_test");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
