/*  coordinator/shell/report.c */
#include "coordinator/shell/report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "coordinator/shell/progress.h"
#include "coordinator/shell/terminal.h"

enum { TABLE_COLUMNS = 32 /* of databases, beside the names of server and database */ };

bm_report_t *
bm_report_new (const char *command)
{
    bm_report_t *self = bm_alloc (sizeof *self);
    self->command = bm_strdup (command);
    self->began_us = bm_clock_utc_us ();
    return self;
}

static void
s_set_destroy (bm_report_set_t *set)
{
    for (size_t i = 0; i < set->database_count; i++) {
        bm_report_database_t *database = &set->databases[i];
        free (database->server);
        free (database->database);
        free (database->file);
        free (database->first_lsn);
        free (database->last_lsn);
        free (database->mark_lsn);
        bm_sql_messages_destroy (&database->messages);
    }
    for (size_t i = 0; i < set->attempt_count; i++) {
        free (set->attempts[i].mark);
        free (set->attempts[i].reason);
        json_decref (set->attempts[i].in_flight);
    }
    free (set->databases);
    free (set->attempts);
    free (set->mark);
    free (set->reason);
    json_decref (set->in_flight);
    free (set);
}

static void
s_texts_destroy (char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free (texts[i]);
    free (texts);
}

void
bm_report_destroy (bm_report_t **self_p)
{
    bm_report_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->set_count; i++)
        s_set_destroy (self->sets[i]);
    free (self->sets);
    s_texts_destroy (self->warnings, self->warning_count);
    s_texts_destroy (self->notes, self->note_count);
    free (self->group);
    free (self->command);
    free (self);
    *self_p = NULL;
}

/*  Takes the text; the same text is told once. */
static void
s_add_text (char ***texts, size_t *count, char *text)
{
    for (size_t i = 0; i < *count; i++)
        if (strcmp ((*texts)[i], text) == 0) {
            free (text);
            return;
        }
    *texts = bm_realloc (*texts, (*count + 1) * sizeof **texts);
    (*texts)[(*count)++] = text;
}

__attribute__ ((format (printf, 1, 0))) static char *
s_format (const char *format, va_list arguments)
{
    char text[2048];
    vsnprintf (text, sizeof text, format, arguments);
    return bm_strdup (text);
}

void
bm_report_warn (bm_report_t *self, const char *format, ...)
{
    va_list arguments;
    va_start (arguments, format);
    s_add_text (&self->warnings, &self->warning_count, s_format (format, arguments));
    va_end (arguments);
}

void
bm_report_note (bm_report_t *self, const char *format, ...)
{
    va_list arguments;
    va_start (arguments, format);
    s_add_text (&self->notes, &self->note_count, s_format (format, arguments));
    va_end (arguments);
}

void
bm_report_fail (bm_report_t *self, const bm_error_t *error)
{
    if (error->status == BM_OK)
        return;
    if (self->error.status == BM_OK ||
        bm_status_worse (self->error.status, error->status) != self->error.status)
        self->error = *error;
}

bm_report_set_t *
bm_report_set_add (bm_report_t *self, int64_t set_id, bm_set_type_t type, size_t databases)
{
    bm_report_set_t *set = bm_alloc (sizeof *set);
    set->set_id = set_id;
    set->type = type;
    set->window_us = set->fence_ms = set->ms = -1;
    set->database_count = databases;
    set->databases = bm_alloc ((databases + 1) * sizeof *set->databases);
    for (size_t i = 0; i < databases; i++) {
        set->databases[i].bytes = set->databases[i].ms = -1;
        set->databases[i].status = BM_DATABASE_PENDING;
    }
    self->sets = bm_realloc (self->sets, (self->set_count + 1) * sizeof (bm_report_set_t *));
    self->sets[self->set_count++] = set;
    return set;
}

void
bm_report_attempt_add (bm_report_set_t *set, const char *mark, bm_outcome_t outcome,
                       const char *reason, json_t *in_flight)
{
    set->attempts = bm_realloc (set->attempts, (set->attempt_count + 1) * sizeof *set->attempts);
    set->attempts[set->attempt_count++] = (bm_report_attempt_t){
        bm_strdup (mark), outcome, bm_strdup (reason ? reason : ""), json_incref (in_flight)};
}

int
bm_report_exit_code (const bm_report_t *self)
{
    if (self->error.status != BM_OK && self->error.status != BM_WARNINGS)
        return bm_status_exit_code (self->error.status);
    bool warned = self->warning_count > 0 || self->error.status == BM_WARNINGS;
    return warned && self->exit_on_warnings ? bm_status_exit_code (BM_WARNINGS) : 0;
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static json_t *
s_json_text (const char *text)
{
    return text ? json_string (text) : json_null ();
}

static json_t *
s_json_number (int64_t number)
{
    return number >= 0 ? json_integer ((json_int_t)number) : json_null ();
}

static json_t *
s_json_time (int64_t utc_us)
{
    char text[BM_CLOCK_TEXT_BYTES];
    return utc_us > 0 ? json_string (bm_clock_rfc3339 (utc_us, text)) : json_null ();
}

json_t *
bm_report_error_json (const bm_error_t *error)
{
    if (error->status == BM_OK)
        return json_null ();
    return json_pack ("{s:s, s:i, s:s, s:s}", "name", bm_status_name (error->status), "exit",
                      bm_status_exit_code (error->status), "text", error->text, "remedy",
                      error->remedy);
}

json_t *
bm_report_messages_json (const bm_sql_messages_t *messages)
{
    json_t *array = json_array ();
    for (size_t i = 0; messages && i < messages->count; i++) {
        const bm_sql_message_t *it = &messages->items[i];
        json_array_append_new (
            array, json_pack ("{s:i, s:i, s:i, s:o, s:i, s:s}", "number", it->number, "severity",
                              it->severity, "state", it->state, "procedure",
                              it->procedure && it->procedure[0] ? json_string (it->procedure)
                                                                : json_null (),
                              "line", it->line, "text", it->text ? it->text : ""));
    }
    return array;
}

static json_t *
s_json_database (const bm_report_database_t *it)
{
    json_t *object = json_object ();
    json_object_set_new (object, "server", s_json_text (it->server));
    json_object_set_new (object, "database", s_json_text (it->database));
    json_object_set_new (object, "file", s_json_text (it->file));
    json_object_set_new (object, "bytes", s_json_number (it->bytes));
    json_object_set_new (object, "first_lsn", s_json_text (it->first_lsn));
    json_object_set_new (object, "last_lsn", s_json_text (it->last_lsn));
    json_object_set_new (object, "mark_lsn", s_json_text (it->mark_lsn));
    json_object_set_new (object, "ms", s_json_number (it->ms));
    bool pending = it->status == BM_DATABASE_PENDING;
    json_object_set_new (
        object, "status",
        json_string (bm_database_status_name (pending ? BM_DATABASE_UNKNOWN : it->status)));
    json_object_set_new (object, "recorded", json_boolean (it->recorded));
    json_object_set_new (object, "messages", bm_report_messages_json (it->messages));
    json_object_set_new (object, "error", bm_report_error_json (&it->error));
    return object;
}

static json_t *
s_json_branches (const bm_inflight_finding_t *finding, int at)
{
    json_t *array = json_array ();
    for (size_t i = 0; i < finding->kept[at]; i++) {
        const bm_inflight_branch_t *it = &finding->branches[at][i];
        json_t *databases = json_array ();
        for (size_t k = 0; k < it->database_count; k++)
            json_array_append_new (databases, json_string (it->databases[k]));
        json_array_append_new (array,
                               json_pack ("{s:o, s:I, s:s, s:o}", "unit_of_work",
                                          it->unit_of_work && it->unit_of_work[0]
                                              ? json_string (it->unit_of_work)
                                              : json_null (),
                                          "transaction_id", (json_int_t)it->transaction_id, "state",
                                          bm_inflight_state (it), "databases", databases));
    }
    return array;
}

json_t *
bm_report_in_flight_json (const bm_inflight_t *inflight)
{
    json_t *array = json_array ();
    for (size_t i = 0; i < bm_inflight_count (inflight); i++) {
        bm_inflight_finding_t it = bm_inflight_finding (inflight, i);
        if (!it.flags && !it.why_not)
            continue;
        json_array_append_new (
            array, json_pack ("{s:s, s:o, s:I, s:I, s:b, s:i, s:i, s:o, s:o}", "instance",
                              it.instance, "not_run", s_json_text (it.why_not), "prepared_between",
                              (json_int_t)it.prepares, "committed_between", (json_int_t)it.commits,
                              "counts_reset", (it.flags & BM_INFLIGHT_RESET) != 0, "listed_before",
                              (int)it.listed[0], "listed_after", (int)it.listed[1], "before",
                              s_json_branches (&it, 0), "after", s_json_branches (&it, 1)));
    }
    if (json_array_size (array) > 0)
        return array;
    json_decref (array);
    return NULL;
}

static json_t *
s_json_found (json_t *in_flight)
{
    return in_flight ? json_incref (in_flight) : json_array ();
}

static json_t *
s_json_attempt (const bm_report_attempt_t *it)
{
    return json_pack ("{s:s, s:s, s:s, s:o}", "mark", it->mark, "outcome",
                      bm_outcome_name (it->outcome), "reason", it->reason, "in_flight",
                      s_json_found (it->in_flight));
}

static json_t *
s_json_set (const bm_report_set_t *set)
{
    json_t *object = json_object ();
    json_object_set_new (object, "set_id", json_integer ((json_int_t)set->set_id));
    json_object_set_new (object, "type", json_string (bm_set_type_name (set->type)));
    json_object_set_new (object, "mark", s_json_text (set->mark));
    json_object_set_new (object, "outcome",
                         set->has_outcome ? json_string (bm_outcome_name (set->outcome))
                                          : json_null ());
    json_object_set_new (object, "reason", s_json_text (set->reason));
    json_object_set_new (object, "in_flight", s_json_found (set->in_flight));
    json_object_set_new (object, "complete", json_boolean (set->complete));
    json_object_set_new (object, "window_us", s_json_number (set->window_us));
    json_object_set_new (object, "fence_ms", s_json_number (set->fence_ms));
    json_t *attempts = json_array ();
    for (size_t i = 0; i < set->attempt_count; i++)
        json_array_append_new (attempts, s_json_attempt (&set->attempts[i]));
    json_object_set_new (object, "attempts", attempts);
    json_t *databases = json_array ();
    for (size_t i = 0; i < set->database_count; i++)
        json_array_append_new (databases, s_json_database (&set->databases[i]));
    json_object_set_new (object, "databases", databases);
    return object;
}

static json_t *
s_json_texts (char *const *texts, size_t count)
{
    json_t *array = json_array ();
    for (size_t i = 0; i < count; i++)
        json_array_append_new (array, json_string (texts[i]));
    return array;
}

json_t *
bm_report_json (const bm_report_t *self)
{
    json_t *object = json_object ();
    json_object_set_new (object, "command", json_string (self->command));
    json_object_set_new (object, "group", s_json_text (self->group));
    json_object_set_new (object, "run",
                         self->run ? json_integer ((json_int_t)self->run) : json_null ());
    json_object_set_new (object, "began", s_json_time (self->began_us));
    json_object_set_new (object, "ended", s_json_time (self->ended_us));
    json_t *sets = json_array ();
    for (size_t i = 0; i < self->set_count; i++)
        json_array_append_new (sets, s_json_set (self->sets[i]));
    json_object_set_new (object, "sets", sets);
    json_object_set_new (object, "warnings", s_json_texts (self->warnings, self->warning_count));
    json_object_set_new (object, "notes", s_json_texts (self->notes, self->note_count));
    json_object_set_new (object, "error", bm_report_error_json (&self->error));
    json_object_set_new (object, "exit", json_integer (bm_report_exit_code (self)));
    return object;
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

/*  As wide as the terminal, if there is one. */
static void
s_wrapped (FILE *to, const char *lead, const char *text)
{
    bm_terminal_wrap (to, bm_terminal_columns (fileno (to), BM_TERMINAL_COLUMNS), lead, text);
}

/*  Takes the text. */
static void
s_line (FILE *to, const char *lead, char *text)
{
    s_wrapped (to, lead, text);
    free (text);
}

void
bm_report_error_text (const bm_error_t *error, FILE *to)
{
    if (error->status == BM_OK)
        return;
    s_wrapped (to,
               "error:      ", error->text[0] ? error->text : bm_status_meaning (error->status));
    if (error->remedy[0])
        s_wrapped (to, "what to do: ", error->remedy);
}

static int
s_width (const bm_report_set_t *set, bool servers)
{
    int width = servers ? 6 : 8;
    for (size_t i = 0; i < set->database_count; i++) {
        const char *text = servers ? set->databases[i].server : set->databases[i].database;
        int length = text ? (int)strlen (text) : 0;
        width = length > width ? length : width;
    }
    return width;
}

/*  The same reason for several databases of a set is told once. */
static bool
s_told_before (const bm_report_set_t *set, size_t database)
{
    for (size_t i = 0; i < database; i++)
        if (strcmp (set->databases[i].error.text, set->databases[database].error.text) == 0)
            return true;
    return false;
}

/*  A terminal that the table of databases does not fit: each gets short lines instead. */
static bool
s_narrow (FILE *to, int server_width, int database_width)
{
    return bm_terminal_columns (fileno (to), SIZE_MAX) <
           (size_t)server_width + (size_t)database_width + TABLE_COLUMNS;
}

static void
s_text_database (const bm_report_set_t *set, size_t database, int server_width, int database_width,
                 FILE *to)
{
    const bm_report_database_t *it = &set->databases[database];
    char bytes[BM_PROGRESS_TEXT_BYTES], ms[BM_PROGRESS_TEXT_BYTES];
    bool good = it->status == BM_DATABASE_OK || it->status == BM_DATABASE_OK_WITH_WARNINGS;
    const char *unrecorded = good && !it->recorded ? ", not in adm_BackupHistory yet" : "";
    bm_progress_duration (it->ms, ms);
    bm_progress_bytes (good ? it->bytes : -1, bytes);
    if (s_narrow (to, server_width, database_width))
        fprintf (to, "  %s\n      %s\n      %s, %s, %s%s\n", it->database, it->server,
                 bm_database_status_name (it->status), good ? bytes : "-", ms, unrecorded);
    else
        fprintf (to, "  %-*s  %-*s  %10s  %10s  %s%s\n", server_width, it->server, database_width,
                 it->database, good ? bytes : "-", ms, bm_database_status_name (it->status),
                 unrecorded);
    if (it->error.status == BM_OK || s_told_before (set, database))
        return;
    s_wrapped (to, "      ", it->error.text);
    if (it->error.remedy[0])
        s_wrapped (to, "      -> ", it->error.remedy);
}

/*  How long the mark took, and how long tracking was held still for it. Caller frees. */
static char *
s_held (const bm_report_set_t *set)
{
    char window[BM_PROGRESS_TEXT_BYTES], fence[BM_PROGRESS_TEXT_BYTES];
    if (set->window_us < 10000)
        snprintf (window, sizeof window, "%.1f ms", (double)set->window_us / 1000.0);
    else
        bm_progress_duration (set->window_us / 1000, window);
    return bm_format ("first COMMIT to last answer %s%s%s", window,
                      set->fence_ms >= 0 ? ", tracking held still for " : "",
                      set->fence_ms >= 0 ? bm_progress_duration (set->fence_ms, fence) : "");
}

static void
s_text_set (const bm_report_set_t *set, FILE *to)
{
    char ms[BM_PROGRESS_TEXT_BYTES];
    size_t good = 0;
    for (size_t i = 0; i < set->database_count; i++)
        good += set->databases[i].status == BM_DATABASE_OK ||
                set->databases[i].status == BM_DATABASE_OK_WITH_WARNINGS;
    fputc ('\n', to);
    s_line (to, "",
            bm_format ("%s set %lld: %s, %zu of %zu databases, %s",
                       set->type == BM_SET_FULL ? "Full" : "Log", (long long)set->set_id,
                       set->complete ? "complete" : "INCOMPLETE", good, set->database_count,
                       bm_progress_duration (set->ms, ms)));
    if (set->type == BM_SET_LOG) {
        if (set->mark) {
            s_line (to, "  ", bm_format ("mark %s: %s", set->mark, bm_outcome_name (set->outcome)));
            s_wrapped (to, "       ", bm_outcome_meaning (set->outcome));
        } else
            fputs ("  no mark was placed\n", to);
        if (set->outcome != BM_OUTCOME_CLEAN && set->reason && set->reason[0])
            s_wrapped (to, "       ", set->reason);
        for (size_t i = 0; i < set->attempt_count; i++)
            s_line (to, "  other attempt ",
                    bm_format ("%s: %s, %s", set->attempts[i].mark,
                               bm_outcome_name (set->attempts[i].outcome),
                               set->attempts[i].reason));
    }
    if (set->window_us >= 0)
        s_line (to, "  ", s_held (set));
    int server_width = s_width (set, true), database_width = s_width (set, false);
    if (!s_narrow (to, server_width, database_width))
        fprintf (to, "  %-*s  %-*s  %10s  %10s\n", server_width, "server", database_width,
                 "database", "size", "time");
    for (size_t i = 0; i < set->database_count; i++)
        s_text_database (set, i, server_width, database_width, to);
}

void
bm_report_text (const bm_report_t *self, FILE *to)
{
    char ms[BM_PROGRESS_TEXT_BYTES];
    if (self->run)
        s_line (to, "",
                bm_format ("%s of group %s, run %llu, %s", self->command,
                           self->group ? self->group : "?", (unsigned long long)self->run,
                           bm_progress_duration ((self->ended_us - self->began_us) / 1000, ms)));
    for (size_t i = 0; i < self->note_count; i++)
        s_wrapped (to, "  ", self->notes[i]);
    for (size_t i = 0; i < self->set_count; i++)
        s_text_set (self->sets[i], to);
    if (self->set_count && (self->warning_count || self->error.status != BM_OK))
        fputc ('\n', to);
    for (size_t i = 0; i < self->warning_count; i++)
        s_wrapped (to, "warning:    ", self->warnings[i]);
    bm_report_error_text (&self->error, to);
    int code = bm_report_exit_code (self);
    if (code)
        fprintf (to, "exit code %d (%s)\n", code,
                 bm_status_name (self->error.status == BM_OK ? BM_WARNINGS : self->error.status));
}
