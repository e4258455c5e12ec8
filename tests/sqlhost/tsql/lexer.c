#include "lexer.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define S_TOKENS_MAX 2000000u

typedef struct {
    sh_arena_t *arena;
    const char *source;
    size_t size;
    size_t pos;
    int line;
    bool quoted_identifier;
    sh_token_t *tokens;
    size_t count;
    size_t room;
    sh_syntax_error_t *error;
} s_lexer_t;

bool
sh_same (const char *a, const char *b)
{
    return a && b && strcasecmp (a, b) == 0;
}

static int
s_at (const s_lexer_t *self, size_t ahead)
{
    size_t pos = self->pos + ahead;
    return pos < self->size ? (unsigned char)self->source[pos] : 0;
}

static bool
s_fail (s_lexer_t *self, int number, int line, const char *text)
{
    self->error->number = number;
    self->error->line = line;
    self->error->severity = 15;
    self->error->state = 1;
    snprintf (self->error->text, sizeof self->error->text, "%s", text);
    return false;
}

/*  Goes on one byte, counting lines. */
static void
s_step (s_lexer_t *self)
{
    if (self->source[self->pos] == '\n')
        self->line++;
    self->pos++;
}

static bool
s_skip_block_comment (s_lexer_t *self)
{
    int depth = 0;
    int line = self->line;
    do {
        if (self->pos >= self->size)
            return s_fail (self, 113, line, "Missing end comment mark '*/'.");
        if (s_at (self, 0) == '/' && s_at (self, 1) == '*') {
            depth++;
            self->pos += 2;
        } else if (s_at (self, 0) == '*' && s_at (self, 1) == '/') {
            depth--;
            self->pos += 2;
        } else
            s_step (self);
    } while (depth);
    return true;
}

static bool
s_skip_blank (s_lexer_t *self)
{
    for (;;) {
        int c = s_at (self, 0);
        if (self->pos < self->size && (c == 0 || isspace (c)))
            s_step (self);
        else if (c == 0xC2 && s_at (self, 1) == 0xA0)
            self->pos += 2;
        else if (c == 0xEF && s_at (self, 1) == 0xBB && s_at (self, 2) == 0xBF)
            self->pos += 3; /* byte order mark */
        else if (c == '-' && s_at (self, 1) == '-')
            while (self->pos < self->size && s_at (self, 0) != '\n')
                self->pos++;
        else if (c == '/' && s_at (self, 1) == '*') {
            if (!s_skip_block_comment (self))
                return false;
        } else
            return true;
    }
}

static void
s_push (s_lexer_t *self, sh_token_kind_t kind, size_t start, int line, const char *text)
{
    if (self->count == self->room) {
        size_t room = self->room ? self->room * 2 : 64;
        sh_token_t *grown = sh_arena_alloc (self->arena, room * sizeof *grown);
        if (self->count)
            memcpy (grown, self->tokens, self->count * sizeof *grown);
        self->tokens = grown;
        self->room = room;
    }
    self->tokens[self->count++] = (sh_token_t){kind, line, start, self->pos, text};
}

/*  From the opening quote on; the closing quote doubled stands for itself. */
static bool
s_lex_quoted (s_lexer_t *self, char close, sh_token_kind_t kind, size_t start)
{
    int line = self->line;
    sh_buffer_t text = {0};
    self->pos++;
    for (;;) {
        if (self->pos >= self->size) {
            char message[160];
            snprintf (message, sizeof message,
                      "Unclosed quotation mark after the character string '%.100s'.",
                      sh_buffer_text (&text));
            sh_buffer_free (&text);
            return s_fail (self, 105, line, message);
        }
        int c = s_at (self, 0);
        if (c == close) {
            if (s_at (self, 1) != close)
                break;
            self->pos++;
        }
        sh_buffer_putc (&text, (char)c);
        s_step (self);
    }
    self->pos++;
    s_push (self, kind, start, line,
            sh_arena_strndup (self->arena, sh_buffer_text (&text), text.size));
    sh_buffer_free (&text);
    return true;
}

static bool
s_is_word (int c)
{
    return isalnum (c) || c == '_' || c == '#' || c == '$' || c == '@' || c >= 0x80;
}

static void
s_lex_number (s_lexer_t *self)
{
    size_t start = self->pos;
    sh_token_kind_t kind = SH_TOKEN_INT;
    if (s_at (self, 0) == '0' && (s_at (self, 1) | 0x20) == 'x') {
        self->pos += 2;
        while (isxdigit (s_at (self, 0)))
            self->pos++;
        s_push (self, SH_TOKEN_BINARY, start, self->line,
                sh_arena_strndup (self->arena, self->source + start + 2, self->pos - start - 2));
        return;
    }
    while (isdigit (s_at (self, 0)))
        self->pos++;
    if (s_at (self, 0) == '.') {
        kind = SH_TOKEN_DECIMAL;
        self->pos++;
        while (isdigit (s_at (self, 0)))
            self->pos++;
    }
    int sign = s_at (self, 1) == '+' || s_at (self, 1) == '-';
    if ((s_at (self, 0) | 0x20) == 'e' && isdigit (s_at (self, 1 + (size_t)sign))) {
        kind = SH_TOKEN_FLOAT;
        self->pos += 1 + (size_t)sign;
        while (isdigit (s_at (self, 0)))
            self->pos++;
    }
    s_push (self, kind, start, self->line,
            sh_arena_strndup (self->arena, self->source + start, self->pos - start));
}

static void
s_lex_word (s_lexer_t *self)
{
    size_t start = self->pos;
    sh_token_kind_t kind = SH_TOKEN_WORD;
    if (s_at (self, 0) == '@')
        kind = s_at (self, 1) == '@' ? SH_TOKEN_GLOBAL : SH_TOKEN_VAR;
    while (s_is_word (s_at (self, 0)))
        self->pos++;
    s_push (self, kind, start, self->line,
            sh_arena_strndup (self->arena, self->source + start, self->pos - start));
}

static bool
s_lex_operator (s_lexer_t *self)
{
    static const char *const pairs[] = {"<>", "!=", "<=", ">=", "!<", "!>", "+=", "-=",
                                        "*=", "/=", "%=", "&=", "|=", "^=", "::", NULL};
    size_t start = self->pos;
    for (size_t i = 0; pairs[i]; i++)
        if (s_at (self, 0) == pairs[i][0] && s_at (self, 1) == pairs[i][1]) {
            self->pos += 2;
            s_push (self, SH_TOKEN_OP, start, self->line, pairs[i]);
            return true;
        }
    int c = s_at (self, 0);
    if (!strchr ("+-*/%=<>(),.;&|^~:?!{}", c)) {
        char message[64];
        snprintf (message, sizeof message, "Incorrect syntax near '%c'.", c);
        return s_fail (self, 102, self->line, message);
    }
    self->pos++;
    s_push (self, SH_TOKEN_OP, start, self->line,
            sh_arena_strndup (self->arena, self->source + start, 1));
    return true;
}

static void
s_lex_money (s_lexer_t *self)
{
    size_t start = self->pos++;
    while (isdigit (s_at (self, 0)) || s_at (self, 0) == '.')
        self->pos++;
    s_push (self, SH_TOKEN_MONEY, start, self->line,
            sh_arena_strndup (self->arena, self->source + start + 1, self->pos - start - 1));
}

static bool
s_lex_one (s_lexer_t *self)
{
    int c = s_at (self, 0);
    size_t start = self->pos;
    if (c == '\'')
        return s_lex_quoted (self, '\'', SH_TOKEN_STRING, start);
    if ((c == 'N' || c == 'n') && s_at (self, 1) == '\'') {
        self->pos++;
        return s_lex_quoted (self, '\'', SH_TOKEN_NSTRING, start);
    }
    if (c == '[')
        return s_lex_quoted (self, ']', SH_TOKEN_QUOTED, start);
    if (c == '"')
        return s_lex_quoted (self, '"', self->quoted_identifier ? SH_TOKEN_QUOTED : SH_TOKEN_STRING,
                             start);
    if (isdigit (c) || (c == '.' && isdigit (s_at (self, 1))))
        s_lex_number (self);
    else if (c == '$' && isdigit (s_at (self, 1)))
        s_lex_money (self);
    else if (s_is_word (c))
        s_lex_word (self);
    else
        return s_lex_operator (self);
    return true;
}

const sh_token_t *
sh_lex (sh_arena_t *arena, const char *source, size_t size, bool quoted_identifier, size_t *count,
        sh_syntax_error_t *error)
{
    s_lexer_t self = {.arena = arena,
                      .source = source,
                      .size = size,
                      .line = 1,
                      .quoted_identifier = quoted_identifier,
                      .error = error};
    while (s_skip_blank (&self)) {
        if (self.pos >= self.size) {
            s_push (&self, SH_TOKEN_END, self.pos, self.line, "");
            *count = self.count;
            return self.tokens;
        }
        if (self.count >= S_TOKENS_MAX) {
            s_fail (&self, 191, self.line, "Some part of your SQL statement is nested too deeply.");
            return NULL;
        }
        if (!s_lex_one (&self))
            return NULL;
    }
    return NULL;
}
