/* hub/camera/au.h - one access unit on its way through the camera process, shared and never
 * changed.
 *
 * `bytes` is record || viewer nonces || access unit: the body of the live pipe as it stands. Users
 * are counted because the pre-roll ring, the live pipe, the recorder's thread and the decoder's
 * thread hold the same unit for different times.
 */
#ifndef DW_HUB_CAMERA_AU_H
#define DW_HUB_CAMERA_AU_H

#include <stdatomic.h>

#include "core/base.h"
#include "wire/camera.h"

struct dw_au {
    atomic_uint users;
    uint64_t frame;      /* counter of this process, from 1 */
    uint64_t arrived_ms; /* CLOCK_BOOTTIME */
    uint64_t t_us;       /* camera's exposure time (K2), or arrival (K0) */
    uint64_t seq;        /* of the record; 0 with K0 */
    uint32_t boot_count; /* of the record: times of two boots are not compared */
    uint32_t len;        /* of `bytes` */
    uint16_t record_len;
    uint8_t viewers, camera_class;
    bool is_key;
    struct dw_view record, nonces, access_unit, sps, pps; /* borrow `bytes`; sets of a key frame */
    uint8_t bytes[];
};

/* Copies the parts; the result has one user. NULL: no memory. `sps` and `pps` lie inside
 * `parts->access_unit` or are empty. */
struct dw_au *dw_au_new(const struct dw_frame_parts *parts, struct dw_view sps, struct dw_view pps);
struct dw_au *dw_au_hold(struct dw_au *au);
void dw_au_drop(struct dw_au *au);

/* The newest access units, back to a key frame: what a recording begins with. */
#define DW_RING_FRAMES_MAX 512u
#define DW_RING_BYTES_MAX  (8u * 1024u * 1024u)

struct dw_ring {
    struct dw_au *au[DW_RING_FRAMES_MAX];
    uint32_t first, count;
    size_t bytes;
};

/* Holds `au`, drops what is older than `preroll_ms` needs. Begins with a key frame always. */
void dw_ring_push(struct dw_ring *r, struct dw_au *au, uint32_t preroll_ms);
struct dw_au *dw_ring_at(const struct dw_ring *r, uint32_t index); /* 0: oldest */
void dw_ring_clear(struct dw_ring *r);

#endif
