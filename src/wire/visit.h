/* wire/visit.h - messages between service and hub, as MQTT payloads. Pure.
 *
 * Topics: doorward/v1/<hub id>/in (service -> hub) and /out (hub -> service), QoS 1, not retained;
 * hub id = first 16 hexadecimal digits of the hub's thumbprint. A payload is u8 kind followed by
 * one COSE_Sign1 of that kind's context. Both sides ignore what they have had before (ids below),
 * so a message that QoS 1 delivers twice never asks twice.
 *
 * ENROL is published by a hub that is not yet known on doorward/v1/enrol, and answered by WELCOME
 * on its in topic. JOB and PROOF are names that a hub refuses: a job comes inside what its agency
 * signed, a proof as what the visitor's passkey signed (wire/grant.h).
 */
#ifndef DW_WIRE_VISIT_H
#define DW_WIRE_VISIT_H

#include "core/base.h"

#define DW_JOB_PARCELS_MAX  16u
#define DW_PARCEL_CODE_MAX  128u  /* bytes of a barcode */
#define DW_NAME_MAX         48u   /* bytes of UTF-8, with the NUL that ends it here */
#define DW_LINK_PAYLOAD_MAX 3400u /* kind byte and COSE_Sign1 */

enum dw_link_kind {
    DW_LINK_KIND_NONE = 0,
    DW_LINK_KIND_ENROL,    /* hub -> service */
    DW_LINK_KIND_WELCOME,  /* service -> hub */
    DW_LINK_KIND_JOB,      /* service -> hub */
    DW_LINK_KIND_RECALL,   /* service -> hub */
    DW_LINK_KIND_HELLO,    /* service -> hub: a courier stands at the door */
    DW_LINK_KIND_OFFER,    /* hub -> service: refused, or ready with the hub's nonce */
    DW_LINK_KIND_PROOF,    /* service -> hub: the courier slid to open */
    DW_LINK_KIND_NEWS,     /* hub -> service: the visit's state changed */
    DW_LINK_KIND_RECEIPT,  /* hub -> service: how it ended; sent until acknowledged */
    DW_LINK_KIND_ACK,      /* service -> hub: a receipt or news was stored */
    DW_LINK_KIND_WISH,     /* hub -> service: what the household wants [wire/wish.h] */
    DW_LINK_KIND_WISH_ACK, /* service -> hub */
    /* wire/grant.h */
    DW_LINK_KIND_INTRODUCE, /* service -> hub: an agency asks for a grant; signed by the agency */
    DW_LINK_KIND_GRANT,     /* hub -> service: evidence of a grant */
    DW_LINK_KIND_REVOKED,   /* hub -> service */
    DW_LINK_KIND_MANIFEST,  /* service -> hub: takes the place of JOB; signed by the agency */
    DW_LINK_KIND_SHIFT,     /* service -> hub: signed by the agency */
    DW_LINK_KIND_STOP,      /* service -> hub: takes the place of PROOF; evidence of the visitor */
    DW_LINK_KIND_LEAVING,   /* service -> hub: the visitor of a STAY is about to go */
    DW_LINK_KIND_COUNT
};

/* { 1: hub public key, 10: hub nonce, -70200: zone, -70201: [* door name], -70292: name of the
 * pairing code, -70293: proof } [crypto/pairing.h] */
struct dw_enrol {
    uint8_t hub_pub[32];
    uint8_t nonce[32];
    char zone[DW_NAME_MAX]; /* IANA zone of the home, "Europe/Amsterdam" */
    uint8_t door_count;     /* 1..4 */
    char door[4][DW_NAME_MAX];
    uint8_t pairing[32];
    uint8_t proof[32];
};

/* { 1: service public key, 3: hub thumbprint, -70202: home name, -70293: proof } */
struct dw_welcome {
    uint8_t hub[32];
    uint8_t service_pub[32];
    char home[DW_NAME_MAX];
    uint8_t proof[32];
};

/* A civil window in the home's zone: dates count days since 1970-01-01, minutes 0..1439 (end may be
 * 1440). */
struct dw_civil_window {
    int32_t day;
    uint16_t from_min, to_min;
};

/* { 3: hub, 4: exp, 5: nbf, 7: job id, -70005: agency, -70006: [* commitment], -70007: openings,
 *   -70200: zone, -70203: agency name, -70204: kind, -70205: door, -70206: [day, from, to],
 *   -70207: dwell_ms, -70208: revision, -70209: visitor id, -70210: visitor name, -70211: screening
 *   [issuer, kind, from day, to day], -70212: notes, -70213: camera class } */
struct dw_job {
    uint8_t hub[32];
    int64_t nbf_s, exp_s; /* Unix seconds; outer bounds of the window, in UTC */
    uint8_t job[16];
    uint8_t agency[16];
    char agency_name[DW_NAME_MAX];
    uint8_t kind; /* enum dw_visit_kind */
    uint8_t door;
    uint8_t openings; /* 1 for DROP */
    char zone[DW_NAME_MAX];
    struct dw_civil_window window;
    uint32_t dwell_ms;
    uint32_t revision; /* grows with each change of the job; a lower one is ignored */
    uint8_t visitor[16];
    char visitor_name[DW_NAME_MAX];
    char screening_issuer[DW_NAME_MAX], screening_kind[DW_NAME_MAX];
    int32_t screening_from_day, screening_to_day; /* valid on both and between, home's civil days */
    uint8_t camera_class;                         /* least class permitted, enum dw_camera_class */
    char notes[256];
    uint8_t parcel_count;
    uint8_t parcel[DW_JOB_PARCELS_MAX][32]; /* SHA-256(salt || barcode) */
};

/* { 3: hub, 7: job id, -70208: revision } */
struct dw_recall {
    uint8_t hub[32];
    uint8_t job[16];
    uint32_t revision;
};

/* { 3: hub, 7: job id, -70008: visit id, -70209: visitor id, -70220: courier nonce, -70221:
 * barcode, -70222: salt, -70205: door, -70223: age_ms, -70208: revision } */
struct dw_hello {
    uint8_t hub[32];
    uint8_t job[16];
    uint64_t visit; /* drawn by the service, unique; the same id again is the same question */
    uint8_t visitor[16];
    uint8_t courier_nonce[32];
    uint8_t barcode_len;
    uint8_t barcode[DW_PARCEL_CODE_MAX];
    uint8_t salt[16];
    uint8_t door;
    uint32_t
        age_ms; /* how long ago the courier asked, by the service's clock; > 10,000 is refused */
    uint32_t revision;
};

/* { 3: hub, -70008: visit, -70220: courier nonce, 10: hub nonce (READY only, else 32 zero bytes),
 *   -70224: check (0: ready), -70225: [* checks passed], -70238: expires_ms } */
struct dw_offer {
    uint8_t hub[32];
    uint64_t visit;
    uint8_t courier_nonce[32];
    uint8_t hub_nonce[32];
    uint8_t check;       /* enum dw_check; DW_CHECK_NONE means ready */
    uint32_t expires_ms; /* how long the offer stands, from now */
    uint64_t passed;     /* bit n: enum dw_check n passed */
};

/* { 3: hub, -70008: visit, 10: hub nonce, -70220: courier nonce, -70205: door, -70226: action
 * "open" } */
struct dw_proof {
    uint8_t hub[32];
    uint64_t visit;
    uint8_t hub_nonce[32];
    uint8_t courier_nonce[32];
    uint8_t door;
};

/* { 3: hub, -70008: visit }. It ends a stay with the next locking, and gives nothing [VIS-19]. */
struct dw_leaving {
    uint8_t hub[32];
    uint64_t visit;
};

/* { 3: hub, -70008: visit, -70227: news number, -70228: state, -70229: [utc lo ms, utc hi ms],
 *   -70224: check, -70230: alarm bits } */
struct dw_news {
    uint8_t hub[32];
    uint64_t visit;
    uint32_t number;  /* from 1 in each visit; tells order and repeats */
    uint8_t state;    /* enum dw_visit_state */
    struct dw_utc at; /* when it happened, not when it was sent */
    uint8_t check;
    uint32_t alarms; /* bit n: enum dw_alarm n is on */
};

/* { 3: hub, -70008: visit, -70220: courier nonce, -70231: outcome, -70224: check, -70232: gap_ms,
 *   -70233: [opened utc lo, hi, secured utc lo, hi], -70234: inside_ms, -70235: evidence class,
 *   -70236: leaf number, -70237: confirmed later } */
struct dw_receipt {
    uint8_t hub[32];
    uint64_t visit;
    uint8_t courier_nonce[32];
    uint8_t outcome; /* enum dw_outcome */
    uint8_t check;
    uint32_t gap_ms;               /* longest time without a verified frame */
    struct dw_utc opened, secured; /* unknown when it did not happen */
    uint32_t inside_ms;
    uint8_t evidence;        /* enum dw_lock_class: A signed by the lock, B radio evidence */
    uint64_t leaf;           /* of the record */
    bool is_confirmed_later; /* follows an earlier SECURED_UNCONFIRMED */
};

/* { 3: hub, -70008: visit, -70227: news number (0: the receipt; UINT32_MAX: the receipt that
 * confirms a SECURED_UNCONFIRMED later) } */
struct dw_ack {
    uint8_t hub[32];
    uint64_t visit;
    uint32_t number;
};

/* { 3: hub, -70240: viewer nonce, -70101: [bolt, contact, strike], -70241: secured, -70242:
 * lease_ms, -70228: visit state }: what one screen may show, and for how long from when it sent its
 * nonce. */
struct dw_display {
    uint8_t hub[32];
    uint8_t viewer_nonce[32];
    uint8_t bolt, contact, strike;
    bool is_secured;
    uint32_t lease_ms;
    uint8_t visit_state;
};

/* The record: leaf = [1, seq, SHA-256(salt32 || event bytes)] [protocol 3]. */
struct dw_leaf {
    uint64_t seq;
    uint8_t commitment[32];
};

/* Event bytes are COSE_Sign1(hub) of { -70250: number, -70251: kind, -70008: visit,
 * -70229: [lo, hi], -70252: boottime ms, -70253: detail bytes } */
struct dw_event_body {
    uint64_t number;
    uint8_t kind; /* enum dw_story of hub/ipc.h */
    uint64_t visit;
    struct dw_utc at;
    uint64_t boot_ms;
    uint16_t detail_len;
    uint8_t detail[1024];
};

#define DW_WIRE_MESSAGE(name)                                                             \
    DW_MUST_USE dw_err dw_##name##_write(const struct dw_##name *in, struct dw_buf *out); \
    DW_MUST_USE dw_err dw_##name##_read(struct dw_view in, struct dw_##name *ret_##name)

DW_WIRE_MESSAGE(enrol);
DW_WIRE_MESSAGE(welcome);
DW_WIRE_MESSAGE(job);
DW_WIRE_MESSAGE(recall);
DW_WIRE_MESSAGE(hello);
DW_WIRE_MESSAGE(offer);
DW_WIRE_MESSAGE(proof);
DW_WIRE_MESSAGE(leaving);
DW_WIRE_MESSAGE(news);
DW_WIRE_MESSAGE(receipt);
DW_WIRE_MESSAGE(ack);
DW_WIRE_MESSAGE(display);
DW_WIRE_MESSAGE(leaf);
DW_WIRE_MESSAGE(event_body);

/* The context that goes with a kind; DW_CONTEXT_NONE for a kind that does not exist. */
uint8_t dw_link_context(uint8_t kind);

#endif
