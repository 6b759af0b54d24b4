/* Agencies that ask, and what an owner's passkey gave them [docs/design/authority.md]. All of it is
 * the guard's word; a grant is made by the act `grant`, a tap alone only takes away. */
#include <string.h>

#include "hub/front/api.h"
#include "wire/grant.h"

static const char *const kinds[DW_VISIT_KIND_COUNT] = {"drop", "stay"};
/* Unknown is not live. */
static const char *const states[DW_GRANT_STATE_COUNT] = {"unknown", "waiting", "live",
                                                         "vetoed",  "revoked", "expired"};

static const char *const modes[DW_GRANT_MODE_COUNT] = {"ask", "veto", "notify"};

const char *dw_say_grant_mode(uint8_t mode)
{
    return mode < DW_GRANT_MODE_COUNT ? modes[mode] : "unknown";
}

static json_t *windows_json(const struct dw_ipc_grant *g)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < g->window_count && i < DW_ARRAY_COUNT(g->window); i++)
        json_array_append_new(list, json_pack("{s:i, s:i}", "from", (int)g->window[i].from,
                                              "minutes", (int)g->window[i].minutes));
    return list;
}

json_t *dw_front_grant_json(const struct dw_front *f, const struct dw_ipc_grant *g)
{
    bool has_door = g->door < DW_ARRAY_COUNT(f->params.door) && f->params.door[g->door][0];
    json_t *agency = g->guest ? json_null() : dw_say_hex(g->agency, 16);
    json_t *j = json_pack("{s:o, s:o, s:o, s:b, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "id",
                          dw_say_hex(g->id, 16), "agency", agency, "name", dw_say_name(g->name),
                          "hosted", g->is_hosted == 1, "kind",
                          g->kind < DW_VISIT_KIND_COUNT ? kinds[g->kind] : "unknown", "mode",
                          dw_say_grant_mode(g->mode), "state",
                          states[g->state < DW_GRANT_STATE_COUNT ? g->state : DW_GRANT_STATE_NONE],
                          "windows", windows_json(g), "zone", dw_say_name(g->zone), "from",
                          dw_time_json(g->nbf_s * 1000), "to", dw_time_json(g->exp_s * 1000),
                          "door", has_door ? dw_say_name(f->params.door[g->door]) : json_null());
    if (!j)
        return json_null();
    json_object_set_new(j, "guest", g->guest ? json_integer(g->guest) : json_null());
    json_object_set_new(j, "door_number", json_integer(g->door));
    json_object_set_new(j, "uses", json_integer(g->uses));
    json_object_set_new(j, "used", json_integer(g->used));
    json_object_set_new(j, "used_today", g->has_today ? json_integer(g->used_today) : json_null());
    json_object_set_new(j, "per_day", json_integer(g->per_day));
    json_object_set_new(j, "dwell_ms", json_integer(g->dwell_ms));
    json_object_set_new(j, "camera",
                        json_string(g->camera_class == DW_CAMERA_K2   ? "k2"
                                    : g->camera_class == DW_CAMERA_K0 ? "k0"
                                                                      : "unknown"));
    json_object_set_new(j, "live_at", dw_time_json(g->live_at_ms));
    json_object_set_new(j, "over_at", dw_time_json(g->over_at_ms));
    json_object_set_new(j, "over_stored", json_boolean(g->is_over_stored == 1));
    json_object_set_new(j, "signed_by", json_integer(g->signed_by));
    json_object_set_new(j, "signed_at", dw_time_json(g->signed_at_ms));
    return j;
}

void dw_api_grants(struct dw_front_call *c)
{
    const struct dw_front *f = c->front;
    json_t *agencies = json_array(), *grants = json_array();
    for (uint32_t i = 0; i < f->grants.agency_count && i < DW_AGENCIES_MAX; i++) {
        const struct dw_ipc_agency *a = &f->grants.agency[i];
        json_array_append_new(
            agencies, json_pack("{s:o, s:o, s:b, s:o, s:b, s:o}", "id", dw_say_hex(a->id, 16),
                                "name", dw_say_name(a->name), "hosted", a->is_hosted == 1, "key",
                                dw_say_hex(a->key, 8), "waiting", a->is_waiting == 1, "asked_at",
                                dw_time_json(a->asked_utc_ms)));
    }
    for (uint32_t i = 0; i < f->grants.grant_count && i < DW_GRANTS_MAX; i++)
        json_array_append_new(grants, dw_front_grant_json(f, &f->grants.grant[i]));
    dw_front_answer(c, 200,
                    json_pack("{s:o, s:o, s:I, s:b}", "agencies", agencies, "grants", grants,
                              "epoch", (json_int_t)f->grants.epoch, "restored",
                              f->grants.is_restored != 0));
}

/* ---- what an owner is about to sign ---- */

static bool bad(struct dw_front_call *c)
{
    dw_front_refuse(c, DW_FRONT_PROBLEM_BAD_REQUEST);
    return false;
}

static bool read_word(struct dw_front_call *c, const char *key, const char *const *words,
                      size_t count, uint8_t *ret)
{
    char text[16];
    if (!dw_front_text(c, key, text, sizeof(text)))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text, words[i]) == 0) {
            *ret = (uint8_t)i;
            return true;
        }
    }
    return bad(c);
}

/* [{from, minutes}]; whether they make a week is the guard's to say. */
static bool read_windows(struct dw_front_call *c, struct dw_people_grant *g)
{
    json_t *list = json_object_get(c->in, "windows");
    size_t count = json_is_array(list) ? json_array_size(list) : 0;
    if (count == 0 || count > DW_GRANT_WINDOWS_MAX)
        return bad(c);
    for (size_t i = 0; i < count; i++) {
        const json_t *w = json_array_get(list, i);
        const json_t *from = json_object_get(w, "from"), *minutes = json_object_get(w, "minutes");
        if (json_object_size(w) != 2 || !json_is_integer(from) || !json_is_integer(minutes))
            return bad(c);
        json_int_t at = json_integer_value(from), len = json_integer_value(minutes);
        if (at < 0 || at >= (json_int_t)DW_WEEK_MINUTES || len < 1 ||
            len > (json_int_t)DW_WEEK_MINUTES)
            return bad(c);
        g->window[i] = (struct dw_week_window){(uint16_t)at, (uint16_t)len};
    }
    g->window_count = (uint8_t)count;
    return true;
}

static bool is_of_session(const struct dw_front_call *c, const struct dw_ipc_credential *k)
{
    return k->id_len == c->session.credential_len &&
           memcmp(k->id, c->session.credential, k->id_len) == 0;
}

/* The passkey by its number, one of the asker's own. Without it the one that they signed in with
 * here, which this device has; when that is not known or gone, the guard names one. */
static bool read_passkey(struct dw_front_call *c, struct dw_ipc_people_ask *m)
{
    uint64_t number = 0;
    bool is_named = json_object_get(c->in, "passkey") != NULL;
    if (is_named && !dw_front_uint(c, "passkey", UINT32_MAX, &number))
        return false;
    for (uint32_t i = 0; i < DW_CREDENTIALS_MAX; i++) {
        const struct dw_ipc_credential *k = &c->front->people.credential[i];
        if (k->member == 0 || k->member != c->session.member || k->id_len > sizeof(m->credential) ||
            (is_named ? k->number != number : !is_of_session(c, k)))
            continue;
        memcpy(m->credential, k->id, k->id_len);
        m->credential_len = k->id_len;
        return true;
    }
    if (is_named)
        dw_front_refuse_no(c, DW_PEOPLE_NO_NO_SUCH);
    return !is_named;
}

/* An agency by its id, or a guest by the member's number. */
static bool read_grantee(struct dw_front_call *c, struct dw_ipc_people_ask *m)
{
    uint64_t guest = 0;
    bool is_guest = json_object_get(c->in, "guest") != NULL;
    if (is_guest == (json_object_get(c->in, "agency") != NULL))
        return bad(c);
    if (!is_guest)
        return dw_front_hex(c, "agency", m->id, sizeof(m->id));
    if (!dw_front_uint(c, "guest", UINT32_MAX, &guest))
        return false;
    m->target = (uint32_t)guest;
    return m->target != 0 || bad(c);
}

bool dw_api_act_grant(struct dw_front_call *c, struct dw_ipc_people_ask *m)
{
    struct dw_people_grant *g = &m->grant;
    uint64_t days, uses, per_day, dwell_ms;
    if (c->member->role != DW_MEMBER_OWNER) {
        dw_front_refuse(c, DW_FRONT_PROBLEM_ROLE);
        return false;
    }
    if (!read_grantee(c, m) || !read_word(c, "kind", kinds, DW_ARRAY_COUNT(kinds), &g->kind) ||
        !read_word(c, "mode", modes, DW_ARRAY_COUNT(modes), &g->mode) || !read_windows(c, g) ||
        !dw_front_uint(c, "days", DW_GRANT_DAYS_MAX, &days) ||
        !dw_front_uint(c, "uses", UINT16_MAX, &uses) ||
        !dw_front_uint(c, "per_day", UINT8_MAX, &per_day) ||
        !dw_front_uint(c, "dwell_ms", UINT32_MAX, &dwell_ms) || !read_passkey(c, m))
        return false;
    g->days = (uint16_t)days;
    g->uses = (uint16_t)uses;
    g->per_day = (uint8_t)per_day;
    g->dwell_ms = (uint32_t)dwell_ms;
    return true;
}

/* ---- what takes away ---- */

static void ended(struct dw_front_call *c, const struct dw_ipc_people_answer *a)
{
    dw_front_answer(c, 200,
                    json_pack("{s:I, s:o}", "epoch", (json_int_t)a->value, "at",
                              dw_time_json(a->until_utc_ms)));
}

static void end(struct dw_front_call *c, enum dw_people_op op)
{
    struct dw_ipc_people_ask m = {.op = (uint8_t)op};
    if (dw_front_hex(c, "id", m.id, sizeof(m.id)))
        dw_front_ask(c->front, c, &m, ended);
}

void dw_api_grants_revoke(struct dw_front_call *c)
{
    end(c, DW_PEOPLE_REVOKE);
}

void dw_api_grants_veto(struct dw_front_call *c)
{
    end(c, DW_PEOPLE_VETO);
}

/* ---- parcels that are expected ---- */

void dw_api_expected(struct dw_front_call *c)
{
    const struct dw_ipc_expected *x = &c->front->expected;
    json_t *items = json_array();
    for (uint32_t i = 0; i < x->count && i < DW_EXPECTED_MAX; i++)
        json_array_append_new(
            items,
            json_pack(
                "{s:o, s:o, s:I, s:o}", "code",
                json_stringn(x->item[i].code, strnlen(x->item[i].code, sizeof(x->item[i].code))),
                "note", dw_say_name(x->item[i].note), "member", (json_int_t)x->item[i].member, "at",
                dw_time_json(x->item[i].at_utc_ms)));
    dw_front_answer(c, 200, json_pack("{s:o}", "items", items));
}

static void changed(struct dw_front_call *c, const struct dw_ipc_people_answer *a)
{
    (void)a;
    dw_front_answer(c, 200, json_object());
}

static void expect(struct dw_front_call *c, enum dw_people_op op)
{
    struct dw_ipc_people_ask m = {.op = (uint8_t)op};
    if (!dw_front_text(c, "code", m.text, DW_PARCEL_CODE_MAX + 1) ||
        (json_object_get(c->in, "note") && !dw_front_text(c, "note", m.name, sizeof(m.name))))
        return;
    dw_front_ask(c->front, c, &m, changed);
}

void dw_api_expected_add(struct dw_front_call *c)
{
    expect(c, DW_PEOPLE_EXPECT);
}

void dw_api_expected_remove(struct dw_front_call *c)
{
    expect(c, DW_PEOPLE_EXPECT_NOT);
}
