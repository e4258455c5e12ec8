/*  coordinator/commands/retain.c */
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "coordinator/commands/command.h"
#include "coordinator/shell/catalogue_retention.h"
#include "coordinator/shell/settings.h"
#include "coordinator/shell/terminal.h"

typedef struct state {
    bm_settings_t *settings;
    bm_catalogue_t *catalogue;
    bm_retained_row_t *rows;
    size_t count;
    char *done; /* what was done, for people */
    int64_t now_us;
} state_t;

static bm_status_t
s_read_set (const char *text, int64_t *set_id, bm_error_t *error)
{
    char *end = NULL;
    long long number = strtoll (text, &end, 10);
    if (end == text || *end || number < 1)
        return bm_fail (error, BM_USAGE,
                        "\"%s\" is no set: give its number, as `btsmark history` shows it", text);
    *set_id = number;
    return BM_OK;
}

/*  "2031-01-31": to the end of that day, UTC; or a whole RFC 3339 time. -1 = no time. */
static int64_t
s_read_date (const char *text)
{
    char whole[BM_CLOCK_TEXT_BYTES];
    if (strlen (text) == 10) {
        snprintf (whole, sizeof whole, "%sT23:59:59.999Z", text);
        text = whole;
    }
    return bm_clock_parse_rfc3339 (text);
}

static char *
s_person (void)
{
    const struct passwd *user = getpwuid (getuid ());
    return user ? bm_strdup (user->pw_name) : bm_format ("uid %ld", (long)getuid ());
}

/*  A set of which no file is left cannot be kept any more. */
static bm_status_t
s_check_set (state_t *self, int64_t set_id, bm_error_t *error)
{
    bm_set_row_t *row = NULL;
    bm_stored_t *stored = NULL;
    size_t count = 0, files = 0;
    bm_status_t status = bm_catalogue_set (self->catalogue, set_id, &row, error);
    if (!status && !row)
        status = bm_fail (error, BM_USAGE, "the catalogue knows no set %lld", (long long)set_id);
    if (!status)
        status = bm_catalogue_stored (self->catalogue, &stored, &count, error);
    for (size_t i = 0; i < count; i++)
        files += stored[i].backup.set_id == set_id;
    if (!status && files == 0)
        status = bm_fail (error, BM_USAGE,
                          "set %lld has no files (any more): there is nothing to retain",
                          (long long)set_id);
    bm_stored_destroy (&stored, count);
    bm_set_rows_destroy (&row, row ? 1 : 0);
    return status;
}

static bm_status_t
s_retain (state_t *self, const bm_options_t *options, int64_t set_id, bm_error_t *error)
{
    const char *until = bm_option_text (options, "until"),
               *reason = bm_option_text (options, "reason");
    int64_t until_us = until ? s_read_date (until) : -1;
    if (!reason)
        return bm_fail (error, BM_USAGE,
                        "retain %lld: give --reason TEXT, for those who find the set in a year",
                        (long long)set_id);
    if (until && until_us < 0)
        return bm_fail (error, BM_USAGE, "--until %s: a date is needed, as 2031-01-31", until);
    if (until && until_us <= self->now_us)
        return bm_fail (error, BM_USAGE, "--until %s is in the past", until);
    if (s_check_set (self, set_id, error) != BM_OK)
        return error->status;
    char *person = s_person ();
    bm_status_t status =
        bm_catalogue_retain (self->catalogue, set_id, until_us, reason, person, error);
    free (person);
    if (!status)
        self->done = bm_format ("Set %lld is retained %s%s: retention keeps its files and what "
                                "its mark needs.",
                                (long long)set_id, until ? "until " : "until it is released",
                                until ? until : "");
    return status;
}

static bm_status_t
s_release (state_t *self, int64_t set_id, bm_error_t *error)
{
    bool was = false;
    if (bm_catalogue_release (self->catalogue, set_id, &was, error) != BM_OK)
        return error->status;
    if (!was)
        return bm_fail (error, BM_USAGE, "set %lld is not retained", (long long)set_id);
    self->done =
        bm_format ("Set %lld is released: retention treats it like any other.", (long long)set_id);
    return BM_OK;
}

static bm_status_t
s_act (state_t *self, const bm_options_t *options, bm_error_t *error)
{
    int64_t set_id = 0;
    bool release = bm_option_given (options, "release");
    bool details = bm_option_given (options, "until") || bm_option_given (options, "reason");
    if (!options->argument && (release || details))
        return bm_fail (error, BM_USAGE, "retain needs the number of a set");
    if (release && details)
        return bm_fail (error, BM_USAGE, "--release goes without --until and --reason");
    if (options->argument && s_read_set (options->argument, &set_id, error) != BM_OK)
        return error->status;
    self->settings = bm_settings_load (options->config, error);
    if (!self->settings)
        return error->status;
    /*  Only looked at first: a catalogue is made by runs, not by this. */
    self->catalogue = bm_catalogue_open_read_only (self->settings->catalogue, error);
    if (self->catalogue && options->argument) {
        bm_catalogue_close (&self->catalogue);
        self->catalogue =
            bm_catalogue_open (self->settings->catalogue, self->settings->group, error);
    }
    if (!self->catalogue)
        return error->status;
    if (release)
        s_release (self, set_id, error);
    else if (options->argument)
        s_retain (self, options, set_id, error);
    if (error->status == BM_OK)
        bm_catalogue_retained (self->catalogue, &self->rows, &self->count, error);
    return error->status;
}

/* ---- telling ----------------------------------------------------------------------------------------------------- */

static const char *
s_until (const state_t *self, const bm_retained_row_t *row, char text[BM_CLOCK_TEXT_BYTES])
{
    if (row->until_us < 0)
        return "no end";
    if (row->until_us <= self->now_us)
        return "(over)";
    return bm_clock_rfc3339 (row->until_us, text);
}

static void
s_print (const state_t *self)
{
    size_t columns = bm_terminal_columns (STDOUT_FILENO, BM_TERMINAL_COLUMNS);
    char until[BM_CLOCK_TEXT_BYTES], at[BM_CLOCK_TEXT_BYTES];
    if (self->done) {
        bm_terminal_wrap (stdout, columns, "", self->done);
        return;
    }
    if (!self->count)
        puts ("No set is retained.");
    else
        printf ("%6s  %-10s  %-10s  %s\n", "set", "until", "since", "reason");
    for (size_t i = 0; i < self->count; i++) {
        const bm_retained_row_t *row = &self->rows[i];
        char *lead = bm_format ("%6lld  %-10.10s  %.10s  ", (long long)row->set_id,
                                s_until (self, row, until), bm_clock_rfc3339 (row->at_us, at));
        char *text =
            row->person ? bm_format ("%s (%s)", row->reason, row->person) : bm_strdup (row->reason);
        bm_terminal_wrap (stdout, columns, lead, text);
        free (text);
        free (lead);
    }
}

static json_t *
s_json (const state_t *self)
{
    json_t *sets = json_array ();
    char until[BM_CLOCK_TEXT_BYTES], at[BM_CLOCK_TEXT_BYTES];
    for (size_t i = 0; i < self->count; i++) {
        const bm_retained_row_t *row = &self->rows[i];
        json_array_append_new (
            sets,
            json_pack ("{s:I, s:o, s:b, s:s, s:s, s:o}", "set_id", (json_int_t)row->set_id, "until",
                       row->until_us < 0 ? json_null ()
                                         : json_string (bm_clock_rfc3339 (row->until_us, until)),
                       "holds", row->until_us < 0 || row->until_us > self->now_us, "since",
                       bm_clock_rfc3339 (row->at_us, at), "reason", row->reason, "person",
                       row->person ? json_string (row->person) : json_null ()));
    }
    return json_pack ("{s:s, s:o, s:n, s:i}", "group", self->settings->group, "retained", sets,
                      "error", "exit", 0);
}

static int
s_command (const bm_options_t *options)
{
    state_t self = {.now_us = bm_clock_utc_us ()};
    bm_error_t error = {0};
    int code = 0;
    if (s_act (&self, options, &error) != BM_OK) {
        if (error.status == BM_USAGE)
            bm_error_remedy (&error, "btsmark history lists the sets; see btsmark retain --help");
        code = bm_command_fail (options, "retain", &error);
    }
    if (!code && options->json)
        bm_command_print_json (s_json (&self));
    else if (!code)
        s_print (&self);
    bm_retained_rows_destroy (&self.rows, self.count);
    bm_catalogue_close (&self.catalogue);
    bm_settings_destroy (&self.settings);
    free (self.done);
    return code;
}

static const bm_option_t s_own_options[] = {
    {"until", BM_OPTION_TEXT, "DATE", "to the end of that day (UTC), as 2031-01-31"},
    {"reason", BM_OPTION_TEXT, "TEXT", "why, for those who find it later"},
    {"release", BM_OPTION_FLAG, NULL, "retention treats the set like any other again"},
    {NULL, BM_OPTION_FLAG, NULL, NULL}};

const bm_command_t bm_command_retain = {
    "retain",
    "keep a set whatever its age, or release it; without a set: list them",
    "btsmark retain SET: retention keeps every file of the set, and everything that a restore to "
    "its mark\n"
    "needs, until that day or until it is released. Without SET it lists what is retained.\n"
    "\n"
    "Examples:\n"
    "  btsmark retain 1234 --until 2031-01-31 --reason \"before the upgrade\"\n"
    "  btsmark retain 1234 --release\n"
    "  btsmark retain\n",
    BM_TAKES_JSON,
    s_command,
    s_own_options,
    "[SET]"};
