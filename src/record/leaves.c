#include "record/leaves.h"
#include "crypto/crypto.h"
#include "wire/cbor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH_BYTES_MAX (DW_LEAVES_BATCH_MAX * DW_LEAF_BYTES_MAX)
#define WINDOW_BYTES    4096u

_Static_assert(DW_LEAF_SALT_BYTES == DW_HASH_BYTES, "a salt is as long as the hash it hides in");
_Static_assert(WINDOW_BYTES > BATCH_BYTES_MAX, "a torn batch is judged inside one window");

struct dw_leaves {
    int fd;
    bool is_broken;    /* a sync failed in a way that leaves the file unknown */
    uint64_t next_seq; /* batch included */
    uint64_t synced_bytes;
    uint32_t batch_count;
    struct dw_buf batch;
    uint8_t batch_bytes[BATCH_BYTES_MAX];
};

void dw_leaf_commit(struct dw_view event, const uint8_t salt[DW_LEAF_SALT_BYTES],
                    uint8_t ret_commitment[32])
{
    dw_sha256_2(dw_view_of(salt, DW_LEAF_SALT_BYTES), event, ret_commitment);
}

/* Where the leaf at the front of `in` ends: its array head, version, number and hash are all of
 * known form, so its length follows from the head of the number. 0: not even the number is there.
 */
static size_t leaf_len(struct dw_view in)
{
    static const uint8_t more[] = {1, 2, 4, 8};
    const size_t fixed = 2 + 1 + 2 + 32; /* array, version, number, string head, hash */
    if (in.len < 3)
        return 0;
    uint8_t head = in.ptr[2];
    return head >= 24 && head <= 27 ? fixed + more[head - 24] : fixed;
}

/* Takes the next leaf off `*in`; it must carry `seq`. */
static bool take_leaf(struct dw_view *in, uint64_t seq, struct dw_leaf *ret_leaf)
{
    struct dw_view rest = *in, bytes;
    size_t len = leaf_len(rest);
    if (len == 0 || !dw_view_take(&rest, len, &bytes))
        return false;
    if (dw_failed(dw_leaf_read(bytes, ret_leaf)) || ret_leaf->seq != seq)
        return false;
    *in = rest;
    return true;
}

static ssize_t read_at(int fd, uint8_t *bytes, size_t len, uint64_t at)
{
    size_t had = 0;
    while (had < len) {
        ssize_t got = pread(fd, bytes + had, len - had, (off_t)(at + had));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        had += (size_t)got;
    }
    return (ssize_t)had;
}

/* Walks all leaves. `*ret_good_bytes` is where the last whole one ends. */
static dw_err walk(int fd, uint64_t known_next_seq, dw_leaf_fn *fn, void *user,
                   struct dw_leaves_found *ret_found, uint64_t *ret_good_bytes)
{
    uint8_t window[WINDOW_BYTES];
    uint64_t good_bytes = 0, seq = 1, tail_bytes = 0;

    for (;;) {
        ssize_t got = read_at(fd, window, sizeof window, good_bytes);
        if (got < 0)
            return dw_fail(DW_E_IO);
        struct dw_view in = dw_view_of(window, (size_t)got);
        struct dw_leaf leaf;
        while (take_leaf(&in, seq, &leaf)) {
            if (fn && !fn(user, seq, leaf.commitment))
                return dw_fail(DW_E_DENIED);
            seq++;
        }
        good_bytes += (size_t)got - in.len;
        tail_bytes = in.len;
        /* A leaf that the window's end cuts in two, and a tail whose length is not seen yet, begin
         * the next window. One without a leaf at its front is the tail. */
        if ((size_t)got < sizeof window || in.len == (size_t)got)
            break;
    }
    /* More than one batch cannot be torn by one power cut: what follows was once durable. */
    if (tail_bytes > BATCH_BYTES_MAX || seq < known_next_seq)
        return dw_fail(DW_E_CORRUPT);
    *ret_found = (struct dw_leaves_found){.next_seq = seq, .cut_bytes = tail_bytes};
    *ret_good_bytes = good_bytes;
    return DW_OK;
}

/* A new file's name must be durable too. */
static dw_err sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    if (!folder)
        return dw_fail(DW_E_IO);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd < 0)
        return dw_fail(DW_E_IO);
    int rc = fsync(fd);
    close(fd);
    return rc == 0 ? DW_OK : dw_fail(DW_E_IO);
}

dw_err dw_leaves_open(const char *path, uint64_t known_next_seq, struct dw_leaves **ret_leaves,
                      struct dw_leaves_found *ret_found)
{
    struct dw_leaves_found found;
    uint64_t good_bytes = 0;
    dw_err err = dw_fail(DW_E_IO);
    struct stat st;
    struct dw_leaves *l = calloc(1, sizeof *l);
    if (!l)
        return err;
    l->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    if (l->fd < 0 || fstat(l->fd, &st) != 0 || !S_ISREG(st.st_mode))
        goto out;
    if (flock(l->fd, LOCK_EX | LOCK_NB) != 0) {
        err = dw_fail(errno == EWOULDBLOCK ? DW_E_BUSY : DW_E_IO);
        goto out;
    }
    err = walk(l->fd, known_next_seq, NULL, NULL, &found, &good_bytes);
    if (dw_failed(err))
        goto out;
    if (found.cut_bytes > 0 && ftruncate(l->fd, (off_t)good_bytes) != 0) {
        err = dw_fail(DW_E_IO);
        goto out;
    }
    /* Also without a cut: leaves that were read may still be in the page cache only, when it was
     * the process that died and not the power. They are reported as found, so they must be durable.
     */
    if (fdatasync(l->fd) != 0) {
        err = dw_fail(DW_E_IO);
        goto out;
    }
    err = sync_folder_of(path);
    if (dw_failed(err))
        goto out;
    l->next_seq = found.next_seq;
    l->synced_bytes = good_bytes;
    l->batch = dw_buf_of(l->batch_bytes, sizeof l->batch_bytes);
    *ret_leaves = l;
    *ret_found = found;
    return DW_OK;
out:
    dw_leaves_close(l);
    return err;
}

dw_err dw_leaves_append(struct dw_leaves *l, struct dw_view event,
                        const uint8_t salt[DW_LEAF_SALT_BYTES], uint64_t *ret_seq)
{
    struct dw_leaf leaf = {.seq = l->next_seq};
    if (l->is_broken)
        return dw_fail(DW_E_IO);
    if (l->batch_count == DW_LEAVES_BATCH_MAX)
        return dw_fail(DW_E_BUSY);
    dw_leaf_commit(event, salt, leaf.commitment);
    DW_TRY(dw_leaf_write(&leaf, &l->batch));
    l->batch_count++;
    l->next_seq++;
    *ret_seq = leaf.seq;
    return DW_OK;
}

/* Takes the batch back: its numbers are free again. */
static void drop_batch(struct dw_leaves *l)
{
    l->next_seq -= l->batch_count;
    l->batch_count = 0;
    l->batch.len = 0;
}

static dw_err write_batch(struct dw_leaves *l)
{
    size_t done = 0;
    while (done < l->batch.len) {
        ssize_t put = pwrite(l->fd, l->batch.ptr + done, l->batch.len - done,
                             (off_t)(l->synced_bytes + done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return dw_fail(DW_E_NO_SPACE);
        done += (size_t)put;
    }
    return DW_OK;
}

dw_err dw_leaves_sync(struct dw_leaves *l)
{
    if (l->is_broken)
        return dw_fail(DW_E_IO);
    if (l->batch_count == 0)
        return DW_OK;
    if (dw_failed(write_batch(l))) {
        drop_batch(l);
        l->is_broken = ftruncate(l->fd, (off_t)l->synced_bytes) != 0;
        return dw_fail(l->is_broken ? DW_E_IO : DW_E_NO_SPACE);
    }
    if (fdatasync(l->fd) != 0) {
        /* The kernel may have dropped the pages and call them clean: asking again proves nothing.
         */
        drop_batch(l);
        l->is_broken = true;
        return dw_fail(DW_E_IO);
    }
    l->synced_bytes += l->batch.len;
    l->batch_count = 0;
    l->batch.len = 0;
    return DW_OK;
}

uint64_t dw_leaves_next_seq(const struct dw_leaves *l)
{
    return l->next_seq;
}

void dw_leaves_close(struct dw_leaves *l)
{
    if (!l)
        return;
    if (l->fd >= 0)
        close(l->fd);
    free(l);
}

dw_err dw_leaves_check(const char *path, uint64_t known_next_seq, dw_leaf_fn *fn, void *user,
                       struct dw_leaves_found *ret_found)
{
    uint64_t good_bytes;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return dw_fail(DW_E_IO);
    dw_err err = walk(fd, known_next_seq, fn, user, ret_found, &good_bytes);
    close(fd);
    return err;
}
