/*  BACKUP, RESTORE ...ONLY, KILL, logins, users, roles, permissions, server statements. */
#include "parse.h"

/*  NAME, NAME = value, NAME (list); SERVER CERTIFICATE and ASYMMETRIC KEY of ENCRYPTION are one name
 *  of two words. */
static bool
s_option (sh_parse_t *p, sh_option_t *option)
{
    const sh_token_t *token = sh_peek (p, 0);
    option->line = token->line;
    if (token->kind != SH_TOKEN_WORD)
        return sh_syntax (p), false;
    option->name = token->text;
    sh_skip (p);
    if (sh_same (option->name, "SERVER") || sh_same (option->name, "ASYMMETRIC")) {
        option->name = sh_same (option->name, "SERVER") ? "SERVER CERTIFICATE" : "ASYMMETRIC KEY";
        if (!sh_accept (p, "CERTIFICATE") && !sh_expect (p, "KEY"))
            return false;
    }
    if (sh_accept_op (p, "(")) {
        option->list = sh_parse_options (p);
        return option->list && sh_expect_op (p, ")");
    }
    if (!sh_accept_op (p, "="))
        return true;
    token = sh_peek (p, 0);
    if (token->kind != SH_TOKEN_WORD && token->kind != SH_TOKEN_QUOTED)
        return (option->value = sh_parse_simple (p)) != NULL;
    option->value = sh_new_expr (p, SH_EXPR_LITERAL);
    option->value->literal = SH_TOKEN_STRING;
    option->value->text = token->text;
    sh_skip (p);
    return true;
}

/*  A, B = value, ... as in WITH of BACKUP. */
sh_option_t *
sh_parse_options (sh_parse_t *p)
{
    sh_option_t *head = NULL, *tail = NULL;
    do {
        sh_option_t *option = SH_NEW (p, sh_option_t);
        if (!s_option (p, option))
            return NULL;
        SH_APPEND (head, tail, option);
    } while (sh_accept_op (p, ","));
    return head;
}

static bool
s_devices (sh_parse_t *p, sh_stmt_t *stmt)
{
    sh_expr_t *tail = NULL;
    do {
        if (sh_at (p, "TAPE"))
            return sh_unsupported (p, "A backup device of type TAPE"), false;
        if (!sh_at (p, "DISK") && !sh_at (p, "URL"))
            return sh_unsupported (p, "A named backup device"), false;
        stmt->flag2 |= sh_at (p, "URL"); /* parsed, refused when it runs */
        sh_skip (p);
        sh_expr_t *device = sh_expect_op (p, "=") ? sh_parse_simple (p) : NULL;
        if (!device)
            return false;
        SH_APPEND (stmt->devices, tail, device);
    } while (sh_accept_op (p, ","));
    return true;
}

static sh_stmt_t *
s_backup (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_BACKUP);
    sh_skip (p);
    stmt->flag = sh_at (p, "LOG");
    if (!sh_accept (p, "LOG") && !sh_accept (p, "TRAN") && !sh_accept (p, "DATABASE")) {
        if (sh_at (p, "CERTIFICATE") || sh_at (p, "SERVER") || sh_at (p, "GROUP"))
            return sh_unsupported (p, "This form of BACKUP");
        return sh_syntax (p);
    }
    if (sh_peek (p, 0)->kind == SH_TOKEN_VAR)
        stmt->name_expr = sh_parse_simple (p);
    else if (!(stmt->text = sh_identifier (p)))
        return NULL;
    if (sh_at (p, "FILE") || sh_at (p, "FILEGROUP") || sh_at (p, "READ_WRITE_FILEGROUPS"))
        return sh_unsupported (p, "A backup of files or filegroups");
    if (!sh_expect (p, "TO") || !s_devices (p, stmt))
        return NULL;
    if (sh_at (p, "MIRROR"))
        return sh_unsupported (p, "MIRROR TO");
    if (sh_accept (p, "WITH") && !(stmt->options = sh_parse_options (p)))
        return NULL;
    return stmt;
}

static sh_stmt_t *
s_restore (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_RESTORE);
    sh_skip (p);
    if (!sh_at (p, "HEADERONLY") && !sh_at (p, "FILELISTONLY") && !sh_at (p, "VERIFYONLY"))
        return sh_refuse (p, SH_NOT_SUPPORTED, 16, "RESTORE %s is not supported by sqlhost.",
                          sh_peek (p, 0)->text);
    stmt->text = sh_peek (p, 0)->text;
    sh_skip (p);
    if (!sh_expect (p, "FROM") || !s_devices (p, stmt))
        return NULL;
    if (sh_accept (p, "WITH") && !(stmt->options = sh_parse_options (p)))
        return NULL;
    return stmt;
}

static sh_stmt_t *
s_kill (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_KILL);
    sh_skip (p);
    if (!(stmt->cond = sh_parse_simple (p)))
        return NULL;
    if (sh_accept (p, "WITH")) {
        static const char *const options[] = {"STATUSONLY", "COMMIT", "ROLLBACK"};
        for (size_t i = 0; i < 3 && !stmt->text; i++)
            if (sh_accept (p, options[i]))
                stmt->text = options[i];
        if (!stmt->text)
            return sh_syntax (p);
    }
    return stmt;
}

static const struct {
    const char *word;
    sh_object_kind_t kind;
} s_principals[] = {{"LOGIN", SH_OBJECT_LOGIN},
                    {"USER", SH_OBJECT_USER},
                    {"ROLE", SH_OBJECT_ROLE},
                    {NULL, SH_OBJECT_NONE}};

/*  CREATE LOGIN l WITH PASSWORD = N'x' [HASHED] [MUST_CHANGE], ... */
static sh_option_t *
s_login_options (sh_parse_t *p)
{
    sh_option_t *head = NULL, *tail = NULL;
    do {
        sh_option_t *option = SH_NEW (p, sh_option_t);
        option->line = sh_peek (p, 0)->line;
        option->name = sh_peek (p, 0)->text;
        sh_skip (p);
        if (!sh_expect_op (p, "="))
            return NULL;
        if (sh_peek (p, 0)->kind == SH_TOKEN_WORD || sh_peek (p, 0)->kind == SH_TOKEN_QUOTED) {
            option->value = sh_new_expr (p, SH_EXPR_LITERAL);
            option->value->literal = SH_TOKEN_STRING;
            option->value->text = sh_peek (p, 0)->text;
            sh_skip (p);
        } else if (!(option->value = sh_parse_simple (p)))
            return NULL;
        if (sh_at (p, "HASHED"))
            return sh_unsupported (p, "A hashed password");
        sh_accept (p, "MUST_CHANGE");
        SH_APPEND (head, tail, option);
    } while (sh_accept_op (p, ","));
    return head;
}

static sh_stmt_t *
s_create_principal (sh_parse_t *p, sh_stmt_t *stmt)
{
    if (stmt->object == SH_OBJECT_LOGIN) {
        if (sh_at (p, "FROM"))
            return sh_unsupported (p, "CREATE LOGIN ... FROM");
        if (!sh_expect (p, "WITH") || !(stmt->options = s_login_options (p)))
            return NULL;
        return stmt;
    }
    if (sh_accept (p, "AUTHORIZATION"))
        stmt->text2 = sh_identifier (p);
    else if (sh_accept (p, "WITHOUT")) {
        sh_expect (p, "LOGIN");
        stmt->flag = true;
    } else if (sh_accept (p, "FOR") || sh_accept (p, "FROM")) {
        if (sh_expect (p, "LOGIN"))
            stmt->text2 = sh_identifier (p);
    }
    if (!p->failed && stmt->object == SH_OBJECT_USER && sh_accept (p, "WITH"))
        stmt->options = s_login_options (p);
    return p->failed ? NULL : stmt;
}

static sh_stmt_t *
s_alter_principal (sh_parse_t *p, sh_stmt_t *stmt)
{
    if (stmt->object == SH_OBJECT_ROLE || stmt->object == SH_OBJECT_SERVER_ROLE) {
        stmt->flag2 = sh_at (p, "DROP"); /* a member goes */
        if (!sh_accept (p, "ADD") && !sh_accept (p, "DROP"))
            return sh_unsupported (p, "This form of ALTER ROLE");
        if (!sh_expect (p, "MEMBER") || !(stmt->text2 = sh_identifier (p)))
            return NULL;
        return stmt;
    }
    if (sh_accept (p, "ENABLE") || sh_accept (p, "DISABLE")) {
        stmt->columns = SH_NEW (p, sh_ident_t);
        stmt->columns->text = p->tokens[p->pos - 1].text;
        return stmt;
    }
    if (!sh_expect (p, "WITH") || !(stmt->options = s_login_options (p)))
        return NULL;
    return stmt;
}

/*  cond is not used; text3 stands in `name.object`: CREATE, ALTER or DROP. */
static sh_stmt_t *
s_principal (sh_parse_t *p)
{
    size_t ahead = 1;
    sh_object_kind_t kind = SH_OBJECT_NONE;
    bool server = sh_next_is (p, 1, "SERVER") && sh_next_is (p, 2, "ROLE");
    if (server) {
        ahead = 2;
        kind = SH_OBJECT_SERVER_ROLE;
    } else
        for (size_t i = 0; s_principals[i].word; i++)
            if (sh_next_is (p, 1, s_principals[i].word))
                kind = s_principals[i].kind;
    if (kind == SH_OBJECT_NONE)
        return NULL;
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_PRINCIPAL);
    stmt->object = kind;
    stmt->name.object = sh_peek (p, 0)->text;
    p->pos += ahead + 1;
    if (sh_same (stmt->name.object, "DROP") && sh_at2 (p, "IF", "EXISTS")) {
        p->pos += 2;
        stmt->flag = true;
    }
    if (!(stmt->text = sh_identifier (p)))
        return NULL;
    if (sh_same (stmt->name.object, "CREATE"))
        return kind == SH_OBJECT_SERVER_ROLE ? sh_unsupported (p, "CREATE SERVER ROLE")
                                             : s_create_principal (p, stmt);
    if (sh_same (stmt->name.object, "ALTER"))
        return s_alter_principal (p, stmt);
    return stmt;
}

/*  One permission: its words, one blank between them. */
static bool
s_permission_words (sh_parse_t *p, sh_option_t *option)
{
    option->line = sh_peek (p, 0)->line;
    option->name = NULL;
    while (sh_peek (p, 0)->kind == SH_TOKEN_WORD && !sh_at (p, "ON") && !sh_at (p, "TO") &&
           !sh_at (p, "FROM")) {
        const char *word = sh_peek (p, 0)->text;
        option->name =
            option->name ? sh_arena_printf (p->arena, "%s %s", option->name, word) : word;
        sh_skip (p);
    }
    if (!option->name)
        return sh_syntax (p), false;
    if (sh_at_op (p, "("))
        return sh_unsupported (p, "A permission on columns"), false;
    return true;
}

/*  ON [class::]name; text = the class. */
static bool
s_permission_on (sh_parse_t *p, sh_stmt_t *stmt)
{
    stmt->text = "OBJECT";
    if (sh_next_is_op (p, 1, "::")) {
        stmt->text = sh_peek (p, 0)->text;
        sh_skip (p);
        sh_skip (p);
    }
    return sh_parse_name (p, &stmt->name);
}

/*  GRANT EXECUTE, SELECT ON [OBJECT::]dbo.p TO role [WITH GRANT OPTION]; the permissions are options,
 *  text is NULL without ON. */
static sh_stmt_t *
s_permission (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_PERMISSION);
    sh_option_t *last = NULL;
    stmt->text2 = sh_peek (p, 0)->text;
    sh_skip (p);
    if (sh_at (p, "GRANT") && sh_next_is (p, 1, "OPTION")) {
        p->pos += 2;
        sh_expect (p, "FOR");
    }
    do {
        sh_option_t *option = SH_NEW (p, sh_option_t);
        if (!s_permission_words (p, option))
            return NULL;
        SH_APPEND (stmt->options, last, option);
    } while (sh_accept_op (p, ","));
    if (sh_accept (p, "ON") && !s_permission_on (p, stmt))
        return NULL;
    if (!sh_accept (p, "TO") && !sh_expect (p, "FROM"))
        return NULL;
    sh_ident_t *tail = NULL;
    do {
        sh_ident_t *who = SH_NEW (p, sh_ident_t);
        who->line = sh_peek (p, 0)->line;
        if (sh_accept (p, "PUBLIC"))
            who->text = "public";
        else if (!(who->text = sh_identifier (p)))
            return NULL;
        SH_APPEND (stmt->columns, tail, who);
    } while (sh_accept_op (p, ","));
    sh_accept (p, "CASCADE");
    if (sh_accept (p, "WITH")) {
        sh_expect (p, "GRANT");
        sh_expect (p, "OPTION");
        stmt->flag = true;
    }
    return p->failed ? NULL : stmt;
}

static sh_stmt_t *
s_reconfigure (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_RECONFIGURE);
    sh_skip (p);
    if (sh_accept (p, "WITH"))
        sh_expect (p, "OVERRIDE");
    return p->failed ? NULL : stmt;
}

static sh_stmt_t *
s_checkpoint (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_CHECKPOINT);
    sh_skip (p);
    return stmt;
}

/*  DBCC SQLPERF (LOGSPACE) [WITH NO_INFOMSGS] */
static sh_stmt_t *
s_dbcc (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_DBCC);
    if (!sh_next_is (p, 1, "SQLPERF"))
        return sh_refuse (p, SH_NOT_SUPPORTED, 16, "DBCC %s is not supported by sqlhost.",
                          sh_peek (p, 1)->text);
    p->pos += 2;
    if (!sh_expect_op (p, "("))
        return NULL;
    if (!sh_accept (p, "LOGSPACE"))
        return sh_unsupported (p, "DBCC SQLPERF of anything but LOGSPACE");
    if (!sh_expect_op (p, ")"))
        return NULL;
    if (sh_accept (p, "WITH"))
        stmt->flag = sh_expect (p, "NO_INFOMSGS");
    return p->failed ? NULL : stmt;
}

/*  ALTER AUTHORIZATION ON DATABASE::x TO y */
static sh_stmt_t *
s_authorization (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_ALTER_DATABASE);
    p->pos += 2;
    if (!sh_expect (p, "ON"))
        return NULL;
    if (!sh_at (p, "DATABASE"))
        return sh_unsupported (p, "ALTER AUTHORIZATION on anything but a database");
    sh_skip (p);
    if (!sh_expect_op (p, "::") || !(stmt->text = sh_identifier (p)) || !sh_expect (p, "TO"))
        return NULL;
    stmt->columns = SH_NEW (p, sh_ident_t);
    return (stmt->columns->text = sh_identifier (p)) ? stmt : NULL;
}

sh_stmt_t *
sh_parse_admin (sh_parse_t *p)
{
    if (sh_at (p, "BACKUP"))
        return s_backup (p);
    if (sh_at (p, "RESTORE"))
        return s_restore (p);
    if (sh_at (p, "KILL"))
        return s_kill (p);
    if (sh_at (p, "GRANT") || sh_at (p, "DENY") || sh_at (p, "REVOKE"))
        return s_permission (p);
    if (sh_at (p, "CHECKPOINT"))
        return s_checkpoint (p);
    if (sh_at (p, "RECONFIGURE"))
        return s_reconfigure (p);
    if (sh_at2 (p, "ALTER", "AUTHORIZATION"))
        return s_authorization (p);
    if (sh_at (p, "CREATE") || sh_at (p, "ALTER") || sh_at (p, "DROP")) {
        sh_stmt_t *stmt = s_principal (p);
        if (stmt || p->failed)
            return stmt;
        return sh_refuse (p, SH_NOT_SUPPORTED, 16, "%s %s is not supported by sqlhost.",
                          sh_peek (p, 0)->text, sh_peek (p, 1)->text);
    }
    if (sh_at (p, "DBCC"))
        return s_dbcc (p);
    if (sh_at (p, "SHUTDOWN") || sh_at (p, "READTEXT") || sh_at (p, "WRITETEXT") ||
        sh_at (p, "UPDATETEXT") || sh_at (p, "REVERT"))
        return sh_refuse (p, SH_NOT_SUPPORTED, 16, "%s %s is not supported by sqlhost.",
                          sh_peek (p, 0)->text, sh_peek (p, 1)->text);
    return NULL;
}
