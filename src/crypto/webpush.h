/* crypto/webpush.h - sealing a message for one browser [RFC 8291] and saying who sends it [RFC
 * 8292].
 *
 * The push service in between sees neither text nor length: the text is padded, encrypted to the
 * browser's own key with a fresh key of ours, and signed for by the hub's VAPID key, which browsers
 * pin when they subscribe.
 */
#ifndef DW_CRYPTO_WEBPUSH_H
#define DW_CRYPTO_WEBPUSH_H

#include "core/base.h"

#define DW_P256_POINT_BYTES  65u /* 4 || x || y */
#define DW_PUSH_AUTH_BYTES   16u
#define DW_PUSH_TEXT_MAX     1900u /* plain bytes of one message */
#define DW_PUSH_OVERHEAD     103u  /* header 86, delimiter 1, tag 16 */
#define DW_VAPID_SUBJECT_MAX 256u
#define DW_VAPID_HEADER_MAX  1024u

/* A key pair of ours on P-256. Wipe with dw_p256_wipe. */
struct dw_p256 {
    uint8_t sec[32];
    uint8_t pub[DW_P256_POINT_BYTES];
};

/* DW_E_KEY: not a scalar of this curve (zero, or beyond its order). */
DW_MUST_USE dw_err dw_p256_from_secret(const uint8_t sec[32], struct dw_p256 *ret_key);
void dw_p256_new(struct dw_p256 *ret_key);
void dw_p256_wipe(struct dw_p256 *key);
/* A point of the curve in its uncompressed form? */
DW_MUST_USE bool dw_p256_is_point(const uint8_t point[DW_P256_POINT_BYTES]);

/* Loads the key file, or makes it (mode 0600) when there is none. Errors as dw_secret_load. */
DW_MUST_USE dw_err dw_vapid_key(const char *path, struct dw_p256 *ret_key);

/* Where a browser listens: its public key and its secret. */
struct dw_push_to {
    uint8_t p256dh[DW_P256_POINT_BYTES];
    uint8_t auth[DW_PUSH_AUTH_BYTES];
};

/* The body of the request: one record of aes128gcm [RFC 8188], the text padded to a multiple of
 * `pad_to` bytes (1: not padded). DW_E_KEY: the browser's key is no point of the curve: drop the
 * place. DW_E_TOO_LARGE, DW_E_NO_SPACE. */
DW_MUST_USE dw_err dw_push_seal(const struct dw_push_to *to, struct dw_view text, size_t pad_to,
                                struct dw_buf *out);
/* The same with salt and key given, for published vectors; never used twice otherwise. */
DW_MUST_USE dw_err dw_push_seal_with(const struct dw_push_to *to, const struct dw_p256 *own,
                                     const uint8_t salt[16], struct dw_view text, size_t pad_to,
                                     struct dw_buf *out);

/* The value of the Authorization header: "vapid t=TOKEN, k=KEY". `audience` is the origin of the
 * push service, `subject` a mailto: or https: address of whoever runs the hub, `exp_s` at most 24 h
 * ahead. DW_E_NO_SPACE: give DW_VAPID_HEADER_MAX. DW_E_INVALID: an audience or subject that would
 * need escapes. */
DW_MUST_USE dw_err dw_vapid_header(const struct dw_p256 *key, const char *audience,
                                   const char *subject, int64_t exp_s, char *ret_text, size_t cap);

#endif
