/* os/sandbox.h - what a process may still do after it has opened what it needs.
 *
 * seccomp (libseccomp) with a list of calls, default: kill the process and say so; Landlock for the
 * file system; no_new_privs; no core dump; PR_SET_PDEATHSIG so that children end with their guard.
 */
#ifndef DW_OS_SANDBOX_H
#define DW_OS_SANDBOX_H

#include "core/base.h"

#define DW_SANDBOX_NET_CONNECT DW_BIT(0) /* socket + connect (TCP, local) */
#define DW_SANDBOX_NET_LISTEN  DW_BIT(1) /* bind + listen + accept */
#define DW_SANDBOX_THREADS     DW_BIT(2) /* clone for threads */
#define DW_SANDBOX_FILES_WRITE DW_BIT(3) /* open for writing, rename: under `write_paths` */
#define DW_SANDBOX_SPAWN       DW_BIT(4) /* fork + exec: the guard only */
#define DW_SANDBOX_RESOLVE     DW_BIT(5) /* reads resolver and zone files */

struct dw_sandbox {
    uint32_t flags;
    const char *const *read_paths;  /* NULL-terminated, may be NULL */
    const char *const *write_paths; /* NULL-terminated, may be NULL */
};

/* Cannot be undone. DW_E_UNSUPPORTED: the kernel has no seccomp; the caller exits. A kernel without
 * Landlock is said in the log ("sandbox landlock=no"), never silently. */
DW_MUST_USE dw_err dw_sandbox_enter(const struct dw_sandbox *box);

#endif
