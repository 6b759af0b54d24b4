/* Messages of every kind with random but permitted content, from one seed; for tests and fuzzers.
 */
#ifndef DW_TESTS_WIRE_SAMPLES_H
#define DW_TESTS_WIRE_SAMPLES_H

#include "wire/cose.h"

struct rng {
    uint64_t state;
};

uint64_t rng_next(struct rng *g);
uint64_t rng_below(struct rng *g, uint64_t n);
/* Small, large and edge values are all common. */
uint64_t rng_number(struct rng *g, uint64_t max);
void rng_bytes(struct rng *g, void *ret_bytes, size_t len);

/* DW_SEED of the environment, else the clock; printed, so that a failure can be repeated. */
struct rng rng_start(void);

#define SAMPLE_STRUCT_MAX 3072u
#define SAMPLE_BYTES_MAX  3072u

/* One message type. `fill` sets every field, after the memory was zeroed. */
struct sample_type {
    const char *name;
    enum dw_context context; /* NONE: never signed by itself */
    size_t size;
    void (*fill)(struct rng *g, void *message);
    dw_err (*write)(const void *message, struct dw_buf *out);
    dw_err (*read)(struct dw_view in, void *ret_message);
};

#define SAMPLE_TYPES 33u
extern const struct sample_type sample_types[SAMPLE_TYPES];

#endif
