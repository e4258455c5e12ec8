/*  ast.h
 *  What the parser makes of a batch. Everything lives in the arena of its script; nothing is
 *  resolved yet (names, types of columns). */
#ifndef SH_AST_H
#define SH_AST_H

#include <stdint.h>

#include "lexer.h"
#include "tests/sqlhost/engine/value.h"

/*  Grown at the end: lists keep the order of the text. */
#define SH_LIST_APPEND(head, tail, item)                                                           \
    do {                                                                                           \
        if (tail)                                                                                  \
            (tail)->next = (item);                                                                 \
        else                                                                                       \
            (head) = (item);                                                                       \
        (tail) = (item);                                                                           \
    } while (0)

/*  a.b.c.d read from the right: parts[0] is the object; NULL = left out. */
typedef struct {
    const char *server;
    const char *database;
    const char *schema;
    const char *object;
    int line;
} sh_name_t;

typedef struct sh_expr sh_expr_t;
typedef struct sh_select sh_select_t;
typedef struct sh_stmt sh_stmt_t;
typedef struct sh_source sh_source_t;

/*  Singly linked lists keep their order; `next` of an element belongs to the one list it is in. */
typedef enum {
    SH_EXPR_LITERAL,
    SH_EXPR_DEFAULT,
    SH_EXPR_COLUMN,     /* name parts in `path` */
    SH_EXPR_STAR,       /* *, t.* (path) */
    SH_EXPR_VAR,        /* @x */
    SH_EXPR_GLOBAL,     /* @@x */
    SH_EXPR_UNARY,      /* op, a */
    SH_EXPR_BINARY,     /* op, a, b */
    SH_EXPR_COMPARE,    /* op, a, b */
    SH_EXPR_QUANTIFIED, /* op, a, query; quantifier */
    SH_EXPR_AND,
    SH_EXPR_OR,
    SH_EXPR_NOT,
    SH_EXPR_IS_NULL,  /* a; negated */
    SH_EXPR_IN,       /* a, args or query; negated */
    SH_EXPR_EXISTS,   /* query */
    SH_EXPR_BETWEEN,  /* a, b, c; negated */
    SH_EXPR_LIKE,     /* a, b, c = escape; negated */
    SH_EXPR_CASE,     /* a = operand or NULL; whens; b = else */
    SH_EXPR_FUNCTION, /* path, args; distinct, star, over */
    SH_EXPR_CAST,     /* a, type, b = style; text: CAST CONVERT TRY_CAST TRY_CONVERT */
    SH_EXPR_COLLATE,  /* a, text */
    SH_EXPR_QUERY,    /* scalar subquery */
    SH_EXPR_UPDATE_OF /* UPDATE (column) in a trigger */
} sh_expr_kind_t;

typedef enum {
    SH_OP_NONE,
    SH_OP_ADD,
    SH_OP_SUB,
    SH_OP_MUL,
    SH_OP_DIV,
    SH_OP_MOD,
    SH_OP_BIT_AND,
    SH_OP_BIT_OR,
    SH_OP_BIT_XOR,
    SH_OP_BIT_NOT,
    SH_OP_NEG,
    SH_OP_POS,
    SH_OP_EQ,
    SH_OP_NE,
    SH_OP_LT,
    SH_OP_LE,
    SH_OP_GT,
    SH_OP_GE
} sh_op_t;

typedef enum { SH_QUANTIFIER_ANY, SH_QUANTIFIER_ALL } sh_quantifier_t;

/*  A type as written; user-defined names are kept in `name`. */
typedef struct {
    sh_type_t type;
    const char *name; /* as written, for messages */
    bool is_table;    /* TABLE (...) */
    bool is_cursor;
} sh_type_name_t;

typedef struct sh_when sh_when_t;
struct sh_when {
    sh_when_t *next;
    sh_expr_t *when;
    sh_expr_t *then;
};

typedef struct sh_order sh_order_t;
struct sh_order {
    sh_order_t *next;
    sh_expr_t *expr;
    bool descending;
};

/*  OVER (PARTITION BY ... ORDER BY ... [frame]) */
typedef struct {
    sh_expr_t *partition;
    sh_order_t *order;
    const char *frame; /* source text, NULL = none */
} sh_over_t;

struct sh_expr {
    sh_expr_kind_t kind;
    int line;
    sh_expr_t *next;
    sh_op_t op;
    bool negated;
    bool distinct;
    bool star; /* COUNT (*) */
    sh_quantifier_t quantifier;
    sh_token_kind_t literal; /* SH_TOKEN_STRING ...; SH_TOKEN_END = NULL */
    const char *text;        /* literal text, variable, collation, kind of cast */
    sh_name_t path;
    sh_type_name_t type;
    sh_expr_t *a;
    sh_expr_t *b;
    sh_expr_t *c;
    sh_expr_t *args;
    sh_when_t *whens;
    sh_select_t *query;
    sh_over_t *over;
};

/*  One item of a select list: [alias =] expr [AS alias], or @variable = expr. */
typedef struct sh_item sh_item_t;
struct sh_item {
    sh_item_t *next;
    sh_expr_t *expr;
    const char *alias;
    const char *variable;
    sh_op_t op; /* @v += expr */
};

enum {
    SH_WITH_NOLOCK = 1,
    SH_WITH_UPDLOCK = 2,
    SH_WITH_HOLDLOCK = 4,
    SH_WITH_TABLOCK = 8,
    SH_WITH_TABLOCKX = 16,
    SH_WITH_READPAST = 32,
    SH_WITH_ROWLOCK = 64,
    SH_WITH_XLOCK = 128,
    SH_WITH_PAGLOCK = 256,
    SH_WITH_NOWAIT = 512,
    SH_WITH_READCOMMITTED = 1024,
    SH_WITH_REPEATABLEREAD = 2048
};

typedef enum {
    SH_SOURCE_TABLE, /* table, view, system view, table variable, CTE: by name */
    SH_SOURCE_QUERY,
    SH_SOURCE_FUNCTION, /* table-valued function: name, args */
    SH_SOURCE_VALUES,   /* (VALUES (...), ...) AS t (a, b) */
    SH_SOURCE_JOIN
} sh_source_kind_t;

typedef enum {
    SH_JOIN_INNER,
    SH_JOIN_LEFT,
    SH_JOIN_RIGHT,
    SH_JOIN_FULL,
    SH_JOIN_CROSS,
    SH_JOIN_CROSS_APPLY,
    SH_JOIN_OUTER_APPLY
} sh_join_t;

typedef struct sh_row sh_row_t;
struct sh_row {
    sh_row_t *next;
    sh_expr_t *values;
};

typedef struct sh_ident sh_ident_t;
struct sh_ident {
    sh_ident_t *next;
    const char *text;
    int line;
};

struct sh_source {
    sh_source_t *next; /* comma list in FROM */
    sh_source_kind_t kind;
    int line;
    sh_name_t name;
    const char *variable; /* table variable */
    const char *alias;
    sh_ident_t *columns; /* t (a, b) */
    unsigned hints;
    sh_select_t *query;
    sh_expr_t *args;
    sh_row_t *rows;
    sh_join_t join;
    sh_source_t *left;
    sh_source_t *right;
    sh_expr_t *on;
};

typedef struct sh_cte sh_cte_t;
struct sh_cte {
    sh_cte_t *next;
    const char *name;
    sh_ident_t *columns;
    sh_select_t *query;
};

typedef enum {
    SH_SET_NONE,
    SH_SET_UNION,
    SH_SET_UNION_ALL,
    SH_SET_EXCEPT,
    SH_SET_INTERSECT
} sh_setop_t;

struct sh_select {
    int line;
    sh_cte_t *ctes;
    /*  A combination: left op right; then only order, offset, fetch are used here. */
    sh_setop_t op;
    sh_select_t *left;
    sh_select_t *right;
    bool distinct;
    sh_expr_t *top;
    bool top_percent;
    bool top_ties;
    sh_item_t *items;
    sh_name_t *into;
    sh_source_t *from;
    sh_expr_t *where;
    sh_expr_t *group;
    sh_expr_t *having;
    sh_order_t *order;
    sh_expr_t *offset;
    sh_expr_t *fetch;
    sh_row_t *values; /* VALUES (...) as a row source of INSERT */
    bool for_xml;
};

/*  DECLARE @a int = 1 / procedure parameters */
typedef struct sh_column_def sh_column_def_t;
typedef struct sh_key_def sh_key_def_t;
typedef struct sh_variable sh_variable_t;
struct sh_variable {
    sh_variable_t *next;
    const char *name;
    int line;
    sh_type_name_t type;
    sh_column_def_t *columns; /* table variable */
    sh_key_def_t *keys;
    sh_expr_t *init;
    bool output;
    bool readonly;
};

struct sh_column_def {
    sh_column_def_t *next;
    const char *name;
    int line;
    sh_type_name_t type;
    bool computed;
    bool nullable;
    bool nullable_given;
    bool identity;
    int64_t seed;
    int64_t increment;
    bool rowguid;
    sh_expr_t *default_value;
    const char *default_text; /* source of the default */
    const char *default_name;
    /*  Constraints written behind the column or on their own: one list, in order. */
};

typedef enum {
    SH_KEY_PRIMARY,
    SH_KEY_UNIQUE,
    SH_KEY_INDEX,
    SH_KEY_FOREIGN,
    SH_KEY_CHECK,
    SH_KEY_DEFAULT
} sh_key_kind_t;

struct sh_key_def {
    sh_key_def_t *next;
    sh_key_kind_t kind;
    const char *name; /* NULL = the server makes one */
    bool clustered;
    sh_ident_t *columns;
    sh_expr_t *check;
    const char *check_text;
    sh_expr_t *default_value;
    const char *default_text;
    int line;
};

typedef struct sh_assign sh_assign_t;
struct sh_assign {
    sh_assign_t *next;
    sh_expr_t *column;    /* NULL: only a variable */
    const char *variable; /* SET @v = column = expr */
    sh_op_t op;
    sh_expr_t *value;
    int line;
};

typedef struct sh_argument sh_argument_t;
struct sh_argument {
    sh_argument_t *next;
    const char *name; /* "@p" or NULL */
    sh_expr_t *value; /* DEFAULT is SH_EXPR_DEFAULT */
    bool output;
};

/*  name = value of WITH lists (BACKUP, CREATE DATABASE, ...): value NULL = a bare word. */
typedef struct sh_option sh_option_t;
struct sh_option {
    sh_option_t *next;
    const char *name;
    sh_expr_t *value;
    sh_option_t *list; /* NAME (A = x, B = y) */
    int line;
};

typedef enum {
    SH_STMT_BLOCK,
    SH_STMT_IF,
    SH_STMT_WHILE,
    SH_STMT_BREAK,
    SH_STMT_CONTINUE,
    SH_STMT_GOTO,
    SH_STMT_LABEL,
    SH_STMT_RETURN,
    SH_STMT_TRY,
    SH_STMT_DECLARE,
    SH_STMT_SET_VAR,
    SH_STMT_SET_OPTION,
    SH_STMT_SELECT,
    SH_STMT_INSERT,
    SH_STMT_UPDATE,
    SH_STMT_DELETE,
    SH_STMT_TRUNCATE,
    SH_STMT_EXEC,
    SH_STMT_EXEC_STRING,
    SH_STMT_RAISERROR,
    SH_STMT_THROW,
    SH_STMT_PRINT,
    SH_STMT_BEGIN_TRAN,
    SH_STMT_COMMIT,
    SH_STMT_ROLLBACK,
    SH_STMT_SAVE_TRAN,
    SH_STMT_WAITFOR,
    SH_STMT_USE,
    SH_STMT_DECLARE_CURSOR,
    SH_STMT_OPEN,
    SH_STMT_FETCH,
    SH_STMT_CLOSE,
    SH_STMT_DEALLOCATE,
    SH_STMT_CREATE_DATABASE,
    SH_STMT_ALTER_DATABASE,
    SH_STMT_CREATE_TABLE,
    SH_STMT_ALTER_TABLE,
    SH_STMT_CREATE_INDEX,
    SH_STMT_CREATE_MODULE,
    SH_STMT_CREATE_SCHEMA,
    SH_STMT_DROP,
    SH_STMT_BACKUP,
    SH_STMT_RESTORE,
    SH_STMT_KILL,
    SH_STMT_PRINCIPAL,  /* CREATE / ALTER / DROP LOGIN, USER, ROLE */
    SH_STMT_PERMISSION, /* GRANT, REVOKE, DENY */
    SH_STMT_CHECKPOINT,
    SH_STMT_DBCC,
    SH_STMT_RECONFIGURE,
    SH_STMT_SHUTDOWN
} sh_stmt_kind_t;

typedef enum {
    SH_OBJECT_NONE,
    SH_OBJECT_TABLE,
    SH_OBJECT_VIEW,
    SH_OBJECT_PROCEDURE,
    SH_OBJECT_FUNCTION,
    SH_OBJECT_TRIGGER,
    SH_OBJECT_INDEX,
    SH_OBJECT_DATABASE,
    SH_OBJECT_SCHEMA,
    SH_OBJECT_LOGIN,
    SH_OBJECT_USER,
    SH_OBJECT_ROLE,
    SH_OBJECT_SERVER_ROLE,
    SH_OBJECT_SYNONYM,
    SH_OBJECT_TYPE
} sh_object_kind_t;

/*  CREATE PROCEDURE, FUNCTION, VIEW, TRIGGER */
typedef struct {
    sh_object_kind_t kind;
    sh_name_t name;
    bool alter;
    bool or_alter;
    sh_variable_t *parameters;
    sh_type_name_t returns; /* function */
    bool returns_inline;    /* RETURNS TABLE AS RETURN (SELECT) */
    sh_select_t *query;     /* view, inline function */
    sh_ident_t *columns;    /* view (a, b) */
    sh_stmt_t *body;
    sh_name_t on; /* trigger */
    bool after_insert;
    bool after_update;
    bool after_delete;
    bool instead_of;
    bool execute_as; /* any EXECUTE AS but CALLER */
} sh_module_def_t;

typedef struct sh_name_list sh_name_list_t;
struct sh_name_list {
    sh_name_list_t *next;
    sh_name_t name;
};

typedef enum { SH_FETCH_NEXT, SH_FETCH_PRIOR, SH_FETCH_FIRST, SH_FETCH_LAST } sh_fetch_t;

typedef enum {
    SH_ALTER_ADD,
    SH_ALTER_DROP_COLUMN,
    SH_ALTER_DROP_CONSTRAINT,
    SH_ALTER_COLUMN,
    SH_ALTER_OTHER
} sh_alter_t;

struct sh_stmt {
    sh_stmt_kind_t kind;
    int line;
    sh_stmt_t *next;
    size_t start; /* source range */
    size_t end;

    sh_expr_t *cond;  /* IF, WHILE; RETURN, PRINT, WAITFOR value; SET @v value; EXEC (string) */
    sh_stmt_t *body;  /* BLOCK, THEN, loop, TRY */
    sh_stmt_t *other; /* ELSE, CATCH */
    const char *text; /* label, variable, option, cursor, tran name, database */
    const char *text2;
    sh_expr_t *name_expr; /* tran name, device, ... when it is an expression or variable */
    bool flag;            /* WITH MARK, NOWAIT, IF EXISTS, global; see the statement */
    bool flag2;
    sh_op_t op;

    sh_select_t *query;
    sh_variable_t *variables;
    sh_name_t name;
    sh_source_t *target; /* INSERT/UPDATE/DELETE target with hints */
    sh_source_t *from;
    sh_expr_t *where;
    sh_expr_t *top;
    sh_cte_t *ctes;
    sh_ident_t *columns;
    sh_assign_t *assigns;
    sh_item_t *output;
    sh_source_t *output_into;
    sh_ident_t *output_columns;
    sh_stmt_t *exec; /* INSERT ... EXEC */
    sh_argument_t *arguments;
    sh_expr_t *args; /* RAISERROR, THROW, lists */
    sh_column_def_t *column_defs;
    sh_key_def_t *keys;
    sh_module_def_t *module;
    sh_object_kind_t object;
    sh_name_list_t *names;
    sh_option_t *options;
    sh_expr_t *devices; /* BACKUP TO DISK = ...: literals or variables */
    sh_fetch_t fetch;
    sh_alter_t alter;
};

/*  A parsed batch. Destroy frees the AST. The source text is copied into the arena. */
typedef struct {
    sh_arena_t *arena;
    const char *source;
    size_t size;
    sh_stmt_t *body;
} sh_script_t;

#endif
