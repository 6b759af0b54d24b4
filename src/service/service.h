/* service/service.h - what the parts of the service share: settings, the one struct, its start.
 *
 * The main thread owns the loop, the sockets, the link to the broker and the zone of `civil.h`; the
 * writer thread of `store.h` owns the database. Handlers run in one or the other, never in both.
 */
#ifndef DW_SERVICE_SERVICE_H
#define DW_SERVICE_SERVICE_H

#include <uv.h>

#include "crypto/crypto.h"
#include "os/tries.h"
#include "service/store.h"

struct dw_service_settings {
    char listen[64];
    char port_file[256];
    char database[256];
    char key_file[256];
    char admin_token_file[256];
    char broker[64];
    char broker_login_file[256];
    bool behind_proxy;
    char origin[256];
    char tls_cert[256], tls_key[256];
    uint32_t connections_max;
    uint32_t database_mib_max;
    uint32_t hub_answer_ms;
    uint32_t location_m_max;
    uint32_t window_days_max;
    uint32_t session_idle_s, session_max_s, session_rotate_s, session_fresh_s;
    uint32_t invitation_hours;
    uint32_t story_days;
};

/* Counts for the health page and tests. Main thread only. */
struct dw_service_counts {
    uint64_t requests, messages, messages_dropped, messages_unsent, hellos, hellos_again;
};

/* How far jobs/send.c has come with sending everything again. */
struct dw_sweep {
    bool is_on, is_busy, must_restart;
    uint64_t again_at; /* uv_now; once more, for hubs that came back later than we did; 0: no */
    int64_t exp_s;
    uint8_t id[16];
};

struct dw_http;
struct dw_link;
struct dw_waiting;

struct dw_service {
    struct dw_service_settings set;
    struct dw_service_counts count;
    uv_loop_t *loop;
    struct dw_store *store;
    struct dw_http *http;
    struct dw_link *link;
    struct dw_waiting *waiting; /* visits that wait for their hub, requests that wait for a visit */
    struct dw_secret key;
    char rp_id[256]; /* host of `origin`; "": nobody can sign in */
    uint8_t admin_hash[DW_HASH_BYTES];
    struct dw_sweep sweep;
    struct dw_tries tries;   /* of who shows signatures and invitations [I45]; main thread only */
    _Atomic bool is_link_up; /* read by both threads */
};

/* Wall clock, Unix milliseconds. */
int64_t dw_service_now_ms(void);

/* Performs what a piece of work left to do after its commit: messages to hubs, news to those who
 * wait. Main thread. */
void dw_service_after(struct dw_work *w);

/* Signs `payload` for the hub and puts it among the work's posts. */
void dw_post(struct dw_work *w, const uint8_t hub[DW_THUMB_BYTES], uint8_t kind,
             struct dw_view payload);

/* ... what somebody else signed: an agency. */
void dw_post_signed(struct dw_work *w, const uint8_t hub[DW_THUMB_BYTES], uint8_t kind,
                    struct dw_view object);

/* One more line of what was changed, and by whom; `object` may be NULL. In the writer. */
void dw_audit(struct dw_work *w, const char *role, const uint8_t *actor, const char *route,
              const uint8_t object[16]);

/* Tokens: "dw" and 64 hexadecimal digits. Derived from the service's key, so that an answer can be
 * repeated without keeping the token; the database holds the SHA-256 of the token only. */
#define DW_TOKEN_TEXT 67u
void dw_token_make(struct dw_service *s, uint32_t role, const uint8_t subject[16],
                   char ret_token[DW_TOKEN_TEXT]);

#endif
