/*  tests/e2e/hand.h
 *  A round by hand, for tests that force a race: the product's own fence, mark and commit (agent/shell), called step by step
 *  over two instances, so that a test can act between any two of them. The first instance holds the MessageBoxes
 *  (BizTalkMsgBoxDb, BizTalkMsgBoxDb2), the second the tracking databases.
 */
#ifndef BM_HAND_H
#define BM_HAND_H

#include <stdbool.h>
#include "agent/shell/fence.h"
#include "tests/e2e/cluster.h"

/*  A fence in a thread and a session of its own. */
typedef struct bm_hand_fence bm_hand_fence_t;

/*  Returns when the fence stands; fails the test when it does not come to stand. */
bm_hand_fence_t *
bm_hand_fence_take (bm_cluster_t *cluster, size_t host, const char *database, int64_t lease_ms);
/*  Waits until SQL Server has ended it: its lease is over. */
void bm_hand_fence_wait_end (bm_hand_fence_t *self);
int64_t bm_hand_fence_transaction (const bm_hand_fence_t *self);
/*  Lets go and says what became of it. Frees. */
bm_fence_end_t bm_hand_fence_release (bm_hand_fence_t **self_p);

/*  The marked transaction of one instance, open. */
typedef struct bm_hand_mark bm_hand_mark_t;

bm_hand_mark_t *bm_hand_mark_open (bm_cluster_t *cluster, size_t host, const char *mark,
                                   const char *const *databases);
/*  More work inside the marked transaction, for a twin. */
void bm_hand_mark_exec (bm_hand_mark_t *self, const char *batch);
/*  Fails the test unless it is committed. Frees. */
void bm_hand_mark_commit (bm_hand_mark_t **self_p);

#endif
