#include "wire/visit.h"
#include "wire/cose.h"

uint8_t dw_link_context(uint8_t kind)
{
    static const uint8_t contexts[DW_LINK_KIND_COUNT] = {
        [DW_LINK_KIND_ENROL] = DW_CONTEXT_ENROL,     [DW_LINK_KIND_WELCOME] = DW_CONTEXT_WELCOME,
        [DW_LINK_KIND_JOB] = DW_CONTEXT_JOB,         [DW_LINK_KIND_RECALL] = DW_CONTEXT_RECALL,
        [DW_LINK_KIND_HELLO] = DW_CONTEXT_HELLO,     [DW_LINK_KIND_OFFER] = DW_CONTEXT_OFFER,
        [DW_LINK_KIND_PROOF] = DW_CONTEXT_PROOF,     [DW_LINK_KIND_NEWS] = DW_CONTEXT_NEWS,
        [DW_LINK_KIND_RECEIPT] = DW_CONTEXT_RECEIPT, [DW_LINK_KIND_ACK] = DW_CONTEXT_ACK,
        [DW_LINK_KIND_WISH] = DW_CONTEXT_WISH,       [DW_LINK_KIND_WISH_ACK] = DW_CONTEXT_WISH_ACK,
    };
    return kind < DW_ARRAY_COUNT(contexts) ? contexts[kind] : DW_CONTEXT_NONE;
}
