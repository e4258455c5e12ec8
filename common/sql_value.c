#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/sql_internal.h"
#include "common/utf8.h"

/*  Whatever a server sends as text: bytes that are not UTF-8, and NULs, become '?'. */
static void
s_repair (char *text, size_t size)
{
    if (bm_utf8_valid (text, size))
        return;
    for (size_t at = 0; at < size;) {
        size_t step = 1;
        while (step <= 4 && at + step <= size && !bm_utf8_valid (text + at, step))
            step++;
        if (step > 4 || at + step > size) {
            text[at] = '?';
            step = 1;
        }
        at += step;
    }
}

char *
bm_sql_text_dup (const char *text, size_t size, size_t limit)
{
    size_t keep = size < limit ? size : limit;
    while (keep > 0 && keep < size && ((unsigned char)text[keep] & 0xC0) == 0x80)
        keep--;
    char *copy = bm_alloc (keep + 1);
    memcpy (copy, text, keep);
    s_repair (copy, keep);
    return copy;
}

static char *
s_hex (const BYTE *data, DBINT size)
{
    static const char digits[] = "0123456789ABCDEF";
    char *text = bm_alloc (2 * (size_t)size + 3);
    text[0] = '0';
    text[1] = 'x';
    for (DBINT i = 0; i < size; i++) {
        text[2 + 2 * i] = digits[data[i] >> 4];
        text[3 + 2 * i] = digits[data[i] & 15];
    }
    return text;
}

static char *
s_date (DBPROCESS *process, int type, const BYTE *data)
{
    DBDATEREC2 date;
    if (dbanydatecrack (process, &date, type, data) != SUCCEED)
        return bm_strdup ("?");
    char *day = bm_format ("%04d-%02d-%02d", date.dateyear, date.datemonth + 1, date.datedmonth);
    char *time = bm_format ("%02d:%02d:%02d.%03d", date.datehour, date.dateminute, date.datesecond,
                            date.datensecond / 1000000);
    char *both = type == SYBMSDATE   ? bm_strdup (day)
                 : type == SYBMSTIME ? bm_strdup (time)
                                     : bm_format ("%s %s", day, time);
    free (day);
    free (time);
    return both;
}

static char *
s_converted (DBPROCESS *process, int type, const BYTE *data, DBINT size)
{
    char text[512];
    DBINT length =
        dbconvert (process, type, data, size, SYBCHAR, (BYTE *)text, (DBINT)sizeof text - 1);
    if (length < 0)
        return bm_strdup ("?");
    text[length] = '\0';
    return bm_strdup (text);
}

char *
bm_sql_value_text (DBPROCESS *process, int type, const BYTE *data, DBINT size)
{
    if (!data)
        return NULL;
    switch (type) {
        case SYBCHAR:
        case SYBVARCHAR:
        case SYBTEXT:
        case SYBNTEXT:
        case SYBNVARCHAR:
            return bm_sql_text_dup ((const char *)data, (size_t)size, (size_t)size);
        case SYBBIT:
        case SYBBITN:
            return bm_strdup (*data ? "1" : "0");
        case SYBBINARY:
        case SYBVARBINARY:
        case SYBIMAGE:
            return s_hex (data, size);
        case SYBDATETIME:
        case SYBDATETIME4:
        case SYBDATETIMN:
        case SYBMSDATE:
        case SYBMSTIME:
        case SYBMSDATETIME2:
        case SYBMSDATETIMEOFFSET:
            return s_date (process, type, data);
        default:
            return s_converted (process, type, data, size);
    }
}
