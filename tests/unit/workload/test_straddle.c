#include "tests/unit/common/tests.h"
#include "tests/workload/straddle.h"

#include <string.h>

#define ONE   "00000000-0000-4000-A000-000000000001"
#define TWO   "00000000-0000-4000-A000-000000000002"
#define THREE "00000000-0000-4000-A000-000000000003"
#define FOUR  "00000000-0000-4000-A000-000000000004"

static char s_a[] = "SQL02", s_b[] = "SQL03", s_database[] = "Box";

static bm_straddle_t
s_count (bm_ledger_branch_t *branches, size_t count)
{
    static const bm_mark_lsn_t marks[] = {{"SQL02", 100}, {"SQL03", 7000}};
    bm_ledger_list_t ledger = {.branches = branches, .branch_count = count};
    bm_straddle_t found;
    bm_straddle_count (&ledger, marks, 2, &found);
    return found;
}

static void
a_transaction_straddles_when_its_commits_are_on_both_sides_of_the_marks (void **state)
{
    (void)state;
    bm_ledger_branch_t branches[] = {
        {ONE, 0, NULL, NULL, 0},           {ONE, 0, s_a, s_database, 99},
        {ONE, 0, s_b, s_database, 6999},   {TWO, 0, s_a, s_database, 101},
        {TWO, 0, s_b, s_database, 7001},   {THREE, 0, s_a, s_database, 99},
        {THREE, 0, s_b, s_database, 7001}, {FOUR, 0, s_a, s_database, 101},
        {FOUR, 0, s_b, s_database, 6999}};
    bm_straddle_t found = s_count (branches, sizeof branches / sizeof *branches);
    assert_int_equal (found.before, 1);
    assert_int_equal (found.after, 1);
    assert_int_equal (found.straddling, 2);
    assert_int_equal (found.unknown, 0);
    assert_string_equal (found.first, THREE);
}

static void
a_transaction_with_a_branch_missing_is_unknown (void **state)
{
    (void)state;
    char elsewhere[] = "SQL09";
    bm_ledger_branch_t branches[] = {{ONE, 0, NULL, NULL, 0},
                                     {TWO, 0, NULL, NULL, 0},
                                     {TWO, 0, s_a, s_database, 99},
                                     {THREE, 0, s_a, s_database, 99},
                                     {THREE, 0, elsewhere, s_database, 99}};
    bm_straddle_t found = s_count (branches, sizeof branches / sizeof *branches);
    assert_int_equal (found.unknown, 3);
    assert_int_equal (found.straddling + found.before + found.after, 0);
    found = s_count (NULL, 0);
    assert_int_equal (found.unknown, 0);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_transaction_straddles_when_its_commits_are_on_both_sides_of_the_marks),
        cmocka_unit_test (a_transaction_with_a_branch_missing_is_unknown)};
    return cmocka_run_group_tests (tests, NULL, NULL);
}
