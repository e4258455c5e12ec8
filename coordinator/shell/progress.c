/*  coordinator/shell/progress.c */
#include "coordinator/shell/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/log.h"
#include "coordinator/shell/terminal.h"

enum { REDRAW_MS = 200, PLAIN_LINE_MS = 30000, STUCK_MS = 15000, BAR_CELLS = 16 };

/*  Everything from the cursor on: it stands where the first of our lines begins. */
#define WIPE "\r\x1b[J"

/*  A backup that runs; texts are ours. */
typedef struct running {
    bm_progress_backup_t it;
    char *database, *step;
} running_t;

typedef struct host {
    char *name;
    running_t *items; /* the one that was heard of last is shown */
    size_t count, shown;
    int64_t said_ms;
} host_t;

struct bm_progress {
    bm_progress_mode_t mode;
    bool terminal;
    host_t *hosts;
    size_t count;
    bool drawn; /* lines of hosts stand below the cursor */
    int64_t drawn_ms;
};

bm_progress_t *
bm_progress_new (bm_progress_mode_t mode)
{
    bm_progress_t *self = bm_alloc (sizeof *self);
    self->mode = mode;
    self->terminal = mode == BM_PROGRESS_TEXT && bm_terminal_rewritable (STDERR_FILENO);
    return self;
}

bool
bm_progress_terminal (const bm_progress_t *self)
{
    return self && self->terminal;
}

/* ---- lines of hosts ---------------------------------------------------------------------------------------------- */

int64_t
bm_progress_rate (const bm_progress_backup_t *backup)
{
    if (backup->total_bytes < 0 || backup->percent < 0 || backup->remaining_ms <= 0)
        return -1;
    double left = (double)backup->total_bytes * (100.0 - backup->percent) / 100.0;
    return (int64_t)(left * 1000.0 / (double)backup->remaining_ms);
}

/*  Appends ", text" if the line then still fits. Takes text. */
static void
s_add (char **line_p, char *text, size_t columns)
{
    if (bm_terminal_cells (*line_p) + 2 + bm_terminal_cells (text) <= columns) {
        char *longer = bm_format ("%s, %s", *line_p, text);
        free (*line_p);
        *line_p = longer;
    }
    free (text);
}

static char *
s_bar (double percent)
{
    char bar[BAR_CELLS + 1];
    for (size_t i = 0; i < BAR_CELLS; i++)
        bar[i] = (double)i * 100.0 / BAR_CELLS < percent ? '#' : '.';
    bar[BAR_CELLS] = '\0';
    return bm_format ("[%s]", bar);
}

/*  "41 %", or the step while there is no percentage. */
static char *
s_state (const bm_progress_backup_t *it)
{
    return it->percent >= 0 ? bm_format ("%.0f %%", it->percent) : bm_strdup (it->step);
}

char *
bm_progress_line (const bm_progress_backup_t *it, size_t more, size_t columns)
{
    char text[BM_PROGRESS_TEXT_BYTES];
    char *state = s_state (it);
    /*  What everybody must see fits in any case: names are cut for it. */
    size_t room =
        columns > bm_terminal_cells (state) + 2 ? columns - bm_terminal_cells (state) - 2 : 0;
    char *names = bm_format ("%s: %s", it->host, it->database);
    char *line = bm_format ("%.*s, %s", (int)bm_terminal_cut (names, room), names, state);
    free (names);
    free (state);
    if (it->since_change_ms >= STUCK_MS && it->percent >= 0)
        s_add (&line,
               bm_format ("no progress for %s", bm_progress_duration (it->since_change_ms, text)),
               columns);
    else if (it->remaining_ms >= 0)
        s_add (&line, bm_format ("%s left", bm_progress_duration (it->remaining_ms, text)),
               columns);
    else
        s_add (&line, bm_format ("for %s", bm_progress_duration (it->elapsed_ms, text)), columns);
    if (bm_progress_rate (it) >= 0)
        s_add (&line, bm_format ("%s/s", bm_progress_bytes (bm_progress_rate (it), text)), columns);
    if (more > 0)
        s_add (&line, bm_format ("%zu more", more), columns);
    if (it->percent >= 0)
        s_add (&line, s_bar (it->percent), columns);
    line[bm_terminal_cut (line, columns)] = '\0';
    return line;
}

static void
s_wipe (bm_progress_t *self)
{
    if (self->drawn)
        fputs (WIPE, stderr);
    self->drawn = false;
    bm_log_prelude ("");
}

/*  The cursor goes back to the beginning of the first line. As many lines as the terminal holds below it: a line that scrolls
 *  could not be wiped any more. */
static void
s_draw (bm_progress_t *self)
{
    int64_t now_ms = bm_clock_mono_ms ();
    if (now_ms - self->drawn_ms < REDRAW_MS)
        return;
    size_t columns = bm_terminal_columns (STDERR_FILENO, 80);
    size_t rows = bm_terminal_rows (STDERR_FILENO, 24), lines = 0;
    s_wipe (self);
    for (size_t i = 0; i < self->count; i++) {
        const host_t *host = &self->hosts[i];
        bool last = lines + 2 >= rows && i + 1 < self->count;
        char *line = last ? bm_format ("... and %zu more hosts", self->count - i)
                          : bm_progress_line (&host->items[host->shown].it, host->count - 1,
                                              columns > 1 ? columns - 1 : columns);
        fprintf (stderr, "%s%.*s", lines ? "\n" : "",
                 (int)bm_terminal_cut (line, columns > 1 ? columns - 1 : columns), line);
        free (line);
        lines++;
        if (last)
            break;
    }
    if (lines > 1)
        fprintf (stderr, "\x1b[%zuA", lines - 1);
    fputc ('\r', stderr);
    fflush (stderr);
    self->drawn = lines > 0;
    self->drawn_ms = now_ms;
    bm_log_prelude (WIPE);
}

static void
s_running_clear (running_t *running)
{
    free (running->database);
    free (running->step);
}

static void
s_host_clear (host_t *host)
{
    for (size_t i = 0; i < host->count; i++)
        s_running_clear (&host->items[i]);
    free (host->items);
    free (host->name);
}

void
bm_progress_destroy (bm_progress_t **self_p)
{
    bm_progress_t *self = *self_p;
    if (!self)
        return;
    s_wipe (self);
    fflush (stderr);
    for (size_t i = 0; i < self->count; i++)
        s_host_clear (&self->hosts[i]);
    free (self->hosts);
    free (self);
    *self_p = NULL;
}

/* ---- what is said ------------------------------------------------------------------------------------------------ */

/*  On a terminal broken between words, under its indentation. */
static void
s_say (const bm_progress_t *self, const char *text)
{
    size_t indent = strspn (text, " ");
    char *lead = bm_format ("%.*s", (int)indent, text);
    bm_terminal_wrap (stderr, self->terminal ? bm_terminal_columns (STDERR_FILENO, 80) : SIZE_MAX,
                      lead, text + indent);
    free (lead);
}

/*  Takes values. */
static void
s_tell (bm_progress_t *self, const char *event, json_t *values, const char *text)
{
    if (self->mode == BM_PROGRESS_TEXT && text[0]) {
        s_wipe (self);
        s_say (self, text);
        fflush (stderr);
        self->drawn_ms = 0;
        if (self->terminal && self->count > 0)
            s_draw (self);
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

/* ---- backups that run -------------------------------------------------------------------------------------------- */

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

/*  One that moves is shown rather than one that waits for its turn. */
static void
s_note (host_t *host, const bm_progress_backup_t *backup)
{
    size_t i = 0;
    while (i < host->count && strcmp (host->items[i].database, backup->database) != 0)
        i++;
    if (i == host->count) {
        host->items = bm_realloc (host->items, (host->count + 1) * sizeof *host->items);
        host->items[host->count++] = (running_t){.database = bm_strdup (backup->database)};
    }
    running_t *running = &host->items[i];
    free (running->step);
    running->step = bm_strdup (backup->step);
    running->it = *backup;
    running->it.host = host->name;
    running->it.database = running->database;
    running->it.step = running->step;
    const bm_progress_backup_t *shown = &host->items[host->shown].it;
    bool idle = strcmp (backup->step, "waiting") == 0 && strcmp (shown->step, "waiting") != 0;
    if (backup->percent >= 0 || (shown->percent < 0 && !idle))
        host->shown = i;
}

static void
s_tell_backup (bm_progress_t *self, const bm_progress_backup_t *it)
{
    char *text = bm_progress_line (it, 0, SIZE_MAX);
    int64_t rate = bm_progress_rate (it);
    s_tell (self, "backup_progress",
            json_pack (
                "{s:s, s:s, s:s, s:o, s:I, s:I, s:o, s:o, s:o}", "server", it->host, "database",
                it->database, "step", it->step, "percent",
                it->percent >= 0 ? json_real (it->percent) : json_null (), "elapsed_ms",
                (json_int_t)it->elapsed_ms, "since_change_ms", (json_int_t)it->since_change_ms,
                "total_bytes",
                it->total_bytes >= 0 ? json_integer ((json_int_t)it->total_bytes) : json_null (),
                "remaining_ms",
                it->remaining_ms >= 0 ? json_integer ((json_int_t)it->remaining_ms) : json_null (),
                "bytes_per_s", rate >= 0 ? json_integer ((json_int_t)rate) : json_null ()),
            text);
    free (text);
}

void
bm_progress_backup (bm_progress_t *self, const bm_progress_backup_t *backup)
{
    if (!self || self->mode == BM_PROGRESS_QUIET)
        return;
    if (self->mode == BM_PROGRESS_EVENTS) {
        s_tell_backup (self, backup);
        return;
    }
    host_t *host = s_host (self, backup->host);
    s_note (host, backup);
    int64_t now_ms = bm_clock_mono_ms ();
    if (self->terminal) {
        s_draw (self);
    } else if (now_ms - host->said_ms >= PLAIN_LINE_MS) {
        char *line = bm_progress_line (backup, host->count - 1, SIZE_MAX);
        host->said_ms = now_ms;
        fprintf (stderr, "  %s\n", line);
        fflush (stderr);
        free (line);
    }
}

void
bm_progress_backup_done (bm_progress_t *self, const char *host_name, const char *database)
{
    size_t h = 0, i = 0;
    while (self && h < self->count && strcmp (self->hosts[h].name, host_name) != 0)
        h++;
    if (!self || h == self->count)
        return;
    host_t *host = &self->hosts[h];
    while (i < host->count && strcmp (host->items[i].database, database) != 0)
        i++;
    if (i == host->count)
        return;
    s_running_clear (&host->items[i]);
    memmove (&host->items[i], &host->items[i + 1], (--host->count - i) * sizeof *host->items);
    host->shown = 0;
    if (host->count == 0) {
        s_host_clear (host);
        memmove (host, host + 1, (--self->count - h) * sizeof *host);
    }
    if (self->terminal) {
        s_wipe (self);
        self->drawn_ms = 0;
        if (self->count > 0)
            s_draw (self);
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
