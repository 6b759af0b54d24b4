/* Rig of the reference lock: the real doorward-lock on loopback and its world file. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lock_home.h"
#include "rig.h"

#define LEASE_MS 1000u

struct rig_home {
    struct lock_home lock;
};

static struct rig_home *start(uv_loop_t *loop, uint16_t *ret_port, bool *ret_skip, char *why,
                              size_t why_cap)
{
    struct rig_home *h = calloc(1, sizeof *h);
    (void)loop;
    *ret_skip = false;
    if (!h)
        return NULL;
    lock_home_new(&h->lock);
    if (!lock_home_start(&h->lock)) {
        snprintf(why, why_cap, "doorward-lock did not start");
        lock_home_free(&h->lock);
        free(h);
        return NULL;
    }
    *ret_port = h->lock.port;
    return h;
}

static void stop(struct rig_home *h)
{
    lock_home_free(&h->lock);
    free(h);
}

static void settings(struct rig_home *h, uint16_t port, char *ret_text, size_t cap)
{
    (void)h;
    snprintf(ret_text, cap, "address=127.0.0.1:%u silent_ms=1500", port);
}

static bool door(struct rig_home *h, bool is_open)
{
    return dw_world_door(h->lock.world, is_open ? 800 : 0);
}

static void handle(struct rig_home *h)
{
    h->lock.world->handle_inside = 1;
    (void)AWAIT(h->lock.world->bolt_permille == 0, 3000);
    h->lock.world->handle_inside = 0;
}

static void block(struct rig_home *h, bool is_blocked)
{
    h->lock.world->bolt_blocked = is_blocked;
}

static enum dw_bolt bolt_truth(struct rig_home *h)
{
    int32_t at = h->lock.world->bolt_permille;
    return at == 0 ? DW_BOLT_RETRACTED : at >= 990 ? DW_BOLT_THROWN : DW_BOLT_MOVING;
}

static bool reset(struct rig_home *h)
{
    block(h, false);
    door(h, false);
    h->lock.world->handle_inside = 0;
    return AWAIT(bolt_truth(h) == DW_BOLT_THROWN, 10000);
}

static bool make_ask(struct rig_home *h, struct dw_buf *out)
{
    lock_home_ask(&h->lock, out);
    return true;
}

static bool make_command(struct rig_home *h, enum dw_lock_action action, struct dw_buf *out)
{
    if (h->lock.statuses == 0)
        return false;
    lock_home_command(&h->lock, action, action == DW_LOCK_ACTION_RETRACT ? LEASE_MS : 0, out);
    return true;
}

static void on_signed(struct rig_home *h, struct rig_seen *seen, uint8_t kind, struct dw_view cose)
{
    if (!lock_home_take(&h->lock, kind, cose)) {
        seen->bad++;
    } else if (kind == DW_LOCK_KIND_STATUS) {
        const struct dw_lock_status *s = &h->lock.status;
        seen->bolt = s->bolt;
        seen->contact = s->contact;
        seen->strike = s->strike;
        seen->news++;
        if (memcmp(s->nonce, h->lock.ask_nonce, sizeof s->nonce) == 0) {
            seen->fresh++;
            /* one ask, one fresh status: later pushes carry the same nonce */
            dw_random(h->lock.ask_nonce, sizeof h->lock.ask_nonce);
        }
    } else {
        seen->answers++;
        seen->result = h->lock.answer.result;
    }
}

const struct rig rig_reference = {
    .name = "reference",
    .ops = &dw_lock_reference,
    .is_signed = true,
    .has_close_rule = true,
    .has_jam = true,
    .senses_open_throw = true,
    .up_ms_max = 3000,
    .sensed_ms_max = 2500,
    .relock_ms_max = LEASE_MS + LOCK_HOME_BOLT_MS + 2000,
    .lost_ms_max = 2000,
    .start = start,
    .stop = stop,
    .settings = settings,
    .reset = reset,
    .door = door,
    .handle = handle,
    .block = block,
    .bolt_truth = bolt_truth,
    .make_ask = make_ask,
    .make_command = make_command,
    .on_signed = on_signed,
};
