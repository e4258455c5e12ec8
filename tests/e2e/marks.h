/*  tests/e2e/marks.h
 *  Marks under load: run after run, each mark cut from the files on disk and judged by the workload's checker.
 */
#ifndef BM_MARKS_H
#define BM_MARKS_H

#include "tests/e2e/cluster.h"

/*  The cluster must run the workload and have its fulls. Takes `count` log sets, one btsmark run each, and fails the test
 *  unless every one has a good mark whose cut is whole. */
void bm_marks_under_load (bm_cluster_t *cluster, size_t count);

#endif
