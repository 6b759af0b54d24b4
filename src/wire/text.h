/* wire/text.h - which text may enter a message. Pure.
 *
 * Names are shown to people and written to logs: they must be valid UTF-8 and hold nothing that a
 * terminal or a line of text would obey. Whoever takes names in (the service's API, a
 * configuration) should refuse with these functions what the encoders would refuse later.
 */
#ifndef DW_WIRE_TEXT_H
#define DW_WIRE_TEXT_H

#include "core/base.h"

/* Well-formed UTF-8 [RFC 3629]: no overlong forms, no surrogates, nothing beyond U+10FFFF. */
bool dw_text_is_utf8(struct dw_view text);

/* UTF-8 without C0 and C1 controls, DEL, line and paragraph separators, and characters that turn
 * the direction of the text around them (U+200E, U+200F, U+202A..202E, U+2066..2069). */
bool dw_text_is_plain(struct dw_view text);

/* As above, but line feeds are welcome. For notes. */
bool dw_text_is_plain_lines(struct dw_view text);

/* Printable ASCII, 0x20..0x7e. */
bool dw_text_is_ascii(struct dw_view text);

/* Shape of an IANA zone name, safe as the end of a file name: letters, digits, "_+-", with single
 * slashes between parts that are not empty. Whether the zone exists is for the zone tables to say.
 */
bool dw_text_is_zone(struct dw_view text);

/* Letters of codes that people read out and type: none is taken for another. */
#define DW_CODE_LETTERS "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"

/* A code of `count` of these letters as people type it: in any case, with or without spaces and
 * dashes. False: other letters, or another number; `ret_code` may have been written to. */
bool dw_text_code(struct dw_view typed, size_t count, char *ret_code);

/* The bytes before the NUL; a view of all `cap` bytes when there is none. */
struct dw_view dw_text_of(const char *text, size_t cap);

#endif
