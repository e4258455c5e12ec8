/*  coordinator/commands/command.c */
#include "coordinator/commands/command.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "coordinator/shell/run.h"

const bm_command_t *const bm_commands[] = {&bm_command_run,
                                           &bm_command_full,
                                           &bm_command_log,
                                           &bm_command_force_full,
                                           &bm_command_history,
                                           &bm_command_marks,
                                           &bm_command_clean,
                                           &bm_command_retain,
                                           &bm_command_agents,
                                           &bm_command_check,
                                           &bm_command_status,
                                           &bm_command_keygen,
                                           NULL};

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
    bm_run_options_t run = {
        .config = options->config, .kind = (bm_run_kind_t)kind, .progress = mode};
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
s_help_line (const char *option, const char *text)
{
    printf ("  %-19s %s\n", option, text);
}

static void
s_help_own (const bm_command_t *command)
{
    for (const bm_option_t *own = command->options; own && own->name; own++) {
        char *text = own->value ? bm_format ("--%s %s", own->name, own->value)
                                : bm_format ("--%s", own->name);
        s_help_line (text, own->help);
        free (text);
    }
}

static void
s_help (const bm_command_t *command)
{
    printf ("%s\nOptions:\n", command->help);
    s_help_own (command);
    if (command->takes & BM_TAKES_JSON)
        s_help_line ("--json", "one JSON object on stdout, also on failure");
    if (command->takes & BM_TAKES_EVENTS)
        s_help_line ("--events", "what happens, as JSON lines on stderr");
    if (command->takes & BM_TAKES_QUIET)
        s_help_line ("-q, --quiet", "no progress lines on stderr");
    if (!(command->takes & BM_TAKES_NO_CONFIG))
        s_help_line ("-c, --config FILE",
                     "configuration; else $BTSMARK_CONFIG, else " BM_CONFIG_DEFAULT);
    s_help_line ("--log-level LEVEL", "error, warning (the default), info or debug, on stderr");
    s_help_line ("-h, --help", "this page");
    s_help_line ("--version", "the version of btsmark");
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

enum {
    OPTION_JSON = 256,
    OPTION_EVENTS,
    OPTION_LEVEL,
    OPTION_VERSION,
    OPTION_OWN, /* the first of the command's own */
    OPTION_COMMON_COUNT = 7
};

static const struct option s_common[OPTION_COMMON_COUNT] = {
    {"json", no_argument, NULL, OPTION_JSON},
    {"events", no_argument, NULL, OPTION_EVENTS},
    {"quiet", no_argument, NULL, 'q'},
    {"config", required_argument, NULL, 'c'},
    {"log-level", required_argument, NULL, OPTION_LEVEL},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, OPTION_VERSION}};

static size_t
s_own_count (const bm_command_t *command)
{
    size_t count = 0;
    while (command->options && command->options[count].name)
        count++;
    bm_require (count <= BM_OPTIONS_OWN_MAX);
    return count;
}

/*  The common options and the command's own, for getopt_long. */
static void
s_long_options (const bm_command_t *command,
                struct option table[OPTION_COMMON_COUNT + BM_OPTIONS_OWN_MAX + 1])
{
    size_t count = s_own_count (command);
    memcpy (table, s_common, sizeof s_common);
    for (size_t i = 0; i < count; i++) {
        int argument = command->options[i].kind == BM_OPTION_FLAG ? no_argument : required_argument;
        table[OPTION_COMMON_COUNT + i] =
            (struct option){command->options[i].name, argument, NULL, OPTION_OWN + (int)i};
    }
    table[OPTION_COMMON_COUNT + count] = (struct option){NULL, 0, NULL, 0};
}

static bool
s_count (const char *text, size_t *value)
{
    char *end = NULL;
    long number = strtol (text, &end, 10);
    if (*end || end == text || number < 1 || number > BM_OPTION_COUNT_MAX)
        return false;
    *value = (size_t)number;
    return true;
}

static bm_status_t
s_take_own (const bm_option_t *own, const char **value, bm_error_t *error)
{
    size_t number = 0;
    if (*value)
        return bm_fail (error, BM_USAGE, "--%s is given twice", own->name);
    if (own->kind == BM_OPTION_COUNT && !s_count (optarg, &number))
        return bm_fail (error, BM_USAGE, "--%s %s: a number from 1 to %d is needed", own->name,
                        optarg, BM_OPTION_COUNT_MAX);
    if (own->kind == BM_OPTION_TEXT && !*optarg)
        return bm_fail (error, BM_USAGE, "--%s needs %s, not nothing", own->name, own->value);
    *value = own->kind == BM_OPTION_FLAG ? "" : optarg;
    return BM_OK;
}

static size_t
s_own (const bm_options_t *options, const char *name)
{
    size_t count = s_own_count (options->command), i = 0;
    while (i < count && strcmp (options->command->options[i].name, name) != 0)
        i++;
    bm_require (i < count);
    return i;
}

bool
bm_option_given (const bm_options_t *options, const char *name)
{
    return options->own[s_own (options, name)] != NULL;
}

const char *
bm_option_text (const bm_options_t *options, const char *name)
{
    return options->own[s_own (options, name)];
}

size_t
bm_option_count (const bm_options_t *options, const char *name, size_t otherwise)
{
    const char *text = bm_option_text (options, name);
    if (text)
        bm_require (s_count (text, &otherwise));
    return otherwise;
}

static bm_status_t
s_bound (const bm_command_t *command, int option, bm_error_t *error)
{
    static const struct {
        int option;
        unsigned takes;
        const char *name;
    } bound[] = {{OPTION_JSON, BM_TAKES_JSON, "--json"},
                 {OPTION_EVENTS, BM_TAKES_EVENTS, "--events"},
                 {'q', BM_TAKES_QUIET, "--quiet"}};
    for (size_t i = 0; i < sizeof bound / sizeof *bound; i++)
        if (bound[i].option == option && !(command->takes & bound[i].takes))
            return bm_fail (error, BM_USAGE, "%s does not take %s", command->name, bound[i].name);
    if (option == 'c' && (command->takes & BM_TAKES_NO_CONFIG))
        return bm_fail (error, BM_USAGE, "%s does not take -c", command->name);
    return BM_OK;
}

static bm_status_t
s_take (const bm_command_t *command, int option, bm_options_t *options, bm_error_t *error)
{
    if (s_bound (command, option, error) != BM_OK)
        return error->status;
    if (option >= OPTION_OWN)
        return s_take_own (&command->options[option - OPTION_OWN],
                           &options->own[option - OPTION_OWN], error);
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
        case 'c':
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
s_defaults (const bm_command_t *command, bm_options_t *options)
{
    const char *environment = getenv ("BTSMARK_CONFIG");
    *options = (bm_options_t){.command = command};
    options->config = environment && *environment ? environment : BM_CONFIG_DEFAULT;
}

static bm_status_t
s_arguments (const bm_command_t *command, int argc, char **argv, bm_options_t *options,
             bm_error_t *error)
{
    bool needed = command->argument && command->argument[0] != '[';
    if (needed && optind + 1 != argc)
        return bm_fail (error, BM_USAGE, "%s needs one %s", command->name, command->argument);
    if (command->argument && optind < argc)
        options->argument = argv[optind++];
    if (optind < argc)
        return bm_fail (error, BM_USAGE, "%s does not take \"%s\"", command->name, argv[optind]);
    return BM_OK;
}

int
bm_command_call (const bm_command_t *command, int argc, char **argv)
{
    bm_options_t options;
    bm_error_t error = {0};
    struct option table[OPTION_COMMON_COUNT + BM_OPTIONS_OWN_MAX + 1];
    s_defaults (command, &options);
    s_long_options (command, table);
    /*  Wrong options are told as JSON too when that was asked for anywhere. */
    bool json = false;
    for (int i = 1; i < argc; i++)
        json |= (command->takes & BM_TAKES_JSON) && strcmp (argv[i], "--json") == 0;
    optind = 1;
    opterr = 0;
    int option;
    while (error.status == BM_OK &&
           (option = getopt_long (argc, argv, ":c:qh", table, NULL)) != -1) {
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
