/*  agent/shell/inspect.h
 *  Everything that a run would need of one instance, looked at without touching anything. Blocks in the session's thread.
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

#endif
