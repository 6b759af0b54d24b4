/* H.264 out of RTP: what a payloader makes of a unit comes out as that unit; damage does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "media/h264.h"
#include "media/rtp.h"

static uint8_t room[DW_RTP_BYTES];
static struct dw_rtp rtp;
static uint32_t units, keys;
static struct dw_au_info newest;
static uint8_t unit[4096];
static size_t unit_len;

static void on_unit(void *ctx, struct dw_view annexb, bool is_key)
{
    (void)ctx;
    units++;
    keys += is_key;
    assert_true(annexb.len > 0);
    unit_len = annexb.len < sizeof unit ? annexb.len : sizeof unit;
    memcpy(unit, annexb.ptr, unit_len);
    (void)!dw_failed(dw_au_inspect(annexb, &newest));
}

static void begin(void)
{
    units = keys = 0;
    dw_rtp_init(&rtp, 96, room, on_unit, NULL);
}

static void feed(uint16_t seq, uint32_t stamp, bool marker, const uint8_t *payload, size_t len)
{
    uint8_t p[2048] = {0x80,
                       (uint8_t)(96 | (marker ? 0x80 : 0)),
                       (uint8_t)(seq >> 8),
                       (uint8_t)seq,
                       (uint8_t)(stamp >> 24),
                       (uint8_t)(stamp >> 16),
                       (uint8_t)(stamp >> 8),
                       (uint8_t)stamp};
    memcpy(p + 12, payload, len);
    dw_rtp_feed(&rtp, dw_view_of(p, 12 + len));
}

#define P(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static const uint8_t sps[] = {0x67, 0x42, 0xc0, 0x0d}, pps[] = {0x68, 0xce};

static void single_aggregate_and_fragments(void **state)
{
    (void)state;
    static const uint8_t want[] = {0,    0, 0, 1, 0x67, 0x42, 0xc0, 0x0d, 0, 0, 0, 1, 0x68,
                                   0xce, 0, 0, 0, 1,    0x65, 1,    2,    3, 4, 5, 6};
    begin();
    feed(65534, 1, false, P(24, 0, 4, 0x67, 0x42, 0xc0, 0x0d, 0, 2, 0x68, 0xce)); /* STAP-A */
    feed(65535, 1, false, P(0x7c, 0x85, 1, 2));                                   /* FU-A */
    feed(0, 1, false, P(0x7c, 0x05, 3, 4));
    assert_int_equal(units, 0);
    feed(1, 1, true, P(0x7c, 0x45, 5, 6));
    assert_true(units == 1 && keys == 1);
    assert_int_equal(unit_len, sizeof want);
    assert_memory_equal(unit, want, sizeof want);
    feed(2, 2, true, P(0x61, 9));
    assert_true(units == 2 && keys == 1);
    assert_int_equal(rtp.lost, 0);
}

static void sets_told_beforehand_stand_before_each_key_frame(void **state)
{
    (void)state;
    begin();
    feed(1, 1, true, P(0x61, 1)); /* no key frame yet */
    feed(2, 2, true, P(0x65, 1)); /* a key frame without sets begins nothing */
    assert_int_equal(units, 0);
    dw_rtp_pset(&rtp, dw_view_of(sps, sizeof sps));
    dw_rtp_pset(&rtp, dw_view_of(pps, sizeof pps));
    feed(3, 3, true, P(0x65, 1, 2));
    assert_true(units == 1 && keys == 1 && newest.has_pset);
    assert_int_equal(unit_len, 4 + sizeof sps + 4 + sizeof pps + 4 + 3);
    feed(4, 4, true, P(0x09, 0xf0)); /* a delimiter alone is no unit */
    assert_int_equal(units, 1);
}

static void a_changed_stamp_ends_a_unit_without_marker(void **state)
{
    (void)state;
    begin();
    dw_rtp_pset(&rtp, dw_view_of(sps, sizeof sps));
    dw_rtp_pset(&rtp, dw_view_of(pps, sizeof pps));
    feed(1, 1, false, P(0x65, 1));
    feed(2, 2, false, P(0x61, 1));
    assert_int_equal(units, 1);
    feed(3, 3, false, P(0x61, 1));
    assert_int_equal(units, 2);
}

/* Every packet of a unit, left out once: the unit and all up to the next key frame are left out. */
static void a_missing_packet_costs_all_up_to_the_next_key_frame(void **state)
{
    (void)state;
    for (unsigned missing = 0; missing < 3; missing++) {
        begin();
        dw_rtp_pset(&rtp, dw_view_of(sps, sizeof sps));
        dw_rtp_pset(&rtp, dw_view_of(pps, sizeof pps));
        feed(10, 1, true, P(0x65, 1));
        assert_int_equal(units, 1);
        if (missing != 0)
            feed(11, 2, false, P(0x7c, 0x81, 1));
        if (missing != 1)
            feed(12, 2, false, P(0x7c, 0x01, 1));
        if (missing != 2)
            feed(13, 2, true, P(0x7c, 0x41, 1));
        feed(14, 3, true, P(0x61, 1));
        assert_int_equal(units, 1);
        feed(15, 4, true, P(0x65, 1));
        feed(16, 5, true, P(0x61, 1));
        assert_int_equal(units, 3);
    }
}

static void what_is_not_ours_is_left_out(void **state)
{
    (void)state;
    begin();
    dw_rtp_feed(&rtp, (struct dw_view){0});
    static const uint8_t short_head[] = {0x80, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0};
    static const uint8_t other_type[] = {0x80, 97, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0x65};
    static const uint8_t long_pad[] = {0xa0, 0xe0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0x65, 200};
    static const uint8_t long_list[] = {0x8f, 0xe0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0x65, 1};
    static const uint8_t long_more[] = {0x90, 0xe0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    dw_rtp_feed(&rtp, dw_view_of(short_head, sizeof short_head));
    dw_rtp_feed(&rtp, dw_view_of(other_type, sizeof other_type));
    dw_rtp_feed(&rtp, dw_view_of(long_pad, sizeof long_pad));
    dw_rtp_feed(&rtp, dw_view_of(long_list, sizeof long_list));
    dw_rtp_feed(&rtp, dw_view_of(long_more, sizeof long_more));
    assert_int_equal(units, 0);
    assert_false(rtp.has_seq);
}

/* Random packets that look right at first, in exactly sized memory for the sanitizers. */
static void random_packets(void **state)
{
    (void)state;
    begin();
    dw_rtp_pset(&rtp, dw_view_of(sps, sizeof sps));
    dw_rtp_pset(&rtp, dw_view_of(pps, sizeof pps));
    srand(2);
    uint16_t seq = 0;
    for (int i = 0; i < 200000; i++) {
        size_t len = 12 + (size_t)(rand() % 40);
        uint8_t *p = malloc(len);
        assert_non_null(p);
        for (size_t k = 0; k < len; k++)
            p[k] = (uint8_t)(rand() >> 6);
        p[0] = rand() % 8 ? 0x80 : p[0];
        p[1] = (uint8_t)((p[1] & 0x80) | 96);
        if (rand() % 16)
            seq++;
        p[2] = (uint8_t)(seq >> 8);
        p[3] = (uint8_t)seq;
        p[4] = p[5] = p[6] = 0;
        p[7] &= 3;
        dw_rtp_feed(&rtp, dw_view_of(p, len));
        free(p);
    }
    assert_true(units > 0 && rtp.dropped > 0);
}

/* A unit without end does not grow over its room. */
static void an_endless_unit_is_left_out(void **state)
{
    (void)state;
    static uint8_t big[1400] = {0x7c, 0x01};
    begin();
    dw_rtp_pset(&rtp, dw_view_of(sps, sizeof sps));
    dw_rtp_pset(&rtp, dw_view_of(pps, sizeof pps));
    feed(0, 1, false, P(0x7c, 0x85, 1));
    for (uint16_t i = 1; i < 3000; i++)
        feed(i, 1, false, big, sizeof big);
    feed(3000, 1, true, P(0x7c, 0x45, 1));
    assert_int_equal(units, 0);
    assert_true(rtp.len <= DW_RTP_UNIT_MAX);
    feed(3001, 2, true, P(0x65, 1));
    assert_int_equal(units, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_aggregate_and_fragments),
        cmocka_unit_test(sets_told_beforehand_stand_before_each_key_frame),
        cmocka_unit_test(a_changed_stamp_ends_a_unit_without_marker),
        cmocka_unit_test(a_missing_packet_costs_all_up_to_the_next_key_frame),
        cmocka_unit_test(what_is_not_ours_is_left_out),
        cmocka_unit_test(random_packets),
        cmocka_unit_test(an_endless_unit_is_left_out),
    };
    if (dw_failed(dw_crypto_init()))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
