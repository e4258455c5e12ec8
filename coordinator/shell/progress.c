/*  coordinator/shell/progress.c */
#include "coordinator/shell/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/error.h"

enum { REDRAW_MS = 200, PLAIN_LINE_MS = 30000, LINE_CHARS = 100 };

/*  A host with a backup that runs. */
typedef struct host {
    char *name, *text;
    int64_t said_ms;
} host_t;

struct bm_progress {
    bm_progress_mode_t mode;
    bool terminal;
    host_t *hosts;
    size_t count;
    size_t drawn; /* lines of hosts that stand on the terminal now */
    int64_t drawn_ms;
};

bm_progress_t *
bm_progress_new (bm_progress_mode_t mode)
{
    bm_progress_t *self = bm_alloc (sizeof *self);
    self->mode = mode;
    self->terminal = mode == BM_PROGRESS_TEXT && isatty (STDERR_FILENO);
    return self;
}

bool
bm_progress_terminal (const bm_progress_t *self)
{
    return self && self->terminal;
}

static void
s_wipe (bm_progress_t *self)
{
    for (; self->drawn; self->drawn--)
        fputs ("\x1b[1A\x1b[2K", stderr);
}

static void
s_draw (bm_progress_t *self)
{
    int64_t now_ms = bm_clock_mono_ms ();
    if (now_ms - self->drawn_ms < REDRAW_MS)
        return;
    s_wipe (self);
    for (size_t i = 0; i < self->count; i++)
        fprintf (stderr, "  %.*s\n", LINE_CHARS, self->hosts[i].text);
    self->drawn = self->count;
    self->drawn_ms = now_ms;
    fflush (stderr);
}

void
bm_progress_destroy (bm_progress_t **self_p)
{
    bm_progress_t *self = *self_p;
    if (!self)
        return;
    s_wipe (self);
    for (size_t i = 0; i < self->count; i++) {
        free (self->hosts[i].name);
        free (self->hosts[i].text);
    }
    free (self->hosts);
    free (self);
    *self_p = NULL;
}

/*  Takes values. */
static void
s_tell (bm_progress_t *self, const char *event, json_t *values, const char *text)
{
    if (self->mode == BM_PROGRESS_TEXT && text[0]) {
        s_wipe (self);
        fprintf (stderr, "%s\n", text);
        fflush (stderr);
        self->drawn_ms = 0;
    }
    if (self->mode == BM_PROGRESS_EVENTS) {
        char at[BM_CLOCK_TEXT_BYTES];
        json_t *line = json_pack ("{s:s, s:s, s:s}", "event", event, "at",
                                  bm_clock_rfc3339 (bm_clock_utc_us (), at), "text", text);
        if (line && values)
            json_object_update (line, values);
        char *dumped = line ? json_dumps (line, JSON_COMPACT) : NULL;
        if (dumped)
            fprintf (stderr, "%s\n", dumped);
        fflush (stderr);
        free (dumped);
        json_decref (line);
    }
    json_decref (values);
}

__attribute__ ((format (printf, 1, 0))) static char *
s_format (const char *format, va_list arguments)
{
    va_list again;
    va_copy (again, arguments);
    int size = vsnprintf (NULL, 0, format, again);
    va_end (again);
    char *text = bm_alloc ((size_t)size + 1);
    vsnprintf (text, (size_t)size + 1, format, arguments);
    return text;
}

void
bm_progress_say (bm_progress_t *self, const char *event, const char *format, ...)
{
    if (!self || self->mode == BM_PROGRESS_QUIET)
        return;
    va_list arguments;
    va_start (arguments, format);
    char *text = s_format (format, arguments);
    va_end (arguments);
    s_tell (self, event, NULL, text);
    free (text);
}

void
bm_progress_event (bm_progress_t *self, const char *event, json_t *values, const char *format, ...)
{
    if (!self || self->mode == BM_PROGRESS_QUIET) {
        json_decref (values);
        return;
    }
    va_list arguments;
    va_start (arguments, format);
    char *text = s_format (format, arguments);
    va_end (arguments);
    s_tell (self, event, values, text);
    free (text);
}

static host_t *
s_host (bm_progress_t *self, const char *name)
{
    for (size_t i = 0; i < self->count; i++)
        if (strcmp (self->hosts[i].name, name) == 0)
            return &self->hosts[i];
    self->hosts = bm_realloc (self->hosts, (self->count + 1) * sizeof *self->hosts);
    host_t *host = &self->hosts[self->count++];
    *host = (host_t){.name = bm_strdup (name), .said_ms = bm_clock_mono_ms ()};
    return host;
}

void
bm_progress_backup (bm_progress_t *self, const char *host, const char *database, const char *step,
                    double percent, int64_t elapsed_ms, int64_t since_change_ms)
{
    if (!self || self->mode == BM_PROGRESS_QUIET)
        return;
    char elapsed[BM_PROGRESS_TEXT_BYTES], still[BM_PROGRESS_TEXT_BYTES];
    bm_progress_duration (elapsed_ms, elapsed);
    bm_progress_duration (since_change_ms, still);
    char *done = percent >= 0 ? bm_format (", %.0f %%", percent) : bm_strdup ("");
    char *text = bm_format ("%s: %s: %s%s, %s, last progress %s ago", host, database, step, done,
                            elapsed, still);
    if (self->mode == BM_PROGRESS_EVENTS)
        s_tell (self, "backup_progress",
                json_pack ("{s:s, s:s, s:s, s:f, s:I, s:I}", "server", host, "database", database,
                           "step", step, "percent", percent, "elapsed_ms", (json_int_t)elapsed_ms,
                           "since_change_ms", (json_int_t)since_change_ms),
                text);
    else {
        host_t *it = s_host (self, host);
        int64_t now_ms = bm_clock_mono_ms ();
        free (it->text);
        it->text = bm_strdup (text);
        if (self->terminal) {
            s_draw (self);
        } else if (now_ms - it->said_ms >= PLAIN_LINE_MS) {
            it->said_ms = now_ms;
            fprintf (stderr, "  %s\n", text);
        }
    }
    free (done);
    free (text);
}

void
bm_progress_host_done (bm_progress_t *self, const char *host)
{
    for (size_t i = 0; self && i < self->count; i++) {
        if (strcmp (self->hosts[i].name, host) != 0)
            continue;
        s_wipe (self);
        free (self->hosts[i].name);
        free (self->hosts[i].text);
        self->hosts[i] = self->hosts[--self->count];
        return;
    }
}

char *
bm_progress_bytes (int64_t bytes, char buffer[BM_PROGRESS_TEXT_BYTES])
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
    if (bytes < 0) {
        snprintf (buffer, BM_PROGRESS_TEXT_BYTES, "?");
    } else if (bytes < 1024) {
        snprintf (buffer, BM_PROGRESS_TEXT_BYTES, "%d B", (int)bytes);
    } else {
        double amount = (double)bytes / 1024.0;
        size_t unit = 0;
        for (; amount >= 1024.0 && unit + 1 < sizeof units / sizeof *units; unit++)
            amount /= 1024.0;
        snprintf (buffer, BM_PROGRESS_TEXT_BYTES, "%.1f %s", amount, units[unit]);
    }
    return buffer;
}

char *
bm_progress_duration (int64_t ms, char buffer[BM_PROGRESS_TEXT_BYTES])
{
    if (ms < 0)
        snprintf (buffer, BM_PROGRESS_TEXT_BYTES, "-");
    else if (ms < 1000)
        snprintf (buffer, BM_PROGRESS_TEXT_BYTES, "%d ms", (int)ms);
    else if (ms < 60000)
        snprintf (buffer, BM_PROGRESS_TEXT_BYTES, "%.1f s", (double)ms / 1000.0);
    else if (ms < 3600000)
        snprintf (buffer, BM_PROGRESS_TEXT_BYTES, "%d min %02d s", (int)(ms / 60000),
                  (int)(ms / 1000 % 60));
    else
        snprintf (buffer, BM_PROGRESS_TEXT_BYTES, "%d h %02d min", (int)(ms / 3600000),
                  (int)(ms / 60000 % 60));
    return buffer;
}
