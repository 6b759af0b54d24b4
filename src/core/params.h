/* core/params.h - every number of the protocol's table in one place [protocol 2, Parameters].
 *
 * VIS-22: an owner may only tighten: each value may be lowered (never below its floor). Raised, up
 * to their ceiling, may be: T_dwell; t_watch and throws_least, where more is tighter; alg_least and
 * format_least, which never fall again; and t_late,
 * t_check, t_retract, t_record, which follow slow devices and only say how long we wait before a
 * refusal or a word. Zeroed parameters are not valid; start from dw_params_default.
 */
#ifndef DW_CORE_PARAMS_H
#define DW_CORE_PARAMS_H

#include "core/base.h"

/* X(field, default, floor, ceiling, why). Unit: milliseconds, unless the name says otherwise. */
#define DW_PARAM_LIST(X)                                                                           \
    X(t_cam_ms, 1000, 100, 1000, "camera nonce issued to retract sent [I9]")                       \
    X(t_hb_ms, 500, 100, 500, "a new camera nonce at least this often")                            \
    X(t_gap_ms, 500, 100, 500, "age of the newest proven picture that counts as blindness [I23]")  \
    X(t_late_ms, 70, 40, 250, "least time without a frame that is told as late [perf 2a]")         \
    X(t_loss_ms, 2000, 300, 2000, "blindness that is an incident [I23]")                           \
    X(t_still_ms, 1500, 200, 1500, "an unchanged picture is frozen after this")                    \
    X(lease_ms, 15000, 1000, 15000, "L1: retract to first opening [I16]")                          \
    X(t_settle_ms, 1500, 100, 1500, "door closed to throw [I17]")                                  \
    X(t_bolt_ms, 2000, 200, 2000, "longest bolt travel, three times the measured one")             \
    X(t_dwell_ms, 60000, 1000, 180000, "door open before the lock buzzes and the household hears") \
    X(t_visit_ms, 180000, 5000, 180000, "one DROP visit from opening to its end")                  \
    X(t_stay_ms, 28800000, 60000, 28800000, "one STAY visit from asking to its end")               \
    X(t_show_ms, 5000, 500, 5000, "a screen may say SECURED for this long [I29]")                  \
    X(t_ready_ms, 60000, 2000, 60000, "an offer waits for the slide")                              \
    X(t_check_ms, 3000, 300, 5000, "lock and camera must answer the checks")                       \
    X(t_lock_ms, 3000, 1500, 3000, "a lock status older than this is unknown")                     \
    X(t_retract_ms, 4000, 500, 8000, "command sent to bolt sensed")                                \
    X(t_unheard_ms, 20000, 1000, 20000, "lock silent in a visit: unconfirmed after this")          \
    X(t_release_ms, 180000, 1000, 180000, "a visitor is released from a door that will not lock")  \
    X(t_watch_ms, 60000, 1000, 600000, "after a DROP visit an inside opening alarms")              \
    X(t_record_ms, 2000, 200, 5000, "the intent must be durable by then")                          \
    X(t_expire_ms, 800, 100, 800, "a command not sent by then is dropped")                         \
    X(clock_width_ms, 60000, 1000, 60000, "widest clock interval for a visitor [I13]")             \
    X(throws_least, 3, 3, 100, "bolt throws the battery must hold, a count [I21]")                 \
    X(t_rev_ms, 900000, 60000, 900000, "without the service for longer no visitor comes [I14]")    \
    X(t_proof_ms, 15000, 5000, 15000, "proof, or the household's passkey, to retract [I10]")       \
    X(format_least, 1, 1, 1, "oldest version of what is signed that counts [I15]")                 \
    X(alg_least, 1, 1, 2, "passkeys that count: 1 ES256 and Ed25519, 2 Ed25519 [I15]")

struct dw_params {
#define X(field, def, floor, ceiling, why) uint32_t field;
    DW_PARAM_LIST(X)
#undef X
};

void dw_params_default(struct dw_params *ret_params);

/* Takes `want` if every value is within its limits. DW_E_INVALID: nothing changed; `*ret_field`
 * (may be NULL) names the first that is not. */
DW_MUST_USE dw_err dw_params_set(struct dw_params *params, const struct dw_params *want,
                                 const char **ret_field);

#endif
