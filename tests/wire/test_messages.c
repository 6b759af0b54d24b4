/* Every message type: round trips, bit flips, truncations, other forms, and values out of range
 * [I44].
 */
#include "core/types.h"
#include "samples.h"
#include "wire/camera.h"
#include "wire/cbor.h"
#include "wire/lock.h"
#include "wire/visit.h"
#include "wire/wish.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define ROUNDS 200

static uint8_t message[SAMPLE_STRUCT_MAX], got[SAMPLE_STRUCT_MAX], untouched[SAMPLE_STRUCT_MAX];

/* Reads from an exact copy on the heap; on failure nothing may have been written. */
static dw_err read_exact(const struct sample_type *t, const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    memcpy(copy, bytes, len);
    memset(got, 0xa5, sizeof got);
    memset(untouched, 0xa5, sizeof untouched);
    dw_err err = t->read(dw_view_of(copy, len), got);
    free(copy);
    if (dw_failed(err))
        assert_memory_equal(got, untouched, sizeof got);
    return err;
}

static struct dw_buf write_sample(const struct sample_type *t, struct rng *g)
{
    static uint8_t bytes[SAMPLE_BYTES_MAX];
    struct dw_buf out = dw_buf_of(bytes, sizeof bytes);
    t->fill(g, message);
    dw_err err = t->write(message, &out);
    if (dw_failed(err))
        fail_msg("%s: %s", t->name, dw_err_name(err));
    return out;
}

static void round_trips(void **state)
{
    struct rng g = rng_start();
    (void)state;
    for (size_t n = 0; n < SAMPLE_TYPES; n++) {
        const struct sample_type *t = &sample_types[n];
        size_t longest = 0;
        for (int i = 0; i < ROUNDS; i++) {
            struct dw_buf out = write_sample(t, &g);
            assert_true(dw_is(dw_cbor_check(dw_view_of_buf(&out)), DW_E_OK));
            dw_err err = read_exact(t, out.ptr, out.len);
            if (dw_failed(err))
                fail_msg("%s: %s", t->name, dw_err_name(err));
            assert_memory_equal(got, message, t->size);
            longest = out.len > longest ? out.len : longest;
        }
        printf("  %-14s up to %zu bytes\n", t->name, longest);
    }
}

/* A buffer one byte too small is refused and left as it was. */
static void no_space(void **state)
{
    struct rng g = rng_start();
    (void)state;
    for (size_t n = 0; n < SAMPLE_TYPES; n++) {
        const struct sample_type *t = &sample_types[n];
        size_t need = write_sample(t, &g).len;
        for (size_t cap = 0; cap < need; cap++) {
            uint8_t *bytes = malloc(cap ? cap : 1);
            struct dw_buf out = dw_buf_of(bytes, cap);
            assert_true(dw_is(t->write(message, &out), DW_E_NO_SPACE));
            assert_int_equal(out.len, 0);
            free(bytes);
        }
    }
}

static void every_truncation_and_extension_is_refused(void **state)
{
    struct rng g = rng_start();
    (void)state;
    for (size_t n = 0; n < SAMPLE_TYPES; n++) {
        const struct sample_type *t = &sample_types[n];
        struct dw_buf out = write_sample(t, &g);
        for (size_t len = 0; len < out.len; len++)
            assert_true(dw_failed(read_exact(t, out.ptr, len)));
        out.ptr[out.len] = 0;
        assert_true(dw_is(read_exact(t, out.ptr, out.len + 1), DW_E_TRAILING));
    }
}

/* A flipped bit is refused, or gives another message whose one encoding is exactly these bytes: no
 * two encodings ever mean the same. */
static void every_bit_flip_is_refused_or_means_something_else(void **state)
{
    struct rng g = rng_start();
    (void)state;
    for (size_t n = 0; n < SAMPLE_TYPES; n++) {
        const struct sample_type *t = &sample_types[n];
        struct dw_buf out = write_sample(t, &g);
        size_t refused = 0;
        for (size_t bit = 0; bit < 8 * out.len; bit++) {
            uint8_t again[SAMPLE_BYTES_MAX];
            struct dw_buf back = dw_buf_of(again, sizeof again);
            out.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
            if (dw_failed(read_exact(t, out.ptr, out.len))) {
                refused++;
            } else {
                assert_memory_not_equal(got, message, t->size);
                assert_true(dw_is(t->write(got, &back), DW_E_OK));
                assert_int_equal(back.len, out.len);
                assert_memory_equal(back.ptr, out.ptr, out.len);
            }
            out.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        assert_true(refused > 0);
    }
}

/* The outer map or array declares one item more or fewer; an unknown key comes at the end. */
static void unknown_and_missing_fields_are_refused(void **state)
{
    struct rng g = rng_start();
    (void)state;
    for (size_t n = 0; n < SAMPLE_TYPES; n++) {
        const struct sample_type *t = &sample_types[n];
        struct dw_buf out = write_sample(t, &g);
        out.ptr[0]--;
        assert_true(dw_failed(read_exact(t, out.ptr, out.len)));
        out.ptr[0] += 2;
        assert_true(dw_failed(read_exact(t, out.ptr, out.len)));
        if (out.ptr[0] >> 5 != DW_CBOR_MAP || (out.ptr[0] & 31) >= 24)
            continue;
        const uint8_t extra[] = {0x3a, 0x7f, 0xff, 0xff, 0xff, 0x00}; /* -2147483648: 0 */
        memcpy(out.ptr + out.len, extra, sizeof extra);
        assert_true(dw_is(dw_cbor_check(dw_view_of(out.ptr, out.len + sizeof extra)), DW_E_OK));
        assert_true(dw_is(read_exact(t, out.ptr, out.len + sizeof extra), DW_E_UNKNOWN_FIELD));
    }
}

/* The same values in other forms of CBOR: the first key longer than needed, a map of indefinite
 * length, and pairs swapped. All say the same to a lenient reader; all are refused. */
static void other_forms_are_refused(void **state)
{
    struct rng g = rng_start();
    uint8_t other[SAMPLE_BYTES_MAX + 8];
    (void)state;
    for (size_t n = 0; n < SAMPLE_TYPES; n++) {
        const struct sample_type *t = &sample_types[n];
        struct dw_buf out = write_sample(t, &g);

        uint8_t count = out.ptr[0] & 31, type = out.ptr[0] & 0xe0;
        other[0] = (uint8_t)(type | 24); /* the count in a byte of its own */
        other[1] = count;
        memcpy(other + 2, out.ptr + 1, out.len - 1);
        assert_true(dw_is(read_exact(t, other, out.len + 1), DW_E_NONCANONICAL));

        other[0] = (uint8_t)(type | 31); /* indefinite, with a break at the end */
        memcpy(other + 1, out.ptr + 1, out.len - 1);
        other[out.len] = 0xff;
        assert_true(dw_is(read_exact(t, other, out.len + 1), DW_E_NONCANONICAL));

        if (out.ptr[1] < 24) { /* the first key or item in two bytes */
            other[0] = out.ptr[0];
            other[1] = 24;
            memcpy(other + 2, out.ptr + 1, out.len - 1);
            assert_true(dw_is(read_exact(t, other, out.len + 1), DW_E_NONCANONICAL));
        }

        other[0] = 0xd2; /* tagged */
        memcpy(other + 1, out.ptr, out.len);
        assert_true(dw_failed(read_exact(t, other, out.len + 1)));

        if (type != 0xa0)
            continue;
        /* The last pair moved to the front. */
        struct dw_rd r;
        dw_rd_init(&r, dw_view_of_buf(&out));
        dw_rd_map(&r, count);
        for (int i = 0; i < 2 * (count - 1); i++)
            dw_rd_skip(&r);
        size_t last = out.len - r.at;
        other[0] = out.ptr[0];
        memcpy(other + 1, out.ptr + r.at, last);
        memcpy(other + 1 + last, out.ptr + 1, r.at - 1);
        dw_err err = read_exact(t, other, out.len);
        assert_true(dw_is(err, DW_E_UNKNOWN_FIELD) || dw_is(err, DW_E_NONCANONICAL));
        assert_true(dw_is(dw_cbor_check(dw_view_of(other, out.len)), DW_E_NONCANONICAL));
    }
}

/* No message reads as another: their shapes all differ, even before contexts are looked at, but for
 * those pairs that differ in nothing else than the context. */
static void no_message_reads_as_another(void **state)
{
    struct rng g = rng_start();
    (void)state;
    for (size_t n = 0; n < SAMPLE_TYPES; n++) {
        struct dw_buf out = write_sample(&sample_types[n], &g);
        for (size_t k = 0; k < SAMPLE_TYPES; k++)
            if (k != n && !dw_failed(read_exact(&sample_types[k], out.ptr, out.len)))
                fail_msg("a %s reads as a %s", sample_types[n].name, sample_types[k].name);
    }
}

/* What the writers refuse; each row spoils one field of a good message. */
#define SPOILED(type, ...)                                                       \
    do {                                                                         \
        uint8_t bytes_[SAMPLE_BYTES_MAX];                                        \
        struct dw_buf out_ = dw_buf_of(bytes_, sizeof bytes_);                   \
        struct dw_##type m = good_##type(&g);                                    \
        assert_true(dw_is(dw_##type##_write(&m, &out_), DW_E_OK));               \
        out_.len = 0;                                                            \
        __VA_ARGS__;                                                             \
        if (!dw_is(dw_##type##_write(&m, &out_), DW_E_INVALID) || out_.len != 0) \
            fail_msg("%s: %s", #type, #__VA_ARGS__);                             \
    } while (0)

#define GOOD(type)                                        \
    static struct dw_##type good_##type(struct rng *g)    \
    {                                                     \
        struct dw_##type m;                               \
        for (size_t i = 0; i < SAMPLE_TYPES; i++)         \
            if (strcmp(sample_types[i].name, #type) == 0) \
                sample_types[i].fill(g, &m);              \
        return m;                                         \
    }
GOOD(camera_hello)
GOOD(frame_record)
GOOD(lock_status)
GOOD(lock_command)
GOOD(lock_answer)
GOOD(enrol)
GOOD(welcome)
GOOD(job)
GOOD(hello)
GOOD(offer)
GOOD(news)
GOOD(receipt)
GOOD(display)
GOOD(event_body)
GOOD(wish)
GOOD(wish_ack)

/* A good wish of one kind. */
static struct dw_wish wish_of(struct rng *g, enum dw_wish_kind kind)
{
    struct dw_wish m;
    do {
        m = good_wish(g);
    } while (m.kind != (uint8_t)kind);
    return m;
}

static void values_out_of_range_are_refused(void **state)
{
    struct rng g = rng_start();
    (void)state;
    SPOILED(camera_hello, m.fps = 0);
    SPOILED(camera_hello, m.width_px = 0);
    SPOILED(camera_hello, m.camera_class = DW_CAMERA_CLASS_COUNT);
    SPOILED(camera_hello, memset(m.software, 'a', sizeof m.software));
    SPOILED(camera_hello, memcpy(m.software, "a\n", 3));
    SPOILED(frame_record, m.seq = 0);
    SPOILED(frame_record, m.tamper = 4);
    SPOILED(frame_record, m.t_rx_us = m.t_exp_us + 1);
    SPOILED(frame_record, memcpy(m.software, "\xc3\xab", 3));
    SPOILED(lock_status, m.bolt = DW_BOLT_COUNT);
    SPOILED(lock_status, m.contact = DW_CONTACT_COUNT);
    SPOILED(lock_status, m.strike = DW_STRIKE_COUNT);
    SPOILED(lock_status, m.cause = DW_CAUSE_COUNT);
    SPOILED(lock_status, m.battery_pct = 101);
    SPOILED(lock_status, m.t_us = 1, m.closed_us = 2);
    SPOILED(lock_command, m.action = DW_LOCK_ACTION_NONE);
    SPOILED(lock_command, m.action = DW_LOCK_ACTION_RETRACT + 1);
    SPOILED(lock_command, m.action = DW_LOCK_ACTION_THROW, m.lease_ms = 1);
    SPOILED(lock_command, m.action = DW_LOCK_ACTION_THROW, m.dwell_ms = 1);
    SPOILED(lock_answer, m.result = DW_LOCK_RESULT_NONE);
    SPOILED(lock_answer, m.result = DW_LOCK_RESULT_COUNT);
    SPOILED(enrol, m.door_count = 0);
    SPOILED(enrol, m.door_count = 5);
    SPOILED(enrol, m.door[0][0] = 0);
    SPOILED(enrol, m.zone[0] = 0);
    SPOILED(enrol, memcpy(m.zone, "../../x", 8));
    SPOILED(welcome, memcpy(m.home, "\x1b[2J", 5));
    SPOILED(welcome, memcpy(m.home, "\xe2\x80\xae", 4));
    SPOILED(welcome, memset(m.home, 'a', sizeof m.home));
    SPOILED(job, m.kind = DW_VISIT_KIND_COUNT);
    SPOILED(job, m.kind = DW_VISIT_DROP, m.openings = 2);
    SPOILED(job, m.kind = DW_VISIT_STAY, m.openings = 0);
    SPOILED(job, m.window.to_min = 1441);
    SPOILED(job, m.window.from_min = 600, m.window.to_min = 600);
    SPOILED(job, m.window.day = -1);
    SPOILED(job, m.screening_to_day = -1);
    SPOILED(job, m.nbf_s = -1);
    SPOILED(job, m.exp_s = INT64_MAX);
    SPOILED(job, m.camera_class = DW_CAMERA_CLASS_COUNT);
    SPOILED(job, m.parcel_count = DW_JOB_PARCELS_MAX + 1);
    SPOILED(job, memcpy(m.notes, "\a", 2));
    SPOILED(job, memcpy(m.visitor_name, "a\nb", 4));
    SPOILED(job, memcpy(m.agency_name, "\xc3", 2));
    SPOILED(hello, m.barcode_len = DW_PARCEL_CODE_MAX + 1);
    SPOILED(offer, m.check = DW_CHECK_COUNT);
    SPOILED(offer, m.check = DW_CHECK_NONE, memset(m.hub_nonce, 0, 32));
    SPOILED(offer, m.check = DW_CHECK_LATE, m.hub_nonce[31] = 1);
    SPOILED(offer, m.passed |= 1);
    SPOILED(offer, m.passed |= UINT64_C(1) << DW_CHECK_COUNT);
    SPOILED(news, m.number = 0);
    SPOILED(news, m.state = DW_VISIT_STATE_COUNT);
    SPOILED(news, m.check = DW_CHECK_COUNT);
    SPOILED(news, m.alarms = UINT32_C(1) << DW_ALARM_COUNT);
    SPOILED(receipt, m.outcome = DW_OUTCOME_NONE);
    SPOILED(receipt, m.outcome = DW_OUTCOME_COUNT);
    SPOILED(receipt, m.check = DW_CHECK_COUNT);
    SPOILED(receipt, m.evidence = DW_LOCK_CLASS_COUNT);
    SPOILED(receipt, m.opened.lo_ms = 1, m.opened.hi_ms = INT64_MAX);
    SPOILED(display, m.is_secured = true, m.bolt = DW_BOLT_UNKNOWN);
    SPOILED(display, m.is_secured = true, m.contact = DW_CONTACT_OPEN);
    SPOILED(display, m.is_secured = true, m.strike = DW_STRIKE_UNKNOWN);
    SPOILED(display, m.visit_state = DW_VISIT_STATE_COUNT);
    SPOILED(event_body, m.detail_len = sizeof m.detail + 1);
    SPOILED(wish, m.number = 0);
    SPOILED(wish, m.kind = DW_WISH_NONE);
    SPOILED(wish, m.kind = DW_WISH_COUNT);
    SPOILED(wish, m.value = DW_NOTE_KIND_COUNT);
    SPOILED(wish, m.window.to_min = 1441);
    SPOILED(wish, m.window.day = -1);
    SPOILED(wish, m = wish_of(&g, DW_WISH_ACCEPT), memset(m.id, 0, sizeof m.id));
    SPOILED(wish, m = wish_of(&g, DW_WISH_DECLINE), m.value = DW_NOTE_KIND_PETS);
    SPOILED(wish, m = wish_of(&g, DW_WISH_DECLINE), m.text[0] = 'a');
    SPOILED(wish, m = wish_of(&g, DW_WISH_STOP_AGENCY), m.window.day = 1);
    SPOILED(wish, m = wish_of(&g, DW_WISH_PLACE), memset(m.text, 0, sizeof m.text));
    SPOILED(wish, m = wish_of(&g, DW_WISH_PLACE), memcpy(m.text, "roof", 5));
    SPOILED(wish, m = wish_of(&g, DW_WISH_MOVE), m.window.to_min = m.window.from_min);
    SPOILED(wish, m = wish_of(&g, DW_WISH_NOTE), m.value = DW_NOTE_KIND_NONE);
    SPOILED(wish, m = wish_of(&g, DW_WISH_NOTE), m.window.from_min = 1);
    SPOILED(wish, m = wish_of(&g, DW_WISH_NOTE), memcpy(m.text, "\a", 2));
    SPOILED(wish_ack, m.number = 0);
    SPOILED(wish_ack, m.status = DW_WISH_NO_COUNT);
}

/* A time that is not known has one form, whatever the struct held. */
static void unknown_times_have_one_form(void **state)
{
    struct rng g = rng_start();
    uint8_t a[512], b[512];
    struct dw_buf out_a = dw_buf_of(a, sizeof a), out_b = dw_buf_of(b, sizeof b);
    struct dw_news m = good_news(&g), back;
    (void)state;
    m.at = (struct dw_utc){0, 0};
    assert_true(dw_is(dw_news_write(&m, &out_a), DW_E_OK));
    m.at = (struct dw_utc){50, 20};
    assert_true(dw_is(dw_news_write(&m, &out_b), DW_E_OK));
    assert_int_equal(out_a.len, out_b.len);
    assert_memory_equal(a, b, out_a.len);
    assert_true(dw_is(dw_news_read(dw_view_of_buf(&out_b), &back), DW_E_OK));
    assert_false(dw_utc_is_known(back.at));
}

static void frame_parts(void **state)
{
    static uint8_t body[8192];
    uint8_t record[DW_FRAME_RECORD_MAX + 1] = {1}, viewers[(DW_VIEWERS_MAX + 1) * 32] = {2};
    const uint8_t picture[] = {0, 0, 1, 0x65, 0x88};
    (void)state;
    for (size_t count = 0; count <= DW_VIEWERS_MAX; count++) {
        struct dw_frame_parts in = {.record = {record, DW_FRAME_RECORD_MAX - count},
                                    .viewers = {viewers, count * 32}},
                              back;
        struct dw_buf out = dw_buf_of(body, sizeof body);
        assert_true(dw_is(dw_frame_parts_write(&in, &out), DW_E_OK));
        assert_true(dw_is(dw_buf_put(&out, picture, sizeof picture), DW_E_OK));
        assert_true(dw_is(dw_frame_parts_read(dw_view_of_buf(&out), &back), DW_E_OK));
        assert_int_equal(back.record.len, in.record.len);
        assert_memory_equal(back.record.ptr, record, in.record.len);
        assert_int_equal(back.viewers.len, in.viewers.len);
        assert_int_equal(back.access_unit.len, sizeof picture);
        assert_memory_equal(back.access_unit.ptr, picture, sizeof picture);
        for (size_t len = 0; len <= out.len - sizeof picture; len++) {
            uint8_t *copy = malloc(len ? len : 1);
            memcpy(copy, body, len);
            assert_true(dw_is(dw_frame_parts_read(dw_view_of(copy, len), &back), DW_E_TRUNCATED));
            free(copy);
        }
    }
    struct dw_frame_parts bad = {.record = {record, sizeof record}}, back;
    struct dw_buf out = dw_buf_of(body, sizeof body);
    assert_true(dw_is(dw_frame_parts_write(&bad, &out), DW_E_TOO_LARGE));
    bad = (struct dw_frame_parts){.record = {record, 1}, .viewers = {viewers, sizeof viewers}};
    assert_true(dw_is(dw_frame_parts_write(&bad, &out), DW_E_TOO_LARGE));
    bad.viewers.len = 33;
    assert_true(dw_is(dw_frame_parts_write(&bad, &out), DW_E_INVALID));
    bad = (struct dw_frame_parts){.record = {record, 0}};
    assert_true(dw_is(dw_frame_parts_write(&bad, &out), DW_E_INVALID));
    out.cap = 10;
    bad = (struct dw_frame_parts){.record = {record, 9}};
    assert_true(dw_is(dw_frame_parts_write(&bad, &out), DW_E_NO_SPACE));
    assert_int_equal(out.len, 0);
    memset(body, 0xff, sizeof body);
    assert_true(dw_is(dw_frame_parts_read(dw_view_of(body, sizeof body), &back), DW_E_TOO_LARGE));
    body[0] = 0, body[1] = 1, body[2] = DW_VIEWERS_MAX + 1;
    assert_true(dw_is(dw_frame_parts_read(dw_view_of(body, sizeof body), &back), DW_E_TOO_LARGE));
    body[0] = body[1] = 0;
    body[2] = 0;
    assert_true(dw_is(dw_frame_parts_read(dw_view_of(body, sizeof body), &back), DW_E_INVALID));
}

static void kinds_and_contexts(void **state)
{
    (void)state;
    assert_int_equal(dw_link_context(DW_LINK_KIND_NONE), DW_CONTEXT_NONE);
    assert_int_equal(dw_link_context(DW_LINK_KIND_COUNT), DW_CONTEXT_NONE);
    assert_int_equal(dw_link_context(255), DW_CONTEXT_NONE);
    _Static_assert(DW_CONTEXT_COUNT <= 64, "one word of contexts");
    uint64_t seen = 0;
    for (uint8_t kind = DW_LINK_KIND_NONE + 1; kind < DW_LINK_KIND_COUNT; kind++) {
        uint8_t context = dw_link_context(kind);
        assert_true(context > DW_CONTEXT_NONE && context < DW_CONTEXT_COUNT);
        assert_false(seen >> context & 1);
        seen |= UINT64_C(1) << context;
    }
}

/* 2 us a frame record is the budget; measured with room for sanitizers and a busy machine, so that
 * only a change of kind fails. */
static void a_frame_record_decodes_fast(void **state)
{
    struct rng g = rng_start();
    struct dw_frame_record m = good_frame_record(&g), back;
    uint8_t bytes[DW_FRAME_RECORD_MAX];
    struct dw_buf out = dw_buf_of(bytes, sizeof bytes);
    struct timespec from, to;
    (void)state;
    assert_true(dw_is(dw_frame_record_write(&m, &out), DW_E_OK));
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    for (int i = 0; i < 20000; i++)
        if (dw_failed(dw_frame_record_read(dw_view_of_buf(&out), &back)))
            fail();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    double ns =
        ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / 20000;
    printf("  %.0f ns a frame record of %zu bytes\n", ns, out.len);
    assert_true(ns < 40000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips),
        cmocka_unit_test(no_space),
        cmocka_unit_test(every_truncation_and_extension_is_refused),
        cmocka_unit_test(every_bit_flip_is_refused_or_means_something_else),
        cmocka_unit_test(unknown_and_missing_fields_are_refused),
        cmocka_unit_test(other_forms_are_refused),
        cmocka_unit_test(no_message_reads_as_another),
        cmocka_unit_test(values_out_of_range_are_refused),
        cmocka_unit_test(unknown_times_have_one_form),
        cmocka_unit_test(frame_parts),
        cmocka_unit_test(kinds_and_contexts),
        cmocka_unit_test(a_frame_record_decodes_fast),
    };
    return cmocka_run_group_tests_name("messages", tests, NULL, NULL);
}
