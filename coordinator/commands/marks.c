/*  coordinator/commands/marks.c */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "coordinator/commands/command.h"
#include "coordinator/shell/freshness.h"
#include "coordinator/shell/marks.h"
#include "coordinator/shell/settings.h"
#include "coordinator/shell/terminal.h"

enum { DEFAULT_MARKS = 20, TABLE_COLUMNS = 48 /* beside the mark's name */ };

typedef struct state {
    bm_settings_t *settings;
    bm_catalogue_t *catalogue;
    bm_marks_t *whole; /* all that may still be restored to */
    bm_marks_t *other; /* --all: also those whose files are gone */
    bm_marks_t *shown; /* one of the two */
    bm_retained_row_t *retained;
    size_t retained_count;
    bm_freshness_t freshness;
    int64_t now_us;
    char **warnings;
    size_t warning_count;
} state_t;

/*  Takes the text. */
static void
s_warn (state_t *self, char *text)
{
    self->warnings =
        bm_realloc (self->warnings, (self->warning_count + 1) * sizeof *self->warnings);
    self->warnings[self->warning_count++] = text;
}

static void
s_warn_stale (state_t *self)
{
    char age[BM_AGE_BYTES];
    if (self->freshness.last_run_us < 0)
        s_warn (self, bm_strdup ("the catalogue knows of no run yet"));
    else if (self->freshness.stale)
        s_warn (self,
                bm_format ("the catalogue is stale: the last run it knows of began %s ago; what "
                           "happened since is not in it",
                           bm_freshness_age (self->now_us - self->freshness.last_run_us, age)));
}

static bool
s_open (state_t *self, const bm_options_t *options, bm_error_t *error)
{
    self->now_us = bm_clock_utc_us ();
    self->settings = bm_settings_load (options->config, error);
    if (self->settings)
        self->catalogue = bm_catalogue_open_read_only (self->settings->catalogue, error);
    if (self->catalogue)
        self->whole = bm_marks_load (self->catalogue, 0, error);
    self->shown = self->whole;
    if (self->whole && bm_option_given (options, "all"))
        self->shown = self->other = bm_marks_load (
            self->catalogue, bm_option_count (options, "limit", DEFAULT_MARKS), error);
    if (!self->shown ||
        bm_freshness_read (self->catalogue, self->now_us, &self->freshness, error) != BM_OK ||
        bm_catalogue_retained (self->catalogue, &self->retained, &self->retained_count, error) !=
            BM_OK)
        return false;
    s_warn_stale (self);
    return true;
}

static void
s_close (state_t *self)
{
    for (size_t i = 0; i < self->warning_count; i++)
        free (self->warnings[i]);
    free (self->warnings);
    bm_retained_rows_destroy (&self->retained, self->retained_count);
    bm_marks_destroy (&self->other);
    bm_marks_destroy (&self->whole);
    bm_catalogue_close (&self->catalogue);
    bm_settings_destroy (&self->settings);
}

static const bm_retained_row_t *
s_retained (const state_t *self, int64_t set_id)
{
    for (size_t i = 0; i < self->retained_count; i++)
        if (self->retained[i].set_id == set_id &&
            (self->retained[i].until_us < 0 || self->retained[i].until_us > self->now_us))
            return &self->retained[i];
    return NULL;
}

static const char *
s_outcome (const bm_mark_t *mark)
{
    return mark->has_outcome ? bm_outcome_name (mark->outcome) : "unknown";
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

static void
s_print_point (const state_t *self, size_t at, const char *what, size_t columns)
{
    const bm_mark_t *mark = &self->whole->marks[at];
    char age[BM_AGE_BYTES];
    bool clean = self->whole->verdicts[at].use == BM_USE_YES;
    char *text = bm_format ("%s: %s, %s ago%s%s%s", what, mark->name,
                            bm_freshness_age (self->now_us - mark->at_us, age), clean ? "" : " (",
                            clean ? "" : s_outcome (mark), clean ? "" : ")");
    bm_terminal_wrap (stdout, columns, "", text);
    free (text);
}

static void
s_print_latest (const state_t *self, size_t columns)
{
    if (self->whole->latest == SIZE_MAX)
        puts ("recovery point: none");
    else
        s_print_point (self, self->whole->latest, "recovery point", columns);
    if (self->whole->latest_on_demand != SIZE_MAX)
        s_print_point (self, self->whole->latest_on_demand, "on demand", columns);
}

static void
s_print_notes (const state_t *self, size_t at, size_t columns)
{
    const bm_mark_t *mark = &self->shown->marks[at];
    const bm_retained_row_t *retained = s_retained (self, mark->set_id);
    char *why = bm_marks_why (self->shown, at);
    if (*why)
        bm_terminal_wrap (stdout, columns, "    ", why);
    free (why);
    if (!retained)
        return;
    char time[BM_CLOCK_TEXT_BYTES];
    char *text =
        bm_format ("set %lld is retained%s%.10s: %s", (long long)mark->set_id,
                   retained->until_us < 0 ? "" : " until ",
                   retained->until_us < 0 ? "" : bm_clock_rfc3339 (retained->until_us, time),
                   retained->reason);
    bm_terminal_wrap (stdout, columns, "    ", text);
    free (text);
}

static void
s_print_mark (const state_t *self, size_t at, size_t columns, int width)
{
    static const char *const uses[] = {"NO", "demand", "yes"};
    const bm_mark_t *mark = &self->shown->marks[at];
    char age[BM_AGE_BYTES], time[BM_CLOCK_TEXT_BYTES];
    bm_clock_rfc3339 (mark->at_us, time);
    bm_freshness_age (self->now_us - mark->at_us, age);
    const char *use = uses[self->shown->verdicts[at].use];
    if (columns >= (size_t)width + TABLE_COLUMNS)
        printf ("%-*s  %.5s %.5s  %7s  %-9s  %-6s  %6lld\n", width, mark->name, time + 5, time + 11,
                age, s_outcome (mark), use, (long long)mark->set_id);
    else
        printf ("%s\n    %.10s %.5s, %s ago\n    %s, usable: %s, set %lld\n", mark->name, time,
                time + 11, age, s_outcome (mark), use, (long long)mark->set_id);
    s_print_notes (self, at, columns);
}

static bool
s_wanted (const state_t *self, size_t at, const bm_options_t *options)
{
    return !bm_option_given (options, "usable") || self->shown->verdicts[at].use == BM_USE_YES;
}

static void
s_print (const state_t *self, const bm_options_t *options)
{
    const bm_marks_t *marks = self->shown;
    size_t columns = bm_terminal_columns (STDOUT_FILENO, BM_TERMINAL_COLUMNS);
    size_t limit = bm_option_count (options, "limit", DEFAULT_MARKS), printed = 0;
    int width = (int)strlen ("mark");
    s_print_latest (self, columns);
    for (size_t i = 0, seen = 0; i < marks->count && seen < limit; i++)
        if (s_wanted (self, i, options)) {
            seen++;
            width = (int)strlen (marks->marks[i].name) > width ? (int)strlen (marks->marks[i].name)
                                                               : width;
        }
    for (size_t i = 0; i < marks->count && printed < limit; i++) {
        if (!s_wanted (self, i, options))
            continue;
        if (printed++ == 0 && columns >= (size_t)width + TABLE_COLUMNS)
            printf ("\n%-*s  %-11s  %7s  %-9s  %-6s  %6s\n", width, "mark", "time (UTC)", "age",
                    "outcome", "usable", "set");
        else if (printed == 1)
            putchar ('\n');
        s_print_mark (self, i, columns, width);
    }
    if (!printed)
        puts (bm_option_given (options, "usable") ? "\nNo usable mark." : "\nNo mark yet.");
    for (size_t i = 0; i < self->warning_count; i++)
        bm_terminal_wrap (stdout, columns, "warning: ", self->warnings[i]);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static json_t *
s_text (const char *text)
{
    return text && *text ? json_string (text) : json_null ();
}

static json_t *
s_time (int64_t utc_us)
{
    char text[BM_CLOCK_TEXT_BYTES];
    return utc_us < 0 ? json_null () : json_string (bm_clock_rfc3339 (utc_us, text));
}

static json_t *
s_json_mark (const state_t *self, const bm_marks_t *marks, size_t at)
{
    if (at == SIZE_MAX)
        return json_null ();
    const bm_mark_t *mark = &marks->marks[at];
    const bm_usability_t *verdict = &marks->verdicts[at];
    const bm_mark_standing_t *standing =
        verdict->standing != SIZE_MAX ? &mark->standings[verdict->standing] : NULL;
    const bm_member_t *member = standing ? &marks->members[standing->member] : NULL;
    char *why = bm_marks_why (marks, at);
    json_t *object = json_pack (
        "{s:s, s:o, s:I, s:s, s:b, s:b, s:b, s:o, s:o, s:o, s:I, s:I, s:I, s:b}", "mark",
        mark->name, "time", s_time (mark->at_us), "age_s",
        (json_int_t)((self->now_us - mark->at_us) / 1000000), "outcome", s_outcome (mark), "usable",
        verdict->use == BM_USE_YES, "on_demand", verdict->use == BM_USE_ON_DEMAND, "covered",
        verdict->covered, "why", s_text (why), "server", s_text (member ? member->server : NULL),
        "database", s_text (member ? member->database : NULL), "databases",
        (json_int_t)mark->standing_count, "set_id", (json_int_t)mark->set_id, "run",
        (json_int_t)mark->run, "retained", s_retained (self, mark->set_id) != NULL);
    free (why);
    return object;
}

static json_t *
s_json (const state_t *self, const bm_options_t *options)
{
    json_t *array = json_array (), *warnings = json_array ();
    size_t limit = bm_option_count (options, "limit", DEFAULT_MARKS);
    for (size_t i = 0; i < self->shown->count && json_array_size (array) < limit; i++)
        if (s_wanted (self, i, options))
            json_array_append_new (array, s_json_mark (self, self->shown, i));
    for (size_t i = 0; i < self->warning_count; i++)
        json_array_append_new (warnings, json_string (self->warnings[i]));
    return json_pack (
        "{s:s, s:o, s:o, s:{s:s, s:o, s:b, s:b}, s:o, s:o, s:n, s:i}", "group",
        self->settings->group, "latest", s_json_mark (self, self->whole, self->whole->latest),
        "latest_on_demand", s_json_mark (self, self->whole, self->whole->latest_on_demand),
        "catalogue", "path", bm_catalogue_path (self->catalogue), "last_run",
        s_time (self->freshness.last_run_us), "running", self->freshness.running, "stale",
        self->freshness.stale, "marks", array, "warnings", warnings, "error", "exit", 0);
}

static int
s_marks (const bm_options_t *options)
{
    state_t self = {0};
    bm_error_t error = {0};
    int code = 0;
    if (!s_open (&self, options, &error))
        code = bm_command_fail (options, "marks", &error);
    else if (options->json)
        bm_command_print_json (s_json (&self, options));
    else
        s_print (&self, options);
    s_close (&self);
    return code;
}

static const bm_option_t s_own_options[] = {
    {"usable", BM_OPTION_FLAG, NULL, "only marks that the whole group can be restored to"},
    {"limit", BM_OPTION_COUNT, "N", "the newest N (20)"},
    {"all", BM_OPTION_FLAG, NULL, "also marks whose files retention has deleted"},
    {NULL, BM_OPTION_FLAG, NULL, NULL}};

const bm_command_t bm_command_marks = {
    "marks",
    "the marks of the group, and which of them it can be restored to",
    "btsmark marks: the recovery point first, then every mark, newest first: when it was placed, "
    "what became\n"
    "of it, and whether the whole group can be restored to it. Under one that is not usable stands "
    "why: the\n"
    "database, the file or the gap.\n"
    "\n"
    "  usable yes     the mark is clean, and the backups of every database of the group, as it was "
    "then,\n"
    "                 reach it: a full and the logs after it, whoever made them\n"
    "  usable demand  the backups reach it, but its outcome (unchecked, doubtful) does not vouch "
    "for it:\n"
    "                 a restore takes it only when it is named\n"
    "  usable NO      it is not in every database, or the backups do not reach it (yet)\n"
    "\n"
    "It reads the catalogue alone and asks no server: it works when the management server is gone, "
    "and says\n"
    "so when the catalogue is stale.\n"
    "\n"
    "Examples:\n"
    "  btsmark marks                     the newest 20\n"
    "  btsmark marks --usable --limit 1  the recovery point\n"
    "  btsmark marks --json              for a program\n",
    BM_TAKES_JSON,
    s_marks,
    s_own_options,
    NULL};
