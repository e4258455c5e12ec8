/*  Transactions: all or nothing, also over databases and over a kill; marks. */
#include "tests/unit/sqlhost/engine_fixture.h"

#include <signal.h>
#include <sys/wait.h>

static int64_t
s_column_int (const sh_value_t *value)
{
    return value->kind == SH_DECIMAL ? strtoll (value->as.text, NULL, 10) : value->as.integer;
}

/*  ---- rollback ---- */

static void
a_rollback_undoes_rows_tables_and_modules (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    const sh_module_t *module = NULL;
    sh_table_t *table = NULL;
    sh_module_t procedure = {.schema = "dbo", .name = "p", .kind = "P", .text = "create proc p"};
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    fx_begin (fx->s[0]);
    fx_insert (fx->s[0], fx->db, "T", 2, "b");
    fx_make_t (fx->s[0], fx->db, "U");
    fx_insert (fx->s[0], fx->db, "U", 1, "u");
    fx_ok (sh_module_put (fx->s[0], fx->db, SH_DDL_CREATE, &procedure, &error), &error);
    fx_ok (sh_table_drop (fx->s[0], fx->db, NULL, "MarkLog", &error), &error);
    sh_txn_rollback (fx->s[0]);
    fx_expect (fx_read (fx->s[0], fx->db, "T"), "1=a ");
    fx_expect (fx_read (fx->s[0], fx->db, "MarkLog"), "");
    assert_int_equal (sh_table_open (fx->s[0], fx->db, NULL, "U", &table, &error), SH_END);
    assert_int_equal (sh_module_open (fx->s[0], fx->db, "P", NULL, "p", &module, &error), SH_END);
    fx_reopen (fx);
    fx_expect (fx_read (fx->s[0], fx->db, "T"), "1=a ");
}

static void
a_savepoint_undoes_what_came_after_it_and_can_be_used_again (void **state)
{
    fx_t *fx = *state;
    fx_begin (fx->s[0]);
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    sh_txn_save (fx->s[0], "here");
    for (int i = 0; i < 2; i++) {
        fx_insert (fx->s[0], fx->db, "T", 2, "b");
        fx_change (fx->s[0], fx->db, "T", 1, "x");
        assert_int_equal (sh_txn_rollback_save (fx->s[0], "here"), SH_OK);
        fx_expect (fx_read (fx->s[0], fx->db, "T"), "1=a ");
    }
    assert_int_equal (sh_txn_rollback_save (fx->s[0], "Here"), SH_END);
    fx_commit (fx->s[0]);
    fx_reopen (fx);
    fx_expect (fx_read (fx->s[0], fx->db, "T"), "1=a ");
}

static void
a_row_inserted_and_deleted_in_one_transaction_leaves_nothing (void **state)
{
    fx_t *fx = *state;
    fx_begin (fx->s[0]);
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    fx_change (fx->s[0], fx->db, "T", 1, NULL);
    fx_insert (fx->s[0], fx->db, "T", 1, "again");
    fx_commit (fx->s[0]);
    fx_reopen (fx);
    fx_expect (fx_read (fx->s[0], fx->db, "T"), "1=again ");
    fx_expect (fx_seek (fx->s[0], fx->db, "T", 1, 0), "1=again ");
}

static void
an_identity_value_is_not_used_again_after_a_rollback (void **state)
{
    fx_t *fx = *state;
    assert_int_equal (fx_insert_n (fx->s[0], fx->db, "a"), 1);
    fx_begin (fx->s[0]);
    assert_int_equal (fx_insert_n (fx->s[0], fx->db, "b"), 2);
    sh_txn_rollback (fx->s[0]);
    assert_int_equal (fx_insert_n (fx->s[0], fx->db, "c"), 3);
    fx_begin (fx->s[0]);
    assert_int_equal (fx_insert_n (fx->s[0], fx->db, "d"), 4);
    sh_txn_rollback (fx->s[0]);
    fx_reopen (fx);
    assert_int_equal (fx_insert_n (fx->s[0], fx->db, "e"), 5);
}

static void
bad_rows_are_refused_with_their_numbers (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    sh_value_t null_key[] = {sh_value_null (), sh_value_null ()};
    sh_value_t same_key[] = {sh_value_int (1), sh_value_null ()};
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    assert_int_equal (fx_try_insert (fx->s[0], fx->db, "T", null_key, &error), SH_ERROR);
    assert_int_equal (error.number, 515);
    assert_int_equal (fx_try_insert (fx->s[0], fx->db, "T", same_key, &error), SH_ERROR);
    assert_int_equal (error.number, 2627);
    assert_non_null (strstr (error.text, "(1)"));
    sh_db_change_t change = SH_DB_CHANGE_NONE;
    change.read_only = 1;
    fx_ok (sh_db_alter (fx->s[0], fx->db, &change, &error), &error);
    same_key[0] = sh_value_int (2);
    assert_int_equal (fx_try_insert (fx->s[0], fx->db, "T", same_key, &error), SH_ERROR);
    assert_int_equal (error.number, 3906);
}

/*  ---- DDL ---- */

static void
ddl_survives_a_restart (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    const sh_module_t *module = NULL;
    sh_module_t procedure = {.schema = "dbo", .name = "p", .kind = "P", .text = "one"};
    sh_column_t added = {.name = "more", .type = {.id = SH_TYPE_INT}};
    sh_index_t index = {.name = "ix_v", .unique = true, .column_count = 1, .columns = {1}};
    sh_value_t fill = sh_value_int (7);
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    fx_begin (fx->s[0]);
    fx_insert (fx->s[0], fx->db, "T", 2, "b");
    sh_table_t *table = fx_table (fx->s[0], fx->db, "T");
    fx_ok (sh_table_add_column (fx->s[0], table, &added, &fill, &error), &error);
    fx_ok (sh_table_add_index (fx->s[0], table, &index, &error), &error);
    fx_ok (sh_module_put (fx->s[0], fx->db, SH_DDL_CREATE, &procedure, &error), &error);
    procedure.text = "two";
    fx_ok (sh_module_put (fx->s[0], fx->db, SH_DDL_ALTER, &procedure, &error), &error);
    sh_table_close (fx->s[0], &table);
    fx_commit (fx->s[0]);
    fx_reopen (fx);
    table = fx_table (fx->s[0], fx->db, "T");
    assert_int_equal (sh_table_def (table)->column_count, 3);
    assert_int_equal (sh_table_def (table)->index_count, 2);
    sh_table_close (fx->s[0], &table);
    fx_expect (fx_read (fx->s[0], fx->db, "T"), "1=a 2=b ");
    fx_ok (sh_module_open (fx->s[0], fx->db, "P", NULL, "P", &module, &error), &error);
    assert_string_equal (module->text, "two");
    sh_module_close (fx->s[0], &module);
    sh_value_t same_v[] = {sh_value_int (3), sh_value_text ("A"), sh_value_int (1)};
    assert_int_equal (fx_try_insert (fx->s[0], fx->db, "T", same_v, &error), SH_ERROR);
    assert_int_equal (error.number, 2601);
}

static void
a_unique_index_over_duplicates_is_refused_and_leaves_the_table_as_it_was (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    sh_index_t index = {.name = "ix_v", .unique = true, .column_count = 1, .columns = {1}};
    fx_insert (fx->s[0], fx->db, "T", 1, "same");
    fx_insert (fx->s[0], fx->db, "T", 2, "same");
    fx_begin (fx->s[0]);
    sh_table_t *table = fx_table (fx->s[0], fx->db, "T");
    assert_int_equal (sh_table_add_index (fx->s[0], table, &index, &error), SH_ERROR);
    assert_int_equal (error.number, 1505);
    assert_int_equal (sh_table_def (table)->index_count, 1);
    fx_expect (fx_seek (fx->s[0], fx->db, "T", 2, 0), "2=same ");
    sh_table_close (fx->s[0], &table);
    fx_commit (fx->s[0]);
}

static void
truncate_empties_the_table_and_starts_the_identity_again (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    fx_insert_n (fx->s[0], fx->db, "a");
    fx_insert_n (fx->s[0], fx->db, "b");
    for (int commit = 0; commit < 2; commit++) {
        fx_begin (fx->s[0]);
        sh_table_t *table = fx_table (fx->s[0], fx->db, "N");
        fx_ok (sh_table_truncate (fx->s[0], table, &error), &error);
        sh_table_close (fx->s[0], &table);
        if (commit)
            fx_commit (fx->s[0]);
        else
            sh_txn_rollback (fx->s[0]);
    }
    assert_int_equal (fx_insert_n (fx->s[0], fx->db, "c"), 1);
    fx_reopen (fx);
    fx_expect (fx_read (fx->s[0], fx->db, "N"), "1=c ");
}

/*  ---- kill ---- */

/*  In a child: one transaction over A and B while the fault is on; the child must die of it. */
static void
s_die_at_commit (fx_t *fx, const char *fault)
{
    fx_close (fx);
    pid_t child = fork ();
    assert_true (child >= 0);
    if (child == 0) {
        sh_db_info_t b;
        fx_open (fx);
        if (sh_db_find (fx->instance, "B", &b) == SH_OK &&
            sh_fault_set (fx->instance, "kill_at_commit", fault)) {
            fx_begin_marked (fx->s[0], "killed");
            fx_insert (fx->s[0], fx->db, "T", 1, "a");
            fx_insert (fx->s[0], b.id, "T", 1, "b");
            sh_txn_commit (fx->s[0], NULL);
        }
        _exit (1);
    }
    int how = 0;
    assert_int_equal (waitpid (child, &how, 0), child);
    assert_true (WIFEXITED (how));
    assert_int_equal (WEXITSTATUS (how), 137);
    fx_open (fx);
}

static void
killed_before_the_log_record_neither_database_has_it (void **state)
{
    fx_t *fx = *state;
    int b = fx_make_db (fx, "B");
    fx_make_t (fx->s[0], b, "T");
    s_die_at_commit (fx, "before");
    fx_expect (fx_read (fx->s[0], fx->db, "T"), "");
    fx_expect (fx_read (fx->s[0], b, "T"), "");
    assert_int_equal (fx_read (fx->s[0], SH_DB_MSDB, "logmarkhistory").count, 0);
}

static void
killed_after_the_log_record_both_databases_have_it (void **state)
{
    fx_t *fx = *state;
    int b = fx_make_db (fx, "B");
    fx_make_t (fx->s[0], b, "T");
    s_die_at_commit (fx, "after");
    fx_expect (fx_read (fx->s[0], fx->db, "T"), "1=a ");
    fx_expect (fx_read (fx->s[0], b, "T"), "1=b ");
    fx_expect (fx_read (fx->s[0], SH_DB_MSDB, "logmarkhistory"), "A B ");
}

/*  In a child: rows k, k + 1, ... into A and B at once, a byte for each commit that was
 *  answered. */
static void
s_commit_until_killed (fx_t *fx, int first, int pipe_end)
{
    sh_db_info_t b;
    fx_open (fx);
    if (sh_db_find (fx->instance, "B", &b) != SH_OK)
        _exit (1);
    for (int k = first;; k++) {
        fx_begin (fx->s[0]);
        fx_insert (fx->s[0], fx->db, "T", k, "a");
        fx_insert (fx->s[0], b.id, "T", k, "b");
        fx_commit (fx->s[0]);
        if (k % 50 == 0)
            sh_instance_checkpoint (fx->instance, NULL);
        if (write (pipe_end, "x", 1) != 1)
            _exit (1);
    }
}

static void
a_kill_at_any_moment_loses_nothing_that_was_answered_and_splits_nothing (void **state)
{
    fx_t *fx = *state;
    int b = fx_make_db (fx, "B");
    int known = 0;
    fx_make_t (fx->s[0], b, "T");
    for (int round = 0; round < 8; round++) {
        int ends[2], how = 0;
        char byte;
        fx_close (fx);
        assert_int_equal (pipe (ends), 0);
        pid_t child = fork ();
        assert_true (child >= 0);
        if (child == 0)
            s_commit_until_killed (fx, known, ends[1]);
        close (ends[1]);
        for (int answers = 0; answers < 20 + round * 17; answers++)
            assert_int_equal (read (ends[0], &byte, 1), 1);
        assert_int_equal (kill (child, SIGKILL), 0);
        assert_int_equal (waitpid (child, &how, 0), child);
        int answered = known + 20 + round * 17;
        while (read (ends[0], &byte, 1) == 1)
            answered++;
        close (ends[0]);
        fx_open (fx);
        known = fx_read (fx->s[0], fx->db, "T").count;
        assert_int_equal (fx_read (fx->s[0], b, "T").count, known);
        assert_true (known == answered || known == answered + 1);
    }
}

static void
a_database_made_just_before_a_kill_is_there_with_its_rows (void **state)
{
    fx_t *fx = *state;
    fx_close (fx);
    pid_t child = fork ();
    assert_true (child >= 0);
    if (child == 0) {
        fx_open (fx);
        int b = fx_make_db (fx, "B");
        fx_make_n (fx->s[0], b);
        fx_insert_n (fx->s[0], b, "row");
        _exit (0);
    }
    int how = 0;
    assert_int_equal (waitpid (child, &how, 0), child);
    assert_true (WIFEXITED (how) && WEXITSTATUS (how) == 0);
    fx_open (fx);
    sh_db_info_t info;
    assert_int_equal (sh_db_find (fx->instance, "b", &info), SH_OK);
    assert_int_equal (info.state, SH_STATE_ONLINE);
    fx_expect (fx_read (fx->s[0], info.id, "N"), "1=row ");
    assert_int_equal (fx_insert_n (fx->s[0], info.id, "next"), 2);
}

/*  ---- marks ---- */

typedef struct {
    int count;
    char text[512];
    int64_t lsn;
} s_marks_t;

static s_marks_t
s_marks (fx_t *fx)
{
    s_marks_t out = {.count = 0};
    sh_error_t error = {0};
    sh_cursor_t *cursor = NULL;
    sh_scan_t scan = {.isolation = SH_READ_COMMITTED};
    sh_table_t *table = fx_table (fx->s[5], SH_DB_MSDB, "logmarkhistory");
    fx_ok (sh_cursor_open (fx->s[5], table, &scan, &cursor, &error), &error);
    while (sh_cursor_next (cursor, &error) == SH_OK) {
        const sh_value_t *v = sh_cursor_values (cursor);
        size_t used = strlen (out.text);
        snprintf (out.text + used, sizeof out.text - used, "%s/%s/%s/%s ", v[0].as.text,
                  v[1].as.text, v[2].as.text, v[3].as.text);
        out.lsn = s_column_int (&v[4]);
        out.count++;
    }
    sh_cursor_close (&cursor);
    sh_table_close (fx->s[5], &table);
    return out;
}

static void
a_mark_is_written_for_each_database_that_was_updated_and_no_other (void **state)
{
    fx_t *fx = *state;
    int b = fx_make_db (fx, "B");
    fx_make_marklog (fx->s[0], b);
    fx_make_db (fx, "C");
    fx_begin_marked (fx->s[0], "a name of more than thirty-two characters");
    fx_insert_mark (fx->s[0], fx->db, "m");
    fx_insert_mark (fx->s[0], b, "m");
    assert_int_equal (s_marks (fx).count, 0);
    fx_commit (fx->s[0]);
    s_marks_t marks = s_marks (fx);
    assert_string_equal (marks.text, "A/a name of more than thirty-two c/a description/sa "
                                     "B/a name of more than thirty-two c/a description/sa ");
    assert_true (marks.lsn > INT64_C (31000000000000000));
    fx_begin_marked (fx->s[0], "nothing changed");
    fx_expect (fx_read (fx->s[0], fx->db, "MarkLog"), "m ");
    fx_commit (fx->s[0]);
    assert_int_equal (s_marks (fx).count, 2);
}

static void
a_rolled_back_mark_is_nowhere (void **state)
{
    fx_t *fx = *state;
    fx_begin_marked (fx->s[0], "m");
    fx_insert_mark (fx->s[0], fx->db, "m");
    sh_txn_rollback (fx->s[0]);
    assert_int_equal (s_marks (fx).count, 0);
    fx_expect (fx_read (fx->s[0], fx->db, "MarkLog"), "");
}

static void
a_second_mark_in_one_transaction_is_ignored_with_3920 (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    fx_begin_marked (fx->s[0], "first");
    assert_int_equal (sh_txn_mark (fx->s[0], "second", NULL, &error), SH_ERROR);
    assert_int_equal (error.number, 3920);
    assert_int_equal (error.severity, 10);
    fx_insert_mark (fx->s[0], fx->db, "m");
    fx_commit (fx->s[0]);
    assert_string_equal (s_marks (fx).text, "A/first/a description/sa ");
}

static void
a_mark_is_dropped_with_3923_where_bulk_logged_work_is_not_backed_up (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    sh_db_change_t change = SH_DB_CHANGE_NONE;
    int b = fx_make_db (fx, "B");
    fx_make_marklog (fx->s[0], b);
    change.recovery = SH_RECOVERY_BULK_LOGGED;
    fx_ok (sh_db_alter (fx->s[0], fx->db, &change, &error), &error);
    fx_backup (fx, fx->db, false, "a.bak");
    fx->messages[0] = 0;
    for (int round = 0; round < 2; round++) {
        fx_begin_marked (fx->s[0], round ? "second" : "first");
        sh_txn_note_bulk (fx->s[0], round ? 0 : fx->db);
        sh_txn_note_bulk (fx->s[0], b); /* in FULL recovery: nothing */
        fx_insert_mark (fx->s[0], fx->db, "m");
        fx_insert_mark (fx->s[0], b, "m");
        fx_commit (fx->s[0]);
        assert_string_equal (fx->messages, round ? "" : "3923 ");
        assert_int_equal (s_marks (fx).count, round ? 3 : 1);
        fx_backup (fx, fx->db, true, "a.trn"); /* clears it */
        fx->messages[0] = 0;
    }
}

static void
s_commit (void *arg)
{
    fx_task_t *task = arg;
    task->status = sh_txn_commit (task->s, &task->error);
}

static void
a_held_commit_waits_until_it_is_released (void **state)
{
    fx_t *fx = *state;
    fx_task_t commit = {0};
    assert_true (sh_fault_set (fx->instance, "commit_hold", "1"));
    fx_begin_marked (fx->s[0], "m");
    fx_insert_mark (fx->s[0], fx->db, "m");
    fx_insert (fx->s[1], fx->db, "T", 1, "unmarked commits are not held");
    fx_start (&commit, fx, fx->s[0], s_commit);
    fx_until_waits (fx, fx->s[0], "TRAN_MARKLATCH");
    assert_int_equal (s_marks (fx).count, 0);
    assert_true (sh_fault_set (fx->instance, "commit_hold", "0"));
    fx_join (&commit);
    fx_ok (commit.status, &commit.error);
    assert_int_equal (s_marks (fx).count, 1);
}

static void
cancel_ends_a_held_commit_and_leaves_its_transaction_open (void **state)
{
    fx_t *fx = *state;
    fx_task_t commit = {0};
    assert_true (sh_fault_set (fx->instance, "commit_delay_ms", "600000"));
    fx_begin_marked (fx->s[0], "m");
    fx_insert_mark (fx->s[0], fx->db, "m");
    fx_start (&commit, fx, fx->s[0], s_commit);
    fx_until_waits (fx, fx->s[0], "TRAN_MARKLATCH");
    sh_esession_cancel (fx->s[0]);
    fx_join (&commit);
    assert_int_equal (commit.status, SH_CANCELLED);
    assert_true (sh_txn_active (fx->s[0]));
    sh_esession_cancel_clear (fx->s[0]);
    sh_txn_rollback (fx->s[0]);
    assert_int_equal (s_marks (fx).count, 0);
}

static void
kill_rolls_a_held_commit_back (void **state)
{
    fx_t *fx = *state;
    fx_task_t commit = {0};
    assert_true (sh_fault_set (fx->instance, "commit_hold", "1"));
    fx_begin_marked (fx->s[0], "m");
    fx_insert_mark (fx->s[0], fx->db, "m");
    fx_start (&commit, fx, fx->s[0], s_commit);
    fx_until_waits (fx, fx->s[0], "TRAN_MARKLATCH");
    sh_esession_kill (fx->s[0]);
    fx_join (&commit);
    assert_int_equal (commit.status, SH_KILLED);
    assert_false (sh_txn_active (fx->s[0]));
    fx_expect (fx_read (fx->s[1], fx->db, "MarkLog"), "");
}

static void
waitfor_ends_at_once_when_it_is_cancelled (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    fx_ok (sh_esession_wait (fx->s[0], 1, &error), &error);
    sh_esession_cancel (fx->s[0]);
    assert_int_equal (sh_esession_wait (fx->s[0], 3600000, &error), SH_CANCELLED);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        FX_TEST (a_rollback_undoes_rows_tables_and_modules),
        FX_TEST (a_savepoint_undoes_what_came_after_it_and_can_be_used_again),
        FX_TEST (a_row_inserted_and_deleted_in_one_transaction_leaves_nothing),
        FX_TEST (an_identity_value_is_not_used_again_after_a_rollback),
        FX_TEST (bad_rows_are_refused_with_their_numbers),
        FX_TEST (ddl_survives_a_restart),
        FX_TEST (a_unique_index_over_duplicates_is_refused_and_leaves_the_table_as_it_was),
        FX_TEST (truncate_empties_the_table_and_starts_the_identity_again),
        FX_TEST (killed_before_the_log_record_neither_database_has_it),
        FX_TEST (killed_after_the_log_record_both_databases_have_it),
        FX_TEST (a_kill_at_any_moment_loses_nothing_that_was_answered_and_splits_nothing),
        FX_TEST (a_database_made_just_before_a_kill_is_there_with_its_rows),
        FX_TEST (a_mark_is_written_for_each_database_that_was_updated_and_no_other),
        FX_TEST (a_rolled_back_mark_is_nowhere),
        FX_TEST (a_second_mark_in_one_transaction_is_ignored_with_3920),
        FX_TEST (a_mark_is_dropped_with_3923_where_bulk_logged_work_is_not_backed_up),
        FX_TEST (a_held_commit_waits_until_it_is_released),
        FX_TEST (cancel_ends_a_held_commit_and_leaves_its_transaction_open),
        FX_TEST (kill_rolls_a_held_commit_back),
        FX_TEST (waitfor_ends_at_once_when_it_is_cancelled),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
