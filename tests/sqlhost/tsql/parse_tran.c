/*  BEGIN, COMMIT, ROLLBACK, SAVE TRANSACTION. */
#include <string.h>

#include "parse.h"

/*  A transaction's name: a word (cut never, 103 when longer than 32) or a variable (cut at run time). */
static bool
s_tran_name (sh_parse_t *p, sh_stmt_t *stmt)
{
    if (sh_peek (p, 0)->kind == SH_TOKEN_VAR) {
        stmt->name_expr = sh_parse_simple (p);
        return stmt->name_expr != NULL;
    }
    if (!sh_at_identifier (p) || sh_next_is_op (p, 1, ":"))
        return true;
    stmt->text = sh_identifier (p);
    if (stmt->text && strlen (stmt->text) > 32) {
        sh_refuse (p, 103, 15,
                   "The identifier that starts with '%.32s' is too long. Maximum length is 32.",
                   stmt->text);
        return false;
    }
    return stmt->text != NULL;
}

static bool
s_tran_word (sh_parse_t *p)
{
    return sh_accept (p, "TRAN") || sh_accept (p, "TRANSACTION");
}

static sh_stmt_t *
s_begin_tran (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_BEGIN_TRAN);
    sh_skip (p);
    if (sh_at (p, "DISTRIBUTED"))
        return sh_unsupported (p, "BEGIN DISTRIBUTED TRANSACTION");
    if (!s_tran_word (p) || !s_tran_name (p, stmt))
        return NULL;
    if (sh_at2 (p, "WITH", "MARK")) {
        sh_skip (p);
        sh_skip (p);
        stmt->flag = true;
        const sh_token_kind_t kind = sh_peek (p, 0)->kind;
        if (kind == SH_TOKEN_STRING || kind == SH_TOKEN_NSTRING || kind == SH_TOKEN_VAR)
            stmt->cond = sh_parse_simple (p);
    }
    return p->failed ? NULL : stmt;
}

static sh_stmt_t *
s_end_tran (sh_parse_t *p, sh_stmt_kind_t kind)
{
    sh_stmt_t *stmt = sh_new_stmt (p, kind);
    sh_skip (p);
    if (sh_accept (p, "WORK"))
        return stmt;
    if (s_tran_word (p) && !s_tran_name (p, stmt))
        return NULL;
    if (kind == SH_STMT_COMMIT && sh_at2 (p, "WITH", "DELAYED_DURABILITY"))
        return sh_unsupported (p, "DELAYED_DURABILITY");
    return stmt;
}

static sh_stmt_t *
s_save (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_SAVE_TRAN);
    sh_skip (p);
    if (!s_tran_word (p))
        return sh_syntax (p);
    if (!s_tran_name (p, stmt))
        return NULL;
    return stmt->text || stmt->name_expr ? stmt : sh_syntax (p);
}

sh_stmt_t *
sh_parse_tran (sh_parse_t *p)
{
    if (sh_at (p, "BEGIN"))
        return s_begin_tran (p);
    if (sh_at (p, "COMMIT"))
        return s_end_tran (p, SH_STMT_COMMIT);
    if (sh_at (p, "ROLLBACK"))
        return s_end_tran (p, SH_STMT_ROLLBACK);
    if (sh_at (p, "SAVE"))
        return s_save (p);
    return NULL;
}
