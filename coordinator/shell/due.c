/*  coordinator/shell/due.c */
#include "coordinator/shell/due.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "coordinator/shell/history.h"

enum { SETS = 1000 };
/*  A full that failed is not taken again at once: else every run writes another one until the disk is full. */
static const int64_t REPAIR_PAUSE_US = INT64_C (15) * 60 * 1000000;
static const int64_t REPAIR_PAUSE_MAX_US = INT64_C (8) * 3600 * 1000000;

int64_t
bm_due_parse_time (const char *text, bool local)
{
    int year, month, day, hour, minute, second, milli = 0;
    /* NOLINTNEXTLINE(cert-err34-c): the widths keep every number in range */
    if (!text || sscanf (text, "%4d-%2d-%2d%*1[ T]%2d:%2d:%2d.%3d", &year, &month, &day, &hour,
                         &minute, &second, &milli) < 6)
        return -1;
    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = month - 1,
                    .tm_mday = day,
                    .tm_hour = hour,
                    .tm_min = minute,
                    .tm_sec = second,
                    .tm_isdst = -1};
    time_t seconds = local ? mktime (&tm) : timegm (&tm);
    return seconds == (time_t)-1 ? -1 : (int64_t)seconds * 1000000 + milli * 1000;
}

static bool
s_local (const bm_work_t *work)
{
    return work->settings->time_zone == BM_ZONE_LOCAL;
}

static bm_schedule_set_t *
s_sets (bm_work_t *work, const bm_history_set_t *rows, size_t count, size_t *used)
{
    bm_schedule_set_t *sets = bm_alloc ((count + 1) * sizeof *sets);
    *used = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t at_us = bm_due_parse_time (rows[i].time, s_local (work));
        if (at_us < 0)
            continue;
        sets[(*used)++] =
            (bm_schedule_set_t){.set_id = rows[i].set_id,
                                .type = rows[i].type,
                                .complete = rows[i].complete,
                                .at_utc_us = at_us,
                                .utc_offset_minutes = bm_work_zone_minutes (work, at_us)};
    }
    return sets;
}

void
bm_due_pause_after_failures (bm_schedule_set_t *sets, size_t count, int64_t now_us)
{
    bm_schedule_set_t *newest = NULL;
    int64_t pause_us = REPAIR_PAUSE_US;
    for (size_t i = 0; i < count; i++) {
        if (sets[i].type != BM_SET_FULL)
            continue;
        if (sets[i].complete)
            break;
        if (newest && pause_us < REPAIR_PAUSE_MAX_US)
            pause_us *= 2;
        if (!newest)
            newest = &sets[i];
    }
    if (newest && now_us >= newest->at_utc_us && now_us - newest->at_utc_us < pause_us)
        newest->under_repair = true;
}

static bm_schedule_config_t
s_config (const bm_settings_t *settings)
{
    bm_schedule_config_t config = {.every = settings->full_every,
                                   .backup_hour = settings->backup_hour,
                                   .full_after_partial = settings->full_after_partial,
                                   .legacy_log_shipping = settings->legacy_log_shipping};
    return config;
}

static bm_status_t
s_remember_ids (bm_work_t *work, const bm_history_set_t *rows, size_t count, bm_error_t *error)
{
    int64_t greatest = 0;
    for (size_t i = 0; i < count; i++)
        greatest = rows[i].set_id > greatest ? rows[i].set_id : greatest;
    return greatest ? bm_catalogue_set_seen (work->catalogue, greatest, error) : BM_OK;
}

bm_status_t
bm_due_find (bm_work_t *work, bool fork_changed, bm_due_t *due_p, bool *force_full_p,
             bm_error_t *error)
{
    bm_backup_settings_t group = {0};
    bm_history_set_t *rows = NULL;
    size_t count = 0, used = 0;
    bm_status_t status = bm_management_settings (work->management, &group, error);
    if (status == BM_OK)
        status = bm_history_sets (work->management, SETS, &rows, &count, error);
    if (status == BM_OK)
        status = s_remember_ids (work, rows, count, error);
    if (status != BM_OK) {
        bm_history_sets_destroy (&rows, count);
        return status;
    }
    size_t without_full = 0;
    for (size_t i = 0; i < work->topology->place_count; i++)
        without_full += work->topology->places[i].voted && !work->topology->places[i].has_full &&
                        work->topology->places[i].reason.status == BM_OK;
    bm_schedule_set_t *sets = s_sets (work, rows, count, &used);
    bm_schedule_config_t config = s_config (work->settings);
    bm_schedule_history_t history = {.sets = sets,
                                     .count = used,
                                     .force_full = group.force_full,
                                     .databases_without_full = without_full,
                                     .fork_changed = fork_changed};
    int64_t now_us = bm_clock_utc_us ();
    bm_due_pause_after_failures (sets, used, now_us);
    *due_p = bm_schedule_due (&config, &history, now_us, bm_work_zone_minutes (work, now_us));
    *force_full_p = group.force_full;
    free (sets);
    bm_history_sets_destroy (&rows, count);
    return BM_OK;
}
