/* tests/hostile/moves.h - the grammar of histories: what honest people do, what attackers do. */
#ifndef DW_TESTS_HOSTILE_MOVES_H
#define DW_TESTS_HOSTILE_MOVES_H

#include "model.h"

/* X(name, what it is, which powers it needs: any of them; 0: everybody) */
#define MOVE_LIST(X)                                                                   \
    X(TICK, "time passes", 0)                                                          \
    X(ASK, "an honest courier asks", 0)                                                \
    X(SLIDE, "an honest courier slides", 0)                                            \
    X(VISIT, "a whole honest visit", 0)                                                \
    X(INSIDE, "somebody goes in and out", 0)                                           \
    X(LATER, "much time passes", 0)                                                    \
    X(CLOCK, "the clock becomes wide, or unknown", 0)                                  \
    X(RESTART, "the hub starts anew", 0)                                               \
    X(CRASH, "the hub loses power", 0)                                                 \
    X(LINK, "the service comes or goes", 0)                                            \
    X(REVOKE, "an owner revokes", 0)                                                   \
    X(REMOVE, "an owner removes a guest", 0)                                           \
    X(GUEST_ASK, "an honest guest asks", 0)                                            \
    X(GUEST_SLIDE, "an honest guest slides", 0)                                        \
    X(GUEST_VISIT, "a whole honest visit of a guest", 0)                               \
    X(GUEST, "what a guest's page would not say",                                      \
      HAS_GUEST(GUEST_GIL) | HAS_GUEST(GUEST_HAL) | HAS_GUEST_SESSION)                 \
    X(REPLAY, "something captured, again", 0)                                          \
    X(FLIP, "something captured, bits flipped", 0)                                     \
    X(CUT, "something captured, cut or longer", 0)                                     \
    X(SPLICE, "two halves of captured things", 0)                                      \
    X(KIND, "something captured, as another kind", 0)                                  \
    X(RESIGN, "what somebody signed, signed by the attacker", 0)                       \
    X(HELLO, "a question made up", HAS_SERVICE | HAS_RELAY)                            \
    X(STOP, "a proof made up", HAS_SERVICE | HAS_RELAY)                                \
    X(COME, "a whole visit with a phone of its own", HAS_SERVICE | HAS_RELAY)          \
    X(LOGIN, "a sign-in in the place of a proof", HAS_LOGINS)                          \
    X(GRAFT, "an old proof's signature on a new question", 0)                          \
    X(MANIFEST, "a manifest made up", 0)                                               \
    X(SHIFT, "a shift made up", 0)                                                     \
    X(INTRODUCE, "an introduction made up", 0)                                         \
    X(ENVELOPE, "recalls, acknowledgements, welcomes made up", HAS_SERVICE)            \
    X(PEOPLE, "an act of the household without its passkey", HAS_SESSION | HAS_LOGINS) \
    X(FRAME, "frames made up", 0)                                                      \
    X(KEPT, "kept bytes written over", HAS_KEPT)
enum move {
#define X(name, text, needs) MOVE_##name,
    MOVE_LIST(X)
#undef X
        MOVE_COUNT
};
const char *move_name(enum move m);
const char *move_text(enum move m);
uint32_t move_needs(enum move m);

/* One move with chance of its own; what is not possible now does nothing. */
void move_make(enum move m, struct dice *d);
/* Which one. */
enum move move_draw(struct dice *d);

#endif
