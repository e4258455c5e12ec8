/*  INSERT, UPDATE, DELETE, tables and what guards them. */
#include "tests/unit/sqlhost/tsql_fixture.h"

static fx_t s_fx;
static fx_client_t *s_a;

static int
s_setup (void **state)
{
    (void)state;
    fx_up (&s_fx);
    s_a = fx_client (&s_fx);
    fx_run (s_a, "CREATE DATABASE d");
    fx_expect (s_a, "USE d", "#5701\n");
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

static int
s_table (void **state)
{
    (void)state;
    fx_run (s_a, "SET XACT_ABORT OFF IF @@TRANCOUNT > 0 ROLLBACK IF OBJECT_ID('t') IS NOT NULL "
                 "DROP TABLE t");
    fx_expect (s_a,
               "CREATE TABLE t (id int IDENTITY NOT NULL PRIMARY KEY, a nvarchar(5) NOT NULL "
               "CONSTRAINT DF_a "
               "DEFAULT N'def', b int NULL CONSTRAINT CK_b CHECK (b > 0), c datetime NULL DEFAULT "
               "(getdate()), "
               "CONSTRAINT UQ_b UNIQUE (b))",
               "");
    return 0;
}

static void
insert_takes_values_queries_procedures_and_defaults (void **state)
{
    (void)state;
    fx_expect (s_a,
               "INSERT t (a, b) VALUES ('x', 1), (N'y', 2) SELECT @@ROWCOUNT, @@IDENTITY, "
               "SCOPE_IDENTITY()",
               "2|2|2\n");
    assert_int_equal (s_a->last_count, 1);
    fx_expect (s_a, "INSERT INTO t (b, a) SELECT b + 10, a FROM t SELECT COUNT(*) FROM t", "4\n");
    fx_expect (s_a, "INSERT t DEFAULT VALUES SELECT a, b FROM t WHERE id = 5", "def|NULL\n");
    fx_expect (s_a, "INSERT t (a, b) VALUES (DEFAULT, 50) SELECT a FROM t WHERE b = 50", "def\n");
    fx_expect (
        s_a,
        "INSERT t (a) EXEC ('SELECT ''one'' UNION ALL SELECT ''two''') SELECT COUNT(*) FROM t "
        "WHERE a IN ('one', 'two')",
        "!2627\n0\n"); /* two NULLs are duplicates in a UNIQUE constraint */
    fx_expect (
        s_a,
        "DELETE t WHERE b IS NULL INSERT t (b) EXEC ('SELECT 70') SELECT COUNT(*) FROM t WHERE b "
        "= 70",
        "1\n");
    fx_expect (s_a, "SELECT COUNT(*) FROM t WHERE c IS NULL", "0\n");
}

static void
insert_refuses_what_does_not_fit (void **state)
{
    (void)state;
    fx_expect (s_a, "INSERT t VALUES ('x')", "!109\n");
    fx_expect (s_a, "INSERT t (a) SELECT 1, 2", "!121\n");
    fx_expect (s_a, "INSERT t SELECT 1", "!213\n");
    fx_expect (s_a, "INSERT t (zz) VALUES (1)", "!207\n");
    fx_expect (s_a, "INSERT t (id) VALUES (1)", "!544\n");
    fx_expect (
        s_a,
        "SET IDENTITY_INSERT t ON INSERT t (id, a, b) VALUES (100, 'x', 1) SET IDENTITY_INSERT t "
        "OFF INSERT t (a, b) VALUES ('y', 2) SELECT id FROM t",
        "100\n101\n");
    fx_expect (s_a, "INSERT t (a, b) VALUES ('toolong', 9)", "!2628\n");
    fx_expect (s_a, "INSERT t (a, b) VALUES ('ok   ', 9)", "");
    fx_expect (s_a, "INSERT t (a) VALUES (NULL)", "!515\n");
    fx_expect (s_a, "INSERT t (b) VALUES (-1)", "!547\n");
    fx_expect (s_a, "INSERT t (b) VALUES (9)", "!2627\n");
    fx_expect (s_a, "INSERT nowhere VALUES (1)", "!208\n");
    fx_expect (s_a, "UPDATE t SET id = 1", "!8102\n");
}

static void
update_may_join_and_swap (void **state)
{
    (void)state;
    fx_expect (s_a, "INSERT t (a, b) VALUES ('x', 1), ('y', 2), ('z', 3)", "");
    fx_expect (s_a,
               "UPDATE t SET b = b + 10, a = a + 'u' WHERE b < 3 SELECT @@ROWCOUNT SELECT a, b "
               "FROM t ORDER "
               "BY id",
               "2\nxu|11\nyu|12\nz|3\n");
    fx_expect (s_a,
               "UPDATE x SET a = v.n FROM t AS x JOIN (VALUES (11, 'eins'), (3, 'drei')) v (b, n) "
               "ON v.b = "
               "x.b SELECT a FROM t ORDER BY id",
               "eins\nyu\ndrei\n");
    fx_expect (s_a, "DECLARE @old int UPDATE t SET @old = b = b + 100 WHERE b = 3 SELECT @old",
               "103\n");
    fx_expect (
        s_a, "UPDATE TOP (1) t SET a = DEFAULT WHERE b > 0 SELECT COUNT(*) FROM t WHERE a = 'def'",
        "1\n");
    fx_expect (s_a, "UPDATE t SET b += 1 WHERE b = 103 SELECT MAX(b) FROM t", "104\n");
    fx_expect (s_a, "UPDATE t SET b = 11", "!2627\n");
    fx_expect (s_a, "UPDATE t SET b = -1 WHERE b = 104", "!547\n");
}

static void
delete_may_join_and_tell (void **state)
{
    (void)state;
    fx_expect (s_a, "INSERT t (a, b) VALUES ('x', 1), ('y', 2), ('z', 3)", "");
    fx_expect (s_a, "DELETE t OUTPUT deleted.a, deleted.b WHERE b = 2", "y|2\n");
    fx_expect (s_a, "DELETE FROM t FROM t JOIN (SELECT 1 AS b) v ON v.b = t.b SELECT a FROM t",
               "z\n");
    fx_expect (s_a, "UPDATE t SET b = 30 OUTPUT deleted.b, inserted.b, inserted.a", "3|30|z\n");
    fx_expect (s_a, "INSERT t (a, b) OUTPUT inserted.id, inserted.a VALUES ('n', 4)", "4|n\n");
    fx_expect (
        s_a,
        "DECLARE @log TABLE (a nvarchar(5), n int) DELETE t OUTPUT deleted.a, deleted.b INTO @log "
        "SELECT a FROM @log ORDER BY n",
        "n\nz\n");
    fx_expect (s_a,
               "INSERT t (b) VALUES (1) TRUNCATE TABLE t INSERT t (b) VALUES (1) SELECT id FROM t",
               "1\n");
}

static void
temporary_tables_belong_to_the_session (void **state)
{
    (void)state;
    fx_expect (s_a, "CREATE TABLE #x (a int) INSERT #x VALUES (1), (2)", "");
    fx_expect (s_a, "SELECT SUM(a) FROM #x", "3\n");
    fx_client_t *b = fx_client (&s_fx);
    fx_expect (b, "SELECT * FROM #x", "!208\n");
    fx_expect (b, "CREATE TABLE #x (b int) SELECT * FROM #x", "");
    fx_leave (b);
    fx_expect (s_a, "SELECT a INTO #y FROM #x WHERE a = 2 SELECT * FROM #y DROP TABLE #x, #y",
               "2\n");
    fx_expect (s_a, "EXEC ('CREATE TABLE #z (a int)') SELECT * FROM #z", "!208\n");
    fx_expect (s_a,
               "DECLARE @t TABLE (id int PRIMARY KEY, v char(2)) INSERT @t VALUES (1, 'a') UPDATE "
               "@t SET v = "
               "'b' SELECT id, v FROM @t x",
               "1|b \n");
}

static void
select_into_makes_a_table (void **state)
{
    (void)state;
    fx_expect (s_a,
               "INSERT t (a, b) VALUES ('x', 1) SELECT a, b * 2 AS bb INTO copy FROM t SELECT a, "
               "bb FROM copy "
               "DROP TABLE copy",
               "x|2\n");
    fx_expect (s_a, "SELECT 1 INTO copy", "!1038\n");
}

static void
tables_can_be_altered (void **state)
{
    (void)state;
    fx_expect (
        s_a, "INSERT t (b) VALUES (1) ALTER TABLE t ADD d int NOT NULL DEFAULT 7, e int NULL", "");
    fx_expect (s_a, "SELECT d, e FROM t", "7|NULL\n");
    fx_expect (s_a, "CREATE UNIQUE INDEX IX_d ON t (d)", "");
    fx_expect (s_a, "INSERT t (b) VALUES (2)", "!2601\n");
    fx_expect (s_a,
               "DROP INDEX IX_d ON t INSERT t (b) VALUES (2) CREATE UNIQUE INDEX IX_d ON t (d)",
               "!1505\n");
    fx_expect (s_a, "ALTER TABLE t DROP CONSTRAINT CK_b INSERT t (b) VALUES (-1)", "");
    fx_expect (s_a, "ALTER TABLE t DROP CONSTRAINT nothing", "!3728\n");
    fx_expect (s_a, "ALTER TABLE t ADD x int NOT NULL", "!4901\n");
    fx_expect (s_a, "CREATE TABLE t (a int)", "!2714\n");
    fx_expect (s_a, "CREATE TABLE q (a int, A int)", "!2705\n");
    fx_expect (s_a, "CREATE TABLE noschema.q (a int)", "!2760\n");
    fx_expect (s_a, "CREATE SCHEMA s", "");
    fx_expect (s_a,
               "CREATE TABLE s.q (a int) INSERT s.q VALUES (3) SELECT a FROM d.s.q DROP TABLE s.q",
               "3\n");
    fx_expect (s_a, "DROP TABLE nothing", "!3701\n");
    fx_expect (s_a, "DROP TABLE IF EXISTS nothing", "");
}

static void
nothing_unknown_is_silently_accepted (void **state)
{
    (void)state;
    static const char *const refused[] = {"MERGE t USING t u ON 1 = 1 WHEN MATCHED THEN DELETE;",
                                          "BEGIN DISTRIBUTED TRAN",
                                          "SELECT 1 FOR XML PATH",
                                          "SELECT * FROM OPENROWSET('x', 'y', 'z')",
                                          "RESTORE DATABASE d FROM DISK = '/x'",
                                          "BACKUP DATABASE d TO URL = 'http://x'",
                                          "EXEC sp_addlinkedserver 'X'",
                                          "EXEC [OTHER].d.dbo.p",
                                          "EXEC ('SELECT 1') AT OTHER",
                                          "SET TRANSACTION ISOLATION LEVEL SNAPSHOT",
                                          "DBCC CHECKDB",
                                          "CREATE TABLE q (a int, b AS a + 1)",
                                          "BULK INSERT t FROM 'x'",
                                          "CREATE SEQUENCE s",
                                          "SELECT * FROM t CROSS APPLY (SELECT 1 AS x) y",
                                          "SELECT TOP 10 PERCENT * FROM t"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        fx_run (s_a, refused[i]);
        if (strstr (s_a->out, "!40000\n") == NULL ||
            !strstr (s_a->last_text, "not supported by sqlhost"))
            fail_msg ("%s: %s%s", refused[i], s_a->out, s_a->last_text);
    }
    fx_expect (s_a, "SET NONSENSE ON", "!195\n");
}

#define S_TEST(name) cmocka_unit_test_setup (name, s_table)

int
main (void)
{
    const struct CMUnitTest tests[] = {S_TEST (insert_takes_values_queries_procedures_and_defaults),
                                       S_TEST (insert_refuses_what_does_not_fit),
                                       S_TEST (update_may_join_and_swap),
                                       S_TEST (delete_may_join_and_tell),
                                       S_TEST (temporary_tables_belong_to_the_session),
                                       S_TEST (select_into_makes_a_table),
                                       S_TEST (tables_can_be_altered),
                                       S_TEST (nothing_unknown_is_silently_accepted)};
    return cmocka_run_group_tests (tests, s_setup, s_teardown);
}
