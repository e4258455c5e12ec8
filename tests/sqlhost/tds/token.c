/*  tests/sqlhost/tds/token.c */
#include "tests/sqlhost/tds/token.h"

#include "tests/sqlhost/tds/encode.h"
#include "tests/sqlhost/tds/limits.h"
#include "tests/sqlhost/tds/login.h"
#include "tests/sqlhost/tds/utf.h"

#include <string.h>

enum {
    TOKEN_RETURNSTATUS = 0x79,
    TOKEN_COLMETADATA = 0x81,
    TOKEN_ERROR = 0xAA,
    TOKEN_INFO = 0xAB,
    TOKEN_RETURNVALUE = 0xAC,
    TOKEN_LOGINACK = 0xAD,
    TOKEN_FEATUREEXTACK = 0xAE,
    TOKEN_ROW = 0xD1,
    TOKEN_ENVCHANGE = 0xE3
};

/*  Appends at most `limit` UTF-16 units of the text and gives how many; no pair is cut in two. */
static size_t
s_put_text (sh_writer_t *out, const char *text, size_t limit)
{
    size_t start = out->size;
    size_t units = sh_utf_to_utf16 (out, text ? text : "", text ? strlen (text) : 0) / 2;

    if (units <= limit)
        return units;
    units = limit;
    if (units > 0 && (out->data[start + units * 2 - 1] & 0xFC) == 0xD8)
        units--;
    out->size = start + units * 2;
    return units;
}

/*  2.2.5.1.3: B_VARCHAR and US_VARCHAR, a length in characters before the text. */
static void
s_put_b_varchar (sh_writer_t *out, const char *text, size_t limit)
{
    size_t at = out->size;

    sh_writer_u8 (out, 0);
    size_t units = s_put_text (out, text, limit);
    out->data[at] = (uint8_t)units;
}

static void
s_put_us_varchar (sh_writer_t *out, const char *text, size_t limit)
{
    size_t at = out->size;

    sh_writer_u16 (out, 0);
    size_t units = s_put_text (out, text, limit);
    sh_writer_patch_u16 (out, at, (uint16_t)units);
}

/*  A token whose length of two bytes follows its type: where to patch it. */
static size_t
s_open (sh_writer_t *out, uint8_t token)
{
    sh_writer_u8 (out, token);
    sh_writer_u16 (out, 0);
    return out->size;
}

static void
s_close (sh_writer_t *out, size_t start)
{
    sh_writer_patch_u16 (out, start - 2, (uint16_t)(out->size - start));
}

static void
s_put_user_type (sh_writer_t *out, uint32_t version, const sh_type_t *type)
{
    uint32_t user_type = type->id == SH_TYPE_TIMESTAMP ? 0x50 : 0;

    sh_writer_uint (out, user_type, version >= SH_TDS_72 ? 4 : 2);
}

/*  2.2.7.4 COLMETADATA: Flags */
enum { FLAG_NULLABLE = 0x01, FLAG_UPDATE_UNKNOWN = 0x08, FLAG_IDENTITY = 0x10 };

void
sh_token_columns (sh_writer_t *out, uint32_t version, const sh_sink_column_t *columns, size_t count)
{
    sh_writer_u8 (out, TOKEN_COLMETADATA);
    sh_writer_u16 (out, (uint16_t)count);
    for (size_t i = 0; i < count; i++) {
        unsigned flags = FLAG_UPDATE_UNKNOWN;
        if (columns[i].nullable)
            flags |= FLAG_NULLABLE;
        if (columns[i].identity)
            flags |= FLAG_IDENTITY;
        s_put_user_type (out, version, &columns[i].type);
        sh_writer_u16 (out, (uint16_t)flags);
        sh_encode_type (out, version, SH_PLACE_COLUMN, &columns[i].type);
        if (sh_encode_has_table_name (version, &columns[i].type)) {
            /*  From 7.2 on a count of name parts; before, one name. Both empty. */
            if (version >= SH_TDS_72)
                sh_writer_u8 (out, 0);
            else
                sh_writer_u16 (out, 0);
        }
        s_put_b_varchar (out, columns[i].name, 128);
    }
}

bool
sh_token_row (sh_writer_t *out, uint32_t version, const sh_type_t *types, const sh_value_t *values,
              size_t count, size_t *bad)
{
    size_t start = out->size;

    sh_writer_u8 (out, TOKEN_ROW);
    for (size_t i = 0; i < count; i++)
        if (!sh_encode_value (out, version, SH_PLACE_COLUMN, &types[i], &values[i])) {
            out->size = start;
            *bad = i;
            return false;
        }
    return true;
}

void
sh_token_done (sh_writer_t *out, uint32_t version, uint8_t token, uint16_t status, uint16_t command,
               uint64_t row_count)
{
    sh_writer_u8 (out, token);
    sh_writer_u16 (out, status);
    sh_writer_u16 (out, command);
    sh_writer_uint (out, row_count, version >= SH_TDS_72 ? 8 : 4);
}

void
sh_token_message (sh_writer_t *out, uint32_t version, const sh_message_t *message,
                  const char *server_name)
{
    size_t start = s_open (out, message->severity > 10 ? TOKEN_ERROR : TOKEN_INFO);

    sh_writer_u32 (out, (uint32_t)message->number);
    sh_writer_u8 (out, message->state);
    sh_writer_u8 (out, message->severity);
    s_put_us_varchar (out, message->text, SH_LIMIT_MESSAGE_TEXT);
    s_put_b_varchar (out, message->server ? message->server : server_name, 128);
    s_put_b_varchar (out, message->procedure, 128);
    if (version >= SH_TDS_72)
        sh_writer_u32 (out, message->line);
    else
        sh_writer_u16 (out, message->line > UINT16_MAX ? UINT16_MAX : (uint16_t)message->line);
    s_close (out, start);
}

void
sh_token_return_status (sh_writer_t *out, int32_t status)
{
    sh_writer_u8 (out, TOKEN_RETURNSTATUS);
    sh_writer_u32 (out, (uint32_t)status);
}

/*  2.2.7.19 RETURNVALUE */
bool
sh_token_return_value (sh_writer_t *out, uint32_t version, uint16_t ordinal, const char *name,
                       const sh_type_t *type, const sh_value_t *value)
{
    size_t start = out->size;

    sh_writer_u8 (out, TOKEN_RETURNVALUE);
    sh_writer_u16 (out, ordinal);
    s_put_b_varchar (out, name, 128);
    sh_writer_u8 (out, 1); /* an OUTPUT parameter, not a function's result */
    s_put_user_type (out, version, type);
    sh_writer_u16 (out, FLAG_NULLABLE);
    sh_encode_type (out, version, SH_PLACE_RETURN, type);
    if (sh_encode_value (out, version, SH_PLACE_RETURN, type, value))
        return true;
    out->size = start;
    return false;
}

void
sh_token_env_text (sh_writer_t *out, uint8_t type, const char *now, const char *before)
{
    size_t start = s_open (out, TOKEN_ENVCHANGE);

    sh_writer_u8 (out, type);
    s_put_b_varchar (out, now, 255);
    s_put_b_varchar (out, before, 255);
    s_close (out, start);
}

void
sh_token_env_collation (sh_writer_t *out)
{
    size_t start = s_open (out, TOKEN_ENVCHANGE);

    sh_writer_u8 (out, SH_ENV_COLLATION);
    sh_writer_u8 (out, sizeof sh_encode_collation);
    sh_writer_bytes (out, sh_encode_collation, sizeof sh_encode_collation);
    sh_writer_u8 (out, 0);
    s_close (out, start);
}

/*  A beginning has a new value, an end an old one. */
void
sh_token_env_transaction (sh_writer_t *out, sh_tran_t what, uint64_t id)
{
    size_t start = s_open (out, TOKEN_ENVCHANGE);

    sh_writer_u8 (out, (uint8_t)what);
    if (what != SH_TRAN_BEGUN)
        sh_writer_u8 (out, 0);
    sh_writer_u8 (out, 8);
    sh_writer_u64 (out, id);
    if (what == SH_TRAN_BEGUN)
        sh_writer_u8 (out, 0);
    s_close (out, start);
}

void
sh_token_env_reset (sh_writer_t *out)
{
    size_t start = s_open (out, TOKEN_ENVCHANGE);

    sh_writer_u8 (out, SH_ENV_RESET);
    sh_writer_u8 (out, 0);
    sh_writer_u8 (out, 0);
    s_close (out, start);
}

/*  2.2.7.14 LOGINACK. Clients look at the program's name to tell SQL Server from Sybase. */
void
sh_token_login_ack (sh_writer_t *out, uint32_t version)
{
    static const uint8_t program_version[4] = {15, 0, 0x11, 0x3F};
    size_t start = s_open (out, TOKEN_LOGINACK);

    sh_writer_u8 (out, 1);
    sh_writer_u32_be (out, version);
    s_put_b_varchar (out, "Microsoft SQL Server", 255);
    sh_writer_bytes (out, program_version, sizeof program_version);
    s_close (out, start);
}

void
sh_token_feature_ack (sh_writer_t *out)
{
    sh_writer_u8 (out, TOKEN_FEATUREEXTACK);
    sh_writer_u8 (out, 0xFF);
}
