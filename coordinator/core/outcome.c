/*  coordinator/core/outcome.c */
#include "coordinator/core/outcome.h"
#include <string.h>
#include "common/error.h"

static const struct {
    const char *name;
    const char *meaning;
} s_outcomes[BM_OUTCOME_COUNT] = {
    [BM_OUTCOME_NONE] = {"none", "the mark is in no database"},
    [BM_OUTCOME_TORN] = {"torn",
                         "the mark is in some databases only and is never offered for restore"},
    [BM_OUTCOME_UNPROVEN] = {"unproven",
                             "the mark was answered as committed, but a database does not show it"},
    [BM_OUTCOME_UNKNOWN] = {"unknown", "an instance cannot be asked now; the next run settles it"},
    [BM_OUTCOME_DOUBTFUL] = {"doubtful", "the mark is in every database, but a fence did not stand "
                                         "or something was in flight"},
    [BM_OUTCOME_UNCHECKED] = {"unchecked",
                              "the mark is in every database and the fences stood; the "
                              "in-flight check did not run"},
    [BM_OUTCOME_CLEAN] = {"clean",
                          "the mark is in every database, the fences stood, and nothing was "
                          "in flight"},
};

const char *
bm_outcome_name (bm_outcome_t outcome)
{
    bm_require ((unsigned)outcome < BM_OUTCOME_COUNT);
    return s_outcomes[outcome].name;
}

const char *
bm_outcome_meaning (bm_outcome_t outcome)
{
    bm_require ((unsigned)outcome < BM_OUTCOME_COUNT);
    return s_outcomes[outcome].meaning;
}

bool
bm_outcome_by_name (const char *name, bm_outcome_t *outcome)
{
    if (!name)
        return false;
    for (int at = 0; at < BM_OUTCOME_COUNT; at++)
        if (strcmp (name, s_outcomes[at].name) == 0) {
            *outcome = (bm_outcome_t)at;
            return true;
        }
    return false;
}

bool
bm_outcome_good (bm_outcome_t outcome, bool accept_doubtful)
{
    if (outcome == BM_OUTCOME_DOUBTFUL || outcome == BM_OUTCOME_UNCHECKED)
        return accept_doubtful;
    return outcome == BM_OUTCOME_CLEAN;
}

bool
bm_outcome_retry (bm_outcome_t outcome)
{
    return outcome != BM_OUTCOME_CLEAN && outcome != BM_OUTCOME_UNCHECKED;
}

bool
bm_outcome_may_stand (bm_outcome_t outcome)
{
    return outcome != BM_OUTCOME_NONE;
}
