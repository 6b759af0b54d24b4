/* Passkeys: u8 kind (0 registration, 1 assertion), u8 length of the signature, u16 length of the
 * client data, client data, signature, then the attestation object or the authenticator data. */
#include "crypto/crypto.h"
#include "crypto/webauthn.h"
#include "fuzz.h"
#include "wire/cbor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHALLENGE "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static const uint8_t challenge[32];
static const struct dw_passkey_want want = {"https://home.example", "home.example", challenge};
static struct dw_secret signer;

static void set_up(void)
{
    static bool is_ready;
    static const uint8_t seed[32] = {42};
    if (is_ready)
        return;
    if (dw_failed(dw_crypto_init()))
        abort();
    dw_secret_from_seed(seed, &signer);
    is_ready = true;
}

static void judge_registration(struct dw_view client, struct dw_view rest)
{
    struct dw_passkey p, untouched;
    memset(&p, 0x5a, sizeof p);
    memset(&untouched, 0x5a, sizeof untouched);
    if (dw_failed(dw_passkey_register(&want, client, rest, &p))) {
        if (memcmp(&p, &untouched, sizeof p) != 0)
            abort();
    } else if (p.id_len == 0 || p.id_len > DW_PASSKEY_ID_MAX ||
               p.key_len != (p.alg == DW_PASSKEY_ES256 ? 64 : 32) || p.alg == DW_PASSKEY_NONE ||
               p.is_synced > p.is_eligible || rest.len < 100) {
        abort();
    }
}

/* Ed25519 signing has no randomness: what passes is what the signer would have signed. */
static void judge_assertion(struct dw_view client, struct dw_view sig, struct dw_view auth)
{
    struct dw_passkey p = {.alg = DW_PASSKEY_EDDSA, .key_len = 32}, before;
    uint8_t message[DW_PASSKEY_AUTH_MAX + 32], again[DW_SIG_BYTES];
    memcpy(p.key, signer.key.pub, 32);
    before = p;
    if (dw_failed(dw_passkey_check(&want, &p, client, auth, sig))) {
        if (memcmp(&p, &before, sizeof p) != 0)
            abort();
        return;
    }
    memcpy(message, auth.ptr, auth.len);
    dw_sha256(client, message + auth.len);
    dw_sign(&signer, dw_view_of(message, auth.len + 32), again);
    if (sig.len != sizeof again || memcmp(again, sig.ptr, sizeof again) != 0 ||
        (auth.ptr[32] & 0x45) != 0x05)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct dw_view in = dw_view_of(bytes, len), head, client, sig;
    set_up();
    if (!dw_view_take(&in, 4, &head) ||
        !dw_view_take(&in, (size_t)head.ptr[2] << 8 | head.ptr[3], &client) ||
        !dw_view_take(&in, head.ptr[1], &sig))
        return 0;
    if (head.ptr[0] == 0)
        judge_registration(client, in);
    else
        judge_assertion(client, sig, in);
    return 0;
}

static void put(struct dw_buf *b, const void *bytes, size_t len)
{
    if (dw_failed(dw_buf_put(b, bytes, len)))
        abort();
}

static void put_auth(struct dw_buf *b, uint8_t flags)
{
    uint8_t hash[32], rest[5] = {flags};
    dw_sha256(dw_view_of(want.rp_id, strlen(want.rp_id)), hash);
    put(b, hash, sizeof hash);
    put(b, rest, sizeof rest);
}

/* The curve's own base point is as good a key as any. */
static void put_attested(struct rng *g, struct dw_buf *b)
{
    static const uint8_t p256[] = {
        0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20, 0x6b, 0x17, 0xd1,
        0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2,
        0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8,
        0x98, 0xc2, 0x96, 0x22, 0x58, 0x20, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f,
        0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57,
        0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5};
    static const uint8_t ed25519[] = {0xa4, 1, 1, 3, 0x27, 0x20, 6, 0x21, 0x58, 0x20};
    uint8_t id[DW_PASSKEY_ID_MAX + 18] = {0};
    bool has_more = rng_below(g, 3) == 0;
    size_t id_len = 1 + rng_below(g, DW_PASSKEY_ID_MAX);
    put_auth(b, (uint8_t)(0x45 | (has_more ? 0x80 : 0) | (rng_below(g, 2) ? 0x18 : 0)));
    id[17] = (uint8_t)id_len;
    put(b, id, 18 + id_len);
    if (rng_below(g, 2)) {
        put(b, p256, sizeof p256);
    } else {
        put(b, ed25519, sizeof ed25519);
        put(b, signer.key.pub, 32);
    }
    if (has_more)
        put(b, "\xa1\x61x\xf5", 4);
}

size_t fuzz_seed(struct rng *g, uint8_t *ret_bytes, size_t cap)
{
    static const char *const rests[] = {"", ",\"crossOrigin\":false",
                                        ",\"crossOrigin\":false,\"x\":{\"a\":[1,\"\\n\",null]}"};
    uint8_t auth_bytes[512], sig[DW_SIG_BYTES], message[600];
    char client[512];
    struct dw_buf auth = dw_buf_of(auth_bytes, sizeof auth_bytes), out = dw_buf_of(ret_bytes, cap);
    bool is_check = rng_below(g, 2);
    set_up();
    int len = snprintf(client, sizeof client,
                       "{\"type\":\"%s\",\"challenge\":\"" CHALLENGE "\",\"origin\":\"%s\"%s}",
                       is_check ? "webauthn.get" : "webauthn.create", want.origin,
                       rests[rng_below(g, 3)]);
    uint8_t head[4] = {is_check, is_check ? DW_SIG_BYTES : 0, (uint8_t)(len >> 8), (uint8_t)len};
    put(&out, head, sizeof head);
    put(&out, client, (size_t)len);
    if (!is_check) {
        struct dw_wr w;
        put_attested(g, &auth);
        put(&out,
            "\xa3\x63"
            "fmt\x64none\x67"
            "attStmt\xa0\x68"
            "authData",
            28);
        dw_wr_init(&w, &out);
        dw_wr_bytes(&w, auth.ptr, auth.len);
        if (dw_failed(dw_wr_end(&w)))
            abort();
        return out.len;
    }
    put_auth(&auth, 0x05);
    memcpy(message, auth.ptr, auth.len);
    dw_sha256(dw_view_of(client, (size_t)len), message + auth.len);
    dw_sign(&signer, dw_view_of(message, auth.len + 32), sig);
    put(&out, sig, sizeof sig);
    put(&out, auth.ptr, auth.len);
    return out.len;
}
