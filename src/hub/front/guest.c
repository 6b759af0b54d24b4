/* What a guest's page may have, and what it says [docs/design/guests.md]. All of it is the guard's
 * word; a page that waits for news is answered when they come. */
#include <stdlib.h>
#include <string.h>

#include "hub/front/api.h"
#include "os/os.h"

#define WAIT_MS_MAX 20000u

static const struct dw_try_rule tries_rule = {.cap = 60, .each_ms = 1000};

static const char *const states[DW_GUEST_STATE_COUNT] = {"none", "can_ask", "waits_for_yes",
                                                         "not_now"};

struct dw_front_guest *dw_front_guest_of(struct dw_front *f, uint32_t member)
{
    for (size_t i = 0; i < DW_GUESTS_MAX && member != 0; i++) {
        if (f->guest[i].said.member == member)
            return &f->guest[i];
    }
    return NULL;
}

/* ---- what is shown ---- */

static json_t *bytes_json(const uint8_t *bytes, size_t len, size_t cap)
{
    return len > 0 && len <= cap ? dw_front_base64(bytes, len) : json_null();
}

static json_t *checks_json(uint64_t checks)
{
    json_t *list = json_array();
    for (unsigned i = 1; i < DW_CHECK_COUNT; i++) {
        if (checks >> i & 1)
            json_array_append_new(list, json_string(dw_check_code((enum dw_check)i)));
    }
    return list;
}

static json_t *check_json(uint8_t check)
{
    return check == DW_CHECK_NONE ? json_null() : json_string(dw_check_code((enum dw_check)check));
}

static json_t *alarms_json(uint32_t alarms)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < DW_ALARM_COUNT; i++) {
        if (alarms & DW_BIT(i))
            json_array_append_new(list, json_string(dw_alarm_code((enum dw_alarm)i)));
    }
    return list;
}

static json_t *visit_text(uint64_t visit)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%016llx", (unsigned long long)visit);
    return json_string(text);
}

static json_t *visit_json(const struct dw_front_guest *x)
{
    const struct dw_ipc_guest *m = &x->said;
    uint64_t now = dw_now().ms;
    if (m->visit == 0)
        return json_null();
    json_t *j = json_pack("{s:o, s:o, s:I, s:s, s:o, s:o, s:o, s:o, s:o}", "visit",
                          visit_text(m->visit), "nonce", dw_say_hex(m->nonce, sizeof(m->nonce)),
                          "news", (json_int_t)x->news, "state",
                          dw_visit_progress_word((enum dw_visit_state)m->visit_state,
                                                 (enum dw_outcome)m->outcome, m->is_slid != 0),
                          "check", check_json(m->check), "passed", checks_json(m->passed),
                          "failed_checks", checks_json(m->failed), "alarms", alarms_json(m->alarms),
                          "hub_pub", dw_front_base64(m->hub_pub, sizeof(m->hub_pub)));
    if (!j)
        return json_null();
    json_object_set_new(j, "outcome",
                        m->outcome ? json_string(dw_outcome_word((enum dw_outcome)m->outcome))
                                   : json_null());
    json_object_set_new(j, "offer", bytes_json(m->offer, m->offer_len, sizeof(m->offer)));
    json_object_set_new(j, "manifest",
                        bytes_json(m->manifest, m->manifest_len, sizeof(m->manifest)));
    json_object_set_new(j, "receipt", bytes_json(m->receipt, m->receipt_len, sizeof(m->receipt)));
    json_object_set_new(j, "expires_ms",
                        json_integer(m->until_ms > now ? (json_int_t)(m->until_ms - now) : 0));
    return j;
}

/* Of a grant a guest sees what it gives, not who gave it. */
static json_t *own_grant_json(const struct dw_front *f, const struct dw_ipc_grant *g)
{
    static const char *const keys[] = {"id",   "from",  "to",         "windows", "zone",
                                       "uses", "used",  "used_today", "per_day", "dwell_ms",
                                       "mode", "state", "live_at",    "over_at"};
    json_t *all = dw_front_grant_json(f, g), *j = json_object();
    for (size_t i = 0; i < DW_ARRAY_COUNT(keys); i++)
        json_object_set(j, keys[i], json_object_get(all, keys[i]));
    json_decref(all);
    return j;
}

static json_t *overview_json(const struct dw_front *f, const struct dw_front_guest *x)
{
    json_t *grants = json_array();
    uint8_t door = 0;
    for (uint32_t i = 0; i < f->grants.grant_count && i < DW_GRANTS_MAX; i++) {
        const struct dw_ipc_grant *g = &f->grants.grant[i];
        if (g->guest != x->said.member)
            continue;
        json_array_append_new(grants, own_grant_json(f, g));
        door = g->door < DW_ARRAY_COUNT(f->params.door) ? g->door : 0;
    }
    return json_pack("{s:o, s:o, s:s, s:I, s:o, s:o}", "now", dw_time_json(dw_book_now_ms()),
                     "door", dw_say_name(f->params.door[door]), "state",
                     states[x->said.state < DW_GUEST_STATE_COUNT ? x->said.state : DW_GUEST_NONE],
                     "news", (json_int_t)x->news, "grants", grants, "visit", visit_json(x));
}

static void answer(struct dw_front_call *c, const struct dw_front_guest *x)
{
    bool is_visit = c->route->handle == dw_api_guest_visit;
    if (is_visit && x->said.visit == 0)
        dw_front_refuse(c, DW_FRONT_PROBLEM_NOT_FOUND);
    else
        dw_front_answer(c, 200, is_visit ? visit_json(x) : overview_json(c->front, x));
}

/* ---- who waits for news ---- */

static void end_waits(struct dw_front_guest *x)
{
    for (size_t i = 0; i < DW_FRONT_GUEST_WAITS; i++) {
        struct dw_front_call *c = x->wait[i].call;
        x->wait[i].call = NULL;
        if (c && !c->wsi)
            dw_front_call_free(c); /* it has gone */
        else if (c && !dw_front_is_guest(c->front, c->session.member))
            dw_front_refuse(c, DW_FRONT_PROBLEM_SIGNED_OUT);
        else if (c)
            answer(c, x);
    }
}

static void news(struct dw_front_guest *x)
{
    x->news++;
    end_waits(x);
}

void dw_front_on_guest(struct dw_front *f, const struct dw_ipc_guest *m)
{
    struct dw_front_guest *x = dw_front_guest_of(f, m->member);
    for (size_t i = 0; i < DW_GUESTS_MAX && !x; i++) {
        if (!dw_front_is_guest(f, f->guest[i].said.member))
            x = &f->guest[i];
    }
    if (!x)
        return;
    if (x->said.member != m->member) {
        end_waits(x);
        *x = (struct dw_front_guest){.tries = {.left = tries_rule.cap, .at_ms = dw_now().ms}};
    }
    x->said = *m;
    news(x);
}

void dw_front_guests_changed(struct dw_front *f)
{
    for (size_t i = 0; i < DW_GUESTS_MAX; i++) {
        if (f->guest[i].said.member)
            news(&f->guest[i]);
    }
}

void dw_front_guests_tick(struct dw_front *f, uint64_t now_ms)
{
    for (size_t i = 0; i < DW_GUESTS_MAX; i++) {
        struct dw_front_guest *x = &f->guest[i];
        for (size_t k = 0; k < DW_FRONT_GUEST_WAITS; k++) {
            struct dw_front_call *c = x->wait[k].call;
            if (!c || (c->wsi && now_ms < x->wait[k].until_ms))
                continue;
            x->wait[k].call = NULL;
            if (c->wsi)
                answer(c, x);
            else
                dw_front_call_free(c);
        }
    }
}

static bool read_number(struct dw_front_call *c, const char *text, uint64_t max,
                        uint64_t *ret_value)
{
    char *end = NULL;
    *ret_value = strtoull(text, &end, 10);
    if (strspn(text, "0123456789") == strlen(text) && *ret_value <= max)
        return true;
    dw_front_refuse(c, DW_FRONT_PROBLEM_BAD_REQUEST);
    return false;
}

/* Without a place for one more the answer comes at once, as it does without `wait_ms`. */
static void answer_or_wait(struct dw_front_call *c)
{
    struct dw_front_guest *x = dw_front_guest_of(c->front, c->session.member);
    uint64_t wait_ms = 0, since = 0;
    if (!x) { /* the guard has not said anything of this guest yet */
        dw_front_refuse(c, DW_FRONT_PROBLEM_BUSY);
        return;
    }
    if (!read_number(c, c->wait_ms, WAIT_MS_MAX, &wait_ms) ||
        !read_number(c, c->since, INT64_MAX, &since))
        return;
    bool is_old = c->since[0] && since != x->news;
    for (size_t i = 0; i < DW_FRONT_GUEST_WAITS && wait_ms > 0 && !is_old; i++) {
        if (x->wait[i].call)
            continue;
        x->wait[i].call = c;
        x->wait[i].until_ms = dw_now().ms + wait_ms;
        lws_set_timeout(c->wsi, PENDING_TIMEOUT_HTTP_CONTENT, (int)(wait_ms / 1000 + 10));
        return;
    }
    answer(c, x);
}

void dw_api_guest(struct dw_front_call *c)
{
    answer_or_wait(c);
}

void dw_api_guest_visit(struct dw_front_call *c)
{
    answer_or_wait(c);
}

/* ---- what a guest says ---- */

/* The guard counts what it is asked; this keeps one guest from filling its ears [I45]. */
static bool may_say(struct dw_front_call *c)
{
    struct dw_front_guest *x = dw_front_guest_of(c->front, c->session.member);
    if (!x) {
        dw_front_refuse(c, DW_FRONT_PROBLEM_BUSY);
        return false;
    }
    dw_try_fill(&x->tries, &tries_rule, dw_now().ms);
    if (x->tries.left == 0) {
        dw_front_refuse(c, DW_FRONT_PROBLEM_TOO_MANY);
        return false;
    }
    x->tries.left--;
    return true;
}

static void asked(struct dw_front_call *c, const struct dw_ipc_people_answer *a)
{
    dw_front_answer(c, 200, json_pack("{s:o}", "visit", visit_text(a->value)));
}

static void done(struct dw_front_call *c, const struct dw_ipc_people_answer *a)
{
    (void)a;
    dw_front_answer(c, 200, json_object());
}

void dw_api_guest_ask(struct dw_front_call *c)
{
    struct dw_ipc_people_ask m = {.op = DW_PEOPLE_GUEST_ASK};
    if (dw_front_hex(c, "nonce", m.challenge, sizeof(m.challenge)) && may_say(c))
        dw_front_ask(c->front, c, &m, asked);
}

void dw_api_guest_open(struct dw_front_call *c)
{
    struct dw_ipc_people_ask m = {.op = DW_PEOPLE_GUEST_STOP};
    if (dw_front_assertion(c, &m) && may_say(c))
        dw_front_ask(c->front, c, &m, done);
}

void dw_api_guest_leave(struct dw_front_call *c)
{
    struct dw_ipc_people_ask m = {.op = DW_PEOPLE_GUEST_LEAVE};
    if (may_say(c))
        dw_front_ask(c->front, c, &m, done);
}
