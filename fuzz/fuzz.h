/* What a fuzz target is. Each target file defines both functions; replay.c or libFuzzer is the
 * main. */
#ifndef DW_FUZZ_FUZZ_H
#define DW_FUZZ_FUZZ_H

#include "samples.h"

#define FUZZ_INPUT_MAX 8192u

/* Judges one input; aborts when a promise is broken. Always returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* A good input, other at each call. Returns its length, at most `cap`. */
size_t fuzz_seed(struct rng *g, uint8_t *ret_bytes, size_t cap);

#endif
