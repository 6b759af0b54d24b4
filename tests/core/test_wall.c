/* CLK-1 to CLK-4: what time may be believed [I13]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/wall.h"

#define T0 INT64_C(1795000000000) /* ms */

static struct dw_wall_clock w;
static enum dw_wall_note note;

static struct dw_utc read_at(uint64_t now_ms, int64_t lo, int64_t hi)
{
    return dw_wall_read(&w, (dw_mono){now_ms}, (struct dw_utc){lo, hi}, &note);
}

#define KNOWN(t, lo, hi)                   \
    do {                                   \
        struct dw_utc got = (t);           \
        assert_true(dw_utc_is_known(got)); \
        assert_int_equal(got.lo_ms, (lo)); \
        assert_int_equal(got.hi_ms, (hi)); \
    } while (0)
#define UNKNOWN(t) assert_false(dw_utc_is_known(t))

static void what_is_not_known_stays_so(void **state)
{
    (void)state;
    dw_wall_init(&w, 0);
    UNKNOWN(read_at(1000, 0, 0)); /* CLK-1 */
    KNOWN(read_at(2000, T0, T0 + 100), T0, T0 + 100);
    UNKNOWN(read_at(3000, 0, 0));
    UNKNOWN(read_at(3000, T0 + 10, T0));
    KNOWN(read_at(4000, T0 + 2000, T0 + 2100), T0 + 2000, T0 + 2100);
    assert_int_equal(note, DW_WALL_NOTE_NONE);
}

static void never_below_the_floor(void **state)
{
    (void)state;
    dw_wall_init(&w, T0); /* CLK-2: as stored before a restart */
    UNKNOWN(read_at(1000, T0 - 86400000, T0 - 86399000));
    assert_int_equal(note, DW_WALL_NOTE_BELOW_FLOOR);
    UNKNOWN(read_at(2000, T0 - 86399000, T0 - 86398000));
    assert_int_equal(note, DW_WALL_NOTE_NONE); /* said once */
    assert_int_equal(w.floor_ms, T0);
    /* The battery was dead; then the network tells. That is a jump too, waited out. */
    UNKNOWN(read_at(3000, T0 + 5000, T0 + 5100));
    assert_int_equal(note, DW_WALL_NOTE_JUMP);
    KNOWN(read_at(3000 + DW_WALL_CALM_MS, T0 + 65000, T0 + 65100), T0 + 65000, T0 + 65100);

    dw_wall_init(&w, T0); /* an interval over the floor begins at it */
    KNOWN(read_at(1000, T0 - 500, T0 + 500), T0, T0 + 500);
    KNOWN(read_at(1000, T0 - 500, T0), T0, T0);
    UNKNOWN(read_at(1000, T0 - 500, T0 - 1));
    dw_wall_init(&w, -5);
    assert_int_equal(w.floor_ms, 0);
}

static void a_jump_is_said_and_waited_out(void **state)
{
    (void)state;
    const int64_t jumps[] = {3600000, 6000, -6000};
    for (size_t i = 0; i < DW_ARRAY_COUNT(jumps); i++) { /* CLK-3 */
        dw_wall_init(&w, T0 - 3600000);
        KNOWN(read_at(1000, T0, T0 + 100), T0, T0 + 100);
        int64_t at = T0 + 1000 + jumps[i] + (jumps[i] < 0 ? -100 : 100);
        UNKNOWN(read_at(2000, at, at + 100));
        assert_int_equal(note, jumps[i] < 0 ? DW_WALL_NOTE_BELOW_FLOOR : DW_WALL_NOTE_JUMP);
        UNKNOWN(read_at(2000 + DW_WALL_CALM_MS - 1, at + 59999, at + 60099));
        assert_int_equal(note, DW_WALL_NOTE_NONE);
        KNOWN(read_at(2000 + DW_WALL_CALM_MS, at + 60000, at + 60100), at + 60000, at + 60100);
    }
    dw_wall_init(&w, 0); /* up to five seconds off is a clock being set right */
    KNOWN(read_at(1000, T0, T0 + 100), T0, T0 + 100);
    KNOWN(read_at(2000, T0 + 6099, T0 + 6199), T0 + 6099, T0 + 6199);
    /* A jump while one is waited out begins the waiting anew. */
    UNKNOWN(read_at(3000, T0 + 600000, T0 + 600100));
    UNKNOWN(read_at(32000, T0, T0 + 100));
    UNKNOWN(read_at(3000 + DW_WALL_CALM_MS, T0 + 31000, T0 + 31100));
    KNOWN(read_at(32000 + DW_WALL_CALM_MS, T0 + 60000, T0 + 60100), T0 + 60000, T0 + 60100);
}

static void a_wide_reading_is_no_jump(void **state)
{
    (void)state;
    dw_wall_init(&w, 0);
    (void)read_at(1000, T0, T0 + 60000);
    KNOWN(read_at(2000, T0 + 500, T0 + 600), T0 + 500, T0 + 600);
    assert_int_equal(note, DW_WALL_NOTE_NONE);
    /* An hour without a reading, the oscillator a little off. */
    KNOWN(read_at(2000 + 3600000, T0 + 3600000 + 6800, T0 + 3600000 + 6900), T0 + 3606800,
          T0 + 3606900);
    assert_int_equal(note, DW_WALL_NOTE_NONE);
}

/* Whatever the readings are: what is believed lies in the reading, never below the floor, and the
 * floor never falls nor passes what was read (CLK-4). */
static void any_readings(void **state)
{
    (void)state;
    uint64_t seed = 20261122, now = 1000;
    unsigned known = 0;
    dw_wall_init(&w, T0);
    for (int i = 0; i < 200000; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint64_t r = seed >> 33;
        now += r % 3000;
        int64_t off = r % 7 == 0 ? (int64_t)(r % 200000) - 100000 : (int64_t)(r % 50);
        int64_t lo = T0 + (int64_t)now + off, hi = lo + (int64_t)(r % 97);
        int64_t floor = w.floor_ms;
        struct dw_utc t = read_at(now, lo, r % 11 == 0 ? lo - 1 : hi);
        assert_true(w.floor_ms >= floor);
        if (!dw_utc_is_known(t))
            continue;
        known++;
        assert_true(t.lo_ms >= lo && t.hi_ms == hi);
        assert_true(t.lo_ms >= floor && w.floor_ms <= hi);
    }
    assert_true(known > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_known_stays_so),
        cmocka_unit_test(never_below_the_floor),
        cmocka_unit_test(a_jump_is_said_and_waited_out),
        cmocka_unit_test(a_wide_reading_is_no_jump),
        cmocka_unit_test(any_readings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
