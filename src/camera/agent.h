/* camera/agent.h - the camera's side of the camera link: asks in, signed frames out.
 *
 * Lives on one libuv loop. Access units come in from the encoder's thread through a bounded queue
 * (dw_agent_unit); everything else happens on the loop.
 *
 * The link is TLS 1.3 with the enrolled hub and nobody else. The device key signs once, at the
 * start: that this boot's frames, hellos and end of the link are signed with the session key.
 *
 * A frame is signed with the nonces that were in force when its exposure began, never with newer
 * ones: a picture taken before a question cannot answer it.
 */
#ifndef DW_CAMERA_AGENT_H
#define DW_CAMERA_AGENT_H

#include <uv.h>

#include "core/base.h"
#include "crypto/crypto.h"
#include "media/still.h"
#include "wire/camera.h"

struct dw_agent;

struct dw_agent_settings {
    const char *listen;
    const struct dw_secret *secret; /* device key; used by dw_agent_new only */
    const struct dw_key *hub;       /* borrowed for the agent's life */
    uint32_t boot_count;
    uint16_t width_px, height_px, fps;
    uint32_t bitrate_kbit;
    uint8_t camera_class;
    char software[32];
    void (*want_key)(void *ctx); /* asks the encoder for a key frame */
    bool (*has_power)(void *ctx);
    void *ctx;
};

/* Listens. `*ret_port` is the port in use. Failures as of dw_stream_listen. */
DW_MUST_USE dw_err dw_agent_new(uv_loop_t *loop, const struct dw_agent_settings *settings,
                                struct dw_agent **ret_agent, uint16_t *ret_port);
/* Closes the connections and handles; run the loop until it is empty afterwards. */
void dw_agent_close(struct dw_agent *a);
/* After the loop has ended. */
void dw_agent_free(struct dw_agent *a);

/* From the source's thread: what was measured on the raw picture of this exposure. */
void dw_agent_picture(struct dw_agent *a, uint64_t t_exp_us, uint32_t still_ms, uint8_t luma,
                      uint8_t spread);
/* From the encoder's thread: the access unit of that picture. Copied. When the queue is full the
 * unit and all until the next key frame are left out. */
void dw_agent_unit(struct dw_agent *a, struct dw_view annexb, uint64_t t_exp_us);

#endif
