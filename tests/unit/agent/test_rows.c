#include "tests/unit/agent/sql_tests.h"

#include "agent/shell/rows.h"

static void
a_row_is_this_file_by_its_path_or_its_name (void **state)
{
    (void)state;
    Btsmark__BackupRow row = BTSMARK__BACKUP_ROW__INIT;
    row.device = (char *)"/backup/SQL01_X_Log_BTS_1.bak";
    assert_true (bm_rows_is_file (&row, "/backup/SQL01_X_Log_BTS_1.bak"));
    assert_true (bm_rows_is_file (&row, "SQL01_X_Log_BTS_1.bak"));
    assert_false (bm_rows_is_file (&row, "X_Log_BTS_1.bak")); /* a whole name, not any end of it */
    assert_false (bm_rows_is_file (&row, "/other/SQL01_X_Log_BTS_1.bak"));
    assert_false (bm_rows_is_file (&row, "/backup/sql01_x_log_bts_1.bak"));
    row.device = (char *)"D:\\Backup\\a.bak";
    assert_true (bm_rows_is_file (&row, "d:\\backup\\A.bak"));
    assert_true (bm_rows_is_file (&row, "a.bak"));
}

static void
texts_and_times_are_written_as_sql_server_reads_them (void **state)
{
    (void)state;
    char buffer[32];
    assert_string_equal (bm_rows_time (INT64_C (1795227300250999), buffer),
                         "2026-11-21 02:15:00.250");
    char *texts[] = {(char *)"a", (char *)"b'c"};
    char *list = bm_rows_list (texts, 2);
    assert_string_equal (list, "N'a', N'b''c'");
    free (list);
    list = bm_rows_list (texts, 0);
    assert_string_equal (list, "NULL");
    free (list);
}

static bool
s_script (fake_session_t *session, const char *text, const sh_rpc_t *rpc, sh_run_t *run)
{
    (void)rpc;
    if (!strstr (text, "backupmediafamily"))
        return false;
    fake_rows (session,
               "database_name,backup_type,backup_set_id,physical_device_name,last_lsn,backup_size,"
               "is_copy_only,user_name",
               1,
               (const char *[]){"X", "L ", "7", "/b/x.bak", "9999999999999999999999999", "4096",
                                "1", NULL});
    *run = SH_RUN_DONE;
    return true;
}

static void
a_row_keeps_its_numbers_whole (void **state)
{
    sql_place_t *place = *state;
    bm_error_t error = {0};
    bm_sql_result_t *result = NULL;
    place->fake->script = s_script;
    assert_int_equal (bm_sql_exec (place->sql, bm_rows_select (), &result, &error), BM_OK);
    size_t count = 0;
    Btsmark__BackupRow **rows = bm_rows_read (result, bm_rows_find (result), 9, &count);
    assert_int_equal (count, 1);
    Btsmark__BackupRow *row = rows[0];
    assert_int_equal (row->n_devices, 0); /* one file: `device` alone */
    assert_string_equal (row->type, "L");
    assert_string_equal (row->last_lsn,
                         "9999999999999999999999999"); /* numeric(25,0): never a double */
    assert_string_equal (row->user, "");
    assert_int_equal (row->compressed_bytes,
                      4096); /* as the backup, when SQL Server does not say */
    assert_true (row->copy_only);
    btsmark__backup_row__free_unpacked (row, NULL);
    free (rows);
    bm_sql_result_destroy (&result);
}

static bool
s_stripes (fake_session_t *session, const char *text, const sh_rpc_t *rpc, sh_run_t *run)
{
    (void)rpc;
    if (!strstr (text, "backupmediafamily"))
        return false;
    fake_rows (session, "backup_set_id,physical_device_name", 5,
               (const char *[]){"9", "/b/9_1of3.bak", "9", "/b/9_2of3.bak", "9", "/b/9_3of3.bak",
                                "8", "/b/8.bak", "7", "/b/7.bak"});
    *run = SH_RUN_DONE;
    return true;
}

/*  `limit` counts stripes: they are what fills an answer. */
static void
stripes_are_one_backup_with_all_its_devices (void **state)
{
    sql_place_t *place = *state;
    bm_error_t error = {0};
    bm_sql_result_t *result = NULL;
    place->fake->script = s_stripes;
    assert_int_equal (bm_sql_exec (place->sql, bm_rows_select (), &result, &error), BM_OK);
    size_t count = 0;
    Btsmark__BackupRow **rows = bm_rows_read (result, bm_rows_find (result), 4, &count);
    assert_int_equal (count, 2);
    assert_string_equal (rows[0]->device, "/b/9_1of3.bak");
    assert_int_equal (rows[0]->n_devices, 3);
    assert_string_equal (rows[0]->devices[0], "/b/9_1of3.bak");
    assert_string_equal (rows[0]->devices[2], "/b/9_3of3.bak");
    assert_int_equal (rows[1]->backup_set_id, 8);
    assert_int_equal (rows[1]->n_devices, 0);
    for (size_t i = 0; i < count; i++)
        btsmark__backup_row__free_unpacked (rows[i], NULL);
    free (rows);
    rows = bm_rows_read (result, -1, 2, &count);
    assert_int_equal (count, 0);
    free (rows);
    rows = bm_rows_read (result, bm_rows_find (result), 2, &count);
    assert_int_equal (count, 0); /* not without its third */
    free (rows);
    bm_sql_result_destroy (&result);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_row_is_this_file_by_its_path_or_its_name),
        cmocka_unit_test (texts_and_times_are_written_as_sql_server_reads_them),
        SQL_TEST (a_row_keeps_its_numbers_whole),
        SQL_TEST (stripes_are_one_backup_with_all_its_devices)};
    return sql_main (tests, sizeof tests / sizeof *tests);
}
