/*  `btsmark check` and `btsmark status` on a whole group: nothing is wrong until something is, and then exactly that is told, with
 *  a remedy that is one. */
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "tests/e2e/cluster.h"

enum { SQL01, SQL02, SQL03 };

static bm_cluster_t *cluster;
static bm_ran_t ran;

static int
s_setup (void **state)
{
    (void)state;
    cluster = bm_cluster_start (3, 8, false);
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
s_run (void)
{
    if (bm_cluster_btsmark (cluster, &ran, "run", "--json", NULL) != 0)
        fail_msg ("a good run was expected, it ended with %d:\n%s\n%s", ran.exit_code, ran.out,
                  ran.err);
}

/*  The exit code of `check --json`, whose object has every key. */
static int
s_check (void)
{
    static const char *const keys[] = {"group",          "databases", "instances", "agents",
                                       "agents_reached", "failures",  "warnings",  "notes",
                                       "findings",       "error",     "exit"};
    int code = bm_cluster_btsmark (cluster, &ran, "check", "--json", NULL);
    if (!ran.json)
        fail_msg ("stdout is not one JSON object:\n%s\nstderr:\n%s", ran.out, ran.err);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_non_null (json_object_get (ran.json, keys[i]));
    assert_int_equal (json_integer_value (json_object_get (ran.json, "exit")), code);
    return code;
}

static const char *
s_get (const json_t *finding, const char *key)
{
    const char *text = json_string_value (json_object_get (finding, key));
    return text ? text : "";
}

static bool
s_is (const json_t *finding, const char *level, const char *topic, const char *server,
      const char *database)
{
    return strcmp (s_get (finding, "level"), level) == 0 &&
           strcmp (s_get (finding, "topic"), topic) == 0 &&
           strcmp (s_get (finding, "server"), server) == 0 &&
           strcmp (s_get (finding, "database"), database) == 0;
}

static json_t *
s_find (const char *level, const char *topic, const char *server, const char *database)
{
    size_t index;
    json_t *finding;
    json_array_foreach (json_object_get (ran.json, "findings"), index,
                        finding) if (s_is (finding, level, topic, server, database)) return finding;
    return NULL;
}

static long long
s_number (const char *key)
{
    return json_integer_value (json_object_get (ran.json, key));
}

/*  Exactly one failure or warning in all, this one; with a remedy. */
static void
s_expect_only (int exit_code, const char *level, const char *topic, const char *server,
               const char *database)
{
    int code = s_check ();
    json_t *found = s_find (level, topic, server, database);
    bool failure = strcmp (level, "failure") == 0;
    if (code != exit_code || !found || s_number ("failures") != (failure ? 1 : 0) ||
        s_number ("warnings") != (failure ? 0 : 1))
        fail_msg ("expected %d and only %s %s of %s %s, got %d:\n%s", exit_code, level, topic,
                  server, database, code, ran.out);
    assert_true (*s_get (found, "remedy"));
}

static void
s_expect_nothing (void)
{
    int code = s_check ();
    if (code != 0 || s_number ("failures") || s_number ("warnings"))
        fail_msg ("nothing was expected, got %d:\n%s", code, ran.out);
}

/* ---- a group in order --------------------------------------------------------------------------------------------- */

static void
before_its_first_run_a_group_is_only_told_so (void **state)
{
    (void)state;
    s_expect_nothing ();
    assert_non_null (s_find ("note", "last-run", "", ""));
    assert_non_null (s_find ("note", "no-full", "SQL02", "BizTalkMsgBoxDb"));
}

static void
a_group_in_order_has_no_finding_above_a_note (void **state)
{
    (void)state;
    s_run ();
    s_expect_nothing ();
    assert_int_equal (s_number ("databases"), 8);
    assert_int_equal (s_number ("instances"), 3);
    assert_int_equal (s_number ("agents_reached"), s_number ("agents"));
    assert_non_null (s_find ("ok", "grants", "SQL03", ""));
    assert_non_null (s_find ("ok", "recovery-point", "", ""));
}

static void
looking_changes_nothing (void **state)
{
    (void)state;
    static const char count[] = "SELECT COUNT (*) AS n FROM BizTalkMgmtDb.dbo.adm_BackupHistory";
    char *before = bm_cluster_value (cluster, SQL01, count, "n");
    s_expect_nothing ();
    char *after = bm_cluster_value (cluster, SQL01, count, "n");
    assert_string_equal (before, after);
    free (before);
    free (after);
    bm_cluster_btsmark (cluster, &ran, "status", "--json", NULL);
    assert_int_equal (json_array_size (json_object_get (ran.json, "sets")), 2);
}

/* ---- one thing at a time ------------------------------------------------------------------------------------------ */

static void
the_old_job_beside_us_is_a_failure_until_it_is_disabled (void **state)
{
    (void)state;
    bm_cluster_exec (
        cluster, SQL01,
        "DECLARE @job uniqueidentifier;"
        "EXEC msdb.dbo.sp_add_job @job_name = N'Nightly marks', @job_id = @job OUTPUT;"
        "EXEC msdb.dbo.sp_add_jobstep @job_id = @job, @step_name = N'MarkAndBackupLog', @command ="
        " N'exec [dbo].[sp_MarkAll] ''BTS'', ''D:\\Backup''';"
        "EXEC msdb.dbo.sp_add_jobschedule @job_id = @job, @name = N'MarkAndBackupLogSched',"
        " @freq_type = 4, @freq_interval = 1, @freq_subday_type = 4, @freq_subday_interval = 15;");
    s_expect_only (20, "failure", "old-job", "SQL01", "");
    assert_non_null (
        strstr (s_get (s_find ("failure", "old-job", "SQL01", ""), "text"), "Nightly marks"));
    bm_cluster_exec (cluster, SQL01, "UPDATE msdb.dbo.sysschedules SET enabled = 0;");
    s_expect_only (0, "warning", "old-job", "SQL01", "");
    bm_cluster_exec (cluster, SQL01, "UPDATE msdb.dbo.sysjobs SET enabled = 0;");
    s_expect_nothing ();
}

static void
a_forgotten_database_is_named_unless_it_belongs_to_others (void **state)
{
    (void)state;
    bm_cluster_exec (cluster, SQL02, "CREATE DATABASE EsbExceptionDb;");
    s_expect_only (0, "warning", "stray-database", "SQL02", "EsbExceptionDb");
    bm_cluster_edit (cluster, "btsmark.ini", "[coordinator]",
                     "[check]\nignore-databases = SQL01/EsbExceptionDb\n[coordinator]");
    s_expect_only (0, "warning", "stray-database", "SQL02", "EsbExceptionDb");
    bm_cluster_edit (cluster, "btsmark.ini", "SQL01/EsbExceptionDb", "SQL02/EsbExceptionDb");
    s_expect_nothing ();
    bm_cluster_edit (cluster, "btsmark.ini", "[check]\nignore-databases = SQL02/EsbExceptionDb\n",
                     "");
    bm_cluster_exec (cluster, SQL02, "DROP DATABASE EsbExceptionDb;");
    s_expect_nothing ();
}

/*  The last full is made to look larger than any disk. */
static void
a_folder_without_room_for_the_next_full_is_a_failure (void **state)
{
    (void)state;
    bm_cluster_exec (cluster, SQL03,
                     "UPDATE msdb.dbo.backupset SET backup_size = backup_size +"
                     " 4000000000000000, compressed_backup_size = compressed_backup_size +"
                     " 4000000000000000 WHERE database_name = N'OrdersDb' AND type = 'D';");
    int code = s_check ();
    assert_int_equal (code, 20);
    assert_int_equal (s_number ("warnings"), 0);
    assert_non_null (s_find ("failure", "space", "SQL03", "OrdersDb"));
    /*  Databases that share the folder share its fate, those of other hosts do not. */
    assert_null (s_find ("failure", "space", "SQL01", "SSODB"));
    bm_cluster_exec (cluster, SQL03,
                     "UPDATE msdb.dbo.backupset SET backup_size = backup_size -"
                     " 4000000000000000, compressed_backup_size = compressed_backup_size -"
                     " 4000000000000000 WHERE database_name = N'OrdersDb' AND type = 'D';");
    s_expect_nothing ();
}

static void
simple_recovery_is_a_failure_and_its_remedy_mends_it (void **state)
{
    (void)state;
    bm_cluster_exec (cluster, SQL03, "ALTER DATABASE OrdersDb SET RECOVERY SIMPLE;");
    s_expect_only (20, "failure", "recovery-model", "SQL03", "OrdersDb");
    bm_cluster_exec (cluster, SQL03, "ALTER DATABASE OrdersDb SET RECOVERY FULL;");
    s_expect_nothing ();
    assert_non_null (s_find ("note", "no-full", "SQL03", "OrdersDb"));
    assert_int_equal (bm_cluster_btsmark (cluster, &ran, "force-full", NULL), 0);
    s_run ();
    s_expect_nothing ();
    assert_null (s_find ("note", "no-full", "SQL03", "OrdersDb"));
}

/*  A login with sa's password, which the sandbox's configuration has at hand. */
static void
s_make_login (size_t host, const char *name)
{
    FILE *file = fopen (bm_cluster_path (cluster, "sa.password"), "re");
    assert_non_null (file);
    char line[128] = "";
    assert_non_null (fgets (line, sizeof line, file));
    fclose (file);
    line[strcspn (line, "\n")] = '\0';
    char *batch = bm_format ("CREATE LOGIN %s WITH PASSWORD = N'%s';", name, line);
    bm_cluster_exec (cluster, host, batch);
    free (batch);
}

/*  Types in what check prints until it prints nothing serious any more; returns how many statements that took. */
static size_t
s_type_in (size_t host)
{
    size_t rounds = 0, typed = 0, index;
    json_t *finding;
    while (s_check () != 0 || s_number ("warnings") > 0) {
        if (++rounds > 4)
            fail_msg ("after %zu statements there is still:\n%s", typed, ran.out);
        json_t *findings = json_incref (json_object_get (ran.json, "findings"));
        json_array_foreach (findings, index, finding)
        {
            const char *remedy = s_get (finding, "remedy"), *level = s_get (finding, "level");
            bool statement = strncmp (remedy, "USE ", 4) == 0;
            bool serious = strcmp (level, "failure") == 0 || strcmp (level, "warning") == 0;
            if (serious && !statement)
                fail_msg ("this is no statement: %s: %s -> %s", s_get (finding, "topic"),
                          s_get (finding, "text"), remedy);
            if (!statement)
                continue;
            bm_cluster_exec (cluster, host, remedy);
            typed++;
        }
        json_decref (findings);
    }
    return typed;
}

static void
the_grants_that_are_printed_are_the_ones_that_an_agent_lacks (void **state)
{
    (void)state;
    s_make_login (SQL03, "btsagent");
    bm_cluster_edit (cluster, "agent-SQL03.ini", "login = sa", "login = btsagent");
    bm_cluster_kill (cluster, "agent-SQL03", SIGTERM);
    bm_cluster_resume (cluster);
    assert_true (s_type_in (SQL03) >= 8);
    s_run ();
    /*  The tracking databases, all of them on SQL03, were seen to be such, and held still. */
    json_t *sets = json_object_get (ran.json, "sets");
    json_t *log = json_array_get (sets, json_array_size (sets) - 1);
    assert_true (json_is_integer (json_object_get (log, "fence_ms")));
    s_expect_nothing ();
}

/*  That a login may connect to the management database at all is the one thing it must have to be told the rest. */
static void
the_grants_that_are_printed_are_the_ones_that_the_coordinator_lacks (void **state)
{
    (void)state;
    s_make_login (SQL01, "btscoord");
    bm_cluster_exec (cluster, SQL01, "USE BizTalkMgmtDb; CREATE USER btscoord FOR LOGIN btscoord;");
    bm_cluster_edit (cluster, "btsmark.ini", "login = sa", "login = btscoord");
    assert_true (s_type_in (SQL01) >= 8);
    s_run ();
    s_expect_nothing ();
    bm_cluster_edit (cluster, "btsmark.ini", "login = btscoord", "login = sa");
}

static void
one_right_that_is_taken_away_is_the_one_that_is_told (void **state)
{
    (void)state;
    bm_cluster_exec (cluster, SQL03, "USE BizTalkDTADb; DENY BACKUP LOG TO btsagent;");
    s_expect_only (20, "failure", "grants", "SQL03", "BizTalkDTADb");
    json_t *found = s_find ("failure", "grants", "SQL03", "BizTalkDTADb");
    assert_string_equal (s_get (found, "remedy"),
                         "USE [BizTalkDTADb]; GRANT BACKUP LOG TO [btsagent];");
    bm_cluster_exec (cluster, SQL03, s_get (found, "remedy"));
    s_expect_nothing ();
}

/* ---- out of reach ------------------------------------------------------------------------------------------------- */

static void
what_is_out_of_reach_is_told_and_the_rest_is_looked_at (void **state)
{
    (void)state;
    bm_cluster_exec (cluster, SQL02, "CREATE DATABASE EsbExceptionDb;");
    bm_cluster_kill (cluster, "agent-SQL03", SIGTERM);
    assert_int_equal (s_check (), 13);
    assert_non_null (s_find ("failure", "agent", "SQL03", ""));
    assert_non_null (s_find ("warning", "stray-database", "SQL02", "EsbExceptionDb"));
    assert_non_null (s_find ("ok", "grants", "SQL01", ""));
    assert_null (s_find ("ok", "grants", "SQL03", ""));
    bm_cluster_resume (cluster);
    bm_cluster_exec (cluster, SQL02, "DROP DATABASE EsbExceptionDb;");
    s_expect_nothing ();
}

static void
without_the_management_server_hosts_are_looked_at_and_status_works (void **state)
{
    (void)state;
    bm_cluster_kill (cluster, "sqlhost-SQL01", SIGTERM);
    assert_int_equal (s_check (), 13);
    assert_non_null (s_find ("failure", "sql-server", "SQL01", ""));
    assert_non_null (s_find ("ok", "grants", "SQL02", "")); /* the group as the last run saw it */
    bm_cluster_btsmark (cluster, &ran, "status", "--json", NULL);
    assert_non_null (ran.json);
    json_t *mark = json_object_get (ran.json, "usable_mark");
    assert_string_equal (s_get (mark, "outcome"), "clean");
    assert_string_equal (s_get (json_object_get (ran.json, "last_run"), "status"), "OK");
    assert_int_equal (s_number ("exit"), 13);
    bm_cluster_resume (cluster);
    s_expect_nothing ();
}

/* ---- status ------------------------------------------------------------------------------------------------------- */

static void
status_fits_a_screen_and_says_what_is_waited_for (void **state)
{
    (void)state;
    bm_cluster_fault (cluster, SQL02, "backup_hold_after", "1");
    bm_process_t *run = bm_cluster_spawn_btsmark (cluster, "log", "--events", NULL);
    bm_process_wait_text (run, "\"server\":\"SQL02\"", 30000);
    bm_process_wait_text (run, "backup_progress", 30000);
    assert_int_equal (bm_cluster_btsmark (cluster, &ran, "status", NULL), 0);
    if (!strstr (ran.out, "running   btsmark log, for") ||
        !strstr (ran.out, "waiting for SQL02: log backup of"))
        fail_msg ("status does not say what is waited for:\n%s", ran.out);
    size_t lines = 0, widest = 0;
    for (const char *at = ran.out; *at; lines++) {
        size_t width = strcspn (at, "\n");
        widest = width > widest ? width : widest;
        at += width + (at[width] == '\n');
    }
    assert_true (lines <= 24);
    assert_true (widest <= 80);
    bm_cluster_fault (cluster, SQL02, "backup_hold_after", "0");
    assert_int_equal (bm_process_wait_end (run, &ran, 60000), 0);
    bm_process_destroy (&run);
    assert_int_equal (bm_cluster_btsmark (cluster, &ran, "status", NULL), 0);
    assert_null (strstr (ran.out, "waiting for"));
    assert_non_null (strstr (ran.out, "nothing needs attention"));
}

static void
a_wrong_configuration_is_a_finding_too (void **state)
{
    (void)state;
    bm_cluster_edit (cluster, "btsmark.ini", "[coordinator]",
                     "[check]\nfull-age = old\n[coordinator]");
    assert_int_equal (s_check (), 10);
    assert_non_null (s_find ("failure", "configuration", "", ""));
    bm_cluster_edit (cluster, "btsmark.ini", "[check]\nfull-age = old\n", "");
}

static void
every_process_ends_clean (void **state)
{
    (void)state;
    bm_cluster_assert_clean_end (cluster, (const char *const[]){NULL});
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (before_its_first_run_a_group_is_only_told_so),
        cmocka_unit_test (a_group_in_order_has_no_finding_above_a_note),
        cmocka_unit_test (looking_changes_nothing),
        cmocka_unit_test (the_old_job_beside_us_is_a_failure_until_it_is_disabled),
        cmocka_unit_test (a_forgotten_database_is_named_unless_it_belongs_to_others),
        cmocka_unit_test (a_folder_without_room_for_the_next_full_is_a_failure),
        cmocka_unit_test (simple_recovery_is_a_failure_and_its_remedy_mends_it),
        cmocka_unit_test (the_grants_that_are_printed_are_the_ones_that_an_agent_lacks),
        cmocka_unit_test (the_grants_that_are_printed_are_the_ones_that_the_coordinator_lacks),
        cmocka_unit_test (one_right_that_is_taken_away_is_the_one_that_is_told),
        cmocka_unit_test (what_is_out_of_reach_is_told_and_the_rest_is_looked_at),
        cmocka_unit_test (without_the_management_server_hosts_are_looked_at_and_status_works),
        cmocka_unit_test (status_fits_a_screen_and_says_what_is_waited_for),
        cmocka_unit_test (a_wrong_configuration_is_a_finding_too),
        cmocka_unit_test (every_process_ends_clean),
    };
    return cmocka_run_group_tests (tests, s_setup, s_teardown);
}
