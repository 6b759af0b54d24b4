/* Texts that the APIs take: what is read is written back as the same text. The first byte chooses
 * the reader, the rest is the text. */
#include "crypto/crypto.h"
#include "fuzz.h"
#include "service/civil.h"
#include "service/people/people.h"
#include "wire/cbor.h"
#include "wire/text.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX   512u
#define BYTES_MAX  96u
#define KIND_COUNT 7u
#define CODE_CHARS 12u

static void base64(struct dw_view in, const char *text)
{
    uint8_t bytes[BYTES_MAX];
    char again[DW_BASE64URL_CAP(BYTES_MAX)];
    size_t len;
    if (dw_failed(dw_unbase64url((const char *)in.ptr, in.len, bytes, sizeof bytes, &len)))
        return;
    dw_base64url(bytes, len, again, sizeof again);
    if (strlen(again) != in.len || strcmp(again, text) != 0)
        abort();
}

static void hex(struct dw_view in, const char *text)
{
    uint8_t bytes[BYTES_MAX];
    char again[2 * BYTES_MAX + 1];
    size_t len = in.len / 2 < sizeof bytes ? in.len / 2 : sizeof bytes;
    if (dw_failed(dw_unhex(text, bytes, len)))
        return;
    dw_hex(bytes, len, again);
    if (strcmp(again, text) != 0)
        abort();
}

static void day(struct dw_view in, const char *text)
{
    char again[DW_CIVIL_TEXT];
    int32_t got;
    (void)in;
    if (!dw_civil_day_read(text, &got))
        return;
    dw_civil_day_write(got, again);
    if (got < 0 || strcmp(again, text) != 0)
        abort();
}

static void minute(struct dw_view in, const char *text)
{
    char again[DW_CIVIL_TEXT];
    uint32_t got;
    (void)in;
    if (!dw_civil_minute_read(text, &got))
        return;
    dw_civil_minute_write(got, again);
    if (got > 1440 || strcmp(again, text) != 0)
        abort();
}

static void origin(struct dw_view in, const char *text)
{
    char host[64];
    (void)in;
    if (!dw_origin_read(text, host, sizeof host))
        return;
    const char *at = strstr(text, "://");
    if (!at || !*host || strncmp(at + 3, host, strlen(host)) != 0 ||
        (at[3 + strlen(host)] && at[3 + strlen(host)] != ':'))
        abort();
}

/* What was understood is understood as itself. */
static void code(struct dw_view in, const char *text)
{
    char got[CODE_CHARS], again[CODE_CHARS];
    (void)text;
    if (!dw_text_code(in, CODE_CHARS, got))
        return;
    for (size_t i = 0; i < CODE_CHARS; i++)
        if (!memchr(DW_CODE_LETTERS, got[i], sizeof DW_CODE_LETTERS - 1))
            abort();
    if (!dw_text_code(dw_view_of(got, CODE_CHARS), CODE_CHARS, again) ||
        memcmp(got, again, CODE_CHARS) != 0)
        abort();
}

/* Each kind of text is a part of the next. */
static void kinds(struct dw_view in, const char *text)
{
    bool is_zone = dw_text_is_zone(in), is_ascii = dw_text_is_ascii(in);
    bool is_plain = dw_text_is_plain(in), is_lines = dw_text_is_plain_lines(in);
    (void)text;
    if (is_zone > is_ascii || is_ascii > is_plain || is_plain > is_lines ||
        is_lines > dw_text_is_utf8(in) || (is_lines && !is_plain && !memchr(in.ptr, '\n', in.len)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static void (*const judges[KIND_COUNT])(struct dw_view, const char *) = {
        base64, hex, day, minute, origin, kinds, code};
    struct dw_view in = dw_view_of(bytes, len), kind;
    char text[TEXT_MAX + 1];
    if (!dw_view_take(&in, 1, &kind) || in.len > TEXT_MAX)
        return 0;
    memcpy(text, in.ptr, in.len);
    text[in.len] = 0;
    judges[kind.ptr[0] % KIND_COUNT](in, text);
    return 0;
}

size_t fuzz_seed(struct rng *g, uint8_t *ret_bytes, size_t cap)
{
    static const char *const texts[KIND_COUNT][3] = {
        {"AA", "AQIDBAUGBwg", "_-8"},
        {"00ff", "0123456789abcdef", ""},
        {"2026-11-22", "2024-02-29", "1970-01-01"},
        {"14:05", "24:00", "00:00"},
        {"https://home.example", "http://home1.localhost:8080", "https://a-b.c:443"},
        {"Europe/Amsterdam", "Tür und Tor", "one\ntwo \xe2\x82\xac"},
        {"ABCD-EFGH-JKLM", "abcd efgh 2345", "ZYXWVUTSRQPN"},
    };
    struct dw_buf out = dw_buf_of(ret_bytes, cap);
    uint8_t kind = (uint8_t)rng_below(g, KIND_COUNT);
    const char *text = texts[kind][rng_below(g, 3)];
    return dw_failed(dw_buf_put(&out, &kind, 1)) || dw_failed(dw_buf_put(&out, text, strlen(text)))
               ? 0
               : out.len;
}
