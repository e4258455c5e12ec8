/*  What kind of type it is, and where two types meet. */
#include "convert.h"

sh_kind_t
sh_type_kind (const sh_type_t *type)
{
    switch (type->id) {
        case SH_TYPE_BIT:
        case SH_TYPE_TINYINT:
        case SH_TYPE_SMALLINT:
        case SH_TYPE_INT:
        case SH_TYPE_BIGINT:
            return SH_INT;
        case SH_TYPE_NUMERIC:
        case SH_TYPE_MONEY:
        case SH_TYPE_SMALLMONEY:
            return SH_DECIMAL;
        case SH_TYPE_REAL:
        case SH_TYPE_FLOAT:
            return SH_DOUBLE;
        case SH_TYPE_DATE:
        case SH_TYPE_TIME:
        case SH_TYPE_SMALLDATETIME:
        case SH_TYPE_DATETIME:
        case SH_TYPE_DATETIME2:
            return SH_DATETIME;
        case SH_TYPE_BINARY:
        case SH_TYPE_VARBINARY:
        case SH_TYPE_IMAGE:
        case SH_TYPE_TIMESTAMP:
            return SH_BLOB;
        case SH_TYPE_UNIQUEIDENTIFIER:
            return SH_GUID;
        case SH_TYPE_CHAR:
        case SH_TYPE_VARCHAR:
        case SH_TYPE_TEXT:
        case SH_TYPE_NCHAR:
        case SH_TYPE_NVARCHAR:
        case SH_TYPE_NTEXT:
        case SH_TYPE_XML:
            return SH_TEXT;
    }
    return SH_NULL;
}

bool
sh_type_is_text (const sh_type_t *type)
{
    return sh_type_kind (type) == SH_TEXT;
}

bool
sh_type_is_unicode (const sh_type_t *type)
{
    return type->id >= SH_TYPE_NCHAR && type->id <= SH_TYPE_XML;
}

bool
sh_type_is_integer (const sh_type_t *type)
{
    return sh_type_kind (type) == SH_INT;
}

bool
sh_type_is_exact (const sh_type_t *type)
{
    return sh_type_is_integer (type) || sh_type_kind (type) == SH_DECIMAL;
}

bool
sh_type_is_number (const sh_type_t *type)
{
    return sh_type_is_exact (type) || sh_type_kind (type) == SH_DOUBLE;
}

bool
sh_type_is_time (const sh_type_t *type)
{
    return sh_type_kind (type) == SH_DATETIME;
}

bool
sh_type_is_binary (const sh_type_t *type)
{
    return sh_type_kind (type) == SH_BLOB;
}

bool
sh_type_same (const sh_type_t *a, const sh_type_t *b)
{
    return a->id == b->id && a->size == b->size && a->precision == b->precision &&
           a->scale == b->scale;
}

/*  "Data type precedence (Transact-SQL)": higher wins. */
static int
s_rank (sh_type_id_t id)
{
    static const sh_type_id_t order[] = {SH_TYPE_BINARY,
                                         SH_TYPE_VARBINARY,
                                         SH_TYPE_CHAR,
                                         SH_TYPE_VARCHAR,
                                         SH_TYPE_NCHAR,
                                         SH_TYPE_NVARCHAR,
                                         SH_TYPE_UNIQUEIDENTIFIER,
                                         SH_TYPE_TIMESTAMP,
                                         SH_TYPE_IMAGE,
                                         SH_TYPE_TEXT,
                                         SH_TYPE_NTEXT,
                                         SH_TYPE_BIT,
                                         SH_TYPE_TINYINT,
                                         SH_TYPE_SMALLINT,
                                         SH_TYPE_INT,
                                         SH_TYPE_BIGINT,
                                         SH_TYPE_SMALLMONEY,
                                         SH_TYPE_MONEY,
                                         SH_TYPE_NUMERIC,
                                         SH_TYPE_REAL,
                                         SH_TYPE_FLOAT,
                                         SH_TYPE_TIME,
                                         SH_TYPE_DATE,
                                         SH_TYPE_SMALLDATETIME,
                                         SH_TYPE_DATETIME,
                                         SH_TYPE_DATETIME2,
                                         SH_TYPE_XML};
    for (int i = 0; i < (int)(sizeof order / sizeof *order); i++)
        if (order[i] == id)
            return i;
    return -1;
}

sh_type_t
sh_type_as_numeric (const sh_type_t *type)
{
    switch (type->id) {
        case SH_TYPE_BIT:
            return sh_type_numeric (1, 0);
        case SH_TYPE_TINYINT:
            return sh_type_numeric (3, 0);
        case SH_TYPE_SMALLINT:
            return sh_type_numeric (5, 0);
        case SH_TYPE_INT:
            return sh_type_numeric (10, 0);
        case SH_TYPE_BIGINT:
            return sh_type_numeric (19, 0);
        case SH_TYPE_MONEY:
            return sh_type_numeric (19, 4);
        case SH_TYPE_SMALLMONEY:
            return sh_type_numeric (10, 4);
        case SH_TYPE_NUMERIC:
            return *type;
        default:
            return sh_type_numeric (38, 6);
    }
}

static int32_t
s_longer (int32_t a, int32_t b)
{
    if (a == SH_MAX || b == SH_MAX)
        return SH_MAX;
    return a > b ? a : b;
}

static sh_type_t
s_common_numeric (const sh_type_t *a, const sh_type_t *b)
{
    sh_type_t x = sh_type_as_numeric (a), y = sh_type_as_numeric (b);
    int scale = x.scale > y.scale ? x.scale : y.scale;
    int whole = x.precision - x.scale > y.precision - y.scale ? x.precision - x.scale
                                                              : y.precision - y.scale;
    int precision = whole + scale;
    if (precision > 38) {
        scale = 38 - whole > 0 ? 38 - whole : 0;
        precision = 38;
    }
    return sh_type_numeric ((uint8_t)precision, (uint8_t)scale);
}

sh_type_t
sh_type_common (const sh_type_t *a, const sh_type_t *b)
{
    if (a->id == SH_TYPE_NONE)
        return *b;
    if (b->id == SH_TYPE_NONE)
        return *a;
    sh_type_t high = s_rank (a->id) >= s_rank (b->id) ? *a : *b;
    const sh_type_t *low = s_rank (a->id) >= s_rank (b->id) ? b : a;
    if (high.id == SH_TYPE_NUMERIC && sh_type_is_exact (low))
        return s_common_numeric (a, b);
    if (sh_type_is_text (&high) && sh_type_is_text (low)) {
        high.size = s_longer (high.size, low->size);
        /*  char meets varchar in varchar. */
        if (high.id == SH_TYPE_NCHAR && low->id != SH_TYPE_NCHAR)
            high.id = SH_TYPE_NVARCHAR;
        if (high.id == SH_TYPE_NVARCHAR && high.size != SH_MAX && high.size > 4000)
            high.size = SH_MAX;
    } else if (sh_type_is_binary (&high) && sh_type_is_binary (low))
        high.size = s_longer (high.size, low->size);
    else if (high.id == low->id && high.scale < low->scale)
        high.scale = low->scale;
    return high;
}
