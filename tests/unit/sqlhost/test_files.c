/*  Files, folders and drives as statements see them, with paths of this machine and of Windows. */
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/unit/sqlhost/tsql_fixture.h"

static fx_t s_fx;
static fx_client_t *s_a;
static char s_sql[2000];

/*  %s in the text stands for the folder. */
static const char *
s_with (const char *text)
{
    size_t used = 0;
    for (const char *c = text; *c && used + 100 < sizeof s_sql; c++)
        if (c[0] == '%' && c[1] == 's') {
            used += (size_t)snprintf (s_sql + used, sizeof s_sql - used, "%s", s_fx.directory);
            c++;
        } else
            s_sql[used++] = *c;
    s_sql[used] = 0;
    return s_sql;
}

static bool
s_is_there (const char *text)
{
    struct stat info;
    return stat (s_with (text), &info) == 0;
}

static void
s_write_file (const char *text)
{
    FILE *file = fopen (s_with (text), "w");
    assert_non_null (file);
    fputs ("no backup", file);
    fclose (file);
}

static int
s_setup (void **state)
{
    char share[128], drive[128];
    (void)state;
    fx_up (&s_fx);
    snprintf (drive, sizeof drive, "%s/drive", s_fx.directory);
    snprintf (share, sizeof share, "%s/share", s_fx.directory);
    if (mkdir (drive, 0755) != 0 || mkdir (share, 0755) != 0)
        return -1;
    s_a = fx_client (&s_fx);
    fx_run (s_a, "CREATE DATABASE d");
    fx_run (s_a, s_with ("BACKUP DATABASE d TO DISK = '%s/share/whole.bak'"));
    return 0;
}

static int
s_teardown (void **state)
{
    (void)state;
    fx_leave (s_a);
    fx_down (&s_fx);
    return 0;
}

/*  ---- this machine's paths ---- */

static void
files_are_looked_at (void **state)
{
    (void)state;
    fx_expect (s_a, s_with ("EXEC xp_fileexist '%s/share/whole.bak'"), "1|0|1\n=0\n");
    fx_expect (s_a, s_with ("EXEC master.dbo.xp_fileexist '%s/share'"), "0|1|1\n=0\n");
    fx_expect (s_a, s_with ("EXEC xp_fileexist '%s/no/file'"), "0|0|0\n=0\n");
    fx_expect (
        s_a, s_with ("DECLARE @e int EXEC xp_fileexist '%s/share\\whole.bak', @e OUTPUT SELECT @e"),
        "=0\n1\n");
    fx_expect (s_a,
               s_with ("SELECT file_exists, file_is_a_directory, parent_directory_exists FROM "
                       "sys.dm_os_file_exists(N'%s/share\\whole.bak')"),
               "1|0|1\n");
    fx_expect (s_a,
               s_with ("DECLARE @f nvarchar(200) = N'%s/share/none' SELECT * FROM "
                       "sys.dm_os_file_exists(@f)"),
               "0|0|1\n");
    fx_expect (s_a, "SELECT * FROM sys.dm_os_file_exists()", "!313\n");
}

static void
folders_are_made_and_listed (void **state)
{
    (void)state;
    fx_expect (s_a, s_with ("EXEC xp_create_subdir '%s/tree\\a/b'"), "=0\n");
    fx_expect (s_a, s_with ("EXEC xp_create_subdir '%s/tree/a/b'"), "=0\n");
    s_write_file ("%s/tree/one.txt");
    s_write_file ("%s/tree/a/two.bak");
    fx_expect (s_a, s_with ("EXEC xp_create_subdir '%s/tree/one.txt/x'"), "!22048\n=1\n");
    fx_expect (s_a, s_with ("EXEC xp_dirtree '%s/tree'"), "a|1\nb|2\n=0\n");
    fx_expect (s_a, s_with ("EXEC xp_dirtree '%s/tree', 1, 1"), "a|1|0\none.txt|1|1\n=0\n");
    fx_expect (s_a, s_with ("EXEC xp_dirtree '%s/nothing', 1, 1"), "=0\n");
    fx_expect (s_a,
               s_with ("SELECT file_or_directory_name, level, is_directory, size_in_bytes FROM "
                       "sys.dm_os_enumerate_filesystem('%s/tree', '*.bak')"),
               "two.bak|1|0|9\n");
    fx_expect (s_a,
               s_with ("SELECT COUNT(*) FROM sys.dm_os_enumerate_filesystem('%s/tree', '*') WHERE "
                       "last_write_time > DATEADD(minute, -5, GETDATE())"),
               "4\n");
}

static void
only_whole_backups_are_deleted (void **state)
{
    (void)state;
    s_write_file ("%s/share/text.bak");
    fx_expect (s_a, s_with ("EXEC master.dbo.xp_delete_file 0, '%s/share/text.bak'"), "=0\n");
    assert_true (s_is_there ("%s/share/text.bak"));
    fx_run (s_a, s_with ("BACKUP DATABASE d TO DISK = '%s/share/torn.bak'"));
    fx_expect (s_a, "EXEC sqlhost_fault N'disk_full_after', N'300'", "=0\n");
    fx_expect (s_a, s_with ("BACKUP DATABASE d TO DISK = '%s/share/torn.bak'"), "!3202\n!3013\n");
    fx_expect (s_a, "EXEC sqlhost_fault N'disk_full_after', N'0'", "=0\n");
    fx_expect (s_a, s_with ("EXEC xp_delete_file 0, '%s/share/torn.bak'"), "=0\n");
    assert_true (s_is_there ("%s/share/torn.bak"));
    fx_run (s_a, s_with ("BACKUP DATABASE d TO DISK = '%s/share/gone.bak'"));
    fx_expect (s_a, s_with ("EXEC xp_delete_file 0, '%s/share/gone.bak'"), "=0\n");
    assert_false (s_is_there ("%s/share/gone.bak"));
    fx_expect (s_a, s_with ("EXEC xp_delete_file 0, '%s/share/gone.bak'"), "!22049\n=1\n");
    assert_non_null (strstr (s_a->last_text, "error 2, 'The system cannot find the file"));
    fx_expect (s_a, s_with ("EXEC xp_delete_file 7, '%s/share/whole.bak'"), "!22049\n=1\n");
}

static void
old_files_of_a_folder_are_deleted_by_extension_and_time (void **state)
{
    (void)state;
    struct timespec stamps[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    fx_expect (s_a, s_with ("EXEC xp_create_subdir '%s/old/inner/deep'"), "=0\n");
    static const char *const files[] = {"%s/old/a.bak", "%s/old/b.bak", "%s/old/c.trn",
                                        "%s/old/inner/d.bak", "%s/old/inner/deep/e.bak"};
    for (size_t i = 0; i < 5; i++) {
        char text[200];
        snprintf (text, sizeof text, "BACKUP DATABASE d TO DISK = '%s' WITH COPY_ONLY", files[i]);
        fx_run (s_a, s_with (text));
        if (i != 1)
            assert_int_equal (utimensat (AT_FDCWD, s_with (files[i]), stamps, 0), 0);
    }
    fx_expect (s_a, s_with ("EXEC xp_delete_file 0, '%s/old', 'BAK', '2020-01-01T00:00:00'"),
               "=0\n");
    assert_false (s_is_there ("%s/old/a.bak"));
    assert_true (s_is_there ("%s/old/b.bak") && s_is_there ("%s/old/c.trn"));
    assert_true (s_is_there ("%s/old/inner/d.bak"));
    fx_expect (s_a, s_with ("EXEC xp_delete_file 0, '%s/old', 'bak', '2020-01-01', 1"), "=0\n");
    assert_false (s_is_there ("%s/old/inner/d.bak"));
    assert_true (s_is_there ("%s/old/inner/deep/e.bak") && s_is_there ("%s/old/b.bak"));
}

static void
volumes_and_drives_tell_their_room (void **state)
{
    (void)state;
    fx_expect (s_a, "EXEC sqlhost_fault N'disk_free', N'7340032'", "=0\n");
    fx_expect (s_a,
               "SELECT fixed_drive_path, free_space_in_bytes FROM sys.dm_os_enumerate_fixed_drives",
               "/|7340032\n");
    fx_expect (s_a, "EXEC xp_fixeddrives", "C|7\n=0\n");
    fx_expect (s_a,
               "SELECT f.file_id, v.file_id, v.available_bytes, v.volume_mount_point FROM "
               "sys.master_files f CROSS APPLY sys.dm_os_volume_stats(f.database_id, f.file_id) v "
               "WHERE f.database_id = DB_ID('d') ORDER BY 1",
               "1|1|7340032|NULL\n2|2|7340032|NULL\n");
    fx_expect (
        s_a, "SELECT database_id - DB_ID('d'), file_id FROM sys.dm_os_volume_stats(DB_ID('d'), 2)",
        "0|2\n");
    fx_expect (s_a, "SELECT * FROM sys.dm_os_volume_stats(999, 1)", "");
    fx_expect (s_a, "EXEC sqlhost_fault N'disk_free', N'0'", "=0\n");
    fx_expect (s_a,
               "SELECT COUNT(*) FROM sys.dm_os_volume_stats(1, 1) WHERE available_bytes > 0 AND "
               "total_bytes >= available_bytes AND available_bytes <> 7340032",
               "1\n");
    fx_expect (s_a, "SELECT * FROM sys.master_files f CROSS APPLY STRING_SPLIT(f.name, '_') s",
               "!40000\n");
}

static void
a_device_that_cannot_be_opened_tells_why (void **state)
{
    (void)state;
    static const struct {
        const char *path, *os;
    } cases[] = {{"%s/nowhere/x.bak", "error 3("},
                 {"%s/share", "error 5("},
                 {"Q:\\Backup\\x.bak", "error 3("},
                 {"\\\\nohost\\share\\x.bak", "error 53("}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        snprintf (text, sizeof text,
                  "BEGIN TRY BACKUP DATABASE d TO DISK = '%s' END TRY BEGIN "
                  "CATCH PRINT 'caught' END CATCH BACKUP DATABASE d TO DISK = "
                  "'%s'",
                  cases[i].path, cases[i].path);
        fx_expect (s_a, s_with (text), "#0 caught\n!3201\n!3013\n");
    }
    fx_expect (s_a, s_with ("RESTORE HEADERONLY FROM DISK = '%s/share/none.bak'"),
               "!3201\n!3013\n");
}

/*  ---- Windows' paths; from here on there are maps ---- */

static void
a_map_wants_a_windows_path_and_a_folder (void **state)
{
    char drive[128], share[128], file[128];
    (void)state;
    snprintf (drive, sizeof drive, "%s/drive", s_fx.directory);
    snprintf (share, sizeof share, "%s/share", s_fx.directory);
    snprintf (file, sizeof file, "%s/share/whole.bak", s_fx.directory);
    static const char *const bad[] = {"/backup",  "backup",     "1:\\x",       "D:x",
                                      "\\\\host", "\\\\host\\", "\\\\\\share", ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false (sh_path_map (s_fx.instance, bad[i], drive));
    assert_false (sh_path_map (s_fx.instance, "D:\\Backup", file));
    assert_false (sh_path_map (s_fx.instance, "D:\\Backup", "/no/such/folder"));
    assert_false (sh_path_windows (s_fx.instance));
    assert_true (sh_path_map (s_fx.instance, "D:\\Backup", drive));
    assert_true (sh_path_map (s_fx.instance, "\\\\nas\\sql backup$", share));
    assert_true (sh_path_map (s_fx.instance, "E:/", s_fx.directory));
}

static void
mapped_paths_lead_to_their_folder (void **state)
{
    static const struct {
        const char *windows, *local;
    } cases[] = {
        {"D:\\Backup\\x.bak", "%s/drive/x.bak"},
        {"d:/backup/a\\b.bak", "%s/drive/a/b.bak"},
        {"D:\\Backup", "%s/drive"},
        {"D:\\Backup\\..\\..\\..\\etc\\passwd", "%s/drive/etc/passwd"},
        {"D:\\Backup\\.\\a\\..\\b", "%s/drive/b"},
        {"\\\\NAS\\SQL Backup$\\'; DROP TABLE x --.bak", "%s/share/'; DROP TABLE x --.bak"},
        {"E:\\share\\Käse.bak", "%s/share/Käse.bak"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *local = sh_path_local (s_fx.instance, cases[i].windows);
        assert_string_equal (local, s_with (cases[i].local));
        free (local);
    }
    char *local = sh_path_local (s_fx.instance, "D:\\Backups\\x.bak"); /* no part of the map */
    assert_null (strstr (local, "/drive"));
    free (local);
    char *shown = sh_path_shown (s_fx.instance, s_with ("%s/share/a/b"));
    assert_string_equal (shown, "\\\\nas\\sql backup$\\a\\b");
    free (shown);
}

static void
backups_go_by_windows_paths_from_end_to_end (void **state)
{
    (void)state;
    fx_expect (
        s_a,
        "BACKUP DATABASE d TO DISK = 'D:\\Backup\\w.bak', DISK = '\\\\nas\\sql backup$\\w2.bak'",
        "#4035\n#3014\n");
    assert_true (s_is_there ("%s/drive/w.bak") && s_is_there ("%s/share/w2.bak"));
    fx_expect (s_a,
               "SELECT physical_device_name FROM msdb.dbo.backupmediafamily WHERE "
               "physical_device_name LIKE '%w%.bak' AND media_set_id = (SELECT MAX(media_set_id) "
               "FROM msdb.dbo.backupmediafamily) ORDER BY family_sequence_number",
               "D:\\Backup\\w.bak\n\\\\nas\\sql backup$\\w2.bak\n");
    fx_expect (s_a,
               "RESTORE VERIFYONLY FROM DISK = 'D:\\Backup\\w.bak', DISK = '\\\\NAS\\sql "
               "backup$\\w2.bak'",
               "#3262\n");
    fx_expect (s_a, "SELECT * FROM sys.dm_os_file_exists('D:\\Backup\\w.bak')", "1|0|1\n");
    fx_expect (s_a, "BACKUP DATABASE d TO DISK = 'D:\\Backup\\no\\w.bak'", "!3201\n!3013\n");
    fx_expect (s_a, "RESTORE HEADERONLY FROM DISK = 'D:\\Backup\\none.bak'", "!3201\n!3013\n");
    fx_expect (s_a, "EXEC xp_delete_file 0, 'D:\\Backup\\w.bak'", "=0\n");
    assert_false (s_is_there ("%s/drive/w.bak"));
}

static void
a_server_with_maps_shows_windows (void **state)
{
    (void)state;
    fx_expect (s_a, "EXEC sqlhost_fault N'disk_free', N'3145728'", "=0\n");
    fx_expect (s_a, "SELECT host_platform FROM sys.dm_os_host_info", "Windows\n");
    fx_expect (s_a, "SELECT fixed_drive_path FROM sys.dm_os_enumerate_fixed_drives",
               "D:\\\nE:\\\n");
    fx_expect (s_a, "EXEC xp_fixeddrives", "D|3\nE|3\n=0\n");
    /*  E: stands for the folder that the instance's files are in. */
    fx_expect (s_a,
               "SELECT DISTINCT v.volume_mount_point, v.available_bytes FROM sys.master_files f "
               "CROSS APPLY sys.dm_os_volume_stats(f.database_id, f.file_id) v",
               "E:\\|3145728\n");
    fx_expect (s_a,
               "SELECT COUNT(*) FROM sys.master_files WHERE physical_name NOT LIKE 'E:\\data\\%'",
               "0\n");
    fx_expect (s_a,
               "SELECT full_filesystem_path FROM sys.dm_os_enumerate_filesystem('E:\\tree', "
               "'TWO.*')",
               "E:\\tree\\a\\two.bak\n");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (files_are_looked_at),
        cmocka_unit_test (folders_are_made_and_listed),
        cmocka_unit_test (only_whole_backups_are_deleted),
        cmocka_unit_test (old_files_of_a_folder_are_deleted_by_extension_and_time),
        cmocka_unit_test (volumes_and_drives_tell_their_room),
        cmocka_unit_test (a_device_that_cannot_be_opened_tells_why),
        cmocka_unit_test (a_map_wants_a_windows_path_and_a_folder),
        cmocka_unit_test (mapped_paths_lead_to_their_folder),
        cmocka_unit_test (backups_go_by_windows_paths_from_end_to_end),
        cmocka_unit_test (a_server_with_maps_shows_windows)};
    return cmocka_run_group_tests (tests, s_setup, s_teardown);
}
