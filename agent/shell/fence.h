/*  agent/shell/fence.h
 *  The fence of one tracking database: locks in a session and transaction of their own, which SQL Server itself ends when
 *  the lease is over, also when this process hangs or dies. Runs in a session's thread; blocks for as long as it stands.
 */
#ifndef BM_FENCE_H
#define BM_FENCE_H

#include <stdbool.h>
#include <stdint.h>
#include "common/sql.h"

/*  The moment the fence stands, in the session's thread. */
typedef void (bm_fence_taken_fn) (void *argument, int64_t transaction_id);

typedef struct bm_fence_terms {
    const char *database;
    int64_t lease_ms;
    int64_t wait_ms; /* for a lock that somebody else holds; 0 = three quarters of the lease */
    int version;     /* SQL Server's major version */
    bm_fence_taken_fn *on_taken;
    void *argument;
} bm_fence_terms_t;

typedef enum {
    BM_FENCE_END_FAILED,  /* it never stood */
    BM_FENCE_END_EXPIRED, /* SQL Server ended it: the lease was over */
    BM_FENCE_END_LOST,    /* its session died, or nobody can tell until when it stood */
    BM_FENCE_END_STOOD    /* it stood until we interrupted it */
} bm_fence_end_t;

/*  Returns what became of it; *error says why it is not STOOD; *messages_p (may be NULL) is the caller's. */
bm_fence_end_t bm_fence_hold (bm_sql_t *sql, const bm_fence_terms_t *terms,
                              bm_sql_messages_t **messages_p, bm_error_t *error);

/*  The batch. Caller frees. */
char *bm_fence_batch (const bm_fence_terms_t *terms);

/*  The expression for the present transaction's id. */
const char *bm_fence_transaction_id (int version);

#endif
