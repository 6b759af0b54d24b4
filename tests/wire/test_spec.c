/* The specification names every context, every map key, and every number of every list that goes
 * over a wire, with the word that the code uses for it.
 *
 *   test_spec MESSAGES.MD MESSAGES.CDDL
 */
#include "core/types.h"
#include "wire/camera.h"
#include "wire/claims.h"
#include "wire/cose.h"
#include "wire/lock.h"
#include "wire/visit.h"
#include "wire/wish.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int missing, looked;

static char *read_all(const char *path)
{
    static char texts[2][128 * 1024];
    static int used;
    FILE *f = fopen(path, "r");
    if (!f || used == 2) {
        fprintf(stderr, "cannot read '%s'\n", path);
        exit(2);
    }
    char *text = texts[used++];
    size_t len = fread(text, 1, sizeof texts[0] - 1, f);
    text[len] = 0;
    fclose(f);
    return text;
}

/* `what` stands in the text and is not part of a longer word or number. */
static void expect(const char *text, const char *file, const char *what)
{
    size_t len = strlen(what);
    looked++;
    for (const char *p = strstr(text, what); p; p = strstr(p + 1, what)) {
        bool is_begin =
            p == text || !(isalnum((unsigned char)p[-1]) || p[-1] == '-' || p[-1] == '/');
        bool is_end = !(isalnum((unsigned char)p[len]) || p[len] == '-');
        if (is_begin && is_end)
            return;
    }
    printf("%s: no %s\n", file, what);
    missing++;
}

static void expect_claim(const char *text, const char *file, long number)
{
    char what[32];
    snprintf(what, sizeof what, "%ld", number);
    expect(text, file, what);
}

/* A row of a table: number and word. */
static void expect_row(const char *text, unsigned number, const char *word)
{
    char row[128];
    snprintf(row, sizeof row, "| %u | `%s` |", number, word);
    looked++;
    if (strstr(text, row))
        return;
    printf("messages.md: no row %s\n", row);
    missing++;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    const char *md = read_all(argv[1]), *cddl = read_all(argv[2]);

    for (unsigned c = 1; c < DW_CONTEXT_COUNT; c++) {
        expect(md, "messages.md", dw_context_string((enum dw_context)c));
        expect(md, "messages.md", dw_context_typ((enum dw_context)c));
    }
#define X(name, number)                      \
    expect_claim(md, "messages.md", number); \
    expect_claim(cddl, "messages.cddl", number);
    DW_CLAIM_LIST(X)
#undef X
    for (unsigned v = 0; v < DW_BOLT_COUNT; v++)
        expect_row(md, v, dw_bolt_word((enum dw_bolt)v));
    for (unsigned v = 0; v < DW_CONTACT_COUNT; v++)
        expect_row(md, v, dw_contact_word((enum dw_contact)v));
    for (unsigned v = 0; v < DW_STRIKE_COUNT; v++)
        expect_row(md, v, dw_strike_word((enum dw_strike)v));
    for (unsigned v = 0; v < DW_CAUSE_COUNT; v++)
        expect_row(md, v, dw_cause_word((enum dw_cause)v));
    for (unsigned v = 0; v < DW_VISIT_STATE_COUNT; v++)
        expect_row(md, v, dw_visit_state_word((enum dw_visit_state)v));
    for (unsigned v = 1; v < DW_CHECK_COUNT; v++)
        expect_row(md, v, dw_check_code((enum dw_check)v));
    for (unsigned v = 1; v < DW_OUTCOME_COUNT; v++)
        expect_row(md, v, dw_outcome_word((enum dw_outcome)v));
    for (unsigned v = 0; v < DW_ALARM_COUNT; v++)
        expect_row(md, v, dw_alarm_code((enum dw_alarm)v));

    static const char *const results[] = {
        "ACCEPTED",  "STALE_NONCE", "STALE_COUNTER", "WRONG_EPOCH", "BAD_LEASE",
        "DOOR_OPEN", "NOT_THROWN",  "BATTERY",       "SENSOR",      "BUSY"};
    _Static_assert(DW_ARRAY_COUNT(results) == DW_LOCK_RESULT_COUNT - 1, "all results");
    for (unsigned v = 1; v < DW_LOCK_RESULT_COUNT; v++)
        expect_row(md, v, results[v - 1]);
    static const char *const link_kinds[] = {
        "ENROL",   "WELCOME",  "JOB",   "RECALL", "HELLO",    "OFFER",     "PROOF",
        "NEWS",    "RECEIPT",  "ACK",   "WISH",   "WISH_ACK", "INTRODUCE", "GRANT",
        "REVOKED", "MANIFEST", "SHIFT", "STOP",   "LEAVING"};
    _Static_assert(DW_ARRAY_COUNT(link_kinds) == DW_LINK_KIND_COUNT - 1, "all kinds");
    for (unsigned v = 1; v < DW_LINK_KIND_COUNT; v++)
        expect_row(md, v, link_kinds[v - 1]);
    static const char *const wishes[] = {"accept", "decline",     "place",       "move",
                                         "note",   "stop_agency", "allow_agency"};
    _Static_assert(DW_ARRAY_COUNT(wishes) == DW_WISH_COUNT - 1, "all wishes");
    for (unsigned v = 1; v < DW_WISH_COUNT; v++)
        expect_row(md, v, wishes[v - 1]);
    static const char *const notes[] = {"pets", "alarm", "extra_lock", "other"};
    _Static_assert(DW_ARRAY_COUNT(notes) == DW_NOTE_KIND_COUNT - 1, "all notes");
    for (unsigned v = 1; v < DW_NOTE_KIND_COUNT; v++)
        expect_row(md, v, notes[v - 1]);
    static const char *const wish_answers[] = {"stored", "no_such", "too_late"};
    _Static_assert(DW_ARRAY_COUNT(wish_answers) == DW_WISH_NO_COUNT, "all answers");
    for (unsigned v = 0; v < DW_WISH_NO_COUNT; v++)
        expect_row(md, v, wish_answers[v]);
    static const char *const camera_kinds[] = {"ASK", "VIEWERS", "HELLO", "FRAME"};
    _Static_assert(DW_ARRAY_COUNT(camera_kinds) == DW_CAMERA_KIND_COUNT - 1, "all kinds");
    for (unsigned v = 1; v < DW_CAMERA_KIND_COUNT; v++)
        expect_row(md, v, camera_kinds[v - 1]);
    static const char *const lock_kinds[] = {"ASK", "STATUS", "COMMAND", "ANSWER"};
    _Static_assert(DW_ARRAY_COUNT(lock_kinds) == DW_LOCK_KIND_COUNT - 1, "all kinds");
    for (unsigned v = 1; v < DW_LOCK_KIND_COUNT; v++)
        expect_row(md, v, lock_kinds[v - 1]);

    printf("%d looked for, %d missing\n", looked, missing);
    return missing ? 1 : 0;
}
