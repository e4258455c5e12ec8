/*  Procedures, functions, views, triggers, dynamic SQL, control flow, RPC. */
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
    fx_run (s_a, "CREATE DATABASE e");
    fx_expect (
        s_a,
        "USE d CREATE TABLE t (id int IDENTITY(10,5) PRIMARY KEY, v nvarchar(50) NULL DEFAULT "
        "N'none')",
        "#5701\n");
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

static void
a_procedure_takes_arguments_and_gives_back (void **state)
{
    (void)state;
    fx_expect (s_a,
               "CREATE PROCEDURE p1 @a int, @b nvarchar(10) = N'x', @c int = NULL OUTPUT AS\n"
               "SET @c = @a * 2\n"
               "SELECT @a, @b\n"
               "RETURN @a + 1",
               "");
    fx_expect (s_a, "DECLARE @rc int, @o int EXEC @rc = p1 5, @c = @o OUTPUT SELECT @rc, @o",
               "5|x\n=6\n6|10\n");
    fx_expect (s_a, "EXEC dbo.p1 @b = word, @a = -1", "-1|word\n=0\n");
    fx_expect (s_a, "p1 1, DEFAULT", "1|x\n=2\n");
    fx_expect (s_a, "EXEC p1", "!201\n=-6\n");
    fx_expect (s_a, "EXEC p1 1, 2, 3, 4", "!8144\n=-6\n");
    fx_expect (s_a, "EXEC p1 1, @nope = 2", "!8145\n=-6\n");
    fx_expect (s_a, "EXEC p1 'abc'", "!8114\n");
    fx_expect (s_a, "EXEC nowhere PRINT 'goes on'", "!2812\n#0 goes on\n");
    fx_expect (s_a, "DECLARE @p sysname = N'd.dbo.p1' EXEC @p 3", "3|x\n=4\n");
    fx_expect (s_a, "CREATE PROCEDURE p1 AS RETURN", "!2714\n");
    fx_expect (s_a, "ALTER PROCEDURE pnot AS RETURN", "!208\n");
    fx_expect (s_a, "SELECT 1 CREATE PROCEDURE p2 AS RETURN", "!111\n");
}

static void
a_procedure_has_its_own_variables_settings_and_database (void **state)
{
    (void)state;
    fx_expect (s_a, "USE e", "#5701\n");
    fx_expect (
        s_a,
        "CREATE PROCEDURE dbo.where_am_i AS SET NOCOUNT ON SET XACT_ABORT ON SELECT DB_NAME(), "
        "@@NESTLEVEL, @@PROCID",
        "");
    fx_expect (s_a, "USE d", "#5701\n");
    fx_run (s_a, "EXEC [e].[dbo].[where_am_i] SELECT DB_NAME(), @@OPTIONS & 16384");
    assert_non_null (strstr (s_a->out, "e|1|"));
    assert_non_null (strstr (s_a->out, "=0\nd|0\n"));
    fx_expect (s_a, "DECLARE @x int = 1 EXEC ('SELECT @x')", "!137\n");
    fx_expect (s_a, "EXEC nodb.dbo.p", "!911\n");
}

static void
messages_carry_procedure_and_line (void **state)
{
    (void)state;
    fx_expect (s_a, "CREATE PROCEDURE dbo.loud AS\n\nRAISERROR ('from line 3', 16, 7)\nSELECT 1/0",
               "");
    fx_run (s_a, "\n\nEXEC loud");
    assert_int_equal (s_a->last.number, 8134);
    assert_string_equal (s_a->last_procedure, "loud");
    assert_int_equal (s_a->last.line, 4);
    fx_run (s_a, "\n\nSELECT 1/0");
    assert_int_equal (s_a->last.line, 3);
    assert_string_equal (s_a->last_procedure, "");
    fx_run (s_a, "RAISERROR ('x%d', 11, -1, 5)");
    assert_int_equal (s_a->last.state, 1);
    assert_int_equal (s_a->last.severity, 11);
    assert_string_equal (s_a->last_text, "x5");
}

static void
raiserror_with_nowait_reaches_the_client_at_once (void **state)
{
    (void)state;
    fx_run (s_a, "RAISERROR ('now', 0, 1) WITH NOWAIT SELECT 1");
    assert_int_equal (s_a->flushed_at, strlen ("#50000 now\n"));
}

static void
nesting_ends_at_32 (void **state)
{
    (void)state;
    fx_expect (s_a, "CREATE PROCEDURE deep AS EXEC deep", "");
    fx_expect (s_a, "EXEC deep", "!217\n");
}

static void
dynamic_sql_has_parameters (void **state)
{
    (void)state;
    fx_expect (s_a,
               "DECLARE @n int EXEC sp_executesql N'SELECT @x SET @y = @x + 1', N'@x int, @y int "
               "OUTPUT', @x = "
               "4, @y = @n OUTPUT SELECT @n",
               "4\n=0\n5\n");
    fx_expect (s_a, "EXEC ('SELECT ' + '1' + '+1')", "2\n");
    fx_expect (s_a, "EXEC ('SELECT FROM') PRINT 'goes on'", "!156\n#0 goes on\n");
    fx_expect (s_a, "EXEC e.sys.sp_executesql N'SELECT DB_NAME()'", "e\n=0\n");
    fx_expect (s_a, "EXEC ('USE e SELECT DB_NAME()') SELECT DB_NAME()", "e\nd\n");
}

static void
control_flow_flows (void **state)
{
    (void)state;
    fx_expect (s_a,
               "DECLARE @i int = 0\n"
               "WHILE 1 = 1\n"
               "BEGIN\n"
               "    SET @i += 1\n"
               "    IF @i = 2 CONTINUE\n"
               "    IF @i > 3 BREAK\n"
               "    PRINT @i\n"
               "END\n"
               "IF @i = 4 GOTO finish\n"
               "PRINT 'not reached'\n"
               "finish:\n"
               "PRINT 'end'\n"
               "RETURN\n"
               "PRINT 'not reached'",
               "#0 1\n#0 3\n#0 end\n");
    fx_expect (s_a, "GOTO nowhere", "!133\n");
    fx_expect (s_a, "DECLARE @a int DECLARE @a int", "!134\n");
    fx_expect (s_a, "IF 1 = 0 DECLARE @z int = 5 SELECT @z", "NULL\n");
    fx_expect (s_a, "SELECT @@ERROR IF @@ERROR = 0 PRINT 'zero' ELSE PRINT 'not'", "0\n#0 zero\n");
}

static void
a_cursor_walks_over_its_rows (void **state)
{
    (void)state;
    fx_expect (s_a,
               "DECLARE @n sysname, @s nvarchar(100) = N''\n"
               "DECLARE c CURSOR LOCAL FAST_FORWARD FOR SELECT x FROM (VALUES (N'a'), (N'b')) v "
               "(x) ORDER BY x\n"
               "OPEN c\n"
               "FETCH NEXT FROM c INTO @n\n"
               "WHILE @@FETCH_STATUS = 0\n"
               "BEGIN\n"
               "    SET @s = @s + @n\n"
               "    FETCH NEXT FROM c INTO @n\n"
               "END\n"
               "CLOSE c\n"
               "DEALLOCATE c\n"
               "SELECT @s",
               "ab\n");
    fx_expect (s_a, "OPEN nothing", "!16916\n");
    fx_expect (s_a, "DECLARE g CURSOR FOR SELECT 1", "");
    fx_expect (s_a, "OPEN g FETCH g DEALLOCATE g", "1\n");
}

static void
scalar_and_inline_functions_compute (void **state)
{
    (void)state;
    fx_expect (s_a,
               "CREATE FUNCTION dbo.twice (@x int) RETURNS int AS\n"
               "BEGIN\n"
               "    DECLARE @r int\n"
               "    SELECT @r = @x * 2\n"
               "    RETURN @r\n"
               "END",
               "");
    fx_expect (s_a, "SELECT dbo.twice(4), d.dbo.twice(v.x) FROM (VALUES (1), (2)) v (x)",
               "8|2\n8|4\n");
    fx_expect (s_a, "SELECT dbo.twice()", "!313\n");
    fx_expect (s_a, "SELECT dbo.twice('x')", "!245\n");
    fx_expect (
        s_a,
        "CREATE FUNCTION dbo.above (@least int) RETURNS TABLE AS RETURN (SELECT x FROM (VALUES "
        "(1), (2), (3)) v (x) WHERE x > @least)",
        "");
    fx_expect (s_a, "SELECT x FROM dbo.above(1) ORDER BY x", "2\n3\n");
}

static void
a_view_reads_in_its_own_database (void **state)
{
    (void)state;
    fx_expect (s_a, "DELETE t INSERT t (v) VALUES ('one'), ('two')", "");
    fx_expect (s_a, "CREATE VIEW dbo.tv (name) AS SELECT v FROM t UNION SELECT N'three'", "");
    fx_expect (s_a, "USE e SELECT name FROM d.dbo.tv ORDER BY name", "#5701\none\nthree\ntwo\n");
    fx_expect (s_a, "USE d", "#5701\n");
    fx_expect (s_a, "CREATE VIEW broken AS SELECT * FROM nowhere", "!208\n");
    fx_expect (s_a, "INSERT tv VALUES ('x')", "!40000\n");
}

static void
a_trigger_sees_inserted_and_deleted_and_may_refuse (void **state)
{
    (void)state;
    fx_expect (s_a, "CREATE TABLE one (n bigint NULL) INSERT one VALUES (1)", "");
    fx_expect (s_a,
               "CREATE TRIGGER one_trigger ON one FOR INSERT, UPDATE AS\n"
               "IF (SELECT COUNT(*) FROM one) > 1\n"
               "BEGIN\n"
               "    ROLLBACK TRANSACTION\n"
               "    RAISERROR ('Rowcount in one cannot exceed 1', 16, -1)\n"
               "END\n"
               "IF UPDATE (n) AND EXISTS (SELECT * FROM inserted i JOIN deleted d ON i.n < d.n)\n"
               "    PRINT 'smaller'",
               "");
    fx_expect (s_a, "INSERT one VALUES (2) PRINT 'not reached'", "!50000\n!3609\n");
    fx_expect (s_a, "SELECT n FROM one", "1\n");
    fx_expect (s_a, "UPDATE one SET n = 0 SELECT n FROM one", "#0 smaller\n0\n");
    fx_expect (s_a, "BEGIN TRAN INSERT one VALUES (3)", "!50000\n!3609\n");
    fx_expect (s_a, "SELECT @@TRANCOUNT, COUNT(*) FROM one", "0|1\n");
    fx_expect (s_a, "DROP TABLE one SELECT COUNT(*) FROM sys.triggers", "0\n");
}

static void
an_rpc_ends_with_status_and_output_values (void **state)
{
    (void)state;
    sh_value_t four = sh_value_int (4), null = sh_value_null ();
    const sh_rpc_parameter_t parameters[] = {
        {.name = "@a", .type = {.id = SH_TYPE_INT}, .value = four},
        {.name = "@c", .type = {.id = SH_TYPE_INT}, .value = null, .output = true}};
    const sh_rpc_t rpc = {.name = "[d].dbo.p1", .parameters = parameters, .parameter_count = 2};
    fx_clear (s_a);
    assert_int_equal (s_fx.backend->run_rpc (s_a->session, &rpc), SH_RUN_DONE);
    assert_string_equal (s_a->out, "4|x\n=5\n@c=8\n");
    assert_true (s_a->last_done & SH_DONE_PROC);

    sh_value_t text = sh_value_text ("SELECT @p + 1"), declared = sh_value_text ("@p int");
    const sh_rpc_parameter_t sql[] = {
        {.name = "", .type = {.id = SH_TYPE_NVARCHAR, .size = 13}, .value = text},
        {.name = "", .type = {.id = SH_TYPE_NVARCHAR, .size = 6}, .value = declared},
        {.name = "@p", .type = {.id = SH_TYPE_INT}, .value = four}};
    const sh_rpc_t execute = {.name = "sp_executesql",
                              .number = SH_PROC_EXECUTESQL,
                              .parameters = sql,
                              .parameter_count = 3};
    fx_clear (s_a);
    assert_int_equal (s_fx.backend->run_rpc (s_a->session, &execute), SH_RUN_DONE);
    assert_string_equal (s_a->out, "5\n=0\n");

    const sh_rpc_t missing = {.name = "nowhere"};
    fx_clear (s_a);
    assert_int_equal (s_fx.backend->run_rpc (s_a->session, &missing), SH_RUN_DONE);
    assert_string_equal (s_a->out, "!2812\n=0\n");
}

static void
modules_are_listed_and_dropped (void **state)
{
    (void)state;
    fx_expect (
        s_a,
        "SELECT name FROM sys.parameters WHERE object_id = OBJECT_ID('p1') ORDER BY parameter_id",
        "@a\n@b\n@c\n");
    fx_expect (s_a, "DROP PROCEDURE p1, deep DROP FUNCTION dbo.twice, dbo.above DROP VIEW tv", "");
    fx_expect (s_a, "DROP PROCEDURE p1", "!3701\n");
    fx_expect (s_a, "DROP PROCEDURE IF EXISTS p1", "");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_procedure_takes_arguments_and_gives_back),
        cmocka_unit_test (a_procedure_has_its_own_variables_settings_and_database),
        cmocka_unit_test (messages_carry_procedure_and_line),
        cmocka_unit_test (raiserror_with_nowait_reaches_the_client_at_once),
        cmocka_unit_test (nesting_ends_at_32),
        cmocka_unit_test (dynamic_sql_has_parameters),
        cmocka_unit_test (control_flow_flows),
        cmocka_unit_test (a_cursor_walks_over_its_rows),
        cmocka_unit_test (scalar_and_inline_functions_compute),
        cmocka_unit_test (a_view_reads_in_its_own_database),
        cmocka_unit_test (a_trigger_sees_inserted_and_deleted_and_may_refuse),
        cmocka_unit_test (an_rpc_ends_with_status_and_output_values),
        cmocka_unit_test (modules_are_listed_and_dropped)};
    return cmocka_run_group_tests (tests, s_setup, s_teardown);
}
