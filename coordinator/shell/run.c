/*  coordinator/shell/run.c */
#include "coordinator/shell/run.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/key.h"
#include "common/log.h"
#include "coordinator/core/retry.h"
#include "coordinator/core/schedule.h"
#include "coordinator/shell/backupset.h"
#include "coordinator/shell/due.h"
#include "coordinator/shell/history.h"
#include "coordinator/shell/runlock.h"
#include "coordinator/shell/settling.h"

enum { RETRY_MAX_MS = 60000, SERVED_SETS = 8 };

typedef struct run {
    bm_run_options_t options;
    bm_settings_t *settings;
    bm_key_t *key;
    bm_runlock_t *runlock;
    bm_group_rows_t rows;
    bm_work_t work;
    char *context;
    uint32_t round;
    uint64_t seed;
    bool force_full, lock_wait_told;
    bm_settled_t settled;
    bm_error_t *not_ready; /* per instance: what speaks against a full */
} run_t;

/* ---- opening ----------------------------------------------------------------------------------------------------- */

/*  Whether the set has backups that were ordered and have not ended. */
static bool
s_backs_up (bm_catalogue_t *catalogue, int64_t set_id)
{
    bm_order_row_t *orders = NULL;
    size_t count = 0;
    bool open = false;
    bm_error_t error = {0};
    if (bm_catalogue_orders (catalogue, set_id, &orders, &count, &error) == BM_OK)
        for (size_t i = 0; i < count; i++)
            open |= !orders[i].status;
    bm_order_rows_destroy (&orders, count);
    return open;
}

/*  A run of ours that has the lock and is already backing up does what this one was started for. */
static bool
s_already_served (const run_t *self)
{
    bm_error_t error = {0};
    bm_catalogue_t *catalogue = bm_catalogue_open_read_only (self->settings->catalogue, &error);
    if (!catalogue)
        return false;
    bm_run_row_t *runs = NULL;
    bm_set_row_t *sets = NULL;
    size_t run_count = 0, set_count = 0;
    bool backing_up = false;
    if (bm_catalogue_runs (catalogue, 1, &runs, &run_count, &error) == BM_OK && run_count &&
        !runs[0].status &&
        bm_catalogue_sets (catalogue, SERVED_SETS, &sets, &set_count, &error) == BM_OK)
        for (size_t i = 0; i < set_count && sets[i].run == runs[0].run; i++)
            backing_up |= s_backs_up (catalogue, sets[i].set_id);
    bm_set_rows_destroy (&sets, set_count);
    bm_run_rows_destroy (&runs, run_count);
    bm_catalogue_close (&catalogue);
    return backing_up;
}

/*  False when the run ends here. */
static bool
s_fail (run_t *self, const bm_error_t *error)
{
    /*  With the lock file ours, it is a stranger who holds the backup lock: what a killed run left in the catalogue says
     *  nothing of him. */
    if (error->status == BM_LOCK_BUSY && self->settings && !self->runlock &&
        self->options.kind == BM_RUN_JOB && s_already_served (self)) {
        bm_report_note (self->work.report,
                        "already served: another run is taking the backups of this group now");
        return false;
    }
    bm_report_fail (self->work.report, error);
    return false;
}

static bool
s_waiting_for_lock (void *argument)
{
    run_t *self = argument;
    if (!self->lock_wait_told)
        bm_progress_say (self->work.progress, "lock_wait", "Waiting for the backup lock");
    self->lock_wait_told = true;
    return !bm_stop_requested (self->work.stop);
}

static bool
s_load (run_t *self)
{
    bm_error_t error = {0};
    self->settings = bm_settings_load (self->options.config, &error);
    if (!self->settings)
        return s_fail (self, &error);
    self->work.settings = self->settings;
    self->work.report->group = bm_strdup (self->settings->group);
    self->work.report->exit_on_warnings = self->settings->exit_on_warnings;
    self->key = bm_key_load (self->settings->key_file, &error);
    if (!self->key)
        return s_fail (self, &error);
    self->work.stop = bm_stop_new (&error);
    if (!self->work.stop || bm_sql_init (&error) != BM_OK)
        return s_fail (self, &error);
    return true;
}

static bool
s_open_journal (run_t *self, bm_error_t *error)
{
    static const char *const names[] = {"run", "full", "log"};
    bm_work_t *work = &self->work;
    if (work->run)
        return true;
    if (bm_catalogue_run_open (work->catalogue, names[self->options.kind], &work->run, error) !=
        BM_OK)
        return false;
    work->report->run = work->run;
    self->context = bm_format ("btsmark run %llu", (unsigned long long)work->run);
    work->context = self->context;
    self->seed = work->run ^ (uint64_t)bm_clock_mono_us ();
    return true;
}

/*  The locks, then the journal's row: a lock that is held by somebody else leaves no trace, any other failure does. */
static bool
s_open (run_t *self)
{
    bm_work_t *work = &self->work;
    bm_error_t error = {0}, second = {0};
    self->runlock = bm_runlock_take (self->settings->catalogue, &error);
    if (!self->runlock)
        return s_fail (self, &error);
    work->catalogue = bm_catalogue_open (self->settings->catalogue, self->settings->group, &error);
    if (!work->catalogue)
        return s_fail (self, &error);
    work->management = bm_management_open (self->settings, &error);
    if (work->management)
        work->lock_held = bm_management_lock (work->management, self->settings->lock_wait_ms,
                                              s_waiting_for_lock, self, &error) == BM_OK;
    if (error.status == BM_LOCK_BUSY)
        return s_fail (self, &error);
    if (!s_open_journal (self, &second))
        s_fail (self, &second);
    if (error.status != BM_OK)
        return s_fail (self, &error);
    work->next_probe_ms = bm_clock_mono_ms () + self->settings->lock_probe_ms;
    return second.status == BM_OK;
}

static bool
s_open_agents (run_t *self)
{
    bm_work_t *work = &self->work;
    bm_error_t error = {0};
    const bm_settings_t *settings = self->settings;
    bm_agents_options_t options = {.key = self->key,
                                   .group = settings->group,
                                   .epoch = work->run,
                                   .heartbeat_ms = settings->heartbeat_ms};
    if (settings->connect_timeout_ms < 5000)
        options.connect_ms = settings->connect_timeout_ms;
    if (settings->heartbeat_ms > 0)
        options.silent_heartbeats = (int)(settings->agent_timeout_ms / settings->heartbeat_ms);
    work->agents = bm_agents_new (&options, &error);
    for (size_t i = 0; work->agents && i < settings->agent_count && error.status == BM_OK; i++)
        bm_agents_add (work->agents, settings->agents[i].name, settings->agents[i].address,
                       settings->agents[i].server_key, &error);
    return error.status == BM_OK || s_fail (self, &error);
}

/* ---- the group --------------------------------------------------------------------------------------------------- */

static void
s_tell_group (run_t *self)
{
    bm_work_t *work = &self->work;
    bm_topology_t *topology = work->topology;
    for (size_t i = 0; i < topology->note_count; i++)
        bm_report_note (work->report, "%s", topology->notes[i]);
    for (size_t i = 0; i < bm_agents_count (work->agents); i++) {
        bm_error_t why = {0};
        if (bm_agents_greeting (work->agents, i, &why))
            continue;
        bm_progress_event (work->progress, "agent_failed",
                           json_pack ("{s:s, s:s}", "agent", bm_agents_name (work->agents, i),
                                      "error", bm_status_name (why.status)),
                           "%s", why.text);
        if (!topology->nowhere)
            bm_report_warn (work->report, "%s (it serves no database of this group)", why.text);
    }
    for (size_t i = 0; i < topology->place_count; i++)
        if (topology->places[i].instance == BM_NOWHERE)
            bm_report_fail (work->report, &topology->places[i].fault);
    bm_progress_event (work->progress, "group",
                       json_pack ("{s:I, s:I}", "databases", (json_int_t)topology->place_count,
                                  "instances", (json_int_t)topology->instance_count),
                       "Group %s: %zu databases on %zu instances%s", self->settings->group,
                       topology->place_count, topology->instance_count,
                       topology->nowhere ? ", some of them out of reach" : "");
}

/*  Told to stop: then the report says so. */
static bool
s_stopping (run_t *self)
{
    if (!bm_stop_requested (self->work.stop))
        return false;
    bm_error_t error = {0};
    bm_fail (&error, BM_STOPPED, "btsmark was told to stop");
    bm_report_fail (self->work.report, &error);
    return true;
}

static bool
s_discover (run_t *self)
{
    bm_work_t *work = &self->work;
    bm_error_t error = {0};
    if (bm_management_discover (work->management, &self->rows, &error) != BM_OK)
        return s_fail (self, &error);
    bm_agents_greet_all (work->agents, self->settings->connect_timeout_ms);
    work->topology = bm_topology_new (&self->rows, work->agents, self->settings);
    s_tell_group (self);
    /*  With nobody to ask there is nothing to open: no set id is used up. */
    return work->topology->instance_count > 0 && !s_stopping (self);
}

static bm_group_database_t *
s_databases (const bm_topology_t *topology)
{
    bm_group_database_t *databases = bm_alloc ((topology->place_count + 1) * sizeof *databases);
    for (size_t i = 0; i < topology->place_count; i++) {
        const bm_place_t *place = &topology->places[i];
        databases[i] = (bm_group_database_t){place->server, bm_topology_real_name (topology, i),
                                             place->database, place->family, place->fork};
    }
    return databases;
}

/*  What earlier runs left, then the facts that this one decides on. */
static void
s_look_around (run_t *self)
{
    bm_work_t *work = &self->work;
    bm_error_t error = {0};
    bm_group_database_t *databases = s_databases (work->topology);
    size_t renamed = 0;
    if (bm_catalogue_respell (work->catalogue, databases, work->topology->place_count, &renamed,
                              &error) != BM_OK)
        bm_report_fail (work->report, &error);
    else if (renamed)
        bm_report_note (work->report,
                        "%zu database(s) of the group name their server otherwise than before: "
                        "their backups so far go on under the new name",
                        renamed);
    free (databases);
    bm_settling_run (work, &self->settled);
    self->not_ready = bm_alloc ((work->topology->instance_count + 1) * sizeof *self->not_ready);
    bm_driver_prepare (work, BM_SET_FULL, self->not_ready);
    databases = s_databases (work->topology); /* the votes have told families and forks */
    error = (bm_error_t){0};
    if (bm_catalogue_databases_put (work->catalogue, work->run, databases,
                                    work->topology->place_count, &error) != BM_OK)
        bm_report_fail (work->report, &error);
    free (databases);
}

/* ---- sets -------------------------------------------------------------------------------------------------------- */

/*  A set that is begun: its id, taken under the lock, its row in the catalogue, its place in the report. */
typedef struct set {
    int64_t id;
    bm_set_type_t type;
    char sequence[BM_MARK_BYTES];
    char time[BM_HISTORY_TIME_BYTES];
    bm_report_set_t *report;
} set_t;

static bm_status_t
s_set_begin (run_t *self, bm_set_type_t type, set_t *set, bm_error_t *error)
{
    bm_work_t *work = &self->work;
    int64_t above = 0, at_us = 0;
    bool raised = false;
    *set = (set_t){.type = type};
    if (!bm_work_probe (work, true) && !bm_work_relock (work)) {
        bm_fail (error, BM_LOCK_LOST,
                 "no new set is begun: the session that held the backup lock was lost");
        return BM_LOCK_LOST;
    }
    bm_status_t status = bm_catalogue_set_max (work->catalogue, &above, error);
    if (status == BM_OK)
        status = bm_management_next_set (work->management, above, &set->id, &raised, error);
    if (status == BM_OK && raised)
        bm_report_warn (work->report,
                        "adm_BackupSetId.NextBackupSetId was behind the set ids that are in "
                        "use (a restored management database): it was raised to %lld",
                        (long long)set->id);
    if (status == BM_OK)
        status = bm_work_mark_name (work, NULL, set->sequence, &at_us, error);
    if (status != BM_OK)
        return status;
    bm_history_time (at_us, self->settings->time_zone == BM_ZONE_LOCAL, set->time);
    bm_group_database_t *databases = s_databases (work->topology);
    status = bm_catalogue_set_open (work->catalogue, work->run, set->id, type, set->sequence,
                                    set->time, databases, work->topology->place_count, error);
    free (databases);
    if (status == BM_OK)
        set->report = bm_report_set_add (work->report, set->id, type, work->topology->place_count);
    return status;
}

/*  Told to stop before its backups began: it ends as it is. */
static void
s_set_skip (run_t *self, const set_t *set)
{
    bm_work_t *work = &self->work;
    bm_error_t error = {0};
    for (size_t i = 0; i < work->topology->place_count; i++) {
        bm_report_database_t *database = &set->report->databases[i];
        database->server = bm_strdup (work->topology->places[i].server);
        database->database = bm_strdup (work->topology->places[i].database);
        database->status = BM_DATABASE_SKIPPED;
        bm_fail (&database->error, BM_STOPPED, "btsmark was told to stop before this backup began");
    }
    if (bm_catalogue_set_end (work->catalogue, set->id, false, &error) != BM_OK)
        bm_report_fail (work->report, &error);
}

/* ---- step 2: the full -------------------------------------------------------------------------------------------- */

static void s_mark_and_log (run_t *self);

/*  Waits for a full's end. A full of many hours does not stop the logs: marks and log sets go on beside it. */
static void
s_attend (run_t *self, bm_backupset_t *full)
{
    bm_work_t *work = &self->work;
    int64_t every_ms = self->options.kind == BM_RUN_JOB ? self->settings->log_every_ms : 0;
    int64_t next_log_ms = bm_clock_mono_ms () + every_ms;
    while (!bm_backupset_serve (full)) {
        if (bm_work_wait (work, 500)) {
            bm_backupset_cancel (full, "btsmark was told to stop");
        } else if (every_ms && bm_clock_mono_ms () >= next_log_ms) {
            s_mark_and_log (self);
            next_log_ms = bm_clock_mono_ms () + every_ms;
        }
    }
}

static void
s_full (run_t *self)
{
    bm_work_t *work = &self->work;
    bm_error_t error = {0};
    set_t set;
    if (s_set_begin (self, BM_SET_FULL, &set, &error) != BM_OK) {
        bm_report_fail (work->report, &error);
        return;
    }
    for (size_t i = 0; i < work->topology->instance_count; i++)
        bm_report_fail (work->report, &self->not_ready[i]);
    if (s_stopping (self)) {
        s_set_skip (self, &set);
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

static void
s_full_if_due (run_t *self)
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

/* ---- step 3: mark and log ---------------------------------------------------------------------------------------- */

/*  Whether another round can bring what this one did not. What needs a person, or has had its time already, is not
 *  tried again within seconds. */
static bool
s_worth_another (run_t *self, const bm_driver_out_t *out)
{
    if (!bm_outcome_retry (out->outcome) || bm_stop_requested (self->work.stop) ||
        !bm_work_probe (&self->work, true))
        return false;
    if (out->mark_dropped)
        return false; /* its log comes first */
    if (out->commit_sent || out->cause.status == BM_OK)
        return true;
    switch (out->cause.status) {
        case BM_UNREACHABLE:
        case BM_SQL_LOGIN:
        case BM_NOT_READY:
        case BM_LOCK_LOST:
        case BM_STOPPED:
            return false;
        default:
            return bm_status_retryable (out->cause.status);
    }
}

static void
s_pause (run_t *self, unsigned attempt)
{
    int64_t pause_ms =
        bm_retry_pause_ms (&self->seed, attempt, self->settings->retry_pause_ms, RETRY_MAX_MS);
    int64_t until_ms = bm_clock_mono_ms () + pause_ms;
    char text[BM_PROGRESS_TEXT_BYTES];
    bm_progress_say (self->work.progress, "pause", "Next round in %s",
                     bm_progress_duration (pause_ms, text));
    while (bm_clock_mono_ms () < until_ms)
        if (bm_work_wait (&self->work, until_ms - bm_clock_mono_ms ()))
            return;
}

static void
s_tell_round (run_t *self, const char *mark, const bm_driver_out_t *out)
{
    const bool caused = out->cause.status != BM_OK;
    bm_progress_event (
        self->work.progress, "mark",
        json_pack ("{s:s, s:s, s:I, s:I}", "mark", mark, "outcome", bm_outcome_name (out->outcome),
                   "window_us", (json_int_t)out->window_us, "fence_ms", (json_int_t)out->fence_ms),
        "Mark %s: %s: %s%s%s", mark, bm_outcome_name (out->outcome), out->reason,
        caused ? ": " : "", caused ? out->cause.text : "");
}

/*  The best of the rounds of one set, and why there is no better one. */
typedef struct marked {
    char mark[BM_MARK_BYTES];
    char last[BM_MARK_BYTES]; /* name of the last round, whatever became of it */
    bm_driver_out_t out;
    bool any, mark_dropped;
    bm_error_t cause;
} marked_t;

/*  Takes over `out`. */
static void
s_keep_better (marked_t *best, bm_report_set_t *set, const char *mark, bm_driver_out_t *out)
{
    bool better = !best->any || out->outcome >= best->out.outcome;
    const char *other_mark = better ? best->mark : mark;
    const bm_driver_out_t *other = better ? &best->out : out;
    if ((best->any || !better) && bm_outcome_may_stand (other->outcome))
        bm_report_attempt_add (set, other_mark, other->outcome, other->reason);
    best->mark_dropped |= out->mark_dropped;
    if (better) {
        if (best->any)
            bm_driver_out_clear (&best->out);
        best->out = *out;
        memcpy (best->mark, mark, sizeof best->mark);
    } else {
        bm_driver_out_clear (out);
    }
    best->any = true;
}

static void
s_rounds (run_t *self, const set_t *set, marked_t *best)
{
    bm_work_t *work = &self->work;
    size_t nowhere = bm_topology_first_nowhere (work->topology);
    memcpy (best->last, set->sequence, sizeof best->last);
    if (nowhere != BM_NOWHERE) {
        const bm_place_t *place = &work->topology->places[nowhere];
        best->cause = place->fault;
        bm_progress_say (
            work->progress, "no_mark",
            "No mark is placed: %s.%s is out of reach. The logs of the others are backed up.",
            place->server, place->database);
        return;
    }
    for (unsigned attempt = 1;; attempt++) {
        char mark[BM_MARK_BYTES];
        memcpy (mark, best->last, sizeof mark);
        bm_error_t error = {0};
        if (attempt > 1 && bm_work_mark_name (work, best->last, mark, NULL, &error) != BM_OK) {
            best->cause = error;
            return;
        }
        memcpy (best->last, mark, sizeof best->last);
        bm_driver_in_t in = {.number = ++self->round, .set_id = set->id, .mark = mark};
        bm_driver_out_t out;
        bm_progress_say (work->progress, "round_started", "Round %u: mark %s", (unsigned)in.number,
                         mark);
        if (bm_driver_round (work, &in, &out, &error) != BM_OK) {
            best->cause = error;
            bm_driver_out_clear (&out);
            return;
        }
        s_tell_round (self, mark, &out);
        best->cause = out.cause;
        bool again =
            attempt <= (unsigned)self->settings->mark_retries && s_worth_another (self, &out);
        s_keep_better (best, set->report, mark, &out);
        if (!again)
            return;
        s_pause (self, attempt);
        if (bm_stop_requested (work->stop))
            return;
    }
}

/*  SQL Server's own errors in a round mean that there is no mark, not that the management database is out of order. */
static void
s_fail_mark (run_t *self, const bm_error_t *cause)
{
    bm_error_t error = *cause;
    if (cause->status == BM_SQL_FAILED || cause->status == BM_IO) {
        bm_fail (&error, BM_NO_MARK, "no mark: %s", cause->text);
        bm_error_remedy (&error, "%s", cause->remedy);
    }
    bm_report_fail (self->work.report, &error);
}

/*  What the rounds brought becomes the set's: in the report and in the catalogue. */
static bm_status_t
s_set_mark (run_t *self, const set_t *set, const marked_t *best, bm_error_t *error)
{
    bm_work_t *work = &self->work;
    bm_report_set_t *report = set->report;
    bool stands = best->any && bm_outcome_may_stand (best->out.outcome);
    report->has_outcome = true;
    report->outcome = best->any ? best->out.outcome : BM_OUTCOME_NONE;
    report->mark = stands ? bm_strdup (best->mark) : NULL;
    report->reason = bm_strdup (best->any ? best->out.reason : best->cause.text);
    report->window_us = best->any ? best->out.window_us : -1;
    report->fence_ms = best->any ? best->out.fence_ms : -1;
    bool good = bm_outcome_good (report->outcome, self->settings->doubtful == BM_DOUBTFUL_WARN);
    if (!good && best->cause.status != BM_OK)
        s_fail_mark (self, &best->cause);
    else if (good && bm_outcome_retry (report->outcome))
        bm_report_warn (work->report, "mark %s is %s: %s%s%s", report->mark,
                        bm_outcome_name (report->outcome), report->reason,
                        best->cause.status == BM_OK ? "" : ": ", best->cause.text);
    return bm_catalogue_set_mark (work->catalogue, set->id, report->mark,
                                  stands ? report->mark : best->last, &report->outcome,
                                  report->window_us, report->fence_ms, error);
}

/*  One log set: rounds until a good mark or until they are used up, then the logs whatever became of it. True when a mark was
 *  dropped because of bulk-logged work: now that the logs are backed up, another set can be marked. */
static bool
s_log_set (run_t *self)
{
    bm_work_t *work = &self->work;
    bm_error_t error = {0};
    set_t set;
    if (s_set_begin (self, BM_SET_LOG, &set, &error) != BM_OK) {
        bm_report_fail (work->report, &error);
        return false;
    }
    marked_t best = {0};
    s_rounds (self, &set, &best);
    if (s_set_mark (self, &set, &best, &error) != BM_OK)
        bm_report_fail (work->report, &error);
    bool stands = set.report->mark != NULL;
    if (s_stopping (self)) {
        s_set_skip (self, &set);
    } else {
        bm_backupset_in_t in = {.set_id = set.id,
                                .type = BM_SET_LOG,
                                .sequence = stands ? best.mark : best.last,
                                .mark = set.report->mark,
                                .outcome = set.report->outcome,
                                .proofs = stands ? best.out.proofs : NULL,
                                .history_time = set.time,
                                .report = set.report};
        error = (bm_error_t){0};
        if (bm_backupset_run (work, &in, &error) != BM_OK)
            bm_report_fail (work->report, &error);
    }
    bool dropped = best.mark_dropped && !set.report->complete;
    if (best.any)
        bm_driver_out_clear (&best.out);
    return dropped;
}

static void
s_mark_and_log (run_t *self)
{
    if (s_log_set (self) && !s_stopping (self)) {
        bm_progress_say (
            self->work.progress, "again",
            "The mark was dropped by bulk-logged work; its log is backed up now: once more");
        s_log_set (self);
    }
}

/* ---- the four steps ---------------------------------------------------------------------------------------------- */

static void
s_steps (run_t *self)
{
    bm_work_t *work = &self->work;
    bm_error_t error = {0};
    s_look_around (self);
    if (s_stopping (self))
        return;
    if (self->options.kind != BM_RUN_LOG &&
        bm_management_set_compression (work->management, self->settings->compression, &error) !=
            BM_OK)
        bm_report_fail (work->report, &error);
    if (self->options.kind != BM_RUN_LOG)
        s_full_if_due (self);
    if (self->options.kind != BM_RUN_FULL && !s_stopping (self))
        s_mark_and_log (self);
    error = (bm_error_t){0};
    if (self->options.kind == BM_RUN_JOB && self->settings->keep_days > 0 && !s_stopping (self) &&
        bm_history_clear (work->management, self->settings->keep_days,
                          self->settings->time_zone == BM_ZONE_LOCAL, &error) != BM_OK)
        bm_report_fail (work->report, &error);
}

static void
s_close (run_t *self)
{
    bm_work_t *work = &self->work;
    bm_report_t *report = work->report;
    bm_error_t error = {0};
    report->ended_us = bm_clock_utc_us ();
    bm_status_t status = report->error.status;
    if (status == BM_OK && report->warning_count)
        status = BM_WARNINGS;
    if (work->run &&
        bm_catalogue_run_close (work->catalogue, work->run, status, bm_report_exit_code (report),
                                report->error.text, &error) != BM_OK)
        bm_report_fail (report, &error);
    bm_progress_event (work->progress, "run_done",
                       json_pack ("{s:i}", "exit", bm_report_exit_code (report)), "%s", "");
    bm_agents_destroy (&work->agents);
    bm_topology_destroy (&work->topology);
    bm_group_rows_clear (&self->rows);
    bm_management_close (&work->management);
    bm_catalogue_close (&work->catalogue);
    bm_runlock_release (&self->runlock);
    bm_key_destroy (&self->key);
    bm_settings_destroy (&self->settings);
    bm_stop_destroy (&work->stop);
    bm_progress_destroy (&work->progress);
    free (self->context);
    free (self->not_ready);
    bm_sql_exit ();
}

void
bm_run_execute (const bm_run_options_t *options, bm_report_t *report)
{
    run_t self = {.options = *options};
    self.work.report = report;
    self.work.progress = bm_progress_new (options->progress);
    if (s_load (&self) && s_open (&self) && s_open_agents (&self) && s_discover (&self))
        s_steps (&self);
    s_close (&self);
}
