/* core/live.h - is the camera live? Judged by stamps and sequence of verified frames alone, never
 * by a connection, an association or a packet count [wifi.md 1].
 *
 * Pure. The shell has checked signature, hash and key of every frame it feeds. A frame proves when
 * it was taken: not before nonce issue + (t_exp - t_rx), all of it on the hub's clock but for a
 * difference of the camera's [protocol 5.1]. Rules are LIV-n in docs/spec/visit.md.
 */
#ifndef DW_CORE_LIVE_H
#define DW_CORE_LIVE_H

#include "core/params.h"
#include "core/types.h"

#define DW_LIVE_NONCES  16u /* handles 1..16; 0 is "none of ours" */
#define DW_LIVE_GAPS    24u /* gaps of more than t_gap_ms fit 20 times into the window */
#define DW_LIVE_SPAN_MS 10000u

/* How a frame stands to the one before, found by the shell from boot, sequence and chain. */
enum dw_frame_order {
    DW_FRAME_REPEAT = 0, /* seen before, or older than what was seen: replay */
    DW_FRAME_NEXT,       /* sequence + 1 and the chain holds */
    DW_FRAME_SKIP,       /* later in the same boot; frames between are missing */
    DW_FRAME_REBOOT,     /* first seen of a later boot */
    DW_FRAME_BROKEN,     /* sequence + 1 but the chain does not hold */
    DW_FRAME_ORDER_COUNT
};

struct dw_frame_seen {
    uint32_t nonce;            /* handle of the nonce it echoes; 0: none that is remembered */
    uint32_t since_ms;         /* t_exp - t_rx */
    uint32_t order;            /* enum dw_frame_order */
    uint32_t still_ms;         /* signed freeze measure of the raw picture */
    uint32_t decoded_still_ms; /* the hub's own, on decoded key frames */
    uint32_t is_covered;
    uint32_t tamper; /* camera's own tamper bits */
    uint32_t camera_class;
};

struct dw_live {
    dw_mono now;
    dw_mono nonce_at[DW_LIVE_NONCES + 1]; /* issue times; DW_NEVER: not out */
    dw_mono captured;    /* newest proven lower bound of a capture time; DW_NEVER: none yet */
    dw_mono arrived;     /* when the newest frame arrived that moved `captured`; DW_NEVER: none */
    dw_mono unproven;    /* when the newest frame of a K0 camera arrived; DW_NEVER: none */
    dw_mono blind_until; /* end of the newest gap that was counted */
    dw_mono covered_at, tampered_at; /* since when; DW_NEVER: not */
    dw_mono frozen_at; /* when the hub's own decoder last found the same picture; DW_NEVER: not */
    struct {
        dw_mono end;
        uint32_t ms, pad;
    } gap[DW_LIVE_GAPS];
    uint32_t gap_next;
    uint32_t gap_worst_ms; /* since dw_live_mark */
    uint32_t usual_ms;     /* decaying maximum of the distance between arrivals */
    uint32_t still_ms;
    uint32_t newest_nonce; /* handle */
    uint32_t proven_nonce; /* handle of the newest nonce that a frame has echoed */
    uint32_t has_rebooted; /* since dw_live_mark */
    uint32_t has_skipped;  /* frames missing since dw_live_mark */
    uint32_t has_tampered; /* since dw_live_mark */
    uint32_t has_frozen;   /* since dw_live_mark */
    uint32_t camera_class;
    uint32_t frames; /* proven ones since dw_live_mark, saturating */
};

void dw_live_init(struct dw_live *v);

/* LIV-1: draws the next handle for a nonce that is issued now. */
uint32_t dw_live_issue(struct dw_live *v, dw_mono now);

void dw_live_frame(struct dw_live *v, const struct dw_params *p, const struct dw_frame_seen *f,
                   dw_mono now);
/* A frame that failed its check, or a record that did not verify. */
void dw_live_fault(struct dw_live *v, dw_mono now);
/* An access unit of a camera that signs nothing. */
void dw_live_unproven(struct dw_live *v, dw_mono now);
/* Begins the account of a visit: worst gap, reboot, skips, tampering, frames. */
void dw_live_mark(struct dw_live *v, const struct dw_params *p, dw_mono now);

/* Upper bound of the age of the newest proven picture; UINT32_MAX: none. */
uint32_t dw_live_age_ms(const struct dw_live *v, dw_mono now);
/* LIV-3 [I23]: blind time in the last 10 s, the running gap included. */
uint32_t dw_live_blind_ms(const struct dw_live *v, const struct dw_params *p, dw_mono now);
/* LIV-4: longer than t_loss without proof, or that much in the last 10 s. */
bool dw_live_is_lost(const struct dw_live *v, const struct dw_params *p, dw_mono now);
bool dw_live_is_frozen(const struct dw_live *v, const struct dw_params *p);
bool dw_live_is_covered(const struct dw_live *v, dw_mono now);
bool dw_live_is_tampered(const struct dw_live *v, dw_mono now);
enum dw_camera_state dw_live_state(const struct dw_live *v, const struct dw_params *p, dw_mono now);
/* LIV-2: true when the frame of handle `nonce`, or of a later one, was seen and is not older than
 * t_cam. */
bool dw_live_has_answered(const struct dw_live *v, uint32_t nonce);

/* When the state may change by time alone: late, blind, lost. */
dw_mono dw_live_deadline(const struct dw_live *v, const struct dw_params *p, dw_mono now);

#endif
