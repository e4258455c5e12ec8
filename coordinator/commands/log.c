/*  coordinator/commands/log.c */
#include "coordinator/commands/command.h"
#include "coordinator/shell/run.h"

static int
s_log (const bm_options_t *options)
{
    return bm_command_job (options, "log", BM_RUN_LOG);
}

const bm_command_t bm_command_log = {
    "log",
    "a mark and the log backups, now",
    "btsmark log: one mark over the whole group and the log backup of every database, now; no full "
    "backup.\n"
    "\n"
    "Example:\n"
    "  btsmark log               a recovery point right before a deployment\n",
    BM_TAKES_JSON | BM_TAKES_EVENTS | BM_TAKES_QUIET,
    s_log,
    NULL,
    NULL};
