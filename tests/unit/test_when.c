/*
 * Points in time and durations as they are written; test_filter.c has more of both.
 */
#include "scratch.h"

#include "pcopy/when.h"

static void durations_are_seconds(void **state)
{
    (void)state;
    const struct {
        const char *text;
        char unit;
        time_t seconds; /* -1: it is none */
    } table[] = {
        {"0s", 0, 0},
        {"90s", 0, 90},
        {"15m", 's', 900},
        {"12h", 0, 43200},
        {"3d", 0, 259200},
        {"2w", 0, 1209600},
        {"90", 'm', 5400},
        {"90", 's', 90},
        {"90s", 'm', 90},
        {"90", 0, -1},
        {"", 'm', -1},
        {"m", 'm', -1},
        {"-1", 'm', -1},
        {"1.5", 'm', -1},
        {"1 ", 'm', -1},
        {"1mm", 'm', -1},
        {"1y", 'm', -1},
        {"1h30", 'm', -1},
        {"99999999999999999999", 'm', -1},
        {"9223372036854775807", 'm', -1},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        time_t seconds = -1;
        const bool good = pc_when_duration(table[i].text, table[i].unit, &seconds);
        if (good != (table[i].seconds >= 0) || seconds != table[i].seconds)
            fail_msg("'%s': %d, %ld", table[i].text, good, (long)seconds);
    }
}

static void set_zone(const char *zone)
{
    MUST(setenv("TZ", zone, 1) == 0);
    tzset();
}

static time_t next(const char *text, const char *now)
{
    time_t from = 0;
    time_t found = -1;
    assert_true(pc_when_date(now, &from));
    const bool good = pc_when_next(text, from, &found);
    assert_int_equal(good, found != -1);
    return found;
}

static time_t date(const char *text)
{
    time_t found = -1;
    assert_true(pc_when_date(text, &found));
    return found;
}

static void a_time_of_day_is_the_next_one(void **state)
{
    (void)state;
    set_zone("UTC0");
    const char *const now = "2026-12-31 10:00:00";
    assert_int_equal(next("23:59", now), date("2026-12-31 23:59"));
    assert_int_equal(next("10:00:01", now), date("2026-12-31 10:00:01"));
    assert_int_equal(next("10:00", now), date("2027-01-01 10:00")); /* it is that already */
    assert_int_equal(next("09:59", now), date("2027-01-01 09:59"));
    assert_int_equal(next("9:59", now), date("2027-01-01 09:59"));
    assert_int_equal(next("00:00", now), date("2027-01-01"));
    const char *const bad[] = {"",      "24:00",  "12:60",  "12",    ":59",   "1:5",
                               "12:0x", " 12:00", "12:00 ", "-1:00", "+1:00", "12:00:60"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (next(bad[i], now) != -1)
            fail_msg("'%s' is taken for a time of day", bad[i]);
    }
}

/* Clocks go from two to three on 29 March and from three to two on 25 October. */
static void a_day_may_have_23_or_25_hours(void **state)
{
    (void)state;
    set_zone("CET-1CEST,M3.5.0,M10.5.0/3");
    assert_int_equal(next("12:00", "2026-03-28 12:00:00"), date("2026-03-28 12:00") + 23 * 3600);
    assert_int_equal(next("12:00", "2026-10-24 12:00:00"), date("2026-10-24 12:00") + 25 * 3600);
    /* A time that this day does not have comes an hour off. */
    const time_t gap = next("02:30", "2026-03-29 01:00:00");
    assert_in_range(gap, date("2026-03-29 01:00") + 1, date("2026-03-29 04:00"));
    set_zone("UTC0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_seconds),
        cmocka_unit_test(a_time_of_day_is_the_next_one),
        cmocka_unit_test(a_day_may_have_23_or_25_hours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
