/*  Names that an administrator may well use, and names that somebody hopes will be pasted into SQL. */
#include <sys/stat.h>

#include "tests/unit/sqlhost/tsql_fixture.h"

static fx_t s_fx;
static fx_client_t *s_a;

static const char *const s_names[] = {"a b",
                                      "it's",
                                      "br[ack]et]",
                                      "quo\"ted",
                                      "Käse-Überträge 日本語",
                                      "x'; DROP TABLE msdb.dbo.backupset; --",
                                      "per%cent_under",
                                      "dot.dot.dot",
                                      "semi;colon--comment/*x*/",
                                      "back\\slash",
                                      "select"};

enum { S_COUNT = sizeof s_names / sizeof s_names[0] };

static int
s_setup (void **state)
{
    (void)state;
    fx_up (&s_fx);
    s_a = fx_client (&s_fx);
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

/*  %b stands for the name in brackets, %q for it within a literal, %l for the former within the latter,
 *  %s for the folder. */
static const char *
s_with (const char *text, const char *name)
{
    static char out[4000];
    size_t used = 0;
    for (const char *c = text; *c && used + 600 < sizeof out; c++) {
        if (*c != '%') {
            out[used++] = *c;
            continue;
        }
        char kind = *++c;
        if (kind == 's') {
            used += (size_t)snprintf (out + used, sizeof out - used, "%s", s_fx.directory);
            continue;
        }
        bool bracket = kind != 'q', quote = kind != 'b';
        if (bracket)
            out[used++] = '[';
        for (const char *n = name; *n; n++) {
            out[used++] = *n;
            if ((bracket && *n == ']') || (quote && *n == '\''))
                out[used++] = *n;
        }
        if (bracket)
            out[used++] = ']';
    }
    out[used] = 0;
    return out;
}

static void
s_expect (const char *sql, const char *name, const char *lines)
{
    char text[4000];
    snprintf (text, sizeof text, "%s", s_with (sql, name));
    fx_expect (s_a, text, lines);
}

static void
databases_of_any_name_are_made_backed_up_and_dropped (void **state)
{
    (void)state;
    for (size_t i = 0; i < S_COUNT; i++) {
        const char *name = s_names[i];
        char wanted[300];
        s_expect ("CREATE DATABASE %b", name, "");
        snprintf (wanted, sizeof wanted, "%s|%s|0\n", name, name);
        s_expect ("SELECT name, DB_NAME(DB_ID(N'%q')), CASE WHEN HAS_PERMS_BY_NAME(N'%l', "
                  "N'DATABASE', N'BACKUP LOG') = 1 THEN 0 END FROM sys.databases WHERE name = "
                  "N'%q'",
                  name, wanted);
        s_expect ("USE %b CREATE TABLE t (v nvarchar(200)) INSERT t VALUES (N'%q') USE master",
                  name, "#5701\n#5701\n");
        snprintf (wanted, sizeof wanted, "%s\n", name);
        s_expect ("SELECT v FROM %b.dbo.t", name, wanted);
        s_expect ("BACKUP DATABASE %b TO DISK = N'%s/plain.bak' WITH FORMAT, NAME = N'%q'", name,
                  "#4035\n#3014\n");
        s_expect (
            "SELECT TOP (1) database_name FROM msdb.dbo.backupset WHERE name = N'%q' ORDER BY "
            "backup_set_id DESC",
            name, wanted);
        fx_run (s_a, s_with ("RESTORE HEADERONLY FROM DISK = N'%s/plain.bak'", name));
        assert_int_equal (strncmp (s_a->out, name, strlen (name)), 0);
        s_expect ("DROP DATABASE %b", name, "");
    }
    fx_expect (s_a, "SELECT CASE WHEN COUNT(*) > 8 THEN 1 END FROM msdb.dbo.backupset", "1\n");
}

static void
files_of_any_name_are_written_found_and_deleted (void **state)
{
    (void)state;
    s_expect ("CREATE DATABASE d", "", "");
    for (size_t i = 0; i < S_COUNT; i++) {
        const char *name = s_names[i];
        if (strchr (name, '\\') || strchr (name, '/'))
            continue; /* these part folders */
        s_expect ("EXEC xp_create_subdir N'%s/%q'", name, "=0\n");
        s_expect ("BACKUP DATABASE d TO DISK = N'%s/%q/%q.bak'", name, "#4035\n#3014\n");
        s_expect ("SELECT file_exists FROM sys.dm_os_file_exists(N'%s/%q/%q.bak')", name, "1\n");
        s_expect ("SELECT COUNT(*) FROM msdb.dbo.backupmediafamily WHERE physical_device_name = "
                  "N'%s/%q/%q.bak'",
                  name, "1\n");
        s_expect ("RESTORE VERIFYONLY FROM DISK = N'%s/%q/%q.bak'", name, "#3262\n");
        s_expect ("EXEC xp_delete_file 0, N'%s/%q/%q.bak'", name, "=0\n");
        s_expect ("SELECT file_exists FROM sys.dm_os_file_exists(N'%s/%q/%q.bak')", name, "0\n");
    }
}

static void
marks_logins_and_procedures_of_any_name_work (void **state)
{
    (void)state;
    s_expect ("USE d CREATE TABLE MarkLog (MarkName nvarchar(128))", "", "#5701\n");
    for (size_t i = 0; i < S_COUNT; i++) {
        const char *name = s_names[i];
        char wanted[300];
        snprintf (wanted, sizeof wanted, "%s\n", name);
        if (strlen (name) <= 32) { /* longer marks are cut */
            s_expect ("DECLARE @m nvarchar(32) = N'%q' BEGIN TRAN @m WITH MARK @m INSERT MarkLog "
                      "VALUES (@m) COMMIT",
                      name, "");
            s_expect ("SELECT mark_name FROM msdb.dbo.logmarkhistory WHERE mark_name = N'%q'", name,
                      wanted);
        }
        s_expect ("EXEC (N'CREATE PROCEDURE %b AS SELECT DB_NAME()')", "plain", "");
        s_expect ("DROP PROCEDURE plain", "", "");
        if (strchr (name, '\\'))
            continue; /* a Windows account's name */
        s_expect ("CREATE LOGIN %b WITH PASSWORD = N'secret' CREATE USER %b FOR LOGIN %b GRANT "
                  "SELECT ON MarkLog TO %b",
                  name, "");
        fx_client_t other;
        assert_int_equal (fx_open_as (&s_fx, &other, name, "secret", "d"), SH_OPEN_OK);
        fx_expect (&other, "SELECT SUSER_SNAME()", wanted);
        fx_run (&other, "SELECT COUNT(*) FROM MarkLog");
        assert_null (strchr (other.out, '!'));
        s_fx.backend->close (other.session);
        s_expect ("DROP USER %b DROP LOGIN %b", name, "");
    }
    s_expect ("USE master", "", "#5701\n");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (databases_of_any_name_are_made_backed_up_and_dropped),
        cmocka_unit_test (files_of_any_name_are_written_found_and_deleted),
        cmocka_unit_test (marks_logins_and_procedures_of_any_name_work)};
    return cmocka_run_group_tests (tests, s_setup, s_teardown);
}
