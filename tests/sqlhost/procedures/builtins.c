/*  The system procedures. */
#include "builtins.h"
#include "jobs.h"
#include "tests/sqlhost/tsql/rights.h"

#include <stdlib.h>
#include <string.h>

#include "branch.h"

static const sh_actual_t *
s_actual (const sh_call_t *call, const char *name, size_t position)
{
    for (size_t i = 0; i < call->count; i++)
        if (call->arguments[i].name && sh_same (call->arguments[i].name, name))
            return &call->arguments[i];
    if (position < call->count && !call->arguments[position].name)
        return &call->arguments[position];
    return NULL;
}

bool
sh_call_argument (sh_session_t *session, const sh_call_t *call, const char *name, size_t position,
                  sh_type_t type, sh_value_t *value)
{
    const sh_actual_t *actual = s_actual (call, name, position);
    *value = sh_value_null ();
    return actual && !actual->is_default &&
           sh_convert (&actual->value, &actual->type, &type, 0, value, &session->error) &&
           value->kind != SH_NULL;
}

char *
sh_call_text (sh_session_t *session, const sh_call_t *call, const char *name, size_t position)
{
    sh_value_t value;
    if (!sh_call_argument (session, call, name, position, sh_type_nvarchar (SH_MAX), &value))
        return NULL;
    char *text = sh_strdup (value.as.text);
    sh_value_clear (&value);
    return text;
}

void
sh_call_output (sh_call_t *call, const char *name, size_t position, sh_value_t value,
                sh_type_t type)
{
    sh_actual_t *actual = (sh_actual_t *)(uintptr_t)s_actual (call, name, position);
    if (!actual || !actual->output)
        return;
    sh_value_clear (&actual->value);
    actual->value = sh_value_copy (&value);
    actual->type = type;
}

/*  ---- application locks: "sp_getapplock (Transact-SQL)" ---- */

static bool
s_mode (const char *text, sh_app_mode_t *mode)
{
    static const char *const names[] = {"Shared", "Update", "IntentShared", "IntentExclusive",
                                        "Exclusive"};
    for (int i = 0; i < 5; i++)
        if (sh_same (text, names[i])) {
            *mode = (sh_app_mode_t)i;
            return true;
        }
    return false;
}

static sh_status_t
s_bad_parameter (sh_session_t *session, sh_call_t *call, const char *name)
{
    call->status = -999;
    sh_error_set (session, 15625, 16, 1, "Option '%s' not recognized for '%s' parameter.", "",
                  name);
    sh_out_message (session, &session->error, 1);
    return SH_OK;
}

sh_status_t
sh_proc_getapplock (sh_session_t *session, sh_call_t *call)
{
    char *resource = sh_call_text (session, call, "@Resource", 0);
    char *mode_text = sh_call_text (session, call, "@LockMode", 1);
    char *owner = sh_call_text (session, call, "@LockOwner", 2);
    sh_value_t timeout;
    int64_t timeout_ms = -1;
    if (sh_call_argument (session, call, "@LockTimeout", 3, sh_type_of (SH_TYPE_INT), &timeout))
        timeout_ms = timeout.as.integer;
    sh_app_mode_t mode;
    sh_status_t status = SH_OK;
    bool session_owned = owner && sh_same (owner, "Session");
    if (!resource)
        status = s_bad_parameter (session, call, "@Resource");
    else if (!mode_text || !s_mode (mode_text, &mode))
        status = s_bad_parameter (session, call, "@LockMode");
    else if (owner && !session_owned && !sh_same (owner, "Transaction"))
        status = s_bad_parameter (session, call, "@LockOwner");
    else if (!session_owned && session->trancount == 0) {
        call->status = -999;
        status =
            sh_error_set (session, 1221, 16, 1,
                          "The Database Engine is attempting to release a group of locks that are "
                          "not currently held by the transaction.");
        sh_error_set (session, 1230, 16, 1,
                      "An application lock owned by a transaction needs an open transaction.");
    } else {
        int result = 0;
        status = sh_app_lock (session->engine, session->db_id, resource, mode, session_owned,
                              timeout_ms, &result, &session->error);
        call->status = result;
    }
    free (resource);
    free (mode_text);
    free (owner);
    return status;
}

sh_status_t
sh_proc_releaseapplock (sh_session_t *session, sh_call_t *call)
{
    char *resource = sh_call_text (session, call, "@Resource", 0);
    char *owner = sh_call_text (session, call, "@LockOwner", 1);
    sh_status_t status = SH_OK;
    if (!resource)
        status = s_bad_parameter (session, call, "@Resource");
    else
        status = sh_app_unlock (session->engine, session->db_id, resource,
                                owner && sh_same (owner, "Session"), &session->error);
    if (status == SH_ERROR)
        call->status = -999;
    free (resource);
    free (owner);
    return status;
}

/*  ---- faults on demand ---- */

sh_status_t
sh_proc_fault (sh_session_t *session, sh_call_t *call)
{
    char *name = sh_call_text (session, call, "@name", 0);
    char *value = sh_call_text (session, call, "@value", 1);
    sh_status_t status = SH_OK;
    if (!name || !value || !sh_fault_set (session->instance, name, value))
        status = sh_error_set (session, 50000, 16, 1,
                               "sqlhost_fault: no fault '%s', or not a value: '%s'.",
                               name ? name : "", value ? value : "");
    free (name);
    free (value);
    return status;
}

/*  ---- roles ---- */

sh_status_t
sh_proc_addrolemember (sh_session_t *session, sh_call_t *call)
{
    char *role = sh_call_text (session, call, "@rolename", 0);
    char *member = sh_call_text (session, call, "@membername", 1);
    sh_status_t status;
    if (!role || !member)
        status = sh_error_set (session, 201, 16, 4,
                               "Procedure 'sp_addrolemember' expects @rolename and "
                               "@membername.");
    else {
        sh_stmt_t stmt = {.kind = SH_STMT_PRINCIPAL,
                          .object = SH_OBJECT_ROLE,
                          .name = {.object = "ALTER"},
                          .text = role,
                          .text2 = member};
        sh_flow_t flow = sh_exec_admin (session, &stmt);
        call->status = flow == SH_FLOW_NEXT && !session->last_error ? 0 : 1;
        status = SH_OK;
    }
    free (role);
    free (member);
    return status;
}

/*  sp_addsrvrolemember login, role */
sh_status_t
sh_proc_addsrvrolemember (sh_session_t *session, sh_call_t *call)
{
    char *login = sh_call_text (session, call, "@loginame", 0);
    char *role = sh_call_text (session, call, "@rolename", 1);
    sh_stmt_t stmt = {.kind = SH_STMT_PRINCIPAL,
                      .object = SH_OBJECT_SERVER_ROLE,
                      .name = {.object = "ALTER"},
                      .text = role ? role : "",
                      .text2 = login ? login : ""};
    sh_flow_t flow = sh_exec_admin (session, &stmt);
    call->status = flow == SH_FLOW_NEXT && !session->last_error ? 0 : 1;
    free (login);
    free (role);
    return SH_OK;
}

/*  ---- reports ---- */

/*  Runs a query of our own and sends its rows. */
static sh_status_t
s_report (sh_session_t *session, const char *text)
{
    sh_syntax_error_t syntax;
    sh_script_t *script = sh_script_parse (text, strlen (text), true, &syntax);
    if (!script)
        return sh_error_set (session, syntax.number, 16, 1, "%s", syntax.text);
    sh_rowset_t *rows = NULL;
    sh_status_t status = sh_query_rows (session, script->body->query, NULL, &rows);
    if (status == SH_OK) {
        sh_out_rowset (session, rows);
        sh_out_done (session, SH_COMMAND_SELECT, true, (int64_t)rows->row_count);
    }
    sh_rowset_destroy (&rows);
    sh_script_destroy (&script);
    return status;
}

sh_status_t
sh_proc_who (sh_session_t *session, sh_call_t *call)
{
    (void)call;
    return s_report (
        session, "SELECT s.session_id AS spid, s.status, s.login_name AS loginame, s.host_name AS "
                 "hostname, ISNULL(r.blocking_session_id, 0) AS blk, DB_NAME(s.database_id) AS "
                 "dbname, r.command AS cmd, s.program_name FROM sys.dm_exec_sessions s LEFT JOIN "
                 "sys.dm_exec_requests r ON r.session_id = s.session_id ORDER BY s.session_id");
}

sh_status_t
sh_proc_helpdb (sh_session_t *session, sh_call_t *call)
{
    (void)call;
    return s_report (session, "SELECT name, database_id AS dbid, create_date AS created, "
                              "recovery_model_desc AS status FROM sys.databases ORDER BY name");
}

sh_status_t
sh_proc_helptext (sh_session_t *session, sh_call_t *call)
{
    char *name = sh_call_text (session, call, "@objname", 0);
    sh_arena_t *arena = sh_arena_new ();
    sh_name_t parsed;
    sh_resolved_t where;
    const sh_module_t *module = NULL;
    sh_status_t status = SH_END;
    if (name && sh_name_parse (arena, name, &parsed) &&
        (status = sh_resolve (session, &parsed, &where)) == SH_OK)
        status = sh_module_open (session->engine, where.db_id, NULL, where.schema, where.object,
                                 &module, &session->error);
    if (status == SH_OK) {
        sh_rowset_t *rows = sh_rowset_new ();
        sh_rowset_add_field (rows, "Text", sh_type_nvarchar (SH_MAX), true);
        const char *line = module->text;
        while (*line) {
            size_t size = strcspn (line, "\n");
            size += line[size] == '\n';
            sh_rowset_add_row (rows)[0] = sh_value_own (line, size);
            line += size;
        }
        sh_out_rowset (session, rows);
        sh_out_done (session, SH_COMMAND_SELECT, true, (int64_t)rows->row_count);
        sh_rowset_destroy (&rows);
        sh_module_close (session->engine, &module);
    } else if (status == SH_END)
        status =
            sh_error_set (session, 15009, 16, 1,
                          "The object '%s' does not exist in database '%s' or is invalid for this "
                          "operation.",
                          name ? name : "", session->db_name);
    sh_arena_destroy (&arena);
    free (name);
    return status;
}

/*  sp_rename 'table', 'new' */
sh_status_t
sh_proc_rename (sh_session_t *session, sh_call_t *call)
{
    char *old = sh_call_text (session, call, "@objname", 0);
    char *new = sh_call_text (session, call, "@newname", 1);
    sh_arena_t *arena = sh_arena_new ();
    sh_name_t parsed;
    sh_resolved_t where;
    sh_table_t *table = NULL;
    sh_status_t status = SH_END;
    if (call->count > 2)
        status = sh_error_unsupported (session, "sp_rename of anything but a table");
    else if (old && new &&sh_name_parse (arena, old, &parsed) &&
             (status = sh_resolve (session, &parsed, &where)) == SH_OK)
        status = sh_table_open (session->engine, where.db_id, where.schema, where.object, &table,
                                &session->error);
    if (status == SH_END)
        status = sh_error_set (session, 15225, 11, 1, "No item by the name of '%s' could be found.",
                               old ? old : "");
    if (status == SH_OK) {
        sh_write_t write;
        status = sh_write_begin (session, &write);
        if (status == SH_OK)
            status = sh_write_end (session, &write,
                                   sh_table_rename (session->engine, table, new, &session->error));
    }
    if (table)
        sh_table_close (session->engine, &table);
    sh_arena_destroy (&arena);
    free (old);
    free (new);
    return status;
}

/*  sp_configure without arguments lists; with a value it sets: "sp_configure (Transact-SQL)". */
sh_status_t
sh_proc_configure (sh_session_t *session, sh_call_t *call)
{
    char *name = sh_call_text (session, call, "@configname", 0);
    sh_value_t value;
    if (name &&
        sh_call_argument (session, call, "@configvalue", 1, sh_type_of (SH_TYPE_BIGINT), &value)) {
        sh_config_t before;
        sh_status_t status =
            sh_right_server (session, "ALTER SETTINGS")
                ? sh_config_set (session->instance, name, value.as.integer, &before,
                                 &session->error)
                : sh_error_set (session, 15247, 16, 1,
                                "User does not have permission to perform this action.");
        if (status == SH_OK)
            sh_out_info (session, 15457,
                         "Configuration option '%s' changed from %lld to %lld. Run the RECONFIGURE "
                         "statement to install.",
                         before.name, (long long)before.value, (long long)value.as.integer);
        else
            call->status = 1;
        free (name);
        return status;
    }
    free (name);
    return s_report (session,
                     "SELECT name, minimum, maximum, value AS config_value, value_in_use AS "
                     "run_value FROM sys.configurations ORDER BY name");
}

sh_status_t
sh_proc_unsupported (sh_session_t *session, sh_call_t *call)
{
    (void)call;
    return sh_error_unsupported (session, session->frame->procedure);
}

sh_status_t
sh_proc_nothing (sh_session_t *session, sh_call_t *call)
{
    (void)session;
    call->status = 0;
    return SH_OK;
}

#define S_SYSTEM "mssqlsystemresource"

const sh_builtin_t sh_builtins[] = {{"sp_getapplock", sh_proc_getapplock, NULL},
                                    {"sp_releaseapplock", sh_proc_releaseapplock, NULL},
                                    {"sqlhost_fault", sh_proc_fault, NULL},
                                    {"sqlhost_dtc_join", sh_proc_dtc_join, NULL},
                                    {"sqlhost_dtc_prepare", sh_proc_dtc_prepare, NULL},
                                    {"sqlhost_dtc_commit", sh_proc_dtc_commit, NULL},
                                    {"sqlhost_dtc_rollback", sh_proc_dtc_rollback, NULL},
                                    {"sp_addrolemember", sh_proc_addrolemember, NULL},
                                    {"sp_addsrvrolemember", sh_proc_addsrvrolemember, NULL},
                                    {"xp_fileexist", sh_proc_fileexist, NULL},
                                    {"xp_create_subdir", sh_proc_create_subdir, S_SYSTEM},
                                    {"xp_delete_file", sh_proc_delete_file, S_SYSTEM},
                                    {"xp_dirtree", sh_proc_dirtree, NULL},
                                    {"xp_fixeddrives", sh_proc_fixeddrives, NULL},
                                    {"sp_who", sh_proc_who, NULL},
                                    {"sp_who2", sh_proc_who, NULL},
                                    {"sp_helpdb", sh_proc_helpdb, NULL},
                                    {"sp_helptext", sh_proc_helptext, NULL},
                                    {"sp_rename", sh_proc_rename, NULL},
                                    {"sp_configure", sh_proc_configure, NULL},
                                    {"sp_recompile", sh_proc_nothing, NULL},
                                    {"sp_updatestats", sh_proc_nothing, NULL},
                                    {"sp_addlinkedserver", sh_proc_unsupported, NULL},
                                    {"sp_addlinkedsrvlogin", sh_proc_unsupported, NULL},
                                    {"sp_dropserver", sh_proc_unsupported, NULL},
                                    {"sp_serveroption", sh_proc_unsupported, NULL},
                                    {"sp_testlinkedserver", sh_proc_unsupported, NULL},
                                    {"sp_start_job", sh_proc_unsupported, NULL},
                                    {"sp_help", sh_proc_unsupported, NULL},
                                    {"sp_helpfile", sh_proc_unsupported, NULL},
                                    {"sp_helpindex", sh_proc_unsupported, NULL},
                                    {"sp_lock", sh_proc_unsupported, NULL},
                                    {"sp_spaceused", sh_proc_unsupported, NULL},
                                    {"sp_tables", sh_proc_unsupported, NULL},
                                    {"sp_columns", sh_proc_unsupported, NULL},
                                    {"sp_attach_db", sh_proc_unsupported, NULL},
                                    {"sp_detach_db", sh_proc_unsupported, NULL},
                                    {"xp_cmdshell", sh_proc_unsupported, S_SYSTEM},
                                    {"sp_add_job", sh_proc_job, "msdb"},
                                    {"sp_add_jobstep", sh_proc_job, "msdb"},
                                    {"sp_add_jobserver", sh_proc_job, "msdb"},
                                    {"sp_update_job", sh_proc_job, "msdb"},
                                    {"sp_delete_job", sh_proc_job, "msdb"},
                                    {"sp_add_schedule", sh_proc_job, "msdb"},
                                    {"sp_add_jobschedule", sh_proc_job, "msdb"},
                                    {"sp_attach_schedule", sh_proc_job, "msdb"},
                                    {"sp_update_schedule", sh_proc_job, "msdb"},
                                    {"sp_delete_backuphistory", sh_proc_job, "msdb"},
                                    {"sp_reset_connection", sh_proc_nothing, NULL},
                                    {NULL, NULL, NULL}};
