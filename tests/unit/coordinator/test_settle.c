#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "coordinator/core/settle.h"

#define MARK "BTS_2026_11_21_02_15_01_327"

/*  A group of two databases, one run that was killed in its round or after it. Each test changes what it is about. */
typedef struct {
    bm_settle_database_t databases[2];
    bm_settle_round_t round;
    bm_settle_order_t orders[2];
    bm_settle_set_t set;
    bm_mark_proof_t proofs[2];
    bm_backup_t backups[2];
    bm_settle_fact_t facts[2];
    bm_settle_in_t in;
    bm_settle_out_t out;
} world_t;

static void
make (world_t *w)
{
    memset (w, 0, sizeof *w);
    const char *const names[] = {"BizTalkMgmtDb", "BizTalkDTADb"};
    const char *const servers[] = {"SQL01", "SQL02"};
    for (int i = 0; i < 2; i++) {
        w->databases[i] = (bm_settle_database_t){servers[i], names[i]};
        w->orders[i] = (bm_settle_order_t){7, servers[i], names[i], BM_SET_LOG, MARK, MARK};
        w->proofs[i] = (bm_mark_proof_t){
            .mark = MARK, .asked = true, .in_marklog = true, .in_history = true, .lsn = "150"};
        w->backups[i] = (bm_backup_t){.database = (char *)names[i],
                                      .type = BM_SET_LOG,
                                      .uuid = i ? "u1" : "u0",
                                      .device = i ? "/b/SQL02_BizTalkDTADb_Log_" MARK ".bak"
                                                  : "D:\\b\\SQL01_BizTalkMgmtDb_Log_" MARK ".bak",
                                      .position = 1,
                                      .first_lsn = "100",
                                      .last_lsn = "200",
                                      .last_fork = "K",
                                      .file_bytes = -1};
        w->facts[i] = (bm_settle_fact_t){.server = servers[i],
                                         .instance = servers[i],
                                         .database = names[i],
                                         .asked = true,
                                         .fork = "k",
                                         .oldest_mark = "BTS_2026_11_01_00_00_00_000",
                                         .proofs = &w->proofs[i],
                                         .proof_count = 1,
                                         .backups = &w->backups[i],
                                         .backup_count = 1};
    }
    w->round = (bm_settle_round_t){17, 1, 7, MARK, BM_FENCES_UNKNOWN, w->databases, 2};
    w->set = (bm_settle_set_t){.set_id = 7,
                               .type = BM_SET_LOG,
                               .mark = MARK,
                               .databases = w->databases,
                               .database_count = 2};
    w->in = (bm_settle_in_t){.rounds = &w->round,
                             .round_count = 1,
                             .orders = w->orders,
                             .order_count = 2,
                             .sets = &w->set,
                             .set_count = 1,
                             .facts = w->facts,
                             .fact_count = 2,
                             .accept_doubtful = true};
}

static void
assert_outcome (world_t *w, bm_outcome_t outcome)
{
    bm_settle (&w->in, &w->out);
    assert_int_equal (w->out.outcome_count, 1);
    assert_string_equal (bm_outcome_name (w->out.outcomes[0].outcome), bm_outcome_name (outcome));
    assert_int_equal (w->out.outcomes[0].run, 17);
    assert_string_equal (w->out.outcomes[0].mark, MARK);
    bm_settle_out_clear (&w->out);
}

static void
a_mark_in_every_database_is_doubtful_after_a_crash (void **state)
{
    (void)state;
    world_t w;
    make (&w);
    assert_outcome (&w, BM_OUTCOME_DOUBTFUL);
    w.round.fences = BM_FENCES_FELL;
    assert_outcome (&w, BM_OUTCOME_DOUBTFUL);
    w.round.fences = BM_FENCES_STOOD;
    assert_outcome (&w, BM_OUTCOME_UNCHECKED);
}

static void
a_mark_in_some_databases_is_torn_and_in_none_is_none (void **state)
{
    (void)state;
    world_t w;
    make (&w);
    w.facts[1].proof_count = 0;
    assert_outcome (&w, BM_OUTCOME_TORN);
    w.facts[0].proof_count = 0;
    assert_outcome (&w, BM_OUTCOME_NONE);
}

static void
a_mark_that_history_lacks_is_unproven (void **state)
{
    (void)state;
    world_t w;
    make (&w);
    w.proofs[1].in_history = false;
    assert_outcome (&w, BM_OUTCOME_UNPROVEN);
    w.proofs[1].in_history = true;
    w.proofs[1].lsn = NULL;
    assert_outcome (&w, BM_OUTCOME_UNPROVEN);
}

static void
a_database_that_cannot_be_asked_leaves_the_mark_open (void **state)
{
    (void)state;
    world_t w;
    make (&w);
    w.facts[1].asked = false;
    assert_outcome (&w, BM_OUTCOME_UNKNOWN);
    w.facts[0].proof_count = 0;
    assert_outcome (&w, BM_OUTCOME_UNKNOWN);
}

static void
a_database_that_left_the_group_keeps_nothing_open (void **state)
{
    (void)state;
    world_t w;
    make (&w);
    w.in.fact_count = 1;
    bm_settle (&w.in, &w.out);
    assert_int_equal (w.out.outcomes[0].outcome, BM_OUTCOME_UNPROVEN);
    assert_int_equal (w.out.rows.count, 1);
    assert_int_equal (w.out.complete_count, 0);
    assert_int_equal (w.out.close_count, 1);
    bm_settle_out_clear (&w.out);
}

static void
a_mark_older_than_the_trim_is_unknown_not_absent (void **state)
{
    (void)state;
    world_t w;
    make (&w);
    w.facts[0].proof_count = w.facts[1].proof_count = 0;
    w.facts[1].oldest_mark = "BTS_2026_12_01_00_00_00_000";
    assert_outcome (&w, BM_OUTCOME_UNKNOWN);
    /*  What is old is told by the time: the group may have had another prefix. */
    w.facts[1].oldest_mark = "ABC_2026_12_01_00_00_00_000";
    assert_outcome (&w, BM_OUTCOME_UNKNOWN);
    w.facts[1].oldest_mark = "ZZZ_2020_12_01_00_00_00_000";
    assert_outcome (&w, BM_OUTCOME_NONE);
    w.facts[1].oldest_mark = NULL;
    assert_outcome (&w, BM_OUTCOME_NONE);
}

static void
backups_that_were_not_recorded_become_rows_and_complete_the_set (void **state)
{
    (void)state;
    world_t w;
    make (&w);
    bm_settle (&w.in, &w.out);
    assert_int_equal (w.out.rows.count, 2);
    assert_int_equal (w.out.backups.count, 2);
    for (int i = 0; i < 2; i++) {
        const bm_backup_t *row = &w.out.rows.items[i];
        assert_int_equal (row->set_id, 7);
        assert_string_equal (row->mark, MARK);
        assert_string_equal (row->mark_lsn, "150");
        assert_string_equal (row->server, w.databases[i].server);
        assert_true (row->ours);
        assert_false (row->recorded);
    }
    assert_int_equal (w.out.complete_count, 1);
    assert_int_equal (w.out.complete[0], 7);
    assert_int_equal (w.out.touched_count, 1);
    assert_int_equal (w.out.close_count, 0);
    bm_settle_out_clear (&w.out);
}

static void
what_was_written_once_is_not_asked_for_again (void **state)
{
    (void)state;
    world_t w;
    make (&w);
    bm_backup_t known[2];
    for (int i = 0; i < 2; i++) {
        known[i] = w.backups[i];
        known[i].server = (char *)w.databases[i].server;
        known[i].ours = true;
        known[i].set_id = 7;
        known[i].mark_lsn = "150";
    }
    w.in.known = known;
    w.in.known_count = 2;
    /*  In the catalogue, not in the history: killed between the two. */
    known[0].recorded = true;
    bm_settle (&w.in, &w.out);
    assert_int_equal (w.out.backups.count, 0);
    assert_int_equal (w.out.rows.count, 1);
    assert_string_equal (w.out.rows.items[0].uuid, "u1");
    assert_int_equal (w.out.complete_count, 1);
    bm_settle_out_clear (&w.out);
    /*  Both in the history, but SetComplete was not written. */
    known[1].recorded = true;
    bm_settle (&w.in, &w.out);
    assert_int_equal (w.out.rows.count, 0);
    assert_int_equal (w.out.complete_count, 1);
    bm_settle_out_clear (&w.out);
    /*  msdb's history was trimmed: the row is still owed. */
    known[1].recorded = false;
    w.facts[1].backup_count = 0;
    bm_settle (&w.in, &w.out);
    assert_int_equal (w.out.rows.count, 1);
    assert_string_equal (w.out.rows.items[0].uuid, "u1");
    bm_settle_out_clear (&w.out);
}

static void
a_log_set_that_misses_a_backup_is_closed_and_keeps_its_rows (void **state)
{
    (void)state;
    world_t w;
    make (&w);
    w.facts[1].backup_count = 0;
    bm_settle (&w.in, &w.out);
    assert_int_equal (w.out.rows.count, 1);
    assert_int_equal (w.out.complete_count, 0);
    assert_int_equal (w.out.close_count, 1);
    bm_settle_out_clear (&w.out);
    /*  While a database cannot be asked, something may still come. */
    w.facts[1].asked = false;
    bm_settle (&w.in, &w.out);
    assert_int_equal (w.out.rows.count, 1);
    assert_int_equal (w.out.close_count, 0);
    assert_int_equal (w.out.unasked, 1);
    bm_settle_out_clear (&w.out);
}

static void
s_outcome_closed (world_t *w, bm_outcome_t outcome, bool closed)
{
    bm_settle (&w->in, &w->out);
    assert_int_equal (w->out.outcomes[0].outcome, outcome);
    assert_int_equal (w->out.outcomes[0].closed, closed);
    bm_settle_out_clear (&w->out);
}

static void
a_mark_that_was_trimmed_and_is_in_no_history_is_unknown_for_good_and_never_asked_again (
    void **state)
{
    (void)state;
    world_t w;
    make (&w);
    w.proofs[1].in_marklog = w.proofs[1].in_history = false;
    w.facts[1].oldest_mark = "BTS_2026_12_01_00_00_00_000";
    s_outcome_closed (&w, BM_OUTCOME_UNKNOWN, true);
    /*  while another database cannot be asked it may still turn out to be torn */
    w.facts[0].asked = false;
    s_outcome_closed (&w, BM_OUTCOME_UNKNOWN, false);
}

static void
a_mark_that_was_trimmed_from_marklog_is_proved_by_logmarkhistory (void **state)
{
    (void)state;
    world_t w;
    make (&w);
    w.proofs[1].in_marklog = false;
    w.facts[1].oldest_mark = "BTS_2026_12_01_00_00_00_000";
    s_outcome_closed (&w, BM_OUTCOME_DOUBTFUL, true);
}

static void
a_log_set_whose_mark_is_unknown_for_good_is_closed_with_it (void **state)
{
    (void)state;
    world_t w;
    make (&w);
    w.proofs[1].in_marklog = w.proofs[1].in_history = false;
    w.facts[1].oldest_mark = "BTS_2026_12_01_00_00_00_000";
    bm_settle (&w.in, &w.out);
    assert_int_equal (w.out.complete_count, 0);
    assert_int_equal (w.out.close_count, 1);
    bm_settle_out_clear (&w.out);
    /*  also when the mark was settled by an earlier run */
    w.in.round_count = 0;
    w.set.outcome_known = true;
    w.set.outcome = BM_OUTCOME_UNKNOWN;
    bm_settle (&w.in, &w.out);
    assert_int_equal (w.out.close_count, 1);
    bm_settle_out_clear (&w.out);
}

/*  A full set of two databases; SQL02 has none in it yet. */
static void
make_full (world_t *w)
{
    make (w);
    w->set.type = BM_SET_FULL;
    w->set.mark = NULL;
    w->in.round_count = 0;
    for (int i = 0; i < 2; i++) {
        w->orders[i].type = w->backups[i].type = BM_SET_FULL;
        w->orders[i].mark = NULL;
    }
    w->facts[1].backup_count = 0;
}

static void
a_full_set_is_repaired_until_a_later_one_is_begun (void **state)
{
    (void)state;
    world_t w;
    make_full (&w);
    w.set.superseded = true;
    bm_settle (&w.in, &w.out);
    assert_int_equal (w.out.rows.count, 1); /* what was taken is recorded all the same */
    assert_int_equal (w.out.close_count, 1);
    bm_settle_out_clear (&w.out);
    /*  but not before everybody has been asked for what it took */
    w.facts[1].asked = false;
    bm_settle (&w.in, &w.out);
    assert_int_equal (w.out.close_count, 0);
    bm_settle_out_clear (&w.out);
    /*  one that turns out to be whole is complete, however late */
    w.facts[1].asked = true;
    w.facts[1].backup_count = 1;
    bm_settle (&w.in, &w.out);
    assert_int_equal (w.out.complete_count, 1);
    assert_int_equal (w.out.close_count, 0);
    bm_settle_out_clear (&w.out);
}

static void
a_full_set_does_not_wait_for_a_database_that_left_the_group (void **state)
{
    (void)state;
    world_t w;
    make_full (&w);
    w.in.fact_count = 1;
    bm_settle (&w.in, &w.out);
    assert_int_equal (w.out.drop_count, 1);
    assert_string_equal (w.out.drops[0].database, "BizTalkDTADb");
    assert_int_equal (w.out.complete_count, 1);
    bm_settle_out_clear (&w.out);
    /*  one that left after its full was taken keeps its row */
    make_full (&w);
    w.facts[1].backup_count = 1;
    w.backups[1].server = "SQL02";
    w.backups[1].ours = w.backups[1].recorded = true;
    w.backups[1].set_id = 7;
    w.in.known = &w.backups[1];
    w.in.known_count = 1;
    w.in.fact_count = 1;
    bm_settle (&w.in, &w.out);
    assert_int_equal (w.out.drop_count, 0);
    assert_int_equal (w.out.complete_count, 1);
    bm_settle_out_clear (&w.out);
    /*  when all that it waits for have left, there is nothing to complete */
    make_full (&w);
    w.facts[0].server = w.facts[1].server = "SQL09";
    bm_settle (&w.in, &w.out);
    assert_int_equal (w.out.drop_count, 2);
    assert_int_equal (w.out.complete_count, 0);
    assert_int_equal (w.out.close_count, 1);
    bm_settle_out_clear (&w.out);
}

static void
a_full_set_that_misses_a_backup_stays_open_for_repair (void **state)
{
    (void)state;
    world_t w;
    make_full (&w);
    bm_settle (&w.in, &w.out);
    assert_int_equal (w.out.rows.count, 1);
    assert_null (w.out.rows.items[0].mark);
    assert_int_equal (w.out.complete_count, 0);
    assert_int_equal (w.out.close_count, 0);
    bm_settle_out_clear (&w.out);
    w.facts[1].backup_count = 1;
    bm_settle (&w.in, &w.out);
    assert_int_equal (w.out.complete_count, 1);
    bm_settle_out_clear (&w.out);
}

static void
a_bad_mark_never_completes_a_set (void **state)
{
    (void)state;
    world_t w;
    make (&w);
    w.in.accept_doubtful = false;
    bm_settle (&w.in, &w.out);
    assert_int_equal (w.out.rows.count, 2);
    assert_int_equal (w.out.complete_count, 0);
    assert_int_equal (w.out.close_count, 1);
    bm_settle_out_clear (&w.out);

    make (&w);
    w.in.round_count = 0;
    w.set.outcome_known = true;
    w.set.outcome = BM_OUTCOME_TORN;
    bm_settle (&w.in, &w.out);
    assert_int_equal (w.out.complete_count, 0);
    bm_settle_out_clear (&w.out);
    w.set.outcome = BM_OUTCOME_UNCHECKED;
    bm_settle (&w.in, &w.out);
    assert_int_equal (w.out.complete_count, 1);
    bm_settle_out_clear (&w.out);
}

static void
a_backup_that_does_not_hold_the_mark_does_not_complete_the_set (void **state)
{
    (void)state;
    world_t w;
    make (&w);
    w.backups[1].last_lsn = "150";
    bm_settle (&w.in, &w.out);
    assert_int_equal (w.out.rows.count, 2);
    assert_int_equal (w.out.complete_count, 0);
    bm_settle_out_clear (&w.out);
}

static void
a_backup_of_another_fork_is_not_recorded (void **state)
{
    (void)state;
    world_t w;
    make (&w);
    w.facts[1].fork = "other";
    bm_settle (&w.in, &w.out);
    assert_int_equal (w.out.rows.count, 1);
    assert_int_equal (w.out.backups.count, 2);
    assert_int_equal (w.out.warning_count, 1);
    assert_int_equal (w.out.complete_count, 0);
    bm_settle_out_clear (&w.out);
}

static void
nothing_is_filled_in_after_the_management_database_was_restored (void **state)
{
    (void)state;
    world_t w;
    make (&w);
    w.in.fork_changed = true;
    bm_settle (&w.in, &w.out);
    assert_int_equal (w.out.rows.count, 0);
    assert_int_equal (w.out.complete_count, 0);
    assert_int_equal (w.out.close_count, 1);
    bm_settle_out_clear (&w.out);
}

static void
anothers_backup_is_noted_but_not_recorded (void **state)
{
    (void)state;
    world_t w;
    make (&w);
    w.backups[1].device = "/elsewhere/dba.trn";
    bm_settle (&w.in, &w.out);
    assert_int_equal (w.out.backups.count, 2);
    assert_int_equal (w.out.rows.count, 1);
    assert_false (w.out.backups.items[1].ours);
    assert_int_equal (w.out.backups.items[1].set_id, 0);
    assert_string_equal (w.out.backups.items[1].server, "SQL02");
    bm_settle_out_clear (&w.out);
    w.backups[1].copy_only = true;
    bm_settle (&w.in, &w.out);
    assert_int_equal (w.out.backups.count, 1);
    bm_settle_out_clear (&w.out);
}

static void
anothers_log_backup_between_ours_is_named_once (void **state)
{
    (void)state;
    world_t w;
    make (&w);
    w.in.round_count = w.in.set_count = w.in.order_count = 0;
    w.backups[1].device = "/elsewhere/by-hand.bak";
    w.facts[0].backup_count = 0;
    bm_settle (&w.in, &w.out);
    assert_int_equal (w.out.warning_count, 0); /* nothing of ours yet: it is another's chain */
    bm_settle_out_clear (&w.out);
    bm_backup_t known[2] = {w.backups[1], w.backups[1]};
    known[0].server = (char *)w.databases[1].server;
    known[0].uuid = "ours";
    known[0].ours = true;
    known[1].server = known[0].server;
    w.in.known = known;
    w.in.known_count = 1;
    bm_settle (&w.in, &w.out);
    assert_int_equal (w.out.warning_count, 1);
    assert_non_null (strstr (w.out.warnings[0], "/elsewhere/by-hand.bak"));
    assert_int_equal (w.out.rows.count, 0);
    bm_settle_out_clear (&w.out);
    w.in.known_count = 2;
    bm_settle (&w.in, &w.out);
    assert_int_equal (w.out.warning_count, 0);
    bm_settle_out_clear (&w.out);
}

static void
a_name_in_the_folder_is_not_the_files_name (void **state)
{
    (void)state;
    world_t w;
    make (&w);
    w.backups[1].device = "/b/" MARK "/dba.trn";
    bm_settle (&w.in, &w.out);
    assert_false (w.out.backups.items[1].ours);
    bm_settle_out_clear (&w.out);
}

static void
a_second_backup_of_one_set_is_named_and_kept_in_the_catalogue (void **state)
{
    (void)state;
    world_t w;
    make (&w);
    bm_backup_t twice[2] = {w.backups[0], w.backups[0]};
    twice[1].uuid = "u0b";
    twice[1].position = 2;
    w.facts[0].backups = twice;
    w.facts[0].backup_count = 2;
    bm_settle (&w.in, &w.out);
    assert_int_equal (w.out.backups.count, 3);
    assert_int_equal (w.out.rows.count, 2);
    assert_int_equal (w.out.warning_count, 1);
    assert_non_null (strstr (w.out.warnings[0], "second backup"));
    bm_settle_out_clear (&w.out);
}

static void
names_are_compared_as_sql_server_does (void **state)
{
    (void)state;
    world_t w;
    make (&w);
    w.facts[0].server = "sql01";
    w.facts[0].database = "biztalkmgmtdb";
    bm_settle (&w.in, &w.out);
    assert_int_equal (w.out.rows.count, 2);
    assert_int_equal (w.out.complete_count, 1);
    bm_settle_out_clear (&w.out);
}

static void
with_nothing_open_nothing_is_written (void **state)
{
    (void)state;
    bm_settle_in_t in = {0};
    bm_settle_out_t out;
    bm_settle (&in, &out);
    assert_int_equal (out.outcome_count + out.backups.count + out.rows.count + out.complete_count +
                          out.close_count + out.touched_count + out.warning_count + out.unasked,
                      0);
    bm_settle_out_clear (&out);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_mark_in_every_database_is_doubtful_after_a_crash),
        cmocka_unit_test (a_mark_in_some_databases_is_torn_and_in_none_is_none),
        cmocka_unit_test (a_mark_that_history_lacks_is_unproven),
        cmocka_unit_test (a_database_that_cannot_be_asked_leaves_the_mark_open),
        cmocka_unit_test (a_database_that_left_the_group_keeps_nothing_open),
        cmocka_unit_test (a_mark_older_than_the_trim_is_unknown_not_absent),
        cmocka_unit_test (backups_that_were_not_recorded_become_rows_and_complete_the_set),
        cmocka_unit_test (what_was_written_once_is_not_asked_for_again),
        cmocka_unit_test (a_log_set_that_misses_a_backup_is_closed_and_keeps_its_rows),
        cmocka_unit_test (a_full_set_that_misses_a_backup_stays_open_for_repair),
        cmocka_unit_test (a_full_set_is_repaired_until_a_later_one_is_begun),
        cmocka_unit_test (a_full_set_does_not_wait_for_a_database_that_left_the_group),
        cmocka_unit_test (
            a_mark_that_was_trimmed_and_is_in_no_history_is_unknown_for_good_and_never_asked_again),
        cmocka_unit_test (a_mark_that_was_trimmed_from_marklog_is_proved_by_logmarkhistory),
        cmocka_unit_test (a_log_set_whose_mark_is_unknown_for_good_is_closed_with_it),
        cmocka_unit_test (a_bad_mark_never_completes_a_set),
        cmocka_unit_test (a_backup_that_does_not_hold_the_mark_does_not_complete_the_set),
        cmocka_unit_test (a_backup_of_another_fork_is_not_recorded),
        cmocka_unit_test (nothing_is_filled_in_after_the_management_database_was_restored),
        cmocka_unit_test (anothers_backup_is_noted_but_not_recorded),
        cmocka_unit_test (anothers_log_backup_between_ours_is_named_once),
        cmocka_unit_test (a_name_in_the_folder_is_not_the_files_name),
        cmocka_unit_test (a_second_backup_of_one_set_is_named_and_kept_in_the_catalogue),
        cmocka_unit_test (names_are_compared_as_sql_server_does),
        cmocka_unit_test (with_nothing_open_nothing_is_written),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
