#include "tests/sqlhost/engine/media.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/*  ---- chunks ---- */

static void
s_put_head (sh_bytes_t *out, const sh_chunk_t *chunk)
{
    sh_put (out, "SHCK", 4);
    sh_put_u8 (out, chunk->type);
    sh_put_u8 (out, chunk->deflated);
    sh_put_u16 (out, 0);
    sh_put_u32 (out, chunk->sequence);
    sh_put_u32 (out, chunk->stored);
    sh_put_u32 (out, chunk->raw);
    sh_put_u32 (out, chunk->crc);
}

static uint32_t
s_crc (const sh_chunk_t *chunk, const void *stored)
{
    sh_bytes_t head = {0};
    sh_chunk_t plain = *chunk;
    plain.crc = 0;
    s_put_head (&head, &plain);
    uLong crc = crc32 (0, head.data + 4, SH_CHUNK_HEAD - 4);
    if (chunk->stored)
        crc = crc32 (crc, stored, chunk->stored);
    sh_bytes_free (&head);
    return (uint32_t)crc;
}

void
sh_chunk_make (sh_bytes_t *out, uint8_t type, uint32_t sequence, bool deflate, const void *data,
               size_t size)
{
    sh_chunk_t chunk = {
        .type = type, .sequence = sequence, .raw = (uint32_t)size, .stored = (uint32_t)size};
    uint8_t *packed = NULL;
    if (deflate && size > 0) {
        uLongf packed_size = compressBound ((uLong)size);
        packed = sh_mem_alloc (packed_size);
        if (compress2 (packed, &packed_size, data, (uLong)size, 1) == Z_OK && packed_size < size) {
            chunk.deflated = true;
            chunk.stored = (uint32_t)packed_size;
        }
    }
    const void *stored = chunk.deflated ? packed : data;
    chunk.crc = s_crc (&chunk, stored);
    s_put_head (out, &chunk);
    sh_put (out, stored, chunk.stored);
    free (packed);
}

static sh_chunk_status_t
s_read_payload (FILE *file, const sh_chunk_t *chunk, sh_bytes_t *payload)
{
    uint8_t *stored = sh_mem_alloc ((size_t)chunk->stored + 1);
    sh_chunk_status_t status = SH_CHUNK_OK;
    payload->size = 0;
    if (fread (stored, 1, chunk->stored, file) != chunk->stored)
        status = SH_CHUNK_TORN;
    else if (s_crc (chunk, stored) != chunk->crc)
        status = SH_CHUNK_BAD;
    else if (!chunk->deflated)
        sh_put (payload, stored, chunk->stored);
    else {
        uLongf raw = chunk->raw;
        uint8_t *plain = sh_mem_alloc ((size_t)chunk->raw + 1);
        if (uncompress (plain, &raw, stored, chunk->stored) == Z_OK && raw == chunk->raw)
            sh_put (payload, plain, raw);
        else
            status = SH_CHUNK_BAD;
        free (plain);
    }
    free (stored);
    return status;
}

/*  Skipping asks where the file ends: fseek goes past it without a word. */
static sh_chunk_status_t
s_skip (FILE *file, uint32_t size)
{
    long at = ftell (file);
    if (at < 0 || fseek (file, 0, SEEK_END) != 0)
        return SH_CHUNK_BAD;
    long end = ftell (file);
    if (end - at < (long)size)
        return SH_CHUNK_TORN;
    return fseek (file, at + (long)size, SEEK_SET) == 0 ? SH_CHUNK_OK : SH_CHUNK_BAD;
}

sh_chunk_status_t
sh_chunk_read (FILE *file, sh_chunk_t *chunk, sh_bytes_t *payload)
{
    uint8_t head[SH_CHUNK_HEAD];
    size_t got = fread (head, 1, sizeof head, file);
    memset (chunk, 0, sizeof *chunk);
    if (got == 0)
        return SH_CHUNK_EOF;
    if (memcmp (head, "SHCK", got < 4 ? got : 4) != 0)
        return SH_CHUNK_BAD;
    if (got < sizeof head)
        return SH_CHUNK_TORN;
    sh_reader_t in = {.data = head, .size = sizeof head, .at = 4};
    chunk->type = sh_get_u8 (&in);
    chunk->deflated = sh_get_u8 (&in) != 0;
    sh_get_u16 (&in);
    chunk->sequence = sh_get_u32 (&in);
    chunk->stored = sh_get_u32 (&in);
    chunk->raw = sh_get_u32 (&in);
    chunk->crc = sh_get_u32 (&in);
    /*  A log record may be large, but never beyond what SQLite stores in a row. */
    if (chunk->stored > 1100000000 || chunk->raw > 1100000000)
        return SH_CHUNK_BAD;
    return payload ? s_read_payload (file, chunk, payload) : s_skip (file, chunk->stored);
}

/*  ---- headers ---- */

void
sh_media_put (sh_bytes_t *out, const sh_media_t *media)
{
    sh_put (out, media->guid, 16);
    sh_put_u8 (out, media->family_number);
    sh_put_u8 (out, media->family_count);
    sh_put_u8 (out, media->compressed);
}

static void
s_get_guid (sh_reader_t *in, uint8_t out[16])
{
    const void *data = sh_get (in, 16);
    if (data)
        memcpy (out, data, 16);
}

static bool
s_media_get (sh_reader_t *in, sh_media_t *media)
{
    s_get_guid (in, media->guid);
    media->family_number = sh_get_u8 (in);
    media->family_count = sh_get_u8 (in);
    media->compressed = sh_get_u8 (in) != 0;
    return !in->failed;
}

static unsigned
s_flags (const sh_backup_header_t *h)
{
    return (unsigned)(h->log | h->compressed << 1 | h->checksums << 2 | h->copy_only << 3 |
                      h->begins_log_chain << 4 | h->bulk_logged << 5 | h->read_only << 6 |
                      h->single_user << 7);
}

void
sh_header_put (sh_bytes_t *out, const sh_backup_header_t *h)
{
    sh_put_text (out, h->name);
    sh_put_text (out, h->description);
    sh_put_u16 (out, (uint16_t)s_flags (h));
    sh_put_u32 (out, (uint32_t)h->position);
    sh_put_text (out, h->user_name);
    sh_put_text (out, h->server_name);
    sh_put_text (out, h->machine_name);
    sh_put_text (out, h->database_name);
    sh_put_i64 (out, h->database_created);
    sh_put_i64 (out, h->started);
    sh_put_i64 (out, h->first_lsn);
    sh_put_i64 (out, h->checkpoint_lsn);
    sh_put_i64 (out, h->database_backup_lsn);
    sh_put_u32 (out, (uint32_t)h->compatibility);
    sh_put_text (out, h->collation);
    sh_put_text (out, h->recovery);
    sh_put (out, h->set_guid, 16);
    sh_put (out, h->media_guid, 16);
    sh_put (out, h->database_guid, 16);
    sh_put (out, h->family_guid, 16);
    sh_put (out, h->first_fork, 16);
    sh_put (out, h->last_fork, 16);
    sh_put_u8 (out, (uint8_t)h->family_number);
    sh_put_u8 (out, (uint8_t)h->family_count);
    sh_put_i64 (out, h->expires);
    sh_put_u32 (out, (uint32_t)h->block_size);
    sh_put_text (out, h->media_name);
    sh_put_text (out, h->media_description);
    sh_put_text (out, h->data_file);
    sh_put_text (out, h->log_file);
    sh_put_i64 (out, h->data_bytes);
    sh_put_i64 (out, h->log_bytes);
}

static void
s_get_string (sh_reader_t *in, char *out, size_t size)
{
    char *text = sh_get_text (in);
    sh_copy (out, size, text);
    free (text);
}

static bool
s_header_get (sh_reader_t *in, sh_backup_header_t *h)
{
    memset (h, 0, sizeof *h);
    s_get_string (in, h->name, sizeof h->name);
    s_get_string (in, h->description, sizeof h->description);
    unsigned flags = sh_get_u16 (in);
    h->log = flags & 1;
    h->compressed = flags >> 1 & 1;
    h->checksums = flags >> 2 & 1;
    h->copy_only = flags >> 3 & 1;
    h->begins_log_chain = flags >> 4 & 1;
    h->bulk_logged = flags >> 5 & 1;
    h->read_only = flags >> 6 & 1;
    h->single_user = flags >> 7 & 1;
    h->position = (int)sh_get_u32 (in);
    s_get_string (in, h->user_name, sizeof h->user_name);
    s_get_string (in, h->server_name, sizeof h->server_name);
    s_get_string (in, h->machine_name, sizeof h->machine_name);
    s_get_string (in, h->database_name, sizeof h->database_name);
    h->database_created = sh_get_i64 (in);
    h->started = sh_get_i64 (in);
    h->first_lsn = sh_get_i64 (in);
    h->checkpoint_lsn = sh_get_i64 (in);
    h->database_backup_lsn = sh_get_i64 (in);
    h->compatibility = (int)sh_get_u32 (in);
    s_get_string (in, h->collation, sizeof h->collation);
    s_get_string (in, h->recovery, sizeof h->recovery);
    s_get_guid (in, h->set_guid);
    s_get_guid (in, h->media_guid);
    s_get_guid (in, h->database_guid);
    s_get_guid (in, h->family_guid);
    s_get_guid (in, h->first_fork);
    s_get_guid (in, h->last_fork);
    h->family_number = sh_get_u8 (in);
    h->family_count = sh_get_u8 (in);
    h->expires = sh_get_i64 (in);
    h->block_size = (int)sh_get_u32 (in);
    s_get_string (in, h->media_name, sizeof h->media_name);
    s_get_string (in, h->media_description, sizeof h->media_description);
    s_get_string (in, h->data_file, sizeof h->data_file);
    s_get_string (in, h->log_file, sizeof h->log_file);
    h->data_bytes = sh_get_i64 (in);
    h->log_bytes = sh_get_i64 (in);
    return !in->failed && h->family_count > 0 && h->family_count <= SH_BACKUP_FILES_MAX;
}

void
sh_trailer_put (sh_bytes_t *out, const sh_backup_header_t *h, uint32_t chunks)
{
    sh_put (out, h->set_guid, 16);
    sh_put_i64 (out, h->finished);
    sh_put_i64 (out, h->last_lsn);
    sh_put_i64 (out, h->bytes);
    sh_put_i64 (out, h->stored_bytes);
    sh_put_u32 (out, chunks);
}

static bool
s_trailer_get (sh_reader_t *in, sh_set_t *set)
{
    uint8_t guid[16] = {0};
    s_get_guid (in, guid);
    set->header.finished = sh_get_i64 (in);
    set->header.last_lsn = sh_get_i64 (in);
    set->header.bytes = sh_get_i64 (in);
    set->header.stored_bytes = sh_get_i64 (in);
    set->chunks = sh_get_u32 (in);
    return !in->failed && memcmp (guid, set->header.set_guid, 16) == 0;
}

/*  ---- scanning ---- */

static bool
s_is_data (uint8_t type)
{
    return type == SH_CHUNK_CATALOG || type == SH_CHUNK_ROWS || type == SH_CHUNK_LOG;
}

/*  From behind H to its T. False: it is not there. */
static bool
s_find_trailer (FILE *file, sh_set_t *set)
{
    sh_chunk_t chunk;
    sh_bytes_t payload = {0};
    bool found = false;
    for (;;) {
        long at = ftell (file);
        if (sh_chunk_read (file, &chunk, NULL) != SH_CHUNK_OK)
            break;
        if (s_is_data (chunk.type))
            continue;
        if (chunk.type == SH_CHUNK_TRAILER && fseek (file, at, SEEK_SET) == 0 &&
            sh_chunk_read (file, &chunk, &payload) == SH_CHUNK_OK) {
            sh_reader_t in = {.data = payload.data, .size = payload.size};
            found = s_trailer_get (&in, set);
        }
        break;
    }
    sh_bytes_free (&payload);
    return found;
}

void
sh_media_scan (FILE *file, sh_scan_result_t *out)
{
    sh_chunk_t chunk;
    sh_bytes_t payload = {0};
    size_t capacity = 0;
    memset (out, 0, sizeof *out);
    rewind (file);
    sh_chunk_status_t status = sh_chunk_read (file, &chunk, &payload);
    sh_reader_t in = {.data = payload.data, .size = payload.size};
    out->empty = status == SH_CHUNK_EOF;
    out->torn = status == SH_CHUNK_TORN;
    out->foreign = status == SH_CHUNK_BAD ||
                   (status == SH_CHUNK_OK &&
                    (chunk.type != SH_CHUNK_MEDIA || !s_media_get (&in, &out->media)));
    bool going = status == SH_CHUNK_OK && !out->foreign;
    while (going) {
        status = sh_chunk_read (file, &chunk, &payload);
        if (status == SH_CHUNK_EOF)
            break;
        sh_set_t set = {0};
        in = (sh_reader_t){.data = payload.data, .size = payload.size};
        if (status != SH_CHUNK_OK || chunk.type != SH_CHUNK_HEADER ||
            !s_header_get (&in, &set.header)) {
            out->torn = true;
            break;
        }
        set.offset = ftell (file);
        going = s_find_trailer (file, &set);
        set.header.damaged = !going;
        out->torn |= !going;
        out->sets = sh_grow (out->sets, out->set_count, &capacity, sizeof *out->sets);
        out->sets[out->set_count++] = set;
    }
    sh_bytes_free (&payload);
}

void
sh_media_scan_free (sh_scan_result_t *result)
{
    free (result->sets);
    result->sets = NULL;
}

/*  ---- reading a set ---- */

static sh_status_t
s_set_error (const sh_stripe_t *stripe, sh_chunk_status_t status, sh_error_t *error)
{
    if (status == SH_CHUNK_BAD)
        return sh_fail (error, 3189, 16, 1,
                        "Damage to the backup set was detected: file '%s', position %d.",
                        stripe->path, stripe->set.header.position);
    return sh_fail (error, 3256, 16, 1,
                    "The backup set on file '%s' was terminated while it was being created and is "
                    "incomplete.",
                    stripe->path);
}

static sh_status_t
s_read_chunks (const sh_stripe_t *stripes, size_t count, FILE **files,
               bool (*each) (void *arg, uint8_t type, const void *data, size_t size), void *arg,
               sh_error_t *error)
{
    sh_bytes_t payload = {0};
    sh_status_t status = SH_OK;
    for (uint32_t n = 0; n < stripes[0].set.chunks && status == SH_OK; n++) {
        const sh_stripe_t *stripe = &stripes[n % count];
        sh_chunk_t chunk;
        sh_chunk_status_t read = sh_chunk_read (files[n % count], &chunk, &payload);
        if (read == SH_CHUNK_OK && (chunk.sequence != n || !s_is_data (chunk.type)))
            read = SH_CHUNK_BAD;
        if (read != SH_CHUNK_OK)
            status = s_set_error (stripe, read, error);
        else if (!each (arg, chunk.type, payload.data, payload.size))
            status = SH_END;
    }
    sh_bytes_free (&payload);
    return status;
}

sh_status_t
sh_set_read (const sh_stripe_t *stripes, size_t count,
             bool (*each) (void *arg, uint8_t type, const void *data, size_t size), void *arg,
             sh_error_t *error)
{
    FILE *files[SH_BACKUP_FILES_MAX] = {NULL};
    sh_status_t status = SH_OK;
    sh_require (count > 0 && count <= SH_BACKUP_FILES_MAX);
    for (size_t i = 0; i < count && status == SH_OK; i++) {
        if (stripes[i].set.header.damaged) {
            status = s_set_error (&stripes[i], SH_CHUNK_TORN, error);
            break;
        }
        files[i] = fopen (stripes[i].local, "rbe");
        if (!files[i] || fseek (files[i], stripes[i].set.offset, SEEK_SET) != 0) {
            char os[256];
            sh_os_error_of (stripes[i].local, errno, os, sizeof os);
            status = sh_fail (error, 3201, 16, 2,
                              "Cannot open backup device '%s'. Operating system error %s.",
                              stripes[i].path, os);
        }
    }
    if (status == SH_OK)
        status = s_read_chunks (stripes, count, files, each, arg, error);
    for (size_t i = 0; i < count; i++)
        if (files[i])
            fclose (files[i]);
    return status;
}
