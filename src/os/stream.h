/* os/stream.h - framed TCP on a libuv loop: u32 big-endian length of what follows, u8 kind, body.
 *
 * Used by the camera and lock links on both sides. TCP_NODELAY and SO_KEEPALIVE are always on. A
 * length (kind and body) of 0 or above `max` closes the stream. The queue of unsent bytes is
 * bounded: when it is full the stream closes (commands) or drops (media, see `send`). A stream that
 * stays silent is not closed: whoever needs life asks for it in his own protocol.
 *
 * Sealed, all of it goes through a struct dw_seal (TLS). There is no way back to clear bytes: what
 * does not begin with a greeting, or is changed on the way, closes the stream with "tls WORD".
 */
#ifndef DW_OS_STREAM_H
#define DW_OS_STREAM_H

#include <uv.h>

#include "core/base.h"
#include "core/seal.h"

struct dw_stream;

struct dw_stream_events {
    /* `body` is borrowed for the call. */
    void (*message)(void *ctx, struct dw_stream *s, uint8_t kind, struct dw_view body);
    /* Once, for every reason; `s` is freed after the call. */
    void (*closed)(void *ctx, struct dw_stream *s, const char *why);
    /* The connection is up, and the other side is who it should be: of dw_stream_dial, and of
     * sealed streams of dw_stream_listen. May be NULL. */
    void (*open)(void *ctx, struct dw_stream *s);
};

/* Address "127.0.0.1:7001" or "[::1]:7001". The result closes itself (calls `closed`) when the
 * connection fails or does not come up within `connect_ms`. */
DW_MUST_USE dw_err dw_stream_dial(uv_loop_t *loop, const char *address, size_t max,
                                  uint32_t connect_ms, const struct dw_stream_events *ev, void *ctx,
                                  struct dw_stream **ret_stream);

/* Listens on `address` (port 0: the system chooses; `*ret_port` tells). `accepted` gives the events
 * and context of each new stream; it returns false to refuse. */
struct dw_listener;
typedef bool dw_accepted(void *ctx, struct dw_stream *s, const struct dw_stream_events **ret_ev,
                         void **ret_ctx);
DW_MUST_USE dw_err dw_stream_listen(uv_loop_t *loop, const char *address, size_t max,
                                    dw_accepted *accepted, void *ctx,
                                    struct dw_listener **ret_listener, uint16_t *ret_port);
/* Its streams live on. */
void dw_listener_close(struct dw_listener *l);

/* From the first byte on. Call it at once, before the loop turns: after dw_stream_dial, after
 * dw_stream_listen. `seal` is copied; its `end` lives until the last stream is closed. A greeting
 * that takes longer than `connect_ms`, or `greet_ms` on the listening side, closes the stream. */
void dw_stream_seal(struct dw_stream *s, const struct dw_seal *seal);
void dw_listener_seal(struct dw_listener *l, const struct dw_seal *seal);
/* Of a sealed stream that is open; else NULL. */
const void *dw_stream_session(const struct dw_stream *s);

/* Copies. `a` and `b` are sent one after the other as one body (either may be empty).
 * DW_E_BUSY: `droppable` and more than `max` bytes wait; nothing was queued.
 * DW_E_IO: the stream is closing, or is sealed and not yet open. */
DW_MUST_USE dw_err dw_stream_send(struct dw_stream *s, uint8_t kind, struct dw_view a,
                                  struct dw_view b, bool droppable);
size_t dw_stream_queued(const struct dw_stream *s);
/* Unsent bytes are lost. `closed` is called on a later turn of the loop, never from inside this
 * call; `why` is copied. Until then `ctx` must live. */
void dw_stream_close(struct dw_stream *s, const char *why);

#endif
