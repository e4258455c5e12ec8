/*  deploy/sql/group on the stand-in: the classic job's procedures on an instance that holds the whole group. */
#include "common/names.h"
#include "tests/unit/workload/stand.h"

#define MGMT "BizTalkMgmtDb"

static stand_t *s_stand;

/*  A management database and an SSO database beside the MessageBoxes; every row of the group is local. */
static int
s_begin (void **state)
{
    (void)state;
    if (!stand_is_there ()) {
        print_message ("sqlhost is not built: skipped\n");
        return 0;
    }
    s_stand = stand_new ();
    bm_sql_t *sql = stand_open (s_stand, 0);
    stand_exec (sql, "CREATE DATABASE SSODB");
    stand_exec (sql, "USE SSODB");
    stand_script (sql, "backup-setup.sql");
    stand_script (sql, "backup-setup-sso.sql");
    stand_exec (sql, "CREATE DATABASE " MGMT);
    stand_exec (sql, "USE " MGMT);
    stand_script (sql, "backup-setup.sql");
    stand_script (sql, "management.sql");
    stand_exec (sql, "INSERT INTO dbo.adm_Group (Name) VALUES (N'BizTalk Group')");
    stand_exec (
        sql, "INSERT INTO dbo.adm_MessageBox (GroupId, DBServerName, DBName, IsMasterMsgBox) "
             "VALUES (1, N'SQL02', N'BizTalkMsgBoxDb', -1), (1, N'SQL02', N'BizTalkMsgBoxDb2', 0)");
    stand_exec (
        sql, "INSERT INTO dbo.adm_OtherBackupDatabases VALUES (N'SSO', N'SSODB', N'SQL02', N'-')");
    bm_sql_close (&sql);
    return 0;
}

static int
s_end (void **state)
{
    (void)state;
    if (s_stand)
        stand_destroy (s_stand);
    return 0;
}

static int
s_setup (void **state)
{
    if (!s_stand)
        return 0;
    bm_sql_t *sql = stand_open (s_stand, 0);
    stand_exec (sql, "USE " MGMT);
    *state = sql;
    return 0;
}

static int
s_teardown (void **state)
{
    bm_sql_t *sql = *state;
    bm_sql_close (&sql);
    return 0;
}

#define NEEDS_STAND(state)                                                                         \
    if (!*(state))                                                                                 \
    skip ()

/*  The one value of a batch, as text; freed by the caller. */
static char *
s_value (bm_sql_t *sql, const char *batch)
{
    bm_sql_result_t *result = NULL;
    bm_error_t error = {0};
    if (bm_sql_exec (sql, batch, &result, &error))
        fail_msg ("%s\n%s", error.text, batch);
    char *value = bm_strdup (bm_sql_result_text (result, 0, 0, "v"));
    bm_sql_result_destroy (&result);
    return value;
}

static void
s_expect (bm_sql_t *sql, const char *batch, const char *expected)
{
    char *value = s_value (sql, batch);
    if (expected)
        assert_string_equal (value ? value : "(null)", expected);
    else
        assert_null (value);
    free (value);
}

/*  Calls a procedure whose status must be `expected`. */
static bm_sql_result_t *
s_call (bm_sql_t *sql, bm_sql_query_t *query, int32_t expected)
{
    bm_sql_result_t *result = NULL;
    bm_error_t error = {0};
    bm_status_t status = bm_sql_run (sql, query, &result, &error);
    if (expected >= 0 && status)
        fail_msg ("%s", error.text);
    assert_true (bm_sql_result_has_return (result));
    assert_int_equal (bm_sql_result_return (result), expected);
    bm_sql_query_destroy (&query);
    return result;
}

static bm_sql_query_t *
s_job_step (const char *procedure)
{
    bm_sql_query_t *query = bm_sql_call_new (procedure);
    bm_sql_query_text (query, "@MarkName", "BTS");
    bm_sql_query_text (query, "@BackupPath", s_stand->folder);
    return query;
}

static void
a_set_id_is_taken_once (void **state)
{
    NEEDS_STAND (state);
    bm_sql_t *sql = *state;
    char *before = s_value (sql, "SELECT NextBackupSetId AS v FROM dbo.adm_BackupSetId");
    int32_t id = (int32_t)strtol (before, NULL, 10);
    free (before);
    for (int32_t i = 0; i < 2; i++) {
        bm_sql_result_t *result =
            s_call (sql, bm_sql_call_new ("dbo.sp_GetNextBackupSetId"), id + i);
        bm_sql_result_destroy (&result);
    }
}

static void
a_second_row_of_set_ids_is_refused (void **state)
{
    NEEDS_STAND (state);
    bm_error_t error = {0};
    assert_int_equal (
        bm_sql_exec (*state, "INSERT INTO dbo.adm_BackupSetId VALUES (7)", NULL, &error),
        BM_SQL_FAILED);
    s_expect (*state, "SELECT COUNT(*) AS v FROM dbo.adm_BackupSetId", "1");
}

static void
a_mark_name_is_scrubbed_as_btsmark_does_it (void **state)
{
    NEEDS_STAND (state);
    bm_sql_query_t *query = bm_sql_call_new ("dbo.sp_BuildFullMarkName");
    bm_sql_query_text (query, "@MarkName", "a b.\"c'");
    bm_sql_query_text (query, "@TimeStamp", "2014-05-06T14:15:01.327");
    bm_sql_query_output_text (query, "@FullMarkName");
    bm_sql_result_t *result = s_call (*state, query, 0);
    assert_string_equal (bm_sql_result_output (result, "@FullMarkName"),
                         "a_b_c_2014_05_06_14_15_01_327");
    bm_sql_result_destroy (&result);
}

static void
the_group_is_listed_by_its_procedure (void **state)
{
    NEEDS_STAND (state);
    bm_sql_result_t *result =
        s_call (*state, bm_sql_call_new ("dbo.sp_GetBackupDatabasesForServer"), 0);
    int set =
        bm_sql_result_find (result, (const char *const[]){"ServerName", "DatabaseName", NULL});
    assert_int_equal (bm_sql_result_rows (result, set), 4);
    bm_sql_result_destroy (&result);
    s_expect (*state, "SELECT dbo.sp_IsSSODB(N'SQL02', N'SSODB') AS v", "1");
    s_expect (*state, "SELECT dbo.sp_IsSSODB(N'SQL02', N'BizTalkMsgBoxDb') AS v", "0");
}

/*  Whether every file of the newest set is there. */
static void
s_files_are_there (bm_sql_t *sql)
{
    bm_sql_result_t *result = NULL;
    bm_error_t error = {0};
    if (bm_sql_exec (sql,
                     "SELECT BackupFileLocation AS folder, BackupFileName AS name FROM "
                     "dbo.adm_BackupHistory WHERE BackupSetId = (SELECT MAX(BackupSetId) FROM "
                     "dbo.adm_BackupHistory)",
                     &result, &error))
        fail_msg ("%s", error.text);
    assert_int_equal (bm_sql_result_rows (result, 0), 4);
    for (size_t i = 0; i < 4; i++) {
        char *path = bm_format ("%s/%s", bm_sql_result_text (result, 0, i, "folder"),
                                bm_sql_result_text (result, 0, i, "name"));
        if (access (path, F_OK) != 0)
            fail_msg ("%s is not there", path);
        free (path);
    }
    bm_sql_result_destroy (&result);
}

static void
the_classic_job_makes_a_full_and_marks_and_logs (void **state)
{
    NEEDS_STAND (state);
    bm_sql_t *sql = *state;
    bm_sql_query_t *query = s_job_step ("dbo.sp_BackupAllFull_Schedule");
    bm_sql_query_text (query, "@Frequency", "d");
    bm_sql_result_t *result = s_call (sql, query, 0);
    bm_sql_result_destroy (&result);
    s_files_are_there (sql);
    s_expect (sql,
              "SELECT COUNT(*) AS v FROM dbo.adm_BackupHistory WHERE BackupType = 'db' AND "
              "SetComplete = 1 AND MarkName IS NULL",
              "4");
    query = s_job_step ("dbo.sp_BackupAllFull_Schedule"); /* not due again today */
    bm_sql_query_text (query, "@Frequency", "y");
    result = s_call (sql, query, 0);
    bm_sql_result_destroy (&result);
    s_expect (sql, "SELECT COUNT(*) AS v FROM dbo.adm_BackupHistory", "4");
    result = s_call (sql, s_job_step ("dbo.sp_MarkAll"), 0);
    bm_sql_result_destroy (&result);
    s_files_are_there (sql);
    s_expect (sql,
              "SELECT COUNT(*) AS v FROM dbo.adm_BackupHistory WHERE BackupType = 'lg' AND "
              "SetComplete = 1 AND MarkName LIKE N'BTS[_]%'",
              "4");
    s_expect (sql,
              "SELECT COUNT(*) AS v FROM msdb.dbo.logmarkhistory AS m JOIN dbo.adm_BackupHistory "
              "AS h ON h.MarkName = m.mark_name AND h.DatabaseName = m.database_name",
              "4");
    s_expect (sql, "SELECT COUNT(*) AS v FROM SSODB.dbo.MarkLog", "1");
    s_expect (sql, "SELECT COUNT(*) AS v FROM msdb.dbo.backupset WHERE type = 'L'", "4");
}

static void
a_forced_full_is_made_and_unforced (void **state)
{
    NEEDS_STAND (state);
    bm_sql_t *sql = *state;
    bm_sql_result_t *result = s_call (sql, bm_sql_call_new ("dbo.sp_ForceFullBackup"), 0);
    bm_sql_result_destroy (&result);
    s_expect (sql, "SELECT ForceFull AS v FROM dbo.adm_BackupSettings", "1");
    char *before = s_value (sql, "SELECT COUNT(*) + 4 AS v FROM dbo.adm_BackupHistory");
    bm_sql_query_t *query = s_job_step ("dbo.sp_BackupAllFull_Schedule");
    bm_sql_query_text (query, "@Frequency", "y");
    result = s_call (sql, query, 0);
    bm_sql_result_destroy (&result);
    s_expect (sql, "SELECT COUNT(*) AS v FROM dbo.adm_BackupHistory", before);
    s_expect (sql, "SELECT ForceFull AS v FROM dbo.adm_BackupSettings", "0");
    free (before);
}

static void
a_bad_letter_is_refused (void **state)
{
    NEEDS_STAND (state);
    bm_sql_query_t *query = s_job_step ("dbo.sp_BackupAllFull_Schedule");
    bm_sql_query_text (query, "@Frequency", "x");
    bm_sql_result_t *result = s_call (*state, query, -1);
    assert_non_null (strstr (bm_sql_result_cause (result)->text, "@Frequency"));
    bm_sql_result_destroy (&result);
}

static void
compressed_backups_leave_the_sso_database_out (void **state)
{
    NEEDS_STAND (state);
    bm_sql_t *sql = *state;
    bm_sql_query_t *query = bm_sql_call_new ("dbo.sp_SetBackupCompression");
    bm_sql_query_bit (query, "@bCompression", true);
    bm_sql_result_t *result = s_call (sql, query, 0);
    bm_sql_result_destroy (&result);
    result = s_call (sql, s_job_step ("dbo.sp_MarkAll"), 0); /* SSODB has no @bCompression */
    bm_sql_result_destroy (&result);
    s_files_are_there (sql);
    stand_exec (sql, "UPDATE dbo.adm_BackupSettings SET UseCompression = 0");
}

static void
old_history_goes_only_when_a_later_full_is_there (void **state)
{
    NEEDS_STAND (state);
    bm_sql_t *sql = *state;
    stand_exec (sql, "DELETE FROM dbo.adm_BackupHistory");
    stand_exec (sql,
                "INSERT INTO dbo.adm_BackupHistory (BackupSetId, DatabaseName, BackupFileName, "
                "BackupFileLocation, BackupType, BackupDateTime, SetComplete, ServerName) VALUES "
                "(1, N'D', N'f', N'l', 'db', '2001-01-01', 1, N'S'), "
                "(2, N'D', N'f', N'l', 'lg', '2001-01-01', 1, N'S'), "
                "(3, N'D', N'f', N'l', 'db', '2001-01-02', 1, N'S'), "
                "(4, N'D', N'f', N'l', 'lg', '2001-01-02', 1, N'S')");
    bm_sql_query_t *query = bm_sql_call_new ("dbo.sp_DeleteBackupHistory");
    bm_sql_query_int (query, "@DaysToKeep", 14);
    bm_sql_result_t *result = s_call (sql, query, 0);
    bm_sql_result_destroy (&result);
    s_expect (sql, "SELECT MIN(BackupSetId) AS v FROM dbo.adm_BackupHistory", "3");
    s_expect (sql, "SELECT COUNT(*) AS v FROM dbo.adm_BackupHistory", "2");
    query = bm_sql_call_new ("dbo.sp_DeleteBackupHistory");
    bm_sql_query_int (query, "@DaysToKeep", 0);
    result = s_call (sql, query, 0);
    bm_sql_result_destroy (&result);
    s_expect (sql, "SELECT COUNT(*) AS v FROM dbo.adm_BackupHistory", "2");
    stand_exec (sql, "DELETE FROM dbo.adm_BackupHistory");
}

static void
a_failed_mark_takes_the_whole_transaction_back (void **state)
{
    NEEDS_STAND (state);
    bm_sql_t *sql = *state;
    stand_exec (sql, "CREATE TABLE dbo.Canary (n int NOT NULL)");
    stand_exec (sql, "EXEC BizTalkMsgBoxDb2.dbo.sp_executesql N'EXEC sp_rename ''dbo.MarkLog'', "
                     "''MarkLogAway'''");
    bm_error_t error = {0};
    bm_status_t status = bm_sql_exec (
        sql,
        "SET XACT_ABORT ON; BEGIN TRANSACTION M WITH MARK N'M'; INSERT INTO dbo.Canary VALUES (1); "
        "EXEC BizTalkMsgBoxDb.dbo.sp_SetMark N'M'; EXEC BizTalkMsgBoxDb2.dbo.sp_SetMark N'M'; "
        "COMMIT",
        NULL, &error);
    assert_int_equal (status, BM_SQL_FAILED);
    s_expect (sql, "SELECT @@TRANCOUNT AS v", "0");
    s_expect (sql, "SELECT COUNT(*) AS v FROM dbo.Canary", "0");
    s_expect (sql, "SELECT COUNT(*) AS v FROM BizTalkMsgBoxDb.dbo.MarkLog WHERE MarkName = N'M'",
              "0");
}

static void
tdds_can_only_be_blocked_in_a_transaction (void **state)
{
    NEEDS_STAND (state);
    bm_sql_t *sql = stand_open (s_stand, 1);
    bm_sql_result_t *result = s_call (sql, bm_sql_call_new ("BizTalkDTADb.dbo.TDDS_BlockTDDS"), -1);
    bm_sql_result_destroy (&result);
    bm_sql_close (&sql);
}

/*  What a procedure gives back for a text that went in. */
static void
s_echo (bm_sql_t *sql, const char *text)
{
    bm_sql_query_t *query = bm_sql_call_new ("dbo.Echo");
    bm_sql_query_text (query, "@in", text);
    bm_sql_query_output_text (query, "@out");
    bm_sql_result_t *result = s_call (sql, query, text ? (int32_t)bm_names_length (text) : 0);
    const char *back = bm_sql_result_output (result, "@out");
    if (text)
        assert_string_equal (back ? back : "(null)", text);
    else
        assert_null (back);
    bm_sql_result_destroy (&result);
}

static void
texts_of_every_length_go_into_a_procedure_and_come_back (void **state)
{
    NEEDS_STAND (state);
    bm_sql_t *sql = *state;
    stand_exec (sql, "CREATE PROCEDURE dbo.Echo @in nvarchar(4000), @out nvarchar(4000) OUTPUT AS "
                     "BEGIN SET @out = @in; RETURN ISNULL(LEN(@in), 0) END");
    s_echo (sql, NULL);
    s_echo (sql, "");
    s_echo (sql, "it's; -- \xE2\x82\xAC \xF0\x9F\x98\x80");
    char *longest = bm_alloc (3 * 4000 + 1);
    for (size_t i = 0; i < 4000; i++)
        memcpy (longest + 3 * i, "\xE2\x82\xAC", 3);
    s_echo (sql, longest);
    longest[3 * 256] = '\0'; /* where a length of one byte ends */
    s_echo (sql, longest);
    longest[3 * 255] = '\0';
    s_echo (sql, longest);
    free (longest);
}

static void
an_inline_batch_leaves_its_transaction_open (void **state)
{
    NEEDS_STAND (state);
    bm_sql_t *sql = *state;
    bm_error_t error = {0};
    bm_sql_query_t *query =
        bm_sql_query_new ("SET XACT_ABORT ON; BEGIN TRANSACTION @m WITH MARK @m; "
                          "SELECT @@TRANCOUNT AS v");
    bm_sql_query_text (query, "@m", "it's");
    bm_sql_query_inline (query);
    if (bm_sql_run (sql, query, NULL, &error))
        fail_msg ("%s", error.text);
    bm_sql_query_destroy (&query);
    s_expect (sql, "SELECT @@TRANCOUNT AS v", "1");
    stand_exec (sql, "ROLLBACK");
}

static void
a_group_can_be_made_one_of_an_older_version (void **state)
{
    NEEDS_STAND (state);
    bm_sql_t *sql = *state;
    stand_exec (sql, "CREATE DATABASE OlderMgmt");
    stand_exec (sql, "USE OlderMgmt");
    stand_script (sql, "backup-setup.sql");
    stand_script (sql, "management.sql");
    stand_exec (sql, "UPDATE dbo.adm_BackupSettings SET ForceFull = 1");
    stand_script (sql, "management-older.sql");
    stand_script (sql, "backup-setup-sso.sql");
    s_expect (sql, "SELECT OBJECT_ID (N'dbo.adm_BackupSettings') AS v", NULL);
    s_expect (sql, "SELECT CAST (ForceFull AS int) AS v FROM dbo.adm_ForceFullBackup", "1");
    stand_exec (sql, "UPDATE dbo.adm_ForceFullBackup SET ForceFull = 0");
    stand_exec (sql, "EXEC dbo.sp_ForceFullBackup");
    s_expect (sql, "SELECT CAST (ForceFull AS int) AS v FROM dbo.adm_ForceFullBackup", "1");
    s_expect (sql,
              "SELECT COUNT (*) AS v FROM sys.parameters WHERE name = N'@bCompression' AND "
              "object_id IN (OBJECT_ID (N'dbo.sp_BackupBizTalkFull'), OBJECT_ID "
              "(N'dbo.sp_BackupBizTalkLog'))",
              "0");
    stand_exec (sql, "USE " MGMT);
    stand_exec (sql, "DROP DATABASE OlderMgmt");
}

int
main (void)
{
#define T(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests[] = {
        T (a_set_id_is_taken_once),
        T (a_second_row_of_set_ids_is_refused),
        T (a_mark_name_is_scrubbed_as_btsmark_does_it),
        T (the_group_is_listed_by_its_procedure),
        T (the_classic_job_makes_a_full_and_marks_and_logs),
        T (a_forced_full_is_made_and_unforced),
        T (a_bad_letter_is_refused),
        T (compressed_backups_leave_the_sso_database_out),
        T (old_history_goes_only_when_a_later_full_is_there),
        T (tdds_can_only_be_blocked_in_a_transaction),
        T (texts_of_every_length_go_into_a_procedure_and_come_back),
        T (an_inline_batch_leaves_its_transaction_open),
        T (a_failed_mark_takes_the_whole_transaction_back),
        T (a_group_can_be_made_one_of_an_older_version),
    };
    return cmocka_run_group_tests (tests, s_begin, s_end);
}
