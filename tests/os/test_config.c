#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/config.h"
#include "os/os.h"

struct conf {
    char name[8];
    uint32_t open_ms;
    bool is_loud;
    char must[16];
};

static const struct dw_setting table[] = {
    {"name", DW_SETTING_STRING, offsetof(struct conf, name), 0, 8, "door", "", "name of the door"},
    {"open_ms", DW_SETTING_UINT, offsetof(struct conf, open_ms), 100, 5000, "1000", "ms",
     "longest opening"},
    {"loud", DW_SETTING_BOOL, offsetof(struct conf, is_loud), 0, 0, "no", "", "sound at an alarm"},
    {"must", DW_SETTING_STRING, offsetof(struct conf, must), 1, 16, NULL, "", "has no default"},
};

static dw_err load(const char *text, size_t len, struct conf *c, char *why, size_t cap)
{
    char path[] = "/tmp/dw-config-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), (ssize_t)len);
    (void)close(fd);
    dw_err e = dw_config_load(table, DW_ARRAY_COUNT(table), path, c, why, cap);
    (void)unlink(path);
    return e;
}

static void good_file_is_read(void **state)
{
    (void)state;
    struct conf c = {0};
    char why[128];
    const char *text =
        "# a comment\n\nname=front\n  open_ms =  2500 \nloud = yes\r\nmust = x=y # z";
    assert_false(dw_failed(load(text, strlen(text), &c, why, sizeof(why))));
    assert_string_equal(c.name, "front");
    assert_int_equal(c.open_ms, 2500);
    assert_true(c.is_loud);
    assert_string_equal(c.must, "x=y # z");
    assert_string_equal(why, "");
}

static void defaults_hold(void **state)
{
    (void)state;
    struct conf c = {0};
    char why[128];
    assert_false(dw_failed(load("must = a", 8, &c, why, sizeof(why))));
    assert_string_equal(c.name, "door");
    assert_int_equal(c.open_ms, 1000);
    assert_false(c.is_loud);
}

/* Each row is a file that must stop the start, and what the message must contain. */
static void bad_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"must = a\nopen_ms = 99\n", ":2: open_ms: give a whole number from 100 to 5000 ms"},
        {"must = a\nopen_ms = 5001\n", ":2: open_ms"},
        {"must = a\nopen_ms = 4294967396\n", ":2: open_ms"}, /* 100 after a wrap at 32 bits */
        {"must = a\nopen_ms = 99999999999999999999\n", ":2: open_ms"},
        {"must = a\nopen_ms = -200\n", ":2: open_ms"},
        {"must = a\nopen_ms = 200ms\n", ":2: open_ms"},
        {"must = a\nopen_ms =\n", ":2: open_ms"},
        {"must = a\nloud = true\n", ":2: loud: give yes or no"},
        {"must = a\nname = 12345678\n", ":2: name: at most 7 characters"},
        {"must = a\nmust = b\n", ":2: must is given twice"},
        {"\n\nmust = a\nopen = 200\n", ":4: there is no setting 'open'"},
        {"must\n", ":1: write 'key = value'"},
        {"must =\n", ":1: must: at least 1 characters"},
        {"name = a\n", "must must be given (has no default)"},
        {"must = a\n\x1b[2J = b\n", "'?[2J'"}, /* no escape sequence reaches the terminal */
    };
    for (size_t i = 0; i < DW_ARRAY_COUNT(rows); i++) {
        struct conf c = {0};
        char why[160];
        dw_err e = load(rows[i].text, strlen(rows[i].text), &c, why, sizeof(why));
        assert_true(dw_is(e, DW_E_INVALID));
        if (!strstr(why, rows[i].want))
            fail_msg("row %zu: got '%s', want '%s'", i, why, rows[i].want);
    }
}

static void odd_files_are_refused(void **state)
{
    (void)state;
    struct conf c = {0};
    char why[64];
    assert_true(dw_is(load("must = a\0b\n", 11, &c, why, sizeof(why)), DW_E_INVALID));
    static char large[65537];
    memset(large, '#', sizeof(large));
    assert_true(dw_is(load(large, sizeof(large), &c, why, sizeof(why)), DW_E_TOO_LARGE));
    dw_err e = dw_config_load(table, DW_ARRAY_COUNT(table), "/nonexistent/x", &c, why, sizeof(why));
    assert_true(dw_is(e, DW_E_NOT_FOUND));
    assert_non_null(strstr(why, "/nonexistent/x"));
    e = dw_config_load(table, DW_ARRAY_COUNT(table), "/tmp", &c, why, sizeof(why));
    assert_true(dw_failed(e));
    /* A short buffer for the reason is cut, not overrun. */
    char tiny[4];
    assert_true(dw_failed(load("x = y\n", 6, &c, tiny, sizeof(tiny))));
    assert_true(strlen(tiny) < sizeof(tiny));
}

static void print_can_be_read_again(void **state)
{
    (void)state;
    struct conf c = {.name = "side", .open_ms = 300, .is_loud = true, .must = "m"}, again = {0};
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    dw_config_print(table, DW_ARRAY_COUNT(table), &c, out);
    (void)fclose(out);
    char why[128];
    assert_false(dw_failed(load(text, len, &again, why, sizeof(why))));
    assert_string_equal(again.name, "side");
    assert_int_equal(again.open_ms, 300);
    assert_true(again.is_loud);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_file_is_read),       cmocka_unit_test(defaults_hold),
        cmocka_unit_test(bad_files_are_refused),   cmocka_unit_test(odd_files_are_refused),
        cmocka_unit_test(print_can_be_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
