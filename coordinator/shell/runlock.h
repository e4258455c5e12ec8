/*  coordinator/shell/runlock.h
 *  One run at a time on one catalogue: a locked file beside it, "<catalogue>.lock". The lock ends with the process, whatever
 *  ends it; the file stays and names its last holder.
 */
#ifndef BM_RUNLOCK_H
#define BM_RUNLOCK_H

#include <stdbool.h>
#include "common/error.h"

typedef struct bm_runlock bm_runlock_t;

/*  BM_LOCK_BUSY with the holder's process id and start time when another process holds it; BM_CATALOGUE when the file
 *  cannot be made. Never waits. */
bm_runlock_t *bm_runlock_take (const char *catalogue_path, bm_error_t *error);
void bm_runlock_release (bm_runlock_t **self_p);

/*  Whether some process holds it now. Takes nothing, so that looking never keeps a run from starting. */
bool bm_runlock_held (const char *catalogue_path);

#endif
