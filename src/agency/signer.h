/* agency/signer.h - what an agency's key may sign. Pure but for the signature itself.
 *
 * The service says what it wants signed; this looks at every byte of it as the agency would: in the
 * agency's own name, within its own limits, in a form that is known. What it does not understand it
 * does not sign.
 */
#ifndef DW_AGENCY_SIGNER_H
#define DW_AGENCY_SIGNER_H

#include "crypto/crypto.h"
#include "crypto/signed.h"
#include "wire/grant.h"

#define DW_SIGNER_REVISIONS_MAX 4096u

/* The agency's own rules. */
struct dw_signer_rules {
    uint8_t agency[16];
    char name[DW_NAME_MAX];
    bool is_hosted;
    uint32_t per_day;    /* manifests of jobs that were not signed before, in 24 h */
    uint32_t days_ahead; /* windows further away are not signed */
    char origin[128];    /* of the page that asks couriers; shifts for another are refused */
};

/* Why not. X(name, words for the log). */
#define DW_SIGNER_NO_LIST(X)                         \
    X(KIND, "not a kind that is signed")             \
    X(FORM, "not in the form of its kind")           \
    X(AGENCY, "in another agency's name")            \
    X(KEY, "for another key")                        \
    X(WINDOW, "its window is over, or too far away") \
    X(QUOTA, "more than were agreed for a day")      \
    X(ORIGIN, "for another page")                    \
    X(CLOCK, "this machine does not know the time")

enum dw_signer_no {
    DW_SIGNER_YES = 0,
#define X(name, words) DW_SIGNER_NO_##name,
    DW_SIGNER_NO_LIST(X)
#undef X
        DW_SIGNER_NO_COUNT
};
const char *dw_signer_no_words(enum dw_signer_no no);

/* Jobs of the last 24 h, so that a new revision does not count twice. Zeroed is empty. */
struct dw_signer {
    struct dw_signer_rules rules;
    const struct dw_secret *secret; /* borrowed */
    struct {
        uint8_t job[16];
        int64_t at_s; /* 0: free */
    } seen[DW_SIGNER_REVISIONS_MAX];
};

/* Looks at `payload` as a message of `kind` ("introduce", "manifest", "shift") and signs it into
 * `out`. Anything but DW_SIGNER_YES: nothing was signed or counted; log it and leave it. `now_s`:
 * Unix seconds, 0 when not known. */
DW_MUST_USE enum dw_signer_no dw_signer_sign(struct dw_signer *s, const char *kind,
                                             struct dw_view payload, int64_t now_s,
                                             struct dw_buf *out);

#endif
