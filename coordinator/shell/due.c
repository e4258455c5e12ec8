/*  coordinator/shell/due.c */
#include "coordinator/shell/due.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/names.h"
#include "coordinator/shell/history.h"

enum { SETS = 1000 };
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
    bm_schedule_set_t *sets = bm_alloc ((count + 2) * sizeof *sets); /* and one under repair */
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

static bm_schedule_config_t
s_config (const bm_settings_t *settings)
{
    bm_schedule_config_t config = {.every = settings->full_every,
                                   .backup_hour = settings->backup_hour,
                                   .full_after_partial = settings->full_after_partial,
                                   .legacy_log_shipping = settings->legacy_log_shipping,
                                   .retry_pause_us = settings->full_retry_pause_ms * 1000};
    return config;
}

static bm_schedule_now_t
s_now (const bm_work_t *work)
{
    int64_t now_us = bm_clock_utc_us ();
    return (bm_schedule_now_t){.utc_us = now_us,
                               .period_offset_minutes = bm_work_zone_minutes (work, now_us),
                               .hour_offset_minutes = bm_work_hour_minutes (work, now_us)};
}

static bm_status_t
s_remember_ids (bm_work_t *work, const bm_history_set_t *rows, size_t count, bm_error_t *error)
{
    int64_t greatest = 0;
    for (size_t i = 0; i < count; i++)
        greatest = rows[i].set_id > greatest ? rows[i].set_id : greatest;
    return greatest ? bm_catalogue_set_seen (work->catalogue, greatest, error) : BM_OK;
}

/* ---- the newest full set ----------------------------------------------------------------------------------------- */

/*  NULL when there is none of ours, when nothing can be added to it, or when the history knows a newer full of another's. */
static bm_status_t
s_newest_full (bm_work_t *work, const bm_schedule_set_t *sets, size_t count, bm_set_row_t **row_p,
               bm_error_t *error)
{
    bm_status_t status = bm_catalogue_newest_full (work->catalogue, row_p, error);
    bool usable = *row_p && !(*row_p)->closed;
    for (size_t i = 0; usable && i < count; i++)
        usable = sets[i].type != BM_SET_FULL || sets[i].set_id <= (*row_p)->set_id;
    if (*row_p && !usable)
        bm_set_rows_destroy (row_p, 1);
    return status;
}

/*  A full that is under repair counts for its period, also while it has no row in the history yet. */
static void
s_mark_repaired (const bm_work_t *work, const bm_set_row_t *set, bm_schedule_set_t *sets,
                 size_t *count)
{
    if (!set || set->complete || work->settings->legacy_log_shipping)
        return;
    for (size_t i = 0; i < *count; i++)
        if (sets[i].set_id == set->set_id) {
            sets[i].under_repair = true;
            return;
        }
    int64_t at_us = bm_due_parse_time (set->history_time, s_local (work));
    at_us = at_us < 0 ? set->began_us : at_us;
    sets[(*count)++] =
        (bm_schedule_set_t){.set_id = set->set_id,
                            .type = BM_SET_FULL,
                            .under_repair = true,
                            .at_utc_us = at_us,
                            .utc_offset_minutes = bm_work_zone_minutes (work, at_us)};
}

static void
s_note_orders (const bm_order_row_t *orders, size_t count, const bm_place_t *place,
               bm_fullplan_database_t *database)
{
    for (size_t i = 0; i < count; i++) {
        const bm_order_row_t *order = &orders[i];
        if (!bm_names_equal (order->server, place->server) ||
            !bm_names_equal (order->database, place->database))
            continue;
        int64_t at_us = order->ended_us > 0 ? order->ended_us : order->began_us;
        database->attempts++;
        if (at_us > database->last_attempt_us)
            database->last_attempt_us = at_us;
    }
}

static bool
s_holds (const bm_backups_t *backups, const bm_place_t *place)
{
    for (size_t i = 0; i < backups->count; i++)
        if (backups->items[i].type == BM_SET_FULL &&
            bm_names_equal (backups->items[i].server, place->server) &&
            bm_names_equal (backups->items[i].database, place->database))
            return true;
    return false;
}

/*  What the newest full set has of each database of the group. */
static bm_status_t
s_set_facts (bm_work_t *work, int64_t set_id, bm_fullplan_database_t *databases, bm_error_t *error)
{
    bm_set_members_t members = {0};
    bm_backups_t backups = {0};
    bm_order_row_t *orders = NULL;
    size_t order_count = 0;
    bm_status_t status = bm_catalogue_set_members (work->catalogue, set_id, &members, error);
    if (status == BM_OK)
        status = bm_catalogue_set_backups (work->catalogue, set_id, &backups, error);
    if (status == BM_OK)
        status = bm_catalogue_orders (work->catalogue, set_id, &orders, &order_count, error);
    for (size_t i = 0; status == BM_OK && i < work->topology->place_count; i++) {
        const bm_place_t *place = &work->topology->places[i];
        databases[i].in_set = bm_set_members_find (&members, place->server, place->database);
        databases[i].held = s_holds (&backups, place);
        if (!databases[i].held)
            s_note_orders (orders, order_count, place, &databases[i]);
    }
    bm_order_rows_destroy (&orders, order_count);
    bm_backups_clear (&backups);
    bm_set_members_clear (&members);
    return status;
}

/* ---- deciding ---------------------------------------------------------------------------------------------------- */

static bm_status_t
s_databases (bm_work_t *work, const bm_set_row_t *set, bm_fullplan_database_t *databases,
             bm_error_t *error)
{
    for (size_t i = 0; i < work->topology->place_count; i++) {
        const bm_place_t *place = &work->topology->places[i];
        databases[i].voted = place->voted;
        databases[i].has_full = place->has_full;
        databases[i].ready =
            place->instance != BM_NOWHERE && place->voted && place->reason.status == BM_OK;
    }
    return set ? s_set_facts (work, set->set_id, databases, error) : BM_OK;
}

static bm_status_t
s_decide (bm_work_t *work, bm_schedule_history_t *history, bm_schedule_set_t *sets, size_t count,
          bm_due_plan_t *plan, bm_error_t *error)
{
    size_t places = work->topology->place_count;
    bm_fullplan_database_t *databases = bm_alloc ((places + 1) * sizeof *databases);
    bm_status_t status = s_newest_full (work, sets, count, &plan->set, error);
    if (status == BM_OK)
        status = s_databases (work, plan->set, databases, error);
    if (status == BM_OK) {
        s_mark_repaired (work, plan->set, sets, &count);
        history->sets = sets;
        history->count = count;
        bm_fullplan_set_t set = {.set_id = plan->set ? plan->set->set_id : 0,
                                 .complete = plan->set && plan->set->complete};
        bm_schedule_config_t config = s_config (work->settings);
        bm_schedule_now_t now = s_now (work);
        bm_fullplan_decide (&config, history, &now, &set, databases, places, plan->take,
                            &plan->plan);
        plan->missing = plan->plan.out_of_reach + plan->plan.pausing;
    }
    free (databases);
    return status;
}

bm_status_t
bm_due_find (bm_work_t *work, bool fork_changed, bm_due_plan_t *plan, bm_error_t *error)
{
    bm_backup_settings_t group = {0};
    bm_history_set_t *rows = NULL;
    size_t count = 0, used = 0;
    *plan = (bm_due_plan_t){.take = bm_alloc ((work->topology->place_count + 1) * sizeof (bool))};
    bm_status_t status = bm_management_settings (work->management, &group, error);
    if (status == BM_OK)
        status = bm_history_sets (work->management, SETS, &rows, &count, error);
    if (status == BM_OK)
        status = s_remember_ids (work, rows, count, error);
    bool owed = false;
    if (status == BM_OK)
        status = bm_catalogue_owes_full (work->catalogue, &owed, error);
    if (status == BM_OK) {
        bm_schedule_set_t *sets = s_sets (work, rows, count, &used);
        bm_schedule_history_t history = {.force_full = group.force_full,
                                         .fork_changed = fork_changed || owed};
        plan->force_full = group.force_full;
        status = s_decide (work, &history, sets, used, plan, error);
        free (sets);
    }
    bm_history_sets_destroy (&rows, count);
    return status;
}

void
bm_due_clear (bm_due_plan_t *self)
{
    bm_set_rows_destroy (&self->set, self->set ? 1 : 0);
    free (self->take);
    *self = (bm_due_plan_t){0};
}
