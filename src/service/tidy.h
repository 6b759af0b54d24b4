/* service/tidy.h - what the database need not keep any longer.
 *
 * Answers under an Idempotency-Key after a day; sessions, invitations and challenges that are over;
 * the household's notes after their last day; lines of old visits' stories. Outcomes, times and
 * receipts stay. Done in small steps, so that nobody waits for it.
 */
#ifndef DW_SERVICE_TIDY_H
#define DW_SERVICE_TIDY_H

#include "service/service.h"

/* One step at a moment (Unix ms). In the writer. */
bool dw_tidy(struct dw_db *db, const struct dw_service_settings *set, int64_t now_ms);
/* Queues one step; a step that finds no room comes round again. Main thread. */
void dw_tidy_begin(struct dw_service *s);

#endif
