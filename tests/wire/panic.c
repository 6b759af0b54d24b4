#include "core/base.h"

#include <stdio.h>
#include <stdlib.h>

void dw_panic(const char *expr, const char *file, int line)
{
    fprintf(stderr, "panic: %s at %s:%d\n", expr, file, line);
    abort();
}
