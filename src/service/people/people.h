/* service/people/people.h - couriers and staff who sign in with a passkey: invitations, sessions.
 *
 * A person is a visitor or a member of an agency's staff, invited by a link that counts once. Who
 * is signed in is a session: a cookie of 32 random bytes, of which the SHA-256 is kept. Staff act
 * as their agency.
 */
#ifndef DW_SERVICE_PEOPLE_PEOPLE_H
#define DW_SERVICE_PEOPLE_PEOPLE_H

#include "service/api.h"

/* -- origin.c -- */

/* "https://host[:port]", or "http://" with a host that browsers take for this machine (localhost,
 * NAME.localhost, 127.0.0.1, [::1] are secure contexts; passkeys need a name). On true, *ret_host
 * is the host, and it may be signed in. `cap` bytes. */
bool dw_origin_read(const char *origin, char *ret_host, size_t cap);

/* -- sessions.c -- */

/* The person of the cookie, into `actor`; false: none, over, or no longer on duty. Main thread. */
bool dw_session_find(struct dw_call *c, struct dw_db *db);
/* When the session's token or its times are due to be written: true, and the call goes on in
 * dw_call_go after the commit, with a new cookie if there is one. */
bool dw_session_renew(struct dw_call *c);
/* For acts that make or end somebody's way in: refuses when the person signed in long ago. True for
 * tokens. */
bool dw_session_is_fresh(struct dw_call *c);
/* Begins one for the person, and sets the cookie; c->actor becomes the person. In the writer. */
bool dw_session_begin(struct dw_call *c, uint32_t role, const uint8_t subject[DW_ID_BYTES]);
/* Ends all of a person, with invitations; `with_passkeys`: and what could begin new ones. */
void dw_sessions_end(struct dw_work *w, const uint8_t subject[DW_ID_BYTES], bool with_passkeys);

/* -- signin.c, staff.c: handlers -- */

void dw_signin_begin(struct dw_call *c);
void dw_signin_finish(struct dw_call *c);
void dw_join_look(struct dw_call *c);
void dw_join_begin(struct dw_call *c);
void dw_join_finish(struct dw_call *c);
void dw_me_get(struct dw_call *c);
void dw_signout(struct dw_call *c);

void dw_staff_post(struct dw_call *c);
void dw_staff_list(struct dw_call *c);
void dw_staff_delete(struct dw_call *c);
/* POST /v1/visitors/{visitor}/invitations, once the visitor is the asker's. */
void dw_invite(struct dw_call *c, uint32_t role, const uint8_t subject[DW_ID_BYTES],
               json_t *answer);

#endif
