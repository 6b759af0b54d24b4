/* What the service decides by itself: order of the refusals, distances, civil time. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "service/civil.h"
#include "service/embedded.h"
#include "service/people/people.h"
#include "service/tidy.h"
#include "service/visits/checks.h"

static struct dw_asked good(void)
{
    return (struct dw_asked){.is_job_known = true,
                             .is_job_open = true,
                             .is_assigned = true,
                             .is_screened = true,
                             .is_parcel_here = true,
                             .is_permitted = true,
                             .is_link_up = true,
                             .now_s = 1500,
                             .nbf_s = 1000,
                             .exp_s = 2000,
                             .location_m_max = 200};
}

static void zeroed_facts_refuse(void **state)
{
    (void)state;
    struct dw_asked stop = {.is_job_known = false};
    uint64_t passed;
    assert_int_equal(dw_asked_check(&stop, &passed), DW_CHECK_JOB);
}

static void each_fact_refuses_with_its_own_code(void **state)
{
    (void)state;
    struct dw_asked s[14];
    for (size_t i = 0; i < DW_ARRAY_COUNT(s); i++)
        s[i] = good();
    s[0].is_job_known = false;
    s[1].is_job_open = false;
    s[2].is_parcel_elsewhere = true, s[2].is_parcel_here = false;
    s[3].is_door_wrong = true;
    s[4].is_assigned = false;
    s[5].is_screened = false;
    s[6].is_parcel_here = false;
    s[7].is_parcel_used = true;
    s[8].is_permitted = false;
    s[9].now_s = 999;
    s[10].now_s = 2000;
    s[11].home = (struct dw_place){true, 52.0, 4.0, 0};
    s[11].phone = (struct dw_place){true, 52.01, 4.0, 50};
    s[12].is_link_up = false;
    static const enum dw_check want[] = {DW_CHECK_JOB,
                                         DW_CHECK_JOB,
                                         DW_CHECK_HOME,
                                         DW_CHECK_DOOR,
                                         DW_CHECK_ASSIGNED,
                                         DW_CHECK_SCREENING,
                                         DW_CHECK_PARCEL,
                                         DW_CHECK_PARCEL_USED,
                                         DW_CHECK_PERMISSION,
                                         DW_CHECK_EARLY,
                                         DW_CHECK_LATE,
                                         DW_CHECK_LOCATION,
                                         DW_CHECK_HUB_UNREACHABLE,
                                         DW_CHECK_NONE};
    for (size_t i = 0; i < DW_ARRAY_COUNT(s); i++) {
        uint64_t passed;
        assert_int_equal(dw_asked_check(&s[i], &passed), want[i]);
        assert_int_equal(passed >> DW_CHECK_HUB_UNREACHABLE & 1,
                         0); /* only the hub's answer says so */
    }
}

/* With everything wrong the first of the list is named; put right one by one, each in its turn. */
static void refusals_come_in_the_order_of_the_list(void **state)
{
    (void)state;
    struct dw_asked s = {.is_job_known = true,
                         .is_parcel_elsewhere = true,
                         .is_door_wrong = true,
                         .is_parcel_used = true,
                         .nbf_s = 1000,
                         .exp_s = 0,
                         .home = {true, 10, 10, 0},
                         .phone = {true, 11, 10, 0},
                         .location_m_max = 200};
    uint64_t passed;
    assert_int_equal(dw_asked_check(&s, &passed), DW_CHECK_HOME);
    assert_int_equal(passed, 0);
    s.is_parcel_elsewhere = false;
    assert_int_equal(dw_asked_check(&s, &passed), DW_CHECK_DOOR);
    s.is_door_wrong = false;
    assert_int_equal(dw_asked_check(&s, &passed), DW_CHECK_JOB);
    s.is_job_open = true;
    assert_int_equal(dw_asked_check(&s, &passed), DW_CHECK_ASSIGNED);
    s.is_assigned = true;
    assert_int_equal(dw_asked_check(&s, &passed), DW_CHECK_SCREENING);
    s.is_screened = true;
    assert_int_equal(dw_asked_check(&s, &passed), DW_CHECK_PARCEL);
    s.is_parcel_here = true;
    assert_int_equal(dw_asked_check(&s, &passed), DW_CHECK_PARCEL_USED);
    s.is_parcel_used = false;
    assert_int_equal(dw_asked_check(&s, &passed), DW_CHECK_PERMISSION);
    s.is_permitted = true;
    assert_int_equal(dw_asked_check(&s, &passed), DW_CHECK_EARLY);
    s.now_s = 1000;
    assert_int_equal(dw_asked_check(&s, &passed), DW_CHECK_LATE);
    s.exp_s = 1001;
    assert_int_equal(dw_asked_check(&s, &passed), DW_CHECK_LOCATION);
    s.phone.lat = 10;
    assert_int_equal(dw_asked_check(&s, &passed), DW_CHECK_HUB_UNREACHABLE);
    s.is_link_up = true;
    assert_int_equal(dw_asked_check(&s, &passed), DW_CHECK_NONE);
}

static void location_may_refuse_and_never_permit(void **state)
{
    (void)state;
    uint64_t passed;
    struct dw_asked s = good();
    s.phone = (struct dw_place){true, 1, 1, 0}; /* the home's place is not known */
    assert_int_equal(dw_asked_check(&s, &passed), DW_CHECK_NONE);
    assert_int_equal(passed >> DW_CHECK_LOCATION & 1, 0);
    s.home = (struct dw_place){true, 1.001, 1, 0}; /* 111 m */
    assert_int_equal(dw_asked_check(&s, &passed), DW_CHECK_NONE);
    assert_int_equal(passed >> DW_CHECK_LOCATION & 1, 1);
    s.is_assigned = false; /* at the door, and still refused */
    assert_int_equal(dw_asked_check(&s, &passed), DW_CHECK_ASSIGNED);
}

static void distances(void **state)
{
    (void)state;
    struct dw_place a = {true, 52.3731, 4.8926, 0}, b = {true, 51.9225, 4.4792, 0};
    assert_true(dw_place_metres(&a, &b) > 57000 && dw_place_metres(&a, &b) < 58500);
    struct dw_place west = {true, 0, 179.9995, 0}, east = {true, 0, -179.9995, 0};
    assert_true(dw_place_metres(&west, &east) < 120);
}

static int32_t day(const char *text)
{
    int32_t d;
    assert_true(dw_civil_day_read(text, &d));
    return d;
}

static void civil_time_follows_the_zone(void **state)
{
    (void)state;
    static const struct {
        const char *zone, *day;
        uint32_t minute;
        enum dw_civil_result want;
        int64_t utc_s;
    } rows[] = {
        {"Europe/Amsterdam", "2026-07-01", 600, DW_CIVIL_OK, 1782892800},  /* 08:00Z */
        {"Europe/Amsterdam", "2026-12-01", 600, DW_CIVIL_OK, 1796115600},  /* 09:00Z */
        {"Europe/Amsterdam", "2026-10-25", 150, DW_CIVIL_AMBIGUOUS, 0},    /* 02:30 twice */
        {"Europe/Amsterdam", "2026-10-25", 119, DW_CIVIL_OK, 1792886340},  /* 01:59 +02 */
        {"Europe/Amsterdam", "2026-10-25", 120, DW_CIVIL_AMBIGUOUS, 0},    /* 02:00 */
        {"Europe/Amsterdam", "2026-10-25", 179, DW_CIVIL_AMBIGUOUS, 0},    /* 02:59 */
        {"Europe/Amsterdam", "2026-10-25", 180, DW_CIVIL_OK, 1792893600},  /* 03:00 +01 */
        {"Europe/Amsterdam", "2026-03-29", 150, DW_CIVIL_MISSING, 0},      /* 02:30 skipped */
        {"Europe/Amsterdam", "2026-03-29", 119, DW_CIVIL_OK, 1774745940},  /* 01:59 +01 */
        {"Europe/Amsterdam", "2026-03-29", 120, DW_CIVIL_MISSING, 0},      /* 02:00 */
        {"Europe/Amsterdam", "2026-03-29", 180, DW_CIVIL_OK, 1774746000},  /* 03:00 +02 */
        {"Europe/Amsterdam", "2026-03-29", 1440, DW_CIVIL_OK, 1774821600}, /* midnight after */
        {"America/New_York", "2026-11-01", 90, DW_CIVIL_AMBIGUOUS, 0},     /* 01:30 twice */
        {"Australia/Lord_Howe", "2026-04-05", 105, DW_CIVIL_AMBIGUOUS, 0}, /* half an hour back */
        {"Australia/Lord_Howe", "2026-04-05", 89, DW_CIVIL_OK, 1775312940},
        {"Pacific/Apia", "2011-12-30", 600, DW_CIVIL_MISSING, 0}, /* a day that never was */
        {"Mars/Olympus", "2026-07-01", 600, DW_CIVIL_UNKNOWN_ZONE, 0},
        {"../../etc/passwd", "2026-07-01", 600, DW_CIVIL_UNKNOWN_ZONE, 0},
        {"Europe", "2026-07-01", 600, DW_CIVIL_UNKNOWN_ZONE, 0},
        {"", "2026-07-01", 600, DW_CIVIL_UNKNOWN_ZONE, 0},
    };
    for (size_t i = 0; i < DW_ARRAY_COUNT(rows); i++) {
        int64_t utc_s = 0;
        enum dw_civil_result got =
            dw_civil_to_utc(rows[i].zone, day(rows[i].day), rows[i].minute, &utc_s);
        if (got != rows[i].want || utc_s != rows[i].utc_s)
            print_error("row %zu: %s %s %u\n", i, rows[i].zone, rows[i].day, rows[i].minute);
        assert_int_equal(got, rows[i].want);
        assert_int_equal(utc_s, rows[i].utc_s);
    }
}

/* Every half hour of two years, there and back, in zones with odd rules. */
static void civil_time_goes_there_and_back(void **state)
{
    (void)state;
    static const char *const zones[] = {"Europe/Amsterdam", "Australia/Lord_Howe", "Asia/Kathmandu",
                                        "America/St_Johns", "Africa/Casablanca"};
    for (size_t z = 0; z < DW_ARRAY_COUNT(zones); z++) {
        size_t ambiguous = 0;
        for (int64_t t = 1767225600; t < 1767225600 + 2 * 365 * 86400; t += 1800) {
            int32_t d;
            uint32_t minute;
            int64_t back = 0;
            assert_true(dw_civil_at(zones[z], t, &d, &minute));
            enum dw_civil_result r = dw_civil_to_utc(zones[z], d, minute, &back);
            if (r == DW_CIVIL_AMBIGUOUS)
                ambiguous++;
            else
                assert_true(r == DW_CIVIL_OK && back == t);
        }
        assert_true(ambiguous <= 8); /* two half hours, twice each, in two years */
    }
}

static void civil_text_is_strict(void **state)
{
    (void)state;
    static const char *const bad_days[] = {"2026-02-29", "2026-13-01", "2026-1-01", "2026-01-01 ",
                                           "1969-12-31", "2026-00-10", "20260101",  "",
                                           "2026-04-31", "2026-01-0a"};
    static const char *const bad_minutes[] = {"24:01", "7:00",   "12:60", "12.00",
                                              "",      "12:000", "-1:00"};
    int32_t d;
    uint32_t m;
    char text[DW_CIVIL_TEXT];
    for (size_t i = 0; i < DW_ARRAY_COUNT(bad_days); i++)
        assert_false(dw_civil_day_read(bad_days[i], &d));
    for (size_t i = 0; i < DW_ARRAY_COUNT(bad_minutes); i++)
        assert_false(dw_civil_minute_read(bad_minutes[i], &m));
    assert_true(dw_civil_day_read("2028-02-29", &d));
    dw_civil_day_write(d, text);
    assert_string_equal(text, "2028-02-29");
    assert_true(dw_civil_minute_read("24:00", &m) && m == 1440);
    dw_civil_minute_write(m, text);
    assert_string_equal(text, "24:00");
    char utc[DW_UTC_TEXT];
    dw_utc_write(1782892800007, utc);
    assert_string_equal(utc, "2026-07-01T08:00:00.007Z");
}

static void origins(void **state)
{
    (void)state;
    char host[32];
    assert_true(dw_origin_read("https://doors.example", host, sizeof(host)));
    assert_string_equal(host, "doors.example");
    assert_true(dw_origin_read("http://service.localhost:8400", host, sizeof(host)));
    assert_string_equal(host, "service.localhost");
    assert_true(dw_origin_read("http://localhost", host, sizeof(host)));
    static const char *const bad[] = {"",
                                      "http://",
                                      "http://doors.example",
                                      "http://evillocalhost",
                                      "https://doors.example/",
                                      "https://doors.example:",
                                      "https://doors.example:123456",
                                      "https://Doors.example",
                                      "https://user@doors.example",
                                      "https://[::1]",
                                      "https://a-name-that-is-much-too-long-for-32.example"};
    for (size_t i = 0; i < DW_ARRAY_COUNT(bad); i++)
        assert_false(dw_origin_read(bad[i], host, sizeof(host)));
}

static int64_t count_of(struct dw_db *db, const char *sql)
{
    sqlite3_stmt *q = dw_db_ask(db, sql, "");
    assert_true(dw_db_next(db, q));
    int64_t count = sqlite3_column_int64(q, 0);
    assert_false(dw_db_next(db, q));
    return count;
}

static void what_is_over_is_forgotten(void **state)
{
    (void)state;
    static struct dw_db db;
    const struct dw_service_settings set = {
        .session_max_s = 86400, .session_idle_s = 43200, .story_days = 365};
    const int64_t now = INT64_C(1800000000000), day = 86400000;
    static const uint8_t id[3][16] = {{1}, {2}, {3}}, hash[3][32] = {{1}, {2}, {3}};
    assert_int_equal(sqlite3_open(":memory:", &db.handle), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db.handle, dw_embedded_schema, NULL, NULL, NULL), SQLITE_OK);
    for (size_t i = 0; i < 3; i++) {
        int64_t age = (int64_t)i * day; /* 0, 1, 2 days; stories: 0, 365, 730 */
        assert_true(dw_db_do(&db,
                             "INSERT INTO visits (id, job, agency, visitor, door, barcode,"
                             " courier_nonce, passed, state, check_failed, outcome, story, asked)"
                             " VALUES (?1, ?2, ?2, ?2, 0, 'x', ?3, 0, 0, 0, 2, 1, ?4)",
                             "ikhi", (int64_t)i + 1, id[i], hash[i], now - age * 365));
        assert_true(dw_db_do(&db, "INSERT INTO story VALUES (?, 1, 0, 0, 0, 0, 0, 0, 0)", "i",
                             (int64_t)i + 1));
        assert_true(dw_db_do(&db,
                             "INSERT INTO sessions (id, hash, role, subject, created, used,"
                             " rotated, is_seen) VALUES (?1, ?2, 4, ?1, ?3, ?3, ?3, 1)",
                             "khi", id[i], hash[i], now - age));
        assert_true(dw_db_do(&db,
                             "INSERT INTO invitations (id, hash, role, subject, until)"
                             " VALUES (?1, ?2, 4, ?1, ?3)",
                             "khi", id[i], hash[i], now + day - age - 1));
        assert_true(
            dw_db_do(&db, "INSERT INTO challenges VALUES (?, ?)", "hi", hash[i], now + 1000 - age));
        assert_true(dw_db_do(&db, "INSERT INTO house_notes VALUES (?1, ?1, ?2, 'x', ?3)", "kii",
                             id[0], (int64_t)i + 1, (now - age) / day));
        assert_true(dw_db_do(&db,
                             "INSERT INTO answers VALUES (?1, 'k', ?2, 200, '{}', 0, NULL, ?3)",
                             "khi", id[i], hash[i], now - age));
    }
    assert_true(dw_tidy(&db, &set, now));
    assert_int_equal(count_of(&db, "SELECT count(*) FROM story"), 2); /* 365 days is not over it */
    assert_int_equal(count_of(&db, "SELECT count(*) FROM visits"), 3);
    assert_int_equal(count_of(&db, "SELECT sum(story) FROM visits"), 2);
    assert_int_equal(count_of(&db, "SELECT count(*) FROM sessions"), 1);
    assert_int_equal(count_of(&db, "SELECT count(*) FROM invitations"), 1);
    assert_int_equal(count_of(&db, "SELECT count(*) FROM challenges"), 1);
    assert_int_equal(count_of(&db, "SELECT count(*) FROM house_notes"), 2);
    assert_int_equal(count_of(&db, "SELECT count(*) FROM answers"), 2);
    for (size_t i = 0; i < db.count; i++)
        assert_int_equal(sqlite3_finalize(db.cached[i].stmt), SQLITE_OK);
    assert_int_equal(sqlite3_close(db.handle), SQLITE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeroed_facts_refuse),
        cmocka_unit_test(each_fact_refuses_with_its_own_code),
        cmocka_unit_test(refusals_come_in_the_order_of_the_list),
        cmocka_unit_test(location_may_refuse_and_never_permit),
        cmocka_unit_test(distances),
        cmocka_unit_test(civil_time_follows_the_zone),
        cmocka_unit_test(civil_time_goes_there_and_back),
        cmocka_unit_test(civil_text_is_strict),
        cmocka_unit_test(origins),
        cmocka_unit_test(what_is_over_is_forgotten),
    };
    dw_civil_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
