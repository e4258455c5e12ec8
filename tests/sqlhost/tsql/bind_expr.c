/*  Expressions and conditions. */
#include <stdlib.h>
#include <string.h>

#include "bind.h"

/*  ---- literals, variables ---- */

static sh_frag_t
s_literal_binary (sh_bind_t *b, const char *hex)
{
    size_t digits = strlen (hex);
    sh_buffer_t bytes = {0};
    for (size_t i = 0; i < digits; i += i == 0 && digits % 2 ? 1 : 2) {
        char pair[3] = {hex[i], 0, 0};
        if (!(i == 0 && digits % 2))
            pair[1] = hex[i + 1];
        sh_buffer_putc (&bytes, (char)strtoul (pair, NULL, 16));
    }
    sh_value_t value = sh_value_blob (sh_buffer_text (&bytes), bytes.size);
    sh_frag_t frag = sh_bind_parameter (
        b, &value, sh_type_make (SH_TYPE_VARBINARY, bytes.size ? (int32_t)bytes.size : 1));
    sh_buffer_free (&bytes);
    return frag;
}

static sh_frag_t
s_literal_number (sh_bind_t *b, const sh_expr_t *expr)
{
    sh_decimal_t number;
    if (expr->literal == SH_TOKEN_INT) {
        if (sh_decimal_parse (expr->text, &number) && number.mantissa <= INT64_MAX) {
            sh_value_t value = sh_value_int ((int64_t)number.mantissa);
            /*  A whole number beyond int is numeric in T-SQL; bigint serves the same and is exact. */
            return sh_bind_parameter (
                b, &value,
                sh_type_of (number.mantissa <= INT32_MAX ? SH_TYPE_INT : SH_TYPE_BIGINT));
        }
    }
    if (!sh_decimal_parse (expr->text, &number))
        return sh_bind_fail (b, 1007, 15, 1,
                             "The number '%.60s' is out of the range for numeric representation "
                             "(maximum precision 38).",
                             expr->text);
    if (expr->literal == SH_TOKEN_MONEY)
        sh_decimal_scale (&number, 4);
    char text[64];
    sh_decimal_print (&number, text, sizeof text);
    sh_value_t value = sh_value_decimal (text);
    int digits = 0;
    for (const char *c = text; *c; c++)
        digits += *c >= '0' && *c <= '9';
    sh_type_t type =
        expr->literal == SH_TOKEN_MONEY
            ? sh_type_of (SH_TYPE_MONEY)
            : sh_type_numeric ((uint8_t)(digits > 38 ? 38 : digits), (uint8_t)number.scale);
    return sh_bind_parameter (b, &value, type);
}

static sh_frag_t
s_literal (sh_bind_t *b, const sh_expr_t *expr)
{
    sh_value_t value;
    size_t units;
    switch (expr->literal) {
        case SH_TOKEN_END:
            return sh_bind_of ("NULL", sh_type_of (SH_TYPE_NONE));
        case SH_TOKEN_STRING:
        case SH_TOKEN_NSTRING: {
            bool unicode = expr->literal == SH_TOKEN_NSTRING;
            units = sh_text_units (expr->text, strlen (expr->text));
            if (units == 0)
                units = 1;
            value = sh_value_text (expr->text);
            sh_type_t type =
                sh_type_make (unicode ? SH_TYPE_NVARCHAR : SH_TYPE_VARCHAR,
                              units > (unicode ? 4000u : 8000u) ? SH_MAX : (int32_t)units);
            sh_frag_t frag = sh_bind_parameter (b, &value, type);
            frag.nullable = false;
            return frag;
        }
        case SH_TOKEN_BINARY:
            return s_literal_binary (b, expr->text);
        case SH_TOKEN_FLOAT:
            value = sh_value_double (strtod (expr->text, NULL));
            return sh_bind_parameter (b, &value, sh_type_of (SH_TYPE_FLOAT));
        default: {
            sh_frag_t frag = s_literal_number (b, expr);
            frag.nullable = false;
            return frag;
        }
    }
}

static sh_frag_t
s_variable (sh_bind_t *b, const char *name)
{
    for (const sh_macro_t *macro = b->macros; macro; macro = macro->next)
        if (sh_same (macro->name, name))
            return macro->frag;
    const sh_var_t *var = b->macros_only ? NULL : sh_var_find (b->session, name);
    if (!var || var->table)
        return sh_bind_fail (b, 137, 15, 2, "Must declare the scalar variable \"%s\".", name);
    if (b->assigned) {
        char *mark = sh_arena_printf (b->arena, "\n%s\n", name);
        if (strcasestr (b->assigned, mark)) {
            sh_value_t value = sh_value_text (name);
            sh_frag_t parameter = sh_bind_parameter (b, &value, sh_type_nvarchar (128));
            return sh_bind_of (sh_arena_printf (b->arena, "ts_var(%s)", parameter.sql), var->type);
        }
    }
    return sh_bind_parameter (b, &var->value, var->type);
}

static sh_frag_t
s_global (sh_bind_t *b, const char *name)
{
    sh_value_t value;
    sh_type_t type;
    if (!sh_global (b->session, name, &value, &type))
        return sh_bind_fail (b, 137, 15, 2, "Must declare the scalar variable \"%s\".", name);
    sh_frag_t frag = sh_bind_parameter (b, &value, type);
    sh_value_clear (&value);
    return frag;
}

/*  ---- columns ---- */

static bool
s_source_is (const sh_bound_source_t *source, const sh_name_t *path)
{
    if (!path->schema)
        return true;
    /*  path: [database.][schema.]table.column has its table in `schema`. */
    if (source->alias)
        return !path->database && sh_same (source->alias, path->schema);
    if (!source->name || !sh_same (source->name->object, path->schema))
        return false;
    if (path->database && source->name->schema && !sh_same (source->name->schema, path->database))
        return false;
    return true;
}

static sh_frag_t
s_hidden (sh_bind_t *b, const sh_bound_source_t *source, const char *name)
{
    sh_frag_t frag = sh_bind_of (sh_arena_printf (b->arena, "%s.%s", source->sql_alias, name + 1),
                                 sh_type_of (SH_TYPE_BIGINT));
    return frag;
}

static sh_frag_t
s_column (sh_bind_t *b, const sh_expr_t *expr)
{
    const sh_name_t *path = &expr->path;
    bool hidden = path->object[0] == '%';
    bool source_known = false;
    for (const sh_scope_t *scope = b->scope; scope; scope = scope->up) {
        const sh_bound_column_t *found = NULL;
        for (const sh_bound_source_t *source = scope->sources; source; source = source->next) {
            if (hidden ? !(path->schema ? s_source_is (source, path) : source->is_target)
                       : !s_source_is (source, path))
                continue;
            if (hidden)
                return s_hidden (b, source, path->object);
            source_known = true;
            for (size_t i = 0; i < source->column_count; i++) {
                if (!sh_same (source->columns[i].name, path->object))
                    continue;
                if (found)
                    return sh_bind_fail (b, 209, 16, 1, "Ambiguous column name '%s'.",
                                         path->object);
                found = &source->columns[i];
            }
        }
        if (found) {
            sh_frag_t frag = sh_bind_of (found->sql, found->type);
            frag.is_column = found->collated;
            frag.nullable = found->nullable;
            frag.identity = found->identity;
            frag.name = found->name;
            return frag;
        }
    }
    char text[600];
    sh_name_text (path, text, sizeof text);
    if (path->schema && !source_known)
        return sh_bind_fail (b, 4104, 16, 1, "The multi-part identifier \"%s\" could not be bound.",
                             text);
    return sh_bind_fail (b, 207, 16, 1, "Invalid column name '%s'.", path->object);
}

/*  ---- arithmetic ---- */

static const char *
s_op_text (sh_op_t op)
{
    static const char *const texts[] = {"", "+", "-", "*", "/", "%", "&", "|", "^"};
    return op <= SH_OP_BIT_XOR ? texts[op] : "";
}

/*  "Precision, scale, and length (Transact-SQL)". */
static sh_type_t
s_numeric_result (sh_op_t op, const sh_type_t *left, const sh_type_t *right)
{
    sh_type_t a = sh_type_as_numeric (left), b = sh_type_as_numeric (right);
    int scale, precision;
    switch (op) {
        case SH_OP_MUL:
            scale = a.scale + b.scale;
            precision = a.precision + b.precision + 1;
            break;
        case SH_OP_DIV:
            scale = a.scale + b.precision + 1 > 6 ? a.scale + b.precision + 1 : 6;
            precision = a.precision - a.scale + b.scale + scale;
            break;
        default:
            scale = a.scale > b.scale ? a.scale : b.scale;
            precision = (a.precision - a.scale > b.precision - b.scale ? a.precision - a.scale
                                                                       : b.precision - b.scale) +
                        scale + 1;
    }
    if (precision > 38) {
        int whole = precision - scale;
        int least = scale < 6 ? scale : 6;
        scale = 38 - whole > least ? 38 - whole : least;
        precision = 38;
    }
    return sh_type_numeric ((uint8_t)precision, (uint8_t)scale);
}

static sh_frag_t
s_concatenate (sh_bind_t *b, sh_frag_t left, sh_frag_t right)
{
    sh_type_t type = sh_type_common (&left.type, &right.type);
    bool unicode = sh_type_is_unicode (&type);
    if (sh_type_is_binary (&type)) {
        type.id = SH_TYPE_VARBINARY;
        type.size =
            left.type.size < 0 || right.type.size < 0 ? SH_MAX : left.type.size + right.type.size;
        return sh_bind_of (sh_arena_printf (b->arena, "ts_bincat(%s,%s)", left.sql, right.sql),
                           type);
    }
    int32_t limit = unicode ? 4000 : 8000;
    type.id = unicode ? SH_TYPE_NVARCHAR : SH_TYPE_VARCHAR;
    if (left.type.size < 0 || right.type.size < 0 || left.type.id == SH_TYPE_NONE ||
        right.type.id == SH_TYPE_NONE)
        type.size = left.type.size < 0 || right.type.size < 0 ? SH_MAX : limit;
    else
        type.size =
            left.type.size + right.type.size > limit ? limit : left.type.size + right.type.size;
    sh_frag_t out = sh_bind_of (sh_arena_printf (b->arena, "(%s||%s)", left.sql, right.sql), type);
    if (type.size == limit && left.type.size + right.type.size > limit) {
        out.type.size = left.type.size + right.type.size;
        return sh_bind_cast (b, out, type, NULL, false);
    }
    return out;
}

static sh_frag_t
s_time_arithmetic (sh_bind_t *b, sh_op_t op, sh_frag_t left, sh_frag_t right)
{
    sh_type_t datetime = sh_type_of (SH_TYPE_DATETIME);
    if ((op != SH_OP_ADD && op != SH_OP_SUB) || left.type.id == SH_TYPE_DATE ||
        left.type.id == SH_TYPE_DATETIME2)
        return sh_bind_fail (b, 402, 16, 1,
                             "The data types %s and %s are incompatible in the operator.",
                             sh_type_name (left.type.id), sh_type_name (right.type.id));
    left = sh_bind_convert (b, left, datetime);
    right = sh_bind_convert (b, right, datetime);
    return sh_bind_of (sh_arena_printf (b->arena, "(%s%s(%s-%lld))", left.sql, s_op_text (op),
                                        right.sql, (long long)SH_TICKS_1900),
                       datetime);
}

sh_frag_t
sh_bind_arithmetic (sh_bind_t *b, sh_op_t op, sh_frag_t left, sh_frag_t right)
{
    if (b->failed)
        return left;
    sh_type_t type = sh_type_common (&left.type, &right.type);
    if (type.id == SH_TYPE_NONE)
        type.id = SH_TYPE_INT;
    if (op == SH_OP_ADD && (sh_type_is_text (&type) || sh_type_is_binary (&type)))
        return s_concatenate (b, left, right);
    if (sh_type_is_time (&type))
        return s_time_arithmetic (b, op, left, right);
    if (op >= SH_OP_BIT_AND) {
        if (!sh_type_is_integer (&type)) {
            if (!sh_type_is_binary (&type))
                return sh_bind_fail (
                    b, 402, 16, 1,
                    "The data types %s and %s are incompatible in the '%s' operator.",
                    sh_type_name (left.type.id), sh_type_name (right.type.id), s_op_text (op));
            type = sh_type_of (SH_TYPE_BIGINT);
        }
    } else if (!sh_type_is_number (&type))
        return sh_bind_fail (b, 8117, 16, 1, "Operand data type %s is invalid for %s operator.",
                             sh_type_name (type.id), s_op_text (op));
    if (sh_type_kind (&type) == SH_DECIMAL) {
        sh_type_t result =
            type.id == SH_TYPE_NUMERIC ? s_numeric_result (op, &left.type, &right.type) : type;
        sh_type_t l = sh_type_as_numeric (&left.type), r = sh_type_as_numeric (&right.type);
        left = sh_bind_convert (b, left, l);
        right = sh_bind_convert (b, right, r);
        return sh_bind_of (sh_arena_printf (b->arena, "ts_dec('%s',%s,%s,%d,%d)", s_op_text (op),
                                            left.sql, right.sql, sh_type_as_numeric (&result).scale,
                                            sh_type_as_numeric (&result).precision),
                           result);
    }
    left = sh_bind_convert (b, left, type);
    right = sh_bind_convert (b, right, type);
    return sh_bind_of (sh_arena_printf (b->arena, "ts_op('%s',%s,%s,%d)", s_op_text (op), left.sql,
                                        right.sql, (int)type.id),
                       type);
}

static sh_frag_t
s_unary (sh_bind_t *b, const sh_expr_t *expr)
{
    sh_frag_t a = sh_bind_expr (b, expr->a);
    if (b->failed || expr->op == SH_OP_POS)
        return a;
    if (expr->op == SH_OP_BIT_NOT)
        return sh_bind_of (a.type.id == SH_TYPE_BIT ? sh_arena_printf (b->arena, "(NOT %s)", a.sql)
                                                    : sh_arena_printf (b->arena, "(~%s)", a.sql),
                           a.type);
    if (sh_type_kind (&a.type) == SH_DECIMAL)
        return sh_bind_of (sh_arena_printf (b->arena, "ts_dec('-','0',%s,%d,38)", a.sql,
                                            sh_type_as_numeric (&a.type).scale),
                           a.type);
    if (sh_type_is_text (&a.type))
        return sh_bind_fail (b, 8117, 16, 1, "Operand data type %s is invalid for minus operator.",
                             sh_type_name (a.type.id));
    return sh_bind_of (sh_arena_printf (b->arena, "(-%s)", a.sql), a.type);
}

/*  ---- comparisons ---- */

/*  Both sides brought to one type, the left one collated. */
static bool
s_meet (sh_bind_t *b, sh_frag_t *left, sh_frag_t *right)
{
    sh_type_t type = sh_type_common (&left->type, &right->type);
    if (b->failed)
        return false;
    if (sh_type_is_text (&type)) {
        /*  Comparing needs no lengths. */
        type.size = SH_MAX;
        type.id = SH_TYPE_NVARCHAR;
        const char *collation = left->collation ? left->collation : right->collation;
        if (!sh_type_is_text (&left->type))
            *left = sh_bind_convert (b, *left, type);
        if (!sh_type_is_text (&right->type))
            *right = sh_bind_convert (b, *right, type);
        if (collation)
            left->collation = collation;
    } else {
        bool exact = sh_type_kind (&type) == SH_DECIMAL;
        if (!(exact && sh_type_kind (&left->type) == SH_DECIMAL))
            *left = sh_bind_convert (b, *left, type);
        if (!(exact && sh_type_kind (&right->type) == SH_DECIMAL))
            *right = sh_bind_convert (b, *right, type);
    }
    /*  A bare column on either side brings its collation; else it is said on the left. */
    if ((!left->is_column && !right->is_column) || left->collation)
        left->sql = sh_bind_collated (b, *left);
    return !b->failed;
}

static const char *
s_compare_text (sh_op_t op)
{
    switch (op) {
        case SH_OP_EQ:
            return "=";
        case SH_OP_NE:
            return "<>";
        case SH_OP_LT:
            return "<";
        case SH_OP_LE:
            return "<=";
        case SH_OP_GT:
            return ">";
        default:
            return ">=";
    }
}

static const char *
s_compare (sh_bind_t *b, const sh_expr_t *expr)
{
    sh_frag_t left = sh_bind_expr (b, expr->a);
    sh_frag_t right = sh_bind_expr (b, expr->b);
    if (!s_meet (b, &left, &right))
        return NULL;
    return sh_arena_printf (b->arena, "(%s %s %s)", left.sql, s_compare_text (expr->op), right.sql);
}

/*  The one column of a subquery: "SELECT o0 FROM (...)" wrapped in what is asked. */
static bool
s_one_column (sh_bind_t *b, const sh_select_t *select, sh_bound_t *bound)
{
    if (!sh_bind_select (b, select, bound))
        return false;
    if (bound->count == 1)
        return true;
    sh_bind_fail (
        b, 116, 16, 1,
        "Only one expression can be specified in the select list when the subquery is not "
        "introduced with EXISTS.");
    return false;
}

static const char *
s_in (sh_bind_t *b, const sh_expr_t *expr)
{
    sh_frag_t left = sh_bind_expr (b, expr->a);
    const char *not = expr->negated ? "NOT " : "";
    if (b->failed)
        return NULL;
    if (expr->query) {
        sh_bound_t bound;
        if (!s_one_column (b, expr->query, &bound))
            return NULL;
        sh_frag_t right = sh_bind_of ("o0", bound.columns[0].type);
        sh_frag_t l = left;
        if (!s_meet (b, &l, &right))
            return NULL;
        if (!l.is_column)
            l.sql = sh_bind_collated (b, left.type.id == l.type.id ? left : l);
        return sh_arena_printf (b->arena, "(%s %sIN (SELECT %s FROM (%s)))", l.sql, not, right.sql,
                                bound.sql);
    }
    /*  x IN (a, b) is x = a OR x = b: each pair has its own common type. */
    sh_buffer_t sql = {0};
    sh_buffer_puts (&sql, expr->negated ? "(NOT (" : "((");
    for (const sh_expr_t *item = expr->args; item && !b->failed; item = item->next) {
        sh_frag_t l = left, r = sh_bind_expr (b, item);
        if (!s_meet (b, &l, &r))
            break;
        sh_buffer_printf (&sql, "%s%s = %s", item == expr->args ? "" : " OR ", l.sql, r.sql);
    }
    sh_buffer_puts (&sql, "))");
    const char *text = sh_arena_strdup (b->arena, sh_buffer_text (&sql));
    sh_buffer_free (&sql);
    return b->failed ? NULL : text;
}

static const char *
s_between (sh_bind_t *b, const sh_expr_t *expr)
{
    sh_frag_t low_x = sh_bind_expr (b, expr->a), low = sh_bind_expr (b, expr->b);
    sh_frag_t high_x = low_x, high = sh_bind_expr (b, expr->c);
    if (!s_meet (b, &low_x, &low) || !s_meet (b, &high_x, &high))
        return NULL;
    return sh_arena_printf (b->arena, "(%s(%s >= %s AND %s <= %s))", expr->negated ? "NOT " : "",
                            low_x.sql, low.sql, high_x.sql, high.sql);
}

static const char *
s_like (sh_bind_t *b, const sh_expr_t *expr)
{
    sh_type_t text = sh_type_nvarchar (SH_MAX);
    sh_frag_t value = sh_bind_expr (b, expr->a), pattern = sh_bind_expr (b, expr->b);
    bool binary = (value.collation && strcmp (value.collation, "TSQLBIN") == 0) ||
                  (pattern.collation && strcmp (pattern.collation, "TSQLBIN") == 0);
    value = sh_bind_convert (b, value, text);
    pattern = sh_bind_convert (b, pattern, text);
    const char *escape = "NULL";
    if (expr->c)
        escape = sh_bind_convert (b, sh_bind_expr (b, expr->c), text).sql;
    if (b->failed)
        return NULL;
    return sh_arena_printf (b->arena, "(%sts_like(%s,%s,%s,%d))", expr->negated ? "NOT " : "",
                            value.sql, pattern.sql, escape, binary);
}

/*  x op ANY (q): EXISTS; x op ALL (q): no row for which it does not hold. */
static const char *
s_quantified (sh_bind_t *b, const sh_expr_t *expr)
{
    sh_bound_t bound;
    sh_frag_t left = sh_bind_expr (b, expr->a);
    if (b->failed || !s_one_column (b, expr->query, &bound))
        return NULL;
    sh_frag_t right = sh_bind_of ("o0", bound.columns[0].type);
    if (!s_meet (b, &left, &right))
        return NULL;
    if (!left.is_column)
        left.sql = sh_bind_collated (b, left);
    const char *op = s_compare_text (expr->op);
    if (expr->quantifier == SH_QUANTIFIER_ANY)
        return sh_arena_printf (b->arena, "EXISTS (SELECT 1 FROM (%s) WHERE %s %s %s)", bound.sql,
                                left.sql, op, right.sql);
    return sh_arena_printf (b->arena,
                            "NOT EXISTS (SELECT 1 FROM (%s) WHERE NOT coalesce(%s %s %s,0))",
                            bound.sql, left.sql, op, right.sql);
}

static const char *
s_update_of (sh_bind_t *b, const sh_expr_t *expr)
{
    const sh_pseudo_t *pseudo = b->session->frame ? b->session->frame->pseudo : NULL;
    const char *column =
        expr->args && expr->args->kind == SH_EXPR_COLUMN ? expr->args->path.object : NULL;
    if (!pseudo || !column) {
        sh_bind_fail (b, 157, 15, 1, "UPDATE (column) may be used in a trigger only.");
        return NULL;
    }
    const sh_rowset_t *rows = pseudo->inserted;
    for (size_t i = 0; rows && i < rows->field_count && i < pseudo->column_count; i++)
        if (sh_same (rows->fields[i].name, column))
            return !pseudo->updated || pseudo->updated[i] ? "1" : "0";
    sh_bind_fail (b, 207, 16, 1, "Invalid column name '%s'.", column);
    return NULL;
}

static const char *
s_exists (sh_bind_t *b, const sh_expr_t *expr)
{
    sh_bound_t bound;
    if (!sh_bind_select (b, expr->query, &bound))
        return NULL;
    return sh_arena_printf (b->arena, "EXISTS (%s)", bound.sql);
}

static const char *
s_junction (sh_bind_t *b, const sh_expr_t *expr)
{
    const char *left = sh_bind_condition (b, expr->a);
    const char *right = left ? sh_bind_condition (b, expr->b) : NULL;
    if (!right)
        return NULL;
    return sh_arena_printf (b->arena, "(%s %s %s)", left, expr->kind == SH_EXPR_AND ? "AND" : "OR",
                            right);
}

const char *
sh_bind_condition (sh_bind_t *b, const sh_expr_t *expr)
{
    if (b->failed)
        return NULL;
    switch (expr->kind) {
        case SH_EXPR_COMPARE:
            return s_compare (b, expr);
        case SH_EXPR_AND:
        case SH_EXPR_OR:
            return s_junction (b, expr);
        case SH_EXPR_NOT: {
            const char *inner = sh_bind_condition (b, expr->a);
            return inner ? sh_arena_printf (b->arena, "(NOT %s)", inner) : NULL;
        }
        case SH_EXPR_IS_NULL: {
            sh_frag_t a = sh_bind_expr (b, expr->a);
            return b->failed ? NULL
                             : sh_arena_printf (b->arena, "(%s IS %sNULL)", a.sql,
                                                expr->negated ? "NOT " : "");
        }
        case SH_EXPR_IN:
            return s_in (b, expr);
        case SH_EXPR_BETWEEN:
            return s_between (b, expr);
        case SH_EXPR_LIKE:
            return s_like (b, expr);
        case SH_EXPR_EXISTS:
            return s_exists (b, expr);
        case SH_EXPR_QUANTIFIED:
            return s_quantified (b, expr);
        case SH_EXPR_UPDATE_OF:
            return s_update_of (b, expr);
        default:
            sh_bind_fail (
                b, 4145, 15, 1,
                "An expression of non-boolean type specified in a context where a condition "
                "is expected.");
            return NULL;
    }
}

/*  ---- CASE, CAST, subqueries ---- */

static sh_frag_t
s_case (sh_bind_t *b, const sh_expr_t *expr)
{
    /*  Twice over the branches: first their common type, then the text. */
    sh_frag_t results[64];
    const char *conditions[64];
    size_t count = 0;
    sh_type_t type = sh_type_of (SH_TYPE_NONE);
    sh_frag_t operand = {0};
    if (expr->a)
        operand = sh_bind_expr (b, expr->a);
    for (const sh_when_t *when = expr->whens; when && !b->failed; when = when->next) {
        if (count == 62)
            return sh_bind_fail (b, 125, 15, 1, "Case expressions may only be nested to level 10.");
        if (expr->a) {
            sh_frag_t l = operand, r = sh_bind_expr (b, when->when);
            if (!s_meet (b, &l, &r))
                return l;
            conditions[count] = sh_arena_printf (b->arena, "%s = %s", l.sql, r.sql);
        } else
            conditions[count] = sh_bind_condition (b, when->when);
        results[count] = sh_bind_expr (b, when->then);
        type = sh_type_common (&type, &results[count++].type);
    }
    if (b->failed)
        return sh_bind_failed (b);
    sh_frag_t other = sh_bind_of ("NULL", sh_type_of (SH_TYPE_NONE));
    if (expr->b)
        other = sh_bind_expr (b, expr->b);
    type = sh_type_common (&type, &other.type);
    sh_buffer_t sql = {0};
    sh_buffer_puts (&sql, "(CASE");
    for (size_t i = 0; i < count && !b->failed; i++)
        sh_buffer_printf (&sql, " WHEN %s THEN %s", conditions[i],
                          sh_bind_convert (b, results[i], type).sql);
    sh_buffer_printf (&sql, " ELSE %s END)", sh_bind_convert (b, other, type).sql);
    sh_frag_t out = sh_bind_of (sh_arena_strdup (b->arena, sh_buffer_text (&sql)), type);
    sh_buffer_free (&sql);
    return out;
}

static sh_frag_t
s_cast (sh_bind_t *b, const sh_expr_t *expr)
{
    sh_frag_t a = sh_bind_expr (b, expr->a);
    const char *style = NULL;
    if (expr->b)
        style = sh_bind_convert (b, sh_bind_expr (b, expr->b), sh_type_of (SH_TYPE_INT)).sql;
    if (b->failed)
        return a;
    sh_type_t to = expr->type.type;
    if (a.type.id == SH_TYPE_NONE) {
        a.type = to;
        return a;
    }
    if (!style && !expr->negated && sh_type_same (&a.type, &to)) {
        a.name = NULL;
        return a;
    }
    return sh_bind_cast (b, a, to, style, expr->negated);
}

static sh_frag_t
s_subquery (sh_bind_t *b, const sh_expr_t *expr)
{
    sh_bound_t bound;
    if (!s_one_column (b, expr->query, &bound))
        return sh_bind_failed (b);
    sh_frag_t out =
        sh_bind_of (sh_arena_printf (b->arena, "(SELECT ts_single(o0) FROM (%s))", bound.sql),
                    bound.columns[0].type);
    return out;
}

static sh_frag_t
s_collate (sh_bind_t *b, const sh_expr_t *expr)
{
    sh_frag_t a = sh_bind_expr (b, expr->a);
    if (sh_same (expr->text, "DATABASE_DEFAULT") || sh_same (expr->text, "CATALOG_DEFAULT"))
        a.collation = "TSQL";
    else if (strcasestr (expr->text, "_BIN") || strcasestr (expr->text, "_CS_"))
        a.collation = "TSQLBIN";
    else if (strcasestr (expr->text, "_CI_"))
        a.collation = "TSQL";
    else
        return sh_bind_fail (b, 448, 16, 1, "Invalid collation '%s'.", expr->text);
    return a;
}

sh_frag_t
sh_bind_expr (sh_bind_t *b, const sh_expr_t *expr)
{
    if (b->failed)
        return sh_bind_failed (b);
    switch (expr->kind) {
        case SH_EXPR_LITERAL:
            return s_literal (b, expr);
        case SH_EXPR_VAR:
            return s_variable (b, expr->text);
        case SH_EXPR_GLOBAL:
            return s_global (b, expr->text);
        case SH_EXPR_COLUMN:
            return s_column (b, expr);
        case SH_EXPR_UNARY:
            return s_unary (b, expr);
        case SH_EXPR_BINARY:
            return sh_bind_arithmetic (b, expr->op, sh_bind_expr (b, expr->a),
                                       sh_bind_expr (b, expr->b));
        case SH_EXPR_CASE:
            return s_case (b, expr);
        case SH_EXPR_CAST:
            return s_cast (b, expr);
        case SH_EXPR_COLLATE:
            return s_collate (b, expr);
        case SH_EXPR_QUERY:
            return s_subquery (b, expr);
        case SH_EXPR_FUNCTION:
            return sh_bind_function (b, expr);
        case SH_EXPR_DEFAULT:
            return sh_bind_fail (b, 156, 15, 1, "Incorrect syntax near the keyword 'DEFAULT'.");
        case SH_EXPR_STAR:
            return sh_bind_fail (b, 102, 15, 1, "Incorrect syntax near '*'.");
        default: {
            const char *sql = sh_bind_condition (b, expr);
            return sql ? sh_bind_of (sql, sh_type_of (SH_TYPE_BIT)) : sh_bind_failed (b);
        }
    }
}
