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

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (utc_times_of_the_history_are_read_to_the_millisecond),
        cmocka_unit_test (local_times_follow_the_zone_and_its_summer),
        cmocka_unit_test (what_is_no_time_is_refused),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
