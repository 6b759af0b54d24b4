/* tests/media/wire.h - TLS on a plain socket, for tests that play the camera or the hub of a camera
 * link. The keys and what vouches for them are the test's to choose, and so may be wrong. */
#ifndef TESTS_MEDIA_WIRE_H
#define TESTS_MEDIA_WIRE_H

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "crypto/signed.h"
#include "crypto/tls.h"
#include "wire/camera.h"

struct wire {
    int fd;
    struct dw_seal seal;
    void *session;
};

static inline bool wire_any_peer(void *ctx, const uint8_t pub[DW_KEY_BYTES], struct dw_view proof)
{
    (void)ctx;
    (void)pub;
    (void)proof;
    return true;
}

/* What the device key says of the session key of a boot. */
static inline struct dw_buf wire_session(const struct dw_secret *device,
                                         const struct dw_secret *session, uint32_t boot_count,
                                         const uint8_t seed[16],
                                         uint8_t ret_bytes[DW_SESSION_BYTES_MAX])
{
    struct dw_camera_session m = {.boot_count = boot_count};
    uint8_t payload[128];
    struct dw_buf p = dw_buf_of(payload, sizeof payload),
                  out = dw_buf_of(ret_bytes, DW_SESSION_BYTES_MAX);
    memcpy(m.boot_seed, seed, sizeof m.boot_seed);
    memcpy(m.pub, session->key.pub, sizeof m.pub);
    DW_ASSERT(
        !dw_failed(dw_camera_session_write(&m, &p)) &&
        !dw_failed(dw_signed_make(device, DW_CONTEXT_CAMERA_SESSION, dw_view_of_buf(&p), &out)));
    return out;
}

/* What the hub's key says of the key of a process that dials `camera`. */
static inline struct dw_buf wire_hub_link(const struct dw_secret *hub,
                                          const uint8_t camera[DW_THUMB_BYTES],
                                          const uint8_t pub[DW_KEY_BYTES],
                                          uint8_t ret_bytes[DW_SESSION_BYTES_MAX])
{
    struct dw_hub_link m;
    uint8_t payload[128];
    struct dw_buf p = dw_buf_of(payload, sizeof payload),
                  out = dw_buf_of(ret_bytes, DW_SESSION_BYTES_MAX);
    memcpy(m.camera, camera, sizeof m.camera);
    memcpy(m.pub, pub, sizeof m.pub);
    DW_ASSERT(!dw_failed(dw_hub_link_write(&m, &p)) &&
              !dw_failed(dw_signed_make(hub, DW_CONTEXT_HUB_LINK, dw_view_of_buf(&p), &out)));
    return out;
}

/* One side's keys; lives until the test ends. */
static inline struct dw_tls_end *wire_end(const struct dw_secret *secret, struct dw_view proof,
                                          const char *alpn)
{
    struct dw_tls_conf conf = {
        .secret = secret, .proof = proof, .alpn = alpn, .check = wire_any_peer};
    struct dw_tls_end *end = NULL;
    DW_ASSERT(!dw_failed(dw_tls_init()) && !dw_failed(dw_tls_end_new(&conf, &end)));
    return end;
}

static inline bool wire_flush(struct wire *w)
{
    uint8_t bytes[16384];
    size_t n;
    while ((n = w->seal.take(w->session, bytes, sizeof bytes)) > 0) {
        for (size_t at = 0; at < n;) {
            ssize_t done = send(w->fd, bytes + at, n - at, MSG_NOSIGNAL);
            if (done <= 0)
                return false;
            at += (size_t)done;
        }
    }
    return true;
}

static inline void wire_close(struct wire *w)
{
    if (w->session)
        w->seal.drop(w->session);
    if (w->fd >= 0)
        close(w->fd);
    *w = (struct wire){.fd = -1};
}

/* Takes `fd`. False, and closed: the other side is not there, or will not have us. */
static inline bool wire_open(struct wire *w, int fd, struct dw_tls_end *end, bool is_dialler,
                             int each_ms)
{
    uint8_t bytes[8192];
    *w = (struct wire){.fd = fd, .seal = dw_tls_seal(end)};
    w->session = w->seal.begin(w->seal.end, is_dialler);
    DW_ASSERT(w->session);
    for (;;) {
        dw_err e = w->seal.greet(w->session);
        bool is_sent = wire_flush(w);
        if (!dw_failed(e) && is_sent)
            return true;
        struct pollfd p = {fd, POLLIN, 0};
        ssize_t n = -1;
        if (dw_is(e, DW_E_BUSY) && is_sent && poll(&p, 1, each_ms) == 1)
            n = recv(fd, bytes, sizeof bytes, 0);
        if (n <= 0 || dw_failed(w->seal.feed(w->session, dw_view_of(bytes, (size_t)n))))
            break;
    }
    wire_close(w);
    return false;
}

/* As recv with MSG_DONTWAIT: 0 is the end, -1 with EAGAIN is nothing yet. */
static inline ssize_t wire_recv(struct wire *w, void *to, size_t cap)
{
    uint8_t bytes[65536];
    for (;;) {
        struct dw_buf out = dw_buf_of(to, cap);
        size_t n = 0;
        if (dw_failed(w->seal.read(w->session, &out, &n)))
            return 0;
        if (n > 0)
            return (ssize_t)n;
        ssize_t got = recv(w->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got <= 0)
            return got;
        if (dw_failed(w->seal.feed(w->session, dw_view_of(bytes, (size_t)got))))
            return 0;
    }
}

static inline bool wire_send(struct wire *w, const void *bytes, size_t len)
{
    return !dw_failed(w->seal.write(w->session, dw_view_of(bytes, len))) && wire_flush(w);
}

#endif
