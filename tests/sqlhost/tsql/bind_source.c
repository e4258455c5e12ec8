/*  What stands in FROM: tables, views, system views, rows in memory, derived tables, joins. */
#include <stdlib.h>
#include <string.h>

#include "bind.h"
#include "rights.h"

static sh_bound_source_t *
s_add (sh_bind_t *b, const sh_source_t *source, size_t columns)
{
    sh_bound_source_t *bound = sh_arena_alloc (b->arena, sizeof *bound);
    bound->alias = source->alias;
    bound->name = &source->name;
    bound->sql_alias = sh_arena_printf (b->arena, "s%d", ++b->alias_count);
    bound->columns = sh_arena_alloc (b->arena, (columns ? columns : 1) * sizeof *bound->columns);
    bound->column_count = columns;
    bound->is_target = b->options && b->options->target == source;
    if (b->scope->last)
        b->scope->last->next = bound;
    else
        b->scope->sources = bound;
    b->scope->last = bound;
    return bound;
}

static char
s_letter (const sh_type_t *type)
{
    return sh_type_is_text (type) ? 't' : sh_type_kind (type) == SH_DECIMAL ? 'd' : 'x';
}

static bool
s_from_slot (sh_bind_t *b, sh_bound_source_t *bound, size_t slot, sh_buffer_t *sql)
{
    char *letters = sh_arena_alloc (b->arena, bound->column_count + 1);
    for (size_t i = 0; i < bound->column_count; i++)
        letters[i] = s_letter (&bound->columns[i].type);
    const char *layout = sh_processor_layout (b->connection, letters);
    if (!layout) {
        sh_bind_fail (b, 8624, 16, 1, "Internal query processor error: no room for a source.");
        return false;
    }
    bound->has_rid = true;
    sh_buffer_printf (sql, b->wrapped ? "(SELECT *, rid, ver FROM %s(%zu)) AS %s" : "%s(%zu) AS %s",
                      layout, slot, bound->sql_alias);
    return true;
}

static bool
s_from_rows (sh_bind_t *b, const sh_source_t *source, const sh_rowset_t *rows, sh_rowset_t *own,
             sh_buffer_t *sql)
{
    size_t slot = sh_bind_slot (b);
    b->slots[slot].rows = rows;
    b->slots[slot].own_rows = own;
    sh_bound_source_t *bound = s_add (b, source, rows->field_count);
    for (size_t i = 0; i < rows->field_count; i++) {
        sh_bound_column_t *column = &bound->columns[i];
        column->name = sh_arena_strdup (b->arena, rows->fields[i].name);
        column->type = rows->fields[i].type;
        column->nullable = rows->fields[i].nullable;
        column->collated = true;
        column->sql = sh_arena_printf (b->arena, "%s.c%zu", bound->sql_alias, i);
    }
    return s_from_slot (b, bound, slot, sql);
}

static void
s_scan (const sh_session_t *session, const sh_source_t *source, bool target, sh_scan_t *scan)
{
    unsigned with = source->hints;
    scan->isolation = session->set.isolation;
    if (with & SH_WITH_READCOMMITTED)
        scan->isolation = SH_READ_COMMITTED;
    if (with & SH_WITH_NOLOCK)
        scan->isolation = SH_READ_UNCOMMITTED;
    if (with & SH_WITH_REPEATABLEREAD)
        scan->isolation = SH_REPEATABLE_READ;
    if (with & SH_WITH_HOLDLOCK)
        scan->isolation = SH_SERIALIZABLE;
    if (target && scan->isolation == SH_READ_UNCOMMITTED)
        scan->isolation = SH_READ_COMMITTED;
    scan->hints = (with & SH_WITH_UPDLOCK ? SH_HINT_UPDLOCK : 0u) |
                  (with & SH_WITH_XLOCK ? SH_HINT_XLOCK : 0u) |
                  (with & SH_WITH_TABLOCK ? SH_HINT_TABLOCK : 0u) |
                  (with & SH_WITH_TABLOCKX ? SH_HINT_TABLOCKX : 0u) |
                  (with & SH_WITH_READPAST ? SH_HINT_READPAST : 0u) |
                  (with & SH_WITH_NOWAIT ? SH_HINT_NOWAIT : 0u) | (target ? SH_HINT_TARGET : 0u);
    if ((with & SH_WITH_TABLOCK) && (with & SH_WITH_XLOCK))
        scan->hints |= SH_HINT_TABLOCKX;
}

static bool
s_from_table (sh_bind_t *b, const sh_source_t *source, sh_table_t *table, sh_buffer_t *sql)
{
    const sh_table_def_t *def = sh_table_def (table);
    size_t slot = sh_bind_slot (b);
    sh_bound_source_t *bound = s_add (b, source, (size_t)def->column_count);
    b->slots[slot].table = table;
    s_scan (b->session, source, bound->is_target, &b->slots[slot].scan);
    for (int i = 0; i < def->column_count; i++) {
        sh_bound_column_t *column = &bound->columns[i];
        column->name = sh_arena_strdup (b->arena, def->columns[i].name);
        column->type = def->columns[i].type;
        column->nullable = def->columns[i].nullable;
        column->identity = def->columns[i].identity;
        column->collated = true;
        column->sql = sh_arena_printf (b->arena, "%s.c%d", bound->sql_alias, i);
    }
    return s_from_slot (b, bound, slot, sql);
}

/*  (SELECT ...) AS sN with the columns of what was bound. */
static bool
s_from_bound (sh_bind_t *b, const sh_source_t *source, const sh_bound_t *inner,
              const sh_ident_t *names, sh_buffer_t *sql)
{
    sh_bound_source_t *bound = s_add (b, source, inner->count);
    const sh_ident_t *name = names;
    for (size_t i = 0; i < inner->count; i++) {
        sh_bound_column_t *column = &bound->columns[i];
        column->name = name ? name->text : inner->columns[i].name;
        column->type = inner->columns[i].type;
        column->nullable = true;
        column->sql = sh_arena_printf (b->arena, "%s.o%zu", bound->sql_alias, i);
        if (name && !(name = name->next) && i + 1 < inner->count) {
            sh_bind_fail (b, 8158, 16, 1,
                          "'%s' has more columns than were specified in the column list.",
                          source->alias ? source->alias : source->name.object);
            return false;
        }
        if (!column->name || !*column->name) {
            sh_bind_fail (b, 8155, 16, 2, "No column name was specified for column %zu of '%s'.",
                          i + 1, source->alias ? source->alias : source->name.object);
            return false;
        }
    }
    sh_buffer_printf (sql, "(%s) AS %s", inner->sql, bound->sql_alias);
    return true;
}

/*  A query of its own, that sees nothing of the sources beside it. */
static bool
s_bind_apart (sh_bind_t *b, const sh_select_t *query, sh_bound_t *out)
{
    sh_scope_t *scope = b->scope;
    b->scope = scope ? scope->up : NULL;
    bool ok = sh_bind_select (b, query, out);
    b->scope = scope;
    return ok;
}

static const sh_cte_t *
s_cte_find (sh_bind_t *b, const sh_source_t *source, sh_cte_scope_t **where)
{
    if (source->name.schema || source->name.database)
        return NULL;
    for (sh_cte_scope_t *scope = b->ctes; scope; scope = scope->up)
        for (const sh_cte_t *cte = scope->ctes; cte; cte = cte->next)
            if (sh_same (cte->name, source->name.object)) {
                *where = scope;
                return cte;
            }
    return NULL;
}

static bool
s_from_cte (sh_bind_t *b, const sh_source_t *source, const sh_cte_t *cte, sh_cte_scope_t *where,
            sh_buffer_t *sql)
{
    if (++b->depth > 64) {
        sh_bind_fail (b, SH_NOT_SUPPORTED, 16, 1,
                      "A recursive common table expression is not supported by sqlhost.");
        return false;
    }
    sh_cte_scope_t *saved = b->ctes;
    b->ctes = where;
    sh_bound_t bound;
    bool ok = s_bind_apart (b, cte->query, &bound);
    b->ctes = saved;
    b->depth--;
    return ok && s_from_bound (b, source, &bound, cte->columns, sql);
}

/*  The text of a view is bound in its own database, without variables. */
static bool
s_from_module (sh_bind_t *b, const sh_source_t *source, int db_id, const sh_module_t *module,
               sh_buffer_t *sql)
{
    sh_script_t *script = sh_script_acquire (b->session, module);
    if (!script || !script->body || !script->body->module || !script->body->module->query) {
        sh_bind_fail (b, 4413, 16, 1,
                      "Could not use view or function '%s' because of binding errors.",
                      module->name);
        if (script)
            sh_script_release (b->session, script);
        return false;
    }
    if (++b->depth > 32) {
        sh_bind_fail (b, 217, 16, 1, "Maximum view nesting level exceeded (limit 32).");
        sh_script_release (b->session, script);
        return false;
    }
    const sh_module_def_t *def = script->body->module;
    sh_macro_t *macros = NULL, *last = NULL;
    const sh_expr_t *arg = source->args;
    for (const sh_variable_t *p = def->parameters; p && !b->failed; p = p->next) {
        sh_macro_t *macro = sh_arena_alloc (b->arena, sizeof *macro);
        const sh_expr_t *value = arg && arg->kind != SH_EXPR_DEFAULT ? arg : p->init;
        if (!value) {
            sh_bind_fail (b, 313, 16, 3,
                          "An insufficient number of arguments were supplied for the procedure or "
                          "function %s.",
                          module->name);
            break;
        }
        macro->name = sh_arena_strdup (b->arena, p->name);
        macro->frag = sh_bind_convert (b, sh_bind_expr (b, value), p->type.type);
        SH_LIST_APPEND (macros, last, macro);
        arg = arg ? arg->next : NULL;
    }
    sh_bind_t outer = *b;
    b->db_id = db_id;
    b->macros = macros;
    b->macros_only = true;
    b->ctes = NULL;
    sh_scope_t *scope = b->scope;
    b->scope = NULL;
    sh_bound_t bound;
    bool ok = !b->failed && sh_bind_select (b, def->query, &bound);
    b->scope = scope;
    b->db_id = outer.db_id;
    b->macros = outer.macros;
    b->macros_only = outer.macros_only;
    b->ctes = outer.ctes;
    b->depth--;
    if (ok)
        for (size_t i = 0; i < bound.count; i++)
            bound.columns[i].name =
                bound.columns[i].name ? sh_arena_strdup (b->arena, bound.columns[i].name) : NULL;
    sh_ident_t *names = NULL, *tail = NULL;
    for (const sh_ident_t *name = def->columns; name; name = name->next) {
        sh_ident_t *copy = sh_arena_alloc (b->arena, sizeof *copy);
        copy->text = sh_arena_strdup (b->arena, name->text);
        SH_LIST_APPEND (names, tail, copy);
    }
    ok = ok && s_from_bound (b, source, &bound, names, sql);
    sh_script_release (b->session, script);
    return ok;
}

static bool
s_invalid_object (sh_bind_t *b, const sh_name_t *name)
{
    char text[600];
    sh_name_text (name, text, sizeof text);
    /*  SQL Server may well have it; only we do not. */
    if (name->schema &&
        (sh_same (name->schema, "sys") || sh_same (name->schema, "INFORMATION_SCHEMA")))
        sh_bind_fail (b, SH_NOT_SUPPORTED, 16, 1, "The view %s is not supported by sqlhost.", text);
    else
        sh_bind_fail (b, 208, 16, 1, "Invalid object name '%s'.", text);
    return false;
}

static bool
s_stop (sh_bind_t *b, sh_status_t status)
{
    sh_processor_stop (b->connection, status);
    b->failed = true;
    return false;
}

/*  SELECT on what stands in FROM. What a view or inline function reads in its own database is its
 *  owner's business. */
static bool
s_may_read (sh_bind_t *b, const sh_source_t *source, const sh_resolved_t *where, int object_id)
{
    bool target = b->options && b->options->target == source;
    if (target || where->temp || (b->macros_only && b->db_id == where->db_id))
        return true;
    sh_status_t status = sh_check_object (b->session, where->db_id, where->schema, where->object,
                                          object_id, "SELECT");
    return status == SH_OK || s_stop (b, status);
}

static bool
s_from_stored (sh_bind_t *b, const sh_source_t *source, const char *kind, sh_buffer_t *sql)
{
    sh_session_t *session = b->session;
    sh_resolved_t where;
    sh_status_t status = sh_resolve_in (session, b->db_id, &source->name, &where);
    if (status == SH_ERROR && session->error.number == 911)
        return s_invalid_object (b, &source->name);
    if (status != SH_OK)
        return s_stop (b, status);
    sh_table_t *table = NULL;
    if (!kind) {
        status = sh_table_open (session->engine, where.db_id, where.schema, where.object, &table,
                                &session->error);
        if (status == SH_OK && s_may_read (b, source, &where, sh_table_def (table)->object_id))
            return s_from_table (b, source, table, sql);
        if (status == SH_OK) {
            sh_table_close (session->engine, &table);
            return false;
        }
        if (status != SH_END)
            return s_stop (b, status);
    }
    const sh_module_t *module = NULL;
    status = sh_module_open (session->engine, where.db_id, kind ? kind : "V", where.schema,
                             where.object, &module, &session->error);
    if (status == SH_END)
        return s_invalid_object (b, &source->name);
    if (status != SH_OK)
        return s_stop (b, status);
    bool ok = s_may_read (b, source, &where, module->object_id) &&
              s_from_module (b, source, where.db_id, module, sql);
    sh_module_close (session->engine, &module);
    return ok;
}

static const sh_rowset_t *
s_pseudo (sh_bind_t *b, const sh_name_t *name)
{
    if (name->schema || name->database)
        return NULL;
    const sh_pseudo_t *pseudo = b->options && b->options->pseudo ? b->options->pseudo
                                : b->session->frame              ? b->session->frame->pseudo
                                                                 : NULL;
    if (!pseudo || b->macros_only)
        return NULL;
    if (sh_same (name->object, "inserted"))
        return pseudo->inserted;
    return sh_same (name->object, "deleted") ? pseudo->deleted : NULL;
}

static bool
s_from_sysview (sh_bind_t *b, const sh_source_t *source, const sh_sysview_t *view, sh_buffer_t *sql)
{
    int db_id = b->db_id;
    if (source->name.database) {
        sh_resolved_t where;
        sh_status_t status = sh_resolve_in (b->session, b->db_id, &source->name, &where);
        if (status != SH_OK)
            return s_stop (b, status);
        db_id = where.db_id;
    }
    if (view->permission) {
        sh_status_t status = sh_check_server (b->session, view->permission);
        if (status != SH_OK)
            return s_stop (b, status);
    }
    sh_rowset_t *rows = sh_rowset_new ();
    view->define (rows);
    view->fill (b->session, db_id, rows);
    return s_from_rows (b, source, rows, rows, sql);
}

static bool
s_from_name (sh_bind_t *b, const sh_source_t *source, sh_buffer_t *sql)
{
    if (source->variable) {
        const sh_var_t *var = sh_var_find (b->session, source->variable);
        if (!var || !var->table) {
            sh_bind_fail (b, 1087, 16, 1, "Must declare the table variable \"%s\".",
                          source->variable);
            return false;
        }
        return s_from_stored (b, source, NULL, sql);
    }
    sh_cte_scope_t *where = NULL;
    const sh_cte_t *cte = s_cte_find (b, source, &where);
    if (cte)
        return s_from_cte (b, source, cte, where, sql);
    const sh_rowset_t *pseudo = s_pseudo (b, &source->name);
    if (pseudo)
        return s_from_rows (b, source, pseudo, NULL, sql);
    const sh_sysview_t *view = sh_sysview_find (b->session, &source->name);
    if (view)
        return s_from_sysview (b, source, view, sql);
    return s_from_stored (b, source, NULL, sql);
}

/*  ---- functions as sources ---- */

static bool s_from_one (sh_bind_t *b, const sh_source_t *source, sh_buffer_t *sql);

static const sh_table_function_t *
s_find_function (const sh_bind_t *b, const sh_name_t *name)
{
    const sh_table_function_t *f = b->session->host_of->functions;
    for (; f && f->name; f++)
        if (sh_same (f->name, name->object) &&
            (name->schema ? f->schema && sh_same (f->schema, name->schema) : !f->schema))
            return f;
    return NULL;
}

static bool
s_may_call (sh_bind_t *b, const sh_table_function_t *function)
{
    sh_status_t status =
        function->permission ? sh_check_server (b->session, function->permission) : SH_OK;
    return status == SH_OK || s_stop (b, status);
}

static bool
s_check_count (sh_bind_t *b, const sh_source_t *source, const sh_table_function_t *function)
{
    size_t count = 0;
    for (const sh_expr_t *arg = source->args; arg; arg = arg->next)
        count++;
    if (count == function->arguments)
        return true;
    sh_bind_fail (b, count < function->arguments ? 313 : 8144, 16, 3,
                  count < function->arguments
                      ? "An insufficient number of arguments were supplied for the procedure or "
                        "function %s."
                      : "Procedure or function %s has too many arguments specified.",
                  function->name);
    return false;
}

static bool
s_from_function (sh_bind_t *b, const sh_source_t *source, sh_buffer_t *sql)
{
    const sh_table_function_t *function = s_find_function (b, &source->name);
    if (!function)
        return s_from_stored (b, source, "IF", sql);
    if (!s_check_count (b, source, function) || !s_may_call (b, function))
        return false;
    char *args[SH_TABLE_ARGUMENTS_MAX] = {NULL};
    sh_status_t status = SH_OK;
    size_t count = 0;
    for (const sh_expr_t *arg = source->args; arg && status == SH_OK; arg = arg->next)
        status = sh_eval_text (b->session, arg, &args[count++]);
    sh_rowset_t *rows = sh_rowset_new ();
    function->define (rows);
    if (status == SH_OK)
        status = function->fill (b->session, (const char *const *)args, rows);
    for (size_t i = 0; i < count; i++)
        free (args[i]);
    if (status == SH_OK)
        return s_from_rows (b, source, rows, rows, sql);
    sh_rowset_destroy (&rows);
    return s_stop (b, status);
}

/*  x CROSS APPLY f (a, b) of a keyed function: x JOIN all rows of f ON its columns = a, b. */
static bool
s_apply (sh_bind_t *b, const sh_source_t *source, sh_buffer_t *sql)
{
    const sh_source_t *right = source->right;
    const sh_table_function_t *function =
        right->kind == SH_SOURCE_FUNCTION ? s_find_function (b, &right->name) : NULL;
    if (!function || !function->keyed) {
        sh_bind_fail (b, SH_NOT_SUPPORTED, 16, 1, "APPLY is not supported by sqlhost.");
        return false;
    }
    if (!s_from_one (b, source->left, sql) || !s_check_count (b, right, function) ||
        !s_may_call (b, function))
        return false;
    sh_frag_t keys[SH_TABLE_ARGUMENTS_MAX];
    size_t count = 0;
    for (const sh_expr_t *arg = right->args; arg; arg = arg->next)
        keys[count++] = sh_bind_expr (b, arg);
    if (b->failed)
        return false;
    sh_rowset_t *rows = sh_rowset_new ();
    function->define (rows);
    sh_status_t status = function->fill (b->session, NULL, rows);
    if (status != SH_OK) {
        sh_rowset_destroy (&rows);
        return s_stop (b, status);
    }
    sh_buffer_puts (sql, source->join == SH_JOIN_OUTER_APPLY ? " LEFT JOIN " : " JOIN ");
    if (!s_from_rows (b, right, rows, rows, sql))
        return false;
    for (size_t i = 0; i < count; i++)
        sh_buffer_printf (sql, "%s %s.c%zu = %s", i ? " AND" : " ON", b->scope->last->sql_alias, i,
                          keys[i].sql);
    return true;
}

/*  ---- joins ---- */

static bool
s_from_join (sh_bind_t *b, const sh_source_t *source, sh_buffer_t *sql)
{
    static const char *const words[] = {"JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN",
                                        "CROSS JOIN"};
    if (source->join > SH_JOIN_CROSS)
        return s_apply (b, source, sql);
    bool wrapped = b->wrapped;
    b->wrapped |= source->join == SH_JOIN_RIGHT || source->join == SH_JOIN_FULL;
    if (!s_from_one (b, source->left, sql))
        return false;
    sh_buffer_printf (sql, " %s ", words[source->join]);
    bool nested = source->right->kind == SH_SOURCE_JOIN;
    if (nested)
        sh_buffer_putc (sql, '(');
    if (!s_from_one (b, source->right, sql))
        return false;
    b->wrapped = wrapped;
    if (nested)
        sh_buffer_putc (sql, ')');
    if (source->on) {
        const char *on = sh_bind_condition (b, source->on);
        if (!on)
            return false;
        sh_buffer_printf (sql, " ON %s", on);
    }
    return true;
}

static bool
s_from_one (sh_bind_t *b, const sh_source_t *source, sh_buffer_t *sql)
{
    sh_bound_t bound;
    switch (source->kind) {
        case SH_SOURCE_TABLE:
            return s_from_name (b, source, sql);
        case SH_SOURCE_QUERY:
            return s_bind_apart (b, source->query, &bound) &&
                   s_from_bound (b, source, &bound, source->columns, sql);
        case SH_SOURCE_VALUES:
            return sh_bind_values (b, source->rows, &bound) &&
                   s_from_bound (b, source, &bound, source->columns, sql);
        case SH_SOURCE_FUNCTION:
            return s_from_function (b, source, sql);
        case SH_SOURCE_JOIN:
            return s_from_join (b, source, sql);
    }
    return false;
}

bool
sh_bind_from (sh_bind_t *b, const sh_source_t *from, sh_buffer_t *sql)
{
    for (const sh_source_t *source = from; source; source = source->next) {
        if (source != from)
            sh_buffer_puts (sql, ", ");
        if (!s_from_one (b, source, sql))
            return false;
    }
    return true;
}
