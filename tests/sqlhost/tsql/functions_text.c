/*  Text functions. Positions count UTF-16 units as SQL Server's do (a character outside the BMP is
 *  two; it is never split). */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/evp.h>

#include "functions.h"

#define S_ARGS sqlite3_context *context, int argc, sqlite3_value **argv

static size_t
s_size (sqlite3_value *value)
{
    return (size_t)sqlite3_value_bytes (value);
}

static void
s_result (sqlite3_context *context, const char *text, size_t size)
{
    sqlite3_result_text64 (context, text, size, SQLITE_TRANSIENT, SQLITE_UTF8);
}

static size_t
s_blanks_off (const char *text, size_t size)
{
    while (size && text[size - 1] == ' ')
        size--;
    return size;
}

static void
s_len (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    const char *text = sh_arg_text (argv[0]);
    sqlite3_result_int64 (
        context, (sqlite3_int64)sh_text_units (text, s_blanks_off (text, s_size (argv[0]))));
}

/*  ts_datalength (x, type id) */
static void
s_datalength (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    sh_type_t type = sh_type_of ((sh_type_id_t)sqlite3_value_int (argv[1]));
    static const uint8_t sizes[] = {[SH_TYPE_BIT] = 1,           [SH_TYPE_TINYINT] = 1,
                                    [SH_TYPE_SMALLINT] = 2,      [SH_TYPE_INT] = 4,
                                    [SH_TYPE_BIGINT] = 8,        [SH_TYPE_NUMERIC] = 9,
                                    [SH_TYPE_MONEY] = 8,         [SH_TYPE_SMALLMONEY] = 4,
                                    [SH_TYPE_REAL] = 4,          [SH_TYPE_FLOAT] = 8,
                                    [SH_TYPE_DATE] = 3,          [SH_TYPE_TIME] = 5,
                                    [SH_TYPE_SMALLDATETIME] = 4, [SH_TYPE_DATETIME] = 8,
                                    [SH_TYPE_DATETIME2] = 8,     [SH_TYPE_UNIQUEIDENTIFIER] = 16};
    if (sh_type_is_text (&type)) {
        size_t units = sh_text_units (sh_arg_text (argv[0]), s_size (argv[0]));
        sqlite3_result_int64 (context,
                              (sqlite3_int64)(sh_type_is_unicode (&type) ? units * 2 : units));
    } else if (sh_type_is_binary (&type))
        sqlite3_result_int64 (context, (sqlite3_int64)s_size (argv[0]));
    else
        sqlite3_result_int (context, sizes[type.id]);
}

static void
s_bad_length (sqlite3_context *context, const char *function)
{
    sh_error_set (sh_function_session (context), 537, 16, 3,
                  "Invalid length parameter passed to the %s function.", function);
    sh_function_fail (context, SH_ERROR);
}

static void
s_left (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    int64_t count = sqlite3_value_int64 (argv[1]);
    if (count < 0) {
        s_bad_length (context, "LEFT or SUBSTRING");
        return;
    }
    const char *text = sh_arg_text (argv[0]);
    s_result (context, text, sh_text_prefix (text, s_size (argv[0]), (size_t)count));
}

static void
s_right (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    int64_t count = sqlite3_value_int64 (argv[1]);
    if (count < 0) {
        s_bad_length (context, "RIGHT");
        return;
    }
    const char *text = sh_arg_text (argv[0]);
    size_t size = s_size (argv[0]), units = sh_text_units (text, size);
    size_t skip = (size_t)count < units ? sh_text_prefix (text, size, units - (size_t)count) : 0;
    s_result (context, text + skip, size - skip);
}

static void
s_substring (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    int64_t from = sqlite3_value_int64 (argv[1]), count = sqlite3_value_int64 (argv[2]);
    if (count < 0) {
        s_bad_length (context, "LEFT or SUBSTRING");
        return;
    }
    /*  A start before 1 eats from the length. */
    if (from < 1) {
        count = count + from - 1 > 0 ? count + from - 1 : 0;
        from = 1;
    }
    const char *text = sh_arg_text (argv[0]);
    size_t size = s_size (argv[0]);
    size_t skip = sh_text_prefix (text, size, (size_t)from - 1);
    s_result (context, text + skip, sh_text_prefix (text + skip, size - skip, (size_t)count));
}

static void
s_subbin (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    int64_t from = sqlite3_value_int64 (argv[1]), count = sqlite3_value_int64 (argv[2]);
    int64_t size = sqlite3_value_bytes (argv[0]);
    if (from < 1) {
        count += from - 1;
        from = 1;
    }
    if (from - 1 > size)
        from = size + 1;
    if (count > size - from + 1)
        count = size - from + 1;
    const char *data = sqlite3_value_blob (argv[0]);
    if (count > 0 && data)
        sqlite3_result_blob64 (context, data + from - 1, (sqlite3_uint64)count, SQLITE_TRANSIENT);
    else
        sqlite3_result_zeroblob (context, 0);
}

static void
s_bincat (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    sh_buffer_t bytes = {0};
    for (int i = 0; i < 2; i++) {
        const void *data = sqlite3_value_blob (argv[i]);
        if (data)
            sh_buffer_add (&bytes, data, s_size (argv[i]));
    }
    if (bytes.size)
        sqlite3_result_blob64 (context, bytes.data, bytes.size, SQLITE_TRANSIENT);
    else
        sqlite3_result_zeroblob (context, 0);
    sh_buffer_free (&bytes);
}

static void
s_case (sqlite3_context *context, sqlite3_value *value, int (*map) (int))
{
    if (sqlite3_value_type (value) == SQLITE_NULL)
        return;
    size_t size = s_size (value);
    char *copy = sh_alloc (size + 1);
    const char *text = sh_arg_text (value);
    for (size_t i = 0; i < size; i++)
        copy[i] = (unsigned char)text[i] < 0x80 ? (char)map ((unsigned char)text[i]) : text[i];
    s_result (context, copy, size);
    free (copy);
}

static void
s_upper (S_ARGS)
{
    (void)argc;
    s_case (context, argv[0], toupper);
}

static void
s_lower (S_ARGS)
{
    (void)argc;
    s_case (context, argv[0], tolower);
}

static void
s_trim_sides (sqlite3_context *context, sqlite3_value *value, bool left, bool right)
{
    if (sqlite3_value_type (value) == SQLITE_NULL)
        return;
    const char *text = sh_arg_text (value);
    size_t size = s_size (value);
    if (right)
        size = s_blanks_off (text, size);
    while (left && size && *text == ' ') {
        text++;
        size--;
    }
    s_result (context, text, size);
}

static void
s_ltrim (S_ARGS)
{
    (void)argc;
    s_trim_sides (context, argv[0], true, false);
}

static void
s_rtrim (S_ARGS)
{
    (void)argc;
    s_trim_sides (context, argv[0], false, true);
}

static void
s_trim (S_ARGS)
{
    (void)argc;
    s_trim_sides (context, argv[0], true, true);
}

/*  Where needle is in text, without regard to case; NULL = nowhere. */
static const char *
s_find (const char *text, const char *needle)
{
    return *needle ? strcasestr (text, needle) : NULL;
}

static void
s_replace (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    const char *text = sh_arg_text (argv[0]), *needle = sh_arg_text (argv[1]);
    const char *with = sh_arg_text (argv[2]), *hit;
    sh_buffer_t out = {0};
    while ((hit = s_find (text, needle))) {
        sh_buffer_add (&out, text, (size_t)(hit - text));
        sh_buffer_puts (&out, with);
        text = hit + strlen (needle);
    }
    sh_buffer_puts (&out, text);
    s_result (context, sh_buffer_text (&out), out.size);
    sh_buffer_free (&out);
}

static void
s_stuff (S_ARGS)
{
    if (sqlite3_value_type (argv[0]) == SQLITE_NULL || sh_any_null (2, argv + 1))
        return;
    (void)argc;
    const char *text = sh_arg_text (argv[0]);
    size_t size = s_size (argv[0]);
    int64_t from = sqlite3_value_int64 (argv[1]), count = sqlite3_value_int64 (argv[2]);
    if (from < 1 || count < 0 || (size_t)from > sh_text_units (text, size))
        return;
    size_t head = sh_text_prefix (text, size, (size_t)from - 1);
    size_t gone = sh_text_prefix (text + head, size - head, (size_t)count);
    sh_buffer_t out = {0};
    sh_buffer_add (&out, text, head);
    sh_buffer_puts (&out, sh_arg_text (argv[3]));
    sh_buffer_add (&out, text + head + gone, size - head - gone);
    s_result (context, sh_buffer_text (&out), out.size);
    sh_buffer_free (&out);
}

static void
s_charindex (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    const char *needle = sh_arg_text (argv[0]), *text = sh_arg_text (argv[1]);
    int64_t from = argc > 2 ? sqlite3_value_int64 (argv[2]) : 1;
    size_t skip = from > 1 ? sh_text_prefix (text, s_size (argv[1]), (size_t)from - 1) : 0;
    const char *hit = s_find (text + skip, needle);
    sqlite3_result_int64 (context,
                          hit ? (sqlite3_int64)sh_text_units (text, (size_t)(hit - text)) + 1 : 0);
}

static void
s_reverse (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    const char *text = sh_arg_text (argv[0]);
    size_t size = s_size (argv[0]), at = size;
    char *out = sh_alloc (size + 1);
    for (size_t i = 0; i < size;) {
        size_t width = 1;
        while (i + width < size && ((unsigned char)text[i + width] & 0xC0) == 0x80)
            width++;
        at -= width;
        memcpy (out + at, text + i, width);
        i += width;
    }
    s_result (context, out, size);
    free (out);
}

static void
s_repeat (sqlite3_context *context, const char *text, int64_t count)
{
    sh_buffer_t out = {0};
    if (count < 0)
        return;
    for (int64_t i = 0; i < count && out.size < 8u * 1024 * 1024; i++)
        sh_buffer_puts (&out, text);
    s_result (context, sh_buffer_text (&out), out.size);
    sh_buffer_free (&out);
}

static void
s_replicate (S_ARGS)
{
    if (!sh_any_null (argc, argv))
        s_repeat (context, sh_arg_text (argv[0]), sqlite3_value_int64 (argv[1]));
}

static void
s_space (S_ARGS)
{
    if (!sh_any_null (argc, argv))
        s_repeat (context, " ",
                  sqlite3_value_int64 (argv[0]) > 8000 ? 8000 : sqlite3_value_int64 (argv[0]));
}

static void
s_code_point (sqlite3_context *context, int64_t c)
{
    char out[5] = {0};
    if (c < 0 || c > 0xFFFF || (c >= 0xD800 && c < 0xE000))
        return;
    if (c < 0x80)
        out[0] = (char)c;
    else if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 63));
    } else {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 63));
        out[2] = (char)(0x80 | (c & 63));
    }
    s_result (context, out, c ? strlen (out) : 1);
}

static void
s_char (S_ARGS)
{
    if (!sh_any_null (argc, argv) && sqlite3_value_int64 (argv[0]) < 256)
        s_code_point (context, sqlite3_value_int64 (argv[0]));
}

static void
s_nchar (S_ARGS)
{
    if (!sh_any_null (argc, argv))
        s_code_point (context, sqlite3_value_int64 (argv[0]));
}

static void
s_unicode (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    const unsigned char *text = (const unsigned char *)sh_arg_text (argv[0]);
    if (!*text)
        return;
    int c = *text;
    if (c >= 0xE0 && text[1] && text[2])
        c = (c & 15) << 12 | (text[1] & 63) << 6 | (text[2] & 63);
    else if (c >= 0xC0 && text[1])
        c = (c & 31) << 6 | (text[1] & 63);
    sqlite3_result_int (context, c);
}

static void
s_str (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    int64_t width = argc > 1 ? sqlite3_value_int64 (argv[1]) : 10;
    int64_t places = argc > 2 ? sqlite3_value_int64 (argv[2]) : 0;
    char text[400];
    if (width < 0 || width > 300)
        return;
    snprintf (text, sizeof text, "%*.*f", (int)width, (int)(places > 16 ? 16 : places),
              sqlite3_value_double (argv[0]));
    if ((int64_t)strlen (text) > width) {
        memset (text, '*', (size_t)width);
        text[width] = 0;
    }
    sh_result_text (context, text);
}

static void
s_quotename (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    const char *text = sh_arg_text (argv[0]);
    char quote = argc > 1 ? *sh_arg_text (argv[1]) : '[';
    if (sh_text_units (text, s_size (argv[0])) > 128 || !quote || !strchr ("[]'\"()<>{}`", quote))
        return;
    static const char pairs[] = "[]()<>{}";
    const char *pair = strchr (pairs, quote);
    char open = quote, close = quote;
    if (pair) {
        open = pairs[(pair - pairs) & ~1];
        close = pairs[(pair - pairs) | 1];
    }
    sh_buffer_t out = {0};
    sh_buffer_putc (&out, open);
    for (; *text; text++) {
        if (*text == close)
            sh_buffer_putc (&out, close);
        sh_buffer_putc (&out, *text);
    }
    sh_buffer_putc (&out, close);
    s_result (context, out.data, out.size);
    sh_buffer_free (&out);
}

static void
s_concat (S_ARGS)
{
    sh_buffer_t out = {0};
    for (int i = 0; i < argc; i++)
        if (sqlite3_value_type (argv[i]) != SQLITE_NULL)
            sh_buffer_puts (&out, sh_arg_text (argv[i]));
    s_result (context, sh_buffer_text (&out), out.size);
    sh_buffer_free (&out);
}

static void
s_concat_ws (S_ARGS)
{
    sh_buffer_t out = {0};
    bool first = true;
    for (int i = 1; i < argc; i++)
        if (sqlite3_value_type (argv[i]) != SQLITE_NULL) {
            if (!first)
                sh_buffer_puts (&out, sh_arg_text (argv[0]));
            first = false;
            sh_buffer_puts (&out, sh_arg_text (argv[i]));
        }
    s_result (context, sh_buffer_text (&out), out.size);
    sh_buffer_free (&out);
}

/*  ---- LIKE and PATINDEX ---- */

static int
s_fold (int c, bool binary)
{
    return binary || c >= 0x80 ? c : tolower (c);
}

/*  [a-c], [^a-c]: *pattern stands behind the bracket; goes behind the closing one. */
static bool
s_in_set (const char **pattern, int c, bool binary)
{
    const char *p = *pattern;
    bool negated = *p == '^', found = false;
    if (negated)
        p++;
    c = s_fold (c, binary);
    for (bool first = true; *p && (*p != ']' || first); first = false) {
        int low = s_fold ((unsigned char)*p, binary), high = low;
        if (p[1] == '-' && p[2] && p[2] != ']') {
            high = s_fold ((unsigned char)p[2], binary);
            p += 3;
        } else
            p++;
        found |= c >= low && c <= high;
    }
    *pattern = *p ? p + 1 : p;
    return found != negated;
}

static bool
s_like_match (const char *text, const char *pattern, int escape, bool binary, int depth)
{
    for (; *pattern; text++) {
        if (escape && (unsigned char)*pattern == escape && pattern[1]) {
            pattern++;
            if (s_fold ((unsigned char)*text, binary) != s_fold ((unsigned char)*pattern, binary))
                return false;
            pattern++;
        } else if (*pattern == '%') {
            while (*pattern == '%')
                pattern++;
            if (!*pattern)
                return true;
            for (; depth < 200; text++) {
                if (s_like_match (text, pattern, escape, binary, depth + 1))
                    return true;
                if (!*text)
                    break;
            }
            return false;
        } else if (!*text)
            return false;
        else if (*pattern == '_') {
            pattern++;
            while (((unsigned char)text[1] & 0xC0) == 0x80)
                text++;
        } else if (*pattern == '[') {
            pattern++;
            if (!s_in_set (&pattern, (unsigned char)*text, binary))
                return false;
        } else {
            if (s_fold ((unsigned char)*text, binary) != s_fold ((unsigned char)*pattern, binary))
                return false;
            pattern++;
        }
    }
    /*  Trailing blanks of the text do not matter. */
    while (*text == ' ')
        text++;
    return !*text;
}

static void
s_like (S_ARGS)
{
    (void)argc;
    if (sh_any_null (2, argv))
        return;
    int escape =
        sqlite3_value_type (argv[2]) == SQLITE_NULL ? 0 : (unsigned char)*sh_arg_text (argv[2]);
    sqlite3_result_int (context, s_like_match (sh_arg_text (argv[0]), sh_arg_text (argv[1]), escape,
                                               sqlite3_value_int (argv[3]) != 0, 0));
}

static void
s_patindex (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    const char *pattern = sh_arg_text (argv[0]), *text = sh_arg_text (argv[1]);
    bool open = *pattern == '%';
    if (open)
        pattern++;
    for (const char *at = text;; at++) {
        if (s_like_match (at, pattern, 0, false, 0)) {
            sqlite3_result_int64 (context,
                                  (sqlite3_int64)sh_text_units (text, (size_t)(at - text)) + 1);
            return;
        }
        if (!open || !*at)
            break;
    }
    sqlite3_result_int (context, 0);
}

/*  ---- others over text ---- */

static void
s_parsename (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    sh_arena_t *arena = sh_arena_new ();
    sh_name_t name;
    if (sh_name_parse (arena, sh_arg_text (argv[0]), &name)) {
        const char *const parts[] = {name.object, name.schema, name.database, name.server};
        int64_t part = sqlite3_value_int64 (argv[1]);
        if (part >= 1 && part <= 4)
            sh_result_text (context, parts[part - 1]);
    }
    sh_arena_destroy (&arena);
}

static void
s_checksum (S_ARGS)
{
    uint32_t sum = 0;
    for (int i = 0; i < argc; i++) {
        sum = (sum << 4 | sum >> 28) ^ 0x9E37u;
        for (const char *c = sh_arg_text (argv[i]); *c; c++)
            sum = (sum << 4 | sum >> 28) ^ (uint32_t)tolower ((unsigned char)*c);
    }
    sqlite3_result_int (context, (int)sum);
}

static void
s_hashbytes (S_ARGS)
{
    static const char *const names[][2] = {{"MD5", "MD5"},
                                           {"SHA", "SHA1"},
                                           {"SHA1", "SHA1"},
                                           {"SHA2_256", "SHA256"},
                                           {"SHA2_512", "SHA512"}};
    if (sh_any_null (argc, argv))
        return;
    const EVP_MD *method = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (sh_same (names[i][0], sh_arg_text (argv[0])))
            method = EVP_get_digestbyname (names[i][1]);
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    const void *data = sqlite3_value_blob (argv[1]);
    if (method && EVP_Digest (data ? data : "", s_size (argv[1]), out, &size, method, NULL))
        sqlite3_result_blob (context, out, (int)size, SQLITE_TRANSIENT);
}

const sh_sql_entry_t sh_text_functions[] = {{"ts_len", 1, true, s_len},
                                            {"ts_datalength", 2, true, s_datalength},
                                            {"ts_left", 2, true, s_left},
                                            {"ts_right", 2, true, s_right},
                                            {"ts_substring", 3, true, s_substring},
                                            {"ts_subbin", 3, true, s_subbin},
                                            {"ts_bincat", 2, true, s_bincat},
                                            {"ts_upper", 1, true, s_upper},
                                            {"ts_lower", 1, true, s_lower},
                                            {"ts_ltrim", 1, true, s_ltrim},
                                            {"ts_rtrim", 1, true, s_rtrim},
                                            {"ts_trim", 1, true, s_trim},
                                            {"ts_replace", 3, true, s_replace},
                                            {"ts_stuff", 4, true, s_stuff},
                                            {"ts_charindex", -1, true, s_charindex},
                                            {"ts_patindex", 2, true, s_patindex},
                                            {"ts_reverse", 1, true, s_reverse},
                                            {"ts_replicate", 2, true, s_replicate},
                                            {"ts_space", 1, true, s_space},
                                            {"ts_char", 1, true, s_char},
                                            {"ts_nchar", 1, true, s_nchar},
                                            {"ts_ascii", 1, true, s_unicode},
                                            {"ts_unicode", 1, true, s_unicode},
                                            {"ts_str", -1, true, s_str},
                                            {"ts_quotename", -1, true, s_quotename},
                                            {"ts_concat", -1, true, s_concat},
                                            {"ts_concat_ws", -1, true, s_concat_ws},
                                            {"ts_like", 4, true, s_like},
                                            {"ts_parsename", 2, true, s_parsename},
                                            {"ts_checksum", -1, true, s_checksum},
                                            {"ts_binary_checksum", -1, true, s_checksum},
                                            {"ts_hashbytes", 2, true, s_hashbytes},
                                            {NULL, 0, false, NULL}};
