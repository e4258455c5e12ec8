/*  SET options. Those without any bearing on the stand-in are known and accepted; unknown ones are
 *  errors. */
#include <stdlib.h>
#include <string.h>

#include "interp.h"

static sh_status_t
s_bad (sh_session_t *self, const sh_stmt_t *stmt)
{
    return sh_error_set (self, 195, 15, 5, "'%s' is not a recognized SET option.", stmt->text);
}

static bool
s_on (const sh_stmt_t *stmt)
{
    return sh_same (stmt->text2, "ON");
}

static bool
s_is_switch (const sh_stmt_t *stmt)
{
    return stmt->text2 && (sh_same (stmt->text2, "ON") || sh_same (stmt->text2, "OFF"));
}

/*  Where an ON/OFF option lives; NULL: it changes nothing here. False: not one. */
static bool
s_switch (sh_session_t *self, const char *name, bool **target)
{
    const struct {
        const char *name;
        bool *target;
    } known[] = {{"XACT_ABORT", &self->set.xact_abort},
                 {"NOCOUNT", &self->set.nocount},
                 {"QUOTED_IDENTIFIER", &self->set.quoted_identifier},
                 {"IMPLICIT_TRANSACTIONS", &self->set.implicit_transactions},
                 {"ANSI_NULLS", &self->set.ansi_nulls},
                 {"ANSI_WARNINGS", &self->set.ansi_warnings},
                 {"ARITHABORT", &self->set.arithabort},
                 {"CONCAT_NULL_YIELDS_NULL", &self->set.concat_null},
                 {"ANSI_PADDING", NULL},
                 {"ANSI_NULL_DFLT_ON", NULL},
                 {"ANSI_NULL_DFLT_OFF", NULL},
                 {"ARITHIGNORE", NULL},
                 {"CURSOR_CLOSE_ON_COMMIT", NULL},
                 {"NUMERIC_ROUNDABORT", NULL},
                 {"NO_BROWSETABLE", NULL},
                 {"FMTONLY", NULL},
                 {"FORCEPLAN", NULL},
                 {"REMOTE_PROC_TRANSACTIONS", NULL},
                 {"STATISTICS IO", NULL},
                 {"STATISTICS TIME", NULL}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (sh_same (name, known[i].name)) {
            *target = known[i].target;
            return true;
        }
    return false;
}

static sh_status_t
s_set_switches (sh_session_t *self, const sh_stmt_t *stmt)
{
    const char *name = stmt->text;
    const sh_ident_t *more = stmt->columns;
    for (;;) {
        bool *target = NULL;
        if (sh_same (name, "ANSI_DEFAULTS")) {
            self->set.ansi_nulls = self->set.ansi_warnings = self->set.quoted_identifier =
                s_on (stmt);
            self->set.implicit_transactions = s_on (stmt);
        } else if (!s_switch (self, name, &target))
            return s_bad (self, stmt);
        if (sh_same (name, "FMTONLY") && s_on (stmt))
            return sh_error_unsupported (self, "SET FMTONLY ON");
        if (sh_same (name, "CONCAT_NULL_YIELDS_NULL") && !s_on (stmt))
            return sh_error_unsupported (self, "SET CONCAT_NULL_YIELDS_NULL OFF");
        if (target)
            *target = s_on (stmt);
        if (!more)
            return SH_OK;
        name = more->text;
        more = more->next;
    }
}

static sh_status_t
s_number (sh_session_t *self, const sh_stmt_t *stmt, int64_t *out)
{
    sh_value_t value;
    sh_type_t type = sh_type_of (SH_TYPE_BIGINT);
    *out = 0;
    if (!stmt->cond)
        return s_bad (self, stmt);
    sh_status_t status = sh_eval_to (self, stmt->cond, &type, &value);
    if (status == SH_OK && value.kind == SH_INT)
        *out = value.as.integer;
    return status;
}

static sh_status_t
s_set_context_info (sh_session_t *self, const sh_stmt_t *stmt)
{
    sh_value_t value;
    sh_type_t type = sh_type_make (SH_TYPE_VARBINARY, 128);
    if (!stmt->cond)
        return s_bad (self, stmt);
    sh_status_t status = sh_eval_to (self, stmt->cond, &type, &value);
    if (status == SH_OK && value.kind == SH_BLOB)
        sh_esession_set_context_info (self->engine, value.as.blob, value.size);
    sh_value_clear (&value);
    return status;
}

static sh_status_t
s_set_deadlock_priority (sh_session_t *self, const sh_stmt_t *stmt)
{
    int64_t priority = 0;
    if (stmt->cond) {
        char *text = NULL;
        sh_status_t status = sh_eval_text (self, stmt->cond, &text);
        if (status != SH_OK)
            return status;
        priority = sh_same (text, "LOW")               ? -5
                   : sh_same (text, "HIGH")            ? 5
                   : sh_same (text, "NORMAL") || !text ? 0
                                                       : strtoll (text, NULL, 10);
        free (text);
    } else if (sh_same (stmt->text2, "LOW"))
        priority = -5;
    else if (sh_same (stmt->text2, "HIGH"))
        priority = 5;
    else if (!sh_same (stmt->text2, "NORMAL"))
        return s_bad (self, stmt);
    if (priority < -10 || priority > 10)
        return sh_error_set (self, 155, 15, 1, "The deadlock priority must lie in -10 .. 10.");
    self->set.deadlock_priority = (int)priority;
    sh_esession_set_deadlock_priority (self->engine, (int)priority);
    return SH_OK;
}

static sh_status_t
s_set_isolation (sh_session_t *self, const sh_stmt_t *stmt)
{
    static const char *const names[] = {"READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ",
                                        "SERIALIZABLE"};
    for (int i = 0; i < 4; i++)
        if (sh_same (stmt->text2, names[i]))
            self->set.isolation = (sh_isolation_t)i;
    return SH_OK;
}

static sh_status_t
s_set_identity_insert (sh_session_t *self, const sh_stmt_t *stmt)
{
    sh_resolved_t where;
    sh_table_t *table = NULL;
    sh_status_t status = sh_resolve (self, &stmt->name, &where);
    if (status == SH_OK)
        status = sh_table_open (self->engine, where.db_id, where.schema, where.object, &table,
                                &self->error);
    if (status == SH_END)
        return sh_error_set (
            self, 1088, 16, 11,
            "Cannot find the object \"%s\" because it does not exist or you do not "
            "have permissions.",
            stmt->name.object);
    if (status != SH_OK)
        return status;
    int id = sh_table_def (table)->object_id;
    sh_table_close (self->engine, &table);
    if (s_on (stmt) && self->set.identity_insert_id &&
        (self->set.identity_insert_id != id || self->set.identity_insert_db != where.db_id))
        return sh_error_set (self, 8107, 16, 1,
                             "IDENTITY_INSERT is already ON for another table. Cannot perform SET "
                             "operation for table '%s'.",
                             stmt->name.object);
    self->set.identity_insert_db = s_on (stmt) ? where.db_id : 0;
    self->set.identity_insert_id = s_on (stmt) ? id : 0;
    return SH_OK;
}

static sh_status_t
s_set_number (sh_session_t *self, const sh_stmt_t *stmt)
{
    int64_t number;
    sh_status_t status = s_number (self, stmt, &number);
    if (status != SH_OK)
        return status;
    if (sh_same (stmt->text, "LOCK_TIMEOUT")) {
        self->set.lock_timeout_ms = number < 0 ? -1 : number;
        sh_esession_set_lock_timeout (self->engine, self->set.lock_timeout_ms);
    } else if (sh_same (stmt->text, "ROWCOUNT"))
        self->set.rowcount = number < 0 ? 0 : number;
    else if (sh_same (stmt->text, "TEXTSIZE"))
        self->set.textsize = number <= 0 ? 4096 : number;
    else if (sh_same (stmt->text, "DATEFIRST") && number >= 1 && number <= 7)
        self->set.datefirst = (int)number;
    else if (!sh_same (stmt->text, "QUERY_GOVERNOR_COST_LIMIT"))
        return s_bad (self, stmt);
    return SH_OK;
}

static sh_status_t
s_set (sh_session_t *self, const sh_stmt_t *stmt)
{
    if (sh_same (stmt->text, "TRANSACTION ISOLATION LEVEL"))
        return s_set_isolation (self, stmt);
    if (sh_same (stmt->text, "IDENTITY_INSERT"))
        return s_set_identity_insert (self, stmt);
    if (sh_same (stmt->text, "DEADLOCK_PRIORITY"))
        return s_set_deadlock_priority (self, stmt);
    if (sh_same (stmt->text, "CONTEXT_INFO"))
        return s_set_context_info (self, stmt);
    if (s_is_switch (stmt))
        return s_set_switches (self, stmt);
    if (sh_same (stmt->text, "LANGUAGE"))
        return stmt->text2 && !sh_same (stmt->text2, "us_english") &&
                       !sh_same (stmt->text2, "english")
                   ? sh_error_unsupported (self, "A language other than us_english")
                   : SH_OK;
    if (sh_same (stmt->text, "DATEFORMAT"))
        return stmt->text2 && !sh_same (stmt->text2, "mdy")
                   ? sh_error_unsupported (self, "SET DATEFORMAT other than mdy")
                   : SH_OK;
    return s_set_number (self, stmt);
}

sh_flow_t
sh_exec_set (sh_session_t *self, const sh_stmt_t *stmt)
{
    sh_status_t status = s_set (self, stmt);
    sh_flow_t flow = sh_raise (self, status, stmt->line);
    if (status == SH_OK) {
        self->last_rowcount = 0;
        sh_out_done (self, SH_COMMAND_NONE, false, 0);
    }
    return flow;
}
