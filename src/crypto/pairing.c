#include "crypto/pairing.h"

#include <sodium.h>
#include <string.h>

#include "wire/text.h"

#define GROUP 4u
#define DRAWN (DW_PAIRING_LETTERS - 2u)

/* The two letters that follow from the others. */
static void check_letters(const char drawn[DRAWN], char ret_two[2])
{
    static const char context[] = "doorward/pairing-check/1";
    uint8_t hash[DW_HASH_BYTES];
    dw_sha256_2(dw_view_of(context, sizeof context), dw_view_of(drawn, DRAWN), hash);
    for (size_t i = 0; i < 2; i++)
        ret_two[i] = DW_CODE_LETTERS[hash[i] & 31];
}

void dw_pairing_new(char ret_code[DW_PAIRING_TEXT])
{
    uint8_t draw[DRAWN];
    char code[DW_PAIRING_LETTERS];
    size_t n = 0;
    dw_random(draw, sizeof draw);
    for (size_t i = 0; i < DRAWN; i++)
        code[i] = DW_CODE_LETTERS[draw[i] & 31];
    check_letters(code, code + DRAWN);
    for (size_t i = 0; i < DW_PAIRING_LETTERS; i++) {
        if (i > 0 && i % GROUP == 0)
            ret_code[n++] = '-';
        ret_code[n++] = code[i];
    }
    ret_code[n] = 0;
}

dw_err dw_pairing_read(struct dw_view typed, struct dw_pairing *ret_pairing)
{
    static const char context[] = "doorward/pairing/1";
    char code[DW_PAIRING_LETTERS], two[2];
    if (!dw_text_code(typed, DW_PAIRING_LETTERS, code))
        return dw_fail(DW_E_INVALID);
    check_letters(code, two);
    if (memcmp(code + DRAWN, two, sizeof two) != 0)
        return dw_fail(DW_E_INVALID);
    dw_sha256_2(dw_view_of(context, sizeof context), dw_view_of(code, sizeof code),
                ret_pairing->key);
    return DW_OK;
}

/* HMAC-SHA-256 over the label with its NUL, and `count` parts of 32 bytes. */
static void prove(const struct dw_pairing *p, const char *label, const uint8_t *const part[],
                  size_t count, uint8_t ret_mac[DW_HASH_BYTES])
{
    crypto_auth_hmacsha256_state h;
    (void)crypto_auth_hmacsha256_init(&h, p->key, sizeof p->key);
    (void)crypto_auth_hmacsha256_update(&h, (const uint8_t *)label, strlen(label) + 1);
    for (size_t i = 0; i < count; i++)
        (void)crypto_auth_hmacsha256_update(&h, part[i], 32);
    (void)crypto_auth_hmacsha256_final(&h, ret_mac);
}

void dw_pairing_name(const struct dw_pairing *pairing, uint8_t ret_name[DW_HASH_BYTES])
{
    prove(pairing, "doorward/pairing-name/1", NULL, 0, ret_name);
}

void dw_pairing_hub_proof(const struct dw_pairing *pairing, const uint8_t hub_pub[DW_KEY_BYTES],
                          const uint8_t nonce[DW_NONCE_BYTES], uint8_t ret_proof[DW_HASH_BYTES])
{
    const uint8_t *const parts[] = {hub_pub, nonce};
    prove(pairing, "doorward/pairing-hub/1", parts, DW_ARRAY_COUNT(parts), ret_proof);
}

void dw_pairing_service_proof(const struct dw_pairing *pairing, const uint8_t hub_pub[DW_KEY_BYTES],
                              const uint8_t nonce[DW_NONCE_BYTES],
                              const uint8_t service_pub[DW_KEY_BYTES],
                              uint8_t ret_proof[DW_HASH_BYTES])
{
    const uint8_t *const parts[] = {hub_pub, nonce, service_pub};
    prove(pairing, "doorward/pairing-service/1", parts, DW_ARRAY_COUNT(parts), ret_proof);
}
