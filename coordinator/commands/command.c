/*  coordinator/commands/command.c */
#include "coordinator/commands/command.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "coordinator/shell/run.h"

const bm_command_t *const bm_commands[] = {
    &bm_command_run,     &bm_command_full,   &bm_command_log,    &bm_command_force_full,
    &bm_command_history, &bm_command_agents, &bm_command_keygen, NULL};

const bm_command_t *
bm_command_find (const char *name)
{
    for (size_t i = 0; bm_commands[i]; i++)
        if (strcmp (bm_commands[i]->name, name) == 0)
            return bm_commands[i];
    return NULL;
}

void
bm_command_print_json (json_t *object)
{
    json_dumpf (object, stdout, JSON_INDENT (2));
    fputc ('\n', stdout);
    json_decref (object);
}

int
bm_command_fail (const bm_options_t *options, const char *name, const bm_error_t *error)
{
    bm_report_t *report = bm_report_new (name);
    bm_report_fail (report, error);
    report->ended_us = bm_clock_utc_us ();
    int code = bm_report_exit_code (report);
    if (options->json)
        bm_command_print_json (bm_report_json (report));
    else
        bm_report_error_text (error, stderr);
    bm_report_destroy (&report);
    return code;
}

int
bm_command_job (const bm_options_t *options, const char *name, int kind)
{
    bm_progress_mode_t mode = BM_PROGRESS_TEXT;
    if (options->events)
        mode = BM_PROGRESS_EVENTS;
    else if (options->quiet)
        mode = BM_PROGRESS_QUIET;
    bm_run_options_t run = {options->config, (bm_run_kind_t)kind, mode};
    bm_report_t *report = bm_report_new (name);
    bm_run_execute (&run, report);
    int code = bm_report_exit_code (report);
    if (options->json)
        bm_command_print_json (bm_report_json (report));
    else
        bm_report_text (report, stdout);
    bm_report_destroy (&report);
    return code;
}

/* ---- help -------------------------------------------------------------------------------------------------------- */

static void
s_help (const bm_command_t *command)
{
    printf ("%s\nOptions:\n", command->help);
    if (command->takes & BM_TAKES_JSON)
        puts ("  --json              one JSON object on stdout, also on failure");
    if (command->takes & BM_TAKES_EVENTS)
        puts ("  --events            what happens, as JSON lines on stderr");
    if (command->takes & BM_TAKES_QUIET)
        puts ("  -q, --quiet         no progress lines on stderr");
    if (command->takes & BM_TAKES_SETS)
        puts ("  --sets N            the newest N sets (20)");
    if (command->takes & BM_TAKES_FILES)
        puts ("  --files             each file of each set");
    if (command->takes & BM_TAKES_NAME)
        puts ("  --name NAME         whose key it is, for people");
    if (!(command->takes & BM_TAKES_NO_CONFIG))
        puts ("  -c, --config FILE   configuration; else $BTSMARK_CONFIG, else " BM_CONFIG_DEFAULT);
    puts ("  --log-level LEVEL   error, warning (the default), info or debug, on stderr\n"
          "  -h, --help          this page\n"
          "  --version           the version of btsmark");
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

enum {
    OPTION_JSON = 256,
    OPTION_EVENTS,
    OPTION_SETS,
    OPTION_FILES,
    OPTION_NAME,
    OPTION_LEVEL,
    OPTION_VERSION
};

static const struct option s_long_options[] = {{"json", no_argument, NULL, OPTION_JSON},
                                               {"events", no_argument, NULL, OPTION_EVENTS},
                                               {"quiet", no_argument, NULL, 'q'},
                                               {"sets", required_argument, NULL, OPTION_SETS},
                                               {"files", no_argument, NULL, OPTION_FILES},
                                               {"name", required_argument, NULL, OPTION_NAME},
                                               {"config", required_argument, NULL, 'c'},
                                               {"log-level", required_argument, NULL, OPTION_LEVEL},
                                               {"help", no_argument, NULL, 'h'},
                                               {"version", no_argument, NULL, OPTION_VERSION},
                                               {NULL, 0, NULL, 0}};

static bm_status_t
s_count (const char *text, size_t *value, bm_error_t *error)
{
    char *end = NULL;
    long number = strtol (text, &end, 10);
    if (*end || end == text || number < 1 || number > 100000)
        return bm_fail (error, BM_USAGE, "--sets %s: a number from 1 to 100000 is needed", text);
    *value = (size_t)number;
    return BM_OK;
}

static bm_status_t
s_take (const bm_command_t *command, int option, bm_options_t *options, bm_error_t *error)
{
    static const struct {
        int option;
        unsigned takes;
        const char *name;
    } bound[] = {
        {OPTION_JSON, BM_TAKES_JSON, "--json"},    {OPTION_EVENTS, BM_TAKES_EVENTS, "--events"},
        {'q', BM_TAKES_QUIET, "--quiet"},          {OPTION_SETS, BM_TAKES_SETS, "--sets"},
        {OPTION_FILES, BM_TAKES_FILES, "--files"}, {OPTION_NAME, BM_TAKES_NAME, "--name"}};
    for (size_t i = 0; i < sizeof bound / sizeof *bound; i++)
        if (bound[i].option == option && !(command->takes & bound[i].takes))
            return bm_fail (error, BM_USAGE, "%s does not take %s", command->name, bound[i].name);
    bm_log_level_t level;
    switch (option) {
        case OPTION_JSON:
            options->json = true;
            return BM_OK;
        case OPTION_EVENTS:
            options->events = true;
            return BM_OK;
        case 'q':
            options->quiet = true;
            return BM_OK;
        case OPTION_SETS:
            return s_count (optarg, &options->sets, error);
        case OPTION_FILES:
            options->files = true;
            return BM_OK;
        case OPTION_NAME:
            options->name = optarg;
            return BM_OK;
        case 'c':
            if (command->takes & BM_TAKES_NO_CONFIG)
                return bm_fail (error, BM_USAGE, "%s does not take -c", command->name);
            options->config = optarg;
            return BM_OK;
        case OPTION_LEVEL:
            if (bm_log_level_parse (optarg, &level, error) != BM_OK)
                return error->status;
            bm_log_open ("btsmark", level);
            return BM_OK;
        case ':':
            return bm_fail (error, BM_USAGE, "%s needs a value", command->name);
        default:
            return bm_fail (error, BM_USAGE, "%s does not know this option", command->name);
    }
}

static void
s_defaults (bm_options_t *options)
{
    const char *environment = getenv ("BTSMARK_CONFIG");
    *options = (bm_options_t){.sets = 20};
    options->config = environment && *environment ? environment : BM_CONFIG_DEFAULT;
}

static bm_status_t
s_arguments (const bm_command_t *command, int argc, char **argv, bm_options_t *options,
             bm_error_t *error)
{
    bool wanted = (command->takes & BM_TAKES_FILE) != 0;
    if (wanted && optind + 1 == argc) {
        options->file = argv[optind];
        return BM_OK;
    }
    if (wanted)
        return bm_fail (error, BM_USAGE, "%s needs the name of one file", command->name);
    if (optind < argc)
        return bm_fail (error, BM_USAGE, "%s does not take \"%s\"", command->name, argv[optind]);
    return BM_OK;
}

int
bm_command_call (const bm_command_t *command, int argc, char **argv)
{
    bm_options_t options;
    bm_error_t error = {0};
    s_defaults (&options);
    /*  Wrong options are told as JSON too when that was asked for anywhere. */
    bool json = false;
    for (int i = 1; i < argc; i++)
        json |= (command->takes & BM_TAKES_JSON) && strcmp (argv[i], "--json") == 0;
    optind = 1;
    opterr = 0;
    int option;
    while (error.status == BM_OK &&
           (option = getopt_long (argc, argv, ":c:qh", s_long_options, NULL)) != -1) {
        if (option == 'h') {
            s_help (command);
            return 0;
        }
        if (option == OPTION_VERSION) {
            puts ("btsmark " BTSMARK_VERSION);
            return 0;
        }
        int before = optind - 1;
        s_take (command, option, &options, &error);
        if (error.status == BM_USAGE && (option == '?' || option == ':') && before > 0)
            bm_error_wrap (&error, "%s", argv[before]);
    }
    if (error.status == BM_OK)
        s_arguments (command, argc, argv, &options, &error);
    if (error.status != BM_OK) {
        options.json = json;
        bm_error_remedy (&error, "see btsmark %s --help", command->name);
        return bm_command_fail (&options, command->name, &error);
    }
    return command->run (&options);
}
