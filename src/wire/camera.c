#include "wire/camera.h"
#include "core/types.h"
#include "wire/cbor.h"
#include "wire/claims.h"
#include "wire/text.h"

#include <string.h>

#define VIEWER_NONCE_BYTES 32u

dw_err dw_camera_ask_write(const struct dw_camera_ask *in, struct dw_buf *out)
{
    struct dw_wr w;
    dw_wr_init(&w, out);
    dw_wr_map(&w, 3);
    dw_wr_key(&w, DW_CLAIM_NONCE);
    dw_wr_bytes(&w, in->nonce, sizeof in->nonce);
    dw_wr_key(&w, DW_CLAIM_VISIT);
    dw_wr_uint(&w, in->visit);
    dw_wr_key(&w, DW_CLAIM_WANT_KEY_FRAME);
    dw_wr_bool(&w, in->want_key_frame);
    return dw_wr_end(&w);
}

dw_err dw_camera_ask_read(struct dw_view in, struct dw_camera_ask *ret_ask)
{
    struct dw_camera_ask m;
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 3);
    dw_rd_key(&r, DW_CLAIM_NONCE);
    dw_rd_bytes(&r, m.nonce, sizeof m.nonce);
    dw_rd_key(&r, DW_CLAIM_VISIT);
    dw_rd_u64(&r, &m.visit);
    dw_rd_key(&r, DW_CLAIM_WANT_KEY_FRAME);
    dw_rd_bool(&r, &m.want_key_frame);
    DW_TRY(dw_rd_end(&r));
    *ret_ask = m;
    return DW_OK;
}

/* Claim 271 is an array whose first item is the version [RFC 9711 4.2.7]; we use only that one. */
static void write_software(struct dw_wr *w, const char software[32])
{
    if (!dw_text_is_ascii(dw_text_of(software, 32)))
        dw_wr_fail(w, DW_E_INVALID);
    dw_wr_key(w, DW_CLAIM_SOFTWARE);
    dw_wr_array(w, 1);
    dw_wr_text_from(w, 32, software);
}

static void read_software(struct dw_rd *r, char ret_software[32])
{
    dw_rd_key(r, DW_CLAIM_SOFTWARE);
    dw_rd_array(r, 1);
    dw_rd_text_into(r, 32, ret_software);
    if (!dw_text_is_ascii(dw_text_of(ret_software, 32)))
        dw_rd_fail(r, DW_E_INVALID);
}

static bool is_hello_sound(const struct dw_camera_hello *m)
{
    return m->width_px > 0 && m->height_px > 0 && m->fps > 0 &&
           m->camera_class < DW_CAMERA_CLASS_COUNT;
}

dw_err dw_camera_hello_write(const struct dw_camera_hello *in, struct dw_buf *out)
{
    struct dw_wr w;
    if (!is_hello_sound(in))
        return dw_fail(DW_E_INVALID);
    dw_wr_init(&w, out);
    dw_wr_map(&w, 6);
    dw_wr_key(&w, DW_CLAIM_NONCE);
    dw_wr_bytes(&w, in->nonce, sizeof in->nonce);
    dw_wr_key(&w, DW_CLAIM_BOOT_COUNT);
    dw_wr_uint(&w, in->boot_count);
    dw_wr_key(&w, DW_CLAIM_BOOT_SEED);
    dw_wr_bytes(&w, in->boot_seed, sizeof in->boot_seed);
    write_software(&w, in->software);
    dw_wr_key(&w, DW_CLAIM_PICTURE_SIZE);
    dw_wr_array(&w, 3);
    dw_wr_uint(&w, in->width_px);
    dw_wr_uint(&w, in->height_px);
    dw_wr_uint(&w, in->fps);
    dw_wr_key(&w, DW_CLAIM_CAMERA_IS);
    dw_wr_uint(&w, in->camera_class);
    return dw_wr_end(&w);
}

dw_err dw_camera_hello_read(struct dw_view in, struct dw_camera_hello *ret_hello)
{
    struct dw_camera_hello m;
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 6);
    dw_rd_key(&r, DW_CLAIM_NONCE);
    dw_rd_bytes(&r, m.nonce, sizeof m.nonce);
    dw_rd_key(&r, DW_CLAIM_BOOT_COUNT);
    dw_rd_u32(&r, &m.boot_count);
    dw_rd_key(&r, DW_CLAIM_BOOT_SEED);
    dw_rd_bytes(&r, m.boot_seed, sizeof m.boot_seed);
    read_software(&r, m.software);
    dw_rd_key(&r, DW_CLAIM_PICTURE_SIZE);
    dw_rd_array(&r, 3);
    dw_rd_u16(&r, &m.width_px);
    dw_rd_u16(&r, &m.height_px);
    dw_rd_u16(&r, &m.fps);
    dw_rd_key(&r, DW_CLAIM_CAMERA_IS);
    dw_rd_enum(&r, DW_CAMERA_CLASS_COUNT, &m.camera_class);
    DW_TRY(dw_rd_end(&r));
    if (!is_hello_sound(&m))
        return dw_fail(DW_E_INVALID);
    *ret_hello = m;
    return DW_OK;
}

/* A picture is of the time after the nonce that it answers, or it answers nothing [I9]. */
static bool is_record_sound(const struct dw_frame_record *m)
{
    return m->seq > 0 && m->t_exp_us >= m->t_rx_us &&
           (m->tamper & ~(DW_TAMPER_CASE | DW_TAMPER_MOVED)) == 0;
}

dw_err dw_frame_record_write(const struct dw_frame_record *in, struct dw_buf *out)
{
    struct dw_wr w;
    if (!is_record_sound(in))
        return dw_fail(DW_E_INVALID);
    dw_wr_init(&w, out);
    dw_wr_map(&w, 11);
    dw_wr_key(&w, DW_CLAIM_NONCE);
    dw_wr_bytes(&w, in->echo, sizeof in->echo);
    dw_wr_key(&w, DW_CLAIM_BOOT_COUNT);
    dw_wr_uint(&w, in->boot_count);
    dw_wr_key(&w, DW_CLAIM_BOOT_SEED);
    dw_wr_bytes(&w, in->boot_seed, sizeof in->boot_seed);
    write_software(&w, in->software);
    dw_wr_key(&w, DW_CLAIM_VISIT);
    dw_wr_uint(&w, in->visit);
    dw_wr_key(&w, DW_CLAIM_FRAME_SEQ);
    dw_wr_uint(&w, in->seq);
    dw_wr_key(&w, DW_CLAIM_T_RX);
    dw_wr_uint(&w, in->t_rx_us);
    dw_wr_key(&w, DW_CLAIM_T_EXP);
    dw_wr_uint(&w, in->t_exp_us);
    dw_wr_key(&w, DW_CLAIM_PICTURE);
    dw_wr_array(&w, 5);
    dw_wr_bytes(&w, in->au_hash, sizeof in->au_hash);
    dw_wr_bytes(&w, in->pset_hash, sizeof in->pset_hash);
    dw_wr_uint(&w, in->still_ms);
    dw_wr_uint(&w, in->luma);
    dw_wr_uint(&w, in->spread);
    dw_wr_key(&w, DW_CLAIM_CHAIN);
    dw_wr_bytes(&w, in->chain, sizeof in->chain);
    dw_wr_key(&w, DW_CLAIM_TAMPER);
    dw_wr_uint(&w, in->tamper);
    return dw_wr_end(&w);
}

dw_err dw_frame_record_read(struct dw_view in, struct dw_frame_record *ret_record)
{
    struct dw_frame_record m;
    struct dw_rd r;
    memset(&m, 0, sizeof m);
    dw_rd_init(&r, in);
    dw_rd_map(&r, 11);
    dw_rd_key(&r, DW_CLAIM_NONCE);
    dw_rd_bytes(&r, m.echo, sizeof m.echo);
    dw_rd_key(&r, DW_CLAIM_BOOT_COUNT);
    dw_rd_u32(&r, &m.boot_count);
    dw_rd_key(&r, DW_CLAIM_BOOT_SEED);
    dw_rd_bytes(&r, m.boot_seed, sizeof m.boot_seed);
    read_software(&r, m.software);
    dw_rd_key(&r, DW_CLAIM_VISIT);
    dw_rd_u64(&r, &m.visit);
    dw_rd_key(&r, DW_CLAIM_FRAME_SEQ);
    dw_rd_u64(&r, &m.seq);
    dw_rd_key(&r, DW_CLAIM_T_RX);
    dw_rd_u64(&r, &m.t_rx_us);
    dw_rd_key(&r, DW_CLAIM_T_EXP);
    dw_rd_u64(&r, &m.t_exp_us);
    dw_rd_key(&r, DW_CLAIM_PICTURE);
    dw_rd_array(&r, 5);
    dw_rd_bytes(&r, m.au_hash, sizeof m.au_hash);
    dw_rd_bytes(&r, m.pset_hash, sizeof m.pset_hash);
    dw_rd_u32(&r, &m.still_ms);
    dw_rd_u8(&r, &m.luma);
    dw_rd_u8(&r, &m.spread);
    dw_rd_key(&r, DW_CLAIM_CHAIN);
    dw_rd_bytes(&r, m.chain, sizeof m.chain);
    dw_rd_key(&r, DW_CLAIM_TAMPER);
    dw_rd_u32(&r, &m.tamper);
    DW_TRY(dw_rd_end(&r));
    if (!is_record_sound(&m))
        return dw_fail(DW_E_INVALID);
    *ret_record = m;
    return DW_OK;
}

dw_err dw_frame_parts_read(struct dw_view body, struct dw_frame_parts *ret_parts)
{
    struct dw_frame_parts parts;
    struct dw_view head;

    if (body.len > DW_CAMERA_LINK_MAX)
        return dw_fail(DW_E_TOO_LARGE);
    if (!dw_view_take(&body, 3, &head))
        return dw_fail(DW_E_TRUNCATED);
    size_t record_len = (size_t)head.ptr[0] << 8 | head.ptr[1], viewer_count = head.ptr[2];
    if (record_len > DW_FRAME_RECORD_MAX || viewer_count > DW_VIEWERS_MAX)
        return dw_fail(DW_E_TOO_LARGE);
    if (record_len == 0)
        return dw_fail(DW_E_INVALID);
    if (!dw_view_take(&body, record_len, &parts.record) ||
        !dw_view_take(&body, viewer_count * VIEWER_NONCE_BYTES, &parts.viewers) || body.len == 0)
        return dw_fail(DW_E_TRUNCATED);
    parts.access_unit = body;
    *ret_parts = parts;
    return DW_OK;
}

dw_err dw_frame_parts_write(const struct dw_frame_parts *in, struct dw_buf *out)
{
    size_t viewer_count = in->viewers.len / VIEWER_NONCE_BYTES, start = out->len;

    if (in->record.len == 0 || in->viewers.len % VIEWER_NONCE_BYTES != 0)
        return dw_fail(DW_E_INVALID);
    if (in->record.len > DW_FRAME_RECORD_MAX || viewer_count > DW_VIEWERS_MAX)
        return dw_fail(DW_E_TOO_LARGE);
    const uint8_t head[3] = {(uint8_t)(in->record.len >> 8), (uint8_t)in->record.len,
                             (uint8_t)viewer_count};
    dw_err err = dw_buf_put(out, head, sizeof head);
    if (!dw_failed(err))
        err = dw_buf_put(out, in->record.ptr, in->record.len);
    if (!dw_failed(err))
        err = dw_buf_put(out, in->viewers.ptr, in->viewers.len);
    if (dw_failed(err))
        out->len = start;
    return err;
}
