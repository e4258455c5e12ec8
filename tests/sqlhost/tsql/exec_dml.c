/*  What all statements that change rows share. */
#include <stdio.h>
#include "dml.h"
#include "rights.h"

#include <stdlib.h>
#include <string.h>

enum { S_RETRIES_MAX = 10000 };

sh_status_t
sh_target_open (sh_session_t *self, const sh_name_t *name, sh_target_t *target)
{
    *target = (sh_target_t){0};
    char text[600];
    sh_name_text (name, text, sizeof text);
    if (sh_sysview_find (self, name))
        return sh_error_set (self, 259, 16, 1,
                             "Ad hoc updates to system catalogs are not allowed.");
    sh_status_t status = sh_resolve (self, name, &target->where);
    if (status == SH_ERROR && self->error.number == 911)
        return sh_error_set (self, 208, 16, 1, "Invalid object name '%s'.", text);
    if (status != SH_OK)
        return status;
    status = sh_table_open (self->engine, target->where.db_id, target->where.schema,
                            target->where.object, &target->table, &self->error);
    if (status == SH_END) {
        char kind[16];
        int id;
        if (sh_object_find (self->engine, target->where.db_id, target->where.schema,
                            target->where.object, kind, &id) == SH_OK &&
            strcmp (kind, "V") == 0)
            return sh_error_unsupported (self, "Changing rows through a view");
        return sh_error_set (self, 208, 16, 1, "Invalid object name '%s'.", text);
    }
    if (status != SH_OK)
        return status;
    target->def = sh_table_def (target->table);
    target->arena = sh_arena_new ();
    size_t columns = (size_t)target->def->column_count;
    target->updated = sh_arena_alloc (target->arena, columns * sizeof *target->updated);
    target->defaults = sh_arena_alloc (target->arena, columns * sizeof *target->defaults);
    return SH_OK;
}

sh_status_t
sh_target_check_right (sh_session_t *self, const sh_target_t *target, const char *permission)
{
    if (target->where.temp)
        return SH_OK;
    return sh_check_object (self, target->where.db_id, target->def->schema, target->def->name,
                            target->def->object_id, permission);
}

void
sh_target_close (sh_session_t *self, sh_target_t *target)
{
    if (target->table)
        sh_table_close (self->engine, &target->table);
    sh_arena_destroy (&target->arena);
}

int
sh_target_column (sh_session_t *self, const sh_target_t *target, const char *name)
{
    for (int i = 0; i < target->def->column_count; i++)
        if (sh_same (target->def->columns[i].name, name))
            return i;
    sh_error_set (self, 207, 16, 1, "Invalid column name '%s'.", name);
    return -1;
}

sh_status_t
sh_target_convert (sh_session_t *self, const sh_target_t *target, int column, const sh_value_t *in,
                   const sh_type_t *type, sh_value_t *out)
{
    const sh_column_t *def = &target->def->columns[column];
    char table[400];
    sh_db_info_t info = {0};
    sh_db_get (self->instance, target->where.db_id, &info);
    snprintf (table, sizeof table, "%s.%s.%s", info.name, target->def->schema, target->def->name);
    return sh_convert_column (in, type, &def->type, table, def->name, out, &self->error) ? SH_OK
                                                                                         : SH_ERROR;
}

sh_status_t
sh_target_default (sh_session_t *self, sh_target_t *target, int column, sh_value_t *value)
{
    const sh_column_t *def = &target->def->columns[column];
    *value = sh_value_null ();
    if (!def->default_text)
        return SH_OK;
    if (!target->defaults[column]) {
        sh_syntax_error_t syntax;
        target->defaults[column] = sh_expr_parse (target->arena, def->default_text, &syntax);
        if (!target->defaults[column])
            return sh_error_set (self, syntax.number, 16, 1, "%s", syntax.text);
    }
    sh_value_t raw;
    sh_type_t type;
    sh_status_t status = sh_eval (self, target->defaults[column], &raw, &type);
    if (status == SH_OK)
        status = sh_target_convert (self, target, column, &raw, &type, value);
    sh_value_clear (&raw);
    return status;
}

sh_rowset_t *
sh_target_rows (const sh_target_t *target)
{
    sh_rowset_t *rows = sh_rowset_new ();
    for (int i = 0; i < target->def->column_count; i++)
        sh_rowset_add_field (rows, target->def->columns[i].name, target->def->columns[i].type,
                             target->def->columns[i].nullable);
    return rows;
}

/*  ---- CHECK ---- */

bool
sh_target_has_checks (const sh_target_t *target)
{
    for (int i = 0; i < target->def->constraint_count; i++)
        if (strcmp (target->def->constraints[i].kind, "C") == 0)
            return true;
    return false;
}

/*  SELECT 1 FROM inserted WHERE NOT (check): unknown passes. */
static sh_status_t
s_check_one (sh_session_t *self, const sh_target_t *target, const sh_constraint_t *constraint,
             const char *verb, const sh_pseudo_t *pseudo)
{
    sh_syntax_error_t syntax;
    char *text = sh_printf ("IF NOT %s RETURN", constraint->text);
    sh_script_t *script = sh_script_parse (text, strlen (text), true, &syntax);
    free (text);
    if (!script)
        return sh_error_set (self, syntax.number, 16, 1, "%s", syntax.text);
    sh_expr_t one = {.kind = SH_EXPR_LITERAL, .literal = SH_TOKEN_INT, .text = "1"};
    sh_item_t item = {.expr = &one};
    sh_source_t source = {.kind = SH_SOURCE_TABLE, .name = {.object = "inserted"}};
    sh_select_t select = {.items = &item, .from = &source, .where = script->body->cond};
    sh_query_options_t options = {.pseudo = pseudo};
    sh_rowset_t *bad = NULL;
    sh_status_t status = sh_query_rows (self, &select, &options, &bad);
    if (status == SH_OK && bad->row_count)
        status = sh_error_set (self, 547, 16, 0,
                               "The %s statement conflicted with the CHECK constraint \"%s\". The "
                               "conflict occurred in table \"%s.%s\".",
                               verb, constraint->name, target->def->schema, target->def->name);
    sh_rowset_destroy (&bad);
    sh_script_destroy (&script);
    return status;
}

sh_status_t
sh_target_check (sh_session_t *self, const sh_target_t *target, const char *verb,
                 const sh_rowset_t *rows)
{
    sh_pseudo_t pseudo = {.inserted = rows, .deleted = rows};
    sh_status_t status = SH_OK;
    for (int i = 0; i < target->def->constraint_count && status == SH_OK && rows; i++)
        if (strcmp (target->def->constraints[i].kind, "C") == 0)
            status = s_check_one (self, target, &target->def->constraints[i], verb, &pseudo);
    return status;
}

/*  ---- OUTPUT ---- */

static sh_status_t
s_output_into (sh_session_t *self, const sh_stmt_t *stmt, const sh_rowset_t *rows)
{
    sh_target_t target;
    int columns[SH_COLUMNS_MAX];
    size_t count = 0;
    sh_status_t status = sh_target_open (self, &stmt->output_into->name, &target);
    if (status != SH_OK)
        return status;
    status = sh_target_check_right (self, &target, "INSERT");
    if (stmt->output_columns) {
        for (const sh_ident_t *name = stmt->output_columns; name && status == SH_OK;
             name = name->next) {
            int column = sh_target_column (self, &target, name->text);
            if (column < 0)
                status = SH_ERROR;
            columns[count++] = column;
        }
    } else
        for (int i = 0; i < target.def->column_count; i++)
            if (!target.def->columns[i].identity)
                columns[count++] = i;
    if (status == SH_OK && count != rows->field_count)
        status = sh_error_set (self, 213, 16, 1,
                               "Column name or number of supplied values does not match table "
                               "definition.");
    if (status == SH_OK)
        status = sh_insert_rows (self, &target, rows, columns, count, NULL);
    sh_target_close (self, &target);
    return status;
}

sh_status_t
sh_output_clause (sh_session_t *self, const sh_stmt_t *stmt, const sh_changes_t *changes)
{
    if (!stmt->output)
        return SH_OK;
    sh_pseudo_t pseudo = {.inserted = changes->inserted, .deleted = changes->deleted};
    sh_source_t inserted = {.kind = SH_SOURCE_TABLE, .name = {.object = "inserted"}};
    sh_source_t deleted = {.kind = SH_SOURCE_TABLE, .name = {.object = "deleted"}};
    sh_expr_t left = {.kind = SH_EXPR_COLUMN, .path = {.schema = "inserted", .object = "%rid"}};
    sh_expr_t right = {.kind = SH_EXPR_COLUMN, .path = {.schema = "deleted", .object = "%rid"}};
    sh_expr_t on = {.kind = SH_EXPR_COMPARE, .op = SH_OP_EQ, .a = &left, .b = &right};
    sh_source_t both = {.kind = SH_SOURCE_JOIN,
                        .join = SH_JOIN_INNER,
                        .left = &deleted,
                        .right = &inserted,
                        .on = &on};
    sh_select_t select = {.items = stmt->output,
                          .from = changes->inserted && changes->deleted ? &both
                                  : changes->inserted                   ? &inserted
                                                                        : &deleted};
    sh_query_options_t options = {.pseudo = &pseudo};
    sh_rowset_t *rows = NULL;
    sh_status_t status = sh_query_rows (self, &select, &options, &rows);
    if (status == SH_OK && stmt->output_into)
        status = s_output_into (self, stmt, rows);
    else if (status == SH_OK)
        sh_out_rowset (self, rows);
    sh_rowset_destroy (&rows);
    return status;
}

/*  ---- the frame of every write ---- */

sh_flow_t
sh_exec_write (sh_session_t *self, const sh_stmt_t *stmt, uint16_t command, sh_write_run_t run)
{
    sh_status_t status = SH_CHANGED;
    sh_flow_t flow = SH_FLOW_NEXT;
    int64_t rows = 0;
    for (int i = 0; i < S_RETRIES_MAX && status == SH_CHANGED; i++) {
        sh_write_t write;
        rows = 0;
        status = sh_write_begin (self, &write);
        if (status != SH_OK)
            break;
        flow = SH_FLOW_NEXT;
        status = run (self, stmt, &flow, &rows);
        if (flow != SH_FLOW_NEXT) {
            /*  A trigger ended it: what it left is undone with the statement. */
            sh_write_end (self, &write, SH_ERROR);
            return flow;
        }
        status = sh_write_end (self, &write, status);
    }
    if (status == SH_CHANGED)
        status =
            sh_error_set (self, 1205, 13, 45,
                          "Transaction (Process ID %d) was deadlocked on lock resources with "
                          "another process and has been chosen as the deadlock victim. Rerun the "
                          "transaction.",
                          sh_esession_id (self->engine));
    flow = sh_raise (self, status, stmt->line);
    if (status == SH_OK) {
        self->last_rowcount = rows;
        sh_out_done (self, command, true, rows);
    } else if (status == SH_ERROR && self->error.number == 3621)
        self->last_rowcount = 0;
    return flow;
}

static sh_status_t
s_truncate (sh_session_t *self, const sh_stmt_t *stmt, sh_flow_t *flow, int64_t *rows)
{
    sh_target_t target;
    (void)flow;
    *rows = 0;
    sh_status_t status = sh_target_open (self, &stmt->name, &target);
    if (status == SH_OK && sh_target_check_right (self, &target, "ALTER") != SH_OK)
        status = sh_error_set (self, 208, 16, 1, "not allowed"); /* told as not found, below */
    if (status == SH_OK)
        status = sh_table_truncate (self->engine, target.table, &self->error);
    sh_target_close (self, &target);
    if (status == SH_ERROR && self->error.number == 208)
        return sh_error_set (
            self, 4701, 16, 1,
            "Cannot find the object \"%s\" because it does not exist or you do not "
            "have permissions.",
            stmt->name.object);
    return status;
}

sh_flow_t
sh_exec_dml (sh_session_t *self, const sh_stmt_t *stmt)
{
    switch (stmt->kind) {
        case SH_STMT_INSERT:
            return sh_exec_insert (self, stmt);
        case SH_STMT_TRUNCATE:
            return sh_exec_write (self, stmt, SH_COMMAND_NONE, s_truncate);
        default:
            return sh_exec_change (self, stmt);
    }
}
