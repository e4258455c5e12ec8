#include "tests/unit/agent/sql_tests.h"

#include "agent/shell/mark.h"

static char *s_databases[] = {(char *)"BizTalkMsgBoxDb", (char *)"Bam]s'"};
static const bm_mark_terms_t s_terms = {.mark = "BTS_2026_11_21_02_15_01_327",
                                        .databases = s_databases,
                                        .count = 2,
                                        .lease_ms = 10000,
                                        .version = 15};

static int64_t
s_open (sql_place_t *place)
{
    bm_error_t error = {0};
    int64_t id = 0;
    if (bm_mark_open (place->sql, &s_terms, &id, NULL, &error) != BM_OK)
        fail_msg ("%s", error.text);
    assert_int_equal (id, 9051);
    return id;
}

static void
a_mark_is_one_transaction_over_all_databases (void **state)
{
    (void)state;
    char *batch = bm_mark_open_batch (&s_terms);
    const char *begin = strstr (batch, "BEGIN TRANSACTION @mark WITH MARK @mark;");
    assert_non_null (begin);
    assert_null (strstr (begin + 1, "BEGIN TRANSACTION"));
    assert_non_null (strstr (batch, "SET @mark = N'BTS_2026_11_21_02_15_01_327';"));
    assert_non_null (strstr (batch, "SET XACT_ABORT ON"));
    const char *first = strstr (batch, "EXEC @rc = [BizTalkMsgBoxDb].dbo.sp_SetMark @mark;");
    const char *second = strstr (batch, "EXEC @rc = [Bam]]s'].dbo.sp_SetMark @mark;");
    assert_true (first && second && first > begin && second > first);
    const char *test = strstr (first, "ISNULL (@rc, -1) <> 0 OR @count <> 1 OR @state <> 1");
    assert_true (test && test < second); /* after each database, not only at the end */
    free (batch);
}

/*  A lock that somebody holds for ever is told as such (1222) while the coordinator still waits, not as silence. */
static void
a_lock_is_waited_for_no_longer_than_the_order_is_valid (void **state)
{
    (void)state;
    bm_mark_terms_t terms = s_terms;
    char *batch = bm_mark_open_batch (&terms);
    assert_non_null (strstr (batch, "SET LOCK_TIMEOUT 7500;"));
    free (batch);
    terms.wait_ms = 1600;
    batch = bm_mark_open_batch (&terms);
    assert_non_null (strstr (batch, "SET LOCK_TIMEOUT 1600;"));
    free (batch);
    terms.wait_ms = 9000; /* never as long as the lease */
    batch = bm_mark_open_batch (&terms);
    assert_non_null (strstr (batch, "SET LOCK_TIMEOUT 7500;"));
    free (batch);
}

/*  COMMIT with L2 behind it. */
static bm_committed_t
s_commit_of (sql_place_t *place, int64_t id, bm_sql_messages_t **messages_p, bm_sample_t *after,
             bm_error_t *error)
{
    bm_mark_commit_terms_t terms = {
        .transaction_id = id, .version = 15, .check = true, .databases = s_databases, .count = 2};
    return bm_mark_commit (place->sql, &terms, messages_p, after, error);
}

static void
a_mark_is_held_open_and_committed (void **state)
{
    sql_place_t *place = *state;
    bm_error_t error = {0};
    bm_sample_t after;
    int64_t id = s_open (place);
    assert_int_equal (fake_read (place->fake, &place->fake->open_marks), 1);
    assert_int_equal (s_commit_of (place, id, NULL, &after, &error), BM_COMMITTED_DONE);
    assert_int_equal (fake_read (place->fake, &place->fake->commits), 1);
    assert_true (after.ran);
    assert_int_equal (after.branch_count, 0);
    bm_sample_clear (&after);
}

static void
the_second_sample_is_read_behind_the_commit_list_before_counts (void **state)
{
    (void)state;
    bm_mark_commit_terms_t terms = {
        .transaction_id = 7, .version = 15, .check = true, .databases = s_databases, .count = 2};
    char *batch = bm_mark_commit_batch (&terms);
    const char *commit = strstr (batch, "COMMIT TRANSACTION;");
    const char *said = strstr (batch, "@@ERROR AS bm_error, @@TRANCOUNT AS bm_left");
    const char *list = strstr (batch, "sys.dm_tran_active_transactions");
    const char *counts = strstr (batch, "sys.dm_os_wait_stats");
    assert_true (commit && said && list && counts);
    assert_true (commit < said && said < list && list < counts);
    free (batch);
    terms.check = false;
    batch = bm_mark_commit_batch (&terms);
    assert_null (strstr (batch, "sys.dm_"));
    free (batch);
}

static void
a_second_sample_that_fails_does_not_hide_the_commit (void **state)
{
    sql_place_t *place = *state;
    bm_error_t error = {0};
    bm_sample_t after;
    int64_t id = s_open (place);
    place->fake->no_right = true;
    assert_int_equal (s_commit_of (place, id, NULL, &after, &error), BM_COMMITTED_DONE);
    assert_int_equal (error.status, BM_OK);
    assert_false (after.ran);
    assert_true (after.denied);
    bm_sample_clear (&after);
}

static void
the_second_sample_tells_what_is_still_listed (void **state)
{
    sql_place_t *place = *state;
    bm_error_t error = {0};
    bm_sample_t after;
    int64_t id = s_open (place);
    place->fake->in_flight = 1;
    place->fake->branches_done = 41;
    assert_int_equal (s_commit_of (place, id, NULL, &after, &error), BM_COMMITTED_DONE);
    assert_true (after.ran);
    assert_int_equal (after.prepares, 41);
    assert_int_equal (after.commits, 41);
    assert_int_equal (after.branch_count, 1);
    bm_sample_clear (&after);
}

static void
another_transaction_is_never_committed (void **state)
{
    sql_place_t *place = *state;
    bm_error_t error = {0};
    bm_sample_t after;
    int64_t id = s_open (place);
    assert_int_equal (s_commit_of (place, id + 1, NULL, &after, &error), BM_COMMITTED_ROLLED_BACK);
    assert_false (after.ran);
    assert_int_equal (fake_read (place->fake, &place->fake->commits), 0);
    assert_int_equal (fake_read (place->fake, &place->fake->rollbacks), 1);
    assert_true (strlen (error.text) > 0);
}

static bool
s_fail_mark (fake_session_t *session, const char *text, const sh_rpc_t *rpc, sh_run_t *run)
{
    (void)rpc;
    if (!strstr (text, "WITH MARK"))
        return false;
    session->transaction = true; /* the message did not end it */
    fake_count (session->fake, &session->fake->open_marks, 1);
    fake_say (session, 50000, 16, 1,
              "sp_SetMark in X: return code -1, @@TRANCOUNT 0, XACT_STATE 0");
    *run = SH_RUN_DONE;
    return true;
}

static void
a_mark_that_fails_leaves_nothing_open (void **state)
{
    sql_place_t *place = *state;
    bm_error_t error = {0};
    bm_sql_messages_t *messages = NULL;
    int64_t id = 5;
    place->fake->script = s_fail_mark;
    assert_int_equal (bm_mark_open (place->sql, &s_terms, &id, &messages, &error), BM_SQL_FAILED);
    assert_int_equal (id, 0);
    assert_non_null (strstr (error.text, "return code -1"));
    assert_int_equal (messages->count, 1);
    assert_int_equal (fake_read (place->fake, &place->fake->open_marks), 0);
    bm_sql_messages_destroy (&messages);
}

/*  What COMMIT says, and what is open afterwards. */
typedef struct {
    int number, severity;
    bool still_open, drop, result;
    const char *error; /* of the result; NULL = 0 */
} s_answer_t;

static bool
s_answer_commit (fake_session_t *session, const char *text, const sh_rpc_t *rpc, sh_run_t *run)
{
    (void)rpc;
    if (!strstr (text, "COMMIT TRANSACTION;"))
        return false;
    const s_answer_t *answer = ((sql_place_t *)session->fake->argument)->argument;
    if (!answer->still_open && session->transaction) {
        session->transaction = false;
        fake_count (session->fake, &session->fake->open_marks, -1);
    }
    if (answer->number)
        fake_say (session, answer->number, answer->severity, 1, "text");
    if (answer->result)
        fake_rows (session, "bm_error,bm_left", 1,
                   (const char *[]){answer->error ? answer->error : "0", "0"});
    *run = answer->drop ? SH_RUN_DROP : SH_RUN_DONE;
    return true;
}

static bm_committed_t
s_commit (sql_place_t *place, s_answer_t answer, bm_sql_messages_t **messages_p)
{
    bm_error_t error = {0};
    int64_t id = s_open (place);
    place->argument = &answer;
    place->fake->script = s_answer_commit;
    bm_sample_t after;
    bm_committed_t committed = s_commit_of (place, id, messages_p, &after, &error);
    assert_false (after.ran); /* COMMIT was all that was answered */
    bm_sample_clear (&after);
    return committed;
}

static void
a_dropped_mark_keeps_its_message (void **state)
{
    bm_sql_messages_t *messages = NULL;
    s_answer_t answer = {.number = 3923, .severity = 10, .result = true};
    assert_int_equal (s_commit (*state, answer, &messages), BM_COMMITTED_DONE);
    assert_int_equal (messages->items[0].number, 3923);
    bm_sql_messages_destroy (&messages);
}

static void
a_message_of_severity_10_is_no_failure_wherever_it_stands (void **state)
{
    s_answer_t answer = {.number = 3923, .severity = 10, .result = true, .error = "3923"};
    assert_int_equal (s_commit (*state, answer, NULL), BM_COMMITTED_DONE);
}

/*  No transaction is left, and yet nothing was committed: the batch went on behind a COMMIT that failed. */
static void
a_commit_that_failed_is_never_taken_for_done (void **state)
{
    s_answer_t answer = {.number = 3928, .severity = 16, .result = true, .error = "3928"};
    assert_int_equal (s_commit (*state, answer, NULL), BM_COMMITTED_ROLLED_BACK);
    answer.number = 9002;
    answer.error = "9002";
    assert_int_equal (s_commit (*state, answer, NULL), BM_COMMITTED_UNKNOWN);
}

static void
a_commit_that_sql_server_gave_up_is_rolled_back (void **state)
{
    s_answer_t answer = {.number = 3928, .severity = 16};
    assert_int_equal (s_commit (*state, answer, NULL), BM_COMMITTED_ROLLED_BACK);
}

static void
a_transaction_that_an_error_left_open_is_rolled_back (void **state)
{
    sql_place_t *place = *state;
    s_answer_t answer = {.number = 8134, .severity = 16, .still_open = true};
    assert_int_equal (s_commit (place, answer, NULL), BM_COMMITTED_ROLLED_BACK);
    assert_int_equal (fake_read (place->fake, &place->fake->rollbacks), 1);
}

static void
an_error_that_tells_nothing_is_unknown (void **state)
{
    s_answer_t answer = {.number = 9002, .severity = 17};
    assert_int_equal (s_commit (*state, answer, NULL), BM_COMMITTED_UNKNOWN);
}

static void
a_lost_connection_is_unknown (void **state)
{
    s_answer_t answer = {.drop = true};
    assert_int_equal (s_commit (*state, answer, NULL), BM_COMMITTED_UNKNOWN);
}

static void
silence_is_unknown (void **state)
{
    assert_int_equal (s_commit (*state, (s_answer_t){.number = 0}, NULL), BM_COMMITTED_UNKNOWN);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_mark_is_one_transaction_over_all_databases),
        cmocka_unit_test (a_lock_is_waited_for_no_longer_than_the_order_is_valid),
        SQL_TEST (a_mark_is_held_open_and_committed),
        SQL_TEST (another_transaction_is_never_committed),
        SQL_TEST (a_mark_that_fails_leaves_nothing_open),
        cmocka_unit_test (the_second_sample_is_read_behind_the_commit_list_before_counts),
        SQL_TEST (a_second_sample_that_fails_does_not_hide_the_commit),
        SQL_TEST (the_second_sample_tells_what_is_still_listed),
        SQL_TEST (a_dropped_mark_keeps_its_message),
        SQL_TEST (a_message_of_severity_10_is_no_failure_wherever_it_stands),
        SQL_TEST (a_commit_that_failed_is_never_taken_for_done),
        SQL_TEST (a_commit_that_sql_server_gave_up_is_rolled_back),
        SQL_TEST (a_transaction_that_an_error_left_open_is_rolled_back),
        SQL_TEST (an_error_that_tells_nothing_is_unknown),
        SQL_TEST (a_lost_connection_is_unknown),
        SQL_TEST (silence_is_unknown)};
    return sql_main (tests, sizeof tests / sizeof *tests);
}
