/*  coordinator/commands/force_full.c */
#include "coordinator/commands/command.h"
#include "coordinator/shell/management.h"

static int
s_force_full (const bm_options_t *options)
{
    bm_error_t error = {0};
    bm_management_t *management = NULL;
    bm_settings_t *settings = bm_settings_load (options->config, &error);
    if (settings && bm_sql_init (&error) == BM_OK)
        management = bm_management_open (settings, &error);
    if (management)
        bm_management_force_full (management, &error);
    bm_management_close (&management);
    bm_sql_exit ();
    int code = 0;
    if (!settings || error.status != BM_OK)
        code = bm_command_fail (options, "force-full", &error);
    else if (options->json)
        bm_command_print_json (json_pack ("{s:b, s:n, s:i}", "force_full", 1, "error", "exit", 0));
    else
        printf ("The next `btsmark run` of group %s takes a full backup of every database.\n",
                settings->group);
    bm_settings_destroy (&settings);
    return code;
}

const bm_command_t bm_command_force_full = {
    "force-full",
    "have the next run take a full backup",
    "btsmark force-full: sets ForceFull in adm_BackupSettings (BizTalk's sp_ForceFullBackup), so "
    "that the\n"
    "next `btsmark run` takes a full backup of every database, whatever the schedule says.\n"
    "\n"
    "Example:\n"
    "  btsmark force-full        after adding a database to adm_OtherBackupDatabases\n",
    BM_TAKES_JSON,
    s_force_full,
    NULL,
    NULL};
