#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "coordinator/shell/history.h"
#include "coordinator/shell/management.h"
#include "tests/unit/coordinator/scripted_sql.h"

#define KEY "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"

typedef struct {
    scripted_t *sql;
    bm_settings_t *settings;
    char file[64];
} place_t;

static int
setup (void **state)
{
    place_t *place = calloc (1, sizeof *place);
    *state = place;
    place->sql = scripted_new ();
    snprintf (place->file, sizeof place->file, "/tmp/bm-management-XXXXXX");
    int fd = mkstemp (place->file);
    if (fd < 0 || write (fd, "secret\n", 7) != 7 || fchmod (fd, 0600) != 0)
        return -1;
    close (fd);
    char text[1024];
    snprintf (text, sizeof text,
              "[group]\nname = G\nmanagement-server = %s\nencrypt = off\nlogin = "
              "btsmark\npassword-file = %s\n"
              "[coordinator]\nkey-file = key\n[agent A]\naddress = tcp://a:1\nserver-key = %s\n",
              sh_server_address (place->sql->server), place->file, KEY);
    bm_error_t error = {0};
    place->settings = bm_settings_parse ("test.ini", text, &error);
    return place->settings ? 0 : -1;
}

static int
teardown (void **state)
{
    place_t *place = *state;
    bm_settings_destroy (&place->settings);
    bool stopped = scripted_free (place->sql);
    unlink (place->file);
    free (place);
    return stopped ? 0 : -1;
}

/*  Last in the script: what every management database has. */
static bm_management_t *
opened (place_t *place)
{
    scripted_add (place->sql, (scripted_line_t){.match = "AS adm_BackupHistory",
                                                .columns = "adm_BackupHistory,adm_BackupSetId,"
                                                           "sp_GetBackupDatabasesForServer,"
                                                           "sp_GetNextBackupSetId",
                                                .rows = "1|2|3|4"});
    bm_error_t error = {0};
    bm_management_t *management = bm_management_open (place->settings, &error);
    if (!management)
        fail_msg ("%s", error.text);
    return management;
}

static void
assert_has (const char *text, const char *part)
{
    if (!strstr (text, part))
        fail_msg ("\"%s\" does not say \"%s\"", text, part);
}

/* ---- opening ---- */

static void
a_database_without_biztalks_tables_is_refused_by_name (void **state)
{
    place_t *place = *state;
    scripted_add (place->sql, (scripted_line_t){.match = "AS adm_BackupHistory",
                                                .columns = "adm_BackupHistory,adm_BackupSetId,"
                                                           "sp_GetBackupDatabasesForServer,"
                                                           "sp_GetNextBackupSetId",
                                                .rows = "1|2|~|4"});
    bm_error_t error = {0};
    assert_null (bm_management_open (place->settings, &error));
    assert_int_equal (error.status, BM_MANAGEMENT);
    assert_has (error.text, "sp_GetBackupDatabasesForServer");
    assert_has (error.remedy, "management-database");
}

static void
a_wrong_database_name_names_the_key_to_correct (void **state)
{
    place_t *place = *state;
    place->sql->refuse = "Cannot open database \"BizTalkMgmtDb\" requested by the login.";
    bm_error_t error = {0};
    assert_null (bm_management_open (place->settings, &error));
    assert_int_equal (error.status, BM_SQL_LOGIN);
    assert_has (error.text, "4060");
    assert_has (error.remedy, "management-database");
    assert_has (error.remedy, "BTS_BACKUP_USERS");
}

static void
a_missing_grant_names_the_login_and_the_role (void **state)
{
    place_t *place = *state;
    scripted_add (place->sql,
                  (scripted_line_t){.match = "sp_GetBackupDatabasesForServer",
                                    .number = 229,
                                    .text = "The EXECUTE permission was denied on the object "
                                            "'sp_GetBackupDatabasesForServer'"});
    /*  The look at the objects asks for the same name: it must find them. */
    scripted_times (place->sql, 0, -1);
    bm_management_t *management = opened (place);
    scripted_times (place->sql, 0, 0);
    bm_group_rows_t rows;
    bm_error_t error = {0};
    assert_int_equal (bm_management_discover (management, &rows, &error), BM_MANAGEMENT);
    assert_has (error.text, "229");
    assert_has (error.remedy, "login btsmark");
    assert_has (error.remedy, "BTS_BACKUP_USERS");
    bm_management_close (&management);
}

static void
a_missing_procedure_says_what_to_run (void **state)
{
    place_t *place = *state;
    scripted_add (place->sql, (scripted_line_t){.match = "sp_SetBackupCompression",
                                                .number = 2812,
                                                .text = "Could not find stored procedure"});
    bm_management_t *management = opened (place);
    bm_error_t error = {0};
    assert_int_equal (bm_management_set_compression (management, true, &error), BM_MANAGEMENT);
    assert_has (error.text, "2812");
    assert_has (error.remedy, "setup scripts");
    bm_management_close (&management);
}

static void
a_lost_session_is_opened_again_and_the_statement_repeated (void **state)
{
    place_t *place = *state;
    scripted_add (place->sql,
                  (scripted_line_t){.match = "sp_ForceFullBackup", .drop = 1, .times = 1});
    bm_management_t *management = opened (place);
    bm_error_t error = {0};
    assert_int_equal (bm_management_force_full (management, &error), BM_OK);
    assert_int_equal (scripted_asked (place->sql, "sp_ForceFullBackup"), 2);
    assert_int_equal (scripted_opened (place->sql), 2);
    bm_management_close (&management);
}

static void
a_session_that_is_lost_again_is_an_error (void **state)
{
    place_t *place = *state;
    scripted_add (place->sql, (scripted_line_t){.match = "sp_ForceFullBackup", .drop = 1});
    bm_management_t *management = opened (place);
    bm_error_t error = {0};
    assert_int_equal (bm_management_force_full (management, &error), BM_SQL_LOST);
    assert_int_equal (scripted_asked (place->sql, "sp_ForceFullBackup"), 2);
    bm_management_close (&management);
}

/* ---- the lock ---- */

static bool
count_and_go_on (void *argument)
{
    ++*(int *)argument;
    return true;
}

static bool
stop_now (void *argument)
{
    (void)argument;
    return false;
}

static void
a_busy_lock_names_its_holder (void **state)
{
    place_t *place = *state;
    scripted_add (place->sql,
                  (scripted_line_t){.match = "sp_getapplock", .columns = "answer", .rows = "-1"});
    scripted_add (place->sql,
                  (scripted_line_t){
                      .match = "dm_tran_locks",
                      .columns = "session_id,program_name,host_name,login_name,login_time",
                      .rows = "77|SQLAgent - TSQL JobStep|SQL01|agent|2026-11-21 02:15:00.000"});
    bm_management_t *management = opened (place);
    bm_error_t error = {0};
    assert_int_equal (bm_management_lock (management, 0, NULL, NULL, &error), BM_LOCK_BUSY);
    assert_has (error.text, "session 77");
    assert_has (error.text, "SQLAgent - TSQL JobStep");
    assert_has (error.text, "SQL01");
    assert_has (error.remedy, "nothing was touched");
    assert_int_equal (scripted_asked (place->sql, "sp_getapplock"), 1);
    assert_int_equal (scripted_asked (place->sql, "@LockTimeout = 0;"), 1);
    assert_int_equal (bm_management_probe (management, &error), BM_LOCK_LOST);
    bm_management_close (&management);
}

static void
a_lock_that_becomes_free_is_taken_and_the_wait_can_be_stopped (void **state)
{
    place_t *place = *state;
    scripted_add (
        place->sql,
        (scripted_line_t){.match = "sp_getapplock", .columns = "answer", .rows = "-1", .times = 2});
    scripted_add (place->sql,
                  (scripted_line_t){.match = "sp_getapplock", .columns = "answer", .rows = "1"});
    scripted_add (place->sql, (scripted_line_t){
                                  .match = "APPLOCK_MODE", .columns = "mode", .rows = "Exclusive"});
    bm_management_t *management = opened (place);
    bm_error_t error = {0};
    int waited = 0;
    assert_int_equal (bm_management_lock (management, 60000, count_and_go_on, &waited, &error),
                      BM_OK);
    assert_int_equal (waited, 2);
    assert_int_equal (bm_management_probe (management, &error), BM_OK);
    scripted_times (place->sql, 0, 1);
    assert_int_equal (bm_management_lock (management, 60000, stop_now, NULL, &error), BM_STOPPED);
    bm_management_close (&management);
}

static void
a_lock_that_is_gone_is_noticed (void **state)
{
    place_t *place = *state;
    scripted_add (place->sql,
                  (scripted_line_t){.match = "sp_getapplock", .columns = "answer", .rows = "0"});
    scripted_add (place->sql,
                  (scripted_line_t){
                      .match = "APPLOCK_MODE", .columns = "mode", .rows = "NoLock", .times = 1});
    scripted_add (place->sql, (scripted_line_t){.match = "APPLOCK_MODE", .drop = 1, .times = 1});
    bm_management_t *management = opened (place);
    bm_error_t error = {0};
    assert_int_equal (bm_management_lock (management, 0, NULL, NULL, &error), BM_OK);
    assert_int_equal (bm_management_probe (management, &error), BM_LOCK_LOST);
    assert_has (error.text, "NoLock");
    assert_int_equal (bm_management_probe (management, &error), BM_LOCK_LOST);
    assert_int_equal (bm_management_lock (management, 0, NULL, NULL, &error), BM_OK);
    bm_management_unlock (management);
    bm_management_unlock (management);
    assert_int_equal (bm_management_probe (management, &error), BM_LOCK_LOST);
    bm_management_close (&management);
}

static void
a_lock_that_cannot_be_had_at_all_is_not_called_busy (void **state)
{
    place_t *place = *state;
    scripted_add (place->sql,
                  (scripted_line_t){.match = "sp_getapplock", .columns = "answer", .rows = "-999"});
    bm_management_t *management = opened (place);
    bm_error_t error = {0};
    assert_int_equal (bm_management_lock (management, 5000, NULL, NULL, &error), BM_MANAGEMENT);
    assert_has (error.text, "-999");
    bm_management_close (&management);
}

/* ---- discovery ---- */

static void
the_groups_rows_are_read_and_the_sso_database_is_known (void **state)
{
    place_t *place = *state;
    scripted_add (place->sql, (scripted_line_t){.match = "AS adm_BackupHistory",
                                                .columns = "adm_BackupHistory,adm_BackupSetId,"
                                                           "sp_GetBackupDatabasesForServer,"
                                                           "sp_GetNextBackupSetId",
                                                .rows = "1|2|3|4"});
    scripted_add (place->sql, (scripted_line_t){.match = "sp_GetBackupDatabasesForServer",
                                                .columns = "ServerName,DatabaseName",
                                                .rows = "SQL01|BizTalkMgmtDb;SQL01|SSO"});
    scripted_add (place->sql,
                  (scripted_line_t){.match = "@database=SSO", .columns = "is_sso", .rows = "1"});
    scripted_add (place->sql,
                  (scripted_line_t){.match = "sp_IsSSODB", .columns = "is_sso", .rows = "0"});
    bm_management_t *management = opened (place);
    bm_group_rows_t rows;
    bm_error_t error = {0};
    if (bm_management_discover (management, &rows, &error))
        fail_msg ("%s", error.text);
    assert_int_equal (rows.count, 2);
    assert_string_equal (rows.items[0].server, "SQL01");
    assert_false (rows.items[0].is_sso);
    assert_true (rows.items[1].is_sso);
    bm_group_rows_clear (&rows);
    bm_management_close (&management);
}

static void
assert_discovery_fails (place_t *place, const char *rows, const char *says)
{
    scripted_add (place->sql, (scripted_line_t){.match = "AS adm_BackupHistory",
                                                .columns = "adm_BackupHistory,adm_BackupSetId,"
                                                           "sp_GetBackupDatabasesForServer,"
                                                           "sp_GetNextBackupSetId",
                                                .rows = "1|2|3|4"});
    scripted_add (place->sql, (scripted_line_t){.match = "sp_GetBackupDatabasesForServer",
                                                .columns = "ServerName,DatabaseName",
                                                .rows = rows});
    bm_management_t *management = opened (place);
    bm_group_rows_t found;
    bm_error_t error = {0};
    assert_int_equal (bm_management_discover (management, &found, &error), BM_MANAGEMENT);
    assert_has (error.text, says);
    assert_int_equal (found.count, 0);
    bm_management_close (&management);
}

static void
a_group_without_databases_is_an_error (void **state)
{
    assert_discovery_fails (*state, NULL, "names no database");
}

static void
a_row_with_half_a_name_is_an_error_that_names_the_other_half (void **state)
{
    assert_discovery_fails (*state, "SQL01|BizTalkMgmtDb;SQL07|~", "SQL07");
}

static void
without_the_function_the_sso_database_is_known_by_its_name (void **state)
{
    place_t *place = *state;
    scripted_add (place->sql, (scripted_line_t){.match = "AS adm_BackupHistory",
                                                .columns = "adm_BackupHistory,adm_BackupSetId,"
                                                           "sp_GetBackupDatabasesForServer,"
                                                           "sp_GetNextBackupSetId",
                                                .rows = "1|2|3|4"});
    scripted_add (place->sql, (scripted_line_t){.match = "sp_GetBackupDatabasesForServer",
                                                .columns = "ServerName,DatabaseName",
                                                .rows = "SQL01|SSODB;SQL01|Other"});
    scripted_add (place->sql, (scripted_line_t){.match = "sp_IsSSODB",
                                                .number = 4121,
                                                .text = "Cannot find either column \"dbo\""});
    bm_management_t *management = opened (place);
    bm_group_rows_t rows;
    bm_error_t error = {0};
    assert_int_equal (bm_management_discover (management, &rows, &error), BM_OK);
    assert_true (rows.items[0].is_sso);
    assert_false (rows.items[1].is_sso);
    bm_group_rows_clear (&rows);
    bm_management_close (&management);
}

/* ---- settings and set ids ---- */

static void
an_older_version_keeps_force_full_in_a_table_of_its_own (void **state)
{
    place_t *place = *state;
    scripted_add (place->sql, (scripted_line_t){.match = "OBJECT_ID (N'dbo.adm_BackupSettings')",
                                                .columns = "present,older,older_column",
                                                .rows = "~|7|1"});
    scripted_add (place->sql, (scripted_line_t){.match = "FROM dbo.adm_ForceFullBackup",
                                                .columns = "use_compression,force_full",
                                                .rows = "0|1"});
    bm_management_t *management = opened (place);
    bm_backup_settings_t settings;
    bm_error_t error = {0};
    assert_int_equal (bm_management_settings (management, &settings, &error), BM_OK);
    assert_true (settings.force_full);
    assert_false (settings.use_compression);
    assert_int_equal (bm_management_full_done (management, &error), BM_OK);
    assert_int_equal (scripted_asked (place->sql, "UPDATE dbo.adm_ForceFullBackup"), 1);
    assert_int_equal (scripted_asked (place->sql, "UPDATE dbo.adm_BackupSettings"), 0);
    bm_management_close (&management);
}

static void
a_force_full_table_of_unknown_columns_is_told_and_never_touched (void **state)
{
    place_t *place = *state;
    scripted_add (place->sql, (scripted_line_t){.match = "OBJECT_ID (N'dbo.adm_BackupSettings')",
                                                .columns = "present,older,older_column",
                                                .rows = "~|7|~"});
    bm_management_t *management = opened (place);
    bm_backup_settings_t settings;
    bm_error_t error = {0};
    assert_int_equal (bm_management_settings (management, &settings, &error), BM_OK);
    assert_true (settings.force_full_unreadable);
    assert_false (settings.force_full || settings.has_compression);
    assert_int_equal (scripted_asked (place->sql, "FROM dbo.adm_ForceFullBackup"), 0);
    bm_management_close (&management);
}

static void
a_group_with_neither_table_has_no_settings_and_that_is_no_error (void **state)
{
    place_t *place = *state;
    scripted_add (place->sql, (scripted_line_t){.match = "OBJECT_ID (N'dbo.adm_BackupSettings')",
                                                .columns = "present,older,older_column",
                                                .rows = "~|~|~"});
    bm_management_t *management = opened (place);
    bm_backup_settings_t settings;
    bm_error_t error = {0};
    assert_int_equal (bm_management_settings (management, &settings, &error), BM_OK);
    assert_false (settings.force_full_unreadable || settings.force_full ||
                  settings.has_compression);
    bm_management_close (&management);
}

/*  sp_GetNextBackupSetId answers first, then second; the history's greatest id is `greatest`. */
static bm_status_t
next_set (place_t *place, int first, int second, const char *greatest, int64_t above, int64_t *id,
          bool *raised, bm_error_t *error)
{
    scripted_add (place->sql, (scripted_line_t){.match = "AS adm_BackupHistory",
                                                .columns = "adm_BackupHistory,adm_BackupSetId,"
                                                           "sp_GetBackupDatabasesForServer,"
                                                           "sp_GetNextBackupSetId",
                                                .rows = "1|2|3|4"});
    scripted_add (place->sql, (scripted_line_t){.match = "sp_GetNextBackupSetId",
                                                .has_return = 1,
                                                .value = first,
                                                .times = 1});
    scripted_add (
        place->sql,
        (scripted_line_t){.match = "sp_GetNextBackupSetId", .has_return = 1, .value = second});
    scripted_add (place->sql, (scripted_line_t){
                                  .match = "AS greatest", .columns = "greatest", .rows = greatest});
    bm_management_t *management = opened (place);
    bm_status_t status = bm_management_next_set (management, above, id, raised, error);
    bm_management_close (&management);
    return status;
}

static void
a_set_id_above_all_known_ones_is_taken_as_it_is (void **state)
{
    place_t *place = *state;
    int64_t id;
    bool raised;
    bm_error_t error = {0};
    assert_int_equal (next_set (place, 12, 13, "11", 11, &id, &raised, &error), BM_OK);
    assert_int_equal (id, 12);
    assert_false (raised);
    assert_int_equal (scripted_asked (place->sql, "UPDATE dbo.adm_BackupSetId"), 0);
}

static void
a_restored_counter_is_set_above_every_known_id (void **state)
{
    place_t *place = *state;
    int64_t id;
    bool raised;
    bm_error_t error = {0};
    assert_int_equal (next_set (place, 12, 41, "11", 40, &id, &raised, &error), BM_OK);
    assert_int_equal (id, 41);
    assert_true (raised);
    assert_int_equal (scripted_asked (place->sql, "UPDATE dbo.adm_BackupSetId"), 1);
    assert_int_equal (scripted_asked (place->sql, "@next=41"), 1);
}

static void
a_counter_that_cannot_be_mended_says_how_it_must_look (void **state)
{
    place_t *place = *state;
    int64_t id;
    bool raised;
    bm_error_t error = {0};
    assert_int_equal (next_set (place, -1, -1, "~", 0, &id, &raised, &error), BM_MANAGEMENT);
    assert_has (error.text, "-1");
    assert_has (error.remedy, "exactly one row");
}

/* ---- history ---- */

static void
a_backup_is_recorded_with_its_folder_and_name (void **state)
{
    place_t *place = *state;
    scripted_add (place->sql, (scripted_line_t){.match = "INSERT INTO dbo.adm_BackupHistory",
                                                .columns = "BackupFileName,BackupFileLocation",
                                                .rows = "x.bak|\\\\SQL01\\Backup",
                                                .times = 1});
    scripted_add (place->sql, (scripted_line_t){.match = "INSERT INTO dbo.adm_BackupHistory",
                                                .columns = "BackupFileName,BackupFileLocation",
                                                .rows = "y.bak|\\\\SQL01\\Backup",
                                                .times = 1});
    scripted_add (place->sql, (scripted_line_t){.match = "INSERT INTO dbo.adm_BackupHistory",
                                                .columns = "BackupFileName,BackupFileLocation"});
    bm_management_t *management = opened (place);
    bm_history_entry_t entry = {.set_id = 7,
                                .type = BM_SET_LOG,
                                .server = "SQL01",
                                .database = "Db",
                                .device = "\\\\SQL01\\Backup\\x.bak",
                                .time = "2026-11-21 02:15:00.000"};
    bm_error_t error = {0};
    assert_int_equal (bm_history_insert (management, &entry, &error), BM_OK);
    assert_int_equal (scripted_asked (place->sql, "@file=x.bak"), 1);
    assert_int_equal (scripted_asked (place->sql, "@location=\\\\SQL01\\Backup"), 1);
    assert_int_equal (scripted_asked (place->sql, "@mark=NULL"), 1);
    assert_int_equal (scripted_asked (place->sql, "@type=lg"), 1);
    /*  Another file stands there: this one has no row. */
    assert_int_equal (bm_history_insert (management, &entry, &error), BM_MANAGEMENT);
    assert_has (error.text, "y.bak");
    /*  Nothing stands there. */
    assert_int_equal (bm_history_insert (management, &entry, &error), BM_MANAGEMENT);
    bm_management_close (&management);
}

static void
a_set_is_complete_only_with_exactly_its_databases (void **state)
{
    place_t *place = *state;
    scripted_add (place->sql, (scripted_line_t){.match = "SET SetComplete = 1",
                                                .columns = "completed",
                                                .rows = "8",
                                                .times = 1});
    scripted_add (
        place->sql,
        (scripted_line_t){.match = "SET SetComplete = 1", .columns = "completed", .rows = "0"});
    bm_management_t *management = opened (place);
    bm_error_t error = {0};
    bool complete = false;
    assert_int_equal (bm_history_complete (management, 7, 8, &complete, &error), BM_OK);
    assert_true (complete);
    assert_int_equal (bm_history_complete (management, 7, 8, &complete, &error), BM_OK);
    assert_false (complete);
    assert_int_equal (bm_history_complete (management, 7, 0, &complete, &error), BM_OK);
    assert_false (complete);
    bm_management_close (&management);
}

static void
a_text_that_does_not_fit_its_column_is_not_sent (void **state)
{
    place_t *place = *state;
    bm_management_t *management = opened (place);
    bm_error_t error = {0};
    char device[600];
    for (int more = 0; more < 2; more++) {
        snprintf (device, sizeof device, "/b/%0*d", 500 + more, 0);
        bm_history_entry_t entry = {.set_id = 7,
                                    .type = BM_SET_LOG,
                                    .server = "S",
                                    .database = "D",
                                    .device = device,
                                    .time = "2026-11-21 02:15:00.000"};
        bm_status_t status = bm_history_insert (management, &entry, &error);
        assert_int_equal (status, more ? BM_LIMIT : BM_MANAGEMENT); /* the script gives no row */
        assert_int_equal (scripted_asked (place->sql, "INSERT INTO"), 1);
    }
    bm_management_close (&management);
}

static void
local_time_is_asked_for_only_when_it_is_meant (void **state)
{
    place_t *place = *state;
    scripted_add (
        place->sql,
        (scripted_line_t){.match = "FROM sys.parameters", .columns = "parameters", .rows = "1"});
    bm_management_t *management = opened (place);
    bm_error_t error = {0};
    assert_int_equal (bm_history_clear (management, 0, true, &error), BM_OK);
    assert_int_equal (scripted_asked (place->sql, "sp_DeleteBackupHistory"), 0);
    assert_int_equal (bm_history_clear (management, 14, false, &error), BM_OK);
    assert_int_equal (scripted_asked (place->sql, "UseLocalTime"), 0);
    assert_int_equal (bm_history_clear (management, 14, true, &error), BM_OK);
    assert_int_equal (scripted_asked (place->sql, "@UseLocalTime=1"), 1);
    assert_int_equal (scripted_asked (place->sql, "@DaysToKeep=14"), 2);
    bm_management_close (&management);
}

static void
an_older_procedure_clears_the_history_without_the_parameter_it_does_not_know (void **state)
{
    place_t *place = *state;
    scripted_add (
        place->sql,
        (scripted_line_t){.match = "FROM sys.parameters", .columns = "parameters", .rows = "0"});
    bm_management_t *management = opened (place);
    bm_error_t error = {0};
    assert_int_equal (bm_history_clear (management, 14, true, &error), BM_OK);
    assert_int_equal (scripted_asked (place->sql, "@DaysToKeep=14"), 1);
    assert_int_equal (scripted_asked (place->sql, "@UseLocalTime=1"), 0);
    bm_management_close (&management);
}

#define T(name) cmocka_unit_test_setup_teardown (name, setup, teardown)

int
main (void)
{
    if (bm_sql_init (NULL))
        return 1;
    const struct CMUnitTest tests[] = {
        T (a_database_without_biztalks_tables_is_refused_by_name),
        T (a_wrong_database_name_names_the_key_to_correct),
        T (a_missing_grant_names_the_login_and_the_role),
        T (a_missing_procedure_says_what_to_run),
        T (a_lost_session_is_opened_again_and_the_statement_repeated),
        T (a_session_that_is_lost_again_is_an_error),
        T (a_busy_lock_names_its_holder),
        T (a_lock_that_becomes_free_is_taken_and_the_wait_can_be_stopped),
        T (a_lock_that_is_gone_is_noticed),
        T (a_lock_that_cannot_be_had_at_all_is_not_called_busy),
        T (the_groups_rows_are_read_and_the_sso_database_is_known),
        T (a_group_without_databases_is_an_error),
        T (a_row_with_half_a_name_is_an_error_that_names_the_other_half),
        T (without_the_function_the_sso_database_is_known_by_its_name),
        T (an_older_version_keeps_force_full_in_a_table_of_its_own),
        T (a_force_full_table_of_unknown_columns_is_told_and_never_touched),
        T (a_group_with_neither_table_has_no_settings_and_that_is_no_error),
        T (an_older_procedure_clears_the_history_without_the_parameter_it_does_not_know),
        T (a_set_id_above_all_known_ones_is_taken_as_it_is),
        T (a_restored_counter_is_set_above_every_known_id),
        T (a_counter_that_cannot_be_mended_says_how_it_must_look),
        T (a_backup_is_recorded_with_its_folder_and_name),
        T (a_set_is_complete_only_with_exactly_its_databases),
        T (a_text_that_does_not_fit_its_column_is_not_sent),
        T (local_time_is_asked_for_only_when_it_is_meant),
    };
    int failed = cmocka_run_group_tests (tests, NULL, NULL);
    bm_sql_exit ();
    return failed;
}
