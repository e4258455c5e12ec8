/*  coordinator/shell/due.h
 *  Gathers what core/fullplan decides on: the group's history and settings, the newest full set, the time, the votes.
 */
#ifndef BM_DUE_H
#define BM_DUE_H

#include "coordinator/core/fullplan.h"
#include "coordinator/shell/work.h"

/*  What a run is to do about fulls, and the set that a repair adds to. */
typedef struct bm_due_plan {
    bm_fullplan_t plan;
    bool force_full;   /* adm_BackupSettings.ForceFull */
    bm_set_row_t *set; /* the newest full set that can still be added to, or NULL */
    bool *take;        /* one per place of the topology: the databases of a repair */
    size_t missing;    /* databases that the set will still lack when the repair is good */
} bm_due_plan_t;

/*  After bm_driver_prepare. BM_MANAGEMENT when the history cannot be read, BM_CATALOGUE. */
bm_status_t
bm_due_find (bm_work_t *work, bool fork_changed, bm_due_plan_t *plan, bm_error_t *error);
void bm_due_clear (bm_due_plan_t *self);

/*  UTC of a time that adm_BackupHistory keeps ("yyyy-mm-dd hh:mi:ss.mmm", UTC or this machine's local time); -1 when
 *  malformed. A local time that comes twice is the first of the two; one that a change of the clock left out is read as if
 *  the clock had not been changed. */
int64_t bm_due_parse_time (const char *text, bool local);

#endif
