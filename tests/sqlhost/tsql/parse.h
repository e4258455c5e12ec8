/*  parse.h
 *  What the parser's files share: the cursor over tokens and the grammar's main rules.
 *
 *  Errors are sticky: the first one is kept, then every look sees the end of the text, so that all
 *  loops end. Rules return NULL after a failure. */
#ifndef SH_PARSE_H
#define SH_PARSE_H

#include "parser.h"

typedef struct {
    sh_arena_t *arena;
    const char *source;
    const sh_token_t *tokens;
    size_t count;
    size_t pos;
    int depth;
    bool failed;
    sh_syntax_error_t *error;
} sh_parse_t;

#define SH_APPEND SH_LIST_APPEND

#define SH_NEW(p, type) ((type *)sh_arena_alloc ((p)->arena, sizeof (type)))

/*  cursor (parse.c) */
const sh_token_t *sh_peek (const sh_parse_t *p, size_t ahead);
bool sh_at (const sh_parse_t *p, const char *word);
bool sh_at2 (const sh_parse_t *p, const char *first, const char *second);
bool sh_at_op (const sh_parse_t *p, const char *op);
bool sh_next_is_op (const sh_parse_t *p, size_t ahead, const char *op);
bool sh_next_is (const sh_parse_t *p, size_t ahead, const char *word);
bool sh_accept (sh_parse_t *p, const char *word);
bool sh_accept_op (sh_parse_t *p, const char *op);
bool sh_expect (sh_parse_t *p, const char *word);
bool sh_expect_op (sh_parse_t *p, const char *op);
void sh_skip (sh_parse_t *p);
bool sh_reserved (const char *word);
/*  Fails at the present token: 102 or 156. Returns NULL. */
void *sh_syntax (sh_parse_t *p);
void *sh_refuse (sh_parse_t *p, int number, int severity, const char *format, ...)
    __attribute__ ((format (printf, 4, 5)));
/*  "<what> is not supported by sqlhost." */
void *sh_unsupported (sh_parse_t *p, const char *what);
bool sh_deeper (sh_parse_t *p);

const char *sh_identifier (sh_parse_t *p);
bool sh_at_identifier (const sh_parse_t *p);
bool sh_parse_name (sh_parse_t *p, sh_name_t *name);
sh_ident_t *sh_identifier_list (sh_parse_t *p);
const char *sh_variable_name (sh_parse_t *p);
/*  varchar without a size gets `default_size`: 1 in declarations, 30 in CAST. */
bool sh_parse_type (sh_parse_t *p, sh_type_name_t *type, int32_t default_size);
const char *sh_source_text (const sh_parse_t *p, size_t start, size_t end);

/*  parse_expr.c */
sh_expr_t *sh_parse_expr (sh_parse_t *p);
sh_expr_t *sh_parse_condition (sh_parse_t *p);
sh_expr_t *sh_parse_expr_list (sh_parse_t *p);
sh_order_t *sh_parse_order (sh_parse_t *p);
sh_expr_t *sh_new_expr (sh_parse_t *p, sh_expr_kind_t kind);
/*  A literal, a signed number or a variable: what options and devices take. */
sh_expr_t *sh_parse_simple (sh_parse_t *p);

/*  parse_select.c */
sh_select_t *sh_parse_query (sh_parse_t *p);
sh_source_t *sh_parse_from (sh_parse_t *p);
sh_source_t *sh_parse_table (sh_parse_t *p);
unsigned sh_parse_hints (sh_parse_t *p);
sh_item_t *sh_parse_items (sh_parse_t *p);
sh_cte_t *sh_parse_ctes (sh_parse_t *p);
sh_expr_t *sh_parse_top (sh_parse_t *p, bool *percent, bool *ties);
sh_row_t *sh_parse_rows (sh_parse_t *p);

/*  statements */
sh_stmt_t *sh_new_stmt (sh_parse_t *p, sh_stmt_kind_t kind);
sh_stmt_t *sh_parse_statement (sh_parse_t *p);
sh_stmt_t *sh_parse_statements (sh_parse_t *p, const char *end1, const char *end2);
sh_stmt_t *sh_parse_flow (sh_parse_t *p);   /* parse_flow.c; NULL without failure: not mine */
sh_stmt_t *sh_parse_dml (sh_parse_t *p);    /* parse_dml.c */
sh_stmt_t *sh_parse_tran (sh_parse_t *p);   /* parse_tran.c */
sh_stmt_t *sh_parse_ddl (sh_parse_t *p);    /* parse_ddl.c */
sh_stmt_t *sh_parse_module (sh_parse_t *p); /* parse_module.c */
sh_stmt_t *sh_parse_admin (sh_parse_t *p);  /* parse_admin.c */
sh_stmt_t *sh_parse_exec (sh_parse_t *p);   /* parse_exec.c */
sh_variable_t *sh_parse_declarations (sh_parse_t *p, bool parameters);
sh_column_def_t *sh_parse_table_body (sh_parse_t *p, sh_key_def_t **keys);
sh_option_t *sh_parse_options (sh_parse_t *p);

#endif
