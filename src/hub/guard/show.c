/* What screens may show: a snapshot of what is sensed, the story, and lent statements. Nothing here
 * is taken from a command; only from what the core has been told by lock and camera [I33]. */
#include <string.h>

#include "crypto/signed.h"
#include "hub/guard/guard.h"
#include "os/os.h"

#define STATE_MS 250u /* at most four snapshots a second when nothing but ages changes */

void show_story(struct guard *g, enum dw_story kind, uint32_t value, uint32_t value2,
                uint32_t member)
{
    struct hello *h = hello_of(g, g->telling);
    struct dw_utc wall = guard_wall(g);
    struct dw_ipc_story m = {
        .number = ++g->story_number,
        .at_ms = dw_now().ms,
        .utc_ms = dw_utc_is_known(wall) ? wall.lo_ms + (wall.hi_ms - wall.lo_ms) / 2 : 0,
        .visit = h ? h->visit : 0,
        .kind = kind,
        .value = value,
        .value2 = value2,
        .member = member,
    };
    g->past[m.number % DW_ARRAY_COUNT(g->past)] = m;
    if (g->child[CHILD_FRONT].is_ready)
        child_send(g, CHILD_FRONT, DW_IPC_STORY, &m);
    if (g->child[CHILD_ALERT].is_ready)
        child_send(g, CHILD_ALERT, DW_IPC_STORY, &m);
    dw_trace("%s value=%u value2=%u", dw_story_word(kind), value, value2);
}

void show_past(struct guard *g)
{
    uint64_t room = DW_ARRAY_COUNT(g->past);
    uint64_t from = g->story_number > room ? g->story_number - room + 1 : 1;
    for (uint64_t n = from; n <= g->story_number; n++) {
        if (g->past[n % room].number == n) /* the older ones are before this start */
            child_send(g, CHILD_FRONT, DW_IPC_STORY, &g->past[n % room]);
    }
}

size_t tell_detail(uint8_t ret[12], uint32_t value, uint32_t value2, uint32_t member)
{
    for (size_t i = 0; i < 4; i++) {
        ret[i] = (uint8_t)(value >> (24 - 8 * i));
        ret[4 + i] = (uint8_t)(value2 >> (24 - 8 * i));
        ret[8 + i] = (uint8_t)(member >> (24 - 8 * i));
    }
    return member ? 12 : 8;
}

void show_start(struct guard *g)
{
    for (size_t i = 0; i < DW_ARRAY_COUNT(g->past); i++)
        if (g->past[i].number && g->past[i].kind == DW_STORY_HUB_STARTED)
            child_send(g, CHILD_ALERT, DW_IPC_STORY, &g->past[i]);
}

void tell(struct guard *g, enum dw_story kind, uint32_t value, uint32_t value2)
{
    tell_by(g, kind, value, value2, 0);
}

void tell_by(struct guard *g, enum dw_story kind, uint32_t value, uint32_t value2, uint32_t member)
{
    struct hello *h = hello_of(g, g->telling);
    uint8_t detail[12];
    size_t len = tell_detail(detail, value, value2, member);
    struct store_write w = {
        .kind = (uint8_t)kind,
        .visit = h ? h->visit : 0,
        .at = guard_wall(g),
        .boot_ms = dw_now().ms,
        .detail = dw_view_of(detail, len),
        .story = g->story_number + 1,
    };
    if (dw_failed(store_write(g->store, &w)))
        dw_log("error", "record", "lost=%s", dw_story_word(kind));
    show_story(g, kind, value, value2, member);
}

void show_display(struct guard *g, uint32_t slot, uint32_t lease_ms)
{
    if (slot >= DW_VIEWERS_MAX || !g->has_viewer[slot])
        return;
    dw_mono now = dw_now();
    struct dw_display d = {
        .bolt = (uint8_t)dw_interlock_bolt(&g->door, now),
        .contact = (uint8_t)dw_interlock_contact(&g->door, now),
        .strike = dw_interlock_bolt(&g->door, now) == DW_BOLT_UNKNOWN
                      ? (uint8_t)DW_STRIKE_UNKNOWN
                      : (uint8_t)g->door.lock.strike,
        .is_secured = lease_ms > 0,
        .lease_ms = lease_ms,
        .visit_state = (uint8_t)g->door.state,
    };
    memcpy(d.hub, g->secret.key.thumb, 32);
    memcpy(d.viewer_nonce, g->viewer_nonce[slot], 32);
    uint8_t payload[256];
    struct dw_ipc_display m = {.slot = slot};
    struct dw_buf p = dw_buf_of(payload, sizeof payload), out = dw_buf_of(m.bytes, sizeof m.bytes);
    if (dw_failed(dw_display_write(&d, &p)) ||
        dw_failed(dw_signed_make(&g->secret, DW_CONTEXT_DISPLAY, dw_view_of_buf(&p), &out)))
        return;
    m.len = (uint16_t)out.len;
    child_send(g, CHILD_FRONT, DW_IPC_DISPLAY, &m);
}

void show_on_viewer(struct guard *g, const struct dw_ipc_viewer *m)
{
    if (m->slot >= DW_VIEWERS_MAX)
        return;
    struct dw_event ev = {.value = m->slot};
    switch ((enum dw_viewer_word)m->word) {
    case DW_VIEWER_ASKS:
        memcpy(g->viewer_nonce[m->slot], m->nonce, 32);
        g->has_viewer[m->slot] = true;
        eyes_tell_viewers(g);
        ev.type = DW_EV_SCREEN_ASKS;
        break;
    case DW_VIEWER_SAW_OPENING: ev.type = DW_EV_SCREEN_SAW; break;
    case DW_VIEWER_GONE:
        /* Its lease runs on: a screen that is gone from us may still glow [I30]. */
        g->has_viewer[m->slot] = false;
        eyes_tell_viewers(g);
        return;
    case DW_VIEWER_NONE:
    default: return;
    }
    guard_feed(g, &ev);
}

void show_state(struct guard *g, bool at_once)
{
    dw_mono now = dw_now();
    const struct dw_interlock *k = &g->door;
    struct hello *h = hello_of(g, k->visit);
    struct dw_utc wall = guard_wall(g);
    struct dw_ipc_state s = {
        .at_ms = now.ms,
        .visit = h ? h->visit : 0,
        .bolt = (uint8_t)dw_interlock_bolt(k, now),
        .contact = (uint8_t)dw_interlock_contact(k, now),
        .lock_class = (uint8_t)k->lock.lock_class,
        .is_secured = dw_interlock_is_secured(k, now),
        .visit_state = (uint8_t)k->state,
        .outcome = (uint8_t)k->last_outcome,
        .check = h ? h->check : 0,
        .camera = (uint8_t)dw_live_state(&k->live, &k->params, now),
        .camera_class = (uint8_t)k->live.camera_class,
        .is_opening = dw_interlock_is_opening(k),
        .battery_pct = k->lock_at.ms == DW_NEVER.ms ? 255 : g->lock.battery_pct,
        .is_link_up = g->is_link_up,
        .has_room = k->has_room != 0,
        .is_clock_sure = dw_utc_is_known(wall) &&
                         wall.hi_ms - wall.lo_ms <= (int64_t)g->set.params.clock_width_ms,
        .is_degraded = k->is_degraded != 0,
        .lock_age_ms = dw_interlock_lock_age_ms(k, now),
        .picture_age_ms = dw_live_age_ms(&k->live, now),
        .blind_ms = dw_live_blind_ms(&k->live, &k->params, now),
        .alarms = k->alarms,
        .inside_ms =
            h ? (h->opened_ms && k->state == DW_VISIT_INSIDE ? (uint32_t)(now.ms - h->opened_ms)
                                                             : h->inside_ms)
              : 0,
        .frames_verified = k->live.frames,
        .camera_mode = g->people.book.camera_mode,
    };
    s.strike = s.bolt == DW_BOLT_UNKNOWN ? (uint8_t)DW_STRIKE_UNKNOWN : (uint8_t)k->lock.strike;
    if (h && h->is_owner) {
        memcpy(s.visitor, people_name(g, h->member), strlen(people_name(g, h->member)));
    } else if (h && h->job < JOBS_MAX) {
        memcpy(s.visitor, g->jobs[h->job].job.visitor_name, sizeof s.visitor);
        memcpy(s.agency, g->jobs[h->job].job.agency_name, sizeof s.agency);
    }
    memcpy(s.hub_pub, g->secret.key.pub, 32);
    if (g->camera.has_key)
        memcpy(s.camera_pub, g->camera.key.pub, 32);
    if (g->camera.has_session) {
        s.session_len = g->camera.object_len;
        memcpy(s.session, g->camera.object, g->camera.object_len);
    }

    const struct dw_ipc_state *l = &g->last_state;
    bool changed =
        s.bolt != l->bolt || s.contact != l->contact || s.strike != l->strike ||
        s.is_secured != l->is_secured || s.visit_state != l->visit_state || s.camera != l->camera ||
        s.is_opening != l->is_opening || s.alarms != l->alarms || s.is_link_up != l->is_link_up ||
        s.visit != l->visit || s.is_degraded != l->is_degraded || s.check != l->check ||
        s.has_room != l->has_room || s.outcome != l->outcome || s.camera_mode != l->camera_mode ||
        memcmp(s.camera_pub, l->camera_pub, sizeof s.camera_pub) != 0 ||
        s.session_len != l->session_len || memcmp(s.session, l->session, sizeof s.session) != 0;
    house_tell_live(g, false);
    if (g->house.is_jobs_due)
        house_tell_some(g);
    if (!at_once && !changed && now.ms - g->state_sent_ms < STATE_MS)
        return;
    g->last_state = s;
    g->state_sent_ms = now.ms;
    child_send(g, CHILD_FRONT, DW_IPC_STATE, &s);
    if (g->child[CHILD_ALERT].is_ready)
        child_send(g, CHILD_ALERT, DW_IPC_STATE, &s);
}
