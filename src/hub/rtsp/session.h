/* hub/rtsp/session.h - one RTSP session: asks for the video stream, and for nothing else,
 * interleaved on the same TCP connection.
 *
 * The talking (addresses, passwords, headers, SDP) is GStreamer's RTSP library; once PLAY is
 * answered the socket is read here in large pieces, because a pipeline's thread hop for each packet
 * costs more than all the rest of recording (docs/design/recording.md).
 */
#ifndef DW_HUB_RTSP_SESSION_H
#define DW_HUB_RTSP_SESSION_H

#include <gst/rtsp/rtsp.h>

#include "core/base.h"

struct dw_rtsp_session {
    GstRTSPConnection *link;
    char url[600]; /* for keep-alive */
    int fd;        /* of `link` */
    int channel;   /* of the RTP packets */
    uint8_t payload_type;
    uint32_t keep_ms; /* how often to say that we are here */
    bool has_get_parameter;
    char sets[1400]; /* sprop-parameter-sets as told */
    /* Bytes between reads. */
    uint8_t *in;
    size_t len;
};

#define DW_RTSP_IN_BYTES (256u * 1024u)

/* Blocks for at most some seconds. `why` gets a short-name of the reason on failure. */
DW_MUST_USE dw_err dw_rtsp_open(struct dw_rtsp_session *s, const char *url, const char *user,
                                const char *password, const char **ret_why);
void dw_rtsp_close(struct dw_rtsp_session *s); /* says TEARDOWN, if it can be said at once */

typedef void dw_rtsp_packet(void *ctx, struct dw_view packet);
/* Reads what has come. DW_E_IO: closed. DW_E_INVALID: what came is not RTSP. */
DW_MUST_USE dw_err dw_rtsp_read(struct dw_rtsp_session *s, dw_rtsp_packet *packet, void *ctx);
DW_MUST_USE dw_err dw_rtsp_keep_alive(struct dw_rtsp_session *s);

#endif
