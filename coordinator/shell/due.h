/*  coordinator/shell/due.h
 *  Gathers what core/schedule decides on: the group's history and settings, the time, the votes.
 */
#ifndef BM_DUE_H
#define BM_DUE_H

#include "coordinator/core/schedule.h"
#include "coordinator/shell/work.h"

/*  After bm_driver_prepare. *force_full_p: adm_BackupSettings.ForceFull. BM_MANAGEMENT when the history cannot be read. */
bm_status_t bm_due_find (bm_work_t *work, bool fork_changed, bm_due_t *due_p, bool *force_full_p,
                         bm_error_t *error);

/*  The newest full, if it failed, counts for a while as if it were under repair: 15 minutes, doubled with each failure in a
 *  row before it, at most 8 hours. Sets come newest first. */
void bm_due_pause_after_failures (bm_schedule_set_t *sets, size_t count, int64_t now_us);

/*  UTC of a time that adm_BackupHistory keeps ("yyyy-mm-dd hh:mi:ss.mmm", UTC or this machine's local time); -1 when
 *  malformed. */
int64_t bm_due_parse_time (const char *text, bool local);

#endif
