/*  tests/sqlhost/cut.c
 *  sqlhost-cut: prints a database as it was at a mark, rebuilt from its backup files alone. */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sqlhost/engine/cut.h"

static const char s_help[] =
    "Usage: sqlhost-cut FILE... [--mark NAME] [--before] [--database DB] [--table T] [--json]\n"
    "\n"
    "Rebuilds a database from its full and log backups (in any order) up to the transaction\n"
    "marked NAME, in memory, and prints its rows. Without --mark it goes to the end of the chain.\n"
    "\n"
    "  -m, --mark NAME      stop at this mark; its transaction is included\n"
    "  -b, --before         ... or is not\n"
    "  -d, --database DB    needed when the files hold several databases\n"
    "  -t, --table T        only this table (\"dbo.MarkLog\" or \"MarkLog\"); may be repeated\n"
    "  -j, --json           a line per row: {\"table\": \"dbo.T\", \"rid\": 1, \"row\": {...}}\n"
    "      --help, --version\n"
    "\n"
    "Exit codes: 0 done, 2 usage, 3 a file is damaged, 4 no full backup, 5 a link of the chain is\n"
    "missing, 6 the mark is not in the chain, 7 a log record does not fit, 8 no such table.\n";

enum { S_TABLES_MAX = 64, S_EXIT_TABLE = 8 };

typedef struct {
    sh_cut_options_t cut;
    const char *tables[S_TABLES_MAX];
    int table_count;
    bool json;
} s_options_t;

static int
s_exit_code (sh_cut_status_t status)
{
    static const int codes[] = {
        [SH_CUT_OK] = 0,  [SH_CUT_USAGE] = 2,   [SH_CUT_DAMAGED] = 3, [SH_CUT_NO_FULL] = 4,
        [SH_CUT_GAP] = 5, [SH_CUT_NO_MARK] = 6, [SH_CUT_REPLAY] = 7};
    return codes[status];
}

/*  ---- one value ---- */

static void
s_print_time (int64_t ticks, char *out, size_t size)
{
    sh_civil_t at;
    sh_ticks_to_civil (ticks, &at);
    snprintf (out, size, "%04d-%02d-%02dT%02d:%02d:%02d.%07d", at.year, at.month, at.day, at.hour,
              at.minute, at.second, at.fraction);
}

static char *
s_print_hex (const sh_value_t *value)
{
    size_t size = (size_t)value->size * 2 + 3;
    char *out = malloc (size);
    if (!out)
        abort ();
    snprintf (out, size, "0x");
    for (uint32_t i = 0; i < value->size; i++)
        snprintf (out + 2 + (size_t)i * 2, 3, "%02X", value->as.blob[i]);
    return out;
}

static json_t *
s_json_value (const sh_value_t *value)
{
    char text[64];
    switch (value->kind) {
        case SH_NULL:
            return json_null ();
        case SH_INT:
            return json_integer (value->as.integer);
        case SH_DOUBLE:
            return json_real (value->as.real);
        case SH_TEXT:
        case SH_DECIMAL:
            return json_stringn (value->as.text, value->size);
        case SH_DATETIME:
            s_print_time (value->as.ticks, text, sizeof text);
            return json_string (text);
        case SH_GUID:
            sh_guid_print (value->as.guid, text);
            return json_string (text);
        case SH_BLOB: {
            char *hex = s_print_hex (value);
            json_t *json = json_string (hex);
            free (hex);
            return json;
        }
    }
    return json_null ();
}

/*  ---- tables ---- */

typedef struct {
    const sh_table_def_t *def;
    char name[260];
    bool json;
} s_table_t;

static bool
s_print_row (void *arg, int64_t rid, const sh_value_t *values)
{
    const s_table_t *table = arg;
    json_t *row = json_object ();
    for (int i = 0; i < table->def->column_count; i++)
        json_object_set_new (row, table->def->columns[i].name, s_json_value (&values[i]));
    if (table->json)
        row =
            json_pack ("{s:s, s:I, s:o}", "table", table->name, "rid", (json_int_t)rid, "row", row);
    else
        printf ("%s ", table->name);
    json_dumpf (row, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
    putchar ('\n');
    json_decref (row);
    return true;
}

static void
s_print_table (const sh_cut_t *cut, size_t index, bool json)
{
    s_table_t table = {.def = sh_cut_table (cut, index), .json = json};
    snprintf (table.name, sizeof table.name, "%s.%s", table.def->schema, table.def->name);
    sh_cut_rows (cut, index, s_print_row, &table);
}

static int
s_find_table (const sh_cut_t *cut, const char *given)
{
    char schema[260];
    const char *dot = strchr (given, '.');
    if (!dot)
        return sh_cut_find (cut, NULL, given);
    snprintf (schema, sizeof schema, "%.*s", (int)(dot - given), given);
    return sh_cut_find (cut, schema, dot + 1);
}

static int
s_print (const sh_cut_t *cut, const s_options_t *options)
{
    if (options->table_count == 0)
        for (size_t i = 0; i < sh_cut_table_count (cut); i++)
            s_print_table (cut, i, options->json);
    for (int i = 0; i < options->table_count; i++) {
        int index = s_find_table (cut, options->tables[i]);
        if (index < 0) {
            fprintf (stderr, "sqlhost-cut: database %s has no table %s at that point\n",
                     sh_cut_database (cut), options->tables[i]);
            return S_EXIT_TABLE;
        }
        s_print_table (cut, (size_t)index, options->json);
    }
    return fflush (stdout) == 0 ? 0 : 1;
}

/*  ---- the program ---- */

/*  -1: go on; else the exit code. */
static int
s_parse (int argc, char **argv, s_options_t *options)
{
    static const struct option longs[] = {
        {"mark", required_argument, NULL, 'm'},     {"before", no_argument, NULL, 'b'},
        {"database", required_argument, NULL, 'd'}, {"table", required_argument, NULL, 't'},
        {"json", no_argument, NULL, 'j'},           {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},        {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long (argc, argv, "m:bd:t:jh", longs, NULL)) != -1;)
        switch (option) {
            case 'm':
                options->cut.mark = optarg;
                break;
            case 'b':
                options->cut.before = true;
                break;
            case 'd':
                options->cut.database = optarg;
                break;
            case 't':
                if (options->table_count == S_TABLES_MAX)
                    return 2;
                options->tables[options->table_count++] = optarg;
                break;
            case 'j':
                options->json = true;
                break;
            case 'h':
                fputs (s_help, stdout);
                return 0;
            case 'V':
                puts ("sqlhost-cut " BTSMARK_VERSION);
                return 0;
            default:
                fputs (s_help, stderr);
                return 2;
        }
    options->cut.files = (const char *const *)(argv + optind);
    options->cut.file_count = (size_t)(argc - optind);
    return -1;
}

int
main (int argc, char **argv)
{
    s_options_t options = {0};
    sh_error_t error = {0};
    sh_cut_t *cut = NULL;
    int code = s_parse (argc, argv, &options);
    if (code >= 0)
        return code;
    sh_cut_status_t status = sh_cut_open (&cut, &options.cut, &error);
    if (status != SH_CUT_OK) {
        fprintf (stderr, "sqlhost-cut: %s\n", error.text);
        return s_exit_code (status);
    }
    code = s_print (cut, &options);
    sh_cut_close (&cut);
    return code;
}
