/* wire/camera.h - messages of the camera link. Pure.
 *
 * The link is TLS 1.3 (crypto/tls.h); each end shows a key of its own and, in its certificate, what
 * its enrolled key says of that key: the camera a camera-session, the hub a hub-link.
 * Framing on the TCP stream, inside TLS: u32 big-endian length of what follows, u8 kind, body. The
 * hub dials the camera. Every body but VIEWERS is or begins with a COSE_Sign1 of its context
 * (wire/cose.h):
 *
 *   kind ASK      hub -> camera   COSE_Sign1(hub) camera-ask
 *   kind VIEWERS  hub -> camera   0..DW_VIEWERS_MAX nonces of 32 bytes; no authority, only
 * freshness kind HELLO    camera -> hub   COSE_Sign1(camera) camera-hello, answers the first ASK
 *   kind FRAME    camera -> hub   u16 record length, u8 viewer count, record (COSE_Sign1(camera)
 * frame), viewer nonces, then one H.264 access unit in Annex B with SPS and PPS before each IDR
 *
 * The camera sends nothing before it has had one valid ASK on this connection, and signs echo =
 * SHA-256(newest ask nonce || viewer nonces in the order sent). It always uses the newest of both.
 */
#ifndef DW_WIRE_CAMERA_H
#define DW_WIRE_CAMERA_H

#include "core/base.h"

#define DW_CAMERA_LINK_MAX  (2u * 1024u * 1024u) /* largest framed message, bytes */
#define DW_VIEWERS_MAX      16u
#define DW_FRAME_RECORD_MAX 480u /* bytes of the COSE_Sign1 of a frame record */

enum dw_camera_kind {
    DW_CAMERA_KIND_NONE = 0,
    DW_CAMERA_KIND_ASK,
    DW_CAMERA_KIND_VIEWERS,
    DW_CAMERA_KIND_HELLO,
    DW_CAMERA_KIND_FRAME,
    DW_CAMERA_KIND_COUNT
};

#define DW_SESSION_BYTES_MAX 256u /* of the COSE_Sign1 of either of the next two */
#define DW_CAMERA_ALPN       "doorward-camera/1"

/* COSE_Sign1(camera's device key), once in each boot: the key that this boot's frames and its end
 * of the link are signed with. { 267: bootcount, 268: bootseed, -70300: key } */
struct dw_camera_session {
    uint32_t boot_count;
    uint8_t boot_seed[16];
    uint8_t pub[32];
};

/* COSE_Sign1(hub): the key of the process that dials this one camera. { 2: thumbprint of the
 * camera's device key, -70300: key } */
struct dw_hub_link {
    uint8_t camera[32];
    uint8_t pub[32];
};

/* { 10: nonce, -70008: visit (0: none), -70020: key frame wanted } */
struct dw_camera_ask {
    uint8_t nonce[32];
    uint64_t visit;
    bool want_key_frame;
};

/* { 10: echo of the ask nonce, 267: bootcount, 268: bootseed, 271: swversion, -70021: [width,
 * height, fps], -70022: class } */
struct dw_camera_hello {
    uint8_t nonce[32];
    uint32_t boot_count;
    uint8_t boot_seed[16];
    char software[32]; /* printable ASCII, NUL-terminated here */
    uint16_t width_px, height_px, fps;
    uint8_t camera_class; /* enum dw_camera_class */
};

/* Bits of dw_frame_record.tamper. */
#define DW_TAMPER_CASE  UINT32_C(1) /* housing opened */
#define DW_TAMPER_MOVED UINT32_C(2) /* camera moved */

/* { 10: echo, 267: bootcount, 268: bootseed, 271: swversion, -70008: visit, -70009: seq,
 *   -70010: t_rx_us, -70011: t_exp_us, -70012: [au-hash, parameter-set hash, still_ms, luma,
 * spread], -70013: chain, -70014: tamper } */
struct dw_frame_record {
    uint8_t echo[32];      /* SHA-256(hub nonce || viewer nonces) */
    uint32_t boot_count;   /* grows at each start of the camera */
    uint8_t boot_seed[16]; /* random, drawn at each start */
    char software[32];
    uint64_t visit;    /* as asked; 0 outside visits */
    uint64_t seq;      /* from 1, +1 a frame, in this boot */
    uint64_t t_rx_us;  /* camera's monotonic time when the newest ask nonce arrived */
    uint64_t t_exp_us; /* camera's monotonic time when this picture's exposure began; >= t_rx_us */
    uint8_t au_hash[32];   /* SHA-256 over the VCL NAL units (types 1..5) in order, each as its u32
                            * length and its bytes: with its header byte, without start code,
                            * trailing zero bytes stripped */
    uint8_t pset_hash[32]; /* over SPS and PPS in force, in the same way */
    uint32_t still_ms; /* how long the raw picture has not changed beyond the sensor's noise floor
                        * of exactly equal pictures; see media/still.h */
    uint8_t luma;      /* mean of the raw picture, 0..255 */
    uint8_t spread;    /* standard deviation of the raw picture's luma, 0..255, saturating */
    uint8_t chain[32]; /* SHA-256 of the previous frame's record (whole COSE_Sign1 bytes);
                        * first frame of a boot: SHA-256(boot_seed) */
    uint32_t tamper;   /* DW_TAMPER_ bits */
};

/* Each writes or reads one payload (the CBOR map above). `out` is appended to. A failed read leaves
 * `*ret_` alone. DW_E_NO_SPACE on write; DW_E_* of the strict reader on read. */
DW_MUST_USE dw_err dw_camera_session_write(const struct dw_camera_session *in, struct dw_buf *out);
DW_MUST_USE dw_err dw_camera_session_read(struct dw_view in, struct dw_camera_session *ret_session);
DW_MUST_USE dw_err dw_hub_link_write(const struct dw_hub_link *in, struct dw_buf *out);
DW_MUST_USE dw_err dw_hub_link_read(struct dw_view in, struct dw_hub_link *ret_link);
DW_MUST_USE dw_err dw_camera_ask_write(const struct dw_camera_ask *in, struct dw_buf *out);
DW_MUST_USE dw_err dw_camera_ask_read(struct dw_view in, struct dw_camera_ask *ret_ask);
DW_MUST_USE dw_err dw_camera_hello_write(const struct dw_camera_hello *in, struct dw_buf *out);
DW_MUST_USE dw_err dw_camera_hello_read(struct dw_view in, struct dw_camera_hello *ret_hello);
DW_MUST_USE dw_err dw_frame_record_write(const struct dw_frame_record *in, struct dw_buf *out);
DW_MUST_USE dw_err dw_frame_record_read(struct dw_view in, struct dw_frame_record *ret_record);

/* The body of a FRAME message, split; everything borrows `body`. */
struct dw_frame_parts {
    struct dw_view record;      /* COSE_Sign1, <= DW_FRAME_RECORD_MAX */
    struct dw_view viewers;     /* n * 32 bytes */
    struct dw_view access_unit; /* Annex B, not empty */
};

DW_MUST_USE dw_err dw_frame_parts_read(struct dw_view body, struct dw_frame_parts *ret_parts);
/* Writes the 3-byte head and the record and viewers; the access unit follows on the wire. */
DW_MUST_USE dw_err dw_frame_parts_write(const struct dw_frame_parts *in, struct dw_buf *out);

#endif
