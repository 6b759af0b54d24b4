#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hub/front/front.h"
#include "os/os.h"

/* The largest message the guard sends to a front. */
union incoming {
    struct dw_ipc_head head;
    struct dw_ipc_link link;
    struct dw_ipc_display display;
    struct dw_ipc_state state;
    struct dw_ipc_story story;
    struct dw_ipc_hub_nonce nonce;
    struct dw_ipc_pipe pipe;
    uint8_t room[8192];
};

static void on_state(struct dw_front *f, const struct dw_ipc_state *s)
{
    struct dw_note *n = dw_say_state(s);
    if (!n)
        return;
    dw_note_drop(f->state);
    f->state = n;
    dw_front_pages_push(f, n);
}

static void on_story(struct dw_front *f, const struct dw_ipc_story *s)
{
    struct dw_note *n = dw_say_story(s, false);
    if (n)
        dw_front_pages_push(f, n);
    dw_note_drop(n);
    /* Told again to a page that comes later; as past, so that nothing old is announced as new. */
    struct dw_note **kept = &f->story[f->story_count % DW_FRONT_STORY_MAX];
    dw_note_drop(*kept);
    *kept = dw_say_story(s, true);
    f->story_count++;
}

static void on_display(struct dw_front *f, const struct dw_ipc_display *d)
{
    if (d->slot >= DW_VIEWERS_MAX || !f->page[d->slot].wsi)
        return; /* the page has gone meanwhile; its nonce makes the statement useless to others */
    struct dw_note *n = dw_say_display(d);
    if (n)
        dw_front_page_push(f, &f->page[d->slot], n);
    dw_note_drop(n);
}

static void on_nonce(struct dw_front *f, const struct dw_ipc_hub_nonce *m)
{
    memcpy(f->nonce[f->nonce_count % DW_FRONT_NONCES_MAX], m->nonce, 32);
    f->nonce_count++;
    struct dw_note *n = dw_say_hub_nonce(m->nonce);
    if (n)
        dw_front_pages_push(f, n);
    dw_note_drop(n);
}

static void watch_guard(struct dw_front *f);

static void pass_waiting(struct dw_front *f)
{
    while (f->wait_first) {
        struct dw_link_wait *w = f->wait_first;
        dw_err e = dw_ipc_send(DW_IPC_FD, DW_IPC_LINK_IN, &w->message);
        if (dw_is(e, DW_E_BUSY))
            return;
        if (dw_failed(e)) {
            dw_front_end(f, "guard is gone");
            return;
        }
        f->wait_first = w->next;
        if (!f->wait_first)
            f->wait_last = NULL;
        f->wait_count--;
        free(w);
    }
}

static void on_guard(uv_poll_t *poll, int status, int events)
{
    struct dw_front *f = poll->data;
    (void)status;
    if (events & UV_WRITABLE)
        pass_waiting(f);
    /* A bounded turn, so that a busy guard does not starve the pages. */
    for (int i = 0; i < 64 && !f->is_ending; i++) {
        union incoming in;
        enum dw_ipc_type type;
        int fd;
        dw_err e = dw_ipc_receive(DW_IPC_FD, &in, sizeof(in), &type, &fd);
        if (dw_is(e, DW_E_BUSY))
            break;
        if (dw_failed(e)) {
            dw_front_end(f, dw_err_text(e));
            return;
        }
        if (type == DW_IPC_STATE)
            on_state(f, &in.state);
        else if (type == DW_IPC_STORY)
            on_story(f, &in.story);
        else if (type == DW_IPC_DISPLAY)
            on_display(f, &in.display);
        else if (type == DW_IPC_HUB_NONCE)
            on_nonce(f, &in.nonce);
        else if (type == DW_IPC_LINK_OUT)
            dw_front_link_send(f, &in.link);
        else if (type == DW_IPC_PIPE)
            dw_front_live_start(f, fd);
        else
            dw_front_end(f, "the guard sent what is not for a front");
    }
    watch_guard(f);
}

static void watch_guard(struct dw_front *f)
{
    if (f->is_ending)
        return;
    int events = UV_READABLE | (f->wait_first ? UV_WRITABLE : 0);
    uv_poll_start(&f->guard, events, on_guard);
}

dw_err dw_front_guard_start(struct dw_front *f)
{
    if (uv_poll_init(&f->loop, &f->guard, DW_IPC_FD) != 0)
        return dw_fail(DW_E_IO);
    f->guard.data = f;
    watch_guard(f);
    return DW_OK;
}

/* For small words that may be lost: the page repeats them. */
static void send_small(struct dw_front *f, enum dw_ipc_type type, void *message)
{
    dw_err e = dw_ipc_send(DW_IPC_FD, type, message);
    if (dw_is(e, DW_E_BUSY))
        dw_trace("front: guard busy, dropped message type %d", (int)type);
    else if (dw_failed(e))
        dw_front_end(f, "guard is gone");
}

void dw_front_guard_viewer(struct dw_front *f, uint32_t slot, enum dw_viewer_word word,
                           const uint8_t nonce[32])
{
    struct dw_ipc_viewer m = {.slot = slot, .word = (uint32_t)word};
    if (nonce)
        memcpy(m.nonce, nonce, sizeof(m.nonce));
    send_small(f, DW_IPC_VIEWER, &m);
}

void dw_front_guard_owner(struct dw_front *f, enum dw_owner_word word)
{
    struct dw_ipc_owner m = {.word = (uint32_t)word};
    send_small(f, DW_IPC_OWNER, &m);
}

void dw_front_guard_link_state(struct dw_front *f, bool is_up)
{
    struct dw_ipc_link_state m = {.is_up = is_up};
    send_small(f, DW_IPC_LINK_STATE, &m);
}

void dw_front_guard_link_in(struct dw_front *f, struct dw_view payload)
{
    if (payload.len == 0 || payload.len > DW_LINK_PAYLOAD_MAX) {
        dw_log("warn", "link_in_size", "bytes=%zu", payload.len);
        return;
    }
    struct dw_ipc_link m = {.arrived_ms = dw_now().ms, .len = (uint16_t)payload.len};
    memcpy(m.bytes, payload.ptr, payload.len);
    if (!f->wait_first) {
        dw_err e = dw_ipc_send(DW_IPC_FD, DW_IPC_LINK_IN, &m);
        if (!dw_failed(e))
            return;
        if (!dw_is(e, DW_E_BUSY)) {
            dw_front_end(f, "guard is gone");
            return;
        }
    }
    struct dw_link_wait *w = f->wait_count < DW_FRONT_LINK_WAIT_MAX ? malloc(sizeof(*w)) : NULL;
    if (!w) {
        dw_log("warn", "link_in_dropped", "waiting=%u", f->wait_count);
        return;
    }
    *w = (struct dw_link_wait){m, NULL};
    if (f->wait_last)
        f->wait_last->next = w;
    else
        f->wait_first = w;
    f->wait_last = w;
    f->wait_count++;
    watch_guard(f);
}
