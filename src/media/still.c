#include "media/still.h"

#include <string.h>

#define GRID 64u /* GRID * GRID == DW_STILL_CELLS */

/* Limits from docs/design/picture-measures.md, where the error rates on both sides stand. */
#define RAW_LIMIT_PERMILLE     5u
#define DECODED_TOLERANCE      1u
#define DECODED_LIMIT_PERMILLE 20u
#define COVER_SPREAD_MAX       6u /* nothing but noise, gain turned up */
#define DARK_SPREAD_MAX        8u /* and with little light a little more: too dark to see who it is */
#define DARK_MEAN_MAX          40u /* black is 16, white 235 */

void dw_still_init(struct dw_still *s)
{
    memset(s, 0, sizeof *s);
    s->limit_permille = RAW_LIMIT_PERMILLE;
}

void dw_still_init_decoded(struct dw_still *s)
{
    memset(s, 0, sizeof *s);
    s->tolerance = DECODED_TOLERANCE;
    s->limit_permille = DECODED_LIMIT_PERMILLE;
}

/* Rounded down; at most 255 for the squares of bytes. */
static uint8_t root(uint32_t v)
{
    uint32_t r = 0;
    while ((r + 1) * (r + 1) <= v && r < 255)
        r++;
    return (uint8_t)r;
}

void dw_still_feed(struct dw_still *s, const uint8_t *luma, size_t stride, uint16_t width_px,
                   uint16_t height_px, uint64_t t_us)
{
    DW_ASSERT(width_px > 0 && height_px > 0 && stride >= width_px);
    uint32_t differ = 0, sum = 0, squares = 0;
    for (uint32_t gy = 0; gy < GRID; gy++) {
        const uint8_t *row = luma + (gy * 2 + 1) * height_px / (2 * GRID) * stride;
        uint8_t *cell = s->cell + gy * GRID;
        for (uint32_t gx = 0; gx < GRID; gx++) {
            uint8_t v = row[(gx * 2 + 1) * width_px / (2 * GRID)];
            uint8_t gap = v > cell[gx] ? (uint8_t)(v - cell[gx]) : (uint8_t)(cell[gx] - v);
            differ += gap > s->tolerance;
            cell[gx] = v;
            sum += v;
            squares += (uint32_t)v * v;
        }
    }
    uint32_t mean = sum / DW_STILL_CELLS;
    s->mean = (uint8_t)mean;
    /* variance = E[v^2] - E[v]^2, with the whole sum so that rounding cannot make it negative */
    uint64_t var = ((uint64_t)squares * DW_STILL_CELLS - (uint64_t)sum * sum) / DW_STILL_CELLS /
                   DW_STILL_CELLS;
    s->spread = root((uint32_t)var);
    s->diff_permille = (uint16_t)((differ * 1000 + DW_STILL_CELLS - 1) / DW_STILL_CELLS);
    if (s->seen == 0 || s->diff_permille > s->limit_permille || t_us < s->now_us)
        s->changed_us = t_us;
    s->now_us = t_us;
    if (s->seen < UINT32_MAX)
        s->seen++;
}

uint32_t dw_still_ms(const struct dw_still *s)
{
    uint64_t ms = (s->now_us - s->changed_us) / 1000;
    return ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

bool dw_still_is_covered(uint8_t mean, uint8_t spread)
{
    return spread <= COVER_SPREAD_MAX || (mean <= DARK_MEAN_MAX && spread <= DARK_SPREAD_MAX);
}
