/*  tests/unit/coordinator/test_driver.c
 *  The round over two scripted agents on real sockets, with a real journal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <cmocka.h>

#include "coordinator/shell/driver.h"
#include "tests/unit/coordinator/fake_group.h"

#define MARK "BTS_2026_11_21_02_15_01_327"

/*  What one scripted agent does in a round, and what it saw. */
typedef struct plan {
    const char *databases[2];
    bool tracking; /* of its first database */
    bool not_ready, no_fence, no_mark;
    bool silent_mark, silent_commit, silent_prove;
    bool fence_fell, dropped, missing;
    bool answers_unknown;    /* to COMMIT, when its deadline is over */
    bool restarts_at_commit; /* its start id is another one from COMMIT on */
    const char *no_sample;   /* why it cannot read L1 */
    bool late_sample;        /* L1 is answered as not run, at the very end of its deadline */
    bool no_second;          /* L2 did not run */
    int moved;               /* by so much the counts grow between L1 and L2 */
    int listed_before, listed_after;
    bool counts_cleared;   /* in between */
    bool twice;            /* each answer comes twice */
    bool late_commit;      /* done, but told only when nobody waits any more */
    const char *catalogue; /* looked at when COMMIT comes */

    int fences_seen, intents_at_commit;
    uint32_t patience_ms;
    bool check_asked;
    size_t databases_checked;
    int64_t committed_transaction;
    uint64_t released_start;
    bool aborted;
} plan_t;

typedef struct fixture {
    fake_group_t group;
    plan_t plans[FAKE_AGENTS];
    bm_driver_out_t out;
} fixture_t;

/* ---- the script -------------------------------------------------------------------------------------------------- */

/*  Answers are built in memory that lives until the thread ends. */
typedef struct parts {
    Btsmark__Greeting greeting;
    Btsmark__Instance instance;
    Btsmark__Vote vote;
    Btsmark__DatabaseFacts facts[2], *facts_list[2];
    Btsmark__Fault fault, *faults[1];
    Btsmark__Fenced fenced;
    Btsmark__FencedDatabase fence, *fences[1];
    Btsmark__FenceIdentity identity;
    Btsmark__Marked marked;
    Btsmark__Sampled sampled;
    Btsmark__Committed committed;
    Btsmark__BranchCounts counts;
    Btsmark__Branch branch, *branches[1];
    char *branch_databases[1];
    Btsmark__SqlMessage message, *messages[1];
    Btsmark__Released released;
    Btsmark__ReleasedDatabase release, *releases[1];
    Btsmark__Aborted aborted;
    Btsmark__Proof proof;
    Btsmark__DatabaseProof proofs[2], *proof_list[2];
    Btsmark__Refused refused;
} parts_t;

static Btsmark__Fault *
s_fault (parts_t *parts, const char *status, const char *text)
{
    btsmark__fault__init (&parts->fault);
    parts->fault.status = (char *)status;
    parts->fault.text = (char *)text;
    return &parts->fault;
}

static void
s_vote (const plan_t *plan, parts_t *parts, Btsmark__Envelope *answer)
{
    btsmark__vote__init (&parts->vote);
    parts->vote.ready = !plan->not_ready;
    for (int i = 0; i < 2; i++) {
        btsmark__database_facts__init (&parts->facts[i]);
        parts->facts[i].name = (char *)plan->databases[i];
        parts->facts[i].has_tracking = plan->tracking && i == 0;
        parts->facts[i].has_full = true;
        parts->facts[i].recovery_fork = (char *)"fork";
        parts->facts_list[i] = &parts->facts[i];
    }
    if (plan->not_ready) {
        parts->faults[0] = s_fault (parts, "NOT_READY", "it is OFFLINE");
        parts->facts[1].reasons = parts->faults;
        parts->facts[1].n_reasons = 1;
    }
    parts->vote.databases = parts->facts_list;
    parts->vote.n_databases = 2;
    answer->body_case = BTSMARK__ENVELOPE__BODY_VOTE;
    answer->vote = &parts->vote;
}

static void
s_fence (fake_agent_t *self, plan_t *plan, const Btsmark__Fence *order, parts_t *parts,
         Btsmark__Envelope *answer)
{
    btsmark__fenced__init (&parts->fenced);
    btsmark__fenced_database__init (&parts->fence);
    btsmark__fence_identity__init (&parts->identity);
    plan->fences_seen = (int)order->n_databases;
    parts->fenced.ok = !plan->no_fence;
    if (plan->no_fence)
        parts->fenced.fault = s_fault (parts, "SQL_TIMEOUT", "1222: lock request time out");
    parts->identity.start_id = self->start_id;
    parts->identity.session_login_time = (char *)"2026-11-21 02:15:00.000";
    parts->identity.transaction_id = 77;
    parts->fence.name = (char *)plan->databases[0];
    parts->fence.identity = &parts->identity;
    parts->fences[0] = &parts->fence;
    parts->fenced.fences = parts->fences;
    parts->fenced.n_fences = 1;
    answer->body_case = BTSMARK__ENVELOPE__BODY_FENCED;
    answer->fenced = &parts->fenced;
}

static int
s_intents (const char *path)
{
    bm_error_t error = {0};
    int found = 0;
    bm_catalogue_t *catalogue = bm_catalogue_open_read_only (path, &error);
    bm_journal_round_t *rounds = NULL;
    size_t count = 0;
    if (catalogue && bm_catalogue_rounds (catalogue, 0, 10, &rounds, &count, &error) == BM_OK)
        for (size_t i = 0; i < count; i++)
            found += strcmp (rounds[i].mark, MARK) == 0 && !rounds[i].has_outcome;
    bm_journal_rounds_destroy (&rounds, count);
    bm_catalogue_close (&catalogue);
    return found;
}

static Btsmark__BranchCounts *
s_counts (parts_t *parts, int by)
{
    btsmark__branch_counts__init (&parts->counts);
    parts->counts.prepares = (uint64_t)(500 + by);
    parts->counts.commits = (uint64_t)(400 + by);
    return &parts->counts;
}

static Btsmark__Branch **
s_branches (parts_t *parts)
{
    btsmark__branch__init (&parts->branch);
    parts->branch.unit_of_work = (char *)"0D5E6A5C";
    parts->branch.transaction_state = 5;
    parts->branch_databases[0] = (char *)"BizTalkMsgBoxDb";
    parts->branch.databases = parts->branch_databases;
    parts->branch.n_databases = 1;
    parts->branches[0] = &parts->branch;
    return parts->branches;
}

static void
s_sample (plan_t *plan, const Btsmark__Sample *order, int64_t left_ms, parts_t *parts,
          Btsmark__Envelope *answer)
{
    btsmark__sampled__init (&parts->sampled);
    plan->patience_ms = order->patience_ms;
    plan->databases_checked = order->n_databases;
    parts->sampled.ran = !plan->no_sample && !plan->late_sample;
    if (plan->late_sample) {
        poll (NULL, 0, left_ms > 0 ? (int)left_ms + 50 : 0); /* no event tells that time is over */
        parts->sampled.fault = s_fault (parts, "SQL_TIMEOUT", "its views were not read in time");
    } else if (plan->no_sample) {
        parts->sampled.fault = s_fault (parts, "SQL_FAILED", plan->no_sample);
        parts->sampled.fault->remedy = (char *)"GRANT VIEW SERVER STATE TO [btsmark]";
    } else
        parts->sampled.counts = s_counts (parts, 0);
    parts->sampled.in_flight = s_branches (parts);
    parts->sampled.n_in_flight = (size_t)plan->listed_before;
    answer->body_case = BTSMARK__ENVELOPE__BODY_SAMPLED;
    answer->sampled = &parts->sampled;
}

static void
s_commit (plan_t *plan, const Btsmark__Commit *order, parts_t *parts, Btsmark__Envelope *answer)
{
    btsmark__committed__init (&parts->committed);
    plan->intents_at_commit = s_intents (plan->catalogue);
    plan->committed_transaction = order->transaction_id;
    parts->committed.answer = BTSMARK__COMMIT_ANSWER__COMMIT_DONE;
    plan->check_asked = order->check;
    parts->committed.sample_ran = order->check && !plan->no_second;
    parts->committed.counts = s_counts (parts, plan->counts_cleared ? -300 : plan->moved);
    parts->committed.in_flight = s_branches (parts);
    parts->committed.n_in_flight = (size_t)plan->listed_after;
    if (plan->no_second)
        parts->committed.fault = s_fault (parts, "SQL_FAILED", "1205: L2 was a deadlock victim");
    if (plan->answers_unknown) {
        parts->committed.answer = BTSMARK__COMMIT_ANSWER__COMMIT_UNKNOWN;
        /*  An agent that waited for SQL Server until the deadline, and a little longer: no event tells that time is over. */
        poll (NULL, 0, (int)order->deadline_ms + 50);
    }
    if (plan->late_commit) {
        plan->late_commit = false; /* the order comes again meanwhile */
        poll (NULL, 0,
              (int)order->deadline_ms + 400); /* longer than a silent agent is waited for */
    }
    if (plan->dropped) {
        btsmark__sql_message__init (&parts->message);
        parts->message.number = 3923;
        parts->message.severity = 10;
        parts->message.procedure = (char *)"";
        parts->message.text = (char *)"the mark was ignored";
        parts->messages[0] = &parts->message;
        parts->committed.messages = parts->messages;
        parts->committed.n_messages = 1;
    }
    answer->body_case = BTSMARK__ENVELOPE__BODY_COMMITTED;
    answer->committed = &parts->committed;
}

static void
s_release (plan_t *plan, const Btsmark__Release *order, parts_t *parts, Btsmark__Envelope *answer)
{
    btsmark__released__init (&parts->released);
    btsmark__released_database__init (&parts->release);
    if (order->n_fences)
        plan->released_start = order->fences[0]->identity->start_id;
    parts->release.name = (char *)plan->databases[0];
    parts->release.stood = !plan->fence_fell;
    parts->release.why_not = (char *)(plan->fence_fell ? "it expired" : "");
    parts->releases[0] = &parts->release;
    parts->released.fences = parts->releases;
    parts->released.n_fences = 1;
    answer->body_case = BTSMARK__ENVELOPE__BODY_RELEASED;
    answer->released = &parts->released;
}

static void
s_prove (const plan_t *plan, parts_t *parts, Btsmark__Envelope *answer)
{
    btsmark__proof__init (&parts->proof);
    for (int i = 0; i < 2; i++) {
        btsmark__database_proof__init (&parts->proofs[i]);
        parts->proofs[i].name = (char *)plan->databases[i];
        parts->proofs[i].asked = true;
        parts->proofs[i].in_marklog = !plan->missing;
        parts->proofs[i].in_history = !plan->missing && !(plan->dropped && i == 1);
        parts->proofs[i].lsn = (char *)(parts->proofs[i].in_history ? "38000000012300001" : "");
        parts->proof_list[i] = &parts->proofs[i];
    }
    parts->proof.databases = parts->proof_list;
    parts->proof.n_databases = 2;
    answer->body_case = BTSMARK__ENVELOPE__BODY_PROOF;
    answer->proof = &parts->proof;
}

static int
s_stale (fake_agent_t *self, parts_t *parts, Btsmark__Envelope *answer)
{
    btsmark__refused__init (&parts->refused);
    parts->refused.why = BTSMARK__REFUSED__WHY__STALE;
    parts->refused.start_id = self->start_id;
    answer->body_case = BTSMARK__ENVELOPE__BODY_REFUSED;
    answer->refused = &parts->refused;
    return 1;
}

static int
s_script_once (fake_agent_t *self, const Btsmark__Envelope *order, Btsmark__Envelope *answer)
{
    static _Thread_local parts_t parts;
    plan_t *plan = self->argument;
    if (order->body_case == BTSMARK__ENVELOPE__BODY_COMMIT && plan->restarts_at_commit) {
        plan->restarts_at_commit = false;
        self->start_id += 2;
        answer->start_id = self->start_id;
    }
    if (order->body_case != BTSMARK__ENVELOPE__BODY_GREET && order->start_id != self->start_id)
        return s_stale (self, &parts, answer);
    switch (order->body_case) {
        case BTSMARK__ENVELOPE__BODY_GREET:
            fake_group_greet (self, &parts.greeting, &parts.instance, answer);
            return 1;
        case BTSMARK__ENVELOPE__BODY_PREPARE:
            s_vote (plan, &parts, answer);
            return 1;
        case BTSMARK__ENVELOPE__BODY_FENCE:
            s_fence (self, plan, order->fence, &parts, answer);
            return 1;
        case BTSMARK__ENVELOPE__BODY_MARK:
            btsmark__marked__init (&parts.marked);
            parts.marked.ok = !plan->no_mark;
            parts.marked.transaction_id = 4242;
            if (plan->no_mark)
                parts.marked.fault = s_fault (&parts, "MARK_REFUSED", "1205: deadlock victim");
            answer->body_case = BTSMARK__ENVELOPE__BODY_MARKED;
            answer->marked = &parts.marked;
            return !plan->silent_mark;
        case BTSMARK__ENVELOPE__BODY_SAMPLE:
            s_sample (plan, order->sample,
                      (int64_t)order->expires_agent_ms -
                          (bm_clock_mono_ms () + self->clock_ahead_ms),
                      &parts, answer);
            return 1;
        case BTSMARK__ENVELOPE__BODY_COMMIT:
            s_commit (plan, order->commit, &parts, answer);
            return !plan->silent_commit;
        case BTSMARK__ENVELOPE__BODY_RELEASE:
            s_release (plan, order->release, &parts, answer);
            return 1;
        case BTSMARK__ENVELOPE__BODY_PROVE:
            s_prove (plan, &parts, answer);
            return !plan->silent_prove;
        default:
            plan->aborted = true;
            btsmark__aborted__init (&parts.aborted);
            parts.aborted.nothing_held = true;
            answer->body_case = BTSMARK__ENVELOPE__BODY_ABORTED;
            answer->aborted = &parts.aborted;
            return 1;
    }
}

static int
s_script (fake_agent_t *self, const Btsmark__Envelope *order, Btsmark__Envelope *answer)
{
    const plan_t *plan = self->argument;
    int times = s_script_once (self, order, answer);
    return plan->twice ? 2 * times : times;
}

/* ---- the fixture ------------------------------------------------------------------------------------------------- */

static int
s_setup (void **state)
{
    fixture_t *fixture = bm_alloc (sizeof *fixture);
    *state = fixture;
    fake_group_new (&fixture->group, s_script, &fixture->plans[0], &fixture->plans[1]);
    fixture->plans[0] = (plan_t){.databases = {"BizTalkMgmtDb", "BizTalkMsgBoxDb"}};
    fixture->plans[1] =
        (plan_t){.databases = {"BizTalkDTADb", "BAMPrimaryImport"}, .tracking = true};
    fixture->plans[0].catalogue = fixture->plans[1].catalogue = fixture->group.catalogue_file;
    return 0;
}

static int
s_teardown (void **state)
{
    fixture_t *fixture = *state;
    bm_driver_out_clear (&fixture->out);
    assert_true (fake_group_destroy (&fixture->group));
    free (fixture);
    return 0;
}

/*  Starts the agents as planned, drives one round, stops the agents. */
static void
s_round (fixture_t *fixture)
{
    bm_error_t error = {0};
    bm_group_row_t rows[] = {{(char *)"SQL01", (char *)"BizTalkMgmtDb", false},
                             {(char *)"SQL01", (char *)"BizTalkMsgBoxDb", false},
                             {(char *)"sql02", (char *)"BizTalkDTADb", false},
                             {(char *)"SQL02", (char *)"BAMPrimaryImport", false},
                             {(char *)"SQL02", (char *)"biztalkdtadb", false}};
    bm_group_rows_t group = {rows, 5};
    fake_group_start (&fixture->group,
                      "[round]\ngreet-deadline = 2 s\nprepare-deadline = 2 s\n"
                      "fence-deadline = 500 ms\nmark-deadline = 500 ms\nsample-deadline = 500 ms\n"
                      "commit-deadline = 500 ms\nrelease-deadline = 500 ms\n"
                      "prove-deadline = 600 ms\nprove-poll = 100 ms\nlease = 5 s\n",
                      &group);
    assert_int_equal (fixture->group.work.topology->place_count, 4);
    bm_driver_in_t in = {.number = 1, .set_id = 5, .mark = MARK};
    if (bm_driver_round (&fixture->group.work, &in, &fixture->out, &error) != BM_OK)
        fail_msg ("%s", error.text);
    fake_group_stop_agents (&fixture->group);
}

static void
s_assert_outcome (fixture_t *fixture, bm_outcome_t outcome)
{
    if (fixture->out.outcome != outcome)
        fail_msg ("%s expected, it is %s: %s: %s", bm_outcome_name (outcome),
                  bm_outcome_name (fixture->out.outcome), fixture->out.reason,
                  fixture->out.cause.text);
    bm_journal_round_t *rounds = NULL;
    size_t count = 0;
    bm_error_t error = {0};
    assert_int_equal (
        bm_catalogue_rounds (fixture->group.work.catalogue, 0, 10, &rounds, &count, &error), BM_OK);
    assert_int_equal (count, 1);
    assert_true (rounds[0].has_outcome);
    assert_int_equal (rounds[0].outcome, outcome);
    bm_journal_rounds_destroy (&rounds, count);
}

/* ---- the promises ------------------------------------------------------------------------------------------------ */

static void
a_round_in_which_all_goes_well_is_clean_and_measured (void **state)
{
    fixture_t *fixture = *state;
    s_round (fixture);
    s_assert_outcome (fixture, BM_OUTCOME_CLEAN);
    assert_null (fixture->out.in_flight);
    assert_int_equal (fixture->out.unchecked.status, BM_OK);
    assert_true (fixture->plans[0].check_asked);
    assert_int_equal (fixture->plans[0].databases_checked, 2);
    /*  it may look again, but must leave time for its answer */
    assert_in_range (fixture->plans[0].patience_ms, 100, 499);
    assert_true (fixture->out.window_us > 0);
    assert_true (fixture->out.fence_ms >= 0);
    assert_int_equal (fixture->out.fences, BM_FENCES_STOOD);
    for (size_t i = 0; i < fixture->out.proof_count; i++)
        assert_string_equal (fixture->out.proofs[i].lsn, "38000000012300001");
}

static void
the_intent_is_in_the_journal_before_any_commit_arrives (void **state)
{
    fixture_t *fixture = *state;
    s_round (fixture);
    assert_int_equal (fixture->plans[0].intents_at_commit, 1);
    assert_int_equal (fixture->plans[1].intents_at_commit, 1);
}

static void
only_tracking_databases_are_fenced_and_the_identity_goes_back_with_the_release (void **state)
{
    fixture_t *fixture = *state;
    s_round (fixture);
    assert_int_equal (atomic_load (&fixture->group.fakes[0].bodies[BTSMARK__ENVELOPE__BODY_FENCE]),
                      0);
    assert_int_equal (fixture->plans[1].fences_seen, 1);
    assert_true (fixture->plans[1].released_start == fixture->group.fakes[1].start_id);
    assert_int_equal (fixture->plans[0].committed_transaction, 4242);
}

static void
a_database_that_is_not_ready_ends_the_round_before_anything_is_held (void **state)
{
    fixture_t *fixture = *state;
    fixture->plans[0].not_ready = true;
    s_round (fixture);
    s_assert_outcome (fixture, BM_OUTCOME_NONE);
    assert_int_equal (fixture->out.cause.status, BM_NOT_READY);
    assert_non_null (strstr (fixture->out.cause.text, "OFFLINE"));
    assert_int_equal (atomic_load (&fixture->group.fakes[1].bodies[BTSMARK__ENVELOPE__BODY_FENCE]),
                      0);
}

static void
a_fence_that_cannot_be_had_aborts_everywhere (void **state)
{
    fixture_t *fixture = *state;
    fixture->plans[1].no_fence = true;
    s_round (fixture);
    s_assert_outcome (fixture, BM_OUTCOME_NONE);
    assert_false (fixture->out.commit_sent);
    assert_int_equal (atomic_load (&fixture->group.fakes[0].bodies[BTSMARK__ENVELOPE__BODY_COMMIT]),
                      0);
    assert_non_null (strstr (fixture->out.cause.text, "1222"));
}

static void
a_mark_that_is_refused_by_one_is_committed_by_none (void **state)
{
    fixture_t *fixture = *state;
    fixture->plans[0].no_mark = true;
    s_round (fixture);
    s_assert_outcome (fixture, BM_OUTCOME_NONE);
    assert_int_equal (atomic_load (&fixture->group.fakes[0].bodies[BTSMARK__ENVELOPE__BODY_COMMIT]),
                      0);
    assert_int_equal (atomic_load (&fixture->group.fakes[1].bodies[BTSMARK__ENVELOPE__BODY_COMMIT]),
                      0);
    assert_true (fixture->plans[1].aborted);
}

static void
an_agent_that_does_not_answer_mark_in_time_aborts_the_round (void **state)
{
    fixture_t *fixture = *state;
    fixture->plans[1].silent_mark = true;
    s_round (fixture);
    s_assert_outcome (fixture, BM_OUTCOME_NONE);
    assert_int_equal (atomic_load (&fixture->group.fakes[0].bodies[BTSMARK__ENVELOPE__BODY_COMMIT]),
                      0);
}

static void
a_commit_without_an_answer_is_asked_for_and_not_vouched_for (void **state)
{
    fixture_t *fixture = *state;
    fixture->plans[0].silent_commit = true;
    s_round (fixture);
    assert_true (fixture->out.commit_sent);
    s_assert_outcome (fixture, BM_OUTCOME_DOUBTFUL);
}

/*  An agent that waits for its COMMIT until the deadline says then what SQL Server has said so far. */
static void
an_answer_at_the_commits_deadline_is_not_lost_with_its_messages (void **state)
{
    fixture_t *fixture = *state;
    fixture->plans[0].answers_unknown = fixture->plans[0].dropped = true;
    s_round (fixture);
    assert_true (fixture->out.commit_sent);
    assert_true (fixture->out.mark_dropped);
}

/*  The mark is doubtful, and reason, journal and report say so with these words. */
static void
s_assert_doubtful (fixture_t *fixture, const char *first, const char *second)
{
    s_assert_outcome (fixture, BM_OUTCOME_DOUBTFUL);
    if (!strstr (fixture->out.reason, first) || !strstr (fixture->out.reason, second))
        fail_msg ("%s", fixture->out.reason);
    assert_int_equal (json_array_size (fixture->out.in_flight), 1);
    bm_journal_round_t *rounds = NULL;
    size_t count = 0;
    bm_error_t error = {0};
    assert_int_equal (
        bm_catalogue_rounds (fixture->group.work.catalogue, 0, 10, &rounds, &count, &error), BM_OK);
    assert_string_equal (rounds[0].reason, fixture->out.reason);
    bm_journal_rounds_destroy (&rounds, count);
}

static void
a_count_that_moved_between_the_samples_makes_the_mark_doubtful (void **state)
{
    fixture_t *fixture = *state;
    fixture->plans[1].moved = 2;
    s_round (fixture);
    s_assert_doubtful (fixture, "SQL02", "2 branch(es) prepared and 2 committed");
}

static void
counts_that_somebody_cleared_in_between_make_the_mark_doubtful (void **state)
{
    fixture_t *fixture = *state;
    fixture->plans[0].counts_cleared = true;
    s_round (fixture);
    s_assert_doubtful (fixture, "SQL01", "reset");
}

static void
a_branch_that_is_listed_before_the_commit_makes_the_mark_doubtful (void **state)
{
    fixture_t *fixture = *state;
    fixture->plans[1].listed_before = 1;
    s_round (fixture);
    s_assert_doubtful (fixture, "unit of work 0D5E6A5C prepared in BizTalkMsgBoxDb", "before");
}

static void
a_branch_that_is_listed_after_the_commit_makes_the_mark_doubtful (void **state)
{
    fixture_t *fixture = *state;
    fixture->plans[1].listed_after = 1;
    s_round (fixture);
    s_assert_doubtful (fixture, "unit of work 0D5E6A5C prepared in BizTalkMsgBoxDb", "after");
}

static void
a_second_sample_that_is_missing_makes_the_mark_doubtful_and_says_why (void **state)
{
    fixture_t *fixture = *state;
    fixture->plans[1].no_second = true;
    s_round (fixture);
    s_assert_doubtful (fixture, "SQL02", "1205: L2 was a deadlock victim");
}

static void
a_login_that_may_not_look_leaves_the_mark_unchecked_with_what_to_grant (void **state)
{
    fixture_t *fixture = *state;
    fixture->plans[1].no_sample = "300: VIEW SERVER STATE permission was denied";
    s_round (fixture);
    s_assert_outcome (fixture, BM_OUTCOME_UNCHECKED);
    assert_true (fixture->plans[0].check_asked);
    assert_false (fixture->plans[1].check_asked); /* it could not compare */
    assert_non_null (strstr (fixture->out.reason, "SQL02: 300: VIEW SERVER STATE"));
    assert_int_equal (fixture->out.unchecked.status, BM_SQL_FAILED);
    assert_string_equal (fixture->out.unchecked.remedy, "GRANT VIEW SERVER STATE TO [btsmark]");
}

/*  What one instance could see is not forgotten because another could not look. */
static void
something_in_flight_weighs_more_than_a_check_that_did_not_run_elsewhere (void **state)
{
    fixture_t *fixture = *state;
    fixture->plans[0].moved = 1;
    fixture->plans[1].no_sample = "300: VIEW SERVER STATE permission was denied";
    s_round (fixture);
    s_assert_outcome (fixture, BM_OUTCOME_DOUBTFUL);
    assert_int_equal (json_array_size (fixture->out.in_flight), 2);
}

/*  An agent that cannot read its views in time says so at its deadline: the round goes on, and the mark is not lost. */
static void
a_sample_that_is_answered_at_its_deadline_costs_the_check_and_not_the_mark (void **state)
{
    fixture_t *fixture = *state;
    fixture->plans[0].late_sample = true;
    s_round (fixture);
    s_assert_outcome (fixture, BM_OUTCOME_UNCHECKED);
    assert_int_equal (fixture->out.unchecked.status, BM_SQL_TIMEOUT);
}

static void
answers_that_come_twice_change_nothing (void **state)
{
    fixture_t *fixture = *state;
    fixture->plans[0].twice = fixture->plans[1].twice = true;
    s_round (fixture);
    s_assert_outcome (fixture, BM_OUTCOME_CLEAN);
    assert_true (bm_agents_dropped (fixture->group.work.agents) > 0);
}

/*  By then the fences were let go: the mark is in every database, and nobody vouches for it. */
static void
a_commit_that_is_answered_late_is_doubtful_whatever_it_says (void **state)
{
    fixture_t *fixture = *state;
    fixture->plans[0].late_commit = true;
    s_round (fixture);
    s_assert_outcome (fixture, BM_OUTCOME_DOUBTFUL);
    assert_int_equal (fixture->out.fences, BM_FENCES_UNKNOWN); /* they were let go before it */
}

static void
a_fence_that_fell_makes_the_mark_doubtful (void **state)
{
    fixture_t *fixture = *state;
    fixture->plans[1].fence_fell = true;
    s_round (fixture);
    s_assert_outcome (fixture, BM_OUTCOME_DOUBTFUL);
    assert_int_equal (fixture->out.fences, BM_FENCES_FELL);
}

static void
a_mark_that_sql_server_dropped_is_unproven (void **state)
{
    fixture_t *fixture = *state;
    fixture->plans[0].dropped = true;
    s_round (fixture);
    s_assert_outcome (fixture, BM_OUTCOME_UNPROVEN);
    assert_true (fixture->out.mark_dropped);
    assert_true (fixture->group.work.report->warning_count > 0);
}

static void
a_mark_that_one_instance_lacks_is_torn (void **state)
{
    fixture_t *fixture = *state;
    fixture->plans[1].missing = true;
    s_round (fixture);
    assert_true (fixture->out.outcome == BM_OUTCOME_TORN ||
                 fixture->out.outcome == BM_OUTCOME_UNPROVEN);
}

static void
an_instance_that_cannot_be_asked_leaves_the_mark_unknown (void **state)
{
    fixture_t *fixture = *state;
    fixture->plans[1].silent_prove = true;
    s_round (fixture);
    s_assert_outcome (fixture, BM_OUTCOME_UNKNOWN);
}

static void
an_agent_that_was_restarted_in_the_round_vouches_for_nothing (void **state)
{
    fixture_t *fixture = *state;
    fixture->plans[1].restarts_at_commit = true;
    s_round (fixture);
    assert_true (fixture->out.outcome < BM_OUTCOME_UNCHECKED);
    assert_int_equal (fixture->out.cause.status, BM_AGENT_RESTARTED);
    assert_int_not_equal (fixture->out.fences, BM_FENCES_STOOD);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)

int
main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (a_round_in_which_all_goes_well_is_clean_and_measured),
        TEST (the_intent_is_in_the_journal_before_any_commit_arrives),
        TEST (only_tracking_databases_are_fenced_and_the_identity_goes_back_with_the_release),
        TEST (a_database_that_is_not_ready_ends_the_round_before_anything_is_held),
        TEST (a_fence_that_cannot_be_had_aborts_everywhere),
        TEST (a_mark_that_is_refused_by_one_is_committed_by_none),
        TEST (an_agent_that_does_not_answer_mark_in_time_aborts_the_round),
        TEST (a_commit_without_an_answer_is_asked_for_and_not_vouched_for),
        TEST (an_answer_at_the_commits_deadline_is_not_lost_with_its_messages),
        TEST (a_count_that_moved_between_the_samples_makes_the_mark_doubtful),
        TEST (counts_that_somebody_cleared_in_between_make_the_mark_doubtful),
        TEST (a_branch_that_is_listed_before_the_commit_makes_the_mark_doubtful),
        TEST (a_branch_that_is_listed_after_the_commit_makes_the_mark_doubtful),
        TEST (a_second_sample_that_is_missing_makes_the_mark_doubtful_and_says_why),
        TEST (a_login_that_may_not_look_leaves_the_mark_unchecked_with_what_to_grant),
        TEST (something_in_flight_weighs_more_than_a_check_that_did_not_run_elsewhere),
        TEST (a_sample_that_is_answered_at_its_deadline_costs_the_check_and_not_the_mark),
        TEST (answers_that_come_twice_change_nothing),
        TEST (a_commit_that_is_answered_late_is_doubtful_whatever_it_says),
        TEST (a_fence_that_fell_makes_the_mark_doubtful),
        TEST (a_mark_that_sql_server_dropped_is_unproven),
        TEST (a_mark_that_one_instance_lacks_is_torn),
        TEST (an_instance_that_cannot_be_asked_leaves_the_mark_unknown),
        TEST (an_agent_that_was_restarted_in_the_round_vouches_for_nothing),
    };
    bm_log_open ("test", BM_LOG_ERROR);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
