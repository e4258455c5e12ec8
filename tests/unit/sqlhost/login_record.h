/*  tests/unit/sqlhost/login_record.h
 *  Builds LOGIN7 records (MS-TDS 2.2.6.4) for tests that need one of a certain shape. */
#ifndef SH_LOGIN_RECORD_H
#define SH_LOGIN_RECORD_H

#include "tests/sqlhost/tds/login.h"
#include "tests/sqlhost/tds/utf.h"

#include <string.h>

typedef struct {
    uint32_t version;
    uint32_t packet_size;
    uint8_t flags2;
    uint8_t flags3;
    const char *names[9]; /* host, user, password, app, server, (unused), library, language, db */
} login_record_t;

static inline void
login_record_build (const login_record_t *record, sh_writer_t *out)
{
    size_t fixed = record->version >= SH_TDS_72 ? 94 : 86;
    sh_writer_t body = {0};

    sh_writer_clear (out);
    sh_writer_u32 (out, 0);
    sh_writer_u32 (out, record->version);
    sh_writer_u32 (out, record->packet_size);
    sh_writer_u32 (out, 7);
    sh_writer_u32 (out, 4711);
    sh_writer_u32 (out, 0);
    sh_writer_u8 (out, 0xE0);
    sh_writer_u8 (out, record->flags2);
    sh_writer_u8 (out, 0);
    sh_writer_u8 (out, record->flags3);
    sh_writer_u64 (out, 0);
    for (size_t i = 0; i < 9; i++) {
        const char *name = record->names[i] ? record->names[i] : "";
        sh_writer_u16 (out, (uint16_t)(fixed + body.size));
        size_t start = body.size;
        size_t bytes = sh_utf_to_utf16 (&body, name, strlen (name));
        for (size_t k = start; i == 2 && k < body.size; k++)
            body.data[k] = (uint8_t)((body.data[k] << 4 | body.data[k] >> 4) ^ 0xA5);
        sh_writer_u16 (out, (uint16_t)(bytes / 2));
    }
    while (out->size < fixed)
        sh_writer_u8 (out, 0);
    sh_writer_bytes (out, body.data, body.size);
    sh_writer_patch_u16 (out, 0, (uint16_t)out->size);
    sh_writer_patch_u16 (out, 2, (uint16_t)(out->size >> 16));
    sh_writer_free (&body);
}

#endif
