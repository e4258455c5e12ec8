#include "tests/sqlhost/engine/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
sh_require_failed (const char *condition, const char *file, int line)
{
    fprintf (stderr, "%s:%d: bug: not %s\n", file, line, condition);
    abort ();
}

void *
sh_mem_alloc (size_t size)
{
    void *memory = calloc (1, size ? size : 1);
    sh_require (memory != NULL);
    return memory;
}

void *
sh_mem_realloc (void *memory, size_t size)
{
    memory = realloc (memory, size ? size : 1);
    sh_require (memory != NULL);
    return memory;
}

char *
sh_mem_strdup (const char *text)
{
    if (!text)
        return NULL;
    size_t size = strlen (text) + 1;
    char *copy = sh_mem_alloc (size);
    memcpy (copy, text, size);
    return copy;
}

void
sh_copy (char *out, size_t size, const char *text)
{
    size_t length = text ? strlen (text) : 0;
    sh_require (size > 0);
    if (text && length >= size) {
        length = size - 1;
        while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80)
            length--;
    }
    if (length)
        memcpy (out, text, length);
    out[length] = 0;
}

void *
sh_grow (void *items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return items;
    *capacity = *capacity ? *capacity * 2 : 8;
    return sh_mem_realloc (items, *capacity * size);
}

void
sh_bytes_free (sh_bytes_t *self)
{
    free (self->data);
    memset (self, 0, sizeof *self);
}

void
sh_put (sh_bytes_t *self, const void *data, size_t size)
{
    if (self->size + size > self->capacity) {
        while (self->size + size > self->capacity)
            self->capacity = self->capacity ? self->capacity * 2 : 256;
        self->data = sh_mem_realloc (self->data, self->capacity);
    }
    if (size)
        memcpy (self->data + self->size, data, size);
    self->size += size;
}

void
sh_put_u8 (sh_bytes_t *self, uint8_t value)
{
    sh_put (self, &value, 1);
}

static void
s_put_little (sh_bytes_t *self, uint64_t value, size_t bytes)
{
    uint8_t data[8];
    for (size_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)(value >> (8 * i));
    sh_put (self, data, bytes);
}

void
sh_put_u16 (sh_bytes_t *self, uint16_t value)
{
    s_put_little (self, value, 2);
}

void
sh_put_u32 (sh_bytes_t *self, uint32_t value)
{
    s_put_little (self, value, 4);
}

void
sh_put_i64 (sh_bytes_t *self, int64_t value)
{
    s_put_little (self, (uint64_t)value, 8);
}

void
sh_put_text (sh_bytes_t *self, const char *text)
{
    sh_put_u32 (self, text ? (uint32_t)strlen (text) : UINT32_MAX);
    if (text)
        sh_put (self, text, strlen (text));
}

void
sh_put_value (sh_bytes_t *self, const sh_value_t *value)
{
    sh_put_u8 (self, (uint8_t)value->kind);
    switch (value->kind) {
        case SH_NULL:
            break;
        case SH_INT:
        case SH_DATETIME:
        case SH_DOUBLE: {
            uint64_t bits;
            memcpy (&bits, &value->as, sizeof bits);
            s_put_little (self, bits, 8);
            break;
        }
        case SH_TEXT:
        case SH_DECIMAL:
        case SH_BLOB:
            sh_put_u32 (self, value->size);
            sh_put (self, value->as.text, value->size);
            break;
        case SH_GUID:
            sh_put (self, value->as.guid, 16);
            break;
    }
}

const void *
sh_get (sh_reader_t *self, size_t size)
{
    if (self->failed || size > self->size - self->at) {
        self->failed = true;
        return NULL;
    }
    const void *data = self->data + self->at;
    self->at += size;
    return data;
}

static uint64_t
s_get_little (sh_reader_t *self, size_t bytes)
{
    const uint8_t *data = sh_get (self, bytes);
    uint64_t value = 0;
    for (size_t i = 0; data && i < bytes; i++)
        value |= (uint64_t)data[i] << (8 * i);
    return value;
}

uint8_t
sh_get_u8 (sh_reader_t *self)
{
    return (uint8_t)s_get_little (self, 1);
}

uint16_t
sh_get_u16 (sh_reader_t *self)
{
    return (uint16_t)s_get_little (self, 2);
}

uint32_t
sh_get_u32 (sh_reader_t *self)
{
    return (uint32_t)s_get_little (self, 4);
}

int64_t
sh_get_i64 (sh_reader_t *self)
{
    return (int64_t)s_get_little (self, 8);
}

char *
sh_get_text (sh_reader_t *self)
{
    uint32_t size = sh_get_u32 (self);
    if (self->failed || size == UINT32_MAX)
        return NULL;
    const char *data = sh_get (self, size);
    if (!data)
        return NULL;
    char *text = sh_mem_alloc ((size_t)size + 1);
    memcpy (text, data, size);
    return text;
}

static sh_value_t
s_get_bytes (sh_reader_t *self, sh_kind_t kind)
{
    sh_value_t value = sh_value_null ();
    uint32_t size = sh_get_u32 (self);
    const char *data = sh_get (self, size);
    if (data) {
        char *copy = sh_mem_alloc ((size_t)size + 1);
        memcpy (copy, data, size);
        value.kind = kind;
        value.owned = true;
        value.size = size;
        value.as.text = copy;
    }
    return value;
}

sh_value_t
sh_get_value (sh_reader_t *self)
{
    sh_value_t value = sh_value_null ();
    uint8_t kind = sh_get_u8 (self);
    switch (kind) {
        case SH_NULL:
            break;
        case SH_INT:
        case SH_DATETIME:
        case SH_DOUBLE: {
            uint64_t bits = s_get_little (self, 8);
            value.kind = (sh_kind_t)kind;
            memcpy (&value.as, &bits, sizeof bits);
            break;
        }
        case SH_TEXT:
        case SH_DECIMAL:
        case SH_BLOB:
            value = s_get_bytes (self, (sh_kind_t)kind);
            break;
        case SH_GUID: {
            const void *data = sh_get (self, 16);
            if (data) {
                value.kind = SH_GUID;
                memcpy (value.as.guid, data, 16);
            }
            break;
        }
        default:
            self->failed = true;
    }
    return value;
}
