/*  tests/sqlhost/tds/login.c */
#include "tests/sqlhost/tds/login.h"

#include "tests/sqlhost/tds/limits.h"
#include "tests/sqlhost/tds/utf.h"

#include <stdlib.h>
#include <string.h>

/*  2.2.6.5 PL_OPTION_TOKEN */
enum {
    PRELOGIN_VERSION = 0,
    PRELOGIN_ENCRYPTION = 1,
    PRELOGIN_INSTANCE = 2,
    PRELOGIN_THREAD = 3,
    PRELOGIN_MARS = 4,
    PRELOGIN_END = 0xFF
};

static bool
s_bad (const char **why, const char *reason)
{
    *why = reason;
    return false;
}

bool
sh_prelogin_parse (const uint8_t *data, size_t size, sh_prelogin_t *prelogin, const char **why)
{
    sh_reader_t reader = sh_reader_make (data, size);

    *prelogin = (sh_prelogin_t){0};
    if (size > SH_LIMIT_PRELOGIN)
        return s_bad (why, "PRELOGIN is longer than the limit");
    for (size_t count = 0;; count++) {
        uint8_t token = sh_reader_u8 (&reader);
        if (reader.failed)
            return s_bad (why, "PRELOGIN has no terminator");
        if (token == PRELOGIN_END)
            return true;
        size_t offset = sh_reader_u16_be (&reader);
        size_t length = sh_reader_u16_be (&reader);
        if (reader.failed || count == SH_LIMIT_PRELOGIN_OPT)
            return s_bad (why, "PRELOGIN's list of options is cut or too long");
        if (offset > size || length > size - offset)
            return s_bad (why, "a PRELOGIN option lies outside the message");
        if (token == PRELOGIN_ENCRYPTION && length == 1) {
            prelogin->has_encryption = true;
            prelogin->encryption = data[offset];
        } else if (token == PRELOGIN_MARS && length == 1) {
            prelogin->has_mars = true;
            prelogin->mars = data[offset];
        } else if (token == PRELOGIN_THREAD)
            prelogin->has_thread_id = true;
    }
}

static void
s_prelogin_option (sh_writer_t *out, uint8_t token, size_t offset, size_t length)
{
    sh_writer_u8 (out, token);
    sh_writer_u16_be (out, (uint16_t)offset);
    sh_writer_u16_be (out, (uint16_t)length);
}

uint8_t
sh_prelogin_encryption (const sh_prelogin_t *client, bool available, bool forced)
{
    if (!available)
        return SH_ENCRYPT_NOT_SUP;
    if (client->has_encryption &&
        (client->encryption == SH_ENCRYPT_ON || client->encryption == SH_ENCRYPT_REQ))
        return SH_ENCRYPT_ON;
    if (forced)
        return SH_ENCRYPT_REQ;
    return client->has_encryption && client->encryption == SH_ENCRYPT_OFF ? SH_ENCRYPT_OFF
                                                                          : SH_ENCRYPT_NOT_SUP;
}

void
sh_prelogin_answer (sh_writer_t *out, uint8_t encryption)
{
    static const uint8_t version[6] = {15, 0, 0x11, 0x3F, 0, 0}; /* 15.0.4415, as @@VERSION says */
    const size_t start = 5 * 5 + 1;

    s_prelogin_option (out, PRELOGIN_VERSION, start, 6);
    s_prelogin_option (out, PRELOGIN_ENCRYPTION, start + 6, 1);
    s_prelogin_option (out, PRELOGIN_INSTANCE, start + 7, 1);
    s_prelogin_option (out, PRELOGIN_THREAD, start + 8, 0);
    s_prelogin_option (out, PRELOGIN_MARS, start + 8, 1);
    sh_writer_u8 (out, PRELOGIN_END);
    sh_writer_bytes (out, version, sizeof version);
    sh_writer_u8 (out, encryption);
    sh_writer_u8 (out, 0); /* the instance name is right */
    sh_writer_u8 (out, 0); /* no MARS */
}

/*  ---- LOGIN7 ---- */

/*  OptionFlags2, OptionFlags3 */
enum { FLAG2_INTEGRATED = 0x80, FLAG3_CHANGE_PASSWORD = 0x01, FLAG3_EXTENSION = 0x10 };

/*  Where the fixed part ends, 7.1 and from 7.2 on. */
enum { LOGIN_FIXED_71 = 86, LOGIN_FIXED_72 = 94 };

typedef struct {
    const uint8_t *data;
    size_t size;
    size_t fixed; /* nothing variable may lie before this */
} s_record_t;

/*  The session speaks the client's version, or our highest when the client knows a higher one. */
static uint32_t
s_spoken_version (uint32_t asked)
{
    switch (asked >> 24) {
        case 0x71:
            return SH_TDS_71;
        case 0x72:
            return SH_TDS_72;
        case 0x73:
            return SH_TDS_73;
        default:
            return asked >> 24 >= 0x74 ? SH_TDS_74 : asked;
    }
}

/*  Finds the field whose offset and length stand at `entry`; length in characters of `unit`
 *  bytes. */
static bool
s_field (const s_record_t *record, size_t entry, size_t unit, size_t limit, const uint8_t **data,
         size_t *size)
{
    size_t offset = (size_t)(record->data[entry] | record->data[entry + 1] << 8);
    size_t length = (size_t)(record->data[entry + 2] | record->data[entry + 3] << 8);

    if (length > limit)
        return false;
    *size = length * unit;
    *data = record->data;
    if (length == 0)
        return true;
    if (offset < record->fixed || offset > record->size || *size > record->size - offset)
        return false;
    *data = record->data + offset;
    return true;
}

static bool
s_name (const s_record_t *record, size_t entry, char **text)
{
    const uint8_t *data;
    size_t size;
    sh_writer_t out = {0};

    if (!s_field (record, entry, 2, SH_LIMIT_LOGIN_NAME, &data, &size))
        return false;
    sh_utf_from_utf16 (&out, data, size);
    size_t written = out.size;
    *text = sh_writer_release (&out);
    return strlen (*text) == written; /* a NUL inside a name is nobody's honest name */
}

/*  2.2.6.4: each byte has its halves swapped, then is XORed with 0xA5. */
static bool
s_password (const s_record_t *record, size_t entry, char **text)
{
    const uint8_t *data;
    size_t size;
    uint8_t plain[SH_LIMIT_LOGIN_NAME * 2];
    sh_writer_t out = {0};

    if (!s_field (record, entry, 2, SH_LIMIT_LOGIN_NAME, &data, &size))
        return false;
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = data[i] ^ 0xA5;
        plain[i] = (uint8_t)(byte << 4 | byte >> 4);
    }
    /*  Room for the longest form first, so that no copy is left behind by a growing buffer. */
    sh_writer_reserve (&out, SH_LIMIT_LOGIN_NAME * 4 + 1);
    sh_utf_from_utf16 (&out, plain, size);
    explicit_bzero (plain, sizeof plain);
    size_t written = out.size;
    *text = sh_writer_release (&out);
    return strlen (*text) == written;
}

static bool
s_names (const s_record_t *record, sh_login7_t *login)
{
    const uint8_t *data;
    size_t size;

    return s_name (record, 36, &login->host_name) && s_name (record, 40, &login->user) &&
           s_password (record, 44, &login->password) && s_name (record, 48, &login->app_name) &&
           s_name (record, 52, &login->server_name) &&
           s_field (record, 56, 1, SH_LIMIT_LOGIN_BYTES, &data, &size) &&
           s_name (record, 60, &login->library) && s_name (record, 64, &login->language) &&
           s_name (record, 68, &login->database) &&
           s_field (record, 78, 1, SH_LIMIT_LOGIN_BYTES, &data, &size) &&
           s_field (record, 82, 2, 260, &data, &size);
}

bool
sh_login7_parse (const uint8_t *data, size_t size, sh_login7_t *login, const char **why)
{
    sh_reader_t reader = sh_reader_make (data, size);

    *login = (sh_login7_t){0};
    if (size > SH_LIMIT_LOGIN_BYTES)
        return s_bad (why, "LOGIN7 is longer than the limit");
    uint32_t length = sh_reader_u32 (&reader);
    login->asked_version = sh_reader_u32 (&reader);
    login->packet_size = sh_reader_u32 (&reader);
    sh_reader_u32 (&reader); /* client program version */
    login->client_pid = sh_reader_u32 (&reader);
    sh_reader_u32 (&reader); /* connection id */
    sh_reader_u8 (&reader);
    uint8_t flags2 = sh_reader_u8 (&reader);
    sh_reader_u8 (&reader);
    uint8_t flags3 = sh_reader_u8 (&reader);
    login->tds_version = s_spoken_version (login->asked_version);
    size_t fixed = login->tds_version >= SH_TDS_72 ? LOGIN_FIXED_72 : LOGIN_FIXED_71;
    if (reader.failed || size < fixed || length < fixed || length > size)
        return s_bad (why, "LOGIN7 is shorter than it says");
    login->integrated = flags2 & FLAG2_INTEGRATED;
    login->change_password = flags3 & FLAG3_CHANGE_PASSWORD;
    login->extension = login->tds_version >= SH_TDS_74 && flags3 & FLAG3_EXTENSION;
    s_record_t record = {.data = data, .size = length, .fixed = fixed};
    if (!s_names (&record, login)) {
        sh_login7_free (login);
        return s_bad (why, "a field of LOGIN7 lies outside the record or is too long");
    }
    return true;
}

void
sh_login7_free (sh_login7_t *login)
{
    free (login->host_name);
    free (login->user);
    if (login->password)
        explicit_bzero (login->password, strlen (login->password));
    free (login->password);
    free (login->app_name);
    free (login->server_name);
    free (login->library);
    free (login->language);
    free (login->database);
    *login = (sh_login7_t){0};
}
