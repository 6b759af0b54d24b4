#include <string.h>

#include "service/agencies/agencies.h"
#include "service/agencies/signing.h"
#include "service/embedded.h"
#include "service/homes/grants.h"
#include "service/homes/homes.h"
#include "service/jobs/jobs.h"
#include "service/people/people.h"
#include "service/visitors/visitors.h"
#include "service/visits/visits.h"

static void get_health(struct dw_call *c)
{
    struct dw_service *s = c->work.service;
    dw_answer(c, 200,
              json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "state", "ok", "broker",
                        s->is_link_up ? "up" : "down", "requests", (json_int_t)s->count.requests,
                        "commits", (json_int_t)dw_store_commits(s->store), "messages",
                        (json_int_t)s->count.messages, "messages_dropped",
                        (json_int_t)s->count.messages_dropped, "messages_unsent",
                        (json_int_t)s->count.messages_unsent, "asked_again",
                        (json_int_t)s->count.hellos_again));
}

static void get_openapi(struct dw_call *c)
{
    c->status = 200;
    c->text = strdup(dw_embedded_openapi);
    c->text_len = c->text ? strlen(c->text) : 0;
}

/* What the codes mean: problems (errors of a request) and checks (refusals at the door). */
static void get_problems(struct dw_call *c)
{
    json_t *list = json_array(), *checks = json_array();
#define X(name, status, code, title, detail, next)                                          \
    (void)json_array_append_new(list, json_pack("{s:s, s:i, s:s, s:s, s:s}", "code", code,  \
                                                "status", status, "title", title, "detail", \
                                                detail, "next", next));
    DW_PROBLEM_LIST(X)
#undef X
    for (unsigned i = 1; i < DW_CHECK_COUNT; i++)
        (void)json_array_append_new(checks, json_pack("{s:s, s:s, s:s}", "code",
                                                      dw_check_code((enum dw_check)i), "text",
                                                      dw_check_text((enum dw_check)i), "next",
                                                      dw_check_next((enum dw_check)i)));
    dw_answer(c, 200, json_pack("{s:o, s:o}", "problems", list, "checks", checks));
}

#define ADMIN   DW_ROLE_ADMIN
#define AGENCY  DW_ROLE_AGENCY
#define VISITOR DW_ROLE_VISITOR
#define OWNER   DW_ROLE_OWNER
#define NOBODY  DW_ROLE_NOBODY
#define ALL     (ADMIN | AGENCY | VISITOR | OWNER)
#define READ    DW_ROUTE_READ
#define WAIT    DW_ROUTE_WAIT
#define WRITE   DW_ROUTE_WRITE
#define PAGE    " after limit "

/* clang-format off */
const struct dw_route dw_routes[] = {
    {"GET",    "/v1/health",                  NOBODY, READ, NULL, DW_BODY_NONE, get_health},
    {"GET",    "/v1/openapi.json",            NOBODY, READ, NULL, DW_BODY_NONE, get_openapi},
    {"GET",    "/v1/problems",                NOBODY, READ, NULL, DW_BODY_NONE, get_problems},

    {"POST",   "/v1/signin/begin",            NOBODY, READ, NULL, DW_BODY_OPTIONAL, dw_signin_begin},
    {"POST",   "/v1/signin/finish",           NOBODY, WRITE, NULL, DW_BODY_NEEDED, dw_signin_finish},
    {"POST",   "/v1/join/look",               NOBODY, READ, NULL, DW_BODY_NEEDED, dw_join_look},
    {"POST",   "/v1/join/begin",              NOBODY, WRITE, NULL, DW_BODY_NEEDED, dw_join_begin},
    {"POST",   "/v1/join/finish",             NOBODY, WRITE, NULL, DW_BODY_NEEDED, dw_join_finish},
    {"GET",    "/v1/me",                      ALL, READ, NULL, DW_BODY_NONE, dw_me_get},
    {"POST",   "/v1/signout",                 ALL, WRITE, NULL, DW_BODY_OPTIONAL, dw_signout},

    {"POST",   "/v1/agencies",                ADMIN, WRITE, NULL, DW_BODY_NEEDED, dw_agencies_post},
    {"GET",    "/v1/agencies",                ADMIN, READ, PAGE, DW_BODY_NONE, dw_agencies_list},
    {"GET",    "/v1/agencies/{agency}",       ADMIN | AGENCY, READ, NULL, DW_BODY_NONE, dw_agencies_get},
    {"PATCH",  "/v1/agencies/{agency}",       ADMIN, WRITE, NULL, DW_BODY_NEEDED, dw_agencies_patch},

    {"POST",   "/v1/agencies/{agency}/staff", ADMIN | AGENCY, WRITE, NULL, DW_BODY_NEEDED, dw_staff_post},
    {"GET",    "/v1/agencies/{agency}/staff", ADMIN | AGENCY, READ, NULL, DW_BODY_NONE, dw_staff_list},
    {"DELETE", "/v1/agencies/{agency}/staff/{staff}", ADMIN | AGENCY, WRITE, NULL, DW_BODY_NONE, dw_staff_delete},

    {"POST",   "/v1/visitors",                ADMIN | AGENCY, WRITE, NULL, DW_BODY_NEEDED, dw_visitors_post},
    {"GET",    "/v1/visitors",                ADMIN | AGENCY, READ, PAGE, DW_BODY_NONE, dw_visitors_list},
    {"GET",    "/v1/visitors/{visitor}",      ADMIN | AGENCY | VISITOR, READ, NULL, DW_BODY_NONE, dw_visitors_get},
    {"PATCH",  "/v1/visitors/{visitor}",      ADMIN | AGENCY, WRITE, NULL, DW_BODY_NEEDED, dw_visitors_patch},
    {"POST",   "/v1/visitors/{visitor}/screenings", ADMIN | AGENCY, WRITE, NULL, DW_BODY_NEEDED, dw_screenings_post},
    {"GET",    "/v1/visitors/{visitor}/screenings", ADMIN | AGENCY | VISITOR, READ, NULL, DW_BODY_NONE, dw_screenings_list},
    {"POST",   "/v1/visitors/{visitor}/invitations", ADMIN | AGENCY, WRITE, NULL, DW_BODY_OPTIONAL, dw_visitors_invite},

    {"POST",   "/v1/homes",                   ADMIN, WRITE, NULL, DW_BODY_NEEDED, dw_homes_post},
    {"GET",    "/v1/homes",                   ADMIN | AGENCY, READ, PAGE "known ", DW_BODY_NONE, dw_homes_list},
    {"GET",    "/v1/homes/{home}",            ADMIN | AGENCY | OWNER, READ, NULL, DW_BODY_NONE, dw_homes_get},
    {"GET",    "/v1/homes/{home}/grants",     ADMIN | OWNER, READ, NULL, DW_BODY_NONE, dw_grants_list},
    {"POST",   "/v1/homes/{home}/introductions", AGENCY, WRITE, NULL, DW_BODY_OPTIONAL, dw_introductions_post},

    {"GET",    "/v1/signing",                 AGENCY, WAIT, " after limit wait_ms ", DW_BODY_NONE, dw_signing_list},
    {"POST",   "/v1/signing/{signing}",       AGENCY, WRITE, NULL, DW_BODY_NEEDED, dw_signing_post},
    {"GET",    "/v1/audit",                   ADMIN, READ, PAGE, DW_BODY_NONE, dw_audit_list},

    {"POST",   "/v1/jobs",                    AGENCY, WRITE, NULL, DW_BODY_NEEDED, dw_jobs_post},
    {"GET",    "/v1/jobs",                    ALL, READ, PAGE "today ", DW_BODY_NONE, dw_jobs_list},
    {"GET",    "/v1/jobs/{job}",              ALL, READ, NULL, DW_BODY_NONE, dw_jobs_get},
    {"PATCH",  "/v1/jobs/{job}",              AGENCY, WRITE, NULL, DW_BODY_NEEDED, dw_jobs_patch},
    {"DELETE", "/v1/jobs/{job}",              AGENCY, WRITE, NULL, DW_BODY_NONE, dw_jobs_delete},

    {"POST",   "/v1/visits",                  VISITOR, WRITE, NULL, DW_BODY_NEEDED, dw_visits_post},
    {"GET",    "/v1/visits",                  ALL, READ, PAGE "active stuck recent ", DW_BODY_NONE, dw_visits_list},
    {"GET",    "/v1/visits/{visit}",          ALL, WAIT, " since wait_ms ", DW_BODY_NONE, dw_visits_get},
    {"POST",   "/v1/visits/{visit}/open",     VISITOR, WRITE, NULL, DW_BODY_NEEDED, dw_visits_open},
    {"POST",   "/v1/visits/{visit}/door",     VISITOR, WRITE, NULL, DW_BODY_NEEDED, dw_visits_door},
    {"POST",   "/v1/visits/{visit}/leave",    VISITOR, WRITE, NULL, DW_BODY_OPTIONAL, dw_visits_leave},
    {"GET",    "/v1/visits/{visit}/receipt",  ALL, READ, NULL, DW_BODY_NONE, dw_visits_receipt},
};
/* clang-format on */
const size_t dw_route_count = DW_ARRAY_COUNT(dw_routes);
