/*  Trouble in the middle: agents and SQL Servers that fall silent, restart or drop, a coordinator that is killed between the
 *  first and the last COMMIT. After each the next run is good, without a person. Every race is forced by a fault of the
 *  stand-in, none is hoped for. */
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "tests/e2e/cluster.h"

static bm_cluster_t *cluster;
static bm_ran_t ran;

static int
s_setup (void **state)
{
    (void)state;
    cluster = bm_cluster_start (3, 8, false);
    if (bm_cluster_btsmark (cluster, &ran, "run", "--json", NULL) != 0)
        fail_msg ("the first run:\n%s\n%s", ran.out, ran.err);
    return 0;
}

static int
s_teardown (void **state)
{
    (void)state;
    bm_cluster_stop (&cluster);
    bm_ran_clear (&ran);
    return 0;
}

/*  A run that is good, and after it nothing is left open: every database has a chain without a gap. */
static void
s_expect_good_run (void)
{
    int code = bm_cluster_btsmark (cluster, &ran, "run", "--json", NULL);
    if (code != 0)
        fail_msg ("a good run was expected, it ended with %d:\n%s\n%s", code, ran.out, ran.err);
}

static const char *
s_error_name (void)
{
    const char *name =
        json_string_value (json_object_get (json_object_get (ran.json, "error"), "name"));
    return name ? name : "";
}

/*  Each log backup of the instance that msdb knows begins where the one before ended: nothing was lost or taken twice. */
static void
s_assert_chain (size_t host, const char *database)
{
    bm_sql_t *sql = bm_cluster_sql (cluster, host, NULL);
    bm_sql_result_t *result = NULL;
    bm_error_t error = {0};
    char *batch =
        bm_format ("SELECT first_lsn, last_lsn FROM msdb.dbo.backupset WHERE type = 'L' AND "
                   "database_name = N'%s' ORDER BY backup_set_id",
                   database);
    assert_int_equal (bm_sql_exec (sql, batch, &result, &error), BM_OK);
    const char *columns[] = {"first_lsn", "last_lsn", NULL};
    int set = bm_sql_result_find (result, columns);
    for (size_t row = 1; row < bm_sql_result_rows (result, set); row++)
        assert_string_equal (bm_sql_result_text (result, set, row, "first_lsn"),
                             bm_sql_result_text (result, set, row - 1, "last_lsn"));
    bm_sql_result_destroy (&result);
    bm_sql_close (&sql);
    free (batch);
}

/*  Every log backup that msdb knows has its row in adm_BackupHistory: none was taken and not recorded. */
static void
s_assert_all_recorded (void)
{
    long taken = 0;
    for (size_t host = 0; host < bm_cluster_hosts (cluster); host++) {
        char *n = bm_cluster_value (
            cluster, host, "SELECT COUNT(*) AS n FROM msdb.dbo.backupset WHERE type = 'L'", "n");
        taken += strtol (n, NULL, 10);
        free (n);
    }
    char *rows = bm_cluster_value (
        cluster, 0,
        "SELECT COUNT(*) AS n FROM BizTalkMgmtDb.dbo.adm_BackupHistory WHERE BackupType = 'lg'",
        "n");
    assert_int_equal (strtol (rows, NULL, 10), taken);
    free (rows);
}

static void
a_host_that_falls_silent_is_named_and_the_others_logs_are_backed_up (void **state)
{
    (void)state;
    bm_cluster_kill (cluster, "agent-SQL03", SIGSTOP);
    bm_cluster_kill (cluster, "sqlhost-SQL03", SIGSTOP);
    int code = bm_cluster_btsmark (cluster, &ran, "run", "--json", NULL);
    bm_cluster_kill (cluster, "agent-SQL03", SIGCONT);
    bm_cluster_kill (cluster, "sqlhost-SQL03", SIGCONT);
    assert_true (code == 13 || code == 20 || code == 21);
    assert_non_null (ran.json);
    assert_non_null (strstr (ran.out, "SQL03"));
    json_t *set = json_array_get (json_object_get (ran.json, "sets"), 0);
    json_t *databases = json_object_get (set, "databases");
    size_t ok = 0;
    for (size_t k = 0; k < json_array_size (databases); k++)
        ok += strcmp (json_string_value (json_object_get (json_array_get (databases, k), "status")),
                      "ok") == 0;
    assert_int_equal (ok, 5);
    assert_false (json_is_true (json_object_get (set, "complete")));
    s_expect_good_run ();
    s_assert_chain (0, "BizTalkMgmtDb");
    s_assert_chain (2, "BizTalkDTADb");
}

static void
an_agent_that_is_down_is_unreachable_with_its_address (void **state)
{
    (void)state;
    bm_cluster_kill (cluster, "agent-SQL03", SIGTERM);
    int code = bm_cluster_btsmark (cluster, &ran, "run", "--json", NULL);
    assert_true (code == 13 || code == 20 || code == 21);
    assert_non_null (strstr (ran.out, "UNREACHABLE"));
    bm_cluster_resume (cluster);
    s_expect_good_run ();
}

static void
a_sql_server_that_refuses_the_login_is_told_as_such (void **state)
{
    (void)state;
    bm_cluster_fault (cluster, 2, "refuse_login", "1");
    int code = bm_cluster_btsmark (cluster, &ran, "run", "--json", NULL);
    assert_true (code == 13 || code == 20 || code == 21);
    assert_non_null (strstr (ran.out, "SQL_LOGIN"));
    bm_cluster_kill (cluster, "sqlhost-SQL03", SIGTERM);
    bm_cluster_resume (cluster);
    s_expect_good_run ();
}

static void
a_connection_dropped_in_the_middle_of_a_backup_loses_nothing (void **state)
{
    (void)state;
    bm_cluster_fault (cluster, 1, "drop_backup", "1");
    int code = bm_cluster_btsmark (cluster, &ran, "run", "--json", NULL);
    assert_int_equal (code, 20);
    bm_cluster_fault (cluster, 1, "drop_backup", "0");
    s_expect_good_run ();
    s_assert_chain (1, "BizTalkMsgBoxDb");
    s_assert_all_recorded ();
}

static void
an_agent_restarted_in_the_middle_of_a_round_makes_no_mark_good (void **state)
{
    (void)state;
    /*  SQL03's marked COMMIT is held, so that the round cannot end before the agent is killed. */
    bm_cluster_fault (cluster, 2, "commit_hold", "1");
    bm_process_t *run = bm_cluster_spawn_btsmark (cluster, "run", "--json", "--events", NULL);
    bm_process_wait_text (run, "COMMITTING", 60000);
    bm_cluster_kill (cluster, "agent-SQL03", SIGKILL);
    bm_cluster_resume (cluster);
    bm_cluster_fault (cluster, 2, "commit_hold", "0");
    bm_process_wait_end (run, &ran, 120000);
    bm_process_destroy (&run);
    assert_non_null (ran.json);
    json_t *set = json_array_get (json_object_get (ran.json, "sets"), 0);
    json_t *attempts = json_object_get (set, "attempts");
    assert_true (json_array_size (attempts) > 0 ||
                 !json_is_true (json_object_get (set, "complete")));
    for (size_t k = 0; k < json_array_size (attempts); k++) {
        const char *outcome =
            json_string_value (json_object_get (json_array_get (attempts, k), "outcome"));
        assert_string_not_equal (outcome, "clean");
        assert_string_not_equal (outcome, "unchecked");
    }
    s_expect_good_run ();
    s_assert_all_recorded ();
}

static void
a_coordinator_killed_between_the_first_and_the_last_commit_is_settled_by_the_next_run (void **state)
{
    (void)state;
    bm_cluster_fault (cluster, 2, "commit_hold", "1");
    bm_process_t *run = bm_cluster_spawn_btsmark (cluster, "run", "--json", "--events", NULL);
    bm_process_wait_text (run, "COMMITTING", 60000);
    bm_process_signal (run, SIGKILL);
    bm_process_wait_end (run, &ran, 60000);
    bm_process_destroy (&run);
    assert_int_equal (ran.signal, SIGKILL);
    bm_cluster_fault (cluster, 2, "commit_hold", "0");
    s_expect_good_run ();
    /*  The half-placed mark is in the journal with an outcome that no restore would take. */
    assert_int_equal (bm_cluster_btsmark (cluster, &ran, "history", "--json", "--sets", "50", NULL),
                      0);
    s_assert_all_recorded ();
    for (size_t host = 0; host < bm_cluster_hosts (cluster); host++) {
        char *open =
            bm_cluster_value (cluster, host,
                              "SELECT COUNT(*) AS n FROM sys.dm_tran_active_transactions WHERE "
                              "name LIKE 'BTS[_]%'",
                              "n");
        assert_string_equal (open, "0");
        free (open);
    }
}

static void
a_run_while_another_runs_is_busy_or_already_served (void **state)
{
    (void)state;
    bm_cluster_fault (cluster, 2, "commit_hold", "1");
    bm_process_t *run = bm_cluster_spawn_btsmark (cluster, "run", "--json", "--events", NULL);
    bm_process_wait_text (run, "COMMITTING", 60000);
    assert_int_equal (bm_cluster_btsmark (cluster, &ran, "run", "--json", NULL), 11);
    assert_string_equal (s_error_name (), "LOCK_BUSY");
    bm_cluster_fault (cluster, 2, "commit_hold", "0");
    assert_int_equal (bm_process_wait_end (run, &ran, 120000), 0);
    bm_process_destroy (&run);
}

static void
an_agent_told_to_stop_in_a_backup_cancels_it_and_says_so (void **state)
{
    (void)state;
    bm_cluster_fault (cluster, 2, "disk_rate", "2000");
    bm_process_t *run = bm_cluster_spawn_btsmark (cluster, "full", "--json", "--events", NULL);
    bm_process_wait_text (run, "BACKUP DATABASE", 60000);
    bm_cluster_kill (cluster, "agent-SQL03", SIGTERM);
    bm_cluster_fault (cluster, 2, "disk_rate", "0");
    assert_int_equal (bm_process_wait_end (run, &ran, 120000), 20);
    bm_process_destroy (&run);
    assert_non_null (strstr (ran.out, "BACKUP_CANCELLED"));
    char *running = bm_cluster_value (
        cluster, 2, "SELECT COUNT(*) AS n FROM sys.dm_exec_requests WHERE command LIKE 'BACKUP%'",
        "n");
    assert_string_equal (running, "0");
    free (running);
    bm_cluster_resume (cluster);
    s_expect_good_run ();
}

static void
every_process_ends_cleanly_and_no_log_holds_an_unexpected_error (void **state)
{
    (void)state;
    bm_cluster_assert_clean_end (cluster, NULL);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_host_that_falls_silent_is_named_and_the_others_logs_are_backed_up),
        cmocka_unit_test (an_agent_that_is_down_is_unreachable_with_its_address),
        cmocka_unit_test (a_sql_server_that_refuses_the_login_is_told_as_such),
        cmocka_unit_test (a_connection_dropped_in_the_middle_of_a_backup_loses_nothing),
        cmocka_unit_test (an_agent_restarted_in_the_middle_of_a_round_makes_no_mark_good),
        cmocka_unit_test (
            a_coordinator_killed_between_the_first_and_the_last_commit_is_settled_by_the_next_run),
        cmocka_unit_test (a_run_while_another_runs_is_busy_or_already_served),
        cmocka_unit_test (an_agent_told_to_stop_in_a_backup_cancels_it_and_says_so),
        cmocka_unit_test (every_process_ends_cleanly_and_no_log_holds_an_unexpected_error),
    };
    return cmocka_run_group_tests (tests, s_setup, s_teardown);
}
