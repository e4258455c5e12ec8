/*  tests/unit/coordinator/test_set.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "coordinator/core/set.h"

#define GOOD                                                                                       \
    {                                                                                              \
        .status = BM_DATABASE_OK, .recorded = true, .first_lsn = "10", .last_lsn = "20",           \
        .mark_lsn = "15"                                                                           \
    }

static void
a_log_set_is_complete_with_a_good_mark_in_every_log (void **state)
{
    (void)state;
    const bm_set_database_t databases[] = {GOOD, GOOD};
    bm_set_verdict_t verdict = bm_set_judge (BM_SET_LOG, BM_OUTCOME_CLEAN, false, databases, 2);
    assert_int_equal (verdict.state, BM_SET_STATE_COMPLETE);
    assert_int_equal (verdict.status, BM_OK);
    assert_false (verdict.warn);
}

static void
a_log_set_without_a_good_mark_is_incomplete_and_says_why (void **state)
{
    (void)state;
    const bm_set_database_t databases[] = {GOOD, GOOD};
    const struct {
        bm_outcome_t outcome;
        bm_status_t status;
    } cases[] = {
        {BM_OUTCOME_NONE, BM_NO_MARK},           {BM_OUTCOME_TORN, BM_MARK_MISSING},
        {BM_OUTCOME_UNPROVEN, BM_MARK_MISSING},  {BM_OUTCOME_UNKNOWN, BM_IN_DOUBT},
        {BM_OUTCOME_DOUBTFUL, BM_MARK_DOUBTFUL}, {BM_OUTCOME_UNCHECKED, BM_MARK_DOUBTFUL},
    };
    for (size_t at = 0; at < sizeof cases / sizeof *cases; at++) {
        bm_set_verdict_t verdict =
            bm_set_judge (BM_SET_LOG, cases[at].outcome, false, databases, 2);
        assert_int_equal (verdict.state, BM_SET_STATE_INCOMPLETE);
        assert_int_equal (verdict.status, cases[at].status);
        assert_non_null (verdict.reason);
        /*  a full set has no mark */
        verdict = bm_set_judge (BM_SET_FULL, cases[at].outcome, false, databases, 2);
        assert_int_equal (verdict.state, BM_SET_STATE_COMPLETE);
    }
}

static void
a_doubtful_mark_is_accepted_by_policy_with_a_warning (void **state)
{
    (void)state;
    const bm_set_database_t databases[] = {GOOD};
    bm_set_verdict_t verdict = bm_set_judge (BM_SET_LOG, BM_OUTCOME_DOUBTFUL, true, databases, 1);
    assert_int_equal (verdict.state, BM_SET_STATE_COMPLETE);
    assert_true (verdict.warn);
}

static void
the_mark_must_lie_within_every_log_backup (void **state)
{
    (void)state;
    bm_set_database_t databases[] = {GOOD, GOOD};
    databases[1].mark_lsn = "20";
    bm_set_verdict_t verdict = bm_set_judge (BM_SET_LOG, BM_OUTCOME_CLEAN, false, databases, 2);
    assert_int_equal (verdict.state, BM_SET_STATE_INCOMPLETE);
    assert_int_equal (verdict.status, BM_MARK_MISSING);
    assert_int_equal (verdict.database, 1);
    databases[1].mark_lsn = "";
    verdict = bm_set_judge (BM_SET_LOG, BM_OUTCOME_CLEAN, false, databases, 2);
    assert_int_equal (verdict.status, BM_MARK_MISSING);
    databases[1].mark_lsn = "10";
    verdict = bm_set_judge (BM_SET_LOG, BM_OUTCOME_CLEAN, false, databases, 2);
    assert_int_equal (verdict.state, BM_SET_STATE_COMPLETE);
    databases[1].first_lsn = NULL;
    verdict = bm_set_judge (BM_SET_LOG, BM_OUTCOME_CLEAN, false, databases, 2);
    assert_int_equal (verdict.state, BM_SET_STATE_INCOMPLETE);
}

static void
one_missing_backup_makes_the_set_incomplete (void **state)
{
    (void)state;
    const struct {
        bm_database_status_t status;
        bm_status_t result;
    } cases[] = {
        {BM_DATABASE_FAILED, BM_SET_INCOMPLETE},
        {BM_DATABASE_SKIPPED, BM_SET_INCOMPLETE},
        {BM_DATABASE_UNKNOWN, BM_IN_DOUBT},
    };
    for (size_t at = 0; at < 3; at++)
        for (int type = BM_SET_FULL; type <= BM_SET_LOG; type++) {
            bm_set_database_t databases[] = {GOOD, GOOD};
            databases[1].status = cases[at].status;
            bm_set_verdict_t verdict =
                bm_set_judge ((bm_set_type_t)type, BM_OUTCOME_CLEAN, false, databases, 2);
            assert_int_equal (verdict.state, BM_SET_STATE_INCOMPLETE);
            assert_int_equal (verdict.status, cases[at].result);
            assert_int_equal (verdict.database, 1);
        }
}

static void
a_set_is_backing_up_while_a_database_is_pending (void **state)
{
    (void)state;
    bm_set_database_t databases[] = {GOOD, GOOD};
    databases[0].status = BM_DATABASE_FAILED;
    databases[1].status = BM_DATABASE_PENDING;
    bm_set_verdict_t verdict = bm_set_judge (BM_SET_FULL, BM_OUTCOME_NONE, false, databases, 2);
    assert_int_equal (verdict.state, BM_SET_BACKING_UP);
    assert_int_equal (verdict.database, 1);
}

static void
a_backup_without_its_row_does_not_count (void **state)
{
    (void)state;
    bm_set_database_t databases[] = {GOOD, GOOD};
    databases[0].recorded = false;
    bm_set_verdict_t verdict = bm_set_judge (BM_SET_FULL, BM_OUTCOME_NONE, false, databases, 2);
    assert_int_equal (verdict.state, BM_SET_STATE_INCOMPLETE);
    assert_int_equal (verdict.database, 0);
}

static void
a_backup_with_warnings_counts_and_is_named (void **state)
{
    (void)state;
    bm_set_database_t databases[] = {GOOD, GOOD, GOOD};
    databases[1].status = BM_DATABASE_OK_WITH_WARNINGS;
    databases[2].status = BM_DATABASE_OK_WITH_WARNINGS;
    for (int type = BM_SET_FULL; type <= BM_SET_LOG; type++) {
        bm_set_verdict_t verdict =
            bm_set_judge ((bm_set_type_t)type, BM_OUTCOME_CLEAN, false, databases, 3);
        assert_int_equal (verdict.state, BM_SET_STATE_COMPLETE);
        assert_true (verdict.warn);
        assert_int_equal (verdict.database, 1);
    }
}

static void
a_group_without_databases_is_never_complete (void **state)
{
    (void)state;
    bm_set_verdict_t verdict = bm_set_judge (BM_SET_FULL, BM_OUTCOME_CLEAN, true, NULL, 0);
    assert_int_equal (verdict.state, BM_SET_STATE_INCOMPLETE);
}

static void
names_are_those_of_the_history_and_of_json (void **state)
{
    (void)state;
    assert_string_equal (bm_set_type_name (BM_SET_FULL), "db");
    assert_string_equal (bm_set_type_name (BM_SET_LOG), "lg");
    assert_string_equal (bm_database_status_name (BM_DATABASE_OK_WITH_WARNINGS),
                         "ok_with_warnings");
    assert_string_equal (bm_database_status_name (BM_DATABASE_SKIPPED), "skipped");
    assert_string_equal (bm_set_state_name (BM_SET_BACKING_UP), "BACKING_UP");
    assert_string_equal (bm_set_state_name (BM_SET_STATE_COMPLETE), "COMPLETE");
    assert_string_equal (bm_set_state_name (BM_SET_STATE_INCOMPLETE), "INCOMPLETE");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_log_set_is_complete_with_a_good_mark_in_every_log),
        cmocka_unit_test (a_log_set_without_a_good_mark_is_incomplete_and_says_why),
        cmocka_unit_test (a_doubtful_mark_is_accepted_by_policy_with_a_warning),
        cmocka_unit_test (the_mark_must_lie_within_every_log_backup),
        cmocka_unit_test (one_missing_backup_makes_the_set_incomplete),
        cmocka_unit_test (a_set_is_backing_up_while_a_database_is_pending),
        cmocka_unit_test (a_backup_without_its_row_does_not_count),
        cmocka_unit_test (a_backup_with_warnings_counts_and_is_named),
        cmocka_unit_test (a_group_without_databases_is_never_complete),
        cmocka_unit_test (names_are_those_of_the_history_and_of_json),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
