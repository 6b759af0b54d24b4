#include "core/live.h"

/* After a proof of tampering the camera stays "tampered" for this long, so that a replay between
 * good frames cannot blink away. */
#define TAMPER_HOLD_MS 10000u
/* Covered or dark for this long before it counts: a hand that switches the light is faster. */
#define COVER_MS 1000u
/* The hub's own opinion on decoded key frames (one a second) needs four equal ones. */
#define DECODED_STILL_MS 4000u
/* And it stands until the next two could have said otherwise: the frames between are not decoded.
 */
#define DECODED_HOLD_MS 2500u
/* "late" follows the camera's own distance between frames (5/4 of its decaying maximum), so that a
 * busy machine does not cry wolf; t_late_ms is the least, this the most [perf 2a]. */
#define LATE_MOST_MS 250u

void dw_live_init(struct dw_live *v)
{
    *v = (struct dw_live){0};
    for (size_t i = 0; i < DW_ARRAY_COUNT(v->nonce_at); i++)
        v->nonce_at[i] = DW_NEVER;
    v->captured = v->arrived = v->unproven = DW_NEVER;
    v->covered_at = v->tampered_at = v->frozen_at = DW_NEVER;
    for (size_t i = 0; i < DW_LIVE_GAPS; i++)
        v->gap[i].end = DW_NEVER;
}

uint32_t dw_live_issue(struct dw_live *v, dw_mono now)
{
    v->now = now;
    v->newest_nonce = v->newest_nonce % DW_LIVE_NONCES + 1;
    v->nonce_at[v->newest_nonce] = now;
    if (v->proven_nonce == v->newest_nonce)
        v->proven_nonce = 0; /* the handle begins a new life */
    return v->newest_nonce;
}

void dw_live_fault(struct dw_live *v, dw_mono now)
{
    v->now = now;
    v->tampered_at = now;
    v->has_tampered = 1;
}

/* LIV-10 [I22]: they come, but nobody can say of when they are. */
void dw_live_unproven(struct dw_live *v, dw_mono now)
{
    v->now = now;
    v->unproven = now;
}

/* Blind since then; what an earlier gap already counted is not counted again (a burst of old
 * frames). */
static dw_mono blind_from(const struct dw_live *v)
{
    return v->blind_until.ms > v->captured.ms ? v->blind_until : v->captured;
}

/* LIV-3 [I23]: a gap that goes on where the last one ended is the same gap. A burst of late frames
 * must not fill the table and push out what was blind before. */
static void push_gap(struct dw_live *v, dw_mono from, dw_mono to)
{
    uint64_t ms = dw_mono_since(to, from);
    uint32_t last = (v->gap_next + DW_LIVE_GAPS - 1) % DW_LIVE_GAPS;
    if (v->gap[last].end.ms == from.ms) {
        ms += v->gap[last].ms;
        v->gap_next = last;
    }
    v->blind_until = to;
    v->gap[v->gap_next].end = to;
    v->gap[v->gap_next].ms = ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
    v->gap_next = (v->gap_next + 1) % DW_LIVE_GAPS;
}

/* How many nonces ago `handle` was issued; 0 is the newest. */
static uint32_t nonce_rank(const struct dw_live *v, uint32_t handle)
{
    return (v->newest_nonce + DW_LIVE_NONCES - handle) % DW_LIVE_NONCES;
}

void dw_live_frame(struct dw_live *v, const struct dw_params *p, const struct dw_frame_seen *f,
                   dw_mono now)
{
    v->now = now;
    if (f->order == DW_FRAME_REPEAT || f->order == DW_FRAME_BROKEN || f->tamper != 0) {
        dw_live_fault(v, now); /* LIV-6: replayed, altered, or the camera itself says so */
        if (f->tamper == 0)
            return;
    }
    if (f->order == DW_FRAME_SKIP)
        v->has_skipped = 1;
    if (f->order == DW_FRAME_REBOOT) {
        v->has_rebooted = 1;    /* LIV-11 [I25]: one boot seed */
        v->captured = DW_NEVER; /* differences of another boot's clock prove nothing */
    }
    v->camera_class = f->camera_class;
    /* LIV-7: the signed measure of the raw picture, or the hub's own of decoded ones. */
    v->still_ms = f->still_ms;
    if (f->decoded_still_ms > DECODED_STILL_MS)
        v->frozen_at = now;
    else if (v->frozen_at.ms != DW_NEVER.ms && dw_mono_since(now, v->frozen_at) >= DECODED_HOLD_MS)
        v->frozen_at = DW_NEVER;
    if (dw_live_is_frozen(v, p))
        v->has_frozen = 1;
    if (!f->is_covered) /* LIV-8 */
        v->covered_at = DW_NEVER;
    else if (v->covered_at.ms == DW_NEVER.ms)
        v->covered_at = now;

    /* LIV-1: an echo of a nonce that is not ours, or long gone, proves no time. */
    if (f->nonce == 0 || f->nonce > DW_LIVE_NONCES || v->nonce_at[f->nonce].ms == DW_NEVER.ms)
        return;
    dw_mono at = dw_mono_add(v->nonce_at[f->nonce], f->since_ms);
    if (at.ms > now.ms)
        at = now; /* a fast camera clock cannot make a picture younger than its arrival */
    if (v->captured.ms != DW_NEVER.ms && at.ms <= v->captured.ms)
        return; /* LIV-5: not newer than what was proven before */
    if (v->captured.ms != DW_NEVER.ms) {
        uint64_t blind = dw_mono_since(now, v->captured);
        if (blind > p->t_gap_ms)
            push_gap(v, blind_from(v), now);
        if (blind > v->gap_worst_ms)
            v->gap_worst_ms = blind > UINT32_MAX ? UINT32_MAX : (uint32_t)blind;
    }
    if (v->arrived.ms != DW_NEVER.ms) {
        uint64_t step = dw_mono_since(now, v->arrived);
        uint32_t usual = v->usual_ms - v->usual_ms / 64;
        if (step > usual)
            usual = step > LATE_MOST_MS ? LATE_MOST_MS : (uint32_t)step;
        v->usual_ms = usual;
    }
    v->captured = at;
    v->arrived = now;
    if (nonce_rank(v, f->nonce) < nonce_rank(v, v->proven_nonce) || v->proven_nonce == 0)
        v->proven_nonce = f->nonce;
    if (v->frames < UINT32_MAX)
        v->frames++;
}

void dw_live_mark(struct dw_live *v, const struct dw_params *p, dw_mono now)
{
    uint32_t age = dw_live_age_ms(v, now);
    v->now = now;
    v->gap_worst_ms = age < p->t_gap_ms ? age : 0;
    v->has_rebooted = v->has_skipped = v->has_tampered = v->has_frozen = 0;
    v->frames = 0;
}

uint32_t dw_live_age_ms(const struct dw_live *v, dw_mono now)
{
    if (v->captured.ms == DW_NEVER.ms)
        return UINT32_MAX;
    uint64_t age = dw_mono_since(now, v->captured);
    return age > UINT32_MAX - 1 ? UINT32_MAX - 1 : (uint32_t)age;
}

uint32_t dw_live_blind_ms(const struct dw_live *v, const struct dw_params *p, dw_mono now)
{
    uint64_t from = now.ms > DW_LIVE_SPAN_MS ? now.ms - DW_LIVE_SPAN_MS : 0;
    uint64_t sum = 0;
    for (size_t i = 0; i < DW_LIVE_GAPS; i++) {
        if (v->gap[i].end.ms == DW_NEVER.ms || v->gap[i].end.ms <= from)
            continue;
        uint64_t inside = v->gap[i].end.ms - from;
        sum += inside < v->gap[i].ms ? inside : v->gap[i].ms;
    }
    uint32_t age = dw_live_age_ms(v, now);
    if (age != UINT32_MAX && age > p->t_gap_ms)
        sum += dw_mono_since(now, blind_from(v));
    return sum > DW_LIVE_SPAN_MS ? DW_LIVE_SPAN_MS : (uint32_t)sum;
}

bool dw_live_is_lost(const struct dw_live *v, const struct dw_params *p, dw_mono now)
{
    return dw_live_age_ms(v, now) > p->t_loss_ms || dw_live_blind_ms(v, p, now) > p->t_loss_ms;
}

bool dw_live_is_frozen(const struct dw_live *v, const struct dw_params *p)
{
    return v->still_ms > p->t_still_ms || v->frozen_at.ms != DW_NEVER.ms;
}

bool dw_live_is_covered(const struct dw_live *v, dw_mono now)
{
    return v->covered_at.ms != DW_NEVER.ms && dw_mono_since(now, v->covered_at) >= COVER_MS;
}

bool dw_live_is_tampered(const struct dw_live *v, dw_mono now)
{
    return v->tampered_at.ms != DW_NEVER.ms && dw_mono_since(now, v->tampered_at) < TAMPER_HOLD_MS;
}

/* LIV-9: a word for the screens and the story; nothing is decided by it. */
static uint32_t late_after_ms(const struct dw_live *v, const struct dw_params *p)
{
    uint32_t ms = v->usual_ms + v->usual_ms / 4;
    if (ms < p->t_late_ms)
        ms = p->t_late_ms;
    return ms > LATE_MOST_MS ? LATE_MOST_MS : ms;
}

enum dw_camera_state dw_live_state(const struct dw_live *v, const struct dw_params *p, dw_mono now)
{
    if (dw_live_is_tampered(v, now))
        return DW_CAMERA_TAMPERED;
    if (v->captured.ms == DW_NEVER.ms) {
        if (v->unproven.ms != DW_NEVER.ms)
            return dw_mono_since(now, v->unproven) > p->t_loss_ms ? DW_CAMERA_BLIND
                                                                  : DW_CAMERA_UNPROVEN;
        return DW_CAMERA_UNKNOWN;
    }
    if (dw_live_is_lost(v, p, now))
        return DW_CAMERA_BLIND;
    if (dw_live_is_frozen(v, p))
        return DW_CAMERA_FROZEN;
    if (dw_live_is_covered(v, now))
        return DW_CAMERA_COVERED;
    if (dw_live_age_ms(v, now) > p->t_gap_ms ||
        dw_mono_since(now, v->arrived) > late_after_ms(v, p))
        return DW_CAMERA_LATE;
    return DW_CAMERA_LIVE;
}

bool dw_live_has_answered(const struct dw_live *v, uint32_t nonce)
{
    return v->proven_nonce != 0 && nonce_rank(v, v->proven_nonce) <= nonce_rank(v, nonce);
}

dw_mono dw_live_deadline(const struct dw_live *v, const struct dw_params *p, dw_mono now)
{
    dw_mono next = DW_NEVER;
    if (v->captured.ms != DW_NEVER.ms) {
        const dw_mono at[] = {
            dw_mono_add(v->arrived, late_after_ms(v, p) + 1u),
            dw_mono_add(v->captured, p->t_gap_ms + 1u),
            dw_mono_add(v->captured, p->t_loss_ms + 1u),
        };
        for (size_t i = 0; i < DW_ARRAY_COUNT(at); i++) {
            if (at[i].ms > now.ms)
                next = dw_mono_min(next, at[i]);
        }
        uint32_t age = dw_live_age_ms(v, now);
        uint32_t blind = dw_live_blind_ms(v, p, now);
        if (age > p->t_gap_ms && blind <= p->t_loss_ms) /* the running gap adds up */
            next = dw_mono_min(next, dw_mono_add(now, p->t_loss_ms - blind + 1u));
    }
    if (v->unproven.ms != DW_NEVER.ms) {
        dw_mono at = dw_mono_add(v->unproven, p->t_loss_ms + 1u);
        if (at.ms > now.ms)
            next = dw_mono_min(next, at);
    }
    if (v->covered_at.ms != DW_NEVER.ms && !dw_live_is_covered(v, now))
        next = dw_mono_min(next, dw_mono_add(v->covered_at, COVER_MS));
    if (dw_live_is_tampered(v, now))
        next = dw_mono_min(next, dw_mono_add(v->tampered_at, TAMPER_HOLD_MS));
    return next;
}
