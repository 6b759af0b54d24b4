/* hub/camera/folder.h - the folder of recordings on disk [docs/design/recording.md].
 *
 *   ROOT/visit-<16 hex>/seg-0001.mp4        pictures of at most about 2 s, playable by itself
 *                       seg-0001.records    the frame records of those pictures, in order
 *                       seg-0001.mp4.part   being written; salvaged at the next start
 *                       visit.m3u8          list of the segments: plays the whole visit
 *                       visit.json          written when the visit has ended
 */
#ifndef DW_HUB_CAMERA_FOLDER_H
#define DW_HUB_CAMERA_FOLDER_H

#include "core/base.h"
#include "hub/ipc.h"
#include "media/segment.h"

#define DW_RECORD_PATH_MAX 512u

/* ROOT/visit-<hex>. DW_E_TOO_LARGE: the root is too long a path. */
DW_MUST_USE dw_err dw_visit_folder(char *ret_path, size_t cap, const char *root, uint64_t visit);
/* <folder>/seg-<number><ending>. */
DW_MUST_USE dw_err dw_segment_path(char *ret_path, size_t cap, const char *folder, uint32_t number,
                                   const char *ending);

/* Highest segment number in the folder, 0 if none. */
uint32_t dw_visit_last_segment(const char *folder);

/* One item of a .records file: u32 big-endian length, then a CBOR array [arrived_ms, t_us, is_key,
 * bytes of the access unit, record, viewer nonces]. */
struct dw_record_item {
    uint64_t arrived_ms, t_us;
    bool is_key;
    uint32_t unit_bytes;
    struct dw_view record, nonces;
};
#define DW_RECORD_ITEM_MAX 1280u
DW_MUST_USE dw_err dw_record_item_write(const struct dw_record_item *in, struct dw_buf *out);
/* Takes one item off the front of `*in`. DW_E_TRUNCATED: the end is torn or reached. */
DW_MUST_USE dw_err dw_record_item_take(struct dw_view *in, struct dw_record_item *ret_item);

/* Renames the two .part files of a finished segment to their names and syncs the folder. */
DW_MUST_USE dw_err dw_segment_publish(const char *folder, uint32_t number);
/* Adds a finished segment to visit.m3u8; makes the list when there is none. `base_ms` is the
 * CLOCK_BOOTTIME at which the visit's time line begins. */
DW_MUST_USE dw_err dw_playlist_add(const char *folder, const struct dw_ipc_segment *segment,
                                   const struct dw_segment_info *info, bool is_after_hole,
                                   uint64_t base_ms);
/* Reads base and end of the time line back from a list, for a visit that goes on after a restart.
 * DW_E_NOT_FOUND: there is no list yet. */
DW_MUST_USE dw_err dw_playlist_read(const char *folder, uint64_t *ret_base_ms, uint64_t *ret_end_us,
                                    struct dw_ipc_segment *ret_totals);
/* Ends the list, writes visit.json, syncs. */
DW_MUST_USE dw_err dw_visit_end(const char *folder, uint64_t visit);

/* For every .part that a dead process left in any visit: keeps what is whole and calls `found`, or
 * removes it. */
typedef void dw_salvaged(void *ctx, const struct dw_ipc_segment *segment);
void dw_recordings_salvage(const char *root, dw_salvaged *found, void *ctx);
/* The same for one segment. */
dw_err dw_segment_keep_part(const char *folder, uint64_t visit, uint32_t number,
                            struct dw_ipc_segment *ret_segment);

/* Removes the oldest visit that ended more than `age_s` ago by its folder's time, but never
 * `running` (0: none). False: there is none. */
bool dw_recordings_remove_oldest(const char *root, uint64_t age_s, uint64_t running);

#endif
