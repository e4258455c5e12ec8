/*  agent/shell/prepare.h
 *  Everything about the databases of one instance before anything is touched: all facts, and every reason that speaks
 *  against the set, not only the first. Blocks in the session's thread.
 */
#ifndef BM_PREPARE_H
#define BM_PREPARE_H

#include "agent/shell/claims.h"
#include "agent/shell/config.h"
#include "common/sql.h"
#include "common/wire.h"

typedef struct bm_prepare {
    const bm_instance_config_t *instance;
    uint64_t
        start_id;  /* sessions that carry it in their program name are ours, and not left over */
    bm_sql_t *sql; /* NULL: SQL Server cannot be asked, `error` says why */
    const bm_error_t *error;
    bool look_only;      /* no file is made to try the folder */
    bm_claims_t *claims; /* of the agent; NULL = files of other instances are not looked at */
    uint64_t run;        /* tells runs of all groups apart, for `claims` */
} bm_prepare_t;

/*  The vote; its owner is the caller. Each reason and warning has a topic. */
Btsmark__Vote *bm_prepare_run (const bm_prepare_t *self, const Btsmark__Prepare *order);

/*  The folder that an order means: its own, or the configured one when it names none; normalised and allowed by the
 *  agent's own configuration. NULL with BM_PATH_NOT_ALLOWED. Caller frees. */
char *bm_prepare_path (const bm_instance_config_t *instance, const char *wanted, bm_error_t *error);

#endif
