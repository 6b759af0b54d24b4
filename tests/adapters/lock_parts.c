/* The parts of doorward-lock that need no process: its nonces and its stored counters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto/crypto.h"
#include "lock/nonces.h"
#include "lock/store.h"
#include "os/os.h"

static uint8_t fresh[32];

static const uint8_t *offer(struct dw_lock_nonces *n, uint64_t at_ms)
{
    dw_random(fresh, sizeof fresh);
    return dw_lock_nonces_offer(n, fresh, (dw_mono){at_ms});
}

static bool use(struct dw_lock_nonces *n, const uint8_t bytes[32], uint32_t age_ms, uint64_t at_ms)
{
    return dw_lock_nonces_use(n, bytes, age_ms, (dw_mono){at_ms});
}

static void a_nonce_is_good_once(void **state)
{
    struct dw_lock_nonces n = {0};
    uint8_t first[32];
    (void)state;
    memcpy(first, offer(&n, 1000), 32);
    assert_true(use(&n, first, DW_LOCK_RETRACT_AGE_MS, 1001));
    assert_false(use(&n, first, DW_LOCK_RETRACT_AGE_MS, 1002));
}

static void a_nonce_grows_old(void **state)
{
    struct dw_lock_nonces n = {0};
    uint8_t first[32];
    (void)state;
    memcpy(first, offer(&n, 1000), 32);
    struct dw_lock_nonces m = n;
    assert_true(use(&n, first, DW_LOCK_RETRACT_AGE_MS, 1000 + DW_LOCK_RETRACT_AGE_MS));
    assert_false(use(&m, first, DW_LOCK_RETRACT_AGE_MS, 1001 + DW_LOCK_RETRACT_AGE_MS));
}

static void the_offer_is_renewed_and_the_last_ones_stay(void **state)
{
    struct dw_lock_nonces n = {0};
    uint8_t at[10][32];
    (void)state;
    for (uint64_t i = 0; i < 10; i++) {
        memcpy(at[i], offer(&n, 1000 + i * 1000), 32);
        assert_memory_equal(offer(&n, 1999 + i * 1000), at[i], 32); /* the same for a second */
        for (uint64_t k = 0; k < i; k++)
            assert_memory_not_equal(at[i], at[k], 32);
    }
    struct dw_lock_nonces m = n, o = n;
    assert_true(use(&n, at[0], DW_LOCK_THROW_AGE_MS, 10500)); /* a THROW on a status 9.5 s old */
    assert_false(use(&m, at[0], DW_LOCK_RETRACT_AGE_MS, 10500));
    assert_true(use(&o, at[8], DW_LOCK_RETRACT_AGE_MS, 10500));  /* one ask overtook the command */
    assert_false(use(&o, at[9], DW_LOCK_RETRACT_AGE_MS, 10500)); /* one use voids all */
}

static void what_was_never_offered_changes_nothing(void **state)
{
    struct dw_lock_nonces n = {0};
    uint8_t first[32], other[32] = {0};
    (void)state;
    assert_false(use(&n, other, DW_LOCK_THROW_AGE_MS, 0)); /* zeroes are not an offer */
    memcpy(first, offer(&n, 1000), 32);
    assert_false(use(&n, other, DW_LOCK_THROW_AGE_MS, 1001));
    assert_true(use(&n, first, DW_LOCK_THROW_AGE_MS, 1002));
}

static void power_up_voids_all(void **state)
{
    struct dw_lock_nonces n = {0};
    uint8_t first[32];
    (void)state;
    memcpy(first, offer(&n, 1000), 32);
    dw_lock_nonces_void(&n);
    assert_false(use(&n, first, DW_LOCK_THROW_AGE_MS, 1001));
    assert_memory_not_equal(offer(&n, 1001), first, 32);
}

/* ---- store ---- */

static char folder[256];

static int make_folder(void **state)
{
    const char *tmp = getenv("TMPDIR");
    (void)state;
    snprintf(folder, sizeof folder, "%s/doorward-store-XXXXXX", tmp ? tmp : "/tmp");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char path[300];
    (void)state;
    snprintf(path, sizeof path, "%s/lock.state", folder);
    (void)unlink(path);
    return rmdir(folder);
}

static void figures_come_back(void **state)
{
    struct dw_lock_store s;
    struct dw_lock_facts f, g;
    (void)state;
    assert_true(dw_is(dw_lock_store_open(&s, folder, &f), DW_E_OK));
    assert_int_equal(f.epoch, 1);
    f.counter = 4294967295u;
    f.op_count = 12;
    f.opening_count = 6;
    f.boot_count = 3;
    f.is_moving = true;
    assert_true(dw_is(dw_lock_store_save(&s, &f), DW_E_OK));
    assert_true(dw_is(dw_lock_store_open(&s, folder, &g), DW_E_OK));
    assert_memory_equal(&f, &g, sizeof f);
    g.epoch = 2; /* enrolled anew: the counter starts again, nothing else does */
    g.counter = 0;
    assert_true(dw_is(dw_lock_store_save(&s, &g), DW_E_OK));
}

/* Every changed byte and every cut of the file is noticed: a lock with wrong counters does not
 * start. */
static void damage_is_noticed(void **state)
{
    struct dw_lock_store s;
    struct dw_lock_facts f, g;
    char text[600];
    (void)state;
    assert_true(dw_is(dw_lock_store_open(&s, folder, &f), DW_E_OK));
    f.counter = 77;
    assert_true(dw_is(dw_lock_store_save(&s, &f), DW_E_OK));
    struct dw_buf b = dw_buf_of(text, sizeof text);
    assert_true(dw_is(dw_file_read(s.path, &b), DW_E_OK));
    for (size_t i = 0; i < b.len; i++) {
        text[i] ^= 1;
        assert_true(dw_is(dw_file_write(s.path, dw_view_of(text, b.len), 0600), DW_E_OK));
        assert_true(dw_is(dw_lock_store_open(&s, folder, &g), DW_E_CORRUPT));
        text[i] ^= 1;
    }
    for (size_t cut = 0; cut < b.len; cut++) {
        assert_true(dw_is(dw_file_write(s.path, dw_view_of(text, cut), 0600), DW_E_OK));
        assert_true(dw_is(dw_lock_store_open(&s, folder, &g), DW_E_CORRUPT));
    }
    memset(text + b.len, '\n', 3);
    assert_true(dw_is(dw_file_write(s.path, dw_view_of(text, b.len + 1), 0600), DW_E_OK));
    assert_true(dw_is(dw_lock_store_open(&s, folder, &g), DW_E_CORRUPT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_nonce_is_good_once),
        cmocka_unit_test(a_nonce_grows_old),
        cmocka_unit_test(the_offer_is_renewed_and_the_last_ones_stay),
        cmocka_unit_test(what_was_never_offered_changes_nothing),
        cmocka_unit_test(power_up_voids_all),
        cmocka_unit_test_setup_teardown(figures_come_back, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(damage_is_noticed, make_folder, remove_folder),
    };
    if (dw_failed(dw_crypto_init()))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
