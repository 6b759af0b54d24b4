/* The durable facts under what disks and power do: uses, kill -9 at any moment, a file that may not
 * grow, a record that was cut or put back. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "hub/guard/store.h"
#include "os/os.h"

static char folder[64];
static struct dw_secret secret;
static uv_loop_t loop;
static struct store *store;
static bool is_rolled_back;

static void open_store(void)
{
    char why[256];
    uv_loop_init(&loop);
    dw_err e = store_open(folder, &loop, &secret, &store, &is_rolled_back, why, sizeof why);
    if (dw_failed(e) && !dw_is(e, DW_E_CORRUPT))
        fail_msg("%s", why);
}

static void close_store(void)
{
    store_close(store);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    free(store);
}

static char *in_folder(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int setup(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/dw-store-XXXXXX", tmp && strlen(tmp) < 40 ? tmp : "/tmp");
    dw_secret_new(&secret);
    if (!mkdtemp(folder))
        return -1;
    open_store();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close_store();
    static const char *const names[] = {"hub.sqlite",    "hub.sqlite-wal", "hub.sqlite-shm",
                                        "record/leaves", "record",         ""};
    for (size_t i = 0; i < DW_ARRAY_COUNT(names); i++)
        (void)remove(in_folder(names[i]));
    return 0;
}

struct answer {
    bool has_come;
    dw_err err;
    uint64_t leaf;
    uint32_t turn;
};
static uint32_t turns;

static void on_done(void *ctx, dw_err err, uint64_t leaf)
{
    *(struct answer *)ctx = (struct answer){true, err, leaf, ++turns};
}

static void wait_for(struct answer *a)
{
    while (!a->has_come)
        uv_run(&loop, UV_RUN_ONCE); /* the test's time-out ends a store that never answers */
}

/* Uses up parcel `n` of one job for `visit`, with an event. */
static void use(uint32_t n, uint64_t visit, bool is_release, struct answer *ret)
{
    uint8_t job[16] = {1}, parcel[32] = {2};
    memcpy(parcel + 1, &n, sizeof n);
    struct store_write w = {
        .kind = is_release ? 0 : DW_STORY_UNLOCK_INTENT,
        .visit = visit,
        .detail = dw_view_of(parcel, 32),
        .job_id = dw_view_of(job, 16),
        .parcel = dw_view_of(parcel, 32),
        .release = is_release,
        .done = on_done,
        .ctx = ret,
    };
    *ret = (struct answer){0};
    if (dw_failed(store_write(store, &w)))
        on_done(ret, dw_fail(DW_E_BUSY), 0);
}

static dw_err use_now(uint32_t n, uint64_t visit, bool is_release)
{
    struct answer a;
    use(n, visit, is_release, &a);
    wait_for(&a);
    return a.err;
}

static void note_parcel(void *ctx, struct dw_view job, struct dw_view parcel, int64_t v, int64_t z)
{
    uint32_t n;
    (void)job, (void)v, (void)z;
    memcpy(&n, parcel.ptr + 1, sizeof n);
    if (n < 4096)
        ((bool *)ctx)[n] = true;
}

static void a_use_is_one_use(void **state)
{
    (void)state;
    assert_false(dw_failed(use_now(1, 10, false)));
    assert_true(dw_is(use_now(1, 11, false), DW_E_EXISTS));
    assert_false(dw_failed(use_now(1, 11, true))); /* another visit's is not given back */
    assert_true(dw_is(use_now(1, 12, false), DW_E_EXISTS));
    assert_false(dw_failed(use_now(1, 10, true)));
    assert_false(dw_failed(use_now(1, 12, false)));
    close_store();
    open_store();
    assert_true(dw_is(use_now(1, 13, false), DW_E_EXISTS));
    assert_false(is_rolled_back);
}

static void answers_come_in_order_and_a_bad_one_takes_no_other_with_it(void **state)
{
    (void)state;
    static struct answer a[300];
    turns = 0;
    for (uint32_t i = 0; i < 300; i++)
        use(i % 7 == 3 ? 0 : i, i, false, &a[i]); /* every seventh is used already */
    for (uint32_t i = 0; i < 300; i++) {
        wait_for(&a[i]);
        assert_int_equal(a[i].turn, i + 1);
        assert_int_equal(dw_is(a[i].err, DW_E_EXISTS), i % 7 == 3);
        if (i > 0 && !dw_failed(a[i].err))
            assert_true(a[i].leaf > 0);
    }
}

static void more_than_the_queue_holds_is_refused(void **state)
{
    (void)state;
    static struct answer a[3000];
    uint32_t busy = 0, done = 0;
    for (uint32_t i = 0; i < 3000; i++)
        use(i, i, false, &a[i]);
    for (uint32_t i = 0; i < 3000; i++) {
        wait_for(&a[i]);
        busy += dw_is(a[i].err, DW_E_BUSY);
        done += !dw_failed(a[i].err);
    }
    assert_int_equal(busy + done, 3000);
    assert_true(done >= 1024);
}

/* What was answered as done is there, whenever the process was killed. */
static void kill_at_any_moment_loses_nothing_that_was_answered(void **state)
{
    (void)state;
    uint32_t next = 0;
    for (int round = 0; round < 12; round++) {
        int pipes[2];
        assert_int_equal(pipe(pipes), 0);
        close_store();
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(pipes[0]);
            open_store();
            if (is_rolled_back)
                _exit(9);
            for (uint32_t n = next;; n++) {
                if (dw_failed(use_now(n, n + 1, false)))
                    _exit(8);
                if (write(pipes[1], &n, sizeof n) != sizeof n)
                    _exit(7);
            }
        }
        close(pipes[1]);
        uint32_t n = 0, seen = 0;
        uint32_t wanted = 1 + (uint32_t)round * 3;
        while (seen < wanted && read(pipes[0], &n, sizeof n) == sizeof n)
            seen++;
        kill(pid, SIGKILL);
        while (read(pipes[0], &n, sizeof n) == sizeof n)
            seen++;
        close(pipes[0]);
        int status;
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status));
        assert_true(seen >= wanted);
        open_store();
        assert_false(is_rolled_back);
        static bool used[4096];
        memset(used, 0, sizeof used);
        store_each_parcel(store, note_parcel, used);
        for (uint32_t i = next; i <= n; i++)
            assert_true(used[i]);
        next = n + 2; /* one more may have been written and not answered */
        assert_false(dw_failed(use_now(next++, 1, false)));
    }
}

/* A disk without room, at every size: what is refused is not there, what is answered is, and the
 * next start finds a record that is not behind the rows. */
static void a_full_disk_refuses_and_harms_nothing(void **state)
{
    (void)state;
    static bool used[4096];
    static struct answer a[60];
    struct rlimit was, tight;
    getrlimit(RLIMIT_FSIZE, &was);
    signal(SIGXFSZ, SIG_IGN);
    uint32_t n = 100, refused = 0;
    for (uint32_t room = 0; room < 24; room++) {
        struct stat wal = {0}, leaves = {0};
        (void)stat(in_folder("hub.sqlite-wal"), &wal);
        (void)stat(in_folder("record/leaves"), &leaves);
        tight = was;
        /* Between nothing and a few pages of the log; sometimes it is the leaves that do not fit.
         */
        tight.rlim_cur = (rlim_t)wal.st_size + room * 1999;
        if (room % 4 == 3)
            tight.rlim_cur = (rlim_t)leaves.st_size + room * 7;
        setrlimit(RLIMIT_FSIZE, &tight);
        for (uint32_t i = 0; i < 60; i++)
            use(n + i, room + 1, false, &a[i]);
        for (uint32_t i = 0; i < 60; i++)
            wait_for(&a[i]);
        setrlimit(RLIMIT_FSIZE, &was);
        memset(used, 0, sizeof used);
        store_each_parcel(store, note_parcel, used);
        for (uint32_t i = 0; i < 60; i++) {
            refused += dw_failed(a[i].err);
            if (!dw_failed(a[i].err))
                assert_true(used[n + i]);
        }
        close_store();
        open_store();
        assert_false(is_rolled_back);
        assert_false(dw_failed(use_now(n + 60, 1, false))); /* and goes on */
        n += 61;
    }
    assert_true(refused > 0);
}

static void a_recall_is_kept_even_without_its_event(void **state)
{
    (void)state;
    static const uint8_t long_detail[2000];
    uint8_t job[16] = {3};
    uint32_t revision = 0;
    struct answer a = {0};
    struct store_write w = {.kind = DW_STORY_JOB_RECALLED,
                            .detail =
                                dw_view_of(long_detail, sizeof long_detail), /* no event holds it */
                            .job_id = dw_view_of(job, 16),
                            .job_revision = 4,
                            .job_recalled = true,
                            .done = on_done,
                            .ctx = &a};
    assert_false(dw_failed(store_write(store, &w)));
    wait_for(&a);
    assert_false(dw_failed(a.err));
    assert_true(store_knows_job(store, dw_view_of(job, 16), &revision));
}

static void a_record_that_was_cut_lets_nobody_in(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 5; i++)
        assert_false(dw_failed(use_now(i, 1, false)));
    close_store();
    struct stat st;
    assert_int_equal(stat(in_folder("record/leaves"), &st), 0);
    assert_int_equal(truncate(in_folder("record/leaves"), st.st_size / 5 * 4), 0);
    open_store();
    assert_true(is_rolled_back);
    assert_true(dw_failed(use_now(10, 1, false))); /* no record, no opening [I35] */
    uint32_t revision = 0;
    uint8_t job[16] = {3};
    struct answer a = {0};
    struct store_write w = {.kind = DW_STORY_JOB_RECALLED,
                            .job_id = dw_view_of(job, 16),
                            .job_revision = 4,
                            .job_recalled = true,
                            .done = on_done,
                            .ctx = &a};
    assert_false(dw_failed(store_write(store, &w)));
    wait_for(&a);
    assert_false(dw_failed(a.err)); /* a recall needs no record */
    assert_true(store_knows_job(store, dw_view_of(job, 16), &revision));
    assert_int_equal(revision, 4);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_use_is_one_use),
        CASE(answers_come_in_order_and_a_bad_one_takes_no_other_with_it),
        CASE(more_than_the_queue_holds_is_refused),
        CASE(kill_at_any_moment_loses_nothing_that_was_answered),
        CASE(a_full_disk_refuses_and_harms_nothing),
        CASE(a_recall_is_kept_even_without_its_event),
        CASE(a_record_that_was_cut_lets_nobody_in),
    };
    if (dw_failed(dw_crypto_init()))
        return 1;
    dw_os_init("store_test");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
