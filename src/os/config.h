/* os/config.h - configuration as one table: key, kind, range, default, help.
 *
 * File: "key = value" lines, '#' comments. Unknown keys, double keys and values out of range stop
 * the start with file and line: nothing is half configured. */
#ifndef DW_OS_CONFIG_H
#define DW_OS_CONFIG_H

#include <stdio.h>

#include "core/base.h"

enum dw_setting_kind { DW_SETTING_STRING, DW_SETTING_UINT, DW_SETTING_BOOL };

struct dw_setting {
    const char *key;
    enum dw_setting_kind kind;
    size_t offset;        /* of the field: char[cap], uint32_t or bool */
    uint32_t min, max;    /* UINT: range; STRING: max is the field's size in bytes */
    const char *fallback; /* default, as text; NULL: the key must be given */
    const char *unit;     /* "ms", "bytes", "" */
    const char *help;
};

/* Rows of a table whose keys are the names of the fields of `type`. */
#define DW_SETTING_OF_TEXT(type, field, def, text)                                                \
    {                                                                                             \
#field, DW_SETTING_STRING, offsetof(type, field), 0, sizeof(((type *)0)->field), def, "", \
            text                                                                                  \
    }
#define DW_SETTING_OF_UINT(type, field, lo, hi, def, of, text)                \
    {                                                                         \
#field, DW_SETTING_UINT, offsetof(type, field), lo, hi, def, of, text \
    }

/* Fills `ret_struct` from defaults and the file (NULL: defaults only). On failure `why` (cap bytes)
 * holds "file:line: what to do". */
DW_MUST_USE dw_err dw_config_load(const struct dw_setting *table, size_t count, const char *path,
                                  void *ret_struct, char *why, size_t why_cap);
/* Prints what is in force, in the file's own form. */
void dw_config_print(const struct dw_setting *table, size_t count, const void *conf, FILE *out);

#endif
