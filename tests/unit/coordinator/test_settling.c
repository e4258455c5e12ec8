/*  tests/unit/coordinator/test_settling.c
 *  Closing what an earlier run left open, asked from scripted agents.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "coordinator/shell/settling.h"
#include "tests/unit/coordinator/fake_group.h"

#define MARK "BTS_2026_11_21_02_15_01_327"
enum { SET_ID = 41 };

/*  What an agent's one database says. */
typedef struct plan {
    const char *database;
    bool has_mark, has_backup, silent;
    const char *fork;
    size_t marks_asked;
    char since[32], prefix[32];
} plan_t;

typedef struct parts {
    Btsmark__Greeting greeting;
    Btsmark__Instance instance;
    Btsmark__Settled settled;
    Btsmark__SettledDatabase database, *databases[1];
    Btsmark__DatabaseProof proof, *proofs[1];
    Btsmark__BackupRow row, *rows[1];
    Btsmark__ManifestWritten written;
    char *marks[1], *ended[1], uuid[32], device[96];
} parts_t;

static void
s_settled (plan_t *plan, const Btsmark__Settle *order, parts_t *parts, Btsmark__Envelope *answer)
{
    plan->marks_asked = order->n_marks;
    snprintf (plan->since, sizeof plan->since, "%s", order->since);
    snprintf (plan->prefix, sizeof plan->prefix, "%s", order->context_prefix);
    btsmark__settled__init (&parts->settled);
    btsmark__settled_database__init (&parts->database);
    parts->database.name = (char *)plan->database;
    parts->database.asked = true;
    parts->database.recovery_fork = (char *)plan->fork;
    parts->database.oldest_mark = (char *)"BTS_2026_01_01_00_00_00_000";
    if (plan->has_mark) {
        btsmark__database_proof__init (&parts->proof);
        parts->proof.name = (char *)MARK;
        parts->proof.asked = parts->proof.in_history = true;
        parts->proof.lsn = (char *)"150";
        parts->proof.mark_time = (char *)"2026-11-21 02:15:01.330";
        parts->proofs[0] = &parts->proof;
        parts->database.proofs = parts->proofs;
        parts->database.n_proofs = 1;
        parts->marks[0] = (char *)MARK;
        parts->database.marks_found = parts->marks;
        parts->database.n_marks_found = 1;
    }
    if (plan->has_backup) {
        btsmark__backup_row__init (&parts->row);
        snprintf (parts->uuid, sizeof parts->uuid, "uuid-%s", plan->database);
        snprintf (parts->device, sizeof parts->device, "/b/SQL_%s_Log_" MARK ".bak",
                  plan->database);
        parts->row.database = (char *)plan->database;
        parts->row.type = (char *)"L";
        parts->row.uuid = parts->uuid;
        parts->row.device = parts->device;
        parts->row.first_lsn = (char *)"100";
        parts->row.last_lsn = (char *)"200";
        parts->row.first_fork = parts->row.last_fork = (char *)plan->fork;
        parts->rows[0] = &parts->row;
        parts->database.backups = parts->rows;
        parts->database.n_backups = 1;
    }
    parts->databases[0] = &parts->database;
    parts->settled.databases = parts->databases;
    parts->settled.n_databases = 1;
    parts->ended[0] = (char *)"session 57 (btsmark-agent SQL01/SQL01)";
    parts->settled.ended = parts->ended;
    parts->settled.n_ended = 1;
    answer->body_case = BTSMARK__ENVELOPE__BODY_SETTLED;
    answer->settled = &parts->settled;
}

static int
s_script (fake_agent_t *self, const Btsmark__Envelope *order, Btsmark__Envelope *answer)
{
    static _Thread_local parts_t parts;
    plan_t *plan = self->argument;
    if (order->body_case == BTSMARK__ENVELOPE__BODY_GREET) {
        fake_group_greet (self, &parts.greeting, &parts.instance, answer);
        return 1;
    }
    if (order->body_case == BTSMARK__ENVELOPE__BODY_WRITE_MANIFEST) {
        btsmark__manifest_written__init (&parts.written);
        parts.written.ok = true;
        answer->body_case = BTSMARK__ENVELOPE__BODY_MANIFEST_WRITTEN;
        answer->manifest_written = &parts.written;
        return 1;
    }
    s_settled (plan, order->settle, &parts, answer);
    return !plan->silent;
}

typedef struct fixture {
    fake_group_t group;
    plan_t plans[FAKE_AGENTS];
    uint64_t earlier;
    bm_settled_t settled;
} fixture_t;

static int
s_setup (void **state)
{
    fixture_t *fixture = bm_alloc (sizeof *fixture);
    *state = fixture;
    fake_group_new (&fixture->group, s_script, &fixture->plans[0], &fixture->plans[1]);
    fixture->plans[0] = (plan_t){.database = "BizTalkMgmtDb", .fork = "fork-1"};
    fixture->plans[1] = (plan_t){.database = "BizTalkDTADb", .fork = "fork-2"};
    return 0;
}

static int
s_teardown (void **state)
{
    fixture_t *fixture = *state;
    assert_true (fake_group_destroy (&fixture->group));
    free (fixture);
    return 0;
}

static const bm_group_database_t s_databases[] = {
    {"SQL01", "SQL01", "BizTalkMgmtDb", NULL, "fork-1"},
    {"SQL02", "SQL02", "BizTalkDTADb", NULL, "fork-2"}};

/*  An earlier run that was killed after the intent and, with `ordered`, after its log backups were ordered. */
static void
s_killed_run (fixture_t *fixture, bool ordered)
{
    bm_error_t error = {0};
    bm_catalogue_t *catalogue = fixture->group.work.catalogue;
    fixture->earlier = fixture->group.work.run;
    assert_int_equal (
        bm_catalogue_databases_put (catalogue, fixture->earlier, s_databases, 2, &error), BM_OK);
    assert_int_equal (bm_catalogue_set_open (catalogue, fixture->earlier, SET_ID, BM_SET_LOG, MARK,
                                             "2026-11-21 02:15:01.327", s_databases, 2, &error),
                      BM_OK);
    assert_int_equal (bm_catalogue_round_intent (catalogue, fixture->earlier, 1, SET_ID, MARK,
                                                 bm_clock_utc_us (), s_databases, 2, &error),
                      BM_OK);
    for (int i = 0; ordered && i < 2; i++) {
        int64_t order;
        assert_int_equal (bm_catalogue_order_open (catalogue, fixture->earlier, SET_ID,
                                                   s_databases[i].server, s_databases[i].instance,
                                                   s_databases[i].database, BM_SET_LOG, MARK, MARK,
                                                   &order, &error),
                          BM_OK);
    }
    assert_int_equal (bm_catalogue_run_open (catalogue, "run", &fixture->group.work.run, &error),
                      BM_OK);
}

static void
s_settle (fixture_t *fixture)
{
    bm_group_row_t rows[] = {{(char *)"SQL01", (char *)"BizTalkMgmtDb", false},
                             {(char *)"SQL02", (char *)"BizTalkDTADb", false}};
    bm_group_rows_t group = {rows, 2};
    fake_group_start (&fixture->group, "[round]\nsettle-wait = 0 s\n", &group);
    bm_settling_run (&fixture->group.work, &fixture->settled);
    fake_group_stop_agents (&fixture->group);
}

static bm_outcome_t
s_outcome (fixture_t *fixture)
{
    bm_journal_round_t *rounds = NULL;
    size_t count = 0;
    bm_error_t error = {0};
    assert_int_equal (
        bm_catalogue_rounds (fixture->group.work.catalogue, 0, 10, &rounds, &count, &error), BM_OK);
    assert_int_equal (count, 1);
    bm_outcome_t outcome = rounds[0].has_outcome ? rounds[0].outcome : BM_OUTCOME_UNKNOWN;
    bm_journal_rounds_destroy (&rounds, count);
    return outcome;
}

static void
with_nothing_open_settling_asks_and_changes_nothing (void **state)
{
    fixture_t *fixture = *state;
    s_settle (fixture);
    assert_int_equal (fixture->plans[0].marks_asked, 0);
    assert_string_equal (fixture->plans[0].prefix, "btsmark-agent ");
    assert_false (fixture->settled.fork_changed);
    assert_int_equal (fixture->settled.unknown, 0);
    assert_int_equal (fixture->group.work.report->warning_count, 0);
}

static void
a_mark_found_in_every_database_is_settled_but_no_fence_is_vouched_for (void **state)
{
    fixture_t *fixture = *state;
    s_killed_run (fixture, false);
    fixture->plans[0].has_mark = fixture->plans[1].has_mark = true;
    s_settle (fixture);
    assert_int_equal (fixture->plans[0].marks_asked, 1);
    assert_int_equal (s_outcome (fixture), BM_OUTCOME_DOUBTFUL);
    assert_int_equal (fixture->settled.unknown, 0);
}

static void
a_mark_in_one_database_only_is_torn (void **state)
{
    fixture_t *fixture = *state;
    s_killed_run (fixture, false);
    fixture->plans[0].has_mark = true;
    s_settle (fixture);
    assert_int_equal (s_outcome (fixture), BM_OUTCOME_TORN);
}

static void
a_mark_in_no_database_was_never_placed (void **state)
{
    fixture_t *fixture = *state;
    s_killed_run (fixture, false);
    s_settle (fixture);
    assert_int_equal (s_outcome (fixture), BM_OUTCOME_NONE);
}

static void
a_mark_stays_open_while_an_instance_cannot_be_asked (void **state)
{
    fixture_t *fixture = *state;
    s_killed_run (fixture, false);
    fixture->plans[0].has_mark = true;
    fixture->group.fakes[1].name =
        "OTHER"; /* serves something else: nobody can be asked for SQL02 */
    s_settle (fixture);
    assert_int_equal (s_outcome (fixture), BM_OUTCOME_UNKNOWN);
    assert_int_equal (fixture->settled.unknown, 1);
    assert_true (fixture->group.work.report->warning_count > 0);
}

static void
a_backup_that_was_ordered_and_taken_but_not_noted_is_found_by_its_row_in_msdb (void **state)
{
    fixture_t *fixture = *state;
    s_killed_run (fixture, true);
    fixture->plans[0].has_mark = fixture->plans[1].has_mark = true;
    fixture->plans[0].has_backup = fixture->plans[1].has_backup = true;
    s_settle (fixture);
    bm_backups_t backups = {0};
    bm_error_t error = {0};
    assert_int_equal (
        bm_catalogue_set_backups (fixture->group.work.catalogue, SET_ID, &backups, &error), BM_OK);
    assert_int_equal (backups.count, 2);
    assert_true (backups.items[0].ours);
    assert_string_equal (backups.items[0].mark, MARK);
    bm_backups_clear (&backups);
}

static void
a_management_database_on_another_fork_was_restored (void **state)
{
    fixture_t *fixture = *state;
    s_killed_run (fixture, false);
    fixture->plans[0].fork = "fork-9";
    s_settle (fixture);
    assert_true (fixture->settled.fork_changed);
    char *fork = NULL;
    bm_error_t error = {0};
    assert_int_equal (
        bm_catalogue_fork (fixture->group.work.catalogue, "SQL01", "BizTalkMgmtDb", &fork, &error),
        BM_OK);
    assert_string_equal (fork, "fork-9");
    free (fork);
    /*  The next run does not see the change any more: the full stays owed until one is begun. */
    bool owed = false;
    assert_int_equal (bm_catalogue_owes_full (fixture->group.work.catalogue, &owed, &error), BM_OK);
    assert_true (owed);
    assert_int_equal (bm_catalogue_owe_full (fixture->group.work.catalogue, false, &error), BM_OK);
    assert_int_equal (bm_catalogue_owes_full (fixture->group.work.catalogue, &owed, &error), BM_OK);
    assert_false (owed);
}

static void
what_was_ended_is_told (void **state)
{
    fixture_t *fixture = *state;
    s_settle (fixture);
    bool told = false;
    for (size_t i = 0; i < fixture->group.work.report->note_count; i++)
        told |= strstr (fixture->group.work.report->notes[i], "session 57") != NULL;
    assert_true (told);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)

int
main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (with_nothing_open_settling_asks_and_changes_nothing),
        TEST (a_mark_found_in_every_database_is_settled_but_no_fence_is_vouched_for),
        TEST (a_mark_in_one_database_only_is_torn),
        TEST (a_mark_in_no_database_was_never_placed),
        TEST (a_mark_stays_open_while_an_instance_cannot_be_asked),
        TEST (a_backup_that_was_ordered_and_taken_but_not_noted_is_found_by_its_row_in_msdb),
        TEST (a_management_database_on_another_fork_was_restored),
        TEST (what_was_ended_is_told),
    };
    bm_log_open ("test", BM_LOG_ERROR);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
