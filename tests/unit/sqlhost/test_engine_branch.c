/*  Branches of distributed transactions: prepared they survive their session and a restart, hold their locks, are counted
 *  after their records; a marked commit stalls the instance and waits for them. */
#include "tests/unit/sqlhost/engine_fixture.h"

#include <sys/wait.h>

static const uint8_t s_uow[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
static const uint8_t s_other[16] = {16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1};

static void
s_join (sh_esession_t *s, const uint8_t uow[16])
{
    sh_error_t error = {0};
    fx_ok (sh_branch_join (s, uow, &error), &error);
}

static void
s_prepare (sh_esession_t *s, const uint8_t uow[16])
{
    sh_error_t error = {0};
    fx_ok (sh_branch_prepare (s, uow, &error), &error);
}

static int64_t
s_commit (sh_esession_t *s, const uint8_t uow[16])
{
    sh_error_t error = {0};
    int64_t lsn = -1;
    fx_ok (sh_branch_commit (s, uow, &lsn, &error), &error);
    return lsn;
}

static void
s_roll_back (sh_esession_t *s, const uint8_t uow[16])
{
    sh_error_t error = {0};
    fx_ok (sh_branch_rollback (s, uow, &error), &error);
}

/*  A prepared branch of session 1: row 1 changed, row 2 deleted, row 3 new. */
static void
s_make_prepared (fx_t *fx)
{
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    fx_insert (fx->s[0], fx->db, "T", 2, "b");
    s_join (fx->s[1], s_uow);
    fx_change (fx->s[1], fx->db, "T", 1, "x");
    fx_change (fx->s[1], fx->db, "T", 2, NULL);
    fx_insert (fx->s[1], fx->db, "T", 3, "c");
    s_prepare (fx->s[1], s_uow);
}

/*  state 0: not listed. */
static sh_txn_info_t
s_listed (fx_t *fx, const uint8_t uow[16])
{
    sh_txn_info_t *list, found = {0};
    size_t count = sh_txn_list (fx->instance, &list);
    for (size_t i = 0; i < count; i++)
        if (list[i].distributed && memcmp (list[i].uow, uow, 16) == 0)
            found = list[i];
    free (list);
    return found;
}

static sh_branch_counts_t
s_counts (fx_t *fx)
{
    sh_branch_counts_t counts;
    sh_branch_counts (fx->instance, &counts);
    return counts;
}

static void
s_fault (fx_t *fx, const char *name, const char *value)
{
    assert_true (sh_fault_set (fx->instance, name, value));
}

static void
s_expect_locked (fx_t *fx, int key)
{
    sh_error_t error = {0};
    sh_esession_set_lock_timeout (fx->s[0], 0);
    assert_int_equal (fx_try_change (fx->s[0], fx->db, "T", key, "mine", &error), SH_ERROR);
    assert_int_equal (error.number, 1222);
    sh_esession_set_lock_timeout (fx->s[0], -1);
}

/*  ---- prepare, commit, rollback ---- */

static void
a_prepared_branch_is_committed_by_its_unit_of_work_from_any_session (void **state)
{
    fx_t *fx = *state;
    s_make_prepared (fx);
    assert_false (sh_txn_active (fx->s[1]));
    s_expect_locked (fx, 1);
    sh_txn_info_t info = s_listed (fx, s_uow);
    assert_int_equal (info.state, SH_TXN_PREPARED);
    assert_int_equal (info.db_state, SH_TXN_DB_PREPARED);
    assert_int_equal (info.session_id, sh_esession_id (fx->s[1]));
    assert_true (s_commit (fx->s[2], s_uow) > 0);
    fx_expect (fx_read (fx->s[0], fx->db, "T"), "1=x 3=c ");
    assert_int_equal (s_listed (fx, s_uow).state, 0);
    fx_reopen (fx);
    fx_expect (fx_read (fx->s[0], fx->db, "T"), "1=x 3=c ");
    assert_int_equal (s_listed (fx, s_uow).state, 0);
}

static void
a_prepared_branch_is_rolled_back_by_its_unit_of_work (void **state)
{
    fx_t *fx = *state;
    s_make_prepared (fx);
    s_roll_back (fx->s[2], s_uow);
    fx_expect (fx_read (fx->s[0], fx->db, "T"), "1=a 2=b ");
    fx_reopen (fx);
    fx_expect (fx_read (fx->s[0], fx->db, "T"), "1=a 2=b ");
    assert_int_equal (s_listed (fx, s_uow).state, 0);
}

static void
lsns_of_commits_follow_their_order_whatever_the_order_of_prepares (void **state)
{
    fx_t *fx = *state;
    s_make_prepared (fx);
    s_join (fx->s[2], s_other);
    fx_insert (fx->s[2], fx->db, "T", 9, "z");
    s_prepare (fx->s[2], s_other);
    int64_t first = s_commit (fx->s[3], s_other);
    assert_true (first < s_commit (fx->s[3], s_uow));
}

static void
an_active_branch_ends_with_its_session_or_its_rollback (void **state)
{
    fx_t *fx = *state;
    s_join (fx->s[1], s_uow);
    fx_insert (fx->s[1], fx->db, "T", 1, "a");
    assert_int_equal (s_listed (fx, s_uow).state, SH_TXN_ACTIVE);
    sh_txn_rollback (fx->s[1]);
    assert_int_equal (s_listed (fx, s_uow).state, 0);
    s_join (fx->s[1], s_uow);
    fx_insert (fx->s[1], fx->db, "T", 1, "a");
    sh_esession_close (&fx->s[1]);
    assert_int_equal (s_listed (fx, s_uow).state, 0);
    fx_expect (fx_read (fx->s[0], fx->db, "T"), "");
    assert_int_equal (s_counts (fx).prepares, 0);
}

static void
what_does_not_fit_the_branchs_state_is_refused (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    assert_int_equal (sh_branch_prepare (fx->s[1], s_uow, &error), SH_ERROR);
    assert_int_equal (error.number, 6110);
    s_join (fx->s[1], s_uow);
    assert_int_equal (sh_branch_join (fx->s[2], s_uow, &error), SH_ERROR);
    assert_int_equal (error.number, 3910);
    assert_int_equal (sh_branch_commit (fx->s[2], s_uow, NULL, &error), SH_ERROR);
    assert_int_equal (error.number, 6118);
    sh_esession_request (fx->s[1], "SELECT", "...", 0);
    assert_int_equal (sh_branch_prepare (fx->s[2], s_uow, &error), SH_ERROR);
    assert_int_equal (error.number, 3910);
    sh_esession_request (fx->s[1], NULL, NULL, 0);
    s_prepare (fx->s[2], s_uow);
    assert_int_equal (sh_branch_prepare (fx->s[2], s_uow, &error), SH_ERROR);
    assert_int_equal (error.number, 3910);
    s_commit (fx->s[1], s_uow);
    assert_int_equal (sh_branch_commit (fx->s[2], s_uow, NULL, &error), SH_ERROR);
    assert_int_equal (error.number, 6110);
}

static void
a_branch_that_defines_objects_cannot_be_prepared_and_stays_active (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    s_join (fx->s[1], s_uow);
    fx_make_t (fx->s[1], fx->db, "U");
    assert_int_equal (sh_branch_prepare (fx->s[1], s_uow, &error), SH_ERROR);
    assert_int_equal (error.number, 50000);
    assert_int_equal (s_listed (fx, s_uow).state, SH_TXN_ACTIVE);
    sh_txn_rollback (fx->s[1]);
}

/*  ---- orphans and restarts ---- */

static void
a_prepared_branch_outlives_its_session_as_an_orphan (void **state)
{
    fx_t *fx = *state;
    s_make_prepared (fx);
    sh_esession_close (&fx->s[1]);
    assert_int_equal (s_listed (fx, s_uow).session_id, -2);
    s_expect_locked (fx, 1);
    sh_lock_info_t *locks;
    size_t count = sh_lock_list (fx->instance, &locks), of_orphan = 0;
    for (size_t i = 0; i < count; i++)
        of_orphan += locks[i].session_id == -2 && memcmp (locks[i].uow, s_uow, 16) == 0;
    free (locks);
    assert_true (of_orphan >= 4);
    s_commit (fx->s[0], s_uow);
    fx_expect (fx_read (fx->s[0], fx->db, "T"), "1=x 3=c ");
}

static void
after_a_restart_a_prepared_branch_is_in_doubt_and_still_holds_its_locks (void **state)
{
    fx_t *fx = *state;
    s_make_prepared (fx);
    for (int turn = 0; turn < 2; turn++) { /* in doubt it survives another restart */
        fx_reopen (fx);
        sh_txn_info_t info = s_listed (fx, s_uow);
        assert_int_equal (info.state, SH_TXN_PREPARED);
        assert_int_equal (info.session_id, -2);
        assert_int_equal (info.database_count, 1);
        s_expect_locked (fx, 1);
        s_expect_locked (fx, 2);
    }
    fx_insert (fx->s[0], fx->db, "T", 4, "d"); /* no rid of the branch's is given out again */
    s_commit (fx->s[0], s_uow);
    fx_expect (fx_read (fx->s[0], fx->db, "T"), "1=x 3=c 4=d ");
    fx_reopen (fx);
    fx_expect (fx_read (fx->s[0], fx->db, "T"), "1=x 3=c 4=d ");
}

static void
after_a_restart_a_prepared_branch_can_be_rolled_back (void **state)
{
    fx_t *fx = *state;
    s_make_prepared (fx);
    s_join (fx->s[2], s_other);
    assert_int_equal (fx_insert_n (fx->s[2], fx->db, "n"), 1);
    s_prepare (fx->s[2], s_other);
    fx_reopen (fx);
    s_roll_back (fx->s[0], s_uow);
    s_roll_back (fx->s[0], s_other);
    fx_expect (fx_read (fx->s[0], fx->db, "T"), "1=a 2=b ");
    assert_int_equal (fx_insert_n (fx->s[0], fx->db, "again"), 2);
    fx_reopen (fx);
    fx_expect (fx_read (fx->s[0], fx->db, "T"), "1=a 2=b ");
    assert_int_equal (s_listed (fx, s_uow).state, 0);
}

/*  The process dies at the very commit of the branch. */
static void
s_die_at_commit (fx_t *fx, const char *when)
{
    fx_close (fx);
    pid_t child = fork ();
    assert_true (child >= 0);
    if (child == 0) {
        sh_error_t error = {0};
        fx_open (fx);
        if (sh_fault_set (fx->instance, "kill_at_commit", when))
            sh_branch_commit (fx->s[0], s_uow, NULL, &error);
        _exit (1);
    }
    int ended = 0;
    assert_int_equal (waitpid (child, &ended, 0), child);
    assert_true (WIFEXITED (ended));
    assert_int_equal (WEXITSTATUS (ended), 137);
    fx_open (fx);
}

static void
a_death_at_the_commit_leaves_it_prepared_before_the_record_and_ended_after_it (void **state)
{
    fx_t *fx = *state;
    s_make_prepared (fx);
    s_die_at_commit (fx, "before");
    assert_int_equal (s_listed (fx, s_uow).state, SH_TXN_PREPARED);
    s_die_at_commit (fx, "after");
    assert_int_equal (s_listed (fx, s_uow).state, 0);
    fx_expect (fx_read (fx->s[0], fx->db, "T"), "1=x 3=c ");
}

/*  ---- counts ---- */

static void
counts_move_after_the_records_and_a_branch_is_listed_until_its_own_has_moved (void **state)
{
    fx_t *fx = *state;
    s_fault (fx, "dtc_count_hold", "1");
    s_make_prepared (fx);
    assert_int_equal (s_listed (fx, s_uow).state, SH_TXN_PREPARED);
    assert_int_equal (s_counts (fx).prepares, 0);
    s_fault (fx, "dtc_count_hold", "0");
    assert_int_equal (s_counts (fx).prepares, 1);
    s_fault (fx, "dtc_count_hold", "1");
    s_fault (fx, "dtc_listed_hold", "1");
    s_commit (fx->s[2], s_uow);
    fx_expect (fx_read (fx->s[0], fx->db, "T"), "1=x 3=c "); /* no lock is left */
    sh_txn_info_t info = s_listed (fx, s_uow);
    assert_int_equal (info.state, SH_TXN_COMMITTED);
    assert_int_equal (info.db_state, SH_TXN_DB_COMMITTED);
    assert_int_equal (info.database_count, 1);
    assert_int_equal (s_counts (fx).commits, 0);
    s_fault (fx, "dtc_count_hold", "0");
    assert_int_equal (s_counts (fx).commits, 1);
    assert_int_equal (s_listed (fx, s_uow).state, SH_TXN_COMMITTED);
    s_fault (fx, "dtc_listed_hold", "0");
    assert_int_equal (s_listed (fx, s_uow).state, 0);
    assert_int_equal (s_counts (fx).commits, 1);
}

static void
a_delayed_count_moves_when_its_time_has_come (void **state)
{
    fx_t *fx = *state;
    s_fault (fx, "dtc_count_delay_ms", "60000");
    s_make_prepared (fx);
    assert_int_equal (s_counts (fx).prepares, 0);
    s_fault (fx, "dtc_count_delay_ms", "1");
    s_join (fx->s[2], s_other);
    s_prepare (fx->s[2], s_other);
    time_t until = time (NULL) + FX_DEADLINE_S;
    while (s_counts (fx).prepares == 0)
        assert_true (time (NULL) < until);
    assert_int_equal (s_counts (fx).prepares, 1); /* of the second one */
}

/*  ---- the stall of a marked commit ---- */

static void
s_run_commit (void *arg)
{
    fx_task_t *task = arg;
    task->status = sh_txn_commit (task->s, &task->error);
}

static void
s_run_prepare (void *arg)
{
    fx_task_t *task = arg;
    task->status = sh_branch_prepare (task->s, s_other, &task->error);
}

static void
s_run_branch_commit (void *arg)
{
    fx_task_t *task = arg;
    task->status = sh_branch_commit (task->s, s_uow, NULL, &task->error);
}

static bool
s_has_mark (fx_t *fx, const char *mark)
{
    return strstr (fx_read (fx->s[0], fx->db, "MarkLog").text, mark) != NULL;
}

static void
a_marked_commit_waits_for_what_is_prepared_and_stalls_everything_else (void **state)
{
    fx_t *fx = *state;
    fx_task_t mark = {0}, plain = {0}, prepare = {0};
    s_make_prepared (fx);
    fx_begin_marked (fx->s[2], "M");
    fx_insert_mark (fx->s[2], fx->db, "M");
    fx_begin (fx->s[3]);
    fx_insert (fx->s[3], fx->db, "T", 30, "plain");
    s_join (fx->s[4], s_other);
    fx_insert (fx->s[4], fx->db, "T", 40, "branch");
    fx_start (&mark, fx, fx->s[2], s_run_commit);
    fx_until_waits (fx, fx->s[2], "TRAN_MARKLATCH_EX");
    fx_start (&plain, fx, fx->s[3], s_run_commit);
    fx_until_waits (fx, fx->s[3], "TRAN_MARKLATCH_SH");
    fx_start (&prepare, fx, fx->s[4], s_run_prepare);
    fx_until_waits (fx, fx->s[4], "TRAN_MARKLATCH_SH");
    assert_int_equal (s_listed (fx, s_other).state, SH_TXN_ACTIVE);
    s_fault (fx, "mark_stall_hold", "1");
    int64_t lsn = s_commit (fx->s[5], s_uow); /* what is prepared ends */
    assert_true (lsn > 0);
    fx_until_waits (fx, fx->s[3], "TRAN_MARKLATCH_SH"); /* still stalled */
    s_fault (fx, "mark_stall_hold", "0");
    fx_join (&mark);
    fx_join (&plain);
    fx_join (&prepare);
    fx_ok (mark.status, &mark.error);
    fx_ok (plain.status, &plain.error);
    fx_ok (prepare.status, &prepare.error);
    assert_true (s_has_mark (fx, "M"));
    s_roll_back (fx->s[0], s_other);
}

static void
a_marked_commit_gives_up_with_3928_and_lets_the_others_go_on (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    s_make_prepared (fx);
    s_fault (fx, "mark_stall_timeout_ms", "50");
    fx_begin_marked (fx->s[2], "M");
    fx_insert_mark (fx->s[2], fx->db, "M");
    assert_int_equal (sh_txn_commit (fx->s[2], &error), SH_ERROR);
    assert_int_equal (error.number, 3928);
    assert_int_equal (error.severity, 16);
    assert_false (sh_txn_active (fx->s[2])); /* rolled back */
    fx_insert (fx->s[3], fx->db, "T", 30, "plain");
    s_fault (fx, "mark_timeout_keeps", "1");
    fx_begin_marked (fx->s[2], "N");
    fx_insert_mark (fx->s[2], fx->db, "N");
    assert_int_equal (sh_txn_commit (fx->s[2], &error), SH_ERROR);
    assert_int_equal (error.number, 3928);
    assert_true (sh_txn_active (fx->s[2]));
    s_commit (fx->s[3], s_uow);
    fx_commit (fx->s[2]);
    assert_false (s_has_mark (fx, "M"));
    assert_true (s_has_mark (fx, "N"));
}

/*  The twin: with the stall off a mark lies between the prepare and the commit of a branch. */
static void
without_the_stall_a_mark_is_set_while_a_branch_is_prepared (void **state)
{
    fx_t *fx = *state;
    s_make_prepared (fx);
    s_fault (fx, "mark_stall_off", "1");
    fx_begin_marked (fx->s[2], "M");
    fx_insert_mark (fx->s[2], fx->db, "M");
    fx_commit (fx->s[2]);
    assert_int_equal (s_listed (fx, s_uow).state, SH_TXN_PREPARED);
    assert_true (s_has_mark (fx, "M"));
    s_commit (fx->s[3], s_uow);
}

static void
two_marked_commits_contend_and_the_second_gives_up (void **state)
{
    fx_t *fx = *state;
    fx_task_t first = {0};
    sh_error_t error = {0};
    s_fault (fx, "mark_stall_hold", "1");
    fx_begin_marked (fx->s[2], "M");
    fx_insert_mark (fx->s[2], fx->db, "M");
    fx_begin_marked (fx->s[3], "N");
    fx_insert_mark (fx->s[3], fx->db, "N");
    fx_start (&first, fx, fx->s[2], s_run_commit);
    fx_until_waits (fx, fx->s[2], "TRAN_MARKLATCH_EX");
    s_fault (fx, "mark_stall_timeout_ms", "50");
    assert_int_equal (sh_txn_commit (fx->s[3], &error), SH_ERROR);
    assert_int_equal (error.number, 3928);
    s_fault (fx, "mark_stall_hold", "0");
    fx_join (&first);
    fx_ok (first.status, &first.error);
    assert_true (s_has_mark (fx, "M"));
    assert_false (s_has_mark (fx, "N"));
}

static void
a_stall_ends_with_the_session_that_made_it (void **state)
{
    fx_t *fx = *state;
    fx_task_t mark = {0}, plain = {0};
    sh_error_t error = {0};
    s_make_prepared (fx);
    fx_begin_marked (fx->s[2], "M");
    fx_insert_mark (fx->s[2], fx->db, "M");
    fx_start (&mark, fx, fx->s[2], s_run_commit);
    fx_until_waits (fx, fx->s[2], "TRAN_MARKLATCH_EX");
    fx_begin (fx->s[3]);
    fx_insert (fx->s[3], fx->db, "T", 30, "plain");
    fx_start (&plain, fx, fx->s[3], s_run_commit);
    fx_until_waits (fx, fx->s[3], "TRAN_MARKLATCH_SH");
    fx_ok (sh_esession_kill_id (fx->s[0], sh_esession_id (fx->s[2]), &error), &error);
    fx_join (&mark);
    fx_join (&plain);
    assert_int_equal (mark.status, SH_KILLED);
    fx_ok (plain.status, &plain.error);
    assert_false (s_has_mark (fx, "M"));
    s_commit (fx->s[0], s_uow);
}

static void
a_branch_that_is_being_committed_is_waited_for_and_cannot_be_ended_twice (void **state)
{
    fx_t *fx = *state;
    fx_task_t commit = {0}, mark = {0};
    sh_error_t error = {0};
    s_make_prepared (fx);
    s_fault (fx, "dtc_commit_hold", "1");
    fx_start (&commit, fx, fx->s[3], s_run_branch_commit);
    fx_until_waits (fx, fx->s[3], "PREEMPTIVE_DTC_COMMIT");
    assert_int_equal (s_listed (fx, s_uow).state, SH_TXN_COMMITTING);
    assert_int_equal (sh_branch_rollback (fx->s[0], s_uow, &error), SH_ERROR);
    assert_int_equal (error.number, 6114);
    fx_begin_marked (fx->s[2], "M");
    fx_insert_mark (fx->s[2], fx->db, "M");
    fx_start (&mark, fx, fx->s[2], s_run_commit);
    fx_until_waits (fx, fx->s[2], "TRAN_MARKLATCH_EX");
    s_fault (fx, "dtc_commit_hold", "0");
    fx_join (&commit);
    fx_join (&mark);
    fx_ok (commit.status, &commit.error);
    fx_ok (mark.status, &mark.error);
}

static void
a_prepare_that_was_on_its_way_when_the_stall_began_comes_after_the_mark (void **state)
{
    fx_t *fx = *state;
    fx_task_t prepare = {0}, mark = {0};
    s_join (fx->s[1], s_other);
    fx_insert (fx->s[1], fx->db, "T", 1, "a");
    s_fault (fx, "dtc_prepare_hold", "1");
    fx_start (&prepare, fx, fx->s[2], s_run_prepare);
    fx_until_waits (fx, fx->s[2], "PREEMPTIVE_DTC_PREPARE");
    s_fault (fx, "mark_stall_hold", "1");
    fx_begin_marked (fx->s[3], "M");
    fx_insert_mark (fx->s[3], fx->db, "M");
    fx_start (&mark, fx, fx->s[3], s_run_commit);
    fx_until_waits (fx, fx->s[3], "TRAN_MARKLATCH_EX");
    s_fault (fx, "dtc_prepare_hold", "0");
    fx_until_waits (fx, fx->s[2], "TRAN_MARKLATCH_SH");
    assert_int_equal (s_listed (fx, s_other).state, SH_TXN_ACTIVE);
    s_fault (fx, "mark_stall_hold", "0");
    fx_join (&mark);
    fx_join (&prepare);
    fx_ok (prepare.status, &prepare.error);
    assert_int_equal (s_listed (fx, s_other).state, SH_TXN_PREPARED);
    s_roll_back (fx->s[0], s_other);
}

static void
a_session_that_ends_during_its_branchs_prepare_ends_the_branch (void **state)
{
    fx_t *fx = *state;
    fx_task_t prepare = {0};
    s_join (fx->s[1], s_other);
    fx_insert (fx->s[1], fx->db, "T", 1, "a");
    s_fault (fx, "dtc_prepare_hold", "1");
    fx_start (&prepare, fx, fx->s[2], s_run_prepare);
    fx_until_waits (fx, fx->s[2], "PREEMPTIVE_DTC_PREPARE");
    sh_esession_close (&fx->s[1]);
    s_fault (fx, "dtc_prepare_hold", "0");
    fx_join (&prepare);
    assert_int_equal (prepare.status, SH_ERROR);
    assert_int_equal (prepare.error.number, 6110);
    fx_expect (fx_read (fx->s[0], fx->db, "T"), "");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        FX_TEST (a_prepared_branch_is_committed_by_its_unit_of_work_from_any_session),
        FX_TEST (a_prepared_branch_is_rolled_back_by_its_unit_of_work),
        FX_TEST (lsns_of_commits_follow_their_order_whatever_the_order_of_prepares),
        FX_TEST (an_active_branch_ends_with_its_session_or_its_rollback),
        FX_TEST (what_does_not_fit_the_branchs_state_is_refused),
        FX_TEST (a_branch_that_defines_objects_cannot_be_prepared_and_stays_active),
        FX_TEST (a_prepared_branch_outlives_its_session_as_an_orphan),
        FX_TEST (after_a_restart_a_prepared_branch_is_in_doubt_and_still_holds_its_locks),
        FX_TEST (after_a_restart_a_prepared_branch_can_be_rolled_back),
        FX_TEST (a_death_at_the_commit_leaves_it_prepared_before_the_record_and_ended_after_it),
        FX_TEST (counts_move_after_the_records_and_a_branch_is_listed_until_its_own_has_moved),
        FX_TEST (a_delayed_count_moves_when_its_time_has_come),
        FX_TEST (a_marked_commit_waits_for_what_is_prepared_and_stalls_everything_else),
        FX_TEST (a_marked_commit_gives_up_with_3928_and_lets_the_others_go_on),
        FX_TEST (without_the_stall_a_mark_is_set_while_a_branch_is_prepared),
        FX_TEST (two_marked_commits_contend_and_the_second_gives_up),
        FX_TEST (a_stall_ends_with_the_session_that_made_it),
        FX_TEST (a_branch_that_is_being_committed_is_waited_for_and_cannot_be_ended_twice),
        FX_TEST (a_prepare_that_was_on_its_way_when_the_stall_began_comes_after_the_mark),
        FX_TEST (a_session_that_ends_during_its_branchs_prepare_ends_the_branch)};
    return cmocka_run_group_tests (tests, NULL, NULL);
}
