/* wire/wish.h - what the household wants of a delivery, hub -> service, and the answer. Pure.
 *
 * A wish is no authority: the hub enforces DECLINE and STOP itself; the service carries all of them
 * to the agency and the courier. Sent again until acknowledged; a number is applied once.
 */
#ifndef DW_WIRE_WISH_H
#define DW_WIRE_WISH_H

#include "wire/visit.h"

/* Wishes of the household about a delivery; the hub enforces DECLINE, STOP at once, the service
 * learns all of them [wire/wish.h]. */
enum dw_wish_kind {
    DW_WISH_NONE = 0,
    DW_WISH_ACCEPT,
    DW_WISH_DECLINE,
    DW_WISH_PLACE, /* text: hall, garage, parcel_box, locker, neighbour, doorstep */
    DW_WISH_MOVE,  /* window: asked of the agency, which answers with a new revision of the job */
    DW_WISH_NOTE,  /* value: enum dw_note_kind, text, window.day: last day shown to visitors */
    DW_WISH_STOP_AGENCY,
    DW_WISH_ALLOW_AGENCY,
    DW_WISH_COUNT
};
enum dw_note_kind {
    DW_NOTE_KIND_NONE = 0,
    DW_NOTE_KIND_PETS,
    DW_NOTE_KIND_ALARM,
    DW_NOTE_KIND_EXTRA_LOCK,
    DW_NOTE_KIND_OTHER,
    DW_NOTE_KIND_COUNT
};

/* { 3: hub, 7: job or agency id, -70260: number, -70261: kind, -70262: value, -70206: [day, from,
 *   to], -70263: text, -70229: [utc lo ms, hi ms] } */
struct dw_wish {
    uint8_t hub[32];
    uint8_t id[16];  /* job; STOP_AGENCY, ALLOW_AGENCY: agency; NOTE: zeroes or a job */
    uint64_t number; /* grows with each wish of this hub, over restarts */
    uint8_t kind;    /* enum dw_wish_kind */
    uint8_t value;   /* NOTE: enum dw_note_kind */
    struct dw_civil_window window; /* MOVE; NOTE: day = last day; else zero */
    char text[256];                /* PLACE, NOTE */
    struct dw_utc at;
};

/* { 3: hub, -70260: number, -70264: status }: status 0 stored; else an enum dw_wish_no. */
struct dw_wish_ack {
    uint8_t hub[32];
    uint64_t number;
    uint8_t status;
};
enum dw_wish_no { DW_WISH_STORED = 0, DW_WISH_NO_SUCH, DW_WISH_TOO_LATE, DW_WISH_NO_COUNT };

DW_WIRE_MESSAGE(wish);
DW_WIRE_MESSAGE(wish_ack);

#endif
