/* The strict reader and writer: published vectors, every kind of refusal, limits, and a second
 * opinion [I44]. */
#include "samples.h"
#include "wire/cbor.h"
#include "wire/text.h"

#include <cbor.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

static size_t unhex(const char *hex, uint8_t *ret_bytes)
{
    size_t len = strlen(hex) / 2;
    for (size_t i = 0; i < len; i++) {
        const char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};
        ret_bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return len;
}

/* Exact copies on the heap, so that the sanitizer sees a read of one byte too many. */
static dw_err check_bytes(const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    memcpy(copy, bytes, len);
    dw_err err = dw_cbor_check(dw_view_of(copy, len));
    free(copy);
    return err;
}

static dw_err check_hex(const char *hex)
{
    uint8_t bytes[256];
    return check_bytes(bytes, unhex(hex, bytes));
}

/* RFC 8949 appendix A: all examples. What Doorward's messages use is accepted; indefinite lengths,
 * floats, other tags, undefined and unassigned simple values are refused by decision. */
static void appendix_a(void **state)
{
    static const char *const accepted[] = {
        "00",
        "01",
        "0a",
        "17",
        "1818",
        "1819",
        "1864",
        "1903e8",
        "1a000f4240",
        "1b000000e8d4a51000",
        "1bffffffffffffffff",
        "3bffffffffffffffff",
        "20",
        "29",
        "3863",
        "3903e7",
        "f4",
        "f5",
        "f6",
        "40",
        "4401020304",
        "60",
        "6161",
        "6449455446",
        "62225c",
        "62c3bc",
        "63e6b0b4",
        "64f0908591",
        "80",
        "83010203",
        "8301820203820405",
        "98190102030405060708090a0b0c0d0e0f101112131415161718181819",
        "a0",
        "a201020304",
        "a26161016162820203",
        "826161a161626163",
        "a56161614161626142616361436164614461656145"};
    static const char *const refused[] = {
        "c249010000000000000000",
        "c349010000000000000000",
        "f90000",
        "f98000",
        "f93c00",
        "fb3ff199999999999a",
        "f93e00",
        "f97bff",
        "fa47c35000",
        "fa7f7fffff",
        "fb7e37e43c8800759c",
        "f90001",
        "f90400",
        "f9c400",
        "fbc010666666666666",
        "f97c00",
        "f97e00",
        "f9fc00",
        "fa7f800000",
        "fa7fc00000",
        "faff800000",
        "fb7ff0000000000000",
        "fb7ff8000000000000",
        "fbfff0000000000000",
        "f7",
        "f0",
        "f818",
        "f8ff",
        "c074323031332d30332d32315432303a30343a30305a",
        "c11a514b67b0",
        "c1fb41d452d9ec200000",
        "d74401020304",
        "d818456449455446",
        "d82076687474703a2f2f7777772e6578616d706c652e636f6d",
        "5f42010243030405ff",
        "7f657374726561646d696e67ff",
        "9fff",
        "9f018202039f0405ffff",
        "9f01820203820405ff",
        "83018202039f0405ff",
        "83019f0203ff820405",
        "9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff",
        "bf61610161629f0203ffff",
        "826161bf61626163ff",
        "bf6346756ef563416d7421ff"};
    (void)state;
    for (size_t i = 0; i < DW_ARRAY_COUNT(accepted); i++)
        if (dw_failed(check_hex(accepted[i])))
            fail_msg("refused %s: %s", accepted[i], dw_err_name(check_hex(accepted[i])));
    for (size_t i = 0; i < DW_ARRAY_COUNT(refused); i++)
        if (!dw_failed(check_hex(refused[i])))
            fail_msg("accepted %s", refused[i]);
}

static void each_refusal_has_its_code(void **state)
{
    static const struct {
        const char *hex;
        enum dw_err_code want;
        const char *why;
    } rows[] = {
        {"", DW_E_TRUNCATED, "nothing"},
        {"1800", DW_E_NONCANONICAL, "0 in two bytes"},
        {"1817", DW_E_NONCANONICAL, "23 in two bytes"},
        {"1900ff", DW_E_NONCANONICAL, "255 in three bytes"},
        {"1a0000ffff", DW_E_NONCANONICAL, "65535 in five bytes"},
        {"1b00000000ffffffff", DW_E_NONCANONICAL, "2^32-1 in nine bytes"},
        {"3817", DW_E_NONCANONICAL, "-24 in two bytes"},
        {"580161", DW_E_NONCANONICAL, "length 1 in two bytes"},
        {"980101", DW_E_NONCANONICAL, "count 1 in two bytes"},
        {"b8010101", DW_E_NONCANONICAL, "one pair, count in two bytes"},
        {"d81280", DW_E_NONCANONICAL, "tag 18 is one byte"},
        {"1c", DW_E_INVALID, "head 28"},
        {"3d", DW_E_INVALID, "head 29"},
        {"5e", DW_E_INVALID, "head 30"},
        {"ff", DW_E_NONCANONICAL, "break alone"},
        {"5fff", DW_E_NONCANONICAL, "indefinite bytes"},
        {"18", DW_E_TRUNCATED, "head cut"},
        {"1b00000000", DW_E_TRUNCATED, "head cut"},
        {"4201", DW_E_TRUNCATED, "bytes cut"},
        {"6261", DW_E_TRUNCATED, "text cut"},
        {"8201", DW_E_TRUNCATED, "array cut"},
        {"a101", DW_E_TRUNCATED, "map cut"},
        {"9a20000000", DW_E_TRUNCATED, "2^29 items declared"},
        {"ba20000000", DW_E_TRUNCATED, "2^29 pairs declared"},
        {"ba80000000", DW_E_TRUNCATED, "2^31 pairs declared: twice that is 0 in 32 bits"},
        {"bb8000000000000000", DW_E_TRUNCATED, "2^63 pairs declared"},
        {"5b7fffffffffffffff", DW_E_TOO_LARGE, "2^63 bytes declared"},
        {"0000", DW_E_TRAILING, "two items"},
        {"8000", DW_E_TRAILING, "after an empty array"},
        {"a201020100", DW_E_NONCANONICAL, "the same key twice"},
        {"a202000100", DW_E_NONCANONICAL, "keys not in order"},
        {"a220001800", DW_E_NONCANONICAL, "negative before positive"},
        {"a2626161006162", DW_E_NONCANONICAL, "longer key first"},
        {"a1800", DW_E_UNSUPPORTED, "array as key"},
        {"a1a000", DW_E_UNSUPPORTED, "map as key"},
        {"a1f400", DW_E_UNSUPPORTED, "bool as key"},
        {"a1d20000", DW_E_UNSUPPORTED, "tag as key"},
        {"61ff", DW_E_INVALID, "not UTF-8"},
        {"62c080", DW_E_INVALID, "overlong NUL"},
        {"63eda080", DW_E_INVALID, "surrogate"},
        {"64f4908080", DW_E_INVALID, "beyond U+10FFFF"},
        {"62c3c3", DW_E_INVALID, "lead byte twice"},
        {"61c3", DW_E_INVALID, "character cut"},
        {"d2", DW_E_TRUNCATED, "tag of nothing"},
        {"d2d280", DW_E_UNSUPPORTED, "tag of a tag"},
        {"d180", DW_E_UNSUPPORTED, "tag 17"},
        {"d9d9f700", DW_E_UNSUPPORTED, "self-described CBOR"},
        {"818181818180", DW_E_TOO_LARGE, "six levels"},
        {"8181818180", DW_E_TOO_LARGE, "five levels"},
        {"81818180", DW_E_OK, "four levels"},
        {"d281818180", DW_E_OK, "a tag is no level"},
        {"a20001200a", DW_E_OK, "0 before -1"},
        {"a417001818001901000020", DW_E_TRUNCATED, "value missing"},
    };
    (void)state;
    for (size_t i = 0; i < DW_ARRAY_COUNT(rows); i++) {
        char even[64]; /* half a byte at the end stands for a zero one */
        snprintf(even, sizeof even, "%s%s", rows[i].hex, strlen(rows[i].hex) % 2 ? "0" : "");
        dw_err err = check_hex(even);
        if (!dw_is(err, rows[i].want))
            fail_msg("%s (%s): %s", rows[i].hex, rows[i].why, dw_err_name(err));
    }
}

static void input_is_bounded(void **state)
{
    static uint8_t bytes[DW_CBOR_BYTES_MAX + 1];
    (void)state;
    bytes[0] = 0x59; /* a byte string that fills the input */
    bytes[1] = (uint8_t)((DW_CBOR_BYTES_MAX - 3) >> 8);
    bytes[2] = (uint8_t)(DW_CBOR_BYTES_MAX - 3);
    assert_true(dw_is(check_bytes(bytes, DW_CBOR_BYTES_MAX), DW_E_OK));
    assert_true(dw_is(check_bytes(bytes, DW_CBOR_BYTES_MAX + 1), DW_E_TOO_LARGE));
    const uint8_t lie[] = {0x9a, 0x20, 0, 0, 0, 1, 2}; /* 2^29 items in two bytes */
    uint32_t items = 1;
    struct dw_rd r;
    dw_rd_init(&r, dw_view_of(lie, sizeof lie));
    dw_rd_array_upto(&r, 0, UINT32_MAX, &items);
    assert_int_equal(items, 0);
    assert_true(dw_is(dw_rd_end(&r), DW_E_TRUNCATED));
    /* Hostile counts cost nothing: each of these is judged by its first bytes. */
    memset(bytes, 0x9a, sizeof bytes);
    assert_true(dw_failed(check_bytes(bytes, DW_CBOR_BYTES_MAX)));
    memset(bytes, 0x81, sizeof bytes);
    assert_true(dw_is(check_bytes(bytes, DW_CBOR_BYTES_MAX), DW_E_TOO_LARGE));
}

/* What is read into stays as it was when the value is not the one asked for. */
static void a_failed_read_changes_nothing(void **state)
{
    const uint8_t bytes[] = {0x19, 0x01, 0x00}; /* 256 */
    uint8_t u8 = 7, raw[2] = {1, 2};
    uint64_t u64 = 7;
    int64_t i64 = 7;
    bool b = true;
    char text[4] = "abc";
    struct dw_view view = {NULL, 77};
    struct dw_rd r;
    (void)state;

#define ATTEMPT(call, code)                          \
    dw_rd_init(&r, dw_view_of(bytes, sizeof bytes)); \
    call;                                            \
    assert_true(dw_is(dw_rd_end(&r), code))
    ATTEMPT(dw_rd_u8(&r, &u8), DW_E_INVALID);
    ATTEMPT(dw_rd_enum(&r, 256, &u8), DW_E_INVALID);
    ATTEMPT(dw_rd_uint(&r, 255, &u64), DW_E_INVALID);
    ATTEMPT(dw_rd_int(&r, -1, 255, &i64), DW_E_INVALID);
    ATTEMPT(dw_rd_bool(&r, &b), DW_E_INVALID);
    ATTEMPT(dw_rd_bytes(&r, raw, 2), DW_E_INVALID);
    ATTEMPT(dw_rd_text_into(&r, sizeof text, text), DW_E_INVALID);
    ATTEMPT(dw_rd_bytes_upto(&r, 9, &view), DW_E_INVALID);
    ATTEMPT(dw_rd_map(&r, 1), DW_E_INVALID);
    ATTEMPT(dw_rd_tag(&r, 18), DW_E_INVALID);
    ATTEMPT((void)0, DW_E_INVALID); /* nothing was read at all */
    uint16_t u16 = 0;
    ATTEMPT(dw_rd_u16(&r, &u16), DW_E_OK);
#undef ATTEMPT
    assert_int_equal(u16, 256);
    assert_int_equal(u8, 7);
    assert_int_equal(u64, 7);
    assert_int_equal(i64, 7);
    assert_true(b && raw[0] == 1 && raw[1] == 2 && strcmp(text, "abc") == 0 && view.len == 77);
}

static void integers_reach_their_ends(void **state)
{
    static const int64_t values[] = {
        INT64_MIN, INT64_MIN + 1, -4294967297, -4294967296, -65537, -65536, -257,     -256,
        -25,       -24,           -1,          0,           23,     24,     INT64_MAX};
    (void)state;
    for (size_t i = 0; i < DW_ARRAY_COUNT(values); i++) {
        uint8_t bytes[16];
        struct dw_buf out = dw_buf_of(bytes, sizeof bytes);
        struct dw_wr w;
        struct dw_rd r;
        int64_t got = 1;
        dw_wr_init(&w, &out);
        dw_wr_int(&w, values[i]);
        assert_true(dw_is(dw_wr_end(&w), DW_E_OK));
        dw_rd_init(&r, dw_view_of_buf(&out));
        dw_rd_int(&r, INT64_MIN, INT64_MAX, &got);
        assert_true(dw_is(dw_rd_end(&r), DW_E_OK));
        assert_true(got == values[i]);
    }
    const uint8_t beyond[] = {0x3b, 0x80, 0, 0, 0, 0, 0, 0, 0}; /* INT64_MIN - 1 */
    int64_t got = 1;
    struct dw_rd r;
    dw_rd_init(&r, dw_view_of(beyond, sizeof beyond));
    dw_rd_int(&r, INT64_MIN, INT64_MAX, &got);
    assert_true(dw_is(dw_rd_end(&r), DW_E_INVALID) && got == 1);
}

static void the_writer_refuses_what_the_reader_would(void **state)
{
    uint8_t bytes[8200] = {0};
    struct dw_buf out = dw_buf_of(bytes, sizeof bytes);
    struct dw_wr w;
    (void)state;
    out.len = 5; /* something that was there before */

#define ATTEMPT(code, ...)                   \
    dw_wr_init(&w, &out);                    \
    __VA_ARGS__;                             \
    assert_true(dw_is(dw_wr_end(&w), code)); \
    assert_int_equal(out.len, 5)
    ATTEMPT(DW_E_NONCANONICAL, dw_wr_map(&w, 2), dw_wr_key(&w, 2), dw_wr_uint(&w, 0),
            dw_wr_key(&w, 1), dw_wr_uint(&w, 0));
    ATTEMPT(DW_E_NONCANONICAL, dw_wr_map(&w, 2), dw_wr_key(&w, 1), dw_wr_uint(&w, 0),
            dw_wr_key(&w, 1), dw_wr_uint(&w, 0));
    ATTEMPT(DW_E_NONCANONICAL, dw_wr_map(&w, 2), dw_wr_key(&w, -1), dw_wr_uint(&w, 0),
            dw_wr_key(&w, 1), dw_wr_uint(&w, 0));
    ATTEMPT(DW_E_INVALID, (void)0);
    ATTEMPT(DW_E_INVALID, dw_wr_map(&w, 1), dw_wr_key(&w, 1));
    ATTEMPT(DW_E_INVALID, dw_wr_array(&w, 1));
    ATTEMPT(DW_E_INVALID, dw_wr_uint(&w, 1), dw_wr_uint(&w, 1));
    ATTEMPT(DW_E_INVALID, dw_wr_array(&w, 0), dw_wr_uint(&w, 1));
    ATTEMPT(DW_E_INVALID, dw_wr_map(&w, 1), dw_wr_key(&w, 1), dw_wr_key(&w, 2));
    ATTEMPT(DW_E_INVALID, dw_wr_text(&w, dw_view_of("\xff", 1)));
    ATTEMPT(DW_E_INVALID, dw_wr_text_from(&w, 3, "abc"));
    ATTEMPT(DW_E_UNSUPPORTED, dw_wr_tag(&w, 17), dw_wr_uint(&w, 1));
    ATTEMPT(DW_E_UNSUPPORTED, dw_wr_tag(&w, 18), dw_wr_tag(&w, 18), dw_wr_uint(&w, 1));
    ATTEMPT(DW_E_UNSUPPORTED, dw_wr_map(&w, 1), dw_wr_array(&w, 0), dw_wr_uint(&w, 1));
    ATTEMPT(DW_E_UNSUPPORTED, dw_wr_map(&w, 1), dw_wr_bool(&w, true), dw_wr_uint(&w, 1));
    ATTEMPT(DW_E_TOO_LARGE, dw_wr_bytes(&w, bytes, DW_CBOR_BYTES_MAX));
    ATTEMPT(DW_E_TOO_LARGE, for (int i = 0; i < 5; i++) dw_wr_array(&w, 1));
    out.cap = 7;
    ATTEMPT(DW_E_NO_SPACE, dw_wr_bytes(&w, bytes, 2));
#undef ATTEMPT
}

/* One random item; with `mistake` it may break a rule. */
static size_t random_item(struct rng *g, uint8_t *out, size_t cap, unsigned depth)
{
    struct dw_buf buf = dw_buf_of(out, cap);
    uint64_t type = rng_below(g, depth < DW_CBOR_DEPTH_MAX ? 7 : 5);
    uint64_t count = rng_below(g, 5), arg = rng_number(g, UINT64_MAX);
    static const char *const words[] = {"", "a", "bb", "水", "ab"};
    const char *word = words[rng_below(g, 5)];
    uint8_t more = 0, head[9];

    if (type == 2 || type == 3)
        arg = strlen(word);
    if (type >= 5)
        type -= 1, arg = count;
    else if (type == 4)
        type = 7, arg = 20 + rng_below(g, 3);
    more = arg < 24 ? 0 : arg <= 255 ? 1 : arg <= 65535 ? 2 : arg <= UINT32_MAX ? 4 : 8;
    if (more < 8 && rng_below(g, 60) == 0)
        more = more ? (uint8_t)(more * 2) : 1; /* a mistake: longer than needed */
    head[0] = (uint8_t)(type << 5 | (more == 0   ? arg
                                     : more == 1 ? 24u
                                     : more == 2 ? 25u
                                     : more == 4 ? 26u
                                                 : 27u));
    for (unsigned i = 0; i < more; i++)
        head[1 + i] = (uint8_t)(arg >> 8 * (more - 1u - i));
    if (dw_failed(dw_buf_put(&buf, head, 1u + more)))
        return 0;
    if ((type == 2 || type == 3) && dw_failed(dw_buf_put(&buf, word, strlen(word))))
        return 0;
    if (type == 4 || type == 5) {
        uint64_t base = rng_below(g, 300);
        for (uint64_t i = 0; i < count; i++) {
            if (type == 5) { /* keys that are mostly in order */
                uint64_t key = base + (rng_below(g, 40) == 0 ? 0 : i);
                uint8_t k[3] = {0x19, (uint8_t)(key >> 8), (uint8_t)key};
                size_t skip = key < 24 ? 2 : key < 256 ? 1 : 0;
                if (skip == 1)
                    k[1] = 0x18;
                if (dw_failed(dw_buf_put(&buf, k + skip, 3 - skip)))
                    return 0;
            }
            size_t len = random_item(g, buf.ptr + buf.len, buf.cap - buf.len, depth + 1);
            if (len == 0)
                return 0;
            buf.len += len;
        }
    }
    return buf.len;
}

/* libcbor reads all well-formed CBOR. Whatever we accept, it must accept, use up wholly, and write
 * back to the same bytes when its own encoder keeps heads shortest (it keeps the width that it
 * read). */
static void libcbor_agrees_on_what_is_accepted(void **state)
{
    struct rng g = rng_start();
    uint8_t bytes[2048], back[4096];
    size_t accepted = 0, refused = 0;
    (void)state;
    for (int i = 0; i < 20000; i++) {
        size_t len = random_item(&g, bytes, 512, 0);
        if (len == 0)
            continue;
        if (rng_below(&g, 4) == 0)
            bytes[rng_below(&g, len)] ^= (uint8_t)(1u << rng_below(&g, 8));
        if (dw_failed(check_bytes(bytes, len))) {
            refused++;
            continue;
        }
        accepted++;
        struct cbor_load_result result;
        cbor_item_t *item = cbor_load(bytes, len, &result);
        if (!item && bytes[result.error.position] == 0xd2)
            continue; /* this version of libcbor does not know tag 18 */
        if (!item) {
            for (size_t k = 0; k < len; k++)
                printf("%02x", bytes[k]);
            fail_msg("libcbor: error %d at %zu", (int)result.error.code, result.error.position);
        }
        assert_int_equal(result.read, len);
        size_t back_len = cbor_serialize(item, back, sizeof back);
        assert_int_equal(back_len, len);
        assert_memory_equal(back, bytes, len);
        cbor_decref(&item);
    }
    printf("accepted %zu, refused %zu\n", accepted, refused);
    assert_true(accepted > 5000 && refused > 500);
}

static void text_rules(void **state)
{
    static const struct {
        const char *text;
        bool is_plain, is_lines, is_ascii, is_zone;
    } rows[] = {
        {"", true, true, true, false},
        {"Anna", true, true, true, true},
        {"Europe/Amsterdam", true, true, true, true},
        {"America/Argentina/Buenos_Aires", true, true, true, true},
        {"Etc/GMT+12", true, true, true, true},
        {"../etc/passwd", true, true, true, false},
        {"/etc/passwd", true, true, true, false},
        {"Europe/", true, true, true, false},
        {"Europe//Paris", true, true, true, false},
        {"Europe/Paris ", true, true, true, false},
        {"Zoë 水", true, true, false, false},
        {"a\nb", false, true, false, false},
        {"a\rb", false, false, false, false},
        {"a\tb", false, false, false, false},
        {"\x1b[31m", false, false, false, false},
        {"\x7f", false, false, false, false},
        {"\xc2\x85", false, false, false, false}, /* U+0085, a C1 control */
        {"\xe2\x80\xae"
         "evil",
         false, false, false, false},                 /* right-to-left override */
        {"\xe2\x81\xa6", false, false, false, false}, /* isolate */
        {"\xe2\x80\xa8", false, false, false, false}, /* line separator */
        {"\xff", false, false, false, false},
        {"\xf0\x9f\x9a\xaa", true, true, false, false}, /* a door */
    };
    (void)state;
    for (size_t i = 0; i < DW_ARRAY_COUNT(rows); i++) {
        struct dw_view t = dw_view_of(rows[i].text, strlen(rows[i].text));
        if (dw_text_is_plain(t) != rows[i].is_plain ||
            dw_text_is_plain_lines(t) != rows[i].is_lines ||
            dw_text_is_ascii(t) != rows[i].is_ascii || dw_text_is_zone(t) != rows[i].is_zone)
            fail_msg("row %zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appendix_a),
        cmocka_unit_test(each_refusal_has_its_code),
        cmocka_unit_test(input_is_bounded),
        cmocka_unit_test(a_failed_read_changes_nothing),
        cmocka_unit_test(integers_reach_their_ends),
        cmocka_unit_test(the_writer_refuses_what_the_reader_would),
        cmocka_unit_test(libcbor_agrees_on_what_is_accepted),
        cmocka_unit_test(text_rules),
    };
    return cmocka_run_group_tests_name("cbor", tests, NULL, NULL);
}
