#include "hub/camera/au.h"

#include <stdlib.h>
#include <string.h>

static struct dw_view moved(struct dw_view part, struct dw_view from, struct dw_view to)
{
    if (!part.len)
        return (struct dw_view){0};
    return dw_view_of(to.ptr + (part.ptr - from.ptr), part.len);
}

struct dw_au *dw_au_new(const struct dw_frame_parts *parts, struct dw_view sps, struct dw_view pps)
{
    size_t record = parts->record.len, nonces = parts->viewers.len, unit = parts->access_unit.len;
    if (record > DW_FRAME_RECORD_MAX || nonces > DW_VIEWERS_MAX * 32u || !unit ||
        unit > DW_CAMERA_LINK_MAX)
        return NULL;
    struct dw_au *au = calloc(1, sizeof *au + record + nonces + unit);
    if (!au)
        return NULL;
    atomic_init(&au->users, 1);
    au->len = (uint32_t)(record + nonces + unit);
    au->record_len = (uint16_t)record;
    au->viewers = (uint8_t)(nonces / 32u);
    if (record)
        memcpy(au->bytes, parts->record.ptr, record);
    if (nonces)
        memcpy(au->bytes + record, parts->viewers.ptr, nonces);
    memcpy(au->bytes + record + nonces, parts->access_unit.ptr, unit);
    au->record = dw_view_of(au->bytes, record);
    au->nonces = dw_view_of(au->bytes + record, nonces);
    au->access_unit = dw_view_of(au->bytes + record + nonces, unit);
    au->sps = moved(sps, parts->access_unit, au->access_unit);
    au->pps = moved(pps, parts->access_unit, au->access_unit);
    return au;
}

struct dw_au *dw_au_hold(struct dw_au *au)
{
    atomic_fetch_add_explicit(&au->users, 1, memory_order_relaxed);
    return au;
}

void dw_au_drop(struct dw_au *au)
{
    if (au && atomic_fetch_sub_explicit(&au->users, 1, memory_order_acq_rel) == 1)
        free(au);
}

struct dw_au *dw_ring_at(const struct dw_ring *r, uint32_t index)
{
    return r->au[(r->first + index) % DW_RING_FRAMES_MAX];
}

static void drop_first(struct dw_ring *r)
{
    struct dw_au *au = dw_ring_at(r, 0);
    r->bytes -= au->len;
    r->first = (r->first + 1) % DW_RING_FRAMES_MAX;
    r->count--;
    dw_au_drop(au);
}

/* Index of the second key frame, or the count: where the ring begins when its first group goes. */
static uint32_t second_group(const struct dw_ring *r)
{
    uint32_t i = 1;
    while (i < r->count && !dw_ring_at(r, i)->is_key)
        i++;
    return i < r->count ? i : r->count;
}

void dw_ring_push(struct dw_ring *r, struct dw_au *au, uint32_t preroll_ms)
{
    if (!r->count && !au->is_key)
        return;
    while (r->count && (r->count == DW_RING_FRAMES_MAX || r->bytes + au->len > DW_RING_BYTES_MAX)) {
        for (uint32_t n = second_group(r); n; n--)
            drop_first(r);
    }
    if (!r->count && !au->is_key)
        return; /* the group before had to go; begin again at the next key frame */
    r->au[(r->first + r->count) % DW_RING_FRAMES_MAX] = dw_au_hold(au);
    r->count++;
    r->bytes += au->len;
    uint32_t next = second_group(r);
    while (next < r->count && au->arrived_ms - dw_ring_at(r, next)->arrived_ms >= preroll_ms) {
        for (uint32_t n = next; n; n--)
            drop_first(r);
        next = second_group(r);
    }
}

void dw_ring_clear(struct dw_ring *r)
{
    while (r->count)
        drop_first(r);
}
