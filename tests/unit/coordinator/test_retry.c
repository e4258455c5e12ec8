/*  tests/unit/coordinator/test_retry.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "coordinator/core/retry.h"

static void
pauses_lie_between_half_and_whole_and_grow_to_the_limit (void **state)
{
    (void)state;
    uint64_t seed = 7;
    const int64_t whole[] = {100, 200, 400, 800, 1000, 1000, 1000};
    for (unsigned attempt = 1; attempt <= 7; attempt++)
        for (int repeat = 0; repeat < 200; repeat++) {
            int64_t pause = bm_retry_pause_ms (&seed, attempt, 100, 1000);
            assert_in_range (pause, whole[attempt - 1] / 2, whole[attempt - 1]);
        }
}

static void
the_same_seed_gives_the_same_pauses_and_they_differ_among_themselves (void **state)
{
    (void)state;
    uint64_t a = 42;
    uint64_t b = 42;
    int different = 0;
    int64_t before = -1;
    for (int at = 0; at < 50; at++) {
        int64_t pause = bm_retry_pause_ms (&a, 3, 1000, 60000);
        assert_int_equal (pause, bm_retry_pause_ms (&b, 3, 1000, 60000));
        different += pause != before;
        before = pause;
    }
    assert_true (different > 40);
}

static void
huge_attempts_and_limits_do_not_overflow (void **state)
{
    (void)state;
    uint64_t seed = 1;
    int64_t pause = bm_retry_pause_ms (&seed, 4000000000u, 1, INT64_MAX);
    assert_true (pause >= INT64_MAX / 2);
    assert_int_equal (bm_retry_pause_ms (&seed, 1, 1, 1) <= 1, 1);
    assert_in_range (bm_retry_pause_ms (&seed, 1, 500, 10), 5, 10);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (pauses_lie_between_half_and_whole_and_grow_to_the_limit),
        cmocka_unit_test (the_same_seed_gives_the_same_pauses_and_they_differ_among_themselves),
        cmocka_unit_test (huge_attempts_and_limits_do_not_overflow),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
