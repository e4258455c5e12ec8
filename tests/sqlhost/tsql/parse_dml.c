/*  SELECT, INSERT, UPDATE, DELETE, TRUNCATE as statements. */
#include "parse.h"

static bool
s_output (sh_parse_t *p, sh_stmt_t *stmt)
{
    if (!sh_accept (p, "OUTPUT"))
        return true;
    if (!(stmt->output = sh_parse_items (p)))
        return false;
    if (!sh_accept (p, "INTO"))
        return true;
    if (!(stmt->output_into = sh_parse_table (p)))
        return false;
    if (sh_accept_op (p, "(")) {
        stmt->output_columns = sh_identifier_list (p);
        return sh_expect_op (p, ")");
    }
    return true;
}

/*  The target of INSERT, UPDATE, DELETE: a name or a table variable, with hints. */
static sh_source_t *
s_target (sh_parse_t *p)
{
    sh_source_t *target = SH_NEW (p, sh_source_t);
    target->kind = SH_SOURCE_TABLE;
    target->line = sh_peek (p, 0)->line;
    if (sh_peek (p, 0)->kind == SH_TOKEN_VAR) {
        target->variable = sh_variable_name (p);
        target->name.object = target->variable;
    } else if (!sh_parse_name (p, &target->name))
        return NULL;
    if (sh_at (p, "WITH"))
        target->hints = sh_parse_hints (p);
    return p->failed ? NULL : target;
}

static sh_stmt_t *
s_insert (sh_parse_t *p, sh_cte_t *ctes)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_INSERT);
    stmt->ctes = ctes;
    sh_skip (p);
    stmt->top = sh_parse_top (p, &stmt->flag2, NULL);
    sh_accept (p, "INTO");
    if (p->failed || !(stmt->target = s_target (p)))
        return NULL;
    if (sh_at_op (p, "(") && !sh_next_is (p, 1, "SELECT") && !sh_next_is (p, 1, "WITH")) {
        sh_skip (p);
        stmt->columns = sh_identifier_list (p);
        if (!sh_expect_op (p, ")"))
            return NULL;
    }
    if (!s_output (p, stmt))
        return NULL;
    if (sh_at2 (p, "DEFAULT", "VALUES")) {
        sh_skip (p);
        sh_skip (p);
        stmt->flag = true;
    } else if (sh_accept (p, "VALUES")) {
        stmt->query = SH_NEW (p, sh_select_t);
        stmt->query->line = stmt->line;
        stmt->query->values = sh_parse_rows (p);
    } else if (sh_at (p, "EXEC") || sh_at (p, "EXECUTE"))
        stmt->exec = sh_parse_exec (p);
    else
        stmt->query = sh_parse_query (p);
    return p->failed ? NULL : stmt;
}

static sh_assign_t *
s_assign (sh_parse_t *p)
{
    sh_assign_t *assign = SH_NEW (p, sh_assign_t);
    assign->line = sh_peek (p, 0)->line;
    if (sh_peek (p, 0)->kind == SH_TOKEN_VAR) {
        assign->variable = sh_variable_name (p);
        if (sh_at_op (p, "=") && sh_peek (p, 1)->kind != SH_TOKEN_VAR &&
            sh_next_is_op (p, 2, "=")) {
            sh_skip (p);
            assign->column = sh_new_expr (p, SH_EXPR_COLUMN);
            if (!sh_parse_name (p, &assign->column->path))
                return NULL;
        }
    } else {
        assign->column = sh_new_expr (p, SH_EXPR_COLUMN);
        if (!sh_parse_name (p, &assign->column->path))
            return NULL;
        if (sh_at_op (p, "("))
            return sh_unsupported (p, "A method call in UPDATE ... SET");
    }
    static const char *const ops[] = {"=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^="};
    static const sh_op_t codes[] = {SH_OP_EQ,  SH_OP_ADD,     SH_OP_SUB,    SH_OP_MUL,    SH_OP_DIV,
                                    SH_OP_MOD, SH_OP_BIT_AND, SH_OP_BIT_OR, SH_OP_BIT_XOR};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (assign->op == SH_OP_NONE && sh_accept_op (p, ops[i]))
            assign->op = codes[i];
    if (assign->op == SH_OP_NONE)
        return sh_syntax (p);
    if (sh_at (p, "DEFAULT")) {
        assign->value = sh_new_expr (p, SH_EXPR_DEFAULT);
        sh_skip (p);
    } else
        assign->value = sh_parse_expr (p);
    return assign->value ? assign : NULL;
}

static bool
s_from_where (sh_parse_t *p, sh_stmt_t *stmt)
{
    if (sh_accept (p, "FROM") && !(stmt->from = sh_parse_from (p)))
        return false;
    if (sh_accept (p, "WHERE")) {
        if (sh_accept (p, "CURRENT")) {
            sh_unsupported (p, "WHERE CURRENT OF");
            return false;
        }
        if (!(stmt->where = sh_parse_condition (p)))
            return false;
    }
    return !p->failed;
}

static sh_stmt_t *
s_update (sh_parse_t *p, sh_cte_t *ctes)
{
    if (sh_next_is (p, 1, "STATISTICS")) {
        /*  There are no statistics to bring up to date. */
        sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_CHECKPOINT);
        stmt->flag = true;
        sh_skip (p);
        sh_skip (p);
        if (!sh_parse_name (p, &stmt->name))
            return NULL;
        return stmt;
    }
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_UPDATE);
    stmt->ctes = ctes;
    sh_skip (p);
    stmt->top = sh_parse_top (p, &stmt->flag2, NULL);
    if (p->failed || !(stmt->target = s_target (p)) || !sh_expect (p, "SET"))
        return NULL;
    sh_assign_t *tail = NULL;
    do {
        sh_assign_t *assign = s_assign (p);
        if (!assign)
            return NULL;
        SH_APPEND (stmt->assigns, tail, assign);
    } while (sh_accept_op (p, ","));
    return s_output (p, stmt) && s_from_where (p, stmt) ? stmt : NULL;
}

static sh_stmt_t *
s_delete (sh_parse_t *p, sh_cte_t *ctes)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_DELETE);
    stmt->ctes = ctes;
    sh_skip (p);
    stmt->top = sh_parse_top (p, &stmt->flag2, NULL);
    sh_accept (p, "FROM");
    if (p->failed || !(stmt->target = s_target (p)))
        return NULL;
    return s_output (p, stmt) && s_from_where (p, stmt) ? stmt : NULL;
}

static sh_stmt_t *
s_truncate (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_TRUNCATE);
    sh_skip (p);
    return sh_expect (p, "TABLE") && sh_parse_name (p, &stmt->name) ? stmt : NULL;
}

static sh_stmt_t *
s_select (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_SELECT);
    stmt->query = sh_parse_query (p);
    return stmt->query ? stmt : NULL;
}

/*  WITH a AS (...) in front of any of them. */
static sh_stmt_t *
s_with (sh_parse_t *p)
{
    size_t start = p->pos;
    sh_cte_t *ctes = sh_parse_ctes (p);
    if (p->failed)
        return NULL;
    if (sh_at (p, "INSERT"))
        return s_insert (p, ctes);
    if (sh_at (p, "UPDATE"))
        return s_update (p, ctes);
    if (sh_at (p, "DELETE"))
        return s_delete (p, ctes);
    p->pos = start;
    return s_select (p);
}

sh_stmt_t *
sh_parse_dml (sh_parse_t *p)
{
    if (sh_at (p, "SELECT") || sh_at_op (p, "("))
        return s_select (p);
    if (sh_at (p, "INSERT"))
        return s_insert (p, NULL);
    if (sh_at (p, "UPDATE"))
        return s_update (p, NULL);
    if (sh_at (p, "DELETE"))
        return s_delete (p, NULL);
    if (sh_at (p, "TRUNCATE"))
        return s_truncate (p);
    if (sh_at (p, "WITH"))
        return s_with (p);
    if (sh_at (p, "MERGE"))
        return sh_unsupported (p, "MERGE");
    if (sh_at (p, "BULK"))
        return sh_unsupported (p, "BULK INSERT");
    return NULL;
}
