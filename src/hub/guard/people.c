/* Who lives here: members, passkeys, invitations, and the acts that need a passkey. */
#include <string.h>

#include "hub/guard/guard.h"
#include "os/os.h"

void people_on_ask(struct guard *g, const struct dw_ipc_people_ask *m)
{
    struct dw_ipc_people_answer a = {.ticket = m->ticket, .op = m->op, .no = DW_PEOPLE_NO_STORAGE};
    child_send(g, CHILD_FRONT, DW_IPC_PEOPLE_ANSWER, &a);
}

enum dw_member_role people_role(const struct guard *g, uint32_t member)
{
    (void)g, (void)member;
    return DW_MEMBER_NONE;
}

void people_tell(struct guard *g)
{
    struct dw_ipc_people m = {.is_new = 1, .camera_mode = DW_MODE_ON};
    child_send(g, CHILD_FRONT, DW_IPC_PEOPLE, &m);
}
