/*  Distributed transactions, slow COMMITs, locks that block a mark, marks that SQL Server drops, clocks that jump, a login that
 *  may not look. Every race is forced by a fault of the stand-in and by
 *  the order in which the test ends its branches; none is hoped for. */
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "common/clock.h"
#include "tests/e2e/cluster.h"

#define UOW "'0D5E6A5C-1111-2222-3333-444455556666'"

enum { WAIT_MS = 60000, END_MS = 120000, MESSAGES = 1, ORDERS = 2 };

static bm_cluster_t *cluster;
static bm_ran_t ran;
static char clock_file[] = "/tmp/btsmark-clock-XXXXXX";

/*  Wall time of every process, the stand-ins' too, jumps to so many seconds ahead of the machine's. */
static void
s_set_clock (long seconds)
{
    char *beside = bm_format ("%s.next", clock_file);
    FILE *file = fopen (beside, "we");
    assert_non_null (file);
    assert_true (fprintf (file, "%ld", seconds) > 0);
    assert_int_equal (fclose (file), 0);
    assert_int_equal (rename (beside, clock_file), 0); /* nobody reads half of it */
    free (beside);
}

static int
s_setup (void **state)
{
    (void)state;
    int file = mkstemp (clock_file);
    assert_true (file >= 0);
    close (file);
    setenv ("BTSMARK_TEST_CLOCK", clock_file, 1);
    s_set_clock (0);
    cluster = bm_cluster_start (3, 8, false);
    bm_cluster_exec (cluster, MESSAGES,
                     "CREATE TABLE BizTalkMsgBoxDb.dbo.Moved (id int NOT NULL PRIMARY KEY)");
    bm_cluster_exec (cluster, ORDERS,
                     "CREATE TABLE OrdersDb.dbo.Moved (id int NOT NULL PRIMARY KEY)");
    /*  A round in which the test itself acts between SAMPLE and the last COMMIT needs its time. */
    bm_cluster_edit (cluster, "btsmark.ini", "[coordinator]",
                     "[round]\nlease = 60 s\ncommit-deadline = 30 s\nretry-pause = 100 ms\n\n"
                     "[coordinator]");
    if (bm_cluster_btsmark (cluster, &ran, "run", "--json", NULL) != 0)
        fail_msg ("the first run:\n%s\n%s", ran.out, ran.err);
    return 0;
}

static int
s_teardown (void **state)
{
    (void)state;
    bm_cluster_stop (&cluster);
    bm_ran_clear (&ran);
    unsetenv ("BTSMARK_TEST_CLOCK");
    unlink (clock_file);
    return 0;
}

static void
s_expect_code (int expected, int code)
{
    if (code != expected)
        fail_msg ("%d was expected, it ended with %d:\n%s\n%s", expected, code, ran.out, ran.err);
}

static json_t *
s_set (void)
{
    json_t *sets = json_object_get (ran.json, "sets");
    if (json_array_size (sets) == 0)
        fail_msg ("no set:\n%s\n%s", ran.out, ran.err);
    return json_array_get (sets, json_array_size (sets) - 1);
}

static void
s_expect_outcome (json_t *of, const char *outcome)
{
    const char *is = json_string_value (json_object_get (of, "outcome"));
    if (!is || strcmp (is, outcome) != 0)
        fail_msg ("%s was expected:\n%s\n%s", outcome, ran.out, ran.err);
}

static void
s_expect_clean_run (void)
{
    s_expect_code (0, bm_cluster_btsmark (cluster, &ran, "log", "--json", NULL));
    s_expect_outcome (s_set (), "clean");
}

static size_t
s_backed_up (void)
{
    json_t *databases = json_object_get (s_set (), "databases");
    size_t ok = 0;
    for (size_t k = 0; k < json_array_size (databases); k++)
        ok += strcmp (json_string_value (json_object_get (json_array_get (databases, k), "status")),
                      "ok") == 0;
    return ok;
}

/* ---- branches ---------------------------------------------------------------------------------------------------- */

static void
s_branch (size_t host, const char *verb)
{
    char *batch = bm_format ("EXEC master.dbo.sqlhost_dtc_%s " UOW, verb);
    bm_cluster_exec (cluster, host, batch);
    free (batch);
}

/*  A session of its own whose open work belongs to the unit of work: a branch that is active only. */
static bm_sql_t *
s_join (size_t host, const char *database, int id)
{
    bm_sql_t *sql = bm_cluster_sql (cluster, host, database);
    bm_error_t error = {0};
    char *batch = bm_format (
        "EXEC master.dbo.sqlhost_dtc_join " UOW "; INSERT INTO dbo.Moved VALUES (%d)", id);
    if (bm_sql_exec (sql, batch, NULL, &error) != BM_OK)
        fail_msg ("%s", error.text);
    free (batch);
    return sql;
}

static long
s_marks_on (size_t host, const char *database)
{
    char *batch = bm_format (
        "SELECT COUNT(*) AS n FROM msdb.dbo.logmarkhistory WHERE database_name = N'%s'", database);
    char *n = bm_cluster_value (cluster, host, batch, "n");
    long marks = strtol (n, NULL, 10);
    free (n);
    free (batch);
    return marks;
}

/*  A log set whose first round is straddled: the transaction ends on the messages' host before that host's mark, and on the
 *  orders' host after its mark. Returns the exit code. */
static int
s_straddled_run (int id)
{
    bm_sql_t *messages = s_join (MESSAGES, "BizTalkMsgBoxDb", id);
    bm_sql_t *orders = s_join (ORDERS, "OrdersDb", id);
    long marks = s_marks_on (ORDERS, "OrdersDb");
    bm_cluster_fault (cluster, MESSAGES, "commit_hold", "1");
    bm_process_t *run = bm_cluster_spawn_btsmark (cluster, "log", "--json", "--events", NULL);
    bm_process_wait_text (run, "COMMITTING", WAIT_MS);
    int64_t until = bm_clock_mono_ms () + WAIT_MS;
    while (s_marks_on (ORDERS, "OrdersDb") == marks)
        assert_true (bm_clock_mono_ms () < until);
    s_branch (MESSAGES, "prepare");
    s_branch (ORDERS, "prepare");
    s_branch (MESSAGES, "commit");
    s_branch (ORDERS, "commit");
    bm_cluster_fault (cluster, MESSAGES, "commit_hold", "0");
    int code = bm_process_wait_end (run, &ran, END_MS);
    bm_process_destroy (&run);
    bm_sql_close (&messages);
    bm_sql_close (&orders);
    return code;
}

static void
s_expect_found (json_t *of)
{
    json_t *found = json_object_get (of, "in_flight");
    assert_true (json_array_size (found) > 0);
    json_t *one = json_array_get (found, 0);
    assert_string_equal (json_string_value (json_object_get (one, "instance")),
                         bm_cluster_instance (cluster, MESSAGES));
    assert_int_equal (json_integer_value (json_object_get (one, "prepared_between")), 1);
    assert_int_equal (json_integer_value (json_object_get (one, "committed_between")), 1);
    assert_non_null (strstr (json_string_value (json_object_get (of, "reason")),
                             "1 branch(es) prepared and 1 committed"));
}

/* ---- the promises ------------------------------------------------------------------------------------------------ */

static void
a_quiet_group_gets_a_clean_mark (void **state)
{
    (void)state;
    s_expect_clean_run ();
    assert_int_equal (json_array_size (json_object_get (s_set (), "attempts")), 0);
    assert_int_equal (json_array_size (json_object_get (s_set (), "in_flight")), 0);
    assert_int_equal (json_array_size (json_object_get (ran.json, "warnings")), 0);
}

static void
a_straddled_mark_is_doubtful_and_the_next_round_places_a_clean_one (void **state)
{
    (void)state;
    s_expect_code (0, s_straddled_run (1));
    s_expect_outcome (s_set (), "clean");
    json_t *attempts = json_object_get (s_set (), "attempts");
    assert_int_equal (json_array_size (attempts), 1);
    s_expect_outcome (json_array_get (attempts, 0), "doubtful");
    s_expect_found (json_array_get (attempts, 0));
}

/*  The policy decides when the rounds are used up. */
static void
a_doubtful_mark_counts_with_a_warning_under_the_policy_warn (void **state)
{
    (void)state;
    bm_cluster_edit (cluster, "btsmark.ini", "[round]\n", "[round]\nmark-retries = 0\n");
    s_expect_code (0, s_straddled_run (2));
    s_expect_outcome (s_set (), "doubtful");
    s_expect_found (s_set ());
    assert_true (json_is_true (json_object_get (s_set (), "complete")));
    assert_non_null (strstr (ran.out, "is doubtful: "));
    assert_true (json_array_size (json_object_get (ran.json, "warnings")) > 0);
}

static void
a_doubtful_mark_does_not_count_under_the_policy_fail (void **state)
{
    (void)state;
    bm_cluster_edit (cluster, "btsmark.ini", "[round]\n", "[round]\ndoubtful = fail\n");
    s_expect_code (22, s_straddled_run (3));
    s_expect_outcome (s_set (), "doubtful");
    assert_false (json_is_true (json_object_get (s_set (), "complete")));
    assert_int_equal (s_backed_up (), 8); /* the logs are backed up all the same */
    s_expect_clean_run ();                /* a clean one counts */
    bm_cluster_edit (cluster, "btsmark.ini", "doubtful = fail\n", "");
    bm_cluster_edit (cluster, "btsmark.ini", "mark-retries = 0\n", "");
}

/*  3928: a branch stays prepared, so SQL Server gives the marked COMMIT up. Nobody takes that for committed, whether the
 *  transaction is left open or not; when the branch has ended the next round is clean. */
static void
s_held_branch (int id, const char *keeps)
{
    bm_cluster_fault (cluster, MESSAGES, "mark_timeout_keeps", keeps);
    bm_cluster_fault (cluster, MESSAGES, "mark_stall_timeout_ms", "300");
    bm_sql_t *messages = s_join (MESSAGES, "BizTalkMsgBoxDb", id);
    s_branch (MESSAGES, "prepare");
    bm_process_t *run = bm_cluster_spawn_btsmark (cluster, "log", "--json", "--events", NULL);
    bm_process_wait_text (run, "PROVING", WAIT_MS); /* of the first round */
    s_branch (MESSAGES, "commit");
    int code = bm_process_wait_end (run, &ran, END_MS);
    bm_process_destroy (&run);
    bm_sql_close (&messages);
    bm_cluster_fault (cluster, MESSAGES, "all", "off");
    s_expect_code (0, code);
    s_expect_outcome (s_set (), "clean");
    json_t *attempts = json_object_get (s_set (), "attempts");
    assert_true (json_array_size (attempts) >= 1);
    for (size_t i = 0; i < json_array_size (attempts); i++)
        s_expect_outcome (json_array_get (attempts, i), "torn");
    char *log = bm_cluster_log (cluster, "agent-SQL01"); /* it serves SQL01 and SQL02 */
    assert_non_null (strstr (log, "3928"));
    free (log);
}

static void
a_commit_that_sql_server_gives_up_is_followed_by_a_clean_round (void **state)
{
    (void)state;
    s_held_branch (4, "0");
}

static void
a_given_up_commit_that_stays_open_is_rolled_back_by_the_agent (void **state)
{
    (void)state;
    s_held_branch (5, "1");
}

/*  The agent answers at the deadline, the databases are asked, nothing is assumed; the logs are backed up, and the next run
 *  finds out what became of the mark. */
static void
a_sql_server_that_takes_20_seconds_to_commit_costs_the_mark_and_no_log (void **state)
{
    (void)state;
    bm_cluster_edit (cluster, "btsmark.ini", "commit-deadline = 30 s", "commit-deadline = 1 s");
    bm_cluster_fault (cluster, MESSAGES, "commit_delay_ms", "20000");
    int code = bm_cluster_btsmark (cluster, &ran, "log", "--json", NULL);
    bm_cluster_fault (cluster, MESSAGES, "commit_delay_ms", "0");
    if (code != 21 && code != 24)
        s_expect_code (24, code);
    assert_int_equal (s_backed_up (), 8);
    assert_false (json_is_true (json_object_get (s_set (), "complete")));
    assert_non_null (
        strstr (json_string_value (json_object_get (s_set (), "reason")), "SQL02: COMMIT of mark"));
    bm_cluster_edit (cluster, "btsmark.ini", "commit-deadline = 1 s", "commit-deadline = 30 s");
    /*  Its COMMIT ends long after the fences were let go: it stands in every database, and is no good mark. The first run
     *  that finds it ended settles it. */
    bool settled = false;
    for (int run = 0; run < 3 && !settled; run++) {
        s_expect_clean_run ();
        settled = strstr (ran.out, "is doubtful: settled") != NULL;
        assert_null (strstr (ran.out, "is unchecked: settled"));
    }
    assert_true (settled);
    char *open = bm_cluster_value (cluster, MESSAGES,
                                   "SELECT COUNT(*) AS n FROM sys.dm_tran_active_transactions "
                                   "WHERE name LIKE 'BTS[_]%'",
                                   "n");
    assert_string_equal (open, "0");
    free (open);
}

/*  Somebody's session holds what the mark, or the fence, needs: each round is told by SQL Server's 1222 while the coordinator
 *  still waits, the logs are backed up, and exit code 21 says that there is no mark. */
static void
s_locked_for_ever (size_t host, const char *table)
{
    bm_sql_t *sql = bm_cluster_sql (cluster, host, NULL);
    bm_error_t error = {0};
    char *batch = bm_format (
        "BEGIN TRANSACTION; SELECT TOP (1) 1 AS n FROM %s WITH (TABLOCKX, HOLDLOCK)", table);
    if (bm_sql_exec (sql, batch, NULL, &error) != BM_OK)
        fail_msg ("%s", error.text);
    int code = bm_cluster_btsmark (cluster, &ran, "log", "--json", NULL);
    bm_sql_close (&sql);
    free (batch);
    s_expect_code (21, code);
    assert_non_null (strstr (ran.out, "1222"));
    assert_int_equal (s_backed_up (), 8);
    s_expect_clean_run ();
}

static void
a_lock_that_is_held_for_ever_where_the_mark_is_written_is_named (void **state)
{
    (void)state;
    s_locked_for_ever (MESSAGES, "BizTalkMsgBoxDb.dbo.MarkLog");
}

static void
a_lock_that_is_held_for_ever_where_tracking_is_fenced_is_named (void **state)
{
    (void)state;
    s_locked_for_ever (ORDERS, "BizTalkDTADb.dbo.TDDS_StreamStatus");
}

/*  3923: SQL Server ignores the mark in a database with bulk-logged work that is not backed up, and says so in passing. Its
 *  log is backed up, and then the same run marks once more. */
static void
a_mark_that_sql_server_drops_is_followed_by_a_second_set_with_a_clean_one (void **state)
{
    (void)state;
    bm_cluster_exec (cluster, ORDERS, "ALTER DATABASE OrdersDb SET RECOVERY BULK_LOGGED");
    bm_cluster_exec (cluster, ORDERS, "SELECT id INTO OrdersDb.dbo.Loaded FROM OrdersDb.dbo.Moved");
    bm_cluster_btsmark (cluster, &ran, "log", "--json", NULL);
    bm_cluster_exec (cluster, ORDERS, "ALTER DATABASE OrdersDb SET RECOVERY FULL");
    json_t *sets = json_object_get (ran.json, "sets");
    assert_int_equal (json_array_size (sets), 2);
    s_expect_outcome (json_array_get (sets, 0), "unproven");
    assert_false (json_is_true (json_object_get (json_array_get (sets, 0), "complete")));
    s_expect_outcome (json_array_get (sets, 1), "clean");
    assert_true (json_is_true (json_object_get (json_array_get (sets, 1), "complete")));
    assert_non_null (strstr (ran.out, "message 3923"));
    s_expect_clean_run ();
}

/* ---- clocks ------------------------------------------------------------------------------------------------------ */

/*  Deadlines and leases are on the monotonic clock; wall time is for names and people. A jump costs at most a round. */
static void
s_jump_in_a_round (long seconds)
{
    bm_cluster_fault (cluster, MESSAGES, "commit_hold", "1");
    bm_process_t *run = bm_cluster_spawn_btsmark (cluster, "log", "--json", "--events", NULL);
    bm_process_wait_text (run, "COMMITTING", WAIT_MS);
    s_set_clock (seconds);
    bm_cluster_fault (cluster, MESSAGES, "commit_hold", "0");
    int code = bm_process_wait_end (run, &ran, END_MS);
    bm_process_destroy (&run);
    s_expect_code (0, code);
    s_expect_outcome (s_set (), "clean");
    s_expect_clean_run ();
}

static void
a_clock_that_jumps_in_the_middle_of_a_round_costs_at_most_that_round (void **state)
{
    (void)state;
#ifdef NDEBUG
    print_message ("SKIPPED: release builds have no clock for tests\n");
    skip ();
#endif
    s_jump_in_a_round (2 * 3600);
    s_jump_in_a_round (3600); /* back by an hour */
    s_jump_in_a_round (0);
}

static void
a_clock_that_was_set_back_between_runs_breaks_no_chain (void **state)
{
    (void)state;
#ifdef NDEBUG
    print_message ("SKIPPED: release builds have no clock for tests\n");
    skip ();
#endif
    s_set_clock (5 * 3600);
    s_expect_clean_run ();
    s_set_clock (0);
    s_expect_clean_run ();
    bm_sql_t *sql = bm_cluster_sql (cluster, ORDERS, NULL);
    bm_sql_result_t *result = NULL;
    bm_error_t error = {0};
    assert_int_equal (
        bm_sql_exec (sql,
                     "SELECT first_lsn, last_lsn FROM msdb.dbo.backupset WHERE type = 'L' AND "
                     "database_name = N'OrdersDb' ORDER BY backup_set_id",
                     &result, &error),
        BM_OK);
    int set = bm_sql_result_find (result, (const char *[]){"first_lsn", "last_lsn", NULL});
    assert_true (bm_sql_result_rows (result, set) > 2);
    for (size_t row = 1; row < bm_sql_result_rows (result, set); row++)
        assert_string_equal (bm_sql_result_text (result, set, row, "first_lsn"),
                             bm_sql_result_text (result, set, row - 1, "last_lsn"));
    bm_sql_result_destroy (&result);
    bm_sql_close (&sql);
}

/* ---- rights ------------------------------------------------------------------------------------------------------ */

/*  What `btsmark check` prints is typed in until a login that is no administrator can do all the work. */
static void
s_grant_what_is_printed (size_t host)
{
    size_t index, typed;
    do {
        typed = 0;
        json_t *finding;
        bm_cluster_btsmark (cluster, &ran, "check", "--json", NULL);
        json_t *findings = json_incref (json_object_get (ran.json, "findings"));
        json_array_foreach (findings, index, finding)
        {
            const char *remedy = json_string_value (json_object_get (finding, "remedy"));
            if (!remedy || strncmp (remedy, "USE ", 4) != 0)
                continue;
            bm_cluster_exec (cluster, host, remedy);
            typed++;
        }
        json_decref (findings);
    } while (typed > 0);
}

static void
a_login_that_may_not_look_gets_unchecked_marks_and_is_told_what_to_grant (void **state)
{
    (void)state;
    char line[128] = "";
    FILE *file = fopen (bm_cluster_path (cluster, "sa.password"), "re");
    assert_true (file && fgets (line, sizeof line, file));
    fclose (file);
    line[strcspn (line, "\n")] = '\0';
    char *make = bm_format ("CREATE LOGIN btsagent WITH PASSWORD = N'%s'", line);
    bm_cluster_exec (cluster, ORDERS, make);
    memset (make, 0, strlen (make));
    free (make);
    bm_cluster_edit (cluster, "agent-SQL03.ini", "login = sa", "login = btsagent");
    bm_cluster_kill (cluster, "agent-SQL03", SIGTERM);
    bm_cluster_resume (cluster);
    s_grant_what_is_printed (ORDERS);
    s_expect_clean_run ();

    bm_cluster_exec (cluster, ORDERS, "USE master; DENY VIEW SERVER STATE TO btsagent");
    s_expect_code (0, bm_cluster_btsmark (cluster, &ran, "log", "--json", NULL));
    s_expect_outcome (s_set (), "unchecked");
    assert_true (json_is_true (json_object_get (s_set (), "complete")));
    assert_int_equal (json_array_size (json_object_get (s_set (), "attempts")), 0);
    assert_non_null (strstr (ran.out, "GRANT VIEW SERVER STATE TO [btsagent]"));
    bm_cluster_edit (cluster, "btsmark.ini", "[round]\n", "[round]\ndoubtful = fail\n");
    s_expect_code (22, bm_cluster_btsmark (cluster, &ran, "log", "--json", NULL));
    s_expect_outcome (s_set (), "unchecked");
    assert_false (json_is_true (json_object_get (s_set (), "complete")));
    assert_int_equal (s_backed_up (), 8);

    bm_cluster_exec (cluster, ORDERS, "USE master; GRANT VIEW SERVER STATE TO btsagent");
    s_expect_clean_run ();
    bm_cluster_edit (cluster, "btsmark.ini", "doubtful = fail\n", "");
}

static void
every_process_ends_cleanly_and_no_log_holds_an_unexpected_error (void **state)
{
    (void)state;
    bm_cluster_assert_clean_end (cluster, NULL);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_quiet_group_gets_a_clean_mark),
        cmocka_unit_test (a_straddled_mark_is_doubtful_and_the_next_round_places_a_clean_one),
        cmocka_unit_test (a_doubtful_mark_counts_with_a_warning_under_the_policy_warn),
        cmocka_unit_test (a_doubtful_mark_does_not_count_under_the_policy_fail),
        cmocka_unit_test (a_commit_that_sql_server_gives_up_is_followed_by_a_clean_round),
        cmocka_unit_test (a_given_up_commit_that_stays_open_is_rolled_back_by_the_agent),
        cmocka_unit_test (a_sql_server_that_takes_20_seconds_to_commit_costs_the_mark_and_no_log),
        cmocka_unit_test (a_lock_that_is_held_for_ever_where_the_mark_is_written_is_named),
        cmocka_unit_test (a_lock_that_is_held_for_ever_where_tracking_is_fenced_is_named),
        cmocka_unit_test (
            a_mark_that_sql_server_drops_is_followed_by_a_second_set_with_a_clean_one),
        cmocka_unit_test (a_clock_that_jumps_in_the_middle_of_a_round_costs_at_most_that_round),
        cmocka_unit_test (a_clock_that_was_set_back_between_runs_breaks_no_chain),
        cmocka_unit_test (a_login_that_may_not_look_gets_unchecked_marks_and_is_told_what_to_grant),
        cmocka_unit_test (every_process_ends_cleanly_and_no_log_holds_an_unexpected_error),
    };
    return cmocka_run_group_tests (tests, s_setup, s_teardown);
}
