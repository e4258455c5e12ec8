/*  coordinator/core/inflight.h
 *  The in-flight check of one round: compares the two samples of every instance, L1 before the first COMMIT of the group
 *  and L2 right after the instance's own, and tells what was found, where and why. Pure.
 *
 *  A distributed transaction straddles the mark when it ended before it on one instance and after it on another. The check
 *  finds nothing only if, on every instance, both samples ran, no count differs between them, and nothing is in flight in
 *  either: which listed branches are, and in which order a sample reads, is the agent's part (agent/core/branch.h).
 */
#ifndef BM_INFLIGHT_H
#define BM_INFLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*  A branch that is past active. Texts are borrowed. */
typedef struct bm_inflight_branch {
    const char *unit_of_work; /* "" or NULL = not known */
    int64_t transaction_id;
    int32_t transaction_state; /* of sys.dm_tran_active_transactions */
    int32_t database_state;    /* of sys.dm_tran_database_transactions; 0 = in none */
    const char *const *databases;
    size_t database_count;
} bm_inflight_branch_t;

typedef struct bm_inflight_sample {
    bool ran;
    const char *why_not; /* may be NULL */
    uint64_t prepares;   /* of branches, since SQL Server began to count */
    uint64_t commits;
    const bm_inflight_branch_t *branches;
    size_t branch_count;
} bm_inflight_sample_t;

enum {
    BM_INFLIGHT_LISTED_BEFORE = 1, /* L1 lists something */
    BM_INFLIGHT_LISTED_AFTER = 2,  /* L2 does */
    BM_INFLIGHT_MOVED = 4,         /* a count grew between them */
    BM_INFLIGHT_RESET = 8 /* a count is smaller than before: nobody knows how far it went */
};

/*  What two samples of one instance say, as far as they ran; either may be NULL. 0 = nothing. */
unsigned
bm_inflight_compare (const bm_inflight_sample_t *before, const bm_inflight_sample_t *after);

typedef struct bm_inflight bm_inflight_t;

#define BM_INFLIGHT_KEPT 3 /* branches that are kept of each sample of an instance, to be told */

/*  Names are copied. */
bm_inflight_t *bm_inflight_new (const char *const *instances, size_t count);
void bm_inflight_destroy (bm_inflight_t **self_p);

/*  Samples, copied as far as they are told later. A second one of the same kind replaces the first. */
void bm_inflight_before (bm_inflight_t *self, size_t instance, const bm_inflight_sample_t *sample);
void bm_inflight_after (bm_inflight_t *self, size_t instance, const bm_inflight_sample_t *sample);

/*  What was found on one instance. */
typedef struct bm_inflight_finding {
    const char *instance;
    unsigned flags; /* BM_INFLIGHT_... */
    const char *
        why_not; /* a sample was asked for and did not run; NULL = both did, or were not asked for */
    int64_t prepares, commits; /* by how much the counts moved; below 0 when they were reset */
    size_t listed[2];          /* in L1, in L2 */
    size_t kept[2];            /* of them, in branches */
    bm_inflight_branch_t branches[2][BM_INFLIGHT_KEPT];
} bm_inflight_finding_t;

bm_inflight_finding_t bm_inflight_finding (const bm_inflight_t *self, size_t instance);
size_t bm_inflight_count (const bm_inflight_t *self);

/*  "prepared", "committed and still listed": what a branch was doing. */
const char *bm_inflight_state (const bm_inflight_branch_t *branch);

/*  All findings as one sentence for people: which instance, how many, why. NULL when there is nothing to tell. Caller
 *  frees. */
char *bm_inflight_text (const bm_inflight_t *self);

#endif
