/* doorward VERB ... - runs the executable of one role; it decides nothing itself. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/os.h"

#define EXIT_REFUSED 1 /* the thing asked for failed or was refused */
#define EXIT_USAGE   2 /* used wrongly, or not there yet */
#define ARGS_MAX     62

struct verb {
    const char *name;
    const char *role;        /* executable doorward-ROLE; NULL: not there yet */
    const char *const *args; /* put before the user's own */
    const char *usage, *what, *help;
    bool has_help; /* the program says more about itself, settings included */
};

static const char *const drill_args[] = {"--once", "--drill", NULL};

static const struct verb verbs[] = {
    {"hub", "guard", NULL, "--config FILE [--verbose] | --pairing-code", "run the hub of a home",
     "The guard decides and records, and starts the camera, lock and front processes.\n"
     "It is the only program with authority over the door.",
     true},
    {"presence", "presence", NULL, "--config FILE", "say that somebody stands at the hub",
     "A recovery code counts for the next five minutes, once. Only whoever may write\n"
     "into the hub's folder can say it.",
     true},
    {"service", "service", NULL, "--config FILE [--print-config] [--verbose] | --routes",
     "run the service of an operator",
     "Jobs, agencies, visitors, screening and the courier's requests, over HTTP and\n"
     "MQTT. It holds nothing that opens a door."},
    {"agency", "agency", NULL, "key FILE | run --config FILE | accept-home --config FILE HOME HUB",
     "sign for an agency",
     "Makes an agency's key, and runs the process that signs its visits and shifts with\n"
     "it. The key stays with this process; the service never has it. accept-home: a home\n"
     "has another hub than the signer knows, and the household says that it is theirs.",
     true},
    {"camera", "camera", NULL, "--config FILE [--effective] [--verbose]", "run the camera agent",
     "Captures from a video device, a file or the rendered hall, encodes H.264 and\n"
     "signs a record of every frame.",
     true},
    {"lock", "lock", NULL, "--config FILE [--init | --print-config]", "run the reference lock",
     "The lock's own rules (lease, lock on close) over a simulated motor, bolt,\n"
     "strike and door."},
    {"demo", "demo", NULL, "[--once] [--json] [--drill NAME]",
     "run a simulated street on this machine",
     "Service, broker, hub, camera and lock on loopback; plays deliveries until it is\n"
     "stopped and tells the story.",
     true},
    {"drill", "demo", drill_args, "NAME [--json]", "rehearse one attack or fault",
     "The same as 'doorward demo --once --drill NAME'."},
    {"verify", NULL, NULL, "FILE", "judge a receipt or a recording offline", NULL},
    {"witness", NULL, NULL, "", "cosign checkpoints of records", NULL},
};

static void print_help(FILE *out)
{
    (void)fprintf(out, "usage: doorward VERB [OPTIONS]\n\n");
    for (size_t i = 0; i < DW_ARRAY_COUNT(verbs); i++)
        (void)fprintf(out, "  %-9s %s%s\n", verbs[i].name, verbs[i].what,
                      verbs[i].role ? "" : " (not there yet)");
    (void)fprintf(out, "\n  doorward VERB --help   says more about a verb\n"
                       "  doorward --version     prints the version\n\n"
                       "Exit status: 0 done, 1 refused or failed, 2 used wrongly.\n");
}

static void print_verb_help(const struct verb *v)
{
    (void)printf("usage: doorward %s%s%s\n\n", v->name, *v->usage ? " " : "", v->usage);
    (void)printf("%s\n", v->help ? v->help : "Not there yet.");
}

/* Letters to add, drop or change to get from one word to the other. */
static size_t distance(const char *a, const char *b)
{
    enum { WORD_MAX = 16 };
    size_t row[WORD_MAX + 1];
    size_t b_len = strlen(b);
    if (strlen(a) > WORD_MAX || b_len > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < b_len; j++) {
            size_t best = diagonal + (a[i] == b[j] ? 0 : 1);
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j + 1] + 1 < best)
                best = row[j + 1] + 1;
            diagonal = row[j + 1];
            row[j + 1] = best;
        }
    }
    return row[b_len];
}

static int refuse_verb(const char *word)
{
    const struct verb *nearest = &verbs[0];
    for (size_t i = 1; i < DW_ARRAY_COUNT(verbs); i++) {
        if (distance(word, verbs[i].name) < distance(word, nearest->name))
            nearest = &verbs[i];
    }
    (void)fprintf(stderr, "doorward: there is no verb '%.32s'", word);
    if (distance(word, nearest->name) <= 2)
        (void)fprintf(stderr, "; did you mean '%s'?", nearest->name);
    (void)fprintf(stderr, "\ntry: doorward help\n");
    return EXIT_USAGE;
}

static int run(const struct verb *v, int argc, char **argv)
{
    char path[PATH_MAX], name[64];
    dw_err e = dw_libexec(v->role, path, sizeof(path));
    if (dw_failed(e)) {
        (void)fprintf(stderr, "doorward: the program doorward-%s is not installed here: %s\n",
                      v->role, dw_err_text(e));
        return EXIT_REFUSED;
    }
    char *args[ARGS_MAX + 2];
    size_t n = 0;
    (void)snprintf(name, sizeof(name), "doorward-%s", v->role);
    args[n++] = name;
    for (size_t i = 0; v->args && v->args[i]; i++)
        args[n++] = (char *)(uintptr_t)v->args[i]; /* execv promises not to change them */
    for (int i = 2; i < argc; i++) {
        if (n > ARGS_MAX) {
            (void)fprintf(stderr, "doorward: too many arguments\n");
            return EXIT_USAGE;
        }
        args[n++] = argv[i];
    }
    args[n] = NULL;
    (void)execv(path, args);
    (void)fprintf(stderr, "doorward: cannot run '%s': %s\n", path, strerror(errno));
    return EXIT_REFUSED;
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    if (!*word) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    bool is_asking =
        strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
    if (is_asking && argc == 2) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "version") == 0) {
        (void)printf("doorward %s\n", DW_VERSION);
        return 0;
    }
    if (is_asking)
        word = argv[2];
    for (size_t i = 0; i < DW_ARRAY_COUNT(verbs); i++) {
        const struct verb *v = &verbs[i];
        if (strcmp(word, v->name) != 0)
            continue;
        bool is_help =
            is_asking ||
            (argc == 3 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0));
        if (is_help && v->has_help && !is_asking)
            return run(v, argc, argv);
        if (is_help) {
            print_verb_help(v);
            return 0;
        }
        if (!v->role) {
            (void)fprintf(stderr, "doorward: '%s' is not there yet: this version cannot %s\n",
                          v->name, v->what);
            return EXIT_USAGE;
        }
        if (v->args && argc < 3) {
            (void)fprintf(stderr, "usage: doorward %s %s\n", v->name, v->usage);
            return EXIT_USAGE;
        }
        return run(v, argc, argv);
    }
    return refuse_verb(word);
}
