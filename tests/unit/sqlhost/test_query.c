/*  SELECT and expressions, as a client sees their results. */
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
    fx_expect (
        s_a,
        "CREATE TABLE t (id int NOT NULL PRIMARY KEY, name nvarchar(20) NULL, n numeric(25,0) "
        "NULL, "
        "at datetime NULL)\n"
        "INSERT t VALUES (1, N'Anna', 10, '2014-05-06 14:15:01.327'), (2, N'bert ', 9, NULL), "
        "(3, NULL, 100, '20200101')\n"
        "CREATE TABLE u (id int NOT NULL, tid int NULL)\n"
        "INSERT u VALUES (1, 1), (2, 1), (3, NULL)",
        "");
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
text_is_compared_without_case_and_trailing_blanks (void **state)
{
    (void)state;
    fx_expect (s_a, "SELECT id FROM t WHERE name = 'ANNA'", "1\n");
    fx_expect (s_a, "SELECT id FROM t WHERE name = N'BERT'", "2\n");
    fx_expect (s_a, "SELECT id FROM t WHERE name IN ('anna ', 'x')", "1\n");
    fx_expect (s_a, "SELECT CASE name WHEN 'anna' THEN 1 ELSE 0 END FROM t ORDER BY id",
               "1\n0\n0\n");
    fx_expect (s_a, "SELECT id FROM t WHERE name = 'ANNA' COLLATE Latin1_General_BIN", "");
    fx_expect (s_a, "SELECT DISTINCT x FROM (VALUES ('a'), ('A'), ('b ')) v (x)", "a\nb \n");
    fx_expect (s_a, "SELECT COUNT(*) FROM (SELECT 'a' AS x UNION SELECT 'A') q", "1\n");
    fx_expect (s_a, "IF 'x' = 'X  ' PRINT 'same'", "#0 same\n");
}

static void
numeric_columns_are_compared_as_numbers (void **state)
{
    (void)state;
    fx_expect (s_a, "SELECT n FROM t ORDER BY n", "9\n10\n100\n");
    fx_expect (s_a, "SELECT id FROM t WHERE n > 9", "1\n3\n");
    fx_expect (s_a, "SELECT MAX(n), MIN(n), SUM(n), AVG(n) FROM t", "100|9|119|39.666666\n");
    fx_expect (s_a, "SELECT n + 1, n * 2, n / 2.5 FROM t WHERE id = 2", "10|18|3.600000\n");
    fx_expect (s_a, "DECLARE @n numeric(25,0) = 12345678901234567890123 SELECT @n - 1",
               "12345678901234567890122\n");
}

static void
arithmetic_follows_the_types (void **state)
{
    (void)state;
    fx_expect (s_a, "SELECT 7 / 2, 7 % 2, 7 / 2.0, 7e0 / 2, -7 / 2, 1 + '2'",
               "3|1|3.500000|3.5|-3|3\n");
    fx_expect (s_a, "SELECT 1 / 0", "!8134\n");
    fx_expect (s_a, "SELECT 2147483647 + 1", "!8115\n");
    fx_expect (s_a, "SELECT CAST(2147483647 AS bigint) + 1", "2147483648\n");
    fx_expect (s_a, "SELECT 'a' + 1", "!245\n");
    fx_expect (s_a, "SELECT 'a' + NULL", "NULL\n");
    fx_expect (s_a, "SELECT 5 & 3, 5 | 3, 5 ^ 3, ~5", "1|7|6|-6\n");
    fx_expect (s_a, "SELECT 0x0A0B, CAST(0x0102 AS int), CAST(258 AS varbinary(4))",
               "0x0A0B|258|0x00000102\n");
}

static void
types_of_results_are_those_of_sql_server (void **state)
{
    (void)state;
    fx_run (s_a,
            "SELECT 1, CAST(1 AS bigint), n, N'ab' + 'c', at, COUNT(*) OVER (), GETUTCDATE(), NULL "
            "FROM t");
    static const sh_type_id_t wanted[] = {SH_TYPE_INT,      SH_TYPE_BIGINT,   SH_TYPE_NUMERIC,
                                          SH_TYPE_NVARCHAR, SH_TYPE_DATETIME, SH_TYPE_INT,
                                          SH_TYPE_DATETIME, SH_TYPE_INT};
    assert_int_equal (s_a->column_count, 8);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal (s_a->column_types[i].id, wanted[i]);
    assert_int_equal (s_a->column_types[2].precision, 25);
    assert_int_equal (s_a->column_types[3].size, 3);
}

static void
joins_and_subqueries_give_their_rows (void **state)
{
    (void)state;
    fx_expect (s_a, "SELECT t.id, u.id FROM t JOIN u ON u.tid = t.id ORDER BY u.id", "1|1\n1|2\n");
    fx_expect (s_a, "SELECT t.id, u.id FROM t LEFT JOIN u ON u.tid = t.id ORDER BY t.id, u.id",
               "1|1\n1|2\n2|NULL\n3|NULL\n");
    fx_expect (s_a, "SELECT u.id FROM t RIGHT JOIN u ON u.tid = t.id WHERE t.id IS NULL", "3\n");
    fx_expect (s_a, "SELECT id FROM t WHERE EXISTS (SELECT * FROM u WHERE tid = t.id)", "1\n");
    fx_expect (s_a, "SELECT id FROM t WHERE id NOT IN (SELECT tid FROM u WHERE tid IS NOT NULL)",
               "2\n3\n");
    fx_expect (s_a, "SELECT id, (SELECT COUNT(*) FROM u WHERE u.tid = t.id) FROM t ORDER BY 1",
               "1|2\n2|0\n3|0\n");
    fx_expect (s_a, "SELECT (SELECT id FROM t)", "!512\n");
    fx_expect (s_a, "SELECT tid, COUNT(*) FROM u GROUP BY tid HAVING COUNT(*) > 1", "1|2\n");
    fx_expect (s_a, "WITH x AS (SELECT id FROM t WHERE id > 1) SELECT MAX(id) FROM x", "3\n");
    fx_expect (s_a, "SELECT TOP (2) id FROM t ORDER BY id DESC", "3\n2\n");
    fx_expect (s_a, "SELECT id FROM t ORDER BY id OFFSET 1 ROWS FETCH NEXT 1 ROW ONLY", "2\n");
    fx_expect (s_a, "SELECT id FROM t EXCEPT SELECT 2 ORDER BY id", "1\n3\n");
    fx_expect (s_a, "SELECT ROW_NUMBER() OVER (ORDER BY id DESC), id FROM t ORDER BY id",
               "3|1\n2|2\n1|3\n");
    fx_expect (s_a, "SELECT x.id, y.v FROM t x CROSS JOIN (VALUES (1)) y (v) WHERE x.id = y.v",
               "1|1\n");
    fx_expect (s_a, "SELECT id FROM t WHERE id >= ALL (SELECT id FROM t)", "3\n");
    fx_expect (s_a, "SELECT id FROM t WHERE id = ANY (SELECT tid FROM u)", "1\n");
}

static void
a_column_outside_of_aggregates_must_be_grouped (void **state)
{
    (void)state;
    fx_expect (s_a, "SELECT id, COUNT(*) FROM t", "!8120\n");
    fx_expect (s_a, "SELECT tid + 1, id FROM u GROUP BY tid", "!8120\n");
    fx_expect (
        s_a, "SELECT ISNULL(u.tid, '0') + 1, COUNT(*) FROM u GROUP BY ISNULL(tid, '0') ORDER BY 1",
        "1|1\n2|2\n");
    fx_expect (s_a, "SELECT (SELECT MAX(u.id + t.id) FROM u) FROM t WHERE id = 1", "4\n");
    fx_expect (s_a, "SELECT DATEPART(year, at), COUNT(*) FROM t GROUP BY at HAVING at > '2019'",
               "2020|1\n");
}

static void
an_error_amid_rows_ends_its_result (void **state)
{
    (void)state;
    fx_expect (s_a, "SELECT 6 / (3 - id) FROM t SELECT 'next'", "3\n6\n!8134\nnext\n");
    fx_expect (s_a,
               "BEGIN TRY SELECT 6 / (3 - id) FROM t END TRY BEGIN CATCH SELECT "
               "'caught' END CATCH",
               "3\n6\ncaught\n");
}

static void
names_that_do_not_exist_are_named_in_the_error (void **state)
{
    (void)state;
    fx_expect (s_a, "SELECT x FROM t", "!207\n");
    fx_expect (s_a, "SELECT * FROM nowhere", "!208\n");
    assert_string_equal (s_a->last_text, "Invalid object name 'nowhere'.");
    fx_expect (s_a, "SELECT * FROM nodb.dbo.t", "!208\n");
    fx_expect (s_a, "SELECT t.id, id FROM t, u", "!209\n");
    fx_expect (s_a, "SELECT z.id FROM t", "!4104\n");
    fx_expect (s_a, "SELECT nofunction(1)", "!195\n");
    fx_expect (s_a, "SELECT dbo.nofunction(1)", "!4121\n");
    fx_expect (s_a, "SELECT @x", "!137\n");
    fx_expect (s_a, "SELECT * FROM OTHER.d.dbo.t", "!40000\n");
}

static void
identifiers_may_be_quoted_and_of_any_case (void **state)
{
    (void)state;
    fx_expect (s_a,
               "CREATE TABLE [a]]b] ([select] int, \"x y\" int) INSERT [A]]B] VALUES (1, 2) "
               "SELECT [SELECT], \"X Y\" FROM D.DBO.[a]]b] DROP TABLE [a]]b]",
               "1|2\n");
    fx_expect (s_a, "SELECT T.ID FROM T WHERE T.ID = 1", "1\n");
    fx_expect (s_a, "SELECT id FROM d..t WHERE id = 1", "1\n");
    fx_expect (s_a, "/* a /* nested */ comment */ SELECT 1 -- end", "1\n");
}

static void
text_functions_count_characters (void **state)
{
    (void)state;
    fx_expect (s_a,
               "SELECT LEN(N'äö  '), DATALENGTH(N'äö'), LEFT(N'äöü', 2), RIGHT('abc', 2), "
               "SUBSTRING('abcdef', 2, 3)",
               "2|4|äö|bc|bcd\n");
    fx_expect (s_a,
               "SELECT CHARINDEX('B', 'abc'), CHARINDEX('a', 'abca', 2), REPLACE('aXa', 'x', '-'), "
               "STUFF('abc', 2, 1, 'ZZ')",
               "2|4|a-a|aZZc\n");
    fx_expect (s_a,
               "SELECT UPPER('a'), LOWER('B'), LTRIM(' x '), RTRIM(' x '), REVERSE('abc'), "
               "REPLICATE('ab', 2), SPACE(2) + '.'",
               "A|b|x | x|cba|abab|  .\n");
    fx_expect (
        s_a,
        "SELECT QUOTENAME('a]b'), QUOTENAME('it''s', ''''), PARSENAME('a.b.c', 2), ASCII('A'), "
        "CHAR(65), STR(3.14159, 6, 2)",
        "[a]]b]|'it''s'|b|65|A|  3.14\n");
    fx_expect (
        s_a,
        "SELECT CONCAT('a', NULL, 1), ISNULL(NULL, 'x'), COALESCE(NULL, NULL, 3), NULLIF(1, 1), "
        "IIF(1 = 2, 'a', 'b')",
        "a1|x|3|NULL|b\n");
    fx_expect (s_a,
               "SELECT 1 WHERE 'a_c' LIKE 'A[_]%' AND 'abc' NOT LIKE '[^a]%' AND 'x%' LIKE 'x!%' "
               "ESCAPE '!'",
               "1\n");
    fx_expect (s_a, "SELECT LEFT('abc', -1)", "!537\n");
}

static void
dates_convert_in_the_styles_of_sql_server (void **state)
{
    (void)state;
    fx_expect (
        s_a,
        "SELECT CONVERT(varchar(30), at, 121), CONVERT(varchar, at, 120), CONVERT(varchar, at, "
        "126), CONVERT(char(8), at, 112) FROM t WHERE id = 1",
        "2014-05-06 14:15:01.327|2014-05-06 14:15:01|2014-05-06T14:15:01.327|20140506\n");
    fx_expect (s_a,
               "SELECT CONVERT(varchar, at, 103), CONVERT(varchar, at, 101), CONVERT(varchar, at), "
               "CONVERT(varchar, at, 108), CONVERT(varchar(40), at, 127) FROM t WHERE id = 1",
               "06/05/2014|05/06/2014|May  6 2014  2:15PM|14:15:01|2014-05-06T14:15:01.327Z\n");
    fx_expect (s_a, "SELECT id FROM t WHERE at = '2014-05-06T14:15:01.327'", "1\n");
    fx_expect (s_a, "SELECT id FROM t WHERE at > '2015'", "3\n");
    fx_expect (s_a, "SELECT CAST('nonsense' AS datetime)", "!241\n");
    fx_expect (s_a, "SELECT TRY_CAST('nonsense' AS datetime), TRY_CONVERT(int, 'x')",
               "NULL|NULL\n");
    fx_expect (s_a,
               "SELECT DATEADD(day, 1, at), DATEDIFF(hour, at, '2014-05-07'), DATEPART(year, at), "
               "DATENAME(month, at) FROM t WHERE id = 1",
               "2014-05-07 14:15:01.327|10|2014|May\n");
    fx_expect (s_a,
               "SELECT DATEADD(month, 1, '20200131'), DATEDIFF(month, '20200131', '20200201'), "
               "DATEDIFF(week, '20201121', '20201122')",
               "2020-02-29 00:00:00.000|1|1\n");
    fx_expect (
        s_a,
        "DECLARE @d datetime = '2020-01-01 00:00:00.005' SELECT @d, CONVERT(varchar(30), @d, 121)",
        "2020-01-01 00:00:00.007|2020-01-01 00:00:00.007\n");
}

static void
conversions_cut_or_fail_as_sql_server_does (void **state)
{
    (void)state;
    fx_expect (s_a, "DECLARE @s nvarchar(3) = N'abcdef' SELECT @s, CAST('abcdef' AS char(2))",
               "abc|ab\n");
    fx_expect (s_a, "SELECT CAST(12345 AS varchar(3))", "*\n");
    fx_expect (s_a, "SELECT CAST(300 AS tinyint)", "!220\n");
    fx_expect (s_a, "SELECT CAST('1x' AS int)", "!245\n");
    fx_expect (s_a, "SELECT CAST('x' AS numeric(5,2))", "!8114\n");
    fx_expect (
        s_a,
        "SELECT CAST(1.255 AS numeric(5,2)), CAST(-1.5 AS int), CAST(2.9e0 AS int), CAST('1' AS "
        "bit)",
        "1.26|-1|2|1\n");
    fx_expect (s_a, "SELECT CAST('6F9619FF-8B86-D011-B42D-00C04FC964FF' AS uniqueidentifier)",
               "6F9619FF-8B86-D011-B42D-00C04FC964FF\n");
    fx_expect (s_a, "SELECT CONVERT(varchar(10), 0xAB01, 1), CONVERT(varbinary(4), '0xAB01', 1)",
               "0xAB01|0xAB01\n");
    fx_expect (s_a, "DECLARE @c varchar SET @c = 'xyz' SELECT @c", "x\n");
}

static void
a_select_assigns_the_last_row_and_may_accumulate (void **state)
{
    (void)state;
    fx_expect (
        s_a,
        "DECLARE @a int, @s nvarchar(100) = N'' SELECT @a = id FROM t ORDER BY id SELECT @s += "
        "CAST(id AS nvarchar) FROM t ORDER BY id SELECT @a, @s, @@ROWCOUNT",
        "3|123|3\n");
    fx_expect (s_a, "DECLARE @a int = 7 SELECT @a = id FROM t WHERE id = 99 SELECT @a, @@ROWCOUNT",
               "7|0\n");
    fx_expect (s_a, "DECLARE @a int SELECT @a = 1, id FROM t", "!141\n");
}

static void
system_functions_know_session_and_catalog (void **state)
{
    (void)state;
    fx_expect (s_a,
               "SELECT DB_NAME(), DB_ID('master'), SUSER_SNAME(), APP_NAME(), HOST_NAME(), "
               "IS_SRVROLEMEMBER('sysadmin')",
               "d|1|sa|test|here|1\n");
    fx_expect (s_a,
               "SELECT SERVERPROPERTY('ServerName'), @@SERVERNAME, SERVERPROPERTY('nothing'), "
               "DATABASEPROPERTYEX('d', 'Recovery')",
               "SQL01|SQL01|NULL|FULL\n");
    fx_expect (
        s_a,
        "IF OBJECT_ID('d.dbo.t') = OBJECT_ID('t', 'U') AND OBJECT_ID('nothing') IS NULL PRINT "
        "OBJECT_NAME(OBJECT_ID('T'))",
        "#0 t\n");
    fx_expect (s_a, "SET CONTEXT_INFO 0x010203 SELECT CONTEXT_INFO()", "0x010203\n");
    fx_expect (s_a, "SELECT HAS_PERMS_BY_NAME(NULL, NULL, 'VIEW SERVER STATE')", "1\n");
    fx_expect (s_a, "SELECT COL_LENGTH('t', 'name'), OBJECTPROPERTY(OBJECT_ID('t'), 'IsUserTable')",
               "40|1\n");
}

static void
system_views_show_the_catalog (void **state)
{
    (void)state;
    fx_expect (s_a, "SELECT name FROM sys.tables ORDER BY name", "t\nu\n");
    fx_expect (
        s_a,
        "SELECT COUNT(*) FROM master.sys.databases WHERE name = 'D' AND recovery_model_desc = "
        "'FULL' AND state_desc = 'ONLINE'",
        "1\n");
    fx_expect (s_a,
               "SELECT c.name, y.name FROM sys.columns c JOIN sys.types y ON y.user_type_id = "
               "c.user_type_id WHERE c.object_id = OBJECT_ID('t') ORDER BY c.column_id",
               "id|int\nname|nvarchar\nn|numeric\nat|datetime\n");
    fx_expect (
        s_a, "SELECT session_id, program_name FROM sys.dm_exec_sessions WHERE session_id = @@SPID",
        "51|test\n");
    fx_expect (s_a, "SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES ORDER BY 1", "t\nu\n");
    fx_expect (s_a, "SELECT command FROM sys.dm_exec_requests WHERE session_id = @@SPID",
               "SELECT\n");
    fx_expect (s_a, "SELECT file_is_a_directory FROM sys.dm_os_file_exists('/tmp')", "1\n");
    fx_expect (s_a, "INSERT sys.tables (name) VALUES ('x')", "!259\n");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (text_is_compared_without_case_and_trailing_blanks),
        cmocka_unit_test (numeric_columns_are_compared_as_numbers),
        cmocka_unit_test (arithmetic_follows_the_types),
        cmocka_unit_test (types_of_results_are_those_of_sql_server),
        cmocka_unit_test (joins_and_subqueries_give_their_rows),
        cmocka_unit_test (a_column_outside_of_aggregates_must_be_grouped),
        cmocka_unit_test (an_error_amid_rows_ends_its_result),
        cmocka_unit_test (names_that_do_not_exist_are_named_in_the_error),
        cmocka_unit_test (identifiers_may_be_quoted_and_of_any_case),
        cmocka_unit_test (text_functions_count_characters),
        cmocka_unit_test (dates_convert_in_the_styles_of_sql_server),
        cmocka_unit_test (conversions_cut_or_fail_as_sql_server_does),
        cmocka_unit_test (a_select_assigns_the_last_row_and_may_accumulate),
        cmocka_unit_test (system_functions_know_session_and_catalog),
        cmocka_unit_test (system_views_show_the_catalog)};
    return cmocka_run_group_tests (tests, s_setup, s_teardown);
}
