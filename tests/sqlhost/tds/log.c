/*  tests/sqlhost/tds/log.c */
#include "tests/sqlhost/tds/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const s_names[] = {"error", "warn", "info", "debug"};
static atomic_int s_level = SH_LOG_INFO;

bool
sh_log_level_set (const char *name)
{
    for (int i = 0; i <= SH_LOG_DEBUG; i++)
        if (strcmp (name, s_names[i]) == 0) {
            atomic_store (&s_level, i);
            return true;
        }
    return false;
}

void
sh_log (sh_log_level_t level, const char *format, ...)
{
    char line[2048];
    struct timespec now;
    struct tm utc;
    va_list arguments;

    if ((int)level > atomic_load (&s_level))
        return;
    clock_gettime (CLOCK_REALTIME, &now);
    gmtime_r (&now.tv_sec, &utc);
    size_t size = strftime (line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
    size += (size_t)snprintf (line + size, sizeof line - size, ".%03dZ %-5s ",
                              (int)(now.tv_nsec / 1000000), s_names[level]);
    va_start (arguments, format);
    int written = vsnprintf (line + size, sizeof line - size - 1, format, arguments);
    va_end (arguments);
    size_t text = size;
    if (written > 0)
        size += (size_t)written < sizeof line - size - 1 ? (size_t)written : sizeof line - size - 2;
    for (; text < size; text++)
        if ((unsigned char)line[text] < 0x20 || line[text] == 0x7F)
            line[text] = '?';
    line[size++] = '\n';
    /*  Nothing useful can be done when stderr takes no more. */
    ssize_t ignored = write (STDERR_FILENO, line, size);
    (void)ignored;
}
