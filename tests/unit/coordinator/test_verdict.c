/*  tests/unit/coordinator/test_verdict.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "coordinator/core/verdict.h"

#define IN                                                                                         \
    {                                                                                              \
        .in = 2                                                                                    \
    }
#define DROPPED                                                                                    \
    {                                                                                              \
        .in = 1, .half = 1                                                                         \
    }
#define HALF                                                                                       \
    {                                                                                              \
        .in = 1, .missing = 1                                                                      \
    }
#define ABSENT                                                                                     \
    {                                                                                              \
        .missing = 2                                                                               \
    }
#define UNASKED                                                                                    \
    {                                                                                              \
        .unasked = 2                                                                               \
    }
#define PARTLY                                                                                     \
    {                                                                                              \
        .in = 1, .unasked = 1                                                                      \
    }
#define NOTHING                                                                                    \
    {                                                                                              \
        .in = 0                                                                                    \
    }

/*  An instance that did everything right. */
static bm_round_instance_t
s_good (bm_proof_t proof, bm_commit_answer_t commit)
{
    return (bm_round_instance_t){.fence_sent = true,
                                 .commit_sent = true,
                                 .commit = commit,
                                 .commit_in_time = commit == BM_COMMIT_DONE,
                                 .stood = true,
                                 .sample_ran = true,
                                 .sample2_ran = true,
                                 .proof = proof};
}

static void
s_is (const bm_round_instance_t *instances, size_t n, bm_outcome_t outcome)
{
    const char *reason = NULL;
    assert_string_equal (bm_outcome_name (bm_verdict (instances, n, &reason)),
                         bm_outcome_name (outcome));
    assert_true (strlen (reason) > 10);
}

static void
proofs_and_answers_together_say_where_the_mark_is (void **state)
{
    (void)state;
    const struct {
        bm_proof_t a;
        bm_commit_answer_t answer_a;
        bm_proof_t b;
        bm_commit_answer_t answer_b;
        bm_outcome_t outcome;
    } cases[] = {
        {IN, BM_COMMIT_DONE, IN, BM_COMMIT_DONE, BM_OUTCOME_CLEAN},
        /*  one has it, the other certainly lacks it: torn, also when something else is not known */
        {IN, BM_COMMIT_DONE, ABSENT, BM_COMMIT_ROLLED_BACK, BM_OUTCOME_TORN},
        {IN, BM_COMMIT_UNASKED, ABSENT, BM_COMMIT_UNASKED, BM_OUTCOME_TORN},
        {IN, BM_COMMIT_DONE, ABSENT, BM_COMMIT_UNKNOWN, BM_OUTCOME_TORN},
        {PARTLY, BM_COMMIT_DONE, ABSENT, BM_COMMIT_UNASKED, BM_OUTCOME_TORN},
        {DROPPED, BM_COMMIT_DONE, ABSENT, BM_COMMIT_UNASKED, BM_OUTCOME_TORN},
        /*  somebody could not be asked */
        {IN, BM_COMMIT_DONE, UNASKED, BM_COMMIT_DONE, BM_OUTCOME_UNKNOWN},
        {IN, BM_COMMIT_DONE, NOTHING, BM_COMMIT_DONE, BM_OUTCOME_UNKNOWN},
        {ABSENT, BM_COMMIT_ROLLED_BACK, UNASKED, BM_COMMIT_ROLLED_BACK, BM_OUTCOME_UNKNOWN},
        {HALF, BM_COMMIT_DONE, UNASKED, BM_COMMIT_DONE, BM_OUTCOME_UNKNOWN},
        {PARTLY, BM_COMMIT_DONE, IN, BM_COMMIT_DONE, BM_OUTCOME_UNKNOWN},
        /*  nowhere */
        {ABSENT, BM_COMMIT_ROLLED_BACK, ABSENT, BM_COMMIT_UNASKED, BM_OUTCOME_NONE},
        {ABSENT, BM_COMMIT_UNKNOWN, ABSENT, BM_COMMIT_UNKNOWN, BM_OUTCOME_NONE},
        /*  it committed, but a database does not show it */
        {ABSENT, BM_COMMIT_DONE, ABSENT, BM_COMMIT_ROLLED_BACK, BM_OUTCOME_UNPROVEN},
        {ABSENT, BM_COMMIT_DONE, ABSENT, BM_COMMIT_DONE, BM_OUTCOME_UNPROVEN},
        {IN, BM_COMMIT_DONE, ABSENT, BM_COMMIT_DONE, BM_OUTCOME_UNPROVEN},
        {IN, BM_COMMIT_DONE, HALF, BM_COMMIT_UNKNOWN, BM_OUTCOME_UNPROVEN},
        {IN, BM_COMMIT_DONE, DROPPED, BM_COMMIT_DONE, BM_OUTCOME_UNPROVEN},
        /*  everywhere, but not known to be done while the fences stood */
        {IN, BM_COMMIT_DONE, IN, BM_COMMIT_UNKNOWN, BM_OUTCOME_DOUBTFUL},
        {IN, BM_COMMIT_UNASKED, IN, BM_COMMIT_DONE, BM_OUTCOME_DOUBTFUL},
    };
    for (size_t at = 0; at < sizeof cases / sizeof cases[0]; at++) {
        bm_round_instance_t pair[] = {s_good (cases[at].a, cases[at].answer_a),
                                      s_good (cases[at].b, cases[at].answer_b)};
        s_is (pair, 2, cases[at].outcome);
        /*  the order of the instances plays no part */
        bm_round_instance_t turned[] = {pair[1], pair[0]};
        s_is (turned, 2, cases[at].outcome);
    }
}

static void
a_fence_that_nobody_vouches_for_makes_the_mark_doubtful (void **state)
{
    (void)state;
    bm_round_instance_t pair[] = {s_good ((bm_proof_t)IN, BM_COMMIT_DONE),
                                  s_good ((bm_proof_t)IN, BM_COMMIT_DONE)};
    pair[1].stood = false;
    s_is (pair, 2, BM_OUTCOME_DOUBTFUL);
    /*  an instance without tracking has none to vouch for */
    pair[1].fence_sent = false;
    s_is (pair, 2, BM_OUTCOME_CLEAN);
    /*  but its late COMMIT left the others' fences behind */
    pair[1].commit_in_time = false;
    s_is (pair, 2, BM_OUTCOME_DOUBTFUL);
    /*  where nothing is fenced nothing was left behind */
    pair[0].fence_sent = false;
    s_is (pair, 2, BM_OUTCOME_CLEAN);
}

static void
what_the_samples_say_decides_between_clean_unchecked_and_doubtful (void **state)
{
    (void)state;
    bm_round_instance_t pair[] = {s_good ((bm_proof_t)IN, BM_COMMIT_DONE),
                                  s_good ((bm_proof_t)IN, BM_COMMIT_DONE)};
    pair[0].in_flight = true;
    s_is (pair, 2, BM_OUTCOME_DOUBTFUL);
    pair[0].in_flight = false;
    pair[0].sample2_ran = false;
    s_is (pair, 2, BM_OUTCOME_DOUBTFUL);
    pair[0].sample_ran = false;
    s_is (pair, 2, BM_OUTCOME_UNCHECKED);
    pair[1].sample2_ran = false;
    s_is (pair, 2, BM_OUTCOME_DOUBTFUL);
}

/*  What the databases could not be asked for is settled later; by then only this says whether the mark can be trusted. */
static void
a_mark_is_vouched_for_only_without_late_commits_fallen_fences_and_findings (void **state)
{
    (void)state;
    const bm_round_instance_t good = s_good ((bm_proof_t)UNASKED, BM_COMMIT_DONE);
    bm_round_instance_t pair[] = {good, good};
    assert_true (bm_verdict_vouched (pair, 2));
    s_is (pair, 2, BM_OUTCOME_UNKNOWN);
    pair[1].commit_in_time = false;
    assert_false (bm_verdict_vouched (pair, 2));
    pair[0].fence_sent = pair[1].fence_sent = false; /* nothing was fenced */
    assert_true (bm_verdict_vouched (pair, 2));
    pair[0] = pair[1] = good;
    pair[0].stood = false;
    assert_false (bm_verdict_vouched (pair, 2));
    pair[0] = good;
    pair[0].in_flight = true;
    assert_false (bm_verdict_vouched (pair, 2));
    pair[0] = good;
    pair[0].sample2_ran = false;
    assert_false (bm_verdict_vouched (pair, 2));
    pair[0].sample_ran = pair[1].sample_ran = false; /* the check did not run: unchecked */
    pair[1].sample2_ran = false;
    assert_true (bm_verdict_vouched (pair, 2));
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (proofs_and_answers_together_say_where_the_mark_is),
        cmocka_unit_test (a_fence_that_nobody_vouches_for_makes_the_mark_doubtful),
        cmocka_unit_test (
            a_mark_is_vouched_for_only_without_late_commits_fallen_fences_and_findings),
        cmocka_unit_test (what_the_samples_say_decides_between_clean_unchecked_and_doubtful),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
