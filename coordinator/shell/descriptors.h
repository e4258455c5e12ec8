/*  coordinator/shell/descriptors.h
 *  File descriptors of this process: a connection for each agent takes one, and libzmq stops the process when there are none left,
 *  so they are counted before.
 */
#ifndef BM_DESCRIPTORS_H
#define BM_DESCRIPTORS_H

#include <stddef.h>

#include "common/error.h"

/*  Lifts the soft limit to the hard one. */
void bm_descriptors_raise (void);
/*  BM_LIMIT, with the remedy, when so many connections and what else a run needs do not fit. */
bm_status_t bm_descriptors_check (size_t connections, bm_error_t *error);

#endif
