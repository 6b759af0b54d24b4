/* os/assets.h - files of web/, built into a program. The table is generated (web/build.mjs). */
#ifndef DW_OS_ASSETS_H
#define DW_OS_ASSETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dw_asset {
    const char *path; /* "/app.js"; "/index.html" is also "/" */
    const char *type; /* media type */
    const char *etag; /* with its quotes */
    const uint8_t *bytes;
    size_t len;
    bool is_open; /* may be had without a session */
};

extern const struct dw_asset dw_assets[];
extern const size_t dw_asset_count;

#endif
