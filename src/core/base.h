/* core/base.h - the few types and macros every folder shares.
 *
 * Freestanding C17: nothing here allocates, reads a clock or does I/O. Style rules:
 * docs/design/style.md.
 */
#ifndef DW_CORE_BASE_H
#define DW_CORE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DW_MUST_USE       __attribute__((warn_unused_result))
#define DW_NORETURN       __attribute__((noreturn))
#define DW_PRINTF(f, a)   __attribute__((format(printf, f, a)))
#define DW_BIT(n)         (UINT32_C(1) << (n))
#define DW_ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Errors. One list: name, sentence. The zero value is "unset" and counts as failed, so that a
 * forgotten assignment refuses. A decision (allow, refuse and why) is data, never an error. */
#define DW_ERR_LIST(X)                                             \
    X(UNSET, "no result was set")                                  \
    X(OK, "done")                                                  \
    X(INVALID, "the input is not of the expected form")            \
    X(TRUNCATED, "the input ends too early")                       \
    X(TRAILING, "there are bytes after the end")                   \
    X(NONCANONICAL, "the bytes are not in the one permitted form") \
    X(UNKNOWN_FIELD, "a field or version is not known")            \
    X(TOO_LARGE, "the input is larger than permitted")             \
    X(NO_SPACE, "the output does not fit the buffer")              \
    X(SIGNATURE, "the signature does not verify")                  \
    X(KEY, "the key is not the enrolled one")                      \
    X(CONTEXT, "the object belongs to another context")            \
    X(CLOCK, "the time given is before the last one")              \
    X(BUSY, "not now; ask again on a later turn")                  \
    X(IO, "the link or the file is gone")                          \
    X(NOT_FOUND, "there is no such thing")                         \
    X(EXISTS, "it exists already")                                 \
    X(DENIED, "not permitted")                                     \
    X(EXPIRED, "too late")                                         \
    X(CORRUPT, "stored data is damaged")                           \
    X(UNSUPPORTED, "not supported here")                           \
    X(VERSION, "made by the rules of another version")

enum dw_err_code {
#define X(name, text) DW_E_##name,
    DW_ERR_LIST(X)
#undef X
        DW_E_COUNT
};

/* A one-field struct, so that it cannot be taken for a bool, a length or an errno. */
typedef struct dw_err {
    uint8_t code; /* enum dw_err_code */
} dw_err;

#define DW_OK ((dw_err){DW_E_OK})

static inline dw_err dw_fail(enum dw_err_code code)
{
    return (dw_err){(uint8_t)code};
}

static inline bool dw_failed(dw_err e)
{
    return e.code != DW_E_OK;
}

static inline bool dw_is(dw_err e, enum dw_err_code code)
{
    return e.code == (uint8_t)code;
}

/* The one control-flow macro: for functions that own nothing. */
#define DW_TRY(call)                 \
    do {                             \
        dw_err dw_try_err_ = (call); \
        if (dw_failed(dw_try_err_))  \
            return dw_try_err_;      \
    } while (0)

/* A programmer's mistake. Always on, in releases too. `dw_panic` is given by the program that links
 * the core: it must not return, and the process then restarts with no authority. */
DW_NORETURN void dw_panic(const char *expr, const char *file, int line);
#define DW_ASSERT(x) ((x) ? (void)0 : dw_panic(#x, __FILE__, __LINE__))

/* Bytes to read (borrowed) and bytes to write (the caller's memory; len <= cap always). */
struct dw_view {
    const uint8_t *ptr;
    size_t len;
};

struct dw_buf {
    uint8_t *ptr;
    size_t len, cap;
};

static inline struct dw_view dw_view_of(const void *ptr, size_t len)
{
    return (struct dw_view){(const uint8_t *)ptr, len};
}

static inline struct dw_view dw_view_of_buf(const struct dw_buf *b)
{
    return (struct dw_view){b->ptr, b->len};
}

static inline struct dw_buf dw_buf_of(void *ptr, size_t cap)
{
    return (struct dw_buf){(uint8_t *)ptr, 0, cap};
}

/* Monotonic time in milliseconds (CLOCK_BOOTTIME in the shell) [protocol 5.1]. Never compared with
 * another device's. Durations are plain uint32_t with a name that ends in _ms. */
typedef struct dw_mono {
    uint64_t ms;
} dw_mono;

#define DW_NEVER ((dw_mono){UINT64_MAX})

static inline bool dw_mono_before(dw_mono a, dw_mono b)
{
    return a.ms < b.ms;
}

/* Saturates to DW_NEVER. */
static inline dw_mono dw_mono_add(dw_mono a, uint64_t ms)
{
    return a.ms > UINT64_MAX - ms ? DW_NEVER : (dw_mono){a.ms + ms};
}

/* How long after `since` `now` is; 0 when it is not after. */
static inline uint64_t dw_mono_since(dw_mono now, dw_mono since)
{
    return now.ms > since.ms ? now.ms - since.ms : 0;
}

static inline dw_mono dw_mono_min(dw_mono a, dw_mono b)
{
    return a.ms < b.ms ? a : b;
}

/* Wall clock as an interval of Unix milliseconds [protocol 5.2]: the true time lies inside. hi < lo
 * means "not known"; the zero value is not known. */
struct dw_utc {
    int64_t lo_ms, hi_ms; /* known only when 0 < lo <= hi */
};

static inline bool dw_utc_is_known(struct dw_utc t)
{
    return t.lo_ms > 0 && t.hi_ms >= t.lo_ms;
}

/* Names of error codes for logs ("TRUNCATED") and the sentence above; never NULL. */
const char *dw_err_name(dw_err e);
const char *dw_err_text(dw_err e);

#endif
