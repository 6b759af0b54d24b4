#include "hub/alert/words.h"

#include <stdlib.h>
#include <string.h>

#include "core/base.h"

static int compare(const void *key, const void *row)
{
    return strcmp(key, ((const struct words_row *)row)->key);
}

static void append(char *text, size_t cap, size_t *len, const char *bytes, size_t n)
{
    if (n > cap - 1 - *len) {
        n = cap - 1 - *len;
        while (n > 0 && ((unsigned char)bytes[n] & 0xc0) == 0x80) /* not inside a character */
            n--;
    }
    memcpy(text + *len, bytes, n);
    *len += n;
    text[*len] = '\0';
}

static const char *value_of(const struct words_blank *blanks, const char *name, size_t len)
{
    for (; blanks && blanks->name; blanks++)
        if (strlen(blanks->name) == len && memcmp(blanks->name, name, len) == 0)
            return blanks->value;
    return "?";
}

void words_fill(const char *key, unsigned lang, const struct words_blank *blanks, char *ret_text,
                size_t cap)
{
    const struct words_row *row =
        bsearch(key, words_table, words_count, sizeof(words_table[0]), compare);
    const char *from = row ? row->text[lang < WORDS_LANGUAGES ? lang : 0] : key;
    size_t len = 0;
    DW_ASSERT(cap > 0);
    ret_text[0] = '\0';
    while (*from) {
        const char *open = strchr(from, '{'), *end = open ? strchr(open, '}') : NULL;
        if (!end) {
            append(ret_text, cap, &len, from, strlen(from));
            return;
        }
        append(ret_text, cap, &len, from, (size_t)(open - from));
        const char *value = value_of(blanks, open + 1, (size_t)(end - open - 1));
        append(ret_text, cap, &len, value, strlen(value));
        from = end + 1;
    }
}
