/* service/http.h - HTTP/1.1 on libwebsockets and the service's libuv loop.
 *
 * Turns a connection's requests into calls (api.h) and writes their answers: bodies of at most 64
 * KiB with a length, heads of at most 4 KiB, a bounded number of connections, idle time and time
 * for a head or a body bounded. No WebSocket, no HTTP/2: the proxy in front speaks those. Pages
 * (pages.h) are sent in steps, so that a large file for many phones costs no memory. TLS 1.2 and
 * later with `tls_cert` and `tls_key`.
 */
#ifndef DW_SERVICE_HTTP_H
#define DW_SERVICE_HTTP_H

#include "service/service.h"

/* Listens; *ret_port tells the port. DW_E_DENIED: not a loopback address, and neither TLS nor
 * a proxy that does it. */
DW_MUST_USE dw_err dw_http_start(struct dw_service *s, uint16_t *ret_port);
/* Begins to close; the loop must run on until it is empty, then dw_http_done. */
void dw_http_stop(struct dw_http *h);
void dw_http_done(struct dw_http *h);
uint32_t dw_http_connections(const struct dw_http *h);

#endif
