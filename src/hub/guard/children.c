/* The children: their sockets, what each may say, and what their death means. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hub/guard/guard.h"
#include "os/os.h"

#define BACK_OFF_MS_MAX 2000u
#define HANGS_MS        10000u
#define OFFER_BYTES_MAX (96u * 1024u)
#define PER_TURN        64 /* messages of one child in one turn, so that none starves the others */
/* What a child may say at once, and each second. Frames, screens and a lock's words cost 1; what is
 * written into the record or goes on to another process costs more: about five a second for long.
 */
#define CREDIT        4000u
#define CREDIT_EACH_S 500u

static const char *const names[CHILD_COUNT] = {"front", "camera", "rtsp", "lock", "alert"};

/* What each child may say. Everything else is a fault of the child, and ends it. */
static const uint64_t may_say[CHILD_COUNT] = {
#define SAY(t) (UINT64_C(1) << DW_IPC_##t)
    [CHILD_FRONT] = SAY(READY) | SAY(LINK_IN) | SAY(LINK_STATE) | SAY(VIEWER) | SAY(OWNER) |
                    SAY(PEOPLE_ASK) | SAY(ALERT_SET) | SAY(KEY_WANTED),
    [CHILD_CAMERA] = SAY(READY) | SAY(FRAME) | SAY(FRAME_BAD) | SAY(FRAME_UNPROVEN) |
                     SAY(CAMERA_LINK) | SAY(SEGMENT) | SAY(DISK) | SAY(LINK_KEY),
    [CHILD_RTSP] = SAY(READY),
    [CHILD_LOCK] = SAY(READY) | SAY(LOCK_SIGNED) | SAY(LOCK_REPORT) | SAY(LOCK_LINK),
    [CHILD_ALERT] = SAY(READY) | SAY(ALERT_DONE),
#undef SAY
};

union message {
    struct dw_ipc_head head;
    struct dw_ipc_bytes bytes;
    struct dw_ipc_frame frame;
    struct dw_ipc_frame_bad frame_bad;
    struct dw_ipc_camera_link camera_link;
    struct dw_ipc_link_key link_key;
    struct dw_ipc_segment segment;
    struct dw_ipc_disk disk;
    struct dw_ipc_lock_report report;
    struct dw_ipc_link_state link_state;
    struct dw_ipc_link link;
    struct dw_ipc_viewer viewer;
    struct dw_ipc_owner owner;
    struct dw_ipc_people_ask people_ask;
    struct dw_ipc_alert_set alert_set;
    struct dw_ipc_alert_done alert_done;
    struct dw_ipc_state state;
};

static uint32_t cost_of(enum dw_ipc_type type)
{
    static const uint8_t cheap[DW_IPC_TYPE_COUNT] = {
        [DW_IPC_FRAME] = 1,       [DW_IPC_FRAME_BAD] = 1,    [DW_IPC_FRAME_UNPROVEN] = 1,
        [DW_IPC_LOCK_SIGNED] = 1, [DW_IPC_LOCK_REPORT] = 20, [DW_IPC_LINK_IN] = 1,
        [DW_IPC_VIEWER] = 1,      [DW_IPC_KEY_WANTED] = 1,   [DW_IPC_PEOPLE_ASK] = 1,
        [DW_IPC_ALERT_SET] = 20,  [DW_IPC_ALERT_DONE] = 20,
    };
    return cheap[type] ? cheap[type] : 100;
}

/* May it say that now? [I45] */
static bool is_paid(struct child *c, enum dw_ipc_type type)
{
    uint64_t now = dw_now().ms, more = (now - c->credit_ms) * CREDIT_EACH_S / 1000;
    if (more > 0) {
        c->credit = more >= CREDIT - c->credit ? CREDIT : c->credit + (uint32_t)more;
        c->credit_ms = now;
    }
    if (c->credit < cost_of(type))
        return false;
    c->credit -= cost_of(type);
    return true;
}

static void start_child(struct child *c);
static void on_again(uv_timer_t *t);

static void on_segment(struct guard *g, const struct dw_ipc_segment *m)
{
    /* The record names the evidence: which frames, and the hash of the file that holds them. */
    uint8_t detail[32 + 8 * 3 + 4 + 4];
    memcpy(detail, m->hash, 32);
    const uint64_t numbers[] = {m->first_seq, m->last_seq, m->bytes};
    for (size_t n = 0; n < 3; n++) {
        for (size_t i = 0; i < 8; i++)
            detail[32 + 8 * n + i] = (uint8_t)(numbers[n] >> (56 - 8 * i));
    }
    for (size_t i = 0; i < 4; i++) {
        detail[56 + i] = (uint8_t)(m->number >> (24 - 8 * i));
        detail[60 + i] = (uint8_t)(m->frames >> (24 - 8 * i));
    }
    struct store_write w = {
        .kind = DW_STORY_SEGMENT,
        .visit = m->visit,
        .at = guard_wall(g),
        .boot_ms = dw_now().ms,
        .detail = dw_view_of(detail, sizeof detail),
        .story = g->story_number + 1,
    };
    (void)store_write(g->store, &w);
    show_story(g, DW_STORY_SEGMENT, m->number, m->frames, 0);
}

static void on_owner(struct guard *g, const struct dw_ipc_owner *m)
{
    static const uint32_t events[] = {
        [DW_OWNER_NONE] = DW_EV_NONE,
        [DW_OWNER_LOCK_NOW] = DW_EV_OWNER_LOCK,
        [DW_OWNER_END_VISIT] = DW_EV_OWNER_END,
        [DW_OWNER_ACKNOWLEDGE] = DW_EV_OWNER_ACKNOWLEDGE,
        [DW_OWNER_RESTORED] = DW_EV_OWNER_ACKNOWLEDGE,
    };
    if (m->word == DW_OWNER_NONE || m->word >= DW_ARRAY_COUNT(events) ||
        people_is_guest(g, m->member))
        return;
    g->telling = g->door.visit;
    tell_by(g, DW_STORY_OWNER_ACT, m->word, 0, m->member);
    if (m->word == DW_OWNER_RESTORED) /* and what the old counts of the lock made look strange */
        authority_acknowledged(g, m->member);
    struct dw_event ev = {.type = events[m->word]};
    guard_feed(g, &ev);
}

/* Where alerts go is said by a session; whose places they are must be somebody who lives here. */
static void on_alert_set(struct guard *g, const struct dw_ipc_alert_set *m)
{
    struct dw_ipc_alert_set out = *m;
    if (people_role(g, m->member) == DW_MEMBER_NONE) {
        dw_log("warn", "alert_set", "refused=member");
        return;
    }
    child_send(g, CHILD_ALERT, DW_IPC_ALERT_SET, &out);
}

static void on_alert_done(struct guard *g, const struct dw_ipc_alert_done *m)
{
    struct dw_ipc_alert_done out = *m;
    if (m->vapid_pub[0]) /* its key, said once: for a front that starts later */
        g->alert_key = *m;
    child_send(g, CHILD_FRONT, DW_IPC_ALERT_DONE, &out);
}

static void give_pipe(struct guard *g)
{
    struct child *front = &g->child[CHILD_FRONT], *camera = &g->child[CHILD_CAMERA];
    int pair[2];
    if (!front->is_ready || !camera->is_ready ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        return;
    int room =
        4 * 1024 * 1024; /* a few key frames; what does not fit is dropped, never waited for */
    (void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    struct dw_ipc_pipe m = {0};
    if (dw_failed(dw_ipc_send_fd(camera->fd, DW_IPC_PIPE, &m, pair[0])) ||
        dw_failed(dw_ipc_send_fd(front->fd, DW_IPC_PIPE, &m, pair[1])))
        dw_log("warn", "live_pipe", "given=0");
    close(pair[0]);
    close(pair[1]);
}

static void on_ready(struct guard *g, struct child *c)
{
    if (c->is_ready) {
        child_kill(g, c->name, "ready twice");
        return;
    }
    c->is_ready = true;
    dw_log("info", "child", "name=%s ready=1 ms=%llu", names[c->name],
           (unsigned long long)(dw_now().ms - c->started_ms));
    if (c->name == CHILD_CAMERA)
        house_tell_live(g, true); /* before it can pass anything on */
    if (c->name == CHILD_FRONT || c->name == CHILD_CAMERA)
        give_pipe(g);
    if (c->name == CHILD_CAMERA) {
        /* Started anew in a visit: the recording goes on [I27]. */
        struct hello *h = hello_of(g, g->door.visit);
        struct dw_ipc_record m = {.visit = h ? h->visit : 0};
        if (g->door.is_recording && m.visit)
            child_send(g, CHILD_CAMERA, DW_IPC_RECORD_START, &m);
        eyes_tell_viewers(g);
    }
    if (c->name == CHILD_FRONT) {
        people_tell(g);
        authority_tell(g);
        expected_tell(g);
        guests_tell_all(g);
        house_tell_all(g);
        show_past(g);
        show_state(g, true);
        if (g->alert_key.vapid_pub[0])
            child_send(g, CHILD_FRONT, DW_IPC_ALERT_DONE, &g->alert_key);
    }
    if (c->name == CHILD_ALERT) {
        show_start(g);
        const struct hello *h = hello_of(g, g->door.visit);
        if (h)
            house_tell_who(g, h->visit);
        show_state(g, true);
    }
    bool all = true;
    for (size_t i = 0; i < CHILD_COUNT; i++) /* a home without alerts is a home */
        all &= i == CHILD_ALERT || !g->child[i].is_wanted || g->child[i].is_ready;
    if (all && !g->is_ready) {
        g->is_ready = true;
        dw_log("info", "hub", "ready=1");
        if (g->set.ready_file[0] &&
            dw_failed(dw_file_write(g->set.ready_file, dw_view_of("ready\n", 6), 0600)))
            dw_log("error", "ready_file", "written=0");
    }
}

static void dispatch(struct guard *g, struct child *c, enum dw_ipc_type type,
                     const union message *m)
{
    struct dw_event ev = {0};
    switch (type) {
    case DW_IPC_READY: on_ready(g, c); break;
    case DW_IPC_FRAME: eyes_on_frame(g, &m->frame); break;
    case DW_IPC_FRAME_BAD:
    case DW_IPC_FRAME_UNPROVEN: eyes_on_bad(g, &m->frame_bad); break;
    case DW_IPC_CAMERA_LINK: eyes_on_link(g, &m->camera_link); break;
    case DW_IPC_LINK_KEY: eyes_on_link_key(g, &m->link_key); break;
    case DW_IPC_SEGMENT: on_segment(g, &m->segment); break;
    case DW_IPC_DISK:
        ev.type = DW_EV_DISK;
        ev.value = m->disk.has_room;
        guard_feed(g, &ev);
        break;
    case DW_IPC_LOCK_SIGNED: bolt_on_signed(g, &m->bytes); break;
    case DW_IPC_LOCK_REPORT: bolt_on_report(g, &m->report); break;
    case DW_IPC_LOCK_LINK:
        g->lock.is_up = m->link_state.is_up != 0;
        dw_log("info", "lock_link", "up=%u", m->link_state.is_up);
        ev.type = m->link_state.is_up ? DW_EV_LOCK_LINK : DW_EV_LOCK_LOST;
        guard_feed(g, &ev);
        break;
    case DW_IPC_LINK_IN: link_on_message(g, &m->link); break;
    case DW_IPC_LINK_STATE: link_on_state(g, m->link_state.is_up != 0); break;
    case DW_IPC_VIEWER: show_on_viewer(g, &m->viewer); break;
    case DW_IPC_OWNER: on_owner(g, &m->owner); break;
    case DW_IPC_PEOPLE_ASK: people_on_ask(g, &m->people_ask); break;
    case DW_IPC_ALERT_SET: on_alert_set(g, &m->alert_set); break;
    case DW_IPC_ALERT_DONE: on_alert_done(g, &m->alert_done); break;
    case DW_IPC_KEY_WANTED: g->is_key_wanted = true; break;
    case DW_IPC_NONE:
    case DW_IPC_CAMERA_ASK:
    case DW_IPC_RECORD_START:
    case DW_IPC_RECORD_STOP:
    case DW_IPC_PIPE:
    case DW_IPC_LOCK_ASK:
    case DW_IPC_LOCK_COMMAND:
    case DW_IPC_LINK_OUT:
    case DW_IPC_DISPLAY:
    case DW_IPC_STATE:
    case DW_IPC_STORY:
    case DW_IPC_VIEWERS:
    case DW_IPC_HUB_NONCE:
    case DW_IPC_PEOPLE_ANSWER:
    case DW_IPC_PEOPLE:
    case DW_IPC_JOB:
    case DW_IPC_WHO:
    case DW_IPC_LIVE:
    case DW_IPC_PARAMS:
    case DW_IPC_GRANTS:
    case DW_IPC_EXPECTED:
    case DW_IPC_GUEST:
    case DW_IPC_LINK_PROOF:
    case DW_IPC_TYPE_COUNT: break;
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct child *c = poll->data;
    struct guard *g = c->guard;
    (void)status;
    (void)events;
    static union message m;
    for (int n = 0; n < PER_TURN && c->fd >= 0 && !c->is_killed; n++) {
        enum dw_ipc_type type = DW_IPC_NONE;
        int passed = -1;
        dw_err e = dw_ipc_receive(c->fd, &m, sizeof m, &type, &passed);
        if (passed >= 0)
            close(passed); /* nobody passes descriptors to the guard */
        if (dw_is(e, DW_E_BUSY))
            return;
        if (dw_failed(e)) {
            child_kill(g, c->name, dw_is(e, DW_E_IO) ? "closed" : "bad message");
            return;
        }
        if (!(may_say[c->name] & (UINT64_C(1) << type))) {
            child_kill(g, c->name, "may not say that");
            return;
        }
        if (!is_paid(c, type)) {
            if (type == DW_IPC_LINK_IN)
                continue; /* from outside, through the front: not its fault, and not heard */
            child_kill(g, c->name, "says too much");
            return;
        }
        dispatch(g, c, type, &m);
    }
}

static void on_poll_closed(uv_handle_t *h)
{
    struct child *c = h->data;
    c->is_closing = false;
    if (!c->is_running && c->is_wanted && !c->guard->is_stopping &&
        !uv_is_active((uv_handle_t *)&c->again))
        start_child(c);
}

static void let_go(struct child *c)
{
    if (c->fd < 0)
        return;
    uv_poll_stop(&c->poll);
    close(c->fd);
    c->fd = -1;
    c->is_closing = true;
    uv_close((uv_handle_t *)&c->poll, on_poll_closed);
}

static void say_to_nursery(struct guard *g, uint32_t word, enum child_name name, int fd3, int fd4)
{
    struct nursery_word w = {word, name, 0};
    union {
        char room[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control;
    memset(&control, 0, sizeof control);
    struct iovec v = {&w, sizeof w};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    if (fd3 >= 0) {
        int fds[2] = {fd3, fd4};
        size_t count = fd4 >= 0 ? 2 : 1;
        m.msg_control = control.room;
        m.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, count * sizeof(int));
    }
    (void)!sendmsg(g->nursery, &m, MSG_NOSIGNAL);
}

/* Class K0: the RTSP process writes access units into one end, the camera process reads the other.
 */
static int unsigned_pair[2] = {-1, -1};

static void start_child(struct child *c)
{
    struct guard *g = c->guard;
    int pair[2];
    if (c->is_running || c->is_closing || g->is_stopping)
        return;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) {
        uv_timer_start(&c->again, on_again, BACK_OFF_MS_MAX, 0); /* no descriptors left */
        return;
    }
    int room = 1024 * 1024;
    (void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    (void)setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    int fd4 = -1;
    if (unsigned_pair[0] >= 0)
        fd4 = c->name == CHILD_CAMERA ? unsigned_pair[0]
                                      : (c->name == CHILD_RTSP ? unsigned_pair[1] : -1);
    c->fd = pair[0];
    c->is_running = true;
    c->is_ready = c->is_killed = false;
    c->credit = CREDIT;
    c->credit_ms = dw_now().ms;
    c->starts++;
    c->started_ms = c->read_ms = dw_now().ms;
    c->unread = 0;
    say_to_nursery(g, NURSERY_START, c->name, pair[1], fd4);
    close(pair[1]);
    uv_poll_init(&g->loop, &c->poll, c->fd);
    c->poll.data = c;
    uv_poll_start(&c->poll, UV_READABLE, on_readable);
}

static void on_again(uv_timer_t *t)
{
    start_child(t->data);
}

/* A death is news, never an error path that opens anything. */
static void on_ended(struct guard *g, enum child_name name, int status)
{
    struct child *c = &g->child[name];
    if (!c->is_running)
        return;
    c->is_running = c->is_ready = false;
    dw_log("warn", "child", "name=%s ended=%d", names[name], status);
    let_go(c);
    if (g->is_stopping)
        return;
    g->telling = g->door.visit;
    tell(g, DW_STORY_CHILD_LOST, name, 0);
    if (name == CHILD_CAMERA)
        eyes_lost(g);
    else if (name == CHILD_LOCK)
        bolt_lost(g);
    else if (name == CHILD_FRONT) {
        g->is_link_up = false;
        memset(g->has_viewer, 0, sizeof g->has_viewer); /* their leases run out by themselves */
    }
    uint64_t lived = dw_now().ms - c->started_ms;
    if (lived > 30000)
        c->starts = 0;
    uint64_t wait = 50u << (c->starts < 6 ? c->starts : 6);
    uv_timer_start(&c->again, on_again, wait > BACK_OFF_MS_MAX ? BACK_OFF_MS_MAX : wait, 0);
}

static void on_nursery(uv_poll_t *poll, int status, int events)
{
    struct guard *g = poll->data;
    struct nursery_word w;
    (void)status;
    (void)events;
    ssize_t n;
    while ((n = recv(g->nursery, &w, sizeof w, MSG_DONTWAIT)) == (ssize_t)sizeof w) {
        if (w.word == NURSERY_ENDED && w.name < CHILD_COUNT)
            on_ended(g, (enum child_name)w.name, w.status);
    }
    if (n == 0)
        uv_stop(&g->loop); /* without the nursery there are no children; it starts us anew */
}

void child_kill(struct guard *g, enum child_name name, const char *why)
{
    struct child *c = &g->child[name];
    if (!c->is_running || c->is_killed)
        return;
    c->is_killed = true;
    dw_log("warn", "child", "name=%s killed=\"%s\"", names[name], why);
    uv_poll_stop(&c->poll);
    say_to_nursery(g, NURSERY_KILL, name, -1, -1);
}

bool child_offer(struct guard *g, enum child_name name, enum dw_ipc_type type, void *message)
{
    struct child *c = &g->child[name];
    int unread = 0;
    if (!c->is_ready || c->is_killed || c->fd < 0)
        return false;
    /* Room is left for what cannot wait. */
    if (ioctl(c->fd, TIOCOUTQ, &unread) == 0 && unread > (int)OFFER_BYTES_MAX)
        return false;
    return !dw_failed(dw_ipc_send(c->fd, type, message));
}

/* Alive is who reads: what a child has not read for so long, it will not read. */
void children_tidy(struct guard *g)
{
    uint64_t now = dw_now().ms;
    for (size_t i = 0; i < CHILD_COUNT; i++) {
        struct child *c = &g->child[i];
        int unread = 0;
        if (!c->is_ready || c->is_killed || c->fd < 0 || ioctl(c->fd, TIOCOUTQ, &unread) != 0 ||
            unread < c->unread || unread == 0)
            c->read_ms = now;
        c->unread = unread;
        if (now - c->read_ms > HANGS_MS)
            child_kill(g, c->name, "hangs");
    }
}

void child_send(struct guard *g, enum child_name name, enum dw_ipc_type type, void *message)
{
    struct child *c = &g->child[name];
    if (!c->is_running || c->is_killed || c->fd < 0)
        return;
    dw_err e = dw_ipc_send(c->fd, type, message);
    if (dw_is(e, DW_E_BUSY))
        child_kill(g, name, "does not listen");
}

dw_err children_start(struct guard *g)
{
    uv_poll_init(&g->loop, &g->nursery_poll, g->nursery);
    g->nursery_poll.data = g;
    uv_poll_start(&g->nursery_poll, UV_READABLE, on_nursery);
    char path[512];
    bool k0 = strcmp(g->set.camera_class, "k0") == 0;
    bool has_alert = !dw_failed(dw_libexec("hub-alert", path, sizeof path));
    if (k0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, unsigned_pair) != 0)
        return dw_fail(DW_E_IO);
    for (size_t i = 0; i < CHILD_COUNT; i++) {
        struct child *c = &g->child[i];
        *c = (struct child){.guard = g, .name = (enum child_name)i, .fd = -1};
        c->is_wanted = i == CHILD_RTSP ? k0 : i != CHILD_ALERT || has_alert;
        uv_timer_init(&g->loop, &c->again);
        c->again.data = c;
        if (c->is_wanted)
            start_child(c);
    }
    return DW_OK;
}

void children_stop(struct guard *g)
{
    g->is_stopping = true;
    for (size_t i = 0; i < CHILD_COUNT; i++)
        child_kill(g, (enum child_name)i, "stop");
}
