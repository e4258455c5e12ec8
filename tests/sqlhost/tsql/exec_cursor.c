/*  Cursors: a static copy of the rows, made at OPEN.
 *
 *  Errors: 16915 declared twice, 16916 no such cursor, 16905 open already, 16917 not open, 16924
 *  another number of variables, 16911 a forward-only cursor asked to go back. @@FETCH_STATUS 0 = a
 *  row, -1 = beyond the last or first. */
#include <stdlib.h>
#include <string.h>

#include "interp.h"

static sh_cursor_var_t *
s_find (const sh_session_t *self, const char *name)
{
    for (sh_cursor_var_t *cursor = self->cursors; cursor; cursor = cursor->next)
        if (sh_same (cursor->name, name) && (!cursor->frame || cursor->frame == self->frame))
            return cursor;
    return NULL;
}

static void
s_free (sh_cursor_var_t *cursor)
{
    sh_rowset_destroy (&cursor->rows);
    sh_script_destroy (&cursor->script);
    free (cursor->name);
    free (cursor);
}

/*  NULL frees all. */
void
sh_cursors_free (sh_session_t *self, const sh_frame_t *frame)
{
    for (sh_cursor_var_t **at = &self->cursors; *at;) {
        sh_cursor_var_t *cursor = *at;
        if (frame && cursor->frame != frame) {
            at = &cursor->next;
            continue;
        }
        *at = cursor->next;
        s_free (cursor);
    }
}

/*  A global cursor outlives its batch: it keeps a parsed copy of its own. */
static sh_status_t
s_declare (sh_session_t *self, const sh_stmt_t *stmt)
{
    if (s_find (self, stmt->text))
        return sh_error_set (self, 16915, 16, 1, "A cursor with the name '%s' already exists.",
                             stmt->text);
    const sh_script_t *script = self->frame->script;
    sh_cursor_var_t *cursor = sh_alloc (sizeof *cursor);
    cursor->name = sh_strdup (stmt->text);
    cursor->frame = stmt->flag2 ? self->frame : NULL;
    cursor->query = stmt->query;
    cursor->scroll = stmt->flag;
    sh_syntax_error_t syntax;
    if (!cursor->frame && script) {
        cursor->script = sh_script_parse (script->source + stmt->start, stmt->end - stmt->start,
                                          self->set.quoted_identifier, &syntax);
        if (!cursor->script) {
            s_free (cursor);
            return sh_error_set (self, syntax.number, syntax.severity, 1, "%s", syntax.text);
        }
        cursor->query = cursor->script->body->query;
    }
    cursor->next = self->cursors;
    self->cursors = cursor;
    return SH_OK;
}

static sh_status_t
s_open (sh_session_t *self, sh_cursor_var_t *cursor)
{
    if (cursor->rows)
        return sh_error_set (self, 16905, 16, 1, "The cursor is already open.");
    cursor->at = 0;
    return sh_query_rows (self, cursor->query, NULL, &cursor->rows);
}

static sh_status_t
s_fetch_into (sh_session_t *self, const sh_stmt_t *stmt, const sh_cursor_var_t *cursor)
{
    size_t count = 0;
    for (const sh_ident_t *name = stmt->columns; name; name = name->next)
        count++;
    if (count != cursor->rows->field_count)
        return sh_error_set (
            self, 16924, 16, 1,
            "Cursorfetch: The number of variables declared in the INTO list must match "
            "that of selected columns.");
    const sh_value_t *row = sh_rowset_row (cursor->rows, cursor->at - 1);
    size_t i = 0;
    for (const sh_ident_t *name = stmt->columns; name; name = name->next, i++) {
        sh_var_t *var = sh_var_find (self, name->text);
        if (!var)
            return sh_error_set (self, 137, 15, 1, "Must declare the scalar variable \"%s\".",
                                 name->text);
        if (sh_var_set (self, var, &row[i], &cursor->rows->fields[i].type) != SH_OK)
            return SH_ERROR;
    }
    return SH_OK;
}

static sh_status_t
s_fetch (sh_session_t *self, const sh_stmt_t *stmt, sh_cursor_var_t *cursor)
{
    if (!cursor->rows)
        return sh_error_set (self, 16917, 16, 1, "Cursor is not open.");
    if (stmt->fetch != SH_FETCH_NEXT && !cursor->scroll)
        return sh_error_set (self, 16911, 16, 1,
                             "fetch: The fetch type cannot be used with forward only cursors.");
    size_t count = cursor->rows->row_count;
    switch (stmt->fetch) {
        case SH_FETCH_NEXT:
            cursor->at = cursor->at > count ? cursor->at : cursor->at + 1;
            break;
        case SH_FETCH_PRIOR:
            cursor->at = cursor->at ? cursor->at - 1 : 0;
            break;
        case SH_FETCH_FIRST:
            cursor->at = count ? 1 : 0;
            break;
        default:
            cursor->at = count;
    }
    bool on_row = cursor->at >= 1 && cursor->at <= count;
    self->fetch_status = on_row ? 0 : -1;
    self->last_rowcount = on_row;
    if (stmt->columns)
        return on_row ? s_fetch_into (self, stmt, cursor) : SH_OK;
    if (sh_out_columns (self, cursor->rows->fields, cursor->rows->field_count) && on_row)
        sh_out_row (self, sh_rowset_row (cursor->rows, cursor->at - 1), cursor->rows->field_count);
    sh_out_done (self, SH_COMMAND_SELECT, true, on_row);
    return SH_OK;
}

static sh_status_t
s_deallocate (sh_session_t *self, sh_cursor_var_t *cursor)
{
    for (sh_cursor_var_t **at = &self->cursors; *at; at = &(*at)->next)
        if (*at == cursor) {
            *at = cursor->next;
            s_free (cursor);
            break;
        }
    return SH_OK;
}

static sh_status_t
s_close (sh_session_t *self, sh_cursor_var_t *cursor)
{
    if (!cursor->rows)
        return sh_error_set (self, 16917, 16, 1, "Cursor is not open.");
    sh_rowset_destroy (&cursor->rows);
    return SH_OK;
}

sh_flow_t
sh_exec_cursor (sh_session_t *self, const sh_stmt_t *stmt)
{
    sh_status_t status;
    sh_cursor_var_t *cursor = s_find (self, stmt->text);
    if (stmt->kind == SH_STMT_DECLARE_CURSOR)
        status = s_declare (self, stmt);
    else if (!cursor)
        status = sh_error_set (self, 16916, 16, 1, "A cursor with the name '%s' does not exist.",
                               stmt->text);
    else if (stmt->kind == SH_STMT_OPEN)
        status = s_open (self, cursor);
    else if (stmt->kind == SH_STMT_FETCH)
        status = s_fetch (self, stmt, cursor);
    else if (stmt->kind == SH_STMT_DEALLOCATE)
        status = s_deallocate (self, cursor);
    else
        status = s_close (self, cursor);
    return sh_raise (self, status, stmt->line);
}
