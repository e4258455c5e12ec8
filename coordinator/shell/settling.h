/*  coordinator/shell/settling.h
 *  A run first closes what earlier runs left open: leftover sessions are ended, the truth is read from every instance, missing
 *  rows are written, open marks get their outcome. What cannot be asked stays open for the next run; nothing blocks.
 */
#ifndef BM_SETTLING_H
#define BM_SETTLING_H

#include "coordinator/shell/work.h"

typedef struct bm_settled {
    bool fork_changed; /* the management database was restored since the last run */
    size_t unknown;    /* marks that are still open */
} bm_settled_t;

/*  Under the lock, after the greeting. Failures are reported, not returned: the run goes on. */
void bm_settling_run (bm_work_t *work, bm_settled_t *settled);

#endif
