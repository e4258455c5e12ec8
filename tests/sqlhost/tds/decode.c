/*  tests/sqlhost/tds/decode.c */
#include "tests/sqlhost/tds/decode.h"

#include "tests/sqlhost/tds/limits.h"
#include "tests/sqlhost/tds/login.h"
#include "tests/sqlhost/tds/number.h"
#include "tests/sqlhost/tds/utf.h"
#include "tests/sqlhost/tds/wiretype.h"

#include <stdlib.h>
#include <string.h>

/*  ---- TYPE_INFO ---- */

static sh_decode_t
s_simple (sh_decode_type_t *type, sh_type_id_t id, uint32_t bytes)
{
    type->type.id = id;
    type->max = bytes;
    return SH_DECODE_OK;
}

/*  2.2.5.4.1 fixed-length types: the token alone says all. */
static bool
s_fixed_type (sh_decode_type_t *type)
{
    static const struct {
        uint8_t token;
        sh_type_id_t id;
        uint32_t bytes;
    } table[] = {{SH_WIRE_NULL, SH_TYPE_NVARCHAR, 0},
                 {SH_WIRE_INT1, SH_TYPE_TINYINT, 1},
                 {SH_WIRE_BIT, SH_TYPE_BIT, 1},
                 {SH_WIRE_INT2, SH_TYPE_SMALLINT, 2},
                 {SH_WIRE_INT4, SH_TYPE_INT, 4},
                 {SH_WIRE_INT8, SH_TYPE_BIGINT, 8},
                 {SH_WIRE_FLT4, SH_TYPE_REAL, 4},
                 {SH_WIRE_FLT8, SH_TYPE_FLOAT, 8},
                 {SH_WIRE_MONEY4, SH_TYPE_SMALLMONEY, 4},
                 {SH_WIRE_MONEY, SH_TYPE_MONEY, 8},
                 {SH_WIRE_DATETIM4, SH_TYPE_SMALLDATETIME, 4},
                 {SH_WIRE_DATETIME, SH_TYPE_DATETIME, 8}};

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].token == type->token) {
            s_simple (type, table[i].id, table[i].bytes);
            return true;
        }
    return false;
}

/*  2.2.5.4.2: one byte of length, which chooses among the sizes of one kind. */
static sh_decode_t
s_sized_type (sh_reader_t *in, sh_decode_type_t *type)
{
    uint8_t size = sh_reader_u8 (in);

    switch (type->token << 8 | size) {
        case SH_WIRE_INTN << 8 | 1:
            return s_simple (type, SH_TYPE_TINYINT, 1);
        case SH_WIRE_INTN << 8 | 2:
            return s_simple (type, SH_TYPE_SMALLINT, 2);
        case SH_WIRE_INTN << 8 | 4:
            return s_simple (type, SH_TYPE_INT, 4);
        case SH_WIRE_INTN << 8 | 8:
            return s_simple (type, SH_TYPE_BIGINT, 8);
        case SH_WIRE_BITN << 8 | 1:
            return s_simple (type, SH_TYPE_BIT, 1);
        case SH_WIRE_FLTN << 8 | 4:
            return s_simple (type, SH_TYPE_REAL, 4);
        case SH_WIRE_FLTN << 8 | 8:
            return s_simple (type, SH_TYPE_FLOAT, 8);
        case SH_WIRE_MONEYN << 8 | 4:
            return s_simple (type, SH_TYPE_SMALLMONEY, 4);
        case SH_WIRE_MONEYN << 8 | 8:
            return s_simple (type, SH_TYPE_MONEY, 8);
        case SH_WIRE_DATETIMN << 8 | 4:
            return s_simple (type, SH_TYPE_SMALLDATETIME, 4);
        case SH_WIRE_DATETIMN << 8 | 8:
            return s_simple (type, SH_TYPE_DATETIME, 8);
        case SH_WIRE_GUID << 8 | 16:
        case SH_WIRE_GUID << 8 | 0: /* FreeTDS's NULL */
            return s_simple (type, SH_TYPE_UNIQUEIDENTIFIER, 16);
        default:
            return SH_DECODE_MALFORMED;
    }
}

static sh_decode_t
s_numeric_type (sh_reader_t *in, sh_decode_type_t *type)
{
    type->max = sh_reader_u8 (in);
    type->type.id = SH_TYPE_NUMERIC;
    type->type.precision = sh_reader_u8 (in);
    type->type.scale = sh_reader_u8 (in);
    if (in->failed || type->type.precision < 1 || type->type.precision > 38 ||
        type->type.scale > type->type.precision || type->max > 17)
        return SH_DECODE_MALFORMED;
    return SH_DECODE_OK;
}

static sh_decode_t
s_time_type (sh_reader_t *in, sh_decode_type_t *type, sh_type_id_t id, uint32_t day_bytes)
{
    type->type.scale = id == SH_TYPE_DATE ? 0 : sh_reader_u8 (in);
    if (in->failed || type->type.scale > 7)
        return SH_DECODE_MALFORMED;
    return s_simple (type, id, day_bytes + (id == SH_TYPE_DATE ? 0u : 5u));
}

/*  The older string types: one byte of length. */
static sh_decode_t
s_old_string_type (sh_reader_t *in, sh_decode_type_t *type, sh_type_id_t id)
{
    uint32_t max = sh_reader_u8 (in);

    type->type.size = max > 0 ? (int32_t)max : 1;
    return s_simple (type, id, max);
}

static sh_decode_t
s_string_type (sh_reader_t *in, uint32_t version, sh_decode_type_t *type, sh_type_id_t id)
{
    bool bytes = id == SH_TYPE_VARBINARY || id == SH_TYPE_BINARY;
    bool wide = id == SH_TYPE_NVARCHAR || id == SH_TYPE_NCHAR;
    bool variable = id == SH_TYPE_VARBINARY || id == SH_TYPE_VARCHAR || id == SH_TYPE_NVARCHAR;
    uint32_t max = sh_reader_u16 (in);

    if (!bytes)
        sh_reader_take (in, 5); /* collation */
    type->chunks = max == 0xFFFF && variable && version >= SH_TDS_72;
    if (type->chunks)
        type->type.size = SH_MAX;
    else if (max > SH_LIMIT_SHORT_BYTES || (wide && max % 2 != 0))
        return SH_DECODE_MALFORMED;
    else
        type->type.size = max > 1 ? (int32_t)(wide ? max / 2 : max) : 1;
    return s_simple (type, id, max);
}

static sh_decode_t
s_long_type (sh_reader_t *in, sh_decode_type_t *type, sh_type_id_t id)
{
    uint32_t max = sh_reader_u32 (in);

    if (id != SH_TYPE_IMAGE)
        sh_reader_take (in, 5);
    return s_simple (type, id, max);
}

static sh_decode_t
s_xml_type (sh_reader_t *in, sh_decode_type_t *type)
{
    if (sh_reader_u8 (in) != 0) { /* names of a schema collection: passed over */
        sh_reader_take (in, (size_t)sh_reader_u8 (in) * 2);
        sh_reader_take (in, (size_t)sh_reader_u8 (in) * 2);
        sh_reader_take (in, (size_t)sh_reader_u16 (in) * 2);
    }
    type->chunks = true;
    return s_simple (type, SH_TYPE_XML, 0);
}

static sh_decode_t
s_type (sh_reader_t *in, uint32_t version, sh_decode_type_t *type)
{
    switch (type->token) {
        case SH_WIRE_INTN:
        case SH_WIRE_BITN:
        case SH_WIRE_FLTN:
        case SH_WIRE_MONEYN:
        case SH_WIRE_DATETIMN:
        case SH_WIRE_GUID:
            return s_sized_type (in, type);
        case SH_WIRE_DECIMAL:
        case SH_WIRE_NUMERIC:
        case SH_WIRE_DECIMALN:
        case SH_WIRE_NUMERICN:
            return s_numeric_type (in, type);
        case SH_WIRE_DATEN:
            return s_time_type (in, type, SH_TYPE_DATE, 3);
        case SH_WIRE_TIMEN:
            return s_time_type (in, type, SH_TYPE_TIME, 0);
        case SH_WIRE_DATETIME2N:
            return s_time_type (in, type, SH_TYPE_DATETIME2, 3);
        case SH_WIRE_OLD_CHAR:
            return s_old_string_type (in, type, SH_TYPE_CHAR);
        case SH_WIRE_OLD_VARCHAR:
            return s_old_string_type (in, type, SH_TYPE_VARCHAR);
        case SH_WIRE_OLD_BINARY:
            return s_old_string_type (in, type, SH_TYPE_BINARY);
        case SH_WIRE_OLD_VARBINARY:
            return s_old_string_type (in, type, SH_TYPE_VARBINARY);
        case SH_WIRE_CHAR:
            return s_string_type (in, version, type, SH_TYPE_CHAR);
        case SH_WIRE_VARCHAR:
            return s_string_type (in, version, type, SH_TYPE_VARCHAR);
        case SH_WIRE_NCHAR:
            return s_string_type (in, version, type, SH_TYPE_NCHAR);
        case SH_WIRE_NVARCHAR:
            return s_string_type (in, version, type, SH_TYPE_NVARCHAR);
        case SH_WIRE_BINARY:
            return s_string_type (in, version, type, SH_TYPE_BINARY);
        case SH_WIRE_VARBINARY:
            return s_string_type (in, version, type, SH_TYPE_VARBINARY);
        case SH_WIRE_TEXT:
            return s_long_type (in, type, SH_TYPE_TEXT);
        case SH_WIRE_NTEXT:
            return s_long_type (in, type, SH_TYPE_NTEXT);
        case SH_WIRE_IMAGE:
            return s_long_type (in, type, SH_TYPE_IMAGE);
        case SH_WIRE_XML:
            return s_xml_type (in, type);
        default:
            return SH_DECODE_UNKNOWN_TYPE;
    }
}

sh_decode_t
sh_decode_type (sh_reader_t *in, uint32_t version, sh_decode_type_t *type)
{
    *type = (sh_decode_type_t){.token = sh_reader_u8 (in)};
    if (in->failed)
        return SH_DECODE_MALFORMED;
    if (s_fixed_type (type))
        return SH_DECODE_OK;
    sh_decode_t result = s_type (in, version, type);
    return in->failed ? SH_DECODE_MALFORMED : result;
}

/*  ---- values ---- */

static void
s_own_text (sh_value_t *value, sh_kind_t kind, const char *text, size_t size)
{
    char *copy = sh_wire_alloc (size + 1);

    memcpy (copy, text, size);
    value->kind = kind;
    value->size = (uint32_t)size;
    value->as.text = copy;
}

static void
s_own_number (sh_value_t *value, const sh_number_t *number, unsigned scale)
{
    char text[48];

    sh_number_print (number, scale, text);
    s_own_text (value, SH_DECIMAL, text, strlen (text));
}

static void
s_money (sh_value_t *value, sh_reader_t *in, size_t size)
{
    int64_t units;

    if (size == 4)
        units = (int32_t)sh_reader_u32 (in);
    else {
        uint64_t high = sh_reader_u32 (in);
        units = (int64_t)(high << 32 | sh_reader_u32 (in));
    }
    sh_number_t number = sh_number_from_int (units);
    s_own_number (value, &number, 4);
}

static void
s_float (sh_value_t *value, sh_reader_t *in, size_t size)
{
    double real = 0;

    if (size == 4) {
        uint32_t bits = sh_reader_u32 (in);
        float single;
        memcpy (&single, &bits, sizeof single);
        real = (double)single;
    } else {
        uint64_t bits = sh_reader_u64 (in);
        memcpy (&real, &bits, sizeof real);
    }
    *value = sh_value_double (real);
}

static sh_decode_t
s_datetime (sh_value_t *value, sh_reader_t *in, size_t size)
{
    int64_t days, ticks;

    if (size == 4) {
        days = sh_reader_u16 (in);
        ticks = (int64_t)sh_reader_u16 (in) * 60 * SH_TICKS_PER_SECOND;
    } else {
        days = (int32_t)sh_reader_u32 (in);
        int64_t parts = sh_reader_u32 (in);
        ticks = (parts * SH_TICKS_PER_SECOND + 150) / 300;
    }
    /*  1753-01-01 to 9999-12-31, as datetime has it. */
    if (days < -53690 || days > 2958463 || ticks >= SH_TICKS_PER_DAY)
        return SH_DECODE_MALFORMED;
    *value = sh_value_ticks (SH_TICKS_1900 + days * SH_TICKS_PER_DAY + ticks);
    return SH_DECODE_OK;
}

static sh_decode_t
s_date_time (sh_value_t *value, sh_reader_t *in, const sh_decode_type_t *type, size_t size)
{
    size_t day_bytes = type->type.id == SH_TYPE_TIME ? 0 : 3;

    if (size < day_bytes || (type->type.id == SH_TYPE_DATE && size != 3))
        return SH_DECODE_MALFORMED;
    uint64_t time = sh_reader_uint (in, size - day_bytes);
    int64_t day = (int64_t)sh_reader_uint (in, day_bytes);
    /*  At most 5 bytes of time: times 10^7 it still fits 64 bits. */
    for (uint8_t scale = type->type.scale; scale < 7 && type->type.id != SH_TYPE_DATE; scale++)
        time *= 10;
    if (time >= (uint64_t)SH_TICKS_PER_DAY || day > 3652058)
        return SH_DECODE_MALFORMED;
    *value = sh_value_ticks (day * SH_TICKS_PER_DAY + (int64_t)time);
    return SH_DECODE_OK;
}

static sh_decode_t
s_numeric (sh_value_t *value, sh_reader_t *in, const sh_decode_type_t *type, size_t size)
{
    sh_number_t number = {0};

    if (size != 5 && size != 9 && size != 13 && size != 17)
        return SH_DECODE_MALFORMED;
    number.negative = sh_reader_u8 (in) == 0;
    for (size_t i = 0; i < (size - 1) / 4; i++)
        number.limb[i] = sh_reader_u32 (in);
    s_own_number (value, &number, type->type.scale);
    return SH_DECODE_OK;
}

/*  A value of a short form whose `size` bytes are known to be there. */
static sh_decode_t
s_scalar (sh_value_t *value, sh_reader_t *in, const sh_decode_type_t *type, size_t size)
{
    switch (type->type.id) {
        case SH_TYPE_BIT:
            *value = sh_value_int (sh_reader_u8 (in) != 0);
            return SH_DECODE_OK;
        case SH_TYPE_TINYINT:
            *value = sh_value_int (sh_reader_u8 (in));
            return SH_DECODE_OK;
        case SH_TYPE_SMALLINT:
            *value = sh_value_int ((int16_t)sh_reader_u16 (in));
            return SH_DECODE_OK;
        case SH_TYPE_INT:
            *value = sh_value_int ((int32_t)sh_reader_u32 (in));
            return SH_DECODE_OK;
        case SH_TYPE_BIGINT:
            *value = sh_value_int ((int64_t)sh_reader_u64 (in));
            return SH_DECODE_OK;
        case SH_TYPE_REAL:
        case SH_TYPE_FLOAT:
            s_float (value, in, size);
            return SH_DECODE_OK;
        case SH_TYPE_MONEY:
        case SH_TYPE_SMALLMONEY:
            s_money (value, in, size);
            return SH_DECODE_OK;
        case SH_TYPE_DATETIME:
        case SH_TYPE_SMALLDATETIME:
            return s_datetime (value, in, size);
        case SH_TYPE_NUMERIC:
            return s_numeric (value, in, type, size);
        case SH_TYPE_UNIQUEIDENTIFIER:
            value->kind = SH_GUID;
            memcpy (value->as.guid, sh_reader_take (in, 16), 16);
            return SH_DECODE_OK;
        default:
            return s_date_time (value, in, type, size);
    }
}

static bool
s_is_string (const sh_decode_type_t *type)
{
    return type->type.id >= SH_TYPE_CHAR && type->type.id <= SH_TYPE_IMAGE;
}

static sh_decode_t
s_own_string (sh_value_t *value, const sh_decode_type_t *type, const uint8_t *data, size_t size)
{
    sh_writer_t out = {0};

    switch (type->type.id) {
        case SH_TYPE_NCHAR:
        case SH_TYPE_NVARCHAR:
        case SH_TYPE_NTEXT:
        case SH_TYPE_XML:
            if (!sh_utf_from_utf16 (&out, data, size))
                return SH_DECODE_MALFORMED;
            break;
        case SH_TYPE_CHAR:
        case SH_TYPE_VARCHAR:
        case SH_TYPE_TEXT:
            sh_utf_from_cp1252 (&out, data, size);
            break;
        default:
            sh_writer_bytes (&out, data, size);
            value->kind = SH_BLOB;
            value->size = (uint32_t)out.size;
            value->as.blob = (const uint8_t *)sh_writer_release (&out);
            return SH_DECODE_OK;
    }
    value->kind = SH_TEXT;
    value->size = (uint32_t)out.size;
    value->as.text = sh_writer_release (&out);
    return SH_DECODE_OK;
}

/*  2.2.5.2.3 Partially Length-prefixed Bytes */
static sh_decode_t
s_chunks (sh_value_t *value, sh_reader_t *in, const sh_decode_type_t *type)
{
    uint64_t total = sh_reader_u64 (in);
    sh_writer_t all = {0};
    sh_decode_t result = SH_DECODE_MALFORMED;

    if (in->failed || total == SH_PLP_NULL)
        return in->failed ? SH_DECODE_MALFORMED : SH_DECODE_OK;
    for (;;) {
        uint32_t size = sh_reader_u32 (in);
        if (in->failed)
            break;
        if (size == 0) {
            if (total == SH_PLP_UNKNOWN || total == all.size)
                result = s_own_string (value, type, all.data, all.size);
            break;
        }
        const uint8_t *data = sh_reader_take (in, size);
        if (!data)
            break;
        sh_writer_bytes (&all, data, size);
    }
    sh_writer_free (&all);
    return result;
}

static sh_decode_t
s_string (sh_value_t *value, sh_reader_t *in, const sh_decode_type_t *type)
{
    size_t size, limit = type->max;
    bool null;

    switch (type->token) {
        case SH_WIRE_OLD_CHAR:
        case SH_WIRE_OLD_VARCHAR:
        case SH_WIRE_OLD_BINARY:
        case SH_WIRE_OLD_VARBINARY:
            size = sh_reader_u8 (in);
            null = size == 0;
            break;
        case SH_WIRE_TEXT:
        case SH_WIRE_NTEXT:
        case SH_WIRE_IMAGE:
            size = sh_reader_u32 (in);
            null = size == UINT32_MAX;
            limit = SH_LIMIT_MESSAGE_BYTES;
            break;
        default:
            size = sh_reader_u16 (in);
            null = size == 0xFFFF;
            break;
    }
    if (in->failed || null)
        return in->failed ? SH_DECODE_MALFORMED : SH_DECODE_OK;
    const uint8_t *data = sh_reader_take (in, size);
    if (!data || size > limit)
        return SH_DECODE_MALFORMED;
    return s_own_string (value, type, data, size);
}

sh_decode_t
sh_decode_value (sh_reader_t *in, const sh_decode_type_t *type, sh_value_t *value)
{
    sh_decode_type_t fixed = {.token = type->token};
    size_t size = type->max;

    *value = sh_value_null ();
    if (type->token == SH_WIRE_NULL)
        return SH_DECODE_OK;
    if (s_is_string (type))
        return type->chunks ? s_chunks (value, in, type) : s_string (value, in, type);
    if (!s_fixed_type (&fixed)) {
        size = sh_reader_u8 (in);
        if (size == 0)
            return in->failed ? SH_DECODE_MALFORMED : SH_DECODE_OK;
        /*  Numbers say a size of their own up to the type's; the others have the type's or none. */
        bool own = type->type.id == SH_TYPE_NUMERIC || type->type.id == SH_TYPE_TIME ||
                   type->type.id == SH_TYPE_DATETIME2;
        if (size > type->max || (!own && size != type->max))
            return SH_DECODE_MALFORMED;
    }
    if (in->failed || sh_reader_left (in) < size)
        return SH_DECODE_MALFORMED;
    return s_scalar (value, in, type, size);
}

void
sh_decode_free_value (sh_value_t *value)
{
    if (value->kind == SH_TEXT || value->kind == SH_DECIMAL)
        free ((void *)(uintptr_t)value->as.text);
    else if (value->kind == SH_BLOB)
        free ((void *)(uintptr_t)value->as.blob);
    *value = sh_value_null ();
}
