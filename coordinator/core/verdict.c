/*  coordinator/core/verdict.c */
#include "coordinator/core/verdict.h"

/*  What all instances say together. */
typedef struct {
    bool found; /* a database shows the mark */
    bool done;  /* a COMMIT was answered as done */
    bool unasked;
    bool absent;      /* an instance lacks it and neither said nor shows that it committed */
    bool dropped;     /* an instance committed, and a database of it does not show the mark */
    bool fenced;      /* there were fences at all */
    bool in_time;     /* every COMMIT was known to be done before a fence was released */
    bool stood;       /* every fence, says its holder */
    bool sampled;     /* L1 ran everywhere */
    bool sample_lost; /* L1 ran and L2 did not */
    bool in_flight;
} s_truth_t;

static void
s_weigh (const bm_round_instance_t *instance, s_truth_t *truth)
{
    const bm_proof_t *proof = &instance->proof;
    bool found = proof->in + proof->half > 0;
    /*  One transaction over all databases of an instance: one that shows it speaks for all. */
    bool committed = found || instance->commit == BM_COMMIT_DONE;
    bool lacking = proof->missing > 0;

    truth->found = truth->found || found;
    truth->done = truth->done || instance->commit == BM_COMMIT_DONE;
    truth->unasked =
        truth->unasked || proof->unasked > 0 || proof->in + proof->half + proof->missing == 0;
    truth->absent = truth->absent || (lacking && !committed);
    truth->dropped = truth->dropped || (lacking && committed) || proof->half > 0;
    truth->fenced = truth->fenced || instance->fence_sent;
    truth->in_time = truth->in_time && instance->commit_in_time;
    truth->stood = truth->stood && (!instance->fence_sent || instance->stood);
    truth->sampled = truth->sampled && instance->sample_ran;
    truth->sample_lost = truth->sample_lost || (instance->sample_ran && !instance->sample2_ran);
    truth->in_flight = truth->in_flight || instance->in_flight;
}

static bm_outcome_t
s_judge (const s_truth_t *truth, const char **reason)
{
    static const struct {
        bm_outcome_t outcome;
        const char *reason;
    } verdicts[] = {
        {BM_OUTCOME_TORN, "one instance has the mark and another certainly lacks it"},
        {BM_OUTCOME_UNKNOWN, "a database could not be asked"},
        {BM_OUTCOME_NONE, "every database was asked and none has the mark"},
        {BM_OUTCOME_UNPROVEN, "a database of an instance that committed does not show the mark"},
        {BM_OUTCOME_DOUBTFUL, "a COMMIT was not known to be done when the fences were released"},
        {BM_OUTCOME_DOUBTFUL,
         "a fence did not stand until it was released, or nobody vouches for it"},
        {BM_OUTCOME_DOUBTFUL, "a distributed transaction was in flight"},
        {BM_OUTCOME_DOUBTFUL, "an instance's second sample is missing"},
        {BM_OUTCOME_UNCHECKED,
         "in every database, the fences stood; the in-flight check did not run"},
        {BM_OUTCOME_CLEAN, "in every database, the fences stood, nothing was in flight"},
    };
    bool holds[] = {
        truth->absent && truth->found,
        truth->unasked,
        truth->absent && !truth->done,
        truth->absent || truth->dropped,
        truth->fenced && !truth->in_time,
        !truth->stood,
        truth->in_flight,
        truth->sample_lost,
        !truth->sampled,
        true,
    };
    size_t at = 0;
    while (!holds[at])
        at++;
    *reason = verdicts[at].reason;
    return verdicts[at].outcome;
}

static s_truth_t
s_together (const bm_round_instance_t *instances, size_t n)
{
    s_truth_t truth = {.in_time = true, .stood = true, .sampled = true};
    for (size_t at = 0; at < n; at++)
        s_weigh (&instances[at], &truth);
    return truth;
}

bm_outcome_t
bm_verdict (const bm_round_instance_t *instances, size_t n, const char **reason)
{
    s_truth_t truth = s_together (instances, n);
    return s_judge (&truth, reason);
}

bool
bm_verdict_vouched (const bm_round_instance_t *instances, size_t n)
{
    s_truth_t truth = s_together (instances, n);
    return (truth.in_time || !truth.fenced) && truth.stood && !truth.in_flight &&
           !truth.sample_lost;
}
