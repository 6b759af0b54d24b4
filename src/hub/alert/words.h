/* hub/alert/words.h - the words of alerts, made from web/strings/LANGUAGE/alerts.json by words.py.
 */
#ifndef DW_HUB_ALERT_WORDS_H
#define DW_HUB_ALERT_WORDS_H

#include <stddef.h>

#define WORDS_LANGUAGES 2u /* 0 English, 1 German: as `lang` of struct dw_ipc_alert_set */

struct words_row {
    const char *key;
    const char *text[WORDS_LANGUAGES];
};
extern const struct words_row words_table[]; /* sorted by key */
extern const size_t words_count;

/* A value for a blank: {name}. The last of a list has the name NULL. */
struct words_blank {
    const char *name, *value;
};

/* Fills the text of `key` in a language (English for one that is not there); what does not fit is
 * cut at a character. An unknown key gives the key itself, so that nothing is silently empty. */
void words_fill(const char *key, unsigned lang, const struct words_blank *blanks, char *ret_text,
                size_t cap);

#endif
