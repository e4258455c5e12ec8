/*  tests/workload/straddle.h
 *  The truth about a mark and the distributed transactions around it: a transaction straddles the mark when one of its branches
 *  was committed before the mark's record of that instance and another one after it. Taken from LSNs alone: of the commits
 *  from the ledger, of the mark from msdb.dbo.logmarkhistory.
 */
#ifndef BM_WORKLOAD_STRADDLE_H
#define BM_WORKLOAD_STRADDLE_H

#include "tests/workload/ledger.h"

typedef struct bm_mark_lsn {
    const char *instance;
    int64_t lsn;
} bm_mark_lsn_t;

typedef struct bm_straddle {
    size_t before, after; /* transactions wholly on one side */
    size_t straddling;
    size_t
        unknown; /* decided, but not every branch's record is in the ledger (yet), or on an instance without the mark */
    char first[37]; /* a unit of work that straddles; "" = none */
} bm_straddle_t;

void bm_straddle_count (const bm_ledger_list_t *ledger, const bm_mark_lsn_t *marks, size_t count,
                        bm_straddle_t *out);

#endif
