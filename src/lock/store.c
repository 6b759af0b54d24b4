#include "lock/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "os/os.h"

#define FILE_NAME      "lock.state"
#define TEXT_BYTES_MAX 512u

/* One line of figures and one with the hash of it: a torn or edited file is told from a good one.
 */
static size_t write_text(const struct dw_lock_facts *f, char *ret_text, size_t cap)
{
    uint8_t hash[DW_HASH_BYTES];
    char hex[2 * DW_HASH_BYTES + 1];
    int n = snprintf(ret_text, cap,
                     "doorward-lock-state 1 epoch=%" PRIu32 " counter=%" PRIu32 " op_count=%" PRIu32
                     " opening_count=%" PRIu32 " boot_count=%" PRIu32 " is_moving=%d\n",
                     f->epoch, f->counter, f->op_count, f->opening_count, f->boot_count,
                     f->is_moving ? 1 : 0);
    DW_ASSERT(n > 0 && (size_t)n < cap);
    dw_sha256(dw_view_of(ret_text, (size_t)n), hash);
    dw_hex(hash, sizeof hash, hex);
    int m = snprintf(ret_text + n, cap - (size_t)n, "%s\n", hex);
    DW_ASSERT(m > 0 && (size_t)m < cap - (size_t)n);
    return (size_t)n + (size_t)m;
}

static dw_err read_text(const char *text, size_t len, struct dw_lock_facts *ret_facts)
{
    struct dw_lock_facts f = {0};
    char again[TEXT_BYTES_MAX];
    int is_moving = 0;

    if (sscanf(text,
               "doorward-lock-state 1 epoch=%" SCNu32 " counter=%" SCNu32 " op_count=%" SCNu32
               " opening_count=%" SCNu32 " boot_count=%" SCNu32 " is_moving=%d\n",
               &f.epoch, &f.counter, &f.op_count, &f.opening_count, &f.boot_count, &is_moving) != 6)
        return dw_fail(DW_E_CORRUPT);
    f.is_moving = is_moving != 0;
    /* one form only: what these figures would be written as must be what was read */
    if (write_text(&f, again, sizeof again) != len || memcmp(again, text, len) != 0)
        return dw_fail(DW_E_CORRUPT);
    *ret_facts = f;
    return DW_OK;
}

dw_err dw_lock_store_open(struct dw_lock_store *s, const char *folder,
                          struct dw_lock_facts *ret_facts)
{
    char text[TEXT_BYTES_MAX] = {0};
    struct dw_buf b = dw_buf_of(text, sizeof text - 1);
    struct dw_lock_facts f = {.epoch = 1};

    *s = (struct dw_lock_store){0};
    DW_TRY(dw_folder(folder));
    DW_TRY(dw_path(s->path, sizeof s->path, folder, FILE_NAME));
    if (access(s->path, F_OK) == 0) {
        dw_err e = dw_file_read(s->path, &b);
        if (dw_is(e, DW_E_TOO_LARGE))
            return dw_fail(DW_E_CORRUPT);
        DW_TRY(e);
        DW_TRY(read_text(text, b.len, &f));
    }
    s->saved = f;
    *ret_facts = f;
    return DW_OK;
}

dw_err dw_lock_store_save(struct dw_lock_store *s, const struct dw_lock_facts *facts)
{
    char text[TEXT_BYTES_MAX];
    const struct dw_lock_facts *was = &s->saved;

    DW_ASSERT(facts->epoch >= was->epoch && facts->op_count >= was->op_count &&
              facts->opening_count >= was->opening_count && facts->boot_count >= was->boot_count &&
              (facts->epoch > was->epoch || facts->counter >= was->counter));
    if (facts->epoch == was->epoch && facts->counter == was->counter &&
        facts->op_count == was->op_count && facts->opening_count == was->opening_count &&
        facts->boot_count == was->boot_count && facts->is_moving == was->is_moving)
        return DW_OK;
    size_t len = write_text(facts, text, sizeof text);
    DW_TRY(dw_file_write(s->path, dw_view_of(text, len), 0600));
    s->saved = *facts;
    return DW_OK;
}
