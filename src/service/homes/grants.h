/* service/homes/grants.h - what households granted to agencies, as their hubs say it.
 *
 * The owner's passkey is checked by the hub; here a grant is what the enrolled hub signed that it
 * is, kept with the owner's signature in it. It lets nobody in: it tells agencies what they may
 * ask, so that what a household did not grant is not even made.
 */
#ifndef DW_SERVICE_HOMES_GRANTS_H
#define DW_SERVICE_HOMES_GRANTS_H

#include "service/api.h"
#include "wire/grant.h"

/* GRANT and REVOKED of an enrolled hub. dw_work.run. */
bool dw_grants_hear(struct dw_work *w);

/* GET /v1/homes/{home}/grants */
void dw_grants_list(struct dw_call *c);

/* The agency's live grants of the home as JSON, newest first. */
json_t *dw_grants_show_live(struct dw_call *c, const uint8_t home[DW_ID_BYTES],
                            const uint8_t agency[DW_ID_BYTES]);

/* Whether the household lets the agency ask at all: a live grant, and not stopped. */
bool dw_grant_is_live(struct dw_db *db, const uint8_t home[DW_ID_BYTES],
                      const uint8_t agency[DW_ID_BYTES]);

#endif
