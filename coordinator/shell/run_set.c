/*  coordinator/shell/run_set.c */
#include "coordinator/shell/run_state.h"

#include <stdlib.h>

bm_status_t
bm_run_set_begin (bm_run_t *self, bm_set_type_t type, bm_run_set_t *set, bm_error_t *error)
{
    bm_work_t *work = &self->work;
    int64_t above = 0, at_us = 0;
    bool raised = false;
    *set = (bm_run_set_t){.type = type};
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
