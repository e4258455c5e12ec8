#include "common/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *name;
    int exit_code;
    bool retryable;
    const char *meaning;
    const char *remedy;
} s_entry_t;

static const s_entry_t s_entries[BM_STATUS_COUNT] = {
#define X(name, exit_code, retryable, meaning, remedy)                                             \
    {#name, exit_code, retryable, meaning, remedy},
#include "common/error.def"
#undef X
};

/*  Exit codes from the mildest to the most severe. What went wrong with the work stands below what kept the
 *  work from being done: the cause is what a person has to look at first. */
static const int s_severity[] = {0, 3, 11, 22, 21, 20, 23, 24, 13, 12, 14, 10, 40, 31, 30, 2, 1};

static const s_entry_t *
s_entry (bm_status_t status)
{
    bm_require ((size_t)status < BM_STATUS_COUNT);
    return &s_entries[status];
}

/*  Ends a text that did not fit at the end of a whole UTF-8 character. */
static void
s_cut_at_character (char *text, size_t size)
{
    size_t end = size - 1;
    while (end > 0 && ((unsigned char)text[end - 1] & 0xC0) == 0x80)
        end--;
    if (end > 0 && (unsigned char)text[end - 1] >= 0xC0) {
        unsigned char lead = (unsigned char)text[end - 1];
        size_t need = lead >= 0xF0 ? 4 : (lead >= 0xE0 ? 3 : 2);
        end = size - 1 - (end - 1) >= need ? size - 1 : end - 1;
    } else {
        end = size - 1;
    }
    text[end] = '\0';
}

__attribute__ ((format (printf, 3, 0))) static void
s_print (char *text, size_t size, const char *format, va_list arguments)
{
    int length = vsnprintf (text, size, format, arguments);
    if (length < 0)
        text[0] = '\0';
    else if ((size_t)length >= size)
        s_cut_at_character (text, size);
}

bm_status_t
bm_fail (bm_error_t *error, bm_status_t status, const char *format, ...)
{
    if (!error)
        return status;
    char text[sizeof error->text]; /* an argument may be the error's own text */
    va_list arguments;
    va_start (arguments, format);
    s_print (text, sizeof text, format, arguments);
    va_end (arguments);
    error->status = status;
    snprintf (error->text, sizeof error->text, "%s", text);
    snprintf (error->remedy, sizeof error->remedy, "%s", s_entry (status)->remedy);
    return status;
}

void
bm_error_remedy (bm_error_t *error, const char *format, ...)
{
    if (!error)
        return;
    char text[sizeof error->remedy];
    va_list arguments;
    va_start (arguments, format);
    s_print (text, sizeof text, format, arguments);
    va_end (arguments);
    snprintf (error->remedy, sizeof error->remedy, "%s", text);
}

bm_status_t
bm_error_wrap (bm_error_t *error, const char *format, ...)
{
    bm_require (error != NULL);
    char context[sizeof error->text];
    va_list arguments;
    va_start (arguments, format);
    s_print (context, sizeof context, format, arguments);
    va_end (arguments);
    char *whole = bm_format ("%s: %s", context, error->text);
    if (strlen (whole) >= sizeof error->text) {
        memcpy (error->text, whole, sizeof error->text);
        s_cut_at_character (error->text, sizeof error->text);
    } else {
        snprintf (error->text, sizeof error->text, "%s", whole);
    }
    free (whole);
    return error->status;
}

const char *
bm_status_name (bm_status_t status)
{
    return s_entry (status)->name;
}

bm_status_t
bm_status_by_name (const char *name)
{
    for (size_t i = 0; name && i < BM_STATUS_COUNT; i++)
        if (strcmp (s_entries[i].name, name) == 0)
            return (bm_status_t)i;
    return BM_BUG;
}

int
bm_status_exit_code (bm_status_t status)
{
    return s_entry (status)->exit_code;
}

bool
bm_status_retryable (bm_status_t status)
{
    return s_entry (status)->retryable;
}

const char *
bm_status_meaning (bm_status_t status)
{
    return s_entry (status)->meaning;
}

const char *
bm_status_remedy (bm_status_t status)
{
    return s_entry (status)->remedy;
}

static size_t
s_rank (bm_status_t status)
{
    size_t rank = 0;
    while (rank < sizeof s_severity / sizeof *s_severity &&
           s_severity[rank] != s_entry (status)->exit_code)
        rank++;
    bm_require (rank < sizeof s_severity / sizeof *s_severity);
    return rank;
}

bm_status_t
bm_status_worse (bm_status_t a, bm_status_t b)
{
    return s_rank (b) > s_rank (a) ? b : a;
}

void
bm_require_failed (const char *condition, const char *file, int line)
{
    fprintf (stderr, "btsmark: bug: %s:%d: %s does not hold; report this with the log\n", file,
             line, condition);
    fflush (stderr);
    abort ();
}

static void *
s_or_stop (void *memory)
{
    if (!memory) {
        fputs ("btsmark: out of memory; the next run settles what was left open\n", stderr);
        abort ();
    }
    return memory;
}

void *
bm_alloc (size_t size)
{
    return s_or_stop (calloc (1, size ? size : 1));
}

void *
bm_realloc (void *old, size_t size)
{
    return s_or_stop (realloc (old, size ? size : 1));
}

char *
bm_strdup (const char *text)
{
    return text ? s_or_stop (strdup (text)) : NULL;
}

char *
bm_format_list (const char *format, va_list arguments)
{
    va_list again;
    va_copy (again, arguments);
    int length = vsnprintf (NULL, 0, format, again);
    va_end (again);
    bm_require (length >= 0);
    char *text = bm_alloc ((size_t)length + 1);
    vsnprintf (text, (size_t)length + 1, format, arguments);
    return text;
}

char *
bm_format (const char *format, ...)
{
    va_list arguments;
    va_start (arguments, format);
    char *text = bm_format_list (format, arguments);
    va_end (arguments);
    return text;
}
