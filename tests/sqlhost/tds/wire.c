/*  tests/sqlhost/tds/wire.c */
#include "tests/sqlhost/tds/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

sh_reader_t
sh_reader_make (const void *data, size_t size)
{
    return (sh_reader_t){.data = data, .size = size};
}

size_t
sh_reader_left (const sh_reader_t *self)
{
    return self->failed ? 0 : self->size - self->at;
}

const uint8_t *
sh_reader_take (sh_reader_t *self, size_t size)
{
    static const uint8_t nothing[1];

    if (self->failed || size > self->size - self->at) {
        self->failed = true;
        return NULL;
    }
    if (size == 0)
        return nothing;
    const uint8_t *start = self->data + self->at;
    self->at += size;
    return start;
}

uint64_t
sh_reader_uint (sh_reader_t *self, size_t bytes)
{
    const uint8_t *data = sh_reader_take (self, bytes);
    uint64_t value = 0;
    if (!data)
        return 0;
    for (size_t i = bytes; i > 0; i--)
        value = value << 8 | data[i - 1];
    return value;
}

uint8_t
sh_reader_u8 (sh_reader_t *self)
{
    return (uint8_t)sh_reader_uint (self, 1);
}

uint16_t
sh_reader_u16 (sh_reader_t *self)
{
    return (uint16_t)sh_reader_uint (self, 2);
}

uint16_t
sh_reader_u16_be (sh_reader_t *self)
{
    uint16_t value = (uint16_t)sh_reader_uint (self, 2);
    return (uint16_t)(value >> 8 | value << 8);
}

uint32_t
sh_reader_u32 (sh_reader_t *self)
{
    return (uint32_t)sh_reader_uint (self, 4);
}

uint64_t
sh_reader_u64 (sh_reader_t *self)
{
    return sh_reader_uint (self, 8);
}

void *
sh_wire_alloc (size_t size)
{
    void *memory = calloc (1, size ? size : 1);
    if (!memory) {
        fprintf (stderr, "sqlhost: out of memory for %zu bytes\n", size);
        abort ();
    }
    return memory;
}

void
sh_writer_clear (sh_writer_t *self)
{
    self->size = 0;
}

void
sh_writer_free (sh_writer_t *self)
{
    free (self->data);
    *self = (sh_writer_t){0};
}

void
sh_writer_reserve (sh_writer_t *self, size_t more)
{
    if (more <= self->capacity - self->size)
        return;
    size_t capacity = self->capacity ? self->capacity : 256;
    while (capacity - self->size < more)
        capacity *= 2;
    uint8_t *data = realloc (self->data, capacity);
    if (!data) {
        fprintf (stderr, "sqlhost: out of memory for %zu bytes\n", capacity);
        abort ();
    }
    self->data = data;
    self->capacity = capacity;
}

void
sh_writer_bytes (sh_writer_t *self, const void *data, size_t size)
{
    if (size == 0)
        return;
    sh_writer_reserve (self, size);
    memcpy (self->data + self->size, data, size);
    self->size += size;
}

void
sh_writer_uint (sh_writer_t *self, uint64_t value, size_t bytes)
{
    uint8_t data[8];
    for (size_t i = 0; i < bytes && i < sizeof data; i++)
        data[i] = (uint8_t)(value >> (8 * i));
    sh_writer_bytes (self, data, bytes);
}

void
sh_writer_u8 (sh_writer_t *self, uint8_t value)
{
    sh_writer_uint (self, value, 1);
}

void
sh_writer_u16 (sh_writer_t *self, uint16_t value)
{
    sh_writer_uint (self, value, 2);
}

void
sh_writer_u16_be (sh_writer_t *self, uint16_t value)
{
    sh_writer_uint (self, (uint16_t)(value >> 8 | value << 8), 2);
}

void
sh_writer_u32 (sh_writer_t *self, uint32_t value)
{
    sh_writer_uint (self, value, 4);
}

void
sh_writer_u32_be (sh_writer_t *self, uint32_t value)
{
    sh_writer_u16_be (self, (uint16_t)(value >> 16));
    sh_writer_u16_be (self, (uint16_t)value);
}

void
sh_writer_u64 (sh_writer_t *self, uint64_t value)
{
    sh_writer_uint (self, value, 8);
}

void
sh_writer_patch_u16 (sh_writer_t *self, size_t at, uint16_t value)
{
    self->data[at] = (uint8_t)value;
    self->data[at + 1] = (uint8_t)(value >> 8);
}

const char *
sh_writer_text (sh_writer_t *self)
{
    sh_writer_reserve (self, 1);
    self->data[self->size] = 0;
    return (const char *)self->data;
}

char *
sh_writer_release (sh_writer_t *self)
{
    sh_writer_text (self);
    char *text = (char *)self->data;
    *self = (sh_writer_t){0};
    return text;
}
