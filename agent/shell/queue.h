/*  agent/shell/queue.h
 *  Backups of this host: so many at a time, in the order they were asked for. Each runs in a session of its own; a second
 *  one tells how far it is. The loop's thread only.
 */
#ifndef BM_QUEUE_H
#define BM_QUEUE_H

#include "agent/shell/agent.h"

bm_queue_t *bm_queue_new (bm_agent_t *agent);
void bm_queue_destroy (bm_queue_t **self_p);

/*  A BACKUP order that was let pass: runs now or waits; refused when its path or its names are not allowed. */
void bm_queue_add (bm_queue_t *self, bm_instance_t *instance, bm_operation_t *operation);

/*  Waiting: answered CANCELLED at once. Running: an attention, then KILL by a second session; answered when it ended. */
bool bm_queue_cancel (bm_queue_t *self, const bm_operation_t *operation, const char *why);
void bm_queue_cancel_all (bm_queue_t *self, const char *why);

size_t bm_queue_running (const bm_queue_t *self);
/*  Backups of runs before `epoch` of the same group on this instance that are not done; cancels them when told to. */
size_t bm_queue_older (bm_queue_t *self, const bm_instance_t *instance,
                       const Btsmark__Envelope *order, const char *cancel_why);

/*  Progress and KILLs that are due. */
void bm_queue_tick (bm_queue_t *self, int64_t now_ms);

#endif
