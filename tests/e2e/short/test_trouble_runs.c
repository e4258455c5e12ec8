/*  Trouble of the run itself, in its backups: the lock lost, the management server gone, a second run, a stop, an agent killed.
 *  Slow disks of the stand-in hold each run at the place that the test is about. */
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "tests/e2e/cluster.h"

enum { WAIT_MS = 60000, END_MS = 120000 };

static bm_cluster_t *cluster;
static bm_ran_t ran;

static int
s_setup (void **state)
{
    (void)state;
    cluster = bm_cluster_start (3, 8, false);
    bm_cluster_edit (cluster, "btsmark.ini", "[coordinator]", "[coordinator]\nlock-probe = 1 s");
    bm_cluster_edit (cluster, "btsmark.ini", "login = sa", "lock-wait = 3 s\nlogin = sa");
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

static void
s_expect_good_run (void)
{
    int code = bm_cluster_btsmark (cluster, &ran, "run", "--json", NULL);
    if (code != 0)
        fail_msg ("a good run was expected, it ended with %d:\n%s\n%s", code, ran.out, ran.err);
}

static void
s_expect_code (int expected, int code)
{
    if (code != expected)
        fail_msg ("%d was expected, it ended with %d:\n%s\n%s", expected, code, ran.out, ran.err);
}

/*  Every log backup that msdb knows has its row in adm_BackupHistory. */
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

/*  A run that is in its backups and stays there: the disk of one host is slow. */
static bm_process_t *
s_held_in_backups (size_t slow_host, const char *command)
{
    bm_cluster_fault (cluster, slow_host, "disk_rate", "50");
    bm_process_t *run = bm_cluster_spawn_btsmark (cluster, command, "--json", "--events", NULL);
    bm_process_wait_text (run, "backups_started", WAIT_MS);
    return run;
}

static int
s_let_go (bm_process_t *run, size_t slow_host)
{
    bm_cluster_fault (cluster, slow_host, "disk_rate", "0");
    int code = bm_process_wait_end (run, &ran, END_MS);
    bm_process_destroy (&run);
    assert_non_null (ran.json);
    return code;
}

static void
a_lock_lost_in_the_backups_is_taken_again_and_every_row_is_written (void **state)
{
    (void)state;
    bm_process_t *run = s_held_in_backups (1, "log");
    char *session = bm_cluster_value (
        cluster, 0,
        "SELECT session_id AS n FROM sys.dm_exec_sessions WHERE program_name = 'btsmark lock'",
        "n");
    assert_non_null (session);
    char *kill_it = bm_format ("KILL %s", session);
    bm_cluster_exec (cluster, 0, kill_it);
    free (kill_it);
    free (session);
    bm_process_wait_text (run, "lock_lost", WAIT_MS);
    s_expect_code (0, s_let_go (run, 1));
    json_t *set = json_array_get (json_object_get (ran.json, "sets"), 0);
    assert_true (json_is_true (json_object_get (set, "complete")));
    assert_true (json_array_size (json_object_get (ran.json, "warnings")) > 0);
    s_assert_all_recorded ();
}

static void
rows_that_could_not_be_written_are_written_by_the_next_run (void **state)
{
    (void)state;
    bm_process_t *run = s_held_in_backups (1, "log");
    bm_cluster_kill (cluster, "sqlhost-SQL01", SIGKILL);
    bm_process_wait_text (run, "lock_lost", WAIT_MS);
    s_expect_code (14, s_let_go (run, 1));
    bm_cluster_resume (cluster);
    s_expect_good_run ();
    assert_non_null (strstr (ran.out, "settled"));
    s_assert_all_recorded ();
}

static void
a_run_beside_one_that_is_backing_up_is_already_served (void **state)
{
    (void)state;
    bm_process_t *run = s_held_in_backups (1, "run");
    s_expect_code (0, bm_cluster_btsmark (cluster, &ran, "run", "--json", NULL));
    assert_non_null (strstr (ran.out, "already served"));
    assert_int_equal (json_array_size (json_object_get (ran.json, "sets")), 0);
    s_expect_code (11, bm_cluster_btsmark (cluster, &ran, "log", "--json", NULL));
    s_expect_code (0, s_let_go (run, 1));
}

static void
a_run_told_to_stop_in_its_backups_cancels_them_and_closes (void **state)
{
    (void)state;
    bm_process_t *run = s_held_in_backups (1, "full");
    bm_process_wait_text (run, "BACKUP DATABASE", WAIT_MS);
    bm_process_signal (run, SIGTERM);
    int code = bm_process_wait_end (run, &ran, END_MS);
    bm_process_destroy (&run);
    bm_cluster_fault (cluster, 1, "disk_rate", "0");
    s_expect_code (20, code);
    assert_non_null (strstr (ran.out, "BACKUP_CANCELLED"));
    char *running = bm_cluster_value (
        cluster, 1, "SELECT COUNT(*) AS n FROM sys.dm_exec_requests WHERE command LIKE 'BACKUP%'",
        "n");
    assert_string_equal (running, "0");
    free (running);
    s_expect_good_run ();
}

static void
an_agent_killed_in_a_backup_leaves_it_in_doubt_until_the_next_run (void **state)
{
    (void)state;
    bm_process_t *run = s_held_in_backups (1, "log");
    bm_process_wait_text (run, "BACKUP LOG", WAIT_MS);
    bm_cluster_kill (cluster, "agent-SQL01", SIGKILL);
    bm_cluster_resume (cluster);
    s_expect_code (24, s_let_go (run, 1));
    s_expect_good_run ();
    s_assert_all_recorded ();
}

static void
marks_and_logs_go_on_while_a_full_runs (void **state)
{
    (void)state;
    bm_cluster_edit (cluster, "btsmark.ini", "[coordinator]",
                     "[schedule]\nlog-every = 1 s\n\n[coordinator]");
    s_expect_code (0, bm_cluster_btsmark (cluster, &ran, "force-full", NULL));
    bm_process_t *run = s_held_in_backups (2, "run");
    bm_process_wait_text (run, "\"mark\"", WAIT_MS);
    s_expect_code (0, s_let_go (run, 2));
    json_t *sets = json_object_get (ran.json, "sets");
    assert_true (json_array_size (sets) >= 3);
    for (size_t i = 0; i < json_array_size (sets); i++) {
        json_t *set = json_array_get (sets, i);
        assert_string_equal (json_string_value (json_object_get (set, "type")), i ? "lg" : "db");
        assert_true (json_is_true (json_object_get (set, "complete")));
    }
    bm_cluster_edit (cluster, "btsmark.ini", "[schedule]\nlog-every = 1 s\n\n", "");
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
        cmocka_unit_test (a_lock_lost_in_the_backups_is_taken_again_and_every_row_is_written),
        cmocka_unit_test (rows_that_could_not_be_written_are_written_by_the_next_run),
        cmocka_unit_test (a_run_beside_one_that_is_backing_up_is_already_served),
        cmocka_unit_test (a_run_told_to_stop_in_its_backups_cancels_them_and_closes),
        cmocka_unit_test (an_agent_killed_in_a_backup_leaves_it_in_doubt_until_the_next_run),
        cmocka_unit_test (marks_and_logs_go_on_while_a_full_runs),
        cmocka_unit_test (every_process_ends_cleanly_and_no_log_holds_an_unexpected_error),
    };
    return cmocka_run_group_tests (tests, s_setup, s_teardown);
}
