/*  tests/unit/coordinator/test_schedule.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <cmocka.h>
#include "coordinator/core/schedule.h"

/*  UTC, by the C library: an independent judge of our own calendar. */
static int64_t
s_at (int year, int month, int day, int hour, int minute)
{
    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = month - 1,
                    .tm_mday = day,
                    .tm_hour = hour,
                    .tm_min = minute};
    return (int64_t)timegm (&tm) * 1000000;
}

static bm_schedule_set_t
s_full (int64_t id, int64_t at_us)
{
    return (bm_schedule_set_t){
        .set_id = id, .type = BM_SET_FULL, .complete = true, .at_utc_us = at_us};
}

static bm_due_t
s_due (const bm_schedule_config_t *config, const bm_schedule_set_t *sets, size_t n, int64_t now_us)
{
    bm_schedule_history_t history = {.sets = sets, .count = n, .all_ready = true};
    bm_schedule_now_t now = {.utc_us = now_us};
    return bm_schedule_due (config, &history, &now);
}

/*  The same with clocks that are ahead of UTC by so many minutes. */
static bm_due_t
s_due_at (const bm_schedule_config_t *config, const bm_schedule_history_t *history, int64_t now_us,
          int period_minutes, int hour_minutes)
{
    bm_schedule_now_t now = {now_us, period_minutes, hour_minutes};
    return bm_schedule_due (config, history, &now);
}

/* ---- sp_BackupAllFull_Schedule, as BizTalk has it: what the deviations are measured against --------------------------- */

typedef struct job {
    char frequency;
    int hour;        /* @BackupHour; -1 = NULL */
    bool local_time; /* @UseLocalTime */
    bool after_partial, force_full;
    int local_minutes; /* of the server's clock */
} job_t;

static struct tm
s_parts (int64_t utc_us, int minutes)
{
    time_t seconds = (time_t)(utc_us / 1000000) + (time_t)minutes * 60;
    struct tm tm;
    gmtime_r (&seconds, &tm);
    return tm;
}

/*  datepart (week) with DATEFIRST 7: the week of January 1 is the first, a week begins on Sunday. */
static int
s_week (const struct tm *tm)
{
    int first_of_year = ((tm->tm_wday - tm->tm_yday) % 7 + 7) % 7;
    return (tm->tm_yday + first_of_year) / 7;
}

static bool
s_same_period (const job_t *job, int64_t a_us, int64_t b_us)
{
    int minutes = job->local_time ? job->local_minutes : 0;
    struct tm a = s_parts (a_us, minutes), b = s_parts (b_us, minutes);
    bool year = a.tm_year == b.tm_year, month = year && a.tm_mon == b.tm_mon;
    bool day = month && a.tm_mday == b.tm_mday;
    switch (job->frequency) {
        case 'h':
            return day && a.tm_hour == b.tm_hour;
        case 'd':
            return day;
        case 'w':
            return month && s_week (&a) == s_week (&b);
        case 'm':
            return month;
        default:
            return year;
    }
}

static bool
s_biztalk (const job_t *job, const bm_schedule_set_t *sets, size_t n, int64_t now_us)
{
    int64_t latest_us = 0, partial = 0, complete = 0;
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        if (!sets[i].complete && sets[i].set_id > partial)
            partial = sets[i].set_id;
        if (sets[i].type != BM_SET_FULL)
            continue;
        if (sets[i].complete && sets[i].set_id > complete)
            complete = sets[i].set_id;
        if (!any || sets[i].at_utc_us > latest_us)
            latest_us = sets[i].at_utc_us;
        any = true;
    }
    if (job->force_full || (job->after_partial && partial > complete) || !any)
        return true;
    if (s_same_period (job, latest_us, now_us))
        return false;
    return job->hour < 0 || job->frequency == 'h' ||
           s_parts (now_us, job->local_minutes).tm_hour == job->hour;
}

/*  Ours with the same parameters. */
static bm_due_t
s_ours (const job_t *job, const bm_schedule_set_t *sets, size_t n, int64_t now_us)
{
    char letter[2] = {job->frequency, '\0'};
    bm_schedule_config_t config = {.backup_hour = job->hour,
                                   .full_after_partial = job->after_partial,
                                   .retry_pause_us = INT64_C (900000000)};
    assert_true (bm_frequency_parse (letter, &config.every));
    bm_schedule_history_t history = {
        .sets = sets, .count = n, .force_full = job->force_full, .all_ready = true};
    return s_due_at (&config, &history, now_us, job->local_time ? job->local_minutes : 0,
                     job->local_minutes);
}

/*  What we say, and whether the job says the same. */
static void
s_compare (const job_t *job, const bm_schedule_set_t *sets, size_t n, int64_t now_us, bm_due_t ours,
           bool job_says)
{
    assert_int_equal (s_biztalk (job, sets, n, now_us), job_says);
    assert_int_equal (s_ours (job, sets, n, now_us), ours);
}

static void
the_letters_of_the_job_are_understood (void **state)
{
    (void)state;
    const char *letters[] = {"h", "d", "w", "m", "y", "H", "D", "W", "M", "Y"};
    const char *names[] = {"hour", "day", "week", "month", "year"};
    for (int at = 0; at < 10; at++) {
        bm_frequency_t frequency = BM_EVERY_YEAR;
        assert_true (bm_frequency_parse (letters[at], &frequency));
        assert_int_equal (frequency, at % 5);
        assert_string_equal (bm_frequency_name (frequency), names[at % 5]);
    }
    bm_frequency_t frequency = BM_EVERY_DAY;
    assert_false (bm_frequency_parse ("x", &frequency));
    assert_false (bm_frequency_parse ("", &frequency));
    assert_false (bm_frequency_parse ("dd", &frequency));
    assert_false (bm_frequency_parse (NULL, &frequency));
}

static void
periods_agree_with_the_calendar_for_300_years (void **state)
{
    (void)state;
    int64_t month_before = 0;
    int64_t year_before = 0;
    struct tm before = {0};
    for (int64_t day = -60000; day < 60000; day++) {
        time_t seconds = (time_t)(day * 86400 + 43200);
        struct tm tm;
        gmtime_r (&seconds, &tm);
        int64_t us = (int64_t)seconds * 1000000;
        int64_t month = bm_schedule_period (BM_EVERY_MONTH, us, 0);
        int64_t year = bm_schedule_period (BM_EVERY_YEAR, us, 0);
        assert_int_equal (year, tm.tm_year + 1900);
        if (day > -60000) {
            assert_int_equal (month - month_before, tm.tm_mon != before.tm_mon);
            assert_int_equal (year - year_before, tm.tm_year != before.tm_year);
            int64_t week = bm_schedule_period (BM_EVERY_WEEK, us, 0) -
                           bm_schedule_period (BM_EVERY_WEEK, us - 86400000000, 0);
            assert_int_equal (week, tm.tm_wday == 1);
        }
        month_before = month;
        year_before = year;
        before = tm;
    }
}

static void
the_first_full_is_due_at_any_hour (void **state)
{
    (void)state;
    bm_schedule_config_t config = {.every = BM_EVERY_DAY, .backup_hour = 23};
    assert_int_equal (s_due (&config, NULL, 0, s_at (2026, 3, 1, 0, 5)), BM_DUE_FIRST);
    /*  an incomplete one does not count */
    bm_schedule_set_t set = s_full (1, s_at (2026, 3, 1, 0, 1));
    set.complete = false;
    assert_int_equal (s_due (&config, &set, 1, s_at (2026, 3, 1, 0, 5)), BM_DUE_FIRST);
    /*  one under repair does */
    set.under_repair = true;
    assert_int_equal (s_due (&config, &set, 1, s_at (2026, 3, 1, 0, 5)), BM_DUE_NO);
    /*  a log set is no full */
    bm_schedule_set_t log = s_full (1, s_at (2026, 3, 1, 0, 1));
    log.type = BM_SET_LOG;
    assert_int_equal (s_due (&config, &log, 1, s_at (2026, 3, 1, 0, 5)), BM_DUE_FIRST);
}

static void
a_period_has_one_full (void **state)
{
    (void)state;
    const int64_t full = s_at (2026, 1, 31, 22, 10);
    const struct {
        bm_frequency_t every;
        int64_t same;
        int64_t next;
    } cases[] = {
        {BM_EVERY_HOUR, s_at (2026, 1, 31, 22, 59), s_at (2026, 1, 31, 23, 0)},
        {BM_EVERY_DAY, s_at (2026, 1, 31, 23, 59), s_at (2026, 2, 1, 0, 0)},
        /*  a Saturday: the week goes on over the end of the month until Monday */
        {BM_EVERY_WEEK, s_at (2026, 2, 1, 23, 59), s_at (2026, 2, 2, 0, 0)},
        {BM_EVERY_MONTH, s_at (2026, 1, 31, 23, 59), s_at (2026, 2, 1, 0, 0)},
        {BM_EVERY_YEAR, s_at (2026, 12, 31, 23, 59), s_at (2027, 1, 1, 0, 0)},
    };
    bm_schedule_set_t set = s_full (1, full);
    for (size_t at = 0; at < 5; at++) {
        bm_schedule_config_t config = {.every = cases[at].every, .backup_hour = -1};
        assert_int_equal (s_due (&config, &set, 1, cases[at].same), BM_DUE_NO);
        assert_int_equal (s_due (&config, &set, 1, cases[at].next), BM_DUE_PERIOD);
    }
}

static void
the_backup_hour_means_from_that_hour_on (void **state)
{
    (void)state;
    bm_schedule_config_t config = {.every = BM_EVERY_DAY, .backup_hour = 2};
    bm_schedule_set_t set = s_full (1, s_at (2026, 5, 4, 2, 15));
    assert_int_equal (s_due (&config, &set, 1, s_at (2026, 5, 5, 1, 59)), BM_DUE_NOT_YET);
    assert_int_equal (s_due (&config, &set, 1, s_at (2026, 5, 5, 2, 0)), BM_DUE_PERIOD);
    /*  the machine was off at 2: the day is not lost */
    assert_int_equal (s_due (&config, &set, 1, s_at (2026, 5, 5, 17, 30)), BM_DUE_PERIOD);
    config.every = BM_EVERY_HOUR;
    assert_int_equal (s_due (&config, &set, 1, s_at (2026, 5, 5, 1, 0)), BM_DUE_PERIOD);
}

static void
local_time_decides_period_and_hour_also_over_a_change_of_the_clock (void **state)
{
    (void)state;
    bm_schedule_config_t config = {.every = BM_EVERY_DAY, .backup_hour = 2};
    /*  Taken at 00:30 UTC = 01:30 local on the 29th, before the clock went forward. */
    bm_schedule_set_t set = s_full (1, s_at (2026, 3, 29, 0, 30));
    set.utc_offset_minutes = 60;
    bm_schedule_history_t history = {.sets = &set, .count = 1};
    assert_int_equal (s_due_at (&config, &history, s_at (2026, 3, 29, 10, 0), 120, 120), BM_DUE_NO);
    /*  23:30 UTC is 01:30 of the next day there */
    assert_int_equal (s_due_at (&config, &history, s_at (2026, 3, 29, 23, 30), 120, 120),
                      BM_DUE_NOT_YET);
    assert_int_equal (s_due_at (&config, &history, s_at (2026, 3, 30, 0, 1), 120, 120),
                      BM_DUE_PERIOD);
    /*  west of Greenwich: 03:00 UTC is 22:00 of the day before */
    assert_int_equal (s_due_at (&config, &history, s_at (2026, 3, 30, 3, 0), -300, -300),
                      BM_DUE_NO);
}

static void
a_full_stamped_in_the_future_does_not_block_or_repeat_fulls (void **state)
{
    (void)state;
    bm_schedule_config_t config = {.every = BM_EVERY_DAY, .backup_hour = -1};
    bm_schedule_set_t sets[] = {s_full (1, s_at (2099, 1, 1, 0, 0)),
                                s_full (2, s_at (2026, 1, 1, 8, 0))};
    assert_int_equal (s_due (&config, sets, 1, s_at (2026, 1, 1, 9, 0)), BM_DUE_PERIOD);
    assert_int_equal (s_due (&config, sets, 2, s_at (2026, 1, 1, 9, 0)), BM_DUE_NO);
}

static void
a_forced_full_comes_first (void **state)
{
    (void)state;
    bm_schedule_config_t config = {.every = BM_EVERY_YEAR, .backup_hour = 23};
    bm_schedule_set_t set = s_full (1, s_at (2026, 1, 1, 8, 0));
    bm_schedule_history_t history = {.sets = &set, .count = 1, .force_full = true};
    assert_int_equal (s_due_at (&config, &history, s_at (2026, 1, 1, 9, 0), 0, 0), BM_DUE_FORCED);
}

static void
a_restored_group_and_a_new_database_need_a_full (void **state)
{
    (void)state;
    bm_schedule_config_t config = {.every = BM_EVERY_YEAR, .backup_hour = -1};
    bm_schedule_set_t set = s_full (1, s_at (2026, 1, 1, 8, 0));
    bm_schedule_history_t history = {.sets = &set, .count = 1, .fork_changed = true};
    assert_int_equal (s_due_at (&config, &history, s_at (2026, 1, 1, 9, 0), 0, 0), BM_DUE_FORK);
    history.fork_changed = false;
    history.databases_without_full = 1;
    assert_int_equal (s_due_at (&config, &history, s_at (2026, 1, 1, 9, 0), 0, 0),
                      BM_DUE_NEW_DATABASE);
}

static void
an_incomplete_set_makes_a_full_due_only_where_asked (void **state)
{
    (void)state;
    bm_schedule_set_t sets[] = {s_full (5, s_at (2026, 1, 1, 8, 0)),
                                s_full (6, s_at (2026, 1, 1, 8, 15)),
                                s_full (4, s_at (2026, 1, 1, 7, 0))};
    sets[1].type = BM_SET_LOG;
    sets[1].complete = false;
    sets[2].complete = false;
    bm_schedule_config_t config = {.every = BM_EVERY_DAY, .backup_hour = -1};
    int64_t now = s_at (2026, 1, 1, 9, 0);
    assert_int_equal (s_due (&config, sets, 3, now), BM_DUE_NO);
    config.full_after_partial = true;
    assert_int_equal (s_due (&config, sets, 3, now), BM_DUE_AFTER_PARTIAL);
    config.full_after_partial = false;
    config.legacy_log_shipping = true;
    assert_int_equal (s_due (&config, sets, 3, now), BM_DUE_AFTER_PARTIAL);
    /*  a complete full after it ends it */
    sets[0].set_id = 7;
    assert_int_equal (s_due (&config, sets, 3, now), BM_DUE_NO);
}

/* ---- where the job's rule is ours -------------------------------------------------------------------------------- */

static void
the_rule_of_the_job_for_every_frequency_and_the_first_full (void **state)
{
    (void)state;
    const int64_t full = s_at (2026, 5, 13, 2, 10); /* a Wednesday */
    const struct {
        char frequency;
        int hour;
        int64_t now;
        bm_due_t due;
    } cases[] = {
        {'h', -1, s_at (2026, 5, 13, 2, 59), BM_DUE_NO},
        {'h', -1, s_at (2026, 5, 13, 3, 0), BM_DUE_PERIOD},
        {'h', 23, s_at (2026, 5, 13, 3, 0), BM_DUE_PERIOD}, /* the hour is not looked at */
        {'d', -1, s_at (2026, 5, 13, 23, 59), BM_DUE_NO},
        {'d', -1, s_at (2026, 5, 14, 0, 0), BM_DUE_PERIOD},
        {'d', 2, s_at (2026, 5, 14, 1, 59), BM_DUE_NOT_YET},
        {'d', 2, s_at (2026, 5, 14, 2, 0), BM_DUE_PERIOD},
        {'d', 0, s_at (2026, 5, 14, 0, 0), BM_DUE_PERIOD},
        {'d', 23, s_at (2026, 5, 14, 22, 59), BM_DUE_NOT_YET},
        {'d', 23, s_at (2026, 5, 14, 23, 0), BM_DUE_PERIOD},
        {'w', -1, s_at (2026, 5, 16, 12, 0), BM_DUE_NO},
        {'w', -1, s_at (2026, 5, 18, 12, 0), BM_DUE_PERIOD},
        {'m', -1, s_at (2026, 5, 31, 23, 59), BM_DUE_NO},
        {'m', -1, s_at (2026, 6, 1, 0, 0), BM_DUE_PERIOD},
        {'m', 4, s_at (2026, 6, 1, 3, 0), BM_DUE_NOT_YET},
        {'m', 4, s_at (2026, 6, 1, 4, 0), BM_DUE_PERIOD},
        {'y', -1, s_at (2026, 12, 31, 23, 59), BM_DUE_NO},
        {'y', -1, s_at (2027, 1, 1, 0, 0), BM_DUE_PERIOD},
    };
    bm_schedule_set_t set = s_full (1, full);
    for (size_t at = 0; at < sizeof cases / sizeof *cases; at++) {
        job_t job = {.frequency = cases[at].frequency, .hour = cases[at].hour};
        s_compare (&job, &set, 1, cases[at].now, cases[at].due, bm_due_is (cases[at].due));
        s_compare (&job, NULL, 0, cases[at].now, BM_DUE_FIRST, true);
        job.force_full = true;
        s_compare (&job, &set, 1, full, BM_DUE_FORCED, true);
    }
}

static void
after_a_partial_set_a_full_is_due_by_the_jobs_flag (void **state)
{
    (void)state;
    const int64_t now = s_at (2026, 5, 13, 12, 0);
    bm_schedule_set_t sets[] = {s_full (1, s_at (2026, 5, 13, 2, 0)),
                                s_full (2, s_at (2026, 5, 13, 2, 15)),
                                s_full (3, s_at (2026, 5, 13, 8, 0))};
    sets[1].type = BM_SET_LOG;
    sets[1].complete = false;
    job_t job = {.frequency = 'd', .hour = -1, .after_partial = true};
    s_compare (&job, sets, 2, now, BM_DUE_AFTER_PARTIAL, true);
    s_compare (&job, sets, 3, now, BM_DUE_NO, false); /* a later complete full ends it */
    job.after_partial = false;
    s_compare (&job, sets, 2, now, BM_DUE_NO, false);
}

static void
with_local_time_an_hour_that_comes_twice_takes_one_full (void **state)
{
    (void)state;
    /*  October 25, 2026 in central Europe: 02:00 to 03:00 twice, 00:00 to 01:00 UTC and 01:00 to 02:00 UTC. */
    job_t job = {.frequency = 'd', .hour = 2, .local_time = true, .local_minutes = 120};
    bm_schedule_set_t yesterday = s_full (1, s_at (2026, 10, 24, 0, 5));
    yesterday.utc_offset_minutes = 120;
    s_compare (&job, &yesterday, 1, s_at (2026, 10, 25, 0, 10), BM_DUE_PERIOD, true);
    bm_schedule_set_t first = s_full (2, s_at (2026, 10, 25, 0, 10));
    first.utc_offset_minutes = 120;
    job.local_minutes = 60;
    s_compare (&job, &first, 1, s_at (2026, 10, 25, 1, 10), BM_DUE_NO, false);
    /*  by the hour, the two are one hour: their name in adm_BackupHistory is the same */
    bm_schedule_config_t hourly = {.every = BM_EVERY_HOUR};
    bm_schedule_history_t history = {.sets = &first, .count = 1};
    assert_int_equal (s_due_at (&hourly, &history, s_at (2026, 10, 25, 1, 10), 60, 60), BM_DUE_NO);
    assert_int_equal (s_due_at (&hourly, &history, s_at (2026, 10, 25, 2, 0), 60, 60),
                      BM_DUE_PERIOD);
}

static void
utc_periods_with_a_local_backup_hour_are_the_jobs_default (void **state)
{
    (void)state;
    /*  Brisbane, ten hours ahead: 02:00 local is 16:00 UTC, in the middle of the UTC day. */
    job_t job = {.frequency = 'd', .hour = 2, .local_minutes = 600};
    bm_schedule_set_t set = s_full (1, s_at (2026, 5, 12, 16, 0));
    s_compare (&job, &set, 1, s_at (2026, 5, 12, 23, 59), BM_DUE_NO, false);
    s_compare (&job, &set, 1, s_at (2026, 5, 13, 0, 0), BM_DUE_NOT_YET, false); /* 10:00 local */
    s_compare (&job, &set, 1, s_at (2026, 5, 13, 15, 59), BM_DUE_NOT_YET, false);
    s_compare (&job, &set, 1, s_at (2026, 5, 13, 16, 0), BM_DUE_PERIOD, true);
    /*  the hour in which the UTC day begins there, and the one before it */
    job.hour = 10;
    set = s_full (1, s_at (2026, 5, 12, 0, 5));
    s_compare (&job, &set, 1, s_at (2026, 5, 13, 0, 0), BM_DUE_PERIOD, true);
    job.hour = 9;
    s_compare (&job, &set, 1, s_at (2026, 5, 13, 22, 59), BM_DUE_NOT_YET, false);
    s_compare (&job, &set, 1, s_at (2026, 5, 13, 23, 0), BM_DUE_PERIOD, true);
    /*  west of Greenwich, and a zone of half an hour */
    job = (job_t){.frequency = 'd', .hour = 22, .local_minutes = -300};
    s_compare (&job, &set, 1, s_at (2026, 5, 13, 2, 59), BM_DUE_NOT_YET, false);
    s_compare (&job, &set, 1, s_at (2026, 5, 13, 3, 0), BM_DUE_PERIOD, true);
    job = (job_t){.frequency = 'd', .hour = 5, .local_minutes = 330};
    s_compare (&job, &set, 1, s_at (2026, 5, 13, 0, 0), BM_DUE_PERIOD, true); /* 05:30 local */
}

/* ---- where it is not, on purpose --------------------------------------------------------------------------------- */

static void
unlike_the_job_a_week_is_not_cut_by_the_end_of_a_month_or_year (void **state)
{
    (void)state;
    job_t job = {.frequency = 'w', .hour = -1};
    bm_schedule_set_t set = s_full (1, s_at (2026, 3, 30, 1, 0)); /* a Monday */
    s_compare (&job, &set, 1, s_at (2026, 4, 1, 1, 0), BM_DUE_NO, true);
    set = s_full (1, s_at (2026, 12, 28, 1, 0)); /* a Monday */
    s_compare (&job, &set, 1, s_at (2027, 1, 1, 1, 0), BM_DUE_NO, true);
    s_compare (&job, &set, 1, s_at (2027, 1, 4, 0, 0), BM_DUE_PERIOD, true);
}

static void
unlike_the_job_a_week_begins_on_monday_whatever_datefirst_says (void **state)
{
    (void)state;
    job_t job = {.frequency = 'w', .hour = -1};
    bm_schedule_set_t set = s_full (1, s_at (2026, 5, 13, 1, 0));
    s_compare (&job, &set, 1, s_at (2026, 5, 17, 12, 0), BM_DUE_NO, true); /* Sunday */
    s_compare (&job, &set, 1, s_at (2026, 5, 18, 0, 0), BM_DUE_PERIOD, true);
}

static void
unlike_the_job_a_missed_backup_hour_does_not_lose_the_period (void **state)
{
    (void)state;
    bm_schedule_set_t set = s_full (1, s_at (2026, 5, 4, 2, 15)); /* a Monday */
    const struct {
        char frequency;
        int64_t now;
        bool job_says;
    } cases[] = {
        {'d', s_at (2026, 5, 5, 2, 45), true},
        {'d', s_at (2026, 5, 5, 3, 0), false},
        {'d', s_at (2026, 5, 5, 17, 30), false},
        {'w', s_at (2026, 5, 11, 9, 0), false},
        /*  the hour has come on the period's first day: from then on, whatever the hour */
        {'w', s_at (2026, 5, 12, 1, 0), false},
        {'m', s_at (2026, 6, 2, 0, 30), false},
        {'y', s_at (2027, 2, 1, 1, 0), false},
        {'y', s_at (2027, 2, 1, 2, 0), true},
    };
    for (size_t at = 0; at < sizeof cases / sizeof *cases; at++) {
        job_t job = {.frequency = cases[at].frequency, .hour = 2};
        s_compare (&job, &set, 1, cases[at].now, BM_DUE_PERIOD, cases[at].job_says);
    }
}

static void
unlike_the_job_an_hour_that_the_clock_leaves_out_does_not_lose_the_day (void **state)
{
    (void)state;
    /*  March 29, 2026 in central Europe: after 01:59 comes 03:00, at 01:00 UTC. */
    job_t job = {.frequency = 'd', .hour = 2, .local_time = true, .local_minutes = 60};
    bm_schedule_set_t set = s_full (1, s_at (2026, 3, 28, 1, 5));
    set.utc_offset_minutes = 60;
    s_compare (&job, &set, 1, s_at (2026, 3, 29, 0, 59), BM_DUE_NOT_YET, false);
    job.local_minutes = 120;
    s_compare (&job, &set, 1, s_at (2026, 3, 29, 1, 0), BM_DUE_PERIOD, false); /* 03:00 */
}

static void
unlike_the_job_a_full_that_failed_does_not_count_for_its_period (void **state)
{
    (void)state;
    bm_schedule_set_t sets[] = {s_full (1, s_at (2026, 5, 12, 2, 0)),
                                s_full (2, s_at (2026, 5, 13, 2, 0))};
    sets[1].complete = false;
    job_t job = {.frequency = 'd', .hour = -1};
    s_compare (&job, sets, 2, s_at (2026, 5, 13, 2, 14), BM_DUE_LATER, false);
    s_compare (&job, sets, 2, s_at (2026, 5, 13, 2, 15), BM_DUE_PERIOD, false);
    /*  while it is repaired it counts, and no other is begun beside it */
    sets[1].under_repair = true;
    s_compare (&job, sets, 2, s_at (2026, 5, 13, 23, 0), BM_DUE_NO, false);
    s_compare (&job, sets, 2, s_at (2026, 5, 14, 0, 0), BM_DUE_PERIOD, true);
}

static void
unlike_the_job_a_partial_set_makes_no_full_due_while_a_database_is_out_of_reach (void **state)
{
    (void)state;
    bm_schedule_set_t sets[] = {s_full (1, s_at (2026, 5, 13, 2, 0)),
                                s_full (2, s_at (2026, 5, 13, 8, 0))};
    sets[1].type = BM_SET_LOG;
    sets[1].complete = false;
    bm_schedule_history_t history = {.sets = sets, .count = 2};
    bm_schedule_config_t config = {.every = BM_EVERY_DAY, .backup_hour = -1};
    for (int legacy = 0; legacy < 2; legacy++) {
        config.legacy_log_shipping = legacy;
        config.full_after_partial = !legacy;
        history.all_ready = false;
        assert_int_equal (s_due_at (&config, &history, s_at (2026, 5, 13, 9, 0), 0, 0), BM_DUE_NO);
        history.all_ready = true;
        assert_int_equal (s_due_at (&config, &history, s_at (2026, 5, 13, 9, 0), 0, 0),
                          BM_DUE_AFTER_PARTIAL);
    }
}

static void
whole_fulls_of_one_period_have_a_pause_between_them_that_doubles (void **state)
{
    (void)state;
    const int64_t begin = s_at (2026, 5, 13, 0, 0), minute = INT64_C (60000000);
    bm_schedule_config_t config = {.every = BM_EVERY_DAY,
                                   .backup_hour = -1,
                                   .legacy_log_shipping = true,
                                   .retry_pause_us = 15 * minute};
    bm_schedule_set_t sets[96];
    bm_schedule_history_t history = {.sets = sets, .all_ready = true};
    int64_t at[8] = {0};
    for (int64_t run = 0; run < 96; run++) {
        int64_t now = begin + run * 15 * minute;
        if (!bm_due_is (s_due_at (&config, &history, now, 0, 0)))
            continue;
        assert_true (history.count < 8);
        at[history.count] = run * 15;
        sets[history.count] = s_full ((int64_t)history.count + 1, now);
        sets[history.count++].complete = false; /* each fails, although everybody is ready */
    }
    const int64_t expected[] = {0, 15, 45, 105, 225, 465, 945, 1425};
    assert_int_equal (history.count, 8);
    assert_memory_equal (at, expected, sizeof expected);
    /*  without everybody there is no second one that day, and one the next */
    history.count = 1;
    history.all_ready = false;
    assert_int_equal (s_due_at (&config, &history, begin + 1439 * minute, 0, 0), BM_DUE_LATER);
    assert_int_equal (s_due_at (&config, &history, begin + 1440 * minute, 0, 0), BM_DUE_FIRST);
}

static void
periods_begin_where_they_are_counted_from (void **state)
{
    (void)state;
    /*  backup-hour 0 has come exactly when the period has begun: the calendar's inverse, over 60 years */
    const bm_frequency_t every[] = {BM_EVERY_DAY, BM_EVERY_WEEK, BM_EVERY_MONTH, BM_EVERY_YEAR};
    for (size_t f = 0; f < 4; f++) {
        bm_schedule_config_t config = {.every = every[f], .backup_hour = 1};
        for (int64_t day = 10000; day < 32000; day++) {
            const int64_t midnight = day * INT64_C (86400000000);
            bm_schedule_set_t set = s_full (1, midnight - 1);
            bool begins = bm_schedule_period (every[f], midnight, 0) !=
                          bm_schedule_period (every[f], midnight - 1, 0);
            bm_due_t at_midnight = s_due (&config, &set, 1, midnight);
            bm_due_t an_hour_later = s_due (&config, &set, 1, midnight + INT64_C (3600000000));
            assert_int_equal (at_midnight, begins ? BM_DUE_NOT_YET : BM_DUE_NO);
            assert_int_equal (an_hour_later, begins ? BM_DUE_PERIOD : BM_DUE_NO);
        }
    }
}

static void
every_answer_has_its_sentence (void **state)
{
    (void)state;
    for (int due = 0; due < BM_DUE_COUNT; due++) {
        assert_non_null (bm_due_reason ((bm_due_t)due));
        assert_int_equal (bm_due_is ((bm_due_t)due), due >= BM_DUE_FORCED);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (the_letters_of_the_job_are_understood),
        cmocka_unit_test (periods_agree_with_the_calendar_for_300_years),
        cmocka_unit_test (the_first_full_is_due_at_any_hour),
        cmocka_unit_test (a_period_has_one_full),
        cmocka_unit_test (the_backup_hour_means_from_that_hour_on),
        cmocka_unit_test (local_time_decides_period_and_hour_also_over_a_change_of_the_clock),
        cmocka_unit_test (a_full_stamped_in_the_future_does_not_block_or_repeat_fulls),
        cmocka_unit_test (a_forced_full_comes_first),
        cmocka_unit_test (a_restored_group_and_a_new_database_need_a_full),
        cmocka_unit_test (an_incomplete_set_makes_a_full_due_only_where_asked),
        cmocka_unit_test (the_rule_of_the_job_for_every_frequency_and_the_first_full),
        cmocka_unit_test (after_a_partial_set_a_full_is_due_by_the_jobs_flag),
        cmocka_unit_test (with_local_time_an_hour_that_comes_twice_takes_one_full),
        cmocka_unit_test (utc_periods_with_a_local_backup_hour_are_the_jobs_default),
        cmocka_unit_test (unlike_the_job_a_week_is_not_cut_by_the_end_of_a_month_or_year),
        cmocka_unit_test (unlike_the_job_a_week_begins_on_monday_whatever_datefirst_says),
        cmocka_unit_test (unlike_the_job_a_missed_backup_hour_does_not_lose_the_period),
        cmocka_unit_test (unlike_the_job_an_hour_that_the_clock_leaves_out_does_not_lose_the_day),
        cmocka_unit_test (unlike_the_job_a_full_that_failed_does_not_count_for_its_period),
        cmocka_unit_test (
            unlike_the_job_a_partial_set_makes_no_full_due_while_a_database_is_out_of_reach),
        cmocka_unit_test (whole_fulls_of_one_period_have_a_pause_between_them_that_doubles),
        cmocka_unit_test (periods_begin_where_they_are_counted_from),
        cmocka_unit_test (every_answer_has_its_sentence),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
