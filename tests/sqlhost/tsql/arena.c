#include "arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S_CHUNK 8192u

typedef struct s_chunk s_chunk_t;
struct s_chunk {
    s_chunk_t *next;
    size_t used;
    size_t room;
    max_align_t data[];
};

struct sh_arena {
    s_chunk_t *chunks;
};

void *
sh_alloc (size_t size)
{
    void *block = calloc (1, size ? size : 1);
    if (!block)
        abort ();
    return block;
}

void *
sh_realloc (void *block, size_t size)
{
    void *grown = realloc (block, size ? size : 1);
    if (!grown)
        abort ();
    return grown;
}

char *
sh_strdup (const char *text)
{
    size_t size = strlen (text) + 1;
    return memcpy (sh_alloc (size), text, size);
}

char *
sh_printf (const char *format, ...)
{
    sh_buffer_t buffer = {0};
    va_list args;
    va_start (args, format);
    sh_buffer_vprintf (&buffer, format, args);
    va_end (args);
    return buffer.data;
}

sh_arena_t *
sh_arena_new (void)
{
    return sh_alloc (sizeof (sh_arena_t));
}

void
sh_arena_destroy (sh_arena_t **self_p)
{
    if (!*self_p)
        return;
    s_chunk_t *chunk = (*self_p)->chunks;
    while (chunk) {
        s_chunk_t *next = chunk->next;
        free (chunk);
        chunk = next;
    }
    free (*self_p);
    *self_p = NULL;
}

void *
sh_arena_alloc (sh_arena_t *self, size_t size)
{
    size_t need = (size + sizeof (max_align_t) - 1) & ~(sizeof (max_align_t) - 1);
    s_chunk_t *chunk = self->chunks;
    if (!chunk || chunk->room - chunk->used < need) {
        size_t room = need > S_CHUNK ? need : S_CHUNK;
        chunk = sh_alloc (sizeof (s_chunk_t) + room);
        chunk->room = room;
        chunk->next = self->chunks;
        self->chunks = chunk;
    }
    void *block = (char *)chunk->data + chunk->used;
    chunk->used += need;
    return block;
}

char *
sh_arena_strndup (sh_arena_t *self, const char *text, size_t size)
{
    char *copy = sh_arena_alloc (self, size + 1);
    if (size)
        memcpy (copy, text, size);
    return copy;
}

char *
sh_arena_strdup (sh_arena_t *self, const char *text)
{
    return sh_arena_strndup (self, text, strlen (text));
}

char *
sh_arena_printf (sh_arena_t *self, const char *format, ...)
{
    sh_buffer_t buffer = {0};
    va_list args;
    va_start (args, format);
    sh_buffer_vprintf (&buffer, format, args);
    va_end (args);
    char *copy = sh_arena_strndup (self, buffer.data, buffer.size);
    sh_buffer_free (&buffer);
    return copy;
}

static void
s_reserve (sh_buffer_t *self, size_t more)
{
    if (self->size + more + 1 <= self->room)
        return;
    size_t room = self->room ? self->room * 2 : 128;
    while (room < self->size + more + 1)
        room *= 2;
    self->data = sh_realloc (self->data, room);
    self->room = room;
}

void
sh_buffer_add (sh_buffer_t *self, const void *data, size_t size)
{
    s_reserve (self, size);
    if (size)
        memcpy (self->data + self->size, data, size);
    self->size += size;
    self->data[self->size] = 0;
}

void
sh_buffer_puts (sh_buffer_t *self, const char *text)
{
    sh_buffer_add (self, text, strlen (text));
}

void
sh_buffer_putc (sh_buffer_t *self, char c)
{
    sh_buffer_add (self, &c, 1);
}

void
sh_buffer_vprintf (sh_buffer_t *self, const char *format, va_list args)
{
    va_list copy;
    va_copy (copy, args);
    int size = vsnprintf (NULL, 0, format, copy);
    va_end (copy);
    if (size < 0)
        abort ();
    s_reserve (self, (size_t)size);
    vsnprintf (self->data + self->size, (size_t)size + 1, format, args);
    self->size += (size_t)size;
}

void
sh_buffer_printf (sh_buffer_t *self, const char *format, ...)
{
    va_list args;
    va_start (args, format);
    sh_buffer_vprintf (self, format, args);
    va_end (args);
}

void
sh_buffer_free (sh_buffer_t *self)
{
    free (self->data);
    *self = (sh_buffer_t){0};
}

const char *
sh_buffer_text (const sh_buffer_t *self)
{
    return self->data ? self->data : "";
}
