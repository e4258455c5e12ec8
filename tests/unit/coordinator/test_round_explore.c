/*  tests/unit/coordinator/test_round_explore.c
 *  Every order of answers, losses, refusals, time-outs and a lost lock over a round of two instances, with the real core:
 *  each reachable state is visited once, and each step is held against what may be believed (I8, I9). The instances
 *  differ, to keep the number of states small: only the first tells the rarer things (a missing second sample, a commit
 *  answered late or as unknown, a refusal after COMMIT, a mark that was dropped), only the second may have no tracking.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "coordinator/core/round.h"

#define INSTANCES 2
#define MOVES     64      /* of one state */
#define DEPTH     48      /* of one path */
#define STATES    1000003 /* room */
#define STACK     8192

/*  What the world did so far, beside the core's own memory. */
typedef struct {
    bool journaled;
    bool trouble; /* lock or an agent was lost, or somebody said no, before COMMIT */
    bool fenced[INSTANCES];
    bool marked[INSTANCES];
    bool tracking[INSTANCES];
    bool done[INSTANCES];            /* COMMIT answered as done */
    bool done_at_release[INSTANCES]; /* ... when the first fence was told to go */
    bool stood[INSTANCES];
    bool fences_over;
    bool committed;
    bool finished;
} s_world_t;

typedef struct {
    bm_event_t path[DEPTH];
    uint8_t length;
} s_node_t;

typedef struct {
    bm_round_t *round;
    bm_actions_t *out;
    s_world_t world;
    int64_t now_ms;
} s_run_t;

static void
s_check_actions (s_run_t *run)
{
    s_world_t *world = &run->world;
    for (size_t at = 0; at < run->out->count; at++) {
        const bm_action_t *action = &run->out->list[at];
        assert_false (world->finished);
        switch (action->kind) {
            case BM_ACTION_SEND_MARK:
                for (size_t i = 0; i < INSTANCES; i++)
                    assert_true (world->fenced[i] || !world->tracking[i]);
                break;
            case BM_ACTION_SEND_COMMIT:
                /*  I9, and nothing is committed that anything speaks against */
                assert_true (world->journaled);
                assert_false (world->trouble);
                for (size_t i = 0; i < INSTANCES; i++)
                    assert_true (world->marked[i]);
                world->committed = true;
                break;
            case BM_ACTION_SEND_ABORT:
                assert_false (world->committed);
                break;
            case BM_ACTION_SEND_RELEASE:
            case BM_ACTION_SEND_PROVE:
                if (!world->fences_over)
                    memcpy (world->done_at_release, world->done, sizeof world->done);
                world->fences_over = true;
                break;
            case BM_ACTION_FINISH:
                world->finished = true;
                break;
            default:
                break;
        }
    }
}

static void
s_note_event (s_run_t *run, const bm_event_t *event)
{
    s_world_t *world = &run->world;
    size_t i = event->instance;
    switch (event->kind) {
        case BM_EVENT_VOTED:
            world->tracking[i] = event->has_tracking;
            world->trouble = world->trouble || !event->ok;
            break;
        case BM_EVENT_FENCED:
            world->fenced[i] = event->ok;
            world->trouble = world->trouble || !event->ok;
            break;
        case BM_EVENT_MARKED:
            world->marked[i] = event->ok;
            world->trouble = world->trouble || !event->ok;
            break;
        case BM_EVENT_JOURNALED:
            world->journaled = event->ok;
            break;
        case BM_EVENT_COMMITTED:
            world->done[i] = event->commit == BM_COMMIT_DONE;
            break;
        case BM_EVENT_RELEASED:
            world->stood[i] = event->ok;
            break;
        case BM_EVENT_AGENT_LOST:
        case BM_EVENT_LOCK_LOST:
        case BM_EVENT_REFUSED:
            world->trouble = !world->committed;
            break;
        default:
            break;
    }
}

/*  The outcome against everything that was said. */
static void
s_check_outcome (const s_run_t *run)
{
    const s_world_t *world = &run->world;
    bm_outcome_t outcome = bm_round_result (run->round)->outcome;
    bool all_in = true;
    bool any_in = false;
    bool all_absent = true;
    bool certainly_absent = false;
    bool vouched = true;
    bool fenced = world->tracking[0] || world->tracking[1];
    for (size_t i = 0; i < INSTANCES; i++) {
        const bm_proof_t *proof = &bm_round_instance (run->round, i)->proof;
        bool in = proof->in + proof->half > 0;
        all_in = all_in && proof->in == 2 && proof->half + proof->missing + proof->unasked == 0;
        any_in = any_in || in;
        all_absent = all_absent && proof->missing == 2 && !world->done[i];
        certainly_absent = certainly_absent || (proof->missing > 0 && !in && !world->done[i]);
        vouched = vouched && (!fenced || world->done_at_release[i]) &&
                  (!world->tracking[i] || world->stood[i]);
    }
    if (outcome == BM_OUTCOME_CLEAN || outcome == BM_OUTCOME_UNCHECKED)
        assert_true (world->committed && all_in && vouched);
    if (outcome == BM_OUTCOME_DOUBTFUL)
        assert_true (world->committed && all_in);
    if (outcome == BM_OUTCOME_NONE)
        assert_true (!world->committed || all_absent);
    if (outcome == BM_OUTCOME_TORN)
        assert_true (any_in && certainly_absent);
    if (all_in && vouched)
        assert_true (outcome >= BM_OUTCOME_DOUBTFUL);
}

static void
s_move (s_run_t *run, const bm_event_t *event)
{
    if (event->kind == BM_EVENT_TICK)
        run->now_ms = bm_round_deadline_ms (run->round);
    s_note_event (run, event);
    assert_int_equal (bm_round_step (run->round, event, run->now_ms, run->out, NULL), BM_OK);
    s_check_actions (run);
    if (run->world.finished && bm_round_state (run->round) == BM_ROUND_DONE)
        s_check_outcome (run);
}

static s_run_t
s_replay (const s_node_t *node)
{
    bm_round_config_t config;
    bm_round_config_default (&config, INSTANCES);
    config.lease_ms = BM_LIMIT_LEASE_MS;
    s_run_t run = {.round = bm_round_new (&config, NULL), .out = bm_actions_new (INSTANCES)};
    for (size_t at = 0; at < node->length; at++)
        s_move (&run, &node->path[at]);
    return run;
}

static void
s_close (s_run_t *run)
{
    bm_round_destroy (&run->round);
    bm_actions_destroy (&run->out);
}

/* ---- Moves ------------------------------------------------------------------------------------- */

typedef struct {
    bm_event_t list[MOVES];
    size_t count;
} s_moves_t;

static void
s_add (s_moves_t *moves, bm_event_t event)
{
    assert_true (moves->count < MOVES);
    moves->list[moves->count++] = event;
}

static void
s_add_yes_no (s_moves_t *moves, bm_event_kind_t kind, size_t i)
{
    s_add (moves, (bm_event_t){.kind = kind, .instance = i, .ok = true, .start_id = 1});
    s_add (moves, (bm_event_t){.kind = kind, .instance = i, .ok = false, .start_id = 1});
}

static void
s_add_commits (s_moves_t *moves, size_t i)
{
    s_add (moves,
           (bm_event_t){
               .kind = BM_EVENT_COMMITTED, .instance = i, .commit = BM_COMMIT_DONE, .ok = true});
    s_add (moves, (bm_event_t){
                      .kind = BM_EVENT_COMMITTED, .instance = i, .commit = BM_COMMIT_ROLLED_BACK});
    if (i > 0)
        return;
    s_add (moves,
           (bm_event_t){.kind = BM_EVENT_COMMITTED, .instance = i, .commit = BM_COMMIT_DONE});
    s_add (moves,
           (bm_event_t){.kind = BM_EVENT_COMMITTED, .instance = i, .commit = BM_COMMIT_UNKNOWN});
}

/*  Only what can be true: a COMMIT that was answered is in the databases or not, as it was answered. */
static void
s_add_proofs (s_moves_t *moves, size_t i, bm_commit_answer_t commit)
{
    const bm_proof_t proofs[] = {
        {.in = 2}, {.missing = 2}, {.unasked = 2}, {.in = 1, .half = 1}, {.in = 1, .missing = 1}};
    for (size_t at = 0; at < (i ? 3 : 5); at++) {
        bool in = proofs[at].in > 0;
        if (in && commit == BM_COMMIT_ROLLED_BACK)
            continue;
        s_add (moves, (bm_event_t){.kind = BM_EVENT_PROVED, .instance = i, .proof = proofs[at]});
    }
}

static void
s_add_answers (s_moves_t *moves, const bm_round_t *round, size_t i)
{
    static const bm_action_kind_t orders[BM_ROUND_STATE_COUNT] = {
        [BM_ROUND_PREPARING] = BM_ACTION_SEND_PREPARE,
        [BM_ROUND_FENCING] = BM_ACTION_SEND_FENCE,
        [BM_ROUND_MARKING] = BM_ACTION_SEND_MARK,
        [BM_ROUND_SAMPLING] = BM_ACTION_SEND_SAMPLE,
        [BM_ROUND_COMMITTING] = BM_ACTION_SEND_COMMIT,
        [BM_ROUND_RELEASING] = BM_ACTION_SEND_RELEASE,
        [BM_ROUND_PROVING] = BM_ACTION_SEND_PROVE,
        [BM_ROUND_ABORTING] = BM_ACTION_SEND_ABORT};
    static const bm_event_kind_t answers[BM_ROUND_STATE_COUNT] = {
        [BM_ROUND_FENCING] = BM_EVENT_FENCED,
        [BM_ROUND_MARKING] = BM_EVENT_MARKED,
        [BM_ROUND_SAMPLING] = BM_EVENT_SAMPLED,
        [BM_ROUND_RELEASING] = BM_EVENT_RELEASED,
        [BM_ROUND_ABORTING] = BM_EVENT_ABORTED};
    const bm_round_instance_t *instance = bm_round_instance (round, i);
    bm_round_state_t state = bm_round_state (round);
    bool greeting = state == BM_ROUND_GREETING || (state == BM_ROUND_PROVING && instance->lost);
    if (greeting)
        s_add (moves, (bm_event_t){.kind = BM_EVENT_GREETED, .instance = i, .start_id = 1});
    else if (state == BM_ROUND_PREPARING) {
        s_add (moves, (bm_event_t){.kind = BM_EVENT_VOTED, .instance = i, .ok = i > 0});
        s_add (moves, (bm_event_t){
                          .kind = BM_EVENT_VOTED, .instance = i, .ok = true, .has_tracking = true});
    } else if (state == BM_ROUND_COMMITTING)
        s_add_commits (moves, i);
    else if (state == BM_ROUND_PROVING)
        s_add_proofs (moves, i, instance->commit);
    else if (state == BM_ROUND_SAMPLING && i > 0)
        s_add (moves, (bm_event_t){.kind = BM_EVENT_SAMPLED, .instance = i, .ok = true});
    else
        s_add_yes_no (moves, answers[state], i);
    if (i == 0 || state < BM_ROUND_COMMITTING)
        s_add (moves, (bm_event_t){.kind = BM_EVENT_REFUSED,
                                   .instance = i,
                                   .order = greeting ? BM_ACTION_SEND_GREET : orders[state]});
}

static void
s_list_moves (const s_run_t *run, s_moves_t *moves)
{
    const bm_round_t *round = run->round;
    bm_round_state_t state = bm_round_state (round);
    moves->count = 0;
    if (state == BM_ROUND_NEW)
        s_add (moves, (bm_event_t){.kind = BM_EVENT_START});
    if (state == BM_ROUND_INTENT)
        s_add_yes_no (moves, BM_EVENT_JOURNALED, 0);
    for (size_t i = 0; i < INSTANCES && state != BM_ROUND_NEW; i++) {
        const bm_round_instance_t *instance = bm_round_instance (round, i);
        if (instance->waiting)
            s_add_answers (moves, round, i);
        s_add (moves, (bm_event_t){.kind = BM_EVENT_AGENT_LOST, .instance = i});
        bool late = i == 0 && state > BM_ROUND_COMMITTING && instance->commit_sent &&
                    instance->commit == BM_COMMIT_UNASKED;
        if (late && instance->proof.in == 0)
            s_add (moves, (bm_event_t){.kind = BM_EVENT_COMMITTED,
                                       .instance = i,
                                       .commit = BM_COMMIT_ROLLED_BACK});
        if (late && instance->proof.missing < 2)
            s_add (moves, (bm_event_t){
                              .kind = BM_EVENT_COMMITTED, .instance = i, .commit = BM_COMMIT_DONE});
    }
    s_add (moves, (bm_event_t){.kind = BM_EVENT_LOCK_LOST});
    if (bm_round_deadline_ms (round) != INT64_MAX)
        s_add (moves, (bm_event_t){.kind = BM_EVENT_TICK});
}

/* ---- The search -------------------------------------------------------------------------------- */

static uint64_t
s_hash (uint64_t hash, const void *data, size_t size)
{
    const unsigned char *byte = data;
    for (size_t at = 0; at < size; at++)
        hash = (hash ^ byte[at]) * 0x100000001b3u;
    return hash ^ (hash >> 29);
}

static uint64_t
s_key (const s_run_t *run)
{
    bm_round_state_t state = bm_round_state (run->round);
    /*  who is to blame plays a part only while the round can be given up */
    bool blamed = !run->world.committed && bm_round_result (run->round)->cause.status != BM_OK;
    uint64_t hash = s_hash (0xcbf29ce484222325u, &state, sizeof state);
    hash = s_hash (hash, &blamed, sizeof blamed);
    hash = s_hash (hash, &run->world, sizeof run->world);
    for (size_t i = 0; i < INSTANCES; i++)
        hash = s_hash (hash, bm_round_instance (run->round, i), sizeof (bm_round_instance_t));
    return hash ? hash : 1;
}

static uint64_t *s_seen;

static bool
s_first_visit (uint64_t key)
{
    size_t at = key % STATES;
    while (s_seen[at] != 0 && s_seen[at] != key)
        at = (at + 1) % STATES;
    if (s_seen[at] == key)
        return false;
    s_seen[at] = key;
    return true;
}

/*  Left alone, with nothing but time passing, every round ends. */
static void
s_check_ends (const s_node_t *node)
{
    s_run_t run = s_replay (node);
    const bm_event_t start = {.kind = BM_EVENT_START};
    const bm_event_t tick = {.kind = BM_EVENT_TICK};
    if (bm_round_state (run.round) == BM_ROUND_NEW)
        s_move (&run, &start);
    for (int ticks = 0; ticks < 4 && bm_round_state (run.round) != BM_ROUND_DONE; ticks++)
        s_move (&run, &tick);
    assert_int_equal (bm_round_state (run.round), BM_ROUND_DONE);
    assert_true (run.world.finished);
    s_close (&run);
}

static void
no_order_of_events_breaks_what_the_round_promises (void **state)
{
    (void)state;
    s_seen = calloc (STATES, sizeof *s_seen);
    s_node_t *stack = calloc (STACK, sizeof *stack);
    assert_non_null (s_seen);
    assert_non_null (stack);
    size_t top = 1;
    size_t visited = 0;
    size_t outcomes[BM_OUTCOME_COUNT] = {0};
    static s_moves_t moves;
    while (top > 0) {
        s_node_t node = stack[--top];
        s_run_t run = s_replay (&node);
        visited++;
        s_list_moves (&run, &moves);
        s_close (&run);
        if (visited % 16 == 0)
            s_check_ends (&node);
        assert_true (node.length < DEPTH);
        for (size_t at = 0; at < moves.count; at++) {
            s_node_t next = node;
            next.path[next.length++] = moves.list[at];
            run = s_replay (&next);
            bool done = bm_round_state (run.round) == BM_ROUND_DONE;
            outcomes[bm_round_result (run.round)->outcome] += done;
            bool fresh = !done && s_first_visit (s_key (&run));
            s_close (&run);
            if (!fresh)
                continue;
            assert_true (top < STACK);
            stack[top++] = next;
        }
    }
    print_message ("%zu states\n", visited);
    /*  it went everywhere */
    for (int at = 0; at < BM_OUTCOME_COUNT; at++)
        assert_true (outcomes[at] > 0);
    assert_true (visited > 20000);
    free (stack);
    free (s_seen);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (no_order_of_events_breaks_what_the_round_promises),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
