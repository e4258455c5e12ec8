/*  coordinator/core/schedule.c */
#include "coordinator/core/schedule.h"
#include "common/error.h"
#include "coordinator/core/retry.h"

#define S_US_PER_MINUTE INT64_C (60000000)
#define S_US_PER_HOUR   (60 * S_US_PER_MINUTE)
#define S_US_PER_DAY    (24 * S_US_PER_HOUR)

static const struct {
    char letter;
    const char *name;
} s_frequencies[] = {
    [BM_EVERY_HOUR] = {'h', "hour"}, [BM_EVERY_DAY] = {'d', "day"},
    [BM_EVERY_WEEK] = {'w', "week"}, [BM_EVERY_MONTH] = {'m', "month"},
    [BM_EVERY_YEAR] = {'y', "year"},
};

static const struct {
    bool due;
    const char *reason;
} s_dues[BM_DUE_COUNT] = {
    [BM_DUE_NO] = {false, "this period has its full backup"},
    [BM_DUE_NOT_YET] = {false, "this period's full backup waits for the backup hour"},
    [BM_DUE_LATER] = {false, "the full backup that failed is tried again later"},
    [BM_DUE_FORCED] = {true, "a full backup was asked for"},
    [BM_DUE_FIRST] = {true, "the group has no complete full backup yet"},
    [BM_DUE_FORK] = {true, "the group was restored since its last full backup"},
    [BM_DUE_AFTER_PARTIAL] = {true, "a set was incomplete since the last complete full backup"},
    [BM_DUE_NEW_DATABASE] = {true, "a database of the group has no full backup in its log chain"},
    [BM_DUE_PERIOD] = {true, "this period has no full backup yet"},
};

bool
bm_frequency_parse (const char *text, bm_frequency_t *frequency)
{
    if (!text || !text[0] || text[1])
        return false;
    char letter = text[0] >= 'A' && text[0] <= 'Z' ? (char)(text[0] - 'A' + 'a') : text[0];
    for (int at = 0; at <= BM_EVERY_YEAR; at++)
        if (s_frequencies[at].letter == letter) {
            *frequency = (bm_frequency_t)at;
            return true;
        }
    return false;
}

const char *
bm_frequency_name (bm_frequency_t frequency)
{
    bm_require ((unsigned)frequency <= BM_EVERY_YEAR);
    return s_frequencies[frequency].name;
}

static int64_t
s_floor_divide (int64_t a, int64_t b)
{
    int64_t quotient = a / b;
    return a % b < 0 ? quotient - 1 : quotient;
}

/*  Year and month (0..11) of a day counted from 1970-01-01: proleptic Gregorian calendar, in 400-year
 *  cycles of 146097 days that begin on the first of March, so that the leap day is a cycle's last. */
static void
s_civil (int64_t day, int64_t *year, int64_t *month)
{
    int64_t shifted = day + 719468;
    int64_t cycle = s_floor_divide (shifted, 146097);
    int64_t in_cycle = shifted - cycle * 146097;
    int64_t cycle_year = (in_cycle - in_cycle / 1460 + in_cycle / 36524 - in_cycle / 146096) / 365;
    int64_t in_year = in_cycle - (365 * cycle_year + cycle_year / 4 - cycle_year / 100);
    int64_t from_march = (5 * in_year + 2) / 153;
    *month = (from_march + 2) % 12;
    *year = cycle * 400 + cycle_year + (*month < 2 ? 1 : 0);
}

int64_t
bm_schedule_period (bm_frequency_t every, int64_t utc_us, int utc_offset_minutes)
{
    int64_t zone_us = utc_us + utc_offset_minutes * S_US_PER_MINUTE;
    int64_t day = s_floor_divide (zone_us, S_US_PER_DAY);
    int64_t year;
    int64_t month;
    switch (every) {
        case BM_EVERY_HOUR:
            return s_floor_divide (zone_us, S_US_PER_HOUR);
        case BM_EVERY_DAY:
            return day;
        case BM_EVERY_WEEK:
            /*  1970-01-01 was a Thursday */
            return s_floor_divide (day + 3, 7);
        case BM_EVERY_MONTH:
            s_civil (day, &year, &month);
            return year * 12 + month;
        case BM_EVERY_YEAR:
            break;
    }
    bm_require (every == BM_EVERY_YEAR);
    s_civil (day, &year, &month);
    return year;
}

/*  Days from 1970-01-01 to the first of a month (0..11): the inverse of s_civil. */
static int64_t
s_month_begin (int64_t year, int64_t month)
{
    int64_t from_march = (month + 10) % 12;
    int64_t cycle_year = from_march >= 10 ? year - 1 : year;
    int64_t cycle = s_floor_divide (cycle_year, 400);
    int64_t in_cycle = cycle_year - cycle * 400;
    return cycle * 146097 + in_cycle * 365 + in_cycle / 4 - in_cycle / 100 +
           (153 * from_march + 2) / 5 - 719468;
}

/*  What the clock of the periods shows when the period begins, in microseconds from its own 1970-01-01. */
static int64_t
s_period_begin (bm_frequency_t every, int64_t period)
{
    switch (every) {
        case BM_EVERY_HOUR:
            return period * S_US_PER_HOUR;
        case BM_EVERY_DAY:
            return period * S_US_PER_DAY;
        case BM_EVERY_WEEK:
            return (period * 7 - 3) * S_US_PER_DAY;
        case BM_EVERY_MONTH:
            return s_month_begin (s_floor_divide (period, 12),
                                  period - 12 * s_floor_divide (period, 12)) *
                   S_US_PER_DAY;
        case BM_EVERY_YEAR:
            break;
    }
    bm_require (every == BM_EVERY_YEAR);
    return s_month_begin (period, 0) * S_US_PER_DAY;
}

/*  What the history says, gathered in one walk. */
typedef struct {
    bool any_full;    /* complete or under repair */
    bool this_period; /* one of them began in this period */
    int64_t last_full_id;
    bool any_partial;
    int64_t last_partial_id;
    unsigned begun;    /* full sets of this period, whatever became of them */
    int64_t newest_us; /* when the newest of them was begun */
    bool failed;       /* one of them failed and is not repaired */
} s_summary_t;

static void
s_add_full (s_summary_t *summary, const bm_schedule_set_t *set, bool in_period)
{
    bool counts = set->complete || set->under_repair;
    if (counts && (!summary->any_full || set->set_id > summary->last_full_id))
        summary->last_full_id = set->set_id;
    summary->any_full |= counts;
    if (!in_period)
        return;
    if (!summary->begun || set->at_utc_us > summary->newest_us)
        summary->newest_us = set->at_utc_us;
    summary->begun++;
    summary->this_period |= counts;
    summary->failed |= !counts;
}

static s_summary_t
s_summarize (const bm_schedule_config_t *config, const bm_schedule_history_t *history,
             int64_t period)
{
    s_summary_t summary = {0};
    for (size_t at = 0; at < history->count; at++) {
        const bm_schedule_set_t *set = &history->sets[at];
        if (!set->complete && !set->under_repair) {
            if (!summary.any_partial || set->set_id > summary.last_partial_id)
                summary.last_partial_id = set->set_id;
            summary.any_partial = true;
        }
        if (set->type == BM_SET_FULL)
            s_add_full (&summary, set,
                        bm_schedule_period (config->every, set->at_utc_us,
                                            set->utc_offset_minutes) == period);
    }
    return summary;
}

/*  Whether the pause after the newest full of this period is not over: else a full that is asked for again and again would
 *  write one with every run until the disks are full. */
static bool
s_pausing (const bm_schedule_config_t *config, const s_summary_t *summary, int64_t now_us)
{
    if (!summary->begun || now_us < summary->newest_us)
        return false;
    return now_us - summary->newest_us <
           bm_retry_grown (summary->begun, config->retry_pause_us, BM_SCHEDULE_PAUSE_MAX_US);
}

/*  A full that this period tried already. For log shipping only a full of everybody ends the gap: without all databases it
 *  would be one more full for nothing. */
static bm_due_t
s_again (const bm_schedule_config_t *config, const bm_schedule_history_t *history,
         const s_summary_t *summary, int64_t now_us, bm_due_t due)
{
    if (!summary->failed)
        return due;
    if (s_pausing (config, summary, now_us) || (config->legacy_log_shipping && !history->all_ready))
        return BM_DUE_LATER;
    return due;
}

/*  Whether the clock of backup_hour has shown that hour since the period began. Both clocks are followed by what they show:
 *  an hour that a change of the clock leaves out has come when the clock stands behind it, and one that comes twice has come
 *  with the first. The two may differ (periods in UTC, the hour local): then the period may begin at any local hour. */
static bool
s_hour_has_come (const bm_schedule_config_t *config, const bm_schedule_now_t *now, int64_t period)
{
    const int64_t shift_us =
        (now->hour_offset_minutes - now->period_offset_minutes) * S_US_PER_MINUTE;
    const int64_t begin_us = s_period_begin (config->every, period) + shift_us;
    const int64_t shows_us = now->utc_us + now->hour_offset_minutes * S_US_PER_MINUTE;
    const int64_t day = s_floor_divide (begin_us, S_US_PER_DAY);
    const int64_t hour = s_floor_divide (begin_us - day * S_US_PER_DAY, S_US_PER_HOUR);
    int64_t due_us = day * S_US_PER_DAY + config->backup_hour * S_US_PER_HOUR;
    if (hour > config->backup_hour)
        due_us += S_US_PER_DAY;
    return shows_us >= due_us;
}

static bm_due_t
s_by_period (const bm_schedule_config_t *config, const bm_schedule_history_t *history,
             const bm_schedule_now_t *now, const s_summary_t *summary, int64_t period)
{
    if (summary->this_period)
        return BM_DUE_NO;
    if (config->every != BM_EVERY_HOUR && config->backup_hour >= 0 &&
        !s_hour_has_come (config, now, period))
        return BM_DUE_NOT_YET;
    return s_again (config, history, summary, now->utc_us, BM_DUE_PERIOD);
}

bm_due_t
bm_schedule_due (const bm_schedule_config_t *config, const bm_schedule_history_t *history,
                 const bm_schedule_now_t *now)
{
    int64_t period = bm_schedule_period (config->every, now->utc_us, now->period_offset_minutes);
    s_summary_t summary = s_summarize (config, history, period);

    if (history->force_full)
        return BM_DUE_FORCED;
    if (history->fork_changed)
        return BM_DUE_FORK;
    if (!summary.any_full)
        return s_again (config, history, &summary, now->utc_us, BM_DUE_FIRST);
    if (history->databases_without_full > 0)
        return s_pausing (config, &summary, now->utc_us) ? BM_DUE_LATER : BM_DUE_NEW_DATABASE;
    bool partial = summary.any_partial && summary.last_partial_id > summary.last_full_id;
    if (partial && (config->full_after_partial || config->legacy_log_shipping) &&
        history->all_ready)
        return s_pausing (config, &summary, now->utc_us) ? BM_DUE_LATER : BM_DUE_AFTER_PARTIAL;
    return s_by_period (config, history, now, &summary, period);
}

bool
bm_due_is (bm_due_t due)
{
    bm_require ((unsigned)due < BM_DUE_COUNT);
    return s_dues[due].due;
}

const char *
bm_due_reason (bm_due_t due)
{
    bm_require ((unsigned)due < BM_DUE_COUNT);
    return s_dues[due].reason;
}
