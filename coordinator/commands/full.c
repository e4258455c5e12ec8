/*  coordinator/commands/full.c */
#include "coordinator/commands/command.h"
#include "coordinator/shell/run.h"

static int
s_full (const bm_options_t *options)
{
    return bm_command_job (options, "full", BM_RUN_FULL);
}

const bm_command_t bm_command_full = {
    "full",
    "a full backup of every database of the group, now",
    "btsmark full: a full backup of every database now, whether it is due or not, and nothing "
    "else.\n"
    "\n"
    "Logs and marks go on with the next `btsmark run`. To have the next scheduled run take the "
    "full instead,\n"
    "use `btsmark force-full`.\n"
    "\n"
    "Example:\n"
    "  btsmark full              after adding a database to the group\n",
    BM_TAKES_JSON | BM_TAKES_EVENTS | BM_TAKES_QUIET,
    s_full,
    NULL,
    NULL};
