/*  agent/shell/upkeep.h
 *  MEASURE_FILES and DELETE_FILES: what stands of the backups, and taking away what no kept mark needs. Whatever an order
 *  says, a file is deleted only below the allowed paths, only when it is a plain file, only when it looks like a backup or a
 *  manifest of ours, and never when msdb knows it as a backup of another database. Blocks in the session's thread.
 */
#ifndef BM_UPKEEP_H
#define BM_UPKEEP_H

#include "agent/shell/files.h"
#include "common/wire.h"

/*  The most that an answer about so many files, whose paths take so many bytes, can take. What would not fit into one message
 *  is not begun: an answer that cannot be sent would say that nothing was done. */
size_t bm_upkeep_answer_bytes (size_t files, size_t path_bytes);

/*  The caller owns the answers. */
Btsmark__FilesMeasured *
bm_upkeep_measure (const bm_files_t *files, const Btsmark__MeasureFiles *order);

/*  `stop` (may be NULL) is asked before each file: true leaves the rest as it is, each with a fault that says so. */
typedef bool (bm_upkeep_stop_fn) (void *argument);
Btsmark__FilesDeleted *bm_upkeep_delete (const bm_files_t *files, const Btsmark__DeleteFiles *order,
                                         bm_upkeep_stop_fn *stop, void *argument);

#endif
