/*  agent/shell/prove.h
 *  Where a mark really stands: each database's MarkLog, and msdb.dbo.logmarkhistory. Blocks in the session's thread.
 */
#ifndef BM_PROVE_H
#define BM_PROVE_H

#include <stdbool.h>
#include "common/sql.h"
#include "common/wire.h"

typedef struct bm_prove {
    const char *instance;
    bm_sql_t *sql; /* NULL: SQL Server cannot be asked, `error` says why */
    const bm_error_t *error;
    bool unsettled; /* a COMMIT still runs here: a name that is not found counts as not asked */
} bm_prove_t;

/*  The caller owns the proof. */
Btsmark__Proof *bm_prove_run (const bm_prove_t *self, const Btsmark__Prove *order);

#endif
