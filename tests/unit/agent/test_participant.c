/*  tests/unit/agent/test_participant.c
 *  The promises of one instance's part in a round, and that every row of its table is taken by some test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "agent/core/participant.h"

#define START 77
#define TXN   4242
#define LEASE 10000

static uint32_t s_rows_taken[256];

typedef struct {
    bm_participant_t *self;
    bm_deeds_t out;
    int64_t now_ms;
    uint64_t operation_id;
    uint64_t epoch;
    uint32_t round;
    uint64_t group;
    size_t fences;
    bm_named_fence_t named[BM_PARTICIPANT_FENCES];
} s_fixture_t;

static s_fixture_t
s_open (size_t fences)
{
    s_fixture_t f = {.self = bm_participant_new (START),
                     .now_ms = 100,
                     .operation_id = 1,
                     .epoch = 5,
                     .round = 1,
                     .group = 1,
                     .fences = fences};
    for (size_t slot = 0; slot < BM_PARTICIPANT_FENCES; slot++) {
        f.named[slot].slot = slot;
        f.named[slot].identity = (bm_fence_identity_t){.start_id = START,
                                                       .transaction_id = 900 + (int64_t)slot,
                                                       .login_time = "2026-03-01 10:00:00"};
    }
    return f;
}

static void
s_shut (s_fixture_t *f)
{
    for (size_t row = 0; row < bm_participant_rows (); row++)
        s_rows_taken[row] += bm_participant_row_taken (f->self, row);
    bm_participant_destroy (&f->self);
    assert_null (f->self);
    bm_participant_destroy (&f->self);
}

static bm_order_t
s_make (s_fixture_t *f, bm_order_kind_t kind)
{
    bool names = kind == BM_ORDER_MARK || kind == BM_ORDER_COMMIT || kind == BM_ORDER_RELEASE;
    return (bm_order_t){.kind = kind,
                        .duties = BM_DUTY_STATUS | BM_DUTY_BACKUP,
                        .group = f->group,
                        .start_id = START,
                        .operation_id = f->operation_id++,
                        .epoch = f->epoch,
                        .round = f->round,
                        .expires_ms = f->now_ms + 5000,
                        .lease_ms = LEASE,
                        .fence_count = names || kind == BM_ORDER_FENCE ? f->fences : 0,
                        .fences = names ? f->named : NULL,
                        .transaction_id = kind == BM_ORDER_COMMIT ? TXN : 0};
}

static void
s_order (s_fixture_t *f, bm_order_kind_t kind)
{
    bm_order_t order = s_make (f, kind);
    bm_participant_order (f->self, &order, f->now_ms, &f->out);
}

static void
s_fact (s_fixture_t *f, bm_fact_t fact)
{
    bm_participant_fact (f->self, &fact, f->now_ms, &f->out);
}

static void
s_fence_fact (s_fixture_t *f, bm_fact_kind_t kind, size_t slot)
{
    bm_fact_t fact = {.kind = kind, .slot = slot, .fall = BM_FALL_EXPIRED};
    if (slot < BM_PARTICIPANT_FENCES)
        fact.identity = f->named[slot].identity;
    s_fact (f, fact);
}

static void
s_plain_fact (s_fixture_t *f, bm_fact_kind_t kind)
{
    s_fact (f, (bm_fact_t){.kind = kind, .transaction_id = TXN});
}

static void
s_answered (s_fixture_t *f, bm_committed_t commit)
{
    s_fact (f, (bm_fact_t){.kind = BM_FACT_COMMIT_ANSWERED, .commit = commit});
}

static void
s_at (const s_fixture_t *f, bm_participant_state_t state)
{
    assert_string_equal (bm_participant_state_name (bm_participant_state (f->self)),
                         bm_participant_state_name (state));
}

static const bm_deed_t *
s_find (const s_fixture_t *f, bm_deed_kind_t kind)
{
    for (size_t at = 0; at < f->out.count; at++)
        if (f->out.list[at].kind == kind)
            return &f->out.list[at];
    return NULL;
}

static const bm_deed_t *
s_did (const s_fixture_t *f, bm_deed_kind_t kind)
{
    const bm_deed_t *deed = s_find (f, kind);
    if (!deed)
        print_message ("no %s\n", bm_deed_name (kind));
    assert_non_null (deed);
    return deed;
}

static void
s_refused (const s_fixture_t *f, bm_refuse_t why)
{
    assert_string_equal (bm_refuse_name (s_did (f, BM_DEED_REFUSE)->why), bm_refuse_name (why));
    assert_int_equal (f->out.list[0].operation_id, f->operation_id - 1);
}

/*  A good round up to `state`; without fences FENCING and FENCED are not there. */
static s_fixture_t
s_reach (bm_participant_state_t state, size_t fences)
{
    s_fixture_t f = s_open (fences);
    if (fences > 0 && state > BM_PARTICIPANT_IDLE)
        s_order (&f, BM_ORDER_FENCE);
    for (size_t slot = 0; slot < fences && state > BM_PARTICIPANT_FENCING; slot++)
        s_fence_fact (&f, BM_FACT_FENCE_TAKEN, slot);
    if (state > BM_PARTICIPANT_FENCED)
        s_order (&f, BM_ORDER_MARK);
    if (state > BM_PARTICIPANT_MARKING)
        s_plain_fact (&f, BM_FACT_MARK_OPEN);
    if (state > BM_PARTICIPANT_MARKED && state != BM_PARTICIPANT_ENDING)
        s_order (&f, BM_ORDER_COMMIT);
    if (state == BM_PARTICIPANT_COMMITTED)
        s_answered (&f, BM_COMMITTED_DONE);
    if (state == BM_PARTICIPANT_ENDING)
        s_order (&f, BM_ORDER_ABORT);
    s_at (&f, state);
    return f;
}

/*  Brings a state with an open end to IDLE: what is held ends as it was told to. */
static void
s_let_end (s_fixture_t *f)
{
    s_plain_fact (f, BM_FACT_MARK_GONE);
    for (size_t slot = 0; slot < f->fences; slot++)
        s_fence_fact (f, BM_FACT_FENCE_ENDED, slot);
    s_at (f, BM_PARTICIPANT_IDLE);
}

/* ---- The good round ---------------------------------------------------------------------------- */

static void
a_good_round_fences_marks_commits_and_releases (void **state)
{
    (void)state;
    s_fixture_t f = s_open (2);
    s_order (&f, BM_ORDER_FENCE);
    assert_int_equal (f.out.count, 2);
    assert_int_equal (s_did (&f, BM_DEED_START_FENCE)->lease_ms, LEASE);
    s_fence_fact (&f, BM_FACT_FENCE_TAKEN, 1);
    assert_int_equal (f.out.count, 0);
    s_fence_fact (&f, BM_FACT_FENCE_TAKEN, 0);
    assert_true (s_did (&f, BM_DEED_ANSWER_FENCED)->ok);
    assert_int_equal (s_did (&f, BM_DEED_ANSWER_FENCED)->operation_id, 1);
    assert_int_equal (bm_participant_fence (f.self, 1)->identity.transaction_id, 901);
    s_order (&f, BM_ORDER_MARK);
    s_did (&f, BM_DEED_START_MARK);
    s_plain_fact (&f, BM_FACT_MARK_OPEN);
    assert_int_equal (s_did (&f, BM_DEED_ANSWER_MARKED)->transaction_id, TXN);
    s_order (&f, BM_ORDER_SAMPLE);
    s_did (&f, BM_DEED_SAMPLE);
    s_order (&f, BM_ORDER_COMMIT);
    assert_int_equal (s_did (&f, BM_DEED_COMMIT)->transaction_id, TXN);
    assert_true (bm_participant_due_ms (f.self) == INT64_MAX);
    s_answered (&f, BM_COMMITTED_DONE);
    assert_int_equal (s_did (&f, BM_DEED_ANSWER_COMMITTED)->commit, BM_COMMITTED_DONE);
    /*  fences stand until the coordinator says so */
    assert_null (s_find (&f, BM_DEED_END_FENCE));
    s_order (&f, BM_ORDER_RELEASE);
    assert_int_equal (f.out.count, 2);
    f.now_ms += 40;
    s_fence_fact (&f, BM_FACT_FENCE_ENDED, 0);
    assert_int_equal (f.out.count, 0);
    s_fence_fact (&f, BM_FACT_FENCE_ENDED, 1);
    assert_int_equal (s_did (&f, BM_DEED_ANSWER_RELEASED)->operation_id, f.operation_id - 1);
    s_at (&f, BM_PARTICIPANT_IDLE);
    int64_t held_ms = 0;
    const char *why_not = NULL;
    assert_true (bm_participant_stood (f.self, &f.named[0], &why_not, &held_ms));
    assert_int_equal (held_ms, 40);
    assert_true (bm_participant_stood (f.self, &f.named[1], NULL, NULL));
    s_order (&f, BM_ORDER_PROVE);
    assert_false (s_did (&f, BM_DEED_PROVE)->unsettled);
    s_shut (&f);
}

static void
an_instance_without_tracking_is_marked_without_a_fence_and_free_after_commit (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_PARTICIPANT_MARKED, 0);
    s_order (&f, BM_ORDER_COMMIT);
    s_answered (&f, BM_COMMITTED_DONE);
    s_did (&f, BM_DEED_ANSWER_COMMITTED);
    s_at (&f, BM_PARTICIPANT_IDLE);
    assert_false (bm_participant_busy (f.self, NULL, NULL));
    s_shut (&f);
}

/* ---- Leases and identities --------------------------------------------------------------------- */

static void
the_mark_is_rolled_back_when_its_lease_ends_before_commit (void **state)
{
    (void)state;
    for (int at = BM_PARTICIPANT_MARKING; at <= BM_PARTICIPANT_MARKED; at++) {
        s_fixture_t f = s_reach ((bm_participant_state_t)at, 1);
        assert_int_equal (bm_participant_due_ms (f.self), f.now_ms + LEASE);
        f.now_ms += LEASE - 1;
        s_plain_fact (&f, BM_FACT_TICK);
        assert_int_equal (f.out.count, 0);
        f.now_ms += 1;
        s_plain_fact (&f, BM_FACT_TICK);
        s_did (&f, BM_DEED_ROLLBACK);
        s_did (&f, BM_DEED_END_FENCE);
        if (at == BM_PARTICIPANT_MARKING)
            assert_int_equal (s_did (&f, BM_DEED_ANSWER_MARKED)->status, BM_MARK_EXPIRED);
        s_at (&f, BM_PARTICIPANT_ENDING);
        s_order (&f, BM_ORDER_COMMIT);
        s_refused (&f, BM_REFUSE_OUT_OF_ORDER);
        s_let_end (&f);
        s_shut (&f);
    }
}

static void
a_commit_that_comes_with_the_end_of_the_lease_is_too_late (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_PARTICIPANT_MARKED, 0);
    f.now_ms += LEASE;
    s_order (&f, BM_ORDER_COMMIT);
    assert_null (s_find (&f, BM_DEED_COMMIT));
    s_did (&f, BM_DEED_ROLLBACK);
    s_did (&f, BM_DEED_REFUSE);
    s_let_end (&f);
    s_shut (&f);
}

static void
after_commit_was_sent_the_lease_rolls_nothing_back (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_PARTICIPANT_COMMITTING, 1);
    f.now_ms += 10 * LEASE;
    s_plain_fact (&f, BM_FACT_TICK);
    assert_int_equal (f.out.count, 0);
    s_at (&f, BM_PARTICIPANT_COMMITTING);
    s_shut (&f);
}

static void
mark_is_refused_when_it_names_other_fences (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_PARTICIPANT_FENCED, 2);
    bm_order_t order = s_make (&f, BM_ORDER_MARK);
    order.fence_count = 1;
    bm_participant_order (f.self, &order, f.now_ms, &f.out);
    s_refused (&f, BM_REFUSE_OUT_OF_ORDER);
    bm_fence_identity_t good = f.named[1].identity;
    f.named[1].identity.transaction_id++;
    s_order (&f, BM_ORDER_MARK);
    s_refused (&f, BM_REFUSE_OUT_OF_ORDER);
    f.named[1].identity = good;
    f.named[1].identity.start_id++;
    s_order (&f, BM_ORDER_MARK);
    s_refused (&f, BM_REFUSE_OUT_OF_ORDER);
    f.named[1].identity = good;
    f.named[1].identity.login_time[0] = '1';
    s_order (&f, BM_ORDER_MARK);
    s_refused (&f, BM_REFUSE_OUT_OF_ORDER);
    f.named[1].identity = good;
    f.named[1].slot = 0;
    s_order (&f, BM_ORDER_MARK);
    s_refused (&f, BM_REFUSE_OUT_OF_ORDER);
    f.named[1].slot = 1;
    s_order (&f, BM_ORDER_MARK);
    s_at (&f, BM_PARTICIPANT_MARKING);
    s_shut (&f);

    /*  an instance that holds none has no business with fences that somebody names */
    f = s_open (1);
    s_order (&f, BM_ORDER_MARK);
    s_refused (&f, BM_REFUSE_OUT_OF_ORDER);
    s_shut (&f);
}

static void
mark_is_refused_when_a_fence_fell (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_PARTICIPANT_FENCED, 2);
    s_fence_fact (&f, BM_FACT_FENCE_FELL, 0);
    s_at (&f, BM_PARTICIPANT_FENCED);
    s_order (&f, BM_ORDER_MARK);
    s_refused (&f, BM_REFUSE_OUT_OF_ORDER);
    s_fence_fact (&f, BM_FACT_FENCE_FELL, 1);
    s_at (&f, BM_PARTICIPANT_IDLE);
    s_shut (&f);
}

static void
commit_is_refused_for_another_transaction_or_other_fences (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_PARTICIPANT_MARKED, 1);
    bm_order_t order = s_make (&f, BM_ORDER_COMMIT);
    order.transaction_id++;
    bm_participant_order (f.self, &order, f.now_ms, &f.out);
    s_refused (&f, BM_REFUSE_OUT_OF_ORDER);
    order = s_make (&f, BM_ORDER_COMMIT);
    order.fence_count = 0;
    bm_participant_order (f.self, &order, f.now_ms, &f.out);
    s_refused (&f, BM_REFUSE_OUT_OF_ORDER);
    s_at (&f, BM_PARTICIPANT_MARKED);
    s_shut (&f);
}

static void
a_fence_that_fell_does_not_tear_the_mark_but_release_says_so (void **state)
{
    (void)state;
    const bm_fall_t falls[] = {BM_FALL_EXPIRED, BM_FALL_LOST};
    for (size_t at = 0; at < 2; at++) {
        s_fixture_t f = s_reach (BM_PARTICIPANT_MARKED, 2);
        s_fact (&f, (bm_fact_t){.kind = BM_FACT_FENCE_FELL, .slot = 0, .fall = falls[at]});
        s_order (&f, BM_ORDER_COMMIT);
        s_at (&f, BM_PARTICIPANT_COMMITTING);
        s_answered (&f, BM_COMMITTED_DONE);
        s_order (&f, BM_ORDER_RELEASE);
        s_fence_fact (&f, BM_FACT_FENCE_ENDED, 1);
        s_did (&f, BM_DEED_ANSWER_RELEASED);
        const char *why_not = NULL;
        assert_false (bm_participant_stood (f.self, &f.named[0], &why_not, NULL));
        assert_true (strlen (why_not) > 10);
        assert_true (bm_participant_stood (f.self, &f.named[1], NULL, NULL));
        s_shut (&f);
    }
}

static void
nobody_vouches_for_a_fence_of_another_start_or_slot (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_PARTICIPANT_COMMITTED, 1);
    const char *why_not = NULL;
    assert_false (bm_participant_stood (f.self, &f.named[0], &why_not, NULL));
    s_order (&f, BM_ORDER_RELEASE);
    assert_false (bm_participant_stood (f.self, &f.named[0], &why_not, NULL));
    s_fence_fact (&f, BM_FACT_FENCE_ENDED, 0);
    bm_named_fence_t other = f.named[0];
    other.identity.start_id = START + 1;
    assert_false (bm_participant_stood (f.self, &other, &why_not, NULL));
    other = f.named[0];
    other.slot = SIZE_MAX;
    assert_false (bm_participant_stood (f.self, &other, &why_not, NULL));
    assert_string_equal (why_not, "this agent does not hold that fence");
    s_shut (&f);
    /*  a fresh start holds nothing and says so */
    f = s_open (1);
    s_order (&f, BM_ORDER_RELEASE);
    s_did (&f, BM_DEED_ANSWER_RELEASED);
    assert_false (bm_participant_stood (f.self, &f.named[0], NULL, NULL));
    s_shut (&f);
}

/* ---- Failures ---------------------------------------------------------------------------------- */

static void
a_fence_that_cannot_be_taken_ends_the_others (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_PARTICIPANT_FENCING, 3);
    s_fence_fact (&f, BM_FACT_FENCE_TAKEN, 0);
    s_fact (&f, (bm_fact_t){.kind = BM_FACT_FENCE_FELL,
                            .slot = 1,
                            .fall = BM_FALL_FAILED,
                            .status = BM_SQL_TIMEOUT});
    const bm_deed_t *deed = s_did (&f, BM_DEED_ANSWER_FENCED);
    assert_false (deed->ok);
    assert_int_equal (deed->status, BM_SQL_TIMEOUT);
    s_did (&f, BM_DEED_END_FENCE);
    s_at (&f, BM_PARTICIPANT_ENDING);
    /*  the third one was being taken: it may stand for a moment, or fail */
    s_fence_fact (&f, BM_FACT_FENCE_TAKEN, 2);
    s_fence_fact (&f, BM_FACT_FENCE_ENDED, 2);
    s_order (&f, BM_ORDER_ABORT);
    assert_int_equal (f.out.count, 0);
    s_fence_fact (&f, BM_FACT_FENCE_ENDED, 0);
    assert_true (s_did (&f, BM_DEED_ANSWER_ABORTED)->ok);
    s_at (&f, BM_PARTICIPANT_IDLE);
    assert_int_equal (bm_participant_fence (f.self, 1)->state, BM_FENCE_FAILED);
    s_shut (&f);
}

static void
a_fence_ended_before_it_was_taken_never_stood (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_PARTICIPANT_FENCING, 1);
    s_order (&f, BM_ORDER_RELEASE);
    s_fence_fact (&f, BM_FACT_FENCE_ENDED, 0);
    s_did (&f, BM_DEED_ANSWER_RELEASED);
    assert_int_equal (bm_participant_fence (f.self, 0)->state, BM_FENCE_FAILED);
    s_at (&f, BM_PARTICIPANT_IDLE);
    s_shut (&f);
}

static void
a_mark_that_cannot_be_opened_ends_the_fences (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_PARTICIPANT_MARKING, 1);
    s_plain_fact (&f, BM_FACT_MARK_GONE);
    assert_false (s_did (&f, BM_DEED_ANSWER_MARKED)->ok);
    assert_int_equal (s_did (&f, BM_DEED_ANSWER_MARKED)->status, BM_MARK_REFUSED);
    s_did (&f, BM_DEED_END_FENCE);
    s_fence_fact (&f, BM_FACT_FENCE_ENDED, 0);
    s_at (&f, BM_PARTICIPANT_IDLE);
    s_order (&f, BM_ORDER_ABORT);
    assert_true (s_did (&f, BM_DEED_ANSWER_ABORTED)->ok);
    s_shut (&f);
    /*  lost while open */
    f = s_reach (BM_PARTICIPANT_MARKED, 0);
    s_plain_fact (&f, BM_FACT_MARK_GONE);
    s_at (&f, BM_PARTICIPANT_IDLE);
    s_order (&f, BM_ORDER_COMMIT);
    s_refused (&f, BM_REFUSE_OUT_OF_ORDER);
    s_shut (&f);
}

static void
a_session_lost_while_it_commits_is_unknown (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_PARTICIPANT_COMMITTING, 1);
    s_plain_fact (&f, BM_FACT_MARK_GONE);
    assert_int_equal (s_did (&f, BM_DEED_ANSWER_COMMITTED)->commit, BM_COMMITTED_UNKNOWN);
    s_shut (&f);
    f = s_reach (BM_PARTICIPANT_COMMITTING, 1);
    s_fact (&f, (bm_fact_t){.kind = BM_FACT_COMMIT_ANSWERED,
                            .commit = BM_COMMITTED_ROLLED_BACK,
                            .status = BM_SQL_FAILED});
    assert_int_equal (s_did (&f, BM_DEED_ANSWER_COMMITTED)->status, BM_SQL_FAILED);
    s_shut (&f);
}

/* ---- Abort, release, prove at any time --------------------------------------------------------- */

static void
abort_lets_everything_go_before_commit_and_is_refused_after (void **state)
{
    (void)state;
    for (int at = BM_PARTICIPANT_IDLE; at <= BM_PARTICIPANT_COMMITTED; at++) {
        s_fixture_t f = s_reach ((bm_participant_state_t)at, 1);
        s_order (&f, BM_ORDER_ABORT);
        if (at >= BM_PARTICIPANT_COMMITTING) {
            s_refused (&f, BM_REFUSE_OUT_OF_ORDER);
            s_at (&f, (bm_participant_state_t)at);
        } else if (at == BM_PARTICIPANT_IDLE)
            assert_true (s_did (&f, BM_DEED_ANSWER_ABORTED)->ok);
        else {
            s_at (&f, BM_PARTICIPANT_ENDING);
            assert_null (s_find (&f, BM_DEED_ANSWER_ABORTED));
            s_let_end (&f);
            assert_true (s_did (&f, BM_DEED_ANSWER_ABORTED)->ok);
        }
        s_shut (&f);
    }
}

static void
release_before_commit_rolls_the_mark_back_too (void **state)
{
    (void)state;
    for (int at = BM_PARTICIPANT_FENCING; at <= BM_PARTICIPANT_COMMITTED; at++) {
        s_fixture_t f = s_reach ((bm_participant_state_t)at, 1);
        s_order (&f, BM_ORDER_RELEASE);
        bool open = at == BM_PARTICIPANT_MARKING || at == BM_PARTICIPANT_MARKED;
        assert_int_equal (s_find (&f, BM_DEED_ROLLBACK) != NULL, open);
        s_did (&f, BM_DEED_END_FENCE);
        s_fence_fact (&f, BM_FACT_FENCE_ENDED, 0);
        if (open)
            s_plain_fact (&f, BM_FACT_MARK_GONE);
        s_did (&f, BM_DEED_ANSWER_RELEASED);
        s_shut (&f);
    }
}

static void
release_while_commit_runs_lets_the_fences_go_and_the_commit_on (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_PARTICIPANT_COMMITTING, 2);
    s_order (&f, BM_ORDER_RELEASE);
    s_fence_fact (&f, BM_FACT_FENCE_ENDED, 0);
    s_fence_fact (&f, BM_FACT_FENCE_ENDED, 1);
    s_did (&f, BM_DEED_ANSWER_RELEASED);
    s_at (&f, BM_PARTICIPANT_COMMITTING);
    /*  a second RELEASE is answered at once: nothing is held but the commit */
    s_order (&f, BM_ORDER_RELEASE);
    s_did (&f, BM_DEED_ANSWER_RELEASED);
    s_order (&f, BM_ORDER_PROVE);
    assert_true (s_did (&f, BM_DEED_PROVE)->unsettled);
    s_answered (&f, BM_COMMITTED_DONE);
    s_at (&f, BM_PARTICIPANT_IDLE);
    s_order (&f, BM_ORDER_PROVE);
    assert_false (s_did (&f, BM_DEED_PROVE)->unsettled);
    s_shut (&f);
    /*  answered while the fences are still ending */
    f = s_reach (BM_PARTICIPANT_COMMITTING, 2);
    s_order (&f, BM_ORDER_RELEASE);
    s_fence_fact (&f, BM_FACT_FENCE_ENDED, 0);
    s_answered (&f, BM_COMMITTED_DONE);
    s_at (&f, BM_PARTICIPANT_COMMITTED);
    s_fence_fact (&f, BM_FACT_FENCE_ENDED, 1);
    s_did (&f, BM_DEED_ANSWER_RELEASED);
    s_at (&f, BM_PARTICIPANT_IDLE);
    s_shut (&f);
}

static void
prove_finds_no_open_mark_behind_it (void **state)
{
    (void)state;
    for (int at = BM_PARTICIPANT_FENCING; at <= BM_PARTICIPANT_COMMITTED; at++) {
        s_fixture_t f = s_reach ((bm_participant_state_t)at, 1);
        s_order (&f, BM_ORDER_PROVE);
        uint64_t operation_id = f.operation_id - 1;
        if (at == BM_PARTICIPANT_MARKING || at == BM_PARTICIPANT_MARKED) {
            assert_null (s_find (&f, BM_DEED_PROVE));
            s_did (&f, BM_DEED_ROLLBACK);
            s_let_end (&f);
        }
        const bm_deed_t *deed = s_did (&f, BM_DEED_PROVE);
        assert_int_equal (deed->operation_id, operation_id);
        assert_int_equal (deed->unsettled, at == BM_PARTICIPANT_COMMITTING);
        s_shut (&f);
    }
}

static void
what_ends_is_answered_once_each_and_a_second_of_the_kind_is_busy (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_PARTICIPANT_ENDING, 2); /* by ABORT */
    s_order (&f, BM_ORDER_ABORT);
    s_refused (&f, BM_REFUSE_BUSY);
    s_order (&f, BM_ORDER_RELEASE);
    assert_int_equal (f.out.count, 0);
    s_order (&f, BM_ORDER_PROVE);
    assert_int_equal (f.out.count, 0);
    s_plain_fact (&f, BM_FACT_MARK_GONE);
    s_fence_fact (&f, BM_FACT_FENCE_ENDED, 0);
    s_fence_fact (&f, BM_FACT_FENCE_ENDED, 1);
    assert_int_equal (f.out.count, 3);
    s_did (&f, BM_DEED_ANSWER_ABORTED);
    s_did (&f, BM_DEED_ANSWER_RELEASED);
    s_did (&f, BM_DEED_PROVE);
    s_shut (&f);
}

/* ---- Orders that do not fit -------------------------------------------------------------------- */

static void
orders_out_of_order_are_refused_in_every_state (void **state)
{
    (void)state;
    const bm_order_kind_t kinds[] = {BM_ORDER_FENCE, BM_ORDER_MARK, BM_ORDER_SAMPLE,
                                     BM_ORDER_COMMIT};
    for (int at = BM_PARTICIPANT_IDLE; at < BM_PARTICIPANT_STATE_COUNT; at++)
        for (size_t k = 0; k < 4; k++) {
            bool good = (at == BM_PARTICIPANT_IDLE && kinds[k] == BM_ORDER_FENCE) ||
                        (at == BM_PARTICIPANT_FENCED && kinds[k] == BM_ORDER_MARK) ||
                        (at == BM_PARTICIPANT_MARKED && k >= 2);
            if (good)
                continue;
            s_fixture_t f = s_reach ((bm_participant_state_t)at, 1);
            s_order (&f, kinds[k]);
            assert_int_equal (f.out.count, 1);
            s_refused (&f, BM_REFUSE_OUT_OF_ORDER);
            assert_true (strlen (f.out.list[0].reason) > 5);
            s_at (&f, (bm_participant_state_t)at);
            s_shut (&f);
        }
}

static void
a_repeated_order_has_no_second_effect (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_PARTICIPANT_MARKED, 1);
    bm_order_t order = s_make (&f, BM_ORDER_COMMIT);
    bm_participant_order (f.self, &order, f.now_ms, &f.out);
    s_did (&f, BM_DEED_COMMIT);
    for (int repeat = 0; repeat < 3; repeat++) {
        bm_participant_order (f.self, &order, f.now_ms, &f.out);
        assert_int_equal (f.out.count, 1);
        assert_int_equal (s_did (&f, BM_DEED_REPEAT)->operation_id, order.operation_id);
    }
    s_shut (&f);
}

static void
an_order_that_was_refused_stays_refused_when_it_arrives_again (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_PARTICIPANT_FENCED, 1);
    bm_order_t commit = s_make (&f, BM_ORDER_COMMIT);
    bm_participant_order (f.self, &commit, f.now_ms, &f.out);
    s_did (&f, BM_DEED_REFUSE);
    s_order (&f, BM_ORDER_MARK);
    s_plain_fact (&f, BM_FACT_MARK_OPEN);
    bm_participant_order (f.self, &commit, f.now_ms, &f.out);
    s_did (&f, BM_DEED_REPEAT);
    s_at (&f, BM_PARTICIPANT_MARKED);
    s_shut (&f);
}

static void
orders_of_another_start_or_too_late_do_nothing (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_PARTICIPANT_MARKED, 1);
    bm_order_t order = s_make (&f, BM_ORDER_COMMIT);
    order.start_id++;
    bm_participant_order (f.self, &order, f.now_ms, &f.out);
    s_refused (&f, BM_REFUSE_STALE);
    order = s_make (&f, BM_ORDER_COMMIT);
    order.expires_ms = f.now_ms;
    bm_participant_order (f.self, &order, f.now_ms, &f.out);
    s_refused (&f, BM_REFUSE_EXPIRED);
    s_at (&f, BM_PARTICIPANT_MARKED);
    s_shut (&f);
}

/* ---- Other rounds, other groups ---------------------------------------------------------------- */

static void
a_newer_round_of_the_group_ends_the_older_one_and_is_busy_until_then (void **state)
{
    (void)state;
    for (int at = BM_PARTICIPANT_FENCING; at < BM_PARTICIPANT_STATE_COUNT; at++) {
        s_fixture_t f = s_reach ((bm_participant_state_t)at, 1);
        f.round = 2;
        s_order (&f, BM_ORDER_FENCE);
        assert_int_equal (s_did (&f, BM_DEED_REFUSE)->why, BM_REFUSE_BUSY);
        if (at != BM_PARTICIPANT_ENDING)
            s_did (&f, BM_DEED_END_FENCE);
        if (at == BM_PARTICIPANT_COMMITTING)
            s_answered (&f, BM_COMMITTED_DONE);
        s_let_end (&f);
        s_order (&f, BM_ORDER_FENCE);
        s_at (&f, BM_PARTICIPANT_FENCING);
        s_shut (&f);
    }
}

static void
a_newer_run_ends_what_the_dead_one_held_also_by_settling (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_PARTICIPANT_MARKED, 1);
    f.epoch++;
    f.round = 0;
    s_order (&f, BM_ORDER_SETTLE);
    s_did (&f, BM_DEED_ROLLBACK);
    s_did (&f, BM_DEED_PASS);
    s_let_end (&f);
    s_shut (&f);
    /*  an instance whose fences fell is free for the newer round at once */
    f = s_reach (BM_PARTICIPANT_MARKED, 0);
    f.epoch++;
    s_order (&f, BM_ORDER_PROVE);
    s_did (&f, BM_DEED_ROLLBACK);
    assert_true (s_did (&f, BM_DEED_PROVE)->unsettled);
    s_plain_fact (&f, BM_FACT_MARK_GONE);
    s_at (&f, BM_PARTICIPANT_IDLE);
    s_shut (&f);
}

static void
another_group_waits_and_ends_nothing (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_PARTICIPANT_MARKED, 1);
    f.group = 2;
    f.epoch = 900;
    const bm_order_kind_t kinds[] = {BM_ORDER_FENCE,  BM_ORDER_MARK,    BM_ORDER_SAMPLE,
                                     BM_ORDER_COMMIT, BM_ORDER_RELEASE, BM_ORDER_ABORT};
    for (size_t k = 0; k < 6; k++) {
        s_order (&f, kinds[k]);
        assert_int_equal (f.out.count, 1);
        s_refused (&f, BM_REFUSE_BUSY);
    }
    s_order (&f, BM_ORDER_PROVE);
    s_did (&f, BM_DEED_PROVE);
    s_order (&f, BM_ORDER_PREPARE);
    s_did (&f, BM_DEED_PASS);
    s_order (&f, BM_ORDER_SETTLE);
    s_did (&f, BM_DEED_PASS);
    s_at (&f, BM_PARTICIPANT_MARKED);
    uint64_t epoch = 0;
    uint32_t round = 0;
    assert_true (bm_participant_busy (f.self, &epoch, &round));
    assert_int_equal (epoch, 5);
    assert_int_equal (round, 1);
    s_shut (&f);
}

static void
an_older_round_is_refused_and_status_disturbs_nobody (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_PARTICIPANT_FENCED, 1);
    f.epoch = 4;
    s_order (&f, BM_ORDER_ABORT);
    s_refused (&f, BM_REFUSE_OLD_EPOCH);
    f.epoch = 999;
    s_order (&f, BM_ORDER_STATUS);
    s_did (&f, BM_DEED_PASS);
    s_at (&f, BM_PARTICIPANT_FENCED);
    s_shut (&f);
    f = s_open (0);
    s_order (&f, BM_ORDER_PREPARE);
    s_did (&f, BM_DEED_PASS);
    s_order (&f, BM_ORDER_BACKUP);
    s_did (&f, BM_DEED_PASS);
    uint64_t epoch = 1;
    uint32_t round = 1;
    assert_false (bm_participant_busy (f.self, &epoch, &round));
    assert_int_equal (epoch + round, 0);
    s_shut (&f);
}

/* ---- Stopping, odd facts ----------------------------------------------------------------------- */

static void
a_stopping_agent_rolls_back_open_marks_and_lets_commits_end (void **state)
{
    (void)state;
    for (int at = BM_PARTICIPANT_IDLE; at < BM_PARTICIPANT_STATE_COUNT; at++) {
        s_fixture_t f = s_reach ((bm_participant_state_t)at, 1);
        s_plain_fact (&f, BM_FACT_STOP);
        bool open = at == BM_PARTICIPANT_MARKING || at == BM_PARTICIPANT_MARKED;
        assert_int_equal (s_find (&f, BM_DEED_ROLLBACK) != NULL, open);
        if (at == BM_PARTICIPANT_COMMITTING)
            s_answered (&f, BM_COMMITTED_DONE);
        s_let_end (&f);
        s_order (&f, BM_ORDER_FENCE);
        s_refused (&f, BM_REFUSE_STOPPING);
        s_order (&f, BM_ORDER_ABORT);
        s_did (&f, BM_DEED_ANSWER_ABORTED);
        s_shut (&f);
    }
}

static void
every_fence_may_fall_at_any_time (void **state)
{
    (void)state;
    for (int at = BM_PARTICIPANT_FENCED; at < BM_PARTICIPANT_STATE_COUNT; at++) {
        s_fixture_t f = s_reach ((bm_participant_state_t)at, 2);
        s_fence_fact (&f, BM_FACT_FENCE_FELL, 1);
        s_at (&f, (bm_participant_state_t)at);
        s_fence_fact (&f, BM_FACT_FENCE_FELL, 0);
        bool over = at == BM_PARTICIPANT_FENCED || at == BM_PARTICIPANT_COMMITTED;
        s_at (&f, over ? BM_PARTICIPANT_IDLE : (bm_participant_state_t)at);
        assert_false (bm_participant_stood (f.self, &f.named[0], NULL, NULL));
        s_shut (&f);
    }
}

static void
a_mark_that_opens_just_before_its_rollback_is_rolled_back (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_PARTICIPANT_MARKING, 1);
    s_order (&f, BM_ORDER_ABORT);
    s_plain_fact (&f, BM_FACT_MARK_OPEN);
    s_at (&f, BM_PARTICIPANT_ENDING);
    s_order (&f, BM_ORDER_COMMIT);
    s_refused (&f, BM_REFUSE_OUT_OF_ORDER);
    s_let_end (&f);
    s_shut (&f);
}

static void
facts_that_cannot_be_are_swallowed (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_PARTICIPANT_FENCED, 1);
    s_fence_fact (&f, BM_FACT_FENCE_TAKEN, 0); /* again */
    s_fence_fact (&f, BM_FACT_FENCE_TAKEN, 1);
    s_fence_fact (&f, BM_FACT_FENCE_FELL, 1);
    s_fence_fact (&f, BM_FACT_FENCE_FELL, SIZE_MAX);
    s_fact (&f, (bm_fact_t){.kind = BM_FACT_FENCE_FELL, .slot = 0, .fall = (bm_fall_t)9});
    s_fence_fact (&f, BM_FACT_FENCE_ENDED, 0); /* nobody told it to */
    s_plain_fact (&f, BM_FACT_MARK_OPEN);
    s_plain_fact (&f, BM_FACT_MARK_GONE);
    s_answered (&f, BM_COMMITTED_DONE);
    s_plain_fact (&f, BM_FACT_COUNT);
    s_plain_fact (&f, BM_FACT_TICK);
    assert_int_equal (f.out.count, 0);
    s_at (&f, BM_PARTICIPANT_FENCED);
    assert_int_equal (bm_participant_fence (f.self, 0)->state, BM_FENCE_STANDS);
    s_shut (&f);
}

static void
the_largest_instance_fits_into_one_step (void **state)
{
    (void)state;
    s_fixture_t f = s_reach (BM_PARTICIPANT_MARKING, BM_PARTICIPANT_FENCES);
    s_order (&f, BM_ORDER_ABORT);
    assert_int_equal (f.out.count, BM_PARTICIPANT_FENCES + 2);
    assert_int_equal (bm_participant_fence_count (f.self), BM_PARTICIPANT_FENCES);
    s_shut (&f);
}

static void
everything_has_a_name (void **state)
{
    (void)state;
    for (int at = 0; at < BM_FACT_COUNT; at++)
        assert_true (strlen (bm_fact_name ((bm_fact_kind_t)at)) > 3);
    for (int at = 0; at < BM_DEED_COUNT; at++)
        assert_true (strlen (bm_deed_name ((bm_deed_kind_t)at)) > 3);
    s_fixture_t f = s_reach (BM_PARTICIPANT_FENCED, 1);
    assert_string_equal (bm_participant_reason (f.self), "every fence of the instance stands");
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
    for (size_t at = 0; at < bm_participant_rows (); at++) {
        bm_participant_row_t row = bm_participant_row (at);
        bool waits = row.from == row.to;
        if (waits)
            continue;
        char line[512];
        snprintf (line, sizeof line, "| %s | %s | %s | %s |", bm_participant_state_name (row.from),
                  row.trigger, bm_participant_state_name (row.to), row.why);
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
    assert_true (bm_participant_rows () < sizeof s_rows_taken / sizeof s_rows_taken[0]);
    int missed = 0;
    for (size_t at = 0; at < bm_participant_rows (); at++) {
        bm_participant_row_t row = bm_participant_row (at);
        assert_true (strlen (row.why) > 5);
        assert_non_null (row.action);
        if (s_rows_taken[at] > 0)
            continue;
        missed++;
        print_message ("not taken: %s %s -> %s\n", bm_participant_state_name (row.from),
                       row.trigger, bm_participant_state_name (row.to));
    }
    assert_int_equal (missed, 0);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_good_round_fences_marks_commits_and_releases),
        cmocka_unit_test (
            an_instance_without_tracking_is_marked_without_a_fence_and_free_after_commit),
        cmocka_unit_test (the_mark_is_rolled_back_when_its_lease_ends_before_commit),
        cmocka_unit_test (a_commit_that_comes_with_the_end_of_the_lease_is_too_late),
        cmocka_unit_test (after_commit_was_sent_the_lease_rolls_nothing_back),
        cmocka_unit_test (mark_is_refused_when_it_names_other_fences),
        cmocka_unit_test (mark_is_refused_when_a_fence_fell),
        cmocka_unit_test (commit_is_refused_for_another_transaction_or_other_fences),
        cmocka_unit_test (a_fence_that_fell_does_not_tear_the_mark_but_release_says_so),
        cmocka_unit_test (nobody_vouches_for_a_fence_of_another_start_or_slot),
        cmocka_unit_test (a_fence_that_cannot_be_taken_ends_the_others),
        cmocka_unit_test (a_fence_ended_before_it_was_taken_never_stood),
        cmocka_unit_test (a_mark_that_cannot_be_opened_ends_the_fences),
        cmocka_unit_test (a_session_lost_while_it_commits_is_unknown),
        cmocka_unit_test (abort_lets_everything_go_before_commit_and_is_refused_after),
        cmocka_unit_test (release_before_commit_rolls_the_mark_back_too),
        cmocka_unit_test (release_while_commit_runs_lets_the_fences_go_and_the_commit_on),
        cmocka_unit_test (prove_finds_no_open_mark_behind_it),
        cmocka_unit_test (what_ends_is_answered_once_each_and_a_second_of_the_kind_is_busy),
        cmocka_unit_test (orders_out_of_order_are_refused_in_every_state),
        cmocka_unit_test (a_repeated_order_has_no_second_effect),
        cmocka_unit_test (an_order_that_was_refused_stays_refused_when_it_arrives_again),
        cmocka_unit_test (orders_of_another_start_or_too_late_do_nothing),
        cmocka_unit_test (a_newer_round_of_the_group_ends_the_older_one_and_is_busy_until_then),
        cmocka_unit_test (a_newer_run_ends_what_the_dead_one_held_also_by_settling),
        cmocka_unit_test (another_group_waits_and_ends_nothing),
        cmocka_unit_test (an_older_round_is_refused_and_status_disturbs_nobody),
        cmocka_unit_test (a_stopping_agent_rolls_back_open_marks_and_lets_commits_end),
        cmocka_unit_test (every_fence_may_fall_at_any_time),
        cmocka_unit_test (a_mark_that_opens_just_before_its_rollback_is_rolled_back),
        cmocka_unit_test (facts_that_cannot_be_are_swallowed),
        cmocka_unit_test (the_largest_instance_fits_into_one_step),
        cmocka_unit_test (everything_has_a_name),
        cmocka_unit_test (the_protocol_document_draws_the_table),
        cmocka_unit_test (every_row_of_the_table_was_taken),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
