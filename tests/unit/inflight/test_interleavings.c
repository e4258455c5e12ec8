/*  tests/unit/inflight/test_interleavings.c
 *  The in-flight check, searched exhaustively: two instances A and B, one round, one distributed transaction T with a
 *  branch on each. A sample is two reads, and a count may move after its log record. Every order of events is walked in
 *  which T straddles the mark (it ended before it on one instance and after it on the other), with the samples that our
 *  agent would take (agent/core/branch) and our coordinator's judgement of them (coordinator/core/inflight): one that
 *  finds nothing in such an order is a missed straddler.
 *
 *  Order that always holds:
 *    round   L1 of both instances, both reads, before any COMMIT; L2 of an instance after its own COMMIT
 *    T       prepare on both < decide < end on both; on each: prepare < its count, end < its count < gone from the list
 *  When a count moves: at once with the log record; early: before the vote leaves; late: whenever.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "agent/core/branch.h"
#include "common/error.h"
#include "coordinator/core/inflight.h"

enum {
    PREPARE,
    PREPARE_COUNTED,
    END,
    END_COUNTED,
    GONE,
    COMMIT,
    COUNTS1,
    LIST1,
    COUNTS2,
    LIST2,
    OF_INSTANCE,
    DECIDE = 2 * OF_INSTANCE,
    EVENTS
};
#define BIT(event)    (1u << (event))
#define ON(i, event)  ((i)*OF_INSTANCE + (event))
#define DONE(s, i, e) (((s)->done & BIT (ON (i, e))) != 0)

typedef enum { AT_ONCE, EARLY, LATE } count_moves_t;

/*  What the agent does: ours, or a twin's. */
typedef struct {
    const bm_read_t *before, *after;
    bool (*in_flight) (int32_t transaction_state, int32_t database_state);
} rule_t;

/*  Values that a read gave, small enough to tell states apart: a count of T alone is 0 or 1. */
typedef struct {
    uint32_t done;
    uint8_t prepares[2][2], commits[2][2], listed[2][2]; /* [instance][sample] */
    uint8_t ended_before[2];
} state_t;

typedef struct {
    rule_t rule;
    count_moves_t moves;
    uint32_t needs[EVENTS];
    state_t *states;
    size_t count, room;
    uint32_t *slots; /* hash table: index + 1 */
    size_t slot_count;
    size_t finished, straddled;
} search_t;

static void
s_after (search_t *search, int event, int needed)
{
    search->needs[event] |= BIT (needed);
}

static void
s_order_sample (search_t *search, int i, const bm_read_t *order, int counts, int list)
{
    int first = order[0] == BM_READ_COUNTS ? counts : list;
    int second = order[1] == BM_READ_COUNTS ? counts : list;
    s_after (search, ON (i, second), ON (i, first));
    if (counts == COUNTS2)
        s_after (search, ON (i, first), ON (i, COMMIT));
    else
        for (int j = 0; j < 2; j++)
            s_after (search, ON (j, COMMIT), ON (i, second));
}

static void
s_order (search_t *search)
{
    for (int i = 0; i < 2; i++) {
        s_order_sample (search, i, search->rule.before, COUNTS1, LIST1);
        s_order_sample (search, i, search->rule.after, COUNTS2, LIST2);
        s_after (search, ON (i, PREPARE_COUNTED), ON (i, PREPARE));
        s_after (search, DECIDE, ON (i, PREPARE));
        s_after (search, ON (i, END), DECIDE);
        s_after (search, ON (i, END_COUNTED), ON (i, END));
        s_after (search, ON (i, GONE), ON (i, END_COUNTED));
        if (search->moves == EARLY)
            s_after (search, DECIDE, ON (i, PREPARE_COUNTED));
    }
}

/* ---- what a sample sees ------------------------------------------------------------------------------------------ */

static void
s_read_counts (const search_t *search, state_t *state, int i, int sample)
{
    bool at_once = search->moves == AT_ONCE;
    state->prepares[i][sample] = DONE (state, i, at_once ? PREPARE : PREPARE_COUNTED);
    state->commits[i][sample] = DONE (state, i, at_once ? END : END_COUNTED);
}

/*  The states as the two views would give them: active, prepared, committed and still listed. */
static void
s_read_list (const search_t *search, state_t *state, int i, int sample)
{
    int32_t transaction = 2, database = 4;
    if (DONE (state, i, END)) {
        transaction = 6;
        database = 10;
    } else if (DONE (state, i, PREPARE))
        transaction = database = 5;
    state->listed[i][sample] =
        !DONE (state, i, GONE) && search->rule.in_flight (transaction, database);
}

static bm_inflight_sample_t
s_sample (const state_t *state, int i, int sample)
{
    static const bm_inflight_branch_t branch = {.unit_of_work = "T"};
    return (bm_inflight_sample_t){.ran = true,
                                  .prepares = state->prepares[i][sample],
                                  .commits = state->commits[i][sample],
                                  .branches = &branch,
                                  .branch_count = state->listed[i][sample]};
}

/*  Whether the coordinator finds nothing on either instance. */
static bool
s_innocent (const state_t *state)
{
    for (int i = 0; i < 2; i++) {
        bm_inflight_sample_t before = s_sample (state, i, 0), after = s_sample (state, i, 1);
        if (bm_inflight_compare (&before, &after))
            return false;
    }
    return true;
}

/* ---- the walk ---------------------------------------------------------------------------------------------------- */

static uint64_t
s_hash (const state_t *state)
{
    const unsigned char *bytes = (const unsigned char *)state;
    uint64_t hash = 1469598103934665603u;
    for (size_t i = 0; i < sizeof *state; i++)
        hash = (hash ^ bytes[i]) * 1099511628211u;
    return hash;
}

static void
s_grow (search_t *search)
{
    search->slot_count = search->slot_count ? search->slot_count * 4 : 1 << 16;
    free (search->slots);
    search->slots = bm_alloc (search->slot_count * sizeof *search->slots);
    for (size_t k = 0; k < search->count; k++) {
        size_t at = s_hash (&search->states[k]) % search->slot_count;
        while (search->slots[at])
            at = (at + 1) % search->slot_count;
        search->slots[at] = (uint32_t)k + 1;
    }
}

static void
s_add (search_t *search, const state_t *state)
{
    if (search->count * 2 >= search->slot_count)
        s_grow (search);
    size_t at = s_hash (state) % search->slot_count;
    for (; search->slots[at]; at = (at + 1) % search->slot_count)
        if (memcmp (&search->states[search->slots[at] - 1], state, sizeof *state) == 0)
            return;
    if (search->count == search->room) {
        search->room = search->room ? search->room * 2 : 1 << 14;
        search->states = bm_realloc (search->states, search->room * sizeof *search->states);
    }
    search->states[search->count++] = *state;
    search->slots[at] = (uint32_t)search->count;
}

static state_t
s_take (const search_t *search, const state_t *from, int event)
{
    state_t to = *from;
    if (event != DECIDE) {
        int i = event / OF_INSTANCE;
        switch (event % OF_INSTANCE) {
            case COUNTS1:
            case COUNTS2:
                s_read_counts (search, &to, i, event % OF_INSTANCE == COUNTS2);
                break;
            case LIST1:
            case LIST2:
                s_read_list (search, &to, i, event % OF_INSTANCE == LIST2);
                break;
            case END:
                to.ended_before[i] = !DONE (from, i, COMMIT);
                break;
            default:
                break;
        }
    }
    to.done |= BIT (event);
    return to;
}

/*  True when an order of events was found in which T straddles and nobody speaks up. */
static bool
s_misses (rule_t rule, count_moves_t moves)
{
    search_t search = {.rule = rule, .moves = moves};
    bool missed = false;
    state_t start;
    memset (&start, 0, sizeof start);
    s_order (&search);
    s_add (&search, &start);
    for (size_t k = 0; k < search.count && !missed; k++) {
        state_t state = search.states[k];
        if (state.done == BIT (EVENTS) - 1) {
            bool straddles = state.ended_before[0] != state.ended_before[1];
            search.finished++;
            search.straddled += straddles;
            missed = straddles && s_innocent (&state);
            continue;
        }
        for (int event = 0; event < EVENTS; event++)
            if (!(state.done & BIT (event)) && !(search.needs[event] & ~state.done)) {
                state_t next = s_take (&search, &state, event);
                s_add (&search, &next);
            }
    }
    /*  A search that never saw a straddler proves nothing. */
    assert_true (missed || (search.finished > 100 && search.straddled > 10));
    free (search.states);
    free (search.slots);
    return missed;
}

/* ---- the promises ------------------------------------------------------------------------------------------------ */

/*  A twin's: what is committed counts no more, although its count may still have to move. */
static bool
s_committed_does_not_count (int32_t transaction_state, int32_t database_state)
{
    return transaction_state != 6 && bm_branch_in_flight (transaction_state, database_state);
}

static const bm_read_t s_counts_first[BM_READS] = {BM_READ_COUNTS, BM_READ_LIST};
static const bm_read_t s_list_first[BM_READS] = {BM_READ_LIST, BM_READ_COUNTS};

static void
our_rule_misses_no_straddler_however_late_the_counts_move (void **state)
{
    (void)state;
    rule_t ours = {bm_reads_before, bm_reads_after, bm_branch_in_flight};
    assert_false (s_misses (ours, AT_ONCE));
    assert_false (s_misses (ours, EARLY));
    assert_false (s_misses (ours, LATE));
}

/*  The twins: every other rule, and where exactly it misses one. */
static void
other_orders_of_reading_and_a_committed_branch_that_does_not_count_miss_some (void **state)
{
    (void)state;
    static const struct {
        bool committed_counts, l1_counts_first, l2_list_first;
        bool misses[3]; /* at once, early, late */
    } rules[] = {
        {false, true, true, {false, false, true}},  {false, true, false, {false, false, true}},
        {false, false, true, {false, true, true}},  {false, false, false, {true, true, true}},
        {true, true, true, {false, false, false}},  {true, true, false, {false, false, true}},
        {true, false, true, {false, false, false}}, {true, false, false, {true, true, true}},
    };
    for (size_t k = 0; k < sizeof rules / sizeof *rules; k++) {
        rule_t rule = {.before = rules[k].l1_counts_first ? s_counts_first : s_list_first,
                       .after = rules[k].l2_list_first ? s_list_first : s_counts_first,
                       .in_flight = rules[k].committed_counts ? bm_branch_in_flight
                                                              : s_committed_does_not_count};
        for (int moves = AT_ONCE; moves <= LATE; moves++)
            if (s_misses (rule, (count_moves_t)moves) != rules[k].misses[moves])
                fail_msg ("rule %zu, counts %d: %s expected", k, moves,
                          rules[k].misses[moves] ? "a missed straddler" : "none");
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (our_rule_misses_no_straddler_however_late_the_counts_move),
        cmocka_unit_test (
            other_orders_of_reading_and_a_committed_branch_that_does_not_count_miss_some),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
