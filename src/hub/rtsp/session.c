#include "hub/rtsp/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include <gst/sdp/gstsdpmessage.h>

#include "os/os.h"

#define ANSWER_US   2000000 /* for each question */
#define TEARDOWN_US 100000
#define SKIP_MAX    2000u /* packets before an answer */
#define HEAD_MAX    8192u /* of an answer between packets */
#define BODY_MAX    65536u
#define KEEP_MS     25000u /* half of the usual 60 s, and a little less */
#define KEEP_MS_MIN 2000u
#define MEDIAS_MAX  16u

struct asking {
    struct dw_rtsp_session *s;
    const char *user, *password;
    bool has_tried;
};

/* Takes the camera's challenge; the library then adds the answer to each question. */
static bool answer_challenge(struct asking *a, GstRTSPMessage *answer)
{
    if (a->has_tried || !a->user[0])
        return false;
    a->has_tried = true;
    GstRTSPAuthCredential **list =
        gst_rtsp_message_parse_auth_credentials(answer, GST_RTSP_HDR_WWW_AUTHENTICATE);
    const GstRTSPAuthCredential *best = NULL;
    for (size_t i = 0; list && list[i]; i++) {
        if (list[i]->scheme == GST_RTSP_AUTH_DIGEST ||
            (list[i]->scheme == GST_RTSP_AUTH_BASIC && !best))
            best = list[i];
    }
    bool is_set = false;
    if (best) {
        gst_rtsp_connection_clear_auth_params(a->s->link);
        for (size_t i = 0; best->params && best->params[i]; i++)
            gst_rtsp_connection_set_auth_param(a->s->link, best->params[i]->name,
                                               best->params[i]->value);
        is_set = gst_rtsp_connection_set_auth(a->s->link, best->scheme, a->user, a->password) ==
                 GST_RTSP_OK;
    }
    gst_rtsp_auth_credentials_free(list);
    return is_set;
}

static GstRTSPResult ask_once(struct dw_rtsp_session *s, GstRTSPMethod method, const char *url,
                              GstRTSPHeaderField field, const char *value, GstRTSPMessage *answer)
{
    GstRTSPMessage question = {0};
    GstRTSPResult r = gst_rtsp_message_init_request(&question, method, url);
    if (r != GST_RTSP_OK)
        return r;
    gst_rtsp_message_add_header(&question, GST_RTSP_HDR_USER_AGENT, "doorward");
    if (value)
        gst_rtsp_message_add_header(&question, field, value);
    r = gst_rtsp_connection_send_usec(s->link, &question, ANSWER_US);
    gst_rtsp_message_unset(&question);
    for (unsigned i = 0; r == GST_RTSP_OK && i < SKIP_MAX; i++) {
        r = gst_rtsp_connection_receive_usec(s->link, answer, ANSWER_US);
        if (r == GST_RTSP_OK && gst_rtsp_message_get_type(answer) == GST_RTSP_MESSAGE_RESPONSE)
            return GST_RTSP_OK;
    }
    return r == GST_RTSP_OK ? GST_RTSP_ERROR : r;
}

/* DW_OK: answered with 200; `answer` is the caller's to unset in every case. */
static dw_err ask(struct asking *a, GstRTSPMethod method, const char *url, GstRTSPHeaderField field,
                  const char *value, GstRTSPMessage *answer)
{
    for (;;) {
        GstRTSPStatusCode code;
        if (ask_once(a->s, method, url, field, value, answer) != GST_RTSP_OK ||
            gst_rtsp_message_parse_response(answer, &code, NULL, NULL) != GST_RTSP_OK)
            return dw_fail(DW_E_IO);
        if (code == GST_RTSP_STS_OK)
            return DW_OK;
        if (code != GST_RTSP_STS_UNAUTHORIZED)
            return dw_fail(DW_E_DENIED);
        if (!answer_challenge(a, answer))
            return dw_fail(DW_E_KEY);
        gst_rtsp_message_unset(answer);
    }
}

/* The H.264 stream of the description; every other one is named in the log and left alone, so the
 * camera never sends its sound. */
static const GstSDPMedia *choose(const GstSDPMessage *sdp, struct dw_rtsp_session *s)
{
    const GstSDPMedia *found = NULL;
    guint count = gst_sdp_message_medias_len(sdp);
    for (guint i = 0; i < count && i < MEDIAS_MAX; i++) {
        const GstSDPMedia *m = gst_sdp_message_get_media(sdp, i);
        const char *kind = gst_sdp_media_get_media(m), *map;
        bool is_used = false;
        for (guint k = 0; !found && kind && strcmp(kind, "video") == 0 &&
                          (map = gst_sdp_media_get_attribute_val_n(m, "rtpmap", k));
             k++) {
            char *rest;
            unsigned long type = strtoul(map, &rest, 10);
            if (type < 128 && *rest == ' ' && strncasecmp(rest + 1, "H264/", 5) == 0) {
                found = m;
                is_used = true;
                s->payload_type = (uint8_t)type;
            }
        }
        dw_log("info", "stream", "number=%u kind=%s used=%d", i,
               is_used ? "h264" : (kind && strcmp(kind, "audio") == 0 ? "audio" : "other"),
               is_used);
    }
    return found;
}

/* sprop-parameter-sets of the stream's format line, as they are. */
static void keep_sets(const GstSDPMedia *m, struct dw_rtsp_session *s)
{
    const char *line;
    for (guint k = 0; (line = gst_sdp_media_get_attribute_val_n(m, "fmtp", k)); k++) {
        const char *at = strcasestr(line, "sprop-parameter-sets=");
        if (!at || strtoul(line, NULL, 10) != s->payload_type)
            continue;
        at += strlen("sprop-parameter-sets=");
        size_t len = strcspn(at, "; \t\r\n");
        if (len < sizeof s->sets) {
            memcpy(s->sets, at, len);
            s->sets[len] = 0;
        }
        return;
    }
}

/* Address of one stream: absolute, or under the base [RFC 2326 C.1.1]. */
static bool join_url(char *ret_url, size_t cap, const char *base, const char *control)
{
    int n;
    if (!control || !control[0] || strcmp(control, "*") == 0)
        n = snprintf(ret_url, cap, "%s", base);
    else if (strncasecmp(control, "rtsp://", 7) == 0)
        n = snprintf(ret_url, cap, "%s", control);
    else
        n = snprintf(ret_url, cap, "%s%s%s", base, base[strlen(base) - 1] == '/' ? "" : "/",
                     control[0] == '/' ? control + 1 : control);
    return n > 0 && (size_t)n < cap;
}

static const char *header(GstRTSPMessage *m, GstRTSPHeaderField field)
{
    char *value = NULL;
    return gst_rtsp_message_get_header(m, field, &value, 0) == GST_RTSP_OK ? value : NULL;
}

static dw_err describe(struct asking *a, char *stream_url, size_t cap, const char **ret_why)
{
    struct dw_rtsp_session *s = a->s;
    GstRTSPMessage answer = {0};
    GstSDPMessage *sdp = NULL;
    guint8 *body = NULL;
    guint len = 0;
    *ret_why = "describe";
    dw_err e = ask(a, GST_RTSP_DESCRIBE, s->url, GST_RTSP_HDR_ACCEPT, "application/sdp", &answer);
    if (dw_failed(e))
        goto out;
    *ret_why = "description";
    e = dw_fail(DW_E_INVALID);
    if (gst_rtsp_message_get_body(&answer, &body, &len) != GST_RTSP_OK || !len || len > BODY_MAX ||
        gst_sdp_message_new(&sdp) != GST_SDP_OK ||
        gst_sdp_message_parse_buffer(body, len, sdp) != GST_SDP_OK)
        goto out;
    const GstSDPMedia *m = choose(sdp, s);
    if (!m) {
        *ret_why = "no_h264_stream";
        goto out;
    }
    keep_sets(m, s);
    const char *base = header(&answer, GST_RTSP_HDR_CONTENT_BASE);
    if (!base)
        base = header(&answer, GST_RTSP_HDR_CONTENT_LOCATION);
    const char *whole = gst_sdp_message_get_attribute_val(sdp, "control");
    if (whole && strncasecmp(whole, "rtsp://", 7) == 0)
        base = whole;
    if (!base || !base[0])
        base = s->url;
    if (!join_url(stream_url, cap, base, gst_sdp_media_get_attribute_val(m, "control")))
        goto out;
    char keep[sizeof s->url];
    if (!join_url(keep, sizeof keep, base, NULL))
        goto out;
    memcpy(s->url, keep, sizeof keep);
    e = DW_OK;
out:
    if (sdp)
        gst_sdp_message_free(sdp);
    gst_rtsp_message_unset(&answer);
    return e;
}

static dw_err set_up(struct asking *a, const char *stream_url, const char **ret_why)
{
    struct dw_rtsp_session *s = a->s;
    GstRTSPMessage answer = {0};
    *ret_why = "setup";
    dw_err e = ask(a, GST_RTSP_SETUP, stream_url, GST_RTSP_HDR_TRANSPORT,
                   "RTP/AVP/TCP;unicast;interleaved=0-1", &answer);
    if (!dw_failed(e)) {
        GstRTSPTransport *t = NULL;
        const char *text = header(&answer, GST_RTSP_HDR_TRANSPORT);
        s->channel = 0;
        if (gst_rtsp_transport_new(&t) == GST_RTSP_OK && text &&
            gst_rtsp_transport_parse(text, t) == GST_RTSP_OK &&
            t->lower_transport == GST_RTSP_LOWER_TRANS_TCP) {
            if (t->interleaved.min >= 0 && t->interleaved.min < 256)
                s->channel = t->interleaved.min;
        } else {
            *ret_why = "transport";
            e = dw_fail(DW_E_UNSUPPORTED);
        }
        if (t)
            gst_rtsp_transport_free(t);
        const char *session = header(&answer, GST_RTSP_HDR_SESSION);
        const char *timeout = session ? strcasestr(session, "timeout=") : NULL;
        unsigned long seconds = timeout ? strtoul(timeout + 8, NULL, 10) : 0;
        s->keep_ms = seconds && seconds < 3600 ? (uint32_t)seconds * 400 : KEEP_MS;
        if (s->keep_ms < KEEP_MS_MIN)
            s->keep_ms = KEEP_MS_MIN;
    }
    gst_rtsp_message_unset(&answer);
    return e;
}

static dw_err simple(struct asking *a, GstRTSPMethod method, const char *why, const char **ret_why)
{
    GstRTSPMessage answer = {0};
    *ret_why = why;
    dw_err e = ask(a, method, a->s->url, GST_RTSP_HDR_RANGE,
                   method == GST_RTSP_PLAY ? "npt=0.000-" : NULL, &answer);
    if (!dw_failed(e) && method == GST_RTSP_OPTIONS) {
        const char *methods = header(&answer, GST_RTSP_HDR_PUBLIC);
        a->s->has_get_parameter = methods && strstr(methods, "GET_PARAMETER");
    }
    gst_rtsp_message_unset(&answer);
    return e;
}

dw_err dw_rtsp_open(struct dw_rtsp_session *s, const char *url, const char *user,
                    const char *password, const char **ret_why)
{
    *s = (struct dw_rtsp_session){.fd = -1};
    struct asking a = {s, user, password, false};
    char stream_url[1200];
    GstRTSPUrl *parsed = NULL;
    *ret_why = "address";
    dw_err e = dw_fail(DW_E_INVALID);
    s->in = malloc(DW_RTSP_IN_BYTES);
    if (!s->in || strlen(url) >= sizeof s->url || gst_rtsp_url_parse(url, &parsed) != GST_RTSP_OK ||
        gst_rtsp_connection_create(parsed, &s->link) != GST_RTSP_OK)
        goto out;
    (void)snprintf(s->url, sizeof s->url, "%s", url);
    *ret_why = "connect";
    e = dw_fail(DW_E_IO);
    if (gst_rtsp_connection_connect_usec(s->link, ANSWER_US) != GST_RTSP_OK)
        goto out;
    e = simple(&a, GST_RTSP_OPTIONS, "options", ret_why);
    if (dw_is(e, DW_E_DENIED))
        e = DW_OK; /* a camera may know no OPTIONS */
    if (!dw_failed(e))
        e = describe(&a, stream_url, sizeof stream_url, ret_why);
    if (!dw_failed(e))
        e = set_up(&a, stream_url, ret_why);
    if (!dw_failed(e))
        e = simple(&a, GST_RTSP_PLAY, "play", ret_why);
    if (!dw_failed(e)) {
        s->fd = g_socket_get_fd(gst_rtsp_connection_get_read_socket(s->link));
        *ret_why = "none";
    }
out:
    if (parsed)
        gst_rtsp_url_free(parsed);
    if (dw_is(e, DW_E_KEY))
        *ret_why = "password";
    if (dw_failed(e))
        dw_rtsp_close(s);
    return e;
}

void dw_rtsp_close(struct dw_rtsp_session *s)
{
    if (s->link) {
        GstRTSPMessage bye = {0};
        if (s->fd >= 0 &&
            gst_rtsp_message_init_request(&bye, GST_RTSP_TEARDOWN, s->url) == GST_RTSP_OK) {
            (void)gst_rtsp_connection_send_usec(s->link, &bye, TEARDOWN_US);
            gst_rtsp_message_unset(&bye);
        }
        gst_rtsp_connection_close(s->link);
        gst_rtsp_connection_free(s->link);
    }
    free(s->in);
    *s = (struct dw_rtsp_session){.fd = -1};
}

/* Length of an answer or a question of the camera between packets; 0: not whole yet. */
static dw_err text_length(const uint8_t *p, size_t len, size_t *ret_len)
{
    const uint8_t *end = memmem(p, len < HEAD_MAX ? len : HEAD_MAX, "\r\n\r\n", 4);
    *ret_len = 0;
    if (!end)
        return len < HEAD_MAX ? DW_OK : dw_fail(DW_E_INVALID);
    size_t head = (size_t)(end - p) + 4;
    char text[HEAD_MAX + 1];
    memcpy(text, p, head);
    text[head] = 0;
    const char *field = strcasestr(text, "\ncontent-length:");
    unsigned long body = field ? strtoul(field + 16, NULL, 10) : 0;
    if (memchr(text, 0, head) || body > BODY_MAX)
        return dw_fail(DW_E_INVALID);
    *ret_len = head + body <= len ? head + body : 0;
    return DW_OK;
}

dw_err dw_rtsp_read(struct dw_rtsp_session *s, dw_rtsp_packet *packet, void *ctx)
{
    ssize_t n = recv(s->fd, s->in + s->len, DW_RTSP_IN_BYTES - s->len, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return DW_OK;
    if (n <= 0)
        return dw_fail(DW_E_IO);
    s->len += (size_t)n;
    size_t at = 0;
    while (s->len - at >= 4) {
        const uint8_t *p = s->in + at;
        size_t len;
        if (p[0] == '$') { /* [RFC 2326 10.12] */
            len = 4 + ((size_t)p[2] << 8 | p[3]);
            if (s->len - at < len)
                break;
            if (p[1] == s->channel)
                packet(ctx, dw_view_of(p + 4, len - 4));
        } else {
            if (p[0] < 'A' || p[0] > 'Z')
                return dw_fail(DW_E_INVALID);
            DW_TRY(text_length(p, s->len - at, &len));
            if (!len)
                break;
        }
        at += len;
    }
    memmove(s->in, s->in + at, s->len - at);
    s->len -= at;
    return s->len < DW_RTSP_IN_BYTES ? DW_OK : dw_fail(DW_E_INVALID);
}

dw_err dw_rtsp_keep_alive(struct dw_rtsp_session *s)
{
    GstRTSPMessage question = {0};
    if (gst_rtsp_message_init_request(
            &question, s->has_get_parameter ? GST_RTSP_GET_PARAMETER : GST_RTSP_OPTIONS, s->url) !=
        GST_RTSP_OK)
        return dw_fail(DW_E_NO_SPACE);
    GstRTSPResult r = gst_rtsp_connection_send_usec(s->link, &question, TEARDOWN_US);
    gst_rtsp_message_unset(&question);
    return r == GST_RTSP_OK ? DW_OK : dw_fail(DW_E_IO);
}
