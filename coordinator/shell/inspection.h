/*  coordinator/shell/inspection.h
 *  Every precondition of a run, looked at without touching anything: configuration, keys, agents, management database, each
 *  instance (agent/shell/inspect.h) and the group's past. What cannot be reached is a finding; all the rest is looked at all the
 *  same, all hosts at once.
 */
#ifndef BM_INSPECTION_H
#define BM_INSPECTION_H

#include "coordinator/core/findings.h"
#include "coordinator/shell/settings.h"

typedef struct bm_inspection {
    bm_settings_t *settings; /* NULL: the configuration is wrong, a finding says how */
    size_t databases, instances, agents, reached;
    bm_findings_t findings; /* sorted */
} bm_inspection_t;

void bm_inspection_run (const char *config, bm_inspection_t *self);
void bm_inspection_clear (bm_inspection_t *self);

/*  The exit code: BM_OK 0; warnings 0, or 3 with exit-on-warnings = 3; else that of the most severe failure. */
int bm_inspection_exit_code (const bm_inspection_t *self);

#endif
