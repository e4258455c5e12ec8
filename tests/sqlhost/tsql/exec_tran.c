/*  Transactions. The engine knows one level; @@TRANCOUNT is counted here.
 *
 *  "BEGIN TRANSACTION (Transact-SQL)": only the outermost name is registered; an inner BEGIN raises
 *  the count; names are case-sensitive, and cut at 32 characters when they come in a variable.
 *  "ROLLBACK TRANSACTION": without a name, or with the outermost's, everything goes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interp.h"

static void
s_ended (sh_session_t *self)
{
    self->trancount = 0;
    self->doomed = false;
    self->tran_name[0] = 0;
}

void
sh_rollback_all (sh_session_t *self)
{
    bool open = self->trancount > 0;
    int64_t id = sh_txn_id (self->engine);
    sh_txn_rollback (self->engine);
    s_ended (self);
    if (open && !self->sink_gone)
        sh_out_transaction (self, SH_TRAN_ROLLED_BACK, id ? id : 1);
}

void
sh_tran_joined (sh_session_t *self)
{
    self->trancount = 1;
    self->tran_name[0] = 0;
    sh_out_transaction (self, SH_TRAN_BEGUN, sh_txn_id (self->engine));
}

void
sh_tran_left (sh_session_t *self, int64_t id, bool committed)
{
    s_ended (self);
    if (!self->sink_gone)
        sh_out_transaction (self, committed ? SH_TRAN_COMMITTED : SH_TRAN_ROLLED_BACK, id ? id : 1);
}

bool
sh_tran_lost (sh_session_t *self)
{
    if (self->trancount == 0 || sh_txn_active (self->engine))
        return false;
    sh_tran_left (self, 0, false);
    sh_error_set (self, 8525, 16, 1,
                  "Distributed transaction completed. Either enlist this session in a new "
                  "transaction or the NULL transaction.");
    self->last_error = 8525;
    return true;
}

/*  The statement's name for the transaction, cut at 32 units; NULL = none. The caller frees. */
static sh_status_t
s_name (sh_session_t *self, const sh_stmt_t *stmt, char **name)
{
    *name = NULL;
    if (stmt->text) {
        *name = sh_strdup (stmt->text);
        return SH_OK;
    }
    if (!stmt->name_expr)
        return SH_OK;
    sh_status_t status = sh_eval_text (self, stmt->name_expr, name);
    if (status == SH_OK && *name)
        (*name)[sh_text_prefix (*name, strlen (*name), 32)] = 0;
    return status;
}

static sh_status_t
s_mark (sh_session_t *self, const sh_stmt_t *stmt, const char *name)
{
    char *description = NULL;
    sh_status_t status = SH_OK;
    if (sh_branch_joined (self->engine))
        return sh_error_unsupported (self, "WITH MARK in a distributed transaction");
    if (strncasecmp (name, "LSN:", 4) == 0)
        return sh_error_set (self, 3925, 16, 1,
                             "Invalid transaction mark name. The 'LSN:' prefix is reserved.");
    if (stmt->cond)
        status = sh_eval_text (self, stmt->cond, &description);
    if (status == SH_OK)
        status = sh_txn_mark (self->engine, name, description, &self->error);
    free (description);
    return status;
}

static sh_status_t
s_begin (sh_session_t *self, const sh_stmt_t *stmt, const char *name)
{
    if (stmt->flag && (!name || !*name))
        return sh_error_set (self, 3901, 16, 1,
                             "The transaction name must be specified when it is used with the mark "
                             "option.");
    bool outermost = self->trancount == 0;
    if (outermost) {
        sh_status_t status = sh_txn_begin (self->engine, name, true, &self->error);
        if (status != SH_OK)
            return status;
        snprintf (self->tran_name, sizeof self->tran_name, "%s", name ? name : "");
    }
    self->trancount++;
    if (outermost)
        sh_out_transaction (self, SH_TRAN_BEGUN, sh_txn_id (self->engine));
    sh_status_t status = stmt->flag ? s_mark (self, stmt, name) : SH_OK;
    if (status != SH_OK && self->error.severity > 10) {
        if (outermost)
            sh_rollback_all (self);
        else
            self->trancount--;
    }
    return status;
}

static sh_status_t
s_commit (sh_session_t *self)
{
    if (self->trancount == 0)
        return sh_error_set (
            self, 3902, 16, 1,
            "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.");
    if (self->doomed)
        return sh_error_set (
            self, 3930, 16, 1,
            "The current transaction cannot be committed and cannot support operations "
            "that write to the log file. Roll back the transaction.");
    if (self->trancount > 1) {
        self->trancount--;
        return SH_OK;
    }
    if (sh_branch_joined (self->engine))
        return sh_error_set (self, 50000, 16, 1,
                             "The session works in a distributed transaction: its unit of work "
                             "ends it (sqlhost_dtc_prepare, sqlhost_dtc_commit).");
    int64_t id = sh_txn_id (self->engine);
    sh_esession_request (self->engine, "COMMIT TRANSACTION", self->statement_text, self->db_id);
    sh_status_t status = sh_txn_commit (self->engine, &self->error);
    sh_esession_request (self->engine, "SELECT", self->statement_text, self->db_id);
    if (status == SH_OK) {
        s_ended (self);
        sh_out_transaction (self, SH_TRAN_COMMITTED, id);
    } else if (!sh_txn_active (self->engine))
        sh_rollback_all (self);
    return status;
}

static sh_status_t
s_rollback (sh_session_t *self, const char *name)
{
    if (self->trancount == 0)
        return sh_error_set (
            self, 3903, 16, 1,
            "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.");
    if (!name || strcmp (name, self->tran_name) == 0) {
        sh_rollback_all (self);
        return SH_OK;
    }
    if (self->doomed)
        return sh_error_set (
            self, 3931, 16, 1,
            "The current transaction cannot be committed and cannot be rolled back to "
            "a savepoint. Roll back the entire transaction.");
    sh_status_t status = sh_txn_rollback_save (self->engine, name);
    if (status == SH_END)
        return sh_error_set (
            self, 6401, 16, 1,
            "Cannot roll back %s. No transaction or savepoint of that name was found.", name);
    return status;
}

static sh_status_t
s_save (sh_session_t *self, const char *name)
{
    if (self->trancount == 0)
        return sh_error_set (self, 628, 16, 0,
                             "Cannot issue SAVE TRANSACTION when there is no active transaction.");
    if (self->doomed)
        return sh_error_set (
            self, 3930, 16, 1,
            "The current transaction cannot be committed and cannot support operations "
            "that write to the log file. Roll back the transaction.");
    sh_txn_save (self->engine, name ? name : "");
    return SH_OK;
}

sh_flow_t
sh_exec_tran (sh_session_t *self, const sh_stmt_t *stmt)
{
    char *name;
    sh_status_t status = s_name (self, stmt, &name);
    if (status == SH_OK) {
        switch (stmt->kind) {
            case SH_STMT_BEGIN_TRAN:
                status = s_begin (self, stmt, name);
                break;
            case SH_STMT_COMMIT:
                status = s_commit (self);
                break;
            case SH_STMT_ROLLBACK:
                status = s_rollback (self, name);
                break;
            default:
                status = s_save (self, name);
        }
    }
    free (name);
    sh_flow_t flow = sh_raise (self, status, stmt->line);
    if (status == SH_OK) {
        self->last_rowcount = 0;
        sh_out_done (self, SH_COMMAND_NONE, false, 0);
    }
    return flow;
}

/*  ---- statements that write ---- */

sh_status_t
sh_write_begin (sh_session_t *self, sh_write_t *write)
{
    *write = (sh_write_t){0};
    if (self->doomed)
        return sh_error_set (
            self, 3930, 16, 1,
            "The current transaction cannot be committed and cannot support operations "
            "that write to the log file. Roll back the transaction.");
    if (!sh_txn_active (self->engine)) {
        bool implicit = self->set.implicit_transactions;
        sh_status_t status = sh_txn_begin (self->engine, NULL, implicit, &self->error);
        if (status != SH_OK)
            return status;
        write->autocommit = !implicit;
        if (implicit) {
            self->trancount = 1;
            sh_out_transaction (self, SH_TRAN_BEGUN, sh_txn_id (self->engine));
        }
    }
    write->position = sh_txn_position (self->engine);
    return SH_OK;
}

sh_status_t
sh_write_end (sh_session_t *self, sh_write_t *write, sh_status_t status)
{
    if (!sh_txn_active (self->engine))
        return status; /* a trigger rolled everything back */
    if (status == SH_OK && write->autocommit) {
        status = sh_txn_commit (self->engine, &self->error);
        if (status != SH_OK && sh_txn_active (self->engine))
            sh_txn_rollback (self->engine);
    } else if (status != SH_OK && write->autocommit)
        sh_txn_rollback (self->engine);
    else if (status != SH_OK)
        sh_txn_rollback_to (self->engine, write->position);
    return status;
}
