/*  Cursors: all rows are read at OPEN (as a STATIC one does), and a cursor ends with the batch or module that declared it.
 *
 *  Errors: 16915 declared twice, 16916 no such cursor, 16905 open already, 16917 not open, 16924 another number of
 *  variables, 16911 a forward-only cursor asked to go back. @@FETCH_STATUS 0 = a row, -1 = beyond the last or first. */
#include <stdlib.h>
#include <strings.h>

#include "interp.h"
#include "arena.h"

static sh_cursor_var_t *
s_find (sh_session_t *self, const char *name)
{
    for (sh_cursor_var_t *cursor = self->cursors; cursor; cursor = cursor->next)
        if (strcasecmp (cursor->name, name) == 0)
            return cursor;
    return NULL;
}

static void
s_free (sh_cursor_var_t *cursor)
{
    sh_rowset_destroy (&cursor->rows);
    free (cursor->name);
    free (cursor);
}

void
sh_cursors_free (sh_session_t *self, const sh_frame_t *frame)
{
    sh_cursor_var_t **link = &self->cursors;
    while (*link) {
        sh_cursor_var_t *cursor = *link;
        if (!frame || cursor->frame == frame) {
            *link = cursor->next;
            s_free (cursor);
        } else
            link = &cursor->next;
    }
}

static sh_status_t
s_declare (sh_session_t *self, const sh_stmt_t *stmt)
{
    sh_cursor_var_t *before = s_find (self, stmt->text);
    if (before && before->frame == self->frame)
        return sh_error_set (self, 16915, 16, 1, "A cursor with the name '%s' already exists.",
                             stmt->text);
    sh_cursor_var_t *cursor = sh_alloc (sizeof *cursor);
    cursor->name = sh_strdup (stmt->text);
    cursor->frame = self->frame;
    cursor->query = stmt->query;
    cursor->scroll = stmt->flag;
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
s_close (sh_session_t *self, sh_cursor_var_t *cursor)
{
    if (!cursor->rows)
        return sh_error_set (self, 16917, 16, 1, "Cursor is not open.");
    sh_rowset_destroy (&cursor->rows);
    return SH_OK;
}

static void
s_deallocate (sh_session_t *self, sh_cursor_var_t *cursor)
{
    for (sh_cursor_var_t **link = &self->cursors; *link; link = &(*link)->next)
        if (*link == cursor) {
            *link = cursor->next;
            s_free (cursor);
            return;
        }
}

/*  Where the cursor stands after the step: 0 = before the first, row_count + 1 = behind the last. */
static size_t
s_step (const sh_cursor_var_t *cursor, sh_fetch_t fetch)
{
    size_t count = cursor->rows->row_count;
    switch (fetch) {
        case SH_FETCH_FIRST:
            return count > 0 ? 1 : 0;
        case SH_FETCH_LAST:
            return count;
        case SH_FETCH_PRIOR:
            return cursor->at > 0 ? cursor->at - 1 : 0;
        case SH_FETCH_NEXT:
            break;
    }
    return cursor->at <= count ? cursor->at + 1 : cursor->at;
}

static sh_status_t
s_into_variables (sh_session_t *self, const sh_stmt_t *stmt, const sh_cursor_var_t *cursor)
{
    size_t count = 0;
    for (const sh_ident_t *name = stmt->columns; name; name = name->next)
        count++;
    if (count != cursor->rows->field_count)
        return sh_error_set (
            self, 16924, 16, 1,
            "Cursorfetch: The number of variables declared in the INTO list must match that of "
            "selected columns.");
    if (self->fetch_status != 0)
        return SH_OK;
    const sh_value_t *row = sh_rowset_row (cursor->rows, cursor->at - 1);
    size_t i = 0;
    for (const sh_ident_t *name = stmt->columns; name; name = name->next, i++) {
        sh_var_t *variable = sh_var_find (self, name->text);
        if (!variable)
            return sh_error_set (self, 137, 15, 2, "Must declare the scalar variable \"%s\".",
                                 name->text);
        sh_value_t value = sh_value_copy (&row[i]);
        sh_status_t status = sh_var_set (self, variable, &value, &cursor->rows->fields[i].type);
        if (status != SH_OK)
            return status;
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
    cursor->at = s_step (cursor, stmt->fetch);
    bool on_row = cursor->at > 0 && cursor->at <= cursor->rows->row_count;
    self->fetch_status = on_row ? 0 : -1;
    if (stmt->columns)
        return s_into_variables (self, stmt, cursor);
    bool open = sh_out_columns (self, cursor->rows->fields, cursor->rows->field_count);
    if (open && on_row)
        sh_out_row (self, sh_rowset_row (cursor->rows, cursor->at - 1), cursor->rows->field_count);
    sh_out_done (self, 0, true, on_row ? 1 : 0);
    return SH_OK;
}

sh_flow_t
sh_exec_cursor (sh_session_t *self, const sh_stmt_t *stmt)
{
    if (stmt->kind == SH_STMT_DECLARE_CURSOR)
        return sh_raise (self, s_declare (self, stmt), stmt->line);
    sh_cursor_var_t *cursor = s_find (self, stmt->text);
    sh_status_t status = SH_OK;
    if (!cursor)
        status = sh_error_set (self, 16916, 16, 1, "A cursor with the name '%s' does not exist.",
                               stmt->text);
    else if (stmt->kind == SH_STMT_OPEN)
        status = s_open (self, cursor);
    else if (stmt->kind == SH_STMT_CLOSE)
        status = s_close (self, cursor);
    else if (stmt->kind == SH_STMT_DEALLOCATE)
        s_deallocate (self, cursor);
    else
        status = s_fetch (self, stmt, cursor);
    return sh_raise (self, status, stmt->line);
}
