#include "hub/front/api.h"

#define OPEN      DW_ACCESS_OPEN
#define MEMBER    DW_ACCESS_MEMBER
#define OWNER     DW_ACCESS_OWNER
#define GUEST     DW_ACCESS_GUEST
#define ALL       DW_ACCESS_ALL
#define ASSERTION "challenge id client_data auth_data signature"

/* clang-format off */
const struct dw_front_route dw_front_routes[] = {
    {"POST", "/api/signin/begin",       OPEN,   "",        dw_api_signin_begin},
    {"POST", "/api/signin/finish",      OPEN,   ASSERTION, dw_api_signin_finish},
    {"POST", "/api/join/look",          OPEN,   "token",   dw_api_join_look},
    {"POST", "/api/join/begin",         OPEN,   "token",   dw_api_join_begin},
    {"POST", "/api/join/finish",        OPEN,   "challenge client_data attestation label ? name", dw_api_join_finish},
    {"POST", "/api/recover",            OPEN,   "code",    dw_api_recover},
    {"POST", "/api/recover/stop",       MEMBER, "",        dw_api_recover_stop},
    {"GET",  "/api/me",                 ALL,    NULL,      dw_api_me},
    {"POST", "/api/signout",            ALL,    "",        dw_api_signout},
    {"POST", "/api/signout_everywhere", ALL,    "",        dw_api_signout_everywhere},
    {"GET",  "/api/guest",              GUEST,  NULL,      dw_api_guest},
    {"POST", "/api/guest/ask",          GUEST,  "nonce",   dw_api_guest_ask},
    {"GET",  "/api/guest/visit",        GUEST,  NULL,      dw_api_guest_visit},
    {"POST", "/api/guest/open",         GUEST,  "id client_data auth_data signature", dw_api_guest_open},
    {"POST", "/api/guest/leave",        GUEST,  "",        dw_api_guest_leave},
    {"POST", "/api/acts/begin",         MEMBER, "*",       dw_api_acts_begin},
    {"POST", "/api/acts/finish",        MEMBER, ASSERTION, dw_api_acts_finish},
    {"GET",  "/api/people",             MEMBER, NULL,      dw_api_people},
    {"GET",  "/api/grants",             MEMBER, NULL,      dw_api_grants},
    {"POST", "/api/grants/revoke",      OWNER,  "id",      dw_api_grants_revoke},
    {"POST", "/api/grants/veto",        MEMBER, "id",      dw_api_grants_veto},
    {"GET",  "/api/expected",           MEMBER, NULL,      dw_api_expected},
    {"POST", "/api/expected",           MEMBER, "code ? note", dw_api_expected_add},
    {"POST", "/api/expected/remove",    MEMBER, "code",    dw_api_expected_remove},
    {"GET",  "/api/jobs",               MEMBER, NULL,      dw_api_jobs},
    {"POST", "/api/wish",               MEMBER, "*",       dw_api_wish},
    {"GET",  "/api/history",            MEMBER, NULL,      dw_api_history},
    {"GET",  "/api/visits/{id}",        MEMBER, NULL,      dw_api_visit},
    {"GET",  "/api/settings",           MEMBER, NULL,      dw_api_settings},
    {"POST", "/api/mode",               MEMBER, "mode",    dw_api_mode},
    {"POST", "/api/owner",              MEMBER, "word",    dw_api_owner},
    {"GET",  "/api/viewers",            MEMBER, NULL,      dw_api_viewers},
    {"GET",  "/api/drills",             MEMBER, NULL,      dw_api_drills},
    {"GET",  "/api/alerts",             MEMBER, NULL,      dw_api_alerts_get},
    {"POST", "/api/alerts",             MEMBER, "*",       dw_api_alerts_post},
};
/* clang-format on */
const size_t dw_front_route_count = DW_ARRAY_COUNT(dw_front_routes);
