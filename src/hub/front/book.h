/* hub/front/book.h - what the front remembers: sessions, who looked, push places, drills, history.
 *
 * One SQLite file in front.state; in memory when no folder is set, and then a restart signs
 * everybody out. Nothing in it is authority: whoever changes it can look in and press the red
 * button, but opens no door and adds nobody [hub/people.h]. History is a copy of the guard's story
 * and is filled again when it is lost. Every table is bounded. A database that fails gives empty
 * answers and no session, never a session that was not there.
 */
#ifndef DW_HUB_FRONT_BOOK_H
#define DW_HUB_FRONT_BOOK_H

#include <jansson.h>

#include "hub/ipc.h"

struct dw_book;

/* `folder` "": in memory. A damaged file is put aside (".damaged") and a new one begun.
 * DW_E_IO: cannot be opened or made; `why` says what to do. */
DW_MUST_USE dw_err dw_book_open(const char *folder, struct dw_book **ret_book, char *why,
                                size_t why_cap);
void dw_book_close(struct dw_book *b);

/* Unix milliseconds of the machine's clock: the only clock that outlives a restart. */
int64_t dw_book_now_ms(void);

/* ---- sessions ---- */

#define DW_SESSION_TOKEN_TEXT 65u /* 64 hexadecimal digits and NUL */
#define DW_SESSION_TURN_MS    (15 * INT64_C(60000))
#define DW_SESSION_GRACE_MS   INT64_C(60000)
#define DW_SESSION_IDLE_MS    (30 * INT64_C(86400000))
#define DW_SESSION_LIFE_MS    (90 * INT64_C(86400000))

struct dw_session_row {
    uint64_t id; /* 0: none */
    uint32_t member;
    char csrf[DW_SESSION_TOKEN_TEXT];
    int64_t created_ms, used_ms, turned_ms;
    bool is_present_token;   /* asked with the newest token, not with the one before it */
    uint16_t credential_len; /* the passkey that it was begun with; 0: not known */
    uint8_t credential[DW_CRED_ID_MAX];
};

/* A new session of `member`; the oldest of this member makes room. False: not stored. */
DW_MUST_USE bool dw_book_session_new(struct dw_book *b, uint32_t member, struct dw_view credential,
                                     struct dw_session_row *ret_row,
                                     char ret_token[DW_SESSION_TOKEN_TEXT]);
/* The session of a token as it came from outside. False: none, or it has ended. The token before
 * the present one counts until DW_SESSION_GRACE_MS after the present one was first used: an answer
 * that got lost signs nobody out. */
DW_MUST_USE bool dw_book_session_find(struct dw_book *b, const char *token,
                                      struct dw_session_row *ret_row);
/* A new token for a session; the present one becomes the one before. False: keep the old one. */
DW_MUST_USE bool dw_book_session_turn(struct dw_book *b, uint64_t id,
                                      char ret_token[DW_SESSION_TOKEN_TEXT]);
bool dw_book_session_is_open(struct dw_book *b, uint64_t id, uint32_t member);
void dw_book_session_used(struct dw_book *b, uint64_t id);
void dw_book_session_end(struct dw_book *b, uint64_t id);
/* All of a member's. */
void dw_book_sessions_end(struct dw_book *b, uint32_t member);
/* Ends what has run out, and the sessions and push places of everybody who is not in `people`. */
void dw_book_tidy(struct dw_book *b, const struct dw_ipc_people *people);

/* ---- who looked at what ---- */

enum dw_view_kind { DW_VIEW_LIVE = 0, DW_VIEW_RECORDING };

/* Says that `member` looked until `ago_ms` ago. A look that goes on, or came back within a minute,
 * stays one row. */
void dw_book_view(struct dw_book *b, uint32_t member, enum dw_view_kind what, uint64_t visit,
                  uint64_t ago_ms);
/* Newest first, at most `limit`; of one visit when it is not 0. {member, what, visit, from, to} */
json_t *dw_book_views(struct dw_book *b, uint64_t visit, unsigned limit);

/* ---- push places, so that they can be listed; the alert process keeps its own ---- */

struct dw_place {
    uint32_t member;
    uint8_t channel; /* enum dw_alert_channel */
    char endpoint[512];
};
void dw_book_place_add(struct dw_book *b, const struct dw_place *p);
/* Only of this member. True: there was one. */
bool dw_book_place_remove(struct dw_book *b, uint32_t member, const char *endpoint);
void dw_book_place_done(struct dw_book *b, const struct dw_ipc_alert_done *d);
/* {channel, endpoint (shortened), id, added, last_status} */
json_t *dw_book_places(struct dw_book *b, uint32_t member);
/* The endpoint whose shortened form is `id`; false when there is none. */
bool dw_book_place_by_id(struct dw_book *b, uint32_t member, const char *id, char *ret_endpoint,
                         size_t cap);
uint32_t dw_book_place_count(struct dw_book *b, uint32_t member);
void dw_book_vapid_set(struct dw_book *b, const uint8_t key[65]);
/* False: not known yet. */
bool dw_book_vapid(struct dw_book *b, uint8_t ret_key[65]);

/* ---- drills ---- */

void dw_book_drill(struct dw_book *b, const char *name, const char *result, double seconds);
/* Newest first. {name, at, result, seconds_to_alarm} */
json_t *dw_book_drills(struct dw_book *b);

/* ---- history ---- */

void dw_book_story(struct dw_book *b, const struct dw_ipc_story *s);
void dw_book_who(struct dw_book *b, const struct dw_ipc_who *w);
/* Every line up to this number is here, or is gone at the guard too. */
uint64_t dw_book_story_whole(struct dw_book *b);
void dw_book_story_whole_set(struct dw_book *b, uint64_t number);
/* The guard counts from the start again: what was copied is of another life. */
void dw_book_story_forget(struct dw_book *b);
/* `name_of(ctx, member)` gives a new JSON string for names of members. */
typedef bool dw_book_has_recording(void *ctx, uint64_t visit);
/* Visits that begin before line `before` (0: the newest), newest first. `*ret_next`: for the next
 * page; 0: that was all. */
json_t *dw_book_history(struct dw_book *b, uint64_t before, unsigned limit,
                        dw_book_has_recording *has, void *ctx, uint64_t *ret_next);
/* One visit with its `lines`; NULL: there is no such visit. */
json_t *dw_book_visit(struct dw_book *b, uint64_t visit, dw_book_has_recording *has, void *ctx);

/* "2026-11-21T23:50:25.123Z"; null when `ms` is not known (0 or less). */
json_t *dw_time_json(int64_t ms);

#endif
