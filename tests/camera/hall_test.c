/* tests/camera/hall_test.c - the rendered hall: follows the world, never repeats, freezes exactly.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/hall/hall.h"

#define W     320
#define H     200
#define BYTES (W * H * 3 / 2)

static struct dw_world world;
static struct dw_hall *hall;
static uint64_t now_us;
static uint8_t a[BYTES], b[BYTES];

static int set_up(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    now_us = 1000000;
    hall = dw_hall_new(W, H, 1);
    return hall && dw_hall_bytes(hall) == BYTES ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    dw_hall_free(hall);
    return 0;
}

static void picture(uint8_t *to)
{
    now_us += 50000;
    dw_hall_picture(hall, &world, now_us, 3600, to);
}

static void let_settle(void) /* four seconds of the hall's own time */
{
    for (int i = 0; i < 80; i++)
        picture(a);
}

/* Mean difference per pixel of luma inside the doorway, in tenths: noise alone stays under 30. */
static unsigned change(void)
{
    unsigned sum = 0, n = 0;
    for (int y = 50; y < 170; y++)
        for (int x = 135; x < 215; x++, n++)
            sum += (unsigned)abs(a[y * W + x] - b[y * W + x]);
    return sum * 10 / n;
}

static void test_live_pictures_never_repeat(void **state)
{
    (void)state;
    for (int night = 0; night < 2; night++) {
        world.is_night = night;
        let_settle();
        for (int i = 0; i < 200; i++) {
            picture(b);
            assert_memory_not_equal(a, b, W * H);
            assert_true(change() < 30); /* and nothing but noise moves */
            memcpy(a, b, BYTES);
        }
    }
}

static void test_frozen_repeats_to_the_byte(void **state)
{
    (void)state;
    let_settle();
    world.lens = DW_LENS_FROZEN;
    world.door_permille = 1000; /* the world goes on, the picture does not */
    for (int i = 0; i < 50; i++) {
        picture(b);
        assert_memory_equal(a, b, BYTES);
    }
    world.lens = DW_LENS_CLEAR;
    let_settle();
    assert_true(change() > 100);
}

static void test_covered_is_dark_and_alive(void **state)
{
    (void)state;
    let_settle();
    world.lens = DW_LENS_COVERED;
    picture(a);
    picture(b);
    assert_memory_not_equal(a, b, W * H);
    for (size_t i = 0; i < W * H; i++)
        assert_true(b[i] >= 16 && b[i] <= 28);
}

static void test_follows_the_world(void **state)
{
    (void)state;
    let_settle();
    picture(b);
    assert_true(change() < 30);
    static const struct {
        int32_t door, person, thief, parcels, night;
    } steps[] = {{500, 1, 0, 0, 0},  {1000, 1, 0, 0, 0}, {1000, 2, 0, 0, 0}, {1000, 3, 0, 0, 0},
                 {1000, 3, 0, 1, 0}, {1000, 0, 0, 1, 0}, {0, 0, 0, 1, 0},    {0, 0, 0, 1, 1},
                 {1000, 0, 3, 1, 1}, {0, 0, 0, 1, 0}};
    for (size_t i = 0; i < DW_ARRAY_COUNT(steps); i++) {
        memcpy(b, a, BYTES);
        world.door_permille = steps[i].door;
        world.person = steps[i].person;
        world.thief = steps[i].thief;
        world.parcels_inside = steps[i].parcels;
        world.is_night = steps[i].night;
        let_settle();
        if (change() < 34)
            fail_msg("step %zu shows nothing (%u)", i, change());
    }
}

static void test_movement_is_smooth(void **state)
{
    (void)state;
    let_settle();
    world.door_permille = 1000; /* the world jumps, the leaf turns */
    unsigned most = 0;
    memcpy(b, a, BYTES);
    for (int i = 0; i < 40; i++) {
        picture(a);
        unsigned c = change();
        most = c > most ? c : most;
        memcpy(b, a, BYTES);
    }
    assert_true(most > 30 && most < 400);
}

static void test_values_out_of_range_do_no_harm(void **state)
{
    (void)state;
    world.door_permille = -5;
    world.person = 99;
    world.thief = -1;
    world.parcels_inside = 1000000;
    world.is_night = -7;
    world.lens = 42;
    let_settle();
    world.door_permille = INT32_MAX;
    world.parcels_inside = INT32_MIN;
    let_settle();
    now_us -= 3000000; /* a clock that falls moves nothing */
    picture(b);
}

static void test_sizes(void **state)
{
    (void)state;
    static const uint16_t bad[][2] = {{0, 0},     {158, 100}, {160, 94},
                                      {321, 200}, {320, 201}, {1922, 1080}};
    for (size_t i = 0; i < DW_ARRAY_COUNT(bad); i++)
        assert_null(dw_hall_new(bad[i][0], bad[i][1], 1));
    static const uint16_t good[][2] = {{160, 96}, {640, 360}, {400, 640}, {1920, 1080}};
    for (size_t i = 0; i < DW_ARRAY_COUNT(good); i++) {
        struct dw_hall *h = dw_hall_new(good[i][0], good[i][1], 1);
        assert_non_null(h);
        uint8_t *p = malloc(dw_hall_bytes(h));
        assert_non_null(p);
        dw_hall_picture(h, &world, 1, 0, p);
        free(p);
        dw_hall_free(h);
    }
}

#define HALL(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HALL(test_live_pictures_never_repeat),
        HALL(test_frozen_repeats_to_the_byte),
        HALL(test_covered_is_dark_and_alive),
        HALL(test_follows_the_world),
        HALL(test_movement_is_smooth),
        HALL(test_values_out_of_range_do_no_harm),
        HALL(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
