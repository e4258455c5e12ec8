/*  coordinator/commands/run.c */
#include "coordinator/commands/command.h"
#include "coordinator/shell/run.h"

static int
s_run (const bm_options_t *options)
{
    return bm_command_job (options, "run", BM_RUN_JOB);
}

const bm_command_t bm_command_run = {
    "run",
    "the job: a full backup if it is due, a mark, log backups, retention",
    "btsmark run: what the scheduler triggers, for example every 15 minutes.\n"
    "\n"
    "Takes BizTalk's backup lock and does the four steps of the \"Backup BizTalk Server\" job over "
    "all SQL\n"
    "hosts of the group at once: (1) the compression setting, (2) a full backup of every database "
    "if it is\n"
    "due, (3) one mark over the whole group, then the log backup of every database, whatever "
    "became of the\n"
    "mark, (4) retention: what no kept mark, set or chain needs any more is deleted (see `btsmark "
    "clean`).\n"
    "First it settles what earlier runs left open.\n"
    "\n"
    "Examples:\n"
    "  btsmark run                                  a report for people, progress on stderr\n"
    "  btsmark run --json --quiet > result.json     for a program\n"
    "  */15 * * * *  btsmark  btsmark run -q        a line for cron.d\n"
    "\n"
    "Exit codes: 0 done (or another run is already taking these backups); 10 configuration; 11 "
    "another\n"
    "backup holds the lock; 12 a key is refused; 13 an agent or SQL Server cannot be reached; 14 "
    "management\n"
    "database; 20 the set is incomplete; 21 no mark; 22 the mark is doubtful and the policy says "
    "fail;\n"
    "23 a database lacks the mark; 24 in doubt. When several hold, the most severe. After any of "
    "them the\n"
    "next run goes on by itself.\n",
    BM_TAKES_JSON | BM_TAKES_EVENTS | BM_TAKES_QUIET,
    s_run,
    NULL,
    NULL};
