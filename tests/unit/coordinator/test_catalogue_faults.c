/*  The disk fails at the first, second, third ... write or sync of a run, until a run ends clean. Whatever a function called done
 *  is there afterwards; nothing is there by half. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "coordinator/shell/catalogue.h"
#include "tests/unit/coordinator/fault_vfs.h"

static char s_folder[64], s_path[128];

static const bm_group_database_t s_group[] = {
    {.server = "SQL01", .instance = "SQL01", .database = "BizTalkMgmtDb"},
    {.server = "SQL02", .instance = "SQL02", .database = "BizTalkDTADb"},
};

enum { RUN = 1, SET, INTENT, ORDER, CLOSED, RECORDED, OUTCOME, COMPLETE, ALL = COMPLETE };

/*  How far it came: the number of the last step that was said to be done. */
static int
run_until_it_fails (bm_status_t *status)
{
    bm_error_t error = {0};
    uint64_t run;
    int64_t order;
    bm_backup_t backup = {.server = "SQL01",
                          .database = "BizTalkMgmtDb",
                          .type = BM_SET_LOG,
                          .uuid = "u1",
                          .first_lsn = "1",
                          .last_lsn = "2",
                          .ours = true,
                          .set_id = 7};
    bm_sql_message_t message = {3014, 0, 1, 1, "", "done"};
    bm_sql_messages_t messages = {&message, 1, 0};
    int done = 0;
    bm_catalogue_t *c = bm_catalogue_open (s_path, "G", &error);
    *status = c ? bm_catalogue_run_open (c, "run", &run, &error) : error.status;
    if (!*status && ++done)
        *status = bm_catalogue_set_open (c, run, 7, BM_SET_LOG, "BTS_1", "t", s_group, 2, &error);
    if (!*status && ++done)
        *status = bm_catalogue_round_intent (c, run, 1, 7, "BTS_1", 0, s_group, 2, &error);
    if (!*status && ++done)
        *status = bm_catalogue_order_open (c, run, 7, "SQL01", "SQL01", "BizTalkMgmtDb", BM_SET_LOG,
                                           "BTS_1", "BTS_1", &order, &error);
    if (!*status && ++done)
        *status = bm_catalogue_order_close (c, order, "ok", NULL, 5, &messages, &backup, &error);
    if (!*status && ++done)
        *status = bm_catalogue_backup_recorded (c, "u1", &error);
    if (!*status && ++done)
        *status = bm_catalogue_round_outcome (c, run, 1, "BTS_1", 7, BM_OUTCOME_UNCHECKED,
                                              BM_FENCES_STOOD, "", 1, 1, &error);
    if (!*status && ++done)
        *status = bm_catalogue_set_end (c, 7, true, &error);
    if (!*status)
        done++;
    bm_catalogue_close (&c);
    return done;
}

/*  What stands after the disk is good again. A step that failed may stand whole (only its answer was lost), never by half. */
static void
check_what_stands (int done)
{
    bm_error_t error = {0};
    bm_catalogue_t *c = bm_catalogue_open (s_path, "G", &error);
    if (!c)
        fail_msg ("after step %d: %s", done, error.text);
    bm_run_row_t *runs;
    bm_set_row_t *set;
    bm_journal_round_t *rounds;
    bm_order_row_t *orders;
    size_t run_count, round_count, order_count;
    bm_backups_t backups = {0};
    assert_int_equal (bm_catalogue_runs (c, 10, &runs, &run_count, &error), BM_OK);
    assert_int_equal (bm_catalogue_set (c, 7, &set, &error), BM_OK);
    assert_int_equal (bm_catalogue_rounds (c, 7, 10, &rounds, &round_count, &error), BM_OK);
    assert_int_equal (bm_catalogue_orders (c, 7, &orders, &order_count, &error), BM_OK);
    assert_int_equal (bm_catalogue_set_backups (c, 7, &backups, &error), BM_OK);
    assert_true (run_count == 1 || done < RUN);
    assert_true (set != NULL || done < SET);
    assert_true (round_count == 1 || done < INTENT);
    assert_true (order_count == 1 || done < ORDER);
    assert_true (backups.count == 1 || done < CLOSED);
    if (backups.count == 1) {
        assert_string_equal (orders[0].status, "ok");
        assert_int_equal (orders[0].messages, 1);
        assert_true (backups.items[0].recorded || done < RECORDED);
    }
    if (round_count == 1)
        assert_true (rounds[0].has_outcome || done < OUTCOME);
    if (set)
        assert_true (set->complete || done < COMPLETE);
    bm_open_t *things = bm_catalogue_open_things (c, &error);
    assert_non_null (things);
    bm_settle_in_t in = {0};
    bm_open_fill (things, &in);
    if (in.set_count == 1)
        assert_int_equal (in.sets[0].database_count, 2);
    if (in.round_count == 1)
        assert_int_equal (in.rounds[0].database_count, 2);
    bm_open_destroy (&things);
    bm_run_rows_destroy (&runs, run_count);
    bm_set_rows_destroy (&set, set ? 1 : 0);
    bm_journal_rounds_destroy (&rounds, round_count);
    bm_order_rows_destroy (&orders, order_count);
    bm_backups_clear (&backups);
    bm_catalogue_close (&c);
}

static void
remove_files (void)
{
    const char *const names[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < 4; i++) {
        char path[160];
        snprintf (path, sizeof path, "%s%s", s_path, names[i]);
        unlink (path);
    }
}

static void
what_was_called_done_stands_wherever_the_disk_fails (void **state)
{
    (void)state;
    snprintf (s_folder, sizeof s_folder, "/tmp/bm-faults-XXXXXX");
    assert_non_null (mkdtemp (s_folder));
    snprintf (s_path, sizeof s_path, "%s/catalogue.db", s_folder);
    fault_install ();
    int done = 0;
    long at = 0;
    size_t failures = 0, reached[ALL + 1] = {0};
    while (done < ALL) {
        bm_status_t status;
        s_fault_calls = 0;
        s_fault_at = ++at;
        done = run_until_it_fails (&status);
        assert_true (done == ALL || status == BM_CATALOGUE);
        reached[done]++;
        failures += status != BM_OK;
        s_fault_at = 0;
        check_what_stands (done);
        remove_files ();
        assert_true (at < 10000);
    }
    /*  Every step was hit at least once: else this sweep proves nothing. */
    for (int step = 0; step < ALL; step++)
        assert_true (reached[step] > 0);
    assert_true (failures > ALL);
    rmdir (s_folder);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (what_was_called_done_stands_wherever_the_disk_fails),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
