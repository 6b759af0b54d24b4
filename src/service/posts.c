/* What a piece of work leaves to do after its commit. */
#include <stdio.h>
#include <string.h>

#include "crypto/signed.h"
#include "os/os.h"
#include "service/link.h"
#include "service/visits/visits.h"
#include "wire/visit.h"

void dw_post(struct dw_work *w, const uint8_t hub[DW_THUMB_BYTES], uint8_t kind,
             struct dw_view payload)
{
    uint8_t bytes[DW_LINK_PAYLOAD_MAX];
    struct dw_buf buf = dw_buf_of(bytes, sizeof(bytes));
    dw_err e =
        dw_signed_make(&w->service->key, (enum dw_context)dw_link_context(kind), payload, &buf);
    if (dw_failed(e)) {
        dw_log("error", "message-unsigned", "kind=%u why=%s", kind, dw_err_name(e));
        return;
    }
    dw_post_signed(w, hub, kind, dw_view_of_buf(&buf));
}

void dw_post_signed(struct dw_work *w, const uint8_t hub[DW_THUMB_BYTES], uint8_t kind,
                    struct dw_view object)
{
    char id[17];
    struct dw_post *post = dw_arena_take(&w->arena, sizeof(*post) + 1 + object.len);
    dw_hex(hub, 8, id);
    (void)snprintf(post->topic, sizeof(post->topic), "doorward/v1/%s/in", id);
    post->len = 1 + object.len;
    post->bytes[0] = kind;
    memcpy(post->bytes + 1, object.ptr, object.len);
    *w->posts_end = post;
    w->posts_end = &post->next;
}

void dw_service_after(struct dw_work *w)
{
    for (const struct dw_post *post = w->posts; post; post = post->next)
        dw_link_send(w->service->link, post);
    if (w->touched)
        dw_visit_touched(w);
    if (w->signing)
        dw_signing_waits(w);
}
