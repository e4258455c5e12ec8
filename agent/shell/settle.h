/*  agent/shell/settle.h
 *  Ends what an earlier start of the agent left in SQL Server, then reads what really happened: marks, backups, forks.
 *  Blocks in the session's thread.
 */
#ifndef BM_SETTLE_H
#define BM_SETTLE_H

#include "common/sql.h"
#include "common/wire.h"

#define BM_SETTLE_ROWS                                                                             \
    1500 /* backups in one answer, the newest first: an answer is one wire message */

typedef struct bm_settle {
    const char *instance;
    uint64_t start_id;
    bm_sql_t *sql; /* NULL: SQL Server cannot be asked, `error` says why */
    const bm_error_t *error;
    int64_t waited_ms; /* of the order's wait, before this began */
} bm_settle_t;

/*  The caller owns the answer. */
Btsmark__Settled *bm_settle_run (const bm_settle_t *self, const Btsmark__Settle *order);

#endif
