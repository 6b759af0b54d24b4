/* A machine whose time of day is not right, for the drill `clock-jump`: put before the C library of
 * one process (LD_PRELOAD), it moves CLOCK_REALTIME by as many milliseconds as the first eight
 * bytes of the file $DOORWARD_DEMO_CLOCK say (little-endian, signed), and says that the kernel's
 * clock is not kept by anybody while the ninth is not 0. Read again at each call: the file is
 * mapped before the process locks itself in. Part of no program of Doorward. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#define SHIFT_BYTES 9u

static const volatile uint8_t *shift;
static int (*real_time)(clockid_t, struct timespec *);
static int (*real_timex)(struct timex *);

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("DOORWARD_DEMO_CLOCK");
    void *found = dlsym(RTLD_NEXT, "clock_gettime");
    memcpy(&real_time, &found, sizeof found);
    found = dlsym(RTLD_NEXT, "adjtimex");
    memcpy(&real_timex, &found, sizeof found);
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *map = fd >= 0 ? mmap(NULL, SHIFT_BYTES, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (map != MAP_FAILED)
        shift = map;
    if (fd >= 0)
        close(fd);
}

static int64_t shift_ms(void)
{
    uint64_t n = 0;
    for (size_t i = 0; i < 8 && shift; i++)
        n |= (uint64_t)shift[i] << (8 * i);
    return (int64_t)n;
}

int clock_gettime(clockid_t which, struct timespec *t)
{
    if (!real_time) {
        errno = EAGAIN;
        return -1;
    }
    int rc = real_time(which, t);
    if (rc == 0 && which == CLOCK_REALTIME)
        t->tv_sec += shift_ms() / 1000;
    return rc;
}

int adjtimex(struct timex *t)
{
    int state = real_timex ? real_timex(t) : -1;
    if (state >= 0 && shift && shift[8]) {
        t->status |= STA_UNSYNC;
        state = TIME_ERROR;
    }
    return state;
}
