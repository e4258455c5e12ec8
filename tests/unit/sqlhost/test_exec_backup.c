/*  BACKUP as T-SQL, and the procedures and faults around it. */
#include <sys/stat.h>

#include "tests/unit/sqlhost/tsql_fixture.h"

static fx_t s_fx;
static fx_client_t *s_a;
static char s_sql[2000];

static int
s_setup (void **state)
{
    (void)state;
    fx_up (&s_fx);
    s_a = fx_client (&s_fx);
    fx_run (s_a, "CREATE DATABASE d");
    fx_expect (s_a, "USE d CREATE TABLE MarkLog (MarkName nvarchar(128) NULL)", "#5701\n");
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

static void
a_log_backup_needs_a_full_first (void **state)
{
    (void)state;
    fx_expect (s_a, s_with ("BACKUP LOG d TO DISK = '%s/x.bak' SELECT @@ERROR"),
               "!4214\n!3013\n3013\n");
    fx_expect (s_a, "SELECT COUNT(*) FROM msdb.dbo.backupset", "0\n");
}

static void
backups_tell_and_are_recorded (void **state)
{
    (void)state;
    fx_expect (s_a,
               s_with ("DECLARE @f nvarchar(500) = N'%s/d.bak', @d sysname = N'd' BACKUP DATABASE "
                       "@d TO DISK = "
                       "@f WITH CHECKSUM, NAME = N'mine'"),
               "#4035\n#3014\n");
    fx_expect (s_a, "BEGIN TRAN m WITH MARK INSERT MarkLog VALUES ('m') COMMIT", "");
    fx_expect (s_a, s_with ("BACKUP LOG d TO DISK = '%s/d.bak' WITH NO_COMPRESSION"),
               "#4035\n#3014\n");
    fx_expect (
        s_a,
        s_with (
            "SELECT b.type, b.position, b.name FROM msdb.dbo.backupset b JOIN "
            "msdb.dbo.backupmediafamily f ON f.media_set_id = b.media_set_id WHERE b.database_name "
            "= 'd' AND f.physical_device_name = N'%s/d.bak' ORDER BY b.backup_set_id"),
        "D|1|mine\nL|2|NULL\n");
    fx_expect (
        s_a,
        "SELECT COUNT(*) FROM msdb.dbo.backupset a JOIN msdb.dbo.backupset b ON b.first_lsn <= "
        "a.last_lsn JOIN msdb.dbo.logmarkhistory m ON m.lsn >= b.first_lsn AND m.lsn < b.last_lsn "
        "WHERE "
        "a.type = 'D' AND b.type = 'L' AND m.mark_name = 'm'",
        "1\n");
    fx_run (s_a, s_with ("RESTORE HEADERONLY FROM DISK = '%s/d.bak'"));
    assert_int_equal (s_a->column_count, 56);
    assert_int_equal (s_a->last_count, 2);
    fx_expect (s_a, s_with ("RESTORE VERIFYONLY FROM DISK = '%s/d.bak'"), "#3262\n");
}

static void
every_message_of_a_failure_comes (void **state)
{
    (void)state;
    fx_expect (s_a, "BACKUP DATABASE d TO DISK = '/no/such/folder/x.bak'", "!3201\n!3013\n");
    fx_expect (s_a, "BACKUP DATABASE nodb TO DISK = '/tmp/x.bak'", "!911\n!3013\n");
    fx_expect (s_a, "BEGIN TRAN BACKUP DATABASE d TO DISK = '/tmp/x.bak' ROLLBACK",
               "!3021\n!3013\n");
    fx_expect (s_a,
               "ALTER DATABASE d SET RECOVERY SIMPLE BACKUP LOG d TO DISK = '/tmp/x.bak' ALTER "
               "DATABASE d SET "
               "RECOVERY FULL",
               "!4208\n!3013\n");
    /*  In a TRY only the last one is seen. */
    fx_expect (
        s_a,
        "BEGIN TRY BACKUP DATABASE d TO DISK = '/no/such/folder/x.bak' END TRY BEGIN CATCH SELECT "
        "ERROR_NUMBER(), @@ERROR END CATCH",
        "3013|3013\n");
}

static void
progress_is_seen_from_another_session (void **state)
{
    (void)state;
    fx_client_t *b = fx_client (&s_fx);
    fx_expect (s_a, "EXEC sqlhost_fault N'backup_hold_after', N'1'", "=0\n");
    fx_start (b, s_with ("BACKUP DATABASE d TO DISK = '%s/slow.bak' WITH STATS = 10"));
    for (int ms = 0; ms < FX_DEADLINE_MS; ms++) {
        fx_run (s_a, "SELECT command FROM sys.dm_exec_requests WHERE command LIKE 'BACKUP%' AND "
                     "percent_complete >= 0 "
                     "AND session_id <> @@SPID");
        if (strcmp (s_a->out, "BACKUP DATABASE\n") == 0)
            break;
        poll (NULL, 0, 1);
    }
    assert_string_equal (s_a->out, "BACKUP DATABASE\n");
    fx_expect (s_a, "EXEC sqlhost_fault N'backup_hold_after', N'0'", "=0\n");
    fx_join (b);
    assert_non_null (strstr (b->out, "#3014\n"));
    fx_leave (b);
}

static void
an_attention_ends_a_backup (void **state)
{
    (void)state;
    fx_client_t *b = fx_client (&s_fx);
    fx_expect (s_a, "EXEC sqlhost_fault N'backup_hold_after', N'1'", "=0\n");
    fx_start (b, s_with ("BACKUP DATABASE d TO DISK = '%s/cancelled.bak'"));
    fx_until_waits (b, "BACKUP");
    s_fx.backend->cancel (b->session, SH_CANCEL_ATTENTION);
    fx_join (b);
    assert_int_equal (b->run, SH_RUN_CANCELLED);
    fx_expect (s_a, "EXEC sqlhost_fault N'all', N'off'", "=0\n");
    fx_leave (b);
    fx_expect (s_a,
               "SELECT COUNT(*) FROM msdb.dbo.backupmediafamily WHERE physical_device_name LIKE "
               "'%cancelled%'",
               "0\n");
}

static void
faults_strike_when_told (void **state)
{
    (void)state;
    fx_expect (s_a, "EXEC sqlhost_fault N'error_at', N'2:1205'", "=0\n");
    fx_run (s_a, "SELECT 1");
    assert_string_equal (s_a->out, "1\n");
    fx_run (s_a, "SELECT 2");
    assert_string_equal (s_a->out, "!1205\n");
    fx_expect (s_a, "SELECT 3", "3\n");
    fx_expect (s_a, "EXEC sqlhost_fault N'nonsense', N'1'", "!50000\n=1\n");
    fx_expect (s_a, "EXEC sqlhost_fault N'drop_at', N'1'", "=0\n");
    fx_client_t *b = fx_client (&s_fx);
    assert_int_equal (fx_run (b, "SELECT 1"), SH_RUN_DROP);
    fx_leave (b);
    fx_expect (s_a, "EXEC sqlhost_fault N'refuse_login', N'1'", "=0\n");
    fx_client_t refused;
    assert_int_equal (fx_open_as (&s_fx, &refused, "sa", "secret", ""), SH_OPEN_REFUSED);
    assert_string_equal (refused.out, "!18456\n");
    fx_expect (s_a, "EXEC sqlhost_fault N'all', N'off'", "=0\n");
}

static void
application_locks_exclude_and_time_out (void **state)
{
    (void)state;
    fx_client_t *b = fx_client (&s_fx);
    fx_expect (b, "USE d", "#5701\n");
    const char *take = "DECLARE @rc int EXEC @rc = sp_getapplock @Resource = N'L', @LockMode = "
                       "'Exclusive', @LockOwner "
                       "= 'Session', @LockTimeout = 0 SELECT @rc";
    fx_expect (s_a, take, "=0\n0\n");
    fx_expect (b, take, "=-1\n-1\n");
    fx_expect (b,
               "SELECT APPLOCK_MODE('public', 'L', 'Session'), APPLOCK_TEST('public', 'L', "
               "'Exclusive', 'Session')",
               "NoLock|0\n");
    fx_expect (b, "USE master", "#5701\n");
    fx_expect (b, take, "=0\n0\n"); /* another database, another lock */
    fx_expect (b, "USE d", "#5701\n");
    fx_start (b,
              "DECLARE @rc int EXEC @rc = sp_getapplock N'L', 'Exclusive', 'Session' SELECT @rc");
    fx_until_waits (b, "LCK");
    fx_expect (s_a, "EXEC sp_releaseapplock @Resource = N'L', @LockOwner = 'Session'", "=0\n");
    fx_join (b);
    assert_string_equal (b->out, "=1\n1\n");
    fx_expect (s_a, "EXEC sp_releaseapplock N'L', 'Session'", "!1223\n=-999\n");
    fx_leave (b);
    fx_expect (s_a, take, "=0\n0\n"); /* the session's end released it */
}

static void
logins_are_checked (void **state)
{
    (void)state;
    fx_client_t c;
    assert_int_equal (fx_open_as (&s_fx, &c, "sa", "wrong", ""), SH_OPEN_REFUSED);
    assert_string_equal (c.out, "!18456\n");
    assert_string_equal (c.last_text, "Login failed for user 'sa'.");
    assert_int_equal (fx_open_as (&s_fx, &c, "nobody", "secret", ""), SH_OPEN_REFUSED);
    assert_int_equal (fx_open_as (&s_fx, &c, "sa", "secret", "nodb"), SH_OPEN_REFUSED);
    assert_string_equal (c.out, "!4060\n!18456\n");
    fx_expect (s_a,
               "CREATE LOGIN bob WITH PASSWORD = N'b0b', DEFAULT_DATABASE = d, CHECK_POLICY = OFF",
               "");
    fx_expect (s_a, "CREATE LOGIN bob WITH PASSWORD = N'b0b'", "!15025\n");
    fx_expect (s_a,
               "CREATE USER bob FOR LOGIN bob CREATE ROLE r ALTER ROLE r ADD MEMBER bob GRANT "
               "SELECT ON MarkLog TO r",
               "");
    assert_int_equal (fx_open_as (&s_fx, &c, "bob", "b0b", ""), SH_OPEN_OK);
    assert_string_equal (c.opened.database, "d");
    fx_expect (&c,
               "SELECT IS_SRVROLEMEMBER('sysadmin'), IS_MEMBER('r'), SUSER_SNAME(), USER_NAME()",
               "0|1|bob|bob\n");
    s_fx.backend->close (c.session);
    fx_expect (s_a, "ALTER LOGIN bob DISABLE", "");
    assert_int_equal (fx_open_as (&s_fx, &c, "bob", "b0b", ""), SH_OPEN_REFUSED);
    fx_expect (s_a, "GRANT SELECT ON MarkLog TO nobody", "!15151\n");
    fx_expect (s_a, "GRANT SELECT ON nothing TO r", "!15151\n");
}

static void
an_offline_database_is_refused (void **state)
{
    (void)state;
    fx_expect (s_a, "USE master", "#5701\n");
    fx_expect (s_a, "ALTER DATABASE d SET OFFLINE WITH ROLLBACK IMMEDIATE", "");
    fx_expect (s_a, "USE d", "!942\n");
    fx_expect (s_a, "SELECT * FROM d.dbo.MarkLog", "!942\n");
    fx_expect (s_a, "BACKUP LOG d TO DISK = '/tmp/x'", "!942\n!3013\n");
    fx_expect (s_a, "ALTER DATABASE d SET ONLINE SELECT COUNT(*) FROM d.dbo.MarkLog", "3\n");
}

/*  ---- media sets and options ---- */

/*  Rows enough for several chunks, and easy to compress. */
static void
s_fill (void)
{
    fx_expect (s_a, "IF OBJECT_ID('Filler') IS NOT NULL DROP TABLE Filler", "");
    fx_expect (s_a,
               "CREATE TABLE Filler (t nvarchar(2000)) "
               "INSERT Filler VALUES (REPLICATE(N'a quiet line ', 150))",
               "");
    for (int i = 0; i < 9; i++)
        fx_run (s_a, "INSERT Filler SELECT t FROM Filler");
    assert_int_equal (s_a->last_count, 256);
}

static void
stripes_make_one_media_set_and_are_all_needed (void **state)
{
    (void)state;
    s_fill ();
    fx_expect (s_a,
               s_with ("BACKUP DATABASE d TO DISK = '%s/s1', DISK = '%s/s2', DISK = '%s/s3' WITH "
                       "FORMAT, CHECKSUM, MAXTRANSFERSIZE = 131072, BUFFERCOUNT = 7, BLOCKSIZE = "
                       "4096, NAME = N'striped'"),
               "#4035\n#3014\n");
    fx_expect (s_a,
               s_with ("SELECT f.family_sequence_number, RIGHT(f.physical_device_name, 3), "
                       "f.physical_block_size, s.media_family_count, b.last_family_number FROM "
                       "msdb.dbo.backupset b JOIN msdb.dbo.backupmediaset s ON s.media_set_id = "
                       "b.media_set_id JOIN msdb.dbo.backupmediafamily f ON f.media_set_id = "
                       "b.media_set_id WHERE b.name = 'striped' ORDER BY 1"),
               "1|/s1|4096|3|3\n2|/s2|4096|3|3\n3|/s3|4096|3|3\n");
    fx_expect (s_a,
               s_with ("RESTORE VERIFYONLY FROM DISK = '%s/s3', DISK = '%s/s1', DISK = '%s/s2' "
                       "WITH CHECKSUM"),
               "#3262\n");
    fx_expect (s_a, s_with ("RESTORE VERIFYONLY FROM DISK = '%s/s1', DISK = '%s/s2'"),
               "!3132\n!3013\n");
    fx_expect (s_a, s_with ("RESTORE VERIFYONLY FROM DISK = '%s/s1', DISK = '%s/s1'"),
               "!3227\n!3013\n");
    fx_run (s_a, s_with ("RESTORE HEADERONLY FROM DISK = '%s/s2'"));
    assert_int_equal (s_a->last_count, 1);
    assert_int_equal (strncmp (s_a->out, "striped|NULL|1|", 15), 0);
    fx_run (s_a, s_with ("RESTORE HEADERONLY FROM DISK = '%s/s2', DISK = '%s/s1'"));
    assert_int_equal (s_a->last_count, 1);
}

static void
what_does_not_fit_a_media_set_is_refused (void **state)
{
    (void)state;
    const char *one = "BACKUP LOG d TO DISK = '%s/s1'";
    fx_expect (s_a, s_with (one), "!3231\n!3013\n");
    fx_expect (s_a, s_with ("BACKUP LOG d TO DISK = '%s/s1', DISK = '%s/s3', DISK = '%s/s2'"),
               "!3258\n!3013\n");
    fx_expect (s_a, s_with ("BACKUP LOG d TO DISK = '%s/one' WITH NO_COMPRESSION"),
               "#4035\n#3014\n");
    fx_expect (s_a, s_with ("BACKUP LOG d TO DISK = '%s/one', DISK = '%s/two'"), "!3259\n!3013\n");
    fx_expect (s_a, s_with ("BACKUP LOG d TO DISK = '%s/one' WITH COMPRESSION"), "!3098\n!3013\n");
    fx_expect (s_a, s_with ("BACKUP LOG d TO DISK = '%s/one' WITH INIT, COMPRESSION"),
               "!3098\n!3013\n");
    fx_expect (s_a, s_with ("BACKUP LOG d TO DISK = '%s/one' WITH FORMAT, COMPRESSION"),
               "#4035\n#3014\n");
    fx_expect (s_a, s_with ("BACKUP LOG d TO DISK = '%s/one'"), "#4035\n#3014\n");
    fx_expect (s_a,
               s_with ("SELECT position, has_backup_checksums FROM msdb.dbo.backupset WHERE "
                       "backup_set_id IN (SELECT TOP 2 backup_set_id FROM msdb.dbo.backupset ORDER "
                       "BY backup_set_id DESC) ORDER BY 1"),
               "1|1\n2|1\n"); /* compressed as the media set is, so with checksums */
    fx_expect (s_a, s_with ("RESTORE VERIFYONLY FROM DISK = '%s/s1', DISK = '%s/one'"),
               "!3258\n!3013\n");
    fx_expect (s_a, s_with ("RESTORE VERIFYONLY FROM DISK = '%s/d.bak' WITH FILE = 2, CHECKSUM"),
               "!3187\n!3013\n");
    fx_expect (s_a, s_with ("RESTORE VERIFYONLY FROM DISK = '%s/d.bak' WITH FILE = 9"),
               "!3287\n!3013\n");
}

static void
init_keeps_the_media_set_and_format_makes_a_new_one (void **state)
{
    (void)state;
    const char *media = "SELECT COUNT(*), COUNT(DISTINCT media_set_id), MAX(position) FROM "
                        "msdb.dbo.backupset WHERE description = 'turn'";
    fx_expect (s_a, s_with ("BACKUP LOG d TO DISK = '%s/turn' WITH DESCRIPTION = 'turn'"),
               "#4035\n#3014\n");
    fx_expect (s_a, s_with ("BACKUP LOG d TO DISK = '%s/turn' WITH INIT, DESCRIPTION = 'turn'"),
               "#4035\n#3014\n");
    fx_expect (s_a, media, "2|1|1\n");
    fx_run (s_a, s_with ("RESTORE HEADERONLY FROM DISK = '%s/turn'"));
    assert_int_equal (s_a->last_count, 1);
    fx_expect (s_a,
               s_with ("BACKUP LOG d TO DISK = '%s/turn' WITH FORMAT, RETAINDAYS = 3, MEDIANAME = "
                       "N'tape', DESCRIPTION = 'turn'"),
               "#4035\n#3014\n");
    fx_expect (s_a, media, "3|2|1\n");
    fx_expect (s_a, s_with ("BACKUP LOG d TO DISK = '%s/turn' WITH INIT"), "!4030\n!3013\n");
    fx_expect (s_a, s_with ("BACKUP LOG d TO DISK = '%s/turn' WITH INIT, SKIP"), "#4035\n#3014\n");
    fx_expect (s_a, "SELECT COUNT(*) FROM msdb.dbo.backupmediaset WHERE name = N'tape'", "1\n");
}

static void
compression_makes_smaller_files (void **state)
{
    (void)state;
    struct stat plain, packed;
    fx_expect (s_a, s_with ("BACKUP DATABASE d TO DISK = '%s/plain' WITH COPY_ONLY, NAME = 'p'"),
               "#4035\n#3014\n");
    fx_expect (
        s_a,
        s_with ("BACKUP DATABASE d TO DISK = '%s/packed' WITH COPY_ONLY, COMPRESSION, NAME = "
                "'c'"),
        "#4035\n#3014\n");
    fx_expect (s_a,
               "SELECT name, CASE WHEN compressed_backup_size * 5 < backup_size THEN 1 ELSE 0 END, "
               "has_backup_checksums FROM msdb.dbo.backupset WHERE name IN ('p', 'c') ORDER BY "
               "backup_set_id",
               "p|0|0\nc|1|1\n");
    assert_int_equal (stat (s_with ("%s/plain"), &plain), 0);
    assert_int_equal (stat (s_with ("%s/packed"), &packed), 0);
    assert_true (packed.st_size * 5 < plain.st_size);
    fx_expect (s_a, "EXEC sp_configure 'backup compression default', 1", "#15457\n=0\n");
    fx_expect (s_a,
               "SELECT value, value_in_use FROM sys.configurations WHERE configuration_id = 1579",
               "1|0\n");
    fx_expect (s_a, "RECONFIGURE", "");
    fx_expect (s_a, s_with ("BACKUP DATABASE d TO DISK = '%s/dflt' WITH COPY_ONLY, NAME = 'z'"),
               "#4035\n#3014\n");
    fx_expect (s_a,
               "SELECT s.is_compressed FROM msdb.dbo.backupset b JOIN msdb.dbo.backupmediaset s ON "
               "s.media_set_id = b.media_set_id WHERE b.name = 'z'",
               "1\n");
    fx_expect (s_a, "EXEC sp_configure 'backup compression', 0 RECONFIGURE", "#15457\n=0\n");
    fx_expect (s_a, "EXEC sp_configure 'no such option', 0", "!15123\n=1\n");
    fx_expect (s_a, "EXEC sp_configure 'remote access', 7", "!15129\n=1\n");
}

static void
options_that_sql_server_refuses_are_refused (void **state)
{
    (void)state;
    static const struct {
        const char *with, *out;
    } cases[] = {{"MAXTRANSFERSIZE = 65536", "#4035\n#3014\n"},
                 {"MAXTRANSFERSIZE = 4194304", "#4035\n#3014\n"},
                 {"MAXTRANSFERSIZE = 65537", "!3217\n!3013\n"},
                 {"MAXTRANSFERSIZE = 4259840", "!3217\n!3013\n"},
                 {"MAXTRANSFERSIZE = 0", "!3217\n!3013\n"},
                 {"BLOCKSIZE = 65536", "#4035\n#3014\n"},
                 {"BLOCKSIZE = 1000", "!3217\n!3013\n"},
                 {"BUFFERCOUNT = 0", "!3217\n!3013\n"},
                 {"CHECKSUM, NO_CHECKSUM", "!3031\n!3013\n"},
                 {"FORMAT, NOINIT", "!3031\n!3013\n"},
                 {"COMPRESSION = 1", "!40000\n"},
                 {"ENCRYPTION (ALGORITHM = AES_256, SERVER CERTIFICATE = [a cert])", "!40000\n"},
                 {"COMPRESSION (ALGORITHM = ZSTD, LEVEL = HIGH)", "!40000\n"},
                 {"ENCRYPTION (ALGORITHM = AES_256, SERVER = x)", "!102\n"},
                 {"DIFFERENTIAL", "!40000\n"},
                 {"NO_SUCH_OPTION", "!40000\n"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[300];
        snprintf (text, sizeof text, "BACKUP DATABASE d TO DISK = '%%s/o%zu' WITH COPY_ONLY, %s", i,
                  cases[i].with);
        fx_expect (s_a, s_with (text), cases[i].out);
    }
    fx_expect (s_a,
               "BACKUP DATABASE d TO URL = N'https://x.example/c/d.bak' WITH CREDENTIAL = N'key'",
               "!40000\n");
    assert_string_equal (s_a->last_text,
                         "A backup device of type URL is not supported by sqlhost.");
}

/*  ---- faults ---- */

static void
a_backup_is_good_when_only_its_history_failed (void **state)
{
    (void)state;
    fx_expect (s_a, "EXEC sqlhost_fault N'history_fail', N'1'", "=0\n");
    fx_expect (s_a, s_with ("BACKUP LOG d TO DISK = '%s/h.trn' SELECT @@ERROR"),
               "#4035\n#3014\n!3009\n3009\n");
    fx_expect (s_a,
               "SELECT COUNT(*) FROM msdb.dbo.backupmediafamily WHERE physical_device_name LIKE "
               "'%/h.trn'",
               "0\n");
    fx_expect (s_a, s_with ("RESTORE VERIFYONLY FROM DISK = '%s/h.trn'"), "#3262\n");
    fx_run (s_a, s_with ("RESTORE HEADERONLY FROM DISK = '%s/h.trn'"));
    assert_int_equal (s_a->last_count, 1);
    /*  The chain goes on behind it. */
    fx_expect (s_a, s_with ("BACKUP LOG d TO DISK = '%s/i.trn'"), "#4035\n#3014\n");
}

static void
a_full_disk_leaves_a_part_that_nothing_can_be_appended_to (void **state)
{
    (void)state;
    struct stat info;
    fx_expect (s_a, "EXEC sqlhost_fault N'disk_full_after', N'100000'", "=0\n");
    fx_expect (s_a, s_with ("BACKUP DATABASE d TO DISK = '%s/part' WITH COPY_ONLY"),
               "!3202\n!3013\n");
    fx_expect (s_a, "EXEC sqlhost_fault N'disk_full_after', N'0'", "=0\n");
    assert_int_equal (stat (s_with ("%s/part"), &info), 0);
    assert_true (info.st_size > 50000 && info.st_size <= 100000);
    fx_expect (s_a, s_with ("RESTORE VERIFYONLY FROM DISK = '%s/part'"), "!3256\n!3013\n");
    fx_expect (s_a, s_with ("BACKUP DATABASE d TO DISK = '%s/part' WITH COPY_ONLY"),
               "!3266\n!3013\n");
    fx_expect (s_a, s_with ("BACKUP DATABASE d TO DISK = '%s/part' WITH COPY_ONLY, INIT"),
               "#4035\n#3014\n");
    fx_expect (s_a, s_with ("RESTORE VERIFYONLY FROM DISK = '%s/part'"), "#3262\n");
}

static void
the_file_list_names_both_files_with_their_sizes (void **state)
{
    (void)state;
    fx_expect (s_a, s_with ("BACKUP DATABASE d TO DISK = '%s/list' WITH COPY_ONLY"),
               "#4035\n#3014\n");
    fx_run (s_a, s_with ("RESTORE FILELISTONLY FROM DISK = '%s/list'"));
    assert_int_equal (s_a->column_count, 22);
    assert_int_equal (s_a->last_count, 2);
    assert_int_equal (strncmp (s_a->out, "d|", 2), 0);
    assert_non_null (strstr (s_a->out, "\nd_log|"));
    assert_non_null (strstr (s_a->out, "|D|PRIMARY|8388608|"));
    assert_non_null (strstr (s_a->out, "|L|NULL|8388608|"));
}

static void
a_log_says_what_it_waits_for (void **state)
{
    (void)state;
    const char *wait = "SELECT log_reuse_wait, log_reuse_wait_desc FROM sys.databases WHERE name = "
                       "'d'";
    fx_client_t *b = fx_client (&s_fx);
    fx_expect (s_a, "INSERT MarkLog VALUES ('w')", "");
    fx_expect (s_a, wait, "2|LOG_BACKUP\n");
    fx_expect (s_a, s_with ("BACKUP LOG d TO DISK = '%s/w.trn'"), "#4035\n#3014\n");
    fx_expect (s_a, wait, "0|NOTHING\n");
    fx_expect (b, "BEGIN TRAN INSERT d.dbo.MarkLog VALUES ('open')", "");
    fx_expect (s_a, wait, "4|ACTIVE_TRANSACTION\n");
    fx_expect (b, "COMMIT", "");
    fx_expect (s_a, wait, "2|LOG_BACKUP\n");
    fx_expect (s_a, "EXEC sqlhost_fault N'backup_hold_after', N'1'", "=0\n");
    fx_start (b, s_with ("BACKUP DATABASE d TO DISK = '%s/w.bak' WITH COPY_ONLY"));
    fx_until_waits (b, "BACKUP");
    fx_expect (s_a, "EXEC sqlhost_fault N'backup_hold_after', N'0'", "=0\n");
    fx_join (b);
    fx_leave (b);
    fx_expect (s_a, "ALTER DATABASE d SET DELAYED_DURABILITY = FORCED", "");
    fx_expect (s_a,
               "SELECT delayed_durability, delayed_durability_desc, recovery_model_desc FROM "
               "sys.databases WHERE name = 'd'",
               "2|FORCED|FULL\n");
    fx_expect (s_a, "ALTER DATABASE d SET DELAYED_DURABILITY = DISABLED", "");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_log_backup_needs_a_full_first),
        cmocka_unit_test (backups_tell_and_are_recorded),
        cmocka_unit_test (every_message_of_a_failure_comes),
        cmocka_unit_test (progress_is_seen_from_another_session),
        cmocka_unit_test (an_attention_ends_a_backup),
        cmocka_unit_test (faults_strike_when_told),
        cmocka_unit_test (application_locks_exclude_and_time_out),
        cmocka_unit_test (logins_are_checked),
        cmocka_unit_test (stripes_make_one_media_set_and_are_all_needed),
        cmocka_unit_test (what_does_not_fit_a_media_set_is_refused),
        cmocka_unit_test (init_keeps_the_media_set_and_format_makes_a_new_one),
        cmocka_unit_test (compression_makes_smaller_files),
        cmocka_unit_test (options_that_sql_server_refuses_are_refused),
        cmocka_unit_test (a_backup_is_good_when_only_its_history_failed),
        cmocka_unit_test (a_full_disk_leaves_a_part_that_nothing_can_be_appended_to),
        cmocka_unit_test (the_file_list_names_both_files_with_their_sizes),
        cmocka_unit_test (a_log_says_what_it_waits_for),
        cmocka_unit_test (an_offline_database_is_refused)};
    return cmocka_run_group_tests (tests, s_setup, s_teardown);
}
