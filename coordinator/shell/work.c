/*  coordinator/shell/work.c */
#include "coordinator/shell/work.h"

#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/names.h"

bool
bm_work_wait (bm_work_t *self, int64_t timeout_ms)
{
    bm_agents_wait (self->agents, timeout_ms < 0 ? 0 : timeout_ms, bm_stop_fd (self->stop));
    return bm_stop_requested (self->stop);
}

static void
s_lost (bm_work_t *self, const bm_error_t *why)
{
    self->lock_held = false;
    bm_report_warn (self->report, "%s", why->text);
    bm_progress_say (self->progress, "lock_lost", "%s", why->text);
    bm_error_t error = {0};
    if (bm_catalogue_event (self->catalogue, self->run, "lock-lost", why->text, &error) != BM_OK)
        bm_log_error ("%s", error.text);
}

bool
bm_work_probe (bm_work_t *self, bool now)
{
    int64_t now_ms = bm_clock_mono_ms ();
    if (!self->management || !self->lock_held || (!now && now_ms < self->next_probe_ms))
        return self->lock_held || !self->management;
    bm_error_t error = {0};
    if (bm_management_probe (self->management, &error) != BM_OK)
        s_lost (self, &error);
    self->next_probe_ms = bm_clock_mono_ms () + self->settings->lock_probe_ms;
    return self->lock_held;
}

bool
bm_work_relock (bm_work_t *self)
{
    int64_t now_ms = bm_clock_mono_ms ();
    if (self->lock_held || !self->management)
        return true;
    if (now_ms < self->next_probe_ms)
        return false;
    bm_error_t error = {0};
    self->lock_held = bm_management_lock (self->management, 0, NULL, NULL, &error) == BM_OK;
    self->next_probe_ms = bm_clock_mono_ms () + self->settings->lock_probe_ms;
    if (!self->lock_held)
        return false;
    bm_progress_say (self->progress, "lock_held", "The backup lock is held again");
    if (bm_catalogue_event (self->catalogue, self->run, "lock-held", "again", &error) != BM_OK)
        bm_log_error ("%s", error.text);
    return true;
}

/*  This machine's own clock. */
static int
s_local_minutes (int64_t utc_us)
{
    time_t seconds = (time_t)(utc_us / 1000000);
    struct tm local;
    if (!localtime_r (&seconds, &local))
        return 0;
    return (int)(local.tm_gmtoff / 60);
}

int
bm_work_zone_minutes (const bm_work_t *self, int64_t utc_us)
{
    return self->settings->time_zone == BM_ZONE_UTC ? 0 : s_local_minutes (utc_us);
}

int
bm_work_hour_minutes (const bm_work_t *self, int64_t utc_us)
{
    return self->settings->backup_hour_zone == BM_ZONE_UTC ? 0 : s_local_minutes (utc_us);
}

/*  SQL Server's datetime has ticks of 1/300 s: a mark's name and the time of its set's rows are the same one. */
static int64_t
s_round_to_tick (int64_t utc_us)
{
    int64_t ticks = (utc_us * 3 + 5000) / 10000;
    return (ticks * 10000 + 1) / 3;
}

bm_status_t
bm_work_mark_name (const bm_work_t *self, const char *before, char *mark, int64_t *utc_us_p,
                   bm_error_t *error)
{
    int64_t at_us = s_round_to_tick (bm_clock_utc_us ());
    int minutes = bm_work_zone_minutes (self, at_us);
    bm_status_t status = bm_names_mark (self->settings->mark_prefix, at_us, minutes, mark, error);
    while (status == BM_OK && before && strcmp (before, mark) == 0) {
        at_us = s_round_to_tick (at_us + 3334);
        status = bm_names_mark (self->settings->mark_prefix, at_us, minutes, mark, error);
    }
    if (utc_us_p)
        *utc_us_p = at_us;
    return status;
}
