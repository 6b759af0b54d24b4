/* Who lives here: members, passkeys, invitations, recovery, and the acts that need a passkey.
 *
 * The front is not believed: each assertion and registration is checked here, over a challenge that
 * was given for exactly this act, once [I3, I8]. What changes is durable before it is answered; one
 * change at a time is on its way, so that a write that fails puts the book back as it was. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hub/guard/guard.h"
#include "os/os.h"
#include "wire/cbor.h"
#include "wire/text.h"

#define CHALLENGE_MS      300000u
#define STRANGERS_MAX     48u /* challenges of people whom nobody knows yet */
#define STRANGER_MS       60000u
#define EACH_MEMBER_MAX   4u
#define INVITE_MS         (INT64_C(7) * 86400000)
#define GUEST_INVITE_MS   (INT64_C(3) * 86400000)
#define PASSKEY_INVITE_MS INT64_C(3600000)
#define OWNER_INVITE_MS   INT64_C(86400000)
#define PRESENCE_MS       300000u
#define MOVING_IN_MS      900000u
#define RECOVERY_SAVE_MS  60000u
#define HOUR_MS           UINT64_C(3600000)
#define INVITE_FIRST      UINT32_MAX
#define INVITE_RECOVERY   (UINT32_MAX - 1)
#define TOKEN_CHARS       43u
#define CODE_CHARS        20u
#define FACT_VERSION      1u
/* [I45] How often one may be wrong: at once, and one more every so many ms. */
#define ASK_CREDIT       200u
#define ASK_EACH_MS      20u
#define STRANGER_CREDIT  30u
#define STRANGER_EACH_MS 2000u
#define MEMBER_CREDIT    10u
#define MEMBER_EACH_MS   6000u
#define RECOVER_CREDIT   3u
#define RECOVER_EACH_MS  60000u

/* ---- the book ---- */

static struct member *member_of(const struct guard *g, uint32_t id)
{
    for (size_t i = 0; i < DW_MEMBERS_MAX && id != 0; i++) {
        if (g->people.book.member[i].id == id)
            return (struct member *)(uintptr_t)&g->people.book.member[i];
    }
    return NULL;
}

enum dw_member_role people_role(const struct guard *g, uint32_t member)
{
    const struct member *m = member_of(g, member);
    return m && m->role != DW_MEMBER_GUEST ? (enum dw_member_role)m->role : DW_MEMBER_NONE;
}

bool people_is_guest(const struct guard *g, uint32_t member)
{
    const struct member *m = member_of(g, member);
    return m && m->role == DW_MEMBER_GUEST;
}

const char *people_name(const struct guard *g, uint32_t member)
{
    const struct member *m = member_of(g, member);
    return m ? m->name : "";
}

int64_t people_utc(const struct guard *g)
{
    struct dw_utc now = guard_wall(g);
    return dw_utc_is_known(now) ? now.lo_ms + (now.hi_ms - now.lo_ms) / 2 : 0;
}

static uint32_t passkeys_of(const struct book *b, uint32_t member)
{
    uint32_t n = 0;
    for (size_t i = 0; i < DW_CREDENTIALS_MAX; i++)
        n += b->credential[i].number != 0 && b->credential[i].member == member;
    return n;
}

static uint32_t members_in(const struct book *b, enum dw_member_role role)
{
    uint32_t n = 0;
    for (size_t i = 0; i < DW_MEMBERS_MAX; i++)
        n += b->member[i].id != 0 && (role == DW_MEMBER_NONE || b->member[i].role == role);
    return n;
}

/* Guests and those who live here never take each other's places. */
static bool has_room(const struct book *b, uint8_t role)
{
    uint32_t guests = members_in(b, DW_MEMBER_GUEST);
    return role == DW_MEMBER_GUEST ? guests < DW_GUESTS_MAX
                                   : members_in(b, DW_MEMBER_NONE) - guests < DW_RESIDENTS_MAX;
}

static bool has_key_room(const struct book *b, uint8_t role)
{
    uint32_t keys = 0; /* of those who live here */
    for (size_t i = 0; i < DW_MEMBERS_MAX; i++) {
        if (b->member[i].id != 0 && b->member[i].role != DW_MEMBER_GUEST)
            keys += passkeys_of(b, b->member[i].id);
    }
    return role == DW_MEMBER_GUEST || keys < DW_CREDENTIALS_MAX - DW_GUESTS_MAX;
}

static struct credential *credential_by_id(struct guard *g, const uint8_t *id, size_t len)
{
    for (size_t i = 0; i < DW_CREDENTIALS_MAX; i++) {
        struct credential *c = &g->people.book.credential[i];
        if (c->number != 0 && len > 0 && c->key.id_len == len && dw_same(c->key.id, id, len))
            return c;
    }
    return NULL;
}

static struct credential *credential_by_number(struct guard *g, uint32_t number)
{
    for (size_t i = 0; i < DW_CREDENTIALS_MAX && number != 0; i++) {
        if (g->people.book.credential[i].number == number)
            return &g->people.book.credential[i];
    }
    return NULL;
}

static bool is_over(const struct guard *g, const struct invite *v)
{
    struct dw_utc now = guard_wall(g);
    return v->until_ms != 0 && dw_utc_is_known(now) && now.hi_ms >= v->until_ms;
}

static struct invite *invite_by_number(struct guard *g, uint32_t number)
{
    for (size_t i = 0; i < DW_INVITES_MAX && number != 0; i++) {
        if (g->people.book.invite[i].number == number)
            return &g->people.book.invite[i];
    }
    return NULL;
}

/* A place for one more; an invitation that has run out gives way. */
static struct invite *invite_place(struct guard *g)
{
    struct invite *over = NULL;
    for (size_t i = 0; i < DW_INVITES_MAX; i++) {
        struct invite *v = &g->people.book.invite[i];
        if (v->number == 0)
            return v;
        if (is_over(g, v))
            over = v;
    }
    return over;
}

static struct member *member_place(struct guard *g)
{
    for (size_t i = 0; i < DW_MEMBERS_MAX; i++) {
        if (g->people.book.member[i].id == 0)
            return &g->people.book.member[i];
    }
    return NULL;
}

static struct credential *credential_place(struct guard *g)
{
    for (size_t i = 0; i < DW_CREDENTIALS_MAX; i++) {
        if (g->people.book.credential[i].number == 0)
            return &g->people.book.credential[i];
    }
    return NULL;
}

/* A name as people may see it: plain text of at least one byte that fits. */
static bool take_name(char ret[DW_NAME_MAX], const char *text, size_t cap)
{
    struct dw_view v = dw_text_of(text, cap);
    if (v.len == 0 || v.len >= cap || v.len >= DW_NAME_MAX || !dw_text_is_plain(v))
        return false;
    memset(ret, 0, DW_NAME_MAX);
    memcpy(ret, v.ptr, v.len);
    return true;
}

/* ---- tokens and codes ---- */

static void token_new(char ret_token[48], uint8_t ret_hash[32])
{
    uint8_t bytes[32];
    dw_random(bytes, sizeof bytes);
    memset(ret_token, 0, 48);
    dw_base64url(bytes, sizeof bytes, ret_token, 48);
    static const char context[] = "doorward/token/1";
    dw_sha256_2(dw_view_of(context, sizeof context), dw_view_of(ret_token, TOKEN_CHARS), ret_hash);
}

static bool token_hash(const char *token, size_t cap, uint8_t ret_hash[32])
{
    static const char context[] = "doorward/token/1";
    struct dw_view v = dw_text_of(token, cap);
    if (v.len != TOKEN_CHARS)
        return false;
    dw_sha256_2(dw_view_of(context, sizeof context), v, ret_hash);
    return true;
}

/* 20 characters: 100 bits. */
static void code_hash(const char code[CODE_CHARS], uint8_t ret_hash[32])
{
    static const char context[] = "doorward/recovery/1";
    dw_sha256_2(dw_view_of(context, sizeof context), dw_view_of(code, CODE_CHARS), ret_hash);
}

static void code_new(struct book *b, char *ret_text, size_t cap)
{
    uint8_t bytes[CODE_CHARS];
    char code[CODE_CHARS];
    dw_random(bytes, sizeof bytes);
    for (size_t i = 0; i < CODE_CHARS; i++)
        code[i] = DW_CODE_LETTERS[bytes[i] & 31];
    code_hash(code, b->code_hash);
    b->has_code = true;
    (void)snprintf(ret_text, cap, "%.5s-%.5s-%.5s-%.5s", code, code + 5, code + 10, code + 15);
}

static bool code_fits(const struct book *b, const char *text, size_t cap)
{
    char code[CODE_CHARS];
    uint8_t hash[32];
    if (!b->has_code || !dw_text_code(dw_text_of(text, cap), CODE_CHARS, code))
        return false;
    code_hash(code, hash);
    return dw_same(hash, b->code_hash, 32);
}

/* ---- what is stored ---- */

/* The facts of one change, and room for their bytes. */
struct change {
    struct store_fact fact[STORE_FACTS_MAX];
    uint32_t count;
    uint8_t room[4096 + DW_GRANTS_MAX * STATE_FACT_MAX];
    size_t used;
};

static void add(struct change *c, enum store_fact_kind kind, uint64_t number, size_t len)
{
    DW_ASSERT(c->count < STORE_FACTS_MAX && c->used + len <= sizeof c->room);
    c->fact[c->count++] =
        (struct store_fact){(uint8_t)kind, number, dw_view_of(c->room + c->used, len)};
    c->used += len;
}

static void forget(struct change *c, enum store_fact_kind kind, uint64_t number)
{
    DW_ASSERT(c->count < STORE_FACTS_MAX);
    c->fact[c->count++] = (struct store_fact){.kind = (uint8_t)kind, .number = number};
}

static struct dw_buf rest(struct change *c)
{
    return dw_buf_of(c->room + c->used, sizeof c->room - c->used);
}

static void put_member(struct change *c, const struct member *m)
{
    struct dw_buf b = rest(c);
    struct dw_wr w;
    dw_wr_init(&w, &b);
    dw_wr_array(&w, 5);
    dw_wr_uint(&w, FACT_VERSION);
    dw_wr_uint(&w, m->role);
    dw_wr_bytes(&w, m->user, sizeof m->user);
    dw_wr_int(&w, m->since_ms);
    dw_wr_text_from(&w, sizeof m->name, m->name);
    DW_ASSERT(!dw_failed(dw_wr_end(&w)));
    add(c, STORE_FACT_MEMBER, m->id, b.len);
}

static void load_member(void *ctx, struct dw_view bytes, struct dw_view unused, int64_t id,
                        int64_t unused2)
{
    struct guard *g = ctx;
    struct member m = {.id = (uint32_t)id}, *place = member_place(g);
    uint64_t version;
    struct dw_rd r;
    (void)unused, (void)unused2;
    dw_rd_init(&r, bytes);
    dw_rd_array(&r, 5);
    dw_rd_uint(&r, FACT_VERSION, &version);
    dw_rd_enum(&r, DW_MEMBER_COUNT, &m.role);
    dw_rd_bytes(&r, m.user, sizeof m.user);
    dw_rd_int(&r, 0, INT64_MAX, &m.since_ms);
    dw_rd_text_into(&r, sizeof m.name, m.name);
    if (dw_failed(dw_rd_end(&r)) || !place)
        dw_log("error", "people", "member=unreadable");
    else
        *place = m;
}

static void put_credential(struct change *c, const struct credential *k)
{
    struct dw_buf b = rest(c);
    struct dw_wr w;
    dw_wr_init(&w, &b);
    dw_wr_array(&w, 11);
    dw_wr_uint(&w, FACT_VERSION);
    dw_wr_uint(&w, k->member);
    dw_wr_uint(&w, k->key.alg);
    dw_wr_bytes(&w, k->key.id, k->key.id_len);
    dw_wr_bytes(&w, k->key.key, k->key.key_len);
    dw_wr_bool(&w, k->key.is_eligible != 0);
    dw_wr_bool(&w, k->key.is_synced != 0);
    dw_wr_uint(&w, k->key.sign_count);
    dw_wr_int(&w, k->added_ms);
    dw_wr_int(&w, k->used_ms);
    dw_wr_text_from(&w, sizeof k->label, k->label);
    DW_ASSERT(!dw_failed(dw_wr_end(&w)));
    add(c, STORE_FACT_PASSKEY, k->number, b.len);
}

static void load_credential(void *ctx, struct dw_view bytes, struct dw_view unused, int64_t number,
                            int64_t unused2)
{
    struct guard *g = ctx;
    struct credential k = {.number = (uint32_t)number}, *place = credential_place(g);
    struct dw_view id = {0}, key = {0};
    bool is_eligible = false, is_synced = false;
    uint64_t version;
    struct dw_rd r;
    (void)unused, (void)unused2;
    dw_rd_init(&r, bytes);
    dw_rd_array(&r, 11);
    dw_rd_uint(&r, FACT_VERSION, &version);
    dw_rd_u32(&r, &k.member);
    dw_rd_u8(&r, &k.key.alg);
    dw_rd_bytes_upto(&r, sizeof k.key.id, &id);
    dw_rd_bytes_upto(&r, sizeof k.key.key, &key);
    dw_rd_bool(&r, &is_eligible);
    dw_rd_bool(&r, &is_synced);
    dw_rd_u32(&r, &k.key.sign_count);
    dw_rd_int(&r, 0, INT64_MAX, &k.added_ms);
    dw_rd_int(&r, 0, INT64_MAX, &k.used_ms);
    dw_rd_text_into(&r, sizeof k.label, k.label);
    if (dw_failed(dw_rd_end(&r)) || !place) {
        dw_log("error", "people", "passkey=unreadable");
        return;
    }
    k.key.id_len = (uint8_t)id.len;
    k.key.key_len = (uint8_t)key.len;
    memcpy(k.key.id, id.ptr, id.len);
    memcpy(k.key.key, key.ptr, key.len);
    k.key.is_eligible = is_eligible;
    k.key.is_synced = is_synced;
    *place = k;
}

static void put_invite(struct change *c, const struct invite *v)
{
    struct dw_buf b = rest(c);
    struct dw_wr w;
    dw_wr_init(&w, &b);
    dw_wr_array(&w, 6);
    dw_wr_uint(&w, FACT_VERSION);
    dw_wr_uint(&w, v->member);
    dw_wr_uint(&w, v->role);
    dw_wr_bytes(&w, v->token_hash, 32);
    dw_wr_int(&w, v->until_ms);
    dw_wr_text_from(&w, sizeof v->name, v->name);
    DW_ASSERT(!dw_failed(dw_wr_end(&w)));
    add(c, STORE_FACT_INVITE, v->number, b.len);
}

static void load_invite(void *ctx, struct dw_view bytes, struct dw_view unused, int64_t number,
                        int64_t unused2)
{
    struct guard *g = ctx;
    struct invite v = {.number = (uint32_t)number}, *place = invite_place(g);
    uint64_t version;
    struct dw_rd r;
    (void)unused, (void)unused2;
    dw_rd_init(&r, bytes);
    dw_rd_array(&r, 6);
    dw_rd_uint(&r, FACT_VERSION, &version);
    dw_rd_u32(&r, &v.member);
    dw_rd_enum(&r, DW_MEMBER_COUNT, &v.role);
    dw_rd_bytes(&r, v.token_hash, 32);
    dw_rd_int(&r, 0, INT64_MAX, &v.until_ms);
    dw_rd_text_into(&r, sizeof v.name, v.name);
    if (dw_failed(dw_rd_end(&r)) || !place)
        dw_log("error", "people", "invitation=unreadable");
    else
        *place = v;
}

struct store_fact people_house_fact(const struct guard *g, uint8_t *room, size_t cap)
{
    const struct book *b = &g->people.book;
    struct dw_buf out = dw_buf_of(room, cap);
    struct dw_wr w;
    dw_wr_init(&w, &out);
    dw_wr_array(&w, 12);
    dw_wr_uint(&w, FACT_VERSION);
    dw_wr_uint(&w, b->next_member);
    dw_wr_uint(&w, b->next_credential);
    dw_wr_uint(&w, b->next_invite);
    dw_wr_uint(&w, b->next_wish);
    dw_wr_uint(&w, b->epoch);
    dw_wr_uint(&w, b->camera_mode);
    dw_wr_bytes(&w, b->code_hash, b->has_code ? 32 : 0);
    dw_wr_bool(&w, b->is_recovering);
    dw_wr_bytes(&w, b->recovery_hash, b->is_recovering ? 32 : 0);
    dw_wr_uint(&w, b->recovery_left_ms);
    dw_wr_uint(&w, b->epoch_least);
    DW_ASSERT(!dw_failed(dw_wr_end(&w)));
    return (struct store_fact){.kind = STORE_FACT_HOUSE, .bytes = dw_view_of(room, out.len)};
}

static void put_house(struct guard *g, struct change *c)
{
    struct store_fact f = people_house_fact(g, c->room + c->used, sizeof c->room - c->used);
    add(c, STORE_FACT_HOUSE, 0, f.bytes.len);
}

static bool load_house(struct guard *g)
{
    struct book *b = &g->people.book;
    uint8_t bytes[512];
    struct dw_buf in = dw_buf_of(bytes, sizeof bytes);
    struct dw_view code = {0}, hash = {0};
    uint32_t items = 0;
    uint64_t version;
    struct dw_rd r;
    dw_err e = store_fact(g->store, STORE_FACT_HOUSE, 0, &in);
    if (dw_is(e, DW_E_NOT_FOUND))
        return true;
    dw_rd_init(&r, dw_view_of_buf(&in));
    dw_rd_array_upto(&r, 11, 12, &items); /* the last came later */
    dw_rd_uint(&r, FACT_VERSION, &version);
    dw_rd_u32(&r, &b->next_member);
    dw_rd_u32(&r, &b->next_credential);
    dw_rd_u32(&r, &b->next_invite);
    dw_rd_u64(&r, &b->next_wish);
    dw_rd_u32(&r, &b->epoch);
    dw_rd_enum(&r, DW_MODE_COUNT, &b->camera_mode);
    dw_rd_bytes_upto(&r, 32, &code);
    dw_rd_bool(&r, &b->is_recovering);
    dw_rd_bytes_upto(&r, 32, &hash);
    dw_rd_u64(&r, &b->recovery_left_ms);
    if (items > 11)
        dw_rd_u32(&r, &b->epoch_least);
    if (dw_failed(e) || dw_failed(dw_rd_end(&r)))
        return false;
    b->has_code = code.len == 32;
    if (b->has_code)
        memcpy(b->code_hash, code.ptr, 32);
    b->is_recovering = b->is_recovering && hash.len == 32;
    if (b->is_recovering)
        memcpy(b->recovery_hash, hash.ptr, 32);
    return true;
}

/* ---- one change at a time ---- */

static void answer_ask(struct guard *g, const struct dw_ipc_people_ask *m);

static void answer(struct guard *g, struct dw_ipc_people_answer *a)
{
    if (a->no != DW_PEOPLE_NO_NONE) /* a refusal carries nothing but its reason, and when */
        *a = (struct dw_ipc_people_answer){
            .ticket = a->ticket, .op = a->op, .no = a->no, .until_utc_ms = a->until_utc_ms};
    child_send(g, CHILD_FRONT, DW_IPC_PEOPLE_ANSWER, a);
    memset(a, 0, sizeof *a); /* it may have held a token */
}

static void first_owner_file(const struct guard *g, char *ret_path, size_t cap)
{
    if (dw_failed(dw_path(ret_path, cap, g->set.state, "first-owner")))
        ret_path[0] = 0;
}

/* What follows from a change that is durable now. */
static void changed(struct guard *g)
{
    struct people *p = &g->people;
    char path[512];
    if (p->has_first && members_in(&p->book, DW_MEMBER_NONE) > 0) {
        p->has_first = false;
        first_owner_file(g, path, sizeof path);
        (void)unlink(path);
    }
    for (size_t i = 0; i < DW_MEMBERS_MAX; i++) { /* who is gone is told nothing any more */
        uint32_t id = p->before.member[i].id;
        struct dw_ipc_alert_set m = {.member = id, .word = DW_ALERT_FORGET};
        if (id != 0 && !member_of(g, id))
            child_send(g, CHILD_ALERT, DW_IPC_ALERT_SET, &m);
    }
    if (p->before.camera_mode != p->book.camera_mode) {
        struct dw_event ev = {.type = DW_EV_MODE, .value = p->book.camera_mode == DW_MODE_AWAY};
        guard_feed(g, &ev);
        house_tell_live(g, false);
        show_state(g, true);
    }
    devices_changed(g);
    people_tell(g);
    authority_tell(g);
    guests_tidy(g);
}

static void drain(struct guard *g)
{
    struct people *p = &g->people;
    while (!p->is_writing && p->waiting_count > 0) {
        struct dw_ipc_people_ask m = p->waiting[0];
        p->waiting_count--;
        memmove(&p->waiting[0], &p->waiting[1], p->waiting_count * sizeof p->waiting[0]);
        answer_ask(g, &m);
    }
}

static void on_written(void *ctx, dw_err err, uint64_t leaf)
{
    struct guard *g = ctx;
    struct people *p = &g->people;
    (void)leaf;
    p->is_writing = false;
    if (dw_failed(err)) {
        p->book = p->before;
        p->answer.no = DW_PEOPLE_NO_STORAGE;
        house_decided(g, false);
    } else {
        house_decided(g, true);
        changed(g);
    }
    answer(g, &p->answer);
    drain(g);
}

void people_begin(struct guard *g)
{
    DW_ASSERT(!g->people.is_writing);
    g->people.before = g->people.book;
}

enum dw_people_no people_write(struct guard *g, struct store_write *w,
                               const struct dw_ipc_people_answer *a)
{
    struct people *p = &g->people;
    struct store_fact facts[STORE_FACTS_MAX];
    uint8_t detail[12 + 32];
    w->done = on_written;
    w->ctx = g;
    if (p->evidence_len > 0) { /* who signed it, and what: the event has its hash */
        struct dw_view evidence = dw_view_of(p->evidence, p->evidence_len);
        DW_ASSERT(w->detail.len == 12 && w->fact_count < STORE_FACTS_MAX && w->story != 0);
        memcpy(detail, w->detail.ptr, 12);
        dw_sha256(evidence, detail + 12);
        w->detail = dw_view_of(detail, sizeof detail);
        for (uint32_t i = 0; i < w->fact_count; i++)
            facts[i] = w->facts[i];
        facts[w->fact_count] = (struct store_fact){STORE_FACT_EVIDENCE, w->story, evidence};
        w->facts = facts;
        w->fact_count++;
    }
    if (dw_failed(store_write(g->store, w))) {
        p->book = p->before;
        house_decided(g, false);
        return DW_PEOPLE_NO_STORAGE;
    }
    p->is_writing = true;
    p->answer = *a;
    return DW_PEOPLE_NO_NONE;
}

enum dw_people_no people_line(struct guard *g, enum dw_story kind, uint32_t value, uint32_t value2,
                              uint32_t member, const struct store_fact *facts, uint32_t fact_count,
                              const struct dw_ipc_people_answer *a)
{
    uint8_t detail[12];
    struct store_write w = {
        .kind = (uint8_t)kind,
        .at = guard_wall(g),
        .boot_ms = dw_now().ms,
        .detail = dw_view_of(detail, tell_detail(detail, value, value2, member)),
        .story = g->story_number + 1,
        .facts = facts,
        .fact_count = fact_count,
    };
    enum dw_people_no no = people_write(g, &w, a);
    g->telling = 0;
    if (no == DW_PEOPLE_NO_NONE)
        show_story(g, kind, value, value2, member);
    return no;
}

/* A change of people: facts, one event, the answer when both are durable. */
static enum dw_people_no commit(struct guard *g, struct change *c, enum dw_people_change what,
                                uint32_t about, uint32_t by, const struct dw_ipc_people_answer *a)
{
    g->people.book.epoch++; /* each change of people is an epoch of its own */
    if (what == DW_CHANGE_RECOVERED)
        g->people.book.epoch_least = g->people.book.epoch;
    put_house(g, c);
    return people_line(g, DW_STORY_PEOPLE, what, about, by, c->fact, c->count, a);
}

/* ---- challenges ---- */

static struct challenge *challenge_place(struct guard *g, uint32_t member)
{
    struct people *p = &g->people;
    struct challenge *free_place = NULL, *oldest = NULL;
    uint32_t mine = 0;
    dw_mono now = dw_now();
    for (size_t i = 0; i < CHALLENGES_MAX; i++) {
        struct challenge *c = &p->challenge[i];
        if (c->act != DW_ACT_NONE && c->expires.ms <= now.ms)
            *c = (struct challenge){0};
        if (c->act == DW_ACT_NONE) {
            free_place = c;
        } else if (c->member == member) {
            mine++;
            if (!oldest || c->expires.ms < oldest->expires.ms)
                oldest = c;
        }
    }
    if (mine < (member ? EACH_MEMBER_MAX : STRANGERS_MAX))
        return free_place;
    /* A member pushes out their own only; a stranger only one that has had its time. */
    if (oldest && (member || oldest->expires.ms + STRANGER_MS <= now.ms + CHALLENGE_MS))
        return oldest;
    return NULL;
}

static struct challenge *challenge_new(struct guard *g, enum dw_act act, uint32_t member)
{
    struct challenge *c = challenge_place(g, member);
    if (!c)
        return NULL;
    *c = (struct challenge){.act = (uint8_t)act, .member = member};
    dw_random(c->bytes, 32);
    c->expires = dw_mono_add(dw_now(), CHALLENGE_MS);
    return c;
}

/* First match deletes, whatever comes of it [protocol 4.3]. False: none, or too old. */
static bool challenge_take(struct guard *g, const uint8_t bytes[32], struct challenge *ret)
{
    for (size_t i = 0; i < CHALLENGES_MAX; i++) {
        struct challenge *c = &g->people.challenge[i];
        if (c->act == DW_ACT_NONE || !dw_same(c->bytes, bytes, 32))
            continue;
        *ret = *c;
        *c = (struct challenge){0};
        return ret->expires.ms > dw_now().ms;
    }
    return false;
}

/* ---- what a device has signed ---- */

static struct dw_view upto(const uint8_t *bytes, uint16_t len, size_t cap)
{
    return dw_view_of(bytes, len <= cap ? len : 0);
}

static struct dw_passkey_want want_of(const struct guard *g, const struct challenge *c)
{
    return (struct dw_passkey_want){g->people.origin, g->people.rp_id, c->bytes};
}

/* DENIED has several reasons; that of the person is worth a word of its own. */
static enum dw_people_no reason(dw_err e, bool has_flags, uint8_t flags)
{
    if (!dw_is(e, DW_E_DENIED))
        return DW_PEOPLE_NO_PASSKEY;
    return has_flags && (flags & 0x05) != 0x05 ? DW_PEOPLE_NO_VERIFICATION : DW_PEOPLE_NO_ORIGIN;
}

static enum dw_people_no verify(struct guard *g, const struct dw_ipc_people_ask *m,
                                const struct challenge *c, struct credential **ret)
{
    struct credential *k = m->credential_len <= sizeof m->credential
                               ? credential_by_id(g, m->credential, m->credential_len)
                               : NULL;
    if (!k || (c->member != 0 && k->member != c->member) || !member_of(g, k->member))
        return DW_PEOPLE_NO_PASSKEY;
    if (!house_takes_alg(g, k->key.alg)) { /* [I15] */
        dw_log("warn", "passkey", "refused=version");
        return DW_PEOPLE_NO_PASSKEY;
    }
    struct dw_passkey_want want = want_of(g, c);
    struct dw_passkey key = k->key;
    dw_err e = dw_passkey_check(&want, &key,
                                upto(m->client_data, m->client_data_len, sizeof m->client_data),
                                upto(m->auth, m->auth_len, sizeof m->auth),
                                upto(m->signature, m->signature_len, sizeof m->signature));
    if (dw_failed(e))
        return reason(e, m->auth_len > 32 && m->auth_len <= sizeof m->auth, m->auth[32]);
    k->key = key;
    k->used_ms = people_utc(g);
    *ret = k;
    return DW_PEOPLE_NO_NONE;
}

/* When it was used last is worth keeping, but nobody waits for it. */
static void remember_use(struct guard *g, const struct credential *k)
{
    struct change c = {0};
    if (!k)
        return;
    put_credential(&c, k);
    struct store_write w = {.facts = c.fact, .fact_count = c.count};
    (void)store_write(g->store, &w);
}

/* ---- invitations ---- */

struct ticket { /* what a token lets somebody do */
    uint32_t invite, member;
    uint8_t role;
    bool is_first;
    int64_t until_ms;
    const char *name;
};

static enum dw_people_no token_of(struct guard *g, const char *token, size_t cap,
                                  struct ticket *ret)
{
    struct people *p = &g->people;
    uint8_t hash[32];
    *ret = (struct ticket){.name = ""};
    if (!token_hash(token, cap, hash))
        return DW_PEOPLE_NO_TOKEN;
    if (p->has_first && dw_same(hash, p->first_hash, 32)) {
        *ret = (struct ticket){
            .invite = INVITE_FIRST, .role = DW_MEMBER_OWNER, .is_first = true, .name = ""};
        return DW_PEOPLE_NO_NONE;
    }
    if (p->book.is_recovering && dw_same(hash, p->book.recovery_hash, 32)) {
        *ret = (struct ticket){.invite = INVITE_RECOVERY, .role = DW_MEMBER_OWNER, .name = ""};
        if (p->book.recovery_left_ms > 0) {
            ret->until_ms = people_utc(g) + (int64_t)p->book.recovery_left_ms;
            return DW_PEOPLE_NO_RECOVERY;
        }
        return DW_PEOPLE_NO_NONE;
    }
    for (size_t i = 0; i < DW_INVITES_MAX; i++) {
        const struct invite *v = &p->book.invite[i];
        if (v->number == 0 || !dw_same(hash, v->token_hash, 32) || is_over(g, v))
            continue;
        *ret = (struct ticket){.invite = v->number,
                               .member = v->member,
                               .role = v->role,
                               .until_ms = v->until_ms,
                               .name = v->name};
        return DW_PEOPLE_NO_NONE;
    }
    return DW_PEOPLE_NO_TOKEN;
}

static enum dw_people_no do_look(struct guard *g, const struct dw_ipc_people_ask *m,
                                 struct dw_ipc_people_answer *a)
{
    struct ticket t;
    enum dw_people_no no = token_of(g, m->token, sizeof m->token, &t);
    a->role = t.role;
    a->is_first = t.is_first;
    a->until_utc_ms = t.until_ms;
    (void)snprintf(a->name, sizeof a->name, "%s", t.name);
    return no;
}

static enum dw_people_no begin_join(struct guard *g, const struct dw_ipc_people_ask *m,
                                    struct dw_ipc_people_answer *a)
{
    struct ticket t;
    enum dw_people_no no = token_of(g, m->token, sizeof m->token, &t);
    if (no != DW_PEOPLE_NO_NONE)
        return no;
    struct challenge *c = challenge_new(g, DW_ACT_JOIN, 0);
    if (!c)
        return DW_PEOPLE_NO_TOO_MANY;
    const struct member *who = member_of(g, t.member);
    c->invite = t.invite;
    if (who)
        memcpy(c->user, who->user, sizeof c->user);
    else
        dw_random(c->user, sizeof c->user);
    memcpy(a->challenge, c->bytes, 32);
    memcpy(a->user, c->user, sizeof a->user);
    a->role = t.role;
    a->is_first = t.is_first;
    a->until_utc_ms = t.until_ms;
    (void)snprintf(a->name, sizeof a->name, "%s", t.name);
    return DW_PEOPLE_NO_NONE;
}

/* So that a session knows which of a member's passkeys its device has. */
static void name_passkey(struct dw_ipc_people_answer *a, const struct dw_passkey *key)
{
    a->credential_len = key->id_len;
    memcpy(a->credential, key->id, key->id_len);
}

static enum dw_people_no do_join(struct guard *g, const struct dw_ipc_people_ask *m,
                                 struct dw_ipc_people_answer *a)
{
    struct people *p = &g->people;
    struct challenge c;
    struct dw_passkey key;
    char label[DW_NAME_MAX] = "", name[DW_NAME_MAX] = "Owner";
    if (!challenge_take(g, m->challenge, &c) || c.act != DW_ACT_JOIN)
        return DW_PEOPLE_NO_CHALLENGE;
    struct invite *v = invite_by_number(g, c.invite);
    bool is_first = c.invite == INVITE_FIRST, is_recovery = c.invite == INVITE_RECOVERY;
    if (is_first      ? !p->has_first
        : is_recovery ? !p->book.is_recovering || p->book.recovery_left_ms > 0
                      : !v || is_over(g, v) || (v->member != 0 && !member_of(g, v->member)))
        return DW_PEOPLE_NO_TOKEN;
    if (m->name[0] && !take_name(label, m->name, sizeof m->name))
        return DW_PEOPLE_NO_NAME;
    if ((is_first || is_recovery) && m->text[0] && !take_name(name, m->text, sizeof m->text))
        return DW_PEOPLE_NO_NAME;
    struct dw_passkey_want want = want_of(g, &c);
    dw_err e =
        dw_passkey_register(&want, upto(m->client_data, m->client_data_len, sizeof m->client_data),
                            upto(m->auth, m->auth_len, sizeof m->auth), &key);
    if (dw_failed(e)) {
        /* {"fmt": "none", "attStmt": {}, "authData": bytes}: the flags stand at a fixed place */
        const size_t at = 30 + 32;
        return reason(e, m->auth_len > at && m->auth_len <= sizeof m->auth, m->auth[at]);
    }
    struct credential *k = credential_place(g);
    struct member *who = v ? member_of(g, v->member) : NULL;
    bool is_new = who == NULL;
    uint8_t role = who ? who->role : v ? v->role : (uint8_t)DW_MEMBER_OWNER;
    if (is_new && has_room(&p->book, role))
        who = member_place(g);
    if (!k || !who || !has_key_room(&p->book, role))
        return DW_PEOPLE_NO_FULL;
    if (credential_by_id(g, key.id, key.id_len) || !house_takes_alg(g, key.alg)) /* [I15] */
        return DW_PEOPLE_NO_PASSKEY;

    struct change ch = {0};
    people_begin(g);
    if (is_new) {
        *who =
            (struct member){.id = ++p->book.next_member, .role = role, .since_ms = people_utc(g)};
        memcpy(who->user, c.user, sizeof who->user);
        memcpy(who->name, v ? v->name : name, sizeof who->name);
        put_member(&ch, who);
    }
    *k = (struct credential){.number = ++p->book.next_credential,
                             .member = who->id,
                             .key = key,
                             .added_ms = people_utc(g)};
    memcpy(k->label, label, sizeof k->label);
    put_credential(&ch, k);
    if (v) {
        forget(&ch, STORE_FACT_INVITE, v->number);
        *v = (struct invite){0};
    }
    if (is_first || is_recovery) { /* shown once; what was before it is void */
        code_new(&p->book, a->text, sizeof a->text);
        p->book.is_recovering = false;
        p->book.recovery_left_ms = 0;
    }
    if (is_first) {
        p->moving_in_member = who->id;
        p->moving_in_until_ms = dw_now().ms + MOVING_IN_MS;
    }
    a->member = who->id;
    name_passkey(a, &key);
    a->role = who->role;
    a->is_first = is_first;
    return commit(g, &ch,
                  is_recovery ? DW_CHANGE_RECOVERED
                  : is_new    ? DW_CHANGE_JOINED
                              : DW_CHANGE_PASSKEY_ADDED,
                  is_new ? who->id : k->number, who->id, a);
}

/* ---- somebody stands at the hub [I7] ---- */

static bool presence_path(const struct guard *g, char *ret_path, size_t cap)
{
    return !dw_failed(dw_path(ret_path, cap, g->set.state, "presence"));
}

/* The file that `doorward presence` writes holds the moment on this machine's own clock. */
static bool has_presence(const struct guard *g)
{
    char path[512], text[32];
    struct dw_buf b = dw_buf_of((uint8_t *)text, sizeof text - 1);
    if (!presence_path(g, path, sizeof path) || dw_failed(dw_file_read(path, &b)))
        return false;
    text[b.len] = 0;
    char *end = NULL;
    unsigned long long at = strtoull(text, &end, 10);
    uint64_t now = dw_now().ms;
    return end != text && *end == '\n' && at <= now && now - at <= PRESENCE_MS;
}

/* It counts once, whatever comes of it. */
static bool take_presence(struct guard *g)
{
    char path[512];
    bool is = has_presence(g);
    if (!presence_path(g, path, sizeof path) || (unlink(path) != 0 && is))
        return false; /* what cannot be taken away would count twice */
    return is;
}

/* A key that nobody else signed for, of a person or a device, and what makes or removes an owner:
 * whoever holds one stolen phone has one passkey, not the house. */
static bool needs_presence(const struct guard *g, const struct challenge *c)
{
    return c->act == DW_ACT_ADD_PASSKEY || device_of_act((enum dw_act)c->act) != DEVICE_NONE ||
           (c->act == DW_ACT_INVITE && c->role == DW_MEMBER_OWNER) ||
           (c->act == DW_ACT_REMOVE_MEMBER && people_role(g, c->target) == DW_MEMBER_OWNER);
}

/* Who has just read the first owner's link off the hub has been there: one more passkey. */
static bool is_moving_in(const struct guard *g, const struct challenge *c)
{
    const struct people *p = &g->people;
    return c->act == DW_ACT_ADD_PASSKEY && p->moving_in_member != 0 &&
           c->member == p->moving_in_member && dw_now().ms <= p->moving_in_until_ms;
}

/* At the act's begin, so that nobody touches a passkey for nothing. */
static enum dw_people_no ask_presence(const struct guard *g, const struct challenge *c)
{
    return !needs_presence(g, c) || is_moving_in(g, c) || has_presence(g) ? DW_PEOPLE_NO_NONE
                                                                          : DW_PEOPLE_NO_PRESENCE;
}

/* With the signature: used up, and everybody hears of it. */
static enum dw_people_no use_presence(struct guard *g, const struct challenge *c)
{
    if (!needs_presence(g, c))
        return DW_PEOPLE_NO_NONE;
    if (is_moving_in(g, c)) {
        g->people.moving_in_member = 0;
        return DW_PEOPLE_NO_NONE;
    }
    if (!take_presence(g))
        return DW_PEOPLE_NO_PRESENCE;
    g->telling = 0;
    tell_by(g, DW_STORY_PEOPLE, DW_CHANGE_PRESENCE, c->act, c->member);
    return DW_PEOPLE_NO_NONE;
}

/* ---- sign-in ---- */

static enum dw_people_no do_sign_in(struct guard *g, const struct dw_ipc_people_ask *m,
                                    struct dw_ipc_people_answer *a)
{
    struct challenge c;
    struct credential *k = NULL;
    if (!challenge_take(g, m->challenge, &c) || c.act != DW_ACT_SIGN_IN)
        return DW_PEOPLE_NO_CHALLENGE;
    enum dw_people_no no = verify(g, m, &c, &k);
    if (no != DW_PEOPLE_NO_NONE)
        return no;
    if (!k)
        return DW_PEOPLE_NO_PASSKEY;
    remember_use(g, k);
    a->member = k->member;
    name_passkey(a, &k->key);
    a->role = member_of(g, k->member)->role;
    people_tell(g);
    return DW_PEOPLE_NO_NONE;
}

/* ---- acts ---- */

/* An owner with two passkeys, other than this one. */
static bool has_sure_owner(const struct book *b, uint32_t but)
{
    for (size_t i = 0; i < DW_MEMBERS_MAX; i++) {
        const struct member *m = &b->member[i];
        if (m->id != 0 && m->id != but && m->role == DW_MEMBER_OWNER && passkeys_of(b, m->id) >= 2)
            return true;
    }
    return false;
}

/* May this member do that, now? Asked when the challenge is given, and again when it comes back. */
static enum dw_people_no permit(struct guard *g, const struct challenge *c)
{
    const struct book *b = &g->people.book;
    const struct member *who = member_of(g, c->member), *target;
    const struct credential *k;
    enum dw_act act = (enum dw_act)c->act;
    if (!who || who->role == DW_MEMBER_GUEST)
        return DW_PEOPLE_NO_ROLE;
    bool is_owner = who->role == DW_MEMBER_OWNER;
    /* An owner with one passkey is one loss away from none: first a second one [protocol 7]. */
    if (is_owner && act != DW_ACT_ADD_PASSKEY && passkeys_of(b, who->id) < 2)
        return DW_PEOPLE_NO_TWO_PASSKEYS;
    bool own_key = act == DW_ACT_REMOVE_PASSKEY;
    if (!is_owner && act != DW_ACT_UNLOCK && act != DW_ACT_LET_IN && act != DW_ACT_ADD_PASSKEY &&
        !own_key)
        return DW_PEOPLE_NO_ROLE;
    switch (act) {
    case DW_ACT_UNLOCK:
    case DW_ACT_LET_IN: return b->is_recovering ? DW_PEOPLE_NO_RECOVERY : DW_PEOPLE_NO_NONE;
    case DW_ACT_INVITE:
        if (c->role != DW_MEMBER_OWNER && c->role != DW_MEMBER_OCCUPANT &&
            c->role != DW_MEMBER_GUEST)
            return DW_PEOPLE_NO_ROLE;
        if (c->name[0] == 0)
            return DW_PEOPLE_NO_NAME;
        return invite_place(g) && has_room(b, c->role) ? DW_PEOPLE_NO_NONE : DW_PEOPLE_NO_FULL;
    case DW_ACT_ADD_PASSKEY:
        return invite_place(g) && has_key_room(b, who->role) ? DW_PEOPLE_NO_NONE
                                                             : DW_PEOPLE_NO_FULL;
    case DW_ACT_REMOVE_MEMBER:
        target = member_of(g, c->target);
        if (!target)
            return DW_PEOPLE_NO_NO_SUCH;
        if (target->role != DW_MEMBER_OWNER)
            return DW_PEOPLE_NO_NONE;
        if (members_in(b, DW_MEMBER_OWNER) < 2)
            return DW_PEOPLE_NO_LAST_OWNER;
        return has_sure_owner(b, target->id) ? DW_PEOPLE_NO_NONE : DW_PEOPLE_NO_TWO_PASSKEYS;
    case DW_ACT_REMOVE_PASSKEY:
        k = credential_by_number(g, c->target);
        if (!k)
            return DW_PEOPLE_NO_NO_SUCH;
        if (!is_owner && k->member != who->id)
            return DW_PEOPLE_NO_ROLE;
        return passkeys_of(b, k->member) < (people_role(g, k->member) == DW_MEMBER_OWNER ? 3u : 2u)
                   ? DW_PEOPLE_NO_TWO_PASSKEYS
                   : DW_PEOPLE_NO_NONE;
    case DW_ACT_REMOVE_INVITE:
        return invite_by_number(g, c->target) ? DW_PEOPLE_NO_NONE : DW_PEOPLE_NO_NO_SUCH;
    case DW_ACT_SET_PARAM: return house_set_param(g, c->name, c->value, true, who->id, NULL);
    case DW_ACT_ALLOW_AGENCY: return house_allow(g, c->id, true, who->id, NULL);
    case DW_ACT_NEW_RECOVERY:
    case DW_ACT_GRANT: return DW_PEOPLE_NO_NONE; /* its fields: authority_write_grant */
    case DW_ACT_CAMERA_KEY:
    case DW_ACT_LOCK_KEY: return devices_permit(g, c);
    case DW_ACT_NONE:
    case DW_ACT_SIGN_IN:
    case DW_ACT_JOIN:
    case DW_ACT_COUNT: break;
    }
    return DW_PEOPLE_NO_CHALLENGE;
}

static enum dw_people_no make_invite(struct guard *g, const struct challenge *c,
                                     struct dw_ipc_people_answer *a)
{
    struct book *b = &g->people.book;
    struct change ch = {0};
    people_begin(g);
    struct invite *v = invite_place(g);
    const struct member *who = member_of(g, c->member);
    bool is_passkey = c->act == DW_ACT_ADD_PASSKEY;
    int64_t now = people_utc(g);
    if (v->number != 0)
        forget(&ch, STORE_FACT_INVITE, v->number); /* it had run out */
    *v = (struct invite){.number = ++b->next_invite,
                         .member = is_passkey ? who->id : 0,
                         .role = is_passkey ? who->role : c->role};
    v->until_ms = now ? now + (is_passkey                   ? PASSKEY_INVITE_MS
                               : c->role == DW_MEMBER_OWNER ? OWNER_INVITE_MS
                               : c->role == DW_MEMBER_GUEST ? GUEST_INVITE_MS
                                                            : INVITE_MS)
                      : 0;
    memcpy(v->name, is_passkey ? who->name : c->name, sizeof v->name);
    token_new(a->text, v->token_hash);
    put_invite(&ch, v);
    a->until_utc_ms = v->until_ms;
    return commit(g, &ch, DW_CHANGE_INVITED, v->number, c->member, a);
}

static enum dw_people_no remove_member(struct guard *g, const struct challenge *c,
                                       struct dw_ipc_people_answer *a)
{
    struct book *b = &g->people.book;
    struct change ch = {0};
    people_begin(g);
    for (size_t i = 0; i < DW_CREDENTIALS_MAX; i++) {
        struct credential *k = &b->credential[i];
        if (k->number != 0 && k->member == c->target) {
            forget(&ch, STORE_FACT_PASSKEY, k->number);
            *k = (struct credential){0};
        }
    }
    for (size_t i = 0; i < DW_INVITES_MAX; i++) {
        struct invite *v = &b->invite[i];
        if (v->number != 0 && v->member == c->target) {
            forget(&ch, STORE_FACT_INVITE, v->number);
            *v = (struct invite){0};
        }
    }
    if (people_is_guest(g, c->target)) {
        uint32_t ended = authority_end_guest(g, c->target, &ch.fact[ch.count], ch.room + ch.used);
        ch.count += ended;
        ch.used += (size_t)ended * STATE_FACT_MAX;
    }
    forget(&ch, STORE_FACT_MEMBER, c->target);
    *member_of(g, c->target) = (struct member){0};
    enum dw_people_no no = commit(g, &ch, DW_CHANGE_MEMBER_REMOVED, c->target, c->member, a);
    if (no == DW_PEOPLE_NO_NONE)
        authority_tell_ended(g, c->member);
    return no;
}

static enum dw_people_no remove_passkey(struct guard *g, const struct challenge *c,
                                        struct dw_ipc_people_answer *a)
{
    struct change ch = {0};
    people_begin(g);
    forget(&ch, STORE_FACT_PASSKEY, c->target);
    *credential_by_number(g, c->target) = (struct credential){0};
    return commit(g, &ch, DW_CHANGE_PASSKEY_REMOVED, c->target, c->member, a);
}

static enum dw_people_no remove_invite(struct guard *g, const struct challenge *c,
                                       struct dw_ipc_people_answer *a)
{
    struct change ch = {0};
    people_begin(g);
    forget(&ch, STORE_FACT_INVITE, c->target);
    *invite_by_number(g, c->target) = (struct invite){0};
    return commit(g, &ch, DW_CHANGE_INVITE_REMOVED, c->target, c->member, a);
}

static enum dw_people_no new_recovery(struct guard *g, const struct challenge *c,
                                      struct dw_ipc_people_answer *a)
{
    struct change ch = {0};
    people_begin(g);
    code_new(&g->people.book, a->text, sizeof a->text);
    return commit(g, &ch, DW_CHANGE_NEW_RECOVERY, 0, c->member, a);
}

static enum dw_people_no set_device(struct guard *g, const struct challenge *c,
                                    struct dw_ipc_people_answer *a)
{
    struct change ch = {0};
    enum device_number n = device_of_act((enum dw_act)c->act);
    struct device_key *d = &g->people.book.device[n];
    people_begin(g);
    d->is_set = true;
    memcpy(d->pub, c->key, sizeof d->pub);
    memcpy(ch.room, c->key, sizeof d->pub);
    add(&ch, STORE_FACT_DEVICE, n, sizeof d->pub);
    return commit(g, &ch, n == DEVICE_CAMERA ? DW_CHANGE_CAMERA_KEY : DW_CHANGE_LOCK_KEY,
                  (uint32_t)c->id[0] << 24 | (uint32_t)c->id[1] << 16 | (uint32_t)c->id[2] << 8 |
                      c->id[3],
                  c->member, a);
}

/* What was signed, and by which passkey, as it goes into the record. */
static bool keep_evidence(struct guard *g, const struct dw_ipc_people_ask *m,
                          const struct challenge *c)
{
    static struct dw_evidence e;
    struct people *p = &g->people;
    struct dw_buf out = dw_buf_of(p->evidence, sizeof p->evidence);
    const char *context = c->act == DW_ACT_GRANT ? DW_GRANT_CONTEXT : DW_CONTROL_CONTEXT;
    if (m->auth_len > sizeof e.auth || m->client_data_len > sizeof e.client ||
        m->signature_len > sizeof e.signature || m->credential_len > sizeof e.credential)
        return false;
    e = (struct dw_evidence){.bytes_len = c->shown_len,
                             .credential_len = m->credential_len,
                             .auth_len = m->auth_len,
                             .client_len = m->client_data_len,
                             .signature_len = m->signature_len};
    memcpy(e.hub, g->secret.key.thumb, 32);
    memcpy(e.context, context, strlen(context));
    memcpy(e.bytes, c->shown, c->shown_len);
    memcpy(e.credential, m->credential, m->credential_len);
    memcpy(e.auth, m->auth, m->auth_len);
    memcpy(e.client, m->client_data, m->client_data_len);
    memcpy(e.signature, m->signature, m->signature_len);
    struct dw_grant s;
    if (c->act == DW_ACT_GRANT) {
        if (dw_failed(dw_grant_read(dw_view_of(c->shown, c->shown_len), &s)))
            return false;
        memcpy(e.id, s.id, sizeof e.id);
    } else {
        memcpy(e.id, c->bytes, sizeof e.id);
    }
    if (dw_failed(dw_evidence_write(&e, &out)))
        return false;
    p->evidence_len = (uint16_t)out.len;
    return true;
}

static enum dw_people_no perform_act(struct guard *g, const struct challenge *c,
                                     const struct credential *k, struct dw_ipc_people_answer *a);

static enum dw_people_no do_act(struct guard *g, const struct dw_ipc_people_ask *m,
                                struct dw_ipc_people_answer *a)
{
    struct challenge c;
    struct credential *k = NULL;
    if (!challenge_take(g, m->challenge, &c) || c.act == DW_ACT_SIGN_IN || c.act == DW_ACT_JOIN ||
        c.member == 0 || c.member != m->member)
        return DW_PEOPLE_NO_CHALLENGE;
    /* Signed about a home that has changed since: shown again, and signed again. Opening the own
     * door changes nothing that another change could be about. */
    if (c.epoch != g->people.book.epoch && c.act != DW_ACT_UNLOCK && c.act != DW_ACT_LET_IN)
        return DW_PEOPLE_NO_CHALLENGE;
    enum dw_people_no no = verify(g, m, &c, &k);
    if (no == DW_PEOPLE_NO_NONE)
        no = permit(g, &c);
    if (no != DW_PEOPLE_NO_NONE)
        return no;
    remember_use(g, k);
    a->member = c.member;
    if (!keep_evidence(g, m, &c))
        return DW_PEOPLE_NO_PASSKEY;
    no = use_presence(g, &c);
    if (no == DW_PEOPLE_NO_NONE)
        no = perform_act(g, &c, k, a);
    g->people.evidence_len = 0;
    return no;
}

static enum dw_people_no perform_act(struct guard *g, const struct challenge *c,
                                     const struct credential *k, struct dw_ipc_people_answer *a)
{
    switch ((enum dw_act)c->act) {
    case DW_ACT_UNLOCK:
    case DW_ACT_LET_IN: return house_open(g, (enum dw_act)c->act, c->member);
    case DW_ACT_INVITE:
    case DW_ACT_ADD_PASSKEY: return make_invite(g, c, a);
    case DW_ACT_REMOVE_MEMBER: return remove_member(g, c, a);
    case DW_ACT_REMOVE_PASSKEY: return remove_passkey(g, c, a);
    case DW_ACT_REMOVE_INVITE: return remove_invite(g, c, a);
    case DW_ACT_SET_PARAM: return house_set_param(g, c->name, c->value, false, c->member, a);
    case DW_ACT_ALLOW_AGENCY: return house_allow(g, c->id, false, c->member, a);
    case DW_ACT_NEW_RECOVERY: return new_recovery(g, c, a);
    case DW_ACT_CAMERA_KEY:
    case DW_ACT_LOCK_KEY: return set_device(g, c, a);
    case DW_ACT_GRANT: {
        static uint8_t evidence[EVIDENCE_MAX];
        size_t len = g->people.evidence_len;
        memcpy(evidence, g->people.evidence, len);
        g->people.evidence_len = 0; /* the grant is kept with it: once is enough */
        return authority_signed(g, dw_view_of(c->shown, c->shown_len), dw_view_of(evidence, len),
                                &k->key, c->member, c->target, a);
    }
    case DW_ACT_NONE:
    case DW_ACT_SIGN_IN:
    case DW_ACT_JOIN:
    case DW_ACT_COUNT: break;
    }
    return DW_PEOPLE_NO_CHALLENGE;
}

/* What the passkey is asked over, as the hub writes it. */
static enum dw_people_no write_control(struct guard *g, const struct challenge *c,
                                       struct dw_buf *out)
{
    struct dw_control s = {.epoch = c->epoch, .act = c->act, .value = c->value};
    memcpy(s.hub, g->secret.key.thumb, 32);
    dw_random(s.nonce, sizeof s.nonce);
    memcpy(s.target, c->id, sizeof s.target);
    if (c->target != 0) {
        memset(s.target, 0, sizeof s.target);
        for (size_t i = 0; i < 4; i++)
            s.target[12 + i] = (uint8_t)(c->target >> (24 - 8 * i));
    }
    if (c->act == DW_ACT_INVITE)
        s.value = c->role;
    memcpy(s.name, c->name, sizeof s.name);
    return dw_failed(dw_control_write(&s, out)) ? DW_PEOPLE_NO_NAME : DW_PEOPLE_NO_NONE;
}

static enum dw_people_no do_begin(struct guard *g, const struct dw_ipc_people_ask *m,
                                  struct dw_ipc_people_answer *a)
{
    enum dw_act act = (enum dw_act)m->act;
    if (g->people.origin[0] == 0)
        return DW_PEOPLE_NO_ORIGIN;
    if (act == DW_ACT_JOIN)
        return begin_join(g, m, a);
    if (act == DW_ACT_NONE || act >= DW_ACT_COUNT)
        return DW_PEOPLE_NO_CHALLENGE;
    struct challenge want = {.act = m->act};
    struct dw_buf shown = dw_buf_of(want.shown, sizeof want.shown);
    want.epoch = g->people.book.epoch;
    if (act != DW_ACT_SIGN_IN) {
        want.member = m->member;
        want.role = m->role;
        want.target = m->target;
        want.value = m->value;
        memcpy(want.id, m->id, sizeof want.id);
        if (act == DW_ACT_REMOVE_PASSKEY && want.target == 0 &&
            m->credential_len <= sizeof m->credential) { /* named by its id */
            const struct credential *k = credential_by_id(g, m->credential, m->credential_len);
            want.target = k ? k->number : 0;
        }
        if (device_of_act(act) != DEVICE_NONE) {
            if (dw_text_of(m->text, sizeof m->text).len != 2 * sizeof want.key ||
                dw_failed(dw_unhex(m->text, want.key, sizeof want.key)))
                return DW_PEOPLE_NO_NO_SUCH;
            devices_name(&want);
        }
        if (m->name[0] && !take_name(want.name, m->name, sizeof m->name))
            return DW_PEOPLE_NO_NAME;
        enum dw_people_no no = permit(g, &want);
        if (no == DW_PEOPLE_NO_NONE)
            no = ask_presence(g, &want);
        if (no == DW_PEOPLE_NO_NONE)
            no = act == DW_ACT_GRANT ? authority_write_grant(g, m, &shown, a)
                                     : write_control(g, &want, &shown);
        if (no != DW_PEOPLE_NO_NONE)
            return no;
        want.shown_len = (uint16_t)shown.len;
    }
    struct challenge *c = challenge_new(g, act, want.member);
    if (!c)
        return DW_PEOPLE_NO_TOO_MANY;
    if (act == DW_ACT_SIGN_IN)
        memcpy(want.bytes, c->bytes, 32);
    else /* a nonce of ours is in it, so it is as new as 32 drawn bytes */
        dw_chain_challenge(act == DW_ACT_GRANT ? DW_GRANT_CONTEXT : DW_CONTROL_CONTEXT,
                           dw_view_of_buf(&shown), want.bytes);
    want.expires = c->expires;
    a->bytes_len = want.shown_len;
    memcpy(a->bytes, want.shown, want.shown_len);
    *c = want;
    memcpy(a->challenge, c->bytes, 32);
    return DW_PEOPLE_NO_NONE;
}

/* ---- recovery [protocol 7, I48] ---- */

static enum dw_people_no do_recover(struct guard *g, const struct dw_ipc_people_ask *m,
                                    struct dw_ipc_people_answer *a)
{
    struct book *b = &g->people.book;
    struct change ch = {0};
    if (g->people.recover_credit == 0)
        return DW_PEOPLE_NO_TOO_MANY;
    if (b->is_recovering)
        return DW_PEOPLE_NO_RECOVERY;
    if (!take_presence(g))
        return DW_PEOPLE_NO_PRESENCE;
    g->people.recover_credit--;
    if (!code_fits(b, m->name, sizeof m->name))
        return DW_PEOPLE_NO_TOKEN;
    people_begin(g);
    b->is_recovering = true;
    b->recovery_left_ms = (uint64_t)g->set.recovery_hours * HOUR_MS;
    b->has_code = false; /* used */
    token_new(a->text, b->recovery_hash);
    a->until_utc_ms = people_utc(g) + (int64_t)b->recovery_left_ms;
    g->people.recovery_ms = g->people.recovery_saved_ms = dw_now().ms;
    dw_log("warn", "recovery", "begun=1 hours=%u", g->set.recovery_hours);
    return commit(g, &ch, DW_CHANGE_RECOVERY_BEGUN, g->set.recovery_hours, 0, a);
}

static enum dw_people_no do_recover_stop(struct guard *g, const struct dw_ipc_people_ask *m,
                                         struct dw_ipc_people_answer *a)
{
    struct book *b = &g->people.book;
    struct change ch = {0};
    if (people_role(g, m->member) == DW_MEMBER_NONE)
        return DW_PEOPLE_NO_ROLE;
    if (!b->is_recovering)
        return DW_PEOPLE_NO_NO_SUCH;
    people_begin(g);
    b->is_recovering = false;
    b->recovery_left_ms = 0;
    dw_log("warn", "recovery", "stopped=1");
    return commit(g, &ch, DW_CHANGE_RECOVERY_STOPPED, 0, m->member, a);
}

/* Counted on this machine's own clock while it runs; a wall clock that is turned brings no
 * recovery nearer. */
static void tidy_recovery(struct guard *g)
{
    struct people *p = &g->people;
    uint64_t now = dw_now().ms, spent = now - p->recovery_ms;
    p->recovery_ms = now;
    if (!p->book.is_recovering || p->book.recovery_left_ms == 0 || p->is_writing)
        return;
    p->book.recovery_left_ms -= spent < p->book.recovery_left_ms ? spent : p->book.recovery_left_ms;
    bool is_over_now = p->book.recovery_left_ms == 0;
    if (is_over_now || now - p->recovery_saved_ms >= RECOVERY_SAVE_MS) {
        uint8_t room[512];
        struct store_fact f = people_house_fact(g, room, sizeof room);
        struct store_write w = {.facts = &f, .fact_count = 1};
        (void)store_write(g->store, &w); /* lost: it only takes a minute longer */
        p->recovery_saved_ms = now;
    }
    if (is_over_now)
        people_tell(g);
}

/* ---- questions of the front ---- */

static void refill(uint32_t *credit, uint32_t most, uint64_t spent, uint32_t each_ms,
                   uint64_t since_ms)
{
    /* Whole steps since a common start, so that nothing is lost by asking often. */
    uint64_t more = (since_ms + spent) / each_ms - since_ms / each_ms;
    *credit = more >= most - *credit ? most : *credit + (uint32_t)more;
}

static void refill_all(struct guard *g)
{
    struct people *p = &g->people;
    uint64_t now = dw_now().ms, spent = now - p->credit_ms;
    refill(&p->ask_credit, ASK_CREDIT, spent, ASK_EACH_MS, p->credit_ms);
    refill(&p->stranger_credit, STRANGER_CREDIT, spent, STRANGER_EACH_MS, p->credit_ms);
    refill(&p->recover_credit, RECOVER_CREDIT, spent, RECOVER_EACH_MS, p->credit_ms);
    for (size_t i = 0; i < DW_MEMBERS_MAX; i++)
        refill(&p->member_credit[i], MEMBER_CREDIT, spent, MEMBER_EACH_MS, p->credit_ms);
    p->credit_ms = now;
}

/* Whose wrong tries are counted where [I45]: a stranger's never shut a member out of an act. */
static uint32_t *credit_of(struct guard *g, const struct dw_ipc_people_ask *m)
{
    struct people *p = &g->people;
    for (size_t i = 0; i < DW_MEMBERS_MAX && m->op == DW_PEOPLE_ACT; i++) {
        if (m->member != 0 && p->book.member[i].id == m->member)
            return &p->member_credit[i];
    }
    return &p->stranger_credit;
}

static bool is_guess(enum dw_people_no no)
{
    return no == DW_PEOPLE_NO_CHALLENGE || no == DW_PEOPLE_NO_PASSKEY || no == DW_PEOPLE_NO_TOKEN ||
           no == DW_PEOPLE_NO_ORIGIN || no == DW_PEOPLE_NO_VERIFICATION;
}

static void answer_ask(struct guard *g, const struct dw_ipc_people_ask *m)
{
    struct people *p = &g->people;
    struct dw_ipc_people_answer a = {.ticket = m->ticket, .op = m->op};
    enum dw_people_no no = DW_PEOPLE_NO_CHALLENGE;
    enum dw_people_op op = (enum dw_people_op)m->op;
    bool is_try = op == DW_PEOPLE_JOIN || op == DW_PEOPLE_SIGN_IN || op == DW_PEOPLE_ACT ||
                  op == DW_PEOPLE_LOOK || (op == DW_PEOPLE_BEGIN && m->act == DW_ACT_JOIN);
    bool lives_here = people_role(g, m->member) != DW_MEMBER_NONE;
    uint32_t *credit = credit_of(g, m);
    if (is_try && *credit == 0) {
        a.no = DW_PEOPLE_NO_TOO_MANY;
        answer(g, &a);
        return;
    }
    switch (op) {
    case DW_PEOPLE_BEGIN: no = do_begin(g, m, &a); break;
    case DW_PEOPLE_JOIN: no = do_join(g, m, &a); break;
    case DW_PEOPLE_SIGN_IN: no = do_sign_in(g, m, &a); break;
    case DW_PEOPLE_ACT: no = do_act(g, m, &a); break;
    case DW_PEOPLE_LOOK: no = do_look(g, m, &a); break;
    case DW_PEOPLE_MODE: no = lives_here ? house_mode(g, m, &a) : DW_PEOPLE_NO_ROLE; break;
    case DW_PEOPLE_WISH: no = lives_here ? house_wish(g, m, &a) : DW_PEOPLE_NO_ROLE; break;
    case DW_PEOPLE_STORY:
        a.value = house_replay(g, m->value);
        no = DW_PEOPLE_NO_NONE;
        break;
    case DW_PEOPLE_RECOVER: no = do_recover(g, m, &a); break;
    case DW_PEOPLE_RECOVER_STOP: no = do_recover_stop(g, m, &a); break;
    case DW_PEOPLE_REVOKE: no = authority_revoke(g, m, &a); break;
    case DW_PEOPLE_VETO: no = authority_veto(g, m, &a); break;
    case DW_PEOPLE_EXPECT: no = expected_add(g, m, &a); break;
    case DW_PEOPLE_EXPECT_NOT: no = expected_remove(g, m, &a); break;
    case DW_PEOPLE_GUEST_ASK:
    case DW_PEOPLE_GUEST_STOP:
    case DW_PEOPLE_GUEST_LEAVE: /* have not come here */
    case DW_PEOPLE_NONE:
    case DW_PEOPLE_OP_COUNT: break;
    }
    if (is_try && is_guess(no) && *credit > 0)
        (*credit)--;
    if (no != DW_PEOPLE_NO_NONE)
        dw_log("info", "people", "op=%u refused=%s", m->op, dw_people_no_code(no));
    if (no == DW_PEOPLE_NO_NONE && p->is_writing)
        return; /* answered when it is durable */
    a.no = (uint8_t)no;
    answer(g, &a);
}

void people_on_ask(struct guard *g, const struct dw_ipc_people_ask *m)
{
    struct people *p = &g->people;
    struct dw_ipc_people_answer a = {.ticket = m->ticket, .op = m->op, .no = DW_PEOPLE_NO_TOO_MANY};
    if (m->op == DW_PEOPLE_GUEST_ASK || m->op == DW_PEOPLE_GUEST_STOP ||
        m->op == DW_PEOPLE_GUEST_LEAVE) {
        guests_on_ask(g, m); /* with credits of their own, and waits for no change of people */
        return;
    }
    refill_all(g);
    if (p->ask_credit == 0 || (p->is_writing && p->waiting_count == PEOPLE_WAITING_MAX)) {
        answer(g, &a);
        return;
    }
    p->ask_credit--;
    if (p->is_writing)
        p->waiting[p->waiting_count++] = *m;
    else
        answer_ask(g, m);
}

void people_tell(struct guard *g)
{
    const struct book *b = &g->people.book;
    struct dw_ipc_people m = {
        .epoch = b->epoch,
        .is_new = members_in(b, DW_MEMBER_NONE) == 0,
        .camera_mode = b->camera_mode,
    };
    if (b->is_recovering) {
        int64_t now = people_utc(g);
        m.recovery_utc_ms = (now ? now : 1) + (int64_t)b->recovery_left_ms;
    }
    for (size_t i = 0; i < DW_MEMBERS_MAX; i++) {
        const struct member *from = &b->member[i];
        if (from->id == 0)
            continue;
        struct dw_ipc_member *to = &m.member[m.count++];
        to->id = from->id;
        to->role = from->role;
        to->since_utc_ms = from->since_ms;
        memcpy(to->name, from->name, sizeof to->name);
    }
    for (size_t i = 0; i < DW_CREDENTIALS_MAX; i++) {
        const struct credential *from = &b->credential[i];
        if (from->number == 0)
            continue;
        struct dw_ipc_credential *to = &m.credential[m.credential_count++];
        to->member = from->member;
        to->number = from->number;
        to->is_synced = from->key.is_synced;
        to->id_len = from->key.id_len;
        to->added_utc_ms = from->added_ms;
        to->used_utc_ms = from->used_ms;
        dw_chain_passkey_thumb(&from->key, to->thumb);
        memcpy(to->id, from->key.id, from->key.id_len);
        memcpy(to->label, from->label, sizeof to->label);
    }
    for (size_t i = 0; i < DW_INVITES_MAX; i++) {
        const struct invite *from = &b->invite[i];
        if (from->number == 0 || is_over(g, from))
            continue;
        struct dw_ipc_invite *to = &m.invite[m.invite_count++];
        to->number = from->number;
        to->role = from->role;
        to->until_utc_ms = from->until_ms;
        memcpy(to->name, from->name, sizeof to->name);
    }
    child_send(g, CHILD_FRONT, DW_IPC_PEOPLE, &m);
}

void people_tidy(struct guard *g)
{
    tidy_recovery(g);
}

/* ---- start ---- */

/* https://host[:port], or http for a name that ends at this machine; no path, no address in
 * numbers: a passkey is made for a name. */
static bool take_origin(struct people *p, const char *origin)
{
    bool is_https = strncmp(origin, "https://", 8) == 0;
    if (!is_https && strncmp(origin, "http://", 7) != 0)
        return false;
    const char *host = origin + (is_https ? 8 : 7);
    size_t len = strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-.");
    const char *port = host + len;
    if (len == 0 || len >= sizeof p->rp_id || host[0] == '.' || host[len - 1] == '.')
        return false;
    if (*port == ':') {
        size_t digits = strspn(port + 1, "0123456789");
        if (digits == 0 || digits > 5 || port[1 + digits] != 0)
            return false;
    } else if (*port != 0) {
        return false;
    }
    if (host[len - 1] >= '0' && host[len - 1] <= '9')
        return false;
    memcpy(p->rp_id, host, len);
    p->rp_id[len] = 0;
    const char *tail = len >= 9 ? p->rp_id + len - 9 : "";
    bool is_here = strcmp(tail, "localhost") == 0 && (len == 9 || tail[-1] == '.');
    if ((!is_https && !is_here) || strlen(origin) >= sizeof p->origin)
        return false;
    memcpy(p->origin, origin, strlen(origin) + 1);
    return true;
}

bool people_start(struct guard *g, const char *origin)
{
    struct people *p = &g->people;
    char path[512], token[48];
    *p = (struct people){.credit_ms = dw_now().ms,
                         .ask_credit = ASK_CREDIT,
                         .stranger_credit = STRANGER_CREDIT,
                         .recover_credit = RECOVER_CREDIT};
    for (size_t i = 0; i < DW_MEMBERS_MAX; i++)
        p->member_credit[i] = MEMBER_CREDIT;
    p->recovery_ms = p->recovery_saved_ms = dw_now().ms;
    p->book.camera_mode = DW_MODE_ON;
    if (origin[0] == 0)
        dw_log("warn", "people", "sign_in=0 why=\"front.origin is not set\"");
    else if (!take_origin(p, origin))
        return false;
    store_each_fact(g->store, STORE_FACT_MEMBER, load_member, g);
    store_each_fact(g->store, STORE_FACT_PASSKEY, load_credential, g);
    store_each_fact(g->store, STORE_FACT_INVITE, load_invite, g);
    if (!load_house(g))
        dw_log("error", "people", "house=unreadable");
    for (size_t i = 0; i < DW_MEMBERS_MAX; i++) { /* numbers are never used again */
        if (p->book.member[i].id > p->book.next_member)
            p->book.next_member = p->book.member[i].id;
    }
    for (size_t i = 0; i < DW_CREDENTIALS_MAX; i++) {
        if (p->book.credential[i].number > p->book.next_credential)
            p->book.next_credential = p->book.credential[i].number;
    }
    for (size_t i = 0; i < DW_INVITES_MAX; i++) {
        if (p->book.invite[i].number > p->book.next_invite)
            p->book.next_invite = p->book.invite[i].number;
    }
    if (p->book.camera_mode == DW_MODE_UNKNOWN)
        p->book.camera_mode = DW_MODE_ON;
    /* What was said before this start is not known to be of this boot. */
    if (!dw_failed(dw_path(path, sizeof path, g->set.state, "presence")))
        (void)unlink(path);
    first_owner_file(g, path, sizeof path);
    if (members_in(&p->book, DW_MEMBER_NONE) > 0) {
        (void)unlink(path);
        return true;
    }
    p->has_first = true;
    token_new(token, p->first_hash);
    token[TOKEN_CHARS] = '\n';
    if (dw_failed(dw_file_write(path, dw_view_of(token, TOKEN_CHARS + 1), 0600)))
        dw_log("error", "people", "first_owner=unwritten");
    return true;
}
