/*  coordinator/shell/run.h
 *  One run from the lock to the journal's last line: the four steps of BizTalk's backup job (compression setting; a full if it
 *  is due; a mark and log backups; retention). A step that fails does not keep the next ones from being tried.
 */
#ifndef BM_RUN_H
#define BM_RUN_H

#include "coordinator/shell/progress.h"
#include "coordinator/shell/report.h"

typedef enum {
    BM_RUN_JOB,  /* everything; the full when it is due */
    BM_RUN_FULL, /* the full now, nothing else */
    BM_RUN_LOG,  /* a mark and log backups, no full */
    BM_RUN_CLEAN /* retention alone */
} bm_run_kind_t;

struct bm_cleaning;

typedef struct bm_run_options {
    const char *config; /* file */
    bm_run_kind_t kind;
    bm_progress_mode_t progress;
    bool dry_run; /* of BM_RUN_CLEAN: no lock is taken and nothing written */
    struct bm_cleaning
        *cleaning; /* of BM_RUN_CLEAN: gets what was decided and done; the caller clears it */
} bm_run_options_t;

/*  Does the run and fills the report; the exit code is bm_report_exit_code. Blocks SIGTERM and SIGINT: they end the run in
 *  order. */
void bm_run_execute (const bm_run_options_t *options, bm_report_t *report);

#endif
