/*  tests/sim/sim.h
 *  The real round core and the real participant cores in one process: virtual time, a network that drops, repeats, delays
 *  and reorders, model SQL Servers, and kills, freezes and cuts at any step, all from one seed. What the coordinator
 *  believes is held against what happened.
 */
#ifndef BM_SIM_H
#define BM_SIM_H

#include <stdbool.h>
#include <stdint.h>
#include "coordinator/core/outcome.h"

/*  Bugs planted in the shells of the simulation: each must be found. */
typedef enum {
    BM_MUTATION_NONE,
    BM_MUTATION_COMMIT_BEFORE_JOURNAL,    /* the intent is said to be on the disk before it is */
    BM_MUTATION_FENCE_RELEASED_EARLY,     /* each fence is released after its own COMMIT */
    BM_MUTATION_LEASE_IGNORED,            /* nobody ends fences and marks in time */
    BM_MUTATION_LOST_ANSWER_IS_COMMITTED, /* an answer that does not come is taken for yes */
    BM_MUTATION_NO_IDENTITY,              /* an agent vouches for a fence that it took again */
    BM_MUTATION_ACCEPT_STALE,  /* orders for an earlier start or past their expiry are done */
    BM_MUTATION_SAMPLE_ORDER,  /* samples read their two views the other way round */
    BM_MUTATION_CHECK_IGNORED, /* what the in-flight check found is not told to the round */
    BM_MUTATION_COUNT
} bm_mutation_t;

const char *bm_mutation_name (bm_mutation_t mutation); /* "commit-before-journal" */
bool bm_mutation_by_name (const char *name, bm_mutation_t *mutation);

typedef struct bm_sim_config {
    uint64_t seed;
    bm_mutation_t mutation;
    bool trace; /* every event on stdout */
} bm_sim_config_t;

typedef struct bm_sim_report {
    bool violated;
    char what[512]; /* the first rule that was broken */
    int64_t at_ms;
    uint64_t digest; /* of every event: equal seeds give equal digests */
    uint64_t events;
    uint32_t rounds;
    uint32_t faults;
    uint32_t straddled; /* rounds whose mark, in every database, some transaction straddles */
    uint32_t outcomes[BM_OUTCOME_COUNT];
} bm_sim_report_t;

void bm_sim_run (const bm_sim_config_t *config, bm_sim_report_t *report);

#endif
