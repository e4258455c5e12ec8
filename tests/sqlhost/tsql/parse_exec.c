/*  EXEC [@rc =] procedure arguments; EXEC (string). */
#include "parse.h"

static bool
s_at_argument (const sh_parse_t *p)
{
    switch (sh_peek (p, 0)->kind) {
        case SH_TOKEN_VAR:
        case SH_TOKEN_GLOBAL:
        case SH_TOKEN_STRING:
        case SH_TOKEN_NSTRING:
        case SH_TOKEN_INT:
        case SH_TOKEN_DECIMAL:
        case SH_TOKEN_FLOAT:
        case SH_TOKEN_MONEY:
        case SH_TOKEN_BINARY:
        case SH_TOKEN_QUOTED:
            return true;
        case SH_TOKEN_OP:
            return sh_at_op (p, "-") || sh_at_op (p, "+");
        case SH_TOKEN_WORD:
            if (sh_at (p, "DEFAULT") || sh_at (p, "NULL"))
                return true;
            return !sh_reserved (sh_peek (p, 0)->text) && !sh_next_is_op (p, 1, ":") &&
                   !sh_at (p, "THROW");
        default:
            return false;
    }
}

static sh_argument_t *
s_argument (sh_parse_t *p)
{
    sh_argument_t *argument = SH_NEW (p, sh_argument_t);
    if (sh_peek (p, 0)->kind == SH_TOKEN_VAR && sh_next_is_op (p, 1, "=")) {
        argument->name = sh_variable_name (p);
        sh_skip (p);
    }
    if (sh_accept (p, "DEFAULT"))
        argument->value = sh_new_expr (p, SH_EXPR_DEFAULT);
    else if (sh_at_identifier (p)) {
        /*  A bare word is a string. */
        argument->value = sh_new_expr (p, SH_EXPR_LITERAL);
        argument->value->literal = SH_TOKEN_NSTRING;
        argument->value->text = sh_identifier (p);
    } else
        argument->value = sh_parse_simple (p);
    if (!argument->value)
        return NULL;
    argument->output = sh_accept (p, "OUTPUT") || sh_accept (p, "OUT");
    return argument;
}

static sh_stmt_t *
s_exec_string (sh_parse_t *p, sh_stmt_t *stmt)
{
    stmt->kind = SH_STMT_EXEC_STRING;
    sh_skip (p);
    if (!(stmt->cond = sh_parse_expr (p)))
        return NULL;
    if (sh_at_op (p, ","))
        return sh_unsupported (p, "EXEC (...) AT a linked server");
    if (!sh_expect_op (p, ")"))
        return NULL;
    if (sh_at (p, "AT"))
        return sh_unsupported (p, "EXEC (...) AT a linked server");
    if (sh_at (p, "AS") && (sh_next_is (p, 1, "USER") || sh_next_is (p, 1, "LOGIN")))
        return sh_unsupported (p, "EXEC (...) AS");
    return stmt;
}

sh_stmt_t *
sh_parse_exec (sh_parse_t *p)
{
    bool word = sh_at (p, "EXEC") || sh_at (p, "EXECUTE");
    if (!word && (p->pos != 0 || !sh_at_identifier (p) || sh_at (p, "THROW") ||
                  sh_at (p, "ENABLE") || sh_at (p, "DISABLE")))
        return NULL;
    if (sh_at (p, "EXECUTE") && sh_next_is (p, 1, "AS"))
        return sh_unsupported (p, "EXECUTE AS");
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_EXEC);
    if (word)
        sh_skip (p);
    if (word && sh_at_op (p, "("))
        return s_exec_string (p, stmt);
    if (sh_peek (p, 0)->kind == SH_TOKEN_VAR && sh_next_is_op (p, 1, "=")) {
        stmt->text = sh_variable_name (p); /* the return status */
        sh_skip (p);
    }
    if (sh_peek (p, 0)->kind == SH_TOKEN_VAR)
        stmt->name_expr = sh_parse_simple (p); /* EXEC @procedure */
    else if (!sh_parse_name (p, &stmt->name))
        return NULL;
    sh_argument_t *tail = NULL;
    if (s_at_argument (p))
        do {
            sh_argument_t *argument = s_argument (p);
            if (!argument)
                return NULL;
            SH_APPEND (stmt->arguments, tail, argument);
        } while (sh_accept_op (p, ","));
    if (sh_at2 (p, "WITH", "RECOMPILE")) {
        sh_skip (p);
        sh_skip (p);
    } else if (sh_at2 (p, "WITH", "RESULT"))
        return sh_unsupported (p, "WITH RESULT SETS");
    return p->failed ? NULL : stmt;
}
