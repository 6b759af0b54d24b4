#include "os/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "os/os.h"

#define FILE_MAX_BYTES 65536u
#define SETTINGS_MAX   128u

struct reading {
    const char *path;
    int line;
    char *why;
    size_t why_cap;
};

DW_PRINTF(2, 3) static dw_err refuse(const struct reading *r, const char *fmt, ...)
{
    int n = r->path ? snprintf(r->why, r->why_cap, "%s:%d: ", r->path, r->line) : 0;
    if (n >= 0 && (size_t)n < r->why_cap) {
        va_list args;
        va_start(args, fmt);
        (void)vsnprintf(r->why + n, r->why_cap - (size_t)n, fmt, args);
        va_end(args);
    }
    /* The text may quote the file: no control bytes reach a terminal. */
    for (char *c = r->why; r->why_cap > 0 && *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
    return dw_fail(DW_E_INVALID);
}

static bool read_uint(const char *text, uint32_t *ret_value)
{
    uint64_t v = 0;
    if (!*text || strlen(text) > 10)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        v = v * 10 + (uint64_t)(*text - '0');
    }
    if (v > UINT32_MAX)
        return false;
    *ret_value = (uint32_t)v;
    return true;
}

static dw_err set(const struct dw_setting *s, const char *text, void *conf, const struct reading *r)
{
    void *field = (char *)conf + s->offset;
    switch (s->kind) {
    case DW_SETTING_STRING:
        if (strlen(text) >= s->max)
            return refuse(r, "%s: at most %u characters", s->key, s->max - 1);
        if (s->min > 0 && strlen(text) < s->min)
            return refuse(r, "%s: at least %u characters", s->key, s->min);
        memset(field, 0, s->max);
        memcpy(field, text, strlen(text));
        return DW_OK;
    case DW_SETTING_UINT: {
        uint32_t v;
        if (!read_uint(text, &v) || v < s->min || v > s->max)
            return refuse(r, "%s: give a whole number from %u to %u%s%s", s->key, s->min, s->max,
                          s->unit && *s->unit ? " " : "", s->unit ? s->unit : "");
        memcpy(field, &v, sizeof(v));
        return DW_OK;
    }
    case DW_SETTING_BOOL: {
        bool v = strcmp(text, "yes") == 0;
        if (!v && strcmp(text, "no") != 0)
            return refuse(r, "%s: give yes or no", s->key);
        memcpy(field, &v, sizeof(v));
        return DW_OK;
    }
    }
    return refuse(r, "%s: unknown kind of setting", s->key);
}

static char *trim(char *s)
{
    while (*s == ' ' || *s == '\t')
        s++;
    size_t len = strlen(s);
    while (len > 0 && (s[len - 1] == ' ' || s[len - 1] == '\t' || s[len - 1] == '\r'))
        s[--len] = '\0';
    return s;
}

static dw_err read_line(const struct dw_setting *table, size_t count, char *line, bool *given,
                        void *conf, const struct reading *r)
{
    char *text = trim(line);
    if (*text == '\0' || *text == '#')
        return DW_OK;
    char *equals = strchr(text, '=');
    if (!equals)
        return refuse(r, "write 'key = value'");
    *equals = '\0';
    const char *key = trim(text);
    const char *value = trim(equals + 1);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(table[i].key, key) != 0)
            continue;
        if (given[i])
            return refuse(r, "%s is given twice; keep one", key);
        given[i] = true;
        return set(&table[i], value, conf, r);
    }
    return refuse(r, "there is no setting '%s'; see --help for all of them", key);
}

static dw_err read_file(const struct dw_setting *table, size_t count, char *bytes, size_t len,
                        bool *given, void *conf, struct reading *r)
{
    for (size_t at = 0; at < len;) {
        char *end = memchr(bytes + at, '\n', len - at);
        size_t line_len = end ? (size_t)(end - (bytes + at)) : len - at;
        r->line++;
        if (memchr(bytes + at, '\0', line_len))
            return refuse(r, "the line holds a NUL byte; this is not a text file");
        bytes[at + line_len] = '\0'; /* the newline, or the spare byte after the file */
        DW_TRY(read_line(table, count, bytes + at, given, conf, r));
        at += line_len + 1;
    }
    return DW_OK;
}

dw_err dw_config_load(const struct dw_setting *table, size_t count, const char *path,
                      void *ret_struct, char *why, size_t why_cap)
{
    DW_ASSERT(count <= SETTINGS_MAX && why_cap > 0);
    bool given[SETTINGS_MAX] = {false};
    struct reading r = {.path = path, .why = why, .why_cap = why_cap};
    why[0] = '\0';

    for (size_t i = 0; i < count; i++) {
        struct reading own = {.why = why, .why_cap = why_cap};
        if (table[i].fallback)
            DW_TRY(set(&table[i], table[i].fallback, ret_struct, &own));
    }
    if (path) {
        static char bytes[FILE_MAX_BYTES + 1];
        struct dw_buf file = dw_buf_of(bytes, FILE_MAX_BYTES);
        dw_err e = dw_file_read(path, &file);
        if (dw_failed(e)) {
            (void)refuse(&r, "cannot read it: %s", dw_err_text(e));
            return e;
        }
        DW_TRY(read_file(table, count, bytes, file.len, given, ret_struct, &r));
    }
    for (size_t i = 0; i < count; i++) {
        if (!table[i].fallback && !given[i])
            return refuse(&r, "%s must be given (%s)", table[i].key, table[i].help);
    }
    return DW_OK;
}

void dw_config_print(const struct dw_setting *table, size_t count, const void *conf, FILE *out)
{
    for (size_t i = 0; i < count; i++) {
        const struct dw_setting *s = &table[i];
        const void *field = (const char *)conf + s->offset;
        const char *unit = s->unit && *s->unit ? s->unit : NULL;
        (void)fprintf(out, "# %s", s->help);
        if (s->kind == DW_SETTING_UINT)
            (void)fprintf(out, " (%u to %u%s%s)", s->min, s->max, unit ? " " : "",
                          unit ? unit : "");
        (void)fputc('\n', out);
        switch (s->kind) {
        case DW_SETTING_STRING: (void)fprintf(out, "%s = %s\n", s->key, (const char *)field); break;
        case DW_SETTING_UINT: {
            uint32_t v;
            memcpy(&v, field, sizeof(v));
            (void)fprintf(out, "%s = %u\n", s->key, v);
            break;
        }
        case DW_SETTING_BOOL: {
            bool v;
            memcpy(&v, field, sizeof(v));
            (void)fprintf(out, "%s = %s\n", s->key, v ? "yes" : "no");
            break;
        }
        }
    }
}
