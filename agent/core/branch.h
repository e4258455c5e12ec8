/*  agent/core/branch.h
 *  The in-flight check's rule, as far as one instance goes: what a sample reads, in which order, and which listed
 *  branch of a distributed transaction counts as in flight. Pure.
 */
#ifndef BM_BRANCH_H
#define BM_BRANCH_H

#include <stdbool.h>
#include <stdint.h>

typedef enum {
    BM_READ_COUNTS, /* how many branches were prepared and committed so far */
    BM_READ_LIST,   /* the branches that there are */
    BM_READS
} bm_read_t;

/*  L1, before any COMMIT of the group, and L2, right after the instance's own. A count may move some time after the
 *  log record of what it counts, and a branch is listed until its counts have moved: in these orders a branch that
 *  ended between the two samples is seen in a list, or its counts are seen to differ. In others it may be in neither. */
extern const bm_read_t bm_reads_before[BM_READS];
extern const bm_read_t bm_reads_after[BM_READS];

/*  transaction_state of sys.dm_tran_active_transactions, database_transaction_state of
 *  sys.dm_tran_database_transactions (0 = it stands in no database). In flight is every branch past active, also one
 *  that is committed and still listed; a state that is not documented counts. */
bool bm_branch_in_flight (int32_t transaction_state, int32_t database_state);

/*  The one of two database_transaction_states that is nearer to the end. */
int32_t bm_branch_further (int32_t a, int32_t b);

#endif
