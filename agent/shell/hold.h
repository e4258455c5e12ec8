/*  agent/shell/hold.h
 *  What one round holds in SQL Server: fences and the mark, each in a session of its own. Started and ended from the
 *  loop's thread; what becomes of them is told to the instance as facts, exactly once each.
 */
#ifndef BM_HOLD_H
#define BM_HOLD_H

#include "agent/shell/instance.h"

/*  Leads to FENCE_TAKEN and then FENCE_FELL or FENCE_ENDED, or to FENCE_FELL alone. */
void bm_hold_fence (bm_instance_t *instance, const Btsmark__Envelope *order, size_t slot,
                    int64_t lease_ms);
void bm_hold_end_fence (bm_instance_t *instance, size_t slot);

/*  Leads to MARK_OPEN or MARK_GONE. */
void bm_hold_mark (bm_instance_t *instance, const Btsmark__Envelope *order, int64_t lease_ms);
/*  Leads to COMMIT_ANSWERED. */
void bm_hold_commit (bm_instance_t *instance, const Btsmark__Commit *order, int64_t transaction_id);
/*  Leads to MARK_GONE, also while it is still being opened. */
void bm_hold_rollback (bm_instance_t *instance);

/*  Samples are read in a session of their own: an error or an attention in the mark's would roll it back. It is opened, and
 *  proved by a first reading, while the mark is. */
void bm_hold_samples (bm_instance_t *instance, const Btsmark__Envelope *order);
/*  Answers SAMPLED, at once or, while something is in flight, when its patience is over. */
void bm_hold_sample (bm_instance_t *instance, bm_operation_t *operation);
void bm_hold_end_samples (bm_instance_t *instance);

/*  A fact for the participant, and the deeds that follow from it (instance.c). */
void bm_instance_fact (bm_instance_t *self, const bm_fact_t *fact);

#endif
