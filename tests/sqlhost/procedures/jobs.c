/*  The procedures of msdb, in T-SQL: "SQL Server Agent Stored Procedures (Transact-SQL)" and
 *  "sp_delete_backuphistory (Transact-SQL)", with their parameters in their order. */
#include "jobs.h"

#include <stdlib.h>
#include <string.h>

/*  Finds @job_id by @job_name, or the other way round; 14262 when there is none. */
#define S_FIND_JOB                                                                                 \
    "IF @job_id IS NULL SELECT @job_id = job_id FROM msdb.dbo.sysjobs WHERE name = @job_name "     \
    "IF NOT EXISTS (SELECT 1 FROM msdb.dbo.sysjobs WHERE job_id = @job_id) "                       \
    "BEGIN RAISERROR (14262, 16, 1, '@job_name', @job_name) RETURN END "

#define S_JOB "@job_id uniqueidentifier = NULL, @job_name sysname = NULL"

#define S_WHEN                                                                                     \
    "@enabled tinyint = 1, @freq_type int = 1, @freq_interval int = 0, "                           \
    "@freq_subday_type int = 0, @freq_subday_interval int = 0, @freq_relative_interval int = 0, "  \
    "@freq_recurrence_factor int = 0, @active_start_date int = NULL, "                             \
    "@active_end_date int = 99991231, @active_start_time int = 0, @active_end_time int = 235959, "

#define S_INSERT_SCHEDULE(name)                                                                    \
    "INSERT msdb.dbo.sysschedules (schedule_uid, originating_server_id, name, owner_sid, "         \
    "enabled, freq_type, freq_interval, freq_subday_type, freq_subday_interval, "                  \
    "freq_relative_interval, freq_recurrence_factor, active_start_date, active_end_date, "         \
    "active_start_time, active_end_time, date_created, date_modified, version_number) "            \
    "VALUES (NEWID(), 0, " name ", SUSER_SID(), @enabled, @freq_type, @freq_interval, "            \
    "@freq_subday_type, @freq_subday_interval, @freq_relative_interval, "                          \
    "@freq_recurrence_factor, ISNULL(@active_start_date, CONVERT(int, CONVERT(char(8), "           \
    "GETDATE(), 112))), @active_end_date, @active_start_time, @active_end_time, GETDATE(), "       \
    "GETDATE(), 1) SELECT @schedule_id = SCOPE_IDENTITY() "

static const struct {
    const char *name, *parameters, *text;
} s_procedures[] = {
    {"sp_add_job",
     "@job_name sysname, @enabled tinyint = 1, @description nvarchar(512) = NULL, "
     "@start_step_id int = 1, @category_name sysname = NULL, @category_id int = NULL, "
     "@owner_login_name sysname = NULL, @notify_level_eventlog int = 2, "
     "@notify_level_email int = 0, @notify_level_netsend int = 0, @notify_level_page int = 0, "
     "@notify_email_operator_name sysname = NULL, @notify_netsend_operator_name sysname = NULL, "
     "@notify_page_operator_name sysname = NULL, @delete_level int = 0, "
     "@job_id uniqueidentifier = NULL OUTPUT",
     "IF EXISTS (SELECT 1 FROM msdb.dbo.sysjobs WHERE name = @job_name) "
     "BEGIN RAISERROR (14261, 16, 1, '@job_name', @job_name) RETURN END "
     "IF @category_name IS NOT NULL BEGIN "
     "SELECT @category_id = category_id FROM msdb.dbo.syscategories WHERE name = @category_name "
     "IF @category_id IS NULL BEGIN RAISERROR (14234, 16, 1, '@category_name', "
     "'sp_help_category') RETURN END END "
     "DECLARE @owner varbinary(85) = SUSER_SID(@owner_login_name) "
     "IF @owner_login_name IS NULL SELECT @owner = SUSER_SID() "
     "SELECT @job_id = NEWID() "
     "INSERT msdb.dbo.sysjobs (job_id, originating_server_id, name, enabled, description, "
     "start_step_id, category_id, owner_sid, notify_level_eventlog, notify_level_email, "
     "notify_level_netsend, notify_level_page, notify_email_operator_id, "
     "notify_netsend_operator_id, notify_page_operator_id, delete_level, date_created, "
     "date_modified, version_number) VALUES (@job_id, 0, @job_name, @enabled, "
     "ISNULL(@description, N'No description available.'), @start_step_id, ISNULL(@category_id, "
     "0), @owner, @notify_level_eventlog, @notify_level_email, @notify_level_netsend, "
     "@notify_level_page, 0, 0, 0, @delete_level, GETDATE(), GETDATE(), 1)"},
    {"sp_add_jobstep",
     S_JOB
     ", @step_id int = NULL, @step_name sysname, @subsystem nvarchar(40) = N'TSQL', "
     "@command nvarchar(max) = NULL, @additional_parameters nvarchar(4000) = NULL, "
     "@cmdexec_success_code int = 0, @on_success_action tinyint = 1, "
     "@on_success_step_id int = 0, @on_fail_action tinyint = 2, @on_fail_step_id int = 0, "
     "@server sysname = NULL, @database_name sysname = NULL, @database_user_name sysname = NULL, "
     "@retry_attempts int = 0, @retry_interval int = 0, @os_run_priority int = 0, "
     "@output_file_name nvarchar(200) = NULL, @flags int = 0, @proxy_id int = NULL, "
     "@proxy_name sysname = NULL, @step_uid uniqueidentifier = NULL OUTPUT",
     S_FIND_JOB
     "IF @step_id IS NULL SELECT @step_id = ISNULL(MAX(step_id), 0) + 1 FROM "
     "msdb.dbo.sysjobsteps WHERE job_id = @job_id "
     "UPDATE msdb.dbo.sysjobsteps SET step_id = step_id + 1 WHERE job_id = @job_id AND step_id >= "
     "@step_id "
     "SELECT @step_uid = NEWID() "
     "IF @subsystem = N'TSQL' AND @database_name IS NULL SELECT @database_name = N'master' "
     "INSERT msdb.dbo.sysjobsteps (job_id, step_id, step_name, subsystem, command, flags, "
     "additional_parameters, cmdexec_success_code, on_success_action, on_success_step_id, "
     "on_fail_action, on_fail_step_id, server, database_name, database_user_name, "
     "retry_attempts, retry_interval, os_run_priority, output_file_name, last_run_outcome, "
     "last_run_duration, last_run_retries, last_run_date, last_run_time, proxy_id, step_uid) "
     "VALUES (@job_id, @step_id, @step_name, @subsystem, @command, @flags, "
     "@additional_parameters, @cmdexec_success_code, @on_success_action, @on_success_step_id, "
     "@on_fail_action, @on_fail_step_id, @server, @database_name, @database_user_name, "
     "@retry_attempts, @retry_interval, @os_run_priority, @output_file_name, 0, 0, 0, 0, 0, "
     "@proxy_id, @step_uid)"},
    {"sp_add_jobserver", S_JOB ", @server_name sysname = N'(local)'",
     S_FIND_JOB
     "IF EXISTS (SELECT 1 FROM msdb.dbo.sysjobservers WHERE job_id = @job_id) "
     "BEGIN RAISERROR (14269, 16, 1, @job_name, @server_name) RETURN END "
     "INSERT msdb.dbo.sysjobservers (job_id, server_id, last_run_outcome, last_run_date, "
     "last_run_time, last_run_duration) VALUES (@job_id, 0, 5, 0, 0, 0)"},
    {"sp_update_job",
     S_JOB ", @new_name sysname = NULL, @enabled tinyint = NULL, "
           "@description nvarchar(512) = NULL, @start_step_id int = NULL, "
           "@category_name sysname = NULL, @owner_login_name sysname = NULL, "
           "@notify_level_eventlog int = NULL, @delete_level int = NULL",
     S_FIND_JOB
     "IF @new_name <> @job_name AND EXISTS (SELECT 1 FROM msdb.dbo.sysjobs WHERE name = "
     "@new_name) BEGIN RAISERROR (14261, 16, 1, '@new_name', @new_name) RETURN END "
     "UPDATE msdb.dbo.sysjobs SET name = ISNULL(@new_name, name), enabled = ISNULL(@enabled, "
     "enabled), description = ISNULL(@description, description), start_step_id = "
     "ISNULL(@start_step_id, start_step_id), owner_sid = ISNULL(SUSER_SID(@owner_login_name), "
     "owner_sid), notify_level_eventlog = ISNULL(@notify_level_eventlog, notify_level_eventlog), "
     "delete_level = ISNULL(@delete_level, delete_level), date_modified = GETDATE(), "
     "version_number = version_number + 1 WHERE job_id = @job_id "
     "IF @category_name IS NOT NULL UPDATE msdb.dbo.sysjobs SET category_id = (SELECT category_id "
     "FROM msdb.dbo.syscategories WHERE name = @category_name) WHERE job_id = @job_id"},
    {"sp_delete_job",
     S_JOB ", @originating_server sysname = NULL, @delete_history bit = 1, "
           "@delete_unused_schedule bit = 1",
     S_FIND_JOB
     "IF @delete_unused_schedule = 1 DELETE FROM msdb.dbo.sysschedules WHERE schedule_id IN "
     "(SELECT schedule_id FROM msdb.dbo.sysjobschedules WHERE job_id = @job_id) AND schedule_id "
     "NOT IN (SELECT schedule_id FROM msdb.dbo.sysjobschedules WHERE job_id <> @job_id) "
     "DELETE FROM msdb.dbo.sysjobschedules WHERE job_id = @job_id "
     "DELETE FROM msdb.dbo.sysjobservers WHERE job_id = @job_id "
     "DELETE FROM msdb.dbo.sysjobsteps WHERE job_id = @job_id "
     "DELETE FROM msdb.dbo.sysjobactivity WHERE job_id = @job_id "
     "IF @delete_history = 1 DELETE FROM msdb.dbo.sysjobhistory WHERE job_id = @job_id "
     "DELETE FROM msdb.dbo.sysjobs WHERE job_id = @job_id"},
    {"sp_add_schedule",
     "@schedule_name sysname, " S_WHEN "@owner_login_name sysname = NULL, "
     "@schedule_uid uniqueidentifier = NULL OUTPUT, @schedule_id int = NULL OUTPUT",
     S_INSERT_SCHEDULE ("@schedule_name")},
    {"sp_add_jobschedule", S_JOB ", @name sysname, " S_WHEN "@schedule_id int = NULL OUTPUT",
     S_FIND_JOB S_INSERT_SCHEDULE ("@name") "INSERT msdb.dbo.sysjobschedules (schedule_id, job_id, "
                                            "next_run_date, next_run_time) VALUES (@schedule_id, "
                                            "@job_id, 0, 0)"},
    {"sp_attach_schedule", S_JOB ", @schedule_id int = NULL, @schedule_name sysname = NULL",
     S_FIND_JOB
     "IF @schedule_id IS NULL SELECT @schedule_id = schedule_id FROM msdb.dbo.sysschedules WHERE "
     "name = @schedule_name "
     "IF NOT EXISTS (SELECT 1 FROM msdb.dbo.sysschedules WHERE schedule_id = @schedule_id) "
     "BEGIN RAISERROR (14262, 16, 1, '@schedule_name', @schedule_name) RETURN END "
     "INSERT msdb.dbo.sysjobschedules (schedule_id, job_id, next_run_date, next_run_time) VALUES "
     "(@schedule_id, @job_id, 0, 0)"},
    {"sp_update_schedule",
     "@schedule_id int = NULL, @name sysname = NULL, @new_name sysname = NULL, "
     "@enabled tinyint = NULL",
     "IF @schedule_id IS NULL SELECT @schedule_id = schedule_id FROM msdb.dbo.sysschedules WHERE "
     "name = @name "
     "IF NOT EXISTS (SELECT 1 FROM msdb.dbo.sysschedules WHERE schedule_id = @schedule_id) "
     "BEGIN RAISERROR (14262, 16, 1, '@name', @name) RETURN END "
     "UPDATE msdb.dbo.sysschedules SET name = ISNULL(@new_name, name), enabled = ISNULL(@enabled, "
     "enabled), date_modified = GETDATE(), version_number = version_number + 1 WHERE schedule_id "
     "= @schedule_id"},
    {"sp_delete_backuphistory", "@oldest_date datetime",
     "DECLARE @sets TABLE (backup_set_id int, media_set_id int) "
     "INSERT @sets SELECT backup_set_id, media_set_id FROM msdb.dbo.backupset WHERE "
     "backup_finish_date < @oldest_date "
     "DELETE FROM msdb.dbo.backupfile WHERE backup_set_id IN (SELECT backup_set_id FROM @sets) "
     "DELETE FROM msdb.dbo.restorefile WHERE restore_history_id IN (SELECT restore_history_id "
     "FROM msdb.dbo.restorehistory WHERE backup_set_id IN (SELECT backup_set_id FROM @sets)) "
     "DELETE FROM msdb.dbo.restorehistory WHERE backup_set_id IN (SELECT backup_set_id FROM "
     "@sets) "
     "DELETE FROM msdb.dbo.backupset WHERE backup_set_id IN (SELECT backup_set_id FROM @sets) "
     "DELETE FROM msdb.dbo.backupmediafamily WHERE media_set_id IN (SELECT media_set_id FROM "
     "@sets) AND media_set_id NOT IN (SELECT media_set_id FROM msdb.dbo.backupset) "
     "DELETE FROM msdb.dbo.backupmediaset WHERE media_set_id IN (SELECT media_set_id FROM @sets) "
     "AND media_set_id NOT IN (SELECT media_set_id FROM msdb.dbo.backupset)"}};

static sh_status_t
s_missing (sh_session_t *session, const char *name)
{
    return sh_error_set (session, 2812, 16, 62, "Could not find stored procedure '%s'.", name);
}

/*  An error inside is the procedure's own: it is caught here and raised by the caller. */
static sh_status_t
s_run (sh_session_t *session, sh_variable_t *parameters, const char *text, sh_call_t *call)
{
    sh_caught_t saved = session->pending;
    session->try_depth++;
    sh_flow_t flow = sh_run_text (session, text, strlen (text), parameters, call, 1);
    session->try_depth--;
    if (flow == SH_FLOW_CATCH)
        session->error = session->pending.error;
    session->pending = saved;
    if (flow == SH_FLOW_NEXT)
        return SH_OK;
    if (flow == SH_FLOW_STOP)
        return SH_CANCELLED;
    call->status = 1;
    return flow == SH_FLOW_CLOSE ? SH_KILLED : SH_ERROR;
}

sh_status_t
sh_proc_job (sh_session_t *session, sh_call_t *call)
{
    size_t i = 0;
    while (!sh_same (s_procedures[i].name, session->frame->procedure))
        i++;
    if (session->db_id != SH_DB_MSDB)
        return s_missing (session, s_procedures[i].name);
    sh_arena_t *arena = sh_arena_new ();
    sh_syntax_error_t syntax = {0};
    sh_variable_t *parameters = sh_parameters_parse (arena, s_procedures[i].parameters, &syntax);
    sh_status_t status = SH_OK;
    if (syntax.number)
        status = sh_error_set (session, syntax.number, 16, 1, "%s", syntax.text);
    else
        status = s_run (session, parameters, s_procedures[i].text, call);
    sh_arena_destroy (&arena);
    return status;
}
