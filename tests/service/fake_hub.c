/* A hub for the service's tests: it speaks the real link (wire, crypto, libmosquitto) and does what
 * it is told on stdin, one command a line; what it hears it prints, one JSON object a line.
 *
 *   enrol                        publish ENROL
 *   overhear NAME                from now on ENROL names another hub's code, which this one lacks
 *   policy ready|silent|CHECK    how to answer HELLO from now on; CHECK is a refusal's code
 *   news VISIT NUMBER STATE CHECK ALARMS AT_MS
 *   receipt VISIT OUTCOME CHECK OPENED_MS SECURED_MS LEAF LATER(0|1)
 *   wish NUMBER KIND ID VALUE DAY FROM TO [TEXT]    the household's; KIND, VALUE are numbers
 *   offer VISIT                  answer a HELLO that "silent" left alone
 *   grant PUB KIND DOOR FROM_DAY DAYS FROM_MIN MINUTES USES ZONE NAME   an owner's, to the agency
 * of PUB (hex); days from today, minutes of the week; prints its id revoke ID REVOKED forget take
 * the next HELLO of any visit for a new question raw TOPIC HEX                publish any bytes
 * ("-": none) strange VISIT                NEWS signed by another key down, up drop the connection;
 * come back
 *
 * VISIT is 16 hexadecimal digits; STATE, CHECK, OUTCOME are the words of core/types.h. */
#include <errno.h>
#include <inttypes.h>
#include <mosquitto.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/types.h"
#include "crypto/chain.h"
#include "crypto/pairing.h"
#include "crypto/signed.h"
#include "os/os.h"
#include "wire/wish.h"

#define VISITS_MAX 4096
#define SHIFTS_MAX 64
#define GRANTS_MAX 64
#define JOBS_MAX   64

#define OWNER_ORIGIN "http://home1.localhost:8080"
#define OWNER_RP     "home1.localhost"

/* What was signed, as the chain needs it. The newest take the places of the oldest. */
struct kept {
    uint8_t id[16]; /* grant; job; visitor */
    size_t len;
    uint8_t bytes[DW_SIGNED_BYTES_MAX];
    struct dw_key agency; /* grants */
};

static struct {
    struct dw_secret owner; /* an owner's passkey, in software */
    struct kept grant[GRANTS_MAX], manifest[JOBS_MAX], shift[SHIFTS_MAX];
    size_t grants, manifests, shifts;
    struct dw_secret secret;
    struct dw_key service;
    bool knows_service, is_up;
    struct mosquitto *mosq;
    char topic_in[64], topic_out[64];
    struct dw_pairing pairing;
    struct dw_enrol enrol;
    int policy; /* -1: silent; DW_CHECK_NONE: ready */
    size_t count;
    struct {
        uint64_t visit;
        uint8_t job[16], visitor[16], courier_nonce[32], hub_nonce[32];
        struct dw_offer offer;
        bool is_answered;
    } seen[VISITS_MAX];
} hub;

static void publish(const char *topic, const struct dw_secret *secret, uint8_t kind,
                    struct dw_view payload)
{
    uint8_t bytes[DW_LINK_PAYLOAD_MAX];
    struct dw_buf buf = dw_buf_of(bytes + 1, sizeof(bytes) - 1);
    DW_ASSERT(
        !dw_failed(dw_signed_make(secret, (enum dw_context)dw_link_context(kind), payload, &buf)));
    bytes[0] = kind;
    (void)mosquitto_publish(hub.mosq, NULL, topic, (int)buf.len + 1, bytes, 1, false);
}

#define SEND(topic, kind, name, message)                                       \
    do {                                                                       \
        uint8_t send_bytes_[3072];                                             \
        struct dw_buf send_buf_ = dw_buf_of(send_bytes_, sizeof(send_bytes_)); \
        DW_ASSERT(!dw_failed(dw_##name##_write(message, &send_buf_)));         \
        publish(topic, &hub.secret, kind, dw_view_of_buf(&send_buf_));         \
    } while (0)

static size_t find(uint64_t visit)
{
    size_t i = 0;
    while (i < hub.count && hub.seen[i].visit != visit)
        i++;
    return i;
}

static void offer(size_t i, int check)
{
    struct dw_offer *o = &hub.seen[i].offer;
    if (!hub.seen[i].is_answered) {
        memset(o, 0, sizeof(*o));
        memcpy(o->hub, hub.secret.key.thumb, sizeof(o->hub));
        o->visit = hub.seen[i].visit;
        memcpy(o->courier_nonce, hub.seen[i].courier_nonce, sizeof(o->courier_nonce));
        o->check = (uint8_t)check;
        o->expires_ms = 60000;
        o->passed = UINT64_C(1) << DW_CHECK_LOCK_CLASS;
        if (check == DW_CHECK_NONE) {
            dw_random(hub.seen[i].hub_nonce, sizeof(hub.seen[i].hub_nonce));
            memcpy(o->hub_nonce, hub.seen[i].hub_nonce, sizeof(o->hub_nonce));
        }
        hub.seen[i].is_answered = true;
    }
    SEND(hub.topic_out, DW_LINK_KIND_OFFER, offer, o);
}

static void hear_hello(const struct dw_hello *m)
{
    uint8_t commitment[32];
    char hex[65];
    dw_sha256_2(dw_view_of(m->salt, sizeof(m->salt)), dw_view_of(m->barcode, m->barcode_len),
                commitment);
    dw_hex(commitment, sizeof(commitment), hex);
    size_t i = find(m->visit);
    bool is_repeat = i < hub.count;
    printf("{\"event\":\"hello\",\"visit\":\"%016" PRIx64 "\",\"repeat\":%s,\"age_ms\":%u,"
           "\"door\":%u,\"revision\":%u,\"commitment\":\"%s\"}\n",
           m->visit, is_repeat ? "true" : "false", m->age_ms, m->door, m->revision, hex);
    DW_ASSERT(i < VISITS_MAX);
    if (!is_repeat) {
        memset(&hub.seen[i], 0, sizeof(hub.seen[i]));
        hub.seen[i].visit = m->visit;
        memcpy(hub.seen[i].courier_nonce, m->courier_nonce, sizeof(m->courier_nonce));
        memcpy(hub.seen[i].job, m->job, sizeof(m->job));
        memcpy(hub.seen[i].visitor, m->visitor, sizeof(m->visitor));
        hub.count++;
    }
    if (hub.policy >= 0 || hub.seen[i].is_answered)
        offer(i, hub.policy);
}

static void hear_job(const struct dw_job *m);

/* ---- what people and agencies sign ---- */

static struct kept *keep(struct kept *table, size_t max, size_t *count, const uint8_t id[16],
                         struct dw_view bytes)
{
    size_t i = 0;
    while (i < *count && i < max && memcmp(table[i].id, id, 16) != 0)
        i++;
    if (i == *count || i == max)
        i = (*count)++ % max;
    memcpy(table[i].id, id, 16);
    DW_ASSERT(bytes.len <= sizeof(table[i].bytes));
    memcpy(table[i].bytes, bytes.ptr, bytes.len);
    table[i].len = bytes.len;
    return &table[i];
}

static const struct kept *kept(const struct kept *table, size_t max, size_t count,
                               const uint8_t id[16])
{
    for (size_t i = 0; i < count && i < max; i++)
        if (memcmp(table[i].id, id, 16) == 0)
            return &table[i];
    return NULL;
}

static struct dw_passkey owner_passkey(void)
{
    struct dw_passkey p = {.alg = DW_PASSKEY_EDDSA, .id_len = 16, .key_len = DW_KEY_BYTES};
    memcpy(p.key, hub.owner.key.pub, DW_KEY_BYTES);
    memcpy(p.id, hub.owner.key.thumb, 16);
    return p;
}

/* The owner's passkey over a grant. */
static void approve(struct dw_evidence *e)
{
    uint8_t challenge[32], message[37 + 32];
    char text[64];
    struct dw_passkey owner = owner_passkey();
    dw_chain_challenge(DW_GRANT_CONTEXT, dw_view_of(e->bytes, e->bytes_len), challenge);
    (void)sodium_bin2base64(text, sizeof(text), challenge, 32,
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    e->client_len = (uint16_t)snprintf((char *)e->client, sizeof(e->client),
                                       "{\"type\":\"webauthn.get\",\"challenge\":\"%s\","
                                       "\"origin\":\"" OWNER_ORIGIN "\",\"crossOrigin\":false}",
                                       text);
    dw_sha256(dw_view_of(OWNER_RP, sizeof(OWNER_RP) - 1), e->auth);
    e->auth[32] = 5; /* present, verified */
    e->auth_len = 37;
    memcpy(message, e->auth, 37);
    dw_sha256(dw_view_of(e->client, e->client_len), message + 37);
    dw_sign(&hub.owner, dw_view_of(message, sizeof(message)), e->signature);
    e->signature_len = DW_SIG_BYTES;
    e->credential_len = owner.id_len;
    memcpy(e->credential, owner.id, owner.id_len);
}

/* False: not a grant. */
static bool tell_grant(const char *line)
{
    char pub[65], zone[48], name[48], id[33];
    unsigned kind, door, minutes, from_min, uses;
    int from_day, days;
    uint8_t key[32], bytes[3072];
    if (sscanf(line, "grant %64s %u %u %d %d %u %u %u %47s %47[^\n]", pub, &kind, &door, &from_day,
               &days, &from_min, &minutes, &uses, zone, name) != 10)
        return false;
    int64_t today = time(NULL) / 86400 * 86400;
    struct dw_grant m = {.nbf_s = today + from_day * 86400,
                         .exp_s = today + (from_day + days) * 86400,
                         .kind = (uint8_t)kind,
                         .door = (uint8_t)door,
                         .dwell_ms = 60000,
                         .camera_class = DW_CAMERA_K2,
                         .window_count = 1,
                         .window = {{(uint16_t)from_min, (uint16_t)minutes}},
                         .uses = (uint16_t)uses,
                         .per_day = 10,
                         .mode = DW_GRANT_NOTIFY};
    struct dw_evidence e = {0};
    struct dw_passkey owner = owner_passkey();
    struct dw_buf out = dw_buf_of(e.bytes, sizeof(e.bytes)),
                  whole = dw_buf_of(bytes, sizeof(bytes));
    DW_ASSERT(!dw_failed(dw_unhex(pub, key, sizeof(key))));
    (void)snprintf(m.zone, sizeof(m.zone), "%s", zone);
    (void)snprintf(m.name, sizeof(m.name), "%s", name);
    dw_chain_passkey_thumb(&owner, m.owner);
    dw_random(m.id, sizeof(m.id));
    dw_random(m.nonce, sizeof(m.nonce));
    memcpy(m.hub, hub.secret.key.thumb, sizeof(m.hub));
    struct dw_key agency;
    dw_key_from_pub(key, &agency);
    memcpy(m.grantee, agency.thumb, sizeof(m.grantee));
    DW_ASSERT(!dw_failed(dw_grant_write(&m, &out)));
    e.bytes_len = (uint16_t)out.len;
    memcpy(e.hub, m.hub, sizeof(e.hub));
    memcpy(e.id, m.id, sizeof(e.id));
    (void)snprintf(e.context, sizeof(e.context), "%s", DW_GRANT_CONTEXT);
    approve(&e);
    DW_ASSERT(!dw_failed(dw_evidence_write(&e, &whole)));
    keep(hub.grant, GRANTS_MAX, &hub.grants, m.id, dw_view_of_buf(&whole))->agency = agency;
    publish(hub.topic_out, &hub.secret, DW_LINK_KIND_GRANT, dw_view_of_buf(&whole));
    dw_hex(m.id, sizeof(m.id), id);
    printf("{\"event\":\"granted\",\"id\":\"%s\"}\n", id);
    return true;
}

static void tell_revoked(const char *id)
{
    struct dw_revoked m = {.at = {1700000000000, 1700000000005}, .epoch = 1};
    memcpy(m.hub, hub.secret.key.thumb, sizeof(m.hub));
    DW_ASSERT(!dw_failed(dw_unhex(id, m.grant, sizeof(m.grant))));
    SEND(hub.topic_out, DW_LINK_KIND_REVOKED, revoked, &m);
}

/* The whole chain, as a hub checks it. */
static const char *judge(const struct dw_evidence *e, const struct dw_stop *stop)
{
    size_t i = find(stop->visit);
    if (i == hub.count)
        return "visit";
    const struct kept *m = kept(hub.manifest, JOBS_MAX, hub.manifests, hub.seen[i].job);
    const struct kept *s = kept(hub.shift, SHIFTS_MAX, hub.shifts, hub.seen[i].visitor);
    if (!m || !s)
        return m ? "shift" : "manifest";
    struct dw_cose cose;
    struct dw_manifest manifest;
    struct dw_passkey owner = owner_passkey();
    DW_ASSERT(!dw_failed(dw_cose_read(DW_CONTEXT_MANIFEST, dw_view_of(m->bytes, m->len), &cose)) &&
              !dw_failed(dw_manifest_read(cose.payload, &manifest)));
    const struct kept *g = kept(hub.grant, GRANTS_MAX, hub.grants, manifest.grant);
    if (!g)
        return "grant";
    int64_t now = time(NULL) * 1000;
    const struct dw_chain chain = {.grant = dw_view_of(g->bytes, g->len),
                                   .manifest = dw_view_of(m->bytes, m->len),
                                   .shift = dw_view_of(s->bytes, s->len),
                                   .credential = dw_view_of(e->credential, e->credential_len),
                                   .client_data = dw_view_of(e->client, e->client_len),
                                   .auth_data = dw_view_of(e->auth, e->auth_len),
                                   .signature = dw_view_of(e->signature, e->signature_len)};
    const struct dw_chain_want want = {.hub = hub.secret.key.thumb,
                                       .owner = &owner,
                                       .owner_count = 1,
                                       .owner_origin = OWNER_ORIGIN,
                                       .owner_rp_id = OWNER_RP,
                                       .agency = &g->agency,
                                       .now = {now, now + 1000},
                                       .visit = stop->visit,
                                       .hub_nonce = hub.seen[i].hub_nonce,
                                       .courier_nonce = hub.seen[i].courier_nonce,
                                       .door_code = stop->door_code};
    static struct dw_chain_said said;
    return dw_chain_no_code(dw_chain_check(&chain, &want, &said));
}

static void hear_stop(const struct dw_evidence *e)
{
    static const uint8_t none[32];
    struct dw_stop stop;
    if (strcmp(e->context, DW_STOP_CONTEXT) != 0 ||
        dw_failed(dw_stop_read(dw_view_of(e->bytes, e->bytes_len), &stop))) {
        printf("{\"event\":\"unread\",\"kind\":%u}\n", DW_LINK_KIND_STOP);
        return;
    }
    const char *why = judge(e, &stop);
    bool names_manifest = memcmp(e->id, stop.manifest, sizeof(e->id)) == 0;
    printf("{\"event\":\"stop\",\"visit\":\"%016" PRIx64 "\",\"good\":%s,\"why\":\"%s\","
           "\"door_code\":%s}\n",
           stop.visit, !why[0] && names_manifest ? "true" : "false", why,
           memcmp(stop.door_code, none, sizeof(none)) ? "true" : "false");
}

/* Signed by an agency: which, the household has said by its grant. */
static void hear_signed(uint8_t kind, struct dw_view object)
{
    struct dw_cose cose;
    struct dw_view payload;
    struct dw_manifest manifest;
    struct dw_shift shift;
    struct dw_introduce introduce;
    static struct dw_job job;
    struct dw_key key;
    char id[33];
    enum dw_context context = (enum dw_context)dw_link_context(kind);
    bool is_read = !dw_failed(dw_cose_read(context, object, &cose));
    if (is_read && kind == DW_LINK_KIND_INTRODUCE &&
        !dw_failed(dw_introduce_read(cose.payload, &introduce))) {
        dw_key_from_pub(introduce.pub, &key);
        is_read = !dw_failed(dw_signed_open(&key, context, object, &payload));
        dw_hex(introduce.agency, 16, id);
        printf("{\"event\":\"introduce\",\"agency\":\"%s\",\"name\":\"%s\",\"hosted\":%s,"
               "\"good\":%s}\n",
               id, introduce.name, introduce.is_hosted ? "true" : "false",
               is_read ? "true" : "false");
        return;
    }
    if (is_read && kind == DW_LINK_KIND_SHIFT && !dw_failed(dw_shift_read(cose.payload, &shift))) {
        keep(hub.shift, SHIFTS_MAX, &hub.shifts, shift.visitor, object);
        dw_hex(shift.visitor, 16, id);
        printf("{\"event\":\"shift\",\"visitor\":\"%s\",\"nbf\":%" PRId64 ",\"exp\":%" PRId64 "}\n",
               id, shift.nbf_s, shift.exp_s);
        return;
    }
    if (is_read && kind == DW_LINK_KIND_MANIFEST &&
        !dw_failed(dw_manifest_read(cose.payload, &manifest)) &&
        !dw_failed(dw_job_read(dw_view_of(manifest.job, manifest.job_len), &job))) {
        const struct kept *g = kept(hub.grant, GRANTS_MAX, hub.grants, manifest.grant);
        is_read = !g || !dw_failed(dw_signed_open(&g->agency, context, object, &payload));
        keep(hub.manifest, JOBS_MAX, &hub.manifests, job.job, object);
        if (is_read)
            hear_job(&job);
        return;
    }
    printf("{\"event\":\"unread\",\"kind\":%u}\n", kind);
}

static void hear_job(const struct dw_job *m)
{
    char id[33], visitor[33], parcel[65];
    dw_hex(m->job, sizeof(m->job), id);
    dw_hex(m->visitor, sizeof(m->visitor), visitor);
    dw_hex(m->parcel[0], 32, parcel);
    printf("{\"event\":\"job\",\"job\":\"%s\",\"revision\":%u,\"visitor\":\"%s\",\"name\":\"%s\","
           "\"agency\":\"%s\",\"nbf\":%" PRId64 ",\"exp\":%" PRId64
           ",\"zone\":\"%s\",\"parcels\":%u,"
           "\"screening\":\"%s\",\"to_day\":%d,\"notes\":\"%s\",\"parcel\":\"%s\",\"door\":%u}\n",
           id, m->revision, visitor, m->visitor_name, m->agency_name, m->nbf_s, m->exp_s, m->zone,
           m->parcel_count, m->screening_issuer, m->screening_to_day, m->notes, parcel, m->door);
}

static void hear(uint8_t kind, struct dw_view payload)
{
    struct dw_recall recall;
    struct dw_hello hello;
    static struct dw_evidence evidence;
    struct dw_leaving leaving;
    struct dw_ack ack;
    struct dw_wish_ack wish_ack;
    char id[33];
    if (kind == DW_LINK_KIND_RECALL && !dw_failed(dw_recall_read(payload, &recall))) {
        dw_hex(recall.job, sizeof(recall.job), id);
        printf("{\"event\":\"recall\",\"job\":\"%s\",\"revision\":%u}\n", id, recall.revision);
    } else if (kind == DW_LINK_KIND_HELLO && !dw_failed(dw_hello_read(payload, &hello))) {
        hear_hello(&hello);
    } else if (kind == DW_LINK_KIND_STOP && !dw_failed(dw_evidence_read(payload, &evidence))) {
        hear_stop(&evidence);
    } else if (kind == DW_LINK_KIND_LEAVING && !dw_failed(dw_leaving_read(payload, &leaving))) {
        printf("{\"event\":\"leaving\",\"visit\":\"%016" PRIx64 "\"}\n", leaving.visit);
    } else if (kind == DW_LINK_KIND_ACK && !dw_failed(dw_ack_read(payload, &ack))) {
        printf("{\"event\":\"ack\",\"visit\":\"%016" PRIx64 "\",\"number\":%u}\n", ack.visit,
               ack.number);
    } else if (kind == DW_LINK_KIND_WISH_ACK && !dw_failed(dw_wish_ack_read(payload, &wish_ack))) {
        printf("{\"event\":\"wish_ack\",\"number\":%" PRIu64 ",\"status\":%u}\n", wish_ack.number,
               wish_ack.status);
    } else {
        printf("{\"event\":\"unread\",\"kind\":%u}\n", kind);
    }
}

static void on_message(struct mosquitto *mosq, void *ctx, const struct mosquitto_message *in)
{
    (void)mosq, (void)ctx;
    struct dw_view object, payload;
    struct dw_welcome welcome;
    struct dw_cose cose;
    DW_ASSERT(in->payloadlen > 1);
    uint8_t kind = *(const uint8_t *)in->payload;
    object = dw_view_of((const uint8_t *)in->payload + 1, (size_t)in->payloadlen - 1);
    enum dw_context context = (enum dw_context)dw_link_context(kind);
    if (kind == DW_LINK_KIND_WELCOME && !dw_failed(dw_cose_read(context, object, &cose)) &&
        !dw_failed(dw_welcome_read(cose.payload, &welcome))) {
        dw_key_from_pub(welcome.service_pub, &hub.service);
        uint8_t proof[32];
        dw_pairing_service_proof(&hub.pairing, hub.enrol.hub_pub, hub.enrol.nonce,
                                 welcome.service_pub, proof);
        hub.knows_service = !dw_failed(dw_signed_open(&hub.service, context, object, &payload)) &&
                            dw_same(welcome.proof, proof, sizeof(proof));
        printf("{\"event\":\"welcome\",\"home\":\"%s\",\"proven\":%s}\n", welcome.home,
               hub.knows_service ? "true" : "false");
    } else if (kind == DW_LINK_KIND_INTRODUCE || kind == DW_LINK_KIND_MANIFEST ||
               kind == DW_LINK_KIND_SHIFT) {
        hear_signed(kind, object);
    } else if (hub.knows_service &&
               !dw_failed(dw_signed_open(&hub.service, context, object, &payload))) {
        hear(kind, payload);
    } else {
        printf("{\"event\":\"unread\",\"kind\":%u}\n", kind);
    }
    (void)fflush(stdout);
}

static void on_connect(struct mosquitto *mosq, void *ctx, int rc)
{
    (void)ctx;
    if (rc == 0)
        (void)mosquitto_subscribe(mosq, NULL, hub.topic_in, 1);
}

static void on_subscribe(struct mosquitto *mosq, void *ctx, int mid, int n, const int *granted)
{
    (void)mosq, (void)ctx, (void)mid, (void)n, (void)granted;
    hub.is_up = true;
    printf("{\"event\":\"up\"}\n");
    (void)fflush(stdout);
}

static int check_of(const char *word)
{
    for (int i = 0; i < DW_CHECK_COUNT; i++)
        if (strcmp(dw_check_code((enum dw_check)i), word) == 0)
            return i;
    fprintf(stderr, "no such check: %s\n", word);
    exit(2);
}

static uint8_t state_of(const char *word)
{
    for (uint8_t i = 0; i < DW_VISIT_STATE_COUNT; i++)
        if (strcmp(dw_visit_state_word((enum dw_visit_state)i), word) == 0)
            return i;
    fprintf(stderr, "no such state: %s\n", word);
    exit(2);
}

static uint8_t outcome_of(const char *word)
{
    for (uint8_t i = 0; i < DW_OUTCOME_COUNT; i++)
        if (strcmp(dw_outcome_word((enum dw_outcome)i), word) == 0)
            return i;
    fprintf(stderr, "no such outcome: %s\n", word);
    exit(2);
}

static struct dw_utc utc(long long ms)
{
    return ms ? (struct dw_utc){ms - 5, ms + 5} : (struct dw_utc){0, 0};
}

static void tell_news(char word[8][512])
{
    struct dw_news m = {.visit = strtoull(word[1], NULL, 16),
                        .number = (uint32_t)strtoul(word[2], NULL, 10),
                        .state = state_of(word[3]),
                        .check = (uint8_t)check_of(word[4]),
                        .alarms = (uint32_t)strtoul(word[5], NULL, 10),
                        .at = utc(strtoll(word[6], NULL, 10))};
    memcpy(m.hub, hub.secret.key.thumb, sizeof(m.hub));
    SEND(hub.topic_out, DW_LINK_KIND_NEWS, news, &m);
}

static void tell_receipt(char word[8][512])
{
    struct dw_receipt m = {.visit = strtoull(word[1], NULL, 16),
                           .outcome = outcome_of(word[2]),
                           .check = (uint8_t)check_of(word[3]),
                           .opened = utc(strtoll(word[4], NULL, 10)),
                           .secured = utc(strtoll(word[5], NULL, 10)),
                           .inside_ms = 18000,
                           .evidence = DW_LOCK_A,
                           .leaf = strtoull(word[6], NULL, 10),
                           .is_confirmed_later = word[7][0] == '1'};
    size_t i = find(m.visit);
    if (i < hub.count)
        memcpy(m.courier_nonce, hub.seen[i].courier_nonce, sizeof(m.courier_nonce));
    memcpy(m.hub, hub.secret.key.thumb, sizeof(m.hub));
    SEND(hub.topic_out, DW_LINK_KIND_RECEIPT, receipt, &m);
}

/* False: not a wish. */
static bool tell_wish(const char *line)
{
    struct dw_wish m = {.at = utc(1700000000000)};
    unsigned kind, value, from, to;
    int day;
    char id[33] = "";
    int n = sscanf(line, "wish %" SCNu64 " %u %32s %u %d %u %u %255[^\n]", &m.number, &kind, id,
                   &value, &day, &from, &to, m.text);
    if (n < 7)
        return false;
    m.kind = (uint8_t)kind;
    m.value = (uint8_t)value;
    m.window =
        (struct dw_civil_window){.day = day, .from_min = (uint16_t)from, .to_min = (uint16_t)to};
    DW_ASSERT(!dw_failed(dw_unhex(id, m.id, sizeof(m.id))));
    memcpy(m.hub, hub.secret.key.thumb, sizeof(m.hub));
    SEND(hub.topic_out, DW_LINK_KIND_WISH, wish, &m);
    return true;
}

static void tell_strange(uint64_t visit)
{
    struct dw_secret other;
    uint8_t bytes[256];
    struct dw_buf buf = dw_buf_of(bytes, sizeof(bytes));
    struct dw_news m = {.visit = visit, .number = 99, .state = DW_VISIT_INSIDE};
    memcpy(m.hub, hub.secret.key.thumb, sizeof(m.hub));
    dw_secret_new(&other);
    DW_ASSERT(!dw_failed(dw_news_write(&m, &buf)));
    publish(hub.topic_out, &other, DW_LINK_KIND_NEWS, dw_view_of_buf(&buf));
}

static void tell_raw(const char *topic, const char *hex)
{
    static uint8_t bytes[65536];
    size_t len = hex[0] == '-' ? 0 : strlen(hex) / 2;
    DW_ASSERT(len <= sizeof(bytes));
    if (len)
        DW_ASSERT(!dw_failed(dw_unhex(hex, bytes, len)));
    (void)mosquitto_publish(hub.mosq, NULL, topic, (int)len, bytes, 1, false);
}

static void obey(char *line)
{
    char word[8][512] = {{0}};
    static char hex[131072];
    if (sscanf(line, "raw %511s %131071s", word[0], hex) == 2) {
        tell_raw(word[0], hex);
        return;
    }
    if (tell_wish(line) || tell_grant(line)) {
        (void)fflush(stdout);
        return;
    }
    int n = sscanf(line, "%511s %511s %511s %511s %511s %511s %511s %511s", word[0], word[1],
                   word[2], word[3], word[4], word[5], word[6], word[7]);
    if (strcmp(word[0], "enrol") == 0 && n == 1)
        SEND("doorward/v1/enrol", DW_LINK_KIND_ENROL, enrol, &hub.enrol);
    else if (strcmp(word[0], "overhear") == 0 && n == 2)
        DW_ASSERT(!dw_failed(dw_unhex(word[1], hub.enrol.pairing, 32)));
    else if (strcmp(word[0], "policy") == 0 && n == 2)
        hub.policy = strcmp(word[1], "silent") == 0  ? -1
                     : strcmp(word[1], "ready") == 0 ? DW_CHECK_NONE
                                                     : check_of(word[1]);
    else if (strcmp(word[0], "news") == 0 && n == 7)
        tell_news(word);
    else if (strcmp(word[0], "receipt") == 0 && n == 8)
        tell_receipt(word);
    else if (strcmp(word[0], "offer") == 0 && n == 2 &&
             find(strtoull(word[1], NULL, 16)) < hub.count)
        offer(find(strtoull(word[1], NULL, 16)), DW_CHECK_NONE);
    else if (strcmp(word[0], "revoke") == 0 && n == 2)
        tell_revoked(word[1]);
    else if (strcmp(word[0], "forget") == 0)
        hub.count = 0;
    else if (strcmp(word[0], "strange") == 0 && n == 2)
        tell_strange(strtoull(word[1], NULL, 16));
    else if (strcmp(word[0], "down") == 0)
        (void)mosquitto_disconnect(hub.mosq);
    else if (strcmp(word[0], "up") == 0)
        (void)mosquitto_reconnect(hub.mosq);
    else
        fprintf(stderr, "not understood: %.60s\n", line);
}

/* Reads whole lines as they come; false at the end of input. */
static bool read_commands(void)
{
    static char text[262144];
    static size_t len;
    ssize_t n = read(STDIN_FILENO, text + len, sizeof(text) - 1 - len);
    if (n <= 0)
        return false;
    len += (size_t)n;
    text[len] = 0;
    char *line = text, *end;
    while ((end = strchr(line, '\n'))) {
        *end = 0;
        obey(line);
        line = end + 1;
    }
    len = (size_t)(text + len - line);
    memmove(text, line, len);
    return true;
}

static void run(void)
{
    bool asked_down = false;
    for (;;) {
        int fd = mosquitto_socket(hub.mosq);
        struct pollfd fds[2] = {{STDIN_FILENO, POLLIN, 0}, {fd, POLLIN, 0}};
        if (fd >= 0 && mosquitto_want_write(hub.mosq))
            fds[1].events |= POLLOUT;
        (void)poll(fds, fd >= 0 ? 2 : 1, 50);
        if ((fds[0].revents & (POLLIN | POLLHUP)) && !read_commands())
            return;
        int rc = MOSQ_ERR_SUCCESS;
        if (fd >= 0 && fds[1].revents & POLLIN)
            rc = mosquitto_loop_read(hub.mosq, 1);
        if (rc == MOSQ_ERR_SUCCESS && fd >= 0 && fds[1].revents & POLLOUT)
            rc = mosquitto_loop_write(hub.mosq, 1);
        if (rc == MOSQ_ERR_SUCCESS)
            rc = mosquitto_loop_misc(hub.mosq);
        if (hub.is_up && mosquitto_socket(hub.mosq) < 0) {
            hub.is_up = false;
            asked_down = rc == MOSQ_ERR_SUCCESS || rc == MOSQ_ERR_NO_CONN;
            printf("{\"event\":\"down\"}\n");
            (void)fflush(stdout);
        }
        if (!hub.is_up && !asked_down && mosquitto_socket(hub.mosq) < 0)
            (void)mosquitto_reconnect(hub.mosq);
    }
}

int main(int argc, char **argv)
{
    char id[17], name[40], pairing[65];
    if (argc < 6) {
        fprintf(stderr, "usage: fake_hub BROKER_PORT KEY_FILE PAIRING_CODE ZONE DOOR...\n");
        return 2;
    }
    dw_os_init("fake-hub");
    DW_ASSERT(!dw_failed(dw_crypto_init()));
    if (access(argv[2], F_OK) == 0)
        DW_ASSERT(!dw_failed(dw_secret_load(argv[2], &hub.secret)));
    else
        DW_ASSERT(!dw_failed(dw_secret_create(argv[2], &hub.secret)));
    dw_secret_new(&hub.owner);
    DW_ASSERT(!dw_failed(dw_pairing_read(dw_view_of(argv[3], strlen(argv[3])), &hub.pairing)));
    memcpy(hub.enrol.hub_pub, hub.secret.key.pub, sizeof(hub.enrol.hub_pub));
    dw_random(hub.enrol.nonce, sizeof(hub.enrol.nonce));
    dw_pairing_name(&hub.pairing, hub.enrol.pairing);
    dw_pairing_hub_proof(&hub.pairing, hub.enrol.hub_pub, hub.enrol.nonce, hub.enrol.proof);
    (void)snprintf(hub.enrol.zone, sizeof(hub.enrol.zone), "%s", argv[4]);
    for (int i = 5; i < argc && i < 9; i++)
        (void)snprintf(hub.enrol.door[hub.enrol.door_count++], DW_NAME_MAX, "%s", argv[i]);
    dw_hex(hub.secret.key.thumb, 8, id);
    (void)snprintf(hub.topic_in, sizeof(hub.topic_in), "doorward/v1/%s/in", id);
    (void)snprintf(hub.topic_out, sizeof(hub.topic_out), "doorward/v1/%s/out", id);
    (void)snprintf(name, sizeof(name), "fake-hub-%s", id);
    dw_hex(hub.enrol.pairing, 32, pairing);
    printf("{\"event\":\"hub\",\"id\":\"%s\",\"pairing\":\"%s\"}\n", id, pairing);
    (void)mosquitto_lib_init();
    hub.mosq = mosquitto_new(name, false, NULL);
    DW_ASSERT(hub.mosq);
    (void)mosquitto_int_option(hub.mosq, MOSQ_OPT_TCP_NODELAY, 1);
    mosquitto_message_callback_set(hub.mosq, on_message);
    mosquitto_connect_callback_set(hub.mosq, on_connect);
    mosquitto_subscribe_callback_set(hub.mosq, on_subscribe);
    if (mosquitto_connect(hub.mosq, "127.0.0.1", (int)strtol(argv[1], NULL, 10), 30) !=
        MOSQ_ERR_SUCCESS)
        return 1;
    run();
    mosquitto_destroy(hub.mosq);
    (void)mosquitto_lib_cleanup();
    return 0;
}
