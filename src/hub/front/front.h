/* hub/front/front.h - the process of the hub that faces people and the service.
 *
 * It holds no key and decides nothing: what a page or the service says goes to the guard as one
 * fixed message, what the guard says goes out as it is. Pictures come from the camera process over
 * the live pipe and are passed on unread; the page checks them. One libuv loop carries everything.
 */
#ifndef DW_HUB_FRONT_FRONT_H
#define DW_HUB_FRONT_FRONT_H

#include <jansson.h>
#include <libwebsockets.h>
#include <mosquitto.h>
#include <uv.h>

#include "hub/front/book.h"
#include "hub/ipc.h"
#include "os/tries.h"

#define DW_FRONT_QUEUE_MAX     (2u * 1024u * 1024u) /* unsent bytes of one page */
#define DW_FRONT_NOTES_MAX     256u                 /* unsent messages of one page */
#define DW_FRONT_TEXT_MAX      1024u                /* largest message a page may send */
#define DW_FRONT_STORY_MAX     64u                  /* lines a new page is told */
#define DW_FRONT_NONCES_MAX    8u                   /* hub nonces a new page is told */
#define DW_FRONT_LINK_WAIT_MAX 64u /* messages of the service the guard has no room for yet */
#define DW_FRONT_JOBS_MAX      256u
#define DW_FRONT_PLACES_MAX    8u  /* where alerts go, a member */
#define DW_FRONT_ASKS_MAX      64u /* open questions to the guard */
#define DW_CLOSE_SIGNED_OUT    4401u

struct dw_front_conf {
    char listen[64];
    char name[128];
    char origin[160];
    char state[256];
    char tls_cert[256], tls_key[256];
    char port_file[256];
    char drill_socket[108];
    char record_folder[256];
    char broker[128];
    char hub_id[17];
    char credentials[256];
};

/* One message to pages, shared by their queues. `bytes` has LWS_PRE spare bytes in front. */
struct dw_note {
    uint32_t refs;
    uint32_t len;
    bool is_text, is_state, is_frame, is_key;
    uint8_t bytes[];
};

struct dw_page {
    struct lws *wsi; /* NULL: the slot is free */
    uint32_t slot;
    uint64_t session;
    uint32_t member;
    bool is_without_pictures; /* it said that it shows none */
    uint64_t looked_ms;       /* when the viewer log last heard of it; 0: shows nothing */
    uint64_t pictured_ms;     /* its newest picture */
    uint64_t looked_visit;
    bool needs_key;      /* frames were dropped: wait for the next key frame */
    bool is_asking;      /* its nonce went to the guard */
    uint16_t close_code; /* set: to be closed with `close_why` */
    char close_why[100];
    struct dw_note *queue[DW_FRONT_NOTES_MAX];
    uint32_t first, count;
    size_t queued_bytes;
    uint64_t heard_ms;    /* when it last said something */
    uint64_t quota_at_ms; /* begin of the second that `quota` counts */
    uint32_t quota;
    uint32_t text_len;
    char text[DW_FRONT_TEXT_MAX];
};

#define DW_FRONT_GUEST_WAITS 4u /* answers that one guest's pages may wait for at once */
struct dw_front_guest {
    struct dw_ipc_guest said; /* member 0: free */
    uint64_t news;            /* grows with each change */
    struct dw_try tries;      /* that its pages have left [I45] */
    struct {
        struct dw_front_call *call; /* NULL: free */
        uint64_t until_ms;
    } wait[DW_FRONT_GUEST_WAITS];
};

struct dw_link_wait {
    struct dw_ipc_link message;
    struct dw_link_wait *next;
};

/* A question to the guard. */
struct dw_front_ask {
    uint32_t ticket; /* 0: free */
    struct dw_front_call *call;
    void (*then)(struct dw_front_call *c, const struct dw_ipc_people_answer *a);
    uint64_t until_ms;
    bool is_stranger;
};

struct dw_front {
    struct dw_front_conf conf;
    uv_loop_t loop;
    uv_poll_t guard;
    uv_timer_t tick;
    bool is_ending;
    char origin[160]; /* of the setting, or this machine's own */
    char rp_id[128];  /* its host: what passkeys are made for */
    bool has_tls;

    struct dw_book *book;
    struct dw_ipc_people people;
    struct dw_ipc_grants grants; /* as the guard told it last */
    struct dw_ipc_expected expected;
    struct dw_front_guest guest[DW_GUESTS_MAX];
    bool has_people; /* nobody has a session before the guard has said who lives here */
    struct dw_ipc_params params;
    struct dw_ipc_job job[DW_FRONT_JOBS_MAX];
    uint32_t job_count;
    struct dw_front_ask ask[DW_FRONT_ASKS_MAX];
    uint32_t last_ticket;
    struct dw_tries tries; /* of each address [I45] */
    struct dw_try tries_all;
    uint32_t story_ticket; /* the question for old lines; 0: none is out */
    uint64_t story_until_ms, story_asked, story_heard, story_top;
    uint32_t story_lines;
    uint64_t visit; /* of the newest state */
    uint64_t key_wanted_ms, tidied_ms;

    struct lws_context *lws;
    struct lws_vhost *vhost;
    struct dw_page page[DW_VIEWERS_MAX];
    struct dw_note *state; /* newest, NULL before the first */
    struct dw_note *story[DW_FRONT_STORY_MAX];
    uint64_t story_count;
    uint8_t nonce[DW_FRONT_NONCES_MAX][32];
    uint64_t nonce_count;

    int live_fd; /* -1: no pipe yet */
    uv_poll_t *live;
    uint8_t *live_piece;
    struct dw_note *live_frame; /* being put together */
    uint64_t live_number;
    uint32_t live_have, live_total;

    struct mosquitto *mqtt;
    uv_poll_t *mqtt_poll;
    int mqtt_events;
    uv_timer_t mqtt_timer;
    bool is_link_up;
    uint32_t mqtt_backoff_ms;
    uint32_t mqtt_unacked;
    uint64_t mqtt_next_ms; /* when to dial again; 0: dialled */
    char topic_in[48], topic_out[48];
    struct dw_link_wait *wait_first, *wait_last;
    uint32_t wait_count;

    struct dw_drill *drill; /* the one that runs, or NULL */
};

/* main.c: ends the loop; the guard starts a new front. */
void dw_front_end(struct dw_front *f, const char *why);

/* guard.c: the fixed messages. */
DW_MUST_USE dw_err dw_front_guard_start(struct dw_front *f);
/* A page's nonce, acknowledgement or end. Dropped when the guard has no room: a page asks again
 * each second, and a lease that is not renewed runs out. */
void dw_front_guard_viewer(struct dw_front *f, uint32_t slot, enum dw_viewer_word word,
                           const uint8_t nonce[32]);
/* "lock_now", "end_visit", "acknowledge"; NONE: no such word. */
enum dw_owner_word dw_front_owner_word(const char *word);
/* False: the guard has no room now. */
bool dw_front_guard_owner(struct dw_front *f, enum dw_owner_word word, uint32_t member);
/* A page needs a key frame; asked for at most once a second. */
void dw_front_guard_key_wanted(struct dw_front *f);
/* Old lines of the story that the book does not have yet. */
void dw_front_guard_tick(struct dw_front *f, uint64_t now_ms);
void dw_front_guard_link_state(struct dw_front *f, bool is_up);
/* Keeps its order; at most DW_FRONT_LINK_WAIT_MAX wait. */
void dw_front_guard_link_in(struct dw_front *f, struct dw_view payload);

/* say.c: messages to pages as JSON. NULL when memory is gone. */
struct dw_note *dw_note_new(size_t len);
struct dw_note *dw_note_of_json(json_t *taken);
struct dw_note *dw_note_keep(struct dw_note *n);
void dw_note_drop(struct dw_note *n);              /* NULL is fine */
json_t *dw_say_name(const char name[DW_NAME_MAX]); /* never trusted to be UTF-8 or to end */
json_t *dw_say_hex(const void *bytes, size_t len);
const char *dw_say_grant_mode(uint8_t mode);
struct dw_note *dw_say_hello(const struct dw_front *f);
struct dw_note *dw_say_state(const struct dw_ipc_state *s);
struct dw_note *dw_say_story(const struct dw_ipc_story *s, bool is_past);
/* That agencies or grants are not as they were; the page asks for the list. */
struct dw_note *dw_say_grants(const struct dw_ipc_grants *g);
struct dw_note *dw_say_display(const struct dw_ipc_display *d);
struct dw_note *dw_say_hub_nonce(const uint8_t nonce[32]);
struct dw_note *dw_say_drill(const char *name, const char *line, bool is_over);
struct dw_note *dw_say_refused(const char *why);

/* http.c: server, headers, static files, recordings. */
DW_MUST_USE dw_err dw_front_http_start(struct dw_front *f, char *why, size_t why_cap);
/* The host of front.origin, front.name, or a name of this machine. */
bool dw_front_is_host_ok(const struct dw_front *f, const char *host);
/* Exactly front.origin; when that is not set, exactly the Host that was asked. */
bool dw_front_is_origin_ok(const struct dw_front *f, const char *origin, const char *host);
/* The session that the request of `wsi` carries. False: none that counts. */
bool dw_front_session(struct dw_front *f, struct lws *wsi, struct dw_session_row *ret_row);
/* Answers a handshake of /watch that is refused: without a session, or of a guest. */
int dw_front_refuse_handshake(struct lws *wsi, bool is_guest);

/* pages.c: the WebSocket of the watch page. */
int dw_front_watch_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                            size_t len);
/* Gives a note to one page or to all. The note is borrowed. */
void dw_front_page_push(struct dw_front *f, struct dw_page *p, struct dw_note *n);
void dw_front_pages_push(struct dw_front *f, struct dw_note *n);
void dw_front_pages_tick(struct dw_front *f, uint64_t now_ms);
uint32_t dw_front_pages_count(const struct dw_front *f);
/* Brings the viewer log up to now. */
void dw_front_pages_looks(struct dw_front *f);
/* Closes the pages whose session has ended with DW_CLOSE_SIGNED_OUT. */
void dw_front_pages_check(struct dw_front *f);

/* api.c: questions to the guard on behalf of requests. */
uint32_t dw_front_ticket(struct dw_front *f);
void dw_front_on_answer(struct dw_front *f, const struct dw_ipc_people_answer *a);
void dw_front_asks_tick(struct dw_front *f, uint64_t now_ms);
/* Every route and file with who may have it, one a line (--routes). */
void dw_front_print_routes(FILE *out);

/* guest.c: what the guard says of one guest; what somebody who waits for it is answered. */
void dw_front_on_guest(struct dw_front *f, const struct dw_ipc_guest *m);
void dw_front_guests_changed(struct dw_front *f); /* people or grants */
void dw_front_guests_tick(struct dw_front *f, uint64_t now_ms);
struct dw_front_guest *dw_front_guest_of(struct dw_front *f, uint32_t member); /* NULL: not yet */

/* live.c: takes `fd`. */
void dw_front_live_start(struct dw_front *f, int fd);

/* link.c: the MQTT session with the service. Does nothing when no broker is set. */
DW_MUST_USE dw_err dw_front_link_start(struct dw_front *f);
void dw_front_link_send(struct dw_front *f, const struct dw_ipc_link *m);
void dw_front_link_stop(struct dw_front *f);

/* drill.c: asks the demo, one at a time. */
void dw_front_drill_run(struct dw_front *f, struct dw_page *p, const char *name);

#endif
