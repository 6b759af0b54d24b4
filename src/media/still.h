/* media/still.h - is the picture alive? Freeze, blackout and cover measures on luma planes. Pure.
 *
 * A live sensor never gives the same picture twice: its noise moves the low bits even at night. So on
 * raw pictures (the camera agent, before the encoder) "still" means: equal to the picture before within
 * less than the sensor's own noise. On decoded key frames (the hub's second opinion) H.264 hides noise,
 * so there "still" is judged over key frames only and more slowly. Error rates, and the footage they were
 * measured on: docs/design/picture-measures.md.
 */
#ifndef DW_MEDIA_STILL_H
#define DW_MEDIA_STILL_H

#include "core/base.h"

#define DW_STILL_CELLS 4096u /* luma samples that are compared: a grid over the whole picture */

struct dw_still {
    uint64_t changed_us; /* when the picture last differed */
    uint64_t now_us;
    uint32_t seen; /* pictures so far */
    uint8_t cell[DW_STILL_CELLS];
    uint8_t mean, spread; /* of the newest picture: luma mean and standard deviation */
    uint16_t diff_permille; /* samples that differ from the picture before by more than 0 (raw) */
};

void dw_still_init(struct dw_still *s);

/* Feed one luma plane. `t_us` never falls. */
void dw_still_feed(struct dw_still *s, const uint8_t *luma, size_t stride, uint16_t width_px,
                   uint16_t height_px, uint64_t t_us);
/* How long the picture has been the same; 0 for the first. */
uint32_t dw_still_ms(const struct dw_still *s);

/* Covered or dark: almost no structure (cover) or almost no light (blackout). Limits in still.c with
 * where they come from. */
bool dw_still_is_covered(uint8_t mean, uint8_t spread);

#endif
