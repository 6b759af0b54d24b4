#include "hub/camera/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "os/os.h"
#include "wire/cbor.h"
#include "wire/cose.h"

#define LIST_NAME        "visit.m3u8"
#define LIST_BYTES_MAX   (4u * 1024u * 1024u) /* 15,000 segments: more than eight hours */
#define RECORDS_MAX      (8u * 1024u * 1024u)
#define FOLDER_NAME_LEN  22u /* "visit-" and 16 digits */
#define SEGMENT_NAME_MIN 8u  /* "seg-0001" */
#define FOLDERS_MAX      100000u

dw_err dw_visit_folder(char *ret_path, size_t cap, const char *root, uint64_t visit)
{
    char name[32];
    (void)snprintf(name, sizeof name, "visit-%016llx", (unsigned long long)visit);
    return dw_path(ret_path, cap, root, name);
}

dw_err dw_segment_path(char *ret_path, size_t cap, const char *folder, uint32_t number,
                       const char *ending)
{
    char name[48];
    (void)snprintf(name, sizeof name, "seg-%04u%s", number, ending);
    return dw_path(ret_path, cap, folder, name);
}

/* "visit-" and 16 digits: what we made ourselves. Nothing else in the folder is ever touched. */
static bool folder_name_read(const char *name, uint64_t *ret_visit)
{
    if (strlen(name) != FOLDER_NAME_LEN || strncmp(name, "visit-", 6) != 0)
        return false;
    uint64_t v = 0;
    for (const char *p = name + 6; *p; p++) {
        if (*p >= '0' && *p <= '9')
            v = v << 4 | (uint64_t)(*p - '0');
        else if (*p >= 'a' && *p <= 'f')
            v = v << 4 | (uint64_t)(*p - 'a' + 10);
        else
            return false;
    }
    *ret_visit = v;
    return true;
}

/* "seg-0001" and then `*ret_ending`. */
static bool segment_name_read(const char *name, uint32_t *ret_number, const char **ret_ending)
{
    if (strlen(name) < SEGMENT_NAME_MIN || strncmp(name, "seg-", 4) != 0)
        return false;
    uint32_t v = 0, digits = 0;
    const char *p = name + 4;
    for (; *p >= '0' && *p <= '9' && digits < 8; p++, digits++)
        v = v * 10 + (uint32_t)(*p - '0');
    *ret_number = v;
    *ret_ending = p;
    return digits >= 4;
}

uint32_t dw_visit_last_segment(const char *folder)
{
    DIR *d = opendir(folder);
    uint32_t last = 0;
    for (struct dirent *entry = d ? readdir(d) : NULL; entry; entry = readdir(d)) {
        uint32_t number;
        const char *ending;
        if (segment_name_read(entry->d_name, &number, &ending) && number > last)
            last = number;
    }
    if (d)
        closedir(d);
    return last;
}

dw_err dw_record_item_write(const struct dw_record_item *in, struct dw_buf *out)
{
    uint8_t bytes[DW_RECORD_ITEM_MAX];
    struct dw_buf item = dw_buf_of(bytes, sizeof bytes);
    struct dw_wr w;
    dw_wr_init(&w, &item);
    dw_wr_array(&w, 6);
    dw_wr_uint(&w, in->arrived_ms);
    dw_wr_uint(&w, in->t_us);
    dw_wr_bool(&w, in->is_key);
    dw_wr_uint(&w, in->unit_bytes);
    dw_wr_bytes(&w, in->record.ptr, in->record.len);
    dw_wr_bytes(&w, in->nonces.ptr, in->nonces.len);
    DW_TRY(dw_wr_end(&w));
    uint8_t head[4] = {0, 0, (uint8_t)(item.len >> 8), (uint8_t)item.len};
    if (out->cap - out->len < sizeof head + item.len)
        return dw_fail(DW_E_NO_SPACE);
    DW_TRY(dw_buf_put(out, head, sizeof head));
    return dw_buf_put(out, item.ptr, item.len);
}

dw_err dw_record_item_take(struct dw_view *in, struct dw_record_item *ret_item)
{
    struct dw_view rest = *in, head, item;
    if (!dw_view_take(&rest, 4, &head))
        return dw_fail(DW_E_TRUNCATED);
    size_t len = (size_t)head.ptr[2] << 8 | head.ptr[3];
    if (head.ptr[0] || head.ptr[1] || len > DW_RECORD_ITEM_MAX)
        return dw_fail(DW_E_INVALID);
    if (!dw_view_take(&rest, len, &item))
        return dw_fail(DW_E_TRUNCATED);
    struct dw_record_item out = {0};
    struct dw_rd r;
    dw_rd_init(&r, item);
    dw_rd_array(&r, 6);
    dw_rd_u64(&r, &out.arrived_ms);
    dw_rd_u64(&r, &out.t_us);
    dw_rd_bool(&r, &out.is_key);
    dw_rd_u32(&r, &out.unit_bytes);
    dw_rd_bytes_upto(&r, DW_FRAME_RECORD_MAX, &out.record);
    dw_rd_bytes_upto(&r, DW_VIEWERS_MAX * 32u, &out.nonces);
    DW_TRY(dw_rd_end(&r));
    *ret_item = out;
    *in = rest;
    return DW_OK;
}

static dw_err sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return dw_fail(DW_E_IO);
    dw_err e = fsync(fd) == 0 ? DW_OK : dw_fail(DW_E_IO);
    close(fd);
    return e;
}

static dw_err rename_part(const char *folder, uint32_t number, const char *ending)
{
    char to[DW_RECORD_PATH_MAX], part[DW_RECORD_PATH_MAX + 8];
    DW_TRY(dw_segment_path(to, sizeof to, folder, number, ending));
    (void)snprintf(part, sizeof part, "%s.part", to);
    return rename(part, to) == 0 ? DW_OK : dw_fail(DW_E_IO);
}

dw_err dw_segment_publish(const char *folder, uint32_t number)
{
    /* Pictures last: a .mp4 without .part has its records. */
    DW_TRY(rename_part(folder, number, ".records"));
    DW_TRY(rename_part(folder, number, ".mp4"));
    return sync_folder(folder);
}

/* One write for one entry: a process that dies leaves whole lines. */
static dw_err append_text(const char *folder, const char *text, size_t len, bool *ret_was_new)
{
    char path[DW_RECORD_PATH_MAX];
    DW_TRY(dw_path(path, sizeof path, folder, LIST_NAME));
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return dw_fail(DW_E_IO);
    struct stat st;
    dw_err e = fstat(fd, &st) == 0 ? DW_OK : dw_fail(DW_E_IO);
    *ret_was_new = !dw_failed(e) && st.st_size == 0;
    if (!dw_failed(e) && len && write(fd, text, len) != (ssize_t)len)
        e = dw_fail(DW_E_IO);
    close(fd);
    return e;
}

static const char list_end[] = "#EXT-X-ENDLIST\n";

/* Whether the list is ended; a list that goes on (`reopen`) loses its end. */
static bool list_is_ended(const char *folder, bool reopen)
{
    char path[DW_RECORD_PATH_MAX], tail[sizeof list_end];
    const off_t len = sizeof list_end - 1;
    if (dw_failed(dw_path(path, sizeof path, folder, LIST_NAME)))
        return false;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    struct stat st;
    bool is_ended = fstat(fd, &st) == 0 && st.st_size >= len &&
                    pread(fd, tail, (size_t)len, st.st_size - len) == len &&
                    memcmp(tail, list_end, (size_t)len) == 0;
    if (is_ended && reopen && ftruncate(fd, st.st_size - len) == 0)
        is_ended = false;
    close(fd);
    return is_ended;
}

dw_err dw_playlist_add(const char *folder, const struct dw_ipc_segment *segment,
                       const struct dw_segment_info *info, bool is_after_hole, uint64_t base_ms)
{
    bool is_new;
    (void)list_is_ended(folder, true);
    DW_TRY(append_text(folder, "", 0, &is_new));
    char hash[2 * DW_HASH_BYTES + 1], text[1024], head[256] = "";
    dw_hex(info->hash, DW_HASH_BYTES, hash);
    if (is_new) /* 4 s: of key frames that come each second, none is longer */
        (void)snprintf(head, sizeof head,
                       "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n"
                       "#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-INDEPENDENT-SEGMENTS\n"
                       "#DOORWARD-BASE:%llu\n",
                       (unsigned long long)base_ms);
    uint64_t us = info->end_us - info->begin_us;
    int len = snprintf(
        text, sizeof text,
        "%s%s#DOORWARD-SEGMENT:number=%u,frames=%u,first=%llu,last=%llu,begin_us=%llu,"
        "end_us=%llu,sha256=%s\n"
        "#EXT-X-MAP:URI=\"seg-%04u.mp4\",BYTERANGE=\"%u@0\"\n#EXTINF:%llu.%06llu,\n"
        "#EXT-X-BYTERANGE:%llu@%u\nseg-%04u.mp4\n",
        head, is_after_hole ? "#EXT-X-DISCONTINUITY\n" : "", segment->number, segment->frames,
        (unsigned long long)segment->first_seq, (unsigned long long)segment->last_seq,
        (unsigned long long)info->begin_us, (unsigned long long)info->end_us, hash, segment->number,
        info->init_bytes, (unsigned long long)(us / 1000000), (unsigned long long)(us % 1000000),
        (unsigned long long)(info->bytes - info->init_bytes), info->init_bytes, segment->number);
    if (len <= 0 || (size_t)len >= sizeof text)
        return dw_fail(DW_E_NO_SPACE);
    return append_text(folder, text, (size_t)len, &is_new);
}

/* The number after `key` in a line; 0 when it is not there. */
static uint64_t field(const char *line, const char *key)
{
    const char *at = strstr(line, key);
    uint64_t v = 0;
    for (const char *p = at ? at + strlen(key) : ""; *p >= '0' && *p <= '9'; p++)
        v = v * 10 + (uint64_t)(*p - '0');
    return v;
}

dw_err dw_playlist_read(const char *folder, uint64_t *ret_base_ms, uint64_t *ret_end_us,
                        struct dw_ipc_segment *ret_totals)
{
    char path[DW_RECORD_PATH_MAX];
    DW_TRY(dw_path(path, sizeof path, folder, LIST_NAME));
    FILE *f = fopen(path, "re");
    if (!f)
        return dw_fail(DW_E_NOT_FOUND);
    struct dw_ipc_segment totals = {0};
    uint64_t base = 0, end = 0, bytes = 0;
    char line[1024];
    while (bytes < LIST_BYTES_MAX && fgets(line, sizeof line, f)) {
        bytes += strlen(line);
        if (strncmp(line, "#DOORWARD-BASE:", 15) == 0)
            base = field(line, "BASE:");
        if (strncmp(line, "#DOORWARD-SEGMENT:", 18) != 0)
            continue;
        uint64_t first = field(line, ",first=");
        totals.number++;
        totals.frames += (uint32_t)field(line, ",frames=");
        if (!totals.first_seq)
            totals.first_seq = first;
        totals.last_seq = field(line, ",last=");
        end = field(line, ",end_us=");
    }
    (void)fclose(f);
    *ret_base_ms = base;
    *ret_end_us = end;
    *ret_totals = totals;
    return DW_OK;
}

dw_err dw_visit_end(const char *folder, uint64_t visit)
{
    uint64_t base_ms, end_us;
    struct dw_ipc_segment totals = {0};
    dw_err e = dw_playlist_read(folder, &base_ms, &end_us, &totals);
    bool is_new;
    if (!dw_failed(e) && !list_is_ended(folder, false))
        DW_TRY(append_text(folder, list_end, sizeof list_end - 1, &is_new));
    char text[320], path[DW_RECORD_PATH_MAX];
    DW_TRY(dw_path(path, sizeof path, folder, "visit.json"));
    int len = snprintf(text, sizeof text,
                       "{\"visit\":\"%016llx\",\"segments\":%u,\"frames\":%u,\"first_seq\":%llu,"
                       "\"last_seq\":%llu,\"duration_ms\":%llu,\"playlist\":\"" LIST_NAME "\"}\n",
                       (unsigned long long)visit, totals.number, totals.frames,
                       (unsigned long long)totals.first_seq, (unsigned long long)totals.last_seq,
                       (unsigned long long)(dw_failed(e) ? 0 : end_us / 1000));
    if (len <= 0 || (size_t)len >= sizeof text)
        return dw_fail(DW_E_NO_SPACE);
    return dw_file_write(path, dw_view_of(text, (size_t)len), 0600);
}

static uint64_t seq_of(struct dw_view record)
{
    struct dw_cose cose;
    struct dw_frame_record read;
    if (!record.len || dw_failed(dw_cose_read(DW_CONTEXT_FRAME, record, &cose)) ||
        dw_failed(dw_frame_record_read(cose.payload, &read)))
        return 0;
    return read.seq;
}

/* Cuts a torn .records.part to whole items and finds the first and last number of its first
 * `segment->frames` frames. */
static dw_err keep_records(const char *path, struct dw_ipc_segment *segment)
{
    uint8_t *bytes = malloc(RECORDS_MAX);
    if (!bytes)
        return dw_fail(DW_E_NO_SPACE);
    struct dw_buf b = dw_buf_of(bytes, RECORDS_MAX);
    dw_err e = dw_file_read(path, &b);
    struct dw_view rest = dw_view_of_buf(&b);
    struct dw_record_item item;
    uint32_t count = 0;
    while (!dw_failed(e) && !dw_failed(dw_record_item_take(&rest, &item))) {
        uint64_t seq = count < segment->frames ? seq_of(item.record) : 0;
        if (seq && !segment->first_seq)
            segment->first_seq = seq;
        if (seq)
            segment->last_seq = seq;
        count++;
    }
    if (!dw_failed(e) && rest.len && truncate(path, (off_t)(b.len - rest.len)) != 0)
        e = dw_fail(DW_E_IO);
    free(bytes);
    return e;
}

dw_err dw_segment_keep_part(const char *folder, uint64_t visit, uint32_t number,
                            struct dw_ipc_segment *ret_segment)
{
    char mp4[DW_RECORD_PATH_MAX], records[DW_RECORD_PATH_MAX], done[DW_RECORD_PATH_MAX];
    DW_TRY(dw_segment_path(mp4, sizeof mp4, folder, number, ".mp4.part"));
    DW_TRY(dw_segment_path(records, sizeof records, folder, number, ".records.part"));
    DW_TRY(dw_segment_path(done, sizeof done, folder, number, ".records"));
    struct dw_segment_info info;
    dw_err e = dw_segment_salvage(mp4, &info);
    if (dw_failed(e)) {
        (void)unlink(mp4);
        (void)unlink(records);
        (void)unlink(done);
        return e;
    }
    struct dw_ipc_segment s = {
        .visit = visit, .number = number, .frames = info.frames, .bytes = info.bytes};
    memcpy(s.hash, info.hash, sizeof s.hash);
    if (access(done, F_OK) != 0) {
        DW_TRY(keep_records(records, &s));
        DW_TRY(rename_part(folder, number, ".records"));
    } else {
        DW_TRY(keep_records(done, &s));
    }
    DW_TRY(rename_part(folder, number, ".mp4"));
    DW_TRY(sync_folder(folder));
    uint64_t base_ms = 0, end_us = 0;
    struct dw_ipc_segment totals;
    dw_err listed = dw_playlist_read(folder, &base_ms, &end_us, &totals);
    bool is_hole = !dw_failed(listed) && info.begin_us > end_us + DW_SEGMENT_GAP_US;
    DW_TRY(dw_playlist_add(folder, &s, &info, is_hole, base_ms));
    if (dw_failed(dw_segment_path(s.path, sizeof s.path, folder, number, ".mp4")))
        s.path[0] = 0;
    *ret_segment = s;
    return DW_OK;
}

static void salvage_visit(const char *folder, uint64_t visit, dw_salvaged *found, void *ctx)
{
    /* Numbers first: renaming while reading a folder may show a name twice. */
    uint32_t part[64];
    size_t count = 0;
    DIR *d = opendir(folder);
    for (struct dirent *entry = d ? readdir(d) : NULL; entry && count < DW_ARRAY_COUNT(part);
         entry = readdir(d)) {
        const char *ending;
        if (segment_name_read(entry->d_name, &part[count], &ending) &&
            strcmp(ending, ".mp4.part") == 0)
            count++;
    }
    if (d)
        closedir(d);
    for (size_t i = 0; i < count; i++) {
        struct dw_ipc_segment s;
        dw_err e = dw_segment_keep_part(folder, visit, part[i], &s);
        dw_log(dw_failed(e) ? "warn" : "info", "salvage", "visit=%016llx segment=%u result=%s",
               (unsigned long long)visit, part[i], dw_err_name(e));
        if (!dw_failed(e))
            found(ctx, &s);
    }
    /* A visit whose end was never written: players must not wait for more. If the guard goes on
     * with it, the list is opened again. */
    char json[DW_RECORD_PATH_MAX];
    if (!dw_failed(dw_path(json, sizeof json, folder, "visit.json")) && access(json, F_OK) != 0) {
        dw_err e = dw_visit_end(folder, visit);
        if (dw_failed(e))
            dw_log("warn", "salvage", "visit=%016llx end=%s", (unsigned long long)visit,
                   dw_err_name(e));
    }
}

void dw_recordings_salvage(const char *root, dw_salvaged *found, void *ctx)
{
    DIR *d = opendir(root);
    uint32_t seen = 0;
    for (struct dirent *entry = d ? readdir(d) : NULL; entry && seen < FOLDERS_MAX;
         entry = readdir(d), seen++) {
        uint64_t visit;
        char folder[DW_RECORD_PATH_MAX];
        if (folder_name_read(entry->d_name, &visit) &&
            !dw_failed(dw_path(folder, sizeof folder, root, entry->d_name)))
            salvage_visit(folder, visit, found, ctx);
    }
    if (d)
        closedir(d);
}

static bool remove_visit(const char *root, const char *name)
{
    char folder[DW_RECORD_PATH_MAX];
    if (dw_failed(dw_path(folder, sizeof folder, root, name)))
        return false;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    for (struct dirent *entry = readdir(d); entry; entry = readdir(d)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            (void)unlinkat(fd, entry->d_name, 0);
    }
    closedir(d);
    return rmdir(folder) == 0;
}

bool dw_recordings_remove_oldest(const char *root, uint64_t age_s, uint64_t running)
{
    char oldest[FOLDER_NAME_LEN + 1] = "";
    int64_t oldest_s = 0, now_s = (int64_t)time(NULL);
    DIR *d = opendir(root);
    uint32_t seen = 0;
    for (struct dirent *entry = d ? readdir(d) : NULL; entry && seen < FOLDERS_MAX;
         entry = readdir(d), seen++) {
        uint64_t visit;
        struct stat st;
        if (!folder_name_read(entry->d_name, &visit) || (running && visit == running) ||
            fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISDIR(st.st_mode) || now_s - st.st_mtime < (int64_t)age_s)
            continue;
        if (!oldest[0] || st.st_mtime < oldest_s) {
            oldest_s = st.st_mtime;
            memcpy(oldest, entry->d_name, sizeof oldest); /* its length was checked */
        }
    }
    if (d)
        closedir(d);
    if (!oldest[0])
        return false;
    bool is_gone = remove_visit(root, oldest);
    dw_log(is_gone ? "info" : "warn", "retention", "folder=%s removed=%d", oldest, is_gone);
    return is_gone;
}
