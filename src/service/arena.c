#include <stdlib.h>
#include <string.h>

#include "service/store.h"

struct dw_arena_block {
    struct dw_arena_block *next;
    size_t used, cap;
    _Alignas(16) uint8_t bytes[];
};

/* 4 KiB: a request, its path and one signed message fit the first block. */
#define BLOCK_BYTES 4096u

void *dw_arena_take(struct dw_arena *a, size_t len)
{
    DW_ASSERT(len < SIZE_MAX / 4);
    len = (len + 15u) & ~(size_t)15u;
    struct dw_arena_block *b = a->blocks;
    if (!b || b->cap - b->used < len) {
        size_t cap = len > BLOCK_BYTES ? len : BLOCK_BYTES;
        b = calloc(1, sizeof(*b) + cap);
        DW_ASSERT(b);
        b->cap = cap;
        b->next = a->blocks;
        a->blocks = b;
    }
    void *p = b->bytes + b->used;
    b->used += len;
    return p;
}

char *dw_arena_text(struct dw_arena *a, const char *text, size_t len)
{
    char *copy = dw_arena_take(a, len + 1);
    memcpy(copy, text, len);
    return copy;
}

void dw_arena_done(struct dw_arena *a)
{
    /* The struct that holds the arena may lie in it: read it before freeing. */
    struct dw_arena_block *b = a->blocks;
    while (b) {
        struct dw_arena_block *next = b->next;
        free(b);
        b = next;
    }
}
