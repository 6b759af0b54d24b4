/* The crypto facade against published vectors, and key files. */
#include "crypto/crypto.h"
#include "crypto/pairing.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int set_up(void **state)
{
    (void)state;
    return dw_failed(dw_crypto_init()) || dw_failed(dw_crypto_init()) ? -1 : 0;
}

/* RFC 8032 7.1, tests 1, 2, 3 and SHA(abc). */
static void ed25519_vectors(void **state)
{
    static const struct {
        const char *seed, *pub, *message, *sig;
    } rows[] = {
        {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
         "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
         "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701"
         "cf9b46b"
         "d25bf5f0595bbe24655141438e7a100b"},
        {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
         "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
         "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d"
         "0f11d8c"
         "387b2eaeb4302aeeb00d291612bb0c00"},
        {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
         "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
         "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f7609"
         "84dc659"
         "4a7c15e9716ed28dc027beceea1ec40a"},
        {"833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
         "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
         "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a"
         "3feebbd"
         "454d4423643ce80e2a9ac94fa54ca49f",
         "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66"
         "431e030"
         "3dca179c138ac17ad9bef1177331a704"},
    };
    (void)state;
    for (size_t i = 0; i < DW_ARRAY_COUNT(rows); i++) {
        uint8_t seed[32], pub[32], message[64], want[64], sig[64];
        size_t len = strlen(rows[i].message) / 2;
        struct dw_secret s;
        assert_true(dw_is(dw_unhex(rows[i].seed, seed, 32), DW_E_OK));
        assert_true(dw_is(dw_unhex(rows[i].pub, pub, 32), DW_E_OK));
        assert_true(dw_is(dw_unhex(rows[i].message, message, len), DW_E_OK));
        assert_true(dw_is(dw_unhex(rows[i].sig, want, 64), DW_E_OK));
        dw_secret_from_seed(seed, &s);
        assert_memory_equal(s.key.pub, pub, 32);
        dw_sign(&s, dw_view_of(message, len), sig);
        assert_memory_equal(sig, want, 64);
        assert_true(dw_is(dw_verify(&s.key, dw_view_of(message, len), sig), DW_E_OK));
        for (size_t bit = 0; bit < 512; bit++) {
            sig[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_true(dw_is(dw_verify(&s.key, dw_view_of(message, len), sig), DW_E_SIGNATURE));
            sig[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        /* s + L: the same signature in another form; refused, so that signatures have one. */
        static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a,       0x63,
                                          0x12, 0x58, 0xd6, 0x9c, 0xf7,       0xa2,
                                          0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
        unsigned carry = 0;
        for (size_t k = 0; k < 32; k++) {
            carry += (unsigned)sig[32 + k] + order[k];
            sig[32 + k] = (uint8_t)carry;
            carry >>= 8;
        }
        assert_true(dw_is(dw_verify(&s.key, dw_view_of(message, len), sig), DW_E_SIGNATURE));
        dw_secret_wipe(&s);
        static const struct dw_secret wiped;
        assert_memory_equal(&s, &wiped, sizeof s);
    }
}

/* FIPS 180-2 appendix B and the empty message. */
static void sha256_vectors(void **state)
{
    static const struct {
        const char *text, *hash;
    } rows[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    uint8_t hash[32], want[32];
    char text[65];
    (void)state;
    struct dw_sha256 *h = dw_sha256_new();
    for (size_t i = 0; i < DW_ARRAY_COUNT(rows); i++) {
        size_t len = strlen(rows[i].text);
        assert_true(dw_is(dw_unhex(rows[i].hash, want, 32), DW_E_OK));
        dw_sha256(dw_view_of(rows[i].text, len), hash);
        assert_memory_equal(hash, want, 32);
        dw_hex(hash, 32, text);
        assert_string_equal(text, rows[i].hash);
        for (size_t cut = 0; cut <= len; cut++) {
            dw_sha256_2(dw_view_of(rows[i].text, cut), dw_view_of(rows[i].text + cut, len - cut),
                        hash);
            assert_memory_equal(hash, want, 32);
            dw_sha256_init(h);
            dw_sha256_update(h, rows[i].text, cut);
            dw_sha256_update(h, rows[i].text + cut, len - cut);
            dw_sha256_final(h, hash);
            assert_memory_equal(hash, want, 32);
        }
    }
    uint8_t a[1000];
    memset(a, 'a', sizeof a);
    dw_sha256_init(h);
    for (int i = 0; i < 1000; i++)
        dw_sha256_update(h, a, sizeof a);
    dw_sha256_final(h, hash);
    dw_hex(hash, 32, text);
    assert_string_equal(text, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    dw_sha256_free(h);
    dw_sha256_free(NULL);
}

/* The thumbprint is over {1: 1, -1: 6, -2: x}, by hand. */
static void thumbprints(void **state)
{
    uint8_t cose_key[40] = {0xa3, 1, 1, 0x20, 6, 0x21, 0x58, 0x20}, want[32], seed[32] = {1};
    struct dw_secret s;
    struct dw_key key;
    (void)state;
    dw_secret_from_seed(seed, &s);
    memcpy(cose_key + 8, s.key.pub, 32);
    dw_sha256(dw_view_of(cose_key, sizeof cose_key), want);
    assert_memory_equal(s.key.thumb, want, 32);
    dw_key_from_pub(s.key.pub, &key);
    assert_memory_equal(&key, &s.key, sizeof key);
}

static void hexadecimal(void **state)
{
    uint8_t bytes[2] = {9, 9};
    char text[5];
    (void)state;
    assert_true(dw_is(dw_unhex("00ff", bytes, 2), DW_E_OK));
    assert_true(bytes[0] == 0 && bytes[1] == 255);
    assert_true(dw_is(dw_unhex("00FF", bytes, 2), DW_E_INVALID)); /* one form only */
    assert_true(dw_is(dw_unhex("00f", bytes, 2), DW_E_INVALID));
    assert_true(dw_is(dw_unhex("00ff0", bytes, 2), DW_E_INVALID));
    assert_true(dw_is(dw_unhex("0 ff", bytes, 2), DW_E_INVALID));
    assert_true(bytes[0] == 0 && bytes[1] == 255);
    dw_hex(bytes, 2, text);
    assert_string_equal(text, "00ff");
}

static void comparing_and_drawing(void **state)
{
    uint8_t a[64] = {0}, b[64] = {0};
    (void)state;
    assert_true(dw_same(a, b, sizeof a));
    b[63] = 1;
    assert_false(dw_same(a, b, sizeof a));
    dw_random(a, sizeof a);
    dw_random(b, sizeof b);
    assert_false(dw_same(a, b, sizeof a));
}

static void put_file(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void key_files(void **state)
{
    const char *tmp = getenv("TMPDIR");
    char folder[256], path[300], pub[300];
    struct dw_secret made, loaded = {{0}};
    struct dw_key key;
    struct stat st;
    (void)state;
    snprintf(folder, sizeof folder, "%s/doorward-keys-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/secret", folder);
    snprintf(pub, sizeof pub, "%s/public", folder);

    assert_true(dw_is(dw_secret_load(path, &loaded), DW_E_IO));
    assert_true(dw_is(dw_secret_create(path, &made), DW_E_OK));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_size, 65);
    assert_true(dw_is(dw_secret_load(path, &loaded), DW_E_OK));
    assert_memory_equal(&made, &loaded, sizeof made);
    assert_true(dw_is(dw_secret_create(path, &loaded), DW_E_EXISTS));
    assert_memory_equal(&made, &loaded, sizeof made);

    assert_true(dw_is(dw_key_save(pub, &made.key), DW_E_OK));
    assert_true(dw_is(dw_key_save(pub, &made.key), DW_E_OK)); /* replaces */
    assert_int_equal(stat(pub, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    assert_true(dw_is(dw_key_load(pub, &key), DW_E_OK));
    assert_memory_equal(&key, &made.key, sizeof key);

    chmod(path, 0640);
    assert_true(dw_is(dw_secret_load(path, &loaded), DW_E_INVALID));
    static const char *const bad[] = {
        "",
        "\n",
        "00\n",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000000 ",
        "000000000000000000000000000000000000000000000000000000000000000g\n",
        "00000000000000000000000000000000000000000000000000000000000000000\n",
    };
    for (size_t i = 0; i < DW_ARRAY_COUNT(bad); i++) {
        put_file(path, bad[i], 0600);
        assert_true(dw_is(dw_secret_load(path, &loaded), DW_E_INVALID));
        assert_true(dw_is(dw_key_load(path, &key), DW_E_INVALID));
    }
    assert_true(dw_is(dw_key_load(folder, &key), DW_E_INVALID)); /* not a file */
    assert_memory_equal(&made, &loaded, sizeof made);
    unlink(path);
    unlink(pub);
    assert_true(dw_is(dw_secret_create("/nowhere/at/all", &made), DW_E_IO));
    assert_int_equal(rmdir(folder), 0); /* nothing else was left behind */
}

/* The library's strictness is part of what we promise: one text, one meaning. */
static void base64url(void **state)
{
    (void)state;
    /* RFC 4648 10, without padding. */
    static const char *const pairs[][2] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},      {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"\xfb\xff", "-_8"}};
    uint8_t bytes[16];
    char text[32];
    size_t len = 0;
    for (size_t i = 0; i < DW_ARRAY_COUNT(pairs); i++) {
        dw_base64url(pairs[i][0], strlen(pairs[i][0]), text, sizeof text);
        assert_string_equal(text, pairs[i][1]);
        assert_true(dw_is(dw_unbase64url(text, strlen(text), bytes, sizeof bytes, &len), DW_E_OK));
        assert_int_equal(len, strlen(pairs[i][0]));
        assert_memory_equal(bytes, pairs[i][0], len);
    }
    static const char *const bad[] = {
        "Z", "Zg==", "Zh", "Zm9", "Zm9vYg=", "Zm 9", "Zm+v", "Zm/v", "Zm9v\n", "\xc3\xa9\xc3\xa9"};
    for (size_t i = 0; i < DW_ARRAY_COUNT(bad); i++)
        assert_true(
            dw_is(dw_unbase64url(bad[i], strlen(bad[i]), bytes, sizeof bytes, &len), DW_E_INVALID));
    assert_true(dw_is(dw_unbase64url("Zm9v", 4, bytes, 2, &len), DW_E_INVALID));
}

static dw_err typed(const char *text, struct dw_pairing *ret_pairing)
{
    return dw_pairing_read(dw_view_of(text, strlen(text)), ret_pairing);
}

static void assert_hex(const uint8_t bytes[32], const char *want)
{
    char text[65];
    dw_hex(bytes, 32, text);
    assert_string_equal(text, want);
}

/* Reckoned apart from this code, from docs/spec/messages.md 5.1 and 5.2. */
static void pairing_codes(void **state)
{
    (void)state;
    struct dw_pairing p, q;
    uint8_t hub[32], nonce[32], service[32], out[32];
    char code[DW_PAIRING_TEXT], again[DW_PAIRING_TEXT];
    assert_true(dw_is(typed("ABCD-EFGH-JKLM-NPQR-STUV-WXYZ-23QC", &p), DW_E_OK));
    assert_true(dw_is(typed(" abcdefgh jklmnpqrstuvwxyz23qc", &q), DW_E_OK));
    assert_memory_equal(&p, &q, sizeof p);
    memset(hub, 1, 32);
    memset(nonce, 2, 32);
    memset(service, 3, 32);
    dw_pairing_name(&p, out);
    assert_hex(out, "3124757c5df459dcdd14c8e0eddf40d54dd2000ff3f8361e667835b23b0f217e");
    dw_pairing_hub_proof(&p, hub, nonce, out);
    assert_hex(out, "b5fdd282b7d8264b85ced0f774b3800ce8c4298693d1939432440d5a56c5e4e0");
    dw_pairing_service_proof(&p, hub, nonce, service, out);
    assert_hex(out, "2c697a8c0734b2b766a1b3fdf693a723a30d49820a6aa20d041b9d561ff65150");

    static const char *const wrong[] = {"",
                                        "ABCDEFGHJKLMNPQRSTUVWXYZ23QD", /* the last letter */
                                        "BACDEFGHJKLMNPQRSTUVWXYZ23QC", /* two changed places */
                                        "ABCDEFGHJKLMNPQRSTUVWXYZ23Q",
                                        "ABCDEFGHJKLMNPQRSTUVWXYZ23QCA",
                                        "ABCDEFGHJKLMNPQRSTUVWXYZ23Q0",
                                        "a code that I made up"};
    for (size_t i = 0; i < DW_ARRAY_COUNT(wrong); i++)
        assert_true(dw_is(typed(wrong[i], &q), DW_E_INVALID));

    dw_pairing_new(code);
    dw_pairing_new(again);
    assert_int_equal(strlen(code), DW_PAIRING_TEXT - 1);
    assert_string_not_equal(code, again);
    assert_true(dw_is(typed(code, &q), DW_E_OK));
    assert_memory_not_equal(&p, &q, sizeof p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ed25519_vectors), cmocka_unit_test(sha256_vectors),
        cmocka_unit_test(thumbprints),     cmocka_unit_test(hexadecimal),
        cmocka_unit_test(base64url),       cmocka_unit_test(comparing_and_drawing),
        cmocka_unit_test(key_files),       cmocka_unit_test(pairing_codes),
    };
    return cmocka_run_group_tests_name("crypto", tests, set_up, NULL);
}
