/* The decoders of one family of messages: what one accepts, its encoder writes back byte for byte,
 * and what it refuses it does not touch. FUZZ_FROM and FUZZ_TO choose the family in sample_types.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static uint8_t message[SAMPLE_STRUCT_MAX], untouched[SAMPLE_STRUCT_MAX], again[8192];
    for (size_t n = FUZZ_FROM; n < FUZZ_TO; n++) {
        const struct sample_type *t = &sample_types[n];
        struct dw_buf out = dw_buf_of(again, sizeof again);
        memset(message, 0x5a, sizeof message);
        memset(untouched, 0x5a, sizeof untouched);
        if (dw_failed(t->read(dw_view_of(bytes, len), message))) {
            if (memcmp(message, untouched, sizeof message) != 0)
                abort();
        } else if (dw_failed(t->write(message, &out)) || out.len != len ||
                   memcmp(again, bytes, len) != 0) {
            abort();
        }
    }
    return 0;
}

size_t fuzz_seed(struct rng *g, uint8_t *ret_bytes, size_t cap)
{
    uint8_t message[SAMPLE_STRUCT_MAX];
    const struct sample_type *t = &sample_types[FUZZ_FROM + rng_below(g, FUZZ_TO - FUZZ_FROM)];
    struct dw_buf out = dw_buf_of(ret_bytes, cap);
    t->fill(g, message);
    return dw_failed(t->write(message, &out)) ? 0 : out.len;
}
