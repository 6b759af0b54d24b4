/* H.264 access units: NAL units, hashes, sizes; and what damage does to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "media/h264.h"

#define V(...) dw_view_of((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* An SPS and a PPS of x264, 320x240 baseline, and of 1920x1080 high. */
static const uint8_t sps_small[] = {0x67, 0x42, 0xc0, 0x0d, 0xda, 0x05, 0x07, 0xec,
                                    0x04, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40, 0x00,
                                    0x00, 0x0f, 0x23, 0xc5, 0x0a, 0xa8};
static const uint8_t sps_large[] = {0x67, 0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02,
                                    0x27, 0xe5, 0xc0, 0x44, 0x00, 0x00, 0x03, 0x00, 0x04,
                                    0x00, 0x00, 0x03, 0x00, 0xf0, 0x3c, 0x60, 0xc6, 0x58};

static size_t count_nals(struct dw_view in)
{
    size_t offset = 0, n = 0;
    struct dw_view nal;
    while (dw_nal_next(in, &offset, &nal)) {
        assert_true(nal.ptr >= in.ptr && nal.ptr + nal.len <= in.ptr + in.len);
        assert_true(nal.len > 0 && nal.ptr[nal.len - 1] != 0);
        n++;
    }
    assert_int_equal(offset, in.len);
    return n;
}

static void start_codes_of_three_and_four_bytes(void **state)
{
    (void)state;
    assert_int_equal(count_nals(V(0, 0, 1, 0x65, 7)), 1);
    assert_int_equal(count_nals(V(0, 0, 0, 1, 0x65, 7, 0, 0, 0, 1, 0x41, 8)), 2);
    assert_int_equal(count_nals(V(0, 0, 1, 0x65, 7, 0, 0, 1, 0x41, 8)), 2);
    assert_int_equal(count_nals(V(0, 0, 0, 0, 0, 1, 0x65, 7, 0, 0, 0, 0)), 1);
    assert_int_equal(count_nals(V(9, 9, 0, 0, 1, 0x65)), 1);
}

static void input_without_nal_units_yields_none(void **state)
{
    (void)state;
    assert_int_equal(count_nals((struct dw_view){0}), 0);
    assert_int_equal(count_nals(V(0)), 0);
    assert_int_equal(count_nals(V(0, 0, 1)), 0);
    assert_int_equal(count_nals(V(0, 0, 1, 0, 0, 1, 0, 0, 0, 1)), 0);
    assert_int_equal(count_nals(V(1, 2, 3, 4, 5, 6)), 0);
    struct dw_au_info info;
    assert_true(dw_is(dw_au_inspect(V(0, 0, 1, 0x67, 1), &info), DW_E_INVALID));
}

/* Where a start code begins, byte by byte. */
static size_t start_after(const uint8_t *p, size_t len, size_t from)
{
    for (size_t i = from; i + 3 <= len; i++) {
        if (p[i] == 0 && p[i + 1] == 0 && p[i + 2] == 1)
            return i;
    }
    return len;
}

/* The walk against the plain reading of the format, in all rows of the three bytes that matter. */
static void every_short_row_is_walked_as_it_reads(void **state)
{
    (void)state;
    enum { LEN = 9, ROWS = 19683 };
    for (unsigned row = 0; row < ROWS; row++) {
        uint8_t p[LEN];
        struct dw_view nal;
        size_t offset = 0;
        unsigned rest = row;
        for (size_t i = 0; i < LEN; i++, rest /= 3)
            p[i] = (uint8_t)(rest % 3);
        for (size_t at = start_after(p, LEN, 0); at < LEN;) {
            size_t begin = at + 3, end = start_after(p, LEN, begin);
            at = end;
            while (end > begin && p[end - 1] == 0)
                end--;
            if (end == begin)
                continue;
            assert_true(dw_nal_next(dw_view_of(p, LEN), &offset, &nal));
            assert_true(nal.ptr == p + begin && nal.len == end - begin);
        }
        assert_false(dw_nal_next(dw_view_of(p, LEN), &offset, &nal));
    }
}

static void hash_covers_picture_data_only(void **state)
{
    (void)state;
    struct dw_au_info a, b;
    uint8_t want[DW_HASH_BYTES];
    dw_sha256(V(0, 0, 0, 3, 0x65, 7, 8, 0, 0, 0, 2, 0x61, 9), want);
    assert_false(dw_failed(dw_au_inspect(V(0, 0, 1, 0x65, 7, 8, 0, 0, 1, 0x61, 9), &a)));
    assert_memory_equal(a.au_hash, want, sizeof want);
    assert_true(a.is_key && !a.has_pset && a.vcl_count == 2);
    /* Other start codes, trailing zeros, AUD and SEI change nothing. */
    assert_false(dw_failed(dw_au_inspect(V(0, 0, 0, 1, 9, 0x10, 0, 0, 1, 6, 5, 0, 0, 0, 1, 0x65, 7,
                                           8, 0, 0, 0, 0, 0, 1, 0x61, 9, 0, 0),
                                         &b)));
    assert_memory_equal(b.au_hash, want, sizeof want);
}

static void joined_or_split_units_are_others(void **state)
{
    (void)state;
    struct dw_au_info two, one;
    assert_false(dw_failed(dw_au_inspect(V(0, 0, 1, 0x41, 7, 0, 0, 1, 0x41, 9), &two)));
    assert_false(dw_failed(dw_au_inspect(V(0, 0, 1, 0x41, 7, 0x41, 9), &one)));
    assert_memory_not_equal(two.au_hash, one.au_hash, DW_HASH_BYTES);
    assert_false(dw_failed(
        dw_au_inspect(V(0, 0, 1, 0x67, 1, 0x68, 3, 0, 0, 1, 0x68, 2, 0, 0, 1, 0x65, 3), &two)));
    assert_false(dw_failed(
        dw_au_inspect(V(0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 3, 0x68, 2, 0, 0, 1, 0x65, 3), &one)));
    assert_memory_not_equal(two.pset_hash, one.pset_hash, DW_HASH_BYTES);
}

static void every_bit_of_the_picture_counts(void **state)
{
    (void)state;
    uint8_t unit[] = {0, 0, 0, 1, 0x65, 0x88, 0x84, 0x21, 0xa0, 0, 0, 1, 0x65, 0x77, 0x13};
    struct dw_au_info good, info;
    assert_false(dw_failed(dw_au_inspect(dw_view_of(unit, sizeof unit), &good)));
    for (size_t bit = 0; bit < 8 * sizeof unit; bit++) {
        unit[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        dw_err e = dw_au_inspect(dw_view_of(unit, sizeof unit), &info);
        bool is_lead = bit < 8; /* bytes before the first start code mean nothing */
        bool is_same = !dw_failed(e) && memcmp(info.au_hash, good.au_hash, DW_HASH_BYTES) == 0;
        assert_true(is_same == is_lead);
        unit[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    for (size_t len = 0; len < sizeof unit; len++) {
        dw_err e = dw_au_inspect(dw_view_of(unit, len), &info);
        assert_true(dw_failed(e) || memcmp(info.au_hash, good.au_hash, DW_HASH_BYTES) != 0);
    }
}

static void parameter_sets_cannot_be_slipped_in(void **state)
{
    (void)state;
    struct dw_au_info one, twice, other, half;
    uint8_t want[DW_HASH_BYTES];
    dw_sha256(V(0, 0, 0, 2, 0x67, 1, 0, 0, 0, 2, 0x68, 2), want);
    assert_false(
        dw_failed(dw_au_inspect(V(0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 0, 0, 1, 0x65, 3), &one)));
    assert_true(one.has_pset);
    assert_memory_equal(one.pset_hash, want, sizeof want);
    assert_false(dw_failed(dw_au_inspect(
        V(0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 0, 0, 1, 0x68, 2, 0, 0, 1, 0x65, 3), &twice)));
    assert_memory_equal(twice.pset_hash, want, sizeof want);
    assert_false(dw_failed(dw_au_inspect(
        V(0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 0, 0, 1, 0x68, 4, 0, 0, 1, 0x65, 3), &other)));
    assert_memory_not_equal(other.pset_hash, want, sizeof want);
    assert_false(dw_failed(dw_au_inspect(
        V(0, 0, 1, 0x67, 1, 0, 0, 1, 0x67, 5, 0, 0, 1, 0x68, 2, 0, 0, 1, 0x65, 3), &other)));
    assert_memory_not_equal(other.pset_hash, want, sizeof want);
    assert_false(dw_failed(dw_au_inspect(V(0, 0, 1, 0x68, 4, 0, 0, 1, 0x61, 3), &half)));
    assert_true(!half.has_pset && half.pps.len == 2 && !half.sps.len);
}

static void sizes_of_real_parameter_sets(void **state)
{
    (void)state;
    uint16_t w = 0, h = 0;
    assert_false(dw_failed(dw_sps_size(dw_view_of(sps_small, sizeof sps_small), &w, &h)));
    assert_int_equal(w, 320);
    assert_int_equal(h, 240);
    assert_false(dw_failed(dw_sps_size(dw_view_of(sps_large, sizeof sps_large), &w, &h)));
    assert_int_equal(w, 1920);
    assert_int_equal(h, 1080); /* 1088 lines, cropped */
    assert_true(dw_is(dw_sps_size(V(0x68, 1, 2, 3, 4), &w, &h), DW_E_INVALID));
    assert_true(dw_is(dw_sps_size(V(0x67, 1, 2, 3, 4), &w, &h), DW_E_UNSUPPORTED));
}

/* Damage ends in an error or in some size: never in a read outside (this runs under sanitizers) or
 * without end. */
static void damaged_parameter_sets(void **state)
{
    (void)state;
    uint8_t *copy = malloc(sizeof sps_large); /* its end is guarded under sanitizers */
    assert_non_null(copy);
    struct dw_sps out;
    for (size_t bit = 0; bit < 8 * sizeof sps_large; bit++) {
        memcpy(copy, sps_large, sizeof sps_large);
        copy[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        dw_err e = dw_sps_read(dw_view_of(copy, sizeof sps_large), &out);
        assert_true(dw_failed(e) || (out.width_px && out.height_px));
    }
    free(copy);
    for (size_t len = 0; len < 10; len++) {
        uint8_t *cut = malloc(len + 1);
        memcpy(cut, sps_large, len);
        assert_true(dw_failed(dw_sps_read(dw_view_of(cut, len), &out)));
        free(cut);
    }
    srand(1);
    for (int i = 0; i < 20000; i++) {
        uint8_t noise[48];
        for (size_t k = 0; k < sizeof noise; k++)
            noise[k] = (uint8_t)(rand() >> 7);
        noise[0] = 0x67;
        noise[1] = i % 2 ? 100 : 66;
        dw_err e = dw_sps_read(dw_view_of(noise, sizeof noise), &out);
        assert_true(dw_failed(e) || (out.width_px && out.height_px));
        struct dw_au_info info;
        e = dw_au_inspect(dw_view_of(noise, sizeof noise), &info);
        assert_true(dw_failed(e) || info.vcl_count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(start_codes_of_three_and_four_bytes),
        cmocka_unit_test(input_without_nal_units_yields_none),
        cmocka_unit_test(every_short_row_is_walked_as_it_reads),
        cmocka_unit_test(hash_covers_picture_data_only),
        cmocka_unit_test(joined_or_split_units_are_others),
        cmocka_unit_test(every_bit_of_the_picture_counts),
        cmocka_unit_test(parameter_sets_cannot_be_slipped_in),
        cmocka_unit_test(sizes_of_real_parameter_sets),
        cmocka_unit_test(damaged_parameter_sets),
    };
    if (dw_failed(dw_crypto_init()))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
