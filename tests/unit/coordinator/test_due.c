/*  tests/unit/coordinator/test_due.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "coordinator/shell/due.h"

static void
utc_times_of_the_history_are_read_to_the_millisecond (void **state)
{
    (void)state;
    assert_int_equal (bm_due_parse_time ("1970-01-01 00:00:00.000", false), 0);
    assert_int_equal (bm_due_parse_time ("2026-11-21 02:15:01.327", false), 1795227301327000);
    assert_int_equal (bm_due_parse_time ("2026-11-21 02:15:01", false), 1795227301000000);
}

static void
local_times_follow_the_zone_and_its_summer (void **state)
{
    (void)state;
    setenv ("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset ();
    assert_int_equal (bm_due_parse_time ("2026-11-21 03:15:01.327", true), 1795227301327000);
    assert_int_equal (bm_due_parse_time ("2026-07-01 02:00:00.000", true) -
                          bm_due_parse_time ("2026-07-01 00:00:00.000", false),
                      0);
    unsetenv ("TZ");
    tzset ();
}

static void
what_is_no_time_is_refused (void **state)
{
    (void)state;
    assert_int_equal (bm_due_parse_time (NULL, false), -1);
    assert_int_equal (bm_due_parse_time ("", false), -1);
    assert_int_equal (bm_due_parse_time ("yesterday", false), -1);
    assert_int_equal (bm_due_parse_time ("2026-11-21", false), -1);
}

/*  Sets newest first: 'F' a failed full, 'f' a complete one, 'l' a log set; the newest began at time 0. True when it counts as
 *  under repair `minutes` later. */
static bool
s_paused (const char *history, int minutes)
{
    bm_schedule_set_t sets[16];
    size_t count = strlen (history);
    for (size_t i = 0; i < count; i++)
        sets[i] = (bm_schedule_set_t){.set_id = (int64_t)(count - i),
                                      .type = history[i] == 'l' ? BM_SET_LOG : BM_SET_FULL,
                                      .complete = history[i] != 'F'};
    bm_due_pause_after_failures (sets, count, minutes * INT64_C (60000000));
    bool paused = false;
    for (size_t i = 0; i < count; i++)
        paused |= sets[i].under_repair;
    return paused;
}

static void
a_full_that_failed_is_not_taken_again_before_a_pause_that_doubles_with_each_failure (void **state)
{
    (void)state;
    assert_true (s_paused ("F", 14));
    assert_false (s_paused ("F", 15));
    assert_true (s_paused ("lFlFf", 29));
    assert_false (s_paused ("lFlFf", 30));
    assert_true (s_paused ("FFFFFFFFFFFF", 479));
    assert_false (s_paused ("FFFFFFFFFFFF", 480));
}

static void
a_complete_full_knows_no_pause_and_neither_does_a_clock_that_was_set_back (void **state)
{
    (void)state;
    assert_false (s_paused ("f", 1));
    assert_false (s_paused ("lfF", 1));
    assert_false (s_paused ("", 1));
    assert_false (s_paused ("F", -1));
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (utc_times_of_the_history_are_read_to_the_millisecond),
        cmocka_unit_test (local_times_follow_the_zone_and_its_summer),
        cmocka_unit_test (what_is_no_time_is_refused),
        cmocka_unit_test (
            a_full_that_failed_is_not_taken_again_before_a_pause_that_doubles_with_each_failure),
        cmocka_unit_test (
            a_complete_full_knows_no_pause_and_neither_does_a_clock_that_was_set_back),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
