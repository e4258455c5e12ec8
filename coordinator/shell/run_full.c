/*  coordinator/shell/run_full.c */
#include "coordinator/shell/run_state.h"

#include <stdlib.h>
#include <string.h>

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
            bm_run_log_beside_full (self);
            next_log_ms = bm_clock_mono_ms () + every_ms;
        }
    }
}

/*  The backups of a full set that is begun, or of those that it lacks: `places` NULL = all. */
static void
s_take (bm_run_t *self, const bm_run_set_t *set, const size_t *places, size_t place_count,
        const bm_due_plan_t *plan)
{
    bm_work_t *work = &self->work;
    bm_error_t error = {0};
    for (size_t i = 0; i < work->topology->instance_count; i++)
        bm_report_fail (work->report, &self->not_ready[i]);
    bm_backupset_in_t in = {.set_id = set->id,
                            .type = BM_SET_FULL,
                            .sequence = set->sequence,
                            .history_time = set->time,
                            .places = places,
                            .place_count = place_count,
                            .missing = places ? plan->missing : 0,
                            .report = set->report};
    bm_backupset_t *full = bm_backupset_start (work, &in);
    s_attend (self, full);
    if (bm_backupset_finish (full, &error) != BM_OK)
        bm_report_fail (work->report, &error);
    bm_backupset_destroy (&full);
}

static void
s_whole (bm_run_t *self, const bm_due_plan_t *plan)
{
    bm_work_t *work = &self->work;
    bm_error_t error = {0};
    bm_run_set_t set;
    if (bm_run_set_begin (self, BM_SET_FULL, &set, &error) != BM_OK) {
        bm_report_fail (work->report, &error);
        return;
    }
    /*  The set answers the wish as soon as it stands in the catalogue: whatever fails now is repaired under its id. Were
     *  ForceFull 1 until the set is complete, each run would take one more full while a host is away. */
    if (plan->force_full && bm_management_full_done (work->management, &error) != BM_OK)
        bm_report_fail (work->report, &error);
    error = (bm_error_t){0};
    if (bm_catalogue_owe_full (work->catalogue, false, &error) != BM_OK)
        bm_report_fail (work->report, &error);
    if (bm_run_stopping (self))
        bm_run_set_skip (self, &set);
    else
        s_take (self, &set, NULL, 0, plan);
}

static void
s_tell_repair (bm_run_t *self, const bm_due_plan_t *plan)
{
    bm_work_t *work = &self->work;
    long long set_id = (long long)plan->set->set_id;
    size_t newcomers = plan->plan.newcomers, again = plan->plan.taken - newcomers;
    if (again)
        bm_report_note (work->report, "Full backup: set %lld lacks %zu database(s): taken now",
                        set_id, again);
    if (newcomers)
        bm_report_note (work->report,
                        "Full backup: %zu database(s) without a full in the log chain join set "
                        "%lld: taken now",
                        newcomers, set_id);
    bm_progress_event (work->progress, "full_repair",
                       json_pack ("{s:I, s:I, s:I}", "set_id", (json_int_t)set_id, "databases",
                                  (json_int_t)plan->plan.taken, "new", (json_int_t)newcomers),
                       "Full backup: %zu database(s) that set %lld lacks", plan->plan.taken,
                       set_id);
}

/*  Caller frees. */
static size_t *
s_places (const bm_work_t *work, const bm_due_plan_t *plan, bm_group_database_t *databases)
{
    size_t *places = bm_alloc ((plan->plan.taken + 1) * sizeof *places);
    bm_group_database_t *all = bm_run_databases (work->topology);
    size_t count = 0;
    for (size_t i = 0; i < work->topology->place_count; i++)
        if (plan->take[i]) {
            databases[count] = all[i];
            places[count++] = i;
        }
    free (all);
    return places;
}

/*  Under the set's own id, but with file names of their own: BizTalk's procedures append to a file that is there. */
static void
s_repair (bm_run_t *self, const bm_due_plan_t *plan)
{
    bm_work_t *work = &self->work;
    bm_error_t error = {0};
    size_t taken = plan->plan.taken;
    bm_run_set_t set;
    s_tell_repair (self, plan);
    bm_group_database_t *databases = bm_alloc ((taken + 1) * sizeof *databases);
    size_t *places = s_places (work, plan, databases);
    if (bm_run_set_again (self, plan->set, &set, taken, &error) != BM_OK ||
        bm_catalogue_set_extend (work->catalogue, set.id, databases, taken, &error) != BM_OK)
        bm_report_fail (work->report, &error);
    else if (!bm_run_stopping (self))
        s_take (self, &set, places, taken, plan);
    free (databases);
    free (places);
}

static void
s_tell_pause (bm_run_t *self, const bm_due_plan_t *plan)
{
    char text[BM_CLOCK_TEXT_BYTES];
    if (plan->plan.pausing)
        bm_report_warn (self->work.report,
                        "set %lld still lacks the full of %zu database(s) whose backup failed; it "
                        "is tried again at %s (full-retry-pause)",
                        (long long)plan->set->set_id, plan->plan.pausing,
                        bm_clock_rfc3339 (plan->plan.next_us, text));
}

void
bm_run_full (bm_run_t *self)
{
    bm_work_t *work = &self->work;
    bm_error_t error = {0};
    bm_due_plan_t plan;
    if (bm_due_find (work, self->settled.fork_changed, &plan, &error) != BM_OK) {
        bm_report_fail (work->report, &error);
    } else if (self->options.kind == BM_RUN_FULL) {
        s_whole (self, &plan);
    } else if (plan.plan.action == BM_FULLPLAN_REPAIR) {
        s_repair (self, &plan);
        s_tell_pause (self, &plan);
    } else {
        bm_due_t due = plan.plan.due;
        bm_report_note (work->report, "Full backup: %s", bm_due_reason (due));
        bm_progress_event (work->progress, "full", json_pack ("{s:b}", "due", bm_due_is (due)),
                           "Full backup: %s", bm_due_reason (due));
        if (plan.plan.action == BM_FULLPLAN_WHOLE)
            s_whole (self, &plan);
        else
            s_tell_pause (self, &plan);
    }
    bm_due_clear (&plan);
}
