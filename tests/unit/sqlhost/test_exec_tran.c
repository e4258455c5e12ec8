/*  Transactions, marks, errors and what they do to a transaction. */
#include "tests/unit/sqlhost/tsql_fixture.h"

static fx_t s_fx;
static fx_client_t *s_a, *s_b;

static int
s_setup (void **state)
{
    (void)state;
    fx_up (&s_fx);
    s_a = fx_client (&s_fx);
    s_b = fx_client (&s_fx);
    fx_run (s_a, "CREATE DATABASE d");
    fx_run (s_a, "CREATE DATABASE e");
    fx_expect (s_a, "USE e CREATE TABLE MarkLog (MarkName nvarchar(128) NULL)", "#5701\n");
    fx_expect (s_a,
               "USE d CREATE TABLE MarkLog (MarkName nvarchar(128) NULL) "
               "CREATE TABLE t (id int NOT NULL PRIMARY KEY, v nvarchar(5) NULL)",
               "#5701\n");
    fx_expect (s_a,
               "CREATE PROCEDURE dbo.sp_SetMark @name nvarchar(128) AS\n"
               "BEGIN TRANSACTION @name\n"
               "INSERT MarkLog VALUES (@name)\n"
               "IF @@ERROR <> 0 BEGIN ROLLBACK TRANSACTION @name RETURN -1 END\n"
               "COMMIT TRANSACTION\n"
               "RETURN 0",
               "");
    fx_expect (s_b, "USE d", "#5701\n");
    return 0;
}

static int
s_teardown (void **state)
{
    (void)state;
    fx_leave (s_a);
    fx_leave (s_b);
    fx_down (&s_fx);
    return 0;
}

static int
s_clean (void **state)
{
    (void)state;
    fx_run (s_a, "SET XACT_ABORT OFF SET LOCK_TIMEOUT -1 IF @@TRANCOUNT > 0 ROLLBACK");
    fx_run (s_b, "SET XACT_ABORT OFF SET LOCK_TIMEOUT -1 IF @@TRANCOUNT > 0 ROLLBACK");
    fx_expect (s_a, "DELETE t DELETE MarkLog DELETE e.dbo.MarkLog DELETE msdb.dbo.logmarkhistory",
               "");
    return 0;
}

static void
a_mark_is_recorded_for_each_updated_database_only (void **state)
{
    (void)state;
    fx_expect (s_a,
               "DECLARE @m nvarchar(64) = N'BTS_one'\n"
               "BEGIN TRANSACTION @m WITH MARK N'why'\n"
               "EXEC dbo.sp_SetMark @m\n"
               "SELECT COUNT(*) FROM e.dbo.MarkLog\n"
               "COMMIT",
               "=0\n0\n");
    fx_expect (
        s_a, "SELECT database_name, mark_name, description, user_name FROM msdb.dbo.logmarkhistory",
        "d|BTS_one|why|sa\n");
    fx_expect (s_a,
               "BEGIN TRANSACTION two WITH MARK\n"
               "INSERT MarkLog VALUES ('two') INSERT e..MarkLog VALUES ('two')\n"
               "COMMIT",
               "");
    fx_expect (
        s_a, "SELECT database_name FROM msdb.dbo.logmarkhistory WHERE mark_name = 'two' ORDER BY 1",
        "d\ne\n");
    assert_int_equal (s_a->begun, 0);
}

static void
a_rolled_back_mark_leaves_nothing (void **state)
{
    (void)state;
    fx_expect (s_a,
               "BEGIN TRAN x WITH MARK INSERT MarkLog VALUES ('x') ROLLBACK SELECT COUNT(*) FROM "
               "MarkLog SELECT COUNT(*) FROM msdb.dbo.logmarkhistory",
               "0\n0\n");
    assert_int_equal (s_a->begun, 1);
    assert_int_equal (s_a->rolled_back, 1);
}

static void
an_inner_begin_only_counts (void **state)
{
    (void)state;
    fx_expect (
        s_a,
        "BEGIN TRAN a BEGIN TRAN b SELECT @@TRANCOUNT COMMIT SELECT @@TRANCOUNT COMMIT SELECT "
        "@@TRANCOUNT",
        "2\n1\n0\n");
    assert_int_equal (s_a->begun, 1);
    assert_int_equal (s_a->committed, 1);
}

static void
a_rollback_by_the_outer_name_takes_everything (void **state)
{
    (void)state;
    fx_expect (
        s_a,
        "BEGIN TRAN a BEGIN TRAN b INSERT t VALUES (1, 'x') ROLLBACK TRAN a SELECT @@TRANCOUNT "
        "SELECT * FROM t",
        "0\n");
    fx_expect (s_a, "BEGIN TRAN a BEGIN TRAN b ROLLBACK TRAN b SELECT @@TRANCOUNT", "!6401\n2\n");
    fx_expect (s_a, "ROLLBACK TRAN A SELECT @@TRANCOUNT", "!6401\n2\n"); /* names have a case */
    fx_expect (s_a, "ROLLBACK SELECT @@TRANCOUNT", "0\n");
}

static void
a_procedure_that_rolls_back_by_name_ends_the_callers_transaction (void **state)
{
    (void)state;
    fx_expect (s_a, "ALTER TABLE MarkLog ADD CONSTRAINT CK_no CHECK (MarkName <> 'bad')", "");
    fx_expect (s_a,
               "DECLARE @m nvarchar(32) = N'bad', @rc int\n"
               "BEGIN TRANSACTION @m WITH MARK @m\n"
               "INSERT t VALUES (1, 'x')\n"
               "EXEC @rc = dbo.sp_SetMark @m\n"
               "SELECT @rc, @@TRANCOUNT\n"
               "SELECT * FROM t",
               "!547\n!266\n=-1\n-1|0\n");
    fx_expect (s_a, "ALTER TABLE MarkLog DROP CONSTRAINT CK_no", "");
}

static void
a_transaction_name_in_a_variable_is_cut_at_32 (void **state)
{
    (void)state;
    fx_expect (s_a,
               "DECLARE @m nvarchar(128) = N'A234567890123456789012345678901234567890'\n"
               "BEGIN TRANSACTION @m WITH MARK INSERT MarkLog VALUES (@m)\n"
               "ROLLBACK TRANSACTION A2345678901234567890123456789012\n"
               "SELECT @@TRANCOUNT",
               "0\n");
    fx_expect (s_a,
               "DECLARE @m nvarchar(128) = N'A234567890123456789012345678901234567890'\n"
               "BEGIN TRANSACTION @m WITH MARK INSERT MarkLog VALUES (@m) COMMIT\n"
               "SELECT LEN(mark_name) FROM msdb.dbo.logmarkhistory",
               "32\n");
    fx_expect (s_a, "BEGIN TRAN A23456789012345678901234567890123", "!103\n");
}

static void
marks_have_rules (void **state)
{
    (void)state;
    fx_expect (s_a, "BEGIN TRANSACTION WITH MARK SELECT @@TRANCOUNT", "!3901\n0\n");
    fx_expect (s_a, "DECLARE @m nvarchar(40) = 'LSN:1' BEGIN TRAN @m WITH MARK SELECT @@TRANCOUNT",
               "!3925\n0\n");
    fx_expect (s_a,
               "BEGIN TRAN a WITH MARK BEGIN TRAN b WITH MARK SELECT @@ERROR SELECT @@TRANCOUNT "
               "ROLLBACK",
               "#3920\n3920\n2\n");
}

static void
commit_and_rollback_need_a_transaction (void **state)
{
    (void)state;
    fx_expect (s_a, "COMMIT SELECT @@ERROR", "!3902\n3902\n");
    fx_expect (s_a, "ROLLBACK", "!3903\n");
    fx_expect (s_a, "SAVE TRAN x", "!628\n");
}

static void
a_savepoint_takes_back_what_came_after_it (void **state)
{
    (void)state;
    fx_expect (
        s_a,
        "BEGIN TRAN INSERT t VALUES (1, 'a') SAVE TRAN s INSERT t VALUES (2, 'b') ROLLBACK TRAN s "
        "COMMIT SELECT id FROM t",
        "1\n");
}

static void
a_failed_statement_takes_back_only_itself (void **state)
{
    (void)state;
    fx_expect (s_a,
               "BEGIN TRAN INSERT t VALUES (1, 'a') INSERT t VALUES (2, 'b'), (1, 'again') SELECT "
               "@@ERROR, @@TRANCOUNT COMMIT SELECT id FROM t",
               "!2627\n2627|1\n1\n");
    fx_expect (s_a, "INSERT t VALUES (5, 'too long') INSERT t VALUES (NULL, 'x') SELECT id FROM t",
               "!2628\n!515\n1\n");
}

static void
xact_abort_rolls_back_and_ends_the_batch (void **state)
{
    (void)state;
    fx_expect (
        s_a,
        "SET XACT_ABORT ON BEGIN TRAN INSERT t VALUES (1, 'a') INSERT t VALUES (1, 'a') PRINT "
        "'not reached'",
        "!2627\n");
    assert_int_equal (s_a->rolled_back, 1);
    fx_expect (s_a, "SELECT @@TRANCOUNT SELECT COUNT(*) FROM t", "0\n0\n");
    /*  RAISERROR does not by itself. */
    fx_expect (
        s_a, "BEGIN TRAN INSERT t VALUES (1, 'a') RAISERROR ('x', 16, 1) SELECT @@TRANCOUNT COMMIT",
        "!50000\n1\n");
}

static void
a_conversion_error_ends_the_batch (void **state)
{
    (void)state;
    fx_expect (s_a,
               "BEGIN TRAN INSERT t VALUES (1, 'a') SELECT CAST('x' AS int) PRINT 'not reached'",
               "!245\n");
    fx_expect (s_a, "SELECT @@TRANCOUNT", "0\n");
}

static void
try_catch_swallows_and_tells (void **state)
{
    (void)state;
    fx_expect (
        s_a,
        "BEGIN TRY\n"
        "    INSERT t VALUES (NULL, 'x')\n"
        "    PRINT 'not reached'\n"
        "END TRY\n"
        "BEGIN CATCH\n"
        "    SELECT ERROR_NUMBER(), ERROR_SEVERITY(), ERROR_LINE(), ERROR_PROCEDURE(), @@ERROR, "
        "XACT_STATE()\n"
        "END CATCH\n"
        "SELECT ERROR_NUMBER(), @@ERROR",
        "515|16|2|NULL|515|0\nNULL|0\n");
    fx_expect (s_a, "BEGIN TRY SELECT 1/0 END TRY BEGIN CATCH PRINT ERROR_MESSAGE() END CATCH",
               "#0 Divide by zero error encountered.\n");
    fx_expect (s_a,
               "BEGIN TRY RAISERROR ('a %s %d', 16, 3, 'b', 7) END TRY BEGIN CATCH SELECT "
               "ERROR_MESSAGE(), ERROR_STATE() END CATCH",
               "a b 7|3\n");
    fx_expect (
        s_a,
        "BEGIN TRY BEGIN TRY THROW 50001, 'inner', 1 END TRY BEGIN CATCH THROW END CATCH END TRY "
        "BEGIN CATCH SELECT ERROR_NUMBER(), ERROR_MESSAGE() END CATCH",
        "50001|inner\n");
}

static void
xact_abort_in_a_try_dooms_the_transaction (void **state)
{
    (void)state;
    fx_expect (
        s_a,
        "SET XACT_ABORT ON BEGIN TRAN INSERT t VALUES (1, 'a')\n"
        "BEGIN TRY INSERT t VALUES (1, 'a') END TRY\n"
        "BEGIN CATCH SELECT XACT_STATE(), @@TRANCOUNT END CATCH\n"
        "BEGIN TRY COMMIT END TRY BEGIN CATCH SELECT ERROR_NUMBER() END CATCH\n"
        "BEGIN TRY INSERT t VALUES (2, 'b') END TRY BEGIN CATCH SELECT ERROR_NUMBER() END CATCH\n"
        "ROLLBACK SELECT XACT_STATE()",
        "-1|1\n3930\n3930\n0\n");
    fx_expect (s_a, "BEGIN TRAN BEGIN TRY SELECT CAST('x' AS int) END TRY BEGIN CATCH END CATCH",
               "!3998\n");
    fx_expect (s_a, "SELECT @@TRANCOUNT", "0\n");
}

static void
a_missing_object_is_caught_by_the_caller_only (void **state)
{
    (void)state;
    fx_expect (s_a,
               "BEGIN TRY SELECT * FROM nowhere END TRY BEGIN CATCH PRINT 'caught' END CATCH PRINT "
               "'not reached'",
               "!208\n");
    fx_expect (
        s_a,
        "BEGIN TRY EXEC ('SELECT * FROM nowhere') END TRY BEGIN CATCH PRINT 'caught' END CATCH",
        "#0 caught\n");
    fx_expect (s_a, "EXEC ('SELECT * FROM nowhere') PRINT 'goes on'", "!208\n#0 goes on\n");
}

static void
a_reader_waits_for_an_uncommitted_row (void **state)
{
    (void)state;
    fx_expect (s_a, "BEGIN TRAN INSERT t VALUES (1, 'a')", "");
    fx_expect (s_b, "SELECT COUNT(*) FROM t WITH (NOLOCK)", "1\n");
    fx_expect (s_b, "SET LOCK_TIMEOUT 0 SELECT * FROM t", "!1222\n");
    fx_expect (s_b, "SET LOCK_TIMEOUT -1", "");
    fx_start (s_b, "SELECT v FROM t");
    fx_until_waits (s_b, "LCK");
    fx_expect (s_a, "UPDATE t SET v = 'b' WHERE id = 1 COMMIT", "");
    fx_join (s_b);
    assert_string_equal (s_b->out, "b\n");
}

static void
a_reader_by_key_does_not_meet_another_row (void **state)
{
    (void)state;
    fx_expect (s_a, "INSERT t VALUES (1, 'a'), (2, 'b')", "");
    fx_expect (s_a, "BEGIN TRAN UPDATE t SET v = 'x' WHERE id = 1", "");
    fx_expect (s_b, "SET LOCK_TIMEOUT 0 SELECT v FROM t WHERE id = 2", "b\n");
    fx_expect (s_b, "UPDATE t SET v = 'y' WHERE id = 2", "");
    fx_expect (s_b, "SELECT v FROM t WHERE id = 1", "!1222\n");
    fx_expect (s_b, "SELECT v FROM t WITH (READPAST)", "y\n");
}

static void
an_update_that_waited_sees_the_new_row (void **state)
{
    (void)state;
    fx_expect (s_a, "INSERT t VALUES (1, '1')", "");
    fx_expect (s_a, "BEGIN TRAN UPDATE t SET v = '2' WHERE id = 1", "");
    fx_start (s_b, "UPDATE t SET v = v + '+' WHERE id = 1");
    fx_until_waits (s_b, "LCK");
    fx_expect (s_a, "COMMIT", "");
    fx_join (s_b);
    fx_expect (s_a, "SELECT v FROM t", "2+\n");
}

static void
a_deadlock_has_a_victim (void **state)
{
    (void)state;
    fx_expect (s_a, "INSERT t VALUES (1, 'a'), (2, 'b')", "");
    fx_expect (s_a, "SET DEADLOCK_PRIORITY HIGH BEGIN TRAN UPDATE t SET v = 'x' WHERE id = 1", "");
    fx_expect (s_b, "SET DEADLOCK_PRIORITY LOW BEGIN TRAN UPDATE t SET v = 'y' WHERE id = 2", "");
    fx_start (s_b, "UPDATE t SET v = 'y' WHERE id = 1 PRINT 'not reached'");
    fx_until_waits (s_b, "LCK");
    fx_expect (s_a, "UPDATE t SET v = 'x' WHERE id = 2 COMMIT", "");
    fx_join (s_b);
    assert_string_equal (s_b->out, "!1205\n");
    fx_expect (s_b, "SELECT @@TRANCOUNT SELECT v FROM t", "0\nx\nx\n");
}

static void
an_attention_ends_waitfor_at_once (void **state)
{
    (void)state;
    fx_expect (s_b, "SET XACT_ABORT OFF BEGIN TRAN INSERT t VALUES (7, 'x')", "");
    fx_start (s_b, "WAITFOR DELAY '01:00:00' PRINT 'not reached'");
    fx_until_waits (s_b, "WAITFOR");
    int64_t before = fx_now_ms ();
    s_fx.backend->cancel (s_b->session, SH_CANCEL_ATTENTION);
    fx_join (s_b);
    assert_true (fx_now_ms () - before < 2000);
    assert_int_equal (s_b->run, SH_RUN_CANCELLED);
    assert_string_equal (s_b->out, "");
    fx_expect (s_b, "SELECT @@TRANCOUNT ROLLBACK", "1\n"); /* XACT_ABORT OFF: it stays open */
}

static void
an_attention_rolls_back_under_xact_abort (void **state)
{
    (void)state;
    fx_expect (s_b, "SET XACT_ABORT ON BEGIN TRAN INSERT t VALUES (7, 'x')", "");
    fx_start (s_b, "WAITFOR DELAY '01:00:00'");
    fx_until_waits (s_b, "WAITFOR");
    s_fx.backend->cancel (s_b->session, SH_CANCEL_ATTENTION);
    fx_join (s_b);
    assert_int_equal (s_b->rolled_back, 1);
    fx_expect (s_b, "SELECT @@TRANCOUNT", "0\n");
    fx_expect (s_a, "SET LOCK_TIMEOUT 0 SELECT COUNT(*) FROM t", "0\n");
}

static void
an_attention_ends_a_lock_wait (void **state)
{
    (void)state;
    fx_expect (s_a, "BEGIN TRAN INSERT t VALUES (1, 'a')", "");
    fx_start (s_b, "SELECT * FROM t");
    fx_until_waits (s_b, "LCK");
    s_fx.backend->cancel (s_b->session, SH_CANCEL_ATTENTION);
    fx_join (s_b);
    assert_int_equal (s_b->run, SH_RUN_CANCELLED);
}

static void
kill_rolls_back_and_hangs_up (void **state)
{
    (void)state;
    fx_client_t *c = fx_client (&s_fx);
    char sql[64];
    fx_expect (c, "USE d BEGIN TRAN INSERT t VALUES (1, 'a')", "#5701\n");
    fx_start (c, "WAITFOR DELAY '01:00:00'");
    fx_until_waits (c, "WAITFOR");
    snprintf (sql, sizeof sql, "KILL %d", c->opened.spid);
    fx_expect (s_a, sql, "");
    fx_join (c);
    assert_int_equal (c->run, SH_RUN_CLOSE);
    assert_true (__atomic_load_n (&c->hung_up, __ATOMIC_SEQ_CST));
    fx_leave (c);
    fx_expect (s_a, "SET LOCK_TIMEOUT 0 SELECT COUNT(*) FROM t", "0\n");
    fx_expect (s_a, "KILL 3999", "!6106\n");
    fx_expect (s_a, "DECLARE @s nvarchar(40) = N'KILL ' + CAST(@@SPID AS nvarchar) EXEC (@s)",
               "!6104\n");
}

static void
ddl_is_part_of_the_transaction (void **state)
{
    (void)state;
    fx_expect (
        s_a,
        "BEGIN TRAN CREATE TABLE n (a int) INSERT n VALUES (1) SELECT * FROM n ROLLBACK SELECT "
        "OBJECT_ID('n')",
        "1\nNULL\n");
    fx_expect (s_a, "BEGIN TRAN CREATE DATABASE x ROLLBACK", "!226\n");
}

static void
implicit_transactions_begin_by_themselves (void **state)
{
    (void)state;
    fx_expect (
        s_a,
        "SET IMPLICIT_TRANSACTIONS ON INSERT t VALUES (1, 'a') SELECT @@TRANCOUNT ROLLBACK SET "
        "IMPLICIT_TRANSACTIONS OFF SELECT COUNT(*) FROM t",
        "1\n0\n");
}

#define S_TEST(name) cmocka_unit_test_setup (name, s_clean)

int
main (void)
{
    const struct CMUnitTest tests[] = {
        S_TEST (a_mark_is_recorded_for_each_updated_database_only),
        S_TEST (a_rolled_back_mark_leaves_nothing),
        S_TEST (an_inner_begin_only_counts),
        S_TEST (a_rollback_by_the_outer_name_takes_everything),
        S_TEST (a_procedure_that_rolls_back_by_name_ends_the_callers_transaction),
        S_TEST (a_transaction_name_in_a_variable_is_cut_at_32),
        S_TEST (marks_have_rules),
        S_TEST (commit_and_rollback_need_a_transaction),
        S_TEST (a_savepoint_takes_back_what_came_after_it),
        S_TEST (a_failed_statement_takes_back_only_itself),
        S_TEST (xact_abort_rolls_back_and_ends_the_batch),
        S_TEST (a_conversion_error_ends_the_batch),
        S_TEST (try_catch_swallows_and_tells),
        S_TEST (xact_abort_in_a_try_dooms_the_transaction),
        S_TEST (a_missing_object_is_caught_by_the_caller_only),
        S_TEST (a_reader_waits_for_an_uncommitted_row),
        S_TEST (a_reader_by_key_does_not_meet_another_row),
        S_TEST (an_update_that_waited_sees_the_new_row),
        S_TEST (a_deadlock_has_a_victim),
        S_TEST (an_attention_ends_waitfor_at_once),
        S_TEST (an_attention_rolls_back_under_xact_abort),
        S_TEST (an_attention_ends_a_lock_wait),
        S_TEST (kill_rolls_back_and_hangs_up),
        S_TEST (ddl_is_part_of_the_transaction),
        S_TEST (implicit_transactions_begin_by_themselves)};
    return cmocka_run_group_tests (tests, s_setup, s_teardown);
}
