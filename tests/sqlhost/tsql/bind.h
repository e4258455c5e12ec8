/*  bind.h
 *  From the AST of a query to SQLite's SQL for the session's query processor.
 *
 *  Every source gets an alias of ours (s1, s2, ...) and its columns are c0, c1, ... (tables, rows in
 *  memory) or o0, o1, ... (derived tables), so no name of the user's is ever quoted into the text.
 *  Values are parameters. Types are inferred on the way, and conversions rendered as calls of
 *  ts_conv; SQLite's own affinities are never used. */
#ifndef SH_BIND_H
#define SH_BIND_H

#include "interp.h"

/*  A piece of rendered SQL. */
typedef struct {
    const char *sql;
    sh_type_t type;
    const char *collation; /* NULL: none yet; columns carry theirs by declaration */
    bool is_column;
    bool nullable;
    bool identity;
    const char *name; /* the output column's name, when it is a plain column */
} sh_frag_t;

typedef struct {
    const char *name;
    sh_type_t type;
    bool nullable;
    bool identity;
    bool collated; /* declared with its collation */
    const char *sql;
} sh_bound_column_t;

typedef struct sh_bound_source sh_bound_source_t;
struct sh_bound_source {
    sh_bound_source_t *next;
    const char *alias; /* as the user may call it; NULL: by its name */
    const sh_name_t *name;
    const char *sql_alias;
    sh_bound_column_t *columns;
    size_t column_count;
    bool has_rid;
    bool is_target;
    const char *sql; /* what stands in FROM */
};

typedef struct sh_scope sh_scope_t;
struct sh_scope {
    sh_scope_t *up;
    sh_bound_source_t *sources;
    sh_bound_source_t *last;
};

/*  Parameters of an inline function, replaced by what was passed. */
typedef struct sh_macro sh_macro_t;
struct sh_macro {
    sh_macro_t *next;
    const char *name;
    sh_frag_t frag;
};

typedef struct sh_cte_scope sh_cte_scope_t;
struct sh_cte_scope {
    sh_cte_scope_t *up;
    const sh_cte_t *ctes;
};

/*  A source that a virtual table reads. */
typedef struct {
    sh_table_t *table; /* or */
    const sh_rowset_t *rows;
    sh_rowset_t *own_rows; /* destroyed with the query */
    sh_scan_t scan;
} sh_slot_t;

typedef struct {
    sh_session_t *session;
    sh_processor_t *connection;
    sh_arena_t *arena;
    sh_scope_t *scope;
    sh_cte_scope_t *ctes;
    sh_macro_t *macros;
    int db_id; /* names without a database are looked up here */
    const sh_query_options_t *options;
    bool macros_only; /* inside a view or inline function: no variables */
    sh_slot_t *slots;
    size_t slot_count;
    sh_value_t *parameters; /* owned values; ?1 is [0] */
    size_t parameter_count;
    int alias_count;
    int depth;
    bool wrapped; /* inside RIGHT or FULL JOIN, where SQLite gives a virtual table no argument */
    bool failed;
    const char *assigned; /* "\n@a\n@b\n": variables set row by row by this SELECT */
} sh_bind_t;

typedef struct {
    const char *name;
    sh_type_t type;
    const char *collation;
    bool nullable;
    bool identity;
} sh_output_t;

typedef struct {
    const char *sql;
    sh_output_t *columns;
    size_t count;
} sh_bound_t;

/*  bind.c */
sh_frag_t sh_bind_fail (sh_bind_t *b, int number, int severity, int state, const char *format, ...)
    __attribute__ ((format (printf, 5, 6)));
sh_frag_t sh_bind_failed (sh_bind_t *b); /* session->error is filled */
sh_frag_t sh_bind_parameter (sh_bind_t *b, const sh_value_t *value, sh_type_t type);
/*  Converted, if it is not of that type already. */
sh_frag_t sh_bind_convert (sh_bind_t *b, sh_frag_t frag, sh_type_t to);
sh_frag_t sh_bind_cast (sh_bind_t *b, sh_frag_t frag, sh_type_t to, const char *style, bool try_it);
/*  With the collation that text and numeric need where values are compared, grouped, ordered. */
const char *sh_bind_collated (sh_bind_t *b, sh_frag_t frag);
sh_frag_t sh_bind_of (const char *sql, sh_type_t type);
size_t sh_bind_slot (sh_bind_t *b);

/*  bind_expr.c */
sh_frag_t sh_bind_expr (sh_bind_t *b, const sh_expr_t *expr);
const char *sh_bind_condition (sh_bind_t *b, const sh_expr_t *expr); /* NULL when failed */
sh_frag_t sh_bind_arithmetic (sh_bind_t *b, sh_op_t op, sh_frag_t left, sh_frag_t right);

/*  bind_func.c */
sh_frag_t sh_bind_function (sh_bind_t *b, const sh_expr_t *expr);

/*  bind_source.c */
bool sh_bind_from (sh_bind_t *b, const sh_source_t *from, sh_buffer_t *sql);
/*  A table of values (VALUES as a row source): one SELECT a row. */
bool sh_bind_values (sh_bind_t *b, const sh_row_t *rows, sh_bound_t *out);

/*  bind_select.c */
bool sh_bind_select (sh_bind_t *b, const sh_select_t *select, sh_bound_t *out);

/*  query.c */
/*  The virtual table for rows of such columns: a letter each (t text, d decimal, x other). */
const char *sh_processor_layout (sh_processor_t *connection, const char *letters);
sh_session_t *sh_processor_session (sh_processor_t *connection);
void sh_processor_stop (sh_processor_t *connection, sh_status_t status);

/*  functions.c */
bool sh_functions_register (sqlite3 *db, sh_processor_t *connection);
sh_value_t sh_from_sqlite (sqlite3_value *value, const sh_type_t *type);
void sh_to_sqlite (sqlite3_context *context, const sh_value_t *value);

#endif
