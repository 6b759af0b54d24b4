/* service/homes/homes.h - homes, their hubs and doors, and what hubs say. */
#ifndef DW_SERVICE_HOMES_HOMES_H
#define DW_SERVICE_HOMES_HOMES_H

#include "service/api.h"
#include "wire/grant.h"
#include "wire/wish.h"

/* A verified message from a hub on its way through the writer. */
struct dw_message {
    struct dw_work work; /* first */
    uint8_t kind;        /* enum dw_link_kind */
    struct dw_key hub;
    uint8_t home[DW_ID_BYTES]; /* not for ENROL */
    struct dw_view object;     /* as the hub signed it; OFFER, RECEIPT, GRANT, else empty */
    bool is_refused;           /* out: not about anything of ours; counted */
    union {
        struct dw_enrol enrol;
        struct dw_offer offer;
        struct dw_news news;
        struct dw_receipt receipt;
        struct dw_wish wish;
        struct dw_evidence evidence;
        struct dw_revoked revoked;
    };
};

/* ENROL: pairs the hub with the home that waits for its code; to an enrolled hub it answers WELCOME
 * and sends everything that the hub must have. dw_work.run. */
bool dw_homes_hear(struct dw_work *w);

void dw_homes_post(struct dw_call *c);
void dw_homes_list(struct dw_call *c);
void dw_homes_get(struct dw_call *c);

#endif
