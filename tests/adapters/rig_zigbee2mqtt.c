/* Rig of a Zigbee lock: the simulated Yale behind a real broker and a real Zigbee2MQTT. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "rig.h"
#include "zigbee_home.h"

#define RELOCK_S  6  /* long enough for the cases that hold the door open */
#define LOOKED_MS 20 /* the suite asks for the truth in a tight loop */

struct rig_home {
    struct zigbee_home zigbee;
    struct zigbee_world world;
    uint64_t looked_ms;
};

static struct rig_home *start(uv_loop_t *loop, uint16_t *ret_port, bool *ret_skip, char *why,
                              size_t why_cap)
{
    struct rig_home *h = calloc(1, sizeof(*h));

    (void)loop;
    *ret_skip = false; /* what is missing is a failure: ./dw installs it */
    if (h == NULL || !zigbee_home_start(&h->zigbee, why, why_cap)) {
        free(h);
        return NULL;
    }
    *ret_port = h->zigbee.mqtt_port;
    return h;
}

static void stop(struct rig_home *h)
{
    zigbee_home_stop(&h->zigbee);
    free(h);
}

static void settings(struct rig_home *h, uint16_t port, char *ret_text, size_t cap)
{
    (void)h;
    (void)snprintf(ret_text, cap,
                   "broker=127.0.0.1:%u device=" ZIGBEE_YALE " contact=" ZIGBEE_CONTACT, port);
}

static bool act(struct rig_home *h, const char *what)
{
    h->looked_ms = 0;
    return zigbee_act(&h->zigbee, what);
}

static bool reset(struct rig_home *h)
{
    char relock[32];

    (void)snprintf(relock, sizeof(relock), "yale/relock?s=%d", RELOCK_S);
    h->looked_ms = 0;
    return zigbee_reset(&h->zigbee) && act(h, relock);
}

static bool door(struct rig_home *h, bool is_open)
{
    return act(h, is_open ? "door/open" : "door/close");
}

static void handle(struct rig_home *h)
{
    (void)act(h, "yale/manualUnlock");
}

static void block(struct rig_home *h, bool is_blocked)
{
    (void)act(h, is_blocked ? "yale/block?on=1" : "yale/block?on=0");
}

static enum dw_bolt bolt_truth(struct rig_home *h)
{
    uint64_t now_ms = dw_now().ms;

    if (h->looked_ms == 0 || now_ms >= h->looked_ms + LOOKED_MS) {
        h->world = zigbee_look(&h->zigbee);
        h->looked_ms = now_ms;
    }
    return h->world.yale;
}

const struct rig rig_zigbee2mqtt = {
    .name = "zigbee2mqtt",
    .ops = &dw_lock_zigbee2mqtt,
    .has_jam = true,
    .up_ms_max = 8000,
    .sensed_ms_max = 6000,
    .relock_ms_max = RELOCK_S * 1000 + 4000,
    .lost_ms_max = 3000,
    .start = start,
    .stop = stop,
    .settings = settings,
    .reset = reset,
    .door = door,
    .handle = handle,
    .block = block,
    .bolt_truth = bolt_truth,
};
