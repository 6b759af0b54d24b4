#include <stdio.h>
#include <string.h>

#include "service/people/people.h"

bool dw_origin_read(const char *origin, char *ret_host, size_t cap)
{
    bool is_https = strncmp(origin, "https://", 8) == 0;
    if (!is_https && strncmp(origin, "http://", 7) != 0)
        return false;
    const char *host = origin + (is_https ? 8 : 7);
    size_t len = strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789.-");
    const char *rest = host + len;
    if (len == 0 || len >= cap || host[0] == '.' || host[0] == '-')
        return false;
    if (*rest == ':') {
        size_t digits = strspn(rest + 1, "0123456789");
        if (digits < 1 || digits > 5)
            return false;
        rest += 1 + digits;
    }
    if (*rest)
        return false;
    (void)snprintf(ret_host, cap, "%.*s", (int)len, host);
    static const char local[] = "localhost";
    size_t tail = sizeof(local) - 1;
    bool is_local = len >= tail && strcmp(ret_host + len - tail, local) == 0 &&
                    (len == tail || ret_host[len - tail - 1] == '.');
    return is_https || is_local;
}
