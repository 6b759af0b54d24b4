/* service/visitors/visitors.h - the people agencies send, and the attestations that they were
 * screened. */
#ifndef DW_SERVICE_VISITORS_VISITORS_H
#define DW_SERVICE_VISITORS_VISITORS_H

#include "service/api.h"

void dw_visitors_post(struct dw_call *c);
void dw_visitors_list(struct dw_call *c);
void dw_visitors_get(struct dw_call *c);
void dw_visitors_patch(struct dw_call *c);
void dw_visitors_invite(struct dw_call *c);
void dw_screenings_post(struct dw_call *c);
void dw_screenings_list(struct dw_call *c);

#endif
