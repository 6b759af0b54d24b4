/* tests/hostile/model.h - what may open this door, said once more and by itself.
 *
 * The oracle keeps what really was signed by whoever holds a key, with the scope that the household
 * chose, and looks at every command that withdraws the bolt. It reads nothing of the guard. */
#ifndef DW_TESTS_HOSTILE_MODEL_H
#define DW_TESTS_HOSTILE_MODEL_H

#include "world.h"

/* Who attacks, and what they hold. */
enum {
    HAS_SERVICE = 1,  /* signs any envelope of the link */
    HAS_AGENCY_A = 2, /* signs introductions, manifests and shifts of A */
    HAS_CAMERA = 4,   /* signs any frame */
    HAS_BROKER = 8,   /* carries, drops, repeats, changes */
    HAS_RELAY = 16,   /* the honest service passes on what a courier or an agency says */
    HAS_LOGINS = 32,  /* makes people sign in at the service's page, over 32 bytes of its choice */
    HAS_SESSION = 64, /* a stolen session of the household: no passkey */
    HAS_KEPT = 128,   /* writes over bytes that the hub has kept of others */
};
#define HAS_PHONE(n)      (1u << (16 + (n))) /* its passkey, with or without verification */
#define HAS_GUEST(n)      (1u << (24 + (n))) /* session and passkey */
#define HAS_GUEST_SESSION 256u               /* a stolen session of the guest Gil: no passkey */
extern uint32_t powers;                      /* of the attacker of this sequence */

/* What goes back with the world, and what has been signed up to now and stays so. */
extern uint8_t *const model_bytes;
extern const size_t model_size;
void model_mark(void);
void model_forget(void);
void model_reboot(void); /* no question, look or word survives a start [I12] */

void model_grant(int g, int agency, const struct dw_people_grant *want, const uint8_t id[16],
                 int64_t signed_ms, int64_t live_ms);
void model_grant_over(const uint8_t id[16]);
/* Bytes that the hub has kept are not what was signed any more: nothing may stand on them. */
void model_spoilt(const void *what, size_t len); /* id of a grant or job, visitor */
void model_grant_used(int g, uint16_t used, int32_t day, uint8_t day_used);
void model_manifest(int agency, const uint8_t grant[16], const struct dw_job *j,
                    const uint8_t hash[32]);
void model_shift(int agency, const struct dw_shift *s, const uint8_t hash[32]);
void model_stop(int who, const struct dw_stop *s, uint8_t flags, const char *origin,
                const char *rp_id, const struct dw_evidence *e);
void model_frame(const uint8_t nonce[32]); /* one that the camera's key has signed was delivered */
void model_lock(bool is_locked);           /* the lock's word about the newest ask */
void model_eye_asked(void);
/* `is_services`: its signature need not be looked at once more. */
void model_delivered(uint8_t kind, const uint8_t *bytes, size_t len, bool is_services);
/* The newest manifest of a job that came over the link; false: none. */
uint32_t model_newest_revision(const uint8_t job[16]);
bool model_newest_manifest(const uint8_t job[16], uint8_t ret_hash[32]);
/* ---- guests: at the hub's own page, beside the link ---- */
#define IS_GUEST(n) (PHONE_COUNT + (n)) /* in the place of a phone: who has signed a stop */
void model_guest_asks(int who, const uint8_t nonce[32]);
void model_guest_offer(int who, const struct dw_offer *o, struct dw_view manifest);
/* An assertion comes with the session of this guest; the question that it is for, or NULL. */
struct question *model_guest_slides(int who, struct dw_view signature);
void model_guest_over(int who); /* removed: grants with it */
/* What the hub has sent. */
void model_offer(const struct dw_offer *o);
/* The bolt is asked to come back. NULL: it may; else why not. */
const char *model_retract(const struct dw_lock_command *c);
/* Newest question that waits for a slide; NULL: none. */
struct question {
    uint64_t visit, asked_ms, stop_ms;
    uint32_t stop_at;        /* place among all messages: what came later is not asked about */
    struct dw_utc stop_wall; /* windows are judged at the slide; the bolt follows in 15 s */
    uint8_t hub_nonce[32], courier_nonce[32];
    bool is_used;
    uint8_t guest;        /* from 1; 0: a courier's */
    uint8_t manifest[32]; /* a guest's, as it was shown */
};
const struct question *model_question_at(uint32_t back);
const struct question *model_question_of(uint64_t visit);
/* Set while an attacker signs with a key of its own. */
extern bool is_attacker_signing;
extern bool opened_by_owned; /* of the newest retract: the attacker's own key took part */
extern bool opened_to_guest;

#endif
