/*  Every value conversion goes in two steps: out of the source kind into what the target wants. */
#include "convert.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/*  One conversion under way. */
typedef struct {
    const sh_value_t *in;
    const sh_type_t *from;
    const sh_type_t *to;
    int style;
    sh_value_t *out;
    sh_error_t *error;
} s_job_t;

sh_value_t
sh_value_own (const char *text, size_t size)
{
    sh_value_t borrowed;
    if (!text[size])
        borrowed = sh_value_text_n (text, size);
    else {
        char *copy = sh_alloc (size + 1);
        memcpy (copy, text, size);
        borrowed = sh_value_text_n (copy, size);
        sh_value_t owned = sh_value_copy (&borrowed);
        free (copy);
        return owned;
    }
    return sh_value_copy (&borrowed);
}

size_t
sh_text_units (const char *text, size_t size)
{
    size_t units = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c & 0xC0) != 0x80)
            units += c >= 0xF0 ? 2 : 1;
    }
    return units;
}

size_t
sh_text_prefix (const char *text, size_t size, size_t units)
{
    size_t i = 0;
    while (i < size) {
        unsigned char c = (unsigned char)text[i];
        size_t width = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;
        size_t cost = width == 4 ? 2 : 1;
        if (units < cost)
            break;
        units -= cost;
        i += width;
    }
    return i < size ? i : size;
}

static bool
s_fail (const s_job_t *job, int number, const char *text)
{
    sh_fail (job->error, number, 16, 1, "%s", text);
    return false;
}

static bool
s_overflow (const s_job_t *job)
{
    sh_fail (job->error, 8115, 16, 2, "Arithmetic overflow error converting %s to data type %s.",
             job->from->id ? sh_type_name (job->from->id) : "expression",
             sh_type_name (job->to->id));
    return false;
}

static bool
s_disallowed (const s_job_t *job)
{
    sh_fail (job->error, 529, 16, 1, "Explicit conversion from data type %s to %s is not allowed.",
             sh_type_name (job->from->id), sh_type_name (job->to->id));
    return false;
}

static const char *
s_trimmed (const char *text, char *room, size_t size)
{
    while (isspace ((unsigned char)*text))
        text++;
    size_t length = strlen (text);
    while (length && isspace ((unsigned char)text[length - 1]))
        length--;
    if (length >= size)
        length = size - 1;
    memcpy (room, text, length);
    room[length] = 0;
    return room;
}

/*  ---- to text ---- */

static void
s_print_real (double real, const sh_type_t *from, int style, char *out, size_t size)
{
    if (style == 3)
        snprintf (out, size, "%.17g", real);
    else
        snprintf (out, size, from->id == SH_TYPE_REAL ? "%.6g" : "%.6g", real);
    /*  SQL Server writes exponents with three digits: 1e+010. */
    char *e = strchr (out, 'e');
    if (e && strlen (e) == 4 && strlen (out) + 2 < size) {
        memmove (e + 3, e + 2, strlen (e + 2) + 1);
        e[2] = '0';
    }
}

static void
s_print_blob (const sh_value_t *in, int style, sh_buffer_t *out)
{
    if (style != 1 && style != 2) {
        sh_buffer_add (out, in->as.blob, in->size);
        return;
    }
    if (style == 1)
        sh_buffer_puts (out, "0x");
    for (uint32_t i = 0; i < in->size; i++)
        sh_buffer_printf (out, "%02X", in->as.blob[i]);
}

static bool
s_time_text (const s_job_t *job, sh_buffer_t *text)
{
    char room[64];
    if (!sh_time_format (job->in->as.ticks, job->from, job->style, room, sizeof room)) {
        sh_fail (job->error, 281, 16, 1,
                 "%d is not a valid style number when converting from %s to a character string.",
                 job->style, sh_type_name (job->from->id));
        return false;
    }
    sh_buffer_puts (text, room);
    return true;
}

static bool
s_any_text (const s_job_t *job, sh_buffer_t *text)
{
    const sh_value_t *in = job->in;
    char room[64];
    switch (in->kind) {
        case SH_INT:
            sh_buffer_printf (text, "%" PRId64, in->as.integer);
            return true;
        case SH_DOUBLE:
            s_print_real (in->as.real, job->from, job->style, room, sizeof room);
            sh_buffer_puts (text, room);
            return true;
        case SH_DECIMAL: {
            sh_decimal_t number;
            sh_decimal_parse (in->as.text, &number);
            if (job->from->id == SH_TYPE_MONEY || job->from->id == SH_TYPE_SMALLMONEY)
                sh_decimal_scale (&number, job->style == 2 ? 4 : 2);
            sh_decimal_print (&number, room, sizeof room);
            sh_buffer_puts (text, room);
            return true;
        }
        case SH_TEXT:
            sh_buffer_add (text, in->as.text, in->size);
            return true;
        case SH_BLOB:
            s_print_blob (in, job->style, text);
            return true;
        case SH_DATETIME:
            return s_time_text (job, text);
        case SH_GUID:
            sh_guid_print (in->as.guid, room);
            sh_buffer_puts (text, room);
            return true;
        default:
            return true;
    }
}

/*  What a too short target does to a number: an asterisk, or an error. */
static bool
s_number_too_long (const s_job_t *job)
{
    if (job->in->kind == SH_INT &&
        (job->to->id == SH_TYPE_VARCHAR || job->to->id == SH_TYPE_CHAR)) {
        *job->out = sh_value_own ("*", 1);
        return true;
    }
    return s_overflow (job);
}

static bool
s_to_text (const s_job_t *job)
{
    sh_buffer_t text = {0};
    bool ok = s_any_text (job, &text);
    if (ok) {
        size_t size = text.size;
        int32_t limit = job->to->size;
        bool sized = job->to->id != SH_TYPE_TEXT && job->to->id != SH_TYPE_NTEXT &&
                     job->to->id != SH_TYPE_XML && limit != SH_MAX && limit > 0;
        size_t units = sized ? sh_text_units (sh_buffer_text (&text), size) : 0;
        if (sized && units > (size_t)limit) {
            if (sh_type_is_number (job->from)) {
                sh_buffer_free (&text);
                return s_number_too_long (job);
            }
            size = sh_text_prefix (text.data, size, (size_t)limit);
            text.data[size] = 0;
        } else if (sized && (job->to->id == SH_TYPE_CHAR || job->to->id == SH_TYPE_NCHAR)) {
            for (; units < (size_t)limit; units++, size++)
                sh_buffer_putc (&text, ' ');
        }
        *job->out = sh_value_own (sh_buffer_text (&text), size);
    }
    sh_buffer_free (&text);
    return ok;
}

/*  ---- to integers ---- */

static bool
s_text_conversion_failed (const s_job_t *job)
{
    if (sh_type_is_integer (job->to) && job->to->id != SH_TYPE_BIGINT)
        sh_fail (job->error, 245, 16, 1,
                 "Conversion failed when converting the %s value '%.200s' to data type %s.",
                 sh_type_name (job->from->id), job->in->as.text, sh_type_name (job->to->id));
    else
        sh_fail (job->error, 8114, 16, 5, "Error converting data type %s to %s.",
                 sh_type_name (job->from->id), sh_type_name (job->to->id));
    return false;
}

static bool
s_integer_text (const s_job_t *job, int64_t *out)
{
    char room[64];
    const char *text = s_trimmed (job->in->as.text, room, sizeof room);
    if (job->to->id == SH_TYPE_BIT) {
        if (strcasecmp (text, "true") == 0 || strcasecmp (text, "false") == 0) {
            *out = strcasecmp (text, "true") == 0;
            return true;
        }
    }
    if (!*text) {
        *out = 0;
        return true;
    }
    char *end;
    errno = 0;
    *out = strtoll (text, &end, 10);
    if (*end || end == text)
        return s_text_conversion_failed (job);
    return errno ? s_overflow (job) : true;
}

static bool
s_integer_any (const s_job_t *job, int64_t *out)
{
    const sh_value_t *in = job->in;
    switch (in->kind) {
        case SH_INT:
            *out = in->as.integer;
            return true;
        case SH_DOUBLE:
            if (!(in->as.real > -9.3e18 && in->as.real < 9.3e18))
                return s_overflow (job);
            *out = (int64_t)in->as.real;
            return true;
        case SH_DECIMAL: {
            sh_decimal_t number;
            sh_decimal_parse (in->as.text, &number);
            bool bit = job->to->id == SH_TYPE_BIT && number.mantissa != 0;
            /*  To an integer the fraction is cut. */
            while (number.scale > 0) {
                number.mantissa /= 10;
                number.scale--;
            }
            if (number.mantissa > INT64_MAX || number.mantissa < INT64_MIN)
                return s_overflow (job);
            *out = bit ? 1 : (int64_t)number.mantissa;
            return true;
        }
        case SH_TEXT:
            return s_integer_text (job, out);
        case SH_BLOB: {
            uint64_t bits = 0;
            uint32_t from = in->size > 8 ? in->size - 8 : 0;
            for (uint32_t i = from; i < in->size; i++)
                bits = bits << 8 | in->as.blob[i];
            if (job->to->id == SH_TYPE_INT)
                *out = (int32_t)(uint32_t)bits;
            else
                *out = (int64_t)bits;
            return true;
        }
        case SH_DATETIME:
            *out = (in->as.ticks - SH_TICKS_1900) / SH_TICKS_PER_DAY;
            return true;
        default:
            return s_disallowed (job);
    }
}

static bool
s_to_integer (const s_job_t *job)
{
    int64_t number, low, high;
    if (!s_integer_any (job, &number))
        return false;
    switch (job->to->id) {
        case SH_TYPE_BIT:
            *job->out = sh_value_int (number != 0);
            return true;
        case SH_TYPE_TINYINT:
            low = 0;
            high = 255;
            break;
        case SH_TYPE_SMALLINT:
            low = INT16_MIN;
            high = INT16_MAX;
            break;
        case SH_TYPE_INT:
            low = INT32_MIN;
            high = INT32_MAX;
            break;
        default:
            low = INT64_MIN;
            high = INT64_MAX;
    }
    if (number < low || number > high) {
        if (job->in->kind == SH_TEXT && job->to->id != SH_TYPE_BIGINT) {
            sh_fail (job->error, job->to->id == SH_TYPE_INT ? 248 : 244, 16, 1,
                     "The conversion of the %s value '%.100s' overflowed an %s column.",
                     sh_type_name (job->from->id), job->in->as.text, sh_type_name (job->to->id));
            return false;
        }
        if (sh_type_is_integer (job->from) && job->to->id != SH_TYPE_INT) {
            sh_fail (job->error, 220, 16, 1,
                     "Arithmetic overflow error for data type %s, value = %" PRId64 ".",
                     sh_type_name (job->to->id), number);
            return false;
        }
        return s_overflow (job);
    }
    *job->out = sh_value_int (number);
    return true;
}

/*  ---- to exact and approximate numbers ---- */

static bool
s_decimal_any (const s_job_t *job, sh_decimal_t *out)
{
    const sh_value_t *in = job->in;
    char room[80];
    switch (in->kind) {
        case SH_INT:
            *out = (sh_decimal_t){in->as.integer, 0};
            return true;
        case SH_DECIMAL:
            return sh_decimal_parse (in->as.text, out);
        case SH_DOUBLE:
            if (fabs (in->as.real) >= 1e37)
                return s_overflow (job);
            snprintf (room, sizeof room, "%.*f", job->to->scale > 15 ? 15 : job->to->scale + 1,
                      in->as.real);
            return sh_decimal_parse (room, out) || s_overflow (job);
        case SH_TEXT: {
            const char *text = s_trimmed (in->as.text, room, sizeof room);
            bool money = job->to->id == SH_TYPE_MONEY || job->to->id == SH_TYPE_SMALLMONEY;
            if (money && *text == '$')
                text++;
            if (money && !*text) {
                *out = (sh_decimal_t){0};
                return true;
            }
            return sh_decimal_parse (text, out) || s_text_conversion_failed (job);
        }
        case SH_BLOB: {
            int64_t number = 0;
            sh_type_t big = sh_type_of (SH_TYPE_BIGINT);
            s_job_t inner = *job;
            inner.to = &big;
            if (!s_integer_any (&inner, &number))
                return false;
            *out = (sh_decimal_t){number, 0};
            return true;
        }
        case SH_DATETIME:
            snprintf (room, sizeof room, "%.12f",
                      (double)(in->as.ticks - SH_TICKS_1900) / (double)SH_TICKS_PER_DAY);
            return sh_decimal_parse (room, out);
        default:
            return s_disallowed (job);
    }
}

static bool
s_to_decimal (const s_job_t *job)
{
    sh_decimal_t number;
    if (!s_decimal_any (job, &number))
        return false;
    sh_type_t shape = sh_type_as_numeric (job->to);
    if (!sh_decimal_scale (&number, shape.scale) || !sh_decimal_fits (&number, shape.precision))
        return s_overflow (job);
    char room[64];
    sh_decimal_print (&number, room, sizeof room);
    sh_value_t borrowed = sh_value_decimal (room);
    *job->out = sh_value_copy (&borrowed);
    return true;
}

static bool
s_to_real (const s_job_t *job)
{
    double real = 0;
    char room[400];
    switch (job->in->kind) {
        case SH_INT:
            real = (double)job->in->as.integer;
            break;
        case SH_DOUBLE:
            real = job->in->as.real;
            break;
        case SH_DECIMAL:
            real = strtod (job->in->as.text, NULL);
            break;
        case SH_TEXT: {
            char *end;
            const char *text = s_trimmed (job->in->as.text, room, sizeof room);
            real = strtod (text, &end);
            if (*end || (end == text && *text))
                return s_text_conversion_failed (job);
            break;
        }
        case SH_DATETIME:
            real = (double)(job->in->as.ticks - SH_TICKS_1900) / (double)SH_TICKS_PER_DAY;
            break;
        default:
            return s_disallowed (job);
    }
    if (!isfinite (real))
        return s_overflow (job);
    *job->out = sh_value_double (job->to->id == SH_TYPE_REAL ? (double)(float)real : real);
    return true;
}

/*  ---- to time ---- */

static bool
s_ticks_any (const s_job_t *job, int64_t *ticks)
{
    const sh_value_t *in = job->in;
    sh_decimal_t number;
    switch (in->kind) {
        case SH_DATETIME:
            *ticks = in->as.ticks;
            if (job->from->id == SH_TYPE_TIME && job->to->id != SH_TYPE_TIME)
                *ticks += SH_TICKS_1900;
            return true;
        case SH_TEXT:
            return sh_time_parse (in->as.text, ticks) ||
                   s_fail (job, 241,
                           "Conversion failed when converting date and/or time from character "
                           "string.");
        case SH_INT:
            *ticks = SH_TICKS_1900 + in->as.integer * SH_TICKS_PER_DAY;
            return true;
        case SH_DOUBLE:
            *ticks = SH_TICKS_1900 + (int64_t)llround (in->as.real * (double)SH_TICKS_PER_DAY);
            return true;
        case SH_DECIMAL:
            sh_decimal_parse (in->as.text, &number);
            *ticks = SH_TICKS_1900 +
                     (int64_t)llround (sh_decimal_real (&number) * (double)SH_TICKS_PER_DAY);
            return true;
        case SH_BLOB: {
            /*  Eight bytes as datetime is stored: days and 1/300 seconds. */
            int32_t days = 0;
            uint32_t parts = 0;
            for (uint32_t i = 0; i < in->size && i < 8; i++)
                if (in->size - i > 4)
                    days = (int32_t)((uint32_t)days << 8 | in->as.blob[i]);
                else
                    parts = parts << 8 | in->as.blob[i];
            *ticks = SH_TICKS_1900 + days * SH_TICKS_PER_DAY +
                     (int64_t)parts * SH_TICKS_PER_SECOND / 300;
            return true;
        }
        default:
            return s_disallowed (job);
    }
}

static int64_t
s_round_ticks (int64_t ticks, int digits)
{
    int64_t unit = 1;
    for (int i = digits; i < 7; i++)
        unit *= 10;
    return (ticks + unit / 2) / unit * unit;
}

static bool
s_to_time (const s_job_t *job)
{
    int64_t ticks = 0;
    if (!s_ticks_any (job, &ticks))
        return false;
    int64_t day = ticks - ticks % SH_TICKS_PER_DAY;
    switch (job->to->id) {
        case SH_TYPE_DATE:
            ticks = day;
            break;
        case SH_TYPE_TIME:
            ticks = s_round_ticks (ticks - day, job->to->scale) % SH_TICKS_PER_DAY;
            break;
        case SH_TYPE_SMALLDATETIME: {
            int64_t minute = (int64_t)60 * SH_TICKS_PER_SECOND;
            ticks = (ticks + minute / 2) / minute * minute;
            break;
        }
        case SH_TYPE_DATETIME2:
            ticks = s_round_ticks (ticks, job->to->scale);
            break;
        default: {
            sh_civil_t c;
            if (ticks < 0 || ticks > INT64_C (3155378975999999999))
                return s_overflow (job);
            sh_ticks_to_civil (ticks, &c);
            if (c.year < 1753)
                return s_fail (
                    job, 242,
                    "The conversion of a varchar data type to a datetime data type resulted "
                    "in an out-of-range value.");
            ticks = sh_ticks_to_datetime (ticks);
        }
    }
    if (ticks < 0 || ticks > INT64_C (3155378975999999999))
        return s_overflow (job);
    *job->out = sh_value_ticks (ticks);
    return true;
}

/*  ---- to binary and guid ---- */

static int
s_hex (char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower ((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
s_hex_bytes (const s_job_t *job, sh_buffer_t *bytes)
{
    const char *text = job->in->as.text;
    if (job->style == 1) {
        if (text[0] != '0' || (text[1] | 0x20) != 'x')
            return s_text_conversion_failed (job);
        text += 2;
    }
    for (; *text; text += 2) {
        int high = s_hex (text[0]), low = text[1] ? s_hex (text[1]) : -1;
        if (high < 0 || low < 0)
            return s_text_conversion_failed (job);
        sh_buffer_putc (bytes, (char)(high << 4 | low));
    }
    return true;
}

/*  nvarchar to binary is UTF-16, little end first. */
static void
s_text_bytes (const s_job_t *job, sh_buffer_t *bytes)
{
    const unsigned char *text = (const unsigned char *)job->in->as.text;
    if (!sh_type_is_unicode (job->from)) {
        sh_buffer_add (bytes, text, job->in->size);
        return;
    }
    for (uint32_t i = 0; i < job->in->size;) {
        uint32_t c = text[i];
        int more = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : c >= 0xC0 ? 1 : 0;
        c = more == 3 ? c & 7 : more == 2 ? c & 15 : more == 1 ? c & 31 : c;
        for (i++; more-- && i < job->in->size; i++)
            c = c << 6 | (text[i] & 63);
        uint32_t units[2] = {c, 0};
        int count = 1;
        if (c >= 0x10000) {
            units[0] = 0xD800 + ((c - 0x10000) >> 10);
            units[1] = 0xDC00 + ((c - 0x10000) & 0x3FF);
            count = 2;
        }
        for (int k = 0; k < count; k++) {
            sh_buffer_putc (bytes, (char)(units[k] & 255));
            sh_buffer_putc (bytes, (char)(units[k] >> 8));
        }
    }
}

static void
s_integer_bytes (const s_job_t *job, sh_buffer_t *bytes)
{
    int width = job->from->id == SH_TYPE_BIGINT                                    ? 8
                : job->from->id == SH_TYPE_SMALLINT                                ? 2
                : job->from->id == SH_TYPE_TINYINT || job->from->id == SH_TYPE_BIT ? 1
                                                                                   : 4;
    for (int i = width - 1; i >= 0; i--)
        sh_buffer_putc (bytes, (char)((uint64_t)job->in->as.integer >> (8 * i)));
}

static void
s_datetime_bytes (const s_job_t *job, sh_buffer_t *bytes)
{
    int64_t since = job->in->as.ticks - SH_TICKS_1900;
    int64_t day = since >= 0 ? since / SH_TICKS_PER_DAY
                             : -((-since + SH_TICKS_PER_DAY - 1) / SH_TICKS_PER_DAY);
    int64_t parts = (since - day * SH_TICKS_PER_DAY) * 300 / SH_TICKS_PER_SECOND;
    uint64_t all = (uint64_t)day << 32 | (uint64_t)parts;
    for (int i = 7; i >= 0; i--)
        sh_buffer_putc (bytes, (char)(all >> (8 * i)));
}

static bool
s_to_binary (const s_job_t *job)
{
    sh_buffer_t bytes = {0};
    bool left_padded = false;
    switch (job->in->kind) {
        case SH_BLOB:
            sh_buffer_add (&bytes, job->in->as.blob, job->in->size);
            break;
        case SH_GUID:
            sh_buffer_add (&bytes, job->in->as.guid, 16);
            break;
        case SH_TEXT:
            if ((job->style == 1 || job->style == 2) && !s_hex_bytes (job, &bytes)) {
                sh_buffer_free (&bytes);
                return false;
            }
            if (job->style != 1 && job->style != 2)
                s_text_bytes (job, &bytes);
            break;
        case SH_INT:
            s_integer_bytes (job, &bytes);
            left_padded = true;
            break;
        case SH_DATETIME:
            s_datetime_bytes (job, &bytes);
            left_padded = true;
            break;
        default:
            sh_buffer_free (&bytes);
            return s_disallowed (job);
    }
    size_t limit = job->to->size > 0 ? (size_t)job->to->size : SIZE_MAX;
    const char *from = sh_buffer_text (&bytes);
    size_t size = bytes.size;
    if (size > limit) {
        if (left_padded)
            from += size - limit; /* a number keeps its low bytes */
        size = limit;
    }
    sh_buffer_t padded = {0};
    if (job->to->id == SH_TYPE_BINARY && left_padded)
        for (size_t i = size; i < limit; i++)
            sh_buffer_putc (&padded, 0);
    sh_buffer_add (&padded, from, size);
    if (job->to->id == SH_TYPE_BINARY)
        while (padded.size < limit)
            sh_buffer_putc (&padded, 0);
    sh_value_t borrowed = sh_value_blob (sh_buffer_text (&padded), padded.size);
    *job->out = sh_value_copy (&borrowed);
    sh_buffer_free (&padded);
    sh_buffer_free (&bytes);
    return true;
}

static bool
s_to_guid (const s_job_t *job)
{
    uint8_t guid[16] = {0};
    if (job->in->kind == SH_GUID)
        memcpy (guid, job->in->as.guid, 16);
    else if (job->in->kind == SH_BLOB)
        memcpy (guid, job->in->as.blob, job->in->size < 16 ? job->in->size : 16);
    else if (job->in->kind != SH_TEXT)
        return s_disallowed (job);
    else {
        char room[64];
        if (!sh_guid_parse (s_trimmed (job->in->as.text, room, sizeof room), guid))
            return s_fail (job, 8169,
                           "Conversion failed when converting from a character string to "
                           "uniqueidentifier.");
    }
    *job->out = sh_value_guid (guid);
    return true;
}

bool
sh_convert (const sh_value_t *in, const sh_type_t *from, const sh_type_t *to, int style,
            sh_value_t *out, sh_error_t *error)
{
    *out = sh_value_null ();
    if (in->kind == SH_NULL)
        return true;
    if (to->id == SH_TYPE_NONE) {
        *out = sh_value_copy (in);
        return true;
    }
    s_job_t job = {in, from, to, style, out, error};
    switch (sh_type_kind (to)) {
        case SH_TEXT:
            return s_to_text (&job);
        case SH_INT:
            return s_to_integer (&job);
        case SH_DECIMAL:
            return s_to_decimal (&job);
        case SH_DOUBLE:
            return s_to_real (&job);
        case SH_DATETIME:
            return s_to_time (&job);
        case SH_BLOB:
            return s_to_binary (&job);
        case SH_GUID:
            return s_to_guid (&job);
        default:
            return s_disallowed (&job);
    }
}

static size_t
s_significant (const sh_value_t *in)
{
    size_t size = in->size;
    while (size && in->as.text[size - 1] == ' ')
        size--;
    return size;
}

/*  Does cutting lose anything? Trailing blanks may go. */
static bool
s_fits (const sh_value_t *in, const sh_type_t *from, const sh_type_t *to)
{
    if (to->size <= 0 || in->kind == SH_NULL)
        return true;
    if (sh_type_is_text (to) && in->kind == SH_TEXT)
        return sh_text_units (in->as.text, s_significant (in)) <= (size_t)to->size;
    if (sh_type_is_binary (to) && in->kind == SH_BLOB)
        return in->size <= (uint32_t)to->size;
    if (sh_type_is_text (to) && in->kind != SH_BLOB) {
        sh_value_t whole;
        sh_error_t ignored;
        sh_type_t wide = sh_type_nvarchar (SH_MAX);
        if (!sh_convert (in, from, &wide, 0, &whole, &ignored))
            return true; /* the real conversion says why */
        bool fits = sh_text_units (whole.as.text, whole.size) <= (size_t)to->size;
        sh_value_clear (&whole);
        return fits || sh_type_is_number (from);
    }
    return true;
}

/*  2628 is SQL Server 2019's 8152, with the names in it. */
bool
sh_convert_column (const sh_value_t *in, const sh_type_t *from, const sh_type_t *to,
                   const char *table, const char *column, sh_value_t *out, sh_error_t *error)
{
    if (!s_fits (in, from, to)) {
        *out = sh_value_null ();
        sh_fail (error, 2628, 16, 1,
                 "String or binary data would be truncated in table '%s', column '%s'. Truncated "
                 "value: '%.*s'.",
                 table, column,
                 in->kind == SH_TEXT ? (int)sh_text_prefix (in->as.text, in->size, (size_t)to->size)
                                     : 0,
                 in->kind == SH_TEXT ? in->as.text : "");
        return false;
    }
    return sh_convert (in, from, to, 0, out, error);
}
