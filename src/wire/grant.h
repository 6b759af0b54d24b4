/* wire/grant.h - who may come, as the household and the agencies say it [protocol 3]. Pure.
 *
 * A chain of four objects stands behind a visitor's opening: the owner's GRANT to an agency (or a
 * person), the agency's MANIFEST of one coming visit and its SHIFT certificate that names the
 * visitor's passkey, and the visitor's own proof over STOP at the door. Grant and stop are not
 * COSE objects: a passkey signs them, with
 *   challenge = SHA-256(context string || 0x00 || bytes)
 * and what it made is EVIDENCE. Bytes are kept and passed on as they were signed.
 */
#ifndef DW_WIRE_GRANT_H
#define DW_WIRE_GRANT_H

#include "wire/visit.h"

#define DW_GRANT_WINDOWS_MAX 14u
#define DW_GRANT_DAYS_MAX    90u /* from nbf to exp */
#define DW_WEEK_MINUTES      10080u
#define DW_SHIFT_SECONDS_MAX 86400u

#define DW_GRANT_CONTEXT   "doorward/grant/1"
#define DW_CONTROL_CONTEXT "doorward/control/1"
#define DW_STOP_CONTEXT    "doorward/stop/1"

/* From minute `from` of the week (Monday 00:00 is 0) for `minutes`, in civil time of the grant's
 * zone; may run over the end of the week. */
struct dw_week_window {
    uint16_t from, minutes;
};

enum dw_grant_mode { DW_GRANT_ASK = 0, DW_GRANT_VETO, DW_GRANT_NOTIFY, DW_GRANT_MODE_COUNT };

/* { 1: owner credential, 2: grantee key, 3: hub, 4: exp, 5: nbf, 7: grant id, -70200: zone,
 *   -70203: name, -70204: kind, -70205: door, -70207: dwell_ms, -70213: camera class, -70270:
 *   nonce, -70271: epoch, -70272: [* [from, minutes]], -70273: uses, -70274: per day, -70275:
 *   presence class, -70276: mode, -70277: hosted } */
struct dw_grant {
    uint8_t owner[32];   /* SHA-256 of the owner's credential key as COSE_Key */
    uint8_t grantee[32]; /* thumbprint of the agency's or person's key */
    uint8_t hub[32];
    int64_t exp_s, nbf_s; /* at most DW_GRANT_DAYS_MAX apart */
    uint8_t id[16];
    char zone[DW_NAME_MAX];
    char name[DW_NAME_MAX]; /* of the grantee, as the owner saw it when signing */
    uint8_t kind;           /* enum dw_visit_kind */
    uint8_t door;
    uint32_t dwell_ms;
    uint8_t camera_class; /* least one */
    uint8_t nonce[32];    /* the hub's, for these bytes alone */
    uint32_t epoch;       /* of the home, when it was signed */
    uint8_t window_count; /* 1.. */
    struct dw_week_window window[DW_GRANT_WINDOWS_MAX];
    uint16_t uses;    /* in all, 1.. */
    uint8_t per_day;  /* 1.. */
    uint8_t presence; /* 0..3, least one */
    uint8_t mode;     /* enum dw_grant_mode; zero asks the owner each time */
    bool is_hosted;   /* the agency's key lies with the service */
};

/* { 3: hub, 7: id, -70278: context string, -70279: signed bytes, -70280: credential id, -70281:
 *   authenticator data, -70282: clientDataJSON, -70283: signature } */
struct dw_evidence {
    uint8_t hub[32];
    uint8_t id[16];
    char context[DW_NAME_MAX]; /* of the three above */
    uint16_t bytes_len, credential_len, auth_len, client_len, signature_len;
    uint8_t bytes[1024];
    uint8_t credential[128];
    uint8_t auth[512];
    uint8_t client[1024];
    uint8_t signature[128];
};

/* { 3: hub, 7: grant id, -70284: job bytes }, signed by the agency. The job is that of
 * wire/visit.h, byte for byte, so that a hash of it means one thing. */
struct dw_manifest {
    uint8_t hub[32];
    uint8_t grant[16];
    uint16_t job_len;
    uint8_t job[1900];
};

/* { 4: exp, 5: nbf, -70005: agency, -70209: visitor, -70210: visitor's name, -70280: credential
 *   id, -70285: [alg, key], -70286: origin }, signed by the agency, valid for at most a day. */
struct dw_shift {
    int64_t exp_s, nbf_s;
    uint8_t agency[16];
    uint8_t visitor[16];
    char visitor_name[DW_NAME_MAX];
    uint8_t credential_len;
    uint8_t credential[128];
    uint8_t alg; /* 1 ES256: key is x || y; 2 EdDSA: 32 bytes */
    uint8_t key_len;
    uint8_t key[64];
    char origin[128]; /* of the page that asks for the proof; its host is the RP ID */
};

/* { 3: hub, 7: SHA-256 of the manifest object, 10: hub nonce, -70008: visit, -70205: door, -70220:
 *   courier nonce, -70226: "open", -70287: SHA-256 of the door code that was scanned, or zeroes }
 */
struct dw_stop {
    uint8_t hub[32];
    uint8_t manifest[32];
    uint8_t hub_nonce[32];
    uint64_t visit;
    uint8_t door;
    uint8_t courier_nonce[32];
    uint8_t door_code[32];
};

/* { 3: hub, -70270: nonce, -70271: epoch, -70288: act, -70289: target, -70290: value, -70291: name
 * }, signed by an owner's or member's passkey: one change of the home's settings or people, or one
 * opening of the own door. The hub writes it, shows it, and counts it once. */
struct dw_control {
    uint8_t hub[32];
    uint8_t nonce[32];
    uint32_t epoch; /* of the home, before the change */
    uint8_t act;    /* enum dw_act of hub/people.h */
    uint8_t
        target[16]; /* what it is about: a number big-endian at the end, or an id; else zeroes */
    uint64_t value;
    char name[DW_NAME_MAX]; /* "" for none */
};

/* { 1: agency's public key, 3: hub, -70005: agency, -70203: name, -70277: hosted }, signed by that
 * key: an agency asks the household for a grant. Nothing follows from it but a card on a page. */
struct dw_introduce {
    uint8_t pub[32];
    uint8_t hub[32];
    uint8_t agency[16];
    char name[DW_NAME_MAX];
    bool is_hosted;
};

/* { 3: hub, 7: grant, -70229: [lo, hi], -70271: epoch after it } */
struct dw_revoked {
    uint8_t hub[32];
    uint8_t grant[16];
    struct dw_utc at;
    uint32_t epoch;
};

DW_WIRE_MESSAGE(control);
DW_WIRE_MESSAGE(introduce);
DW_WIRE_MESSAGE(revoked);
DW_WIRE_MESSAGE(grant);
DW_WIRE_MESSAGE(evidence);
DW_WIRE_MESSAGE(manifest);
DW_WIRE_MESSAGE(shift);
DW_WIRE_MESSAGE(stop);

/* [I4] What the manifest's job asks lies inside what the grant gives, as far as both say it: hub,
 * kind, door, dwell, camera class, zone, and that the job's civil window lies inside one window of
 * the week. `*ret_why` (may be NULL) names the first part that does not fit, else NULL. */
bool dw_grant_holds(const struct dw_grant *grant, const struct dw_job *job, const char **ret_why);

#endif
