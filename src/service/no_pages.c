/* Stands in for the pages where they could not be built. */
#include "os/assets.h"

const struct dw_asset dw_assets[1];
const size_t dw_asset_count = 0;
