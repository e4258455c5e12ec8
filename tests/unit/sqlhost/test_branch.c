/*  Branches over T-SQL: sqlhost_dtc_..., the views that show them, KILL of a unit of work. */
#include "tests/unit/sqlhost/tsql_fixture.h"

#define UOW      "'11111111-2222-3333-4444-555555555555'"
#define JOIN     "EXEC master.dbo.sqlhost_dtc_join " UOW
#define PREPARE  "EXEC master.dbo.sqlhost_dtc_prepare " UOW
#define COMMIT   "EXEC master.dbo.sqlhost_dtc_commit " UOW
#define ROLLBACK "EXEC master.dbo.sqlhost_dtc_rollback " UOW

static fx_t s_fx;
static fx_client_t *s_a, *s_b;

static int
s_setup (void **state)
{
    (void)state;
    fx_up (&s_fx);
    s_a = fx_client (&s_fx);
    s_b = fx_client (&s_fx);
    fx_run (s_a, "CREATE DATABASE d");
    fx_expect (s_a, "USE d CREATE TABLE t (id int NOT NULL PRIMARY KEY, v nvarchar(5) NULL)",
               "#5701\n");
    fx_expect (s_b, "USE d", "#5701\n");
    return 0;
}

static int
s_teardown (void **state)
{
    (void)state;
    fx_leave (s_a);
    fx_leave (s_b);
    fx_down (&s_fx);
    return 0;
}

static int
s_clean (void **state)
{
    (void)state;
    fx_run (s_a, "EXEC sqlhost_fault N'all', N'off' IF @@TRANCOUNT > 0 ROLLBACK");
    fx_run (s_a, ROLLBACK);
    fx_run (s_b, "IF @@TRANCOUNT > 0 ROLLBACK");
    fx_run (s_a, "DELETE d.dbo.t");
    return 0;
}

static void
a_session_joins_prepares_and_commits_a_unit_of_work (void **state)
{
    (void)state;
    fx_expect (s_a, JOIN " INSERT t VALUES (1, 'a') SELECT @@TRANCOUNT, XACT_STATE()", "=0\n1|1\n");
    assert_int_equal (s_a->begun, 1);
    fx_expect (s_a, PREPARE " SELECT @@TRANCOUNT", "=0\n0\n");
    assert_int_equal (s_a->committed, 1);
    fx_expect (s_b, "SET LOCK_TIMEOUT 0 SELECT COUNT(*) FROM t", "!1222\n");
    fx_expect (s_b,
               "DECLARE @lsn bigint EXEC master.dbo.sqlhost_dtc_commit " UOW
               ", @lsn OUTPUT SELECT CASE WHEN @lsn > 0 THEN 'logged' END SELECT COUNT(*) FROM t "
               "SET LOCK_TIMEOUT -1",
               "=0\nlogged\n1\n");
}

static void
a_commit_of_the_session_is_refused_and_its_rollback_ends_the_branch (void **state)
{
    (void)state;
    fx_expect (s_a, JOIN " INSERT t VALUES (1, 'a')", "=0\n");
    fx_expect (s_a, "COMMIT TRANSACTION", "!50000\n");
    fx_expect (s_a, "BEGIN TRAN COMMIT SELECT @@TRANCOUNT", "1\n");
    fx_expect (s_a, "ROLLBACK SELECT @@TRANCOUNT", "0\n");
    fx_expect (s_a, PREPARE, "!6110\n=1\n");
    fx_expect (s_a, "SELECT COUNT(*) FROM t", "0\n");
}

static void
join_wants_a_session_without_a_transaction_and_a_guid (void **state)
{
    (void)state;
    fx_expect (s_a, "BEGIN TRAN " JOIN " ROLLBACK", "!50000\n=1\n");
    fx_expect (s_a, "EXEC master.dbo.sqlhost_dtc_join N'not a guid'", "!201\n=1\n");
    fx_expect (s_a, JOIN, "=0\n");
    fx_expect (s_b, JOIN, "!3910\n=1\n");
}

/*  Nothing of a request may run outside the transaction that it was meant for. */
static void
a_session_whose_branch_was_ended_by_another_fails_its_next_request (void **state)
{
    (void)state;
    fx_expect (s_a, JOIN " INSERT t VALUES (1, 'a')", "=0\n");
    fx_expect (s_b, ROLLBACK, "=0\n");
    fx_expect (s_a, "INSERT t VALUES (2, 'b')", "!8525\n");
    assert_int_equal (s_a->rolled_back, 1);
    fx_expect (s_a, "SELECT @@TRANCOUNT, COUNT(*) FROM t", "0|0\n");
    fx_expect (s_a, JOIN " INSERT t VALUES (1, 'a')", "=0\n");
    fx_expect (s_b, PREPARE, "=0\n");
    fx_expect (s_a, "INSERT t VALUES (2, 'b')", "!8525\n");
    fx_expect (s_b, COMMIT " SELECT id FROM t", "=0\n1\n");
}

static void
the_views_show_a_branch_by_its_unit_of_work_and_state (void **state)
{
    (void)state;
    const char *list =
        "SELECT t.transaction_type, CONVERT (nvarchar(36), t.transaction_uow), "
        "t.transaction_state, d.database_transaction_state, DB_NAME (d.database_id) FROM "
        "sys.dm_tran_active_transactions AS t LEFT JOIN sys.dm_tran_database_transactions AS d ON "
        "d.transaction_id = t.transaction_id WHERE t.transaction_uow IS NOT NULL OR "
        "t.transaction_type = 4";
    fx_expect (s_b, list, "");
    fx_expect (s_a, JOIN, "=0\n");
    fx_expect (s_b, list, "4|11111111-2222-3333-4444-555555555555|2|NULL|NULL\n");
    fx_expect (s_a, "INSERT t VALUES (1, 'a')", "");
    fx_expect (s_b, list, "4|11111111-2222-3333-4444-555555555555|2|4|d\n");
    fx_expect (s_a, PREPARE, "=0\n");
    fx_expect (s_b, list, "4|11111111-2222-3333-4444-555555555555|5|5|d\n");
    fx_expect (s_b,
               "SELECT DISTINCT CONVERT (nvarchar(36), request_owner_guid) FROM sys.dm_tran_locks "
               "WHERE resource_type = 'RID'",
               "11111111-2222-3333-4444-555555555555\n");
    fx_expect (s_b, "EXEC sqlhost_fault N'dtc_listed_hold', N'1' " COMMIT, "=0\n=0\n");
    fx_expect (s_b, list, "4|11111111-2222-3333-4444-555555555555|6|10|d\n");
    fx_expect (s_b, "EXEC sqlhost_fault N'dtc_listed_hold', N'0'", "=0\n");
    fx_expect (s_b, list, "");
}

static void
the_counts_of_prepares_and_commits_move_by_one (void **state)
{
    (void)state;
    const char *counts = "SELECT waiting_tasks_count FROM sys.dm_os_wait_stats WHERE wait_type IN "
                         "(N'PREEMPTIVE_DTC_PREPAREREQUESTDONE', "
                         "N'PREEMPTIVE_DTC_COMMITREQUESTDONE')";
    long prepares, commits, more_prepares, more_commits;
    fx_run (s_b, counts);
    assert_int_equal (sscanf (s_b->out, "%ld\n%ld\n", &prepares, &commits), 2);
    fx_expect (s_a, JOIN " INSERT t VALUES (1, 'a') " PREPARE, "=0\n=0\n");
    fx_run (s_b, counts);
    assert_int_equal (sscanf (s_b->out, "%ld\n%ld\n", &more_prepares, &more_commits), 2);
    assert_int_equal (more_prepares, prepares + 1);
    assert_int_equal (more_commits, commits);
    fx_expect (s_b, COMMIT, "=0\n");
    fx_run (s_b, counts);
    assert_int_equal (sscanf (s_b->out, "%ld\n%ld\n", &more_prepares, &more_commits), 2);
    assert_int_equal (more_prepares, prepares + 1);
    assert_int_equal (more_commits, commits + 1);
}

static void
kill_ends_an_orphan_by_its_unit_of_work_and_only_with_a_decision (void **state)
{
    (void)state;
    fx_client_t *c = fx_client (&s_fx);
    fx_expect (s_a, "KILL " UOW, "!6110\n");
    fx_expect (c, "USE d " JOIN " INSERT t VALUES (1, 'a') " PREPARE, "#5701\n=0\n=0\n");
    fx_expect (s_a, "KILL " UOW " WITH COMMIT", "!6117\n");
    fx_leave (c);
    fx_expect (
        s_a,
        "SELECT DISTINCT request_session_id FROM sys.dm_tran_locks WHERE resource_type = 'RID'",
        "-2\n");
    fx_expect (s_a, "KILL " UOW, "!6113\n");
    fx_expect (s_a, "KILL " UOW " WITH STATUSONLY", "!6121\n");
    fx_expect (s_a, "BEGIN TRAN KILL " UOW " WITH ROLLBACK ROLLBACK", "!6115\n");
    fx_expect (s_a, "KILL " UOW " WITH COMMIT SELECT COUNT(*) FROM t", "1\n");
    c = fx_client (&s_fx);
    fx_expect (c, "USE d " JOIN " INSERT t VALUES (2, 'b') " PREPARE, "#5701\n=0\n=0\n");
    fx_leave (c);
    fx_expect (s_a, "KILL " UOW " WITH ROLLBACK SELECT COUNT(*) FROM t", "1\n");
    fx_expect (s_a, "KILL 9999", "!6106\n");
    fx_expect (s_a, "KILL 9999 WITH NONSENSE", "!102\n");
}

static void
who_waits_for_an_orphan_is_blocked_by_session_minus_two (void **state)
{
    (void)state;
    fx_client_t *c = fx_client (&s_fx);
    fx_expect (c, "USE d " JOIN " INSERT t VALUES (1, 'a') " PREPARE, "#5701\n=0\n=0\n");
    fx_leave (c);
    fx_start (s_b, "SELECT COUNT(*) FROM t");
    fx_until_waits (s_b, "LCK_M_");
    fx_expect (
        s_a, "SELECT blocking_session_id FROM sys.dm_exec_requests WHERE blocking_session_id <> 0",
        "-2\n");
    fx_expect (s_a, "KILL " UOW " WITH ROLLBACK", "");
    fx_join (s_b);
    assert_string_equal (s_b->out, "0\n");
}

/*  Two-phase commit of a distributed mark is SQL Server's alone. */
static void
a_mark_in_a_branch_is_said_not_to_be_supported (void **state)
{
    (void)state;
    fx_expect (s_a, JOIN, "=0\n");
    fx_run (s_a, "BEGIN TRAN m WITH MARK");
    assert_non_null (strstr (s_a->last_text, "not supported by sqlhost"));
    fx_run (s_a, "IF @@TRANCOUNT > 0 ROLLBACK");
}

static void
a_marked_commit_that_gives_up_rolls_back_and_says_3928 (void **state)
{
    (void)state;
    fx_expect (s_a, JOIN " INSERT t VALUES (1, 'a') " PREPARE, "=0\n=0\n");
    fx_expect (s_b,
               "EXEC sqlhost_fault N'mark_stall_timeout_ms', N'50' BEGIN TRAN m WITH MARK "
               "INSERT t VALUES (2, 'b') COMMIT SELECT @@TRANCOUNT",
               "=0\n!3928\n0\n");
    fx_expect (s_b, COMMIT " SELECT id FROM t", "=0\n1\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, s_clean, s_clean)

int
main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (a_session_joins_prepares_and_commits_a_unit_of_work),
        TEST (a_commit_of_the_session_is_refused_and_its_rollback_ends_the_branch),
        TEST (join_wants_a_session_without_a_transaction_and_a_guid),
        TEST (a_session_whose_branch_was_ended_by_another_fails_its_next_request),
        TEST (the_views_show_a_branch_by_its_unit_of_work_and_state),
        TEST (the_counts_of_prepares_and_commits_move_by_one),
        TEST (kill_ends_an_orphan_by_its_unit_of_work_and_only_with_a_decision),
        TEST (who_waits_for_an_orphan_is_blocked_by_session_minus_two),
        TEST (a_mark_in_a_branch_is_said_not_to_be_supported),
        TEST (a_marked_commit_that_gives_up_rolls_back_and_says_3928)};
    return cmocka_run_group_tests (tests, s_setup, s_teardown);
}
