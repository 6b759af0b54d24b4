/* Guests: an owner's passkey, a guest's passkey, and the hub between them - and what none of the
 * others can do with it. */
#include "rig.h"

#include <stdio.h>
#include <string.h>

#include "os/os.h"

static struct device *owner, *guest;

static void restart(void)
{
    close_guard();
    open_guard();
    guests_tell_all(&g);
    pass_locked(6500);
}

static struct device *invite(const char *name)
{
    return member(owner, DW_MEMBER_GUEST, name);
}

/* An owner and a guest live and come; the hub has never heard of a service. */
static void begin_home(void)
{
    owner = first_owner();
    guest = invite("Gil");
    pass_locked(6500);
}

static struct dw_ipc_people_ask grant_to(const struct device *d)
{
    struct dw_ipc_people_ask m = grant_ask(0, DW_VISIT_STAY);
    m.id[0] = 0;
    m.target = d->member;
    return m;
}

static void give_grant(const struct dw_ipc_people_ask *m, uint8_t ret_id[16])
{
    assert_int_equal(sign_grant(m, ret_id), DW_PEOPLE_NO_NONE);
    flush();
}

static void permit_guest(const struct device *d)
{
    uint8_t id[16];
    struct dw_ipc_people_ask m = grant_to(d);
    give_grant(&m, id);
}

static enum dw_people_no ask_in(const struct device *d)
{
    struct dw_ipc_people_ask m = {.op = DW_PEOPLE_GUEST_ASK, .member = d->member};
    dw_random(m.challenge, 32);
    enum dw_people_no no = tell_guard(&m);
    pass_locked(200);
    flush();
    guests_tidy(&g);
    return no;
}

static const struct dw_ipc_guest *said(const struct device *d)
{
    return &sent.guest[d->member];
}

/* As the guest's page does: the stop from the hub's signed offer and the manifest it was shown. */
static void read_stop(const struct device *d, struct dw_stop *ret)
{
    struct dw_offer o;
    struct dw_view payload;
    enum dw_context c = (enum dw_context)dw_link_context(DW_LINK_KIND_OFFER);
    assert_false(dw_failed(dw_signed_open(
        &g.secret.key, c, dw_view_of(said(d)->offer, said(d)->offer_len), &payload)));
    assert_false(dw_failed(dw_offer_read(payload, &o)));
    assert_true(o.visit == said(d)->visit);
    *ret = (struct dw_stop){.visit = o.visit};
    memcpy(ret->hub, o.hub, 32);
    memcpy(ret->hub_nonce, o.hub_nonce, 32);
    memcpy(ret->courier_nonce, o.courier_nonce, 32);
    dw_sha256(dw_view_of(said(d)->manifest, said(d)->manifest_len), ret->manifest);
}

static enum dw_people_no slide_over(const struct dw_stop *stop, uint32_t session,
                                    const struct device *with, const struct making *how)
{
    struct dw_ipc_people_ask m = {.op = DW_PEOPLE_GUEST_STOP, .member = session};
    uint8_t bytes[512];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    assert_false(dw_failed(dw_stop_write(stop, &b)));
    dw_chain_challenge(DW_STOP_CONTEXT, dw_view_of_buf(&b), m.challenge);
    sign(with, how, &m);
    memset(m.challenge, 0, 32);
    enum dw_people_no no = tell_guard(&m);
    for (int i = 0; i < 8; i++) {
        flush();
        pass_locked(100);
    }
    flush();
    guests_tidy(&g);
    return no;
}

static enum dw_people_no slide_by(const struct device *d)
{
    struct dw_stop stop;
    read_stop(d, &stop);
    return slide_over(&stop, d->member, d, &right);
}

static void comes_in(const struct device *d)
{
    uint32_t before = sent.retracts;
    assert_int_equal(ask_in(d), DW_PEOPLE_NO_NONE);
    assert_int_equal(said(d)->check, DW_CHECK_NONE);
    assert_int_equal(said(d)->visit_state, DW_VISIT_READY);
    assert_int_equal(slide_by(d), DW_PEOPLE_NO_NONE);
    assert_int_equal(sent.retracts, before + 1);
}

/* What a question is refused for, once it was asked. */
static uint8_t asked(const struct device *d)
{
    assert_int_equal(ask_in(d), DW_PEOPLE_NO_NONE);
    return said(d)->check;
}

static void leaves(const struct device *d)
{
    struct dw_ipc_people_ask m = {.op = DW_PEOPLE_GUEST_LEAVE, .member = d->member};
    assert_int_equal(tell_guard(&m), DW_PEOPLE_NO_NONE);
}

static void goes(const struct device *d)
{
    leaves(d);
    go_in_and_out();
    pass_locked(70000); /* somebody may still be inside: watched, and then over */
    flush();
    guests_tidy(&g);
}

static size_t messages(void)
{
    size_t n = 0;
    store_each_message(g.store, count_row, &n);
    return n;
}

static const struct dw_ipc_grant *only_grant(void)
{
    authority_tell(&g);
    assert_int_equal(sent.grants.grant_count, 1);
    return &sent.grants.grant[0];
}

static struct job_slot *job_of_guest(void)
{
    for (size_t i = 0; i < JOBS_MAX; i++) {
        if (g.jobs[i].is_used && judge_is_guests(&g, &g.jobs[i]))
            return &g.jobs[i];
    }
    return NULL;
}

/* ---- coming in ---- */

static void a_guest_comes_and_goes(void **state)
{
    (void)state;
    begin_home();
    g.is_link_up = false;
    mono_ms += 3600000; /* [I14] is about what the service may not have brought */
    pass_locked(12000);
    assert_int_equal(ask_in(guest), DW_PEOPLE_NO_PERMISSION); /* the link alone gives nothing */
    assert_int_equal(said(guest)->state, DW_GUEST_NONE);
    permit_guest(guest);
    guests_tidy(&g);
    assert_int_equal(said(guest)->state, DW_GUEST_CAN_ASK);
    assert_int_equal(only_grant()->guest, guest->member);
    comes_in(guest);
    uint64_t first = said(guest)->visit;
    go_in_and_out();
    guests_tidy(&g);
    assert_int_equal(said(guest)->visit_state, DW_VISIT_BETWEEN);
    comes_in(guest); /* the same visit again: to the car and back */
    assert_true(said(guest)->visit == first);
    assert_int_equal(only_grant()->used, 1);
    goes(guest);
    assert_int_equal(said(guest)->outcome, DW_OUTCOME_OK);
    assert_true(said(guest)->receipt_len > 0);
    comes_in(guest); /* and later: another use */
    assert_true(said(guest)->visit != first);
    assert_int_equal(said(guest)->receipt_len, 0);
    assert_int_equal(only_grant()->used, 2);
    goes(guest);
    link_on_state(&g, true);
    pass_locked(5000);
    link_tidy(&g);
    assert_int_equal(sent.outs, 0);
    assert_int_equal(messages(), 0);
}

/* The page hears its own receipt, signed, and nothing of another's. */
static void the_receipt_is_the_guests(void **state)
{
    (void)state;
    begin_home();
    permit_guest(guest);
    comes_in(guest);
    goes(guest);
    struct dw_receipt r;
    struct dw_view payload;
    enum dw_context c = (enum dw_context)dw_link_context(DW_LINK_KIND_RECEIPT);
    assert_false(dw_failed(dw_signed_open(
        &g.secret.key, c, dw_view_of(said(guest)->receipt, said(guest)->receipt_len), &payload)));
    assert_false(dw_failed(dw_receipt_read(payload, &r)));
    assert_true(r.visit == said(guest)->visit);
    assert_int_equal(r.outcome, DW_OUTCOME_OK);
    struct device *other = invite("Hal");
    guests_tidy(&g);
    assert_int_equal(said(other)->member, other->member);
    assert_true(said(other)->visit == 0);
    assert_int_equal(said(other)->receipt_len, 0);
}

/* ---- who is a guest ---- */

static void a_guest_does_not_live_here(void **state)
{
    (void)state;
    begin_home();
    permit_guest(guest);
    assert_int_equal(people_role(&g, guest->member), DW_MEMBER_NONE);
    assert_true(people_is_guest(&g, guest->member));
    assert_false(people_is_guest(&g, owner->member));
    for (uint8_t a = DW_ACT_UNLOCK; a < DW_ACT_COUNT; a++) {
        struct dw_ipc_people_ask m = {.act = a, .member = guest->member, .role = DW_MEMBER_GUEST};
        memset(m.text, 'a', 64); /* a key */
        assert_int_equal(begin_act(m), DW_PEOPLE_NO_ROLE);
    }
    for (uint8_t op = DW_PEOPLE_MODE; op < DW_PEOPLE_GUEST_ASK; op++) {
        if (op == DW_PEOPLE_STORY || op == DW_PEOPLE_RECOVER) /* the front's own; a code */
            continue;
        struct dw_ipc_people_ask m = {
            .op = op, .member = guest->member, .value = DW_MODE_OFF, .wish = DW_WISH_ACCEPT};
        memcpy(m.id, sent.grants.grant[0].id, 16);
        (void)snprintf(m.text, sizeof m.text, "123");
        assert_int_equal(tell_guard(&m), DW_PEOPLE_NO_ROLE);
    }
    /* And who lives here is no guest. */
    assert_int_equal(ask_in(owner), DW_PEOPLE_NO_ROLE);
    struct device *bo = member(owner, DW_MEMBER_OCCUPANT, "Bo");
    assert_int_equal(ask_in(bo), DW_PEOPLE_NO_ROLE);
    struct dw_ipc_people_ask m = grant_to(bo);
    assert_int_equal(begin_act(m), DW_PEOPLE_NO_NO_SUCH);
    assert_int_equal(sign_in(guest, &right), DW_PEOPLE_NO_NONE);
    assert_int_equal(sent.answer.role, DW_MEMBER_GUEST);
    restart();
    assert_true(people_is_guest(&g, guest->member));
}

static void an_invitation_makes_one_passkey(void **state)
{
    (void)state;
    owner = first_owner();
    struct dw_ipc_people_ask m = {.act = DW_ACT_INVITE, .role = DW_MEMBER_GUEST, .name = "Gil"};
    assert_int_equal(act(owner, m), DW_PEOPLE_NO_NONE); /* nobody has to stand at the hub */
    assert_int_equal(sent.answer.until_utc_ms - people_utc(&g), INT64_C(72) * 3600000);
    char token[48];
    memcpy(token, sent.answer.text, sizeof token);
    guest = join(token);
    assert_int_equal(join_as(device_new(), token, &right, ""), DW_PEOPLE_NO_TOKEN);
    struct dw_ipc_people_ask more = {.act = DW_ACT_ADD_PASSKEY, .member = guest->member};
    assert_int_equal(begin_act(more), DW_PEOPLE_NO_ROLE);
    /* An invitation that runs out is none. */
    assert_int_equal(act(owner, m), DW_PEOPLE_NO_NONE);
    memcpy(token, sent.answer.text, sizeof token);
    at_utc(NOON + INT64_C(73) * 3600000);
    assert_int_equal(join_as(device_new(), token, &right, ""), DW_PEOPLE_NO_TOKEN);
    at_utc(NOON);
    struct device *bo = member(owner, DW_MEMBER_OCCUPANT, "Bo");
    m.member = bo->member;
    assert_int_equal(begin_act(m), DW_PEOPLE_NO_ROLE); /* owners alone invite */
}

static void guests_and_residents_take_no_places_of_each_other(void **state)
{
    (void)state;
    owner = first_owner();
    for (uint32_t i = 0; i < DW_GUESTS_MAX; i++) {
        (void)invite("Gil");
        mono_ms += 60000;
    }
    assert_int_equal(ACT(owner, .act = DW_ACT_INVITE, .role = DW_MEMBER_GUEST, .name = "Hal"),
                     DW_PEOPLE_NO_FULL);
    for (uint32_t i = 1; i < DW_RESIDENTS_MAX; i++) {
        (void)member(owner, DW_MEMBER_OCCUPANT, "Bo");
        mono_ms += 60000;
    }
    assert_int_equal(ACT(owner, .act = DW_ACT_INVITE, .role = DW_MEMBER_OCCUPANT, .name = "Cy"),
                     DW_PEOPLE_NO_FULL);
    assert_int_equal(sent.people.count, DW_MEMBERS_MAX);
    restart();
    people_tell(&g);
    assert_int_equal(sent.people.count, DW_MEMBERS_MAX);
    assert_int_equal(sent.people.credential_count, DW_MEMBERS_MAX + 1);
}

/* ---- what does not let in ---- */

static void only_the_passkey_of_the_grant(void **state)
{
    (void)state;
    begin_home();
    struct device *other = invite("Hal");
    permit_guest(guest);
    struct making elsewhere = right, not_verified = right;
    elsewhere.origin = "http://evil.localhost:8080";
    not_verified.flags = 0x01;
    const struct {
        const struct device *with;
        const struct making *how;
    } wrong[] = {{other, &right}, {owner, &right}, {guest, &elsewhere}, {guest, &not_verified}};
    for (size_t i = 0; i < DW_ARRAY_COUNT(wrong); i++) {
        struct dw_stop stop;
        assert_int_equal(asked(guest), DW_CHECK_NONE);
        read_stop(guest, &stop);
        assert_int_equal(slide_over(&stop, guest->member, wrong[i].with, wrong[i].how), 0);
        assert_int_equal(said(guest)->check, DW_CHECK_PROOF);
        assert_int_equal(said(guest)->outcome, DW_OUTCOME_REFUSED);
    }
    /* Another guest, and a stolen session of theirs, on this one's visit. */
    assert_int_equal(asked(guest), DW_CHECK_NONE);
    struct dw_stop stop;
    read_stop(guest, &stop);
    assert_int_equal(ask_in(other), DW_PEOPLE_NO_PERMISSION); /* the grant is not theirs */
    assert_int_equal(slide_over(&stop, other->member, guest, &right), DW_PEOPLE_NO_CHALLENGE);
    assert_int_equal(slide_over(&stop, owner->member, guest, &right), DW_PEOPLE_NO_ROLE);
    assert_int_equal(sent.retracts, 0);
    assert_int_equal(only_grant()->used, 0);
    /* A proof counts once, and for its own question. */
    assert_int_equal(slide_over(&stop, guest->member, guest, &right), DW_PEOPLE_NO_NONE);
    assert_int_equal(sent.retracts, 1);
    go_in_and_out();
    assert_int_equal(slide_over(&stop, guest->member, guest, &right), DW_PEOPLE_NO_CHALLENGE);
    assert_int_equal(asked(guest), DW_CHECK_NONE);
    assert_int_equal(slide_over(&stop, guest->member, guest, &right), DW_PEOPLE_NO_NONE);
    assert_int_equal(said(guest)->check, DW_CHECK_PROOF);
    assert_int_equal(sent.retracts, 1);
}

/* [I1] The hub's own papers for another passkey than the grant's are nothing to itself. */
static void the_hub_names_nobody_by_itself(void **state)
{
    (void)state;
    begin_home();
    struct device *other = invite("Hal");
    permit_guest(guest);
    assert_int_equal(asked(guest), DW_CHECK_NONE);
    struct dw_stop stop;
    read_stop(guest, &stop);
    /* As if the hub had written the shift for somebody else. */
    struct shift *s = (struct shift *)(uintptr_t)guests_shift(&g, guest->member);
    const struct credential *k = guests_passkey(&g, other->member);
    memcpy(s->said.credential, k->key.id, k->key.id_len);
    memcpy(s->said.key, k->key.key, k->key.key_len);
    uint8_t payload[SHIFT_OBJECT_MAX];
    struct dw_buf p = dw_buf_of(payload, sizeof payload),
                  out = dw_buf_of(s->object, sizeof s->object);
    assert_false(dw_failed(dw_shift_write(&s->said, &p)));
    assert_false(dw_failed(dw_signed_make(&g.secret, DW_CONTEXT_SHIFT, dw_view_of_buf(&p), &out)));
    s->object_len = (uint16_t)out.len;
    assert_int_equal(slide_over(&stop, guest->member, other, &right), DW_PEOPLE_NO_NONE);
    assert_int_equal(said(guest)->check, DW_CHECK_PERMISSION);
    assert_int_equal(sent.retracts, 0);
}

static void what_was_taken_away_is_gone(void **state)
{
    (void)state;
    uint8_t id[16];
    begin_home();
    struct dw_ipc_people_ask m = grant_to(guest);
    give_grant(&m, id);
    assert_int_equal(asked(guest), DW_CHECK_NONE);
    struct dw_ipc_people_ask revoke = {.op = DW_PEOPLE_REVOKE, .member = owner->member};
    memcpy(revoke.id, id, 16);
    assert_int_equal(tell_guard(&revoke), DW_PEOPLE_NO_NONE);
    guests_tidy(&g);
    assert_int_equal(said(guest)->check, DW_CHECK_ENDED); /* in the middle of the question */
    assert_int_equal(said(guest)->state, DW_GUEST_NONE);
    assert_int_equal(ask_in(guest), DW_PEOPLE_NO_PERMISSION);
    restart();
    assert_int_equal(ask_in(guest), DW_PEOPLE_NO_PERMISSION);
    assert_int_equal(sent.outs, 0);
    assert_int_equal(messages(), 0);
    assert_int_equal(sent.retracts, 0);
}

/* Passkey, invitation and grants end in the same moment, for good. */
static void who_was_removed_comes_no_more(void **state)
{
    (void)state;
    uint8_t id[16];
    begin_home();
    struct dw_ipc_people_ask m = grant_to(guest);
    give_grant(&m, id);
    struct device *other = invite("Hal");
    permit_guest(other);
    assert_int_equal(asked(guest), DW_CHECK_NONE);
    struct dw_stop stop;
    read_stop(guest, &stop);
    uint32_t epoch = g.people.book.epoch;
    assert_int_equal(ACT(owner, .act = DW_ACT_REMOVE_MEMBER, .target = guest->member),
                     DW_PEOPLE_NO_NONE);
    assert_int_equal(g.people.book.epoch, epoch + 1);
    assert_int_equal(g.door.state, DW_VISIT_NONE); /* the question that was open, too */
    assert_int_equal(ask_in(guest), DW_PEOPLE_NO_ROLE);
    assert_int_equal(slide_over(&stop, guest->member, guest, &right), DW_PEOPLE_NO_ROLE);
    assert_int_equal(sign_in(guest, &right), DW_PEOPLE_NO_PASSKEY);
    restart();
    authority_tell(&g);
    for (uint32_t i = 0; i < sent.grants.grant_count; i++) {
        const struct dw_ipc_grant *gr = &sent.grants.grant[i];
        bool is_own = memcmp(gr->id, id, 16) == 0;
        assert_int_equal(gr->state, is_own ? DW_GRANT_STATE_REVOKED : DW_GRANT_STATE_LIVE);
        assert_int_equal(gr->is_over_stored, is_own);
    }
    uint32_t told = 0;
    for (uint32_t i = 0; i < sent.lines && i < DW_ARRAY_COUNT(sent.line); i++)
        told +=
            sent.line[i].kind == DW_STORY_GRANT && sent.line[i].value == DW_GRANT_CHANGE_REVOKED;
    assert_int_equal(told, 1);
    struct device *again = invite("Gil"); /* the same name and another passkey */
    assert_int_equal(ask_in(again), DW_PEOPLE_NO_PERMISSION);
    assert_int_equal(sent.outs, 0);
    assert_int_equal(sent.retracts, 0);
}

static void the_grant_says_when_and_how_often(void **state)
{
    (void)state;
    uint8_t id[16];
    begin_home();
    struct dw_ipc_people_ask m = grant_to(guest);
    m.grant.window_count = 2;
    m.grant.window[0] = (struct dw_week_window){600, 60};        /* Monday */
    m.grant.window[1] = (struct dw_week_window){1440 + 700, 40}; /* Tuesday 11:40 to 12:20 */
    m.grant.uses = 2;
    m.grant.per_day = 1;
    m.grant.kind = DW_VISIT_DROP;
    assert_int_equal(begin_act(m), DW_PEOPLE_NO_SCOPE); /* a guest stays */
    m.grant.kind = DW_VISIT_STAY;
    give_grant(&m, id);
    comes_in(guest);
    assert_int_equal(job_of_guest()->job.window.from_min, 700);
    assert_int_equal(job_of_guest()->job.window.to_min, 740);
    assert_int_equal(job_of_guest()->job.openings, 2);
    goes(guest);
    assert_int_equal(ask_in(guest), DW_PEOPLE_NO_PERMISSION); /* once a day */
    assert_int_equal(said(guest)->state, DW_GUEST_NOT_NOW);
    at_utc(NOON + INT64_C(60000) * 21);
    assert_int_equal(ask_in(guest), DW_PEOPLE_NO_EARLY);
    at_utc(NOON + INT64_C(6) * 86400000); /* Monday at noon */
    assert_int_equal(ask_in(guest), DW_PEOPLE_NO_EARLY);
    assert_int_equal(said(guest)->state, DW_GUEST_NOT_NOW);
    at_utc(NOON + INT64_C(7) * 86400000);
    comes_in(guest);
    goes(guest);
    at_utc(NOON + INT64_C(14) * 86400000);
    assert_int_equal(ask_in(guest), DW_PEOPLE_NO_PERMISSION); /* twice in all */
    set_wall(NOON, NOON + 600000);                            /* the hub is not sure of the time */
    assert_int_equal(ask_in(guest), DW_PEOPLE_NO_CLOCK);
}

/* The window that was open at the question is over at the slide. */
static void the_window_is_looked_at_again_at_the_slide(void **state)
{
    (void)state;
    uint8_t id[16];
    begin_home();
    struct dw_ipc_people_ask m = grant_to(guest);
    m.grant.window[0] = (struct dw_week_window){1440 + 700, 21};
    give_grant(&m, id);
    assert_int_equal(asked(guest), DW_CHECK_NONE);
    struct dw_stop stop;
    read_stop(guest, &stop);
    at_utc(NOON + 61000);
    assert_int_equal(slide_over(&stop, guest->member, guest, &right), DW_PEOPLE_NO_NONE);
    assert_int_equal(said(guest)->check, DW_CHECK_LATE);
    assert_int_equal(sent.retracts, 0);
}

static void one_that_asks_waits_for_a_yes(void **state)
{
    (void)state;
    uint8_t id[16];
    begin_home();
    struct dw_ipc_people_ask m = grant_to(guest);
    m.grant.mode = DW_GRANT_ASK;
    give_grant(&m, id);
    guests_tidy(&g);
    assert_int_equal(said(guest)->state, DW_GUEST_CAN_ASK);
    assert_int_equal(asked(guest), DW_CHECK_PERMISSION);
    assert_int_equal(said(guest)->state, DW_GUEST_WAITS_YES);
    house_tell_some(&g);
    assert_true(sent.job.needs_yes);
    assert_int_equal(sent.job.guest, guest->member);
    const struct job_slot *job = job_of_guest();
    struct dw_ipc_people_ask wish = {
        .op = DW_PEOPLE_WISH, .member = owner->member, .wish = DW_WISH_PLACE, .text = "garage"};
    memcpy(wish.id, job->job.job, 16);
    assert_int_equal(tell_guard(&wish), DW_PEOPLE_NO_NO_SUCH); /* an agency's to follow */
    wish.text[0] = 0;
    wish.wish = DW_WISH_DECLINE;
    assert_int_equal(tell_guard(&wish), DW_PEOPLE_NO_NONE);
    assert_int_equal(asked(guest), DW_CHECK_PERMISSION); /* asking anew is no way round a no */
    assert_int_equal(said(guest)->state, DW_GUEST_NOT_NOW);
    restart();
    assert_int_equal(asked(guest), DW_CHECK_PERMISSION);
    wish.wish = DW_WISH_ACCEPT;
    assert_int_equal(tell_guard(&wish), DW_PEOPLE_NO_NONE);
    restart();
    assert_int_equal(said(guest)->state, DW_GUEST_CAN_ASK);
    comes_in(guest);
    static const uint8_t zero[16];
    struct dw_ipc_people_ask stop = {
        .op = DW_PEOPLE_WISH, .member = owner->member, .wish = DW_WISH_STOP_AGENCY};
    memcpy(stop.id, zero, 16);
    assert_int_equal(tell_guard(&stop), DW_PEOPLE_NO_NO_SUCH);
    assert_int_equal(sent.wishes, 0);
    assert_int_equal(sent.outs, 0);
    assert_int_equal(messages(), 0);
}

static void a_veto_and_a_recovery_hold_for_guests(void **state)
{
    (void)state;
    test_grant_wait_ms = 600000;
    close_guard();
    open_guard();
    begin_home();
    uint8_t id[16];
    struct dw_ipc_people_ask m = grant_to(guest);
    give_grant(&m, id);
    assert_int_equal(ask_in(guest), DW_PEOPLE_NO_PERMISSION); /* somebody may still object */
    struct device *bo = member(owner, DW_MEMBER_OCCUPANT, "Bo");
    struct dw_ipc_people_ask veto = {.op = DW_PEOPLE_VETO, .member = bo->member};
    memcpy(veto.id, id, 16);
    assert_int_equal(tell_guard(&veto), DW_PEOPLE_NO_NONE);
    m = grant_to(guest);
    give_grant(&m, id);
    mono_ms += 600000;
    authority_tidy(&g);
    g.people.book.is_recovering = true;
    pass_locked(12000);
    assert_int_equal(asked(guest), DW_CHECK_PERMISSION);
    g.people.book.is_recovering = false;
    assert_int_equal(asked(guest), DW_CHECK_NONE);
    g.people.book.epoch_least = g.people.book.epoch + 1; /* as after a recovery [I48] */
    assert_int_equal(slide_by(guest), DW_PEOPLE_NO_NONE);
    assert_int_equal(said(guest)->check, DW_CHECK_PERMISSION);
    assert_int_equal(sent.retracts, 0);
}

static void a_restored_backup_takes_no_guests(void **state)
{
    (void)state;
    begin_home();
    permit_guest(guest);
    authority_restored(&g);
    guests_tidy(&g);
    assert_int_equal(said(guest)->state, DW_GUEST_NOT_NOW);
    assert_int_equal(asked(guest), DW_CHECK_RECORD);
    assert_int_equal(said(guest)->outcome, DW_OUTCOME_REFUSED);
    authority_acknowledged(&g, guest->member); /* not for a guest to say */
    assert_int_equal(asked(guest), DW_CHECK_RECORD);
    authority_acknowledged(&g, owner->member);
    flush();
    comes_in(guest);
}

/* ---- restarts ---- */

static void note_nonce(void *ctx, struct dw_view nonce, struct dw_view b, int64_t c, int64_t d)
{
    (void)b, (void)c, (void)d;
    *(size_t *)ctx = nonce.len;
}

static void a_restart_forgets_no_use(void **state)
{
    (void)state;
    size_t nonce = 99;
    begin_home();
    permit_guest(guest);
    comes_in(guest);
    restart(); /* in the middle: the bolt was withdrawn */
    store_each_open_visit(g.store, note_nonce, &nonce);
    assert_int_equal(nonce, 0); /* nobody but the household waits for a receipt */
    struct dw_event ev = {.type = DW_EV_RESTARTED};
    guard_feed(&g, &ev);
    go_in_and_out();
    pass_locked(10000);
    flush();
    assert_int_equal(only_grant()->used, 1);
    struct job_slot *job = job_of_guest();
    assert_non_null(job);
    assert_int_equal(job->openings_used, 1);
    uint8_t before[16];
    memcpy(before, job->job.job, 16);
    assert_int_equal(asked(guest), DW_CHECK_UNACCOUNTED); /* the household must look first */
    ev.type = DW_EV_OWNER_ACKNOWLEDGE;
    guard_feed(&g, &ev);
    comes_in(guest);
    assert_memory_equal(hello_of(&g, g.door.visit)->asked.job, before, 16);
    assert_int_equal(only_grant()->used, 2);
    assert_int_equal(sent.outs, 0);
    assert_int_equal(messages(), 0);
}

/* ---- the service and the agencies ---- */

static void no_agency_comes_on_a_guests_grant(void **state)
{
    (void)state;
    uint8_t id[16];
    begin_home();
    struct dw_ipc_people_ask m = grant_to(guest);
    give_grant(&m, id);
    introduce(&agency, 0, "Nobody"); /* the id of no agency */
    authority_tell(&g);
    assert_int_equal(sent.grants.agency_count, 0);
    introduce(&agency, 1, "Agency");
    authority_tell(&g);
    assert_true(sent.grants.agency[0].is_waiting);
    struct dw_job j = job_of(1, DW_VISIT_STAY);
    give_as(&agency, id, &j);
    assert_null(link_job(&g, j.job));
    /* Somebody who has the agency's key and is a guest with it: the grant is still no agency's. */
    memcpy(g.authority.grant[0].said.grantee, agency.key.thumb, 32);
    give_as(&agency, id, &j);
    assert_null(link_job(&g, j.job));
    /* Nor comes a guest on an agency's, with the agency's own key as a passkey. */
    struct grant *theirs = authority_grant(&g, permit(DW_VISIT_STAY));
    dw_chain_passkey_thumb(&guests_passkey(&g, guest->member)->key, theirs->said.grantee);
    assert_int_equal(theirs->state, DW_GRANT_STATE_LIVE);
    assert_int_equal(ask_in(guest), DW_PEOPLE_NO_PERMISSION);
    assert_int_equal(sent.retracts, 0);
}

static void the_service_has_no_part_in_it(void **state)
{
    (void)state;
    begin_home();
    permit_guest(guest);
    assert_int_equal(asked(guest), DW_CHECK_NONE);
    uint64_t number = said(guest)->visit;
    struct job_slot *job = job_of_guest();
    struct dw_stop stop;
    read_stop(guest, &stop);
    /* Its stop for the guest's visit, with the guest's own proof ... */
    struct dw_evidence e = {.bytes_len = 0};
    struct dw_buf b = dw_buf_of(e.bytes, sizeof e.bytes);
    struct dw_ipc_people_ask made = {0};
    assert_false(dw_failed(dw_stop_write(&stop, &b)));
    e.bytes_len = (uint16_t)b.len;
    dw_chain_challenge(DW_STOP_CONTEXT, dw_view_of_buf(&b), made.challenge);
    sign(guest, &right, &made);
    memcpy(e.hub, stop.hub, 32);
    snprintf(e.context, sizeof e.context, "%s", DW_STOP_CONTEXT);
    e.credential_len = made.credential_len;
    e.auth_len = made.auth_len;
    e.client_len = made.client_data_len;
    e.signature_len = made.signature_len;
    memcpy(e.credential, made.credential, made.credential_len);
    memcpy(e.auth, made.auth, made.auth_len);
    memcpy(e.client, made.client_data, made.client_data_len);
    memcpy(e.signature, made.signature, made.signature_len);
    deliver_evidence(&e, &service);
    pass_locked(500);
    flush();
    assert_int_equal(sent.retracts, 0);
    /* ... its recall, its own question on the guest's job, the hub's manifest brought by it. */
    recall(&job->job, 5);
    assert_false(job->is_recalled);
    struct dw_event end = {.type = DW_EV_OWNER_END};
    guard_feed(&g, &end);
    struct dw_hello h = hello_to(&job->job, number, "");
    ask(&h);
    assert_int_equal(sent.offer.check, DW_CHECK_JOB);
    struct dw_ipc_link m = {.arrived_ms = mono_ms, .len = (uint16_t)(job->object_len + 1u)};
    m.bytes[0] = DW_LINK_KIND_MANIFEST;
    memcpy(m.bytes + 1, job->object, job->object_len);
    job->is_used = false;
    link_on_message(&g, &m);
    assert_null(job_of_guest());
    assert_int_equal(sent.retracts, 0);
}

/* [I45] One guest's tries shut out nobody else. */
static void tries_are_bounded(void **state)
{
    (void)state;
    begin_home();
    struct device *other = invite("Hal");
    permit_guest(guest);
    permit_guest(other);
    uint32_t tries = 0;
    while (ask_in(guest) != DW_PEOPLE_NO_TOO_MANY) {
        struct dw_event end = {.type = DW_EV_OWNER_END};
        guard_feed(&g, &end);
        assert_true(++tries < 100);
    }
    uint32_t handles = 0;
    for (size_t i = 0; i < VISITS_MAX; i++)
        handles += g.hellos[i].guest == guest->member;
    assert_int_equal(handles, 1); /* and push out nobody's question */
    uint32_t credit = g.people.ask_credit;
    assert_int_equal(ask_in(guest), DW_PEOPLE_NO_TOO_MANY);
    assert_int_equal(g.people.ask_credit, credit);
    comes_in(other);
    goes(other);
    pass_locked(12000); /* one more each six seconds: a question and a slide */
    comes_in(guest);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_guest_comes_and_goes),
        CASE(the_receipt_is_the_guests),
        CASE(a_guest_does_not_live_here),
        CASE(an_invitation_makes_one_passkey),
        CASE(guests_and_residents_take_no_places_of_each_other),
        CASE(only_the_passkey_of_the_grant),
        CASE(the_hub_names_nobody_by_itself),
        CASE(what_was_taken_away_is_gone),
        CASE(who_was_removed_comes_no_more),
        CASE(the_grant_says_when_and_how_often),
        CASE(the_window_is_looked_at_again_at_the_slide),
        CASE(one_that_asks_waits_for_a_yes),
        CASE(a_veto_and_a_recovery_hold_for_guests),
        CASE(a_restored_backup_takes_no_guests),
        CASE(a_restart_forgets_no_use),
        CASE(no_agency_comes_on_a_guests_grant),
        CASE(the_service_has_no_part_in_it),
        CASE(tries_are_bounded),
    };
    if (dw_failed(dw_crypto_init()))
        return 1;
    dw_os_init("guests_test");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
