/*  tests/unit/coordinator/test_outcome.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "coordinator/core/outcome.h"

static void
every_outcome_is_found_by_its_name (void **state)
{
    (void)state;
    for (int at = 0; at < BM_OUTCOME_COUNT; at++) {
        bm_outcome_t found = BM_OUTCOME_COUNT;
        assert_true (bm_outcome_by_name (bm_outcome_name ((bm_outcome_t)at), &found));
        assert_int_equal (found, at);
        assert_true (strlen (bm_outcome_meaning ((bm_outcome_t)at)) > 10);
    }
}

static void
an_unknown_name_is_no_outcome (void **state)
{
    (void)state;
    bm_outcome_t found = BM_OUTCOME_TORN;
    assert_false (bm_outcome_by_name ("pristine", &found));
    assert_false (bm_outcome_by_name (NULL, &found));
    assert_int_equal (found, BM_OUTCOME_TORN);
}

static void
only_clean_is_good_and_doubtful_and_unchecked_where_accepted (void **state)
{
    (void)state;
    for (int at = 0; at < BM_OUTCOME_COUNT; at++) {
        bm_outcome_t outcome = (bm_outcome_t)at;
        bool clean = outcome == BM_OUTCOME_CLEAN, unchecked = outcome == BM_OUTCOME_UNCHECKED;
        assert_int_equal (bm_outcome_good (outcome, false), clean);
        assert_int_equal (bm_outcome_good (outcome, true),
                          clean || unchecked || outcome == BM_OUTCOME_DOUBTFUL);
        assert_int_equal (bm_outcome_retry (outcome), !clean && !unchecked);
        assert_int_equal (bm_outcome_may_stand (outcome), outcome != BM_OUTCOME_NONE);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (every_outcome_is_found_by_its_name),
        cmocka_unit_test (an_unknown_name_is_no_outcome),
        cmocka_unit_test (only_clean_is_good_and_doubtful_and_unchecked_where_accepted),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
