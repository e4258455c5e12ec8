/*  tests/sqlhost/tds/encode.c */
#include "tests/sqlhost/tds/encode.h"

#include "tests/sqlhost/tds/limits.h"
#include "tests/sqlhost/tds/login.h"
#include "tests/sqlhost/tds/number.h"
#include "tests/sqlhost/tds/utf.h"
#include "tests/sqlhost/tds/wiretype.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const uint8_t sh_encode_collation[5] = {0x09, 0x04, 0xD0, 0x00, 0x34};

/*  How a type looks on the wire of one version. */
typedef enum {
    SHAPE_INT,
    SHAPE_FLOAT,
    SHAPE_MONEY,
    SHAPE_NUMERIC,
    SHAPE_DATETIME,
    SHAPE_DATE,
    SHAPE_TIME,
    SHAPE_DATETIME2,
    SHAPE_GUID,
    SHAPE_SHORT, /* two bytes of length */
    SHAPE_PLP,   /* chunks */
    SHAPE_LONG   /* text pointer and four bytes of length */
} s_shape_t;

typedef enum { CONTENT_BYTES, CONTENT_NARROW, CONTENT_WIDE } s_content_t;

typedef struct {
    uint8_t token;
    s_shape_t shape;
    s_content_t content;
    uint32_t max; /* bytes of a value */
    uint8_t precision;
    uint8_t scale;
} s_form_t;

static s_form_t
s_fixed (uint8_t token, s_shape_t shape, uint32_t bytes)
{
    return (s_form_t){.token = token, .shape = shape, .max = bytes};
}

static s_form_t
s_short (uint8_t token, s_content_t content, uint32_t bytes)
{
    return (s_form_t){.token = token, .shape = SHAPE_SHORT, .content = content, .max = bytes};
}

/*  MAX types: chunks from 7.2 on; before, SQL Server sends them as text, ntext and image columns,
 *  and as short as possible where those may not stand. */
static s_form_t
s_large (uint32_t version, sh_place_t place, s_content_t content)
{
    static const uint8_t short_tokens[] = {SH_WIRE_VARBINARY, SH_WIRE_VARCHAR, SH_WIRE_NVARCHAR};
    static const uint8_t long_tokens[] = {SH_WIRE_IMAGE, SH_WIRE_TEXT, SH_WIRE_NTEXT};
    s_form_t form = s_short (short_tokens[content], content, SH_LIMIT_SHORT_BYTES);

    if (version >= SH_TDS_72) {
        form.shape = SHAPE_PLP;
        form.max = UINT32_MAX;
    } else if (place == SH_PLACE_COLUMN) {
        form.token = long_tokens[content];
        form.shape = SHAPE_LONG;
        form.max = INT32_MAX;
    }
    return form;
}

static s_form_t
s_long (uint32_t version, sh_place_t place, s_content_t content)
{
    if (place == SH_PLACE_RETURN)
        return s_large (version, place, content);
    return s_large (SH_TDS_71, place, content);
}

/*  A size of 0 means that nobody said one: the longest that is not MAX. */
static s_form_t
s_sized (uint32_t version, sh_place_t place, const sh_type_t *type, uint8_t token,
         s_content_t content)
{
    int32_t unit = content == CONTENT_WIDE ? 2 : 1;

    if (type->size == SH_MAX || type->size > SH_LIMIT_SHORT_BYTES / unit)
        return s_large (version, place, content);
    if (type->size <= 0)
        return s_short (token, content, SH_LIMIT_SHORT_BYTES);
    return s_short (token, content, (uint32_t)(type->size * unit));
}

/*  MS-TDS 2.2.5.4: date, time and datetime2 came with 7.3; SQL Server gives older clients text. */
static s_form_t
s_date_form (uint32_t version, uint8_t token, s_shape_t shape, const sh_type_t *type,
             uint32_t text_chars)
{
    if (version < SH_TDS_73)
        return s_short (SH_WIRE_NVARCHAR, CONTENT_WIDE, text_chars * 2);
    s_form_t form = s_fixed (token, shape, 0);
    form.scale = type->scale > 7 ? 7 : type->scale;
    return form;
}

static s_form_t
s_number_form (const sh_type_t *type)
{
    s_form_t form = s_fixed (SH_WIRE_NUMERICN, SHAPE_NUMERIC, 0);

    form.precision = type->precision;
    if (form.precision == 0 || form.precision > 38)
        form.precision = 38;
    form.scale = type->scale > form.precision ? form.precision : type->scale;
    form.max = (uint32_t)sh_number_bytes (form.precision);
    return form;
}

static s_form_t
s_string_form (uint32_t version, sh_place_t place, const sh_type_t *type)
{
    switch (type->id) {
        case SH_TYPE_CHAR:
            return s_sized (version, place, type, SH_WIRE_CHAR, CONTENT_NARROW);
        case SH_TYPE_VARCHAR:
            return s_sized (version, place, type, SH_WIRE_VARCHAR, CONTENT_NARROW);
        case SH_TYPE_NCHAR:
            return s_sized (version, place, type, SH_WIRE_NCHAR, CONTENT_WIDE);
        case SH_TYPE_BINARY:
            return s_sized (version, place, type, SH_WIRE_BINARY, CONTENT_BYTES);
        case SH_TYPE_VARBINARY:
            return s_sized (version, place, type, SH_WIRE_VARBINARY, CONTENT_BYTES);
        case SH_TYPE_TIMESTAMP:
            return s_short (SH_WIRE_BINARY, CONTENT_BYTES, 8);
        case SH_TYPE_TEXT:
            return s_long (version, place, CONTENT_NARROW);
        case SH_TYPE_NTEXT:
            return s_long (version, place, CONTENT_WIDE);
        case SH_TYPE_IMAGE:
            return s_long (version, place, CONTENT_BYTES);
        case SH_TYPE_XML: {
            s_form_t form = s_large (version, place, CONTENT_WIDE);
            if (form.shape == SHAPE_PLP)
                form.token = SH_WIRE_XML;
            return form;
        }
        default:
            return s_sized (version, place, type, SH_WIRE_NVARCHAR, CONTENT_WIDE);
    }
}

static s_form_t
s_form (uint32_t version, sh_place_t place, const sh_type_t *type)
{
    switch (type->id) {
        case SH_TYPE_BIT:
            return s_fixed (SH_WIRE_BITN, SHAPE_INT, 1);
        case SH_TYPE_TINYINT:
            return s_fixed (SH_WIRE_INTN, SHAPE_INT, 1);
        case SH_TYPE_SMALLINT:
            return s_fixed (SH_WIRE_INTN, SHAPE_INT, 2);
        case SH_TYPE_INT:
            return s_fixed (SH_WIRE_INTN, SHAPE_INT, 4);
        case SH_TYPE_BIGINT:
            return s_fixed (SH_WIRE_INTN, SHAPE_INT, 8);
        case SH_TYPE_NUMERIC:
            return s_number_form (type);
        case SH_TYPE_MONEY:
            return s_fixed (SH_WIRE_MONEYN, SHAPE_MONEY, 8);
        case SH_TYPE_SMALLMONEY:
            return s_fixed (SH_WIRE_MONEYN, SHAPE_MONEY, 4);
        case SH_TYPE_REAL:
            return s_fixed (SH_WIRE_FLTN, SHAPE_FLOAT, 4);
        case SH_TYPE_FLOAT:
            return s_fixed (SH_WIRE_FLTN, SHAPE_FLOAT, 8);
        case SH_TYPE_DATE:
            return s_date_form (version, SH_WIRE_DATEN, SHAPE_DATE, type, 10);
        case SH_TYPE_TIME:
            return s_date_form (version, SH_WIRE_TIMEN, SHAPE_TIME, type, 16);
        case SH_TYPE_DATETIME2:
            return s_date_form (version, SH_WIRE_DATETIME2N, SHAPE_DATETIME2, type, 27);
        case SH_TYPE_SMALLDATETIME:
            return s_fixed (SH_WIRE_DATETIMN, SHAPE_DATETIME, 4);
        case SH_TYPE_DATETIME:
            return s_fixed (SH_WIRE_DATETIMN, SHAPE_DATETIME, 8);
        case SH_TYPE_UNIQUEIDENTIFIER:
            return s_fixed (SH_WIRE_GUID, SHAPE_GUID, 16);
        default:
            return s_string_form (version, place, type);
    }
}

bool
sh_encode_has_table_name (uint32_t version, const sh_type_t *type)
{
    return s_form (version, SH_PLACE_COLUMN, type).shape == SHAPE_LONG;
}

void
sh_encode_type (sh_writer_t *out, uint32_t version, sh_place_t place, const sh_type_t *type)
{
    s_form_t form = s_form (version, place, type);

    sh_writer_u8 (out, form.token);
    switch (form.shape) {
        case SHAPE_DATE:
            return;
        case SHAPE_TIME:
        case SHAPE_DATETIME2:
            sh_writer_u8 (out, form.scale);
            return;
        case SHAPE_NUMERIC:
            sh_writer_u8 (out, (uint8_t)form.max);
            sh_writer_u8 (out, form.precision);
            sh_writer_u8 (out, form.scale);
            return;
        case SHAPE_PLP:
            if (form.token == SH_WIRE_XML) {
                sh_writer_u8 (out, 0); /* no schema */
                return;
            }
            sh_writer_u16 (out, 0xFFFF);
            break;
        case SHAPE_SHORT:
            sh_writer_u16 (out, (uint16_t)form.max);
            break;
        case SHAPE_LONG:
            sh_writer_u32 (out, form.max);
            break;
        default:
            sh_writer_u8 (out, (uint8_t)form.max);
            return;
    }
    if (form.content != CONTENT_BYTES)
        sh_writer_bytes (out, sh_encode_collation, sizeof sh_encode_collation);
}

/*  ---- numbers ---- */

static bool
s_as_number (const sh_value_t *value, unsigned scale, sh_number_t *number)
{
    char text[400];

    switch (value->kind) {
        case SH_INT: {
            int size = snprintf (text, sizeof text, "%lld", (long long)value->as.integer);
            return sh_number_parse (text, (size_t)size, scale, number);
        }
        case SH_DOUBLE: {
            int size = snprintf (text, sizeof text, "%.*f", (int)scale, value->as.real);
            return sh_number_parse (text, (size_t)size, scale, number);
        }
        case SH_DECIMAL:
        case SH_TEXT:
            return sh_number_parse (value->as.text, value->size, scale, number);
        default:
            return false;
    }
}

static bool
s_as_int (const sh_value_t *value, int64_t *integer)
{
    sh_number_t number;

    if (value->kind == SH_INT) {
        *integer = value->as.integer;
        return true;
    }
    return s_as_number (value, 0, &number) && sh_number_to_int (&number, integer);
}

static bool
s_put_int (sh_writer_t *out, const s_form_t *form, const sh_value_t *value)
{
    int64_t integer;

    if (!s_as_int (value, &integer))
        return false;
    if (form->token == SH_WIRE_BITN)
        integer = integer != 0;
    else if (form->max == 1 && (integer < 0 || integer > 255))
        return false;
    else if (form->max == 2 && (integer < INT16_MIN || integer > INT16_MAX))
        return false;
    else if (form->max == 4 && (integer < INT32_MIN || integer > INT32_MAX))
        return false;
    sh_writer_u8 (out, (uint8_t)form->max);
    sh_writer_uint (out, (uint64_t)integer, form->max);
    return true;
}

static bool
s_put_float (sh_writer_t *out, const s_form_t *form, const sh_value_t *value)
{
    double real;

    if (value->kind == SH_DOUBLE)
        real = value->as.real;
    else if (value->kind == SH_INT)
        real = (double)value->as.integer;
    else if (value->kind == SH_DECIMAL) {
        char *end;
        real = strtod (value->as.text, &end);
        if (end == value->as.text)
            return false;
    } else
        return false;
    sh_writer_u8 (out, (uint8_t)form->max);
    if (form->max == 4) {
        float single = (float)real;
        uint32_t bits;
        memcpy (&bits, &single, sizeof bits);
        sh_writer_u32 (out, bits);
    } else {
        uint64_t bits;
        memcpy (&bits, &real, sizeof bits);
        sh_writer_u64 (out, bits);
    }
    return true;
}

/*  2.2.5.5.1.2: ten-thousandths; the 8-byte form has its high half first. */
static bool
s_put_money (sh_writer_t *out, const s_form_t *form, const sh_value_t *value)
{
    sh_number_t number;
    int64_t units;

    if (!s_as_number (value, 4, &number) || !sh_number_to_int (&number, &units))
        return false;
    if (form->max == 4 && (units < INT32_MIN || units > INT32_MAX))
        return false;
    sh_writer_u8 (out, (uint8_t)form->max);
    if (form->max == 8)
        sh_writer_u32 (out, (uint32_t)((uint64_t)units >> 32));
    sh_writer_u32 (out, (uint32_t)units);
    return true;
}

static bool
s_put_numeric (sh_writer_t *out, const s_form_t *form, const sh_value_t *value)
{
    sh_number_t number;

    if (!s_as_number (value, form->scale, &number) || !sh_number_fits (&number, form->max - 1))
        return false;
    sh_writer_u8 (out, (uint8_t)form->max);
    sh_writer_u8 (out, number.negative ? 0 : 1);
    for (size_t i = 0; i < (form->max - 1) / 4; i++)
        sh_writer_u32 (out, number.limb[i]);
    return true;
}

/*  ---- dates ---- */

/*  2.2.5.5.1.1: days since 1900 and 1/300 s, or days and minutes. */
static bool
s_put_datetime (sh_writer_t *out, const s_form_t *form, const sh_value_t *value)
{
    if (value->kind != SH_DATETIME || value->as.ticks < 0)
        return false;
    int64_t since = value->as.ticks - SH_TICKS_1900;
    int64_t days = since / SH_TICKS_PER_DAY;
    int64_t rest = since % SH_TICKS_PER_DAY;
    if (rest < 0) {
        rest += SH_TICKS_PER_DAY;
        days--;
    }
    sh_writer_u8 (out, (uint8_t)form->max);
    if (form->max == 4) {
        if (days < 0 || days > UINT16_MAX)
            return false;
        sh_writer_u16 (out, (uint16_t)days);
        sh_writer_u16 (out, (uint16_t)(rest / SH_TICKS_PER_SECOND / 60));
        return true;
    }
    int64_t parts = (rest * 300 + SH_TICKS_PER_SECOND / 2) / SH_TICKS_PER_SECOND;
    if (parts == 300 * 86400) {
        parts = 0;
        days++;
    }
    sh_writer_u32 (out, (uint32_t)(int32_t)days);
    sh_writer_u32 (out, (uint32_t)parts);
    return true;
}

static size_t
s_time_bytes (uint8_t scale)
{
    if (scale <= 2)
        return 3;
    return scale <= 4 ? 4 : 5;
}

/*  2.2.5.5.1.8: time in units of 10^-scale s, then days since 0001-01-01 in 3 bytes. */
static bool
s_put_date_time (sh_writer_t *out, const s_form_t *form, const sh_value_t *value)
{
    if (value->kind != SH_DATETIME || value->as.ticks < 0)
        return false;
    uint64_t day = (uint64_t)(value->as.ticks / SH_TICKS_PER_DAY);
    uint64_t time = (uint64_t)(value->as.ticks % SH_TICKS_PER_DAY);
    size_t time_bytes = form->shape == SHAPE_DATE ? 0 : s_time_bytes (form->scale);
    size_t day_bytes = form->shape == SHAPE_TIME ? 0 : 3;

    if (day >= 1u << 24)
        return false;
    for (uint8_t scale = form->scale; scale < 7; scale++)
        time /= 10;
    sh_writer_u8 (out, (uint8_t)(time_bytes + day_bytes));
    sh_writer_uint (out, time, time_bytes);
    sh_writer_uint (out, day, day_bytes);
    return true;
}

/*  As CONVERT (nvarchar, value, 121) writes it, for text columns that stand for newer types. */
static int
s_print_ticks (const sh_type_t *type, int64_t ticks, char *out, size_t size)
{
    int year, month, day;
    int64_t second = ticks % SH_TICKS_PER_DAY / SH_TICKS_PER_SECOND;
    int64_t fraction = ticks % SH_TICKS_PER_SECOND;
    int scale = type->scale > 7 ? 7 : type->scale;
    char date[24], time[24], tail[16] = "";

    if (type->id == SH_TYPE_DATETIME || type->id == SH_TYPE_SMALLDATETIME)
        scale = 3;
    sh_number_date (ticks / SH_TICKS_PER_DAY, &year, &month, &day);
    snprintf (date, sizeof date, "%04d-%02d-%02d", year, month, day);
    snprintf (time, sizeof time, "%02d:%02d:%02d", (int)(second / 3600), (int)(second / 60 % 60),
              (int)(second % 60));
    if (scale > 0) {
        snprintf (tail, sizeof tail, ".%07d", (int)fraction);
        tail[scale + 1] = 0;
    }
    if (type->id == SH_TYPE_DATE)
        return snprintf (out, size, "%s", date);
    if (type->id == SH_TYPE_TIME)
        return snprintf (out, size, "%s%s", time, tail);
    return snprintf (out, size, "%s %s%s", date, time, tail);
}

/*  ---- strings and bytes ---- */

static int
s_print_guid (const uint8_t guid[16], char *out, size_t size)
{
    return snprintf (out, size,
                     "%02X%02X%02X%02X-%02X%02X-%02X%02X-%02X%02X-%02X%02X%02X%02X%02X%02X",
                     guid[3], guid[2], guid[1], guid[0], guid[5], guid[4], guid[7], guid[6],
                     guid[8], guid[9], guid[10], guid[11], guid[12], guid[13], guid[14], guid[15]);
}

/*  The value as text, in `scratch` when it is none yet; NULL when it has no text. */
static const char *
s_as_text (const sh_type_t *type, const sh_value_t *value, char *scratch, size_t size,
           size_t *length)
{
    int written;

    switch (value->kind) {
        case SH_TEXT:
        case SH_DECIMAL:
            *length = value->size;
            return value->as.text;
        case SH_INT:
            written = snprintf (scratch, size, "%lld", (long long)value->as.integer);
            break;
        case SH_DOUBLE:
            written = snprintf (scratch, size, "%.15g", value->as.real);
            break;
        case SH_DATETIME:
            if (value->as.ticks < 0)
                return NULL;
            written = s_print_ticks (type, value->as.ticks, scratch, size);
            break;
        case SH_GUID:
            written = s_print_guid (value->as.guid, scratch, size);
            break;
        default:
            return NULL;
    }
    *length = (size_t)written;
    return scratch;
}

/*  Appends the bare content; gives its bytes. */
static bool
s_put_content (sh_writer_t *out, s_content_t content, const sh_type_t *type,
               const sh_value_t *value, size_t *bytes)
{
    char scratch[64];
    size_t length;

    if (content == CONTENT_BYTES) {
        if (value->kind != SH_BLOB && value->kind != SH_GUID)
            return false;
        *bytes = value->kind == SH_GUID ? 16 : value->size;
        sh_writer_bytes (out, value->kind == SH_GUID ? value->as.guid : value->as.blob, *bytes);
        return true;
    }
    const char *text = s_as_text (type, value, scratch, sizeof scratch, &length);
    if (!text)
        return false;
    if (content == CONTENT_WIDE)
        *bytes = sh_utf_to_utf16 (out, text, length);
    else
        *bytes = sh_utf_to_cp1252 (out, text, length);
    return true;
}

static void
s_patch_uint (sh_writer_t *out, size_t at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        out->data[at + i] = (uint8_t)(value >> (8 * i));
}

static bool
s_put_string (sh_writer_t *out, const s_form_t *form, const sh_type_t *type,
              const sh_value_t *value)
{
    static const uint8_t text_pointer[16 + 8] = "sqlhost text ptr";
    size_t at, bytes, width = form->shape == SHAPE_SHORT ? 2 : 4;

    if (form->shape == SHAPE_LONG) {
        sh_writer_u8 (out, 16);
        sh_writer_bytes (out, text_pointer, sizeof text_pointer);
    }
    if (form->shape == SHAPE_PLP)
        sh_writer_u64 (out, 0);
    at = out->size;
    sh_writer_uint (out, 0, width);
    if (!s_put_content (out, form->content, type, value, &bytes) || bytes > form->max)
        return false;
    s_patch_uint (out, at, bytes, width);
    if (form->shape == SHAPE_PLP) {
        /*  2.2.5.2.3: the whole length, one chunk (none when empty), a chunk of length 0. */
        s_patch_uint (out, at - 8, bytes, 8);
        if (bytes > 0)
            sh_writer_u32 (out, 0);
    }
    return true;
}

static void
s_put_null (sh_writer_t *out, const s_form_t *form)
{
    if (form->shape == SHAPE_SHORT)
        sh_writer_u16 (out, 0xFFFF);
    else if (form->shape == SHAPE_PLP)
        sh_writer_u64 (out, SH_PLP_NULL);
    else
        sh_writer_u8 (out, 0);
}

bool
sh_encode_value (sh_writer_t *out, uint32_t version, sh_place_t place, const sh_type_t *type,
                 const sh_value_t *value)
{
    s_form_t form = s_form (version, place, type);

    if (value->kind == SH_NULL) {
        s_put_null (out, &form);
        return true;
    }
    switch (form.shape) {
        case SHAPE_INT:
            return s_put_int (out, &form, value);
        case SHAPE_FLOAT:
            return s_put_float (out, &form, value);
        case SHAPE_MONEY:
            return s_put_money (out, &form, value);
        case SHAPE_NUMERIC:
            return s_put_numeric (out, &form, value);
        case SHAPE_DATETIME:
            return s_put_datetime (out, &form, value);
        case SHAPE_DATE:
        case SHAPE_TIME:
        case SHAPE_DATETIME2:
            return s_put_date_time (out, &form, value);
        case SHAPE_GUID:
            if (value->kind != SH_GUID)
                return false;
            sh_writer_u8 (out, 16);
            sh_writer_bytes (out, value->as.guid, 16);
            return true;
        default:
            return s_put_string (out, &form, type, value);
    }
}
