/*  Locking as SQL Server does it: who waits for whom, how waits end. */
#include "tests/unit/sqlhost/engine_fixture.h"

static void
s_read_t (void *arg)
{
    fx_task_t *task = arg;
    task->rows = fx_read (task->s, task->fx->db, "T");
}

static void
a_reader_waits_for_an_uncommitted_row_and_gets_it_after_commit (void **state)
{
    fx_t *fx = *state;
    fx_task_t reader = {0};
    fx_begin (fx->s[0]);
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    fx_start (&reader, fx, fx->s[1], s_read_t);
    fx_until_waits (fx, fx->s[1], "LCK_M_S");
    fx_commit (fx->s[0]);
    fx_join (&reader);
    fx_expect (reader.rows, "1=a ");
}

static void
a_reader_that_waited_does_not_see_a_row_that_was_rolled_back (void **state)
{
    fx_t *fx = *state;
    fx_task_t reader = {0};
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    fx_begin (fx->s[0]);
    fx_change (fx->s[0], fx->db, "T", 1, "b");
    fx_insert (fx->s[0], fx->db, "T", 2, "c");
    fx_start (&reader, fx, fx->s[1], s_read_t);
    fx_until_waits (fx, fx->s[1], "LCK_M_S");
    sh_txn_rollback (fx->s[0]);
    fx_join (&reader);
    fx_expect (reader.rows, "1=a ");
}

static void
a_seek_by_a_unique_key_does_not_wait_for_another_row (void **state)
{
    fx_t *fx = *state;
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    fx_insert (fx->s[0], fx->db, "T", 2, "b");
    fx_begin (fx->s[0]);
    fx_change (fx->s[0], fx->db, "T", 1, "changed");
    fx_insert (fx->s[0], fx->db, "T", 3, "new");
    sh_esession_set_lock_timeout (fx->s[1], 0);
    fx_expect (fx_seek (fx->s[1], fx->db, "T", 2, 0), "2=b ");
    fx_expect (fx_seek (fx->s[1], fx->db, "T", 4, 0), "");
    assert_int_equal (fx_seek (fx->s[1], fx->db, "T", 1, 0).error.number, 1222);
    assert_int_equal (fx_seek (fx->s[1], fx->db, "T", 3, 0).error.number, 1222);
    sh_txn_rollback (fx->s[0]);
}

static void
dirty_reads_and_readpast_do_not_wait (void **state)
{
    fx_t *fx = *state;
    sh_scan_t dirty = {.isolation = SH_READ_UNCOMMITTED};
    sh_scan_t past = {.isolation = SH_READ_COMMITTED, .hints = SH_HINT_READPAST};
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    fx_insert (fx->s[0], fx->db, "T", 2, "b");
    fx_begin (fx->s[0]);
    fx_change (fx->s[0], fx->db, "T", 1, "x");
    fx_change (fx->s[0], fx->db, "T", 2, NULL);
    fx_insert (fx->s[0], fx->db, "T", 3, "c");
    fx_expect (fx_scan (fx->s[1], fx->db, "T", &dirty), "1=x 3=c ");
    fx_expect (fx_scan (fx->s[1], fx->db, "T", &past), "");
    sh_txn_rollback (fx->s[0]);
    fx_expect (fx_scan (fx->s[1], fx->db, "T", &dirty), "1=a 2=b ");
}

static void
a_transaction_sees_its_own_changes (void **state)
{
    fx_t *fx = *state;
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    fx_insert (fx->s[0], fx->db, "T", 2, "b");
    fx_begin (fx->s[0]);
    fx_change (fx->s[0], fx->db, "T", 1, "x");
    fx_change (fx->s[0], fx->db, "T", 2, NULL);
    fx_insert (fx->s[0], fx->db, "T", 3, "c");
    fx_change (fx->s[0], fx->db, "T", 3, "d");
    fx_expect (fx_read (fx->s[0], fx->db, "T"), "1=x 3=d ");
    fx_expect (fx_seek (fx->s[0], fx->db, "T", 3, 0), "3=d ");
    fx_expect (fx_seek (fx->s[0], fx->db, "T", 2, 0), "");
    sh_txn_rollback (fx->s[0]);
    fx_expect (fx_read (fx->s[0], fx->db, "T"), "1=a 2=b ");
}

static void
a_lock_wait_ends_with_1222_after_the_lock_timeout (void **state)
{
    fx_t *fx = *state;
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    fx_begin (fx->s[0]);
    fx_change (fx->s[0], fx->db, "T", 1, "b");
    sh_esession_set_lock_timeout (fx->s[1], 20);
    fx_rows_t rows = fx_read (fx->s[1], fx->db, "T");
    assert_int_equal (rows.status, SH_ERROR);
    assert_int_equal (rows.error.number, 1222);
    sh_txn_rollback (fx->s[0]);
    fx_expect (fx_read (fx->s[1], fx->db, "T"), "1=a ");
}

static void
cancel_ends_a_lock_wait_at_once (void **state)
{
    fx_t *fx = *state;
    fx_task_t reader = {0};
    fx_begin (fx->s[0]);
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    fx_start (&reader, fx, fx->s[1], s_read_t);
    fx_until_waits (fx, fx->s[1], "LCK_M_S");
    sh_esession_cancel (fx->s[1]);
    fx_join (&reader);
    assert_int_equal (reader.rows.status, SH_CANCELLED);
    sh_esession_cancel_clear (fx->s[1]);
    sh_txn_rollback (fx->s[0]);
    fx_expect (fx_read (fx->s[1], fx->db, "T"), "");
}

static void
kill_ends_a_lock_wait_at_once (void **state)
{
    fx_t *fx = *state;
    fx_task_t reader = {0};
    sh_error_t error = {0};
    fx_begin (fx->s[0]);
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    fx_start (&reader, fx, fx->s[1], s_read_t);
    fx_until_waits (fx, fx->s[1], "LCK_M_S");
    fx_ok (sh_esession_kill_id (fx->s[2], sh_esession_id (fx->s[1]), &error), &error);
    fx_join (&reader);
    assert_int_equal (reader.rows.status, SH_KILLED);
    assert_int_equal (reader.rows.error.number, 596);
    assert_int_equal (sh_esession_kill_id (fx->s[2], 4711, &error), SH_ERROR);
    assert_int_equal (error.number, 6106);
    assert_int_equal (sh_esession_kill_id (fx->s[2], sh_esession_id (fx->s[2]), &error), SH_ERROR);
    assert_int_equal (error.number, 6104);
    sh_txn_rollback (fx->s[0]);
}

static void
shutdown_ends_every_wait (void **state)
{
    fx_t *fx = *state;
    fx_task_t reader = {0};
    fx_begin (fx->s[0]);
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    fx_start (&reader, fx, fx->s[1], s_read_t);
    fx_until_waits (fx, fx->s[1], "LCK_M_S");
    sh_instance_shutdown (fx->instance);
    fx_join (&reader);
    assert_int_equal (reader.rows.status, SH_KILLED);
    assert_int_equal (reader.rows.error.number, 6005);
}

/*  ---- deadlocks ---- */

static void
s_change_other (void *arg)
{
    fx_task_t *task = arg;
    task->status = fx_try_change (task->s, task->fx->db, "T", task->number, "x", &task->error);
    if (task->status == SH_ERROR)
        sh_txn_rollback (task->s);
}

static void
s_deadlock (fx_t *fx, fx_task_t *one, fx_task_t *two)
{
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    fx_insert (fx->s[0], fx->db, "T", 2, "b");
    fx_begin (fx->s[1]);
    fx_begin (fx->s[2]);
    fx_change (fx->s[1], fx->db, "T", 1, "one");
    fx_change (fx->s[2], fx->db, "T", 2, "two");
    one->number = 2;
    two->number = 1;
    fx_start (one, fx, fx->s[1], s_change_other);
    fx_until_waits (fx, fx->s[1], "LCK_M_U");
    fx_start (two, fx, fx->s[2], s_change_other);
    fx_join (one);
    fx_join (two);
}

static void
a_deadlock_gives_1205_to_exactly_one (void **state)
{
    fx_t *fx = *state;
    fx_task_t one = {0}, two = {0};
    s_deadlock (fx, &one, &two);
    assert_true ((one.error.number == 1205) != (two.error.number == 1205));
    assert_int_equal (one.error.number == 1205 ? two.status : one.status, SH_OK);
    sh_txn_rollback (fx->s[1]);
    sh_txn_rollback (fx->s[2]);
}

static void
the_deadlock_victim_is_the_session_of_lower_priority (void **state)
{
    fx_t *fx = *state;
    fx_task_t one = {0}, two = {0};
    sh_esession_set_deadlock_priority (fx->s[1], -5);
    sh_esession_set_deadlock_priority (fx->s[2], 0);
    s_deadlock (fx, &one, &two);
    assert_int_equal (one.error.number, 1205);
    assert_int_equal (two.status, SH_OK);
    sh_txn_rollback (fx->s[2]);
}

static void
the_deadlock_victim_is_the_session_with_less_work (void **state)
{
    fx_t *fx = *state;
    fx_task_t one = {0}, two = {0};
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    fx_insert (fx->s[0], fx->db, "T", 2, "b");
    fx_begin (fx->s[1]);
    fx_begin (fx->s[2]);
    fx_change (fx->s[1], fx->db, "T", 1, "one");
    fx_insert (fx->s[2], fx->db, "T", 3, "more work");
    fx_change (fx->s[2], fx->db, "T", 2, "two");
    one.number = 2;
    two.number = 1;
    fx_start (&one, fx, fx->s[1], s_change_other);
    fx_until_waits (fx, fx->s[1], "LCK_M_U");
    fx_start (&two, fx, fx->s[2], s_change_other);
    fx_join (&one);
    fx_join (&two);
    assert_int_equal (one.error.number, 1205);
    assert_int_equal (two.status, SH_OK);
    sh_txn_rollback (fx->s[2]);
}

/*  ---- table and schema locks ---- */

static void
tablockx_keeps_everybody_out_until_the_transaction_ends (void **state)
{
    fx_t *fx = *state;
    sh_scan_t exclusive = {.isolation = SH_SERIALIZABLE, .hints = SH_HINT_TABLOCKX};
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    fx_begin (fx->s[0]);
    fx_expect (fx_scan (fx->s[0], fx->db, "T", &exclusive), "1=a ");
    sh_esession_set_lock_timeout (fx->s[1], 0);
    assert_int_equal (fx_read (fx->s[1], fx->db, "T").error.number, 1222);
    sh_error_t error = {0};
    sh_value_t values[] = {sh_value_int (2), sh_value_null ()};
    assert_int_equal (fx_try_insert (fx->s[1], fx->db, "T", values, &error), SH_ERROR);
    assert_int_equal (error.number, 1222);
    fx_commit (fx->s[0]);
    fx_expect (fx_read (fx->s[1], fx->db, "T"), "1=a ");
}

static void
holdlock_lets_others_read_but_not_insert (void **state)
{
    fx_t *fx = *state;
    sh_scan_t hold = {.isolation = SH_SERIALIZABLE};
    sh_error_t error = {0};
    sh_value_t values[] = {sh_value_int (2), sh_value_null ()};
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    fx_begin (fx->s[0]);
    fx_expect (fx_scan (fx->s[0], fx->db, "T", &hold), "1=a ");
    sh_esession_set_lock_timeout (fx->s[1], 0);
    fx_expect (fx_read (fx->s[1], fx->db, "T"), "1=a ");
    assert_int_equal (fx_try_insert (fx->s[1], fx->db, "T", values, &error), SH_ERROR);
    assert_int_equal (error.number, 1222);
    fx_commit (fx->s[0]);
    fx_ok (fx_try_insert (fx->s[1], fx->db, "T", values, &error), &error);
}

static void
updlock_stops_a_second_updlock_but_no_reader (void **state)
{
    fx_t *fx = *state;
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    fx_begin (fx->s[0]);
    fx_expect (fx_seek (fx->s[0], fx->db, "T", 1, SH_HINT_UPDLOCK), "1=a ");
    fx_begin (fx->s[1]);
    sh_esession_set_lock_timeout (fx->s[1], 0);
    fx_expect (fx_read (fx->s[1], fx->db, "T"), "1=a ");
    assert_int_equal (fx_seek (fx->s[1], fx->db, "T", 1, SH_HINT_UPDLOCK).error.number, 1222);
    fx_commit (fx->s[0]);
    fx_expect (fx_seek (fx->s[1], fx->db, "T", 1, SH_HINT_UPDLOCK), "1=a ");
    fx_commit (fx->s[1]);
}

static void
others_wait_for_open_ddl_and_then_see_its_outcome (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    sh_table_t *table = NULL;
    fx_begin (fx->s[0]);
    fx_make_t (fx->s[0], fx->db, "U");
    sh_esession_set_lock_timeout (fx->s[1], 0);
    assert_int_equal (sh_table_open (fx->s[1], fx->db, NULL, "U", &table, &error), SH_ERROR);
    assert_int_equal (error.number, 1222);
    sh_txn_rollback (fx->s[0]);
    assert_int_equal (sh_table_open (fx->s[1], fx->db, NULL, "U", &table, &error), SH_END);
    fx_begin (fx->s[0]);
    fx_ok (sh_table_drop (fx->s[0], fx->db, NULL, "T", &error), &error);
    assert_int_equal (sh_table_open (fx->s[0], fx->db, NULL, "T", &table, &error), SH_END);
    assert_int_equal (sh_table_open (fx->s[1], fx->db, NULL, "T", &table, &error), SH_ERROR);
    sh_txn_rollback (fx->s[0]);
    fx_expect (fx_read (fx->s[1], fx->db, "T"), "");
}

static void
a_table_is_not_dropped_under_a_session_that_reads_it (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    sh_table_t *table = fx_table (fx->s[1], fx->db, "T");
    fx_begin (fx->s[0]);
    sh_esession_set_lock_timeout (fx->s[0], 0);
    assert_int_equal (sh_table_drop (fx->s[0], fx->db, NULL, "T", &error), SH_ERROR);
    assert_int_equal (error.number, 1222);
    sh_table_close (fx->s[1], &table);
    fx_ok (sh_table_drop (fx->s[0], fx->db, NULL, "T", &error), &error);
    fx_commit (fx->s[0]);
}

/*  ---- keys ---- */

static void
s_insert_one (void *arg)
{
    fx_task_t *task = arg;
    sh_value_t values[] = {sh_value_int (task->number), sh_value_null ()};
    task->status = fx_try_insert (task->s, task->fx->db, "T", values, &task->error);
}

static void
a_duplicate_key_waits_for_the_other_transaction (void **state)
{
    fx_t *fx = *state;
    for (int commit = 0; commit < 2; commit++) {
        fx_task_t inserter = {.number = 7};
        fx_begin (fx->s[0]);
        fx_insert (fx->s[0], fx->db, "T", 7, "a");
        fx_start (&inserter, fx, fx->s[1], s_insert_one);
        fx_until_waits (fx, fx->s[1], "LCK_M_S");
        if (commit)
            fx_commit (fx->s[0]);
        else
            sh_txn_rollback (fx->s[0]);
        fx_join (&inserter);
        assert_int_equal (inserter.status, commit ? SH_ERROR : SH_OK);
        assert_int_equal (inserter.error.number, commit ? 2627 : 0);
        if (!commit)
            fx_change (fx->s[0], fx->db, "T", 7, NULL);
    }
}

/*  UPDATE T SET k = k + step, row by row, as the interpreter does it. */
static sh_status_t
s_shift (fx_t *fx, int step, int only, sh_error_t *error)
{
    sh_esession_t *s = fx->s[0];
    sh_table_t *table = fx_table (s, fx->db, "T");
    sh_status_t status = SH_OK;
    sh_keys_defer (s);
    for (int64_t rid = 1; rid <= 3 && status == SH_OK; rid++) {
        const sh_value_t *old;
        if (sh_row_get (s, table, rid, &old) != SH_OK || (only && rid != only))
            continue;
        sh_value_t values[] = {sh_value_int (old[0].as.integer + step), old[1]};
        status = sh_row_update (s, table, rid, 0, values, error);
    }
    sh_status_t keys = sh_keys_verify (s, status == SH_OK, error);
    sh_table_close (s, &table);
    return status == SH_OK ? keys : status;
}

static void
keys_may_pass_each_other_within_a_statement_but_not_stay_twice (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    for (int i = 1; i <= 3; i++)
        fx_insert (fx->s[0], fx->db, "T", i, "a");
    fx_begin (fx->s[0]);
    fx_ok (s_shift (fx, 1, 0, &error), &error);
    fx_expect (fx_read (fx->s[0], fx->db, "T"), "2=a 3=a 4=a ");
    size_t position = sh_txn_position (fx->s[0]);
    assert_int_equal (s_shift (fx, 1, 2, &error), SH_ERROR);
    assert_int_equal (error.number, 2627);
    sh_txn_rollback_to (fx->s[0], position);
    fx_commit (fx->s[0]);
    fx_expect (fx_seek (fx->s[0], fx->db, "T", 3, 0), "3=a ");
    fx_expect (fx_seek (fx->s[0], fx->db, "T", 1, 0), "");
}

static void
a_changed_row_is_reported_and_not_overwritten (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    sh_scan_t scan = {.isolation = SH_READ_COMMITTED};
    sh_cursor_t *cursor = NULL;
    sh_value_t values[] = {sh_value_int (1), sh_value_text ("late")};
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    fx_begin (fx->s[0]);
    sh_table_t *table = fx_table (fx->s[0], fx->db, "T");
    fx_ok (sh_cursor_open (fx->s[0], table, &scan, &cursor, &error), &error);
    fx_ok (sh_cursor_next (cursor, &error), &error);
    int64_t rid = sh_cursor_rid (cursor), version = sh_cursor_version (cursor);
    sh_cursor_close (&cursor);
    fx_change (fx->s[1], fx->db, "T", 1, "b");
    assert_int_equal (sh_row_update (fx->s[0], table, rid, version, values, &error), SH_CHANGED);
    sh_table_close (fx->s[0], &table);
    sh_txn_rollback (fx->s[0]);
    fx_expect (fx_read (fx->s[0], fx->db, "T"), "1=b ");
}

/*  ---- application locks ---- */

static int
s_app (sh_esession_t *s, int db, sh_app_mode_t mode, bool session, int64_t timeout_ms)
{
    sh_error_t error = {0};
    int result = 99;
    assert_int_not_equal (sh_app_lock (s, db, "lock", mode, session, timeout_ms, &result, &error),
                          SH_ERROR);
    return result;
}

static void
s_app_wait (void *arg)
{
    fx_task_t *task = arg;
    task->status = sh_app_lock (task->s, task->fx->db, "lock", SH_APP_EXCLUSIVE, true, 30000,
                                &task->result, &task->error);
}

static void
application_locks_answer_as_sp_getapplock_does (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    fx_task_t waiter = {0};
    assert_int_equal (s_app (fx->s[0], fx->db, SH_APP_EXCLUSIVE, false, 0), -999);
    assert_int_equal (s_app (fx->s[0], fx->db, SH_APP_EXCLUSIVE, true, 0), 0);
    assert_int_equal (s_app (fx->s[1], fx->db, SH_APP_SHARED, true, 0), -1);
    assert_int_equal (s_app (fx->s[1], fx->db, SH_APP_SHARED, true, 10), -1);
    assert_string_equal (sh_app_lock_mode (fx->s[0], fx->db, "lock", true), "Exclusive");
    assert_false (sh_app_lock_test (fx->s[1], fx->db, "lock", SH_APP_SHARED, true));
    fx_start (&waiter, fx, fx->s[1], s_app_wait);
    fx_until_waits (fx, fx->s[1], "LCK_M_X");
    fx_ok (sh_app_unlock (fx->s[0], fx->db, "lock", true, &error), &error);
    fx_join (&waiter);
    assert_int_equal (waiter.result, 1);
    assert_int_equal (sh_app_unlock (fx->s[0], fx->db, "lock", true, &error), SH_ERROR);
    assert_int_equal (error.number, 1223);
}

static void
a_cancelled_application_lock_answers_minus_2 (void **state)
{
    fx_t *fx = *state;
    fx_task_t waiter = {0};
    assert_int_equal (s_app (fx->s[0], fx->db, SH_APP_EXCLUSIVE, true, 0), 0);
    fx_start (&waiter, fx, fx->s[1], s_app_wait);
    fx_until_waits (fx, fx->s[1], "LCK_M_X");
    sh_esession_cancel (fx->s[1]);
    fx_join (&waiter);
    assert_int_equal (waiter.status, SH_CANCELLED);
    assert_int_equal (waiter.result, -2);
}

static void
an_application_lock_of_a_transaction_ends_with_it (void **state)
{
    fx_t *fx = *state;
    fx_begin (fx->s[0]);
    assert_int_equal (s_app (fx->s[0], fx->db, SH_APP_SHARED, false, 0), 0);
    assert_int_equal (s_app (fx->s[1], fx->db, SH_APP_SHARED, true, 0), 0);
    assert_int_equal (s_app (fx->s[2], fx->db, SH_APP_EXCLUSIVE, true, 0), -1);
    sh_txn_rollback (fx->s[0]);
    sh_esession_close (&fx->s[1]);
    assert_int_equal (s_app (fx->s[2], fx->db, SH_APP_EXCLUSIVE, true, 0), 0);
}

static void
nothing_is_left_in_the_lock_table_when_all_is_over (void **state)
{
    fx_t *fx = *state;
    sh_lock_info_t *locks = NULL;
    fx_begin (fx->s[0]);
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    assert_true (sh_lock_list (fx->instance, &locks) >= 3); /* database, object, row */
    free (locks);
    fx_commit (fx->s[0]);
    fx_expect (fx_read (fx->s[0], fx->db, "T"), "1=a ");
    size_t count = sh_lock_list (fx->instance, &locks);
    free (locks);
    assert_int_equal (count, 0);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        FX_TEST (a_reader_waits_for_an_uncommitted_row_and_gets_it_after_commit),
        FX_TEST (a_reader_that_waited_does_not_see_a_row_that_was_rolled_back),
        FX_TEST (a_seek_by_a_unique_key_does_not_wait_for_another_row),
        FX_TEST (dirty_reads_and_readpast_do_not_wait),
        FX_TEST (a_transaction_sees_its_own_changes),
        FX_TEST (a_lock_wait_ends_with_1222_after_the_lock_timeout),
        FX_TEST (cancel_ends_a_lock_wait_at_once),
        FX_TEST (kill_ends_a_lock_wait_at_once),
        FX_TEST (shutdown_ends_every_wait),
        FX_TEST (a_deadlock_gives_1205_to_exactly_one),
        FX_TEST (the_deadlock_victim_is_the_session_of_lower_priority),
        FX_TEST (the_deadlock_victim_is_the_session_with_less_work),
        FX_TEST (tablockx_keeps_everybody_out_until_the_transaction_ends),
        FX_TEST (holdlock_lets_others_read_but_not_insert),
        FX_TEST (updlock_stops_a_second_updlock_but_no_reader),
        FX_TEST (others_wait_for_open_ddl_and_then_see_its_outcome),
        FX_TEST (a_table_is_not_dropped_under_a_session_that_reads_it),
        FX_TEST (a_duplicate_key_waits_for_the_other_transaction),
        FX_TEST (keys_may_pass_each_other_within_a_statement_but_not_stay_twice),
        FX_TEST (a_changed_row_is_reported_and_not_overwritten),
        FX_TEST (application_locks_answer_as_sp_getapplock_does),
        FX_TEST (a_cancelled_application_lock_answers_minus_2),
        FX_TEST (an_application_lock_of_a_transaction_ends_with_it),
        FX_TEST (nothing_is_left_in_the_lock_table_when_all_is_over),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
