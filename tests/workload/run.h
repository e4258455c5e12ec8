/*  tests/workload/run.h
 *  The workload at work: a thread for each MessageBox and each place of orders that publishes, one for each pair of MessageBox
 *  and tracking database that moves events, one for each MessageBox that copies bodies, and pairs that route messages to and fro
 *  between two instances by distributed transaction. A connection that is lost is opened
 *  again, and the work goes on where the databases say it stands.
 */
#ifndef BM_WORKLOAD_RUN_H
#define BM_WORKLOAD_RUN_H

#include "tests/workload/group.h"
#include "tests/workload/ledger.h"

typedef struct bm_work_run bm_work_run_t;

typedef struct bm_work_options {
    const bm_work_group_t *group; /* discovered; borrowed */
    bm_ledger_t *ledger;          /* borrowed */
    int64_t first; /* number of the first message: behind the last one in the ledger */
    int64_t count; /* messages and orders in all; 0 = until it is stopped */
    int64_t rate;  /* of them per second, all publishers together */
    uint32_t seed;
    int64_t
        route_rate; /* branch events (prepares and commits) per second that routing makes; 0 = no routing */
    const bm_ledger_list_t
        *known; /* what an earlier workload has left in the ledger; borrowed; may be NULL */
} bm_work_options_t;

bm_work_run_t *bm_work_run_start (const bm_work_options_t *options);
/*  True when `count` was reached and everything has been moved; waits at most that long for it. */
bool bm_work_run_wait (bm_work_run_t *self, int64_t timeout_ms);
/*  Steps under way are ended (their outcome stays unknown), but a routed message is brought to its end on both sides;
 *  threads joined. Frees. */
void bm_work_run_stop (bm_work_run_t **self_p);

#endif
