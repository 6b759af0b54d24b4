#include "hub/camera/look.h"

#define LOOK_EACH_MS 900u /* key frames come each second, give or take the network's jitter */

dw_err dw_look_init(struct dw_look *l, uv_loop_t *loop)
{
    *l = (struct dw_look){.loop = loop};
    l->work.data = l;
    dw_still_init_decoded(&l->still);
    return dw_decoder_new(&l->decoder);
}

static void look(uv_work_t *work)
{
    struct dw_look *l = work->data;
    struct dw_luma luma;
    l->is_decoded = !dw_failed(dw_decoder_key(l->decoder, l->au->access_unit, &luma));
    if (l->is_decoded)
        dw_still_feed(&l->still, luma.ptr, luma.stride, luma.width_px, luma.height_px,
                      l->au->arrived_ms * 1000);
}

static void looked(uv_work_t *work, int status)
{
    struct dw_look *l = work->data;
    dw_au_drop(l->au);
    l->au = NULL;
    l->is_busy = false;
    if (status != 0)
        return;
    if (!l->is_decoded) {
        l->failures++;
        return;
    }
    l->looks++;
    l->has_news = true;
    l->still_ms = dw_still_ms(&l->still);
    l->mean = l->still.mean;
    l->spread = l->still.spread;
}

void dw_look_at(struct dw_look *l, struct dw_au *au)
{
    if (!au->is_key || l->is_busy || (l->looked_ms && au->arrived_ms - l->looked_ms < LOOK_EACH_MS))
        return;
    l->au = dw_au_hold(au);
    l->is_busy = true;
    l->looked_ms = au->arrived_ms;
    if (uv_queue_work(l->loop, &l->work, look, looked) != 0) {
        dw_au_drop(l->au);
        l->au = NULL;
        l->is_busy = false;
    }
}

void dw_look_done(struct dw_look *l)
{
    dw_decoder_free(l->decoder);
    dw_au_drop(l->au);
}
