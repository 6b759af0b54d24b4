/* The promises of adapters/lock/lock.h as tests, run on every implementation: lock_conformance RIG.
 *
 * The world's own truth is the judge. A cuttable link (proxy.h) stands between adapter and peer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/types.h"
#include "crypto/crypto.h"
#include "os/os.h"
#include "proxy.h"
#include "rig.h"

#define SKIPPED 77
#define OPENED_LATE_MS                                                        \
    4500u /* a stalled link comes back after this: beyond every limit of ours \
           */

static const struct rig *const rigs[] = {
    &rig_reference,
#ifdef DW_RIG_ZIGBEE2MQTT
    &rig_zigbee2mqtt,
#endif
};

static const struct rig *rig;
static struct rig_home *home;
static uv_loop_t loop;
static uv_timer_t beat;
static struct proxy *proxy;
static void *adapter;
static struct rig_seen seen;
static bool is_closed;
static uint32_t after_close;
static uint32_t last_ask_seq;

/* ---- sink ---- */

static void on_signed(void *ctx, uint8_t kind, struct dw_view cose, dw_mono arrived)
{
    (void)ctx;
    after_close += is_closed;
    assert_true(arrived.ms <= dw_now().ms && arrived.ms + 5000 > dw_now().ms);
    assert_true(rig->is_signed);
    rig->on_signed(home, &seen, kind, cose);
}

static void on_report(void *ctx, const struct dw_ipc_lock_report *r)
{
    (void)ctx;
    after_close += is_closed;
    assert_false(rig->is_signed);
    seen.bolt = r->bolt;
    seen.contact = r->contact;
    seen.strike = r->strike;
    seen.news++;
    if (r->ask_seq > last_ask_seq)
        seen.fresh++;
    last_ask_seq = r->ask_seq;
}

static void on_link(void *ctx, bool is_up)
{
    (void)ctx;
    after_close += is_closed;
    assert_int_not_equal(is_up, seen.is_up); /* told on change only */
    seen.is_up = is_up;
    if (is_up)
        seen.ups++;
    else
        seen.downs++;
}

static const struct dw_lock_sink sink = {
    .signed_bytes = on_signed, .report = on_report, .link = on_link};

/* ---- waiting ---- */

static void on_beat(uv_timer_t *t)
{
    (void)t; /* only wakes the loop */
}

#define RUN_UNTIL(x, within)                                    \
    __extension__({                                             \
        uint64_t run_until_ = dw_now().ms + (uint64_t)(within); \
        while (!(x) && dw_now().ms < run_until_)                \
            uv_run(&loop, UV_RUN_ONCE);                         \
        (x);                                                    \
    })
#define RUN_ALWAYS(x, within) (!RUN_UNTIL(!(x), within))

static dw_err ask(void)
{
    uint8_t bytes[1024];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    if (rig->is_signed)
        assert_true(rig->make_ask(home, &b));
    return rig->ops->ask(adapter, dw_view_of_buf(&b), dw_now());
}

/* What came up, asked for again and again as the guard does. */
#define SENSED(x, within)                                                      \
    __extension__({                                                            \
        uint64_t sensed_until_ = dw_now().ms + (uint64_t)(within), asked_ = 0; \
        while (!(x) && dw_now().ms < sensed_until_) {                          \
            if (dw_now().ms >= asked_ + 500) {                                 \
                (void)dw_failed(ask());                                        \
                asked_ = dw_now().ms;                                          \
            }                                                                  \
            uv_run(&loop, UV_RUN_ONCE);                                        \
        }                                                                      \
        (x);                                                                   \
    })

static bool asked_fresh(void)
{
    uint32_t before = seen.fresh;
    return SENSED(seen.fresh > before, rig->sensed_ms_max);
}

static enum dw_bolt truth(void)
{
    return rig->bolt_truth(home);
}

static dw_err command_by(enum dw_lock_action action, dw_mono expires)
{
    uint8_t bytes[1024];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    enum dw_lock_action signed_as =
        action == DW_LOCK_ACTION_THROW ? DW_LOCK_ACTION_THROW : DW_LOCK_ACTION_RETRACT;
    if (rig->is_signed)
        assert_true(rig->make_command(home, signed_as, &b));
    return rig->ops->command(adapter, action, dw_view_of_buf(&b), dw_now(), expires);
}

static dw_err command(enum dw_lock_action action)
{
    assert_true(asked_fresh());
    return command_by(action, dw_mono_add(dw_now(), 1000));
}

static void retract(void)
{
    assert_false(dw_failed(command(DW_LOCK_ACTION_RETRACT)));
    assert_true(RUN_UNTIL(truth() == DW_BOLT_RETRACTED, rig->sensed_ms_max));
}

/* ---- before and after each case ---- */

static void open_adapter(void)
{
    char text[512], why[192] = "";
    rig->settings(home, proxy_port(proxy), text, sizeof text);
    seen = (struct rig_seen){0};
    is_closed = false;
    after_close = 0;
    last_ask_seq = 0;
    dw_err e = rig->ops->open(&loop, text, &sink, why, sizeof why, &adapter);
    if (dw_failed(e))
        fail_msg("open: %s: %s", dw_err_name(e), why);
}

static void close_adapter(void)
{
    is_closed = true;
    rig->ops->close(adapter);
    adapter = NULL;
    assert_true(RUN_ALWAYS(after_close == 0, 100));
}

static int set_up(void **state)
{
    (void)state;
    proxy_mode(proxy, PROXY_PASS);
    if (!rig->reset(home)) {
        print_error("the rig could not be brought to closed and locked\n");
        return -1;
    }
    open_adapter();
    return RUN_UNTIL(seen.is_up, rig->up_ms_max) && asked_fresh() ? 0 : -1;
}

static int set_up_closed(void **state)
{
    (void)state;
    proxy_mode(proxy, PROXY_PASS);
    return rig->reset(home) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    if (adapter)
        close_adapter();
    return 0;
}

/* ---- cases ---- */

static void settings_that_cannot_be_are_said(void **state)
{
    static const char *const rows[] = {"", "nonsense=1", "address", "address=", "\xff\xfe=\x01"};
    (void)state;
    for (size_t i = 0; i < DW_ARRAY_COUNT(rows); i++) {
        char why[192] = "";
        void *self = NULL;
        dw_err e = rig->ops->open(&loop, rows[i], &sink, why, sizeof why, &self);
        assert_true(dw_is(e, DW_E_INVALID));
        assert_true(strlen(why) > 0 && strlen(why) < sizeof why);
        assert_null(self);
    }
}

static void link_up_is_news(void **state)
{
    (void)state;
    open_adapter();
    assert_int_equal(seen.ups + seen.downs + seen.news, 0); /* nothing before open returned */
    assert_true(dw_is(ask(), DW_E_IO));
    assert_true(RUN_UNTIL(seen.is_up, rig->up_ms_max));
    assert_int_equal(seen.ups, 1);
    assert_int_equal(seen.downs, 0);
}

static void ask_is_answered_from_the_lock(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_true(asked_fresh());
    assert_int_equal(seen.bolt, DW_BOLT_THROWN);
    assert_int_equal(seen.contact, DW_CONTACT_CLOSED);
    assert_int_equal(seen.bad, 0);
}

static void retract_is_sensed_and_relocks_alone(void **state)
{
    (void)state;
    retract();
    assert_true(SENSED(seen.bolt == DW_BOLT_RETRACTED, rig->sensed_ms_max));
    proxy_mode(proxy, PROXY_CUT);
    assert_true(RUN_UNTIL(!seen.is_up, rig->lost_ms_max));
    assert_true(RUN_UNTIL(truth() == DW_BOLT_THROWN, rig->relock_ms_max));
    proxy_mode(proxy, PROXY_PASS);
    assert_true(RUN_UNTIL(seen.is_up, rig->up_ms_max));
    assert_true(SENSED(seen.bolt == DW_BOLT_THROWN, rig->sensed_ms_max));
}

static void throw_throws(void **state)
{
    (void)state;
    retract();
    assert_true(SENSED(seen.bolt == DW_BOLT_RETRACTED, rig->sensed_ms_max));
    assert_false(dw_failed(command(DW_LOCK_ACTION_THROW)));
    assert_true(RUN_UNTIL(truth() == DW_BOLT_THROWN, rig->sensed_ms_max));
    assert_true(SENSED(seen.bolt == DW_BOLT_THROWN, rig->sensed_ms_max));
}

static void open_door_is_sensed_and_not_thrown(void **state)
{
    (void)state;
    retract();
    assert_true(rig->door(home, true));
    assert_true(SENSED(seen.contact == DW_CONTACT_OPEN, rig->sensed_ms_max));
    (void)dw_failed(command(DW_LOCK_ACTION_THROW)); /* refused here or by the lock */
    assert_true(RUN_ALWAYS(truth() != DW_BOLT_THROWN, 1000));
    assert_true(seen.contact == DW_CONTACT_OPEN && seen.bolt != DW_BOLT_THROWN);
    assert_true(rig->door(home, false));
    assert_true(SENSED(seen.contact == DW_CONTACT_CLOSED, rig->sensed_ms_max));
    if (!rig->has_close_rule && truth() != DW_BOLT_THROWN)
        assert_false(dw_failed(command(DW_LOCK_ACTION_THROW)));
    assert_true(RUN_UNTIL(truth() == DW_BOLT_THROWN, rig->relock_ms_max));
    assert_true(SENSED(seen.bolt == DW_BOLT_THROWN, rig->sensed_ms_max));
}

static void jam_is_never_thrown(void **state)
{
    (void)state;
    if (!rig->has_jam)
        skip();
    retract();
    assert_true(SENSED(seen.bolt == DW_BOLT_RETRACTED, rig->sensed_ms_max));
    rig->block(home, true);
    (void)dw_failed(command(DW_LOCK_ACTION_THROW));
    assert_false(SENSED(seen.bolt == DW_BOLT_THROWN, 2000));
    assert_int_not_equal(truth(), DW_BOLT_THROWN);
    rig->block(home, false);
}

static void inside_handle_is_sensed(void **state)
{
    (void)state;
    if (!rig->handle)
        skip();
    rig->handle(home);
    assert_true(SENSED(seen.bolt == DW_BOLT_RETRACTED, rig->sensed_ms_max));
}

static void expired_command_is_not_sent(void **state)
{
    (void)state;
    uint64_t passed = proxy_passed_out(proxy);
    dw_mono now = dw_now();
    assert_true(dw_is(command_by(DW_LOCK_ACTION_RETRACT, now), DW_E_EXPIRED));
    assert_true(dw_is(command_by(DW_LOCK_ACTION_RETRACT, (dw_mono){now.ms - 1}), DW_E_EXPIRED));
    assert_true(dw_is(command_by(DW_LOCK_ACTION_RETRACT, (dw_mono){0}), DW_E_EXPIRED));
    assert_true(RUN_ALWAYS(truth() == DW_BOLT_THROWN, 1000));
    if (rig->is_signed)
        assert_int_equal(proxy_passed_out(proxy), passed);
}

static void no_action_is_not_supported(void **state)
{
    (void)state;
    assert_true(dw_failed(command_by(DW_LOCK_ACTION_NONE, dw_mono_add(dw_now(), 1000))));
    assert_true(dw_failed(command_by((enum dw_lock_action)77, dw_mono_add(dw_now(), 1000))));
    assert_true(RUN_ALWAYS(truth() == DW_BOLT_THROWN, 500));
}

static void without_a_link_nothing_is_kept_for_later(void **state)
{
    (void)state;
    proxy_mode(proxy, PROXY_CUT);
    assert_true(RUN_UNTIL(!seen.is_up, rig->lost_ms_max));
    assert_int_equal(seen.downs, 1);
    assert_true(dw_is(ask(), DW_E_IO));
    assert_true(dw_is(command_by(DW_LOCK_ACTION_RETRACT, dw_mono_add(dw_now(), 60000)), DW_E_IO));
    proxy_mode(proxy, PROXY_PASS);
    assert_true(RUN_UNTIL(seen.is_up, rig->up_ms_max));
    assert_int_equal(seen.ups, 2);
    assert_true(asked_fresh());
    assert_true(RUN_ALWAYS(truth() == DW_BOLT_THROWN, 1000));
}

/* Packets just stop, no FIN. Whatever the kernel took then arrives late; the door must not open. */
static void a_stalled_link_never_opens_the_door_late(void **state)
{
    (void)state;
    proxy_mode(proxy, PROXY_STALL);
    (void)dw_failed(ask());
    (void)dw_failed(command_by(DW_LOCK_ACTION_RETRACT, dw_mono_add(dw_now(), 500)));
    assert_true(RUN_ALWAYS(truth() == DW_BOLT_THROWN, OPENED_LATE_MS));
    if (rig->is_signed) /* silence was noticed */
        assert_true(seen.downs >= 1);
    proxy_mode(proxy, PROXY_PASS);
    assert_true(RUN_ALWAYS(truth() == DW_BOLT_THROWN, 2000));
    assert_true(RUN_UNTIL(seen.is_up, rig->up_ms_max + rig->lost_ms_max));
    assert_true(asked_fresh());
    assert_int_equal(seen.bolt, DW_BOLT_THROWN);
}

static void link_comes_back_again_and_again(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= 3; i++) {
        proxy_mode(proxy, PROXY_CUT);
        assert_true(RUN_UNTIL(!seen.is_up, rig->lost_ms_max));
        proxy_mode(proxy, PROXY_PASS);
        assert_true(RUN_UNTIL(seen.is_up, rig->up_ms_max));
        assert_int_equal(seen.downs, i);
        assert_true(asked_fresh());
    }
}

static void garbage_of_the_peer_does_no_harm(void **state)
{
    uint8_t junk[700];
    (void)state;
    for (unsigned round = 0; round < 8; round++) {
        for (size_t i = 0; i < sizeof junk; i++)
            junk[i] = (uint8_t)(round == 0 ? 0 : round == 1 ? 0xff : (i * 37 + round * 11));
        if (round == 4) { /* well framed, of an unknown kind */
            static const uint8_t frame[] = {0, 0, 0, 3, 77, 1, 2};
            memcpy(junk, frame, sizeof frame);
        } else if (round == 5) { /* a status that no lock signed */
            static const uint8_t frame[] = {0,    0,    0,    5,   DW_LOCK_KIND_STATUS,
                                            0xd2, 0x84, 0x40, 0xa0};
            memcpy(junk, frame, sizeof frame);
        }
        assert_true(RUN_UNTIL(seen.is_up, rig->up_ms_max + rig->lost_ms_max));
        size_t len = round == 5 ? 9 : sizeof junk;
        assert_true(RUN_UNTIL(proxy_inject(proxy, junk, len), 2000));
        const uint32_t downs = seen.downs;
        (void)RUN_UNTIL(seen.downs > downs, 300); /* it may hang up or ignore it */
    }
    assert_true(RUN_UNTIL(seen.is_up, rig->up_ms_max + rig->lost_ms_max));
    assert_true(asked_fresh());
    assert_int_equal(seen.bolt, DW_BOLT_THROWN);
    assert_int_equal(truth(), DW_BOLT_THROWN);
}

static void close_while_busy(void **state)
{
    (void)state;
    (void)dw_failed(ask());
    (void)dw_failed(command_by(DW_LOCK_ACTION_THROW, dw_mono_add(dw_now(), 1000)));
    close_adapter(); /* checks that nothing comes after */
}

static void close_while_half_open(void **state)
{
    (void)state;
    open_adapter();
    close_adapter();
    open_adapter();
    uv_run(&loop, UV_RUN_ONCE); /* dialling */
    close_adapter();
    proxy_mode(proxy, PROXY_CUT);
    open_adapter();
    (void)RUN_UNTIL(false, 250); /* refused, and waiting to dial again */
    assert_false(seen.is_up);
    close_adapter();
    proxy_mode(proxy, PROXY_STALL);
    open_adapter();
    (void)RUN_UNTIL(seen.is_up, 250);
    close_adapter();
}

static void close_after_link_loss(void **state)
{
    (void)state;
    proxy_mode(proxy, PROXY_CUT);
    assert_true(RUN_UNTIL(!seen.is_up, rig->lost_ms_max));
    close_adapter();
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define BARE(f) cmocka_unit_test_setup_teardown(f, set_up_closed, tear_down)

static int run(const char *filter)
{
    const struct CMUnitTest tests[] = {
        BARE(settings_that_cannot_be_are_said),
        BARE(link_up_is_news),
        CASE(ask_is_answered_from_the_lock),
        CASE(retract_is_sensed_and_relocks_alone),
        CASE(throw_throws),
        CASE(open_door_is_sensed_and_not_thrown),
        CASE(jam_is_never_thrown),
        CASE(inside_handle_is_sensed),
        CASE(expired_command_is_not_sent),
        CASE(no_action_is_not_supported),
        CASE(without_a_link_nothing_is_kept_for_later),
        CASE(a_stalled_link_never_opens_the_door_late),
        CASE(link_comes_back_again_and_again),
        CASE(garbage_of_the_peer_does_no_harm),
        CASE(close_while_busy),
        BARE(close_while_half_open),
        CASE(close_after_link_loss),
    };
    if (filter)
        cmocka_set_test_filter(filter);
    return cmocka_run_group_tests_name(rig->name, tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    char why[256] = "";
    uint16_t port = 0;
    bool is_skip = false;

    for (size_t i = 0; argc > 1 && i < DW_ARRAY_COUNT(rigs); i++)
        if (strcmp(rigs[i]->name, argv[1]) == 0)
            rig = rigs[i];
    if (!rig) {
        fprintf(stderr, "usage: lock_conformance RIG [FILTER]\n");
        return 2;
    }
    dw_os_init("conformance");
    if (dw_failed(dw_crypto_init()) || uv_loop_init(&loop) != 0)
        return 1;
    uv_timer_init(&loop, &beat);
    uv_timer_start(&beat, on_beat, 5, 5);
    home = rig->start(&loop, &port, &is_skip, why, sizeof why);
    if (!home) {
        fprintf(stderr, "%s: %s\n", rig->name, why);
        return is_skip ? SKIPPED : 1;
    }
    proxy = proxy_new(&loop, port);
    int failed = run(argc > 2 ? argv[2] : NULL);
    proxy_free(proxy);
    rig->stop(home);
    uv_close((uv_handle_t *)&beat, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&loop) != 0) {
        fprintf(stderr, "%s: handles are still open after close\n", rig->name);
        return 1;
    }
    return failed == 0 ? 0 : 1;
}
