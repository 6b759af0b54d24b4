#include "media/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libavformat/avformat.h>
#include <libavutil/log.h>
#include <libavutil/opt.h>

#include "media/h264.h"

#define PSET_MAX 512u /* bytes of one SPS or PPS; real ones have 10 to 100 */
#define NOMINAL_US \
    UINT64_C(33333) /* of a last picture that nothing follows, until one pair is known */
#define IO_BYTES      (64 * 1024)
#define TOP_BOXES_MAX 100000u
#define MOV_FLAGS     "frag_custom+empty_moov+default_base_moof+skip_trailer"

struct dw_segment {
    int fd;
    bool is_broken;
    uint32_t fragment, frames, init_bytes;
    uint64_t bytes;
    uint64_t begin_us, last_us, step_us;
    int64_t next_ticks;      /* the muxer takes no two pictures of one tick (11 us) */
    uint64_t fragment_us;    /* time of the first waiting picture */
    uint32_t count;          /* waiting, the held one among them */
    uint64_t fragment_bytes; /* at most, of those */
    AVFormatContext *mux;
    AVPacket *held; /* the newest picture: how long it lasts is known when the next one comes */
    struct dw_sha256 *hash;
};

static int64_t ticks_of(uint64_t us)
{
    return (int64_t)(us / 100 * 9 + us % 100 * 9 / 100);
}

static uint64_t us_of(int64_t ticks)
{
    return (uint64_t)ticks * 100 / 9;
}

/* ---- bytes out ---- */

static int on_write(void *ctx, uint8_t *bytes, int len)
{
    struct dw_segment *s = ctx;
    size_t left = len > 0 ? (size_t)len : 0;
    const uint8_t *at = bytes;
    while (left && !s->is_broken) {
        ssize_t n = write(s->fd, at, left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            s->is_broken = true;
            break;
        }
        dw_sha256_update(s->hash, at, (size_t)n);
        s->bytes += (uint64_t)n;
        at += n;
        left -= (size_t)n;
    }
    return s->is_broken ? AVERROR(EIO) : len;
}

static void free_io(AVIOContext **io)
{
    if (*io)
        av_freep(&(*io)->buffer);
    avio_context_free(io);
}

/* SPS and PPS as the muxer takes them, in Annex B: it makes the avcC box of them, and lengths of
 * the start codes of each picture. */
static bool put_sets(AVCodecParameters *par, struct dw_view sps, struct dw_view pps)
{
    static const uint8_t start[4] = {0, 0, 0, 1};
    size_t len = 2 * sizeof start + sps.len + pps.len;
    uint8_t *p = av_mallocz(len + AV_INPUT_BUFFER_PADDING_SIZE);
    if (!p)
        return false;
    memcpy(p, start, sizeof start);
    memcpy(p + sizeof start, sps.ptr, sps.len);
    memcpy(p + sizeof start + sps.len, start, sizeof start);
    memcpy(p + 2 * sizeof start + sps.len, pps.ptr, pps.len);
    par->extradata = p;
    par->extradata_size = (int)len;
    return true;
}

static dw_err open_mux(struct dw_segment *s, const struct dw_sps *read, struct dw_view sps,
                       struct dw_view pps)
{
    uint8_t *buffer = av_malloc(IO_BYTES);
    if (!buffer || avformat_alloc_output_context2(&s->mux, NULL, "mp4", NULL) < 0 ||
        !(s->mux->pb = avio_alloc_context(buffer, IO_BYTES, 1, s, NULL, on_write, NULL))) {
        av_free(buffer);
        return dw_fail(DW_E_NO_SPACE);
    }
    AVStream *stream = avformat_new_stream(s->mux, NULL);
    if (!stream || !put_sets(stream->codecpar, sps, pps))
        return dw_fail(DW_E_NO_SPACE);
    stream->time_base = (AVRational){1, (int)DW_SEGMENT_TIMESCALE};
    stream->codecpar->codec_type = AVMEDIA_TYPE_VIDEO;
    stream->codecpar->codec_id = AV_CODEC_ID_H264;
    stream->codecpar->width = read->width_px;
    stream->codecpar->height = read->height_px;
    s->mux->flags |= AVFMT_FLAG_BITEXACT; /* no version of the library in the file */
    s->mux->avoid_negative_ts = 0;        /* times are on the visit's line as they are */
    /* Without edit lists and with each fragment a new beginning (begin_fragment), tfdt is what we
     * say and not the sum of what came before: holes stay holes. */
    if (av_opt_set(s->mux->priv_data, "movflags", MOV_FLAGS, 0) < 0 ||
        av_opt_set_int(s->mux->priv_data, "use_editlist", 0, 0) < 0 ||
        av_opt_set_int(s->mux->priv_data, "fragment_index", s->fragment, 0) < 0)
        return dw_fail(DW_E_UNSUPPORTED);
    if (avformat_write_header(s->mux, NULL) < 0)
        return dw_fail(s->is_broken ? DW_E_IO : DW_E_UNSUPPORTED);
    avio_flush(s->mux->pb);
    if (stream->time_base.den != (int)DW_SEGMENT_TIMESCALE)
        return dw_fail(DW_E_UNSUPPORTED);
    return s->is_broken ? dw_fail(DW_E_IO) : DW_OK;
}

dw_err dw_segment_new(const char *path, struct dw_view sps, struct dw_view pps,
                      uint32_t fragment_number, struct dw_segment **ret_segment)
{
    struct dw_sps read;
    DW_TRY(dw_sps_read(sps, &read));
    if (sps.len > PSET_MAX || pps.len > PSET_MAX || !pps.len || fragment_number > INT_MAX)
        return dw_fail(DW_E_UNSUPPORTED);
    dw_err e = dw_fail(DW_E_NO_SPACE);
    struct dw_segment *s = calloc(1, sizeof *s);
    if (!s)
        return e;
    av_log_set_level(AV_LOG_QUIET);
    s->fd = -1;
    s->fragment = fragment_number;
    s->step_us = NOMINAL_US;
    s->hash = dw_sha256_new();
    s->held = av_packet_alloc();
    if (!s->hash || !s->held)
        goto out;
    dw_sha256_init(s->hash);
    s->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->fd < 0) {
        e = dw_fail(errno == EEXIST ? DW_E_EXISTS : DW_E_IO);
        goto out;
    }
    e = open_mux(s, &read, sps, pps);
    if (dw_failed(e))
        goto out;
    s->init_bytes = (uint32_t)s->bytes;
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
    s->is_broken = true; /* nothing more is written, whatever the muxer still holds */
    if (s->mux) {
        AVIOContext *io = s->mux->pb;
        avformat_free_context(s->mux);
        free_io(&io);
    }
    av_packet_free(&s->held);
    if (s->fd >= 0)
        close(s->fd);
    dw_sha256_free(s->hash);
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

/* Gives the held picture to the muxer, which lasts for `step_us`. */
static dw_err put_held(struct dw_segment *s)
{
    if (!s->held->data)
        return DW_OK;
    int64_t ticks = ticks_of(s->last_us + s->step_us) - s->held->dts;
    s->held->duration = ticks > 0 ? ticks : 1;
    int put = av_write_frame(s->mux, s->held);
    av_packet_unref(s->held);
    if (put >= 0 && !s->is_broken)
        return DW_OK;
    s->is_broken = true;
    return dw_fail(DW_E_IO);
}

dw_err dw_segment_flush(struct dw_segment *s)
{
    if (s->is_broken)
        return dw_fail(DW_E_IO);
    if (!s->count)
        return DW_OK;
    DW_TRY(put_held(s));
    int put = av_write_frame(s->mux, NULL);
    avio_flush(s->mux->pb);
    if (put < 0 || s->is_broken) {
        s->is_broken = true;
        return dw_fail(DW_E_IO);
    }
    s->frames += s->count;
    s->count = 0;
    s->fragment_bytes = 0;
    s->fragment++;
    return DW_OK;
}

/* The picture before lasts until `t_us`, or its usual time before a hole. */
static void end_last_sample(struct dw_segment *s, uint64_t t_us)
{
    uint64_t step = t_us - s->last_us;
    if (step <= DW_SEGMENT_GAP_US)
        s->step_us = step;
}

static bool begin_fragment(struct dw_segment *s, uint64_t t_us)
{
    s->fragment_us = t_us;
    return av_opt_set(s->mux->priv_data, "movflags", "+frag_discont", 0) >= 0;
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
    struct dw_view nal;
    size_t offset = 0;
    if (!dw_nal_next(annexb, &offset, &nal))
        return dw_fail(DW_E_INVALID);
    if (!is_first)
        end_last_sample(s, t_us);
    bool is_hole = !is_first && t_us - s->last_us > DW_SEGMENT_GAP_US;
    if (s->count &&
        (is_hole || t_us - s->fragment_us >= DW_FRAGMENT_MS * UINT64_C(1000) ||
         s->count == DW_FRAGMENT_FRAMES_MAX || s->fragment_bytes + need > DW_FRAGMENT_BYTES_MAX))
        DW_TRY(dw_segment_flush(s));
    DW_TRY(put_held(s));
    /* With the padding that the muxer reads over. */
    if ((!s->count && !begin_fragment(s, t_us)) || av_new_packet(s->held, (int)annexb.len) != 0)
        return dw_fail(DW_E_NO_SPACE);
    memcpy(s->held->data, annexb.ptr, annexb.len);
    int64_t ticks = ticks_of(t_us);
    if (!is_first && ticks < s->next_ticks)
        ticks = s->next_ticks;
    s->held->pts = s->held->dts = ticks;
    s->next_ticks = ticks + 1;
    s->held->flags = is_key ? AV_PKT_FLAG_KEY : 0;
    if (is_first)
        s->begin_us = t_us;
    s->last_us = t_us;
    s->fragment_bytes += need;
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

/* ---- salvage: which top boxes are whole is seen here, what is in them the library reads ---- */

struct box {
    uint64_t at, size;
    uint8_t type[4];
};

struct torn {
    int fd;
    uint64_t len, at;
    int64_t last_dts, step; /* of the pictures so far */
};

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

static bool box_at(int fd, uint64_t file, uint64_t at, const char type[4], struct box *ret_box)
{
    uint8_t head[8];
    if (file < 8 || at > file - 8 || !read_at(fd, at, head, sizeof head))
        return false;
    ret_box->at = at;
    ret_box->size = (uint64_t)head[0] << 24 | (uint64_t)head[1] << 16 | (uint64_t)head[2] << 8 |
                    (uint64_t)head[3];
    return memcmp(head + 4, type, 4) == 0 && ret_box->size >= 8 && ret_box->size <= file - at;
}

static int on_read(void *ctx, uint8_t *bytes, int len)
{
    struct torn *t = ctx;
    uint64_t left = t->at < t->len ? t->len - t->at : 0;
    size_t n = len > 0 && (uint64_t)len < left ? (size_t)len : (size_t)left;
    if (!n)
        return AVERROR_EOF;
    if (!read_at(t->fd, t->at, bytes, n))
        return AVERROR(EIO);
    t->at += n;
    return (int)n;
}

static int64_t on_seek(void *ctx, int64_t offset, int whence)
{
    struct torn *t = ctx;
    if (whence == AVSEEK_SIZE)
        return (int64_t)t->len;
    if (whence != SEEK_SET || offset < 0)
        return AVERROR(EINVAL);
    t->at = (uint64_t)offset;
    return offset;
}

/* The pictures of one whole fragment, which must fill its mdat one after the other; false: they do
 * not, so it is none of ours. */
static bool fragment_read(AVFormatContext *in, AVPacket *p, struct torn *torn,
                          const struct box *mdat, struct dw_segment_info *info)
{
    uint64_t at = mdat->at + 8, end = mdat->at + mdat->size;
    uint32_t count = 0;
    while (at < end) {
        av_packet_unref(p);
        if (av_read_frame(in, p) < 0 || p->pos < 0 || (uint64_t)p->pos != at || p->size <= 0 ||
            (p->flags & AV_PKT_FLAG_CORRUPT) || p->dts < 0 || p->dts > INT64_MAX / 200 ||
            ++count > DW_FRAGMENT_FRAMES_MAX)
            return false;
        at += (uint64_t)p->size;
        if (!info->frames && count == 1)
            info->begin_us = us_of(p->dts);
        else if (p->dts > torn->last_dts && us_of(p->dts - torn->last_dts) <= DW_SEGMENT_GAP_US)
            torn->step = p->dts - torn->last_dts;
        torn->last_dts = p->dts;
    }
    if (at != end || !count)
        return false;
    info->frames += count;
    /* The library does not tell how long the last one lasts: as long as the one before. */
    info->end_us = us_of(torn->last_dts + torn->step);
    return true;
}

/* Reads whole fragments from `at` on, and counts them into `info`; returns where the last ends. */
static uint64_t fragments_read(int fd, uint64_t file, uint64_t at, struct dw_segment_info *info)
{
    struct torn torn = {fd, file, 0, 0, ticks_of(NOMINAL_US)};
    uint8_t *buffer = av_malloc(IO_BYTES);
    AVIOContext *io =
        buffer ? avio_alloc_context(buffer, IO_BYTES, 0, &torn, on_read, NULL, on_seek) : NULL;
    AVFormatContext *in = avformat_alloc_context();
    AVPacket *p = av_packet_alloc();
    if (!io)
        av_free(buffer);
    if (!io || !in || !p)
        goto out;
    in->pb = io;
    in->flags |= AVFMT_FLAG_NOPARSE | AVFMT_FLAG_NOFILLIN; /* times as they are written */
    if (avformat_open_input(&in, NULL, av_find_input_format("mp4"), NULL) < 0)
        goto out; /* it has freed `in` */
    if (in->nb_streams != 1 || in->streams[0]->codecpar->codec_id != AV_CODEC_ID_H264 ||
        in->streams[0]->time_base.den != (int)DW_SEGMENT_TIMESCALE)
        goto out;
    for (uint32_t i = 0; i < TOP_BOXES_MAX; i++) {
        struct box moof, mdat;
        if (!box_at(fd, file, at, "moof", &moof) ||
            !box_at(fd, file, at + moof.size, "mdat", &mdat) ||
            !fragment_read(in, p, &torn, &mdat, info))
            break;
        at = mdat.at + mdat.size;
    }
out:
    av_packet_free(&p);
    avformat_close_input(&in);
    free_io(&io);
    return at;
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
    struct box ftyp, moov;
    if (fstat(fd, &st) != 0 || st.st_size < 0)
        goto out;
    uint64_t file = (uint64_t)st.st_size;
    if (!box_at(fd, file, 0, "ftyp", &ftyp) || !box_at(fd, file, ftyp.size, "moov", &moov))
        goto out;
    struct dw_segment_info info = {.init_bytes = (uint32_t)(ftyp.size + moov.size)};
    av_log_set_level(AV_LOG_QUIET);
    uint64_t at = fragments_read(fd, file, info.init_bytes, &info);
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
