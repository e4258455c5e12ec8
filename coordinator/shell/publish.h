/*  coordinator/shell/publish.h
 *  The set's manifest, from the catalogue into every backup folder of the set.
 */
#ifndef BM_PUBLISH_H
#define BM_PUBLISH_H

#include "coordinator/shell/work.h"

/*  Builds the manifest of a set and has every instance of the topology write it. What could not be written becomes a warning of the
 *  report: the set itself does not depend on it. */
void bm_publish_manifest (bm_work_t *work, int64_t set_id);

/*  The same for instances that lack the manifest of an earlier run's set. */
void bm_publish_owed (bm_work_t *work);

/*  Writes the row of a backup into adm_BackupHistory, under the name that destinations read it by, and notes that in the
 *  catalogue. */
bm_status_t bm_publish_row (bm_work_t *work, const bm_backup_t *backup, const char *history_time,
                            bm_error_t *error);

#endif
