/* Signed objects: one form for each, and nothing opens that the key did not sign. */
#include "crypto/signed.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static struct dw_secret signer;

static void set_up(void)
{
    static bool is_ready;
    static const uint8_t seed[32] = {42};
    if (is_ready)
        return;
    if (dw_failed(dw_crypto_init()))
        abort();
    dw_secret_from_seed(seed, &signer);
    is_ready = true;
}

/* Ed25519 signing has no randomness, so the one valid object can be made again and compared. */
static void check_that_we_signed(enum dw_context c, struct dw_view object, struct dw_view payload)
{
    static uint8_t again[DW_SIGNED_BYTES_MAX];
    struct dw_buf out = dw_buf_of(again, sizeof again);
    if (dw_failed(dw_signed_make(&signer, c, payload, &out)) || out.len != object.len ||
        memcmp(again, object.ptr, object.len) != 0)
        abort();
}

/* Of good form, for one context or another? Asked in any of them: the last byte says in which. */
static bool has_form(struct dw_view in)
{
    struct dw_cose cose;
    unsigned c = 1u + (in.len ? in.ptr[in.len - 1] % (DW_CONTEXT_COUNT - 1u) : 0);
    dw_err e = dw_cose_read((enum dw_context)c, in, &cose);
    return !dw_failed(e) || dw_is(e, DW_E_CONTEXT);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct dw_view in = dw_view_of(bytes, len), payload;
    unsigned readable = 0;
    set_up();
    if (!has_form(in))
        return 0;
    for (unsigned c = 0; c <= DW_CONTEXT_COUNT; c++) {
        static uint8_t again[8192];
        struct dw_buf out = dw_buf_of(again, sizeof again);
        struct dw_cose cose;
        if (dw_failed(dw_cose_read((enum dw_context)c, in, &cose)))
            continue;
        readable++;
        if (dw_failed(dw_cose_write((enum dw_context)c, &cose, &out)) || out.len != len ||
            memcmp(again, bytes, len) != 0)
            abort();
        if (!dw_failed(dw_signed_open(&signer.key, (enum dw_context)c, in, &payload)))
            check_that_we_signed((enum dw_context)c, in, payload);
    }
    if (readable > 1) /* an object has one context */
        abort();
    return 0;
}

size_t fuzz_seed(struct rng *g, uint8_t *ret_bytes, size_t cap)
{
    uint8_t message[SAMPLE_STRUCT_MAX], payload[SAMPLE_BYTES_MAX];
    const struct sample_type *t = &sample_types[rng_below(g, SAMPLE_TYPES - 1)]; /* not the leaf */
    struct dw_buf in = dw_buf_of(payload, sizeof payload), out = dw_buf_of(ret_bytes, cap);
    set_up();
    t->fill(g, message);
    if (dw_failed(t->write(message, &in)) ||
        dw_failed(dw_signed_make(&signer, t->context, dw_view_of_buf(&in), &out)))
        return 0;
    return out.len;
}
