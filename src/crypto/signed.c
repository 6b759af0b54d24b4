#include "crypto/signed.h"

#include <string.h>

/* Room for everything around the payload; see wire/cose.h. */
#define AROUND_BYTES 128u

_Static_assert(DW_SIGNED_PAYLOAD_MAX + AROUND_BYTES <= DW_SIGNED_BYTES_MAX, "an object fits");

dw_err dw_signed_make(const struct dw_secret *secret, enum dw_context c, struct dw_view payload,
                      struct dw_buf *out)
{
    uint8_t tbs_bytes[DW_SIGNED_PAYLOAD_MAX + AROUND_BYTES];
    struct dw_buf tbs = dw_buf_of(tbs_bytes, sizeof tbs_bytes), object = {out->ptr, 0, out->cap};
    struct dw_cose cose = {.payload = payload};

    if (payload.len > DW_SIGNED_PAYLOAD_MAX)
        return dw_fail(DW_E_TOO_LARGE);
    memcpy(cose.kid, secret->key.thumb, sizeof cose.kid);
    DW_TRY(dw_cose_tbs(c, cose.kid, payload, &tbs));
    dw_sign(secret, dw_view_of_buf(&tbs), cose.sig);
    DW_TRY(dw_cose_write(c, &cose, &object));
    out->len = object.len;
    return DW_OK;
}

dw_err dw_signed_open(const struct dw_key *key, enum dw_context c, struct dw_view in,
                      struct dw_view *ret_payload)
{
    uint8_t tbs_bytes[DW_SIGNED_PAYLOAD_MAX + AROUND_BYTES];
    struct dw_buf tbs = dw_buf_of(tbs_bytes, sizeof tbs_bytes);
    struct dw_cose cose;

    if (in.len > DW_SIGNED_BYTES_MAX)
        return dw_fail(DW_E_TOO_LARGE);
    DW_TRY(dw_cose_read(c, in, &cose));
    if (cose.payload.len > DW_SIGNED_PAYLOAD_MAX)
        return dw_fail(DW_E_TOO_LARGE);
    if (memcmp(cose.kid, key->thumb, sizeof cose.kid) != 0)
        return dw_fail(DW_E_KEY);
    DW_TRY(dw_cose_tbs(c, cose.kid, cose.payload, &tbs));
    DW_TRY(dw_verify(key, dw_view_of_buf(&tbs), cose.sig));
    *ret_payload = cose.payload;
    return DW_OK;
}
