/*  SELECT: to the client, into variables, into a new table. */
#include <stdlib.h>
#include <string.h>

#include "dml.h"

static bool
s_assigns (const sh_select_t *select)
{
    for (const sh_item_t *item = select->items; item; item = item->next)
        if (item->variable)
            return true;
    return false;
}

static sh_status_t
s_assign_row (sh_session_t *self, const sh_select_t *select, const sh_query_t *query)
{
    size_t i = 0;
    for (const sh_item_t *item = select->items; item; item = item->next, i++) {
        sh_var_t *var = sh_var_find (self, item->variable);
        if (!var || var->table)
            return sh_error_set (self, 137, 15, 1, "Must declare the scalar variable \"%s\".",
                                 item->variable);
        sh_value_t value = sh_query_value (query, i);
        if (sh_var_set (self, var, &value, &sh_query_fields (query)[i].type) != SH_OK)
            return SH_ERROR;
    }
    return SH_OK;
}

static sh_status_t
s_select_variables (sh_session_t *self, const sh_select_t *select, int64_t *rows)
{
    for (const sh_item_t *item = select->items; item; item = item->next)
        if (!item->variable)
            return sh_error_set (
                self, 141, 15, 1,
                "A SELECT statement that assigns a value to a variable must not be "
                "combined with data-retrieval operations.");
    sh_query_t *query = NULL;
    sh_status_t status = sh_query_open (self, select, NULL, &query);
    while (status == SH_OK && (status = sh_query_next (query)) == SH_OK) {
        status = s_assign_row (self, select, query);
        ++*rows;
    }
    sh_query_close (&query);
    return status == SH_END ? SH_OK : status;
}

/*  `*begun` says whether the client was told of columns: such a result must be ended, also after an
 *  error. */
static sh_status_t
s_stream (sh_session_t *self, sh_query_t *query, int64_t *rows, bool *begun)
{
    size_t count = sh_query_count (query);
    sh_value_t *row = sh_alloc ((count + 1) * sizeof *row);
    sh_status_t status = SH_OK;
    bool open = sh_out_columns (self, sh_query_fields (query), count);
    *begun = true;
    while (open && (status = sh_query_next (query)) == SH_OK) {
        for (size_t i = 0; i < count; i++)
            row[i] = sh_query_value (query, i);
        if (!sh_out_row (self, row, count)) {
            status = SH_CANCELLED;
            break;
        }
        ++*rows;
        if (self->set.rowcount && *rows >= self->set.rowcount) {
            status = SH_END;
            break;
        }
        if ((*rows & 255) == 0 &&
            (status = sh_esession_check (self->engine, &self->error)) != SH_OK)
            break;
    }
    free (row);
    return status == SH_END ? SH_OK : status;
}

static sh_status_t
s_select_client (sh_session_t *self, const sh_select_t *select, int64_t *rows, bool *begun)
{
    sh_query_t *query = NULL;
    sh_status_t status = sh_query_open (self, select, NULL, &query);
    if (status == SH_OK)
        status = s_stream (self, query, rows, begun);
    sh_query_close (&query);
    return status;
}

/*  ---- SELECT INTO ---- */

static sh_status_t
s_into_table (sh_session_t *self, const sh_select_t *select, const sh_rowset_t *rows,
              sh_resolved_t *where)
{
    sh_status_t status = sh_resolve (self, select->into, where);
    char *table = NULL;
    if (status == SH_OK && select->into->object[0] == '#') {
        status = sh_temp_add (self, select->into->object, &table);
        where->object = table;
    }
    sh_column_def_t *columns = sh_alloc ((rows->field_count + 1) * sizeof *columns);
    for (size_t i = 0; i < rows->field_count && status == SH_OK; i++) {
        const sh_field_t *field = &rows->fields[i];
        columns[i].name = field->name;
        columns[i].type.type = field->type;
        columns[i].nullable = field->nullable || !field->identity;
        columns[i].identity = field->identity;
        columns[i].seed = columns[i].increment = 1;
        if (i + 1 < rows->field_count)
            columns[i].next = &columns[i + 1];
        if (columns[i].type.type.id == SH_TYPE_TIMESTAMP)
            columns[i].type.type = sh_type_make (SH_TYPE_BINARY, 8);
        if (columns[i].identity)
            columns[i].nullable = false;
        if (!*columns[i].name)
            status = sh_error_set (self, 1038, 15, 5,
                                   "An object or column name is missing or empty. For SELECT INTO "
                                   "statements, verify each column has a name.");
    }
    if (status == SH_OK)
        status = sh_create_table (self, where, columns, NULL);
    if (status != SH_OK && table)
        sh_temp_forget (self, select->into->object);
    free (columns);
    return status;
}

static sh_status_t
s_select_into (sh_session_t *self, const sh_stmt_t *stmt, sh_flow_t *flow, int64_t *affected)
{
    sh_rowset_t *rows = NULL;
    sh_resolved_t where;
    sh_target_t target = {0};
    (void)flow;
    sh_status_t status = sh_query_rows (self, stmt->query, NULL, &rows);
    if (status == SH_OK)
        status = s_into_table (self, stmt->query, rows, &where);
    if (status == SH_OK)
        status = sh_target_open (self, stmt->query->into, &target);
    if (status == SH_OK) {
        int columns[SH_COLUMNS_MAX];
        for (size_t i = 0; i < rows->field_count && i < SH_COLUMNS_MAX; i++)
            columns[i] = (int)i;
        status = sh_insert_rows (self, &target, rows, columns, rows->field_count, NULL);
        *affected = (int64_t)rows->row_count;
    }
    if (status == SH_OK)
        sh_txn_note_bulk (self->engine, where.db_id);
    sh_target_close (self, &target);
    sh_rowset_destroy (&rows);
    return status;
}

sh_flow_t
sh_exec_select (sh_session_t *self, const sh_stmt_t *stmt)
{
    const sh_select_t *select = stmt->query;
    int64_t rows = 0;
    if (select->into)
        return sh_exec_write (self, stmt, SH_COMMAND_SELECT, s_select_into);
    bool assigns = s_assigns (select);
    if (!assigns && self->frame->is_function) {
        sh_error_set (
            self, 444, 16, 2,
            "Select statements included within a function cannot return data to a client.");
        return sh_raise (self, SH_ERROR, stmt->line);
    }
    bool begun = false;
    sh_status_t status = assigns ? s_select_variables (self, select, &rows)
                                 : s_select_client (self, select, &rows, &begun);
    sh_flow_t flow = sh_raise (self, status, stmt->line);
    if (status == SH_OK)
        self->last_rowcount = rows;
    if (status == SH_OK || (begun && status == SH_ERROR))
        sh_out_done (self, SH_COMMAND_SELECT, true, rows);
    return flow;
}
