/*  UPDATE and DELETE: the rows are found by a query, then changed one by one. */
#include <stdlib.h>
#include <string.h>

#include "dml.h"

/*  A set of row ids: an UPDATE ... FROM may meet one row twice. */
typedef struct {
    int64_t *slots;
    size_t room;
} s_seen_t;

static bool
s_seen_add (s_seen_t *seen, int64_t rid, size_t expected)
{
    if (!seen->slots) {
        seen->room = 16;
        while (seen->room < expected * 2)
            seen->room *= 2;
        seen->slots = sh_alloc (seen->room * sizeof *seen->slots);
    }
    size_t at = (size_t)((uint64_t)rid * UINT64_C (0x9E3779B97F4A7C15)) & (seen->room - 1);
    while (seen->slots[at]) {
        if (seen->slots[at] == rid + 1)
            return false;
        at = (at + 1) & (seen->room - 1);
    }
    seen->slots[at] = rid + 1;
    return true;
}

/*  ---- the query ---- */

static const sh_source_t *
s_find_source (const sh_source_t *list, const sh_name_t *name)
{
    for (; list; list = list->next) {
        if (list->kind == SH_SOURCE_JOIN) {
            const sh_source_t *found = s_find_source (list->left, name);
            if (!found)
                found = s_find_source (list->right, name);
            if (found)
                return found;
        } else if (list->kind == SH_SOURCE_TABLE) {
            if (list->alias ? !name->schema && sh_same (list->alias, name->object)
                            : sh_same (list->name.object, name->object))
                return list;
        }
    }
    return NULL;
}

typedef struct {
    sh_arena_t *arena;
    sh_select_t select;
    sh_item_t *tail;
    sh_source_t own; /* the target, when FROM does not name it */
    const sh_source_t *target;
    const sh_name_t *name;
} s_plan_t;

static void
s_add_item (s_plan_t *plan, const sh_expr_t *expr)
{
    sh_item_t *item = sh_arena_alloc (plan->arena, sizeof *item);
    item->expr = (sh_expr_t *)(uintptr_t)expr;
    SH_LIST_APPEND (plan->select.items, plan->tail, item);
}

static void
s_add_hidden (s_plan_t *plan, const char *name)
{
    sh_expr_t *expr = sh_arena_alloc (plan->arena, sizeof *expr);
    expr->kind = SH_EXPR_COLUMN;
    expr->path.object = name;
    s_add_item (plan, expr);
}

static void
s_plan (const sh_stmt_t *stmt, s_plan_t *plan)
{
    plan->arena = sh_arena_new ();
    plan->target = stmt->from ? s_find_source (stmt->from, &stmt->target->name) : NULL;
    if (plan->target)
        plan->select.from = (sh_source_t *)(uintptr_t)stmt->from;
    else {
        plan->own = *stmt->target;
        plan->own.next = (sh_source_t *)(uintptr_t)stmt->from;
        plan->select.from = &plan->own;
        plan->target = &plan->own;
    }
    plan->name = &plan->target->name;
    plan->select.where = stmt->where;
    plan->select.top = stmt->top;
    plan->select.top_percent = stmt->flag2;
    plan->select.line = stmt->line;
    s_add_hidden (plan, "%rid");
    s_add_hidden (plan, "%ver");
}

/*  ---- UPDATE ---- */

/*  SET a += x reads as a = a + x. */
static const sh_expr_t *
s_assigned (s_plan_t *plan, const sh_assign_t *assign)
{
    if (assign->op == SH_OP_EQ)
        return assign->value;
    sh_expr_t *sum = sh_arena_alloc (plan->arena, sizeof *sum);
    sum->kind = SH_EXPR_BINARY;
    sum->op = assign->op;
    sum->line = assign->line;
    sum->b = assign->value;
    if (assign->column)
        sum->a = assign->column;
    else {
        sum->a = sh_arena_alloc (plan->arena, sizeof *sum->a);
        sum->a->kind = SH_EXPR_VAR;
        sum->a->text = assign->variable;
    }
    return sum;
}

static sh_status_t
s_assign_columns (sh_session_t *self, const sh_stmt_t *stmt, sh_target_t *target, s_plan_t *plan,
                  int *columns)
{
    size_t count = 0;
    static const sh_expr_t null = {.kind = SH_EXPR_LITERAL, .literal = SH_TOKEN_END};
    for (const sh_assign_t *assign = stmt->assigns; assign; assign = assign->next) {
        int column = -1;
        if (assign->column) {
            column = sh_target_column (self, target, assign->column->path.object);
            if (column < 0)
                return SH_ERROR;
            if (target->def->columns[column].identity)
                return sh_error_set (self, 8102, 16, 1, "Cannot update identity column '%s'.",
                                     target->def->columns[column].name);
            if (target->def->columns[column].type.id == SH_TYPE_TIMESTAMP)
                return sh_error_set (self, 272, 16, 1, "Cannot update a timestamp column.");
            if (target->updated[column])
                return sh_error_set (
                    self, 264, 16, 1,
                    "The column name '%s' is specified more than once in the SET clause "
                    "or column list of an INSERT.",
                    target->def->columns[column].name);
            target->updated[column] = true;
        }
        columns[count++] = column;
        s_add_item (plan,
                    assign->value->kind == SH_EXPR_DEFAULT ? &null : s_assigned (plan, assign));
    }
    return SH_OK;
}

/*  The row as it will be; all values are owned. */
static sh_status_t
s_new_row (sh_session_t *self, const sh_stmt_t *stmt, sh_target_t *target, const int *columns,
           const sh_rowset_t *found, size_t row, const sh_value_t *old, sh_value_t *values)
{
    const sh_value_t *source = sh_rowset_row (found, row);
    sh_status_t status = SH_OK;
    for (int i = 0; i < target->def->column_count; i++)
        values[i] = sh_value_copy (&old[i]);
    size_t item = 2, n = 0;
    for (const sh_assign_t *assign = stmt->assigns; assign && status == SH_OK;
         assign = assign->next, item++, n++) {
        int column = columns[n];
        const sh_type_t *type = &found->fields[item].type;
        if (column >= 0) {
            sh_value_t value = sh_value_null ();
            status = assign->value->kind == SH_EXPR_DEFAULT
                         ? sh_target_default (self, target, column, &value)
                         : sh_target_convert (self, target, column, &source[item], type, &value);
            sh_value_clear (&values[column]);
            values[column] = value;
            type = &target->def->columns[column].type;
        }
        if (assign->variable && status == SH_OK) {
            sh_var_t *var = sh_var_find (self, assign->variable);
            status =
                !var ? sh_error_set (self, 137, 15, 1, "Must declare the scalar variable \"%s\".",
                                     assign->variable)
                     : sh_var_set (self, var, column >= 0 ? &values[column] : &source[item], type);
        }
    }
    return status;
}

static sh_status_t
s_update_one (sh_session_t *self, const sh_stmt_t *stmt, sh_target_t *target, const int *columns,
              const sh_rowset_t *found, size_t row, sh_changes_t *changes)
{
    const sh_value_t *ids = sh_rowset_row (found, row), *old = NULL;
    int64_t rid = ids[0].as.integer;
    sh_status_t status = sh_row_get (self->engine, target->table, rid, &old);
    if (status == SH_END)
        return SH_CHANGED;
    if (status != SH_OK)
        return status;
    sh_value_t values[SH_COLUMNS_MAX];
    if (changes->deleted)
        sh_rowset_push (changes->deleted, old);
    status = s_new_row (self, stmt, target, columns, found, row, old, values);
    bool any = false;
    for (int i = 0; i < target->def->column_count; i++)
        any |= target->updated[i];
    if (status == SH_OK && any)
        status = sh_row_update (self->engine, target->table, rid, ids[1].as.integer, values,
                                &self->error);
    const sh_value_t *stored = NULL;
    if (status == SH_OK && changes->inserted &&
        sh_row_get (self->engine, target->table, rid, &stored) == SH_OK)
        sh_rowset_push (changes->inserted, stored);
    for (int i = 0; i < target->def->column_count; i++)
        sh_value_clear (&values[i]);
    return status;
}

/*  ---- both ---- */

static sh_status_t
s_apply (sh_session_t *self, const sh_stmt_t *stmt, sh_target_t *target, const int *columns,
         const sh_rowset_t *found, sh_changes_t *changes, int64_t *affected)
{
    s_seen_t seen = {0};
    sh_status_t status = SH_OK;
    sh_keys_defer (self->engine);
    for (size_t row = 0; row < found->row_count && status == SH_OK; row++) {
        const sh_value_t *ids = sh_rowset_row (found, row), *old = NULL;
        int64_t rid = ids[0].as.integer;
        if (!s_seen_add (&seen, rid, found->row_count))
            continue;
        if (stmt->kind == SH_STMT_UPDATE)
            status = s_update_one (self, stmt, target, columns, found, row, changes);
        else {
            if (changes->deleted && sh_row_get (self->engine, target->table, rid, &old) == SH_OK)
                sh_rowset_push (changes->deleted, old);
            status =
                sh_row_delete (self->engine, target->table, rid, ids[1].as.integer, &self->error);
        }
        ++*affected;
    }
    sh_status_t keys = sh_keys_verify (self->engine, status == SH_OK, &self->error);
    free (seen.slots);
    return status == SH_OK ? keys : status;
}

static sh_status_t
s_after (sh_session_t *self, const sh_stmt_t *stmt, sh_target_t *target, sh_changes_t *changes,
         bool trigger, sh_flow_t *flow)
{
    bool update = stmt->kind == SH_STMT_UPDATE;
    sh_status_t status = SH_OK;
    if (update)
        status = sh_target_check (self, target, "UPDATE", changes->inserted);
    if (status == SH_OK)
        status = sh_output_clause (self, stmt, changes);
    if (status != SH_OK || !trigger)
        return status;
    sh_rowset_t *none = update ? NULL : sh_target_rows (target);
    sh_pseudo_t pseudo = {.inserted = update ? changes->inserted : none,
                          .deleted = changes->deleted,
                          .updated = update ? target->updated : NULL,
                          .column_count = (size_t)target->def->column_count};
    *flow = sh_fire_triggers (self, target->where.db_id, target->def, update ? 'U' : 'D', &pseudo,
                              stmt->line);
    sh_rowset_destroy (&none);
    return SH_OK;
}

static sh_status_t
s_change_target (sh_session_t *self, const sh_stmt_t *stmt, s_plan_t *plan, sh_target_t *target,
                 sh_flow_t *flow, int64_t *affected)
{
    bool update = stmt->kind == SH_STMT_UPDATE;
    int columns[SH_COLUMNS_MAX];
    sh_status_t status = SH_OK;
    if (update)
        status = s_assign_columns (self, stmt, target, plan, columns);
    bool trigger = sh_has_trigger (self, target->where.db_id, target->def, update ? 'U' : 'D');
    sh_changes_t changes = {0};
    if (stmt->output || trigger)
        changes.deleted = sh_target_rows (target);
    if (update && (stmt->output || trigger || sh_target_has_checks (target)))
        changes.inserted = sh_target_rows (target);
    sh_query_options_t options = {.target = plan->target, .ctes = stmt->ctes};
    sh_rowset_t *found = NULL;
    if (status == SH_OK)
        status = sh_query_rows (self, &plan->select, &options, &found);
    if (status == SH_OK)
        status = s_apply (self, stmt, target, columns, found, &changes, affected);
    if (status == SH_OK) {
        self->last_rowcount = *affected;
        status = s_after (self, stmt, target, &changes, trigger, flow);
    }
    sh_rowset_destroy (&found);
    sh_rowset_destroy (&changes.inserted);
    sh_rowset_destroy (&changes.deleted);
    return status;
}

static sh_status_t
s_change (sh_session_t *self, const sh_stmt_t *stmt, sh_flow_t *flow, int64_t *affected)
{
    s_plan_t plan = {0};
    sh_target_t target;
    s_plan (stmt, &plan);
    sh_status_t status = sh_target_open (self, plan.name, &target);
    if (status == SH_OK)
        status = sh_target_check_right (self, &target,
                                        stmt->kind == SH_STMT_UPDATE ? "UPDATE" : "DELETE");
    if (status == SH_OK && stmt->where) /* what a condition reads wants SELECT */
        status = sh_target_check_right (self, &target, "SELECT");
    if (status == SH_OK)
        status = s_change_target (self, stmt, &plan, &target, flow, affected);
    sh_target_close (self, &target);
    sh_arena_destroy (&plan.arena);
    return status;
}

sh_flow_t
sh_exec_change (sh_session_t *self, const sh_stmt_t *stmt)
{
    return sh_exec_write (
        self, stmt, stmt->kind == SH_STMT_UPDATE ? SH_COMMAND_UPDATE : SH_COMMAND_DELETE, s_change);
}
