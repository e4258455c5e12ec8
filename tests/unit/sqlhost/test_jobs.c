/*  SQL Server Agent's tables and procedures in msdb, history's clean-up, a log's space. */
#include "tests/unit/sqlhost/tsql_fixture.h"

static fx_t s_fx;
static fx_client_t *s_a;

static int
s_setup (void **state)
{
    (void)state;
    fx_up (&s_fx);
    s_a = fx_client (&s_fx);
    return 0;
}

static int
s_teardown (void **state)
{
    (void)state;
    fx_leave (s_a);
    fx_down (&s_fx);
    return 0;
}

static void
s_must (const char *sql)
{
    fx_run (s_a, sql);
    if (strchr (s_a->out, '!'))
        fail_msg ("%s: %s", sql, s_a->last_text);
}

static void
the_old_job_can_be_placed_and_scheduled (void **state)
{
    (void)state;
    s_must ("DECLARE @id uniqueidentifier EXEC msdb.dbo.sp_add_job @job_name = N'Backup BizTalk "
            "Server (BizTalkMgmtDb)', @enabled = 1, @category_name = N'Database Maintenance', "
            "@job_id = @id OUTPUT "
            "IF @id IS NULL RAISERROR ('no id', 16, 1) "
            "EXEC msdb.dbo.sp_add_jobstep @job_id = @id, @step_name = N'Set Compression Option', "
            "@command = N'exec [dbo].[sp_SetBackupCompression] @bCompression = 0', "
            "@database_name = N'BizTalkMgmtDb', @on_success_action = 3 "
            "EXEC msdb.dbo.sp_add_jobstep @job_id = @id, @step_name = N'BackupFull', @command = "
            "N'exec [dbo].[sp_BackupAllFull_Schedule] ''d''', @database_name = N'BizTalkMgmtDb' "
            "EXEC msdb.dbo.sp_add_jobserver @job_id = @id "
            "EXEC msdb.dbo.sp_add_jobschedule @job_id = @id, @name = N'MarkAndBackupLogSched', "
            "@freq_type = 4, @freq_interval = 1, @freq_subday_type = 4, @freq_subday_interval = "
            "15");
    fx_expect (s_a,
               "SELECT j.name, j.enabled, s.step_id, s.subsystem, s.database_name, c.name FROM "
               "msdb.dbo.sysjobs j JOIN msdb.dbo.sysjobsteps s ON s.job_id = j.job_id JOIN "
               "msdb.dbo.syscategories c ON c.category_id = j.category_id ORDER BY s.step_id",
               "Backup BizTalk Server (BizTalkMgmtDb)|1|1|TSQL|BizTalkMgmtDb|Database "
               "Maintenance\nBackup BizTalk Server (BizTalkMgmtDb)|1|2|TSQL|BizTalkMgmtDb|Database "
               "Maintenance\n");
    fx_expect (s_a,
               "SELECT c.name, c.enabled, c.freq_subday_interval FROM msdb.dbo.sysjobschedules l "
               "JOIN msdb.dbo.sysschedules c ON c.schedule_id = l.schedule_id JOIN "
               "msdb.dbo.sysjobs j ON j.job_id = l.job_id",
               "MarkAndBackupLogSched|1|15\n");
    fx_expect (s_a,
               "SELECT COUNT(*) FROM msdb.dbo.sysjobservers SELECT COUNT(*) FROM "
               "msdb.dbo.sysjobactivity",
               "1\n0\n");
}

static void
a_job_is_disabled_renamed_and_deleted (void **state)
{
    (void)state;
    const char *jobs = "SELECT name, enabled FROM msdb.dbo.sysjobs";
    fx_expect (s_a,
               "EXEC msdb.dbo.sp_update_job @job_name = N'Backup BizTalk Server (BizTalkMgmtDb)', "
               "@enabled = 0",
               "=0\n");
    fx_expect (s_a, jobs, "Backup BizTalk Server (BizTalkMgmtDb)|0\n");
    s_must ("EXEC msdb.dbo.sp_update_job @job_name = N'Backup BizTalk Server (BizTalkMgmtDb)', "
            "@new_name = N'o''ld; DROP TABLE sysjobs'");
    fx_expect (s_a, jobs, "o'ld; DROP TABLE sysjobs|0\n");
    s_must ("EXEC msdb.dbo.sp_update_schedule @name = N'MarkAndBackupLogSched', @enabled = 0");
    fx_expect (s_a, "SELECT enabled FROM msdb.dbo.sysschedules", "0\n");
    s_must ("EXEC msdb.dbo.sp_delete_job @job_name = N'o''ld; DROP TABLE sysjobs'");
    fx_expect (s_a,
               "SELECT (SELECT COUNT(*) FROM msdb.dbo.sysjobs), (SELECT COUNT(*) FROM "
               "msdb.dbo.sysjobsteps), (SELECT COUNT(*) FROM msdb.dbo.sysschedules)",
               "0|0|0\n");
}

static void
wrong_jobs_are_refused (void **state)
{
    (void)state;
    fx_expect (s_a, "EXEC msdb.dbo.sp_update_job @job_name = N'none', @enabled = 0",
               "!14262\n=1\n");
    assert_string_equal (s_a->last_text, "The specified @job_name ('none') does not exist.");
    assert_string_equal (s_a->last_procedure, "sp_update_job");
    s_must ("EXEC msdb.dbo.sp_add_job N'one'");
    fx_expect (s_a, "EXEC msdb.dbo.sp_add_job N'one'", "!14261\n=1\n");
    fx_expect (s_a, "EXEC msdb.dbo.sp_add_job N'two', @category_name = N'no such'", "!14234\n=1\n");
    fx_expect (s_a, "EXEC msdb.dbo.sp_add_job", "!201\n=1\n");
    fx_expect (s_a,
               "BEGIN TRY EXEC msdb.dbo.sp_add_job N'one' END TRY BEGIN CATCH SELECT "
               "ERROR_NUMBER() END CATCH",
               "14261\n");
    fx_expect (s_a, "EXEC sp_add_job N'elsewhere'", "!2812\n=1\n");
    fx_expect (s_a, "USE msdb EXEC sp_add_job N'here' USE master", "#5701\n=0\n#5701\n");
    s_must ("CREATE LOGIN bob WITH PASSWORD = 'secret'");
    fx_client_t bob;
    assert_int_equal (fx_open_as (&s_fx, &bob, "bob", "secret", "msdb"), SH_OPEN_OK);
    fx_expect (&bob, "EXEC sp_add_job N'three'", "!229\n=1\n");
    assert_non_null (strstr (bob.last_text, "database 'msdb', schema 'dbo'"));
    s_fx.backend->close (bob.session);
    fx_expect (s_a, "SELECT COUNT(*) FROM msdb.dbo.sysjobs", "2\n");
}

static void
old_history_is_deleted_and_newer_stays (void **state)
{
    char text[300];
    (void)state;
    s_must ("CREATE DATABASE d");
    for (int i = 0; i < 2; i++) {
        snprintf (text, sizeof text, "BACKUP DATABASE d TO DISK = '%s/h%d.bak'", s_fx.directory, i);
        s_must (text);
    }
    s_must ("UPDATE msdb.dbo.backupset SET backup_finish_date = '2001-01-01' WHERE backup_set_id "
            "= 1");
    fx_expect (s_a, "EXEC msdb.dbo.sp_delete_backuphistory '2010-01-01'", "=0\n");
    fx_expect (s_a,
               "SELECT (SELECT COUNT(*) FROM msdb.dbo.backupset), (SELECT COUNT(*) FROM "
               "msdb.dbo.backupfile), (SELECT COUNT(*) FROM msdb.dbo.backupmediafamily), (SELECT "
               "COUNT(*) FROM msdb.dbo.backupmediaset)",
               "1|2|1|1\n");
}

static void
a_logs_space_is_told_in_bytes (void **state)
{
    char text[300];
    (void)state;
    const char *usage = "SELECT SIGN(log_space_in_bytes_since_last_backup), "
                        "total_log_size_in_bytes, CASE WHEN used_log_space_in_bytes <= "
                        "total_log_size_in_bytes THEN 1 END FROM d.sys.dm_db_log_space_usage";
    s_must ("USE d CREATE TABLE t (v nvarchar(4000)) INSERT t VALUES (REPLICATE(N'x', 3000))");
    fx_expect (s_a, usage, "1|8388608|1\n");
    snprintf (text, sizeof text, "BACKUP LOG d TO DISK = '%s/l.trn'", s_fx.directory);
    s_must (text);
    fx_expect (s_a, usage, "0|8388608|1\n");
    for (int i = 0; i < 12; i++)
        s_must ("INSERT t SELECT v FROM t");
    fx_run (s_a, usage);
    assert_null (strstr (s_a->out, "|8388608|"));
    fx_expect (s_a,
               "SELECT CASE WHEN log_space_in_bytes_since_last_backup BETWEEN 4096 * 3000 AND "
               "total_log_size_in_bytes THEN 1 END FROM sys.dm_db_log_space_usage",
               "1\n");
    fx_expect (s_a,
               "SELECT CASE WHEN f.size * 8192 = u.total_log_size_in_bytes THEN 1 END FROM "
               "sys.database_files f, sys.dm_db_log_space_usage u WHERE f.type_desc = 'LOG'",
               "1\n");
    fx_run (s_a, "DBCC SQLPERF (LOGSPACE)");
    assert_int_equal (s_a->column_count, 4);
    assert_int_equal (strncmp (s_a->out, "master|8|", 9), 0);
    assert_non_null (strstr (s_a->out, "\nd|"));
    assert_non_null (strstr (s_a->out, "#2528\n"));
    fx_expect (s_a, "DBCC CHECKDB", "!40000\n");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test (the_old_job_can_be_placed_and_scheduled),
                                       cmocka_unit_test (a_job_is_disabled_renamed_and_deleted),
                                       cmocka_unit_test (wrong_jobs_are_refused),
                                       cmocka_unit_test (old_history_is_deleted_and_newer_stays),
                                       cmocka_unit_test (a_logs_space_is_told_in_bytes)};
    return cmocka_run_group_tests (tests, s_setup, s_teardown);
}
