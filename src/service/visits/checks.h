/* service/visits/checks.h - what the service itself checks before it asks a hub. Pure.
 *
 * The hub checks everything again and more; these are refused here because here it is known first.
 */
#ifndef DW_SERVICE_VISITS_CHECKS_H
#define DW_SERVICE_VISITS_CHECKS_H

#include "core/types.h"

struct dw_place {
    bool is_known;
    double lat, lon;   /* degrees */
    double accuracy_m; /* of a phone's word; 0 for a home */
};

/* The facts of one request at the door. Zeroed, it is refused. */
struct dw_asked {
    bool is_job_known;        /* there is such a job of the visitor's own agency */
    bool is_job_open;         /* not recalled */
    bool is_parcel_elsewhere; /* the barcode belongs to an open job at another home */
    bool is_door_wrong;       /* the code scanned at the door is not that of the job's door */
    bool is_assigned, is_screened, is_parcel_here, is_parcel_used, is_permitted, is_link_up;
    int64_t now_s, nbf_s, exp_s;
    struct dw_place home, phone;
    uint32_t location_m_max;
};

/* The first check that fails, in the order of DW_CHECK_LIST, or DW_CHECK_NONE. Bit n of
 * `*ret_passed`: enum dw_check n passed. */
enum dw_check dw_asked_check(const struct dw_asked *stop, uint64_t *ret_passed);

/* Metres between two places; good to a percent below 1,000 km. */
double dw_place_metres(const struct dw_place *a, const struct dw_place *b);

#endif
