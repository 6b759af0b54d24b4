/* tests/camera/measure_still.c - how the measures of media/still.h judge a clip.
 *
 * measure_still LABEL KIND WIDTH HEIGHT MS_PER_PICTURE [TOLERANCE LIMIT_PERMILLE] < raw grey
 * pictures KIND: raw (camera side) or key (decoded key frames, the hub's second opinion).
 * measure_still --hall NAME SECONDS > raw grey pictures 640x400, 20 a second (day, night, frozen,
 * covered)
 *
 * Prints one line: label, pictures, the least and the median share of samples that moved
 * (permille), the longest stillness, and the share of pictures (permille) that count as frozen at
 * 1, 1.5, 2 and 4 s and as covered, with the range of mean and spread. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "media/still.h"
#include "sim/hall/hall.h"
#include "sim/world.h"

static int usage(void)
{
    (void)fputs("measure_still LABEL raw|key WIDTH HEIGHT MS [TOLERANCE LIMIT] < grey pictures\n"
                "measure_still --hall day|night|frozen|covered SECONDS > grey pictures\n",
                stderr);
    return 2;
}

static int play_hall(const char *name, unsigned seconds)
{
    struct dw_hall *h = dw_hall_new(640, 400, 7);
    struct dw_world world = {.camera_power = 1};
    uint8_t *picture = h ? malloc(dw_hall_bytes(h)) : NULL;
    if (!picture)
        return 1;
    world.is_night = strcmp(name, "night") == 0;
    uint32_t frozen_from = strcmp(name, "frozen") == 0 ? 40 : UINT32_MAX;
    if (strcmp(name, "covered") == 0)
        world.lens = DW_LENS_COVERED;
    for (uint32_t i = 0; i < seconds * 20 + 40; i++) {
        if (i >= frozen_from)
            world.lens = DW_LENS_FROZEN;
        dw_hall_picture(h, &world, (uint64_t)(i + 1) * 50000, i / 20, picture);
        if (i >= 40 && fwrite(picture, 1, 640 * 400, stdout) != 640 * 400) /* settled by then */
            break;
    }
    free(picture);
    dw_hall_free(h);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--hall") == 0)
        return play_hall(argv[2], (unsigned)strtoul(argv[3], NULL, 10));
    if (argc != 6 && argc != 8)
        return usage();
    bool is_key = strcmp(argv[2], "key") == 0;
    unsigned long width = strtoul(argv[3], NULL, 10), height = strtoul(argv[4], NULL, 10);
    unsigned long ms = strtoul(argv[5], NULL, 10);
    if (width < 16 || width > 4096 || height < 16 || height > 4096 || ms < 1 || ms > 10000)
        return usage();
    struct dw_still s;
    if (is_key)
        dw_still_init_decoded(&s);
    else
        dw_still_init(&s);
    if (argc == 8) {
        s.tolerance = (uint8_t)strtoul(argv[6], NULL, 10);
        s.limit_permille = (uint16_t)strtoul(argv[7], NULL, 10);
    }
    static uint32_t moved[1001];
    static const uint32_t limits_ms[4] = {1000, 1500, 2000, 4000};
    uint32_t pictures = 0, covered = 0, over[4] = {0}, longest_ms = 0, first_ms[4] = {0};
    unsigned mean_min = 255, mean_max = 0, spread_min = 255, spread_max = 0;
    uint8_t *luma = malloc(width * height);
    while (luma && fread(luma, 1, width * height, stdin) == width * height) {
        dw_still_feed(&s, luma, width, (uint16_t)width, (uint16_t)height,
                      (uint64_t)pictures * ms * 1000);
        pictures++;
        if (pictures > 1)
            moved[s.diff_permille]++;
        uint32_t still_ms = dw_still_ms(&s);
        longest_ms = still_ms > longest_ms ? still_ms : longest_ms;
        for (int i = 0; i < 4; i++) {
            over[i] += still_ms >= limits_ms[i];
            if (still_ms >= limits_ms[i] && first_ms[i] == 0)
                first_ms[i] = pictures * (uint32_t)ms;
        }
        covered += dw_still_is_covered(s.mean, s.spread);
        mean_min = s.mean < mean_min ? s.mean : mean_min;
        mean_max = s.mean > mean_max ? s.mean : mean_max;
        spread_min = s.spread < spread_min ? s.spread : spread_min;
        spread_max = s.spread > spread_max ? s.spread : spread_max;
    }
    free(luma);
    if (pictures < 2) {
        (void)fprintf(stderr, "%s: no pictures\n", argv[1]);
        return 1;
    }
    unsigned least = 1001, median = 0;
    for (uint32_t v = 0, sum = 0; v <= 1000; v++) {
        if (moved[v] && least > 1000)
            least = v;
        if (sum <= (pictures - 1) / 2)
            median = v;
        sum += moved[v];
    }
    (void)printf("%-34s %6u %5u %5u %7u %5u %5u %5u %5u  %5u %3u..%-3u %3u..%u\n", argv[1],
                 pictures, least, median, longest_ms, over[0] * 1000 / pictures,
                 over[1] * 1000 / pictures, over[2] * 1000 / pictures, over[3] * 1000 / pictures,
                 covered * 1000 / pictures, mean_min, mean_max, spread_min, spread_max);
    return 0;
}
