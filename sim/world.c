#include "sim/world.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct dw_world *dw_world_open(const char *path, bool create)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0), 0600);
    if (fd < 0)
        return NULL;
    if (create && ftruncate(fd, sizeof(struct dw_world)) != 0) {
        close(fd);
        return NULL;
    }
    struct dw_world *w = mmap(NULL, sizeof *w, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (w == MAP_FAILED)
        return NULL;
    if (create && w->magic != DW_WORLD_MAGIC) {
        w->bolt_permille = 1000;
        w->battery_pct = 87;
        w->camera_power = 1;
        w->lock_power = 1;
        w->magic = DW_WORLD_MAGIC;
    }
    if (w->magic != DW_WORLD_MAGIC) {
        munmap(w, sizeof *w);
        return NULL;
    }
    return w;
}

bool dw_world_door(struct dw_world *w, int32_t permille)
{
    if (permille > 0 && w->door_permille == 0 && w->bolt_permille > 0)
        return false;
    w->door_permille = permille;
    return true;
}
