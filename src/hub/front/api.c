#include "hub/front/api.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"
#include "os/os.h"

/* Tries of strangers: each address and all together have a bucket that fills again. A page that
 * signs in costs 2; a code or a passkey that does not hold costs WRONG more. */
static const struct dw_try_rule bucket_one = {.cap = 60, .each_ms = 1000},
                                bucket_all = {.cap = 400, .each_ms = 100};
#define COST_WRONG 5u

struct words {
    unsigned status;
    const char *code, *title, *detail, *next;
};

static const struct words problems[] = {
    [DW_FRONT_PROBLEM_NONE] = {500, "bad_request", "Our mistake", "Something went wrong here.", ""},
#define X(name, status, code, title, detail, next) \
    [DW_FRONT_PROBLEM_##name] = {status, code, title, detail, next},
    DW_FRONT_PROBLEM_LIST(X)
#undef X
};

/* The same for what the guard says no to; the codes are those of DW_PEOPLE_NO_LIST. */
static const struct words noes[DW_PEOPLE_NO_COUNT] = {
    [DW_PEOPLE_NO_CHALLENGE] = {409, "", "Too late",
                                "This was begun too long ago, or done already.", "Begin again."},
    [DW_PEOPLE_NO_PASSKEY] = {403, "", "Not one of ours", "This passkey does not belong here.",
                              "Use a passkey of this home."},
    [DW_PEOPLE_NO_ORIGIN] = {403, "", "Made for another page",
                             "The passkey was asked by another page.",
                             "Open the home's own address."},
    [DW_PEOPLE_NO_VERIFICATION] = {403, "", "Not confirmed",
                                   "The device did not check that it is you.",
                                   "Use fingerprint, face or PIN."},
    [DW_PEOPLE_NO_ROLE] = {403, "", "Owners only", "Only an owner may do this.", "Ask an owner."},
    [DW_PEOPLE_NO_TOKEN] = {404, "", "No such invitation",
                            "The invitation is unknown, used or has run out.",
                            "Ask for a new one."},
    [DW_PEOPLE_NO_FULL] = {409, "", "No room", "There is no room for one more.",
                           "Remove one first."},
    [DW_PEOPLE_NO_LAST_OWNER] = {409, "", "The last owner", "A home needs an owner.",
                                 "Make somebody else an owner first."},
    [DW_PEOPLE_NO_TWO_PASSKEYS] = {409, "", "Two passkeys", "An owner keeps at least two passkeys.",
                                   "Add another passkey first."},
    [DW_PEOPLE_NO_NOT_TIGHTER] = {422, "", "Only tighter", "This value may only be tightened.",
                                  "Choose a value within its limits."},
    [DW_PEOPLE_NO_NAME] = {422, "", "Name", "This name cannot be used.", "Choose another name."},
    [DW_PEOPLE_NO_NO_SUCH] = {404, "", "Not found", "There is no such thing.",
                              "Load the page again."},
    [DW_PEOPLE_NO_PRESENCE] = {409, "", "Somebody must be there",
                               "Nobody has confirmed this at the hub itself.",
                               "Press the button on the hub, or run doorward presence there, then"
                               " try again."},
    [DW_PEOPLE_NO_DOOR_BUSY] = {409, "", "A visit is under way", "The door is taken by a visit.",
                                "Wait until it is over."},
    [DW_PEOPLE_NO_DOOR_UNKNOWN] = {409, "", "The lock is not heard",
                                   "It is not known how the door stands.",
                                   "Use the key, or wait until the lock is heard."},
    [DW_PEOPLE_NO_STORAGE] = {503, "", "Cannot store", "The hub cannot store this now.",
                              "Try again."},
    [DW_PEOPLE_NO_TOO_MANY] = {429, "", "Too many tries", "There were too many tries.",
                               "Wait a minute and try again."},
    [DW_PEOPLE_NO_DOOR_OPEN] = {409, "", "Not locked", "The door is not locked.",
                                "Push it, or lock it first."},
    [DW_PEOPLE_NO_RECOVERY] =
        {409, "", "A recovery is under way",
         "Nothing opens while somebody becomes an owner by the recovery code.",
         "Stop the recovery if it is not yours."},
    [DW_PEOPLE_NO_SCOPE] =
        {422, "", "This cannot be given",
         "Days, times, uses or minutes are outside of what a permission may say.",
         "Choose 1 to 90 days, times that do not begin twice, at least one use."},
    [DW_PEOPLE_NO_CLOCK] = {409, "", "The time is not known",
                            "The hub does not know what time it is, so nothing with days and times"
                            " can be signed.",
                            "Wait until the hub has its time again, then begin again."},
    [DW_PEOPLE_NO_BARCODE] = {422, "", "No barcode", "No scanner reads this.",
                              "Write down the letters and figures below the bars."},
    [DW_PEOPLE_NO_PERMISSION] = {403, "", "Not permitted",
                                 "The household has not permitted this, or not any more.",
                                 "Ask the household."},
    [DW_PEOPLE_NO_EARLY] = {409, "", "Too early", "This is outside of the times you were given.",
                            "Come back inside of them."},
    [DW_PEOPLE_NO_NOT_WAITING] = {409, "", "Too late to object",
                                  "This permission does not wait any more.",
                                  "Look at it again; an owner can revoke it."},
};

/* ---- answers ---- */

static char *text_of(const struct words *w, const char *code)
{
    json_t *j = json_pack("{s:s, s:s, s:s, s:s}", "code", code, "title", w->title, "detail",
                          w->detail, "next", w->next);
    char *text = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    return text;
}

char *dw_front_problem_text(enum dw_front_problem p, unsigned *ret_status)
{
    *ret_status = problems[p].status;
    return text_of(&problems[p], problems[p].code);
}

struct dw_front_call *dw_front_call_new(struct dw_front *f, struct lws *wsi)
{
    struct dw_front_call *c = calloc(1, sizeof(*c));
    if (c) {
        c->front = f;
        c->wsi = wsi;
    }
    return c;
}

void dw_front_call_free(struct dw_front_call *c)
{
    if (!c)
        return;
    json_decref(c->in);
    free(c->body);
    free(c->text);
    free(c);
}

static void finish(struct dw_front_call *c, unsigned status, char *taken)
{
    DW_ASSERT(!c->is_answered);
    c->status = taken ? status : 500;
    c->text = taken;
    c->text_len = taken ? strlen(taken) : 0;
    c->is_answered = true;
    if (c->wsi)
        lws_callback_on_writable(c->wsi);
    else
        dw_front_call_free(c); /* nobody waits for it */
}

void dw_front_answer(struct dw_front_call *c, unsigned status, json_t *taken)
{
    char *text = taken ? json_dumps(taken, JSON_COMPACT) : NULL;
    json_decref(taken);
    finish(c, status, text);
}

void dw_front_refuse(struct dw_front_call *c, enum dw_front_problem p)
{
    unsigned status;
    char *text = dw_front_problem_text(p, &status);
    finish(c, status, text);
}

void dw_front_refuse_no(struct dw_front_call *c, enum dw_people_no no)
{
    static const struct words other = {409, "", "Not now", "The hub has refused this.",
                                       "Look at what the page shows, then try again."};
    const struct words *w = no < DW_PEOPLE_NO_COUNT && noes[no].status ? &noes[no] : &other;
    finish(c, w->status, text_of(w, dw_people_no_code(no)));
}

/* ---- bodies ---- */

static bool bad(struct dw_front_call *c)
{
    if (!c->is_answered)
        dw_front_refuse(c, DW_FRONT_PROBLEM_BAD_REQUEST);
    return false;
}

/* Is `key` one of the words of `fields`? */
static bool is_named(const char *fields, const char *key)
{
    size_t len = strlen(key);
    for (const char *p = fields; *p;) {
        size_t n = strcspn(p, " ");
        if (n == len && strncmp(p, key, n) == 0 && key[0] != '?')
            return true;
        p += n + (p[n] == ' ');
    }
    return false;
}

bool dw_front_fields(struct dw_front_call *c, const char *fields)
{
    const char *key;
    json_t *value;
    if (!json_is_object(c->in))
        return bad(c);
    json_object_foreach(c->in, key, value)
    {
        if (!is_named(fields, key))
            return bad(c);
    }
    for (const char *p = fields; *p && *p != '?';) {
        char name[40];
        size_t n = strcspn(p, " ");
        snprintf(name, sizeof(name), "%.*s", (int)n, p);
        if (!json_object_get(c->in, name))
            return bad(c);
        p += n + (p[n] == ' ');
    }
    return true;
}

bool dw_front_text(struct dw_front_call *c, const char *key, char *ret_text, size_t cap)
{
    const char *text = json_string_value(json_object_get(c->in, key));
    if (!text || strlen(text) >= cap)
        return bad(c);
    for (const char *p = text; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return bad(c);
    }
    memset(ret_text, 0, cap);
    memcpy(ret_text, text, strlen(text));
    return true;
}

bool dw_front_bytes(struct dw_front_call *c, const char *key, uint8_t *ret_bytes, size_t cap,
                    uint16_t *ret_len)
{
    const char *text = json_string_value(json_object_get(c->in, key));
    size_t len = 0;
    if (!text || dw_failed(dw_unbase64url(text, strlen(text), ret_bytes, cap, &len)) || len == 0 ||
        len > UINT16_MAX)
        return bad(c);
    *ret_len = (uint16_t)len;
    return true;
}

bool dw_front_hex(struct dw_front_call *c, const char *key, uint8_t *ret_bytes, size_t len)
{
    const char *text = json_string_value(json_object_get(c->in, key));
    if (!text || strlen(text) != 2 * len || dw_failed(dw_unhex(text, ret_bytes, len)))
        return bad(c);
    return true;
}

bool dw_front_uint(struct dw_front_call *c, const char *key, uint64_t max, uint64_t *ret_value)
{
    const json_t *j = json_object_get(c->in, key);
    if (!json_is_integer(j) || json_integer_value(j) < 0 || (uint64_t)json_integer_value(j) > max)
        return bad(c);
    *ret_value = (uint64_t)json_integer_value(j);
    return true;
}

json_t *dw_front_base64(const void *bytes, size_t len)
{
    char text[DW_BASE64URL_CAP(DW_GUEST_MANIFEST_MAX)];
    if (DW_BASE64URL_CAP(len) > sizeof(text))
        return json_null();
    dw_base64url(bytes, len, text, sizeof(text));
    return json_string(text);
}

void dw_front_call_run(struct dw_front_call *c)
{
    c->is_running = true;
    const char *fields = c->route->fields;
    if (fields) {
        bool may_be_empty = !fields[0] && c->body_len == 0;
        c->in = may_be_empty
                    ? json_object()
                    : json_loadb(c->body ? c->body : "", c->body_len, JSON_REJECT_DUPLICATES, NULL);
        if (!json_is_object(c->in)) {
            (void)bad(c);
            return;
        }
        if (strcmp(fields, "*") != 0 && !dw_front_fields(c, fields))
            return;
    }
    c->route->handle(c);
}

/* ---- the guard ---- */

void dw_front_ask(struct dw_front *f, struct dw_front_call *c, struct dw_ipc_people_ask *m,
                  dw_front_then *then)
{
    struct dw_front_ask *slot = NULL;
    uint32_t strangers = 0;
    bool is_stranger = c->session.id == 0;
    for (uint32_t i = 0; i < DW_FRONT_ASKS_MAX; i++) {
        struct dw_front_ask *a = &f->ask[i];
        if (a->ticket == 0 && !slot)
            slot = a;
        strangers += a->ticket != 0 && a->is_stranger;
    }
    if (!slot || (is_stranger && strangers >= DW_ASKS_OPEN_MAX)) {
        dw_front_refuse(c, DW_FRONT_PROBLEM_BUSY);
        return;
    }
    m->ticket = dw_front_ticket(f);
    m->member = c->session.member;
    if (dw_failed(dw_ipc_send(DW_IPC_FD, DW_IPC_PEOPLE_ASK, m))) {
        dw_front_refuse(c, DW_FRONT_PROBLEM_BUSY);
        return;
    }
    *slot = (struct dw_front_ask){.ticket = m->ticket,
                                  .call = c,
                                  .then = then,
                                  .is_stranger = is_stranger,
                                  .until_ms = dw_now().ms + DW_ASK_MS};
}

uint32_t dw_front_ticket(struct dw_front *f)
{
    if (++f->last_ticket == 0)
        f->last_ticket = 1;
    return f->last_ticket;
}

static struct dw_try *bucket_of_call(struct dw_front_call *c)
{
    char from[48] = "?";
    if (c->wsi)
        lws_get_peer_simple(c->wsi, from, sizeof(from));
    c->front->tries.rule = bucket_one;
    return dw_tries_of(&c->front->tries, from, dw_now().ms);
}

bool dw_front_may_try(struct dw_front_call *c, unsigned cost)
{
    struct dw_front *f = c->front;
    uint64_t now = dw_now().ms;
    struct dw_try *one = bucket_of_call(c);
    if (f->tries_all.at_ms == 0)
        f->tries_all = (struct dw_try){.left = bucket_all.cap, .at_ms = now};
    dw_try_fill(&f->tries_all, &bucket_all, now);
    if (one->left < cost || f->tries_all.left < cost) {
        dw_log("warn", "too_many_tries", "route=%s", c->route->path);
        dw_front_refuse(c, DW_FRONT_PROBLEM_TOO_MANY);
        return false;
    }
    one->left -= cost;
    f->tries_all.left -= cost;
    return true;
}

void dw_front_on_answer(struct dw_front *f, const struct dw_ipc_people_answer *a)
{
    for (uint32_t i = 0; i < DW_FRONT_ASKS_MAX; i++) {
        struct dw_front_ask *slot = &f->ask[i];
        if (a->ticket == 0 || slot->ticket != a->ticket)
            continue;
        struct dw_front_call *c = slot->call;
        dw_front_then *then = slot->then;
        if (a->no != DW_PEOPLE_NO_NONE && slot->is_stranger && c->wsi) {
            struct dw_try *t = bucket_of_call(c);
            t->left -= t->left < COST_WRONG ? t->left : COST_WRONG;
        }
        *slot = (struct dw_front_ask){0};
        if (!c->wsi) {
            dw_front_call_free(c);
        } else if (a->no != DW_PEOPLE_NO_NONE) {
            dw_log("info", "refused", "route=%s code=%s", c->route->path,
                   dw_people_no_code((enum dw_people_no)a->no));
            dw_front_refuse_no(c, (enum dw_people_no)a->no);
        } else {
            then(c, a);
        }
        return;
    }
}

void dw_front_asks_tick(struct dw_front *f, uint64_t now_ms)
{
    for (uint32_t i = 0; i < DW_FRONT_ASKS_MAX; i++) {
        struct dw_front_ask *slot = &f->ask[i];
        if (slot->ticket == 0 || now_ms < slot->until_ms)
            continue;
        struct dw_front_call *c = slot->call;
        *slot = (struct dw_front_ask){0};
        dw_log("warn", "guard_late", "route=%s", c->route->path);
        if (c->wsi)
            dw_front_refuse(c, DW_FRONT_PROBLEM_BUSY);
        else
            dw_front_call_free(c);
    }
}

/* ---- members and sessions ---- */

const struct dw_ipc_member *dw_front_member(const struct dw_front *f, uint32_t member)
{
    for (uint32_t i = 0; member && i < DW_MEMBERS_MAX; i++) {
        if (f->people.member[i].id == member)
            return &f->people.member[i];
    }
    return NULL;
}

const char *dw_front_role_word(uint8_t role)
{
    static const char *const roles[DW_MEMBER_COUNT] = {"none", "owner", "occupant", "guest"};
    return roles[role < DW_MEMBER_COUNT ? role : DW_MEMBER_NONE];
}

bool dw_front_is_guest(const struct dw_front *f, uint32_t member)
{
    const struct dw_ipc_member *m = dw_front_member(f, member);
    return m && m->role == DW_MEMBER_GUEST;
}

json_t *dw_front_member_json(const struct dw_front *f, uint32_t member)
{
    const struct dw_ipc_member *m = dw_front_member(f, member);
    if (!m)
        return json_null();
    return json_pack("{s:I, s:o, s:s}", "id", (json_int_t)m->id, "name", dw_say_name(m->name),
                     "role", dw_front_role_word(m->role));
}

void dw_front_cookie(const struct dw_front *f, const char *token, char *ret_text, size_t cap)
{
    bool is_secure = strncmp(f->origin, "https:", 6) == 0;
    snprintf(ret_text, cap, "doorward_home=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%lld%s",
             token, token[0] ? (long long)(DW_SESSION_LIFE_MS / 1000) : 0LL,
             is_secure ? "; Secure" : "");
}

void dw_front_sign_in(struct dw_front_call *c, const struct dw_ipc_people_answer *a, json_t *more)
{
    struct dw_front *f = c->front;
    uint32_t member = a->member;
    struct dw_view credential = dw_view_of(
        a->credential, a->credential_len <= sizeof(a->credential) ? a->credential_len : 0);
    struct dw_session_row row;
    char token[DW_SESSION_TOKEN_TEXT];
    if (!dw_front_member(f, member) ||
        !dw_book_session_new(f->book, member, credential, &row, token)) {
        json_decref(more);
        dw_front_refuse(c, DW_FRONT_PROBLEM_STORAGE);
        return;
    }
    if (c->session.id) /* one cookie, one session */
        dw_book_session_end(f->book, c->session.id);
    dw_front_cookie(f, token, c->cookie, sizeof(c->cookie));
    dw_log("info", "signed_in", "member=%u", member);
    json_t *j = more ? more : json_object();
    json_object_set_new(j, "member", dw_front_member_json(f, member));
    dw_front_answer(c, 200, j);
    dw_front_pages_check(f);
}
