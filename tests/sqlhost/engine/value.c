#include "tests/sqlhost/engine/value.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/sqlhost/engine/memory.h"

sh_value_t
sh_value_text_n (const char *text, size_t size)
{
    if (!text)
        return sh_value_null ();
    sh_value_t value = {.kind = SH_TEXT, .size = (uint32_t)size, .as.text = text};
    return value;
}

sh_value_t
sh_value_text (const char *text)
{
    return sh_value_text_n (text, text ? strlen (text) : 0);
}

sh_value_t
sh_value_decimal (const char *text)
{
    sh_value_t value = sh_value_text (text);
    if (text)
        value.kind = SH_DECIMAL;
    return value;
}

sh_value_t
sh_value_blob (const void *data, size_t size)
{
    if (!data)
        return sh_value_null ();
    sh_value_t value = {.kind = SH_BLOB, .size = (uint32_t)size, .as.blob = data};
    return value;
}

sh_value_t
sh_value_guid (const uint8_t guid[16])
{
    sh_value_t value = {.kind = SH_GUID};
    memcpy (value.as.guid, guid, 16);
    return value;
}

static bool
s_has_bytes (sh_kind_t kind)
{
    return kind == SH_TEXT || kind == SH_DECIMAL || kind == SH_BLOB;
}

sh_value_t
sh_value_copy (const sh_value_t *value)
{
    sh_value_t copy = *value;
    copy.owned = false;
    if (s_has_bytes (value->kind)) {
        char *bytes = sh_mem_alloc ((size_t)value->size + 1);
        if (value->size)
            memcpy (bytes, value->as.text, value->size);
        copy.as.text = bytes;
        copy.owned = true;
    }
    return copy;
}

void
sh_value_clear (sh_value_t *value)
{
    if (value->owned && s_has_bytes (value->kind))
        free ((void *)(uintptr_t)value->as.text);
    *value = sh_value_null ();
}

/*  ---- the collation ---- */

/*  One folded character; *at moves on. ASCII and Latin-1 letters lose their case, the rest is
 *  compared by code point: enough for names and test data. */
static uint32_t
s_fold_next (const char *text, size_t size, size_t *at)
{
    uint32_t c = (unsigned char)text[(*at)++];
    if (c < 0x80)
        return c >= 'A' && c <= 'Z' ? c + 32 : c;
    int more = 1 + (c >= 0xE0) + (c >= 0xF0);
    c &= 0x3Fu >> more;
    while (more-- > 0 && *at < size)
        c = (c << 6) | ((unsigned char)text[(*at)++] & 0x3Fu);
    if (c >= 0xC0 && c <= 0xDE && c != 0xD7)
        c += 32;
    return c;
}

static size_t
s_trimmed (const char *text, size_t size)
{
    while (size > 0 && text[size - 1] == ' ')
        size--;
    return size;
}

int
sh_text_compare (const char *a, size_t a_size, const char *b, size_t b_size)
{
    a_size = s_trimmed (a, a_size);
    b_size = s_trimmed (b, b_size);
    size_t i = 0, j = 0;
    while (i < a_size && j < b_size) {
        uint32_t x = s_fold_next (a, a_size, &i), y = s_fold_next (b, b_size, &j);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return (i < a_size) - (j < b_size);
}

/*  ---- numbers ---- */

/*  Decimal text in parts that can be compared: sign, digits without leading zeros, fraction without
 *  trailing ones. */
typedef struct {
    int sign;
    const char *whole, *fraction;
    size_t whole_size, fraction_size;
} s_decimal_t;

static s_decimal_t
s_decimal (const char *text)
{
    s_decimal_t out = {.sign = 1};
    if (*text == '-' || *text == '+') {
        out.sign = *text == '-' ? -1 : 1;
        text++;
    }
    while (*text == '0')
        text++;
    out.whole = text;
    out.whole_size = strspn (text, "0123456789");
    text += out.whole_size;
    out.fraction = text;
    if (*text == '.') {
        out.fraction = text + 1;
        out.fraction_size = strspn (out.fraction, "0123456789");
        while (out.fraction_size > 0 && out.fraction[out.fraction_size - 1] == '0')
            out.fraction_size--;
    }
    if (out.whole_size == 0 && out.fraction_size == 0)
        out.sign = 0;
    return out;
}

static int
s_decimal_compare (const char *left, const char *right)
{
    s_decimal_t a = s_decimal (left), b = s_decimal (right);
    if (a.sign != b.sign)
        return a.sign < b.sign ? -1 : 1;
    int order;
    if (a.whole_size != b.whole_size)
        order = a.whole_size < b.whole_size ? -1 : 1;
    else {
        order = memcmp (a.whole, b.whole, a.whole_size);
        if (order == 0) {
            size_t least = a.fraction_size < b.fraction_size ? a.fraction_size : b.fraction_size;
            order = memcmp (a.fraction, b.fraction, least);
            if (order == 0)
                order = (a.fraction_size > least) - (b.fraction_size > least);
        }
    }
    return a.sign < 0 ? -order : order;
}

static bool
s_is_number (sh_kind_t kind)
{
    return kind == SH_INT || kind == SH_DOUBLE || kind == SH_DECIMAL;
}

static double
s_as_double (const sh_value_t *value)
{
    if (value->kind == SH_INT)
        return (double)value->as.integer;
    return value->kind == SH_DOUBLE ? value->as.real : strtod (value->as.text, NULL);
}

static void
s_int_print (int64_t integer, char out[24])
{
    snprintf (out, 24, "%lld", (long long)integer);
}

static int
s_number_compare (const sh_value_t *a, const sh_value_t *b)
{
    if (a->kind == SH_INT && b->kind == SH_INT)
        return (a->as.integer > b->as.integer) - (a->as.integer < b->as.integer);
    if (a->kind == SH_DOUBLE || b->kind == SH_DOUBLE) {
        double x = s_as_double (a), y = s_as_double (b);
        return (x > y) - (x < y);
    }
    char left[24], right[24];
    if (a->kind == SH_INT)
        s_int_print (a->as.integer, left);
    if (b->kind == SH_INT)
        s_int_print (b->as.integer, right);
    return s_decimal_compare (a->kind == SH_INT ? left : a->as.text,
                              b->kind == SH_INT ? right : b->as.text);
}

/*  ---- comparing ---- */

static int
s_rank (sh_kind_t kind)
{
    switch (kind) {
        case SH_NULL:
            return 0;
        case SH_INT:
        case SH_DOUBLE:
        case SH_DECIMAL:
            return 1;
        case SH_DATETIME:
            return 2;
        case SH_GUID:
            return 3;
        case SH_TEXT:
            return 4;
        case SH_BLOB:
            return 5;
    }
    return 6;
}

int
sh_value_compare (const sh_value_t *a, const sh_value_t *b)
{
    int x = s_rank (a->kind), y = s_rank (b->kind);
    if (x != y)
        return x < y ? -1 : 1;
    if (s_is_number (a->kind))
        return s_number_compare (a, b);
    if (a->kind == SH_DATETIME)
        return (a->as.ticks > b->as.ticks) - (a->as.ticks < b->as.ticks);
    if (a->kind == SH_GUID)
        return memcmp (a->as.guid, b->as.guid, 16);
    if (a->kind == SH_TEXT)
        return sh_text_compare (a->as.text, a->size, b->as.text, b->size);
    if (a->kind == SH_BLOB) {
        uint32_t least = a->size < b->size ? a->size : b->size;
        int order = least ? memcmp (a->as.blob, b->as.blob, least) : 0;
        return order ? order : (a->size > least) - (b->size > least);
    }
    return 0;
}

bool
sh_value_equal (const sh_value_t *a, const sh_value_t *b)
{
    return sh_value_compare (a, b) == 0;
}

static uint64_t
s_hash_bytes (uint64_t hash, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * UINT64_C (1099511628211);
    return hash;
}

/*  Equal values hash alike: numbers by their double, texts folded and trimmed. */
uint64_t
sh_value_hash (const sh_value_t *value)
{
    uint64_t hash = UINT64_C (14695981039346656037) + (uint64_t)s_rank (value->kind);
    if (s_is_number (value->kind)) {
        double real = s_as_double (value);
        if (real == 0)
            real = 0; /* -0.0 and 0.0 are one number */
        return s_hash_bytes (hash, &real, sizeof real);
    }
    switch (value->kind) {
        case SH_DATETIME:
            return s_hash_bytes (hash, &value->as.ticks, sizeof value->as.ticks);
        case SH_GUID:
            return s_hash_bytes (hash, value->as.guid, 16);
        case SH_BLOB:
            return s_hash_bytes (hash, value->as.blob, value->size);
        case SH_TEXT: {
            size_t size = s_trimmed (value->as.text, value->size), at = 0;
            while (at < size) {
                uint32_t c = s_fold_next (value->as.text, size, &at);
                hash = (hash ^ c) * UINT64_C (1099511628211);
            }
            return hash;
        }
        default:
            return hash;
    }
}

/*  ---- types ---- */

const char *
sh_type_name (sh_type_id_t id)
{
    static const char *const names[] = {
        [SH_TYPE_BIT] = "bit",
        [SH_TYPE_TINYINT] = "tinyint",
        [SH_TYPE_SMALLINT] = "smallint",
        [SH_TYPE_INT] = "int",
        [SH_TYPE_BIGINT] = "bigint",
        [SH_TYPE_NUMERIC] = "numeric",
        [SH_TYPE_MONEY] = "money",
        [SH_TYPE_SMALLMONEY] = "smallmoney",
        [SH_TYPE_REAL] = "real",
        [SH_TYPE_FLOAT] = "float",
        [SH_TYPE_DATE] = "date",
        [SH_TYPE_TIME] = "time",
        [SH_TYPE_SMALLDATETIME] = "smalldatetime",
        [SH_TYPE_DATETIME] = "datetime",
        [SH_TYPE_DATETIME2] = "datetime2",
        [SH_TYPE_CHAR] = "char",
        [SH_TYPE_VARCHAR] = "varchar",
        [SH_TYPE_TEXT] = "text",
        [SH_TYPE_NCHAR] = "nchar",
        [SH_TYPE_NVARCHAR] = "nvarchar",
        [SH_TYPE_NTEXT] = "ntext",
        [SH_TYPE_XML] = "xml",
        [SH_TYPE_BINARY] = "binary",
        [SH_TYPE_VARBINARY] = "varbinary",
        [SH_TYPE_IMAGE] = "image",
        [SH_TYPE_TIMESTAMP] = "timestamp",
        [SH_TYPE_UNIQUEIDENTIFIER] = "uniqueidentifier",
    };
    size_t count = sizeof names / sizeof names[0];
    return (size_t)id < count && names[id] ? names[id] : "?";
}

void
sh_type_print (const sh_type_t *type, char *out, size_t size)
{
    const char *name = sh_type_name (type->id);
    switch (type->id) {
        case SH_TYPE_NUMERIC:
            snprintf (out, size, "%s(%u,%u)", name, type->precision, type->scale);
            break;
        case SH_TYPE_DATETIME2:
        case SH_TYPE_TIME:
            snprintf (out, size, "%s(%u)", name, type->scale);
            break;
        case SH_TYPE_CHAR:
        case SH_TYPE_VARCHAR:
        case SH_TYPE_NCHAR:
        case SH_TYPE_NVARCHAR:
        case SH_TYPE_BINARY:
        case SH_TYPE_VARBINARY:
            if (type->size == SH_MAX)
                snprintf (out, size, "%s(max)", name);
            else
                snprintf (out, size, "%s(%d)", name, type->size);
            break;
        default:
            snprintf (out, size, "%s", name);
    }
}

/*  ---- guids ---- */

void
sh_guid_make (uint8_t guid[16])
{
    sh_require (RAND_bytes (guid, 16) == 1);
    guid[7] = (uint8_t)((guid[7] & 0x0F) | 0x40); /* version 4, in SQL Server's byte order */
    guid[8] = (uint8_t)((guid[8] & 0x3F) | 0x80);
}

/*  The first three groups are little endian: printed position to byte. */
static const uint8_t s_guid_order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

void
sh_guid_print (const uint8_t guid[16], char out[37])
{
    static const char digits[] = "0123456789ABCDEF";
    char *p = out;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = digits[guid[s_guid_order[i]] >> 4];
        *p++ = digits[guid[s_guid_order[i]] & 15];
    }
    *p = 0;
}

static int
s_hex (char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool
sh_guid_parse (const char *text, uint8_t guid[16])
{
    bool brace = *text == '{';
    if (brace)
        text++;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            if (*text++ != '-')
                return false;
        }
        int high = s_hex (text[0]);
        int low = high < 0 ? -1 : s_hex (text[1]);
        if (low < 0)
            return false;
        guid[s_guid_order[i]] = (uint8_t)(high * 16 + low);
        text += 2;
    }
    return brace ? strcmp (text, "}") == 0 : *text == 0;
}
