/* tests/core/rig.h - plays scripts on a dw_interlock: "event@ms ..." in, effects out.
 *
 * Round it stands a home that behaves, unless the script says otherwise: a camera with a frame
 * every 40 ms that carries the newest nonce, a lock that answers asks after 10 ms and pushes its
 * word every second, a record that is durable after 5 ms. TIMEOUT is fed at the deadlines and never
 * else.
 *
 * Words of a script, each with @MS (times never fall; "-@MS" lets time pass and writes "/"):
 *   hello[:stay|:k3|:bad][,N] proof leaving recorded recfail answer lost
 *                                     N: visit handle, 1 when not said; recorded: of the newest
 * intent L:BCS[c][+n]                      the lock's word: bolt t r m j u, contact c o u, strike i
 * o a u, cause C I K F; +n: so many openings nobody was told of class:A|B|C throws:N relock:N
 * boot:N   parts of its next words lk+ lk-  cam+ cam-  rec+ rec-     the lock, the camera, the
 * record answer by themselves or not late:MS                           the lock's words and answers
 * travel for so long frame stale skip reboot replay broken tamper fault unproven frozen:MS
 * decoded:MS covered:0|1 k:N disk:0|1 ask:N saw:N gone:N ownerlock end ack restarted
 *   open[,N] away:0|1                 the household: its own opening (class O), camera mode
 *
 * Effects come out as: =state rec stop intent retract throw offer:CODE receipt:OUTCOME[:CODE]
 * confirmed:OUTCOME show:SLOT:MS opening alarm:CODE over:CODE degraded egress secured !clock.
 * Asks, and notes of camera and door, are counted but not written.
 */
#ifndef DW_TESTS_CORE_RIG_H
#define DW_TESTS_CORE_RIG_H

#include "core/visit.h"

#define RIG_START 100000u /* the script's 0, on the core's clock; before it the home wakes up */

struct rig_word_on_its_way {
    dw_mono at;
    struct dw_lock_word word;
};

struct rig {
    struct dw_interlock k;
    struct dw_params params;
    dw_mono now;
    bool cam, lk, rec;
    uint32_t lock_late_ms, step_ms; /* step_ms: 0: deadlines; else TIMEOUT every so many ms */
    struct dw_lock_word word;
    struct dw_frame_seen frame;
    uint32_t newest_ask, intent, intent_visit;
    dw_mono next_frame, next_push, recorded_at;
    struct rig_word_on_its_way queue[64];
    uint32_t queued;
    char trace[8192];
    bool is_quiet;
    uint32_t count[DW_FX_COUNT];
    uint32_t retracts;
    dw_mono retract_at, retract_expires, first_throw, first_alarm[DW_ALARM_COUNT];
    dw_mono degraded_at;
    uint32_t reached; /* bits of enum dw_visit_state */
};

void rig_init(struct rig *r, const struct dw_params *params);
/* Time passes; what is due happens. */
void rig_until(struct rig *r, uint64_t ms);
/* One event now. */
void rig_feed(struct rig *r, struct dw_event ev);
void rig_say(struct rig *r);
void rig_play(struct rig *r, const char *script);
/* A HELLO whose checks have all passed. */
struct dw_event rig_hello(uint32_t visit);

#endif
