#include "common/clock.h"
#include "tests/unit/common/tests.h"

static void
the_monotonic_clock_never_goes_back (void **state)
{
    (void)state;
    int64_t before = bm_clock_mono_us ();
    for (int i = 0; i < 1000; i++) {
        int64_t now = bm_clock_mono_us ();
        assert_true (now >= before);
        before = now;
    }
    assert_true (bm_clock_mono_ms () >= before / 1000);
}

static void
a_time_is_written_and_read_back (void **state)
{
    (void)state;
    char text[BM_CLOCK_TEXT_BYTES];
    assert_string_equal (bm_clock_rfc3339 (0, text), "1970-01-01T00:00:00.000Z");
    assert_string_equal (bm_clock_rfc3339 (1795313701327000, text), "2026-11-22T02:15:01.327Z");
    int64_t times[] = {0, 951782400000000, 1795313701327000, 4102444799999000};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        assert_int_equal (bm_clock_parse_rfc3339 (bm_clock_rfc3339 (times[i], text)), times[i]);
    int64_t now = bm_clock_utc_us ();
    assert_int_equal (bm_clock_parse_rfc3339 (bm_clock_rfc3339 (now, text)), now / 1000 * 1000);
    assert_int_equal (bm_clock_parse_rfc3339 ("2024-02-29T23:59:59Z"), 1709251199000000);
    assert_int_equal (bm_clock_parse_rfc3339 ("1970-01-01T00:00:00.000001Z"), 1);
}

static void
a_malformed_time_is_refused (void **state)
{
    (void)state;
    const char *bad[] = {"",
                         "2026-11-21",
                         "2026-11-21 02:15:01Z",
                         "2026-13-21T02:15:01Z",
                         "2026-00-21T02:15:01Z",
                         "2025-02-29T02:15:01Z",
                         "2026-11-31T02:15:01Z",
                         "2026-11-21T24:15:01Z",
                         "2026-11-21T02:60:01Z",
                         "2026-11-21T02:15:60Z",
                         "2026-11-21T02:15:01",
                         "2026-11-21T02:15:01.Z",
                         "2026-11-21T02:15:01.1234567Z",
                         "2026-11-21T02:15:01Zx",
                         "2026-11-21T02:15:01+01:00",
                         "1969-12-31T23:59:59Z"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal (bm_clock_parse_rfc3339 (bad[i]), -1);
    assert_int_equal (bm_clock_parse_rfc3339 (NULL), -1);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (the_monotonic_clock_never_goes_back),
        cmocka_unit_test (a_time_is_written_and_read_back),
        cmocka_unit_test (a_malformed_time_is_refused),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
