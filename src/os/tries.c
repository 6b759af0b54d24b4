#include "os/tries.h"

#include <stdio.h>
#include <string.h>

void dw_try_fill(struct dw_try *t, const struct dw_try_rule *rule, uint64_t now_ms)
{
    uint64_t more = (now_ms - t->at_ms) / rule->each_ms;
    if (more == 0)
        return;
    t->at_ms += more * rule->each_ms;
    t->left = more > rule->cap || t->left + more > rule->cap ? rule->cap : t->left + (uint32_t)more;
}

struct dw_try *dw_tries_of(struct dw_tries *tries, const char *from, uint64_t now_ms)
{
    char name[sizeof tries->one[0].from];
    struct dw_try *place = NULL;
    (void)snprintf(name, sizeof name, "%s", from);
    for (size_t i = 0; i < DW_ARRAY_COUNT(tries->one); i++) {
        struct dw_try *t = &tries->one[i];
        bool is_free = t->from[0] == 0;
        if (!is_free) {
            dw_try_fill(t, &tries->rule, now_ms);
            if (strcmp(t->from, name) == 0)
                return t;
        }
        if (!place || (place->from[0] && (is_free || t->left > place->left)))
            place = t;
    }
    *place = (struct dw_try){.left = tries->rule.cap, .at_ms = now_ms};
    memcpy(place->from, name, sizeof name);
    return place;
}
