#include <stdlib.h>
#include <string.h>

#include "crypto/chain.h"
#include "hub/front/front.h"
#include "os/os.h"

struct dw_note *dw_note_new(size_t len)
{
    if (len > UINT32_MAX - LWS_PRE)
        return NULL;
    struct dw_note *n = malloc(sizeof(*n) + LWS_PRE + len);
    if (n)
        *n = (struct dw_note){.refs = 1, .len = (uint32_t)len};
    return n;
}

struct dw_note *dw_note_keep(struct dw_note *n)
{
    n->refs++;
    return n;
}

void dw_note_drop(struct dw_note *n)
{
    if (n && --n->refs == 0)
        free(n);
}

struct dw_note *dw_note_of_json(json_t *taken)
{
    if (!taken)
        return NULL;
    struct dw_note *n = NULL;
    size_t len = json_dumpb(taken, NULL, 0, JSON_COMPACT);
    if (len > 0)
        n = dw_note_new(len);
    if (n) {
        n->is_text = true;
        if (json_dumpb(taken, (char *)n->bytes + LWS_PRE, len, JSON_COMPACT) != len) {
            dw_note_drop(n);
            n = NULL;
        }
    }
    json_decref(taken);
    return n;
}

json_t *dw_say_hex(const void *bytes, size_t len)
{
    char text[2 * 512 + 1];
    if (len > 512)
        return json_null();
    dw_hex(bytes, len, text);
    return json_string(text);
}

static json_t *key_json(const uint8_t key[32])
{
    static const uint8_t none[32];
    return memcmp(key, none, 32) == 0 ? json_null() : dw_say_hex(key, 32);
}

static json_t *visit_json(uint64_t visit)
{
    char text[24];
    snprintf(text, sizeof(text), "%016llx", (unsigned long long)visit);
    return visit ? json_string(text) : json_null();
}

/* UINT32_MAX is "never sensed": null, never a number that looks like an age. */
static json_t *age_json(uint32_t ms, uint64_t since_ms)
{
    return ms == UINT32_MAX ? json_null() : json_integer((json_int_t)(ms + since_ms));
}

json_t *dw_say_name(const char name[DW_NAME_MAX])
{
    json_t *j = json_stringn(name, strnlen(name, DW_NAME_MAX));
    return j ? j : json_string("?");
}

static json_t *alarm_json(enum dw_alarm a)
{
    return json_pack("{s:s, s:s}", "code", dw_alarm_code(a), "text", dw_alarm_text(a));
}

static json_t *check_json(enum dw_check c)
{
    if (c == DW_CHECK_NONE)
        return json_null();
    return json_pack("{s:s, s:s, s:s}", "code", dw_check_code(c), "text", dw_check_text(c), "next",
                     dw_check_next(c));
}

struct dw_note *dw_say_hello(const struct dw_front *f)
{
    json_t *nonces = json_array();
    uint64_t n = f->nonce_count < DW_FRONT_NONCES_MAX ? f->nonce_count : DW_FRONT_NONCES_MAX;
    for (uint64_t i = f->nonce_count - n; i < f->nonce_count; i++)
        json_array_append_new(nonces, dw_say_hex(f->nonce[i % DW_FRONT_NONCES_MAX], 32));
    return dw_note_of_json(json_pack("{s:s, s:i, s:b, s:b, s:o}", "t", "hello", "version", 1,
                                     "drills", f->conf.drill_socket[0] != '\0', "recordings",
                                     f->conf.record_folder[0] != '\0', "hub_nonces", nonces));
}

struct dw_note *dw_say_grants(const struct dw_ipc_grants *g)
{
    uint32_t waiting = 0;
    for (uint32_t i = 0; i < g->agency_count && i < DW_AGENCIES_MAX; i++)
        waiting += g->agency[i].is_waiting == 1;
    return dw_note_of_json(json_pack("{s:s, s:I, s:I, s:b}", "t", "grants", "epoch",
                                     (json_int_t)g->epoch, "waiting", (json_int_t)waiting,
                                     "restored", g->is_restored != 0));
}

struct dw_note *dw_say_state(const struct dw_ipc_state *s)
{
    static const char *const classes[] = {"C", "B", "A"};
    uint64_t since = dw_mono_since(dw_now(), (dw_mono){s->at_ms});
    json_t *alarms = json_array();
    for (uint32_t a = 0; a < DW_ALARM_COUNT; a++) {
        if (s->alarms & DW_BIT(a))
            json_array_append_new(alarms, alarm_json((enum dw_alarm)a));
    }
    json_t *j = json_pack("{s:s, s:o, s:s, s:s, s:s, s:s, s:b}", "t", "state", "visit",
                          visit_json(s->visit), "bolt", dw_bolt_word((enum dw_bolt)s->bolt),
                          "contact", dw_contact_word((enum dw_contact)s->contact), "strike",
                          dw_strike_word((enum dw_strike)s->strike), "lock_class",
                          s->lock_class < DW_ARRAY_COUNT(classes) ? classes[s->lock_class] : "C",
                          "secured", s->is_secured == 1);
    if (!j) {
        json_decref(alarms);
        return NULL;
    }
    json_object_set_new(j, "visit_state",
                        json_string(dw_visit_state_word((enum dw_visit_state)s->visit_state)));
    json_object_set_new(j, "outcome", json_string(dw_outcome_word((enum dw_outcome)s->outcome)));
    json_object_set_new(j, "check", check_json((enum dw_check)s->check));
    json_object_set_new(j, "camera",
                        json_string(dw_camera_state_word((enum dw_camera_state)s->camera)));
    json_object_set_new(j, "camera_class", json_integer(s->camera_class));
    json_object_set_new(j, "camera_mode", json_string(dw_camera_mode_word(s->camera_mode)));
    json_object_set_new(j, "opening", json_boolean(s->is_opening != 0));
    json_object_set_new(j, "battery",
                        s->battery_pct > 100 ? json_null() : json_integer(s->battery_pct));
    json_object_set_new(j, "link", json_boolean(s->is_link_up == 1));
    json_object_set_new(j, "room", json_boolean(s->has_room == 1));
    json_object_set_new(j, "clock", json_boolean(s->is_clock_sure == 1));
    json_object_set_new(j, "degraded", json_boolean(s->is_degraded != 0));
    json_object_set_new(j, "lock_age_ms", age_json(s->lock_age_ms, since));
    json_object_set_new(j, "picture_age_ms", age_json(s->picture_age_ms, since));
    json_object_set_new(j, "blind_ms", age_json(s->blind_ms, 0));
    json_object_set_new(j, "inside_ms", age_json(s->inside_ms, 0));
    json_object_set_new(j, "frames", json_integer(s->frames_verified));
    json_object_set_new(j, "visitor", dw_say_name(s->visitor));
    json_object_set_new(j, "agency", dw_say_name(s->agency));
    json_object_set_new(j, "hub_pub", key_json(s->hub_pub));
    json_object_set_new(j, "camera_pub", key_json(s->camera_pub));
    json_object_set_new(j, "camera_session",
                        s->session_len > 0 && s->session_len <= sizeof(s->session)
                            ? dw_say_hex(s->session, s->session_len)
                            : json_null());
    json_object_set_new(j, "alarms", alarms);
    struct dw_note *n = dw_note_of_json(j);
    if (n)
        n->is_state = true;
    return n;
}

/* What `value` means depends on the kind; the page gets the core's own word and sentence. */
static void story_value(json_t *j, const struct dw_ipc_story *s)
{
    const char *word = dw_story_value_word((enum dw_story)s->kind, s->value), *text = NULL,
               *next = NULL;
    if (s->kind == DW_STORY_VISIT_REFUSED) {
        text = dw_check_text((enum dw_check)s->value);
        next = dw_check_next((enum dw_check)s->value);
        if (s->value2 > 0 && s->value2 < DW_CHAIN_NO_COUNT) /* what of the signatures it was */
            json_object_set_new(j, "reason",
                                json_string(dw_chain_no_code((enum dw_chain_no)s->value2)));
    } else if (s->kind == DW_STORY_ALARM || s->kind == DW_STORY_ALARM_OVER) {
        text = dw_alarm_text((enum dw_alarm)s->value);
    }
    if (s->kind == DW_STORY_GRANT && s->value == DW_GRANT_CHANGE_RESTORED && s->value2 == 1)
        word = "acknowledged";
    if (s->kind == DW_STORY_GRANT && s->value == DW_GRANT_CHANGE_EXPECTED && s->value2 == 0)
        word = "not_expected";
    if (s->kind == DW_STORY_GRANT && s->value == DW_GRANT_CHANGE_REFUSED)
        json_object_set_new(j, "reason",
                            json_string(dw_chain_no_code((enum dw_chain_no)s->value2)));
    if (word)
        json_object_set_new(j, "word", json_string(word));
    if (text)
        json_object_set_new(j, "text", json_string(text));
    if (next)
        json_object_set_new(j, "next", json_string(next));
}

struct dw_note *dw_say_story(const struct dw_ipc_story *s, bool is_past)
{
    uint64_t since = dw_mono_since(dw_now(), (dw_mono){s->at_ms});
    json_t *j = json_pack("{s:s, s:I, s:s, s:I, s:o, s:o, s:I, s:I, s:b, s:I}", "t", "story", "n",
                          (json_int_t)s->number, "kind", dw_story_word((enum dw_story)s->kind),
                          "age_ms", (json_int_t)since, "utc_ms",
                          s->utc_ms > 0 ? json_integer(s->utc_ms) : json_null(), "visit",
                          visit_json(s->visit), "value", (json_int_t)s->value, "ms",
                          (json_int_t)s->value2, "past", is_past, "member", (json_int_t)s->member);
    if (j)
        story_value(j, s);
    return dw_note_of_json(j);
}

struct dw_note *dw_say_display(const struct dw_ipc_display *d)
{
    if (d->len > sizeof(d->bytes))
        return NULL;
    return dw_note_of_json(
        json_pack("{s:s, s:o}", "t", "display", "cose", dw_say_hex(d->bytes, d->len)));
}

struct dw_note *dw_say_hub_nonce(const uint8_t nonce[32])
{
    return dw_note_of_json(json_pack("{s:s, s:o}", "t", "hub_nonce", "n", dw_say_hex(nonce, 32)));
}

struct dw_note *dw_say_drill(const char *name, const char *line, bool is_over)
{
    json_t *said = json_string(line); /* NULL when the demo sent no UTF-8 */
    return dw_note_of_json(json_pack("{s:s, s:s, s:o, s:b}", "t", "drill", "name", name, "line",
                                     said ? said : json_string("?"), "over", is_over));
}

struct dw_note *dw_say_refused(const char *why)
{
    return dw_note_of_json(json_pack("{s:s, s:s}", "t", "refused", "why", why));
}
