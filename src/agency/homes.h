/* agency/homes.h - which hub is a home's, as the signer saw it first: one small file for each home.
 *
 * A hub is kept with the introduction, which a person at the agency chose to make. Another one in
 * its place is a new hub in that home, or a service that lies: a person decides again (doorward
 * agency accept-home).
 */
#ifndef DW_AGENCY_HOMES_H
#define DW_AGENCY_HOMES_H

#include "crypto/crypto.h"

#define DW_HOME_BYTES 16u

/* Makes the folder of the homes in `state`. */
DW_MUST_USE dw_err dw_homes_open(const char *state);
/* DW_E_NOT_FOUND: no hub is known of this home. Any other failure: it cannot be told now. */
DW_MUST_USE dw_err dw_homes_hub(const char *state, const uint8_t home[DW_HOME_BYTES],
                                uint8_t ret_hub[DW_THUMB_BYTES]);
/* On the disk when it returns DW_OK; takes the place of what was kept. */
DW_MUST_USE dw_err dw_homes_keep(const char *state, const uint8_t home[DW_HOME_BYTES],
                                 const uint8_t hub[DW_THUMB_BYTES]);

#endif
