/*  tests/sqlhost/engine/media.h
 *  The container of backup files: chunks, sets, stripes. Our own format, not Microsoft's tape
 *  format.
 *
 *      file    one M chunk (media set), then backup sets one after another
 *      set     H (header), then C (catalog), R (rows), L (log records) in any number, then T
 *              (trailer)
 *      chunk   "SHCK", type, flags (1 = deflated), 0, 0, sequence, stored size, raw size,
 *              CRC-32 of everything after "SHCK" (its own field as 0) and of the stored bytes
 *
 *  Numbers are little endian, 32 bits where nothing is said. A set over several files (stripes)
 *  has H and T in each of them; chunk n of the data is in file n modulo the number of files. A
 *  set without its T was torn off while it was written. */
#ifndef SH_ENGINE_MEDIA_H
#define SH_ENGINE_MEDIA_H

#include <stdio.h>

#include "tests/sqlhost/engine/backup.h"
#include "tests/sqlhost/engine/memory.h"
#include "tests/sqlhost/engine/path.h"

enum {
    SH_CHUNK_MEDIA = 'M',
    SH_CHUNK_HEADER = 'H',
    SH_CHUNK_CATALOG = 'C',
    SH_CHUNK_ROWS = 'R',
    SH_CHUNK_LOG = 'L',
    SH_CHUNK_TRAILER = 'T'
};

enum { SH_CHUNK_HEAD = 24, SH_CHUNK_RAW = 65536 };

typedef struct {
    uint8_t type;
    bool deflated;
    uint32_t sequence, stored, raw, crc;
} sh_chunk_t;

/*  Head and payload of one chunk, ready to be written. */
void sh_chunk_make (sh_bytes_t *out, uint8_t type, uint32_t sequence, bool deflate,
                    const void *data, size_t size);

typedef enum {
    SH_CHUNK_OK,
    SH_CHUNK_EOF,  /* the file ends before this chunk */
    SH_CHUNK_TORN, /* it ends inside it */
    SH_CHUNK_BAD   /* not a chunk, or a wrong checksum */
} sh_chunk_status_t;

/*  Reads the next chunk; payload NULL: skips the bytes unchecked. */
sh_chunk_status_t sh_chunk_read (FILE *file, sh_chunk_t *chunk, sh_bytes_t *payload);

typedef struct {
    uint8_t guid[16];
    uint8_t family_number, family_count;
    bool compressed;
} sh_media_t;

void sh_media_put (sh_bytes_t *out, const sh_media_t *media);

typedef struct {
    sh_backup_header_t header;
    long offset;     /* of the chunk behind H */
    uint32_t chunks; /* data chunks of this set in all files; from the trailer */
} sh_set_t;

typedef struct {
    sh_media_t media;
    sh_set_t *sets;
    size_t set_count;
    bool torn; /* bytes behind the last whole set, or a set without its end */
    bool empty;
    bool foreign; /* does not begin with an M chunk */
} sh_scan_result_t;

/*  Looks through an open file without reading the data. */
void sh_media_scan (FILE *file, sh_scan_result_t *out);
void sh_media_scan_free (sh_scan_result_t *result);

void sh_header_put (sh_bytes_t *out, const sh_backup_header_t *header);
void sh_trailer_put (sh_bytes_t *out, const sh_backup_header_t *header, uint32_t chunks);

/*  One stripe of a set to be read. */
typedef struct {
    const char *path;  /* as it is called in messages */
    const char *local; /* where it is */
    sh_set_t set;
} sh_stripe_t;

/*  Reads a whole set in the order of its chunks, checking all of it; stripes must be all of
 *  them, by family number. False from each ends it (SH_END). SH_ERROR: 3201, 3203, 3256, 3189. */
sh_status_t sh_set_read (const sh_stripe_t *stripes, size_t count,
                         bool (*each) (void *arg, uint8_t type, const void *data, size_t size),
                         void *arg, sh_error_t *error);

#endif
