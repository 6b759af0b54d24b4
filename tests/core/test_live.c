/* Rules LIV-n of docs/spec/visit.md, each by itself [I23, I25]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/live.h"

static struct dw_params p;
static struct dw_live v;
static uint64_t now;

static dw_mono at(uint64_t ms)
{
    return (dw_mono){ms};
}

static void begin(void)
{
    dw_params_default(&p);
    memset(&v, 0xA5, sizeof v);
    dw_live_init(&v);
    now = 50000;
}

/* A frame that arrives now and was taken `age` ms ago, under the newest nonce. */
static void frame(uint32_t age, enum dw_frame_order order)
{
    uint32_t n = v.newest_nonce;
    struct dw_frame_seen f = {.nonce = n, .order = order, .camera_class = DW_CAMERA_K2};
    if (n)
        f.since_ms = (uint32_t)(now - age - v.nonce_at[n].ms);
    dw_live_frame(&v, &p, &f, at(now));
}

/* Frames every `every` ms for `ms`, with a nonce each half second. */
static void stream(uint64_t ms, uint32_t every)
{
    uint64_t end = now + ms, nonce = now;
    while (now < end) {
        if (now >= nonce) {
            (void)dw_live_issue(&v, at(now));
            nonce += 500;
        }
        now += every;
        frame(0, DW_FRAME_NEXT);
    }
}

static void nonces(void **state) /* LIV-1, LIV-2 */
{
    (void)state;
    begin();
    uint32_t seen[DW_LIVE_NONCES + 1] = {0};
    for (uint32_t i = 0; i < DW_LIVE_NONCES; i++) {
        uint32_t n = dw_live_issue(&v, at(now += 10));
        assert_in_range(n, 1, DW_LIVE_NONCES);
        assert_int_equal(seen[n]++, 0);
    }
    begin();
    struct dw_frame_seen f = {.order = DW_FRAME_NEXT, .camera_class = DW_CAMERA_K2};
    const uint32_t not_ours[] = {0, 1, DW_LIVE_NONCES, DW_LIVE_NONCES + 1, UINT32_MAX};
    for (size_t i = 0; i < DW_ARRAY_COUNT(not_ours); i++) {
        f.nonce = not_ours[i];
        dw_live_frame(&v, &p, &f, at(now));
        assert_int_equal(dw_live_age_ms(&v, at(now)), UINT32_MAX);
        assert_int_equal(dw_live_state(&v, &p, at(now)), DW_CAMERA_UNKNOWN);
    }
    uint32_t a = dw_live_issue(&v, at(now)), b = dw_live_issue(&v, at(now + 100));
    assert_false(dw_live_has_answered(&v, a));
    f.nonce = a;
    f.since_ms = 150;
    dw_live_frame(&v, &p, &f, at(now += 200));
    assert_true(dw_live_has_answered(&v, a));
    assert_false(dw_live_has_answered(&v, b)); /* an older nonce does not answer a newer one */
    assert_int_equal(dw_live_age_ms(&v, at(now)), 50);
    f.nonce = b;
    f.since_ms = 100;
    dw_live_frame(&v, &p, &f, at(now += 50));
    assert_true(dw_live_has_answered(&v, b));
    assert_true(dw_live_has_answered(&v, a));     /* a newer one answers the older */
    for (uint32_t i = 0; i < DW_LIVE_NONCES; i++) /* handles come round: old answers do not count */
        assert_false(dw_live_has_answered(&v, dw_live_issue(&v, at(now += 500))));
}

static void camera_clock(void **state) /* LIV-1: no picture is younger than its arrival */
{
    (void)state;
    begin();
    struct dw_frame_seen f = {
        .nonce = dw_live_issue(&v, at(now)), .since_ms = 3600000, .order = DW_FRAME_NEXT};
    dw_live_frame(&v, &p, &f, at(now + 20));
    assert_int_equal(v.captured.ms, now + 20);
    f.since_ms = UINT32_MAX;
    dw_live_frame(&v, &p, &f, at(now + 40));
    assert_int_equal(v.captured.ms, now + 40);
}

static void gaps(void **state) /* LIV-3, LIV-4 */
{
    (void)state;
    begin();
    stream(12000, 33);
    assert_int_equal(dw_live_blind_ms(&v, &p, at(now)), 0);
    assert_int_equal(dw_live_blind_ms(&v, &p, at(now + 500)), 0);
    assert_int_equal(dw_live_blind_ms(&v, &p, at(now + 501)), 501);
    assert_false(dw_live_is_lost(&v, &p, at(now + 2000)));
    assert_true(dw_live_is_lost(&v, &p, at(now + 2001)));
    for (int i = 1; i <= 3; i++) { /* 3 x 0.6 s is not more than 2 s, 4 x is */
        now += 600;
        frame(0, DW_FRAME_SKIP);
        stream(1000, 33);
        assert_in_range(dw_live_blind_ms(&v, &p, at(now)), (unsigned)i * 600, (unsigned)i * 640);
        assert_false(dw_live_is_lost(&v, &p, at(now)));
    }
    now += 600;
    frame(0, DW_FRAME_SKIP);
    assert_true(dw_live_is_lost(&v, &p, at(now)));
    stream(11000, 33); /* they leave the ten seconds again */
    assert_int_equal(dw_live_blind_ms(&v, &p, at(now)), 0);
    assert_false(dw_live_is_lost(&v, &p, at(now)));
}

static void bursts(
    void **state) /* LIV-3, LIV-5: late frames neither hide a gap nor make one twice */
{
    (void)state;
    for (uint32_t spread = 0; spread < 3; spread++) {
        begin();
        stream(12000, 33);
        uint32_t expect = 0;
        for (int i = 0; i < 3; i++) {
            uint64_t dark = now;
            now += 900;
            for (uint64_t t = dark + 33; t <= now; t += 33) { /* what was queued comes at once */
                frame((uint32_t)(now - t), DW_FRAME_NEXT);
                now += spread;
            }
            expect += (uint32_t)(now - dark) - 500; /* at least what was older than t_gap */
            assert_in_range(dw_live_blind_ms(&v, &p, at(now)), expect, 980u * (unsigned)(i + 1));
            if (i < 2)
                stream(1000, 33);
        }
        assert_true(dw_live_is_lost(&v, &p, at(now)));
    }
}

static void flapping(
    void **state) /* LIV-3, LIV-4 [I23]: any rhythm that is blind for > 2 s in 10 */
{
    (void)state;
    for (uint32_t dark = 520; dark < 2000; dark += 40) {
        for (uint32_t light = 40; light + dark < 3300; light += 120) {
            begin();
            stream(12000, 20);
            uint64_t from = now;
            bool lost = false;
            while (now < from + 10000 && !lost) {
                now += dark;
                lost = dw_live_is_lost(&v, &p, at(now));
                frame(0, DW_FRAME_SKIP);
                lost |= dw_live_is_lost(&v, &p, at(now));
                if (!lost)
                    stream(light, 20);
            }
            uint32_t times = 10000 / (dark + light + 20); /* whole gaps that fit into the window */
            if (times * dark > 2000 + dark)
                assert_true(lost);
            if (10000 / (dark + light) * (dark + 20) + dark + 20 <= 2000)
                assert_false(lost);
        }
    }
}

static void order_of_frames(void **state) /* LIV-5, LIV-6, LIV-11 */
{
    (void)state;
    begin();
    stream(1000, 33);
    uint64_t was = v.captured.ms;
    frame(300, DW_FRAME_NEXT); /* older than what is proven */
    assert_int_equal(v.captured.ms, was);
    const enum dw_frame_order false_ones[] = {DW_FRAME_REPEAT, DW_FRAME_BROKEN};
    for (size_t i = 0; i < 2; i++) {
        begin();
        stream(1000, 33);
        was = v.captured.ms;
        now += 100;
        frame(0, false_ones[i]);
        assert_int_equal(v.captured.ms, was); /* proves nothing */
        assert_true(v.has_tampered);
        assert_int_equal(dw_live_state(&v, &p, at(now)), DW_CAMERA_TAMPERED);
        stream(9900, 33); /* good frames between do not blink it away */
        assert_true(dw_live_is_tampered(&v, at(v.tampered_at.ms + 9999)));
        assert_false(dw_live_is_tampered(&v, at(v.tampered_at.ms + 10000)));
    }
    begin();
    stream(1000, 33);
    dw_live_mark(&v, &p, at(now));
    assert_false(v.has_skipped || v.has_rebooted || v.has_tampered || v.has_frozen);
    now += 33;
    frame(0, DW_FRAME_SKIP);
    assert_true(v.has_skipped);
    assert_false(v.has_rebooted);
    now += 33;
    frame(0, DW_FRAME_REBOOT);
    assert_true(v.has_rebooted);
    assert_int_equal(v.captured.ms, now);
    begin();
    stream(1000, 33);
    struct dw_frame_seen f = {.order =
                                  DW_FRAME_REBOOT}; /* of another boot, with no nonce of ours */
    dw_live_frame(&v, &p, &f, at(now));
    assert_int_equal(dw_live_age_ms(&v, at(now)), UINT32_MAX);
    assert_true(dw_live_is_lost(&v, &p, at(now)));
}

static void frozen(void **state) /* LIV-7 */
{
    (void)state;
    begin();
    stream(1000, 33);
    struct dw_frame_seen f = {.nonce = v.newest_nonce, .order = DW_FRAME_NEXT, .still_ms = 1500};
    dw_live_frame(&v, &p, &f, at(now += 33));
    assert_false(dw_live_is_frozen(&v, &p));
    f.still_ms = 1501;
    dw_live_frame(&v, &p, &f, at(now += 33));
    assert_true(dw_live_is_frozen(&v, &p));
    assert_true(v.has_frozen);
    stream(100, 33);
    assert_false(dw_live_is_frozen(&v, &p));

    begin();
    stream(1000, 33);
    f = (struct dw_frame_seen){
        .nonce = v.newest_nonce, .decoded_still_ms = 4000, .order = DW_FRAME_NEXT};
    dw_live_frame(&v, &p, &f, at(now += 33));
    assert_false(dw_live_is_frozen(&v, &p));
    f.decoded_still_ms = 4001;
    dw_live_frame(&v, &p, &f, at(now += 33));
    uint64_t found = now;
    stream(2400, 33); /* the frames until the next decoded one say nothing about it */
    assert_true(now < found + 2500);
    assert_true(dw_live_is_frozen(&v, &p));
    stream(200, 33);
    assert_false(dw_live_is_frozen(&v, &p));
}

static void covered(void **state) /* LIV-8 */
{
    (void)state;
    begin();
    stream(1000, 33);
    struct dw_frame_seen f = {.nonce = v.newest_nonce, .is_covered = 1, .order = DW_FRAME_NEXT};
    dw_live_frame(&v, &p, &f, at(now));
    dw_live_frame(&v, &p, &f, at(now + 900));
    assert_false(dw_live_is_covered(&v, at(now + 999)));
    assert_true(dw_live_is_covered(&v, at(now + 1000)));
    assert_int_equal(dw_live_deadline(&v, &p, at(now + 900)).ms <= now + 1000, 1);
    f.is_covered = 0;
    dw_live_frame(&v, &p, &f, at(now + 1100));
    assert_false(dw_live_is_covered(&v, at(now + 5000)));
}

static void late(void **state) /* LIV-9 */
{
    (void)state;
    begin();
    stream(3000, 33);
    assert_int_equal(dw_live_state(&v, &p, at(now)), DW_CAMERA_LIVE);
    uint32_t after = 0;
    while (dw_live_state(&v, &p, at(now + after)) == DW_CAMERA_LIVE)
        after++;
    assert_in_range(after, 60, 100); /* <= 100 ms at 30 fps */
    begin();
    stream(5000, 100); /* a slow camera is not late all the time */
    after = 0;
    while (dw_live_state(&v, &p, at(now + after)) == DW_CAMERA_LIVE)
        after++;
    assert_in_range(after, 101, 251);
}

static void unproven(void **state) /* LIV-10 */
{
    (void)state;
    begin();
    dw_live_unproven(&v, at(now));
    assert_int_equal(dw_live_state(&v, &p, at(now)), DW_CAMERA_UNPROVEN);
    assert_int_equal(dw_live_state(&v, &p, at(now + 2001)), DW_CAMERA_BLIND);
    assert_int_equal(dw_live_deadline(&v, &p, at(now)).ms, now + 2001);
    assert_int_equal(dw_live_age_ms(&v, at(now)), UINT32_MAX);
    assert_true(dw_live_is_lost(&v, &p, at(now)));
}

static void account(void **state) /* LIV-4: the worst gap since the mark */
{
    (void)state;
    begin();
    stream(1000, 33);
    now += 1500;
    frame(0, DW_FRAME_SKIP);
    assert_in_range(v.gap_worst_ms, 1500, 1540);
    dw_live_mark(&v, &p, at(now));
    assert_int_equal(v.gap_worst_ms, 0);
    assert_int_equal(v.frames, 0);
    now += 400;
    frame(0, DW_FRAME_NEXT);
    assert_int_equal(v.gap_worst_ms, 400);
    assert_int_equal(v.frames, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nonces),   cmocka_unit_test(camera_clock),
        cmocka_unit_test(gaps),     cmocka_unit_test(bursts),
        cmocka_unit_test(flapping), cmocka_unit_test(order_of_frames),
        cmocka_unit_test(frozen),   cmocka_unit_test(covered),
        cmocka_unit_test(late),     cmocka_unit_test(unproven),
        cmocka_unit_test(account),
    };
    return cmocka_run_group_tests_name("core_live", tests, NULL, NULL);
}
