/* sim/world.h - the simulated home: one small shared file that stands for the physical world.
 *
 * The demo (or a test) moves people, the door leaf and attackers; `doorward-lock --world FILE`
 * moves the bolt and senses the door; `doorward-camera --world FILE` renders the hall. Nothing of
 * the hub or the service ever maps it: they learn of the world only through real protocols.
 */
#ifndef DW_SIM_WORLD_H
#define DW_SIM_WORLD_H

#include <stdatomic.h>

#include "core/base.h"

#define DW_WORLD_MAGIC UINT32_C(0x44575731)

enum dw_world_person { DW_PERSON_NONE = 0, DW_PERSON_OUTSIDE, DW_PERSON_DOORWAY, DW_PERSON_INSIDE };
enum dw_world_camera_fault { DW_LENS_CLEAR = 0, DW_LENS_FROZEN, DW_LENS_COVERED };

/* All fields are single atomics; there is no lock and no order between them. */
struct dw_world {
    uint32_t magic;
    uint32_t pad;
    /* moved by the demo or a test */
    _Atomic int32_t
        door_permille;      /* 0 closed .. 1000 wide open; it cannot leave 0 while bolt > 0 */
    _Atomic int32_t person; /* enum dw_world_person: courier */
    _Atomic int32_t thief;  /* the same for a stranger */
    _Atomic int32_t parcels_inside; /* parcels on the hall's floor */
    _Atomic int32_t is_night;
    _Atomic int32_t lens; /* enum dw_world_camera_fault */
    _Atomic int32_t
        handle_inside;            /* 1: inside handle turned now: withdraws the bolt mechanically */
    _Atomic int32_t key_outside;  /* 1: mechanical key turned now */
    _Atomic int32_t bolt_blocked; /* 1: something in the strike: the bolt stops half way */
    _Atomic int32_t battery_pct;  /* 0..100 */
    _Atomic int32_t contact_broken; /* 1: contact sensor gives nothing */
    _Atomic int32_t camera_power,
        lock_power; /* 0: unplugged: the process stops sensing and sending */
    /* moved by the lock */
    _Atomic int32_t bolt_permille; /* 0 withdrawn .. 1000 thrown */
    _Atomic int32_t buzzer;
};

/* Makes (mode 0600) or opens the file and maps it. A new world: door closed, bolt thrown, battery
 * 87, powers on, nobody there. NULL: errno tells. Unmapped at exit. */
struct dw_world *dw_world_open(const char *path, bool create);

/* Pushes or pulls the leaf: sets door_permille, refused (false) while the bolt stands in the way.
 */
bool dw_world_door(struct dw_world *w, int32_t permille);

#endif
