/*  arena.h
 *  Memory that is freed as a whole: an AST lives and dies with its arena. And a growing byte buffer. */
#ifndef SH_ARENA_H
#define SH_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct sh_arena sh_arena_t;

sh_arena_t *sh_arena_new (void);
void sh_arena_destroy (sh_arena_t **self_p);

/*  Zeroed memory, aligned for any type. Aborts the process when memory is out. */
void *sh_arena_alloc (sh_arena_t *self, size_t size);
char *sh_arena_strndup (sh_arena_t *self, const char *text, size_t size);
char *sh_arena_strdup (sh_arena_t *self, const char *text);
char *
sh_arena_printf (sh_arena_t *self, const char *format, ...) __attribute__ ((format (printf, 2, 3)));

/*  malloc and friends that abort the process when memory is out (a test double does not limp on). */
void *sh_alloc (size_t size);
void *sh_realloc (void *block, size_t size);
char *sh_strdup (const char *text);
char *sh_printf (const char *format, ...) __attribute__ ((format (printf, 1, 2)));

/*  Text that grows; always ends with NUL. A zeroed struct is an empty buffer. */
typedef struct {
    char *data;
    size_t size;
    size_t room;
} sh_buffer_t;

void sh_buffer_add (sh_buffer_t *self, const void *data, size_t size);
void sh_buffer_puts (sh_buffer_t *self, const char *text);
void sh_buffer_putc (sh_buffer_t *self, char c);
void sh_buffer_printf (sh_buffer_t *self, const char *format, ...)
    __attribute__ ((format (printf, 2, 3)));
void sh_buffer_vprintf (sh_buffer_t *self, const char *format, va_list args)
    __attribute__ ((format (printf, 2, 0)));
void sh_buffer_free (sh_buffer_t *self);
/*  The text, never NULL; stays the buffer's. */
const char *sh_buffer_text (const sh_buffer_t *self);

#endif
