/* What the household sees and wishes: camera mode, jobs, wishes, settings that tighten. */
#include "hub/guard/guard.h"
#include "os/os.h"

void house_tell_live(struct guard *g)
{
    struct dw_ipc_live m = {.may_pass = 1};
    child_send(g, CHILD_CAMERA, DW_IPC_LIVE, &m);
}

void house_tell_all(struct guard *g)
{
    (void)g;
}
