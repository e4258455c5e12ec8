/*  Routing by distributed transaction on the stand-in: a message is in exactly one place at every mark that no transaction
 *  straddles, and each straddle is forced by hand. */
#include <inttypes.h>

#include "common/clock.h"
#include "tests/unit/workload/stand.h"
#include "tests/workload/checker.h"
#include "tests/workload/router.h"
#include "tests/workload/run.h"
#include "tests/workload/straddle.h"

#define BOX    "BizTalkMsgBoxDb"
#define ORDERS "OrdersDb"
#define SEED   7

static stand_t *s_stand;
static int s_number = 1000000;
static int s_marks;

static int
s_begin (void **state)
{
    (void)state;
    if (!stand_is_there ()) {
        print_message ("sqlhost is not built: skipped\n");
        return 0;
    }
    s_stand = stand_new ();
    for (size_t i = 0; i < STAND_INSTANCES; i++)
        stand_backup (s_stand, i, true, "F");
    return 0;
}

static int
s_end (void **state)
{
    (void)state;
    if (s_stand)
        stand_destroy (s_stand);
    return 0;
}

/*  One message at SQL02, and a router to SQL03 whose ledger is a file. */
typedef struct {
    bm_sql_t *source, *destination;
    bm_router_t *router;
    char *path;
    bm_ledger_t *ledger;
    bm_ledger_list_t list; /* of the message alone */
    char mark[32];
} s_case_t;

static void
s_must (bm_status_t status, const bm_error_t *error)
{
    if (status)
        fail_msg ("%s: %s", bm_status_name (status), error->text);
}

static void
s_open (s_case_t *self)
{
    self->source = stand_open (s_stand, 0);
    self->destination = stand_open (s_stand, 1);
    bm_route_end_t ends[BM_ROUTE_SIDES] = {{self->source, "SQL02", BOX},
                                           {self->destination, "SQL03", ORDERS}};
    if (self->router)
        bm_router_sessions (self->router, self->source, self->destination);
    else
        self->router = bm_router_new (ends, SEED, 3, self->ledger);
}

static void
s_close (s_case_t *self)
{
    bm_router_abandon (self->router);
    bm_sql_close (&self->source);
    bm_sql_close (&self->destination);
}

static void
s_fault (size_t instance, const char *name, const char *value)
{
    bm_sql_t *sql = stand_open (s_stand, instance);
    char *batch = bm_format ("EXEC master.dbo.sqlhost_fault N'%s', N'%s'", name, value);
    stand_exec (sql, batch);
    free (batch);
    bm_sql_close (&sql);
}

static int
s_setup (void **state)
{
    *state = NULL;
    if (!s_stand)
        return 0;
    s_case_t *self = bm_alloc (sizeof *self);
    bm_error_t error = {0};
    snprintf (self->mark, sizeof self->mark, "ROUTE_%d", ++s_marks);
    self->path = bm_format ("%s/ledger%d", s_stand->folder, s_marks);
    self->ledger = bm_ledger_open (self->path, &error);
    assert_non_null (self->ledger);
    s_open (self);
    bm_ledger_entry_t *entry =
        bm_ledger_list_add (&self->list, ++s_number, 'R', "SQL02", BOX, NULL);
    entry->asked_us = bm_clock_mono_us ();
    s_must (bm_router_publish (self->router, SEED, s_number, &error), &error);
    entry->acknowledged_us = entry->asked_us + 1;
    bool found;
    s_must (bm_router_read (self->router, &found, &error), &error);
    assert_true (found);
    *state = self;
    return 0;
}

static int
s_teardown (void **state)
{
    s_case_t *self = *state;
    if (!self)
        return 0;
    s_close (self);
    for (size_t i = 0; i < STAND_INSTANCES; i++) {
        s_fault (i, "all", "off");
        bm_sql_t *sql = stand_open (s_stand, i);
        stand_exec (sql, i ? "DELETE " ORDERS ".dbo.RoutedMessages"
                           : "DELETE " BOX ".dbo.RoutedMessages");
        bm_sql_close (&sql);
    }
    bm_router_destroy (&self->router);
    bm_ledger_close (&self->ledger);
    bm_ledger_list_clear (&self->list);
    free (self->path);
    free (self);
    return 0;
}

#define NEEDS_STAND(state)                                                                         \
    if (!*(state))                                                                                 \
    skip ()

/*  ---- steps ---- */

static void
s_move (s_case_t *self)
{
    bm_error_t error = {0};
    s_must (bm_router_move (self->router, &error), &error);
}

static void
s_prepare (s_case_t *self)
{
    bm_error_t error = {0};
    s_must (bm_router_prepare (self->router, BM_ROUTE_SOURCE, &error), &error);
    s_must (bm_router_prepare (self->router, BM_ROUTE_DESTINATION, &error), &error);
}

static void
s_commit (s_case_t *self)
{
    bm_error_t error = {0};
    s_must (bm_router_decide (self->router, &error), &error);
    s_must (bm_router_commit (self->router, BM_ROUTE_SOURCE, &error), &error);
    s_must (bm_router_commit (self->router, BM_ROUTE_DESTINATION, &error), &error);
}

static void
s_mark (s_case_t *self, size_t instance)
{
    stand_mark (s_stand, instance, self->mark);
}

/*  ---- verdicts ---- */

static void
s_check (s_case_t *self, const bm_ledger_list_t *ledger, bm_verdict_t *verdict)
{
    bm_error_t error = {0};
    for (size_t i = 0; i < STAND_INSTANCES; i++)
        stand_backup (s_stand, i, false, self->mark);
    bm_snapshot_t *snapshot = bm_snapshot_new ();
    for (size_t i = 0; i < STAND_DATABASES; i++)
        s_must (bm_snapshot_load_folder (snapshot, stand_databases[i][0], stand_databases[i][1],
                                         s_stand->folder, self->mark, &error),
                &error);
    s_must (bm_check (snapshot, ledger, INT64_MAX, INT64_MAX, verdict, &error), &error);
    bm_snapshot_destroy (&snapshot);
}

static int64_t
s_mark_lsn (s_case_t *self, size_t instance)
{
    bm_sql_t *sql = stand_open (s_stand, instance);
    bm_sql_result_t *result = NULL;
    bm_error_t error = {0};
    char *batch = bm_format ("SELECT CONVERT (bigint, MIN (lsn)) AS lsn FROM "
                             "msdb.dbo.logmarkhistory WHERE mark_name = N'%s'",
                             self->mark);
    s_must (bm_sql_exec (sql, batch, &result, &error), &error);
    int64_t lsn = bm_sql_result_int (result, 0, 0, "lsn", 0);
    assert_true (lsn > 0);
    bm_sql_result_destroy (&result);
    free (batch);
    bm_sql_close (&sql);
    return lsn;
}

/*  BM_FINDING_KINDS: nothing was found, and nothing straddles. */
static void
s_expect (s_case_t *self, bm_finding_t finding)
{
    bm_error_t error = {0};
    bm_verdict_t verdict;
    s_check (self, &self->list, &verdict);
    size_t wanted = finding == BM_FINDING_KINDS ? 0 : 1;
    if (verdict.findings != wanted || (wanted && verdict.counts[finding] != 1))
        fail_msg ("wanted %s, got %zu findings:\n%s", wanted ? bm_finding_name (finding) : "none",
                  verdict.findings, verdict.text);
    bm_verdict_clear (&verdict);
    bm_ledger_list_t ledger;
    s_must (bm_ledger_load (self->path, &ledger, &error), &error);
    bm_mark_lsn_t marks[] = {{"SQL02", s_mark_lsn (self, 0)}, {"SQL03", s_mark_lsn (self, 1)}};
    bm_straddle_t straddle;
    bm_straddle_count (&ledger, marks, 2, &straddle);
    assert_int_equal (straddle.straddling, wanted);
    assert_int_equal (straddle.unknown, 0);
    bm_ledger_list_clear (&ledger);
}

/*  ---- tests ---- */

static void
a_message_that_moves_before_both_marks_or_after_both_is_there_once (void **state)
{
    NEEDS_STAND (state);
    s_case_t *self = *state;
    bm_error_t error = {0};
    s_move (self);
    s_prepare (self);
    s_commit (self);
    s_mark (self, 0);
    s_mark (self, 1);
    s_expect (self, BM_FINDING_KINDS);
    snprintf (self->mark, sizeof self->mark, "ROUTE_%d", ++s_marks);
    s_must (bm_router_recover (self->router, NULL, &error), &error);
    s_must (bm_router_publish (self->router, SEED, ++s_number, &error), &error);
    bool found;
    s_must (bm_router_read (self->router, &found, &error), &error);
    s_move (self);
    s_mark (self, 0);
    s_mark (self, 1);
    s_prepare (self);
    s_commit (self);
    s_expect (self, BM_FINDING_KINDS);
}

static void
a_message_that_moves_between_the_marks_straddles_them (void **state)
{
    NEEDS_STAND (state);
    s_case_t *self = *state;
    s_move (self);
    s_mark (self, 0);
    s_prepare (self);
    s_commit (self);
    s_mark (self, 1);
    s_expect (self, BM_FINDING_DOUBLED_ROUTED);
}

static void
a_message_that_moves_between_the_marks_the_other_way_is_lost (void **state)
{
    NEEDS_STAND (state);
    s_case_t *self = *state;
    s_move (self);
    s_mark (self, 1);
    s_prepare (self);
    s_commit (self);
    s_mark (self, 0);
    s_expect (self, BM_FINDING_LOST_ROUTED);
}

static void
a_mark_gives_up_while_a_message_is_prepared (void **state)
{
    NEEDS_STAND (state);
    s_case_t *self = *state;
    bm_error_t error = {0};
    s_move (self);
    s_prepare (self);
    s_fault (0, "mark_stall_timeout_ms", "100");
    bm_sql_t *sql = stand_open (s_stand, 0);
    assert_int_not_equal (bm_sql_exec (sql,
                                       "BEGIN TRANSACTION m WITH MARK; EXEC " BOX
                                       ".dbo.sp_SetMark N'm'; COMMIT TRANSACTION",
                                       NULL, &error),
                          BM_OK);
    assert_non_null (strstr (error.text, "3928"));
    bm_sql_close (&sql);
    s_commit (self);
    s_mark (self, 0);
    s_mark (self, 1);
    s_expect (self, BM_FINDING_KINDS);
}

/*  The twin of the one before: without the stall the mark is set between the two phases, and straddled. */
static void
without_the_stall_a_mark_between_prepare_and_commit_is_straddled (void **state)
{
    NEEDS_STAND (state);
    s_case_t *self = *state;
    bm_error_t error = {0};
    s_move (self);
    s_prepare (self);
    s_fault (0, "mark_stall_off", "1");
    s_fault (1, "mark_stall_off", "1");
    s_must (bm_router_decide (self->router, &error), &error);
    s_must (bm_router_commit (self->router, BM_ROUTE_SOURCE, &error), &error);
    s_mark (self, 0);
    s_mark (self, 1);
    s_must (bm_router_commit (self->router, BM_ROUTE_DESTINATION, &error), &error);
    s_expect (self, BM_FINDING_LOST_ROUTED);
}

/*  ---- recovery ---- */

static size_t
s_rows (size_t instance)
{
    bm_sql_t *sql = stand_open (s_stand, instance);
    bm_sql_result_t *result = NULL;
    bm_error_t error = {0};
    s_must (bm_sql_exec (sql,
                         instance ? "SELECT uidMessageID FROM " ORDERS ".dbo.RoutedMessages"
                                  : "SELECT uidMessageID FROM " BOX ".dbo.RoutedMessages",
                         &result, &error),
            &error);
    size_t rows = bm_sql_result_rows (result, 0);
    bm_sql_result_destroy (&result);
    bm_sql_close (&sql);
    return rows;
}

static size_t
s_branches (size_t instance)
{
    bm_sql_t *sql = stand_open (s_stand, instance);
    bm_sql_result_t *result = NULL;
    bm_error_t error = {0};
    s_must (bm_sql_exec (sql,
                         "SELECT transaction_id FROM sys.dm_tran_active_transactions WHERE "
                         "transaction_type = 4",
                         &result, &error),
            &error);
    size_t rows = bm_sql_result_rows (result, 0);
    bm_sql_result_destroy (&result);
    bm_sql_close (&sql);
    return rows;
}

static void
what_was_not_decided_is_rolled_back_by_recovery (void **state)
{
    NEEDS_STAND (state);
    s_case_t *self = *state;
    bm_error_t error = {0};
    s_move (self);
    s_prepare (self);
    s_close (self);
    s_open (self);
    s_must (bm_router_recover (self->router, NULL, &error), &error);
    assert_int_equal (s_rows (0), 1);
    assert_int_equal (s_rows (1), 0);
}

/*  Also by another process, from the ledger. */
static void
what_was_decided_is_committed_by_recovery_on_both_sides (void **state)
{
    NEEDS_STAND (state);
    s_case_t *self = *state;
    bm_error_t error = {0};
    for (int other_process = 0; other_process < 2; other_process++) {
        s_move (self);
        s_prepare (self);
        s_must (bm_router_decide (self->router, &error), &error);
        s_must (bm_router_commit (self->router, BM_ROUTE_SOURCE, &error), &error);
        s_close (self);
        bm_ledger_list_t known;
        s_must (bm_ledger_load (self->path, &known, &error), &error);
        if (other_process)
            bm_router_destroy (&self->router);
        s_open (self);
        s_must (bm_router_recover (self->router, &known, &error), &error);
        bm_ledger_list_clear (&known);
        assert_int_equal (s_rows (0), 0);
        assert_int_equal (s_rows (1), (size_t)other_process + 1);
        s_must (bm_router_publish (self->router, SEED, ++s_number, &error), &error);
        bool found;
        s_must (bm_router_read (self->router, &found, &error), &error);
    }
}

/*  ---- at work ---- */

static void
a_run_routes_to_and_fro_and_every_message_stays_there_once (void **state)
{
    NEEDS_STAND (state);
    s_case_t *self = *state;
    bm_error_t error = {0};
    char *path = bm_format ("%s/run%d", s_stand->folder, s_marks);
    bm_ledger_t *ledger = bm_ledger_open (path, &error);
    bm_work_options_t options = {.group = s_stand->group,
                                 .ledger = ledger,
                                 .first = 20000,
                                 .rate = 10,
                                 .seed = SEED,
                                 .route_rate = 400};
    assert_int_equal (s_stand->group->place_count, 2);
    bm_work_run_t *run = bm_work_run_start (&options);
    bm_ledger_list_t list = {0};
    int64_t deadline = bm_clock_mono_ms () + 60000;
    while (list.branch_count < 300 && bm_clock_mono_ms () < deadline) {
        assert_false (bm_work_run_wait (run, 100));
        bm_ledger_list_clear (&list);
        s_must (bm_ledger_load (path, &list, &error), &error);
    }
    assert_true (list.branch_count >= 300);
    bm_work_run_stop (&run);
    bm_ledger_close (&ledger);
    assert_int_equal (s_branches (0), 0); /* nothing is left prepared */
    assert_int_equal (s_branches (1), 0);
    s_mark (self, 0);
    s_mark (self, 1);
    bm_ledger_list_clear (&list);
    s_must (bm_ledger_load (path, &list, &error), &error);
    bm_verdict_t verdict;
    s_check (self, &list, &verdict);
    if (verdict.findings)
        fail_msg ("%s", verdict.text);
    bm_verdict_clear (&verdict);
    bm_ledger_list_clear (&list);
    free (path);
}

int
main (void)
{
#define T(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests[] = {
        T (a_message_that_moves_before_both_marks_or_after_both_is_there_once),
        T (a_message_that_moves_between_the_marks_straddles_them),
        T (a_message_that_moves_between_the_marks_the_other_way_is_lost),
        T (a_mark_gives_up_while_a_message_is_prepared),
        T (without_the_stall_a_mark_between_prepare_and_commit_is_straddled),
        T (what_was_not_decided_is_rolled_back_by_recovery),
        T (what_was_decided_is_committed_by_recovery_on_both_sides),
        T (a_run_routes_to_and_fro_and_every_message_stays_there_once),
    };
    return cmocka_run_group_tests (tests, s_begin, s_end);
}
