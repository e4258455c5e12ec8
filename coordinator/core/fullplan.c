/*  coordinator/core/fullplan.c */
#include "coordinator/core/fullplan.h"

#include <string.h>

#include "coordinator/core/retry.h"

/*  Its log cannot be backed up, and only a full of it helps. */
static bool
s_chainless (const bm_fullplan_database_t *database)
{
    return database->voted && database->ready && !database->has_full;
}

/*  The set waits for its full, or it joins the set. */
static bool
s_lacks (const bm_fullplan_set_t *set, const bm_fullplan_database_t *database)
{
    return !database->held && ((!set->complete && database->in_set) || s_chainless (database));
}

/*  When a database may be tried again; 0 = at once. One that could not be reached was not tried: the day its host is back it
 *  is not kept waiting. */
static int64_t
s_not_before (const bm_schedule_config_t *config, const bm_fullplan_database_t *database,
              int64_t now_us)
{
    if (database->attempts == 0 || database->last_attempt_us > now_us)
        return 0;
    return database->last_attempt_us +
           bm_retry_grown (database->attempts, config->retry_pause_us, BM_SCHEDULE_PAUSE_MAX_US);
}

static void
s_repair (const bm_schedule_config_t *config, int64_t now_us, const bm_fullplan_set_t *set,
          const bm_fullplan_database_t *databases, size_t n, bool *take, bm_fullplan_t *plan)
{
    for (size_t i = 0; i < n; i++) {
        const bm_fullplan_database_t *database = &databases[i];
        if (!s_lacks (set, database))
            continue;
        int64_t not_before = s_not_before (config, database, now_us);
        if (!database->ready) {
            plan->out_of_reach++;
        } else if (not_before > now_us) {
            plan->pausing++;
            if (plan->next_us < 0 || not_before < plan->next_us)
                plan->next_us = not_before;
        } else {
            take[i] = true;
            plan->taken++;
            plan->newcomers += !database->in_set;
        }
    }
    if (plan->taken)
        plan->action = BM_FULLPLAN_REPAIR;
}

void
bm_fullplan_decide (const bm_schedule_config_t *config, const bm_schedule_history_t *history,
                    const bm_schedule_now_t *now, const bm_fullplan_set_t *set,
                    const bm_fullplan_database_t *databases, size_t n, bool *take,
                    bm_fullplan_t *plan)
{
    const bool repairs = set->set_id > 0 && !config->legacy_log_shipping;
    bm_schedule_history_t found = *history;
    found.databases_without_full = 0;
    found.all_ready = true;
    for (size_t i = 0; i < n; i++) {
        /*  A set takes one row for a database: one whose chain broke after its full (restored, or its recovery model was
         *  changed) needs a new set. */
        found.databases_without_full +=
            s_chainless (&databases[i]) && (!repairs || databases[i].held);
        found.all_ready &= databases[i].ready;
    }
    memset (take, 0, n * sizeof *take);
    *plan = (bm_fullplan_t){.next_us = -1};
    plan->due = bm_schedule_due (config, &found, now);
    if (bm_due_is (plan->due))
        plan->action = BM_FULLPLAN_WHOLE;
    else if (repairs)
        s_repair (config, now->utc_us, set, databases, n, take, plan);
}
