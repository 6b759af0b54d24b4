/* Sign-in, invitations, acts with a passkey, who lives here. The front shapes and the guard judges:
 * nothing here decides whether an assertion holds. */
#include <string.h>

#include "crypto/crypto.h"
#include "hub/front/api.h"
#include "os/os.h"

static json_t *challenge_json(const struct dw_front *f, const struct dw_ipc_people_answer *a)
{
    return json_pack("{s:o, s:s}", "challenge", dw_front_base64(a->challenge, 32), "rp_id",
                     f->rp_id);
}

/* A text of the guard; never trusted to end. */
static json_t *text_json(const char *text, size_t cap)
{
    json_t *j = json_stringn(text, strnlen(text, cap));
    return j ? j : json_string("");
}

static json_t *link_json(const struct dw_front *f, const struct dw_ipc_people_answer *a)
{
    char link[512];
    snprintf(link, sizeof(link), "%s/join#%.*s", f->origin, (int)sizeof(a->text), a->text);
    json_t *j = json_string(link);
    return j ? j : json_null();
}

static bool read_challenge(struct dw_front_call *c, struct dw_ipc_people_ask *m)
{
    uint16_t len;
    if (!dw_front_bytes(c, "challenge", m->challenge, sizeof(m->challenge), &len))
        return false;
    if (len == sizeof(m->challenge))
        return true;
    dw_front_refuse(c, DW_FRONT_PROBLEM_BAD_REQUEST);
    return false;
}

bool dw_front_assertion(struct dw_front_call *c, struct dw_ipc_people_ask *m)
{
    return dw_front_bytes(c, "id", m->credential, sizeof(m->credential), &m->credential_len) &&
           dw_front_bytes(c, "client_data", m->client_data, sizeof(m->client_data),
                          &m->client_data_len) &&
           dw_front_bytes(c, "auth_data", m->auth, sizeof(m->auth), &m->auth_len) &&
           dw_front_bytes(c, "signature", m->signature, sizeof(m->signature), &m->signature_len);
}

static bool read_assertion(struct dw_front_call *c, struct dw_ipc_people_ask *m)
{
    return read_challenge(c, m) && dw_front_assertion(c, m);
}

/* ---- sign in ---- */

static void began(struct dw_front_call *c, const struct dw_ipc_people_answer *a)
{
    dw_front_answer(c, 200, challenge_json(c->front, a));
}

void dw_api_signin_begin(struct dw_front_call *c)
{
    struct dw_ipc_people_ask m = {.op = DW_PEOPLE_BEGIN, .act = DW_ACT_SIGN_IN};
    if (dw_front_may_try(c, 1))
        dw_front_ask(c->front, c, &m, began);
}

static void signed_in(struct dw_front_call *c, const struct dw_ipc_people_answer *a)
{
    dw_front_sign_in(c, a, NULL);
}

void dw_api_signin_finish(struct dw_front_call *c)
{
    struct dw_ipc_people_ask m = {.op = DW_PEOPLE_SIGN_IN};
    if (dw_front_may_try(c, 1) && read_assertion(c, &m))
        dw_front_ask(c->front, c, &m, signed_in);
}

/* ---- join ---- */

static void looked(struct dw_front_call *c, const struct dw_ipc_people_answer *a)
{
    dw_front_answer(c, 200,
                    json_pack("{s:o, s:s, s:o, s:b, s:o}", "name", dw_say_name(a->name), "role",
                              dw_front_role_word(a->role), "until", dw_time_json(a->until_utc_ms),
                              "is_first", a->is_first, "home", dw_say_name(c->front->params.home)));
}

void dw_api_join_look(struct dw_front_call *c)
{
    struct dw_ipc_people_ask m = {.op = DW_PEOPLE_LOOK};
    if (dw_front_may_try(c, 2) && dw_front_text(c, "token", m.token, sizeof(m.token)))
        dw_front_ask(c->front, c, &m, looked);
}

static void join_began(struct dw_front_call *c, const struct dw_ipc_people_answer *a)
{
    json_t *j = challenge_json(c->front, a);
    if (j) {
        json_object_set_new(j, "user", dw_front_base64(a->user, sizeof(a->user)));
        json_object_set_new(j, "name", dw_say_name(a->name));
        json_object_set_new(j, "role", json_string(dw_front_role_word(a->role)));
    }
    dw_front_answer(c, 200, j);
}

void dw_api_join_begin(struct dw_front_call *c)
{
    struct dw_ipc_people_ask m = {.op = DW_PEOPLE_BEGIN, .act = DW_ACT_JOIN};
    if (dw_front_may_try(c, 2) && dw_front_text(c, "token", m.token, sizeof(m.token)))
        dw_front_ask(c->front, c, &m, join_began);
}

/* The list of members may come a moment after the answer. */
static void expect_member(struct dw_front *f, const struct dw_ipc_people_answer *a)
{
    if (dw_front_member(f, a->member))
        return;
    for (uint32_t i = 0; i < DW_MEMBERS_MAX; i++) {
        struct dw_ipc_member *m = &f->people.member[i];
        if (m->id != 0)
            continue;
        *m = (struct dw_ipc_member){.id = a->member, .role = a->role};
        memcpy(m->name, a->name, sizeof(m->name));
        return;
    }
}

static void joined(struct dw_front_call *c, const struct dw_ipc_people_answer *a)
{
    json_t *more = json_object();
    if (more && a->text[0])
        json_object_set_new(more, "recovery_code", text_json(a->text, sizeof(a->text)));
    expect_member(c->front, a);
    dw_front_sign_in(c, a, more);
}

void dw_api_join_finish(struct dw_front_call *c)
{
    struct dw_ipc_people_ask m = {.op = DW_PEOPLE_JOIN};
    if (dw_front_may_try(c, 1) && read_challenge(c, &m) &&
        dw_front_bytes(c, "client_data", m.client_data, sizeof(m.client_data),
                       &m.client_data_len) &&
        dw_front_bytes(c, "attestation", m.auth, sizeof(m.auth), &m.auth_len) &&
        dw_front_text(c, "label", m.name, sizeof(m.name)) &&
        (!json_object_get(c->in, "name") || dw_front_text(c, "name", m.text, DW_NAME_MAX)))
        dw_front_ask(c->front, c, &m, joined);
}

/* ---- recovery ---- */

static void recovering(struct dw_front_call *c, const struct dw_ipc_people_answer *a)
{
    dw_front_answer(c, 200,
                    json_pack("{s:o, s:o}", "until", dw_time_json(a->until_utc_ms), "link",
                              link_json(c->front, a)));
}

void dw_api_recover(struct dw_front_call *c)
{
    struct dw_ipc_people_ask m = {.op = DW_PEOPLE_RECOVER};
    if (dw_front_may_try(c, 10) && dw_front_text(c, "code", m.name, sizeof(m.name)))
        dw_front_ask(c->front, c, &m, recovering);
}

static void done(struct dw_front_call *c, const struct dw_ipc_people_answer *a)
{
    (void)a;
    dw_front_answer(c, 200, json_object());
}

void dw_api_recover_stop(struct dw_front_call *c)
{
    struct dw_ipc_people_ask m = {.op = DW_PEOPLE_RECOVER_STOP};
    dw_front_ask(c->front, c, &m, done);
}

/* ---- the session ---- */

static uint32_t passkeys_of(const struct dw_front *f, uint32_t member)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < DW_CREDENTIALS_MAX; i++)
        n += f->people.credential[i].member == member;
    return n;
}

static const struct dw_ipc_credential *passkey_of(const struct dw_front *f, uint32_t member)
{
    for (uint32_t i = 0; i < DW_CREDENTIALS_MAX; i++) {
        const struct dw_ipc_credential *k = &f->people.credential[i];
        if (k->member == member && k->id_len <= sizeof(k->id))
            return k;
    }
    return NULL;
}

/* The hub's key, so that the page can check what the hub signs; and the one passkey. */
static void answer_guest(struct dw_front_call *c)
{
    struct dw_front *f = c->front;
    const struct dw_ipc_credential *k = passkey_of(f, c->member->id);
    const struct dw_front_guest *x = dw_front_guest_of(f, c->member->id);
    dw_front_answer(c, 200,
                    json_pack("{s:o, s:s, s:o, s:s, s:o, s:o}", "member",
                              dw_front_member_json(f, c->member->id), "csrf", c->session.csrf,
                              "home", dw_say_name(f->params.home), "rp_id", f->rp_id, "credential",
                              k ? dw_front_base64(k->id, k->id_len) : json_null(), "hub_pub",
                              x ? dw_front_base64(x->said.hub_pub, 32) : json_null()));
}

void dw_api_me(struct dw_front_call *c)
{
    struct dw_front *f = c->front;
    if (c->member->role == DW_MEMBER_GUEST) {
        answer_guest(c);
        return;
    }
    bool needs = c->member->role == DW_MEMBER_OWNER && passkeys_of(f, c->member->id) < 2;
    dw_front_answer(c, 200,
                    json_pack("{s:o, s:s, s:o, s:b, s:s, s:b, s:o}", "member",
                              dw_front_member_json(f, c->member->id), "csrf", c->session.csrf,
                              "home", dw_say_name(f->params.home), "needs_second_passkey", needs,
                              "camera_mode", dw_camera_mode_word(f->people.camera_mode), "is_demo",
                              f->conf.drill_socket[0] != '\0', "recovery_until",
                              dw_time_json(f->people.recovery_utc_ms)));
}

void dw_api_signout(struct dw_front_call *c)
{
    dw_book_session_end(c->front->book, c->session.id);
    dw_front_cookie(c->front, "", c->cookie, sizeof(c->cookie));
    dw_front_pages_check(c->front);
    dw_front_answer(c, 200, json_object());
}

void dw_api_signout_everywhere(struct dw_front_call *c)
{
    dw_book_sessions_end(c->front->book, c->session.member);
    dw_front_cookie(c->front, "", c->cookie, sizeof(c->cookie));
    dw_front_pages_check(c->front);
    dw_front_answer(c, 200, json_object());
}

/* ---- acts ---- */

static bool act_invite(struct dw_front_call *c, struct dw_ipc_people_ask *m)
{
    char role[16];
    if (!dw_front_text(c, "role", role, sizeof(role)) ||
        !dw_front_text(c, "name", m->name, sizeof(m->name)))
        return false;
    for (unsigned i = DW_MEMBER_OWNER; i < DW_MEMBER_COUNT; i++) {
        if (strcmp(role, dw_front_role_word((uint8_t)i)) == 0)
            m->role = (uint8_t)i;
    }
    if (m->role != DW_MEMBER_NONE)
        return true;
    dw_front_refuse(c, DW_FRONT_PROBLEM_BAD_REQUEST);
    return false;
}

static bool act_target(struct dw_front_call *c, struct dw_ipc_people_ask *m, const char *key)
{
    uint64_t n;
    if (!dw_front_uint(c, key, UINT32_MAX, &n))
        return false;
    m->target = (uint32_t)n;
    return true;
}

static bool act_member(struct dw_front_call *c, struct dw_ipc_people_ask *m)
{
    return act_target(c, m, "member");
}

static bool act_number(struct dw_front_call *c, struct dw_ipc_people_ask *m)
{
    return act_target(c, m, "number");
}

static bool act_passkey(struct dw_front_call *c, struct dw_ipc_people_ask *m)
{
    if (!act_target(c, m, "number"))
        return false;
    for (uint32_t i = 0; i < DW_CREDENTIALS_MAX; i++) {
        const struct dw_ipc_credential *k = &c->front->people.credential[i];
        if (k->member == 0 || k->number != m->target || k->id_len > sizeof(m->credential))
            continue;
        memcpy(m->credential, k->id, k->id_len);
        m->credential_len = k->id_len;
        return true;
    }
    dw_front_refuse_no(c, DW_PEOPLE_NO_NO_SUCH);
    return false;
}

static bool act_param(struct dw_front_call *c, struct dw_ipc_people_ask *m)
{
    return dw_front_text(c, "field", m->name, sizeof(m->name)) &&
           dw_front_uint(c, "value", UINT32_MAX, &m->value);
}

static bool act_agency(struct dw_front_call *c, struct dw_ipc_people_ask *m)
{
    return dw_front_hex(c, "id", m->id, sizeof(m->id));
}

static bool act_key(struct dw_front_call *c, struct dw_ipc_people_ask *m)
{
    uint8_t key[32];
    if (!dw_front_hex(c, "key", key, sizeof(key)))
        return false;
    dw_hex(key, sizeof(key), m->text);
    return true;
}

static const struct {
    const char *word, *fields;
    enum dw_act act;
    bool (*read)(struct dw_front_call *c, struct dw_ipc_people_ask *m);
} acts[] = {
    {"unlock", "act", DW_ACT_UNLOCK, NULL},
    {"let_in", "act", DW_ACT_LET_IN, NULL},
    {"invite", "act role name", DW_ACT_INVITE, act_invite},
    {"add_passkey", "act", DW_ACT_ADD_PASSKEY, NULL},
    {"remove_member", "act member", DW_ACT_REMOVE_MEMBER, act_member},
    {"remove_passkey", "act number", DW_ACT_REMOVE_PASSKEY, act_passkey},
    {"remove_invite", "act number", DW_ACT_REMOVE_INVITE, act_number},
    {"set_param", "act field value", DW_ACT_SET_PARAM, act_param},
    {"allow_agency", "act id", DW_ACT_ALLOW_AGENCY, act_agency},
    {"new_recovery", "act", DW_ACT_NEW_RECOVERY, NULL},
    {"grant", "act kind windows days uses per_day dwell_ms mode ? passkey agency guest",
     DW_ACT_GRANT, dw_api_act_grant},
    {"camera_key", "act key", DW_ACT_CAMERA_KEY, act_key},
    {"lock_key", "act key", DW_ACT_LOCK_KEY, act_key},
};

/* A page may ask the passkeys of `allow` and no other. What is signed shows one by its thumbprint
 * (a grant): then that one alone is allowed, and is `credential` too. */
static void act_began(struct dw_front_call *c, const struct dw_ipc_people_answer *a)
{
    struct dw_front *f = c->front;
    json_t *j = challenge_json(f, a), *allow = json_array();
    bool is_one = a->credential_len > 0 && a->credential_len <= sizeof(a->credential);
    if (is_one)
        json_array_append_new(allow, dw_front_base64(a->credential, a->credential_len));
    for (uint32_t i = 0; !is_one && i < DW_CREDENTIALS_MAX; i++) {
        const struct dw_ipc_credential *k = &f->people.credential[i];
        if (k->member == c->session.member && k->id_len <= sizeof(k->id))
            json_array_append_new(allow, dw_front_base64(k->id, k->id_len));
    }
    if (!j) {
        json_decref(allow);
        dw_front_answer(c, 200, NULL);
        return;
    }
    json_object_set_new(j, "allow", allow);
    if (is_one)
        json_object_set_new(j, "credential", dw_front_base64(a->credential, a->credential_len));
    if (a->bytes_len > 0 && a->bytes_len <= sizeof(a->bytes))
        json_object_set_new(j, "bytes", dw_front_base64(a->bytes, a->bytes_len));
    dw_front_answer(c, 200, j);
}

void dw_api_acts_begin(struct dw_front_call *c)
{
    const char *word = json_string_value(json_object_get(c->in, "act"));
    for (size_t i = 0; word && i < DW_ARRAY_COUNT(acts); i++) {
        struct dw_ipc_people_ask m = {.op = DW_PEOPLE_BEGIN, .act = (uint8_t)acts[i].act};
        if (strcmp(acts[i].word, word) != 0)
            continue;
        if (dw_front_fields(c, acts[i].fields) && (!acts[i].read || acts[i].read(c, &m)))
            dw_front_ask(c->front, c, &m, act_began);
        return;
    }
    dw_front_refuse(c, DW_FRONT_PROBLEM_BAD_REQUEST);
}

/* The guard alone knows what the challenge was for; its text tells what came of it: a token for the
 * next to join has a time, a recovery code has none. */
static void acted(struct dw_front_call *c, const struct dw_ipc_people_answer *a)
{
    static const uint8_t none[sizeof(a->id)];
    json_t *j = json_object();
    if (j && memcmp(a->id, none, sizeof(none)) != 0)
        json_object_set_new(j, "grant", dw_say_hex(a->id, sizeof(a->id)));
    if (j && a->text[0] && a->until_utc_ms > 0) {
        json_object_set_new(j, "link", link_json(c->front, a));
        json_object_set_new(j, "until", dw_time_json(a->until_utc_ms));
    } else if (j && a->text[0]) {
        json_object_set_new(j, "recovery_code", text_json(a->text, sizeof(a->text)));
    }
    dw_front_answer(c, 200, j);
}

void dw_api_acts_finish(struct dw_front_call *c)
{
    struct dw_ipc_people_ask m = {.op = DW_PEOPLE_ACT};
    if (read_assertion(c, &m))
        dw_front_ask(c->front, c, &m, acted);
}

/* ---- who lives here ---- */

static json_t *agencies_json(const struct dw_front *f)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < f->job_count; i++) {
        const struct dw_ipc_job *job = &f->job[i];
        bool is_told = job->guest != 0; /* has no agency */
        for (uint32_t k = 0; k < i; k++)
            is_told = is_told || memcmp(f->job[k].agency, job->agency, 16) == 0;
        if (!is_told)
            json_array_append_new(
                list, json_pack("{s:o, s:o, s:b}", "id", dw_say_hex(job->agency, 16), "name",
                                dw_say_name(job->agency_name), "stopped", job->is_agency_stopped));
    }
    return list;
}

static json_t *member_row(const struct dw_front *f, const struct dw_ipc_member *m)
{
    const struct dw_ipc_credential *k = passkey_of(f, m->id);
    json_t *j =
        json_pack("{s:I, s:o, s:s, s:o}", "id", (json_int_t)m->id, "name", dw_say_name(m->name),
                  "role", dw_front_role_word(m->role), "since", dw_time_json(m->since_utc_ms));
    if (j && m->role == DW_MEMBER_GUEST) /* what a grant to it names */
        json_object_set_new(j, "key_thumb", k ? dw_say_hex(k->thumb, 32) : json_null());
    return j;
}

void dw_api_people(struct dw_front_call *c)
{
    const struct dw_front *f = c->front;
    json_t *members = json_array(), *passkeys = json_array(), *invitations = json_array();
    for (uint32_t i = 0; i < DW_MEMBERS_MAX; i++) {
        const struct dw_ipc_member *m = &f->people.member[i];
        if (m->id)
            json_array_append_new(members, member_row(f, m));
    }
    for (uint32_t i = 0; i < DW_CREDENTIALS_MAX; i++) {
        const struct dw_ipc_credential *k = &f->people.credential[i];
        if (k->member)
            json_array_append_new(
                passkeys, json_pack("{s:I, s:I, s:o, s:o, s:o, s:b}", "number",
                                    (json_int_t)k->number, "member", (json_int_t)k->member, "label",
                                    dw_say_name(k->label), "added", dw_time_json(k->added_utc_ms),
                                    "used", dw_time_json(k->used_utc_ms), "synced", k->is_synced));
    }
    for (uint32_t i = 0; i < DW_INVITES_MAX; i++) {
        const struct dw_ipc_invite *v = &f->people.invite[i];
        if (v->number)
            json_array_append_new(invitations,
                                  json_pack("{s:I, s:o, s:s, s:o}", "number", (json_int_t)v->number,
                                            "name", dw_say_name(v->name), "role",
                                            dw_front_role_word(v->role), "until",
                                            dw_time_json(v->until_utc_ms)));
    }
    dw_front_answer(c, 200,
                    json_pack("{s:o, s:o, s:o, s:o, s:I, s:o}", "members", members, "passkeys",
                              passkeys, "invitations", invitations, "agencies", agencies_json(f),
                              "epoch", (json_int_t)f->people.epoch, "recovery_until",
                              dw_time_json(f->people.recovery_utc_ms)));
}
