/*  coordinator/shell/driver.h
 *  Drives one round (core/round) over the real agents: its actions become orders, answers become events. The driver keeps
 *  what the core does not need to know: fence identities, transaction ids, LSNs, SQL Server's messages.
 */
#ifndef BM_DRIVER_H
#define BM_DRIVER_H

#include <jansson.h>
#include "common/names.h"
#include "coordinator/core/round.h"
#include "coordinator/shell/work.h"

typedef struct bm_driver_in {
    uint32_t number; /* of this run, from 1 */
    int64_t set_id;
    const char *mark;
} bm_driver_in_t;

typedef struct bm_driver_out {
    bm_outcome_t outcome;
    char *reason;      /* with what the in-flight check found */
    json_t *in_flight; /* the same for programs: an array; NULL when nothing was found */
    bm_error_t
        unchecked; /* why the in-flight check did not run on the first instance; BM_OK when it did */
    bm_error_t cause; /* BM_OK when nothing went wrong */
    bool commit_sent;
    bool mark_dropped; /* 3923 somewhere */
    bm_fences_t fences;
    int64_t window_us;       /* first COMMIT sent until the last was answered; -1 = none was sent */
    int64_t fence_ms;        /* first FENCE sent until the last RELEASED; -1 = nothing was fenced */
    bm_mark_proof_t *proofs; /* one per place of the topology; zeroed where nothing was asked */
    size_t proof_count;
} bm_driver_out_t;

/*  One round over all instances of work->topology. BM_OK when the round came to an end, whatever its outcome; the
 *  intent is journaled before the first COMMIT is sent, the outcome and proofs afterwards. Fills *out in any case. */
bm_status_t bm_driver_round (bm_work_t *work, const bm_driver_in_t *in, bm_driver_out_t *out,
                             bm_error_t *error);
void bm_driver_out_clear (bm_driver_out_t *out);

/*  Asks every instance of the topology for its vote and takes it over, outside a round: facts for the schedule and for
 *  the orders of backups. Instances that do not answer keep what was known; the first failure of an instance goes to errors[i]
 *  (one per instance, may be NULL). */
void bm_driver_prepare (bm_work_t *work, bm_set_type_t type, bm_error_t *errors);

#endif
