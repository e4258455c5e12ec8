/*  Logins, users, roles, permissions, server statements. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rights.h"

/*  ---- logins ---- */

static const sh_option_t *
s_option (const sh_stmt_t *stmt, const char *name)
{
    for (const sh_option_t *option = stmt->options; option; option = option->next)
        if (sh_same (option->name, name))
            return option;
    return NULL;
}

static sh_status_t
s_option_text (sh_session_t *self, const sh_stmt_t *stmt, const char *name, char **text)
{
    const sh_option_t *option = s_option (stmt, name);
    *text = NULL;
    return option ? sh_eval_text (self, option->value, text) : SH_OK;
}

static sh_status_t
s_check_login_options (sh_session_t *self, const sh_stmt_t *stmt)
{
    static const char *const known[] = {"PASSWORD",     "DEFAULT_DATABASE", "DEFAULT_LANGUAGE",
                                        "CHECK_POLICY", "CHECK_EXPIRATION", "OLD_PASSWORD"};
    for (const sh_option_t *option = stmt->options; option; option = option->next) {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            found |= sh_same (option->name, known[i]);
        if (!found) {
            char text[160];
            snprintf (text, sizeof text, "The login option %.100s", option->name);
            return sh_error_unsupported (self, text);
        }
    }
    return SH_OK;
}

static sh_status_t
s_login (sh_session_t *self, const sh_stmt_t *stmt)
{
    char *password = NULL, *database = NULL;
    bool create = sh_same (stmt->name.object, "CREATE");
    if (!sh_right_server (self, "ALTER ANY LOGIN"))
        return sh_error_set (self, 15247, 16, 1,
                             "User does not have permission to perform this action.");
    if (sh_same (stmt->name.object, "DROP"))
        return sh_login_drop (self->instance, stmt->text, &self->error);
    if (stmt->columns) {
        bool disabled = sh_same (stmt->columns->text, "DISABLE");
        return sh_login_alter (self->instance, stmt->text, NULL, NULL, NULL, &disabled,
                               &self->error);
    }
    sh_status_t status = s_check_login_options (self, stmt);
    if (status == SH_OK)
        status = s_option_text (self, stmt, "PASSWORD", &password);
    if (status == SH_OK)
        status = s_option_text (self, stmt, "DEFAULT_DATABASE", &database);
    if (status == SH_OK && create)
        status = sh_login_create (self->instance, stmt->text, password ? password : "", false,
                                  &self->error);
    if (status == SH_OK && (!create || database))
        status = sh_login_alter (self->instance, stmt->text, create ? NULL : password, database,
                                 NULL, NULL, &self->error);
    free (password);
    free (database);
    return status;
}

static sh_status_t
s_in_transaction (sh_session_t *self, const sh_stmt_t *stmt)
{
    sh_write_t write;
    sh_status_t status = sh_write_begin (self, &write);
    if (status != SH_OK)
        return status;
    if (stmt->kind == SH_STMT_PERMISSION)
        status = sh_exec_permission (self, stmt);
    else if (stmt->object == SH_OBJECT_SERVER_ROLE)
        status = sh_exec_server_role (self, stmt);
    else
        status = sh_exec_principal (self, stmt);
    status = sh_write_end (self, &write, status);
    sh_rights_forget (self);
    return status;
}

/*  "DBCC SQLPERF (Transact-SQL)", LOGSPACE */
static sh_status_t
s_log_space (sh_session_t *self, const sh_stmt_t *stmt)
{
    sh_db_info_t *list = NULL;
    sh_status_t status = sh_check_server (self, "VIEW SERVER STATE");
    if (status != SH_OK)
        return status;
    size_t count = sh_db_list (self->instance, &list);
    sh_rowset_t *rows = sh_rowset_new ();
    sh_rowset_add_field (rows, "Database Name", sh_type_nvarchar (128), false);
    sh_rowset_add_field (rows, "Log Size (MB)", sh_type_of (SH_TYPE_REAL), false);
    sh_rowset_add_field (rows, "Log Space Used (%)", sh_type_of (SH_TYPE_REAL), false);
    sh_rowset_add_field (rows, "Status", sh_type_of (SH_TYPE_INT), false);
    for (size_t i = 0; i < count; i++) {
        sh_value_t *v = sh_rowset_add_row (rows);
        v[0] = sh_value_own (list[i].name, strlen (list[i].name));
        v[1] = sh_value_double ((double)list[i].log_bytes / 1048576.0);
        v[2] = sh_value_double ((double)list[i].log_used_bytes * 100.0 / (double)list[i].log_bytes);
        v[3] = sh_value_int (0);
    }
    sh_out_rowset (self, rows);
    sh_out_done (self, SH_COMMAND_SELECT, true, (int64_t)rows->row_count);
    sh_rowset_destroy (&rows);
    free (list);
    if (!stmt->flag)
        sh_out_info (self, 2528,
                     "DBCC execution completed. If DBCC printed error messages, contact your "
                     "system administrator.");
    return SH_OK;
}

sh_flow_t
sh_exec_admin (sh_session_t *self, const sh_stmt_t *stmt)
{
    sh_status_t status = SH_OK;
    switch (stmt->kind) {
        case SH_STMT_KILL:
            status = sh_exec_kill (self, stmt);
            break;
        case SH_STMT_PRINCIPAL:
            if (stmt->object == SH_OBJECT_LOGIN)
                status = s_login (self, stmt);
            else
                status = s_in_transaction (self, stmt);
            break;
        case SH_STMT_PERMISSION:
            status = s_in_transaction (self, stmt);
            break;
        case SH_STMT_CHECKPOINT:
            if (!stmt->flag) /* else UPDATE STATISTICS: there are none */
                status = sh_check_database (self, self->db_id, "CHECKPOINT");
            if (status == SH_OK && !stmt->flag)
                status = sh_instance_checkpoint (self->instance, &self->error);
            break;
        case SH_STMT_DBCC:
            status = s_log_space (self, stmt);
            break;
        case SH_STMT_RECONFIGURE:
            if (sh_right_server (self, "ALTER SETTINGS"))
                sh_config_reconfigure (self->instance);
            else
                status =
                    sh_error_set (self, 5812, 14, 1,
                                  "You do not have permission to run the RECONFIGURE statement.");
            break;
        default:
            status = sh_error_unsupported (self, "SHUTDOWN");
    }
    sh_flow_t flow = sh_raise (self, status, stmt->line);
    if (status == SH_OK)
        sh_out_done (self, SH_COMMAND_NONE, false, 0);
    return flow;
}
