/* service/jobs/wishes.h - what a household wants of a delivery, as its hub says it [wire/wish.h].
 *
 * A wish is applied once and acknowledged after the commit. Of two wishes about the same thing the
 * one with the higher number counts, whichever comes first. No wish opens or closes anything: the
 * hub does what it can itself.
 */
#ifndef DW_SERVICE_JOBS_WISHES_H
#define DW_SERVICE_JOBS_WISHES_H

#include "service/api.h"

/* WISH of an enrolled hub. dw_work.run. */
bool dw_wishes_hear(struct dw_work *w);

/* Words for dw_job_wishes.wished: "accept", "decline", "move"; NULL for none. */
const char *dw_wished_word(int wished);

/* The notes that a visitor may see for a job of `home` at the moment: on the day of the job, never
 * after their own last day. */
json_t *dw_house_notes(struct dw_call *c, const uint8_t home[DW_ID_BYTES],
                       const uint8_t job[DW_ID_BYTES], int32_t today);

#endif
