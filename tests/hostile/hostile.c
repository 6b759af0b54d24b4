/* hostile [--seed N] [--sequences N] [--attacker NAME] [--index N] [--processes N] [--list]
 *         [--nice]
 *
 * Attackers against the real guard. A sequence begins at one of the stages of a home (world.h), is
 * one to twelve moves of one attacker and of honest people, each move drawn and made by chance of
 * (seed, index, place) alone, and after each the oracle (model.h) has looked at whatever withdrew
 * the bolt [I1, I2]. A sequence that fails is made as short as it goes and printed; --seed and
 * --index play it again. Without --attacker the sequences are spread over all of them. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "moves.h"
#include "os/os.h"

#define MOVES_MAX 12u
#define BLOCK     64u /* sequences of one stage in a row: less to put back */

static const struct {
    const char *name, *text;
    uint32_t powers;
} attackers[] = {
    {"service", "all keys, database and code of the service",
     HAS_SERVICE | HAS_LOGINS | HAS_BROKER},
    {"agency", "the keys of an agency with a grant, and a phone of its own",
     HAS_AGENCY_A | HAS_RELAY | HAS_PHONE(PHONE_NONE)},
    {"courier", "the phone of a courier on shift", HAS_RELAY | HAS_PHONE(PHONE_A)},
    {"courier-late", "the phone of a courier whose shift is over",
     HAS_RELAY | HAS_PHONE(PHONE_LATE)},
    {"courier-other", "the phone of another agency's courier", HAS_RELAY | HAS_PHONE(PHONE_B)},
    {"camera", "the key of the camera", HAS_CAMERA},
    {"broker", "whatever carries the messages", HAS_BROKER},
    {"session", "a stolen session of the household", HAS_SESSION | HAS_LOGINS},
    {"kept", "writes over what the hub keeps of others", HAS_KEPT},
    {"service+broker+camera", "service, broker and camera",
     HAS_SERVICE | HAS_LOGINS | HAS_BROKER | HAS_CAMERA},
    {"service+courier", "the service, and one courier who does what it says",
     HAS_SERVICE | HAS_LOGINS | HAS_PHONE(PHONE_A)},
    {"service+courier-late", "the service and the phone of a courier whose shift is over",
     HAS_SERVICE | HAS_LOGINS | HAS_PHONE(PHONE_LATE)},
    {"agency+broker", "an agency and the broker",
     HAS_AGENCY_A | HAS_RELAY | HAS_BROKER | HAS_PHONE(PHONE_NONE)},
    {"service+agency", "the service and an agency that hosts with it",
     HAS_SERVICE | HAS_LOGINS | HAS_AGENCY_A | HAS_PHONE(PHONE_NONE) | HAS_PHONE(PHONE_A)},
    {"guest", "session and passkey of a guest with a grant", HAS_GUEST(GUEST_GIL)},
    {"guest-session", "a stolen session of that guest, and another guest's passkey",
     HAS_GUEST_SESSION | HAS_GUEST(GUEST_HAL)},
    {"service+guest", "the service, and a guest who does what it says",
     HAS_SERVICE | HAS_LOGINS | HAS_GUEST(GUEST_GIL)},
    {"agency+guest-session", "an agency with a phone of its own, and a guest's stolen session",
     HAS_AGENCY_A | HAS_RELAY | HAS_PHONE(PHONE_NONE) | HAS_GUEST_SESSION},
};
#define ATTACKERS DW_ARRAY_COUNT(attackers)

static uint64_t seed = 1, sequences = 20000, only_index = UINT64_MAX;
static int only_attacker = -1, only_stage = -1;
static uint32_t processes;
static bool is_quiet;
static jmp_buf failed_at;
static char failure[128];

void hostile_failed(const char *why)
{
    snprintf(failure, sizeof failure, "%s", why);
    longjmp(failed_at, 1);
}

/* ---- one sequence ---- */

struct plan {
    int attacker;
    enum stage stage;
    uint32_t count;
};

static struct plan plan_of(uint64_t index)
{
    struct dice d = dice_of(seed, index);
    struct plan p;
    p.stage = only_stage >= 0 ? (enum stage)only_stage : (enum stage)(index / BLOCK % STAGE_COUNT);
    p.attacker = only_attacker >= 0 ? only_attacker : (int)below(&d, ATTACKERS);
    uint32_t chance = below(&d, 100); /* most are short: much is seen in a moment */
    p.count = chance < 68 ? 1 : chance < 92 ? 2 + below(&d, 3) : 5 + below(&d, 8);
    return p;
}

/* The moves whose bit is not in `without`. True: the oracle has nothing to say against it. */
static bool play(uint64_t index, uint32_t without, bool is_told)
{
    struct plan p = plan_of(index);
    powers = attackers[p.attacker].powers;
    world_enter(p.stage);
    failure[0] = 0;
    if (setjmp(failed_at) != 0) {
        is_attacker_signing = false;
        if (is_told)
            printf("      -> the bolt was withdrawn: %s\n", failure);
        return false;
    }
    for (volatile uint32_t i = 0; i < p.count; i++) {
        struct dice d = dice_of(seed ^ (uint64_t)(i + 1) << 56, index);
        enum move m = move_draw(&d);
        uint32_t before = heard.retracts, codes = heard.offers + heard.receipts;
        if (without >> i & 1)
            continue;
        if (is_told)
            printf("  %2u  %-10s %s\n", i + 1, move_name(m), move_text(m));
        counts->moves[m]++;
        move_make(m, &d);
        if (is_told && heard.offers + heard.receipts != codes)
            printf("      %s\n", heard.check ? dw_check_code((enum dw_check)heard.check) : "ready");
        if (is_told && heard.retracts != before)
            printf("      opened, as it may\n");
    }
    settle();
    return true;
}

static void tell_failure(uint64_t index)
{
    uint32_t without = 0;
    struct plan p = plan_of(index);
    char why[sizeof failure];
    memcpy(why, failure, sizeof why);
    for (uint32_t i = p.count; i-- > 0;) { /* shorter, as long as it fails in the same way */
        if (play(index, without | 1u << i, false) == false && strcmp(failure, why) == 0)
            without |= 1u << i;
    }
    printf("FAILED: %s\n  attacker %s, stage %s; again with: --seed %llu --index %llu%s%s\n", why,
           attackers[p.attacker].name, stage_name(p.stage), (unsigned long long)seed,
           (unsigned long long)index, only_attacker >= 0 ? " --attacker " : "",
           only_attacker >= 0 ? attackers[only_attacker].name : "");
    if (only_stage >= 0)
        printf("  and --stage %s\n", stage_name((enum stage)only_stage));
    (void)play(index, without, true);
    fflush(stdout);
}

static int run(uint32_t which)
{
    uint64_t blocks = (sequences + BLOCK - 1) / BLOCK;
    world_build();
    if (only_index != UINT64_MAX) {
        struct plan p = plan_of(only_index);
        printf("attacker %s, stage %s\n", attackers[p.attacker].name, stage_name(p.stage));
        bool ok = play(only_index, 0, true);
        world_end();
        return ok ? 0 : 1;
    }
    for (uint64_t b = which; b < blocks; b += processes) {
        for (uint64_t i = b * BLOCK; i < (b + 1) * BLOCK && i < sequences; i++) {
            counts->sequences++;
            counts->stage[plan_of(i).stage]++;
            if (!play(i, 0, false)) {
                counts->failed++;
                tell_failure(i);
                return 1;
            }
        }
    }
    world_end();
    return 0;
}

/* ---- the account ---- */

static void add(struct counts *to, const struct counts *c)
{
    to->sequences += c->sequences;
    to->messages += c->messages;
    to->opened_honest += c->opened_honest;
    to->opened_owned += c->opened_owned;
    to->opened_guests += c->opened_guests;
    to->chain_runs += c->chain_runs;
    to->failed += c->failed;
    for (size_t i = 0; i < DW_ARRAY_COUNT(c->moves); i++)
        to->moves[i] += c->moves[i];
    for (size_t i = 0; i < STAGE_COUNT; i++)
        to->stage[i] += c->stage[i];
    for (size_t i = 0; i < DW_CHAIN_NO_COUNT; i++)
        to->chain[i] += c->chain[i];
    for (size_t i = 0; i < DW_CHECK_COUNT; i++)
        to->checks[i] += c->checks[i];
    for (size_t i = 0; i < DW_PEOPLE_NO_COUNT; i++)
        to->people[i] += c->people[i];
    for (uint32_t i = 0; i < c->code_count; i++) {
        uint32_t at = 0;
        while (at < to->code_count && strcmp(to->code[at].text, c->code[i].text) != 0)
            at++;
        if (at == CODES_MAX)
            continue;
        if (at == to->code_count)
            to->code[to->code_count++] = c->code[i];
        else
            to->code[at].n += c->code[i].n;
    }
}

/* How often a reason was given: at the door, or when the thing came. */
static uint64_t reached(const struct counts *c, enum dw_chain_no no)
{
    uint64_t n = c->chain[no];
    char text[56];
    snprintf(text, sizeof text, "manifest %s", dw_chain_no_code(no));
    for (uint32_t i = 0; i < c->code_count; i++)
        n += strcmp(c->code[i].text, text) == 0 ? c->code[i].n : 0;
    return n;
}

static void tell_counts(const struct counts *c, double seconds)
{
    printf("%llu sequences, %llu messages to the guard, %.1f s in %u processes, seed %llu\n",
           (unsigned long long)c->sequences, (unsigned long long)c->messages, seconds, processes,
           (unsigned long long)seed);
    printf("opened: %llu by honest people, %llu by an attacker's own key inside its scope; never "
           "otherwise; %llu of these to guests\n",
           (unsigned long long)c->opened_honest, (unsigned long long)c->opened_owned,
           (unsigned long long)c->opened_guests);
    printf("whole chains judged at the door: %llu\n", (unsigned long long)c->chain_runs);
    if (is_quiet || c->sequences == 0)
        return;
    printf("\nmoves\n");
    for (int i = 0; i < MOVE_COUNT; i++)
        printf("  %-10s %10llu  %s\n", move_name((enum move)i), (unsigned long long)c->moves[i],
               move_text((enum move)i));
    printf("\nstages\n");
    for (int i = 0; i < STAGE_COUNT; i++)
        printf("  %-10s %10llu\n", stage_name((enum stage)i), (unsigned long long)c->stage[i]);
    printf("\nreasons of the chain (at the door or when it came)\n");
    for (int i = 1; i < DW_CHAIN_NO_COUNT; i++)
        printf("  %-20s %10llu\n", dw_chain_no_code((enum dw_chain_no)i),
               (unsigned long long)reached(c, (enum dw_chain_no)i));
    printf("\nchecks that couriers heard\n");
    for (int i = 0; i < DW_CHECK_COUNT; i++) {
        if (c->checks[i])
            printf("  %-20s %10llu\n", i ? dw_check_code((enum dw_check)i) : "none",
                   (unsigned long long)c->checks[i]);
    }
    printf("\nwhat was refused before that\n");
    for (uint32_t i = 0; i < c->code_count; i++)
        printf("  %-40s %10llu\n", c->code[i].text, (unsigned long long)c->code[i].n);
    printf("\nanswers to acts of the household\n");
    for (int i = 0; i < DW_PEOPLE_NO_COUNT; i++) {
        if (c->people[i])
            printf("  %-20s %10llu\n", i ? dw_people_no_code((enum dw_people_no)i) : "done",
                   (unsigned long long)c->people[i]);
    }
}

/* A harness that never gets anywhere proves nothing. */
static int judge_cover(const struct counts *c)
{
    int missing = 0;
    for (int i = 1; i < DW_CHAIN_NO_COUNT; i++) {
        if (reached(c, (enum dw_chain_no)i) == 0) {
            printf("NOT REACHED: %s\n", dw_chain_no_code((enum dw_chain_no)i));
            missing++;
        }
    }
    for (int i = 0; i < MOVE_COUNT; i++) {
        if (c->moves[i] == 0) {
            printf("NEVER MADE: %s\n", move_name((enum move)i));
            missing++;
        }
    }
    if (c->opened_honest == 0 || c->opened_owned == 0) {
        printf("NEVER OPENED: %s\n", c->opened_honest ? "by an attacker in scope" : "honestly");
        missing++;
    }
    if (c->opened_guests == 0) {
        printf("NEVER OPENED: to a guest\n");
        missing++;
    }
    return missing;
}

static uint64_t number(const char *text)
{
    char *end = NULL;
    errno = 0;
    unsigned long long n = text ? strtoull(text, &end, 10) : 0;
    if (!text || errno != 0 || *end != 0 || end == text) {
        fprintf(stderr, "hostile: a number is wanted, not '%s'\n", text ? text : "");
        exit(2);
    }
    return n;
}

/* A test runs in a session of its own; where the kernel weighs sessions against each other, the
 * nice value of one process in it says nothing. */
static void give_way(void)
{
    int fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
    if (nice(19) == -1 || fd < 0 || write(fd, "19", 2) != 2)
        fprintf(stderr, "hostile: does not give way to others as far as it could\n");
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    bool wants_cover = false;
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--seed") == 0) {
            seed = number(next), i++;
        } else if (strcmp(argv[i], "--sequences") == 0) {
            sequences = number(next), i++;
        } else if (strcmp(argv[i], "--index") == 0) {
            only_index = number(next), i++;
        } else if (strcmp(argv[i], "--processes") == 0) {
            processes = (uint32_t)number(next), i++;
        } else if (strcmp(argv[i], "--attacker") == 0 && next) {
            for (size_t a = 0; a < ATTACKERS; a++)
                only_attacker = strcmp(attackers[a].name, next) == 0 ? (int)a : only_attacker;
            i++;
            if (only_attacker < 0) {
                fprintf(stderr, "hostile: no attacker '%s'; see --list\n", next);
                return 2;
            }
        } else if (strcmp(argv[i], "--stage") == 0 && next) {
            for (int s = 0; s < STAGE_COUNT; s++)
                only_stage = strcmp(stage_name((enum stage)s), next) == 0 ? s : only_stage;
            i++;
        } else if (strcmp(argv[i], "--cover") == 0) {
            wants_cover = true;
        } else if (strcmp(argv[i], "--nice") == 0) {
            give_way();
        } else if (strcmp(argv[i], "--quiet") == 0) {
            is_quiet = true;
        } else if (strcmp(argv[i], "--list") == 0) {
            for (size_t a = 0; a < ATTACKERS; a++)
                printf("%-22s %s\n", attackers[a].name, attackers[a].text);
            return 0;
        } else {
            fprintf(stderr, "hostile: unknown option '%s'\n", argv[i]);
            return 2;
        }
    }
    if (processes == 0 || only_index != UINT64_MAX) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        processes = only_index != UINT64_MAX ? 1 : cores > 8 ? 8 : cores < 1 ? 1 : (uint32_t)cores;
    }
    if (dw_failed(dw_crypto_init()))
        return 1;
    struct counts *all = mmap(NULL, sizeof *all * processes, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED)
        return 1;
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    int bad = 0;
    if (only_index != UINT64_MAX) {
        counts = all;
        return run(0);
    }
    for (uint32_t p = 0; p < processes; p++) {
        pid_t pid = fork();
        if (pid < 0)
            return 1;
        if (pid == 0) {
            counts = &all[p];
            exit(run(p));
        }
    }
    for (uint32_t p = 0; p < processes; p++) {
        int status = 0;
        if (wait(&status) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
            bad++;
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    static struct counts sum;
    for (uint32_t p = 0; p < processes; p++)
        add(&sum, &all[p]);
    tell_counts(&sum,
                (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9);
    if (!bad && sum.sequences != sequences) {
        printf("ONLY %llu of %llu sequences were played\n", (unsigned long long)sum.sequences,
               (unsigned long long)sequences);
        bad++;
    }
    if (!bad && wants_cover)
        bad += judge_cover(&sum);
    return bad ? 1 : 0;
}
