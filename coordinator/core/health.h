/*  coordinator/core/health.h
 *  What the group's past says of its future: is there a mark to restore to, is it young enough, do runs come and succeed, do logs
 *  get backed up, is there room. Pure: facts in, findings out.
 */
#ifndef BM_HEALTH_H
#define BM_HEALTH_H

#include <stdint.h>
#include "coordinator/core/findings.h"
#include "coordinator/core/outcome.h"

/*  "3 min", "5 h 02 min", "2 d 4 h" of milliseconds. Returns buffer. */
#define BM_HEALTH_AGE_BYTES 32
char *bm_health_age (int64_t ms, char buffer[BM_HEALTH_AGE_BYTES]);

typedef struct bm_health_run {
    uint64_t run;
    const char *command, *text; /* text: its error; NULL or "" = none */
    const char *status;         /* name of a bm_status_t; NULL = it has not ended */
    int64_t started_us;
} bm_health_run_t;

/*  A mark that the group can be restored to. */
typedef struct bm_health_mark {
    const char *name; /* NULL = there is none */
    int64_t at_us;
    bm_outcome_t outcome;
} bm_health_mark_t;

typedef struct bm_health {
    int64_t now_us;
    const bm_health_run_t *runs; /* newest first */
    size_t run_count;
    bool running;                 /* the newest run goes on now */
    bool marks_known;             /* false: it could not be told which marks are usable */
    bm_health_mark_t usable;      /* the newest */
    bm_health_mark_t on_demand;   /* the newest that is covered, but not clean */
    int64_t recovery_point_ms;    /* promised; 0 = not judged */
    int64_t full_us;              /* newest complete full; -1 = none */
    int64_t full_age_ms;          /* how old it may be */
    bool any_complete;            /* some set was complete once */
    const bm_outcome_t *outcomes; /* of the newest sets' marks */
    size_t outcome_count;
    size_t open_marks; /* whose outcome is not known */
    size_t owed_manifests;
    int64_t worst_fence_ms; /* of the newest sets; -1 = none */
    int64_t lease_ms;
} bm_health_t;

/*  Topics: never-succeeded, last-run, schedule, recovery-point, full-age, marks, in-doubt, manifests, fence. A topic that was judged
 *  and has nothing to say is BM_LEVEL_OK. */
void bm_health_group (const bm_health_t *self, bm_findings_t *findings);

/*  The time between runs that is usual: the median of the newest; -1 with fewer than four. */
int64_t bm_health_usual_pause_ms (const bm_health_run_t *runs, size_t count);

typedef struct bm_health_database {
    const char *server, *database;
    const char *log_reuse_wait;
    int64_t log_bytes, log_backup_age_ms; /* -1 = unknown; of the log: never */
    int64_t log_patience_ms;              /* a log backup is late after this */
    bool has_full;
    bool wants_compression, takes_compression; /* configured; @bCompression is there */
} bm_health_database_t;

/*  Topics: log-reuse, compression. */
void bm_health_database (const bm_health_database_t *self, bm_findings_t *findings);

/*  A backup folder: `last_bytes` = the last fulls that went there together, as large as they were. Topic: space. */
void bm_health_room (const char *server, const char *path, int64_t free_bytes, int64_t last_bytes,
                     bm_findings_t *findings);

/*  A clock that is ahead of ours (negative: behind). `whose`: "the agent", "SQL Server". Topic: clock. */
void bm_health_clock (const char *server, const char *whose, int64_t ahead_ms, int64_t allowed_ms,
                      bm_findings_t *findings);

typedef struct bm_health_link {
    const char *first_lsn, *last_lsn, *device;
    bool full, ours;
    int64_t at_us;
} bm_health_link_t;

/*  One database's backups on its present fork, in any order: a log that does not go on where the one before it ended is a gap.
 *  Topic: chain. */
void bm_health_chain (const char *server, const char *database, const bm_health_link_t *links,
                      size_t count, bm_findings_t *findings);

#endif
