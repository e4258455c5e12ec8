#include "common/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"

#define S_LINE_BYTES 8192

static char s_program[64] = "btsmark";
static bm_log_level_t s_level = BM_LOG_INFO;
static pthread_mutex_t s_lock = PTHREAD_MUTEX_INITIALIZER;
static const char *s_prelude = "";

static const char *const s_names[] = {"ERROR", "WARN ", "INFO ", "DEBUG"};

void
bm_log_open (const char *program, bm_log_level_t level)
{
    pthread_mutex_lock (&s_lock);
    snprintf (s_program, sizeof s_program, "%s", program);
    s_level = level;
    pthread_mutex_unlock (&s_lock);
}

bm_status_t
bm_log_level_parse (const char *text, bm_log_level_t *level, bm_error_t *error)
{
    static const char *const words[] = {"error", "warning", "info", "debug"};
    for (int i = 0; i < 4; i++)
        if (strcmp (text, words[i]) == 0) {
            *level = (bm_log_level_t)i;
            return BM_OK;
        }
    return bm_fail (error, BM_USAGE, "log level %s is not one of error, warning, info, debug",
                    text);
}

bm_log_level_t
bm_log_level (void)
{
    pthread_mutex_lock (&s_lock);
    bm_log_level_t level = s_level;
    pthread_mutex_unlock (&s_lock);
    return level;
}

/*  A line stays one line, whatever text of others is in it. */
static void
s_flatten (char *line)
{
    for (; *line; line++)
        if ((unsigned char)*line < 0x20 || *line == 0x7F)
            *line = ' ';
}

static void
s_write (const char *line, size_t size)
{
    while (size > 0) {
        ssize_t written = write (STDERR_FILENO, line, size);
        if (written <= 0)
            return; /* nowhere to say it */
        line += written;
        size -= (size_t)written;
    }
}

void
bm_log_prelude (const char *bytes)
{
    pthread_mutex_lock (&s_lock);
    s_prelude = bytes;
    pthread_mutex_unlock (&s_lock);
}

void
bm_log (bm_log_level_t level, const char *format, ...)
{
    char line[S_LINE_BYTES];
    char time[BM_CLOCK_TEXT_BYTES];
    pthread_mutex_lock (&s_lock);
    bool wanted = level <= s_level;
    int length =
        snprintf (line, sizeof line, "%s %s %s: ", bm_clock_rfc3339 (bm_clock_utc_us (), time),
                  s_names[level], s_program);
    pthread_mutex_unlock (&s_lock);
    if (!wanted || length < 0)
        return;
    size_t head = (size_t)length;
    va_list arguments;
    va_start (arguments, format);
    vsnprintf (line + head, sizeof line - head - 1, format, arguments);
    va_end (arguments);
    s_flatten (line);
    size_t size = strlen (line);
    line[size++] = '\n';
    pthread_mutex_lock (&s_lock);
    s_write (s_prelude, strlen (s_prelude));
    s_write (line, size);
    pthread_mutex_unlock (&s_lock);
}
