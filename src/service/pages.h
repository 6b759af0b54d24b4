/* service/pages.h - the files of web/ that are built in: the courier's and the agency's pages. */
#ifndef DW_SERVICE_PAGES_H
#define DW_SERVICE_PAGES_H

#include "os/assets.h"
#include "service/api.h"

/* What a GET of a page is answered with. Status 200: `asset`; 303: `location`; 404: neither. */
struct dw_page {
    int status;
    const struct dw_asset *asset;
    const char *location;
    struct dw_view gzip; /* the same bytes packed; empty: not worth it */
};

/* Packs what is worth packing, once. */
void dw_pages_init(void);
/* Whether the path is one of pages: whatever is not below /v1. */
bool dw_pages_has(const char *path);
/* Looks it up for the asker of `c` (cookie). A stranger gets the open files, and for everything
 * else, there or not, the way to /signin. Main thread. */
struct dw_page dw_pages_find(struct dw_call *c);

#endif
