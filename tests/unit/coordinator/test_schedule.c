/*  tests/unit/coordinator/test_schedule.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <cmocka.h>
#include "coordinator/core/schedule.h"

/*  UTC, by the C library: an independent judge of our own calendar. */
static int64_t
s_at (int year, int month, int day, int hour, int minute)
{
    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = month - 1,
                    .tm_mday = day,
                    .tm_hour = hour,
                    .tm_min = minute};
    return (int64_t)timegm (&tm) * 1000000;
}

static bm_schedule_set_t
s_full (int64_t id, int64_t at_us)
{
    return (bm_schedule_set_t){
        .set_id = id, .type = BM_SET_FULL, .complete = true, .at_utc_us = at_us};
}

static bm_due_t
s_due (const bm_schedule_config_t *config, const bm_schedule_set_t *sets, size_t n, int64_t now_us)
{
    bm_schedule_history_t history = {.sets = sets, .count = n};
    return bm_schedule_due (config, &history, now_us, 0);
}

static void
the_letters_of_the_job_are_understood (void **state)
{
    (void)state;
    const char *letters[] = {"h", "d", "w", "m", "y", "H", "D", "W", "M", "Y"};
    const char *names[] = {"hour", "day", "week", "month", "year"};
    for (int at = 0; at < 10; at++) {
        bm_frequency_t frequency = BM_EVERY_YEAR;
        assert_true (bm_frequency_parse (letters[at], &frequency));
        assert_int_equal (frequency, at % 5);
        assert_string_equal (bm_frequency_name (frequency), names[at % 5]);
    }
    bm_frequency_t frequency = BM_EVERY_DAY;
    assert_false (bm_frequency_parse ("x", &frequency));
    assert_false (bm_frequency_parse ("", &frequency));
    assert_false (bm_frequency_parse ("dd", &frequency));
    assert_false (bm_frequency_parse (NULL, &frequency));
}

static void
periods_agree_with_the_calendar_for_300_years (void **state)
{
    (void)state;
    int64_t month_before = 0;
    int64_t year_before = 0;
    struct tm before = {0};
    for (int64_t day = -60000; day < 60000; day++) {
        time_t seconds = (time_t)(day * 86400 + 43200);
        struct tm tm;
        gmtime_r (&seconds, &tm);
        int64_t us = (int64_t)seconds * 1000000;
        int64_t month = bm_schedule_period (BM_EVERY_MONTH, us, 0);
        int64_t year = bm_schedule_period (BM_EVERY_YEAR, us, 0);
        assert_int_equal (year, tm.tm_year + 1900);
        if (day > -60000) {
            assert_int_equal (month - month_before, tm.tm_mon != before.tm_mon);
            assert_int_equal (year - year_before, tm.tm_year != before.tm_year);
            int64_t week = bm_schedule_period (BM_EVERY_WEEK, us, 0) -
                           bm_schedule_period (BM_EVERY_WEEK, us - 86400000000, 0);
            assert_int_equal (week, tm.tm_wday == 1);
        }
        month_before = month;
        year_before = year;
        before = tm;
    }
}

static void
the_first_full_is_due_at_any_hour (void **state)
{
    (void)state;
    bm_schedule_config_t config = {.every = BM_EVERY_DAY, .backup_hour = 23};
    assert_int_equal (s_due (&config, NULL, 0, s_at (2026, 3, 1, 0, 5)), BM_DUE_FIRST);
    /*  an incomplete one does not count */
    bm_schedule_set_t set = s_full (1, s_at (2026, 3, 1, 0, 1));
    set.complete = false;
    assert_int_equal (s_due (&config, &set, 1, s_at (2026, 3, 1, 0, 5)), BM_DUE_FIRST);
    /*  one under repair does */
    set.under_repair = true;
    assert_int_equal (s_due (&config, &set, 1, s_at (2026, 3, 1, 0, 5)), BM_DUE_NO);
    /*  a log set is no full */
    bm_schedule_set_t log = s_full (1, s_at (2026, 3, 1, 0, 1));
    log.type = BM_SET_LOG;
    assert_int_equal (s_due (&config, &log, 1, s_at (2026, 3, 1, 0, 5)), BM_DUE_FIRST);
}

static void
a_period_has_one_full (void **state)
{
    (void)state;
    const int64_t full = s_at (2026, 1, 31, 22, 10);
    const struct {
        bm_frequency_t every;
        int64_t same;
        int64_t next;
    } cases[] = {
        {BM_EVERY_HOUR, s_at (2026, 1, 31, 22, 59), s_at (2026, 1, 31, 23, 0)},
        {BM_EVERY_DAY, s_at (2026, 1, 31, 23, 59), s_at (2026, 2, 1, 0, 0)},
        /*  a Saturday: the week goes on over the end of the month until Monday */
        {BM_EVERY_WEEK, s_at (2026, 2, 1, 23, 59), s_at (2026, 2, 2, 0, 0)},
        {BM_EVERY_MONTH, s_at (2026, 1, 31, 23, 59), s_at (2026, 2, 1, 0, 0)},
        {BM_EVERY_YEAR, s_at (2026, 12, 31, 23, 59), s_at (2027, 1, 1, 0, 0)},
    };
    bm_schedule_set_t set = s_full (1, full);
    for (size_t at = 0; at < 5; at++) {
        bm_schedule_config_t config = {.every = cases[at].every, .backup_hour = -1};
        assert_int_equal (s_due (&config, &set, 1, cases[at].same), BM_DUE_NO);
        assert_int_equal (s_due (&config, &set, 1, cases[at].next), BM_DUE_PERIOD);
    }
}

static void
the_backup_hour_means_from_that_hour_on (void **state)
{
    (void)state;
    bm_schedule_config_t config = {.every = BM_EVERY_DAY, .backup_hour = 2};
    bm_schedule_set_t set = s_full (1, s_at (2026, 5, 4, 2, 15));
    assert_int_equal (s_due (&config, &set, 1, s_at (2026, 5, 5, 1, 59)), BM_DUE_NOT_YET);
    assert_int_equal (s_due (&config, &set, 1, s_at (2026, 5, 5, 2, 0)), BM_DUE_PERIOD);
    /*  the machine was off at 2: the day is not lost */
    assert_int_equal (s_due (&config, &set, 1, s_at (2026, 5, 5, 17, 30)), BM_DUE_PERIOD);
    config.every = BM_EVERY_HOUR;
    assert_int_equal (s_due (&config, &set, 1, s_at (2026, 5, 5, 1, 0)), BM_DUE_PERIOD);
}

static void
local_time_decides_period_and_hour_also_over_a_change_of_the_clock (void **state)
{
    (void)state;
    bm_schedule_config_t config = {.every = BM_EVERY_DAY, .backup_hour = 2};
    /*  Taken at 00:30 UTC = 01:30 local on the 29th, before the clock went forward. */
    bm_schedule_set_t set = s_full (1, s_at (2026, 3, 29, 0, 30));
    set.utc_offset_minutes = 60;
    bm_schedule_history_t history = {.sets = &set, .count = 1};
    assert_int_equal (bm_schedule_due (&config, &history, s_at (2026, 3, 29, 10, 0), 120),
                      BM_DUE_NO);
    /*  23:30 UTC is 01:30 of the next day there */
    assert_int_equal (bm_schedule_due (&config, &history, s_at (2026, 3, 29, 23, 30), 120),
                      BM_DUE_NOT_YET);
    assert_int_equal (bm_schedule_due (&config, &history, s_at (2026, 3, 30, 0, 1), 120),
                      BM_DUE_PERIOD);
    /*  west of Greenwich: 03:00 UTC is 22:00 of the day before */
    assert_int_equal (bm_schedule_due (&config, &history, s_at (2026, 3, 30, 3, 0), -300),
                      BM_DUE_NO);
}

static void
a_full_stamped_in_the_future_does_not_block_or_repeat_fulls (void **state)
{
    (void)state;
    bm_schedule_config_t config = {.every = BM_EVERY_DAY, .backup_hour = -1};
    bm_schedule_set_t sets[] = {s_full (1, s_at (2099, 1, 1, 0, 0)),
                                s_full (2, s_at (2026, 1, 1, 8, 0))};
    assert_int_equal (s_due (&config, sets, 1, s_at (2026, 1, 1, 9, 0)), BM_DUE_PERIOD);
    assert_int_equal (s_due (&config, sets, 2, s_at (2026, 1, 1, 9, 0)), BM_DUE_NO);
}

static void
a_forced_full_comes_first (void **state)
{
    (void)state;
    bm_schedule_config_t config = {.every = BM_EVERY_YEAR, .backup_hour = 23};
    bm_schedule_set_t set = s_full (1, s_at (2026, 1, 1, 8, 0));
    bm_schedule_history_t history = {.sets = &set, .count = 1, .force_full = true};
    assert_int_equal (bm_schedule_due (&config, &history, s_at (2026, 1, 1, 9, 0), 0),
                      BM_DUE_FORCED);
}

static void
a_restored_group_and_a_new_database_need_a_full (void **state)
{
    (void)state;
    bm_schedule_config_t config = {.every = BM_EVERY_YEAR, .backup_hour = -1};
    bm_schedule_set_t set = s_full (1, s_at (2026, 1, 1, 8, 0));
    bm_schedule_history_t history = {.sets = &set, .count = 1, .fork_changed = true};
    assert_int_equal (bm_schedule_due (&config, &history, s_at (2026, 1, 1, 9, 0), 0), BM_DUE_FORK);
    history.fork_changed = false;
    history.databases_without_full = 1;
    assert_int_equal (bm_schedule_due (&config, &history, s_at (2026, 1, 1, 9, 0), 0),
                      BM_DUE_NEW_DATABASE);
}

static void
an_incomplete_set_makes_a_full_due_only_where_asked (void **state)
{
    (void)state;
    bm_schedule_set_t sets[] = {s_full (5, s_at (2026, 1, 1, 8, 0)),
                                s_full (6, s_at (2026, 1, 1, 8, 15)),
                                s_full (4, s_at (2026, 1, 1, 7, 0))};
    sets[1].type = BM_SET_LOG;
    sets[1].complete = false;
    sets[2].complete = false;
    bm_schedule_config_t config = {.every = BM_EVERY_DAY, .backup_hour = -1};
    int64_t now = s_at (2026, 1, 1, 9, 0);
    assert_int_equal (s_due (&config, sets, 3, now), BM_DUE_NO);
    config.full_after_partial = true;
    assert_int_equal (s_due (&config, sets, 3, now), BM_DUE_AFTER_PARTIAL);
    config.full_after_partial = false;
    config.legacy_log_shipping = true;
    assert_int_equal (s_due (&config, sets, 3, now), BM_DUE_AFTER_PARTIAL);
    /*  a complete full after it ends it */
    sets[0].set_id = 7;
    assert_int_equal (s_due (&config, sets, 3, now), BM_DUE_NO);
}

static void
every_answer_has_its_sentence (void **state)
{
    (void)state;
    for (int due = 0; due < BM_DUE_COUNT; due++) {
        assert_non_null (bm_due_reason ((bm_due_t)due));
        assert_int_equal (bm_due_is ((bm_due_t)due), due != BM_DUE_NO && due != BM_DUE_NOT_YET);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (the_letters_of_the_job_are_understood),
        cmocka_unit_test (periods_agree_with_the_calendar_for_300_years),
        cmocka_unit_test (the_first_full_is_due_at_any_hour),
        cmocka_unit_test (a_period_has_one_full),
        cmocka_unit_test (the_backup_hour_means_from_that_hour_on),
        cmocka_unit_test (local_time_decides_period_and_hour_also_over_a_change_of_the_clock),
        cmocka_unit_test (a_full_stamped_in_the_future_does_not_block_or_repeat_fulls),
        cmocka_unit_test (a_forced_full_comes_first),
        cmocka_unit_test (a_restored_group_and_a_new_database_need_a_full),
        cmocka_unit_test (an_incomplete_set_makes_a_full_due_only_where_asked),
        cmocka_unit_test (every_answer_has_its_sentence),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
