#include "samples.h"
#include "core/types.h"
#include "wire/camera.h"
#include "wire/grant.h"
#include "wire/lock.h"
#include "wire/visit.h"
#include "wire/wish.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t rng_next(struct rng *g)
{
    uint64_t z = (g->state += UINT64_C(0x9e3779b97f4a7c15)); /* splitmix64 */
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t rng_below(struct rng *g, uint64_t n)
{
    return rng_next(g) % n;
}

uint64_t rng_number(struct rng *g, uint64_t max)
{
    static const uint64_t edges[] = {0,     1,     23,         24,         255,       256,
                                     65535, 65536, UINT32_MAX, 4294967296, INT64_MAX, UINT64_MAX};
    uint64_t value = rng_next(g) >> rng_below(g, 64);
    if (rng_below(g, 3) == 0)
        value = edges[rng_below(g, DW_ARRAY_COUNT(edges))];
    return value <= max ? value : max == UINT64_MAX ? value : value % (max + 1);
}

void rng_bytes(struct rng *g, void *ret_bytes, size_t len)
{
    uint8_t *p = ret_bytes;
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)rng_next(g);
}

struct rng rng_start(void)
{
    const char *given = getenv("DW_SEED");
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    uint64_t seed =
        given ? strtoull(given, NULL, 10) : (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    printf("seed: DW_SEED=%llu\n", (unsigned long long)seed);
    return (struct rng){seed};
}

#define BYTES(field) rng_bytes(g, m->field, sizeof m->field)
#define U8()         ((uint8_t)rng_number(g, UINT8_MAX))
#define U16()        ((uint16_t)rng_number(g, UINT16_MAX))
#define U32()        ((uint32_t)rng_number(g, UINT32_MAX))
#define U64()        rng_number(g, UINT64_MAX)
#define ONE_OF(n)    ((uint8_t)rng_below(g, n))

static void name(struct rng *g, char *ret_name, size_t cap)
{
    static const char *const parts[] = {"Ana", "Door", " ",       "Zoë", "水",
                                        "𐅑",   "-",    "O'Neill", "7",   "ß"};
    size_t len = 0, want = rng_below(g, cap);
    for (;;) {
        const char *part = parts[rng_below(g, DW_ARRAY_COUNT(parts))];
        size_t part_len = strlen(part);
        if (len + part_len > want)
            break;
        memcpy(ret_name + len, part, part_len);
        len += part_len;
    }
}

static void ascii(struct rng *g, char *ret_text, size_t cap)
{
    size_t len = rng_below(g, cap);
    for (size_t i = 0; i < len; i++)
        ret_text[i] = (char)(' ' + rng_below(g, 95));
}

static void zone(struct rng *g, char ret_zone[DW_NAME_MAX])
{
    static const char *const zones[] = {"Europe/Amsterdam", "America/Argentina/Buenos_Aires",
                                        "Etc/GMT+12", "UTC", "America/Port-au-Prince"};
    const char *z = zones[rng_below(g, DW_ARRAY_COUNT(zones))];
    memcpy(ret_zone, z, strlen(z) + 1);
}

static struct dw_utc utc(struct rng *g)
{
    struct dw_utc t = {0};
    if (rng_below(g, 4) > 0) {
        t.lo_ms = 1 + (int64_t)rng_number(g, UINT64_C(200000000000000));
        t.hi_ms = t.lo_ms + (int64_t)rng_below(g, 60000);
    }
    return t;
}

static void fill_camera_ask(struct rng *g, struct dw_camera_ask *m)
{
    BYTES(nonce);
    m->visit = U64();
    m->want_key_frame = ONE_OF(2) == 1;
}

static void fill_camera_hello(struct rng *g, struct dw_camera_hello *m)
{
    BYTES(nonce);
    m->boot_count = U32();
    BYTES(boot_seed);
    ascii(g, m->software, sizeof m->software);
    m->width_px = (uint16_t)(1 + rng_below(g, 4096));
    m->height_px = (uint16_t)(1 + rng_below(g, 4096));
    m->fps = (uint16_t)(1 + rng_below(g, 120));
    m->camera_class = ONE_OF(DW_CAMERA_CLASS_COUNT);
}

static void fill_frame_record(struct rng *g, struct dw_frame_record *m)
{
    BYTES(echo);
    m->boot_count = U32();
    BYTES(boot_seed);
    ascii(g, m->software, sizeof m->software);
    m->visit = U64();
    m->seq = 1 + rng_number(g, UINT64_MAX - 1);
    m->t_rx_us = rng_number(g, UINT64_MAX / 2);
    m->t_exp_us = m->t_rx_us + rng_number(g, UINT64_MAX / 2);
    BYTES(au_hash);
    BYTES(pset_hash);
    m->still_ms = U32();
    m->luma = U8();
    m->spread = U8();
    BYTES(chain);
    m->tamper = ONE_OF(4);
}

static void fill_lock_ask(struct rng *g, struct dw_lock_ask *m)
{
    BYTES(nonce);
}

static void fill_lock_status(struct rng *g, struct dw_lock_status *m)
{
    BYTES(nonce);
    m->boot_count = U32();
    BYTES(boot_seed);
    m->bolt = ONE_OF(DW_BOLT_COUNT);
    m->contact = ONE_OF(DW_CONTACT_COUNT);
    m->strike = ONE_OF(DW_STRIKE_COUNT);
    m->cause = ONE_OF(DW_CAUSE_COUNT);
    m->throws_left = U16();
    m->op_count = U32();
    m->opening_count = U32();
    BYTES(lock_nonce);
    m->epoch = U32();
    m->counter = U32();
    m->t_us = U64();
    m->closed_us = rng_number(g, m->t_us);
    m->battery_pct = ONE_OF(101);
    m->lease_left_ms = U32();
    m->seq = U32();
}

static void fill_lock_command(struct rng *g, struct dw_lock_command *m)
{
    BYTES(lock_nonce);
    m->visit = U64();
    m->epoch = U32();
    m->counter = U32();
    m->action = ONE_OF(2) ? DW_LOCK_ACTION_THROW : DW_LOCK_ACTION_RETRACT;
    if (m->action == DW_LOCK_ACTION_RETRACT) {
        m->lease_ms = U32();
        m->dwell_ms = U32();
    }
}

static void fill_lock_answer(struct rng *g, struct dw_lock_answer *m)
{
    BYTES(lock_nonce);
    m->counter = U32();
    m->result = (uint8_t)(1 + rng_below(g, DW_LOCK_RESULT_COUNT - 1));
}

static void fill_enrol(struct rng *g, struct dw_enrol *m)
{
    BYTES(hub_pub);
    BYTES(nonce);
    BYTES(pairing);
    BYTES(proof);
    zone(g, m->zone);
    m->door_count = (uint8_t)(1 + rng_below(g, 4));
    for (size_t i = 0; i < m->door_count; i++) {
        m->door[i][0] = 'D';
        name(g, m->door[i] + 1, sizeof m->door[i] - 1);
    }
}

static void fill_welcome(struct rng *g, struct dw_welcome *m)
{
    BYTES(hub);
    BYTES(service_pub);
    BYTES(proof);
    name(g, m->home, sizeof m->home);
}

static void fill_job(struct rng *g, struct dw_job *m)
{
    BYTES(hub);
    m->nbf_s = (int64_t)rng_number(g, UINT64_C(200000000000));
    m->exp_s = m->nbf_s + (int64_t)rng_below(g, 86400);
    BYTES(job);
    BYTES(agency);
    name(g, m->agency_name, sizeof m->agency_name);
    m->kind = ONE_OF(DW_VISIT_KIND_COUNT);
    m->door = U8();
    m->openings = m->kind == DW_VISIT_DROP ? 1 : (uint8_t)(1 + rng_below(g, 255));
    zone(g, m->zone);
    m->window.day = (int32_t)rng_below(g, 60000);
    m->window.from_min = (uint16_t)rng_below(g, 1440);
    m->window.to_min =
        (uint16_t)(m->window.from_min + 1 + rng_below(g, 1440u - m->window.from_min));
    m->dwell_ms = U32();
    m->revision = U32();
    BYTES(visitor);
    name(g, m->visitor_name, sizeof m->visitor_name);
    name(g, m->screening_issuer, sizeof m->screening_issuer);
    name(g, m->screening_kind, sizeof m->screening_kind);
    m->screening_from_day = (int32_t)rng_below(g, 60000);
    m->screening_to_day = m->screening_from_day + (int32_t)rng_below(g, 1000);
    m->camera_class = ONE_OF(DW_CAMERA_CLASS_COUNT);
    name(g, m->notes, sizeof m->notes);
    if (m->notes[0])
        m->notes[0] = '\n';
    if ((uint8_t)m->notes[1] >= 0x80) /* the first character was longer than one byte */
        memset(m->notes, 0, sizeof m->notes);
    m->parcel_count = ONE_OF(DW_JOB_PARCELS_MAX + 1);
    for (size_t i = 0; i < m->parcel_count; i++)
        BYTES(parcel[i]);
}

static void fill_leaving(struct rng *g, struct dw_leaving *m)
{
    BYTES(hub);
    m->visit = U64();
}

static void fill_recall(struct rng *g, struct dw_recall *m)
{
    BYTES(hub);
    BYTES(job);
    m->revision = U32();
}

static void fill_hello(struct rng *g, struct dw_hello *m)
{
    BYTES(hub);
    BYTES(job);
    m->visit = U64();
    BYTES(visitor);
    BYTES(courier_nonce);
    m->barcode_len = ONE_OF(DW_PARCEL_CODE_MAX + 1);
    rng_bytes(g, m->barcode, m->barcode_len);
    BYTES(salt);
    m->door = U8();
    m->age_ms = U32();
    m->revision = U32();
}

static void fill_offer(struct rng *g, struct dw_offer *m)
{
    BYTES(hub);
    m->visit = U64();
    BYTES(courier_nonce);
    if (ONE_OF(2)) {
        BYTES(hub_nonce);
    } else {
        m->check = (uint8_t)(1 + rng_below(g, DW_CHECK_COUNT - 1));
    }
    m->expires_ms = U32();
    m->passed = rng_next(g) & ((UINT64_C(1) << DW_CHECK_COUNT) - 2);
}

static void fill_proof(struct rng *g, struct dw_proof *m)
{
    BYTES(hub);
    m->visit = U64();
    BYTES(hub_nonce);
    BYTES(courier_nonce);
    m->door = U8();
}

static void fill_news(struct rng *g, struct dw_news *m)
{
    BYTES(hub);
    m->visit = U64();
    m->number = (uint32_t)(1 + rng_number(g, UINT32_MAX - 1));
    m->state = ONE_OF(DW_VISIT_STATE_COUNT);
    m->at = utc(g);
    m->check = ONE_OF(DW_CHECK_COUNT);
    m->alarms = (uint32_t)rng_below(g, UINT64_C(1) << DW_ALARM_COUNT);
}

static void fill_receipt(struct rng *g, struct dw_receipt *m)
{
    BYTES(hub);
    m->visit = U64();
    BYTES(courier_nonce);
    m->outcome = (uint8_t)(1 + rng_below(g, DW_OUTCOME_COUNT - 1));
    m->check = ONE_OF(DW_CHECK_COUNT);
    m->gap_ms = U32();
    m->opened = utc(g);
    m->secured = utc(g);
    m->inside_ms = U32();
    m->evidence = ONE_OF(DW_LOCK_CLASS_COUNT);
    m->leaf = U64();
    m->is_confirmed_later = ONE_OF(2) == 1;
}

static void fill_ack(struct rng *g, struct dw_ack *m)
{
    BYTES(hub);
    m->visit = U64();
    m->number = U32();
}

static void fill_display(struct rng *g, struct dw_display *m)
{
    BYTES(hub);
    BYTES(viewer_nonce);
    m->is_secured = ONE_OF(2) == 1;
    m->bolt = m->is_secured ? DW_BOLT_THROWN : ONE_OF(DW_BOLT_COUNT);
    m->contact = m->is_secured ? DW_CONTACT_CLOSED : ONE_OF(DW_CONTACT_COUNT);
    m->strike =
        m->is_secured ? (ONE_OF(2) ? DW_STRIKE_IN : DW_STRIKE_ABSENT) : ONE_OF(DW_STRIKE_COUNT);
    m->lease_ms = U32();
    m->visit_state = ONE_OF(DW_VISIT_STATE_COUNT);
}

static void fill_leaf(struct rng *g, struct dw_leaf *m)
{
    m->seq = U64();
    BYTES(commitment);
}

static void fill_event_body(struct rng *g, struct dw_event_body *m)
{
    m->number = U64();
    m->kind = U8();
    m->visit = U64();
    m->at = utc(g);
    m->boot_ms = U64();
    m->detail_len = (uint16_t)rng_below(g, sizeof m->detail + 1);
    rng_bytes(g, m->detail, m->detail_len);
}

static void fill_wish(struct rng *g, struct dw_wish *m)
{
    static const char *const places[] = {"hall",   "garage",    "parcel_box",
                                         "locker", "neighbour", "doorstep"};
    BYTES(hub);
    m->kind = (uint8_t)(1 + rng_below(g, DW_WISH_COUNT - 1));
    if (m->kind != DW_WISH_NOTE || ONE_OF(2))
        BYTES(id);
    m->number = 1 + rng_number(g, UINT64_MAX - 1);
    if (m->kind == DW_WISH_PLACE) {
        const char *place = places[rng_below(g, DW_ARRAY_COUNT(places))];
        memcpy(m->text, place, strlen(place) + 1);
    } else if (m->kind == DW_WISH_MOVE) {
        m->window.day = (int32_t)rng_below(g, 60000);
        m->window.from_min = (uint16_t)rng_below(g, 1440);
        m->window.to_min =
            (uint16_t)(m->window.from_min + 1 + rng_below(g, 1440u - m->window.from_min));
    } else if (m->kind == DW_WISH_NOTE) {
        m->value = (uint8_t)(1 + rng_below(g, DW_NOTE_KIND_COUNT - 1));
        m->window.day = (int32_t)rng_below(g, 60000);
        name(g, m->text, sizeof m->text);
    }
    m->at = utc(g);
}

static void fill_wish_ack(struct rng *g, struct dw_wish_ack *m)
{
    BYTES(hub);
    m->number = 1 + rng_number(g, UINT64_MAX - 1);
    m->status = ONE_OF(DW_WISH_NO_COUNT);
}

static void fill_grant(struct rng *g, struct dw_grant *m)
{
    BYTES(owner);
    BYTES(grantee);
    BYTES(hub);
    m->nbf_s = (int64_t)rng_number(g, UINT64_C(200000000000));
    m->exp_s = m->nbf_s + 1 + (int64_t)rng_below(g, 86400u * DW_GRANT_DAYS_MAX);
    BYTES(id);
    zone(g, m->zone);
    m->name[0] = 'A';
    name(g, m->name + 1, sizeof m->name - 1);
    m->kind = ONE_OF(DW_VISIT_KIND_COUNT);
    m->door = U8();
    m->dwell_ms = U32();
    m->camera_class = ONE_OF(DW_CAMERA_CLASS_COUNT);
    BYTES(nonce);
    m->epoch = U32();
    m->window_count = (uint8_t)(1 + rng_below(g, DW_GRANT_WINDOWS_MAX));
    for (uint32_t i = 0; i < m->window_count; i++) {
        m->window[i].from = (uint16_t)(i * 700 + rng_below(g, 700));
        m->window[i].minutes = (uint16_t)(1 + rng_below(g, DW_WEEK_MINUTES));
    }
    m->uses = (uint16_t)(1 + rng_below(g, UINT16_MAX));
    m->per_day = (uint8_t)(1 + rng_below(g, UINT8_MAX));
    m->presence = ONE_OF(4);
    m->mode = ONE_OF(DW_GRANT_MODE_COUNT);
    m->is_hosted = ONE_OF(2) == 1;
}

static void fill_evidence(struct rng *g, struct dw_evidence *m)
{
    static const char *const contexts[] = {DW_GRANT_CONTEXT, DW_CONTROL_CONTEXT, DW_STOP_CONTEXT};
    const char *context = contexts[rng_below(g, DW_ARRAY_COUNT(contexts))];
    BYTES(hub);
    BYTES(id);
    memcpy(m->context, context, strlen(context) + 1);
#define PART(field)                                                 \
    m->field##_len = (uint16_t)(1 + rng_below(g, sizeof m->field)); \
    rng_bytes(g, m->field, m->field##_len)
    PART(bytes);
    PART(credential);
    PART(auth);
    PART(client);
    PART(signature);
#undef PART
}

static void fill_manifest(struct rng *g, struct dw_manifest *m)
{
    struct dw_job job;
    struct dw_buf out = dw_buf_of(m->job, sizeof m->job);
    memset(&job, 0, sizeof job);
    fill_job(g, &job);
    BYTES(grant);
    memcpy(m->hub, job.hub, sizeof m->hub);
    if (!dw_failed(dw_job_write(&job, &out)))
        m->job_len = (uint16_t)out.len;
}

static void fill_shift(struct rng *g, struct dw_shift *m)
{
    m->nbf_s = (int64_t)rng_number(g, UINT64_C(200000000000));
    m->exp_s = m->nbf_s + 1 + (int64_t)rng_below(g, DW_SHIFT_SECONDS_MAX);
    BYTES(agency);
    BYTES(visitor);
    name(g, m->visitor_name, sizeof m->visitor_name);
    m->credential_len = (uint8_t)(1 + rng_below(g, sizeof m->credential));
    rng_bytes(g, m->credential, m->credential_len);
    m->alg = (uint8_t)(1 + rng_below(g, 2));
    m->key_len = m->alg == 1 ? 64 : 32;
    rng_bytes(g, m->key, m->key_len);
    memcpy(m->origin, "https://", 8);
    m->origin[8] = 'a';
    ascii(g, m->origin + 9, sizeof m->origin - 9);
}

static void fill_stop(struct rng *g, struct dw_stop *m)
{
    BYTES(hub);
    BYTES(manifest);
    BYTES(hub_nonce);
    m->visit = U64();
    m->door = U8();
    BYTES(courier_nonce);
    BYTES(door_code);
}

static void fill_control(struct rng *g, struct dw_control *m)
{
    BYTES(hub);
    BYTES(nonce);
    m->epoch = U32();
    m->act = (uint8_t)(1 + rng_below(g, 255));
    BYTES(target);
    m->value = U64();
    name(g, m->name, sizeof m->name);
}

static void fill_introduce(struct rng *g, struct dw_introduce *m)
{
    BYTES(pub);
    BYTES(hub);
    BYTES(agency);
    m->name[0] = 'A';
    name(g, m->name + 1, sizeof m->name - 1);
    m->is_hosted = ONE_OF(2) == 1;
}

static void fill_revoked(struct rng *g, struct dw_revoked *m)
{
    BYTES(hub);
    BYTES(grant);
    m->at = utc(g);
    m->epoch = U32();
}

static void fill_camera_session(struct rng *g, struct dw_camera_session *m)
{
    m->boot_count = U32();
    BYTES(boot_seed);
    BYTES(pub);
}

static void fill_hub_link(struct rng *g, struct dw_hub_link *m)
{
    BYTES(camera);
    BYTES(pub);
}

#define SAMPLE_LIST(X)                \
    X(camera_ask, CAMERA_ASK)         \
    X(camera_hello, CAMERA_HELLO)     \
    X(frame_record, FRAME)            \
    X(lock_ask, LOCK_ASK)             \
    X(lock_status, LOCK_STATUS)       \
    X(lock_command, LOCK_COMMAND)     \
    X(lock_answer, LOCK_ANSWER)       \
    X(enrol, ENROL)                   \
    X(welcome, WELCOME)               \
    X(job, JOB)                       \
    X(recall, RECALL)                 \
    X(hello, HELLO)                   \
    X(offer, OFFER)                   \
    X(proof, PROOF)                   \
    X(news, NEWS)                     \
    X(receipt, RECEIPT)               \
    X(ack, ACK)                       \
    X(display, DISPLAY)               \
    X(event_body, EVENT)              \
    X(wish, WISH)                     \
    X(wish_ack, WISH_ACK)             \
    X(grant, GRANT)                   \
    X(evidence, EVIDENCE)             \
    X(manifest, MANIFEST)             \
    X(shift, SHIFT)                   \
    X(stop, STOP)                     \
    X(control, CONTROL)               \
    X(introduce, INTRODUCE)           \
    X(revoked, REVOKED)               \
    X(camera_session, CAMERA_SESSION) \
    X(hub_link, HUB_LINK)             \
    X(leaving, LEAVING)               \
    X(leaf, NONE)

#define X(type, context)                                                                \
    _Static_assert(sizeof(struct dw_##type) <= SAMPLE_STRUCT_MAX, "room for a " #type); \
    static void any_fill_##type(struct rng *g, void *m)                                 \
    {                                                                                   \
        memset(m, 0, sizeof(struct dw_##type));                                         \
        fill_##type(g, m);                                                              \
    }                                                                                   \
    static dw_err any_write_##type(const void *m, struct dw_buf *out)                   \
    {                                                                                   \
        return dw_##type##_write(m, out);                                               \
    }                                                                                   \
    static dw_err any_read_##type(struct dw_view in, void *ret_m)                       \
    {                                                                                   \
        return dw_##type##_read(in, ret_m);                                             \
    }
SAMPLE_LIST(X)
#undef X

const struct sample_type sample_types[SAMPLE_TYPES] = {
#define X(type, context)                                              \
    {#type,           DW_CONTEXT_##context, sizeof(struct dw_##type), \
     any_fill_##type, any_write_##type,     any_read_##type},
    SAMPLE_LIST(X)
#undef X
};
