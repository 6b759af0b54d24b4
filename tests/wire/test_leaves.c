/* The event record: contiguous, cut safely, and never quietly shorter. */
#include "crypto/crypto.h"
#include "record/leaves.h"
#include "samples.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[256], path[300];

static int set_up(void **state)
{
    /* Thousands of syncs: in memory where that is to be had, since none of this is about the disk.
     */
    const char *tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");
    (void)state;
    snprintf(folder, sizeof folder, "%s/doorward-leaves-XXXXXX", tmp ? tmp : "/tmp");
    if (dw_failed(dw_crypto_init()) || !mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/leaves", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static int no_file(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static void event_of(uint64_t seq, uint8_t ret_event[40], uint8_t ret_salt[32])
{
    memset(ret_event, 0, 40);
    memcpy(ret_event, &seq, sizeof seq);
    memset(ret_salt, (int)(seq * 7 & 255), 32);
}

static void append(struct dw_leaves *l, uint64_t want_seq)
{
    uint8_t event[40], salt[32];
    uint64_t seq = 0;
    event_of(want_seq, event, salt);
    assert_true(dw_is(dw_leaves_append(l, dw_view_of(event, sizeof event), salt, &seq), DW_E_OK));
    assert_int_equal(seq, want_seq);
}

static struct dw_leaves *open_ok(uint64_t known, uint64_t want_next, uint64_t want_cut)
{
    struct dw_leaves *l = NULL;
    struct dw_leaves_found found;
    dw_err err = dw_leaves_open(path, known, &l, &found);
    if (dw_failed(err))
        fail_msg("open: %s", dw_err_name(err));
    assert_int_equal(found.next_seq, want_next);
    assert_int_equal(found.cut_bytes, want_cut);
    assert_int_equal(dw_leaves_next_seq(l), want_next);
    return l;
}

static size_t read_file(uint8_t *bytes, size_t cap)
{
    int fd = open(path, O_RDONLY);
    ssize_t len = read(fd, bytes, cap);
    close(fd);
    assert_true(len >= 0 && (size_t)len < cap);
    return (size_t)len;
}

static void put_file(const uint8_t *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, bytes, len), len);
    close(fd);
}

static bool count_leaf(void *user, uint64_t seq, const uint8_t commitment[32])
{
    uint8_t event[40], salt[32], want[32];
    uint64_t *count = user;
    event_of(seq, event, salt);
    dw_leaf_commit(dw_view_of(event, sizeof event), salt, want);
    assert_memory_equal(commitment, want, 32);
    assert_int_equal(seq, *count + 1);
    *count = seq;
    return true;
}

static void appends_and_reopens(void **state)
{
    struct dw_leaves_found found;
    uint64_t count = 0;
    (void)state;
    assert_true(dw_is(dw_leaves_check(path, 0, count_leaf, &count, &found), DW_E_IO));
    struct dw_leaves *l = open_ok(0, 1, 0);
    assert_true(dw_is(dw_leaves_sync(l), DW_E_OK));
    for (uint64_t seq = 1; seq <= 1000; seq++) { /* past the heads of one, two and three bytes */
        append(l, seq);
        if (seq % 9 == 0)
            assert_true(dw_is(dw_leaves_sync(l), DW_E_OK));
    }
    assert_true(dw_is(dw_leaves_sync(l), DW_E_OK));
    append(l, 1001); /* never synced: must not be there later */
    dw_leaves_close(l);
    assert_true(dw_is(dw_leaves_check(path, 1001, count_leaf, &count, &found), DW_E_OK));
    assert_int_equal(count, 1000);
    assert_int_equal(found.next_seq, 1001);
    dw_leaves_close(open_ok(1001, 1001, 0));
    dw_leaves_close(open_ok(500, 1001, 0)); /* the other store may lag behind */
    dw_leaves_close(NULL);
}

static void a_batch_is_bounded(void **state)
{
    uint8_t event[40], salt[32];
    uint64_t seq;
    struct dw_leaves *l = open_ok(0, 1, 0), *second = NULL;
    struct dw_leaves_found found;
    (void)state;
    for (uint64_t i = 1; i <= DW_LEAVES_BATCH_MAX; i++)
        append(l, i);
    event_of(1, event, salt);
    assert_true(dw_is(dw_leaves_append(l, dw_view_of(event, 40), salt, &seq), DW_E_BUSY));
    assert_true(dw_is(dw_leaves_open(path, 0, &second, &found), DW_E_BUSY)); /* one writer */
    assert_null(second);
    assert_true(dw_is(dw_leaves_sync(l), DW_E_OK));
    append(l, DW_LEAVES_BATCH_MAX + 1);
    assert_true(dw_is(dw_leaves_sync(l), DW_E_OK));
    dw_leaves_close(l);
    dw_leaves_close(open_ok(0, DW_LEAVES_BATCH_MAX + 2, 0));
}

/* Power cut at every byte of the last batch: whole leaves stay, the torn rest goes, and what was
 * synced and remembered is never given up. */
static void cut_at_every_byte(void **state)
{
    uint8_t bytes[4096], now[4096];
    struct dw_leaves_found found;
    struct dw_leaves *l = open_ok(0, 1, 0);
    (void)state;
    for (uint64_t seq = 1; seq <= 20; seq++)
        append(l, seq);
    assert_true(dw_is(dw_leaves_sync(l), DW_E_OK));
    size_t synced = read_file(bytes, sizeof bytes);
    for (uint64_t seq = 21; seq <= 30; seq++)
        append(l, seq);
    assert_true(dw_is(dw_leaves_sync(l), DW_E_OK));
    dw_leaves_close(l);
    size_t len = read_file(bytes, sizeof bytes);
    size_t ends[31] = {0}, count = 0;
    for (size_t at = 0; at < len;) { /* seq 1..23 have one byte, 24..30 two */
        at += count + 1 < 24 ? 37 : 38;
        ends[++count] = at;
    }
    assert_int_equal(count, 30);
    assert_int_equal(ends[30], len);
    for (size_t cut = 0; cut <= len; cut++) {
        put_file(bytes, cut);
        size_t whole = 0;
        while (whole < 30 && ends[whole + 1] <= cut)
            whole++;
        if (cut < synced) { /* less than was once durable: rolled back, not torn */
            l = NULL;
            assert_true(dw_is(dw_leaves_open(path, 21, &l, &found), DW_E_CORRUPT));
            assert_true(dw_is(dw_leaves_check(path, 21, NULL, NULL, &found), DW_E_CORRUPT));
            assert_int_equal(read_file(now, sizeof now), cut); /* and nothing was changed */
            assert_memory_equal(now, bytes, cut);
        }
        uint64_t known = cut < synced ? 0 : 21;
        assert_true(dw_is(dw_leaves_check(path, known, NULL, NULL, &found), DW_E_OK));
        assert_int_equal(found.next_seq, whole + 1);
        assert_int_equal(found.cut_bytes, cut - ends[whole]);
        l = open_ok(known, whole + 1, cut - ends[whole]);
        append(l, whole + 1);
        assert_true(dw_is(dw_leaves_sync(l), DW_E_OK));
        dw_leaves_close(l);
        dw_leaves_close(open_ok(whole + 2, whole + 2, 0));
        assert_int_equal(read_file(now, sizeof now), ends[whole] + (whole + 1 < 24 ? 37 : 38));
    }
}

/* Blocks that reached the disk out of order: any stretch of the last batch is zeros or the bytes of
 * something else, with good leaves after it. */
static void blocks_out_of_order(void **state)
{
    uint8_t bytes[8192], torn[8192];
    struct rng g = rng_start();
    struct dw_leaves *l = open_ok(0, 1, 0);
    (void)state;
    for (uint64_t seq = 1; seq <= DW_LEAVES_BATCH_MAX; seq++)
        append(l, seq);
    assert_true(dw_is(dw_leaves_sync(l), DW_E_OK));
    size_t synced = read_file(bytes, sizeof bytes);
    for (uint64_t seq = 1; seq <= DW_LEAVES_BATCH_MAX; seq++)
        append(l, DW_LEAVES_BATCH_MAX + seq);
    assert_true(dw_is(dw_leaves_sync(l), DW_E_OK));
    dw_leaves_close(l);
    size_t len = read_file(bytes, sizeof bytes);
    for (int i = 0; i < 300; i++) {
        size_t from = synced + rng_below(&g, len - synced),
               to = from + 1 + rng_below(&g, len - from);
        memcpy(torn, bytes, len);
        if (rng_below(&g, 2))
            memset(torn + from, 0, to - from);
        else
            rng_bytes(&g, torn + from, to - from);
        if (memcmp(torn, bytes, len) == 0)
            continue;
        put_file(torn, len);
        struct dw_leaves_found found;
        l = NULL;
        assert_true(dw_is(dw_leaves_open(path, DW_LEAVES_BATCH_MAX + 1, &l, &found), DW_E_OK));
        assert_true(found.next_seq > DW_LEAVES_BATCH_MAX);
        append(l, found.next_seq);
        assert_true(dw_is(dw_leaves_sync(l), DW_E_OK));
        dw_leaves_close(l);
        dw_leaves_close(open_ok(0, found.next_seq + 1, 0));
    }
}

/* Damage where no power cut can reach is told, and nothing is changed. */
static void damage_is_told(void **state)
{
    static uint8_t bytes[64 * 1024], now[64 * 1024];
    struct dw_leaves_found found;
    struct dw_leaves *l = open_ok(0, 1, 0);
    (void)state;
    for (uint64_t seq = 1; seq <= 640; seq++) {
        append(l, seq);
        if (seq % DW_LEAVES_BATCH_MAX == 0)
            assert_true(dw_is(dw_leaves_sync(l), DW_E_OK));
    }
    dw_leaves_close(l);
    size_t len = read_file(bytes, sizeof bytes);
    /* The head of any leaf but those of the last batch; commitments are only judged against events.
     */
    for (size_t at = 0; at + DW_LEAVES_BATCH_MAX * DW_LEAF_BYTES_MAX < len; at += 997) {
        size_t head = at; /* find a leaf's beginning: 83 01 */
        while (!(bytes[head] == 0x83 && bytes[head + 1] == 0x01))
            head++;
        bytes[head] ^= 1;
        put_file(bytes, len);
        l = NULL;
        assert_true(dw_is(dw_leaves_open(path, 0, &l, &found), DW_E_CORRUPT));
        assert_null(l);
        assert_int_equal(read_file(now, sizeof now), len);
        assert_memory_equal(now, bytes, len);
        bytes[head] ^= 1;
    }
    /* The last leaf spoiled: without a memory beside it looks torn, with one it is damage. */
    bytes[len - 36] ^= 1; /* somewhere in its number or head */
    put_file(bytes, len);
    assert_true(dw_is(dw_leaves_open(path, 641, &l, &found), DW_E_CORRUPT));
    assert_true(dw_is(dw_leaves_check(path, 0, NULL, NULL, &found), DW_E_OK));
    assert_int_equal(found.next_seq, 640);
    bytes[len - 36] ^= 1;
    /* A leaf taken out of the middle. */
    memmove(bytes + 37, bytes + 74, len - 74);
    put_file(bytes, len - 37);
    assert_true(dw_is(dw_leaves_open(path, 0, &l, &found), DW_E_CORRUPT));
    /* Not a record at all. */
    memset(bytes, 'x', 5000);
    put_file(bytes, 5000);
    assert_true(dw_is(dw_leaves_open(path, 0, &l, &found), DW_E_CORRUPT));
    assert_true(dw_is(dw_leaves_open(folder, 0, &l, &found), DW_E_IO));
}

/* A write that fails part way leaves no trace, gives its numbers again, and does not end the
 * record. */
static void full_disk(void **state)
{
    struct rlimit before, small;
    struct dw_leaves *l = open_ok(0, 1, 0);
    struct stat st;
    (void)state;
    for (uint64_t seq = 1; seq <= 10; seq++)
        append(l, seq);
    assert_true(dw_is(dw_leaves_sync(l), DW_E_OK));
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 400; /* the batch goes from 370 to 740 */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    for (uint64_t seq = 11; seq <= 20; seq++)
        append(l, seq);
    dw_err err = dw_leaves_sync(l);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(dw_is(err, DW_E_NO_SPACE));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 370);
    assert_int_equal(dw_leaves_next_seq(l), 11);
    append(l, 11);
    assert_true(dw_is(dw_leaves_sync(l), DW_E_OK));
    dw_leaves_close(l);
    dw_leaves_close(open_ok(12, 12, 0));
}

static bool stop_at_three(void *user, uint64_t seq, const uint8_t commitment[32])
{
    (void)user, (void)commitment;
    return seq < 3;
}

static void a_reader_may_stop(void **state)
{
    struct dw_leaves_found found;
    struct dw_leaves *l = open_ok(0, 1, 0);
    (void)state;
    for (uint64_t seq = 1; seq <= 5; seq++)
        append(l, seq);
    assert_true(dw_is(dw_leaves_sync(l), DW_E_OK));
    assert_true(dw_is(dw_leaves_check(path, 0, stop_at_three, NULL, &found), DW_E_DENIED));
    dw_leaves_close(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(appends_and_reopens, no_file),
        cmocka_unit_test_setup(a_batch_is_bounded, no_file),
        cmocka_unit_test_setup(cut_at_every_byte, no_file),
        cmocka_unit_test_setup(blocks_out_of_order, no_file),
        cmocka_unit_test_setup(damage_is_told, no_file),
        cmocka_unit_test_setup(full_disk, no_file),
        cmocka_unit_test_setup(a_reader_may_stop, no_file),
    };
    return cmocka_run_group_tests_name("leaves", tests, set_up, tear_down);
}
