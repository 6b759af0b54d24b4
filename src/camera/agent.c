#include "camera/agent.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/signed.h"
#include "crypto/tls.h"
#include "media/h264.h"
#include "os/os.h"
#include "os/stream.h"

#define LINKS_MAX    8u    /* sockets; one of them is the hub, the others have not asked yet */
#define ASK_MAX      512u  /* bytes of a signed ask */
#define FIRST_ASK_MS 5000u /* who has not asked by then is not the hub */
#define QUEUE_UNITS  32u
#define PICTURES     64u
#define PAIRS        32u /* at two asks a second and a delay of at most 1 s, far more than are needed */
#define KEY_GAP_MS   200u /* between key frames on request */
/* Fingerprints of asks already answered in this boot, so that a recorded ask opens nothing: at two
 * asks a second nine hours of them. */
#define SEEN_ASKS 65536u

/* What was measured on a raw picture, until its access unit comes out of the encoder. */
struct picture {
    uint64_t t_exp_us;
    uint32_t still_ms;
    uint8_t luma, spread;
};

struct unit {
    uint8_t *bytes;
    size_t len;
    struct picture of;
};

/* The nonces that were in force from `since_us` on. */
struct pair {
    uint64_t since_us, t_rx_us, visit;
    uint8_t nonce[DW_NONCE_BYTES];
    uint8_t viewer[DW_VIEWERS_MAX][DW_NONCE_BYTES];
    uint32_t viewers;
};

struct link {
    struct dw_agent *agent;
    struct dw_stream *stream; /* NULL: free */
    uint64_t since_ms;
    uint64_t left_out; /* frames not sent because it does not read */
    bool is_open;      /* it is the hub's: TLS says so */
    bool has_asked, awaits_key;
};

struct dw_agent {
    struct dw_agent_settings settings;
    uint8_t thumb[DW_THUMB_BYTES]; /* of the device key */
    struct dw_secret session;
    struct dw_tls_end *tls;
    struct dw_listener *listener;
    struct link links[LINKS_MAX];
    uv_timer_t tidy;
    uv_async_t wake;

    struct pair pairs[PAIRS];
    uint64_t pair_count; /* ever */
    uint64_t *seen_asks;
    uint64_t seen_count;
    uint64_t key_wanted_ms;
    bool key_pending;

    uint8_t boot_seed[16], chain[DW_HASH_BYTES], pset_hash[DW_HASH_BYTES];
    bool has_pset;
    uint64_t seq;
    uint64_t bad_messages, refused_links;

    pthread_mutex_t lock; /* guards what follows */
    struct picture pictures[PICTURES];
    uint64_t picture_count;
    struct unit queue[QUEUE_UNITS];
    size_t queue_head, queue_len;
    bool drops_to_key;
    bool wants_key;
};

/* ---- from other threads -------------------------------------------------------------------- */

void dw_agent_picture(struct dw_agent *a, uint64_t t_exp_us, uint32_t still_ms, uint8_t luma,
                      uint8_t spread)
{
    (void)pthread_mutex_lock(&a->lock);
    a->pictures[a->picture_count++ % PICTURES] = (struct picture){t_exp_us, still_ms, luma, spread};
    (void)pthread_mutex_unlock(&a->lock);
}

static const struct picture *find_picture(const struct dw_agent *a, uint64_t t_exp_us)
{
    for (size_t i = 0; i < PICTURES; i++)
        if (a->pictures[i].t_exp_us == t_exp_us && t_exp_us != 0)
            return &a->pictures[i];
    return NULL;
}

static bool has_key(struct dw_view annexb)
{
    size_t at = 0;
    struct dw_view nal;
    while (dw_nal_next(annexb, &at, &nal))
        if (dw_nal_type(nal) == DW_NAL_IDR)
            return true;
    return false;
}

void dw_agent_unit(struct dw_agent *a, struct dw_view annexb, uint64_t t_exp_us)
{
    if (annexb.len == 0 || annexb.len > DW_CAMERA_LINK_MAX / 2)
        return;
    bool is_key = has_key(annexb);
    uint8_t *copy = malloc(annexb.len);
    (void)pthread_mutex_lock(&a->lock);
    const struct picture *of = find_picture(a, t_exp_us);
    if (is_key && a->queue_len < QUEUE_UNITS)
        a->drops_to_key = false;
    if (!copy || !of || a->drops_to_key || a->queue_len == QUEUE_UNITS) {
        a->drops_to_key = a->wants_key = true; /* later ones refer to this one */
        free(copy);
    } else {
        memcpy(copy, annexb.ptr, annexb.len);
        a->queue[(a->queue_head + a->queue_len++) % QUEUE_UNITS] =
            (struct unit){copy, annexb.len, *of};
    }
    (void)pthread_mutex_unlock(&a->lock);
    (void)uv_async_send(&a->wake);
}

/* ---- signing ------------------------------------------------------------------------------- */

static const struct pair *pair_at(const struct dw_agent *a, uint64_t t_exp_us)
{
    for (uint64_t n = 0; n < PAIRS && n < a->pair_count; n++) {
        const struct pair *p = &a->pairs[(a->pair_count - 1 - n) % PAIRS];
        if (p->since_us <= t_exp_us)
            return p;
    }
    return NULL;
}

static dw_err sign_frame(struct dw_agent *a, const struct pair *p, const struct picture *of,
                         const struct dw_au_info *au, struct dw_buf *ret_record)
{
    struct dw_frame_record r = {.boot_count = a->settings.boot_count,
                                .visit = p->visit,
                                .seq = a->seq + 1,
                                .t_rx_us = p->t_rx_us,
                                .t_exp_us = of->t_exp_us,
                                .still_ms = of->still_ms,
                                .luma = of->luma,
                                .spread = of->spread};
    dw_sha256_2(dw_view_of(p->nonce, sizeof p->nonce),
                dw_view_of(p->viewer, p->viewers * sizeof p->viewer[0]), r.echo);
    memcpy(r.boot_seed, a->boot_seed, sizeof r.boot_seed);
    memcpy(r.software, a->settings.software, sizeof r.software);
    memcpy(r.au_hash, au->au_hash, sizeof r.au_hash);
    memcpy(r.pset_hash, a->pset_hash, sizeof r.pset_hash);
    memcpy(r.chain, a->chain, sizeof r.chain);
    uint8_t payload[DW_FRAME_RECORD_MAX];
    struct dw_buf out = dw_buf_of(payload, sizeof payload);
    DW_TRY(dw_frame_record_write(&r, &out));
    DW_TRY(dw_signed_make(&a->session, DW_CONTEXT_FRAME, dw_view_of_buf(&out), ret_record));
    a->seq++;
    dw_sha256(dw_view_of_buf(ret_record), a->chain);
    return DW_OK;
}

/* ---- links --------------------------------------------------------------------------------- */

/* At most five a second: a key frame costs ten others. What comes too early waits for its turn. */
static void serve_key(struct dw_agent *a)
{
    uint64_t now_ms = dw_now().ms;
    if (!a->key_pending || now_ms - a->key_wanted_ms < KEY_GAP_MS)
        return;
    a->key_pending = false;
    a->key_wanted_ms = now_ms;
    a->settings.want_key(a->settings.ctx);
}

static void want_key(struct dw_agent *a)
{
    a->key_pending = true;
    serve_key(a);
}

static struct link *hub_link(struct dw_agent *a)
{
    for (size_t i = 0; i < LINKS_MAX; i++)
        if (a->links[i].stream && a->links[i].has_asked)
            return &a->links[i];
    return NULL;
}

/* More unsent bytes than half a second of the stream: old pictures would push out new ones. */
static size_t queue_limit(const struct dw_agent *a)
{
    size_t half_second = (size_t)a->settings.bitrate_kbit * 1000 / 8 / 2;
    return half_second < 128u * 1024u ? 128u * 1024u : half_second;
}

static void send_frame(struct dw_agent *a, const struct pair *p, struct dw_view record,
                       struct dw_view unit, bool is_key)
{
    struct link *l = hub_link(a);
    if (!l || (l->awaits_key && !is_key))
        return;
    uint8_t head[8 + DW_FRAME_RECORD_MAX + sizeof p->viewer];
    struct dw_buf out = dw_buf_of(head, sizeof head);
    struct dw_frame_parts parts = {record, dw_view_of(p->viewer, p->viewers * sizeof p->viewer[0]),
                                   unit};
    if (dw_failed(dw_frame_parts_write(&parts, &out)))
        return;
    dw_err e =
        dw_stream_queued(l->stream) > queue_limit(a)
            ? dw_fail(DW_E_BUSY)
            : dw_stream_send(l->stream, DW_CAMERA_KIND_FRAME, dw_view_of_buf(&out), unit, true);
    if (dw_failed(e)) { /* the hub does not read fast enough: begin again with a key frame */
        l->left_out++;
        if (!l->awaits_key)
            want_key(a);
        l->awaits_key = true;
    } else {
        l->awaits_key = false;
    }
}

static void one_unit(struct dw_agent *a, const struct unit *u)
{
    struct dw_view annexb = dw_view_of(u->bytes, u->len);
    struct dw_au_info au;
    const struct pair *p = pair_at(a, u->of.t_exp_us);
    if (!p || !a->settings.has_power(a->settings.ctx) || dw_failed(dw_au_inspect(annexb, &au)))
        return;
    if (au.has_pset) {
        memcpy(a->pset_hash, au.pset_hash, sizeof a->pset_hash);
        a->has_pset = true;
    }
    if (!a->has_pset || (a->seq == 0 && !au.is_key))
        return; /* nobody could decode it; the first of a boot is a key frame */
    uint8_t bytes[DW_FRAME_RECORD_MAX];
    struct dw_buf record = dw_buf_of(bytes, sizeof bytes);
    dw_err e = sign_frame(a, p, &u->of, &au, &record);
    if (dw_failed(e)) {
        dw_log("error", "frame", "signed=no why=%s", dw_err_name(e));
        return;
    }
    send_frame(a, p, dw_view_of_buf(&record), annexb, au.is_key);
}

static void on_wake(uv_async_t *wake)
{
    struct dw_agent *a = wake->data;
    for (unsigned n = 0; n < QUEUE_UNITS; n++) {
        struct unit u = {NULL, 0, {0}};
        (void)pthread_mutex_lock(&a->lock);
        bool wants_key = a->wants_key;
        a->wants_key = false;
        if (a->queue_len > 0) {
            u = a->queue[a->queue_head];
            a->queue_head = (a->queue_head + 1) % QUEUE_UNITS;
            a->queue_len--;
        }
        (void)pthread_mutex_unlock(&a->lock);
        if (wants_key)
            want_key(a);
        serve_key(a);
        if (!u.bytes)
            return;
        one_unit(a, &u);
        free(u.bytes);
    }
    (void)uv_async_send(&a->wake); /* more came in meanwhile: next turn */
}

/* True the first time in this boot. */
static bool is_new_ask(struct dw_agent *a, const uint8_t nonce[DW_NONCE_BYTES])
{
    uint64_t print;
    memcpy(&print, nonce, sizeof print);
    uint64_t known = a->seen_count < SEEN_ASKS ? a->seen_count : SEEN_ASKS;
    for (uint64_t i = 0; i < known; i++)
        if (a->seen_asks[i] == print)
            return false;
    a->seen_asks[a->seen_count++ % SEEN_ASKS] = print;
    return true;
}

static struct pair *next_pair(struct dw_agent *a)
{
    struct pair *p = &a->pairs[a->pair_count % PAIRS];
    if (a->pair_count > 0)
        *p = a->pairs[(a->pair_count - 1) % PAIRS];
    a->pair_count++;
    p->since_us = dw_now_us();
    return p;
}

static bool send_hello(struct link *l, const struct dw_camera_ask *ask)
{
    struct dw_agent *a = l->agent;
    struct dw_camera_hello hello = {.boot_count = a->settings.boot_count,
                                    .width_px = a->settings.width_px,
                                    .height_px = a->settings.height_px,
                                    .fps = a->settings.fps,
                                    .camera_class = a->settings.camera_class};
    memcpy(hello.nonce, ask->nonce, sizeof hello.nonce);
    memcpy(hello.boot_seed, a->boot_seed, sizeof hello.boot_seed);
    memcpy(hello.software, a->settings.software, sizeof hello.software);
    uint8_t payload[256], bytes[512];
    struct dw_buf in = dw_buf_of(payload, sizeof payload), out = dw_buf_of(bytes, sizeof bytes);
    return !dw_failed(dw_camera_hello_write(&hello, &in)) &&
           !dw_failed(
               dw_signed_make(&a->session, DW_CONTEXT_CAMERA_HELLO, dw_view_of_buf(&in), &out)) &&
           !dw_failed(dw_stream_send(l->stream, DW_CAMERA_KIND_HELLO, dw_view_of_buf(&out),
                                     dw_view_of(NULL, 0), false));
}

/* NULL: fine; else why the link closes. */
static const char *take_ask(struct link *l, struct dw_view body)
{
    struct dw_agent *a = l->agent;
    struct dw_view payload;
    struct dw_camera_ask ask;
    if (body.len > ASK_MAX)
        return "ask too large";
    if (dw_failed(dw_signed_open(a->settings.hub, DW_CONTEXT_CAMERA_ASK, body, &payload)) ||
        dw_failed(dw_camera_ask_read(payload, &ask)))
        return "ask not of the enrolled hub";
    if (!is_new_ask(a, ask.nonce))
        return NULL; /* an old one again: it asks nothing, and answers nothing either */
    bool is_first = !l->has_asked;
    if (is_first) {
        struct link *old = hub_link(a);
        if (old) /* the hub has dialled again: the newest link is the hub's */
            dw_stream_close(old->stream, "a newer link of the hub");
        if (old)
            old->has_asked = false;
        l->has_asked = l->awaits_key = true;
    }
    struct pair *p = next_pair(a);
    p->t_rx_us = p->since_us;
    p->visit = ask.visit;
    memcpy(p->nonce, ask.nonce, sizeof p->nonce);
    if (is_first)
        p->viewers = 0;
    if (is_first && !send_hello(l, &ask))
        return "hello could not be sent";
    dw_trace("ask visit=%llu first=%d key=%d", (unsigned long long)ask.visit, is_first,
             ask.want_key_frame);
    if (is_first || ask.want_key_frame)
        want_key(a);
    return NULL;
}

static const char *take_viewers(struct link *l, struct dw_view body)
{
    if (!l->has_asked)
        return "viewers before an ask";
    if (body.len % DW_NONCE_BYTES != 0 || body.len > DW_VIEWERS_MAX * DW_NONCE_BYTES)
        return "viewers of a wrong length";
    struct pair *p = next_pair(l->agent);
    p->viewers = (uint32_t)(body.len / DW_NONCE_BYTES);
    if (body.len > 0)
        memcpy(p->viewer, body.ptr, body.len);
    return NULL;
}

static void on_message(void *ctx, struct dw_stream *s, uint8_t kind, struct dw_view body)
{
    struct link *l = ctx;
    struct dw_agent *a = l->agent;
    if (!a->settings.has_power(a->settings.ctx))
        return; /* unplugged: hears nothing */
    const char *why = "unknown kind of message";
    if (kind == DW_CAMERA_KIND_ASK)
        why = take_ask(l, body);
    else if (kind == DW_CAMERA_KIND_VIEWERS)
        why = take_viewers(l, body);
    if (why) {
        a->bad_messages++;
        dw_stream_close(s, why);
    }
}

static void on_closed(void *ctx, struct dw_stream *s, const char *why)
{
    struct link *l = ctx;
    (void)s;
    dw_log("info", "link", "state=closed why=\"%s\" was_hub=%s left_out=%llu bad_messages=%llu",
           why, l->has_asked ? "yes" : "no", (unsigned long long)l->left_out,
           (unsigned long long)l->agent->bad_messages);
    *l = (struct link){.agent = l->agent};
}

static void on_open(void *ctx, struct dw_stream *s)
{
    struct link *l = ctx;
    (void)s;
    l->is_open = true;
}

static const struct dw_stream_events link_events = {on_message, on_closed, on_open};

static bool on_accepted(void *ctx, struct dw_stream *s, const struct dw_stream_events **ret_ev,
                        void **ret_ctx)
{
    struct dw_agent *a = ctx;
    struct link *free_link = NULL, *oldest = NULL;
    for (size_t i = 0; i < LINKS_MAX; i++) {
        struct link *l = &a->links[i];
        if (!l->stream)
            free_link = l;
        else if (!l->has_asked &&
                 (!oldest || l->is_open < oldest->is_open ||
                  (l->is_open == oldest->is_open && l->since_ms < oldest->since_ms)))
            oldest = l; /* one that has shown no key, before one that has */
    }
    if (!free_link) { /* strangers make room: the one that says nothing for longest goes */
        a->refused_links++;
        if (oldest)
            dw_stream_close(oldest->stream, "others wait");
        return false;
    }
    *free_link = (struct link){.agent = a, .stream = s, .since_ms = dw_now().ms};
    *ret_ev = &link_events;
    *ret_ctx = free_link;
    return true;
}

static void on_tidy(uv_timer_t *timer)
{
    struct dw_agent *a = timer->data;
    uint64_t now_ms = dw_now().ms;
    for (size_t i = 0; i < LINKS_MAX; i++)
        if (a->links[i].stream && !a->links[i].has_asked &&
            now_ms - a->links[i].since_ms > FIRST_ASK_MS)
            dw_stream_close(a->links[i].stream, "no ask in time");
}

/* ---- life ---------------------------------------------------------------------------------- */

/* Is it a process of our hub, that dials this camera? */
static bool is_hub(void *ctx, const uint8_t pub[DW_KEY_BYTES], struct dw_view proof)
{
    struct dw_agent *a = ctx;
    struct dw_view payload;
    struct dw_hub_link said;
    return !dw_failed(dw_signed_open(a->settings.hub, DW_CONTEXT_HUB_LINK, proof, &payload)) &&
           !dw_failed(dw_hub_link_read(payload, &said)) &&
           dw_same(said.camera, a->thumb, sizeof a->thumb) && dw_same(said.pub, pub, DW_KEY_BYTES);
}

static dw_err make_session(struct dw_agent *a)
{
    struct dw_camera_session session = {.boot_count = a->settings.boot_count};
    uint8_t payload[128], bytes[DW_SESSION_BYTES_MAX];
    struct dw_buf in = dw_buf_of(payload, sizeof payload), out = dw_buf_of(bytes, sizeof bytes);
    memcpy(a->thumb, a->settings.secret->key.thumb, sizeof a->thumb);
    dw_random(a->boot_seed, sizeof a->boot_seed);
    dw_sha256(dw_view_of(a->boot_seed, sizeof a->boot_seed), a->chain);
    dw_secret_new(&a->session);
    memcpy(session.boot_seed, a->boot_seed, sizeof session.boot_seed);
    memcpy(session.pub, a->session.key.pub, sizeof session.pub);
    DW_TRY(dw_camera_session_write(&session, &in));
    DW_TRY(
        dw_signed_make(a->settings.secret, DW_CONTEXT_CAMERA_SESSION, dw_view_of_buf(&in), &out));
    a->settings.secret = NULL;
    struct dw_tls_conf tls = {.secret = &a->session,
                              .proof = dw_view_of_buf(&out),
                              .alpn = DW_CAMERA_ALPN,
                              .check = is_hub,
                              .ctx = a};
    DW_TRY(dw_tls_init());
    return dw_tls_end_new(&tls, &a->tls);
}

dw_err dw_agent_new(uv_loop_t *loop, const struct dw_agent_settings *settings,
                    struct dw_agent **ret_agent, uint16_t *ret_port)
{
    struct dw_agent *a = calloc(1, sizeof *a);
    if (!a)
        return dw_fail(DW_E_NO_SPACE);
    a->settings = *settings;
    a->seen_asks = calloc(SEEN_ASKS, sizeof *a->seen_asks);
    if (!a->seen_asks) {
        free(a);
        return dw_fail(DW_E_NO_SPACE);
    }
    for (size_t i = 0; i < LINKS_MAX; i++)
        a->links[i].agent = a;
    dw_err e = make_session(a);
    if (!dw_failed(e))
        e = dw_stream_listen(loop, settings->listen, DW_CAMERA_LINK_MAX, on_accepted, a,
                             &a->listener, ret_port);
    if (dw_failed(e)) {
        dw_tls_end_free(a->tls);
        free(a->seen_asks);
        free(a);
        return e;
    }
    struct dw_seal seal = dw_tls_seal(a->tls);
    dw_listener_seal(a->listener, &seal);
    (void)pthread_mutex_init(&a->lock, NULL);
    a->wake.data = a->tidy.data = a;
    DW_ASSERT(uv_async_init(loop, &a->wake, on_wake) == 0 && uv_timer_init(loop, &a->tidy) == 0 &&
              uv_timer_start(&a->tidy, on_tidy, 1000, 1000) == 0);
    *ret_agent = a;
    return DW_OK;
}

void dw_agent_close(struct dw_agent *a)
{
    dw_listener_close(a->listener);
    for (size_t i = 0; i < LINKS_MAX; i++)
        if (a->links[i].stream)
            dw_stream_close(a->links[i].stream, "the camera stops");
    uv_close((uv_handle_t *)&a->wake, NULL);
    uv_close((uv_handle_t *)&a->tidy, NULL);
}

void dw_agent_free(struct dw_agent *a)
{
    for (size_t i = 0; i < a->queue_len; i++)
        free(a->queue[(a->queue_head + i) % QUEUE_UNITS].bytes);
    (void)pthread_mutex_destroy(&a->lock);
    dw_tls_end_free(a->tls);
    dw_secret_wipe(&a->session);
    free(a->seen_asks);
    free(a);
}
