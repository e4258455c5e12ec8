/*  convert.h
 *  Values from one SQL type to another, as CAST, CONVERT and implicit conversion do. */
#ifndef SH_CONVERT_H
#define SH_CONVERT_H

#include "arena.h"
#include "tests/sqlhost/engine/error.h"
#include "tests/sqlhost/engine/value.h"

/*  Type id 0 is "no type": an untyped NULL. */
#define SH_TYPE_NONE ((sh_type_id_t)0)

static inline sh_type_t
sh_type_of (sh_type_id_t id)
{
    sh_type_t type = {.id = id};
    return type;
}

static inline sh_type_t
sh_type_nvarchar (int32_t size)
{
    sh_type_t type = {.id = SH_TYPE_NVARCHAR, .size = size};
    return type;
}

/*  The kind that values of a type have. */
sh_kind_t sh_type_kind (const sh_type_t *type);
bool sh_type_is_text (const sh_type_t *type);
bool sh_type_is_unicode (const sh_type_t *type);
bool sh_type_is_integer (const sh_type_t *type);
bool sh_type_is_exact (const sh_type_t *type); /* integers, numeric, money */
bool sh_type_is_number (const sh_type_t *type);
bool sh_type_is_time (const sh_type_t *type);
bool sh_type_is_binary (const sh_type_t *type);
/*  The type that two operands meet in (data type precedence). */
sh_type_t sh_type_common (const sh_type_t *a, const sh_type_t *b);
/*  numeric precision and scale of any exact type. */
sh_type_t sh_type_as_numeric (const sh_type_t *type);
bool sh_type_same (const sh_type_t *a, const sh_type_t *b);

/*  *out is an owned value of the target type, to be cleared. Text is cut to the target's size
 *  without a word. False: *error filled (245, 241, 8114, 8115, ...) and *out is NULL. */
bool sh_convert (const sh_value_t *in, const sh_type_t *from, const sh_type_t *to, int style,
                 sh_value_t *out, sh_error_t *error);
/*  For assignment to a column: text and binary that do not fit are error 2628. */
bool sh_convert_column (const sh_value_t *in, const sh_type_t *from, const sh_type_t *to,
                        const char *table, const char *column, sh_value_t *out, sh_error_t *error);

/*  An owned text value. */
sh_value_t sh_value_own (const char *text, size_t size);

/*  ---- decimal ---- */

__extension__ typedef __int128 sh_int128_t;

typedef struct {
    sh_int128_t mantissa;
    int scale;
} sh_decimal_t;

/*  "-12.50", also "1e3"-less forms with leading blanks and plus; false: not a number or too long. */
bool sh_decimal_parse (const char *text, sh_decimal_t *out);
/*  Room for 48 bytes. */
void sh_decimal_print (const sh_decimal_t *value, char *out, size_t size);
/*  To another scale, rounding half away from zero. False: overflow. */
bool sh_decimal_scale (sh_decimal_t *value, int scale);
int sh_decimal_compare (const sh_decimal_t *a, const sh_decimal_t *b);
bool sh_decimal_fits (const sh_decimal_t *value, int precision);
/*  op is + - * / %; scale is the result's. Returns 0, or 8115, or 8134. */
int sh_decimal_compute (char op, const sh_decimal_t *a, const sh_decimal_t *b, int scale,
                        sh_decimal_t *out);
double sh_decimal_real (const sh_decimal_t *value);
/*  Compares two decimal texts: SQLite's collation for numeric columns. */
int sh_decimal_text_compare (const char *a, const char *b);

/*  ---- date and time ---- */

/*  Any form that SQL Server takes for datetime under us_english, also ISO 8601; false: none. */
bool sh_time_parse (const char *text, int64_t *ticks);
/*  CONVERT's styles; false: no such style (281). */
bool sh_time_format (int64_t ticks, const sh_type_t *type, int style, char *out, size_t size);

/*  ---- text ---- */

/*  Counted as SQL Server counts: UTF-16 units. */
size_t sh_text_units (const char *text, size_t size);
/*  Bytes of the first `units` units (never half a character). */
size_t sh_text_prefix (const char *text, size_t size, size_t units);

#endif
