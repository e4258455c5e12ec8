/*  Each protection of the round against the race that it is there for, forced: the mover, the copier or a publisher acts
 *  between the first and the last COMMIT. With every protection the cut at the mark is whole, or the mark is known not to be
 *  good; its twin, the same race with one protection taken away, believes in a mark whose cut the checker condemns.
 *
 *  The instance with the tracking databases commits first: a row that travels after that and is deleted at the source before
 *  the other instance commits is in neither cut. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "common/clock.h"
#include "tests/e2e/hand.h"
#include "tests/workload/checker.h"
#include "tests/workload/copier.h"
#include "tests/workload/group.h"
#include "tests/workload/mover.h"
#include "tests/workload/publisher.h"

enum { BOXES = 1, TRACKING = 2, LEASE_MS = 30000, SHORT_LEASE_MS = 300, SEED = 7 };

static const char *const s_box_databases[] = {"BizTalkMsgBoxDb", "BizTalkMsgBoxDb2", NULL};
static const char *const s_tracking_databases[] = {"BizTalkDTADb", "BAMPrimaryImport", "OrdersDb",
                                                   NULL};

typedef enum { RACE_EVENT, RACE_BODY, RACE_TWO_DATABASES } s_race_t;

/*  What happens to the fence, and which protection is missing. */
typedef struct s_scenario {
    s_race_t race;
    bool fence_expires;  /* its lease ends before the first COMMIT */
    bool fence_restarts; /* it falls before the first COMMIT and is taken anew before RELEASE */
    /*  twins */
    bool no_fence;
    bool fence_inside_mark;
    bool do_not_ask;  /* whether the fence stood */
    bool no_identity; /* any fence that is held now will do */
    bool bodies_unfenced;
    bool mark_per_database;
} s_scenario_t;

static bm_cluster_t *cluster;
static bm_sql_t *s_source, *s_destination;
static bm_ledger_list_t s_ledger;
static int64_t s_number;

static void
s_exec (bm_sql_t *sql, const char *batch)
{
    bm_error_t error = {0};
    if (bm_sql_exec (sql, batch, NULL, &error) != BM_OK)
        fail_msg ("%s\n%s", error.text, batch);
}

static int
s_setup (void **state)
{
    (void)state;
    bm_cluster_program_needs_stand_in ("backup file that these tests could cut at a mark");
    cluster = bm_cluster_start (3, 8, false);
    bm_ran_t ran = {0};
    if (bm_cluster_btsmark (cluster, &ran, "full", "--json", NULL) != 0)
        fail_msg ("the full backups the chains begin with:\n%s\n%s", ran.out, ran.err);
    bm_ran_clear (&ran);
    s_source = bm_cluster_sql (cluster, BOXES, NULL);
    s_destination = bm_cluster_sql (cluster, TRACKING, NULL);
    /*  Who meets a fence is told at once (1222) instead of waiting: that is how a test sees that it was in the way. */
    s_exec (s_destination, "SET LOCK_TIMEOUT 0");
    return 0;
}

static int
s_teardown (void **state)
{
    (void)state;
    bm_sql_close (&s_source);
    bm_sql_close (&s_destination);
    bm_ledger_list_clear (&s_ledger);
    bm_cluster_stop (&cluster);
    return 0;
}

static void
s_publish (void)
{
    bm_error_t error = {0};
    const char *instance = bm_cluster_instance (cluster, BOXES);
    bm_ledger_entry_t *entry = bm_ledger_list_add (&s_ledger, ++s_number, 'M', instance,
                                                   s_box_databases[0], s_box_databases[1]);
    entry->asked_us = bm_clock_mono_us ();
    if (bm_publish_message (s_source, s_box_databases[0], s_box_databases[1], SEED, s_number,
                            &error) != BM_OK)
        fail_msg ("%s", error.text);
    entry->acknowledged_us = bm_clock_mono_us ();
}

static bm_mover_t *
s_mover (void)
{
    char *stream = bm_format ("%s/%s", bm_cluster_instance (cluster, BOXES), s_box_databases[0]);
    bm_mover_t *mover = bm_mover_new (s_source, s_box_databases[0], stream, s_destination,
                                      "BizTalkDTADb", BM_DESTINATION_DTA);
    free (stream);
    return mover;
}

static void
s_finish_event (bm_mover_t *mover)
{
    bm_error_t error = {0};
    size_t count = 1;
    while (count > 0)
        if (bm_mover_step (mover, 100, &count, &error) != BM_OK)
            fail_msg ("%s", error.text);
}

static void
s_finish_body (bm_copier_t *copier)
{
    bm_error_t error = {0};
    size_t count = 1;
    while (count > 0)
        if (bm_copier_step (copier, 100, &count, &error) != BM_OK)
            fail_msg ("%s", error.text);
}

/*  The whole transfer, write then delete; false when something was in its way. */
static bool
s_transfer (const s_scenario_t *how, bm_mover_t *mover, bm_copier_t *copier)
{
    bm_error_t error = {0};
    if (how->race == RACE_TWO_DATABASES) {
        s_publish ();
        return true;
    }
    if (how->race == RACE_EVENT)
        return bm_mover_write_destination (mover, &error) == BM_OK &&
               bm_mover_delete_source (mover, &error) == BM_OK;
    return bm_copier_write_parts (copier, &error) == BM_OK &&
           bm_copier_write_fragments (copier, &error) == BM_OK &&
           bm_copier_write_spool (copier, &error) == BM_OK &&
           bm_copier_delete_source (copier, &error) == BM_OK;
}

/*  A fence that forgets the message bodies. */
static bm_sql_t *
s_half_fence (void)
{
    bm_sql_t *sql = bm_cluster_sql (cluster, TRACKING, NULL);
    s_exec (sql, "BEGIN TRANSACTION; EXEC BizTalkDTADb.dbo.TDDS_BlockTDDS");
    return sql;
}

static bm_hand_mark_t *
s_open_tracking (const s_scenario_t *how, const char *mark)
{
    bm_hand_mark_t *open = bm_hand_mark_open (cluster, TRACKING, mark, s_tracking_databases);
    if (how->fence_inside_mark)
        bm_hand_mark_exec (open, "EXEC BizTalkDTADb.dbo.TDDS_BlockTDDS; SELECT TOP (1) 1 FROM "
                                 "BizTalkDTADb.dbo.Tracking_Spool1 WITH (TABLOCKX, HOLDLOCK)");
    return open;
}

/*  Commits the MessageBoxes' mark; a transfer that races between two databases of one instance comes here. */
static void
s_commit_boxes (const s_scenario_t *how, const char *mark, bm_hand_mark_t **open)
{
    if (how->mark_per_database) {
        const char *const second[] = {s_box_databases[1], NULL};
        bm_hand_mark_commit (open);
        s_transfer (how, NULL, NULL);
        *open = bm_hand_mark_open (cluster, BOXES, mark, second);
    } else if (how->race == RACE_TWO_DATABASES)
        s_transfer (how, NULL, NULL);
    bm_hand_mark_commit (open);
}

static void
s_back_up_log (size_t host, const char *database, const char *mark)
{
    const char *instance = bm_cluster_instance (cluster, host);
    char *batch = bm_format ("BACKUP LOG [%s] TO DISK = N'%s'", database,
                             bm_cluster_path (cluster, "backup/%s/%s_%s_Log_%s.bak", instance,
                                              instance, database, mark));
    bm_cluster_exec (cluster, host, batch);
    free (batch);
}

static void
s_load (bm_snapshot_t *snapshot, size_t host, const char *database, const char *mark)
{
    bm_error_t error = {0};
    const char *instance = bm_cluster_instance (cluster, host);
    s_back_up_log (host, database, mark);
    if (bm_snapshot_load_folder (snapshot, instance, database,
                                 bm_cluster_path (cluster, "backup/%s", instance), mark,
                                 &error) != BM_OK)
        fail_msg ("%s", error.text);
}

static size_t
s_findings (const char *mark, int64_t began_us, int64_t ended_us)
{
    bm_snapshot_t *snapshot = bm_snapshot_new ();
    for (size_t i = 0; s_box_databases[i]; i++)
        s_load (snapshot, BOXES, s_box_databases[i], mark);
    for (size_t i = 0; i < 2; i++)
        s_load (snapshot, TRACKING, s_tracking_databases[i], mark);
    bm_verdict_t verdict = {0};
    bm_error_t error = {0};
    if (bm_check (snapshot, &s_ledger, began_us, ended_us, &verdict, &error) != BM_OK)
        fail_msg ("%s", error.text);
    if (verdict.findings > 0)
        print_message ("%s", verdict.text);
    size_t findings = verdict.findings;
    bm_verdict_clear (&verdict);
    bm_snapshot_destroy (&snapshot);
    return findings;
}

typedef struct s_end {
    bool believed;    /* the round holds the mark for good */
    bool transferred; /* the race came through between the first and the last COMMIT */
    size_t findings;
} s_end_t;

/*  Whether the round may believe in its mark, as RELEASE answers: exactly the fence that was taken stood until now. */
static bool
s_release (const s_scenario_t *how, bm_hand_fence_t **fence, int64_t known_id)
{
    if (!*fence)
        return true; /* twins without a fence of its own */
    bool same = bm_hand_fence_transaction (*fence) == known_id || how->no_identity;
    bool stood = bm_hand_fence_release (fence) == BM_FENCE_END_STOOD;
    return how->do_not_ask || (stood && same);
}

static s_end_t
s_round (const s_scenario_t *how)
{
    s_end_t end = {0};
    bm_error_t error = {0};
    char *mark = bm_format ("HAND_%lld", (long long)++s_number);
    bm_mover_t *mover = s_mover ();
    bm_copier_t *copier =
        bm_copier_new (s_source, s_box_databases[0], s_destination, "BizTalkDTADb");
    size_t count = 0;
    s_publish ();
    assert_int_equal (bm_mover_read (mover, 10, &count, &error), BM_OK);
    assert_int_equal (count, 1);
    assert_int_equal (bm_copier_read (copier, 10, &count, &error), BM_OK);
    assert_int_equal (count, 1);

    int64_t began_us = bm_clock_mono_us ();
    bm_hand_fence_t *fence = NULL;
    bm_sql_t *half = how->bodies_unfenced ? s_half_fence () : NULL;
    if (!how->no_fence && !how->fence_inside_mark && !half)
        fence = bm_hand_fence_take (cluster, TRACKING, "BizTalkDTADb",
                                    how->fence_expires ? SHORT_LEASE_MS : LEASE_MS);
    int64_t known_id = fence ? bm_hand_fence_transaction (fence) : 0;
    const char *const first_box[] = {s_box_databases[0], NULL};
    bm_hand_mark_t *boxes = bm_hand_mark_open (
        cluster, BOXES, mark, how->mark_per_database ? first_box : s_box_databases);
    bm_hand_mark_t *tracking = s_open_tracking (how, mark);
    if (how->fence_expires)
        bm_hand_fence_wait_end (fence);
    if (how->fence_restarts)
        bm_hand_fence_release (&fence);

    bm_hand_mark_commit (&tracking); /* the first COMMIT */
    if (how->race != RACE_TWO_DATABASES)
        end.transferred = s_transfer (how, mover, copier);
    if (how->fence_restarts)
        fence = bm_hand_fence_take (cluster, TRACKING, "BizTalkDTADb", LEASE_MS);
    s_commit_boxes (how, mark, &boxes); /* the last COMMIT */
    end.believed = s_release (how, &fence, known_id);
    bm_sql_close (&half);
    int64_t ended_us = bm_clock_mono_us ();

    end.findings = s_findings (mark, began_us, ended_us);
    s_finish_event (mover);
    s_finish_body (copier);
    bm_mover_destroy (&mover);
    bm_copier_destroy (&copier);
    free (mark);
    return end;
}

/*  With every protection: what is believed in is whole. */
static void
s_expect_whole (const s_scenario_t *how)
{
    s_end_t end = s_round (how);
    assert_true (end.believed);
    assert_false (end.transferred);
    assert_int_equal (end.findings, 0);
}

/*  The protection cannot keep the race out, but it knows that the mark is not good. */
static void
s_expect_known_as_doubtful (const s_scenario_t *how)
{
    s_end_t end = s_round (how);
    assert_true (end.transferred);
    assert_false (end.believed);
}

/*  A twin: believed in, and condemned by the checker. */
static void
s_expect_loss (const s_scenario_t *how)
{
    s_end_t end = s_round (how);
    assert_true (end.believed);
    if (end.findings == 0)
        fail_msg ("the twin lost nothing: the protection is not what keeps the cut whole");
}

static void
the_fence_keeps_tracking_events_from_straddling_the_mark (void **state)
{
    (void)state;
    s_expect_whole (&(s_scenario_t){.race = RACE_EVENT});
}

static void
twin_without_a_fence_an_event_is_lost (void **state)
{
    (void)state;
    s_expect_loss (&(s_scenario_t){.race = RACE_EVENT, .no_fence = true});
}

static void
twin_with_the_fence_inside_the_marked_transaction_an_event_is_lost (void **state)
{
    (void)state;
    s_expect_loss (&(s_scenario_t){.race = RACE_EVENT, .fence_inside_mark = true});
}

static void
a_fence_that_ran_out_makes_the_mark_doubtful (void **state)
{
    (void)state;
    s_expect_known_as_doubtful (&(s_scenario_t){.race = RACE_EVENT, .fence_expires = true});
}

static void
twin_that_does_not_ask_whether_the_fence_ran_out_loses_an_event (void **state)
{
    (void)state;
    s_expect_loss (&(s_scenario_t){.race = RACE_EVENT, .fence_expires = true, .do_not_ask = true});
}

static void
a_restarted_agents_new_fence_does_not_vouch_for_the_one_that_fell (void **state)
{
    (void)state;
    s_expect_known_as_doubtful (&(s_scenario_t){.race = RACE_EVENT, .fence_restarts = true});
}

static void
twin_that_takes_any_fence_for_the_one_it_knew_loses_an_event (void **state)
{
    (void)state;
    s_expect_loss (
        &(s_scenario_t){.race = RACE_EVENT, .fence_restarts = true, .no_identity = true});
}

static void
the_fence_keeps_message_bodies_from_straddling_the_mark (void **state)
{
    (void)state;
    s_expect_whole (&(s_scenario_t){.race = RACE_BODY});
}

static void
twin_with_bodies_not_fenced_loses_a_body (void **state)
{
    (void)state;
    s_expect_loss (&(s_scenario_t){.race = RACE_BODY, .bodies_unfenced = true});
}

static void
one_transaction_per_instance_cuts_its_databases_at_one_commit (void **state)
{
    (void)state;
    s_expect_whole (&(s_scenario_t){.race = RACE_TWO_DATABASES});
}

static void
twin_with_a_transaction_per_database_tears_a_message (void **state)
{
    (void)state;
    s_expect_loss (&(s_scenario_t){.race = RACE_TWO_DATABASES, .mark_per_database = true});
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
        cmocka_unit_test (the_fence_keeps_tracking_events_from_straddling_the_mark),
        cmocka_unit_test (twin_without_a_fence_an_event_is_lost),
        cmocka_unit_test (twin_with_the_fence_inside_the_marked_transaction_an_event_is_lost),
        cmocka_unit_test (a_fence_that_ran_out_makes_the_mark_doubtful),
        cmocka_unit_test (twin_that_does_not_ask_whether_the_fence_ran_out_loses_an_event),
        cmocka_unit_test (a_restarted_agents_new_fence_does_not_vouch_for_the_one_that_fell),
        cmocka_unit_test (twin_that_takes_any_fence_for_the_one_it_knew_loses_an_event),
        cmocka_unit_test (the_fence_keeps_message_bodies_from_straddling_the_mark),
        cmocka_unit_test (twin_with_bodies_not_fenced_loses_a_body),
        cmocka_unit_test (one_transaction_per_instance_cuts_its_databases_at_one_commit),
        cmocka_unit_test (twin_with_a_transaction_per_database_tears_a_message),
        cmocka_unit_test (every_process_ends_cleanly_and_no_log_holds_an_unexpected_error),
    };
    return cmocka_run_group_tests (tests, s_setup, s_teardown);
}
