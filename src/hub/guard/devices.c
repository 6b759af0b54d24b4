/* Whose word counts as the camera's and as the lock's. The first key of each comes with the
 * installation, from the settings file; from then on only an owner's statement changes it, and what
 * the file says is compared and not believed. */
#include <string.h>

#include "hub/guard/guard.h"
#include "os/os.h"

static const char *const words[DEVICE_COUNT] = {"none", "camera", "lock"};

enum device_number device_of_act(enum dw_act act)
{
    return act == DW_ACT_CAMERA_KEY ? DEVICE_CAMERA
           : act == DW_ACT_LOCK_KEY ? DEVICE_LOCK
                                    : DEVICE_NONE;
}

static void use(struct guard *g, enum device_number n, const uint8_t pub[DW_KEY_BYTES])
{
    dw_key_from_pub(pub, n == DEVICE_CAMERA ? &g->camera.key : &g->lock.key);
    *(n == DEVICE_CAMERA ? &g->camera.has_key : &g->lock.has_key) = true;
}

static void first(struct guard *g, enum device_number n, const uint8_t pub[DW_KEY_BYTES])
{
    struct store_fact f = {STORE_FACT_DEVICE, n, dw_view_of(pub, DW_KEY_BYTES)};
    struct store_write w = {.facts = &f, .fact_count = 1};
    if (dw_failed(store_write(g->store, &w)))
        dw_log("error", "device_key", "device=%s stored=no", words[n]);
    else
        dw_log("info", "device_key", "device=%s enrolled=by_installation", words[n]);
}

void devices_start(struct guard *g)
{
    for (enum device_number n = DEVICE_CAMERA; n < DEVICE_COUNT; n++) {
        struct device_key *d = &g->people.book.device[n];
        const struct dw_key *file = n == DEVICE_CAMERA ? &g->camera.key : &g->lock.key;
        bool has_file = n == DEVICE_CAMERA ? g->camera.has_key : g->lock.has_key;
        struct dw_buf b = dw_buf_of(d->pub, sizeof d->pub);
        dw_err e = store_fact(g->store, STORE_FACT_DEVICE, n, &b);
        d->is_set = !dw_failed(e) && b.len == sizeof d->pub;
        if (d->is_set && has_file && !dw_same(file->pub, d->pub, DW_KEY_BYTES))
            dw_log("warn", "device_key",
                   "device=%s file=differs used=enrolled hint=\"an owner enrols another on the "
                   "household's page\"",
                   words[n]);
        if (d->is_set) {
            use(g, n, d->pub);
        } else if (has_file && dw_is(e, DW_E_NOT_FOUND)) {
            memcpy(d->pub, file->pub, sizeof d->pub);
            d->is_set = true;
            first(g, n, d->pub);
        } else if (!dw_is(e, DW_E_NOT_FOUND)) { /* damaged: whose word it is, is not known */
            dw_log("error", "device_key", "device=%s result=unreadable", words[n]);
            *(n == DEVICE_CAMERA ? &g->camera.has_key : &g->lock.has_key) = false;
        }
    }
}

/* One key is one device, and none of them is the hub. */
enum dw_people_no devices_permit(const struct guard *g, const struct challenge *c)
{
    enum device_number n = device_of_act((enum dw_act)c->act);
    const struct device_key *other =
        &g->people.book.device[n == DEVICE_CAMERA ? DEVICE_LOCK : DEVICE_CAMERA];
    bool has_one = n == DEVICE_CAMERA ? strcmp(g->set.camera_class, "k2") == 0
                                      : strcmp(g->set.lock_adapter, "reference") == 0;
    if (!has_one || !dw_key_is_sound(c->key) || dw_same(c->key, g->secret.key.pub, DW_KEY_BYTES) ||
        (other->is_set && dw_same(c->key, other->pub, DW_KEY_BYTES)))
        return DW_PEOPLE_NO_NO_SUCH;
    return g->door.visit != 0 || g->door.is_recovering ? DW_PEOPLE_NO_DOOR_BUSY : DW_PEOPLE_NO_NONE;
}

void devices_name(struct challenge *c)
{
    struct dw_key key;
    dw_key_from_pub(c->key, &key);
    memcpy(c->id, key.thumb, sizeof c->id);
    c->value = 0;
    for (size_t i = 0; i < 8; i++)
        c->value = c->value << 8 | key.thumb[sizeof c->id + i];
}

/* Nothing that the one before has said counts for the new one. */
void devices_changed(struct guard *g)
{
    for (enum device_number n = DEVICE_CAMERA; n < DEVICE_COUNT; n++) {
        const struct device_key *d = &g->people.book.device[n];
        const struct device_key *was = &g->people.before.device[n];
        if (!d->is_set || (was->is_set && dw_same(d->pub, was->pub, DW_KEY_BYTES)))
            continue;
        dw_log("info", "device_key", "device=%s enrolled=by_owner", words[n]);
        use(g, n, d->pub);
        if (n == DEVICE_CAMERA) {
            struct camera_side *c = &g->camera;
            c->has_session = c->has_seen = false;
            memset(c->has_nonce, 0, sizeof c->has_nonce);
            child_kill(g, CHILD_CAMERA, "another camera"); /* the next one dials the new camera */
        } else {
            struct lock_side *l = &g->lock;
            l->has_compared = l->has_known = false; /* its counter is its own */
            l->counter = l->known_counter = l->known_epoch = l->retract_counter = 0;
            l->boot_count = 0;
            l->seq = 0;
            memset(l->boot_seed, 0, sizeof l->boot_seed);
            bolt_lost(g);
            child_kill(g, CHILD_LOCK, "another lock");
        }
    }
}
