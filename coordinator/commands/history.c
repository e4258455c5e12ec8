/*  coordinator/commands/history.c */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/names.h"
#include "coordinator/commands/command.h"
#include "coordinator/shell/catalogue_retention.h"
#include "coordinator/shell/due.h"
#include "coordinator/shell/history.h"
#include "coordinator/shell/progress.h"
#include "coordinator/shell/terminal.h"

/*  One set, as the group's table and the catalogue tell it together. */
enum { TABLE_COLUMNS = 83 /* beside the mark's name */ };

typedef struct entry {
    bm_history_set_t *set; /* NULL: no row in adm_BackupHistory */
    bm_set_row_t *row;     /* NULL: not in this catalogue */
    bm_history_row_t *rows;
    size_t row_count;
    bm_backups_t backups;
} entry_t;

typedef struct state {
    bm_settings_t *settings;
    bm_management_t *management;
    bm_catalogue_t *catalogue;
    bm_history_set_t *sets;
    size_t set_count;
    bm_set_row_t *known;
    size_t known_count;
    entry_t *entries;
    size_t count;
    bm_retained_row_t *retained;
    size_t retained_count;
    char *warning; /* why one of the two is missing */
} state_t;

static int64_t
s_id (const entry_t *entry)
{
    return entry->set ? entry->set->set_id : entry->row->set_id;
}

static int
s_newest_first (const void *a, const void *b)
{
    int64_t x = s_id (a), y = s_id (b);
    return (x < y) - (x > y);
}

/*  Of the file, or what SQL Server wrote when nobody could look at the file. */
static int64_t
s_size (const bm_backup_t *backup)
{
    return backup->file_bytes >= 0 ? backup->file_bytes : backup->bytes;
}

static int64_t
s_bytes (const entry_t *entry)
{
    int64_t bytes = entry->backups.count ? 0 : -1;
    for (size_t i = 0; i < entry->backups.count; i++)
        bytes += s_size (&entry->backups.items[i]);
    return bytes;
}

static const char *
s_outcome (const entry_t *entry)
{
    bool log = (entry->set ? entry->set->type : entry->row->type) == BM_SET_LOG;
    if (!log)
        return NULL;
    return entry->row && entry->row->has_outcome ? bm_outcome_name (entry->row->outcome)
                                                 : "unknown";
}

static bool
s_complete (const entry_t *entry)
{
    return entry->set ? entry->set->complete : entry->row->complete;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void
s_warn (state_t *self, const char *what, const bm_error_t *error)
{
    if (!self->warning)
        self->warning = bm_format ("%s: %s%s%s", what, error->text, *error->remedy ? " -> " : "",
                                   error->remedy);
}

static size_t
s_limit (const bm_options_t *options)
{
    return bm_option_count (options, "sets", 20);
}

/*  Either of the two is enough: after a disaster only one may be left. */
static bool
s_open (state_t *self, const bm_options_t *options, bm_error_t *error)
{
    bm_error_t other = {0};
    size_t limit = s_limit (options);
    self->settings = bm_settings_load (options->config, error);
    if (!self->settings || bm_sql_init (error) != BM_OK)
        return false;
    self->catalogue = bm_catalogue_open_read_only (self->settings->catalogue, &other);
    if (!self->catalogue)
        s_warn (self, "the catalogue cannot be read; sizes and outcomes are missing", &other);
    self->management = bm_management_open (self->settings, error);
    if (self->management &&
        bm_history_sets (self->management, limit, &self->sets, &self->set_count, error) != BM_OK)
        bm_management_close (&self->management);
    if (self->catalogue && bm_catalogue_sets (self->catalogue, limit, &self->known,
                                              &self->known_count, &other) != BM_OK)
        s_warn (self, "the catalogue cannot be read; sizes and outcomes are missing", &other);
    if (self->catalogue && bm_catalogue_retained (self->catalogue, &self->retained,
                                                  &self->retained_count, &other) != BM_OK)
        s_warn (self, "which sets are retained cannot be read", &other);
    if (!self->management && self->catalogue) {
        s_warn (self, "adm_BackupHistory cannot be read; this is the catalogue alone", error);
        *error = (bm_error_t){0};
    }
    return error->status == BM_OK;
}

static entry_t *
s_add (state_t *self)
{
    self->entries = bm_realloc (self->entries, (self->count + 1) * sizeof *self->entries);
    entry_t *entry = &self->entries[self->count++];
    *entry = (entry_t){0};
    return entry;
}

static bm_status_t
s_join (state_t *self, size_t limit, bm_error_t *error)
{
    for (size_t i = 0; i < self->set_count; i++)
        s_add (self)->set = &self->sets[i];
    size_t from_history = self->count;
    for (size_t i = 0; i < self->known_count; i++) {
        entry_t *found = NULL;
        for (size_t k = 0; k < from_history; k++)
            if (self->entries[k].set->set_id == self->known[i].set_id)
                found = &self->entries[k];
        (found ? found : s_add (self))->row = &self->known[i];
    }
    if (self->count)
        qsort (self->entries, self->count, sizeof *self->entries, s_newest_first);
    if (self->count > limit)
        self->count = limit;
    bm_status_t status = BM_OK;
    for (size_t i = 0; i < self->count && status == BM_OK; i++) {
        entry_t *entry = &self->entries[i];
        if (entry->set && self->management)
            status = bm_history_rows (self->management, entry->set->set_id, &entry->rows,
                                      &entry->row_count, error);
        if (entry->row && status == BM_OK)
            status = bm_catalogue_set_backups (self->catalogue, entry->row->set_id, &entry->backups,
                                               error);
    }
    return status;
}

static void
s_close (state_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        bm_history_rows_destroy (&self->entries[i].rows, self->entries[i].row_count);
        bm_backups_clear (&self->entries[i].backups);
    }
    free (self->entries);
    bm_retained_rows_destroy (&self->retained, self->retained_count);
    free (self->warning);
    bm_history_sets_destroy (&self->sets, self->set_count);
    bm_set_rows_destroy (&self->known, self->known_count);
    bm_management_close (&self->management);
    bm_catalogue_close (&self->catalogue);
    bm_settings_destroy (&self->settings);
    bm_sql_exit ();
}

/* ---- telling ----------------------------------------------------------------------------------------------------- */

static const bm_backup_t *
s_backup_of (const entry_t *entry, const bm_history_row_t *row)
{
    for (size_t i = 0; i < entry->backups.count; i++)
        if (strcmp (entry->backups.items[i].server, row->server ? row->server : "") == 0 &&
            strcmp (entry->backups.items[i].database, row->database) == 0)
            return &entry->backups.items[i];
    return NULL;
}

static void
s_print_files (const entry_t *entry)
{
    char text[BM_PROGRESS_TEXT_BYTES];
    for (size_t i = 0; i < entry->row_count; i++) {
        const bm_history_row_t *row = &entry->rows[i];
        const bm_backup_t *backup = s_backup_of (entry, row);
        char *path = bm_names_join_path (row->location, row->file_name);
        printf ("      %10s  %s\n", backup ? bm_progress_bytes (s_size (backup), text) : "", path);
        free (path);
    }
    for (size_t i = 0; !entry->row_count && i < entry->backups.count; i++)
        printf ("      %10s  %s\n", bm_progress_bytes (s_size (&entry->backups.items[i]), text),
                entry->backups.items[i].device);
}

static int
s_by_text (const void *a, const void *b)
{
    return strcmp (*(const char *const *)a, *(const char *const *)b);
}

/*  Each folder once, in order. */
static void
s_print_locations (const entry_t *entry)
{
    const char **folders = bm_alloc ((entry->row_count + 1) * sizeof *folders);
    for (size_t i = 0; i < entry->row_count; i++)
        folders[i] = entry->rows[i].location;
    if (entry->row_count)
        qsort (folders, entry->row_count, sizeof *folders, s_by_text);
    for (size_t i = 0; i < entry->row_count; i++)
        if (i == 0 || strcmp (folders[i], folders[i - 1]) != 0)
            printf ("      in %s\n", folders[i]);
    free (folders);
}

static const bm_retained_row_t *
s_retained (const state_t *self, const entry_t *entry)
{
    for (size_t i = 0; i < self->retained_count; i++)
        if (self->retained[i].set_id == s_id (entry) &&
            (self->retained[i].until_us < 0 || self->retained[i].until_us > bm_clock_utc_us ()))
            return &self->retained[i];
    return NULL;
}

/*  What retention did, or is kept from doing. */
static void
s_print_retention (const state_t *self, const entry_t *entry)
{
    const bm_retained_row_t *retained = s_retained (self, entry);
    char time[BM_CLOCK_TEXT_BYTES];
    if (retained)
        printf ("        retained%s%.10s: %s\n", retained->until_us < 0 ? "" : " until ",
                retained->until_us < 0 ? "" : bm_clock_rfc3339 (retained->until_us, time),
                retained->reason);
    if (entry->row && entry->row->cleaned_us >= 0)
        printf ("        files deleted by retention %s\n",
                bm_clock_rfc3339 (entry->row->cleaned_us, time));
}

static const char *
s_mark (const entry_t *entry)
{
    const char *mark = entry->set ? entry->set->mark : entry->row->mark;
    return mark ? mark : "-";
}

/*  As wide as the widest mark: an ordinary history fits 120 columns. */
static int
s_mark_width (const state_t *self)
{
    size_t width = strlen ("mark");
    for (size_t i = 0; i < self->count; i++)
        width = strlen (s_mark (&self->entries[i])) > width ? strlen (s_mark (&self->entries[i]))
                                                            : width;
    return (int)width;
}

/*  A line of the table; where that is too wide for the terminal, three short ones. */
static void
s_print_entry (const entry_t *entry, int width, bool narrow)
{
    char bytes[BM_PROGRESS_TEXT_BYTES], databases[48];
    const char *time = entry->set ? entry->set->time : entry->row->history_time;
    const char *outcome = s_outcome (entry), *complete = s_complete (entry) ? "yes" : "NO";
    size_t taken = entry->set ? entry->set->rows : entry->row->backups;
    bool full = (entry->set ? entry->set->type : entry->row->type) == BM_SET_FULL;
    if (entry->row)
        snprintf (databases, sizeof databases, "%zu of %zu", taken, entry->row->databases);
    else
        snprintf (databases, sizeof databases, "%zu", taken);
    bm_progress_bytes (s_bytes (entry), bytes);
    if (!narrow) {
        printf ("%6lld  %-4s  %-23s  %-*s  %-9s  %-8s  %9s  %10s\n", (long long)s_id (entry),
                full ? "full" : "log", time ? time : "", width, s_mark (entry),
                outcome ? outcome : "-", complete, databases, bytes);
        return;
    }
    printf ("%s set %lld, %s\n", full ? "full" : "log", (long long)s_id (entry), time ? time : "?");
    if (!full)
        printf ("    %s, %s\n", s_mark (entry), outcome ? outcome : "-");
    printf ("    complete: %s, %s, %s\n", complete, databases, bytes);
}

static void
s_print (const state_t *self, const bm_options_t *options)
{
    int width = s_mark_width (self);
    size_t columns = bm_terminal_columns (STDOUT_FILENO, SIZE_MAX);
    bool narrow = columns < (size_t)width + TABLE_COLUMNS;
    if (self->count == 0)
        puts ("No backup set yet.");
    else if (!narrow)
        printf ("%6s  %-4s  %-23s  %-*s  %-9s  %-8s  %9s  %10s\n", "set", "type",
                self->settings->time_zone == BM_ZONE_LOCAL ? "time (local)" : "time (UTC)", width,
                "mark", "outcome", "complete", "databases", "size");
    for (size_t i = 0; i < self->count; i++) {
        const entry_t *entry = &self->entries[i];
        s_print_entry (entry, width, narrow);
        s_print_retention (self, entry);
        if (bm_option_given (options, "files"))
            s_print_files (entry);
        else if (i == 0)
            s_print_locations (entry);
    }
    if (self->warning)
        bm_terminal_wrap (stdout, bm_terminal_columns (STDOUT_FILENO, BM_TERMINAL_COLUMNS),
                          "warning: ", self->warning);
}

static json_t *
s_text (const char *text)
{
    return text ? json_string (text) : json_null ();
}

/*  Programs get UTC, whatever clock the table keeps. */
static json_t *
s_time (const state_t *self, const entry_t *entry)
{
    char text[BM_CLOCK_TEXT_BYTES];
    int64_t at_us = bm_due_parse_time (entry->set ? entry->set->time : entry->row->history_time,
                                       self->settings->time_zone == BM_ZONE_LOCAL);
    return at_us < 0 ? json_null () : json_string (bm_clock_rfc3339 (at_us, text));
}

static json_t *
s_json_files (const entry_t *entry)
{
    json_t *array = json_array ();
    for (size_t i = 0; i < entry->row_count; i++) {
        const bm_history_row_t *row = &entry->rows[i];
        const bm_backup_t *backup = s_backup_of (entry, row);
        json_array_append_new (
            array, json_pack ("{s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "server",
                              s_text (row->server), "database", row->database, "location",
                              row->location, "file_name", row->file_name, "bytes",
                              backup ? json_integer ((json_int_t)s_size (backup)) : json_null (),
                              "first_lsn", s_text (backup ? backup->first_lsn : NULL), "last_lsn",
                              s_text (backup ? backup->last_lsn : NULL), "mark_lsn",
                              s_text (backup ? backup->mark_lsn : NULL)));
    }
    return array;
}

static json_t *
s_json_cleaned (const entry_t *entry)
{
    char text[BM_CLOCK_TEXT_BYTES];
    return entry->row && entry->row->cleaned_us >= 0
               ? json_string (bm_clock_rfc3339 (entry->row->cleaned_us, text))
               : json_null ();
}

static json_t *
s_json (const state_t *self)
{
    json_t *sets = json_array (), *warnings = json_array ();
    for (size_t i = 0; i < self->count; i++) {
        const entry_t *entry = &self->entries[i];
        int64_t bytes = s_bytes (entry);
        json_array_append_new (
            sets,
            json_pack ("{s:I, s:s, s:o, s:o, s:o, s:b, s:I, s:o, s:o, s:o, s:b, s:o}", "set_id",
                       (json_int_t)s_id (entry), "type",
                       bm_set_type_name (entry->set ? entry->set->type : entry->row->type), "time",
                       s_time (self, entry), "mark",
                       s_text (entry->set ? entry->set->mark : entry->row->mark), "outcome",
                       s_text (s_outcome (entry)), "complete", s_complete (entry), "databases",
                       (json_int_t)(entry->set ? entry->set->rows : entry->row->backups),
                       "group_databases",
                       entry->row ? json_integer ((json_int_t)entry->row->databases) : json_null (),
                       "bytes", bytes >= 0 ? json_integer ((json_int_t)bytes) : json_null (),
                       "files", s_json_files (entry), "retained", s_retained (self, entry) != NULL,
                       "cleaned", s_json_cleaned (entry)));
    }
    if (self->warning)
        json_array_append_new (warnings, json_string (self->warning));
    return json_pack ("{s:s, s:o, s:o, s:n, s:i}", "group", self->settings->group, "sets", sets,
                      "warnings", warnings, "error", "exit", 0);
}

static int
s_history (const bm_options_t *options)
{
    state_t self = {0};
    bm_error_t error = {0};
    int code = 0;
    if (!s_open (&self, options, &error) || s_join (&self, s_limit (options), &error) != BM_OK)
        code = bm_command_fail (options, "history", &error);
    else if (options->json)
        bm_command_print_json (s_json (&self));
    else
        s_print (&self, options);
    s_close (&self);
    return code;
}

static const bm_option_t s_own_options[] = {
    {"sets", BM_OPTION_COUNT, "N", "the newest N sets (20)"},
    {"files", BM_OPTION_FLAG, NULL, "each file of each set"},
    {NULL, BM_OPTION_FLAG, NULL, NULL}};

const bm_command_t bm_command_history = {
    "history",
    "the backup sets of the group, newest first",
    "btsmark history: the backup sets of the group, newest first: from adm_BackupHistory, joined "
    "with what\n"
    "the catalogue knows (what became of the mark, sizes, how many databases the group had).\n"
    "\n"
    "Which of the marks the whole group can be restored to is told by `btsmark marks`. If one of "
    "the two\n"
    "sources cannot be read the other is shown, with a warning.\n"
    "\n"
    "Examples:\n"
    "  btsmark history                     the newest 20 sets, and where the newest one's files "
    "are\n"
    "  btsmark history --sets 3 --files    each file of the newest 3\n",
    BM_TAKES_JSON,
    s_history,
    s_own_options,
    NULL};
