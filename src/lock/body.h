/* lock/body.h - the body of a reference lock: motor, buzzer, sensors, battery.
 *
 * One implementation here, the simulated home (body_world.c); a microcontroller's drivers would
 * take its place and the rest of doorward-lock would not change. A body decides nothing: it moves
 * when told and says what it senses. Handle and key act on the bolt without it [I20].
 */
#ifndef DW_LOCK_BODY_H
#define DW_LOCK_BODY_H

#include "core/lock.h"

struct dw_lock_body {
    void *self;
    /* Reads all sensors. False: there is no power; nothing is sensed and the motor stands still. A
     * simulated body also moves here, so it is called at least every 20 ms. */
    bool (*sense)(void *self, uint64_t now_us, struct dw_lock_sense *ret_sense,
                  uint8_t *ret_battery_pct);
    void (*motor_throw)(void *self);
    void (*motor_retract)(void *self);
    void (*motor_stop)(void *self);
    void (*buzzer)(void *self, bool is_on);
};

/* The simulated home of sim/world.h. `travel_ms`: withdrawn to thrown. False: errno tells. */
bool dw_lock_body_world(struct dw_lock_body *ret_body, const char *world_path, uint32_t travel_ms);

#endif
