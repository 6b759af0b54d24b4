/* The camera process: ingest, live pipe, recording, disk. The test is its guard, camera and front.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "cases.h"
#include "hub/camera/folder.h"
#include "os/os.h"
#include "rig.h"

#define VISIT UINT64_C(0x1122334455667788)
#define TRUST "record.trust_system_clock = yes\n"

static const char *program;
static struct rig rig;

/* Pumps until `cond` holds; fails when it does not within `ms`. */
#define EXPECT(cond, ms)                              \
    do {                                              \
        uint64_t expect_end_ = rig_now_ms() + (ms);   \
        while (!(cond) && rig_now_ms() < expect_end_) \
            rig_pump(&rig, 20);                       \
        assert_true(cond);                            \
    } while (0)

static int clean(void **state)
{
    (void)state;
    rig_end(&rig);
    return 0;
}

/* One ask goes through to the camera: so all that was told before it has been heard. The first ask
 * of a link brings the list of viewers, empty or not. */
static void settle(void)
{
    struct dw_ipc_bytes ask = {.kind = DW_CAMERA_KIND_ASK, .len = 1};
    rig_give_pipe(&rig);
    assert_false(dw_failed(dw_ipc_send(rig.guard, DW_IPC_CAMERA_ASK, &ask)));
    EXPECT(rig.asks == 1 && rig.viewer_lists == 1, 5000);
    rig.asks = rig.viewer_lists = 0;
}

static void begin(const char *more)
{
    assert_true(rig_start(&rig, program, more, false, 0));
    EXPECT(rig.ready == 1, 10000);
    assert_true(rig_accept(&rig));
    settle();
}

/* ---- ingest ---- */

static void asks_viewers_and_hello_pass(void **state)
{
    (void)state;
    begin("");
    struct dw_ipc_bytes ask = {.kind = DW_CAMERA_KIND_ASK, .len = 300};
    memset(ask.bytes, 0x5a, ask.len);
    assert_false(dw_failed(dw_ipc_send(rig.guard, DW_IPC_CAMERA_ASK, &ask)));
    EXPECT(rig.asks == 1, 2000);
    assert_int_equal(rig.asked_len, 300);
    assert_memory_equal(rig.asked, ask.bytes, 300);

    struct dw_ipc_viewers viewers = {.count = 2};
    memset(viewers.nonce, 9, sizeof viewers.nonce);
    assert_false(dw_failed(dw_ipc_send(rig.guard, DW_IPC_VIEWERS, &viewers)));
    EXPECT(rig.viewer_lists == 1, 2000);
    assert_int_equal(rig.viewers_len, 64);

    rig_hello(&rig);
    EXPECT(rig.links_up == 1, 2000);
    assert_int_equal(rig.hello.hello_len, 40);
    wire_close(&rig.link);
    EXPECT(rig.links_down == 1, 2000);

    /* It dials again, and tells the newest ask and list at once if they are fresh. */
    assert_false(dw_failed(dw_ipc_send(rig.guard, DW_IPC_CAMERA_ASK, &ask)));
    assert_true(rig_accept(&rig));
    EXPECT(rig.asks == 2 && rig.viewer_lists == 2, 2000);
}

static void frames_reach_guard_and_front(void **state)
{
    (void)state;
    begin("");
    static uint8_t bytes[256 * 1024];
    uint64_t before = rig_now_ms();
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    rig_frame_body(&rig, rig_clip.unit[0], rig_clip.unit[0], 3, &b);
    rig_send(&rig, DW_CAMERA_KIND_FRAME, dw_view_of_buf(&b), (struct dw_view){0});
    rig.next++;
    EXPECT(rig.frames == 1 && rig.shown_count == 1, 3000);
    assert_true(rig.frame.is_key && rig.frame.viewers == 3);
    assert_true(rig.frame.arrived_ms >= before && rig.frame.arrived_ms <= rig_now_ms());
    assert_memory_equal(rig.frame.record, bytes + 3, rig.frame.len);
    /* The live pipe carries the body as it came, without its 3-byte head. */
    uint8_t want[32];
    dw_sha256(dw_view_of(bytes + 3, b.len - 3), want);
    assert_memory_equal(rig.shown[0].hash, want, sizeof want);
    assert_int_equal(rig.shown[0].head.record_len, rig.frame.len);
    assert_int_equal(rig.shown[0].head.camera_class, DW_CAMERA_K2);

    rig_play(&rig, 75);
    EXPECT(rig.frames == 76 && rig.shown_count == 76, 3000);
    assert_int_equal(rig.torn, 0);
    assert_int_equal(rig.bad, 0);
    assert_int_equal(rig.keys, 3);
    /* The second look: a key frame a second, told with a later frame. */
    assert_true(rig.decoded >= 2);
    assert_true(rig.frame.has_decoded || rig.decoded);
}

/* Sends one frame whose unit was changed after signing. */
static void send_changed(size_t index, size_t byte, uint8_t flip)
{
    static uint8_t bytes[256 * 1024], unit[128 * 1024];
    struct dw_view good = rig_clip.unit[index];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    memcpy(unit, good.ptr, good.len);
    unit[byte] ^= flip;
    rig_frame_body(&rig, good, dw_view_of(unit, good.len), 0, &b);
    rig_send(&rig, DW_CAMERA_KIND_FRAME, dw_view_of_buf(&b), (struct dw_view){0});
    rig.next++;
}

static void changed_pictures_are_neither_shown_nor_told_as_good(void **state)
{
    (void)state;
    begin("");
    rig_play(&rig, 5);
    EXPECT(rig.frames == 5 && rig.shown_count == 5, 3000);
    send_changed(5, rig_clip.unit[5].len - 3, 1);
    EXPECT(rig.bad == 1, 2000);
    assert_int_equal(rig.fault, DW_FRAME_FAULT_HASH);
    /* Genuine ones go on to the guard; screens wait for a key frame. */
    rig_play(&rig, 30);
    EXPECT(rig.frames == 35 && rig.shown_count == 5 + 6, 3000);
    assert_true(rig.shown[5].head.is_key);
    assert_int_equal(rig.bad, 1);
}

static void other_parameter_sets_are_refused(void **state)
{
    (void)state;
    begin("");
    rig_play(&rig, 2);
    EXPECT(rig.frames == 2, 3000);
    rig.no_signed_pset = true;
    rig_play(&rig, 1);
    EXPECT(rig.bad == 1, 2000);
    assert_int_equal(rig.fault, DW_FRAME_FAULT_HASH);
    rig.no_signed_pset = false;

    /* A lone PPS before a picture that matches its hash. */
    static uint8_t unit[64 * 1024], bytes[256 * 1024];
    static const uint8_t pps[] = {0, 0, 0, 1, 0x68, 0xce, 0x0f, 0xc9};
    struct dw_view good = rig_clip.unit[3];
    memcpy(unit, pps, sizeof pps);
    memcpy(unit + sizeof pps, good.ptr, good.len);
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    rig_frame_body(&rig, good, dw_view_of(unit, good.len + sizeof pps), 0, &b);
    rig_send(&rig, DW_CAMERA_KIND_FRAME, dw_view_of_buf(&b), (struct dw_view){0});
    EXPECT(rig.bad == 2, 2000);
    assert_int_equal(rig.fault, DW_FRAME_FAULT_CODEC);
}

static void every_damage_of_a_frame_is_told(void **state)
{
    (void)state;
    begin("");
    rig_play(&rig, 1);
    static uint8_t bytes[256 * 1024];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    rig_frame_body(&rig, rig_clip.unit[1], rig_clip.unit[1], 0, &b);
    uint32_t sent = 0;
    /* Every byte of head and record flipped, and the message cut at many places. */
    for (size_t i = 0; i < 3 + 200; i++) {
        bytes[i] ^= 0x41;
        rig_send(&rig, DW_CAMERA_KIND_FRAME, dw_view_of_buf(&b), (struct dw_view){0});
        bytes[i] ^= 0x41;
        sent++;
        EXPECT(rig.bad + rig.frames == sent + 1, 5000);
    }
    for (size_t len = 0; len < b.len; len += 97) {
        rig_send(&rig, DW_CAMERA_KIND_FRAME, dw_view_of(bytes, len), (struct dw_view){0});
        sent++;
        EXPECT(rig.bad + rig.frames == sent + 1, 5000);
    }
    /* A record's signature is the guard's to judge, so a few flips pass here: echo, times, chain.
     */
    assert_true(rig.bad > sent / 2);
    assert_false(rig.is_ended);
}

static void garbage_and_oversized_lengths_end_the_link_only(void **state)
{
    (void)state;
    begin("");
    rig_hello(&rig);
    EXPECT(rig.links_up == 1, 2000);
    static const uint8_t huge[] = {0x7f, 0xff, 0xff, 0xff, DW_CAMERA_KIND_FRAME, 1, 2, 3};
    rig_send_raw(&rig, dw_view_of(huge, sizeof huge));
    EXPECT(rig.links_down == 1 && rig.link.fd < 0, 3000);
    static uint8_t noise[20000];
    srand(3);
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < sizeof noise; i++)
            noise[i] = (uint8_t)(rand() >> 5);
        assert_true(rig_accept(&rig));
        rig_send_raw(&rig, dw_view_of(noise, sizeof noise));
        EXPECT(rig.link.fd < 0, 3000);
    }
    assert_true(rig_accept(&rig));
    rig.t0_us = 0;
    rig_play(&rig, 3);
    EXPECT(rig.frames == 3, 3000);
}

/* ---- the link's keys ---- */

/* The next camera that answers shows this; the process must refuse it. */
static void refuses(const struct dw_secret *by, struct dw_view proof, const char *alpn)
{
    struct dw_tls_end *right = rig.tls;
    uint32_t up = rig.links_up;
    rig.tls = wire_end(by, proof, alpn);
    assert_false(rig_accept(&rig));
    dw_tls_end_free(rig.tls);
    rig.tls = right;
    assert_int_equal(rig.links_up, up);
}

static void only_the_enrolled_camera_is_asked(void **state)
{
    (void)state;
    struct dw_secret stranger, other;
    uint8_t bytes[DW_SESSION_BYTES_MAX];
    dw_secret_new(&stranger);
    dw_secret_new(&other);
    assert_true(rig_start(&rig, program, "", false, 0));
    EXPECT(rig.ready == 1, 10000);
    refuses(&rig.secret, (struct dw_view){0}, DW_CAMERA_ALPN); /* nobody vouches for its key */
    refuses(&rig.device, (struct dw_view){0}, DW_CAMERA_ALPN); /* not even the device key itself */
    struct dw_buf b = wire_session(&stranger, &rig.secret, 1, rig.seed, bytes);
    refuses(&rig.secret, dw_view_of_buf(&b), DW_CAMERA_ALPN); /* somebody else does */
    b = wire_session(&rig.device, &rig.secret, 1, rig.seed, bytes);
    refuses(&other, dw_view_of_buf(&b), DW_CAMERA_ALPN); /* for another key than the one shown */
    refuses(&rig.secret, dw_view_of_buf(&b), "doorward-lock/1");
    b = wire_hub_link(&rig.device, rig.device.key.thumb, rig.secret.key.pub, bytes);
    refuses(&rig.secret, dw_view_of_buf(&b), DW_CAMERA_ALPN); /* vouched for as something else */
    b = wire_session(&rig.device, &rig.secret, 1, rig.seed, bytes);
    for (size_t at = 0; at < b.len; at += 29) { /* one bit turned in what vouches */
        bytes[at] ^= 4;
        refuses(&rig.secret, dw_view_of_buf(&b), DW_CAMERA_ALPN);
        bytes[at] ^= 4;
    }
    assert_true(rig_accept(&rig)); /* and the right one */
    settle();
    rig_hello(&rig);
    EXPECT(rig.links_up == 1, 2000);
    assert_int_equal(rig.hello.session_len, b.len);
    assert_memory_equal(rig.hello.session, b.ptr, b.len); /* for the guard to judge */
    /* And beside the recordings, under the key id of their records: whoever checks one needs it. */
    char kid[17], path[256];
    uint8_t kept[DW_SESSION_BYTES_MAX];
    struct dw_buf k = dw_buf_of(kept, sizeof kept);
    dw_hex(rig.secret.key.thumb, 8, kid);
    (void)snprintf(path, sizeof path, "%s/camera-session-%s", rig.recordings, kid);
    EXPECT(access(path, F_OK) == 0, 2000);
    assert_false(dw_failed(dw_file_read(path, &k)));
    assert_int_equal(k.len, b.len);
    assert_memory_equal(k.ptr, b.ptr, b.len);
}

/* No ask, and nothing else of a hub, goes to who has shown no key. */
static void nothing_is_said_in_clear(void **state)
{
    (void)state;
    static uint8_t said[8192];
    assert_true(rig_start(&rig, program, "", false, 0));
    EXPECT(rig.ready == 1, 10000);
    struct dw_ipc_bytes ask = {.kind = DW_CAMERA_KIND_ASK, .len = 300};
    memset(ask.bytes, 'Q', sizeof ask.bytes);
    assert_false(dw_failed(dw_ipc_send(rig.guard, DW_IPC_CAMERA_ASK, &ask)));
    for (int round = 0; round < 2; round++) {
        int fd = rig_accept_raw(&rig);
        assert_true(fd >= 0);
        uint64_t began = rig_now_ms();
        static const uint8_t hello[] = {0, 0, 0, 5, DW_CAMERA_KIND_HELLO, 1, 2, 3, 4};
        if (round == 0) /* a camera of before; in the second round one that says nothing */
            assert_int_equal(send(fd, hello, sizeof hello, MSG_NOSIGNAL), (ssize_t)sizeof hello);
        size_t len = 0;
        for (;;) {
            struct pollfd p = {fd, POLLIN, 0};
            rig_pump(&rig, 0);
            if (poll(&p, 1, 20) == 0) {
                assert_true(rig_now_ms() - began < 8000); /* it hangs up by itself */
                continue;
            }
            ssize_t n = recv(fd, said + len, sizeof said - len, 0);
            if (n <= 0)
                break;
            len += (size_t)n;
        }
        close(fd);
        assert_true(len > 5 && said[0] == 22); /* a greeting of TLS */
        assert_null(memmem(said, len, "QQQQQQQQ", 8));
        assert_int_equal(rig.links_up, 0);
    }
    assert_true(rig_accept(&rig));
    settle();
}

static void unlinked(struct rig *r)
{
    r->is_mute = true;
}

static void nobody_is_dialled_before_the_guard_says_whom(void **state)
{
    (void)state;
    rig_prepare = unlinked;
    bool is_started = rig_start(&rig, program, "", false, 0);
    rig_prepare = NULL;
    assert_true(is_started);
    EXPECT(rig.ready == 1 && rig.link_keys == 1, 10000);
    struct pollfd p = {rig.listener, POLLIN, 0};
    for (int i = 0; i < 30; i++) {
        rig_pump(&rig, 10);
        assert_int_equal(poll(&p, 1, 0), 0);
    }
}

/* [VIS] a screen that does not read costs itself pictures, and nobody else. */
static void a_slow_front_never_blocks(void **state)
{
    (void)state;
    begin("");
    rig.is_live_ignored = true;
    rig_play(&rig, 150);
    EXPECT(rig.frames == 150, 3000);
    rig.is_live_ignored = false;
    rig_play(&rig, 60);
    EXPECT(rig.frames == 210, 3000);
    assert_true(rig.shown_count > 30);
    bool has_gap = false;
    for (uint32_t i = 1; i < rig.shown_count; i++) {
        bool is_next = rig.shown[i].head.frame == rig.shown[i - 1].head.frame + 1;
        has_gap = has_gap || !is_next;
        assert_true(is_next || rig.shown[i].head.is_key);
    }
    (void)has_gap; /* with a large socket buffer and a small picture there may be none */
}

static void a_new_pipe_replaces_the_old(void **state)
{
    (void)state;
    begin("");
    rig_play(&rig, 10);
    EXPECT(rig.shown_count == 10, 3000);
    rig_give_pipe(&rig);
    struct dw_ipc_bytes ask = {.kind = DW_CAMERA_KIND_ASK, .len = 1};
    assert_false(dw_failed(dw_ipc_send(rig.guard, DW_IPC_CAMERA_ASK, &ask)));
    EXPECT(rig.asks == 1, 5000);
    rig_play(&rig, 25);
    EXPECT(rig.shown_count == 15, 3000); /* from the key frame at 30 on */
    assert_true(rig.shown[10].head.is_key);
}

/* ---- recording ---- */

static uint32_t packets_in(const char *path)
{
    char text[256];
    assert_true(
        rig_shell(text, sizeof text,
                  "timeout 20 ffprobe -v error -count_packets -select_streams v -show_entries "
                  "stream=nb_read_packets -of csv=p=0 '%s'",
                  path));
    return (uint32_t)strtoul(text, NULL, 10);
}

static void assert_one_video_stream(const char *path)
{
    char text[256];
    assert_true(rig_shell(text, sizeof text,
                          "timeout 20 ffprobe -v error -show_entries stream=index,codec_type -of "
                          "csv=p=0 '%s' | grep . | sort -u",
                          path));
    assert_string_equal(text, "0,video\n"); /* no sound, ever */
}

/* Every picture of the file decodes, with not one complaint. */
static void assert_decodes(const char *path, uint32_t frames)
{
    char text[512];
    assert_true(
        rig_shell(text, sizeof text,
                  "ffmpeg -nostdin -v warning -i '%s' -f null - 2>&1 | grep -vE 'MOOV|repeated'",
                  path) ||
        !text[0]);
    assert_string_equal(text, "");
    assert_int_equal(packets_in(path), frames);
}

static double number_of(const char *path, const char *entry)
{
    char text[256];
    assert_true(rig_shell(text, sizeof text, "ffprobe -v error -show_entries %s -of csv=p=0 '%s'",
                          entry, path));
    return strtod(text, NULL);
}

static void folder_of(char *ret_path, size_t cap)
{
    assert_false(dw_failed(dw_visit_folder(ret_path, cap, rig.recordings, VISIT)));
}

/* The pictures of a file carry the hashes that were signed: nothing was transcoded. */
static void assert_records(const char *folder, uint32_t number, uint32_t frames, uint64_t first_seq)
{
    char path[512];
    static uint8_t bytes[2u * 1024u * 1024u];
    assert_false(dw_failed(dw_segment_path(path, sizeof path, folder, number, ".records")));
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    assert_false(dw_failed(dw_file_read(path, &b)));
    struct dw_view rest = dw_view_of_buf(&b);
    struct dw_record_item item;
    uint32_t count = 0;
    while (!dw_failed(dw_record_item_take(&rest, &item))) {
        struct dw_view payload;
        struct dw_frame_record record;
        assert_false(
            dw_failed(dw_signed_open(&rig.secret.key, DW_CONTEXT_FRAME, item.record, &payload)));
        assert_false(dw_failed(dw_frame_record_read(payload, &record)));
        assert_int_equal(record.seq, first_seq + count);
        count++;
    }
    assert_int_equal(rest.len, 0);
    assert_true(count >= frames);
}

static void hash_pictures(struct dw_view annexb, uint8_t ret_hash[32])
{
    struct dw_sha256 *h = dw_sha256_new();
    struct dw_view nal;
    size_t offset = 0;
    dw_sha256_init(h);
    while (dw_nal_next(annexb, &offset, &nal)) {
        if (dw_nal_type(nal) >= DW_NAL_SLICE && dw_nal_type(nal) <= DW_NAL_IDR)
            dw_sha256_update(h, nal.ptr, nal.len);
    }
    dw_sha256_final(h, ret_hash);
    dw_sha256_free(h);
}

static void a_visit_is_recorded_from_before_its_start(void **state)
{
    (void)state;
    begin("");
    rig_play(&rig, 105); /* 3.5 s before */
    rig_tell_record(&rig, true, VISIT);
    rig_play(&rig, 135); /* 4.5 s of visit */
    EXPECT(rig.frames == 240, 3000);
    rig_tell_record(&rig, false, VISIT);
    char folder[256], path[512], text[512];
    folder_of(folder, sizeof folder);
    (void)snprintf(path, sizeof path, "%s/visit.json", folder);
    EXPECT(access(path, F_OK) == 0, 5000);
    rig_pump(&rig, 50);
    assert_true(rig.segments >= 4);

    uint32_t frames = 0;
    for (uint32_t i = 0; i < rig.segments; i++) {
        const struct dw_ipc_segment *s = &rig.segment[i];
        assert_int_equal(s->number, i + 1);
        assert_int_equal(s->visit, VISIT);
        assert_true(s->frames <= 60 + 2 && s->frames == s->last_seq - s->first_seq + 1);
        assert_true(i == 0 || s->first_seq == rig.segment[i - 1].last_seq + 1);
        assert_one_video_stream(s->path);
        assert_decodes(s->path, s->frames);
        assert_records(folder, s->number, s->frames, s->first_seq);
        /* The hash told is that of the file. */
        char hash[80];
        dw_hex(s->hash, 32, hash);
        assert_true(rig_shell(text, sizeof text, "sha256sum '%s'", s->path));
        assert_memory_equal(text, hash, 64);
        struct stat st;
        assert_int_equal(stat(s->path, &st), 0);
        assert_int_equal(st.st_size, s->bytes);
        frames += s->frames;
    }
    /* Pre-roll: the recording begins at least 3 s before it was asked for, and has all since. */
    assert_true(rig.segment[0].first_seq <= 105 - 90);
    assert_int_equal(rig.segment[rig.segments - 1].last_seq, 240);
    assert_int_equal(frames, 240 - rig.segment[0].first_seq + 1);

    (void)snprintf(path, sizeof path, "%s/visit.m3u8", folder);
    assert_decodes(path, frames);
    assert_one_video_stream(path);
    assert_true(rig_shell(text, sizeof text, "cat %s/seg-*.mp4 > %s/whole.mp4", folder, folder));
    (void)snprintf(path, sizeof path, "%s/whole.mp4", folder);
    assert_int_equal(packets_in(path), frames);
    assert_one_video_stream(path);
    double s = number_of(path, "format=duration");
    assert_true(s > frames / 30.0 - 0.2 && s < frames / 30.0 + 0.2);

    /* Not transcoded: the picture data that ffmpeg takes out again is what the camera sent. */
    char out[512];
    (void)snprintf(out, sizeof out, "%s/out.h264", folder);
    assert_true(
        rig_shell(text, sizeof text,
                  "ffmpeg -nostdin -v error -i '%s' -c copy -bsf:v h264_mp4toannexb -f h264 "
                  "'%s'",
                  path, out));
    static uint8_t all[8u * 1024u * 1024u];
    struct dw_buf b = dw_buf_of(all, sizeof all);
    assert_false(dw_failed(dw_file_read(out, &b)));
    uint8_t got[32], want[32];
    hash_pictures(dw_view_of_buf(&b), got);
    const uint8_t *begin_of = rig_clip.unit[rig.segment[0].first_seq - 1].ptr;
    const struct dw_view *end_of = &rig_clip.unit[239];
    hash_pictures(dw_view_of(begin_of, (size_t)(end_of->ptr + end_of->len - begin_of)), want);
    assert_memory_equal(got, want, sizeof want);
    assert_int_equal(rig.bad, 0);
}

/* Real time stays in the file: 1.5 s without pictures are 1.5 s on the time line. */
static void a_gap_stays_a_gap(void **state)
{
    (void)state;
    begin("record.preroll_ms = 0\n");
    rig_play(&rig, 30);
    rig_tell_record(&rig, true, VISIT);
    rig_play(&rig, 31);
    rig.next += 59; /* the camera took them, the air swallowed them */
    rig_play(&rig, 31);
    rig_tell_record(&rig, false, VISIT);
    char folder[256], path[512], text[256];
    folder_of(folder, sizeof folder);
    (void)snprintf(path, sizeof path, "%s/visit.json", folder);
    EXPECT(access(path, F_OK) == 0, 5000);
    assert_true(rig_shell(text, sizeof text, "cat %s/seg-*.mp4 > %s/whole.mp4", folder, folder));
    (void)snprintf(path, sizeof path, "%s/whole.mp4", folder);
    double s = number_of(path, "format=duration");
    assert_true(s > 3.9 && s < 5.2);
}

static void killed_in_the_middle(void **state)
{
    (void)state;
    begin("");
    rig_play(&rig, 60);
    rig_tell_record(&rig, true, VISIT);
    rig_play(&rig, 100);
    kill(rig.pid, SIGKILL);
    assert_true(rig_wait_end(&rig, 5000));
    char folder[256], path[512];
    folder_of(folder, sizeof folder);

    assert_true(rig_restart(&rig, program, ""));
    EXPECT(rig.ready == 1 && rig.segments == 1, 5000);
    /* At most a fragment is lost: half a second, a batch and what was on its way. */
    assert_true(rig.segment[0].last_seq >= 160 - 30);
    assert_true(rig_shell(path, sizeof path, "ls %s | grep -c part || true", folder));
    assert_int_equal(strtoul(path, NULL, 10), 0);
    (void)snprintf(path, sizeof path, "%s/visit.m3u8", folder);
    uint32_t frames = packets_in(path);
    assert_true(frames >= 130 - 30);
    uint32_t before = rig.segment[0].number;
    assert_one_video_stream(rig.segment[0].path);
    assert_decodes(rig.segment[0].path, rig.segment[0].frames);
    assert_records(folder, before, rig.segment[0].frames, rig.segment[0].first_seq);

    /* The visit goes on in the same folder, on the same time line. */
    assert_true(rig_accept(&rig));
    rig.next = 180; /* a key frame; what was between is lost */
    rig.seq = 180;
    rig.frames = 0;
    rig_tell_record(&rig, true, VISIT);
    rig_play(&rig, 45);
    EXPECT(rig.frames >= 45, 3000);
    uint32_t told = rig.segments;
    rig_tell_record(&rig, false, VISIT);
    EXPECT(rig.segments > told, 5000);
    assert_int_equal(rig.segment[1].number, before + 1);
    kill(rig.pid, SIGTERM);
    assert_true(rig_wait_end(&rig, 5000));
    assert_int_equal(packets_in(path), frames + 45);
}

/* Every prefix of a segment file salvages to whole fragments or to nothing, and plays. */
static void torn_files_are_cut_to_whole_fragments(void **state)
{
    (void)state;
    char folder[128], path[160], text[64];
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(folder, sizeof folder, "%s/dw-segment-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/a.mp4", folder);
    struct dw_au_info info;
    assert_false(dw_failed(dw_au_inspect(rig_clip.unit[0], &info)));
    struct dw_segment *s;
    assert_false(dw_failed(dw_segment_new(path, info.sps, info.pps, 1, &s)));
    for (uint64_t i = 0; i < 60; i++) {
        assert_false(dw_failed(dw_segment_add(s, rig_clip.unit[i], i * 33333, i % 30 == 0)));
        if (i)
            assert_true(dw_is(dw_segment_add(s, rig_clip.unit[i], i * 33333, false), DW_E_CLOCK));
    }
    struct dw_segment_info whole, cut;
    assert_false(dw_failed(dw_segment_finish(s, 60 * 33333, &whole)));
    assert_int_equal(whole.frames, 60);
    assert_int_equal(whole.end_us, 60 * 33333);
    assert_decodes(path, 60);
    static uint8_t bytes[1024 * 1024];
    struct dw_buf b = dw_buf_of(bytes, sizeof bytes);
    assert_false(dw_failed(dw_file_read(path, &b)));
    assert_false(dw_failed(dw_segment_salvage(path, &cut)));
    assert_memory_equal(cut.hash, whole.hash, 32); /* nothing to cut, nothing changed */
    assert_int_equal(cut.frames, 60);

    uint32_t last = 0;
    for (size_t len = 0; len <= b.len; len += 509) {
        (void)unlink(path);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        assert_int_equal(write(fd, bytes, len), len);
        close(fd);
        dw_err e = dw_segment_salvage(path, &cut);
        assert_true(dw_failed(e) ? last == 0 : cut.frames >= last && cut.bytes <= len);
        if (!dw_failed(e) && cut.frames != last)
            assert_decodes(path, cut.frames);
        last = dw_failed(e) ? 0 : cut.frames;
    }
    assert_true(last >= 30);
    /* Any damage of the file's skeleton is refused or cut, never believed. */
    for (size_t i = 0; i < whole.init_bytes + 100; i++) {
        (void)unlink(path);
        bytes[i] ^= 0xff;
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        assert_int_equal(write(fd, bytes, b.len), b.len);
        close(fd);
        bytes[i] ^= 0xff;
        dw_err e = dw_segment_salvage(path, &cut);
        assert_true(dw_failed(e) || cut.frames <= 60);
    }
    (void)rig_shell(text, sizeof text, "rm -rf %s", folder);
}

/* The file's times are those that were given: after a hole, after a fragment that was written
 * early, and far from zero. Only a picture that comes sooner after an early end than was guessed
 * begins when the one before it was said to end. */
static void times_are_those_that_were_given(void **state)
{
    (void)state;
    static const uint64_t step_us[] = {0, 9000, 41000, 20000, 33333, 40000, 1500000, 250001, 61234};
    char folder[128], path[160], text[1024];
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(folder, sizeof folder, "%s/dw-times-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/a.mp4", folder);
    struct dw_au_info info;
    assert_false(dw_failed(dw_au_inspect(rig_clip.unit[0], &info)));
    struct dw_segment *s;
    uint64_t t_us = UINT64_C(3600123457), at_us[DW_ARRAY_COUNT(step_us)];
    assert_false(dw_failed(dw_segment_new(path, info.sps, info.pps, 41, &s)));
    for (size_t i = 0; i < DW_ARRAY_COUNT(step_us); i++) {
        at_us[i] = t_us += step_us[i];
        assert_false(dw_failed(dw_segment_add(s, rig_clip.unit[i], t_us, i == 0)));
        if (i == 2 || i == 4) {
            assert_int_equal(dw_segment_waiting(s), i == 2 ? 3 : 2);
            assert_false(dw_failed(dw_segment_flush(s)));
            assert_int_equal(dw_segment_waiting(s), 0);
        }
    }
    struct dw_segment_info whole, cut;
    assert_int_equal(dw_segment_fragment_number(s), 41 + 4);
    assert_false(dw_failed(dw_segment_finish(s, 0, &whole)));
    assert_int_equal(whole.begin_us, at_us[0]);
    assert_int_equal(whole.end_us, t_us + 61234);
    assert_true(rig_shell(text, sizeof text,
                          "ffprobe -v error -show_entries packet=pts -of csv=p=0 '%s'", path));
    char *next = text;
    for (size_t i = 0; i < DW_ARRAY_COUNT(step_us); i++) {
        uint64_t ticks = strtoull(next, &next, 10);
        uint64_t us = i == 3 ? at_us[2] + step_us[2] : at_us[i]; /* 20 ms, and not 41 */
        assert_int_equal(ticks, us / 100 * 9 + us % 100 * 9 / 100 + (i == 3));
        next += strcspn(next, "0123456789");
    }
    assert_int_equal(*next, 0);
    assert_false(dw_failed(dw_segment_salvage(path, &cut)));
    assert_int_equal(cut.frames, DW_ARRAY_COUNT(step_us));
    assert_in_range(cut.begin_us, whole.begin_us - 12, whole.begin_us);
    assert_in_range(cut.end_us, whole.end_us - 12, whole.end_us);
    assert_memory_equal(cut.hash, whole.hash, 32);
    (void)rig_shell(text, sizeof text, "rm -rf %s", folder);
}

/* A plain camera's pictures have the times at which they came: some all at once. */
static void pictures_that_come_at_once_are_all_kept(void **state)
{
    (void)state;
    char folder[128], path[160], text[64];
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(folder, sizeof folder, "%s/dw-burst-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/a.mp4", folder);
    struct dw_au_info info;
    assert_false(dw_failed(dw_au_inspect(rig_clip.unit[0], &info)));
    struct dw_segment *s;
    assert_false(dw_failed(dw_segment_new(path, info.sps, info.pps, 1, &s)));
    uint64_t t_us = 1000000;
    for (uint64_t i = 0; i < 60; i++) {
        t_us += i % 10 ? i % 3 + 1 : 333333; /* ten within 20 us, which is two ticks */
        assert_false(dw_failed(dw_segment_add(s, rig_clip.unit[i], t_us, i % 30 == 0)));
        if (i == 33)
            assert_false(dw_failed(dw_segment_flush(s)));
    }
    struct dw_segment_info whole, cut;
    assert_false(dw_failed(dw_segment_finish(s, 0, &whole)));
    assert_int_equal(whole.frames, 60);
    assert_int_equal(packets_in(path), 60);
    assert_false(dw_failed(dw_segment_salvage(path, &cut)));
    assert_int_equal(cut.frames, 60);
    assert_memory_equal(cut.hash, whole.hash, 32);
    (void)rig_shell(text, sizeof text, "rm -rf %s", folder);
}

/* ---- disk ---- */

static bool has_small_disk;

/* 4 MiB of memory as the disk; only the administrator may. */
static void mount_small_disk(struct rig *r)
{
    has_small_disk = mkdir(r->recordings, 0700) == 0 &&
                     mount("tmpfs", r->recordings, "tmpfs", 0, "size=4m") == 0;
}

static int unmount_small_disk(void **state)
{
    rig_prepare = NULL;
    if (!rig.is_ended)
        kill(rig.pid, SIGTERM);
    (void)rig_wait_end(&rig, 5000);
    if (has_small_disk)
        (void)umount2(rig.recordings, MNT_DETACH);
    return clean(state);
}

static void fill(const char *name, size_t bytes)
{
    static uint8_t block[4096];
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", rig.recordings, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    for (size_t n = 0; n < bytes && write(fd, block, sizeof block) > 0; n += sizeof block) {
    }
    close(fd);
}

static void too_little_room_is_said_and_survived(void **state)
{
    (void)state;
    rig_prepare = mount_small_disk;
    begin("");
    if (!has_small_disk) {
        (void)printf("not the administrator: no disk of our own to fill\n");
        skip();
    }
    EXPECT(rig.disks >= 1, 3000);
    assert_true(rig.has_room);
    fill("other", 3400u * 1024u); /* into the reserve of 1 MiB */
    EXPECT(!rig.has_room, 6000);

    /* A visit goes on into the reserve, and past the end of the disk. */
    rig_play(&rig, 31);
    rig_tell_record(&rig, true, VISIT);
    fill("more", 8u * 1024u * 1024u);
    rig_play(&rig, 100);
    EXPECT(rig.frames == 131 && rig.shown_count == 131, 3000);
    assert_false(rig.has_room);
    fill("more", 0);
    fill("other", 0);
    /* It begins anew by itself, at a key frame two seconds or more after the last failure. */
    for (int i = 0; i < 12 && !(rig.has_room && rig.segments >= 1); i++)
        rig_play(&rig, 30);
    assert_true(rig.has_room && rig.segments >= 1);
    rig_tell_record(&rig, false, VISIT);
    char folder[256], path[512];
    folder_of(folder, sizeof folder);
    (void)snprintf(path, sizeof path, "%s/visit.json", folder);
    EXPECT(access(path, F_OK) == 0, 5000);
    for (uint32_t i = 0; i < rig.segments; i++)
        assert_decodes(rig.segment[i].path, rig.segment[i].frames);
}

/* A limit on the size of files fails writes as a full disk does. */
static void a_disk_that_fills_during_a_visit(void **state)
{
    (void)state;
    assert_true(rig_start(&rig, program, "", false, 60000));
    EXPECT(rig.ready == 1, 10000);
    assert_true(rig_accept(&rig));
    settle();
    rig_play(&rig, 35);
    uint32_t told = rig.disks;
    rig_tell_record(&rig, true, VISIT);
    rig_play(&rig, 150);
    EXPECT(rig.frames == 185 && rig.disks > told, 3000);
    EXPECT(rig.shown_count == 185, 3000); /* live view goes on */
    assert_true(rig.segments >= 1);       /* what was whole is kept */
    for (uint32_t i = 0; i < rig.segments; i++)
        assert_decodes(rig.segment[i].path, rig.segment[i].frames);
    rig_tell_record(&rig, false, VISIT);
    rig_play(&rig, 10);
    assert_false(rig.is_ended);
    kill(rig.pid, SIGTERM);
    assert_true(rig_wait_end(&rig, 5000));
    assert_true(WIFEXITED(rig.status) && WEXITSTATUS(rig.status) == 0);
}

static void make_visit(uint64_t visit, int64_t age_days)
{
    char folder[256], path[512];
    assert_false(dw_failed(dw_visit_folder(folder, sizeof folder, rig.recordings, visit)));
    (void)mkdir(rig.recordings, 0700);
    assert_int_equal(mkdir(folder, 0700), 0);
    static const char *const names[] = {"seg-0001.mp4", "visit.json"};
    for (size_t i = 0; i < DW_ARRAY_COUNT(names); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        int fd = open(path, O_WRONLY | O_CREAT, 0600);
        assert_true(fd >= 0);
        close(fd);
    }
    struct timespec when[2] = {{time(NULL) - age_days * 86400, 0},
                               {time(NULL) - age_days * 86400, 0}};
    assert_int_equal(utimensat(AT_FDCWD, folder, when, 0), 0);
}

static bool has_visit(uint64_t visit)
{
    char folder[256];
    assert_false(dw_failed(dw_visit_folder(folder, sizeof folder, rig.recordings, visit)));
    return access(folder, F_OK) == 0;
}

static void old_visits_are_removed_young_ones_stay(void **state)
{
    (void)state;
    begin("record.retention_days = 30\n" TRUST);
    kill(rig.pid, SIGTERM);
    assert_true(rig_wait_end(&rig, 5000));
    make_visit(1, 40);
    make_visit(2, 31);
    make_visit(3, 29);
    make_visit(4, 0);
    char other[256];
    (void)snprintf(other, sizeof other, "%s/family-photos", rig.recordings);
    assert_int_equal(mkdir(other, 0700), 0);
    assert_true(rig_restart(&rig, program, "record.retention_days = 30\n" TRUST));
    EXPECT(!has_visit(1) && !has_visit(2), 5000);
    assert_true(has_visit(3) && has_visit(4));
    assert_int_equal(access(other, F_OK), 0);

    /* To make room the oldest go first, and never those of the last day. */
    kill(rig.pid, SIGTERM);
    assert_true(rig_wait_end(&rig, 5000));
    while (dw_recordings_remove_oldest(rig.recordings, 86400, 0)) {
    }
    assert_true(!has_visit(3) && has_visit(4));
    assert_false(dw_recordings_remove_oldest(rig.recordings, 0, 4));
    assert_true(has_visit(4)); /* the running one */
}

/* ---- the guard ---- */

static void without_its_guard_it_ends_and_the_recording_is_whole(void **state)
{
    (void)state;
    begin("");
    rig_play(&rig, 31);
    rig_tell_record(&rig, true, VISIT);
    rig_play(&rig, 20);
    EXPECT(rig.frames == 51, 3000);
    close(rig.guard);
    rig.guard = -1;
    assert_true(rig_wait_end(&rig, 5000));
    char folder[256], path[512];
    folder_of(folder, sizeof folder);
    (void)snprintf(path, sizeof path, "%s/visit.m3u8", folder);
    assert_int_equal(packets_in(path), 51);
}

static void a_message_it_does_not_know_ends_it(void **state)
{
    (void)state;
    begin("");
    struct dw_ipc_story story = {0};
    assert_false(dw_failed(dw_ipc_send(rig.guard, DW_IPC_STORY, &story)));
    assert_true(rig_wait_end(&rig, 5000));
    assert_true(WIFEXITED(rig.status) && WEXITSTATUS(rig.status) == 1);
}

/* ---- class K0 ---- */

static void a_plain_camera_is_unproven_and_recorded(void **state)
{
    (void)state;
    assert_true(rig_start(&rig, program, "", true, 0));
    EXPECT(rig.ready == 1, 10000);
    rig_give_pipe(&rig);
    rig_play_plain(&rig, 60);
    rig_tell_record(&rig, true, VISIT);
    rig_play_plain(&rig, 60);
    EXPECT(rig.unproven == 120, 3000);
    rig_tell_record(&rig, false, VISIT);
    char folder[256], path[512];
    folder_of(folder, sizeof folder);
    (void)snprintf(path, sizeof path, "%s/visit.json", folder);
    EXPECT(access(path, F_OK) == 0, 5000);
    EXPECT(rig.unproven == 120 && rig.shown_count >= 90, 3000); /* from a key frame on */
    assert_int_equal(rig.frames, 0);                            /* never told as proven */
    assert_int_equal(rig.shown[89].head.camera_class, DW_CAMERA_K0);
    assert_int_equal(rig.shown[89].head.record_len, 0);
    assert_true(rig.decoded >= 2);
    (void)snprintf(path, sizeof path, "%s/visit.m3u8", folder);
    assert_int_equal(packets_in(path), 120);
    assert_one_video_stream(path);
    /* Nonsense on the descriptor: it cannot be mended here, the guard starts both anew. */
    (void)!write(rig.plain, "\xff\xff\xff\xff nonsense", 13);
    assert_true(rig_wait_end(&rig, 5000));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(asks_viewers_and_hello_pass, clean),
        cmocka_unit_test_teardown(frames_reach_guard_and_front, clean),
        cmocka_unit_test_teardown(changed_pictures_are_neither_shown_nor_told_as_good, clean),
        cmocka_unit_test_teardown(other_parameter_sets_are_refused, clean),
        cmocka_unit_test_teardown(every_damage_of_a_frame_is_told, clean),
        cmocka_unit_test_teardown(garbage_and_oversized_lengths_end_the_link_only, clean),
        cmocka_unit_test_teardown(only_the_enrolled_camera_is_asked, clean),
        cmocka_unit_test_teardown(nothing_is_said_in_clear, clean),
        cmocka_unit_test_teardown(nobody_is_dialled_before_the_guard_says_whom, clean),
        cmocka_unit_test_teardown(a_slow_front_never_blocks, clean),
        cmocka_unit_test_teardown(a_new_pipe_replaces_the_old, clean),
        cmocka_unit_test_teardown(a_visit_is_recorded_from_before_its_start, clean),
        cmocka_unit_test_teardown(a_gap_stays_a_gap, clean),
        cmocka_unit_test_teardown(killed_in_the_middle, clean),
        cmocka_unit_test(torn_files_are_cut_to_whole_fragments),
        cmocka_unit_test(times_are_those_that_were_given),
        cmocka_unit_test(pictures_that_come_at_once_are_all_kept),
        cmocka_unit_test_teardown(too_little_room_is_said_and_survived, unmount_small_disk),
        cmocka_unit_test_teardown(a_disk_that_fills_during_a_visit, clean),
        cmocka_unit_test_teardown(old_visits_are_removed_young_ones_stay, clean),
        cmocka_unit_test_teardown(without_its_guard_it_ends_and_the_recording_is_whole, clean),
        cmocka_unit_test_teardown(a_message_it_does_not_know_ends_it, clean),
        cmocka_unit_test_teardown(a_plain_camera_is_unproven_and_recorded, clean),
    };
    if (argc < 2 || dw_failed(dw_crypto_init()) || !rig_clip_make(&rig_clip)) {
        (void)fprintf(stderr, "usage: hub_camera_test PROGRAM [TEST]; needs ffmpeg with libx264\n");
        return 1;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    program = argv[1];
    return dw_cases_run(tests, DW_ARRAY_COUNT(tests), argc > 2 ? argv[2] : NULL);
}
