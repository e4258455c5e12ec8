/*  coordinator/shell/run.c */
#include "coordinator/shell/run.h"

#include <stdlib.h>

#include "common/clock.h"
#include "coordinator/shell/run_state.h"

/* ---- opening ----------------------------------------------------------------------------------------------------- */

/*  A run of ours that has the lock and is already backing up does what this one was started for. */
static bool
s_already_served (const bm_run_t *self)
{
    bm_error_t error = {0};
    bm_catalogue_t *catalogue = bm_catalogue_open_read_only (self->settings->catalogue, &error);
    if (!catalogue)
        return false;
    bm_run_row_t *runs = NULL;
    size_t run_count = 0;
    bool backing_up = false;
    if (bm_catalogue_runs (catalogue, 1, &runs, &run_count, &error) == BM_OK && run_count &&
        !runs[0].status)
        bm_catalogue_orders_run (catalogue, runs[0].run, &backing_up, &error);
    bm_run_rows_destroy (&runs, run_count);
    bm_catalogue_close (&catalogue);
    return backing_up;
}

/*  False when the run ends here. */
static bool
s_fail (bm_run_t *self, const bm_error_t *error)
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
    bm_run_t *self = argument;
    if (!self->lock_wait_told)
        bm_progress_say (self->work.progress, "lock_wait", "Waiting for the backup lock");
    self->lock_wait_told = true;
    return !bm_stop_requested (self->work.stop);
}

static bool
s_load (bm_run_t *self)
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
s_open_journal (bm_run_t *self, bm_error_t *error)
{
    static const char *const names[] = {"run", "full", "log", "clean"};
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
s_open (bm_run_t *self)
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

/*  Only to look: no lock, no row in the journal, and orders that say the newest run's epoch. */
static bool
s_open_to_look (bm_run_t *self)
{
    bm_work_t *work = &self->work;
    bm_error_t error = {0};
    bm_run_row_t *runs = NULL;
    size_t count = 0;
    work->catalogue = bm_catalogue_open_read_only (self->settings->catalogue, &error);
    if (work->catalogue && bm_catalogue_runs (work->catalogue, 1, &runs, &count, &error) == BM_OK &&
        count)
        work->run = runs[0].run;
    bm_run_rows_destroy (&runs, count);
    if (error.status == BM_OK)
        work->management = bm_management_open (self->settings, &error);
    return error.status == BM_OK || s_fail (self, &error);
}

static bool
s_open_agents (bm_run_t *self)
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
s_tell_group (bm_run_t *self)
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
bool
bm_run_stopping (bm_run_t *self)
{
    if (!bm_stop_requested (self->work.stop))
        return false;
    bm_error_t error = {0};
    bm_fail (&error, BM_STOPPED, "btsmark was told to stop");
    bm_report_fail (self->work.report, &error);
    return true;
}

static bool
s_discover (bm_run_t *self)
{
    bm_work_t *work = &self->work;
    bm_error_t error = {0};
    if (bm_management_discover (work->management, &self->rows, &error) != BM_OK)
        return s_fail (self, &error);
    bm_agents_greet_all (work->agents, self->settings->connect_timeout_ms);
    work->topology = bm_topology_new (&self->rows, work->agents, self->settings);
    s_tell_group (self);
    /*  With nobody to ask there is nothing to open: no set id is used up. */
    return work->topology->instance_count > 0 && !bm_run_stopping (self);
}

bm_group_database_t *
bm_run_databases (const bm_topology_t *topology)
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
s_look_around (bm_run_t *self)
{
    bm_work_t *work = &self->work;
    bm_error_t error = {0};
    bm_group_database_t *databases = bm_run_databases (work->topology);
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
    databases = bm_run_databases (work->topology); /* the votes have told families and forks */
    error = (bm_error_t){0};
    if (bm_catalogue_databases_put (work->catalogue, work->run, databases,
                                    work->topology->place_count, &error) != BM_OK)
        bm_report_fail (work->report, &error);
    free (databases);
}

/* ---- the four steps ---------------------------------------------------------------------------------------------- */

/*  Step 1: the setting is written as it is configured; then, as in BizTalk's procedures, what the table says is what is done. */
static void
s_set_compression (bm_run_t *self)
{
    bm_work_t *work = &self->work;
    bm_compression_t wanted = self->settings->compression;
    bm_backup_settings_t group = {0};
    bm_error_t error = {0};
    work->compress = wanted == BM_COMPRESSION_YES;
    if (bm_management_settings (work->management, &group, &error) != BM_OK) {
        bm_report_fail (work->report, &error);
        return;
    }
    if (group.force_full_unreadable)
        bm_report_warn (work->report,
                        "dbo.adm_ForceFullBackup has no column ForceFull: whether a full backup "
                        "was asked for there cannot be told; `btsmark full` takes one");
    if (!group.has_compression) {
        if (wanted == BM_COMPRESSION_YES)
            bm_report_warn (work->report, "compression = yes, but this version of BizTalk has no "
                                          "dbo.adm_BackupSettings: its procedures do not compress");
        return;
    }
    bool writes = self->options.kind != BM_RUN_LOG && wanted != BM_COMPRESSION_KEEP;
    if (!writes)
        work->compress = group.use_compression;
    else if (bm_management_set_compression (work->management, work->compress, &error) != BM_OK)
        bm_report_fail (work->report, &error);
}

/*  Step 4, also after a step that failed: what it may delete does not depend on it. */
static void
s_clean_up (bm_run_t *self)
{
    bm_cleaning_t cleaning;
    char text[BM_PROGRESS_TEXT_BYTES];
    int64_t bytes = 0;
    bm_cleaning_run (&self->work, self->options.dry_run, &cleaning);
    size_t gone = bm_cleaning_gone (&cleaning, &bytes);
    if (gone && !self->options.dry_run)
        bm_report_note (self->work.report, "retention: %zu old file(s) deleted, %s are free again",
                        gone, bm_progress_bytes (bytes, text));
    if (self->options.cleaning)
        *self->options.cleaning = cleaning;
    else
        bm_cleaning_clear (&cleaning);
}

static void
s_steps (bm_run_t *self)
{
    bm_run_kind_t kind = self->options.kind;
    if (!self->options.dry_run)
        s_look_around (self);
    if (bm_run_stopping (self))
        return;
    if (kind == BM_RUN_CLEAN) {
        s_clean_up (self);
        return;
    }
    s_set_compression (self);
    if (kind != BM_RUN_LOG)
        bm_run_full (self);
    if (kind != BM_RUN_FULL && !bm_run_stopping (self))
        bm_run_log (self);
    if (kind == BM_RUN_JOB && !bm_run_stopping (self))
        s_clean_up (self);
}

static void
s_close (bm_run_t *self)
{
    bm_work_t *work = &self->work;
    bm_report_t *report = work->report;
    bm_error_t error = {0};
    report->ended_us = bm_clock_utc_us ();
    bm_status_t status = report->error.status;
    if (status == BM_OK && report->warning_count)
        status = BM_WARNINGS;
    if (work->run && !self->options.dry_run &&
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
    bm_run_t self = {.options = *options};
    self.work.report = report;
    self.work.progress = bm_progress_new (options->progress);
    if (s_load (&self) && (options->dry_run ? s_open_to_look (&self) : s_open (&self)) &&
        s_open_agents (&self) && s_discover (&self))
        s_steps (&self);
    s_close (&self);
}
