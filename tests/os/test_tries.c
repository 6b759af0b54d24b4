/* Buckets of tries [I45]: how they empty and fill, and what a crowd cannot do. */
#include "os/tries.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct dw_tries tries;

static int fresh(void **state)
{
    (void)state;
    tries = (struct dw_tries){.rule = {.cap = 5, .each_ms = 100}};
    return 0;
}

static void a_bucket_empties_and_fills(void **state)
{
    (void)state;
    dw_tries_of(&tries, "a", 1000)->left = 0;
    assert_int_equal(dw_tries_of(&tries, "a", 1099)->left, 0);
    assert_int_equal(dw_tries_of(&tries, "a", 1100)->left, 1);
    assert_int_equal(dw_tries_of(&tries, "b", 1100)->left, 5); /* another's is its own */
    assert_int_equal(dw_tries_of(&tries, "a", 1399)->left, 3);
    assert_int_equal(dw_tries_of(&tries, "a", 1000000)->left, 5);
    assert_int_equal(dw_tries_of(&tries, "a", UINT64_MAX)->left, 5);
}

static void a_crowd_gives_nobody_his_tries_back(void **state)
{
    (void)state;
    char name[80];
    dw_tries_of(&tries, "wrong", 1000)->left = 0;
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "somebody %d", i);
        assert_int_equal(dw_tries_of(&tries, name, 1000)->left, 5);
    }
    assert_int_equal(dw_tries_of(&tries, "wrong", 1000)->left, 0);
}

static void a_name_that_is_too_long_is_one_name(void **state)
{
    (void)state;
    char name[200];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    dw_tries_of(&tries, name, 1000)->left = 0;
    assert_int_equal(dw_tries_of(&tries, name, 1000)->left, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_bucket_empties_and_fills, fresh),
        cmocka_unit_test_setup(a_crowd_gives_nobody_his_tries_back, fresh),
        cmocka_unit_test_setup(a_name_that_is_too_long_is_one_name, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
