/* The reference lock as a real process: what it refuses, what it does alone, what it survives. The
 * world file is the judge: not what the lock says but where the bolt is. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cases.h"
#include "core/types.h"
#include "crypto/signed.h"
#include "lock_home.h"
#include "os/os.h"

/* On top of the rule's own time: the lock ticks every 20 ms and the machine may be busy. */
#define SLACK_MS 1500

static struct lock_home home;
static struct lock_client client;

static int set_up(void **state)
{
    (void)state;
    lock_home_new(&home);
    client.fd = -1;
    if (!lock_home_start(&home))
        return -1;
    client_dial(&client, &home);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    client_hang_up(&client);
    lock_home_free(&home);
    return 0;
}

static int32_t bolt(void)
{
    return home.world->bolt_permille;
}

static void retract(uint32_t lease_ms)
{
    assert_int_equal(client_command(&client, &home, DW_LOCK_ACTION_RETRACT, lease_ms),
                     DW_LOCK_RESULT_ACCEPTED);
    assert_true(AWAIT(bolt() == 0, LOCK_HOME_BOLT_MS + SLACK_MS));
}

static void open_door(void)
{
    assert_true(dw_world_door(home.world, 800));
}

/* Until the lock itself says so. */
static bool told(enum dw_bolt want, uint32_t ms)
{
    uint64_t until = test_ms() + ms;
    do { /* at least once: what was told before proves nothing */
        if (!client_ask(&client, &home))
            return false;
    } while (home.status.bolt != want && test_ms() < until);
    return home.status.bolt == want;
}

static bool told_contact(enum dw_contact want)
{
    uint64_t until = test_ms() + SLACK_MS;
    do {
        if (!client_ask(&client, &home))
            return false;
    } while (home.status.contact != want && test_ms() < until);
    return home.status.contact == want;
}

/* A command built by hand from a fresh status; `change` spoils it. */
static enum dw_lock_result send_changed(void (*change)(struct dw_lock_command *))
{
    uint8_t bytes[512];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);

    assert_true(client_ask(&client, &home));
    struct dw_lock_command c = {.visit = 7,
                                .epoch = home.status.epoch,
                                .action = DW_LOCK_ACTION_RETRACT,
                                .counter = home.status.counter + 1,
                                .lease_ms = 1000,
                                .dwell_ms = 60000};
    memcpy(c.lock_nonce, home.status.lock_nonce, sizeof c.lock_nonce);
    if (change)
        change(&c);
    lock_home_sign(&home.hub, &c, &b);
    if (!client_send(&client, DW_LOCK_KIND_COMMAND, dw_view_of_buf(&b)) ||
        !client_answer(&client, &home))
        return DW_LOCK_RESULT_NONE;
    assert_memory_equal(home.answer.lock_nonce, c.lock_nonce, 32);
    assert_int_equal(home.answer.counter, c.counter);
    return (enum dw_lock_result)home.answer.result;
}

static void never_moved(uint32_t ms)
{
    assert_true(ALWAYS(bolt() == 1000, ms));
    assert_true(client_ask(&client, &home));
    assert_int_equal(home.status.bolt, DW_BOLT_THROWN);
    assert_int_equal(home.status.op_count, 0);
}

/* ---- status ---- */

static void status_is_bound_to_the_newest_ask(void **state)
{
    (void)state;
    assert_true(client_ask(&client, &home));
    assert_int_equal(home.status.bolt, DW_BOLT_THROWN);
    assert_int_equal(home.status.contact, DW_CONTACT_CLOSED);
    assert_int_equal(home.status.strike, DW_STRIKE_IN);
    assert_int_equal(home.status.boot_count, 1);
    assert_int_equal(home.status.epoch, 1);
    assert_int_equal(home.status.battery_pct, 87);
    assert_int_equal(home.status.throws_left, 870);
    struct dw_lock_status first = home.status;
    /* pushed once a second without being asked, bound to the same nonce */
    for (int i = 0; i < 2; i++)
        assert_int_equal(client_next(&client, &home, 1000 + SLACK_MS), DW_LOCK_KIND_STATUS);
    assert_memory_equal(home.status.nonce, home.ask_nonce, 32);
    assert_true(home.status.seq > first.seq && home.status.t_us > first.t_us);
    assert_int_equal(home.bad, 0);
}

static void nothing_is_said_before_an_ask(void **state)
{
    (void)state;
    assert_int_equal(client_next(&client, &home, 1500), 0);
}

static void change_is_pushed(void **state)
{
    (void)state;
    retract(3000);
    open_door();
    uint64_t until = test_ms() + SLACK_MS;
    while (home.status.contact != DW_CONTACT_OPEN && test_ms() < until)
        assert_true(client_next(&client, &home, SLACK_MS) > 0);
    assert_int_equal(home.status.contact, DW_CONTACT_OPEN);
    assert_int_equal(home.status.cause, DW_CAUSE_COMMAND);
    assert_int_equal(home.status.opening_count, 1);
    home.world->door_permille = 0;
    assert_true(told(DW_BOLT_THROWN, LOCK_HOME_SETTLE_MS + LOCK_HOME_BOLT_MS + SLACK_MS));
    assert_true(home.status.closed_us > 0 && home.status.closed_us <= home.status.t_us);
    assert_int_equal(home.status.op_count, 2);
}

/* ---- what it does alone ---- */

/* [I16] closed and retracted lasts at most lease + T_bolt, with nobody connected */
static void lease_ends_with_the_link_cut(void **state)
{
    (void)state;
    uint64_t from = test_ms();
    retract(800);
    client_hang_up(&client);
    assert_true(AWAIT(bolt() == 1000, 800 + LOCK_HOME_BOLT_MS + SLACK_MS));
    assert_true(test_ms() - from >= 700); /* and not at once: the lease was honoured */
}

/* [I17] closing throws, with nobody connected; [I18] never while open */
static void closing_throws_with_the_link_cut(void **state)
{
    (void)state;
    retract(500);
    client_hang_up(&client);
    open_door();
    assert_true(ALWAYS(bolt() == 0, 500 + LOCK_HOME_BOLT_MS + 500)); /* beyond the lease */
    home.world->door_permille = 0;
    assert_true(AWAIT(bolt() >= 990, LOCK_HOME_SETTLE_MS + LOCK_HOME_BOLT_MS + SLACK_MS));
}

/* [I18] */
static void throw_on_an_open_door_is_refused(void **state)
{
    (void)state;
    retract(3000);
    open_door();
    assert_true(told_contact(DW_CONTACT_OPEN));
    assert_int_equal(client_command(&client, &home, DW_LOCK_ACTION_THROW, 0),
                     DW_LOCK_RESULT_DOOR_OPEN);
    assert_true(ALWAYS(bolt() == 0, LOCK_HOME_BOLT_MS + 300));
}

static void throw_command_ends_the_lease(void **state)
{
    (void)state;
    retract(LOCK_HOME_LEASE_MS);
    assert_int_equal(client_command(&client, &home, DW_LOCK_ACTION_THROW, 0),
                     DW_LOCK_RESULT_ACCEPTED);
    assert_true(AWAIT(bolt() >= 990, LOCK_HOME_BOLT_MS + SLACK_MS));
}

/* A leaf ajar within the magnet's play reads as closed; the bolt meets the frame: never "thrown".
 */
static void ajar_is_jammed_not_thrown(void **state)
{
    (void)state;
    retract(1000);
    open_door();
    assert_true(told_contact(DW_CONTACT_OPEN));
    home.world->door_permille = 10;
    uint64_t until = test_ms() + LOCK_HOME_SETTLE_MS + LOCK_HOME_BOLT_MS + SLACK_MS;
    do {
        assert_true(client_ask(&client, &home));
        assert_int_not_equal(home.status.bolt, DW_BOLT_THROWN);
    } while (home.status.bolt != DW_BOLT_JAMMED && test_ms() < until);
    assert_int_equal(home.status.bolt, DW_BOLT_JAMMED);
}

static void jam_is_told_buzzed_and_retried(void **state)
{
    (void)state;
    retract(600);
    home.world->bolt_blocked = 1;
    uint64_t until = test_ms() + 600 + LOCK_HOME_BOLT_MS + 2 * SLACK_MS;
    do {
        assert_true(client_ask(&client, &home));
        assert_int_not_equal(home.status.bolt, DW_BOLT_THROWN);
    } while (home.status.bolt != DW_BOLT_JAMMED && test_ms() < until);
    assert_int_equal(home.status.bolt, DW_BOLT_JAMMED);
    assert_true(bolt() <= 500);
    assert_int_equal(home.world->buzzer, 1);
    /* no opening from a jammed bolt: the lock is not in a known state */
    assert_int_not_equal(client_command(&client, &home, DW_LOCK_ACTION_RETRACT, 500),
                         DW_LOCK_RESULT_ACCEPTED);
    home.world->bolt_blocked = 0;
    assert_true(told(DW_BOLT_THROWN, LOCK_HOME_RETRY_MS + LOCK_HOME_BOLT_MS + SLACK_MS));
    assert_true(AWAIT(home.world->buzzer == 0, SLACK_MS));
}

static void door_held_open_buzzes(void **state)
{
    (void)state;
    lock_home_end(&home, SIGTERM);
    client_hang_up(&client);
    snprintf(home.settings, sizeof home.settings, "dwell_ms_max = 60000\n");
    assert_true(lock_home_start(&home));
    client_dial(&client, &home);
    uint8_t bytes[512];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    assert_true(client_ask(&client, &home));
    struct dw_lock_command c = {.visit = 7,
                                .epoch = 1,
                                .action = DW_LOCK_ACTION_RETRACT,
                                .counter = home.status.counter + 1,
                                .lease_ms = 2000,
                                .dwell_ms = 600};
    memcpy(c.lock_nonce, home.status.lock_nonce, 32);
    lock_home_sign(&home.hub, &c, &b);
    assert_true(client_send(&client, DW_LOCK_KIND_COMMAND, dw_view_of_buf(&b)));
    assert_true(client_answer(&client, &home));
    assert_int_equal(home.answer.result, DW_LOCK_RESULT_ACCEPTED);
    assert_true(AWAIT(bolt() == 0, LOCK_HOME_BOLT_MS + SLACK_MS));
    open_door();
    assert_true(AWAIT(home.world->buzzer == 1, 600 + SLACK_MS));
    home.world->door_permille = 0;
    assert_true(AWAIT(home.world->buzzer == 0, SLACK_MS));
    assert_true(AWAIT(bolt() >= 990, LOCK_HOME_SETTLE_MS + LOCK_HOME_BOLT_MS + SLACK_MS));
}

/* ---- inside always opens [I20] ---- */

static void handle_opens_and_is_told(void **state)
{
    (void)state;
    home.world->handle_inside = 1;
    assert_true(AWAIT(bolt() == 0, SLACK_MS));
    open_door();
    assert_true(told_contact(DW_CONTACT_OPEN));
    assert_int_equal(home.status.cause, DW_CAUSE_INSIDE);
    assert_int_equal(home.status.opening_count, 1);
    home.world->handle_inside = 0;
    home.world->door_permille = 0;
    assert_true(told(DW_BOLT_THROWN, LOCK_HOME_SETTLE_MS + LOCK_HOME_BOLT_MS + SLACK_MS));
}

static void handle_wins_against_a_running_motor(void **state)
{
    (void)state;
    retract(500);
    assert_true(AWAIT(bolt() > 100, 500 + SLACK_MS)); /* throwing by the lease */
    home.world->handle_inside = 1;
    assert_true(AWAIT(bolt() == 0, SLACK_MS));
    assert_true(ALWAYS(bolt() == 0, LOCK_HOME_BOLT_MS));
    open_door();
    home.world->handle_inside = 0;
    assert_true(told_contact(DW_CONTACT_OPEN));
    assert_int_equal(home.status.cause, DW_CAUSE_INSIDE);
}

static void handle_works_without_power(void **state)
{
    (void)state;
    home.world->lock_power = 0;
    home.world->handle_inside = 1;
    assert_true(AWAIT(bolt() == 0, SLACK_MS));
}

/* [I19] each opening has its cause */
static void key_is_told_apart(void **state)
{
    (void)state;
    home.world->key_outside = 1;
    assert_true(AWAIT(bolt() == 0, SLACK_MS));
    open_door();
    home.world->key_outside = 0;
    assert_true(told_contact(DW_CONTACT_OPEN));
    assert_int_equal(home.status.cause, DW_CAUSE_KEY);
}

static void forced_door_is_told(void **state)
{
    (void)state;
    assert_true(client_ask(&client, &home));
    home.world->door_permille = 500; /* the frame gave way */
    assert_true(told_contact(DW_CONTACT_OPEN));
    assert_int_equal(home.status.cause, DW_CAUSE_FORCED);
}

/* ---- refusals ---- */

static void change_nonce(struct dw_lock_command *c)
{
    c->lock_nonce[5] ^= 1;
}
static void change_counter_same(struct dw_lock_command *c)
{
    c->counter--;
}
static void change_epoch_up(struct dw_lock_command *c)
{
    c->epoch++;
}
static void change_epoch_down(struct dw_lock_command *c)
{
    c->epoch = 0;
}
static void change_lease_none(struct dw_lock_command *c)
{
    c->lease_ms = 0;
}
static void change_lease_long(struct dw_lock_command *c)
{
    c->lease_ms = LOCK_HOME_LEASE_MS + 1;
}
static void change_dwell_long(struct dw_lock_command *c)
{
    c->dwell_ms = 180001;
}

/* [I8] nonce and counter, [I21] battery, [I32] an unknown contact is not a closed one */
static void refusals_of_a_locked_door(void **state)
{
    static const struct {
        const char *name;
        void (*change)(struct dw_lock_command *);
        enum dw_lock_result want;
    } rows[] = {
        {"nonce never offered", change_nonce, DW_LOCK_RESULT_STALE_NONCE},
        {"counter used", change_counter_same, DW_LOCK_RESULT_STALE_COUNTER},
        {"epoch of the future", change_epoch_up, DW_LOCK_RESULT_WRONG_EPOCH},
        {"epoch of the past", change_epoch_down, DW_LOCK_RESULT_WRONG_EPOCH},
        {"no lease", change_lease_none, DW_LOCK_RESULT_BAD_LEASE},
        {"lease too long", change_lease_long, DW_LOCK_RESULT_BAD_LEASE},
        {"dwell too long", change_dwell_long, DW_LOCK_RESULT_BAD_LEASE},
    };
    (void)state;
    for (size_t i = 0; i < DW_ARRAY_COUNT(rows); i++) {
        enum dw_lock_result got = send_changed(rows[i].change);
        if (got != rows[i].want)
            fail_msg("%s: result %d, not %d", rows[i].name, (int)got, (int)rows[i].want);
        assert_int_equal(bolt(), 1000);
    }
    home.world->battery_pct = 0;
    assert_true(AWAIT(client_ask(&client, &home) && home.status.throws_left == 0, SLACK_MS));
    assert_int_equal(send_changed(NULL), DW_LOCK_RESULT_BATTERY);
    home.world->battery_pct = 87;
    home.world->contact_broken = 1;
    assert_true(told_contact(DW_CONTACT_UNKNOWN));
    assert_int_equal(send_changed(NULL), DW_LOCK_RESULT_SENSOR);
    home.world->contact_broken = 0;
    assert_true(told_contact(DW_CONTACT_CLOSED));
    never_moved(300);
    assert_int_equal(send_changed(NULL), DW_LOCK_RESULT_ACCEPTED); /* what was spoiled was good */
    assert_true(AWAIT(bolt() == 0, LOCK_HOME_BOLT_MS + SLACK_MS));
    assert_int_equal(send_changed(NULL), DW_LOCK_RESULT_NOT_THROWN);
    open_door();
    assert_true(told_contact(DW_CONTACT_OPEN));
    assert_int_equal(send_changed(NULL), DW_LOCK_RESULT_DOOR_OPEN);
}

static void second_command_while_moving_is_refused(void **state)
{
    (void)state;
    assert_int_equal(client_command(&client, &home, DW_LOCK_ACTION_RETRACT, 3000),
                     DW_LOCK_RESULT_ACCEPTED);
    enum dw_lock_result r = client_command(&client, &home, DW_LOCK_ACTION_RETRACT, 3000);
    /* on a slow machine the bolt may have arrived already */
    assert_true(r == DW_LOCK_RESULT_BUSY || r == DW_LOCK_RESULT_NOT_THROWN);
}

/* [I8] A retract that answers an old status is late, whatever delayed it. */
static void retract_on_an_old_status_is_refused(void **state)
{
    uint8_t bytes[512];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    (void)state;
    assert_true(client_ask(&client, &home));
    lock_home_command(&home, DW_LOCK_ACTION_RETRACT, 1000, &b);
    uint64_t from = home.status.t_us;
    while (home.status.t_us - from < 3300000) /* the lock's own clock says when it is too old */
        assert_true(client_next(&client, &home, 3000) > 0);
    assert_true(client_send(&client, DW_LOCK_KIND_COMMAND, dw_view_of_buf(&b)));
    assert_true(client_answer(&client, &home));
    assert_int_equal(home.answer.result, DW_LOCK_RESULT_STALE_NONCE);
    never_moved(300);
}

static void replayed_bytes_are_refused(void **state)
{
    uint8_t bytes[512];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    (void)state;
    assert_true(client_ask(&client, &home));
    lock_home_command(&home, DW_LOCK_ACTION_RETRACT, 500, &b);
    struct dw_view command = dw_view_of_buf(&b);
    assert_true(client_send(&client, DW_LOCK_KIND_COMMAND, command));
    assert_true(client_answer(&client, &home));
    assert_int_equal(home.answer.result, DW_LOCK_RESULT_ACCEPTED);
    assert_true(AWAIT(bolt() == 0, LOCK_HOME_BOLT_MS + SLACK_MS));
    assert_true(AWAIT(bolt() >= 990, 500 + LOCK_HOME_BOLT_MS + SLACK_MS));
    assert_true(told(DW_BOLT_THROWN, SLACK_MS));
    for (int i = 0; i < 3; i++) { /* the same link, a new link, a lock that was started anew */
        uint32_t ops = home.status.op_count;
        assert_true(client_send(&client, DW_LOCK_KIND_COMMAND, command));
        assert_true(client_answer(&client, &home));
        assert_int_equal(home.answer.result, DW_LOCK_RESULT_STALE_NONCE);
        assert_true(ALWAYS(bolt() >= 990, 300));
        assert_true(client_ask(&client, &home));
        assert_int_equal(home.status.op_count, ops);
        client_hang_up(&client);
        if (i == 1) {
            lock_home_end(&home, SIGKILL);
            assert_true(lock_home_start(&home));
        }
        client_dial(&client, &home);
    }
}

/* ---- bytes that do not verify ---- */

static void closes_after_failures(uint8_t kind, struct dw_view body)
{
    uint32_t answers = home.answers;
    for (int i = 0; i < 5; i++)
        assert_true(client_send(&client, kind, body));
    int got;
    while ((got = client_next(&client, &home, 3000)) > 0)
        ; /* statuses that were under way */
    assert_int_equal(got, -1);
    assert_int_equal(home.answers, answers); /* and nothing was answered */
    client_hang_up(&client);
    client_dial(&client, &home);
    never_moved(100);
}

static void another_key_is_not_heard(void **state)
{
    uint8_t bytes[512];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    struct dw_secret other;
    (void)state;
    dw_secret_new(&other);
    assert_true(client_ask(&client, &home));
    struct dw_lock_command c = {.visit = 7,
                                .epoch = 1,
                                .action = DW_LOCK_ACTION_RETRACT,
                                .counter = 1,
                                .lease_ms = 1000,
                                .dwell_ms = 1000};
    memcpy(c.lock_nonce, home.status.lock_nonce, 32);
    lock_home_sign(&other, &c, &b);
    closes_after_failures(DW_LOCK_KIND_COMMAND, dw_view_of_buf(&b));
}

static void another_context_is_not_heard(void **state)
{
    uint8_t bytes[512], payload[512];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes), p = dw_buf_of(payload, sizeof payload);
    (void)state;
    assert_true(client_ask(&client, &home));
    struct dw_lock_command c = {.visit = 7,
                                .epoch = 1,
                                .action = DW_LOCK_ACTION_RETRACT,
                                .counter = 1,
                                .lease_ms = 1000,
                                .dwell_ms = 1000};
    memcpy(c.lock_nonce, home.status.lock_nonce, 32);
    assert_false(dw_failed(dw_lock_command_write(&c, &p)));
    assert_false(dw_failed(dw_signed_make(&home.hub, DW_CONTEXT_LOCK_ASK, dw_view_of_buf(&p), &b)));
    closes_after_failures(DW_LOCK_KIND_COMMAND, dw_view_of_buf(&b));
    /* a good command under another kind's number */
    b.len = 0;
    assert_true(client_ask(&client, &home));
    lock_home_command(&home, DW_LOCK_ACTION_RETRACT, 1000, &b);
    closes_after_failures(DW_LOCK_KIND_ASK, dw_view_of_buf(&b));
    assert_true(client_ask(&client, &home));
    closes_after_failures(200, dw_view_of_buf(&b));
}

static void truncated_commands_do_nothing(void **state)
{
    uint8_t bytes[512];
    (void)state;
    assert_true(client_ask(&client, &home));
    for (size_t cut = 0, sent = 0;; cut++) {
        struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
        lock_home_command(&home, DW_LOCK_ACTION_RETRACT, 1000, &b);
        if (cut >= b.len)
            break;
        if (sent++ == 4) { /* the fifth would close the link */
            client_hang_up(&client);
            client_dial(&client, &home);
            assert_true(client_ask(&client, &home));
            sent = 1;
        }
        assert_true(client_send(&client, DW_LOCK_KIND_COMMAND, dw_view_of(bytes, b.len - 1 - cut)));
    }
    never_moved(100);
    assert_int_equal(home.answers, 0);
}

static void framing_faults_close_the_link(void **state)
{
    static const uint8_t zero[] = {0, 0, 0, 0, 3}, large[] = {0, 1, 0, 0, 3, 1, 2},
                         huge[] = {0xff, 0xff, 0xff, 0xff, 3};
    static const struct {
        const uint8_t *bytes;
        size_t len;
    } rows[] = {{zero, sizeof zero}, {large, sizeof large}, {huge, sizeof huge}};
    (void)state;
    for (size_t i = 0; i < DW_ARRAY_COUNT(rows); i++) {
        assert_true(client_ask(&client, &home));
        assert_true(client_raw(&client, rows[i].bytes, rows[i].len));
        int got;
        while ((got = client_next(&client, &home, 3000)) > 0)
            ;
        assert_int_equal(got, -1);
        client_hang_up(&client);
        client_dial(&client, &home);
    }
    never_moved(100);
}

/* The link is quiet about half a message and does not wait for ever for an ask. */
static void half_a_message_is_closed_in_time(void **state)
{
    static const uint8_t half[] = {0, 0, 0, 100, 3, 1, 2, 3};
    (void)state;
    assert_true(client_raw(&client, half, sizeof half));
    assert_int_equal(client_next(&client, &home, 5000 + 2 * SLACK_MS), -1);
}

static uint64_t seed;
static uint32_t rnd(uint32_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % below;
}

static size_t mutate(uint8_t *bytes, size_t len, size_t cap)
{
    uint32_t kind = rnd(5), n = 1 + rnd(8);
    switch (kind) {
    case 0: return rnd((uint32_t)len); /* cut */
    case 1:                            /* grow */
        for (uint32_t i = 0; i < n && len < cap; i++)
            bytes[len++] = (uint8_t)rnd(256);
        return len;
    case 2: /* one bit */ bytes[rnd((uint32_t)len)] ^= (uint8_t)(1u << rnd(8)); return len;
    case 3: { /* take a piece out */
        size_t at = rnd((uint32_t)len - 9);
        memmove(bytes + at, bytes + at + n, len - at - n);
        return len - n;
    }
    default: /* some bytes */
        for (uint32_t i = 0; i < n; i++)
            bytes[rnd((uint32_t)len)] += (uint8_t)(1 + rnd(255));
        return len;
    }
}

/* [I44] 10,000 changed commands, each of them made from one that would have opened the door. */
static void mutated_commands_never_move_the_bolt(void **state)
{
    const char *given = getenv("DW_SEED");
    uint32_t total = 10000, same = 0;
    (void)state;
    seed = given ? (uint64_t)strtoull(given, NULL, 10) : test_ms();
    print_message("seed %llu (DW_SEED)\n", (unsigned long long)seed);
    for (uint32_t done = 0; done < total;) {
        uint8_t good[512];
        struct dw_buf b = dw_buf_of(good, sizeof good);
        assert_true(client_ask(&client, &home));
        lock_home_command(&home, DW_LOCK_ACTION_RETRACT, 1000, &b);
        for (int i = 0; i < 5; i++) {
            uint8_t bad[640];
            memcpy(bad, good, b.len);
            size_t len = mutate(bad, b.len, sizeof bad);
            if (len == b.len && memcmp(bad, good, len) == 0) {
                same++;
                continue;
            }
            uint8_t kind = rnd(20) == 0 ? (uint8_t)rnd(256) : DW_LOCK_KIND_COMMAND;
            if (!client_send(&client, kind, dw_view_of(bad, len)))
                break;
            done++;
        }
        assert_int_equal(bolt(), 1000);
        client_hang_up(&client);
        client_dial(&client, &home);
    }
    print_message("%u of them were as good as the original and not sent\n", same);
    never_moved(200);
    assert_int_equal(home.answers, 0);
    retract(500); /* an unchanged one opens: what was changed was worth changing */
}

/* ---- crashes and power ---- */

/* [I11] used up before it acts, [I12] nothing survives, [I37] movements are never too few */
static void crash_while_moving_ends_locked(void **state)
{
    (void)state;
    for (int round = 0; round < 6; round++) {
        bool in_throw = round % 2 == 0;
        assert_true(told(DW_BOLT_THROWN, 3 * SLACK_MS));
        struct dw_lock_status before = home.status;
        assert_int_equal(client_command(&client, &home, DW_LOCK_ACTION_RETRACT, 600),
                         DW_LOCK_RESULT_ACCEPTED);
        uint32_t counter = home.answer.counter;
        if (in_throw) {
            assert_true(AWAIT(bolt() == 0, LOCK_HOME_BOLT_MS + SLACK_MS));
            assert_true(AWAIT(bolt() > 0, 600 + SLACK_MS));
        } else {
            assert_true(AWAIT(bolt() < 900, SLACK_MS)); /* out of the strike for good */
        }
        lock_home_end(&home, SIGKILL);
        client_hang_up(&client);
        assert_true(lock_home_start(&home));
        client_dial(&client, &home);
        assert_true(AWAIT(bolt() >= 990, LOCK_HOME_SETTLE_MS + LOCK_HOME_BOLT_MS + SLACK_MS));
        assert_true(told(DW_BOLT_THROWN, SLACK_MS));
        assert_int_equal(home.status.counter, counter); /* used up before the motor moved */
        assert_int_equal(home.status.boot_count, before.boot_count + 1);
        assert_memory_not_equal(home.status.boot_seed, before.boot_seed, 16);
        /* at most one too many, never too few: out of the strike and back is two */
        assert_true(home.status.op_count >= before.op_count + 2);
        assert_true(home.status.op_count <= before.op_count + 3);
    }
}

/* [I12] */
static void power_cut_voids_the_lease(void **state)
{
    uint8_t bytes[512];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    (void)state;
    retract(1000);
    assert_true(client_ask(&client, &home));
    struct dw_lock_status before = home.status;
    lock_home_command(&home, DW_LOCK_ACTION_RETRACT, 1000, &b);
    home.world->lock_power = 0;
    while (client_next(&client, &home, 2500) > 0)
        ;                        /* what was under way; then silence */
    assert_int_equal(bolt(), 0); /* beyond the lease: without power nothing moves */
    home.world->lock_power = 1;
    assert_true(AWAIT(bolt() >= 990, LOCK_HOME_SETTLE_MS + LOCK_HOME_BOLT_MS + SLACK_MS));
    assert_int_equal(client_next(&client, &home, 3000), -1); /* it forgot its connections */
    client_hang_up(&client);
    client_dial(&client, &home);
    assert_true(told(DW_BOLT_THROWN, SLACK_MS));
    assert_int_equal(home.status.boot_count, before.boot_count + 1);
    assert_memory_not_equal(home.status.boot_seed, before.boot_seed, 16);
    assert_true(client_send(&client, DW_LOCK_KIND_COMMAND, dw_view_of_buf(&b)));
    assert_true(client_answer(&client, &home));
    assert_int_equal(home.answer.result, DW_LOCK_RESULT_STALE_NONCE);
}

static void started_ajar_it_waits(void **state)
{
    (void)state;
    client_hang_up(&client);
    lock_home_end(&home, SIGKILL);
    home.world->bolt_permille = 400;
    home.world->door_permille = 500;
    assert_true(lock_home_start(&home));
    assert_true(ALWAYS(bolt() == 400, LOCK_HOME_SETTLE_MS + LOCK_HOME_BOLT_MS + 300));
}

/* [I49] */
static void new_epoch_voids_old_commands(void **state)
{
    (void)state;
    assert_int_equal(send_changed(NULL), DW_LOCK_RESULT_ACCEPTED);
    assert_true(told(DW_BOLT_THROWN, 1000 + LOCK_HOME_BOLT_MS + 2 * SLACK_MS));
    client_hang_up(&client);
    lock_home_end(&home, SIGTERM);
    snprintf(home.settings, sizeof home.settings, "epoch = 2\n");
    assert_true(lock_home_start(&home));
    client_dial(&client, &home);
    assert_int_equal(send_changed(change_epoch_down), DW_LOCK_RESULT_WRONG_EPOCH);
    assert_int_equal(home.status.epoch, 2);
    assert_int_equal(home.status.counter, 0);
    assert_int_equal(send_changed(NULL), DW_LOCK_RESULT_ACCEPTED);
    client_hang_up(&client);
    lock_home_end(&home, SIGTERM);
    snprintf(home.settings, sizeof home.settings, "epoch = 1\n");
    assert_false(lock_home_start(&home)); /* it never falls */
}

static void damaged_state_stops_the_start(void **state)
{
    char path[256];
    (void)state;
    client_hang_up(&client);
    lock_home_end(&home, SIGTERM);
    assert_false(dw_failed(dw_path(path, sizeof path, home.folder, "state/lock.state")));
    FILE *f = fopen(path, "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, 30, SEEK_SET), 0);
    int c = fgetc(f);
    assert_int_equal(fseek(f, 30, SEEK_SET), 0);
    assert_true(fputc(c == '7' ? '8' : '7', f) != EOF);
    fclose(f);
    assert_false(lock_home_start(&home));
}

/* A disk that takes nothing: no opening, but locking goes on. */
static void full_disk_keeps_the_door_lockable(void **state)
{
    char path[256], aside[256];
    (void)state;
    retract(LOCK_HOME_LEASE_MS);
    assert_false(dw_failed(dw_path(path, sizeof path, home.folder, "state")));
    assert_false(dw_failed(dw_path(aside, sizeof aside, home.folder, "gone")));
    assert_int_equal(rename(path, aside), 0);
    assert_int_equal(client_command(&client, &home, DW_LOCK_ACTION_THROW, 0),
                     DW_LOCK_RESULT_ACCEPTED);
    assert_true(AWAIT(bolt() >= 990, LOCK_HOME_BOLT_MS + SLACK_MS));
    assert_true(told(DW_BOLT_THROWN, SLACK_MS));
    assert_int_equal(client_command(&client, &home, DW_LOCK_ACTION_RETRACT, 1000),
                     DW_LOCK_RESULT_BUSY);
    assert_true(ALWAYS(bolt() >= 990, 300));
}

/* ---- connections ---- */

static void a_third_connection_takes_the_place_of_a_stranger(void **state)
{
    struct lock_client stranger, third;
    (void)state;
    assert_true(client_ask(&client, &home));
    client_dial(&stranger, &home);
    assert_int_equal(client_next(&stranger, &home, 100), 0); /* held, and told nothing */
    client_dial(&third, &home);
    assert_int_equal(client_next(&stranger, &home, 3000), -1);
    assert_true(client_ask(&client, &home)); /* the hub's own link is not the one that goes */
    assert_true(client_ask(&third, &home));
    struct lock_client fourth;
    client_dial(&fourth, &home); /* a hub that redials: now the oldest goes */
    int got;
    while ((got = client_next(&client, &home, 3000)) > 0)
        ;
    assert_int_equal(got, -1);
    assert_true(client_ask(&fourth, &home));
    client_hang_up(&stranger);
    client_hang_up(&third);
    client_hang_up(&fourth);
}

static void ends_in_good_order(void **state)
{
    (void)state;
    int status = lock_home_end(&home, SIGTERM);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(status_is_bound_to_the_newest_ask),
        CASE(nothing_is_said_before_an_ask),
        CASE(change_is_pushed),
        CASE(lease_ends_with_the_link_cut),
        CASE(closing_throws_with_the_link_cut),
        CASE(throw_on_an_open_door_is_refused),
        CASE(throw_command_ends_the_lease),
        CASE(ajar_is_jammed_not_thrown),
        CASE(jam_is_told_buzzed_and_retried),
        CASE(door_held_open_buzzes),
        CASE(handle_opens_and_is_told),
        CASE(handle_wins_against_a_running_motor),
        CASE(handle_works_without_power),
        CASE(key_is_told_apart),
        CASE(forced_door_is_told),
        CASE(refusals_of_a_locked_door),
        CASE(second_command_while_moving_is_refused),
        CASE(retract_on_an_old_status_is_refused),
        CASE(replayed_bytes_are_refused),
        CASE(another_key_is_not_heard),
        CASE(another_context_is_not_heard),
        CASE(truncated_commands_do_nothing),
        CASE(framing_faults_close_the_link),
        CASE(half_a_message_is_closed_in_time),
        CASE(mutated_commands_never_move_the_bolt),
        CASE(crash_while_moving_ends_locked),
        CASE(power_cut_voids_the_lease),
        CASE(started_ajar_it_waits),
        CASE(new_epoch_voids_old_commands),
        CASE(damaged_state_stops_the_start),
        CASE(full_disk_keeps_the_door_lockable),
        CASE(a_third_connection_takes_the_place_of_a_stranger),
        CASE(ends_in_good_order),
    };
    return dw_cases_run(tests, DW_ARRAY_COUNT(tests), argc > 1 ? argv[1] : NULL);
}
