/* tests/adapters/zigbee_cases.c - what is special about a lock behind Zigbee2MQTT.
 *
 * The promises that every lock keeps are in lock_conformance.c; here are those of
 * adapters/lock/zigbee2mqtt.h: class and reason, what counts as fresh, what happens when the
 * broker, the bridge or the radio goes. One bridge for all cases.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "adapters/lock/zigbee2mqtt.h"
#include "hub/ipc.h"
#include "os/os.h"
#include "zigbee_home.h"

#define UP_MS    15000 /* after the start of a broker or bridge */
#define SENSE_MS 4000

static struct zigbee_home home;

struct door {
    uv_loop_t loop;
    uv_timer_t timer;
    void *lock;
    struct dw_ipc_lock_report now; /* newest report */
    bool is_up;
    uint32_t downs, reports, ever_retracted, ever_thrown_open;
};

static void on_report(void *ctx, const struct dw_ipc_lock_report *r)
{
    struct door *d = ctx;

    d->now = *r;
    d->reports++;
    d->ever_retracted += r->bolt == DW_BOLT_RETRACTED;
    /* A class B claim always has its evidence. */
    if (r->lock_class == DW_LOCK_B) {
        assert_true(d->is_up && r->is_reachable && r->has_relock && r->relock_s > 0);
        assert_int_not_equal(r->contact, DW_CONTACT_UNKNOWN);
        assert_string_equal(r->why, "");
    } else {
        assert_string_not_equal(r->why, "");
    }
    assert_int_equal(r->strike, DW_STRIKE_ABSENT);
}

static void on_link(void *ctx, bool is_up)
{
    struct door *d = ctx;

    assert_true(d->is_up != is_up);
    d->is_up = is_up;
    d->downs += !is_up;
}

static void on_signed(void *ctx, uint8_t kind, struct dw_view cose, dw_mono arrived)
{
    (void)ctx;
    (void)kind;
    (void)cose;
    (void)arrived;
    fail_msg("a lock behind Zigbee2MQTT signs nothing");
}

static void on_timer(uv_timer_t *timer)
{
    (void)timer;
}

/* Runs the loop until `x` holds, at most `ms`. */
#define AWAIT(d, x, ms)                                                                \
    do {                                                                               \
        dw_mono until_ = dw_mono_add(dw_now(), (ms));                                  \
        while (!(x) && dw_mono_before(dw_now(), until_))                               \
            (void)uv_run(&(d)->loop, UV_RUN_ONCE);                                     \
        if (!(x))                                                                      \
            fail_msg("%s did not come: bolt %s contact %s why '%s' asked %u", #x,      \
                     dw_bolt_word((enum dw_bolt)(d)->now.bolt),                        \
                     dw_contact_word((enum dw_contact)(d)->now.contact), (d)->now.why, \
                     (d)->now.ask_seq);                                                \
    } while (0)
/* Runs the loop for `ms`; `x` has to hold all the time. */
#define ALWAYS(d, x, ms)                              \
    do {                                              \
        dw_mono until_ = dw_mono_add(dw_now(), (ms)); \
        while (dw_mono_before(dw_now(), until_)) {    \
            assert_true(x);                           \
            (void)uv_run(&(d)->loop, UV_RUN_ONCE);    \
        }                                             \
    } while (0)

/* Everything that the adapter reads by itself at the start has come in. */
#define IS_READY(d) ((d)->now.lock_class == DW_LOCK_B && (d)->now.bolt == DW_BOLT_THROWN)

static void open_with(struct door *d, const char *device, const char *more)
{
    const struct dw_lock_sink sink = {on_signed, on_report, on_link, d};
    char settings[256], why[160] = "";

    memset(d, 0, sizeof(*d));
    assert_int_equal(uv_loop_init(&d->loop), 0);
    assert_int_equal(uv_timer_init(&d->loop, &d->timer), 0);
    assert_int_equal(uv_timer_start(&d->timer, on_timer, 10, 10), 0); /* so that AWAIT can look */
    (void)snprintf(settings, sizeof(settings), "broker=127.0.0.1:%u device=%s%s%s", home.mqtt_port,
                   device, more[0] != '\0' ? " " : "", more);
    if (dw_failed(dw_lock_zigbee2mqtt.open(&d->loop, settings, &sink, why, sizeof(why), &d->lock)))
        fail_msg("%s", why);
}

static void open_door(struct door *d)
{
    open_with(d, ZIGBEE_YALE, "contact=" ZIGBEE_CONTACT);
}

static void shut(struct door *d)
{
    dw_lock_zigbee2mqtt.close(d->lock);
    uv_close((uv_handle_t *)&d->timer, NULL);
    while (uv_run(&d->loop, UV_RUN_DEFAULT) != 0)
        ;
    assert_int_equal(uv_loop_close(&d->loop), 0); /* nothing is left behind */
}

static dw_err command(struct door *d, enum dw_lock_action action, uint32_t expires_ms)
{
    return dw_lock_zigbee2mqtt.command(d->lock, action, dw_view_of(NULL, 0), dw_now(),
                                       dw_mono_add(dw_now(), expires_ms));
}

static void must_command(struct door *d, enum dw_lock_action action)
{
    dw_err err = command(d, action, 2000);

    if (dw_failed(err))
        fail_msg("command: %s", dw_err_name(err));
}

/* Asks until the adapter takes it; returns when the answer has come or `ms` are over. */
static bool ask(struct door *d, uint32_t ms)
{
    dw_mono until = dw_mono_add(dw_now(), ms);
    uint32_t before = d->now.ask_seq;

    while (dw_failed(dw_lock_zigbee2mqtt.ask(d->lock, dw_view_of(NULL, 0), dw_now())) &&
           dw_mono_before(dw_now(), until))
        (void)uv_run(&d->loop, UV_RUN_ONCE);
    while (d->now.ask_seq == before && dw_mono_before(dw_now(), until))
        (void)uv_run(&d->loop, UV_RUN_ONCE);
    return d->now.ask_seq == before + 1;
}

static void say(const char *topic, const char *payload)
{
    zigbee_say(&home, topic, payload, strlen(payload), false);
}

static int group_setup(void **state)
{
    char why[256];

    (void)state;
    dw_os_init("zigbee_cases");
    if (!zigbee_home_start(&home, why, sizeof(why))) {
        fprintf(stderr, "FAILED: %s\n", why);
        return -1;
    }
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    zigbee_home_stop(&home);
    return 0;
}

static int reset(void **state)
{
    (void)state;
    return zigbee_reset(&home) && zigbee_act(&home, "yale/relock?s=20") ? 0 : -1;
}

/* ---- settings ---- */

static void wrong_settings_are_refused_with_a_reason(void **state)
{
    static const char *const rows[] = {
        "",
        "broker=127.0.0.1:1883",
        "device=" ZIGBEE_YALE,
        "broker=localhost:1883 device=" ZIGBEE_YALE,
        "broker=127.0.0.1:0 device=" ZIGBEE_YALE,
        "broker=127.0.0.1:70000 device=" ZIGBEE_YALE,
        "broker=127.0.0.1 device=" ZIGBEE_YALE,
        "broker=127.0.0.1:1883 device=front_door",
        "broker=127.0.0.1:1883 device=0x000D6F0001234501",
        "broker=127.0.0.1:1883 device=" ZIGBEE_YALE " contact=" ZIGBEE_YALE,
        "broker=127.0.0.1:1883 device=" ZIGBEE_YALE " device=" ZIGBEE_YALE,
        "broker=127.0.0.1:1883 device=" ZIGBEE_YALE " relock_s=4",
        "broker=127.0.0.1:1883 device=" ZIGBEE_YALE " relock_s=181",
        "broker=127.0.0.1:1883 device=" ZIGBEE_YALE " base=a/#",
        "broker=127.0.0.1:1883 device=" ZIGBEE_YALE " unlock=1",
        "broker=127.0.0.1:1883  device=" ZIGBEE_YALE,
    };
    const struct dw_lock_sink sink = {on_signed, on_report, on_link, NULL};
    uv_loop_t loop;

    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    for (size_t i = 0; i < DW_ARRAY_COUNT(rows); i++) {
        char why[160] = "";
        void *self = NULL;
        dw_err err = dw_lock_zigbee2mqtt.open(&loop, rows[i], &sink, why, sizeof(why), &self);

        assert_true(dw_is(err, DW_E_INVALID));
        assert_string_not_equal(why, "");
        assert_null(self);
    }
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* ---- class ---- */

static void relock_and_contact_make_class_b(void **state)
{
    struct door d;

    (void)state;
    open_door(&d);
    AWAIT(&d, IS_READY(&d), UP_MS);
    assert_int_equal(d.now.relock_s, 20);
    assert_int_equal(d.now.bolt, DW_BOLT_THROWN);
    assert_int_equal(d.now.contact, DW_CONTACT_CLOSED);
    assert_int_equal(d.now.battery_pct, 87);
    assert_int_equal(d.now.ask_seq, 0); /* the adapter's own look is no answer to an ask */
    shut(&d);
}

static void relock_that_is_off_is_turned_on_once_and_read_back(void **state)
{
    struct door d;

    (void)state;
    assert_true(zigbee_act(&home, "yale/relock?s=0"));
    open_with(&d, ZIGBEE_YALE, "contact=" ZIGBEE_CONTACT " relock_s=25");
    AWAIT(&d, IS_READY(&d), UP_MS);
    assert_int_equal(d.now.relock_s, 25);
    assert_int_equal(zigbee_look(&home).yale_relock_s, 25);
    shut(&d);
}

static void relock_that_cannot_be_turned_on_is_class_c(void **state)
{
    struct door d;

    (void)state;
    assert_true(zigbee_act(&home, "yale/relock?s=0"));
    assert_true(zigbee_act(&home, "yale/refuseRelock?on=1"));
    open_door(&d);
    AWAIT(&d, strstr(d.now.why, "relock is off") != NULL && d.now.bolt == DW_BOLT_THROWN, UP_MS);
    assert_int_equal(d.now.lock_class, DW_LOCK_C);
    shut(&d);
}

static void relock_that_cannot_be_read_is_class_c(void **state)
{
    struct door d;

    (void)state;
    assert_true(zigbee_act(&home, "yale/hideRelock?on=1"));
    open_door(&d);
    AWAIT(&d, strstr(d.now.why, "could not be read back") != NULL && d.now.is_reachable, UP_MS);
    assert_true(ask(&d, 12000));
    assert_int_equal(d.now.lock_class, DW_LOCK_C);
    assert_int_equal(d.now.relock_s, 0);
    shut(&d);
}

static void relock_that_is_too_long_is_class_c(void **state)
{
    struct door d;

    (void)state;
    assert_true(zigbee_act(&home, "yale/relock?s=31"));
    open_door(&d);
    AWAIT(&d, strstr(d.now.why, "longer than permitted") != NULL, UP_MS);
    assert_int_equal(zigbee_look(&home).yale_relock_s, 31); /* somebody chose it: left alone */
    shut(&d);
}

static void relock_that_was_changed_later_is_found_by_an_ask(void **state)
{
    struct door d;
    dw_mono until;

    (void)state;
    open_door(&d);
    AWAIT(&d, IS_READY(&d), UP_MS);
    assert_true(zigbee_act(&home, "yale/relock?s=31")); /* the lock does not tell */
    until = dw_mono_add(dw_now(), 20000);               /* read-backs are at most 15 s old */
    while (d.now.lock_class == DW_LOCK_B && dw_mono_before(dw_now(), until))
        assert_true(ask(&d, 2 * SENSE_MS));
    assert_int_equal(d.now.lock_class, DW_LOCK_C);
    assert_non_null(strstr(d.now.why, "longer than permitted"));
    shut(&d);
}

static void lock_without_relock_is_class_c_and_says_so(void **state)
{
    struct door d;

    (void)state;
    open_with(&d, ZIGBEE_KWIKSET, "contact=" ZIGBEE_CONTACT);
    AWAIT(&d, d.now.bolt == DW_BOLT_THROWN && d.now.contact == DW_CONTACT_CLOSED, UP_MS);
    assert_int_equal(d.now.lock_class, DW_LOCK_C);
    assert_string_equal(d.now.why, "this lock has no relock time of its own");
    assert_false(d.now.has_relock);
    /* The household may still use it. */
    must_command(&d, DW_LOCK_ACTION_RETRACT);
    AWAIT(&d, d.now.bolt == DW_BOLT_RETRACTED, SENSE_MS);
    must_command(&d, DW_LOCK_ACTION_THROW);
    AWAIT(&d, d.now.bolt == DW_BOLT_THROWN, SENSE_MS);
    shut(&d);
}

static void without_a_heard_contact_it_is_class_c(void **state)
{
    struct door d;

    (void)state;
    open_with(&d, ZIGBEE_YALE, "");
    AWAIT(&d, d.now.bolt == DW_BOLT_THROWN && strstr(d.now.why, "configured") != NULL, UP_MS);
    shut(&d);

    assert_true(zigbee_act(&home, "contact/beat?ms=0"));
    open_door(&d);
    AWAIT(&d, strstr(d.now.why, "has not been heard") != NULL, UP_MS);
    /* The bridge knows the contact's last word; a message for another reason must not lend it. */
    assert_true(zigbee_act(&home, "contact/battery?percent=55"));
    ALWAYS(&d, d.now.contact == DW_CONTACT_UNKNOWN, 400);
    assert_true(zigbee_act(&home, "contact/tell"));
    AWAIT(&d, d.now.lock_class == DW_LOCK_B, SENSE_MS);
    shut(&d);

    open_with(&d, ZIGBEE_YALE, "contact=0x0000000000000001");
    AWAIT(&d, strstr(d.now.why, "does not know the door contact") != NULL, UP_MS);
    shut(&d);

    open_with(&d, "0x0000000000000002", "contact=" ZIGBEE_CONTACT);
    AWAIT(&d, strstr(d.now.why, "does not know this lock") != NULL, UP_MS);
    assert_false(d.is_up);
    shut(&d);
}

/* ---- moving ---- */

static void there_and_back_is_sensed_and_counted(void **state)
{
    struct door d;
    uint32_t moves = zigbee_look(&home).yale_moves;

    (void)state;
    open_door(&d);
    AWAIT(&d, IS_READY(&d), UP_MS);
    must_command(&d, DW_LOCK_ACTION_RETRACT);
    AWAIT(&d, d.now.bolt == DW_BOLT_RETRACTED, SENSE_MS);
    assert_true(zigbee_act(&home, "door/open"));
    AWAIT(&d, d.now.contact == DW_CONTACT_OPEN, SENSE_MS);
    assert_int_equal(d.now.cause, DW_CAUSE_COMMAND);
    assert_int_equal(d.now.opening_count, 1);
    assert_true(dw_is(command(&d, DW_LOCK_ACTION_THROW, 2000), DW_E_DENIED)); /* [I18] */
    assert_true(zigbee_act(&home, "door/close"));
    AWAIT(&d, d.now.contact == DW_CONTACT_CLOSED, SENSE_MS);
    must_command(&d, DW_LOCK_ACTION_THROW);
    AWAIT(&d, d.now.bolt == DW_BOLT_THROWN, SENSE_MS);
    assert_true(ask(&d, SENSE_MS));
    assert_int_equal(d.now.op_count, 2);
    assert_int_equal(zigbee_look(&home).yale_moves, moves + 2); /* no command was doubled */
    assert_int_equal(zigbee_look(&home).yale, DW_BOLT_THROWN);
    shut(&d);
}

static void knob_inside_and_keypad_are_told_apart(void **state)
{
    struct door d;

    (void)state;
    open_door(&d);
    AWAIT(&d, IS_READY(&d), UP_MS);
    assert_true(zigbee_act(&home, "yale/manualUnlock"));
    assert_true(zigbee_act(&home, "door/open"));
    AWAIT(&d, d.now.cause == DW_CAUSE_INSIDE, SENSE_MS);
    assert_true(zigbee_act(&home, "door/close"));
    assert_true(zigbee_act(&home, "yale/manualLock"));
    AWAIT(&d, d.now.bolt == DW_BOLT_THROWN && d.now.contact == DW_CONTACT_CLOSED, SENSE_MS);
    assert_true(zigbee_act(&home, "yale/keypadUnlock"));
    assert_true(zigbee_act(&home, "door/open"));
    AWAIT(&d, d.now.cause == DW_CAUSE_KEY, SENSE_MS);
    assert_int_equal(d.now.opening_count, 2);
    assert_int_equal(d.now.op_count, 3);
    shut(&d);
}

static void lock_relocks_by_itself_even_if_the_bridge_is_frozen(void **state)
{
    struct door d;

    (void)state;
    assert_true(zigbee_act(&home, "yale/relock?s=2"));
    open_door(&d);
    AWAIT(&d, IS_READY(&d) && d.now.relock_s == 2, UP_MS);
    must_command(&d, DW_LOCK_ACTION_RETRACT);
    AWAIT(&d, d.now.bolt == DW_BOLT_RETRACTED, SENSE_MS);
    assert_int_equal(kill(home.bridge_pid, SIGSTOP), 0);
    AWAIT(&d, zigbee_look(&home).yale == DW_BOLT_THROWN, 4000);
    assert_int_equal(kill(home.bridge_pid, SIGCONT), 0);
    AWAIT(&d, d.now.bolt == DW_BOLT_THROWN, SENSE_MS);
    shut(&d);
}

static void bolt_out_on_an_open_door_is_told_as_both(void **state)
{
    struct door d;

    (void)state;
    assert_true(zigbee_act(&home, "yale/relock?s=1"));
    open_door(&d);
    AWAIT(&d, IS_READY(&d), UP_MS);
    must_command(&d, DW_LOCK_ACTION_RETRACT);
    AWAIT(&d, d.now.bolt == DW_BOLT_RETRACTED, SENSE_MS);
    assert_true(zigbee_act(&home, "door/open"));
    AWAIT(&d, d.now.bolt == DW_BOLT_THROWN, SENSE_MS);
    /* Locked and open at once: nobody may call that secured. */
    assert_int_equal(d.now.contact, DW_CONTACT_OPEN);
    assert_false(zigbee_act(&home, "door/close"));
    shut(&d);
}

static void slow_bolt_is_moving_then_there(void **state)
{
    struct door d;

    (void)state;
    assert_true(zigbee_act(&home, "yale/travel?ms=3000"));
    open_door(&d);
    AWAIT(&d, IS_READY(&d), UP_MS);
    must_command(&d, DW_LOCK_ACTION_RETRACT);
    AWAIT(&d, zigbee_look(&home).yale == DW_BOLT_MOVING, SENSE_MS);
    assert_true(ask(&d, SENSE_MS));
    assert_int_equal(d.now.bolt, DW_BOLT_MOVING);
    AWAIT(&d, d.now.bolt == DW_BOLT_RETRACTED, SENSE_MS);
    must_command(&d, DW_LOCK_ACTION_THROW);
    AWAIT(&d, zigbee_look(&home).yale == DW_BOLT_MOVING, SENSE_MS);
    assert_true(ask(&d, SENSE_MS));
    assert_int_not_equal(d.now.bolt, DW_BOLT_THROWN);
    AWAIT(&d, d.now.bolt == DW_BOLT_THROWN, 2 * SENSE_MS);
    assert_int_equal(zigbee_look(&home).yale, DW_BOLT_THROWN);
    assert_int_equal(d.now.op_count, 2);
    shut(&d);
}

static void jammed_bolt_is_never_thrown(void **state)
{
    struct door d;

    (void)state;
    open_door(&d);
    AWAIT(&d, IS_READY(&d), UP_MS);
    must_command(&d, DW_LOCK_ACTION_RETRACT);
    AWAIT(&d, d.now.bolt == DW_BOLT_RETRACTED, SENSE_MS);
    assert_true(zigbee_act(&home, "yale/block?on=1"));
    must_command(&d, DW_LOCK_ACTION_THROW);
    AWAIT(&d, d.now.bolt == DW_BOLT_JAMMED, SENSE_MS);
    assert_true(ask(&d, SENSE_MS));
    assert_int_not_equal(d.now.bolt, DW_BOLT_THROWN);
    shut(&d);
}

/* ---- a door must not open late ---- */

static void retract_is_dropped_when_the_bridge_answers_too_late(void **state)
{
    struct door d;
    uint32_t moves;

    (void)state;
    open_door(&d);
    AWAIT(&d, IS_READY(&d), UP_MS);
    moves = zigbee_look(&home).yale_moves;
    assert_true(dw_is(command(&d, DW_LOCK_ACTION_RETRACT, 0), DW_E_EXPIRED));
    assert_int_equal(kill(home.bridge_pid, SIGSTOP), 0);
    assert_false(dw_failed(command(&d, DW_LOCK_ACTION_RETRACT, 300)));
    assert_true(dw_is(command(&d, DW_LOCK_ACTION_RETRACT, 300), DW_E_BUSY));
    ALWAYS(&d, true, 600);
    assert_int_equal(kill(home.bridge_pid, SIGCONT), 0);
    assert_true(ask(&d, UP_MS)); /* the bridge is back, and everything sent before has arrived */
    ALWAYS(&d, d.now.bolt == DW_BOLT_THROWN, 500);
    assert_int_equal(zigbee_look(&home).yale_moves, moves);

    /* THROW takes a waiting RETRACT back. */
    assert_false(dw_failed(command(&d, DW_LOCK_ACTION_RETRACT, 2000)));
    must_command(&d, DW_LOCK_ACTION_THROW);
    assert_true(ask(&d, SENSE_MS));
    ALWAYS(&d, d.ever_retracted == 0, 500);
    assert_int_equal(zigbee_look(&home).yale_moves, moves);
    shut(&d);
}

static void retained_unlock_is_removed_before_the_bridge_starts(void **state)
{
    static const char unlock[] = "{\"state\":\"UNLOCK\"}";
    uint32_t moves = zigbee_look(&home).yale_moves;
    struct door d;

    (void)state;
    assert_true(zigbee_act(&home, "bridge/kill"));
    zigbee_say(&home, "zigbee2mqtt/front_door/set", unlock, strlen(unlock), true);
    open_door(&d);
    AWAIT(&d, strstr(d.now.why, "retained command") != NULL || d.reports > 0, UP_MS);
    ALWAYS(&d, !d.is_up, 300);
    assert_true(zigbee_act(&home, "bridge/start"));
    AWAIT(&d, d.is_up && d.now.bolt == DW_BOLT_THROWN, UP_MS);
    assert_int_equal(d.now.lock_class, DW_LOCK_C);
    assert_non_null(strstr(d.now.why, "retained command"));
    assert_true(ask(&d, SENSE_MS));
    assert_int_equal(zigbee_look(&home).yale_moves, moves);
    assert_int_equal(d.ever_retracted, 0);
    shut(&d);
    open_door(&d); /* it is gone for good */
    AWAIT(&d, IS_READY(&d), UP_MS);
    shut(&d);
}

/* ---- what is fresh ---- */

static void retained_and_remembered_values_are_not_fresh(void **state)
{
    static const char lie[] = "{\"lock_state\":\"unlocked\",\"state\":\"UNLOCK\","
                              "\"auto_relock_time\":9}";
    struct door d;

    (void)state;
    zigbee_say(&home, "zigbee2mqtt/front_door", lie, strlen(lie), true);
    open_door(&d);
    AWAIT(&d, IS_READY(&d), UP_MS);
    assert_int_equal(d.ever_retracted, 0);
    assert_int_equal(d.now.relock_s, 20);
    assert_int_equal(d.now.op_count, 0);

    /* The lock goes silent; messages of the bridge for other reasons do not make its state new. */
    for (int i = 0; i < 2; i++) {
        uint64_t at = d.now.bolt_at_ms;
        uint32_t reports = d.reports;
        assert_true(
            zigbee_act(&home, i == 0 ? "yale/battery?percent=42" : "yale/battery?percent=87"));
        AWAIT(&d, d.reports > reports, SENSE_MS);
        assert_int_equal(d.now.bolt_at_ms, at);
    }
    zigbee_say(&home, "zigbee2mqtt/front_door", "", 0, true);
    shut(&d);
}

static void ask_reads_the_lock_anew(void **state)
{
    struct door d;
    dw_mono before = {0};

    (void)state;
    open_door(&d);
    AWAIT(&d, IS_READY(&d), UP_MS);
    for (uint32_t i = 1; i <= 3; i++) {
        dw_err err = dw_fail(DW_E_BUSY);

        while (dw_is(err, DW_E_BUSY)) { /* a look of its own may be under way */
            before = dw_now();
            err = dw_lock_zigbee2mqtt.ask(d.lock, dw_view_of(NULL, 0), before);
            if (dw_is(err, DW_E_BUSY))
                (void)uv_run(&d.loop, UV_RUN_ONCE);
        }
        assert_false(dw_failed(err));
        assert_true(dw_is(dw_lock_zigbee2mqtt.ask(d.lock, dw_view_of(NULL, 0), before), DW_E_BUSY));
        AWAIT(&d, d.now.ask_seq == i, SENSE_MS);
        assert_true(d.now.bolt_at_ms >= before.ms);
    }
    shut(&d);
}

static void strange_messages_change_nothing(void **state)
{
    static const char *const rows[] = {
        "",
        "{",
        "null",
        "[]",
        "\"unlocked\"",
        "{\"lock_state\":\"unlocked\",\"lock_state\":\"unlocked\"}",
        "{\"lock_state\":\"unlocked\"} x",
        "{\"lock_state\":2}",
        "{\"lock_state\":{\"lock_state\":\"unlocked\"}}",
        "{\"battery\":1e9,\"battery_low\":\"\"}",
        "{\"battery\":-1}",
    };
    static char huge[70 * 1024];
    struct door d;
    uint32_t reports;
    size_t len;

    (void)state;
    assert_true(zigbee_act(&home, "contact/beat?ms=0"));
    open_door(&d);
    AWAIT(&d, d.is_up && d.now.bolt == DW_BOLT_THROWN, UP_MS);
    assert_true(zigbee_act(&home, "contact/tell"));
    AWAIT(&d, d.now.lock_class == DW_LOCK_B, SENSE_MS);
    reports = d.reports;
    for (size_t i = 0; i < DW_ARRAY_COUNT(rows); i++) {
        say("zigbee2mqtt/front_door", rows[i]);
        say("zigbee2mqtt/front_contact", rows[i]);
        say("zigbee2mqtt/bridge/devices", i == 3 ? "{}" : rows[i][0] == '[' ? "7" : rows[i]);
        say("zigbee2mqtt/bridge/response/health_check", rows[i]);
        say("zigbee2mqtt/bridge/response/device/options", rows[i]);
        say("zigbee2mqtt/bridge/logging", rows[i]);
    }
    len = (size_t)snprintf(huge, sizeof(huge), "{\"lock_state\":\"unlocked\",\"x\":\"");
    memset(huge + len, 'a', sizeof(huge) - len - 2);
    memcpy(huge + sizeof(huge) - 2, "\"}", 2);
    zigbee_say(&home, "zigbee2mqtt/front_door", huge, sizeof(huge), false);
    memset(huge, '[', sizeof(huge)); /* deep */
    zigbee_say(&home, "zigbee2mqtt/bridge/devices", huge, sizeof(huge), false);
    ALWAYS(&d, d.reports == reports && d.is_up, 300);
    assert_true(ask(&d, SENSE_MS)); /* and it lives */
    assert_int_equal(d.now.lock_class, DW_LOCK_B);
    shut(&d);
}

static void options_that_others_change_are_restored(void **state)
{
    struct door d;

    (void)state;
    open_door(&d);
    AWAIT(&d, IS_READY(&d), UP_MS);
    say("zigbee2mqtt/bridge/request/device/options",
        "{\"id\":\"front_door\",\"options\":{\"filtered_cache\":[],\"optimistic\":true}}");
    AWAIT(&d, d.downs == 1, SENSE_MS);
    AWAIT(&d, IS_READY(&d), UP_MS);
    /* A delay cannot be taken back by us, but it is seen: nothing is fresh then. */
    say("zigbee2mqtt/bridge/request/device/options",
        "{\"id\":\"front_contact\",\"options\":{\"debounce\":2}}");
    AWAIT(&d, d.is_up && strstr(d.now.why, "delays messages") != NULL, SENSE_MS);
    say("zigbee2mqtt/bridge/request/device/options",
        "{\"id\":\"front_contact\",\"options\":{\"debounce\":0}}");
    AWAIT(&d, IS_READY(&d), UP_MS);
    shut(&d);
}

static void renamed_lock_is_followed(void **state)
{
    struct door d;

    (void)state;
    open_door(&d);
    AWAIT(&d, IS_READY(&d), UP_MS);
    say("zigbee2mqtt/bridge/request/device/rename",
        "{\"from\":\"front_door\",\"to\":\"hall/Anna's door\"}");
    AWAIT(&d, d.downs == 1, SENSE_MS);
    AWAIT(&d, IS_READY(&d), UP_MS);
    assert_true(ask(&d, SENSE_MS));
    say("zigbee2mqtt/bridge/request/device/rename",
        "{\"from\":\"hall/Anna's door\",\"to\":\"front_door\"}");
    AWAIT(&d, d.downs == 2, SENSE_MS);
    AWAIT(&d, IS_READY(&d), UP_MS);
    shut(&d);
}

/* ---- losses ---- */

static void silent_lock_is_unreachable_and_unknown(void **state)
{
    struct door d;

    (void)state;
    open_door(&d);
    AWAIT(&d, IS_READY(&d), UP_MS);
    assert_true(zigbee_act(&home, "yale/online?on=0"));
    assert_false(ask(&d, 2000)); /* the bridge says that the radio failed; no need to wait longer */
    assert_false(d.now.is_reachable);
    assert_int_equal(d.now.bolt, DW_BOLT_UNKNOWN);
    assert_int_equal(d.now.lock_class, DW_LOCK_C);
    assert_true(d.is_up);
    assert_true(zigbee_act(&home, "yale/online?on=1"));
    assert_true(ask(&d, SENSE_MS));
    assert_int_equal(d.now.bolt, DW_BOLT_THROWN);
    assert_int_equal(d.now.lock_class, DW_LOCK_B);

    assert_true(zigbee_act(&home, "yale/online?on=0"));
    must_command(&d, DW_LOCK_ACTION_RETRACT);
    AWAIT(&d, !d.now.is_reachable && d.now.bolt == DW_BOLT_UNKNOWN, SENSE_MS);
    assert_int_equal(zigbee_look(&home).yale, DW_BOLT_THROWN);
    shut(&d);
}

static void broker_restart_is_news_and_heals(void **state)
{
    struct door d;

    (void)state;
    open_door(&d);
    AWAIT(&d, IS_READY(&d), UP_MS);
    assert_true(zigbee_act(&home, "broker/stop"));
    AWAIT(&d, !d.is_up, SENSE_MS);
    AWAIT(&d, d.now.bolt == DW_BOLT_UNKNOWN && d.now.contact == DW_CONTACT_UNKNOWN, 500);
    assert_true(dw_is(command(&d, DW_LOCK_ACTION_RETRACT, 2000), DW_E_IO));
    assert_true(dw_is(dw_lock_zigbee2mqtt.ask(d.lock, dw_view_of(NULL, 0), dw_now()), DW_E_IO));
    assert_true(zigbee_act(&home, "broker/start"));
    AWAIT(&d, IS_READY(&d), 2 * UP_MS);
    assert_int_equal(d.ever_retracted, 0);
    assert_int_equal(d.now.op_count, 0);
    shut(&d);
}

static void bridge_killed_in_the_middle_is_news_and_heals(void **state)
{
    struct door d;
    uint32_t moves = zigbee_look(&home).yale_moves;

    (void)state;
    assert_true(zigbee_act(&home, "yale/travel?ms=1000"));
    open_door(&d);
    AWAIT(&d, IS_READY(&d), UP_MS);
    must_command(&d, DW_LOCK_ACTION_RETRACT);
    AWAIT(&d, zigbee_look(&home).yale == DW_BOLT_MOVING, SENSE_MS);
    assert_true(zigbee_act(&home, "bridge/kill"));
    AWAIT(&d, !d.is_up && d.now.bolt == DW_BOLT_UNKNOWN, SENSE_MS);
    assert_true(zigbee_act(&home, "bridge/start"));
    AWAIT(&d, d.is_up && d.now.bolt == DW_BOLT_RETRACTED, UP_MS);
    assert_int_equal(zigbee_look(&home).yale_moves, moves + 1); /* never sent again */
    assert_int_equal(d.now.op_count, 1);
    must_command(&d, DW_LOCK_ACTION_THROW);
    AWAIT(&d, d.now.bolt == DW_BOLT_THROWN, SENSE_MS);
    shut(&d);
}

static void close_at_any_time_leaves_nothing_behind(void **state)
{
    struct door d;

    (void)state;
    for (uint32_t ms = 0; ms <= 120; ms += 15) {
        open_door(&d);
        ALWAYS(&d, true, ms);
        shut(&d);
    }
    open_door(&d);
    AWAIT(&d, d.is_up, UP_MS);
    (void)dw_failed(command(&d, DW_LOCK_ACTION_RETRACT, 2000));
    shut(&d);
}

/* ---- the lock process ---- */

static pid_t start_hub_lock(int *ret_fd)
{
    const char *bin = getenv("DW_HUB_LOCK_BIN");
    char settings[256];
    int pair[2];
    pid_t pid;

    assert_non_null(bin);
    (void)snprintf(settings, sizeof(settings),
                   "broker=127.0.0.1:%u device=" ZIGBEE_YALE " contact=" ZIGBEE_CONTACT,
                   home.mqtt_port);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)dup3(pair[1], DW_IPC_FD, 0);
        (void)execl(bin, bin, "--adapter", "zigbee2mqtt", "--settings", settings, (char *)NULL);
        _exit(127);
    }
    (void)close(pair[1]);
    *ret_fd = pair[0];
    return pid;
}

/* Waits until the newest report satisfies `bolt` and class B. */
static void await_report(int fd, enum dw_bolt bolt)
{
    static union {
        struct dw_ipc_head head;
        struct dw_ipc_lock_report report;
        uint8_t any[65536];
    } got;
    const struct timeval limit = {.tv_sec = UP_MS / 1000};
    const dw_mono until = dw_mono_add(dw_now(), UP_MS);

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    while (dw_mono_before(dw_now(), until)) {
        ssize_t n = recv(fd, &got, sizeof(got), 0);

        assert_true(n >= (ssize_t)sizeof(got.head)); /* a time-out, or the child has died */
        if (got.head.type == DW_IPC_LOCK_REPORT && got.report.bolt == bolt &&
            got.report.lock_class == DW_LOCK_B)
            return;
    }
    fail_msg("%s and class B did not come, but: '%s'", dw_bolt_word(bolt), got.report.why);
}

static void lock_process_drives_it_from_inside_its_sandbox(void **state)
{
    struct dw_ipc_lock_command c = {.expires_ms = dw_now().ms + UP_MS};
    int fd, status = 0;
    pid_t pid = start_hub_lock(&fd);

    (void)state;
    await_report(fd, DW_BOLT_THROWN);
    c.action = DW_LOCK_ACTION_RETRACT;
    assert_false(dw_failed(dw_ipc_send(fd, DW_IPC_LOCK_COMMAND, &c)));
    await_report(fd, DW_BOLT_RETRACTED);
    c.action = DW_LOCK_ACTION_THROW;
    assert_false(dw_failed(dw_ipc_send(fd, DW_IPC_LOCK_COMMAND, &c)));
    await_report(fd, DW_BOLT_THROWN);
    /* Reconnecting works from in there too. */
    assert_true(zigbee_act(&home, "broker/stop"));
    assert_true(zigbee_act(&home, "broker/start"));
    await_report(fd, DW_BOLT_THROWN);
    (void)close(fd); /* the guard is gone: the child ends */
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#define CASE(f) cmocka_unit_test_setup(f, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_settings_are_refused_with_a_reason),
        CASE(relock_and_contact_make_class_b),
        CASE(relock_that_is_off_is_turned_on_once_and_read_back),
        CASE(relock_that_cannot_be_turned_on_is_class_c),
        CASE(relock_that_cannot_be_read_is_class_c),
        CASE(relock_that_is_too_long_is_class_c),
        CASE(relock_that_was_changed_later_is_found_by_an_ask),
        CASE(lock_without_relock_is_class_c_and_says_so),
        CASE(without_a_heard_contact_it_is_class_c),
        CASE(there_and_back_is_sensed_and_counted),
        CASE(knob_inside_and_keypad_are_told_apart),
        CASE(lock_relocks_by_itself_even_if_the_bridge_is_frozen),
        CASE(bolt_out_on_an_open_door_is_told_as_both),
        CASE(slow_bolt_is_moving_then_there),
        CASE(jammed_bolt_is_never_thrown),
        CASE(retract_is_dropped_when_the_bridge_answers_too_late),
        CASE(retained_and_remembered_values_are_not_fresh),
        CASE(ask_reads_the_lock_anew),
        CASE(strange_messages_change_nothing),
        CASE(options_that_others_change_are_restored),
        CASE(renamed_lock_is_followed),
        CASE(silent_lock_is_unreachable_and_unknown),
        /* From here on Zigbee2MQTT has been started anew: `home.bridge_pid` is of the past. */
        CASE(retained_unlock_is_removed_before_the_bridge_starts),
        CASE(bridge_killed_in_the_middle_is_news_and_heals),
        CASE(broker_restart_is_news_and_heals),
        CASE(lock_process_drives_it_from_inside_its_sandbox),
        CASE(close_at_any_time_leaves_nothing_behind),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
