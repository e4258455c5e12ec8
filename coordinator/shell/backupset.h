/*  coordinator/shell/backupset.h
 *  The backups of one set: all databases of the group at once, each journaled before it is ordered and recorded in
 *  adm_BackupHistory as it ends. Answers are only noted when they arrive; files and databases are written by
 *  bm_backupset_serve, so that a set can go on behind a round that holds fences.
 */
#ifndef BM_BACKUPSET_H
#define BM_BACKUPSET_H

#include "coordinator/shell/driver.h"

typedef struct bm_backupset bm_backupset_t;

typedef struct bm_backupset_in {
    int64_t set_id;
    bm_set_type_t type;
    const char *sequence;          /* goes into the files' names */
    const char *mark;              /* NULL = full, or no mark was placed */
    bm_outcome_t outcome;          /* of the mark; ignored for a full */
    const bm_mark_proof_t *proofs; /* one per place of work->topology, or NULL */
    const char *history_time;      /* BackupDateTime of all rows */
    const size_t *places;          /* of work->topology that are taken now; NULL = all of them */
    size_t place_count;
    size_t missing;          /* databases that the set lacks and that are not among `places` */
    bm_report_set_t *report; /* one database for each that is taken; filled in */
} bm_backupset_in_t;

/*  Orders the backups. work->topology must live as long as the set; the texts of `in` are copied. */
bm_backupset_t *bm_backupset_start (bm_work_t *work, const bm_backupset_in_t *in);
void bm_backupset_destroy (bm_backupset_t **self_p);

/*  Journals what has ended and writes its history row while the lock is held. True when nothing runs any more. */
bool bm_backupset_serve (bm_backupset_t *self);
/*  Asks the agents to end what runs; the answers still come. */
void bm_backupset_cancel (bm_backupset_t *self, const char *reason);

/*  After the last one ended: waits for the lock if it was lost and rows are left, judges the set, writes SetComplete and the
 *  manifests. The set's own error: BM_SET_INCOMPLETE, BM_NO_MARK, ... or BM_OK. */
bm_status_t bm_backupset_finish (bm_backupset_t *self, bm_error_t *error);

/*  start, serve until all have ended (or the process is told to stop: then they are cancelled), finish. */
bm_status_t bm_backupset_run (bm_work_t *work, const bm_backupset_in_t *in, bm_error_t *error);

#endif
