#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "coordinator/shell/history.h"

static void
a_device_is_split_at_its_last_separator (void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"\\\\SQL01\\Backup\\x.bak", "\\\\SQL01\\Backup", "x.bak"},
        {"D:\\x.bak", "D:", "x.bak"},
        {"/srv/backup/SQL01/x_y.bak", "/srv/backup/SQL01", "x_y.bak"},
        {"/x.bak", "/", "x.bak"},
        {"https://store/container/x.bak", "https://store/container", "x.bak"},
        {"D:\\Backup/sub\\x.bak", "D:\\Backup/sub", "x.bak"},
        {"D:\\Backup\\sub/x.bak", "D:\\Backup\\sub", "x.bak"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *location, *file;
        assert_int_equal (bm_history_split (cases[i][0], &location, &file, NULL), BM_OK);
        assert_string_equal (location, cases[i][1]);
        assert_string_equal (file, cases[i][2]);
        free (location);
        free (file);
    }
}

static void
a_device_that_is_no_file_in_a_folder_is_refused (void **state)
{
    (void)state;
    static const char *const cases[] = {"", "x.bak", "D:\\", "/srv/"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *location, *file;
        bm_error_t error = {0};
        assert_int_equal (bm_history_split (cases[i], &location, &file, &error), BM_MANAGEMENT);
    }
}

static void
the_time_of_a_set_is_utc_or_local (void **state)
{
    (void)state;
    char text[BM_HISTORY_TIME_BYTES];
    int64_t at = INT64_C (1795228501327000); /* 2026-11-21 02:35:01.327 UTC */
    assert_string_equal (bm_history_time (at, false, text), "2026-11-21 02:35:01.327");
    assert_int_equal (setenv ("TZ", "TST-05:30", 1), 0);
    tzset ();
    assert_string_equal (bm_history_time (at, true, text), "2026-11-21 08:05:01.327");
    assert_string_equal (bm_history_time (at, false, text), "2026-11-21 02:35:01.327");
    unsetenv ("TZ");
    tzset ();
    assert_string_equal (bm_history_time (0, false, text), "1970-01-01 00:00:00.000");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_device_is_split_at_its_last_separator),
        cmocka_unit_test (a_device_that_is_no_file_in_a_folder_is_refused),
        cmocka_unit_test (the_time_of_a_set_is_utc_or_local),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
