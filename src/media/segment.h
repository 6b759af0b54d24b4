/* media/segment.h - one file of a recording: fragmented MP4, one H.264 track, never a sound track.
 *
 * A segment begins with a key frame and is a whole file by itself (ftyp, moov, then moof + mdat
 * pairs). Its times lie on the visit's own time line (tfdt counts from the visit's first picture),
 * so that the segments of a visit, one after the other, are one playable file again. The file only
 * ever grows: what is written stays true when the process dies, and dw_segment_salvage cuts it to
 * its last whole fragment. Access units are copied, not transcoded: the NAL units keep their bytes,
 * so a frame record's hash can be checked against the file later.
 *
 * The boxes are libavformat's; what is flushed when, and what is whole, is decided here
 * (docs/design/recording.md). Stands in a library of its own (media_mux): only a program that
 * records maps libavformat.
 */
#ifndef DW_MEDIA_SEGMENT_H
#define DW_MEDIA_SEGMENT_H

#include "core/base.h"
#include "crypto/crypto.h"

#define DW_SEGMENT_TIMESCALE   90000u
#define DW_FRAGMENT_MS         500u /* a fragment is written out after this much time */
#define DW_FRAGMENT_FRAMES_MAX 512u
#define DW_FRAGMENT_BYTES_MAX  (16u * 1024u * 1024u)
#define DW_SEGMENT_GAP_US      UINT64_C(250000) /* longer silence is a hole in the time line */

struct dw_segment;

struct dw_segment_info {
    uint64_t bytes;
    uint32_t frames;
    uint32_t init_bytes;       /* ftyp and moov: for playlists */
    uint64_t begin_us, end_us; /* on the visit's time line */
    uint8_t hash[DW_HASH_BYTES];
};

/* Makes the file `path` (O_EXCL) and writes its beginning. `sps` and `pps` are copied.
 * DW_E_UNSUPPORTED: parameter sets we cannot read. DW_E_IO: the disk. `number` counts fragments
 * over the whole visit and moves on with each. */
DW_MUST_USE dw_err dw_segment_new(const char *path, struct dw_view sps, struct dw_view pps,
                                  uint32_t fragment_number, struct dw_segment **ret_segment);
void dw_segment_free(struct dw_segment *s); /* closes; what was not flushed is lost */

/* Adds one access unit (Annex B, copied) at `t_us`, which must grow. May write a fragment.
 * DW_E_IO: the disk is full or gone; the segment takes nothing more: close it and salvage.
 * DW_E_TOO_LARGE: more than a fragment may hold. DW_E_CLOCK: `t_us` did not grow. */
DW_MUST_USE dw_err dw_segment_add(struct dw_segment *s, struct dw_view annexb, uint64_t t_us,
                                  bool is_key);

/* Writes the fragment so far, to the system, not to the disk. Its last picture is said to last as
 * long as the one before; a next picture that comes sooner begins in the file when that is over. */
DW_MUST_USE dw_err dw_segment_flush(struct dw_segment *s);

/* Flushes, syncs and closes the file; frees `s` whatever happens. `end_us` is when the next picture
 * begins, 0 if there is none. */
DW_MUST_USE dw_err dw_segment_finish(struct dw_segment *s, uint64_t end_us,
                                     struct dw_segment_info *ret_info);

/* Pictures taken and not yet flushed. */
uint32_t dw_segment_waiting(const struct dw_segment *s);
uint32_t dw_segment_fragment_number(const struct dw_segment *s);

/* Cuts a file left by a dead process (or a full disk) to its last whole fragment and syncs it.
 * DW_E_CORRUPT: not even one whole fragment; the caller removes the file. DW_E_IO: not readable. */
DW_MUST_USE dw_err dw_segment_salvage(const char *path, struct dw_segment_info *ret_info);

#endif
