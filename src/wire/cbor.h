/* wire/cbor.h - strict deterministic CBOR [RFC 8949 4.2.1], reading and writing. Pure.
 *
 * One item has one permitted form: shortest heads, definite lengths, map keys in bytewise order of
 * their encoding and never twice, no floats, no undefined, valid UTF-8, one tag (18, COSE_Sign1),
 * nothing after the end. Input is at most DW_CBOR_BYTES_MAX, nesting at most DW_CBOR_DEPTH_MAX, and
 * a declared length or count beyond the bytes left is refused before it is believed. No allocation.
 *
 * Both reader and writer keep their first error and then do nothing more, so that a message reads
 * like its schema and is judged once, by dw_rd_end or dw_wr_end. Values read before the judgement
 * must not be used; on any failure the reader leaves `*ret_` as it was.
 *
 * All pointer arithmetic of the wire format is in rd.c and wr.c.
 */
#ifndef DW_WIRE_CBOR_H
#define DW_WIRE_CBOR_H

#include "core/base.h"

#define DW_CBOR_BYTES_MAX 4096u
#define DW_CBOR_DEPTH_MAX 4u
#define DW_CBOR_TAG_SIGN1 18u

/* What comes next; the numbers are CBOR's major types. */
enum dw_cbor_type {
    DW_CBOR_UINT = 0,
    DW_CBOR_NINT,
    DW_CBOR_BYTES,
    DW_CBOR_TEXT,
    DW_CBOR_ARRAY,
    DW_CBOR_MAP,
    DW_CBOR_TAG,
    DW_CBOR_SIMPLE,
    DW_CBOR_NONE /* the end, or a failed reader */
};

/* One open array or map. */
struct dw_cbor_level {
    uint32_t left; /* items still to come; a pair of a map is two */
    bool is_map;
    uint32_t key_at, key_len; /* the key before, for the order */
};

/* ---- reading ---- */

struct dw_rd {
    struct dw_view in; /* borrowed */
    uint32_t at;
    uint32_t depth;
    dw_err err;
    bool is_tagged; /* a tag was read and its item has not begun */
    struct dw_cbor_level level[DW_CBOR_DEPTH_MAX + 1]; /* level[0]: the one item itself */
};

/* `in` is borrowed until dw_rd_end. DW_E_TOO_LARGE is kept when it is longer than permitted. */
void dw_rd_init(struct dw_rd *r, struct dw_view in);

/* Nothing more to read and no error: DW_OK. Else the first error: TRUNCATED, TRAILING,
 * NONCANONICAL, INVALID (another type, length or range than asked), UNKNOWN_FIELD (a key or count
 * that is not the expected one), UNSUPPORTED (floats, other tags), TOO_LARGE. Drop the input. */
DW_MUST_USE dw_err dw_rd_end(const struct dw_rd *r);

/* Keeps `code` as the error unless there is one already: for checks between two reads. */
void dw_rd_fail(struct dw_rd *r, enum dw_err_code code);

enum dw_cbor_type dw_rd_peek(const struct dw_rd *r);

/* Opens a map of exactly `pairs` or an array of exactly `items`; it closes by itself after its last
 * item. */
void dw_rd_map(struct dw_rd *r, uint32_t pairs);
void dw_rd_array(struct dw_rd *r, uint32_t items);
/* Opens an array of `min` to `max` items; `*ret_items` is 0 on failure, so a loop over it ends. */
void dw_rd_array_upto(struct dw_rd *r, uint32_t min, uint32_t max, uint32_t *ret_items);

/* The next key must be this one. */
void dw_rd_key(struct dw_rd *r, int64_t key);

void dw_rd_tag(struct dw_rd *r, uint64_t tag);
void dw_rd_uint(struct dw_rd *r, uint64_t max, uint64_t *ret_value);
void dw_rd_int(struct dw_rd *r, int64_t min, int64_t max, int64_t *ret_value);
void dw_rd_u8(struct dw_rd *r, uint8_t *ret_value);
void dw_rd_u16(struct dw_rd *r, uint16_t *ret_value);
void dw_rd_u32(struct dw_rd *r, uint32_t *ret_value);
void dw_rd_u64(struct dw_rd *r, uint64_t *ret_value);
/* A value of an enumeration: 0 <= value < count <= 256. */
void dw_rd_enum(struct dw_rd *r, unsigned count, uint8_t *ret_value);
void dw_rd_bool(struct dw_rd *r, bool *ret_value);
/* A byte string of exactly `len`, copied. */
void dw_rd_bytes(struct dw_rd *r, void *ret_bytes, size_t len);
/* A byte string of at most `max`; the view borrows the input. */
void dw_rd_bytes_upto(struct dw_rd *r, size_t max, struct dw_view *ret_bytes);
/* Text that is valid UTF-8, at most `max` bytes; the view borrows the input. */
void dw_rd_text(struct dw_rd *r, size_t max, struct dw_view *ret_text);
/* Text copied into `ret_text` of `cap` bytes with a NUL after it; U+0000 in it is refused. */
void dw_rd_text_into(struct dw_rd *r, size_t cap, char *ret_text);
/* Reads over one whole item with all that is in it, as strictly as everything else. */
void dw_rd_skip(struct dw_rd *r);

/* True form of one whole item, whatever it says. */
DW_MUST_USE dw_err dw_cbor_check(struct dw_view in);

/* ---- writing ---- */

struct dw_wr {
    struct dw_buf *out; /* borrowed; appended to */
    size_t start;
    uint32_t depth;
    dw_err err;
    bool is_tagged;
    struct dw_cbor_level level[DW_CBOR_DEPTH_MAX + 1];
};

void dw_wr_init(struct dw_wr *w, struct dw_buf *out);

/* DW_OK when exactly one item was written. On failure `out` is as long as before: NO_SPACE (give a
 * larger buffer), TOO_LARGE, or a mistake of the caller: NONCANONICAL (keys not in order), INVALID
 * (items missing or too many, text that is not UTF-8). */
DW_MUST_USE dw_err dw_wr_end(struct dw_wr *w);

void dw_wr_fail(struct dw_wr *w, enum dw_err_code code);
void dw_wr_map(struct dw_wr *w, uint32_t pairs);
void dw_wr_array(struct dw_wr *w, uint32_t items);
void dw_wr_key(struct dw_wr *w, int64_t key);
void dw_wr_tag(struct dw_wr *w, uint64_t tag);
void dw_wr_uint(struct dw_wr *w, uint64_t value);
void dw_wr_int(struct dw_wr *w, int64_t value);
void dw_wr_bool(struct dw_wr *w, bool value);
void dw_wr_bytes(struct dw_wr *w, const void *bytes, size_t len);
void dw_wr_text(struct dw_wr *w, struct dw_view text);
/* Text that ends with a NUL inside `cap` bytes; without one it is refused (INVALID). */
void dw_wr_text_from(struct dw_wr *w, size_t cap, const char *text);

/* ---- plain bytes, for the heads around CBOR ---- */

/* Takes `len` bytes off the front of `*in`. False, and nothing changes, when there are fewer. */
DW_MUST_USE bool dw_view_take(struct dw_view *in, size_t len, struct dw_view *ret_taken);
/* Appends. DW_E_NO_SPACE: nothing was written. */
DW_MUST_USE dw_err dw_buf_put(struct dw_buf *out, const void *bytes, size_t len);

#endif
