/* The decoders of one family of messages, one for each input: what it accepts, its encoder writes
 * back byte for byte, and what it refuses it does not touch. FUZZ_FROM and FUZZ_TO choose the
 * family in sample_types; the first byte of the input says which of them reads the rest.
 */
#include "fuzz.h"
#include "wire/cbor.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static uint8_t message[SAMPLE_STRUCT_MAX], untouched[SAMPLE_STRUCT_MAX], again[8192];
    struct dw_view in = dw_view_of(bytes, len), kind;
    if (!dw_view_take(&in, 1, &kind))
        return 0;
    const struct sample_type *t = &sample_types[FUZZ_FROM + kind.ptr[0] % (FUZZ_TO - FUZZ_FROM)];
    struct dw_buf out = dw_buf_of(again, sizeof again);
    memset(message, 0x5a, t->size);
    memset(untouched, 0x5a, t->size);
    if (dw_failed(t->read(in, message))) {
        if (memcmp(message, untouched, t->size) != 0)
            abort();
    } else if (dw_failed(t->write(message, &out)) || out.len != in.len ||
               memcmp(again, in.ptr, in.len) != 0) {
        abort();
    }
    return 0;
}

size_t fuzz_seed(struct rng *g, uint8_t *ret_bytes, size_t cap)
{
    uint8_t message[SAMPLE_STRUCT_MAX];
    uint8_t kind = (uint8_t)rng_below(g, FUZZ_TO - FUZZ_FROM);
    const struct sample_type *t = &sample_types[FUZZ_FROM + kind];
    struct dw_buf out = dw_buf_of(ret_bytes, cap);
    t->fill(g, message);
    return dw_failed(dw_buf_put(&out, &kind, 1)) || dw_failed(t->write(message, &out)) ? 0
                                                                                       : out.len;
}
