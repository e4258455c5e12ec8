/*  tests/unit/coordinator/test_round.c
 *  The promises of one round, and that every row of its table is taken by some test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "coordinator/core/round.h"

#define INSTANCES 3

static uint32_t s_rows_taken[256];

typedef struct {
    bm_round_t *round;
    bm_actions_t *out;
    int64_t now_ms;
    uint32_t databases;
} s_fixture_t;

static s_fixture_t
s_open (void)
{
    bm_round_config_t config;
    bm_round_config_default (&config, INSTANCES);
    return (s_fixture_t){.round = bm_round_new (&config, NULL),
                         .out = bm_actions_new (INSTANCES),
                         .now_ms = 1000,
                         .databases = 2};
}

static void
s_shut (s_fixture_t *f)
{
    for (size_t row = 0; row < bm_round_rows (); row++)
        s_rows_taken[row] += bm_round_row_taken (f->round, row);
    bm_round_destroy (&f->round);
    bm_actions_destroy (&f->out);
    assert_null (f->round);
    assert_null (f->out);
    bm_round_destroy (&f->round);
    bm_actions_destroy (&f->out);
}

static void
s_step (s_fixture_t *f, bm_event_t event)
{
    assert_int_equal (bm_round_step (f->round, &event, f->now_ms, f->out, NULL), BM_OK);
}

static void
s_say (s_fixture_t *f, bm_event_kind_t kind, size_t instance, bool ok)
{
    s_step (f, (bm_event_t){.kind = kind,
                            .instance = instance,
                            .ok = ok,
                            .start_id = 100 + instance,
                            .has_tracking = instance != 2});
}

static void
s_say_all (s_fixture_t *f, bm_event_kind_t kind)
{
    for (size_t at = 0; at < INSTANCES; at++)
        s_say (f, kind, at, true);
}

static void
s_committed (s_fixture_t *f, size_t instance, bm_commit_answer_t commit)
{
    s_step (f, (bm_event_t){.kind = BM_EVENT_COMMITTED, .instance = instance, .commit = commit});
}

static void
s_proved (s_fixture_t *f, size_t instance, uint32_t in, uint32_t half, uint32_t missing,
          uint32_t unasked)
{
    s_step (f, (bm_event_t){.kind = BM_EVENT_PROVED,
                            .instance = instance,
                            .proof = {in, half, missing, unasked}});
}

static size_t
s_count (const s_fixture_t *f, bm_action_kind_t kind)
{
    size_t count = 0;
    for (size_t at = 0; at < f->out->count; at++)
        count += f->out->list[at].kind == kind;
    return count;
}

static void
s_at (const s_fixture_t *f, bm_round_state_t state)
{
    assert_string_equal (bm_round_state_name (bm_round_state (f->round)),
                         bm_round_state_name (state));
}

/*  A good round up to the beginning of `state`. Instance 2 has no tracking and needs no fence. */
static s_fixture_t
s_reach (bm_round_state_t state)
{
    s_fixture_t f = s_open ();
    if (state > BM_ROUND_NEW)
        s_say (&f, BM_EVENT_START, 0, true);
    if (state > BM_ROUND_GREETING)
        s_say_all (&f, BM_EVENT_GREETED);
    if (state > BM_ROUND_PREPARING)
        s_say_all (&f, BM_EVENT_VOTED);
    if (state > BM_ROUND_FENCING)
        s_say_all (&f, BM_EVENT_FENCED);
    if (state > BM_ROUND_MARKING)
        s_say_all (&f, BM_EVENT_MARKED);
    if (state > BM_ROUND_INTENT)
        s_say (&f, BM_EVENT_JOURNALED, 0, true);
    if (state > BM_ROUND_SAMPLING)
        s_say_all (&f, BM_EVENT_SAMPLED);
    for (size_t at = 0; at < INSTANCES && state > BM_ROUND_COMMITTING; at++)
        s_step (&f, (bm_event_t){.kind = BM_EVENT_COMMITTED,
                                 .instance = at,
                                 .commit = BM_COMMIT_DONE,
                                 .ok = true});
    if (state > BM_ROUND_RELEASING)
        s_say_all (&f, BM_EVENT_RELEASED);
    s_at (&f, state);
    return f;
}

static void
s_finished (s_fixture_t *f, bm_outcome_t outcome)
{
    s_at (f, BM_ROUND_DONE);
    assert_int_equal (s_count (f, BM_ACTION_FINISH), 1);
    assert_int_equal (s_count (f, BM_ACTION_JOURNAL_OUTCOME), 1);
    assert_int_equal (f->out->list[f->out->count - 1].kind, BM_ACTION_FINISH);
    assert_string_equal (bm_outcome_name (f->out->list[f->out->count - 1].outcome),
                         bm_outcome_name (outcome));
    assert_int_equal (bm_round_result (f->round)->outcome, outcome);
    s_shut (f);
}

/*  What is aborted says so to everyone who may hold something, and ends as `none`. */
static void
s_aborts (s_fixture_t *f, size_t told, bm_status_t cause)
{
    assert_int_equal (s_count (f, BM_ACTION_SEND_ABORT), told);
    assert_int_equal (s_count (f, BM_ACTION_SEND_COMMIT), 0);
    for (size_t at = 0; at < INSTANCES; at++)
        s_say (f, BM_EVENT_ABORTED, at, true);
    s_at (f, BM_ROUND_DONE);
    const bm_round_result_t *result = bm_round_result (f->round);
    assert_int_equal (result->outcome, BM_OUTCOME_NONE);
    assert_false (result->commit_sent);
    assert_string_equal (bm_status_name (result->cause.status), bm_status_name (cause));
    s_shut (f);
}

static void
s_timeout (s_fixture_t *f)
{
    f->now_ms = bm_round_deadline_ms (f->round);
    s_say (f, BM_EVENT_TICK, 0, false);
}

/* ---- The good round ---------------------------------------------------------------------------- */

static void
a_good_round_is_clean_when_both_samples_ran (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_ROUND_PROVING);
    s_proved (&f, 0, 2, 0, 0, 0);
    s_proved (&f, 1, 2, 0, 0, 0);
    s_proved (&f, 2, 2, 0, 0, 0);
    assert_int_equal (bm_round_result (f.round)->cause.status, BM_OK);
    s_finished (&f, BM_OUTCOME_CLEAN);
}

static void
each_step_waits_for_the_last_answer_of_the_one_before (void **state)
{
    (void)state;
    const struct {
        bm_round_state_t from;
        bm_event_kind_t answer;
        bm_action_kind_t order;
        size_t orders;
    } steps[] = {
        {BM_ROUND_GREETING, BM_EVENT_GREETED, BM_ACTION_SEND_PREPARE, 3},
        {BM_ROUND_PREPARING, BM_EVENT_VOTED, BM_ACTION_SEND_FENCE, 2},
        {BM_ROUND_FENCING, BM_EVENT_FENCED, BM_ACTION_SEND_MARK, 3},
        {BM_ROUND_MARKING, BM_EVENT_MARKED, BM_ACTION_JOURNAL_INTENT, 1},
        {BM_ROUND_SAMPLING, BM_EVENT_SAMPLED, BM_ACTION_SEND_COMMIT, 3},
        {BM_ROUND_COMMITTING, BM_EVENT_COMMITTED, BM_ACTION_SEND_RELEASE, 2},
        {BM_ROUND_RELEASING, BM_EVENT_RELEASED, BM_ACTION_SEND_PROVE, 3},
    };
    for (size_t at = 0; at < sizeof steps / sizeof steps[0]; at++) {
        s_fixture_t f = s_reach (steps[at].from);
        size_t waiting[INSTANCES];
        size_t left = bm_round_waiting (f.round, waiting, INSTANCES);
        assert_true (left >= 2);
        assert_true (bm_round_deadline_ms (f.round) > f.now_ms);
        while (left > 0) {
            s_at (&f, steps[at].from);
            left--;
            s_step (&f, (bm_event_t){.kind = steps[at].answer,
                                     .instance = waiting[left],
                                     .ok = true,
                                     .has_tracking = waiting[left] != 2,
                                     .commit = BM_COMMIT_DONE});
            /*  nothing of the next step before the last answer */
            assert_int_equal (s_count (&f, steps[at].order), left ? 0 : steps[at].orders);
        }
        assert_int_equal (s_count (&f, BM_ACTION_SET_DEADLINE), 1);
        s_shut (&f);
    }
}

static void
no_commit_leaves_before_the_intent_is_on_the_disk (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_ROUND_INTENT);
    assert_int_equal (f.out->list[0].kind, BM_ACTION_JOURNAL_INTENT);
    assert_string_equal (bm_round_awaits (f.round), "the journal");
    for (int kind = BM_EVENT_GREETED; kind <= BM_EVENT_PROVED; kind++)
        s_say_all (&f, (bm_event_kind_t)kind);
    s_at (&f, BM_ROUND_INTENT);
    s_say (&f, BM_EVENT_JOURNALED, 0, true);
    s_at (&f, BM_ROUND_SAMPLING);
    s_shut (&f);
}

static void
an_intent_that_is_not_on_the_disk_aborts (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_ROUND_INTENT);
    s_say (&f, BM_EVENT_JOURNALED, 0, false);
    s_aborts (&f, 3, BM_CATALOGUE);
    f = s_reach (BM_ROUND_INTENT);
    s_timeout (&f);
    s_aborts (&f, 3, BM_CATALOGUE);
}

static void
a_group_without_tracking_needs_no_fence (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_ROUND_PREPARING);
    for (size_t at = 0; at < INSTANCES; at++)
        s_step (&f, (bm_event_t){.kind = BM_EVENT_VOTED, .instance = at, .ok = true});
    s_at (&f, BM_ROUND_MARKING);
    assert_int_equal (s_count (&f, BM_ACTION_SEND_FENCE), 0);
    s_say_all (&f, BM_EVENT_MARKED);
    s_say (&f, BM_EVENT_JOURNALED, 0, true);
    s_say_all (&f, BM_EVENT_SAMPLED);
    s_committed (&f, 0, BM_COMMIT_DONE);
    s_committed (&f, 1, BM_COMMIT_DONE);
    /*  an answer that is late does no harm where nothing is fenced */
    s_timeout (&f);
    s_at (&f, BM_ROUND_PROVING);
    assert_int_equal (bm_round_result (f.round)->fencing_ms, 0);
    for (size_t at = 0; at < INSTANCES; at++)
        s_proved (&f, at, 1, 0, 0, 0);
    s_finished (&f, BM_OUTCOME_DOUBTFUL); /* L1 ran, L2 of instance 2 is missing */
}

/* ---- Before the first COMMIT ------------------------------------------------------------------- */

static void
an_instance_that_is_not_ready_ends_the_round_untouched_after_all_votes (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_ROUND_PREPARING);
    s_say (&f, BM_EVENT_VOTED, 1, false);
    s_at (&f, BM_ROUND_PREPARING);
    s_say (&f, BM_EVENT_VOTED, 0, true);
    s_say (&f, BM_EVENT_VOTED, 2, true);
    s_at (&f, BM_ROUND_DONE);
    assert_int_equal (bm_round_result (f.round)->cause_instance, 1);
    s_aborts (&f, 0, BM_NOT_READY);
}

static void
a_missing_agent_does_not_keep_the_others_from_voting (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_ROUND_GREETING);
    bm_error_t error;
    bm_fail (&error, BM_REFUSED, "key not allowed");
    s_step (&f, (bm_event_t){.kind = BM_EVENT_AGENT_LOST, .instance = 1, .error = &error});
    s_say (&f, BM_EVENT_GREETED, 0, true);
    s_say (&f, BM_EVENT_GREETED, 2, true);
    assert_int_equal (s_count (&f, BM_ACTION_SEND_PREPARE), 2);
    s_say (&f, BM_EVENT_VOTED, 0, true);
    s_say (&f, BM_EVENT_VOTED, 2, true);
    assert_string_equal (bm_round_result (f.round)->cause.text, "key not allowed");
    s_aborts (&f, 0, BM_REFUSED);

    f = s_reach (BM_ROUND_GREETING);
    s_say (&f, BM_EVENT_GREETED, 0, true);
    s_timeout (&f);
    assert_int_equal (s_count (&f, BM_ACTION_SEND_PREPARE), 1);
    s_timeout (&f);
    s_aborts (&f, 0, BM_UNREACHABLE);
}

static void
nobody_there_ends_the_round_at_once (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_ROUND_GREETING);
    s_timeout (&f);
    s_aborts (&f, 0, BM_UNREACHABLE);
}

static void
any_trouble_before_the_first_commit_aborts (void **state)
{
    (void)state;
    for (int at = BM_ROUND_GREETING; at <= BM_ROUND_SAMPLING; at++) {
        size_t told = at < BM_ROUND_FENCING ? 0 : at == BM_ROUND_FENCING ? 2 : 3;
        s_fixture_t f = s_reach ((bm_round_state_t)at);
        s_say (&f, BM_EVENT_LOCK_LOST, 0, false);
        assert_int_equal (bm_round_state (f.round), told ? BM_ROUND_ABORTING : BM_ROUND_DONE);
        s_aborts (&f, told, BM_LOCK_LOST);

        f = s_reach ((bm_round_state_t)at);
        s_say (&f, BM_EVENT_STOP, 0, false);
        s_aborts (&f, told, BM_STOPPED);
        if (at < BM_ROUND_FENCING)
            continue;

        f = s_reach ((bm_round_state_t)at);
        s_say (&f, BM_EVENT_AGENT_LOST, 0, false);
        s_aborts (&f, told - 1, BM_UNREACHABLE);
        if (at == BM_ROUND_INTENT)
            continue;

        f = s_reach ((bm_round_state_t)at);
        s_timeout (&f);
        s_aborts (&f, told, BM_UNREACHABLE);

        const bm_action_kind_t orders[] = {[BM_ROUND_FENCING] = BM_ACTION_SEND_FENCE,
                                           [BM_ROUND_MARKING] = BM_ACTION_SEND_MARK,
                                           [BM_ROUND_SAMPLING] = BM_ACTION_SEND_SAMPLE};
        f = s_reach ((bm_round_state_t)at);
        s_step (&f, (bm_event_t){.kind = BM_EVENT_REFUSED, .instance = 0, .order = orders[at]});
        s_aborts (&f, told, BM_MARK_REFUSED);
    }
}

static void
a_round_that_did_not_begin_ends_without_a_trace_on_any_instance (void **state)
{
    (void)state;
    s_fixture_t f = s_open ();
    s_say (&f, BM_EVENT_AGENT_LOST, 0, false);
    s_at (&f, BM_ROUND_NEW);
    s_say (&f, BM_EVENT_LOCK_LOST, 0, false);
    s_aborts (&f, 0, BM_LOCK_LOST);
    f = s_open ();
    s_say (&f, BM_EVENT_STOP, 0, false);
    s_aborts (&f, 0, BM_STOPPED);
}

static void
a_fence_or_mark_that_fails_aborts_at_once (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_ROUND_FENCING);
    s_say (&f, BM_EVENT_FENCED, 1, false);
    s_aborts (&f, 2, BM_MARK_REFUSED);
    f = s_reach (BM_ROUND_MARKING);
    bm_error_t error;
    bm_fail (&error, BM_SQL_FAILED, "1222");
    s_step (&f, (bm_event_t){.kind = BM_EVENT_MARKED, .instance = 2, .error = &error});
    assert_int_equal (bm_round_result (f.round)->cause_instance, 2);
    s_aborts (&f, 3, BM_SQL_FAILED);
}

static void
no_commit_is_sent_after_the_lease (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_ROUND_SAMPLING);
    s_say (&f, BM_EVENT_SAMPLED, 0, true);
    s_say (&f, BM_EVENT_SAMPLED, 1, true);
    f.now_ms += 10000;
    s_say (&f, BM_EVENT_SAMPLED, 2, true);
    s_aborts (&f, 3, BM_MARK_EXPIRED);
    f = s_reach (BM_ROUND_SAMPLING);
    s_say (&f, BM_EVENT_SAMPLED, 0, true);
    s_say (&f, BM_EVENT_SAMPLED, 1, true);
    f.now_ms += 9999;
    s_say (&f, BM_EVENT_SAMPLED, 2, true);
    s_at (&f, BM_ROUND_COMMITTING);
    s_shut (&f);
}

static void
an_abort_waits_for_answers_or_its_deadline (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_ROUND_MARKING);
    s_say (&f, BM_EVENT_STOP, 0, false);
    s_say (&f, BM_EVENT_ABORTED, 0, true);
    s_at (&f, BM_ROUND_ABORTING);
    s_say (&f, BM_EVENT_LOCK_LOST, 0, false);
    s_say (&f, BM_EVENT_STOP, 0, false);
    s_say (&f, BM_EVENT_ABORTED, 1, false);
    s_say (&f, BM_EVENT_AGENT_LOST, 2, false);
    s_finished (&f, BM_OUTCOME_NONE);

    f = s_reach (BM_ROUND_MARKING);
    s_say (&f, BM_EVENT_STOP, 0, false);
    s_step (&f,
            (bm_event_t){.kind = BM_EVENT_REFUSED, .instance = 0, .order = BM_ACTION_SEND_ABORT});
    s_at (&f, BM_ROUND_ABORTING);
    s_timeout (&f);
    assert_true (bm_round_result (f.round)->fencing_ms > 0);
    s_finished (&f, BM_OUTCOME_NONE);
}

static void
a_mark_whose_abort_was_not_clean_is_the_cause_only_when_it_was_first (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_ROUND_MARKING);
    s_say (&f, BM_EVENT_LOCK_LOST, 0, false);
    s_say (&f, BM_EVENT_ABORTED, 0, false);
    assert_int_equal (bm_round_result (f.round)->cause.status, BM_LOCK_LOST);
    s_shut (&f);
}

/* ---- After the first COMMIT -------------------------------------------------------------------- */

static void
after_the_first_commit_the_round_is_finished_whatever_comes (void **state)
{
    (void)state;
    for (int at = BM_ROUND_COMMITTING; at <= BM_ROUND_PROVING; at++) {
        s_fixture_t f = s_reach ((bm_round_state_t)at);
        s_say (&f, BM_EVENT_LOCK_LOST, 0, false);
        s_say (&f, BM_EVENT_STOP, 0, false);
        s_at (&f, (bm_round_state_t)at);
        assert_int_equal (bm_round_result (f.round)->outcome, BM_OUTCOME_UNKNOWN);
        assert_int_equal (f.out->count, 0);
        s_shut (&f);
    }
}

static void
a_commit_that_is_not_answered_is_asked_from_the_database_and_doubtful (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_ROUND_COMMITTING);
    s_committed (&f, 0, BM_COMMIT_DONE);
    s_committed (&f, 1, BM_COMMIT_DONE);
    s_timeout (&f);
    s_at (&f, BM_ROUND_RELEASING);
    assert_int_equal (bm_round_result (f.round)->window_ms, 3000);
    /*  late: evidence, but the fences were being released when it came */
    s_committed (&f, 2, BM_COMMIT_DONE);
    assert_int_equal (bm_round_instance (f.round, 2)->commit, BM_COMMIT_DONE);
    assert_false (bm_round_instance (f.round, 2)->commit_in_time);
    s_say (&f, BM_EVENT_RELEASED, 0, true);
    s_say (&f, BM_EVENT_RELEASED, 1, true);
    for (size_t at = 0; at < INSTANCES; at++)
        s_proved (&f, at, 2, 0, 0, 0);
    s_finished (&f, BM_OUTCOME_DOUBTFUL);
}

static void
a_refused_commit_is_not_taken_for_none (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_ROUND_COMMITTING);
    for (size_t at = 0; at < INSTANCES; at++)
        s_step (&f, (bm_event_t){
                        .kind = BM_EVENT_REFUSED, .instance = at, .order = BM_ACTION_SEND_COMMIT});
    s_at (&f, BM_ROUND_RELEASING);
    s_timeout (&f);
    s_at (&f, BM_ROUND_PROVING);
    s_proved (&f, 0, 0, 0, 2, 0);
    s_proved (&f, 1, 0, 0, 2, 0);
    s_timeout (&f);
    s_finished (&f, BM_OUTCOME_UNKNOWN);
}

static void
rolled_back_everywhere_and_found_nowhere_is_none (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_ROUND_COMMITTING);
    for (size_t at = 0; at < INSTANCES; at++)
        s_committed (&f, at, BM_COMMIT_ROLLED_BACK);
    s_say_all (&f, BM_EVENT_RELEASED);
    for (size_t at = 0; at < INSTANCES; at++)
        s_proved (&f, at, 0, 0, 2, 0);
    assert_true (bm_round_result (f.round)->commit_sent);
    s_finished (&f, BM_OUTCOME_NONE);
}

static void
a_fence_that_did_not_stand_or_nobody_vouches_for_is_doubtful (void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) {
        s_fixture_t f = s_reach (BM_ROUND_RELEASING);
        s_say (&f, BM_EVENT_RELEASED, 0, true);
        s_say (&f, BM_EVENT_LOCK_LOST, 0, true);
        if (how == 0)
            s_say (&f, BM_EVENT_RELEASED, 1, false);
        else if (how == 1)
            s_timeout (&f);
        else if (how == 2)
            s_step (&f, (bm_event_t){.kind = BM_EVENT_REFUSED,
                                     .instance = 1,
                                     .order = BM_ACTION_SEND_RELEASE});
        else {
            s_say (&f, BM_EVENT_AGENT_LOST, 1, false);
            assert_int_equal (s_count (&f, BM_ACTION_SEND_GREET), 1);
            s_say (&f, BM_EVENT_GREETED, 1, true);
            assert_int_equal (s_count (&f, BM_ACTION_SEND_PROVE), 1);
        }
        s_at (&f, BM_ROUND_PROVING);
        for (size_t at = 0; at < INSTANCES; at++)
            s_proved (&f, at, 2, 0, 0, 0);
        s_finished (&f, BM_OUTCOME_DOUBTFUL);
    }
}

static void
an_agent_lost_while_it_commits_is_greeted_again_and_asked (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_ROUND_COMMITTING);
    s_committed (&f, 0, BM_COMMIT_DONE);
    s_say (&f, BM_EVENT_AGENT_LOST, 1, false);
    s_say (&f, BM_EVENT_AGENT_LOST, 0, false);
    s_at (&f, BM_ROUND_COMMITTING);
    s_committed (&f, 2, BM_COMMIT_DONE);
    /*  neither holder is there: nobody is told to release */
    s_at (&f, BM_ROUND_PROVING);
    assert_int_equal (s_count (&f, BM_ACTION_SEND_GREET), 2);
    assert_int_equal (s_count (&f, BM_ACTION_SEND_PROVE), 1);
    /*  a proof that nobody asked for counts for nothing */
    s_proved (&f, 1, 2, 0, 0, 0);
    assert_false (bm_round_instance (f.round, 1)->proved);
    s_say (&f, BM_EVENT_GREETED, 1, true);
    assert_int_equal (f.out->list[0].kind, BM_ACTION_SEND_PROVE);
    assert_int_equal (f.out->list[0].instance, 1);
    s_step (&f,
            (bm_event_t){.kind = BM_EVENT_REFUSED, .instance = 0, .order = BM_ACTION_SEND_GREET});
    s_proved (&f, 1, 0, 0, 2, 0);
    s_proved (&f, 2, 2, 0, 0, 0);
    s_finished (&f, BM_OUTCOME_TORN);
}

static void
an_agent_is_greeted_again_once (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_ROUND_PROVING);
    s_step (&f,
            (bm_event_t){.kind = BM_EVENT_REFUSED, .instance = 0, .order = BM_ACTION_SEND_PROVE});
    assert_int_equal (f.out->list[0].kind, BM_ACTION_SEND_GREET);
    s_say (&f, BM_EVENT_GREETED, 0, true);
    s_say (&f, BM_EVENT_AGENT_LOST, 0, false);
    assert_int_equal (f.out->count, 0);
    s_proved (&f, 1, 2, 0, 0, 0);
    s_proved (&f, 2, 2, 0, 0, 0);
    s_finished (&f, BM_OUTCOME_UNKNOWN);
}

static void
message_3923_makes_the_mark_unproven_and_is_reported (void **state)
{
    (void)state;
    for (int half = 0; half < 2; half++) {
        s_fixture_t f = s_reach (BM_ROUND_COMMITTING);
        s_committed (&f, 0, BM_COMMIT_DONE);
        s_committed (&f, 2, BM_COMMIT_DONE);
        s_step (&f, (bm_event_t){.kind = BM_EVENT_COMMITTED,
                                 .instance = 1,
                                 .commit = BM_COMMIT_DONE,
                                 .mark_dropped = true});
        s_say_all (&f, BM_EVENT_RELEASED);
        s_proved (&f, 0, 2, 0, 0, 0);
        s_proved (&f, 1, 1, half ? 1 : 0, half ? 0 : 1, 0);
        s_proved (&f, 2, 2, 0, 0, 0);
        assert_true (bm_round_result (f.round)->mark_dropped);
        assert_int_equal (bm_round_result (f.round)->cause.status, BM_MARK_MISSING);
        s_finished (&f, BM_OUTCOME_UNPROVEN);
    }
}

/* ---- Odd events -------------------------------------------------------------------------------- */

static void
late_and_repeated_answers_change_nothing (void **state)
{
    (void)state;
    for (int at = BM_ROUND_NEW; at <= BM_ROUND_PROVING; at++) {
        s_fixture_t f = s_reach ((bm_round_state_t)at);
        for (int kind = BM_EVENT_START; kind <= BM_EVENT_PROVED; kind++) {
            size_t waiting[INSTANCES];
            for (size_t instance = 0; instance < INSTANCES; instance++) {
                /*  whatever is not awaited now */
                size_t left = bm_round_waiting (f.round, waiting, INSTANCES);
                const bm_round_state_t states[] = {[BM_EVENT_START] = BM_ROUND_NEW,
                                                   [BM_EVENT_GREETED] = BM_ROUND_GREETING,
                                                   [BM_EVENT_VOTED] = BM_ROUND_PREPARING,
                                                   [BM_EVENT_FENCED] = BM_ROUND_FENCING,
                                                   [BM_EVENT_MARKED] = BM_ROUND_MARKING,
                                                   [BM_EVENT_SAMPLED] = BM_ROUND_SAMPLING,
                                                   [BM_EVENT_COMMITTED] = BM_ROUND_COMMITTING,
                                                   [BM_EVENT_RELEASED] = BM_ROUND_RELEASING,
                                                   [BM_EVENT_ABORTED] = BM_ROUND_ABORTING,
                                                   [BM_EVENT_PROVED] = BM_ROUND_PROVING};
                if ((int)states[kind] == at)
                    continue;
                s_say (&f, (bm_event_kind_t)kind, instance, false);
                assert_int_equal (f.out->count, 0);
                s_at (&f, (bm_round_state_t)at);
                assert_int_equal (bm_round_waiting (f.round, waiting, INSTANCES), left);
            }
        }
        s_step (&f,
                (bm_event_t){.kind = BM_EVENT_REFUSED, .instance = 0, .order = BM_ACTION_FINISH});
        if (at != BM_ROUND_INTENT)
            s_say (&f, BM_EVENT_JOURNALED, 0, true);
        s_say (&f, BM_EVENT_TICK, 0, false);
        assert_int_equal (f.out->count, 0);
        s_at (&f, (bm_round_state_t)at);
        s_shut (&f);
    }
}

static void
a_finished_round_swallows_everything (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_ROUND_FENCING);
    s_say (&f, BM_EVENT_AGENT_LOST, 0, false);
    s_say (&f, BM_EVENT_AGENT_LOST, 1, false);
    s_at (&f, BM_ROUND_DONE);
    for (int kind = 0; kind < BM_EVENT_COUNT; kind++) {
        s_say (&f, (bm_event_kind_t)kind, 1, true);
        assert_int_equal (f.out->count, 0);
        s_at (&f, BM_ROUND_DONE);
    }
    assert_string_equal (bm_round_awaits (f.round), "nothing");
    s_shut (&f);
}

static void
an_event_of_no_such_instance_or_kind_is_refused_and_changes_nothing (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_ROUND_FENCING);
    bm_error_t error = {0};
    bm_event_t event = {.kind = BM_EVENT_FENCED, .instance = INSTANCES, .ok = true};
    assert_int_equal (bm_round_step (f.round, &event, f.now_ms, f.out, &error), BM_PROTOCOL);
    assert_true (strstr (error.text, "FENCED") != NULL);
    event.kind = BM_EVENT_COUNT;
    assert_int_equal (bm_round_step (f.round, &event, f.now_ms, f.out, &error), BM_PROTOCOL);
    s_at (&f, BM_ROUND_FENCING);
    s_shut (&f);
}

static void
a_round_has_1_to_1024_instances_and_deadlines_above_0 (void **state)
{
    (void)state;
    bm_round_config_t config;
    bm_error_t error;
    bm_round_config_default (&config, 0);
    assert_null (bm_round_new (&config, &error));
    assert_int_equal (error.status, BM_LIMIT);
    config.instances = BM_LIMIT_INSTANCES + 1;
    assert_null (bm_round_new (&config, &error));
    assert_int_equal (error.status, BM_LIMIT);
    config.instances = BM_LIMIT_INSTANCES;
    bm_round_t *round = bm_round_new (&config, &error);
    assert_non_null (round);
    bm_round_destroy (&round);
    config.commit_ms = 0;
    assert_null (bm_round_new (&config, &error));
    assert_int_equal (error.status, BM_CONFIG);
    config.commit_ms = 1;
    config.lease_ms = BM_LIMIT_LEASE_MS + 1;
    assert_null (bm_round_new (&config, &error));
    assert_int_equal (error.status, BM_CONFIG);
    config.lease_ms = BM_LIMIT_LEASE_MS;
    round = bm_round_new (&config, &error);
    assert_non_null (round);
    bm_round_destroy (&round);
    config.lease_ms = 0;
    assert_null (bm_round_new (&config, &error));
}

static void
the_defaults_fit_into_the_lease (void **state)
{
    (void)state;
    bm_round_config_t c;
    bm_round_config_default (&c, 1);
    assert_true (c.fence_ms + c.mark_ms + c.journal_ms + c.sample_ms + c.commit_ms + c.release_ms <=
                 c.lease_ms);
}

static void
the_largest_group_fits_into_one_step (void **state)
{
    (void)state;
    bm_round_config_t config;
    bm_round_config_default (&config, BM_LIMIT_INSTANCES);
    s_fixture_t f = {.round = bm_round_new (&config, NULL),
                     .out = bm_actions_new (BM_LIMIT_INSTANCES),
                     .now_ms = 1};
    s_say (&f, BM_EVENT_START, 0, true);
    for (size_t at = 0; at < BM_LIMIT_INSTANCES; at++)
        s_say (&f, BM_EVENT_GREETED, at, true);
    for (size_t at = 0; at < BM_LIMIT_INSTANCES; at++)
        s_say (&f, BM_EVENT_VOTED, at, true);
    for (size_t at = 0; at < BM_LIMIT_INSTANCES; at++)
        s_say (&f, BM_EVENT_FENCED, at, true);
    s_at (&f, BM_ROUND_MARKING);
    size_t first[2];
    assert_int_equal (bm_round_waiting (f.round, first, 2), BM_LIMIT_INSTANCES);
    s_say (&f, BM_EVENT_STOP, 0, true);
    assert_int_equal (s_count (&f, BM_ACTION_SEND_ABORT), BM_LIMIT_INSTANCES);
    s_shut (&f);
}

static void
everything_has_a_name (void **state)
{
    (void)state;
    for (int at = 0; at < BM_ROUND_STATE_COUNT; at++)
        assert_true (strlen (bm_round_state_name ((bm_round_state_t)at)) > 2);
    for (int at = 0; at < BM_EVENT_COUNT; at++)
        assert_true (strlen (bm_event_name ((bm_event_kind_t)at)) > 2);
    for (int at = 0; at < BM_ACTION_COUNT; at++)
        assert_true (strlen (bm_action_name ((bm_action_kind_t)at)) > 2);
    s_fixture_t f = s_reach (BM_ROUND_COMMITTING);
    assert_string_equal (bm_round_awaits (f.round), "commits");
    assert_true (strlen (bm_round_reason (f.round)) > 10);
    s_shut (&f);
}

/*  proto/PROTOCOL.md shows every row that leads somewhere, word for word. */
static void
the_protocol_document_draws_the_table (void **state)
{
    (void)state;
    const char *source = getenv ("BTSMARK_SOURCE");
    if (!source)
        skip ();
    char path[1024];
    snprintf (path, sizeof path, "%s/proto/PROTOCOL.md", source);
    FILE *file = fopen (path, "r");
    assert_non_null (file);
    static char text[256 * 1024];
    size_t size = fread (text, 1, sizeof text - 1, file);
    fclose (file);
    text[size] = 0;
    for (size_t at = 0; at < bm_round_rows (); at++) {
        bm_round_row_t row = bm_round_row (at);
        bool waits = row.from == row.to && strcmp (row.action, "nothing") == 0;
        if (waits || row.from == BM_ROUND_STATE_COUNT)
            continue;
        char line[512];
        snprintf (line, sizeof line, "| %s | %s | %s | %s |", bm_round_state_name (row.from),
                  row.trigger, bm_round_state_name (row.to), row.why);
        if (!strstr (text, line))
            print_message ("not in PROTOCOL.md: %s\n", line);
        assert_non_null (strstr (text, line));
    }
}

/*  Runs last: the tests above together. */
static void
every_row_of_the_table_was_taken (void **state)
{
    (void)state;
    assert_true (bm_round_rows () < sizeof s_rows_taken / sizeof s_rows_taken[0]);
    int missed = 0;
    for (size_t at = 0; at < bm_round_rows (); at++) {
        bm_round_row_t row = bm_round_row (at);
        assert_true (strlen (row.why) > 10);
        assert_non_null (row.action);
        if (s_rows_taken[at] > 0)
            continue;
        missed++;
        print_message ("not taken: %s %s -> %s\n", bm_round_state_name (row.from), row.trigger,
                       bm_round_state_name (row.to));
    }
    assert_int_equal (missed, 0);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_good_round_is_clean_when_both_samples_ran),
        cmocka_unit_test (each_step_waits_for_the_last_answer_of_the_one_before),
        cmocka_unit_test (no_commit_leaves_before_the_intent_is_on_the_disk),
        cmocka_unit_test (an_intent_that_is_not_on_the_disk_aborts),
        cmocka_unit_test (a_group_without_tracking_needs_no_fence),
        cmocka_unit_test (an_instance_that_is_not_ready_ends_the_round_untouched_after_all_votes),
        cmocka_unit_test (a_missing_agent_does_not_keep_the_others_from_voting),
        cmocka_unit_test (nobody_there_ends_the_round_at_once),
        cmocka_unit_test (any_trouble_before_the_first_commit_aborts),
        cmocka_unit_test (a_round_that_did_not_begin_ends_without_a_trace_on_any_instance),
        cmocka_unit_test (a_fence_or_mark_that_fails_aborts_at_once),
        cmocka_unit_test (no_commit_is_sent_after_the_lease),
        cmocka_unit_test (an_abort_waits_for_answers_or_its_deadline),
        cmocka_unit_test (a_mark_whose_abort_was_not_clean_is_the_cause_only_when_it_was_first),
        cmocka_unit_test (after_the_first_commit_the_round_is_finished_whatever_comes),
        cmocka_unit_test (a_commit_that_is_not_answered_is_asked_from_the_database_and_doubtful),
        cmocka_unit_test (a_refused_commit_is_not_taken_for_none),
        cmocka_unit_test (rolled_back_everywhere_and_found_nowhere_is_none),
        cmocka_unit_test (a_fence_that_did_not_stand_or_nobody_vouches_for_is_doubtful),
        cmocka_unit_test (an_agent_lost_while_it_commits_is_greeted_again_and_asked),
        cmocka_unit_test (an_agent_is_greeted_again_once),
        cmocka_unit_test (message_3923_makes_the_mark_unproven_and_is_reported),
        cmocka_unit_test (late_and_repeated_answers_change_nothing),
        cmocka_unit_test (a_finished_round_swallows_everything),
        cmocka_unit_test (an_event_of_no_such_instance_or_kind_is_refused_and_changes_nothing),
        cmocka_unit_test (a_round_has_1_to_1024_instances_and_deadlines_above_0),
        cmocka_unit_test (the_defaults_fit_into_the_lease),
        cmocka_unit_test (the_largest_group_fits_into_one_step),
        cmocka_unit_test (everything_has_a_name),
        cmocka_unit_test (the_protocol_document_draws_the_table),
        cmocka_unit_test (every_row_of_the_table_was_taken),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
