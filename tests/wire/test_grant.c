/* What a grant holds of a job [I4]: each part that lies outside is found, and only that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/types.h"
#include "wire/grant.h"

#define HOUR   60u
#define DAY    1440u
#define MONDAY 20780 /* 2026-11-23 */

static struct dw_grant some_grant(void)
{
    struct dw_grant g = {
        .nbf_s = 1000,
        .exp_s = 2000000,
        .zone = "Europe/Amsterdam",
        .name = "Acme",
        .kind = DW_VISIT_DROP,
        .dwell_ms = 60000,
        .camera_class = DW_CAMERA_K2,
        .window_count = 1,
        .window = {{10 * HOUR, 4 * HOUR}}, /* Mondays 10:00 to 14:00 */
        .uses = 20,
        .per_day = 2,
    };
    memset(g.hub, 7, sizeof g.hub);
    return g;
}

static struct dw_job some_job(void)
{
    struct dw_job j = {
        .nbf_s = 1500,
        .exp_s = 90000,
        .kind = DW_VISIT_DROP,
        .openings = 1,
        .zone = "Europe/Amsterdam",
        .window = {MONDAY, 10 * HOUR, 14 * HOUR},
        .dwell_ms = 60000,
        .camera_class = DW_CAMERA_K2,
    };
    memset(j.hub, 7, sizeof j.hub);
    return j;
}

static const char *why(const struct dw_grant *g, const struct dw_job *j)
{
    const char *part = "?";
    bool holds = dw_grant_holds(g, j, &part);
    assert_int_equal(holds, part == NULL);
    assert_int_equal(holds, dw_grant_holds(g, j, NULL));
    return part ? part : "";
}

static void each_part(void **state)
{
    (void)state;
    struct dw_grant g = some_grant();
    struct dw_job j = some_job();
    assert_string_equal(why(&g, &j), "");
#define OUTSIDE(part, change)                   \
    do {                                        \
        j = some_job();                         \
        g = some_grant();                       \
        change;                                 \
        assert_string_equal(why(&g, &j), part); \
    } while (0)
    OUTSIDE("hub", j.hub[31] ^= 1);
    OUTSIDE("kind", j.kind = DW_VISIT_STAY);
    OUTSIDE("door", j.door = 1);
    OUTSIDE("time", j.nbf_s = g.nbf_s - 1);
    OUTSIDE("time", j.exp_s = g.exp_s + 1);
    OUTSIDE("zone", j.zone[0] = 'A');
    OUTSIDE("window", j.window.from_min--);
    OUTSIDE("window", j.window.to_min++);
    OUTSIDE("window", j.window.day++);
    OUTSIDE("window", j.window.day--);
    OUTSIDE("uses", j.openings = 21);
    OUTSIDE("dwell", j.dwell_ms++);
    OUTSIDE("camera", j.camera_class = DW_CAMERA_K1);
    OUTSIDE("", j.camera_class = DW_CAMERA_K3);
    OUTSIDE("", j.dwell_ms = 0);
}

/* Every minute of two weeks against a window that runs over the end of the week, by counting. */
static void round_the_week(void **state)
{
    (void)state;
    struct dw_grant g = some_grant();
    struct dw_job j = some_job();
    g.window[0] = (struct dw_week_window){6 * DAY + 22 * HOUR, 4 * HOUR}; /* Sunday 22:00 */
    unsigned held = 0;
    for (int32_t day = MONDAY; day < MONDAY + 14; day++) {
        for (uint32_t minute = 0; minute < DAY; minute++) {
            j.window = (struct dw_civil_window){day, (uint16_t)minute, (uint16_t)(minute + 1)};
            bool sunday_late = (day - MONDAY) % 7 == 6 && minute >= 22 * HOUR;
            bool monday_early = (day - MONDAY) % 7 == 0 && minute < 2 * HOUR;
            assert_int_equal(dw_grant_holds(&g, &j, NULL), sunday_late || monday_early);
            held += sunday_late || monday_early;
        }
    }
    assert_int_equal(held, 2 * 4 * HOUR);
    /* A civil window never crosses midnight, so it may end with the window but not after. */
    j.window = (struct dw_civil_window){MONDAY, 0, 2 * HOUR};
    assert_string_equal(why(&g, &j), "");
    j.window.to_min++;
    assert_string_equal(why(&g, &j), "window");
}

static void two_windows_are_not_one(void **state)
{
    (void)state;
    struct dw_grant g = some_grant();
    struct dw_job j = some_job();
    g.window_count = 2;
    g.window[0] = (struct dw_week_window){10 * HOUR, 2 * HOUR};
    g.window[1] = (struct dw_week_window){12 * HOUR, 2 * HOUR};
    assert_string_equal(why(&g, &j), "window"); /* they touch; the owner signed two */
    j.window.to_min = 12 * HOUR;
    assert_string_equal(why(&g, &j), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_part),
        cmocka_unit_test(round_the_week),
        cmocka_unit_test(two_windows_are_not_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
