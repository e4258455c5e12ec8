/*  tests/e2e/straddle.h
 *  The report on straddled marks: rounds of the product while messages are routed between two MessageBoxes by distributed
 *  transaction, and for each mark both what btsmark said of it and the truth from the LSNs of the transactions.
 */
#ifndef BM_E2E_STRADDLE_H
#define BM_E2E_STRADDLE_H

#include "tests/e2e/cluster.h"

typedef struct bm_straddle_row {
    const char *name;
    int64_t rate;    /* branch events a second asked for */
    double measured; /* ... and what there was */
    size_t rounds;
    size_t clean, doubtful,
        other;              /* what btsmark said; other: no mark, or one it could not judge */
    size_t straddled;       /* marks that a transaction straddles */
    size_t clean_straddled; /* ... that btsmark calls clean: must be 0 */
    size_t whole,
        whole_clean; /* marks that nothing straddles, and how many of them are called clean */
} bm_straddle_row_t;

/*  A sandbox of three hosts whose MessageBoxes are apart, with its fulls, one mark a run, and no workload yet. */
bm_cluster_t *bm_straddle_cluster (void);
/*  Takes that many log sets while messages are routed at that rate. `slow_ms` > 0 forces straddles: the COMMIT of one
 *  instance's mark is so much later, and branches are held between prepare and commit. */
bm_straddle_row_t bm_straddle_rounds (bm_cluster_t *cluster, const char *name, int64_t rate,
                                      size_t rounds, int slow_ms);
/*  The first row with the table's head. */
void bm_straddle_print (const bm_straddle_row_t *row, bool first);

#endif
