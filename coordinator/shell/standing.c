/*  coordinator/shell/standing.c */
#include "coordinator/shell/standing.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "coordinator/shell/due.h"
#include "coordinator/shell/runlock.h"

enum { ROUNDS = 1000 };

#define HALF_HOUR_US INT64_C (1800000000)
#define DAY_US       (48 * HALF_HOUR_US)

static void
s_take_runs (bm_standing_t *self)
{
    self->health_runs = bm_alloc ((self->run_count + 1) * sizeof *self->health_runs);
    for (size_t i = 0; i < self->run_count; i++)
        self->health_runs[i] = (bm_health_run_t){.run = self->runs[i].run,
                                                 .command = self->runs[i].command,
                                                 .text = self->runs[i].text,
                                                 .status = self->runs[i].status,
                                                 .started_us = self->runs[i].started_us};
}

static void
s_take_sets (bm_standing_t *self)
{
    for (size_t i = 0; i < self->set_count; i++) {
        const bm_set_row_t *set = &self->sets[i];
        self->any_complete |= set->complete;
        if (set->type == BM_SET_FULL && set->complete && self->full_us < 0) {
            self->full_us = set->began_us;
            self->full_set = set->set_id;
        }
        if (set->type != BM_SET_LOG || !set->has_outcome ||
            self->outcome_count == BM_STANDING_MARKS)
            continue;
        self->outcomes[self->outcome_count++] = set->outcome;
        if (set->fence_ms > self->worst_fence_ms)
            self->worst_fence_ms = set->fence_ms;
    }
}

static bm_status_t
s_take_rounds (bm_standing_t *self, bm_catalogue_t *catalogue, bm_error_t *error)
{
    bm_journal_round_t *rounds = NULL;
    size_t count = 0, sets = 0;
    bm_status_t status = bm_catalogue_rounds (catalogue, 0, ROUNDS, &rounds, &count, error);
    int64_t last = -1;
    for (size_t i = 0; i < count; i++) {
        self->open_marks += !rounds[i].has_outcome || rounds[i].outcome == BM_OUTCOME_UNKNOWN;
        if (rounds[i].set_id != last)
            sets++;
        last = rounds[i].set_id;
        if (sets <= self->outcome_count)
            self->rounds++;
    }
    bm_journal_rounds_destroy (&rounds, count);
    return status;
}

static bm_health_mark_t
s_mark (const bm_marks_t *marks, size_t at)
{
    if (at == SIZE_MAX)
        return (bm_health_mark_t){0};
    const bm_mark_t *mark = &marks->marks[at];
    return (bm_health_mark_t){mark->name, mark->at_us, mark->outcome};
}

static bm_status_t
s_take_marks (bm_standing_t *self, bm_catalogue_t *catalogue, bm_error_t *error)
{
    self->marks = bm_marks_load (catalogue, 0, error);
    if (!self->marks)
        return error->status;
    self->usable = s_mark (self->marks, self->marks->latest);
    self->on_demand = s_mark (self->marks, self->marks->latest_on_demand);
    return bm_catalogue_retained (catalogue, &self->retained, &self->retained_count, error);
}

static bm_status_t
s_read (bm_standing_t *self, bm_catalogue_t *catalogue, bm_error_t *error)
{
    bm_owed_manifest_t *owed = NULL;
    bm_status_t status =
        bm_catalogue_runs (catalogue, BM_STANDING_RUNS, &self->runs, &self->run_count, error);
    s_take_runs (self);
    if (status == BM_OK)
        status =
            bm_catalogue_sets (catalogue, BM_STANDING_SETS, &self->sets, &self->set_count, error);
    s_take_sets (self);
    if (status == BM_OK)
        status = s_take_rounds (self, catalogue, error);
    if (status == BM_OK)
        status = bm_catalogue_manifests_owed (catalogue, 0, &owed, &self->owed_manifests, error);
    bm_owed_manifests_destroy (&owed, self->owed_manifests);
    if (status == BM_OK)
        status = s_take_marks (self, catalogue, error);
    return status;
}

bm_status_t
bm_standing_read (const bm_settings_t *settings, bm_standing_t *self, bm_error_t *error)
{
    *self = (bm_standing_t){.now_us = bm_clock_utc_us (), .full_us = -1, .worst_fence_ms = -1};
    if (access (settings->catalogue, F_OK) != 0)
        return BM_OK;
    self->there = true;
    self->running = bm_runlock_held (settings->catalogue);
    bm_catalogue_t *catalogue = bm_catalogue_open_read_only (settings->catalogue, error);
    if (!catalogue)
        return error->status;
    bm_status_t status = s_read (self, catalogue, error);
    bm_catalogue_close (&catalogue);
    return status;
}

void
bm_standing_clear (bm_standing_t *self)
{
    free (self->health_runs);
    bm_run_rows_destroy (&self->runs, self->run_count);
    bm_set_rows_destroy (&self->sets, self->set_count);
    bm_retained_rows_destroy (&self->retained, self->retained_count);
    bm_marks_destroy (&self->marks);
    *self = (bm_standing_t){0};
}

int64_t
bm_standing_full_age_ms (const bm_settings_t *settings)
{
    static const int64_t days[] = {[BM_EVERY_HOUR] = 0,
                                   [BM_EVERY_DAY] = 1,
                                   [BM_EVERY_WEEK] = 7,
                                   [BM_EVERY_MONTH] = 31,
                                   [BM_EVERY_YEAR] = 366};
    if (settings->full_age_ms > 0)
        return settings->full_age_ms;
    int64_t day_ms = DAY_US / 1000;
    return settings->full_every == BM_EVERY_HOUR ? day_ms / 12
                                                 : 2 * days[settings->full_every] * day_ms;
}

void
bm_standing_health (const bm_standing_t *self, const bm_settings_t *settings, bm_health_t *health)
{
    *health = (bm_health_t){.now_us = self->now_us,
                            .runs = self->health_runs,
                            .run_count = self->run_count,
                            .running = self->running,
                            .marks_known = self->marks != NULL,
                            .usable = self->usable,
                            .on_demand = self->on_demand,
                            .recovery_point_ms = settings->recovery_point_ms,
                            .full_us = self->full_us,
                            .full_age_ms = bm_standing_full_age_ms (settings),
                            .any_complete = self->any_complete,
                            .outcomes = self->outcomes,
                            .outcome_count = self->outcome_count,
                            .open_marks = self->open_marks,
                            .owed_manifests = self->owed_manifests,
                            .worst_fence_ms = self->worst_fence_ms,
                            .lease_ms = settings->lease_ms};
}

/* ---- the next full ----------------------------------------------------------------------------------------------- */

static bool
s_full_due_at (const bm_work_t *work, const bm_schedule_history_t *history, int64_t at_us)
{
    const bm_settings_t *settings = work->settings;
    bm_schedule_config_t config = {.every = settings->full_every,
                                   .backup_hour = settings->backup_hour,
                                   .full_after_partial = settings->full_after_partial,
                                   .legacy_log_shipping = settings->legacy_log_shipping,
                                   .retry_pause_us = settings->full_retry_pause_ms * 1000};
    bm_schedule_now_t now = {.utc_us = at_us,
                             .period_offset_minutes = bm_work_zone_minutes (work, at_us),
                             .hour_offset_minutes = bm_work_hour_minutes (work, at_us)};
    return bm_due_is (bm_schedule_due (&config, history, &now));
}

int64_t
bm_standing_next_full_us (const bm_standing_t *self, const bm_settings_t *settings)
{
    bm_work_t work = {.settings = settings};
    bm_schedule_set_t *sets = bm_alloc ((self->set_count + 1) * sizeof *sets);
    bm_schedule_history_t history = {.sets = sets, .all_ready = true};
    for (size_t i = 0; i < self->set_count; i++) {
        const bm_set_row_t *set = &self->sets[i];
        if (set->type == BM_SET_LOG && (set->complete || !settings->full_after_partial))
            continue;
        sets[history.count++] = (bm_schedule_set_t){
            .set_id = set->set_id,
            .type = set->type,
            .complete = set->complete,
            .under_repair = !set->complete && !set->closed && !settings->legacy_log_shipping,
            .at_utc_us = set->began_us,
            .utc_offset_minutes = bm_work_zone_minutes (&work, set->began_us)};
    }
    int64_t at_us = self->now_us;
    const int64_t end_us = self->now_us + 400 * DAY_US;
    while (at_us < end_us && !s_full_due_at (&work, &history, at_us))
        at_us = (at_us / HALF_HOUR_US + 1) * HALF_HOUR_US;
    free (sets);
    return at_us < end_us ? at_us : -1;
}

/* ---- chains ------------------------------------------------------------------------------------------------------ */

static int
s_compare_backups (const void *left, const void *right)
{
    const bm_backup_t *a = left, *b = right;
    int order = strcmp (a->server ? a->server : "", b->server ? b->server : "");
    return order ? order : strcmp (a->database ? a->database : "", b->database ? b->database : "");
}

/*  Of one database; only those on the fork of its newest backup: a restore begins another life. */
static void
s_judge_chain (const bm_backup_t *backups, size_t count, bm_findings_t *findings)
{
    bm_health_link_t *links = bm_alloc ((count + 1) * sizeof *links);
    const char *fork = NULL, *newest = "";
    size_t used = 0;
    for (size_t i = 0; i < count; i++)
        if (backups[i].finished && strcmp (backups[i].finished, newest) >= 0) {
            newest = backups[i].finished;
            fork = backups[i].last_fork;
        }
    for (size_t i = 0; i < count; i++) {
        const bm_backup_t *it = &backups[i];
        if (it->copy_only || !it->first_lsn || !it->last_lsn ||
            (fork && it->last_fork && strcmp (fork, it->last_fork) != 0))
            continue;
        links[used++] =
            (bm_health_link_t){.first_lsn = it->first_lsn,
                               .last_lsn = it->last_lsn,
                               .device = it->device ? it->device : "(a file that is not known)",
                               .full = it->type == BM_SET_FULL,
                               .ours = it->ours,
                               .at_us = bm_due_parse_time (it->finished, false)};
    }
    bm_health_chain (backups[0].server, backups[0].database, links, used, findings);
    free (links);
}

bm_status_t
bm_standing_chains (const bm_settings_t *settings, bm_findings_t *findings, bm_error_t *error)
{
    if (access (settings->catalogue, F_OK) != 0)
        return BM_OK;
    bm_catalogue_t *catalogue = bm_catalogue_open_read_only (settings->catalogue, error);
    if (!catalogue)
        return error->status;
    bm_backups_t backups = {0};
    bm_status_t status = bm_catalogue_backups (catalogue, NULL, NULL, &backups, error);
    if (backups.count > 1)
        qsort (backups.items, backups.count, sizeof *backups.items, s_compare_backups);
    for (size_t i = 0, from = 0; i < backups.count; i++) {
        if (i + 1 < backups.count &&
            s_compare_backups (&backups.items[i], &backups.items[i + 1]) == 0)
            continue;
        s_judge_chain (&backups.items[from], i + 1 - from, findings);
        from = i + 1;
    }
    bm_backups_clear (&backups);
    bm_catalogue_close (&catalogue);
    return status;
}
