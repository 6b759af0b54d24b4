#include "wire/text.h"

#include <string.h>

/* Reads the code point at `*at` and moves on. False: not well-formed. */
static bool next_point(struct dw_view t, size_t *at, uint32_t *ret_point)
{
    uint8_t b = t.ptr[*at];
    size_t more = 0;
    uint32_t point = b, least = 0;

    if (b < 0x80) {
        *at += 1;
        *ret_point = b;
        return true;
    }
    if ((b & 0xe0) == 0xc0) {
        more = 1, point = b & 0x1fu, least = 0x80;
    } else if ((b & 0xf0) == 0xe0) {
        more = 2, point = b & 0x0fu, least = 0x800;
    } else if ((b & 0xf8) == 0xf0) {
        more = 3, point = b & 0x07u, least = 0x10000;
    } else {
        return false;
    }
    if (t.len - *at <= more)
        return false;
    for (size_t i = 1; i <= more; i++) {
        uint8_t c = t.ptr[*at + i];
        if ((c & 0xc0) != 0x80)
            return false;
        point = point << 6 | (c & 0x3fu);
    }
    if (point < least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
        return false;
    *at += more + 1;
    *ret_point = point;
    return true;
}

static bool is_obeyed(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

bool dw_text_is_utf8(struct dw_view text)
{
    uint32_t point;
    for (size_t at = 0; at < text.len;)
        if (!next_point(text, &at, &point))
            return false;
    return true;
}

static bool is_plain(struct dw_view text, bool with_lines)
{
    uint32_t point;
    for (size_t at = 0; at < text.len;) {
        if (!next_point(text, &at, &point))
            return false;
        if (is_obeyed(point) && !(with_lines && point == '\n'))
            return false;
    }
    return true;
}

bool dw_text_is_plain(struct dw_view text)
{
    return is_plain(text, false);
}

bool dw_text_is_plain_lines(struct dw_view text)
{
    return is_plain(text, true);
}

bool dw_text_is_ascii(struct dw_view text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < 0x20 || text.ptr[i] > 0x7e)
            return false;
    return true;
}

bool dw_text_is_zone(struct dw_view text)
{
    bool is_part_empty = true;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c == '/') {
            if (is_part_empty)
                return false;
            is_part_empty = true;
            continue;
        }
        bool is_letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        bool is_digit = c >= '0' && c <= '9';
        if (!is_letter && !is_digit && c != '_' && c != '+' && c != '-')
            return false;
        is_part_empty = false;
    }
    return !is_part_empty; /* neither empty nor ending in a slash */
}

bool dw_text_code(struct dw_view typed, size_t count, char *ret_code)
{
    static const char letters[] = DW_CODE_LETTERS;
    size_t n = 0;
    for (size_t i = 0; i < typed.len; i++) {
        uint8_t c = typed.ptr[i];
        if (c == '-' || c == ' ')
            continue;
        if (c >= 'a' && c <= 'z')
            c = (uint8_t)(c - 'a' + 'A');
        if (n == count || !memchr(letters, c, sizeof letters - 1))
            return false;
        ret_code[n++] = (char)c;
    }
    return n == count;
}

struct dw_view dw_text_of(const char *text, size_t cap)
{
    const void *nul = memchr(text, 0, cap);
    size_t len = nul ? (size_t)((const char *)nul - text) : cap;
    return dw_view_of(text, len);
}
