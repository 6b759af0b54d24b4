#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES     1024u
#define LOG_LINES_A_SECOND 200u /* of level info; warnings and errors are never dropped */
#define TRUSTED_CLOCK_MS   1000 /* uncertainty of a clock that another program keeps */
#define DESCRIPTORS_WANTED 8192u

static struct {
    char program[32];
    dw_mono started;
    bool is_tracing;
    uint64_t second;
    uint32_t lines, dropped;
} self = {.program = "doorward"};

void dw_os_init(const char *program)
{
    (void)snprintf(self.program, sizeof(self.program), "%s", program);
    self.started = dw_now();
    const char *trace = getenv("DW_TRACE");
    self.is_tracing = trace && strcmp(trace, "1") == 0;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)umask(0077);
    /* A thousand idle connections must not starve the one that matters. */
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < DESCRIPTORS_WANTED) {
        limit.rlim_cur =
            limit.rlim_max < DESCRIPTORS_WANTED ? limit.rlim_max : (rlim_t)DESCRIPTORS_WANTED;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

void dw_trace_on(void)
{
    self.is_tracing = true;
}

/* ---- clocks ---- */

uint64_t dw_now_us(void)
{
    struct timespec t = {0};
    DW_ASSERT(clock_gettime(CLOCK_BOOTTIME, &t) == 0);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

dw_mono dw_now(void)
{
    return (dw_mono){dw_now_us() / 1000u};
}

struct dw_utc dw_wall(bool trust_system)
{
    struct timex kernel = {0}; /* modes 0: read only */
    int state = adjtimex(&kernel);
    bool is_synced = state >= 0 && state != TIME_ERROR && !(kernel.status & STA_UNSYNC);
    if (!is_synced && !trust_system)
        return (struct dw_utc){0};

    struct timespec t = {0};
    if (clock_gettime(CLOCK_REALTIME, &t) != 0 || t.tv_sec <= 0)
        return (struct dw_utc){0};
    int64_t now_ms = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
    int64_t error_ms = TRUSTED_CLOCK_MS;
    if (is_synced)
        error_ms = kernel.maxerror > 1000 ? (kernel.maxerror + 999) / 1000 : 1;
    return (struct dw_utc){now_ms - error_ms, now_ms + error_ms};
}

/* ---- log ---- */

struct line {
    char text[LINE_MAX_BYTES];
    size_t len;
};

/* Two bytes stay free for the mark of a cut line, one for the newline. */
static void put(struct line *l, char c)
{
    if (l->len < sizeof(l->text) - 4)
        l->text[l->len++] = c;
}

static void put_text(struct line *l, const char *s)
{
    for (; *s; s++)
        put(l, *s);
}

static bool is_plain(unsigned char c)
{
    return c > 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '=';
}

/* A value from outside: quoted when it is not one plain word, and nothing in it can end the line,
 * the quotes or the value. `is_quoted`: the format has put quotes around it already. */
static void put_value(struct line *l, const char *s, size_t len, bool is_quoted)
{
    bool needs_quotes = len == 0;
    for (size_t i = 0; i < len; i++)
        needs_quotes = needs_quotes || !is_plain((unsigned char)s[i]);
    needs_quotes = needs_quotes && !is_quoted;
    if (needs_quotes)
        put(l, '"');
    for (size_t i = 0; i < len; i++) {
        static const char hex[] = "0123456789abcdef";
        unsigned char c = (unsigned char)s[i];
        if (is_plain(c) || c == ' ' || c == '=') {
            put(l, (char)c);
        } else if (c == '"' || c == '\\') {
            put(l, '\\');
            put(l, (char)c);
        } else {
            put_text(l, "\\x");
            put(l, hex[c >> 4]);
            put(l, hex[c & 15]);
        }
    }
    if (needs_quotes)
        put(l, '"');
}

/* One conversion of a printf format: "%-5.3lu". */
struct spec {
    char text[24];
    size_t len;
    bool has_star_width, has_star_precision;
    int longs; /* 1: l, 2: ll, 3: z, 4: j, 5: t, -1: h, -2: hh */
    char kind;
};

static const char *read_spec(const char *f, struct spec *ret_spec)
{
    struct spec s = {.text = "%", .len = 1};
    bool in_precision = false;
    for (; *f && s.len < sizeof(s.text) - 2; f++) {
        s.text[s.len++] = *f;
        if (strchr("-+ #0123456789.", *f)) {
            in_precision = in_precision || *f == '.';
        } else if (*f == '*') {
            *(in_precision ? &s.has_star_precision : &s.has_star_width) = true;
        } else if (*f == 'l') {
            s.longs = s.longs == 1 ? 2 : 1;
        } else if (*f == 'h') {
            s.longs = s.longs == -1 ? -2 : -1;
        } else if (*f == 'z') {
            s.longs = 3;
        } else if (*f == 'j') {
            s.longs = 4;
        } else if (*f == 't') {
            s.longs = 5;
        } else {
            s.kind = *f++;
            break;
        }
    }
    *ret_spec = s;
    return f;
}

/* The format of a single conversion is cut out of a format the compiler has checked (DW_PRINTF). */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void put_number(struct line *l, const struct spec *s, va_list *args)
{
    static const char *const lengths[] = {"", "l", "ll", "z", "j", "t"};
    char out[64], plain[8];
    const char *form = s->text;
    if (s->has_star_width || s->has_star_precision) {
        /* Columns have no place in a key=value line: the widths are read and left out. */
        (void)(s->has_star_width && va_arg(*args, int));
        (void)(s->has_star_precision && va_arg(*args, int));
        (void)snprintf(plain, sizeof(plain), "%%%s%c", lengths[s->longs > 0 ? s->longs : 0],
                       s->kind);
        form = plain;
    }
    if (strchr("fFeEgGaA", s->kind))
        (void)snprintf(out, sizeof(out), form, va_arg(*args, double));
    else if (s->longs == 1)
        (void)snprintf(out, sizeof(out), form, va_arg(*args, long));
    else if (s->longs == 2)
        (void)snprintf(out, sizeof(out), form, va_arg(*args, long long));
    else if (s->longs == 3)
        (void)snprintf(out, sizeof(out), form, va_arg(*args, size_t));
    else if (s->longs == 4)
        (void)snprintf(out, sizeof(out), form, va_arg(*args, intmax_t));
    else if (s->longs == 5)
        (void)snprintf(out, sizeof(out), form, va_arg(*args, ptrdiff_t));
    else
        (void)snprintf(out, sizeof(out), form, va_arg(*args, int));
    put_text(l, out);
}
#pragma GCC diagnostic pop

static void put_string(struct line *l, const struct spec *s, va_list *args, bool is_quoted)
{
    if (s->has_star_width)
        (void)va_arg(*args, int);
    size_t cap = LINE_MAX_BYTES;
    if (s->has_star_precision) {
        int given = va_arg(*args, int);
        cap = given < 0 ? cap : (size_t)given;
    } else {
        const char *dot = strchr(s->text, '.');
        if (dot)
            cap = (size_t)strtoul(dot + 1, NULL, 10);
    }
    const char *value = va_arg(*args, const char *);
    if (!value)
        value = "-";
    put_value(l, value, strnlen(value, cap < LINE_MAX_BYTES ? cap : LINE_MAX_BYTES), is_quoted);
}

/* Format and values apart: what a %s brings in is escaped, what the program wrote is not. */
static void put_format(struct line *l, const char *fmt, va_list *args)
{
    char before = ' ';
    while (*fmt) {
        if (*fmt != '%') {
            before = *fmt++;
            put(l, before == '\n' ? ' ' : before);
            continue;
        }
        fmt++;
        struct spec s;
        fmt = read_spec(fmt, &s);
        if (s.kind == '%') {
            put(l, '%');
        } else if (s.kind == 's') {
            /* Free text of a trace ("%s -> %s") has no keys and needs no quotes. */
            put_string(l, &s, args, before != '=');
        } else if (s.kind == 'c') {
            char c = (char)va_arg(*args, int);
            put_value(l, &c, 1, before != '=');
        } else if (s.kind == 'p') {
            char out[32];
            (void)snprintf(out, sizeof(out), "%p", va_arg(*args, void *));
            put_text(l, out);
        } else if (s.kind != '\0' && strchr("diuxXofFeEgGaA", s.kind)) {
            put_number(l, &s, args);
        } else {
            put_text(l, "?");
            return; /* a conversion we do not know: the rest of the arguments cannot be read */
        }
        before = 'x';
    }
}

static void write_line(struct line *l)
{
    if (l->len >= sizeof(l->text) - 4) {
        l->text[l->len++] = '.';
        l->text[l->len++] = '.';
    }
    l->text[l->len++] = '\n';
    for (size_t done = 0; done < l->len;) {
        ssize_t n = write(STDERR_FILENO, l->text + done, l->len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* nowhere to say it */
        done += (size_t)n;
    }
}

static bool may_log(const char *level, uint32_t *ret_dropped)
{
    *ret_dropped = 0;
    uint64_t second = dw_now_us() / 1000000u;
    if (second != self.second) {
        *ret_dropped = self.dropped;
        self.second = second;
        self.lines = 0;
        self.dropped = 0;
    }
    if (strcmp(level, "info") != 0 || self.lines < LOG_LINES_A_SECOND) {
        self.lines++;
        return true;
    }
    self.dropped++;
    return false;
}

static void begin_line(struct line *l, const char *level, const char *event)
{
    struct timespec t = {0};
    struct tm day = {0};
    char stamp[40] = "";
    (void)clock_gettime(CLOCK_REALTIME, &t);
    if (gmtime_r(&t.tv_sec, &day))
        (void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &day);
    l->len = 0;
    put_text(l, stamp);
    char rest[16];
    (void)snprintf(rest, sizeof(rest), ".%03ldZ ", t.tv_nsec / 1000000 % 1000);
    put_text(l, rest);
    put_text(l, level);
    put(l, ' ');
    put_text(l, self.program);
    put(l, ' ');
    put_text(l, event);
}

void dw_log(const char *level, const char *event, const char *fmt, ...)
{
    struct line l;
    uint32_t dropped;
    int saved = errno;
    bool is_said = may_log(level, &dropped);
    if (dropped > 0) {
        char count[24];
        (void)snprintf(count, sizeof(count), " lines=%u", dropped);
        begin_line(&l, "warn", "log_dropped");
        put_text(&l, count);
        write_line(&l);
    }
    if (is_said) {
        begin_line(&l, level, event);
        if (fmt && *fmt) {
            put(&l, ' ');
            va_list args;
            va_start(args, fmt);
            put_format(&l, fmt, &args);
            va_end(args);
        }
        write_line(&l);
    }
    errno = saved;
}

void dw_trace(const char *fmt, ...)
{
    if (!self.is_tracing)
        return;
    int saved = errno;
    struct line l = {.len = 0};
    char stamp[24];
    (void)snprintf(stamp, sizeof(stamp), "[%6llu] ",
                   (unsigned long long)dw_mono_since(dw_now(), self.started));
    put_text(&l, stamp);
    va_list args;
    va_start(args, fmt);
    put_format(&l, fmt, &args);
    va_end(args);
    write_line(&l);
    errno = saved;
}

/* ---- files ---- */

static dw_err from_errno(int code)
{
    switch (code) {
    case ENOENT:
    case ENOTDIR: return dw_fail(DW_E_NOT_FOUND);
    case EACCES:
    case EPERM:
    case EROFS: return dw_fail(DW_E_DENIED);
    case ENOSPC:
    case EDQUOT: return dw_fail(DW_E_NO_SPACE);
    case EEXIST: return dw_fail(DW_E_EXISTS);
    default: return dw_fail(DW_E_IO);
    }
}

dw_err dw_file_read(const char *path, struct dw_buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return from_errno(errno);
    dw_err e = DW_OK;
    struct stat st;
    size_t len = 0;
    if (fstat(fd, &st) != 0) {
        e = from_errno(errno);
    } else if (!S_ISREG(st.st_mode)) {
        e = dw_fail(DW_E_INVALID);
    }
    while (!dw_failed(e) && len < out->cap) {
        ssize_t n = read(fd, out->ptr + len, out->cap - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            e = from_errno(errno);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    uint8_t more;
    if (!dw_failed(e) && len == out->cap && read(fd, &more, 1) != 0)
        e = dw_fail(DW_E_TOO_LARGE);
    if (!dw_failed(e))
        out->len = len;
    (void)close(fd);
    return e;
}

static dw_err write_all(int fd, struct dw_view bytes)
{
    for (size_t done = 0; done < bytes.len;) {
        ssize_t n = write(fd, bytes.ptr + done, bytes.len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return from_errno(n < 0 ? errno : EIO);
        done += (size_t)n;
    }
    return DW_OK;
}

static dw_err sync_folder_of(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (len >= sizeof(folder))
        return dw_fail(DW_E_TOO_LARGE);
    memcpy(folder, path, len);
    folder[len] = '\0';
    if (!slash)
        (void)snprintf(folder, sizeof(folder), ".");
    else if (len == 0)
        (void)snprintf(folder, sizeof(folder), "/");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return from_errno(errno);
    dw_err e = fsync(fd) == 0 ? DW_OK : from_errno(errno);
    (void)close(fd);
    return e;
}

dw_err dw_file_write(const char *path, struct dw_view bytes, unsigned mode)
{
    char beside[PATH_MAX];
    int n = snprintf(beside, sizeof(beside), "%s.new.%ld", path, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof(beside))
        return dw_fail(DW_E_TOO_LARGE);
    (void)unlink(beside); /* of an earlier process with our number that did not live to rename it */
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return from_errno(errno);
    dw_err e = write_all(fd, bytes);
    if (!dw_failed(e) && fsync(fd) != 0)
        e = from_errno(errno);
    if (close(fd) != 0 && !dw_failed(e))
        e = from_errno(errno);
    if (!dw_failed(e) && rename(beside, path) != 0)
        e = from_errno(errno);
    if (dw_failed(e)) {
        (void)unlink(beside);
        return e;
    }
    return sync_folder_of(path);
}

dw_err dw_folder(const char *path)
{
    char partial[PATH_MAX];
    size_t len = strlen(path);
    if (len == 0)
        return dw_fail(DW_E_INVALID);
    if (len >= sizeof(partial))
        return dw_fail(DW_E_TOO_LARGE);
    memcpy(partial, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (partial[i] != '/' && partial[i] != '\0')
            continue;
        char kept = partial[i];
        partial[i] = '\0';
        struct stat st;
        if (mkdir(partial, 0700) != 0 && (stat(partial, &st) != 0 || !S_ISDIR(st.st_mode)))
            return dw_fail(errno == ENOSPC ? DW_E_NO_SPACE : DW_E_IO);
        partial[i] = kept;
    }
    return DW_OK;
}

uint64_t dw_disk_free(const char *path)
{
    struct statvfs fs;
    if (statvfs(path, &fs) != 0)
        return 0;
    return (uint64_t)fs.f_bavail * (uint64_t)fs.f_frsize;
}

dw_err dw_path(char *ret_path, size_t cap, const char *folder, const char *name)
{
    size_t len = strlen(folder);
    const char *joint = len > 0 && folder[len - 1] == '/' ? "" : "/";
    int n = snprintf(ret_path, cap, "%s%s%s", folder, joint, name);
    if (n >= 0 && (size_t)n < cap)
        return DW_OK;
    if (cap > 0)
        ret_path[0] = '\0';
    return dw_fail(DW_E_TOO_LARGE);
}

static bool is_program(const char *path)
{
    return access(path, X_OK) == 0;
}

dw_err dw_libexec(const char *name, char *ret_path, size_t cap)
{
    char here[PATH_MAX], name_full[64], at[PATH_MAX + 128];
    int n = snprintf(name_full, sizeof(name_full), "doorward-%s", name);
    if (n < 0 || (size_t)n >= sizeof(name_full) || strchr(name, '/'))
        return dw_fail(DW_E_INVALID);
    ssize_t len = readlink("/proc/self/exe", here, sizeof(here) - 1);
    if (len <= 0)
        return dw_fail(DW_E_IO);
    here[len] = '\0';

    /* In a build tree this executable stands in a folder of its own below the one that holds
     * libexec/, at most five deep (build/src/hub/guard). */
    for (int up = 0; up < 6; up++) {
        char *slash = strrchr(here, '/');
        if (!slash || slash == here)
            break;
        *slash = '\0';
        n = snprintf(at, sizeof(at), "%s/libexec/%s", here, name_full);
        if (n > 0 && (size_t)n < sizeof(at) && is_program(at))
            return dw_path(ret_path, cap, here, at + strlen(here) + 1);
    }
    DW_TRY(dw_path(ret_path, cap, DW_LIBEXEC_DIR, name_full));
    return is_program(ret_path) ? DW_OK : dw_fail(DW_E_NOT_FOUND);
}
