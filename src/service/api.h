/* service/api.h - one request: who asks, for what, and the answer.
 *
 * A route is a row {method, path, roles, where it runs, handler}. A handler reads the call, asks
 * the database and sets an answer or a problem; it never touches a socket. Reads run on the main
 * thread, writes in the writer; both are ordinary straight code.
 */
#ifndef DW_SERVICE_API_H
#define DW_SERVICE_API_H

#include <jansson.h>

#include "core/types.h"
#include "service/problems.h"
#include "service/service.h"

/* Roles are bits, so that a route can name several. */
#define DW_ROLE_ADMIN   DW_BIT(0)
#define DW_ROLE_AGENCY  DW_BIT(1)
#define DW_ROLE_VISITOR DW_BIT(2)
#define DW_ROLE_OWNER   DW_BIT(3) /* of a home */
#define DW_ROLE_NOBODY  DW_BIT(4) /* no token needed */
/* Never an actor's: what else dw_token_make is for. */
#define DW_ROLE_INVITE    DW_BIT(6)
#define DW_ROLE_CSRF      DW_BIT(7)
#define DW_ROLE_CHALLENGE DW_BIT(8)

#define DW_ID_BYTES 16u
#define DW_ID_TEXT  33u

#define DW_BODY_BYTES_MAX 65536u
#define DW_PATH_MAX       256u
#define DW_QUERY_MAX      5u
#define DW_WAIT_MS_MAX    30000u

enum dw_route_kind { DW_ROUTE_READ = 0, DW_ROUTE_WAIT, DW_ROUTE_WRITE };

enum dw_route_body { DW_BODY_NONE = 0, DW_BODY_NEEDED, DW_BODY_OPTIONAL };

/* What a signer waits for: visits' ids have no such bit. Agencies share 62 bits; one that is woken
 * for another finds nothing and waits on. */
#define DW_WAIT_SIGNING (UINT64_C(1) << 63)
static inline uint64_t dw_wait_signing(const uint8_t agency[DW_ID_BYTES])
{
    return UINT64_C(1) << (agency[DW_ID_BYTES - 1] % 62u);
}

struct dw_call;

struct dw_route {
    const char *method;
    const char *path; /* "/v1/homes/{home}/permissions/{agency}" */
    uint32_t roles;
    enum dw_route_kind kind;
    const char *query; /* names permitted, between spaces: " since wait_ms " */
    enum dw_route_body body;
    void (*handle)(struct dw_call *c);
};

struct dw_actor {
    uint32_t role; /* one bit */
    uint8_t id[DW_ID_BYTES];
    uint8_t agency[DW_ID_BYTES]; /* of an agency: itself; of a visitor: its agency */
    bool is_session;             /* by cookie: a person at one of our pages */
    bool is_staff;               /* role AGENCY, and `staff` is who */
    uint8_t session[DW_ID_BYTES], staff[DW_ID_BYTES];
    int64_t signed_in_ms;
};

struct dw_call {
    struct dw_work work; /* first */
    /* The request. */
    char method[8];
    char path[DW_PATH_MAX];
    char token[80];
    char idempotency_key[80];
    char session[68], csrf[72], origin[264]; /* cookie and headers */
    char address[48];                        /* where it came from */
    bool is_json, is_key_bad, has_token, is_known;
    enum dw_problem head_problem; /* told to those only who may know that the route exists */
    struct {
        char name[16], value[80];
    } query[DW_QUERY_MAX];
    size_t query_count;
    uint8_t *body_bytes; /* in the arena */
    size_t body_len, body_cap;
    const struct dw_route *route;
    const char *param[2];
    struct dw_actor actor;
    char tried_by[48]; /* whose try is taken until what is shown has held; "": nobody's */
    json_t *body;
    /* The answer. */
    int status;
    json_t *answer;
    enum dw_problem problem;
    const char *allow;
    uint32_t token_role; /* a token of this role for `token_subject` is added to the answer */
    uint8_t token_subject[DW_ID_BYTES];
    char set_cookie[68]; /* a new session token for the asker */
    bool ends_cookie;
    /* DW_ROUTE_WAIT: nothing new yet; ask again when this visit changes, or when there is something
     * to sign (DW_WAIT_SIGNING | dw_wait_signing) */
    uint64_t wait_visit;
    char *text; /* the answer's bytes, malloc */
    size_t text_len;
    /* The connection. Main thread only; NULL when it has gone. */
    void *socket;
    void (*reply)(struct dw_call *c);
    /* A parked long poll. */
    struct dw_call *next_parked;
    uint64_t parked_until_ms;
};

/* The table, and how many rows. */
extern const struct dw_route dw_routes[];
extern const size_t dw_route_count;

/* The route of method and path, or NULL with *ret_problem and, for 405, *ret_allow set. */
const struct dw_route *dw_route_find(struct dw_call *c);

/* A call in its own arena. `reply` is called once on the main loop when the answer is in `status`
 * and `text`; then dw_call_free. */
struct dw_call *dw_call_new(struct dw_service *s);
void dw_call_free(struct dw_call *c);
/* Takes the request's way: token or session, route, body, handler. Main thread. */
void dw_call_run(struct dw_call *c);
/* ... from where its session has been renewed (people/sessions.c). */
void dw_call_go(struct dw_call *c);
/* Finds who asks, by token or session, into `actor` and `is_known`. Main thread. False: the
 * database did not answer. */
bool dw_call_who(struct dw_call *c);
/* Runs a parked long poll again. */
void dw_call_again(struct dw_call *c, bool is_last);
/* Answers with a problem without running anything. */
void dw_call_refuse(struct dw_call *c, enum dw_problem p);

/* -- for handlers -------------------------------------------------------------------------------
 */

/* The answer; takes `answer`. */
void dw_answer(struct dw_call *c, int status, json_t *answer);
/* The first problem of a call wins. The second form gives the sentence. */
void dw_problem(struct dw_call *c, enum dw_problem p);
void dw_problem_say(struct dw_call *c, enum dw_problem p, const char *detail, ...) DW_PRINTF(3, 4);
static inline bool dw_is_refused(const struct dw_call *c)
{
    return c->problem != DW_PROBLEM_NONE;
}

/* Path parameter as an id; a malformed one is not found. */
bool dw_param_id(struct dw_call *c, size_t i, uint8_t ret_id[DW_ID_BYTES]);
bool dw_param_visit(struct dw_call *c, size_t i, uint64_t *ret_visit);
/* Query parameter as a number; `fallback` when absent; refuses above `max`. */
uint64_t dw_query_uint(struct dw_call *c, const char *name, uint64_t max, uint64_t fallback);
/* Query parameter as text or NULL. */
const char *dw_query_text(const struct dw_call *c, const char *name);

/* Fields of the body, or of an object inside it. Each getter checks and refuses in words; results
 * are borrowed from the body. Call dw_in_only first: it refuses what is not in the NULL-ended list.
 */
void dw_in_only(struct dw_call *c, const json_t *object, ...);
enum dw_need { DW_OPTIONAL = 0, DW_REQUIRED };
/* 1..max bytes of UTF-8 without control or direction characters; NULL when absent. */
const char *dw_in_text(struct dw_call *c, const json_t *object, const char *name, size_t max,
                       enum dw_need need);
bool dw_in_bool(struct dw_call *c, const json_t *object, const char *name, bool *ret_value,
                enum dw_need need);
bool dw_in_uint(struct dw_call *c, const json_t *object, const char *name, uint64_t max,
                uint64_t *ret_value, enum dw_need need);
bool dw_in_number(struct dw_call *c, const json_t *object, const char *name, double min, double max,
                  double *ret_value, enum dw_need need);
bool dw_in_id(struct dw_call *c, const json_t *object, const char *name,
              uint8_t ret_id[DW_ID_BYTES], enum dw_need need);
bool dw_in_day(struct dw_call *c, const json_t *object, const char *name, int32_t *ret_day,
               enum dw_need need);
bool dw_in_minute(struct dw_call *c, const json_t *object, const char *name, uint32_t *ret_minute,
                  enum dw_need need);
/* NULL when absent. */
const json_t *dw_in_object(struct dw_call *c, const json_t *object, const char *name,
                           enum dw_need need);
/* base64url without padding, 1..max bytes; borrowed from the arena. Empty when absent or refused.
 */
struct dw_view dw_in_bytes(struct dw_call *c, const json_t *object, const char *name, size_t max);
/* A barcode: 1..DW_PARCEL_CODE_MAX bytes, no control characters. */
const char *dw_in_barcode(struct dw_call *c, const json_t *value);

/* True for text that may be shown: no control, no direction-changing characters. */
bool dw_words_are_plain(const char *text);

/* GET /v1/audit */
void dw_audit_list(struct dw_call *c);

void dw_id_new(uint8_t ret_id[DW_ID_BYTES]);
json_t *dw_json_id(const uint8_t id[DW_ID_BYTES]);
json_t *dw_json_visit(uint64_t visit);
/* base64url without padding. */
json_t *dw_json_bytes(const void *bytes, size_t len);
/* Column helpers: an id, a time ("..Z", JSON null for 0 or NULL), text. */
json_t *dw_json_col_id(sqlite3_stmt *stmt, int i);
json_t *dw_json_col_time(sqlite3_stmt *stmt, int i);
json_t *dw_json_col_text(sqlite3_stmt *stmt, int i);
json_t *dw_json_day(int32_t day);
json_t *dw_json_minute(uint32_t minute);
/* {"items": [...], "next": id or null} */
json_t *dw_json_page(json_t *items, const uint8_t *next);
#define DW_PAGE_MAX 100u
/* Query `after` as an id (zeroes when absent) and `limit`. */
bool dw_query_page(struct dw_call *c, uint8_t ret_after[DW_ID_BYTES], uint64_t *ret_limit);

/* Makes a token row for the subject, and adds the token to the answer. Nothing for people who are
 * signed in: tokens are for programs. */
bool dw_token_grant(struct dw_call *c, uint32_t role, const uint8_t subject[DW_ID_BYTES]);

#endif
