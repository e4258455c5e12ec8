/*  BACKUP: LSNs that join, SQL Server's refusals, what a failed backup leaves. */
#include "tests/unit/sqlhost/engine_fixture.h"

#include <sqlite3.h>
#include <sys/stat.h>

static int
s_history (fx_t *fx)
{
    return fx_read (fx->s[5], SH_DB_MSDB, "backupset").count;
}

/*  A column of the last row of msdb.dbo.backupset, as text. */
static void
s_last_set (fx_t *fx, const char *column, char out[128])
{
    sh_error_t error = {0};
    sh_cursor_t *cursor = NULL;
    sh_scan_t scan = {.isolation = SH_READ_COMMITTED};
    sh_table_t *table = fx_table (fx->s[5], SH_DB_MSDB, "backupset");
    const sh_table_def_t *def = sh_table_def (table);
    int at = 0;
    while (strcmp (def->columns[at].name, column) != 0)
        assert_true (++at < def->column_count);
    fx_ok (sh_cursor_open (fx->s[5], table, &scan, &cursor, &error), &error);
    while (sh_cursor_next (cursor, &error) == SH_OK) {
        const sh_value_t *value = &sh_cursor_values (cursor)[at];
        if (value->kind == SH_TEXT || value->kind == SH_DECIMAL)
            snprintf (out, 128, "%s", value->as.text);
        else
            snprintf (out, 128, "%lld",
                      value->kind == SH_INT ? (long long)value->as.integer : -1LL);
    }
    sh_cursor_close (&cursor);
    sh_table_close (fx->s[5], &table);
}

static void
s_expect_set (fx_t *fx, const char *column, const char *wanted)
{
    char text[128] = "";
    s_last_set (fx, column, text);
    assert_string_equal (text, wanted);
}

static void
s_set_recovery (fx_t *fx, sh_recovery_t recovery)
{
    sh_error_t error = {0};
    sh_db_change_t change = SH_DB_CHANGE_NONE;
    change.recovery = (int)recovery;
    fx_ok (sh_db_alter (fx->s[0], fx->db, &change, &error), &error);
}

static int
s_refused (fx_t *fx, bool log, const char *file)
{
    sh_error_t error = {0};
    int before = s_history (fx);
    assert_int_equal (fx_try_backup (fx, fx->s[0], fx->db, log, file, NULL, &error), SH_ERROR);
    assert_int_equal (s_history (fx), before);
    return error.number;
}

/*  ---- the chain ---- */

static void
each_log_backup_begins_where_the_last_one_ended (void **state)
{
    fx_t *fx = *state;
    sh_backup_result_t full = fx_backup (fx, fx->db, false, "a.bak");
    assert_true (full.first_lsn < full.last_lsn);
    sh_backup_result_t last = full;
    for (int i = 0; i < 4; i++) {
        fx_insert (fx->s[0], fx->db, "T", i, "row");
        if (i == 2)
            fx_reopen (fx);
        sh_backup_result_t log = fx_backup (fx, fx->db, true, "a.trn");
        assert_int_equal (log.position, i + 1);
        if (i == 0)
            assert_true (log.first_lsn <= full.last_lsn && full.last_lsn <= log.last_lsn);
        else
            assert_true (log.first_lsn == last.last_lsn);
        assert_true (log.first_lsn < log.last_lsn);
        last = log;
    }
    assert_int_equal (s_history (fx), 5);
    s_expect_set (fx, "type", "L");
    s_expect_set (fx, "begins_log_chain", "0");
    s_expect_set (fx, "position", "4");
}

static void
a_second_full_does_not_break_the_chain_and_is_the_new_base (void **state)
{
    fx_t *fx = *state;
    char text[32];
    fx_backup (fx, fx->db, false, "a.bak");
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    sh_backup_result_t one = fx_backup (fx, fx->db, true, "1.trn");
    s_expect_set (fx, "begins_log_chain", "1");
    sh_backup_result_t full = fx_backup (fx, fx->db, false, "b.bak");
    fx_insert (fx->s[0], fx->db, "T", 2, "a");
    sh_backup_result_t two = fx_backup (fx, fx->db, true, "2.trn");
    assert_true (two.first_lsn == one.last_lsn);
    snprintf (text, sizeof text, "%lld", (long long)full.first_lsn);
    s_expect_set (fx, "database_backup_lsn", text);
}

static void
a_log_backup_without_a_full_is_refused_with_4214 (void **state)
{
    fx_t *fx = *state;
    assert_int_equal (s_refused (fx, true, "a.trn"), 4214);
    sh_db_info_t info;
    fx_backup (fx, fx->db, false, "a.bak");
    assert_int_equal (sh_db_get (fx->instance, fx->db, &info), SH_OK);
    assert_true (info.has_full_backup);
    assert_int_equal (info.log_reuse_wait, SH_REUSE_LOG_BACKUP);
    fx_backup (fx, fx->db, true, "a.trn");
}

static void
a_copy_only_full_begins_no_chain_and_a_copy_only_log_does_not_truncate (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    char path[128];
    const char *files[] = {path};
    sh_backup_result_t copy = {.position = 0};
    sh_backup_t backup = {.db_id = fx->db, .copy_only = true, .file_count = 1, .files = files};
    fx_path (fx, "copy.bak", path);
    fx_ok (sh_backup (fx->s[0], &backup, NULL, &error), &error);
    assert_int_equal (s_refused (fx, true, "a.trn"), 4214);
    sh_backup_result_t full = fx_backup (fx, fx->db, false, "a.bak");
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    backup.log = true;
    fx_path (fx, "copy.trn", path);
    fx_ok (sh_backup (fx->s[0], &backup, &copy, &error), &error);
    sh_backup_result_t log = fx_backup (fx, fx->db, true, "a.trn");
    assert_true (copy.first_lsn == full.first_lsn && log.first_lsn == full.first_lsn);
}

static void
simple_recovery_refuses_log_backups_with_4208_and_breaks_the_chain (void **state)
{
    fx_t *fx = *state;
    fx_backup (fx, fx->db, false, "a.bak");
    fx_backup (fx, fx->db, true, "a.trn");
    s_set_recovery (fx, SH_RECOVERY_BULK_LOGGED);
    fx_backup (fx, fx->db, true, "a.trn");
    s_set_recovery (fx, SH_RECOVERY_SIMPLE);
    assert_int_equal (s_refused (fx, true, "a.trn"), 4208);
    s_set_recovery (fx, SH_RECOVERY_FULL);
    assert_int_equal (s_refused (fx, true, "a.trn"), 4214);
    fx_reopen (fx);
    assert_int_equal (s_refused (fx, true, "a.trn"), 4214);
    fx_backup (fx, fx->db, false, "a.bak");
    fx_backup (fx, fx->db, true, "a.trn");
    s_expect_set (fx, "begins_log_chain", "1");
}

static int64_t
s_log_records (fx_t *fx)
{
    char path[256];
    sqlite3 *sqlite = NULL;
    sqlite3_stmt *statement = NULL;
    snprintf (path, sizeof path, "%s/instance.db", fx->data);
    assert_int_equal (sqlite3_open (path, &sqlite), SQLITE_OK);
    assert_int_equal (
        sqlite3_prepare_v2 (sqlite, "SELECT count(*) FROM part WHERE db = ?", -1, &statement, NULL),
        SQLITE_OK);
    sqlite3_bind_int (statement, 1, fx->db);
    assert_int_equal (sqlite3_step (statement), SQLITE_ROW);
    int64_t count = sqlite3_column_int64 (statement, 0);
    sqlite3_finalize (statement);
    sqlite3_close (sqlite);
    return count;
}

static void
only_a_log_backup_cuts_the_log (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    fx_backup (fx, fx->db, false, "a.bak");
    fx_ok (sh_instance_checkpoint (fx->instance, &error), &error);
    int64_t checkpoint = 1; /* a full's own record */
    for (int i = 0; i < 10; i++)
        fx_insert (fx->s[0], fx->db, "T", i, "row");
    fx_ok (sh_instance_checkpoint (fx->instance, &error), &error);
    assert_int_equal (s_log_records (fx), 10 + checkpoint);
    fx_backup (fx, fx->db, false, "a.bak");
    fx_ok (sh_instance_checkpoint (fx->instance, &error), &error);
    assert_int_equal (s_log_records (fx), 10 + 2 * checkpoint);
    fx_backup (fx, fx->db, true, "a.trn");
    fx_ok (sh_instance_checkpoint (fx->instance, &error), &error);
    assert_int_equal (s_log_records (fx), 0);
    fx_reopen (fx);
    assert_int_equal (fx_read (fx->s[0], fx->db, "T").count, 10);
}

/*  ---- refusals ---- */

static void
what_cannot_be_backed_up_is_refused (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    fx_begin (fx->s[0]);
    assert_int_equal (s_refused (fx, false, "a.bak"), 3021);
    sh_txn_rollback (fx->s[0]);
    assert_int_equal (s_refused (fx, false, "no/such/folder/a.bak"), 3201);
    assert_int_equal (fx_try_backup (fx, fx->s[0], SH_DB_TEMPDB, false, "t.bak", NULL, &error),
                      SH_ERROR);
    assert_int_equal (error.number, 3147);
    assert_int_equal (fx_try_backup (fx, fx->s[0], SH_DB_MASTER, true, "m.trn", NULL, &error),
                      SH_ERROR);
    assert_int_equal (error.number, 4212);
    assert_int_equal (fx_try_backup (fx, fx->s[0], 99, false, "x.bak", NULL, &error), SH_ERROR);
    assert_int_equal (error.number, 911);
    sh_db_change_t change = SH_DB_CHANGE_NONE;
    change.state = SH_STATE_OFFLINE;
    fx_ok (sh_db_alter (fx->s[0], fx->db, &change, &error), &error);
    assert_int_equal (s_refused (fx, false, "a.bak"), 942);
}

static void
a_missing_folder_is_named_with_operating_system_error_3 (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    fx_try_backup (fx, fx->s[0], fx->db, false, "nowhere/a.bak", NULL, &error);
    assert_int_equal (error.number, 3201);
    assert_non_null (strstr (error.text, "nowhere/a.bak"));
    assert_non_null (strstr (error.text, "Operating system error 3("));
}

/*  physical_device_name of the only media family. */
static const char *
s_device (fx_t *fx)
{
    static char device[300];
    sh_error_t error = {0};
    sh_cursor_t *cursor = NULL;
    sh_scan_t scan = {.isolation = SH_READ_COMMITTED};
    sh_table_t *table = fx_table (fx->s[5], SH_DB_MSDB, "backupmediafamily");
    fx_ok (sh_cursor_open (fx->s[5], table, &scan, &cursor, &error), &error);
    fx_ok (sh_cursor_next (cursor, &error), &error);
    snprintf (device, sizeof device, "%s", sh_cursor_values (cursor)[5].as.text);
    sh_cursor_close (&cursor);
    sh_table_close (fx->s[5], &table);
    return device;
}

static void
backslashes_of_a_path_that_begins_with_a_slash_are_slashes (void **state)
{
    fx_t *fx = *state;
    char path[128], wanted[128];
    struct stat info;
    sh_error_t error = {0};
    const char *files[] = {path};
    fx_path (fx, "x.bak", wanted);
    snprintf (path, sizeof path, "%s\\x.bak", fx->directory);
    sh_backup_t backup = {.db_id = fx->db, .file_count = 1, .files = files};
    fx_ok (sh_backup (fx->s[0], &backup, NULL, &error), &error);
    assert_int_equal (stat (wanted, &info), 0);
    assert_string_equal (s_device (fx), path); /* msdb has it as it was said */
    files[0] = "C:\\backup\\x.bak";
    assert_int_equal (sh_backup (fx->s[0], &backup, NULL, &error), SH_ERROR);
    assert_int_equal (error.number, 3201);
}

/*  ---- files ---- */

static void
sets_are_appended_unless_init_or_format_is_said (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    char path[128];
    const char *files[] = {path};
    sh_backup_header_t *headers;
    size_t count;
    fx_path (fx, "a.bak", path);
    sh_backup_t backup = {.db_id = fx->db,
                          .file_count = 1,
                          .files = files,
                          .checksum = SH_CHOICE_YES,
                          .name = "a name",
                          .description = "what for"};
    for (int i = 1; i <= 3; i++) {
        fx_ok (sh_backup (fx->s[0], &backup, NULL, &error), &error);
        fx_ok (sh_backup_headers (NULL, path, &headers, &count, &error), &error);
        assert_int_equal (count, i);
        assert_int_equal (headers[i - 1].position, i);
        assert_string_equal (headers[i - 1].name, "a name");
        assert_string_equal (headers[i - 1].database_name, "A");
        assert_string_equal (headers[i - 1].server_name, "SQL01");
        assert_true (headers[i - 1].checksums && !headers[i - 1].damaged);
        assert_true (headers[i - 1].last_lsn > headers[i - 1].first_lsn);
        free (headers);
    }
    backup.compress = SH_CHOICE_YES;
    assert_int_equal (sh_backup (fx->s[0], &backup, NULL, &error), SH_ERROR);
    assert_int_equal (error.number, 3098);
    backup.init = true; /* keeps the media set, which is not compressed */
    assert_int_equal (sh_backup (fx->s[0], &backup, NULL, &error), SH_ERROR);
    assert_int_equal (error.number, 3098);
    backup.compress = SH_CHOICE_DEFAULT;
    fx_ok (sh_backup (fx->s[0], &backup, NULL, &error), &error);
    fx_ok (sh_backup_headers (NULL, path, &headers, &count, &error), &error);
    assert_int_equal (count, 1);
    assert_false (headers[0].compressed);
    free (headers);
    backup.compress = SH_CHOICE_YES;
    backup.format = true;
    fx_ok (sh_backup (fx->s[0], &backup, NULL, &error), &error);
    fx_ok (sh_backup_headers (NULL, path, &headers, &count, &error), &error);
    assert_int_equal (count, 1);
    assert_true (headers[0].compressed);
    free (headers);
    fx_ok (sh_backup_verify (NULL, files, 1, 1, false, &error), &error);
    assert_int_equal (sh_backup_verify (NULL, files, 1, 2, false, &error), SH_ERROR);
}

static void
a_file_that_is_no_backup_is_not_overwritten (void **state)
{
    fx_t *fx = *state;
    char path[128], text[16] = "";
    fx_path (fx, "a.bak", path);
    FILE *file = fopen (path, "w");
    assert_non_null (file);
    fputs ("precious", file);
    fclose (file);
    assert_int_equal (s_refused (fx, false, "a.bak"), 3242);
    file = fopen (path, "r");
    assert_non_null (file);
    assert_non_null (fgets (text, sizeof text, file));
    fclose (file);
    assert_string_equal (text, "precious");
}

static void
a_set_over_several_files_needs_all_of_them (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    char one[128], two[128], three[128];
    const char *files[] = {one, two, three}, *order[] = {three, one, two};
    fx_path (fx, "1.bak", one);
    fx_path (fx, "2.bak", two);
    fx_path (fx, "3.bak", three);
    sh_backup_t backup = {
        .db_id = fx->db, .file_count = 3, .files = files, .compress = SH_CHOICE_YES};
    fx_begin (fx->s[0]);
    for (int i = 0; i < 5000; i++)
        fx_insert (fx->s[0], fx->db, "T", i, "a row of some length, so that there are chunks");
    fx_commit (fx->s[0]);
    fx_ok (sh_backup (fx->s[0], &backup, NULL, &error), &error);
    fx_ok (sh_backup_verify (NULL, order, 3, 1, false, &error), &error);
    assert_int_equal (sh_backup_verify (NULL, files, 2, 1, false, &error), SH_ERROR);
    assert_int_equal (error.number, 3132);
    assert_int_equal (fx_read (fx->s[0], SH_DB_MSDB, "backupmediafamily").count, 3);
}

static void
a_torn_file_is_detected_and_not_appended_to (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    char path[128];
    const char *files[] = {path};
    struct stat info;
    sh_backup_header_t *headers;
    size_t count;
    fx_path (fx, "a.bak", path);
    fx_backup (fx, fx->db, false, "a.bak");
    assert_int_equal (stat (path, &info), 0);
    off_t whole = info.st_size;
    fx_backup (fx, fx->db, false, "a.bak");
    assert_int_equal (stat (path, &info), 0);
    for (off_t cut = whole + 1; cut < info.st_size; cut += (info.st_size - whole) / 13 + 1) {
        assert_int_equal (truncate (path, cut), 0);
        fx_ok (sh_backup_headers (NULL, path, &headers, &count, &error), &error);
        assert_false (headers[0].damaged);
        assert_true (count == 1 || headers[1].damaged);
        free (headers);
        fx_ok (sh_backup_verify (NULL, files, 1, 1, false, &error), &error);
        if (count == 2) {
            assert_int_equal (sh_backup_verify (NULL, files, 1, 2, false, &error), SH_ERROR);
            assert_int_equal (error.number, 3256);
        }
        assert_int_equal (s_refused (fx, false, "a.bak"), 3266);
        assert_int_equal (truncate (path, whole), 0);
        fx_backup (fx, fx->db, false, "a.bak");
    }
}

static void
a_flipped_bit_is_found_by_verify (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    char path[128];
    const char *files[] = {path};
    struct stat info;
    fx_path (fx, "a.bak", path);
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    fx_backup (fx, fx->db, false, "a.bak");
    assert_int_equal (stat (path, &info), 0);
    FILE *file = fopen (path, "r+b");
    assert_non_null (file);
    fseek (file, info.st_size / 2, SEEK_SET);
    int byte = fgetc (file);
    fseek (file, info.st_size / 2, SEEK_SET);
    fputc (byte ^ 4, file);
    fclose (file);
    assert_int_equal (sh_backup_verify (NULL, files, 1, 1, false, &error), SH_ERROR);
}

/*  ---- while it runs ---- */

static void
s_full (void *arg)
{
    fx_task_t *task = arg;
    task->status =
        fx_try_backup (task->fx, task->s, task->fx->db, false, task->name, NULL, &task->error);
}

static void
s_log (void *arg)
{
    fx_task_t *task = arg;
    task->status =
        fx_try_backup (task->fx, task->s, task->fx->db, true, task->name, NULL, &task->error);
}

static void
log_backups_and_commits_go_on_while_a_full_runs (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    fx_task_t full = {.name = "b.bak"};
    fx_backup (fx, fx->db, false, "a.bak");
    assert_true (sh_fault_set (fx->instance, "backup_hold_after", "1"));
    fx_start (&full, fx, fx->s[1], s_full);
    fx_until_waits (fx, fx->s[1], "BACKUPIO");
    fx_insert (fx->s[0], fx->db, "T", 1, "meanwhile");
    assert_true (sh_fault_set (fx->instance, "backup_hold_after", "100000000"));
    fx_backup (fx, fx->db, true, "a.trn");
    fx_ok (sh_instance_checkpoint (fx->instance, &error), &error);
    assert_true (sh_fault_set (fx->instance, "backup_hold_after", "off"));
    fx_join (&full);
    fx_ok (full.status, &full.error);
    assert_int_equal (s_history (fx), 3);
}

static void
two_log_backups_of_one_database_wait_for_each_other (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    fx_task_t first = {.name = "1.trn"}, second = {.name = "2.trn"};
    fx_backup (fx, fx->db, false, "a.bak");
    assert_true (sh_fault_set (fx->instance, "backup_hold_after", "1"));
    fx_start (&first, fx, fx->s[1], s_log);
    fx_until_waits (fx, fx->s[1], "BACKUPIO");
    sh_esession_set_lock_timeout (fx->s[3], 0);
    assert_int_equal (fx_try_backup (fx, fx->s[3], fx->db, true, "3.trn", NULL, &error), SH_ERROR);
    assert_int_equal (error.number, 3023);
    fx_start (&second, fx, fx->s[2], s_log);
    fx_until_waits (fx, fx->s[2], "LCK_M_X");
    assert_true (sh_fault_set (fx->instance, "backup_hold_after", "0"));
    fx_join (&first);
    fx_join (&second);
    fx_ok (first.status, &first.error);
    fx_ok (second.status, &second.error);
    assert_int_equal (s_history (fx), 3);
}

static void
a_cancelled_backup_leaves_a_partial_file_and_no_row (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    char path[128];
    const char *files[] = {path};
    fx_task_t full = {.name = "a.bak"};
    fx_path (fx, "a.bak", path);
    assert_true (sh_fault_set (fx->instance, "disk_rate", "1"));
    fx_start (&full, fx, fx->s[1], s_full);
    fx_until_waits (fx, fx->s[1], "BACKUPIO");
    sh_esession_cancel (fx->s[1]);
    fx_join (&full);
    assert_int_equal (full.status, SH_CANCELLED);
    assert_int_equal (s_history (fx), 0);
    assert_int_equal (sh_backup_verify (NULL, files, 1, 1, false, &error), SH_ERROR);
    assert_int_equal (error.number, 3256);
    sh_db_info_t info;
    assert_int_equal (sh_db_get (fx->instance, fx->db, &info), SH_OK);
    assert_false (info.has_full_backup);
}

static void
a_dropped_session_ends_its_backup (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    assert_true (sh_fault_set (fx->instance, "drop_backup", "1"));
    assert_int_equal (fx_try_backup (fx, fx->s[1], fx->db, false, "a.bak", NULL, &error),
                      SH_KILLED);
    assert_int_equal (sh_esession_check (fx->s[1], &error), SH_KILLED);
    assert_int_equal (s_history (fx), 0);
    fx_backup (fx, fx->db, false, "b.bak");
}

static void
a_full_disk_fails_the_backup_with_3202 (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    assert_true (sh_fault_set (fx->instance, "disk_full_after", "300"));
    assert_int_equal (s_refused (fx, false, "a.bak"), 3202);
    assert_true (sh_fault_set (fx->instance, "disk_full_after", "0"));
    fx_try_backup (fx, fx->s[0], fx->db, false, "a.bak", NULL, &error);
    assert_int_equal (error.number, 3266);
    fx_backup (fx, fx->db, false, "b.bak");
}

static void
a_failed_history_row_is_3009_and_the_backup_is_good (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    sh_backup_result_t result = {.position = 0};
    char path[128];
    const char *files[] = {path};
    fx_path (fx, "a.bak", path);
    assert_true (sh_fault_set (fx->instance, "history_fail", "1"));
    assert_int_equal (fx_try_backup (fx, fx->s[0], fx->db, false, "a.bak", &result, &error),
                      SH_ERROR);
    assert_int_equal (error.number, 3009);
    assert_int_equal (result.position, 1);
    assert_int_equal (s_history (fx), 0);
    fx_ok (sh_backup_verify (NULL, files, 1, 1, false, &error), &error);
    fx_backup (fx, fx->db, true, "a.trn");
}

static void
progress_and_success_are_told (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    char path[128];
    const char *files[] = {path};
    fx_path (fx, "a.bak", path);
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    sh_backup_t backup = {.db_id = fx->db, .file_count = 1, .files = files, .stats = 50};
    fx->messages[0] = 0;
    fx_ok (sh_backup (fx->s[0], &backup, NULL, &error), &error);
    assert_string_equal (fx->messages, "3211 3211 4035 3014 ");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        FX_TEST (each_log_backup_begins_where_the_last_one_ended),
        FX_TEST (a_second_full_does_not_break_the_chain_and_is_the_new_base),
        FX_TEST (a_log_backup_without_a_full_is_refused_with_4214),
        FX_TEST (a_copy_only_full_begins_no_chain_and_a_copy_only_log_does_not_truncate),
        FX_TEST (simple_recovery_refuses_log_backups_with_4208_and_breaks_the_chain),
        FX_TEST (only_a_log_backup_cuts_the_log),
        FX_TEST (what_cannot_be_backed_up_is_refused),
        FX_TEST (a_missing_folder_is_named_with_operating_system_error_3),
        FX_TEST (backslashes_of_a_path_that_begins_with_a_slash_are_slashes),
        FX_TEST (sets_are_appended_unless_init_or_format_is_said),
        FX_TEST (a_file_that_is_no_backup_is_not_overwritten),
        FX_TEST (a_set_over_several_files_needs_all_of_them),
        FX_TEST (a_torn_file_is_detected_and_not_appended_to),
        FX_TEST (a_flipped_bit_is_found_by_verify),
        FX_TEST (log_backups_and_commits_go_on_while_a_full_runs),
        FX_TEST (two_log_backups_of_one_database_wait_for_each_other),
        FX_TEST (a_cancelled_backup_leaves_a_partial_file_and_no_row),
        FX_TEST (a_dropped_session_ends_its_backup),
        FX_TEST (a_full_disk_fails_the_backup_with_3202),
        FX_TEST (a_failed_history_row_is_3009_and_the_backup_is_good),
        FX_TEST (progress_and_success_are_told),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
