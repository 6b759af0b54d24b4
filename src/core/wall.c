#include "core/wall.h"

void dw_wall_init(struct dw_wall_clock *w, int64_t floor_ms)
{
    *w = (struct dw_wall_clock){.floor_ms = floor_ms > 0 ? floor_ms : 0};
}

/* Does the reading follow from the one before and the time between? Two intervals that touch, give
 * or take the jump and the drift, may tell of the same clock. */
static bool is_jump(const struct dw_wall_clock *w, dw_mono now, struct dw_utc reading)
{
    if (!dw_utc_is_known(w->seen)) /* none yet */
        return false;
    int64_t passed = (int64_t)dw_mono_since(now, w->seen_at);
    int64_t slack = DW_WALL_JUMP_MS + passed / 1000000 * DW_WALL_DRIFT_PPM;
    return reading.lo_ms > w->seen.hi_ms + passed + slack ||
           reading.hi_ms < w->seen.lo_ms + passed - slack;
}

struct dw_utc dw_wall_read(struct dw_wall_clock *w, dw_mono now, struct dw_utc reading,
                           enum dw_wall_note *ret_note)
{
    const struct dw_utc unknown = {0};
    *ret_note = DW_WALL_NOTE_NONE;
    if (!dw_utc_is_known(reading)) /* CLK-1 */
        return unknown;

    bool jumped = is_jump(w, now, reading); /* CLK-3 */
    w->seen = reading;
    w->seen_at = now;
    if (jumped) {
        w->calm_at = dw_mono_add(now, DW_WALL_CALM_MS);
        *ret_note = DW_WALL_NOTE_JUMP;
    }
    if (reading.hi_ms < w->floor_ms) { /* CLK-2 */
        if (!w->is_below)
            *ret_note = DW_WALL_NOTE_BELOW_FLOOR;
        w->is_below = 1;
        return unknown;
    }
    w->is_below = 0;
    if (dw_mono_before(now, w->calm_at))
        return unknown;
    if (reading.lo_ms > w->floor_ms) /* CLK-4 */
        w->floor_ms = reading.lo_ms;
    return (struct dw_utc){w->floor_ms, reading.hi_ms};
}
