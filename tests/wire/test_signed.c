/* COSE_Sign1 with the one shape of wire/cose.h, and what its signatures bind. */
#include "crypto/signed.h"
#include "samples.h"
#include "wire/camera.h"
#include "wire/cbor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct dw_secret signer, stranger;

static int set_up(void **state)
{
    uint8_t seed[32] = {7};
    (void)state;
    if (dw_failed(dw_crypto_init()))
        return -1;
    dw_secret_from_seed(seed, &signer);
    seed[0] = 8;
    dw_secret_from_seed(seed, &stranger);
    return 0;
}

static dw_err open_exact(const struct dw_key *key, enum dw_context c, const uint8_t *bytes,
                         size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    struct dw_view payload = {NULL, 99};
    memcpy(copy, bytes, len);
    dw_err err = dw_signed_open(key, c, dw_view_of(copy, len), &payload);
    if (dw_failed(err))
        assert_true(payload.ptr == NULL && payload.len == 99);
    free(copy);
    return err;
}

static struct dw_buf signed_sample(const struct sample_type *t, struct rng *g)
{
    static uint8_t message[SAMPLE_STRUCT_MAX], payload[SAMPLE_BYTES_MAX],
        object[DW_SIGNED_BYTES_MAX];
    struct dw_buf in = dw_buf_of(payload, sizeof payload), out = dw_buf_of(object, sizeof object);
    t->fill(g, message);
    assert_true(dw_is(t->write(message, &in), DW_E_OK));
    assert_true(dw_is(dw_signed_make(&signer, t->context, dw_view_of_buf(&in), &out), DW_E_OK));
    struct dw_view back;
    assert_true(
        dw_is(dw_signed_open(&signer.key, t->context, dw_view_of_buf(&out), &back), DW_E_OK));
    assert_int_equal(back.len, in.len);
    assert_memory_equal(back.ptr, in.ptr, in.len);
    return out;
}

/* COSE working group's example eddsa-sig-01: alg EdDSA and an empty content type protected, key of
 * RFC 8032's first test. Its shape is not ours, so the reader refuses it; its Sig_structure and
 * signature must come out of our writer and our signing. */
static void published_example(void **state)
{
    static const char object_hex[] = "d28445a201270300a10442313154546869732069732074686520636f6e746"
                                     "56e742e58407142fd2ff96d56db85bee905"
                                     "a76ba1d0b7321a95c8c4d3607c5781932b7afb8711497dfa751bf40b58b3b"
                                     "cc32300b1487f3db34085eef013bf08f4a4"
                                     "4d6fef0d";
    static const char seed_hex[] =
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    const uint8_t header[] = {0xa2, 0x01, 0x27, 0x03, 0x00};
    static const char content[] = "This is the content.";
    uint8_t object[128], seed[32], tbs_bytes[128], sig[64];
    struct dw_buf tbs = dw_buf_of(tbs_bytes, sizeof tbs_bytes);
    size_t len = strlen(object_hex) / 2;
    struct dw_secret key;
    struct dw_wr w;
    struct dw_cose cose;
    (void)state;

    assert_true(dw_is(dw_unhex(object_hex, object, len), DW_E_OK));
    assert_true(dw_is(dw_unhex(seed_hex, seed, sizeof seed), DW_E_OK));
    dw_secret_from_seed(seed, &key);
    dw_wr_init(&w, &tbs);
    dw_wr_array(&w, 4);
    dw_wr_text(&w, dw_view_of("Signature1", 10));
    dw_wr_bytes(&w, header, sizeof header);
    dw_wr_bytes(&w, "", 0);
    dw_wr_bytes(&w, content, sizeof content - 1);
    assert_true(dw_is(dw_wr_end(&w), DW_E_OK));
    dw_sign(&key, dw_view_of_buf(&tbs), sig);
    assert_memory_equal(sig, object + len - 64, 64);
    assert_true(dw_is(dw_verify(&key.key, dw_view_of_buf(&tbs), object + len - 64), DW_E_OK));

    assert_true(dw_is(dw_cbor_check(dw_view_of(object, len)), DW_E_OK));
    assert_true(dw_failed(dw_cose_read(DW_CONTEXT_FRAME, dw_view_of(object, len), &cose)));
}

static void cross_context_matrix(void **state)
{
    struct rng g = rng_start();
    size_t pairs = 0;
    (void)state;
    for (size_t n = 0; n < SAMPLE_TYPES; n++) {
        if (sample_types[n].context == DW_CONTEXT_NONE)
            continue;
        struct dw_buf object = signed_sample(&sample_types[n], &g);
        for (unsigned c = 0; c <= DW_CONTEXT_COUNT + 1; c++) {
            if (c == sample_types[n].context)
                continue;
            assert_true(dw_is(open_exact(&signer.key, (enum dw_context)c, object.ptr, object.len),
                              DW_E_CONTEXT));
            pairs++;
        }
    }
    printf("  %zu pairs refused\n", pairs);
    assert_true(pairs >= 21 * 20);
}

/* The type header alone does not bind: an attacker who rewrites it must still fail, because the
 * context string is signed too. */
static void a_rewritten_type_does_not_help(void **state)
{
    struct rng g = rng_start();
    (void)state;
    for (size_t n = 0; n < SAMPLE_TYPES; n++) {
        if (sample_types[n].context == DW_CONTEXT_NONE)
            continue;
        struct dw_buf object = signed_sample(&sample_types[n], &g);
        struct dw_cose cose;
        assert_true(
            dw_is(dw_cose_read(sample_types[n].context, dw_view_of_buf(&object), &cose), DW_E_OK));
        for (unsigned c = 1; c < DW_CONTEXT_COUNT; c++) {
            uint8_t bytes[DW_SIGNED_BYTES_MAX];
            struct dw_buf forged = dw_buf_of(bytes, sizeof bytes);
            if (c == sample_types[n].context)
                continue;
            assert_true(dw_is(dw_cose_write((enum dw_context)c, &cose, &forged), DW_E_OK));
            assert_true(dw_is(open_exact(&signer.key, (enum dw_context)c, forged.ptr, forged.len),
                              DW_E_SIGNATURE));
        }
    }
}

/* external_aad is signed on its own: the same header and payload with another aad has another
 * signature. */
static void contexts_and_types_are_distinct(void **state)
{
    (void)state;
    for (unsigned a = 1; a < DW_CONTEXT_COUNT; a++) {
        assert_true(strncmp(dw_context_string((enum dw_context)a), "doorward/", 9) == 0);
        for (unsigned b = 0; b < a; b++) {
            assert_string_not_equal(dw_context_string((enum dw_context)a),
                                    dw_context_string((enum dw_context)b));
            assert_string_not_equal(dw_context_typ((enum dw_context)a),
                                    dw_context_typ((enum dw_context)b));
        }
    }
    assert_string_equal(dw_context_string(DW_CONTEXT_COUNT), "");
    assert_string_equal(dw_context_typ(DW_CONTEXT_NONE), "");
}

static void every_bit_flip_and_truncation_is_refused(void **state)
{
    struct rng g = rng_start();
    (void)state;
    for (size_t n = 0; n < SAMPLE_TYPES; n++) {
        const struct sample_type *t = &sample_types[n];
        if (t->context == DW_CONTEXT_NONE)
            continue;
        struct dw_buf object = signed_sample(t, &g);
        /* All bits of what is around the payload; of the payload itself every third, or of a long
         * one every seventh, beginning anywhere. A verification a bit is what this costs. */
        size_t step = object.len > 600 ? 7 : 3, bit = 0;
        while (bit < 8 * object.len) {
            bool is_payload = bit > 8 * 60 && bit < 8 * (object.len - 70);
            object.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_true(dw_failed(open_exact(&signer.key, t->context, object.ptr, object.len)));
            object.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
            bit += is_payload ? 1 + rng_below(&g, 2 * step - 1) : 1;
        }
        for (size_t len = 0; len < object.len; len++)
            assert_true(dw_failed(open_exact(&signer.key, t->context, object.ptr, len)));
        uint8_t longer[DW_SIGNED_BYTES_MAX + 1];
        memcpy(longer, object.ptr, object.len);
        longer[object.len] = 0;
        assert_true(
            dw_is(open_exact(&signer.key, t->context, longer, object.len + 1), DW_E_TRAILING));
    }
}

static void another_signer_is_refused(void **state)
{
    struct rng g = rng_start();
    struct dw_buf object = signed_sample(&sample_types[0], &g);
    enum dw_context c = sample_types[0].context;
    struct dw_cose cose;
    uint8_t bytes[DW_SIGNED_BYTES_MAX];
    struct dw_buf forged = dw_buf_of(bytes, sizeof bytes);
    (void)state;
    assert_true(dw_is(open_exact(&stranger.key, c, object.ptr, object.len), DW_E_KEY));
    /* A stranger who claims the signer's key id. */
    assert_true(dw_is(dw_cose_read(c, dw_view_of_buf(&object), &cose), DW_E_OK));
    uint8_t tbs_bytes[512];
    struct dw_buf tbs = dw_buf_of(tbs_bytes, sizeof tbs_bytes);
    assert_true(dw_is(dw_cose_tbs(c, cose.kid, cose.payload, &tbs), DW_E_OK));
    dw_sign(&stranger, dw_view_of_buf(&tbs), cose.sig);
    assert_true(dw_is(dw_cose_write(c, &cose, &forged), DW_E_OK));
    assert_true(dw_is(open_exact(&signer.key, c, forged.ptr, forged.len), DW_E_SIGNATURE));
}

/* A key of small order makes some signatures good for every message; it must not. */
static void small_order_keys_are_refused(void **state)
{
    static const char *const points[] = {
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    (void)state;
    for (size_t i = 0; i < DW_ARRAY_COUNT(points); i++) {
        uint8_t pub[32], sig[64] = {0};
        struct dw_key key;
        struct dw_cose cose = {.payload = {(const uint8_t *)"\xa0", 1}};
        uint8_t bytes[256];
        struct dw_buf object = dw_buf_of(bytes, sizeof bytes);
        assert_true(dw_is(dw_unhex(points[i], pub, sizeof pub), DW_E_OK));
        dw_key_from_pub(pub, &key);
        for (size_t k = 0; k < DW_ARRAY_COUNT(points); k++) { /* R of small order, s = 0 */
            assert_true(dw_is(dw_unhex(points[k], sig, 32), DW_E_OK));
            assert_true(dw_is(dw_verify(&key, dw_view_of("any", 3), sig), DW_E_SIGNATURE));
            memcpy(cose.kid, key.thumb, sizeof cose.kid);
            memcpy(cose.sig, sig, sizeof cose.sig);
            object.len = 0;
            assert_true(dw_is(dw_cose_write(DW_CONTEXT_PROOF, &cose, &object), DW_E_OK));
            assert_true(
                dw_is(open_exact(&key, DW_CONTEXT_PROOF, object.ptr, object.len), DW_E_SIGNATURE));
        }
    }
}

/* Other ways to write the same object: header order, extra header, unprotected header, no tag,
 * longer heads. A lenient reader would take each for the same; ours takes none. */
static void other_forms_are_refused(void **state)
{
    struct rng g = rng_start();
    const struct sample_type *t = &sample_types[0];
    struct dw_buf object = signed_sample(t, &g);
    uint8_t other[DW_SIGNED_BYTES_MAX];
    (void)state;
    assert_int_equal(object.ptr[0], 0xd2);
    assert_int_equal(object.ptr[1], 0x84);
    assert_int_equal(object.ptr[2], 0x58);
    size_t header_len = object.ptr[3];

    assert_true(dw_failed(
        open_exact(&signer.key, t->context, object.ptr + 1, object.len - 1))); /* no tag */

    other[0] = 0xd8, other[1] = 0x12; /* tag in two bytes */
    memcpy(other + 2, object.ptr + 1, object.len - 1);
    assert_true(
        dw_is(open_exact(&signer.key, t->context, other, object.len + 1), DW_E_NONCANONICAL));

    memcpy(other, object.ptr, object.len); /* kid before alg inside the protected header */
    uint8_t *header = other + 4;
    assert_int_equal(header[0], 0xa3);
    memmove(header + 1, header + 3, 10);
    header[11] = 0x01, header[12] = 0x27;
    assert_true(dw_failed(open_exact(&signer.key, t->context, other, object.len)));

    memcpy(other, object.ptr, 4 + header_len); /* something in the unprotected header */
    size_t at = 4 + header_len;
    assert_int_equal(object.ptr[at], 0xa0);
    other[at] = 0xa1, other[at + 1] = 0x04, other[at + 2] = 0x41, other[at + 3] = 0x31;
    memcpy(other + at + 4, object.ptr + at + 1, object.len - at - 1);
    assert_true(dw_failed(open_exact(&signer.key, t->context, other, object.len + 3)));

    memcpy(other, object.ptr, object.len); /* another algorithm: ES256 */
    other[6] = 0x26;
    assert_true(dw_failed(open_exact(&signer.key, t->context, other, object.len)));
}

static void sizes_are_bounded(void **state)
{
    static uint8_t payload[DW_SIGNED_PAYLOAD_MAX + 1], bytes[DW_SIGNED_BYTES_MAX + 1];
    struct dw_buf out = dw_buf_of(bytes, DW_SIGNED_BYTES_MAX);
    struct dw_view back;
    (void)state;
    out.len = 11;
    assert_true(
        dw_is(dw_signed_make(&signer, DW_CONTEXT_EVENT, dw_view_of(payload, sizeof payload), &out),
              DW_E_TOO_LARGE));
    assert_int_equal(out.len, 11);
    assert_true(dw_is(
        dw_signed_make(&signer, DW_CONTEXT_EVENT, dw_view_of(payload, DW_SIGNED_PAYLOAD_MAX), &out),
        DW_E_OK));
    assert_true(
        dw_is(dw_signed_open(&signer.key, DW_CONTEXT_EVENT, dw_view_of_buf(&out), &back), DW_E_OK));
    assert_int_equal(back.len, DW_SIGNED_PAYLOAD_MAX);
    assert_true(
        dw_is(dw_signed_open(&signer.key, DW_CONTEXT_EVENT, dw_view_of(bytes, sizeof bytes), &back),
              DW_E_TOO_LARGE));
    size_t need = out.len;
    out.cap = need - 1;
    assert_true(dw_is(
        dw_signed_make(&signer, DW_CONTEXT_EVENT, dw_view_of(payload, DW_SIGNED_PAYLOAD_MAX), &out),
        DW_E_NO_SPACE));
    assert_int_equal(out.len, need);
    assert_true(
        dw_is(dw_signed_make(&signer, DW_CONTEXT_NONE, dw_view_of("", 0), &out), DW_E_CONTEXT));
    /* The longest frame record fits the frame's head. */
    struct dw_frame_record record = {.boot_count = UINT32_MAX,
                                     .visit = UINT64_MAX,
                                     .seq = UINT64_MAX,
                                     .t_rx_us = UINT64_MAX,
                                     .t_exp_us = UINT64_MAX,
                                     .still_ms = UINT32_MAX,
                                     .luma = 255,
                                     .spread = 255,
                                     .tamper = 3};
    memset(record.software, 'x', sizeof record.software - 1);
    struct dw_buf in = dw_buf_of(payload, sizeof payload);
    out = dw_buf_of(bytes, sizeof bytes);
    assert_true(dw_is(dw_frame_record_write(&record, &in), DW_E_OK));
    assert_true(
        dw_is(dw_signed_make(&signer, DW_CONTEXT_FRAME, dw_view_of_buf(&in), &out), DW_E_OK));
    printf("  longest frame record: %zu bytes\n", out.len);
    assert_true(out.len <= DW_FRAME_RECORD_MAX);
}

/* Objects of format version 1, kept for good: what was once signed stays readable, and means the
 * same. With DW_GOLDEN=write in the environment the file is made anew, which is a change of the
 * format. */
static void golden_objects(void **state)
{
    const char *path = getenv("DW_GOLDEN_FILE"), *mode = getenv("DW_GOLDEN");
    static char line[16384];
    static uint8_t bytes[DW_SIGNED_BYTES_MAX], again[SAMPLE_BYTES_MAX], message[SAMPLE_STRUCT_MAX];
    size_t lines = 0;
    (void)state;
    if (!path)
        skip();
    if (mode && strcmp(mode, "write") == 0) {
        struct rng g = {2022};
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        dw_hex(signer.key.pub, 32, line);
        fprintf(f, "key %s\n", line);
        for (int round = 0; round < 4; round++) {
            for (size_t n = 0; n < SAMPLE_TYPES - 1; n++) {
                struct dw_buf object = signed_sample(&sample_types[n], &g);
                dw_hex(object.ptr, object.len, line);
                fprintf(f, "%s %s\n", sample_types[n].name, line);
            }
        }
        assert_int_equal(fclose(f), 0);
    }
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        char *space = strchr(line, ' ');
        assert_non_null(space);
        *space = 0;
        size_t len = strcspn(space + 1, "\n") / 2;
        space[1 + 2 * len] = 0;
        assert_true(len <= sizeof bytes && dw_is(dw_unhex(space + 1, bytes, len), DW_E_OK));
        lines++;
        if (strcmp(line, "key") == 0) {
            assert_memory_equal(bytes, signer.key.pub, 32);
            continue;
        }
        const struct sample_type *t = NULL;
        for (size_t n = 0; n < SAMPLE_TYPES; n++)
            if (strcmp(sample_types[n].name, line) == 0)
                t = &sample_types[n];
        assert_non_null(t);
        struct dw_view payload;
        struct dw_buf out = dw_buf_of(again, sizeof again);
        assert_true(dw_is(open_exact(&signer.key, t->context, bytes, len), DW_E_OK));
        assert_true(dw_is(dw_signed_open(&signer.key, t->context, dw_view_of(bytes, len), &payload),
                          DW_E_OK));
        assert_true(dw_is(t->read(payload, message), DW_E_OK));
        assert_true(dw_is(t->write(message, &out), DW_E_OK));
        assert_int_equal(out.len, payload.len);
        assert_memory_equal(out.ptr, payload.ptr, payload.len);
    }
    fclose(f);
    assert_int_equal(lines, 1 + 4 * (SAMPLE_TYPES - 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_example),
        cmocka_unit_test(contexts_and_types_are_distinct),
        cmocka_unit_test(cross_context_matrix),
        cmocka_unit_test(a_rewritten_type_does_not_help),
        cmocka_unit_test(every_bit_flip_and_truncation_is_refused),
        cmocka_unit_test(another_signer_is_refused),
        cmocka_unit_test(small_order_keys_are_refused),
        cmocka_unit_test(other_forms_are_refused),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(golden_objects),
    };
    return cmocka_run_group_tests_name("signed", tests, set_up, NULL);
}
