/* Parcels that the household expects: where a permission asks each time, the scanned barcode of one
 * of them is the yes [protocol 9 b3]. Each counts once. */
#include <string.h>

#include "hub/guard/guard.h"
#include "os/os.h"
#include "wire/fields.h"
#include "wire/text.h"

#define FACT_BYTES_MAX 320u

/* As it is compared: people write numbers in groups, scanners do not. */
static uint8_t pressed(struct dw_view code, char ret[DW_PARCEL_CODE_MAX + 1])
{
    uint8_t len = 0;
    for (size_t i = 0; i < code.len; i++) {
        uint8_t c = code.ptr[i];
        if (c == ' ')
            continue;
        if (c < 0x20 || c > 0x7e || len == DW_PARCEL_CODE_MAX)
            return 0;
        ret[len++] = (char)c;
    }
    ret[len] = 0;
    return len;
}

/* `code` as it is pressed; NULL: it is not on the list. */
static struct dw_expected *find(struct guard *g, const char *code)
{
    for (size_t i = 0; i < DW_EXPECTED_MAX; i++) {
        struct dw_expected *x = &g->expected.item[i];
        if (x->member && strcmp(x->code, code) == 0)
            return x;
    }
    return NULL;
}

static struct dw_expected *find_scanned(struct guard *g, struct dw_view code)
{
    char text[DW_PARCEL_CODE_MAX + 1];
    return pressed(code, text) > 0 ? find(g, text) : NULL;
}

bool expected_holds(struct guard *g, const uint8_t *code, size_t len)
{
    return find_scanned(g, dw_view_of(code, len)) != NULL;
}

void expected_tell(struct guard *g)
{
    static struct dw_ipc_expected m;
    m = (struct dw_ipc_expected){0};
    for (size_t i = 0; i < DW_EXPECTED_MAX; i++)
        if (g->expected.item[i].member)
            m.item[m.count++] = g->expected.item[i];
    child_send(g, CHILD_FRONT, DW_IPC_EXPECTED, &m);
}

/* ---- on the disk: [code, note, member, at] ---- */

static struct store_fact fact_of(const struct guard *g, const struct dw_expected *at,
                                 const struct dw_expected *x, uint8_t *room, size_t cap)
{
    struct dw_buf out = dw_buf_of(room, cap);
    struct dw_wr w;
    dw_wr_init(&w, &out);
    dw_wr_array(&w, 4);
    dw_wr_text_from(&w, sizeof x->code, x->code);
    dw_wr_text_from(&w, sizeof x->note, x->note);
    dw_wr_uint(&w, x->member);
    dw_wr_uint(&w, (uint64_t)x->at_utc_ms);
    DW_ASSERT(!dw_failed(dw_wr_end(&w)));
    return (struct store_fact){STORE_FACT_EXPECTED, (uint64_t)(at - g->expected.item) + 1,
                               dw_view_of_buf(&out)};
}

static void load(void *ctx, struct dw_view bytes, struct dw_view unused, int64_t number,
                 int64_t unused2)
{
    struct guard *g = ctx;
    struct dw_expected x = {0};
    uint64_t at = 0;
    struct dw_rd r;
    (void)unused, (void)unused2;
    dw_rd_init(&r, bytes);
    dw_rd_array(&r, 4);
    dw_rd_text_into(&r, sizeof x.code, x.code);
    dw_rd_text_into(&r, sizeof x.note, x.note);
    dw_rd_u32(&r, &x.member);
    dw_rd_uint(&r, INT64_MAX, &at);
    if (dw_failed(dw_rd_end(&r)) || number < 1 || number > (int64_t)DW_EXPECTED_MAX) {
        dw_log("error", "expected", "stored=unreadable");
        return;
    }
    x.at_utc_ms = (int64_t)at;
    g->expected.item[number - 1] = x;
}

void expected_start(struct guard *g)
{
    memset(&g->expected, 0, sizeof g->expected);
    store_each_fact(g->store, STORE_FACT_EXPECTED, load, g);
}

/* ---- changes ---- */

static enum dw_people_no change(struct guard *g, struct dw_expected *place, struct dw_expected now,
                                uint32_t member, const struct dw_ipc_people_answer *a)
{
    uint8_t room[FACT_BYTES_MAX];
    uint32_t is_more = now.member != 0;
    people_begin(g);
    g->expected.pending = now;
    g->expected.pending_at = (uint32_t)(place - g->expected.item) + 1;
    struct store_fact f =
        is_more ? fact_of(g, place, &now, room, sizeof room)
                : (struct store_fact){STORE_FACT_EXPECTED, g->expected.pending_at, {NULL, 0}};
    enum dw_people_no no =
        people_line(g, DW_STORY_GRANT, DW_GRANT_CHANGE_EXPECTED, is_more, member, &f, 1, a);
    if (no != DW_PEOPLE_NO_NONE)
        g->expected.pending_at = 0;
    return no;
}

enum dw_people_no expected_add(struct guard *g, const struct dw_ipc_people_ask *m,
                               const struct dw_ipc_people_answer *a)
{
    struct dw_expected x = {.member = m->member, .at_utc_ms = people_utc(g)}, *place = NULL;
    if (people_role(g, m->member) == DW_MEMBER_NONE)
        return DW_PEOPLE_NO_ROLE;
    if (pressed(dw_text_of(m->text, sizeof m->text), x.code) == 0)
        return DW_PEOPLE_NO_BARCODE;
    memcpy(x.note, m->name, sizeof x.note);
    if (!dw_text_is_utf8(dw_text_of(x.note, sizeof x.note)) ||
        dw_text_of(x.note, sizeof x.note).len == sizeof x.note)
        return DW_PEOPLE_NO_NAME;
    if (find(g, x.code))
        return DW_PEOPLE_NO_NONE; /* it is on the list */
    for (size_t i = 0; i < DW_EXPECTED_MAX && !place; i++)
        place = g->expected.item[i].member ? NULL : &g->expected.item[i];
    return place ? change(g, place, x, m->member, a) : DW_PEOPLE_NO_FULL;
}

enum dw_people_no expected_remove(struct guard *g, const struct dw_ipc_people_ask *m,
                                  const struct dw_ipc_people_answer *a)
{
    if (people_role(g, m->member) == DW_MEMBER_NONE)
        return DW_PEOPLE_NO_ROLE;
    struct dw_expected *x = find_scanned(g, dw_text_of(m->text, sizeof m->text));
    return x ? change(g, x, (struct dw_expected){0}, m->member, a) : DW_PEOPLE_NO_NO_SUCH;
}

void expected_decided(struct guard *g, bool is_durable)
{
    if (g->expected.pending_at > 0 && is_durable) {
        g->expected.item[g->expected.pending_at - 1] = g->expected.pending;
        expected_tell(g);
    }
    g->expected.pending_at = 0;
}

bool expected_use(struct guard *g, const uint8_t *code, size_t len, struct store_fact *ret_fact)
{
    struct dw_expected *x = find_scanned(g, dw_view_of(code, len));
    if (!x)
        return false;
    *ret_fact =
        (struct store_fact){STORE_FACT_EXPECTED, (uint64_t)(x - g->expected.item) + 1, {NULL, 0}};
    *x = (struct dw_expected){0};
    expected_tell(g);
    return true;
}
