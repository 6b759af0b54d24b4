/* tests/adapters/lock_home.h - a real doorward-lock process with its world, keys and a hub's part.
 */
#ifndef DW_TESTS_ADAPTERS_LOCK_HOME_H
#define DW_TESTS_ADAPTERS_LOCK_HOME_H

#include <sys/types.h>

#include "crypto/crypto.h"
#include "sim/world.h"
#include "wire/lock.h"

struct lock_home {
    char folder[200];
    char settings[512]; /* "key = value" lines added to lock.conf */
    struct dw_secret hub;
    struct dw_key lock;
    struct dw_world *world;
    pid_t pid; /* 0: not running */
    uint16_t port;
    uint32_t counter; /* of the newest command made */
    uint8_t ask_nonce[32];
    struct dw_lock_status status; /* newest that verified */
    struct dw_lock_answer answer;
    uint32_t statuses, answers, bad;
};

/* Short times for tests: travel 120 ms, settle 200 ms, T_bolt 500 ms, leases up to 4 s. */
#define LOCK_HOME_TRAVEL_MS 120
#define LOCK_HOME_SETTLE_MS 200
#define LOCK_HOME_BOLT_MS   500
#define LOCK_HOME_LEASE_MS  4000
#define LOCK_HOME_RETRY_MS  300

/* A temp folder, keys and a new world. Aborts the test program when the machine refuses. */
void lock_home_new(struct lock_home *h);
/* Starts the program named by DW_LOCK_BIN and waits for its port. False: it ended; `h->pid` is 0.
 */
bool lock_home_start(struct lock_home *h);
/* Sends `sig` and waits for the end. Returns the exit status of waitpid; 0 when it was not running.
 */
int lock_home_end(struct lock_home *h, int sig);
/* Ends it and removes the folder. */
void lock_home_free(struct lock_home *h);

void lock_home_ask(struct lock_home *h, struct dw_buf *out);
/* From the newest status, with a counter one greater than any before. */
void lock_home_command(struct lock_home *h, enum dw_lock_action action, uint32_t lease_ms,
                       struct dw_buf *out);
/* Signs exactly `c`. */
void lock_home_sign(const struct dw_secret *key, const struct dw_lock_command *c,
                    struct dw_buf *out);
/* Verifies and keeps a STATUS or ANSWER. False: it does not verify (counted). */
bool lock_home_take(struct lock_home *h, uint8_t kind, struct dw_view cose);

/* A hub's TCP link, blocking with a time-out. */
struct lock_client {
    int fd; /* -1: closed */
    uint8_t in[8192];
    size_t in_len;
};

void client_dial(struct lock_client *c, const struct lock_home *h);
void client_hang_up(struct lock_client *c);
/* False: the lock has closed. */
bool client_raw(struct lock_client *c, const void *bytes, size_t len);
bool client_send(struct lock_client *c, uint8_t kind, struct dw_view body);
/* Waits for one message and takes it into `h`. Its kind; 0: time-out; -1: closed by the lock. */
int client_next(struct lock_client *c, struct lock_home *h, uint32_t ms);
/* Sends an ask and waits for the status that is bound to it. */
bool client_ask(struct lock_client *c, struct lock_home *h);
/* Waits until an answer comes. False: none within 3 s. */
bool client_answer(struct lock_client *c, struct lock_home *h);
/* Ask, command, answer: the result. */
enum dw_lock_result client_command(struct lock_client *c, struct lock_home *h,
                                   enum dw_lock_action action, uint32_t lease_ms);

/* Polls until `x` holds, at most `ms`. The value: whether it did. */
#define AWAIT(x, ms)                                        \
    __extension__({                                         \
        uint64_t await_until_ = test_ms() + (uint64_t)(ms); \
        bool await_got_ = (x);                              \
        while (!await_got_ && test_ms() < await_until_) {   \
            test_pause();                                   \
            await_got_ = (x);                               \
        }                                                   \
        await_got_;                                         \
    })
/* Looks for `ms` that `x` holds all the time. */
#define ALWAYS(x, ms) (!AWAIT(!(x), ms))

uint64_t test_ms(void);
void test_pause(void); /* 2 ms */

#endif
