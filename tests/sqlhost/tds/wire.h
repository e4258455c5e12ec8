/*  tests/sqlhost/tds/wire.h
 *  Bytes in and out: a bounded reader over a borrowed buffer, and a growing writer.
 *  Integers are little-endian unless the name says _be (MS-TDS 2.2.5.1.2). */
#ifndef SH_TDS_WIRE_H
#define SH_TDS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*  A read past the end sets `failed`, gives zeros, and every later read fails too: parse first,
 *  look once at the end. */
typedef struct {
    const uint8_t *data;
    size_t size;
    size_t at;
    bool failed;
} sh_reader_t;

sh_reader_t sh_reader_make (const void *data, size_t size);
size_t sh_reader_left (const sh_reader_t *self);
uint8_t sh_reader_u8 (sh_reader_t *self);
uint16_t sh_reader_u16 (sh_reader_t *self);
uint16_t sh_reader_u16_be (sh_reader_t *self);
uint32_t sh_reader_u32 (sh_reader_t *self);
uint64_t sh_reader_u64 (sh_reader_t *self);
/*  Little-endian, 1 to 8 bytes. */
uint64_t sh_reader_uint (sh_reader_t *self, size_t bytes);
/*  Borrowed pointer to `size` bytes, NULL when they are not there. */
const uint8_t *sh_reader_take (sh_reader_t *self, size_t size);

/*  Grows as needed; a failed allocation ends the process (a test double has no better answer). */
typedef struct {
    uint8_t *data;
    size_t size;
    size_t capacity;
} sh_writer_t;

void sh_writer_clear (sh_writer_t *self); /* keeps the memory */
void sh_writer_free (sh_writer_t *self);
void sh_writer_reserve (sh_writer_t *self, size_t more);
void sh_writer_bytes (sh_writer_t *self, const void *data, size_t size);
void sh_writer_u8 (sh_writer_t *self, uint8_t value);
void sh_writer_u16 (sh_writer_t *self, uint16_t value);
void sh_writer_u16_be (sh_writer_t *self, uint16_t value);
void sh_writer_u32 (sh_writer_t *self, uint32_t value);
void sh_writer_u32_be (sh_writer_t *self, uint32_t value);
void sh_writer_u64 (sh_writer_t *self, uint64_t value);
void sh_writer_uint (sh_writer_t *self, uint64_t value, size_t bytes);
/*  Overwrites 2 bytes at `at`, for a length known only after its content. */
void sh_writer_patch_u16 (sh_writer_t *self, size_t at, uint16_t value);
/*  Appends a NUL that does not count in size, so that data is a C string. */
const char *sh_writer_text (sh_writer_t *self);
/*  Hands the memory over, NUL-terminated; the writer is empty afterwards. */
char *sh_writer_release (sh_writer_t *self);

/*  malloc that never returns NULL; size 0 gives one byte. */
void *sh_wire_alloc (size_t size);

#endif
