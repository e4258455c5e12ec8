/*  What the parser takes and what it refuses, with number and line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/sqlhost/tsql/parser.h"

static sh_script_t *
s_parse (const char *text, sh_syntax_error_t *error)
{
    return sh_script_parse (text, strlen (text), true, error);
}

static void
statements_are_taken (void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " \n-- nothing\n/* at /* all */ */",
        "SELECT 1;;;SELECT 2",
        "DECLARE @a int = 1, @b nvarchar(max), @c numeric (25, 0), @t TABLE (a int, b int)",
        "SET @a += 1 SET @b = @b + N'x'",
        "SET NOCOUNT, XACT_ABORT ON SET LOCK_TIMEOUT 5000 SET LOCK_TIMEOUT @x",
        "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
        "IF (1 = 1 AND NOT (2 = 3)) OR ((a + 1) * 2 > 3) SELECT 1 ELSE IF 1 = 1 SELECT 2 ELSE "
        "SELECT 3",
        "WHILE @@FETCH_STATUS = 0 BEGIN BREAK CONTINUE END",
        "BEGIN TRY SELECT 1 END TRY BEGIN CATCH END CATCH",
        "x: GOTO x",
        "BEGIN TRANSACTION @m WITH MARK @m COMMIT TRANSACTION @m ROLLBACK WORK SAVE TRAN s",
        "BEGIN TRAN [a b] WITH MARK N'why' COMMIT",
        "EXEC @rc = [a].[b].c @x = 1, @y = @z OUTPUT, @w = DEFAULT, @v = -5 WITH RECOMPILE",
        "sp_who 'active'",
        "EXEC (N'SELECT ' + @x)",
        "INSERT INTO a..b (c, d) OUTPUT inserted.c INTO @t VALUES (1, DEFAULT), (2, NULL)",
        "INSERT t DEFAULT VALUES INSERT t EXEC p 1 INSERT t (a) (SELECT 1)",
        "UPDATE t SET a = 1, @x = b = b + 1, c = DEFAULT FROM t JOIN u ON t.a = u.a WHERE t.a IN "
        "(1, 2)",
        "DELETE TOP (5) FROM t WITH (TABLOCKX) FROM t x WHERE EXISTS (SELECT * FROM u)",
        "SELECT DISTINCT TOP 5 a AS b, c = 1, 'x' 'y', t.*, COUNT(*) FROM t (NOLOCK), u AS v WITH "
        "(UPDLOCK, "
        "HOLDLOCK) LEFT OUTER JOIN w ON v.a = w.a WHERE a BETWEEN 1 AND 2 GROUP BY a HAVING "
        "COUNT(*) > 1 "
        "ORDER BY 1 DESC",
        "SELECT a FROM t UNION ALL SELECT b FROM u INTERSECT SELECT c FROM v ORDER BY a OFFSET 1 "
        "ROWS FETCH "
        "NEXT 5 ROWS ONLY OPTION (RECOMPILE)",
        "WITH a AS (SELECT 1 AS x), b (y) AS (SELECT x FROM a) SELECT * FROM b",
        "SELECT CASE a WHEN 1 THEN 'x' ELSE 'y' END, CASE WHEN a > 1 THEN 1 END, CAST(a AS "
        "nvarchar(10)), "
        "CONVERT(char(8), GETDATE(), 112), ROW_NUMBER() OVER (PARTITION BY a ORDER BY b)",
        "SELECT a FROM (SELECT 1 AS a) x CROSS JOIN (VALUES (1), (2)) y (b)",
        "RAISERROR ('%s', 16, 1, @x) WITH NOWAIT, LOG THROW 50000, 'x', 1; THROW",
        "WAITFOR DELAY @d WAITFOR DELAY '00:00:01' WAITFOR TIME '12:00'",
        "CREATE TABLE t (a int IDENTITY (1, 1) NOT NULL PRIMARY KEY CLUSTERED, b nvarchar(max) "
        "NULL DEFAULT "
        "(N'x'), c int, CONSTRAINT u UNIQUE (a, b DESC), CHECK (a > 0), FOREIGN KEY (a) "
        "REFERENCES u (a) ON "
        "DELETE CASCADE) ON [PRIMARY]",
        "CREATE UNIQUE NONCLUSTERED INDEX i ON t (a, b DESC) INCLUDE (c) WITH (FILLFACTOR = 80)",
        "ALTER TABLE t WITH NOCHECK ADD CONSTRAINT c CHECK (a > 1)",
        "CREATE PROCEDURE dbo.p @a int = 5, @b sysname OUTPUT WITH RECOMPILE AS SELECT 1 RETURN 0",
        "CREATE OR ALTER FUNCTION f (@a int) RETURNS nvarchar(10) AS BEGIN RETURN N'x' END",
        "CREATE VIEW v (a) AS SELECT 1 UNION SELECT 2",
        "CREATE TRIGGER r ON t AFTER INSERT, UPDATE AS IF UPDATE (a) RETURN",
        "CREATE DATABASE [x y] ALTER DATABASE x SET RECOVERY SIMPLE, READ_ONLY WITH ROLLBACK "
        "IMMEDIATE",
        "BACKUP DATABASE @d TO DISK = @f, DISK = N'/x' WITH NO_COMPRESSION, CHECKSUM, STATS = 5, "
        "NAME = N'n'",
        "BACKUP LOG [x] TO DISK = 'f' RESTORE HEADERONLY FROM DISK = 'f' WITH FILE = 1",
        "KILL 55 GRANT EXECUTE ON OBJECT::dbo.p TO [r], public DENY SELECT ON t TO r REVOKE SELECT "
        "ON t FROM r",
        "CREATE LOGIN l WITH PASSWORD = N'x', CHECK_POLICY = OFF CREATE USER u FOR LOGIN l CREATE "
        "ROLE r "
        "ALTER ROLE r ADD MEMBER u",
        "DECLARE c CURSOR LOCAL FAST_FORWARD FOR SELECT 1 OPEN c FETCH NEXT FROM c INTO @a CLOSE c "
        "DEALLOCATE c",
        "SELECT 1.5, .5, 1., 1e5, 1.5E-3, 0x, 0xAB, $1.50, N'it''s', -1, +1, ~1, 5 % 2",
        "PRINT 'a' + CAST(@@ERROR AS varchar)"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        sh_syntax_error_t error;
        sh_script_t *script = s_parse (texts[i], &error);
        if (!script)
            fail_msg ("%s: %d %s", texts[i], error.number, error.text);
        sh_script_destroy (&script);
    }
}

static void
what_is_wrong_is_refused_with_number_and_line (void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int number;
        int line;
    } cases[] = {{"SELECT", 156, 1},
                 {"SELECT 1 +", 102, 1},
                 {"\n\nSELECT FROM t", 156, 3},
                 {"SELECT 'open", 105, 1},
                 {"SELECT [open", 105, 1},
                 {"SELECT 1 /* open", 113, 1},
                 {"SELECT (1", 102, 1},
                 {"BEGIN SELECT 1", 102, 1},
                 {"BEGIN END", 156, 1},
                 {"BEGIN TRY SELECT 1 END TRY", 102, 1},
                 {"IF 1 SELECT 1", 156, 1},
                 {"IF 1 = 1", 102, 1},
                 {"WHILE SELECT 1", 156, 1},
                 {"SELECT a b c", 102, 1},
                 {"SELECT * FROM t WHERE", 156, 1},
                 {"INSERT t", 102, 1},
                 {"UPDATE t", 102, 1},
                 {"CREATE TABLE t (a nonsense)", 2715, 1},
                 {"CREATE TABLE t (a nvarchar(4001))", 131, 1},
                 {"DECLARE @a decimal(39)", 1001, 1},
                 {"CREATE TABLE t ()", 102, 1},
                 {"EXEC", 156, 1},
                 {"EXEC a.b.c.d.e", 102, 1},
                 {"SELECT 1\nCREATE VIEW v AS SELECT 1", 111, 2},
                 {"CREATE PROCEDURE d.dbo.p AS RETURN", 166, 1},
                 {"BEGIN TRAN A23456789012345678901234567890123", 103, 1},
                 {"SELECT * FROM t WITH (NONSENSE)", 321, 1},
                 {"SET @a", 102, 1},
                 {"MERGE t USING u ON 1 = 1", 40000, 1},
                 {"SELECT 1 \\", 102, 1},
                 {"}", 102, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sh_syntax_error_t error;
        sh_script_t *script = s_parse (cases[i].text, &error);
        if (script)
            fail_msg ("taken: %s", cases[i].text);
        if (error.number != cases[i].number || error.line != cases[i].line)
            fail_msg ("%s: %d in line %d, %s", cases[i].text, error.number, error.line, error.text);
    }
}

static void
nesting_beyond_the_limit_is_an_error_and_no_crash (void **state)
{
    (void)state;
    char text[20000];
    memset (text, '(', sizeof text);
    memcpy (text, "SELECT ", 7);
    sh_syntax_error_t error;
    assert_null (sh_script_parse (text, sizeof text, true, &error));
    assert_int_equal (error.number, 191);
    memset (text + 7, '-', sizeof text - 7);
    for (size_t i = 8; i < sizeof text; i += 2)
        text[i] = ' ';
    assert_null (sh_script_parse (text, sizeof text, true, &error));
    assert_int_equal (error.number, 191);
}

static void
quotes_are_strings_when_quoted_identifier_is_off (void **state)
{
    (void)state;
    sh_syntax_error_t error;
    const char *text = "SELECT \"x\"";
    sh_script_t *script = sh_script_parse (text, strlen (text), false, &error);
    assert_non_null (script);
    assert_int_equal (script->body->query->items->expr->kind, SH_EXPR_LITERAL);
    sh_script_destroy (&script);
    script = sh_script_parse (text, strlen (text), true, &error);
    assert_int_equal (script->body->query->items->expr->kind, SH_EXPR_COLUMN);
    sh_script_destroy (&script);
}

static void
names_have_up_to_four_parts (void **state)
{
    (void)state;
    sh_arena_t *arena = sh_arena_new ();
    sh_name_t name;
    assert_true (sh_name_parse (arena, "[a]]b]..c", &name));
    assert_string_equal (name.database, "a]b");
    assert_null (name.schema);
    assert_string_equal (name.object, "c");
    assert_true (sh_name_parse (arena, "s.d.\"o x\".t", &name));
    assert_string_equal (name.server, "s");
    assert_string_equal (name.schema, "o x");
    assert_false (sh_name_parse (arena, "a.b.c.d.e", &name));
    assert_false (sh_name_parse (arena, "a b", &name));
    assert_false (sh_name_parse (arena, "", &name));
    sh_arena_destroy (&arena);
}

static void
lines_and_texts_of_statements_are_known (void **state)
{
    (void)state;
    sh_syntax_error_t error;
    sh_script_t *script = s_parse ("SELECT 1\n\nPRINT\n'x'", &error);
    assert_non_null (script);
    assert_int_equal (script->body->line, 1);
    assert_int_equal (script->body->next->line, 3);
    assert_int_equal (script->body->end, 8);
    sh_script_destroy (&script);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (statements_are_taken),
        cmocka_unit_test (what_is_wrong_is_refused_with_number_and_line),
        cmocka_unit_test (nesting_beyond_the_limit_is_an_error_and_no_crash),
        cmocka_unit_test (quotes_are_strings_when_quoted_identifier_is_off),
        cmocka_unit_test (names_have_up_to_four_parts),
        cmocka_unit_test (lines_and_texts_of_statements_are_known)};
    return cmocka_run_group_tests (tests, NULL, NULL);
}
