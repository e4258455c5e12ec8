/*  Databases that cannot be backed up, configurations that name one thing twice, and fulls that fail: a clear error that says what to
 *  do, and nothing lost. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "tests/e2e/cluster.h"

enum { WAIT_MS = 60000, END_MS = 120000, SQL03 = 2 };

static bm_cluster_t *cluster;
static bm_ran_t ran;
static size_t orders; /* the host of OrdersDb */

static void
s_expect (int expected, const char *command)
{
    int code = bm_cluster_btsmark (cluster, &ran, command, "--json", NULL);
    if (code != expected || !ran.json)
        fail_msg ("%s: %d was expected, it ended with %d:\n%s\n%s", command, expected, code,
                  ran.out, ran.err);
}

static json_t *
s_set (size_t index)
{
    json_t *set = json_array_get (json_object_get (ran.json, "sets"), index);
    if (!set)
        fail_msg ("no set %zu in:\n%s\n%s", index, ran.out, ran.err);
    return set;
}

static const char *
s_text (json_t *object, const char *key)
{
    const char *text = json_string_value (json_object_get (object, key));
    return text ? text : "";
}

static size_t
s_sets (void)
{
    return json_array_size (json_object_get (ran.json, "sets"));
}

static json_int_t
s_id (json_t *set)
{
    return json_integer_value (json_object_get (set, "set_id"));
}

static bool
s_complete (json_t *set)
{
    return json_is_true (json_object_get (set, "complete"));
}

static size_t
s_good (json_t *set)
{
    size_t good = 0, i;
    json_t *database;
    json_array_foreach (json_object_get (set, "databases"), i, database)
    {
        good += strncmp (s_text (database, "status"), "ok", 2) == 0;
    }
    return good;
}

static long
s_number (size_t host, const char *batch)
{
    char *n = bm_cluster_value (cluster, host, batch, "n");
    long number = n ? strtol (n, NULL, 10) : -1;
    free (n);
    return number;
}

/*  The output names the database and says what is wrong with it. */
static void
s_names (const char *database, const char *words)
{
    if (!strstr (ran.out, database) || !strstr (ran.out, words))
        fail_msg ("%s and \"%s\" were expected in:\n%s\n%s", database, words, ran.out, ran.err);
}

static int
s_setup (void **state)
{
    (void)state;
    cluster = bm_cluster_start (3, 8, false);
    bm_cluster_edit (cluster, "btsmark.ini", "[coordinator]",
                     "[schedule]\nfull-retry-pause = 1 ms\n\n[coordinator]");
    while (s_number (orders, "SELECT COUNT (*) AS n FROM sys.databases WHERE name = N'OrdersDb'") <
           1)
        orders++;
    s_expect (0, "run");
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

/* ---- databases --------------------------------------------------------------------------------------------------- */

static void
an_offline_database_costs_the_mark_but_no_other_databases_log (void **state)
{
    (void)state;
    bm_cluster_exec (cluster, orders, "ALTER DATABASE OrdersDb SET OFFLINE");
    int code = bm_cluster_btsmark (cluster, &ran, "run", "--json", NULL);
    assert_true (code == 13 || code == 20 || code == 21);
    s_names ("OrdersDb", "OFFLINE");
    assert_int_equal (s_sets (), 1); /* no full of everybody for its sake */
    assert_int_equal (s_good (s_set (0)), 7);
    bm_cluster_exec (cluster, orders, "ALTER DATABASE OrdersDb SET ONLINE");
    s_expect (0, "run");
    assert_true (s_complete (s_set (0)));
}

static void
a_database_in_simple_recovery_is_named_and_once_it_is_full_again_a_full_mends_its_chain (
    void **state)
{
    (void)state;
    bm_cluster_exec (cluster, orders, "ALTER DATABASE OrdersDb SET RECOVERY SIMPLE");
    int code = bm_cluster_btsmark (cluster, &ran, "run", "--json", NULL);
    assert_true (code == 20 || code == 21);
    s_names ("OrdersDb", "SIMPLE");
    assert_int_equal (s_good (s_set (s_sets () - 1)), 7);
    bm_cluster_exec (cluster, orders, "ALTER DATABASE OrdersDb SET RECOVERY FULL");
    s_expect (0, "run");
    assert_string_equal (s_text (s_set (0), "type"), "db");
    assert_true (s_complete (s_set (0)) && s_complete (s_set (1)));
    s_expect (0, "run");
    assert_int_equal (s_sets (), 1);
}

static void
a_database_without_its_procedures_is_named_with_the_script_to_run (void **state)
{
    (void)state;
    bm_sql_t *sql = bm_cluster_sql (cluster, orders, "OrdersDb");
    bm_error_t error = {0};
    bm_sql_result_t *result = NULL;
    char *text = bm_cluster_value (
        cluster, orders,
        "SELECT m.definition AS n FROM OrdersDb.sys.sql_modules m WHERE m.object_id = OBJECT_ID "
        "(N'OrdersDb.dbo.sp_SetMark')",
        "n");
    assert_non_null (text);
    assert_int_equal (bm_sql_exec (sql, "DROP PROCEDURE dbo.sp_SetMark", &result, &error), BM_OK);
    bm_sql_result_destroy (&result);
    int code = bm_cluster_btsmark (cluster, &ran, "run", "--json", NULL);
    assert_true (code == 20 || code == 21);
    s_names ("OrdersDb", "sp_SetMark");
    s_names ("OrdersDb", "Backup_Setup_All_Procs");
    assert_int_equal (s_good (s_set (0)), 8); /* its log is backed up all the same */
    assert_int_equal (bm_sql_exec (sql, text, &result, &error), BM_OK);
    bm_sql_result_destroy (&result);
    bm_sql_close (&sql);
    free (text);
    s_expect (0, "run");
}

/* ---- configurations ---------------------------------------------------------------------------------------------- */

static void
an_instance_that_two_agents_serve_is_refused_with_both_names (void **state)
{
    (void)state;
    FILE *file = fopen (bm_cluster_path (cluster, "keys/agent-SQL03.public"), "r");
    char key[64] = {0};
    assert_non_null (file);
    assert_non_null (fgets (key, sizeof key, file));
    fclose (file);
    key[strcspn (key, "\n")] = '\0';
    char *hosts = bm_format ("%s", bm_cluster_path (cluster, "hosts"));
    char line[256] = {0};
    file = fopen (hosts, "r");
    assert_non_null (file);
    for (size_t i = 0; i <= SQL03; i++)
        assert_non_null (fgets (line, sizeof line, file));
    fclose (file);
    free (hosts);
    char *port = strrchr (line, ':');
    assert_non_null (port);
    port[strcspn (port, "\n")] = '\0';
    char *twice = bm_format (
        "[agent SQL03-again]\naddress = tcp://localhost%s\nserver-key = %s\n\n[agent SQL03]", port,
        key);
    bm_cluster_edit (cluster, "btsmark.ini", "[agent SQL03]", twice);
    int code = bm_cluster_btsmark (cluster, &ran, "run", "--json", NULL);
    bm_cluster_edit (cluster, "btsmark.ini", twice, "[agent SQL03]");
    assert_int_equal (code, 10);
    s_names ("SQL03-again", "served twice");
    free (twice);
}

static void
a_database_listed_under_two_spellings_of_its_server_is_backed_up_once (void **state)
{
    (void)state;
    bm_cluster_exec (cluster, 0,
                     "INSERT INTO BizTalkMgmtDb.dbo.adm_OtherBackupDatabases (DefaultDatabaseName, "
                     "DatabaseName, ServerName, BTSServerName) VALUES (N'Again', N'SSODB', "
                     "N'sql01.sandbox.example,1433', N'-')");
    s_expect (0, "run");
    assert_int_equal (json_array_size (json_object_get (s_set (0), "databases")), 8);
    assert_true (s_complete (s_set (0)));
    bm_cluster_exec (cluster, 0,
                     "DELETE FROM BizTalkMgmtDb.dbo.adm_OtherBackupDatabases WHERE "
                     "DefaultDatabaseName = N'Again'");
}

static void
the_history_names_files_as_other_servers_reach_them (void **state)
{
    (void)state;
    char *publish = bm_format ("[agent SQL03]\npublish-as = %s => \\\\SQL03\\Backup",
                               bm_cluster_path (cluster, "backup/SQL03"));
    bm_cluster_edit (cluster, "btsmark.ini", "[agent SQL03]", publish);
    s_expect (0, "run");
    char *batch = bm_format (
        "SELECT COUNT (*) AS n FROM BizTalkMgmtDb.dbo.adm_BackupHistory WHERE BackupSetId = %lld "
        "AND BackupFileLocation = N'\\\\SQL03\\Backup' AND BackupFileName NOT LIKE N'%%[\\/]%%'",
        (long long)s_id (s_set (0)));
    long published = s_number (0, batch);
    free (batch);
    assert_int_equal (published, s_number (SQL03, "SELECT COUNT (DISTINCT database_name) AS n FROM "
                                                  "msdb.dbo.backupset WHERE type = 'L'"));
    assert_true (published > 0);
    bm_cluster_edit (cluster, "btsmark.ini", publish, "[agent SQL03]");
    free (publish);
}

/* ---- fulls ------------------------------------------------------------------------------------------------------- */

static long
s_rows (json_int_t set, int complete)
{
    char *batch = bm_format ("SELECT COUNT (*) AS n FROM BizTalkMgmtDb.dbo.adm_BackupHistory WHERE "
                             "BackupSetId = %lld AND SetComplete = %d",
                             (long long)set, complete);
    long rows = s_number (0, batch);
    free (batch);
    return rows;
}

/*  A full set that lacks the databases of SQL03. */
static json_int_t
s_broken_full (void)
{
    s_expect (0, "force-full");
    bm_cluster_fault (cluster, SQL03, "disk_full_after", "1");
    s_expect (20, "run");
    bm_cluster_fault (cluster, SQL03, "disk_full_after", "0");
    assert_string_equal (s_text (s_set (0), "type"), "db");
    assert_false (s_complete (s_set (0)));
    return s_id (s_set (0));
}

static void
a_run_killed_in_the_repair_of_a_full_is_settled_and_the_repair_goes_on (void **state)
{
    (void)state;
    json_int_t set = s_broken_full ();
    assert_int_equal (
        s_number (0,
                  "SELECT CAST (ForceFull AS int) AS n FROM BizTalkMgmtDb.dbo.adm_BackupSettings"),
        0); /* answered by the set that is repaired, not by one more full each run */
    bm_cluster_fault (cluster, SQL03, "disk_rate", "2000");
    bm_process_t *run = bm_cluster_spawn_btsmark (cluster, "run", "--json", "--events", NULL);
    bm_process_wait_text (run, "full_repair", WAIT_MS);
    bm_process_wait_text (run, "BACKUP DATABASE", WAIT_MS);
    bm_process_signal (run, SIGKILL);
    bm_process_wait_end (run, &ran, END_MS);
    bm_process_destroy (&run);
    bm_cluster_fault (cluster, SQL03, "disk_rate", "0");
    s_expect (0, "run");
    assert_int_equal (s_rows (set, 1), 8);
    assert_int_equal (s_rows (set, 0), 0);
    for (size_t i = 0; i < s_sets (); i++)
        assert_true (s_complete (s_set (i)));
    s_expect (0, "run");
    assert_int_equal (s_sets (), 1);
}

static void
logs_go_on_beside_a_long_repair (void **state)
{
    (void)state;
    json_int_t set = s_broken_full ();
    bm_cluster_edit (cluster, "btsmark.ini", "[schedule]\n", "[schedule]\nlog-every = 1 s\n");
    bm_cluster_fault (cluster, SQL03, "disk_rate", "50");
    bm_process_t *run = bm_cluster_spawn_btsmark (cluster, "run", "--json", "--events", NULL);
    bm_process_wait_text (run, "BACKUP DATABASE", WAIT_MS);
    s_expect (0, "run"); /* another one is not needed meanwhile */
    s_names ("already served", "another run");
    bm_process_wait_text (run, "\"mark\"", WAIT_MS);
    bm_cluster_fault (cluster, SQL03, "disk_rate", "0");
    assert_int_equal (bm_process_wait_end (run, &ran, END_MS), 0);
    bm_process_destroy (&run);
    assert_true (s_sets () >= 3);
    assert_int_equal (s_id (s_set (0)), set);
    assert_true (s_complete (s_set (0)) && s_complete (s_set (1)));
    bm_cluster_edit (cluster, "btsmark.ini", "[schedule]\nlog-every = 1 s\n", "[schedule]\n");
}

static void
with_legacy_log_shipping_a_failed_full_is_followed_by_one_new_full_set (void **state)
{
    (void)state;
    bm_cluster_edit (cluster, "btsmark.ini", "[schedule]\n",
                     "[backup]\nlegacy-log-shipping = yes\n\n[schedule]\n");
    json_int_t set = s_broken_full ();
    s_expect (0, "run");
    assert_string_equal (s_text (s_set (0), "type"), "db");
    assert_true (s_id (s_set (0)) > set);
    assert_true (s_complete (s_set (0)));
    assert_int_equal (s_rows (set, 1), 0); /* the broken one stays as it is */
    s_expect (0, "run");
    assert_int_equal (s_sets (), 1);
    bm_cluster_edit (cluster, "btsmark.ini", "[backup]\nlegacy-log-shipping = yes\n\n[schedule]\n",
                     "[schedule]\n");
}

static void
a_set_whose_history_rows_are_gone_is_closed_and_told_once (void **state)
{
    (void)state;
    json_int_t set = s_broken_full ();
    bm_cluster_fault (cluster, SQL03, "disk_rate", "2000");
    bm_process_t *run = bm_cluster_spawn_btsmark (cluster, "run", "--json", "--events", NULL);
    bm_process_wait_text (run, "BACKUP DATABASE", WAIT_MS);
    bm_process_signal (run, SIGKILL);
    bm_process_wait_end (run, &ran, END_MS);
    bm_process_destroy (&run);
    bm_cluster_fault (cluster, SQL03, "disk_rate", "0");
    char *batch = bm_format ("DELETE FROM BizTalkMgmtDb.dbo.adm_BackupHistory WHERE BackupSetId = "
                             "%lld AND DatabaseName = N'SSODB'",
                             (long long)set);
    bm_cluster_exec (cluster, 0, batch);
    free (batch);
    int code = bm_cluster_btsmark (cluster, &ran, "run", "--json", NULL);
    if (code != 0 && code != 20)
        fail_msg ("0 or 20 was expected, it ended with %d:\n%s\n%s", code, ran.out, ran.err);
    code = bm_cluster_btsmark (cluster, &ran, "run", "--json", NULL);
    assert_int_equal (code, 0);
    s_expect (0, "run");
    assert_int_equal (json_array_size (json_object_get (ran.json, "warnings")), 0);
    assert_int_equal (s_sets (), 1);
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
        cmocka_unit_test (an_offline_database_costs_the_mark_but_no_other_databases_log),
        cmocka_unit_test (
            a_database_in_simple_recovery_is_named_and_once_it_is_full_again_a_full_mends_its_chain),
        cmocka_unit_test (a_database_without_its_procedures_is_named_with_the_script_to_run),
        cmocka_unit_test (an_instance_that_two_agents_serve_is_refused_with_both_names),
        cmocka_unit_test (a_database_listed_under_two_spellings_of_its_server_is_backed_up_once),
        cmocka_unit_test (the_history_names_files_as_other_servers_reach_them),
        cmocka_unit_test (a_run_killed_in_the_repair_of_a_full_is_settled_and_the_repair_goes_on),
        cmocka_unit_test (logs_go_on_beside_a_long_repair),
        cmocka_unit_test (with_legacy_log_shipping_a_failed_full_is_followed_by_one_new_full_set),
        cmocka_unit_test (a_set_whose_history_rows_are_gone_is_closed_and_told_once),
        cmocka_unit_test (every_process_ends_cleanly_and_no_log_holds_an_unexpected_error),
    };
    return cmocka_run_group_tests (tests, s_setup, s_teardown);
}
