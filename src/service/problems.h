/* service/problems.h - every error of the API: code, status, title, sentence, what the person can
 * do.
 *
 * Codes are part of the API and never change their meaning [RFC 9457]. Refusals at the door are not
 * errors: their list is DW_CHECK_LIST.
 */
#ifndef DW_SERVICE_PROBLEMS_H
#define DW_SERVICE_PROBLEMS_H

#define DW_PROBLEM_LIST(X)                                                                         \
    X(BAD_REQUEST, 400, "bad_request", "Bad request", "The request could not be read.",            \
      "Check the request against /v1/openapi.json.")                                               \
    X(BAD_JSON, 400, "bad_json", "Not JSON", "The body is not valid JSON.",                        \
      "Send one JSON object in UTF-8, each field once.")                                           \
    X(NO_TOKEN, 401, "no_token", "Not signed in", "The token is missing or not valid.",            \
      "Send the header Authorization: Bearer with your token.")                                    \
    X(SIGNED_OUT, 401, "signed_out", "Signed out", "Nobody is signed in here.",                    \
      "Sign in at /signin, or send the header Authorization: Bearer with your token.")             \
    X(CSRF, 403, "csrf", "Not from our page", "The request does not come from a page of ours.",    \
      "Load the page again; send its Origin, and the csrf of /v1/me as X-Doorward-Csrf.")          \
    X(SIGN_IN_AGAIN, 403, "sign_in_again", "Show your passkey again",                              \
      "This needs a sign-in of the last minutes.", "Sign in again, then repeat it.")               \
    X(CHALLENGE, 403, "challenge", "Too late", "The challenge was used, or has run out.",          \
      "Begin again.")                                                                              \
    X(PASSKEY, 403, "passkey", "Passkey not known", "This passkey is not known here.",             \
      "Use the passkey that you made here, or ask for a new invitation.")                          \
    X(ORIGIN, 403, "origin", "Made for another page", "The passkey was used for another page.",    \
      "Open the address of the invitation itself.")                                                \
    X(VERIFICATION, 403, "user_verification", "Not confirmed", "The device did not confirm you.",  \
      "Unlock the passkey with your finger, face or code.")                                        \
    X(INVITATION, 404, "invitation", "Invitation over", "The invitation was used or has run out.", \
      "Ask for a new one.")                                                                        \
    X(FULL, 409, "full", "No room", "There are as many as fit already.", "Take one out first.")    \
    X(NO_SIGNIN, 409, "no_signin", "Sign-in is not set up",                                        \
      "This service has no address of its "                                                        \
      "pages.",                                                                                    \
      "Tell the operator to set origin.")                                                          \
    X(WRONG_DOOR, 409, "wrong_door", "Another door", "This is not the door of this visit.",        \
      "Look for the right door.")                                                                  \
    X(NOT_PERMITTED, 403, "not_permitted", "Not permitted", "Your token is not for this.",         \
      "Use the token of the right role.")                                                          \
    X(NOT_FOUND, 404, "not_found", "Not found", "There is no such thing, or it is not yours.",     \
      "Check the address and the token.")                                                          \
    X(METHOD, 405, "method", "Method not allowed", "This address does not take that method.",      \
      "See the header Allow.")                                                                     \
    X(CONFLICT, 409, "conflict", "Not in this state", "This cannot be done in its present state.", \
      "Read it again and decide anew.")                                                            \
    X(EXISTS, 409, "exists", "Exists already", "There is one already.",                            \
      "Use the one that exists.")                                                                  \
    X(NO_HUB, 409, "no_hub", "No hub yet", "The home's hub has not been enrolled yet.",            \
      "Start the hub with the pairing code and try again.")                                        \
    X(NO_KEY, 409, "no_key", "No key", "The agency has no key of its own here.",                   \
      "Make one with doorward agency key, and have the admin enter its public half.")              \
    X(NO_GRANT, 409, "no_grant", "No grant", "The household has granted this agency nothing.",     \
      "Ask it with an introduction, and wait for its grant.")                                      \
    X(OUTSIDE_GRANT, 409, "outside_grant", "Outside the grant",                                    \
      "The household's grant does not hold this.",                                                 \
      "Stay within the grant of the home, or ask the household for another.")                      \
    X(BAD_SIGNATURE, 422, "bad_signature", "Not this signature",                                   \
      "This is not what was to be signed, or not by this agency's key.",                           \
      "Sign the payload of the item with the key that the service knows.")                         \
    X(STOP, 403, "stop", "Another stop", "The passkey did not sign this very stop.",               \
      "Load the visit again, and confirm once more.")                                              \
    X(NOT_READY, 409, "not_ready", "Not ready", "The visit is not ready to open.",                 \
      "Wait until its state is ready.")                                                            \
    X(NO_STAY, 409, "no_stay", "Not a stay", "Only a stay ends by the visitor's word.",            \
      "Close the door: a delivery ends when it is locked.")                                        \
    X(KEY_REUSED, 409, "idempotency_key_reused", "Idempotency key used",                           \
      "This Idempotency-Key was used with another request.", "Draw a new key for a new request.")  \
    X(NO_LENGTH, 411, "length_required", "Length required",                                        \
      "The header Content-Length is missing.", "Send the body with its length, not in chunks.")    \
    X(TOO_LARGE, 413, "too_large", "Too large", "The body is larger than 65,536 bytes.",           \
      "Send less at once.")                                                                        \
    X(NOT_JSON, 415, "unsupported_media_type", "Not JSON", "The body must be application/json.",   \
      "Set the header Content-Type to application/json.")                                          \
    X(BAD_FIELD, 422, "bad_field", "A field is wrong", "A field has a wrong value.",               \
      "Correct the field.")                                                                        \
    X(UNKNOWN_FIELD, 422, "unknown_field", "Unknown field", "A field is not known.",               \
      "Leave it out.")                                                                             \
    X(MISSING_FIELD, 422, "missing_field", "Missing field", "A field is missing.", "Add it.")      \
    X(BAD_BARCODE, 422, "bad_barcode", "Barcode not usable", "The barcode cannot be used.",        \
      "A barcode has 1 to 128 bytes of UTF-8 without control characters.")                         \
    X(TIME_MISSING, 422, "local_time_missing", "No such local time",                               \
      "This time is skipped that day in the home's zone: the clocks go forward.",                  \
      "Choose a time before or after the change of the clocks.")                                   \
    X(TIME_AMBIGUOUS, 422, "local_time_ambiguous", "Local time comes twice",                       \
      "This time comes twice that day in the home's zone: the clocks go back.",                    \
      "Choose a time before or after the change of the clocks.")                                   \
    X(BAD_WINDOW, 422, "bad_window", "Window not usable", "The window cannot be used.",            \
      "Give a date from yesterday on, and an end after the start.")                                \
    X(HEADERS, 431, "headers_too_large", "Headers too large", "A header is too long.",             \
      "Send fewer or shorter headers.")                                                            \
    X(BUSY, 503, "busy", "Busy", "Too much is waiting.", "Try again in a moment.")                 \
    X(TOO_MANY, 429, "too_many", "Too many tries",                                                 \
      "Too much of what was shown here did not hold.", "Wait a minute, then try again.")           \
    X(STORAGE, 503, "storage", "Cannot store", "The service cannot store anything now.",           \
      "Try again; tell the operator if it stays.")                                                 \
    X(INTERNAL, 500, "internal", "Our mistake", "Something went wrong here.", "Tell the operator.")

enum dw_problem {
    DW_PROBLEM_NONE = 0,
#define X(name, status, code, title, detail, next) DW_PROBLEM_##name,
    DW_PROBLEM_LIST(X)
#undef X
        DW_PROBLEM_COUNT
};

#endif
