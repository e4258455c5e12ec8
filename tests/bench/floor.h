/*  tests/bench/floor.h
 *  What no coordinator can be faster than: one message to each host and its answer over raw ZeroMQ (ROUTER, CURVE), all hosts
 *  at once; bare, and with one bare COMMIT of a marked transaction behind it.
 */
#ifndef BM_FLOOR_H
#define BM_FLOOR_H

#include "tests/bench/figures.h"
#include "tests/e2e/cluster.h"

/*  Microseconds from the first send to the last answer, `rounds` times each. */
void bm_floor_measure (bm_cluster_t *cluster, size_t rounds, bm_samples_t *wire,
                       bm_samples_t *with_commit);

#endif
