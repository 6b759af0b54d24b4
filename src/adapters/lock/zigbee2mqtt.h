/* adapters/lock/zigbee2mqtt.h - a Zigbee lock behind Zigbee2MQTT (2.x), reached over an MQTT
 * broker.
 *
 * Settings, one text, "key=value" words with single spaces between them:
 *
 *   broker=127.0.0.1:1883    numeric address and port of the broker; [::1]:1883 for IPv6. Required.
 *   base=zigbee2mqtt         base topic of the bridge. Default: zigbee2mqtt.
 *   device=0x000d6f0001234501  ieee_address of the lock. Required. Names may change, this does not.
 *   contact=0x000d6f0001234504 ieee_address of the door contact. Without it the lock is class C.
 *   relock_s=30              longest relock time of the lock that is accepted, 5..180; written to
 * the lock once if its own relock is off. Default: 30. user=NAME password_file=PATH  login at the
 * broker; the file's first line is the password.
 *
 * Evidence is radio evidence: class B at most, and only while all of this holds, else class C and
 * `why` says in words what is missing:
 *   - the lock has a relock time of its own, 1..relock_s seconds, read back from the lock (not from
 * the bridge's memory) when the link came up and again for every ask that is 15 s or more after the
 *     last read-back [protocol 2, L-B];
 *   - the door contact is configured, known to the bridge and has been heard since the link came
 * up;
 *   - no retained command lies on the lock's command topic.
 *
 * What is fresh. Zigbee2MQTT repeats remembered values in every message. The adapter therefore sets
 * two options of the lock and the contact (filtered_cache, optimistic) so that lock_state,
 * auto_relock_time and contact are in a message only if the device has just said so, does not
 * believe the first message after that, and believes no retained message at all. An ask is answered
 * by a read of the lock that the bridge began after the ask: first the bridge must answer a
 * numbered request, then the lock is read, then `ask_seq` grows.
 *
 * RETRACT goes out only after the bridge has answered a numbered request of that very command, and
 * not after `expires`; it is never sent twice, never retained, and the broker is told to forget it.
 * What the bridge and the radio do with it afterwards is beyond the adapter
 * [docs/design/zigbee2mqtt.md]. THROW is refused with DW_E_DENIED while the contact says OPEN
 * [I18].
 *
 * The link is up when broker, bridge and lock's entry in the bridge are there. Payloads are never
 * logged: they may carry PINs. The implementation is `dw_lock_zigbee2mqtt` of adapters/lock/lock.h.
 */
#ifndef DW_ADAPTERS_LOCK_ZIGBEE2MQTT_H
#define DW_ADAPTERS_LOCK_ZIGBEE2MQTT_H

#include "adapters/lock/lock.h"

#endif
