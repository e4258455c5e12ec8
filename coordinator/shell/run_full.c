/*  coordinator/shell/run_full.c */
#include "coordinator/shell/run_state.h"

#include "common/clock.h"
#include "coordinator/shell/backupset.h"
#include "coordinator/shell/due.h"

/*  Waits for a full's end. A full of many hours does not stop the logs: marks and log sets go on beside it. */
static void
s_attend (bm_run_t *self, bm_backupset_t *full)
{
    bm_work_t *work = &self->work;
    int64_t every_ms = self->options.kind == BM_RUN_JOB ? self->settings->log_every_ms : 0;
    int64_t next_log_ms = bm_clock_mono_ms () + every_ms;
    while (!bm_backupset_serve (full)) {
        if (bm_work_wait (work, 500)) {
            bm_backupset_cancel (full, "btsmark was told to stop");
        } else if (every_ms && bm_clock_mono_ms () >= next_log_ms) {
            bm_run_log (self);
            next_log_ms = bm_clock_mono_ms () + every_ms;
        }
    }
}

static void
s_full (bm_run_t *self)
{
    bm_work_t *work = &self->work;
    bm_error_t error = {0};
    bm_run_set_t set;
    if (bm_run_set_begin (self, BM_SET_FULL, &set, &error) != BM_OK) {
        bm_report_fail (work->report, &error);
        return;
    }
    for (size_t i = 0; i < work->topology->instance_count; i++)
        bm_report_fail (work->report, &self->not_ready[i]);
    if (bm_run_stopping (self)) {
        bm_run_set_skip (self, &set);
        return;
    }
    bm_backupset_in_t in = {.set_id = set.id,
                            .type = BM_SET_FULL,
                            .sequence = set.sequence,
                            .history_time = set.time,
                            .report = set.report};
    bm_backupset_t *full = bm_backupset_start (work, &in);
    s_attend (self, full);
    if (bm_backupset_finish (full, &error) != BM_OK)
        bm_report_fail (work->report, &error);
    bm_backupset_destroy (&full);
    error = (bm_error_t){0};
    if (set.report->complete && self->force_full &&
        bm_management_full_done (work->management, &error) != BM_OK)
        bm_report_fail (work->report, &error);
}

void
bm_run_full (bm_run_t *self)
{
    bm_work_t *work = &self->work;
    bm_error_t error = {0};
    bm_due_t due = BM_DUE_NO;
    if (bm_due_find (work, self->settled.fork_changed, &due, &self->force_full, &error) != BM_OK) {
        bm_report_fail (work->report, &error);
        return;
    }
    if (self->options.kind == BM_RUN_FULL) {
        s_full (self);
        return;
    }
    bm_report_note (work->report, "Full backup: %s", bm_due_reason (due));
    bm_progress_event (work->progress, "full", json_pack ("{s:b}", "due", bm_due_is (due)),
                       "Full backup: %s", bm_due_reason (due));
    if (bm_due_is (due))
        s_full (self);
}
