/*  agent/shell/inspect.h
 *  Everything that a run would need of one instance, looked at without touching anything. Blocks in the session's thread.
 *
 *  Findings carry these topics: path, space, state, recovery-model, missing, procedures, no-full, duplicate, sql,
 *  leftover-session, prepared-transactions (the reasons and warnings of a vote, agent/shell/prepare.h), grants
 *  (agent/shell/rights.h), old-job, stray-database (agent/shell/neighbours.h), delayed-durability, log-reuse.
 */
#ifndef BM_INSPECT_H
#define BM_INSPECT_H

#include "agent/shell/config.h"
#include "common/sql.h"
#include "common/wire.h"

typedef struct bm_inspect {
    const bm_instance_config_t *instance;
    uint64_t start_id; /* sessions that carry it are ours, and not left over */
    bm_sql_t *sql;     /* NULL: SQL Server cannot be asked, `error` says why */
    const bm_error_t *error;
} bm_inspect_t;

/*  The caller owns the answer. */
Btsmark__Inspected *bm_inspect_run (const bm_inspect_t *self, const Btsmark__Inspect *order);

/*  For the parts of an inspection: appends a finding. `database` and `remedy` may be NULL. At most BM_LIMIT_FINDINGS are
 *  kept; that there are more becomes the last one. */
void bm_inspect_add (Btsmark__Inspected *inspected, Btsmark__FindingLevel level, const char *topic,
                     const char *database, const char *remedy, const char *format, ...)
    __attribute__ ((format (printf, 6, 7)));

/*  A batch of an inspection. NULL when SQL Server reported an error: then *error says it. Caller destroys. */
bm_sql_result_t *bm_inspect_query (const bm_inspect_t *self, const char *batch, bm_error_t *error);

#endif
