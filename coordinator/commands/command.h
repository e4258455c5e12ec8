/*  coordinator/commands/command.h
 *  What the commands share: a table of them, options, and how a command that fails early speaks.
 */
#ifndef BM_COMMAND_H
#define BM_COMMAND_H

#include <jansson.h>
#include "common/log.h"
#include "coordinator/shell/report.h"

#define BM_CONFIG_DEFAULT "/etc/btsmark/btsmark.ini"

/*  Options that a command takes besides --help, --log-level and, unless it is BM_TAKES_NO_CONFIG, -c. */
enum {
    BM_TAKES_JSON = 1,
    BM_TAKES_EVENTS = 2,
    BM_TAKES_QUIET = 4,
    BM_TAKES_SETS = 8,
    BM_TAKES_FILES = 16,
    BM_TAKES_NO_CONFIG = 32,
    BM_TAKES_FILE = 64, /* one argument: a file to write */
    BM_TAKES_NAME = 128
};

typedef struct bm_options {
    const char *config; /* -c, else $BTSMARK_CONFIG, else BM_CONFIG_DEFAULT */
    const char *file;
    const char *name;
    bool json, events, quiet, files;
    size_t sets;
} bm_options_t;

typedef struct bm_command {
    const char *name;
    const char *summary; /* one line for --help */
    const char *help;    /* the page of `btsmark NAME --help`, without the common options */
    unsigned takes;
    int (*run) (const bm_options_t *options);
} bm_command_t;

extern const bm_command_t bm_command_run, bm_command_full, bm_command_log, bm_command_force_full,
    bm_command_history, bm_command_agents, bm_command_keygen;

/*  NULL-terminated, in the order of --help. */
extern const bm_command_t *const bm_commands[];
const bm_command_t *bm_command_find (const char *name);

/*  argv[0] is the command's name. Runs it and returns the exit code; a wrong command line is BM_USAGE, told on stderr, or as the
 *  JSON object when --json is among the arguments. */
int bm_command_call (const bm_command_t *command, int argc, char **argv);

/*  Writes the object on stdout and drops the reference. */
void bm_command_print_json (json_t *object);
/*  A command that ends with this error and has nothing else to say: JSON or text. Returns the exit code. */
int bm_command_fail (const bm_options_t *options, const char *name, const bm_error_t *error);

/*  Runs the job and prints its report: run, full and log are this. */
int bm_command_job (const bm_options_t *options, const char *name, int kind);

#endif
