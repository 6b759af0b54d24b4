/* hub/front/api.h - the household's API: routes, who may use them, bodies, problems.
 *
 * A request becomes one call; a handler answers it at once or asks the guard and answers later.
 * Every route is in one table (routes.c), which `doorward-front --routes` prints, so that a test
 * can walk all of them. A call whose asker has gone is finished all the same: what the guard did
 * stays done.
 */
#ifndef DW_HUB_FRONT_API_H
#define DW_HUB_FRONT_API_H

#include "hub/front/front.h"

#define DW_BODY_MAX 16384u
/* Of DW_FRONT_ASKS_MAX, questions of strangers (sign-in, join, recover) take at most so many [I45].
 */
#define DW_ASKS_OPEN_MAX 16u
#define DW_ASK_MS        5000u

/* X(name, status, code, title, detail, next). What the guard refuses has its own words below. */
#define DW_FRONT_PROBLEM_LIST(X)                                                              \
    X(SIGNED_OUT, 401, "signed_out", "Not signed in", "There is no session.", "Sign in.")     \
    X(CSRF, 403, "csrf", "Not from this page", "The request did not come from our own page.", \
      "Load the page again.")                                                                 \
    X(ROLE, 403, "role", "Owners only", "Only an owner may do this.", "Ask an owner.")        \
    X(NOT_FOUND, 404, "not_found", "Not found", "There is no such thing.", "Go back.")        \
    X(METHOD, 405, "method", "Not like this", "This address does not take that method.",      \
      "Use a method of the header Allow.")                                                    \
    X(BAD_REQUEST, 400, "bad_request", "Bad request", "The request could not be read.",       \
      "Send one JSON object with the fields of this route, each once.")                       \
    X(TOO_LARGE, 413, "too_large", "Too large", "The body is larger than 16,384 bytes.",      \
      "Send less.")                                                                           \
    X(TOO_MANY, 429, "too_many", "Too many tries", "There were too many tries.",              \
      "Wait a minute and try again.")                                                         \
    X(BUSY, 503, "busy", "Busy", "The hub did not answer in time.",                           \
      "Look at what the page shows now, then try again.")                                     \
    X(STORAGE, 503, "storage", "Cannot store", "The hub cannot store this now.", "Try again.")

enum dw_front_problem {
    DW_FRONT_PROBLEM_NONE = 0,
#define X(name, status, code, title, detail, next) DW_FRONT_PROBLEM_##name,
    DW_FRONT_PROBLEM_LIST(X)
#undef X
};

/* Zero is the strict one. MEMBER: who lives here; GUEST: a guest and nobody else; ALL: both. */
enum dw_front_access {
    DW_ACCESS_OWNER = 0,
    DW_ACCESS_MEMBER,
    DW_ACCESS_GUEST,
    DW_ACCESS_ALL,
    DW_ACCESS_OPEN
};

struct dw_front_call;

struct dw_front_route {
    const char *method, *path; /* "/api/visits/{id}" */
    enum dw_front_access access;
    /* Fields of the body: all that are named must be there, nothing else may; those after "?" may
     * be left out. NULL: no body. "*": the handler looks itself. */
    const char *fields;
    void (*handle)(struct dw_front_call *c);
};
extern const struct dw_front_route dw_front_routes[];
extern const size_t dw_front_route_count;

struct dw_front_call {
    struct dw_front *front;
    struct lws *wsi; /* NULL: the asker has gone */
    const struct dw_front_route *route;
    struct dw_session_row session; /* id 0: none */
    const struct dw_ipc_member *member;
    char param[40];
    char before[24], limit[8], since[24], wait_ms[8]; /* of the query */
    char *body;
    uint32_t body_len, body_cap;
    json_t *in;
    bool is_running, is_answered;
    unsigned status;
    char *text; /* the answer */
    size_t text_len;
    char cookie[200]; /* Set-Cookie, or "" */
};

struct dw_front_call *dw_front_call_new(struct dw_front *f, struct lws *wsi);
void dw_front_call_free(struct dw_front_call *c); /* NULL is fine */
/* Runs the handler; `session` and body are set. */
void dw_front_call_run(struct dw_front_call *c);
/* `taken` JSON; or a problem. Once a call. */
void dw_front_answer(struct dw_front_call *c, unsigned status, json_t *taken);
void dw_front_refuse(struct dw_front_call *c, enum dw_front_problem p);
void dw_front_refuse_no(struct dw_front_call *c, enum dw_people_no no);
/* The text of a problem as JSON, heap. */
char *dw_front_problem_text(enum dw_front_problem p, unsigned *ret_status);

/* True when `in` has all fields of `fields` and no other (see dw_front_route.fields); refuses the
 * call if not. */
bool dw_front_fields(struct dw_front_call *c, const char *fields);
/* Text of a field that fits `cap` with its NUL and holds no control characters; refuses if not. */
bool dw_front_text(struct dw_front_call *c, const char *key, char *ret_text, size_t cap);
/* base64url without padding, 1 to `cap` bytes. */
bool dw_front_bytes(struct dw_front_call *c, const char *key, uint8_t *ret_bytes, size_t cap,
                    uint16_t *ret_len);
/* Exactly `len` bytes in hexadecimal. */
bool dw_front_hex(struct dw_front_call *c, const char *key, uint8_t *ret_bytes, size_t len);
bool dw_front_uint(struct dw_front_call *c, const char *key, uint64_t max, uint64_t *ret_value);
json_t *dw_front_base64(const void *bytes, size_t len);

/* Asks the guard. `then` is called once, with the answer when the guard said yes; every no, a guard
 * that has no room and one that does not answer refuse the call by themselves. `c` may be NULL. */
typedef void dw_front_then(struct dw_front_call *c, const struct dw_ipc_people_answer *a);
void dw_front_ask(struct dw_front *f, struct dw_front_call *c, struct dw_ipc_people_ask *m,
                  dw_front_then *then);

/* A try of a stranger: false, and refused, when there were too many from there or in all [I45]. */
bool dw_front_may_try(struct dw_front_call *c, unsigned cost);

/* Makes a session for the member of `a`, with the passkey that it names, and answers with {member,
 * ...more (taken, may be NULL)}. */
void dw_front_sign_in(struct dw_front_call *c, const struct dw_ipc_people_answer *a, json_t *more);
json_t *dw_front_member_json(const struct dw_front *f, uint32_t member);
const char *dw_front_role_word(uint8_t role);
bool dw_front_is_guest(const struct dw_front *f, uint32_t member);
const struct dw_ipc_member *dw_front_member(const struct dw_front *f, uint32_t member);
void dw_front_cookie(const struct dw_front *f, const char *token, char *ret_text, size_t cap);

/* people.c */
void dw_api_signin_begin(struct dw_front_call *c);
void dw_api_signin_finish(struct dw_front_call *c);
void dw_api_join_look(struct dw_front_call *c);
void dw_api_join_begin(struct dw_front_call *c);
void dw_api_join_finish(struct dw_front_call *c);
void dw_api_recover(struct dw_front_call *c);
void dw_api_recover_stop(struct dw_front_call *c);
void dw_api_me(struct dw_front_call *c);
void dw_api_signout(struct dw_front_call *c);
void dw_api_signout_everywhere(struct dw_front_call *c);
void dw_api_acts_begin(struct dw_front_call *c);
void dw_api_acts_finish(struct dw_front_call *c);
void dw_api_people(struct dw_front_call *c);
/* grants.c */
void dw_api_grants(struct dw_front_call *c);
void dw_api_grants_revoke(struct dw_front_call *c);
void dw_api_grants_veto(struct dw_front_call *c);
void dw_api_expected(struct dw_front_call *c);
void dw_api_expected_add(struct dw_front_call *c);
void dw_api_expected_remove(struct dw_front_call *c);
/* guest.c */
void dw_api_guest(struct dw_front_call *c);
void dw_api_guest_ask(struct dw_front_call *c);
void dw_api_guest_visit(struct dw_front_call *c);
void dw_api_guest_open(struct dw_front_call *c);
void dw_api_guest_leave(struct dw_front_call *c);
json_t *dw_front_grant_json(const struct dw_front *f, const struct dw_ipc_grant *g);
/* id, client_data, auth_data and signature of an assertion; false: refused. */
bool dw_front_assertion(struct dw_front_call *c, struct dw_ipc_people_ask *m);
/* The fields of the act `grant`; false: refused. */
bool dw_api_act_grant(struct dw_front_call *c, struct dw_ipc_people_ask *m);
/* house.c */
void dw_api_jobs(struct dw_front_call *c);
void dw_api_wish(struct dw_front_call *c);
void dw_api_history(struct dw_front_call *c);
void dw_api_visit(struct dw_front_call *c);
void dw_api_settings(struct dw_front_call *c);
void dw_api_mode(struct dw_front_call *c);
void dw_api_owner(struct dw_front_call *c);
void dw_api_viewers(struct dw_front_call *c);
void dw_api_drills(struct dw_front_call *c);
void dw_api_alerts_get(struct dw_front_call *c);
void dw_api_alerts_post(struct dw_front_call *c);

#endif
