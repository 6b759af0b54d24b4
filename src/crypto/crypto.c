#include "crypto/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(DW_KEY_BYTES == crypto_sign_PUBLICKEYBYTES, "Ed25519");
_Static_assert(DW_SECRET_BYTES == crypto_sign_SECRETKEYBYTES, "Ed25519");
_Static_assert(DW_SIG_BYTES == crypto_sign_BYTES, "Ed25519");

#define SEED_BYTES     32u
#define KEY_FILE_BYTES (2 * SEED_BYTES + 1) /* hexadecimal and a newline */

/* Fetched once: an implicit fetch costs more than the hash of a frame record. Set by dw_crypto_init
 * before there are threads, and only read after. */
static EVP_MD *sha256_md;

struct dw_sha256 {
    EVP_MD_CTX *ctx;
};

dw_err dw_crypto_init(void)
{
    if (sha256_md)
        return DW_OK;
    if (sodium_init() < 0)
        return dw_fail(DW_E_IO);
    sha256_md = EVP_MD_fetch(NULL, "SHA256", NULL);
    return sha256_md ? DW_OK : dw_fail(DW_E_IO);
}

struct dw_sha256 *dw_sha256_new(void)
{
    DW_ASSERT(sha256_md);
    struct dw_sha256 *h = OPENSSL_zalloc(sizeof *h);
    DW_ASSERT(h);
    h->ctx = EVP_MD_CTX_new();
    DW_ASSERT(h->ctx);
    dw_sha256_init(h);
    return h;
}

void dw_sha256_free(struct dw_sha256 *h)
{
    if (!h)
        return;
    EVP_MD_CTX_free(h->ctx);
    OPENSSL_free(h);
}

void dw_sha256_init(struct dw_sha256 *h)
{
    DW_ASSERT(EVP_DigestInit_ex2(h->ctx, sha256_md, NULL) == 1);
}

void dw_sha256_update(struct dw_sha256 *h, const void *bytes, size_t len)
{
    DW_ASSERT(EVP_DigestUpdate(h->ctx, bytes, len) == 1);
}

void dw_sha256_final(struct dw_sha256 *h, uint8_t ret_hash[DW_HASH_BYTES])
{
    DW_ASSERT(EVP_DigestFinal_ex(h->ctx, ret_hash, NULL) == 1);
}

void dw_sha256(struct dw_view bytes, uint8_t ret_hash[DW_HASH_BYTES])
{
    DW_ASSERT(sha256_md);
    DW_ASSERT(EVP_Digest(bytes.ptr, bytes.len, ret_hash, NULL, sha256_md, NULL) == 1);
}

void dw_sha256_2(struct dw_view a, struct dw_view b, uint8_t ret_hash[DW_HASH_BYTES])
{
    struct dw_sha256 *h = dw_sha256_new();
    dw_sha256_update(h, a.ptr, a.len);
    dw_sha256_update(h, b.ptr, b.len);
    dw_sha256_final(h, ret_hash);
    dw_sha256_free(h);
}

void dw_random(void *ret_bytes, size_t len)
{
    uint8_t *p = ret_bytes;
    while (len > 0) {
        ssize_t got = getrandom(p, len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        DW_ASSERT(got > 0);
        p += got;
        len -= (size_t)got;
    }
}

bool dw_same(const void *a, const void *b, size_t len)
{
    return sodium_memcmp(a, b, len) == 0;
}

/* COSE Key Thumbprint [RFC 9679]: SHA-256 of {1: 1 (OKP), -1: 6 (Ed25519), -2: x}, which has one
 * deterministic form; so its head is a constant. */
static void thumbprint(const uint8_t pub[DW_KEY_BYTES], uint8_t ret_thumb[DW_THUMB_BYTES])
{
    uint8_t bytes[8 + DW_KEY_BYTES] = {0xa3, 0x01, 0x01, 0x20, 0x06, 0x21, 0x58, DW_KEY_BYTES};
    memcpy(bytes + 8, pub, DW_KEY_BYTES);
    dw_sha256(dw_view_of(bytes, sizeof bytes), ret_thumb);
}

bool dw_key_is_sound(const uint8_t pub[DW_KEY_BYTES])
{
    return crypto_core_ed25519_is_valid_point(pub) == 1;
}

void dw_key_from_pub(const uint8_t pub[DW_KEY_BYTES], struct dw_key *ret_key)
{
    struct dw_key key;
    memcpy(key.pub, pub, sizeof key.pub);
    thumbprint(key.pub, key.thumb);
    *ret_key = key;
}

void dw_secret_from_seed(const uint8_t seed[32], struct dw_secret *ret_secret)
{
    uint8_t pub[DW_KEY_BYTES];
    DW_ASSERT(crypto_sign_seed_keypair(pub, ret_secret->sec, seed) == 0);
    dw_key_from_pub(pub, &ret_secret->key);
}

void dw_secret_new(struct dw_secret *ret_secret)
{
    uint8_t seed[SEED_BYTES];
    dw_random(seed, sizeof seed);
    dw_secret_from_seed(seed, ret_secret);
    sodium_memzero(seed, sizeof seed);
}

void dw_secret_wipe(struct dw_secret *secret)
{
    sodium_memzero(secret, sizeof *secret);
}

void dw_sign(const struct dw_secret *secret, struct dw_view message, uint8_t ret_sig[DW_SIG_BYTES])
{
    DW_ASSERT(crypto_sign_detached(ret_sig, NULL, message.ptr, message.len, secret->sec) == 0);
}

dw_err dw_verify(const struct dw_key *key, struct dw_view message, const uint8_t sig[DW_SIG_BYTES])
{
    return crypto_sign_verify_detached(sig, message.ptr, message.len, key->pub) == 0
               ? DW_OK
               : dw_fail(DW_E_SIGNATURE);
}

void dw_hex(const void *bytes, size_t len, char *ret_text)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = bytes;
    for (size_t i = 0; i < len; i++) {
        ret_text[2 * i] = digits[p[i] >> 4];
        ret_text[2 * i + 1] = digits[p[i] & 15];
    }
    ret_text[2 * len] = 0;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* `text` need not end with a NUL here. Nothing is written unless all digits are good. */
static dw_err unhex_n(const char *text, void *ret_bytes, size_t len)
{
    uint8_t *p = ret_bytes;
    for (size_t i = 0; i < 2 * len; i++)
        if (digit(text[i]) < 0) /* a NUL is no digit, so a short text ends here */
            return dw_fail(DW_E_INVALID);
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
    return DW_OK;
}

dw_err dw_unhex(const char *text, void *ret_bytes, size_t len)
{
    if (strnlen(text, 2 * len + 1) != 2 * len)
        return dw_fail(DW_E_INVALID);
    return unhex_n(text, ret_bytes, len);
}

/* Reads a key file of the one permitted size. `forbidden`: mode bits that must not be set. */
static dw_err read_key_file(const char *path, mode_t forbidden, uint8_t ret_bytes[SEED_BYTES])
{
    char text[KEY_FILE_BYTES + 1];
    struct stat st;
    dw_err err = dw_fail(DW_E_IO);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return err;
    if (fstat(fd, &st) == 0) {
        ssize_t got = S_ISREG(st.st_mode) ? read(fd, text, sizeof text) : 0;
        if (got < 0)
            err = dw_fail(DW_E_IO);
        else if (got != KEY_FILE_BYTES || text[KEY_FILE_BYTES - 1] != '\n' ||
                 (st.st_mode & forbidden) != 0)
            err = dw_fail(DW_E_INVALID);
        else
            err = unhex_n(text, ret_bytes, SEED_BYTES);
    }
    close(fd);
    sodium_memzero(text, sizeof text);
    return err;
}

static dw_err sync_folder_of(const char *path)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) + 1 : 1;
    if (len >= sizeof folder)
        return dw_fail(DW_E_IO);
    memcpy(folder, slash ? path : ".", len);
    folder[len] = 0;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return dw_fail(DW_E_IO);
    int rc = fsync(fd);
    close(fd);
    return rc == 0 ? DW_OK : dw_fail(DW_E_IO);
}

/* Makes a key file that is there whole or not at all: it gets its name only when its bytes are on
 * the disk. `is_replacing`: an older file of that name goes; else DW_E_EXISTS. */
static dw_err make_key_file(const char *path, mode_t mode, bool is_replacing,
                            const uint8_t bytes[SEED_BYTES])
{
    char text[KEY_FILE_BYTES + 1], draft[4096];
    uint8_t salt[8];
    size_t len = strlen(path);
    dw_err err = dw_fail(DW_E_IO);

    if (len + 2 * sizeof salt + 2 > sizeof draft)
        return err;
    memcpy(draft, path, len);
    draft[len] = '.';
    dw_random(salt, sizeof salt);
    dw_hex(salt, sizeof salt, draft + len + 1);

    dw_hex(bytes, SEED_BYTES, text);
    text[KEY_FILE_BYTES - 1] = '\n';
    int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        goto out;
    bool is_written = fchmod(fd, mode) == 0 &&
                      write(fd, text, KEY_FILE_BYTES) == (ssize_t)KEY_FILE_BYTES && fsync(fd) == 0;
    close(fd);
    if (is_written && (is_replacing ? rename(draft, path) : link(draft, path)) == 0)
        err = sync_folder_of(path);
    else if (is_written && errno == EEXIST)
        err = dw_fail(DW_E_EXISTS);
    unlink(draft);
out:
    sodium_memzero(text, sizeof text);
    return err;
}

dw_err dw_secret_load(const char *path, struct dw_secret *ret_secret)
{
    uint8_t seed[SEED_BYTES];
    DW_TRY(read_key_file(path, S_IRWXG | S_IRWXO, seed));
    dw_secret_from_seed(seed, ret_secret);
    sodium_memzero(seed, sizeof seed);
    return DW_OK;
}

/* [I42] Each program draws its own where it is used; none is ever shipped. */
dw_err dw_secret_create(const char *path, struct dw_secret *ret_secret)
{
    uint8_t seed[SEED_BYTES];
    dw_random(seed, sizeof seed);
    dw_err err = make_key_file(path, S_IRUSR | S_IWUSR, false, seed);
    if (!dw_failed(err))
        dw_secret_from_seed(seed, ret_secret);
    sodium_memzero(seed, sizeof seed);
    return err;
}

dw_err dw_key_load(const char *path, struct dw_key *ret_key)
{
    uint8_t pub[DW_KEY_BYTES];
    DW_TRY(read_key_file(path, 0, pub));
    dw_key_from_pub(pub, ret_key);
    return DW_OK;
}

dw_err dw_key_save(const char *path, const struct dw_key *key)
{
    return make_key_file(path, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH, true, key->pub);
}

void dw_base64url(const void *bytes, size_t len, char *ret_text, size_t cap)
{
    DW_ASSERT(sodium_bin2base64(ret_text, cap, bytes, len,
                                sodium_base64_VARIANT_URLSAFE_NO_PADDING) != NULL);
}

dw_err dw_unbase64url(const char *text, size_t len, void *ret_bytes, size_t cap, size_t *ret_len)
{
    /* libsodium 1.0.18 takes some bytes beyond ASCII for digits. */
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] >= 0x80)
            return dw_fail(DW_E_INVALID);
    if (sodium_base642bin(ret_bytes, cap, text, len, NULL, ret_len, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
        return dw_fail(DW_E_INVALID);
    return DW_OK;
}
