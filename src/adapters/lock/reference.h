/* adapters/lock/reference.h - the reference lock (class L-A) over its own link. Settings text,
 * words separated by blanks:
 *
 *   address=127.0.0.1:7002   where `doorward lock` listens; must be given
 *   connect_ms=2000          longest wait for a connection (100..10000)
 *   silent_ms=3000           the link counts as lost after this long without a message of the lock,
 *                            once it was asked (1500..30000); the lock speaks every second
 *
 * The adapter holds no key: it carries the guard's signed bytes and gives the lock's signed bytes
 * up. It redials after 100 ms, doubling up to 1 s. An ask or a command is handed to the kernel at
 * once or not at all. Bytes that the kernel holds on a stalled link may still arrive later; they
 * are late for the lock, which refuses a RETRACT that answers a status older than 3 s
 * (docs/design/lock-link.md).
 */
#ifndef DW_ADAPTERS_LOCK_REFERENCE_H
#define DW_ADAPTERS_LOCK_REFERENCE_H

#include "adapters/lock/lock.h"

#define DW_REFERENCE_REDIAL_MS_MIN 100u
#define DW_REFERENCE_REDIAL_MS_MAX 1000u

#endif
