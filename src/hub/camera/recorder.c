#include "hub/camera/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hub/camera/folder.h"
#include "os/os.h"

#define QUEUE_MAX 1024u
#define QUEUE_BYTES_MAX \
    (24u * 1024u * 1024u) /* 48 s at 4 Mbit/s before a dead disk costs pictures */
#define NEWS_MAX       64u
#define BATCH_FRAMES   8u /* the thread wakes for this many, or for a command, or after: */
#define WAKE_MS        250u
#define DISK_EACH_MS   2000u
#define DISK_TELL_MS   10000u
#define RETAIN_EACH_MS 60000u
#define DAY_S          UINT64_C(86400)
#define KEEP_S         DAY_S /* so young a visit is never removed to make room: no delivery is worth it */
#define SEGMENT_US_MAX UINT64_C(3600000000) /* no key frame for an hour: begin anew */
#define CUT_SLACK_US   UINT64_C(100000)     /* jitter of key frames that come each second */
#define AHEAD_US_MAX   UINT64_C(1000000)    /* a camera's clock that claims more is not followed */
#define BEHIND_US_MAX  UINT64_C(60000000)

enum command_type { COMMAND_NONE = 0, COMMAND_AU, COMMAND_START, COMMAND_STOP, COMMAND_QUIT };

struct command {
    enum command_type type;
    uint64_t visit;
    struct dw_au *au;
};

enum news_type { NEWS_NONE = 0, NEWS_SEGMENT, NEWS_DISK, NEWS_STOPPED };

struct news {
    enum news_type type;
    union {
        struct dw_ipc_segment segment;
        struct dw_ipc_disk disk;
        uint64_t visit;
    };
};

/* Camera time to the visit's time line, which runs as the hub's clock does. */
struct time_line {
    uint64_t base_ms; /* CLOCK_BOOTTIME of its zero; 0: not begun */
    bool is_anchored;
    uint32_t boot_count;
    uint64_t anchor_t_us, anchor_us; /* camera time and time line of one picture */
    uint64_t last_t_us, last_us;
};

struct dw_recorder {
    struct dw_recorder_conf conf;
    struct dw_recorder_events ev;
    void *ctx;
    uv_async_t *async;
    uv_thread_t thread;
    uv_mutex_t lock;
    uv_cond_t cond;

    /* Shared, under `lock`. */
    struct command queue[QUEUE_MAX];
    uint32_t first, count;
    size_t queue_bytes;
    struct news news[NEWS_MAX];
    uint32_t news_first, news_count;

    /* The loop's. */
    uint64_t asked_visit; /* 0: not recording */
    bool is_skipping;
    uint64_t skipped;

    /* The thread's. */
    uint64_t visit;
    char folder[DW_RECORD_PATH_MAX];
    struct dw_segment *segment;
    int records;
    uint32_t number, fragment;
    uint64_t first_seq, last_seq;
    uint64_t begin_us, last_key_us, end_us; /* end: of the segment before */
    bool has_begun;
    uint64_t fed_ms;
    struct time_line line;
    uint64_t disk_at_ms, disk_told_ms, retain_at_ms;
    bool has_room, has_told_room;
    uint64_t failed_at_ms;
};

/* ---- thread: news to the loop ---- */

static void tell(struct dw_recorder *r, const struct news *news)
{
    uv_mutex_lock(&r->lock);
    if (r->news_count == NEWS_MAX) { /* the loop is stuck: the oldest news goes */
        r->news_first = (r->news_first + 1) % NEWS_MAX;
        r->news_count--;
    }
    r->news[(r->news_first + r->news_count) % NEWS_MAX] = *news;
    r->news_count++;
    uv_mutex_unlock(&r->lock);
    (void)uv_async_send(r->async);
}

static void tell_segment(void *ctx, const struct dw_ipc_segment *segment)
{
    struct news news = {.type = NEWS_SEGMENT, .segment = *segment};
    tell(ctx, &news);
}

static void check_disk(struct dw_recorder *r, uint64_t now, bool must_tell)
{
    uint64_t free_bytes = dw_disk_free(r->conf.root);
    /* Room for what comes is made of the oldest visits, never of the running one. */
    for (int i = 0; i < 16 && free_bytes < r->conf.reserve_bytes; i++) {
        if (!dw_recordings_remove_oldest(r->conf.root, KEEP_S, r->visit))
            break;
        free_bytes = dw_disk_free(r->conf.root);
    }
    bool has_room = free_bytes >= r->conf.reserve_bytes;
    r->disk_at_ms = now;
    if (must_tell || !r->has_told_room || has_room != r->has_room ||
        now - r->disk_told_ms >= DISK_TELL_MS) {
        struct news news = {.type = NEWS_DISK,
                            .disk = {.free_bytes = free_bytes, .has_room = has_room}};
        if (!r->has_told_room || has_room != r->has_room)
            dw_log(has_room ? "info" : "warn", "disk", "free=%llu room=%d",
                   (unsigned long long)free_bytes, has_room);
        r->has_told_room = true;
        r->has_room = has_room;
        r->disk_told_ms = now;
        tell(r, &news);
    }
}

static void retain(struct dw_recorder *r, uint64_t now)
{
    r->retain_at_ms = now;
    /* A clock that is not sure must not delete evidence. */
    if (!dw_utc_is_known(dw_wall(r->conf.trust_system_clock)))
        return;
    for (int i = 0; i < 64; i++) {
        if (!dw_recordings_remove_oldest(r->conf.root, r->conf.retention_days * DAY_S, r->visit))
            break;
    }
}

/* ---- thread: time ---- */

static uint64_t line_us(struct time_line *l, const struct dw_au *au)
{
    if (!l->base_ms)
        l->base_ms = au->arrived_ms;
    uint64_t arrived_us =
        au->arrived_ms > l->base_ms ? (au->arrived_ms - l->base_ms) * UINT64_C(1000) : 0;
    uint64_t us = l->anchor_us + (au->t_us - l->anchor_t_us);
    bool is_sane = l->is_anchored && au->boot_count == l->boot_count && au->t_us > l->last_t_us &&
                   au->t_us >= l->anchor_t_us && us <= arrived_us + AHEAD_US_MAX &&
                   us + BEHIND_US_MAX >= arrived_us;
    if (!is_sane) {
        us = arrived_us;
        if (l->is_anchored && us <= l->last_us)
            us = l->last_us + 1000;
        l->anchor_us = us;
        l->anchor_t_us = au->t_us;
        l->boot_count = au->boot_count;
        l->is_anchored = true;
    }
    if (us <= l->last_us && l->last_us)
        us = l->last_us + 1000;
    l->last_t_us = au->t_us;
    l->last_us = us;
    return us;
}

/* ---- thread: segments ---- */

static void drop_segment(struct dw_recorder *r)
{
    if (r->records >= 0)
        close(r->records);
    r->records = -1;
    dw_segment_free(r->segment);
    r->segment = NULL;
}

/* The disk failed in the middle: keep what is whole, wait for a key frame, say so. */
static void rescue_segment(struct dw_recorder *r, dw_err why)
{
    drop_segment(r);
    struct dw_ipc_segment kept;
    dw_err e = dw_segment_keep_part(r->folder, r->visit, r->number, &kept);
    dw_log("error", "recording", "visit=%016llx segment=%u result=%s kept=%s",
           (unsigned long long)r->visit, r->number, dw_err_name(why), dw_err_name(e));
    if (!dw_failed(e))
        tell_segment(r, &kept);
    r->failed_at_ms = dw_now().ms;
    check_disk(r, r->failed_at_ms, true);
}

static void finish_segment(struct dw_recorder *r, uint64_t end_us)
{
    if (!r->segment)
        return;
    struct dw_segment_info info;
    r->fragment = dw_segment_fragment_number(r->segment) + 1;
    dw_err e = dw_segment_finish(r->segment, end_us, &info);
    r->segment = NULL;
    if (!dw_failed(e) && fsync(r->records) != 0)
        e = dw_fail(DW_E_IO);
    if (!dw_failed(e)) {
        close(r->records);
        r->records = -1;
        e = dw_segment_publish(r->folder, r->number);
    }
    if (dw_failed(e)) {
        rescue_segment(r, e);
        return;
    }
    struct dw_ipc_segment s = {
        .visit = r->visit,
        .number = r->number,
        .frames = info.frames,
        .bytes = info.bytes,
        .first_seq = r->first_seq,
        .last_seq = r->last_seq,
    };
    memcpy(s.hash, info.hash, sizeof s.hash);
    bool is_hole = r->has_begun && info.begin_us > r->end_us + DW_SEGMENT_GAP_US;
    e = dw_playlist_add(r->folder, &s, &info, is_hole, r->line.base_ms);
    if (dw_failed(e))
        dw_log("error", "recording", "segment=%u list=%s", r->number, dw_err_name(e));
    r->has_begun = true;
    r->end_us = info.end_us;
    if (dw_failed(dw_segment_path(s.path, sizeof s.path, r->folder, r->number, ".mp4")))
        s.path[0] = 0;
    tell_segment(r, &s);
}

static dw_err begin_segment(struct dw_recorder *r, const struct dw_au *au)
{
    char mp4[DW_RECORD_PATH_MAX], records[DW_RECORD_PATH_MAX];
    DW_TRY(dw_folder(r->folder)); /* a full disk may have had no room even for that */
    DW_TRY(dw_segment_path(mp4, sizeof mp4, r->folder, r->number + 1, ".mp4.part"));
    DW_TRY(dw_segment_path(records, sizeof records, r->folder, r->number + 1, ".records.part"));
    int fd = open(records, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return dw_fail(DW_E_IO);
    dw_err e = dw_segment_new(mp4, au->sps, au->pps, r->fragment + 1, &r->segment);
    if (dw_failed(e)) {
        close(fd);
        (void)unlink(records);
        (void)unlink(mp4);
        return e;
    }
    r->records = fd;
    r->number++;
    r->first_seq = au->seq;
    return DW_OK;
}

static dw_err write_record(struct dw_recorder *r, const struct dw_au *au)
{
    uint8_t bytes[DW_RECORD_ITEM_MAX + 4];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    struct dw_record_item item = {
        .arrived_ms = au->arrived_ms,
        .t_us = au->t_us,
        .is_key = au->is_key,
        .unit_bytes = (uint32_t)au->access_unit.len,
        .record = au->record,
        .nonces = au->nonces,
    };
    DW_TRY(dw_record_item_write(&item, &b));
    return write(r->records, b.ptr, b.len) == (ssize_t)b.len ? DW_OK : dw_fail(DW_E_IO);
}

static bool is_time_to_cut(const struct dw_recorder *r, uint64_t us)
{
    uint64_t limit_us = r->conf.segment_ms * UINT64_C(1000) + CUT_SLACK_US;
    return us - r->begin_us + (us - r->last_key_us) > limit_us;
}

static void on_au(struct dw_recorder *r, const struct dw_au *au)
{
    if (!r->visit)
        return;
    uint64_t us = line_us(&r->line, au);
    r->fed_ms = dw_now().ms;
    if (r->segment && au->is_key && is_time_to_cut(r, us))
        finish_segment(r, us);
    if (!r->segment) {
        if (!au->is_key)
            return;
        /* After a failure not at each key frame: a full disk stays full for a while. */
        if (r->failed_at_ms && r->fed_ms - r->failed_at_ms < DISK_EACH_MS)
            return;
        dw_err e = begin_segment(r, au);
        if (dw_failed(e)) {
            dw_log("error", "recording", "visit=%016llx segment=%u begin=%s",
                   (unsigned long long)r->visit, r->number + 1, dw_err_name(e));
            r->failed_at_ms = r->fed_ms;
            check_disk(r, r->fed_ms, true);
            return;
        }
        r->failed_at_ms = 0;
        r->begin_us = us;
    }
    if (au->is_key)
        r->last_key_us = us;
    /* The record first: a record without its picture shows what is missing, a picture without its
     * record proves nothing. */
    dw_err e = write_record(r, au);
    if (!dw_failed(e))
        e = dw_segment_add(r->segment, au->access_unit, us, au->is_key);
    if (dw_is(e, DW_E_IO) || us - r->begin_us > SEGMENT_US_MAX) {
        rescue_segment(r, e);
        return;
    }
    if (dw_failed(e))
        dw_log("warn", "recording", "visit=%016llx frame=%llu result=%s",
               (unsigned long long)r->visit, (unsigned long long)au->frame, dw_err_name(e));
    else
        r->last_seq = au->seq;
}

static void on_stop(struct dw_recorder *r)
{
    if (!r->visit)
        return;
    finish_segment(r, 0);
    dw_err e = dw_visit_end(r->folder, r->visit);
    dw_log(dw_failed(e) ? "error" : "info", "recording",
           "visit=%016llx ended segments=%u result=%s", (unsigned long long)r->visit, r->number,
           dw_err_name(e));
    struct news news = {.type = NEWS_STOPPED, .visit = r->visit};
    r->visit = 0;
    tell(r, &news);
}

static void on_start(struct dw_recorder *r, uint64_t visit)
{
    if (r->visit == visit)
        return;
    on_stop(r);
    dw_err e = dw_visit_folder(r->folder, sizeof r->folder, r->conf.root, visit);
    if (!dw_failed(e))
        e = dw_folder(r->folder);
    r->visit = visit;
    r->number = dw_visit_last_segment(r->folder);
    r->fragment = r->number * 1000u; /* grows over a restart as well */
    r->line = (struct time_line){0};
    r->has_begun = false;
    r->failed_at_ms = 0;
    uint64_t now = dw_now().ms, base_ms = 0, end_us = 0;
    struct dw_ipc_segment totals;
    if (r->number && !dw_failed(dw_playlist_read(r->folder, &base_ms, &end_us, &totals))) {
        /* The visit goes on after a restart of ours; after one of the machine its clock is new. */
        bool is_same_clock = base_ms && base_ms <= now && now - base_ms >= end_us / 1000;
        r->line.base_ms = is_same_clock ? base_ms : 0;
        r->line.last_us = end_us;
        r->has_begun = true;
        r->end_us = end_us;
    }
    check_disk(r, now, true);
    dw_log(dw_failed(e) ? "error" : "info", "recording", "visit=%016llx begun segment=%u result=%s",
           (unsigned long long)visit, r->number + 1, dw_err_name(e));
}

static bool take_command(struct dw_recorder *r, struct command *ret_command)
{
    uv_mutex_lock(&r->lock);
    if (!r->count)
        (void)uv_cond_timedwait(&r->cond, &r->lock,
                                (r->visit ? WAKE_MS : DISK_EACH_MS) * UINT64_C(1000000));
    bool is_there = r->count > 0;
    if (is_there) {
        *ret_command = r->queue[r->first];
        r->first = (r->first + 1) % QUEUE_MAX;
        r->count--;
        if (ret_command->au)
            r->queue_bytes -= ret_command->au->len;
    }
    uv_mutex_unlock(&r->lock);
    return is_there;
}

static void on_tick(struct dw_recorder *r)
{
    uint64_t now = dw_now().ms;
    /* The camera went silent: what came before the silence goes to disk now. */
    if (r->segment && dw_segment_waiting(r->segment) && now - r->fed_ms >= DW_FRAGMENT_MS) {
        dw_err e = dw_segment_flush(r->segment);
        if (dw_failed(e))
            rescue_segment(r, e);
    }
    if (now - r->disk_at_ms >= DISK_EACH_MS)
        check_disk(r, now, false);
    if (now - r->retain_at_ms >= RETAIN_EACH_MS)
        retain(r, now);
}

static void run(void *arg)
{
    struct dw_recorder *r = arg;
    retain(r, dw_now().ms); /* first: salvage makes old folders look new */
    dw_recordings_salvage(r->conf.root, tell_segment, r);
    check_disk(r, dw_now().ms, true);
    for (;;) {
        struct command c;
        if (take_command(r, &c)) {
            if (c.type == COMMAND_START)
                on_start(r, c.visit);
            if (c.type == COMMAND_AU)
                on_au(r, c.au);
            if (c.type == COMMAND_STOP || c.type == COMMAND_QUIT)
                on_stop(r);
            dw_au_drop(c.au);
            if (c.type == COMMAND_QUIT)
                return;
        }
        on_tick(r);
    }
}

/* ---- the loop's side ---- */

static void on_async(uv_async_t *async)
{
    struct dw_recorder *r = async->data;
    for (;;) {
        struct news news = {0};
        uv_mutex_lock(&r->lock);
        if (r->news_count) {
            news = r->news[r->news_first];
            r->news_first = (r->news_first + 1) % NEWS_MAX;
            r->news_count--;
        }
        uv_mutex_unlock(&r->lock);
        switch (news.type) {
        case NEWS_SEGMENT: r->ev.segment(r->ctx, &news.segment); break;
        case NEWS_DISK: r->ev.disk(r->ctx, &news.disk); break;
        case NEWS_STOPPED: r->ev.stopped(r->ctx, news.visit); break;
        case NEWS_NONE: return;
        }
    }
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

dw_err dw_recorder_new(uv_loop_t *loop, const struct dw_recorder_conf *conf,
                       const struct dw_recorder_events *ev, void *ctx,
                       struct dw_recorder **ret_recorder)
{
    struct dw_recorder *r = calloc(1, sizeof *r);
    uv_async_t *async = calloc(1, sizeof *async);
    if (!r || !async || uv_async_init(loop, async, on_async) != 0) {
        free(r);
        free(async);
        return dw_fail(DW_E_NO_SPACE);
    }
    r->conf = *conf;
    r->ev = *ev;
    r->ctx = ctx;
    r->records = -1;
    r->async = async;
    async->data = r;
    DW_ASSERT(uv_mutex_init(&r->lock) == 0 && uv_cond_init(&r->cond) == 0);
    DW_ASSERT(uv_thread_create(&r->thread, run, r) == 0);
    *ret_recorder = r;
    return DW_OK;
}

/* Commands always find room: access units leave two places. */
static bool put_command(struct dw_recorder *r, struct command c)
{
    uv_mutex_lock(&r->lock);
    bool is_au = c.type == COMMAND_AU;
    uint32_t limit = is_au ? QUEUE_MAX - 8 : QUEUE_MAX;
    bool is_put = r->count < limit && (!is_au || r->queue_bytes + c.au->len <= QUEUE_BYTES_MAX);
    if (is_put) {
        r->queue[(r->first + r->count) % QUEUE_MAX] = c;
        r->count++;
        if (is_au)
            r->queue_bytes += c.au->len;
        if (!is_au || r->count >= BATCH_FRAMES)
            uv_cond_signal(&r->cond);
    }
    uv_mutex_unlock(&r->lock);
    return is_put;
}

void dw_recorder_start(struct dw_recorder *r, uint64_t visit)
{
    r->asked_visit = visit;
    r->is_skipping = false;
    if (!put_command(r, (struct command){.type = COMMAND_START, .visit = visit}))
        dw_log("error", "recording", "queue=full command=start");
}

void dw_recorder_stop(struct dw_recorder *r)
{
    r->asked_visit = 0;
    if (!put_command(r, (struct command){.type = COMMAND_STOP}))
        dw_log("error", "recording", "queue=full command=stop");
}

bool dw_recorder_is_recording(const struct dw_recorder *r)
{
    return r->asked_visit != 0;
}

void dw_recorder_feed(struct dw_recorder *r, struct dw_au *au)
{
    if (!r->asked_visit)
        return;
    if (r->is_skipping && !au->is_key) {
        r->skipped++;
        return;
    }
    struct command c = {.type = COMMAND_AU, .au = dw_au_hold(au)};
    if (put_command(r, c)) {
        r->is_skipping = false;
        return;
    }
    dw_au_drop(au);
    if (!r->is_skipping)
        dw_log("error", "recording", "queue=full lost=%llu", (unsigned long long)r->skipped + 1);
    r->is_skipping = true;
    r->skipped++;
}

void dw_recorder_free(struct dw_recorder *r)
{
    if (!r)
        return;
    while (!put_command(r, (struct command){.type = COMMAND_QUIT}))
        (void)usleep(1000);
    (void)uv_thread_join(&r->thread);
    on_async(r->async); /* what it said last */
    uv_close((uv_handle_t *)r->async, on_closed);
    uv_cond_destroy(&r->cond);
    uv_mutex_destroy(&r->lock);
    free(r);
}
