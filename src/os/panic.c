#include <stdlib.h>

#include "os/os.h"

void dw_panic(const char *expr, const char *file, int line)
{
    dw_log("error", "panic", "assert=\"%s\" file=%s line=%d", expr, file, line);
    abort();
}
