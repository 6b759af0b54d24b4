/* Parts of the alert process: which addresses are public, how words are filled. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "hub/alert/alert.h"
#include "wire/text.h"

#include <cmocka.h>

void alert_end(struct alert *a, const char *why)
{
    (void)a;
    fail_msg("%s", why);
}

static bool is_public(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return send_is_public((const struct sockaddr *)&v4);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return send_is_public((const struct sockaddr *)&v6);
}

static void addresses(void **state)
{
    static const char *const inside[] = {"0.0.0.0",
                                         "0.1.2.3",
                                         "10.0.0.1",
                                         "10.255.255.255",
                                         "100.64.0.1",
                                         "100.127.255.255",
                                         "127.0.0.1",
                                         "127.255.255.254",
                                         "169.254.169.254",
                                         "172.16.0.1",
                                         "172.31.255.255",
                                         "192.0.0.1",
                                         "192.0.2.1",
                                         "192.88.99.1",
                                         "192.168.0.1",
                                         "192.168.255.255",
                                         "198.18.0.1",
                                         "198.19.255.255",
                                         "198.51.100.7",
                                         "203.0.113.9",
                                         "224.0.0.1",
                                         "239.255.255.255",
                                         "240.0.0.1",
                                         "255.255.255.255",
                                         "::",
                                         "::1",
                                         "::ffff:127.0.0.1",
                                         "::ffff:8.8.8.8",
                                         "::127.0.0.1",
                                         "64:ff9b::10.0.0.1",
                                         "64:ff9b::7f00:1",
                                         "64:ff9b:1::1",
                                         "100::1",
                                         "2001::1",
                                         "2001:10::1",
                                         "2001:1ff::1",
                                         "2001:db8::1",
                                         "2002:7f00:1::1",
                                         "2002:a00:1::1",
                                         "3fff::1",
                                         "4000::1",
                                         "fc00::1",
                                         "fd00::1",
                                         "fe80::1",
                                         "fec0::1",
                                         "ff02::1"};
    static const char *const outside[] = {"1.1.1.1",
                                          "8.8.8.8",
                                          "9.255.255.255",
                                          "11.0.0.1",
                                          "100.63.255.255",
                                          "100.128.0.1",
                                          "126.255.255.255",
                                          "128.0.0.1",
                                          "169.253.255.255",
                                          "172.15.255.255",
                                          "172.32.0.1",
                                          "192.0.1.1",
                                          "192.167.255.255",
                                          "192.169.0.1",
                                          "198.17.255.255",
                                          "198.20.0.1",
                                          "223.255.255.255",
                                          "2001:200::1",
                                          "2001:4860:4860::8888",
                                          "2003::1",
                                          "2606:4700::1111",
                                          "2a00:1450::1",
                                          "3ffe::1",
                                          "64:ff9b::8.8.8.8"};
    struct sockaddr other = {.sa_family = AF_UNIX};
    (void)state;
    for (size_t i = 0; i < DW_ARRAY_COUNT(inside); i++)
        if (is_public(inside[i]))
            fail_msg("%s is taken for public", inside[i]);
    for (size_t i = 0; i < DW_ARRAY_COUNT(outside); i++)
        if (!is_public(outside[i]))
            fail_msg("%s is refused", outside[i]);
    assert_false(send_is_public(&other));
}

static void origins(void **state)
{
    static struct alert a = {.own = {"http://127.0.0.1:2586", "https://ntfy.lan"}};
    static const struct {
        const char *endpoint, *origin;
        bool is_own;
    } good[] = {
        {"https://push.example/a/b?c", "https://push.example", false},
        {"https://push.example:443/a", "https://push.example", false},
        {"https://PUSH.example/a", "https://PUSH.example", false},
        {"http://127.0.0.1:2586/door", "http://127.0.0.1:2586", true},
        {"https://ntfy.lan/door", "https://ntfy.lan", true},
    };
    static const char *const bad[] = {"http://push.example/a",
                                      "https://push.example:444/a",
                                      "http://127.0.0.1:2587/door",
                                      "http://ntfy.lan/door",
                                      "https://u@push.example/a",
                                      "https://push.example/a b",
                                      "https://push.example/\"",
                                      "https://push.example/\xc3\xa9",
                                      "https://push.example/a#b",
                                      "",
                                      "push.example",
                                      "https://"};
    char origin[256];
    bool is_own;
    (void)state;
    for (size_t i = 0; i < DW_ARRAY_COUNT(good); i++) {
        assert_true(places_origin(&a, good[i].endpoint, origin, sizeof origin, &is_own));
        assert_string_equal(origin, good[i].origin);
        assert_int_equal(is_own, good[i].is_own);
    }
    for (size_t i = 0; i < DW_ARRAY_COUNT(bad); i++)
        if (places_origin(&a, bad[i], origin, sizeof origin, &is_own))
            fail_msg("%s is taken", bad[i]);
    assert_false(places_origin(&a, good[0].endpoint, origin, 10, &is_own));
}

static void words(void **state)
{
    const struct words_blank blanks[] = {{"who", "Zo\xc3\xab"}, {"time", "10:02:03"}, {NULL, NULL}};
    char text[256];
    (void)state;
    words_fill("alert.asked.title", 0, blanks, text, sizeof text);
    assert_string_equal(text, "Zo\xc3\xab: at the door");
    words_fill("alert.asked.title", 1, blanks, text, sizeof text);
    assert_string_equal(text, "Zo\xc3\xab: an der T\xc3\xbcr");
    words_fill("alert.asked.title", 99, blanks, text, sizeof text);
    assert_string_equal(text, "Zo\xc3\xab: at the door");
    words_fill("alert.nothing", 0, blanks, text, sizeof text);
    assert_string_equal(text, "alert.nothing");
    words_fill("alert.locked.body", 0, NULL, text, sizeof text); /* a blank nobody filled is seen */
    assert_non_null(strstr(text, "?"));
    for (size_t cap = 1; cap < 24; cap++) { /* never cut inside a character */
        words_fill("alert.asked.title", 1, blanks, text, cap);
        assert_true(strlen(text) < cap);
        assert_true(dw_text_is_utf8(dw_text_of(text, sizeof text)));
    }
    /* Every alarm, check and outcome has its words, in both languages. */
    for (unsigned lang = 0; lang < WORDS_LANGUAGES; lang++) {
        for (unsigned i = 0; i < DW_ALARM_COUNT; i++) {
            char key[64];
            snprintf(key, sizeof key, "alert.alarm.%s", dw_alarm_code((enum dw_alarm)i));
            words_fill(key, lang, NULL, text, sizeof text);
            assert_string_not_equal(text, key);
        }
        for (unsigned i = 1; i < DW_CHECK_COUNT; i++) {
            char key[64];
            snprintf(key, sizeof key, "alert.check.%s", dw_check_code((enum dw_check)i));
            words_fill(key, lang, NULL, text, sizeof text);
            assert_string_not_equal(text, key);
        }
    }
    for (size_t i = 1; i < words_count; i++)
        assert_true(strcmp(words_table[i - 1].key, words_table[i].key) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(origins),
        cmocka_unit_test(words),
    };
    return cmocka_run_group_tests_name("alert_parts", tests, NULL, NULL);
}
