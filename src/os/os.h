/* os/os.h - what every program needs from the machine: clock, log, files, panic.
 *
 * The operator log is key=value, one line per decision, on stderr, without names, codes, barcodes
 * or addresses of people. Programs call dw_os_init first.
 */
#ifndef DW_OS_OS_H
#define DW_OS_OS_H

#include "core/base.h"

/* Sets the program's name for the log, ignores SIGPIPE, sets umask 0077. */
void dw_os_init(const char *program);

/* CLOCK_BOOTTIME in milliseconds and microseconds [protocol 5.1]. */
dw_mono dw_now(void);
uint64_t dw_now_us(void);

/* CLOCK_REALTIME with the uncertainty known to the system (adjtimex: maxerror; at least 1 ms). Not
 * known when the kernel says that the clock is not synchronised, unless `trust_system` (a setting
 * of the home, for machines whose clock another program keeps). */
struct dw_utc dw_wall(bool trust_system);

/* level: "info", "warn", "error". `event` is a short-name; then printf-like key=value pairs. */
void dw_log(const char *level, const char *event, const char *fmt, ...) DW_PRINTF(3, 4);
/* Off by default; --verbose or DW_TRACE=1 turns it on: "[  40] visit 7: recording -> looking". */
void dw_trace(const char *fmt, ...) DW_PRINTF(1, 2);
void dw_trace_on(void);

/* Reads a whole regular file of at most `cap` bytes. */
DW_MUST_USE dw_err dw_file_read(const char *path, struct dw_buf *out);
/* Writes to a new file beside it, fsync, rename, fsync of the folder. */
DW_MUST_USE dw_err dw_file_write(const char *path, struct dw_view bytes, unsigned mode);
/* Like mkdir -p, mode 0700. DW_OK if it is there already. */
DW_MUST_USE dw_err dw_folder(const char *path);
/* Free bytes for us on the file system of `path`; 0 when it cannot be told. */
uint64_t dw_disk_free(const char *path);

/* Joins with '/', always NUL-terminated; DW_E_TOO_LARGE when it does not fit `cap`. */
DW_MUST_USE dw_err dw_path(char *ret_path, size_t cap, const char *folder, const char *name);

/* The path of a sibling executable: libexec/doorward-NAME in the nearest folder above this
 * executable (build tree), or LIBEXECDIR/doorward/doorward-NAME (installed). DW_E_NOT_FOUND: in
 * neither. */
DW_MUST_USE dw_err dw_libexec(const char *name, char *ret_path, size_t cap);

#endif
