/*  Control flow, DECLARE, SET, PRINT, RAISERROR, THROW, WAITFOR, USE. */
#include <string.h>

#include "parse.h"

static sh_stmt_t *
s_block (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_BLOCK);
    sh_skip (p);
    stmt->body = sh_parse_statements (p, "END", NULL);
    if (p->failed)
        return NULL;
    if (!stmt->body)
        return sh_syntax (p); /* BEGIN END holds at least one statement */
    return sh_expect (p, "END") ? stmt : NULL;
}

static sh_stmt_t *
s_try (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_TRY);
    sh_skip (p);
    sh_skip (p);
    stmt->body = sh_parse_statements (p, "END", NULL);
    if (p->failed || !sh_expect (p, "END") || !sh_expect (p, "TRY"))
        return NULL;
    while (sh_accept_op (p, ";"))
        continue;
    if (!sh_expect (p, "BEGIN") || !sh_expect (p, "CATCH"))
        return NULL;
    stmt->other = sh_parse_statements (p, "END", NULL);
    return !p->failed && sh_expect (p, "END") && sh_expect (p, "CATCH") ? stmt : NULL;
}

static sh_stmt_t *
s_if (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_IF);
    sh_skip (p);
    if (!(stmt->cond = sh_parse_condition (p)) || !(stmt->body = sh_parse_statement (p)))
        return NULL;
    if (sh_accept (p, "ELSE") && !(stmt->other = sh_parse_statement (p)))
        return NULL;
    return stmt;
}

static sh_stmt_t *
s_while (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_WHILE);
    sh_skip (p);
    return (stmt->cond = sh_parse_condition (p)) && (stmt->body = sh_parse_statement (p)) ? stmt
                                                                                          : NULL;
}

/*  Can an expression begin here? RETURN and PRINT look. */
static bool
s_at_expression (const sh_parse_t *p)
{
    const sh_token_t *token = sh_peek (p, 0);
    switch (token->kind) {
        case SH_TOKEN_END:
            return false;
        case SH_TOKEN_OP:
            return strchr ("(-+~", token->text[0]) != NULL;
        case SH_TOKEN_WORD:
            if (sh_next_is_op (p, 1, ":"))
                return false; /* a label */
            if (sh_at (p, "NULL") || sh_at (p, "CASE") || sh_at (p, "CAST") || sh_at (p, "CONVERT"))
                return true;
            if (sh_at (p, "THROW"))
                return false;
            return !sh_reserved (token->text) ||
                   (sh_next_is_op (p, 1, "(") && (sh_at (p, "COALESCE") || sh_at (p, "NULLIF") ||
                                                  sh_at (p, "LEFT") || sh_at (p, "RIGHT")));
        default:
            return true;
    }
}

static sh_stmt_t *
s_return (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_RETURN);
    sh_skip (p);
    if (s_at_expression (p) && !(stmt->cond = sh_parse_expr (p)))
        return NULL;
    return stmt;
}

static sh_stmt_t *
s_goto (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_GOTO);
    sh_skip (p);
    return (stmt->text = sh_identifier (p)) ? stmt : NULL;
}

static sh_stmt_t *
s_label (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_LABEL);
    stmt->text = sh_peek (p, 0)->text;
    sh_skip (p);
    sh_skip (p);
    return stmt;
}

/*  @name [AS] type [NULL] [= default] [OUTPUT] [READONLY], ... */
static sh_variable_t *
s_declaration (sh_parse_t *p, bool parameter)
{
    sh_variable_t *variable = SH_NEW (p, sh_variable_t);
    variable->line = sh_peek (p, 0)->line;
    if (!(variable->name = sh_variable_name (p)))
        return NULL;
    sh_accept (p, "AS");
    if (!parameter && sh_accept (p, "TABLE")) {
        variable->type.is_table = true;
        variable->columns = sh_parse_table_body (p, &variable->keys);
        return variable->columns ? variable : NULL;
    }
    if (!sh_parse_type (p, &variable->type, 1))
        return NULL;
    if (variable->type.is_cursor)
        return sh_unsupported (p, "A cursor variable");
    if (sh_accept (p, "NOT"))
        sh_expect (p, "NULL");
    else if (parameter)
        sh_accept (p, "NULL");
    sh_accept (p, "VARYING");
    if (sh_accept_op (p, "=")) {
        if (parameter && sh_at_identifier (p)) {
            /*  A bare word as default is a string. */
            variable->init = sh_new_expr (p, SH_EXPR_LITERAL);
            variable->init->literal = SH_TOKEN_NSTRING;
            variable->init->text = sh_identifier (p);
        } else
            variable->init = parameter ? sh_parse_simple (p) : sh_parse_expr (p);
        if (!variable->init)
            return NULL;
    }
    if (parameter) {
        variable->output = sh_accept (p, "OUTPUT") || sh_accept (p, "OUT");
        variable->readonly = sh_accept (p, "READONLY");
    }
    return p->failed ? NULL : variable;
}

sh_variable_t *
sh_parse_declarations (sh_parse_t *p, bool parameters)
{
    sh_variable_t *head = NULL, *tail = NULL;
    do {
        sh_variable_t *variable = s_declaration (p, parameters);
        if (!variable)
            return NULL;
        SH_APPEND (head, tail, variable);
    } while (sh_accept_op (p, ","));
    return head;
}

/*  DECLARE c [INSENSITIVE] CURSOR [LOCAL ...] FOR SELECT ... [FOR READ ONLY] */
static sh_stmt_t *
s_declare_cursor (sh_parse_t *p)
{
    static const char *const words[] = {"LOCAL",     "GLOBAL",       "FORWARD_ONLY", "SCROLL",
                                        "STATIC",    "KEYSET",       "DYNAMIC",      "FAST_FORWARD",
                                        "READ_ONLY", "SCROLL_LOCKS", "OPTIMISTIC",   "TYPE_WARNING",
                                        NULL};
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_DECLARE_CURSOR);
    stmt->start = p->tokens[p->pos - 1].start; /* from DECLARE on: its text can be parsed again */
    if (!(stmt->text = sh_identifier (p)))
        return NULL;
    sh_accept (p, "INSENSITIVE");
    stmt->flag = sh_accept (p, "SCROLL");
    if (!sh_expect (p, "CURSOR"))
        return NULL;
    for (size_t i = 0; words[i];) {
        if (sh_at (p, words[i])) {
            stmt->flag |= sh_at (p, "SCROLL") || sh_at (p, "STATIC") || sh_at (p, "KEYSET") ||
                          sh_at (p, "DYNAMIC");
            stmt->flag2 |= sh_at (p, "LOCAL");
            sh_skip (p);
            i = 0;
        } else
            i++;
    }
    if (!sh_expect (p, "FOR") || !(stmt->query = sh_parse_query (p)))
        return NULL;
    if (sh_accept (p, "FOR")) {
        if (!sh_accept (p, "READ"))
            return sh_unsupported (p, "A cursor FOR UPDATE");
        sh_expect (p, "ONLY");
    }
    return p->failed ? NULL : stmt;
}

static sh_stmt_t *
s_declare (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_DECLARE);
    sh_skip (p);
    if (sh_peek (p, 0)->kind != SH_TOKEN_VAR)
        return s_declare_cursor (p);
    stmt->variables = sh_parse_declarations (p, false);
    return stmt->variables ? stmt : NULL;
}

static sh_stmt_t *
s_set_variable (sh_parse_t *p, sh_stmt_t *stmt)
{
    static const char *const ops[] = {"=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^="};
    static const sh_op_t codes[] = {SH_OP_EQ,  SH_OP_ADD,     SH_OP_SUB,    SH_OP_MUL,    SH_OP_DIV,
                                    SH_OP_MOD, SH_OP_BIT_AND, SH_OP_BIT_OR, SH_OP_BIT_XOR};
    stmt->kind = SH_STMT_SET_VAR;
    stmt->text = sh_variable_name (p);
    for (size_t i = 0; i < sizeof ops / sizeof *ops && stmt->op == SH_OP_NONE; i++)
        if (sh_accept_op (p, ops[i]))
            stmt->op = codes[i];
    if (stmt->op == SH_OP_NONE)
        return sh_syntax (p);
    if (sh_at (p, "CURSOR"))
        return sh_unsupported (p, "A cursor variable");
    return (stmt->cond = sh_parse_expr (p)) ? stmt : NULL;
}

static sh_stmt_t *
s_set_isolation (sh_parse_t *p, sh_stmt_t *stmt)
{
    static const char *const levels[][2] = {
        {"READ", "UNCOMMITTED"}, {"READ", "COMMITTED"}, {"REPEATABLE", "READ"}};
    sh_skip (p);
    if (!sh_expect (p, "ISOLATION") || !sh_expect (p, "LEVEL"))
        return NULL;
    stmt->text = "TRANSACTION ISOLATION LEVEL";
    for (size_t i = 0; i < 3; i++)
        if (sh_at2 (p, levels[i][0], levels[i][1])) {
            stmt->text2 = sh_arena_printf (p->arena, "%s %s", levels[i][0], levels[i][1]);
            sh_skip (p);
            sh_skip (p);
            return stmt;
        }
    if (sh_accept (p, "SERIALIZABLE")) {
        stmt->text2 = "SERIALIZABLE";
        return stmt;
    }
    if (sh_at (p, "SNAPSHOT"))
        return sh_unsupported (p, "Snapshot isolation");
    return sh_syntax (p);
}

/*  SET A, B ON; SET LOCK_TIMEOUT 5; SET IDENTITY_INSERT t ON */
static sh_stmt_t *
s_set (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_SET_OPTION);
    sh_skip (p);
    if (sh_peek (p, 0)->kind == SH_TOKEN_VAR)
        return s_set_variable (p, stmt);
    if (sh_at (p, "TRANSACTION"))
        return s_set_isolation (p, stmt);
    const sh_token_t *word = sh_peek (p, 0);
    if (word->kind != SH_TOKEN_WORD)
        return sh_syntax (p);
    stmt->text = word->text;
    sh_skip (p);
    if (sh_same (stmt->text, "IDENTITY_INSERT")) {
        if (!sh_parse_name (p, &stmt->name))
            return NULL;
    } else if (sh_same (stmt->text, "STATISTICS")) {
        stmt->text = sh_arena_printf (p->arena, "STATISTICS %s", sh_peek (p, 0)->text);
        sh_skip (p);
    }
    sh_ident_t *tail = NULL;
    while (sh_accept_op (p, ",")) {
        sh_ident_t *more = SH_NEW (p, sh_ident_t);
        more->text = sh_peek (p, 0)->text;
        sh_skip (p);
        SH_APPEND (stmt->columns, tail, more);
    }
    const sh_token_t *value = sh_peek (p, 0);
    if (value->kind == SH_TOKEN_WORD) {
        stmt->text2 = value->text;
        sh_skip (p);
        return stmt;
    }
    return (stmt->cond = sh_parse_simple (p)) ? stmt : NULL;
}

static sh_stmt_t *
s_raiserror (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_RAISERROR);
    sh_skip (p);
    if (!sh_expect_op (p, "(") || !(stmt->args = sh_parse_expr_list (p)) || !sh_expect_op (p, ")"))
        return NULL;
    if (!sh_accept (p, "WITH"))
        return stmt;
    do {
        if (sh_accept (p, "NOWAIT"))
            stmt->flag = true;
        else if (sh_accept (p, "SETERROR"))
            stmt->flag2 = true;
        else if (!sh_expect (p, "LOG"))
            return NULL;
    } while (sh_accept_op (p, ","));
    return stmt;
}

static sh_stmt_t *
s_throw (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_THROW);
    sh_skip (p);
    const sh_token_t *token = sh_peek (p, 0);
    if (token->kind == SH_TOKEN_INT || token->kind == SH_TOKEN_VAR)
        stmt->args = sh_parse_expr_list (p);
    return p->failed ? NULL : stmt;
}

static sh_stmt_t *
s_print (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_PRINT);
    sh_skip (p);
    return (stmt->cond = sh_parse_expr (p)) ? stmt : NULL;
}

static sh_stmt_t *
s_waitfor (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_WAITFOR);
    sh_skip (p);
    stmt->flag = sh_at (p, "TIME");
    if (!sh_accept (p, "DELAY") && !sh_accept (p, "TIME"))
        return sh_syntax (p);
    return (stmt->cond = sh_parse_simple (p)) ? stmt : NULL;
}

static sh_stmt_t *
s_use (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_USE);
    sh_skip (p);
    return (stmt->text = sh_identifier (p)) ? stmt : NULL;
}

/*  OPEN, CLOSE, DEALLOCATE c; FETCH [NEXT] FROM c [INTO @a, @b] */
static sh_stmt_t *
s_cursor (sh_parse_t *p, sh_stmt_kind_t kind)
{
    sh_stmt_t *stmt = sh_new_stmt (p, kind);
    sh_skip (p);
    if (kind == SH_STMT_FETCH) {
        if (sh_accept (p, "PRIOR"))
            stmt->fetch = SH_FETCH_PRIOR;
        else if (sh_accept (p, "FIRST"))
            stmt->fetch = SH_FETCH_FIRST;
        else if (sh_accept (p, "LAST"))
            stmt->fetch = SH_FETCH_LAST;
        else if (sh_at (p, "ABSOLUTE") || sh_at (p, "RELATIVE"))
            return sh_unsupported (p, "FETCH ABSOLUTE and RELATIVE");
        else
            sh_accept (p, "NEXT");
        sh_accept (p, "FROM");
    }
    sh_accept (p, "GLOBAL");
    if (!(stmt->text = sh_identifier (p)))
        return NULL;
    if (kind != SH_STMT_FETCH || !sh_accept (p, "INTO"))
        return stmt;
    sh_ident_t *tail = NULL;
    do {
        sh_ident_t *name = SH_NEW (p, sh_ident_t);
        if (!(name->text = sh_variable_name (p)))
            return NULL;
        SH_APPEND (stmt->columns, tail, name);
    } while (sh_accept_op (p, ","));
    return stmt;
}

static sh_stmt_t *
s_word (sh_parse_t *p, sh_stmt_kind_t kind)
{
    sh_stmt_t *stmt = sh_new_stmt (p, kind);
    sh_skip (p);
    return stmt;
}

sh_stmt_t *
sh_parse_flow (sh_parse_t *p)
{
    static const struct {
        const char *word;
        sh_stmt_t *(*rule) (sh_parse_t *);
    } rules[] = {{"IF", s_if},           {"WHILE", s_while},
                 {"RETURN", s_return},   {"GOTO", s_goto},
                 {"DECLARE", s_declare}, {"SET", s_set},
                 {"PRINT", s_print},     {"RAISERROR", s_raiserror},
                 {"THROW", s_throw},     {"WAITFOR", s_waitfor},
                 {"USE", s_use}};
    if (sh_at2 (p, "BEGIN", "TRY"))
        return s_try (p);
    if (sh_at (p, "BEGIN") && !sh_next_is (p, 1, "TRAN") && !sh_next_is (p, 1, "TRANSACTION") &&
        !sh_next_is (p, 1, "DISTRIBUTED"))
        return s_block (p);
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (sh_at (p, rules[i].word))
            return rules[i].rule (p);
    if (sh_at (p, "BREAK"))
        return s_word (p, SH_STMT_BREAK);
    if (sh_at (p, "CONTINUE"))
        return s_word (p, SH_STMT_CONTINUE);
    if (sh_at (p, "OPEN"))
        return s_cursor (p, SH_STMT_OPEN);
    if (sh_at (p, "FETCH"))
        return s_cursor (p, SH_STMT_FETCH);
    if (sh_at (p, "CLOSE"))
        return s_cursor (p, SH_STMT_CLOSE);
    if (sh_at (p, "DEALLOCATE"))
        return s_cursor (p, SH_STMT_DEALLOCATE);
    if (sh_at_identifier (p) && sh_next_is_op (p, 1, ":"))
        return s_label (p);
    return NULL;
}
