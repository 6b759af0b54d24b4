#include "cases.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT_A_TIME 4u

struct one {
    pid_t pid; /* 0: none */
    const char *name;
    int said; /* a file in memory */
};

static int start(struct one *o, const struct CMUnitTest *c)
{
    *o = (struct one){.name = c->name, .said = memfd_create("case", MFD_CLOEXEC)};
    if (o->said < 0)
        return -1;
    pid_t parent = getpid();
    (void)fflush(NULL);
    o->pid = fork();
    if (o->pid == 0) {
        /* A run that is ended by its time-out leaves nobody behind. */
        if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent ||
            dup2(o->said, STDOUT_FILENO) < 0 || dup2(o->said, STDERR_FILENO) < 0)
            _exit(1);
        (void)close(o->said);
        exit(_cmocka_run_group_tests(c->name, c, 1, NULL, NULL) == 0 ? 0 : 1);
    }
    return o->pid < 0 ? -1 : 0;
}

static void print(const struct one *o)
{
    char block[4096];
    ssize_t n;
    off_t at = 0;
    while ((n = pread(o->said, block, sizeof block, at)) > 0) {
        (void)fwrite(block, 1, (size_t)n, stdout);
        at += n;
    }
    (void)close(o->said);
    (void)fflush(stdout);
}

/* Waits for one to end. Returns 1 when it failed. */
static int reap(struct one *all)
{
    int status = 0;
    pid_t pid;
    do
        pid = wait(&status);
    while (pid < 0 && errno == EINTR);
    for (size_t i = 0; i < AT_A_TIME; i++) {
        struct one *o = &all[i];
        if (pid <= 0 || o->pid != pid)
            continue;
        print(o);
        o->pid = 0;
        if (WIFSIGNALED(status))
            (void)printf("[  FAILED  ] %s: ended by signal %d\n", o->name, WTERMSIG(status));
        return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    }
    return 1;
}

int dw_cases_run(const struct CMUnitTest *cases, size_t count, const char *only)
{
    struct one all[AT_A_TIME] = {{0}};
    size_t running = 0, played = 0;
    int failed = 0;
    for (size_t i = 0; i < count; i++) {
        if (only && strcmp(cases[i].name, only) != 0)
            continue;
        if (running == AT_A_TIME) {
            failed += reap(all);
            running--;
        }
        size_t free_at = 0;
        while (all[free_at].pid != 0)
            free_at++;
        if (start(&all[free_at], &cases[i]) != 0) {
            (void)printf("[  FAILED  ] %s: cannot start: %s\n", cases[i].name, strerror(errno));
            all[free_at].pid = 0;
            failed++;
            continue;
        }
        running++;
        played++;
    }
    for (; running > 0; running--)
        failed += reap(all);
    if (played == 0)
        failed++; /* no case of that name */
    (void)printf("%zu cases, %d failed\n", played, failed);
    return failed;
}
