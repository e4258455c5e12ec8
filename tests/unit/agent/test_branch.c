#include "tests/unit/agent/tests.h"

#include "agent/core/branch.h"

static void
an_active_branch_is_not_in_flight (void **state)
{
    (void)state;
    for (int32_t transaction = 0; transaction <= 2; transaction++) {
        assert_false (bm_branch_in_flight (transaction, 0));
        assert_false (bm_branch_in_flight (transaction, 1));
        assert_false (bm_branch_in_flight (transaction, 3));
        assert_false (bm_branch_in_flight (transaction, 4));
    }
}

static void
a_branch_past_active_is_in_flight_also_when_it_is_committed_and_still_listed (void **state)
{
    (void)state;
    for (int32_t transaction = 3; transaction <= 8; transaction++)
        for (int32_t database = 0; database <= 12; database++)
            assert_true (bm_branch_in_flight (transaction, database));
}

/*  The two views are read one after the other: the branch may go on in between. */
static void
one_view_is_enough (void **state)
{
    (void)state;
    const int32_t past[] = {5, 10, 11, 12};
    for (size_t i = 0; i < sizeof past / sizeof *past; i++)
        assert_true (bm_branch_in_flight (2, past[i]));
}

static void
a_state_that_nobody_documented_counts (void **state)
{
    (void)state;
    assert_true (bm_branch_in_flight (-1, 4));
    assert_true (bm_branch_in_flight (9, 4));
    assert_true (bm_branch_in_flight (2, 2));
    assert_true (bm_branch_in_flight (2, 99));
}

static void
of_two_databases_the_one_nearer_to_the_end_is_told (void **state)
{
    (void)state;
    const int32_t order[] = {0, 1, 3, 4, 5, 12, 10};
    for (size_t a = 0; a < sizeof order / sizeof *order; a++)
        for (size_t b = 0; b < sizeof order / sizeof *order; b++)
            assert_int_equal (bm_branch_further (order[a], order[b]), order[a > b ? a : b]);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (an_active_branch_is_not_in_flight),
        cmocka_unit_test (
            a_branch_past_active_is_in_flight_also_when_it_is_committed_and_still_listed),
        cmocka_unit_test (one_view_is_enough),
        cmocka_unit_test (a_state_that_nobody_documented_counts),
        cmocka_unit_test (of_two_databases_the_one_nearer_to_the_end_is_told)};
    return cmocka_run_group_tests (tests, NULL, NULL);
}
