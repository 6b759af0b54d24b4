/* media/still.h - is the picture alive? Freeze, blackout and cover measures on luma planes. Pure.
 *
 * A live sensor never gives the same picture twice: its noise moves the low bits even at night. So
 * on raw pictures (the camera agent, before the encoder) "still" means: at most five samples in a
 * thousand differ at all from the picture before. Exactly equal pictures are still, and so is a
 * frozen picture into which the device goes on writing the time (0 to 1 in a thousand). The
 * quietest live footage that was measured moves 140 in a thousand.
 *
 * On decoded key frames (the hub's second opinion) the encoder has taken most of the noise away,
 * and a change of its quantiser redraws an unchanged picture. There "still" means: at most twenty
 * samples in a thousand differ by more than one step from the key frame before (live: 77 and more).
 * It errs to one side: live pictures were never taken for frozen, frozen ones are found late, or
 * not at all while the quantiser wanders. It only ever adds an alarm; nothing is permitted on its
 * word.
 *
 * Error rates, and the footage they were measured on: docs/design/picture-measures.md.
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
    uint8_t mean,
        spread; /* of the newest picture: luma mean and standard deviation, over the grid */
    uint16_t diff_permille; /* samples that differ from the picture before by more than `tolerance`,
                             * rounded up: 0 means none */
    uint16_t limit_permille; /* up to this many may differ and the picture is still the same */
    uint8_t tolerance;
};

/* For raw pictures. */
void dw_still_init(struct dw_still *s);
/* For decoded key frames, one of about one second each. */
void dw_still_init_decoded(struct dw_still *s);

/* Feed one luma plane. `t_us` never falls. A picture of less than 64 x 64 pixels repeats samples of
 * the grid; one of another size than the last counts as a change only when the samples differ. */
void dw_still_feed(struct dw_still *s, const uint8_t *luma, size_t stride, uint16_t width_px,
                   uint16_t height_px, uint64_t t_us);
/* How long the picture has been the same, from the first picture that was the same to the newest; 0
 * for the first. */
uint32_t dw_still_ms(const struct dw_still *s);

/* Covered or dark: almost no structure (cover) or almost no light (blackout). Limits in still.c
 * with where they come from. */
bool dw_still_is_covered(uint8_t mean, uint8_t spread);

#endif
