#include "hub/ipc.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* The struct of each type: one row, so that a new type without a size is seen at once. */
static const size_t sizes[DW_IPC_TYPE_COUNT] = {
    [DW_IPC_READY] = sizeof(struct dw_ipc_ready),
    [DW_IPC_CAMERA_ASK] = sizeof(struct dw_ipc_bytes),
    [DW_IPC_RECORD_START] = sizeof(struct dw_ipc_record),
    [DW_IPC_RECORD_STOP] = sizeof(struct dw_ipc_record),
    [DW_IPC_PIPE] = sizeof(struct dw_ipc_pipe),
    [DW_IPC_FRAME] = sizeof(struct dw_ipc_frame),
    [DW_IPC_FRAME_BAD] = sizeof(struct dw_ipc_frame_bad),
    [DW_IPC_FRAME_UNPROVEN] = sizeof(struct dw_ipc_frame_bad),
    [DW_IPC_CAMERA_LINK] = sizeof(struct dw_ipc_camera_link),
    [DW_IPC_SEGMENT] = sizeof(struct dw_ipc_segment),
    [DW_IPC_DISK] = sizeof(struct dw_ipc_disk),
    [DW_IPC_LOCK_ASK] = sizeof(struct dw_ipc_bytes),
    [DW_IPC_LOCK_COMMAND] = sizeof(struct dw_ipc_lock_command),
    [DW_IPC_LOCK_SIGNED] = sizeof(struct dw_ipc_bytes),
    [DW_IPC_LOCK_REPORT] = sizeof(struct dw_ipc_lock_report),
    [DW_IPC_LOCK_LINK] = sizeof(struct dw_ipc_link_state),
    [DW_IPC_LINK_IN] = sizeof(struct dw_ipc_link),
    [DW_IPC_LINK_STATE] = sizeof(struct dw_ipc_link_state),
    [DW_IPC_VIEWER] = sizeof(struct dw_ipc_viewer),
    [DW_IPC_OWNER] = sizeof(struct dw_ipc_owner),
    [DW_IPC_LINK_OUT] = sizeof(struct dw_ipc_link),
    [DW_IPC_DISPLAY] = sizeof(struct dw_ipc_display),
    [DW_IPC_STATE] = sizeof(struct dw_ipc_state),
    [DW_IPC_STORY] = sizeof(struct dw_ipc_story),
    [DW_IPC_VIEWERS] = sizeof(struct dw_ipc_viewers),
    [DW_IPC_HUB_NONCE] = sizeof(struct dw_ipc_hub_nonce),
    [DW_IPC_PEOPLE_ASK] = sizeof(struct dw_ipc_people_ask),
    [DW_IPC_PEOPLE_ANSWER] = sizeof(struct dw_ipc_people_answer),
    [DW_IPC_PEOPLE] = sizeof(struct dw_ipc_people),
    [DW_IPC_JOB] = sizeof(struct dw_ipc_job),
    [DW_IPC_WHO] = sizeof(struct dw_ipc_who),
    [DW_IPC_ALERT_SET] = sizeof(struct dw_ipc_alert_set),
    [DW_IPC_ALERT_DONE] = sizeof(struct dw_ipc_alert_done),
    [DW_IPC_LIVE] = sizeof(struct dw_ipc_live),
    [DW_IPC_KEY_WANTED] = sizeof(struct dw_ipc_key_wanted),
    [DW_IPC_PARAMS] = sizeof(struct dw_ipc_params),
    [DW_IPC_GRANTS] = sizeof(struct dw_ipc_grants),
    [DW_IPC_EXPECTED] = sizeof(struct dw_ipc_expected),
    [DW_IPC_GUEST] = sizeof(struct dw_ipc_guest),
    [DW_IPC_LINK_KEY] = sizeof(struct dw_ipc_link_key),
    [DW_IPC_LINK_PROOF] = sizeof(struct dw_ipc_link_proof),
};

size_t dw_ipc_size(enum dw_ipc_type type)
{
    return (size_t)type < DW_ARRAY_COUNT(sizes) ? sizes[type] : 0;
}

/* FNV-1a over the sizes of all messages: two builds whose messages differ in layout do not talk. No
 * date goes in, builds stay reproducible. */
static uint32_t build_id(void)
{
    uint32_t hash = UINT32_C(2166136261);
    for (size_t i = 0; i < DW_ARRAY_COUNT(sizes); i++)
        hash = (hash ^ (uint32_t)(sizes[i] + (i << 16))) * UINT32_C(16777619);
    return hash;
}

static dw_err send_message(int fd, enum dw_ipc_type type, void *message, int passed)
{
    size_t size = dw_ipc_size(type);
    DW_ASSERT(size >= sizeof(struct dw_ipc_head) && size <= UINT16_MAX);
    struct dw_ipc_head head = {(uint16_t)type, (uint16_t)size, build_id()};
    memcpy(message, &head, sizeof(head));

    struct iovec part = {message, size};
    struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};
    union {
        struct cmsghdr align;
        unsigned char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    if (passed >= 0) {
        memset(&control, 0, sizeof(control));
        msg.msg_control = control.bytes;
        msg.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &passed, sizeof(int));
    }
    for (;;) {
        ssize_t n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n == (ssize_t)size)
            return DW_OK;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == ENOBUFS))
            return dw_fail(DW_E_BUSY);
        return dw_fail(DW_E_IO);
    }
}

dw_err dw_ipc_send(int fd, enum dw_ipc_type type, void *message)
{
    return send_message(fd, type, message, -1);
}

dw_err dw_ipc_send_fd(int fd, enum dw_ipc_type type, void *message, int passed)
{
    DW_ASSERT(passed >= 0);
    return send_message(fd, type, message, passed);
}

/* Takes the one descriptor that may come along; all others are closed. False: more than one came.
 */
static bool take_descriptor(struct msghdr *msg, int *ret_fd)
{
    bool is_single = true;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int got;
            memcpy(&got, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (*ret_fd < 0) {
                *ret_fd = got;
            } else {
                close(got);
                is_single = false;
            }
        }
    }
    return is_single && !(msg->msg_flags & MSG_CTRUNC);
}

dw_err dw_ipc_receive(int fd, void *ret_message, size_t cap, enum dw_ipc_type *ret_type,
                      int *ret_fd)
{
    *ret_fd = -1;
    *ret_type = DW_IPC_NONE;
    struct iovec part = {ret_message, cap};
    union {
        struct cmsghdr align;
        unsigned char bytes[CMSG_SPACE(4 * sizeof(int))];
    } control;
    struct msghdr msg = {.msg_iov = &part,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    ssize_t n;
    do {
        n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return dw_fail(errno == EAGAIN ? DW_E_BUSY : DW_E_IO);

    int passed = -1;
    bool is_sound = take_descriptor(&msg, &passed);
    if (n == 0) {
        if (passed >= 0)
            close(passed);
        return dw_fail(DW_E_IO);
    }
    struct dw_ipc_head head = {0};
    if ((size_t)n >= sizeof(head))
        memcpy(&head, ret_message, sizeof(head));
    size_t want = dw_ipc_size((enum dw_ipc_type)head.type);
    is_sound = is_sound && !(msg.msg_flags & MSG_TRUNC) && want != 0 && (size_t)n == want &&
               head.size == want && head.build_id == build_id() &&
               (passed >= 0) == (head.type == DW_IPC_PIPE);
    if (!is_sound) {
        if (passed >= 0)
            close(passed);
        return dw_fail(DW_E_INVALID);
    }
    *ret_type = (enum dw_ipc_type)head.type;
    *ret_fd = passed;
    return DW_OK;
}

const char *dw_story_word(enum dw_story s)
{
    static const char *const words[DW_STORY_COUNT] = {[DW_STORY_NONE] = "none",
#define X(name, word) [DW_STORY_##name] = word,
                                                      DW_STORY_LIST(X)
#undef X
    };
    return (size_t)s < DW_ARRAY_COUNT(words) && words[s] ? words[s] : "?";
}

const char *dw_people_no_code(enum dw_people_no no)
{
    static const char *const codes[DW_PEOPLE_NO_COUNT] = {[DW_PEOPLE_NO_NONE] = "",
#define X(name, code) [DW_PEOPLE_NO_##name] = code,
                                                          DW_PEOPLE_NO_LIST(X)
#undef X
    };
    return (size_t)no < DW_ARRAY_COUNT(codes) ? codes[no] : "?";
}

const char *dw_camera_mode_word(uint32_t mode)
{
    static const char *const words[DW_MODE_COUNT] = {"unknown", "on", "visits", "off", "away"};
    return words[mode < DW_MODE_COUNT ? mode : DW_MODE_UNKNOWN];
}

const char *dw_grant_change_word(uint32_t change)
{
    static const char *const words[DW_GRANT_CHANGE_COUNT] = {
        [DW_GRANT_CHANGE_NONE] = "none",         [DW_GRANT_CHANGE_ASKED] = "asked",
        [DW_GRANT_CHANGE_SIGNED] = "given",      [DW_GRANT_CHANGE_LIVE] = "live",
        [DW_GRANT_CHANGE_VETOED] = "vetoed",     [DW_GRANT_CHANGE_REVOKED] = "revoked",
        [DW_GRANT_CHANGE_REFUSED] = "refused",   [DW_GRANT_CHANGE_RESTORED] = "restored",
        [DW_GRANT_CHANGE_EXPECTED] = "expected",
    };
    return words[change < DW_GRANT_CHANGE_COUNT ? change : DW_GRANT_CHANGE_NONE];
}

const char *dw_story_value_word(enum dw_story kind, uint32_t value)
{
    switch (kind) {
    case DW_STORY_CAMERA_STATE: return dw_camera_state_word((enum dw_camera_state)value);
    case DW_STORY_VISIT_STATE: return dw_visit_state_word((enum dw_visit_state)value);
    case DW_STORY_VISIT_ENDED:
    case DW_STORY_CONFIRMED_LATE: return dw_outcome_word((enum dw_outcome)value);
    case DW_STORY_VISIT_REFUSED: return dw_check_code((enum dw_check)value);
    case DW_STORY_ALARM:
    case DW_STORY_ALARM_OVER:
    case DW_STORY_DEGRADED: return dw_alarm_code((enum dw_alarm)value);
    case DW_STORY_LOCK_STATE: return dw_bolt_word((enum dw_bolt)(value & 0xff));
    case DW_STORY_OPENING: return dw_cause_word((enum dw_cause)value);
    case DW_STORY_LINK: return value ? "up" : "down";
    case DW_STORY_CAMERA_MODE: return dw_camera_mode_word(value);
    case DW_STORY_GRANT: return dw_grant_change_word(value);
    case DW_STORY_NONE:
    case DW_STORY_HUB_STARTED:
    case DW_STORY_CHILD_LOST:
    case DW_STORY_JOB_STORED:
    case DW_STORY_JOB_RECALLED:
    case DW_STORY_VISIT_ASKED:
    case DW_STORY_UNLOCK_INTENT:
    case DW_STORY_EGRESS:
    case DW_STORY_SECURED:
    case DW_STORY_SEGMENT:
    case DW_STORY_OWNER_ACT:
    case DW_STORY_PEOPLE:
    case DW_STORY_SETTING:
    case DW_STORY_WISH:
    case DW_STORY_COUNT: break;
    }
    return NULL;
}
