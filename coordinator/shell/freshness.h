/*  coordinator/shell/freshness.h
 *  How far the catalogue may be believed to tell the present: it knows what runs told it, and nothing since the last one.
 */
#ifndef BM_FRESHNESS_H
#define BM_FRESHNESS_H

#include "coordinator/shell/catalogue.h"

typedef struct bm_freshness {
    int64_t last_run_us; /* when the newest run began; -1 = there was none */
    int64_t usual_us;    /* how long is usual from one run to the next; -1 = not known */
    bool running;        /* it has not ended, or was killed */
    bool stale;          /* the next run is overdue by far */
} bm_freshness_t;

bm_status_t bm_freshness_read (bm_catalogue_t *catalogue, int64_t now_us, bm_freshness_t *freshness,
                               bm_error_t *error);

/*  "40 s", "12 min", "5 h", "3 d": rounded down, for people. Returns buffer. */
#define BM_AGE_BYTES 24
char *bm_freshness_age (int64_t us, char buffer[BM_AGE_BYTES]);

#endif
