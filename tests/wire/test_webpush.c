/* Sealing for a browser against the published example [RFC 8291 appendix A]; what the header says.
 */
#include "crypto/crypto.h"
#include "crypto/webpush.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static size_t unbase64(const char *text, uint8_t *ret_bytes, size_t cap)
{
    size_t len = 0;
    assert_int_equal(sodium_base642bin(ret_bytes, cap, text, strlen(text), NULL, &len, NULL,
                                       sodium_base64_VARIANT_URLSAFE_NO_PADDING),
                     0);
    return len;
}

static int set_up(void **state)
{
    (void)state;
    return dw_failed(dw_crypto_init()) ? -1 : 0;
}

static void published_example(void **state)
{
    static const char text[] = "When I grow up, I want to be a watermelon";
    static const char sealed[] =
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_"
        "c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS"
        "6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_"
        "Qu"
        "lcy4a-fN";
    struct dw_push_to to;
    struct dw_p256 own;
    uint8_t salt[16], sec[32], want[256], got[256];
    struct dw_buf out = dw_buf_of(got, sizeof got);
    (void)state;
    assert_int_equal(unbase64("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw", sec, 32), 32);
    assert_int_equal(unbase64("DGv6ra1nlYgDCS1FRnbzlw", salt, 16), 16);
    assert_int_equal(unbase64("BTBZMqHH6r4Tts7J_aSIgg", to.auth, 16), 16);
    assert_int_equal(unbase64("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-"
                              "AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
                              to.p256dh, 65),
                     65);
    size_t len = unbase64(sealed, want, sizeof want);
    assert_true(dw_is(dw_p256_from_secret(sec, &own), DW_E_OK));
    assert_true(dw_is(dw_push_seal_with(&to, &own, salt, dw_view_of(text, strlen(text)), 1, &out),
                      DW_E_OK));
    assert_int_equal(out.len, len);
    assert_memory_equal(got, want, len);
}

static void sealing_is_fresh_and_bounded(void **state)
{
    static uint8_t a[4096], b[4096], text[DW_PUSH_TEXT_MAX + 1];
    struct dw_buf x = dw_buf_of(a, sizeof a), y = dw_buf_of(b, sizeof b);
    struct dw_p256 browser;
    struct dw_push_to to = {.auth = {1}};
    (void)state;
    dw_p256_new(&browser);
    memcpy(to.p256dh, browser.pub, sizeof to.p256dh);
    assert_true(dw_is(dw_push_seal(&to, dw_view_of("a", 1), 512, &x), DW_E_OK));
    assert_true(dw_is(dw_push_seal(&to, dw_view_of(text, 512), 512, &y), DW_E_OK));
    assert_int_equal(x.len, 512 + DW_PUSH_OVERHEAD); /* one byte looks like 512 */
    assert_int_equal(y.len, x.len);
    assert_memory_not_equal(a, b, 16);
    assert_memory_not_equal(a + 21, b + 21, 65); /* another key each time */
    x.len = 0;
    assert_true(dw_is(dw_push_seal(&to, dw_view_of(text, sizeof text), 512, &x), DW_E_TOO_LARGE));
    assert_true(dw_is(dw_push_seal(&to, dw_view_of(text, DW_PUSH_TEXT_MAX), 1024, &x), DW_E_OK));
    assert_true(x.len <= 4096); /* what a push service must take [RFC 8030 7.2] */
    y = dw_buf_of(b, 512 + DW_PUSH_OVERHEAD - 1);
    assert_true(dw_is(dw_push_seal(&to, dw_view_of("a", 1), 512, &y), DW_E_NO_SPACE));
    assert_int_equal(y.len, 0);
    y.cap = sizeof b;
    for (size_t bit = 0; bit < 8 * 65; bit += 7) { /* no point of the curve */
        memcpy(to.p256dh, browser.pub, sizeof to.p256dh);
        to.p256dh[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_true(dw_is(dw_push_seal(&to, dw_view_of("a", 1), 512, &y), DW_E_KEY));
        assert_false(dw_p256_is_point(to.p256dh));
    }
    static const uint8_t zero[32];
    uint8_t beyond[32];
    memset(beyond, 0xff, sizeof beyond);
    assert_true(dw_is(dw_p256_from_secret(zero, &browser), DW_E_KEY));
    assert_true(dw_is(dw_p256_from_secret(beyond, &browser), DW_E_KEY));
}

static void vapid(void **state)
{
    const char *tmp = getenv("TMPDIR");
    char folder[256], path[300], text[DW_VAPID_HEADER_MAX];
    struct dw_p256 key, again;
    struct stat st;
    (void)state;
    snprintf(folder, sizeof folder, "%s/doorward-vapid-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/key", folder);
    assert_true(dw_is(dw_vapid_key(path, &key), DW_E_OK));
    assert_true(dw_is(dw_vapid_key(path, &again), DW_E_OK));
    assert_memory_equal(&key, &again, sizeof key);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_true(dw_is(dw_vapid_header(&key, "https://push.example", "mailto:a@b.example",
                                      1700000000, text, sizeof text),
                      DW_E_OK));
    assert_memory_equal(text, "vapid t=eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.", 45);
    assert_non_null(strstr(text, ", k=B"));
    assert_true(dw_is(
        dw_vapid_header(&key, "https://push.example", "mailto:a@b.example", 1700000000, text, 100),
        DW_E_NO_SPACE));
    assert_true(dw_is(dw_vapid_header(&key, "https://a\"", "mailto:a", 1, text, sizeof text),
                      DW_E_INVALID));
    assert_true(dw_is(dw_vapid_header(&key, "https://a", "mailto:\na", 1, text, sizeof text),
                      DW_E_INVALID));
    chmod(path, 0644);
    assert_true(dw_is(dw_vapid_key(path, &key), DW_E_INVALID)); /* others could read it */
    unlink(path);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_example),
        cmocka_unit_test(sealing_is_fresh_and_bounded),
        cmocka_unit_test(vapid),
    };
    return cmocka_run_group_tests_name("webpush", tests, set_up, NULL);
}
