/* tests/adapters/zigbee_home.h - the simulated house behind a real Zigbee2MQTT, from C.
 *
 * Starts tests/bridges/zigbee/bridge.mjs (a broker, Zigbee2MQTT with its radio replaced, one door,
 * two locks, a contact) and moves its world over the control port. Everything ends with the test
 * program.
 */
#ifndef DW_TESTS_ADAPTERS_ZIGBEE_HOME_H
#define DW_TESTS_ADAPTERS_ZIGBEE_HOME_H

#include <sys/types.h>

#include "core/types.h"

#define ZIGBEE_YALE    "0x000d6f0001234501" /* front_door: relock of its own */
#define ZIGBEE_KWIKSET "0x000d6f0001234502" /* back_door: none */
#define ZIGBEE_CONTACT "0x000d6f0001234504" /* front_contact */

struct zigbee_home {
    pid_t pid;    /* bridge.mjs; 0: not running */
    int to, from; /* its stdin (closing it ends everything) and stdout */
    uint16_t mqtt_port, control_port;
    pid_t bridge_pid; /* Zigbee2MQTT itself, until it is started anew */
};

struct zigbee_world {
    bool is_door_open;
    enum dw_bolt yale, kwikset; /* where the bolts really are */
    uint32_t yale_moves, yale_relock_s, openings;
};

/* Blocks until all devices have joined (about 3 s). False: `why` tells; a folder node_modules that
 * is missing is a failure, never a reason to skip. */
bool zigbee_home_start(struct zigbee_home *h, char *why, size_t why_cap);
void zigbee_home_stop(struct zigbee_home *h);

/* One GET on the control port, "yale/travel?ms=3000". False: refused, for example because a bolt
 * stands in the way of the door. Aborts the test program when the house does not answer. */
bool zigbee_act(struct zigbee_home *h, const char *what);
struct zigbee_world zigbee_look(struct zigbee_home *h);
/* Everything as it was at the start: door shut, bolts out, radios on, short times. */
bool zigbee_reset(struct zigbee_home *h);

/* Publishes as somebody else at the broker would; waits until the broker has it. */
void zigbee_say(struct zigbee_home *h, const char *topic, const void *payload, size_t len,
                bool is_retained);

#endif
