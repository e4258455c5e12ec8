/*  coordinator/commands/clean.c */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coordinator/commands/command.h"
#include "coordinator/shell/cleaning.h"
#include "coordinator/shell/run.h"
#include "coordinator/shell/terminal.h"

/*  Files of one host that have the same reason, told together. */
static int
s_by_host_and_reason (const void *a, const void *b)
{
    const bm_cleaning_file_t *x = *(const bm_cleaning_file_t *const *)a;
    const bm_cleaning_file_t *y = *(const bm_cleaning_file_t *const *)b;
    int order = strcmp (x->instance, y->instance);
    if (order == 0)
        order = (x->goes < y->goes) - (x->goes > y->goes);
    if (order == 0)
        order = strcmp (x->why, y->why);
    return order ? order : strcmp (x->file, y->file);
}

static const bm_cleaning_file_t **
s_sorted (const bm_cleaning_t *cleaning)
{
    const bm_cleaning_file_t **files = bm_alloc ((cleaning->count + 1) * sizeof *files);
    for (size_t i = 0; i < cleaning->count; i++)
        files[i] = &cleaning->files[i];
    qsort (files, cleaning->count, sizeof *files, s_by_host_and_reason);
    return files;
}

typedef struct total {
    size_t goes, stays;
    int64_t goes_bytes, stays_bytes;
} total_t;

/*  Of the files of one host that begin at `at`; returns where the next host's begin. */
static size_t
s_total (const bm_cleaning_file_t **files, size_t count, size_t at, total_t *total)
{
    size_t end = at;
    *total = (total_t){0};
    for (; end < count && strcmp (files[end]->instance, files[at]->instance) == 0; end++) {
        int64_t bytes = files[end]->bytes > 0 ? files[end]->bytes : 0;
        *(files[end]->goes ? &total->goes : &total->stays) += 1;
        *(files[end]->goes ? &total->goes_bytes : &total->stays_bytes) += bytes;
    }
    return end;
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

static void
s_print_file (const bm_cleaning_file_t *file, size_t columns)
{
    char bytes[BM_PROGRESS_TEXT_BYTES];
    printf ("    %10s  %s%s%s\n", bm_progress_bytes (file->bytes, bytes), file->file,
            file->fate ? ": " : "", file->fate ? file->fate : "");
    if (file->problem)
        bm_terminal_wrap (stdout, columns, "                ", file->problem);
}

/*  A real run tells what went; a dry run also what stays. */
static void
s_print_host (const bm_cleaning_t *cleaning, const bm_cleaning_file_t **files, size_t at,
              size_t end, size_t columns)
{
    const char *why = NULL;
    for (size_t i = at; i < end; i++) {
        if (!files[i]->goes && !cleaning->dry_run)
            continue;
        if (!why || strcmp (why, files[i]->why) != 0 || files[i]->goes != files[i - 1]->goes)
            bm_terminal_wrap (stdout, columns,
                              files[i]->goes ? "  goes:  " : "  stays: ", files[i]->why);
        why = files[i]->why;
        s_print_file (files[i], columns);
    }
}

static void
s_print_rows (const bm_cleaning_t *cleaning)
{
    const char *would = cleaning->dry_run ? "would go" : "went";
    if (cleaning->history_days)
        printf ("adm_BackupHistory: rows older than %d days %s\n", cleaning->history_days, would);
    for (size_t i = 0; i < cleaning->trim_count; i++)
        printf ("MarkLog of %s on %s: %llu row(s) older than %s %s\n", cleaning->trims[i].database,
                cleaning->trims[i].instance, (unsigned long long)cleaning->trims[i].rows,
                cleaning->mark_log_before, would);
}

static void
s_print (const bm_cleaning_t *cleaning, const bm_report_t *report)
{
    size_t columns = bm_terminal_columns (STDOUT_FILENO, BM_TERMINAL_COLUMNS);
    const bm_cleaning_file_t **files = s_sorted (cleaning);
    char goes[BM_PROGRESS_TEXT_BYTES], stays[BM_PROGRESS_TEXT_BYTES];
    const char *verb = cleaning->dry_run ? "would go" : "to go";
    if (cleaning->dry_run)
        puts ("Dry run: nothing is deleted.");
    if (cleaning->files_kept)
        puts ("files = keep: no file is deleted.");
    total_t whole = {0};
    for (size_t i = 0, end; i < cleaning->count; i = end) {
        total_t total;
        end = s_total (files, cleaning->count, i, &total);
        whole.goes += total.goes;
        whole.stays += total.stays;
        whole.goes_bytes += total.goes_bytes;
        whole.stays_bytes += total.stays_bytes;
        printf ("%s: %zu file%s %s (%s), %zu stay (%s)\n", files[i]->instance, total.goes,
                total.goes == 1 ? "" : "s", verb, bm_progress_bytes (total.goes_bytes, goes),
                total.stays, bm_progress_bytes (total.stays_bytes, stays));
        s_print_host (cleaning, files, i, end, columns);
    }
    if (report->error.status == BM_OK || cleaning->count)
        printf ("In all: %zu file%s %s (%s), %zu stay (%s)\n", whole.goes,
                whole.goes == 1 ? "" : "s", verb, bm_progress_bytes (whole.goes_bytes, goes),
                whole.stays, bm_progress_bytes (whole.stays_bytes, stays));
    s_print_rows (cleaning);
    if (cleaning->stop)
        bm_terminal_wrap (stdout, columns, "Nothing goes now: ", cleaning->stop);
    for (size_t i = 0; i < report->warning_count; i++)
        bm_terminal_wrap (stdout, columns, "warning:    ", report->warnings[i]);
    bm_report_error_text (&report->error, stdout);
    free (files);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static json_t *
s_text (const char *text)
{
    return text ? json_string (text) : json_null ();
}

static json_t *
s_json_file (const bm_cleaning_file_t *file)
{
    return json_pack ("{s:s, s:s, s:o, s:o, s:o, s:b, s:s, s:s, s:o, s:o}", "server",
                      file->instance, "file", file->file, "database", s_text (file->database),
                      "set_id", file->set_id ? json_integer (file->set_id) : json_null (), "bytes",
                      file->bytes >= 0 ? json_integer (file->bytes) : json_null (), "goes",
                      file->goes, "rule", file->rule, "why", file->why, "fate", s_text (file->fate),
                      "problem", s_text (file->problem));
}

static json_t *
s_json (const bm_cleaning_t *cleaning, const bm_report_t *report)
{
    json_t *list = json_array (), *hosts = json_array (), *rows = json_array (),
           *warnings = json_array ();
    const bm_cleaning_file_t **files = s_sorted (cleaning);
    for (size_t i = 0, end; i < cleaning->count; i = end) {
        total_t total;
        end = s_total (files, cleaning->count, i, &total);
        json_array_append_new (hosts, json_pack ("{s:s, s:I, s:I, s:I, s:I}", "server",
                                                 files[i]->instance, "goes", (json_int_t)total.goes,
                                                 "goes_bytes", (json_int_t)total.goes_bytes,
                                                 "stays", (json_int_t)total.stays, "stays_bytes",
                                                 (json_int_t)total.stays_bytes));
        for (size_t k = i; k < end; k++)
            json_array_append_new (list, s_json_file (files[k]));
    }
    for (size_t i = 0; i < cleaning->trim_count; i++)
        json_array_append_new (rows,
                               json_pack ("{s:s, s:s, s:I}", "server", cleaning->trims[i].instance,
                                          "database", cleaning->trims[i].database, "rows",
                                          (json_int_t)cleaning->trims[i].rows));
    for (size_t i = 0; i < report->warning_count; i++)
        json_array_append_new (warnings, json_string (report->warnings[i]));
    free (files);
    return json_pack (
        "{s:o, s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i}", "group",
        s_text (report->group), "dry_run", cleaning->dry_run, "files_kept", cleaning->files_kept,
        "stop", s_text (cleaning->stop), "hosts", hosts, "files", list, "history_days",
        cleaning->history_days ? json_integer (cleaning->history_days) : json_null (),
        "mark_log_before", s_text (cleaning->mark_log_before[0] ? cleaning->mark_log_before : NULL),
        "mark_log", rows, "warnings", warnings, "error", bm_report_error_json (&report->error),
        "exit", bm_report_exit_code (report));
}

static int
s_clean (const bm_options_t *options)
{
    bm_cleaning_t cleaning = {.dry_run = bm_option_given (options, "dry-run")};
    bm_run_options_t run = {.config = options->config,
                            .kind = BM_RUN_CLEAN,
                            .progress = options->quiet || options->json ? BM_PROGRESS_QUIET
                                                                        : BM_PROGRESS_TEXT,
                            .dry_run = cleaning.dry_run,
                            .cleaning = &cleaning};
    bm_report_t *report = bm_report_new ("clean");
    bm_run_execute (&run, report);
    int code = bm_report_exit_code (report);
    if (options->json)
        bm_command_print_json (s_json (&cleaning, report));
    else
        s_print (&cleaning, report);
    bm_cleaning_clear (&cleaning);
    bm_report_destroy (&report);
    return code;
}

static const bm_option_t s_own_options[] = {
    {"dry-run", BM_OPTION_FLAG, NULL, "deletes nothing: each file with what keeps or drops it"},
    {NULL, BM_OPTION_FLAG, NULL, NULL}};

const bm_command_t bm_command_clean = {
    "clean",
    "delete the backups that nothing needs any more (--dry-run: tell which)",
    "btsmark clean: retention, the last step of `btsmark run`, by itself: backup files on every "
    "host that no\n"
    "mark, set or chain needs any more, their rows in adm_BackupHistory, manifests, and old rows "
    "of MarkLog.\n"
    "\n"
    "What is kept is decided for the group as a whole ([retention] of btsmark.ini): all files of "
    "the newest\n"
    "keep-marks usable marks, of every mark inside keep-time, of retained sets (`btsmark retain`), "
    "of running\n"
    "restores, and the newest full backup of each database with all logs since. A full goes only "
    "with all its\n"
    "logs. Files that btsmark did not make are never touched. While a database of the group "
    "cannot be asked,\n"
    "nothing is deleted on any host.\n"
    "\n"
    "Examples:\n"
    "  btsmark clean --dry-run     each file, and the rule that keeps or drops it\n"
    "  btsmark clean               now, instead of at the end of the next run\n",
    BM_TAKES_JSON | BM_TAKES_QUIET,
    s_clean,
    s_own_options,
    NULL};
