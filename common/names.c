#include "common/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*  BizTalk cuts the server's name here: cast (... as nvarchar) without a length is nvarchar (30). */
#define S_SERVER_CHARS 30

size_t
bm_names_length (const char *text)
{
    size_t units = 0;
    for (const unsigned char *at = (const unsigned char *)text; *at; at++)
        if ((*at & 0xC0) != 0x80)
            units += *at >= 0xF0 ? 2 : 1;
    return units;
}

static bool
s_becomes_underscore (char c)
{
    return c == ' ' || strchr ("~!@#$%^&*()-+{[}|\\:;<>,./", c) != NULL;
}

/*  As sp_BuildFullMarkName does it: most punctuation becomes _, quotes go, everything else stays. */
static void
s_scrub (char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        if (*from == '\'' || *from == '"')
            continue;
        *to++ = s_becomes_underscore (*from) ? '_' : *from;
    }
    *to = '\0';
}

bm_status_t
bm_names_mark (const char *prefix, int64_t utc_us, int utc_offset_minutes, char mark[BM_MARK_BYTES],
               bm_error_t *error)
{
    mark[0] = '\0';
    if (bm_names_length (prefix) > BM_LIMIT_MARK_PREFIX)
        return bm_fail (error, BM_USAGE,
                        "the mark prefix %s is longer than %d characters (@MarkName of BizTalk's "
                        "procedures)",
                        prefix, BM_LIMIT_MARK_PREFIX);
    int64_t us = utc_us + (int64_t)utc_offset_minutes * 60 * 1000000;
    bm_require (us >= 0);
    int64_t ticks = (us * 3 + 5000) / 10000; /* datetime counts 1/300 s */
    time_t seconds = (time_t)(ticks / 300);
    int ms = (int)((ticks % 300 * 10 + 1) / 3);
    struct tm parts;
    bm_require (gmtime_r (&seconds, &parts) != NULL);
    snprintf (mark, BM_MARK_BYTES, "%s_%04d-%02d-%02d %02d:%02d:%02d.%03d", prefix,
              parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min,
              parts.tm_sec, ms);
    s_scrub (mark);
    return BM_OK;
}

/*  opening + text with `doubled` doubled + closing. */
static char *
s_enclose (const char *opening, const char *text, char doubled, char closing)
{
    size_t size = strlen (opening) + 2 * strlen (text) + 2;
    char *result = bm_alloc (size);
    size_t at = strlen (opening);
    memcpy (result, opening, at);
    for (; *text; text++) {
        result[at++] = *text;
        if (*text == doubled)
            result[at++] = *text;
    }
    result[at] = closing;
    return result;
}

char *
bm_names_quote (const char *identifier)
{
    return s_enclose ("[", identifier, ']', ']');
}

char *
bm_names_literal (const char *text)
{
    return s_enclose ("N'", text, '\'', '\'');
}

static int
s_fold (char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : (unsigned char)c;
}

bool
bm_names_equal (const char *a, const char *b)
{
    for (; s_fold (*a) == s_fold (*b); a++, b++)
        if (!*a)
            return true;
    return false;
}

char *
bm_names_join_path (const char *folder, const char *file)
{
    size_t length = strlen (folder);
    char separator = strchr (folder, '\\') && !strchr (folder, '/') ? '\\' : '/';
    if (length == 0 || folder[length - 1] == separator)
        return bm_format ("%s%s", folder, file);
    return bm_format ("%s%c%s", folder, separator, file);
}

/*  Bytes of the first `units` UTF-16 units of a text; never half a character. */
static size_t
s_bytes_of_units (const char *text, size_t units)
{
    size_t at = 0;
    while (text[at]) {
        unsigned char lead = (unsigned char)text[at];
        size_t cost = lead >= 0xF0 ? 2 : 1;
        if (cost > units)
            break;
        units -= cost;
        at++;
        while (((unsigned char)text[at] & 0xC0) == 0x80)
            at++;
    }
    return at;
}

char *
bm_names_backup_file (const char *server, const char *database, bool full, const char *mark)
{
    char *shown = bm_strdup (server);
    shown[s_bytes_of_units (shown, S_SERVER_CHARS)] = '\0';
    for (char *at = shown; *at; at++)
        if (*at == '\\')
            *at = '_';
    char *file = bm_format ("%s_%s_%s_%s.bak", shown, database, full ? "Full" : "Log", mark);
    free (shown);
    return file;
}
