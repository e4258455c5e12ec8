#include "tests/unit/agent/sql_tests.h"

#include "agent/shell/prove.h"

#define S_MARK "BTS_2026_11_21_02_15_01_327"

typedef struct {
    int marks;      /* in MarkLog; -1 = blocked */
    int history_at; /* from which question on logmarkhistory knows it; 0 = never */
    int asked;
} s_truth_t;

static bool
s_script (fake_session_t *session, const char *text, const sh_rpc_t *rpc, sh_run_t *run)
{
    s_truth_t *truth = ((sql_place_t *)session->fake->argument)->argument;
    *run = SH_RUN_DONE;
    if (strstr (text, "AS marks")) {
        assert_non_null (strstr (text, "[Bam]]s].dbo.MarkLog"));
        assert_string_equal (fake_parameter (rpc, "@mark"), S_MARK);
        if (truth->marks < 0)
            fake_say (session, 1222, 16, 1, "Lock request time out period exceeded.");
        else
            fake_one (session, "marks", truth->marks);
        return true;
    }
    if (!strstr (text, "logmarkhistory"))
        return false;
    assert_string_equal (fake_parameter (rpc, "@since"), "2026-11-21 02:15:00.250");
    bool known = ++truth->asked >= truth->history_at && truth->history_at > 0;
    fake_rows (session, "database_name,lsn,mark_time", known ? 1 : 0,
               (const char *[]){"bam]S", "35000000040000001", "2026-11-21 03:15:01.330"});
    return true;
}

static Btsmark__Proof *
s_prove (sql_place_t *place, s_truth_t *truth, uint32_t poll_ms, bool unsettled)
{
    char *databases[] = {(char *)"Bam]s"};
    Btsmark__Prove order = BTSMARK__PROVE__INIT;
    order.mark = (char *)S_MARK;
    order.databases = databases;
    order.n_databases = 1;
    order.since_utc_us = INT64_C (1795227300250000);
    order.poll_ms = poll_ms;
    place->argument = truth;
    place->fake->script = s_script;
    bm_prove_t prove = {.instance = "SQL01", .sql = place->sql, .unsettled = unsettled};
    return bm_prove_run (&prove, &order);
}

static void
a_mark_is_proved_when_both_know_it (void **state)
{
    s_truth_t truth = {.marks = 1, .history_at = 3};
    Btsmark__Proof *proof = s_prove (*state, &truth, 10000, false);
    assert_null (proof->fault);
    const Btsmark__DatabaseProof *one = proof->databases[0];
    assert_true (one->asked && one->in_marklog && one->in_history);
    assert_string_equal (one->lsn, "35000000040000001");
    assert_string_equal (one->mark_time, "2026-11-21 03:15:01.330");
    assert_int_equal (truth.asked, 3); /* asked again until it was there */
    btsmark__proof__free_unpacked (proof, NULL);
}

static void
a_dropped_mark_is_in_marklog_alone (void **state)
{
    s_truth_t truth = {.marks = 1};
    Btsmark__Proof *proof = s_prove (*state, &truth, 300, false);
    assert_true (proof->databases[0]->in_marklog);
    assert_false (proof->databases[0]->in_history);
    assert_true (truth.asked >= 2);
    btsmark__proof__free_unpacked (proof, NULL);
}

static void
a_mark_that_was_rolled_back_is_not_waited_for (void **state)
{
    s_truth_t truth = {.marks = 0};
    Btsmark__Proof *proof = s_prove (*state, &truth, 60000, false);
    assert_true (proof->databases[0]->asked);
    assert_false (proof->databases[0]->in_marklog);
    assert_int_equal (truth.asked, 1);
    btsmark__proof__free_unpacked (proof, NULL);
}

static void
what_another_session_still_holds_counts_as_not_asked (void **state)
{
    s_truth_t truth = {.marks = -1};
    Btsmark__Proof *proof = s_prove (*state, &truth, 0, false);
    assert_false (proof->databases[0]->asked);
    assert_non_null (strstr (proof->databases[0]->fault->text, "1222"));
    btsmark__proof__free_unpacked (proof, NULL);
}

static void
a_name_that_is_not_found_while_a_commit_runs_counts_as_not_asked (void **state)
{
    s_truth_t truth = {.marks = 0};
    Btsmark__Proof *proof = s_prove (*state, &truth, 0, true);
    assert_false (proof->databases[0]->asked);
    assert_string_equal (proof->databases[0]->fault->status, "IN_DOUBT");
    btsmark__proof__free_unpacked (proof, NULL);
    truth = (s_truth_t){.marks = 1, .history_at = 1};
    proof = s_prove (*state, &truth, 0, true);
    assert_true (proof->databases[0]->asked);
    btsmark__proof__free_unpacked (proof, NULL);
}

static void
an_instance_that_cannot_be_reached_proves_nothing (void **state)
{
    (void)state;
    bm_error_t error = {0};
    bm_fail (&error, BM_UNREACHABLE, "nobody there");
    char *databases[] = {(char *)"X"};
    Btsmark__Prove order = BTSMARK__PROVE__INIT;
    order.databases = databases;
    order.n_databases = 1;
    bm_prove_t prove = {.instance = "SQL01", .error = &error};
    Btsmark__Proof *proof = bm_prove_run (&prove, &order);
    assert_string_equal (proof->fault->status, "UNREACHABLE");
    assert_false (proof->databases[0]->asked);
    btsmark__proof__free_unpacked (proof, NULL);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        SQL_TEST (a_mark_is_proved_when_both_know_it),
        SQL_TEST (a_dropped_mark_is_in_marklog_alone),
        SQL_TEST (a_mark_that_was_rolled_back_is_not_waited_for),
        SQL_TEST (what_another_session_still_holds_counts_as_not_asked),
        SQL_TEST (a_name_that_is_not_found_while_a_commit_runs_counts_as_not_asked),
        cmocka_unit_test (an_instance_that_cannot_be_reached_proves_nothing)};
    return sql_main (tests, sizeof tests / sizeof *tests);
}
