#include "media/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "media/h264.h"

#define INIT_MAX     2048u /* ftyp and moov with the largest parameter sets we take */
#define PSET_MAX     512u  /* bytes of one SPS or PPS; real ones have 10 to 100 */
#define MOOF_FIXED   88u   /* moof, mfhd, traf, tfhd, tfdt and trun before the samples */
#define SAMPLE_BYTES 12u
#define HEAD_MAX     (MOOF_FIXED + SAMPLE_BYTES * DW_FRAGMENT_FRAMES_MAX + 8u)
#define NOMINAL_US \
    UINT64_C(33333) /* of a last picture that nothing follows, until one pair is known */
#define KEY_FLAGS     UINT32_C(0x02000000) /* depends on no other [ISO 14496-12 8.8.3.1] */
#define OTHER_FLAGS   UINT32_C(0x01010000) /* depends on others, is no sync sample */
#define TOP_BOXES_MAX 100000u

struct sample {
    uint32_t bytes, ticks, flags;
};

struct dw_segment {
    int fd;
    bool is_broken;
    uint32_t fragment, frames, init_bytes;
    uint64_t bytes;
    uint64_t begin_us, last_us, step_us;
    uint64_t fragment_us; /* time of the first waiting picture */
    uint32_t count;
    struct sample sample[DW_FRAGMENT_FRAMES_MAX];
    uint8_t *body;
    size_t body_len, body_cap;
    struct dw_sha256 *hash;
};

/* Big-endian writing into a buffer whose size was reckoned beforehand. */
static void put(struct dw_buf *b, const void *bytes, size_t len)
{
    DW_ASSERT(len <= b->cap - b->len);
    memcpy(b->ptr + b->len, bytes, len);
    b->len += len;
}

static void put_uint(struct dw_buf *b, uint64_t v, unsigned bytes)
{
    uint8_t out[8];
    for (unsigned i = 0; i < bytes; i++)
        out[i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
    put(b, out, bytes);
}

static void put_zeros(struct dw_buf *b, size_t len)
{
    for (size_t i = 0; i < len; i++)
        put_uint(b, 0, 1);
}

static size_t box_begin(struct dw_buf *b, const char type[4])
{
    size_t at = b->len;
    put_uint(b, 0, 4);
    put(b, type, 4);
    return at;
}

static size_t full_box_begin(struct dw_buf *b, const char type[4], uint8_t version, uint32_t flags)
{
    size_t at = box_begin(b, type);
    put_uint(b, ((uint64_t)version << 24) | flags, 4);
    return at;
}

static void box_end(struct dw_buf *b, size_t at)
{
    struct dw_buf size = dw_buf_of(b->ptr + at, 4);
    put_uint(&size, b->len - at, 4);
}

static void put_matrix(struct dw_buf *b)
{
    static const uint32_t unity[9] = {0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000};
    for (size_t i = 0; i < DW_ARRAY_COUNT(unity); i++)
        put_uint(b, unity[i], 4);
}

static void put_avcc(struct dw_buf *b, const struct dw_sps *sps, struct dw_view sps_nal,
                     struct dw_view pps_nal)
{
    size_t at = box_begin(b, "avcC");
    put_uint(b, 1, 1);
    put_uint(b, sps->profile, 1);
    put_uint(b, sps->constraints, 1);
    put_uint(b, sps->level, 1);
    put_uint(b, 0xff, 1); /* lengths of NAL units have four bytes */
    put_uint(b, 0xe1, 1);
    put_uint(b, sps_nal.len, 2);
    put(b, sps_nal.ptr, sps_nal.len);
    put_uint(b, 1, 1);
    put_uint(b, pps_nal.len, 2);
    put(b, pps_nal.ptr, pps_nal.len);
    if (sps->profile == 100 || sps->profile == 110 || sps->profile == 122 || sps->profile == 244) {
        put_uint(b, 0xfcu | sps->chroma_format, 1); /* [ISO 14496-15 5.3.3.1.2] */
        put_uint(b, 0xf8u | (sps->luma_bits - 8u), 1);
        put_uint(b, 0xf8u | (sps->chroma_bits - 8u), 1);
        put_uint(b, 0, 1);
    }
    box_end(b, at);
}

static void put_stsd(struct dw_buf *b, const struct dw_sps *sps, struct dw_view sps_nal,
                     struct dw_view pps_nal)
{
    size_t stsd = full_box_begin(b, "stsd", 0, 0);
    put_uint(b, 1, 4);
    size_t avc1 = box_begin(b, "avc1");
    put_zeros(b, 6);
    put_uint(b, 1, 2); /* data reference */
    put_zeros(b, 16);
    put_uint(b, sps->width_px, 2);
    put_uint(b, sps->height_px, 2);
    put_uint(b, 0x480000, 4); /* 72 dpi, as everybody writes */
    put_uint(b, 0x480000, 4);
    put_uint(b, 0, 4);
    put_uint(b, 1, 2);
    put_zeros(b, 32);
    put_uint(b, 0x18, 2);
    put_uint(b, 0xffff, 2);
    put_avcc(b, sps, sps_nal, pps_nal);
    box_end(b, avc1);
    box_end(b, stsd);
}

static void put_sample_table(struct dw_buf *b, const struct dw_sps *sps, struct dw_view sps_nal,
                             struct dw_view pps_nal)
{
    static const char *const empty[] = {"stts", "stsc", "stco"};
    size_t stbl = box_begin(b, "stbl");
    put_stsd(b, sps, sps_nal, pps_nal);
    for (size_t i = 0; i < DW_ARRAY_COUNT(empty); i++) {
        size_t at = full_box_begin(b, empty[i], 0, 0);
        put_uint(b, 0, 4);
        box_end(b, at);
    }
    size_t stsz = full_box_begin(b, "stsz", 0, 0);
    put_zeros(b, 8);
    box_end(b, stsz);
    box_end(b, stbl);
}

static void put_media(struct dw_buf *b, const struct dw_sps *sps, struct dw_view sps_nal,
                      struct dw_view pps_nal)
{
    size_t mdia = box_begin(b, "mdia");
    size_t mdhd = full_box_begin(b, "mdhd", 0, 0);
    put_zeros(b, 8);
    put_uint(b, DW_SEGMENT_TIMESCALE, 4);
    put_uint(b, 0, 4);
    put_uint(b, 0x55c4, 2); /* "und" */
    put_uint(b, 0, 2);
    box_end(b, mdhd);
    size_t hdlr = full_box_begin(b, "hdlr", 0, 0);
    put_uint(b, 0, 4);
    put(b, "vide", 4);
    put_zeros(b, 12);
    put(b, "doorward", 9);
    box_end(b, hdlr);
    size_t minf = box_begin(b, "minf");
    size_t vmhd = full_box_begin(b, "vmhd", 0, 1);
    put_zeros(b, 8);
    box_end(b, vmhd);
    size_t dinf = box_begin(b, "dinf");
    size_t dref = full_box_begin(b, "dref", 0, 0);
    put_uint(b, 1, 4);
    size_t url = full_box_begin(b, "url ", 0, 1);
    box_end(b, url);
    box_end(b, dref);
    box_end(b, dinf);
    put_sample_table(b, sps, sps_nal, pps_nal);
    box_end(b, minf);
    box_end(b, mdia);
}

static void put_init(struct dw_buf *b, const struct dw_sps *sps, struct dw_view sps_nal,
                     struct dw_view pps_nal)
{
    size_t ftyp = box_begin(b, "ftyp");
    put(b, "iso6", 4);
    put_uint(b, 0, 4);
    put(b, "iso6avc1mp41", 12);
    box_end(b, ftyp);
    size_t moov = box_begin(b, "moov");
    size_t mvhd = full_box_begin(b, "mvhd", 0, 0);
    put_zeros(b, 8);
    put_uint(b, 1000, 4);
    put_uint(b, 0, 4);
    put_uint(b, 0x10000, 4);
    put_uint(b, 0x100, 2);
    put_zeros(b, 10);
    put_matrix(b);
    put_zeros(b, 24);
    put_uint(b, 2, 4);
    box_end(b, mvhd);
    size_t trak = box_begin(b, "trak");
    size_t tkhd = full_box_begin(b, "tkhd", 0, 3);
    put_zeros(b, 8);
    put_uint(b, 1, 4);
    put_zeros(b, 4 + 4 + 8 + 2 + 2 + 2 + 2);
    put_matrix(b);
    put_uint(b, (uint64_t)sps->width_px << 16, 4);
    put_uint(b, (uint64_t)sps->height_px << 16, 4);
    box_end(b, tkhd);
    put_media(b, sps, sps_nal, pps_nal);
    box_end(b, trak);
    size_t mvex = box_begin(b, "mvex");
    size_t trex = full_box_begin(b, "trex", 0, 0);
    put_uint(b, 1, 4);
    put_uint(b, 1, 4);
    put_zeros(b, 12);
    box_end(b, trex);
    box_end(b, mvex);
    box_end(b, moov);
}

static uint64_t ticks_of(uint64_t us)
{
    return us / 100 * 9 + us % 100 * 9 / 100;
}

static dw_err write_all(int fd, struct dw_view a, struct dw_view b)
{
    struct iovec part[2] = {{(void *)(uintptr_t)a.ptr, a.len}, {(void *)(uintptr_t)b.ptr, b.len}};
    size_t left = a.len + b.len;
    while (left) {
        ssize_t n = writev(fd, part, 2);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return dw_fail(DW_E_IO);
        left -= (size_t)n;
        size_t done = (size_t)n;
        for (size_t i = 0; i < 2; i++) {
            size_t cut = done < part[i].iov_len ? done : part[i].iov_len;
            if (!cut)
                continue;
            if (cut > 0) /* an empty part may be NULL */
                part[i].iov_base = (uint8_t *)part[i].iov_base + cut;
            part[i].iov_len -= cut;
            done -= cut;
        }
    }
    return DW_OK;
}

static dw_err append(struct dw_segment *s, struct dw_view a, struct dw_view b)
{
    dw_err e = write_all(s->fd, a, b);
    if (dw_failed(e)) {
        s->is_broken = true;
        return e;
    }
    dw_sha256_update(s->hash, a.ptr, a.len);
    dw_sha256_update(s->hash, b.ptr, b.len);
    s->bytes += a.len + b.len;
    return DW_OK;
}

dw_err dw_segment_new(const char *path, struct dw_view sps, struct dw_view pps,
                      uint32_t fragment_number, struct dw_segment **ret_segment)
{
    struct dw_sps read;
    DW_TRY(dw_sps_read(sps, &read));
    if (sps.len > PSET_MAX || pps.len > PSET_MAX || !pps.len)
        return dw_fail(DW_E_UNSUPPORTED);
    dw_err e = dw_fail(DW_E_NO_SPACE);
    struct dw_segment *s = calloc(1, sizeof *s);
    if (!s)
        return e;
    s->fd = -1;
    s->fragment = fragment_number;
    s->step_us = NOMINAL_US;
    s->hash = dw_sha256_new();
    if (!s->hash)
        goto out;
    dw_sha256_init(s->hash);
    s->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->fd < 0) {
        e = dw_fail(errno == EEXIST ? DW_E_EXISTS : DW_E_IO);
        goto out;
    }
    uint8_t bytes[INIT_MAX];
    struct dw_buf init = dw_buf_of(bytes, sizeof bytes);
    put_init(&init, &read, sps, pps);
    s->init_bytes = (uint32_t)init.len;
    e = append(s, dw_view_of_buf(&init), (struct dw_view){0});
    if (dw_failed(e))
        goto out;
    *ret_segment = s;
    return DW_OK;
out:
    dw_segment_free(s);
    return e;
}

void dw_segment_free(struct dw_segment *s)
{
    if (!s)
        return;
    if (s->fd >= 0)
        close(s->fd);
    dw_sha256_free(s->hash);
    free(s->body);
    free(s);
}

uint32_t dw_segment_waiting(const struct dw_segment *s)
{
    return s->count;
}

uint32_t dw_segment_fragment_number(const struct dw_segment *s)
{
    return s->fragment;
}

dw_err dw_segment_flush(struct dw_segment *s)
{
    if (s->is_broken)
        return dw_fail(DW_E_IO);
    if (!s->count)
        return DW_OK;
    struct sample *last = &s->sample[s->count - 1];
    if (!last->ticks)
        last->ticks = (uint32_t)ticks_of(s->step_us);
    uint8_t bytes[HEAD_MAX];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    size_t moof = box_begin(&b, "moof");
    size_t mfhd = full_box_begin(&b, "mfhd", 0, 0);
    put_uint(&b, s->fragment, 4);
    box_end(&b, mfhd);
    size_t traf = box_begin(&b, "traf");
    size_t tfhd = full_box_begin(&b, "tfhd", 0, 0x020000); /* offsets count from moof */
    put_uint(&b, 1, 4);
    box_end(&b, tfhd);
    size_t tfdt = full_box_begin(&b, "tfdt", 1, 0);
    put_uint(&b, ticks_of(s->fragment_us), 8);
    box_end(&b, tfdt);
    size_t trun = full_box_begin(&b, "trun", 0, 0x000701); /* offset, durations, sizes, flags */
    put_uint(&b, s->count, 4);
    put_uint(&b, MOOF_FIXED + SAMPLE_BYTES * s->count + 8u, 4);
    for (uint32_t i = 0; i < s->count; i++) {
        put_uint(&b, s->sample[i].ticks, 4);
        put_uint(&b, s->sample[i].bytes, 4);
        put_uint(&b, s->sample[i].flags, 4);
    }
    box_end(&b, trun);
    box_end(&b, traf);
    box_end(&b, moof);
    DW_ASSERT(b.len == MOOF_FIXED + SAMPLE_BYTES * s->count);
    put_uint(&b, s->body_len + 8, 4);
    put(&b, "mdat", 4);
    DW_TRY(append(s, dw_view_of_buf(&b), dw_view_of(s->body, s->body_len)));
    s->frames += s->count;
    s->count = 0;
    s->body_len = 0;
    s->fragment++;
    return DW_OK;
}

static dw_err body_room(struct dw_segment *s, size_t need)
{
    if (need <= s->body_cap - s->body_len)
        return DW_OK;
    size_t cap = s->body_cap ? s->body_cap : 64u * 1024u;
    while (cap - s->body_len < need)
        cap *= 2;
    uint8_t *body = realloc(s->body, cap);
    if (!body)
        return dw_fail(DW_E_NO_SPACE);
    s->body = body;
    s->body_cap = cap;
    return DW_OK;
}

/* The picture before lasts until `t_us`, or its usual time before a hole. */
static void end_last_sample(struct dw_segment *s, uint64_t t_us)
{
    uint64_t step = t_us - s->last_us;
    if (step <= DW_SEGMENT_GAP_US)
        s->step_us = step;
    if (s->count) {
        uint64_t from = ticks_of(s->last_us);
        uint64_t ticks = ticks_of(s->last_us + s->step_us) - from;
        s->sample[s->count - 1].ticks = ticks ? (uint32_t)ticks : 1;
    }
}

dw_err dw_segment_add(struct dw_segment *s, struct dw_view annexb, uint64_t t_us, bool is_key)
{
    if (s->is_broken)
        return dw_fail(DW_E_IO);
    bool is_first = s->frames + s->count == 0;
    if (!is_first && t_us <= s->last_us)
        return dw_fail(DW_E_CLOCK);
    size_t need = annexb.len + annexb.len / 3 * 2 + 8; /* a 3-byte start code becomes 4 bytes */
    if (annexb.len > DW_FRAGMENT_BYTES_MAX / 4)
        return dw_fail(DW_E_TOO_LARGE);
    if (!is_first)
        end_last_sample(s, t_us);
    bool is_hole = !is_first && t_us - s->last_us > DW_SEGMENT_GAP_US;
    if (s->count &&
        (is_hole || t_us - s->fragment_us >= DW_FRAGMENT_MS * UINT64_C(1000) ||
         s->count == DW_FRAGMENT_FRAMES_MAX || s->body_len + need > DW_FRAGMENT_BYTES_MAX))
        DW_TRY(dw_segment_flush(s));
    DW_TRY(body_room(s, need));
    struct dw_buf b = {s->body, s->body_len, s->body_cap};
    size_t offset = 0;
    struct dw_view nal;
    while (dw_nal_next(annexb, &offset, &nal)) {
        put_uint(&b, nal.len, 4);
        put(&b, nal.ptr, nal.len);
    }
    if (b.len == s->body_len)
        return dw_fail(DW_E_INVALID);
    s->sample[s->count] =
        (struct sample){(uint32_t)(b.len - s->body_len), 0, is_key ? KEY_FLAGS : OTHER_FLAGS};
    s->body_len = b.len;
    if (!s->count)
        s->fragment_us = t_us;
    if (is_first)
        s->begin_us = t_us;
    s->last_us = t_us;
    s->count++;
    return DW_OK;
}

dw_err dw_segment_finish(struct dw_segment *s, uint64_t end_us, struct dw_segment_info *ret_info)
{
    if (end_us > s->last_us)
        end_last_sample(s, end_us);
    dw_err e = dw_segment_flush(s);
    if (!dw_failed(e) && fsync(s->fd) != 0)
        e = dw_fail(DW_E_IO);
    if (!dw_failed(e)) {
        struct dw_segment_info info = {
            .bytes = s->bytes,
            .frames = s->frames,
            .init_bytes = s->init_bytes,
            .begin_us = s->begin_us,
            .end_us = s->last_us + s->step_us,
        };
        dw_sha256_final(s->hash, info.hash);
        *ret_info = info;
    }
    dw_segment_free(s);
    return e;
}

/* ---- salvage: reads what put_init and dw_segment_flush write, and nothing else ---- */

static uint64_t get_uint(const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v = v << 8 | p[i];
    return v;
}

static bool read_at(int fd, uint64_t at, void *ret_bytes, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = pread(fd, (uint8_t *)ret_bytes + done, len - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

struct box {
    uint64_t at, size;
    uint8_t type[4];
};

static bool box_at(int fd, uint64_t file, uint64_t at, struct box *ret_box)
{
    uint8_t head[8];
    if (file < 8 || at > file - 8 || !read_at(fd, at, head, sizeof head))
        return false;
    ret_box->at = at;
    ret_box->size = get_uint(head, 4);
    memcpy(ret_box->type, head + 4, 4);
    return ret_box->size >= 8 && ret_box->size <= file - at;
}

/* Times and count of one fragment of our own making; false: it is not. */
static bool fragment_read(int fd, const struct box *moof, const struct box *mdat,
                          struct dw_segment_info *info)
{
    uint8_t b[HEAD_MAX];
    if (moof->size < MOOF_FIXED + SAMPLE_BYTES || moof->size > sizeof b ||
        !read_at(fd, moof->at, b, (size_t)moof->size))
        return false;
    uint64_t count = get_uint(b + 80, 4);
    if (memcmp(b + 52, "tfdt", 4) != 0 || memcmp(b + 72, "trun", 4) != 0 ||
        moof->size != MOOF_FIXED + SAMPLE_BYTES * count)
        return false;
    uint64_t ticks = get_uint(b + 60, 8), begin = ticks, bytes = 8;
    for (uint64_t i = 0; i < count; i++) {
        const uint8_t *p = b + MOOF_FIXED + SAMPLE_BYTES * i;
        ticks += get_uint(p, 4);
        bytes += get_uint(p + 4, 4);
    }
    if (bytes != mdat->size)
        return false;
    if (!info->frames)
        info->begin_us = begin * 100 / 9;
    info->frames += (uint32_t)count;
    info->end_us = ticks * 100 / 9;
    return true;
}

static bool hash_file(int fd, uint64_t len, uint8_t ret_hash[DW_HASH_BYTES])
{
    struct dw_sha256 *h = dw_sha256_new();
    if (!h)
        return false;
    dw_sha256_init(h);
    uint8_t block[16384];
    uint64_t at = 0;
    while (at < len) {
        size_t n = len - at < sizeof block ? (size_t)(len - at) : sizeof block;
        if (!read_at(fd, at, block, n))
            break;
        dw_sha256_update(h, block, n);
        at += n;
    }
    dw_sha256_final(h, ret_hash);
    dw_sha256_free(h);
    return at == len;
}

dw_err dw_segment_salvage(const char *path, struct dw_segment_info *ret_info)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return dw_fail(DW_E_IO);
    dw_err e = dw_fail(DW_E_CORRUPT);
    struct stat st;
    struct box a, b;
    if (fstat(fd, &st) != 0 || st.st_size < 0)
        goto out;
    uint64_t file = (uint64_t)st.st_size;
    if (!box_at(fd, file, 0, &a) || memcmp(a.type, "ftyp", 4) != 0 ||
        !box_at(fd, file, a.size, &b) || memcmp(b.type, "moov", 4) != 0)
        goto out;
    struct dw_segment_info info = {.init_bytes = (uint32_t)(a.size + b.size)};
    uint64_t at = a.size + b.size;
    for (uint32_t i = 0; i < TOP_BOXES_MAX; i++) {
        if (!box_at(fd, file, at, &a) || memcmp(a.type, "moof", 4) != 0 ||
            !box_at(fd, file, at + a.size, &b) || memcmp(b.type, "mdat", 4) != 0 ||
            !fragment_read(fd, &a, &b, &info))
            break;
        at += a.size + b.size;
    }
    if (!info.frames)
        goto out;
    info.bytes = at;
    if (ftruncate(fd, (off_t)at) != 0 || fsync(fd) != 0 || !hash_file(fd, at, info.hash)) {
        e = dw_fail(DW_E_IO);
        goto out;
    }
    *ret_info = info;
    e = DW_OK;
out:
    close(fd);
    return e;
}
