/*  coordinator/commands/command.h
 *  What the commands share: a table of them, options, and how a command that fails early speaks.
 */
#ifndef BM_COMMAND_H
#define BM_COMMAND_H

#include <jansson.h>
#include "common/log.h"
#include "coordinator/shell/report.h"

#define BM_CONFIG_DEFAULT "/etc/btsmark/btsmark.ini"

/*  Options that many commands take, besides --help, --log-level and, unless it is BM_TAKES_NO_CONFIG, -c. */
enum {
    BM_TAKES_JSON = 1,
    BM_TAKES_EVENTS = 2,
    BM_TAKES_QUIET = 4,
    BM_TAKES_NO_CONFIG = 8,
};

/*  An option of one command alone. */
typedef enum {
    BM_OPTION_FLAG,
    BM_OPTION_COUNT, /* a number from 1 to BM_OPTION_COUNT_MAX */
    BM_OPTION_TEXT   /* not empty; the command says what it must look like */
} bm_option_kind_t;

#define BM_OPTION_COUNT_MAX 100000
#define BM_OPTIONS_OWN_MAX  12 /* of one command */

typedef struct bm_option {
    const char *name; /* without the dashes */
    bm_option_kind_t kind;
    const char *value; /* what --help calls its value ("N", "DATE"); NULL for a flag */
    const char *help;  /* one line */
} bm_option_t;

struct bm_command;

typedef struct bm_options {
    const struct bm_command *command;
    const char *config;   /* -c, else $BTSMARK_CONFIG, else BM_CONFIG_DEFAULT */
    const char *argument; /* the command's one argument; NULL = not given */
    bool json, events, quiet;
    const char *own
        [BM_OPTIONS_OWN_MAX]; /* in the order of the command's options: the value, "" of a flag; NULL = not given */
} bm_options_t;

typedef struct bm_command {
    const char *name;
    const char *summary; /* one line for --help */
    const char *help;    /* the page of `btsmark NAME --help`, without the options */
    unsigned takes;
    int (*run) (const bm_options_t *options);
    const bm_option_t *options; /* its own ones, ended by one without a name; NULL = none */
    const char *
        argument; /* what its one argument is: "FILE"; "[SET]" = may be left out; NULL = takes none */
} bm_command_t;

/*  A command's own option by its name; another name than those of its table is a bug. */
bool bm_option_given (const bm_options_t *options, const char *name);
/*  NULL when it was not given. */
const char *bm_option_text (const bm_options_t *options, const char *name);
size_t bm_option_count (const bm_options_t *options, const char *name, size_t otherwise);

extern const bm_command_t bm_command_run, bm_command_full, bm_command_log, bm_command_force_full,
    bm_command_history, bm_command_marks, bm_command_clean, bm_command_retain, bm_command_agents,
    bm_command_check, bm_command_status, bm_command_keygen;

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
