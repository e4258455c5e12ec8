/*  coordinator/core/outcome.h
 *  What becomes of a round's mark. One list, used by the round, the journal, the history and `run --json`.
 *  Pure.
 */
#ifndef BM_OUTCOME_H
#define BM_OUTCOME_H

#include <stdbool.h>

typedef enum {
    BM_OUTCOME_NONE, /* aborted before the first COMMIT, or proved absent: it is in no database */
    BM_OUTCOME_TORN, /* in some databases only; never offered for restore */
    BM_OUTCOME_UNPROVEN, /* answered as committed, but not found in MarkLog and logmarkhistory */
    BM_OUTCOME_UNKNOWN,  /* an instance cannot be asked now; settled later */
    BM_OUTCOME_DOUBTFUL, /* in every database, but a fence ran out or the in-flight check found something */
    BM_OUTCOME_UNCHECKED, /* in every database, the fences stood; the in-flight check did not run */
    BM_OUTCOME_CLEAN, /* in every database, proved; every fence stood; the check found nothing */
    BM_OUTCOME_COUNT
} bm_outcome_t;

const char *bm_outcome_name (bm_outcome_t outcome);    /* "unchecked" */
const char *bm_outcome_meaning (bm_outcome_t outcome); /* a sentence for people */
/*  False when there is no such name; *outcome is then left alone. */
bool bm_outcome_by_name (const char *name, bm_outcome_t *outcome);

/*  Whether a log set with such a mark may be called complete: clean, and doubtful and unchecked where the
 *  policy `doubtful = warn` accepts what nobody vouches for. */
bool bm_outcome_good (bm_outcome_t outcome, bool accept_doubtful);
/*  Whether another round may bring a better mark: everything but clean and unchecked (what kept the check from running
 *  says whether it would the next time). */
bool bm_outcome_retry (bm_outcome_t outcome);
/*  Whether the mark may stand in some database: such a name is never forgotten. */
bool bm_outcome_may_stand (bm_outcome_t outcome);

#endif
