/* core/wall.h - what time of day it is, as far as it may be believed [protocol 5, I13].
 *
 * The shell reads the system's clock as an interval; this decides whether a visitor's window may be
 * judged by it. Pure: no clock of its own. Rules are CLK-n in docs/spec/visit.md. Durations never
 * come from here.
 */
#ifndef DW_CORE_WALL_H
#define DW_CORE_WALL_H

#include "core/base.h"

#define DW_WALL_JUMP_MS   5000u  /* more than this off is a jump [protocol 5.4] */
#define DW_WALL_CALM_MS   60000u /* a clock that jumped is believed again after this long */
#define DW_WALL_DRIFT_PPM 500u   /* how far a sound oscillator may stray between two readings */

enum dw_wall_note {
    DW_WALL_NOTE_NONE = 0,
    DW_WALL_NOTE_JUMP,        /* forward or back by more than DW_WALL_JUMP_MS; log it */
    DW_WALL_NOTE_BELOW_FLOOR, /* before what was once known: set back, or a dead battery */
    DW_WALL_NOTE_COUNT
};

struct dw_wall_clock {
    int64_t floor_ms;   /* the true time is not before this */
    struct dw_utc seen; /* the newest reading, whether believed or not; not known: none yet */
    dw_mono seen_at;
    dw_mono calm_at;   /* believed from then on; zero: no jump is being waited out */
    uint32_t is_below; /* already noted */
    uint32_t pad;
};

/* `floor_ms` is what was stored last, 0 when nothing was. */
void dw_wall_init(struct dw_wall_clock *w, int64_t floor_ms);

/* The interval that may be believed at `now`; not known when the reading is not, or may not be.
 * Raises the floor: store it now and then, and before an opening. `*ret_note` is said once. `now`
 * never falls. */
struct dw_utc dw_wall_read(struct dw_wall_clock *w, dw_mono now, struct dw_utc reading,
                           enum dw_wall_note *ret_note);

#endif
