/*  agent/shell/sample.h
 *  One sample of the in-flight check (core/branch): the counts of branch prepares and commits, and the branches of
 *  distributed transactions that are past active in the group's databases. Blocks in a session's thread.
 */
#ifndef BM_SAMPLE_H
#define BM_SAMPLE_H

#include "agent/core/branch.h"
#include "common/sql.h"
#include "common/wire.h"

typedef struct bm_sample {
    bool ran;
    bool denied;      /* it did not, because the login lacks a right */
    bm_error_t error; /* why it did not */
    uint64_t prepares, commits;
    Btsmark__Branch **branches; /* in flight */
    size_t branch_count;
} bm_sample_t;

/*  The reads of one sample in that order, for a batch of their own or behind another statement. Caller frees. */
char *bm_sample_batch (const bm_read_t order[BM_READS], char *const *databases, size_t count);

/*  What a batch with those reads brought, found by its columns wherever it stands in the result. `status` and `error`
 *  are of the batch. Fills *out in any case. */
void bm_sample_from (const bm_sql_result_t *result, bm_status_t status, const bm_error_t *error,
                     bm_sample_t *out);

/*  One reading by itself: counts, then list. */
void bm_sample_read (bm_sql_t *sql, char *const *databases, size_t count, int64_t timeout_ms,
                     bm_sample_t *out);

void bm_sample_clear (bm_sample_t *self);

/*  For an answer: why it did not run (with what to grant to that login), or NULL; the counts; the branches, moved. */
Btsmark__Fault *bm_sample_fault (const bm_sample_t *self, const char *login);
Btsmark__BranchCounts *bm_sample_counts (const bm_sample_t *self);
void bm_sample_give (bm_sample_t *self, Btsmark__Branch ***branches_p, size_t *count_p);

#endif
