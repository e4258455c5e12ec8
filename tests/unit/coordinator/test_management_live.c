/*  The management database's real T-SQL, on a stand-in: what the scripted tests cannot know. Skipped without a stand-in. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "coordinator/shell/history.h"
#include "coordinator/shell/management.h"
#include "tests/unit/coordinator/live_sql.h"

#define KEY "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define AT  "2026-11-21 02:15:01.327"

static live_t s_live;
static int s_started;
static bm_settings_t *s_settings;

static bm_settings_t *
settings_for (const char *database)
{
    char text[1024];
    snprintf (text, sizeof text,
              "[group]\nname = G\nmanagement-server = %s\nencrypt = off\nmanagement-database = "
              "%s\nlogin = sa\n"
              "password-file = %s\n[coordinator]\nkey-file = key\n[agent A]\naddress = tcp://a:1\n"
              "server-key = %s\n",
              s_live.address, database, s_live.password_file, KEY);
    bm_error_t error = {0};
    bm_settings_t *settings = bm_settings_parse ("live.ini", text, &error);
    if (!settings)
        fail_msg ("%s", error.text);
    return settings;
}

static int
start (void **state)
{
    (void)state;
    s_started = live_start (&s_live);
    if (s_started == 0)
        s_settings = settings_for ("BizTalkMgmtDb");
    return s_started < 0 ? -1 : 0;
}

static int
stop (void **state)
{
    (void)state;
    bm_settings_destroy (&s_settings);
    live_stop (&s_live);
    return 0;
}

static void
exec (const char *batch)
{
    bm_sql_t *sql = live_sql (&s_live, "BizTalkMgmtDb");
    bm_error_t error = {0};
    assert_non_null (sql);
    if (bm_sql_exec (sql, batch, NULL, &error))
        fail_msg ("%s: %s", batch, error.text);
    bm_sql_close (&sql);
}

/*  Each test begins with an empty history and a counter of 1. */
static int
setup (void **state)
{
    if (s_started != 0)
        return 0;
    exec ("DELETE FROM dbo.adm_BackupHistory");
    exec ("UPDATE dbo.adm_BackupSetId SET NextBackupSetId = 1");
    exec ("UPDATE dbo.adm_BackupSettings SET UseCompression = 0, ForceFull = 0");
    bm_error_t error = {0};
    bm_management_t *management = bm_management_open (s_settings, &error);
    if (!management)
        print_error ("%s\n", error.text);
    *state = management;
    return management ? 0 : -1;
}

static int
teardown (void **state)
{
    bm_management_t *management = *state;
    bm_management_close (&management);
    return 0;
}

#define LIVE(state)                                                                                \
    if (s_started != 0)                                                                            \
        skip ();                                                                                   \
    bm_management_t *management = *(state);                                                        \
    bm_error_t error = {0}

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != BM_OK)                                                                       \
            fail_msg ("%s", error.text);                                                           \
    } while (0)

static void
the_group_is_discovered_with_its_sso_database (void **state)
{
    LIVE (state);
    exec ("DELETE FROM dbo.adm_Group; DELETE FROM dbo.adm_OtherBackupDatabases");
    exec ("INSERT INTO dbo.adm_Group (Name, TrackingDBServerName, TrackingDBName) VALUES (N'G', "
          "N'SQL02', "
          "N'BizTalkDTADb')");
    exec ("INSERT INTO dbo.adm_OtherBackupDatabases (DefaultDatabaseName, DatabaseName, "
          "ServerName, BTSServerName) "
          "VALUES (N'SSO', N'SSO', N'SQL01', N'SQL01')");
    bm_group_rows_t rows;
    OK (bm_management_discover (management, &rows, &error));
    assert_int_equal (rows.count, 3);
    size_t sso = 0, own = 0, tracking = 0;
    for (size_t i = 0; i < rows.count; i++) {
        own += strcmp (rows.items[i].database, "BizTalkMgmtDb") == 0 &&
               strcmp (rows.items[i].server, "SQL01") == 0 && !rows.items[i].is_sso;
        tracking += strcmp (rows.items[i].server, "SQL02") == 0 && !rows.items[i].is_sso;
        sso += strcmp (rows.items[i].database, "SSO") == 0 && rows.items[i].is_sso;
    }
    assert_int_equal (own, 1);
    assert_int_equal (tracking, 1);
    assert_int_equal (sso, 1);
    bm_group_rows_clear (&rows);
}

static void
settings_are_written_by_biztalks_own_procedures (void **state)
{
    LIVE (state);
    bm_backup_settings_t settings;
    OK (bm_management_settings (management, &settings, &error));
    assert_false (settings.use_compression || settings.force_full);
    OK (bm_management_set_compression (management, true, &error));
    OK (bm_management_force_full (management, &error));
    OK (bm_management_settings (management, &settings, &error));
    assert_true (settings.use_compression && settings.force_full);
    OK (bm_management_full_done (management, &error));
    OK (bm_management_settings (management, &settings, &error));
    assert_true (settings.use_compression);
    assert_false (settings.force_full);
}

static void
one_session_holds_the_lock_and_the_other_is_told_who (void **state)
{
    LIVE (state);
    bm_management_t *other = bm_management_open (s_settings, &error);
    assert_non_null (other);
    OK (bm_management_lock (management, 0, NULL, NULL, &error));
    OK (bm_management_probe (management, &error));
    assert_int_equal (bm_management_lock (other, 0, NULL, NULL, &error), BM_LOCK_BUSY);
    if (!strstr (error.text, "btsmark lock"))
        fail_msg ("%s", error.text);
    assert_int_equal (bm_management_probe (other, &error), BM_LOCK_LOST);
    bm_management_unlock (management);
    OK (bm_management_lock (other, 5000, NULL, NULL, &error));
    assert_int_equal (bm_management_lock (management, 0, NULL, NULL, &error), BM_LOCK_BUSY);
    bm_management_close (&other);
    OK (bm_management_lock (management, 5000, NULL, NULL, &error));
}

static void
a_killed_lock_session_is_noticed_and_the_lock_can_be_had_again (void **state)
{
    LIVE (state);
    OK (bm_management_lock (management, 0, NULL, NULL, &error));
    exec ("DECLARE @kill nvarchar(40); SELECT @kill = N'KILL ' + CAST (session_id AS nvarchar(10)) "
          "FROM "
          "sys.dm_exec_sessions WHERE program_name = N'btsmark lock'; EXEC (@kill)");
    assert_int_equal (bm_management_probe (management, &error), BM_LOCK_LOST);
    OK (bm_management_lock (management, 5000, NULL, NULL, &error));
    OK (bm_management_probe (management, &error));
}

static void
a_killed_statement_session_is_opened_again (void **state)
{
    LIVE (state);
    exec ("DECLARE @kill nvarchar(40); SELECT @kill = N'KILL ' + CAST (session_id AS nvarchar(10)) "
          "FROM "
          "sys.dm_exec_sessions WHERE program_name = N'btsmark'; EXEC (@kill)");
    OK (bm_management_force_full (management, &error));
}

static void
set_ids_grow_and_jump_over_the_ones_that_are_known (void **state)
{
    LIVE (state);
    int64_t id;
    bool raised;
    OK (bm_management_next_set (management, 0, &id, &raised, &error));
    assert_int_equal (id, 1);
    OK (bm_management_next_set (management, 1, &id, &raised, &error));
    assert_int_equal (id, 2);
    assert_false (raised);
    OK (bm_management_next_set (management, 40, &id, &raised, &error));
    assert_int_equal (id, 41);
    assert_true (raised);
    OK (bm_management_next_set (management, 41, &id, &raised, &error));
    assert_int_equal (id, 42);
    assert_false (raised);
}

static bm_history_entry_t
entry_of (int64_t set_id, const char *database, bm_set_type_t type, const char *device)
{
    return (bm_history_entry_t){.set_id = set_id,
                                .type = type,
                                .mark = type == BM_SET_LOG ? "BTS_2026_11_21_02_15_01_327" : NULL,
                                .server = "SQL01",
                                .database = database,
                                .device = device,
                                .time = AT};
}

static void
a_set_id_that_is_in_the_history_is_never_given_again (void **state)
{
    LIVE (state);
    bm_history_entry_t entry = entry_of (3, "A", BM_SET_FULL, "/b/a.bak");
    OK (bm_history_insert (management, &entry, &error));
    /*  The counter will walk into BizTalk's trigger: "Value cannot exist in adm_BackupHistory". */
    int64_t id;
    bool raised;
    OK (bm_management_next_set (management, 0, &id, &raised, &error));
    assert_true (id > 3);
}

static void
a_row_is_written_once_however_often_it_is_sent (void **state)
{
    LIVE (state);
    bm_history_entry_t entry =
        entry_of (7, "\xc3\x84 ' ]b", BM_SET_LOG, "\\\\SQL01\\Backup\\x.bak");
    OK (bm_history_insert (management, &entry, &error));
    OK (bm_history_insert (management, &entry, &error));
    bm_history_row_t *rows;
    size_t count;
    OK (bm_history_rows (management, 7, &rows, &count, &error));
    assert_int_equal (count, 1);
    assert_string_equal (rows[0].database, entry.database);
    assert_string_equal (rows[0].location, "\\\\SQL01\\Backup");
    assert_string_equal (rows[0].file_name, "x.bak");
    assert_string_equal (rows[0].mark, entry.mark);
    assert_string_equal (rows[0].time, AT);
    assert_int_equal (rows[0].type, BM_SET_LOG);
    assert_false (rows[0].complete);
    bm_history_rows_destroy (&rows, count);
    entry.device = "\\\\SQL01\\Backup\\y.bak";
    assert_int_equal (bm_history_insert (management, &entry, &error), BM_MANAGEMENT);
    assert_non_null (strstr (error.text, "x.bak"));
}

static void
a_set_is_complete_when_its_rows_are_its_databases (void **state)
{
    LIVE (state);
    bm_history_entry_t a = entry_of (7, "A", BM_SET_LOG, "/b/a.bak"),
                       b = entry_of (7, "B", BM_SET_LOG, "/b/b.bak");
    bool complete;
    OK (bm_history_insert (management, &a, &error));
    OK (bm_history_complete (management, 7, 2, &complete, &error));
    assert_false (complete);
    OK (bm_history_insert (management, &b, &error));
    OK (bm_history_complete (management, 7, 1, &complete, &error));
    assert_false (complete);
    OK (bm_history_complete (management, 7, 2, &complete, &error));
    assert_true (complete);
    OK (bm_history_complete (management, 7, 2, &complete, &error));
    assert_true (complete);
    bm_history_set_t *sets;
    size_t count;
    OK (bm_history_sets (management, 10, &sets, &count, &error));
    assert_int_equal (count, 1);
    assert_true (sets[0].complete);
    assert_int_equal (sets[0].rows, 2);
    assert_string_equal (sets[0].mark, a.mark);
    bm_history_sets_destroy (&sets, count);
}

static void
the_summary_tells_the_schedule_what_stands (void **state)
{
    LIVE (state);
    bm_history_summary_t summary;
    OK (bm_history_summary (management, &summary, &error));
    assert_int_equal (summary.newest_full_set, 0);
    assert_null (summary.newest_full_time);
    assert_int_equal (summary.greatest_set, 0);
    bm_history_summary_clear (&summary);
    bool complete;
    bm_history_entry_t rows[] = {
        entry_of (1, "A", BM_SET_FULL, "/b/1.bak"), entry_of (2, "A", BM_SET_LOG, "/b/2.bak"),
        entry_of (3, "A", BM_SET_FULL, "/b/3.bak"), entry_of (4, "A", BM_SET_LOG, "/b/4.bak")};
    rows[2].time = "2026-11-22 02:15:00.000";
    for (size_t i = 0; i < 4; i++)
        OK (bm_history_insert (management, &rows[i], &error));
    OK (bm_history_complete (management, 1, 1, &complete, &error));
    OK (bm_history_complete (management, 4, 1, &complete, &error));
    OK (bm_history_summary (management, &summary, &error));
    assert_int_equal (summary.newest_full_set, 3);
    assert_string_equal (summary.newest_full_time, "2026-11-22 02:15:00.000");
    assert_false (summary.newest_full_complete);
    assert_int_equal (summary.newest_complete_full_set, 1);
    assert_int_equal (summary.newest_partial_set, 3);
    assert_int_equal (summary.greatest_set, 4);
    bm_history_summary_clear (&summary);
}

static void
old_sets_go_when_a_later_full_stands (void **state)
{
    LIVE (state);
    bm_history_entry_t rows[] = {entry_of (1, "A", BM_SET_FULL, "/b/1.bak"),
                                 entry_of (2, "A", BM_SET_FULL, "/b/2.bak")};
    rows[0].time = "2020-01-01 00:00:00.000";
    rows[1].time = "2020-01-02 00:00:00.000";
    for (size_t i = 0; i < 2; i++)
        OK (bm_history_insert (management, &rows[i], &error));
    OK (bm_history_clear (management, 14, false, &error));
    bm_history_set_t *sets;
    size_t count;
    OK (bm_history_sets (management, 10, &sets, &count, &error));
    assert_int_equal (count, 1);
    assert_int_equal (sets[0].set_id, 2);
    bm_history_sets_destroy (&sets, count);
    OK (bm_history_clear (management, 14, true, &error));
}

static void
a_database_that_is_no_management_database_is_told_apart (void **state)
{
    LIVE (state);
    (void)management;
    bm_settings_t *wrong = settings_for ("NoSuchDb");
    assert_null (bm_management_open (wrong, &error));
    assert_int_equal (error.status, BM_SQL_LOGIN);
    assert_non_null (strstr (error.remedy, "management-database"));
    bm_settings_destroy (&wrong);
    wrong = settings_for ("msdb");
    assert_null (bm_management_open (wrong, &error));
    assert_int_equal (error.status, BM_MANAGEMENT);
    assert_non_null (strstr (error.text, "adm_BackupHistory"));
    bm_settings_destroy (&wrong);
}

#define T(name) cmocka_unit_test_setup_teardown (name, setup, teardown)

int
main (void)
{
    if (bm_sql_init (NULL))
        return 1;
    const struct CMUnitTest tests[] = {
        T (the_group_is_discovered_with_its_sso_database),
        T (settings_are_written_by_biztalks_own_procedures),
        T (one_session_holds_the_lock_and_the_other_is_told_who),
        T (a_killed_lock_session_is_noticed_and_the_lock_can_be_had_again),
        T (a_killed_statement_session_is_opened_again),
        T (set_ids_grow_and_jump_over_the_ones_that_are_known),
        T (a_set_id_that_is_in_the_history_is_never_given_again),
        T (a_row_is_written_once_however_often_it_is_sent),
        T (a_set_is_complete_when_its_rows_are_its_databases),
        T (the_summary_tells_the_schedule_what_stands),
        T (old_sets_go_when_a_later_full_stands),
        T (a_database_that_is_no_management_database_is_told_apart),
    };
    int failed = cmocka_run_group_tests (tests, start, stop);
    bm_sql_exit ();
    return failed;
}
