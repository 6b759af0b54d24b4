/* tests/adapters/proxy.h - a TCP link that a test can cut, stall or spoil, between an adapter and
 * its peer. Runs on the test's own libuv loop; one peer, any number of connections one after the
 * other. */
#ifndef DW_TESTS_ADAPTERS_PROXY_H
#define DW_TESTS_ADAPTERS_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

enum proxy_mode {
    PROXY_PASS = 0,
    PROXY_STALL,     /* connections stay up, nothing moves: packets just stop */
    PROXY_STALL_OUT, /* only adapter -> peer stops */
    PROXY_CUT        /* connections are closed, new ones are refused */
};

struct proxy;

/* Listens on a port that the system chooses and passes everything to 127.0.0.1:`peer_port`. */
struct proxy *proxy_new(uv_loop_t *loop, uint16_t peer_port);
uint16_t proxy_port(const struct proxy *p);
void proxy_mode(struct proxy *p, enum proxy_mode mode);
/* The peer has a new port (it was started anew). */
void proxy_peer(struct proxy *p, uint16_t peer_port);
/* Writes bytes to the adapter as if the peer had sent them. False: no connection. */
bool proxy_inject(struct proxy *p, const void *bytes, size_t len);
/* Bytes that the adapter has sent and that were passed on to the peer so far. */
uint64_t proxy_passed_out(const struct proxy *p);
unsigned proxy_connections(const struct proxy *p); /* open now */
/* Closes everything; the loop must run once more before it is closed. */
void proxy_free(struct proxy *p);

#endif
