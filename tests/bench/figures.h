/*  tests/bench/figures.h
 *  Samples and what is told of them.
 */
#ifndef BM_FIGURES_H
#define BM_FIGURES_H

#include <stddef.h>
#include <jansson.h>

typedef struct bm_samples {
    double *values;
    size_t count, room;
} bm_samples_t;

void bm_samples_add (bm_samples_t *self, double value);
void bm_samples_clear (bm_samples_t *self);
/*  Nearest rank; 0 when there is no sample. Sorts the samples. */
double bm_samples_percentile (bm_samples_t *self, double percent);
/*  {"p50": ..., "p99": ..., "max": ..., "count": ...}; the caller owns it. */
json_t *bm_samples_json (bm_samples_t *self);

/*  VmHWM of a process in KiB: the most memory that it ever had resident. -1 when it cannot be read. */
long bm_peak_kib (int pid);
/*  VmRSS now. */
long bm_resident_kib (int pid);

#endif
