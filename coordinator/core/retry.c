/*  coordinator/core/retry.c */
#include "coordinator/core/retry.h"
#include "common/error.h"

uint64_t
bm_retry_random (uint64_t *seed)
{
    uint64_t z = (*seed += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int64_t
bm_retry_grown (unsigned attempt, int64_t base, int64_t max)
{
    bm_require (attempt > 0 && base >= 0 && max >= 0);
    int64_t whole = base < max ? base : max;
    for (unsigned at = 1; at < attempt && whole > 0 && whole < max; at++)
        whole = whole > max / 2 ? max : whole * 2;
    return whole;
}

int64_t
bm_retry_pause_ms (uint64_t *seed, unsigned attempt, int64_t base_ms, int64_t max_ms)
{
    bm_require (base_ms > 0 && max_ms > 0);
    int64_t whole = bm_retry_grown (attempt, base_ms, max_ms);
    int64_t half = whole / 2;
    return half + (int64_t)(bm_retry_random (seed) % (uint64_t)(whole - half + 1));
}
