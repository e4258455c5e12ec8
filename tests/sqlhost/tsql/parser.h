/*  parser.h
 *  T-SQL to an AST, by recursive descent. What sqlhost does not know is a syntax error or a clear
 *  refusal (40000), never skipped. */
#ifndef SH_PARSER_H
#define SH_PARSER_H

#include "ast.h"

/*  "is not supported by sqlhost": the number of our own refusals. */
#define SH_NOT_SUPPORTED 40000

/*  Returns the script, or NULL with *error filled. */
sh_script_t *
sh_script_parse (const char *text, size_t size, bool quoted_identifier, sh_syntax_error_t *error);
void sh_script_destroy (sh_script_t **self_p);

/*  "db.schema.object" as in OBJECT_ID ('...') or a procedure's name on the wire. False: not a name. */
bool sh_name_parse (sh_arena_t *arena, const char *text, sh_name_t *name);

/*  "@a int, @b nvarchar(10) OUTPUT" of sp_executesql. Returns NULL with error->number 0 when empty. */
sh_variable_t *sh_parameters_parse (sh_arena_t *arena, const char *text, sh_syntax_error_t *error);

/*  One expression, as a column default is kept. NULL: not one. */
sh_expr_t *sh_expr_parse (sh_arena_t *arena, const char *text, sh_syntax_error_t *error);

#endif
