/*  Types as written: int, [nvarchar](128), numeric (25, 0), varchar (max), sysname. */
#include <stdlib.h>
#include <string.h>

#include "parse.h"

enum { S_PLAIN, S_SIZED, S_NUMERIC, S_FLOAT, S_SCALED };

typedef struct {
    const char *name;
    sh_type_id_t id;
    int shape;
    int limit; /* sized: the largest size */
} s_type_t;

static const s_type_t s_types[] = {{"bit", SH_TYPE_BIT, S_PLAIN, 0},
                                   {"tinyint", SH_TYPE_TINYINT, S_PLAIN, 0},
                                   {"smallint", SH_TYPE_SMALLINT, S_PLAIN, 0},
                                   {"int", SH_TYPE_INT, S_PLAIN, 0},
                                   {"integer", SH_TYPE_INT, S_PLAIN, 0},
                                   {"bigint", SH_TYPE_BIGINT, S_PLAIN, 0},
                                   {"numeric", SH_TYPE_NUMERIC, S_NUMERIC, 0},
                                   {"decimal", SH_TYPE_NUMERIC, S_NUMERIC, 0},
                                   {"dec", SH_TYPE_NUMERIC, S_NUMERIC, 0},
                                   {"money", SH_TYPE_MONEY, S_PLAIN, 0},
                                   {"smallmoney", SH_TYPE_SMALLMONEY, S_PLAIN, 0},
                                   {"real", SH_TYPE_REAL, S_PLAIN, 0},
                                   {"float", SH_TYPE_FLOAT, S_FLOAT, 0},
                                   {"date", SH_TYPE_DATE, S_PLAIN, 0},
                                   {"time", SH_TYPE_TIME, S_SCALED, 7},
                                   {"smalldatetime", SH_TYPE_SMALLDATETIME, S_PLAIN, 0},
                                   {"datetime", SH_TYPE_DATETIME, S_PLAIN, 0},
                                   {"datetime2", SH_TYPE_DATETIME2, S_SCALED, 7},
                                   {"char", SH_TYPE_CHAR, S_SIZED, 8000},
                                   {"character", SH_TYPE_CHAR, S_SIZED, 8000},
                                   {"varchar", SH_TYPE_VARCHAR, S_SIZED, 8000},
                                   {"text", SH_TYPE_TEXT, S_PLAIN, 0},
                                   {"nchar", SH_TYPE_NCHAR, S_SIZED, 4000},
                                   {"nvarchar", SH_TYPE_NVARCHAR, S_SIZED, 4000},
                                   {"ntext", SH_TYPE_NTEXT, S_PLAIN, 0},
                                   {"xml", SH_TYPE_XML, S_PLAIN, 0},
                                   {"binary", SH_TYPE_BINARY, S_SIZED, 8000},
                                   {"varbinary", SH_TYPE_VARBINARY, S_SIZED, 8000},
                                   {"image", SH_TYPE_IMAGE, S_PLAIN, 0},
                                   {"timestamp", SH_TYPE_TIMESTAMP, S_PLAIN, 0},
                                   {"rowversion", SH_TYPE_TIMESTAMP, S_PLAIN, 0},
                                   {"uniqueidentifier", SH_TYPE_UNIQUEIDENTIFIER, S_PLAIN, 0},
                                   {NULL, 0, 0, 0}};

static bool
s_number (sh_parse_t *p, long *out)
{
    const sh_token_t *token = sh_peek (p, 0);
    if (token->kind != SH_TOKEN_INT) {
        sh_syntax (p);
        return false;
    }
    *out = strtol (token->text, NULL, 10);
    sh_skip (p);
    return true;
}

static bool
s_sized (sh_parse_t *p, const s_type_t *known, sh_type_t *type, int32_t default_size)
{
    type->size = default_size;
    if (!sh_accept_op (p, "("))
        return true;
    long size;
    if (sh_accept (p, "max"))
        type->size = SH_MAX;
    else {
        if (!s_number (p, &size))
            return false;
        if (size < 1 || size > known->limit) {
            sh_refuse (p, 131, 15,
                       "The size (%ld) given to the type '%s' exceeds the maximum allowed (%d).",
                       size, known->name, known->limit);
            return false;
        }
        type->size = (int32_t)size;
    }
    return sh_expect_op (p, ")");
}

static bool
s_numeric (sh_parse_t *p, sh_type_t *type)
{
    long precision = 18, scale = 0;
    if (sh_accept_op (p, "(")) {
        if (!s_number (p, &precision) || (sh_accept_op (p, ",") && !s_number (p, &scale)) ||
            !sh_expect_op (p, ")"))
            return false;
    }
    if (precision < 1 || precision > 38 || scale < 0 || scale > precision) {
        sh_refuse (p, 1001, 16, "Length or precision specification %ld is invalid.", precision);
        return false;
    }
    type->precision = (uint8_t)precision;
    type->scale = (uint8_t)scale;
    return true;
}

static bool
s_scaled (sh_parse_t *p, const s_type_t *known, sh_type_t *type)
{
    long value = known->limit;
    if (sh_accept_op (p, "(") && (!s_number (p, &value) || !sh_expect_op (p, ")")))
        return false;
    if (value < 0 || value > 7) {
        sh_refuse (p, 1002, 16, "Specified scale %ld is invalid.", value);
        return false;
    }
    type->scale = (uint8_t)value;
    return true;
}

static bool
s_float (sh_parse_t *p, sh_type_t *type)
{
    long bits = 53;
    if (sh_accept_op (p, "(") && (!s_number (p, &bits) || !sh_expect_op (p, ")")))
        return false;
    if (bits <= 24)
        type->id = SH_TYPE_REAL;
    return true;
}

static bool
s_known (sh_parse_t *p, const s_type_t *known, sh_type_t *type, int32_t default_size)
{
    type->id = known->id;
    switch (known->shape) {
        case S_SIZED:
            return s_sized (p, known, type, default_size);
        case S_NUMERIC:
            return s_numeric (p, type);
        case S_SCALED:
            return s_scaled (p, known, type);
        case S_FLOAT:
            return s_float (p, type);
        default:
            return true;
    }
}

/*  "national character varying", "char varying", "double precision" and plain names. */
static const char *
s_type_word (sh_parse_t *p)
{
    if (sh_accept (p, "double")) {
        sh_expect (p, "precision");
        return "float";
    }
    if (sh_accept (p, "national")) {
        if (!sh_accept (p, "character") && !sh_expect (p, "char"))
            return NULL;
        return sh_accept (p, "varying") ? "nvarchar" : "nchar";
    }
    const char *name = sh_identifier (p);
    if (name && (sh_same (name, "char") || sh_same (name, "character")) && sh_accept (p, "varying"))
        return "varchar";
    return name;
}

bool
sh_parse_type (sh_parse_t *p, sh_type_name_t *type, int32_t default_size)
{
    *type = (sh_type_name_t){0};
    if (sh_accept (p, "cursor")) {
        type->is_cursor = true;
        type->name = "cursor";
        return true;
    }
    const char *name = s_type_word (p);
    if (!name)
        return false;
    if (sh_accept_op (p, ".") && !(name = sh_identifier (p)))
        return false;
    type->name = name;
    if (sh_same (name, "sysname")) {
        type->type = sh_type_make (SH_TYPE_NVARCHAR, 128);
        return true;
    }
    for (const s_type_t *known = s_types; known->name; known++)
        if (sh_same (name, known->name))
            return s_known (p, known, &type->type, default_size);
    sh_refuse (p, 2715, 16, "Column, parameter, or variable: Cannot find data type %.128s.", name);
    return false;
}
