#include "parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define S_DEPTH_MAX 200

const sh_token_t *
sh_peek (const sh_parse_t *p, size_t ahead)
{
    size_t pos = p->pos + ahead;
    return &p->tokens[pos < p->count ? pos : p->count - 1];
}

static bool
s_is_word (const sh_token_t *token, const char *word)
{
    return token->kind == SH_TOKEN_WORD && strcasecmp (token->text, word) == 0;
}

static bool
s_is_op (const sh_token_t *token, const char *op)
{
    return token->kind == SH_TOKEN_OP && strcmp (token->text, op) == 0;
}

bool
sh_at (const sh_parse_t *p, const char *word)
{
    return s_is_word (sh_peek (p, 0), word);
}

bool
sh_at2 (const sh_parse_t *p, const char *first, const char *second)
{
    return s_is_word (sh_peek (p, 0), first) && s_is_word (sh_peek (p, 1), second);
}

bool
sh_at_op (const sh_parse_t *p, const char *op)
{
    return s_is_op (sh_peek (p, 0), op);
}

bool
sh_next_is_op (const sh_parse_t *p, size_t ahead, const char *op)
{
    return s_is_op (sh_peek (p, ahead), op);
}

bool
sh_next_is (const sh_parse_t *p, size_t ahead, const char *word)
{
    return s_is_word (sh_peek (p, ahead), word);
}

void
sh_skip (sh_parse_t *p)
{
    if (p->pos + 1 < p->count)
        p->pos++;
}

bool
sh_accept (sh_parse_t *p, const char *word)
{
    if (!sh_at (p, word))
        return false;
    sh_skip (p);
    return true;
}

bool
sh_accept_op (sh_parse_t *p, const char *op)
{
    if (!sh_at_op (p, op))
        return false;
    sh_skip (p);
    return true;
}

bool
sh_expect (sh_parse_t *p, const char *word)
{
    if (sh_accept (p, word))
        return true;
    sh_syntax (p);
    return false;
}

bool
sh_expect_op (sh_parse_t *p, const char *op)
{
    if (sh_accept_op (p, op))
        return true;
    sh_syntax (p);
    return false;
}

static int
s_compare_words (const void *a, const void *b)
{
    return strcasecmp (a, *(const char *const *)b);
}

/*  The words that SQL Server reserves ("Reserved Keywords (Transact-SQL)"), sorted. */
static const char *const s_words[] = {"ADD",
                                      "ALL",
                                      "ALTER",
                                      "AND",
                                      "ANY",
                                      "AS",
                                      "ASC",
                                      "AUTHORIZATION",
                                      "BACKUP",
                                      "BEGIN",
                                      "BETWEEN",
                                      "BREAK",
                                      "BROWSE",
                                      "BULK",
                                      "BY",
                                      "CASCADE",
                                      "CASE",
                                      "CHECK",
                                      "CHECKPOINT",
                                      "CLOSE",
                                      "CLUSTERED",
                                      "COALESCE",
                                      "COLLATE",
                                      "COLUMN",
                                      "COMMIT",
                                      "COMPUTE",
                                      "CONSTRAINT",
                                      "CONTAINS",
                                      "CONTAINSTABLE",
                                      "CONTINUE",
                                      "CONVERT",
                                      "CREATE",
                                      "CROSS",
                                      "CURRENT",
                                      "CURRENT_DATE",
                                      "CURRENT_TIME",
                                      "CURRENT_TIMESTAMP",
                                      "CURRENT_USER",
                                      "CURSOR",
                                      "DATABASE",
                                      "DBCC",
                                      "DEALLOCATE",
                                      "DECLARE",
                                      "DEFAULT",
                                      "DELETE",
                                      "DENY",
                                      "DESC",
                                      "DISK",
                                      "DISTINCT",
                                      "DISTRIBUTED",
                                      "DOUBLE",
                                      "DROP",
                                      "DUMP",
                                      "ELSE",
                                      "END",
                                      "ERRLVL",
                                      "ESCAPE",
                                      "EXCEPT",
                                      "EXEC",
                                      "EXECUTE",
                                      "EXISTS",
                                      "EXIT",
                                      "EXTERNAL",
                                      "FETCH",
                                      "FILE",
                                      "FILLFACTOR",
                                      "FOR",
                                      "FOREIGN",
                                      "FREETEXT",
                                      "FREETEXTTABLE",
                                      "FROM",
                                      "FULL",
                                      "FUNCTION",
                                      "GOTO",
                                      "GRANT",
                                      "GROUP",
                                      "HAVING",
                                      "HOLDLOCK",
                                      "IDENTITY",
                                      "IDENTITYCOL",
                                      "IDENTITY_INSERT",
                                      "IF",
                                      "IN",
                                      "INDEX",
                                      "INNER",
                                      "INSERT",
                                      "INTERSECT",
                                      "INTO",
                                      "IS",
                                      "JOIN",
                                      "KEY",
                                      "KILL",
                                      "LEFT",
                                      "LIKE",
                                      "LINENO",
                                      "LOAD",
                                      "MERGE",
                                      "NATIONAL",
                                      "NOCHECK",
                                      "NONCLUSTERED",
                                      "NOT",
                                      "NULL",
                                      "NULLIF",
                                      "OF",
                                      "OFF",
                                      "OFFSETS",
                                      "ON",
                                      "OPEN",
                                      "OPENDATASOURCE",
                                      "OPENQUERY",
                                      "OPENROWSET",
                                      "OPENXML",
                                      "OPTION",
                                      "OR",
                                      "ORDER",
                                      "OUTER",
                                      "OVER",
                                      "PERCENT",
                                      "PIVOT",
                                      "PLAN",
                                      "PRECISION",
                                      "PRIMARY",
                                      "PRINT",
                                      "PROC",
                                      "PROCEDURE",
                                      "PUBLIC",
                                      "RAISERROR",
                                      "READ",
                                      "READTEXT",
                                      "RECONFIGURE",
                                      "REFERENCES",
                                      "REPLICATION",
                                      "RESTORE",
                                      "RESTRICT",
                                      "RETURN",
                                      "REVERT",
                                      "REVOKE",
                                      "RIGHT",
                                      "ROLLBACK",
                                      "ROWCOUNT",
                                      "ROWGUIDCOL",
                                      "RULE",
                                      "SAVE",
                                      "SCHEMA",
                                      "SECURITYAUDIT",
                                      "SELECT",
                                      "SESSION_USER",
                                      "SET",
                                      "SETUSER",
                                      "SHUTDOWN",
                                      "SOME",
                                      "STATISTICS",
                                      "SYSTEM_USER",
                                      "TABLE",
                                      "TABLESAMPLE",
                                      "TEXTSIZE",
                                      "THEN",
                                      "TO",
                                      "TOP",
                                      "TRAN",
                                      "TRANSACTION",
                                      "TRIGGER",
                                      "TRUNCATE",
                                      "TRY_CONVERT",
                                      "TSEQUAL",
                                      "UNION",
                                      "UNIQUE",
                                      "UNPIVOT",
                                      "UPDATE",
                                      "UPDATETEXT",
                                      "USE",
                                      "USER",
                                      "VALUES",
                                      "VARYING",
                                      "VIEW",
                                      "WAITFOR",
                                      "WHEN",
                                      "WHERE",
                                      "WHILE",
                                      "WITH",
                                      "WITHIN",
                                      "WRITETEXT"};

bool
sh_reserved (const char *word)
{
    return bsearch (word, s_words, sizeof s_words / sizeof *s_words, sizeof *s_words,
                    s_compare_words);
}

void *
sh_refuse (sh_parse_t *p, int number, int severity, const char *format, ...)
{
    if (p->failed)
        return NULL;
    p->failed = true;
    p->error->number = number;
    p->error->severity = severity;
    p->error->state = 1;
    p->error->line = sh_peek (p, 0)->line;
    va_list args;
    va_start (args, format);
    vsnprintf (p->error->text, sizeof p->error->text, format, args);
    va_end (args);
    p->pos = p->count - 1;
    return NULL;
}

void *
sh_syntax (sh_parse_t *p)
{
    const sh_token_t *token = sh_peek (p, 0);
    if (token->kind == SH_TOKEN_END && p->pos > 0)
        token = &p->tokens[p->pos - 1];
    if (token->kind == SH_TOKEN_WORD && sh_reserved (token->text))
        return sh_refuse (p, 156, 15, "Incorrect syntax near the keyword '%s'.", token->text);
    return sh_refuse (p, 102, 15, "Incorrect syntax near '%.128s'.", token->text);
}

void *
sh_unsupported (sh_parse_t *p, const char *what)
{
    return sh_refuse (p, SH_NOT_SUPPORTED, 16, "%s is not supported by sqlhost.", what);
}

bool
sh_deeper (sh_parse_t *p)
{
    if (p->failed)
        return false;
    if (++p->depth <= S_DEPTH_MAX)
        return true;
    sh_refuse (p, 191, 15,
               "Some part of your SQL statement is nested too deeply. Rewrite the query or break "
               "it up into smaller queries.");
    return false;
}

bool
sh_at_identifier (const sh_parse_t *p)
{
    const sh_token_t *token = sh_peek (p, 0);
    return token->kind == SH_TOKEN_QUOTED ||
           (token->kind == SH_TOKEN_WORD && !sh_reserved (token->text));
}

const char *
sh_identifier (sh_parse_t *p)
{
    if (!sh_at_identifier (p))
        return sh_syntax (p);
    const sh_token_t *token = sh_peek (p, 0);
    if (strlen (token->text) > 128 * 4)
        return sh_refuse (p, 103, 15,
                          "The identifier that starts with '%.120s' is too long. Maximum length is "
                          "128.",
                          token->text);
    sh_skip (p);
    return token->text;
}

/*  a, a.b, a..b, a.b.c, a.b.c.d */
bool
sh_parse_name (sh_parse_t *p, sh_name_t *name)
{
    const char *parts[4] = {0};
    size_t count = 0;
    name->line = sh_peek (p, 0)->line;
    for (;;) {
        if (count == 4) {
            sh_syntax (p);
            return false;
        }
        if (count && sh_at_op (p, "."))
            parts[count++] = NULL; /* db..table: the schema is left out */
        else {
            const sh_token_t *token = sh_peek (p, 0);
            /*  After a dot keywords are allowed too. */
            if (count && token->kind == SH_TOKEN_WORD)
                sh_skip (p);
            else if (!sh_identifier (p))
                return false;
            parts[count++] = token->text;
        }
        if (!sh_accept_op (p, "."))
            break;
    }
    name->object = parts[count - 1];
    name->schema = count > 1 ? parts[count - 2] : NULL;
    name->database = count > 2 ? parts[count - 3] : NULL;
    name->server = count > 3 ? parts[count - 4] : NULL;
    return true;
}

sh_ident_t *
sh_identifier_list (sh_parse_t *p)
{
    sh_ident_t *head = NULL, *tail = NULL;
    do {
        sh_ident_t *item = SH_NEW (p, sh_ident_t);
        item->line = sh_peek (p, 0)->line;
        item->text = sh_identifier (p);
        if (!item->text)
            return NULL;
        SH_APPEND (head, tail, item);
    } while (sh_accept_op (p, ","));
    return head;
}

const char *
sh_variable_name (sh_parse_t *p)
{
    const sh_token_t *token = sh_peek (p, 0);
    if (token->kind != SH_TOKEN_VAR)
        return sh_syntax (p);
    sh_skip (p);
    return token->text;
}

const char *
sh_source_text (const sh_parse_t *p, size_t start, size_t end)
{
    return end > start ? sh_arena_strndup (p->arena, p->source + start, end - start) : "";
}

sh_stmt_t *
sh_new_stmt (sh_parse_t *p, sh_stmt_kind_t kind)
{
    sh_stmt_t *stmt = SH_NEW (p, sh_stmt_t);
    stmt->kind = kind;
    stmt->line = sh_peek (p, 0)->line;
    stmt->start = sh_peek (p, 0)->start;
    return stmt;
}

sh_stmt_t *
sh_parse_statement (sh_parse_t *p)
{
    static sh_stmt_t *(*const rules[]) (sh_parse_t *) = {
        sh_parse_flow,   sh_parse_dml, sh_parse_tran, sh_parse_exec,
        sh_parse_module, sh_parse_ddl, sh_parse_admin};
    if (!sh_deeper (p))
        return NULL;
    sh_stmt_t *stmt = NULL;
    for (size_t i = 0; i < sizeof rules / sizeof *rules && !stmt && !p->failed; i++)
        stmt = rules[i](p);
    p->depth--;
    if (p->failed)
        return NULL;
    if (!stmt)
        return sh_syntax (p);
    stmt->end = p->pos ? p->tokens[p->pos - 1].end : stmt->start;
    while (sh_accept_op (p, ";"))
        continue;
    return stmt;
}

/*  Statements up to one of two closing words (NULL: to the end of the text). */
sh_stmt_t *
sh_parse_statements (sh_parse_t *p, const char *end1, const char *end2)
{
    sh_stmt_t *head = NULL, *tail = NULL;
    while (sh_accept_op (p, ";"))
        continue;
    while (!p->failed) {
        if (sh_peek (p, 0)->kind == SH_TOKEN_END)
            break;
        if ((end1 && sh_at (p, end1)) || (end2 && sh_at (p, end2)))
            break;
        sh_stmt_t *stmt = NULL;
        /*  The first statement of a batch may call a procedure without EXEC. */
        if (p->pos == 0 && sh_at_identifier (p) && !sh_next_is_op (p, 1, ":"))
            stmt = sh_parse_exec (p);
        if (!stmt && !p->failed)
            stmt = sh_parse_statement (p);
        if (!stmt)
            return NULL;
        SH_APPEND (head, tail, stmt);
    }
    return head;
}

static bool
s_begin (sh_parse_t *p, sh_arena_t *arena, const char *text, size_t size, bool quoted,
         sh_syntax_error_t *error)
{
    *error = (sh_syntax_error_t){0};
    *p = (sh_parse_t){.arena = arena, .source = text, .error = error};
    p->tokens = sh_lex (arena, text, size, quoted, &p->count, error);
    return p->tokens != NULL;
}

sh_script_t *
sh_script_parse (const char *text, size_t size, bool quoted_identifier, sh_syntax_error_t *error)
{
    sh_script_t *script = sh_alloc (sizeof *script);
    script->arena = sh_arena_new ();
    script->source = sh_arena_strndup (script->arena, text, size);
    script->size = size;
    sh_parse_t p;
    if (s_begin (&p, script->arena, script->source, size, quoted_identifier, error)) {
        script->body = sh_parse_statements (&p, NULL, NULL);
        if (!p.failed)
            return script;
    }
    sh_script_destroy (&script);
    return NULL;
}

void
sh_script_destroy (sh_script_t **self_p)
{
    if (!*self_p)
        return;
    sh_arena_destroy (&(*self_p)->arena);
    free (*self_p);
    *self_p = NULL;
}

bool
sh_name_parse (sh_arena_t *arena, const char *text, sh_name_t *name)
{
    sh_syntax_error_t error;
    sh_parse_t p;
    *name = (sh_name_t){0};
    return s_begin (&p, arena, sh_arena_strdup (arena, text), strlen (text), true, &error) &&
           sh_parse_name (&p, name) && sh_peek (&p, 0)->kind == SH_TOKEN_END;
}

sh_variable_t *
sh_parameters_parse (sh_arena_t *arena, const char *text, sh_syntax_error_t *error)
{
    sh_parse_t p;
    if (!s_begin (&p, arena, sh_arena_strdup (arena, text), strlen (text), true, error))
        return NULL;
    if (sh_peek (&p, 0)->kind == SH_TOKEN_END)
        return NULL;
    sh_variable_t *list = sh_parse_declarations (&p, true);
    if (!p.failed && sh_peek (&p, 0)->kind != SH_TOKEN_END)
        sh_syntax (&p);
    return p.failed ? NULL : list;
}

sh_expr_t *
sh_expr_parse (sh_arena_t *arena, const char *text, sh_syntax_error_t *error)
{
    sh_parse_t p;
    if (!s_begin (&p, arena, sh_arena_strdup (arena, text), strlen (text), true, error))
        return NULL;
    sh_expr_t *expr = sh_parse_expr (&p);
    if (!p.failed && sh_peek (&p, 0)->kind != SH_TOKEN_END)
        sh_syntax (&p);
    return p.failed ? NULL : expr;
}
