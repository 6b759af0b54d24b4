/* The simulated body: motor, bolt, strike, contact, handle and key of the shared world file. */
#include "lock/body.h"

#include <stdlib.h>

#include "sim/world.h"

#define TRAVEL_PERMILLE    1000
#define JAMMED_AT_PERMILLE 500 /* where something in the strike stops the bolt */
#define THROWN_PERMILLE    990 /* the end switch */
#define STRIKE_PERMILLE    950 /* the sensor in the strike plate */
#define CONTACT_PERMILLE   20  /* the magnet's play: ajar by less still reads as closed */
#define THROWS_PER_PCT     10  /* a full battery moves the bolt a thousand times */
#define STEP_US_MAX        50000u

enum direction { STANDS = 0, OUT, BACK };

struct world_body {
    struct dw_world *world;
    uint32_t travel_ms;
    enum direction motor;
    uint64_t last_us;
    uint32_t remainder_us;   /* of a permille, so that short steps do not lose travel */
    uint32_t moved_permille; /* since the battery last fell */
};

static int32_t clamp(int32_t v, int32_t lo, int32_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

static void drain(struct world_body *b, uint32_t permille)
{
    b->moved_permille += permille;
    if (b->moved_permille >= TRAVEL_PERMILLE * THROWS_PER_PCT) {
        b->moved_permille = 0;
        if (b->world->battery_pct > 0)
            b->world->battery_pct--;
    }
}

/* How far the motor has come in `us`. */
static int32_t travel(struct world_body *b, uint32_t us)
{
    uint32_t us_per_permille = b->travel_ms * 1000u / TRAVEL_PERMILLE;
    uint32_t total = us + b->remainder_us;

    if (us_per_permille == 0)
        return TRAVEL_PERMILLE;
    b->remainder_us = total % us_per_permille;
    return (int32_t)(total / us_per_permille);
}

static void move(struct world_body *b, uint64_t now_us)
{
    struct dw_world *w = b->world;
    uint64_t gone = now_us > b->last_us ? now_us - b->last_us : 0;
    uint32_t us = gone > STEP_US_MAX ? STEP_US_MAX : (uint32_t)gone;
    bool is_first = b->last_us == 0;
    int32_t bolt = w->bolt_permille;

    b->last_us = now_us;
    if (w->handle_inside ||
        w->key_outside) { /* mechanical: stronger than the motor, needs no power */
        w->bolt_permille = 0;
        b->remainder_us = 0;
        return;
    }
    if (is_first || b->motor == STANDS || w->lock_power == 0 || w->battery_pct <= 0) {
        b->remainder_us = 0;
        return;
    }
    int32_t step = travel(b, us), next = bolt;
    if (b->motor == BACK) {
        next = clamp(bolt - step, 0, TRAVEL_PERMILLE);
    } else if (w->door_permille == 0) { /* else the bolt meets the frame, not the strike */
        int32_t end =
            w->bolt_blocked && bolt <= JAMMED_AT_PERMILLE ? JAMMED_AT_PERMILLE : TRAVEL_PERMILLE;
        next = clamp(bolt + step, 0, end);
    }
    if (next != bolt) {
        w->bolt_permille = next;
        drain(b, (uint32_t)abs(next - bolt));
    }
}

static bool sense(void *self, uint64_t now_us, struct dw_lock_sense *ret_sense,
                  uint8_t *ret_battery_pct)
{
    struct world_body *b = self;
    struct dw_world *w = b->world;

    move(b, now_us);
    if (w->lock_power == 0) {
        b->motor = STANDS;
        return false;
    }
    int32_t bolt = w->bolt_permille, door = w->door_permille;
    int32_t pct = clamp(w->battery_pct, 0, 100);
    struct dw_lock_sense s = {0};
    s.bolt = bolt == 0                 ? DW_BOLT_RETRACTED
             : bolt >= THROWN_PERMILLE ? DW_BOLT_THROWN
                                       : DW_BOLT_MOVING;
    s.contact = w->contact_broken         ? DW_CONTACT_UNKNOWN
                : door > CONTACT_PERMILLE ? DW_CONTACT_OPEN
                                          : DW_CONTACT_CLOSED;
    s.strike = bolt >= STRIKE_PERMILLE && door == 0 ? DW_STRIKE_IN : DW_STRIKE_OUT;
    s.handle = w->handle_inside != 0;
    s.key = w->key_outside != 0;
    s.throws_left = (uint16_t)(pct * THROWS_PER_PCT);
    *ret_sense = s;
    *ret_battery_pct = (uint8_t)pct;
    return true;
}

static void motor_throw(void *self)
{
    ((struct world_body *)self)->motor = OUT;
}

static void motor_retract(void *self)
{
    ((struct world_body *)self)->motor = BACK;
}

static void motor_stop(void *self)
{
    ((struct world_body *)self)->motor = STANDS;
}

static void buzzer(void *self, bool is_on)
{
    ((struct world_body *)self)->world->buzzer = is_on;
}

bool dw_lock_body_world(struct dw_lock_body *ret_body, const char *world_path, uint32_t travel_ms)
{
    struct dw_world *w = dw_world_open(world_path, true);
    if (!w)
        return false;
    struct world_body *b = calloc(1, sizeof *b);
    if (!b)
        return false;
    b->world = w;
    b->travel_ms = travel_ms;
    *ret_body = (struct dw_lock_body){
        .self = b,
        .sense = sense,
        .motor_throw = motor_throw,
        .motor_retract = motor_retract,
        .motor_stop = motor_stop,
        .buzzer = buzzer,
    };
    return true;
}
