#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/os.h"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/dw-files-XXXXXX");
    return mkdtemp(folder) ? 0 : 1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder); /* fails when a test left something behind: half-written files count */
}

static struct dw_view text(const char *s)
{
    return dw_view_of(s, strlen(s));
}

static void write_replaces_and_reads_back(void **state)
{
    (void)state;
    char path[128];
    uint8_t bytes[16];
    struct dw_buf out = dw_buf_of(bytes, sizeof(bytes));
    assert_false(dw_failed(dw_path(path, sizeof(path), folder, "a")));
    assert_false(dw_failed(dw_file_write(path, text("first"), 0600)));
    assert_false(dw_failed(dw_file_write(path, text("second"), 0600)));
    assert_false(dw_failed(dw_file_read(path, &out)));
    assert_int_equal(out.len, 6);
    assert_memory_equal(bytes, "second", 6);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);

    struct dw_buf exact = dw_buf_of(bytes, 6), small = dw_buf_of(bytes, 5);
    assert_false(dw_failed(dw_file_read(path, &exact)));
    assert_true(dw_is(dw_file_read(path, &small), DW_E_TOO_LARGE));
    assert_int_equal(small.len, 0);
    assert_int_equal(unlink(path), 0);
    assert_true(dw_is(dw_file_read(path, &out), DW_E_NOT_FOUND));
    assert_true(dw_is(dw_file_read(folder, &out), DW_E_INVALID));
}

/* A write that fails half way leaves the old file, whole, and nothing beside it. */
static void failed_write_changes_nothing(void **state)
{
    (void)state;
    char path[128];
    assert_false(dw_failed(dw_path(path, sizeof(path), folder, "kept")));
    assert_false(dw_failed(dw_file_write(path, text("old"), 0600)));
    pid_t child = fork();
    if (child == 0) {
        static uint8_t large[65536];
        struct rlimit limit = {4096, 4096};
        dw_os_init("test"); /* the limit's signal is SIGXFSZ: ignored, so that write fails */
        (void)signal(SIGXFSZ, SIG_IGN);
        (void)setrlimit(RLIMIT_FSIZE, &limit);
        dw_err e = dw_file_write(path, dw_view_of(large, sizeof(large)), 0600);
        _exit(dw_failed(e) ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    uint8_t bytes[16];
    struct dw_buf out = dw_buf_of(bytes, sizeof(bytes));
    assert_false(dw_failed(dw_file_read(path, &out)));
    assert_int_equal(out.len, 3);
    assert_memory_equal(bytes, "old", 3);
    assert_int_equal(unlink(path), 0);
}

/* A reader beside a busy writer sees one whole version or the other, never a mixture. */
static void readers_see_whole_files(void **state)
{
    (void)state;
    enum { SIZE = 20000, ROUNDS = 60 };
    static uint8_t version[SIZE], seen[SIZE + 1];
    char path[128];
    assert_false(dw_failed(dw_path(path, sizeof(path), folder, "busy")));
    memset(version, 'a', SIZE);
    assert_false(dw_failed(dw_file_write(path, dw_view_of(version, SIZE), 0600)));
    pid_t writer = fork();
    if (writer == 0) {
        for (int i = 0; i < ROUNDS; i++) {
            memset(version, 'a' + i % 26, SIZE);
            if (dw_failed(dw_file_write(path, dw_view_of(version, SIZE), 0600)))
                _exit(1);
        }
        _exit(0);
    }
    int status = -1;
    while (waitpid(writer, &status, WNOHANG) == 0) {
        struct dw_buf out = dw_buf_of(seen, sizeof(seen));
        assert_false(dw_failed(dw_file_read(path, &out)));
        assert_int_equal(out.len, SIZE);
        for (size_t i = 1; i < SIZE; i++)
            assert_int_equal(seen[i], seen[0]);
    }
    assert_int_equal(status, 0);
    assert_int_equal(unlink(path), 0);
}

static void folders_and_paths(void **state)
{
    (void)state;
    char path[128], tight[8];
    assert_false(dw_failed(dw_path(path, sizeof(path), folder, "x/y/z")));
    assert_false(dw_failed(dw_folder(path)));
    assert_false(dw_failed(dw_folder(path))); /* there already */
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_true(dw_disk_free(path) > 0);
    assert_int_equal(dw_disk_free("/nonexistent"), 0);
    assert_true(dw_failed(dw_folder("/proc/none/of/this")));
    assert_true(dw_failed(dw_folder("")));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rmdir(path), 0);
        *strrchr(path, '/') = '\0';
    }
    assert_true(dw_is(dw_path(tight, sizeof(tight), "1234", "567"), DW_E_TOO_LARGE));
    assert_string_equal(tight, "");
    assert_false(dw_failed(dw_path(tight, sizeof(tight), "123/", "567")));
    assert_string_equal(tight, "123/567");
}

/* Runs `say` with stderr in a pipe and returns what came out. */
static size_t said(void (*say)(void), char *ret_text, size_t cap)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    (void)fflush(stderr);
    int kept = dup(STDERR_FILENO);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    (void)close(ends[1]);
    say();
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    (void)close(kept);
    size_t len = 0;
    for (ssize_t n; len < cap - 1 && (n = read(ends[0], ret_text + len, cap - 1 - len)) > 0;)
        len += (size_t)n;
    (void)close(ends[0]);
    ret_text[len] = '\0';
    return len;
}

static void say_hostile(void)
{
    dw_log("info", "job", "name=%s n=%d code=%s pre=%.3s q=\"%s\" big=%llu e=%s",
           "a\n2026-01-01T00:00:00.000Z info guard secured bolt=thrown", -5, "x y=\"z\"", "abcdef",
           "in\"side", 18446744073709551615ull, "");
}

static void say_long(void)
{
    static char value[5000];
    memset(value, 'v', sizeof(value) - 1);
    dw_log("warn", "long", "value=%s", value);
}

static void log_lines_cannot_be_forged(void **state)
{
    (void)state;
    char out[4096];
    dw_os_init("test");
    size_t len = said(say_hostile, out, sizeof(out));
    assert_ptr_equal(strchr(out, '\n'), out + len - 1); /* one line */
    assert_non_null(strstr(out, " info test job name=\"a\\x0a2026-01-01T00:00:00.000Z info"));
    assert_non_null(strstr(out, "bolt=thrown\" n=-5 code=\"x y=\\\"z\\\"\" pre=abc"));
    assert_non_null(strstr(out, "q=\"in\\\"side\" big=18446744073709551615 e=\"\""));
    len = said(say_long, out, sizeof(out));
    assert_true(len <= 1024);
    assert_ptr_equal(strchr(out, '\n'), out + len - 1);
}

static void say_much(void)
{
    for (int i = 0; i < 400; i++) /* the pipe holds them all */
        dw_log("info", "flood", "i=%d", i);
    dw_log("error", "still_said", "x=1");
}

static void floods_are_cut_but_errors_are_said(void **state)
{
    (void)state;
    static char out[65536];
    (void)said(say_much, out, sizeof(out));
    size_t lines = 0;
    for (const char *c = out; (c = strchr(c, '\n')); c++)
        lines++;
    assert_true(lines < 405);
    assert_non_null(strstr(out, "error test still_said x=1"));
}

static void clocks_go_on(void **state)
{
    (void)state;
    uint64_t a = dw_now_us();
    dw_mono m = dw_now();
    assert_true(dw_now_us() >= a && m.ms >= a / 1000);
    struct dw_utc trusted = dw_wall(true);
    assert_true(dw_utc_is_known(trusted));
    assert_true(trusted.hi_ms - trusted.lo_ms >= 2); /* at least 1 ms on either side */
}

static void libexec_is_looked_up(void **state)
{
    (void)state;
    char path[256];
    assert_true(dw_is(dw_libexec("no-such-role", path, sizeof(path)), DW_E_NOT_FOUND));
    assert_true(dw_is(dw_libexec("../sh", path, sizeof(path)), DW_E_INVALID));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(write_replaces_and_reads_back),
        cmocka_unit_test(failed_write_changes_nothing),
        cmocka_unit_test(readers_see_whole_files),
        cmocka_unit_test(folders_and_paths),
        cmocka_unit_test(log_lines_cannot_be_forged),
        cmocka_unit_test(floods_are_cut_but_errors_are_said),
        cmocka_unit_test(clocks_go_on),
        cmocka_unit_test(libexec_is_looked_up),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
