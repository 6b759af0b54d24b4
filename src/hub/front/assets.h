/* hub/front/assets.h - files of web/, built into the program. assets.c is generated
 * (web/build.mjs). */
#ifndef DW_HUB_FRONT_ASSETS_H
#define DW_HUB_FRONT_ASSETS_H

#include <stddef.h>
#include <stdint.h>

struct dw_asset {
    const char *path; /* "/watch.js" */
    const char *type; /* media type */
    const char *etag; /* with its quotes */
    const uint8_t *bytes;
    size_t len;
};

extern const struct dw_asset dw_assets[];
extern const size_t dw_asset_count;

#endif
