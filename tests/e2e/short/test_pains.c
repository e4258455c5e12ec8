/*  What administrators suffer from with the "Backup BizTalk Server" job, one test each: the trouble is made, and what btsmark does
 *  about it is looked at from outside. */
#include <dirent.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "tests/e2e/cluster.h"

enum { WAIT_MS = 60000, END_MS = 120000, SQL01 = 0, SQL02 = 1, SQL03 = 2 };

static bm_cluster_t *cluster;
static bm_ran_t ran;

/*  What tests put into the configuration stands before this line, and is taken out again by s_configure (NULL). */
#define ANCHOR "\n[coordinator]\n"

static char *configured;

static void
s_configure (const char *lines)
{
    if (configured) {
        char *with = bm_format ("%s%s", configured, ANCHOR);
        bm_cluster_edit (cluster, "btsmark.ini", with, ANCHOR);
        free (with);
        free (configured);
        configured = NULL;
    }
    if (!lines)
        return;
    configured = bm_format ("\n%s\n", lines);
    char *with = bm_format ("%s%s", configured, ANCHOR);
    bm_cluster_edit (cluster, "btsmark.ini", ANCHOR, with);
    free (with);
}

static void
s_expect (int expected, const char *command)
{
    int code = bm_cluster_btsmark (cluster, &ran, command, "--json", NULL);
    if (code != expected || !ran.json)
        fail_msg ("%s: %d was expected, it ended with %d:\n%s\n%s", command, expected, code,
                  ran.out, ran.err);
}

static json_t *
s_at (const char *list, size_t index)
{
    json_t *item = json_array_get (json_object_get (ran.json, list), index);
    if (!item)
        fail_msg ("no %s[%zu] in:\n%s\n%s", list, index, ran.out, ran.err);
    return item;
}

static const char *
s_text (const json_t *object, const char *key)
{
    const char *text = json_string_value (json_object_get (object, key));
    return text ? text : "";
}

/*  The finding of a topic in the last `check`; fails the test when there is none. */
static const json_t *
s_finding (const char *topic, const char *about)
{
    size_t i;
    json_t *finding;
    json_array_foreach (
        json_object_get (ran.json, "findings"), i,
        finding) if (strcmp (s_text (finding, "topic"), topic) == 0 &&
                     (strstr (s_text (finding, "text"), about) ||
                      strcmp (s_text (finding, "database"), about) == 0)) return finding;
    fail_msg ("no finding %s about %s in:\n%s", topic, about, ran.out);
    return NULL;
}

static json_t *
s_database (size_t set, const char *name)
{
    size_t i;
    json_t *database;
    json_array_foreach (json_object_get (s_at ("sets", set), "databases"), i,
                        database) if (strcmp (s_text (database, "database"), name) ==
                                      0) return database;
    fail_msg ("no database %s in:\n%s", name, ran.out);
    return NULL;
}

static long
s_count (size_t host, const char *batch)
{
    char *n = bm_cluster_value (cluster, host, batch, "n");
    long count = n ? strtol (n, NULL, 10) : -1;
    free (n);
    return count;
}

static int
s_setup (void **state)
{
    (void)state;
    cluster = bm_cluster_start (3, 8, false);
    s_expect (0, "run");
    return 0;
}

static int
s_teardown (void **state)
{
    (void)state;
    s_configure (NULL);
    bm_cluster_stop (&cluster);
    bm_ran_clear (&ran);
    return 0;
}

/* ---- when a full is taken ---------------------------------------------------------------------------------------- */

static void
the_full_comes_at_the_hour_of_the_clock_that_the_administrator_chose (void **state)
{
    (void)state;
    s_expect (0, "status");
    assert_non_null (strstr (s_text (ran.json, "next_full"), "T00:00:00"));
    s_configure ("[schedule]\ntime-zone = local\nbackup-hour = 0");
    setenv ("TZ", "TEST-10", 1); /* ten hours ahead of UTC, as Brisbane is */
    s_expect (0, "status");
    unsetenv ("TZ");
    assert_non_null (strstr (s_text (ran.json, "next_full"), "T14:00:00"));
    s_configure (NULL);
}

static void
a_full_that_failed_on_one_host_is_repaired_there_under_its_own_set_id (void **state)
{
    (void)state;
    s_configure ("[schedule]\nfull-retry-pause = 10 ms");
    s_expect (0, "force-full");
    bm_cluster_fault (cluster, SQL03, "disk_full_after", "1");
    s_expect (20, "run");
    json_int_t set = json_integer_value (json_object_get (s_at ("sets", 0), "set_id"));
    assert_false (json_is_true (json_object_get (s_at ("sets", 0), "complete")));
    bm_cluster_fault (cluster, SQL03, "disk_full_after", "0");
    s_expect (0, "run");
    assert_int_equal (json_integer_value (json_object_get (s_at ("sets", 0), "set_id")), set);
    assert_true (json_is_true (json_object_get (s_at ("sets", 0), "complete")));
    char *again = bm_format ("SELECT COUNT(*) AS n FROM BizTalkMgmtDb.dbo.adm_BackupHistory WHERE "
                             "BackupSetId = %lld AND SetComplete = 1",
                             (long long)set);
    assert_int_equal (s_count (SQL01, again), 8);
    free (again);
    /*  Whoever had his full was not asked for another one. */
    assert_int_equal (s_count (SQL01, "SELECT COUNT(*) AS n FROM msdb.dbo.backupset WHERE type = "
                                      "'D' AND database_name = N'SSODB'"),
                      2);
    s_expect (0, "run");
    assert_string_equal (s_text (s_at ("sets", 0), "type"), "lg");
    s_configure (NULL);
}

/* ---- what a failure costs ---------------------------------------------------------------------------------------- */

static void
a_partial_set_costs_that_set_and_nothing_up_to_the_next_full (void **state)
{
    (void)state;
    bm_cluster_fault (cluster, SQL02, "disk_full_after", "1");
    s_expect (20, "run");
    assert_string_equal (s_text (s_database (0, "SSODB"), "status"), "ok");
    assert_string_equal (s_text (s_database (0, "BizTalkMsgBoxDb"), "status"), "failed");
    bm_cluster_fault (cluster, SQL02, "disk_full_after", "0");
    s_expect (0, "run");
    assert_int_equal (json_array_size (json_object_get (ran.json, "sets")), 1);
    char *mark = bm_strdup (s_text (s_at ("sets", 0), "mark"));
    s_expect (0, "marks");
    assert_string_equal (s_text (json_object_get (ran.json, "latest"), "mark"), mark);
    free (mark);
}

static void
the_cause_of_a_failed_backup_is_told_with_the_operating_systems_error (void **state)
{
    (void)state;
    bm_cluster_fault (cluster, SQL02, "disk_full_after", "1");
    s_expect (20, "run");
    bm_cluster_fault (cluster, SQL02, "disk_full_after", "0");
    json_t *messages = json_object_get (s_database (0, "BizTalkMsgBoxDb"), "messages");
    size_t i;
    json_t *message;
    const char *cause = "";
    json_array_foreach (
        messages, i, message) if (json_integer_value (json_object_get (message, "number")) == 3202)
        cause = s_text (message, "text");
    if (!strstr (cause, "112"))
        fail_msg ("no message 3202 with the disk's error 112 in:\n%s", ran.out);
    assert_true (*s_text (json_object_get (ran.json, "error"), "remedy"));
    s_expect (0, "run");
}

static void
history_is_cleared_although_the_backup_failed (void **state)
{
    (void)state;
    static const char old_rows[] = "SELECT COUNT(*) AS n FROM BizTalkMgmtDb.dbo.adm_BackupHistory "
                                   "WHERE BackupDateTime < '20210101'";
    s_configure ("[retention]\nfiles = keep");
    bm_cluster_exec (cluster, SQL01,
                     "UPDATE BizTalkMgmtDb.dbo.adm_BackupHistory SET BackupDateTime = '20200101' "
                     "WHERE BackupSetId = 1");
    assert_int_equal (s_count (SQL01, old_rows), 8);
    bm_cluster_fault (cluster, SQL02, "disk_full_after", "1");
    s_expect (20, "run");
    bm_cluster_fault (cluster, SQL02, "disk_full_after", "0");
    assert_int_equal (s_count (SQL01, old_rows), 0);
    s_configure (NULL);
    s_expect (0, "run");
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

/*  The job's linked servers end a backup after `remote query timeout`, 600 s. Here every deadline is shorter than the backup. */
static void
a_backup_may_take_longer_than_every_deadline (void **state)
{
    (void)state;
    s_configure ("[round]\nprepare-deadline = 1 s\ngreet-deadline = 1 s\nprove-deadline = 2 s\n"
                 "prove-poll = 500 ms");
    bm_cluster_edit (cluster, "btsmark.ini", ANCHOR,
                     ANCHOR "heartbeat = 2 s\nagent-timeout = 5 s\n");
    bm_cluster_fault (cluster, SQL02, "backup_hold_after", "1");
    bm_process_t *run = bm_cluster_spawn_btsmark (cluster, "full", "--json", "--events", NULL);
    /*  Agents speak every 2 s: the first number that begins with a 1 is that of 10 s or more, twice agent-timeout. */
    bm_process_wait_text (run, "\"elapsed_ms\":1", WAIT_MS);
    bm_cluster_fault (cluster, SQL02, "backup_hold_after", "0");
    int code = bm_process_wait_end (run, &ran, END_MS);
    bm_process_destroy (&run);
    if (code != 0)
        fail_msg ("it ended with %d:\n%s\n%s", code, ran.out, ran.err);
    assert_true (json_is_true (json_object_get (s_at ("sets", 0), "complete")));
    bm_cluster_edit (cluster, "btsmark.ini", "heartbeat = 2 s\nagent-timeout = 5 s\n", "");
    s_configure (NULL);
}

static void
a_recovery_point_that_the_schedule_does_not_keep_is_told (void **state)
{
    (void)state;
    s_configure ("[check]\nrecovery-point = 1 ms");
    int code = bm_cluster_btsmark (cluster, &ran, "check", "--json", NULL);
    assert_true (code != 0);
    assert_string_equal (s_text (s_finding ("recovery-point", "mark"), "level"), "failure");
    s_configure (NULL);
}

/*  The job stands disabled until somebody configures it, and the MessageBox's log fills meanwhile. */
static void
a_log_that_nobody_backs_up_is_told_before_it_fills_the_disk (void **state)
{
    (void)state;
    bm_cluster_exec (
        cluster, SQL02,
        "USE BizTalkMsgBoxDb; CREATE TABLE dbo.Grows (x nvarchar(4000)); DECLARE @i int; "
        "SET @i = 0; WHILE @i < 400 BEGIN INSERT INTO dbo.Grows VALUES (REPLICATE(N'x', "
        "4000)); SET @i = @i + 1 END");
    char *reason = bm_cluster_value (
        cluster, SQL02,
        "SELECT log_reuse_wait_desc AS n FROM sys.databases WHERE name = N'BizTalkMsgBoxDb'", "n");
    assert_string_equal (reason, "LOG_BACKUP");
    free (reason);
    bm_cluster_exec (cluster, SQL02,
                     "UPDATE msdb.dbo.backupset SET backup_finish_date = DATEADD(day, -1, "
                     "backup_finish_date) WHERE database_name = N'BizTalkMsgBoxDb' AND type = 'L'");
    bm_cluster_btsmark (cluster, &ran, "check", "--json", NULL);
    const json_t *finding = s_finding ("log-reuse", "BizTalkMsgBoxDb");
    assert_string_not_equal (s_text (finding, "level"), "ok");
    assert_true (*s_text (finding, "remedy"));
    s_expect (0, "run");
    reason = bm_cluster_value (
        cluster, SQL02,
        "SELECT log_reuse_wait_desc AS n FROM sys.databases WHERE name = N'BizTalkMsgBoxDb'", "n");
    assert_string_equal (reason, "NOTHING");
    free (reason);
}

/* ---- databases that are forgotten -------------------------------------------------------------------------------- */

/*  Batches of a file of deploy/sql/group, separated by GO, in one database. */
static void
s_run_script (size_t host, const char *database, const char *name)
{
    const char *source = getenv ("BTSMARK_SOURCE");
    char *path = bm_format ("%s/deploy/sql/group/%s", source ? source : ".", name);
    FILE *file = fopen (path, "r");
    if (!file)
        fail_msg ("%s cannot be read", path);
    bm_sql_t *sql = bm_cluster_sql (cluster, host, database);
    char line[4096], *batch = bm_strdup ("");
    while (true) {
        bool more = fgets (line, sizeof line, file) != NULL;
        if (more && strcmp (line, "GO\n") != 0) {
            char *longer = bm_format ("%s%s", batch, line);
            free (batch);
            batch = longer;
            continue;
        }
        bm_error_t error = {0};
        if (strspn (batch, " \n\r\t") < strlen (batch) &&
            bm_sql_exec (sql, batch, NULL, &error) != BM_OK)
            fail_msg ("%s: %s", path, error.text);
        batch[0] = '\0';
        if (!more)
            break;
    }
    free (batch);
    bm_sql_close (&sql);
    fclose (file);
    free (path);
}

static void
a_forgotten_database_is_named_and_once_added_gets_its_full_in_the_same_run (void **state)
{
    (void)state;
    bm_cluster_exec (cluster, SQL02, "CREATE DATABASE [EsbExceptionDb]");
    bm_cluster_exec (cluster, SQL02, "ALTER DATABASE [EsbExceptionDb] SET RECOVERY FULL");
    s_run_script (SQL02, "EsbExceptionDb", "backup-setup.sql");
    bm_cluster_btsmark (cluster, &ran, "check", "--json", NULL);
    const json_t *finding = s_finding ("stray-database", "EsbExceptionDb");
    assert_non_null (strstr (s_text (finding, "remedy"), "adm_OtherBackupDatabases"));
    bm_cluster_exec (cluster, SQL01,
                     "INSERT INTO BizTalkMgmtDb.dbo.adm_OtherBackupDatabases VALUES "
                     "(N'EsbExceptionDb', N'EsbExceptionDb', N'SQL02', N'-')");
    /*  The job would fail with 4214 for everybody until somebody forces a full. */
    s_expect (0, "run");
    assert_int_equal (s_count (SQL02, "SELECT COUNT(*) AS n FROM msdb.dbo.backupset WHERE "
                                      "database_name = N'EsbExceptionDb' AND type = 'D'"),
                      1);
    char *mark = bm_strdup (
        s_text (s_at ("sets", json_array_size (json_object_get (ran.json, "sets")) - 1), "mark"));
    s_expect (0, "marks");
    assert_string_equal (s_text (json_object_get (ran.json, "latest"), "mark"), mark);
    assert_int_equal (
        json_integer_value (json_object_get (json_object_get (ran.json, "latest"), "databases")),
        9);
    free (mark);
}

/* ---- is the backup good? ----------------------------------------------------------------------------------------- */

static void
a_backup_whose_record_failed_is_read_from_its_file_and_counts_with_a_warning (void **state)
{
    (void)state;
    bm_cluster_fault (cluster, SQL03, "history_fail", "1");
    s_expect (0, "run");
    size_t i, warned = 0;
    json_t *database;
    json_array_foreach (json_object_get (s_at ("sets", 0), "databases"), i, database) warned +=
        strcmp (s_text (database, "status"), "ok_with_warnings") == 0;
    assert_int_equal (warned, 1);
    assert_true (json_is_true (json_object_get (s_at ("sets", 0), "complete")));
    s_expect (0, "run");
}

static void
a_native_backup_carries_checksums_over_every_page (void **state)
{
    (void)state;
    static const char without[] = "SELECT COUNT(*) AS n FROM msdb.dbo.backupset WHERE "
                                  "has_backup_checksums = 0 AND name LIKE N'btsmark%'";
    static const char with[] = "SELECT COUNT(*) AS n FROM msdb.dbo.backupset WHERE "
                               "has_backup_checksums = 1";
    long before = s_count (SQL03, with);
    s_configure ("[backup]\nmethod = native");
    s_expect (0, "run");
    s_configure (NULL);
    assert_true (s_count (SQL03, with) > before);
    assert_int_equal (s_count (SQL03, without), 0);
}

static void
compression_follows_the_setting_and_never_touches_sso (void **state)
{
    (void)state;
    s_configure ("[backup]\ncompression = yes");
    s_expect (0, "full");
    static const char smaller[] = "SELECT COUNT(*) AS n FROM msdb.dbo.backupset WHERE "
                                  "compressed_backup_size < backup_size AND "
                                  "database_name = N'%s'";
    char *management = bm_format (smaller, "BizTalkMgmtDb"), *sso = bm_format (smaller, "SSODB");
    assert_int_equal (s_count (SQL01, management), 1);
    assert_int_equal (s_count (SQL01, sso), 0);
    free (management);
    free (sso);
    s_configure (NULL);
}

/* ---- set-up ------------------------------------------------------------------------------------------------------ */

/*  The job reaches other instances through linked servers and MSDTC, which security teams refuse. */
static void
marks_over_three_instances_need_no_linked_server (void **state)
{
    (void)state;
    for (size_t host = 0; host < bm_cluster_hosts (cluster); host++)
        assert_int_equal (
            s_count (host, "SELECT COUNT(*) AS n FROM sys.servers WHERE is_linked = 1"), 0);
    s_expect (0, "run");
    assert_string_equal (s_text (s_at ("sets", 0), "outcome"), "clean");
}

/* ---- what is deleted --------------------------------------------------------------------------------------------- */

static size_t
s_backup_files (size_t host)
{
    DIR *folder =
        opendir (bm_cluster_path (cluster, "backup/%s", bm_cluster_instance (cluster, host)));
    assert_non_null (folder);
    size_t files = 0;
    struct dirent *entry;
    while ((entry = readdir (folder)))
        files += strstr (entry->d_name, ".bak") != NULL;
    closedir (folder);
    return files;
}

static void
files_that_no_kept_mark_needs_go_on_every_host_and_no_chain_is_orphaned (void **state)
{
    (void)state;
    s_configure ("[retention]\nfiles = keep");
    for (int i = 0; i < 3; i++)
        s_expect (0, i == 0 ? "full" : "log");
    size_t before[3], host;
    for (host = 0; host < 3; host++)
        before[host] = s_backup_files (host);
    s_configure ("[retention]\nkeep-marks = 2\nkeep-time = 1 ms");
    s_expect (0, "clean");
    for (host = 0; host < 3; host++)
        assert_true (s_backup_files (host) < before[host]);
    s_expect (0, "marks");
    size_t i, usable = 0;
    json_t *mark;
    json_array_foreach (json_object_get (ran.json, "marks"), i, mark) usable +=
        json_is_true (json_object_get (mark, "usable"));
    assert_int_equal (usable, 2);
    s_configure (NULL);
    s_expect (0, "run");
    s_expect (0, "marks");
    assert_true (json_is_true (json_object_get (json_object_get (ran.json, "latest"), "usable")));
}

static void
old_names_leave_marklog_while_biztalk_works (void **state)
{
    (void)state;
    bm_cluster_exec (
        cluster, SQL03,
        "INSERT INTO BizTalkDTADb.dbo.MarkLog (MarkName) VALUES (N'BTS_2019_01_01_00_00_00_000')");
    s_expect (0, "clean");
    assert_int_equal (s_count (SQL03, "SELECT COUNT(*) AS n FROM BizTalkDTADb.dbo.MarkLog WHERE "
                                      "MarkName = N'BTS_2019_01_01_00_00_00_000'"),
                      0);
    assert_true (s_count (SQL03, "SELECT COUNT(*) AS n FROM BizTalkDTADb.dbo.MarkLog") > 0);
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
        cmocka_unit_test (the_full_comes_at_the_hour_of_the_clock_that_the_administrator_chose),
        cmocka_unit_test (a_full_that_failed_on_one_host_is_repaired_there_under_its_own_set_id),
        cmocka_unit_test (a_partial_set_costs_that_set_and_nothing_up_to_the_next_full),
        cmocka_unit_test (the_cause_of_a_failed_backup_is_told_with_the_operating_systems_error),
        cmocka_unit_test (history_is_cleared_although_the_backup_failed),
        cmocka_unit_test (a_backup_may_take_longer_than_every_deadline),
        cmocka_unit_test (a_recovery_point_that_the_schedule_does_not_keep_is_told),
        cmocka_unit_test (a_log_that_nobody_backs_up_is_told_before_it_fills_the_disk),
        cmocka_unit_test (
            a_forgotten_database_is_named_and_once_added_gets_its_full_in_the_same_run),
        cmocka_unit_test (
            a_backup_whose_record_failed_is_read_from_its_file_and_counts_with_a_warning),
        cmocka_unit_test (a_native_backup_carries_checksums_over_every_page),
        cmocka_unit_test (compression_follows_the_setting_and_never_touches_sso),
        cmocka_unit_test (marks_over_three_instances_need_no_linked_server),
        cmocka_unit_test (files_that_no_kept_mark_needs_go_on_every_host_and_no_chain_is_orphaned),
        cmocka_unit_test (old_names_leave_marklog_while_biztalk_works),
        cmocka_unit_test (every_process_ends_cleanly_and_no_log_holds_an_unexpected_error),
    };
    return cmocka_run_group_tests (tests, s_setup, s_teardown);
}
