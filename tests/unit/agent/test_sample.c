#include "tests/unit/agent/sql_tests.h"

#include "agent/shell/sample.h"
#include "common/limits.h"

static char *s_databases[] = {(char *)"BizTalkMsgBoxDb", (char *)"O'Brien] Db"};

/*  What the views answer to one reading. */
typedef struct {
    const char *const *counts; /* wait, count, ... */
    size_t count_rows;
    const char *const *list;
    size_t list_rows;
    bool no_list;
} s_views_t;

static bool
s_answer (fake_session_t *session, const char *text, const sh_rpc_t *rpc, sh_run_t *run)
{
    (void)rpc;
    if (!strstr (text, "bm_wait"))
        return false;
    const s_views_t *views = ((sql_place_t *)session->fake->argument)->argument;
    /*  Found by its columns, not by its position. */
    if (!views->no_list)
        fake_rows (session, "bm_branch,bm_uow,bm_state,bm_database_state,bm_database",
                   views->list_rows, views->list);
    fake_rows (session, "bm_wait,bm_count", views->count_rows, views->counts);
    *run = SH_RUN_DONE;
    return true;
}

static void
s_read (sql_place_t *place, s_views_t views, bm_sample_t *sample)
{
    place->argument = &views;
    place->fake->script = s_answer;
    bm_sample_read (place->sql, s_databases, 2, 5000, sample);
    place->argument = NULL;
}

static const char *const s_counts[] = {"PREEMPTIVE_DTC_PREPAREREQUESTDONE", "17",
                                       "PREEMPTIVE_DTC_COMMITREQUESTDONE", "9007199254740993"};

static void
the_first_sample_reads_counts_before_the_list_and_the_second_the_other_way_round (void **state)
{
    (void)state;
    char *before = bm_sample_batch (bm_reads_before, s_databases, 2);
    char *after = bm_sample_batch (bm_reads_after, s_databases, 2);
    assert_true (strstr (before, "sys.dm_os_wait_stats") <
                 strstr (before, "sys.dm_tran_active_transactions"));
    assert_true (strstr (after, "sys.dm_os_wait_stats") >
                 strstr (after, "sys.dm_tran_active_transactions"));
    free (before);
    free (after);
}

static void
names_of_databases_are_quoted (void **state)
{
    (void)state;
    char *batch = bm_sample_batch (bm_reads_before, s_databases, 2);
    assert_non_null (strstr (batch, "DB_ID (N'BizTalkMsgBoxDb')"));
    assert_non_null (strstr (batch, "DB_ID (N'O''Brien] Db')"));
    free (batch);
}

static void
a_quiet_instance_gives_its_counts_and_no_branch (void **state)
{
    bm_sample_t sample;
    s_read (*state, (s_views_t){.counts = s_counts, .count_rows = 2}, &sample);
    assert_true (sample.ran);
    assert_int_equal (sample.prepares, 17);
    assert_true (sample.commits == 9007199254740993u);
    assert_int_equal (sample.branch_count, 0);
    assert_null (bm_sample_fault (&sample, "btsmark"));
    bm_sample_clear (&sample);
}

static void
rows_of_one_branch_become_one_with_its_databases (void **state)
{
    const char *const list[] = {"5", "AAAA", "2", "4",  "X", "6", "BBBB", "5", "5",  "X",
                                "6", "BBBB", "5", "12", "Y", "7", NULL,   "6", NULL, NULL};
    bm_sample_t sample;
    s_read (*state, (s_views_t){s_counts, 2, list, 4, false}, &sample);
    assert_true (sample.ran);
    assert_int_equal (sample.branch_count, 2); /* 5 is active only */
    const Btsmark__Branch *branch = sample.branches[0];
    assert_int_equal (branch->transaction_id, 6);
    assert_string_equal (branch->unit_of_work, "BBBB");
    assert_int_equal (branch->transaction_state, 5);
    assert_int_equal (branch->database_transaction_state, 12);
    assert_int_equal (branch->n_databases, 2);
    assert_string_equal (branch->databases[1], "Y");
    branch = sample.branches[1]; /* committed, in no database any more, and still listed */
    assert_int_equal (branch->transaction_id, 7);
    assert_string_equal (branch->unit_of_work, "");
    assert_int_equal (branch->n_databases, 0);
    bm_sample_clear (&sample);
}

static void
a_count_or_a_list_that_is_missing_is_no_sample (void **state)
{
    bm_sample_t sample;
    s_read (*state, (s_views_t){.counts = s_counts, .count_rows = 1}, &sample);
    assert_false (sample.ran);
    bm_sample_clear (&sample);
    s_read (*state, (s_views_t){.counts = s_counts, .count_rows = 2, .no_list = true}, &sample);
    assert_false (sample.ran);
    Btsmark__Fault *fault = bm_sample_fault (&sample, "btsmark");
    assert_non_null (strstr (fault->text, "in-flight check did not run"));
    btsmark__fault__free_unpacked (fault, NULL);
    bm_sample_clear (&sample);
}

static void
a_login_without_the_right_is_told_what_to_grant (void **state)
{
    sql_place_t *place = *state;
    place->fake->no_right = true;
    bm_sample_t sample;
    bm_sample_read (place->sql, s_databases, 2, 5000, &sample);
    assert_false (sample.ran);
    Btsmark__Fault *fault = bm_sample_fault (&sample, "CORP\\bts]mark");
    assert_non_null (strstr (fault->text, "VIEW SERVER STATE"));
    assert_non_null (strstr (fault->remedy, "GRANT VIEW SERVER STATE TO [CORP\\bts]]mark]"));
    assert_string_equal (fault->status, "SQL_FAILED");
    btsmark__fault__free_unpacked (fault, NULL);
    bm_sample_clear (&sample);
}

/*  One more than the limit: the answer still fits on the wire, and something is still in flight. */
static void
a_list_beyond_the_limit_is_cut_and_not_emptied (void **state)
{
    const size_t rows = BM_LIMIT_BRANCHES + 1;
    const char **list = bm_alloc (rows * 5 * sizeof *list);
    char (*ids)[16] = bm_alloc (rows * sizeof *ids);
    for (size_t i = 0; i < rows; i++) {
        snprintf (ids[i], sizeof ids[i], "%zu", i + 1);
        const char *const row[] = {ids[i], "U", "5", "5", "X"};
        memcpy (&list[i * 5], row, sizeof row);
    }
    bm_sample_t sample;
    s_read (*state, (s_views_t){s_counts, 2, list, rows, false}, &sample);
    assert_int_equal (sample.branch_count, BM_LIMIT_BRANCHES);
    bm_sample_clear (&sample);
    s_read (*state, (s_views_t){s_counts, 2, list, rows - 1, false}, &sample);
    assert_int_equal (sample.branch_count, BM_LIMIT_BRANCHES);
    bm_sample_clear (&sample);
    free (list);
    free (ids);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (
            the_first_sample_reads_counts_before_the_list_and_the_second_the_other_way_round),
        cmocka_unit_test (names_of_databases_are_quoted),
        SQL_TEST (a_quiet_instance_gives_its_counts_and_no_branch),
        SQL_TEST (rows_of_one_branch_become_one_with_its_databases),
        SQL_TEST (a_count_or_a_list_that_is_missing_is_no_sample),
        SQL_TEST (a_login_without_the_right_is_told_what_to_grant),
        SQL_TEST (a_list_beyond_the_limit_is_cut_and_not_emptied)};
    return sql_main (tests, sizeof tests / sizeof *tests);
}
