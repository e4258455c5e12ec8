/*  Databases, tables, indexes, schemas, DROP. */
#include <stdlib.h>
#include <string.h>

#include "parse.h"

static bool
s_key_columns (sh_parse_t *p, sh_key_def_t *key)
{
    sh_ident_t *tail = NULL;
    if (!sh_expect_op (p, "("))
        return false;
    do {
        sh_ident_t *column = SH_NEW (p, sh_ident_t);
        if (!(column->text = sh_identifier (p)))
            return false;
        column->line = sh_accept (p, "DESC"); /* 1 = descending */
        if (!column->line)
            sh_accept (p, "ASC");
        SH_APPEND (key->columns, tail, column);
    } while (sh_accept_op (p, ","));
    return sh_expect_op (p, ")");
}

/*  WITH (...), WITH FILLFACTOR = n, ON filegroup: storage only. */
static bool
s_storage (sh_parse_t *p)
{
    if (sh_at (p, "WITH")) {
        sh_skip (p);
        if (sh_accept_op (p, "(")) {
            for (int depth = 1; depth && !p->failed;) {
                if (sh_peek (p, 0)->kind == SH_TOKEN_END)
                    sh_syntax (p);
                depth += sh_at_op (p, "(") ? 1 : sh_at_op (p, ")") ? -1 : 0;
                sh_skip (p);
            }
        } else {
            sh_expect (p, "FILLFACTOR");
            sh_expect_op (p, "=");
            sh_skip (p);
        }
    }
    while (sh_at (p, "ON") || sh_at (p, "TEXTIMAGE_ON")) {
        sh_skip (p);
        if (!sh_identifier (p))
            return false;
    }
    return !p->failed;
}

/*  REFERENCES t (a) [ON DELETE ...]: kept as text; the stand-in does not enforce it. */
static bool
s_references (sh_parse_t *p)
{
    sh_name_t name = {0};
    sh_key_def_t ignored = {0};
    if (!sh_expect (p, "REFERENCES") || !sh_parse_name (p, &name))
        return false;
    if (sh_at_op (p, "(") && !s_key_columns (p, &ignored))
        return false;
    while (sh_accept (p, "ON")) {
        sh_skip (p); /* DELETE, UPDATE */
        if (sh_accept (p, "NO"))
            sh_expect (p, "ACTION");
        else if (sh_accept (p, "SET"))
            sh_skip (p);
        else
            sh_expect (p, "CASCADE");
    }
    return !p->failed;
}

static bool
s_not_for_replication (sh_parse_t *p)
{
    if (!sh_at2 (p, "NOT", "FOR"))
        return true;
    sh_skip (p);
    sh_skip (p);
    return sh_expect (p, "REPLICATION");
}

static sh_expr_t *
s_default_expr (sh_parse_t *p, const char **text)
{
    size_t start = sh_peek (p, 0)->start;
    sh_expr_t *expr = sh_parse_expr (p);
    if (expr)
        *text = sh_source_text (p, start, p->tokens[p->pos - 1].end);
    return expr;
}

/*  Behind DEFAULT: a column's own is kept there (*own), one of ALTER TABLE says FOR column. */
static bool
s_default_constraint (sh_parse_t *p, sh_column_def_t *column, sh_key_def_t *key, bool *own)
{
    key->kind = SH_KEY_DEFAULT;
    key->default_value = s_default_expr (p, &key->default_text);
    if (!key->default_value)
        return false;
    if (column) {
        column->default_value = key->default_value;
        column->default_text = key->default_text;
        column->default_name = key->name;
        *own = true;
        return true;
    }
    key->columns = SH_NEW (p, sh_ident_t);
    if (!sh_expect (p, "FOR") || !(key->columns->text = sh_identifier (p)))
        return false;
    if (sh_accept (p, "WITH"))
        sh_expect (p, "VALUES");
    return true;
}

/*  One constraint. `column`: the one it stands behind, NULL for a table's. Appends to *keys. */
static bool
s_constraint (sh_parse_t *p, sh_column_def_t *column, sh_key_def_t ***tail)
{
    const char *name = NULL;
    if (sh_accept (p, "CONSTRAINT") && !(name = sh_identifier (p)))
        return false;
    sh_key_def_t *key = SH_NEW (p, sh_key_def_t);
    key->name = name;
    key->line = sh_peek (p, 0)->line;
    size_t start = sh_peek (p, 0)->start;
    if (sh_accept (p, "DEFAULT")) {
        bool own = false;
        if (!s_default_constraint (p, column, key, &own))
            return false;
        if (own)
            return true;
    } else if (sh_accept (p, "CHECK")) {
        key->kind = SH_KEY_CHECK;
        if (!s_not_for_replication (p) || !sh_at_op (p, "("))
            return sh_syntax (p), false;
        size_t from = sh_peek (p, 0)->start;
        sh_skip (p);
        if (!(key->check = sh_parse_condition (p)) || !sh_expect_op (p, ")"))
            return false;
        key->check_text = sh_source_text (p, from, p->tokens[p->pos - 1].end);
    } else if (sh_at (p, "FOREIGN") || sh_at (p, "REFERENCES")) {
        key->kind = SH_KEY_FOREIGN;
        if (sh_accept (p, "FOREIGN") && (!sh_expect (p, "KEY") || !s_key_columns (p, key)))
            return false;
        if (!s_references (p) || !s_not_for_replication (p))
            return false;
        key->check_text = sh_source_text (p, start, p->tokens[p->pos - 1].end);
    } else {
        key->kind = sh_accept (p, "UNIQUE") ? SH_KEY_UNIQUE : SH_KEY_PRIMARY;
        if (key->kind == SH_KEY_PRIMARY && (!sh_expect (p, "PRIMARY") || !sh_expect (p, "KEY")))
            return false;
        key->clustered = key->kind == SH_KEY_PRIMARY;
        if (sh_accept (p, "CLUSTERED"))
            key->clustered = true;
        else if (sh_accept (p, "NONCLUSTERED"))
            key->clustered = false;
        if (sh_at_op (p, "(")) {
            if (!s_key_columns (p, key))
                return false;
        } else if (column) {
            key->columns = SH_NEW (p, sh_ident_t);
            key->columns->text = column->name;
        } else
            return sh_syntax (p), false;
        if (!s_storage (p))
            return false;
    }
    **tail = key;
    *tail = &key->next;
    return true;
}

static bool
s_at_constraint (const sh_parse_t *p)
{
    return sh_at (p, "CONSTRAINT") || sh_at (p, "PRIMARY") || sh_at (p, "UNIQUE") ||
           sh_at (p, "CHECK") || sh_at (p, "FOREIGN") || sh_at (p, "DEFAULT") ||
           sh_at (p, "REFERENCES");
}

static bool
s_signed (sh_parse_t *p, int64_t *out)
{
    bool minus = sh_accept_op (p, "-");
    if (sh_peek (p, 0)->kind != SH_TOKEN_INT)
        return sh_syntax (p), false;
    *out = strtoll (sh_peek (p, 0)->text, NULL, 10);
    if (minus)
        *out = -*out;
    sh_skip (p);
    return true;
}

static bool
s_identity (sh_parse_t *p, sh_column_def_t *column)
{
    column->identity = true;
    column->seed = 1;
    column->increment = 1;
    if (sh_accept_op (p, "(") && (!s_signed (p, &column->seed) || !sh_expect_op (p, ",") ||
                                  !s_signed (p, &column->increment) || !sh_expect_op (p, ")")))
        return false;
    return s_not_for_replication (p);
}

static sh_column_def_t *
s_column (sh_parse_t *p, sh_key_def_t ***tail)
{
    sh_column_def_t *column = SH_NEW (p, sh_column_def_t);
    column->line = sh_peek (p, 0)->line;
    column->nullable = true;
    if (!(column->name = sh_identifier (p)))
        return NULL;
    if (sh_at (p, "AS"))
        return sh_unsupported (p, "A computed column");
    /*  A timestamp column may lack its type. */
    if (sh_same (column->name, "timestamp") && (sh_at_op (p, ",") || sh_at_op (p, ")")))
        column->type.type = sh_type_make (SH_TYPE_TIMESTAMP, 0);
    else if (!sh_parse_type (p, &column->type, 1))
        return NULL;
    if (column->type.is_cursor)
        return sh_syntax (p);
    for (;;) {
        if (sh_at2 (p, "NOT", "NULL") || sh_at (p, "NULL")) {
            column->nullable = !sh_accept (p, "NOT");
            column->nullable_given = true;
            sh_skip (p);
        } else if (sh_accept (p, "IDENTITY")) {
            if (!s_identity (p, column))
                return NULL;
        } else if (sh_accept (p, "ROWGUIDCOL"))
            column->rowguid = true;
        else if (sh_accept (p, "COLLATE")) {
            if (!sh_identifier (p))
                return NULL;
        } else if (s_at_constraint (p)) {
            if (!s_constraint (p, column, tail))
                return NULL;
        } else
            break;
    }
    if (column->identity || column->type.type.id == SH_TYPE_TIMESTAMP)
        column->nullable = false;
    return p->failed ? NULL : column;
}

/*  (a int NOT NULL, ..., CONSTRAINT ...) */
sh_column_def_t *
sh_parse_table_body (sh_parse_t *p, sh_key_def_t **keys)
{
    sh_column_def_t *head = NULL, *last = NULL;
    sh_key_def_t **tail = keys;
    if (!sh_expect_op (p, "("))
        return NULL;
    do {
        if (sh_at_op (p, ")"))
            break; /* a comma at the end is allowed */
        if (s_at_constraint (p)) {
            if (!s_constraint (p, NULL, &tail))
                return NULL;
            continue;
        }
        if (sh_at (p, "INDEX"))
            return sh_unsupported (p, "An index inside CREATE TABLE");
        sh_column_def_t *column = s_column (p, &tail);
        if (!column)
            return NULL;
        SH_APPEND (head, last, column);
    } while (sh_accept_op (p, ",") || (!p->failed && s_at_constraint (p)));
    if (!sh_expect_op (p, ")"))
        return NULL;
    return head ? head : sh_syntax (p);
}

static sh_stmt_t *
s_create_table (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_CREATE_TABLE);
    sh_skip (p);
    sh_skip (p);
    if (!sh_parse_name (p, &stmt->name) ||
        !(stmt->column_defs = sh_parse_table_body (p, &stmt->keys)))
        return NULL;
    return s_storage (p) ? stmt : NULL;
}

static sh_stmt_t *
s_create_index (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_CREATE_INDEX);
    sh_key_def_t *key = SH_NEW (p, sh_key_def_t);
    sh_skip (p);
    key->kind = sh_accept (p, "UNIQUE") ? SH_KEY_UNIQUE : SH_KEY_INDEX;
    key->clustered = sh_accept (p, "CLUSTERED");
    if (!key->clustered)
        sh_accept (p, "NONCLUSTERED");
    if (!sh_expect (p, "INDEX") || !(key->name = sh_identifier (p)) || !sh_expect (p, "ON") ||
        !sh_parse_name (p, &stmt->name) || !s_key_columns (p, key))
        return NULL;
    stmt->keys = key;
    if (sh_accept (p, "INCLUDE")) {
        sh_key_def_t ignored = {0}; /* included columns change no result */
        if (!s_key_columns (p, &ignored))
            return NULL;
    }
    if (sh_at (p, "WHERE"))
        return sh_unsupported (p, "A filtered index");
    return s_storage (p) ? stmt : NULL;
}

static sh_stmt_t *
s_alter_add (sh_parse_t *p, sh_stmt_t *stmt)
{
    sh_key_def_t **tail = &stmt->keys;
    sh_column_def_t *last = NULL;
    stmt->alter = SH_ALTER_ADD;
    do {
        if (s_at_constraint (p)) {
            if (!s_constraint (p, NULL, &tail))
                return NULL;
        } else {
            sh_column_def_t *column = s_column (p, &tail);
            if (!column)
                return NULL;
            SH_APPEND (stmt->column_defs, last, column);
        }
        if (sh_accept (p, "WITH"))
            sh_expect (p, "VALUES");
    } while (sh_accept_op (p, ","));
    return p->failed ? NULL : stmt;
}

static sh_stmt_t *
s_alter_table (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_ALTER_TABLE);
    sh_skip (p);
    sh_skip (p);
    if (!sh_parse_name (p, &stmt->name))
        return NULL;
    if (sh_at2 (p, "WITH", "CHECK") || sh_at2 (p, "WITH", "NOCHECK")) {
        sh_skip (p);
        sh_skip (p);
    }
    if (sh_accept (p, "ADD"))
        return s_alter_add (p, stmt);
    if (sh_accept (p, "DROP")) {
        bool column = sh_accept (p, "COLUMN");
        if (!column)
            sh_accept (p, "CONSTRAINT");
        if (column)
            return sh_unsupported (p, "ALTER TABLE ... DROP COLUMN");
        stmt->alter = SH_ALTER_DROP_CONSTRAINT;
        stmt->columns = sh_identifier_list (p);
        return p->failed ? NULL : stmt;
    }
    if (sh_accept (p, "CHECK") || sh_accept (p, "NOCHECK")) {
        stmt->alter = SH_ALTER_OTHER;
        if (!sh_expect (p, "CONSTRAINT"))
            return NULL;
        if (!sh_accept (p, "ALL"))
            stmt->columns = sh_identifier_list (p);
        return p->failed ? NULL : stmt;
    }
    return sh_unsupported (p, "This form of ALTER TABLE");
}

static sh_stmt_t *
s_create_database (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_CREATE_DATABASE);
    sh_skip (p);
    sh_skip (p);
    if (!(stmt->text = sh_identifier (p)))
        return NULL;
    if (sh_accept (p, "COLLATE"))
        stmt->text2 = sh_identifier (p);
    if (sh_at (p, "ON") || sh_at (p, "LOG") || sh_at (p, "CONTAINMENT"))
        return sh_unsupported (p, "A file specification in CREATE DATABASE");
    if (sh_at (p, "AS") || sh_at (p, "FOR"))
        return sh_unsupported (p, "This form of CREATE DATABASE");
    return p->failed ? NULL : stmt;
}

static bool
s_database_option (sh_parse_t *p, sh_option_t *option)
{
    option->line = sh_peek (p, 0)->line;
    if (sh_peek (p, 0)->kind != SH_TOKEN_WORD)
        return sh_syntax (p), false;
    option->name = sh_peek (p, 0)->text;
    sh_skip (p);
    sh_accept_op (p, "=");
    const sh_token_t *value = sh_peek (p, 0);
    if (value->kind == SH_TOKEN_INT || value->kind == SH_TOKEN_STRING ||
        value->kind == SH_TOKEN_NSTRING)
        option->value = sh_parse_simple (p);
    else if (value->kind == SH_TOKEN_WORD && !sh_at (p, "WITH") && !sh_at_op (p, ",")) {
        /*  A value is one of these words; anything else begins the next statement. */
        static const char *const words[] = {"FULL",     "SIMPLE",  "BULK_LOGGED", "ON",   "OFF",
                                            "LOCAL",    "GLOBAL",  "CHECKSUM",    "NONE", "PARTIAL",
                                            "DISABLED", "ALLOWED", "FORCED",      NULL};
        for (size_t i = 0; words[i]; i++)
            if (sh_at (p, words[i])) {
                option->value = sh_new_expr (p, SH_EXPR_LITERAL);
                option->value->literal = SH_TOKEN_STRING;
                option->value->text = value->text;
                sh_skip (p);
                break;
            }
    }
    return !p->failed;
}

static sh_stmt_t *
s_alter_database (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_ALTER_DATABASE);
    sh_skip (p);
    sh_skip (p);
    if (sh_accept (p, "CURRENT"))
        stmt->text = NULL;
    else if (!(stmt->text = sh_identifier (p)))
        return NULL;
    if (sh_accept (p, "MODIFY")) {
        if (!sh_accept (p, "NAME"))
            return sh_unsupported (p, "ALTER DATABASE ... MODIFY FILE");
        if (!sh_expect_op (p, "=") || !(stmt->text2 = sh_identifier (p)))
            return NULL;
        return stmt;
    }
    if (!sh_accept (p, "SET"))
        return sh_unsupported (p, "This form of ALTER DATABASE");
    sh_option_t *tail = NULL;
    do {
        sh_option_t *option = SH_NEW (p, sh_option_t);
        if (!s_database_option (p, option))
            return NULL;
        SH_APPEND (stmt->options, tail, option);
    } while (sh_accept_op (p, ","));
    if (sh_accept (p, "WITH")) {
        if (sh_accept (p, "NO_WAIT"))
            return stmt;
        if (!sh_expect (p, "ROLLBACK"))
            return NULL;
        stmt->flag = true; /* WITH ROLLBACK IMMEDIATE; AFTER n SECONDS does not wait here */
        if (sh_accept (p, "AFTER")) {
            sh_skip (p);
            sh_accept (p, "SECONDS");
        } else
            sh_expect (p, "IMMEDIATE");
    }
    return p->failed ? NULL : stmt;
}

static sh_stmt_t *
s_create_schema (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_CREATE_SCHEMA);
    sh_skip (p);
    sh_skip (p);
    if (!(stmt->text = sh_identifier (p)))
        return NULL;
    if (sh_accept (p, "AUTHORIZATION"))
        stmt->text2 = sh_identifier (p);
    return p->failed ? NULL : stmt;
}

static const struct {
    const char *word;
    sh_object_kind_t kind;
} s_objects[] = {{"TABLE", SH_OBJECT_TABLE},         {"VIEW", SH_OBJECT_VIEW},
                 {"PROCEDURE", SH_OBJECT_PROCEDURE}, {"PROC", SH_OBJECT_PROCEDURE},
                 {"FUNCTION", SH_OBJECT_FUNCTION},   {"TRIGGER", SH_OBJECT_TRIGGER},
                 {"INDEX", SH_OBJECT_INDEX},         {"DATABASE", SH_OBJECT_DATABASE},
                 {"SCHEMA", SH_OBJECT_SCHEMA},       {NULL, SH_OBJECT_NONE}};

static sh_stmt_t *
s_drop (sh_parse_t *p)
{
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_DROP);
    for (size_t i = 0; s_objects[i].word; i++)
        if (sh_next_is (p, 1, s_objects[i].word))
            stmt->object = s_objects[i].kind;
    if (stmt->object == SH_OBJECT_NONE)
        return NULL;
    sh_skip (p);
    sh_skip (p);
    if (sh_at2 (p, "IF", "EXISTS")) {
        sh_skip (p);
        sh_skip (p);
        stmt->flag = true;
    }
    sh_name_list_t *tail = NULL;
    do {
        sh_name_list_t *item = SH_NEW (p, sh_name_list_t);
        if (!sh_parse_name (p, &item->name))
            return NULL;
        SH_APPEND (stmt->names, tail, item);
    } while (sh_accept_op (p, ","));
    if (stmt->object == SH_OBJECT_INDEX && sh_accept (p, "ON")) {
        stmt->flag2 = true;
        if (!sh_parse_name (p, &stmt->name))
            return NULL;
    }
    return stmt;
}

sh_stmt_t *
sh_parse_ddl (sh_parse_t *p)
{
    if (sh_at (p, "DROP"))
        return s_drop (p);
    if (sh_at2 (p, "ALTER", "TABLE"))
        return s_alter_table (p);
    if (sh_at2 (p, "ALTER", "DATABASE"))
        return s_alter_database (p);
    if (!sh_at (p, "CREATE"))
        return NULL;
    if (sh_next_is (p, 1, "TABLE"))
        return s_create_table (p);
    if (sh_next_is (p, 1, "DATABASE"))
        return s_create_database (p);
    if (sh_next_is (p, 1, "SCHEMA"))
        return s_create_schema (p);
    if (sh_next_is (p, 1, "UNIQUE") || sh_next_is (p, 1, "CLUSTERED") ||
        sh_next_is (p, 1, "NONCLUSTERED") || sh_next_is (p, 1, "INDEX"))
        return s_create_index (p);
    return NULL;
}
