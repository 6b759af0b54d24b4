#include "core/types.h"

#define PICK(table, v) ((size_t)(v) < DW_ARRAY_COUNT(table) && table[v] ? table[v] : "?")

const char *dw_err_name(dw_err e)
{
    static const char *const names[] = {
#define X(name, text) #name,
        DW_ERR_LIST(X)
#undef X
    };
    return PICK(names, e.code);
}

const char *dw_err_text(dw_err e)
{
    static const char *const texts[] = {
#define X(name, text) text,
        DW_ERR_LIST(X)
#undef X
    };
    return PICK(texts, e.code);
}

const char *dw_bolt_word(enum dw_bolt v)
{
    static const char *const words[] = {"unknown", "thrown", "retracted", "moving", "jammed"};
    return PICK(words, v);
}

const char *dw_contact_word(enum dw_contact v)
{
    static const char *const words[] = {"unknown", "closed", "open"};
    return PICK(words, v);
}

const char *dw_strike_word(enum dw_strike v)
{
    static const char *const words[] = {"unknown", "in", "out", "absent"};
    return PICK(words, v);
}

const char *dw_cause_word(enum dw_cause v)
{
    static const char *const words[] = {"unknown", "command", "inside", "key", "forced"};
    return PICK(words, v);
}

const char *dw_camera_state_word(enum dw_camera_state v)
{
    static const char *const words[] = {
#define X(name, word) word,
        DW_CAMERA_STATE_LIST(X)
#undef X
    };
    return PICK(words, v);
}

const char *dw_visit_state_word(enum dw_visit_state v)
{
    static const char *const words[] = {
#define X(name, word) word,
        DW_VISIT_STATE_LIST(X)
#undef X
    };
    return PICK(words, v);
}

const char *dw_visit_progress_word(enum dw_visit_state state, enum dw_outcome outcome, bool is_slid)
{
    switch (outcome) {
    case DW_OUTCOME_NONE: break;
    case DW_OUTCOME_REFUSED: return "refused";
    case DW_OUTCOME_SECURED_UNCONFIRMED: return dw_visit_state_word(DW_VISIT_UNHEARD);
    case DW_OUTCOME_NOT_SECURED: return dw_visit_state_word(DW_VISIT_STUCK);
    case DW_OUTCOME_OK:
    case DW_OUTCOME_SECURED_WITH_GAP:
    case DW_OUTCOME_SECURED_TAMPERED:
    case DW_OUTCOME_NOT_OPENED:
    case DW_OUTCOME_ABORTED:
    case DW_OUTCOME_COUNT: return "ended";
    }
    return state == DW_VISIT_READY && is_slid ? "sent" : dw_visit_state_word(state);
}

const char *dw_outcome_word(enum dw_outcome v)
{
    static const char *const words[] = {
#define X(name) #name,
        DW_OUTCOME_LIST(X)
#undef X
    };
    return PICK(words, v);
}

const char *dw_check_code(enum dw_check v)
{
    static const char *const codes[] = {"none",
#define X(name, code, text, next) code,
                                        DW_CHECK_LIST(X)
#undef X
    };
    return PICK(codes, v);
}

const char *dw_check_text(enum dw_check v)
{
    static const char *const texts[] = {"",
#define X(name, code, text, next) text,
                                        DW_CHECK_LIST(X)
#undef X
    };
    return PICK(texts, v);
}

const char *dw_check_next(enum dw_check v)
{
    static const char *const texts[] = {"",
#define X(name, code, text, next) next,
                                        DW_CHECK_LIST(X)
#undef X
    };
    return PICK(texts, v);
}

const char *dw_alarm_code(enum dw_alarm v)
{
    static const char *const codes[] = {
#define X(name, code, text) code,
        DW_ALARM_LIST(X)
#undef X
    };
    return PICK(codes, v);
}

const char *dw_alarm_text(enum dw_alarm v)
{
    static const char *const texts[] = {
#define X(name, code, text) text,
        DW_ALARM_LIST(X)
#undef X
    };
    return PICK(texts, v);
}
