/*  coordinator/shell/freshness.c */
#include "coordinator/shell/freshness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*  A run every 15 minutes is the usual schedule; one that is thrice as late as usual has not come. */
enum { READ = 50, LOOKED_AT = 10, LATE_TIMES = 3 };
static const int64_t MINUTE_US = 60000000, AT_LEAST_US = 30 * 60000000LL,
                     UNKNOWN_US = 24 * 3600 * 1000000LL;

static int
s_ascending (const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/*  Only those that take backups tell what the group was like. Returns how many there are now. */
static size_t
s_leave_backups (bm_run_row_t *runs, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count && kept < LOOKED_AT; i++)
        if (strcmp (runs[i].command, "clean") != 0) {
            bm_run_row_t other = runs[kept];
            runs[kept++] = runs[i];
            runs[i] = other;
        }
    return kept;
}

/*  The median of the last gaps: one long night does not change it. */
static int64_t
s_usual (const bm_run_row_t *runs, size_t count)
{
    int64_t gaps[LOOKED_AT];
    if (count < 3)
        return -1;
    for (size_t i = 0; i + 1 < count; i++)
        gaps[i] = runs[i].started_us - runs[i + 1].started_us;
    qsort (gaps, count - 1, sizeof *gaps, s_ascending);
    return gaps[(count - 1) / 2];
}

bm_status_t
bm_freshness_read (bm_catalogue_t *catalogue, int64_t now_us, bm_freshness_t *freshness,
                   bm_error_t *error)
{
    bm_run_row_t *runs = NULL;
    size_t all = 0;
    *freshness = (bm_freshness_t){.last_run_us = -1, .usual_us = -1, .stale = true};
    bm_status_t status = bm_catalogue_runs (catalogue, READ, &runs, &all, error);
    size_t count = status ? 0 : s_leave_backups (runs, all);
    if (count) {
        int64_t allowed_us = UNKNOWN_US;
        freshness->last_run_us = runs[0].started_us;
        freshness->running = !runs[0].status;
        freshness->usual_us = s_usual (runs, count);
        if (freshness->usual_us >= 0)
            allowed_us = freshness->usual_us * LATE_TIMES;
        if (allowed_us < AT_LEAST_US)
            allowed_us = AT_LEAST_US;
        freshness->stale = now_us - freshness->last_run_us > allowed_us;
    }
    bm_run_rows_destroy (&runs, all);
    return status;
}

char *
bm_freshness_age (int64_t us, char buffer[BM_AGE_BYTES])
{
    long long minutes = us < 0 ? 0 : us / MINUTE_US;
    if (minutes < 1)
        snprintf (buffer, BM_AGE_BYTES, "%lld s", us < 0 ? 0 : (long long)(us / 1000000));
    else if (minutes < 120)
        snprintf (buffer, BM_AGE_BYTES, "%lld min", minutes);
    else if (minutes < 2 * 24 * 60)
        snprintf (buffer, BM_AGE_BYTES, "%lld h", minutes / 60);
    else
        snprintf (buffer, BM_AGE_BYTES, "%lld d", minutes / (24 * 60));
    return buffer;
}
