/* service/agencies/agencies.h - carriers and other firms that send people. */
#ifndef DW_SERVICE_AGENCIES_AGENCIES_H
#define DW_SERVICE_AGENCIES_AGENCIES_H

#include "service/api.h"

void dw_agencies_post(struct dw_call *c);
void dw_agencies_patch(struct dw_call *c);
void dw_agencies_list(struct dw_call *c);
void dw_agencies_get(struct dw_call *c);

#endif
