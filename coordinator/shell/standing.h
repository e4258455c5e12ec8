/*  coordinator/shell/standing.h
 *  How the group stands, from the catalogue alone: its runs, sets, marks and what is left open. Nothing is written and no server
 *  is asked: this works while the management server is down.
 */
#ifndef BM_STANDING_H
#define BM_STANDING_H

#include "coordinator/core/health.h"
#include "coordinator/core/schedule.h"
#include "coordinator/shell/marks.h"
#include "coordinator/shell/settings.h"

#define BM_STANDING_RUNS  50
#define BM_STANDING_SETS  400
#define BM_STANDING_MARKS 50

typedef struct bm_standing {
    int64_t now_us;
    bool there;   /* false: there is no catalogue yet */
    bool running; /* a run goes on now */

    bm_run_row_t *runs; /* newest first */
    size_t run_count;
    bm_health_run_t *health_runs; /* the same; borrowed from them */
    bm_set_row_t *sets;           /* newest first */
    size_t set_count;
    int64_t full_us, full_set; /* newest complete full; -1, 0 = none */
    bool any_complete;

    bm_outcome_t outcomes[BM_STANDING_MARKS]; /* of the newest log sets that have one */
    size_t outcome_count;
    size_t rounds; /* that these sets took together */
    size_t open_marks, owed_manifests;
    int64_t worst_fence_ms; /* of these sets; -1 = none */

    bm_marks_t *marks;                  /* NULL: which are usable could not be told */
    bm_health_mark_t usable, on_demand; /* borrowed from them */
    bm_retained_row_t *retained;        /* also those whose date has passed */
    size_t retained_count;
} bm_standing_t;

/*  BM_CATALOGUE when it cannot be read; what was read so far stands. A catalogue that is not there is no error. */
bm_status_t
bm_standing_read (const bm_settings_t *settings, bm_standing_t *self, bm_error_t *error);
void bm_standing_clear (bm_standing_t *self);

/*  The same as facts for bm_health_group. */
void
bm_standing_health (const bm_standing_t *self, const bm_settings_t *settings, bm_health_t *health);

/*  Milliseconds that the newest complete full may be old: full-age, or twice full-every. */
int64_t bm_standing_full_age_ms (const bm_settings_t *settings);

/*  When a run takes the next full, as far as the catalogue tells; now_us = the next run does. -1 = not within 400 days. */
int64_t bm_standing_next_full_us (const bm_standing_t *self, const bm_settings_t *settings);

/*  Chains of all databases of the group: what each lacks. */
bm_status_t
bm_standing_chains (const bm_settings_t *settings, bm_findings_t *findings, bm_error_t *error);

#endif
