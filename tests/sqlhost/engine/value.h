/*  tests/sqlhost/engine/value.h
 *  One value and one column type of the stand-in, shared by engine,
 *  tsql and tds.
 *
 *  A value knows its storage kind only; what SQL type a column has stands in sh_type_t. The
 *  engine stores what it is given: bringing a value to its column's type (rounding, cutting,
 *  8152) is the interpreter's work.
 *
 *      SQL type                                    kind         note
 *      bit tinyint smallint int bigint             SH_INT
 *      float real                                  SH_DOUBLE
 *      numeric money smallmoney                    SH_DECIMAL   decimal text, "-12.50", no exponent
 *      [n]char [n]varchar [n]text xml sysname      SH_TEXT      UTF-8
 *      [var]binary image timestamp                 SH_BLOB
 *      datetime datetime2 smalldatetime date time  SH_DATETIME  100 ns since 0001-01-01 or midnight
 *      uniqueidentifier                            SH_GUID      16 bytes in SQL Server's order */
#ifndef SH_ENGINE_VALUE_H
#define SH_ENGINE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    SH_NULL,
    SH_INT,
    SH_DOUBLE,
    SH_DECIMAL,
    SH_TEXT,
    SH_BLOB,
    SH_DATETIME,
    SH_GUID
} sh_kind_t;

/*  A value borrows its text or bytes, unless `owned` (sh_value_copy): then sh_value_clear frees. */
typedef struct {
    sh_kind_t kind;
    bool owned;
    uint32_t size; /* bytes of text (without the NUL), decimal text or blob */
    union {
        int64_t integer;
        double real;
        const char *text; /* SH_TEXT and SH_DECIMAL; always NUL-terminated behind `size` bytes */
        const uint8_t *blob;
        int64_t ticks;
        uint8_t guid[16];
    } as;
} sh_value_t;

typedef enum {
    SH_TYPE_BIT = 1,
    SH_TYPE_TINYINT,
    SH_TYPE_SMALLINT,
    SH_TYPE_INT,
    SH_TYPE_BIGINT,
    SH_TYPE_NUMERIC, /* precision, scale; also decimal */
    SH_TYPE_MONEY,
    SH_TYPE_SMALLMONEY,
    SH_TYPE_REAL,
    SH_TYPE_FLOAT,
    SH_TYPE_DATE,
    SH_TYPE_TIME,
    SH_TYPE_SMALLDATETIME,
    SH_TYPE_DATETIME,
    SH_TYPE_DATETIME2, /* scale 0..7 */
    SH_TYPE_CHAR,      /* size in bytes */
    SH_TYPE_VARCHAR,   /* size in bytes or SH_MAX */
    SH_TYPE_TEXT,
    SH_TYPE_NCHAR,    /* size in characters */
    SH_TYPE_NVARCHAR, /* size in characters or SH_MAX; sysname is nvarchar(128) */
    SH_TYPE_NTEXT,
    SH_TYPE_XML,
    SH_TYPE_BINARY,
    SH_TYPE_VARBINARY, /* size in bytes or SH_MAX */
    SH_TYPE_IMAGE,
    SH_TYPE_TIMESTAMP,
    SH_TYPE_UNIQUEIDENTIFIER
} sh_type_id_t;

enum { SH_MAX = -1 };

typedef struct {
    sh_type_id_t id;
    int32_t size;      /* see above; 0 where the type has none */
    uint8_t precision; /* numeric 1..38 */
    uint8_t scale;     /* numeric, datetime2, time */
} sh_type_t;

enum { SH_TICKS_PER_US = 10, SH_TICKS_PER_MS = 10000, SH_TICKS_PER_SECOND = 10000000 };
#define SH_TICKS_PER_DAY INT64_C (864000000000)
/*  1970-01-01 and 1900-01-01 in ticks. */
#define SH_TICKS_UNIX INT64_C (621355968000000000)
#define SH_TICKS_1900 INT64_C (599266080000000000)

static inline sh_value_t
sh_value_null (void)
{
    sh_value_t value = {.kind = SH_NULL};
    return value;
}

static inline sh_value_t
sh_value_int (int64_t integer)
{
    sh_value_t value = {.kind = SH_INT, .as.integer = integer};
    return value;
}

static inline sh_value_t
sh_value_double (double real)
{
    sh_value_t value = {.kind = SH_DOUBLE, .as.real = real};
    return value;
}

static inline sh_value_t
sh_value_ticks (int64_t ticks)
{
    sh_value_t value = {.kind = SH_DATETIME, .as.ticks = ticks};
    return value;
}

/*  Borrow; NULL makes a NULL value. */
sh_value_t sh_value_text (const char *text);
sh_value_t sh_value_text_n (const char *text, size_t size); /* text[size] must be 0 */
sh_value_t sh_value_decimal (const char *text);
sh_value_t sh_value_blob (const void *data, size_t size);
sh_value_t sh_value_guid (const uint8_t guid[16]);

/*  An owned copy; the caller clears it. */
sh_value_t sh_value_copy (const sh_value_t *value);
void sh_value_clear (sh_value_t *value);

/*  SQL equality as the engine's unique indexes see it: texts without regard to case and trailing
 *  blanks (SQL_Latin1_General_CP1_CI_AS), numbers across kinds, NULL equal to NULL. */
bool sh_value_equal (const sh_value_t *a, const sh_value_t *b);
/*  <0, 0, >0; NULL first, then by number, time, guid, text, blob. */
int sh_value_compare (const sh_value_t *a, const sh_value_t *b);
uint64_t sh_value_hash (const sh_value_t *value);
/*  The collation alone, for SQLite's collation callback: <0, 0, >0. */
int sh_text_compare (const char *a, size_t a_size, const char *b, size_t b_size);

/*  "nvarchar", "numeric": as sys.types names it. */
const char *sh_type_name (sh_type_id_t id);
/*  "nvarchar(128)", "numeric(25,0)", "varchar(max)" into out. */
void sh_type_print (const sh_type_t *type, char *out, size_t size);

static inline sh_type_t
sh_type_make (sh_type_id_t id, int32_t size)
{
    sh_type_t type = {.id = id, .size = size};
    return type;
}

static inline sh_type_t
sh_type_numeric (uint8_t precision, uint8_t scale)
{
    sh_type_t type = {.id = SH_TYPE_NUMERIC, .precision = precision, .scale = scale};
    return type;
}

/*  ---- time ---- */

typedef struct {
    int year, month, day, hour, minute, second;
    int32_t fraction; /* ticks within the second */
} sh_civil_t;

int64_t sh_ticks_from_civil (const sh_civil_t *civil);
void sh_ticks_to_civil (int64_t ticks, sh_civil_t *out);
/*  Wall time now; local as the process's zone has it (GETDATE). */
int64_t sh_ticks_utc (void);
int64_t sh_ticks_local (void);
int64_t sh_ticks_utc_to_local (int64_t utc);
/*  Rounded to datetime's 1/300 s. */
int64_t sh_ticks_to_datetime (int64_t ticks);

/*  ---- guids ---- */

void sh_guid_make (uint8_t guid[16]);
/*  "6F9619FF-8B86-D011-B42D-00C04FC964FF"; out holds 37 bytes. */
void sh_guid_print (const uint8_t guid[16], char out[37]);
/*  Also takes braces; false when it is none. */
bool sh_guid_parse (const char *text, uint8_t guid[16]);

#endif
