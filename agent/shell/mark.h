/*  agent/shell/mark.h
 *  The marked transaction of one instance: opened over all its databases, held open on its session, then committed or
 *  rolled back. Each call blocks in the session's thread.
 */
#ifndef BM_MARK_H
#define BM_MARK_H

#include <stdbool.h>
#include <stdint.h>
#include "agent/core/participant.h"
#include "agent/shell/sample.h"
#include "common/sql.h"

typedef struct bm_mark_terms {
    const char *mark;
    char *const *databases;
    size_t count;
    int64_t lease_ms;
    int64_t wait_ms; /* for a lock that somebody else holds; 0 = three quarters of the lease */
    int version;     /* SQL Server's major version */
} bm_mark_terms_t;

/*  BM_OK: the transaction stands open over every database and *transaction_id names it. Otherwise nothing is open (or
 *  the session is dead) and *error says why. *messages_p (may be NULL) is the caller's in both cases. */
bm_status_t bm_mark_open (bm_sql_t *sql, const bm_mark_terms_t *terms, int64_t *transaction_id,
                          bm_sql_messages_t **messages_p, bm_error_t *error);

typedef struct bm_mark_commit_terms {
    int64_t transaction_id;
    int version; /* SQL Server's major version */
    bool check;  /* read L2 right after the COMMIT, in the same batch */
    char *const *databases;
    size_t count;
} bm_mark_commit_terms_t;

/*  Commits exactly that transaction. DONE and ROLLED_BACK are certain; whatever is not is UNKNOWN, with *error. *after
 *  is the second sample, whatever became of the COMMIT: it ran only when it was asked for and the COMMIT is done. */
bm_committed_t
bm_mark_commit (bm_sql_t *sql, const bm_mark_commit_terms_t *terms, bm_sql_messages_t **messages_p,
                bm_sample_t *after, bm_error_t *error);

/*  Rolls back whatever the session has open. When that fails the caller closes the session, which does it too. */
bm_status_t bm_mark_rollback (bm_sql_t *sql, bm_error_t *error);

/*  The batches. Caller frees. */
char *bm_mark_open_batch (const bm_mark_terms_t *terms);
char *bm_mark_commit_batch (const bm_mark_commit_terms_t *terms);

#endif
