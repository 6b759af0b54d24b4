/* crypto/pairing.h - the code that pairs a hub with its service, and what either proves with it.
 *
 * The code is made by a program and carried by people, never over the network: 26 letters drawn at
 * random (130 bits, so that nothing that was proven with it helps to guess it) and two that tell a
 * slip of the hand, or a code that somebody made up. The hub sends a name of the code and a proof
 * that it has it; the service answers with a proof of its own, over both keys and the hub's nonce
 * [docs/spec/messages.md 5.1, 5.2].
 */
#ifndef DW_CRYPTO_PAIRING_H
#define DW_CRYPTO_PAIRING_H

#include "crypto/crypto.h"

#define DW_PAIRING_LETTERS 28u
#define DW_PAIRING_TEXT    35u /* seven groups of four, dashes between, NUL */

/* What a code is worth; as secret as the code. */
struct dw_pairing {
    uint8_t key[DW_HASH_BYTES];
};

void dw_pairing_new(char ret_code[DW_PAIRING_TEXT]);

/* DW_E_INVALID: not a code that dw_pairing_new made, or not typed as it was. */
DW_MUST_USE dw_err dw_pairing_read(struct dw_view typed, struct dw_pairing *ret_pairing);

/* By it a service finds the home that waits; it tells nothing about the code. */
void dw_pairing_name(const struct dw_pairing *pairing, uint8_t ret_name[DW_HASH_BYTES]);

/* Compare with dw_same. */
void dw_pairing_hub_proof(const struct dw_pairing *pairing, const uint8_t hub_pub[DW_KEY_BYTES],
                          const uint8_t nonce[DW_NONCE_BYTES], uint8_t ret_proof[DW_HASH_BYTES]);
void dw_pairing_service_proof(const struct dw_pairing *pairing, const uint8_t hub_pub[DW_KEY_BYTES],
                              const uint8_t nonce[DW_NONCE_BYTES],
                              const uint8_t service_pub[DW_KEY_BYTES],
                              uint8_t ret_proof[DW_HASH_BYTES]);

#endif
