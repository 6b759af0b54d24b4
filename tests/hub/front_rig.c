/* A stand-in for guard and camera around a real doorward-front, led line by line from a test
 * script.
 *
 *   front_rig FRONT CONFIG [STREAM.h264 [OTHER.h264]]
 *
 * Starts FRONT with its socket on descriptor 3, gives it a live pipe, then reads commands on stdin
 * and writes what it sees on stdout, one line each. STREAM: Annex B with an access unit delimiter
 * before each picture; played in a loop as signed frames.
 *
 * Commands: state [key=number|text]...   story KIND VALUE VALUE2 VISIT   opening 0|1   play FPS (0:
 * stop) tamper N   inject N (records of ours, pictures of OTHER)   swap N (signed by another key)
 * replay N   still-nonce 0|1 (frames keep an old list) display 0|1 (answer screens)   plain 0|1
 * (class K0)   frame BYTES KEY (bytes of no picture) link_out ENROL HEX   piece TOTAL OFFSET BYTES
 * (raw piece)   garbage N (bytes on the guard's socket) pipe (a new live pipe)   quit
 *
 * The household: 1 Ada, owner, two passkeys; 2 Ben, occupant. Every question of the front is
 * written as "ask OP ACT MEMBER TARGET VALUE NAME TEXT ID" and answered: a passkey whose id is the
 * bytes "member-N" is N's; the token "good" invites. Commands: member ID ROLE NAME   gone ID
 * people   mute 0|1 (no answers)   no N (the next answer refuses)   life (the story begins anew)
 * agency N WAITING NAME   grant N STATE NAME   restored 0|1 (ids: N in the last byte; a grant that
 * is being given is 99, and member-N-2 must sign it; written as "grant ...") who VISIT KIND
 * IS_OWNER MEMBER VISITOR AGENCY   job N STATE AGENCY   params   vapid alert_done STATUS GONE
 * ENDPOINT
 * Guests: grant_to N STATE NAME MEMBER   guest MEMBER STATE VISIT VISIT_STATE CHECK
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "crypto/crypto.h"
#include "crypto/signed.h"
#include "hub/ipc.h"
#include "media/h264.h"
#include "os/os.h"
#include "wire/camera.h"
#include "wire/visit.h"

#define UNITS_MAX 2000u
#define KEPT      64u /* sent frames kept for a replay */

static uv_loop_t loop;
static uv_poll_t guard_poll, stdin_poll;
static uv_timer_t frame_timer, hub_timer;
static int guard_fd = -1, live_fd = -1;
static pid_t front;
static struct dw_secret hub, device, camera, stranger; /* `camera`: of its session */
static struct dw_ipc_state state;
static uint64_t story_number;
static struct dw_ipc_story told[4096];
static struct dw_ipc_people people = {.count = 2, .credential_count = 3, .epoch = 1};
static struct dw_ipc_grants grants = {.epoch = 7};
static struct dw_ipc_expected expected;
static char signer[DW_CRED_ID_MAX];
static bool is_mute;
static uint8_t next_no;
static struct {
    uint8_t challenge[32];
    uint8_t act;
} given[64];
static uint32_t given_count;
static bool answers_screens = true, keeps_old_list, is_plain;

struct units {
    struct dw_view unit[UNITS_MAX];
    uint32_t count, next;
};
static struct units ours, foreign;
static uint32_t to_tamper, to_swap, to_inject;

static uint8_t hub_nonce[32], viewer[DW_VIEWERS_MAX][32], old_viewer[DW_VIEWERS_MAX][32];
static bool has_viewer[DW_VIEWERS_MAX];
static uint64_t t_rx_us, seq, live_frame;
static uint8_t chain[32], pset_hash[32], boot_seed[16];

struct kept {
    struct dw_live_head head;
    uint8_t *body;
};
static struct kept kept[KEPT];
static uint32_t kept_count;

static void fatal(const char *what)
{
    fprintf(stderr, "front_rig: %s: %s\n", what, strerror(errno));
    if (front > 0)
        kill(front, SIGKILL);
    exit(1);
}

static void say_hex(const char *word, const void *bytes, size_t len)
{
    printf("%s ", word);
    for (size_t i = 0; i < len; i++)
        printf("%02x", ((const uint8_t *)bytes)[i]);
    printf("\n");
    fflush(stdout);
}

/* ---- camera ---- */

static void send_pieces(struct dw_live_head head, const uint8_t *body)
{
    static uint8_t out[sizeof(struct dw_live_head) + 32768];
    for (uint32_t at = 0; at < head.total;) {
        uint32_t n = head.total - at < 32768 ? head.total - at : 32768;
        head.offset = at;
        memcpy(out, &head, sizeof(head));
        memcpy(out + sizeof(head), body + at, n);
        if (send(live_fd, out, sizeof(head) + n, MSG_NOSIGNAL) < 0)
            return;
        at += n;
    }
}

static size_t make_record(struct dw_view au, const uint8_t *viewers, uint32_t count,
                          uint8_t *ret_record)
{
    struct dw_au_info info;
    uint8_t payload[DW_FRAME_RECORD_MAX], echoed[32];
    if (dw_failed(dw_au_inspect(au, &info)))
        fatal("access unit");
    if (info.has_pset)
        memcpy(pset_hash, info.pset_hash, 32);
    dw_sha256_2(dw_view_of(hub_nonce, 32), dw_view_of(viewers, 32u * count), echoed);
    struct dw_frame_record r = {.boot_count = 7,
                                .visit = state.visit,
                                .seq = ++seq,
                                .t_rx_us = t_rx_us,
                                .t_exp_us = dw_now_us(),
                                .luma = 120,
                                .spread = 40};
    memcpy(r.echo, echoed, 32);
    memcpy(r.boot_seed, boot_seed, 16);
    snprintf(r.software, sizeof(r.software), "rig");
    memcpy(r.au_hash, info.au_hash, 32);
    memcpy(r.pset_hash, pset_hash, 32);
    memcpy(r.chain, chain, 32);
    struct dw_buf p = dw_buf_of(payload, sizeof(payload));
    struct dw_buf out = dw_buf_of(ret_record, DW_FRAME_RECORD_MAX);
    const struct dw_secret *by = to_swap > 0 ? (to_swap--, &stranger) : &camera;
    if (dw_failed(dw_frame_record_write(&r, &p)) ||
        dw_failed(dw_signed_make(by, DW_CONTEXT_FRAME, dw_view_of_buf(&p), &out)))
        fatal("record");
    dw_sha256(dw_view_of_buf(&out), chain);
    return out.len;
}

static void send_unit(struct dw_view au)
{
    uint8_t record[DW_FRAME_RECORD_MAX], viewers[DW_VIEWERS_MAX * 32];
    uint32_t count = 0;
    for (uint32_t i = 0; i < DW_VIEWERS_MAX; i++) {
        if (has_viewer[i])
            memcpy(viewers + 32 * count++, keeps_old_list ? old_viewer[i] : viewer[i], 32);
    }
    size_t record_len = is_plain ? 0 : make_record(au, viewers, count, record);
    if (is_plain)
        count = 0;
    if (to_inject > 0 && foreign.count > 0) {
        to_inject--;
        au = foreign.unit[foreign.next];
        foreign.next = (foreign.next + 1) % foreign.count;
    }
    size_t before = record_len + 32u * count, total = before + au.len;
    uint8_t *body = malloc(total);
    if (!body)
        fatal("memory");
    memcpy(body, record, record_len);
    memcpy(body + record_len, viewers, 32u * count);
    memcpy(body + before, au.ptr, au.len);
    if (to_tamper > 0) {
        to_tamper--;
        body[before + au.len / 2] ^= 1; /* after it was signed */
    }
    struct dw_au_info info;
    bool is_key = !dw_failed(dw_au_inspect(au, &info)) && info.is_key;
    struct dw_live_head head = {.frame = ++live_frame,
                                .arrived_ms = dw_now().ms,
                                .total = (uint32_t)total,
                                .record_len = (uint16_t)record_len,
                                .viewers = (uint8_t)count,
                                .is_key = is_key,
                                .camera_class = is_plain ? DW_CAMERA_K0 : DW_CAMERA_K2};
    send_pieces(head, body);
    struct kept *k = &kept[kept_count++ % KEPT];
    free(k->body);
    *k = (struct kept){head, body};
}

static void on_frame(uv_timer_t *t)
{
    (void)t;
    send_unit(ours.unit[ours.next]);
    ours.next = (ours.next + 1) % ours.count;
}

/* Splits at access unit delimiters (NAL type 9). */
static void load_stream(const char *path, struct units *u)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        fatal(path);
    fseek(f, 0, SEEK_END);
    size_t len = (size_t)ftell(f), from = 0;
    rewind(f);
    uint8_t *bytes = malloc(len); /* kept */
    if (!bytes || fread(bytes, 1, len, f) != len)
        fatal(path);
    fclose(f);
    for (size_t i = 1; i + 5 < len && u->count + 1 < UNITS_MAX; i++) {
        if (memcmp(bytes + i, "\0\0\0\1", 4) == 0 && (bytes[i + 4] & 0x1f) == 9) {
            u->unit[u->count++] = dw_view_of(bytes + from, i - from);
            from = i;
        }
    }
    u->unit[u->count++] = dw_view_of(bytes + from, len - from);
}

/* ---- guard ---- */

static void send_front(enum dw_ipc_type type, void *m)
{
    if (dw_failed(dw_ipc_send(guard_fd, type, m)))
        fprintf(stderr, "front_rig: front does not take type %d\n", (int)type);
}

static void new_nonce(uv_timer_t *t)
{
    (void)t;
    struct dw_ipc_hub_nonce m = {0};
    dw_random(hub_nonce, 32);
    t_rx_us = dw_now_us();
    memcpy(m.nonce, hub_nonce, 32);
    send_front(DW_IPC_HUB_NONCE, &m);
}

static void send_state(void)
{
    state.at_ms = dw_now().ms;
    struct dw_ipc_state copy = state;
    send_front(DW_IPC_STATE, &copy);
}

static void send_display(uint32_t slot, const uint8_t nonce[32])
{
    uint8_t payload[512];
    struct dw_ipc_display m = {.slot = slot};
    struct dw_display d = {.bolt = state.bolt,
                           .contact = state.contact,
                           .strike = state.strike,
                           .is_secured = state.is_secured,
                           .lease_ms = state.is_secured ? 3000 : 0,
                           .visit_state = state.visit_state};
    memcpy(d.hub, hub.key.thumb, 32);
    memcpy(d.viewer_nonce, nonce, 32);
    struct dw_buf p = dw_buf_of(payload, sizeof(payload)),
                  out = dw_buf_of(m.bytes, sizeof(m.bytes));
    if (dw_failed(dw_display_write(&d, &p)) ||
        dw_failed(dw_signed_make(&hub, DW_CONTEXT_DISPLAY, dw_view_of_buf(&p), &out)))
        fatal("display");
    m.len = (uint16_t)out.len;
    send_front(DW_IPC_DISPLAY, &m);
}

static void on_viewer(const struct dw_ipc_viewer *m)
{
    char word[64];
    snprintf(word, sizeof(word), "viewer %u %u", m->slot, m->word);
    say_hex(word, m->nonce, 32);
    if (m->slot >= DW_VIEWERS_MAX)
        return;
    if (m->word == DW_VIEWER_GONE)
        has_viewer[m->slot] = false;
    if (m->word != DW_VIEWER_ASKS)
        return;
    if (!has_viewer[m->slot])
        memcpy(old_viewer[m->slot], m->nonce, 32);
    has_viewer[m->slot] = true;
    memcpy(viewer[m->slot], m->nonce, 32);
    if (answers_screens) {
        send_display(m->slot, m->nonce);
        send_state();
    }
}

static void ended(const char *why)
{
    int status = 0;
    kill(front, SIGTERM);
    waitpid(front, &status, 0);
    printf("ended %s %d\n", why, status);
    fflush(stdout);
    exit(0);
}

static void new_pipe(void)
{
    int pair[2];
    struct dw_ipc_pipe m = {0};
    if (live_fd >= 0)
        close(live_fd);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        fatal("socketpair");
    if (dw_failed(dw_ipc_send_fd(guard_fd, DW_IPC_PIPE, &m, pair[1])))
        fatal("pipe");
    close(pair[1]);
    live_fd = pair[0];
}

/* ---- the household ---- */

static void send_people(void)
{
    struct dw_ipc_people copy = people;
    send_front(DW_IPC_PEOPLE, &copy);
}

static void set_member(uint32_t id, uint8_t role, const char *name, uint32_t passkeys)
{
    struct dw_ipc_member *m = NULL;
    for (uint32_t i = 0; i < DW_MEMBERS_MAX; i++) {
        if (people.member[i].id == id || (!m && people.member[i].id == 0))
            m = &people.member[i];
    }
    if (!m)
        return;
    *m = (struct dw_ipc_member){.id = id, .role = role, .since_utc_ms = 1700000000000};
    snprintf(m->name, sizeof(m->name), "%s", name);
    for (uint32_t i = 0; i < DW_CREDENTIALS_MAX && passkeys > 0; i++) {
        struct dw_ipc_credential *c = &people.credential[i];
        if (c->member)
            continue;
        *c = (struct dw_ipc_credential){
            .member = id, .number = i + 1, .added_utc_ms = 1700000000000};
        memset(c->thumb, (int)id, sizeof(c->thumb));
        c->id_len = (uint8_t)snprintf((char *)c->id, sizeof(c->id), "member-%u-%u", id, passkeys);
        snprintf(c->label, sizeof(c->label), "key %u", passkeys--);
    }
}

static void send_grants(void)
{
    struct dw_ipc_grants copy = grants;
    send_front(DW_IPC_GRANTS, &copy);
}

static struct dw_ipc_grant *grant_of(const uint8_t id[16])
{
    for (uint32_t i = 0; i < grants.grant_count; i++) {
        if (memcmp(grants.grant[i].id, id, 16) == 0)
            return &grants.grant[i];
    }
    return NULL;
}

/* The newest first, and no more of the guard's rules than the pages can see. */
static void expect(const struct dw_ipc_people_ask *m, struct dw_ipc_people_answer *a)
{
    uint32_t at = 0;
    while (at < expected.count && strcmp(expected.item[at].code, m->text) != 0)
        at++;
    if (m->op == DW_PEOPLE_EXPECT && at == expected.count) {
        struct dw_expected *x = &expected.item[expected.count++];
        *x = (struct dw_expected){.member = m->member, .at_utc_ms = 1900000000000};
        snprintf(x->code, sizeof(x->code), "%.128s", m->text);
        memcpy(x->note, m->name, sizeof(x->note));
    } else if (m->op == DW_PEOPLE_EXPECT_NOT && at == expected.count) {
        a->no = DW_PEOPLE_NO_NO_SUCH;
    } else if (m->op == DW_PEOPLE_EXPECT_NOT) {
        expected.item[at] = expected.item[--expected.count];
        memset(&expected.item[expected.count], 0, sizeof(expected.item[0]));
    }
    struct dw_ipc_expected copy = expected;
    send_front(DW_IPC_EXPECTED, &copy);
}

static uint8_t role_of(uint32_t member)
{
    for (uint32_t i = 0; i < DW_MEMBERS_MAX; i++) {
        if (member && people.member[i].id == member)
            return people.member[i].role;
    }
    return DW_MEMBER_NONE;
}

static void begin_grant(const struct dw_ipc_people_ask *m, struct dw_ipc_people_answer *a)
{
    const struct dw_people_grant *g = &m->grant;
    char id[33];
    dw_hex(m->id, sizeof(m->id), id);
    printf("grant %s kind=%u mode=%u days=%u uses=%u per_day=%u dwell=%u windows=", id, g->kind,
           g->mode, g->days, g->uses, g->per_day, g->dwell_ms);
    for (uint32_t i = 0; i < g->window_count; i++)
        printf("%u+%u,", g->window[i].from, g->window[i].minutes);
    printf(" by=%s\n", m->credential_len ? (const char *)m->credential : "-");
    snprintf((char *)a->credential, sizeof(a->credential), "member-%u-2", m->member);
    if (m->credential_len)
        memcpy(a->credential, m->credential, sizeof(a->credential));
    a->credential_len = (uint16_t)strlen((const char *)a->credential);
    memcpy(signer, a->credential, sizeof(signer));
    memset(a->bytes, 0xa5, sizeof(a->bytes));
    a->bytes_len = sizeof(a->bytes);
}

/* Revoked or vetoed. */
static void end_grant(const struct dw_ipc_people_ask *m, struct dw_ipc_people_answer *a)
{
    struct dw_ipc_grant *g = grant_of(m->id);
    uint8_t role = role_of(m->member);
    bool is_veto = m->op == DW_PEOPLE_VETO;
    a->no = is_veto                   ? role == DW_MEMBER_NONE               ? DW_PEOPLE_NO_ROLE
                                        : !g                                 ? DW_PEOPLE_NO_NO_SUCH
                                        : g->state != DW_GRANT_STATE_WAITING ? DW_PEOPLE_NO_NOT_WAITING
                                                                             : 0
            : role != DW_MEMBER_OWNER ? DW_PEOPLE_NO_ROLE
            : !g                      ? DW_PEOPLE_NO_NO_SUCH
                                      : 0;
    if (a->no)
        return;
    g->state = is_veto ? DW_GRANT_STATE_VETOED : DW_GRANT_STATE_REVOKED;
    g->over_at_ms = 1900000000000;
    g->is_over_stored = !is_veto; /* that of a veto is on its way */
    a->value = ++grants.epoch;
    a->until_utc_ms = 1900000000000;
    send_grants();
}

static void remove_member(uint32_t id)
{
    for (uint32_t i = 0; i < DW_MEMBERS_MAX; i++) {
        if (people.member[i].id == id)
            people.member[i] = (struct dw_ipc_member){0};
    }
    for (uint32_t i = 0; i < DW_CREDENTIALS_MAX; i++) {
        if (people.credential[i].member == id)
            people.credential[i] = (struct dw_ipc_credential){0};
    }
}

/* The act that this challenge was given for, once; DW_ACT_NONE: not given, or used. */
static uint8_t take_challenge(const uint8_t challenge[32])
{
    for (uint32_t i = 0; i < 64; i++) {
        if (given[i].act && memcmp(given[i].challenge, challenge, 32) == 0) {
            uint8_t act = given[i].act;
            given[i].act = 0;
            return act;
        }
    }
    return DW_ACT_NONE;
}

static void begin(const struct dw_ipc_people_ask *m, struct dw_ipc_people_answer *a)
{
    if (m->act == DW_ACT_JOIN && strcmp(m->token, "good") != 0) {
        a->no = DW_PEOPLE_NO_TOKEN;
        return;
    }
    dw_random(a->challenge, 32);
    memcpy(given[given_count % 64].challenge, a->challenge, 32);
    given[given_count++ % 64].act = m->act;
    if (m->act == DW_ACT_GRANT)
        begin_grant(m, a);
    if (m->act == DW_ACT_JOIN) {
        a->role = DW_MEMBER_OWNER;
        snprintf(a->name, sizeof(a->name), "Cleo");
        dw_random(a->user, sizeof(a->user));
    }
}

static void send_story(const struct dw_ipc_people_ask *m, struct dw_ipc_people_answer *a)
{
    uint64_t n = m->value ? m->value : 1;
    for (uint32_t i = 0; i < 256 && n <= story_number; i++, n++) {
        struct dw_ipc_story copy = told[n % 4096];
        send_front(DW_IPC_STORY, &copy);
    }
    a->value = story_number;
}

static void answer(const struct dw_ipc_people_ask *m)
{
    struct dw_ipc_people_answer a = {.ticket = m->ticket, .op = m->op};
    uint8_t act = m->op == DW_PEOPLE_JOIN || m->op == DW_PEOPLE_SIGN_IN || m->op == DW_PEOPLE_ACT
                      ? take_challenge(m->challenge)
                      : DW_ACT_NONE;
    uint32_t is = 0;
    (void)sscanf((const char *)m->credential, "member-%u", &is);
    if (m->op == DW_PEOPLE_BEGIN) {
        begin(m, &a);
    } else if (m->op == DW_PEOPLE_LOOK) {
        a.no = strcmp(m->token, "good") == 0 ? 0 : DW_PEOPLE_NO_TOKEN;
        a.role = DW_MEMBER_OWNER;
        a.is_first = 1;
        a.until_utc_ms = 1900000000000;
        snprintf(a.name, sizeof(a.name), "Cleo");
    } else if (m->op == DW_PEOPLE_SIGN_IN) {
        a.no = act != DW_ACT_SIGN_IN ? DW_PEOPLE_NO_CHALLENGE : is ? 0 : DW_PEOPLE_NO_PASSKEY;
        a.member = is;
        a.credential_len = m->credential_len;
        memcpy(a.credential, m->credential, sizeof(a.credential));
    } else if (m->op == DW_PEOPLE_JOIN) {
        a.no = act == DW_ACT_JOIN ? 0 : DW_PEOPLE_NO_CHALLENGE;
        a.member = 3;
        a.role = DW_MEMBER_OWNER;
        snprintf(a.name, sizeof(a.name), "Cleo");
        snprintf(a.text, sizeof(a.text), "SECRET-CODE");
        if (!a.no)
            set_member(3, DW_MEMBER_OWNER, "Cleo", 1);
    } else if (m->op == DW_PEOPLE_ACT) {
        a.no = act == DW_ACT_NONE ? DW_PEOPLE_NO_CHALLENGE
               : is == 0          ? DW_PEOPLE_NO_PASSKEY
               : is != m->member  ? DW_PEOPLE_NO_PASSKEY
                                  : 0;
        if (act == DW_ACT_GRANT && strcmp((const char *)m->credential, signer) != 0)
            a.no = DW_PEOPLE_NO_PASSKEY;
        if (act == DW_ACT_GRANT)
            a.id[15] = 99;
        if (act == DW_ACT_INVITE)
            a.until_utc_ms = 1900000000000;
        if (act == DW_ACT_INVITE || act == DW_ACT_NEW_RECOVERY)
            snprintf(a.text, sizeof(a.text), "TEXT");
    } else if (m->op == DW_PEOPLE_REVOKE || m->op == DW_PEOPLE_VETO) {
        if (!next_no)
            end_grant(m, &a);
    } else if (m->op == DW_PEOPLE_EXPECT || m->op == DW_PEOPLE_EXPECT_NOT) {
        if (!next_no)
            expect(m, &a);
    } else if (m->op == DW_PEOPLE_GUEST_ASK) {
        a.value = 0xab;
    } else if (m->op == DW_PEOPLE_STORY) {
        send_story(m, &a);
    } else if (m->op == DW_PEOPLE_RECOVER) {
        a.no = strcmp(m->name, "the code") == 0 ? 0 : DW_PEOPLE_NO_PRESENCE;
        a.until_utc_ms = 1900000000000;
        snprintf(a.text, sizeof(a.text), "TEXT");
    } else if (m->op == DW_PEOPLE_MODE) {
        people.camera_mode = (uint8_t)m->value;
        send_people();
    }
    if (next_no && m->op != DW_PEOPLE_STORY) {
        a.no = next_no;
        next_no = 0;
    }
    send_front(DW_IPC_PEOPLE_ANSWER, &a);
    if (m->op == DW_PEOPLE_JOIN && !a.no)
        send_people();
}

static void on_ask(const struct dw_ipc_people_ask *m)
{
    char id[33];
    dw_hex(m->id, sizeof(m->id), id);
    printf("ask %u %u %u %u %llu [%s] [%s] [%s] %s %d %u %u %s\n", m->op,
           m->op == DW_PEOPLE_WISH ? m->wish : m->act, m->member, m->target,
           (unsigned long long)m->value, m->name, m->text, m->token, id, m->window.day,
           m->window.from_min, m->window.to_min,
           m->credential_len ? (const char *)m->credential : "-");
    if (!is_mute)
        answer(m);
}

static void on_alert_set(const struct dw_ipc_alert_set *m)
{
    printf("alert %u %u %u %u [%s]\n", m->member, m->word, m->channel, m->lang, m->endpoint);
}

static void on_guard(uv_poll_t *poll, int status, int events)
{
    (void)poll;
    (void)status;
    (void)events;
    for (;;) {
        static union {
            struct dw_ipc_head head;
            struct dw_ipc_viewer viewer;
            struct dw_ipc_owner owner;
            struct dw_ipc_link link;
            struct dw_ipc_link_state link_state;
            struct dw_ipc_people_ask ask;
            struct dw_ipc_alert_set alert_set;
            uint8_t room[8192];
        } in;
        enum dw_ipc_type type;
        int fd;
        dw_err e = dw_ipc_receive(guard_fd, &in, sizeof(in), &type, &fd);
        if (dw_is(e, DW_E_BUSY))
            return;
        if (dw_failed(e))
            ended("front-gone");
        if (type == DW_IPC_READY) {
            new_pipe();
            send_people();
            printf("ready\n");
        } else if (type == DW_IPC_VIEWER) {
            on_viewer(&in.viewer);
        } else if (type == DW_IPC_OWNER) {
            printf("owner %u %u\n", in.owner.word, in.owner.member);
        } else if (type == DW_IPC_PEOPLE_ASK) {
            on_ask(&in.ask);
        } else if (type == DW_IPC_ALERT_SET) {
            on_alert_set(&in.alert_set);
        } else if (type == DW_IPC_KEY_WANTED) {
            printf("key_wanted\n");
        } else if (type == DW_IPC_LINK_STATE) {
            printf("link_state %u\n", in.link_state.is_up);
        } else if (type == DW_IPC_LINK_IN) {
            say_hex("link_in", in.link.bytes, in.link.len);
        } else {
            printf("unexpected %d\n", (int)type);
        }
        fflush(stdout);
    }
}

/* ---- commands ---- */

static uint64_t number(const char *s)
{
    return s ? strtoull(s, NULL, 0) : 0;
}

static void set_state(char *words)
{
    for (char *w = strtok_r(words, " ", &words); w; w = strtok_r(NULL, " ", &words)) {
        char *v = strchr(w, '=');
        if (!v)
            continue;
        *v++ = '\0';
        uint64_t n = number(v);
#define FIELD(name)            \
    if (strcmp(w, #name) == 0) \
        state.name = (__typeof__(state.name))n;
        FIELD(visit)
        FIELD(bolt)
        FIELD(contact)
        FIELD(strike)
        FIELD(lock_class)
        FIELD(is_secured)
        FIELD(visit_state)
        FIELD(outcome)
        FIELD(check)
        FIELD(camera)
        FIELD(camera_class)
        FIELD(battery_pct)
        FIELD(lock_age_ms)
        FIELD(alarms)
        FIELD(inside_ms)
        FIELD(is_degraded)
        FIELD(is_opening)
        if (strcmp(w, "visitor") == 0)
            snprintf(state.visitor, sizeof(state.visitor), "%s", v);
        if (strcmp(w, "agency") == 0)
            snprintf(state.agency, sizeof(state.agency), "%s", v);
        if (strcmp(w, "camera_key") == 0)
            memset(state.camera_pub, 0, 32);
        if (strcmp(w, "camera_key") == 0 && n)
            memcpy(state.camera_pub, device.key.pub, 32);
    }
    send_state();
}

static void send_params(void)
{
    struct dw_ipc_params m = {.count = 1, .home = "Elm Street 4"};
    m.param[0] = (struct dw_ipc_param){"t_dwell_ms", 45000, 60000, 1000, 180000};
    snprintf(m.door[0], sizeof(m.door[0]), "Front door");
    send_front(DW_IPC_PARAMS, &m);
}

static void send_guest(char *arg[6])
{
    uint8_t check = (uint8_t)number(arg[4]);
    struct dw_ipc_guest m = {.member = (uint32_t)number(arg[0]),
                             .state = (uint8_t)number(arg[1]),
                             .visit = number(arg[2]),
                             .visit_state = (uint8_t)number(arg[3]),
                             .check = check,
                             .outcome = check ? DW_OUTCOME_REFUSED : DW_OUTCOME_NONE,
                             .until_ms = dw_now().ms + 60000,
                             .offer_len = 5,
                             .manifest_len = 8};
    memset(m.hub_pub, 7, sizeof(m.hub_pub));
    memset(m.nonce, 0x0b, sizeof(m.nonce));
    memcpy(m.offer, "offer", 5);
    memcpy(m.manifest, "manifest", 8);
    send_front(DW_IPC_GUEST, &m);
}

static bool household(const char *word, char *arg[6])
{
    if (strcmp(word, "member") == 0 && arg[2]) {
        set_member((uint32_t)number(arg[0]), (uint8_t)number(arg[1]), arg[2], 1);
        send_people();
    } else if (strcmp(word, "gone") == 0) {
        remove_member((uint32_t)number(arg[0]));
        send_people();
    } else if (strcmp(word, "people") == 0) {
        send_people();
    } else if (strcmp(word, "mute") == 0) {
        is_mute = number(arg[0]) != 0;
    } else if (strcmp(word, "no") == 0) {
        next_no = (uint8_t)number(arg[0]);
    } else if (strcmp(word, "life") == 0) {
        story_number = 0;
    } else if (strcmp(word, "params") == 0) {
        send_params();
    } else if (strcmp(word, "who") == 0 && arg[5]) {
        struct dw_ipc_who m = {.visit = number(arg[0]),
                               .kind = (uint8_t)number(arg[1]),
                               .is_owner = (uint8_t)number(arg[2]),
                               .member = (uint32_t)number(arg[3])};
        snprintf(m.visitor, sizeof(m.visitor), "%s", arg[4]);
        snprintf(m.agency, sizeof(m.agency), "%s", arg[5]);
        send_front(DW_IPC_WHO, &m);
    } else if (strcmp(word, "job") == 0 && arg[2]) {
        struct dw_ipc_job m = {.state = (uint8_t)number(arg[1]),
                               .parcel_count = 2,
                               .dwell_ms = 60000,
                               .nbf_s = 1790000000,
                               .exp_s = 1790003600,
                               .window = {20773, 540, 660}};
        m.id[15] = (uint8_t)number(arg[0]);
        m.agency[0] = 7;
        snprintf(m.agency_name, sizeof(m.agency_name), "%s", arg[2]);
        snprintf(m.zone, sizeof(m.zone), "Europe/Amsterdam");
        send_front(DW_IPC_JOB, &m);
    } else if (strcmp(word, "agency") == 0 && arg[2] && grants.agency_count < DW_AGENCIES_MAX) {
        struct dw_ipc_agency *a = &grants.agency[grants.agency_count++];
        a->id[15] = (uint8_t)number(arg[0]);
        memset(a->key, (int)number(arg[0]), sizeof(a->key));
        a->is_waiting = (uint8_t)number(arg[1]);
        a->is_hosted = a->is_waiting;
        a->asked_utc_ms = 1900000000000;
        snprintf(a->name, sizeof(a->name), "%s", arg[2]);
        send_grants();
    } else if (strncmp(word, "grant", 5) == 0 && arg[2] && grants.grant_count < DW_GRANTS_MAX) {
        struct dw_ipc_grant *g = &grants.grant[grants.grant_count++];
        *g = (struct dw_ipc_grant){.state = (uint8_t)number(arg[1]),
                                   .mode = DW_GRANT_VETO,
                                   .per_day = 2,
                                   .window_count = 2,
                                   .window = {{540, 120}, {1980, 60}},
                                   .camera_class = DW_CAMERA_K2,
                                   .uses = 30,
                                   .used = 3,
                                   .has_today = 1,
                                   .used_today = 1,
                                   .dwell_ms = 60000,
                                   .signed_by = 1,
                                   .nbf_s = 1790000000,
                                   .exp_s = 1792592000,
                                   .live_at_ms = 1790000600000,
                                   .signed_at_ms = 1790000000000};
        g->id[15] = (uint8_t)number(arg[0]);
        g->agency[15] = 1;
        snprintf(g->name, sizeof(g->name), "%s", arg[2]);
        snprintf(g->zone, sizeof(g->zone), "Europe/Amsterdam");
        if (strcmp(word, "grant_to") == 0) {
            memset(g->agency, 0, sizeof(g->agency));
            g->guest = (uint32_t)number(arg[3]);
        }
        send_grants();
    } else if (strcmp(word, "guest") == 0 && arg[4]) {
        send_guest(arg);
    } else if (strcmp(word, "grants") == 0) {
        send_grants();
    } else if (strcmp(word, "restored") == 0) {
        grants.is_restored = number(arg[0]) != 0;
        send_grants();
    } else if (strcmp(word, "vapid") == 0) {
        struct dw_ipc_alert_done m = {.vapid_pub = {4, 1, 2, 3}};
        send_front(DW_IPC_ALERT_DONE, &m);
    } else if (strcmp(word, "alert_done") == 0 && arg[2]) {
        struct dw_ipc_alert_done m = {.status = (uint32_t)number(arg[0]),
                                      .is_gone = (uint8_t)number(arg[1])};
        snprintf(m.endpoint, sizeof(m.endpoint), "%s", arg[2]);
        send_front(DW_IPC_ALERT_DONE, &m);
    } else {
        return false;
    }
    return true;
}

static void command(char *line)
{
    char *rest = NULL;
    char *word = strtok_r(line, " ", &rest);
    if (!word)
        return;
    if (strcmp(word, "quit") == 0)
        ended("quit");
    if (strcmp(word, "state") == 0) {
        set_state(rest);
        return;
    }
    char *arg[6] = {0};
    for (int i = 0; i < 6; i++)
        arg[i] = strtok_r(NULL, " ", &rest);
    if (household(word, arg))
        return;
    if (strcmp(word, "story") == 0) {
        struct dw_utc now = dw_wall(true);
        struct dw_ipc_story m = {.number = ++story_number,
                                 .at_ms = dw_now().ms,
                                 .utc_ms = now.lo_ms,
                                 .kind = (uint32_t)number(arg[0]),
                                 .value = (uint32_t)number(arg[1]),
                                 .value2 = (uint32_t)number(arg[2]),
                                 .visit = number(arg[3]),
                                 .member = (uint32_t)number(arg[4])};
        told[m.number % 4096] = m;
        if (!arg[5]) /* "-": told when it is asked for only */
            send_front(DW_IPC_STORY, &m);
    } else if (strcmp(word, "play") == 0) {
        uint64_t fps = number(arg[0]);
        uv_timer_stop(&frame_timer);
        if (fps > 0 && ours.count > 0)
            uv_timer_start(&frame_timer, on_frame, 0, 1000 / fps);
    } else if (strcmp(word, "tamper") == 0) {
        to_tamper = (uint32_t)number(arg[0]);
    } else if (strcmp(word, "inject") == 0) {
        to_inject = (uint32_t)number(arg[0]);
    } else if (strcmp(word, "swap") == 0) {
        to_swap = (uint32_t)number(arg[0]);
    } else if (strcmp(word, "replay") == 0) {
        for (uint32_t i = 0; i < number(arg[0]) && i < kept_count && i < KEPT; i++) {
            struct kept *k = &kept[(kept_count - 1 - i) % KEPT];
            k->head.frame = ++live_frame;
            send_pieces(k->head, k->body);
        }
    } else if (strcmp(word, "still-nonce") == 0) {
        memcpy(old_viewer, viewer, sizeof(viewer));
        keeps_old_list = number(arg[0]) != 0;
    } else if (strcmp(word, "display") == 0) {
        answers_screens = number(arg[0]) != 0;
    } else if (strcmp(word, "plain") == 0) {
        is_plain = number(arg[0]) != 0;
    } else if (strcmp(word, "frame") == 0) {
        uint32_t len = (uint32_t)number(arg[0]);
        uint8_t *body = calloc(1, len);
        struct dw_live_head h = {
            .frame = ++live_frame, .total = len, .is_key = number(arg[1]) != 0};
        if (body)
            send_pieces(h, body);
        free(body);
    } else if (strcmp(word, "piece") == 0) {
        static uint8_t out[sizeof(struct dw_live_head) + 65536];
        struct dw_live_head h = {.frame = ++live_frame,
                                 .total = (uint32_t)number(arg[0]),
                                 .offset = (uint32_t)number(arg[1])};
        memcpy(out, &h, sizeof(h));
        (void)!send(live_fd, out, sizeof(h) + number(arg[2]) % 65536, MSG_NOSIGNAL);
    } else if (strcmp(word, "link_out") == 0 && arg[1]) {
        struct dw_ipc_link m = {.is_enrol = (uint32_t)number(arg[0])};
        m.len = (uint16_t)(strlen(arg[1]) / 2);
        if (m.len <= sizeof(m.bytes) && !dw_failed(dw_unhex(arg[1], m.bytes, m.len)))
            send_front(DW_IPC_LINK_OUT, &m);
    } else if (strcmp(word, "garbage") == 0) {
        uint8_t bytes[256] = {0xff};
        (void)!send(guard_fd, bytes, number(arg[0]) % sizeof(bytes), MSG_NOSIGNAL);
    } else if (strcmp(word, "pipe") == 0) {
        new_pipe();
    } else {
        printf("unknown %s\n", word);
    }
    fflush(stdout);
}

static void on_stdin(uv_poll_t *poll, int status, int events)
{
    static char text[8192];
    static size_t len;
    (void)poll;
    (void)status;
    (void)events;
    ssize_t n = read(0, text + len, sizeof(text) - 1 - len);
    if (n <= 0)
        ended("stdin");
    len += (size_t)n;
    text[len] = '\0';
    char *from = text, *end;
    while ((end = strchr(from, '\n'))) {
        *end = '\0';
        command(from);
        from = end + 1;
    }
    len = strlen(from);
    memmove(text, from, len + 1);
}

static void say_session(void)
{
    struct dw_camera_session s = {.boot_count = 7};
    uint8_t payload[128];
    struct dw_buf p = dw_buf_of(payload, sizeof payload),
                  out = dw_buf_of(state.session, sizeof state.session);
    memcpy(s.boot_seed, boot_seed, sizeof s.boot_seed);
    memcpy(s.pub, camera.key.pub, sizeof s.pub);
    if (dw_failed(dw_camera_session_write(&s, &p)) ||
        dw_failed(dw_signed_make(&device, DW_CONTEXT_CAMERA_SESSION, dw_view_of_buf(&p), &out)))
        fatal("session");
    state.session_len = (uint16_t)out.len;
}

int main(int argc, char **argv)
{
    int pair[2];
    uint8_t seed[32] = {1};
    dw_os_init("front_rig");
    if (argc < 3 || dw_failed(dw_crypto_init()))
        return 2;
    dw_secret_from_seed(seed, &hub);
    seed[0] = 2;
    dw_secret_from_seed(seed, &camera);
    seed[0] = 3;
    dw_secret_from_seed(seed, &stranger);
    seed[0] = 4;
    dw_secret_from_seed(seed, &device);
    dw_random(boot_seed, 16);
    dw_sha256(dw_view_of(boot_seed, 16), chain);
    if (argc > 3)
        load_stream(argv[3], &ours);
    if (argc > 4)
        load_stream(argv[4], &foreign);
    state = (struct dw_ipc_state){.lock_class = DW_LOCK_A,
                                  .camera_class = DW_CAMERA_K2,
                                  .battery_pct = 87,
                                  .is_link_up = 1,
                                  .has_room = 1,
                                  .is_clock_sure = 1,
                                  .picture_age_ms = 80};
    memcpy(state.hub_pub, hub.key.pub, 32);
    memcpy(state.camera_pub, device.key.pub, 32);
    say_session();

    set_member(1, DW_MEMBER_OWNER, "Ada", 2);
    set_member(2, DW_MEMBER_OCCUPANT, "Ben", 1);

    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0)
        fatal("socketpair");
    front = fork();
    if (front == 0) {
        if (pair[1] != DW_IPC_FD)
            dup2(pair[1], DW_IPC_FD);
        for (int fd = DW_IPC_FD + 1; fd < 64; fd++)
            close(fd);
        execl(argv[1], argv[1], "--config", argv[2], (char *)NULL);
        _exit(127);
    }
    close(pair[1]);
    guard_fd = pair[0];
    fcntl(guard_fd, F_SETFD, FD_CLOEXEC);

    uv_loop_init(&loop);
    uv_poll_init(&loop, &guard_poll, guard_fd);
    uv_poll_start(&guard_poll, UV_READABLE, on_guard);
    uv_poll_init(&loop, &stdin_poll, 0);
    uv_poll_start(&stdin_poll, UV_READABLE, on_stdin);
    uv_timer_init(&loop, &frame_timer);
    uv_timer_init(&loop, &hub_timer);
    uv_timer_start(&hub_timer, new_nonce, 100, 500);
    uv_run(&loop, UV_RUN_DEFAULT);
    return 0;
}
