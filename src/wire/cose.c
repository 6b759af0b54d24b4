#include "wire/cose.h"
#include "wire/cbor.h"

#include <string.h>

/* COSE header labels and values [RFC 9052 3.1; RFC 9053 2.2; RFC 9596]. */
enum { LABEL_ALG = 1, LABEL_KID = 4, LABEL_TYP = 16, ALG_EDDSA = -8 };

#define PROTECTED_BYTES_MAX 64u

#define LONGEST(name, context, typ)                                                               \
    _Static_assert(sizeof(typ) <= 32 && sizeof(context) <= 32, "see PROTECTED_BYTES_MAX and the " \
                                                               "128 bytes of cose.h");
DW_CONTEXT_LIST(LONGEST)
#undef LONGEST

const char *dw_context_string(enum dw_context c)
{
    static const char *const strings[] = {"",
#define X(name, context, typ) context,
                                          DW_CONTEXT_LIST(X)
#undef X
    };
    return (size_t)c < DW_ARRAY_COUNT(strings) ? strings[c] : "";
}

const char *dw_context_typ(enum dw_context c)
{
    static const char *const typs[] = {"",
#define X(name, context, typ) typ,
                                       DW_CONTEXT_LIST(X)
#undef X
    };
    return (size_t)c < DW_ARRAY_COUNT(typs) ? typs[c] : "";
}

static bool is_context(enum dw_context c)
{
    return c > DW_CONTEXT_NONE && c < DW_CONTEXT_COUNT;
}

static struct dw_view view_of_string(const char *text)
{
    return dw_view_of(text, strlen(text));
}

/* The protected header: { 1: -8, 4: kid, 16: typ }. */
static dw_err write_protected(enum dw_context c, const uint8_t kid[DW_COSE_KID_BYTES],
                              struct dw_buf *out)
{
    struct dw_wr w;
    dw_wr_init(&w, out);
    dw_wr_map(&w, 3);
    dw_wr_key(&w, LABEL_ALG);
    dw_wr_int(&w, ALG_EDDSA);
    dw_wr_key(&w, LABEL_KID);
    dw_wr_bytes(&w, kid, DW_COSE_KID_BYTES);
    dw_wr_key(&w, LABEL_TYP);
    dw_wr_text(&w, view_of_string(dw_context_typ(c)));
    return dw_wr_end(&w);
}

static dw_err read_protected(enum dw_context c, struct dw_view in,
                             uint8_t ret_kid[DW_COSE_KID_BYTES])
{
    struct dw_view want = view_of_string(dw_context_typ(c)), typ = {0};
    uint8_t kid[DW_COSE_KID_BYTES] = {0};
    int64_t alg = 0;
    struct dw_rd r;

    dw_rd_init(&r, in);
    dw_rd_map(&r, 3);
    dw_rd_key(&r, LABEL_ALG);
    dw_rd_int(&r, ALG_EDDSA, ALG_EDDSA, &alg);
    dw_rd_key(&r, LABEL_KID);
    dw_rd_bytes(&r, kid, sizeof kid);
    dw_rd_key(&r, LABEL_TYP);
    dw_rd_text(&r, PROTECTED_BYTES_MAX, &typ);
    DW_TRY(dw_rd_end(&r));
    if (typ.len != want.len || memcmp(typ.ptr, want.ptr, want.len) != 0)
        return dw_fail(DW_E_CONTEXT);
    memcpy(ret_kid, kid, sizeof kid);
    return DW_OK;
}

dw_err dw_cose_tbs(enum dw_context c, const uint8_t kid[DW_COSE_KID_BYTES], struct dw_view payload,
                   struct dw_buf *out)
{
    uint8_t bytes[PROTECTED_BYTES_MAX];
    struct dw_buf header = dw_buf_of(bytes, sizeof bytes);
    struct dw_view aad = view_of_string(dw_context_string(c));
    struct dw_wr w;

    if (!is_context(c))
        return dw_fail(DW_E_CONTEXT);
    DW_TRY(write_protected(c, kid, &header));
    dw_wr_init(&w, out);
    dw_wr_array(&w, 4);
    dw_wr_text(&w, view_of_string("Signature1"));
    dw_wr_bytes(&w, header.ptr, header.len);
    dw_wr_bytes(&w, aad.ptr, aad.len);
    dw_wr_bytes(&w, payload.ptr, payload.len);
    return dw_wr_end(&w);
}

dw_err dw_cose_write(enum dw_context c, const struct dw_cose *in, struct dw_buf *out)
{
    uint8_t bytes[PROTECTED_BYTES_MAX];
    struct dw_buf header = dw_buf_of(bytes, sizeof bytes);
    struct dw_wr w;

    if (!is_context(c))
        return dw_fail(DW_E_CONTEXT);
    DW_TRY(write_protected(c, in->kid, &header));
    dw_wr_init(&w, out);
    dw_wr_tag(&w, DW_CBOR_TAG_SIGN1);
    dw_wr_array(&w, 4);
    dw_wr_bytes(&w, header.ptr, header.len);
    dw_wr_map(&w, 0);
    dw_wr_bytes(&w, in->payload.ptr, in->payload.len);
    dw_wr_bytes(&w, in->sig, DW_COSE_SIG_BYTES);
    return dw_wr_end(&w);
}

dw_err dw_cose_read(enum dw_context c, struct dw_view in, struct dw_cose *ret_cose)
{
    struct dw_cose cose = {0};
    struct dw_view header = {0};
    struct dw_rd r;

    if (!is_context(c))
        return dw_fail(DW_E_CONTEXT);
    dw_rd_init(&r, in);
    dw_rd_tag(&r, DW_CBOR_TAG_SIGN1);
    dw_rd_array(&r, 4);
    dw_rd_bytes_upto(&r, PROTECTED_BYTES_MAX, &header);
    dw_rd_map(&r, 0);
    dw_rd_bytes_upto(&r, DW_CBOR_BYTES_MAX, &cose.payload);
    dw_rd_bytes(&r, cose.sig, sizeof cose.sig);
    DW_TRY(dw_rd_end(&r));
    DW_TRY(read_protected(c, header, cose.kid));
    *ret_cose = cose;
    return DW_OK;
}
