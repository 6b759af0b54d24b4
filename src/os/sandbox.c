#include "os/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/os.h"

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define IS_SANITIZED true
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED false
#endif

#define CHILD_FD       3   /* the guard's end on a child [hub/ipc.h] */
#define EXIT_VIOLATION 159 /* 128 + SIGSYS */

/* ---- Landlock: which files ---- */

/* The kernel's own numbers; the header of Debian 12 is older than the interfaces we can use. */
#define LL_CREATE_RULESET 444
#define LL_ADD_RULE       445
#define LL_RESTRICT_SELF  446
#define LL_VERSION        1u
#define LL_PATH_BENEATH   1

#define LL_EXECUTE     (UINT64_C(1) << 0)
#define LL_WRITE_FILE  (UINT64_C(1) << 1)
#define LL_READ_FILE   (UINT64_C(1) << 2)
#define LL_READ_DIR    (UINT64_C(1) << 3)
#define LL_REMOVE_DIR  (UINT64_C(1) << 4)
#define LL_REMOVE_FILE (UINT64_C(1) << 5)
#define LL_MAKE_DIR    (UINT64_C(1) << 7)
#define LL_MAKE_REG    (UINT64_C(1) << 8)
#define LL_MAKE_SOCK   (UINT64_C(1) << 9)
#define LL_ALL_ABI_1   ((UINT64_C(1) << 13) - 1)
#define LL_REFER       (UINT64_C(1) << 13) /* ABI 2 */
#define LL_TRUNCATE    (UINT64_C(1) << 14) /* ABI 3 */
#define LL_BIND_TCP    (UINT64_C(1) << 0)  /* ABI 4 */
#define LL_CONNECT_TCP (UINT64_C(1) << 1)
#define LL_SCOPE_ALL   (UINT64_C(3)) /* ABI 6: abstract sockets and signals to others */

struct ll_ruleset {
    uint64_t files, net, scoped;
};

struct ll_beneath {
    uint64_t allowed;
    int32_t fd;
} __attribute__((packed));

#define LL_READ (LL_READ_FILE | LL_READ_DIR)
#define LL_WRITE                                                                            \
    (LL_READ | LL_WRITE_FILE | LL_REMOVE_DIR | LL_REMOVE_FILE | LL_MAKE_DIR | LL_MAKE_REG | \
     LL_MAKE_SOCK | LL_REFER | LL_TRUNCATE)
#define LL_OF_A_FILE (LL_EXECUTE | LL_WRITE_FILE | LL_READ_FILE | LL_TRUNCATE)

static dw_err allow_path(int ruleset, const char *path, uint64_t allowed, uint64_t handled)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return dw_fail(DW_E_NOT_FOUND);
    struct ll_beneath rule = {allowed & handled, fd};
    long r = syscall(LL_ADD_RULE, ruleset, LL_PATH_BENEATH, &rule, 0);
    if (r != 0 && errno == EINVAL) { /* not a folder: only what a file can do */
        rule.allowed &= LL_OF_A_FILE;
        r = syscall(LL_ADD_RULE, ruleset, LL_PATH_BENEATH, &rule, 0);
    }
    (void)close(fd);
    return r == 0 ? DW_OK : dw_fail(DW_E_IO);
}

/* What every program may still read: its libraries (plugins load late), the zone and the clock's
 * files, and what the C library asks about the machine. */
static const char *const common_read[] = {
    "/usr/lib",         "/usr/share",     "/lib",       "/lib64",       "/etc/ld.so.cache",
    "/etc/localtime",   "/etc/ssl",       "/dev/null",  "/dev/urandom", "/proc/self",
    "/proc/cpuinfo",    "/proc/meminfo",  "/proc/stat", "/proc/sys/vm", "/sys/devices/system/cpu",
    "/proc/sys/kernel", "/sys/fs/cgroup", NULL};
static const char *const resolver_read[] = {
    "/etc/resolv.conf", "/etc/hosts",    "/etc/host.conf", "/etc/nsswitch.conf",
    "/etc/gai.conf",    "/etc/services", "/etc/protocols", NULL};

static dw_err allow_paths(int ruleset, const char *const *paths, uint64_t allowed, uint64_t handled,
                          bool must_exist)
{
    for (size_t i = 0; paths && paths[i]; i++) {
        dw_err e = allow_path(ruleset, paths[i], allowed, handled);
        if (dw_failed(e) && (must_exist || !dw_is(e, DW_E_NOT_FOUND))) {
            dw_log("error", "sandbox", "landlock=failed path=%s", paths[i]);
            return e;
        }
    }
    return DW_OK;
}

/* `*ret_word` says what is in force, for the log. */
static dw_err enter_landlock(const struct dw_sandbox *box, const char **ret_word)
{
    long abi = syscall(LL_CREATE_RULESET, NULL, 0, LL_VERSION);
    if (abi < 1) {
        *ret_word = "no";
        return DW_OK;
    }
    struct ll_ruleset rules = {.files = LL_ALL_ABI_1};
    size_t size = sizeof(uint64_t);
    if (abi >= 2)
        rules.files |= LL_REFER;
    if (abi >= 3)
        rules.files |= LL_TRUNCATE;
    if (abi >= 4) {
        size = 2 * sizeof(uint64_t);
        if (!(box->flags & DW_SANDBOX_NET_LISTEN))
            rules.net |= LL_BIND_TCP;
        if (!(box->flags & DW_SANDBOX_NET_CONNECT))
            rules.net |= LL_CONNECT_TCP;
    }
    if (abi >= 6) {
        size = sizeof(rules);
        rules.scoped = LL_SCOPE_ALL;
    }
    int ruleset = (int)syscall(LL_CREATE_RULESET, &rules, size, 0);
    if (ruleset < 0)
        return dw_fail(DW_E_UNSUPPORTED);

    dw_err e = allow_paths(ruleset, common_read, LL_READ | LL_EXECUTE, rules.files, false);
    if (!dw_failed(e))
        e = allow_path(ruleset, "/dev/null", LL_READ_FILE | LL_WRITE_FILE, rules.files);
    if (!dw_failed(e) && (box->flags & DW_SANDBOX_RESOLVE))
        e = allow_paths(ruleset, resolver_read, LL_READ, rules.files, false);
    if (!dw_failed(e))
        e = allow_paths(ruleset, box->read_paths, LL_READ, rules.files, true);
    if (!dw_failed(e) && (box->flags & DW_SANDBOX_FILES_WRITE))
        e = allow_paths(ruleset, box->write_paths, LL_WRITE, rules.files, true);
    if (!dw_failed(e) && syscall(LL_RESTRICT_SELF, ruleset, 0) != 0)
        e = dw_fail(DW_E_UNSUPPORTED);
    (void)close(ruleset);
    *ret_word = "yes";
    return e;
}

/* ---- seccomp: which calls ---- */

static const char *const calls_base[] = {
    /* bytes */
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2",
    "pwritev2", "lseek", "close", "close_range", "dup", "dup2", "dup3", "fcntl", "flock",
    "sendfile",
    /* files by what is open, or to look only */
    "fstat", "newfstatat", "stat", "lstat", "statx", "access", "faccessat", "faccessat2",
    "readlink", "readlinkat", "getdents64", "getcwd", "statfs", "fstatfs", "fsync", "fdatasync",
    "sync_file_range", "ftruncate", "fallocate", "fadvise64", "umask", "chdir",
    /* memory */
    "munmap", "mremap", "madvise", "brk", "msync", "mincore", "mlock", "mlock2", "munlock",
    "membarrier",
    /* time */
    "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time",
    "adjtimex", "clock_adjtime", "timerfd_create", "timerfd_settime", "timerfd_gettime",
    "setitimer", "getitimer", "alarm", "times",
    /* waiting and talking on what is open */
    "poll", "ppoll", "select", "pselect6", "epoll_create", "epoll_create1", "epoll_ctl",
    "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd2", "pipe", "pipe2", "sendmsg", "recvmsg",
    "sendto", "recvfrom", "sendmmsg", "recvmmsg", "shutdown", "getsockopt", "setsockopt",
    "getsockname", "getpeername",
    /* signals and the process itself */
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "rt_sigsuspend",
    "rt_sigpending", "sigaltstack", "signalfd4", "restart_syscall", "pause", "exit", "exit_group",
    "getpid", "getppid", "gettid", "getuid", "geteuid", "getgid", "getegid", "getgroups",
    "getresuid", "getresgid", "getpgrp", "getsid", "getpgid", "getrusage", "getrlimit", "sysinfo",
    "uname", "getrandom", "getcpu", "sched_yield", "sched_getaffinity", "futex", "futex_waitv",
    "set_robust_list", "get_robust_list", "set_tid_address", "rseq", "arch_prctl", "capget",
    "getpriority"};

static const char *const calls_connect[] = {"connect",
                                            "bind"}; /* bind: a local address to dial from */
static const char *const calls_listen[] = {"bind", "listen", "accept", "accept4"};
static const char *const calls_threads[] = {
    "sched_getscheduler", "sched_getparam", "sched_get_priority_max", "sched_get_priority_min",
    "sched_setaffinity",  "memfd_create",   "get_mempolicy",          "sched_getattr"};
static const char *const calls_write[] = {
    "mkdir",    "mkdirat",   "rmdir",  "rename", "renameat",        "renameat2", "unlink",
    "unlinkat", "link",      "linkat", "chmod",  "fchmod",          "fchmodat",  "fchown",
    "truncate", "utimensat", "utime",  "utimes", "copy_file_range", "chown",     "fchownat"};
static const char *const calls_spawn[] = {"fork",
                                          "vfork",
                                          "clone",
                                          "clone3",
                                          "execve",
                                          "execveat",
                                          "wait4",
                                          "waitid",
                                          "kill",
                                          "tgkill",
                                          "tkill",
                                          "setsid",
                                          "setpgid",
                                          "prctl",
                                          "prlimit64",
                                          "setrlimit",
                                          "seccomp",
                                          "capset",
                                          "setpriority",
                                          "landlock_create_ruleset",
                                          "landlock_add_rule",
                                          "landlock_restrict_self",
                                          "pidfd_open",
                                          "pidfd_send_signal",
                                          "mmap",
                                          "mprotect",
                                          "ioctl"};

/* Asked for by libraries that cope with a no. */
static const struct {
    const char *name;
    int code;
} calls_denied[] = {{"setpriority", EPERM},    {"sched_setscheduler", EPERM},
                    {"sched_setparam", EPERM}, {"sched_setattr", EPERM},
                    {"mbind", EPERM},          {"set_mempolicy", EPERM},
                    {"openat2", ENOSYS},       {"io_uring_setup", ENOSYS},
                    {"getxattr", ENOTSUP},     {"lgetxattr", ENOTSUP},
                    {"inotify_init1", EMFILE}, {"perf_event_open", EPERM},
                    {"shmget", ENOSYS},        {"setrlimit", EPERM},
                    {"clone3", ENOSYS},        {"landlock_create_ruleset", ENOSYS},
                    {"syslog", EPERM},         {"ptrace", EPERM}};

static int by_name(const char *name)
{
    int nr = seccomp_syscall_resolve_name(name);
    return nr == __NR_SCMP_ERROR ? -1 : nr; /* negative: not of this machine */
}

static bool allow(scmp_filter_ctx f, const char *name)
{
    int nr = by_name(name);
    int r = nr < 0 ? 0 : seccomp_rule_add(f, SCMP_ACT_ALLOW, nr, 0);
    return r == 0 || r == -EEXIST;
}

static bool allow_all(scmp_filter_ctx f, const char *const *names, size_t count)
{
    bool is_done = true;
    for (size_t i = 0; i < count; i++)
        is_done = allow(f, names[i]) && is_done;
    return is_done;
}

/* Allowed when argument `arg`, masked, has the value; several rules of one call are alternatives.
 */
static bool allow_if(scmp_filter_ctx f, const char *name, unsigned arg, uint64_t mask,
                     uint64_t value)
{
    int nr = by_name(name);
    if (nr < 0)
        return true;
    struct scmp_arg_cmp cmp = {
        .arg = arg, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
    int r = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, nr, 1, &cmp);
    return r == 0 || r == -EEXIST;
}

/* Fails with `code`, and does not kill, when argument `arg`, masked, has the value. */
static bool deny_if(scmp_filter_ctx f, const char *name, unsigned arg, uint64_t mask,
                    uint64_t value, int code)
{
    int nr = by_name(name);
    if (nr < 0)
        return true;
    struct scmp_arg_cmp cmp = {
        .arg = arg, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
    int r = seccomp_rule_add_array(f, SCMP_ACT_ERRNO((unsigned)code), nr, 1, &cmp);
    return r == 0 || r == -EEXIST;
}

#define MASK_32 UINT64_C(0xffffffff)

static bool add_files(scmp_filter_ctx f, uint32_t flags)
{
    if (flags & DW_SANDBOX_FILES_WRITE)
        return allow(f, "openat") && allow(f, "open") && allow(f, "creat") &&
               allow_all(f, calls_write, DW_ARRAY_COUNT(calls_write));
    static const uint64_t bits[] = {O_WRONLY, O_RDWR, O_CREAT, O_TRUNC};
    bool ok = allow_if(f, "openat", 2, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC, 0) &&
              allow_if(f, "open", 1, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC, 0);
    for (size_t i = 0; i < DW_ARRAY_COUNT(bits); i++)
        ok = deny_if(f, "openat", 2, bits[i], bits[i], EACCES) &&
             deny_if(f, "open", 1, bits[i], bits[i], EACCES) && ok;
    for (size_t i = 0; i < DW_ARRAY_COUNT(calls_write); i++) {
        int nr = by_name(calls_write[i]);
        int r = nr < 0 ? 0 : seccomp_rule_add(f, SCMP_ACT_ERRNO(EACCES), nr, 0);
        ok = ok && (r == 0 || r == -EEXIST);
    }
    return ok;
}

static bool add_sockets(scmp_filter_ctx f, uint32_t flags)
{
    bool ok = allow_if(f, "socketpair", 0, MASK_32, AF_UNIX);
    if (!(flags & (DW_SANDBOX_NET_CONNECT | DW_SANDBOX_NET_LISTEN)))
        return ok;
    for (uint64_t family = 0; family < 64; family++) {
        bool is_wanted = family == AF_UNIX || family == AF_INET || family == AF_INET6 ||
                         (family == AF_NETLINK && (flags & DW_SANDBOX_RESOLVE));
        ok = (is_wanted ? allow_if(f, "socket", 0, MASK_32, family)
                        : deny_if(f, "socket", 0, MASK_32, family, EAFNOSUPPORT)) &&
             ok;
    }
    if (flags & DW_SANDBOX_NET_CONNECT)
        ok = allow_all(f, calls_connect, DW_ARRAY_COUNT(calls_connect)) && ok;
    if (flags & DW_SANDBOX_NET_LISTEN)
        ok = allow_all(f, calls_listen, DW_ARRAY_COUNT(calls_listen)) && ok;
    return ok;
}

/* Memory that is both writable and executable, signals to others, new processes: not even for
 * programs with threads. Media libraries write machine code (orc), so they keep W+X. */
static bool add_process(scmp_filter_ctx f, uint32_t flags)
{
    static const uint64_t prctls[] = {PR_SET_NAME,     PR_GET_NAME,       PR_SET_PDEATHSIG,
                                      PR_GET_DUMPABLE, PR_SET_TIMERSLACK, PR_GET_TIMERSLACK,
                                      PR_CAPBSET_READ, 0x53564d41 /* PR_SET_VMA: names of areas */};
    static const uint64_t ioctls[] = {FIONBIO, FIOCLEX, FIONREAD, TIOCOUTQ, TCGETS, TIOCGWINSZ};
    uint64_t pid = (uint64_t)getpid();
    bool ok = allow_if(f, "tgkill", 0, MASK_32, pid) && allow_if(f, "kill", 0, MASK_32, pid) &&
              allow_if(f, "prlimit64", 2, UINT64_MAX, 0);
    for (size_t i = 0; i < DW_ARRAY_COUNT(prctls); i++)
        ok = allow_if(f, "prctl", 0, MASK_32, prctls[i]) && ok;
    for (size_t i = 0; i < DW_ARRAY_COUNT(ioctls); i++)
        ok = allow_if(f, "ioctl", 1, MASK_32, ioctls[i]) && ok;
    ok = allow_if(f, "ioctl", 1, 0xff00, (uint64_t)'V' << 8) && ok; /* video devices */
    if (flags & DW_SANDBOX_THREADS) {
        return ok && allow(f, "mmap") && allow(f, "mprotect") &&
               allow_all(f, calls_threads, DW_ARRAY_COUNT(calls_threads)) &&
               allow_if(f, "clone", 0, 0x10000 /* CLONE_THREAD */, 0x10000);
    }
    static const uint64_t prots[] = {0, PROT_WRITE, PROT_EXEC};
    for (size_t i = 0; i < DW_ARRAY_COUNT(prots); i++)
        ok = allow_if(f, "mmap", 2, PROT_WRITE | PROT_EXEC, prots[i]) &&
             allow_if(f, "mprotect", 2, PROT_WRITE | PROT_EXEC, prots[i]) && ok;
    return ok;
}

static bool add_denials(scmp_filter_ctx f)
{
    bool ok = true;
    for (size_t i = 0; i < DW_ARRAY_COUNT(calls_denied); i++) {
        int nr = by_name(calls_denied[i].name);
        if (nr < 0)
            continue;
        int r = seccomp_rule_add(f, SCMP_ACT_ERRNO((unsigned)calls_denied[i].code), nr, 0);
        ok = ok && (r == 0 || r == -EEXIST);
    }
    return ok;
}

/* Runs instead of a call that is not on the list: says which one, and the process ends. */
static void on_violation(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    char line[96] = "error sandbox_violation syscall=";
    size_t len = strlen(line);
    char digits[12];
    size_t n = 0;
    unsigned nr = (unsigned)info->si_syscall;
    do {
        digits[n++] = (char)('0' + nr % 10);
        nr /= 10;
    } while (nr > 0 && n < sizeof(digits));
    while (n > 0)
        line[len++] = digits[--n];
    line[len++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, len);
    (void)ignored;
    _exit(EXIT_VIOLATION);
}

static dw_err enter_seccomp(uint32_t flags)
{
    struct sigaction on = {.sa_sigaction = on_violation, .sa_flags = SA_SIGINFO};
    sigset_t sigsys;
    (void)sigemptyset(&sigsys);
    (void)sigaddset(&sigsys, SIGSYS);
    (void)sigaction(SIGSYS, &on, NULL);
    (void)sigprocmask(SIG_UNBLOCK, &sigsys, NULL);

    scmp_filter_ctx f = seccomp_init(SCMP_ACT_TRAP);
    if (!f)
        return dw_fail(DW_E_UNSUPPORTED);
    /* Threads that are already running get the same rules. */
    bool ok = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1) == 0;
    if (flags & DW_SANDBOX_SPAWN) {
        /* A filter is inherited: what a child needs, its parent must be allowed. */
        ok = ok && allow_all(f, calls_spawn, DW_ARRAY_COUNT(calls_spawn)) &&
             allow_all(f, calls_threads, DW_ARRAY_COUNT(calls_threads));
        flags = DW_SANDBOX_FILES_WRITE | DW_SANDBOX_NET_CONNECT | DW_SANDBOX_NET_LISTEN |
                DW_SANDBOX_RESOLVE;
    } else {
        ok = ok && add_process(f, flags) && add_denials(f);
    }
    ok = ok && allow_all(f, calls_base, DW_ARRAY_COUNT(calls_base)) && add_files(f, flags) &&
         add_sockets(f, flags);
    int r = ok ? seccomp_load(f) : -EINVAL;
    seccomp_release(f);
    if (r == 0)
        return DW_OK;
    dw_log("error", "sandbox", "seccomp=failed code=%d", -r);
    return dw_fail(DW_E_UNSUPPORTED);
}

/* ---- the rest ---- */

/* Root in a container or a test keeps no right that an ordinary user would not have. */
static dw_err drop_capabilities(void)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0}};
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return syscall(SYS_capset, &head, none) == 0 ? DW_OK : dw_fail(DW_E_DENIED);
}

static bool is_child_of_guard(void)
{
    int type = 0;
    socklen_t len = sizeof(type);
    return getsockopt(CHILD_FD, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET;
}

dw_err dw_sandbox_enter(const struct dw_sandbox *box)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return dw_fail(DW_E_UNSUPPORTED);
    if (is_child_of_guard() && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        return dw_fail(DW_E_UNSUPPORTED);
    DW_TRY(drop_capabilities());
    if (IS_SANITIZED) { /* its leak check also needs to look at its own process: dumpable stays */
        dw_log("warn", "sandbox", "seccomp=skipped landlock=skipped reason=sanitizer");
        return DW_OK;
    }
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return dw_fail(DW_E_UNSUPPORTED);
    const char *landlock = "skipped";
    if (!(box->flags & DW_SANDBOX_SPAWN)) /* it would bind the children too */
        DW_TRY(enter_landlock(box, &landlock));
    DW_TRY(enter_seccomp(box->flags));
    dw_log(strcmp(landlock, "yes") == 0 ? "info" : "warn", "sandbox", "seccomp=yes landlock=%s%s",
           landlock, box->flags & DW_SANDBOX_SPAWN ? "_reason_spawn" : "");
    return DW_OK;
}
