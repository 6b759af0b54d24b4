#include "adapters/lock/zigbee2mqtt.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <jansson.h>
#include <mosquitto.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "os/os.h"

#define TICK_MS        100u  /* deadlines are looked at this often */
#define CONNECT_MS     5000u /* dial to CONNACK */
#define BACKOFF_MIN_MS 200u  /* first wait before dialling again; doubles up to the maximum */
#define BACKOFF_MAX_MS 3000u
#define KEEPALIVE_S    5     /* a silent broker is noticed after at most twice this */
#define UNACKED_MS     3000u /* bytes that TCP could not deliver for this long end the connection */
#define HELLO_MS       3000u /* the bridge's answer to our options; then we ask it again */
#define LIST_MS        500u  /* the retained list of devices comes at once or not at all */
#define FENCE_MS       2000u /* the bridge itself answers within milliseconds */
#define ANSWER_MS      5000u /* a battery lock answers a read within 1-2 s; one retry of the radio */
#define RELOCK_AGE_MS \
    15000u /* an older read-back of the relock time is read anew with the next ask */
#define SETTLE_MS       6000u /* after a command: "half way" read in this time is MOVING, then JAMMED */
#define LOOK_AFTER_MS   3000u         /* no word from the lock this long after a command: read it */
#define LOOK_AGAIN_MS   10000u        /* between looks at an unreachable lock */
#define STATE_BYTES_MAX (64u * 1024u) /* one device's state; a lock's is below 1 KiB */
#define LIST_BYTES_MAX  (4u * 1024u * 1024u) /* bridge/devices: about 10 KiB a device */
#define NAME_MAX_BYTES  128u
#define TOPIC_MAX_BYTES 256u
#define DEVICES_MAX     512u

enum step {
    STEP_WAIT = 0, /* no connection; dials at `step_deadline` */
    STEP_DIAL,     /* waits for CONNACK */
    STEP_LISTEN,   /* connected; waits for the list of devices */
    STEP_OPTIONS,  /* waits for the bridge's answer to our options */
    STEP_UP,
};

/* One device of ours at the bridge. */
struct peer {
    char ieee[19]; /* "" when not configured */
    char name[NAME_MAX_BYTES];
    bool is_listed;
    bool has_relock;   /* exposes auto_relock_time for reading and writing */
    bool is_filtered;  /* the options we need are in force */
    bool is_refused;   /* the bridge would not set them */
    bool is_throttled; /* the household delays its messages: then nothing is fresh */
};

struct z2m {
    uv_loop_t *loop;
    uv_timer_t timer;
    uv_poll_t *poll; /* of the present socket; on the heap because closing one takes a turn */
    struct mosquitto *mosq;
    struct dw_lock_sink sink;
    unsigned depth; /* inside libmosquitto or the sink: `close` waits */
    bool is_closing;

    char host[64], base[64], user[64], password[128];
    int port;
    uint32_t relock_max_s;

    enum step step;
    dw_mono step_deadline;
    uint32_t backoff_ms;
    bool has_dialled;
    bool is_link_told;
    struct peer lock, contact;
    bool is_exposes_known; /* lock.has_relock was read in a list of devices */
    bool has_list;         /* the bridge has told its devices since the connection was made */
    bool is_stalled;       /* bytes wait for a socket that does not take them */

    char session[17];                    /* random, in every transaction */
    uint32_t requests;                   /* numbers them */
    uint32_t options_open, contact_open; /* options requests without an answer; 0 none */

    /* A read of the lock, one at a time. */
    struct {
        bool is_on, counts, is_fenced, wants_relock, has_state, has_relock;
        uint32_t fence;
        dw_mono deadline;
        dw_mono began;
    } round;
    uint64_t read_ms; /* when the newest answered read of the lock began */
    bool absorbs;     /* the next lock_state may be a remembered one */
    bool absorbs_contact;
    dw_mono look_at; /* when to read the lock of our own accord */

    /* A RETRACT that waits for its fence. */
    struct {
        bool is_on;
        uint32_t fence;
        dw_mono expires;
    } retract;
    dw_mono commanded; /* newest command went out; 0 never */
    bool commanded_retract;

    /* What is known. */
    enum dw_bolt bolt, last_bolt; /* last_bolt: newest THROWN or RETRACTED, kept over link losses */
    enum dw_contact leaf, last_leaf;
    enum dw_cause cause, unlock_cause;
    dw_mono bolt_at, contact_at, relock_at;
    uint32_t relock_s, op_count, opening_count, ask_seq;
    uint8_t battery_pct;
    bool is_reachable, is_relock_read, is_relock_written, has_retained_command;
    struct dw_ipc_lock_report last;
    bool has_reported;
};

/* ---- small things ---- */

static bool is_due(dw_mono now, dw_mono deadline)
{
    return now.ms >= deadline.ms;
}

static void topic_of(const struct z2m *z, char *out, const char *name, const char *suffix)
{
    (void)snprintf(out, TOPIC_MAX_BYTES, "%s/%s%s", z->base, name, suffix);
}

static void request_name(const struct z2m *z, char *out, size_t cap, uint32_t number)
{
    (void)snprintf(out, cap, "dw-%s-%" PRIu32, z->session, number);
}

static bool is_answer_to(const struct z2m *z, const json_t *answer, uint32_t number)
{
    char want[40];
    const char *got = json_string_value(json_object_get(answer, "transaction"));

    request_name(z, want, sizeof(want), number);
    return number != 0 && got != NULL && strcmp(got, want) == 0;
}

static void poll_update(struct z2m *z);

/* Never retained, quality of service 0: a lost command is better than one that comes late. */
static bool publish(struct z2m *z, const char *topic, const char *payload)
{
    int rc;

    if (z->step < STEP_LISTEN)
        return false;
    z->depth++;
    rc = mosquitto_publish(z->mosq, NULL, topic, (int)strlen(payload), payload, 0, false);
    z->depth--;
    poll_update(z);
    return rc == MOSQ_ERR_SUCCESS;
}

/* A numbered request that the bridge answers at once: what comes after the answer, it did after. */
static uint32_t publish_fence(struct z2m *z)
{
    char topic[TOPIC_MAX_BYTES], payload[80], number[40];

    topic_of(z, topic, "bridge", "/request/health_check");
    request_name(z, number, sizeof(number), ++z->requests);
    (void)snprintf(payload, sizeof(payload), "{\"transaction\":\"%s\"}", number);
    return publish(z, topic, payload) ? z->requests : 0;
}

/* ---- reports ---- */

static const char *reason_c(const struct z2m *z)
{
    if (z->has_list && !z->lock.is_listed)
        return "Zigbee2MQTT does not know this lock";
    if (z->lock.is_refused)
        return "Zigbee2MQTT would not set options that Doorward needs on the lock";
    if (!z->is_link_told)
        return "there is no link to the lock";
    if (z->has_retained_command)
        return "a retained command was found at the broker; it has been removed";
    if (z->lock.is_throttled || z->contact.is_throttled)
        return "Zigbee2MQTT delays messages (debounce or throttle); turn that off for lock and "
               "contact";
    if (!z->lock.has_relock)
        return "this lock has no relock time of its own";
    if (!z->is_reachable)
        return "the lock does not answer";
    if (!z->is_relock_read)
        return "the lock's relock time could not be read back";
    if (z->relock_s == 0)
        return "the lock's own relock is off and could not be turned on";
    if (z->relock_s > z->relock_max_s)
        return "the lock's relock time is longer than permitted";
    if (z->contact.ieee[0] == '\0')
        return "no door contact is configured";
    if (!z->contact.is_listed)
        return "Zigbee2MQTT does not know the door contact";
    if (z->contact.is_refused)
        return "Zigbee2MQTT would not set options that Doorward needs on the contact";
    if (z->leaf == DW_CONTACT_UNKNOWN)
        return "the door contact has not been heard yet";
    return NULL;
}

static void report(struct z2m *z, bool is_forced)
{
    struct dw_ipc_lock_report r;
    const char *why = reason_c(z);

    memset(&r, 0, sizeof(r)); /* padding too: compared as bytes */
    r.lock_class = (uint8_t)(why == NULL ? DW_LOCK_B : DW_LOCK_C);
    r.bolt = (uint8_t)z->bolt;
    r.contact = (uint8_t)z->leaf;
    r.strike = DW_STRIKE_ABSENT;
    r.cause = (uint8_t)z->cause;
    r.battery_pct = z->battery_pct;
    r.is_reachable = z->is_reachable;
    r.has_relock = z->lock.has_relock && z->is_relock_read;
    r.relock_s = z->is_relock_read ? z->relock_s : 0;
    r.op_count = z->op_count;
    r.opening_count = z->opening_count;
    r.ask_seq = z->ask_seq;
    r.bolt_at_ms = z->bolt_at.ms;
    r.contact_at_ms = z->contact_at.ms;
    r.read_ms = z->read_ms;
    if (why != NULL)
        (void)snprintf(r.why, sizeof(r.why), "%s", why);
    if (z->is_closing || (!is_forced && z->has_reported && memcmp(&r, &z->last, sizeof(r)) == 0))
        return;
    z->last = r;
    z->has_reported = true;
    z->depth++;
    z->sink.report(z->sink.ctx, &r);
    z->depth--;
}

static void lose_sight(struct z2m *z)
{
    z->bolt = DW_BOLT_UNKNOWN;
    z->is_reachable = false;
}

static void tell_link(struct z2m *z, bool is_up)
{
    if (z->is_link_told == is_up)
        return;
    z->is_link_told = is_up;
    if (!is_up) {
        lose_sight(z);
        z->leaf = DW_CONTACT_UNKNOWN; /* the door may move unseen from now on */
        z->is_relock_read = false;
        z->round.is_on = false;
        z->retract.is_on = false; /* a door must not open late */
        z->look_at = DW_NEVER;
    }
    dw_log("info", "lock_link", "family=zigbee2mqtt up=%d", is_up);
    if (!z->is_closing) {
        z->depth++;
        z->sink.link(z->sink.ctx, is_up);
        z->depth--;
    }
    report(z, true);
}

/* ---- reading the lock ---- */

static void round_start(struct z2m *z, dw_mono now, bool counts)
{
    uint32_t fence = publish_fence(z);

    if (fence == 0)
        return;
    memset(&z->round, 0, sizeof(z->round));
    z->round.is_on = true;
    z->round.counts = counts;
    z->round.fence = fence;
    z->round.began = now;
    z->round.deadline = dw_mono_add(now, FENCE_MS);
    z->round.wants_relock =
        z->lock.has_relock &&
        (!z->is_relock_read || dw_mono_since(now, z->relock_at) >= RELOCK_AGE_MS);
    z->look_at = DW_NEVER;
}

static void round_read(struct z2m *z)
{
    char topic[TOPIC_MAX_BYTES];

    topic_of(z, topic, z->lock.name, "/get");
    if (!z->round.has_state)
        (void)publish(z, topic, "{\"state\":\"\"}");
    if (z->round.wants_relock && !z->round.has_relock)
        (void)publish(z, topic, "{\"auto_relock_time\":\"\"}");
}

/* Off, or never set: written once in the life of this adapter, then read back like any other value.
 * Whoever turns it off again wants it off: class C. */
static bool relock_write(struct z2m *z)
{
    char topic[TOPIC_MAX_BYTES], payload[48];

    if (z->relock_s != 0 || z->is_relock_written)
        return false;
    z->is_relock_written = true;
    topic_of(z, topic, z->lock.name, "/set");
    (void)snprintf(payload, sizeof(payload), "{\"auto_relock_time\":%" PRIu32 "}", z->relock_max_s);
    if (!publish(z, topic, payload))
        return false;
    topic_of(z, topic, z->lock.name, "/get");
    return publish(z, topic, "{\"auto_relock_time\":\"\"}");
}

static void round_end(struct z2m *z, dw_mono now)
{
    if (!z->round.has_state) {
        lose_sight(z);
        z->look_at = dw_mono_add(now, LOOK_AGAIN_MS);
    }
    if (z->round.wants_relock && !z->round.has_relock)
        z->is_relock_read = false;
    if (z->round.counts && z->round.has_state) {
        z->ask_seq++;
        z->read_ms = z->round.began.ms;
    }
    z->round.is_on = false;
    report(z, z->round.counts);
}

static void round_check(struct z2m *z, dw_mono now)
{
    if (z->round.is_on && z->round.has_state && (!z->round.wants_relock || z->round.has_relock))
        round_end(z, now);
}

/* ---- what the bridge says ---- */

static bool is_text(const json_t *object, const char *key, const char *want)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL && strcmp(text, want) == 0;
}

static void on_bolt(struct z2m *z, const char *word, dw_mono now)
{
    bool is_reading = z->round.is_on && z->round.is_fenced;
    bool is_settling = z->commanded.ms != 0 && dw_mono_since(now, z->commanded) < SETTLE_MS;
    enum dw_bolt wanted = z->commanded_retract ? DW_BOLT_RETRACTED : DW_BOLT_THROWN;
    enum dw_bolt bolt = DW_BOLT_UNKNOWN;

    if (word != NULL && strcmp(word, "locked") == 0) {
        bolt = DW_BOLT_THROWN;
    } else if (word != NULL && strcmp(word, "unlocked") == 0) {
        bolt = DW_BOLT_RETRACTED;
    } else if (word != NULL && strcmp(word, "not_fully_locked") == 0) {
        /* Read while the motor may run: on its way. Told by the lock itself: it has given up. */
        bolt = is_reading && is_settling ? DW_BOLT_MOVING : DW_BOLT_JAMMED;
    }
    z->bolt = bolt;
    z->bolt_at = now;
    /* Not there yet: its own word may be lost, so look again. */
    z->look_at =
        is_settling && bolt != wanted && bolt != DW_BOLT_JAMMED ? dw_mono_add(now, 1000) : DW_NEVER;
    if ((bolt == DW_BOLT_THROWN || bolt == DW_BOLT_RETRACTED) && bolt != z->last_bolt) {
        if (z->last_bolt != DW_BOLT_UNKNOWN)
            z->op_count++;
        if (bolt == DW_BOLT_RETRACTED)
            z->unlock_cause =
                is_settling && z->commanded_retract ? DW_CAUSE_COMMAND : DW_CAUSE_UNKNOWN;
        z->last_bolt = bolt;
    }
    if (is_reading)
        z->round.has_state = bolt != DW_BOLT_UNKNOWN;
}

static void on_relock(struct z2m *z, const json_t *value, dw_mono now)
{
    bool is_reading = z->round.is_on && z->round.is_fenced && z->round.wants_relock;

    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) > INT32_MAX) {
        z->is_relock_read = false;
        return;
    }
    z->relock_s = (uint32_t)json_integer_value(value);
    z->is_relock_read = true;
    z->relock_at = now;
    if (is_reading && !relock_write(z))
        z->round.has_relock = true;
}

/* The lock's own account of an unlocking; comes just after the state. */
static void on_action(struct z2m *z, const json_t *state)
{
    const char *action = json_string_value(json_object_get(state, "action"));
    enum dw_cause cause = DW_CAUSE_UNKNOWN;

    if (action == NULL)
        return;
    if (strcmp(action, "manual_unlock") == 0)
        cause = DW_CAUSE_INSIDE;
    else if (strcmp(action, "key_unlock") == 0 || strcmp(action, "schedule_unlock") == 0)
        cause = DW_CAUSE_KEY;
    else if (strcmp(action, "unlock") == 0 && !is_text(state, "action_source_name", "rf"))
        cause = DW_CAUSE_KEY; /* keypad, card or finger */
    else
        return;
    z->unlock_cause = cause;
    if (z->leaf == DW_CONTACT_OPEN && z->cause == DW_CAUSE_UNKNOWN)
        z->cause = cause;
}

static void on_battery(struct z2m *z, const json_t *value)
{
    double pct = json_number_value(value);

    if (json_is_number(value) && pct >= 0 && pct <= 100)
        z->battery_pct = (uint8_t)pct;
}

static void on_lock_state(struct z2m *z, const json_t *state, dw_mono now)
{
    const json_t *word = json_object_get(state, "lock_state");
    const json_t *relock = json_object_get(state, "auto_relock_time");

    if (word != NULL && !json_is_string(word) && !json_is_null(word))
        return; /* no message of the bridge */
    on_battery(z, json_object_get(state, "battery"));
    if (z->step != STEP_UP || !z->lock.is_filtered)
        return;
    if (z->absorbs) {
        /* The bridge empties its memory of these keys with the first message [zigbee2mqtt.h]. */
        if (word != NULL || relock != NULL) {
            z->absorbs = false;
            if (z->round.is_on && z->round.is_fenced)
                round_read(z);
        }
        return;
    }
    if (word != NULL || relock != NULL || json_object_get(state, "action") != NULL)
        z->is_reachable = true;
    if (word != NULL)
        on_bolt(z, json_string_value(word), now);
    if (relock != NULL)
        on_relock(z, relock, now);
    on_action(z, state);
    round_check(z, now);
    report(z, false);
}

static void on_contact_state(struct z2m *z, const json_t *state, dw_mono now)
{
    const json_t *value = json_object_get(state, "contact");

    if ((!json_is_boolean(value) && !json_is_null(value)) || z->step != STEP_UP ||
        !z->contact.is_filtered)
        return;
    if (z->absorbs_contact) {
        z->absorbs_contact = false;
        return;
    }
    z->leaf = !json_is_boolean(value) ? DW_CONTACT_UNKNOWN
              : json_is_true(value)   ? DW_CONTACT_CLOSED
                                      : DW_CONTACT_OPEN;
    z->contact_at = now;
    if (z->leaf == DW_CONTACT_OPEN && z->last_leaf != DW_CONTACT_OPEN) {
        if (z->last_leaf == DW_CONTACT_CLOSED)
            z->opening_count++;
        z->cause = z->bolt == DW_BOLT_THROWN      ? DW_CAUSE_FORCED
                   : z->bolt == DW_BOLT_RETRACTED ? z->unlock_cause
                                                  : DW_CAUSE_UNKNOWN;
    }
    if (z->leaf != DW_CONTACT_UNKNOWN)
        z->last_leaf = z->leaf;
    report(z, false);
}

static void on_availability(struct z2m *z, bool is_lock, const json_t *state, dw_mono now)
{
    bool is_online = is_text(state, "state", "online");

    if (is_text(state, "state", "offline")) {
        if (is_lock)
            lose_sight(z);
        else
            z->leaf = DW_CONTACT_UNKNOWN;
        report(z, false);
    } else if (is_online && is_lock && !z->is_reachable && z->step == STEP_UP) {
        z->look_at = now;
    }
}

static bool list_has(const json_t *list, const char *want)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        const char *text = json_string_value(item);
        if (text != NULL && strcmp(text, want) == 0)
            return true;
    }
    return false;
}

static bool is_zero_or_absent(const json_t *value)
{
    return value == NULL || json_is_null(value) ||
           (json_is_number(value) && json_number_value(value) == 0);
}

static void options_send(struct z2m *z, dw_mono now)
{
    char topic[TOPIC_MAX_BYTES], payload[256], number[40];

    topic_of(z, topic, "bridge", "/request/device/options");
    request_name(z, number, sizeof(number), ++z->requests);
    (void)snprintf(payload, sizeof(payload),
                   "{\"id\":\"%s\",\"options\":{\"optimistic\":false,\"filtered_cache\":[\"state\","
                   "\"lock_state\",\"auto_relock_time\"]},\"transaction\":\"%s\"}",
                   z->lock.ieee, number);
    z->options_open = publish(z, topic, payload) ? z->requests : 0;
    z->contact_open = 0;
    if (z->contact.is_listed) {
        request_name(z, number, sizeof(number), ++z->requests);
        (void)snprintf(payload, sizeof(payload),
                       "{\"id\":\"%s\",\"options\":{\"optimistic\":false,\"filtered_cache\":["
                       "\"contact\"]},\"transaction\":\"%s\"}",
                       z->contact.ieee, number);
        z->contact_open = publish(z, topic, payload) ? z->requests : 0;
    }
    z->step_deadline = dw_mono_add(now, HELLO_MS);
}

static void hello(struct z2m *z, dw_mono now)
{
    z->step = STEP_OPTIONS;
    z->lock.is_filtered = false;
    z->contact.is_filtered = false;
    options_send(z, now);
}

/* Back to the start with the bridge, not with the broker. */
static void hello_again(struct z2m *z, dw_mono now)
{
    tell_link(z, false);
    z->options_open = 0;
    z->contact_open = 0;
    if (z->step >= STEP_LISTEN) {
        z->step = z->lock.is_listed ? STEP_OPTIONS : STEP_LISTEN;
        z->step_deadline = now;
    }
}

static bool options_hold(const json_t *options, bool is_lock)
{
    const json_t *list = json_object_get(options, "filtered_cache");

    return json_is_false(json_object_get(options, "optimistic")) &&
           (is_lock ? list_has(list, "lock_state") && list_has(list, "auto_relock_time")
                    : list_has(list, "contact"));
}

static bool delays(const json_t *options)
{
    return !is_zero_or_absent(json_object_get(options, "debounce")) ||
           !is_zero_or_absent(json_object_get(options, "throttle"));
}

/* Somebody else changed options of a device: of ours, and away from what we need? */
static void on_foreign_options(struct z2m *z, const json_t *data, dw_mono now)
{
    const char *id = json_string_value(json_object_get(data, "id"));
    const json_t *to = json_object_get(data, "to");
    bool is_lock = id != NULL && (strcmp(id, z->lock.ieee) == 0 || strcmp(id, z->lock.name) == 0);
    bool is_contact = id != NULL && z->contact.is_listed &&
                      (strcmp(id, z->contact.ieee) == 0 || strcmp(id, z->contact.name) == 0);

    if (z->step == STEP_UP && (is_lock || is_contact) &&
        (!options_hold(to, is_lock) || delays(to) != (is_lock ? z->lock : z->contact).is_throttled))
        hello_again(z, now);
}

static void on_options(struct z2m *z, const json_t *answer, dw_mono now)
{
    bool is_lock = is_answer_to(z, answer, z->options_open);
    bool is_contact = is_answer_to(z, answer, z->contact_open);
    struct peer *p = is_lock ? &z->lock : &z->contact;
    const json_t *data = json_object_get(answer, "data");
    const json_t *to = json_object_get(data, "to");

    if (!is_lock && !is_contact) {
        on_foreign_options(z, data, now);
        return;
    }
    p->is_filtered = is_text(answer, "status", "ok") && options_hold(to, is_lock);
    p->is_throttled = delays(to);
    if (is_lock)
        z->options_open = 0;
    else
        z->contact_open = 0;
    if (is_contact && !options_hold(json_object_get(data, "from"), false))
        z->absorbs_contact = true;
    if (!p->is_filtered && !p->is_refused)
        dw_log("warn", "lock_options_refused", "family=zigbee2mqtt device=%s", p->ieee);
    p->is_refused = !p->is_filtered;
    if (z->step == STEP_LISTEN) {
        z->has_list = p->is_refused; /* it does not have this lock */
        report(z, false);
    } else if (z->lock.is_refused) {
        report(z, false); /* asked again when the time for the answer is over */
    } else if (z->options_open == 0 && z->contact_open == 0 && z->lock.is_filtered) {
        z->step = STEP_UP;
        z->backoff_ms = BACKOFF_MIN_MS;
        z->absorbs = true;
        tell_link(z, true);
        round_start(z, now, false);
    }
}

static void on_fence(struct z2m *z, const json_t *answer, dw_mono now)
{
    if (z->round.is_on && !z->round.is_fenced && is_answer_to(z, answer, z->round.fence)) {
        z->round.is_fenced = true;
        z->round.deadline = dw_mono_add(now, ANSWER_MS);
        round_read(z);
    }
    if (z->retract.is_on && is_answer_to(z, answer, z->retract.fence)) {
        char topic[TOPIC_MAX_BYTES];

        z->retract.is_on = false;
        topic_of(z, topic, z->lock.name, "/set");
        /* On a stalled link it could arrive at any time. */
        if (is_due(now, z->retract.expires) || z->step != STEP_UP || z->is_stalled) {
            dw_log("warn", "lock_retract_dropped", "family=zigbee2mqtt reason=too_late");
        } else if (publish(z, topic, "{\"state\":\"UNLOCK\"}")) {
            z->commanded = now;
            z->commanded_retract = true;
            z->look_at = dw_mono_add(now, LOOK_AFTER_MS);
        } else {
            dw_log("warn", "lock_retract_dropped", "family=zigbee2mqtt reason=no_link");
        }
    }
}

/* Only one kind of line matters: "z2m: Publish 'get' 'state' to 'front_door' failed: ...". It can
 * only take trust away. The rest of the line is not read: it may hold a PIN. */
static void on_logging(struct z2m *z, const json_t *line, dw_mono now)
{
    const char *text = json_string_value(json_object_get(line, "message"));
    char get[NAME_MAX_BYTES + 64], set[NAME_MAX_BYTES + 64];

    if (z->step != STEP_UP || text == NULL || !is_text(line, "level", "error"))
        return;
    (void)snprintf(get, sizeof(get), "Publish 'get' 'state' to '%s' failed", z->lock.name);
    (void)snprintf(set, sizeof(set), "Publish 'set' 'state' to '%s' failed", z->lock.name);
    if (strstr(text, set) != NULL) {
        lose_sight(z);
        z->look_at = dw_mono_add(now, LOOK_AGAIN_MS);
        report(z, false);
    } else if (strstr(text, get) != NULL && z->round.is_on && z->round.is_fenced) {
        z->round.has_state = false;
        round_end(z, now);
    }
}

/* ---- who is who ---- */

static bool exposes_relock(const json_t *device)
{
    const json_t *list = json_object_get(json_object_get(device, "definition"), "exposes");
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        if (is_text(item, "property", "auto_relock_time"))
            return (json_integer_value(json_object_get(item, "access")) & 6) == 6; /* set, get */
    }
    return false;
}

static void subscribe(struct z2m *z, const char *name, const char *suffix)
{
    char topic[TOPIC_MAX_BYTES];

    topic_of(z, topic, name, suffix);
    z->depth++;
    (void)mosquitto_subscribe(z->mosq, NULL, topic, 0);
    z->depth--;
}

static void unsubscribe(struct z2m *z, const char *name, const char *suffix)
{
    char topic[TOPIC_MAX_BYTES];

    topic_of(z, topic, name, suffix);
    z->depth++;
    (void)mosquitto_unsubscribe(z->mosq, NULL, topic);
    z->depth--;
}

static const char *const peer_topics[] = {"", "/availability", "/set", "/set/state"};

/* `name` NULL: the bridge does not have it. True when something changed. */
static bool peer_set(struct z2m *z, struct peer *p, const char *name, bool has_relock)
{
    size_t topics = p == &z->lock ? DW_ARRAY_COUNT(peer_topics) : 2;

    if (name != NULL &&
        (name[0] == '\0' || strlen(name) >= sizeof(p->name) ||
         strlen(name) + strlen(z->base) + 32 > TOPIC_MAX_BYTES || strpbrk(name, "+#") != NULL))
        name = NULL;
    if (name != NULL && p->is_listed && strcmp(name, p->name) == 0 && p->has_relock == has_relock)
        return false;
    if (name == NULL && !p->is_listed)
        return false;
    for (size_t i = 0; p->is_listed && i < topics; i++)
        unsubscribe(z, p->name, peer_topics[i]);
    p->is_listed = name != NULL;
    p->has_relock = has_relock;
    (void)snprintf(p->name, sizeof(p->name), "%s", name != NULL ? name : "");
    for (size_t i = 0; p->is_listed && i < topics; i++)
        subscribe(z, p->name, peer_topics[i]);
    poll_update(z);
    return true;
}

static const char *name_of(const json_t *device)
{
    return json_string_value(json_object_get(device, "friendly_name"));
}

static void on_devices(struct z2m *z, const json_t *list, dw_mono now)
{
    const json_t *item, *lock = NULL, *contact = NULL;
    bool is_changed;
    size_t i;

    if (!json_is_array(list) || json_array_size(list) > DEVICES_MAX)
        return;
    json_array_foreach(list, i, item)
    {
        if (is_text(item, "ieee_address", z->lock.ieee))
            lock = item;
        else if (z->contact.ieee[0] != '\0' && is_text(item, "ieee_address", z->contact.ieee))
            contact = item;
    }
    z->has_list = true;
    z->is_exposes_known = z->is_exposes_known || lock != NULL;
    is_changed = peer_set(z, &z->lock, name_of(lock), exposes_relock(lock));
    is_changed = peer_set(z, &z->contact, name_of(contact), false) || is_changed;
    if (is_changed)
        hello_again(z, now);
    if (!z->lock.is_listed)
        report(z, false);
}

/* A broker that was started anew has forgotten the list, and the bridge does not repeat it. It does
 * repeat its configuration when it is told our options: names are in there too. Whether the lock
 * has a relock time is known from before, or tried. */
static void on_info(struct z2m *z, const json_t *info, dw_mono now)
{
    const json_t *devices = json_object_get(json_object_get(info, "config"), "devices");
    const json_t *lock = json_object_get(devices, z->lock.ieee);
    const json_t *contact = json_object_get(devices, z->contact.ieee);

    if (z->lock.is_listed || lock == NULL)
        return;
    (void)peer_set(z, &z->lock, name_of(lock), !z->is_exposes_known || z->lock.has_relock);
    (void)peer_set(z, &z->contact, name_of(contact), false);
    hello_again(z, now);
}

/* A retained command would be carried out at the next start of the bridge, in the middle of any
 * night. It is taken away; until the next link the lock is class C, so that somebody asks who left
 * it there. */
static void on_command_topic(struct z2m *z, const char *topic)
{
    dw_log("error", "lock_retained_command", "family=zigbee2mqtt removed=1");
    z->has_retained_command = true;
    z->depth++;
    (void)mosquitto_publish(z->mosq, NULL, topic, 0, NULL, 0, true);
    z->depth--;
    poll_update(z);
    report(z, false);
}

/* ---- MQTT ---- */

static bool topic_is(const struct z2m *z, const char *topic, const char *name, const char *suffix)
{
    char want[TOPIC_MAX_BYTES];

    topic_of(z, want, name, suffix);
    return name[0] != '\0' && strcmp(topic, want) == 0;
}

static void on_bridge_state(struct z2m *z, const json_t *state, bool is_retained, dw_mono now)
{
    bool is_online = is_text(state, "state", "online");

    if (!is_online || (!is_retained && z->step == STEP_UP))
        hello_again(z, now); /* it went, or it has just started: what it was told is not certain */
    else if (z->step == STEP_OPTIONS)
        z->step_deadline = now;
}

static void on_json(struct z2m *z, const char *topic, const json_t *json, bool is_retained,
                    dw_mono now)
{
    if (topic_is(z, topic, "bridge", "/devices"))
        on_devices(z, json, now);
    else if (topic_is(z, topic, "bridge", "/info"))
        on_info(z, json, now);
    else if (topic_is(z, topic, "bridge", "/state"))
        on_bridge_state(z, json, is_retained, now);
    else if (topic_is(z, topic, z->lock.name, "/availability"))
        on_availability(z, true, json, now);
    else if (topic_is(z, topic, z->contact.name, "/availability"))
        on_availability(z, false, json, now);
    else if (is_retained)
        return; /* remembered by the broker: never fresh */
    else if (topic_is(z, topic, z->lock.name, ""))
        on_lock_state(z, json, now);
    else if (topic_is(z, topic, z->contact.name, ""))
        on_contact_state(z, json, now);
    else if (topic_is(z, topic, "bridge", "/response/health_check"))
        on_fence(z, json, now);
    else if (topic_is(z, topic, "bridge", "/response/device/options"))
        on_options(z, json, now);
    else if (topic_is(z, topic, "bridge", "/logging"))
        on_logging(z, json, now);
}

static void on_message(struct mosquitto *mosq, void *obj, const struct mosquitto_message *m)
{
    struct z2m *z = obj;
    size_t len = m->payloadlen > 0 ? (size_t)m->payloadlen : 0;
    bool is_list;
    json_t *json;

    (void)mosq;
    if (z->is_closing || m->topic == NULL || z->step < STEP_LISTEN)
        return;
    if (topic_is(z, m->topic, z->lock.name, "/set") ||
        topic_is(z, m->topic, z->lock.name, "/set/state")) {
        if (m->retain && len > 0)
            on_command_topic(z, m->topic);
        return;
    }
    is_list = topic_is(z, m->topic, "bridge", "/devices");
    if (topic_is(z, m->topic, "bridge", "/info")) {
        if (z->lock.is_listed)
            return; /* long, and not needed */
        is_list = true;
    }
    if (len == 0 || len > (is_list ? LIST_BYTES_MAX : STATE_BYTES_MAX))
        return;
    json = json_loadb(m->payload, len, JSON_REJECT_DUPLICATES, NULL);
    if (json == NULL)
        return; /* changes nothing [I44] */
    if (is_list || json_is_object(json))
        on_json(z, m->topic, json, m->retain, dw_now());
    json_decref(json);
}

static void on_connect(struct mosquitto *mosq, void *obj, int rc)
{
    static const char *const topics[] = {
        "/devices", "/state", "/logging", "/response/health_check", "/response/device/options",
        "/info"};
    struct z2m *z = obj;

    (void)mosq;
    if (z->is_closing || z->step != STEP_DIAL)
        return;
    if (rc != 0) {
        dw_log("warn", "lock_broker_refused", "family=zigbee2mqtt code=%d", rc);
        z->step_deadline = dw_now(); /* dialled again with back-off */
        return;
    }
    z->step = STEP_LISTEN;
    z->step_deadline = dw_mono_add(dw_now(), LIST_MS);
    z->has_retained_command = false;
    z->has_list = false;
    z->lock.is_listed = false;
    z->contact.is_listed = false;
    for (size_t i = 0; i < DW_ARRAY_COUNT(topics); i++)
        subscribe(z, "bridge", topics[i]);
}

static void free_poll(uv_handle_t *handle)
{
    free(handle);
}

static void poll_drop(struct z2m *z)
{
    if (z->poll == NULL)
        return;
    z->poll->data = NULL;
    uv_close((uv_handle_t *)z->poll, free_poll);
    z->poll = NULL;
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void poll_update(struct z2m *z)
{
    if (z->poll != NULL)
        (void)uv_poll_start(
            z->poll, UV_READABLE | (mosquitto_want_write(z->mosq) ? UV_WRITABLE : 0), on_poll);
}

/* The connection to the broker is gone or useless: waits, then dials again. */
static void disconnect(struct z2m *z, dw_mono now)
{
    poll_drop(z);
    z->step = STEP_WAIT;
    z->has_list = false;
    z->step_deadline = dw_mono_add(now, z->backoff_ms);
    z->backoff_ms = z->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : z->backoff_ms * 2;
    z->lock.is_listed = false;
    z->contact.is_listed = false;
    tell_link(z, false);
}

static void dial(struct z2m *z, dw_mono now)
{
    static const unsigned unacked_ms = UNACKED_MS;
    int fd, rc;

    z->depth++;
    rc = z->has_dialled ? mosquitto_reconnect_async(z->mosq)
                        : mosquitto_connect_async(z->mosq, z->host, z->port, KEEPALIVE_S);
    z->depth--;
    z->has_dialled = true;
    fd = mosquitto_socket(z->mosq);
    if (rc != MOSQ_ERR_SUCCESS || fd < 0) {
        disconnect(z, now);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked_ms, sizeof(unacked_ms));
    z->poll = calloc(1, sizeof(*z->poll));
    if (z->poll == NULL || uv_poll_init(z->loop, z->poll, fd) != 0) {
        free(z->poll);
        z->poll = NULL;
        disconnect(z, now);
        return;
    }
    z->poll->data = z;
    z->step = STEP_DIAL;
    z->step_deadline = dw_mono_add(now, CONNECT_MS);
    /* Writable tells that the connection is made; CONNECT waits in the queue until then. */
    (void)uv_poll_start(z->poll, UV_READABLE | UV_WRITABLE, on_poll);
}

/* ---- time and life ---- */

static void maybe_free(uv_handle_t *handle)
{
    struct z2m *z = handle->data;

    explicit_bzero(z->password, sizeof(z->password));
    free(z);
}

/* Runs when nothing of ours is on the stack. */
static void finish(struct z2m *z)
{
    poll_drop(z);
    (void)uv_timer_stop(&z->timer);
    (void)mosquitto_disconnect(z->mosq);
    mosquitto_destroy(z->mosq);
    z->mosq = NULL;
    (void)mosquitto_lib_cleanup();
    uv_close((uv_handle_t *)&z->timer, maybe_free);
}

static void leave(struct z2m *z)
{
    if (--z->depth == 0 && z->is_closing)
        finish(z);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct z2m *z = poll->data;
    int rc = MOSQ_ERR_SUCCESS;

    if (z == NULL)
        return;
    z->is_stalled = mosquitto_want_write(z->mosq) && (events & UV_WRITABLE) == 0;
    z->depth++;
    if (status < 0)
        rc = MOSQ_ERR_CONN_LOST;
    if (rc == MOSQ_ERR_SUCCESS && (events & UV_WRITABLE) != 0)
        rc = mosquitto_loop_write(z->mosq, 1);
    if (rc == MOSQ_ERR_SUCCESS && (events & UV_READABLE) != 0)
        rc = mosquitto_loop_read(z->mosq, 1);
    if (rc != MOSQ_ERR_SUCCESS && z->poll == poll)
        disconnect(z, dw_now());
    else
        poll_update(z);
    leave(z);
}

static void work(struct z2m *z, dw_mono now)
{
    if (z->step > STEP_WAIT && mosquitto_loop_misc(z->mosq) != MOSQ_ERR_SUCCESS)
        disconnect(z, now);
    if (z->retract.is_on && is_due(now, z->retract.expires)) {
        z->retract.is_on = false;
        dw_log("warn", "lock_retract_dropped", "family=zigbee2mqtt reason=no_answer");
    }
    if (z->round.is_on && is_due(now, z->round.deadline)) {
        bool was_fenced = z->round.is_fenced;
        round_end(z, now);
        if (!was_fenced)
            disconnect(z, now); /* the bridge is silent, or what it says does not get here */
    }
    switch (z->step) {
    case STEP_WAIT:
        if (is_due(now, z->step_deadline))
            dial(z, now);
        break;
    case STEP_DIAL:
        if (is_due(now, z->step_deadline))
            disconnect(z, now);
        break;
    case STEP_LISTEN:
        if (is_due(now, z->step_deadline))
            options_send(z, now);
        break;
    case STEP_OPTIONS:
        if (is_due(now, z->step_deadline))
            hello(z, now);
        break;
    case STEP_UP:
        if (is_due(now, z->look_at) && !z->round.is_on)
            round_start(z, now, false);
        break;
    }
    poll_update(z);
}

static void on_tick(uv_timer_t *timer)
{
    struct z2m *z = timer->data;

    z->depth++;
    if (!z->is_closing)
        work(z, dw_now());
    leave(z);
}

/* ---- settings ---- */

static bool read_number(const char *text, uint32_t min, uint32_t max, uint32_t *ret_value)
{
    uint32_t value = 0;

    if (text[0] == '\0' || strlen(text) > 6)
        return false;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c < '0' || *c > '9')
            return false;
        value = value * 10 + (uint32_t)(*c - '0');
    }
    if (value < min || value > max)
        return false;
    *ret_value = value;
    return true;
}

static bool read_ieee(const char *text, char *out)
{
    if (strlen(text) != 18 || text[0] != '0' || text[1] != 'x' ||
        strspn(text + 2, "0123456789abcdef") != 16)
        return false;
    memcpy(out, text, 19);
    return true;
}

static bool read_broker(const char *text, struct z2m *z)
{
    const char *colon = strrchr(text, ':');
    const char *start = text[0] == '[' ? text + 1 : text;
    unsigned char raw[16];
    size_t len;
    uint32_t port;

    if (colon == NULL || colon == text || !read_number(colon + 1, 1, 65535, &port))
        return false;
    len = (size_t)(colon - start);
    if (text[0] == '[') {
        if (colon[-1] != ']')
            return false;
        len--;
    }
    if (len >= sizeof(z->host))
        return false;
    memcpy(z->host, start, len);
    z->host[len] = '\0';
    z->port = (int)port;
    /* A name would have to be resolved, and that blocks. */
    return inet_pton(text[0] == '[' ? AF_INET6 : AF_INET, z->host, raw) == 1;
}

static bool read_text(const char *text, char *out, size_t cap)
{
    if (text[0] == '\0' || strlen(text) >= cap || strpbrk(text, "+#\"\\") != NULL)
        return false;
    memcpy(out, text, strlen(text) + 1);
    return true;
}

static bool read_password(const char *path, char *out, size_t cap)
{
    struct dw_buf buf = dw_buf_of(out, cap - 1);

    if (dw_failed(dw_file_read(path, &buf)))
        return false;
    out[buf.len] = '\0';
    out[strcspn(out, "\r\n")] = '\0';
    return out[0] != '\0';
}

enum key { KEY_BROKER, KEY_BASE, KEY_DEVICE, KEY_CONTACT, KEY_RELOCK, KEY_USER, KEY_PASSWORD };

static dw_err read_settings(struct z2m *z, const char *settings, char *why, size_t why_cap)
{
    static const char *const keys[] = {
        "broker=", "base=", "device=", "contact=", "relock_s=", "user=", "password_file="};
    uint32_t seen = 0;
    const char *at = settings;
    bool is_ok = true;

    (void)snprintf(z->base, sizeof(z->base), "zigbee2mqtt");
    z->relock_max_s = 30;
    while (*at != '\0') {
        char word[256];
        size_t len = strcspn(at, " "), k = 0;
        const char *value;

        if (len == 0 || len >= sizeof(word)) {
            (void)snprintf(why, why_cap, "zigbee2mqtt: an empty or overlong word in the settings");
            return dw_fail(DW_E_INVALID);
        }
        memcpy(word, at, len);
        word[len] = '\0';
        at += len + (at[len] == ' ');
        while (k < DW_ARRAY_COUNT(keys) && strncmp(word, keys[k], strlen(keys[k])) != 0)
            k++;
        if (k == DW_ARRAY_COUNT(keys) || (seen & DW_BIT(k)) != 0) {
            (void)snprintf(why, why_cap, "zigbee2mqtt: unknown or repeated setting '%.*s'",
                           (int)strcspn(word, "="), word);
            return dw_fail(DW_E_INVALID);
        }
        seen |= DW_BIT(k);
        value = word + strlen(keys[k]);
        switch ((enum key)k) {
        case KEY_BROKER: is_ok = read_broker(value, z); break;
        case KEY_BASE: is_ok = read_text(value, z->base, sizeof(z->base)); break;
        case KEY_DEVICE: is_ok = read_ieee(value, z->lock.ieee); break;
        case KEY_CONTACT: is_ok = read_ieee(value, z->contact.ieee); break;
        case KEY_RELOCK: is_ok = read_number(value, 5, 180, &z->relock_max_s); break;
        case KEY_USER: is_ok = read_text(value, z->user, sizeof(z->user)); break;
        case KEY_PASSWORD: is_ok = read_password(value, z->password, sizeof(z->password)); break;
        }
        if (!is_ok) {
            (void)snprintf(why, why_cap, "zigbee2mqtt: setting '%.*s' is wrong",
                           (int)strcspn(word, "="), word);
            return dw_fail(DW_E_INVALID);
        }
    }
    if (z->host[0] == '\0' || z->lock.ieee[0] == '\0' ||
        strcmp(z->lock.ieee, z->contact.ieee) == 0) {
        (void)snprintf(
            why, why_cap,
            "zigbee2mqtt: settings broker= and device= are required, contact= is another");
        return dw_fail(DW_E_INVALID);
    }
    return DW_OK;
}

/* ---- the vtable ---- */

static dw_err z2m_open(uv_loop_t *loop, const char *settings, const struct dw_lock_sink *sink,
                       char *why, size_t why_cap, void **ret_self)
{
    struct z2m *z = calloc(1, sizeof(*z));
    uint64_t random;
    dw_err err;

    if (z == NULL)
        return dw_fail(DW_E_NO_SPACE);
    err = read_settings(z, settings, why, why_cap);
    if (dw_failed(err)) {
        explicit_bzero(z->password, sizeof(z->password));
        free(z);
        return err;
    }
    z->loop = loop;
    z->sink = *sink;
    z->battery_pct = UINT8_MAX;
    z->backoff_ms = BACKOFF_MIN_MS;
    z->look_at = DW_NEVER;
    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        random = dw_now_us();
    (void)snprintf(z->session, sizeof(z->session), "%016" PRIx64, random);
    (void)mosquitto_lib_init();
    /* MQTT 3.1.1 on purpose: libmosquitto 2.0.11 aborts on a malformed property of version 5, and
     * message expiry does not help where the fence has passed. */
    z->mosq = mosquitto_new(NULL, true, z);
    if (z->mosq == NULL ||
        mosquitto_int_option(z->mosq, MOSQ_OPT_TCP_NODELAY, 1) != MOSQ_ERR_SUCCESS ||
        (z->user[0] != '\0' &&
         mosquitto_username_pw_set(z->mosq, z->user, z->password) != MOSQ_ERR_SUCCESS) ||
        uv_timer_init(loop, &z->timer) != 0) {
        mosquitto_destroy(z->mosq);
        (void)mosquitto_lib_cleanup();
        free(z);
        (void)snprintf(why, why_cap, "zigbee2mqtt: the MQTT client could not be made");
        return dw_fail(DW_E_IO);
    }
    mosquitto_connect_callback_set(z->mosq, on_connect);
    mosquitto_message_callback_set(z->mosq, on_message);
    z->timer.data = z;
    (void)uv_timer_start(&z->timer, on_tick, 0, TICK_MS);
    *ret_self = z;
    return DW_OK;
}

static dw_err z2m_ask(void *self, struct dw_view signed_ask, dw_mono now)
{
    struct z2m *z = self;

    (void)signed_ask;
    if (z->step != STEP_UP)
        return dw_fail(DW_E_IO);
    if (z->round.is_on)
        return dw_fail(DW_E_BUSY); /* its answer would be older than this ask */
    round_start(z, now, true);
    return z->round.is_on ? DW_OK : dw_fail(DW_E_IO);
}

static dw_err z2m_command(void *self, enum dw_lock_action action, struct dw_view signed_command,
                          dw_mono now, dw_mono expires)
{
    struct z2m *z = self;
    char topic[TOPIC_MAX_BYTES];

    (void)signed_command;
    if (action != DW_LOCK_ACTION_THROW && action != DW_LOCK_ACTION_RETRACT)
        return dw_fail(DW_E_UNSUPPORTED);
    if (is_due(now, expires))
        return dw_fail(DW_E_EXPIRED);
    if (z->step != STEP_UP)
        return dw_fail(DW_E_IO);
    if (action == DW_LOCK_ACTION_RETRACT) {
        if (z->retract.is_on)
            return dw_fail(DW_E_BUSY);
        z->retract.fence = publish_fence(z);
        z->retract.expires = expires;
        z->retract.is_on = z->retract.fence != 0;
        return z->retract.is_on ? DW_OK : dw_fail(DW_E_IO);
    }
    z->retract.is_on = false; /* whoever locks does not want it open a moment later */
    if (z->leaf == DW_CONTACT_OPEN)
        return dw_fail(DW_E_DENIED); /* [I18] */
    topic_of(z, topic, z->lock.name, "/set");
    if (!publish(z, topic, "{\"state\":\"LOCK\"}"))
        return dw_fail(DW_E_IO);
    z->commanded = now;
    z->commanded_retract = false;
    z->look_at = dw_mono_add(now, LOOK_AFTER_MS);
    return DW_OK;
}

static void z2m_close(void *self)
{
    struct z2m *z = self;

    if (z == NULL || z->is_closing)
        return;
    z->is_closing = true;
    z->depth++;
    leave(z);
}

const struct dw_lock_ops dw_lock_zigbee2mqtt = {
    .name = "zigbee2mqtt",
    .open = z2m_open,
    .ask = z2m_ask,
    .command = z2m_command,
    .close = z2m_close,
};
