/*  coordinator/shell/backupset.c */
#include "coordinator/shell/backupset.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "coordinator/shell/history.h"
#include "coordinator/shell/publish.h"
#include "coordinator/shell/translate.h"

enum { BACKUP_VALID_MS = 60000, CANCEL_DEADLINE_MS = 10000 };

/*  A database's backup. */
typedef struct job {
    bm_backupset_t *set;
    size_t index; /* in the set's jobs and in its report */
    size_t place;
    uint64_t operation; /* 0 = not running */
    int64_t order;      /* of the journal */
    bool ended, journaled;
    bool has_backup;
    bm_backup_t backup;
    bool cancelling;
} job_t;

struct bm_backupset {
    bm_work_t *work;
    bm_topology_t *topology;
    int64_t set_id;
    bm_set_type_t type;
    char *sequence, *mark, *history_time;
    bm_outcome_t outcome;
    bm_report_set_t *report;
    job_t *jobs; /* one for each place that is taken */
    size_t count, running, unrecorded;
    size_t missing; /* databases of the set that are not taken and not there */
    int64_t began_ms, next_record_ms;
    bm_error_t record_error; /* why rows are left */
};

static bm_report_database_t *
s_report (const job_t *job)
{
    return &job->set->report->databases[job->index];
}

static bm_place_t *
s_place (const job_t *job)
{
    return &job->set->topology->places[job->place];
}

static const char *
s_host (const job_t *job)
{
    const char *name = bm_topology_real_name (job->set->topology, job->place);
    return name ? name : s_place (job)->server;
}

/* ---- ordering ---------------------------------------------------------------------------------------------------- */

static void
s_skip (job_t *job, const bm_error_t *why)
{
    bm_report_database_t *report = s_report (job);
    report->status = BM_DATABASE_SKIPPED;
    report->error = *why;
    job->ended = job->journaled = true;
}

static void
s_read_done (job_t *job, const Btsmark__BackupDone *done)
{
    bm_report_database_t *report = s_report (job);
    bm_place_t *place = s_place (job);
    report->status = bm_translate_status (done->status);
    report->ms = (int64_t)done->took_ms;
    report->messages = bm_translate_messages (done->messages, done->n_messages);
    bm_translate_fault (done->fault, &report->error);
    if (done->row) {
        job->has_backup = true;
        bm_translate_backup (done->row, place->server, s_host (job), done->file_bytes,
                             &job->backup);
        free (job->backup.database);
        job->backup.database = bm_strdup (place->database);
        job->backup.type = job->set->type;
        job->backup.ours = true;
        job->backup.set_id = job->set->set_id;
        job->backup.mark = bm_strdup (job->set->mark);
        job->backup.mark_lsn = bm_strdup (report->mark_lsn);
        report->file = bm_strdup (job->backup.device);
        report->first_lsn = bm_strdup (job->backup.first_lsn);
        report->last_lsn = bm_strdup (job->backup.last_lsn);
        report->bytes = job->backup.file_bytes >= 0 ? job->backup.file_bytes : job->backup.bytes;
    }
    bool good = report->status == BM_DATABASE_OK || report->status == BM_DATABASE_OK_WITH_WARNINGS;
    if (good && (!job->has_backup || !job->backup.uuid)) {
        report->status = BM_DATABASE_UNKNOWN;
        bm_fail (&report->error, BM_BACKUP_FAILED,
                 "%s on %s: no row of msdb.dbo.backupset proves this backup", place->database,
                 s_host (job));
    } else if (report->status == BM_DATABASE_FAILED && report->error.status == BM_OK) {
        bm_fail (&report->error, BM_BACKUP_FAILED, "%s on %s: the backup failed", place->database,
                 s_host (job));
    }
}

/*  Only notes what came; see bm_backupset_serve. */
static void
s_on_done (void *argument, size_t agent, const Btsmark__Envelope *answer, const bm_error_t *error)
{
    job_t *job = argument;
    bm_report_database_t *report = s_report (job);
    (void)agent;
    job->operation = 0;
    job->ended = true;
    job->set->running--;
    if (error->status == BM_OK && answer->body_case == BTSMARK__ENVELOPE__BODY_BACKUP_DONE) {
        s_read_done (job, answer->backup_done);
        return;
    }
    report->error = *error;
    if (error->status == BM_OK)
        bm_fail (&report->error, BM_PROTOCOL, "BACKUP was answered by another kind of answer");
    /*  A refusal says that nothing was done; a lost agent says nothing. */
    bool refused = answer && error->status != BM_AGENT_RESTARTED;
    report->status = refused ? BM_DATABASE_FAILED : BM_DATABASE_UNKNOWN;
}

static void
s_on_progress (void *argument, size_t agent, const Btsmark__Progress *progress)
{
    job_t *job = argument;
    (void)agent;
    bm_progress_backup (
        job->set->work->progress,
        &(bm_progress_backup_t){.host = s_host (job),
                                .database = s_place (job)->database,
                                .step = progress->step,
                                .percent = progress->percent,
                                .total_bytes = progress->total_bytes,
                                .remaining_ms = progress->remaining_ms,
                                .elapsed_ms = (int64_t)progress->elapsed_ms,
                                .since_change_ms = (int64_t)progress->since_change_ms});
}

static void
s_order (job_t *job)
{
    bm_backupset_t *self = job->set;
    bm_work_t *work = self->work;
    bm_place_t *place = s_place (job);
    bm_error_t error = {0};
    if (place->instance == BM_NOWHERE) {
        s_skip (job, &place->fault);
        return;
    }
    const bm_topology_instance_t *instance = &self->topology->instances[place->instance];
    if (!bm_agents_greeting (work->agents, instance->agent, &error)) {
        s_skip (job, &error);
        return;
    }
    if (self->type == BM_SET_FULL && place->voted && place->reason.status != BM_OK) {
        s_skip (job, &place->reason);
        return;
    }
    if (bm_catalogue_order_open (work->catalogue, work->run, self->set_id, place->server,
                                 instance->real_name, place->database, self->type, self->sequence,
                                 self->mark, &job->order, &error) != BM_OK) {
        bm_report_fail (work->report, &error);
        s_skip (job, &error);
        return;
    }
    Btsmark__Envelope envelope = BTSMARK__ENVELOPE__INIT;
    Btsmark__Backup backup = BTSMARK__BACKUP__INIT;
    backup.instance = instance->name;
    backup.database = place->database;
    backup.type = self->type == BM_SET_FULL ? BTSMARK__SET_TYPE__FULL : BTSMARK__SET_TYPE__LOG;
    backup.method = work->settings->method == BM_METHOD_NATIVE ? BTSMARK__METHOD__NATIVE
                                                               : BTSMARK__METHOD__PROCEDURE;
    backup.sequence = self->sequence;
    backup.path = (char *)instance->path;
    backup.compress = work->compress && !place->is_sso;
    backup.has_compression_parameter = place->has_compression_parameter;
    backup.context = (char *)work->context;
    Btsmark__NativeOptions native = BTSMARK__NATIVE_OPTIONS__INIT;
    bm_native_settings_put (&work->settings->native, &native);
    if (work->settings->method == BM_METHOD_NATIVE)
        backup.native = &native;
    envelope.body_case = BTSMARK__ENVELOPE__BODY_BACKUP;
    envelope.backup = &backup;
    bm_delivery_t how = {.valid_ms = BACKUP_VALID_MS,
                         .silent_ms = work->settings->agent_timeout_ms,
                         .on_answer = s_on_done,
                         .on_progress = s_on_progress,
                         .argument = job};
    self->running++;
    job->operation = bm_agents_order (work->agents, instance->agent, &envelope, &how);
}

bm_backupset_t *
bm_backupset_start (bm_work_t *work, const bm_backupset_in_t *in)
{
    bm_backupset_t *self = bm_alloc (sizeof *self);
    self->work = work;
    self->topology = work->topology;
    self->set_id = in->set_id;
    self->type = in->type;
    self->sequence = bm_strdup (in->sequence);
    self->mark = bm_strdup (in->mark);
    self->history_time = bm_strdup (in->history_time);
    self->outcome = in->outcome;
    self->report = in->report;
    self->count = in->places ? in->place_count : work->topology->place_count;
    self->missing = in->missing;
    self->began_ms = bm_clock_mono_ms ();
    self->jobs = bm_alloc ((self->count + 1) * sizeof *self->jobs);
    bm_progress_event (work->progress, "backups_started",
                       json_pack ("{s:I, s:s}", "set_id", (json_int_t)self->set_id, "type",
                                  bm_set_type_name (self->type)),
                       "Set %lld: backing up the %s of %zu databases", (long long)self->set_id,
                       self->type == BM_SET_FULL ? "whole" : "log", self->count);
    for (size_t i = 0; i < self->count; i++) {
        job_t *job = &self->jobs[i];
        job->set = self;
        job->index = i;
        job->place = in->places ? in->places[i] : i;
        bm_report_database_t *report = s_report (job);
        report->server = bm_strdup (s_place (job)->server);
        report->database = bm_strdup (s_place (job)->database);
        if (in->proofs && in->proofs[job->place].asked && in->mark)
            report->mark_lsn = bm_strdup (in->proofs[job->place].lsn);
        s_order (job);
    }
    return self;
}

void
bm_backupset_destroy (bm_backupset_t **self_p)
{
    bm_backupset_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->count; i++) {
        if (self->jobs[i].operation)
            bm_agents_forget (self->work->agents, self->jobs[i].operation);
        bm_backup_clear (&self->jobs[i].backup);
    }
    free (self->jobs);
    free (self->sequence);
    free (self->mark);
    free (self->history_time);
    free (self);
    *self_p = NULL;
}

/* ---- recording --------------------------------------------------------------------------------------------------- */

static void
s_tell (job_t *job)
{
    bm_backupset_t *self = job->set;
    bm_report_database_t *report = s_report (job);
    char bytes[BM_PROGRESS_TEXT_BYTES], ms[BM_PROGRESS_TEXT_BYTES];
    const char *status = bm_database_status_name (report->status);
    json_t *values =
        json_pack ("{s:I, s:s, s:s, s:s, s:I, s:I}", "set_id", (json_int_t)self->set_id, "server",
                   report->server, "database", report->database, "status", status, "bytes",
                   (json_int_t)report->bytes, "ms", (json_int_t)report->ms);
    if (report->error.status == BM_OK && bm_progress_terminal (self->work->progress))
        bm_progress_event (self->work->progress, "backup_done", values, "%s", "");
    else if (report->error.status == BM_OK)
        bm_progress_event (self->work->progress, "backup_done", values, "  %s on %s: %s, %s, %s",
                           report->database, s_host (job), status,
                           bm_progress_bytes (report->bytes, bytes),
                           bm_progress_duration (report->ms, ms));
    else
        bm_progress_event (self->work->progress, "backup_done", values, "  %s on %s: %s: %s",
                           report->database, s_host (job), status, report->error.text);
    bm_progress_backup_done (self->work->progress, s_host (job), s_place (job)->database);
}

static void
s_journal (job_t *job)
{
    bm_backupset_t *self = job->set;
    bm_report_database_t *report = s_report (job);
    bm_error_t error = {0};
    bool keep = job->has_backup && job->backup.uuid;
    if (bm_catalogue_order_close (
            self->work->catalogue, job->order, bm_database_status_name (report->status),
            report->error.status == BM_OK ? NULL : report->error.text, report->ms, report->messages,
            keep ? &job->backup : NULL, &error) != BM_OK)
        bm_report_fail (self->work->report, &error);
    job->journaled = true;
    if (keep)
        self->unrecorded++;
    s_tell (job);
}

static bool
s_wants_row (const job_t *job)
{
    return job->journaled && job->has_backup && job->backup.uuid && !s_report (job)->recorded;
}

/*  Writes the rows that are left, while the lock is held. A failure is tried again after a pause. */
static void
s_record (bm_backupset_t *self)
{
    bm_work_t *work = self->work;
    int64_t now_ms = bm_clock_mono_ms ();
    if (!self->unrecorded || now_ms < self->next_record_ms || !work->management ||
        !bm_work_relock (work))
        return;
    for (size_t i = 0; i < self->count; i++) {
        job_t *job = &self->jobs[i];
        if (!s_wants_row (job))
            continue;
        bm_error_t error = {0};
        if (bm_publish_row (work, &job->backup, self->history_time, &error) != BM_OK) {
            bm_log_warning ("the row of %s is not written yet: %s", job->backup.database,
                            error.text);
            self->record_error = error;
            self->next_record_ms = now_ms + work->settings->lock_probe_ms;
            return;
        }
        s_report (job)->recorded = job->backup.recorded = true;
        self->unrecorded--;
    }
    self->record_error = (bm_error_t){0};
}

bool
bm_backupset_serve (bm_backupset_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->jobs[i].ended && !self->jobs[i].journaled)
            s_journal (&self->jobs[i]);
    bm_work_probe (self->work, false);
    s_record (self);
    return self->running == 0;
}

void
bm_backupset_cancel (bm_backupset_t *self, const char *reason)
{
    for (size_t i = 0; i < self->count; i++) {
        job_t *job = &self->jobs[i];
        if (!job->operation || job->cancelling)
            continue;
        job->cancelling = true;
        Btsmark__Envelope envelope = BTSMARK__ENVELOPE__INIT;
        Btsmark__Cancel cancel = BTSMARK__CANCEL__INIT;
        cancel.target_operation_id = job->operation;
        cancel.reason = (char *)reason;
        envelope.body_case = BTSMARK__ENVELOPE__BODY_CANCEL;
        envelope.cancel = &cancel;
        bm_delivery_t how = {.deadline_ms = CANCEL_DEADLINE_MS};
        bm_agents_order (self->work->agents,
                         self->topology->instances[s_place (job)->instance].agent, &envelope, &how);
    }
}

/* ---- the set's end ----------------------------------------------------------------------------------------------- */

/*  Rows that could not be written have lock-wait more time, then the next run settles them. */
static void
s_record_last (bm_backupset_t *self)
{
    bm_work_t *work = self->work;
    int64_t until_ms = bm_clock_mono_ms () + work->settings->lock_wait_ms;
    s_record (self);
    while (self->unrecorded && work->management && bm_clock_mono_ms () < until_ms &&
           !bm_work_wait (work, 500))
        s_record (self);
}

static bm_set_verdict_t
s_judge (const bm_backupset_t *self)
{
    bm_set_database_t *databases = bm_alloc ((self->count + 1) * sizeof *databases);
    for (size_t i = 0; i < self->count; i++) {
        const bm_report_database_t *report = &self->report->databases[i];
        databases[i] = (bm_set_database_t){report->status, report->recorded, report->first_lsn,
                                           report->last_lsn, report->mark_lsn};
    }
    bm_set_verdict_t verdict =
        bm_set_judge (self->type, self->outcome, self->work->settings->doubtful == BM_DOUBTFUL_WARN,
                      databases, self->count);
    free (databases);
    if (verdict.state == BM_SET_STATE_COMPLETE && self->missing)
        verdict = (bm_set_verdict_t){.state = BM_SET_STATE_INCOMPLETE,
                                     .status = BM_SET_INCOMPLETE,
                                     .reason = "other databases of the set still lack theirs",
                                     .database = SIZE_MAX};
    return verdict;
}

/*  SetComplete = 1, when the history has a row for every database that the set is to hold: those of this run, and of earlier
 *  ones when it is repaired. */
static void
s_complete (bm_backupset_t *self, bm_error_t *error)
{
    bm_work_t *work = self->work;
    bm_set_row_t *row = NULL;
    bool complete = false;
    if (bm_catalogue_set (work->catalogue, self->set_id, &row, error) != BM_OK)
        return;
    size_t rows = row ? row->databases : self->count;
    if (bm_history_complete (work->management, self->set_id, rows, &complete, error) == BM_OK &&
        !complete)
        bm_fail (error, BM_SET_INCOMPLETE,
                 "set %lld: adm_BackupHistory does not hold exactly its %zu rows",
                 (long long)self->set_id, rows);
    self->report->complete = error->status == BM_OK;
    bm_set_rows_destroy (&row, row ? 1 : 0);
}

static void
s_explain (const bm_backupset_t *self, const bm_set_verdict_t *verdict, bm_error_t *error)
{
    if (verdict->database < self->count) {
        const bm_report_database_t *report = &self->report->databases[verdict->database];
        bool has_cause = report->error.status != BM_OK;
        bm_fail (error, verdict->status, "set %lld: %s: %s.%s%s%s", (long long)self->set_id,
                 verdict->reason, report->server, report->database, has_cause ? ": " : "",
                 has_cause ? report->error.text : "");
        if (has_cause && report->error.remedy[0])
            bm_error_remedy (error, "%s", report->error.remedy);
    } else {
        bm_fail (error, verdict->status, "set %lld: %s", (long long)self->set_id, verdict->reason);
    }
}

bm_status_t
bm_backupset_finish (bm_backupset_t *self, bm_error_t *error)
{
    bm_work_t *work = self->work;
    bm_backupset_serve (self);
    s_record_last (self);
    if (self->unrecorded && self->record_error.status != BM_OK)
        bm_report_fail (work->report, &self->record_error);
    if (self->unrecorded && work->management && !work->lock_held) {
        bm_error_t lost = {0};
        bm_fail (&lost, BM_LOCK_LOST,
                 "set %lld: %zu backups were taken but not recorded, because the "
                 "backup lock was lost",
                 (long long)self->set_id, self->unrecorded);
        bm_report_fail (work->report, &lost);
    }
    bm_set_verdict_t verdict = s_judge (self);
    bm_error_t own = {0};
    if (verdict.state == BM_SET_STATE_COMPLETE && work->management)
        s_complete (self, &own);
    else
        self->report->complete = verdict.state == BM_SET_STATE_COMPLETE;
    if (own.status == BM_OK && verdict.status != BM_OK)
        s_explain (self, &verdict, &own);
    else if (own.status == BM_OK && verdict.warn)
        bm_report_warn (work->report, "set %lld: %s", (long long)self->set_id, verdict.reason);
    bm_error_t failed = {0};
    if (bm_catalogue_set_end (work->catalogue, self->set_id, self->report->complete, &failed) !=
        BM_OK)
        bm_report_fail (work->report, &failed);
    bm_publish_manifest (work, self->set_id);
    self->report->ms = bm_clock_mono_ms () - self->began_ms;
    bm_progress_event (work->progress, "set_done",
                       json_pack ("{s:I, s:b}", "set_id", (json_int_t)self->set_id, "complete",
                                  self->report->complete),
                       "Set %lld: %s", (long long)self->set_id,
                       self->report->complete ? "complete" : "INCOMPLETE");
    if (own.status != BM_OK && error)
        *error = own;
    return own.status;
}

bm_status_t
bm_backupset_run (bm_work_t *work, const bm_backupset_in_t *in, bm_error_t *error)
{
    bm_backupset_t *self = bm_backupset_start (work, in);
    while (!bm_backupset_serve (self))
        if (bm_work_wait (work, 500))
            bm_backupset_cancel (self, "btsmark was told to stop");
    bm_status_t status = bm_backupset_finish (self, error);
    bm_backupset_destroy (&self);
    return status;
}
