/* tests/media/rig.h - the camera process under test, with the test as its guard, camera and front.
 *
 * The rig starts doorward-hub-camera with a socketpair on descriptor 3, listens where it dials,
 * plays a clip made by x264 as a signing camera at the clip's own pace, and keeps what comes back.
 * Every wait has an end.
 */
#ifndef TESTS_MEDIA_RIG_H
#define TESTS_MEDIA_RIG_H

#include <sys/types.h>

#include "crypto/signed.h"
#include "hub/ipc.h"
#include "media/h264.h"
#include "wire.h"
#include "wire/camera.h"

#define RIG_UNITS_MAX    900u
#define RIG_SEGMENTS_MAX 32u
#define RIG_SHOWN_MAX    1024u

struct rig_shown { /* one whole frame on the live pipe */
    struct dw_live_head head;
    uint8_t hash[32]; /* of its body */
};

struct rig {
    char folder[128]; /* temporary; holds `recordings` and the configuration */
    char recordings[160];
    pid_t pid;
    int guard, live, listener, plain;
    struct wire link;
    uint16_t port;
    int status; /* of the ended process */
    bool is_ended;

    /* The camera, and the hub whose guard this is. */
    struct dw_secret device, secret, hub; /* `secret`: of the camera's session */
    struct dw_tls_end *tls;
    uint32_t link_keys; /* asked for by the process */
    bool is_mute;       /* the guard does not say whom to dial */
    uint8_t seed[16], chain[32];
    uint64_t seq;
    uint64_t t0_us, next; /* pace: frame `next` is due at t0 + next / 30 s */
    uint32_t boot_count;
    bool no_signed_pset; /* parameter-set hash of zeros: a lie */

    /* What came. */
    uint32_t ready, frames, keys, bad, unproven, links_up, links_down, disks, decoded;
    uint32_t fault; /* of the newest bad one */
    bool has_room;
    struct dw_ipc_frame frame; /* newest */
    struct dw_ipc_segment segment[RIG_SEGMENTS_MAX];
    uint32_t segments;
    struct dw_ipc_camera_link hello;
    uint8_t asked[1024]; /* newest ASK at the camera */
    size_t asked_len, viewers_len;
    uint8_t viewers[512];
    uint32_t asks, viewer_lists;
    uint8_t in[4096];
    size_t in_len;

    bool is_live_ignored;
    uint8_t body[4u * 1024u * 1024u];
    uint64_t body_frame;
    uint32_t body_len;
    struct rig_shown shown[RIG_SHOWN_MAX];
    uint32_t shown_count, torn;
};

/* The clip: 20 s of 320x240 at 30 fps, a key frame each second. Made once by ffmpeg. */
struct rig_clip {
    uint8_t *bytes;
    struct dw_view unit[RIG_UNITS_MAX];
    uint32_t count;
};
bool rig_clip_make(struct rig_clip *clip);
/* Any stream in Annex B with access unit delimiters that `command` writes to its output. */
bool rig_clip_load(struct rig_clip *clip, const char *command);
extern struct rig_clip rig_clip;

/* Called, if set, when the folder is there and the process is not yet. */
extern void (*rig_prepare)(struct rig *r);
/* `more` is added to the configuration. `plain` starts it as class K0. `file_bytes_max` 0: no
 * limit. */
bool rig_start(struct rig *r, const char *program, const char *more, bool plain,
               uint64_t file_bytes_max);
/* The same folder again, after the process has gone. */
bool rig_restart(struct rig *r, const char *program, const char *more);
void rig_end(struct rig *r); /* stops the process and removes the folder */

/* Takes in what there is, for at most `ms`. */
void rig_pump(struct rig *r, int ms);
uint64_t rig_now_ms(void);

/* Answers the process's key: whom it may dial, signed by the hub. */
void rig_say_whom(struct rig *r, const uint8_t pub[DW_KEY_BYTES]);
int rig_accept_raw(struct rig *r); /* the socket alone; waits up to 5 s */
bool rig_accept(struct rig *r);    /* the camera's side of the link; waits up to 5 s */
void rig_send(struct rig *r, uint8_t kind, struct dw_view a, struct dw_view b);
void rig_send_raw(struct rig *r, struct dw_view bytes);
void rig_hello(struct rig *r);
/* Writes one FRAME body for `unit`; the record is signed for `signed_unit`. */
void rig_frame_body(struct rig *r, struct dw_view signed_unit, struct dw_view unit,
                    uint32_t viewers, struct dw_buf *out);
/* Sends the next frame of the clip as the camera. */
void rig_send_frame(struct rig *r);
/* Plays `frames` frames at 30 fps while pumping. */
void rig_play(struct rig *r, uint32_t frames);
/* Class K0: the same over the descriptor. */
void rig_play_plain(struct rig *r, uint32_t frames);
void rig_tell_record(struct rig *r, bool is_start, uint64_t visit);
void rig_give_pipe(struct rig *r);
bool rig_wait_end(struct rig *r, int ms);

/* Output of a command, cut to `cap`. */
bool rig_shell(char *ret_text, size_t cap, const char *format, ...) DW_PRINTF(3, 4);

#endif
