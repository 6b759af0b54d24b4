/* [I11] What was used stays used, whenever the guard dies: with kill -9 and with the power, before
 * each single step that it takes on the disk while it lets a visitor in.
 *
 * Each life of the guard is a process of its own on a copy of the same home. At the step that is
 * its turn the process ends: as it stands (kill -9), or with everything that was not synced taken
 * back from the files (power). Then a second life on the same disk is shown the words of the first
 * once more, and honest visits after that. Counted are the times that the lock was told to withdraw
 * the bolt, in both lives together: never more than one for a parcel, than the openings of a stay,
 * than the uses of the grant. */
#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"

#define USES      2u /* of the grant */
#define STEPS_MAX 4000u

/* What the first life tells the second: pages that both see. */
struct tape {
    uint64_t mono_ms;
    uint32_t steps;    /* on the disk, from the question on */
    uint32_t retracts; /* the lock was told */
    uint32_t counter;  /* of the newest of them */
    uint32_t refused;  /* the lock said no to so many */
    uint32_t status_seq, openings;
    uint32_t has_stop, is_over;
    uint32_t is_same; /* as the end one step later */
    struct dw_evidence stop;
};
static struct tape *tape;

/* ---- the disk: every step is ours to end at ---- */

static bool is_armed, is_power;
static uint32_t fatal;

/* What was written and not synced, newest last, so that it can be taken back. */
struct undo {
    dev_t dev;
    ino_t ino;
    int fd;         /* our own */
    off_t at, size; /* `size`: of the file before it; `at` -1: only the size */
    size_t len;
    uint8_t *was;
};
static struct undo undo[STEPS_MAX];
static size_t undo_count;
static uv_mutex_t undo_lock;

static bool is_file(int fd, struct stat *st)
{
    return fstat(fd, st) == 0 && S_ISREG(st->st_mode);
}

/* Keeps what stands at [at, at + len) before it is overwritten. */
static void keep(int fd, off_t at, size_t len)
{
    struct stat st;
    if (!is_power || !is_file(fd, &st))
        return;
    uv_mutex_lock(&undo_lock);
    if (undo_count >= STEPS_MAX)
        abort();
    struct undo *u = &undo[undo_count++];
    *u = (struct undo){st.st_dev, st.st_ino, -1, at, st.st_size, 0, NULL};
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    u->fd = open(path, O_RDWR | O_CLOEXEC);
    u->was = malloc(len + 1);
    if (u->fd < 0 || !u->was)
        abort();
    if (at >= 0 && at < st.st_size) {
        ssize_t n = pread(fd, u->was, len, at);
        u->len = n > 0 ? (size_t)n : 0;
    }
    uv_mutex_unlock(&undo_lock);
}

static void forget(int fd)
{
    struct stat st;
    if (!is_power || !is_file(fd, &st))
        return;
    uv_mutex_lock(&undo_lock);
    size_t kept = 0;
    for (size_t i = 0; i < undo_count; i++) {
        if (undo[i].dev == st.st_dev && undo[i].ino == st.st_ino) {
            close(undo[i].fd);
            free(undo[i].was);
        } else {
            undo[kept++] = undo[i];
        }
    }
    undo_count = kept;
    uv_mutex_unlock(&undo_lock);
}

static void end_here(void)
{
    if (is_power) {
        uv_mutex_lock(&undo_lock);
        while (undo_count > 0) {
            struct undo *u = &undo[--undo_count];
            if (u->len > 0 && syscall(SYS_pwrite64, u->fd, u->was, u->len, u->at) < 0)
                abort();
            if (syscall(SYS_ftruncate, u->fd, u->size) != 0)
                abort();
        }
    }
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* When the store's thread dies, whoever does not wait for the disk is let run as far as that goes.
 * The loop comes to its end at the second ring, when it has done all that it was told before the
 * first; or at a mutex that the dead thread holds. */
static bool is_store_dead;
static uv_async_t knell;
static sqlite3_mutex_methods mutexes; /* of SQLite */

static void enter_mutex(sqlite3_mutex *m)
{
    bool was_dead = false;
    while (mutexes.xMutexTry(m) != SQLITE_OK) {
        if (was_dead)
            end_here();
        sched_yield();
        was_dead = __atomic_load_n(&is_store_dead, __ATOMIC_SEQ_CST);
    }
}

/* SQLite knows its own only after it has started once, and takes others only while it is not. */
static bool watch_mutexes(void)
{
    if (sqlite3_initialize() != SQLITE_OK || sqlite3_shutdown() != SQLITE_OK ||
        sqlite3_config(SQLITE_CONFIG_GETMUTEX, &mutexes) != SQLITE_OK || !mutexes.xMutexEnter)
        return false;
    sqlite3_mutex_methods ours = mutexes;
    ours.xMutexEnter = enter_mutex;
    return sqlite3_config(SQLITE_CONFIG_MUTEX, &ours) == SQLITE_OK;
}

static void on_knell(uv_async_t *async)
{
    static bool is_second;
    if (is_second)
        end_here();
    is_second = true;
    uv_async_send(async);
}

static void die(void)
{
    if (gettid() == getpid())
        end_here();
    __atomic_store_n(&is_store_dead, true, __ATOMIC_SEQ_CST);
    uv_async_send(&knell);
    for (;;)
        pause();
}

/* With kill -9 a sync changes nothing: the step after it is the same end. */
static void step(int fd, bool is_sync)
{
    struct stat st;
    if (!is_armed || !is_file(fd, &st))
        return;
    uint32_t n = __atomic_add_fetch(&tape->steps, 1, __ATOMIC_SEQ_CST);
    if (fatal == 0 || n != fatal)
        return;
    if (is_sync && !is_power)
        tape->is_same = 1;
    die();
}

/* These stand before those of the C library, for SQLite and for the record alike (with large files
 * pwrite and ftruncate are these, too). */
ssize_t write(int fd, const void *bytes, size_t len)
{
    struct stat st;
    if ((is_armed || is_power) && is_file(fd, &st)) {
        step(fd, false);
        keep(fd, lseek(fd, 0, SEEK_CUR), len);
    }
    return syscall(SYS_write, fd, bytes, len);
}
ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
    step(fd, false);
    keep(fd, at, len);
    return syscall(SYS_pwrite64, fd, bytes, len, at);
}
int ftruncate64(int fd, off64_t len)
{
    struct stat st;
    step(fd, false);
    if (is_file(fd, &st)) /* what is cut off is kept, too */
        keep(fd, len, st.st_size > len ? (size_t)(st.st_size - len) : 0);
    return (int)syscall(SYS_ftruncate, fd, len);
}
/* The machine itself stays up: nothing really has to wait for its disk. */
int fdatasync(int fd)
{
    step(fd, true);
    forget(fd);
    return 0;
}
int fsync(int fd)
{
    return fdatasync(fd);
}

/* ---- a home as it is before the visit, again and again ---- */

static char template[96];

static void copy_file(const char *from, const char *to)
{
    static uint8_t bytes[8 << 20];
    int in = open(from, O_RDONLY | O_CLOEXEC),
        out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (in < 0 && errno == ENOENT) { /* a file that the other life had, and this one has not */
        close(out);
        (void)remove(to);
        return;
    }
    assert_true(in >= 0 && out >= 0);
    ssize_t n = read(in, bytes, sizeof bytes);
    assert_true(n >= 0 && n < (ssize_t)sizeof bytes);
    assert_int_equal(write(out, bytes, (size_t)n), n);
    close(in);
    close(out);
}

static const char *const files[] = {"hub.sqlite", "hub.sqlite-wal", "hub.sqlite-shm",
                                    "record/leaves"};

static void copy_home(const char *from, const char *to)
{
    for (size_t i = 0; i < DW_ARRAY_COUNT(files); i++) {
        char a[160], b[160];
        snprintf(a, sizeof a, "%s/%s", from, files[i]);
        snprintf(b, sizeof b, "%s/%s", to, files[i]);
        copy_file(a, b);
    }
}

/* ---- the lives ---- */

enum course {
    DELIVERS,   /* in, and out again */
    IS_REFUSED, /* the lock says no: the use is given back */
    STAYS,      /* a stay of two openings; it ends at the second */
    COURSE_COUNT
};
static const char *const course_names[] = {"delivery", "refused by the lock", "stay"};

static struct dw_job jobs[3];
static struct dw_hello first_hello;
static uint8_t grant_id[16];

static void note_retract(void)
{
    tape->retracts++;
    tape->counter = sent.retract.counter;
}

static bool open_for(const struct dw_hello *h)
{
    uint32_t before = sent.retracts;
    ask(h);
    if (sent.offer.visit != h->visit || sent.offer.check != DW_CHECK_NONE)
        return false;
    struct dw_proof p = proof_of(&sent.offer);
    struct dw_stop s = stop_of(&p);
    tape->stop = evidence_of(&courier, &s, COURIER_ORIGIN, COURIER_RP, 0x05);
    tape->has_stop = 1;
    deliver_evidence(&tape->stop, &service);
    for (int i = 0; i < 30 && sent.retracts == before; i++) {
        pass_locked(300);
        flush();
    }
    return sent.retracts > before;
}

/* Ends in the middle at step `fatal`; else it comes to its own end. */
static void first_life(enum course course)
{
    open_guard();
    assert_int_equal(uv_async_init(&g.loop, &knell, on_knell), 0);
    pass_locked(1000);
    flush();
    is_armed = true;
    bool is_open = open_for(&first_hello);
    if (course == IS_REFUSED) {
        assert_true(is_open);
        tape->refused++;
        lock_answers(DW_LOCK_RESULT_BATTERY, sent.retract.counter, sent.retract.lock_nonce);
        flush();
        flush();
    } else if (is_open) {
        go_in_and_out();
    }
    if (course == STAYS) {
        struct dw_hello again = first_hello;
        dw_random(again.courier_nonce, 32);
        assert_true(open_for(&again));
        go_in_and_out();
    }
    flush();
    is_armed = false;
    tape->is_over = 1;
    is_power = false;
    kill(getpid(), SIGKILL); /* the end of an honest life is no better than any other */
}

static size_t open_visits(void)
{
    size_t n = 0;
    store_each_open_visit(g.store, count_row, &n);
    return n;
}

static void come_back(void)
{
    memset(&sent, 0, sizeof sent);
    mono_ms = tape->mono_ms + 1000;
    status_seq = tape->status_seq + 1000;
    openings = tape->openings;
    /* The lock's own count: lock_says tells one less than this. */
    sent.retract.counter = tape->counter ? tape->counter + 1 - tape->refused : 0;
    open_guard();
    assert_false(g.is_rolled_back); /* the record is never behind the rows */
    size_t open = open_visits();
    if (tape->retracts > 0 && !tape->is_over)
        assert_true(open <= 1);
    if (open > 0) { /* [I12] as the start does it */
        struct dw_event ev = {.type = DW_EV_RESTARTED};
        guard_feed(&g, &ev);
    }
    pass_locked(1000);
    flush();
    assert_false(g.is_restored); /* a crash is no restored backup */
}

static uint32_t try_job(const struct dw_job *j, uint64_t visit, const char *code)
{
    uint32_t before = sent.retracts;
    struct dw_hello h = hello_to(j, visit, code);
    if (open_for(&h))
        go_in_and_out();
    struct dw_event ev = {.type = DW_EV_OWNER_END};
    if (g.door.state != DW_VISIT_NONE && g.door.state != DW_VISIT_WATCH)
        guard_feed(&g, &ev);
    pass_locked(1500); /* the watch after a delivery */
    flush();
    return sent.retracts - before;
}

static void second_life(enum course course)
{
    uint32_t had = tape->retracts - tape->refused; /* of the first life, carried out */
    come_back();
    uint32_t told = sent.retracts;
    const struct grant *gr = authority_grant(&g, grant_id);
    assert_non_null(gr);
    if (had > 0) { /* before the bolt moved, it was on the disk */
        assert_true(gr->used >= 1 && gr->day_used == gr->used);
        assert_true(parcels_used() >= had);
    }
    /* Every word of before, once more: the question, and what was signed for it. */
    DELIVER(hello, HELLO, &first_hello);
    pass_locked(200);
    flush();
    for (int i = 0; i < 2 && tape->has_stop; i++) {
        deliver_evidence(&tape->stop, &service);
        flush();
        pass_locked(600);
    }
    assert_int_equal(sent.retracts, told);
    struct dw_event end = {.type = DW_EV_OWNER_END};
    guard_feed(&g, &end);
    pass_locked(300);
    flush();
    /* And honest visits, as many as there are. */
    uint32_t most = course == STAYS ? 2 : 1, mine = had, all = had;
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t n = try_job(&jobs[0], 100 + i, course == STAYS ? "" : "P");
        mine += n;
        all += n;
    }
    assert_true(mine <= most);
    if (course != STAYS) {
        for (uint32_t i = 1; i < 3; i++)
            all += try_job(&jobs[i], 200 + i, "P");
        assert_true(all <= USES);
        assert_true(all + 1 >= USES); /* a crash may cost one use, and no more */
    }
    assert_true(authority_grant(&g, grant_id)->used <= USES);
    close_guard();
}

static void make_short(struct dw_params *p)
{
    p->t_watch_ms = 1000;
    p->t_show_ms = 500;
}

static void prepare(enum course course)
{
    char path[128];
    test_tune = make_short;
    close_guard();
    open_guard();
    introduce(&agency, 1, "Agency");
    enum dw_visit_kind kind = course == STAYS ? DW_VISIT_STAY : DW_VISIT_DROP;
    struct dw_ipc_people_ask m = grant_ask(1, kind);
    m.grant.uses = USES;
    assert_int_equal(sign_grant(&m, grant_id), DW_PEOPLE_NO_NONE);
    struct dw_shift shift = shift_of(&courier, NOON / 1000 - 3600);
    deliver_shift(&agency, &shift);
    for (uint8_t i = 0; i < 3; i++) {
        jobs[i] = job_of((uint8_t)(i + 1), kind);
        jobs[i].openings = kind == DW_VISIT_STAY ? 2 : 1;
        give_as(&agency, grant_id, &jobs[i]);
    }
    pass_locked(1000);
    flush();
    first_hello = hello_to(&jobs[0], 11, kind == DW_VISIT_STAY ? "" : "P");
    tape->mono_ms = mono_ms;
    close_guard();
    snprintf(template, sizeof template, "%s-before", folder);
    snprintf(path, sizeof path, "%s/record", template);
    assert_int_equal(mkdir(template, 0700), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    copy_home(folder, template);
}

static void tidy_up(void)
{
    for (size_t i = 0; i < DW_ARRAY_COUNT(files); i++) {
        char path[160];
        snprintf(path, sizeof path, "%s/%s", template, files[i]);
        (void)remove(path);
    }
    char path[128];
    snprintf(path, sizeof path, "%s/record", template);
    (void)rmdir(path);
    (void)rmdir(template);
}

/* One life that ends at step `at` (0: none), and the one after it. */
static void live_and_die(enum course course, uint32_t at, bool power)
{
    uint64_t began = tape->mono_ms;
    copy_home(template, folder);
    memset(tape, 0, sizeof *tape);
    tape->mono_ms = began;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        memset(&sent, 0, sizeof sent);
        is_power = power;
        fatal = at;
        on_retract = note_retract;
        mono_ms = began;
        first_life(course);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("the %s of step %u ended by itself: %d", course_names[course], at, status);
    tape->mono_ms = began + 60000; /* no life is as long */
    tape->status_seq = 100000;
    tape->openings = 0;
    uint32_t retracts = tape->retracts, over = tape->is_over;
    if (!tape->is_same)
        second_life(course);
    tape->mono_ms = began;
    tape->retracts = retracts;
    tape->is_over = over;
}

static void dies_everywhere(enum course course)
{
    prepare(course);
    live_and_die(course, 0, false);
    uint32_t steps = tape->steps, with = 0, without = 0;
    assert_true(tape->is_over && tape->retracts > 0 && steps > 20 && steps < STEPS_MAX);
    uint32_t stride = course == DELIVERS ? 1 : 2; /* the others end at every second one */
    for (uint32_t power = 0; power < 2; power++) {
        for (uint32_t at = 1 + power % stride; at <= steps; at += stride) {
            live_and_die(course, at, power != 0);
            with += tape->retracts > 0;
            without += tape->retracts == 0;
        }
    }
    print_message("%s: %u steps, with kill -9 and with the power; the bolt had been told in %u "
                  "lives, in %u it had not\n",
                  course_names[course], steps, with, without);
    assert_true(with > 0 && without > 0); /* on both sides of the line */
    tidy_up();
    open_guard(); /* the teardown closes it */
}

static void a_delivery_dies_at_every_step(void **state)
{
    (void)state;
    dies_everywhere(DELIVERS);
}

static void a_use_that_is_given_back_dies_anywhere(void **state)
{
    (void)state;
    dies_everywhere(IS_REFUSED);
}

static void a_stay_dies_anywhere(void **state)
{
    (void)state;
    dies_everywhere(STAYS);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_delivery_dies_at_every_step),
        CASE(a_use_that_is_given_back_dies_anywhere),
        CASE(a_stay_dies_anywhere),
    };
    tape = mmap(NULL, sizeof *tape, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (tape == MAP_FAILED || !watch_mutexes() || uv_mutex_init(&undo_lock) != 0 ||
        dw_failed(dw_crypto_init()))
        return 1;
    dw_os_init("crash_test");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
