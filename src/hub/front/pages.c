#include <string.h>

#include "crypto/crypto.h"
#include "hub/front/api.h"
#include "os/os.h"

/* A page says a nonce a second and, rarely, a button: more than this in one second is not a page.
 */
#define QUOTA_A_SECOND 20u
/* Silent for this long: the tab sleeps or the network is gone. It dials again when it wakes. */
#define SILENT_MS       15000u
#define CLOSE_TRY_LATER 1013u /* IANA's list; libwebsockets does not name it */

/* The viewer log hears of somebody who goes on looking this often. */
#define LOOK_MS 15000u
#define TIDY_MS 60000u

/* Room that libwebsockets keeps for each connection. */
struct session {
    struct dw_page *page; /* NULL: refused, waits to be told why */
    bool is_told, is_ended;
};

static struct dw_front *front_of(struct lws *wsi)
{
    return lws_context_user(lws_get_context(wsi));
}

uint32_t dw_front_pages_count(const struct dw_front *f)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < DW_VIEWERS_MAX; i++)
        n += f->page[i].wsi != NULL;
    return n;
}

/* ---- queue ---- */

static struct dw_note **slot_of(struct dw_page *p, uint32_t i)
{
    return &p->queue[(p->first + i) % DW_FRONT_NOTES_MAX];
}

static void pop(struct dw_page *p)
{
    struct dw_note **n = slot_of(p, 0);
    p->queued_bytes -= (*n)->len;
    dw_note_drop(*n);
    *n = NULL;
    p->first = (p->first + 1) % DW_FRONT_NOTES_MAX;
    p->count--;
}

static void clear(struct dw_page *p)
{
    while (p->count > 0)
        pop(p);
}

/* Takes all frames that were not sent out of the queue; the words stay in order. */
static void drop_frames(struct dw_page *p)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        struct dw_note *n = *slot_of(p, i);
        if (n->is_frame) {
            p->queued_bytes -= n->len;
            dw_note_drop(n);
        } else {
            *slot_of(p, kept++) = n;
        }
    }
    for (uint32_t i = kept; i < p->count; i++)
        *slot_of(p, i) = NULL;
    p->count = kept;
}

static void close_page(struct dw_page *p, uint16_t code, const char *why)
{
    if (p->close_code)
        return;
    p->close_code = code;
    snprintf(p->close_why, sizeof(p->close_why), "%s", why);
    clear(p);
    /* A peer that does not read is not waited for. */
    lws_set_timeout(p->wsi, PENDING_TIMEOUT_CLOSE_SEND, 3);
    lws_callback_on_writable(p->wsi);
}

/* What the viewer log does not have yet: until when this page was sent pictures. */
static void close_look(struct dw_front *f, struct dw_page *p, uint64_t now)
{
    if (p->looked_ms)
        dw_book_view(f->book, p->member, DW_VIEW_LIVE, p->looked_visit, now - p->pictured_ms);
}

/* A picture goes to this page: into the viewer log. */
static void note_look(struct dw_front *f, struct dw_page *p)
{
    uint64_t now = dw_now().ms;
    bool is_same = p->looked_ms && p->looked_visit == f->visit && now - p->pictured_ms < LOOK_MS;
    if (!p->member || (is_same && now - p->looked_ms < LOOK_MS)) {
        p->pictured_ms = now;
        return;
    }
    if (!is_same)
        close_look(f, p, now);
    p->looked_ms = p->pictured_ms = now;
    p->looked_visit = f->visit;
    dw_book_view(f->book, p->member, DW_VIEW_LIVE, f->visit, 0);
}

void dw_front_pages_looks(struct dw_front *f)
{
    uint64_t now = dw_now().ms;
    for (uint32_t i = 0; i < DW_VIEWERS_MAX; i++) {
        if (f->page[i].wsi)
            close_look(f, &f->page[i], now);
    }
}

void dw_front_page_push(struct dw_front *f, struct dw_page *p, struct dw_note *n)
{
    if (!p->wsi || p->close_code)
        return;
    if (n->is_frame) {
        if (p->is_without_pictures)
            return;
        bool is_full = (p->queued_bytes > 0 && p->queued_bytes + n->len > DW_FRONT_QUEUE_MAX) ||
                       p->count >= DW_FRONT_NOTES_MAX / 2;
        if (is_full) {
            drop_frames(p);
            p->needs_key = true;
        }
        if (p->needs_key && !n->is_key)
            return;
        p->needs_key = false;
        note_look(f, p);
    }
    if (n->is_state) { /* only the newest is worth sending */
        for (uint32_t i = 0; i < p->count; i++) {
            struct dw_note **old = slot_of(p, i);
            if ((*old)->is_state) {
                p->queued_bytes = p->queued_bytes - (*old)->len + n->len;
                dw_note_drop(*old);
                *old = dw_note_keep(n);
                return;
            }
        }
    }
    if (p->count == DW_FRONT_NOTES_MAX) {
        close_page(p, LWS_CLOSE_STATUS_POLICY_VIOLATION, "too slow");
        return;
    }
    *slot_of(p, p->count++) = dw_note_keep(n);
    p->queued_bytes += n->len;
    lws_callback_on_writable(p->wsi);
}

void dw_front_pages_push(struct dw_front *f, struct dw_note *n)
{
    for (uint32_t i = 0; i < DW_VIEWERS_MAX; i++)
        dw_front_page_push(f, &f->page[i], n);
}

static int send_note(struct lws *wsi, struct dw_note *n)
{
    int sent =
        lws_write(wsi, n->bytes + LWS_PRE, n->len, n->is_text ? LWS_WRITE_TEXT : LWS_WRITE_BINARY);
    return sent < (int)n->len ? -1 : 0;
}

/* Sends a close frame that says why and waits for the other side's answer; the time for that is
 * set. Returning -1 after lws_close_reason would be the documented way, but under libuv lws 4.1.6
 * then cuts the connection before the frame is out. So the frame is made here [RFC 6455 5.5.1]. */
static int end_socket(struct lws *wsi, uint16_t code, const char *why)
{
    uint8_t room[LWS_PRE + 4 + 100];
    uint8_t *p = room + LWS_PRE;
    size_t len = strlen(why) < 100 ? strlen(why) : 100;
    p[0] = 0x88;
    p[1] = (uint8_t)(len + 2);
    p[2] = (uint8_t)(code >> 8);
    p[3] = (uint8_t)code;
    memcpy(p + 4, why, len);
    return lws_write(wsi, p, len + 4, LWS_WRITE_RAW) < 0 ? -1 : 0;
}

static int on_writable(struct dw_front *f, struct lws *wsi, struct session *s)
{
    static const char full[] = "Too many screens are watching already. Close one and try again.";
    (void)f;
    if (s->is_ended)
        return 0;
    if (!s->page) {
        s->is_ended = s->is_told;
        if (s->is_told)
            return end_socket(wsi, CLOSE_TRY_LATER, "too many screens");
        s->is_told = true;
        struct dw_note *n = dw_say_refused(full);
        int rc = n ? send_note(wsi, n) : -1;
        dw_note_drop(n);
        lws_callback_on_writable(wsi);
        return rc;
    }
    struct dw_page *p = s->page;
    if (p->close_code) {
        s->is_ended = true;
        return end_socket(wsi, p->close_code, p->close_why);
    }
    for (int i = 0; i < 8 && p->count > 0; i++) {
        if (lws_partial_buffered(wsi) || lws_send_pipe_choked(wsi))
            break;
        struct dw_note *n = dw_note_keep(*slot_of(p, 0));
        pop(p);
        int rc = send_note(wsi, n);
        dw_note_drop(n);
        if (rc != 0)
            return -1;
    }
    if (p->count > 0)
        lws_callback_on_writable(wsi);
    return 0;
}

/* ---- what a page says ---- */

static const char *text_of(const json_t *j, const char *key)
{
    return json_string_value(json_object_get(j, key));
}

/* True when the message is one of ours; anything else closes the socket and changes nothing. */
static bool obey(struct dw_front *f, struct dw_page *p, const json_t *j)
{
    const char *t = text_of(j, "t");
    size_t fields = json_object_size(j);
    if (!t)
        return false;
    if (strcmp(t, "nonce") == 0) {
        uint8_t nonce[32];
        const char *n = text_of(j, "n");
        if (fields != 2 || !n || strlen(n) != 64 || dw_failed(dw_unhex(n, nonce, sizeof(nonce))))
            return false;
        p->is_asking = true;
        dw_front_guard_viewer(f, p->slot, DW_VIEWER_ASKS, nonce);
        return true;
    }
    if (strcmp(t, "saw_opening") == 0) {
        if (fields != 1)
            return false;
        dw_front_guard_viewer(f, p->slot, DW_VIEWER_SAW_OPENING, NULL);
        return true;
    }
    if (strcmp(t, "owner") == 0) {
        const char *word = text_of(j, "word");
        if (fields != 2 || !word || dw_front_owner_word(word) == DW_OWNER_NONE)
            return false;
        (void)dw_front_guard_owner(f, dw_front_owner_word(word), p->member);
        return true;
    }
    if (strcmp(t, "key") == 0) {
        if (fields != 1)
            return false;
        dw_front_guard_key_wanted(f);
        return true;
    }
    if (strcmp(t, "pictures") == 0) {
        const json_t *on = json_object_get(j, "on");
        if (fields != 2 || !json_is_boolean(on))
            return false;
        p->is_without_pictures = !json_is_true(on);
        p->needs_key = true;
        if (p->is_without_pictures)
            drop_frames(p);
        else
            dw_front_guard_key_wanted(f);
        return true;
    }
    if (strcmp(t, "drill") == 0) {
        const char *name = text_of(j, "name");
        if (fields != 2 || !name || !name[0] || strlen(name) > 32 ||
            strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(name))
            return false;
        dw_front_drill_run(f, p, name);
        return true;
    }
    return false;
}

static void on_text(struct dw_front *f, struct dw_page *p)
{
    uint64_t now = dw_now().ms;
    p->heard_ms = now;
    if (now - p->quota_at_ms >= 1000) {
        p->quota_at_ms = now;
        p->quota = 0;
    }
    if (++p->quota > QUOTA_A_SECOND) {
        close_page(p, LWS_CLOSE_STATUS_POLICY_VIOLATION, "too many messages");
        return;
    }
    json_t *j = json_loadb(p->text, p->text_len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(j) || !obey(f, p, j))
        close_page(p, LWS_CLOSE_STATUS_UNACCEPTABLE_OPCODE, "message not known");
    json_decref(j);
}

static void on_receive(struct dw_front *f, struct lws *wsi, struct dw_page *p, const void *in,
                       size_t len)
{
    if (p->close_code)
        return;
    if (lws_frame_is_binary(wsi)) {
        close_page(p, LWS_CLOSE_STATUS_UNACCEPTABLE_OPCODE, "text only");
        return;
    }
    if (len > sizeof(p->text) - p->text_len ||
        lws_remaining_packet_payload(wsi) > sizeof(p->text)) {
        close_page(p, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, "message too large");
        return;
    }
    memcpy(p->text + p->text_len, in, len);
    p->text_len += (uint32_t)len;
    if (!lws_is_final_fragment(wsi) || lws_remaining_packet_payload(wsi) > 0)
        return;
    on_text(f, p);
    p->text_len = 0;
}

/* ---- coming and going ---- */

static void on_open(struct dw_front *f, struct lws *wsi, struct session *s)
{
    *s = (struct session){0};
    struct dw_page *p = NULL;
    for (uint32_t i = 0; i < DW_VIEWERS_MAX && !p; i++) {
        if (!f->page[i].wsi)
            p = &f->page[i];
    }
    if (!p) {
        dw_log("warn", "pages_full", "max=%u", DW_VIEWERS_MAX);
        lws_set_timeout(wsi, PENDING_TIMEOUT_CLOSE_SEND, 3);
        lws_callback_on_writable(wsi);
        return;
    }
    uint32_t slot = (uint32_t)(p - f->page);
    memset(p, 0, sizeof(*p));
    p->wsi = wsi;
    p->slot = slot;
    p->needs_key = true;
    p->heard_ms = dw_now().ms;
    s->page = p;
    struct dw_session_row row;
    if (dw_front_session(f, wsi, &row) && !dw_front_is_guest(f, row.member)) {
        p->session = row.id;
        p->member = row.member;
    } else { /* it ended between handshake and now */
        close_page(p, DW_CLOSE_SIGNED_OUT, "signed out");
        return;
    }

    struct dw_note *hello = dw_say_hello(f);
    if (hello)
        dw_front_page_push(f, p, hello);
    dw_note_drop(hello);
    if (f->state)
        dw_front_page_push(f, p, f->state);
    uint64_t n = f->story_count < DW_FRONT_STORY_MAX ? f->story_count : DW_FRONT_STORY_MAX;
    for (uint64_t i = f->story_count - n; i < f->story_count; i++) {
        if (f->story[i % DW_FRONT_STORY_MAX])
            dw_front_page_push(f, p, f->story[i % DW_FRONT_STORY_MAX]);
    }
}

static void on_closed(struct dw_front *f, struct session *s)
{
    struct dw_page *p = s->page;
    if (!p)
        return;
    s->page = NULL;
    clear(p);
    close_look(f, p, dw_now().ms);
    p->wsi = NULL;
    if (!f->is_ending)
        dw_front_guard_viewer(f, p->slot, DW_VIEWER_GONE, NULL);
}

static int on_filter(struct dw_front *f, struct lws *wsi)
{
    char host[160] = "", origin[200] = "", path[64] = "";
    if (lws_hdr_copy(wsi, path, sizeof(path), WSI_TOKEN_GET_URI) <= 0 ||
        strcmp(path, "/watch") != 0)
        return -1;
    if (lws_hdr_copy(wsi, host, sizeof(host), WSI_TOKEN_HOST) <= 0 || !dw_front_is_host_ok(f, host))
        return -1;
    if (lws_hdr_copy(wsi, origin, sizeof(origin), WSI_TOKEN_ORIGIN) <= 0 ||
        !dw_front_is_origin_ok(f, origin, host)) {
        dw_log("warn", "origin_refused", "path=/watch");
        return -1;
    }
    struct dw_session_row row;
    if (!dw_front_session(f, wsi, &row)) {
        (void)dw_front_refuse_handshake(wsi, false);
        return -1;
    }
    if (dw_front_is_guest(f, row.member)) {
        (void)dw_front_refuse_handshake(wsi, true);
        return -1;
    }
    return 0;
}

int dw_front_watch_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                            size_t len)
{
    struct session *s = user;
    struct dw_front *f = front_of(wsi);
    /* libwebsockets has many more reasons than we care for. */
    if (reason == LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION)
        return on_filter(f, wsi);
    if (reason == LWS_CALLBACK_ESTABLISHED)
        on_open(f, wsi, s);
    else if (reason == LWS_CALLBACK_SERVER_WRITEABLE)
        return on_writable(f, wsi, s);
    else if (reason == LWS_CALLBACK_RECEIVE && s->page)
        on_receive(f, wsi, s->page, in, len);
    else if (reason == LWS_CALLBACK_CLOSED)
        on_closed(f, s);
    return 0;
}

void dw_front_pages_check(struct dw_front *f)
{
    for (uint32_t i = 0; i < DW_VIEWERS_MAX; i++) {
        struct dw_page *p = &f->page[i];
        if (p->wsi && p->session &&
            (!dw_front_member(f, p->member) || dw_front_is_guest(f, p->member) ||
             !dw_book_session_is_open(f->book, p->session, p->member)))
            close_page(p, DW_CLOSE_SIGNED_OUT, "signed out");
    }
}

void dw_front_pages_tick(struct dw_front *f, uint64_t now_ms)
{
    for (uint32_t i = 0; i < DW_VIEWERS_MAX; i++) {
        struct dw_page *p = &f->page[i];
        if (p->wsi && !p->close_code && now_ms - p->heard_ms > SILENT_MS)
            close_page(p, LWS_CLOSE_STATUS_GOINGAWAY, "not heard");
        /* What is no longer shown is no longer looked at. */
        if (p->wsi && p->looked_ms && now_ms - p->pictured_ms > LOOK_MS) {
            close_look(f, p, now_ms);
            p->looked_ms = 0;
        }
    }
    if (now_ms - f->tidied_ms < TIDY_MS || !f->has_people)
        return;
    f->tidied_ms = now_ms;
    for (uint32_t i = 0; i < DW_VIEWERS_MAX; i++) {
        if (f->page[i].wsi && f->page[i].session && !f->page[i].close_code)
            dw_book_session_used(f->book, f->page[i].session);
    }
    dw_book_tidy(f->book, &f->people);
    dw_front_pages_check(f);
}
