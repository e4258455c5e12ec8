/*  coordinator/shell/work.h
 *  What the parts of one run share, and how all of them wait: for the agents, for a signal, and with an eye on the session that
 *  holds the backup lock.
 */
#ifndef BM_WORK_H
#define BM_WORK_H

#include "coordinator/shell/agents.h"
#include "coordinator/shell/catalogue.h"
#include "coordinator/shell/management.h"
#include "coordinator/shell/progress.h"
#include "coordinator/shell/report.h"
#include "coordinator/shell/settings.h"
#include "coordinator/shell/stop.h"
#include "coordinator/shell/topology.h"

/*  Borrowed, but for the lock's state. */
typedef struct bm_work {
    const bm_settings_t *settings;
    bm_agents_t *agents;
    bm_catalogue_t *catalogue;
    bm_management_t *management; /* NULL in tests: the lock then always holds */
    bm_topology_t *topology;
    bm_report_t *report;
    bm_progress_t *progress;
    bm_stop_t *stop;
    uint64_t run;
    const char *context; /* "btsmark run 17" */
    bool compress;       /* backups, but those of SSODB */

    bool lock_held;
    int64_t next_probe_ms;
} bm_work_t;

/*  Serves agents and signals for at most timeout_ms. True when the process was told to stop. */
bool bm_work_wait (bm_work_t *self, int64_t timeout_ms);

/*  Looks at the lock's session, if the time has come or `now`. False once it is lost: then it is journaled and
 *  reported, once. At most 5 s. */
bool bm_work_probe (bm_work_t *self, bool now);
/*  Tries to take a lost lock again, without waiting, at most once in lock-probe. True when it is held (again). */
bool bm_work_relock (bm_work_t *self);

/*  Minutes of local time ahead of UTC at that moment, or 0 when the settings say UTC. */
int bm_work_zone_minutes (const bm_work_t *self, int64_t utc_us);
/*  The same of the clock that backup-hour is read from. */
int bm_work_hour_minutes (const bm_work_t *self, int64_t utc_us);
/*  A mark name that differs from `before` (NULL = any), and the moment it names, in datetime's ticks of 1/300 s (may be
 *  NULL). */
bm_status_t bm_work_mark_name (const bm_work_t *self, const char *before, char *mark,
                               int64_t *utc_us_p, bm_error_t *error);

#endif
