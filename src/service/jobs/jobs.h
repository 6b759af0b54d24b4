/* service/jobs/jobs.h - what is to be brought, where, when and by whom; and telling the hubs.
 *
 * The database is the outbox: which jobs a hub must know follows from it at any time (open,
 * assigned, within a grant of the household, signed by its agency, not over), so that sending again
 * after any loss is only reading again.
 */
#ifndef DW_SERVICE_JOBS_JOBS_H
#define DW_SERVICE_JOBS_JOBS_H

#include "service/api.h"

void dw_jobs_post(struct dw_call *c);
void dw_jobs_list(struct dw_call *c);
void dw_jobs_get(struct dw_call *c);
void dw_jobs_patch(struct dw_call *c);
void dw_jobs_delete(struct dw_call *c);

/* SHA-256(salt || barcode), as the hub compares it. */
void dw_parcel_commit(const uint8_t salt[16], const char *barcode, uint8_t ret_commitment[32]);

/* In the writer: for one job, as it stands, the MANIFEST that its agency signed; else what is to be
 * signed is put up; else RECALL. */
void dw_job_send(struct dw_work *w, const uint8_t job[DW_ID_BYTES]);
/* ... for all that a change touches; each gets a new revision. */
void dw_jobs_send_of_visitor(struct dw_work *w, const uint8_t visitor[DW_ID_BYTES]);
void dw_jobs_send_of_permission(struct dw_work *w, const uint8_t home[DW_ID_BYTES],
                                const uint8_t agency[DW_ID_BYTES]);
/* ... for jobs on a grant that is no more. */
void dw_jobs_send_of_grant(struct dw_work *w, const uint8_t home[DW_ID_BYTES],
                           const uint8_t grant[DW_ID_BYTES]);
/* ... for a hub that has come back; revisions stay. */
void dw_jobs_send_of_home(struct dw_work *w, const uint8_t home[DW_ID_BYTES]);

/* In the writer: the grant that holds the job becomes its own [I4]. False: none does; `*ret_why`
 * names the part of dw_grant_holds that does not fit, NULL when nothing is granted. */
bool dw_job_choose(struct dw_work *w, const uint8_t job[DW_ID_BYTES], const char **ret_why);

/* Main thread: begins to send everything to every hub, in steps; dw_jobs_tick goes on with it. */
void dw_jobs_send_all(struct dw_service *s);
void dw_jobs_tick(struct dw_service *s);

#endif
