/*  coordinator/core/retry.h
 *  Growing random pauses between attempts. Pure: the caller brings the seed and keeps it.
 */
#ifndef BM_RETRY_H
#define BM_RETRY_H

#include <stdint.h>

/*  base * 2^(attempt - 1), never above max; attempt from 1. Any unit. */
int64_t bm_retry_grown (unsigned attempt, int64_t base, int64_t max);

/*  Before attempt 2, 3, ... (attempt = the one that just failed, from 1): between half of and the whole of
 *  base_ms * 2^(attempt - 1), never above max_ms. base_ms and max_ms above 0. *seed moves on. */
int64_t bm_retry_pause_ms (uint64_t *seed, unsigned attempt, int64_t base_ms, int64_t max_ms);

/*  The next number of the sequence that *seed stands in (splitmix64). */
uint64_t bm_retry_random (uint64_t *seed);

#endif
