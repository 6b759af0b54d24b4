/* sim/hall/hall.h - what the camera of the simulated home sees: a hall whose door, light and people
 * follow sim/world.h.
 *
 * Layers are rasterised once at start-up. A picture costs a copy and its noise while nothing moves;
 * only what moves is painted again. A live picture never repeats: every row gets sensor noise from
 * an offset drawn afresh. A frozen lens gives the same bytes again and again, noise and clock
 * included.
 */
#ifndef DW_SIM_HALL_HALL_H
#define DW_SIM_HALL_HALL_H

#include "core/base.h"
#include "sim/world.h"

struct dw_hall;

/* Even sizes of 160..1920 by 96..1200 pixels; the hall fills the picture, what does not fit is cut
 * off at the rim. NULL: a size out of range, or no memory. `seed` makes noise repeatable. */
struct dw_hall *dw_hall_new(uint16_t width_px, uint16_t height_px, uint64_t seed);
void dw_hall_free(struct dw_hall *h);

/* Bytes of a picture: I420, rows without padding. */
size_t dw_hall_bytes(const struct dw_hall *h);

/* Looks at the world and writes the next picture. `now_us` never falls; it moves people and the
 * door. `clock_s` is the second of the day that is burnt into the picture. */
void dw_hall_picture(struct dw_hall *h, const struct dw_world *world, uint64_t now_us,
                     uint32_t clock_s, uint8_t *ret_i420);

#endif
