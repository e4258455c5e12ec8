/*  coordinator/shell/run_state.h
 *  What the files of one run share (run.c opens, orders the steps and closes; run_set.c, run_full.c and run_log.c are the sets).
 *  For those files only: see run.h.
 */
#ifndef BM_RUN_STATE_H
#define BM_RUN_STATE_H

#include "common/key.h"
#include "coordinator/shell/cleaning.h"
#include "coordinator/shell/driver.h"
#include "coordinator/shell/history.h"
#include "coordinator/shell/run.h"
#include "coordinator/shell/runlock.h"
#include "coordinator/shell/settling.h"

typedef struct bm_run {
    bm_run_options_t options;
    bm_settings_t *settings;
    bm_key_t *key;
    bm_runlock_t *runlock;
    bm_group_rows_t rows;
    bm_work_t work;
    char *context;
    uint32_t round;
    uint64_t seed;
    bool lock_wait_told;
    bm_settled_t settled;
    bm_error_t *not_ready; /* per instance: what speaks against a full */
} bm_run_t;

/*  Told to stop: then the report says so. */
bool bm_run_stopping (bm_run_t *self);
/*  The group's databases as the catalogue takes them, borrowed from the topology. Caller frees the array. */
bm_group_database_t *bm_run_databases (const bm_topology_t *topology);

/* ---- sets ---- */

/*  A set that is begun: its id, taken under the lock, its row in the catalogue, its place in the report. */
typedef struct bm_run_set {
    int64_t id;
    bm_set_type_t type;
    char sequence[BM_MARK_BYTES];
    char time[BM_HISTORY_TIME_BYTES];
    bm_report_set_t *report;
} bm_run_set_t;

bm_status_t
bm_run_set_begin (bm_run_t *self, bm_set_type_t type, bm_run_set_t *set, bm_error_t *error);
/*  A full set of an earlier run, for `databases` of it that are taken now: its id and time, but a sequence of its own. */
bm_status_t bm_run_set_again (bm_run_t *self, const bm_set_row_t *row, bm_run_set_t *set,
                              size_t databases, bm_error_t *error);
/*  Told to stop before its backups began: it ends as it is. */
void bm_run_set_skip (bm_run_t *self, const bm_run_set_t *set);

/* ---- the steps ---- */

/*  Step 2: a full when one is due, or in any case (BM_RUN_FULL). */
void bm_run_full (bm_run_t *self);
/*  Step 3: a mark, then log backups whatever became of it. */
void bm_run_log (bm_run_t *self);
/*  The same while a full runs; nothing when the group has no chains yet. */
void bm_run_log_beside_full (bm_run_t *self);

#endif
