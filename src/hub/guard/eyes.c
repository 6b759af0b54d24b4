/* The camera: nonces that go out, frame records that come back, what they prove. */
#include <string.h>

#include "crypto/signed.h"
#include "hub/guard/guard.h"
#include "media/still.h"
#include "os/os.h"

/* Records that do not verify, before the camera process is started anew: it should have noticed. */
#define BAD_MAX          50u
#define VIEWERS_EVERY_MS 50u

void eyes_ask(struct guard *g, uint32_t handle, bool want_key)
{
    DW_ASSERT(handle >= 1 && handle <= DW_LIVE_NONCES);
    struct camera_side *c = &g->camera;
    dw_random(c->nonce[handle], 32);
    c->has_nonce[handle] = true;

    struct hello *h = g->door.visit ? hello_of(g, g->door.visit) : NULL;
    struct dw_camera_ask ask = {.visit = h ? h->visit : 0,
                                .want_key_frame = want_key || g->is_key_wanted};
    g->is_key_wanted = false;
    memcpy(ask.nonce, c->nonce[handle], 32);
    uint8_t payload[128];
    struct dw_buf p = dw_buf_of(payload, sizeof payload);
    struct dw_ipc_bytes m = {.kind = DW_CAMERA_KIND_ASK, .sent_ms = dw_now().ms};
    struct dw_buf out = dw_buf_of(m.bytes, sizeof m.bytes);
    if (dw_failed(dw_camera_ask_write(&ask, &p)) ||
        dw_failed(dw_signed_make(&g->secret, DW_CONTEXT_CAMERA_ASK, dw_view_of_buf(&p), &out)))
        return;
    m.len = (uint16_t)out.len;
    child_send(g, CHILD_CAMERA, DW_IPC_CAMERA_ASK, &m);

    struct dw_ipc_hub_nonce n = {0};
    memcpy(n.nonce, ask.nonce, 32);
    child_send(g, CHILD_FRONT, DW_IPC_HUB_NONCE, &n);
    if (g->is_viewers_due)
        eyes_tell_viewers(g);
}

void eyes_tell_viewers(struct guard *g)
{
    struct dw_ipc_viewers m = {0};
    uint64_t now = dw_now().ms;
    /* A front that asks without end must not fill the camera process's ears [I26]: what is new goes
     * with the next nonce, at most t_hb later. */
    g->is_viewers_due = now - g->viewers_sent_ms < VIEWERS_EVERY_MS;
    if (g->is_viewers_due)
        return;
    g->viewers_sent_ms = now;
    for (size_t i = 0; i < DW_VIEWERS_MAX; i++) {
        if (g->has_viewer[i])
            memcpy(m.nonce[m.count++], g->viewer_nonce[i], 32);
    }
    child_send(g, CHILD_CAMERA, DW_IPC_VIEWERS, &m);
}

/* Which of our nonces does `echo` answer? 0: none that we remember [LIV-1]. */
static uint32_t find_nonce(const struct camera_side *c, uint32_t newest, const uint8_t echo[32],
                           struct dw_view viewers)
{
    for (uint32_t back = 0; back < DW_LIVE_NONCES; back++) {
        uint32_t handle = (newest + DW_LIVE_NONCES - back - 1) % DW_LIVE_NONCES + 1;
        if (!c->has_nonce[handle])
            continue;
        uint8_t want[32];
        dw_sha256_2(dw_view_of(c->nonce[handle], 32), viewers, want);
        if (dw_same(want, echo, 32))
            return handle;
    }
    return 0;
}

/* Boot, sequence and chain against what was seen last [LIV-5, LIV-6]. */
static enum dw_frame_order place(struct camera_side *c, const struct dw_frame_record *r)
{
    if (!c->has_seen)
        return DW_FRAME_SKIP; /* joined in the middle; nothing is missing that we had a claim to */
    if (r->boot_count < c->boot_count)
        return DW_FRAME_REPEAT;
    if (r->boot_count > c->boot_count)
        return DW_FRAME_REBOOT;
    if (memcmp(r->boot_seed, c->boot_seed, sizeof c->boot_seed) != 0)
        return DW_FRAME_BROKEN; /* one boot has one seed */
    if (r->seq <= c->seq)
        return DW_FRAME_REPEAT;
    if (r->seq > c->seq + 1)
        return DW_FRAME_SKIP;
    return dw_same(r->chain, c->chain, 32) ? DW_FRAME_NEXT : DW_FRAME_BROKEN;
}

static void fault(struct guard *g, const char *why)
{
    dw_log("warn", "frame", "refused=%s", why);
    struct dw_event ev = {.type = DW_EV_FRAME_FAULT};
    guard_feed(g, &ev);
    if (++g->camera.bad >= BAD_MAX) {
        g->camera.bad = 0;
        child_kill(g, CHILD_CAMERA, "too many bad frames");
    }
}

void eyes_on_frame(struct guard *g, const struct dw_ipc_frame *m)
{
    struct camera_side *c = &g->camera;
    struct dw_frame_record r;
    struct dw_view payload;
    if (!c->has_session || m->len > sizeof m->record || m->viewers > DW_VIEWERS_MAX) {
        fault(g, "form");
        return;
    }
    struct dw_view cose = dw_view_of(m->record, m->len);
    dw_err e = dw_signed_open(&c->session_key, DW_CONTEXT_FRAME, cose, &payload);
    if (!dw_failed(e))
        e = dw_frame_record_read(payload, &r);
    if (!dw_failed(e) && (r.boot_count != c->session.boot_count ||
                          memcmp(r.boot_seed, c->session.boot_seed, sizeof r.boot_seed) != 0))
        e = dw_fail(DW_E_KEY); /* a session's key is for its own boot */
    if (dw_failed(e)) {
        fault(g, dw_err_name(e));
        return;
    }
    struct dw_view viewers = dw_view_of(m->viewer, (size_t)m->viewers * 32u);
    bool first = !c->has_seen;
    enum dw_frame_order order = place(c, &r);
    uint64_t since_us = r.t_exp_us >= r.t_rx_us ? r.t_exp_us - r.t_rx_us : 0;
    struct dw_event ev = {.type = DW_EV_FRAME};
    ev.frame = (struct dw_frame_seen){
        .nonce = find_nonce(c, g->door.live.newest_nonce, r.echo, viewers),
        .since_ms = since_us / 1000 > UINT32_MAX ? UINT32_MAX : (uint32_t)(since_us / 1000),
        .order = first ? DW_FRAME_NEXT : order,
        .still_ms = r.still_ms,
        .decoded_still_ms = m->has_decoded ? m->decoded_still_ms : 0,
        .is_covered = dw_still_is_covered(r.luma, r.spread),
        .tamper = r.tamper,
        .camera_class = DW_CAMERA_K2,
    };
    if (order != DW_FRAME_REPEAT && order != DW_FRAME_BROKEN) {
        c->has_seen = true;
        c->boot_count = r.boot_count;
        memcpy(c->boot_seed, r.boot_seed, sizeof c->boot_seed);
        c->seq = r.seq;
        dw_sha256(cose, c->chain);
        c->bad = 0;
    } else {
        dw_log("warn", "frame", "refused=%s seq=%llu",
               order == DW_FRAME_REPEAT ? "repeat" : "broken", (unsigned long long)r.seq);
    }
    guard_feed(g, &ev);
}

void eyes_on_bad(struct guard *g, const struct dw_ipc_frame_bad *m)
{
    if (m->fault != DW_FRAME_FAULT_NONE) {
        static const char *const words[] = {"none", "form", "hash", "codec"};
        fault(g, m->fault < DW_ARRAY_COUNT(words) ? words[m->fault] : "unknown");
        return;
    }
    if (strcmp(g->set.camera_class, "k0") != 0)
        return; /* a camera of class K2 signs every frame; anything else proves nothing */
    struct dw_event ev = {.type = DW_EV_FRAME_UNPROVEN};
    guard_feed(g, &ev);
}

/* Once for each link: one signature of the device key stands behind all frames of a boot. */
static bool take_session(struct camera_side *c, struct dw_view object)
{
    struct dw_view payload;
    struct dw_camera_session s;
    const char *no = NULL;
    if (!c->has_key ||
        dw_failed(dw_signed_open(&c->key, DW_CONTEXT_CAMERA_SESSION, object, &payload)) ||
        dw_failed(dw_camera_session_read(payload, &s)))
        no = "wrong_key";
    else if (c->has_seen && s.boot_count < c->boot_count)
        no = "old_boot";
    else if (c->has_session && s.boot_count == c->session.boot_count &&
             memcmp(&s, &c->session, sizeof s) != 0)
        no = "second_of_a_boot";
    if (no) {
        dw_log("warn", "camera_session", "refused=%s", no);
        return false;
    }
    memcpy(c->object, object.ptr, object.len);
    c->object_len = (uint16_t)object.len;
    c->session = s;
    dw_key_from_pub(s.pub, &c->session_key);
    c->has_session = true;
    dw_log("info", "camera_session", "boot=%u", s.boot_count);
    return true;
}

void eyes_on_link(struct guard *g, const struct dw_ipc_camera_link *m)
{
    g->camera.is_up = m->is_up != 0; /* news for the log; liveness is judged by frames alone */
    dw_log("info", "camera_link", "up=%u", m->is_up);
    if (m->is_up && m->session_len > 0 && m->session_len <= sizeof m->session &&
        take_session(&g->camera, dw_view_of(m->session, m->session_len)))
        show_state(g, true); /* screens need it before the first frame */
}

void eyes_on_link_key(struct guard *g, const struct dw_ipc_link_key *m)
{
    struct dw_hub_link said = {0};
    uint8_t payload[128];
    struct dw_buf p = dw_buf_of(payload, sizeof payload);
    struct dw_ipc_link_proof out = {0};
    struct dw_buf proof = dw_buf_of(out.proof, sizeof out.proof);
    if (!g->camera.has_key) {
        dw_log("warn", "camera_link", "dial=no hint=\"give camera_key\"");
        return;
    }
    memcpy(said.camera, g->camera.key.thumb, sizeof said.camera);
    memcpy(said.pub, m->pub, sizeof said.pub);
    memcpy(out.camera_pub, g->camera.key.pub, sizeof out.camera_pub);
    if (dw_failed(dw_hub_link_write(&said, &p)) ||
        dw_failed(dw_signed_make(&g->secret, DW_CONTEXT_HUB_LINK, dw_view_of_buf(&p), &proof)))
        return;
    out.len = (uint16_t)proof.len;
    child_send(g, CHILD_CAMERA, DW_IPC_LINK_PROOF, &out);
}

void eyes_lost(struct guard *g)
{
    g->camera.is_up = false;
    memset(g->camera.has_nonce, 0, sizeof g->camera.has_nonce); /* void with the process [I12] */
}
