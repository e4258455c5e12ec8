/*  tests/bench/bench.h
 *  The measurements, each a part of one report: it prints its table as it goes and returns its figures (owned by the caller).
 *  Everything that is compared is measured in the same run, on the same machine, with the same data.
 */
#ifndef BM_BENCH_H
#define BM_BENCH_H

#include "tests/e2e/cluster.h"

typedef struct bm_bench_options {
    double host_seconds; /* what a full of one host takes on its limited disk */
    size_t rounds;
    size_t crowd_rounds;
} bm_bench_options_t;

/*  A full set and a log set of 1, 2, 4 and 8 equal hosts: `btsmark` against plain T-SQL that calls BizTalk's procedures one
 *  database after another. The last cluster (8 hosts, disks unlimited again) is handed on in *cluster_p. */
json_t *bm_bench_sets (const bm_bench_options_t *options, bm_cluster_t **cluster_p);
/*  The mark window and the time that the fence is held over many rounds, with the stall of a marked COMMIT on and off, and
 *  the floor under them; the agents' memory. */
json_t *bm_bench_rounds (const bm_bench_options_t *options, bm_cluster_t *cluster);
/*  Log sets with 16, 64, 256 and 1,000 agents in one process: time, memory. */
json_t *bm_bench_agents (const bm_bench_options_t *options);

/*  btsmark COMMAND --json, its wall time in seconds in *seconds_p (may be NULL). Ends the program unless it ended with 0 and
 *  its sets are complete. */
void
bm_bench_btsmark (bm_cluster_t *cluster, const char *command, bm_ran_t *ran, double *seconds_p);
/*  What it is held against, in words: "met" or "missed". */
const char *bm_bench_verdict (bool met);

#endif
