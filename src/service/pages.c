#include "service/pages.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "os/os.h"

#define ASSETS_MAX 64u

static struct dw_view packed[ASSETS_MAX];

static struct dw_view pack(const struct dw_asset *a)
{
    struct dw_view none = {0};
    z_stream z = {0};
    if (a->len < 512 || strncmp(a->type, "image/png", 9) == 0 ||
        deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return none;
    size_t cap = deflateBound(&z, a->len);
    uint8_t *bytes = malloc(cap);
    DW_ASSERT(bytes);
    z.next_in = (Bytef *)(uintptr_t)a->bytes; /* zlib reads it only */
    z.avail_in = (uInt)a->len;
    z.next_out = bytes;
    z.avail_out = (uInt)cap;
    bool is_good = deflate(&z, Z_FINISH) == Z_STREAM_END && z.total_out < a->len;
    size_t len = z.total_out;
    (void)deflateEnd(&z);
    if (!is_good) {
        free(bytes);
        return none;
    }
    return dw_view_of(bytes, len); /* kept for as long as we run */
}

void dw_pages_init(void)
{
    DW_ASSERT(dw_asset_count <= ASSETS_MAX);
    for (size_t i = 0; i < dw_asset_count; i++)
        packed[i] = pack(&dw_assets[i]);
}

bool dw_pages_has(const char *path)
{
    return strncmp(path, "/v1", 3) != 0 || (path[3] && path[3] != '/');
}

static size_t index_of(const char *path, const char *end)
{
    size_t len = strlen(path), i = 0;
    while (i < dw_asset_count && (strncmp(dw_assets[i].path, path, len) != 0 ||
                                  strcmp(dw_assets[i].path + len, end) != 0))
        i++;
    return i;
}

/* "/" is /index.html and "/agency" is /agency.html; joining has the page of signing in. */
static size_t find(const char *path)
{
    if (strcmp(path, "/") == 0)
        return index_of("/index", ".html");
    size_t i = index_of(path, "");
    if (i == dw_asset_count && !strchr(path, '.'))
        i = index_of(path, ".html");
    if (i == dw_asset_count && strcmp(path, "/join") == 0)
        i = index_of("/signin", ".html");
    return i;
}

struct dw_page dw_pages_find(struct dw_call *c)
{
    struct dw_page page = {.status = 303, .location = "/signin"};
    size_t i = find(c->path);
    bool is_there = i < dw_asset_count;
    bool is_open = strcmp(c->path, "/signin") == 0 || strcmp(c->path, "/join") == 0 ||
                   (is_there && dw_assets[i].is_open);
    c->has_token = false; /* pages are for people */
    if (!is_open && (!dw_call_who(c) || !c->is_known))
        return page;
    page.location = NULL;
    page.status = is_there ? 200 : 404;
    /* Each to their own page. */
    if (!is_open && strcmp(c->path, "/") == 0 && c->actor.is_staff &&
        find("/agency") < dw_asset_count)
        page.location = "/agency";
    else if (!is_open && strcmp(c->path, "/agency") == 0 && !c->actor.is_staff)
        page.location = "/";
    if (page.location) {
        page.status = 303;
    } else if (is_there) {
        page.asset = &dw_assets[i];
        page.gzip = packed[i];
    }
    return page;
}
