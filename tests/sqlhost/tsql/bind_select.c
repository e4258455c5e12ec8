/*  SELECT, set operators, ORDER BY, TOP. The outer columns are always named o0, o1, ... */
#include <stdlib.h>
#include <string.h>

#include "bind.h"

enum { S_COLUMNS_MAX = 1024 };

typedef struct {
    sh_frag_t *frags;
    const char **names;
    size_t count;
} s_items_t;

static bool
s_push (sh_bind_t *b, s_items_t *items, sh_frag_t frag, const char *name)
{
    if (items->count == S_COLUMNS_MAX) {
        sh_bind_fail (b, 1056, 15, 1,
                      "The number of elements in the select list exceeds the maximum.");
        return false;
    }
    items->frags[items->count] = frag;
    items->names[items->count++] = name;
    return !b->failed;
}

static bool
s_star (sh_bind_t *b, s_items_t *items, const sh_expr_t *star)
{
    bool any = false;
    for (const sh_bound_source_t *source = b->scope->sources; source; source = source->next) {
        if (star->path.object) {
            const char *known = source->alias ? source->alias : source->name->object;
            if (!sh_same (known, star->path.object))
                continue;
        }
        any = true;
        for (size_t i = 0; i < source->column_count; i++) {
            const sh_bound_column_t *column = &source->columns[i];
            sh_frag_t frag = sh_bind_of (column->sql, column->type);
            frag.is_column = column->collated;
            frag.nullable = column->nullable;
            frag.identity = column->identity;
            frag.name = column->name;
            if (!s_push (b, items, frag, column->name))
                return false;
        }
    }
    if (!any) {
        if (star->path.object)
            sh_bind_fail (
                b, 107, 15, 1,
                "The column prefix '%s' does not match with a table name or alias name used "
                "in the query.",
                star->path.object);
        else
            sh_bind_fail (b, 263, 16, 1, "Must specify table to select from.");
    }
    return any;
}

static bool
s_items (sh_bind_t *b, const sh_select_t *select, s_items_t *items)
{
    items->frags = sh_arena_alloc (b->arena, S_COLUMNS_MAX * sizeof *items->frags);
    items->names = sh_arena_alloc (b->arena, S_COLUMNS_MAX * sizeof *items->names);
    for (const sh_item_t *item = select->items; item; item = item->next) {
        if (item->expr->kind == SH_EXPR_STAR) {
            if (!s_star (b, items, item->expr))
                return false;
            continue;
        }
        sh_frag_t frag;
        if (item->variable && item->op != SH_OP_EQ) {
            sh_expr_t var = {.kind = SH_EXPR_VAR, .text = item->variable, .line = item->expr->line};
            frag = sh_bind_arithmetic (b, item->op, sh_bind_expr (b, &var),
                                       sh_bind_expr (b, item->expr));
        } else
            frag = sh_bind_expr (b, item->expr);
        if (!s_push (b, items, frag, item->alias ? item->alias : frag.name))
            return false;
    }
    return true;
}

/*  The output column that an ORDER BY item means, -1 = none: its name, its number, or its text. */
static int
s_order_position (sh_bind_t *b, const s_items_t *items, const sh_expr_t *expr, bool by_text)
{
    if (expr->kind == SH_EXPR_LITERAL && expr->literal == SH_TOKEN_INT) {
        long number = strtol (expr->text, NULL, 10);
        if (number < 1 || (size_t)number > items->count) {
            sh_bind_fail (
                b, 108, 15, 1,
                "The ORDER BY position number %ld is out of range of the number of items in "
                "the select list.",
                number);
            return -1;
        }
        return (int)number - 1;
    }
    if (expr->kind == SH_EXPR_COLUMN && !expr->path.schema)
        for (size_t i = 0; i < items->count; i++)
            if (items->names[i] && sh_same (items->names[i], expr->path.object))
                return (int)i;
    if (by_text && b->scope) {
        sh_frag_t frag = sh_bind_expr (b, expr);
        for (size_t i = 0; i < items->count && !b->failed; i++)
            if (strcmp (items->frags[i].sql, frag.sql) == 0)
                return (int)i;
    }
    return -1;
}

static bool
s_order (sh_bind_t *b, const sh_select_t *select, const s_items_t *items, bool by_position,
         sh_buffer_t *sql)
{
    for (const sh_order_t *order = select->order; order; order = order->next) {
        sh_buffer_puts (sql, order == select->order ? " ORDER BY " : ",");
        int position = s_order_position (b, items, order->expr, by_position);
        if (b->failed)
            return false;
        if (position >= 0) {
            sh_frag_t frag = items->frags[position];
            frag.is_column = false;
            frag.sql = sh_arena_printf (b->arena, "%d", position + 1);
            sh_buffer_puts (sql, sh_bind_collated (b, frag));
        } else if (by_position) {
            sh_bind_fail (b, 145, 15, 1,
                          "ORDER BY items must appear in the select list if SELECT DISTINCT is "
                          "specified.");
            return false;
        } else {
            sh_frag_t frag = sh_bind_expr (b, order->expr);
            if (b->failed)
                return false;
            sh_buffer_puts (sql, sh_bind_collated (b, frag));
        }
        if (order->descending)
            sh_buffer_puts (sql, " DESC");
    }
    return true;
}

static bool
s_limit (sh_bind_t *b, const sh_select_t *select, sh_buffer_t *sql)
{
    sh_type_t big = sh_type_of (SH_TYPE_BIGINT);
    if (select->top_percent || select->top_ties) {
        sh_bind_fail (b, SH_NOT_SUPPORTED, 16, 1,
                      "TOP PERCENT and WITH TIES are not supported by sqlhost.");
        return false;
    }
    if (select->top)
        sh_buffer_printf (sql, " LIMIT max(0,coalesce(%s,0))",
                          sh_bind_convert (b, sh_bind_expr (b, select->top), big).sql);
    if (select->offset) {
        const char *fetch = "-1";
        if (select->fetch)
            fetch = sh_bind_convert (b, sh_bind_expr (b, select->fetch), big).sql;
        sh_buffer_printf (sql, " LIMIT %s OFFSET %s", fetch,
                          sh_bind_convert (b, sh_bind_expr (b, select->offset), big).sql);
    }
    return !b->failed;
}

static void
s_output (sh_bind_t *b, const s_items_t *items, sh_bound_t *out)
{
    out->count = items->count;
    out->columns =
        sh_arena_alloc (b->arena, (items->count ? items->count : 1) * sizeof *out->columns);
    for (size_t i = 0; i < items->count; i++) {
        out->columns[i].name = items->names[i];
        out->columns[i].type = items->frags[i].type;
        out->columns[i].collation = items->frags[i].collation;
        out->columns[i].nullable = items->frags[i].nullable;
        out->columns[i].identity = items->frags[i].identity;
    }
}

/*  ---- columns outside of aggregates: 8120 ---- */

static bool
s_same_text (const char *a, const char *b)
{
    return a == b || sh_same (a, b);
}

static bool
s_same_expr (const sh_expr_t *a, const sh_expr_t *b)
{
    for (; a && b; a = a->next, b = b->next) {
        if (a->kind != b->kind || a->op != b->op || a->literal != b->literal || a->query ||
            b->query || !s_same_text (a->path.object, b->path.object) ||
            !s_same_text (a->text, b->text))
            return false;
        /*  t.a and a are the same column here: the binder has refused what is ambiguous. */
        if (a->path.schema && b->path.schema && !sh_same (a->path.schema, b->path.schema))
            return false;
        if (!s_same_expr (a->a, b->a) || !s_same_expr (a->b, b->b) || !s_same_expr (a->c, b->c) ||
            !s_same_expr (a->args, b->args))
            return false;
        const sh_when_t *v = a->whens, *w = b->whens;
        for (; v && w; v = v->next, w = w->next)
            if (!s_same_expr (v->when, w->when) || !s_same_expr (v->then, w->then))
                return false;
        if (v || w)
            return false;
    }
    return !a && !b;
}

static bool
s_is_aggregate (const sh_expr_t *expr)
{
    static const char *const names[] = {"COUNT", "COUNT_BIG", "SUM",       "AVG",
                                        "MIN",   "MAX",       "STRING_AGG"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (expr->kind == SH_EXPR_FUNCTION && !expr->path.schema && !expr->over &&
            sh_same (expr->path.object, names[i]))
            return true;
    return false;
}

static bool
s_has_aggregate (const sh_expr_t *expr)
{
    for (; expr; expr = expr->next) {
        if (s_is_aggregate (expr) || s_has_aggregate (expr->a) || s_has_aggregate (expr->b) ||
            s_has_aggregate (expr->c) || s_has_aggregate (expr->args))
            return true;
        for (const sh_when_t *when = expr->whens; when; when = when->next)
            if (s_has_aggregate (when->when) || s_has_aggregate (when->then))
                return true;
    }
    return false;
}

/*  Is it a column of this SELECT's own sources (and not of an outer query)? */
static bool
s_own_column (const sh_bind_t *b, const sh_expr_t *expr)
{
    for (const sh_bound_source_t *source = b->scope->sources; source; source = source->next) {
        const char *known = source->alias ? source->alias : source->name->object;
        if (expr->path.schema && !sh_same (expr->path.schema, known))
            continue;
        for (size_t i = 0; i < source->column_count; i++)
            if (sh_same (source->columns[i].name, expr->path.object))
                return true;
    }
    return false;
}

static bool s_grouped (sh_bind_t *b, const sh_expr_t *list, const sh_expr_t *group);

static bool
s_grouped_one (sh_bind_t *b, const sh_expr_t *expr, const sh_expr_t *group)
{
    sh_expr_t alone = *expr;
    alone.next = NULL;
    for (const sh_expr_t *item = group; item; item = item->next) {
        sh_expr_t other = *item;
        other.next = NULL;
        if (s_same_expr (&alone, &other))
            return true;
    }
    if (s_is_aggregate (expr) || expr->over)
        return true;
    if (expr->kind == SH_EXPR_COLUMN && s_own_column (b, expr)) {
        sh_bind_fail (
            b, 8120, 16, 1,
            "Column '%s%s%s' is invalid in the select list because it is not contained in "
            "either an aggregate function or the GROUP BY clause.",
            expr->path.schema ? expr->path.schema : "", expr->path.schema ? "." : "",
            expr->path.object);
        return false;
    }
    /*  A datepart is a bare word and no column. */
    bool word = expr->kind == SH_EXPR_FUNCTION && expr->path.object &&
                strncasecmp (expr->path.object, "DATE", 4) == 0;
    const sh_expr_t *args = word && expr->args ? expr->args->next : expr->args;
    for (const sh_when_t *when = expr->whens; when; when = when->next)
        if (!s_grouped (b, when->when, group) || !s_grouped (b, when->then, group))
            return false;
    return s_grouped (b, expr->a, group) && s_grouped (b, expr->b, group) &&
           s_grouped (b, expr->c, group) && s_grouped (b, args, group);
}

static bool
s_grouped (sh_bind_t *b, const sh_expr_t *list, const sh_expr_t *group)
{
    for (; list; list = list->next)
        if (!s_grouped_one (b, list, group))
            return false;
    return true;
}

static bool
s_check_grouped (sh_bind_t *b, const sh_select_t *select)
{
    bool aggregates = select->group || select->having;
    for (const sh_item_t *item = select->items; item && !aggregates; item = item->next)
        aggregates = item->expr->kind != SH_EXPR_STAR && s_has_aggregate (item->expr);
    if (!aggregates)
        return true;
    for (const sh_item_t *item = select->items; item; item = item->next)
        if (item->expr->kind != SH_EXPR_STAR && !s_grouped_one (b, item->expr, select->group))
            return false;
    return !select->having || s_grouped_one (b, select->having, select->group);
}

static bool
s_clauses (sh_bind_t *b, const sh_select_t *select, const s_items_t *items, const char *from,
           sh_buffer_t *sql)
{
    sh_buffer_puts (sql, select->distinct ? "SELECT DISTINCT " : "SELECT ");
    for (size_t i = 0; i < items->count; i++)
        sh_buffer_printf (
            sql, "%s%s AS o%zu", i ? "," : "",
            select->distinct ? sh_bind_collated (b, items->frags[i]) : items->frags[i].sql, i);
    if (*from)
        sh_buffer_printf (sql, " FROM %s", from);
    if (select->where) {
        const char *where = sh_bind_condition (b, select->where);
        if (!where)
            return false;
        sh_buffer_printf (sql, " WHERE %s", where);
    }
    for (const sh_expr_t *group = select->group; group && !b->failed; group = group->next)
        sh_buffer_printf (sql, "%s%s", group == select->group ? " GROUP BY " : ",",
                          sh_bind_collated (b, sh_bind_expr (b, group)));
    if (select->having) {
        const char *having = sh_bind_condition (b, select->having);
        if (!having)
            return false;
        sh_buffer_printf (sql, " HAVING %s", having);
    }
    return !b->failed && s_check_grouped (b, select) &&
           s_order (b, select, items, select->distinct, sql) && s_limit (b, select, sql);
}

/*  SELECT @s = @s + x FROM t ORDER BY y: each row's expression sees what the row before assigned, so
 *  the rows are sorted first and the expressions computed after. */
static bool
s_accumulate (sh_bind_t *b, const sh_select_t *select, const char *from, s_items_t *items,
              sh_buffer_t *sql)
{
    static const s_items_t none = {0};
    sh_buffer_t tail = {0};
    int column = 0;
    const char *where = select->where ? sh_bind_condition (b, select->where) : NULL;
    bool ok = !b->failed && s_order (b, select, &none, false, &tail) && s_limit (b, select, &tail);
    sh_buffer_puts (sql, "WITH q AS MATERIALIZED (SELECT ");
    for (sh_bound_source_t *source = b->scope->sources; source; source = source->next)
        for (size_t i = 0; i < source->column_count; i++, column++) {
            sh_buffer_printf (sql, "%s%s AS a%d", column ? "," : "", source->columns[i].sql,
                              column);
            source->columns[i].sql = sh_arena_printf (b->arena, "a%d", column);
            source->columns[i].collated = false;
        }
    sh_buffer_printf (sql, " FROM %s%s%s%s) SELECT ", from, where ? " WHERE " : "",
                      where ? where : "", sh_buffer_text (&tail));
    ok = ok && s_items (b, select, items);
    for (size_t i = 0; i < items->count && ok; i++)
        sh_buffer_printf (sql, "%s%s AS o%zu", i ? "," : "", items->frags[i].sql, i);
    sh_buffer_puts (sql, " FROM q");
    sh_buffer_free (&tail);
    return ok && !b->failed;
}

static bool
s_core (sh_bind_t *b, const sh_select_t *select, sh_bound_t *out)
{
    sh_scope_t scope = {.up = b->scope};
    sh_buffer_t from = {0}, sql = {0};
    s_items_t items = {0};
    b->scope = &scope;
    bool accumulate =
        b->assigned && !scope.up && select->order && !select->group && !select->distinct;
    bool ok = sh_bind_from (b, select->from, &from);
    if (ok && accumulate)
        ok = s_accumulate (b, select, sh_buffer_text (&from), &items, &sql);
    else if (ok)
        ok = s_items (b, select, &items) &&
             s_clauses (b, select, &items, sh_buffer_text (&from), &sql);
    b->scope = scope.up;
    if (ok) {
        out->sql = sh_arena_strdup (b->arena, sh_buffer_text (&sql));
        s_output (b, &items, out);
    }
    sh_buffer_free (&from);
    sh_buffer_free (&sql);
    return ok;
}

/*  One side of a set operator, its columns brought to the common types. */
static void
s_side (sh_bind_t *b, const sh_bound_t *side, const sh_output_t *common, bool collate,
        sh_buffer_t *sql)
{
    sh_buffer_puts (sql, "SELECT ");
    for (size_t i = 0; i < side->count; i++) {
        sh_frag_t frag = sh_bind_of (sh_arena_printf (b->arena, "o%zu", i), side->columns[i].type);
        frag = sh_bind_convert (b, frag, common[i].type);
        sh_buffer_printf (sql, "%s%s AS o%zu", i ? "," : "",
                          collate ? sh_bind_collated (b, frag) : frag.sql, i);
    }
    sh_buffer_printf (sql, " FROM (%s)", side->sql);
}

static bool
s_combination (sh_bind_t *b, const sh_select_t *select, sh_bound_t *out)
{
    static const char *const words[] = {"", "UNION", "UNION ALL", "EXCEPT", "INTERSECT"};
    sh_bound_t left, right;
    if (!sh_bind_select (b, select->left, &left) || !sh_bind_select (b, select->right, &right))
        return false;
    if (left.count != right.count) {
        sh_bind_fail (
            b, 205, 16, 1,
            "All queries combined using a UNION, INTERSECT or EXCEPT operator must have an "
            "equal number of expressions in their target lists.");
        return false;
    }
    *out = left;
    /*  s_side looks at the types that each side had. */
    sh_bound_t typed = left;
    typed.columns = sh_arena_alloc (b->arena, (left.count + 1) * sizeof *typed.columns);
    for (size_t i = 0; i < left.count; i++) {
        typed.columns[i] = left.columns[i];
        out->columns[i].type = sh_type_common (&left.columns[i].type, &right.columns[i].type);
        out->columns[i].nullable = true;
        out->columns[i].identity = false;
    }
    sh_output_t *common = out->columns;
    sh_buffer_t sql = {0};
    bool collate = select->op != SH_SET_UNION_ALL;
    s_side (b, &typed, common, collate, &sql);
    sh_buffer_printf (&sql, " %s ", words[select->op]);
    s_side (b, &right, common, collate, &sql);
    s_items_t items = {.count = left.count};
    items.frags = sh_arena_alloc (b->arena, (left.count + 1) * sizeof *items.frags);
    items.names = sh_arena_alloc (b->arena, (left.count + 1) * sizeof *items.names);
    for (size_t i = 0; i < left.count; i++) {
        items.frags[i] = sh_bind_of (sh_arena_printf (b->arena, "o%zu", i), common[i].type);
        items.names[i] = common[i].name;
    }
    sh_scope_t *scope = b->scope;
    b->scope = NULL;
    bool ok = !b->failed && s_order (b, select, &items, true, &sql);
    b->scope = scope;
    ok = ok && s_limit (b, select, &sql);
    if (ok)
        out->sql = sh_arena_strdup (b->arena, sh_buffer_text (&sql));
    sh_buffer_free (&sql);
    return ok;
}

bool
sh_bind_values (sh_bind_t *b, const sh_row_t *rows, sh_bound_t *out)
{
    size_t count = 0;
    for (const sh_expr_t *value = rows->values; value; value = value->next)
        count++;
    *out = (sh_bound_t){.count = count};
    out->columns = sh_arena_alloc (b->arena, (count + 1) * sizeof *out->columns);
    /*  First the types over all rows, then the text. */
    for (int pass = 0; pass < 2; pass++) {
        sh_buffer_t sql = {0};
        for (const sh_row_t *row = rows; row && !b->failed; row = row->next) {
            size_t i = 0;
            sh_buffer_puts (&sql, row == rows ? "SELECT " : " UNION ALL SELECT ");
            for (const sh_expr_t *value = row->values; value && i < count;
                 value = value->next, i++) {
                sh_frag_t frag = sh_bind_expr (b, value);
                if (pass == 0)
                    out->columns[i].type = sh_type_common (&out->columns[i].type, &frag.type);
                else
                    sh_buffer_printf (&sql, "%s%s AS o%zu", i ? "," : "",
                                      sh_bind_convert (b, frag, out->columns[i].type).sql, i);
            }
            if (i != count)
                sh_bind_fail (
                    b, 10709, 16, 1,
                    "The number of columns for each row in a table value constructor must be "
                    "the same.");
        }
        if (pass == 1)
            out->sql = sh_arena_strdup (b->arena, sh_buffer_text (&sql));
        sh_buffer_free (&sql);
    }
    return !b->failed;
}

bool
sh_bind_select (sh_bind_t *b, const sh_select_t *select, sh_bound_t *out)
{
    if (b->failed)
        return false;
    sh_cte_scope_t ctes = {.up = b->ctes, .ctes = select->ctes};
    sh_cte_scope_t *saved = b->ctes;
    if (select->ctes)
        b->ctes = &ctes;
    bool ok = select->values              ? sh_bind_values (b, select->values, out)
              : select->op != SH_SET_NONE ? s_combination (b, select, out)
                                          : s_core (b, select, out);
    b->ctes = saved;
    return ok && !b->failed;
}
