/* service/link.h - the MQTT link to the hubs (wire/visit.h): one in and one out topic per hub.
 *
 * libmosquitto on the service's loop, TCP_NODELAY, QoS 1, a persistent session. Messages come
 * signed by an enrolled hub, or they are dropped and counted. Nothing waits in memory while the
 * broker is away: the database knows what each hub must have, and it is sent again when the link is
 * back.
 */
#ifndef DW_SERVICE_LINK_H
#define DW_SERVICE_LINK_H

#include "service/service.h"

DW_MUST_USE dw_err dw_link_start(struct dw_service *s);
void dw_link_stop(struct dw_link *l);
/* Drops it (counted) when the link is down or too much is under way. */
void dw_link_send(struct dw_link *l, const struct dw_post *post);

#endif
