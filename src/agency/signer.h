/* agency/signer.h - what an agency's key may sign. Pure but for the signature itself.
 *
 * The service says what it wants signed; this looks at every byte of it as the agency would: in the
 * agency's own name, within its own limits, in a form that is known. Which hub is a home's it
 * learns once, with the introduction; what a household permits it reads in its hub's own word. What
 * it does not understand it does not sign.
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
    uint32_t per_day;    /* in 24 h: jobs that were not signed before, and as many new homes */
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
    X(CLOCK, "this machine does not know the time")  \
    X(HOME, "for a home that was never introduced")  \
    X(HUB, "for another hub than this home's")       \
    X(GRANT, "without this household's permission")  \
    X(SCOPE, "outside of the household's permission")

enum dw_signer_no {
    DW_SIGNER_YES = 0,
#define X(name, words) DW_SIGNER_NO_##name,
    DW_SIGNER_NO_LIST(X)
#undef X
        DW_SIGNER_NO_COUNT
};
const char *dw_signer_no_words(enum dw_signer_no no);

/* What is to be signed, and what is said of the home that it is about: all of it is the service's
 * word, until it was looked at. */
struct dw_signer_item {
    const char *kind; /* "introduce", "manifest", "shift" */
    struct dw_view payload;
    uint8_t hub_pub[DW_KEY_BYTES]; /* not for shifts */
    struct dw_view grant;          /* manifests: what the hub signed of the permission */
    /* The agency's own memory [homes.h]. */
    bool is_known;
    uint8_t known_hub[DW_THUMB_BYTES];
};

/* Jobs of the last 24 h, so that a new revision does not count twice. Zeroed is empty. */
struct dw_signer {
    struct dw_signer_rules rules;
    const struct dw_secret *secret; /* borrowed */
    struct {
        uint8_t job[16];
        int64_t at_s; /* 0: free */
    } seen[DW_SIGNER_REVISIONS_MAX];
    int64_t homes_from_s; /* of the day in which the new ones are counted */
    uint32_t homes;
};

/* Looks at the item and signs its payload into `out`. Anything but DW_SIGNER_YES: nothing was
 * signed or counted; log it and leave it. The introduction to a home that is not known is to be
 * kept with its hub before it is given away. `now_s`: Unix seconds, 0 when not known. */
DW_MUST_USE enum dw_signer_no dw_signer_sign(struct dw_signer *s, const struct dw_signer_item *item,
                                             int64_t now_s, struct dw_buf *out);

#endif
