/*  tests/workload/program/main.c
 *  btsmark-workload: BizTalk-like work on a group, and the verdict on a mark that was set while it ran.
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "tests/workload/checker.h"
#include "tests/workload/message.h"
#include "tests/workload/run.h"

static const char s_help[] =
    "Usage: btsmark-workload run   --instance NAME=HOST:PORT ... --login USER --password-file FILE "
    "--ledger FILE\n"
    "                              [--ca-file FILE] [--rate N] [--route N] [--count N] [--seed N] "
    "[--ready-fd "
    "FD] [--log-level\n"
    "                              LEVEL]\n"
    "       btsmark-workload check --ledger FILE [--mark NAME] --began US --ended US\n"
    "                              --databases INSTANCE=FOLDER:DATABASE,... ...\n"
    "       btsmark-workload clock\n"
    "\n"
    "run    publishes messages and orders, moves tracking events as TDDS does and copies message "
    "bodies as\n"
    "       TrackedMessages_Copy does, until a signal or, with --count, until all of them have "
    "arrived.\n"
    "       --route N: messages go to and fro between two instances, each by a distributed "
    "transaction, with N\n"
    "       prepares and commits of branches a second together (0, the default: none; the stand-in "
    "only).\n"
    "       --ca-file: over TLS, with server certificates of these authorities (PEM).\n"
    "check  cuts the databases at the mark from their backup files and says what a restore to it "
    "would lose, double\n"
    "       or invent. --began and --ended: the machine's monotonic clock (see clock) around the "
    "round.\n"
    "clock  prints that clock in microseconds.\n"
    "\n"
    "Exit codes: 0 good, 1 the mark is bad, 2 usage, others as btsmark.\n";

typedef struct {
    bm_work_group_t *group; /* only its instances are filled here */
    const char *login;
    const char *password_file;
    const char *ca_file;
    const char *ledger;
    const char *mark;
    int64_t rate;
    int64_t count;
    int64_t seed;
    int64_t route;
    int64_t began;
    int64_t ended;
    int64_t ready_fd;
    bm_log_level_t level;
    char **databases;
    size_t database_count;
} s_options_t;

enum {
    S_INSTANCE = 256,
    S_LOGIN,
    S_PASSWORD,
    S_CA_FILE,
    S_LEDGER,
    S_RATE,
    S_COUNT,
    S_SEED,
    S_ROUTE,
    S_READY,
    S_LEVEL,
    S_MARK,
    S_BEGAN,
    S_ENDED,
    S_DATABASES,
    S_HELP,
    S_VERSION
};

static const struct option s_long[] = {
    {"instance", required_argument, NULL, S_INSTANCE},
    {"login", required_argument, NULL, S_LOGIN},
    {"password-file", required_argument, NULL, S_PASSWORD},
    {"ca-file", required_argument, NULL, S_CA_FILE},
    {"ledger", required_argument, NULL, S_LEDGER},
    {"rate", required_argument, NULL, S_RATE},
    {"count", required_argument, NULL, S_COUNT},
    {"seed", required_argument, NULL, S_SEED},
    {"route", required_argument, NULL, S_ROUTE},
    {"ready-fd", required_argument, NULL, S_READY},
    {"log-level", required_argument, NULL, S_LEVEL},
    {"mark", required_argument, NULL, S_MARK},
    {"began", required_argument, NULL, S_BEGAN},
    {"ended", required_argument, NULL, S_ENDED},
    {"databases", required_argument, NULL, S_DATABASES},
    {"help", no_argument, NULL, S_HELP},
    {"version", no_argument, NULL, S_VERSION},
    {NULL, 0, NULL, 0},
};

static int
s_fail (const bm_error_t *error)
{
    fprintf (stderr, "btsmark-workload: %s\n", error->text);
    if (*error->remedy)
        fprintf (stderr, "  %s\n", error->remedy);
    return bm_status_exit_code (error->status);
}

static bm_status_t
s_number (const char *text, int64_t least, int64_t *number, bm_error_t *error)
{
    char *end = NULL;
    *number = strtoll (text, &end, 10);
    if (end == text || *end || *number < least)
        return bm_fail (error, BM_USAGE, "%s is not a number from %" PRId64 " on", text, least);
    return BM_OK;
}

static bm_status_t
s_option (s_options_t *options, int option, const char *value, bm_error_t *error)
{
    switch (option) {
        case S_INSTANCE:
            return bm_work_group_add (options->group, value, error);
        case S_RATE:
            return s_number (value, 1, &options->rate, error);
        case S_COUNT:
            return s_number (value, 0, &options->count, error);
        case S_SEED:
            return s_number (value, 0, &options->seed, error);
        case S_ROUTE:
            return s_number (value, 0, &options->route, error);
        case S_READY:
            return s_number (value, 0, &options->ready_fd, error);
        case S_BEGAN:
            return s_number (value, 0, &options->began, error);
        case S_ENDED:
            return s_number (value, 0, &options->ended, error);
        case S_LEVEL:
            return bm_log_level_parse (value, &options->level, error);
        case S_DATABASES:
            options->databases = bm_realloc (options->databases, (options->database_count + 1) *
                                                                     sizeof *options->databases);
            options->databases[options->database_count++] = bm_strdup (value);
            return BM_OK;
        case S_LOGIN:
            options->login = value;
            return BM_OK;
        case S_PASSWORD:
            options->password_file = value;
            return BM_OK;
        case S_CA_FILE:
            options->ca_file = value;
            return BM_OK;
        case S_LEDGER:
            options->ledger = value;
            return BM_OK;
        case S_MARK:
            options->mark = value;
            return BM_OK;
        default:
            return bm_fail (error, BM_USAGE, "the command line is wrong");
    }
}

static void
s_say_ready (const s_options_t *options, const bm_work_group_t *group)
{
    if (options->ready_fd < 0)
        return;
    dprintf ((int)options->ready_fd, "ready %zu %zu %zu\n", group->box_count, group->target_count,
             group->orders_count);
    close ((int)options->ready_fd);
}

/*  Until a signal comes, or all is done. */
static void
s_wait (bm_work_run_t *run, const sigset_t *signals)
{
    const struct timespec none = {0, 0};
    while (!bm_work_run_wait (run, 100))
        if (sigtimedwait (signals, NULL, &none) > 0)
            return;
}

static bm_status_t
s_work (const s_options_t *options, const bm_work_group_t *group, const sigset_t *signals,
        bm_error_t *error)
{
    bm_ledger_list_t known;
    bm_status_t status = bm_ledger_load (options->ledger, &known, error);
    if (status)
        return status;
    bm_ledger_t *ledger = bm_ledger_open (options->ledger, error);
    if (!ledger) {
        bm_ledger_list_clear (&known);
        return error->status;
    }
    bm_work_options_t work = {.group = group,
                              .ledger = ledger,
                              .first = known.count ? known.items[known.count - 1].number + 1 : 1,
                              .count = options->count,
                              .rate = options->rate,
                              .seed = (uint32_t)options->seed,
                              .route_rate = options->route,
                              .known = &known};
    bm_work_run_t *run = bm_work_run_start (&work);
    bm_log_info (
        "%zu MessageBoxes, %zu tracking databases, %zu places of orders; from number %" PRId64,
        group->box_count, group->target_count, group->orders_count, work.first);
    s_say_ready (options, group);
    s_wait (run, signals);
    bm_work_run_stop (&run);
    bm_ledger_close (&ledger);
    bm_ledger_list_clear (&known);
    return BM_OK;
}

static int
s_run (s_options_t *options)
{
    bm_error_t error = {0};
    if (!options->login || !options->password_file || !options->ledger ||
        !options->group->instance_count) {
        bm_fail (&error, BM_USAGE, "run needs --instance, --login, --password-file and --ledger");
        return s_fail (&error);
    }
    sigset_t signals; /* before there is a thread */
    sigemptyset (&signals);
    sigaddset (&signals, SIGTERM);
    sigaddset (&signals, SIGINT);
    sigprocmask (SIG_BLOCK, &signals, NULL);
    bm_secret_harden_process ();
    bm_secret_t *password = bm_secret_from_file (options->password_file, &error);
    bm_status_t status = password ? bm_sql_init (&error) : error.status;
    if (status == BM_OK) {
        bm_work_group_t *group = bm_work_group_new (options->login, password);
        group->ca_file = options->ca_file;
        for (size_t i = 0; i < options->group->instance_count; i++) {
            char *text = bm_format ("%s=%s", options->group->instances[i].name,
                                    options->group->instances[i].server);
            bm_work_group_add (group, text, &error);
            free (text);
        }
        status = bm_work_group_discover (group, &error);
        if (status == BM_OK)
            status = s_work (options, group, &signals, &error);
        bm_work_group_destroy (&group);
        bm_sql_exit ();
    }
    bm_secret_destroy (&password);
    return status ? s_fail (&error) : 0;
}

/*  "SQL01=/backup/SQL01:A,B" */
static bm_status_t
s_load (bm_snapshot_t *snapshot, char *text, const char *mark, bm_error_t *error)
{
    char *folder = strchr (text, '=');
    char *names = folder ? strrchr (folder, ':') : NULL;
    if (!names)
        return bm_fail (error, BM_USAGE, "%s is not INSTANCE=FOLDER:DATABASE,...", text);
    *folder++ = '\0';
    *names++ = '\0';
    while (names) {
        char *comma = strchr (names, ',');
        if (comma)
            *comma++ = '\0';
        bm_status_t status = bm_snapshot_load_folder (snapshot, text, names, folder, mark, error);
        if (status)
            return status;
        names = comma;
    }
    return BM_OK;
}

static int
s_check (s_options_t *options)
{
    bm_error_t error = {0};
    bm_ledger_list_t ledger = {0};
    bm_verdict_t verdict = {0};
    if (!options->ledger || options->began < 0 || options->ended < 0 || !options->database_count) {
        bm_fail (&error, BM_USAGE, "check needs --ledger, --began, --ended and --databases");
        return s_fail (&error);
    }
    bm_snapshot_t *snapshot = bm_snapshot_new ();
    bm_status_t status = bm_ledger_load (options->ledger, &ledger, &error);
    for (size_t i = 0; status == BM_OK && i < options->database_count; i++)
        status = s_load (snapshot, options->databases[i], options->mark, &error);
    if (status == BM_OK)
        status = bm_check (snapshot, &ledger, options->began, options->ended, &verdict, &error);
    int code = status ? s_fail (&error) : verdict.findings != 0;
    if (status == BM_OK)
        printf (
            "%s%zu messages and orders: %zu there, %zu must be, %zu must not be; %zu findings\n",
            verdict.text, verdict.messages, verdict.present, verdict.required, verdict.forbidden,
            verdict.findings);
    bm_verdict_clear (&verdict);
    bm_ledger_list_clear (&ledger);
    bm_snapshot_destroy (&snapshot);
    return code;
}

static int
s_command (const char *name, s_options_t *options)
{
    if (strcmp (name, "run") == 0)
        return s_run (options);
    if (strcmp (name, "check") == 0)
        return s_check (options);
    if (strcmp (name, "clock") == 0) {
        printf ("%" PRId64 "\n", bm_clock_mono_us ());
        return 0;
    }
    fputs (s_help, stderr);
    return 2;
}

int
main (int count, char **arguments)
{
    bm_error_t error = {0};
    s_options_t options = {.group = bm_work_group_new ("", NULL),
                           .rate = 20,
                           .began = -1,
                           .ended = -1,
                           .ready_fd = -1,
                           .level = BM_LOG_INFO};
    int code = -1;
    int option;
    while (code < 0 && (option = getopt_long (count, arguments, "", s_long, NULL)) != -1) {
        if (option == S_HELP || option == S_VERSION) {
            fputs (option == S_HELP ? s_help : "btsmark-workload " BTSMARK_VERSION "\n", stdout);
            code = 0;
        } else if (s_option (&options, option, optarg, &error)) {
            code = s_fail (&error);
        }
    }
    bm_log_open ("workload", options.level);
    if (code < 0)
        code = s_command (optind == count - 1 ? arguments[optind] : "", &options);
    for (size_t i = 0; i < options.database_count; i++)
        free (options.databases[i]);
    free (options.databases);
    bm_work_group_destroy (&options.group);
    return code;
}
