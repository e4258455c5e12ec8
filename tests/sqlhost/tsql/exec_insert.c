/*  INSERT and SELECT INTO. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dml.h"

static bool
s_identity_allowed (const sh_session_t *self, const sh_target_t *target)
{
    return self->set.identity_insert_id == target->def->object_id &&
           self->set.identity_insert_db == target->where.db_id;
}

/*  The new row's values: given ones, defaults, NULLs. All are owned. */
static sh_status_t
s_build_row (sh_session_t *self, sh_target_t *target, const sh_rowset_t *rows, size_t row,
             const int *columns, size_t count, sh_value_t *values)
{
    bool given[SH_COLUMNS_MAX] = {false};
    const sh_value_t *source = rows ? sh_rowset_row (rows, row) : NULL;
    sh_status_t status = SH_OK;
    for (int i = 0; i < target->def->column_count; i++)
        values[i] = sh_value_null ();
    for (size_t i = 0; i < count && status == SH_OK; i++) {
        given[columns[i]] = true;
        status = sh_target_convert (self, target, columns[i], &source[i], &rows->fields[i].type,
                                    &values[columns[i]]);
    }
    for (int i = 0; i < target->def->column_count && status == SH_OK; i++)
        if (!given[i])
            status = sh_target_default (self, target, i, &values[i]);
    return status;
}

static void
s_remember_identity (sh_session_t *self, int64_t identity)
{
    char text[32];
    snprintf (text, sizeof text, "%lld", (long long)identity);
    sh_value_t borrowed = sh_value_decimal (text);
    sh_value_clear (&self->identity);
    sh_value_clear (&self->scope_identity);
    self->identity = sh_value_copy (&borrowed);
    self->scope_identity = sh_value_copy (&borrowed);
}

static sh_status_t
s_insert_one (sh_session_t *self, sh_target_t *target, const sh_value_t *values,
              sh_changes_t *changes, sh_rowset_t *checked)
{
    int64_t rid = 0, identity = 0;
    sh_status_t status =
        sh_row_insert (self->engine, target->table, values, &rid, &identity, &self->error);
    if (status != SH_OK)
        return status;
    for (int i = 0; i < target->def->column_count; i++)
        if (target->def->columns[i].identity && target->where.object[0] != '@')
            s_remember_identity (self, identity);
    const sh_value_t *stored = NULL;
    bool wanted = (changes && changes->inserted) || checked;
    if (wanted && sh_row_get (self->engine, target->table, rid, &stored) == SH_OK) {
        if (changes && changes->inserted)
            sh_rowset_push (changes->inserted, stored);
        if (checked)
            sh_rowset_push (checked, stored);
    }
    return SH_OK;
}

sh_status_t
sh_insert_rows (sh_session_t *self, sh_target_t *target, const sh_rowset_t *rows,
                const int *columns, size_t count, sh_changes_t *changes)
{
    sh_value_t values[SH_COLUMNS_MAX];
    sh_rowset_t *checked = sh_target_has_checks (target) ? sh_target_rows (target) : NULL;
    sh_status_t status = SH_OK;
    size_t total = rows ? rows->row_count : 1;
    for (size_t row = 0; row < total && status == SH_OK; row++) {
        status = s_build_row (self, target, rows, row, columns, count, values);
        if (status == SH_OK)
            status = s_insert_one (self, target, values, changes, checked);
        for (int i = 0; i < target->def->column_count; i++)
            sh_value_clear (&values[i]);
    }
    if (status == SH_OK && checked)
        status = sh_target_check (self, target, "INSERT", checked);
    sh_rowset_destroy (&checked);
    return status;
}

/*  ---- where the rows come from ---- */

/*  VALUES (...): every expression on its own, since each row has its own types; a row is brought to
 *  the column's type later. DEFAULT stands for the column's default. */
static sh_status_t
s_values (sh_session_t *self, sh_target_t *target, const sh_select_t *select, const int *columns,
          size_t count, sh_rowset_t **out)
{
    sh_rowset_t *rows = sh_rowset_new ();
    sh_status_t status = SH_OK;
    for (size_t i = 0; i < count; i++)
        sh_rowset_add_field (rows, "", target->def->columns[columns[i]].type, true);
    for (const sh_row_t *row = select->values; row && status == SH_OK; row = row->next) {
        size_t given = 0;
        for (const sh_expr_t *value = row->values; value; value = value->next)
            given++;
        if (given != count) {
            status = sh_error_set (
                self, given > count ? 110 : 109, 15, 1,
                given > count ? "There are fewer columns in the INSERT statement than values "
                                "specified in the VALUES clause. The number of values in the "
                                "VALUES clause must match the number of columns specified in "
                                "the INSERT statement."
                              : "There are more columns in the INSERT statement than values "
                                "specified in the VALUES clause. The number of values in the "
                                "VALUES clause must match the number of columns specified in "
                                "the INSERT statement.");
            break;
        }
        sh_value_t *to = sh_rowset_add_row (rows);
        size_t i = 0;
        for (const sh_expr_t *value = row->values; value && status == SH_OK;
             value = value->next, i++) {
            sh_value_t raw;
            sh_type_t type;
            if (value->kind == SH_EXPR_DEFAULT) {
                status = sh_target_default (self, target, columns[i], &to[i]);
                continue;
            }
            status = sh_eval (self, value, &raw, &type);
            if (status == SH_OK)
                status = sh_target_convert (self, target, columns[i], &raw, &type, &to[i]);
            sh_value_clear (&raw);
        }
    }
    if (status == SH_OK)
        *out = rows;
    else
        sh_rowset_destroy (&rows);
    return status;
}

static sh_status_t
s_captured (sh_session_t *self, const sh_stmt_t *stmt, sh_flow_t *flow, sh_rowset_t **out)
{
    if (self->capture)
        return sh_error_set (self, 8164, 16, 1, "An INSERT EXEC statement cannot be nested.");
    self->capture = sh_rowset_new ();
    self->capture_failed = false;
    /*  A transaction is open all the while: @@TRANCOUNT counts it. */
    bool lent = self->trancount == 0;
    if (lent)
        self->trancount = 1;
    *flow = sh_exec (self, stmt->exec);
    if (lent && self->trancount > 0)
        self->trancount--;
    *out = self->capture;
    self->capture = NULL;
    if (*flow == SH_FLOW_NEXT && self->capture_failed)
        return sh_error_set (self, 213, 16, 7,
                             "Column name or number of supplied values does not match table "
                             "definition.");
    return SH_OK;
}

static sh_status_t
s_columns (sh_session_t *self, const sh_stmt_t *stmt, sh_target_t *target, int *columns,
           size_t *count)
{
    *count = 0;
    bool identity = s_identity_allowed (self, target);
    if (!stmt->columns) {
        for (int i = 0; i < target->def->column_count; i++)
            if ((!target->def->columns[i].identity || identity) &&
                target->def->columns[i].type.id != SH_TYPE_TIMESTAMP)
                columns[(*count)++] = i;
        return SH_OK;
    }
    for (const sh_ident_t *name = stmt->columns; name; name = name->next) {
        int column = sh_target_column (self, target, name->text);
        if (column < 0)
            return SH_ERROR;
        for (size_t i = 0; i < *count; i++)
            if (columns[i] == column)
                return sh_error_set (
                    self, 264, 16, 1,
                    "The column name '%s' is specified more than once in the SET clause "
                    "or column list of an INSERT.",
                    name->text);
        if (target->def->columns[column].identity && !identity)
            return sh_error_set (
                self, 544, 16, 1,
                "Cannot insert explicit value for identity column in table '%s' when "
                "IDENTITY_INSERT is set to OFF.",
                target->def->name);
        if (target->def->columns[column].type.id == SH_TYPE_TIMESTAMP)
            return sh_error_set (self, 273, 16, 1,
                                 "Cannot insert an explicit value into a timestamp column.");
        columns[(*count)++] = column;
    }
    return SH_OK;
}

static sh_status_t
s_source_rows (sh_session_t *self, const sh_stmt_t *stmt, sh_target_t *target, const int *columns,
               size_t count, sh_flow_t *flow, sh_rowset_t **rows)
{
    if (stmt->exec) {
        sh_status_t status = s_captured (self, stmt, flow, rows);
        if (status != SH_OK || *flow != SH_FLOW_NEXT)
            return status;
        if (!(*rows)->field_count) {
            sh_rowset_destroy (rows); /* no result at all: nothing to insert */
            *rows = sh_rowset_new ();
            for (size_t i = 0; i < count; i++)
                sh_rowset_add_field (*rows, "", target->def->columns[columns[i]].type, true);
        }
    } else if (stmt->query->values)
        return s_values (self, target, stmt->query, columns, count, rows);
    else {
        sh_query_options_t options = {.ctes = stmt->ctes};
        sh_status_t status = sh_query_rows (self, stmt->query, &options, rows);
        if (status != SH_OK)
            return status;
    }
    if ((*rows)->field_count == count)
        return SH_OK;
    if (!stmt->columns)
        return sh_error_set (self, 213, 16, 1,
                             "Column name or number of supplied values does not match table "
                             "definition.");
    return (*rows)->field_count < count
               ? sh_error_set (
                     self, 120, 15, 1,
                     "The select list for the INSERT statement contains fewer items than the "
                     "insert list. The number of SELECT values must match the number of INSERT "
                     "columns.")
               : sh_error_set (
                     self, 121, 15, 1,
                     "The select list for the INSERT statement contains more items than the "
                     "insert list. The number of SELECT values must match the number of INSERT "
                     "columns.");
}

static sh_status_t
s_insert_into (sh_session_t *self, const sh_stmt_t *stmt, sh_target_t *target, sh_flow_t *flow,
               int64_t *affected)
{
    int columns[SH_COLUMNS_MAX];
    size_t count = 0;
    sh_rowset_t *rows = NULL;
    sh_changes_t changes = {0};
    sh_status_t status = SH_OK;
    if (!stmt->flag) {
        status = s_columns (self, stmt, target, columns, &count);
        if (status == SH_OK)
            status = s_source_rows (self, stmt, target, columns, count, flow, &rows);
    }
    bool trigger = status == SH_OK && sh_has_trigger (self, target->where.db_id, target->def, 'I');
    if (stmt->output || trigger)
        changes.inserted = sh_target_rows (target);
    if (status == SH_OK && *flow == SH_FLOW_NEXT)
        status = sh_insert_rows (self, target, rows, columns, count, &changes);
    if (status == SH_OK && *flow == SH_FLOW_NEXT) {
        *affected = rows ? (int64_t)rows->row_count : 1;
        self->last_rowcount = *affected;
        status = sh_output_clause (self, stmt, &changes);
    }
    if (status == SH_OK && *flow == SH_FLOW_NEXT && trigger) {
        sh_rowset_t *none = sh_target_rows (target);
        sh_pseudo_t pseudo = {.inserted = changes.inserted,
                              .deleted = none,
                              .column_count = (size_t)target->def->column_count};
        *flow = sh_fire_triggers (self, target->where.db_id, target->def, 'I', &pseudo, stmt->line);
        sh_rowset_destroy (&none);
    }
    sh_rowset_destroy (&changes.inserted);
    sh_rowset_destroy (&rows);
    return status;
}

static sh_status_t
s_insert (sh_session_t *self, const sh_stmt_t *stmt, sh_flow_t *flow, int64_t *rows)
{
    sh_target_t target;
    sh_status_t status = sh_target_open (self, &stmt->target->name, &target);
    if (status == SH_OK)
        status = sh_target_check_right (self, &target, "INSERT");
    if (status == SH_OK && (stmt->target->hints & (SH_WITH_TABLOCKX | SH_WITH_TABLOCK)))
        status = sh_table_lock (self->engine, target.table, true, &self->error);
    if (status == SH_OK && stmt->top)
        status = sh_error_unsupported (self, "INSERT TOP");
    if (status == SH_OK)
        status = s_insert_into (self, stmt, &target, flow, rows);
    sh_target_close (self, &target);
    return status;
}

sh_flow_t
sh_exec_insert (sh_session_t *self, const sh_stmt_t *stmt)
{
    return sh_exec_write (self, stmt, SH_COMMAND_INSERT, s_insert);
}
