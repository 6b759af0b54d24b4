/* hub/camera/look.h - the hub's own look at the picture: one key frame a second, decoded beside the
 * loop, measured by media/still.h. */
#ifndef DW_HUB_CAMERA_LOOK_H
#define DW_HUB_CAMERA_LOOK_H

#include <uv.h>

#include "hub/camera/au.h"
#include "media/decode.h"
#include "media/still.h"

struct dw_look {
    uv_loop_t *loop;
    uv_work_t work;
    struct dw_decoder *decoder;
    struct dw_still still; /* belongs to the work while `is_busy` */
    struct dw_au *au;      /* being looked at */
    uint64_t looked_ms;
    bool is_busy, is_decoded;
    /* The newest result, until it is taken. */
    bool has_news;
    uint32_t still_ms;
    uint8_t mean, spread;
    uint64_t looks, failures;
};

DW_MUST_USE dw_err dw_look_init(struct dw_look *l, uv_loop_t *loop);
/* Looks at `au` if it is a key frame, the last look is nearly a second ago and none is under way.
 */
void dw_look_at(struct dw_look *l, struct dw_au *au);
void dw_look_done(struct dw_look *l); /* after the loop has ended */

#endif
