/*  Expressions and conditions, by precedence climbing. */
#include <string.h>

#include "parse.h"

static sh_expr_t *s_parse_or (sh_parse_t *p);
static sh_expr_t *s_parse_additive (sh_parse_t *p);
static sh_expr_t *s_parse_unary (sh_parse_t *p);

sh_expr_t *
sh_new_expr (sh_parse_t *p, sh_expr_kind_t kind)
{
    sh_expr_t *expr = SH_NEW (p, sh_expr_t);
    expr->kind = kind;
    expr->line = sh_peek (p, 0)->line;
    return expr;
}

static sh_expr_t *
s_binary (sh_parse_t *p, sh_expr_kind_t kind, sh_op_t op, sh_expr_t *a, sh_expr_t *b)
{
    if (!a || !b)
        return NULL;
    sh_expr_t *expr = sh_new_expr (p, kind);
    expr->line = a->line;
    expr->op = op;
    expr->a = a;
    expr->b = b;
    return expr;
}

static sh_expr_t *
s_literal (sh_parse_t *p)
{
    sh_expr_t *expr = sh_new_expr (p, SH_EXPR_LITERAL);
    expr->literal = sh_peek (p, 0)->kind;
    expr->text = sh_peek (p, 0)->text;
    sh_skip (p);
    return expr;
}

static sh_expr_t *
s_null (sh_parse_t *p)
{
    sh_expr_t *expr = sh_new_expr (p, SH_EXPR_LITERAL);
    expr->literal = SH_TOKEN_END;
    sh_skip (p);
    return expr;
}

sh_expr_t *
sh_parse_expr_list (sh_parse_t *p)
{
    sh_expr_t *head = NULL, *tail = NULL;
    do {
        sh_expr_t *item;
        if (sh_at (p, "DEFAULT")) {
            item = sh_new_expr (p, SH_EXPR_DEFAULT);
            sh_skip (p);
        } else
            item = sh_parse_expr (p);
        if (!item)
            return NULL;
        SH_APPEND (head, tail, item);
    } while (sh_accept_op (p, ","));
    return head;
}

sh_order_t *
sh_parse_order (sh_parse_t *p)
{
    sh_order_t *head = NULL, *tail = NULL;
    do {
        sh_order_t *item = SH_NEW (p, sh_order_t);
        item->expr = sh_parse_expr (p);
        if (!item->expr)
            return NULL;
        if (sh_accept (p, "DESC"))
            item->descending = true;
        else
            sh_accept (p, "ASC");
        SH_APPEND (head, tail, item);
    } while (sh_accept_op (p, ","));
    return head;
}

static sh_expr_t *
s_case (sh_parse_t *p)
{
    sh_expr_t *expr = sh_new_expr (p, SH_EXPR_CASE);
    sh_skip (p);
    if (!sh_at (p, "WHEN") && !(expr->a = sh_parse_expr (p)))
        return NULL;
    sh_when_t *tail = NULL;
    while (sh_accept (p, "WHEN")) {
        sh_when_t *when = SH_NEW (p, sh_when_t);
        when->when = expr->a ? sh_parse_expr (p) : sh_parse_condition (p);
        if (!when->when || !sh_expect (p, "THEN") || !(when->then = sh_parse_expr (p)))
            return NULL;
        SH_APPEND (expr->whens, tail, when);
    }
    if (!expr->whens)
        return sh_syntax (p);
    if (sh_accept (p, "ELSE") && !(expr->b = sh_parse_expr (p)))
        return NULL;
    return sh_expect (p, "END") ? expr : NULL;
}

/*  CAST (x AS t), TRY_CAST; CONVERT (t, x [, style]), TRY_CONVERT */
static sh_expr_t *
s_cast (sh_parse_t *p)
{
    sh_expr_t *expr = sh_new_expr (p, SH_EXPR_CAST);
    expr->text = sh_peek (p, 0)->text;
    bool convert = sh_at (p, "CONVERT") || sh_at (p, "TRY_CONVERT");
    expr->negated =
        sh_at (p, "TRY_CAST") || sh_at (p, "TRY_CONVERT"); /* NULL instead of an error */
    sh_skip (p);
    if (!sh_expect_op (p, "("))
        return NULL;
    if (convert) {
        if (!sh_parse_type (p, &expr->type, 30) || !sh_expect_op (p, ",") ||
            !(expr->a = sh_parse_expr (p)))
            return NULL;
        if (sh_accept_op (p, ",") && !(expr->b = sh_parse_expr (p)))
            return NULL;
    } else if (!(expr->a = sh_parse_expr (p)) || !sh_expect (p, "AS") ||
               !sh_parse_type (p, &expr->type, 30))
        return NULL;
    return sh_expect_op (p, ")") ? expr : NULL;
}

static sh_over_t *
s_over (sh_parse_t *p)
{
    sh_over_t *over = SH_NEW (p, sh_over_t);
    if (!sh_expect_op (p, "("))
        return NULL;
    if (sh_accept (p, "PARTITION") &&
        (!sh_expect (p, "BY") || !(over->partition = sh_parse_expr_list (p))))
        return NULL;
    if (sh_accept (p, "ORDER") && (!sh_expect (p, "BY") || !(over->order = sh_parse_order (p))))
        return NULL;
    if (sh_at (p, "ROWS") || sh_at (p, "RANGE")) {
        size_t start = sh_peek (p, 0)->start;
        while (!p->failed && !sh_at_op (p, ")") && sh_peek (p, 0)->kind != SH_TOKEN_END)
            sh_skip (p);
        over->frame = sh_source_text (p, start, sh_peek (p, 0)->start);
    }
    return sh_expect_op (p, ")") ? over : NULL;
}

/*  The name is read; at the parenthesis. */
static sh_expr_t *
s_function (sh_parse_t *p, sh_expr_t *expr)
{
    expr->kind = SH_EXPR_FUNCTION;
    sh_skip (p);
    if (sh_accept_op (p, "*"))
        expr->star = true;
    else if (!sh_at_op (p, ")")) {
        if (sh_accept (p, "DISTINCT"))
            expr->distinct = true;
        else
            sh_accept (p, "ALL");
        if (!(expr->args = sh_parse_expr_list (p)))
            return NULL;
    }
    if (!sh_expect_op (p, ")"))
        return NULL;
    if (sh_accept (p, "OVER") && !(expr->over = s_over (p)))
        return NULL;
    return expr;
}

/*  LEFT, RIGHT, COALESCE, ... : reserved words that are functions before a parenthesis. */
static bool
s_at_reserved_function (const sh_parse_t *p)
{
    static const char *const names[] = {"LEFT", "RIGHT",  "COALESCE", "NULLIF",   "UPDATE",
                                        "USER", "SCHEMA", "IDENTITY", "CHECKSUM", NULL};
    for (size_t i = 0; names[i]; i++)
        if (sh_at (p, names[i]) && sh_next_is_op (p, 1, "("))
            return true;
    return false;
}

/*  CURRENT_TIMESTAMP and others stand without parentheses. */
static bool
s_at_niladic (const sh_parse_t *p)
{
    static const char *const names[] = {"CURRENT_TIMESTAMP", "CURRENT_USER", "SESSION_USER",
                                        "SYSTEM_USER",       "USER",         NULL};
    for (size_t i = 0; names[i]; i++)
        if (sh_at (p, names[i]))
            return true;
    return false;
}

/*  IIF (condition, a, b) is a CASE. */
static sh_expr_t *
s_iif (sh_parse_t *p, sh_expr_t *expr)
{
    expr->kind = SH_EXPR_CASE;
    sh_skip (p);
    sh_skip (p);
    expr->whens = SH_NEW (p, sh_when_t);
    if (!(expr->whens->when = sh_parse_condition (p)) || !sh_expect_op (p, ",") ||
        !(expr->whens->then = sh_parse_expr (p)) || !sh_expect_op (p, ",") ||
        !(expr->b = sh_parse_expr (p)) || !sh_expect_op (p, ")"))
        return NULL;
    return expr;
}

static sh_expr_t *
s_column_or_function (sh_parse_t *p)
{
    sh_expr_t *expr = sh_new_expr (p, SH_EXPR_COLUMN);
    if (s_at_reserved_function (p)) {
        bool update = sh_at (p, "UPDATE");
        expr->path.object = sh_peek (p, 0)->text;
        sh_skip (p);
        if (!s_function (p, expr))
            return NULL;
        if (update)
            expr->kind = SH_EXPR_UPDATE_OF;
        return expr;
    }
    if (s_at_niladic (p)) {
        expr->kind = SH_EXPR_FUNCTION;
        expr->path.object = sh_peek (p, 0)->text;
        sh_skip (p);
        return expr;
    }
    /*  t.* and a.b.* */
    size_t ahead = 0;
    while (sh_next_is_op (p, ahead + 1, ".") && !sh_next_is_op (p, ahead + 2, "*"))
        ahead += 2;
    if (sh_next_is_op (p, ahead + 1, ".") && sh_next_is_op (p, ahead + 2, "*")) {
        expr->kind = SH_EXPR_STAR;
        expr->path.schema = ahead ? sh_peek (p, ahead - 2)->text : NULL;
        expr->path.object = sh_peek (p, ahead)->text;
        p->pos += ahead + 3;
        return expr;
    }
    if (sh_at (p, "IIF") && sh_next_is_op (p, 1, "("))
        return s_iif (p, expr);
    if (!sh_parse_name (p, &expr->path))
        return NULL;
    return sh_at_op (p, "(") ? s_function (p, expr) : expr;
}

static sh_expr_t *
s_parenthesis (sh_parse_t *p)
{
    if (sh_next_is (p, 1, "SELECT") || sh_next_is (p, 1, "WITH")) {
        sh_expr_t *expr = sh_new_expr (p, SH_EXPR_QUERY);
        sh_skip (p);
        expr->query = sh_parse_query (p);
        return expr->query && sh_expect_op (p, ")") ? expr : NULL;
    }
    sh_skip (p);
    sh_expr_t *inner = sh_parse_expr (p);
    return inner && sh_expect_op (p, ")") ? inner : NULL;
}

static sh_expr_t *
s_variable (sh_parse_t *p)
{
    sh_expr_t *expr =
        sh_new_expr (p, sh_peek (p, 0)->kind == SH_TOKEN_VAR ? SH_EXPR_VAR : SH_EXPR_GLOBAL);
    expr->text = sh_peek (p, 0)->text;
    sh_skip (p);
    return expr;
}

static sh_expr_t *
s_primary (sh_parse_t *p)
{
    switch (sh_peek (p, 0)->kind) {
        case SH_TOKEN_STRING:
        case SH_TOKEN_NSTRING:
        case SH_TOKEN_INT:
        case SH_TOKEN_DECIMAL:
        case SH_TOKEN_FLOAT:
        case SH_TOKEN_MONEY:
        case SH_TOKEN_BINARY:
            return s_literal (p);
        case SH_TOKEN_VAR:
        case SH_TOKEN_GLOBAL:
            return s_variable (p);
        case SH_TOKEN_QUOTED:
            return s_column_or_function (p);
        case SH_TOKEN_OP:
            return sh_at_op (p, "(") ? s_parenthesis (p) : sh_syntax (p);
        case SH_TOKEN_WORD:
            break;
        default:
            return sh_syntax (p);
    }
    if (sh_at (p, "NULL"))
        return s_null (p);
    if (sh_at (p, "CASE"))
        return s_case (p);
    if ((sh_at (p, "CAST") || sh_at (p, "CONVERT") || sh_at (p, "TRY_CAST") ||
         sh_at (p, "TRY_CONVERT")) &&
        sh_next_is_op (p, 1, "("))
        return s_cast (p);
    if (sh_at_identifier (p) || s_at_reserved_function (p) || s_at_niladic (p))
        return s_column_or_function (p);
    return sh_syntax (p);
}

static sh_expr_t *
s_postfix (sh_parse_t *p)
{
    sh_expr_t *expr = s_primary (p);
    while (expr && sh_accept (p, "COLLATE")) {
        sh_expr_t *collate = sh_new_expr (p, SH_EXPR_COLLATE);
        collate->a = expr;
        collate->text = sh_identifier (p);
        expr = collate->text ? collate : NULL;
    }
    return expr;
}

static sh_expr_t *
s_parse_unary (sh_parse_t *p)
{
    sh_op_t op = SH_OP_NONE;
    if (sh_at_op (p, "-"))
        op = SH_OP_NEG;
    else if (sh_at_op (p, "+"))
        op = SH_OP_POS;
    else if (sh_at_op (p, "~"))
        op = SH_OP_BIT_NOT;
    if (op == SH_OP_NONE)
        return s_postfix (p);
    if (!sh_deeper (p))
        return NULL;
    sh_expr_t *expr = sh_new_expr (p, SH_EXPR_UNARY);
    sh_skip (p);
    expr->op = op;
    expr->a = s_parse_unary (p);
    p->depth--;
    return expr->a ? expr : NULL;
}

static sh_op_t
s_multiplicative_op (const sh_parse_t *p)
{
    if (sh_at_op (p, "*"))
        return SH_OP_MUL;
    if (sh_at_op (p, "/"))
        return SH_OP_DIV;
    return sh_at_op (p, "%") ? SH_OP_MOD : SH_OP_NONE;
}

static sh_expr_t *
s_parse_multiplicative (sh_parse_t *p)
{
    sh_expr_t *left = s_parse_unary (p);
    sh_op_t op;
    while (left && (op = s_multiplicative_op (p)) != SH_OP_NONE) {
        sh_skip (p);
        left = s_binary (p, SH_EXPR_BINARY, op, left, s_parse_unary (p));
    }
    return left;
}

static sh_op_t
s_additive_op (const sh_parse_t *p)
{
    static const struct {
        const char *text;
        sh_op_t op;
    } ops[] = {{"+", SH_OP_ADD},
               {"-", SH_OP_SUB},
               {"&", SH_OP_BIT_AND},
               {"|", SH_OP_BIT_OR},
               {"^", SH_OP_BIT_XOR}};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (sh_at_op (p, ops[i].text))
            return ops[i].op;
    return SH_OP_NONE;
}

static sh_expr_t *
s_parse_additive (sh_parse_t *p)
{
    sh_expr_t *left = s_parse_multiplicative (p);
    sh_op_t op;
    while (left && (op = s_additive_op (p)) != SH_OP_NONE) {
        sh_skip (p);
        left = s_binary (p, SH_EXPR_BINARY, op, left, s_parse_multiplicative (p));
    }
    return left;
}

sh_expr_t *
sh_parse_expr (sh_parse_t *p)
{
    if (!sh_deeper (p))
        return NULL;
    sh_expr_t *expr = s_parse_additive (p);
    p->depth--;
    return expr;
}

static sh_op_t
s_compare_op (const sh_parse_t *p)
{
    static const struct {
        const char *text;
        sh_op_t op;
    } ops[] = {{"=", SH_OP_EQ},  {"<>", SH_OP_NE}, {"!=", SH_OP_NE},
               {"<", SH_OP_LT},  {"<=", SH_OP_LE}, {">", SH_OP_GT},
               {">=", SH_OP_GE}, {"!<", SH_OP_GE}, {"!>", SH_OP_LE}};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (sh_at_op (p, ops[i].text))
            return ops[i].op;
    return SH_OP_NONE;
}

/*  x = ANY (SELECT ...) */
static sh_expr_t *
s_quantified (sh_parse_t *p, sh_op_t op, sh_expr_t *left)
{
    sh_expr_t *expr = sh_new_expr (p, SH_EXPR_QUANTIFIED);
    expr->op = op;
    expr->a = left;
    expr->quantifier = sh_at (p, "ALL") ? SH_QUANTIFIER_ALL : SH_QUANTIFIER_ANY;
    sh_skip (p);
    if (!sh_expect_op (p, "(") || !(expr->query = sh_parse_query (p)) || !sh_expect_op (p, ")"))
        return NULL;
    return expr;
}

static sh_expr_t *
s_in (sh_parse_t *p, sh_expr_t *left, bool negated)
{
    sh_expr_t *expr = sh_new_expr (p, SH_EXPR_IN);
    expr->a = left;
    expr->negated = negated;
    if (!sh_expect_op (p, "("))
        return NULL;
    if (sh_at (p, "SELECT") || sh_at (p, "WITH"))
        expr->query = sh_parse_query (p);
    else
        expr->args = sh_parse_expr_list (p);
    return !p->failed && sh_expect_op (p, ")") ? expr : NULL;
}

static sh_expr_t *
s_like (sh_parse_t *p, sh_expr_t *left, bool negated)
{
    sh_expr_t *expr = s_binary (p, SH_EXPR_LIKE, SH_OP_NONE, left, sh_parse_expr (p));
    if (!expr)
        return NULL;
    expr->negated = negated;
    if (sh_accept (p, "ESCAPE") && !(expr->c = sh_parse_expr (p)))
        return NULL;
    return expr;
}

static sh_expr_t *
s_between (sh_parse_t *p, sh_expr_t *left, bool negated)
{
    sh_expr_t *expr = s_binary (p, SH_EXPR_BETWEEN, SH_OP_NONE, left, sh_parse_expr (p));
    if (!expr || !sh_expect (p, "AND") || !(expr->c = sh_parse_expr (p)))
        return NULL;
    expr->negated = negated;
    return expr;
}

static sh_expr_t *
s_is_null (sh_parse_t *p, sh_expr_t *left)
{
    sh_expr_t *expr = sh_new_expr (p, SH_EXPR_IS_NULL);
    expr->a = left;
    expr->negated = sh_accept (p, "NOT");
    return sh_expect (p, "NULL") ? expr : NULL;
}

/*  An opening parenthesis where a predicate is due begins an expression if an operator follows its
 *  closing one, else a condition. */
static bool
s_parenthesis_is_condition (const sh_parse_t *p)
{
    static const char *const words[] = {"IS", "IN", "LIKE", "BETWEEN", "NOT", "COLLATE", NULL};
    static const char *const ops[] = {"=", "<>", "!=", "<", "<=", ">", ">=", "!<", "!>",
                                      "+", "-",  "*",  "/", "%",  "&", "|",  "^",  NULL};
    size_t i = 0;
    for (int depth = 0;; i++) {
        if (sh_peek (p, i)->kind == SH_TOKEN_END)
            return false;
        if (sh_next_is_op (p, i, "("))
            depth++;
        else if (sh_next_is_op (p, i, ")") && --depth == 0)
            break;
    }
    for (size_t k = 0; words[k]; k++)
        if (sh_next_is (p, i + 1, words[k]))
            return false;
    for (size_t k = 0; ops[k]; k++)
        if (sh_next_is_op (p, i + 1, ops[k]))
            return false;
    return true;
}

static sh_expr_t *
s_after_operand (sh_parse_t *p, sh_expr_t *left)
{
    sh_op_t op = s_compare_op (p);
    if (op != SH_OP_NONE) {
        sh_skip (p);
        if (sh_at (p, "ANY") || sh_at (p, "SOME") || sh_at (p, "ALL"))
            return s_quantified (p, op, left);
        return s_binary (p, SH_EXPR_COMPARE, op, left, sh_parse_expr (p));
    }
    if (sh_accept (p, "IS"))
        return s_is_null (p, left);
    bool negated = sh_accept (p, "NOT");
    if (sh_accept (p, "IN"))
        return s_in (p, left, negated);
    if (sh_accept (p, "LIKE"))
        return s_like (p, left, negated);
    if (sh_accept (p, "BETWEEN"))
        return s_between (p, left, negated);
    return sh_syntax (p);
}

static sh_expr_t *
s_predicate (sh_parse_t *p)
{
    if (sh_accept (p, "EXISTS")) {
        sh_expr_t *expr = sh_new_expr (p, SH_EXPR_EXISTS);
        if (!sh_expect_op (p, "(") || !(expr->query = sh_parse_query (p)) || !sh_expect_op (p, ")"))
            return NULL;
        return expr;
    }
    if (sh_at (p, "UPDATE") && sh_next_is_op (p, 1, "("))
        return s_primary (p);
    if (sh_at_op (p, "(") && s_parenthesis_is_condition (p)) {
        sh_skip (p);
        sh_expr_t *inner = sh_parse_condition (p);
        return inner && sh_expect_op (p, ")") ? inner : NULL;
    }
    sh_expr_t *left = sh_parse_expr (p);
    return left ? s_after_operand (p, left) : NULL;
}

static sh_expr_t *
s_parse_not (sh_parse_t *p)
{
    if (!sh_at (p, "NOT"))
        return s_predicate (p);
    if (!sh_deeper (p))
        return NULL;
    sh_expr_t *expr = sh_new_expr (p, SH_EXPR_NOT);
    sh_skip (p);
    expr->a = s_parse_not (p);
    p->depth--;
    return expr->a ? expr : NULL;
}

static sh_expr_t *
s_parse_and (sh_parse_t *p)
{
    sh_expr_t *left = s_parse_not (p);
    while (left && sh_accept (p, "AND"))
        left = s_binary (p, SH_EXPR_AND, SH_OP_NONE, left, s_parse_not (p));
    return left;
}

static sh_expr_t *
s_parse_or (sh_parse_t *p)
{
    sh_expr_t *left = s_parse_and (p);
    while (left && sh_accept (p, "OR"))
        left = s_binary (p, SH_EXPR_OR, SH_OP_NONE, left, s_parse_and (p));
    return left;
}

sh_expr_t *
sh_parse_condition (sh_parse_t *p)
{
    if (!sh_deeper (p))
        return NULL;
    sh_expr_t *expr = s_parse_or (p);
    p->depth--;
    return expr;
}

sh_expr_t *
sh_parse_simple (sh_parse_t *p)
{
    switch (sh_peek (p, 0)->kind) {
        case SH_TOKEN_VAR:
        case SH_TOKEN_GLOBAL:
            return s_variable (p);
        case SH_TOKEN_STRING:
        case SH_TOKEN_NSTRING:
        case SH_TOKEN_INT:
        case SH_TOKEN_DECIMAL:
        case SH_TOKEN_FLOAT:
        case SH_TOKEN_MONEY:
        case SH_TOKEN_BINARY:
            return s_literal (p);
        default:
            break;
    }
    if (sh_at (p, "NULL"))
        return s_null (p);
    if (sh_at_op (p, "-") || sh_at_op (p, "+"))
        return s_parse_unary (p);
    return sh_syntax (p);
}
