/*  coordinator/core/schedule.c */
#include "coordinator/core/schedule.h"
#include "common/error.h"

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
    [BM_DUE_FORCED] = {true, "a full backup was asked for"},
    [BM_DUE_FIRST] = {true, "the group has no complete full backup yet"},
    [BM_DUE_FORK] = {true, "the group was restored since its last full backup"},
    [BM_DUE_AFTER_PARTIAL] = {true, "a set was incomplete since the last complete full backup"},
    [BM_DUE_NEW_DATABASE] = {true, "a database of the group has no full backup"},
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

/*  What the history says, gathered in one walk. */
typedef struct {
    bool any_full;
    bool this_period;
    int64_t last_full_id;
    bool any_partial;
    int64_t last_partial_id;
} s_summary_t;

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
        if (set->type != BM_SET_FULL || !(set->complete || set->under_repair))
            continue;
        if (!summary.any_full || set->set_id > summary.last_full_id)
            summary.last_full_id = set->set_id;
        summary.any_full = true;
        if (bm_schedule_period (config->every, set->at_utc_us, set->utc_offset_minutes) == period)
            summary.this_period = true;
    }
    return summary;
}

bm_due_t
bm_schedule_due (const bm_schedule_config_t *config, const bm_schedule_history_t *history,
                 int64_t now_utc_us, int utc_offset_minutes)
{
    int64_t period = bm_schedule_period (config->every, now_utc_us, utc_offset_minutes);
    s_summary_t summary = s_summarize (config, history, period);

    if (history->force_full)
        return BM_DUE_FORCED;
    if (!summary.any_full)
        return BM_DUE_FIRST;
    if (history->fork_changed)
        return BM_DUE_FORK;
    if (history->databases_without_full > 0)
        return BM_DUE_NEW_DATABASE;
    bool partial = summary.any_partial && summary.last_partial_id > summary.last_full_id;
    if (partial && (config->full_after_partial || config->legacy_log_shipping))
        return BM_DUE_AFTER_PARTIAL;
    if (summary.this_period)
        return BM_DUE_NO;
    if (config->every == BM_EVERY_HOUR || config->backup_hour < 0)
        return BM_DUE_PERIOD;
    int64_t zone_us = now_utc_us + utc_offset_minutes * S_US_PER_MINUTE;
    int64_t hour =
        s_floor_divide (zone_us, S_US_PER_HOUR) - 24 * s_floor_divide (zone_us, S_US_PER_DAY);
    return hour >= config->backup_hour ? BM_DUE_PERIOD : BM_DUE_NOT_YET;
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
