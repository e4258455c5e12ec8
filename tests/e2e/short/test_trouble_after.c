/*  What a run leaves behind when it, or a host, was away: the next run makes it whole. */
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
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
    bm_cluster_edit (cluster, "btsmark.ini", "login = sa", "lock-wait = 1 s\nlogin = sa");
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
s_expect_code (int expected, int code)
{
    if (code != expected)
        fail_msg ("%d was expected, it ended with %d:\n%s\n%s", expected, code, ran.out, ran.err);
}

static void
s_expect_good_run (void)
{
    s_expect_code (0, bm_cluster_btsmark (cluster, &ran, "run", "--json", NULL));
}

static const json_t *
s_last_set (void)
{
    const json_t *sets = json_object_get (ran.json, "sets");
    assert_true (json_array_size (sets) > 0);
    return json_array_get (sets, json_array_size (sets) - 1);
}

/*  The manifest of a set in an instance's folder, NULL when there is none. Caller frees. */
static json_t *
s_manifest (const char *instance, const char *name)
{
    json_error_t error;
    return json_load_file (bm_cluster_path (cluster, "backup/%s/%s.btsmark.json", instance, name),
                           0, &error);
}

static void
a_host_that_was_away_gets_the_manifest_of_the_set_it_missed (void **state)
{
    (void)state;
    bm_cluster_kill (cluster, "agent-SQL03", SIGKILL);
    assert_int_not_equal (bm_cluster_btsmark (cluster, &ran, "run", "--json", NULL), 0);
    char *name = bm_format (
        "%lld", (long long)json_integer_value (json_object_get (s_last_set (), "set_id")));
    json_t *here = s_manifest ("SQL01", name), *there = s_manifest ("SQL03", name);
    assert_non_null (here);
    assert_null (there);
    json_decref (here);
    bm_cluster_resume (cluster);
    s_expect_good_run ();
    there = s_manifest ("SQL03", name);
    assert_non_null (there);
    assert_int_equal (json_array_size (json_object_get (there, "databases")), 5);
    json_decref (there);
    free (name);
}

static void
a_set_whose_run_was_killed_has_a_manifest_on_every_host_after_the_next_run (void **state)
{
    (void)state;
    bm_cluster_fault (cluster, 1, "disk_rate", "50");
    bm_process_t *run = bm_cluster_spawn_btsmark (cluster, "log", "--json", "--events", NULL);
    bm_process_wait_text (run, "\"set_id\":", WAIT_MS);
    bm_process_wait_text (run, "backup_done", WAIT_MS);
    bm_process_signal (run, SIGKILL);
    bm_process_wait_end (run, &ran, END_MS);
    bm_process_destroy (&run);
    bm_cluster_fault (cluster, 1, "disk_rate", "0");
    char *mark = bm_cluster_value (
        cluster, 0, "SELECT TOP (1) MarkName AS m FROM BizTalkMgmtDb.dbo.MarkLog ORDER BY 1 DESC",
        "m");
    s_expect_good_run ();
    for (size_t host = 0; host < bm_cluster_hosts (cluster); host++) {
        json_t *manifest = s_manifest (bm_cluster_instance (cluster, host), mark);
        assert_non_null (manifest);
        json_decref (manifest);
    }
    free (mark);
}

/*  Another holder of the backup lock is a stranger, whatever a killed run of ours was doing. */
static void
a_stranger_with_the_lock_is_busy_also_after_a_run_that_was_killed_in_its_backups (void **state)
{
    (void)state;
    bm_cluster_fault (cluster, 1, "disk_rate", "50");
    bm_process_t *run = bm_cluster_spawn_btsmark (cluster, "run", "--json", "--events", NULL);
    bm_process_wait_text (run, "backups_started", WAIT_MS);
    bm_process_wait_text (run, "BACKUP LOG", WAIT_MS);
    bm_process_signal (run, SIGKILL);
    bm_process_wait_end (run, &ran, END_MS);
    bm_process_destroy (&run);
    bm_cluster_fault (cluster, 1, "disk_rate", "0");
    bm_sql_t *stranger = bm_cluster_sql (cluster, 0, "BizTalkMgmtDb");
    bm_error_t error = {0};
    assert_int_equal (bm_sql_exec (stranger,
                                   "EXEC sp_getapplock @Resource = N'BTS_BackupJob_Lock', "
                                   "@LockMode = 'Exclusive', @LockOwner = 'Session', "
                                   "@LockTimeout = 20000",
                                   NULL, &error),
                      BM_OK);
    s_expect_code (11, bm_cluster_btsmark (cluster, &ran, "run", "--json", NULL));
    bm_sql_close (&stranger);
    s_expect_good_run ();
}

static void
a_log_backup_by_hand_is_named_and_the_chain_goes_on (void **state)
{
    (void)state;
    char *by_hand = bm_format ("BACKUP LOG BizTalkDTADb TO DISK = N'%s'",
                               bm_cluster_path (cluster, "backup/SQL03/by-hand.bak"));
    bm_cluster_exec (cluster, 2, by_hand);
    free (by_hand);
    s_expect_good_run ();
    char *warnings = json_dumps (json_object_get (ran.json, "warnings"), 0);
    assert_non_null (strstr (warnings, "by-hand.bak"));
    free (warnings);
    assert_true (json_is_true (json_object_get (s_last_set (), "complete")));
    s_expect_good_run ();
    assert_int_equal (json_array_size (json_object_get (ran.json, "warnings")), 0);
}

static void
a_run_that_is_told_to_stop_before_its_first_set_does_not_end_as_good (void **state)
{
    (void)state;
    bm_process_t *run = bm_cluster_spawn_btsmark (cluster, "run", "--json", "--events", NULL);
    bm_process_wait_text (run, "\"group\"", WAIT_MS);
    bm_process_signal (run, SIGTERM);
    int code = bm_process_wait_end (run, &ran, END_MS);
    bm_process_destroy (&run);
    assert_non_null (ran.json);
    s_expect_code (13, code);
    assert_string_equal (
        json_string_value (json_object_get (json_object_get (ran.json, "error"), "name")),
        "STOPPED");
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
        cmocka_unit_test (a_host_that_was_away_gets_the_manifest_of_the_set_it_missed),
        cmocka_unit_test (
            a_set_whose_run_was_killed_has_a_manifest_on_every_host_after_the_next_run),
        cmocka_unit_test (
            a_stranger_with_the_lock_is_busy_also_after_a_run_that_was_killed_in_its_backups),
        cmocka_unit_test (a_run_that_is_told_to_stop_before_its_first_set_does_not_end_as_good),
        cmocka_unit_test (a_log_backup_by_hand_is_named_and_the_chain_goes_on),
        cmocka_unit_test (every_process_ends_cleanly_and_no_log_holds_an_unexpected_error),
    };
    return cmocka_run_group_tests (tests, s_setup, s_teardown);
}
