/*  tests/unit/coordinator/test_inflight.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "coordinator/core/inflight.h"

static const char *const s_names[] = {"SQL01", "SQL02", "SQL03"};
static const char *const s_databases[] = {"BizTalkMsgBoxDb", "BizTalkDTADb"};

static const bm_inflight_branch_t s_prepared = {.unit_of_work = "0D5E6A5C",
                                                .transaction_id = 812,
                                                .transaction_state = 5,
                                                .database_state = 5,
                                                .databases = s_databases,
                                                .database_count = 2};

static bm_inflight_sample_t
s_quiet (uint64_t prepares, uint64_t commits)
{
    return (bm_inflight_sample_t){.ran = true, .prepares = prepares, .commits = commits};
}

static bm_inflight_sample_t
s_busy (uint64_t prepares, uint64_t commits, const bm_inflight_branch_t *branches, size_t count)
{
    bm_inflight_sample_t sample = s_quiet (prepares, commits);
    sample.branches = branches;
    sample.branch_count = count;
    return sample;
}

static void
equal_counts_and_empty_lists_are_nothing (void **state)
{
    (void)state;
    bm_inflight_sample_t before = s_quiet (7, 6), after = s_quiet (7, 6);
    assert_int_equal (bm_inflight_compare (&before, &after), 0);
}

static void
any_count_that_differs_speaks (void **state)
{
    (void)state;
    bm_inflight_sample_t before = s_quiet (7, 6);
    const struct {
        uint64_t prepares, commits;
        unsigned flags;
    } cases[] = {
        {8, 6, BM_INFLIGHT_MOVED},
        {7, 7, BM_INFLIGHT_MOVED},
        {8, 7, BM_INFLIGHT_MOVED},
        /*  somebody cleared the statistics in between */
        {0, 0, BM_INFLIGHT_RESET},
        {7, 5, BM_INFLIGHT_RESET},
        {9, 1, BM_INFLIGHT_MOVED | BM_INFLIGHT_RESET},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bm_inflight_sample_t after = s_quiet (cases[i].prepares, cases[i].commits);
        assert_int_equal (bm_inflight_compare (&before, &after), cases[i].flags);
    }
}

static void
a_branch_in_either_list_speaks (void **state)
{
    (void)state;
    bm_inflight_sample_t quiet = s_quiet (7, 6), busy = s_busy (7, 6, &s_prepared, 1);
    assert_int_equal (bm_inflight_compare (&busy, &quiet), BM_INFLIGHT_LISTED_BEFORE);
    assert_int_equal (bm_inflight_compare (&quiet, &busy), BM_INFLIGHT_LISTED_AFTER);
}

/*  Whether a mark without one of its samples is unchecked or doubtful is the verdict's part; what was seen still counts. */
static void
a_sample_that_did_not_run_is_compared_with_nothing (void **state)
{
    (void)state;
    bm_inflight_sample_t none = {.ran = false}, busy = s_busy (9, 9, &s_prepared, 1);
    assert_int_equal (bm_inflight_compare (&none, &busy), BM_INFLIGHT_LISTED_AFTER);
    assert_int_equal (bm_inflight_compare (&busy, &none), BM_INFLIGHT_LISTED_BEFORE);
    assert_int_equal (bm_inflight_compare (&busy, NULL), BM_INFLIGHT_LISTED_BEFORE);
    assert_int_equal (bm_inflight_compare (NULL, NULL), 0);
}

static void
a_quiet_round_has_nothing_to_tell (void **state)
{
    (void)state;
    bm_inflight_t *inflight = bm_inflight_new (s_names, 3);
    bm_inflight_sample_t quiet = s_quiet (41, 40);
    for (size_t i = 0; i < 3; i++) {
        bm_inflight_before (inflight, i, &quiet);
        bm_inflight_after (inflight, i, &quiet);
        assert_int_equal (bm_inflight_finding (inflight, i).flags, 0);
    }
    assert_null (bm_inflight_text (inflight));
    bm_inflight_destroy (&inflight);
    assert_null (inflight);
    bm_inflight_destroy (&inflight);
}

static void
the_text_names_instances_numbers_units_of_work_and_databases (void **state)
{
    (void)state;
    bm_inflight_t *inflight = bm_inflight_new (s_names, 3);
    bm_inflight_sample_t quiet = s_quiet (41, 40), moved = s_quiet (44, 42);
    bm_inflight_branch_t committed = s_prepared;
    committed.transaction_state = 6;
    committed.unit_of_work = "";
    committed.database_count = 0;
    bm_inflight_sample_t busy = s_busy (41, 40, &committed, 1);
    bm_inflight_sample_t not_run = {.why_not = "300: VIEW SERVER STATE permission was denied"};
    bm_inflight_before (inflight, 0, &quiet);
    bm_inflight_after (inflight, 0, &moved);
    bm_inflight_before (inflight, 1, &not_run);
    bm_inflight_sample_t prepared = s_busy (41, 40, &s_prepared, 1);
    bm_inflight_before (inflight, 2, &prepared);
    bm_inflight_after (inflight, 2, &busy);
    char *text = bm_inflight_text (inflight);
    assert_string_equal (
        text, "SQL01: 3 branch(es) prepared and 2 committed between its samples; "
              "SQL02: 300: VIEW SERVER STATE permission was denied; "
              "SQL03: before the COMMIT: unit of work 0D5E6A5C prepared in BizTalkMsgBoxDb, "
              "BizTalkDTADb, after the COMMIT: a transaction ended and still listed in no database "
              "any more");
    free (text);
    bm_inflight_finding_t finding = bm_inflight_finding (inflight, 0);
    assert_string_equal (finding.instance, "SQL01");
    assert_int_equal (finding.prepares, 3);
    assert_int_equal (finding.commits, 2);
    assert_non_null (bm_inflight_finding (inflight, 1).why_not);
    bm_inflight_destroy (&inflight);
}

static void
counts_that_were_reset_are_told_as_such (void **state)
{
    (void)state;
    bm_inflight_t *inflight = bm_inflight_new (s_names, 1);
    bm_inflight_sample_t before = s_quiet (41, 40), after = s_quiet (0, 0);
    bm_inflight_before (inflight, 0, &before);
    bm_inflight_after (inflight, 0, &after);
    char *text = bm_inflight_text (inflight);
    assert_non_null (strstr (text, "reset"));
    assert_true (bm_inflight_finding (inflight, 0).prepares < 0);
    free (text);
    bm_inflight_destroy (&inflight);
}

/*  n and n + 1 of what is kept; all are counted. */
static void
only_the_first_few_branches_are_kept_and_all_are_counted (void **state)
{
    (void)state;
    bm_inflight_branch_t branches[BM_INFLIGHT_KEPT + 1];
    for (size_t i = 0; i < BM_INFLIGHT_KEPT + 1; i++)
        branches[i] = s_prepared;
    bm_inflight_t *inflight = bm_inflight_new (s_names, 1);
    bm_inflight_sample_t busy = s_busy (1, 1, branches, BM_INFLIGHT_KEPT);
    bm_inflight_before (inflight, 0, &busy);
    char *text = bm_inflight_text (inflight);
    assert_null (strstr (text, "more"));
    free (text);
    busy.branch_count++;
    bm_inflight_before (inflight, 0, &busy); /* replaces the first */
    bm_inflight_finding_t finding = bm_inflight_finding (inflight, 0);
    assert_int_equal (finding.kept[0], BM_INFLIGHT_KEPT);
    assert_int_equal (finding.listed[0], BM_INFLIGHT_KEPT + 1);
    text = bm_inflight_text (inflight);
    assert_non_null (strstr (text, "and 1 more"));
    free (text);
    bm_inflight_destroy (&inflight);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (equal_counts_and_empty_lists_are_nothing),
        cmocka_unit_test (any_count_that_differs_speaks),
        cmocka_unit_test (a_branch_in_either_list_speaks),
        cmocka_unit_test (a_sample_that_did_not_run_is_compared_with_nothing),
        cmocka_unit_test (a_quiet_round_has_nothing_to_tell),
        cmocka_unit_test (the_text_names_instances_numbers_units_of_work_and_databases),
        cmocka_unit_test (counts_that_were_reset_are_told_as_such),
        cmocka_unit_test (only_the_first_few_branches_are_kept_and_all_are_counted),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
