/* Runs a fuzz target without libFuzzer: good inputs, and the same with seeded mistakes in them.
 *
 *   replay [ROUNDS]        DW_SEED as printed repeats a run; default 20000 rounds, always seed 1
 * first replay --seeds FOLDER  writes 64 good inputs there, a corpus to start libFuzzer with replay
 * FILE...         judges these inputs (crashes that libFuzzer kept)
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 20000u

/* Each input is judged in memory of its own length, so that a sanitizer sees one byte too many. */
static void judge(const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    memcpy(copy, bytes, len);
    (void)LLVMFuzzerTestOneInput(copy, len);
    free(copy);
}

static size_t mutate(struct rng *g, uint8_t *bytes, size_t len)
{
    static const uint8_t telling[] = {0x00, 0x01, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1f,
                                      0x20, 0x3a, 0x3b, 0x40, 0x58, 0x59, 0x5b, 0x5f,
                                      0x60, 0x7f, 0x80, 0x84, 0x9a, 0x9f, 0xa0, 0xb8,
                                      0xbf, 0xc2, 0xd2, 0xd8, 0xf4, 0xf7, 0xf9, 0xff};
    uint64_t times = rng_below(g, 6);
    for (uint64_t i = 0; i < times && len > 0; i++) {
        size_t at = rng_below(g, len), span = 1 + rng_below(g, 16);
        switch (rng_below(g, 6)) {
        case 0: bytes[at] ^= (uint8_t)(1u << rng_below(g, 8)); break;
        case 1: bytes[at] = telling[rng_below(g, sizeof telling)]; break;
        case 2: bytes[at] = (uint8_t)rng_next(g); break;
        case 3: len = at; break;
        case 4: /* take a span out */
            span = span > len - at ? len - at : span;
            memmove(bytes + at, bytes + at + span, len - at - span);
            len -= span;
            break;
        default: /* put a span in twice */
            span = span > len - at ? len - at : span;
            if (len + span > FUZZ_INPUT_MAX)
                break;
            memmove(bytes + at + span, bytes + at, len - at);
            len += span;
            break;
        }
    }
    return len;
}

static void run(struct rng g, unsigned long rounds)
{
    static uint8_t bytes[FUZZ_INPUT_MAX];
    size_t len = 0;
    for (unsigned long i = 0; i < rounds; i++) {
        if (i % 4 == 0 || len == 0) /* mistakes pile up for a while, then a good input again */
            len = fuzz_seed(&g, bytes, sizeof bytes);
        len = mutate(&g, bytes, len);
        judge(bytes, len);
    }
}

static int write_seeds(const char *folder)
{
    struct rng g = {1};
    uint8_t bytes[FUZZ_INPUT_MAX];
    for (int i = 0; i < 64; i++) {
        char path[4096];
        size_t len = fuzz_seed(&g, bytes, sizeof bytes);
        snprintf(path, sizeof path, "%s/seed-%02d", folder, i);
        FILE *f = fopen(path, "wb");
        if (!f || fwrite(bytes, 1, len, f) != len || fclose(f) != 0)
            return 1;
    }
    return 0;
}

static int judge_file(const char *path)
{
    uint8_t bytes[FUZZ_INPUT_MAX];
    FILE *f = fopen(path, "rb");
    if (!f) {
        fprintf(stderr, "cannot open '%s'\n", path);
        return 1;
    }
    size_t len = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    judge(bytes, len);
    return 0;
}

int main(int argc, char **argv)
{
    char *end = NULL;
    if (argc == 3 && strcmp(argv[1], "--seeds") == 0)
        return write_seeds(argv[2]);
    unsigned long rounds = argc == 2 ? strtoul(argv[1], &end, 10) : ROUNDS;
    if (argc > 1 && (argc > 2 || !end || *end)) {
        int failed = 0;
        for (int i = 1; i < argc; i++)
            failed |= judge_file(argv[i]);
        return failed;
    }
    run((struct rng){1}, rounds / 2);
    run(rng_start(), rounds - rounds / 2);
    printf("%lu inputs judged\n", rounds);
    return 0;
}
