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
    struct dw_ipc_people people;
    struct dw_ipc_people_answer answer;
    struct dw_ipc_params params;
    struct dw_ipc_job job;
    struct dw_ipc_who who;
    struct dw_ipc_alert_done done;
    struct dw_ipc_grants grants;
    struct dw_ipc_expected expected;
    struct dw_ipc_guest guest;
    uint8_t room[8192];
};

static void on_state(struct dw_front *f, const struct dw_ipc_state *s)
{
    struct dw_note *n = dw_say_state(s);
    if (!n)
        return;
    f->visit = s->visit;
    dw_note_drop(f->state);
    f->state = n;
    dw_front_pages_push(f, n);
}

/* ---- old lines ---- */

#define STORY_NOW_MS  5000 /* a line that is older than this is no news */
#define STORY_AT_ONCE 256u /* lines of one answer [hub/people.h] */
#define STORY_WAIT_MS 10000u
#define STORY_BACK    20000u /* lines; older ones are not fetched */

static void ask_story(struct dw_front *f)
{
    uint64_t now = dw_now().ms;
    if (f->story_ticket || now < f->story_until_ms)
        return;
    struct dw_ipc_people_ask m = {.ticket = dw_front_ticket(f), .op = DW_PEOPLE_STORY};
    m.value = f->story_asked = dw_book_story_whole(f->book) + 1;
    f->story_heard = 0;
    f->story_lines = 0;
    if (dw_failed(dw_ipc_send(DW_IPC_FD, DW_IPC_PEOPLE_ASK, &m)))
        return; /* the tick tries again */
    f->story_ticket = m.ticket;
    f->story_until_ms = now + STORY_WAIT_MS;
}

/* All lines that were asked for have come; `newest` is the number of the guard's last. */
static void on_story_answer(struct dw_front *f, uint64_t newest)
{
    uint64_t whole = f->story_asked - 1;
    f->story_until_ms = 0;
    if (newest < whole) { /* the guard has started a new life */
        dw_log("warn", "story_restarted", "had=%llu newest=%llu", (unsigned long long)whole,
               (unsigned long long)newest);
        dw_book_story_forget(f->book);
        ask_story(f);
        return;
    }
    /* Numbers have gaps over a restart of the guard, so the lines are counted. */
    whole = f->story_lines < STORY_AT_ONCE ? newest : f->story_heard;
    if (newest > STORY_BACK && whole < newest - STORY_BACK)
        whole = newest - STORY_BACK;
    dw_book_story_whole_set(f->book, whole);
    if (whole < newest)
        ask_story(f);
}

static void note_story(struct dw_front *f, const struct dw_ipc_story *s)
{
    dw_book_story(f->book, s);
    if (f->story_ticket) {
        if (s->number >= f->story_asked && ++f->story_lines <= STORY_AT_ONCE)
            f->story_heard = s->number;
        return;
    }
    uint64_t whole = dw_book_story_whole(f->book);
    if (s->number == whole + 1)
        dw_book_story_whole_set(f->book, s->number);
    else if (s->number > whole)
        ask_story(f); /* some are missing in between */
}

static void on_story(struct dw_front *f, const struct dw_ipc_story *s)
{
    note_story(f, s);
    if (s->number <= f->story_top)
        return; /* told to the pages already, or older than what they are told */
    f->story_top = s->number;
    int64_t age = dw_book_now_ms() - s->utc_ms;
    bool is_past = f->story_ticket && (s->utc_ms <= 0 || age > STORY_NOW_MS);
    struct dw_note *n = dw_say_story(s, is_past);
    if (n)
        dw_front_pages_push(f, n);
    dw_note_drop(n);
    /* Told again to a page that comes later; as past, so that nothing old is announced as new. */
    struct dw_note **kept = &f->story[f->story_count % DW_FRONT_STORY_MAX];
    dw_note_drop(*kept);
    *kept = dw_say_story(s, true);
    f->story_count++;
}

void dw_front_guard_tick(struct dw_front *f, uint64_t now_ms)
{
    if (now_ms >= f->story_until_ms)
        f->story_ticket = 0;
    if (f->has_people && dw_book_story_whole(f->book) < f->story_top)
        ask_story(f);
}

/* ---- the household ---- */

static void on_people(struct dw_front *f, const struct dw_ipc_people *p)
{
    for (uint32_t i = 0; f->has_people && i < DW_MEMBERS_MAX; i++) {
        uint32_t id = f->people.member[i].id;
        bool is_here = id == 0;
        for (uint32_t k = 0; k < DW_MEMBERS_MAX; k++)
            is_here = is_here || p->member[k].id == id;
        if (is_here)
            continue;
        struct dw_ipc_alert_set forget = {.member = id, .word = DW_ALERT_FORGET};
        (void)!dw_ipc_send(DW_IPC_FD, DW_IPC_ALERT_SET, &forget).code;
    }
    bool is_first = !f->has_people;
    f->people = *p;
    f->has_people = true;
    dw_book_tidy(f->book, &f->people);
    dw_front_pages_check(f);
    dw_front_guests_changed(f);
    if (is_first)
        ask_story(f);
}

static void on_grants(struct dw_front *f, const struct dw_ipc_grants *g)
{
    if (memcmp(&f->grants, g, sizeof(*g)) == 0)
        return; /* told with something else that changed */
    f->grants = *g;
    dw_front_guests_changed(f);
    struct dw_note *n = dw_say_grants(g);
    if (n)
        dw_front_pages_push(f, n);
    dw_note_drop(n);
}

static void on_job(struct dw_front *f, const struct dw_ipc_job *job)
{
    uint32_t at = 0, oldest = 0;
    while (at < f->job_count && memcmp(f->job[at].id, job->id, sizeof(job->id)) != 0)
        at++;
    if (job->state == DW_JOB_NONE || job->state >= DW_JOB_STATE_COUNT) {
        if (at < f->job_count)
            f->job[at] = f->job[--f->job_count];
        return;
    }
    if (at == DW_FRONT_JOBS_MAX) {
        for (uint32_t i = 1; i < DW_FRONT_JOBS_MAX; i++) {
            if (f->job[i].exp_s < f->job[oldest].exp_s)
                oldest = i;
        }
        at = oldest;
    }
    f->job[at] = *job;
    if (at == f->job_count)
        f->job_count++;
}

static void on_alert_done(struct dw_front *f, const struct dw_ipc_alert_done *d)
{
    if (d->vapid_pub[0] == 4) /* an uncompressed point */
        dw_book_vapid_set(f->book, d->vapid_pub);
    if (d->endpoint[0])
        dw_book_place_done(f->book, d);
}

static void on_answer(struct dw_front *f, const struct dw_ipc_people_answer *a)
{
    if (a->ticket == 0 || a->ticket != f->story_ticket) {
        dw_front_on_answer(f, a);
        return;
    }
    f->story_ticket = 0;
    if (a->no == DW_PEOPLE_NO_NONE) /* else: again when the time for it has passed */
        on_story_answer(f, a->value);
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
        else if (type == DW_IPC_PEOPLE_ANSWER)
            on_answer(f, &in.answer);
        else if (type == DW_IPC_PEOPLE)
            on_people(f, &in.people);
        else if (type == DW_IPC_PARAMS)
            f->params = in.params;
        else if (type == DW_IPC_GRANTS)
            on_grants(f, &in.grants);
        else if (type == DW_IPC_EXPECTED)
            f->expected = in.expected; /* the story tells the pages */
        else if (type == DW_IPC_GUEST)
            dw_front_on_guest(f, &in.guest);
        else if (type == DW_IPC_JOB)
            on_job(f, &in.job);
        else if (type == DW_IPC_WHO)
            dw_book_who(f->book, &in.who);
        else if (type == DW_IPC_ALERT_DONE)
            on_alert_done(f, &in.done);
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

enum dw_owner_word dw_front_owner_word(const char *word)
{
    return strcmp(word, "lock_now") == 0       ? DW_OWNER_LOCK_NOW
           : strcmp(word, "end_visit") == 0    ? DW_OWNER_END_VISIT
           : strcmp(word, "acknowledge") == 0  ? DW_OWNER_ACKNOWLEDGE
           : strcmp(word, "let_in_again") == 0 ? DW_OWNER_RESTORED
                                               : DW_OWNER_NONE;
}

bool dw_front_guard_owner(struct dw_front *f, enum dw_owner_word word, uint32_t member)
{
    struct dw_ipc_owner m = {.word = (uint32_t)word, .member = member};
    dw_err e = dw_ipc_send(DW_IPC_FD, DW_IPC_OWNER, &m);
    if (dw_failed(e) && !dw_is(e, DW_E_BUSY))
        dw_front_end(f, "guard is gone");
    return !dw_failed(e);
}

void dw_front_guard_key_wanted(struct dw_front *f)
{
    struct dw_ipc_key_wanted m = {0};
    uint64_t now = dw_now().ms;
    if (f->key_wanted_ms && now - f->key_wanted_ms < 1000)
        return;
    f->key_wanted_ms = now;
    send_small(f, DW_IPC_KEY_WANTED, &m);
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
