/*  lexer.h
 *  T-SQL text to tokens. Comments nest, as in SQL Server. */
#ifndef SH_LEXER_H
#define SH_LEXER_H

#include "arena.h"

typedef enum {
    SH_TOKEN_END,
    SH_TOKEN_WORD,    /* bare identifier or keyword, #temp too */
    SH_TOKEN_QUOTED,  /* [x] or "x": never a keyword */
    SH_TOKEN_STRING,  /* 'x' */
    SH_TOKEN_NSTRING, /* N'x' */
    SH_TOKEN_INT,
    SH_TOKEN_DECIMAL,
    SH_TOKEN_FLOAT,
    SH_TOKEN_MONEY,
    SH_TOKEN_BINARY, /* 0xABCD: text holds the hex digits */
    SH_TOKEN_VAR,    /* @x, the name with its @ */
    SH_TOKEN_GLOBAL, /* @@x */
    SH_TOKEN_OP      /* punctuation: text is the operator */
} sh_token_kind_t;

typedef struct {
    sh_token_kind_t kind;
    int line; /* from 1 */
    size_t start;
    size_t end;       /* offsets in the source */
    const char *text; /* decoded, in the arena */
} sh_token_t;

typedef struct {
    int number; /* 0 = none; 102, 105, 113, ... */
    int line;
    int severity;
    int state;
    char text[512];
} sh_syntax_error_t;

/*  Returns the tokens (in the arena, the last one is SH_TOKEN_END) or NULL with *error filled. */
const sh_token_t *sh_lex (sh_arena_t *arena, const char *source, size_t size,
                          bool quoted_identifier, size_t *count, sh_syntax_error_t *error);

/*  Compare as SQL Server's default collation does for ASCII: without regard to case. */
bool sh_same (const char *a, const char *b);

#endif
