/* service/agencies/signing.h - what waits for an agency's own signature, and what came back.
 *
 * The service signs nothing for agencies: it writes what is to be signed, the agency's own process
 * (src/agency) asks for it, looks at it and gives back the object. Of each thing (a job, a
 * visitor's shift, an introduction) the newest counts; what was to be signed before it is
 * forgotten.
 */
#ifndef DW_SERVICE_AGENCIES_SIGNING_H
#define DW_SERVICE_AGENCIES_SIGNING_H

#include "service/api.h"

enum dw_signing {
    DW_SIGNING_NONE = 0,
    DW_SIGNING_INTRODUCE, /* subject: home */
    DW_SIGNING_MANIFEST,  /* subject: job */
    DW_SIGNING_SHIFT      /* subject: visitor */
};

/* In the writer. True: just this payload is signed already, and `*ret_object` (in the arena) is the
 * object. False: it waits from now on. */
bool dw_signing_ask(struct dw_work *w, const uint8_t agency[DW_ID_BYTES], enum dw_signing kind,
                    const uint8_t subject[DW_ID_BYTES], struct dw_view payload,
                    struct dw_view *ret_object);
/* Forgets what waits about it; what is signed stays. */
void dw_signing_drop(struct dw_work *w, enum dw_signing kind, const uint8_t subject[DW_ID_BYTES]);

/* In the writer: the visitor's shift, put up for signing when there is none that lasts. */
void dw_shift_renew(struct dw_work *w, const uint8_t visitor[DW_ID_BYTES]);
/* ... and sent to a hub, when it is signed and not over. */
void dw_shift_send(struct dw_work *w, const uint8_t hub[DW_THUMB_BYTES],
                   const uint8_t visitor[DW_ID_BYTES]);
/* ... of all that come soon. `*after` goes through the visitors; zeroes: from the first. False: the
 * end. */
bool dw_shifts_renew_some(struct dw_work *w, uint8_t after[DW_ID_BYTES]);

/* In the writer: introductions that no household has answered, to a hub that has come back. */
void dw_introductions_send(struct dw_work *w, const uint8_t home[DW_ID_BYTES]);

void dw_signing_list(struct dw_call *c);
void dw_signing_post(struct dw_call *c);
void dw_introductions_post(struct dw_call *c);

#endif
