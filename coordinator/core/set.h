/*  coordinator/core/set.h
 *  One run over the whole group: is its set complete? Pure.
 */
#ifndef BM_SET_H
#define BM_SET_H

#include <stdbool.h>
#include <stddef.h>
#include "common/error.h"
#include "coordinator/core/outcome.h"

typedef enum { BM_SET_FULL, BM_SET_LOG } bm_set_type_t;

/*  `db` or `lg`, as adm_BackupHistory spells them. */
const char *bm_set_type_name (bm_set_type_t type);

typedef enum {
    BM_DATABASE_PENDING, /* its backup is waiting or running */
    BM_DATABASE_OK,
    BM_DATABASE_OK_WITH_WARNINGS,
    BM_DATABASE_FAILED,
    BM_DATABASE_SKIPPED, /* was not tried */
    BM_DATABASE_UNKNOWN, /* the agent was lost meanwhile; settled later */
    BM_DATABASE_STATUS_COUNT
} bm_database_status_t;

/*  "ok_with_warnings", as `run --json` prints it. */
const char *bm_database_status_name (bm_database_status_t status);

typedef enum { BM_SET_BACKING_UP, BM_SET_STATE_COMPLETE, BM_SET_STATE_INCOMPLETE } bm_set_state_t;

const char *bm_set_state_name (bm_set_state_t state);

/*  What is known of one database. LSNs: decimal texts; NULL or "" = not known. */
typedef struct bm_set_database {
    bm_database_status_t status;
    bool recorded;         /* its row stands in adm_BackupHistory */
    const char *first_lsn; /* of the backup */
    const char *last_lsn;
    const char *mark_lsn; /* of the round's mark in logmarkhistory */
} bm_set_database_t;

typedef struct bm_set_verdict {
    bm_set_state_t state;
    bm_status_t
        status; /* BM_OK, BM_SET_INCOMPLETE, BM_NO_MARK, BM_MARK_DOUBTFUL, BM_MARK_MISSING, BM_IN_DOUBT */
    const char *reason; /* static text */
    size_t database;    /* the first one that the reason is about; SIZE_MAX when none */
    bool warn;          /* complete, but worth a warning: see reason */
} bm_set_verdict_t;

/*  outcome is looked at for a log set only. BACKING_UP while a database is pending; COMPLETE when every
 *  database has its backup and its row and, for a log set, the mark is good (doubtful and unchecked
 *  only with accept_doubtful) and its LSN lies within [first_lsn, last_lsn) of every database's log backup. */
bm_set_verdict_t bm_set_judge (bm_set_type_t type, bm_outcome_t outcome, bool accept_doubtful,
                               const bm_set_database_t *databases, size_t n);

#endif
