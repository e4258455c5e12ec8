/*  tests/sqlhost/engine/memory.h
 *  Allocation that does not fail (the stand-in stops instead), growing arrays, bytes in and out. */
#ifndef SH_ENGINE_MEMORY_H
#define SH_ENGINE_MEMORY_H

#include "tests/sqlhost/engine/value.h"

/*  A bug of ours: says where and aborts. */
#define sh_require(condition)                                                                      \
    do {                                                                                           \
        if (!(condition))                                                                          \
            sh_require_failed (#condition, __FILE__, __LINE__);                                    \
    } while (0)

void
sh_require_failed (const char *condition, const char *file, int line) __attribute__ ((noreturn));

/*  Zeroed. */
void *sh_mem_alloc (size_t size);
void *sh_mem_realloc (void *memory, size_t size);
char *sh_mem_strdup (const char *text); /* NULL stays NULL */
/*  Cuts at size - 1 bytes, on a UTF-8 boundary. NULL makes "". */
void sh_copy (char *out, size_t size, const char *text);

/*  Makes room for one more element of `size` bytes in an array that holds count of *capacity. */
void *sh_grow (void *items, size_t count, size_t *capacity, size_t size);

/*  ---- bytes out, little endian ---- */

typedef struct {
    uint8_t *data;
    size_t size, capacity;
} sh_bytes_t;

void sh_bytes_free (sh_bytes_t *self);
void sh_put (sh_bytes_t *self, const void *data, size_t size);
void sh_put_u8 (sh_bytes_t *self, uint8_t value);
void sh_put_u16 (sh_bytes_t *self, uint16_t value);
void sh_put_u32 (sh_bytes_t *self, uint32_t value);
void sh_put_i64 (sh_bytes_t *self, int64_t value);
void sh_put_text (sh_bytes_t *self, const char *text); /* NULL is kept apart from "" */
void sh_put_value (sh_bytes_t *self, const sh_value_t *value);

/*  ---- bytes in: reading past the end sets `failed` and gives zeros, NULL, NULL values ---- */

typedef struct {
    const uint8_t *data;
    size_t size, at;
    bool failed;
} sh_reader_t;

const void *sh_get (sh_reader_t *self, size_t size); /* NULL when there are not so many */
uint8_t sh_get_u8 (sh_reader_t *self);
uint16_t sh_get_u16 (sh_reader_t *self);
uint32_t sh_get_u32 (sh_reader_t *self);
int64_t sh_get_i64 (sh_reader_t *self);
char *sh_get_text (sh_reader_t *self);       /* the caller frees */
sh_value_t sh_get_value (sh_reader_t *self); /* owned */

#endif
