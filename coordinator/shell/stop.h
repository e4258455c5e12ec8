/*  coordinator/shell/stop.h
 *  SIGTERM and SIGINT as something to wait for: the signals are blocked and read from a descriptor.
 */
#ifndef BM_STOP_H
#define BM_STOP_H

#include <stdbool.h>
#include "common/error.h"

typedef struct bm_stop bm_stop_t;

/*  Before the first thread is started (libzmq's inherit the mask). */
bm_stop_t *bm_stop_new (bm_error_t *error);
void bm_stop_destroy (bm_stop_t **self_p);
/*  To poll on; -1 for NULL. */
int bm_stop_fd (const bm_stop_t *self);
/*  True from the first such signal on. Never blocks; NULL: false. */
bool bm_stop_requested (bm_stop_t *self);

#endif
