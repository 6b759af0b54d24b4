/* service/visits/visits.h - a courier at a door: the request, the slide, and what the hub says.
 *
 * A visit is asked once and told again until its hub answers; everything that a repeat could double
 * is told apart by the visit's id. What the hub says is kept with the hub's own times and
 * acknowledged after it is stored.
 */
#ifndef DW_SERVICE_VISITS_VISITS_H
#define DW_SERVICE_VISITS_VISITS_H

#include "service/api.h"
#include "service/homes/homes.h"

void dw_visits_post(struct dw_call *c);
void dw_visits_open(struct dw_call *c);
void dw_visits_list(struct dw_call *c);
void dw_visits_get(struct dw_call *c);
void dw_visits_door(struct dw_call *c);
void dw_visits_leave(struct dw_call *c);
void dw_visits_receipt(struct dw_call *c);

/* OFFER, NEWS, RECEIPT of an enrolled hub. dw_work.run. */
bool dw_visits_hear(struct dw_work *w);

/* -- in the writer, shared by the files of this folder -- */

/* HELLO, STOP or LEAVING of a visit, as it stands. */
void dw_visit_send_hello(struct dw_work *w, uint64_t visit, uint32_t age_ms);
void dw_visit_send_leaving(struct dw_work *w, uint64_t visit);
void dw_visit_send_stop(struct dw_work *w, uint64_t visit);
/* One more line of its story. `at` is when it happened. hub_number 0: the service's own. */
struct dw_line {
    uint32_t hub_number;
    uint8_t state, outcome, check;
    uint32_t alarms;
    int64_t at_lo, at_hi;
};
void dw_visit_tell(struct dw_work *w, uint64_t visit, const struct dw_line *line);
/* Refused by the service. */
void dw_visit_refuse(struct dw_work *w, uint64_t visit, enum dw_check check);

/* -- main thread: who waits -- */

DW_MUST_USE dw_err dw_waiting_start(struct dw_service *s);
void dw_waiting_stop(struct dw_waiting *w);
/* A long poll waits for its visit. */
void dw_visit_park(struct dw_call *c);
/* After a commit that left something to sign: wakes the signers. */
void dw_signing_waits(const struct dw_work *w);
/* After a commit that touched a visit. */
void dw_visit_touched(const struct dw_work *w);
/* The link is back: ask again at once for all that wait for an answer. */
void dw_visits_send_again(struct dw_service *s);

#endif
