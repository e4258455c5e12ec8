/*  coordinator/shell/run_set.c */
#include "coordinator/shell/run_state.h"

#include <stdio.h>
#include <stdlib.h>

static bm_status_t
s_need_lock (bm_run_t *self, bm_error_t *error)
{
    if (bm_work_probe (&self->work, true) || bm_work_relock (&self->work))
        return BM_OK;
    return bm_fail (error, BM_LOCK_LOST,
                    "no set is begun: the session that held the backup lock was lost");
}

bm_status_t
bm_run_set_again (bm_run_t *self, const bm_set_row_t *row, bm_run_set_t *set, size_t databases,
                  bm_error_t *error)
{
    bm_work_t *work = &self->work;
    *set = (bm_run_set_t){.type = row->type, .id = row->set_id};
    bm_status_t status = s_need_lock (self, error);
    if (status == BM_OK)
        status = bm_work_mark_name (work, row->sequence, set->sequence, NULL, error);
    if (status != BM_OK)
        return status;
    snprintf (set->time, sizeof set->time, "%s", row->history_time);
    set->report = bm_report_set_add (work->report, row->set_id, row->type, databases);
    return BM_OK;
}

bm_status_t
bm_run_set_begin (bm_run_t *self, bm_set_type_t type, bm_run_set_t *set, bm_error_t *error)
{
    bm_work_t *work = &self->work;
    int64_t above = 0, at_us = 0;
    bool raised = false;
    *set = (bm_run_set_t){.type = type};
    bm_status_t lock = s_need_lock (self, error);
    if (lock != BM_OK)
        return lock;
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
    bm_group_database_t *databases = bm_run_databases (work->topology);
    status = bm_catalogue_set_open (work->catalogue, work->run, set->id, type, set->sequence,
                                    set->time, databases, work->topology->place_count, error);
    free (databases);
    if (status == BM_OK)
        set->report = bm_report_set_add (work->report, set->id, type, work->topology->place_count);
    return status;
}

/*  Told to stop before its backups began: it ends as it is. */
void
bm_run_set_skip (bm_run_t *self, const bm_run_set_t *set)
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
