/*  KILL: "KILL (Transact-SQL)". */
#include <string.h>

#include "interp.h"

static sh_status_t
s_may (sh_session_t *self)
{
    if (self->trancount > 0)
        return sh_error_set (self, 6115, 16, 1,
                             "KILL command cannot be used inside user transactions.");
    if (!self->sysadmin)
        return sh_error_set (self, 6102, 14, 1,
                             "User does not have permission to use the KILL statement.");
    return SH_OK;
}

static sh_status_t
s_kill_session (sh_session_t *self, const sh_stmt_t *stmt, int id)
{
    sh_status_t status = s_may (self);
    if (status != SH_OK)
        return status;
    if (!stmt->text)
        return sh_esession_kill_id (self->engine, id, &self->error);
    if (strcmp (stmt->text, "STATUSONLY") != 0)
        return sh_error_set (self, 102, 15, 1, "Incorrect syntax near '%s'.", stmt->text);
    return sh_error_set (
        self, 6120, 16, 1,
        "Status report cannot be obtained. Rollback operation for Process ID %d is "
        "not in progress.",
        id);
}

static sh_status_t
s_kill_uow (sh_session_t *self, const sh_stmt_t *stmt, const char *text)
{
    uint8_t uow[16];
    if (!sh_guid_parse (text, uow))
        return sh_error_set (self, 6109, 16, 1, "'%.64s' is not a unit of work.", text);
    sh_status_t status = s_may (self);
    if (status != SH_OK)
        return status;
    if (stmt->text && strcmp (stmt->text, "STATUSONLY") == 0)
        return sh_error_set (self, 6121, 16, 1,
                             "Status report cannot be obtained. Rollback operation for UOW %s is "
                             "not in progress.",
                             text);
    sh_branch_kill_t how = !stmt->text                          ? SH_BRANCH_KILL
                           : strcmp (stmt->text, "COMMIT") == 0 ? SH_BRANCH_KILL_COMMIT
                                                                : SH_BRANCH_KILL_ROLLBACK;
    return sh_branch_kill (self->engine, uow, how, &self->error);
}

sh_status_t
sh_exec_kill (sh_session_t *self, const sh_stmt_t *stmt)
{
    sh_value_t value;
    sh_type_t text = sh_type_nvarchar (64), number = sh_type_of (SH_TYPE_INT);
    /*  A unit of work is text with its hyphens; anything else is a session's number. */
    sh_status_t status = sh_eval_to (self, stmt->cond, &text, &value);
    if (status != SH_OK)
        return status;
    if (value.kind == SH_TEXT && strchr (value.as.text + (value.size > 0), '-')) {
        status = s_kill_uow (self, stmt, value.as.text);
        sh_value_clear (&value);
        return status;
    }
    sh_value_clear (&value);
    status = sh_eval_to (self, stmt->cond, &number, &value);
    return status == SH_OK
               ? s_kill_session (self, stmt, value.kind == SH_INT ? (int)value.as.integer : 0)
               : status;
}
