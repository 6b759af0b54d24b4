#include "agency/homes.h"

#include "os/os.h"

#define PATH_BYTES 600u
#define HUB_TEXT   (2 * DW_THUMB_BYTES)

static dw_err path_of(const char *state, const uint8_t home[DW_HOME_BYTES],
                      char ret_path[PATH_BYTES])
{
    char folder[PATH_BYTES], name[2 * DW_HOME_BYTES + 1];
    dw_hex(home, DW_HOME_BYTES, name);
    DW_TRY(dw_path(folder, sizeof folder, state, "homes"));
    return dw_path(ret_path, PATH_BYTES, folder, name);
}

dw_err dw_homes_open(const char *state)
{
    char folder[PATH_BYTES];
    DW_TRY(dw_path(folder, sizeof folder, state, "homes"));
    return dw_folder(folder);
}

dw_err dw_homes_hub(const char *state, const uint8_t home[DW_HOME_BYTES],
                    uint8_t ret_hub[DW_THUMB_BYTES])
{
    char path[PATH_BYTES], text[HUB_TEXT + 2];
    struct dw_buf b = dw_buf_of(text, HUB_TEXT + 1);
    DW_TRY(path_of(state, home, path));
    DW_TRY(dw_file_read(path, &b));
    if (b.len != HUB_TEXT + 1 || text[HUB_TEXT] != '\n')
        return dw_fail(DW_E_INVALID);
    text[HUB_TEXT] = 0;
    return dw_unhex(text, ret_hub, DW_THUMB_BYTES);
}

dw_err dw_homes_keep(const char *state, const uint8_t home[DW_HOME_BYTES],
                     const uint8_t hub[DW_THUMB_BYTES])
{
    char path[PATH_BYTES], text[HUB_TEXT + 2];
    DW_TRY(path_of(state, home, path));
    dw_hex(hub, DW_THUMB_BYTES, text);
    text[HUB_TEXT] = '\n';
    return dw_file_write(path, dw_view_of(text, HUB_TEXT + 1), 0600);
}
