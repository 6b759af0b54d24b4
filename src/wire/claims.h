/* wire/claims.h - the number of every map key that goes over a wire. Pure.
 *
 * Positive numbers are registered CWT and EAT claims; -70xxx are private ones. A number is never
 * used for another meaning. docs/spec/messages.md lists them all (tests/wire/spec_test.c checks
 * it).
 */
#ifndef DW_WIRE_CLAIMS_H
#define DW_WIRE_CLAIMS_H

#define DW_CLAIM_LIST(X)                                        \
    X(ISS, 1) /* public key of the one who introduces itself */ \
    X(SUB, 2) /* key that something is granted to */            \
    X(HUB, 3) /* audience: thumbprint of the hub */             \
    X(EXP, 4)                                                   \
    X(NBF, 5)                                                   \
    X(JOB, 7)                                                   \
    X(NONCE, 10)                                                \
    X(BOOT_COUNT, 267)                                          \
    X(BOOT_SEED, 268)                                           \
    X(SOFTWARE, 271)                                            \
    X(AGENCY, -70005)                                           \
    X(PARCELS, -70006)                                          \
    X(OPENINGS, -70007)                                         \
    X(VISIT, -70008)                                            \
    X(FRAME_SEQ, -70009)                                        \
    X(T_RX, -70010)                                             \
    X(T_EXP, -70011)                                            \
    X(PICTURE, -70012)                                          \
    X(CHAIN, -70013)                                            \
    X(TAMPER, -70014)                                           \
    X(WANT_KEY_FRAME, -70020)                                   \
    X(PICTURE_SIZE, -70021)                                     \
    X(CAMERA_IS, -70022)                                        \
    X(LOCK_VERSION, -70100)                                     \
    X(SENSED, -70101)                                           \
    X(THROWS_LEFT, -70104)                                      \
    X(OP_COUNT, -70105)                                         \
    X(OPENING_COUNT, -70106)                                    \
    X(LOCK_NONCE, -70107)                                       \
    X(EPOCH, -70108)                                            \
    X(COUNTER_HAD, -70109)                                      \
    X(LOCK_TIME, -70110)                                        \
    X(BATTERY, -70112)                                          \
    X(LEASE_LEFT, -70113)                                       \
    X(STATUS_SEQ, -70114)                                       \
    X(CLOSED_TIME, -70115)                                      \
    X(LOCK_ACTION, -70120)                                      \
    X(COUNTER, -70121)                                          \
    X(LEASE, -70122)                                            \
    X(LOCK_DWELL, -70123)                                       \
    X(LOCK_RESULT, -70124)                                      \
    X(ZONE, -70200)                                             \
    X(DOOR_NAMES, -70201)                                       \
    X(HOME_NAME, -70202)                                        \
    X(AGENCY_NAME, -70203)                                      \
    X(VISIT_KIND, -70204)                                       \
    X(DOOR, -70205)                                             \
    X(WINDOW, -70206)                                           \
    X(DWELL, -70207)                                            \
    X(REVISION, -70208)                                         \
    X(VISITOR, -70209)                                          \
    X(VISITOR_NAME, -70210)                                     \
    X(SCREENING, -70211)                                        \
    X(NOTES, -70212)                                            \
    X(CAMERA_LEAST, -70213)                                     \
    X(COURIER_NONCE, -70220)                                    \
    X(BARCODE, -70221)                                          \
    X(SALT, -70222)                                             \
    X(AGE, -70223)                                              \
    X(CHECK, -70224)                                            \
    X(PASSED, -70225)                                           \
    X(ACTION, -70226)                                           \
    X(NEWS_NUMBER, -70227)                                      \
    X(VISIT_STATE, -70228)                                      \
    X(AT, -70229)                                               \
    X(ALARMS, -70230)                                           \
    X(OUTCOME, -70231)                                          \
    X(GAP, -70232)                                              \
    X(TIMES, -70233)                                            \
    X(INSIDE, -70234)                                           \
    X(EVIDENCE, -70235)                                         \
    X(LEAF, -70236)                                             \
    X(CONFIRMED_LATER, -70237)                                  \
    X(OFFER_EXPIRES, -70238)                                    \
    X(VIEWER_NONCE, -70240)                                     \
    X(SECURED, -70241)                                          \
    X(DISPLAY_LEASE, -70242)                                    \
    X(EVENT_NUMBER, -70250)                                     \
    X(EVENT_KIND, -70251)                                       \
    X(EVENT_BOOT_MS, -70252)                                    \
    X(EVENT_DETAIL, -70253)                                     \
    X(WISH_NUMBER, -70260)                                      \
    X(WISH_KIND, -70261)                                        \
    X(WISH_VALUE, -70262)                                       \
    X(WISH_TEXT, -70263)                                        \
    X(WISH_STATUS, -70264)                                      \
    X(GRANT_NONCE, -70270)                                      \
    X(HOME_EPOCH, -70271)                                       \
    X(WEEK_WINDOWS, -70272)                                     \
    X(USES, -70273)                                             \
    X(PER_DAY, -70274)                                          \
    X(PRESENCE, -70275)                                         \
    X(GRANT_MODE, -70276)                                       \
    X(IS_HOSTED, -70277)                                        \
    X(SIGNED_AS, -70278)                                        \
    X(SIGNED_BYTES, -70279)                                     \
    X(CREDENTIAL, -70280)                                       \
    X(AUTH_DATA, -70281)                                        \
    X(CLIENT_DATA, -70282)                                      \
    X(SIGNATURE, -70283)                                        \
    X(JOB_BYTES, -70284)                                        \
    X(PASSKEY, -70285)                                          \
    X(ORIGIN, -70286)                                           \
    X(DOOR_CODE, -70287)                                        \
    X(ACT, -70288)                                              \
    X(ACT_TARGET, -70289)                                       \
    X(ACT_VALUE, -70290)                                        \
    X(ACT_NAME, -70291)                                         \
    X(PAIRING, -70292)                                          \
    X(PAIRING_PROOF, -70293)                                    \
    X(SESSION_KEY, -70300)

enum dw_claim {
#define X(name, number) DW_CLAIM_##name = number,
    DW_CLAIM_LIST(X)
#undef X
};

#endif
