/* tests/camera/still_test.c - media/still.h by numbers that can be worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "media/still.h"

#define W 640
#define H 400

static uint8_t luma[W * H];

static void feed(struct dw_still *s, uint64_t t_ms)
{
    dw_still_feed(s, luma, W, W, H, t_ms * 1000);
}

static void shade(void)
{
    for (size_t i = 0; i < sizeof luma; i++)
        luma[i] = (uint8_t)(16 + i % 211);
}

/* Changes `n` of the compared samples by `by`. */
static void move(size_t n, uint8_t by)
{
    for (size_t i = 0; i < n; i++) {
        size_t x = (i % 64 * 2 + 1) * W / 128, y = (i / 64 * 2 + 1) * H / 128;
        luma[y * W + x] = (uint8_t)(luma[y * W + x] + by);
    }
}

static void test_equal_pictures_are_still(void **state)
{
    (void)state;
    struct dw_still s;
    dw_still_init(&s);
    shade();
    feed(&s, 1000);
    assert_int_equal(dw_still_ms(&s), 0);
    for (uint64_t t = 1050; t <= 4000; t += 50)
        feed(&s, t);
    assert_int_equal(s.diff_permille, 0);
    assert_int_equal(dw_still_ms(&s), 3000);
    move(4096, 1); /* one step everywhere */
    feed(&s, 4050);
    assert_int_equal(s.diff_permille, 1000);
    assert_int_equal(dw_still_ms(&s), 0);
    feed(&s, 4150);
    assert_int_equal(dw_still_ms(&s), 100);
}

static void test_limit_of_raw_pictures(void **state)
{
    (void)state;
    static const struct {
        size_t moved;
        uint16_t permille;
        bool is_still;
    } rows[] = {{0, 0, true}, {1, 1, true}, {20, 5, true}, {21, 6, false}, {4096, 1000, false}};
    for (size_t i = 0; i < DW_ARRAY_COUNT(rows); i++) {
        struct dw_still s;
        dw_still_init(&s);
        shade();
        feed(&s, 0);
        move(rows[i].moved, 1);
        feed(&s, 500);
        assert_int_equal(s.diff_permille, rows[i].permille);
        assert_int_equal(dw_still_ms(&s), rows[i].is_still ? 500 : 0);
    }
}

static void test_limit_of_decoded_pictures(void **state)
{
    (void)state;
    static const struct {
        size_t moved;
        uint8_t by;
        bool is_still;
    } rows[] = {
        {4096, 1, true}, {81, 2, true}, {82, 2, false}, {4096, 255, true}, {4096, 254, false}};
    for (size_t i = 0; i < DW_ARRAY_COUNT(rows); i++) {
        struct dw_still s;
        dw_still_init_decoded(&s);
        shade();
        feed(&s, 0);
        move(rows[i].moved, rows[i].by); /* 255 and 254: one and two steps down */
        feed(&s, 1000);
        assert_int_equal(dw_still_ms(&s), rows[i].is_still ? 1000 : 0);
    }
}

static void test_mean_and_spread(void **state)
{
    (void)state;
    struct dw_still s;
    dw_still_init(&s);
    memset(luma, 130, sizeof luma);
    feed(&s, 0);
    assert_int_equal(s.mean, 130);
    assert_int_equal(s.spread, 0);
    memset(luma, 0, sizeof luma / 2); /* half black, half white: the widest there is */
    memset(luma + sizeof luma / 2, 255, sizeof luma / 2);
    feed(&s, 1);
    assert_int_equal(s.mean, 127);
    assert_int_equal(s.spread, 127);
    memset(luma, 100, sizeof luma / 2);
    memset(luma + sizeof luma / 2, 110, sizeof luma / 2);
    feed(&s, 2);
    assert_int_equal(s.mean, 105);
    assert_int_equal(s.spread, 5);
}

/* Padding at the end of rows, and pictures smaller than the grid: nothing outside is read. */
static void test_strides_and_sizes(void **state)
{
    (void)state;
    static const uint16_t sizes[][3] = {{1, 1, 1},    {1, 1, 9},    {2, 3, 2},
                                        {63, 65, 70}, {64, 64, 64}, {641, 33, 700}};
    for (size_t i = 0; i < DW_ARRAY_COUNT(sizes); i++) {
        uint16_t w = sizes[i][0], h = sizes[i][1], stride = sizes[i][2];
        size_t bytes = (size_t)stride * (h - 1u) + w; /* the last row has no padding */
        uint8_t *p = malloc(bytes);
        struct dw_still s;
        assert_non_null(p);
        memset(p, 200, bytes);
        for (uint16_t y = 0; y + 1 < h; y++) /* padding is not picture */
            memset(p + (size_t)y * stride + w, 0, (size_t)stride - w);
        dw_still_init(&s);
        dw_still_feed(&s, p, stride, w, h, 0);
        assert_int_equal(s.mean, 200);
        assert_int_equal(s.spread, 0);
        free(p);
    }
}

static void test_time_that_falls_is_a_change(void **state)
{
    (void)state;
    struct dw_still s;
    dw_still_init(&s);
    shade();
    feed(&s, 5000);
    feed(&s, 6000);
    assert_int_equal(dw_still_ms(&s), 1000);
    feed(&s, 100); /* another clock: no stillness out of nothing */
    assert_int_equal(dw_still_ms(&s), 0);
    feed(&s, 300);
    assert_int_equal(dw_still_ms(&s), 200);
}

static void test_covered(void **state)
{
    (void)state;
    assert_true(dw_still_is_covered(0, 0));
    assert_true(dw_still_is_covered(22, 1));  /* a cap */
    assert_true(dw_still_is_covered(126, 6)); /* bright tape */
    assert_true(dw_still_is_covered(30, 8));  /* too dark to see who it is */
    assert_false(dw_still_is_covered(36, 9));
    assert_false(dw_still_is_covered(126, 7));
    assert_false(dw_still_is_covered(41, 8));
    assert_false(dw_still_is_covered(118, 46)); /* a surveillance camera's street */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_pictures_are_still),
        cmocka_unit_test(test_limit_of_raw_pictures),
        cmocka_unit_test(test_limit_of_decoded_pictures),
        cmocka_unit_test(test_mean_and_spread),
        cmocka_unit_test(test_strides_and_sizes),
        cmocka_unit_test(test_time_that_falls_is_a_change),
        cmocka_unit_test(test_covered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
