/*  Dates. All arguments are ticks of 100 ns. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "functions.h"

#define S_ARGS sqlite3_context *context, int argc, sqlite3_value **argv

typedef enum {
    S_YEAR,
    S_QUARTER,
    S_MONTH,
    S_DAYOFYEAR,
    S_DAY,
    S_WEEK,
    S_WEEKDAY,
    S_HOUR,
    S_MINUTE,
    S_SECOND,
    S_MILLISECOND,
    S_MICROSECOND,
    S_NANOSECOND,
    S_NONE
} s_part_t;

static s_part_t
s_part (const char *word)
{
    static const struct {
        const char *word;
        s_part_t part;
    } words[] = {{"year", S_YEAR},       {"yy", S_YEAR},
                 {"yyyy", S_YEAR},       {"quarter", S_QUARTER},
                 {"qq", S_QUARTER},      {"q", S_QUARTER},
                 {"month", S_MONTH},     {"mm", S_MONTH},
                 {"m", S_MONTH},         {"dayofyear", S_DAYOFYEAR},
                 {"dy", S_DAYOFYEAR},    {"y", S_DAYOFYEAR},
                 {"day", S_DAY},         {"dd", S_DAY},
                 {"d", S_DAY},           {"week", S_WEEK},
                 {"wk", S_WEEK},         {"ww", S_WEEK},
                 {"weekday", S_WEEKDAY}, {"dw", S_WEEKDAY},
                 {"w", S_WEEKDAY},       {"hour", S_HOUR},
                 {"hh", S_HOUR},         {"minute", S_MINUTE},
                 {"mi", S_MINUTE},       {"n", S_MINUTE},
                 {"second", S_SECOND},   {"ss", S_SECOND},
                 {"s", S_SECOND},        {"millisecond", S_MILLISECOND},
                 {"ms", S_MILLISECOND},  {"microsecond", S_MICROSECOND},
                 {"mcs", S_MICROSECOND}, {"nanosecond", S_NANOSECOND},
                 {"ns", S_NANOSECOND}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (sh_same (word, words[i].word))
            return words[i].part;
    return S_NONE;
}

static void
s_bad_part (sqlite3_context *context, const char *word)
{
    sh_error_set (sh_function_session (context), 155, 15, 1,
                  "'%s' is not a recognized datepart option.", word);
    sh_function_fail (context, SH_ERROR);
}

static int64_t
s_unit (s_part_t part)
{
    switch (part) {
        case S_WEEK:
            return 7 * SH_TICKS_PER_DAY;
        case S_DAY:
        case S_DAYOFYEAR:
        case S_WEEKDAY:
            return SH_TICKS_PER_DAY;
        case S_HOUR:
            return INT64_C (3600) * SH_TICKS_PER_SECOND;
        case S_MINUTE:
            return INT64_C (60) * SH_TICKS_PER_SECOND;
        case S_SECOND:
            return SH_TICKS_PER_SECOND;
        case S_MILLISECOND:
            return SH_TICKS_PER_MS;
        case S_MICROSECOND:
            return SH_TICKS_PER_US;
        default:
            return 1;
    }
}

static int
s_month_days (int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

static bool
s_add_months (int64_t *ticks, int64_t months)
{
    sh_civil_t c;
    sh_ticks_to_civil (*ticks, &c);
    int64_t month = (int64_t)c.year * 12 + c.month - 1 + months;
    if (month < 12 || month >= 10000 * 12)
        return false;
    c.year = (int)(month / 12);
    c.month = (int)(month % 12) + 1;
    if (c.day > s_month_days (c.year, c.month))
        c.day = s_month_days (c.year, c.month);
    *ticks = sh_ticks_from_civil (&c);
    return true;
}

static void
s_dateadd (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    s_part_t part = s_part (sh_arg_text (argv[0]));
    int64_t count = sqlite3_value_int64 (argv[1]), ticks = sqlite3_value_int64 (argv[2]), step;
    if (part == S_NONE) {
        s_bad_part (context, sh_arg_text (argv[0]));
        return;
    }
    bool ok = true;
    if (part == S_YEAR || part == S_QUARTER || part == S_MONTH)
        ok = s_add_months (&ticks, count * (part == S_YEAR ? 12 : part == S_QUARTER ? 3 : 1));
    else if (part == S_NANOSECOND)
        ticks += count / 100;
    else
        ok = !__builtin_mul_overflow (count, s_unit (part), &step) &&
             !__builtin_add_overflow (ticks, step, &ticks);
    if (ok && ticks >= 0 && ticks <= INT64_C (3155378975999999999)) {
        sqlite3_result_int64 (context, ticks);
        return;
    }
    sh_error_set (sh_function_session (context), 517, 16, 1,
                  "Adding a value to a 'datetime' column caused an overflow.");
    sh_function_fail (context, SH_ERROR);
}

/*  Boundaries crossed, not time elapsed. */
static void
s_datediff (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    s_part_t part = s_part (sh_arg_text (argv[0]));
    int64_t from = sqlite3_value_int64 (argv[1]), to = sqlite3_value_int64 (argv[2]);
    sh_civil_t a, b;
    sh_ticks_to_civil (from, &a);
    sh_ticks_to_civil (to, &b);
    int64_t months = ((int64_t)b.year - a.year) * 12 + b.month - a.month;
    switch (part) {
        case S_NONE:
            s_bad_part (context, sh_arg_text (argv[0]));
            break;
        case S_YEAR:
            sqlite3_result_int64 (context, b.year - a.year);
            break;
        case S_QUARTER:
            sqlite3_result_int64 (context, ((int64_t)b.year - a.year) * 4 + (b.month - 1) / 3 -
                                               (a.month - 1) / 3);
            break;
        case S_MONTH:
            sqlite3_result_int64 (context, months);
            break;
        case S_WEEK: /* weeks begin on Sunday; 0001-01-01 was a Monday */
            sqlite3_result_int64 (context, (to / SH_TICKS_PER_DAY + 1) / 7 -
                                               (from / SH_TICKS_PER_DAY + 1) / 7);
            break;
        default:
            sqlite3_result_int64 (context, part == S_NANOSECOND
                                               ? (to - from) * 100
                                               : to / s_unit (part) - from / s_unit (part));
    }
}

static int
s_day_of_year (const sh_civil_t *c)
{
    int day = c->day;
    for (int month = 1; month < c->month; month++)
        day += s_month_days (c->year, month);
    return day;
}

static int
s_weekday (int64_t ticks, int datefirst)
{
    int monday = (int)(ticks / SH_TICKS_PER_DAY % 7); /* 0 = Monday */
    return (monday - (datefirst - 1) + 7) % 7 + 1;
}

static int64_t
s_value (s_part_t part, int64_t ticks, int datefirst)
{
    sh_civil_t c;
    sh_ticks_to_civil (ticks, &c);
    switch (part) {
        case S_YEAR:
            return c.year;
        case S_QUARTER:
            return (c.month - 1) / 3 + 1;
        case S_MONTH:
            return c.month;
        case S_DAYOFYEAR:
            return s_day_of_year (&c);
        case S_DAY:
            return c.day;
        case S_WEEK: {
            sh_civil_t first = {.year = c.year, .month = 1, .day = 1};
            int lead = s_weekday (sh_ticks_from_civil (&first), datefirst) - 1;
            return (s_day_of_year (&c) - 1 + lead) / 7 + 1;
        }
        case S_WEEKDAY:
            return s_weekday (ticks, datefirst);
        case S_HOUR:
            return c.hour;
        case S_MINUTE:
            return c.minute;
        case S_SECOND:
            return c.second;
        case S_MILLISECOND:
            return c.fraction / SH_TICKS_PER_MS;
        case S_MICROSECOND:
            return c.fraction / SH_TICKS_PER_US;
        default:
            return (int64_t)c.fraction * 100;
    }
}

static void
s_datepart (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    s_part_t part = s_part (sh_arg_text (argv[0]));
    if (part == S_NONE)
        s_bad_part (context, sh_arg_text (argv[0]));
    else
        sqlite3_result_int64 (context, s_value (part, sqlite3_value_int64 (argv[1]),
                                                sh_function_session (context)->set.datefirst));
}

static void
s_datename (S_ARGS)
{
    static const char *const months[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
    static const char *const days[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                       "Friday", "Saturday", "Sunday"};
    if (sh_any_null (argc, argv))
        return;
    s_part_t part = s_part (sh_arg_text (argv[0]));
    int64_t ticks = sqlite3_value_int64 (argv[1]);
    char text[24];
    if (part == S_NONE)
        s_bad_part (context, sh_arg_text (argv[0]));
    else if (part == S_MONTH)
        sh_result_text (context, months[s_value (S_MONTH, ticks, 7) - 1]);
    else if (part == S_WEEKDAY)
        sh_result_text (context, days[ticks / SH_TICKS_PER_DAY % 7]);
    else {
        snprintf (text, sizeof text, "%lld",
                  (long long)s_value (part, ticks, sh_function_session (context)->set.datefirst));
        sh_result_text (context, text);
    }
}

static void
s_year (S_ARGS)
{
    if (!sh_any_null (argc, argv))
        sqlite3_result_int64 (context, s_value (S_YEAR, sqlite3_value_int64 (argv[0]), 7));
}

static void
s_month (S_ARGS)
{
    if (!sh_any_null (argc, argv))
        sqlite3_result_int64 (context, s_value (S_MONTH, sqlite3_value_int64 (argv[0]), 7));
}

static void
s_day (S_ARGS)
{
    if (!sh_any_null (argc, argv))
        sqlite3_result_int64 (context, s_value (S_DAY, sqlite3_value_int64 (argv[0]), 7));
}

static void
s_eomonth (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    int64_t ticks = sqlite3_value_int64 (argv[0]);
    if (argc > 1 && !s_add_months (&ticks, sqlite3_value_int64 (argv[1])))
        return;
    sh_civil_t c;
    sh_ticks_to_civil (ticks, &c);
    sh_civil_t last = {.year = c.year, .month = c.month, .day = s_month_days (c.year, c.month)};
    sqlite3_result_int64 (context, sh_ticks_from_civil (&last));
}

static void
s_datefromparts (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    sh_civil_t c = {.year = (int)sqlite3_value_int64 (argv[0]),
                    .month = (int)sqlite3_value_int64 (argv[1]),
                    .day = (int)sqlite3_value_int64 (argv[2])};
    if (c.year >= 1 && c.year <= 9999 && c.month >= 1 && c.month <= 12 && c.day >= 1 &&
        c.day <= s_month_days (c.year, c.month)) {
        sqlite3_result_int64 (context, sh_ticks_from_civil (&c));
        return;
    }
    sh_error_set (
        sh_function_session (context), 289, 16, 1,
        "Cannot construct data type date, some of the arguments have values which are not "
        "valid.");
    sh_function_fail (context, SH_ERROR);
}

static void
s_isdate (S_ARGS)
{
    (void)argc;
    int64_t ticks;
    const char *text = sh_arg_text (argv[0]);
    sqlite3_result_int (context, *text && sh_time_parse (text, &ticks));
}

const sh_sql_entry_t sh_time_functions[] = {
    {"ts_dateadd", 3, true, s_dateadd},       {"ts_datediff", 3, true, s_datediff},
    {"ts_datediff_big", 3, true, s_datediff}, {"ts_datepart", 2, true, s_datepart},
    {"ts_datename", 2, true, s_datename},     {"ts_year", 1, true, s_year},
    {"ts_month", 1, true, s_month},           {"ts_day", 1, true, s_day},
    {"ts_eomonth", -1, true, s_eomonth},      {"ts_datefromparts", 3, true, s_datefromparts},
    {"ts_isdate", 1, true, s_isdate},         {NULL, 0, false, NULL}};
