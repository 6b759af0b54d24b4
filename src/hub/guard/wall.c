/* The time of day: the system's clock, as far as core/wall.h lets it be believed [I13]. */
#include <string.h>

#include "hub/guard/guard.h"
#include "os/os.h"

#define FLOOR_KEY      "wall_floor"
#define FLOOR_EVERY_MS 60000

static void floor_write(struct guard *g)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)((uint64_t)g->wall.floor_ms >> (56 - 8 * i));
    struct store_write w = {.meta_key = FLOOR_KEY, .meta = dw_view_of(bytes, sizeof bytes)};
    if (!dw_failed(store_write(g->store, &w)))
        g->wall_stored_ms = g->wall.floor_ms;
}

void wall_start(struct guard *g)
{
    uint8_t bytes[8];
    uint64_t floor = 0;
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    if (!dw_failed(store_meta(g->store, FLOOR_KEY, &b)) && b.len == sizeof bytes) {
        for (size_t i = 0; i < sizeof bytes; i++)
            floor = floor << 8 | bytes[i];
    }
    dw_wall_init(&g->wall, floor <= INT64_MAX ? (int64_t)floor : 0);
    g->wall_stored_ms = g->wall.floor_ms;
}

void wall_tidy(struct guard *g)
{
    enum dw_wall_note note;
    (void)dw_wall_read(&g->wall, dw_now(), dw_wall(g->set.trust_clock), &note);
    if (note == DW_WALL_NOTE_JUMP)
        dw_log("warn", "clock", "said=jump visitors=not_for_a_minute");
    else if (note == DW_WALL_NOTE_BELOW_FLOOR)
        dw_log("warn", "clock", "said=before_what_was_known visitors=no");
    if (g->wall.floor_ms - g->wall_stored_ms >= FLOOR_EVERY_MS)
        floor_write(g);
}

void wall_before_opening(struct guard *g)
{
    if (g->wall.floor_ms > g->wall_stored_ms)
        floor_write(g);
}

struct dw_utc guard_wall(const struct guard *g)
{
    struct dw_wall_clock now = g->wall; /* whoever asks does not change what is known */
    enum dw_wall_note note;
    return dw_wall_read(&now, dw_now(), dw_wall(g->set.trust_clock), &note);
}
