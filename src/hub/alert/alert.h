/* hub/alert/alert.h - the hub's child that tells people: Web Push and ntfy.
 *
 * It hears the guard's snapshots and story (DW_IPC_STATE, STORY, WHO, JOB), says what is proven in
 * the words of web/strings, with the time, and never sends a picture. It holds one key, with which
 * browsers know that a push is ours, and opens nothing. Everything is bounded: places, waiting
 * messages, repeats, answers of servers.
 *
 *   tell.c    what is told, and what is said again until somebody has seen it
 *   places.c  where it is told; kept over restarts
 *   send.c    handing over: libcurl on the loop, retries, what may be dialled
 *   words.c   the words
 */
#ifndef DW_HUB_ALERT_ALERT_H
#define DW_HUB_ALERT_ALERT_H

#include <curl/curl.h>
#include <uv.h>

#include "crypto/webpush.h"
#include "hub/alert/words.h"
#include "hub/ipc.h"

#define ALERT_PLACES_MAX     64u
#define ALERT_PLACES_EACH    8u   /* of one member */
#define ALERT_DELIVERIES_MAX 256u /* messages on their way or waiting, all places together */
#define ALERT_TRIES_MAX      12u
#define ALERT_VISITS_MAX     8u  /* names and times of the newest visits */
#define ALERT_JOBS_MAX       64u /* of the newest that were told */
#define ALERT_REPEATS_MAX    10u /* how often an alarm that nobody has seen is said again */
#define ALERT_WHO_MAX        (2 * DW_NAME_MAX + 4)
#define ALERT_TICK_MS        100u /* the guard takes 20 results a second from us, and no more */
#define ALERT_OWN_MAX        4u   /* servers of our own */

struct alert_conf {
    char state[256], house_state[200];
    char origin[256], house_origin[256];
    char subject[DW_VAPID_SUBJECT_MAX];
    char own[512];
    char ca[256];
    char zone[64], house_zone[64];
    uint32_t repeat_1_ms, repeat_2_ms, repeat_3_ms, repeat_ms;
    uint32_t retry_ms;
    uint32_t camera_wait_ms;
    uint32_t link_wait_ms;
    uint32_t reply_ms;
};

/* How much it matters. ACT is said again until seen. */
enum alert_level { ALERT_INFO = 0, ALERT_NOTICE, ALERT_ACT };

/* What must still be so for a message to go out; else it is dropped unsent. */
enum alert_truth {
    ALERT_HAPPENED = 0, /* it did, at its time; told for as long as it is news */
    ALERT_ALARM_ON,     /* `number`: enum dw_alarm */
    ALERT_CAMERA_IS,    /* `number`: enum dw_camera_state */
    ALERT_LINK_DOWN,
    ALERT_NO_ROOM,
    ALERT_JOB_WAITS, /* `tag`: of a job that wants a yes, or may still be declined */
};

/* One message in all languages, shared by its deliveries. */
struct alert_message {
    uint32_t refs;
    enum alert_level level;
    enum alert_truth truth;
    uint32_t number;
    uint32_t ttl_s;
    uint64_t seen_ms;    /* when the guard's word came in */
    uint64_t expires_ms; /* not sent after this */
    int64_t utc_ms;      /* when it happened; 0: not known for sure */
    char tag[32];        /* a later message with this tag takes its place */
    char url[64];
    char title[WORDS_LANGUAGES][192];
    char body[WORDS_LANGUAGES][512];
};

struct alert_place {
    uint32_t member; /* 0: free */
    uint8_t channel, lang;
    bool is_own; /* at a server of our own (alert.own) */
    int64_t added_s;
    char endpoint[512];
    struct dw_push_to to;
    bool is_busy[2]; /* one on its way at a time; ACT has a lane of its own */
    bool has_done;   /* `done` waits to be told to the guard */
    struct dw_ipc_alert_done done;
};

struct alert_delivery {
    struct alert_message *message; /* NULL: free */
    uint64_t order;
    uint32_t place;
    uint32_t tries;
    uint64_t next_ms;
    CURL *easy; /* NULL: waits */
    struct curl_slist *headers;
    uint8_t *body;
    size_t got; /* bytes of the answer */
};

struct alert_visit {
    uint64_t visit; /* 0: free */
    uint64_t heard; /* order */
    uint64_t opened_ms, secured_ms;
    char who[ALERT_WHO_MAX];
    bool is_owner;
};

struct alert_job {
    char tag[32]; /* "": free */
    bool is_waiting;
};

struct alert {
    struct alert_conf conf;
    uv_loop_t loop;
    uv_poll_t guard;
    uv_timer_t tick, curl_timer;
    bool is_ending;
    struct dw_p256 vapid;
    uint64_t started_ms;

    /* places.c */
    struct alert_place place[ALERT_PLACES_MAX];
    char own[ALERT_OWN_MAX][256]; /* origins */

    /* send.c */
    CURLM *multi;
    struct alert_delivery delivery[ALERT_DELIVERIES_MAX];
    uint64_t order;
    struct dw_ipc_alert_done refused[ALERT_PLACES_MAX]; /* of places that are gone; to be told */
    uint32_t refused_first, refused_count;
    uint64_t dropped;

    /* tell.c */
    struct dw_ipc_state state;
    bool has_state;
    uint32_t alarms;      /* told as on */
    uint32_t seen_alarms; /* somebody has seen these */
    uint64_t alarm_told_ms[32];
    int64_t alarm_utc_ms[32];
    uint64_t alarm_visit[32];
    uint32_t repeats;
    uint64_t repeat_at_ms; /* 0: nothing is said again */
    uint8_t camera_told;   /* enum dw_camera_state that was told; 0: none */
    uint8_t camera_since;  /* state that began at camera_since_ms */
    uint64_t camera_since_ms;
    int64_t camera_since_utc_ms;
    bool was_link_up, is_link_told, is_room_told;
    uint64_t link_lost_ms;
    int64_t link_lost_utc_ms;
    uint8_t battery_told; /* percent at which it was told; 255: not */
    uint64_t budget_ms;   /* messages of the lower levels: a bucket */
    struct alert_visit visit[ALERT_VISITS_MAX];
    uint64_t visits_heard;
    struct alert_job job[ALERT_JOBS_MAX];
    uint32_t next_job;
};

/* main.c: ends the loop; the guard starts a new one. */
void alert_end(struct alert *a, const char *why);

/* places.c */
DW_MUST_USE dw_err places_start(struct alert *a, char *why, size_t why_cap);
void places_on_set(struct alert *a, const struct dw_ipc_alert_set *m);
/* The server said that it is gone for good. */
void places_drop(struct alert *a, struct alert_place *p);
/* Scheme, host and port of an endpoint, as VAPID names the audience. False: not an address that may
 * be dialled (docs/design/alerts.md): https on 443 without a password, or a server of our own. */
DW_MUST_USE bool places_origin(const struct alert *a, const char *endpoint, char *ret_origin,
                               size_t cap, bool *ret_is_own);

/* tell.c */
void tell_start(struct alert *a);
void tell_on_state(struct alert *a, const struct dw_ipc_state *s);
void tell_on_story(struct alert *a, const struct dw_ipc_story *s);
void tell_on_job(struct alert *a, const struct dw_ipc_job *j);
void tell_on_who(struct alert *a, const struct dw_ipc_who *w);
void tell_seen(struct alert *a);
void tell_test(struct alert *a, uint32_t member);
void tell_tick(struct alert *a, uint64_t now_ms);
/* Whether the message may still be said at `now_ms`. */
DW_MUST_USE bool tell_is_true(const struct alert *a, const struct alert_message *m,
                              uint64_t now_ms);

/* send.c */
DW_MUST_USE dw_err send_start(struct alert *a);
/* To every place (member 0) or to those of one member. The message is borrowed. */
void send_message(struct alert *a, struct alert_message *m, uint32_t member);
/* A place that was not taken, or has gone: the front drops it from its list. */
void send_refused(struct alert *a, const struct dw_ipc_alert_done *done);
void send_forget_place(struct alert *a, uint32_t place);
void send_tick(struct alert *a, uint64_t now_ms);
/* May this address be dialled for a place that is not at our own servers? Only public ones. */
DW_MUST_USE bool send_is_public(const struct sockaddr *address);

#endif
